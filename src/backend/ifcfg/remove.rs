//! An address less: its file, or its variables, with the last index moved into the hole.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::consumer::Readers;
use super::entries::{ALIAS_FILE, INDEXED, RANGE_FILE, indexed};
use super::file::File;
use super::files::Files;
use super::{Ifcfg, load, reapply, run};
use crate::alias::{Alias, IfName};
use crate::backend::{Backend as _, Entry};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, Dialect, Environment, Value, Word, deletion};
use crate::text::{Splice, Text};

const LIST: &str = "IPV6ADDR_SECONDARIES";

/// The plan that takes the entries out.
pub(super) fn remove(root: &Root, files: &Files, gone: &[Entry]) -> Result<Plan> {
    let mut plan = Plan::nothing();
    let mut by_file: BTreeMap<&RootPath, Vec<&Entry>> = BTreeMap::new();
    gone.iter().for_each(|entry| by_file.entry(&entry.path).or_default().push(entry));
    let mut restart = Apply::default();
    for (path, entries) in by_file {
        let Some(file) = files.files.iter().find(|file| file.path == *path) else { continue };
        let form = entries.first().map_or("", |entry| entry.form.as_str());
        if form == RANGE_FILE {
            return Err(in_a_range(path, &entries));
        }
        file.sound(false)?;
        let (after, backup) = if form == ALIAS_FILE {
            (None, Backup::StoreOnly)
        } else {
            is_no_model(files, file, &entries)?;
            (Some(without(files, file, &entries)?), Backup::Beside)
        };
        plan.changes.push(Change { path: path.clone(), before: root.read(path)?, after, mode: 0o644, backup });
        let base = if form == ALIAS_FILE { files.base(file.stem()).unwrap_or(file) } else { file };
        let steps = take_down(files, file, base, &entries);
        if files.readers(base) == Readers::NetworkManager {
            restart.after.extend([load(&base.path), reapply(&base.device)]);
        } else {
            restart.before.extend(steps.before.iter().cloned());
            restart.after.extend(steps.after.iter().cloned());
        }
        plan.auto.before.extend(steps.before);
        plan.auto.after.extend(steps.after);
    }
    plan.restart = Ok(restart);
    wakes_none(root, &plan)?;
    Ok(plan)
}

/// Refuses what would bring an address up that nobody reads now: NetworkManager reads one variable a line, so that what
/// stands behind it there comes to the front.
fn wakes_none(root: &Root, plan: &Plan) -> Result<()> {
    let place = |entry: &Entry| (entry.interface.clone(), entry.address);
    let known: BTreeSet<_> = Ifcfg.entries(root)?.iter().map(place).collect();
    let new = Ifcfg.entries(&plan.overlay(root))?;
    let woken = new.iter().find(|entry| entry.is_effective() && !known.contains(&place(entry)));
    let (Some(woken), Some(change)) = (woken, plan.changes.first()) else { return Ok(()) };
    let reason = format!("{}, which nothing reads now, would come up", woken.address);
    let hint = "put each variable on a line of its own first";
    Err(Refusal::new(Kind::Malformed, reason, hint).at(&change.path, 0).into())
}

/// Refuses the address whose prefix NetworkManager gives to aliases that have none.
fn is_no_model(files: &Files, base: &File, gone: &[&Entry]) -> Result<()> {
    let first = indexed(files, base).into_iter().find(|one| one.is_reached);
    let is_first = first.is_some_and(|first| gone.iter().any(|entry| entry.form == format!("IPADDR{}", first.suffix)));
    let inherits = |alias: &&File| alias.get("PREFIX").is_none() && alias.get("NETMASK").is_none();
    if files.readers(base) != Readers::NetworkManager || !is_first {
        return Ok(());
    }
    match files.aliases(base).find(inherits) {
        None => Ok(()),
        Some(alias) => alias.malformed(
            alias.line("IPADDR"),
            &format!("this alias has no PREFIX and takes that of the first address of {}", base.path),
            "write its PREFIX there first",
        ),
    }
}

fn in_a_range(path: &RootPath, entries: &[&Entry]) -> anyhow::Error {
    let names: Vec<String> = entries.iter().map(|entry| entry.address.addr().to_string()).collect();
    let hint = "change IPADDR_START or IPADDR_END by hand, or make alias files of it";
    let reason = format!("{} stands in a range, out of which no single address can be taken", names.join(", "));
    let line = entries.first().map_or(0, |entry| entry.line);
    Refusal::new(Kind::Unacceptable, reason, hint).at(path, line).into()
}

/// The steps that take the addresses of one file down: `ifdown` needs the file that is about to go.
fn take_down(files: &Files, file: &File, base: &File, entries: &[&Entry]) -> Apply {
    let readers = files.readers(base);
    let mut apply = Apply::default();
    let alias = entries.first().filter(|entry| entry.form == ALIAS_FILE && entry.is_effective());
    if alias.is_some() && matches!(readers, Readers::Scripts | Readers::Both) && file.device == file.name {
        let label = file.name.as_str();
        apply.before.push(Step::with_undo(run(["ifdown", label]), run(["ifup", label])));
        return apply;
    }
    let listens = readers == Readers::NetworkManager || readers == Readers::Both && files.consumer.manager_runs;
    if listens {
        apply.after.push(load(&base.path));
    }
    let down = |entry: &&Entry| {
        let interface = IfName::new(&entry.interface).ok()?;
        Some(Step::new(Action::Delete(Alias { interface, address: entry.address, label: None, preferred: false })))
    };
    apply.after.extend(entries.iter().filter_map(down));
    apply
}

/// A base file without the variables and words of `gone`.
fn without(files: &Files, file: &File, gone: &[&Entry]) -> Result<Vec<u8>> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut out: BTreeSet<&str> = BTreeSet::new();
    let mut words: BTreeSet<IpAddr> = BTreeSet::new();
    for entry in gone {
        match (entry.form.as_str(), entry.form.strip_prefix("IPADDR")) {
            (LIST, _) => drop(words.insert(entry.address.addr())),
            (_, Some(index)) => {
                out.insert(index);
                // What has no number is the interface's, and its aliases inherit it.
                let own = INDEXED.iter().filter(|start| !index.is_empty() || **start == "IPADDR");
                names.extend(own.map(|start| format!("{start}{index}")));
            }
            (name, None) => drop(names.insert(name.to_owned())),
        }
    }
    let moves = moves(files, file, &out);
    let list = without_words(file, &words)?;
    if list.is_none() {
        names.insert(LIST.to_owned());
    }
    let mut text = Text::new(file.text.apply(list.unwrap_or_default())?);
    loop {
        let mut environment = Environment::new(Dialect::Bash);
        environment.source(&text);
        let variables = names.iter().filter_map(|name| environment.get(name));
        let splices = deletions(&text, variables.flat_map(|variable| &variable.assignments).collect());
        if splices.is_empty() {
            return text.apply(renamed(&environment, &moves));
        }
        text = Text::new(text.apply(splices)?);
    }
}

/// The splices that take assignments out, of each line only the last: two on a line share the blank between them.
fn deletions(text: &Text, mut all: Vec<&Assignment>) -> Vec<Splice> {
    all.sort_by_key(|assignment| std::cmp::Reverse(assignment.at.start));
    let mut bound = text.bytes().len();
    let mut splices = Vec::new();
    for splice in all.into_iter().map(|assignment| deletion(text, assignment)) {
        if splice.range.end <= bound {
            let before = text.bytes().get(..splice.range.start).unwrap_or_default();
            bound = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            splices.push(splice);
        }
    }
    splices
}

/// The splices that give variables another number.
fn renamed(environment: &Environment, moves: &[(u32, u32)]) -> Vec<Splice> {
    let mut splices = Vec::new();
    for (from, to) in moves {
        for start in INDEXED {
            let variable = environment.get(&format!("{start}{from}"));
            for assignment in variable.iter().flat_map(|variable| &variable.assignments) {
                let digits = assignment.at.start + start.len();
                let range = digits..digits + from.to_string().len();
                splices.push(Splice { range, with: to.to_string().into() });
            }
        }
    }
    splices
}

/// Which index takes the place of which, so that none is missing where that ends the search: the last ones fill the holes.
fn moves(files: &Files, file: &File, out: &BTreeSet<&str>) -> Vec<(u32, u32)> {
    let Some(needed) = files.consumer.first_needed() else { return Vec::new() };
    let reached = indexed(files, file).into_iter().filter(|one| one.is_reached && !out.contains(one.suffix.as_str()));
    let mut left: BTreeSet<u32> = reached.filter_map(|one| one.suffix.parse().ok()).collect();
    let mut all = Vec::new();
    let mut hole = needed;
    while left.last().is_some_and(|last| *last > hole) {
        if !left.contains(&hole) {
            let Some(last) = left.pop_last() else { break };
            left.insert(hole);
            all.push((last, hole));
        }
        hole += 1;
    }
    all
}

/// The splices that take words out of the list of IPv6 addresses; nothing if none would be left.
fn without_words(file: &File, out: &BTreeSet<IpAddr>) -> Result<Option<Vec<Splice>>> {
    let Some(variable) = file.environment.get(LIST).filter(|_| !out.is_empty()) else { return Ok(Some(Vec::new())) };
    let (Value::Text(text), Some(last)) = (&variable.value, variable.assignments.last()) else {
        return Ok(Some(Vec::new()));
    };
    let words = text.words();
    let is_out = |word: &Word| {
        let text = String::from_utf8_lossy(&word.text).into_owned();
        text.split('/').next().and_then(|ip| ip.parse().ok()).is_some_and(|ip| out.contains(&ip))
    };
    if words.iter().all(is_out) {
        return Ok(None);
    }
    let mut splices = Vec::new();
    let mut leading = true;
    for (index, word) in words.iter().enumerate() {
        leading &= is_out(word) || index == 0;
        if !is_out(word) {
            leading = false;
            continue;
        }
        let next = words.get(index + 1).filter(|_| leading);
        let (from, to) = match (next, index.checked_sub(1).and_then(|before| words.get(before))) {
            (Some(next), _) => (word.at.start, next.at.start),
            (None, Some(before)) => (before.at.end, word.at.end),
            (None, None) => (word.at.start, word.at.end),
        };
        let place = text
            .origin(from)
            .zip(text.origin(to - 1))
            .filter(|(start, end)| last.value_at.contains(&start.at) && start.at <= end.at);
        let Some((start, end)) = place else {
            let reason = format!("the value of {LIST} is put together from several places");
            return file.malformed(last.line, &reason, "edit the file by hand, or write the value in one piece");
        };
        splices.push(Splice::delete(start.at..end.at + 1));
    }
    Ok(Some(splices))
}
