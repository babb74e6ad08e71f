//! `ipalias add`: what is there already, what is missing, and the plan that closes the gap.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::perform::{self, OnLink, Proposal, Wish};
use super::{Session, resolved, situation, suggest, wanted_addresses};
use crate::alias::{Alias, IfName, Label};
use crate::backend::{Entry, Role, Situation, UpAddress, cpanel};
use crate::cli::{Add, Addresses, Apply, How, Verb};
use crate::detect::Detection;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::live::{Expectation, Snapshot};
use crate::plan::{Action, Plan, Step};
use crate::proof::{self, Goal};
use crate::rewriters;
use crate::root::{Root, RootPath};
use crate::ui::AddressLine;

/// Runs the verb.
pub(super) fn run(session: &Session, arguments: &Add) -> Result<Exit> {
    let wanted = wanted_addresses(&arguments.addresses)?;
    let label = arguments.label.as_deref().map(Label::new).transpose()?;
    if label.is_some() && wanted.len() > 1 {
        let hint = "add them one by one, or let ipalias choose the labels";
        return Err(Refusal::new(Kind::Usage, "a label belongs to one address", hint).into());
    }
    let wish = Wish::new(session, arguments.addresses.hold.confirm, || {
        Verb::Add(Add { addresses: resolved(&arguments.addresses, &wanted), ..arguments.clone() })
    })?;
    perform::carry_out(session, "add", wish.as_ref(), || propose(session, &wanted, label.as_ref(), arguments))
}

/// The plan that adds `wanted`, as far as it is not there.
pub(super) fn propose(session: &Session, wanted: &[IpNet], label: Option<&Label>, arguments: &Add) -> Result<Proposal> {
    let detection = session.detect_for(wanted)?;
    let backend = detection.backend;
    let snapshot = session.snapshot()?;
    let interface = session.interface(&detection, snapshot.as_ref());
    let interface = interface.map_err(|error| suggest::filled_in(error, wanted, None))?;
    let old = detection.entries()?;
    let scene = Scene {
        root: &detection.root,
        detection: &detection,
        old: &old,
        below: &detection.entries_below()?,
        now: &arguments.how.situation(snapshot.as_ref()),
        snapshot: snapshot.as_ref(),
        asked: Some(&arguments.addresses),
        brings_up: session.apply() != Apply::None,
        going: &BTreeSet::new(),
    };
    let wish = |address: &IpNet| Alias {
        interface: interface.clone(),
        address: *address,
        label: label.cloned(),
        preferred: arguments.preferred,
    };
    let addition = addition(&scene, wanted.iter().map(wish), &arguments.how)?;
    let link = addition.on_link(scene.now, &arguments.how);
    let Addition { mut plan, mut entries, missing, down, lines } = addition;
    if arguments.addresses.panel_api {
        plan = cpanel::by_api(backend, &session.root, plan, &missing, &[], session.runs_commands())?;
        // Files that WHM is going to change are as they were when our own steps begin.
        entries = old;
    }
    with_rewriters(session, &mut plan, &detection, arguments.how.disable_cloud_init_network)?;
    let expect = Expectation { up: missing.into_iter().chain(down).collect(), gone: Vec::new() };
    let (undoes, metadata) = Default::default();
    Ok(Proposal { backend, plan, entries, expect, lines, snapshot, link, undoes, metadata })
}

/// What is there.
pub(super) struct Scene<'a> {
    /// The files, without what the same change takes away.
    pub(super) root: &'a Root,
    pub(super) detection: &'a Detection,
    /// What those files configure.
    pub(super) old: &'a [Entry],
    /// Below a control panel.
    pub(super) below: &'a [Entry],
    pub(super) now: &'a Situation,
    pub(super) snapshot: Option<&'a Snapshot>,
    /// The arguments that name what is added, if these do.
    pub(super) asked: Option<&'a Addresses>,
    /// Whether what is added is brought up.
    pub(super) brings_up: bool,
    /// Addresses that are up, and that the same change takes down.
    pub(super) going: &'a BTreeSet<(String, IpAddr)>,
}

/// What is missing, and the plan that adds it, proven.
pub(super) struct Addition {
    pub(super) plan: Plan,
    /// What the files will say.
    pub(super) entries: Vec<Entry>,
    /// In no file yet.
    pub(super) missing: Vec<Alias>,
    /// In a file, and not up.
    pub(super) down: Vec<Alias>,
    pub(super) lines: Vec<AddressLine>,
}

/// Plans what is missing of `wishes`.
pub(super) fn addition(scene: &Scene<'_>, wishes: impl Iterator<Item = Alias>, how: &How) -> Result<Addition> {
    let Scene { root, detection, old, now, .. } = scene;
    let backend = detection.backend;
    let Comparison { missing, down, mut lines, mut notes } = compare(scene, wishes)?;
    if how.in_place && backend.name() != "netplan" {
        notes.push(format!("--in-place means nothing to {}, which has no file of ipalias's own", backend.name()));
    }
    if !how.force {
        if scene.brings_up {
            checks::bearable(missing.len() + down.len(), now)?;
        }
        checks::unclaimed(root, &missing, old, detection)?;
    }
    let plan = if missing.is_empty() { Ok(Plan::nothing()) } else { backend.add(root, &missing, now) };
    let mut plan = plan.map_err(|error| match (error.downcast::<Refusal>(), missing.first()) {
        (Ok(refusal), Some(first)) => {
            suggest::interface(refusal, &first.interface, old.iter().map(|entry| entry.interface.as_str())).into()
        }
        (Ok(refusal), None) => refusal.into(),
        (Err(error), _) => error,
    })?;
    for alias in &down {
        let step = Step::up(backend.direct(alias));
        plan.auto.after.push(step.clone());
        if let Ok(restart) = &mut plan.restart {
            restart.after.push(step);
        }
    }
    let entries = proof::prove(backend, root, old, &plan, Goal::Present(&missing))?;
    with_labels(&mut plan, &mut lines, &entries);
    plan.notes.splice(0..0, notes);
    Ok(Addition { plan, entries, missing, down, lines })
}

impl Addition {
    /// What the neighbours are asked and told.
    pub(super) fn on_link(&self, now: &Situation, how: &How) -> OnLink {
        let all = || self.missing.iter().chain(&self.down).cloned();
        let is_down = |alias: &Alias| now.up(alias.address.addr()).is_none();
        OnLink {
            probe: if how.force { Vec::new() } else { all().filter(is_down).collect() },
            announce: if how.no_announce { Vec::new() } else { all().collect() },
        }
    }
}

impl How {
    /// What backends are told about the running system, and about what was asked for.
    pub(super) fn situation(&self, snapshot: Option<&Snapshot>) -> Situation {
        Situation { may_switch_to_static: self.make_static, in_place: self.in_place, ..situation(snapshot) }
    }
}

/// What is asked for, compared with what is there.
struct Comparison {
    /// In no file yet.
    missing: Vec<Alias>,
    /// In a file, and not up.
    down: Vec<Alias>,
    lines: Vec<AddressLine>,
    notes: Vec<String>,
}

/// Compares `wishes` with the scene; refuses those that would do harm.
fn compare(scene: &Scene<'_>, wishes: impl Iterator<Item = Alias>) -> Result<Comparison> {
    let Scene { detection, old, below, now, snapshot, going, .. } = scene;
    let known = by_address(old.iter().map(|entry| (entry.address.addr(), entry)));
    let stays = |up: &&UpAddress| going.is_empty() || !going.contains(&(up.interface.clone(), up.address.addr()));
    let up = by_address(now.up.iter().filter(stays).map(|up| (up.address.addr(), up)));
    let primaries: Vec<&Entry> = old.iter().chain(*below).filter(|entry| entry.role == Role::Primary).collect();
    let (missing, down, lines) = Default::default();
    let mut found = Comparison { missing, down, lines, notes: detection.claim.warnings.clone() };
    let gateways = snapshot.map(Snapshot::gateways).unwrap_or_default();
    let check = |alias: &Alias| {
        let ip = alias.address.addr();
        checks::not_a_gateway(ip, &gateways)?;
        let entries = known.get(&ip).map(Vec::as_slice).unwrap_or_default();
        let live = up.get(&ip).map(Vec::as_slice).unwrap_or_default();
        checks::acceptable(alias, &primaries, entries, live, *snapshot)?;
        checks::only_once(alias, below, detection)
    };
    for alias in wishes {
        let ip = alias.address.addr();
        let entries = known.get(&ip).map(Vec::as_slice).unwrap_or_default();
        let live = up.get(&ip).map(Vec::as_slice).unwrap_or_default();
        check(&alias).map_err(|error| {
            let is_refused = |ip| check(&Alias { address: IpNet::from(ip), ..alias.clone() }).is_err();
            match scene.asked {
                Some(asked) => suggest::range(error, asked, ip, is_refused),
                None => error,
            }
        })?;
        let Some(entry) = entries.iter().find(|entry| entry.is_effective()) else {
            let note = live.first().map(|_| "it was up already, and is persistent now".to_owned());
            found.lines.push(line(&alias, "added", note));
            found.notes.extend(checks::too_wide(&alias, &primaries, now));
            found.missing.push(alias);
            continue;
        };
        let present = configured(&alias.interface, entry, alias.preferred);
        if entry.address != alias.address {
            let (prefix, path, line) = (entry.address.prefix_len(), &entry.path, entry.line);
            found
                .notes
                .push(format!("{ip} is configured with the prefix /{prefix} ({path}:{line}); that is left as it is"));
        }
        let place = Some(format!("configured in {}:{}", entry.path, entry.line));
        let idle = !live.is_empty() || snapshot.is_none();
        found.lines.push(line(&present, if idle { "unchanged" } else { "activated" }, place));
        if !idle {
            found.down.push(present);
        }
    }
    Ok(found)
}

/// An address comes up with the label that its file gives it, also where the file had one before (a repair).
fn with_labels(plan: &mut Plan, lines: &mut [AddressLine], entries: &[Entry]) {
    let effective = entries.iter().filter(|entry| entry.is_effective());
    let labels: BTreeMap<String, &String> =
        effective.filter_map(|entry| Some((entry.address.to_string(), entry.label.as_ref()?))).collect();
    for line in lines.iter_mut().filter(|line| line.result == "added" && line.label.is_none()) {
        line.label = labels.get(&line.address).map(ToString::to_string);
    }
    let restart = plan.restart.iter_mut().flat_map(|apply| &mut apply.after);
    for step in plan.auto.after.iter_mut().chain(restart) {
        if let Action::Add(alias @ Alias { label: None, .. }) = &mut step.action {
            let label = labels.get(&alias.address.to_string());
            alias.label = label.and_then(|label| Label::new(label).ok()).filter(|_| alias.address.addr().is_ipv4());
        }
    }
}

/// Adds what is to be said of those who write the same files, and switches cloud-init off if that is wanted.
pub(super) fn with_rewriters(
    session: &Session,
    plan: &mut Plan,
    detection: &Detection,
    switch_off: bool,
) -> Result<()> {
    let written: Vec<RootPath> = plan.written().map(|change| change.path.clone()).collect();
    if switch_off {
        // First: files that it could still write come after it.
        plan.changes.splice(0..0, rewriters::cloud_init::switch_off(&session.root)?);
    }
    if !written.is_empty() {
        plan.notes.extend(rewriters::warnings(&plan.overlay(&session.root), &written, &detection.claim.files)?);
    }
    Ok(())
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
