//! Which stanzas are brought up, and on which device: `auto`, `allow-CLASS` and what hook lines bring up.
//!
//! Follows interfaces(5) and ifup(8) ("INTERFACES", patterns), and ifupdown2's ranges. Leaves out mapping scripts: where
//! there are any, every stanza may come up.

use std::collections::{HashMap, HashSet};

use super::hook::{self, Deed};
use super::include;
use super::stanza::{Stanza, Tree};

/// Which names are brought up.
pub(super) struct Starts<'t> {
    tree: &'t Tree,
    names: HashSet<&'t str>,
    patterns: Vec<&'t str>,
    /// Names that a hook line brings up: `up ifup eth0:0`.
    hooked: HashSet<String>,
    /// ifupdown2: the last stanza of each interface, since only those below an `auto` line take notice of it.
    last: HashMap<&'t str, usize>,
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
            last: HashMap::new(),
            devices: HashMap::new(),
        };
        if tree.flavour.is_two() {
            starts.last = tree.stanzas.iter().enumerate().map(|(at, stanza)| (stanza.base(), at)).collect();
        }
        for start in tree.starts.iter().filter(|start| start.counts) {
            let is_pattern = start.logical.contains(['/', '*', '?', '[']);
            if is_pattern || (tree.flavour.is_two() && start.logical == "all") {
                starts.patterns.push(&start.logical);
            } else if starts.last.get(start.logical.as_str()).is_none_or(|last| *last >= start.position) {
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

    /// The files in question.
    pub(super) fn tree(&self) -> &'t Tree {
        self.tree
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_auto_lines() {
        for (pattern, name, expected) in [
            ("/eth*", "eth0", true),
            ("/eth*", "br0", false),
            ("/eth*/1", "eth0", true),
            ("/mac/00:11*", "eth0", true),
            ("swp[1-4]", "swp3", true),
            ("swp[1-4]", "swp5", false),
            ("swp[1-4].100", "swp2.100", true),
            ("all", "anything", true),
            ("[", "x", false),
        ] {
            assert_eq!(covers(pattern, name), expected, "{pattern} {name}");
        }
    }
}
