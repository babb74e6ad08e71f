//! Statements of a shell file: which are plain assignments, which are compound commands that only get looked through.
//!
//! Follows POSIX.1-2024, Shell Command Language, 2.9 and 2.10, as far as telling where a compound command ends takes.

use std::ops::Range;

use super::lexer::{Assign, Broken, Lexer, Token, Word};

/// One command with what ended it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) at: Range<usize>,
    /// Assignments in front of the command's name.
    pub(super) assigns: Vec<Assign>,
    /// The command's name and its arguments; those of `export` that are assignments stand in `assigns`.
    pub(super) words: Vec<Word>,
    pub(super) kind: Kind,
    /// The operator behind it; empty for the end of a line.
    pub(super) end: &'static str,
}

/// What a statement is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command, or assignments without one.
    #[default]
    Simple,
    /// `export` with assignments or names.
    Export,
    /// The definition of a function, its name the first word: nothing runs yet. Whether calling it can set any variable.
    Function(bool),
    /// `if`, `case`, a loop, a group, a subshell; whether a command in it can set any variable or end the file.
    Compound(bool),
}

/// The next statement; nothing at the end of the file, which may not be where a list of commands `goes_on`.
pub(super) fn next(lexer: &mut Lexer<'_>, goes_on: bool) -> Result<Option<Statement>, Broken> {
    let mut statement = Statement::default();
    let first = loop {
        match lexer.next(true)? {
            Token::Newline => {}
            Token::Operator(operator) if operator != "(" => {
                return Err(Broken { at: lexer.at, reason: format!("a {operator} out of place") });
            }
            Token::End if goes_on => return Err(Broken { at: lexer.at, reason: "a list without its end".to_owned() }),
            Token::End => return Ok(None),
            token => break token,
        }
    };
    let mut command = true;
    let mut token = first;
    let mut started = false;
    loop {
        if !started {
            statement.at = start_of(&token, lexer.at)..lexer.at;
            started = true;
        }
        match token {
            Token::Newline | Token::End => return Ok(Some(statement)),
            Token::Operator("(") if statement.words.is_empty() && statement.assigns.is_empty() => {
                return compound(lexer, statement, vec![")"]).map(Some);
            }
            Token::Operator("(") if statement.words.len() == 1 && statement.assigns.is_empty() => {
                return function(lexer, statement).map(Some);
            }
            Token::Operator(operator @ ("(" | ")" | ";;")) => {
                return Err(Broken { at: lexer.at, reason: format!("a {operator} out of place") });
            }
            Token::Operator(operator) => {
                statement.end = operator;
                return Ok(Some(statement));
            }
            Token::Redirection => {}
            Token::Assign(assign) => {
                statement.at.end = assign.at.end;
                statement.assigns.push(assign);
            }
            Token::Word(word) => {
                statement.at.end = word.at.end;
                if command && word.is("function") && statement.assigns.is_empty() {
                    if let Token::Word(name) = lexer.next(false)? {
                        statement.words.push(name);
                    }
                    return function(lexer, statement).map(Some);
                }
                if command && CLOSING.iter().any(|name| word.is(name)) && statement.assigns.is_empty() {
                    return Err(Broken { at: word.at.start, reason: "a closing word out of place".to_owned() });
                }
                if let (true, Some(closer)) = (command && statement.assigns.is_empty(), closer(&word)) {
                    return compound(lexer, statement, vec![closer]).map(Some);
                }
                if command && word.is("export") && statement.assigns.is_empty() {
                    statement.kind = Kind::Export;
                }
                command = false;
                statement.words.push(word);
            }
        }
        // `export` takes assignments as arguments (POSIX.1, 2.15).
        token = lexer.next(command || statement.kind == Kind::Export)?;
    }
}

fn start_of(token: &Token, at: usize) -> usize {
    match token {
        Token::Word(word) => word.at.start,
        Token::Assign(assign) => assign.at.start,
        _ => at.saturating_sub(1),
    }
}

/// Reserved words that only go on with or end a compound command.
const CLOSING: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}"];

/// Reserved words behind which a command begins.
const GOES_ON: &[&str] = &["then", "do", "else", "elif", "!", "time", "if", "while", "until", "{"];

/// The reserved word that ends what `word` begins.
fn closer(word: &Word) -> Option<&'static str> {
    let all = [
        ("if", "fi"),
        ("case", "esac"),
        ("for", "done"),
        ("select", "done"),
        ("while", "done"),
        ("until", "done"),
        ("{", "}"),
        ("[[", "]]"),
    ];
    all.iter().find(|(name, _)| word.is(name)).map(|(_, closer)| *closer)
}

/// Reads on until everything that is open is closed, and to the end of that command.
fn compound(lexer: &mut Lexer<'_>, mut statement: Statement, mut open: Vec<&'static str>) -> Result<Statement, Broken> {
    let mut command = !matches!(open.last(), Some(&"esac" | &"]]"));
    // Between the `case` or `;;` and the `)` of a pattern.
    let mut pattern = open.last() == Some(&"esac");
    let mut wild = false;
    // The words of the command so far.
    let mut words: Vec<Word> = Vec::new();
    while let Some(last) = open.last().copied() {
        let token = lexer.next(command)?;
        match token {
            Token::End => {
                let reason = format!("a command without its closing `{last}`");
                return Err(Broken { at: statement.at.start, reason });
            }
            Token::Redirection => continue,
            Token::Word(word) if word.is(last) && (command || last == "]]" || pattern) => {
                open.pop();
                (command, pattern) = (false, false);
            }
            Token::Operator(")") if pattern => (command, pattern) = (true, false),
            Token::Operator(";;") if last == "esac" => (command, pattern) = (false, true),
            Token::Word(_) | Token::Operator("(" | "|") if pattern => {}
            Token::Word(_) | Token::Operator(_) if last == "]]" => {}
            Token::Operator("(") => {
                // Behind a word it defines a function.
                wild |= !words.is_empty();
                open.push(")");
                command = true;
            }
            Token::Operator(")") if last == ")" => {
                open.pop();
                command = false;
            }
            Token::Operator(")") => return Err(Broken { at: lexer.at, reason: "a ) out of place".to_owned() }),
            Token::Operator(_) | Token::Newline => command = last != "]]" && !pattern,
            Token::Assign(_) => {}
            Token::Word(word) if command => {
                command = GOES_ON.iter().any(|name| word.is(name));
                wild |= can_set_anything(&word);
                if let Some(closer) = closer(&word) {
                    open.push(closer);
                    pattern = closer == "esac";
                    command &= !matches!(closer, "esac" | "]]");
                } else if !command {
                    words = vec![word];
                    continue;
                }
            }
            Token::Word(word) => {
                words.push(word);
                wild |= sets_computed_names(&words);
                continue;
            }
        }
        words.clear();
    }
    statement.kind = Kind::Compound(wild);
    loop {
        statement.at.end = statement.at.end.max(lexer.at);
        match lexer.next(false)? {
            Token::Redirection => {}
            Token::Operator(end) => {
                statement.end = end;
                return Ok(statement);
            }
            Token::Newline | Token::End => return Ok(statement),
            Token::Word(word) => {
                return Err(Broken { at: word.at.start, reason: "a word behind a compound command".to_owned() });
            }
            Token::Assign(_) => {}
        }
    }
}

/// The parentheses and the body of a function.
fn function(lexer: &mut Lexer<'_>, statement: Statement) -> Result<Statement, Broken> {
    let body = loop {
        match lexer.next(true)? {
            Token::Newline | Token::Operator("(" | ")") => {}
            Token::Word(word) => match closer(&word) {
                Some(closer) => break closer,
                None => return Err(Broken { at: word.at.start, reason: "a function without a body".to_owned() }),
            },
            _ => return Err(Broken { at: lexer.at, reason: "a function without a body".to_owned() }),
        }
    };
    let mut whole = compound(lexer, statement, vec![body])?;
    whole.kind = Kind::Function(whole.kind == Kind::Compound(true));
    Ok(whole)
}

/// Whether the command called `word` can set variables that are not named in it, or end the file.
pub(super) fn can_set_anything(word: &Word) -> bool {
    let wild = [".", "source", "eval", "exec", "exit", "return", "alias"];
    word.literal().is_none_or(|name| wild.contains(&name.as_str()))
}

/// Whether these words are a command that sets variables and does not say literally which.
pub(super) fn sets_computed_names(words: &[Word]) -> bool {
    let setters = ["read", "unset", "export", "readonly", "local", "declare", "typeset", "getopts", "let", "mapfile"];
    let Some((name, rest)) = words.split_first() else { return false };
    let sets = setters.iter().chain(&["readarray", "wait"]).any(|setter| name.is(setter))
        || name.is("printf") && rest.first().is_none_or(|first| first.is("-v"));
    sets && !rest.iter().all(Word::has_literal_name)
}
