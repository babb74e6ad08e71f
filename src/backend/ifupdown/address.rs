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
use super::merge::Place;
use super::stanza::{Effect, Family, Stanza, Tree};
use super::starts::Starts;

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
    /// How well it would do as the address that the host is known by; less is better, nothing is not at all.
    rank: Option<u8>,
}

/// What one unreadable address does to the others of its stanza.
pub(super) const DROPS_ALL: &str = "ifupdown2 drops every address of a stanza in which it cannot read one";

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

/// Why nothing in `stanza` comes up, if so.
fn stanza_problem(stanza: &Stanza, starts: &Starts<'_>) -> Option<String> {
    let flavour = starts.tree().flavour;
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
        let mut chain = ancestors(self.tree, stanza);
        chain.reverse();
        chain.push(self.index);
        let stanzas = chain.iter().filter_map(|at| Some((*at, self.tree.stanzas.get(*at)?)));
        let lines: Vec<(Place, &Stanza, &WordLine)> = stanzas
            .flat_map(|(at, stanza)| {
                stanza.options.iter().enumerate().map(move |(nth, line)| ((at, nth), stanza, line))
            })
            .collect();
        let options: Vec<&WordLine> = lines.iter().map(|(_, _, option)| *option).collect();
        let masks = Attached::new(self.tree.flavour, &options);
        let options = Routing::of(&options);
        let lines = lines.into_iter().filter(|(_, _, option)| option.word(0) == b"address");
        let mut families = HashSet::new();
        for (nth, (place, parent, option)) in lines.enumerate() {
            let Some((ip, own)) = address(option.words.get(1)) else { continue };
            let prefix = match self.tree.flavour {
                Flavour::Ng { .. } => Ok(own.or_else(|| self.tree.merged.get(&place).copied()).unwrap_or(
                    // ifupdown-ng's own default, for want of a netmask.
                    if ip.is_ipv4() { 24 } else { 64 },
                )),
                _ => masks.prefix(stanza, nth, ip, own, option.words.len()),
            };
            let (bits, problem) = match prefix {
                Ok(bits) => (bits, None),
                Err(reason) => (masks.given(nth).or(own).unwrap_or(alias::host_prefix(ip)), Some(reason)),
            };
            let Some(network) = alias::with_prefix(ip, bits) else { continue };
            let label = (stanza.is_alias() && ip.is_ipv4() && self.tree.flavour.labels()).then(|| stanza.name.clone());
            let form = if nth == 0 { format!("stanza {}", stanza.name) } else { "address line".to_owned() };
            let origin = if place.0 == self.index { Origin::Line(place.1) } else { Origin::Inherited };
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
            let first = families.insert(ip.is_ipv4());
            let rank = self.rank(&entry, first, &options, masks.is_deprecated(nth));
            self.found.push(Found { entry, stanza: self.index, origin, rank });
        }
    }

    /// An address with a gateway of its family comes first; then what is more than an additional address, by having a
    /// network or by being the first in a stanza of its family that does more than set addresses.
    fn rank(&self, entry: &Entry, first: bool, options: &Routing, deprecated: bool) -> Option<u8> {
        let host = entry.address.prefix_len() == entry.address.max_prefix_len();
        let family = if entry.address.addr().is_ipv4() { Family::V4 } else { Family::V6 };
        if self.stanza.is_alias() || self.device == "lo" {
            None
        } else if options.has_gateway(entry.address.addr()) {
            Some(0)
        } else if deprecated {
            None
        } else {
            Some(1).filter(|_| !host || (first && self.stanza.family == family && !options.plain))
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
        let by_hand = self.stanza.method == "manual" && label.is_none() && matches!(origin, Origin::Hook(_));
        let unread = matches!(origin, Origin::Listed { .. }) && !self.tree.lists;
        let unread = unread.then(|| "no script in /etc/network/if-up.d reads this option".to_owned());
        let rank = Some(2).filter(|_| by_hand && interface != "lo");
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
            problem: self.problem.clone().or(too_long).or(unread),
        };
        self.found.push(Found { entry, stanza: self.index, origin, rank });
    }
}

/// Whether an address of `family` put into `stanza` would look like its primary: as its only one, or as the only one of
/// the family that the stanza, or a gateway in it, is for.
pub(super) fn would_lead(stanza: &Stanza, family: Family) -> bool {
    let ips = |keyword: &'static [u8]| {
        let lines = stanza.options.iter().filter(move |option| option.word(0) == keyword);
        lines.map(|line| address(line.words.get(1)).map(|(ip, _)| ip))
    };
    let same = |ip: IpAddr| ip.is_ipv4() == (family == Family::V4);
    let leads_family = stanza.family == family || ips(b"gateway").any(|ip| ip.is_none_or(same));
    !ips(b"address").any(|ip| ip.is_some_and(same)) && (leads_family || !ips(b"address").any(|ip| ip.is_some()))
}

/// The first `address` line of a stanza that cannot be read as one address.
pub(super) fn unreadable(stanza: &Stanza) -> Option<&WordLine> {
    let mut lines = stanza.options.iter().filter(|option| option.word(0) == b"address");
    lines.find(|option| option.words.len() > 2 || address(option.words.get(1)).is_none())
}

/// The stanzas that `stanza` inherits from, the nearest first, as indexes.
fn ancestors(tree: &Tree, stanza: &Stanza) -> Vec<usize> {
    let mut found = Vec::new();
    let mut next = stanza.inherits;
    while let Some((at, parent)) = next.and_then(|at| Some((at, tree.stanzas.get(at)?))).filter(|_| found.len() < 16) {
        found.push(at);
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

/// The `address` lines of one stanza, what belongs to each, and how the reader puts them together.
struct Attached<'o> {
    flavour: Flavour,
    addresses: Vec<&'o WordLine>,
    /// The mask for each address; for all readers but ifupdown2 there is at most one, for all of them.
    masks: Vec<Option<&'o WordLine>>,
    /// The preferred lifetimes, likewise.
    lifetimes: Vec<Option<&'o WordLine>>,
    repeated: bool,
    unreadable: bool,
}

impl<'o> Attached<'o> {
    fn new(flavour: Flavour, options: &[&'o WordLine]) -> Attached<'o> {
        let (addresses, masks, lifetimes) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = Attached { flavour, addresses, masks, lifetimes, repeated: false, unreadable: false };
        for option in options {
            let place = all.addresses.len();
            match option.word(0) {
                b"address" => {
                    all.addresses.push(option);
                    all.unreadable |= address(option.words.get(1)).is_none() || option.words.len() > 2;
                }
                b"netmask" => {
                    all.repeated |= !all.masks.is_empty();
                    attach(&mut all.masks, flavour, place, option);
                }
                b"preferred-lifetime" => attach(&mut all.lifetimes, flavour, place, option),
                _ => {}
            }
        }
        all
    }

    fn at(&self, attributes: &[Option<&'o WordLine>], nth: usize) -> Option<&'o WordLine> {
        attributes.get(if self.flavour.is_two() { nth } else { 0 }).copied().flatten()
    }

    /// Whether the address at `nth` is marked as no source address.
    fn is_deprecated(&self, nth: usize) -> bool {
        self.at(&self.lifetimes, nth).is_some_and(|lifetime| lifetime.word(1) == b"0")
    }

    /// The prefix length of the mask for the address at `nth`.
    fn given(&self, nth: usize) -> Option<u8> {
        hook::prefix(std::str::from_utf8(self.at(&self.masks, nth)?.word(1)).ok()?)
    }

    /// The prefix length that the reader gives the address at `nth`, or why it will not set it.
    fn prefix(&self, stanza: &Stanza, nth: usize, ip: IpAddr, own: Option<u8>, words: usize) -> Result<u8, String> {
        let mask = self.at(&self.masks, nth);
        let given = self.given(nth);
        let in_bits = mask.is_some_and(|mask| !mask.word(1).contains(&b'.'));
        match self.flavour {
            Flavour::Two { .. } if self.unreadable => {
                return Err(DROPS_ALL.to_owned());
            }
            Flavour::Two { .. } if matches!(stanza.method.as_str(), "dhcp" | "ppp") => {
                return Err(format!("ifupdown2 takes no address line in a {} stanza", stanza.method));
            }
            Flavour::Two { .. } => return Ok(own.or(given).unwrap_or(alias::host_prefix(ip))),
            _ => {}
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

/// ifupdown2 ties an attribute to the address line above it; one above the first address is lost. The others take the
/// first for all.
fn attach<'o>(attributes: &mut Vec<Option<&'o WordLine>>, flavour: Flavour, addresses: usize, option: &'o WordLine) {
    if !flavour.is_two() {
        attributes.push(Some(option));
    } else if addresses > 0 {
        attributes.resize((addresses - 1).max(attributes.len()), None);
        attributes.push(Some(option));
    }
}

/// Whether an option does nothing but set or take away addresses.
fn sets_addresses(option: &WordLine) -> bool {
    let word = option.word(0);
    let hook = || hook::parse(option.words_from(1), "").deeds;
    is_plain_option(word)
        || word == b"addresses"
        || ((hook::runs_up(word) || hook::runs_down(word)) && !hook().contains(&Deed::Other))
}

/// What the options of a stanza say about routes.
struct Routing {
    gateways: Vec<Option<IpAddr>>,
    /// Whether they only set addresses.
    plain: bool,
}

impl Routing {
    fn of(options: &[&WordLine]) -> Routing {
        let gateways = options.iter().filter(|option| option.word(0) == b"gateway");
        Routing {
            gateways: gateways.map(|option| Some(address(option.words.get(1))?.0)).collect(),
            plain: options.iter().all(|option| sets_addresses(option)),
        }
    }

    /// Whether there is a gateway for addresses of `ip`'s family; one that cannot be read may be.
    fn has_gateway(&self, ip: IpAddr) -> bool {
        self.gateways.iter().any(|gateway| gateway.is_none_or(|gateway| gateway.is_ipv4() == ip.is_ipv4()))
    }
}

/// Marks, for each interface and family, the address that the host is known by: the earliest of the best rank. Where
/// addresses come from elsewhere (DHCP), only one with a gateway can be.
fn assign_roles(starts: &Starts<'_>, found: &mut [Found]) {
    let mut dynamic: HashSet<(String, bool)> = HashSet::new();
    for stanza in starts.tree().stanzas.iter().filter(|stanza| stanza.is_dynamic()) {
        for (v4, family) in [(true, Family::V4), (false, Family::V6)] {
            if stanza.family.takes(family) {
                dynamic.insert((starts.device(stanza), v4));
            }
        }
    }
    let mut best: HashMap<(String, bool), (u8, usize)> = HashMap::new();
    for (at, candidate) in found.iter().enumerate() {
        let key = (candidate.entry.interface.clone(), candidate.entry.address.addr().is_ipv4());
        let Some(rank) = candidate.rank.filter(|rank| *rank == 0 || !dynamic.contains(&key)) else { continue };
        if best.get(&key).is_none_or(|(other, _)| rank < *other) {
            best.insert(key, (rank, at));
        }
    }
    for (_, at) in best.into_values() {
        if let Some(found) = found.get_mut(at) {
            found.entry.role = Role::Primary;
        }
    }
}
