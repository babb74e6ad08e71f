//! Taking a change back: at once, because it did not hold, or in the next run, because the run that made it was killed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::perform::Proposal;
use super::{Session, trust};
use crate::alias::Alias;
use crate::backend::Entry;
use crate::cli::Apply;
use crate::error::{Failure, Refusal, Result};
use crate::journal::{LiveRecord, Operation};
use crate::live::{Expectation, Live};
use crate::plan::{Action, Step};
use crate::root::{Root, RootPath};
use crate::runner;
use crate::store::Store;
use crate::transaction;

/// How long a command may take to undo another: the old files wait for it.
const UNDO_LIMIT: Duration = Duration::from_secs(10);

/// Takes back what a killed run left, before anything else.
pub(super) fn recover(session: &Session, store: &Store) -> Result<()> {
    let is_of_another_boot = |done: &LiveRecord| done.boot != boot_id(&session.root);
    let record = store.pending()?.and_then(|operation| operation.live).filter(is_of_another_boot);
    let Some((live, record)) = session.live.as_ref().zip(record) else {
        return recover_files(session, store).map(drop);
    };
    // The system was restarted on the new files: what they brought goes with them, what they lacked comes.
    let entries = || -> Result<BTreeMap<(String, IpAddr), Alias>> {
        let found = session.detect()?.backend.entries(&session.root)?;
        let aliases = found.iter().filter_map(Entry::alias);
        Ok(aliases.map(|alias| ((alias.interface.to_string(), alias.address.addr()), alias)).collect())
    };
    let new = entries()?;
    recover_files(session, store)?;
    let old = entries()?;
    let goes = new.keys().filter(|key| !old.contains_key(*key));
    live.delete(goes.map(|(interface, ip)| (interface.as_str(), *ip)))?;
    let comes = old.into_iter().filter(|(key, _)| !new.contains_key(key));
    let as_it_was =
        |(_, alias): (_, Alias)| Alias { preferred: record.preferred.contains(&alias.address.addr()), ..alias };
    live.add(&comes.map(as_it_was).collect::<Vec<_>>())
}

/// The same where no network runs yet; what was taken back, if anything.
pub(super) fn recover_files(session: &Session, store: &Store) -> Result<Option<Operation>> {
    let pending = store.pending()?;
    if let Some(operation) = &pending {
        trust::check(session, operation, &format!("{}/journal", store.path()))?;
    }
    if let (Some(operation), Some(live)) = (&pending, &session.live) {
        // Live steps first: `ifdown` needs the stanza that is about to go.
        if let Some(record) = operation.live.as_ref().filter(|record| record.boot == boot_id(&session.root)) {
            take_down(live, record)?;
        }
    }
    let Some(recovered) = transaction::recover(&session.root, store)? else { return Ok(None) };
    let operation = &recovered.operation;
    if let (Some(live), Some(record)) = (&session.live, &operation.live) {
        if record.boot == boot_id(&session.root) {
            for argv in &record.reread {
                let _ = runner::run(argv, Duration::from_secs(120));
            }
            live.add(&record.lost().collect::<Vec<_>>())?;
        }
    }
    if recovered.conflicts.is_empty() {
        session.ui.warn(&format!("an interrupted operation ({}) was taken back", operation.argv.join(" ")));
        return Ok(Some(recovered.operation));
    }
    let files: Vec<String> = recovered.conflicts.iter().map(ToString::to_string).collect();
    Err(Failure::Incomplete {
        cause: format!("an operation ({}) was interrupted", operation.argv.join(" ")),
        rest: format!("{} was changed by somebody else since", files.join(", ")),
        todo: vec![format!("compare with the old bytes in {}/journal, then remove that folder", store.path())],
    }
    .into())
}

/// What `record` put up goes, by the commands that take its steps back and, where those fail, by itself.
pub(super) fn take_down(live: &Live, record: &LiveRecord) -> Result<()> {
    for argv in &record.undo {
        // Its failure shows in what is up.
        let _ = runner::run(argv, Duration::from_secs(120));
    }
    live.delete(record.added.iter().map(|(interface, net, _)| (interface.as_str(), net.addr())))
}

/// Live steps back first, surgically, then the files, then whoever read the new files reads the old ones.
pub(super) fn take_back(
    session: &Session,
    store: &Store,
    proposal: &Proposal,
    undo_files: impl FnOnce() -> Result<Vec<RootPath>>,
    done: &[Step],
    error: &anyhow::Error,
) -> anyhow::Error {
    let _waiting = session.ui.waiting("putting everything back as it was");
    let cause = format!("{error:#}");
    // A refusal before the first step (somebody wrote to the file just now) stays a refusal.
    let refusal = error.downcast_ref::<Refusal>().filter(|_| done.is_empty()).cloned();
    let folder = format!("{}/journal", store.path());
    let mut rest = Vec::new();
    let mut attempt = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            rest.push(format!("{what}: {error:#}"));
        }
    };
    let touched = session.live.as_ref().zip(proposal.snapshot.as_ref()).filter(|_| session.apply() != Apply::None);
    if let Some((live, before)) = touched {
        // First of all the host has to be in reach again. Failures show in the verification, if they matter.
        let _ = live.rescue(before, &proposal.expect);
    }
    for step in done.iter().rev() {
        if let Some(Action::Run(command)) = &step.undo {
            let _ = runner::run(&command.argv, command.limit.min(UNDO_LIMIT));
        }
    }
    if let Some((live, before)) = touched {
        attempt("the addresses", live.restore(before, &proposal.expect));
    }
    let files = match undo_files() {
        Ok(conflicts) => {
            conflicts.iter().map(|path| format!("{path} was changed by somebody else meanwhile")).collect()
        }
        Err(error) => vec![format!("the files: {error:#} (the old bytes are in {folder})")],
    };
    if let Some((live, before)) = touched {
        for step in done.iter().filter(|step| step.repeat_after_undo) {
            if let Action::Run(command) = &step.action {
                let _ = runner::run(&command.argv, command.limit);
            }
        }
        attempt("the addresses", live.restore(before, &proposal.expect));
        let fresh = |alias: &&Alias| !before.is_up(alias.interface.as_str(), alias.address.addr());
        let gone =
            proposal.expect.up.iter().filter(fresh).map(|alias| (alias.interface.to_string(), alias.address.addr()));
        let expect = Expectation { up: Vec::new(), gone: gone.collect() };
        match live.verify(before, &expect, Duration::from_secs(session.options.wait.max(5)), || false) {
            Ok(faults) => rest.extend(faults),
            Err(error) => rest.push(format!("{error:#}")),
        }
    }
    let todo = todo(proposal, done, !files.is_empty(), &folder);
    rest.extend(files);
    match (rest.is_empty(), refusal) {
        (true, Some(refusal)) => refusal.into(),
        (true, None) => Failure::RolledBack { cause }.into(),
        (false, _) => Failure::Incomplete { cause, rest: rest.join("; "), todo }.into(),
    }
}

/// The commands that finish by hand what could not be taken back.
fn todo(proposal: &Proposal, done: &[Step], files: bool, folder: &str) -> Vec<String> {
    let mut todo = Vec::new();
    for step in done.iter().rev() {
        todo.extend(step.undo.as_ref().map(ToString::to_string));
    }
    todo.extend(proposal.expect.up.iter().map(|alias| proposal.backend.direct(alias).down.to_string()));
    todo.dedup();
    if let Some(before) = &proposal.snapshot {
        todo.extend(before.recipe());
    }
    if files {
        let changes = proposal.plan.written().enumerate();
        todo.extend(changes.map(|(index, change)| match change.before {
            Some(_) => format!("cp {folder}/{index}.before {}", change.path),
            None => format!("rm {}", change.path),
        }));
    }
    todo
}

pub(super) fn boot_id(root: &Root) -> String {
    let id = root.read(&"/proc/sys/kernel/random/boot_id".into()).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&id).trim().to_owned()
}
