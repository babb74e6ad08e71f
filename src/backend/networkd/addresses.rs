//! The addresses of one network, in the order in which networkd meets them, and why it drops some.
//!
//! Follows `config_parse_address()`, `address_section_verify()` and `network_drop_invalid_addresses()`: every `[Address]`
//! header begins an object with one address, one bad value costs the object, and of equal addresses one counts.
//! Leaves out addresses that networkd picks from a pool or gets from elsewhere (DHCP, router advertisements).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use super::files::{Fragment, Network};
use super::release::Release;
use super::values;
use crate::syntax::ini::{Body, Item};

/// An address in a file.
#[derive(Debug, Clone)]
pub struct Address {
    /// The index of the fragment it stands in.
    pub fragment: usize,
    /// Where in the fragment.
    pub place: Place,
    /// The item of the `Address=` line.
    pub item: usize,
    /// Its line, from 1.
    pub line: usize,
    /// The address with the prefix that networkd gives it.
    pub net: IpNet,
    /// Its label, if it has one that counts.
    pub label: Option<String>,
    /// Whether it may be chosen as a source address: no preferred lifetime of 0.
    pub preferred: bool,
    /// Why networkd does not configure it, if it does not.
    pub problem: Option<String>,
    /// Whether it is equal to one that counts, and will count itself once that one goes.
    pub waits: bool,
    /// What has to change on which item for networkd to configure it, if that is all that is wrong.
    pub repairs: Vec<Repair>,
    /// The other end of a point-to-point link, which makes equal addresses different to the kernel.
    pub peer: Option<IpNet>,
}

/// How an address is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of `[Network]`.
    NetworkLine,
    /// In the `[Address]` section whose header is this item, with the items behind it.
    Section(usize, Range<usize>),
}

/// A line that costs an address and can be put right without touching what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// `Label=` of this item is no label.
    Label(usize),
    /// `Address=` of this item has something behind the address.
    Address(usize),
}

/// Every address of `network`, the ineffective ones included.
pub fn addresses(network: &Network, release: Release) -> Vec<Address> {
    let mut found = Found { addresses: Vec::new(), objects: 0, release };
    for (index, fragment) in network.fragments.iter().enumerate() {
        for section in &fragment.ini.sections {
            match section.name.as_slice() {
                b"Network" => found.network_section(index, fragment, section.items.clone()),
                b"Address" => found.address_section(index, fragment, section.header, section.items.clone()),
                _ => {}
            }
        }
    }
    let mut addresses = found.addresses;
    drop_equal(network, &mut addresses, release);
    if let Some(why) = whole(network) {
        for address in &mut addresses {
            address.problem.get_or_insert_with(|| why.clone());
            address.repairs.clear();
        }
    }
    addresses
}

/// Whether an address with `value` can be told from its text: what is left of a trailing comment or second word.
fn leading_address(value: &[u8], release: Release) -> Option<IpNet> {
    let end = value.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'#' | b';'))?;
    values::address(value.get(..end)?, release.version())
}

/// Why networkd configures nothing of `network` at all.
fn whole(network: &Network) -> Option<String> {
    if let Some(refusal) = &network.refused {
        return Some(refusal.to_string());
    }
    if network.says_yes(b"Link", b"Unmanaged") {
        return Some("Unmanaged=yes: networkd leaves the interface alone".to_owned());
    }
    let bond = network.values(b"Network", b"Bond").last().filter(|name| !name.is_empty());
    bond.map(|name| format!("the interface is a port of the bond {}", String::from_utf8_lossy(name)))
}

struct Found {
    addresses: Vec<Address>,
    /// How many objects networkd has made so far, sound or not.
    objects: usize,
    release: Release,
}

impl Found {
    fn network_section(&mut self, index: usize, fragment: &Fragment, items: Range<usize>) {
        for (item, line, value) in assignments(fragment, items, b"Address") {
            if value.is_empty() && self.release.resets() {
                self.reset(fragment, line);
                continue;
            }
            let mut problem = self.new_object();
            let mut repairs = Vec::new();
            let net = match values::address(value, self.release.version()) {
                Some(net) => net,
                None => {
                    let Some(net) = leading_address(value, self.release) else { continue };
                    if problem.is_none() {
                        repairs.push(Repair::Address(item));
                    }
                    problem.get_or_insert_with(|| not_an_address(value, "line"));
                    net
                }
            };
            if is_from_pool(net) {
                continue;
            }
            let place = Place::NetworkLine;
            self.addresses.push(Address {
                fragment: index,
                place,
                item,
                line,
                net,
                label: None,
                preferred: true,
                problem,
                waits: false,
                repairs,
                peer: None,
            });
        }
    }

    fn address_section(&mut self, index: usize, fragment: &Fragment, header: usize, items: Range<usize>) {
        let mut object = Object::default();
        for (item, found) in items.clone().zip(fragment.ini.at(items.clone())) {
            if let Some((key, value)) = found.assignment() {
                object.take(item, found.line, key, value, self.release);
            }
        }
        if !object.exists {
            return;
        }
        let over_limit = self.new_object();
        let first_fault = object.faults.first().map(|(_, reason)| reason.clone());
        let repairs: Option<Vec<Repair>> = object.faults.iter().map(|(repair, _)| repair.clone()).collect();
        let count = object.lines.len();
        for (at, (item, line, net)) in object.lines.into_iter().enumerate() {
            let replaced = (at + 1 < count).then(|| {
                "another Address= in the same [Address] section replaces it (one section holds one address)".to_owned()
            });
            if is_from_pool(net) {
                continue;
            }
            let repairs = match (&over_limit, &replaced) {
                (None, None) => repairs.clone().unwrap_or_default(),
                _ => Vec::new(),
            };
            let is_last = replaced.is_none();
            let problem = over_limit.clone().or(replaced).or_else(|| first_fault.clone());
            let net = match object.prefix.and_then(|prefix| IpNet::new(net.addr(), prefix).ok()) {
                Some(net) if is_last => net,
                _ => net,
            };
            self.addresses.push(Address {
                fragment: index,
                place: Place::Section(header, items.clone()),
                item,
                line,
                net,
                label: object.label.clone().filter(|label| !label.is_empty() && net.addr().is_ipv4()),
                preferred: object.preferred,
                problem,
                waits: false,
                repairs,
                peer: object.peer,
            });
        }
    }

    /// Counts one more object, and says why networkd does not make it, if it does not.
    fn new_object(&mut self) -> Option<String> {
        self.objects += 1;
        let (_, most) = self.release.most_addresses();
        (self.objects > most).then(|| format!("networkd reads only the first {most} addresses of a file"))
    }

    fn reset(&mut self, fragment: &Fragment, line: usize) {
        for address in &mut self.addresses {
            let by = || format!("the empty Address= at {}:{line} takes it back", fragment.path);
            address.problem.get_or_insert_with(by);
            address.repairs.clear();
        }
        self.objects = 0;
    }
}

/// The assignments of `key` among `items`: item, line, value.
fn assignments<'a>(
    fragment: &'a Fragment,
    items: Range<usize>,
    key: &'a [u8],
) -> impl Iterator<Item = (usize, usize, &'a [u8])> {
    items.clone().zip(fragment.ini.at(items)).filter_map(move |(index, item): (usize, &Item)| match &item.body {
        Body::Assignment { key: found, value, .. } if found == key => Some((index, item.line, value.as_slice())),
        _ => None,
    })
}

/// An `[Address]` section on its way to an address.
#[derive(Debug, Default)]
struct Object {
    /// Whether networkd makes an object of it at all.
    exists: bool,
    /// Each `Address=` that names one: item, line, address.
    lines: Vec<(usize, usize, IpNet)>,
    /// The prefix, from the last of `Address=` and `Peer=`.
    prefix: Option<u8>,
    peer: Option<IpNet>,
    is_ipv4: Option<bool>,
    label: Option<String>,
    preferred: bool,
    /// What costs the section: how to put it right, if that is possible, and the reason.
    faults: Vec<(Option<Repair>, String)>,
}

impl Object {
    fn take(&mut self, item: usize, line: usize, key: &[u8], value: &[u8], release: Release) {
        if !self.exists {
            (self.exists, self.preferred) = (true, true);
        }
        match key {
            b"Address" | b"Peer" if value.is_empty() && release.resets() => {
                // The object starts again without an address.
                (self.lines, self.prefix, self.is_ipv4, self.peer) = (Vec::new(), None, None, None);
            }
            b"Address" => self.take_address(item, line, value, release),
            b"Peer" => match values::address(value, release.version()) {
                Some(net) if self.is_ipv4.is_none_or(|is_ipv4| is_ipv4 == net.addr().is_ipv4()) => {
                    (self.peer, self.prefix) = (Some(net), Some(net.prefix_len()));
                    self.is_ipv4 = Some(net.addr().is_ipv4());
                }
                _ => self.faults.push((None, costs_section(b"Peer", value))),
            },
            b"Label" if !values::is_label(value) || value.is_empty() && release.version() <= 247 => {
                self.faults.push((Some(Repair::Label(item)), costs_section(key, value)));
            }
            b"Label" => self.label = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {
                if !values::is_sound(key, value, self.is_ipv4, release.version()) {
                    self.faults.push((None, costs_section(key, value)));
                } else if key == b"PreferredLifetime" {
                    self.preferred = value != b"0";
                } else if key == b"Broadcast" && values::ipv4(value).is_some() {
                    self.is_ipv4 = Some(true);
                }
            }
        }
    }

    fn take_address(&mut self, item: usize, line: usize, value: &[u8], release: Release) {
        match values::address(value, release.version()) {
            Some(net) if self.is_ipv4.is_some_and(|is_ipv4| is_ipv4 != net.addr().is_ipv4()) => {
                self.faults.push((None, "an [Address] section mixes IPv4 and IPv6".to_owned()));
                self.lines.push((item, line, net));
            }
            Some(net) => {
                (self.is_ipv4, self.prefix) = (Some(net.addr().is_ipv4()), Some(net.prefix_len()));
                self.lines.push((item, line, net));
            }
            None => {
                let net = leading_address(value, release);
                self.faults.push((net.map(|_| Repair::Address(item)), not_an_address(value, "section")));
                self.lines.extend(net.map(|net| (item, line, net)));
            }
        }
    }
}

fn not_an_address(value: &[u8], what: &str) -> String {
    let value = String::from_utf8_lossy(value);
    format!("\"{value}\" is not an address (comments cannot follow a value), and networkd drops the {what} for it")
}

fn costs_section(key: &[u8], value: &[u8]) -> String {
    let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
    match &*key {
        "Label" => format!(
            "\"{value}\" is not a label (at most 15 plain characters, no comment), and networkd drops the section for it"
        ),
        _ => format!("{key}=\"{value}\" is not valid, and networkd drops the section for it"),
    }
}

/// 0.0.0.0 and :: stand for an address that networkd picks itself.
fn is_from_pool(net: IpNet) -> bool {
    net.addr().is_unspecified()
}

/// Marks all but one of equal addresses: equal to the kernel, that is the same IPv6 address, or the same IPv4 address
/// with the same prefix.
fn drop_equal(network: &Network, addresses: &mut [Address], release: Release) {
    let mut kept: BTreeMap<(IpAddr, u8, Option<IpNet>), usize> = BTreeMap::new();
    let mut dropped: Vec<(usize, usize)> = Vec::new();
    for (index, address) in addresses.iter().enumerate().filter(|(_, address)| address.problem.is_none()) {
        let (ip, prefix) = (address.net.addr(), address.net.prefix_len());
        let key = if ip.is_ipv4() { (ip, prefix, address.peer.map(|peer| peer.trunc())) } else { (ip, 0, None) };
        if release.prefers_later() {
            dropped.extend(kept.insert(key, index).map(|earlier| (earlier, index)));
        } else {
            let first = *kept.entry(key).or_insert(index);
            dropped.extend((first != index).then_some((index, first)));
        }
    }
    for (index, by) in dropped {
        let reason = addresses.get(by).and_then(|by| {
            let path = &network.fragments.get(by.fragment)?.path;
            Some(format!("the same address at {path}:{} counts instead", by.line))
        });
        if let Some(address) = addresses.get_mut(index) {
            (address.problem, address.waits) = (reason, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::network_of_text;
    use super::*;

    /// What the daemon of each version has configured: measured, on a file with `[Network]` and 192.0.2.10/24 before.
    fn effective(text: &str, version: u32) -> String {
        let text = format!("[Match]\nName=eth0\n[Network]\nAddress=192.0.2.10/24\n{text}");
        let release = Release::numbered(version);
        let found = addresses(&network_of_text(&text, release), release);
        let shown = found.into_iter().filter(|address| address.problem.is_none()).map(|address| match address.label {
            Some(label) => format!("{}({label})", address.net),
            None => address.net.to_string(),
        });
        shown.collect::<Vec<_>>().join(" ").replacen("192.0.2.10/24 ", "", 1)
    }

    #[test]
    fn what_three_daemons_made_of_it() {
        const SEVEN: &str = "[Address]\nAddress=203.0.113.7/32\n";
        for (text, on_247, on_252, on_257) in [
            // Two addresses in one section, one of them no address.
            (
                "[Address]\nAddress=203.0.113.5/32\nAddress=x\n[Address]\nAddress=x\nAddress=203.0.113.6/32\n",
                "",
                "",
                "",
            ),
            (
                "[Address]\nAddress=203.0.113.5/32\nAddress=203.0.113.6/32\n",
                "203.0.113.6/32",
                "203.0.113.6/32",
                "203.0.113.6/32",
            ),
            // Empty values.
            ("[Address]\nAddress=203.0.113.5/32\nAddress=\n", "", "", ""),
            ("[Address]\nAddress=\nAddress=203.0.113.5/32\n", "", "", "203.0.113.5/32"),
            ("[Address]\nAddress=203.0.113.5/32\nLabel=\n", "", "203.0.113.5/32", "203.0.113.5/32"),
            ("[Address]\nAddress=203.0.113.5/32\nPeer=\n", "", "", ""),
            ("[Address]\nAddress=203.0.113.5/32\nScope=\n", "", "", "203.0.113.5/32"),
            // Families.
            ("[Address]\nAddress=203.0.113.5/32\nAddress=2001:db8::1/64\n", "", "", ""),
            ("[Address]\nAddress=203.0.113.5/32\nPeer=2001:db8::2/64\n", "", "", ""),
            ("[Address]\nBroadcast=203.0.113.255\nAddress=2001:db8::1/64\n", "", "", ""),
            // Prefixes come from the last of both.
            (
                "[Address]\nAddress=203.0.113.7/32\nPeer=203.0.113.97/24\n",
                "203.0.113.7/24",
                "203.0.113.7/24",
                "203.0.113.7/24",
            ),
            (
                "[Address]\nPeer=203.0.113.96/24\nAddress=203.0.113.8/32\n",
                "203.0.113.8/32",
                "203.0.113.8/32",
                "203.0.113.8/32",
            ),
            ("[Address]\nPeer=203.0.113.98/32\n", "", "", ""),
            // Equal addresses.
            (
                "[Address]\nAddress=203.0.113.5/32\nLabel=one\n[Address]\nAddress=203.0.113.5/24\n[Network]\nAddress=203.0.113.5/32\n",
                "203.0.113.5/32(one) 203.0.113.5/24",
                "203.0.113.5/24 203.0.113.5/32",
                "203.0.113.5/24 203.0.113.5/32",
            ),
            (
                "Address=2001:db8::1/64\nAddress=2001:db8::1/128\n",
                "2001:db8::1/64",
                "2001:db8::1/128",
                "2001:db8::1/128",
            ),
            // Labels.
            ("[Address]\nAddress=2001:db8::6/128\nLabel=ok\n", "2001:db8::6/128", "2001:db8::6/128", "2001:db8::6/128"),
            (
                "[Address]\nLabel=foo bar\nAddress=203.0.113.5/32\n",
                "203.0.113.5/32(foo bar)",
                "203.0.113.5/32(foo bar)",
                "203.0.113.5/32(foo bar)",
            ),
            (
                "[Address]\nAddress=203.0.113.8/32\nLabel=bad#\nLabel=eth0:1\n",
                "203.0.113.8/32(eth0:1)",
                "203.0.113.8/32(eth0:1)",
                "203.0.113.8/32(eth0:1)",
            ),
            // Unknown keys and junk cost nothing.
            (
                "[Address]\nAddress=203.0.113.7/32\nFoo=bar\nnonsense\n=x\n",
                "203.0.113.7/32",
                "203.0.113.7/32",
                "203.0.113.7/32",
            ),
            ("[Address\\\n]\nAddress=203.0.113.5/32\n", "", "", ""),
            (SEVEN, "203.0.113.7/32", "203.0.113.7/32", "203.0.113.7/32"),
        ] {
            let found = [247, 252, 257].map(|version| effective(text, version).replace("192.0.2.10/24", ""));
            assert_eq!(found, [on_247, on_252, on_257], "{text}");
        }
    }

    #[test]
    fn an_empty_address_takes_back_everything_before_it_since_256() {
        let text = "[Address]\nAddress=203.0.113.5/32\n[Network]\nAddress=\n[Address]\nAddress=203.0.113.6/32\n";
        assert_eq!(effective(text, 252), "203.0.113.5/32 203.0.113.6/32");
        assert_eq!(effective(text, 257), "203.0.113.6/32");
    }

    #[test]
    fn addresses_over_the_limit_do_not_count() {
        let many: String = (0..9000).map(|n| format!("Address=10.0.{}.{}/32\n", n / 250, n % 250)).collect();
        for (version, most) in [(247, 1024), (252, 8192), (257, 8192)] {
            // The primary address is one of them.
            assert_eq!(effective(&many, version).split(' ').count(), most - 1);
        }
    }

    #[test]
    fn a_bond_port_and_an_unmanaged_interface_have_none() {
        assert_eq!(effective("Bond=bond0\n", 252), "");
        assert_eq!(effective("[Link]\nUnmanaged=yes\n", 252), "");
        assert_eq!(
            effective("[Link]\nUnmanaged=yes\nUnmanaged=no\n[Address]\nAddress=203.0.113.5/32\n", 252),
            "203.0.113.5/32"
        );
    }
}
