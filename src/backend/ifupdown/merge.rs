//! How ifupdown-ng puts netmasks to addresses across stanzas.
//!
//! ifupdown-ng merges all stanzas of a name, and settles prefixes only when it comes to the next `iface` line while that
//! name is the current one, or to the end of a file (`lif_interface_finalize`; an `auto` line changes the current name
//! without settling anything). Then every address without a prefix gets the first netmask that is waiting, which is used
//! up. So a netmask may belong to an address of a later stanza. Measured with `ifparse` of 0.11.4.

use std::collections::{HashMap, HashSet, VecDeque};

/// An address line: the index of its stanza and of the option in it.
pub(super) type Place = (usize, usize);

/// The prefix lengths of address lines without one, as far as they are settled.
#[derive(Debug, Default)]
pub(super) struct Merge {
    current: Option<String>,
    waiting: HashMap<String, Waiting>,
    settled: HashMap<Place, u8>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Netmasks in order; one that cannot be read takes its turn, too.
    netmasks: VecDeque<Option<u8>>,
    addresses: Vec<Place>,
}

impl Merge {
    /// The name that options belong to.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// An `iface` line.
    pub(super) fn iface(&mut self, name: &str) {
        self.settle();
        self.current = Some(name.to_owned());
    }

    /// An `auto` line.
    pub(super) fn auto(&mut self, name: &str) {
        self.current = Some(name.to_owned());
    }

    /// The end of a file; returns the names whose next netmask or address would not be settled with its own stanza.
    pub(super) fn end_of_file(&mut self) -> HashSet<String> {
        self.settle();
        let left =
            self.waiting.iter().filter(|(_, waiting)| !waiting.netmasks.is_empty() || !waiting.addresses.is_empty());
        left.map(|(name, _)| name.clone()).collect()
    }

    /// An address line without a prefix.
    pub(super) fn address(&mut self, name: &str, place: Place) {
        self.waiting.entry(name.to_owned()).or_default().addresses.push(place);
    }

    /// A netmask line.
    pub(super) fn netmask(&mut self, name: &str, bits: Option<u8>) {
        self.waiting.entry(name.to_owned()).or_default().netmasks.push_back(bits);
    }

    /// The prefix lengths after the last file; addresses that no netmask reached are not in it.
    pub(super) fn finish(mut self) -> HashMap<Place, u8> {
        let names: Vec<String> = self.waiting.keys().cloned().collect();
        for name in names {
            self.current = Some(name);
            self.settle();
        }
        self.settled
    }

    fn settle(&mut self) {
        let Some(waiting) = self.current.as_ref().and_then(|name| self.waiting.get_mut(name)) else { return };
        let bits = waiting.netmasks.pop_front().flatten();
        self.settled.extend(waiting.addresses.drain(..).filter_map(|place| Some((place, bits?))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auto_line_leaves_a_netmask_waiting() {
        let mut merge = Merge::default();
        merge.iface("eth0");
        merge.address("eth0", (0, 0));
        merge.netmask("eth0", Some(24));
        merge.auto("eth0:0");
        merge.iface("eth0:0");
        merge.iface("eth0");
        merge.address("eth0", (1, 0));
        merge.netmask("eth0", Some(32));
        assert_eq!(merge.end_of_file(), HashSet::from(["eth0".to_owned()]));
        assert_eq!(merge.finish(), HashMap::from([((0, 0), 24), ((1, 0), 24)]));
    }

    #[test]
    fn stanzas_that_follow_each_other_have_their_own() {
        let mut merge = Merge::default();
        for (stanza, bits) in [(0, 24), (1, 32)] {
            merge.iface("eth0");
            merge.address("eth0", (stanza, 0));
            merge.netmask("eth0", Some(bits));
        }
        assert_eq!(merge.end_of_file(), HashSet::new());
        assert_eq!(merge.finish(), HashMap::from([((0, 0), 24), ((1, 0), 32)]));
    }
}
