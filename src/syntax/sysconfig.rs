//! Variables as wicked reads them from `/etc/sysconfig/network/ifcfg-*`: a line parser of its own, not a shell.
//!
//! Follows wicked's sysconfig reader (measured with 0.6.80). `NAME=VALUE`, quoted with `'` or `"` up to the matching quote
//! or plain up to the first blank; anything else is skipped. A plain value at the very end of a file that lacks its final
//! newline is not read. No expansion, no continuation.

use std::ops::Range;

use crate::text::Text;

/// Lines are read in pieces of this many bytes; each piece counts as a line.
const PIECE: usize = 511;

/// A variable and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, without quotes.
    pub value: String,
    /// The quote around the value, if it has one.
    pub quote: Option<u8>,
    /// The line, as an index from 0.
    pub line: usize,
    /// The value in the file, without quotes.
    pub at: Range<usize>,
    /// Whether the reader sees it: not a plain value that the file ends with.
    pub is_read: bool,
}

/// Every setting in order of the file. Any bytes can be read.
pub fn settings(text: &Text) -> Vec<Setting> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let whole = text.bytes().get(line.range()).unwrap_or_default();
        for (number, piece) in whole.chunks(PIECE).enumerate() {
            let start = line.start + number * PIECE;
            all.extend(setting(piece, start).map(|setting| Setting { line: index, ..setting }));
        }
    }
    all
}

fn setting(piece: &[u8], start: usize) -> Option<Setting> {
    let indent = piece.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = piece.get(indent..)?;
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let name = rest.get(..length).filter(|name| name.first().is_some_and(u8::is_ascii_alphabetic))?;
    let value = rest.get(length..)?.strip_prefix(b"=")?;
    let at = start + indent + length + 1;
    let (skip, value, quote, is_read) = match value.first() {
        Some(quote @ (b'\'' | b'"')) => {
            let inner = value.get(1..)?;
            (1, inner.get(..inner.iter().position(|byte| byte == quote)?)?, Some(*quote), true)
        }
        _ => {
            let end = value.iter().position(u8::is_ascii_whitespace);
            (0, value.get(..end.unwrap_or(value.len()))?, None, end.is_some())
        }
    };
    Some(Setting {
        name: String::from_utf8_lossy(name).into_owned(),
        value: String::from_utf8_lossy(value).into_owned(),
        quote,
        line: 0,
        at: at + skip..at + skip + value.len(),
        is_read,
    })
}

/// The settings that count: of several with one name the value of the last, at the place of the first.
pub fn effective(settings: &[Setting]) -> Vec<Setting> {
    let mut all: Vec<Setting> = Vec::new();
    for setting in settings.iter().filter(|setting| setting.is_read) {
        match all.iter_mut().find(|known| known.name == setting.name) {
            Some(known) => *known = setting.clone(),
            None => all.push(setting.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Vec<(String, String)> {
        effective(&settings(&Text::new(file))).into_iter().map(|one| (one.name, one.value)).collect()
    }

    #[test]
    fn measured_lines() {
        let file = "export A=1\nB = 2\n_C=3\nD-E=4\n F='5' # x\nG=\"6\nH=7 I=8\nJ=9\r\nF=55\nK='1'L=2\nM=last";
        let all: Vec<String> = read(file).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["F=55", "H=7", "J=9", "K=1"]);
        assert_eq!(read("M='last'"), [("M".to_owned(), "last".to_owned())]);
        assert_eq!(read("\u{feff}A=1\nB=2\n"), [("B".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn long_lines_are_cut() {
        let file = format!("#{}A=1\n", "x".repeat(PIECE - 1));
        assert_eq!(read(&file), [("A".to_owned(), "1".to_owned())]);
    }
}
