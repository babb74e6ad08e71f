//! The addresses that stanzas configure, with prefix, label and role, and why some of them will not come up.
//!
//! Follows interfaces(5) ("iface", "auto", "allow-"), the `static` methods of each reader (`inet.defn`, `inet6.defn` and
//! `archcommon.c` of ifupdown, `addons/address.py` of ifupdown2, `executor-scripts/static` of ifupdown-ng,
//! `networking/ifupdown.c` of BusyBox), and Hetzner's keyword `addresses`. Leaves out where to write: see `add`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{self, MOST_NAME_BYTES};
use crate::backend::{Entry, Role};
use crate::error::Result;
use crate::plan::Plan;
use crate::root::Root;
use crate::syntax::words::{Word, WordLine};

use super::flavour::Flavour;
use super::fold;
use super::hook::{self, Deed};
use super::merge::Place;
use super::reader;
use super::single::Lines;
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
    /// Whether its stanza makes `ifup` fail.
    pub(super) fails: bool,
    /// Whether it is marked as no source address.
    pub(super) deprecated: bool,
    /// How well it would do as the address that the host is known by; less is better, nothing is not at all.
    rank: Option<u8>,
}

/// What a reader makes of an address line.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    /// The prefix length that it gives the address, as far as that can be told.
    pub(super) bits: Option<u8>,
    /// Why it does not set the address, if it does not.
    pub(super) problem: Option<String>,
    /// Whether it gives up on the interface for that.
    pub(super) fails: bool,
    /// Whether the address is marked as no source address.
    pub(super) deprecated: bool,
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
    let folded = if tree.flavour.is_two() { fold::settle(tree, &starts) } else { HashMap::new() };
    let mut failed: HashMap<&str, String> = HashMap::new();
    let mut found: Vec<Found> = Vec::new();
    for (index, stanza) in tree.stanzas.iter().enumerate() {
        let problem = refused.clone().or_else(|| stanza_problem(stanza, &starts));
        let problem = problem.or_else(|| failed.get(stanza.name.as_str()).cloned());
        let first = found.len();
        let device = starts.device(stanza);
        let mut collector = Collector { tree, stanza, index, device, folded: &folded, problem, found: &mut found };
        collector.lines();
        let fails = lacks_address(tree, stanza) || collector.found.iter().skip(first).any(|found| found.fails);
        if fails && collector.problem.is_none() {
            // The up lines come behind the method; and ifupdown does not go on to the next stanza of the name.
            let reason = format!("ifup gives up on {} at {}:{}", stanza.name, stanza.source.path, stanza.head.number());
            collector.problem = Some(reason.clone());
            if tree.flavour.is_debian() {
                failed.insert(&stanza.name, reason);
            }
        }
        collector.hooks_and_lists();
    }
    found.retain(|found| !found.entry.address.addr().is_loopback());
    assign_roles(&starts, &mut found);
    found
}

/// Whether `plan` leaves every address but those in `but` as it is in `found`: its prefix and its lifetime, and its effect
/// and role if it has one.
pub(super) fn others_stay(
    root: &Root,
    tree: &Tree,
    found: &[Found],
    plan: &Plan,
    but: &HashSet<(&str, IpAddr)>,
) -> Result<bool> {
    let Some(after) = reader::read(&plan.overlay(root), tree.flavour)? else { return Ok(false) };
    let other = |found: &&Found| !but.contains(&(found.entry.interface.as_str(), found.entry.address.addr()));
    let after = find(&after);
    let mut there: HashMap<_, i64> = HashMap::new();
    let mut effective: HashMap<_, i64> = HashMap::new();
    for (all, by) in [(found, 1), (&after, -1)] {
        for found in all.iter().filter(other) {
            let place = (&found.entry.interface, found.entry.address);
            *there.entry((place, found.deprecated)).or_default() += by;
            if found.entry.is_effective() {
                *effective.entry((place, found.entry.role == Role::Primary)).or_default() += by;
            }
        }
    }
    Ok(there.values().all(|count| *count == 0) && effective.values().all(|count| *count <= 0))
}

/// Whether ifupdown or BusyBox give up on `stanza` because it has no address.
pub(super) fn lacks_address(tree: &Tree, stanza: &Stanza) -> bool {
    let has = |stanza: &Stanza| stanza.has(b"address");
    let needs = stanza.method == "static" && matches!(stanza.family, Family::V4 | Family::V6);
    let inherits = || ancestors(tree, stanza).iter().filter_map(|at| tree.stanzas.get(*at)).any(has);
    tree.flavour.is_strict() && needs && !has(stanza) && !inherits()
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
    folded: &'c HashMap<Place, Settled>,
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
        let single = Lines::new(self.tree.flavour, &options);
        let options = Routing::of(&options);
        let lines = lines.into_iter().filter(|(_, _, option)| option.word(0) == b"address");
        let mut families = HashSet::new();
        for (nth, (place, parent, option)) in lines.enumerate() {
            let Some((ip, own)) = read(option.words.get(1)) else { continue };
            let settled = match self.tree.flavour {
                Flavour::Two { .. } => self.folded.get(&place).cloned().unwrap_or_default(),
                Flavour::Ng { .. } => {
                    // ifupdown-ng's own default, for want of a netmask.
                    let default = if ip.is_ipv4() { 24 } else { 64 };
                    let bits = own.or_else(|| self.tree.merged.get(&place).copied()).unwrap_or(default);
                    Settled { bits: Some(bits), ..Settled::default() }
                }
                _ => single.settle(stanza, nth, ip, own, option.words.len()),
            };
            let bits = settled.bits.unwrap_or(alias::host_prefix(ip));
            let (network, too_long) = match alias::with_prefix(ip, bits) {
                Some(network) => (network, None),
                None => (IpNet::from(ip), Some(format!("/{bits} is longer than the address"))),
            };
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
                problem: self.problem.clone().or(settled.problem).or_else(|| too_long.clone()),
            };
            let first = families.insert(ip.is_ipv4());
            let (fails, deprecated) = (settled.fails || too_long.is_some(), settled.deprecated);
            let rank = self.rank(&entry, first, &options, deprecated);
            self.found.push(Found { entry, stanza: self.index, origin, fails, deprecated, rank });
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
        } else if deprecated && family == Family::V6 {
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
                    let Some((ip, bits)) = read(Some(text)) else { continue };
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
        let (fails, deprecated) = (false, false);
        self.found.push(Found { entry, stanza: self.index, origin, fails, deprecated, rank });
    }
}

/// Whether an address of `family` put into `stanza` would look like its primary: as its only one, or as the only one of
/// the family that the stanza, or a gateway in it, is for.
pub(super) fn would_lead(stanza: &Stanza, family: Family) -> bool {
    let ips = |keyword: &'static [u8]| {
        let lines = stanza.options.iter().filter(move |option| option.word(0) == keyword);
        lines.map(|line| read(line.words.get(1)).map(|(ip, _)| ip))
    };
    let same = |ip: IpAddr| ip.is_ipv4() == (family == Family::V4);
    let leads_family = stanza.family == family || ips(b"gateway").any(|ip| ip.is_none_or(same));
    !ips(b"address").any(|ip| ip.is_some_and(same)) && (leads_family || !ips(b"address").any(|ip| ip.is_some()))
}

/// The first `address` line of a stanza that cannot be read as one address.
pub(super) fn unreadable(stanza: &Stanza) -> Option<&WordLine> {
    let mut lines = stanza.options.iter().filter(|option| option.word(0) == b"address");
    lines.find(|option| option.words.len() > 2 || read(option.words.get(1)).is_none())
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

/// An address as it is written, with its own prefix length if it has one.
pub(super) type Written = (IpAddr, Option<u8>);

/// `A` or `A/LENGTH` or `A/NETMASK`; nothing if it is not an address.
pub(super) fn read(word: Option<&Word>) -> Option<Written> {
    let text = std::str::from_utf8(&word?.text).ok()?;
    match text.split_once('/') {
        Some((ip, length)) => Some((ip.parse().ok()?, Some(hook::prefix(length)?))),
        None => Some((text.parse().ok()?, None)),
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
            gateways: gateways.map(|option| Some(read(option.words.get(1))?.0)).collect(),
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
