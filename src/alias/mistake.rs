//! What is wrong with a text that is no address, and what was probably meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{host_prefix, ip};
use crate::error::{Kind, Refusal};

/// What to write, where nothing better is known.
pub(super) const FORMS: &str =
    "write an address as 203.0.113.5, 203.0.113.5/32, 2001:db8::5/128, or a range as 203.0.113.5-203.0.113.9";

/// How interfaces of servers begin, before their number (systemd.net-naming-scheme(7), and the names of the kernels).
const INTERFACES: &[&str] = &[
    "bge", "bond", "br", "bridge", "em", "en", "eth", "igb", "ix", "lo", "net", "team", "tun", "veth", "venet", "vlan",
    "vmbr", "vmx", "vtnet", "wg", "wl", "ww", "xn",
];

/// A clause, and what to do instead if that is known.
type Mistake = (String, Option<String>);

/// The refusal of `text`, which is no address.
pub(super) fn in_address(text: &str) -> Refusal {
    let (what, hint) = find(text);
    let reason = format!("{text:?} is not an IPv4 or IPv6 address: {what}");
    Refusal::new(Kind::Usage, reason, hint.unwrap_or_else(|| FORMS.to_owned()))
}

/// The refusal of `text`, which has a hyphen between `first` and `last` and is no range.
pub(super) fn in_range(text: &str, first: &str, last: &str) -> Refusal {
    let (first, last) = (first.trim(), last.trim());
    let ends = [first, last];
    if let Some(IpAddr::V4(start)) = ip(first) {
        // 203.0.113.5-9, as nmap(1) takes it.
        let [a, b, c, _] = start.octets();
        if let Ok(d) = last.parse::<u8>() {
            let reason = format!("the range {text:?} ends in a number, not in an address");
            return Refusal::new(Kind::Usage, reason, format!("write {first}-{}", Ipv4Addr::new(a, b, c, d)));
        }
    }
    if ends.iter().any(|end| end.contains('/')) {
        let whole = |end: &&str| end.split('/').next().unwrap_or_default().to_owned();
        let plain: Vec<String> = ends.iter().map(whole).collect();
        let reason = format!("the range {text:?} has a prefix: its addresses are single ones");
        return Refusal::new(Kind::Usage, reason, format!("write {}", plain.join("-")));
    }
    match ends.iter().find(|end| ip(end).is_none()) {
        // The name of a host or a file has hyphens, too.
        Some(end) if ends.iter().any(|end| ip(end).is_some()) => in_address(end),
        _ => in_address(text),
    }
}

/// The refusal of a prefix that is longer than the address.
pub(super) fn long_prefix(ip: IpAddr, bits: u8) -> Refusal {
    let (family, most) = (if ip.is_ipv4() { "IPv4" } else { "IPv6" }, host_prefix(ip));
    let reason = format!("{ip}/{bits}: the prefix of an {family} address is {most} at most");
    Refusal::new(Kind::Usage, reason, format!("for the single address write {ip}"))
}

/// The refusal of a netmask in the place of an address.
pub(super) fn netmask(mask: Ipv4Addr, bits: u8) -> Refusal {
    let hint = format!("write it behind the address, as in 203.0.113.5/{bits}, or leave it out");
    Refusal::new(Kind::Unacceptable, format!("{mask} is a netmask, not an address"), hint)
}

fn find(text: &str) -> Mistake {
    let colons = text.matches(':').count();
    if text.is_empty() {
        ("it is empty".to_owned(), None)
    } else if let Some(mistake) = several(text).or_else(|| decorated(text)) {
        mistake
    } else if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        in_v4(text)
    } else if colons >= 2 {
        in_v6(text)
    } else if is_interface(text) {
        let hint =
            format!("name the address, and the interface with -i {}", text.split(':').next().unwrap_or_default());
        ("it looks like an interface".to_owned(), Some(hint))
    } else if is_name(text) {
        let hint = format!("look the address up first: getent ahosts {text}");
        ("it is a name, and ipalias takes addresses only".to_owned(), Some(hint))
    } else {
        ("it has characters that no address has".to_owned(), None)
    }
}

/// Several addresses in one argument.
fn several(text: &str) -> Option<Mistake> {
    let parts: Vec<&str> = text.split([',', ';', ' ', '\t']).filter(|part| !part.is_empty()).collect();
    let all = parts.len() > 1 && parts.iter().all(|part| ip(part.split('/').next().unwrap_or_default()).is_some());
    all.then(|| ("these are several".to_owned(), Some(format!("write each on its own: {}", parts.join(" ")))))
}

/// An address with something around it that does not belong to it.
fn decorated(text: &str) -> Option<Mistake> {
    let write = |what: &str, ip: IpAddr| Some((what.to_owned(), Some(format!("write {ip}"))));
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.split(']').next()).unwrap_or(host);
        let host = host.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(host, |(host, _)| host);
        let hint = (ip(host).is_some() || is_name(host)).then(|| format!("name the address alone: {host}"));
        return Some(("it is a URL".to_owned(), hint));
    }
    if let Some((inner, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return write("brackets and a port do not belong to it", ip(inner)?);
    }
    if let Some((address, zone)) = text.split_once('%') {
        let ip = ip(address)?;
        let hint = is_name(zone).then(|| format!("write {ip} -i {zone}"));
        return Some(("the interface does not belong to it".to_owned(), hint));
    }
    let (address, port) = text.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let ip = ip(address).filter(|ip| ip.is_ipv4() && is_port)?;
    write("a port does not belong to it", ip)
}

/// What is wrong with digits and dots.
fn in_v4(text: &str) -> Mistake {
    let numbers: Vec<&str> = text.split('.').collect();
    if numbers.iter().any(|number| number.is_empty()) {
        return ("there is no number beside one of its dots".to_owned(), None);
    }
    if numbers.len() != 4 {
        let count = if numbers.len() == 1 { "1 number".to_owned() } else { format!("{} numbers", numbers.len()) };
        return (format!("it has {count}, and an IPv4 address has 4"), None);
    }
    if let Some(large) =
        numbers.iter().find(|number| number.trim_start_matches('0').parse::<u32>().is_ok_and(|n| n > 255))
    {
        return (format!("{large} is more than 255"), None);
    }
    let plain: Vec<&str> = numbers.iter().map(|number| number.trim_start_matches('0')).collect();
    let plain: Vec<&str> = plain.iter().map(|number| if number.is_empty() { "0" } else { number }).collect();
    match numbers.iter().find(|number| number.len() > 1 && number.starts_with('0')) {
        Some(odd) => {
            let what = format!("{odd} begins with a zero, which some programs take for octal");
            (what, Some(format!("write {}", plain.join("."))))
        }
        None => ("one of its numbers is more than 255".to_owned(), None),
    }
}

/// What is wrong with a text of several colons (RFC 4291 2.2).
fn in_v6(text: &str) -> Mistake {
    let groups: Vec<&str> = text.split(':').collect();
    let is_pair = |group: &&str| group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit());
    let what = if let Some(odd) = text.chars().find(|c| !c.is_ascii_hexdigit() && !matches!(c, ':' | '.')) {
        format!("{odd:?} is no hexadecimal digit")
    } else if groups.len() == 6 && groups.iter().all(is_pair) {
        "it is a hardware address".to_owned()
    } else if text.contains(":::") {
        "it has three colons in a row".to_owned()
    } else if text.matches("::").count() > 1 {
        "it has two gaps (::), and only one can be filled".to_owned()
    } else if let Some(long) = groups.iter().find(|group| group.len() > 4 && !group.contains('.')) {
        format!("{long} has more than 4 digits")
    } else if text.starts_with(':') != text.starts_with("::") || text.ends_with(':') != text.ends_with("::") {
        "it begins or ends with a single colon".to_owned()
    } else if groups.len() > 8 {
        format!("it has {} groups, and an IPv6 address has 8", groups.iter().filter(|group| !group.is_empty()).count())
    } else if !text.contains("::") {
        format!("it has {} of 8 groups; :: stands for those that are zero", groups.len())
    } else {
        "its end is no IPv4 address".to_owned()
    };
    // Three colons are one too many.
    let meant = text.replace(":::", "::").parse::<Ipv6Addr>().ok();
    (what, meant.map(|ip| format!("if {ip} is meant, write that")))
}

fn is_interface(text: &str) -> bool {
    let device = text.split([':', '.']).next().unwrap_or_default();
    let known =
        |start: &str| device.strip_prefix(start).is_some_and(|rest| rest.contains(|c: char| c.is_ascii_digit()));
    device == "lo" || device.bytes().all(|b| b.is_ascii_alphanumeric()) && INTERFACES.iter().any(|start| known(start))
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.contains(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::super::{parse_addresses, parse_block};

    /// The reason and the hint.
    fn said(text: &str) -> String {
        let refusal = parse_addresses(text).unwrap_err();
        format!("{}\n{}", refusal.reason, refusal.hint)
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("", "it is empty"),
            ("22.33.44.555", "555 is more than 255"),
            ("22.33.44.99999999999", "more than 255"),
            ("22.33.44", "it has 3 numbers, and an IPv4 address has 4"),
            ("22", "it has 1 number,"),
            ("22.33.44.55.66", "it has 5 numbers"),
            ("22.33..55", "no number beside one of its dots"),
            ("22.33.44.055", "write 22.33.44.55"),
            ("22.33.44.00", "write 22.33.44.0"),
            ("22.33.44.55:80", "a port does not belong to it\nwrite 22.33.44.55"),
            ("[2001:db8::5]:443", "write 2001:db8::5"),
            ("[2001:db8::5]", "write 2001:db8::5"),
            ("https://22.33.44.55/x", "name the address alone: 22.33.44.55"),
            ("https://22.33.44.55:8080", "name the address alone: 22.33.44.55"),
            ("https://[2001:db8::5]:8443/", "name the address alone: 2001:db8::5"),
            ("fe80::1%eth0", "write fe80::1 -i eth0"),
            ("22.33.44.55,22.33.44.56/32", "write each on its own: 22.33.44.55 22.33.44.56/32"),
            ("22.33.44.55/33", "the prefix of an IPv4 address is 32 at most\nfor the single address write 22.33.44.55"),
            ("2001:db8::5/129", "the prefix of an IPv6 address is 128 at most"),
            ("255.255.255.0", "is a netmask, not an address\nwrite it behind the address, as in 203.0.113.5/24"),
            ("2001:db8:::5", "three colons in a row\nif 2001:db8::5 is meant"),
            ("2001::db8::5", "two gaps"),
            ("2001:db8:1:2:3:4:5", "it has 7 of 8 groups"),
            ("2001:db8:1:2:3:4:5:6:7", "it has 9 groups"),
            ("2001:db80000::5", "db80000 has more than 4 digits"),
            ("2001:db8::5:", "single colon"),
            ("2001:db8::5g", "'g' is no hexadecimal digit"),
            ("02:00:5e:00:00:10", "hardware address"),
            ("::1.2.3.999", "its end is no IPv4 address"),
            ("eth0", "name the address, and the interface with -i eth0"),
            ("enp3s0f1", "it looks like an interface"),
            ("eth0:1", "-i eth0"),
            ("vmbr0", "it looks like an interface"),
            ("lo", "it looks like an interface"),
            ("www.example.com", "getent ahosts www.example.com"),
            ("my-server.example.com", "\"my-server.example.com\" is not"),
            ("localhost", "it is a name"),
            ("22.33.44.55 $(id)", "characters that no address has"),
            ("22.33.44.8-11", "write 22.33.44.8-22.33.44.11"),
            ("22.33.44.8/29-22.33.44.15", "write 22.33.44.8-22.33.44.15"),
            ("22.33.44.8-22.33.44.355", "\"22.33.44.355\" is not an IPv4 or IPv6 address: 355"),
            ("22.33.44.9-22.33.44.8", "write it as 22.33.44.8-22.33.44.9"),
            ("22.33.44.9-2001:db8::5", "addresses of one family"),
        ] {
            assert!(said(text).contains(words), "{text:?}: {words:?} in {}", said(text));
        }
        let block = parse_block("22.33.44.9/29").unwrap_err();
        assert_eq!(block.hint, "for the whole block write --block 22.33.44.8/29, for the one address 22.33.44.9");
    }

    #[test]
    fn what_is_proposed_can_be_parsed() {
        for text in
            ["22.33.44.055", "22.33.44.55:80", "[2001:db8::5]:443", "22.33.44.8-11", "22.33.44.8/29-22.33.44.15"]
        {
            let hint = parse_addresses(text).unwrap_err().hint;
            let proposed = hint.strip_prefix("write ").unwrap();
            assert!(parse_addresses(proposed).is_ok(), "{text}: {hint}");
        }
    }
}
