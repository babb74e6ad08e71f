//! Files of one call a line, as a shell's `read` takes them apart: lines may go on, and a last line that has no end is not
//! read at all.

use std::ops::Range;

use crate::error::{Kind, Refusal};
use crate::root::RootPath;
use crate::text::{self, Splice, Text};

/// Why a last line has no effect.
pub(in crate::backend) const UNREAD: &str = "the last line has no line end, so it is not read";

/// A line as `read` returns it: one or more of the file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Line {
    /// Its place, with its end.
    pub(in crate::backend) at: Range<usize>,
    /// The number of its first line, from 1.
    pub(in crate::backend) number: usize,
    /// What `read` puts into its variable.
    pub(in crate::backend) text: String,
    /// Whether it is read; the last one may not be.
    pub(in crate::backend) is_read: bool,
}

impl Line {
    /// Why it is not read, if it is not.
    pub(in crate::backend) fn unread(&self) -> Option<String> {
        (!self.is_read).then(|| UNREAD.to_owned())
    }
}

/// A file and its lines.
#[derive(Debug, Clone)]
pub(in crate::backend) struct File {
    pub(in crate::backend) path: RootPath,
    pub(in crate::backend) text: Text,
    pub(in crate::backend) lines: Vec<Line>,
}

/// `read` without `-r` (sh(1)): a backslash makes the next character literal, and joins lines at the end.
pub(in crate::backend) fn by_backslash(text: &Text) -> Vec<Line> {
    let mut all = Vec::new();
    let mut seen: Vec<u8> = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let bytes = text.bytes();
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'\n')) => at += 2,
            (b'\\', Some(next)) => {
                seen.push(*next);
                at += 2;
            }
            (b'\\', None) => at += 1,
            (b'\n', _) => {
                at += 1;
                all.push(line(text, start..at, std::mem::take(&mut seen), true));
                start = at;
            }
            (byte, _) => {
                seen.push(*byte);
                at += 1;
            }
        }
    }
    if start < bytes.len() {
        all.push(line(text, start..bytes.len(), seen, false));
    }
    all
}

/// `collapse_backslash_newline` of rc.subr(8) and the `read -r` behind it: blanks around each line are taken off, a
/// backslash as the last character joins the next one.
pub(in crate::backend) fn by_blanks(text: &Text) -> Vec<Line> {
    let mut all = Vec::new();
    let mut seen: Vec<u8> = Vec::new();
    let mut start = None;
    for one in text.lines() {
        let whole = text.bytes().get(one.range()).unwrap_or_default();
        let closed = whole.ends_with(b"\n");
        let content = trimmed(whole.strip_suffix(b"\n").unwrap_or(whole));
        let first = *start.get_or_insert(one.start);
        match content.strip_suffix(b"\\") {
            Some(content) if closed => seen.extend_from_slice(content),
            _ => {
                seen.extend_from_slice(content);
                let content = trimmed(&seen).to_vec();
                seen.clear();
                all.push(line(text, first..one.next, content, closed));
                start = None;
            }
        }
    }
    if let Some(first) = start {
        all.push(line(text, first..text.bytes().len(), trimmed(&seen).to_vec(), false));
    }
    all
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let front = bytes.iter().take_while(|byte| is_blank(byte)).count();
    let rest = bytes.get(front..).unwrap_or_default();
    let back = rest.iter().rev().take_while(|byte| is_blank(byte)).count();
    rest.get(..rest.len() - back).unwrap_or_default()
}

fn line(text: &Text, at: Range<usize>, seen: Vec<u8>, is_read: bool) -> Line {
    Line { number: text.line_of(at.start), at, text: String::from_utf8_lossy(&seen).into_owned(), is_read }
}

impl File {
    /// The last line, if it is not read.
    pub(in crate::backend) fn open(&self) -> Option<(usize, &Line)> {
        self.lines.iter().enumerate().next_back().filter(|(_, line)| !line.is_read)
    }

    /// Whether a line end is all that the last line lacks.
    pub(in crate::backend) fn is_closable(&self) -> bool {
        self.open().is_some() && self.text.ends_open() && !self.text.bytes().trim_ascii_end().ends_with(b"\\")
    }

    /// New lines behind the one at `anchor`, but never behind one that is not read.
    pub(in crate::backend) fn insertion(&self, anchor: Option<usize>, lines: &[String]) -> Splice {
        let end = self.open().map_or(self.text.bytes().len(), |(_, line)| line.at.start);
        let behind = anchor.and_then(|anchor| self.lines.get(anchor)).map_or(end, |line| line.at.end);
        Splice::insert(behind.min(end), lines.concat())
    }

    /// An end for the last line, and new lines behind it.
    pub(in crate::backend) fn closing(&self, lines: &[String]) -> Splice {
        Splice::insert(self.text.bytes().len(), format!("\n{}", lines.concat()))
    }
}

/// The refusal of a file with carriage returns.
pub(in crate::backend) fn crlf_refusal(path: &RootPath, text: &Text) -> Option<Refusal> {
    let line = text.lines().find(text::Line::ends_with_return)?;
    let hint = "convert the file to plain line ends: the carriage return becomes a part of the last word";
    Some(Refusal::new(Kind::Malformed, "the line ends with a carriage return", hint).at(path, line.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: Vec<Line>) -> Vec<(usize, String, bool)> {
        lines.into_iter().map(|line| (line.number, line.text, line.is_read)).collect()
    }

    #[test]
    fn lines_that_go_on() {
        let file = Text::new("a \\\n  b\nc\\d\ne\\ \nf");
        let expected = [(1, "a   b", true), (3, "cd", true), (4, "e ", true), (5, "f", false)];
        assert_eq!(shown(by_backslash(&file)), expected.map(|(number, text, read)| (number, text.to_owned(), read)));
        let expected = [(1, "a b", true), (3, "c\\d", true), (4, "ef", false)];
        assert_eq!(shown(by_blanks(&file)), expected.map(|(number, text, read)| (number, text.to_owned(), read)));
        assert_eq!(shown(by_blanks(&Text::new("a\\\n"))), [(1, "a".to_owned(), false)]);
        assert_eq!(shown(by_backslash(&Text::new("a\\\n"))), [(1, "a".to_owned(), false)]);
        assert!(by_blanks(&Text::new("")).is_empty());
    }
}
