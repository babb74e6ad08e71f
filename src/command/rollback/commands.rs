//! Taking back what commands did to a system without files: the recorded commands that undo it, newest first.

use ipnet::IpNet;

use super::super::Session;
use crate::alias::Alias;
use crate::backend::{Backend, Entry, Situation};
use crate::error::{Kind, Refusal, Result};
use crate::journal::LiveRecord;
use crate::live::Snapshot;
use crate::plan::{Action, Apply, Backup, Change, Command, Plan, Step};
use crate::root::Root;

/// The plan for a record: what each operation added is gone from it, and what it removed is back.
pub(super) fn on_record(session: &Session, backend: &dyn Backend, newest_first: &[LiveRecord]) -> Result<Plan> {
    let mut root = session.root.clone();
    let mut whole = Plan::nothing();
    let mut path = None;
    let mut lay = |root: &mut Root, plan: Plan| {
        path = plan.changes.first().map(|change| change.path.clone()).or(path.take());
        *root = plan.overlay(root);
        whole.dump = plan.dump;
    };
    for done in newest_first {
        let added = |entry: &&Entry| {
            let is = |(interface, net, _): &(String, IpNet, Option<String>)| {
                *interface == entry.interface && net.addr() == entry.address.addr()
            };
            done.added.iter().any(is)
        };
        let entries = backend.entries(&root)?;
        let leaving: Vec<Entry> = entries.iter().filter(added).cloned().collect();
        let there = |alias: &Alias| entries.iter().any(|entry| entry.address.addr() == alias.address.addr());
        let coming: Vec<Alias> =
            done.removed.iter().filter_map(LiveRecord::alias).filter(|alias| !there(alias)).collect();
        let now = Situation { may_switch_to_static: true, ..Situation::default() };
        if !leaving.is_empty() {
            let plan = backend.remove(&root, &leaving)?;
            lay(&mut root, plan);
        }
        if !coming.is_empty() {
            let plan = backend.add(&root, &coming, &now)?;
            lay(&mut root, plan);
        }
    }
    let Some(path) = path else {
        let hint = "ipalias list shows what there is";
        return Err(Refusal::new(Kind::NotFound, "what the operation did has been taken back already", hint).into());
    };
    let (before, after) = (session.root.read(&path)?, root.read(&path)?);
    whole.changes.push(Change { path, before, after, mode: 0o644, backup: Backup::Record });
    Ok(whole)
}

/// What goes and what comes when all of it is taken back.
pub(super) fn effect(newest_first: &[LiveRecord]) -> (Vec<Alias>, Vec<Alias>) {
    let (mut goes, mut comes): (Vec<Alias>, Vec<Alias>) = (Vec::new(), Vec::new());
    let mut turn = |aliases: Vec<Alias>, to_come: bool| {
        for alias in aliases {
            let other = |known: &Alias| (&known.interface, known.address) != (&alias.interface, alias.address);
            goes.retain(other);
            comes.retain(other);
            if to_come { comes.push(alias) } else { goes.push(alias) }
        }
    };
    for done in newest_first {
        turn(done.added.iter().filter_map(LiveRecord::alias).collect(), false);
        turn(done.lost().collect(), true);
    }
    (goes, comes)
}

/// The part of it that is still to be done.
pub(super) fn effect_now(newest_first: &[LiveRecord], now: Option<&Snapshot>) -> (Vec<Alias>, Vec<Alias>) {
    let is_up = |alias: &Alias| now.is_some_and(|now| now.is_up(alias.interface.as_str(), alias.address.addr()));
    let (mut goes, mut comes) = effect(newest_first);
    goes.retain(is_up);
    comes.retain(|alias| !is_up(alias));
    (goes, comes)
}

/// Takes back what operations on addresses alone did, besides what files make `leaving` and `coming`.
pub(super) fn add_addresses(
    plan: &mut Plan,
    backend: &dyn Backend,
    newest_first: &[LiveRecord],
    now: Option<&Snapshot>,
    leaving: &mut Vec<Alias>,
    coming: &mut Vec<Alias>,
) {
    let (goes, comes) = effect_now(newest_first, now);
    let is_new = |alias: &Alias, leaving: &[Alias], coming: &[Alias]| {
        !leaving.iter().chain(coming).any(|known| known.address.addr() == alias.address.addr())
    };
    let mut push = |step: Step| {
        plan.auto.after.push(step.clone());
        if let Ok(restart) = &mut plan.restart {
            restart.after.push(step);
        }
    };
    for alias in goes.into_iter().filter(|alias| is_new(alias, leaving, coming)).collect::<Vec<_>>() {
        push(Step::down(backend.direct(&alias)));
        leaving.push(alias);
    }
    for alias in comes.into_iter().filter(|alias| is_new(alias, leaving, coming)).collect::<Vec<_>>() {
        push(Step::up(backend.direct(&alias)));
        coming.push(alias);
    }
}

/// The recorded commands, each taken back by the one that it takes back; then, where a panel has changed files of its own,
/// the addresses themselves.
pub(super) fn add_steps(plan: &mut Plan, newest_first: &[LiveRecord], goes: &[Alias], comes: &[Alias]) {
    let run = |argv: &Vec<String>| Action::Run(Command::new(argv.iter().cloned()));
    let all = newest_first.iter().flat_map(|done| done.commands.iter().rev());
    let mut after: Vec<Step> = all.map(|(done, undo)| Step::with_undo(run(undo), run(done))).collect();
    if !plan.is_by_command() {
        after.extend(goes.iter().cloned().map(|alias| Step::new(Action::Delete(alias))));
        after.extend(comes.iter().cloned().map(|alias| Step::new(Action::Add(alias))));
    }
    plan.auto = Apply { before: Vec::new(), after };
    plan.restart = Ok(plan.auto.clone());
}
