//! Linux: links, addresses and routes through rtnetlink(7), read and changed.

mod frame;
mod message;
mod netlink;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context as _;
use ipnet::IpNet;
use nix::errno::Errno;
use nix::libc;

use super::mend::{Mend, MendRoutes};
use super::{Address, Link, Route, State, Way};
use crate::alias::{Alias, host_prefix};
use crate::error::Result;
use message::{AddressMessage, LinkMessage, RouteMessage};
use netlink::{Answer, How, Netlink};
use wire::Wire;

/// Addresses and routes are changed here directly.
pub(super) const CHANGES: bool = true;

/// An address as the kernel told it.
pub(super) type RawAddress = AddressMessage;

/// A route as the kernel told it.
pub(super) type RawRoute = RouteMessage;

/// Who made a route, where libc has no name for it (linux/rtnetlink.h): router advertisements, DHCP.
const RTPROT_RA: u8 = 9;
const RTPROT_DHCP: u8 = 16;

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
        let routes = routes.into_iter().filter(RouteMessage::is_main).map(|message| route(message, &links)).collect();
        Ok((links.into_values().collect(), addresses, routes))
    }

    /// The way that a packet to `target` would take.
    pub(super) fn way(&self, target: IpAddr, _addresses: &[Address]) -> Result<Option<Way>> {
        let Some(route) = self.netlink.route_to(target)? else { return Ok(None) };
        let links = self.links()?;
        let interface = route.oif().and_then(|index| links.get(&index)).map(|link| link.name.clone());
        Ok(Some((interface.unwrap_or_default(), route.gateway(), route.source())))
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
        let answers = self.netlink.change_addresses(&messages.collect::<Result<Vec<_>>>()?, how)?;
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
        let answers = self.netlink.change_addresses(up.iter().map(|up| &up.raw), How::Delete)?;
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
            let by_kernel = route.raw.protocol() == libc::RTPROT_KERNEL && route.gateway.is_none();
            route.is_ipv6 && by_kernel && to.contains(&(interface, route.to.clone()))
        };
        for answer in self.netlink.delete_routes(routes.iter().filter(orphan).map(|route| &route.raw))? {
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
        let log = |what: &str, answers: Vec<Answer>| {
            answers.into_iter().filter_map(Result::err).for_each(|errno| tracing::warn!("{what}: {errno}"));
        };
        let links = self.links()?;
        let down = links.iter().filter(|(_, link)| mend.links.contains(&link.name.as_str()));
        log("putting a link up", self.netlink.put_up(down.map(|(index, _)| *index))?);
        let change = |addresses: &[&Address], how: How| {
            self.netlink.change_addresses(addresses.iter().map(|address| &address.raw), how)
        };
        let answers = change(&mend.gone, How::Delete)?;
        // A secondary may have gone with the address before it.
        log(
            "taking an address off",
            answers.into_iter().filter(|answer| *answer != Err(Errno::EADDRNOTAVAIL)).collect(),
        );
        let answers = change(&mend.back, How::Create)?;
        log("putting an address back", answers.into_iter().filter(|answer| *answer != Err(Errno::EEXIST)).collect());
        log("preferring an address", change(&mend.preferred, How::Replace)?);
        Ok(())
    }

    /// Puts routes back as they were; what the kernel does not take is only logged.
    pub(super) fn mend_routes(&self, mend: &MendRoutes<'_>) -> Result<()> {
        self.netlink.delete_routes(mend.gone.iter().map(|route| &route.raw))?;
        let lost: Vec<RouteMessage> = mend.back.iter().map(|route| route.raw.again()).collect();
        let answers = self.netlink.add_routes(&lost)?;
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
            let usable = message.has(libc::IFF_LOWER_UP) && !message.has(libc::IFF_NOARP);
            let mac = message.mac().filter(|_| usable && message.name().as_deref() == Some(interface))?;
            Some(Wire::new(message.index(), mac))
        });
        Ok(found)
    }

    fn links(&self) -> Result<BTreeMap<u32, Link>> {
        Ok(self.netlink.links()?.into_iter().filter_map(link).collect())
    }
}

fn new_address(alias: &Alias, index: u32) -> AddressMessage {
    let (ip, bits) = (alias.address.addr(), alias.address.prefix_len());
    let mut message = AddressMessage::of(ip, bits, index);
    if ip.is_ipv4() {
        if let (true, IpAddr::V4(all)) = (bits + 1 < host_prefix(ip), alias.address.broadcast()) {
            message = message.with(libc::IFA_BROADCAST, &all.octets());
        }
        if let Some(label) = &alias.label {
            message = message.with(libc::IFA_LABEL, format!("{label}\0").as_bytes());
        }
    } else if !alias.preferred {
        message = message.with_lifetimes(0, u32::MAX);
    }
    message
}

fn link(message: LinkMessage) -> Option<(u32, Link)> {
    let (up, carrier) = (message.has(libc::IFF_UP), message.has(libc::IFF_LOWER_UP));
    Some((message.index(), Link { name: message.name()?, up, carrier }))
}

fn address(message: AddressMessage, links: &BTreeMap<u32, Link>) -> Option<Address> {
    let interface = links.get(&message.index())?.name.clone();
    let state = State {
        permanent: message.has(libc::IFA_F_PERMANENT),
        secondary: message.has(libc::IFA_F_SECONDARY),
        tentative: message.has(libc::IFA_F_TENTATIVE),
        duplicate: message.has(libc::IFA_F_DADFAILED),
        deprecated: message.has(libc::IFA_F_DEPRECATED),
        without_route: message.has(libc::IFA_F_NOPREFIXROUTE),
    };
    let net = IpNet::new(message.own()?, message.prefix()).ok()?;
    let label = message.label().filter(|label| *label != interface);
    Some(Address { interface, net, label, state, loopback_or_link: message.is_local(), raw: message })
}

fn route(message: RouteMessage, links: &BTreeMap<u32, Link>) -> Route {
    let protocol = message.protocol();
    Route {
        interface: message.oif().and_then(|index| links.get(&index)).map(|link| link.name.clone()),
        to: message.destination().map_or_else(|| "default".to_owned(), |(ip, bits)| format!("{ip}/{bits}")),
        gateway: message.gateway(),
        is_ipv6: message.is_ipv6(),
        metric: message.metric(),
        source: message.source(),
        onlink: message.is_onlink(),
        by_hand: ![libc::RTPROT_KERNEL, libc::RTPROT_STATIC, RTPROT_RA, RTPROT_DHCP].contains(&protocol),
        is_kernels: [libc::RTPROT_KERNEL, RTPROT_RA].contains(&protocol),
        raw: message,
    }
}
