//! Every Unix but Linux: addresses by getifaddrs(3), the way out by the source address that a connected UDP socket gets.
//!
//! Nothing is changed here: ifconfig(8) or ipadm(8), which the plan names, do that. Whether an address is being checked for
//! duplicates these calls do not tell. Compiled for every such system, untested on a real host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context as _;
use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

use super::mend::{Mend, MendRoutes};
use super::way::{by_source, is_link_local};
use super::{Address, Link, Route, State, Way};
use crate::alias::{Alias, host_prefix, netmask_to_prefix, with_prefix};
use crate::error::Result;

/// The system's own commands change addresses.
pub(super) const CHANGES: bool = false;

/// getifaddrs(3) tells nothing more.
pub(super) type RawAddress = ();

/// The routing table is not read.
pub(super) type RawRoute = ();

/// The kernel.
pub(super) struct Kernel;

impl Kernel {
    pub(super) fn open() -> Result<Kernel> {
        Ok(Kernel)
    }

    /// The system looks for duplicates itself when it puts an address up (RFC 5227, RFC 4862 5.4).
    pub(super) fn in_use(&self, _interface: &str, _wanted: &BTreeSet<IpAddr>) -> Result<BTreeMap<IpAddr, String>> {
        Ok(BTreeMap::new())
    }

    /// The system tells the neighbours itself when it puts an address up (RFC 5227 2.3).
    pub(super) fn announce(&self, _interface: &str, _addresses: &BTreeSet<IpAddr>) -> Result<()> {
        Ok(())
    }

    /// Every link and address. Solaris calls a logical interface `net0:1`: that is the label of an address of `net0`.
    pub(super) fn look(&self) -> Result<(Vec<Link>, Vec<Address>, Vec<Route>)> {
        let mut links: BTreeMap<String, Link> = BTreeMap::new();
        let mut addresses = Vec::new();
        for found in getifaddrs().context("asking for the addresses that are up")? {
            let name = found.interface_name.split(':').next().unwrap_or_default().to_owned();
            let up = found.flags.contains(InterfaceFlags::IFF_UP);
            let carrier = found.flags.contains(InterfaceFlags::IFF_RUNNING);
            links.entry(name.clone()).or_insert(Link { name, up, carrier });
            addresses.extend(address(&found));
        }
        Ok((links.into_values().collect(), addresses, Vec::new()))
    }

    /// The way that a packet to `target` would take, without its next hop.
    pub(super) fn way(&self, target: IpAddr, addresses: &[Address]) -> Result<Option<Way>> {
        Ok(by_source(target, addresses))
    }

    /// What ipadm has is asked by its command.
    pub(super) fn record(&self) -> Result<Option<String>> {
        Ok(None)
    }

    pub(super) fn add(&self, aliases: &[Alias], _replace: bool) -> Result<()> {
        let first = aliases.first().map(|alias| alias.address.to_string()).unwrap_or_default();
        anyhow::bail!("{first} cannot be put up without the system's own command")
    }

    /// The undo steps of a plan take addresses down.
    pub(super) fn delete(&self, _gone: &BTreeSet<(&str, IpAddr)>) -> Result<()> {
        Ok(())
    }

    /// The undo steps of a plan put addresses back.
    pub(super) fn mend(&self, _mend: &Mend<'_>) -> Result<()> {
        Ok(())
    }

    /// The undo steps of a plan put routes back.
    pub(super) fn mend_routes(&self, _mend: &MendRoutes<'_>) -> Result<()> {
        Ok(())
    }
}

fn address(found: &InterfaceAddress) -> Option<Address> {
    let ip = ip_of(found.address.as_ref()?)?;
    let prefix = found.netmask.as_ref().and_then(ip_of).and_then(|mask| match mask {
        IpAddr::V4(mask) => netmask_to_prefix(mask),
        IpAddr::V6(mask) => Some(u128::from(mask).leading_ones() as u8),
    });
    let (interface, label) = match found.interface_name.split_once(':') {
        Some((interface, _)) => (interface.to_owned(), Some(found.interface_name.clone())),
        None => (found.interface_name.clone(), None),
    };
    let net: IpNet = with_prefix(ip, prefix.unwrap_or_else(|| host_prefix(ip)))?;
    let state = State { permanent: true, ..State::default() };
    Some(Address { interface, net, label, state, loopback_or_link: ip.is_loopback() || is_link_local(ip), raw: () })
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|found| IpAddr::V6(found.ip())))
}
