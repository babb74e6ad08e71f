//! Splices that take specifications out: a line with its line end, a word with its blanks, an element with its comment.

use std::ops::Range;

use super::Reading;
use super::edit::{Edits, scattered};
use super::specs::{Spec, Style, text_at};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::syntax::shell::{Element, Traced, Value, Variable, deletion};
use crate::text::{Splice, Text};

/// Takes the entries `gone` of this interface out of the value of `config_IF`.
pub(super) fn take_out(reading: &Reading, gone: &[&Entry], all: &mut Edits) -> Result<()> {
    let specs = reading.specs()?;
    let variable = reading.config.known(&reading.key)?;
    let (Some((style, specs)), Some(variable)) = (specs, variable) else {
        return gone.iter().try_for_each(|entry| Err(by_hand(entry)));
    };
    let taken: Vec<bool> = specs.iter().map(|spec| is_one_of(reading, spec, gone)).collect();
    let found = |entry: &Entry| specs.iter().any(|spec| is_one_of(reading, spec, &[entry]));
    // An address that is taken for an option goes with its line only, which may stay: it is not set anyway.
    let elsewhere = |entry: &Entry| gone.iter().any(|other| other.address == entry.address && found(other));
    let unknown = |entry: &&&Entry| !found(entry) && (entry.is_effective() || !elsewhere(entry));
    if let Some(entry) = gone.iter().find(unknown) {
        return Err(by_hand(entry));
    }
    if taken.iter().all(|taken| *taken) {
        let hint = "netifrc would use DHCP without any; put another entry there, or null";
        let reason = format!("{} would be left without an entry", reading.key);
        let place =
            gone.first().map_or_else(|| (reading.config.main.clone(), 0), |entry| (entry.path.clone(), entry.line));
        return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&place.0, place.1).into());
    }
    let elements: &[Element] = match &variable.value {
        Value::Array(elements) => elements,
        _ => return cut_text(reading, variable, None, style, &specs, &taken, all),
    };
    for (index, element) in elements.iter().enumerate() {
        let own = || specs.iter().zip(&taken).filter(|(spec, _)| spec.site.element == Some(index));
        if !own().any(|(_, taken)| *taken) {
            continue;
        }
        if own().any(|(_, taken)| !*taken) {
            let (specs, taken): (Vec<Spec>, Vec<bool>) = own().map(|(spec, taken)| (spec.clone(), *taken)).unzip();
            cut_text(reading, variable, Some(index), style, &specs, &taken, all)?;
            continue;
        }
        let Some(assignment) = variable.assignments.get(element.assignment) else { continue };
        let Some((_, text)) = reading.config.files.get(assignment.source) else { continue };
        let splice = if assignment.array { element_deletion(text, element) } else { deletion(text, assignment) };
        all.push(reading, assignment.source, splice);
    }
    Ok(())
}

/// Whether a specification is where one of the entries was found.
fn is_one_of(reading: &Reading, spec: &Spec, gone: &[&Entry]) -> bool {
    let (Some(meaning), Some(origin)) = (spec.meaning(), spec.origin) else { return false };
    let (path, line) = (reading.config.path(origin.source), reading.line(origin.source, origin.at));
    gone.iter().any(|entry| entry.address == meaning.address && entry.path == path && entry.line == line)
}

/// Cuts the taken ones of `specs`, which are all of one string.
fn cut_text(
    reading: &Reading,
    variable: &Variable,
    element: Option<usize>,
    style: Style,
    specs: &[Spec],
    taken: &[bool],
    all: &mut Edits,
) -> Result<()> {
    let Some(text) = text_at(&variable.value, element) else { return Ok(()) };
    for index in (0..specs.len()).filter(|index| taken.get(*index) == Some(&true)) {
        let range = text_range(text, style, index, specs, taken);
        let (source, range) = in_file(text, range).ok_or_else(|| scattered(reading))?;
        all.push(reading, source, Splice::delete(range));
    }
    Ok(())
}

/// The part of the value that goes with a specification: its line with the line end before it (behind it, for the first),
/// or its word with the blanks before it.
fn text_range(text: &Traced, style: Style, index: usize, specs: &[Spec], taken: &[bool]) -> Range<usize> {
    let bytes = text.bytes();
    let Some(at) = specs.get(index).map(|spec| spec.site.at.clone()) else { return 0..0 };
    let leading = taken.iter().take(index + 1).all(|taken| *taken);
    if leading {
        let next = specs.get(index + 1).map(|spec| spec.site.at.start);
        return at.start..next.unwrap_or(at.end);
    }
    let before = bytes.get(..at.start).unwrap_or_default();
    let gap = match style {
        Style::Words => before.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count(),
        Style::Lines if before.ends_with(b"\r\n") => 2,
        Style::Lines => usize::from(before.ends_with(b"\n")),
    };
    let line = bytes.get(at.clone()).unwrap_or_default();
    // Behind the last line, blanks in front of the closing quote stay as they are.
    let end = at.end - usize::from(line.ends_with(b"\r") && bytes.get(at.end) == Some(&b'\n'));
    at.start - gap..end
}

/// A part of a value as a part of one file; nothing if it comes from several places.
fn in_file(text: &Traced, range: Range<usize>) -> Option<(usize, Range<usize>)> {
    let (first, last) = (text.origin(range.start)?, text.origin(range.end.checked_sub(1)?)?);
    let whole = first.source == last.source && last.at >= first.at;
    whole.then(|| (first.source, first.at..last.at + 1))
}

/// An element with the blanks and line end before it; its whole line if a comment stands before or behind it.
fn element_deletion(text: &Text, element: &Element) -> Splice {
    let bytes = text.bytes();
    let before = bytes.get(..element.at.start).unwrap_or_default();
    let rest = bytes.get(element.at.end..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let behind = rest.get(..end).unwrap_or_default().trim_ascii();
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let alone = before.get(line..).unwrap_or_default().trim_ascii().is_empty();
    if alone && (behind.is_empty() || behind.starts_with(b"#")) {
        return Splice::delete(line..(element.at.end + end + 1).min(bytes.len()));
    }
    let gap = before.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let above = before.get(..element.at.start - gap).unwrap_or_default();
    let line = above.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let commented = above.get(line..).unwrap_or_default().contains(&b'#');
    let gap = if commented || above.ends_with(b"(") { 0 } else { gap };
    let follow = if gap == 0 { rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count() } else { 0 };
    Splice::delete(element.at.start - gap..element.at.end + follow)
}

fn by_hand(entry: &Entry) -> anyhow::Error {
    let reason = format!("{} stands in a place ({}) that ipalias does not edit", entry.address, entry.form);
    Refusal::new(Kind::Malformed, reason, "take it out there by hand").at(&entry.path, entry.line).into()
}
