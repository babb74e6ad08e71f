//! The proof: before any byte is written, the plan is laid over the root and the backend re-reads itself there.
//!
//! Effective entries must equal the old ones plus what was asked for (add) or minus what was asked to go (remove), and
//! planning the same request again on the overlay must yield nothing. A plan that fails is a refusal, never a write.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::Alias;
use crate::backend::{Backend, Entry, Role, Situation, may_be};
use crate::error::{Kind, Refusal, Result};
use crate::plan::Plan;
use crate::root::Root;

/// What a plan has to achieve.
#[derive(Debug, Clone, Copy)]
pub enum Goal<'a> {
    /// These are effectively configured.
    Present(&'a [Alias]),
    /// These addresses are no longer configured.
    Gone(&'a [Entry]),
}

/// Checks `plan` against `goal` on the overlay. `old` are the entries of `root` as it is.
pub fn prove(backend: &dyn Backend, root: &Root, old: &[Entry], plan: &Plan, goal: Goal<'_>) -> Result<()> {
    let overlay = plan.overlay(root);
    let new = backend.entries(&overlay).map_err(|error| unproven(&format!("the result cannot be read: {error:#}")))?;
    let mut balance: BTreeMap<_, i64> = BTreeMap::new();
    for entry in old.iter().filter(|entry| entry.is_effective()) {
        *balance.entry(key(entry)).or_default() -= 1;
    }
    for entry in new.iter().filter(|entry| entry.is_effective()) {
        *balance.entry(key(entry)).or_default() += 1;
    }
    match goal {
        Goal::Present(want) => {
            for alias in want {
                let first: Key = (alias.address, String::new(), None, Role::Primary);
                let same = balance.range_mut(first..).take_while(|((address, ..), _)| *address == alias.address);
                let mut found = same.filter(|(_, count)| **count > 0);
                let Some((_, count)) = found.find(|((_, name, ..), _)| may_be(name, &alias.interface)) else {
                    return Err(unproven(&format!("{} would not be configured", alias.address)).into());
                };
                *count -= 1;
            }
            let again = backend.add(&overlay, want, &Situation::default());
            if !again.is_ok_and(|plan| plan.leaves_files()) {
                return Err(unproven("adding the same again would change files again").into());
            }
        }
        Goal::Gone(gone) => {
            for entry in gone.iter().filter(|entry| entry.is_effective()) {
                *balance.entry(key(entry)).or_default() += 1;
            }
            let left: BTreeSet<_> = new.iter().filter(|entry| entry.is_effective()).map(address_on).collect();
            if let Some(left) = gone.iter().find(|gone| left.contains(&address_on(gone))) {
                return Err(unproven(&format!("{} would still be configured", left.address)).into());
            }
        }
    }
    match balance.iter().find(|(_, count)| **count != 0) {
        None => Ok(()),
        Some(((address, ..), count)) if *count < 0 => Err(unproven(&format!("{address} would be lost")).into()),
        Some(((address, ..), _)) => Err(unproven(&format!("{address} would appear without being asked for")).into()),
    }
}

type Key = (IpNet, String, Option<String>, Role);

fn key(entry: &Entry) -> Key {
    (entry.address, entry.interface.clone(), entry.label.clone(), entry.role)
}

fn address_on(entry: &Entry) -> (&str, IpAddr) {
    (&entry.interface, entry.address.addr())
}

fn unproven(what: &str) -> Refusal {
    Refusal::new(
        Kind::Unproven,
        format!("the planned edit failed its check: {what}; nothing was written"),
        "this is a defect of ipalias; please report it with the file",
    )
}
