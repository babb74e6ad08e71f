//! Events into a tree.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Document, Fault, MOST_ALIASED, MOST_DEPTH, Node, Style, Value, certain};
use crate::text::Text;

/// The first document of `text`.
pub(super) fn build(text: &Text) -> Result<Document, Fault> {
    let source = certain::source(text)?;
    let mut builder = Builder::new(text, source);
    let mut parser = Parser::new_from_str(source);
    let mut ended = false;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(found) => found,
            // Behind the first document there may be anything.
            Err(_) if ended => return Ok(builder.document(true)),
            Err(error) => {
                let at = builder.byte(error.marker().index());
                return Err(Fault::new(text.line_of(at), format!("this is not YAML: {}", error.info())));
            }
        };
        match event {
            Event::DocumentEnd => ended = true,
            Event::StreamEnd => return Ok(builder.document(false)),
            _ if ended => return Ok(builder.document(true)),
            event => builder.take(event, span)?,
        }
    }
    Ok(builder.document(false))
}

/// A collection that is not complete.
struct Open {
    node: Node,
    /// The key that waits for its value.
    key: Option<Node>,
    anchor: usize,
    is_mapping: bool,
    flow: bool,
    items: Vec<Node>,
    pairs: Vec<(Node, Node)>,
}

struct Builder<'a> {
    text: &'a Text,
    /// The byte of each character, where these differ.
    bytes: Option<Vec<usize>>,
    length: usize,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    aliased: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a Text, source: &str) -> Builder<'a> {
        let bytes = (!source.is_ascii()).then(|| source.char_indices().map(|(at, _)| at).collect());
        let (open, anchors) = Default::default();
        Builder { text, bytes, length: source.len(), open, anchors, aliased: 0, root: None }
    }

    fn document(self, has_more: bool) -> Document {
        Document { root: self.root, has_more }
    }

    /// The byte of the text at which the parser's character `index` stands; the parser does not see the byte order mark.
    fn byte(&self, index: usize) -> usize {
        let at = match &self.bytes {
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.length),
            None => index.min(self.length),
        };
        at + self.text.bom_len()
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let at = self.range(span);
        let line = self.text.line_of(at.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let value = Value::Scalar(text.into_owned(), style);
                let (anchored, tagged) = (anchor > 0, tag.is_some());
                self.put(Node { value, span: at, line, anchored, aliased: false, tagged }, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.begin(false, anchor, tag.is_some(), at, line),
            Event::MappingStart(anchor, tag) => self.begin(true, anchor, tag.is_some(), at, line),
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let Some(node) = found else { return Err(Fault::new(line, "an alias stands within its own anchor")) };
                self.aliased += weight(&node);
                if self.aliased > MOST_ALIASED {
                    return Err(Fault::new(line, "aliases make this file too large"));
                }
                self.put(Node { span: at, line, anchored: false, aliased: true, ..node }, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(
        &mut self,
        is_mapping: bool,
        anchor: usize,
        tagged: bool,
        at: Range<usize>,
        line: usize,
    ) -> Result<(), Fault> {
        if self.open.len() >= MOST_DEPTH {
            return Err(Fault::new(line, "this is nested too deeply"));
        }
        let bracket = if is_mapping { b'{' } else { b'[' };
        let flow = !at.is_empty() && self.text.bytes().get(at.start) == Some(&bracket);
        let value = Value::Scalar(String::new(), Style::Plain);
        let node = Node { value, span: at.start..at.start, line, anchored: anchor > 0, aliased: false, tagged };
        self.open.push(Open { node, key: None, anchor, is_mapping, flow, items: Vec::new(), pairs: Vec::new() });
        Ok(())
    }

    /// A collection is complete. The parser's mark is that of the bracket and what follows it, or, for a block collection,
    /// that of the next token: this ends with the last thing in it.
    fn end(&mut self, at: Range<usize>) -> Result<(), Fault> {
        let Some(Open { mut node, anchor, is_mapping, flow, items, pairs, .. }) = self.open.pop() else {
            return Ok(());
        };
        let last = |nodes: &mut dyn Iterator<Item = &Node>| nodes.map(|node| node.span.end).max();
        let last = if is_mapping {
            last(&mut pairs.iter().flat_map(|(key, value)| [key, value]))
        } else {
            last(&mut items.iter())
        };
        node.span.end = if flow { at.start + 1 } else { last.unwrap_or(node.span.start) };
        node.value = if is_mapping { Value::Mapping { flow, pairs } } else { Value::Sequence { flow, items } };
        self.put(node, anchor)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(open) if !open.is_mapping => open.items.push(node),
            Some(open) => match open.key.take() {
                None => open.key = Some(node),
                Some(key) => open.pairs.push((key, node)),
            },
        }
        Ok(())
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
