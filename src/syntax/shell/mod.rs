//! Assignments of files that a shell reads: ifcfg files, rc.conf(5), conf.d/net.
//!
//! A restricted reader (POSIX.1-2024, Shell Command Language; bash(1) for arrays): assignments, quotes, `$name` and
//! `${name}` are evaluated over a chain of files, as the shell would. Whatever else could set a variable makes that
//! variable [`Value::Unknown`], with the line and the reason: never a guess. Each byte of a value knows the place in a
//! file that it comes from, so that edits inside values are splices.
//! Leaves out running anything, and what the variables mean.

mod lexer;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::text::{Splice, Text};
use lexer::{Assign, Broken, Lexer, Piece, Word as Written, name_len};
use statement::{Kind, Statement, can_set_anything};

/// The longest value that is followed, in bytes: `x="$x$x"` doubles with every line.
const MOST_VALUE_BYTES: usize = 4 << 20;

/// Which shell reads the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Any POSIX shell: dash, ash, FreeBSD's sh.
    Sh,
    /// bash: arrays, `name[3]=` and `+=` besides.
    Bash,
}

/// Where a byte of a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The file, by the number that [`Environment::source`] gave it.
    pub source: usize,
    /// The byte.
    pub at: usize,
}

/// A value, each byte with its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    bytes: Vec<u8>,
    origins: Vec<Origin>,
}

/// A part of a [`Traced`] value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its bytes.
    pub text: Vec<u8>,
    /// Its place in the value.
    pub at: Range<usize>,
    /// The place of each byte in a file.
    pub origins: Vec<Origin>,
}

impl Traced {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes as text; what is not UTF-8 becomes U+FFFD, which no address or name has.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Where byte `index` stands.
    pub fn origin(&self, index: usize) -> Option<Origin> {
        self.origins.get(index).copied()
    }

    /// The words between blanks, tabs and newlines (the default `IFS`).
    pub fn words(&self) -> Vec<Word> {
        self.split(|byte| matches!(byte, b' ' | b'\t' | b'\n'))
    }

    /// The lines that are not empty.
    pub fn lines(&self) -> Vec<Word> {
        self.split(|byte| byte == b'\n')
    }

    fn split(&self, ends: impl Fn(u8) -> bool) -> Vec<Word> {
        let mut words = Vec::new();
        let mut start = 0;
        for end in 0..=self.bytes.len() {
            if self.bytes.get(end).copied().is_none_or(&ends) {
                if start < end {
                    words.push(Word {
                        text: self.bytes.get(start..end).unwrap_or_default().to_vec(),
                        at: start..end,
                        origins: self.origins.get(start..end).unwrap_or_default().to_vec(),
                    });
                }
                start = end + 1;
            }
        }
        words
    }

    fn push(&mut self, byte: u8, origin: Origin) {
        self.bytes.push(byte);
        self.origins.push(origin);
    }

    fn extend(&mut self, other: &Traced) {
        self.bytes.extend_from_slice(&other.bytes);
        self.origins.extend_from_slice(&other.origins);
    }
}

/// An element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its index.
    pub index: usize,
    /// Its value.
    pub value: Traced,
    /// The assignment it was written in, as an index into [`Variable::assignments`].
    pub assignment: usize,
    /// Its place in that file, quotes included.
    pub at: Range<usize>,
}

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(Traced),
    /// The elements of an array, by index.
    Array(Vec<Element>),
    /// It cannot be told without running the file.
    Unknown {
        /// Why: a clause such as `it is set by a command substitution`.
        reason: String,
        /// The file.
        source: usize,
        /// The line, from 1.
        line: usize,
    },
}

/// An assignment in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The file.
    pub source: usize,
    /// The line of its name, from 1.
    pub line: usize,
    /// The variable.
    pub name: String,
    /// Whether it is `+=`.
    pub append: bool,
    /// Whether its value is in parentheses.
    pub array: bool,
    /// From the name to the end of the value.
    pub at: Range<usize>,
    /// The value as written, quotes or parentheses included.
    pub value_at: Range<usize>,
    /// The quote, where the whole value is one quoted string.
    pub quote: Option<u8>,
    /// Where the next command line begins, which may be some lines of the file further: the place for a new line.
    pub next: usize,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// What it holds in the end.
    pub value: Value,
    /// Every assignment to it, in the order of reading; the last one counts.
    pub assignments: Vec<Assignment>,
}

/// Something that was read and could have set any variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The file.
    pub source: usize,
    /// The line, from 1.
    pub line: usize,
    /// What it is, in a clause.
    pub reason: String,
}

/// The variables after some files were read, one after the other, by one shell.
#[derive(Debug, Clone)]
pub struct Environment {
    dialect: Dialect,
    sources: usize,
    variables: BTreeMap<String, Variable>,
    /// Variables of bash that may be arrays: a plain assignment would leave their other elements.
    perhaps_arrays: BTreeSet<String>,
    doubts: Vec<Doubt>,
}

impl Environment {
    /// No variables yet.
    pub fn new(dialect: Dialect) -> Environment {
        Environment {
            dialect,
            sources: 0,
            variables: BTreeMap::new(),
            perhaps_arrays: BTreeSet::new(),
            doubts: Vec::new(),
        }
    }

    /// Reads a file as `.` does; returns its number, from 0.
    pub fn source(&mut self, text: &Text) -> usize {
        let number = self.sources;
        self.sources += 1;
        Run { text, source: number, environment: self, open: Vec::new() }.run();
        number
    }

    /// The variable called `name`, if anything read so far could have set it.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// The names of all variables, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// The first thing that could have set any variable.
    pub fn doubt(&self) -> Option<&Doubt> {
        self.doubts.first()
    }
}

/// One file being read.
struct Run<'e, 't> {
    text: &'t Text,
    source: usize,
    environment: &'e mut Environment,
    /// Assignments whose command line has not ended yet: the variable, and which of its assignments.
    open: Vec<(String, usize)>,
}

impl Run<'_, '_> {
    fn run(&mut self) {
        let mut lexer = Lexer::new(self.text.bytes(), self.environment.dialect);
        // Whether the command runs only if the one before it did well, or in another process.
        let mut conditional = false;
        loop {
            let statement = match statement::next(&mut lexer) {
                Ok(Some(statement)) => statement,
                Ok(None) => return self.close(lexer.at),
                Err(Broken { at, reason }) => return self.doubt(at, reason),
            };
            let depends = conditional || matches!(statement.end, "|" | "&");
            conditional = matches!(statement.end, "&&" | "||" | "|");
            let goes_on = self.carry_out(&statement, depends);
            if statement.end.is_empty() {
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

    /// Does what the statement does to variables; whether the file goes on behind it.
    fn carry_out(&mut self, statement: &Statement, depends: bool) -> bool {
        let name = statement.words.first();
        match statement.kind {
            Kind::Compound(wild) => {
                self.mentioned(statement, "a command that may or may not run");
                if wild {
                    self.doubt(statement.at.start, "a command that can set any variable, or end the file".to_owned());
                }
            }
            Kind::Function => self.assigned_inside(statement),
            Kind::Simple | Kind::Export if depends => {
                self.mentioned(statement, "a command that may or may not run");
                if name.is_some_and(can_set_anything) {
                    self.doubt(statement.at.start, "a command that can set any variable, or end the file".to_owned());
                }
            }
            Kind::Export => {
                let names: Vec<_> = statement.words.iter().skip(1).map(Written::literal).collect();
                if !names.iter().flatten().all(|name| is_name(name)) {
                    self.doubt(statement.at.start, "an export of something that is not a name".to_owned());
                }
                // All arguments are expanded before any is assigned.
                let chained = statement.assigns.len() > 1 && statement.assigns.iter().any(expands);
                let split = chained || statement.assigns.iter().any(|assign| self.splits(assign));
                if names.contains(&None) || split {
                    self.mentioned(statement, "an export that is not a plain assignment");
                } else {
                    statement.assigns.iter().for_each(|assign| self.assign(assign));
                }
            }
            Kind::Simple => match name {
                None => statement.assigns.iter().for_each(|assign| self.assign(assign)),
                Some(name) if name.is("exit") || name.is("return") => return false,
                Some(name) if can_set_anything(name) => {
                    let what = name.literal().unwrap_or_else(|| "a computed command".to_owned());
                    self.doubt(statement.at.start, format!("`{what}`, which can set any variable"));
                }
                Some(name) if name.is("unset") && statement.assigns.is_empty() => self.unset(statement),
                Some(name) if name.is_assignment_in_disguise() => {
                    self.doubt(statement.at.start, "a word that may be an assignment".to_owned());
                }
                Some(name) if is_harmless(name) && statement.assigns.is_empty() && !self.sets_in_passing(statement) => {
                }
                Some(_) => self.mentioned(statement, "a command that may set it"),
            },
        }
        true
    }

    fn unset(&mut self, statement: &Statement) {
        let names: Option<Vec<String>> = statement.words.iter().skip(1).map(Written::literal).collect();
        match names.filter(|names| names.iter().all(|name| is_name(name))) {
            Some(names) => {
                for name in names {
                    self.environment.variables.remove(&name);
                    self.environment.perhaps_arrays.remove(&name);
                    self.open.retain(|(open, _)| *open != name);
                }
            }
            None => self.doubt(statement.at.start, "an unset of something that is not a name".to_owned()),
        }
    }

    /// Whether the shell may split the value where `export` takes it as an argument.
    fn splits(&self, assign: &Assign) -> bool {
        let unquoted = |word: &Written| word.pieces.iter().any(|piece| matches!(piece, Piece::Variable(_, false)));
        match &assign.written {
            lexer::Written::Scalar(word) => {
                let plain = assign.index.is_none() && !assign.append;
                !plain || self.environment.dialect == Dialect::Sh && unquoted(word)
            }
            lexer::Written::Array(_) => true,
        }
    }

    /// `${name:=value}` among the words of a command.
    fn sets_in_passing(&self, statement: &Statement) -> bool {
        statement.words.iter().any(|word| word.pieces.iter().any(|piece| matches!(piece, Piece::Unknown(_))))
    }

    fn doubt(&mut self, at: usize, reason: String) {
        let line = self.line(at);
        self.environment.doubts.push(Doubt { source: self.source, line, reason });
    }

    /// Every name in the statement becomes unknown.
    fn mentioned(&mut self, statement: &Statement, reason: &str) {
        let bytes = self.text.bytes().get(statement.at.clone()).unwrap_or_default();
        let names: Vec<String> = names(bytes).map(|(name, _)| name).collect();
        self.make_unknown(names, statement.at.start, reason);
    }

    /// Every name that is followed by an assignment sign becomes unknown.
    fn assigned_inside(&mut self, statement: &Statement) {
        let bytes = self.text.bytes().get(statement.at.clone()).unwrap_or_default();
        let signs: [&[u8]; 4] = [b"=", b"+=", b":=", b"["];
        let set = names(bytes).filter(|(_, rest)| signs.iter().any(|sign| rest.starts_with(sign)));
        let names: Vec<String> = set.map(|(name, _)| name).collect();
        self.make_unknown(names, statement.at.start, "a function that may set it");
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

    fn assign(&mut self, assign: &Assign) {
        let line = self.line(assign.at.start);
        let old = self.environment.variables.remove(&assign.name);
        let (old, mut assignments) = old.map_or((None, Vec::new()), |old| (Some(old.value), old.assignments));
        let written = match &assign.written {
            lexer::Written::Scalar(word) => self.scalar(word, &assign.name, old.as_ref()).map(Value::Text),
            lexer::Written::Array(words) => self.elements(words, &assign.name, old.as_ref(), assign, assignments.len()),
        };
        let was_array = matches!(old, Some(Value::Array(_))) || assign.index.is_some();
        let perhaps_array = self.environment.perhaps_arrays.contains(&assign.name);
        let value = match written {
            Ok(Value::Text(_)) if perhaps_array => Err("a string where an array may have been".to_owned()),
            Ok(written) => merge(old, written, assign, &assignments),
            Err(what) => Err(what),
        };
        let arrays = &mut self.environment.perhaps_arrays;
        match &value {
            Ok(Value::Array(_)) => drop(arrays.remove(&assign.name)),
            Err(_) if was_array || matches!(assign.written, lexer::Written::Array(_)) => {
                arrays.insert(assign.name.clone());
            }
            _ => {}
        }
        let unknown = |what| Value::Unknown { reason: format!("it is set with {what}"), source: self.source, line };
        let value = value.unwrap_or_else(unknown);
        self.open.push((assign.name.clone(), assignments.len()));
        assignments.push(Assignment {
            source: self.source,
            line,
            name: assign.name.clone(),
            append: assign.append,
            array: matches!(assign.written, lexer::Written::Array(_)),
            at: assign.at.clone(),
            value_at: assign.value_at.clone(),
            quote: match &assign.written {
                lexer::Written::Scalar(word) => word.quote,
                lexer::Written::Array(_) => None,
            },
            next: assign.at.end,
        });
        self.environment.variables.insert(assign.name.clone(), Variable { value, assignments });
    }

    /// The value of a word; `name`, which is being assigned, still has the value `old`.
    fn scalar(&self, word: &Written, name: &str, old: Option<&Value>) -> Result<Traced, String> {
        let mut value = Traced::default();
        for piece in &word.pieces {
            match piece {
                Piece::Byte(byte, at) => value.push(*byte, Origin { source: self.source, at: *at }),
                Piece::Unknown(what) => return Err((*what).to_owned()),
                Piece::Variable(other, _) => {
                    let known = if other == name { old } else { self.environment.get(other).map(|found| &found.value) };
                    match known {
                        None => {}
                        Some(Value::Text(text)) => value.extend(text),
                        Some(Value::Array(all)) => {
                            let first = all.iter().find(|element| element.index == 0);
                            first.into_iter().for_each(|first| value.extend(&first.value));
                        }
                        Some(Value::Unknown { .. }) => return Err(format!("${other}, which is not known")),
                    }
                }
            }
            if value.bytes.len() > MOST_VALUE_BYTES {
                return Err("a value that grows without bound".to_owned());
            }
        }
        Ok(value)
    }

    fn elements(
        &self,
        words: &[(Option<usize>, Written)],
        name: &str,
        old: Option<&Value>,
        assign: &Assign,
        assignment: usize,
    ) -> Result<Value, String> {
        let mut elements: Vec<Element> = match old {
            Some(Value::Array(old)) if assign.append => old.clone(),
            Some(Value::Text(_)) if assign.append => return Err("an array behind a string".to_owned()),
            _ => Vec::new(),
        };
        let mut next = elements.iter().map(|element| element.index + 1).max().unwrap_or(0);
        for (index, word) in words {
            if word.patterned || word.pieces.iter().any(|piece| matches!(piece, Piece::Variable(_, false))) {
                return Err("an element that the shell may split or expand".to_owned());
            }
            let index = index.unwrap_or(next);
            next = index.saturating_add(1);
            elements.retain(|element| element.index != index);
            elements.push(Element { index, value: self.scalar(word, name, old)?, assignment, at: word.at.clone() });
        }
        elements.sort_by_key(|element| element.index);
        Ok(Value::Array(elements))
    }

    /// The number of the line that byte `at` is in, from 1.
    fn line(&self, at: usize) -> usize {
        let (mut low, mut high) = (0, self.text.line_count());
        while low < high {
            let middle = (low + high) / 2;
            if self.text.line(middle).is_some_and(|line| line.start <= at) { low = middle + 1 } else { high = middle }
        }
        low.max(1)
    }
}

/// The value after an assignment of `written` to a variable that holds `old` (bash(1), "Arrays" and "PARAMETERS").
fn merge(old: Option<Value>, written: Value, assign: &Assign, before: &[Assignment]) -> Result<Value, String> {
    let Value::Text(text) = written else { return Ok(written) };
    let assignment = before.len();
    let mut elements = match (old, assign.index) {
        (Some(Value::Unknown { .. }), index) if assign.append || index.is_some() => {
            return Err("an addition to something that is not known".to_owned());
        }
        (Some(Value::Text(mut before)), None) if assign.append => {
            before.extend(&text);
            return Ok(Value::Text(before));
        }
        (Some(Value::Array(elements)), _) => elements,
        (_, None) => return Ok(Value::Text(text)),
        (Some(Value::Text(value)), Some(_)) => {
            let at = before.last().map(|last| last.value_at.clone()).unwrap_or_default();
            vec![Element { index: 0, value, assignment: assignment.saturating_sub(1), at }]
        }
        (_, Some(_)) => Vec::new(),
    };
    let index = assign.index.unwrap_or(0);
    let same = elements.iter().position(|element| element.index == index);
    if same.map(|at| elements.remove(at)).is_some() && assign.append {
        return Err("an addition to an element".to_owned());
    }
    elements.push(Element { index, value: text, assignment, at: assign.value_at.clone() });
    elements.sort_by_key(|element| element.index);
    Ok(Value::Array(elements))
}

fn expands(assign: &Assign) -> bool {
    match &assign.written {
        lexer::Written::Scalar(word) => word.pieces.iter().any(|piece| matches!(piece, Piece::Variable(..))),
        lexer::Written::Array(_) => true,
    }
}

/// Commands that set no variable, however they are called.
fn is_harmless(name: &Written) -> bool {
    let names = [":", "true", "false", "echo", "test", "[", "set", "umask", "ulimit", "trap", "logger", "cd"];
    names.iter().any(|harmless| name.is(harmless))
}

/// Every name in `bytes`, with what follows it.
fn names(bytes: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let gap = rest.iter().position(|byte| is_name_byte(*byte))?;
            let from = rest.get(gap..).unwrap_or_default();
            let length = from.iter().take_while(|byte| is_name_byte(**byte)).count();
            rest = from.get(length..).unwrap_or_default();
            if let (Some(word), 1..) = (from.get(..length), name_len(from)) {
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

/// The splice that takes an assignment out of `text`: whole lines where nothing else stands on them (a comment behind it
/// goes with it), otherwise the assignment with the `;` or blank that set it off.
pub fn deletion(text: &Text, assignment: &Assignment) -> Splice {
    let bytes = text.bytes();
    let (start, end) = (assignment.at.start, assignment.at.end);
    let before = bytes.get(..start).unwrap_or_default();
    // A line that goes on with the next one belongs to it.
    let ends =
        |at: &usize| before.get(*at) == Some(&b'\n') && at.checked_sub(1).and_then(|at| before.get(at)) != Some(&b'\\');
    let line = (0..before.len()).rev().find(ends).map_or(text.bom_len().min(start), |at| at + 1);
    let rest = bytes.get(end..).unwrap_or_default();
    let to_line_end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
    let behind = rest.get(..to_line_end).unwrap_or_default();
    let after = behind.trim_ascii_start();
    let last = after.is_empty() || after.starts_with(b";") || after.starts_with(b"#") && after.len() < behind.len();
    let front = bytes.get(line..start).unwrap_or_default();
    let mut kept = front.trim_ascii_end();
    if kept.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
        // That blank is quoted.
        kept = front.get(..kept.len() + 1).unwrap_or(front);
    }
    if last {
        // Without its only argument `export` would print all variables.
        kept = kept.strip_suffix(b"export").map_or(kept, |kept| kept.trim_ascii_end());
    }
    let ends_line = last && (!after.starts_with(b";") || after.trim_ascii() == b";");
    if kept.is_empty() && ends_line {
        return Splice::delete(line..end + to_line_end);
    }
    if !kept.is_empty() && last {
        return Splice::delete(line + kept.len() - usize::from(kept.ends_with(b";"))..end);
    }
    let start = if last { line } else { start };
    let mut gap = behind.len() - after.len();
    if after.starts_with(b";") {
        gap += 1 + after.iter().skip(1).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    }
    Splice::delete(start..end + gap)
}

/// The splice that puts `line` on a line of its own behind the command line of `assignment`.
pub fn line_after(text: &Text, assignment: &Assignment, line: &str) -> Splice {
    let at = assignment.next.min(text.bytes().len());
    let open = at > text.bom_len() && text.bytes().get(at - 1) != Some(&b'\n');
    let eol = text.eol();
    Splice::insert(at, format!("{}{line}{eol}", if open { eol } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, file: &str) -> Environment {
        let mut environment = Environment::new(dialect);
        environment.source(&Text::new(file));
        environment
    }

    fn value(environment: &Environment, name: &str) -> String {
        match environment.get(name).map(|variable| &variable.value) {
            None => "unset".to_owned(),
            Some(Value::Text(text)) => text.text(),
            Some(Value::Array(all)) => {
                all.iter().map(|one| format!("[{}]{}", one.index, one.value.text())).collect::<Vec<_>>().join(" ")
            }
            Some(Value::Unknown { reason, line, .. }) => format!("unknown in line {line}: {reason}"),
        }
    }

    #[test]
    fn values_as_the_shell_has_them() {
        let file = "a=1 # x\n b='x y'; c=\"$a-${b}\\\"\"\nexport d=x\\ y\na=\"${a} 2\\\n3\"\n# e=1\nf=\"#x\"y#z\ng=\n";
        let environment = read(Dialect::Sh, file);
        let all = ["a", "b", "c", "d", "e", "f", "g"].map(|name| value(&environment, name));
        assert_eq!(all, ["1 23", "x y", "1-x y\"", "x y", "unset", "#xy#z", ""]);
        assert!(environment.doubt().is_none());
    }

    #[test]
    fn arrays_are_bash_only() {
        let file = "a=( 'x y' # 'no'\n  \"z\"\n)\na+=( w )\na[7]=q\n";
        assert_eq!(value(&read(Dialect::Bash, file), "a"), "[0]x y [1]z [2]w [7]q");
        assert!(read(Dialect::Sh, file).doubt().unwrap().reason.contains("array"));
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        for (file, line) in [
            ("a=1\nif x; then a=2; fi\n", 2),
            ("a=$(date)\n", 1),
            ("a=1\nb=2\ncase $b in (2) a=3;; esac\n", 3),
            ("x && a=1\n", 1),
            ("{ a=1; }\n", 1),
            ("a=1 | cat\n", 1),
            ("f() {\n a=1\n}\n", 1),
            ("a=${b:-1}\n", 1),
            ("read a\n", 1),
        ] {
            let found = value(&read(Dialect::Sh, file), "a");
            assert!(found.starts_with(&format!("unknown in line {line}")), "{file:?}: {found}");
        }
        for file in
            [". /etc/x\n", "eval $x\n", "a='\n", "if x; then . y; fi\n", "$x\n", "x || return\n", "cat <<E\nx\n"]
        {
            assert!(read(Dialect::Sh, file).doubt().is_some(), "{file:?}");
        }
    }

    #[test]
    fn a_later_plain_assignment_settles_it() {
        assert_eq!(value(&read(Dialect::Sh, "for i in 1; do a=2; done\na=3\nreturn\na=4"), "a"), "3");
        assert_eq!(value(&read(Dialect::Sh, "cat <<E\na=1\nE\nb=1\n"), "a"), "unset");
        assert_eq!(value(&read(Dialect::Sh, "a=1\nf() { echo $a; }\necho \"$a\"\n"), "a"), "1");
    }

    #[test]
    fn bytes_know_their_place() {
        let file = "a='x y'\nb=\"p $a\"\n";
        let environment = read(Dialect::Sh, file);
        let Some(Value::Text(b)) = environment.get("b").map(|b| b.value.clone()) else { panic!() };
        for (index, byte) in b.bytes().iter().enumerate() {
            assert_eq!(file.as_bytes()[b.origin(index).unwrap().at], *byte);
        }
        assert_eq!(b.words().iter().map(|word| word.text.len()).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn deletions_leave_the_rest() {
        for (file, name, after) in [
            ("a=1\nb=2\n", "b", "a=1\n"),
            ("a='1\n2' # x\nb=2\n", "a", "b=2\n"),
            ("a=1; b=2\n", "b", "a=1\n"),
            ("a=1; b=2\n", "a", "b=2\n"),
            ("a=1 b=2 c=3\n", "b", "a=1 c=3\n"),
            ("export b=2\nc=3", "b", "c=3"),
            ("a=1; b=2; c=3\n", "b", "a=1; c=3\n"),
            ("  b=2;\nc=1\n", "b", "c=1\n"),
        ] {
            let text = Text::new(file);
            let environment = read(Dialect::Sh, file);
            let assignment = environment.get(name).unwrap().assignments.last().unwrap();
            let found = text.apply(vec![deletion(&text, assignment)]).unwrap();
            assert_eq!(String::from_utf8_lossy(&found), after, "{file:?} without {name}");
        }
    }

    #[test]
    fn a_new_line_goes_behind_the_whole_command_line() {
        for (file, after) in
            [("a=1; b='x\ny'\nc=1\n", "a=1; b='x\ny'\nz\nc=1\n"), ("a=1", "a=1\nz\n"), ("a=1\r\n", "a=1\r\nz\r\n")]
        {
            let text = Text::new(file);
            let environment = read(Dialect::Sh, file);
            let assignment = environment.get("a").unwrap().assignments.last().unwrap();
            let found = text.apply(vec![line_after(&text, assignment, "z")]).unwrap();
            assert_eq!(String::from_utf8_lossy(&found), after);
        }
    }
}
