//! One file read by a shell: what each statement does to the variables.

use std::collections::BTreeSet;

use super::lexer::{self, Assign, Broken, Lexer, Piece, Word as Written, name_len};
use super::statement::{self, Kind, Statement, can_set_anything, sets_computed_names};
use super::{Dialect, Doubt, Environment, Function, Value, Variable};
use crate::text::Text;

/// Reads `text`, file number `source`.
pub(super) fn run(environment: &mut Environment, text: &Text, source: usize) {
    Run { text, source, environment, open: Vec::new() }.run();
}

/// One file being read.
pub(super) struct Run<'e, 't> {
    text: &'t Text,
    pub(super) source: usize,
    pub(super) environment: &'e mut Environment,
    /// Assignments whose command line has not ended yet: the variable, and which of its assignments.
    pub(super) open: Vec<(String, usize)>,
}

impl Run<'_, '_> {
    fn run(&mut self) {
        let mut lexer = Lexer::new(self.text.bytes(), self.environment.dialect);
        // Commands joined by `&&`, `||` and `|`: a `&` behind the last one sends all of them into another process.
        let mut list: Vec<Statement> = Vec::new();
        loop {
            let statement = match statement::next(&mut lexer, !list.is_empty()) {
                Ok(Some(statement)) => statement,
                Ok(None) => return self.close(lexer.at),
                Err(Broken { at, reason }) => return self.doubt(at, reason),
            };
            let end = statement.end;
            list.push(statement);
            if matches!(end, "&&" | "||" | "|") {
                continue;
            }
            let goes_on = self.carry_out_list(&std::mem::take(&mut list));
            if end.is_empty() {
                self.close(lexer.at);
            }
            if !goes_on {
                return self.close(lexer.at);
            }
        }
    }

    /// Ends the command line: the next one begins at `at`.
    fn close(&mut self, at: usize) {
        for (name, index) in std::mem::take(&mut self.open) {
            let variable = self.environment.variables.get_mut(&name);
            if let Some(assignment) = variable.and_then(|variable| variable.assignments.get_mut(index)) {
                assignment.next = at;
            }
        }
    }

    fn carry_out_list(&mut self, list: &[Statement]) -> bool {
        let background = list.last().is_some_and(|last| last.end == "&");
        // Whether the command runs only if the one before it did well, or in another process.
        let mut conditional = false;
        let mut goes_on = true;
        for statement in list {
            let depends = conditional || background || statement.end == "|";
            conditional = matches!(statement.end, "&&" | "||" | "|");
            goes_on &= self.carry_out(statement, depends);
        }
        goes_on
    }

    /// Does what the statement does to variables; whether the file goes on behind it.
    fn carry_out(&mut self, statement: &Statement, depends: bool) -> bool {
        let maybe = "a command that may or may not run";
        if let Some(assign) = statement.assigns.iter().find(|one| self.environment.attributed.contains(&one.name)) {
            self.doubt(statement.at.start, format!("an assignment to {}, which a declaration is for", assign.name));
        }
        match statement.kind {
            Kind::Compound(wild) => {
                self.mentioned(statement, maybe);
                if wild {
                    self.doubt(statement.at.start, "a command that can set any variable, or end the file".to_owned());
                }
                self.calls(statement);
            }
            Kind::Function(wild) => self.define(statement, wild),
            Kind::Simple | Kind::Export if depends => {
                self.mentioned(statement, maybe);
                if statement.words.first().is_some_and(can_set_anything) || sets_computed_names(&statement.words) {
                    self.doubt(statement.at.start, "a command that can set any variable, or end the file".to_owned());
                }
                self.calls(statement);
            }
            Kind::Export => self.export(statement),
            Kind::Simple => match statement.words.first() {
                None => statement.assigns.iter().for_each(|assign| self.assign(assign)),
                Some(name) if name.is("return") => return false,
                Some(name) => self.command(statement, name),
            },
        }
        true
    }

    /// A command that certainly runs.
    fn command(&mut self, statement: &Statement, name: &Written) {
        let alone = statement.assigns.is_empty();
        let literal = name.literal().unwrap_or_default();
        if can_set_anything(name) {
            let what = if literal.is_empty() { "a computed command".to_owned() } else { format!("`{literal}`") };
            self.doubt(statement.at.start, format!("{what}, which can set any variable or end the file"));
        } else if self.environment.functions.contains_key(&literal) {
            self.mentioned(statement, "a command that may set it");
            self.calls(statement);
        } else if literal == "unset" && alone {
            self.unset(statement);
        } else if self.is_assignment_in_disguise(name) {
            self.doubt(statement.at.start, "a word that may be an assignment".to_owned());
        } else if sets_computed_names(&statement.words) {
            self.doubt(statement.at.start, format!("`{literal}` of a computed name"));
        } else if ["export", "unset"].contains(&literal.as_str()) && !statement.words.iter().all(begins_with_name) {
            self.doubt(statement.at.start, format!("`{literal}` of something that is not a name"));
        } else if GIVES_ATTRIBUTES.contains(&literal.as_str()) {
            self.declare(statement);
        } else if (is_external(&literal) || self.is_slip(statement)) && !self.sets_in_passing(statement) {
            // Another process, or a command that is not there: it cannot set a variable of this shell.
        } else if !(is_harmless(name) && alone && !self.sets_in_passing(statement)) {
            self.mentioned(statement, "a command that may set it");
        }
    }

    /// Variables get attributes. Where one that has some is given a value, the shell may give up.
    fn declare(&mut self, statement: &Statement) {
        let name = |word: &Written| {
            let text = self.text.bytes().get(word.at.start..)?;
            let name = text.get(..name_len(text)).filter(|name| !name.is_empty())?;
            std::str::from_utf8(name).ok().map(str::to_owned)
        };
        let mut seen = self.environment.attributed.clone();
        let named = |word: &Written| match name(word) {
            Some(name) => seen.insert(name),
            // A word that an expansion begins.
            None => word.literal().is_none(),
        };
        let is_sound = statement.words.iter().skip(1).all(named);
        self.mentioned(statement, "a declaration");
        if !is_sound {
            self.doubt(statement.at.start, "a declaration of something that cannot be declared so".to_owned());
        }
    }

    /// `name ="value"`: no assignment, but a command that nobody has.
    fn is_slip(&self, statement: &Statement) -> bool {
        let sign = statement.words.get(1).and_then(|word| self.text.bytes().get(word.at.start));
        sign == Some(&b'=') && statement.assigns.is_empty()
    }

    fn export(&mut self, statement: &Statement) {
        let names: Option<Vec<String>> = statement.words.iter().skip(1).map(Written::literal).collect();
        if !names.is_some_and(|names| names.iter().all(|name| is_name(name))) {
            return self.doubt(statement.at.start, "an export of something that is not a name".to_owned());
        }
        // All arguments are expanded before any is assigned.
        let chained = statement.assigns.len() > 1 && statement.assigns.iter().any(expands);
        if chained || statement.assigns.iter().any(|assign| self.splits(assign)) {
            self.mentioned(statement, "an export that is not a plain assignment");
        } else {
            statement.assigns.iter().for_each(|assign| self.assign(assign));
        }
    }

    /// Whether the shell may see an assignment in a command's name, which the lexer did not: its name goes over two
    /// lines, or has an index that is not a number, or there is a `+=` that this dialect does not have.
    fn is_assignment_in_disguise(&self, name: &Written) -> bool {
        let mut raw = self.text.bytes().get(name.at.clone()).unwrap_or_default().to_vec();
        while let Some(at) = raw.windows(2).position(|pair| pair == b"\\\n") {
            raw.drain(at..at + 2);
        }
        let rest = raw.get(name_len(&raw)..).unwrap_or_default();
        rest.len() < raw.len() && (rest.starts_with(b"=") || rest.starts_with(b"+=") || rest.starts_with(b"["))
    }

    /// A function: calling it, perhaps from another file, may set what it assigns.
    fn define(&mut self, statement: &Statement, wild: bool) {
        let bytes = self.text.bytes().get(statement.at.clone()).unwrap_or_default();
        let all: Vec<String> = names(bytes).map(|(name, _)| name).collect();
        let signs: [&[u8]; 4] = [b"=", b"+=", b":=", b"["];
        let set = names(bytes).filter(|(_, rest)| signs.iter().any(|sign| rest.starts_with(sign)));
        let set: Vec<String> = set.map(|(name, _)| name).collect();
        self.make_unknown(set, statement.at.start, "a function that may set it");
        match statement.words.first().and_then(Written::literal) {
            Some(name) => drop(self.environment.functions.insert(name, Function { names: all, wild })),
            None => self.doubt(statement.at.start, "a function with a computed name".to_owned()),
        }
    }

    /// What the functions do that are named in the statement, or in a function named there.
    fn calls(&mut self, statement: &Statement) {
        if self.environment.functions.is_empty() {
            return;
        }
        let bytes = self.text.bytes().get(statement.at.clone()).unwrap_or_default();
        let mut open: Vec<String> = statement.words.first().and_then(Written::literal).into_iter().collect();
        open.extend(names(bytes).map(|(name, _)| name));
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            let Some(function) = self.environment.functions.get(&name).filter(|_| seen.insert(name)) else { continue };
            let (names, wild) = (function.names.clone(), function.wild);
            open.extend(names.iter().cloned());
            if wild {
                self.doubt(statement.at.start, "a function that can set any variable, or end the file".to_owned());
            }
            self.make_unknown(names, statement.at.start, "a function that may set it");
        }
    }

    fn unset(&mut self, statement: &Statement) {
        let names: Option<Vec<String>> = statement.words.iter().skip(1).map(Written::literal).collect();
        match names.filter(|names| names.iter().all(|name| is_name(name))) {
            Some(names) => {
                if let Some(name) = names.iter().find(|name| self.environment.attributed.contains(*name)) {
                    self.doubt(statement.at.start, format!("an unset of {name}, which a declaration is for"));
                }
                for name in names {
                    self.environment.variables.remove(&name);
                    self.environment.perhaps_arrays.remove(&name);
                    self.open.retain(|(open, _)| *open != name);
                    let place = (self.source, self.line(statement.at.start));
                    self.environment.unset.insert(name, place);
                }
            }
            None => self.doubt(statement.at.start, "an unset of something that is not a name".to_owned()),
        }
    }

    /// `${name:=value}` among the words of a command.
    fn sets_in_passing(&self, statement: &Statement) -> bool {
        let unknown = |word: &Written| word.pieces.iter().any(|piece| matches!(piece, Piece::Unknown(_)));
        let value = |assign: &Assign| match &assign.written {
            lexer::Written::Scalar(word) => unknown(word),
            lexer::Written::Array(_) => true,
        };
        statement.words.iter().any(unknown) || statement.assigns.iter().any(value)
    }

    fn doubt(&mut self, at: usize, reason: String) {
        let line = self.line(at);
        self.environment.doubts.push(Doubt { source: self.source, line, reason });
    }

    /// Every name in the statement becomes unknown.
    fn mentioned(&mut self, statement: &Statement, reason: &str) {
        let bytes = self.text.bytes().get(statement.at.clone()).unwrap_or_default();
        let names: Vec<String> = names(bytes).map(|(name, _)| name).collect();
        if let Some(name) = names.iter().find(|name| self.environment.attributed.contains(*name)) {
            self.doubt(statement.at.start, format!("a command that may set {name}, which a declaration is for"));
        }
        if names.iter().any(|name| GIVES_ATTRIBUTES.contains(&name.as_str())) {
            self.environment.attributed.extend(names.iter().cloned());
        }
        self.make_unknown(names, statement.at.start, reason);
    }

    fn make_unknown(&mut self, names: Vec<String>, at: usize, reason: &str) {
        let line = self.line(at);
        for name in names {
            if self.environment.dialect == Dialect::Bash {
                self.environment.perhaps_arrays.insert(name.clone());
            }
            let value = Value::Unknown { reason: reason.to_owned(), source: self.source, line };
            let new = || Variable { value: value.clone(), assignments: Vec::new() };
            self.environment.variables.entry(name).or_insert_with(new).value = value.clone();
        }
    }

    /// The number of the line that byte `at` is in, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        let (mut low, mut high) = (0, self.text.line_count());
        while low < high {
            let middle = (low + high) / 2;
            if self.text.line(middle).is_some_and(|line| line.start <= at) { low = middle + 1 } else { high = middle }
        }
        low.max(1)
    }
}

fn expands(assign: &Assign) -> bool {
    match &assign.written {
        lexer::Written::Scalar(word) => word.pieces.iter().any(|piece| matches!(piece, Piece::Variable(..))),
        lexer::Written::Array(_) => true,
    }
}

/// Builtins that give variables attributes.
const GIVES_ATTRIBUTES: &[&str] = &["readonly", "declare", "typeset", "local"];

fn begins_with_name(word: &Written) -> bool {
    word.literal().is_none_or(|text| name_len(text.as_bytes()) > 0)
}

/// Whether this is the name of a program, which no function or builtin of a shell has.
fn is_external(name: &str) -> bool {
    name.contains(['/', '.', '='])
}

/// Commands that set no variable, however they are called.
fn is_harmless(name: &Written) -> bool {
    let names = [":", "true", "false", "echo", "test", "[", "set", "umask", "ulimit", "trap", "logger", "cd"];
    names.iter().any(|harmless| name.is(harmless))
}

/// Every name in `bytes` that may be set there, with what follows it: not those of `$name` and `${name}`.
fn names(bytes: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let gap = rest.iter().position(|byte| is_name_byte(*byte))?;
            let (skipped, from) = rest.split_at(gap);
            let length = from.iter().take_while(|byte| is_name_byte(**byte)).count();
            rest = from.get(length..).unwrap_or_default();
            let sets = rest.starts_with(b"=") || rest.starts_with(b":=");
            let used = skipped.ends_with(b"$") || skipped.ends_with(b"${") && !sets;
            if let (Some(word), 1.., false) = (from.get(..length), name_len(from), used) {
                return Some((String::from_utf8_lossy(word).into_owned(), rest));
            }
        }
    })
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && name_len(word.as_bytes()) == word.len()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
