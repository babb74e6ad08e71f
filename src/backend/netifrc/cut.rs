//! Splices that take specifications out: a line with its line end, a word with its blanks, an element with its comment.

use std::ops::Range;

use super::Reading;
use super::edit::{Edits, scattered};
use super::specs::{Spec, Style, text_at};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::syntax::shell::{Assignment, Element, Traced, Value, Variable, deletion};
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
    let goes = |index: usize| {
        let mut own = specs.iter().zip(&taken).filter(|(spec, _)| spec.site.element == Some(index)).peekable();
        own.peek().is_some() && own.all(|(_, taken)| *taken)
    };
    for (index, element) in elements.iter().enumerate() {
        let (own, own_taken): (Vec<Spec>, Vec<bool>) = specs
            .iter()
            .zip(&taken)
            .filter(|(spec, _)| spec.site.element == Some(index))
            .map(|(spec, taken)| (spec.clone(), *taken))
            .unzip();
        if !goes(index) {
            cut_text(reading, variable, Some(index), style, &own, &own_taken, all)?;
            continue;
        }
        let Some(assignment) = variable.assignments.get(element.assignment) else { continue };
        let Some((_, text)) = reading.config.files.get(assignment.source) else { continue };
        let mates = || elements.iter().enumerate().filter(|(_, other)| other.assignment == element.assignment);
        let comments = comments(text, assignment, mates().map(|(_, one)| one));
        let whole = !assignment.array || assignment.append && comments.is_empty();
        if !whole || !mates().all(|(index, _)| goes(index)) {
            all.push(reading, assignment.source, element_deletion(text, assignment, element, &comments));
        } else if mates().next().map(|(first, _)| first) == Some(index) {
            all.push(reading, assignment.source, deletion(text, assignment));
        }
    }
    Ok(())
}

/// Where comments begin between the elements of an array.
fn comments<'e>(text: &Text, assignment: &Assignment, elements: impl Iterator<Item = &'e Element>) -> Vec<usize> {
    let inside: Vec<Range<usize>> = elements.map(|element| element.at.clone()).collect();
    let mut all: Vec<usize> = Vec::new();
    let mut line = None;
    for at in assignment.value_at.clone() {
        match text.bytes().get(at) {
            Some(b'\n') => line = None,
            Some(b'#') if line.is_none() && !inside.iter().any(|element| element.contains(&at)) => {
                line = Some(at);
                all.push(at);
            }
            _ => {}
        }
    }
    all
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
        let (source, range) = in_file(reading, text, range).ok_or_else(|| scattered(reading))?;
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
    // Behind the last line, blanks stay as they are: a carriage return may even stand behind the closing quote.
    let last = bytes.get(at.end..).unwrap_or_default().trim_ascii().is_empty();
    let kept = if last { line.len() - line.trim_ascii_end().len() } else { usize::from(line.ends_with(b"\r")) };
    at.start - gap..at.end - kept
}

/// A part of a value as a part of one file; nothing if it comes from several places, or from several strings.
fn in_file(reading: &Reading, text: &Traced, range: Range<usize>) -> Option<(usize, Range<usize>)> {
    let (first, last) = (text.origin(range.start)?, text.origin(range.end.checked_sub(1)?)?);
    let (_, file) = reading.config.files.get(first.source)?;
    let mut next = first.at;
    for origin in range.map(|index| text.origin(index)) {
        let at = origin.filter(|origin| origin.source == first.source)?.at;
        if file.bytes().get(next..at)?.iter().any(|byte| !b"\\\n".contains(byte)) {
            return None;
        }
        next = at + 1;
    }
    Some((first.source, first.at..last.at + 1))
}

/// An element with what is in front of it: its line end and indentation, or its blanks. A comment behind it goes, too.
fn element_deletion(text: &Text, assignment: &Assignment, element: &Element, comments: &[usize]) -> Splice {
    let bytes = text.bytes();
    let inside = bytes.get(assignment.value_at.start + 1..element.at.start).unwrap_or_default();
    let rest = bytes.get(element.at.end..).unwrap_or_default();
    let front = inside.len() - inside.trim_ascii_end().len();
    let blanks = inside.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let before = inside.get(..inside.len() - blanks).unwrap_or_default();
    if before.ends_with(b"\n") {
        let to_line_end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let behind = rest.get(..to_line_end).unwrap_or_default();
        let line_end = if before.ends_with(b"\r\n") { 2 } else { 1 };
        let start = element.at.start - blanks - line_end;
        let above = bytes.get(..start).unwrap_or_default().iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        if behind.trim_ascii().is_empty() || behind.trim_ascii_start().starts_with(b"#") {
            return Splice::delete(start..element.at.end + behind.trim_ascii_end().len());
        }
        if !comments.iter().any(|at| (above..start).contains(at)) {
            return Splice::delete(start..element.at.end);
        }
    } else if front > 0 && front < inside.len() {
        return Splice::delete(element.at.start - front..element.at.end);
    }
    let follow = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Splice::delete(element.at.start..element.at.end + follow)
}

fn by_hand(entry: &Entry) -> anyhow::Error {
    let reason = format!("{} stands in a place ({}) that ipalias does not edit", entry.address, entry.form);
    Refusal::new(Kind::Malformed, reason, "take it out there by hand").at(&entry.path, entry.line).into()
}
