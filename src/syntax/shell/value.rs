//! The value that an assignment gives its variable.

use super::lexer::{self, Assign, Piece, Word as Written};
use super::run::Run;
use super::{Assignment, Dialect, Element, Origin, Traced, Value, Variable};

/// The longest value that is followed, in bytes: `x="$x$x"` doubles with every line.
const MOST_VALUE_BYTES: usize = 4 << 20;

/// Variables that change by themselves (sh(1), bash(1)).
const DYNAMIC: &[&str] = &[
    "_",
    "BASHOPTS",
    "BASHPID",
    "BASH_COMMAND",
    "BASH_SUBSHELL",
    "COMP_WORDBREAKS",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
    "UID",
];

/// Variables that the shell or the scripts around it have set before any file is read.
const INHERITED: &[&str] = &[
    "BASH",
    "BASH_VERSION",
    "HOME",
    "HOSTNAME",
    "HOSTTYPE",
    "IFACE",
    "IFS",
    "IFVAR",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "MACHTYPE",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PATH",
    "PS1",
    "PS2",
    "PS4",
    "PWD",
    "RC_SVCNAME",
    "SHELL",
    "SHLVL",
    "TERM",
    "TZ",
    "USER",
];

impl Run<'_, '_> {
    pub(super) fn assign(&mut self, assign: &Assign) {
        let line = self.line(assign.at.start);
        let (name, old, mut assignments) = match self.environment.variables.remove_entry(&assign.name) {
            Some((name, old)) => (name, Some(old.value), old.assignments),
            None => (assign.name.clone(), None, Vec::new()),
        };
        let written = match &assign.written {
            lexer::Written::Scalar(word) => self.scalar(word, &assign.name, old.as_ref()).map(Value::Text),
            lexer::Written::Array(words) => self.elements(words, &assign.name, old.as_ref(), assign, assignments.len()),
        };
        let was_array = matches!(old, Some(Value::Array(_))) || assign.index.is_some();
        let perhaps_array = self.environment.perhaps_arrays.contains(&assign.name);
        let value = match written {
            _ if self.environment.attributed.contains(&assign.name) => Err("attributes that may change it".to_owned()),
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
        self.environment.variables.insert(name, Variable { value, assignments });
    }

    /// The value of a word; `name`, which is being assigned, still has the value `old`.
    fn scalar(&self, word: &Written, name: &str, old: Option<&Value>) -> Result<Traced, String> {
        let mut value = Traced::default();
        for piece in &word.pieces {
            match piece {
                Piece::Text(text, at) => value.push(text, Origin { source: self.source, at: *at }),
                Piece::Unknown(what) => return Err((*what).to_owned()),
                Piece::Variable(other, _) => {
                    let known = if other == name { old } else { self.environment.get(other).map(|found| &found.value) };
                    match known {
                        _ if DYNAMIC.contains(&other.as_str()) => {
                            return Err(format!("${other}, which changes by itself"));
                        }
                        None if INHERITED.contains(&other.as_str()) => {
                            return Err(format!("${other}, which comes from outside"));
                        }
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
            Some(Value::Unknown { .. }) if assign.append => {
                return Err("an addition to something that is not known".to_owned());
            }
            _ => Vec::new(),
        };
        let mut next = elements.iter().map(|element| element.index + 1).max().unwrap_or(0);
        for (index, word) in words {
            let own = |piece: &Piece| matches!(piece, Piece::Variable(other, false) if other == name);
            if word.pieces.iter().any(own) || !self.is_tame(word) {
                return Err("an element that the shell may split or expand".to_owned());
            }
            let value = self.scalar(word, name, old)?;
            if value.bytes().is_empty() && !word.quoted && index.is_none() {
                continue;
            }
            let index = index.unwrap_or(next);
            next = index.saturating_add(1);
            elements.retain(|element| element.index != index);
            elements.push(Element { index, value, assignment, at: word.at.clone() });
        }
        elements.sort_by_key(|element| element.index);
        Ok(Value::Array(elements))
    }

    /// Whether the shell may split or expand the value where `export` takes it as an argument.
    pub(super) fn splits(&self, assign: &Assign) -> bool {
        match &assign.written {
            lexer::Written::Scalar(word) => {
                let plain = assign.index.is_none() && !assign.append && !word.patterned;
                !plain || self.environment.dialect == Dialect::Sh && !self.is_tame(word)
            }
            lexer::Written::Array(_) => true,
        }
    }

    /// Whether nothing in the word is split or expanded where words are (POSIX.1-2024, 2.6.5 and 2.6.6).
    fn is_tame(&self, word: &Written) -> bool {
        let tame = |piece: &Piece| match piece {
            Piece::Variable(name, false) => match self.environment.get(name).map(|variable| &variable.value) {
                Some(Value::Text(text)) => !text.bytes().iter().any(|byte| b" \t\n*?[\\".contains(byte)),
                None => true,
                _ => false,
            },
            Piece::Text(..) | Piece::Variable(_, true) => true,
            Piece::Unknown(_) => false,
        };
        !word.patterned && word.pieces.iter().all(tame) && self.environment.get("IFS").is_none()
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
