//! Files of sections and keys: headers, assignments, comments and continued lines, each with its place.
//!
//! Follows systemd.syntax(7) as `config_parse()` and `read_line()` implement it; what differs in other files of this kind
//! is a field of [`Dialect`]. Reading loses nothing, because nothing is ever printed again: edits are splices of the
//! byte ranges given here. Leaves out what keys mean and which sections exist: that is the backend's knowledge.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::text::Text;

/// The longest line, and the longest continued line, that systemd reads (`LONG_LINE_MAX`).
const MOST_LINE_BYTES: usize = 1 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The rules in which files of sections and keys differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What begins a comment line, as its first byte that is not blank.
    pub comments: &'static [u8],
    /// Whether a line that ends in a backslash is continued on the next one, comment lines in between skipped.
    pub continues: bool,
    /// Whether a lone carriage return and a NUL end a line, too.
    pub odd_line_ends: bool,
}

impl Dialect {
    /// systemd's own: unit files, `.network`, `.link`.
    pub const SYSTEMD: Dialect = Dialect { comments: b"#;", continues: true, odd_line_ends: true };
}

/// A parsed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ini {
    /// Everything in the file, in order, without gaps.
    pub items: Vec<Item>,
    /// The sections in order. What stands before the first header is not in one.
    pub sections: Vec<Section>,
    /// Each line as its consumer counts lines, with its end.
    lines: Vec<Line>,
}

/// One line, or several that are continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The bytes it takes up, line ends included.
    pub range: Range<usize>,
    /// The number of its first line, from 1, as an editor counts.
    pub line: usize,
    /// What it is.
    pub body: Body,
}

impl Item {
    /// Key and value, if it is an assignment.
    pub fn assignment(&self) -> Option<(&[u8], &[u8])> {
        match &self.body {
            Body::Assignment { key, value, .. } => Some((key, value)),
            _ => None,
        }
    }
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing but blanks.
    Blank,
    /// A comment.
    Comment,
    /// `[name]`.
    Header(Vec<u8>),
    /// `key=value`, both without the blanks around them.
    Assignment {
        /// What stands before the first `=`.
        key: Vec<u8>,
        /// What stands behind it.
        value: Vec<u8>,
        /// Where the value stands, if it is on one line.
        at: Option<Range<usize>>,
    },
    /// A line without key or without `=`: skipped with a warning.
    Junk,
    /// A line for which the consumer gives up the whole file.
    Fatal(Fault),
}

/// Why a consumer gives up a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A line begins with `[` and does not end with `]`.
    Header,
    /// A line that is no comment is not UTF-8.
    Encoding,
    /// A line is longer than 1 MiB.
    Length,
}

impl Fault {
    /// The fault as a clause.
    pub fn reason(self) -> &'static str {
        match self {
            Fault::Header => "this section header has no closing bracket, and the whole file is ignored for it",
            Fault::Encoding => "this line is not UTF-8, and the whole file is ignored for it",
            Fault::Length => "this line is longer than 1 MiB, and the whole file is ignored for it",
        }
    }
}

impl Ini {
    /// Reads `text`; any bytes can be read.
    pub fn parse(text: &Text, dialect: Dialect) -> Ini {
        let bytes = text.bytes();
        let lines = split(bytes, dialect);
        let mut items = Vec::with_capacity(lines.len());
        let mut open: Option<Open> = None;
        let mut bom_seen = false;
        let mut newlines = 0;
        for Line { range: line, end } in &lines {
            let mut content = bytes.get(line.start..*end).unwrap_or_default();
            let number = newlines + 1;
            newlines += usize::from(bytes.get(*end..line.end).unwrap_or_default().contains(&b'\n'));
            if content.len() >= MOST_LINE_BYTES {
                items.extend(open.take().map(Open::close));
                items.push(Item { range: line.clone(), line: number, body: Body::Fatal(Fault::Length) });
                continue;
            }
            let comment = trim(content).first().is_some_and(|first| dialect.comments.contains(first));
            if comment {
                match &mut open {
                    Some(open) => open.range.end = line.end,
                    None => items.push(Item { range: line.clone(), line: number, body: Body::Comment }),
                }
                continue;
            }
            let mut start = line.start;
            if let (false, Some(rest)) = (bom_seen, content.strip_prefix(BOM)) {
                (content, bom_seen, start) = (rest, true, start + BOM.len());
            }
            let continued = dialect.continues && ends_escaped(content);
            let mut logical = open.take().unwrap_or_else(|| Open::new(line.start, number));
            logical.range.end = line.end;
            logical.pieces += 1;
            logical.text.extend_from_slice(content);
            logical.start = start;
            if continued {
                // The backslash becomes a blank, in place.
                if let Some(last) = logical.text.last_mut() {
                    *last = b' ';
                }
                open = Some(logical);
                continue;
            }
            items.push(logical.close());
        }
        items.extend(open.map(Open::close));
        Ini { sections: sections(&items), items, lines }
    }

    /// The items at `indices`.
    pub fn at(&self, indices: Range<usize>) -> &[Item] {
        self.items.get(indices).unwrap_or_default()
    }

    /// The first line for which the consumer gives up the file.
    pub fn fault(&self) -> Option<(usize, Fault)> {
        self.items.iter().find_map(|item| match item.body {
            Body::Fatal(fault) => Some((item.line, fault)),
            _ => None,
        })
    }

    /// Whether it says nothing: no header, no assignment, no junk.
    pub fn is_silent(&self) -> bool {
        self.items.iter().all(|item| matches!(item.body, Body::Blank | Body::Comment))
    }

    /// What goes when the sections with these headers go: of each, the bytes from its header through its last line that is
    /// neither blank nor a comment (those that follow belong to what comes next), together with one blank line before
    /// it, so that [`Text::append_block`] is undone exactly.
    pub fn blocks(&self, text: &Text, headers: &BTreeSet<usize>) -> Vec<Range<usize>> {
        // Where the file is going to end, as far as is known when going backwards.
        let mut end = text.bytes().len();
        let going = self.sections.iter().rev().filter(|section| headers.contains(&section.header));
        let mut blocks: Vec<Range<usize>> = going
            .map(|section| {
                let block = self.block(text, section, end);
                end = if block.end == end { block.start } else { end };
                block
            })
            .collect();
        blocks.reverse();
        blocks
    }

    /// One of [`Ini::blocks`]; the file is going to end at `end_of_file`.
    fn block(&self, text: &Text, section: &Section, end_of_file: usize) -> Range<usize> {
        let said = |item: &&Item| !matches!(item.body, Body::Blank | Body::Comment);
        let last = self.at(section.header..section.items.end).iter().rfind(said);
        let Some((header, end)) = self.items.get(section.header).zip(last.map(|item| item.range.end)) else {
            return 0..0;
        };
        // A byte order mark belongs to the file, not to its first line.
        let start = header.range.start.max(text.bom_len().min(header.range.end));
        match blank_line_before(text, start) {
            Some(blank) if self.ends_continuation(&blank) && end < end_of_file => start..end,
            Some(blank) => blank.start..end,
            None => start..end,
        }
    }

    /// Whether the blank line at `blank` is what ends a continued line: without it, the next line would be swallowed.
    fn ends_continuation(&self, blank: &Range<usize>) -> bool {
        let first = self.lines.partition_point(|line| line.range.start < blank.start);
        let Some(line) = self.lines.get(first).map(|line| &line.range).filter(|line| line.start < blank.end) else {
            return false;
        };
        let item = self.items.partition_point(|item| item.range.end <= line.start);
        self.items.get(item).is_some_and(|item| item.range.start < line.start)
    }
}

/// The blank line that ends at `end`, as [`Text::append_block`] writes it.
fn blank_line_before(text: &Text, end: usize) -> Option<Range<usize>> {
    let before = text.bytes().get(..end)?.strip_suffix(b"\n")?;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(text.bom_len(), |newline| newline + 1);
    before.get(start..)?.iter().all(u8::is_ascii_whitespace).then_some(start..end)
}

/// A section of an [`Ini`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What stands between the brackets.
    pub name: Vec<u8>,
    /// The index of the header.
    pub header: usize,
    /// The indices of what follows, up to the next header.
    pub items: Range<usize>,
}

fn sections(items: &[Item]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if let Body::Header(name) = &item.body {
            sections.push(Section { name: name.clone(), header: index, items: index + 1..index + 1 });
        } else if let Some(section) = sections.last_mut() {
            section.items.end = index + 1;
        }
    }
    sections
}

/// A logical line in the making.
struct Open {
    range: Range<usize>,
    line: usize,
    text: Vec<u8>,
    pieces: usize,
    /// Where the content of the last piece begins.
    start: usize,
}

impl Open {
    fn new(start: usize, line: usize) -> Open {
        Open { range: start..start, line, text: Vec::new(), pieces: 0, start }
    }

    fn close(self) -> Item {
        let place = (self.pieces == 1).then_some(self.start);
        Item { body: body(&self.text, place), range: self.range, line: self.line }
    }
}

/// What the logical line `text` is; `start` is its place, if it stands on one line.
fn body(text: &[u8], start: Option<usize>) -> Body {
    let line = trim(text);
    if text.len() > MOST_LINE_BYTES {
        return Body::Fatal(Fault::Length);
    }
    if line.is_empty() {
        return Body::Blank;
    }
    if std::str::from_utf8(line).is_err() {
        return Body::Fatal(Fault::Encoding);
    }
    match line {
        [b'[', name @ .., b']'] => return Body::Header(name.to_vec()),
        [b'[', ..] => return Body::Fatal(Fault::Header),
        _ => {}
    }
    let Some(equals) = text.iter().position(|byte| *byte == b'=') else { return Body::Junk };
    let (key, value) = (trim(text.get(..equals).unwrap_or_default()), text.get(equals + 1..).unwrap_or_default());
    if key.is_empty() {
        return Body::Junk;
    }
    let blanks = value.iter().take_while(|byte| is_space(**byte)).count();
    let value = trim(value);
    let at = start.map(|start| start + equals + 1 + blanks).map(|at| at..at + value.len());
    Body::Assignment { key: key.to_vec(), value: value.to_vec(), at }
}

/// A line: its bytes with the end, and where the end begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    range: Range<usize>,
    end: usize,
}

/// The lines of `bytes`. A run of `\n`, `\r` and NUL in which none repeats and nothing follows a NUL is one line end.
fn split(bytes: &[u8], dialect: Dialect) -> Vec<Line> {
    let ends = |byte: &u8| *byte == b'\n' || dialect.odd_line_ends && matches!(*byte, b'\r' | 0);
    let mut lines = Vec::new();
    let mut start = 0;
    while let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) {
        let content = rest.iter().position(ends).unwrap_or(rest.len());
        let marks = rest.get(content..).unwrap_or_default();
        let mut length = 0;
        while let Some(mark) = marks.get(length).filter(|mark| ends(mark)) {
            let before = marks.get(..length).unwrap_or_default();
            if before.contains(mark) || before.contains(&0) {
                break;
            }
            length += 1;
        }
        let end = start + content;
        lines.push(Line { range: start..end + length, end });
        start = end + length;
    }
    lines
}

/// Whether the last byte is a backslash that no other one escapes.
fn ends_escaped(content: &[u8]) -> bool {
    content.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// `text` without the blanks around it, as systemd's `strstrip()` sees blanks.
fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Ini {
        Ini::parse(&Text::new(bytes), Dialect::SYSTEMD)
    }

    fn said(bytes: &[u8]) -> Vec<String> {
        let show = |item: Item| match item.body {
            Body::Blank => "-".to_owned(),
            Body::Comment => "#".to_owned(),
            Body::Header(name) => format!("[{}]", String::from_utf8_lossy(&name)),
            Body::Assignment { key, value, at } => {
                assert_eq!(at.map_or(value.clone(), |at| bytes[at].to_vec()), value);
                format!("{}={}@{}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value), item.line)
            }
            Body::Junk => "?".to_owned(),
            Body::Fatal(fault) => format!("{fault:?}@{}", item.line),
        };
        parse(bytes).items.into_iter().map(show).collect()
    }

    #[test]
    fn blanks_around_everything() {
        assert_eq!(said(b"  [A B] \n\t k \t=\t v = w \r\n=x\nk\n[]\n"), ["[A B]", "k=v = w@2", "?", "?", "[]"]);
        assert_eq!(said(b"[A]\n#c\n ;c\nk=v # no comment\n"), ["[A]", "#", "#", "k=v # no comment@4"]);
        assert_eq!(said(b"[A]\nk=\nopen"), ["[A]", "k=@2", "?"]);
    }

    #[test]
    fn continued_lines_skip_comments_and_end_at_a_blank_line() {
        assert_eq!(said(b"k= \\\n# c\n v\nl=w"), ["k=v@1", "l=w@4"]);
        assert_eq!(said(b"k=\\\n\nv"), ["k=@1", "?"]);
        assert_eq!(said(b"k=a\\\\\nl=b\\\\\\\nc"), ["k=a\\\\@1", "l=b\\\\ c@2"]);
        assert_eq!(said(b"# c \\\nk=v"), ["#", "k=v@2"]);
        assert_eq!(said(b"k=v\\"), ["k=v@1"]);
        assert_eq!(said(b"[Addr\\\ness]"), ["[Addr ess]"]);
    }

    #[test]
    fn lone_carriage_returns_and_nuls_end_lines() {
        assert_eq!(said(b"[A]\rk=v\r[B]\0k=w\n"), ["[A]", "k=v@1", "[B]", "k=w@1"]);
        assert_eq!(said(b"a=b\r\n\nc=d"), ["a=b@1", "-", "c=d@3"]);
        assert_eq!(said(b"a=b\n\rc=d"), ["a=b@1", "c=d@2"]);
        assert_eq!(said(b"a=b\0\nc=d"), ["a=b@1", "-", "c=d@2"]);
    }

    #[test]
    fn what_costs_the_whole_file() {
        assert_eq!(said(b"[A]\n[B\nk=v"), ["[A]", "Header@2", "k=v@3"]);
        assert_eq!(said(b"["), ["Header@1"]);
        assert_eq!(said(b"# caf\xe9\nk=caf\xe9"), ["#", "Encoding@2"]);
        assert_eq!(said(&b"#".repeat(MOST_LINE_BYTES)), ["Length@1"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(said(b"\xef\xbb\xbf[A]\nk=v"), ["[A]", "k=v@2"]);
        assert_eq!(said(b"\xef\xbb\xbfk=v\n"), ["k=v@1"]);
        // The search for a comment comes first, so one behind the mark is a line like any other.
        assert_eq!(said(b"\xef\xbb\xbf# c\nk=v"), ["?", "k=v@2"]);
    }

    #[test]
    fn items_cover_the_file_without_gaps() {
        for bytes in [&b"a\n\nb=\\\n#\nc\n\r\0\0[A]\r"[..], b"", b"\n", b"\xef\xbb\xbf", b"\\", b"k=\\\n"] {
            let ini = parse(bytes);
            let mut at = 0;
            for item in &ini.items {
                assert_eq!(item.range.start, at, "{bytes:?}");
                at = item.range.end;
            }
            assert_eq!(at, bytes.len(), "{bytes:?}");
        }
    }

    fn without(bytes: &[u8], section: usize) -> Vec<u8> {
        let text = Text::new(bytes);
        let ini = Ini::parse(&text, Dialect::SYSTEMD);
        let header = ini.sections[section].header;
        let blocks = ini.blocks(&text, &BTreeSet::from([header]));
        text.apply(blocks.into_iter().map(crate::text::Splice::delete).collect()).unwrap()
    }

    #[test]
    fn a_section_goes_with_one_blank_line_and_leaves_the_comments_of_the_next() {
        assert_eq!(without(b"[A]\nk=v\n\n[B]\n# b\nk=w\n\n# of C\n[C]\n", 1), b"[A]\nk=v\n\n# of C\n[C]\n");
        assert_eq!(without(b"\xef\xbb\xbf[A]\nk=v\n\n[B]\n", 0), b"\xef\xbb\xbf\n[B]\n");
        assert_eq!(without(b"[A]\nk=v", 0), b"");
        assert_eq!(without(b"[A]\r\nk=v\r\n\r\n[B]\r\nk=w\r\n", 1), b"[A]\r\nk=v\r\n");
    }

    #[test]
    fn the_blank_line_that_ends_a_continuation_stays_while_something_follows() {
        assert_eq!(without(b"[A]\nk=v\\\n\n[B]\nk=w\n[C]\n", 1), b"[A]\nk=v\\\n\n[C]\n");
        assert_eq!(without(b"[A]\nk=v\\\n\n[B]\nk=w\n", 1), b"[A]\nk=v\\\n");
    }
}
