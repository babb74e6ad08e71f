//! Expansions: `$name` and `${name}` are taken for what they are, the others only skipped (POSIX.1-2024, 2.6).

use super::lexer::{Broken, Lexer, Piece, Word, name_len};

impl Lexer<'_> {
    /// `$name`, `${name}`, or something that is skipped and not evaluated.
    pub(super) fn expansion(&mut self, word: &mut Word, quoted: bool) -> Result<(), Broken> {
        let from = self.at;
        let after = self.bytes.get(from + 1..).unwrap_or_default();
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if self.peek(0) == Some(b'`') {
            self.skip_backticks()?;
            word.pieces.push(Piece::Unknown("a command substitution"));
            return Ok(());
        }
        if name_len(after) > 0 {
            self.at += 1;
            let name = self.joined_name();
            word.pieces.push(Piece::Variable(name, quoted));
            return Ok(());
        }
        match after.first() {
            Some(b'\\') if after.get(1) == Some(&b'\n') => {
                self.at += 1;
                word.pieces.push(Piece::Unknown("a $ at the end of a line that goes on"));
            }
            Some(b'{') => {
                let inner = after.get(1..).unwrap_or_default();
                let length = name_len(inner);
                if length > 0 && inner.get(length) == Some(&b'}') {
                    word.pieces.push(Piece::Variable(name(inner.get(..length).unwrap_or_default()), quoted));
                    self.at += length + 3;
                } else {
                    self.at += 1;
                    self.skip_braces(quoted)?;
                    word.pieces.push(Piece::Unknown("a parameter expansion"));
                }
            }
            Some(b'(') => {
                self.at += 1;
                self.skip_parentheses()?;
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
                word.push(b"$", from);
                self.at += 1;
            }
        }
        Ok(())
    }

    /// A name, which may go on behind a joined line.
    fn joined_name(&mut self) -> String {
        let mut name = Vec::new();
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(byte), _) if byte.is_ascii_alphanumeric() || byte == b'_' => {
                    name.push(byte);
                    self.at += 1;
                }
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                _ => return String::from_utf8_lossy(&name).into_owned(),
            }
        }
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

    /// Skips a `$(...)` whose `$` is behind: quoted text and comments taken as such.
    fn skip_parentheses(&mut self) -> Result<(), Broken> {
        let start = self.at;
        let mut depth = 0usize;
        self.enter()?;
        loop {
            match self.peek(0) {
                None => return self.broken(start, "an expansion that is not closed"),
                Some(b'(') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b')') if depth <= 1 => break,
                Some(b')') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b'#') if self.at.checked_sub(1).and_then(|at| self.bytes.get(at)).is_some_and(begins_word) => {
                    let comment = self.bytes.iter().skip(self.at).take_while(|byte| **byte != b'\n').count();
                    self.at += comment;
                }
                Some(_) => self.skip_one(false)?,
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Skips a `${...}` whose `$` is behind. A single quote in double quotes is refused, unless it is part of a pattern:
    /// dash takes it literally (POSIX.1-2024, 2.6.2), bash 5.2 as a quote.
    fn skip_braces(&mut self, quoted: bool) -> Result<(), Broken> {
        let start = self.at;
        self.enter()?;
        self.at += 1;
        let named = self.bytes.iter().skip(self.at).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
        self.at += named.count();
        let pattern = matches!(self.peek(0), Some(b'#' | b'%' | b'/' | b'^' | b','));
        loop {
            match self.peek(0) {
                None => return self.broken(start, "an expansion that is not closed"),
                Some(b'}') => break,
                Some(b'\'') if quoted && !pattern => {
                    return self.broken(self.at, "a single quote in an expansion in double quotes");
                }
                Some(_) => self.skip_one(quoted)?,
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > MOST_NESTED { self.broken(self.at, "expansions nested too deeply") } else { Ok(()) }
    }

    /// Skips one byte, or one quoted string or expansion.
    fn skip_one(&mut self, quoted: bool) -> Result<(), Broken> {
        let mut nothing = Word::default();
        match (self.peek(0), self.peek(1)) {
            (Some(b'\\'), _) => self.at += 2,
            (Some(b'\''), _) => self.single(&mut nothing)?,
            (Some(b'"'), _) => self.double(&mut nothing)?,
            (Some(b'`'), _) => self.skip_backticks()?,
            (Some(b'$'), Some(b'{')) => {
                self.at += 1;
                self.skip_braces(quoted)?;
            }
            (Some(b'$'), Some(b'(')) => {
                self.at += 1;
                self.skip_parentheses()?;
            }
            _ => self.at += 1,
        }
        Ok(())
    }
}

/// How deeply expansions may be nested: each level costs stack.
const MOST_NESTED: usize = 64;

fn begins_word(before: &u8) -> bool {
    b" \t\n;(&|".contains(before)
}
