//! The value of `config_IF`: address specifications in one of three styles (netifrc's net.example, "config_eth0").
//!
//! Measured with netifrc 0.7.14: a value of one line is a list of plain addresses if its second word has a dot or a colon,
//! and one specification with options otherwise; a value of several lines has one specification a line. An array is the
//! lines of its elements. `#` inside quotes is no comment.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use crate::alias::{host_prefix, netmask_to_prefix, with_prefix};
use crate::syntax::shell::{Origin, Traced, Value, Word};

/// How the specifications of a value are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A specification a line.
    Lines,
    /// Plain addresses with blanks in between, on one line.
    Words,
}

/// Where a specification stands, for edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// The element of an array, by its place in the value; nothing in a string.
    pub(super) element: Option<usize>,
    /// The part of the string or of the element's value.
    pub(super) at: Range<usize>,
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
    let mut lines = Vec::new();
    match value {
        // netifrc squeezes all white space of a string, but takes the elements of an array as they are.
        Value::Text(text) => lines.extend(text.lines().iter().map(|line| spec(line, None))),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                lines.extend(element.value.lines().iter().map(|line| spec(line, Some(index))));
            }
        }
        Value::Unknown { .. } => return None,
    }
    lines.retain(|spec| !spec.words.is_empty());
    let listed = |spec: &Spec| spec.words.get(1).is_some_and(|word| word.contains(['.', ':']));
    let site = match lines.as_slice() {
        [only] if listed(only) => only.site.clone(),
        _ => return Some((Style::Lines, lines)),
    };
    let within = |word: &Word| word.at.start >= site.at.start && word.at.end <= site.at.end;
    let words = text_at(value, site.element).map(Traced::words).unwrap_or_default();
    let words = words.iter().filter(|word| within(word)).map(|word| spec(word, site.element));
    Some((Style::Words, words.filter(|spec| !spec.words.is_empty()).collect()))
}

/// The text that a site is a part of.
pub(super) fn text_at(value: &Value, element: Option<usize>) -> Option<&Traced> {
    match (value, element) {
        (Value::Text(text), None) => Some(text),
        (Value::Array(elements), Some(index)) => elements.get(index).map(|element| &element.value),
        _ => None,
    }
}

fn spec(part: &Word, element: Option<usize>) -> Spec {
    let text = String::from_utf8_lossy(&part.text);
    let blank = |c: char| [' ', '\t', '\n'].contains(&c) || element.is_none() && ['\r', '\x0b', '\x0c'].contains(&c);
    let words = text.split(blank).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let indent = part.text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    Spec { words, origin: part.origin(indent), site: Site { element, at: part.at.clone() } }
}

impl Spec {
    /// The address it sets, by the rules of netifrc's iproute2 module; nothing for a keyword or an unknown word.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        let (first, rest) = self.words.split_first()?;
        let (ip, prefix) = match first.split_once('/') {
            Some((ip, bits)) => (ip, Some(prefix(bits)?)),
            None => (first.as_str(), None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let address = with_prefix(ip, prefix.unwrap_or_else(|| host_prefix(ip)))?;
        let mut meaning = Meaning { address, label: None, problem: None, lost: Vec::new() };
        let mut masked = prefix.is_some();
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            meaning.lost.extend(parse(word).ok());
            // Keywords may be abbreviated; the first that fits counts.
            if word.starts_with("ne") {
                let mask = rest.next().and_then(|mask| mask_bits(mask)).and_then(|bits| with_prefix(ip, bits));
                match (masked, mask) {
                    (false, Some(net)) => meaning.address = net,
                    (true, _) => meaning.problem = Some("it has two netmasks, which netifrc refuses".to_owned()),
                    (false, None) => meaning.problem = Some("its netmask is not one".to_owned()),
                }
                masked = true;
            } else if word.starts_with("br") {
                rest.next();
                if ip.is_ipv6() {
                    let problem = "an IPv6 address has no broadcast address, so netifrc gives up on it";
                    meaning.problem = Some(problem.to_owned());
                }
            } else if word.starts_with('l') {
                meaning.label = rest.next().cloned();
            } else if ["po", "pe", "pr", "a", "s", "v"].iter().any(|start| word.starts_with(start)) {
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

/// What stands behind the slash: ip(8) takes a netmask there, too.
fn prefix(text: &str) -> Option<u8> {
    text.parse().ok().or_else(|| netmask_to_prefix(text.parse().ok()?))
}

/// The prefix of a dotted or hexadecimal netmask: netifrc counts its bits, wherever they are.
fn mask_bits(mask: &str) -> Option<u8> {
    let bits: u32 = match mask.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?.count_ones(),
        None => {
            let parts: Option<Vec<u32>> = mask.split('.').map(|part| part.parse().ok()).collect();
            parts?.iter().map(|part| part.count_ones()).sum()
        }
    };
    u8::try_from(bits).ok().filter(|bits| *bits > 0)
}
