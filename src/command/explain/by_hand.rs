//! A plan in the words of an administrator who carries it out, or takes it back, without ipalias.

use crate::backend::Entry;
use crate::command::Session;
use crate::command::perform::Proposal;
use crate::error::Result;
use crate::plan::{Action, Backup, Change, Plan, Step};

/// The steps that carry `plan` out.
pub(super) fn steps(plan: &Plan) -> Vec<String> {
    let actions = |steps: &[Step]| -> Vec<String> { steps.iter().map(|step| code(&step.action)).collect() };
    let files = plan.written().flat_map(|change| {
        let path = &change.path;
        let edit = format!("change `{path}` as the diff shows");
        match (&change.before, change.backup) {
            (None, _) => vec![format!("create `{path}` (mode {:04o}) with the lines of the diff", change.mode)],
            (Some(_), Backup::Beside) => vec![format!("`cp -p {path} {path}.bak`"), edit],
            (Some(_), _) => {
                vec![format!("copy `{path}` to another directory: beside it a copy may be read, too"), edit]
            }
        }
    });
    actions(&plan.auto.before).into_iter().chain(files).chain(actions(&plan.auto.after)).collect()
}

/// The steps that take the plan back. Where its own do not say so, as with a service that reads the file, they are those
/// of removing.
pub(super) fn undo(session: &Session, proposal: &Proposal) -> Result<Vec<String>> {
    let after = &proposal.plan.auto.after;
    let files = proposal.plan.written().map(restored);
    let mut first: Vec<String> = after.iter().rev().filter_map(|step| step.undo.as_ref()).map(code).collect();
    let mut last: Vec<String> = after.iter().filter_map(taken_down).map(|action| code(&action)).collect();
    if first.is_empty() && last.is_empty() && !after.is_empty() {
        let is_new = |entry: &&Entry| proposal.expect.up.iter().any(|alias| alias.address == entry.address);
        let gone: Vec<Entry> = proposal.entries.iter().filter(is_new).cloned().collect();
        let removal = proposal.backend.remove(&proposal.plan.overlay(&session.root), &gone)?.auto;
        first = removal.before.iter().map(|step| code(&step.action)).collect();
        last = removal.after.iter().map(|step| if_up(&step.action)).collect();
    } else {
        last.extend(after.iter().filter(|step| step.repeat_after_undo).map(|step| code(&step.action)));
    }
    Ok(first.into_iter().chain(files).chain(last).collect())
}

/// What takes down what a step puts up and does not know how to take back.
fn taken_down(step: &Step) -> Option<Action> {
    match &step.action {
        Action::Add(alias) if step.undo.is_none() => Some(Action::Delete(alias.clone())),
        _ => None,
    }
}

fn restored(change: &Change) -> String {
    let path = &change.path;
    match &change.before {
        None => format!("`rm {path}`"),
        Some(_) => format!("change `{path}` back"),
    }
}

/// A service that has read the file before may have taken the address down itself.
fn if_up(action: &Action) -> String {
    match action {
        Action::Delete(_) => format!("{}, if it is still up", code(action)),
        _ => code(action),
    }
}

fn code(action: &Action) -> String {
    format!("`{action}`")
}
