//! Carrying out a plan, the same line for every verb: lock, recover, plan, show, check, write, run, verify, commit or undo.

mod ask;
mod execute;
mod hold;

use std::collections::{BTreeMap, BTreeSet};

use super::undo::recover;
use super::{Session, WAITING_FOR_LOCK, record, typed, unconfirmed};
use crate::alias::Alias;
use crate::backend::{Backend, Entry};
use crate::cli::Apply;
use crate::diff;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::journal::Metadata;
use crate::live::{Expectation, Snapshot};
use crate::plan::{Change, Plan, Step};
use crate::root::RootPath;
use crate::runner::{self, Signals};
use crate::store::Store;
use crate::transaction;
use crate::ui::{self, AddressLine, ChangeLine, Commands, Report, Ui};
use execute::Execution;
pub(super) use hold::Wish;

/// Addresses that the neighbours on the link are asked about before a change, and told about afterwards.
#[derive(Debug, Default)]
pub(super) struct OnLink {
    /// None of these may be in use there.
    pub(super) probe: Vec<Alias>,
    /// These are here now.
    pub(super) announce: Vec<Alias>,
}

/// What a verb wants to do: proven, and not begun.
pub(super) struct Proposal {
    pub(super) backend: &'static dyn Backend,
    pub(super) plan: Plan,
    /// What the files will say, by the proof.
    pub(super) entries: Vec<Entry>,
    /// What the running system has to show afterwards.
    pub(super) expect: Expectation,
    /// What is said of each address.
    pub(super) lines: Vec<AddressLine>,
    /// The running system as it is.
    pub(super) snapshot: Option<Snapshot>,
    /// What the neighbours are asked and told.
    pub(super) link: OnLink,
    /// Operations that this one takes back.
    pub(super) undoes: Vec<u64>,
    /// What files that are created again were besides bytes.
    pub(super) metadata: BTreeMap<RootPath, Metadata>,
}

impl Proposal {
    fn is_nothing(&self) -> bool {
        self.plan.leaves_files() && self.plan.auto.before.is_empty() && self.plan.auto.after.is_empty()
    }

    /// What is reported of it by `ui`.
    pub(super) fn report(&self, ui: Ui, command: &'static str, result: &'static str) -> Report {
        let text = |steps: &[&[Step]]| -> Vec<String> {
            steps.iter().flat_map(|steps| steps.iter()).map(|step| step.action.to_string()).collect()
        };
        let change = |change: &Change| ChangeLine {
            path: change.path.to_string(),
            result: match (&change.before, &change.after) {
                (None, _) => "created",
                (_, None) => "deleted",
                _ => "changed",
            },
        };
        let plan = &self.plan;
        let restart = plan.restart.as_ref();
        let commands = || Commands {
            auto: text(&[&plan.auto.before, &plan.auto.after]),
            restart: restart.map(|apply| text(&[&apply.before, &apply.after])).unwrap_or_default(),
            restart_refused: restart.err().cloned(),
        };
        let is_told = ui.is_json() || result == "planned";
        Report {
            command,
            result,
            backend: self.backend.name(),
            operation: None,
            confirm: None,
            addresses: self.lines.clone(),
            changes: plan.changes.iter().filter(|change| change.before != change.after).map(change).collect(),
            diff: if ui.is_json() { diff::text(plan) } else { String::new() },
            commands: is_told.then(commands).unwrap_or_default(),
            notes: plan.notes.clone(),
        }
    }
}

/// Plans with `propose` and carries the plan out, for good or until it is confirmed; prints the report. Without anything to
/// do nothing is written, the lock file included.
pub(super) fn carry_out(
    session: &Session,
    verb: &'static str,
    wish: Option<&Wish>,
    propose: impl Fn() -> Result<Proposal>,
) -> Result<Exit> {
    runner::leave_folder();
    let ui = session.ui;
    let store = session.store()?;
    if session.options.dry_run {
        if let Some(operation) = store.as_ref().map(Store::pending).transpose()?.flatten() {
            ui.warn(&format!("an interrupted operation ({}) will be taken back first", operation.argv.join(" ")));
        }
        if let Some(change) = store.as_ref().map(unconfirmed::waiting).transpose()?.flatten() {
            ui.warn(&format!(
                "a change ({}) waits for confirmation until {}",
                change.argv.join(" "),
                change.until_text()
            ));
        }
        let proposal = propose()?;
        let nothing = proposal.is_nothing();
        ui.diff(|| diff::unified(&proposal.plan));
        ui.report(&proposal.report(ui, verb, if nothing { "unchanged" } else { "planned" }));
        let detailed = session.options.detailed_exitcode && !nothing;
        return Ok(if detailed { Exit::Pending } else { Exit::Done });
    }
    let unfinished = match &store {
        Some(store) => store.is_unfinished()? || session.settling.is_none() && unconfirmed::waiting(store)?.is_some(),
        None => false,
    };
    let seen = store.as_ref().map(Store::numbers).transpose()?.unwrap_or_default();
    let early = if unfinished { None } else { undisturbed(session, &seen, propose())? };
    let idle =
        |proposal: &Proposal| proposal.is_nothing() || session.apply() == Apply::None && proposal.plan.leaves_files();
    if let Some(proposal) = early.as_ref().filter(|proposal| idle(proposal)) {
        ui.report(&proposal.report(ui, verb, "unchanged"));
        return Ok(Exit::Done);
    }
    if let Some(proposal) = early.as_ref().filter(|proposal| proposal.plan.is_by_command()) {
        record::runnable(session, &proposal.plan)?;
    }
    require_root(session)?;
    if let Some(proposal) = &early {
        transaction::may_write(&session.root, &proposal.plan)?;
    }
    let mut probed = BTreeSet::new();
    let mut unasked =
        early.iter().map(|proposal| ask::the_link(session, proposal, &mut probed)).collect::<Result<Vec<_>>>()?;
    let signals = Signals::catch()?;
    ui::hurry();
    let store = Store::create(&session.root)?;
    let waiting = ui.waiting(WAITING_FOR_LOCK);
    let lock = if session.settling.is_none() { Some(store.lock()?) } else { None };
    drop(waiting);
    recover(session, &store)?;
    if session.settling.is_none() {
        unconfirmed::settle(session, &store)?;
    }
    // A plan made before the lock holds if no other run committed anything meanwhile.
    let proposal = match early {
        Some(proposal) if store.numbers()? == seen => proposal,
        _ => propose()?,
    };
    if idle(&proposal) {
        ui.report(&proposal.report(ui, verb, "unchanged"));
        return Ok(Exit::Done);
    }
    ui.diff(|| diff::unified(&proposal.plan));
    ask::the_consumer(session, &proposal.plan)?;
    unasked.push(ask::the_link(session, &proposal, &mut probed)?);
    signals.stop_if_asked()?;
    let mut report = proposal.report(ui, verb, "changed");
    report.notes.extend(unasked.into_iter().flatten().next());
    let apply = execute::chosen_steps(session, &proposal.plan)?;
    let execution = Execution { session, store: &store, proposal: &proposal, signals: &signals, apply };
    let messages = ui::Hold::messages();
    let (operation, change) = match wish {
        None => (Some(execution.run(execution.record()?, &mut report.notes)?), None),
        Some(wish) => {
            let (operation, change) = hold::hold(&execution, wish, &mut report.notes)?;
            (operation, Some(change))
        }
    };
    // The change is safe: from here on nothing waits for whoever reads what is printed.
    if let Err(error) = store.prune() {
        tracing::info!("{error:#}");
    }
    drop(lock);
    drop(messages);
    report.operation = operation;
    let Some(change) = change else {
        ui.report(&report);
        return Ok(Exit::Done);
    };
    hold::describe(&mut report, &change);
    ui.report(&report);
    unconfirmed::await_answer(session, &store, &change, &signals)
}

/// A plan made without the lock; nothing if another run was at work, so that it has to be made again. What was seen then
/// may be half of a change, or one that is about to be taken back: not even a refusal, or "unchanged", would count.
fn undisturbed(session: &Session, seen: &BTreeSet<u64>, proposal: Result<Proposal>) -> Result<Option<Proposal>> {
    if let Some(store) = session.store()? {
        if store.is_unfinished()? || store.numbers()? != *seen {
            return Ok(None);
        }
    }
    match proposal {
        Ok(proposal) => Ok(Some(proposal)),
        Err(error) => match error.downcast_ref::<Refusal>().map(|refusal| refusal.kind) {
            Some(Kind::Unproven | Kind::ChangedSince) => Ok(None),
            _ => Err(error),
        },
    }
}

pub(super) fn require_root(session: &Session) -> Result<()> {
    if session.live.is_none() || runner::is_administrator() {
        return Ok(());
    }
    let who = if cfg!(windows) { "an administrator" } else { "root" };
    let what = format!("changing the network needs the rights of {who}; nothing was changed");
    Err(typed::without_rights(what).into())
}
