//! The proof: before any byte is written, the plan is laid over the root and the backend re-reads itself there.
//!
//! Effective entries must equal the old ones plus what was asked for (add), minus what was asked to go (remove), or both
//! (sync): then asking for the same again finds everything done. A plan that fails is a refusal, never a write.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::Alias;
use crate::backend::{Backend, Entry, Role, may_be};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Change, Plan};
use crate::root::{self, NodeKind, Root, RootPath};

/// What a plan has to achieve.
#[derive(Debug, Clone, Copy)]
pub enum Goal<'a> {
    /// These are effectively configured, once each.
    Present(&'a [Alias]),
    /// The addresses of these entries are no longer configured.
    Gone(&'a [Entry]),
    /// Both.
    Replaced {
        /// What is no longer configured.
        gone: &'a [Entry],
        /// What is, instead.
        present: &'a [Alias],
    },
}

/// Checks `plan` against `goal` on the overlay; returns the entries as they will be. `old` are the entries of `root` as
/// it is; a plan that neither has nor does anything leaves them so.
pub fn prove(backend: &dyn Backend, root: &Root, old: &[Entry], plan: &Plan, goal: Goal<'_>) -> Result<Vec<Entry>> {
    let is_nothing = plan.leaves_files() && matches!(goal, Goal::Present([]) | Goal::Gone([]));
    if is_nothing {
        return Ok(old.to_vec());
    }
    have_a_directory(root, plan)?;
    stays_readable(plan)?;
    let overlay = plan.overlay(root);
    let new = backend.entries(&overlay).map_err(|error| match overlay.is_exhausted() {
        true => too_much(&format!("{error:#}")),
        false => unproven(&format!("the result cannot be read: {error:#}")),
    })?;
    let mut balance = Balance::default();
    old.iter().for_each(|entry| balance.count(entry, -1));
    new.iter().for_each(|entry| balance.count(entry, 1));
    let (want, gone): (&[Alias], &[Entry]) = match goal {
        Goal::Present(want) => (want, &[]),
        Goal::Gone(gone) => (&[], gone),
        Goal::Replaced { gone, present } => (present, gone),
    };
    gone.iter().for_each(|entry| balance.count(entry, 1));
    balance.idle.extend(&plan.wakes);
    if !gone.is_empty() {
        // What goes may have been what kept another from having effect: a line that breaks its stanza.
        balance.idle.extend(old.iter().filter(|entry| !entry.is_effective()).map(|entry| entry.address.addr()));
        let gone: BTreeSet<(&str, IpAddr)> = gone.iter().map(place).collect();
        if let Some(left) = new.iter().find(|entry| entry.is_effective() && gone.contains(&place(entry))) {
            return Err(unproven(&format!("{} would still be configured", left.address)).into());
        }
    }
    for alias in want {
        if !balance.take(alias) {
            return Err(unproven(&format!("{} would not be configured", alias.address)).into());
        }
    }
    match balance.fault() {
        None => Ok(new),
        Some(fault) => Err(unproven(&fault).into()),
    }
}

/// Refuses a new file below something that is no directory, where no reader would find it.
fn have_a_directory(root: &Root, plan: &Plan) -> Result<()> {
    let new = plan.changes.iter().filter(|change| change.before.is_none());
    let dirs: BTreeSet<RootPath> = new.map(|change| change.path.parent()).collect();
    for mut dir in dirs {
        let kind = loop {
            match root.kind(&dir)? {
                NodeKind::Absent => dir = dir.parent(),
                kind => break kind,
            }
        };
        if kind != NodeKind::Directory {
            let hint = "move it out of the way: a directory of that name is read";
            return Err(Refusal::new(Kind::Malformed, "this is not a directory", hint).at(&dir, 0).into());
        }
    }
    Ok(())
}

/// Refuses a file that would grow beyond what is read, so that the next run could not take anything out of it.
fn stays_readable(plan: &Plan) -> Result<()> {
    let reason = |change: &Change| change.after.as_deref().and_then(root::oversize);
    match plan.written().find_map(|change| Some((&change.path, reason(change)?))) {
        Some((path, reason)) => Err(too_much(reason).at(path, 0).into()),
        None => Ok(()),
    }
}

fn too_much(what: &str) -> Refusal {
    let reason = format!("with these addresses {what}, and ipalias could not read it again");
    Refusal::new(
        Kind::Unacceptable,
        reason,
        "configure fewer; a block that is routed to the host can be one route to lo",
    )
}

/// How often each effective entry is there more (or less) than before: by address, then device, label and role.
#[derive(Default)]
struct Balance {
    addresses: BTreeMap<IpNet, Kinds>,
    /// Addresses that had no effect and may have one afterwards.
    idle: BTreeSet<IpAddr>,
}

type Kinds = BTreeMap<(String, Option<String>, Role), i64>;

impl Balance {
    fn count(&mut self, entry: &Entry, by: i64) {
        if entry.is_effective() {
            let kinds = self.addresses.entry(entry.address).or_default();
            *kinds.entry((entry.interface.clone(), entry.label.clone(), entry.role)).or_default() += by;
        }
    }

    /// Uses up one new entry of the alias, whatever its label; whether there was one.
    fn take(&mut self, alias: &Alias) -> bool {
        let kinds = self.addresses.get_mut(&alias.address).into_iter().flatten();
        let mut new = kinds.filter(|((device, ..), count)| **count > 0 && may_be(device, &alias.interface));
        match new.next() {
            Some((_, count)) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }

    fn fault(&self) -> Option<String> {
        let uneven = |(address, kinds): (&IpNet, &Kinds)| {
            if kinds.values().any(|count| *count < 0) {
                return Some(format!("{address} would be lost"));
            }
            let more = kinds.values().any(|count| *count > 0) && !self.idle.contains(&address.addr());
            more.then(|| format!("{address} would appear without being asked for"))
        };
        self.addresses.iter().find_map(uneven)
    }
}

fn place(entry: &Entry) -> (&str, IpAddr) {
    (&entry.interface, entry.address.addr())
}

fn unproven(what: &str) -> Refusal {
    Refusal::new(
        Kind::Unproven,
        format!("the planned edit failed its check: {what}; nothing was written"),
        "this is a defect of ipalias; please report it with the file",
    )
}
