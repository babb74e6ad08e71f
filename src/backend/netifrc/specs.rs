//! The value of `config_IF`: address specifications in one of three styles (netifrc's net.example, "config_eth0").
//!
//! Measured with netifrc 0.7.14: a value of one line is a list of plain addresses if its second word has a dot or a colon,
//! and one specification with options otherwise; a value of several lines has one specification a line; an array has one
//! an element. `#` inside quotes is no comment.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use crate::alias::{host_prefix, netmask_to_prefix, with_prefix};
use crate::syntax::shell::{Element, Origin, Traced, Value, Word};

/// How the specifications of a value are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A specification a line, in one string.
    Lines,
    /// Plain addresses with blanks in between, on one line.
    Words,
    /// The elements of an array of bash.
    Array,
}

/// Where a specification stands, for edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Site {
    /// A part of a string: its place in the value.
    Text(Range<usize>),
    /// An element of an array.
    Element(Element),
}

impl Site {
    pub(super) fn element(&self) -> Option<&Element> {
        match self {
            Site::Text(_) => None,
            Site::Element(element) => Some(element),
        }
    }
}

/// One specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// Its words.
    pub(super) words: Vec<String>,
    pub(super) site: Site,
    /// The file and byte it begins at.
    pub(super) origin: Option<Origin>,
}

/// What a specification comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) address: IpNet,
    pub(super) label: Option<String>,
    /// Why netifrc does not set it, if it does not.
    pub(super) problem: Option<String>,
    /// Addresses that are taken for options.
    pub(super) lost: Vec<IpNet>,
}

/// The specifications of `value` in order, and the style they are written in; nothing for a value that is not known.
pub(super) fn specs(value: &Value) -> Option<(Style, Vec<Spec>)> {
    match value {
        Value::Text(text) => Some(text_specs(text)),
        Value::Array(elements) => {
            let spec = |element: &Element| Spec {
                words: words(&element.value.text()),
                origin: element.value.origin(0),
                site: Site::Element(element.clone()),
            };
            let filled = elements.iter().filter(|element| !element.value.text().trim().is_empty());
            Some((Style::Array, filled.map(spec).collect()))
        }
        Value::Unknown { .. } => None,
    }
}

fn text_specs(text: &Traced) -> (Style, Vec<Spec>) {
    let spec = |word: &Word| Spec {
        words: words(&String::from_utf8_lossy(&word.text)),
        origin: word.origins.get(word.text.iter().take_while(|byte| byte.is_ascii_whitespace()).count()).copied(),
        site: Site::Text(word.at.clone()),
    };
    let lines: Vec<Spec> = text.lines().iter().map(spec).filter(|spec| !spec.words.is_empty()).collect();
    let listed = |spec: &Spec| spec.words.get(1).is_some_and(|word| word.contains(['.', ':']));
    match lines.as_slice() {
        [only] if listed(only) => (Style::Words, text.words().iter().map(spec).collect()),
        _ => (Style::Lines, lines),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Spec {
    /// The address it sets; nothing for a keyword or a word that netifrc does not know.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        let (first, rest) = self.words.split_first()?;
        let (ip, bits) = match first.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.parse::<u8>().ok()?)),
            None => (first.as_str(), None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let mut meaning = Meaning {
            address: with_prefix(ip, bits.unwrap_or_else(|| host_prefix(ip)))?,
            label: None,
            problem: None,
            lost: Vec::new(),
        };
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if word.starts_with("ne") {
                match (bits, rest.next().and_then(|mask| mask_bits(mask)).and_then(|bits| with_prefix(ip, bits))) {
                    (None, Some(net)) => meaning.address = net,
                    (Some(_), _) => {
                        meaning.problem = Some("it has a prefix and a netmask, which netifrc refuses".into())
                    }
                    (None, None) => meaning.problem = Some("its netmask is not one".into()),
                }
            } else if word.starts_with('l') {
                meaning.label = rest.next().cloned();
            } else if let Ok(lost) = parse(word) {
                meaning.lost.push(lost);
            } else if word.starts_with("br") && ip.is_ipv6() {
                meaning.problem = Some("an IPv6 address has no broadcast address, so netifrc gives up on it".into());
            } else if takes_argument(word) {
                rest.next();
            }
        }
        Some(meaning)
    }
}

fn parse(word: &str) -> Result<IpNet, ()> {
    match word.parse::<IpAddr>() {
        Ok(ip) => with_prefix(ip, host_prefix(ip)).ok_or(()),
        Err(_) => word.parse().map_err(|_| ()),
    }
}

fn takes_argument(word: &str) -> bool {
    ["br", "po", "pe", "s", "preferred_lft", "valid_lft", "metric", "dev"].iter().any(|start| word.starts_with(start))
}

/// The prefix of a dotted or hexadecimal netmask.
fn mask_bits(mask: &str) -> Option<u8> {
    let mask = match mask.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?.into(),
        None => mask.parse().ok()?,
    };
    netmask_to_prefix(mask)
}
