//! The plan that removes addresses: whole stanzas with their names, single lines, hook lines with their counterparts.
//!
//! Follows interfaces(5): a name on an `auto` line without a stanza makes `ifup -a` fail, so a stanza goes with its name.
//! Leaves out comments, which stay where they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ipnet::IpNet;

use crate::alias::{Alias, IfName, Label};
use crate::backend::{Entry, Role};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::words::WordLine;

use super::Reading;
use super::address::{self, Found, Origin};
use super::apply;
use super::edit::{self, Edits};
use super::hook::{self, Deed, Hook};
use super::owner;
use super::primary::Devices;
use super::stanza::{Stanza, Start, Tree};

/// Plans the removal of `gone`, which are entries of `reading`.
pub(super) fn plan(root: &Root, reading: &Reading, gone: &[Entry]) -> Result<Plan> {
    let mut plan = Plan::nothing();
    if gone.is_empty() {
        return Ok(plan);
    }
    let Reading { tree, found } = reading;
    let mut remover = Remover::new(tree, found);
    let by_stanza = remover.sort(gone)?;
    remover.keep_labels(&by_stanza);
    for (index, found) in &by_stanza {
        if let Some(stanza) = tree.stanzas.get(*index) {
            remover.take_out(*index, stanza, found)?;
        }
    }
    remover.check_alone()?;
    let names = remover.names();
    let mut seen = HashSet::new();
    let once = gone.iter().filter(|entry| seen.insert((&entry.interface, entry.address)));
    let aliases = once.map(alias).collect::<Result<Vec<Alias>>>()?;
    let own: BTreeSet<String> = names.iter().filter(|name| name.contains(':')).cloned().collect();
    plan.auto = apply::removed(root, tree.flavour, &aliases, &own)?;
    let devices = Devices::new(tree, found);
    let interfaces: BTreeSet<&str> = gone.iter().map(|entry| entry.interface.as_str()).collect();
    let hotplug = interfaces.into_iter().find(|device| devices.only_hotplug(device));
    plan.restart = apply::restart(root, tree.flavour, hotplug)?.map(|command| {
        let mut restart = apply::only_after(Step::reread(command));
        restart.after.extend(aliases.iter().map(|alias| Step::new(Action::Delete(alias.clone()))));
        restart
    });
    remover.take_out_names(&names);
    plan.changes = remover.edits.changes(tree)?;
    plan.checks = edit::checks(tree.flavour, &plan.changes);
    if !tree.flavour.is_strict() {
        check_netmasks(root, tree, found, gone, &plan)?;
    }
    Ok(plan)
}

/// Without a line, a netmask may go to an address that it was not written for: ifupdown-ng merges stanzas (see `merge`),
/// ifupdown2 counts lines.
fn check_netmasks(root: &Root, tree: &Tree, found: &[Found], gone: &[Entry], plan: &Plan) -> Result<()> {
    let going = gone.iter().map(|entry| (entry.interface.as_str(), entry.address.addr())).collect();
    let kept = address::others_stay(root, tree, found, plan, &going)?;
    let Some(first) = gone.first().filter(|_| !kept) else { return Ok(()) };
    let reason = format!("without it {} would set other addresses of the interface differently", tree.flavour.name());
    let hint = "write the prefix behind each address of the interface first, as in: address 203.0.113.5/32";
    Err(Refusal::new(Kind::Malformed, reason, hint).at(&first.path, first.line).into())
}

/// The alias that an entry is on the running system.
fn alias(entry: &Entry) -> Result<Alias> {
    let interface = IfName::new(&entry.interface)?;
    let label = entry.label.as_deref().map(Label::new).transpose()?;
    Ok(Alias { interface, address: entry.address, label, preferred: true })
}

struct Remover<'r> {
    tree: &'r Tree,
    found: &'r [Found],
    edits: Edits,
    /// How many stanzas there are of each name.
    stanzas_of: HashMap<&'r str, usize>,
    /// The labels of addresses that stay.
    labels_left: HashSet<&'r str>,
    /// The stanzas that go as a whole.
    whole: BTreeSet<usize>,
}

impl<'r> Remover<'r> {
    fn new(tree: &'r Tree, found: &'r [Found]) -> Remover<'r> {
        let mut stanzas_of = HashMap::new();
        for stanza in &tree.stanzas {
            *stanzas_of.entry(stanza.name.as_str()).or_default() += 1;
        }
        let edits = Edits::default();
        Remover { tree, found, edits, stanzas_of, labels_left: HashSet::new(), whole: BTreeSet::new() }
    }

    fn keep_labels(&mut self, gone: &BTreeMap<usize, Vec<&Found>>) {
        let gone: HashSet<*const Found> = gone.values().flatten().map(|found| std::ptr::from_ref(*found)).collect();
        let left = self.found.iter().filter(|found| !gone.contains(&std::ptr::from_ref(*found)));
        self.labels_left = left.filter_map(|found| found.entry.label.as_deref()).collect();
    }

    /// The addresses to remove, by stanza. A file that is read twice has each of them twice.
    fn sort(&self, gone: &[Entry]) -> Result<BTreeMap<usize, Vec<&'r Found>>> {
        let mut at: HashMap<(&RootPath, usize, &str, IpNet), Vec<&Found>> = HashMap::new();
        for found in self.found {
            let entry = &found.entry;
            at.entry((&entry.path, entry.line, &entry.interface, entry.address)).or_default().push(found);
        }
        let mut by_stanza: BTreeMap<usize, Vec<&Found>> = BTreeMap::new();
        let mut done = HashSet::new();
        for entry in gone {
            if entry.role == Role::Primary {
                let reason = format!("{} is the primary address of {}", entry.address.addr(), entry.interface);
                let hint = "ipalias removes additional addresses only";
                return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&entry.path, entry.line).into());
            }
            let key = (&entry.path, entry.line, entry.interface.as_str(), entry.address);
            let Some(places) = at.get(&key) else {
                let reason = format!("{} is no longer configured here", entry.address.addr());
                return Err(Refusal::new(Kind::NotFound, reason, "list the addresses again")
                    .at(&entry.path, entry.line)
                    .into());
            };
            if done.insert(key) {
                for place in places {
                    by_stanza.entry(place.stanza).or_default().push(place);
                }
            }
        }
        Ok(by_stanza)
    }

    /// Plans the removal of addresses of one stanza.
    fn take_out(&mut self, index: usize, stanza: &Stanza, gone: &[&Found]) -> Result<()> {
        if let Some(refusal) = owner::elsewhere(&stanza.source) {
            return Err(refusal.into());
        }
        if let Some(inherited) = gone.iter().find(|found| found.origin == Origin::Inherited) {
            let reason = format!("{} gets the address from a stanza that it inherits from", stanza.name);
            let hint = "remove it there by hand: other stanzas may inherit it, too";
            let entry = &inherited.entry;
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&entry.path, entry.line).into());
        }
        let mut lines: BTreeSet<usize> = BTreeSet::new();
        for found in gone {
            if let Origin::Line(at) | Origin::Hook(at) = found.origin {
                lines.insert(at);
            }
        }
        let takes_lines = gone.iter().any(|found| matches!(found.origin, Origin::Line(_)));
        let is_address = |(at, option): (usize, &WordLine)| (option.word(0) == b"address").then_some(at);
        let mut addresses = stanza.options.iter().enumerate().filter_map(is_address);
        if takes_lines && addresses.all(|at| lines.contains(&at)) && can_go(stanza) {
            let with_hooks = self.with_hooks(stanza, &lines, gone.iter().copied())?;
            if self.goes_whole(stanza, &with_hooks)? {
                self.whole.insert(index);
                self.edits.delete_lines(&stanza.source, stanza.head.lines.start..stanza.end(), true);
                return Ok(());
            }
        }
        let hooks = gone.iter().copied().filter(|found| matches!(found.origin, Origin::Hook(_)));
        let mut lines = self.with_hooks(stanza, &lines, hooks)?;
        if takes_lines {
            self.attributes(stanza, &mut lines);
        }
        for at in &lines {
            if let Some(option) = stanza.options.get(*at) {
                self.edits.delete_lines(&stanza.source, option.lines.clone(), false);
            }
        }
        self.listed(stanza, gone);
        Ok(())
    }

    /// Whether a stanza that loses its last address goes as a whole: where its reader could not do with less, or where
    /// it was there for the address alone. Refused if `lines` and what only sets addresses are not all of it.
    fn goes_whole(&self, stanza: &Stanza, lines: &BTreeSet<usize>) -> Result<bool> {
        let mut options = stanza.options.iter().enumerate();
        let lost = options.find(|(at, option)| !lines.contains(at) && !address::is_plain_option(option.word(0)));
        let others = || self.stanzas_of.get(stanza.name.as_str()).is_some_and(|count| *count > 1);
        match lost {
            None => Ok(self.tree.flavour.is_strict() || stanza.is_alias() || others()),
            Some((_, option)) if self.tree.flavour.is_strict() => {
                let word = String::from_utf8_lossy(option.word(0)).into_owned();
                let reason = format!("the stanza of {} would go with its {word} line", stanza.name);
                let hint = format!("move or remove the {word} line first");
                let refusal = Refusal::new(Kind::Malformed, reason, hint);
                Err(refusal.at(&stanza.source.path, option.number()).into())
            }
            Some(_) => Ok(false),
        }
    }

    /// `lines` and the hook lines that are about `gone`. Refuses to take apart what is more than one command.
    fn with_hooks<'g>(
        &self,
        stanza: &Stanza,
        lines: &BTreeSet<usize>,
        gone: impl Iterator<Item = &'g Found>,
    ) -> Result<BTreeSet<usize>> {
        let (mut addresses, mut labels) = (HashSet::new(), HashSet::new());
        for found in gone {
            addresses.insert(found.entry.address.addr());
            labels.extend(found.entry.label.as_deref().filter(|label| !self.labels_left.contains(label)));
        }
        let ours = |deed: &Deed| match deed {
            Deed::Add { address, .. } => addresses.contains(&address.addr()),
            Deed::Delete(ip) => addresses.contains(ip),
            Deed::Down(label) => labels.contains(label.as_str()),
            Deed::Ifup(_) | Deed::Other => false,
        };
        let mut all = lines.clone();
        for (at, option) in stanza.options.iter().enumerate() {
            if !hook::runs_up(option.word(0)) && !hook::runs_down(option.word(0)) {
                continue;
            }
            let Hook { deeds, single } = hook::parse(option.words_from(1), &stanza.name);
            if !lines.contains(&at) && !deeds.iter().any(ours) {
                continue;
            }
            if !single {
                let reason = "this line runs several commands, one of which sets the address";
                let hint = "remove the command by hand, and the counterpart that takes the address away";
                let refusal = Refusal::new(Kind::Malformed, reason, hint);
                return Err(refusal.at(&stanza.source.path, option.number()).into());
            }
            all.insert(at);
        }
        Ok(all)
    }

    /// ifupdown2: the lines below an address that belong to it, since the next address would take them over.
    fn attributes(&self, stanza: &Stanza, lines: &mut BTreeSet<usize>) {
        if !self.tree.flavour.is_two() {
            return;
        }
        let mut goes = false;
        for (at, option) in stanza.options.iter().enumerate() {
            match option.word(0) {
                b"address" => goes = lines.contains(&at),
                b"netmask" | b"broadcast" | b"scope" | b"preferred-lifetime" if goes => drop(lines.insert(at)),
                _ => {}
            }
        }
    }

    /// Words of Hetzner's `addresses` lines; the line if nothing is left on it.
    fn listed(&mut self, stanza: &Stanza, gone: &[&Found]) {
        let mut words: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for found in gone {
            if let Origin::Listed { option, word } = found.origin {
                words.entry(option).or_default().insert(word);
            }
        }
        for (option, words) in words {
            if let Some(line) = stanza.options.get(option) {
                self.take_out_words(stanza, line, &words);
            }
        }
    }

    fn take_out_words(&mut self, stanza: &Stanza, line: &WordLine, words: &BTreeSet<usize>) {
        if words.len() + 1 >= line.words.len() {
            self.edits.delete_lines(&stanza.source, line.lines.clone(), false);
            return;
        }
        for (before, word) in line.words.iter().zip(line.words.iter().enumerate().skip(1)) {
            if words.contains(&word.0) {
                self.edits.delete_bytes(&stanza.source, before.at.end..word.1.at.end);
            }
        }
    }

    /// Refuses to remove the only stanza of an interface, or one that others inherit from.
    fn check_alone(&self) -> Result<()> {
        let kept = || self.tree.stanzas.iter().enumerate().filter(|(at, _)| !self.whole.contains(at));
        let kept_names: HashSet<&str> = kept().map(|(_, stanza)| stanza.name.as_str()).collect();
        let parents: HashSet<usize> = kept().filter_map(|(_, stanza)| stanza.inherits).collect();
        for at in &self.whole {
            let Some(stanza) = self.tree.stanzas.get(*at) else { continue };
            let refuse = |reason: String, hint: &str| {
                let refusal = Refusal::new(Kind::Unacceptable, reason, hint);
                Err(refusal.at(&stanza.source.path, stanza.head.number()).into())
            };
            if !stanza.is_alias() && !kept_names.contains(stanza.name.as_str()) {
                let reason = format!("this is the only stanza of {}, which would not come up without it", stanza.name);
                return refuse(reason, "remove the stanza by hand if the interface is not needed");
            }
            if parents.contains(at) {
                return refuse(format!("other stanzas inherit from {}", stanza.name), "change those first");
            }
        }
        Ok(())
    }

    /// The names of which no stanza is left.
    fn names(&self) -> BTreeSet<String> {
        let kept = self.tree.stanzas.iter().enumerate().filter(|(at, _)| !self.whole.contains(at));
        let kept: HashSet<&str> = kept.map(|(_, stanza)| stanza.name.as_str()).collect();
        let gone = self.whole.iter().filter_map(|at| self.tree.stanzas.get(*at));
        gone.filter(|stanza| !kept.contains(stanza.name.as_str())).map(|stanza| stanza.name.clone()).collect()
    }

    /// Takes names off every `auto` and `allow-` line; a line that would be empty goes.
    fn take_out_names(&mut self, names: &BTreeSet<String>) {
        let mut lines: Vec<(&Start, BTreeSet<usize>)> = Vec::new();
        for start in self.tree.starts.iter().filter(|start| names.contains(&start.logical)) {
            let Some(word) = start.word else { continue };
            match lines.last_mut() {
                Some((last, words)) if Arc::ptr_eq(&last.line, &start.line) => drop(words.insert(word)),
                _ => lines.push((start, BTreeSet::from([word]))),
            }
        }
        for (start, words) in lines {
            let line = &start.line;
            if words.len() + 1 < line.words.len() {
                for (before, (at, word)) in line.words.iter().zip(line.words.iter().enumerate().skip(1)) {
                    if words.contains(&at) {
                        self.edits.delete_bytes(&start.source, before.at.end..word.at.end);
                    }
                }
                continue;
            }
            let blank = |index: Option<usize>| {
                index.and_then(|at| start.source.text.line(at)).is_none_or(|line| line.is_blank())
            };
            let paragraph = blank(line.lines.start.checked_sub(1)) && blank(Some(line.lines.end));
            self.edits.delete_lines(&start.source, line.lines.clone(), paragraph);
        }
    }
}

/// Whether a stanza is one of an address, so that it can go with it.
fn can_go(stanza: &Stanza) -> bool {
    matches!(stanza.method.as_str(), "static" | "tunnel" | "v4tunnel")
}
