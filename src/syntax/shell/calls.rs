//! What a shell makes of one line that it evaluates: the simple commands in it, word by word; and the files that a file
//! reads at its top level.

use std::ops::Range;

use super::lexer::{Lexer, Piece, Token, Word as Written};
use super::statement::{self, Kind};
use super::{Dialect, Environment};
use crate::text::Text;

/// A simple command of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Its words, redirections left out; nothing for a word that cannot be told without running the line.
    pub words: Vec<Option<String>>,
    /// The operator behind it; empty for the end of the line.
    pub end: &'static str,
}

/// The commands of a line; the reason if no shell can read it. `value` says what a variable holds, where that is known.
pub fn calls(line: &[u8], value: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Call>, String> {
    let mut lexer = Lexer::new(line, Dialect::Sh);
    let mut all = Vec::new();
    let mut call = Call::default();
    loop {
        match lexer.next(false).map_err(|broken| broken.reason)? {
            Token::Word(word) => call.words.push(text_of(&word, value)),
            Token::Redirection | Token::Assign(_) => {}
            Token::Operator(end) => {
                call.end = end;
                all.push(std::mem::take(&mut call));
            }
            Token::Newline | Token::End if call.words.is_empty() => {
                if lexer.at >= line.len() {
                    return Ok(all);
                }
            }
            Token::Newline | Token::End => all.push(std::mem::take(&mut call)),
        }
    }
}

fn text_of(word: &Written, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut bytes = Vec::new();
    for piece in &word.pieces {
        match piece {
            Piece::Text(text, _) => bytes.extend_from_slice(text),
            Piece::Variable(name, _) => bytes.extend(value(name)?.into_bytes()),
            Piece::Unknown(_) => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that is read in the middle of another: `. FILE`, or that in `if [ -r FILE ]; then ... fi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The statement.
    pub at: Range<usize>,
    /// The file, as written.
    pub path: String,
}

/// The files that `text` reads at its top level, under no condition but that they are there.
pub fn includes(text: &Text) -> Vec<Include> {
    let mut lexer = Lexer::new(text.bytes(), Dialect::Sh);
    let mut all = Vec::new();
    // A list of commands runs each only if the one before it did well, or in another process.
    let mut joined = false;
    while let Ok(Some(statement)) = statement::next(&mut lexer, joined) {
        let list = joined || matches!(statement.end, "&&" | "||" | "|" | "&");
        joined = matches!(statement.end, "&&" | "||" | "|");
        if list || !statement.assigns.is_empty() {
            continue;
        }
        let words: Option<Vec<String>> = match statement.kind {
            Kind::Simple => statement.words.iter().map(Written::literal).collect(),
            Kind::Compound(_) => text.bytes().get(statement.at.clone()).and_then(all_words),
            _ => None,
        };
        let words = words.unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let path = match words.as_slice() {
            ["." | "source", path] => Some(path),
            ["if", "[", "-r" | "-f" | "-s" | "-e", tested, "]", "then", ".", path, "fi"]
            | ["if", "test", "-r" | "-f" | "-s" | "-e", tested, "then", ".", path, "fi"] => {
                Some(path).filter(|path| *path == tested)
            }
            _ => None,
        };
        if let Some(path) = path.filter(|path| path.starts_with('/')) {
            all.push(Include { at: statement.at.clone(), path: (*path).to_owned() });
        }
    }
    all
}

/// The words of a compound command, if all of them are literal and joined by nothing but `;` and line ends.
fn all_words(bytes: &[u8]) -> Option<Vec<String>> {
    let mut lexer = Lexer::new(bytes, Dialect::Sh);
    let mut all = Vec::new();
    loop {
        match lexer.next(false).ok()? {
            Token::Word(word) => all.push(word.literal()?),
            Token::Operator(";") | Token::Newline => {}
            Token::End => return Some(all),
            _ => return None,
        }
    }
}

impl Environment {
    /// Reads a file as `.` does, without what stands in `blank` (the includes that are read for themselves) and outside of
    /// `part`; places are those of the whole file.
    pub fn source_part(&mut self, text: &Text, part: Range<usize>, blank: &[Include]) -> usize {
        let hide = |(at, byte): (usize, &u8)| {
            let hidden = !part.contains(&at) || blank.iter().any(|include| include.at.contains(&at));
            if hidden && *byte != b'\n' { b' ' } else { *byte }
        };
        let bytes: Vec<u8> = text.bytes().iter().enumerate().map(hide).collect();
        self.source(&Text::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<Vec<String>> {
        let value = |name: &str| (name == "int").then(|| "wm0".to_owned());
        let all = calls(line.as_bytes(), &value).unwrap();
        all.into_iter().map(|call| call.words.into_iter().map(|word| word.unwrap_or("?".into())).collect()).collect()
    }

    #[test]
    fn commands_of_a_line() {
        assert_eq!(shown("set -- inet 'a b' # why"), [["set", "--", "inet", "a b"]]);
        assert_eq!(shown("a b; c >x d"), [["a", "b"], ["c", "d"]]);
        assert_eq!(shown("a $int$int $b `c`"), [["a", "wm0wm0", "?", "?"]]);
        assert_eq!(shown(""), Vec::<Vec<String>>::new());
        assert!(calls(b"a 'b", &|_| None).is_err());
    }

    #[test]
    fn files_in_files() {
        let text = "if [ -r /etc/defaults/rc.conf ]; then\n\t. /etc/defaults/rc.conf\nfi\na=1 # x\n. /etc/rc.conf.site\n\
                    [ -r /b ] && . /b\nif [ -r /c ]; then . /d; fi\nx='\n. /e\n'\n";
        let paths: Vec<String> = includes(&Text::new(text)).into_iter().map(|include| include.path).collect();
        assert_eq!(paths, ["/etc/defaults/rc.conf", "/etc/rc.conf.site"]);
    }
}
