//! How ifupdown2 puts netmasks and lifetimes to addresses.
//!
//! ifupdown2 folds all stanzas of an interface, those of its aliases included, into one (`ifaceobj_squash_internal`, on
//! by default): the lists of addresses and of each attribute are put behind each other. Within a stanza an attribute is
//! stored at the place of the address line above it (`_add_to_iface_config`), but the lists of a stanza may be of different
//! length, so that an attribute of a later stanza may go to another address. The method is that of the first stanza, and
//! an address that cannot be read costs all others. Source and runs: ifupdown2 3.0.0.

use std::collections::HashMap;

use crate::alias;

use super::address::{self, Settled, Written};
use super::hook;
use super::merge::Place;
use super::stanza::Tree;
use super::starts::Starts;

/// What one unreadable address does to the others.
pub(super) const DROPS_ALL: &str = "ifupdown2 drops every address of an interface when it cannot read one";

/// What a prefix length that cannot be does.
const STOPS: &str = "ifupdown2 stops at an address of the interface with an impossible netmask";

/// The lists of one interface.
#[derive(Default)]
struct Lists<'t> {
    method: &'t str,
    addresses: Vec<(Place, Option<Written>)>,
    netmasks: Vec<Option<&'t [u8]>>,
    lifetimes: Vec<Option<&'t [u8]>>,
}

/// The prefix of every address line in `tree`.
pub(super) fn settle(tree: &Tree, starts: &Starts<'_>) -> HashMap<Place, Settled> {
    let mut interfaces: HashMap<String, Lists<'_>> = HashMap::new();
    let read = tree.stanzas.iter().enumerate().filter(|(_, stanza)| stanza.source.unread.is_none());
    for (index, stanza) in read {
        let lists = interfaces
            .entry(starts.device(stanza))
            .or_insert_with(|| Lists { method: stanza.method.as_str(), ..Lists::default() });
        let before = lists.addresses.len();
        let (mut netmasks, mut lifetimes) = (Vec::new(), Vec::new());
        for (at, option) in stanza.options.iter().enumerate() {
            let place = lists.addresses.len() - before;
            match option.word(0) {
                b"address" => {
                    let whole = Some(option).filter(|option| option.words.len() == 2);
                    let address = whole.and_then(|option| address::read(option.words.get(1)));
                    lists.addresses.push(((index, at), address));
                }
                b"netmask" => attach(&mut netmasks, place, option.word(1)),
                b"preferred-lifetime" => attach(&mut lifetimes, place, option.word(1)),
                _ => {}
            }
        }
        lists.netmasks.append(&mut netmasks);
        lists.lifetimes.append(&mut lifetimes);
    }
    interfaces.values().flat_map(Lists::settle).collect()
}

/// Stores `value` at the place of the last of so many addresses. One above the first address is lost.
fn attach<'t>(list: &mut Vec<Option<&'t [u8]>>, addresses: usize, value: &'t [u8]) {
    if addresses > 0 {
        list.resize((addresses - 1).max(list.len()), None);
        list.push(Some(value));
    }
}

impl Lists<'_> {
    fn settle(&self) -> Vec<(Place, Settled)> {
        let problem = match self.method {
            "dhcp" | "ppp" => Some(format!("ifupdown2 takes no address line beside {}", self.method)),
            _ if (0..self.addresses.len()).any(|at| self.prefix(at).is_none()) => Some(DROPS_ALL.to_owned()),
            _ => None,
        };
        // The kernel refuses a length that the family does not have, and ifupdown2 does not go on to the next address.
        let impossible = |(_, address): &(Place, Option<Written>), bits: u8| {
            address.is_some_and(|(ip, _)| bits > alias::host_prefix(ip))
        };
        let mut pairs = self.addresses.iter().enumerate();
        let stop = pairs.position(|(at, address)| self.prefix(at).is_some_and(|bits| impossible(address, bits)));
        let settled = |(at, (place, _)): (usize, &(Place, _))| {
            let stopped = stop.filter(|stop| at >= *stop).map(|_| STOPS.to_owned());
            let zero = self.lifetimes.get(at).copied().flatten() == Some(b"0");
            (
                *place,
                Settled { bits: self.prefix(at), problem: problem.clone().or(stopped), fails: false, deprecated: zero },
            )
        };
        self.addresses.iter().enumerate().map(settled).collect()
    }

    /// The prefix length of the address at `at`; nothing if it or its netmask cannot be read.
    fn prefix(&self, at: usize) -> Option<u8> {
        let (_, address) = self.addresses.get(at)?;
        let (ip, own) = (*address)?;
        match (own, self.netmasks.get(at).copied().flatten()) {
            (Some(bits), _) => Some(bits),
            (None, None) => Some(alias::host_prefix(ip)),
            (None, Some(mask)) => {
                let bits = hook::prefix(std::str::from_utf8(mask).ok()?)?;
                // A dotted mask is none for IPv6.
                Some(bits).filter(|_| ip.is_ipv4() || !mask.contains(&b'.'))
            }
        }
    }
}
