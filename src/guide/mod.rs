//! The guide of a system, as data: where it keeps an additional address, in which form, why, and what breaks.
//!
//! One source for all that is said of a system: `ipalias explain` prints it, `docs/systems/` and the table of the README
//! are made from it (`tests/guides.rs`). Facts only; the sentences are written once, beside the backend that acts on them.

use serde::{Deserialize, Serialize};

/// What an administrator of one system wants to know.
#[derive(Debug, Clone, Copy)]
pub struct Guide {
    /// What the system calls itself, as a heading.
    pub title: &'static str,
    /// The systems that use it.
    pub systems: &'static str,
    /// What is written for an address, in a few words.
    pub written: &'static str,
    /// How far that was shown to work.
    pub shown: &'static str,
    /// Which files count, and in which order.
    pub files: &'static [&'static str],
    /// Why an address is written as it is.
    pub rules: &'static [Rule],
    /// What `--apply auto` does, and whom it disturbs.
    pub auto: &'static str,
    /// What `--apply restart` does, and whom it disturbs.
    pub restart: &'static str,
    /// How the address comes up at boot, and how to look at that beforehand.
    pub boot: &'static str,
    /// What breaks, mostly by hand.
    pub pitfalls: &'static [&'static str],
    /// Why nothing can be added on a disk that is mounted in rescue mode, where that is so.
    pub only_running: Option<&'static str>,
    /// The case of `fixtures/` that the example is of.
    pub case: &'static str,
    /// The [`Example`] of that case, in JSON.
    pub example: &'static str,
}

/// A rule of a system, and where it stands.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// The rule, a sentence.
    pub rule: &'static str,
    /// The manual page with its section, or what else shows it.
    pub source: &'static str,
}

/// What is done for certain addresses on a certain host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The addresses.
    pub addresses: Vec<String>,
    /// What is said of each.
    pub results: Vec<String>,
    /// Why they are not added, if they are not.
    pub refused: Option<String>,
    /// The unified diff.
    pub diff: String,
    /// The steps of `--apply auto`.
    pub auto: Vec<String>,
    /// The steps of `--apply restart`.
    pub restart: Vec<String>,
    /// Why `--apply restart` is refused, if it is.
    pub restart_refused: Option<String>,
    /// The same by hand.
    pub by_hand: Vec<String>,
    /// What takes it back by hand.
    pub undo: Vec<String>,
    /// What is to be known besides.
    pub notes: Vec<String>,
}

impl Guide {
    /// The example; nothing if it cannot be read, which a test excludes.
    pub fn example(&self) -> Option<Example> {
        serde_json::from_str(self.example).ok()
    }
}
