//! Splices that add specifications: in the style found, behind the last one, so that the primary address stays first.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use super::Reading;
use super::edit::{Edits, scattered};
use super::specs::{Spec, Style, text_at};
use crate::alias::Alias;
use crate::error::Result;
use crate::syntax::shell::{Assignment, Element, Traced, Value, Variable, line_after};
use crate::text::Splice;

/// Adds `aliases` to the value of `config_IF`, or that variable itself.
pub(super) fn append(reading: &Reading, aliases: &[&Alias], all: &mut Edits, notes: &mut Vec<String>) -> Result<()> {
    let brief: Vec<String> = aliases.iter().map(|alias| brief(reading, alias)).collect();
    let key = &reading.key;
    let known = reading.config.known(key)?;
    let Some((variable, last)) = known.and_then(|variable| Some((variable, variable.assignments.last()?))) else {
        all.push_line(reading, |eol| format!("{key}=\"dhcp{eol}{}\"", brief.join(eol)))?;
        notes.push(format!("{key} was not set, which means DHCP; it says so now, beside the new address"));
        return Ok(());
    };
    let Some((style, specs)) = reading.specs()? else { return Ok(()) };
    if specs.is_empty() {
        notes.push(format!("{key} was empty, which means DHCP; it says so now, beside the new address"));
    }
    notes.extend(unset(reading, &specs));
    let plain = aliases.iter().all(|alias| alias.label.is_none()) && !reading.is_by_ifconfig();
    let element = specs.first().and_then(|spec| spec.site.element);
    match (&variable.value, style) {
        (Value::Array(elements), Style::Lines) => {
            let dhcp = specs.is_empty().then(|| "\"dhcp\"".to_owned());
            let long = aliases.iter().map(|alias| long(alias));
            let additions: Vec<String> = dhcp.into_iter().chain(long).collect();
            extend_array(reading, last, elements, &additions, all)?;
        }
        (value, Style::Words) => {
            let Some(text) = text_at(value, element) else { return Ok(()) };
            let Some(place) = Place::of(reading, variable, last, element) else { return Ok(()) };
            let gap = if plain { " " } else { place.eol };
            if !plain {
                blanks_to_lines(reading, text, &specs, all)?;
            }
            place.extend(reading, text, gap, gap, &brief, all);
        }
        (Value::Text(text), Style::Lines) => {
            let Some(place) = Place::of(reading, variable, last, None) else { return Ok(()) };
            let gap = format!("{}{}", place.eol, indentation(text, &specs));
            let dhcp = specs.is_empty().then(|| "dhcp".to_owned());
            let additions: Vec<String> = dhcp.into_iter().chain(brief).collect();
            let first = if specs.is_empty() { "" } else { gap.as_str() };
            place.extend(reading, text, first, &gap, &additions, all);
        }
        (Value::Unknown { .. }, _) => {}
    }
    Ok(())
}

/// What is to be said of specifications that netifrc does not set: the next start would lack them.
fn unset(reading: &Reading, specs: &[Spec]) -> Vec<String> {
    let note = |spec: &Spec| {
        let (meaning, origin) = (spec.meaning()?, spec.origin?);
        let (path, line) = (reading.config.path(origin.source), reading.line(origin.source, origin.at));
        Some(format!("{path}:{line}: netifrc does not set {}: {}", meaning.address, meaning.problem?))
    };
    specs.iter().filter_map(note).collect()
}

/// The specification as a line: `ADDRESS/PREFIX`.
fn brief(reading: &Reading, alias: &Alias) -> String {
    let mut text = alias.address.to_string();
    // ifconfig would give a /32 a broadcast address by class.
    if let (true, IpAddr::V4(ip)) = (reading.is_by_ifconfig(), alias.address.broadcast()) {
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
        IpNet::V4(net) => format!("{} netmask {} brd {}", net.addr(), net.netmask(), net.broadcast()),
        IpNet::V6(net) => net.to_string(),
    };
    if let Some(label) = &alias.label {
        text.push_str(&format!(" label {label}"));
    }
    format!("\"{text}\"")
}

/// The indentation of the last line, if it is not the first.
fn indentation(text: &Traced, specs: &[Spec]) -> String {
    let Some(spec) = specs.last().filter(|_| specs.len() > 1) else { return String::new() };
    let line = text.bytes().get(spec.site.at.clone()).unwrap_or_default();
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    String::from_utf8_lossy(line.get(..blanks).unwrap_or_default()).into_owned()
}

/// A string in a file that can be made longer: a whole value, or an element of an array.
struct Place {
    source: usize,
    /// With its quotes.
    at: Range<usize>,
    eol: &'static str,
    /// Whether it is one string in quotes.
    quoted: bool,
    /// Whether nothing in it is special to the shell, so that quotes can be put around it.
    bare: bool,
}

impl Place {
    fn of(reading: &Reading, variable: &Variable, last: &Assignment, element: Option<usize>) -> Option<Place> {
        let (source, mut at) = match (&variable.value, element) {
            (Value::Array(elements), Some(index)) => {
                let element = elements.get(index)?;
                (variable.assignments.get(element.assignment)?.source, element.at.clone())
            }
            _ => (last.source, last.value_at.clone()),
        };
        let (_, text) = reading.config.files.get(source)?;
        let value = text.bytes().get(at.clone()).unwrap_or_default();
        // A carriage return of the line end is a part of the word to the shell.
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        at.end = at.start + value.len();
        let quoted = is_one_string(value);
        let bare = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b".:/-_".contains(byte));
        Some(Place { source, at, eol: text.eol(), quoted, bare })
    }

    /// Puts the additions behind the last word of `text`, inside its quotes; a value without quotes gets some.
    fn extend(&self, reading: &Reading, text: &Traced, first: &str, gap: &str, additions: &[String], all: &mut Edits) {
        let with = format!("{first}{}", additions.join(gap));
        let end = text.bytes().iter().rposition(|byte| !byte.is_ascii_whitespace());
        let end = end.and_then(|end| text.origin(end));
        let end = end.filter(|origin| origin.source == self.source && self.at.contains(&origin.at));
        let mut push = |splice| all.push(reading, self.source, splice);
        match end {
            Some(origin) if self.quoted => push(Splice::insert(origin.at + 1, with)),
            None if self.quoted => push(Splice::insert(self.at.end - 1, with)),
            _ if self.bare => {
                push(Splice::insert(self.at.start, "\""));
                push(Splice::insert(self.at.end, format!("{with}\"")));
            }
            // Strings that touch each other are one word to the shell.
            _ => push(Splice::insert(self.at.end, format!("\"{with}\""))),
        }
    }
}

/// Whether the quote that `value` begins with ends at its end.
fn is_one_string(value: &[u8]) -> bool {
    let Some((quote @ (b'"' | b'\''), inner)) = value.split_first() else { return false };
    let mut escaped = false;
    let end = inner.iter().position(|byte| {
        let ends = byte == quote && !escaped;
        escaped = *quote == b'"' && *byte == b'\\' && !escaped;
        ends
    });
    end.is_some_and(|end| end + 1 == inner.len())
}

/// Makes a list of words a list of lines: an entry with options can only stand on a line of its own.
fn blanks_to_lines(reading: &Reading, text: &Traced, specs: &[Spec], all: &mut Edits) -> Result<()> {
    for pair in specs.windows(2) {
        let [before, after] = pair else { continue };
        let from = before.site.at.end.checked_sub(1).and_then(|end| text.origin(end));
        let (Some(from), Some(to)) = (from, text.origin(after.site.at.start)) else { continue };
        if from.source != to.source || to.at <= from.at {
            return Err(scattered(reading).into());
        }
        let eol = reading.config.files.get(from.source).map_or("\n", |(_, text)| text.eol());
        all.push(reading, from.source, Splice { range: from.at + 1..to.at, with: eol.into() });
    }
    Ok(())
}

fn extend_array(
    reading: &Reading,
    last: &Assignment,
    elements: &[Element],
    additions: &[String],
    all: &mut Edits,
) -> Result<()> {
    let Some((path, text)) = reading.config.files.get(last.source) else { return Ok(()) };
    let eol = text.eol();
    let in_last = |element: &&Element| element.at.start >= last.value_at.start && element.at.end <= last.value_at.end;
    let Some(element) = elements.iter().rfind(in_last).filter(|_| last.array) else {
        let additions = additions.join(eol);
        let splice = if last.array {
            Splice::insert(last.value_at.end - 1, format!(" {additions} "))
        } else {
            // `config_IF[3]="..."`: further elements are added behind it.
            line_after(text, last, &format!("{}+=( {additions} )", last.name))
                .map_err(|refusal| refusal.at(path, text.line_count()))?
        };
        all.push(reading, last.source, splice);
        return Ok(());
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
    Ok(())
}
