//! Events into a tree. The parser is a port of libyaml, so that what it takes is what netplan takes.

use std::collections::BTreeMap;
use std::ops::Range;

use libyaml_safer::{Event, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle};

use super::{Document, Fault, MOST_ALIASED, MOST_DEPTH, Node, Style, Value};
use crate::text::Text;

/// The first document of `text`.
pub(super) fn build(text: &Text) -> Result<Document, Fault> {
    // At an open end the port of libyaml would look for more than there is.
    let source = [source(text)?, if text.ends_open() { "\n" } else { "" }].concat();
    let mut source = source.as_bytes();
    let mut builder = Builder::new(text);
    let mut parser = Parser::new();
    parser.set_input_string(&mut source);
    let mut ended = false;
    loop {
        let event = match parser.parse() {
            Ok(event) => event,
            // Behind the first document there may be anything.
            Err(_) if ended => return Ok(builder.document(true)),
            Err(error) => {
                let line = error.problem_mark().map_or(0, |mark| text.line_of(builder.byte(mark)));
                return Err(Fault::certain(line, format!("this is not YAML: {}", error.problem())));
            }
        };
        match event.data {
            EventData::DocumentEnd { .. } => ended = true,
            EventData::StreamEnd => return Ok(builder.document(false)),
            _ if ended => return Ok(builder.document(true)),
            _ => builder.take(event)?,
        }
    }
}

/// The text behind the byte order mark, if lines in it are what they look like, and if the parser surely lives through it.
fn source(text: &Text) -> Result<&str, Fault> {
    let bytes = text.bytes().get(text.bom_len()..).unwrap_or_default();
    let line_at = |at: usize| text.line_of(text.bom_len() + at);
    let source = match std::str::from_utf8(bytes) {
        Ok(source) => source,
        Err(error) => return Err(Fault::new(line_at(error.valid_up_to()), "this is not UTF-8")),
    };
    let mut characters = source.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let reason = match character {
            '\r' if next != Some('\n') => "a carriage return stands alone",
            '\u{85}' | '\u{2028}' | '\u{2029}' => "a line break that only YAML knows",
            '!' => {
                // A comma at the end of a tag, or an escape in it, is what the port of libyaml does not live through.
                let rest = source.get(at..).unwrap_or_default();
                let tag = rest.split(char::is_whitespace).next().unwrap_or_default();
                if tag.contains([',', '%']) {
                    "an exclamation mark in front of a comma or percent sign"
                } else {
                    continue;
                }
            }
            '\t' | '\n' | '\r' => continue,
            '\u{feff}' => "a byte order mark",
            control if control.is_control() => "a control character",
            _ => continue,
        };
        return Err(Fault::new(line_at(at), reason));
    }
    Ok(source)
}

/// A collection that is not complete.
struct Open {
    node: Node,
    /// The key that waits for its value.
    key: Option<Node>,
    anchor: Option<String>,
    is_mapping: bool,
    flow: bool,
    items: Vec<Node>,
    pairs: Vec<(Node, Node)>,
}

struct Builder<'a> {
    text: &'a Text,
    /// Whether the last line has no end, but something in it.
    ends_in_word: bool,
    open: Vec<Open>,
    /// By name; nothing for one whose node is not complete.
    anchors: BTreeMap<String, Option<Node>>,
    aliased: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a Text) -> Builder<'a> {
        let (open, anchors) = Default::default();
        let last = text.lines().next_back().filter(|_| text.ends_open());
        let ends_in_word = last.is_some_and(|line| !line.is_blank());
        Builder { text, ends_in_word, open, anchors, aliased: 0, root: None }
    }

    fn document(self, has_more: bool) -> Document {
        Document { root: self.root, has_more }
    }

    /// The byte of the text at which `mark` stands; the parser does not see the byte order mark.
    fn byte(&self, mark: Mark) -> usize {
        let length = self.text.bytes().len();
        usize::try_from(mark.index).map_or(length, |index| (index + self.text.bom_len()).min(length))
    }

    fn take(&mut self, event: Event) -> Result<(), Fault> {
        let start = self.byte(event.start_mark);
        let at = start..self.byte(event.end_mark).max(start);
        let line = self.text.line_of(at.start);
        match event.data {
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    _ => Style::Plain,
                };
                self.name(&anchor, line)?;
                let at_open_end = at.end == self.text.bytes().len() && self.ends_in_word && style == Style::Block;
                let value = value.strip_suffix('\n').filter(|_| at_open_end).map(str::to_owned).unwrap_or(value);
                let value = Value::Scalar(value, style);
                let (anchored, tagged) = (anchor.is_some(), tag.is_some());
                self.put(Node { value, span: at, line, anchored, aliased: false, tagged }, anchor);
                Ok(())
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                let flow = style == SequenceStyle::Flow;
                self.begin(Open::new(at.start, line, anchor, tag.is_some(), false, flow))
            }
            EventData::MappingStart { anchor, tag, style, .. } => {
                let flow = style == MappingStyle::Flow;
                self.begin(Open::new(at.start, line, anchor, tag.is_some(), true, flow))
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.end(at);
                Ok(())
            }
            EventData::Alias { anchor } => {
                let Some(Some(node)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault::new(line, format!("no anchor {anchor} is complete before this")));
                };
                self.aliased += weight(&node);
                if self.aliased > MOST_ALIASED {
                    return Err(Fault::new(line, "aliases make this file too large"));
                }
                self.put(Node { span: at, line, anchored: false, aliased: true, ..node }, None);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes in the name of an anchor: libyaml fails if it is there twice.
    fn name(&mut self, anchor: &Option<String>, line: usize) -> Result<(), Fault> {
        match anchor.as_ref().and_then(|name| self.anchors.insert(name.clone(), None)) {
            Some(_) => Err(Fault::certain(line, "an anchor is named twice")),
            None => Ok(()),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), Fault> {
        if self.open.len() >= MOST_DEPTH {
            return Err(Fault::new(open.node.line, "this is nested too deeply"));
        }
        self.name(&open.anchor, open.node.line)?;
        self.open.push(open);
        Ok(())
    }

    /// A collection is complete. The parser's mark of a block collection is that of the next token, so it ends with the
    /// last thing in it.
    fn end(&mut self, at: Range<usize>) {
        let Some(Open { mut node, anchor, is_mapping, flow, items, pairs, .. }) = self.open.pop() else { return };
        // `[a: b]` has a mapping without braces in it.
        let bracket = if is_mapping { b'}' } else { b']' };
        let flow = flow && self.text.bytes().get(at.end.saturating_sub(1)) == Some(&bracket);
        let last = if is_mapping {
            pairs.iter().flat_map(|(key, value)| [key.span.end, value.span.end]).max()
        } else {
            items.iter().map(|item| item.span.end).max()
        };
        node.span.end = if flow { at.end } else { last.unwrap_or(node.span.start) };
        node.value = if is_mapping { Value::Mapping { flow, pairs } } else { Value::Sequence { flow, items } };
        self.put(node, anchor);
    }

    fn put(&mut self, node: Node, anchor: Option<String>) {
        if let Some(name) = anchor {
            self.anchors.insert(name, Some(node.clone()));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(open) if !open.is_mapping => open.items.push(node),
            Some(open) => match open.key.take() {
                None => open.key = Some(node),
                Some(key) => open.pairs.push((key, node)),
            },
        }
    }
}

impl Open {
    fn new(start: usize, line: usize, anchor: Option<String>, tagged: bool, is_mapping: bool, flow: bool) -> Open {
        let value = Value::Scalar(String::new(), Style::Plain);
        let node = Node { value, span: start..start, line, anchored: anchor.is_some(), aliased: false, tagged };
        Open { node, key: None, anchor, is_mapping, flow, items: Vec::new(), pairs: Vec::new() }
    }
}

/// How many nodes `node` is.
fn weight(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(..) => 0,
        Value::Sequence { items, .. } => items.iter().map(weight).sum(),
        Value::Mapping { pairs, .. } => pairs.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
    }
}
