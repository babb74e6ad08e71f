//! What stands in the files: stanzas, names to bring up, includes, and what makes a reader refuse them.
//!
//! Follows interfaces(5). What a reader would refuse is kept as a [`Fault`] instead of an error, since listing has to work
//! on files that are broken. Leaves out how a file is read (see `reader`) and what an address is (see `address`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Kind, Refusal};
use crate::root::RootPath;
use crate::syntax::words::WordLine;
use crate::text::Text;

use super::flavour::Flavour;
use super::include::Include;
use super::merge::Place;

/// The file that all readers begin with.
pub(super) const INTERFACES: &str = "/etc/network/interfaces";

/// One file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is, with every link resolved.
    pub(super) path: RootPath,
    /// The directory in which the reader found it, for names relative to it.
    pub(super) directory: RootPath,
    /// Its bytes.
    pub(super) text: Text,
    /// Whether its last line waits for another one.
    pub(super) open: bool,
    /// Why the reader does not read this file at all, if it does not.
    pub(super) unread: Option<String>,
}

/// The protocol family of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Family {
    /// `inet`.
    V4,
    /// `inet6`.
    V6,
    /// None named, which ifupdown2 and ifupdown-ng accept: addresses of both.
    Any,
    /// Another: `can`, `ipx`, `link`.
    Other,
}

impl Family {
    /// Whether a stanza of this family can give addresses of `family`.
    pub(super) fn takes(self, family: Family) -> bool {
        self == family || self == Family::Any
    }
}

/// An `iface` line and its options.
#[derive(Debug)]
pub(super) struct Stanza {
    /// The file it is in.
    pub(super) source: Arc<Source>,
    /// The `iface` line.
    pub(super) head: WordLine,
    /// The (logical) name.
    pub(super) name: String,
    /// The family.
    pub(super) family: Family,
    /// The method; `static` where none is named.
    pub(super) method: String,
    /// The stanza that it takes further options from, as an index into [`Tree::stanzas`].
    pub(super) inherits: Option<usize>,
    /// Whether it is there only for others to inherit from.
    pub(super) template: bool,
    /// Its options in order.
    pub(super) options: Vec<WordLine>,
    /// Why the reader does not get as far as this stanza, if it does not.
    pub(super) refused: Option<String>,
}

impl Stanza {
    /// The name up to a colon.
    pub(super) fn base(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }

    /// Whether the name is one of an alias: `eth0:0`.
    pub(super) fn is_alias(&self) -> bool {
        self.name.contains(':')
    }

    /// Whether addresses come from elsewhere, so that a first address here is not the interface's primary.
    pub(super) fn is_dynamic(&self) -> bool {
        matches!(self.method.as_str(), "dhcp" | "auto" | "ppp" | "wvdial" | "bootp" | "ipv4ll" | "dhcp6")
    }

    /// Whether it has an option called `name`.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.options.iter().any(|option| option.word(0) == name)
    }

    /// The first line behind the stanza, as an index: behind its last option.
    pub(super) fn end(&self) -> usize {
        self.options.last().unwrap_or(&self.head).lines.end
    }
}

/// One name on an `auto` or `allow-CLASS` line.
#[derive(Debug)]
pub(super) struct Start {
    /// How many stanzas were read before.
    pub(super) position: usize,
    /// The file it is in.
    pub(super) source: Arc<Source>,
    /// The line.
    pub(super) line: Arc<WordLine>,
    /// Which word of the line; nothing for an empty `auto` inside a stanza, which means that stanza.
    pub(super) word: Option<usize>,
    /// `auto`, or the class.
    pub(super) class: String,
    /// The device or pattern.
    pub(super) device: String,
    /// The stanza that it is brought up with.
    pub(super) logical: String,
    /// Whether the reader takes notice of it.
    pub(super) counts: bool,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The reader refuses all files, so that nothing comes up.
    RefusesAll,
    /// The reader drops the rest of this file.
    RefusesFile,
    /// The reader copes, but the file cannot be edited without doubt.
    Unclear,
    /// The reader copes, but no file can be edited without doubt.
    UnclearAll,
}

/// A line that keeps addresses from being configured or added.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// The file.
    pub(super) path: RootPath,
    /// The line, from 1; 0 for the whole file.
    pub(super) line: usize,
    /// What is wrong, a clause.
    pub(super) reason: String,
    /// What can be done.
    pub(super) hint: &'static str,
    /// What it does.
    pub(super) effect: Effect,
}

impl Fault {
    /// The refusal to edit because of this.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal::new(Kind::Malformed, self.reason.clone(), self.hint).at(&self.path, self.line)
    }
}

/// Everything that one reader finds in a root.
#[derive(Debug)]
pub(super) struct Tree {
    /// The reader.
    pub(super) flavour: Flavour,
    /// The files in the order in which they were begun.
    pub(super) sources: Vec<Arc<Source>>,
    /// Every stanza in reading order.
    pub(super) stanzas: Vec<Stanza>,
    /// Every name that is to be brought up.
    pub(super) starts: Vec<Start>,
    /// The includes that the reader follows.
    pub(super) includes: Vec<Include>,
    /// The devices that `mapping` stanzas are for.
    pub(super) mappings: Vec<String>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
    /// ifupdown-ng: the prefix lengths of address lines that have none of their own.
    pub(super) merged: HashMap<Place, u8>,
    /// ifupdown-ng: names that have a netmask or an address left over at the end of a file, for the next stanza.
    pub(super) left_over: HashSet<(RootPath, String)>,
    /// Whether a script reads the option `addresses`.
    pub(super) lists: bool,
}
