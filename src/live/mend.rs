//! What is to be done so that the network is again as it was: compared, not done.
//!
//! Presence is not all: the kernel takes the first IPv4 address of a subnet, and of equal IPv6 addresses the newest, as the
//! source of outgoing packets, so that what comes back has to come back in its order.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::snapshot::{Address, Route, Snapshot};

/// What is to be done, in this order.
#[derive(Debug, Default)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the systems' own commands do it there"))]
pub(super) struct Mend<'a> {
    /// Links that are to be up again.
    pub(super) links: Vec<&'a str>,
    /// Addresses that are to go: with a prefix that they did not have, or to be put back in their place of the order.
    pub(super) gone: Vec<&'a Address>,
    /// Addresses that are to come.
    pub(super) back: Vec<&'a Address>,
    /// Addresses that are to be sources of new connections again.
    pub(super) preferred: Vec<&'a Address>,
}

/// The same for routes, which can be told only once the addresses are back.
#[derive(Debug, Default)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the systems' own commands do it there"))]
pub(super) struct MendRoutes<'a> {
    /// Routes in the place of others.
    pub(super) gone: Vec<&'a Route>,
    /// Routes that are to come: those that others need first.
    pub(super) back: Vec<&'a Route>,
}

/// Links and addresses. Of the addresses that are lost only those that are `wanted` come back.
pub(super) fn addresses<'a>(before: &'a Snapshot, now: &'a Snapshot, wanted: impl Fn(&Address) -> bool) -> Mend<'a> {
    let down = |name: &str| now.links.iter().any(|link| link.name == name && !link.up);
    let links = before.links.iter().filter(|link| link.up && down(&link.name)).map(|link| link.name.as_str()).collect();
    let all = Default::default();
    let lost: Vec<&Address> = before.lost_addresses(now, &all).filter(|lost| wanted(lost)).collect();
    let mut mend = Mend { links, ..Mend::default() };
    let other_prefix = |found: &&Address| {
        let same = |lost: &&Address| lost.interface == found.interface && lost.net.addr() == found.net.addr();
        lost.iter().any(same)
    };
    mend.gone.extend(now.addresses.iter().filter(other_prefix));
    let mut coming: BTreeSet<Place<'_>> = lost.iter().map(|lost| place(lost)).collect();
    for address in before.addresses.iter().filter(|address| address.net.addr().is_ipv4()) {
        let Some(found) = now.exact(address) else { continue };
        let displaced = |other: &&&Address| !other.state.secondary && is_of_subnet(other, address);
        // What was second stands in front of what comes back.
        let stands_before =
            !found.state.secondary && address.state.secondary && lost.iter().any(|lost| displaced(&lost));
        let was_demoted = found.state.secondary && !address.state.secondary;
        if was_demoted {
            let first = now.addresses.iter().filter(|other| is_of_subnet(other, address) && !other.state.secondary);
            mend.gone.extend(first.clone());
            coming.extend(first.filter_map(|first| before.exact(first)).map(place));
        }
        if stands_before || was_demoted {
            mend.gone.push(found);
            coming.insert(place(address));
        }
    }
    let (v4, v6): (Vec<&Address>, Vec<&Address>) = before
        .addresses
        .iter()
        .filter(|address| coming.contains(&place(address)))
        .partition(|address| address.net.addr().is_ipv4());
    mend.back = v4.into_iter().chain(in_order_of_age(v6)).collect();
    let was_preferred = |address: &&Address| {
        let found = now.exact(address).is_some_and(|found| found.state.deprecated);
        found && address.net.addr().is_ipv6() && !address.state.deprecated && address.state.permanent
    };
    mend.preferred = before.addresses.iter().filter(was_preferred).collect();
    mend
}

/// The kernel lists IPv6 addresses of one scope the newest first.
pub(super) fn in_order_of_age(listed: Vec<&Address>) -> impl Iterator<Item = &Address> {
    listed.into_iter().rev()
}

/// Addresses that are not from before and that became the source of outgoing packets; where there are none, addresses whose
/// order is to be as it was, so that the source is.
pub(super) fn sources<'a>(before: &'a Snapshot, now: &'a Snapshot) -> Mend<'a> {
    let mut mend = Mend::default();
    let mut again = BTreeSet::new();
    for (target, way) in &before.ways {
        let (Some((interface, _, Some(was))), Some(Some((_, _, Some(is))))) = (way, now.ways.get(target)) else {
            continue;
        };
        if was == is {
            continue;
        }
        let is_new =
            |found: &&Address| found.net.addr() == *is && found.state.permanent && before.exact(found).is_none();
        mend.gone.extend(now.addresses.iter().filter(is_new));
        again.insert((interface.as_str(), *was));
    }
    if mend.gone.is_empty() {
        let again = |address: &&Address| again.contains(&(address.interface.as_str(), address.net.addr()));
        let v6 = before.addresses.iter().filter(|address| address.net.addr().is_ipv6()).filter(again);
        // Of IPv4 addresses the earlier one counts, so that those go behind it that were behind it.
        let v4 = before.addresses.iter().filter(|address| address.net.addr().is_ipv4());
        let behind = v4.clone().enumerate().filter(|(index, address)| {
            let mut earlier = v4.clone().take(*index).filter(again);
            earlier.any(|earlier| earlier.interface == address.interface)
        });
        let behind = behind.map(|(_, address)| address);
        let all = behind.chain(in_order_of_age(v6.collect()));
        mend.back = all.filter(|address| now.exact(address).is_some()).collect();
        mend.gone = mend.back.iter().filter_map(|address| now.exact(address)).collect();
    }
    mend
}

/// Routes of `before` that `now` lacks and that nobody else makes again, and what stands in their place.
pub(super) fn routes<'a>(before: &'a Snapshot, now: &'a Snapshot, came: &[&Address]) -> MendRoutes<'a> {
    let kept: BTreeSet<_> = now.routes.iter().map(Route::key).collect();
    let known: BTreeSet<_> = before.routes.iter().map(Route::key).collect();
    let is_lost = |route: &&Route| {
        !kept.contains(&route.key()) && (!route.is_kernels || came.iter().any(|address| route.is_made_for(address)))
    };
    let mut back: Vec<&Route> = before.routes.iter().filter(is_lost).collect();
    let takes_place = |route: &&Route| {
        !route.is_kernels && !known.contains(&route.key()) && back.iter().any(|lost| lost.place() == route.place())
    };
    let gone = now.routes.iter().filter(takes_place).collect();
    // The next hop of one may be reached through another: on-link first, then the narrow ones, the default ones last.
    back.sort_by_key(|route| (route.gateway.is_some(), std::cmp::Reverse(route.width())));
    MendRoutes { gone, back }
}

type Place<'a> = (&'a str, IpNet);

fn place(address: &Address) -> Place<'_> {
    (address.interface.as_str(), address.net)
}

fn is_of_subnet(one: &Address, other: &Address) -> bool {
    one.interface == other.interface && one.net.trunc() == other.net.trunc()
}

impl Snapshot {
    /// The same address with the same prefix on the same interface.
    fn exact(&self, address: &Address) -> Option<&Address> {
        self.addresses.iter().find(|other| place(other) == place(address))
    }
}

impl Route {
    /// What only one route can have.
    fn place(&self) -> (bool, &str, u32) {
        (self.is_ipv6, &self.to, self.metric)
    }

    /// The length of its prefix.
    fn width(&self) -> u8 {
        self.to.parse::<IpNet>().map_or(0, |net| net.prefix_len())
    }
}

/// Whether addresses named in `wanted` are up where they were not in `before`.
pub(super) fn strays<'a>(before: &Snapshot, now: &'a Snapshot, wanted: &BTreeSet<IpAddr>) -> Vec<&'a Address> {
    let is_stray = |found: &&Address| wanted.contains(&found.net.addr()) && before.exact(found).is_none();
    now.addresses.iter().filter(is_stray).collect()
}
