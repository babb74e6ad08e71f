//! Splices into the value of `config_IF`: in the style found, the primary address stays first.

use std::collections::BTreeMap;
use std::ops::Range;

use super::specs::{Site, Spec, Style};
use super::{Reading, Service, plan, services};
use crate::alias::{Alias, IfName};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Backup, Change, Plan};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, Element, Origin, Traced, Value, Variable, deletion};
use crate::text::{Splice, Text};

/// The plan that adds an entry for each of `want`.
pub(super) fn add(root: &Root, want: &[Alias]) -> Result<Plan> {
    let mut all = Edits::default();
    let mut notes = Vec::new();
    let mut touched = Vec::new();
    let mut by_interface: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    want.iter().for_each(|alias| by_interface.entry(alias.interface.as_str()).or_default().push(alias));
    for (interface, aliases) in by_interface {
        let services = services(root)?;
        let Some(service) = services.iter().find(|service| service.interface == interface && service.is_started())
        else {
            let hint =
                format!("rc-update add net.{interface} default, once /etc/init.d/net.{interface} is a link to net.lo");
            let reason = format!("netifrc does not start {interface} here: there is no net.{interface} in a runlevel");
            return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
        };
        let reading = Reading::of(root, service)?;
        for alias in &aliases {
            if alias.label.as_ref().is_some_and(|label| !label.as_str().starts_with(interface)) {
                let hint = format!("write {interface}:NAME");
                return Err(Refusal::new(Kind::Unacceptable, "a label begins with the interface's name", hint).into());
            }
        }
        append(&reading, &aliases, &mut all, &mut notes)?;
        touched.push(reading.service);
    }
    let steps = want.iter().map(|alias| Action::Add(alias.clone())).collect();
    let mut plan = plan(all.changes(root)?, steps, &touched);
    plan.notes = notes;
    Ok(plan)
}

/// The plan that takes the entries out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let mut all = Edits::default();
    let mut touched = Vec::new();
    for service in services(root)? {
        let own: Vec<&Entry> = gone.iter().filter(|entry| entry.interface == service.interface).collect();
        if own.is_empty() {
            continue;
        }
        let reading = Reading::of(root, &service)?;
        cut(&reading, &own, &mut all)?;
        touched.extend(Some(reading.service).filter(Service::is_started));
    }
    let down = |entry: &Entry| {
        let interface = IfName::new(&entry.interface).ok()?;
        Some(Action::Delete(Alias { interface, address: entry.address, label: None, preferred: false }))
    };
    Ok(plan(all.changes(root)?, gone.iter().filter_map(down).collect(), &touched))
}

/// Splices by file.
#[derive(Default)]
struct Edits(BTreeMap<RootPath, (Text, Vec<Splice>)>);

impl Edits {
    fn push(&mut self, reading: &Reading, source: usize, splice: Splice) {
        if let Some((path, text)) = reading.config.files.get(source) {
            self.0.entry(path.clone()).or_insert_with(|| (text.clone(), Vec::new())).1.push(splice);
        }
    }

    fn changes(self, root: &Root) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, (text, splices)) in self.0 {
            let after = Some(text.apply(splices)?);
            changes.push(Change { before: root.read(&path)?, path, after, mode: 0o644, backup: Backup::Beside });
        }
        Ok(changes)
    }
}

fn append(reading: &Reading, aliases: &[&Alias], all: &mut Edits, notes: &mut Vec<String>) -> Result<()> {
    let brief: Vec<String> = aliases.iter().map(|alias| brief(reading, alias)).collect();
    let Some((style, specs)) = reading.specs()? else {
        let text =
            reading.config.files.iter().find(|(path, _)| *path == reading.config.main).map(|(_, text)| text.clone());
        let text = text.unwrap_or_else(|| Text::new(Vec::new()));
        let eol = text.eol();
        let open = if text.ends_open() { eol } else { "" };
        let line = format!("{open}{}=\"dhcp{eol}{}\"{eol}", reading.key, brief.join(eol));
        let splice = Splice::insert(text.bytes().len(), line);
        all.0.entry(reading.config.main.clone()).or_insert_with(|| (text, Vec::new())).1.push(splice);
        notes.push(format!("{} was not set, which means DHCP; it says so now, beside the new address", reading.key));
        return Ok(());
    };
    let Some(variable) = reading.config.known(&reading.key)? else { return Ok(()) };
    let Some(last) = variable.assignments.last() else { return Ok(()) };
    let (brief, notes_dhcp) = if specs.is_empty() { (dhcp_first(&brief, style), true) } else { (brief, false) };
    if notes_dhcp {
        notes.push(format!("{} was empty, which means DHCP; it says so now, beside the new address", reading.key));
    }
    match &variable.value {
        Value::Array(elements) => {
            let long: Vec<String> =
                if specs.is_empty() { brief } else { aliases.iter().map(|alias| long(alias)).collect() };
            extend_array(reading, last, elements, &long, all);
        }
        Value::Text(text)
            if style == Style::Words && aliases.iter().all(|alias| alias.label.is_none()) && !needs_brd(reading) =>
        {
            extend_text(reading, last, text, &specs, " ", &brief, all);
        }
        Value::Text(text) => {
            if style == Style::Words {
                blanks_to_lines(reading, text, all)?;
            }
            let (eol, indent) = indentation(reading, last, text, &specs);
            extend_text(reading, last, text, &specs, &format!("{eol}{indent}"), &brief, all);
        }
        Value::Unknown { .. } => {}
    }
    Ok(())
}

fn dhcp_first(brief: &[String], style: Style) -> Vec<String> {
    let quote = |text: &str| if style == Style::Array { format!("\"{text}\"") } else { text.to_owned() };
    std::iter::once("dhcp").chain(brief.iter().map(String::as_str)).map(quote).collect()
}

/// The specification as a line: `ADDRESS/PREFIX`.
fn brief(reading: &Reading, alias: &Alias) -> String {
    let mut text = alias.address.to_string();
    if let (true, std::net::IpAddr::V4(ip)) = (needs_brd(reading), alias.address.broadcast()) {
        text.push_str(&format!(" brd {ip}"));
    }
    if let Some(label) = &alias.label {
        text.push_str(&format!(" label {label}"));
    }
    text
}

/// The specification as an element, in the words of the guides.
fn long(alias: &Alias) -> String {
    let mut text = match alias.address {
        ipnet::IpNet::V4(net) => format!("{} netmask {} brd {}", net.addr(), net.netmask(), net.broadcast()),
        ipnet::IpNet::V6(net) => net.to_string(),
    };
    if let Some(label) = &alias.label {
        text.push_str(&format!(" label {label}"));
    }
    format!("\"{text}\"")
}

/// Whether ifconfig is used, which would give a /32 a broadcast address by class.
fn needs_brd(reading: &Reading) -> bool {
    let suffix = reading.service.suffix();
    [format!("modules_{suffix}"), "modules".to_owned()].iter().any(|name| {
        let Some(variable) = reading.config.environment.get(name) else { return false };
        let text = match &variable.value {
            Value::Text(text) => text.text(),
            Value::Array(all) => all.iter().map(|element| element.value.text()).collect::<Vec<_>>().join(" "),
            Value::Unknown { .. } => String::new(),
        };
        text.split_whitespace().any(|word| word == "!iproute2" || word == "ifconfig")
    })
}

/// The line end and the indentation for one more line.
fn indentation(reading: &Reading, last: &Assignment, text: &Traced, specs: &[Spec]) -> (&'static str, String) {
    let eol = reading.config.files.get(last.source).map_or("\n", |(_, text)| text.eol());
    let indent = match specs.last().map(|spec| &spec.site) {
        Some(Site::Text(at)) if specs.len() > 1 => {
            let line = text.bytes().get(at.clone()).unwrap_or_default();
            let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            String::from_utf8_lossy(line.get(..blanks).unwrap_or_default()).into_owned()
        }
        _ => String::new(),
    };
    (eol, indent)
}

/// Puts the additions behind the last word of the value, inside its quotes; a value without quotes gets some.
fn extend_text(
    reading: &Reading,
    last: &Assignment,
    text: &Traced,
    specs: &[Spec],
    gap: &str,
    additions: &[String],
    all: &mut Edits,
) {
    let joined = additions.join(gap);
    let end = text.bytes().iter().rposition(|byte| !byte.is_ascii_whitespace());
    let place = end
        .and_then(|end| text.origin(end))
        .filter(|origin| origin.source == last.source && last.value_at.contains(&origin.at));
    let gap = if specs.is_empty() { "" } else { gap };
    let mut push = |splice| all.push(reading, last.source, splice);
    match (last.quote, place) {
        (Some(_), Some(origin)) => push(Splice::insert(origin.at + 1, format!("{gap}{joined}"))),
        (Some(_), None) => push(Splice::insert(last.value_at.end - 1, format!("{gap}{joined}"))),
        (None, _) if is_bare(reading, last) => {
            push(Splice::insert(last.value_at.start, "\""));
            push(Splice::insert(last.value_at.end, format!("{gap}{joined}\"")));
        }
        // Strings that touch each other are one word to the shell.
        (None, _) => push(Splice::insert(last.value_at.end, format!("\"{gap}{joined}\""))),
    }
}

fn is_bare(reading: &Reading, last: &Assignment) -> bool {
    let text = reading.config.files.get(last.source).map(|(_, text)| text.bytes()).unwrap_or_default();
    let value = text.get(last.value_at.clone()).unwrap_or_default();
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b".:/-_".contains(byte))
        || value.is_empty()
}

/// Makes a list of words a list of lines: an entry with options can only stand on a line of its own.
fn blanks_to_lines(reading: &Reading, text: &Traced, all: &mut Edits) -> Result<()> {
    let words = text.words();
    for pair in words.windows(2) {
        let [before, after] = pair else { continue };
        let (Some(from), Some(to)) = (before.origins.last(), after.origins.first()) else { continue };
        if from.source != to.source || to.at <= from.at {
            return Err(scattered(reading).into());
        }
        let eol = reading.config.files.get(from.source).map_or("\n", |(_, text)| text.eol());
        all.push(reading, from.source, Splice { range: from.at + 1..to.at, with: eol.into() });
    }
    Ok(())
}

fn extend_array(reading: &Reading, last: &Assignment, elements: &[Element], additions: &[String], all: &mut Edits) {
    let Some((_, text)) = reading.config.files.get(last.source) else { return };
    let eol = text.eol();
    let in_last = |element: &&Element| element.at.start >= last.value_at.start && element.at.end <= last.value_at.end;
    let Some(element) = elements.iter().rfind(in_last).filter(|_| last.array) else {
        let (at, with) = if last.array {
            (last.value_at.end - 1, format!(" {} ", additions.join(eol)))
        } else {
            // `config_IF[3]="..."`: further elements are added behind it.
            (last.next, format!("{}+=( {} ){eol}", last.name, additions.join(eol)))
        };
        return all.push(reading, last.source, Splice::insert(at, with));
    };
    let bytes = text.bytes();
    let line = bytes
        .get(..element.at.start)
        .and_then(|before| before.iter().rposition(|byte| *byte == b'\n'))
        .map_or(0, |at| at + 1);
    let front = bytes.get(line..element.at.start).unwrap_or_default();
    let indent = if front.iter().all(|byte| matches!(byte, b' ' | b'\t')) { front } else { b"" };
    let rest = bytes.get(element.at.end..last.value_at.end).unwrap_or_default();
    let to_line_end = rest.iter().position(|byte| *byte == b'\n');
    // A comment behind the element stays with it.
    let behind = to_line_end.and_then(|end| rest.get(..end)).filter(|rest| rest.trim_ascii_start().starts_with(b"#"));
    let at = element.at.end + behind.map_or(0, |behind| behind.strip_suffix(b"\r").unwrap_or(behind).len());
    let indent = String::from_utf8_lossy(indent).into_owned();
    let lines: String = additions.iter().map(|addition| format!("{eol}{indent}{addition}")).collect();
    all.push(reading, last.source, Splice::insert(at, lines));
}

fn cut(reading: &Reading, gone: &[&Entry], all: &mut Edits) -> Result<()> {
    let specs = reading.specs()?;
    let variable = reading.config.known(&reading.key)?;
    let (Some((style, specs)), Some(variable)) = (specs, variable) else {
        return gone.iter().try_for_each(|entry| Err(by_hand(entry)));
    };
    let place = |origin: Option<Origin>| {
        origin.map(|origin| (reading.config.path(origin.source), reading.line(origin.source, origin.at)))
    };
    let is_gone = |spec: &Spec| {
        let Some(meaning) = spec.meaning() else { return false };
        gone.iter().any(|entry| {
            entry.address == meaning.address && place(spec.origin) == Some((entry.path.clone(), entry.line))
        })
    };
    let taken: Vec<bool> = specs.iter().map(is_gone).collect();
    let found = taken.iter().filter(|taken| **taken).count();
    if let (true, Some(entry)) = (
        found < gone.len(),
        gone.iter().find(|entry| {
            !specs.iter().any(|spec| spec.meaning().is_some_and(|meaning| meaning.address == entry.address))
        }),
    ) {
        return Err(by_hand(entry));
    }
    if found == specs.len() {
        let hint = "netifrc would use DHCP without any; put another entry there, or null";
        let reason = format!("{} would be left without an entry", reading.key);
        return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&reading.config.main, 0).into());
    }
    match &variable.value {
        Value::Text(text) => {
            for (index, spec) in specs.iter().enumerate().filter(|(index, _)| taken.get(*index) == Some(&true)) {
                let Site::Text(at) = &spec.site else { continue };
                let range = text_range(text, at, style, index, &specs, &taken);
                let (source, range) = in_file(text, range).ok_or_else(|| scattered(reading))?;
                all.push(reading, source, Splice::delete(range));
            }
        }
        Value::Array(_) => {
            let sites = specs.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(spec, _)| &spec.site);
            let elements: Vec<&Element> = sites.filter_map(Site::element).collect();
            for run in elements.chunk_by(|one, next| adjacent(reading, variable, one, next)) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                let Some(assignment) = variable.assignments.get(first.assignment) else { continue };
                let Some((_, text)) = reading.config.files.get(assignment.source) else { continue };
                let whole = first.at.start..last.at.end;
                let splice = if assignment.array { element_deletion(text, whole) } else { deletion(text, assignment) };
                all.push(reading, assignment.source, splice);
            }
        }
        Value::Unknown { .. } => {}
    }
    Ok(())
}

/// The part of the value that goes with a specification: its line with the line end before it (behind it, for the first),
/// or its word with the blanks before it.
fn text_range(
    text: &Traced,
    at: &Range<usize>,
    style: Style,
    index: usize,
    specs: &[Spec],
    taken: &[bool],
) -> Range<usize> {
    let bytes = text.bytes();
    let leading = taken.iter().take(index + 1).all(|taken| *taken);
    if leading {
        let next = specs.get(index + 1).and_then(|spec| match &spec.site {
            Site::Text(next) => Some(next.start),
            Site::Element(_) => None,
        });
        return at.start..next.unwrap_or(at.end);
    }
    let before = bytes.get(..at.start).unwrap_or_default();
    let gap = match style {
        Style::Words => before.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count(),
        _ if before.ends_with(b"\r\n") => 2,
        _ => usize::from(before.ends_with(b"\n")),
    };
    let line = bytes.get(at.clone()).unwrap_or_default();
    // Behind the last line, blanks in front of the closing quote stay as they are.
    let end = at.end - usize::from(line.ends_with(b"\r") && bytes.get(at.end) == Some(&b'\n'));
    at.start - gap..end
}

/// A part of a value as a part of one file; nothing if it comes from several places.
fn in_file(text: &Traced, range: Range<usize>) -> Option<(usize, Range<usize>)> {
    let (first, last) = (text.origin(range.start)?, text.origin(range.end.checked_sub(1)?)?);
    let whole = first.source == last.source && last.at >= first.at;
    whole.then(|| (first.source, first.at..last.at + 1))
}

/// Whether nothing but blanks and line ends stand between two elements of one assignment, so that they go as one.
fn adjacent(reading: &Reading, variable: &Variable, one: &Element, next: &Element) -> bool {
    let assignment = variable.assignments.get(one.assignment).filter(|assignment| assignment.array);
    let Some(assignment) = assignment.filter(|_| one.assignment == next.assignment) else { return false };
    let text = reading.config.files.get(assignment.source).map(|(_, text)| text.bytes()).unwrap_or_default();
    text.get(one.at.end..next.at.start).is_some_and(|between| between.trim_ascii().is_empty())
}

/// Elements with the blanks and line end before them; their whole lines if a comment stands before or behind them.
fn element_deletion(text: &Text, elements: Range<usize>) -> Splice {
    let bytes = text.bytes();
    let before = bytes.get(..elements.start).unwrap_or_default();
    let rest = bytes.get(elements.end..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let behind = rest.get(..end).unwrap_or_default().trim_ascii();
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let alone = before.get(line..).unwrap_or_default().trim_ascii().is_empty();
    if alone && (behind.is_empty() || behind.starts_with(b"#")) {
        return Splice::delete(line..(elements.end + end + 1).min(bytes.len()));
    }
    let gap = before.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let above = before.get(..elements.start - gap).unwrap_or_default();
    let line = above.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let commented = above.get(line..).unwrap_or_default().contains(&b'#');
    let gap = if commented || above.ends_with(b"(") { 0 } else { gap };
    let follow = if gap == 0 { rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count() } else { 0 };
    Splice::delete(elements.start - gap..elements.end + follow)
}

fn scattered(reading: &Reading) -> Refusal {
    let hint = "edit the file by hand, or write the value in one piece";
    let reason = format!("the value of {} is put together from several places", reading.key);
    Refusal::new(Kind::Malformed, reason, hint).at(&reading.config.main, 0)
}

fn by_hand(entry: &Entry) -> anyhow::Error {
    let reason = format!("{} is written in a {}, which ipalias does not edit", entry.address, entry.form);
    Refusal::new(Kind::Malformed, reason, "take it out there by hand").at(&entry.path, entry.line).into()
}
