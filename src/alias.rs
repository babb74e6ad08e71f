//! What may be asked for: addresses with their prefix, interface names and labels, and the arithmetic of netmasks.
//!
//! Rules: RFC 4291 and RFC 6890 for what an address may be, ip-address(8) for labels, the kernel's `dev_valid_name`
//! and `IFNAMSIZ` for interface names. How a system spells any of it belongs to its backend.

mod mistake;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::error::{Kind, Refusal};

/// Addresses one command may name; more is a mistake in a range or block.
pub const MOST_ADDRESSES: usize = 65_536;

/// Bytes in an interface name or label, without the terminating NUL (`IFNAMSIZ` - 1).
pub const MOST_NAME_BYTES: usize = 15;

/// The name of a network interface that ipalias is willing to write into files and command lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(String);

impl IfName {
    /// Takes `[A-Za-z0-9][A-Za-z0-9._-]*` of at most 15 bytes. The kernel allows more (`-x`, `$(id)`), but such a name
    /// would be an option or code in somebody's script.
    pub fn new(name: &str) -> Result<IfName, Refusal> {
        match name_fault(name, ".-_") {
            None => Ok(IfName(name.to_owned())),
            Some(fault) => Err(Refusal::new(
                Kind::Unacceptable,
                format!("{name:?} cannot be used as an interface name: {fault}"),
                "interface names are at most 15 letters, digits, dots, hyphens and underscores",
            )),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The label of an IPv4 address (ip-address(8)): `eth0:1`, or a free word where the system allows one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// Takes `[A-Za-z0-9][A-Za-z0-9._:-]*` of at most 15 bytes.
    pub fn new(label: &str) -> Result<Label, Refusal> {
        match name_fault(label, ".-_:") {
            None => Ok(Label(label.to_owned())),
            Some(fault) => Err(Refusal::new(
                Kind::Usage,
                format!("{label:?} cannot be used as a label: {fault}"),
                "labels are at most 15 letters, digits, dots, colons, hyphens and underscores, such as eth0:1",
            )),
        }
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What is wrong with `name`, whose punctuation may be one of `marks`.
fn name_fault(name: &str, marks: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    match name.chars().next() {
        None => Some("it is empty".to_owned()),
        Some(first) if !first.is_ascii_alphanumeric() => Some("it must begin with a letter or digit".to_owned()),
        Some(_) => match name.chars().find(|c| !allowed(*c)) {
            Some(odd) => Some(format!("it contains {odd:?}")),
            None if name.len() > MOST_NAME_BYTES => {
                Some(format!("it has {} bytes, and {MOST_NAME_BYTES} is the most", name.len()))
            }
            None => None,
        },
    }
}

/// The wish: an address with its prefix, on an interface, perhaps with a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The interface that gets the address.
    pub interface: IfName,
    /// The address with its prefix length; host bits are kept.
    pub address: IpNet,
    /// The label, if one was asked for.
    pub label: Option<Label>,
    /// IPv6: whether the kernel may choose it as a source address. `false` writes a preferred lifetime of 0 where the
    /// system can say so, which keeps the primary as the source (RFC 6724 rule 3).
    pub preferred: bool,
}

/// One ADDRESS argument: `A`, `A/PREFIX`, or a range `A-B` of single addresses.
pub fn parse_addresses(text: &str) -> Result<Vec<IpNet>, Refusal> {
    let text = text.trim();
    match text.split_once('-') {
        Some((first, last)) => match (ip(first), ip(last)) {
            (Some(first), Some(last)) => range(text, first, last),
            _ => Err(mistake::in_range(text, first, last)),
        },
        None => Ok(vec![parse_address(text)?]),
    }
}

/// What is left of consecutive `nets` without those that `out` names, as ADDRESS arguments: single addresses and ranges.
pub fn without(nets: &[IpNet], out: impl Fn(IpAddr) -> bool) -> Vec<String> {
    let runs = nets.split(|net| out(net.addr())).filter_map(|run| run.first().zip(run.last()));
    let argument = |(first, last): (&IpNet, &IpNet)| match first == last {
        true => first.addr().to_string(),
        false => format!("{}-{}", first.addr(), last.addr()),
    };
    runs.map(argument).collect()
}

/// `A` or `A/PREFIX`; without a prefix /32 for IPv4 and /128 for IPv6. Refuses what no host can have.
pub fn parse_address(text: &str) -> Result<IpNet, Refusal> {
    // What is more than an address is judged as a whole.
    let is_one = !text.contains([',', ';', ' ']) && !text.contains("://");
    let (ip, prefix) = match text.split_once('/').filter(|_| is_one) {
        Some((ip, prefix)) => (parse_ip(ip)?, Some(parse_prefix(text, prefix)?)),
        None => (parse_ip(text)?, None),
    };
    let bits = prefix.unwrap_or(host_prefix(ip));
    let net = with_prefix(ip, bits).ok_or_else(|| mistake::long_prefix(ip, bits))?;
    acceptable(net)?;
    Ok(net)
}

/// `--block CIDR`: every address of the block, each with a host prefix. The first and the last are addresses like any
/// other here, since hosters sell and route blocks whole.
pub fn parse_block(text: &str) -> Result<Vec<IpNet>, Refusal> {
    let Some((ip, prefix)) = text.trim().split_once('/') else {
        let hint = "write --block 203.0.113.8/29 for a block, and a single address without --block";
        return Err(Refusal::new(Kind::Usage, format!("the block {:?} has no prefix", text.trim()), hint));
    };
    let (ip, bits) = (parse_ip(ip)?, parse_prefix(text, prefix)?);
    let net = with_prefix(ip, bits).ok_or_else(|| mistake::long_prefix(ip, bits))?;
    if net.addr() != net.network() {
        let reason = format!("{net} is an address inside the block {}", net.trunc());
        let hint = format!("for the whole block write --block {}, for the one address {ip}", net.trunc());
        return Err(Refusal::new(Kind::Usage, reason, hint));
    }
    range(text, net.network(), net.broadcast())
}

fn range(text: &str, first: IpAddr, last: IpAddr) -> Result<Vec<IpNet>, Refusal> {
    let all = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a <= b => u128::from(u32::from(b) - u32::from(a)),
        (IpAddr::V6(a), IpAddr::V6(b)) if a <= b => u128::from(b) - u128::from(a),
        (first, last) if first.is_ipv4() == last.is_ipv4() => {
            let reason = format!("the range {text:?} does not go from a lower to a higher address");
            return Err(Refusal::new(Kind::Usage, reason, format!("write it as {last}-{first}")));
        }
        _ => return Err(usage(text, "the ends of a range are addresses of one family")),
    };
    if all >= MOST_ADDRESSES as u128 {
        let reason = format!("{:?} has more than {MOST_ADDRESSES} addresses", text.trim());
        return Err(Refusal::new(Kind::Usage, reason, "name a part of it: one call takes no more than that"));
    }
    (0..=all)
        .map(|step| {
            let ip = match first {
                IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from(u32::from(a) + step as u32)),
                IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) + step)),
            };
            let net = IpNet::from(ip);
            acceptable(net).map(|()| net)
        })
        .collect()
}

/// The standard library, unlike inet_aton(3), takes neither leading zeros nor short forms: both mean different things to
/// different consumers.
fn ip(text: &str) -> Option<IpAddr> {
    IpAddr::from_str(text.trim()).ok()
}

fn parse_ip(text: &str) -> Result<IpAddr, Refusal> {
    ip(text).ok_or_else(|| mistake::in_address(text.trim()))
}

fn parse_prefix(whole: &str, text: &str) -> Result<u8, Refusal> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(prefix) if plain => Ok(prefix),
        _ => match (text.parse().ok().and_then(netmask_to_prefix), plain) {
            (Some(prefix), false) => Ok(prefix),
            _ => Err(usage(whole, "the prefix must be a number of bits, such as /32 or /64")),
        },
    }
}

fn usage(text: &str, reason: &str) -> Refusal {
    Refusal::new(Kind::Usage, format!("{:?}: {reason}", text.trim()), mistake::FORMS)
}

/// Refuses addresses that cannot be a host's own: unspecified, loopback, multicast, reserved, IPv4-mapped, and the
/// network or broadcast address of their own prefix.
fn acceptable(net: IpNet) -> Result<(), Refusal> {
    let what = match net.addr() {
        ip if ip.is_unspecified() => "the unspecified address",
        ip if ip.is_loopback() => "a loopback address",
        ip if ip.is_multicast() => "a multicast address",
        IpAddr::V4(v4) if v4.is_broadcast() => "the limited broadcast address",
        IpAddr::V4(v4) if v4.octets()[0] == 0 => "an address of \"this network\" (0.0.0.0/8)",
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => match netmask_to_prefix(v4) {
            Some(bits) => return Err(mistake::netmask(v4, bits)),
            None => "a reserved address (240.0.0.0/4)",
        },
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4-mapped address",
        _ if net.prefix_len() == 0 => "an address whose prefix covers everything",
        ip if net.prefix_len() + 1 < net.max_prefix_len() && ip == net.network() => {
            return Err(Refusal::new(
                Kind::Unacceptable,
                format!("{net} is the network address of its own prefix"),
                format!("to add the single address, write {}", IpNet::from(net.addr())),
            ));
        }
        IpAddr::V4(v4) if net.prefix_len() < 31 && IpAddr::V4(v4) == net.broadcast() => {
            return Err(Refusal::new(
                Kind::Unacceptable,
                format!("{net} is the broadcast address of its own prefix"),
                format!("to add the single address, write {}", IpNet::from(net.addr())),
            ));
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(
        Kind::Unacceptable,
        format!("{} is {what}", net.addr()),
        "name the additional unicast address that your hoster routes to this server",
    ))
}

/// `ip` with a prefix of `bits`, or nothing if it is longer than the address.
pub fn with_prefix(ip: IpAddr, bits: u8) -> Option<IpNet> {
    IpNet::new(ip, bits).ok()
}

/// The prefix length that covers one address: 32 or 128.
pub fn host_prefix(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The prefix length of a contiguous netmask, or nothing for a mask with holes.
pub fn netmask_to_prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    (bits.leading_ones() == bits.count_ones()).then_some(bits.leading_ones() as u8)
}

/// The dotted netmask of an IPv4 prefix length; lengths over 32 count as 32.
pub fn prefix_to_netmask(bits: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0))
}

/// The lowest numbers not in `taken`, in ascending order, from `start`.
pub fn lowest_free(taken: &BTreeSet<u32>, start: u32) -> impl Iterator<Item = u32> {
    (start..).filter(move |n| !taken.contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_range() {
        let range = parse_addresses("203.0.113.8-203.0.113.15").unwrap();
        let out = |gone: &[u8]| {
            let gone: Vec<IpAddr> = gone.iter().map(|last| IpAddr::from([203, 0, 113, *last])).collect();
            without(&range, |ip| gone.contains(&ip)).join(" ")
        };
        assert_eq!(out(&[10]), "203.0.113.8-203.0.113.9 203.0.113.11-203.0.113.15");
        assert_eq!(out(&[8, 9, 14]), "203.0.113.10-203.0.113.13 203.0.113.15");
        assert_eq!(out(&[8, 9, 10, 11, 12, 13, 14, 15]), "");
    }

    fn kind(text: &str) -> Kind {
        parse_addresses(text).unwrap_err().kind
    }

    #[test]
    fn default_prefix_is_one_host() {
        assert_eq!(parse_address("22.33.44.55").unwrap().to_string(), "22.33.44.55/32");
        assert_eq!(parse_address("2001:DB8:0::5").unwrap().to_string(), "2001:db8::5/128");
        assert_eq!(parse_address("203.0.113.5/255.255.255.0").unwrap().to_string(), "203.0.113.5/24");
    }

    #[test]
    fn not_an_address() {
        for bad in [
            "",
            "300.1.1.1",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/+8",
            "1.2.3.4/08",
            "::1%lo",
            "1.2.3.4/255.0.255.0",
            "2001:db8::5/129",
            "eth0",
            "1.2.3.4 0",
            "1.2.3.9-1.2.3.5",
            "1.2.3.4-2001:db8::1",
            "10.0.0.0-11.0.0.0",
            "1.2.3.4-",
            "1.2.3.4\n",
        ] {
            if bad == "1.2.3.4\n" {
                assert!(parse_addresses(bad).is_ok(), "surrounding blanks are trimmed");
            } else {
                assert_eq!(kind(bad), Kind::Usage, "{bad:?}");
            }
        }
    }

    #[test]
    fn not_a_hosts_own_address() {
        for bad in [
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "0.1.2.3",
            "::",
            "::1",
            "ff02::1",
            "::ffff:1.2.3.4",
            "192.0.2.0/24",
            "192.0.2.255/24",
            "2001:db8::/64",
            "1.2.3.4/0",
        ] {
            assert_eq!(kind(bad), Kind::Unacceptable, "{bad}");
        }
        for good in
            ["192.0.2.0", "192.0.2.255", "192.0.2.0/31", "192.0.2.1/31", "2001:db8::", "2001:db8::/127", "10.1.2.3/8"]
        {
            assert!(parse_address(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn ranges_and_blocks() {
        let block = parse_block("203.0.113.8/30").unwrap();
        assert_eq!(
            block.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["203.0.113.8/32", "203.0.113.9/32", "203.0.113.10/32", "203.0.113.11/32"]
        );
        assert_eq!(parse_addresses("203.0.113.254-203.0.114.1").unwrap().len(), 4);
        assert_eq!(parse_addresses("2001:db8::ffff-2001:db8::1:1").unwrap().len(), 3);
        assert_eq!(parse_block("203.0.113.9/30").unwrap_err().kind, Kind::Usage);
        assert_eq!(parse_block("203.0.113.9").unwrap_err().kind, Kind::Usage);
        assert_eq!(parse_block("10.0.0.0/8").unwrap_err().kind, Kind::Usage);
        assert_eq!(parse_block("2001:db8::/64").unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn netmasks_both_ways() {
        for bits in 0..=32 {
            assert_eq!(netmask_to_prefix(prefix_to_netmask(bits)), Some(bits));
        }
        assert_eq!(netmask_to_prefix(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn names() {
        for good in ["eth0", "enp129s0f1np1", "br-lan", "eth0.100", "0"] {
            assert!(IfName::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-x", ".", "..", "eth0:0", "x;reboot", "$(id)", "ä", "a b", "a/b", "sixteen-bytes-xx", "a\n", "a\0"]
        {
            assert!(IfName::new(bad).is_err(), "{bad:?}");
        }
        assert!(Label::new("eth0:web").is_ok());
        assert!(Label::new("failover1").is_ok());
        for bad in ["failover1 # optional", "enp129s0f1np1:10", "", "a\"b", "`id`", "eth0:\n"] {
            assert_eq!(Label::new(bad).unwrap_err().kind, Kind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn numbering_fills_gaps() {
        let taken = BTreeSet::from([0, 2]);
        assert_eq!(lowest_free(&taken, 0).take(3).collect::<Vec<_>>(), [1, 3, 4]);
    }
}
