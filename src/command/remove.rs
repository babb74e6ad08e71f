//! `ipalias remove`: every entry of the addresses named, out of the files and off the interface.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::perform::{self, OnLink, Proposal, Wish};
use super::{Session, resolved, situation, suggest, wanted_addresses};
use crate::alias::{Alias, IfName, host_prefix};
use crate::backend::{Backend, Entry, Role, UpAddress, cpanel, may_be};
use crate::cli::{Addresses, Verb};
use crate::detect::Detection;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::journal::{FileRecord, digest};
use crate::live::{self, Expectation, Snapshot};
use crate::plan::{Backup, Plan, Step};
use crate::proof::{self, Goal};
use crate::root::RootPath;
use crate::store;
use crate::ui::AddressLine;

/// Runs the verb.
pub(super) fn run(session: &Session, arguments: &Addresses) -> Result<Exit> {
    let wanted = wanted_addresses(arguments)?;
    let wish = Wish::new(session, arguments.hold.confirm, || Verb::Remove(resolved(arguments, &wanted)))?;
    perform::carry_out(session, "remove", wish.as_ref(), || propose(session, &wanted, arguments))
}

fn propose(session: &Session, wanted: &[IpNet], arguments: &Addresses) -> Result<Proposal> {
    let panel_api = arguments.panel_api;
    let detection = session.detect_for(wanted)?;
    let only = session.wanted_interface()?;
    let old = detection.entries()?;
    let snapshot = session.snapshot()?;
    let now = situation(snapshot.as_ref());
    let ips: BTreeSet<IpAddr> = wanted.iter().map(IpNet::addr).collect();
    let here = |device: &str| only.as_ref().is_none_or(|only| may_be(device, only));
    let gone: Vec<Entry> =
        old.iter().filter(|entry| ips.contains(&entry.address.addr()) && here(&entry.interface)).cloned().collect();
    let up: Vec<&UpAddress> =
        now.up.iter().filter(|up| ips.contains(&up.address.addr()) && here(&up.interface)).collect();
    if let Some(entry) = detection.entries_below()?.iter().find(|entry| ips.contains(&entry.address.addr())) {
        let (ip, panel) = (entry.address.addr(), detection.backend.name());
        let name = detection.below.map_or("", |below| below.name());
        let hint = match entry.role {
            Role::Primary => "ipalias removes additional addresses only".to_owned(),
            Role::Additional => format!("remove it there: ipalias --backend {name} remove {ip}"),
        };
        let reason = format!("{ip} is not one of {panel}'s addresses, but configured below it, by {name}");
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&entry.path, entry.line).into());
    }
    let backend = detection.backend;
    let leaving = Leaving { gone: &gone, up: &up, coming: &[] };
    let is_primary = |ip| gone.iter().any(|entry| entry.role == Role::Primary && entry.address.addr() == ip);
    let removal = removal(session, &detection, &old, snapshot.as_ref(), &leaving);
    let Removal { mut plan, mut entries, down } =
        removal.map_err(|error| match ips.iter().find(|ip| is_primary(**ip)) {
            Some(ip) => suggest::range(error, arguments, *ip, is_primary),
            None => error,
        })?;
    if panel_api {
        plan = cpanel::by_api(backend, &session.root, plan, &[], &gone, session.runs_commands())?;
        entries = old.clone();
    }
    let lines = lines(wanted, &gone, &up, only.as_ref(), backend);
    let expect = Expectation { up: Vec::new(), gone: down.into_iter().collect() };
    let (undoes, metadata) = Default::default();
    Ok(Proposal { backend, plan, entries, expect, lines, snapshot, link: OnLink::default(), undoes, metadata })
}

/// What is to go.
pub(super) struct Leaving<'a> {
    /// Out of the files.
    pub(super) gone: &'a [Entry],
    /// Off the interfaces.
    pub(super) up: &'a [&'a UpAddress],
    /// What the same change brings.
    pub(super) coming: &'a [Alias],
}

/// The plan that takes addresses away, proven.
pub(super) struct Removal {
    pub(super) plan: Plan,
    /// What the files will say.
    pub(super) entries: Vec<Entry>,
    /// What will not be up afterwards: interface and address.
    pub(super) down: BTreeSet<(String, IpAddr)>,
}

/// Plans what is `leaving`; refuses what has to stay.
pub(super) fn removal(
    session: &Session,
    detection: &Detection,
    old: &[Entry],
    snapshot: Option<&Snapshot>,
    leaving: &Leaving<'_>,
) -> Result<Removal> {
    let Leaving { gone, up, .. } = leaving;
    let Detection { root, backend, .. } = detection;
    if let Some(entry) = gone.iter().find(|entry| entry.role == Role::Primary) {
        let reason = format!("{} is the primary address", entry.address.addr());
        let refusal = Refusal::new(Kind::Unacceptable, reason, "ipalias removes additional addresses only");
        return Err(refusal.at(&entry.path, entry.line).into());
    }
    if let Some(snapshot) = snapshot {
        let own = live::ssh_session().map(|(_, local)| local);
        let going = up.iter().map(|up| up.address.addr()).collect();
        up.iter().try_for_each(|up| may_go(session, snapshot, up, own, leaving, &going))?;
    }
    let mut plan = if gone.is_empty() { Plan::nothing() } else { backend.remove(root, gone)? };
    let configured: BTreeSet<(&str, IpAddr)> =
        gone.iter().map(|entry| (entry.interface.as_str(), entry.address.addr())).collect();
    for up in up.iter().filter(|up| !configured.contains(&(up.interface.as_str(), up.address.addr()))) {
        let alias =
            Alias { interface: IfName::new(&up.interface)?, address: up.address, label: None, preferred: false };
        let step = Step::down(backend.direct(&alias));
        plan.auto.after.push(step.clone());
        if let Ok(restart) = &mut plan.restart {
            restart.after.push(step);
        }
    }
    let recorded = with_recorded_bytes(session, &plan)?;
    let identities = |plan: &Plan| -> Result<Vec<String>> {
        let entries = backend.entries(&plan.overlay(root))?;
        Ok(entries.iter().map(|entry| format!("{:?}", entry.identity())).collect())
    };
    if recorded != plan && identities(&recorded)? == identities(&plan)? {
        plan = recorded;
    }
    let entries = proof::prove(*backend, root, old, &plan, Goal::Gone(gone))?;
    let configured = gone.iter().map(|entry| (entry.interface.clone(), entry.address.addr()));
    let down = configured.chain(up.iter().map(|up| (up.interface.clone(), up.address.addr()))).collect();
    Ok(Removal { plan, entries, down })
}

/// Refuses addresses without which the administrator, or other addresses, would lose the way.
fn may_go(
    session: &Session,
    snapshot: &Snapshot,
    up: &UpAddress,
    own: Option<IpAddr>,
    leaving: &Leaving<'_>,
    going: &BTreeSet<IpAddr>,
) -> Result<()> {
    let ip = up.address.addr();
    let Leaving { gone, coming, .. } = leaving;
    let refuse = |reason: String, hint: String| Err(Refusal::new(Kind::Unacceptable, reason, hint).into());
    if own == Some(ip) {
        let hint = "log in through another address first".to_owned();
        return refuse(format!("this session came in through {ip}"), hint);
    }
    if snapshot.is_source(ip) && !gone.iter().any(|entry| entry.address.addr() == ip) {
        let hint = "ipalias removes additional addresses only".to_owned();
        return refuse(format!("{ip} is the primary address of the running system"), hint);
    }
    if up.address.prefix_len() == host_prefix(ip) {
        return Ok(());
    }
    let joins = |alias: &&Alias| {
        let is_there = alias.interface.as_str() == up.interface && alias.address.trunc() == up.address.trunc();
        is_there && ip.is_ipv4() && snapshot.is_first(&up.interface, ip)
    };
    let dependents: BTreeSet<IpNet> = snapshot
        .dependents(&up.interface, ip)
        .into_iter()
        .filter(|other| !going.contains(&other.addr()))
        .chain(coming.iter().filter(joins).map(|alias| alias.address))
        .collect();
    if dependents.is_empty() || promotes(session, &up.interface)? {
        return Ok(());
    }
    let dependents: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    refuse(
        format!("{ip} is the first address of its subnet, and the kernel would drop {} with it", dependents.join(", ")),
        format!("let the kernel keep them: sysctl -w net.ipv4.conf.{}.promote_secondaries=1", up.interface),
    )
}

/// Whether the kernel keeps secondaries when their first address goes (ip-sysctl: the larger of `all` and the interface).
fn promotes(session: &Session, interface: &str) -> Result<bool> {
    for name in ["all", interface] {
        let path = RootPath::from("/proc/sys/net/ipv4/conf").join(name).join("promote_secondaries");
        if session.root.read(&path)?.is_some_and(|value| value.trim_ascii() != b"0") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A file that an `add` left as it is now can have its bytes of before: what came with the address goes with it, be it a
/// switch, quotes, or the file. After a rollback, the end of the last line that was open, and the head of a group.
fn with_recorded_bytes(session: &Session, plan: &Plan) -> Result<Plan> {
    let mut plan = plan.clone();
    let Some(records) = session.store()?.filter(|_| !plan.changes.is_empty()) else { return Ok(plan) };
    let operations = records.operations()?;
    for change in plan.changes.iter_mut().filter(|change| change.backup != Backup::Record) {
        let Some(now) = change.before.as_deref().map(digest) else { continue };
        let found = operations.iter().rev().find_map(|operation| {
            let is_it = |file: &FileRecord| file.path() == change.path && file.after.as_deref() == Some(&now);
            let index = operation.files.iter().position(is_it)?;
            Some((operation, index, operation.files.get(index)?))
        });
        let Some((operation, index, file)) = found else { continue };
        let image = match &file.before {
            None => None,
            Some(wanted) => match records.image(Some(operation.id), index) {
                Ok(image) if digest(&image) == *wanted => Some(image),
                Err(error) if store::is_unreadable(&error) => return Err(error),
                _ => continue,
            },
        };
        // What a rollback replaced may have been somebody's edit.
        let is_start =
            || matches!((&change.after, &image), (Some(after), Some(image)) if after.starts_with(image.as_slice()));
        if operation.undoes.is_empty() || is_start() {
            if image.is_none() {
                // What is said of a file that stays.
                plan.notes.retain(|note| !note.starts_with(&format!("{} ", change.path)));
            }
            change.after = image;
        }
    }
    Ok(plan)
}

fn lines(
    wanted: &[IpNet],
    gone: &[Entry],
    up: &[&UpAddress],
    only: Option<&IfName>,
    backend: &dyn Backend,
) -> Vec<AddressLine> {
    let mut entries_of: BTreeMap<IpAddr, Vec<&Entry>> = BTreeMap::new();
    gone.iter().for_each(|entry| entries_of.entry(entry.address.addr()).or_default().push(entry));
    let live_of: BTreeMap<IpAddr, &UpAddress> = up.iter().map(|up| (up.address.addr(), *up)).collect();
    let line = |wish: &IpNet| {
        let entries = entries_of.get(&wish.addr()).map(Vec::as_slice).unwrap_or_default();
        let live = live_of.get(&wish.addr());
        let (result, note) = match (entries, live) {
            ([], None) => ("unchanged", Some(format!("it is neither configured ({}) nor up", backend.name()))),
            ([], Some(_)) => ("removed", Some("it was up, but in no file".to_owned())),
            (many, _) if many.len() > 1 => ("removed", Some(format!("it was configured {} times", many.len()))),
            _ => ("removed", None),
        };
        let found = entries.first().map(|entry| (entry.address, entry.interface.clone(), entry.label.clone()));
        let found = found.or_else(|| live.map(|up| (up.address, up.interface.clone(), up.label.clone())));
        let (address, interface, label) = found
            .unwrap_or_else(|| (*wish, only.map_or_else(|| "any interface".to_owned(), ToString::to_string), None));
        AddressLine { address: address.to_string(), interface, label, result, note }
    };
    wanted.iter().map(line).collect()
}
