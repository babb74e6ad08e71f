//! The network at one moment, and what is wrong with it compared with an earlier one:
//! the addresses wanted are up, and no other address, default route, source address or link was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};

use crate::alias::Alias;
use crate::backend::{Situation, UpAddress};

/// A link of the running system.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) carrier: bool,
}

/// An address that is up.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) interface: String,
    pub(super) net: IpNet,
    pub(super) label: Option<String>,
    pub(super) flags: AddressFlags,
    pub(super) loopback_or_link: bool,
    /// As the kernel told it, to be able to put it back exactly.
    pub(super) message: AddressMessage,
}

/// The running system's network at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) links: BTreeMap<u32, Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<RouteMessage>,
    /// The way that a packet to each of these would take.
    pub(super) ways: BTreeMap<IpAddr, Option<Way>>,
}

/// Interface, next hop and source address of outgoing packets.
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
            let lasting = address.flags.contains(AddressFlags::Permanent);
            address.interface == interface
                && lasting
                && !address.loopback_or_link
                && !known.contains(&address.net.addr())
        };
        let mut all: Vec<String> =
            self.addresses.iter().filter(strange).map(|address| address.net.to_string()).collect();
        let index = self.links.iter().find(|(_, link)| link.name == interface).map(|(index, _)| *index);
        let by_hand = |route: &&RouteMessage| {
            let managed = [RouteProtocol::Kernel, RouteProtocol::Static, RouteProtocol::Ra, RouteProtocol::Dhcp];
            oif(route).is_some() && oif(route) == index && !managed.contains(&route.header.protocol)
        };
        all.extend(self.routes.iter().filter(by_hand).map(|route| format!("the route to {}", destination(route))));
        all
    }

    /// Whether `ip` is up on `interface`.
    pub fn is_up(&self, interface: &str, ip: IpAddr) -> bool {
        self.find(interface, ip).is_some()
    }

    /// Whether outgoing packets have `ip` as their source: it is a primary address.
    pub fn is_source(&self, ip: IpAddr) -> bool {
        self.ways.values().flatten().any(|(_, _, source)| *source == Some(ip))
    }

    /// Those of `wanted` that are up, with prefix and label.
    pub fn details(&self, wanted: &[(String, IpAddr)]) -> Vec<(String, IpNet, Option<String>)> {
        let wanted: BTreeSet<(&str, IpAddr)> = wanted.iter().map(|(name, ip)| (name.as_str(), *ip)).collect();
        let up = self.addresses.iter().filter(|up| wanted.contains(&(up.interface.as_str(), up.net.addr())));
        up.map(|up| (up.interface.clone(), up.net, up.label.clone())).collect()
    }

    /// The commands that bring addresses and default routes back to this state by hand.
    pub fn recipe(&self) -> Vec<String> {
        let addresses = self.addresses.iter().filter(|address| !address.loopback_or_link).map(|address| {
            let label = address.label.as_ref().map(|label| format!(" label {label}")).unwrap_or_default();
            format!("ip addr replace {} dev {}{label}", address.net, address.interface)
        });
        let routes = self.routes.iter().filter(|route| is_default(route)).map(|route| {
            let family = if route.header.address_family == AddressFamily::Inet6 { "-6 " } else { "" };
            format!("ip {family}route replace default {}", self.describe(route))
        });
        addresses.chain(routes).collect()
    }

    /// Whether `ip` on `interface` is the first of its subnet, so that taking it down takes the others of the subnet
    /// along while `promote_secondaries` is 0 (ip-sysctl, kernel documentation). Those others are returned.
    pub fn dependents(&self, interface: &str, ip: IpAddr) -> Vec<IpNet> {
        let Some(first) = self.find(interface, ip) else { return Vec::new() };
        if ip.is_ipv6() || first.flags.contains(AddressFlags::Secondary) {
            return Vec::new();
        }
        let same = |other: &&Address| {
            other.interface == interface
                && other.flags.contains(AddressFlags::Secondary)
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
                Some(found) if found.flags.contains(AddressFlags::Dadfailed) => {
                    hopeless = true;
                    faults.push(format!("{ip} is in use by another host on the network (duplicate address detection)"));
                }
                Some(found) if found.flags.contains(AddressFlags::Tentative) => {
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
        let tentative = |address: &Address| address.flags.contains(AddressFlags::Tentative);
        faults.extend(before.addresses.iter().filter(|former| !tentative(former)).filter_map(|former| {
            let now = up.get(&(former.interface.as_str(), former.net.addr())).filter(|now| tentative(now))?;
            Some(format!("{} is not usable yet: it is being checked for duplicates", now.net))
        }));
        let defaults = |snapshot: &Snapshot| -> BTreeSet<String> {
            snapshot.routes.iter().filter(|route| is_default(route)).map(|route| snapshot.describe(route)).collect()
        };
        faults.extend(
            defaults(before).difference(&defaults(self)).map(|lost| format!("the default route {lost} was lost")),
        );
        let preferred = |ip: &IpAddr| {
            expect.up.iter().any(|alias| alias.preferred && alias.address.addr().is_ipv6() == ip.is_ipv6())
        };
        let gone = |way: &Way| way.2.is_some_and(|source| expect.gone.iter().any(|(_, ip)| *ip == source));
        for (target, way) in &before.ways {
            // IPv6 addresses added as preferred may become the source: that was asked for.
            let chosen = target.is_ipv6() && preferred(target);
            let now = self.ways.get(target);
            if let (Some(way), false) = (way, chosen) {
                if now != Some(&Some(way.clone())) && !gone(way) {
                    let now = now.cloned().flatten().map_or_else(|| "none".to_owned(), |way| describe_way(&way));
                    faults.push(format!("the way to {target} changed from {} to {now}", describe_way(way)));
                }
            }
        }
        for link in before.links.values().filter(|link| link.up) {
            match self.links.values().find(|now| now.name == link.name) {
                Some(now) if now.up && (now.carrier || !link.carrier) => {}
                _ => faults.push(format!("the interface {} is down", link.name)),
            }
        }
        (faults, hopeless)
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
            let temporary = address.net.addr().is_ipv6() && address.flags.contains(AddressFlags::Secondary);
            !temporary
                && !kept.contains(&(address.interface.clone(), address.net))
                && !gone.contains(&(address.interface.as_str(), address.net.addr()))
                && !replaced.contains(&address.net.addr())
        })
    }

    fn describe(&self, route: &RouteMessage) -> String {
        let device = oif(route).and_then(|index| self.links.get(&index)).map_or("?", |link| link.name.as_str());
        let metric = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Priority(metric) => Some(*metric),
            _ => None,
        });
        let via = gateway(route).map(|ip| format!("via {ip} ")).unwrap_or_default();
        format!("{via}dev {device} metric {}", metric.unwrap_or(0))
    }
}

pub(super) fn link(message: LinkMessage) -> Option<(u32, Link)> {
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let flags = message.header.flags;
    Some((
        message.header.index,
        Link { name, up: flags.contains(LinkFlags::Up), carrier: flags.contains(LinkFlags::LowerUp) },
    ))
}

pub(super) fn address(message: AddressMessage, links: &BTreeMap<u32, Link>) -> Option<Address> {
    let interface = links.get(&message.header.index)?.name.clone();
    let mut ip = None;
    let mut label = None;
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            // IFA_LOCAL is the own address; IFA_ADDRESS is the peer's on point-to-point links (rtnetlink(7)).
            AddressAttribute::Local(local) => ip = Some(*local),
            AddressAttribute::Address(address) => ip = ip.or(Some(*address)),
            AddressAttribute::Label(text) => label = Some(text.clone()),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let loopback_or_link = matches!(message.header.scope, AddressScope::Host | AddressScope::Link);
    let net = IpNet::new(ip?, message.header.prefix_len).ok()?;
    let label = label.filter(|label| *label != interface);
    Some(Address { interface, net, label, flags, loopback_or_link, message })
}

pub(super) fn oif(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        RouteAttribute::MultiPath(hops) => hops.first().map(|hop| hop.interface_index),
        _ => None,
    })
}

pub(super) fn gateway(route: &RouteMessage) -> Option<IpAddr> {
    let of = |attributes: &[RouteAttribute]| {
        attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(address) => ip_of(address),
            _ => None,
        })
    };
    of(&route.attributes).or_else(|| {
        route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::MultiPath(hops) => hops.first().and_then(|hop| of(&hop.attributes)),
            _ => None,
        })
    })
}

fn destination(route: &RouteMessage) -> String {
    let to = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip_of(address),
        _ => None,
    });
    to.map_or_else(|| "default".to_owned(), |ip| format!("{ip}/{}", route.header.destination_prefix_length))
}

pub(super) fn route_key(route: &RouteMessage) -> (u8, String, Option<IpAddr>, Option<u32>) {
    (u8::from(route.header.address_family), destination(route), gateway(route), oif(route))
}

pub(super) fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0
}

pub(super) fn is_kernels(route: &RouteMessage) -> bool {
    matches!(route.header.protocol, RouteProtocol::Kernel | RouteProtocol::Ra)
}

pub(super) fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

fn describe_way((interface, gateway, source): &Way) -> String {
    let via = gateway.map(|ip| format!("via {ip} ")).unwrap_or_default();
    let from = source.map(|ip| format!(" from {ip}")).unwrap_or_default();
    format!("{via}dev {interface}{from}")
}
