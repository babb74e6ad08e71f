//! An address less: its file, or its variables, with the indexes behind them moved up.

use std::collections::{BTreeMap, BTreeSet};

use super::consumer::Readers;
use super::files::{File, Files, indexed};
use super::run;
use crate::alias::{Alias, IfName};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Command, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Value, deletion};
use crate::text::Splice;

/// The variables that belong to an index.
const FAMILY: [&str; 6] = ["IPADDR", "PREFIX", "NETMASK", "BROADCAST", "ARPCHECK", "GATEWAY"];

/// The plan that takes the entries out.
pub(super) fn remove(root: &Root, files: &Files, gone: &[Entry]) -> Result<Plan> {
    let mut plan = Plan::nothing();
    let mut by_file: BTreeMap<&RootPath, Vec<&Entry>> = BTreeMap::new();
    gone.iter().for_each(|entry| by_file.entry(&entry.path).or_default().push(entry));
    let mut apply = Apply::default();
    for (path, entries) in by_file {
        let Some(file) = files.files.iter().find(|file| file.path == *path) else { continue };
        file.sound()?;
        let change = |after: Option<Vec<u8>>, backup| -> Result<Change> {
            Ok(Change { path: path.clone(), before: root.read(path)?, after, mode: 0o644, backup })
        };
        match entries.first().map(|entry| entry.form.as_str()) {
            Some("range file") => {
                let names: Vec<String> = entries.iter().map(|entry| entry.address.addr().to_string()).collect();
                let hint = "change IPADDR_START or IPADDR_END by hand, or make alias files of it";
                let reason =
                    format!("{} stands in a range, out of which no single address can be taken", names.join(", "));
                return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(path, 0).into());
            }
            Some("alias file") => {
                plan.changes.push(change(None, Backup::StoreOnly)?);
                let base = files.base(&file.interface());
                let readers = base.map_or(files.consumer.readers, |base| files.readers(base));
                let entry = entries.first().filter(|entry| entry.is_effective());
                match (readers, base) {
                    (Readers::NetworkManager, Some(base)) => {
                        let path = base.path.to_string();
                        apply.after.push(Step::reread(Command::new(["nmcli", "connection", "load", path.as_str()])));
                        apply.after.extend(entries.iter().filter_map(|entry| down(entry)));
                    }
                    _ if entry.is_some() => {
                        let device = file.device();
                        apply
                            .before
                            .push(Step::with_undo(run(["ifdown", device.as_str()]), run(["ifup", device.as_str()])));
                    }
                    _ => apply.after.extend(entries.iter().filter_map(|entry| down(entry))),
                }
            }
            _ => {
                let splices = without(file, &entries, files.consumer.release.first_needed())?;
                plan.changes.push(change(Some(file.text.apply(splices)?), Backup::Beside)?);
                if files.readers(file) == Readers::NetworkManager {
                    let path = path.to_string();
                    apply.after.push(Step::reread(Command::new(["nmcli", "connection", "load", path.as_str()])));
                }
                apply.after.extend(entries.iter().filter_map(|entry| down(entry)));
            }
        }
    }
    plan.auto = apply;
    plan.restart = Ok(plan.auto.clone());
    Ok(plan)
}

fn down(entry: &Entry) -> Option<Step> {
    let interface = IfName::new(&entry.interface).ok()?;
    Some(Step::new(Action::Delete(Alias { interface, address: entry.address, label: None, preferred: false })))
}

/// The splices that take variables and words out of a base file.
fn without(file: &File, gone: &[&Entry], needed: Option<u32>) -> Result<Vec<Splice>> {
    let mut splices = Vec::new();
    let mut out: BTreeSet<String> = BTreeSet::new();
    let mut words: BTreeSet<std::net::IpAddr> = BTreeSet::new();
    for entry in gone {
        match entry.form.as_str() {
            "IPV6ADDR_SECONDARIES" => drop(words.insert(entry.address.addr())),
            "IPV6ADDR" => splices.extend(file.assignments("IPV6ADDR").iter().map(|one| deletion(&file.text, one))),
            form => drop(out.insert(form.strip_prefix("IPADDR").unwrap_or(form).to_owned())),
        }
    }
    let names = |index: &str| FAMILY.iter().map(|start| format!("{start}{index}")).collect::<Vec<_>>();
    for index in &out {
        for name in names(index) {
            splices.extend(file.assignments(&name).iter().map(|one| deletion(&file.text, one)));
        }
    }
    for (from, to) in moves(file, &out, needed) {
        for start in FAMILY {
            for assignment in file.assignments(&format!("{start}{from}")) {
                let digits = assignment.at.start + start.len();
                let range = digits..digits + from.to_string().len();
                splices.push(Splice { range, with: to.to_string().into() });
            }
        }
    }
    if !words.is_empty() {
        splices.extend(without_words(file, &words)?);
    }
    Ok(splices)
}

/// Which index takes the place of which, so that none is missing where that ends the search: the last ones fill the holes.
fn moves(file: &File, out: &BTreeSet<String>, needed: Option<u32>) -> Vec<(u32, u32)> {
    let Some(needed) = needed else { return Vec::new() };
    let reached = indexed(file, Some(needed)).into_iter().filter(|(.., reached)| *reached);
    let mut left: BTreeSet<u32> =
        reached.filter(|(index, ..)| !out.contains(index)).filter_map(|(index, ..)| index.parse().ok()).collect();
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

fn without_words(file: &File, out: &BTreeSet<std::net::IpAddr>) -> Result<Vec<Splice>> {
    let name = "IPV6ADDR_SECONDARIES";
    let Some(variable) = file.environment.get(name) else { return Ok(Vec::new()) };
    let (Value::Text(text), Some(last)) = (&variable.value, variable.assignments.last()) else { return Ok(Vec::new()) };
    let words = text.words();
    let is_out = |word: &crate::syntax::shell::Word| {
        let text = String::from_utf8_lossy(&word.text).into_owned();
        text.split('/').next().and_then(|ip| ip.parse().ok()).is_some_and(|ip| out.contains(&ip))
    };
    if words.iter().all(is_out) {
        return Ok(variable.assignments.iter().map(|one| deletion(&file.text, one)).collect());
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
            let hint = "edit the file by hand, or write the value in one piece";
            let reason = format!("the value of {name} is put together from several places");
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&file.path, last.line).into());
        };
        splices.push(Splice::delete(start.at..end.at + 1));
    }
    Ok(splices)
}
