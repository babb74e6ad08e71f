//! The way out where the routing table is not read: the source address that a connected UDP socket gets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::{Address, Way};

/// The way that a packet to `target` would take: its source address and the interface that has it, without the next hop.
/// Connecting a UDP socket sends no packet. Nothing if there is no way.
pub(super) fn by_source(target: IpAddr, addresses: &[Address]) -> Option<Way> {
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let connected = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((target, 53))?;
        socket.local_addr()
    });
    let source = connected.ok()?.ip();
    let interface = addresses.iter().find(|address| address.net.addr() == source);
    Some((interface.map(|found| found.interface.clone()).unwrap_or_default(), None, Some(source)))
}

/// Whether `ip` counts on its link only (RFC 4291 2.5.6).
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
