//! Which interface and which of its stanzas the host is known by.
//!
//! Follows interfaces(5): the stanza with a `gateway` or a dynamic method has the default route; a bridge or bond has it
//! instead of its ports. Leaves out the running system's routes: see `host::default_route_interface`.

use std::collections::{HashMap, HashSet};

use crate::backend::Role;

use super::address::{Found, Origin};
use super::stanza::{Family, Stanza, Tree};
use super::starts::Starts;

/// The stanzas of each device, and which of them are primary.
pub(super) struct Devices<'t> {
    tree: &'t Tree,
    /// What is brought up.
    pub(super) starts: Starts<'t>,
    stanzas: HashMap<String, Vec<&'t Stanza>>,
    primaries: HashMap<(String, Family), &'t Stanza>,
}

impl<'t> Devices<'t> {
    /// Sorts the stanzas of `tree`, whose addresses are `found`, by device. What the reader does not read is left out.
    pub(super) fn new(tree: &'t Tree, found: &[Found]) -> Devices<'t> {
        let starts = Starts::new(tree);
        let mut stanzas: HashMap<String, Vec<&Stanza>> = HashMap::new();
        for stanza in tree.stanzas.iter().filter(|stanza| stanza.source.unread.is_none() && !stanza.template) {
            stanzas.entry(starts.device(stanza)).or_default().push(stanza);
        }
        let primary = |found: &&Found| found.entry.role == Role::Primary && matches!(found.origin, Origin::Line(_));
        let primaries = found.iter().filter(primary).filter_map(|found| {
            let family = if found.entry.address.addr().is_ipv4() { Family::V4 } else { Family::V6 };
            Some(((found.entry.interface.clone(), family), tree.stanzas.get(found.stanza)?))
        });
        let primaries = primaries.collect();
        Devices { tree, starts, stanzas, primaries }
    }

    /// The stanzas of `device`, aliases included.
    pub(super) fn of(&self, device: &str) -> &[&'t Stanza] {
        self.stanzas.get(device).map_or(&[], Vec::as_slice)
    }

    /// The devices that have stanzas of their own, except lo, in reading order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let stanzas = self.tree.stanzas.iter().filter(|stanza| !stanza.template && !stanza.is_alias());
        let names = stanzas.map(|stanza| self.starts.device(stanza)).filter(|name| name != "lo");
        names.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The stanza of `device` to which an address of `family` is added or beside which it is written: the primary one of
    /// that family, one of that family, or any.
    pub(super) fn base(&self, device: &str, family: Family) -> Option<&'t Stanza> {
        let own = || self.of(device).iter().copied().filter(|stanza| !stanza.is_alias());
        let primary = self.primaries.get(&(device.to_owned(), family)).copied();
        primary
            .or_else(|| own().find(|stanza| stanza.family.takes(family) && stanza.is_dynamic()))
            .or_else(|| own().find(|stanza| stanza.family.takes(family)))
            .or_else(|| self.primaries.get(&(device.to_owned(), Family::V4)).copied())
            .or_else(|| own().next())
    }

    /// The bridges and bonds and what they are made of: port to master.
    pub(super) fn ports(&self) -> HashMap<String, String> {
        let mut ports = HashMap::new();
        for stanza in &self.tree.stanzas {
            let device = self.starts.device(stanza);
            for option in &stanza.options {
                match option.word(0) {
                    b"bridge-ports" | b"bridge_ports" | b"bond-slaves" | b"slaves" | b"bond-members" => {
                        let names = option.words_from(1).iter().map(|word| word.name());
                        ports.extend(names.filter(|name| name != "none").map(|name| (name, device.clone())));
                    }
                    b"bond-master" | b"bond_master" => {
                        let master = String::from_utf8_lossy(option.word(1)).into_owned();
                        if !master.is_empty() && master != "none" {
                            ports.insert(device.clone(), master);
                        }
                    }
                    _ => {}
                }
            }
        }
        ports
    }

    /// The interface that has the default route as far as the files tell.
    pub(super) fn primary(&self) -> Option<String> {
        let ports = self.ports();
        let candidates = || {
            let stanzas = self.tree.stanzas.iter().filter(|stanza| !stanza.is_alias() && !stanza.template);
            let stanzas = stanzas.filter(|stanza| stanza.source.unread.is_none());
            stanzas.filter(|stanza| stanza.base() != "lo" && !ports.contains_key(stanza.base()))
        };
        let routed = |stanza: &Stanza| stanza.has(b"gateway") || stanza.is_dynamic();
        // What is brought up before what is not; among those the one with the default route, else the first.
        let rank = |stanza: &&Stanza| (!self.starts.brings_up(stanza), !routed(stanza), stanza.method != "static");
        candidates().min_by_key(rank).map(|stanza| self.starts.device(stanza))
    }

    /// Whether `device` is brought up by `allow-hotplug` and by nothing else.
    pub(super) fn only_hotplug(&self, device: &str) -> bool {
        let starts = || self.tree.starts.iter().filter(|start| start.counts && start.device == device);
        starts().any(|start| start.class == "hotplug") && !starts().any(|start| start.class == "auto")
    }
}
