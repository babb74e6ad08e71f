//! What YAML 1.1 and 1.2, or libyaml and saphyr-parser, read differently: refused, so that a tree is netplan's or none.
//!
//! Measured with libyaml 0.2.5: it takes U+0085, U+2028 and U+2029 for line breaks, which YAML 1.2 does not, fails on
//! control characters and on an anchor that is named twice, and differs in where a tab may stand.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Document, Fault, Node, Style, Value};
use crate::text::Text;

/// The text behind the byte order mark, if both read it alike.
pub(super) fn source(text: &Text) -> Result<&str, Fault> {
    let bytes = text.bytes().get(text.bom_len()..).unwrap_or_default();
    let line_at = |at: usize| text.line_of(text.bom_len() + at);
    let source = match std::str::from_utf8(bytes) {
        Ok(source) => source,
        Err(error) => return Err(Fault::new(line_at(error.valid_up_to()), "this is not UTF-8")),
    };
    let mut characters = source.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let reason = match character {
            '\r' if characters.peek().map(|(_, next)| *next) != Some('\n') => "a carriage return stands alone",
            '\u{85}' | '\u{2028}' | '\u{2029}' => "a line break that only YAML 1.1 knows",
            '\t' | '\n' | '\r' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{10000}'.. => continue,
            '\u{e000}'..='\u{fffd}' if character != '\u{feff}' => continue,
            _ => "a control character",
        };
        return Err(Fault::new(line_at(at), reason));
    }
    directives(source).map_err(|at| Fault::new(line_at(at), "a directive that ipalias does not know"))?;
    anchors(source).map_err(|at| Fault::new(line_at(at), "an anchor is named twice"))?;
    Ok(source)
}

/// Lines that begin with `%`: `%YAML 1.1` and `%YAML 1.2` mean the same here.
fn directives(source: &str) -> Result<(), usize> {
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let known = ["%YAML 1.1", "%YAML 1.2"].contains(&line.trim_end());
        if line.starts_with('%') && !known {
            return Err(at);
        }
        at += line.len();
    }
    Ok(())
}

/// Words that look like anchors, wherever they stand: libyaml fails if one is there twice.
fn anchors(source: &str) -> Result<(), usize> {
    let mut seen = BTreeSet::new();
    for (at, _) in source.match_indices('&') {
        let rest = source.get(at + 1..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || ",[]{}".contains(c)).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if !name.is_empty() && !seen.insert(name) {
            return Err(at);
        }
    }
    Ok(())
}

/// Refuses tabs outside comments and quotes, and what else only shows in the tree.
pub(super) fn check_tabs(text: &Text, document: &Document) -> Result<(), Fault> {
    let Some(root) = &document.root else { return Ok(()) };
    if !text.bytes().contains(&b'\t') {
        return Ok(());
    }
    let mut scalars = Vec::new();
    collect(root, &mut scalars);
    scalars.sort_by_key(|(span, _)| span.start);
    for line in text.lines().filter(|line| line.content.contains(&b'\t')) {
        let inside = |at: usize| {
            let before = scalars.partition_point(|(span, _)| span.start <= at);
            scalars.get(before.wrapping_sub(1)).filter(|(span, _)| span.contains(&at))
        };
        for (offset, byte) in line.content.iter().enumerate() {
            let at = line.start + offset;
            let blank_before = offset == 0 || line.content.get(offset - 1).is_some_and(u8::is_ascii_whitespace);
            match (byte, inside(at)) {
                (b'#', None) if blank_before => break,
                (b'\t', None) => return Err(Fault::new(line.number, "a tab stands where only blanks may")),
                (b'\t', Some((_, Style::Plain | Style::Block))) => {
                    return Err(Fault::new(line.number, "a tab stands in a value without quotes"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn collect(node: &Node, scalars: &mut Vec<(Range<usize>, Style)>) {
    if node.aliased {
        return;
    }
    match &node.value {
        Value::Scalar(_, style) => scalars.push((node.span.clone(), *style)),
        Value::Sequence { items, .. } => items.iter().for_each(|item| collect(item, scalars)),
        Value::Mapping { pairs, .. } => {
            for (key, value) in pairs {
                collect(key, scalars);
                collect(value, scalars);
            }
        }
    }
}
