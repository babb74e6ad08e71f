//! Words, assignments and operators of the shell command language (POSIX.1-2024, Shell Command Language, 2.2 to 2.6).
//!
//! Every byte of a word knows where it stands. Expansions other than `$name` and `${name}` become a reason why the word
//! cannot be evaluated; nothing is ever run. Leaves out alias substitution.

use std::ops::Range;

use super::Dialect;

/// A piece of a word, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal bytes that stand one behind the other, and the place of the first.
    Text(Vec<u8>, usize),
    /// The value of a variable; whether it stands in double quotes.
    Variable(String, bool),
    /// Something that is not evaluated, and why.
    Unknown(&'static str),
}

/// A word as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) at: Range<usize>,
    pub(super) pieces: Vec<Piece>,
    /// Whether nothing in it is quoted or expanded, so that it can be a reserved word.
    pub(super) plain: bool,
    /// Whether an unquoted byte asks for more than literal text where words are split: `*`, `?`, `[`, `{`, `~`.
    pub(super) patterned: bool,
    /// Whether any of it is in quotes, so that it is a word even where it is empty.
    pub(super) quoted: bool,
    /// The quote, if the whole word is one quoted string.
    pub(super) quote: Option<u8>,
}

impl Word {
    /// Its text if that is all literal.
    pub(super) fn literal(&self) -> Option<String> {
        match self.pieces.as_slice() {
            [] => Some(String::new()),
            [one] => String::from_utf8(one.text()?.to_vec()).ok(),
            many => String::from_utf8(many.iter().map(Piece::text).collect::<Option<Vec<_>>>()?.concat()).ok(),
        }
    }

    /// Whether it is the reserved word or command name `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.plain && self.literal().as_deref() == Some(name)
    }
}

impl Word {
    /// Whether a command that sets the variables it is given the names of can be told which this one is.
    pub(super) fn has_literal_name(&self) -> bool {
        let text = self.pieces.iter().map_while(Piece::text).collect::<Vec<_>>().concat();
        self.literal().is_some() || name_len(&text) > 0 && text.contains(&b'=')
    }

    /// Puts literal bytes, which stand at `at`, behind what is there.
    pub(super) fn push(&mut self, bytes: &[u8], at: usize) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text, start)) if *start + text.len() == at => text.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Text(bytes.to_vec(), at)),
        }
    }
}

impl Piece {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Piece::Text(text, _) => Some(text),
            _ => None,
        }
    }
}

/// What an assignment puts into its variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// `name=word`.
    Scalar(Word),
    /// `name=( word [3]=word ... )`.
    Array(Vec<(Option<usize>, Word)>),
}

/// An assignment as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assign {
    pub(super) at: Range<usize>,
    pub(super) name: String,
    /// The index of `name[3]=`.
    pub(super) index: Option<usize>,
    pub(super) append: bool,
    pub(super) written: Written,
    pub(super) value_at: Range<usize>,
}

/// A token of the command language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Assign(Assign),
    /// `;`, `;;`, `&`, `&&`, `|`, `||`, `(`, `)`.
    Operator(&'static str),
    /// `<`, `>` and their relatives, with the word that belongs to them.
    Redirection,
    Newline,
    End,
}

/// Why the rest of a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) reason: String,
}

/// Longest first.
const OPERATORS: &[&str] = &[";;", "&&", "||", ";", "&", "|", "(", ")"];

/// A here-document.
struct Document {
    delimiter: Vec<u8>,
    /// Whether tabs in front of lines are taken off.
    tabs: bool,
    /// Whether it is taken as it stands; otherwise lines are joined and expanded.
    literal: bool,
}

pub(super) struct Lexer<'t> {
    pub(super) bytes: &'t [u8],
    pub(super) at: usize,
    dialect: Dialect,
    /// Here-documents whose bodies begin at the next line.
    waiting: Vec<Document>,
    pub(super) depth: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(bytes: &'t [u8], dialect: Dialect) -> Lexer<'t> {
        Lexer { bytes, at: 0, dialect, waiting: Vec::new(), depth: 0 }
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next `first` bytes, and those behind them as long as they are `more`.
    fn run(&self, first: usize, more: impl Fn(u8) -> bool) -> &'t [u8] {
        let rest = self.rest();
        let behind = rest.iter().skip(first).take_while(|byte| more(**byte)).count();
        rest.get(..first + behind).unwrap_or(rest)
    }

    pub(super) fn broken<T>(&self, at: usize, reason: &str) -> Result<T, Broken> {
        Err(Broken { at, reason: reason.to_owned() })
    }

    /// The next token. An assignment is one only in `command` position: in front of a command's name.
    pub(super) fn next(&mut self, command: bool) -> Result<Token, Broken> {
        self.skip_blanks();
        let Some(byte) = self.peek(0) else {
            return match self.waiting.first() {
                Some(_) => self.broken(self.at, "a here-document has no end"),
                None => Ok(Token::End),
            };
        };
        if byte == b'\n' {
            self.at += 1;
            self.skip_documents()?;
            return Ok(Token::Newline);
        }
        if byte == b'<' || byte == b'>' {
            return self.redirection();
        }
        let is_operator = |operator: &&&str| self.rest().starts_with(operator.as_bytes());
        let operator = matches!(byte, b';' | b'&' | b'|' | b'(' | b')').then(|| OPERATORS.iter().find(is_operator));
        if let Some(operator) = operator.flatten() {
            self.at += operator.len();
            return Ok(Token::Operator(operator));
        }
        if command {
            if let Some(assign) = self.assignment()? {
                return Ok(Token::Assign(assign));
            }
        }
        Ok(Token::Word(self.word()?))
    }

    /// Blanks, joined lines, and a comment, which begins where a word could.
    fn skip_blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b' ' | b'\t'), _) => self.at += 1,
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'#'), _) => self.at += self.rest().iter().take_while(|byte| **byte != b'\n').count(),
                _ => return,
            }
        }
    }

    /// An operator with the word behind it, without which the shell reads no further.
    fn redirection(&mut self) -> Result<Token, Broken> {
        let from = self.at;
        let document = self.rest().starts_with(b"<<") && !self.rest().starts_with(b"<<<");
        while matches!(self.peek(0), Some(b'<' | b'>' | b'&' | b'|')) {
            self.at += 1;
        }
        let tabs = document && self.peek(0) == Some(b'-');
        self.at += usize::from(tabs);
        self.skip_blanks();
        let start = self.at;
        let word = self.word()?;
        if self.at == start {
            return self.broken(from, "a redirection without the word that has to follow");
        }
        if document {
            let Some(delimiter) = word.literal() else {
                return self.broken(start, "a here-document with a delimiter that is not literal");
            };
            self.waiting.push(Document { delimiter: delimiter.into_bytes(), tabs, literal: !word.plain });
        }
        Ok(Token::Redirection)
    }

    fn skip_documents(&mut self) -> Result<(), Broken> {
        for document in std::mem::take(&mut self.waiting) {
            let mut joined = false;
            loop {
                let rest = self.rest();
                if rest.is_empty() {
                    return self.broken(self.at, "a here-document has no end");
                }
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let skip = if document.tabs { line.iter().take_while(|byte| **byte == b'\t').count() } else { 0 };
                if !joined && line.get(skip..) == Some(document.delimiter.as_slice()) {
                    self.at = (self.at + line.len() + 1).min(self.bytes.len());
                    break;
                }
                if !document.literal && line.windows(2).any(|pair| pair == b"${") && line.contains(&b'=') {
                    return self.broken(self.at, "a here-document that may set a variable");
                }
                self.at = (self.at + line.len() + 1).min(self.bytes.len());
                let escapes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
                joined = !document.literal && escapes % 2 == 1;
            }
        }
        Ok(())
    }

    /// `name=value`, `name+=value` and `name[3]=value`, if that stands here.
    fn assignment(&mut self) -> Result<Option<Assign>, Broken> {
        let (start, rest) = (self.at, self.rest());
        let length = name_len(rest);
        if length == 0 {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned();
        let mut after = rest.get(length..).unwrap_or_default();
        let mut index = None;
        let bash = self.dialect == Dialect::Bash;
        if let (true, [b'[', inner @ ..]) = (bash, after) {
            let digits = inner.iter().take_while(|byte| byte.is_ascii_digit()).count();
            match (inner.get(..digits).and_then(index_of), inner.get(digits..)) {
                (Some(number), Some([b']', tail @ ..])) => (index, after) = (Some(number), tail),
                _ => return Ok(None),
            }
        }
        let append = bash && after.starts_with(b"+=");
        let sign = if append { 2 } else { 1 };
        if !append && !after.starts_with(b"=") {
            return Ok(None);
        }
        let value = start + (rest.len() - after.len()) + sign;
        self.at = value;
        let written = match self.peek(0) {
            Some(b'(') if bash => Written::Array(self.array()?),
            Some(b'(') => return self.broken(value, "an array, which is a syntax error to sh"),
            _ => Written::Scalar(self.word()?),
        };
        Ok(Some(Assign { at: start..self.at, name, index, append, written, value_at: value..self.at }))
    }

    fn array(&mut self) -> Result<Vec<(Option<usize>, Word)>, Broken> {
        let start = self.at;
        self.at += 1;
        let mut elements = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek(0) {
                Some(b'\n') => self.at += 1,
                Some(b')') => {
                    self.at += 1;
                    return Ok(elements);
                }
                None => return self.broken(start, "an array without its closing parenthesis"),
                Some(b'(' | b'&' | b'|' | b';' | b'<' | b'>') => {
                    return self.broken(self.at, "an operator inside an array");
                }
                Some(_) => {
                    let (from, rest) = (self.at, self.rest());
                    let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
                    let behind = rest.get(digits + 1..).is_some_and(|tail| tail.starts_with(b"]="));
                    let number =
                        rest.get(1..=digits).and_then(index_of).filter(|_| behind && rest.first() == Some(&b'['));
                    if number.is_some() {
                        self.at += digits + 3;
                    }
                    let mut word = self.word()?;
                    word.at.start = from;
                    elements.push((number, word));
                }
            }
        }
    }

    /// A word, from here to the next unquoted blank or operator; may be empty.
    fn word(&mut self) -> Result<Word, Broken> {
        let start = self.at;
        let mut word = Word { plain: true, ..Word::default() };
        let mut strings: Vec<(Range<usize>, u8)> = Vec::new();
        while let Some(byte) = self.peek(0) {
            let from = self.at;
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                0 => return self.broken(from, "a NUL byte"),
                b'\\' => {
                    word.plain = false;
                    match self.peek(1) {
                        Some(b'\n') => {}
                        Some(next) => word.push(&[next], from + 1),
                        None => word.pieces.push(Piece::Unknown("a backslash at the end of the file")),
                    }
                    self.at = (from + 2).min(self.bytes.len());
                }
                b'\'' => {
                    self.single(&mut word)?;
                    strings.push((from..self.at, byte));
                }
                b'"' => {
                    self.double(&mut word)?;
                    strings.push((from..self.at, byte));
                }
                b'$' | b'`' => self.expansion(&mut word, false)?,
                _ => {
                    let last = word.pieces.last();
                    let begins = last.is_none_or(|last| last.text().is_some_and(|text| text.ends_with(b":")));
                    let tilde = byte == b'~' && begins;
                    if tilde {
                        word.pieces.push(Piece::Unknown("a home directory"));
                    }
                    word.patterned |= b"*?[{".contains(&byte);
                    // Nearly all bytes mean themselves.
                    let more = self.run(1, |byte| byte.is_ascii_alphanumeric() || b"./_-,=%+@".contains(&byte));
                    word.push(more, from);
                    self.at += more.len();
                }
            }
        }
        word.at = start..self.at;
        word.quoted = !strings.is_empty();
        word.plain &= strings.is_empty() && word.pieces.iter().all(|piece| matches!(piece, Piece::Text(..)));
        word.quote = match strings.as_slice() {
            [(at, quote)] if *at == word.at => Some(*quote),
            _ => None,
        };
        Ok(word)
    }

    pub(super) fn single(&mut self, word: &mut Word) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return self.broken(start, "a quote that is not closed"),
                Some(0) => return self.broken(self.at, "a NUL byte"),
                Some(b'\'') => break,
                Some(_) => {
                    let text = self.run(1, |byte| !matches!(byte, b'\'' | 0));
                    word.push(text, self.at);
                    self.at += text.len();
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn double(&mut self, word: &mut Word) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return self.broken(start, "a quote that is not closed"),
                (Some(0), _) => return self.broken(self.at, "a NUL byte"),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'\\'), Some(next @ (b'$' | b'`' | b'"' | b'\\'))) => {
                    word.push(&[next], self.at + 1);
                    self.at += 2;
                }
                (Some(b'$' | b'`'), _) => self.expansion(word, true)?,
                (Some(_), _) => {
                    let text = self.run(1, |byte| !matches!(byte, b'"' | b'\\' | b'$' | b'`' | 0));
                    word.push(text, self.at);
                    self.at += text.len();
                }
            }
        }
        self.at += 1;
        Ok(())
    }
}

/// The index that these digits are: arithmetic takes a 0 in front for octal, so that such a one is not read.
fn index_of(digits: &[u8]) -> Option<usize> {
    let plain = digits == b"0" || digits.first().is_some_and(|first| *first != b'0');
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|index| plain && *index < 1 << 31)
}

/// How many bytes of `bytes` are a name: letters, digits and underscores, no digit first (POSIX.1, 3.216).
pub(super) fn name_len(bytes: &[u8]) -> usize {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if bytes.first().is_some_and(u8::is_ascii_digit) { 0 } else { length }
}
