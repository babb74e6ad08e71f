//! Assignments of files that a shell reads: ifcfg files, rc.conf(5), conf.d/net.
//!
//! A restricted reader (POSIX.1-2024, Shell Command Language; bash(1) for arrays): assignments, quotes, `$name` and
//! `${name}` are evaluated over a chain of files, as the shell would. Whatever else could set a variable makes that
//! variable [`Value::Unknown`], with the line and the reason: never a guess. Each byte of a value knows the place in a
//! file that it comes from, so that edits inside values are splices.
//! Leaves out running anything, and what the variables mean.

mod calls;
mod edit;
mod expansion;
mod lexer;
mod run;
mod statement;
mod value;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::text::Text;

pub use calls::{Call, Include, calls, includes};
pub use edit::{deletion, line_after, line_at_end};

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

/// The places of bytes: nearly all stand one behind the other, so that the first of each run is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Trace {
    /// The index at which each run begins, and the place of that byte.
    runs: Vec<(usize, Origin)>,
}

impl Trace {
    fn origin(&self, index: usize) -> Option<Origin> {
        let run = self.runs.partition_point(|(start, _)| *start <= index).checked_sub(1)?;
        let (start, origin) = self.runs.get(run)?;
        Some(Origin { at: origin.at + (index - start), ..*origin })
    }

    /// The byte `index`, behind all others, stands at `origin`.
    fn push(&mut self, index: usize, origin: Origin) {
        let goes_on =
            |(start, first): &(usize, Origin)| first.source == origin.source && first.at + (index - start) == origin.at;
        if !self.runs.last().is_some_and(goes_on) {
            self.runs.push((index, origin));
        }
    }

    /// The places of the bytes in `range`.
    fn part(&self, range: Range<usize>) -> Trace {
        let first = self.origin(range.start).filter(|_| !range.is_empty()).map(|origin| (0, origin));
        let inside = self.runs.iter().filter(|(start, _)| range.start < *start && *start < range.end);
        Trace { runs: first.into_iter().chain(inside.map(|(start, origin)| (start - range.start, *origin))).collect() }
    }
}

/// A value, each byte with its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    bytes: Vec<u8>,
    trace: Trace,
}

/// A part of a [`Traced`] value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its bytes.
    pub text: Vec<u8>,
    /// Its place in the value.
    pub at: Range<usize>,
    trace: Trace,
}

impl Word {
    /// Where its byte `index` stands.
    pub fn origin(&self, index: usize) -> Option<Origin> {
        self.trace.origin(index).filter(|_| index < self.text.len())
    }
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
        self.trace.origin(index).filter(|_| index < self.bytes.len())
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
                        trace: self.trace.part(start..end),
                    });
                }
                start = end + 1;
            }
        }
        words
    }

    /// Puts bytes that stand one behind the other, from `origin` on, behind what is there.
    fn push(&mut self, bytes: &[u8], origin: Origin) {
        self.trace.push(self.bytes.len(), origin);
        self.bytes.extend_from_slice(bytes);
    }

    fn extend(&mut self, other: &Traced) {
        for (start, origin) in &other.trace.runs {
            self.trace.push(self.bytes.len() + start, *origin);
        }
        self.bytes.extend_from_slice(&other.bytes);
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

/// A function that was defined: what calling it may do.
#[derive(Debug, Clone)]
struct Function {
    /// The names in its body.
    names: Vec<String>,
    /// Whether it can set any variable.
    wild: bool,
}

/// The variables after some files were read, one after the other, by one shell.
#[derive(Debug, Clone)]
pub struct Environment {
    dialect: Dialect,
    sources: usize,
    variables: HashMap<String, Variable>,
    /// Variables of bash that may be arrays: a plain assignment would leave their other elements.
    perhaps_arrays: BTreeSet<String>,
    /// Variables that `readonly` or `declare` gave attributes: a later assignment may fail, or change the value.
    attributed: BTreeSet<String>,
    functions: BTreeMap<String, Function>,
    /// Where variables were last unset: the file, and the line from 1.
    unset: BTreeMap<String, (usize, usize)>,
    doubts: Vec<Doubt>,
}

impl Environment {
    /// No variables yet.
    pub fn new(dialect: Dialect) -> Environment {
        Environment {
            dialect,
            sources: 0,
            variables: HashMap::new(),
            perhaps_arrays: BTreeSet::new(),
            attributed: BTreeSet::new(),
            functions: BTreeMap::new(),
            unset: BTreeMap::new(),
            doubts: Vec::new(),
        }
    }

    /// Reads a file as `.` does; returns its number, from 0.
    pub fn source(&mut self, text: &Text) -> usize {
        let number = self.sources;
        self.sources += 1;
        run::run(self, text, number);
        number
    }

    /// Drops the doubts so far: for a file of the system's own that is known to do nothing but set defaults.
    pub fn trust(&mut self) {
        self.doubts.clear();
    }

    /// The variable called `name`, if anything read so far could have set it.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// Where the variable called `name` was last unset: the file, and the line from 1.
    pub fn unset(&self, name: &str) -> Option<(usize, usize)> {
        self.unset.get(name).copied()
    }

    /// The names of all variables, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// The names of the variables that `matters` takes, sorted.
    pub fn sorted_names(&self, matters: impl Fn(&str) -> bool) -> Vec<&str> {
        let mut names: Vec<&str> = self.names().filter(|name| matters(name)).collect();
        names.sort_unstable();
        names
    }

    /// The first thing that could have set any variable.
    pub fn doubt(&self) -> Option<&Doubt> {
        self.doubts.first()
    }
}

#[cfg(test)]
mod tests;
