//! The only place that asks the kernel: what is up, what a change did to everything else, and how to put that back.
//!
//! A [`Snapshot`] is taken before a change; afterwards the new one must show the addresses of the plan and nothing else
//! lost. Duplicate address detection takes 1 to 2 s (RFC 4862 5.4), so verification waits.
//! Leaves out: files (`command::perform` reads those again), and every system but Linux.

mod netlink;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteType};
use nix::errno::Errno;

use crate::alias::{Alias, host_prefix};
use crate::error::Result;
use netlink::{How, Netlink};
use snapshot::{Address, Link, Way, address, gateway, ip_of, is_default, is_kernels, link, oif, route_key};
pub use snapshot::{Expectation, Snapshot};

/// How often the kernel is asked while something is awaited.
const POLL: Duration = Duration::from_millis(100);

/// Public addresses to which a route is looked up (no packet is sent): is the way out the same as before?
const ABROAD: [&str; 2] = ["9.9.9.9", "2620:fe::fe"];

/// The main routing table.
const MAIN_TABLE: u8 = 254;

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
        if !aliases.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
            return Ok(());
        }
        let now = self.snapshot()?;
        let preferred = now.addresses.iter().filter(|address| !address.flags.contains(AddressFlags::Deprecated));
        let preferred: BTreeSet<(&str, IpAddr)> =
            preferred.map(|address| (address.interface.as_str(), address.net.addr())).collect();
        let wrong = aliases.iter().filter(|alias| {
            let ip = alias.address.addr();
            ip.is_ipv6() && !alias.preferred && preferred.contains(&(alias.interface.as_str(), ip))
        });
        let wrong: Vec<Alias> = wrong.cloned().collect();
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
            let (faults, hopeless) = now.faults(before, expect);
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
