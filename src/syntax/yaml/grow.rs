//! Putting something in: items at the end of a list, a key at the end of a mapping. Every byte that is there stays.

use std::ops::Range;

use super::{Fault, Node, Value};
use crate::text::{Splice, Text};

/// A key with its value, as it is written into a mapping of either kind.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Whole lines for a block mapping, without the mapping's own indent.
    pub lines: Vec<String>,
    /// The same in one line, for a mapping in braces.
    pub flow: String,
}

/// The splices that put `new` behind the last item of `list`. Nothing is asked about quotes: the caller has seen the list.
pub fn append_items(text: &Text, list: &Node, new: &[String]) -> Result<Vec<Splice>, Fault> {
    let Value::Sequence { flow, items } = &list.value else { return Err(Fault::new(list.line, "this is not a list")) };
    editable(list)?;
    if *flow {
        let spans: Vec<Range<usize>> = items.iter().map(|item| item.span.clone()).collect();
        return append_in_brackets(text, list, &spans, new);
    }
    let Some(last) = items.last() else { return Err(Fault::new(list.line, "this list has no place for an item")) };
    let dash = dash_of(text, last)?;
    let indent = indent_of(text, dash, last.line)?;
    let gap = text.bytes().get(dash + 1..last.span.start).unwrap_or_default();
    let gap =
        if gap.iter().all(|byte| *byte == b' ') { String::from_utf8_lossy(gap).into_owned() } else { " ".to_owned() };
    let lines = new.iter().map(|item| format!("{indent}-{gap}{item}"));
    Ok(vec![insert_lines_behind(text, last.span.end, last.line, lines)?])
}

/// The splices that put `pair` behind the last key of `mapping`, before comments and blank lines that follow it.
pub fn append_pair(text: &Text, mapping: &Node, pair: &Pair) -> Result<Vec<Splice>, Fault> {
    let Value::Mapping { flow, pairs } = &mapping.value else {
        return Err(Fault::new(mapping.line, "this is not a mapping"));
    };
    if mapping.anchored || mapping.aliased || mapping.tagged {
        return Err(Fault::new(mapping.line, ENTANGLED));
    }
    if *flow {
        let spans: Vec<Range<usize>> = pairs.iter().map(|(key, value)| key.span.start..value.span.end).collect();
        return append_in_brackets(text, mapping, &spans, std::slice::from_ref(&pair.flow));
    }
    let (Some((first, _)), Some((_, last))) = (pairs.first(), pairs.last()) else {
        return Err(Fault::new(mapping.line, "this mapping has no place for a key"));
    };
    if last.has_block_scalar() {
        return Err(Fault::new(last.line, BLOCK_SCALAR));
    }
    let indent = indent_of(text, first.span.start, first.line)?;
    let lines = pair.lines.iter().map(|line| format!("{indent}{line}"));
    Ok(vec![insert_lines_behind(text, last.span.end, last.line, lines)?])
}

pub(super) const ENTANGLED: &str =
    "an anchor, an alias or a tag is in the way: an edit here could change something else";
pub(super) const BLOCK_SCALAR: &str = "a block scalar (| or >) is in the way";

/// Refuses a list in which a new or missing item could mean something else.
pub(super) fn editable(list: &Node) -> Result<(), Fault> {
    if list.is_entangled() {
        return Err(Fault::new(list.line, ENTANGLED));
    }
    if list.has_block_scalar() {
        return Err(Fault::new(list.line, BLOCK_SCALAR));
    }
    Ok(())
}

/// Where the dash of a block item stands: before it, with nothing but blanks between.
pub(super) fn dash_of(text: &Text, item: &Node) -> Result<usize, Fault> {
    let before = text.bytes().get(..item.span.start).unwrap_or_default();
    let dash = before.iter().rposition(|byte| *byte != b' ');
    dash.filter(|at| before.get(*at) == Some(&b'-'))
        .ok_or_else(|| Fault::new(item.line, "the dash of this item does not stand before it"))
}

/// The blanks before `at` in its line, which must be all that stands there.
pub(super) fn indent_of(text: &Text, at: usize, line: usize) -> Result<String, Fault> {
    let start = line_start(text, at);
    let before = text.bytes().get(start..at).unwrap_or_default();
    if !before.iter().all(|byte| *byte == b' ') {
        return Err(Fault::new(line, "this does not begin its line"));
    }
    Ok(String::from_utf8_lossy(before).into_owned())
}

/// Where the line of byte `at` begins, behind the byte order mark.
pub(super) fn line_start(text: &Text, at: usize) -> usize {
    let line = text.line(text.line_of(at) - 1);
    line.map_or(0, |line| line.start).max(text.bom_len())
}

/// Where the line of the last byte before `end` ends, if nothing but a comment or the colon of a key without value follows.
pub(super) fn line_end(text: &Text, end: usize, number: usize) -> Result<usize, Fault> {
    let Some(line) = text.line(text.line_of(end.saturating_sub(1)) - 1) else {
        return Ok(text.bytes().len());
    };
    let rest = text.bytes().get(end..line.start + line.content.len()).unwrap_or_default();
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let is_comment = rest.first().is_some_and(u8::is_ascii_whitespace) && rest.trim_ascii_start().starts_with(b"#");
    if !(rest.trim_ascii().is_empty() || is_comment) {
        return Err(Fault::new(number, "something else follows in the same line"));
    }
    Ok(line.next)
}

fn insert_lines_behind(
    text: &Text,
    end: usize,
    number: usize,
    lines: impl Iterator<Item = String>,
) -> Result<Splice, Fault> {
    let at = line_end(text, end, number)?;
    let eol = text.eol();
    let open = at == text.bytes().len() && text.ends_open();
    let with: String = lines.map(|line| if open { [eol, &line].concat() } else { [&line, eol].concat() }).collect();
    Ok(Splice::insert(at, with))
}

/// The splices that put `new` behind the last of `elements`, which stand between the brackets of `container`.
fn append_in_brackets(
    text: &Text,
    container: &Node,
    elements: &[Range<usize>],
    new: &[String],
) -> Result<Vec<Splice>, Fault> {
    let close = container.span.end.saturating_sub(1);
    let Some(last) = elements.last() else {
        return Ok(vec![Splice::insert(container.span.start + 1, new.join(", "))]);
    };
    let tail = Tail::of(text, last.end..close);
    if !tail.breaks {
        return Ok(vec![Splice::insert(last.end, format!(", {}", new.join(", ")))]);
    }
    // An element to a line: the new ones get lines of their own, so that comments stay with what they are about.
    let behind = tail.comma.map_or(last.end, |comma| comma + 1);
    let line = text.line(text.line_of(behind.saturating_sub(1)) - 1);
    let Some(line) = line.filter(|line| line.next <= close) else {
        return Err(Fault::new(container.line, "the comma behind the last item stands in the line of the bracket"));
    };
    let start = line_start(text, last.start);
    let blanks =
        |from: usize| text.bytes().get(from..).unwrap_or_default().iter().take_while(|byte| **byte == b' ').count();
    let mut indent = " ".repeat(blanks(start));
    if start <= container.span.start {
        indent.push_str("  ");
    }
    let eol = text.eol();
    let mut splices = Vec::new();
    if tail.comma.is_none() {
        splices.push(Splice::insert(last.end, ","));
    }
    let closed = tail.comma.is_some();
    let count = new.len();
    let with: String = new
        .iter()
        .enumerate()
        .map(|(at, item)| format!("{indent}{item}{}{eol}", if closed || at + 1 < count { "," } else { "" }))
        .collect();
    splices.push(Splice::insert(line.next, with));
    Ok(splices)
}

/// What stands between an element and the next one, or the bracket: blanks, comments, and a comma.
pub(super) struct Tail {
    /// Whether a line ends in it.
    pub breaks: bool,
    /// Where the comma is.
    pub comma: Option<usize>,
    /// Whether a comment is in it.
    pub comment: bool,
}

impl Tail {
    pub(super) fn of(text: &Text, range: Range<usize>) -> Tail {
        let mut tail = Tail { breaks: false, comma: None, comment: false };
        let mut in_comment = false;
        for (offset, byte) in text.bytes().get(range.clone()).unwrap_or_default().iter().enumerate() {
            match byte {
                b'\n' => {
                    tail.breaks = true;
                    in_comment = false;
                }
                b'#' => {
                    tail.comment = true;
                    in_comment = true;
                }
                b',' if !in_comment => tail.comma = tail.comma.or(Some(range.start + offset)),
                _ => {}
            }
        }
        tail
    }
}
