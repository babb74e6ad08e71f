//! YAML as netplan reads it: a tree of nodes with the exact bytes that each stands in, and edits of one list.
//!
//! Follows libyaml, which reads YAML 1.1, takes the first document of a file, and keeps a key that stands twice. Aliases are
//! resolved; a merge key is a key like any other.

mod cut;
mod grow;
mod tree;

use std::ops::Range;

use crate::text::Text;

pub use cut::{Cut, cut_items, cut_pair, empty_list};
pub use grow::{Pair, append_items, append_pair};

/// How deep a file may be nested; netplan's own keys need seven levels.
const MOST_DEPTH: usize = 64;

/// How many nodes aliases may add to a tree.
const MOST_ALIASED: usize = 10_000;

/// The first document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its top; nothing if it is empty.
    pub root: Option<Node>,
    /// Whether anything but blank lines and comments stands behind it, which netplan does not read.
    pub has_more: bool,
}

/// A value or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands, with anchor and tag: a block collection from its first key (or about its first dash) to the end
    /// of the last thing in it, a flow collection with its brackets, an alias as it is written.
    pub span: Range<usize>,
    /// The line of its first byte, from 1.
    pub line: usize,
    /// Whether it has an anchor, so that aliases may stand for it elsewhere.
    pub anchored: bool,
    /// Whether an alias stands here, for a node written elsewhere.
    pub aliased: bool,
    /// Whether it has a tag.
    pub tagged: bool,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Scalar(String, Style),
    /// A list; `flow` if it is in brackets.
    Sequence {
        /// Whether it is in brackets.
        flow: bool,
        /// What is in it.
        items: Vec<Node>,
    },
    /// Keys with their values, in the order of the file, the same key perhaps more than once.
    Mapping {
        /// Whether it is in braces.
        flow: bool,
        /// Key and value.
        pairs: Vec<(Node, Node)>,
    },
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// Between `'`.
    Single,
    /// Between `"`.
    Double,
    /// After `|` or `>`.
    Block,
}

/// Why a file cannot be read or edited, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The reason, a clause.
    pub reason: String,
    /// Whether libyaml fails, too: otherwise it is ipalias that does not go on.
    pub is_certain: bool,
}

impl Fault {
    /// A fault at `line`.
    pub fn new(line: usize, reason: impl Into<String>) -> Fault {
        Fault { line, reason: reason.into(), is_certain: false }
    }

    /// A fault at `line` that libyaml fails on, too.
    pub fn certain(line: usize, reason: impl Into<String>) -> Fault {
        Fault { is_certain: true, ..Fault::new(line, reason) }
    }
}

/// Reads the first document of `text`.
pub fn parse(text: &Text) -> Result<Document, Fault> {
    tree::build(text)
}

impl Node {
    /// Its text, if it is a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Its items, if it is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence { items, .. } => Some(items),
            _ => None,
        }
    }

    /// Its keys and values, if it is a mapping.
    pub fn pairs(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Mapping { pairs, .. } => Some(pairs),
            _ => None,
        }
    }

    /// The values of `key`, if it is a mapping: more than one where the key is repeated.
    pub fn values<'a>(&'a self, key: &'a str) -> impl DoubleEndedIterator<Item = &'a Node> {
        let pairs = self.pairs().unwrap_or_default().iter();
        pairs.filter(move |(found, _)| found.scalar() == Some(key)).map(|(_, value)| value)
    }

    /// Whether it, or anything in it, is written elsewhere, may be used elsewhere, or has a tag: then an edit here could
    /// mean something else.
    pub fn is_entangled(&self) -> bool {
        let below = match &self.value {
            Value::Scalar(..) => false,
            Value::Sequence { items, .. } => items.iter().any(Node::is_entangled),
            Value::Mapping { pairs, .. } => pairs.iter().any(|(key, value)| key.is_entangled() || value.is_entangled()),
        };
        self.anchored || self.aliased || self.tagged || below
    }

    /// Whether a block scalar stands in it, whose end is not its last character.
    pub fn has_block_scalar(&self) -> bool {
        match &self.value {
            Value::Scalar(_, style) => *style == Style::Block,
            Value::Sequence { items, .. } => items.iter().any(Node::has_block_scalar),
            Value::Mapping { pairs, .. } => {
                pairs.iter().any(|(key, value)| key.has_block_scalar() || value.has_block_scalar())
            }
        }
    }
}

#[cfg(test)]
mod tests;
