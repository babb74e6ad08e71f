//! Taking back what commands did to a system without files: the recorded commands that undo it, newest first.

use ipnet::IpNet;

use super::super::Session;
use crate::alias::Alias;
use crate::backend::{Backend, Entry, Situation};
use crate::error::{Kind, Refusal, Result};
use crate::journal::LiveRecord;
use crate::plan::{Action, Apply, Backup, Change, Command, Plan, Step};
use crate::root::Root;

/// The plan: in the record, what each operation added is gone and what it removed is back; run are the recorded commands.
pub(super) fn plan(session: &Session, backend: &dyn Backend, newest_first: &[LiveRecord]) -> Result<Plan> {
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
    whole.auto = Apply { before: Vec::new(), after: steps(newest_first) };
    whole.restart = Ok(whole.auto.clone());
    Ok(whole)
}

/// The recorded commands, each taken back by the one that it takes back.
fn steps(newest_first: &[LiveRecord]) -> Vec<Step> {
    let run = |argv: &Vec<String>| Action::Run(Command::new(argv.iter().cloned()));
    let all = newest_first.iter().flat_map(|done| done.commands.iter().rev());
    all.map(|(done, undo)| Step::with_undo(run(undo), run(done))).collect()
}
