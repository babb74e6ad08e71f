//! Removing: items out of their lists, in whichever file; a list that becomes empty goes with its key, and an own file with
//! its last address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Survey;
use super::add::{cannot_edit, not_entangled, one_document};
use super::addresses::Address;
use super::definitions::{Part, Renderer};
use super::files::File;
use super::schema::is_section;
use super::site::{editable, is_own};
use crate::alias::{Alias, IfName};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::yaml::{Fault, Node, Value, cut_items, cut_pair, empty_list};
use crate::text::Splice;

/// What goes from one file: by part and pair of the part's mapping, the items.
type Leaving = BTreeMap<([usize; 3], usize), BTreeSet<usize>>;

/// The plan that takes `gone` out of the files and off their interfaces.
pub fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let survey = Survey::of(root)?;
    if let Some(fault) = survey.faults.first() {
        return Err(fault.clone().into());
    }
    let mut plan = Plan::nothing();
    let (by_file, touched) = find(&survey, gone, &mut plan)?;
    for (position, leaving) in by_file {
        let Some(file) = survey.files.get(position) else { continue };
        editable(file)?;
        let after = without(&survey, file, position, &leaving).map_err(|fault| cannot_edit(file, fault))?;
        let after = after.map(|splices| file.text.apply(splices)).transpose()?;
        plan.changes.push(file.becomes(after));
    }
    if plan.changes.is_empty() {
        return Ok(plan);
    }
    wakes_nothing(&survey, &*Survey::of(&plan.overlay(root))?)?;
    let program = &survey.program;
    let files = survey.files.iter().map(|file| file.path.clone());
    plan.checks.push(program.check(files.collect()));
    let touched: Vec<_> = touched.into_iter().filter_map(|index| survey.definition(index)).collect();
    let deletions: Vec<Step> = gone.iter().filter(|entry| entry.is_effective()).filter_map(deletion).collect();
    plan.auto.after =
        program.reread(survey.systemd, touched.iter().copied()).into_iter().chain(deletions.iter().cloned()).collect();
    let by_networkd = touched.iter().any(|(_, renderer)| *renderer == Renderer::Networkd);
    plan.notes.extend(by_networkd.then(|| survey.systemd.rereading_note()).flatten());
    let after = std::iter::once(program.apply()).chain(deletions).collect();
    plan.restart = Ok(Apply { before: Vec::new(), after });
    Ok(plan)
}

/// What goes from which file, and the definitions that it is of. What stands in a hidden file stays there.
fn find(survey: &Survey, gone: &[Entry], plan: &mut Plan) -> Result<(BTreeMap<usize, Leaving>, BTreeSet<usize>)> {
    let mut wanted: BTreeMap<(&RootPath, usize, IpAddr), BTreeSet<&str>> = BTreeMap::new();
    for entry in gone {
        wanted.entry((&entry.path, entry.line, entry.address.addr())).or_default().insert(&entry.interface);
    }
    let mut by_file: BTreeMap<usize, Leaving> = BTreeMap::new();
    let (mut touched, mut found) = (BTreeSet::new(), BTreeSet::new());
    for (index, definition) in survey.merged.definitions.iter().enumerate() {
        for address in survey.addresses.get(index).into_iter().flatten() {
            let Some((part, file)) = part_of(survey, &definition.parts, address) else { continue };
            let place = (&file.path, address.line, address.net.addr());
            let Some(named) = wanted.get(&place) else { continue };
            let mut targets = survey.targets.get(index).into_iter().flatten();
            if let Some(other) = targets.find(|target| !named.contains(target.interface.as_str())) {
                return Err(shared(file, address, &other.interface).into());
            }
            found.insert(place);
            touched.insert(index);
            by_file.entry(part.file).or_default().entry((part.at, address.list)).or_default().insert(address.item);
        }
    }
    for entry in gone.iter().filter(|entry| !entry.is_effective()) {
        let hidden = survey.files.iter().find(|file| file.path == entry.path && file.shadowed_by.is_some());
        if let Some(file) = hidden {
            plan.notes.push(format!("what stands in {} has no effect and stays there", file.path));
            found.insert((&entry.path, entry.line, entry.address.addr()));
        }
    }
    if found.len() < wanted.len() {
        return Err(Refusal::new(Kind::ChangedSince, "an address is not where it was found", "try again").into());
    }
    Ok((by_file, touched))
}

/// Refuses a removal that brings something else into effect: what goes may be what netplan stopped reading a list at.
fn wakes_nothing(before: &Survey, after: &Survey) -> Result<()> {
    let effective =
        |survey: &Survey| -> Vec<Entry> { survey.entries().into_iter().filter(Entry::is_effective).collect() };
    let old: BTreeSet<_> = effective(before).into_iter().map(|entry| (entry.interface, entry.address)).collect();
    match effective(after).into_iter().find(|entry| !old.contains(&(entry.interface.clone(), entry.address))) {
        None => Ok(()),
        Some(woken) => {
            let reason = format!("with that, {} would come into effect, which has none so far", woken.address);
            let hint = format!("remove both at once, or write {} where it has its effect", woken.address.addr());
            Err(Refusal::new(Kind::Malformed, reason, hint).at(&woken.path, woken.line).into())
        }
    }
}

fn part_of<'a>(survey: &'a Survey, parts: &[Part], address: &Address) -> Option<(Part, &'a File)> {
    let part = *parts.get(address.part)?;
    Some((part, survey.files.get(part.file)?))
}

fn deletion(entry: &Entry) -> Option<Step> {
    let interface = IfName::new(&entry.interface).ok()?;
    let alias = Alias { interface, address: entry.address, label: None, preferred: true };
    Some(Step::new(Action::Delete(alias)))
}

fn shared(file: &File, address: &Address, other: &str) -> Refusal {
    let reason = format!("this is for {other}, too, which would lose {} with it", address.net.addr());
    let hint = "write definitions of their own for the interfaces first";
    Refusal::new(Kind::Ambiguous, reason, hint).at(&file.path, address.line)
}

/// The splices that take `leaving` out of `file`; nothing if the file goes whole.
fn without(survey: &Survey, file: &File, position: usize, leaving: &Leaving) -> Result<Option<Vec<Splice>>, Fault> {
    one_document(file)?;
    let mut splices = Vec::new();
    let mut emptied: BTreeSet<[usize; 3]> = BTreeSet::new();
    for ((at, list), items) in leaving {
        let part = Part { file: position, at: *at };
        not_entangled(file, &part)?;
        let Some(mapping) = part.mapping(&survey.files) else { continue };
        let Some(pair) = mapping.pairs().and_then(|pairs| pairs.get(*list)) else { continue };
        let count = pair.1.items().map(<[Node]>::len).unwrap_or_default();
        alone(&pair.1, items)?;
        if items.len() < count {
            splices.extend(cut_items(&file.text, &pair.1, items)?);
        } else if mapping.pairs().is_some_and(|pairs| pairs.len() > 1) {
            splices.extend(cut_pair(&file.text, mapping, *list)?);
        } else if is_own(file) {
            emptied.insert(*at);
        } else if matches!(mapping.value, Value::Mapping { flow: true, .. }) {
            splices.extend(cut_pair(&file.text, mapping, *list)?);
        } else {
            splices.extend(empty_list(&file.text, pair)?);
        }
    }
    Ok(cut_definitions(file, &emptied)?.map(|cut| splices.into_iter().chain(cut).collect()))
}

/// Refuses an item with a second address in it, which would go, too.
fn alone(list: &Node, items: &BTreeSet<usize>) -> Result<(), Fault> {
    for item in items.iter().filter_map(|at| list.items()?.get(*at)) {
        if item.pairs().is_some_and(|pairs| pairs.len() > 1) {
            return Err(Fault::new(item.line, "this item has more than one key; make an item of each first"));
        }
    }
    Ok(())
}

/// The splices that take whole definitions out of an own file, with sections that have no other; nothing if only the
/// version would be left.
fn cut_definitions(file: &File, emptied: &BTreeSet<[usize; 3]>) -> Result<Option<Vec<Splice>>, Fault> {
    let mut splices = Vec::new();
    let mut left = emptied.is_empty();
    for (top, (key, network)) in file.root().and_then(Node::pairs).unwrap_or_default().iter().enumerate() {
        left |= key.scalar() != Some("network");
        for (at, (key, section)) in network.pairs().unwrap_or_default().iter().enumerate() {
            let name = key.scalar().unwrap_or_default();
            let count = section.pairs().unwrap_or_default().len();
            let gone: Vec<usize> =
                emptied.iter().filter(|place| (place[0], place[1]) == (top, at)).map(|place| place[2]).collect();
            if gone.is_empty() {
                left |= name != "version" && (!is_section(name) || count > 0);
            } else if gone.len() < count {
                left = true;
                for pair in gone {
                    splices.extend(cut_pair(&file.text, section, pair)?);
                }
            } else {
                splices.extend(cut_pair(&file.text, network, at)?);
            }
        }
    }
    Ok(left.then_some(splices))
}
