//! The only place that asks the kernel: what is up, what a change did to everything else, and how to put that back.
//!
//! A [`Snapshot`] is taken before a change; afterwards the new one must show the addresses of the plan and nothing else
//! lost: former addresses, default routes, the source address of outgoing packets, link state (V1 to V5). Duplicate
//! address detection takes 1 to 2 s (RFC 4862 5.4), so verification waits.
//! Leaves out: files (V6 is `proof`, run again on the disk), and every system but Linux.

mod netlink;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType};
use nix::errno::Errno;

use crate::alias::{Alias, host_prefix};
use crate::backend::{Situation, UpAddress};
use crate::error::Result;
use netlink::{How, Netlink};

/// How often the kernel is asked while something is awaited.
const POLL: Duration = Duration::from_millis(100);

/// Public addresses to which a route is looked up (no packet is sent): is the way out the same as before?
const ABROAD: [&str; 2] = ["9.9.9.9", "2620:fe::fe"];

/// The main routing table.
const MAIN_TABLE: u8 = 254;

/// A link of the running system.
#[derive(Debug, Clone)]
struct Link {
    name: String,
    up: bool,
    carrier: bool,
}

/// An address that is up.
#[derive(Debug, Clone)]
struct Address {
    interface: String,
    net: IpNet,
    label: Option<String>,
    flags: AddressFlags,
    loopback_or_link: bool,
    /// As the kernel told it, to be able to put it back exactly.
    message: AddressMessage,
}

/// The running system's network at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    links: BTreeMap<u32, Link>,
    addresses: Vec<Address>,
    routes: Vec<RouteMessage>,
    /// The way that a packet to each of these would take.
    ways: BTreeMap<IpAddr, Option<Way>>,
}

/// Interface, next hop and source address of outgoing packets.
type Way = (String, Option<IpAddr>, Option<IpAddr>);

/// What has to hold after a change.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// Addresses that are to be up.
    pub up: Vec<Alias>,
    /// Addresses that are to be gone: interface and address.
    pub gone: Vec<(String, IpAddr)>,
}

/// The kernel, through one socket.
pub struct Live {
    netlink: Netlink,
}

impl Live {
    /// Opens the socket.
    pub fn open() -> Result<Live> {
        Ok(Live { netlink: Netlink::open()? })
    }

    /// Everything that verification compares.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let links: BTreeMap<u32, Link> = self.netlink.links()?.into_iter().filter_map(link).collect();
        let addresses: Vec<Address> =
            self.netlink.addresses()?.into_iter().filter_map(|message| address(message, &links)).collect();
        let mut routes = self.netlink.routes()?;
        routes.retain(|route| route.header.table == MAIN_TABLE && route.header.kind == RouteType::Unicast);
        let mut targets: BTreeSet<IpAddr> =
            routes.iter().filter(|route| is_default(route)).filter_map(gateway).collect();
        targets.extend(ABROAD.iter().filter_map(|text| text.parse::<IpAddr>().ok()));
        targets.extend(ssh_session().map(|(peer, _)| peer));
        let ways = targets.into_iter().map(|target| Ok((target, self.way(target, &links)?))).collect::<Result<_>>()?;
        Ok(Snapshot { links, addresses, routes, ways })
    }

    fn way(&self, target: IpAddr, links: &BTreeMap<u32, Link>) -> Result<Option<Way>> {
        let Some(route) = self.netlink.route_to(target)? else { return Ok(None) };
        let interface =
            oif(&route).and_then(|index| links.get(&index)).map(|link| link.name.clone()).unwrap_or_default();
        let source = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::PrefSource(source) => ip_of(source),
            _ => None,
        });
        Ok(Some((interface, gateway(&route), source)))
    }

    /// Brings addresses up, all in one go; those that are there already are left as they are.
    pub fn add(&self, aliases: &[Alias]) -> Result<()> {
        self.put(aliases, How::Create)
    }

    /// Takes the preference off IPv6 addresses that came up preferred although the plan says otherwise: the primary stays
    /// the source of outgoing packets.
    pub fn deprecate(&self, aliases: &[Alias]) -> Result<()> {
        let now = self.snapshot()?;
        let wrong = |alias: &&Alias| {
            let v6 = alias.address.addr().is_ipv6() && !alias.preferred;
            v6 && now
                .find(alias.interface.as_str(), alias.address.addr())
                .is_some_and(|found| !found.flags.contains(AddressFlags::Deprecated))
        };
        let wrong: Vec<Alias> = aliases.iter().filter(wrong).cloned().collect();
        self.put(&wrong, How::Replace)
    }

    fn put(&self, aliases: &[Alias], how: How) -> Result<()> {
        if aliases.is_empty() {
            return Ok(());
        }
        let index = self.indices()?;
        let messages = aliases.iter().map(|alias| {
            let name = alias.interface.as_str();
            let index = index.get(name).with_context(|| format!("there is no interface {name}"))?;
            Ok(new_address(alias, *index))
        });
        let answers = self.netlink.change_addresses(messages.collect::<Result<_>>()?, how)?;
        for (alias, answer) in aliases.iter().zip(answers) {
            match answer {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => {
                    return Err(errno).with_context(|| format!("adding {} to {}", alias.address, alias.interface));
                }
            }
        }
        Ok(())
    }

    /// Takes addresses down, whatever prefix they are up with; those that are not there are no error.
    pub fn delete<'a>(&self, gone: impl IntoIterator<Item = (&'a str, IpAddr)>) -> Result<()> {
        let gone: BTreeSet<(&str, IpAddr)> = gone.into_iter().collect();
        if gone.is_empty() {
            return Ok(());
        }
        let links: BTreeMap<u32, Link> = self.netlink.links()?.into_iter().filter_map(link).collect();
        let up = self.netlink.addresses()?.into_iter().filter_map(|message| address(message, &links));
        let up: Vec<Address> = up.filter(|up| gone.contains(&(up.interface.as_str(), up.net.addr()))).collect();
        let answers = self.netlink.change_addresses(up.iter().map(|up| up.message.clone()).collect(), How::Delete)?;
        for (up, answer) in up.iter().zip(answers) {
            match answer {
                // With promote_secondaries=0 a secondary may have gone with the address before it.
                Ok(()) | Err(Errno::EADDRNOTAVAIL) => {}
                Err(errno) => return Err(errno).with_context(|| format!("taking {} off {}", up.net, up.interface)),
            }
        }
        Ok(())
    }

    /// Waits until the expectation holds and nothing else is lost, for at most `limit`; what is wrong then, if anything.
    pub fn verify(&self, before: &Snapshot, expect: &Expectation, limit: Duration) -> Result<Vec<String>> {
        let began = Instant::now();
        loop {
            let now = self.snapshot()?;
            let faults = now.faults(before, expect);
            let hopeless = expect.up.iter().any(|alias| now.dad_failed(alias));
            if faults.is_empty() || hopeless || began.elapsed() >= limit {
                return Ok(faults);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Puts back addresses and routes of `before` that are gone, and takes off addresses that were not there and that
    /// `expect` wanted up. Other new addresses are left alone: somebody else may have added them meanwhile.
    pub fn restore(&self, before: &Snapshot, expect: &Expectation) -> Result<()> {
        let new = expect.up.iter().map(|alias| (alias.interface.as_str(), alias.address.addr()));
        self.delete(new.filter(|(interface, ip)| before.find(interface, *ip).is_none()))?;
        self.put_back(before, |_| true)
    }

    /// Puts back what a full restart took although no file has it: addresses and routes of others.
    pub fn put_back_foreign(&self, before: &Snapshot, expect: &Expectation) -> Result<Vec<String>> {
        let now = self.snapshot()?;
        let lost: Vec<String> = before.lost_addresses(&now, expect).map(|lost| lost.net.to_string()).collect();
        self.put_back(before, |lost| !expect.gone.contains(&(lost.interface.clone(), lost.net.addr())))?;
        Ok(lost)
    }

    fn put_back(&self, before: &Snapshot, wanted: impl Fn(&Address) -> bool) -> Result<()> {
        let now = self.snapshot()?;
        let all = Expectation::default();
        let lost = before.lost_addresses(&now, &all).filter(|lost| wanted(lost));
        let answers = self.netlink.change_addresses(lost.map(|lost| lost.message.clone()).collect(), How::Create)?;
        answers
            .into_iter()
            .filter_map(Result::err)
            .for_each(|errno| tracing::warn!("putting an address back: {errno}"));
        let kept: BTreeSet<_> = now.routes.iter().map(route_key).collect();
        let lost = before.routes.iter().filter(|route| !kept.contains(&route_key(route)) && !is_kernels(route));
        let lost = lost.map(|route| {
            let mut route = route.clone();
            // The kernel reports states here that it does not accept (rtnetlink(7)); `onlink` is a wish and stays.
            route.header.flags &= RouteFlags::Onlink;
            route
        });
        let answers = self.netlink.add_routes(lost.collect())?;
        answers.into_iter().filter_map(Result::err).for_each(|errno| tracing::warn!("putting a route back: {errno}"));
        Ok(())
    }

    fn indices(&self) -> Result<BTreeMap<String, u32>> {
        Ok(self.netlink.links()?.into_iter().filter_map(link).map(|(index, link)| (link.name, index)).collect())
    }
}

impl Snapshot {
    /// What backends are told about the running system.
    pub fn situation(&self) -> Situation {
        let up = |address: &Address| UpAddress {
            interface: address.interface.clone(),
            address: address.net,
            label: address.label.clone(),
        };
        Situation { up: self.addresses.iter().filter(|address| !address.loopback_or_link).map(up).collect() }
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

    /// An interface other than `interface` on which `ip` is up.
    pub fn other_interface(&self, ip: IpAddr, interface: &str) -> Option<&str> {
        let other = self.addresses.iter().find(|address| address.net.addr() == ip && address.interface != interface);
        other.map(|address| address.interface.as_str())
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

    fn find(&self, interface: &str, ip: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.interface == interface && address.net.addr() == ip)
    }

    fn dad_failed(&self, alias: &Alias) -> bool {
        let found = self.find(alias.interface.as_str(), alias.address.addr());
        found.is_some_and(|found| found.flags.contains(AddressFlags::Dadfailed))
    }

    /// What is wrong, as sentences: V1 to V5.
    fn faults(&self, before: &Snapshot, expect: &Expectation) -> Vec<String> {
        let mut faults = Vec::new();
        let up: BTreeMap<(&str, IpAddr), &Address> =
            self.addresses.iter().map(|address| ((address.interface.as_str(), address.net.addr()), address)).collect();
        for alias in &expect.up {
            let ip = alias.address.addr();
            match up.get(&(alias.interface.as_str(), ip)) {
                None => faults.push(format!("{ip} is not up on {}", alias.interface)),
                Some(found) if found.flags.contains(AddressFlags::Dadfailed) => {
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
        faults
    }

    /// Addresses of this snapshot that `now` lacks and that were not to go. Temporary IPv6 addresses (RFC 8981) come and
    /// go by themselves.
    fn lost_addresses<'a>(&'a self, now: &Snapshot, expect: &'a Expectation) -> impl Iterator<Item = &'a Address> {
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

/// The peer and the local address of the SSH session that ipalias runs in, if it does. `sudo` drops the variable, so the
/// environments of the ancestors are asked, too.
pub fn ssh_session() -> Option<(IpAddr, IpAddr)> {
    let parse = |value: &str| {
        let words: Vec<&str> = value.split_whitespace().collect();
        match words.as_slice() {
            [peer, _, local, _] => Some((peer.parse().ok()?, local.parse().ok()?)),
            _ => None,
        }
    };
    if let Ok(value) = std::env::var("SSH_CONNECTION") {
        return parse(&value);
    }
    let mut process = std::os::unix::process::parent_id();
    for _ in 0..16 {
        let environment = fs_err::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let variable = environment.split(|b| *b == 0).find_map(|pair| pair.strip_prefix(b"SSH_CONNECTION="));
        if let Some(found) = variable.and_then(|value| parse(&String::from_utf8_lossy(value))) {
            return Some(found);
        }
        let status = fs_err::read_to_string(format!("/proc/{process}/status")).ok()?;
        process = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))?
            .trim()
            .parse()
            .ok()
            .filter(|parent| *parent > 1)?;
    }
    None
}

fn link(message: netlink_packet_route::link::LinkMessage) -> Option<(u32, Link)> {
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

fn address(message: AddressMessage, links: &BTreeMap<u32, Link>) -> Option<Address> {
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

fn new_address(alias: &Alias, index: u32) -> AddressMessage {
    let ip = alias.address.addr();
    let mut message = AddressMessage::default();
    message.header.family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = alias.address.prefix_len();
    message.header.index = index;
    message.header.scope = AddressScope::Universe;
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    if let IpAddr::V4(_) = ip {
        if let (true, IpAddr::V4(all)) = (alias.address.prefix_len() + 1 < host_prefix(ip), alias.address.broadcast()) {
            message.attributes.push(AddressAttribute::Broadcast(all));
        }
        if let Some(label) = &alias.label {
            message.attributes.push(AddressAttribute::Label(label.to_string()));
        }
    } else if !alias.preferred {
        let mut lifetimes = CacheInfo::default();
        (lifetimes.ifa_preferred, lifetimes.ifa_valid) = (0, u32::MAX);
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    message
}

fn oif(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        RouteAttribute::MultiPath(hops) => hops.first().map(|hop| hop.interface_index),
        _ => None,
    })
}

fn gateway(route: &RouteMessage) -> Option<IpAddr> {
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

fn route_key(route: &RouteMessage) -> (u8, String, Option<IpAddr>, Option<u32>) {
    (u8::from(route.header.address_family), destination(route), gateway(route), oif(route))
}

fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0
}

fn is_kernels(route: &RouteMessage) -> bool {
    matches!(route.header.protocol, RouteProtocol::Kernel | RouteProtocol::Ra)
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
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
