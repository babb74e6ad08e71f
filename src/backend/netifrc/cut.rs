//! Splices that take specifications out: a line with its line end, a word with its blanks, an element with its comment.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ipnet::IpNet;

use super::Reading;
use super::edit::{Edits, scattered};
use super::specs::{Spec, Style, text_at};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::root::RootPath;
use crate::syntax::shell::{Assignment, Element, Traced, Value, Variable, deletion};
use crate::text::{Splice, Text};

/// Takes the entries `gone` of this interface out of the value of `config_IF`.
pub(super) fn take_out(reading: &Reading, gone: &[&Entry], all: &mut Edits) -> Result<()> {
    let specs = reading.specs()?;
    let variable = reading.config.known(&reading.key)?;
    let (Some((style, specs)), Some(variable)) = (specs, variable) else {
        return gone.iter().try_for_each(|entry| Err(by_hand(entry)));
    };
    let gone_at: BTreeSet<(IpNet, &RootPath, usize)> =
        gone.iter().map(|entry| (entry.address, &entry.path, entry.line)).collect();
    let place = |spec: &Spec| {
        let (address, origin) = (spec.meaning()?.address, spec.origin?);
        let (path, _) = reading.config.files.get(origin.source)?;
        Some((address, path, reading.line(origin.source, origin.at)))
    };
    let found: Vec<_> = specs.iter().map(|spec| place(spec).filter(|place| gone_at.contains(place))).collect();
    let taken: Vec<bool> = found.iter().map(Option::is_some).collect();
    let found: BTreeSet<_> = found.into_iter().flatten().collect();
    let addresses: BTreeSet<IpNet> = found.iter().map(|(address, ..)| *address).collect();
    // An address that is taken for an option goes with its line only, which may stay: it is not set anyway.
    let unknown = |entry: &&&Entry| {
        let known = found.contains(&(entry.address, &entry.path, entry.line));
        !known && (entry.is_effective() || !addresses.contains(&entry.address))
    };
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
    // Which elements go as a whole, and the specifications of each.
    let mut own: Vec<(Vec<Spec>, Vec<bool>)> = vec![Default::default(); elements.len()];
    for (spec, taken) in specs.into_iter().zip(taken) {
        if let Some((specs, all)) = spec.site.element.and_then(|index| own.get_mut(index)) {
            specs.push(spec);
            all.push(taken);
        }
    }
    let goes = |(_, taken): &(Vec<Spec>, Vec<bool>)| !taken.is_empty() && taken.iter().all(|taken| *taken);
    let mut by_assignment: BTreeMap<usize, Vec<(&Element, bool)>> = BTreeMap::new();
    for (index, (element, own)) in elements.iter().zip(&own).enumerate() {
        by_assignment.entry(element.assignment).or_default().push((element, goes(own)));
        if !goes(own) {
            cut_text(reading, variable, Some(index), style, &own.0, &own.1, all)?;
        }
    }
    for (assignment, elements) in &by_assignment {
        if let Some(assignment) = variable.assignments.get(*assignment) {
            cut_elements(reading, assignment, elements, all);
        }
    }
    Ok(())
}

/// Cuts the elements that go out of the assignment that they were written in, or that as a whole.
fn cut_elements(reading: &Reading, assignment: &Assignment, elements: &[(&Element, bool)], all: &mut Edits) {
    let Some((_, text)) = reading.config.files.get(assignment.source) else { return };
    let comments = comments(text, assignment, elements);
    let whole = !assignment.array || assignment.append && comments.is_empty();
    if whole && elements.iter().all(|(_, goes)| *goes) {
        return all.push(reading, assignment.source, deletion(text, assignment));
    }
    for (element, _) in elements.iter().filter(|(_, goes)| *goes) {
        all.push(reading, assignment.source, element_deletion(text, assignment, element, &comments));
    }
}

/// Where comments begin between the elements of an array.
fn comments(text: &Text, assignment: &Assignment, elements: &[(&Element, bool)]) -> BTreeSet<usize> {
    let mut inside: Vec<Range<usize>> = elements.iter().map(|(element, _)| element.at.clone()).collect();
    inside.sort_by_key(|at| at.start);
    let is_inside = |at: usize| {
        let next = inside.partition_point(|element| element.start <= at);
        next.checked_sub(1).and_then(|last| inside.get(last)).is_some_and(|element| element.contains(&at))
    };
    let mut all = BTreeSet::new();
    let mut commented = false;
    for at in assignment.value_at.clone() {
        match text.bytes().get(at) {
            Some(b'\n') => commented = false,
            Some(b'#') if !commented && !is_inside(at) => commented = all.insert(at),
            _ => {}
        }
    }
    all
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
fn element_deletion(text: &Text, assignment: &Assignment, element: &Element, comments: &BTreeSet<usize>) -> Splice {
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
        let line = bytes.get(..start).unwrap_or_default().iter().rev().take_while(|byte| **byte != b'\n').count();
        let above = start - line;
        if behind.trim_ascii().is_empty() || behind.trim_ascii_start().starts_with(b"#") {
            return Splice::delete(start..element.at.end + behind.trim_ascii_end().len());
        }
        if comments.range(above..start).next().is_none() {
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
