//! The addresses of a definition, as netplan reads them and as the renderer takes what netplan makes of them.
//!
//! Follows `handle_generic_addresses()` of netplan 1.1.2, measured with 0.101 to 1.1.2. Leaves out addresses from DHCP and
//! router advertisements.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::definitions::{Definition, Renderer, places};
use super::files::File;
use crate::alias::with_prefix;
use crate::backend::networkd::values;
use crate::syntax::yaml::{Fault, Node};

/// An address that stands in a list.
#[derive(Debug, Clone)]
pub struct Address {
    /// The part of the definition, as an index.
    pub part: usize,
    /// The pair of that part's mapping.
    pub list: usize,
    /// The item of that list.
    pub item: usize,
    /// The address with the prefix that it gets.
    pub net: IpNet,
    /// The text of the file, without quotes.
    pub text: String,
    /// Its label, if it has one that counts.
    pub label: Option<String>,
    /// Whether the kernel does not choose it as a source by itself.
    pub deprecated: bool,
    /// Whether it has options of its own.
    pub has_options: bool,
    /// Whether netplan reads no further in its list.
    pub ends_list: bool,
    /// The line, from 1.
    pub line: usize,
    /// Why it is not configured, if it is not.
    pub problem: Option<String>,
}

/// What netplan has taken in so far.
#[derive(Default)]
struct Taken {
    plain: BTreeSet<String>,
    with_options: BTreeSet<String>,
}

/// What an item says.
struct Item<'a> {
    key: &'a Node,
    options: Option<&'a Node>,
}

/// The addresses of `definition` in the order of the files, and what netplan fails on, with the index of the file.
pub fn addresses(
    files: &[File],
    definition: &Definition,
    renderer: Renderer,
    systemd: u32,
) -> (Vec<Address>, Vec<(usize, Fault)>) {
    let (mut found, mut faults, mut taken) = (Vec::new(), Vec::new(), Taken::default());
    for (index, part) in definition.parts.iter().enumerate() {
        let Some(mapping) = part.mapping(files) else { continue };
        for (list, (_, value)) in places(mapping, "addresses") {
            let mut rest_is_lost = None;
            for (item, node) in value.items().unwrap_or_default().iter().enumerate() {
                match read(node, renderer, systemd) {
                    Ok(read) => {
                        for mut address in read {
                            (address.part, address.list, address.item) = (index, list, item);
                            address.problem = address.problem.or_else(|| rest_is_lost.clone());
                            if address.problem.is_none() {
                                rest_is_lost = taken.take(&mut address);
                            }
                            found.push(address);
                        }
                    }
                    Err(fault) => faults.push((part.file, fault)),
                }
            }
        }
    }
    (found, faults)
}

impl Taken {
    /// Takes one in; returns why what follows in its list is lost, if it is.
    fn take(&mut self, address: &mut Address) -> Option<String> {
        let text = address.text.clone();
        if address.has_options {
            if !self.with_options.insert(text) {
                // `return TRUE` in the middle of the list.
                address.ends_list = true;
                address.problem =
                    Some("the same address stands with options before, and netplan drops this".to_owned());
                let reason = format!("netplan reads no further than the repeated {} in this list", address.text);
                return Some(reason);
            }
        } else if !self.plain.insert(text) {
            address.problem = Some("the same text stands before, and netplan drops this".to_owned());
        }
        None
    }
}

/// What one item of a list comes to: one address, and what stands uselessly beside it.
fn read(node: &Node, renderer: Renderer, systemd: u32) -> Result<Vec<Address>, Fault> {
    if node.items().is_some() {
        return Err(Fault::new(node.line, "netplan expects an address or a mapping here"));
    }
    let pairs = node.pairs().unwrap_or_default();
    let item = match (node.scalar(), pairs.first()) {
        (Some(_), _) => Item { key: node, options: None },
        (None, Some((key, value))) => Item { key, options: Some(value) },
        (None, None) => return Err(Fault::new(node.line, "this item is empty")),
    };
    let mut found: Vec<Address> = item.address(renderer, systemd)?.into_iter().collect();
    for (key, value) in pairs.iter().skip(1) {
        let other = Item { key, options: Some(value) };
        if let Ok(Some(mut address)) = other.address(renderer, systemd) {
            address.problem = Some("netplan reads the first key of an item only".to_owned());
            found.push(address);
        }
    }
    Ok(found)
}

impl Item<'_> {
    fn address(&self, renderer: Renderer, systemd: u32) -> Result<Option<Address>, Fault> {
        let line = self.key.line;
        let fault = |reason: String| Err(Fault::new(line, reason));
        let Some(text) = self.key.scalar() else { return fault("netplan expects an address here".to_owned()) };
        let Some((ip, prefix)) = text.rsplit_once('/') else { return fault(format!("{text:?} lacks its /PREFIX")) };
        let Ok(ip) = ip.parse::<IpAddr>() else { return fault(format!("{text:?} is not an address")) };
        let number = number(prefix);
        let most = if ip.is_ipv4() { 32 } else { 128 };
        if self.options.is_none() && !(1..=most).contains(&number) {
            return fault(format!("{text:?} has a prefix that cannot be"));
        }
        let (label, deprecated) = self.options(renderer)?;
        // What netplan does not judge, it hands on as it is written.
        let by_daemon = match renderer {
            Renderer::Networkd => values::address(text.as_bytes(), systemd).filter(|net| net.addr() == ip),
            Renderer::NetworkManager if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                u8::try_from(number).ok().and_then(|bits| with_prefix(ip, bits))
            }
            Renderer::NetworkManager => None,
        };
        let shown = u8::try_from(number).ok().and_then(|bits| with_prefix(ip, bits));
        let is_label = |label: &String| values::is_label(label.as_bytes()) && !(label.is_empty() && systemd <= 247);
        let problem = if by_daemon.is_none() {
            Some(format!("netplan hands {text:?} on, and its renderer does not take it"))
        } else if label.as_ref().is_some_and(|label| !is_label(label)) {
            let label = label.clone().unwrap_or_default();
            Some(format!(
                "networkd takes no label {label:?} (at most 15 plain characters), and drops the address with it"
            ))
        } else {
            None
        };
        let Some(net) = by_daemon.or(shown).or_else(|| Some(IpNet::from(ip))) else { return Ok(None) };
        Ok(Some(Address {
            part: 0,
            list: 0,
            item: 0,
            net,
            text: text.to_owned(),
            label: label.filter(|label| ip.is_ipv4() && !label.is_empty()),
            deprecated,
            has_options: self.options.is_some(),
            ends_list: false,
            line,
            problem,
        }))
    }

    /// The label, and whether the lifetime is 0.
    fn options(&self, renderer: Renderer) -> Result<(Option<String>, bool), Fault> {
        let Some(options) = self.options else { return Ok((None, false)) };
        let Some(pairs) = options.pairs() else {
            return Err(Fault::new(options.line, "netplan expects a mapping of options behind this address"));
        };
        if renderer == Renderer::NetworkManager {
            return Err(Fault::new(options.line, "NetworkManager, the renderer here, takes no options of an address"));
        }
        let (mut label, mut deprecated) = (None, false);
        for (key, value) in pairs {
            match (key.scalar(), value.scalar()) {
                (Some("label"), Some(text)) => label = Some(text.to_owned()),
                (Some("lifetime"), Some("0")) => deprecated = true,
                (Some("lifetime"), Some(text)) if text.eq_ignore_ascii_case("forever") => deprecated = false,
                (Some("lifetime"), _) => return Err(Fault::new(value.line, "a lifetime is 0 or forever")),
                _ => return Err(Fault::new(key.line, "netplan knows label and lifetime as options of an address")),
            }
        }
        Ok((label, deprecated))
    }
}

/// `strtoull()`: blanks, a sign, digits, and whatever follows them; 0 without digits.
fn number(text: &str) -> u64 {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).unwrap_or_default();
    if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) }
}
