//! Words, assignments and operators of the shell command language (POSIX.1-2024, Shell Command Language, 2.2 to 2.6).
//!
//! Every byte of a word knows where it stands. Expansions other than `$name` and `${name}` become a reason why the word
//! cannot be evaluated; nothing is ever run. Leaves out alias substitution.

use std::ops::Range;

use super::Dialect;

/// A piece of a word, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A literal byte and its place.
    Byte(u8, usize),
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
    /// The quote, if the whole word is one quoted string.
    pub(super) quote: Option<u8>,
}

impl Word {
    /// Its text if that is all literal.
    pub(super) fn literal(&self) -> Option<String> {
        let bytes: Option<Vec<u8>> = self.pieces.iter().map(Piece::byte).collect();
        String::from_utf8(bytes?).ok()
    }

    /// Whether it is the reserved word or command name `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.plain && self.literal().as_deref() == Some(name)
    }
}

impl Word {
    /// Whether the shell may see an assignment here, which this reader did not: its name goes over two lines, or has an
    /// index that is not a number.
    pub(super) fn is_assignment_in_disguise(&self) -> bool {
        let text: Vec<u8> = self.pieces.iter().map_while(Piece::byte).collect();
        self.quote.is_none() && name_len(&text) > 0 && text.contains(&b'=')
    }
}

impl Piece {
    fn byte(&self) -> Option<u8> {
        match self {
            Piece::Byte(byte, _) => Some(*byte),
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
    /// `<`, `>` and their relatives; a word follows.
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

pub(super) struct Lexer<'t> {
    bytes: &'t [u8],
    pub(super) at: usize,
    dialect: Dialect,
    /// Delimiters of here-documents whose bodies begin at the next line, and whether tabs in front are taken off.
    waiting: Vec<(Vec<u8>, bool)>,
    depth: usize,
}

/// How deeply expansions may be nested: each level costs stack.
const MOST_NESTED: usize = 64;

impl<'t> Lexer<'t> {
    pub(super) fn new(bytes: &'t [u8], dialect: Dialect) -> Lexer<'t> {
        Lexer { bytes, at: 0, dialect, waiting: Vec::new(), depth: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn broken<T>(&self, at: usize, reason: &str) -> Result<T, Broken> {
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
        if let Some(operator) = OPERATORS.iter().find(|operator| self.rest().starts_with(operator.as_bytes())) {
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

    fn redirection(&mut self) -> Result<Token, Broken> {
        let document = self.rest().starts_with(b"<<") && !self.rest().starts_with(b"<<<");
        while matches!(self.peek(0), Some(b'<' | b'>' | b'&' | b'|' | b'-')) {
            self.at += 1;
        }
        if document {
            let tabs = self.bytes.get(self.at.wrapping_sub(1)) == Some(&b'-');
            self.skip_blanks();
            let start = self.at;
            let Some(delimiter) = self.word()?.literal() else {
                return self.broken(start, "a here-document with a delimiter that is not literal");
            };
            self.waiting.push((delimiter.into_bytes(), tabs));
            self.at = start;
        }
        Ok(Token::Redirection)
    }

    fn skip_documents(&mut self) -> Result<(), Broken> {
        for (delimiter, tabs) in std::mem::take(&mut self.waiting) {
            loop {
                let rest = self.rest();
                if rest.is_empty() {
                    return self.broken(self.at, "a here-document has no end");
                }
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                self.at = (self.at + line.len() + 1).min(self.bytes.len());
                let skip = if tabs { line.iter().take_while(|byte| **byte == b'\t').count() } else { 0 };
                if line.get(skip..) == Some(delimiter.as_slice()) {
                    break;
                }
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
            let number = inner.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            match (number, inner.get(digits..)) {
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
                    let number = rest.get(1..=digits).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
                    let indexed = rest.first() == Some(&b'[')
                        && rest.get(digits + 1..).is_some_and(|tail| tail.starts_with(b"]="));
                    if indexed {
                        self.at += digits + 3;
                    }
                    let mut word = self.word()?;
                    word.at.start = from;
                    elements.push((number.filter(|_| indexed), word));
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
                        Some(next) => word.pieces.push(Piece::Byte(next, from + 1)),
                        None => word.pieces.push(Piece::Byte(b'\\', from)),
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
                    let tilde = byte == b'~' && matches!(word.pieces.last(), None | Some(Piece::Byte(b':', _)));
                    if tilde {
                        word.pieces.push(Piece::Unknown("a home directory"));
                    }
                    word.patterned |= b"*?[{".contains(&byte);
                    word.pieces.push(Piece::Byte(byte, from));
                    self.at += 1;
                }
            }
        }
        word.at = start..self.at;
        word.plain &= strings.is_empty() && word.pieces.iter().all(|piece| matches!(piece, Piece::Byte(..)));
        word.quote = match strings.as_slice() {
            [(at, quote)] if *at == word.at => Some(*quote),
            _ => None,
        };
        Ok(word)
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return self.broken(start, "a quote that is not closed"),
                Some(0) => return self.broken(self.at, "a NUL byte"),
                Some(b'\'') => break,
                Some(byte) => word.pieces.push(Piece::Byte(byte, self.at)),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return self.broken(start, "a quote that is not closed"),
                (Some(0), _) => return self.broken(self.at, "a NUL byte"),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'\\'), Some(next @ (b'$' | b'`' | b'"' | b'\\'))) => {
                    word.pieces.push(Piece::Byte(next, self.at + 1));
                    self.at += 2;
                }
                (Some(b'$' | b'`'), _) => self.expansion(word, true)?,
                (Some(byte), _) => {
                    word.pieces.push(Piece::Byte(byte, self.at));
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `$name`, `${name}`, or something that is skipped and not evaluated.
    fn expansion(&mut self, word: &mut Word, quoted: bool) -> Result<(), Broken> {
        let from = self.at;
        let after = self.bytes.get(from + 1..).unwrap_or_default();
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if self.peek(0) == Some(b'`') {
            self.skip_backticks()?;
            word.pieces.push(Piece::Unknown("a command substitution"));
            return Ok(());
        }
        let length = name_len(after);
        if after.get(length..).is_some_and(|rest| rest.starts_with(b"\\\n")) {
            self.at += 1 + length;
            word.pieces.push(Piece::Unknown("a name over two lines"));
            return Ok(());
        }
        match after.first() {
            _ if length > 0 => {
                word.pieces.push(Piece::Variable(name(after.get(..length).unwrap_or_default()), quoted));
                self.at += 1 + length;
            }
            Some(b'{') => {
                let inner = after.get(1..).unwrap_or_default();
                let length = name_len(inner);
                if length > 0 && inner.get(length) == Some(&b'}') {
                    word.pieces.push(Piece::Variable(name(inner.get(..length).unwrap_or_default()), quoted));
                    self.at += length + 3;
                } else {
                    self.at += 1;
                    self.skip_nested(b'{', b'}')?;
                    word.pieces.push(Piece::Unknown("a parameter expansion"));
                }
            }
            Some(b'(') => {
                self.at += 1;
                self.skip_nested(b'(', b')')?;
                word.pieces.push(Piece::Unknown("a command substitution"));
            }
            Some(b'\'' | b'"') if !quoted => {
                self.at += 1;
                word.pieces.push(Piece::Unknown("a $ in front of a quote"));
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$![".contains(byte) => {
                self.at += 2;
                word.pieces.push(Piece::Unknown("a special parameter"));
            }
            _ => {
                word.pieces.push(Piece::Byte(b'$', from));
                self.at += 1;
            }
        }
        Ok(())
    }

    fn skip_backticks(&mut self) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return self.broken(start, "a backtick that is not closed"),
                Some(b'`') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Skips from an opening bracket to its closing one, quoted text taken as such.
    fn skip_nested(&mut self, open: u8, close: u8) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > MOST_NESTED {
            return self.broken(self.at, "expansions nested too deeply");
        }
        self.skip_balanced(open, close)?;
        self.depth -= 1;
        Ok(())
    }

    fn skip_balanced(&mut self, open: u8, close: u8) -> Result<(), Broken> {
        let start = self.at;
        let mut depth = 0usize;
        let mut nothing = Word::default();
        loop {
            match self.peek(0) {
                None => return self.broken(start, "an expansion that is not closed"),
                Some(b'\\') => self.at += 2,
                Some(b'\'') => self.single(&mut nothing)?,
                Some(b'"') => self.double(&mut nothing)?,
                Some(b'`') => self.skip_backticks()?,
                Some(byte) => {
                    self.at += 1;
                    if byte == open {
                        depth += 1;
                    } else if byte == close {
                        depth -= 1;
                        if depth == 0 {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

/// How many bytes of `bytes` are a name: letters, digits and underscores, no digit first (POSIX.1, 3.216).
pub(super) fn name_len(bytes: &[u8]) -> usize {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if bytes.first().is_some_and(u8::is_ascii_digit) { 0 } else { length }
}
