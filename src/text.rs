//! Bytes with a line index, and the only way to change them: splices.
//!
//! A file is held as the bytes that came; an edit is a list of byte ranges with replacements. What no splice covers
//! cannot change. Only `\n` ends a line; a `\r` before it belongs to the line's end, so that CRLF files stay CRLF.

use std::ops::Range;

use crate::error::{Kind, Refusal, Result};

/// The UTF-8 byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file's bytes and where its lines begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

/// One line of a [`Text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Where it begins.
    pub start: usize,
    /// Its bytes without the line end.
    pub content: &'a [u8],
    /// Where the next line begins, or the file ends.
    pub next: usize,
}

impl Line<'_> {
    /// The whole line including its end, as a range of the text.
    pub fn range(&self) -> Range<usize> {
        self.start..self.next
    }

    /// Whether a carriage return ends it, be it the last line and without a line end: to a shell it belongs to the last word.
    pub fn ends_with_return(&self) -> bool {
        self.next - self.start > self.content.len() + 1 || self.content.ends_with(b"\r")
    }

    /// Whether it holds nothing but blanks.
    pub fn is_blank(&self) -> bool {
        self.content.iter().all(u8::is_ascii_whitespace)
    }
}

/// A byte range of a text and what stands there afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// What is replaced; empty for an insertion.
    pub range: Range<usize>,
    /// The replacement; empty for a deletion.
    pub with: Vec<u8>,
}

impl Splice {
    /// Puts `with` in before byte `at`.
    pub fn insert(at: usize, with: impl Into<Vec<u8>>) -> Splice {
        Splice { range: at..at, with: with.into() }
    }

    /// Takes `range` out.
    pub fn delete(range: Range<usize>) -> Splice {
        Splice { range, with: Vec::new() }
    }
}

impl Text {
    /// Any bytes make a text.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Text {
        let bytes = bytes.into();
        let mut starts: Vec<usize> = Vec::new();
        if !bytes.is_empty() {
            starts.push(0);
        }
        starts.extend(bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
        if starts.last() == Some(&bytes.len()) {
            starts.pop();
        }
        Text { bytes, starts }
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many lines there are; a last line without an end counts.
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// The line at `index`, from 0.
    pub fn line(&self, index: usize) -> Option<Line<'_>> {
        let start = *self.starts.get(index)?;
        let next = self.starts.get(index + 1).copied().unwrap_or(self.bytes.len());
        let whole = self.bytes.get(start..next).unwrap_or_default();
        let content = match whole {
            [content @ .., b'\r', b'\n'] | [content @ .., b'\n'] => content,
            content => content,
        };
        Some(Line { number: index + 1, start, content, next })
    }

    /// All lines in order.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = Line<'_>> + Clone {
        (0..self.starts.len()).filter_map(|index| self.line(index))
    }

    /// The number of the line that byte `at` is in, from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// The line end to write: that of the first line, `\n` if there is none.
    pub fn eol(&self) -> &'static str {
        let first = self.starts.get(1).copied().unwrap_or(self.bytes.len());
        if self.bytes.get(..first).is_some_and(|line| line.ends_with(b"\r\n")) { "\r\n" } else { "\n" }
    }

    /// Whether it begins with a UTF-8 byte order mark.
    pub fn has_bom(&self) -> bool {
        self.bytes.starts_with(BOM)
    }

    /// How many bytes of byte order mark there are: 3 or 0.
    pub fn bom_len(&self) -> usize {
        if self.has_bom() { BOM.len() } else { 0 }
    }

    /// Whether the last line lacks its line end.
    pub fn ends_open(&self) -> bool {
        self.bytes.len() > self.bom_len() && self.bytes.last() != Some(&b'\n')
    }

    /// The splice that appends a block of `lines` at the end: one blank line before it (unless the file is empty), the
    /// file's own line ends, a missing final newline supplied first.
    pub fn append_block<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) -> Splice {
        let eol = self.eol();
        let mut with = String::new();
        if self.ends_open() {
            with.push_str(eol);
        }
        if self.bytes.len() > self.bom_len() {
            with.push_str(eol);
        }
        for line in lines {
            with.push_str(line.as_ref());
            with.push_str(eol);
        }
        Splice::insert(self.bytes.len(), with)
    }

    /// The splice that takes out a block of whole lines together with one blank line before it, so that
    /// [`Text::append_block`] is undone exactly.
    pub fn delete_block(&self, lines: Range<usize>) -> Splice {
        let at = |index: usize| self.line(index).map_or(self.bytes.len(), |line| line.start);
        let first = match lines.start.checked_sub(1).and_then(|before| self.line(before)) {
            Some(before) if before.is_blank() && before.start >= self.bom_len() => before.start,
            _ => at(lines.start).max(self.bom_len().min(self.bytes.len())),
        };
        Splice::delete(first..at(lines.end))
    }

    /// The bytes after all `splices`, in any order. Overlaps and text that could be code in a configuration file are
    /// refused: what is written comes from typed values, and this is the last place that can still see it alone.
    pub fn apply(&self, splices: Vec<Splice>) -> Result<Vec<u8>> {
        self.apply_with(splices, b"")
    }

    /// The same where the splices may hold `more` bytes: a list inside quotes that its reader splits at `;`.
    pub fn apply_with(&self, mut splices: Vec<Splice>, more: &[u8]) -> Result<Vec<u8>> {
        splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
        let grown = splices.iter().map(|splice| splice.with.len()).sum::<usize>();
        let mut out = Vec::with_capacity(self.bytes.len() + grown);
        let mut at = 0;
        for splice in &splices {
            let kept = self.bytes.get(at..splice.range.start).ok_or_else(|| unproven("two edits overlap"))?;
            if let Some(odd) = splice.with.iter().find(|byte| !is_plain(**byte) && !more.contains(byte)) {
                return Err(unproven(&format!("an edit would write the byte {odd:#04x}")).into());
            }
            out.extend_from_slice(kept);
            out.extend_from_slice(&splice.with);
            at = splice.range.end;
        }
        out.extend_from_slice(self.bytes.get(at..).ok_or_else(|| unproven("an edit ends behind the file"))?);
        Ok(out)
    }
}

/// Bytes that ipalias writes: never `$`, backtick, backslash, `;`, `%` (a template to ifupdown2) or a control byte.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" \t\r\n.:/-_=[]{},#+'\"()".contains(&byte)
}

fn unproven(what: &str) -> Refusal {
    Refusal::new(Kind::Unproven, what, "this is a defect of ipalias; please report it with the file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_awkward_files() {
        let contents = |bytes: &[u8]| Text::new(bytes).lines().map(|l| l.content.to_vec()).collect::<Vec<_>>();
        assert_eq!(contents(b""), Vec::<Vec<u8>>::new());
        assert_eq!(contents(b"\n"), [b""]);
        assert_eq!(contents(b"a\r\nb\rc\nd"), [b"a".to_vec(), b"b\rc".to_vec(), b"d".to_vec()]);
        assert_eq!(Text::new("a\r\nb\n").eol(), "\r\n");
        assert_eq!(Text::new("a").eol(), "\n");
    }

    #[test]
    fn appending_then_deleting_is_identity() {
        for before in ["", "a\n", "a\n\n", "\n", "a\r\n", "\u{feff}a\n", "\u{feff}", "a\n\n\n"] {
            let text = Text::new(before);
            let after = Text::new(text.apply(vec![text.append_block(["x", "y"])]).unwrap());
            let count = after.line_count();
            let block = after.delete_block(count - 2..count);
            assert_eq!(after.apply(vec![block]).unwrap(), before.as_bytes(), "{before:?}");
        }
    }

    #[test]
    fn appending_closes_an_open_last_line() {
        let text = Text::new("a");
        assert_eq!(text.apply(vec![text.append_block(["x"])]).unwrap(), b"a\n\nx\n");
    }

    #[test]
    fn splices_in_any_order_but_never_overlapping() {
        let text = Text::new("abcdef");
        let splices = vec![Splice::insert(6, "x"), Splice::delete(0..2), Splice { range: 3..4, with: b"y".to_vec() }];
        assert_eq!(text.apply(splices).unwrap(), b"cyefx");
        assert!(text.apply(vec![Splice::delete(0..3), Splice::delete(2..4)]).is_err());
        assert!(text.apply(vec![Splice::delete(4..9)]).is_err());
    }

    #[test]
    fn code_is_never_written() {
        for odd in ["$", "`", "\\", "|", "&", "%", ";", "\0", "\x1b", "é"] {
            assert!(Text::new("").apply(vec![Splice::insert(0, odd)]).is_err(), "{odd:?}");
        }
    }
}
