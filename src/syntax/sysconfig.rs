//! Variables as wicked reads them from `/etc/sysconfig/network/ifcfg-*`: a line parser of its own, not a shell.
//!
//! Follows wicked's sysconfig reader (measured with 0.6.80). `NAME=VALUE`, quoted with `'` or `"` up to the matching quote
//! or plain up to the first blank; anything else is skipped. A plain value at the very end of a file that lacks its final
//! newline is not read. No expansion, no continuation.

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
    /// Whether the reader sees it: not a plain value that the file or the piece ends with.
    pub is_read: bool,
    /// Whether it stands further back in its line than one piece.
    pub is_in_tail: bool,
}

/// Every setting in order of the file. Any bytes can be read.
pub fn settings(text: &Text) -> Vec<Setting> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let whole = text.bytes().get(line.range()).unwrap_or_default();
        for (number, piece) in whole.chunks(PIECE).enumerate() {
            all.extend(setting(piece).map(|setting| Setting { line: index, is_in_tail: number > 0, ..setting }));
        }
    }
    all
}

fn setting(piece: &[u8]) -> Option<Setting> {
    // The reader holds a piece as a string of C, which a NUL ends.
    let piece = piece.split(|byte| *byte == 0).next()?;
    let indent = piece.iter().take_while(|byte| is_space(**byte)).count();
    let rest = piece.get(indent..)?;
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let name = rest.get(..length).filter(|name| name.first().is_some_and(u8::is_ascii_alphabetic))?;
    let value = rest.get(length..)?.strip_prefix(b"=")?;
    let (value, quote, is_read) = match value.first() {
        Some(quote @ (b'\'' | b'"')) => {
            let inner = value.get(1..)?;
            (inner.get(..inner.iter().position(|byte| byte == quote)?)?, Some(*quote), true)
        }
        _ => {
            let end = value.iter().position(|byte| is_space(*byte));
            (value.get(..end.unwrap_or(value.len()))?, None, end.is_some())
        }
    };
    Some(Setting {
        name: String::from_utf8_lossy(name).into_owned(),
        value: String::from_utf8_lossy(value).into_owned(),
        quote,
        line: 0,
        is_read,
        is_in_tail: false,
    })
}

/// isspace(3) in the C locale.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
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

/// A number as strtoul(3) reads it in base 0: octal behind `0`, hexadecimal behind `0x`, up to the first other character.
/// Nothing where there are no digits, or more than fit.
pub fn number(text: &str) -> Option<u32> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, base) = match hexadecimal.filter(|digits| digits.starts_with(|c: char| c.is_ascii_hexdigit())) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    u32::from_str_radix(digits.get(..end)?, base).ok()
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
        assert_eq!(read("A=1\0\nB='2'\0x\nC=3\x0b4\n").len(), 2);
    }

    #[test]
    fn long_lines_are_cut() {
        let file = format!("#{}A=1\n", "x".repeat(PIECE - 1));
        assert_eq!(read(&file), [("A".to_owned(), "1".to_owned())]);
        let file = format!("A={}\n", "x".repeat(PIECE - 2));
        assert_eq!(read(&file), [], "a plain value up to the end of a piece has no end");
    }

    #[test]
    fn numbers_of_c() {
        let all = [("24", 24), ("24;", 24), ("032", 26), ("0x18", 24), ("32 x", 32), (" +8", 8), ("0", 0), ("08", 0)];
        for (text, found) in all {
            assert_eq!(number(text), Some(found), "{text}");
        }
        for none in ["", "x", "-1", "99999999999"] {
            assert_eq!(number(none), None, "{none}");
        }
    }
}
