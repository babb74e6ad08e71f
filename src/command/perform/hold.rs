//! `--confirm`: a change that holds only if it is confirmed in time.
//!
//! Where addresses can be put up and taken down by themselves, that alone is done, and no file is touched before the
//! confirmation carries the request out: then a restart of the system takes the change back, too. Otherwise the whole
//! operation is carried out, and a rollback waits. In both cases what is pending is durable, and its watchdog runs, before
//! anything changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::execute::{Execution, commands, live_record};
use crate::alias::{Alias, Label};
use crate::cli::{Apply, Request, Verb};
use crate::command::Session;
use crate::command::unconfirmed::hook_is_enabled;
use crate::command::undo::{boot_id, take_back};
use crate::error::{Exit, Kind, Refusal, Result};
use crate::journal::{Held, LiveRecord, Unconfirmed, command_line};
use crate::plan::{self, Step};
use crate::runner::{self, watchdog};
use crate::ui::{ConfirmLine, Report};

/// How long a change holds without confirmation, and how it is asked for again.
pub(in crate::command) struct Wish {
    seconds: u64,
    request: Request,
}

impl Wish {
    /// The wish of `--confirm SECONDS`, if that was given; `verb` is the request as it would be made again.
    pub(in crate::command) fn new(
        session: &Session,
        seconds: Option<u64>,
        verb: impl FnOnce() -> Verb,
    ) -> Result<Option<Wish>> {
        let Some(seconds) = seconds else { return Ok(None) };
        let refuse = |reason: &str| {
            let hint = "leave --confirm out; ipalias rollback takes the change back at any time";
            Err(Refusal::new(Kind::Usage, reason, hint).into())
        };
        if session.live.is_none() {
            return refuse("--confirm is for the running system: nothing on another root can cut the connection");
        }
        if session.apply() == Apply::None {
            return refuse(
                "--confirm and --apply none contradict each other: nothing would take effect that could be tried",
            );
        }
        Ok(Some(Wish { seconds, request: Request { options: session.options.clone(), verb: verb() } }))
    }
}

/// Makes the change until it is confirmed; returns the number of the operation, if files were written.
pub(super) fn hold(
    execution: &Execution<'_>,
    wish: &Wish,
    notes: &mut Vec<String>,
) -> Result<(Option<u64>, Unconfirmed)> {
    let steps = live_steps(execution);
    let by_address = execution.session.apply() == Apply::Auto
        && execution.proposal.plan.written().next().is_some()
        && !execution.proposal.plan.is_by_command()
        && commands(&execution.proposal.plan, &execution.apply).is_empty();
    if by_address && !steps.is_empty() {
        Ok((None, addresses_first(execution, wish, steps, notes)?))
    } else {
        let (id, change) = files_first(execution, wish, notes)?;
        Ok((Some(id), change))
    }
}

/// The steps that put up and take down by themselves what the plan would bring and take away.
fn live_steps(execution: &Execution<'_>) -> Vec<Step> {
    let proposal = execution.proposal;
    let Some(before) = &proposal.snapshot else { return Vec::new() };
    let lines = proposal.lines.iter().filter(|line| line.result != "removed");
    let labels: BTreeMap<&str, &String> =
        lines.filter_map(|line| Some((line.address.as_str(), line.label.as_ref()?))).collect();
    let gone = before.details(&proposal.expect.gone);
    let gone = gone.iter().filter_map(LiveRecord::alias);
    let down: Vec<Step> = gone.map(|alias| Step::down(proposal.backend.direct(&alias))).collect();
    let fresh = |alias: &&Alias| !before.is_up(alias.interface.as_str(), alias.address.addr());
    let up = proposal.expect.up.iter().filter(fresh).map(|alias| {
        let label = labels.get(alias.address.to_string().as_str()).and_then(|label| Label::new(label).ok());
        let label = alias.label.clone().or(label).filter(|_| alias.address.addr().is_ipv4());
        Step::up(proposal.backend.direct(&Alias { label, ..alias.clone() }))
    });
    down.into_iter().chain(up).collect()
}

fn addresses_first(
    execution: &Execution<'_>,
    wish: &Wish,
    steps: Vec<Step>,
    notes: &mut Vec<String>,
) -> Result<Unconfirmed> {
    let Execution { session, store, proposal, signals, .. } = *execution;
    let apply = plan::Apply { before: Vec::new(), after: steps };
    let done = live_record(session, proposal, &apply);
    let request = serde_json::to_value(&wish.request)?;
    let change = arm(execution, wish, Held::Live { done, request })?;
    let execution = Execution { session, store, proposal, signals, apply };
    let mut done = Vec::new();
    let held = execution.steps(&execution.apply.after, &mut done, notes).and_then(|()| execution.verify(notes));
    match held {
        Ok(()) => Ok(change),
        Err(error) => {
            let error = take_back(session, store, proposal, || Ok(Vec::new()), &done, &error);
            disarm(&execution, &change, error)
        }
    }
}

fn files_first(execution: &Execution<'_>, wish: &Wish, notes: &mut Vec<String>) -> Result<(u64, Unconfirmed)> {
    let operation = execution.record()?;
    let change = arm(execution, wish, Held::Operation { token: operation.token.clone() })?;
    if !hook_is_enabled(&execution.session.root)? {
        notes.push("a restart of the system before the confirmation would keep the change until the next command of ipalias: the boot hook of its package is not enabled".to_owned());
    }
    match execution.run(operation, notes) {
        Ok(id) => Ok((id, change)),
        Err(error) => disarm(execution, &change, error),
    }
}

/// Makes it durable that the change waits, and starts what takes it back; refuses if nothing can.
fn arm(execution: &Execution<'_>, wish: &Wish, what: Held) -> Result<Unconfirmed> {
    let Execution { session, store, .. } = execution;
    let change =
        Unconfirmed::new(command_line(), boot_id(&session.root), runner::uptime().as_secs(), wish.seconds, what)?;
    store.hold(&change)?;
    if let Err(error) = watchdog::arm(&change.token, Duration::from_secs(wish.seconds)) {
        store.release()?;
        let hint = "leave --confirm out; a change that does not hold is taken back at once in any case";
        let reason = format!("nothing here could take the change back in time: {error:#}");
        return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
    }
    Ok(change)
}

/// After a failure: nothing waits any more, unless something is left that the watchdog may still put right.
fn disarm<T>(execution: &Execution<'_>, change: &Unconfirmed, error: anyhow::Error) -> Result<T> {
    if Exit::of(&error) != Exit::Incomplete {
        execution.store.release()?;
        watchdog::disarm(&change.token);
    }
    Err(error)
}

/// Says in the report what has to be done, and until when.
pub(super) fn describe(report: &mut Report, change: &Unconfirmed) {
    report.result = "unconfirmed";
    let seconds = change.left(&change.boot, runner::uptime().as_secs());
    let files_untouched = matches!(change.what, Held::Live { .. });
    report.confirm = Some(ConfirmLine { seconds, until: change.until_text(), files_untouched });
}
