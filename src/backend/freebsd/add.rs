//! The plan that adds a numbered alias for each address, behind the interface's other variables.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::by_key;
use super::edits::Edits;
use super::files::{Chain, Generation};
use super::sources::{Source, sources};
use super::steps::{finish, up};
use crate::alias::{Alias, lowest_free};
use crate::backend::Situation;
use crate::error::{Kind, Refusal, Result};
use crate::plan::Plan;
use crate::root::Root;

/// Numbers above are not counted on: the gaps below are used instead.
const HIGHEST: u32 = 1_000_000;

/// The plan that configures `want`.
pub(super) fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    let chain = Chain::of(root)?;
    chain.certain()?;
    let mut edits = Edits::new(&chain);
    let mut plan = Plan::nothing();
    for (key, aliases) in by_key(want) {
        if aliases.iter().any(|alias| alias.label.is_some()) {
            let hint = "leave --label out";
            return Err(Refusal::new(Kind::Unacceptable, "addresses have no labels on BSD", hint).into());
        }
        if let Some(name) = chain.renamed(&key)? {
            let reason = format!("ifconfig_{key}_name renames the interface to {name}");
            return Err(Refusal::new(Kind::Unacceptable, reason, format!("name it as it will be: -i {name}")).into());
        }
        add_to(&mut edits, &mut plan, &key, &aliases)?;
    }
    plan.changes = edits.changes(root)?;
    finish(&mut plan, want.iter().flat_map(|alias| up(alias, chain.generation, now)).collect());
    Ok(plan)
}

/// Adds the aliases of one interface.
fn add_to(edits: &mut Edits<'_>, plan: &mut Plan, key: &str, aliases: &[&Alias]) -> Result<()> {
    let chain = edits.chain;
    let own = sources(chain, key)?;
    let mut lines = Vec::new();
    let mut present = BTreeSet::new();
    if aliases.iter().any(|alias| alias.address.addr().is_ipv6()) && !chain.has_ipv6(key)? {
        present = switch_on_ipv6(edits, plan, key, &own, &mut lines)?;
    }
    let missing: Vec<&Alias> = aliases.iter().filter(|alias| !present.contains(&alias.address)).copied().collect();
    let moved = idle(edits, &own, &missing)?;
    let style = Style::of(chain.generation, &own);
    let stem = format!("ifconfig_{key}_alias");
    let known = chain.aliases(&stem)?;
    let mut values = missing.iter().map(|alias| style.write(alias.address)).peekable();
    let mut taken = BTreeSet::new();
    let mut empty = BTreeMap::new();
    for (name, number, _) in known.iter().filter(|(name, ..)| !moved.contains(name)) {
        taken.insert(*number);
        if !chain.is_filled(name)? {
            empty.entry(*number).or_insert(name);
        }
    }
    let strict = chain.generation.is_strict();
    let first_gap = lowest_free(&taken, 0).next().unwrap_or_default();
    let next = taken.last().map_or(0, |last| last.saturating_add(1));
    let start = if strict || next > HIGHEST { first_gap } else { next };
    let mut free = lowest_free(&taken, start).peekable();
    let mut asleep = None;
    // An empty alias ends the search, so it is filled.
    while values.peek().is_some() {
        let gap = free.peek().copied().filter(|_| strict);
        let fill = empty.first_key_value().filter(|(number, _)| gap.is_none_or(|gap| **number < gap));
        if let Some((number, name)) = fill.map(|(number, name)| (*number, *name)) {
            empty.remove(&number);
            let last = chain.value(name)?.and_then(|(_, variable)| variable.assignments.last());
            let (Some(last), Some(text)) = (last, values.next()) else { continue };
            edits.fill(last, &text)?;
            asleep = asleep.or_else(|| Some(format!("{name} was empty")));
        } else if let (Some(number), Some(text)) = (free.next(), values.next()) {
            if let Some((source, line)) = chain.environment.unset(&format!("{stem}{number}")) {
                let reason = format!("{stem}{number} is unset here");
                let hint = "take that line out: a number to be used must not be unset behind its assignment";
                return Err(Refusal::new(Kind::Malformed, reason, hint).at(&chain.path(source), line).into());
            }
            lines.push(format!("{stem}{number}=\"{text}\""));
            if gap.is_some() && taken.last().is_some_and(|last| *last > number) {
                asleep = asleep.or_else(|| Some(format!("{stem}{number} was missing")));
            }
        }
    }
    if let Some(why) = asleep {
        wake(plan, &own, &why);
    }
    edits.insert(key, &lines)
}

/// Sets `ifconfig_IF_ipv6`, without which inet6 aliases are passed over; returns what that alone configures.
fn switch_on_ipv6(
    edits: &mut Edits<'_>,
    plan: &mut Plan,
    key: &str,
    own: &[Source<'_>],
    lines: &mut Vec<String>,
) -> Result<BTreeSet<IpNet>> {
    let name = format!("ifconfig_{key}_ipv6");
    match edits.chain.value(&name)?.and_then(|(_, variable)| variable.assignments.last()) {
        // It is there, and empty.
        Some(last) => {
            edits.fill(last, "inet6 auto_linklocal")?;
        }
        None => lines.push(format!("{name}=\"inet6 auto_linklocal\"")),
    }
    plan.notes.push(format!("{name} is set, too: without it inet6 aliases are passed over"));
    let idle = own.iter().filter(|source| source.problem.is_none()).flat_map(|source| &source.items.items);
    let nets: BTreeSet<IpNet> = idle.flat_map(|item| &item.nets).filter(|net| net.addr().is_ipv6()).copied().collect();
    for net in &nets {
        plan.notes.push(format!("{net} was in {name}'s shadow, and has effect now"));
    }
    plan.wakes.extend(nets.iter().map(IpNet::addr));
    Ok(nets)
}

/// Takes out variables that hold an address to be added and are not reached: it would come up twice. Returns their names.
fn idle(edits: &mut Edits<'_>, own: &[Source<'_>], want: &[&Alias]) -> Result<BTreeSet<String>> {
    let mut moved = BTreeSet::new();
    for source in own.iter().filter(|source| source.is_behind_gap) {
        let mut nets = source.items.items.iter().flat_map(|item| &item.nets);
        let is_wanted = |net: &IpNet| want.iter().any(|alias| alias.address.addr() == net.addr());
        if nets.clone().count() == 1 && !source.items.has_others && nets.all(is_wanted) {
            source.variable.assignments.iter().try_for_each(|assignment| edits.delete(assignment))?;
            moved.insert(source.name.clone());
        }
    }
    Ok(moved)
}

/// Notes the addresses that have no effect because of the numbers, and get one.
fn wake(plan: &mut Plan, own: &[Source<'_>], why: &str) {
    let idle: Vec<&Source<'_>> = own.iter().filter(|source| source.is_behind_gap && !source.is_empty()).collect();
    if !idle.is_empty() {
        plan.notes.push(format!("{why}, so that later numbers had no effect; they have now"));
    }
    let nets = idle.iter().flat_map(|source| &source.items.items).flat_map(|item| &item.nets);
    plan.wakes.extend(nets.map(IpNet::addr));
}

/// How IPv4 addresses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `inet A/P`.
    Prefix,
    /// `inet A netmask M broadcast B`, which every release takes.
    Netmask,
}

impl Style {
    /// The style of the interface's own addresses, the last one first.
    fn of(generation: Generation, own: &[Source<'_>]) -> Style {
        if generation == Generation::DragonFly {
            return Style::Netmask;
        }
        let items = own.iter().rev().flat_map(|source| source.items.items.iter().rev().map(move |item| (source, item)));
        let mut four = items.filter(|(_, item)| item.nets.iter().any(|net| net.addr().is_ipv4()));
        let address = four.next().and_then(|(source, item)| source.items.words.get(item.address));
        if address.is_some_and(|word| word.text.contains(&b'/')) { Style::Prefix } else { Style::Netmask }
    }

    fn write(self, net: IpNet) -> String {
        match (self, net) {
            (Style::Prefix, IpNet::V4(net)) => format!("inet {net}"),
            (Style::Netmask, IpNet::V4(net)) => {
                format!("inet {} netmask {} broadcast {}", net.addr(), net.netmask(), net.broadcast())
            }
            (_, IpNet::V6(net)) => format!("inet6 {} prefixlen {}", net.addr(), net.prefix_len()),
        }
    }
}
