//! Messages of rtnetlink(7): a fixed header, which differs between links, addresses and routes, and attributes behind it.
//!
//! A message is kept as the bytes that the kernel sent, so that what is put back is the very thing that was lost, the
//! attributes of newer kernels included. Nothing here trusts a length: what is cut off has no more attributes.

use std::net::IpAddr;

use nix::libc;

/// A link: `struct ifinfomsg` and attributes (`IFLA_`).
pub(super) type LinkMessage = Message<16>;

/// An address: `struct ifaddrmsg` and attributes (`IFA_`).
pub(in crate::live) type AddressMessage = Message<8>;

/// A route: `struct rtmsg` and attributes (`RTA_`).
pub(in crate::live) type RouteMessage = Message<12>;

/// Bits of an attribute's type that say how it is encoded: nested, in network byte order (`NLA_TYPE_MASK`).
const ENCODING: u16 = 0xc000;

/// Bytes of `struct rtnexthop`, which attributes follow.
const HOP: usize = 8;

/// A message: `HEADER` bytes that all of its kind have, and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::live) struct Message<const HEADER: usize> {
    header: [u8; HEADER],
    attributes: Vec<u8>,
}

impl<const HEADER: usize> Message<HEADER> {
    /// A message whose header is zero and that has no attribute.
    pub(super) fn new() -> Message<HEADER> {
        Message { header: [0; HEADER], attributes: Vec::new() }
    }

    /// The message in these bytes; nothing if they are too few.
    pub(super) fn parse(bytes: &[u8]) -> Option<Message<HEADER>> {
        let (header, attributes) = bytes.split_first_chunk()?;
        Some(Message { header: *header, attributes: attributes.to_vec() })
    }

    /// Appends the message to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.attributes);
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        HEADER + self.attributes.len()
    }

    /// The same message with one more attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Message<HEADER> {
        self.attributes.extend((value.len() as u16 + 4).to_ne_bytes());
        self.attributes.extend(kind.to_ne_bytes());
        self.attributes.extend_from_slice(value);
        self.attributes.resize(self.attributes.len().next_multiple_of(4), 0);
        self
    }

    /// The value of the first attribute of this kind.
    fn attribute(&self, kind: u16) -> Option<&[u8]> {
        attribute(&self.attributes, kind)
    }

    fn number(&self, kind: u16) -> Option<u32> {
        self.attribute(kind).and_then(number)
    }

    fn ip(&self, kind: u16) -> Option<IpAddr> {
        self.attribute(kind).and_then(ip)
    }

    fn text(&self, kind: u16) -> Option<String> {
        self.attribute(kind).map(text)
    }

    fn byte(&self, at: usize) -> u8 {
        self.header.get(at).copied().unwrap_or_default()
    }

    fn word(&self, at: usize) -> u32 {
        self.header.get(at..).and_then(number).unwrap_or_default()
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        self.header.iter_mut().skip(at).zip(bytes).for_each(|(byte, new)| *byte = *new);
    }
}

impl LinkMessage {
    /// The request to put the link of this index up.
    pub(super) fn put_up(index: u32) -> LinkMessage {
        let mut message = LinkMessage::new();
        let up = (libc::IFF_UP as u32).to_ne_bytes();
        message.set(4, &index.to_ne_bytes());
        message.set(8, &up);
        message.set(12, &up);
        message
    }

    /// Its index.
    pub(super) fn index(&self) -> u32 {
        self.word(4)
    }

    /// Its name.
    pub(super) fn name(&self) -> Option<String> {
        self.text(libc::IFLA_IFNAME)
    }

    /// Whether it has this flag (netdevice(7)).
    pub(super) fn has(&self, flag: libc::c_int) -> bool {
        self.word(8) & flag as u32 != 0
    }

    /// Its hardware address, if it is an Ethernet link.
    pub(super) fn mac(&self) -> Option<[u8; 6]> {
        let [_, _, low, high, ..] = self.header;
        let is_ethernet = u16::from_ne_bytes([low, high]) == libc::ARPHRD_ETHER;
        self.attribute(libc::IFLA_ADDRESS).filter(|_| is_ethernet)?.try_into().ok()
    }
}

impl AddressMessage {
    /// The address `ip` with a prefix of `bits` on the link of this index.
    pub(super) fn of(ip: IpAddr, bits: u8, index: u32) -> AddressMessage {
        let mut message = AddressMessage::new();
        message.set(0, &[family(ip), bits]);
        message.set(4, &index.to_ne_bytes());
        let octets = octets(ip);
        message.with(libc::IFA_LOCAL, &octets).with(libc::IFA_ADDRESS, &octets)
    }

    /// The same address with lifetimes in seconds (`struct ifa_cacheinfo`).
    pub(super) fn with_lifetimes(self, preferred: u32, valid: u32) -> AddressMessage {
        let stamps = [0; 8];
        let value = [preferred.to_ne_bytes().as_slice(), &valid.to_ne_bytes(), &stamps].concat();
        self.with(libc::IFA_CACHEINFO, &value)
    }

    /// The index of its link.
    pub(super) fn index(&self) -> u32 {
        self.word(4)
    }

    /// Bits of its prefix.
    pub(super) fn prefix(&self) -> u8 {
        self.byte(1)
    }

    /// Whether it counts on its link or its host only.
    pub(super) fn is_local(&self) -> bool {
        [libc::RT_SCOPE_HOST, libc::RT_SCOPE_LINK].contains(&self.byte(3))
    }

    /// The own address: `IFA_ADDRESS` is the peer's on point-to-point links (rtnetlink(7)), where `IFA_LOCAL` is there, too.
    pub(super) fn own(&self) -> Option<IpAddr> {
        self.ip(libc::IFA_LOCAL).or_else(|| self.ip(libc::IFA_ADDRESS))
    }

    /// Its label.
    pub(super) fn label(&self) -> Option<String> {
        self.text(libc::IFA_LABEL)
    }

    /// Whether it has this flag (`IFA_F_`). There are more than the header has room for.
    pub(super) fn has(&self, flag: u32) -> bool {
        let flags = self.number(libc::IFA_FLAGS).unwrap_or_else(|| u32::from(self.byte(2)));
        flags & flag != 0
    }
}

impl RouteMessage {
    /// The request for all routes of a family (`AF_`).
    pub(super) fn all(family: libc::c_int) -> RouteMessage {
        let mut message = RouteMessage::new();
        message.set(0, &[family as u8]);
        message
    }

    /// The request for the route that a packet to `target` would take.
    pub(super) fn to(target: IpAddr) -> RouteMessage {
        let octets = octets(target);
        let mut message = RouteMessage::new();
        message.set(0, &[family(target), octets.len() as u8 * 8]);
        message.with(libc::RTA_DST, &octets)
    }

    /// The same route as a request. The kernel reports states in its flags that it does not accept (rtnetlink(7)); `onlink` is
    /// a wish and stays.
    pub(super) fn again(&self) -> RouteMessage {
        let mut message = self.clone();
        message.set(8, &(self.word(8) & ONLINK).to_ne_bytes());
        message
    }

    /// Whether it is one of the main table to other hosts.
    pub(super) fn is_main(&self) -> bool {
        (self.byte(4), self.byte(7)) == (libc::RT_TABLE_MAIN, libc::RTN_UNICAST)
    }

    /// Whether it is one of IPv6.
    pub(super) fn is_ipv6(&self) -> bool {
        self.byte(0) == libc::AF_INET6 as u8
    }

    /// Where it leads to, and bits of the prefix of that; nothing for the default route.
    pub(super) fn destination(&self) -> Option<(IpAddr, u8)> {
        let bits = self.byte(1);
        self.ip(libc::RTA_DST).filter(|_| bits > 0).map(|ip| (ip, bits))
    }

    /// Who made it (`RTPROT_`).
    pub(super) fn protocol(&self) -> u8 {
        self.byte(5)
    }

    /// Whether its gateway counts as reachable whatever the addresses say.
    pub(super) fn is_onlink(&self) -> bool {
        self.word(8) & ONLINK != 0
    }

    /// Its metric.
    pub(super) fn metric(&self) -> u32 {
        self.number(libc::RTA_PRIORITY).unwrap_or_default()
    }

    /// The source address that it says.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.ip(libc::RTA_PREFSRC)
    }

    /// The index of its link; of the first hop's where there are several.
    pub(super) fn oif(&self) -> Option<u32> {
        self.number(libc::RTA_OIF).or_else(|| number(self.attribute(libc::RTA_MULTIPATH)?.get(4..HOP)?))
    }

    /// Its gateway; the first hop's where there are several.
    pub(super) fn gateway(&self) -> Option<IpAddr> {
        self.ip(libc::RTA_GATEWAY).or_else(|| {
            let hops = self.attribute(libc::RTA_MULTIPATH)?;
            let length = u16::from_ne_bytes(*hops.first_chunk()?);
            attribute(hops.get(HOP..usize::from(length))?, libc::RTA_GATEWAY).and_then(ip)
        })
    }
}

/// `RTNH_F_ONLINK`.
const ONLINK: u32 = 4;

/// The value of the first attribute of this kind.
fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let [a, b, c, d] = *bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = bytes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) & !ENCODING == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A name ends at its first NUL.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn family(ip: IpAddr) -> u8 {
    (if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// As the kernel sends it: by bytes, and back.
    fn sent<const HEADER: usize>(message: &Message<HEADER>) -> Message<HEADER> {
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        assert_eq!(bytes.len(), message.len());
        Message::parse(&bytes).unwrap()
    }

    #[test]
    fn an_address_as_it_goes_to_the_kernel() {
        let message = AddressMessage::of(ip("192.0.2.7"), 32, 0x0102).with(libc::IFA_LABEL, b"eth0:7\0");
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        let header = [2, 32, 0, 0, 2, 1, 0, 0];
        let local = [8, 0, 2, 0, 192, 0, 2, 7];
        let address = [8, 0, 1, 0, 192, 0, 2, 7];
        let label = [11, 0, 3, 0, b'e', b't', b'h', b'0', b':', b'7', 0, 0];
        if cfg!(target_endian = "little") {
            assert_eq!(bytes, [header.as_slice(), &local, &address, &label].concat());
        }
        let read = sent(&message);
        assert_eq!((read.own(), read.prefix(), read.index()), (Some(ip("192.0.2.7")), 32, 0x0102));
        assert_eq!((read.label().as_deref(), read.is_local()), (Some("eth0:7"), false));
    }

    #[test]
    fn an_address_with_a_peer_and_more_flags_than_the_header_has() {
        let peer =
            AddressMessage::new().with(libc::IFA_ADDRESS, &[192, 0, 2, 1]).with(libc::IFA_LOCAL, &[192, 0, 2, 2]);
        assert_eq!(peer.own(), Some(ip("192.0.2.2")));
        let flags = libc::IFA_F_NOPREFIXROUTE | libc::IFA_F_PERMANENT;
        let mut message = AddressMessage::new();
        message.set(2, &[libc::IFA_F_TENTATIVE as u8]);
        assert!(message.has(libc::IFA_F_TENTATIVE) && !message.has(libc::IFA_F_PERMANENT));
        let message = message.with(libc::IFA_FLAGS, &flags.to_ne_bytes());
        assert!(message.has(libc::IFA_F_NOPREFIXROUTE) && !message.has(libc::IFA_F_TENTATIVE));
    }

    #[test]
    fn a_route_with_several_hops() {
        let inner = RouteMessage::new().with(libc::RTA_GATEWAY, &[192, 0, 2, 1]).attributes;
        let hop = |index: u32| {
            let length = (HOP + inner.len()) as u16;
            [length.to_ne_bytes().as_slice(), &[0, 0], &index.to_ne_bytes(), &inner].concat()
        };
        // The kernel marks what is nested.
        let message = RouteMessage::new().with(libc::RTA_MULTIPATH | 0x8000, &[hop(7), hop(8)].concat());
        let read = sent(&message);
        assert_eq!((read.oif(), read.gateway(), read.destination()), (Some(7), Some(ip("192.0.2.1")), None));
    }

    #[test]
    fn a_route_put_back_keeps_all_but_the_states() {
        let mut message =
            RouteMessage::to(ip("2001:db8::5")).with(libc::RTA_PRIORITY, &9u32.to_ne_bytes()).with(99, b"new");
        message.set(8, &(ONLINK | 0x10).to_ne_bytes());
        let again = message.again();
        assert_eq!((again.word(8), &again.attributes), (ONLINK, &message.attributes));
        assert_eq!((again.metric(), again.destination()), (9, Some((ip("2001:db8::5"), 128))));
    }

    #[test]
    fn what_is_cut_off_ends_there() {
        let whole = AddressMessage::of(ip("2001:db8::5"), 128, 3).with_lifetimes(0, u32::MAX);
        let mut bytes = Vec::new();
        whole.write(&mut bytes);
        for length in 0..bytes.len() {
            let Some(cut) = AddressMessage::parse(&bytes[..length]) else {
                assert!(length < 8);
                continue;
            };
            assert_eq!(cut.own().is_some(), length >= 28, "{length}");
        }
        // A length that is smaller than its own field.
        let mut message = AddressMessage::new();
        message.attributes = [3u16.to_ne_bytes(), 2u16.to_ne_bytes()].concat();
        assert_eq!(message.own(), None);
    }
}
