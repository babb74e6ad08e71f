//! The words of a value: addresses with their options, and ranges (rc.conf(5), `ifconfig_<interface>_aliasN`).
//!
//! `inet` or `inet6` begins an address; what follows up to the next one are its options. A range such as
//! `inet 192.0.2.5-8/24` stands for several: the first gets the prefix, the others /32.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ipnet::IpNet;

use crate::alias::{host_prefix, netmask_to_prefix, with_prefix};
use crate::syntax::shell::{Origin, Traced, Word};

/// The most addresses that a range is expanded to (`netif_ipexpand_max`).
pub(super) const MOST_IN_RANGE: usize = 2048;

/// One address or range of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The words it consists of, as indexes.
    pub(super) words: Range<usize>,
    /// The word of the address.
    pub(super) address: usize,
    /// What it sets.
    pub(super) nets: Vec<IpNet>,
    /// Whether it is written as a range.
    pub(super) is_range: bool,
    /// Whether it belongs to CARP.
    pub(super) is_carp: bool,
    /// Whether a carriage return is in it, which ifconfig does not take.
    pub(super) is_broken: bool,
    /// Where it begins.
    pub(super) origin: Option<Origin>,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Families, addresses, options; the family of the first one may be missing.
    Groups,
    /// The same, with what stands in front of the first family passed over (`ifconfig_IF_aliases`).
    Families,
    /// Addresses alone, each a word (`ipv4_addrs_IF`).
    Words,
    /// Addresses alone, IPv6 (`ipv6_ifconfig_IF`).
    Single,
}

/// The words of a value and the addresses in them.
#[derive(Debug, Clone)]
pub(super) struct Items {
    pub(super) words: Vec<Word>,
    pub(super) items: Vec<Item>,
    /// Whether there are words that belong to no address: host names, or options of the interface itself.
    pub(super) has_others: bool,
    /// Whether it asks for DHCP.
    pub(super) asks_dhcp: bool,
}

/// Options that an address follows which is not the interface's own.
const TAKES_ADDRESS: &[&str] = &[
    "netmask",
    "broadcast",
    "dstaddr",
    "destaddr",
    "tunnel",
    "peer",
    "peer6",
    "vxlanlocal",
    "vxlanremote",
    "vxlangroup",
    "pass",
    "description",
];

/// Reads a value. `limit` is how many addresses a range is expanded to: none where the system does not know them.
pub(super) fn items(value: &Traced, style: Style, limit: usize) -> Items {
    let words = value.words();
    let texts: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(&word.text).into_owned()).collect();
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let bare_at = first_bare(&texts);
    for (index, text) in texts.iter().enumerate() {
        let family = text == "inet" || text == "inet6";
        let bare = match style {
            Style::Groups => Some(index) == bare_at,
            Style::Families => false,
            Style::Words => true,
            Style::Single => index == 0 && !family,
        };
        if family {
            starts.push((index, index + 1));
        } else if bare {
            starts.push((index, index));
        }
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([words.len()]);
    let item = |((start, address), end): ((usize, usize), usize)| {
        let options = texts.get(address + 1..end).unwrap_or_default();
        let (mut nets, is_range) = parse(texts.get(address)?, limit)?;
        if let (Some(bits), [net]) = (option_bits(options), nets.as_slice()) {
            nets = vec![with_prefix(net.addr(), bits)?];
        }
        Some(Item {
            words: start..address + 1 + own_options(options),
            address,
            nets,
            is_range,
            is_carp: options.iter().any(|word| word == "vhid"),
            is_broken: options.iter().any(|word| word.contains('\r')),
            origin: words.get(start).and_then(|word| word.origin(0)),
        })
    };
    let items: Vec<Item> = starts.iter().copied().zip(ends).filter_map(item).collect();
    let dropped = if style == Style::Families { items.first().map_or(0, |item| item.words.start) } else { 0 };
    let is_known = |index: usize| index < dropped || items.iter().any(|item| item.words.contains(&index));
    let has_others = texts.iter().enumerate().any(|(index, text)| text != "up" && !is_known(index));
    let asks_dhcp = texts.iter().any(|text| text.to_ascii_lowercase().ends_with("dhcp"));
    Items { words, items, has_others, asks_dhcp }
}

/// The address in front of every family: ifconfig takes it for one of IPv4.
fn first_bare(texts: &[String]) -> Option<usize> {
    let end = texts.iter().position(|text| text == "inet" || text == "inet6").unwrap_or(texts.len());
    let is_value = |at: usize| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| texts.get(at)).map(String::as_str);
        before(1).is_some_and(|word| TAKES_ADDRESS.contains(&word)) || before(2) == Some("tunnel")
    };
    (0..end).find(|at| !is_value(*at) && texts.get(*at).is_some_and(|text| parse(text, 1).is_some()))
}

/// How many of the words behind an address are options of that address, and not of the interface (ifconfig(8)).
fn own_options(options: &[String]) -> usize {
    let mut at = 0;
    while let Some(word) = options.get(at) {
        at += match word.trim_start_matches('-') {
            "netmask" | "broadcast" | "prefixlen" | "vhid" | "advskew" | "advbase" | "pass" | "state" | "peer"
            | "peer6" | "pltime" | "vltime" => 2,
            "alias" | "eui64" | "anycast" | "autoconf" | "deprecated" | "tentative" | "no_dad" | "prefer_source" => 1,
            // Without a word before it, that of the other end.
            word if parse(word, 1).is_some() => 1,
            _ => break,
        };
    }
    at.min(options.len())
}

/// The prefix that `netmask` or `prefixlen` gives.
fn option_bits(options: &[String]) -> Option<u8> {
    options.windows(2).find_map(|pair| match pair {
        [key, value] if key == "prefixlen" => value.parse().ok(),
        [key, value] if key == "netmask" => match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
            Some(hex) => netmask_to_prefix(u32::from_str_radix(hex, 16).ok()?.into()),
            None => netmask_to_prefix(value.parse().ok()?),
        },
        _ => None,
    })
}

/// The addresses of a word, and whether it is a range.
fn parse(text: &str, limit: usize) -> Option<(Vec<IpNet>, bool)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Some((vec![with_prefix(ip, bits.unwrap_or_else(|| host_prefix(ip)))?], false));
    }
    if limit == 0 || !address.contains('-') {
        return None;
    }
    let nets = if address.contains(':') { range6(address, bits, limit) } else { range4(address, bits, limit) };
    nets.map(|nets| (nets, true))
}

fn range4(address: &str, bits: Option<u8>, limit: usize) -> Option<Vec<IpNet>> {
    let bounds: Vec<(u8, u8)> = address
        .split('.')
        .map(|part| bounds(part, 10))
        .collect::<Option<Vec<(u16, u16)>>>()?
        .into_iter()
        .map(|(low, high)| Some((u8::try_from(low).ok()?, u8::try_from(high).ok()?)))
        .collect::<Option<_>>()?;
    let [a, b, c, d] = bounds.as_slice() else { return None };
    let mut nets: Vec<IpNet> = Vec::new();
    for first in a.0..=a.1 {
        for second in b.0..=b.1 {
            for third in c.0..=c.1 {
                for fourth in d.0..=d.1 {
                    let bits = if nets.is_empty() { bits.unwrap_or(32) } else { 32 };
                    nets.push(with_prefix(Ipv4Addr::new(first, second, third, fourth).into(), bits)?);
                    if nets.len() >= limit {
                        return Some(nets);
                    }
                }
            }
        }
    }
    Some(nets)
}

/// One group of an IPv6 address may be a range; each address keeps the prefix.
fn range6(address: &str, bits: Option<u8>, limit: usize) -> Option<Vec<IpNet>> {
    let groups: Vec<&str> = address.split(':').collect();
    let at = groups.iter().position(|group| group.contains('-'))?;
    let (low, high) = bounds(groups.get(at)?, 16)?;
    let one = |value: u16| {
        let mut groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        *groups.get_mut(at)? = format!("{value:x}");
        let ip: Ipv6Addr = groups.join(":").parse().ok()?;
        with_prefix(ip.into(), bits.unwrap_or(128))
    };
    (low..=high).take(limit).map(one).collect()
}

fn bounds(part: &str, radix: u32) -> Option<(u16, u16)> {
    let number = |text: &str| u16::from_str_radix(text, radix).ok();
    let (low, high) = match part.split_once('-') {
        Some((low, high)) => (number(low)?, number(high)?),
        None => (number(part)?, number(part)?),
    };
    (low <= high).then_some((low, high))
}

/// IPv4 addresses as few words: neighbours become ranges of the last octet. `bits` is the prefix of the first one.
pub(super) fn written(nets: &[IpNet]) -> Vec<String> {
    let mut runs: Vec<Vec<IpNet>> = Vec::new();
    for net in nets {
        let follows = |run: &&mut Vec<IpNet>| match (run.last(), net) {
            (Some(IpNet::V4(last)), IpNet::V4(net)) => {
                let same = last.addr().octets().get(..3) == net.addr().octets().get(..3);
                same && u32::from(last.addr()) + 1 == u32::from(net.addr()) && net.prefix_len() == 32
            }
            _ => false,
        };
        match runs.last_mut().filter(|run| follows(run)) {
            Some(run) => run.push(*net),
            None => runs.push(vec![*net]),
        }
    }
    runs.iter()
        .filter_map(|run| match (run.first()?, run.last()?) {
            (first, last) if run.len() > 1 => {
                let end = last.addr().to_string();
                Some(format!("{}-{}/{}", first.addr(), end.rsplit('.').next()?, first.prefix_len()))
            }
            (only, _) => Some(only.to_string()),
        })
        .collect()
}
