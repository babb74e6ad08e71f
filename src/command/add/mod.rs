//! `ipalias add`: what is there already, what is missing, and the plan that closes the gap.

mod checks;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::perform::{self, OnLink, Proposal};
use super::{Session, situation, wanted_addresses};
use crate::alias::{Alias, IfName, Label};
use crate::backend::{Entry, Role, Situation, cpanel};
use crate::cli::Add;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::live::Expectation;
use crate::plan::{Action, Plan, Step};
use crate::proof::{self, Goal};
use crate::rewriters;
use crate::root::RootPath;
use crate::ui::AddressLine;

/// Runs the verb.
pub(super) fn run(session: &Session, arguments: &Add) -> Result<Exit> {
    let wanted = wanted_addresses(&arguments.addresses)?;
    let label = arguments.label.as_deref().map(Label::new).transpose()?;
    if label.is_some() && wanted.len() > 1 {
        let hint = "add them one by one, or let ipalias choose the labels";
        return Err(Refusal::new(Kind::Usage, "a label belongs to one address", hint).into());
    }
    perform::carry_out(session, "add", || propose(session, &wanted, label.as_ref(), arguments))
}

fn propose(session: &Session, wanted: &[IpNet], label: Option<&Label>, arguments: &Add) -> Result<Proposal> {
    let preferred = arguments.preferred;
    let detection = session.detect().map_err(|error| checks::for_nixos(error, wanted))?;
    let snapshot = session.snapshot()?;
    let interface = session.interface(&detection, snapshot.as_ref())?;
    let old = detection.backend.entries(&session.root)?;
    let now = Situation {
        may_switch_to_static: arguments.make_static,
        in_place: arguments.in_place,
        ..situation(snapshot.as_ref())
    };
    let known = by_address(old.iter().map(|entry| (entry.address.addr(), entry)));
    let up = by_address(now.up.iter().map(|up| (up.address.addr(), up)));
    let below = session.entries_below(&detection)?;
    let primaries: Vec<&Entry> = old.iter().chain(&below).filter(|entry| entry.role == Role::Primary).collect();
    let mut missing = Vec::new();
    let mut down = Vec::new();
    let mut lines = Vec::new();
    let mut notes = detection.claim.warnings.clone();
    if arguments.in_place && detection.backend.name() != "netplan" {
        notes.push(format!(
            "--in-place means nothing to {}, which has no file of ipalias's own",
            detection.backend.name()
        ));
    }
    for &address in wanted {
        let alias = Alias { interface: interface.clone(), address, label: label.cloned(), preferred };
        let entries = known.get(&address.addr()).map(Vec::as_slice).unwrap_or_default();
        let live = up.get(&address.addr()).map(Vec::as_slice).unwrap_or_default();
        checks::acceptable(&alias, &primaries, entries, live, snapshot.as_ref())?;
        checks::only_once(&alias, &below, &detection)?;
        let up = live.first();
        match entries.iter().find(|entry| entry.is_effective()) {
            Some(entry) => {
                let present = configured(&interface, entry, preferred);
                if entry.address != address {
                    notes.push(format!(
                        "{} is configured with the prefix /{} ({}:{}); that is left as it is",
                        address.addr(),
                        entry.address.prefix_len(),
                        entry.path,
                        entry.line
                    ));
                }
                let place = Some(format!("configured in {}:{}", entry.path, entry.line));
                let idle = up.is_some() || snapshot.is_none();
                lines.push(line(&present, if idle { "unchanged" } else { "activated" }, place));
                if !idle {
                    down.push(present);
                }
            }
            None => {
                lines.push(line(&alias, "added", up.map(|_| "it was up already, and is persistent now".to_owned())));
                notes.extend(checks::too_wide(&alias, &primaries, &now));
                missing.push(alias);
            }
        }
    }
    if !arguments.force {
        checks::unclaimed(&session.root, &missing, &old, &detection)?;
    }
    let mut plan =
        if missing.is_empty() { Plan::nothing() } else { detection.backend.add(&session.root, &missing, &now)? };
    for alias in &down {
        let step = Step::up(detection.backend.direct(alias));
        plan.auto.after.push(step.clone());
        if let Ok(restart) = &mut plan.restart {
            restart.after.push(step);
        }
    }
    let entries = proof::prove(detection.backend, &session.root, &old, &plan, Goal::Present(&missing))?;
    let effective = entries.iter().filter(|entry| entry.is_effective());
    let labels: BTreeMap<String, &String> =
        effective.filter_map(|entry| Some((entry.address.to_string(), entry.label.as_ref()?))).collect();
    for line in lines.iter_mut().filter(|line| line.result == "added" && line.label.is_none()) {
        line.label = labels.get(&line.address).map(ToString::to_string);
    }
    if arguments.addresses.panel_api {
        plan = cpanel::by_api(detection.backend, &session.root, plan, &missing, &[], session.runs_commands())?;
    }
    // An address comes up with the label that its file gives it, also where the file had one before (a repair).
    let restart = plan.restart.iter_mut().flat_map(|apply| &mut apply.after);
    for step in plan.auto.after.iter_mut().chain(restart) {
        if let Action::Add(alias @ Alias { label: None, .. }) = &mut step.action {
            let label = labels.get(&alias.address.to_string());
            alias.label = label.and_then(|label| Label::new(label).ok()).filter(|_| alias.address.addr().is_ipv4());
        }
    }
    plan.notes.splice(0..0, notes);
    let written: Vec<RootPath> = plan.written().map(|change| change.path.clone()).collect();
    if arguments.disable_cloud_init_network {
        // First: files that it could still write come after it.
        plan.changes.splice(0..0, rewriters::cloud_init::switch_off(&session.root)?);
    }
    if !written.is_empty() {
        plan.notes.extend(rewriters::warnings(&plan.overlay(&session.root), &written, &detection.claim.files)?);
    }
    // Files that WHM is going to change are as they were when our own steps begin.
    let entries = if arguments.addresses.panel_api { old } else { entries };
    let is_down = |alias: &&Alias| !up.contains_key(&alias.address.addr());
    let probe =
        if arguments.force { Vec::new() } else { missing.iter().chain(&down).filter(is_down).cloned().collect() };
    let expect = Expectation { up: missing.into_iter().chain(down).collect(), gone: Vec::new() };
    let announce = if arguments.no_announce { Vec::new() } else { expect.up.clone() };
    let (backend, link) = (detection.backend, OnLink { probe, announce });
    let (undoes, metadata) = Default::default();
    Ok(Proposal { backend, plan, entries, expect, lines, snapshot, link, undoes, metadata })
}

fn by_address<T>(all: impl Iterator<Item = (IpAddr, T)>) -> BTreeMap<IpAddr, Vec<T>> {
    let mut known: BTreeMap<IpAddr, Vec<T>> = BTreeMap::new();
    all.for_each(|(ip, item)| known.entry(ip).or_default().push(item));
    known
}

/// The wish that an entry fulfils, so that it can be brought up as it is configured.
fn configured(interface: &IfName, entry: &Entry, preferred: bool) -> Alias {
    let label = entry.label.as_deref().and_then(|label| Label::new(label).ok());
    Alias { interface: interface.clone(), address: entry.address, label, preferred }
}

fn line(alias: &Alias, result: &'static str, note: Option<String>) -> AddressLine {
    AddressLine {
        address: alias.address.to_string(),
        interface: alias.interface.to_string(),
        label: alias.label.as_ref().map(ToString::to_string),
        result,
        note,
    }
}
