//! The network at one moment, and what is wrong with it compared with an earlier one:
//! the addresses wanted are up, and no other address, default route, source address or link was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::mend::in_order_of_age;
use super::system;
use crate::alias::{Alias, IfName};
use crate::backend::{Situation, UpAddress};

/// A link of the running system.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) carrier: bool,
}

/// How far an address is. Systems that do not tell leave it at the default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// It lasts: no lease, no lifetime.
    pub(super) permanent: bool,
    /// IPv4: not the first of its subnet. IPv6: temporary (RFC 8981).
    pub(super) secondary: bool,
    /// It is being checked for duplicates.
    pub(super) tentative: bool,
    /// Another host has it.
    pub(super) duplicate: bool,
    /// It is no source of new connections.
    pub(super) deprecated: bool,
    /// The route to its subnet is its manager's, not the kernel's, and stays when it goes (IFA_F_NOPREFIXROUTE).
    pub(super) without_route: bool,
}

/// An address that is up.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) interface: String,
    pub(super) net: IpNet,
    pub(super) label: Option<String>,
    pub(super) state: State,
    pub(super) loopback_or_link: bool,
    /// As the kernel told it, to be able to put it back exactly.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) raw: system::RawAddress,
}

/// A route of the main table. Systems whose table is not read have none; their ways still show what was lost.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) interface: Option<String>,
    /// `default`, or the network.
    pub(super) to: String,
    pub(super) gateway: Option<IpAddr>,
    pub(super) is_ipv6: bool,
    pub(super) metric: u32,
    /// The source address that it says, if it does.
    pub(super) source: Option<IpAddr>,
    /// Whether its gateway counts as reachable whatever the addresses say.
    pub(super) onlink: bool,
    /// Whether nobody's file accounts for it: added by hand or by a routing daemon.
    pub(super) by_hand: bool,
    /// Whether the kernel makes it by itself.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) is_kernels: bool,
    /// As the kernel told it, to be able to put it back exactly.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) raw: system::RawRoute,
}

impl Route {
    fn is_default(&self) -> bool {
        self.to == "default"
    }

    /// What makes it another route than the next.
    pub(super) fn key(&self) -> (bool, &str, Option<IpAddr>, Option<&str>, u32, Option<IpAddr>) {
        (self.is_ipv6, &self.to, self.gateway, self.interface.as_deref(), self.metric, self.source)
    }

    /// Whether it is the route to the subnet of `address`, which its manager made.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) fn is_made_for(&self, address: &Address) -> bool {
        address.state.without_route
            && self.is_kernels
            && self.gateway.is_none()
            && self.interface.as_deref() == Some(&address.interface)
            && self.to == address.net.trunc().to_string()
    }

    fn describe(&self) -> String {
        let via = self.gateway.map(|ip| format!("via {ip} ")).unwrap_or_default();
        format!("{via}dev {} metric {}", self.interface.as_deref().unwrap_or("?"), self.metric)
    }
}

/// The running system's network at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<Route>,
    /// The way that a packet to each of these would take.
    pub(super) ways: BTreeMap<IpAddr, Option<Way>>,
}

/// Interface, next hop and source address of outgoing packets, as far as the system tells.
pub(super) type Way = (String, Option<IpAddr>, Option<IpAddr>);

/// What has to hold after a change.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// Addresses that are to be up.
    pub up: Vec<Alias>,
    /// Addresses that are to be gone: interface and address.
    pub gone: Vec<(String, IpAddr)>,
}

impl Snapshot {
    /// What backends are told about the running system.
    pub fn situation(&self) -> Situation {
        let up = |address: &Address| UpAddress {
            interface: address.interface.clone(),
            address: address.net,
            label: address.label.clone(),
        };
        let up = self.addresses.iter().filter(|address| !address.loopback_or_link).map(up).collect();
        Situation { up, ..Situation::default() }
    }

    /// Addresses and routes on `interface` that nobody's file accounts for: permanent, global, not in `known`, or routes
    /// that were added by hand or by a routing daemon.
    pub fn foreign(&self, interface: &str, known: &BTreeSet<IpAddr>) -> Vec<String> {
        let strange = |address: &&Address| {
            address.interface == interface
                && address.state.permanent
                && !address.loopback_or_link
                && !known.contains(&address.net.addr())
        };
        let mut all: Vec<String> =
            self.addresses.iter().filter(strange).map(|address| address.net.to_string()).collect();
        let by_hand = |route: &&Route| route.by_hand && route.interface.as_deref() == Some(interface);
        all.extend(self.routes.iter().filter(by_hand).map(|route| format!("the route to {}", route.to)));
        all
    }

    /// The names of all links.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(|link| link.name.as_str())
    }

    /// Whether `ip` is up on `interface`.
    pub fn is_up(&self, interface: &str, ip: IpAddr) -> bool {
        self.find(interface, ip).is_some()
    }

    /// Whether outgoing packets have `ip` as their source: it is a primary address.
    pub fn is_source(&self, ip: IpAddr) -> bool {
        self.ways.values().flatten().any(|(_, _, source)| *source == Some(ip))
    }

    /// Whether `interface` has a global address of the family of `ip` that does not last (a lease, autoconfiguration), and
    /// `ip` itself lasts: then that other one is what the host is known by.
    pub fn has_leased(&self, interface: &str, ip: IpAddr) -> bool {
        let lasts = self.find(interface, ip).is_some_and(|found| found.state.permanent);
        lasts
            && self.addresses.iter().any(|other| {
                let same = other.interface == interface && other.net.addr().is_ipv4() == ip.is_ipv4();
                same && !other.state.permanent && !other.loopback_or_link
            })
    }

    /// IPv6 addresses that last and that are no source of new connections, as wishes.
    pub(super) fn idle_sources(&self) -> impl Iterator<Item = Alias> {
        let idle =
            |address: &&Address| address.net.addr().is_ipv6() && address.state.permanent && address.state.deprecated;
        self.addresses.iter().filter(idle).filter_map(|address| {
            let interface = IfName::new(&address.interface).ok()?;
            Some(Alias { interface, address: address.net, label: None, preferred: false })
        })
    }

    /// Those of `wanted` that are up, with prefix and label.
    pub fn details(&self, wanted: &[(String, IpAddr)]) -> Vec<(String, IpNet, Option<String>)> {
        let wanted: BTreeSet<(&str, IpAddr)> = wanted.iter().map(|(name, ip)| (name.as_str(), *ip)).collect();
        let up = self.addresses.iter().filter(|up| wanted.contains(&(up.interface.as_str(), up.net.addr())));
        up.map(|up| (up.interface.clone(), up.net, up.label.clone())).collect()
    }

    /// The next hops of the default routes.
    pub fn gateways(&self) -> BTreeSet<IpAddr> {
        self.routes.iter().filter(|route| route.is_default()).filter_map(|route| route.gateway).collect()
    }

    /// Those of `wanted` that are up and that new connections may have as their source.
    pub fn preferred(&self, wanted: &[(String, IpAddr)]) -> Vec<IpAddr> {
        let up = wanted.iter().filter_map(|(name, ip)| self.find(name, *ip));
        up.filter(|up| !up.state.deprecated).map(|up| up.net.addr()).collect()
    }

    /// The commands that bring addresses and default routes back to this state by hand.
    pub fn recipe(&self) -> Vec<String> {
        let listed = self.addresses.iter().filter(|address| !address.loopback_or_link);
        let (v4, v6): (Vec<&Address>, Vec<&Address>) = listed.partition(|address| address.net.addr().is_ipv4());
        let addresses = v4.into_iter().chain(in_order_of_age(v6)).map(|address| {
            let label = address.label.as_ref().map(|label| format!(" label {label}")).unwrap_or_default();
            let idle = if address.state.deprecated { " preferred_lft 0" } else { "" };
            format!("ip addr replace {} dev {}{label}{idle}", address.net, address.interface)
        });
        let routes = self.routes.iter().filter(|route| route.is_default()).map(|route| {
            let family = if route.is_ipv6 { "-6 " } else { "" };
            let source = route.source.map(|source| format!(" src {source}")).unwrap_or_default();
            let onlink = if route.onlink { " onlink" } else { "" };
            format!("ip {family}route replace default {}{source}{onlink}", route.describe())
        });
        addresses.chain(routes).collect()
    }

    /// Whether `ip` is up on `interface` as the first of its subnet.
    pub fn is_first(&self, interface: &str, ip: IpAddr) -> bool {
        self.find(interface, ip).is_some_and(|found| !found.state.secondary)
    }

    /// Whether `ip` on `interface` is the first of its subnet, so that taking it down takes the others of the subnet
    /// along while `promote_secondaries` is 0 (ip-sysctl, kernel documentation). Those others are returned.
    pub fn dependents(&self, interface: &str, ip: IpAddr) -> Vec<IpNet> {
        let Some(first) = self.find(interface, ip) else { return Vec::new() };
        if ip.is_ipv6() || first.state.secondary {
            return Vec::new();
        }
        let same = |other: &&Address| {
            other.interface == interface
                && other.state.secondary
                && other.net.prefix_len() == first.net.prefix_len()
                && other.net.network() == first.net.network()
        };
        self.addresses.iter().filter(same).map(|other| other.net).collect()
    }

    pub(super) fn find(&self, interface: &str, ip: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.interface == interface && address.net.addr() == ip)
    }

    /// What is wrong, as sentences, and whether waiting cannot help.
    pub(super) fn faults(&self, before: &Snapshot, expect: &Expectation) -> (Vec<String>, bool) {
        let mut faults = Vec::new();
        let mut hopeless = false;
        let up: BTreeMap<(&str, IpAddr), &Address> =
            self.addresses.iter().map(|address| ((address.interface.as_str(), address.net.addr()), address)).collect();
        for alias in &expect.up {
            let ip = alias.address.addr();
            match up.get(&(alias.interface.as_str(), ip)) {
                None => faults.push(format!("{ip} is not up on {}", alias.interface)),
                Some(found) if found.state.duplicate => {
                    hopeless = true;
                    faults.push(format!("{ip} is in use by another host on the network (duplicate address detection)"));
                }
                Some(found) if found.state.tentative => {
                    faults.push(format!("{ip} is still being checked for duplicates"));
                }
                Some(found) if found.net.prefix_len() != alias.address.prefix_len() => {
                    faults.push(format!(
                        "{ip} is up with the prefix /{} instead of /{}",
                        found.net.prefix_len(),
                        alias.address.prefix_len()
                    ));
                }
                Some(_) => {}
            }
        }
        for (interface, ip) in &expect.gone {
            if up.contains_key(&(interface.as_str(), *ip)) {
                faults.push(format!("{ip} is still up on {interface}"));
            }
        }
        faults.extend(
            before.lost_addresses(self, expect).map(|lost| format!("{} was lost from {}", lost.net, lost.interface)),
        );
        let tentative = |address: &Address| address.state.tentative;
        faults.extend(before.addresses.iter().filter(|former| !tentative(former)).filter_map(|former| {
            let now = up.get(&(former.interface.as_str(), former.net.addr())).filter(|now| tentative(now))?;
            Some(format!("{} is not usable yet: it is being checked for duplicates", now.net))
        }));
        faults.extend(before.lost_defaults(self).into_iter().map(|lost| format!("the default route {lost} was lost")));
        let preferred = |ip: &IpAddr| {
            expect.up.iter().any(|alias| alias.preferred && alias.address.addr().is_ipv6() == ip.is_ipv6())
        };
        let gone = |way: &Way| way.2.is_some_and(|source| expect.gone.iter().any(|(_, ip)| *ip == source));
        // An address that was up by hand, and the source, is no longer that once it is an additional one.
        let demoted = |way: &Way| {
            let is = |alias: &&Alias| Some(alias.address.addr()) == way.2 && !alias.preferred;
            way.2.is_some_and(|source| source.is_ipv6()) && expect.up.iter().any(|alias| is(&alias))
        };
        for (target, way) in &before.ways {
            // IPv6 addresses added as preferred may become the source: that was asked for.
            let chosen = target.is_ipv6() && preferred(target);
            let now = self.ways.get(target);
            if let (Some(way), false) = (way, chosen) {
                let same_but_source =
                    now.and_then(Option::as_ref).is_some_and(|now| (&now.0, now.1) == (&way.0, way.1));
                if now != Some(&Some(way.clone())) && !gone(way) && !(demoted(way) && same_but_source) {
                    let now = now.cloned().flatten().map_or_else(|| "none".to_owned(), |way| describe_way(&way));
                    faults.push(format!("the way to {target} is `{now}` now, and was `{}`", describe_way(way)));
                }
            }
        }
        for link in before.links.iter().filter(|link| link.up) {
            match self.links.iter().find(|now| now.name == link.name) {
                Some(now) if now.up && (now.carrier || !link.carrier) => {}
                _ => faults.push(format!("the interface {} is down", link.name)),
            }
        }
        (faults, hopeless)
    }

    /// Default routes of this snapshot that `now` lacks.
    pub(super) fn lost_defaults(&self, now: &Snapshot) -> Vec<String> {
        let defaults = |snapshot: &Snapshot| -> BTreeSet<String> {
            snapshot.routes.iter().filter(|route| route.is_default()).map(Route::describe).collect()
        };
        defaults(self).difference(&defaults(now)).cloned().collect()
    }

    /// Addresses of this snapshot that `now` lacks and that were not to go. Temporary IPv6 addresses (RFC 8981) come and
    /// go by themselves.
    pub(super) fn lost_addresses<'a>(
        &'a self,
        now: &Snapshot,
        expect: &'a Expectation,
    ) -> impl Iterator<Item = &'a Address> {
        let kept: BTreeSet<(String, IpNet)> = now.addresses.iter().map(|a| (a.interface.clone(), a.net)).collect();
        let replaced: BTreeSet<IpAddr> = expect.up.iter().map(|alias| alias.address.addr()).collect();
        let gone: BTreeSet<(&str, IpAddr)> = expect.gone.iter().map(|(name, ip)| (name.as_str(), *ip)).collect();
        self.addresses.iter().filter(move |address| {
            let temporary = address.net.addr().is_ipv6() && address.state.secondary;
            !temporary
                && !kept.contains(&(address.interface.clone(), address.net))
                && !gone.contains(&(address.interface.as_str(), address.net.addr()))
                && !replaced.contains(&address.net.addr())
        })
    }
}

fn describe_way((interface, gateway, source): &Way) -> String {
    let via = gateway.map(|ip| format!("via {ip} ")).unwrap_or_default();
    let from = source.map(|ip| format!(" src {ip}")).unwrap_or_default();
    format!("{via}dev {interface}{from}")
}
