//! The addresses that stanzas configure, with prefix, label and role, and why some of them will not come up.
//!
//! Follows interfaces(5) ("iface", "auto", "allow-"), the `static` methods of each reader (`inet.defn`, `inet6.defn` and
//! `archcommon.c` of ifupdown, `addons/address.py` of ifupdown2, `executor-scripts/static` of ifupdown-ng,
//! `networking/ifupdown.c` of BusyBox), and Hetzner's keyword `addresses`. Leaves out where to write: see `add`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::alias::{self, MOST_NAME_BYTES};
use crate::backend::{Entry, Role};
use crate::syntax::words::{Word, WordLine};

use super::flavour::Flavour;
use super::hook::{self, Deed};
use super::include;
use super::stanza::{Effect, Family, Stanza, Tree};

/// Where in a stanza an address was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An `address` line, by the index of the option.
    Line(usize),
    /// An `address` line of the stanza that this one inherits from.
    Inherited,
    /// A hook line, by the index of the option.
    Hook(usize),
    /// A word of an `addresses` line.
    Listed {
        /// The index of the option.
        option: usize,
        /// The index of the word.
        word: usize,
    },
}

/// An address and where it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// What other modules see of it.
    pub(super) entry: Entry,
    /// The stanza, as an index into [`Tree::stanzas`].
    pub(super) stanza: usize,
    /// The place in the stanza.
    pub(super) origin: Origin,
}

/// The options of a stanza that only say how its addresses are set.
pub(super) fn is_plain_option(option: &[u8]) -> bool {
    const PLAIN: [&[u8]; 11] = [
        b"address",
        b"autoconf",
        b"broadcast",
        b"dad-attempts",
        b"dad-interval",
        b"label",
        b"metric",
        b"netmask",
        b"network",
        b"preferred-lifetime",
        b"scope",
    ];
    PLAIN.contains(&option)
}

/// Every address of the tree in reading order.
pub(super) fn find(tree: &Tree) -> Vec<Found> {
    let starts = Starts::new(tree);
    let refused = tree.faults.iter().find(|fault| fault.effect == Effect::RefusesAll);
    let refused = refused.map(|fault| {
        format!("{} refuses all files: {}:{}: {}", tree.flavour.name(), fault.path, fault.line, fault.reason)
    });
    let mut found = Vec::new();
    for (index, stanza) in tree.stanzas.iter().enumerate() {
        let problem = refused.clone().or_else(|| stanza_problem(stanza, &starts));
        let mut collector =
            Collector { tree, stanza, index, device: starts.device(stanza), problem, found: &mut found };
        collector.lines();
        collector.hooks_and_lists();
    }
    found.retain(|found| !found.entry.address.addr().is_loopback());
    assign_roles(&starts, &mut found);
    found
}

/// Which names are brought up.
pub(super) struct Starts<'t> {
    tree: &'t Tree,
    names: HashSet<&'t str>,
    patterns: Vec<&'t str>,
    /// Names that a hook line brings up: `up ifup eth0:0`.
    hooked: HashSet<String>,
    /// The device of a logical name: `auto eth0=office`.
    devices: HashMap<&'t str, &'t str>,
}

impl<'t> Starts<'t> {
    /// Gathers the `auto` and `allow-` lines of `tree`.
    pub(super) fn new(tree: &'t Tree) -> Starts<'t> {
        let mut starts = Starts {
            tree,
            names: HashSet::new(),
            patterns: Vec::new(),
            hooked: HashSet::new(),
            devices: HashMap::new(),
        };
        for start in tree.starts.iter().filter(|start| start.counts) {
            let is_pattern = start.logical.contains(['/', '*', '?', '[']);
            if is_pattern || (tree.flavour.is_two() && start.logical == "all") {
                starts.patterns.push(&start.logical);
            } else {
                starts.names.insert(&start.logical);
            }
            if start.device != start.logical {
                starts.devices.insert(&start.logical, &start.device);
            }
        }
        let hooks = tree.stanzas.iter().flat_map(|stanza| stanza.options.iter().map(move |option| (stanza, option)));
        for (stanza, option) in hooks.filter(|(_, option)| hook::runs_up(option.word(0))) {
            for deed in hook::parse(option.words_from(1), &stanza.name).deeds {
                if let Deed::Ifup(names) = deed {
                    starts.hooked.extend(names);
                }
            }
        }
        starts
    }

    /// The device that `stanza` configures.
    pub(super) fn device(&self, stanza: &Stanza) -> String {
        let base = stanza.base();
        (*self.devices.get(base).unwrap_or(&base)).to_owned()
    }

    /// Whether something brings `stanza` up when the system boots, or a device appears.
    pub(super) fn brings_up(&self, stanza: &Stanza) -> bool {
        // ifupdown2 folds `eth0:0` into eth0.
        let name = if self.tree.flavour.is_two() { stanza.base() } else { &stanza.name };
        let implicit = name == "lo" && !self.tree.flavour.is_two();
        implicit
            || self.names.contains(name)
            || self.hooked.contains(&stanza.name)
            || !self.tree.mappings.is_empty()
            || self.patterns.iter().any(|pattern| covers(pattern, name))
    }
}

/// Whether a pattern of an `auto` line covers `name`: `/eth*` (ifup(8)), `swp[1-4]` and `all` (ifupdown2).
fn covers(pattern: &str, name: &str) -> bool {
    if pattern == "all" {
        return true;
    }
    let inner = pattern.strip_prefix('/').unwrap_or(pattern);
    let inner = inner.split('/').next().unwrap_or_default();
    // `/mac/...` and `/path/...` look at the device, which is not there to look at.
    let looks_at_device = pattern.starts_with('/') && matches!(inner, "mac" | "sys" | "path" | "class" | "property");
    let range = inner.split_once('[').and_then(|(front, rest)| Some((front, rest.split_once(']')?)));
    let in_range = range.and_then(|(front, (range, behind))| {
        let (low, high) = range.split_once('-')?;
        let number = name.strip_prefix(front)?.strip_suffix(behind)?.parse::<u32>().ok()?;
        Some((low.parse().ok()?..=high.parse().ok()?).contains(&number))
    });
    looks_at_device || in_range == Some(true) || include::matches(inner.as_bytes(), name.as_bytes())
}

/// Why nothing in `stanza` comes up, if so.
fn stanza_problem(stanza: &Stanza, starts: &Starts<'_>) -> Option<String> {
    let flavour = starts.tree.flavour;
    if let Some(reason) = stanza.source.unread.as_ref().or(stanza.refused.as_ref()) {
        return Some(reason.clone());
    }
    if stanza.template {
        return Some("it is a template for other stanzas".to_owned());
    }
    if !starts.brings_up(stanza) {
        return Some(format!("nothing brings {} up: no auto line names it", stanza.name));
    }
    // ip(8) and the kernel refuse longer labels.
    if stanza.is_alias() && stanza.name.len() > MOST_NAME_BYTES && !flavour.is_two() {
        return Some(format!("{} has more than {MOST_NAME_BYTES} bytes, so that ifup fails", stanza.name));
    }
    None
}

struct Collector<'c> {
    tree: &'c Tree,
    stanza: &'c Stanza,
    index: usize,
    device: String,
    problem: Option<String>,
    found: &'c mut Vec<Found>,
}

impl Collector<'_> {
    /// The `address` lines, those of inherited stanzas first.
    fn lines(&mut self) {
        let stanza = self.stanza;
        let mut lines: Vec<(Option<usize>, &Stanza, &WordLine)> = Vec::new();
        for parent in ancestors(self.tree, stanza).into_iter().rev() {
            lines.extend(parent.options.iter().map(|option| (None, parent, option)));
        }
        lines.extend(stanza.options.iter().enumerate().map(|(at, option)| (Some(at), stanza, option)));
        let options: Vec<&WordLine> = lines.iter().map(|(_, _, option)| *option).collect();
        let masks = Netmasks::new(self.tree.flavour, &options);
        let lines = lines.into_iter().filter(|(_, _, option)| option.word(0) == b"address");
        for (nth, (at, parent, option)) in lines.enumerate() {
            let Some((ip, bits)) = address(option.words.get(1)) else { continue };
            let (bits, problem) = match masks.prefix(stanza, nth, ip, bits, option.words.len()) {
                Ok(bits) => (bits, None),
                Err(reason) => (bits.unwrap_or(alias::host_prefix(ip)), Some(reason)),
            };
            let Some(network) = alias::with_prefix(ip, bits) else { continue };
            let label = (stanza.is_alias() && ip.is_ipv4() && self.tree.flavour.labels()).then(|| stanza.name.clone());
            let form = if nth == 0 { format!("stanza {}", stanza.name) } else { "address line".to_owned() };
            let origin = at.map_or(Origin::Inherited, Origin::Line);
            let entry = Entry {
                interface: self.device.clone(),
                address: network,
                label,
                path: parent.source.path.clone(),
                line: option.number(),
                form,
                role: Role::Additional,
                problem: self.problem.clone().or(problem),
            };
            self.found.push(Found { entry, stanza: self.index, origin });
        }
    }

    /// Addresses of hook lines, and of Hetzner's `addresses`.
    fn hooks_and_lists(&mut self) {
        let stanza = self.stanza;
        let name = stanza.name.split_once(':').map_or(self.device.clone(), |(_, n)| format!("{}:{n}", self.device));
        for (at, option) in stanza.options.iter().enumerate() {
            if option.word(0) == b"addresses" {
                for (word, text) in option.words.iter().enumerate().skip(1) {
                    let Some((ip, bits)) = address(Some(text)) else { continue };
                    let bits = bits.unwrap_or(alias::host_prefix(ip));
                    let device = self.device.clone();
                    let origin = Origin::Listed { option: at, word };
                    self.push(option, origin, device, (ip, bits), None, "addresses line");
                }
            } else if hook::runs_up(option.word(0)) {
                for deed in hook::parse(option.words_from(1), &name).deeds {
                    let Deed::Add { address, device, label } = deed else { continue };
                    let form = format!("{} line", String::from_utf8_lossy(option.word(0)));
                    let network = (address.addr(), address.prefix_len());
                    self.push(option, Origin::Hook(at), device, network, label, &form);
                }
            }
        }
    }

    fn push(
        &mut self,
        option: &WordLine,
        origin: Origin,
        interface: String,
        (ip, bits): (IpAddr, u8),
        label: Option<String>,
        form: &str,
    ) {
        let Some(address) = alias::with_prefix(ip, bits) else { return };
        let too_long = label.as_ref().filter(|label| label.len() > MOST_NAME_BYTES);
        let too_long = too_long.map(|label| format!("the label {label} has more than {MOST_NAME_BYTES} bytes"));
        let entry = Entry {
            interface,
            address,
            label,
            path: self.stanza.source.path.clone(),
            line: option.number(),
            form: form.to_owned(),
            role: Role::Additional,
            problem: self.problem.clone().or(too_long),
        };
        self.found.push(Found { entry, stanza: self.index, origin });
    }
}

/// The stanzas that `stanza` inherits from, the nearest first.
fn ancestors<'t>(tree: &'t Tree, stanza: &Stanza) -> Vec<&'t Stanza> {
    let mut found: Vec<&Stanza> = Vec::new();
    let mut next = stanza.inherits;
    while let Some(parent) = next.and_then(|at| tree.stanzas.get(at)).filter(|_| found.len() < 16) {
        found.push(parent);
        next = parent.inherits;
    }
    found
}

/// `A` or `A/LENGTH` or `A/NETMASK`; nothing if it is not an address.
fn address(word: Option<&Word>) -> Option<(IpAddr, Option<u8>)> {
    let text = std::str::from_utf8(&word?.text).ok()?;
    match text.split_once('/') {
        Some((ip, length)) => Some((ip.parse().ok()?, Some(hook::prefix(length)?))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// The `address` and `netmask` lines of one stanza, and how its reader puts them together.
struct Netmasks<'o> {
    flavour: Flavour,
    addresses: Vec<&'o WordLine>,
    /// The mask for each address; for all readers but ifupdown2 there is at most one, for all of them.
    masks: Vec<Option<&'o WordLine>>,
    repeated: bool,
    unreadable: bool,
}

impl<'o> Netmasks<'o> {
    fn new(flavour: Flavour, options: &[&'o WordLine]) -> Netmasks<'o> {
        let mut both =
            Netmasks { flavour, addresses: Vec::new(), masks: Vec::new(), repeated: false, unreadable: false };
        for option in options {
            match option.word(0) {
                b"address" => {
                    both.addresses.push(option);
                    both.unreadable |= address(option.words.get(1)).is_none() || option.words.len() > 2;
                }
                b"netmask" if flavour.is_two() => {
                    // ifupdown2 ties a mask to the address line above it; one above the first address is lost.
                    let place = both.addresses.len().saturating_sub(1).max(both.masks.len());
                    if !both.addresses.is_empty() {
                        both.masks.resize(place, None);
                        both.masks.push(Some(option));
                    }
                }
                b"netmask" => {
                    both.repeated |= !both.masks.is_empty();
                    both.masks.push(Some(option));
                }
                _ => {}
            }
        }
        both
    }

    /// The prefix length that the reader gives the address at `nth`, or why it will not set it.
    fn prefix(&self, stanza: &Stanza, nth: usize, ip: IpAddr, own: Option<u8>, words: usize) -> Result<u8, String> {
        let mask = self.masks.get(if self.flavour.is_two() { nth } else { 0 }).copied().flatten();
        let given = mask.and_then(|mask| std::str::from_utf8(mask.word(1)).ok()).and_then(hook::prefix);
        let in_bits = mask.is_some_and(|mask| !mask.word(1).contains(&b'.'));
        match self.flavour {
            Flavour::Two { .. } if self.unreadable => {
                return Err("ifupdown2 drops every address of a stanza in which it cannot read one".to_owned());
            }
            Flavour::Two { .. } if matches!(stanza.method.as_str(), "dhcp" | "ppp") => {
                return Err(format!("ifupdown2 takes no address line in a {} stanza", stanza.method));
            }
            Flavour::Two { .. } => return Ok(own.or(given).unwrap_or(alias::host_prefix(ip))),
            Flavour::Ng { .. } => return Ok(own.or(given).unwrap_or(if ip.is_ipv4() { 24 } else { 64 })),
            Flavour::Old | Flavour::Classic | Flavour::BusyBox => {}
        }
        if !matches!(stanza.method.as_str(), "static" | "tunnel" | "v4tunnel") {
            return Err(format!("the method {} takes no address line", stanza.method));
        }
        if !stanza.family.takes(if ip.is_ipv4() { Family::V4 } else { Family::V6 }) {
            return Err("the address is not of the stanza's family".to_owned());
        }
        if words > 2 || mask.is_some_and(|mask| mask.words.len() > 2) {
            return Err("the words behind the value are part of it, so that ifup fails".to_owned());
        }
        if self.addresses.len() > 1 {
            let first_in_bits = address(self.addresses.first().and_then(|first| first.words.get(1)));
            let works = ip.is_ipv4() && mask.is_none() && first_in_bits.is_some_and(|(_, bits)| bits.is_some());
            return match (works, nth, own) {
                (false, ..) => Err(format!("ifup fails on two address lines, and {} does not come up", stanza.name)),
                (true, 0, Some(own)) => Ok(own),
                (true, ..) => Err("ifupdown takes only the first address line of a stanza".to_owned()),
            };
        }
        if self.repeated || (mask.is_some() && given.is_none()) {
            return Err("the netmask cannot be read, so that ifup fails".to_owned());
        }
        match self.flavour {
            Flavour::Classic => Ok(given.or(own).unwrap_or(hook::class_prefix(ip))),
            _ if own.is_some() => Err(format!("{} takes no prefix behind the address", self.flavour.name())),
            Flavour::BusyBox if ip.is_ipv4() && in_bits => Err("BusyBox takes only a dotted netmask".to_owned()),
            _ => given.ok_or_else(|| format!("{} needs a netmask", self.flavour.name())),
        }
    }
}

/// Marks, for each interface and family, the address that the host is known by.
fn assign_roles(starts: &Starts<'_>, found: &mut [Found]) {
    let stanzas = &starts.tree.stanzas;
    let traits: Vec<Traits> = stanzas.iter().map(Traits::of).collect();
    let mut dynamic: HashSet<(String, bool)> = HashSet::new();
    for stanza in stanzas.iter().filter(|stanza| stanza.is_dynamic()) {
        for v4 in [true, false] {
            if stanza.family.takes(if v4 { Family::V4 } else { Family::V6 }) {
                dynamic.insert((starts.device(stanza), v4));
            }
        }
    }
    // The best so far: a stanza with a gateway before one without, then the earlier one.
    let mut best: HashMap<(String, bool), (u8, usize)> = HashMap::new();
    for (at, candidate) in found.iter().enumerate() {
        let (Some(stanza), Some(traits)) = (stanzas.get(candidate.stanza), traits.get(candidate.stanza)) else {
            continue;
        };
        let key = (candidate.entry.interface.clone(), candidate.entry.address.addr().is_ipv4());
        let rank = match candidate.origin {
            _ if key.0 == "lo" || stanza.is_alias() => continue,
            Origin::Line(_) | Origin::Inherited if traits.gateway => 0,
            _ if dynamic.contains(&key) => continue,
            Origin::Line(_) | Origin::Inherited if traits.is_own_configuration(&candidate.entry) => 1,
            Origin::Hook(_) if stanza.method == "manual" && candidate.entry.label.is_none() => 2,
            _ => continue,
        };
        let better = best.get(&key).is_none_or(|(other, _)| rank < *other);
        if better {
            best.insert(key, (rank, at));
        }
    }
    for (_, at) in best.into_values() {
        if let Some(found) = found.get_mut(at) {
            found.entry.role = Role::Primary;
        }
    }
}

/// What the options of a stanza say about its rank.
struct Traits {
    gateway: bool,
    plain: bool,
    lifetime: bool,
}

impl Traits {
    fn of(stanza: &Stanza) -> Traits {
        Traits {
            gateway: stanza.has(b"gateway"),
            plain: stanza.options.iter().all(|option| is_plain_option(option.word(0))),
            lifetime: stanza.has(b"preferred-lifetime"),
        }
    }

    /// Whether a stanza without a gateway is more than an additional address: it has other options, or a network.
    fn is_own_configuration(&self, entry: &Entry) -> bool {
        let host = entry.address.prefix_len() == entry.address.max_prefix_len();
        !self.plain || (!host && !self.lifetime)
    }
}
