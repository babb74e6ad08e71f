//! `ipalias sync`: the additional addresses of the interfaces that a file names become exactly those that it names.
//!
//! It is a removal and then an addition, planned one upon the other and carried out as one change (ADR 10). Only what the
//! files in charge configure goes: an address that is merely up is somebody else's.

mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::add::{self, Addition, Scene};
use super::perform::{self, Proposal, Wish as Waiting};
use super::remove::{self, Leaving, Removal};
use super::{Session, read_list};
use crate::alias::{Alias, IfName};
use crate::backend::{Entry, Situation, UpAddress, cpanel};
use crate::cli::{Apply, Hold, Verb, Wishes};
use crate::detect::Detection;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::live::{Expectation, Snapshot};
use crate::proof::{self, Goal};
use crate::ui::AddressLine;
use crate::wish_list::{Wish, WishList};
use compare::{Difference, agree, difference, none_woken};

/// Runs the verb.
pub(super) fn run(session: &Session, arguments: &Wishes) -> Result<Exit> {
    let bytes = match &arguments.text {
        Some(text) => text.clone().into_bytes(),
        None => read_list(&arguments.file)?,
    };
    let list = WishList::parse(&arguments.file.to_string_lossy(), &bytes)?;
    let wish = Waiting::new(session, arguments.hold.confirm, || {
        let text = Some(String::from_utf8_lossy(&bytes).into_owned());
        Verb::Sync(Wishes { text, hold: Hold::default(), ..arguments.clone() })
    })?;
    perform::carry_out(session, "sync", wish.as_ref(), || propose(session, &list, arguments))
}

fn propose(session: &Session, list: &WishList, arguments: &Wishes) -> Result<Proposal> {
    let detection = session.detect()?;
    let (backend, how) = (detection.backend, &arguments.how);
    let snapshot = session.snapshot()?;
    let old = detection.entries()?;
    let governed = governed(session, list, &detection, snapshot.as_ref())?;
    agree(list, &governed, &old)?;
    let Difference { gone, kept } = match arguments.merge {
        true => Difference::default(),
        false => difference(list, &governed, &old, &detection, arguments.allow_empty)?,
    };
    let now = how.situation(snapshot.as_ref());
    let up = up(&now, &gone);
    let coming: Vec<Alias> = governed.iter().flat_map(Governed::aliases).collect();
    let leaving = Leaving { gone: &gone, up: &up, coming: &coming };
    let Removal { plan: removal, entries: left, down: going } =
        remove::removal(session, &detection, &old, snapshot.as_ref(), &leaving)?;
    let scene = Scene {
        root: &removal.overlay(&detection.root),
        detection: &detection,
        old: &left,
        below: &detection.entries_below()?,
        now: &now,
        snapshot: snapshot.as_ref(),
        asked: None,
        brings_up: session.apply() != Apply::None,
        going: &going,
    };
    let addition = add::addition(&scene, coming.into_iter(), how)?;
    let link = addition.on_link(&now, how);
    let Addition { plan, mut entries, missing, down, lines: added } = addition;
    let mut plan = removal.then(plan);
    if !gone.is_empty() && !missing.is_empty() {
        let goal = Goal::Replaced { gone: &gone, present: &missing };
        entries = proof::prove(backend, &detection.root, &old, &plan, goal)?;
    }
    if !arguments.merge {
        none_woken(&governed, &entries, &old)?;
    }
    if arguments.panel_api {
        plan = cpanel::by_api(backend, &session.root, plan, &missing, &gone, session.runs_commands())?;
        // Files that WHM is going to change are as they were when our own steps begin.
        entries = old.clone();
    }
    add::with_rewriters(session, &mut plan, &detection, how.disable_cloud_init_network)?;
    let lines = removed(&gone).into_iter().chain(added).chain(kept).collect();
    let expect = Expectation { up: missing.into_iter().chain(down).collect(), gone: going.into_iter().collect() };
    let (undoes, metadata) = Default::default();
    Ok(Proposal { backend, plan, entries, expect, lines, snapshot, link, undoes, metadata })
}

/// An interface with its list.
struct Governed<'l> {
    interface: IfName,
    wishes: &'l [Wish],
}

impl Governed<'_> {
    fn aliases(&self) -> impl Iterator<Item = Alias> {
        self.wishes.iter().map(|wish| Alias {
            interface: self.interface.clone(),
            address: wish.address,
            label: wish.label.clone(),
            preferred: wish.preferred,
        })
    }
}

/// The interfaces that have a list: no other one is looked at.
fn governed<'l>(
    session: &Session,
    list: &'l WishList,
    detection: &Detection,
    snapshot: Option<&Snapshot>,
) -> Result<Vec<Governed<'l>>> {
    let mut all: Vec<Governed<'l>> = Vec::new();
    for part in &list.lists {
        let interface = match &part.interface {
            Some(interface) => {
                session.admit(interface, detection, snapshot)?;
                interface.clone()
            }
            None => session.interface(detection, snapshot)?,
        };
        if all.iter().any(|other| other.interface == interface) {
            let reason = format!("{}: {interface} has two lists, one of them the default interface's", list.name);
            return Err(Refusal::new(Kind::Usage, reason, "put its addresses into one of them").into());
        }
        all.push(Governed { interface, wishes: &part.wishes });
    }
    if session.options.interface.is_some() && list.lists.iter().all(|part| part.interface.is_some()) {
        let reason = format!("{}: there is no list for -i, only such of named interfaces", list.name);
        return Err(Refusal::new(Kind::Usage, reason, "leave -i out").into());
    }
    Ok(all)
}

/// Those of `gone` that are up, on their own interfaces.
fn up<'n>(now: &'n Situation, gone: &[Entry]) -> Vec<&'n UpAddress> {
    let gone: BTreeSet<(&str, IpAddr)> =
        gone.iter().map(|entry| (entry.interface.as_str(), entry.address.addr())).collect();
    now.up.iter().filter(|up| gone.contains(&(up.interface.as_str(), up.address.addr()))).collect()
}

/// A line for each address that goes.
fn removed(gone: &[Entry]) -> Vec<AddressLine> {
    let mut times: BTreeMap<(&str, IpAddr), usize> = BTreeMap::new();
    gone.iter().for_each(|entry| *times.entry((&entry.interface, entry.address.addr())).or_default() += 1);
    let lines = gone.iter().filter_map(|entry| {
        let times = times.remove(&(entry.interface.as_str(), entry.address.addr()))?;
        Some(line(entry, "removed", (times > 1).then(|| format!("it was configured {times} times"))))
    });
    lines.collect()
}

fn line(entry: &Entry, result: &'static str, note: Option<String>) -> AddressLine {
    let (address, interface, label) = (entry.address.to_string(), entry.interface.clone(), entry.label.clone());
    AddressLine { address, interface, label, result, note }
}
