//! Splices into rc.conf: one numbered alias for each address; removals delete assignments, cut words or split ranges.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::address::{Item, written};
use super::files::{Chain, Generation, key_of};
use super::{RESTART, Source, by_key, sources};
use crate::alias::{Alias, IfName};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Check, Command, Disturbs, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, deletion, line_after};
use crate::text::{Splice, Text};

/// The plan that adds a numbered alias for each of `want`.
pub(super) fn add(root: &Root, want: &[Alias]) -> Result<Plan> {
    let chain = Chain::read(root)?;
    chain.certain()?;
    let mut edits = Edits { chain: &chain, files: BTreeMap::new() };
    let mut plan = Plan::nothing();
    for (key, aliases) in by_key(want) {
        if aliases.iter().any(|alias| alias.label.is_some()) {
            let hint = "leave --label out";
            return Err(Refusal::new(Kind::Unacceptable, "addresses have no labels on BSD", hint).into());
        }
        let mut lines = Vec::new();
        if aliases.iter().any(|alias| alias.address.addr().is_ipv6()) && !chain.has_ipv6(&key)? {
            lines.push(format!("ifconfig_{key}_ipv6=\"inet6 auto_linklocal\""));
            plan.notes.push(format!("ifconfig_{key}_ipv6 is set, too: without it inet6 aliases are passed over"));
        }
        let stem = format!("ifconfig_{key}_alias");
        let known = chain.aliases(&stem)?;
        let mut values = aliases.iter().map(|alias| form(alias, chain.generation));
        // An empty alias ends the search, so it is filled.
        for (name, ..) in &known {
            let Some((value, variable)) = chain.value(name)? else { continue };
            let (true, Some(last)) = (value.bytes().is_empty(), variable.assignments.last()) else { continue };
            let Some(text) = values.next() else { break };
            edits.push(last.source, Splice { range: last.value_at.clone(), with: format!("\"{text}\"").into() })?;
            plan.wakes.extend(woken(&chain, &key)?);
        }
        let taken: BTreeSet<u32> = known.iter().map(|(_, number, _)| *number).collect();
        let first_gap = (0..).find(|number| !taken.contains(number)).unwrap_or_default();
        let mut number = if chain.generation.is_strict() { first_gap } else { taken.last().map_or(0, |last| last + 1) };
        for text in values {
            while taken.contains(&number) {
                number += 1;
            }
            lines.push(format!("{stem}{number}=\"{text}\""));
            number += 1;
        }
        if chain.generation.is_strict() && taken.last().is_some_and(|last| *last > first_gap) {
            plan.wakes.extend(woken(&chain, &key)?);
            plan.notes
                .push(format!("{stem}{first_gap} was missing, so that later numbers had no effect; they have now"));
        }
        edits.insert(&key, &lines)?;
    }
    plan.changes = edits.changes(root)?;
    finish(&mut plan, want.iter().flat_map(up).collect());
    Ok(plan)
}

/// The plan that takes the entries out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let chain = Chain::read(root)?;
    chain.certain()?;
    let mut edits = Edits { chain: &chain, files: BTreeMap::new() };
    let keys: BTreeSet<String> = gone.iter().map(|entry| key_of(&entry.interface)).collect();
    let by_hand = |entry: &&Entry| entry.form.starts_with("CARP") || entry.form == "line of start_if";
    if let Some(entry) = gone.iter().find(by_hand) {
        let reason = format!("{} is written as a {}, which ipalias does not edit", entry.address, entry.form);
        return Err(Refusal::new(Kind::Malformed, reason, "take it out there by hand")
            .at(&entry.path, entry.line)
            .into());
    }
    for key in keys {
        let mut deleted = BTreeSet::new();
        for source in sources(&chain, &key)? {
            let is_gone = |net: &IpNet, item: &Item| {
                item.origin.is_some_and(|origin| {
                    let place = (chain.path(origin.source), chain.line(origin.source, origin.at));
                    gone.iter().any(|entry| {
                        key_of(&entry.interface) == key
                            && entry.address == *net
                            && (entry.path.clone(), entry.line) == place
                    })
                })
            };
            let left: Vec<Vec<IpNet>> = source
                .items
                .items
                .iter()
                .map(|item| item.nets.iter().filter(|net| !is_gone(net, item)).copied().collect())
                .collect();
            let untouched = source.items.items.iter().zip(&left).all(|(item, left)| item.nets == *left);
            if untouched {
                continue;
            }
            if left.iter().all(Vec::is_empty) && !source.is_primary {
                source.variable.assignments.iter().try_for_each(|assignment| edits.delete(assignment))?;
                deleted.insert(source.name.clone());
            } else {
                cut(&mut edits, &source, &left)?;
            }
        }
        if chain.generation.is_strict() {
            for stem in [format!("ifconfig_{key}_alias"), format!("ipv6_ifconfig_{key}_alias")] {
                renumber(&mut edits, &stem, &deleted)?;
            }
        }
    }
    let mut plan = Plan { changes: edits.changes(root)?, ..Plan::nothing() };
    finish(&mut plan, gone.iter().filter_map(down).collect());
    Ok(plan)
}

/// The value for an address, as this system is known to take it.
fn form(alias: &Alias, generation: Generation) -> String {
    match alias.address {
        IpNet::V4(net) if generation == Generation::DragonFly => {
            format!("inet {} netmask {} broadcast {}", net.addr(), net.netmask(), net.broadcast())
        }
        IpNet::V4(net) => format!("inet {net}"),
        IpNet::V6(net) => format!("inet6 {} prefixlen {}", net.addr(), net.prefix_len()),
    }
}

/// Addresses of the interface that have no effect because of the numbers.
fn woken(chain: &Chain, key: &str) -> Result<Vec<std::net::IpAddr>> {
    let idle = sources(chain, key)?.into_iter().filter(|source| source.problem.is_some());
    Ok(idle
        .flat_map(|source| source.items.items.into_iter().flat_map(|item| item.nets))
        .map(|net| net.addr())
        .collect())
}

struct Edits<'c> {
    chain: &'c Chain,
    files: BTreeMap<RootPath, (Text, Vec<Splice>)>,
}

impl Edits<'_> {
    fn push(&mut self, source: usize, splice: Splice) -> Result<()> {
        let Some((path, text)) = self.chain.files.get(source) else { return Ok(()) };
        if let Some(line) =
            text.lines().find(|line| text.bytes().get(line.range()).is_some_and(|line| line.ends_with(b"\r\n")))
        {
            let hint = "convert the file to plain line ends: sh takes the carriage return for a part of the value";
            let refusal = Refusal::new(Kind::Malformed, "the line ends with a carriage return", hint);
            return Err(refusal.at(path, line.number).into());
        }
        self.files.entry(path.clone()).or_insert_with(|| (text.clone(), Vec::new())).1.push(splice);
        Ok(())
    }

    fn delete(&mut self, assignment: &Assignment) -> Result<()> {
        let Some((_, text)) = self.chain.files.get(assignment.source) else { return Ok(()) };
        self.push(assignment.source, deletion(text, assignment))
    }

    /// Puts lines behind the last variable of the interface, in the file that has `ifconfig_IF`.
    fn insert(&mut self, key: &str, lines: &[String]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let environment = &self.chain.environment;
        let main = format!("ifconfig_{key}");
        let own = environment.get(&main).and_then(|variable| variable.assignments.last()).map(|last| last.source);
        let home = self.chain.files.iter().position(|(path, _)| path.as_bytes() == b"/etc/rc.conf");
        let Some(source) = own.or(home).or(if self.chain.files.is_empty() { None } else { Some(0) }) else {
            let body = format!("{}\n", lines.join("\n"));
            self.files.insert("/etc/rc.conf".into(), (Text::new(Vec::new()), vec![Splice::insert(0, body)]));
            return Ok(());
        };
        let Some((_, text)) = self.chain.files.get(source) else { return Ok(()) };
        let belongs = |name: &&str| *name == main || name.starts_with(&format!("{main}_"));
        let last = environment
            .names()
            .filter(belongs)
            .filter_map(|name| environment.get(name))
            .flat_map(|variable| &variable.assignments)
            .filter(|assignment| assignment.source == source)
            .max_by_key(|assignment| assignment.next);
        let body = lines.join(text.eol());
        let splice = match last {
            Some(last) => line_after(text, last, &body),
            None => {
                let open = if text.ends_open() { "\n" } else { "" };
                Splice::insert(text.bytes().len(), format!("{open}{body}\n"))
            }
        };
        self.push(source, splice)
    }

    fn changes(self, root: &Root) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, (text, splices)) in self.files {
            let after = Some(text.apply(splices)?);
            // Every file in rc.conf.d/NAME/ is read, whatever its name.
            let inside = path.parent().parent().name() == b"rc.conf.d";
            let backup = if inside { Backup::StoreOnly } else { Backup::Beside };
            changes.push(Change { before: root.read(&path)?, path, after, mode: 0o644, backup });
        }
        Ok(changes)
    }
}

/// Takes addresses out of a value that keeps others: whole groups with the blanks before them, or parts of ranges.
fn cut(edits: &mut Edits<'_>, source: &Source<'_>, left: &[Vec<IpNet>]) -> Result<()> {
    let words = &source.items.words;
    for (index, (item, left)) in source.items.items.iter().zip(left).enumerate() {
        if item.nets == *left {
            continue;
        }
        let (first, last) = (item.words.start, item.words.end.saturating_sub(1));
        let leading = first == 0;
        let next = source.items.items.get(index + 1).map(|next| next.words.start);
        let from = if leading || !left.is_empty() {
            words.get(first).map(|word| word.at.start)
        } else {
            words.get(first - 1).map(|word| word.at.end)
        };
        let to = match (leading && left.is_empty(), next) {
            (true, Some(next)) => words.get(next).map(|word| word.at.start),
            _ => words.get(last).map(|word| word.at.end),
        };
        let place = from.zip(to).and_then(|(from, to)| {
            let (start, end) = (source.value.origin(from)?, source.value.origin(to.checked_sub(1)?)?);
            (start.source == end.source && start.at <= end.at).then_some((start.source, start.at..end.at + 1))
        });
        let Some((file, range)) = place else { return Err(scattered(edits, source)) };
        edits.push(file, Splice { range, with: rest_of(source, item, left).into() })?;
    }
    Ok(())
}

/// What a group says without some of its addresses, its options repeated for each part.
fn rest_of(source: &Source<'_>, item: &Item, left: &[IpNet]) -> String {
    let text =
        |index: usize| source.items.words.get(index).map(|word| String::from_utf8_lossy(&word.text).into_owned());
    let family = if item.address > item.words.start { text(item.words.start) } else { None };
    let options: Vec<String> = (item.address + 1..item.words.end).filter_map(text).collect();
    let group = |address: String| {
        let words = family.iter().cloned().chain([address]).chain(options.iter().cloned());
        words.collect::<Vec<_>>().join(" ")
    };
    written(left).into_iter().map(group).collect::<Vec<_>>().join(" ")
}

fn scattered(edits: &Edits<'_>, source: &Source<'_>) -> anyhow::Error {
    let place = source.variable.assignments.last().map(|last| (edits.chain.path(last.source), last.line));
    let refusal = Refusal::new(
        Kind::Malformed,
        format!("the value of {} is put together from several places", source.name),
        "edit the file by hand, or write the value in one piece",
    );
    place.map(|(path, line)| refusal.clone().at(&path, line)).unwrap_or(refusal).into()
}

/// Closes the gaps that deletions leave among the numbers that are in effect.
fn renumber(edits: &mut Edits<'_>, stem: &str, deleted: &BTreeSet<String>) -> Result<()> {
    let chain = edits.chain;
    let mut next = 0;
    for (name, number, problem) in chain.aliases(stem)? {
        if problem.is_some() || deleted.contains(&name) {
            continue;
        }
        if number != next {
            for assignment in
                chain.environment.get(&name).map(|variable| variable.assignments.as_slice()).unwrap_or_default()
            {
                let at = assignment.at.start + stem.len();
                let range = at..assignment.at.start + name.len();
                edits.push(assignment.source, Splice { range, with: next.to_string().into() })?;
            }
        }
        next += 1;
    }
    Ok(())
}

/// The steps and the check around the changes.
fn finish(plan: &mut Plan, steps: Vec<Step>) {
    plan.auto = Apply { before: Vec::new(), after: steps };
    let restart = Command::new(["sh", "-c", RESTART]).disturbing(Disturbs::Interface);
    plan.restart = Ok(Apply { before: Vec::new(), after: vec![Step::reread(restart)] });
    let check =
        |change: &Change| Check { path: change.path.clone(), argv: ["sh", "-n", "{}"].map(str::to_owned).to_vec() };
    plan.checks = plan.changes.iter().map(check).collect();
}

fn ifconfig(interface: &str, words: &str) -> Action {
    Action::Run(Command::new(["ifconfig", interface].into_iter().chain(words.split(' '))))
}

/// What rc itself runs for an alias.
fn set(interface: &str, net: IpNet) -> Action {
    match net {
        IpNet::V4(net) => {
            let words = format!("inet {} netmask {} broadcast {} alias", net.addr(), net.netmask(), net.broadcast());
            ifconfig(interface, &words)
        }
        IpNet::V6(net) => ifconfig(interface, &format!("inet6 {} prefixlen {} alias", net.addr(), net.prefix_len())),
    }
}

fn unset(interface: &str, net: IpNet) -> Action {
    let family = if net.addr().is_ipv4() { "inet" } else { "inet6" };
    ifconfig(interface, &format!("{family} {} -alias", net.addr()))
}

fn up(alias: &Alias) -> Vec<Step> {
    let interface = alias.interface.as_str();
    let step = Step::with_undo(set(interface, alias.address), unset(interface, alias.address));
    if alias.address.addr().is_ipv6() {
        vec![Step::new(ifconfig(interface, "inet6 -ifdisabled")), step]
    } else {
        vec![step]
    }
}

fn down(entry: &Entry) -> Option<Step> {
    let interface = IfName::new(&entry.interface).ok()?;
    Some(Step::with_undo(unset(interface.as_str(), entry.address), set(interface.as_str(), entry.address)))
}
