//! The values that matter in a `.network` file, read as networkd reads them.
//!
//! Follows `config_parse_address()` and its neighbours, measured with systemd 247, 252 and 257; what changed between
//! them hangs on the version. Leaves out every key that does not decide whether an address is configured.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::alias::{MOST_NAME_BYTES, host_prefix, with_prefix};

/// `parse_boolean()`: nothing for what is neither.
pub fn boolean(value: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        Some(true)
    } else if is(&["0", "no", "n", "false", "f", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// `A/PREFIX` or `A`; the latter gets the prefix of its class (IPv6: 0) up to systemd 252, one host's since 257.
pub fn address(value: &[u8], version: u32) -> Option<IpNet> {
    let text = std::str::from_utf8(value).ok()?;
    let Some((ip, prefix)) = text.split_once('/') else {
        let ip: IpAddr = text.parse().ok()?;
        let prefix = if version >= PREFIX_IS_ONE_HOST { host_prefix(ip) } else { class_prefix(ip)? };
        return with_prefix(ip, prefix);
    };
    with_prefix(ip.parse().ok()?, u8::try_from(unsigned(prefix)?).ok()?)
}

/// The first version that takes an address without a prefix for a single host.
const PREFIX_IS_ONE_HOST: u32 = 257;

/// The prefix that RFC 791 gave the class of an address; networkd does the like for IPv6, with nothing at all.
fn class_prefix(ip: IpAddr) -> Option<u8> {
    match ip {
        IpAddr::V6(_) => Some(0),
        IpAddr::V4(ip) => match ip.octets() {
            [0..=127, ..] => Some(8),
            [128..=191, ..] => Some(16),
            [192..=223, ..] => Some(24),
            _ => None,
        },
    }
}

/// `safe_atou()`: blanks and a plus before it, and the bases of C.
fn unsigned(text: &str) -> Option<u32> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits =
        |text: &str, base| if text.starts_with(['+', '-']) { None } else { u32::from_str_radix(text, base).ok() };
    match text.get(..2).unwrap_or_default() {
        "0x" | "0X" => digits(text.get(2..)?, 16),
        "0b" | "0B" => digits(text.get(2..)?, 2),
        "0o" | "0O" => digits(text.get(2..)?, 8),
        _ if text.len() > 1 && text.starts_with('0') => digits(text, 8),
        _ => digits(text, 10),
    }
}

/// Whether the kernel and `address_label_valid()` take `value`: at most 15 printable ASCII characters.
pub fn is_label(value: &[u8]) -> bool {
    value.len() <= MOST_NAME_BYTES && value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether `value` may stand behind `key` in an `[Address]` section whose address is of the family `is_ipv4` (nothing:
/// not known yet). One bad value costs the whole section. `Address`, `Peer` and `Label` are not judged here.
pub fn is_sound(key: &[u8], value: &[u8], is_ipv4: Option<bool>, version: u32) -> bool {
    // An empty value takes back what was said before: `Broadcast=` since 248 or so, the others since 257 or a little
    // earlier; 252 still drops the section.
    let reset = value.is_empty() && version > 252;
    match key {
        b"Broadcast" if version <= 247 => ipv4(value).is_some() && is_ipv4 != Some(false),
        b"Broadcast" => {
            let address = || ipv4(value).is_some_and(|ip| !ip.is_unspecified()) && is_ipv4 != Some(false);
            value.is_empty() || boolean(value).is_some() || address()
        }
        b"PreferredLifetime" => matches!(value, b"" | b"0" | b"forever" | b"infinity"),
        b"HomeAddress" | b"ManageTemporaryAddress" | b"PrefixRoute" | b"AddPrefixRoute" | b"AutoJoin" => {
            reset || boolean(value).is_some()
        }
        b"DuplicateAddressDetection" => {
            reset || boolean(value).is_some() || matches!(value, b"both" | b"none" | b"ipv4" | b"ipv6")
        }
        b"Scope" => match value {
            b"global" | b"link" | b"host" => true,
            b"site" | b"nowhere" => version > 247,
            _ => reset || std::str::from_utf8(value).ok().and_then(unsigned).is_some_and(|scope| scope <= 255),
        },
        b"RouteMetric" => version <= 247 || std::str::from_utf8(value).ok().and_then(unsigned).is_some(),
        b"NFTSet" => version < 255 || value.split(u8::is_ascii_whitespace).filter(|set| !set.is_empty()).all(is_set),
        _ => true,
    }
}

/// Whether an IPv4 address stands in a `Broadcast=` that fixes the family of its section.
pub fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// `source:family:table:set` of nftables.
fn is_set(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
    match parts.as_slice() {
        [source, family, table, set] => {
            matches!(*source, b"address" | b"prefix" | b"ifindex")
                && matches!(*family, b"arp" | b"bridge" | b"inet" | b"ip" | b"ip6" | b"netdev")
                && !table.is_empty()
                && !set.is_empty()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, version: u32) -> Option<String> {
        address(value.as_bytes(), version).map(|net| net.to_string())
    }

    #[test]
    fn addresses_as_the_daemon_reads_them() {
        for version in [247, 252, 257] {
            for (value, net) in [
                ("203.0.113.5/32", Some("203.0.113.5/32")),
                ("203.0.113.2/032", Some("203.0.113.2/26")),
                ("203.0.113.6/+32", Some("203.0.113.6/32")),
                ("203.0.113.8/ 32", Some("203.0.113.8/32")),
                ("203.0.113.11/0x20", Some("203.0.113.11/32")),
                ("203.0.113.10/0", Some("203.0.113.10/0")),
                ("::ffff:203.0.113.7/128", Some("::ffff:203.0.113.7/128")),
                ("203.0.113.1 /32", None),
                ("203.0.113.3/255.255.255.255", None),
                ("203.0.113.04/32", None),
                ("203.0.113.5/33", None),
                ("203.0.113.5/-1", None),
                ("203.0.113.5/+-1", None),
                ("203.0.113.5/", None),
                ("2001:db8::1/129", None),
                ("[2001:db8::2]/64", None),
                ("2001:db8::3%eth0/64", None),
                ("\"203.0.113.14/32\"", None),
                ("203.0.113.12/32 203.0.113.13/32", None),
                ("", None),
            ] {
                assert_eq!(shown(value, version).as_deref(), net, "{value} on {version}");
            }
        }
    }

    #[test]
    fn a_missing_prefix_is_the_class_of_old_and_one_host_of_late() {
        for (value, old, late) in [
            ("10.9.9.9", Some("10.9.9.9/8"), "10.9.9.9/32"),
            ("172.16.0.1", Some("172.16.0.1/16"), "172.16.0.1/32"),
            ("203.0.113.6", Some("203.0.113.6/24"), "203.0.113.6/32"),
            ("224.0.0.1", None, "224.0.0.1/32"),
            ("2001:db8::4", Some("2001:db8::4/0"), "2001:db8::4/128"),
        ] {
            assert_eq!(shown(value, 252).as_deref(), old);
            assert_eq!(shown(value, 257).as_deref(), Some(late));
        }
    }

    #[test]
    fn values_that_cost_the_section() {
        let sound = |line: &str, version| {
            let (key, value) = line.split_once('=').unwrap();
            is_sound(key.as_bytes(), value.as_bytes(), Some(true), version)
        };
        for (line, on_247, on_252, on_257) in [
            ("Broadcast=", false, true, true),
            ("Broadcast=no", false, true, true),
            ("Broadcast=0.0.0.0", true, false, false),
            ("Broadcast=203.0.113.255", true, true, true),
            ("Broadcast=garbage", false, false, false),
            ("PreferredLifetime=0", true, true, true),
            ("PreferredLifetime=", true, true, true),
            ("PreferredLifetime=00", false, false, false),
            ("PreferredLifetime=5", false, false, false),
            ("Scope=", false, false, true),
            ("Scope=link", true, true, true),
            ("Scope=site", false, true, true),
            ("Scope=Global", false, false, false),
            ("Scope=200", true, true, true),
            ("Scope=256", false, false, false),
            ("AddPrefixRoute=", false, false, true),
            ("AddPrefixRoute=maybe", false, false, false),
            ("DuplicateAddressDetection=ipv4", true, true, true),
            ("DuplicateAddressDetection=YES", true, true, true),
            ("DuplicateAddressDetection=", false, false, true),
            ("RouteMetric=", true, false, false),
            ("RouteMetric=-5", true, false, false),
            ("RouteMetric=0x5", true, true, true),
            ("NFTSet=garbage", true, true, false),
            ("NFTSet=address:inet:filter:mine", true, true, true),
            ("NetLabel=", true, true, true),
            ("Foo=bar", true, true, true),
        ] {
            assert_eq!([sound(line, 247), sound(line, 252), sound(line, 257)], [on_247, on_252, on_257], "{line}");
        }
        assert!(!is_sound(b"Broadcast", b"203.0.113.255", Some(false), 252), "IPv6 has no broadcast");
    }

    #[test]
    fn labels() {
        for good in ["eth0:1", "foo bar", "fifteen-bytes-x", "#"] {
            assert!(is_label(good.as_bytes()), "{good}");
        }
        for bad in ["sixteen-bytes-xx", "failover1 # optional", "m\u{fc}ller"] {
            assert!(!is_label(bad.as_bytes()), "{bad}");
        }
    }
}
