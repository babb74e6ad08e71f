//! Ethernet frames that ask whether an address is in use and that tell the neighbours where it is now.
//!
//! IPv4: the probe and the announcement of RFC 5227 (2.1.1, 2.3), the latter also as a reply, since some routers learn from
//! replies only. IPv6: the solicitation of RFC 4862 5.4.2 and the unsolicited advertisement of RFC 4861 7.2.6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub(super) type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;

/// The question whether another host has `ip`, which no cache learns anything from.
pub(super) fn probe(me: Mac, ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => arp(me, REQUEST, Ipv4Addr::UNSPECIFIED, ip),
        IpAddr::V6(ip) => {
            let [.., a, b, c] = ip.octets();
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
            neighbour([0x33, 0x33, 0xff, a, b, c], me, Ipv6Addr::UNSPECIFIED, group, SOLICITATION, 0, ip, &[])
        }
    }
}

/// The news that `ip` is at `me`.
pub(super) fn announcements(me: Mac, ip: IpAddr) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => vec![arp(me, REQUEST, ip, ip), arp(me, REPLY, ip, ip)],
        IpAddr::V6(ip) => {
            let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let target_is_at: Vec<u8> = [2, 1].into_iter().chain(me).collect();
            vec![neighbour([0x33, 0x33, 0, 0, 0, 1], me, ip, all, ADVERTISEMENT, OVERRIDE, ip, &target_is_at)]
        }
    }
}

/// Who says with this frame that it has an address: the sender of any ARP packet, or a neighbour advertisement. Another
/// host's probe or solicitation says so as well, in the way that it wants the same address at this moment.
pub(super) fn claim(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    let source: Mac = frame.get(6..12)?.try_into().ok()?;
    let (kind, rest) = (frame.get(12..14)?, frame.get(14..)?);
    if kind == ARP {
        let [0, 1, 8, 0, 6, 4, 0, _, ref body @ ..] = *rest else { return None };
        let sender: Mac = body.get(..6)?.try_into().ok()?;
        let ip: [u8; 4] = body.get(6..10)?.try_into().ok()?;
        return Some((IpAddr::V4(ip.into()), sender));
    }
    // Extension headers have no place in neighbour discovery (RFC 6980), and it counts only from this link (RFC 4861 7.1).
    if kind != IPV6 || rest.get(6..8)? != [58, 255] || *rest.get(40)? != ADVERTISEMENT {
        return None;
    }
    let target: [u8; 16] = rest.get(48..64)?.try_into().ok()?;
    Some((IpAddr::V6(target.into()), source))
}

fn arp(me: Mac, operation: u8, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = [BROADCAST.as_slice(), &me, &ARP, &[0, 1, 8, 0, 6, 4, 0, operation], &me].concat();
    frame.extend(sender.octets());
    frame.extend(if operation == REPLY { me } else { [0; 6] });
    frame.extend(target.octets());
    frame
}

#[allow(clippy::too_many_arguments, reason = "the fields of one packet, in its order")]
fn neighbour(
    to_mac: Mac,
    me: Mac,
    from: Ipv6Addr,
    to: Ipv6Addr,
    kind: u8,
    flags: u8,
    target: Ipv6Addr,
    option: &[u8],
) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0, flags, 0, 0, 0], target.octets().as_slice(), option].concat();
    let length = (message.len() as u16).to_be_bytes();
    let pseudo = [from.octets().as_slice(), &to.octets(), &[0, 0], &length, &[0, 0, 0, 58], &message].concat();
    let sum = checksum(&pseudo).to_be_bytes();
    message.iter_mut().skip(2).zip(sum).for_each(|(byte, of_sum)| *byte = of_sum);
    let header = [&[0x60, 0, 0, 0], length.as_slice(), &[58, 255], &from.octets(), &to.octets()].concat();
    [to_mac.as_slice(), &me, &IPV6, &header, &message].concat()
}

/// The checksum of the Internet (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| pair.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Mac = [2, 0, 0, 0, 0, 1];

    #[test]
    fn an_announcement_claims_the_address_and_a_probe_claims_nothing() {
        for text in ["203.0.113.5", "2001:db8::5"] {
            let ip: IpAddr = text.parse().unwrap();
            let sent = announcements(ME, ip);
            assert!(!sent.is_empty() && sent.iter().all(|frame| claim(frame) == Some((ip, ME))), "{text}");
            assert_ne!(claim(&probe(ME, ip)).map(|(claimed, _)| claimed), Some(ip));
        }
    }

    #[test]
    fn checksums_hold() {
        // Over a packet with its checksum in place the sum is 0 (RFC 1071).
        let ip: Ipv6Addr = "2001:db8::5".parse().unwrap();
        let frame = announcements(ME, ip.into()).remove(0);
        let pseudo = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58], &frame[54..]].concat();
        assert_eq!((frame.len(), checksum(&pseudo)), (14 + 40 + 32, 0));
    }

    #[test]
    fn what_is_cut_off_or_something_else_claims_nothing() {
        for ip in ["203.0.113.5", "2001:db8::5"] {
            let frame = announcements(ME, ip.parse().unwrap()).remove(0);
            let whole = if frame.len() < 60 { 32 } else { 78 };
            for length in 0..frame.len() {
                assert_eq!(claim(&frame[..length]).is_some(), length >= whole, "{ip} {length}");
            }
            for at in 12..16 {
                let mut other = frame.clone();
                other[at] ^= 0x55;
                assert!(at > 13 && frame.len() > 60 || claim(&other).is_none(), "{ip} {at}");
            }
        }
    }
}
