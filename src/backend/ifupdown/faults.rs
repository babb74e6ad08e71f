//! What makes a reader refuse a file, or ipalias refuse to edit it: bytes and single lines.
//!
//! Follows the readers' own complaints (`read_interfaces_defn` of ifupdown, `read_interfaces` of BusyBox,
//! `networkinterfaces.py` of ifupdown2). Leaves out what depends on other lines: see `reader`.

use crate::syntax::words::WordLine;
use crate::text::{Line, Text};

use super::flavour::Flavour;
use super::stanza::{Effect, Family, Source};

/// A fault without its file: line, reason, hint, effect.
pub(super) type Complaint = (usize, String, &'static str, Effect);

/// What is wrong with the bytes of a file, before any word counts. `whole` is the effect of what makes the reader refuse
/// the file.
pub(super) fn of_bytes(source: &Source, flavour: Flavour, whole: Effect) -> Vec<Complaint> {
    let bytes = source.text.bytes();
    let line_of = |at: usize| bytes.get(..at).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
    let mut complaints: Vec<Complaint> = Vec::new();
    let mut unclear = |line, reason: &str, hint| complaints.push((line, reason.to_owned(), hint, Effect::Unclear));
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        unclear(line_of(at), "there is a NUL byte", "remove the byte");
    }
    if source.open {
        let hint = "remove the backslash at the end, or add the line that it waits for";
        unclear(source.text.line_count(), "the last line ends in a backslash", hint);
    }
    let lone_cr = bytes.windows(2).position(|pair| matches!(pair, [b'\r', next] if *next != b'\n'));
    if let Some(at) = lone_cr.filter(|_| !flavour.is_strict()) {
        let reason = format!("{} takes the carriage return in the middle for a line end", flavour.name());
        unclear(line_of(at), &reason, "remove the carriage return");
    }
    if let Some(line) = source.text.lines().find(Line::ends_with_return).filter(|_| !flavour.dialect().cr_is_blank) {
        let reason = format!("{} takes the carriage return for a part of the last word", flavour.name());
        unclear(line.number, &reason, "convert the file to plain line ends");
    }
    if let Some(line) = template_line(&source.text).filter(|_| flavour.is_two()) {
        let hint = "put the addresses into the template, or remove the percent signs";
        unclear(line, "ifupdown2 takes this file for a Mako template", hint);
    }
    if source.text.has_bom() {
        let effect = if flavour.is_strict() { whole } else { Effect::Unclear };
        let reason = "a UTF-8 byte order mark hides the first line".to_owned();
        complaints.push((1, reason, "remove the mark, the first three bytes of the file", effect));
    }
    if let Some(error) = std::str::from_utf8(bytes).err().filter(|_| flavour.is_two()) {
        let reason = "ifupdown2 reads no file that is not UTF-8".to_owned();
        let hint = "convert the file: iconv -f LATIN1 -t UTF-8";
        complaints.push((line_of(error.valid_up_to()), reason, hint, whole));
    }
    complaints
}

/// What the reader finds wrong with an `iface` line by itself.
pub(super) fn of_iface(line: &WordLine, flavour: Flavour) -> Option<String> {
    if !flavour.is_strict() {
        // ifupdown-ng passes over it; ifupdown2 dies of it.
        return (line.words.len() < 2 && flavour.is_two()).then(|| "iface without a name".to_owned());
    }
    if flavour != Flavour::Classic && line.words.len() != 4 {
        return Some("an iface line has exactly a name, a family and a method".to_owned());
    }
    if inherits(line).is_some_and(|at| at <= 4) {
        return None;
    }
    let Some(family) = family(line.word(2)) else {
        return Some("unknown or no address family on the iface line".to_owned());
    };
    let method = String::from_utf8_lossy(line.word(3)).into_owned();
    let known = methods(family).contains(&line.word(3));
    (!known).then(|| format!("unknown method {method:?} on the iface line"))
}

/// The family of that name (interfaces(5), "iface").
pub(super) fn family(word: &[u8]) -> Option<Family> {
    match word {
        b"inet" => Some(Family::V4),
        b"inet6" => Some(Family::V6),
        b"ipx" | b"can" | b"link" | b"meta" => Some(Family::Other),
        _ => None,
    }
}

/// The methods of a family (interfaces(5)).
fn methods(family: Family) -> &'static [&'static [u8]] {
    match family {
        Family::V4 => &[b"static", b"dhcp", b"manual", b"loopback", b"bootp", b"tunnel", b"ppp", b"wvdial", b"ipv4ll"],
        Family::V6 => &[b"static", b"auto", b"dhcp", b"manual", b"loopback", b"tunnel", b"v4tunnel", b"6to4"],
        Family::Any | Family::Other => &[b"static", b"dynamic", b"none"],
    }
}

/// Which word of an `iface` line is `inherits`.
pub(super) fn inherits(line: &WordLine) -> Option<usize> {
    line.words.iter().enumerate().skip(2).find(|(_, word)| word.text.as_slice() == b"inherits").map(|(at, _)| at)
}

/// The first line that makes a file with a percent sign more than text to the Mako engine.
fn template_line(text: &Text) -> Option<usize> {
    if !text.bytes().contains(&b'%') {
        return None;
    }
    let code = |content: &[u8]| {
        content.trim_ascii_start().starts_with(b"%") || content.windows(2).any(|pair| pair == b"<%" || pair == b"${")
    };
    text.lines().find(|line| code(line.content)).map(|line| line.number)
}
