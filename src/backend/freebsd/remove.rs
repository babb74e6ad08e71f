//! The plan that takes addresses out: assignments are deleted, words cut, ranges split, and numbers closed up where the
//! system's scripts stop at a gap.

use std::collections::BTreeSet;
use std::ops::Range;

use ipnet::IpNet;

use super::address::{Item, written};
use super::edits::Edits;
use super::files::{Chain, key_of};
use super::sources::{Source, sources};
use super::steps::{down, finish};
use super::{FreeBsd, start_if};
use crate::backend::{Backend as _, Entry};
use crate::error::{Kind, Refusal, Result};
use crate::plan::Plan;
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, Origin};
use crate::text::Splice;

/// The place and address of an entry.
type Place = (RootPath, usize, IpNet);

/// The plan that takes `gone` out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let chain = Chain::of(root)?;
    chain.certain()?;
    let by_hand = |entry: &&Entry| entry.form.starts_with("CARP") || entry.form == start_if::FORM;
    if let Some(entry) = gone.iter().find(by_hand) {
        let reason = format!("{} is written as a {}, which ipalias does not edit", entry.address, entry.form);
        let refusal = Refusal::new(Kind::Malformed, reason, "take it out there by hand");
        return Err(refusal.at(&entry.path, entry.line).into());
    }
    let mut edits = Edits::new(&chain);
    let mut plan = Plan::nothing();
    let keys: BTreeSet<String> = gone.iter().map(|entry| key_of(&entry.interface)).collect();
    for key in keys {
        let own = gone.iter().filter(|entry| key_of(&entry.interface) == key);
        let places: BTreeSet<Place> = own.map(|entry| (entry.path.clone(), entry.line, entry.address)).collect();
        let deleted = remove_from(&mut edits, &mut plan, &sources(&chain, &key)?, &places)?;
        if chain.generation.is_strict() {
            for stem in [format!("ifconfig_{key}_alias"), format!("ipv6_ifconfig_{key}_alias")] {
                renumber(&mut edits, &stem, &deleted)?;
            }
        }
    }
    plan.changes = edits.changes(root)?;
    keeps_others(root, &plan, gone)?;
    finish(&mut plan, gone.iter().filter_map(down).collect());
    Ok(plan)
}

/// Refuses what would change more than was asked for: numbers that cannot be closed up, because another file sets or unsets
/// them once more, and a value whose rest would be read otherwise.
fn keeps_others(root: &Root, plan: &Plan, gone: &[Entry]) -> Result<()> {
    let place = |entry: &Entry| (entry.interface.clone(), entry.address);
    let (old, new) = (FreeBsd.entries(root)?, FreeBsd.entries(&plan.overlay(root))?);
    let effective =
        |entries: &[Entry]| -> BTreeSet<_> { entries.iter().filter(|entry| entry.is_effective()).map(place).collect() };
    let (had, kept) = (effective(&old), effective(&new));
    let goes: BTreeSet<_> = gone.iter().map(|entry| (entry.interface.as_str(), entry.address.addr())).collect();
    let is_left = |entry: &&Entry| goes.contains(&(entry.interface.as_str(), entry.address.addr()));
    if let Some(left) = new.iter().find(|entry| entry.is_effective() && is_left(entry)) {
        let reason = format!("{} would still be read from the rest of the value", left.address);
        let hint = "take the address out by hand; a word of that value means nothing to ifconfig";
        return Err(Refusal::new(Kind::Malformed, reason, hint).at(&left.path, left.line).into());
    }
    let asleep = |entry: &Entry| old.iter().any(|other| other.address.addr() == entry.address.addr());
    if let Some(fresh) = new.iter().find(|entry| entry.is_effective() && !had.contains(&place(entry)) && !asleep(entry))
    {
        let reason = format!("without the address the rest of the value would be read as {}", fresh.address);
        let hint = "take the address out by hand; a word of that value means nothing to ifconfig";
        return Err(Refusal::new(Kind::Malformed, reason, hint).at(&fresh.path, fresh.line).into());
    }
    let lost = old.iter().find(|entry| entry.is_effective() && !is_left(entry) && !kept.contains(&place(entry)));
    let Some(lost) = lost else { return Ok(()) };
    let reason = format!("{} would lose its effect: its number cannot be closed up", lost.address);
    let hint = "another file sets that number, too; put the aliases of this interface into one file first";
    Err(Refusal::new(Kind::Malformed, reason, hint).at(&lost.path, lost.line).into())
}

/// Takes the addresses of one interface out; returns the variables that went as a whole.
fn remove_from(
    edits: &mut Edits<'_>,
    plan: &mut Plan,
    own: &[Source<'_>],
    gone: &BTreeSet<Place>,
) -> Result<BTreeSet<String>> {
    let chain = edits.chain;
    let mut deleted = BTreeSet::new();
    for source in own {
        let left_of = |item: &Item| -> Vec<IpNet> {
            let Some(origin) = item.origin else { return item.nets.clone() };
            let (path, line) = (chain.path(origin.source), chain.line(origin.source, origin.at));
            item.nets.iter().filter(|net| !gone.contains(&(path.clone(), line, **net))).copied().collect()
        };
        let left: Vec<Vec<IpNet>> = source.items.items.iter().map(left_of).collect();
        if source.items.items.iter().zip(&left).all(|(item, left)| item.nets == *left) {
            continue;
        }
        if left.iter().all(Vec::is_empty) && !source.is_main && !source.items.has_others {
            for assignment in &source.variable.assignments {
                edits.delete(assignment)?;
            }
            if source.variable.assignments.len() > 1 {
                plan.notes.push(format!("{} goes with its earlier assignments, which had no effect", source.name));
            }
            deleted.insert(source.name.clone());
        } else {
            cut(edits, source, &left)?;
        }
    }
    Ok(deleted)
}

/// Takes addresses out of a value that keeps others: whole groups with the blanks before them, or parts of ranges.
fn cut(edits: &mut Edits<'_>, source: &Source<'_>, left: &[Vec<IpNet>]) -> Result<()> {
    let parts = parts(source, left);
    let mut splices = Vec::new();
    for (at, with) in &parts {
        let Some((file, range, quoted)) = in_file(source, at) else { return Err(scattered(edits, source)) };
        // In quotes a blank is a blank; elsewhere the value is written anew.
        if !quoted {
            return rewrite(edits, source, &parts);
        }
        splices.push((file, Splice { range, with: with.clone().into() }));
    }
    splices.into_iter().try_for_each(|(file, splice)| edits.push(file, splice))
}

/// Where a part of the value stands, if in one assignment; and whether that is one quoted string.
fn in_file(source: &Source<'_>, at: &Range<usize>) -> Option<(usize, Range<usize>, bool)> {
    let start = source.value.origin(at.start)?;
    let end = source.value.origin(at.end.checked_sub(1)?)?;
    let within = |origin: Origin| {
        let holds = |one: &&Assignment| one.source == origin.source && one.value_at.contains(&origin.at);
        source.variable.assignments.iter().find(holds)
    };
    match (within(start), within(end)) {
        (Some(one), Some(other)) if one == other && start.at <= end.at => {
            Some((start.source, start.at..end.at + 1, one.quote.is_some()))
        }
        _ => None,
    }
}

/// The bytes of the value that change, and what comes there.
fn parts(source: &Source<'_>, left: &[Vec<IpNet>]) -> Vec<(Range<usize>, String)> {
    let place = |word: usize| source.items.words.get(word).map(|word| word.at.clone()).unwrap_or_default();
    let mut parts = Vec::new();
    let mut items = source.items.items.iter().zip(left).peekable();
    while let Some((item, left)) = items.next() {
        if item.nets == *left {
            continue;
        }
        let (first, mut end) = (item.words.start, item.words.end);
        if !left.is_empty() {
            parts.push((place(first).start..place(end - 1).end, rest_of(source, item, left)));
            continue;
        }
        // Groups that go together go with the blanks that set them off from what stays.
        while let Some((next, _)) = items.next_if(|(next, left)| left.is_empty() && next.words.start == end) {
            end = next.words.end;
        }
        let next = (end < source.items.words.len()).then_some(end);
        let at = match (first.checked_sub(1), next) {
            (Some(before), _) => place(before).end..place(end - 1).end,
            (None, Some(next)) => place(first).start..place(next).start,
            (None, None) => place(first).start..place(end - 1).end,
        };
        // The blanks may stand in another assignment.
        let at = if in_file(source, &at).is_some() { at } else { place(first).start..place(end - 1).end };
        parts.push((at, String::new()));
    }
    parts
}

/// Writes the value of an assignment without usual quotes anew, if it is one and has nothing that a shell takes apart.
fn rewrite(edits: &mut Edits<'_>, source: &Source<'_>, parts: &[(Range<usize>, String)]) -> Result<()> {
    let [assignment] = source.variable.assignments.as_slice() else { return Err(scattered(edits, source)) };
    let own = |at: usize| {
        let origin = source.value.origin(at);
        origin.is_some_and(|origin| origin.source == assignment.source && assignment.value_at.contains(&origin.at))
    };
    let mut value = source.value.bytes().to_vec();
    for (at, with) in parts.iter().rev() {
        value.splice(at.clone(), with.bytes());
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" \t\n._-:/,".contains(byte);
    if !(0..source.value.bytes().len()).all(own) || !value.iter().all(plain) {
        return Err(scattered(edits, source));
    }
    let with = [b"\"", value.as_slice(), b"\""].concat();
    edits.push(assignment.source, Splice { range: assignment.value_at.clone(), with })
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
            let variable = chain.environment.get(&name);
            for assignment in variable.map(|variable| variable.assignments.as_slice()).unwrap_or_default() {
                let at = assignment.at.start + stem.len();
                let range = at..assignment.at.start + name.len();
                edits.push(assignment.source, Splice { range, with: next.to_string().into() })?;
            }
        }
        next += 1;
    }
    Ok(())
}
