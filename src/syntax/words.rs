//! Lines of words with continuation and comment lines: the dialect of interfaces(5).
//!
//! The four programs that read `/etc/network/interfaces` split it differently (section "FILE FORMAT" of interfaces(5);
//! `get_line` of ifupdown, `lif_fgetline` of ifupdown-ng, `process_interfaces` of ifupdown2, `read_interfaces` of
//! BusyBox), so how lines are joined is a parameter. Every word knows where it stands, so that edits can be splices.
//! Leaves out what the words mean.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use crate::text::Text;

/// How a backslash joins lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// As the last character it joins the next line, as that stands; whether a comment can be continued, too.
    AtEnd {
        /// Whether a comment line that ends in a backslash swallows the next line.
        of_comments: bool,
    },
    /// As the last character it joins the next line without its indentation, so that a word can go on there.
    AtEndTrimmed,
    /// Anywhere it is a blank, together with every blank and line end around it.
    Anywhere,
}

/// One reader's way to split a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// How lines are joined.
    pub joins: Joins,
    /// Whether `#` starts a comment anywhere in a line, not only in front.
    pub inline_comments: bool,
    /// Whether a carriage return is a blank; otherwise it belongs to the word before it.
    pub cr_is_blank: bool,
}

/// A word and where it stands. One that goes on behind a joined line end covers that, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its bytes as the reader sees them.
    pub text: SmallVec<[u8; 24]>,
    /// Its place in the file.
    pub at: Range<usize>,
}

impl Word {
    /// The word as text, for names and numbers; bytes that are not UTF-8 become U+FFFD, which equals no name.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

/// One line as the reader sees it: at least one word, over one or more lines of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordLine {
    /// The lines of the file, as indexes from 0.
    pub lines: Range<usize>,
    /// Its words; never empty.
    pub words: Vec<Word>,
}

impl WordLine {
    /// The number of its first line, from 1, for messages.
    pub fn number(&self) -> usize {
        self.lines.start + 1
    }

    /// The word at `index`; empty if there are fewer.
    pub fn word(&self, index: usize) -> &[u8] {
        self.words.get(index).map_or(&[], |word| &word.text)
    }

    /// The words from `index` on; none if there are fewer.
    pub fn words_from(&self, index: usize) -> &[Word] {
        self.words.get(index..).unwrap_or_default()
    }
}

/// A file split into lines of words. Blank lines and comments are not kept: they stay in the [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordLines {
    /// The lines that hold words, in order.
    pub lines: Vec<WordLine>,
    /// Whether the last line of the file waits for another one, so that nothing may be put behind it.
    pub open: bool,
}

/// Splits `text` as `dialect` says. Any bytes can be split.
pub fn split(text: &Text, dialect: &Dialect) -> WordLines {
    let mut splitter = Splitter { dialect, seen: Vec::new(), front: None, out: Vec::new() };
    let open = match dialect.joins {
        Joins::Anywhere => splitter.blanks_around_backslashes(text),
        Joins::AtEnd { .. } | Joins::AtEndTrimmed => splitter.line_by_line(text),
    };
    WordLines { lines: splitter.out, open }
}

struct Splitter<'d> {
    dialect: &'d Dialect,
    /// The bytes of the line being gathered and where each stands.
    seen: Vec<(usize, u8)>,
    /// Its first byte that is not a blank.
    front: Option<u8>,
    out: Vec<WordLine>,
}

impl Splitter<'_> {
    fn line_by_line(&mut self, text: &Text) -> bool {
        let trimmed = self.dialect.joins == Joins::AtEndTrimmed;
        let mut first = 0;
        let mut joined = false;
        for (index, line) in text.lines().enumerate() {
            let raw = text.bytes().get(line.range()).unwrap_or_default();
            let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
            let mut at = line.start;
            let mut content = raw;
            if joined && trimmed {
                let indent = raw.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                at += indent;
                content = raw.get(indent..).unwrap_or_default();
            }
            let (content, goes_on) = self.continued(content);
            if !goes_on && !joined {
                // Nearly every line stands alone.
                self.alone(content, at, index..index + 1);
                first = index + 1;
                continue;
            }
            self.seen.extend(content.iter().enumerate().map(|(step, byte)| (at + step, *byte)));
            joined = goes_on;
            if !goes_on {
                self.finish(first..index + 1);
                first = index + 1;
            }
        }
        if joined {
            self.finish(first..text.line_count());
        }
        joined
    }

    /// The line without its joining backslash, and whether it has one. What was gathered before counts.
    fn continued<'l>(&mut self, line: &'l [u8]) -> (&'l [u8], bool) {
        self.front = self.front.or_else(|| line.iter().copied().find(|byte| !is_blank(*byte, true)));
        match self.dialect.joins {
            Joins::AtEndTrimmed => {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
                match line.split_last() {
                    Some((b'\\', rest)) if backslashes % 2 == 1 && !line.contains(&b'#') => (rest, true),
                    _ => (line, false),
                }
            }
            Joins::AtEnd { of_comments } if of_comments || self.front != Some(b'#') => match line.split_last() {
                Some((b'\\', rest)) => (rest, true),
                _ => (line, false),
            },
            _ => (line, false),
        }
    }

    fn blanks_around_backslashes(&mut self, text: &Text) -> bool {
        let bytes = text.bytes();
        let (mut first, mut line) = (0, 0);
        let mut at = 0;
        let mut open = false;
        while let Some(byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let run = rest.iter().take_while(|byte| **byte == b'\\' || is_blank(**byte, true)).count();
            let gap = rest.get(..run).unwrap_or_default();
            let line_ends = gap.iter().filter(|byte| **byte == b'\n').count();
            open = false;
            if run == 0 {
                self.seen.push((at, *byte));
                at += 1;
            } else if gap.contains(&b'\\') {
                self.seen.push((at, b' '));
                line += line_ends;
                open = run == rest.len();
                at += run;
            } else {
                self.seen.push((at, b' '));
                if line_ends > 0 {
                    self.finish(first..line + 1);
                    line += line_ends;
                    first = line;
                }
                at += run;
            }
        }
        self.finish(first..text.line_count());
        open
    }

    /// Splits a line that stands alone at byte `start` and covers `lines` of the file: the same as gathering it and
    /// [`Splitter::finish`], at a fraction of the time.
    fn alone(&mut self, content: &[u8], start: usize, lines: Range<usize>) {
        self.front = None;
        let cr_is_blank = self.dialect.cr_is_blank;
        let mut words: Vec<Word> = Vec::new();
        let mut at = 0;
        while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
            let blanks = rest.iter().take_while(|byte| is_blank(**byte, cr_is_blank)).count();
            let rest = rest.get(blanks..).unwrap_or_default();
            at += blanks;
            let mut before = content.get(at.wrapping_sub(1)).copied();
            let ends_word = |byte: &u8| {
                let commented = *byte == b'#' && self.dialect.inline_comments && before != Some(b'\\');
                before = Some(*byte);
                commented || is_blank(*byte, cr_is_blank)
            };
            let length = rest.iter().position(ends_word).unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            let is_comment = word.is_empty() || words.is_empty() && word.starts_with(b"#");
            if is_comment {
                break;
            }
            words.push(Word { text: SmallVec::from_slice(word), at: start + at..start + at + length });
            at += length;
            if rest.get(length) == Some(&b'#') {
                break;
            }
        }
        if !words.is_empty() {
            self.out.push(WordLine { lines, words });
        }
    }

    /// Ends the line gathered so far, which covers `lines` of the file.
    fn finish(&mut self, lines: Range<usize>) {
        let seen = std::mem::take(&mut self.seen);
        let cr_is_blank = self.dialect.cr_is_blank;
        let mut words: Vec<Word> = Vec::new();
        let mut in_word = false;
        let mut before = None;
        for (at, byte) in &seen {
            let commented = *byte == b'#' && self.dialect.inline_comments && before != Some(b'\\');
            if commented || (*byte == b'#' && words.is_empty()) {
                break;
            }
            before = Some(*byte);
            if is_blank(*byte, cr_is_blank) {
                in_word = false;
                continue;
            }
            match words.last_mut().filter(|_| in_word) {
                Some(word) => {
                    word.text.push(*byte);
                    word.at.end = at + 1;
                }
                None => words.push(Word { text: smallvec![*byte], at: *at..at + 1 }),
            }
            in_word = true;
        }
        if !words.is_empty() {
            self.out.push(WordLine { lines, words });
        }
        self.seen = seen;
        self.seen.clear();
        self.front = None;
    }
}

/// `isspace(3)` of the C locale; the carriage return only where it counts.
fn is_blank(byte: u8, cr_is_blank: bool) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c) || (byte == b'\r' && cr_is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSIC: Dialect =
        Dialect { joins: Joins::AtEnd { of_comments: false }, inline_comments: false, cr_is_blank: true };
    const SWALLOWING: Dialect =
        Dialect { joins: Joins::AtEnd { of_comments: true }, inline_comments: false, cr_is_blank: false };
    const TRIMMED: Dialect = Dialect { joins: Joins::AtEndTrimmed, inline_comments: true, cr_is_blank: true };
    const ANYWHERE: Dialect = Dialect { joins: Joins::Anywhere, inline_comments: false, cr_is_blank: true };

    fn shown(bytes: &[u8], dialect: &Dialect) -> Vec<(Range<usize>, Vec<String>)> {
        let text = Text::new(bytes);
        let lines = split(&text, dialect).lines;
        lines.into_iter().map(|line| (line.lines, line.words.iter().map(Word::name).collect())).collect()
    }

    fn words(bytes: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
        shown(bytes, dialect).into_iter().map(|(_, words)| words).collect()
    }

    #[test]
    fn words_know_their_place() {
        let text = Text::new("# c\n\n  auto  eth0 \\\n\teth0:0\n");
        let split = split(&text, &CLASSIC);
        assert_eq!(split.lines.len(), 1);
        let line = &split.lines[0];
        assert_eq!((line.number(), line.lines.clone()), (3, 2..4));
        for word in &line.words {
            assert_eq!(&text.bytes()[word.at.clone()], word.text.as_slice(), "{word:?}");
        }
        assert_eq!(line.words.iter().map(Word::name).collect::<Vec<_>>(), ["auto", "eth0", "eth0:0"]);
    }

    #[test]
    fn comments_continue_only_where_the_reader_says_so() {
        let file = b"# old \\\nauto eth0\n";
        assert_eq!(words(file, &CLASSIC), [["auto", "eth0"]]);
        assert_eq!(words(file, &TRIMMED), [["auto", "eth0"]]);
        assert!(words(file, &SWALLOWING).is_empty());
        assert!(words(file, &ANYWHERE).is_empty());
    }

    #[test]
    fn ends_of_files() {
        let open = |bytes: &[u8], dialect| split(&Text::new(bytes), dialect).open;
        for dialect in [&CLASSIC, &SWALLOWING, &TRIMMED, &ANYWHERE] {
            assert!(open(b"a\\", dialect), "{dialect:?}");
            assert!(open(b"a \\\n", dialect), "{dialect:?}");
            assert!(!open(b"a\n", dialect), "{dialect:?}");
            assert!(!open(b"", dialect), "{dialect:?}");
        }
        assert!(!open(b"# \\\n", &CLASSIC));
        assert!(open(b"# \\\n", &SWALLOWING));
        assert!(open(b"a \\\n \n", &ANYWHERE));
        assert!(!open(b"a \\\n \n", &CLASSIC));
    }

    #[test]
    fn a_backslash_anywhere_is_a_blank_for_ifupdown2() {
        assert_eq!(
            shown(b"a \n \\ \n\n b\\c\nd", &ANYWHERE),
            [(0..4, vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]), (4..5, vec!["d".to_owned()])]
        );
        assert_eq!(words(b"a b\\c\n", &CLASSIC), [["a", "b\\c"]]);
    }

    #[test]
    fn joined_words() {
        assert_eq!(words(b"a 1\\\n  2\n", &CLASSIC), [["a", "1", "2"]]);
        assert_eq!(words(b"a 1\\\n2\n", &CLASSIC), [["a", "12"]]);
        assert_eq!(words(b"a 1\\\n  2\n", &TRIMMED), [["a", "12"]]);
        assert_eq!(words(b"a 1\\\r\n  2\r\n", &TRIMMED), [["a", "12"]]);
        assert_eq!(words(b"a 1\\\\\n2\n", &TRIMMED), [vec!["a", "1\\\\"], vec!["2"]]);
    }

    #[test]
    fn comments_behind_words() {
        assert_eq!(words(b"a b # c\n", &TRIMMED), [["a", "b"]]);
        assert_eq!(words(b"a b # c\n", &CLASSIC), [["a", "b", "#", "c"]]);
    }

    #[test]
    fn carriage_returns() {
        assert_eq!(words(b"a b\r\n", &CLASSIC), [["a", "b"]]);
        assert_eq!(words(b"a b\r\n", &SWALLOWING), [["a", "b\r"]]);
    }

    /// Every line of up to six of the bytes that matter is split alike in both ways.
    #[test]
    fn a_line_alone_is_split_as_one_gathered() {
        const BYTES: &[u8] = b"a#\\ \r\t";
        for number in 0..BYTES.len().pow(6) {
            let line: Vec<u8> = (0..6).map(|place| BYTES[number / BYTES.len().pow(place) % BYTES.len()]).collect();
            for dialect in [&CLASSIC, &SWALLOWING, &TRIMMED, &ANYWHERE] {
                let new = || Splitter { dialect, seen: Vec::new(), front: None, out: Vec::new() };
                let (mut alone, mut gathered) = (new(), new());
                alone.alone(&line, 7, 0..1);
                gathered.seen.extend(line.iter().enumerate().map(|(step, byte)| (7 + step, *byte)));
                gathered.finish(0..1);
                assert_eq!(alone.out, gathered.out, "{:?} {dialect:?}", String::from_utf8_lossy(&line));
            }
        }
    }
}
