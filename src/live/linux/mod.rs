//! Linux: links, addresses and routes through rtnetlink(7), read and changed.

mod frame;
mod netlink;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context as _;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType};
use nix::errno::Errno;

use super::mend::{Mend, MendRoutes};
use super::{Address, Link, Route, State, Way};
use crate::alias::{Alias, host_prefix};
use crate::error::Result;
use netlink::{How, Netlink};
use wire::Wire;

/// Addresses and routes are changed here directly.
pub(super) const CHANGES: bool = true;

/// An address as the kernel told it.
pub(super) type RawAddress = AddressMessage;

/// A route as the kernel told it.
pub(super) type RawRoute = RouteMessage;

/// The main routing table.
const MAIN_TABLE: u8 = 254;

/// The kernel, through one socket.
pub(super) struct Kernel {
    netlink: Netlink,
}

impl Kernel {
    pub(super) fn open() -> Result<Kernel> {
        Ok(Kernel { netlink: Netlink::open()? })
    }

    /// Every link, address and unicast route of the main table.
    pub(super) fn look(&self) -> Result<(Vec<Link>, Vec<Address>, Vec<Route>)> {
        let links = self.links()?;
        let addresses = self.netlink.addresses()?.into_iter().filter_map(|message| address(message, &links)).collect();
        let routes = self.netlink.routes()?;
        let main = |route: &RouteMessage| route.header.table == MAIN_TABLE && route.header.kind == RouteType::Unicast;
        let routes = routes.into_iter().filter(main).map(|message| route(message, &links)).collect();
        Ok((links.into_values().collect(), addresses, routes))
    }

    /// The way that a packet to `target` would take.
    pub(super) fn way(&self, target: IpAddr, _addresses: &[Address]) -> Result<Option<Way>> {
        let Some(route) = self.netlink.route_to(target)? else { return Ok(None) };
        let links = self.links()?;
        let interface =
            oif(&route).and_then(|index| links.get(&index)).map(|link| link.name.clone()).unwrap_or_default();
        let source = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::PrefSource(source) => ip_of(source),
            _ => None,
        });
        Ok(Some((interface, gateway(&route), source)))
    }

    /// Linux has files for everything.
    pub(super) fn record(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Brings addresses up; `replace` changes those that are there, otherwise they are left alone.
    pub(super) fn add(&self, aliases: &[Alias], replace: bool) -> Result<()> {
        let indices: BTreeMap<String, u32> =
            self.links()?.into_iter().map(|(index, link)| (link.name, index)).collect();
        let messages = aliases.iter().map(|alias| {
            let name = alias.interface.as_str();
            let index = indices.get(name).with_context(|| format!("there is no interface {name}"))?;
            Ok(new_address(alias, *index))
        });
        let how = if replace { How::Replace } else { How::Create };
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

    /// Takes addresses down, those that are there.
    pub(super) fn delete(&self, gone: &BTreeSet<(&str, IpAddr)>) -> Result<()> {
        let links = self.links()?;
        let up = self.netlink.addresses()?.into_iter().filter_map(|message| address(message, &links));
        let up: Vec<Address> = up.filter(|up| gone.contains(&(up.interface.as_str(), up.net.addr()))).collect();
        let answers = self.netlink.change_addresses(up.iter().map(|up| up.raw.clone()).collect(), How::Delete)?;
        for (up, answer) in up.iter().zip(answers) {
            match answer {
                // With promote_secondaries=0 a secondary may have gone with the address before it.
                Ok(()) | Err(Errno::EADDRNOTAVAIL) => {}
                Err(errno) => return Err(errno).with_context(|| format!("taking {} off {}", up.net, up.interface)),
            }
        }
        let host = |(name, ip): &(&str, IpAddr)| ((*name).to_owned(), IpNet::from(*ip));
        let subnets = up.iter().map(|up| (up.interface.clone(), up.net.trunc())).chain(gone.iter().map(host)).collect();
        self.delete_orphans(&subnets)
    }

    /// Takes away the routes to `subnets` of IPv6 addresses that are gone, where no other address of the interface has the
    /// subnet. The kernel does that for its own routes; those that a manager made (NetworkManager does, and takes addresses
    /// away itself at a restart) would stay, and a failover address be unreachable from here once another server has it.
    fn delete_orphans(&self, subnets: &BTreeSet<(String, IpNet)>) -> Result<()> {
        if !subnets.iter().any(|(_, net)| net.addr().is_ipv6()) {
            return Ok(());
        }
        let (_, addresses, routes) = self.look()?;
        let held: BTreeSet<_> =
            addresses.iter().map(|address| (address.interface.clone(), address.net.trunc())).collect();
        let to: BTreeSet<(&str, String)> =
            subnets.difference(&held).map(|(name, net)| (name.as_str(), net.to_string())).collect();
        let orphan = |route: &&Route| {
            let interface = route.interface.as_deref().unwrap_or_default();
            let by_kernel = route.raw.header.protocol == RouteProtocol::Kernel && route.gateway.is_none();
            route.is_ipv6 && by_kernel && to.contains(&(interface, route.to.clone()))
        };
        let orphans = routes.iter().filter(orphan).map(|route| route.raw.clone()).collect();
        for answer in self.netlink.delete_routes(orphans)? {
            match answer {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno).context("deleting the route of an address that is gone"),
            }
        }
        Ok(())
    }

    /// Puts links and addresses back as they were; what the kernel does not take is only logged, since the verification
    /// shows whether it matters.
    pub(super) fn mend(&self, mend: &Mend<'_>) -> Result<()> {
        let log = |what: &str, answers: Vec<std::result::Result<(), Errno>>| {
            answers.into_iter().filter_map(Result::err).for_each(|errno| tracing::warn!("{what}: {errno}"));
        };
        let links = self.netlink.links()?.into_iter().filter(|message| {
            let name = link(message.clone()).map(|(_, link)| link.name);
            name.is_some_and(|name| mend.links.contains(&name.as_str()))
        });
        log("putting a link up", self.netlink.put_up(links.map(|message| message.header.index).collect())?);
        let raw = |addresses: &[&Address]| addresses.iter().map(|address| address.raw.clone()).collect::<Vec<_>>();
        let answers = self.netlink.change_addresses(raw(&mend.gone), How::Delete)?;
        // A secondary may have gone with the address before it.
        log(
            "taking an address off",
            answers.into_iter().filter(|answer| *answer != Err(Errno::EADDRNOTAVAIL)).collect(),
        );
        let answers = self.netlink.change_addresses(raw(&mend.back), How::Create)?;
        log("putting an address back", answers.into_iter().filter(|answer| *answer != Err(Errno::EEXIST)).collect());
        log("preferring an address", self.netlink.change_addresses(raw(&mend.preferred), How::Replace)?);
        Ok(())
    }

    /// Puts routes back as they were; what the kernel does not take is only logged.
    pub(super) fn mend_routes(&self, mend: &MendRoutes<'_>) -> Result<()> {
        self.netlink.delete_routes(mend.gone.iter().map(|route| route.raw.clone()).collect())?;
        let lost = mend.back.iter().map(|route| {
            let mut route = route.raw.clone();
            // The kernel reports states here that it does not accept (rtnetlink(7)); `onlink` is a wish and stays.
            route.header.flags &= RouteFlags::Onlink;
            route
        });
        let answers = self.netlink.add_routes(lost.collect())?;
        answers.into_iter().filter_map(Result::err).for_each(|errno| tracing::warn!("putting a route back: {errno}"));
        Ok(())
    }

    /// Which of `wanted` a neighbour on the link has, and its hardware address. Only Ethernet is asked.
    pub(super) fn in_use(&self, interface: &str, wanted: &BTreeSet<IpAddr>) -> Result<BTreeMap<IpAddr, String>> {
        let Some(wire) = self.wire(interface)? else { return Ok(BTreeMap::new()) };
        let (v4, v6): (BTreeSet<_>, BTreeSet<_>) = wanted.iter().partition(|ip| ip.is_ipv4());
        // Both families at once: each waits for its answers.
        let (v4, v6) = std::thread::scope(|scope| {
            let other = scope.spawn(|| wire.in_use(&v6));
            (wire.in_use(&v4), other.join())
        });
        let v6 = v6.map_err(|_| anyhow::anyhow!("asking the link failed"))?;
        let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        Ok(v4?.into_iter().chain(v6?).map(|(ip, mac)| (ip, text(mac))).collect())
    }

    /// Tells the neighbours on the link that `addresses` are here.
    pub(super) fn announce(&self, interface: &str, addresses: &BTreeSet<IpAddr>) -> Result<()> {
        self.wire(interface)?.map_or(Ok(()), |wire| wire.announce(addresses))
    }

    /// The link of this name, if it is an Ethernet one that is up and has neighbours.
    fn wire(&self, interface: &str) -> Result<Option<Wire>> {
        let found = self.netlink.links()?.into_iter().find_map(|message| {
            let (header, mut mac, mut name) = (message.header, None, None);
            for attribute in message.attributes {
                match attribute {
                    LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes).ok(),
                    LinkAttribute::IfName(text) => name = Some(text),
                    _ => {}
                }
            }
            let usable = header.link_layer_type == LinkLayerType::Ether
                && header.flags.contains(LinkFlags::LowerUp)
                && !header.flags.contains(LinkFlags::Noarp);
            (usable && name.as_deref() == Some(interface)).then_some(Wire::new(header.index, mac?))
        });
        Ok(found)
    }

    fn links(&self) -> Result<BTreeMap<u32, Link>> {
        Ok(self.netlink.links()?.into_iter().filter_map(link).collect())
    }
}

fn new_address(alias: &Alias, index: u32) -> AddressMessage {
    let ip = alias.address.addr();
    let mut message = AddressMessage::default();
    message.header.family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = alias.address.prefix_len();
    message.header.index = index;
    message.header.scope = AddressScope::Universe;
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    if ip.is_ipv4() {
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

fn link(message: LinkMessage) -> Option<(u32, Link)> {
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
    let state = State {
        permanent: flags.contains(AddressFlags::Permanent),
        secondary: flags.contains(AddressFlags::Secondary),
        tentative: flags.contains(AddressFlags::Tentative),
        duplicate: flags.contains(AddressFlags::Dadfailed),
        deprecated: flags.contains(AddressFlags::Deprecated),
        without_route: flags.contains(AddressFlags::Noprefixroute),
    };
    let loopback_or_link = matches!(message.header.scope, AddressScope::Host | AddressScope::Link);
    let net = IpNet::new(ip?, message.header.prefix_len).ok()?;
    let label = label.filter(|label| *label != interface);
    Some(Address { interface, net, label, state, loopback_or_link, raw: message })
}

fn route(message: RouteMessage, links: &BTreeMap<u32, Link>) -> Route {
    let header = &message.header;
    let metric = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    let managed = [RouteProtocol::Kernel, RouteProtocol::Static, RouteProtocol::Ra, RouteProtocol::Dhcp];
    Route {
        interface: oif(&message).and_then(|index| links.get(&index)).map(|link| link.name.clone()),
        to: destination(&message),
        gateway: gateway(&message),
        is_ipv6: header.address_family == AddressFamily::Inet6,
        metric: metric.unwrap_or(0),
        source: message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::PrefSource(source) => ip_of(source),
            _ => None,
        }),
        onlink: header.flags.contains(RouteFlags::Onlink),
        by_hand: !managed.contains(&header.protocol),
        is_kernels: matches!(header.protocol, RouteProtocol::Kernel | RouteProtocol::Ra),
        raw: message,
    }
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
    let bits = route.header.destination_prefix_length;
    let to = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip_of(address),
        _ => None,
    });
    to.filter(|_| bits > 0).map_or_else(|| "default".to_owned(), |ip| format!("{ip}/{bits}"))
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}
