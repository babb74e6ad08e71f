//! The plans: which interface, which files, which steps.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{Reading, cut, entries, grow, plan, services};
use crate::alias::{Alias, IfName};
use crate::backend::{Entry, Role};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Backup, Change, Plan};
use crate::root::{Root, RootPath};
use crate::syntax::shell::line_at_end;
use crate::text::{Splice, Text};

/// The plan that adds an entry for each of `want`.
pub(super) fn add(root: &Root, want: &[Alias]) -> Result<Plan> {
    let mut all = Edits::default();
    let mut notes = Vec::new();
    let mut touched = Vec::new();
    let mut by_interface: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    want.iter().for_each(|alias| by_interface.entry(alias.interface.as_str()).or_default().push(alias));
    let services = services(root)?;
    for (interface, aliases) in by_interface {
        let Some(service) = services.iter().find(|service| service.interface == interface && service.is_started())
        else {
            let hint =
                format!("rc-update add net.{interface} default, once /etc/init.d/net.{interface} is a link to net.lo");
            let reason = format!("netifrc does not start {interface} here: there is no net.{interface} in a runlevel");
            return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
        };
        let reading = Reading::of(root, service)?;
        aliases.iter().try_for_each(|alias| acceptable(&reading, alias))?;
        grow::append(&reading, &aliases, &mut all, &mut notes)?;
        touched.push(reading);
    }
    let steps = want.iter().map(|alias| Action::Add(alias.clone())).collect();
    let mut plan = plan(all.changes(root)?, steps, &touched);
    plan.notes = notes;
    if want.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
        let note = "ipalias does not write for netifrc that an IPv6 address is not to be a source; it may become one";
        plan.notes.push(format!("{note} at the next start"));
    }
    let (old, new) = (entries(root)?, entries(&plan.overlay(root)).unwrap_or_default());
    let wanted = want.iter().map(|alias| (alias.interface.as_str().to_owned(), alias.address));
    let expected: BTreeSet<Place> = places(&old).into_iter().chain(wanted).collect();
    let identities: BTreeSet<_> = new.iter().map(Entry::identity).collect();
    let kept = |entry: &Entry| !entry.is_effective() || identities.contains(&entry.identity());
    let sound = places(&new) == expected && old.iter().all(kept);
    match touched.first().filter(|_| !sound) {
        Some(reading) => Err(scattered(reading).into()),
        None => Ok(plan),
    }
}

/// An address on its interface.
type Place = (String, IpNet);

fn places(entries: &[Entry]) -> BTreeSet<Place> {
    let effective = entries.iter().filter(|entry| entry.is_effective());
    effective.map(|entry| (entry.interface.clone(), entry.address)).collect()
}

fn acceptable(reading: &Reading, alias: &Alias) -> Result<()> {
    let Some(label) = &alias.label else { return Ok(()) };
    let interface = &reading.service.interface;
    let refuse = |reason: String, hint: String| {
        Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&reading.config.main, 0).into())
    };
    if !label.as_str().starts_with(interface.as_str()) {
        return refuse("a label begins with the interface's name".to_owned(), format!("write {interface}:NAME"));
    }
    if alias.address.addr().is_ipv6() {
        return refuse("a label belongs to an IPv4 address".to_owned(), "leave --label out".to_owned());
    }
    if reading.is_by_ifconfig() {
        let reason = "netifrc uses ifconfig here (modules), which numbers the labels itself".to_owned();
        return refuse(reason, "leave --label out".to_owned());
    }
    Ok(())
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
        cut::take_out(&reading, &own, &mut all)?;
        touched.push(reading);
    }
    let down = |entry: &Entry| {
        let interface = IfName::new(&entry.interface).ok()?;
        Some(Action::Delete(Alias { interface, address: entry.address, label: None, preferred: false }))
    };
    let plan = plan(all.changes(root)?, gone.iter().filter_map(down).collect(), &touched);
    match touched.first() {
        Some(reading) => settled(root, &plan, gone, reading).map(|()| plan),
        None => Ok(plan),
    }
}

/// Refuses a removal that would not leave the others as they are.
fn settled(root: &Root, plan: &Plan, gone: &[Entry], reading: &Reading) -> Result<()> {
    let (old, new) = (entries(root)?, entries(&plan.overlay(root))?);
    let gone: BTreeSet<(&str, IpNet)> = gone.iter().map(|entry| (entry.interface.as_str(), entry.address)).collect();
    let is_gone = |entry: &Entry| gone.contains(&(entry.interface.as_str(), entry.address));
    let mut identities: BTreeMap<_, usize> = BTreeMap::new();
    new.iter().for_each(|entry| *identities.entry(entry.identity()).or_default() += 1);
    let stays = |entry: &&Entry| entry.is_effective() && !is_gone(entry);
    for entry in old.iter().filter(stays) {
        if let Some(times) = identities.get_mut(&entry.identity()).filter(|times| **times > 0) {
            *times -= 1;
            continue;
        }
        let same = |other: &&Entry| (&other.interface, other.address) == (&entry.interface, entry.address);
        let first = new.iter().find(same).filter(|other| other.role == Role::Primary && entry.role != Role::Primary);
        let Some(first) = first else { return Err(scattered(reading).into()) };
        let reason = format!("{} would become the first entry, and so the primary address", first.address);
        let hint = "put the entries into the right order by hand first";
        return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&entry.path, entry.line).into());
    }
    // What goes may have been what kept another from having effect, but none comes up more often than it stood there.
    let most = count(old.iter());
    let now = count(new.iter().filter(|entry| entry.is_effective()));
    let sound = now.iter().all(|(place, times)| *times <= most.get(place).copied().unwrap_or(0));
    let back = new.iter().any(|entry| entry.is_effective() && is_gone(entry));
    if back || !sound { Err(scattered(reading).into()) } else { Ok(()) }
}

/// How often each address stands on each interface.
fn count<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<Place, usize> {
    let mut times = BTreeMap::new();
    entries.for_each(|entry| *times.entry((entry.interface.clone(), entry.address)).or_default() += 1);
    times
}

/// Splices by file.
#[derive(Default)]
pub(super) struct Edits(BTreeMap<RootPath, (Text, Vec<Splice>)>);

impl Edits {
    /// Adds a splice to a file that was read.
    pub(super) fn push(&mut self, reading: &Reading, source: usize, splice: Splice) {
        if let Some((path, text)) = reading.config.files.get(source) {
            self.0.entry(path.clone()).or_insert_with(|| (text.clone(), Vec::new())).1.push(splice);
        }
    }

    /// Puts `line`, without its end, at the end of the file for new variables.
    pub(super) fn push_line(&mut self, reading: &Reading, line: impl FnOnce(&str) -> String) -> Result<(), Refusal> {
        let known = reading.config.files.iter().find(|(path, _)| *path == reading.config.main);
        let text = known.map_or_else(|| Text::new(Vec::new()), |(_, text)| text.clone());
        let splice = line_at_end(&text, &line(text.eol()))
            .map_err(|refusal| refusal.at(&reading.config.main, text.line_count()))?;
        self.0.entry(reading.config.main.clone()).or_insert_with(|| (text, Vec::new())).1.push(splice);
        Ok(())
    }

    fn changes(self, root: &Root) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, (text, splices)) in self.0 {
            let after = Some(text.apply(joined(splices))?);
            changes.push(Change { before: root.read(&path)?, path, after, mode: 0o644, backup: Backup::Beside });
        }
        Ok(changes)
    }
}

/// The same splices with deletions that overlap made one.
fn joined(mut splices: Vec<Splice>) -> Vec<Splice> {
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let mut all: Vec<Splice> = Vec::new();
    for splice in splices {
        match all.last_mut() {
            Some(last) if last.with.is_empty() && splice.with.is_empty() && splice.range.start < last.range.end => {
                last.range.end = last.range.end.max(splice.range.end);
            }
            _ => all.push(splice),
        }
    }
    all
}

/// Why a value in pieces is not edited.
pub(super) fn scattered(reading: &Reading) -> Refusal {
    let hint = "edit the file by hand, or write the value in one piece";
    let reason =
        format!("the value of {} is put together from several places, which no edit of one would do", reading.key);
    let variable = reading.config.known(&reading.key).ok().flatten();
    let last = variable.and_then(|variable| variable.assignments.last());
    let (path, line) = last.map_or_else(
        || (reading.config.main.clone(), 0),
        |assignment| (reading.config.path(assignment.source), assignment.line),
    );
    Refusal::new(Kind::Malformed, reason, hint).at(&path, line)
}
