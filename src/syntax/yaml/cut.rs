//! Taking something out: items of a list, a key with its list. Comments and blank lines of others stay.

use std::collections::BTreeSet;
use std::ops::Range;

use super::grow::{BLOCK_SCALAR, Tail, dash_of, editable, indent_of, line_end, line_start};
use super::{Fault, Node, Value};
use crate::text::{Splice, Text};

/// Byte ranges to take out, which may touch each other.
pub type Cut = Vec<Range<usize>>;

/// Takes the items at `gone` out of `list`, which keeps at least one.
pub fn cut_items(text: &Text, list: &Node, gone: &BTreeSet<usize>) -> Result<Vec<Splice>, Fault> {
    let Value::Sequence { flow, items } = &list.value else { return Err(Fault::new(list.line, "this is not a list")) };
    editable(list)?;
    if *flow {
        let spans: Vec<Range<usize>> = items.iter().map(|item| item.span.clone()).collect();
        return Ok(splices(text, cut_in_brackets(text, list, &spans, gone)?));
    }
    let lines = gone.iter().filter_map(|at| items.get(*at)).map(|item| lines_of_item(text, item));
    Ok(splices(text, lines.collect::<Result<Cut, Fault>>()?))
}

/// Takes the pair at `index` out of `mapping`, which keeps at least one, unless it is in braces.
pub fn cut_pair(text: &Text, mapping: &Node, index: usize) -> Result<Vec<Splice>, Fault> {
    let Value::Mapping { flow, pairs } = &mapping.value else {
        return Err(Fault::new(mapping.line, "this is not a mapping"));
    };
    let Some((key, value)) = pairs.get(index) else { return Ok(Vec::new()) };
    if key.is_entangled() {
        return Err(Fault::new(key.line, super::grow::ENTANGLED));
    }
    editable(value)?;
    if *flow && pairs.len() == 1 {
        return Ok(vec![Splice::delete(key.span.start..value.span.end)]);
    }
    if *flow {
        let spans: Vec<Range<usize>> = pairs.iter().map(|(key, value)| key.span.start..value.span.end).collect();
        return Ok(splices(text, cut_in_brackets(text, mapping, &spans, &BTreeSet::from([index]))?));
    }
    Ok(splices(text, lines_of_pair(text, key, value)?))
}

/// Leaves `[]` of the list at `pair`: for a mapping that must not become empty.
pub fn empty_list(text: &Text, (key, value): &(Node, Node)) -> Result<Vec<Splice>, Fault> {
    let Value::Sequence { flow, items } = &value.value else {
        return Err(Fault::new(value.line, "this is not a list"));
    };
    editable(value)?;
    if *flow {
        let inside = value.span.start + 1..value.span.end.saturating_sub(1);
        if text.bytes().get(inside.clone()).unwrap_or_default().contains(&b'#') {
            return Err(Fault::new(value.line, "a comment stands in this list"));
        }
        return Ok(splices(text, vec![inside]));
    }
    let colon = text.bytes().get(key.span.end..).unwrap_or_default().iter().position(|byte| *byte == b':');
    let Some(colon) = colon else { return Err(Fault::new(key.line, "this key has no colon")) };
    let cut = items.iter().map(|item| lines_of_item(text, item)).collect::<Result<Cut, Fault>>()?;
    let mut all = splices(text, cut);
    all.push(Splice::insert(key.span.end + colon + 1, " []"));
    Ok(all)
}

fn lines_of_item(text: &Text, item: &Node) -> Result<Range<usize>, Fault> {
    let dash = dash_of(text, item)?;
    indent_of(text, dash, item.line)?;
    Ok(line_start(text, dash)..line_end(text, item.span.end, item.line)?)
}

/// The lines of a key and its value. Comments between the key and the items of its list are others'.
fn lines_of_pair(text: &Text, key: &Node, value: &Node) -> Result<Cut, Fault> {
    if value.has_block_scalar() {
        return Err(Fault::new(value.line, BLOCK_SCALAR));
    }
    indent_of(text, key.span.start, key.line)?;
    let start = line_start(text, key.span.start);
    let mut cut = Cut::new();
    match &value.value {
        Value::Sequence { flow: false, items } => {
            cut.push(start..line_end(text, key.span.end, key.line)?);
            for item in items {
                cut.push(lines_of_item(text, item)?);
            }
        }
        Value::Mapping { flow: false, pairs } => {
            cut.push(start..line_end(text, key.span.end, key.line)?);
            for (key, value) in pairs {
                cut.extend(lines_of_pair(text, key, value)?);
            }
        }
        _ => cut.push(start..line_end(text, value.span.end, value.line)?),
    }
    Ok(cut)
}

/// The ranges as splices: joined where they touch, and with the line end before them where they are the open end of a file.
fn splices(text: &Text, mut cut: Cut) -> Vec<Splice> {
    cut.sort_by_key(|range| (range.start, range.end));
    let mut joined: Cut = Vec::new();
    for range in cut {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    let length = text.bytes().len();
    if let Some(last) = joined.last_mut().filter(|last| last.end == length && text.ends_open()) {
        let before = text.bytes().get(..last.start).unwrap_or_default();
        match before {
            [.., b'\r', b'\n'] => last.start -= 2,
            [.., b'\n'] => last.start -= 1,
            _ => {}
        }
    }
    joined.into_iter().map(Splice::delete).collect()
}

/// Takes the elements at `gone` out of those that stand between the brackets of `container`, which keeps at least one.
fn cut_in_brackets(
    text: &Text,
    container: &Node,
    elements: &[Range<usize>],
    gone: &BTreeSet<usize>,
) -> Result<Cut, Fault> {
    let close = container.span.end.saturating_sub(1);
    let next = |at: usize| elements.get(at + 1).map_or(close, |next| next.start);
    let tail = |at: usize| elements.get(at).map(|element| Tail::of(text, element.end..next(at)));
    let mut cut = Cut::new();
    let mut lost_comma = false;
    let mut at = 0;
    while let Some(element) = elements.get(at) {
        if !gone.contains(&at) {
            at += 1;
            continue;
        }
        if let Some((lines, has_comma)) = own_lines(text, element, close) {
            lost_comma |= at + 1 == elements.len() && !has_comma;
            cut.push(lines);
            at += 1;
            continue;
        }
        let first = at;
        let joins = |at: usize| gone.contains(&(at + 1)) && tail(at).is_some_and(|tail| !tail.breaks);
        while joins(at) {
            at += 1;
        }
        cut.push(run(text, container, elements, first..at, close)?);
        at += 1;
    }
    if lost_comma {
        let kept = (0..elements.len()).rfind(|at| !gone.contains(at));
        let comma = kept.and_then(&tail).and_then(|tail| tail.comma);
        cut.extend(comma.map(|comma| comma..comma + 1));
    }
    Ok(cut)
}

/// The lines of an element that has them for itself, and whether its comma is in them.
fn own_lines(text: &Text, element: &Range<usize>, close: usize) -> Option<(Range<usize>, bool)> {
    let start = line_start(text, element.start);
    let before = text.bytes().get(start..element.start)?;
    let line = text.line(text.line_of(element.end.saturating_sub(1)) - 1)?;
    let rest = text.bytes().get(element.end..line.start + line.content.len())?.trim_ascii_start();
    let (rest, has_comma) = match rest.strip_prefix(b",") {
        Some(rest) => (rest.trim_ascii_start(), true),
        None => (rest, false),
    };
    let alone = before.iter().all(|byte| *byte == b' ') && (rest.is_empty() || rest.starts_with(b"#"));
    (alone && line.next <= close).then_some((start..line.next, has_comma))
}

/// The bytes of the elements `first..=last`, which share a line, with one comma.
fn run(
    text: &Text,
    container: &Node,
    elements: &[Range<usize>],
    Range { start: first, end: last }: Range<usize>,
    close: usize,
) -> Result<Range<usize>, Fault> {
    let fault = || Fault::new(container.line, "an item cannot be taken out of this list without its neighbours");
    let (from, to) = (elements.get(first).ok_or_else(fault)?, elements.get(last).ok_or_else(fault)?);
    let previous = first.checked_sub(1).and_then(|before| elements.get(before));
    let before = previous.map(|previous| (previous, Tail::of(text, previous.end..from.start)));
    if let Some((previous, _)) = before.as_ref().filter(|(_, tail)| !tail.breaks) {
        return Ok(previous.end..to.end);
    }
    let next = elements.get(last + 1);
    let behind = Tail::of(text, to.end..next.map_or(close, |next| next.start));
    match (next, behind.comma, before) {
        (Some(next), ..) if !behind.breaks => Ok(from.start..next.start),
        (_, Some(comma), _) => Ok(from.start..comma + 1),
        (None, None, Some((previous, tail))) if !tail.comment => Ok(previous.end..to.end),
        _ => Err(fault()),
    }
}
