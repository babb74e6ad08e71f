//! The addresses that are left when the calls of ifconfig have run one after the other.
//!
//! Rules of ifconfig(8) (from memory): a call without `alias` deletes the interface's first IPv4 address before it adds its
//! own; IPv6 addresses only add up; an address that is there already gets the new mask.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::backend::{Entry, Role};
use crate::root::RootPath;
use crate::syntax::ifconfig::{Deed, Setting};

/// A call that was found.
#[derive(Debug, Clone)]
pub(in crate::backend) struct Found {
    /// The interface.
    pub(in crate::backend) interface: String,
    /// The file.
    pub(in crate::backend) path: RootPath,
    /// Its line, from 1.
    pub(in crate::backend) line: usize,
    /// How it is written.
    pub(in crate::backend) form: String,
    /// What it does.
    pub(in crate::backend) setting: Setting,
    /// Why it does not run.
    pub(in crate::backend) unread: Option<String>,
}

/// Addresses of an interface and family in the kernel's order, each with the entries that set it.
#[derive(Default)]
struct Slots {
    /// By the order in which they came.
    order: BTreeMap<usize, IpAddr>,
    who: BTreeMap<IpAddr, (usize, Vec<usize>)>,
    next: usize,
}

impl Slots {
    fn first(&self) -> Option<IpAddr> {
        self.order.first_key_value().map(|(_, ip)| *ip)
    }

    /// Takes an address off; returns the entries that set it.
    fn take(&mut self, ip: IpAddr) -> Vec<usize> {
        let Some((at, who)) = self.who.remove(&ip) else { return Vec::new() };
        self.order.remove(&at);
        who
    }

    /// The entries that set an address, which is added if it is not there.
    fn of(&mut self, ip: IpAddr) -> &mut Vec<usize> {
        let (order, next) = (&mut self.order, &mut self.next);
        let new = || {
            *next += 1;
            order.insert(*next, ip);
            (*next, Vec::new())
        };
        &mut self.who.entry(ip).or_insert_with(new).1
    }
}

/// The entries of `found`, which stand in the order of running, each with the index of its call. `routers` tell the
/// primary address where no call is without `alias`.
pub(in crate::backend) fn entries(found: &[Found], routers: &[IpAddr]) -> Vec<(usize, Entry)> {
    let mut all: Vec<(usize, Entry)> = Vec::new();
    let mut up: BTreeMap<(String, bool), Slots> = BTreeMap::new();
    let mut automatic: BTreeSet<(String, bool)> = BTreeSet::new();
    for (index, call) in found.iter().enumerate() {
        let setting = &call.setting;
        let key = (call.interface.clone(), setting.six);
        let problem = call.unread.clone().or_else(|| setting.fault.clone());
        let idle = problem.is_some();
        let mut here = all.len();
        if let (true, Some(net)) = (setting.sets(), setting.net) {
            all.push((
                index,
                Entry {
                    interface: call.interface.clone(),
                    address: net,
                    label: None,
                    path: call.path.clone(),
                    line: call.line,
                    form: call.form.clone(),
                    role: Role::Additional,
                    problem,
                },
            ));
        } else {
            here = usize::MAX;
        }
        if idle {
            continue;
        }
        let slots = up.entry(key.clone()).or_default();
        let place = format!("{}:{}", call.path, call.line);
        match (setting.deed, setting.net) {
            (Deed::Autoconf, _) => drop(automatic.insert(key)),
            (Deed::Clear, _) => {
                let gone = std::mem::take(slots);
                let why = format!("{place} takes it off again");
                gone.who.into_values().for_each(|(_, who)| lose(&mut all, &who, &why));
            }
            (Deed::Delete, Some(net)) => {
                let who = slots.take(net.addr());
                lose(&mut all, &who, &format!("{place} takes it off again"));
            }
            (Deed::Set, Some(net)) => {
                if let Some(first) = slots.first().filter(|_| !setting.six) {
                    let who = slots.take(first);
                    lose(&mut all, &who, &format!("{place} sets another in its place: `alias` is missing there"));
                }
                put(&mut all, slots, net.addr(), here, &place);
            }
            (Deed::Alias, Some(net)) => put(&mut all, slots, net.addr(), here, &place),
            _ => {}
        }
    }
    roles(found, &mut all, &automatic, routers);
    all
}

/// Entries that have no effect in the end.
fn lose(all: &mut [(usize, Entry)], who: &[usize], why: &str) {
    for at in who {
        if let Some((_, entry)) = all.get_mut(*at) {
            entry.problem.get_or_insert_with(|| why.to_owned());
        }
    }
}

/// One more entry for an address; earlier ones with another mask lose theirs.
fn put(all: &mut [(usize, Entry)], slots: &mut Slots, ip: IpAddr, here: usize, place: &str) {
    let Some(net) = all.get(here).map(|(_, entry)| entry.address) else { return };
    let who = slots.of(ip);
    let differs = |at: &usize| all.get(*at).is_some_and(|(_, entry)| entry.address != net);
    let others: Vec<usize> = who.iter().copied().filter(differs).collect();
    who.push(here);
    lose(all, &others, &format!("{place} gives it another prefix"));
}

/// The first address without `alias` is the interface's own. Where there is none and no daemon gets one, the one that
/// reaches the router is.
fn roles(found: &[Found], all: &mut [(usize, Entry)], automatic: &BTreeSet<(String, bool)>, routers: &[IpAddr]) {
    let keys: BTreeSet<(String, bool)> =
        all.iter().map(|(_, entry)| (entry.interface.clone(), entry.address.addr().is_ipv6())).collect();
    for key in keys {
        let own = |(_, entry): &&(usize, Entry)| entry.interface == key.0 && entry.address.addr().is_ipv6() == key.1;
        let is_set = |index: &usize| found.get(*index).is_some_and(|call| call.setting.deed == Deed::Set);
        let place = |wanted: &dyn Fn(&(usize, Entry)) -> bool| all.iter().position(|one| own(&one) && wanted(one));
        let reaches = |net: IpNet| routers.iter().any(|router| net.contains(router));
        let first = place(&|(index, entry)| is_set(index) && entry.is_effective()).or_else(|| {
            if automatic.contains(&key) {
                return None;
            }
            let near = place(&|(_, entry)| entry.is_effective() && reaches(entry.address));
            near.or_else(|| place(&|(index, _)| is_set(index)))
        });
        if let Some((_, entry)) = first.and_then(|at| all.get_mut(at)) {
            entry.role = Role::Primary;
        }
    }
}
