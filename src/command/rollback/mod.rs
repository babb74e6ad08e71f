//! `ipalias rollback`: the recorded bytes back, as an operation of its own; or from `FILE.bak` if the record is lost.

mod commands;

use std::collections::BTreeMap;

use super::perform::{self, OnLink, Proposal, Wish};
use super::undo::boot_id;
use super::{Session, history, situation, trust, unconfirmed};
use crate::alias::Alias;
use crate::backend::{Backend, Entry, Role, Situation};
use crate::cli::{Hold, Rollback, Verb};
use crate::detect::detect;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::journal::{LiveRecord, Metadata, Operation, digest};
use crate::live::{Expectation, Snapshot};
use crate::plan::{Apply, Backup, Change, Plan, Step};
use crate::root::RootPath;
use crate::store::Store;
use crate::ui::AddressLine;

/// Where to look if what is asked for is not there.
const HINT: &str = "ipalias history shows them";

/// Runs the verb.
pub(super) fn run(session: &Session, arguments: &Rollback) -> Result<Exit> {
    if arguments.list {
        return history::run(session);
    }
    perform::require_root(session)?;
    let plain = arguments.to.is_none() && session.settling.is_none() && !session.options.dry_run;
    if let Some(store) = session.store()?.filter(|_| plain) {
        if let Some(change) = unconfirmed::waiting(&store)? {
            return unconfirmed::reject(session, &store, &change);
        }
    }
    let wish = Wish::new(session, arguments.hold.confirm, || {
        Verb::Rollback(Rollback { hold: Hold::default(), ..arguments.clone() })
    })?;
    perform::carry_out(session, "rollback", wish.as_ref(), || propose(session, arguments))
}

/// Files as they are to be, and where that is known from.
struct Target {
    changes: Vec<Change>,
    metadata: BTreeMap<RootPath, Metadata>,
    undoes: Vec<u64>,
    /// The backend that made the change.
    backend: Option<String>,
    /// What operations without files did, newest first.
    by_command: Vec<LiveRecord>,
    /// What operations on addresses alone did, newest first.
    by_address: Vec<LiveRecord>,
    /// Whether what commands did is in a record of the running system.
    record: bool,
    source: String,
}

fn propose(session: &Session, arguments: &Rollback) -> Result<Proposal> {
    let store = session.store()?;
    let operations = store.as_ref().map(Store::operations).transpose()?.unwrap_or_default();
    let snapshot = session.snapshot()?;
    let target = match (&store, operations.iter().any(|operation| !operation.rolled_back)) {
        (Some(store), true) => from_store(session, store, &operations, arguments, snapshot.as_ref())?,
        _ if arguments.to.is_some() => {
            return Err(Refusal::new(Kind::NotFound, "there is no record of any operation", "leave --to out").into());
        }
        _ => from_backup(session, arguments.force)?,
    };
    let backend = match (&target.backend, &session.options.backend) {
        (Some(name), None) => detect(&session.root, Some(name))?.backend,
        _ => session.detect()?.backend,
    };
    let old = backend.entries(&session.root)?;
    let mut plan = match target.record {
        true => commands::on_record(session, backend, &target.by_command)?,
        false => Plan { changes: target.changes, ..Plan::nothing() },
    };
    let new = backend
        .entries(&plan.overlay(&session.root))
        .map_err(|error| error.context("the state to go back to cannot be read, so it was not restored"))?;
    keeps_primary(&old, &new, arguments.force)?;
    let (leaving, coming) = if target.by_command.is_empty() {
        let (leaving, coming) = (difference(&old, &new), difference(&new, &old));
        steps(session, backend, &mut plan, &leaving, &coming, &old, &situation(snapshot.as_ref()))?;
        let (mut leaving, mut coming) = (
            leaving.iter().filter_map(Entry::alias).collect::<Vec<_>>(),
            coming.iter().filter_map(Entry::alias).collect::<Vec<_>>(),
        );
        commands::add_addresses(&mut plan, backend, &target.by_address, snapshot.as_ref(), &mut leaving, &mut coming);
        (leaving, coming)
    } else {
        let (leaving, coming) = commands::effect(&target.by_command);
        commands::add_steps(&mut plan, &target.by_command, &leaving, &coming);
        (leaving, coming)
    };
    if !session.options.quiet {
        plan.notes.insert(0, target.source);
    }
    let gone = leaving.iter().map(|alias| (alias.interface.to_string(), alias.address.addr()));
    let expect = Expectation { up: coming.clone(), gone: gone.collect() };
    let line = |alias: &Alias, result| AddressLine {
        address: alias.address.to_string(),
        interface: alias.interface.to_string(),
        label: alias.label.as_ref().map(ToString::to_string),
        result,
        note: None,
    };
    let removed = leaving.iter().map(|alias| line(alias, "removed"));
    let added = coming.iter().map(|alias| line(alias, "added"));
    let lines = removed.chain(added).collect();
    let (undoes, metadata) = (target.undoes, target.metadata);
    Ok(Proposal { backend, plan, entries: new, expect, lines, snapshot, link: OnLink::default(), undoes, metadata })
}

/// The state before operation `--to` (or the newest one that can be taken back), if the files are what the operations since
/// left.
fn from_store(
    session: &Session,
    store: &Store,
    operations: &[Operation],
    arguments: &Rollback,
    snapshot: Option<&Snapshot>,
) -> Result<Target> {
    let held: Vec<&Operation> = operations.iter().filter(|operation| !operation.rolled_back).collect();
    let boot = boot_id(&session.root);
    let by_address = |operation: &Operation| {
        let live = operation.live.as_ref().filter(|done| done.commands.is_empty() && done.boot == boot);
        live.filter(|_| operation.files.is_empty()).cloned()
    };
    let first = match arguments.to {
        Some(id) => {
            let first = held
                .iter()
                .position(|operation| operation.id == id)
                .ok_or_else(|| Refusal::new(Kind::NotFound, format!("there is no operation {id}"), HINT))?;
            let kept = operations.iter().filter(|operation| operation.id >= id).count() as u64;
            if operations.last().is_some_and(|newest| newest.id - id >= kept) {
                let reason = format!("not all operations after {id} are kept any more");
                return Err(Refusal::new(Kind::NotFound, reason, HINT).into());
            }
            first
        }
        None => {
            let has_effect = |operation: &&Operation| {
                !operation.files.is_empty()
                    || operation.live.as_ref().is_some_and(|done| !done.commands.is_empty())
                    || by_address(operation).is_some_and(|done| {
                        let (goes, comes) = commands::effect_now(&[done], snapshot);
                        !goes.is_empty() || !comes.is_empty()
                    })
            };
            let reason = "there is nothing to take back";
            held.iter().rposition(has_effect).ok_or_else(|| Refusal::new(Kind::NotFound, reason, HINT))?
        }
    };
    let undone = held.get(first..).unwrap_or_default();
    let mut target = Target {
        changes: Vec::new(),
        metadata: BTreeMap::new(),
        undoes: Vec::new(),
        backend: None,
        by_command: Vec::new(),
        by_address: Vec::new(),
        record: false,
        source: String::new(),
    };
    let mut seen: Vec<RootPath> = Vec::new();
    for operation in undone {
        trust::check(session, operation, &format!("{}/{:06}", store.path(), operation.id))?;
        target.undoes.push(operation.id);
        target.backend = Some(operation.backend.clone());
        if let Some(done) = operation.live.as_ref().filter(|done| !done.commands.is_empty()) {
            target.by_command.insert(0, done.clone());
            target.record |= operation.files.iter().any(|file| file.record);
            continue;
        }
        target.by_address.splice(0..0, by_address(operation));
        for (index, file) in operation.files.iter().enumerate() {
            let path = file.path();
            if seen.contains(&path) {
                continue;
            }
            let current = session.root.read(&path)?;
            if !is_unbroken(undone, &path, current.as_deref()) && !arguments.force {
                let hint = "somebody edited it; ipalias remove takes a single address out, --force puts the recorded file back";
                let reason = format!("the file was changed since operation {}", operation.id);
                return Err(Refusal::new(Kind::ChangedSince, reason, hint).at(&path, 0).into());
            }
            let image = file.before.is_some().then(|| store.image(Some(operation.id), index)).transpose()?;
            if image.as_deref().map(digest) != file.before {
                let hint = format!("look into {}", store.path());
                return Err(Refusal::new(Kind::Malformed, "the old bytes in the store are damaged", hint)
                    .at(&path, 0)
                    .into());
            }
            let mode = file.metadata.as_ref().map_or(0o644, |metadata| metadata.mode);
            target.metadata.extend(file.metadata.clone().map(|metadata| (path.clone(), metadata)));
            target.changes.push(Change {
                path: path.clone(),
                before: current,
                after: image,
                mode,
                backup: if file.beside { Backup::Beside } else { Backup::StoreOnly },
            });
            seen.push(path);
        }
    }
    let ids: Vec<String> = undone.iter().map(|operation| operation.id.to_string()).collect();
    let commands: Vec<String> = undone.iter().map(|operation| operation.argv.join(" ")).collect();
    target.source = format!("taking back operation {}: {}", ids.join(", "), commands.join("; "));
    Ok(target)
}

/// Whether each of the operations that changed the file found it as the one before had left it, and the last one's is current.
fn is_unbroken(operations: &[&Operation], path: &RootPath, current: Option<&[u8]>) -> bool {
    let files = operations.iter().flat_map(|operation| &operation.files).filter(|file| file.path() == *path);
    let mut left = None;
    for file in files {
        if left.is_some_and(|left: &Option<String>| *left != file.before) {
            return false;
        }
        left = Some(&file.after);
    }
    left.is_none_or(|left| *left == current.map(digest))
}

/// Without a record: the one `FILE.bak` beside the files in charge.
fn from_backup(session: &Session, force: bool) -> Result<Target> {
    let detection = session.detect()?;
    let mut changes = Vec::new();
    for path in &detection.claim.files {
        let path = session.root.resolve(path)?;
        let beside = path.parent().join([path.name(), b".bak"].concat());
        if session.root.link_target(&beside)?.is_some() || !session.root.is_file(&beside)? {
            continue;
        }
        if let (true, Some(access)) = (session.root.is_live() && !force, session.root.access(&beside)?) {
            if access.uid != 0 || access.mode & 0o022 != 0 {
                let hint = "look at it, then use --force";
                let reason = "others than root can write to this backup";
                return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&beside, 0).into());
            }
        }
        let (before, after) = (session.root.read(&path)?, session.root.read(&beside)?);
        if before != after {
            changes.push(Change { path, before, after, mode: 0o644, backup: Backup::Beside });
        }
    }
    match changes.as_slice() {
        [] => {
            let hint = "ipalias has changed nothing here, or its record and the .bak files are gone";
            Err(Refusal::new(Kind::NotFound, "there is nothing to take back", hint).into())
        }
        [only] => {
            let source = format!("there is no record of the change; going back to {}.bak", only.path);
            Ok(Target {
                changes,
                metadata: BTreeMap::new(),
                undoes: Vec::new(),
                backend: None,
                by_command: Vec::new(),
                by_address: Vec::new(),
                record: false,
                source,
            })
        }
        many => {
            let names: Vec<String> = many.iter().map(|change| format!("{}.bak", change.path)).collect();
            let hint = "copy the right one by hand";
            let reason = format!("there is no record of the change, and several backups: {}", names.join(", "));
            Err(Refusal::new(Kind::Ambiguous, reason, hint).into())
        }
    }
}

fn keeps_primary(old: &[Entry], new: &[Entry], force: bool) -> Result<()> {
    let primary = |entries: &[Entry]| -> Vec<(String, ipnet::IpNet)> {
        let effective = entries.iter().filter(|entry| entry.role == Role::Primary && entry.is_effective());
        effective.map(|entry| (entry.interface.clone(), entry.address)).collect()
    };
    if force || primary(old) == primary(new) {
        return Ok(());
    }
    let hint = "look at the difference with --dry-run --force; --force restores it all the same";
    Err(Refusal::new(Kind::ChangedSince, "the recorded state has another primary address", hint).into())
}

/// Entries of `from` that `than` has no equal of.
fn difference(from: &[Entry], than: &[Entry]) -> Vec<Entry> {
    let mut count: BTreeMap<_, i64> = BTreeMap::new();
    than.iter().for_each(|entry| *count.entry(entry.identity()).or_default() += 1);
    let mut left = Vec::new();
    for entry in from {
        let room = count.entry(entry.identity()).or_default();
        *room -= 1;
        if *room < 0 {
            left.push(entry.clone());
        }
    }
    left
}

/// Borrows the steps of the backend's own plans for what goes and what comes; the bytes are the recorded ones. `old` are the
/// entries as they are. What comes in another form than the backend would write it comes up directly.
fn steps(
    session: &Session,
    backend: &dyn Backend,
    plan: &mut Plan,
    leaving: &[Entry],
    coming: &[Entry],
    old: &[Entry],
    now: &Situation,
) -> Result<()> {
    let forms = |entries: &[Entry]| -> Vec<_> {
        let form = |entry: &Entry| (entry.address, entry.interface.clone(), entry.label.clone(), entry.form.clone());
        let mut all: Vec<_> = entries.iter().filter(|entry| entry.is_effective()).map(form).collect();
        all.sort();
        all
    };
    let recorded = forms(coming);
    let coming: &[Alias] = &coming.iter().filter_map(Entry::alias).collect::<Vec<_>>();
    let same_form = |plan: &Plan| {
        let planned = backend.entries(&plan.overlay(&session.root));
        planned.is_ok_and(|planned| forms(&difference(&planned, old)) == recorded)
    };
    let direct = |leaving: &[Entry]| Apply {
        before: Vec::new(),
        after: leaving.iter().filter_map(Entry::alias).map(|alias| Step::down(backend.direct(&alias))).collect(),
    };
    let goes = if leaving.is_empty() { None } else { backend.remove(&session.root, leaving).ok() };
    let comes = if coming.is_empty() { None } else { backend.add(&session.root, coming, now).ok().filter(same_form) };
    let added =
        Apply { before: Vec::new(), after: coming.iter().map(|alias| Step::up(backend.direct(alias))).collect() };
    let down = goes.as_ref().map_or_else(|| direct(leaving), |plan| plan.auto.clone());
    plan.auto = down.then(comes.as_ref().map_or(added, |plan| plan.auto.clone()));
    let restarts = goes.into_iter().chain(comes).map(|plan| plan.restart);
    plan.restart = restarts.reduce(|goes, comes| Ok(goes?.then(comes?))).unwrap_or(Ok(Apply::default()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ip: &str) -> Entry {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        Entry {
            interface: "eth0".into(),
            address: ip.into(),
            label: None,
            path: "/x".into(),
            line: 1,
            form: String::new(),
            role: Role::Additional,
            problem: None,
        }
    }

    #[test]
    fn differences_count() {
        let (one, two) = ([entry("203.0.113.5")], [entry("203.0.113.5"), entry("203.0.113.5")]);
        assert_eq!(difference(&two, &one), one);
        assert_eq!(difference(&one, &two), []);
    }
}
