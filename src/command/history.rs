//! `ipalias history`: every operation with its time, command line, files, and what became of it.

use serde::Serialize;

use super::{Session, unconfirmed};
use crate::error::Exit;
use crate::error::Result;
use crate::journal::{Held, Operation};
use crate::store::Store;

#[derive(Serialize)]
struct Document {
    command: &'static str,
    operations: Vec<Line>,
    waiting: Option<Waiting>,
}

#[derive(Serialize)]
struct Line {
    id: u64,
    time: String,
    command: String,
    /// The same for people: without the path of the program.
    #[serde(skip)]
    typed: String,
    backend: String,
    files: Vec<String>,
    undoes: Vec<u64>,
    /// `in effect`, `taken back by N`, `failed`, `interrupted`, `unconfirmed`.
    state: String,
    rolled_back: bool,
}

/// A change that waits for confirmation.
#[derive(Serialize)]
pub(super) struct Waiting {
    command: String,
    until: String,
    seconds: u64,
}

impl Waiting {
    /// The one in `store`, if there is one.
    pub(super) fn of(session: &Session, store: &Store) -> Result<Option<Waiting>> {
        Ok(unconfirmed::waiting(store)?.map(|change| Waiting {
            seconds: unconfirmed::left(session, &change),
            command: change.argv.join(" "),
            until: change.until_text(),
        }))
    }

    /// What is said of it.
    pub(super) fn text(&self) -> String {
        let Waiting { command, until, seconds } = self;
        match seconds {
            0 => format!("a change was not confirmed and will be taken back by the next change: {command}"),
            _ => format!(
                "a change waits for confirmation, {seconds} s more (until {until}): {command}; `ipalias confirm` keeps \
                 it, `ipalias rollback` takes it back"
            ),
        }
    }
}

/// Runs the verb.
pub(super) fn run(session: &Session) -> Result<Exit> {
    // Without the right to read it, its changes are not to be denied.
    let store = Store::open(&session.root)?;
    let operations = store.as_ref().map(Store::operations).transpose()?.unwrap_or_default();
    let in_flight = store.as_ref().map(Store::pending).transpose()?.flatten();
    let held = store.as_ref().map(Store::unconfirmed).transpose()?.flatten();
    let held = held.and_then(|change| match change.what {
        Held::Operation { token } => Some(token),
        Held::Live { .. } => None,
    });
    let line = |operation: &Operation| Line {
        id: operation.id,
        time: operation.time_text(),
        command: operation.argv.join(" "),
        typed: typed(&operation.argv),
        backend: operation.backend.clone(),
        files: operation.files.iter().map(|file| file.path().to_string()).collect(),
        undoes: operation.undoes.clone(),
        state: if Some(&operation.token) == held.as_ref() {
            "unconfirmed".to_owned()
        } else {
            state(operation, &operations)
        },
        rolled_back: operation.rolled_back,
    };
    let mut lines: Vec<Line> = operations.iter().map(line).collect();
    lines.extend(in_flight.iter().map(|operation| Line { state: "interrupted".to_owned(), ..line(operation) }));
    let waiting = store.as_ref().map(|store| Waiting::of(session, store)).transpose()?.flatten();
    let document = Document { command: "history", operations: lines, waiting };
    if session.ui.is_json() {
        session.ui.json(&document);
        return Ok(Exit::Done);
    }
    if document.operations.is_empty() && document.waiting.is_none() {
        session.ui.line("ipalias has changed nothing here yet");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = document
        .operations
        .iter()
        .map(|line| {
            let id = if line.id == 0 { "-".to_owned() } else { line.id.to_string() };
            vec![id, line.time.clone(), line.state.clone(), line.typed.clone(), line.files.join(", ")]
        })
        .collect();
    session.ui.table(&["ID", "WHEN", "STATE", "COMMAND", "FILES"], &rows);
    if let Some(waiting) = &document.waiting {
        session.ui.warn(&waiting.text());
    }
    Ok(Exit::Done)
}

fn typed(argv: &[String]) -> String {
    let name = |word: &String| word.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let first = argv.first().map(name);
    first.into_iter().chain(argv.iter().skip(1).cloned()).collect::<Vec<_>>().join(" ")
}

/// What became of an operation: one that takes it back counts unless it was itself taken back.
fn state(operation: &Operation, all: &[Operation]) -> String {
    if operation.rolled_back {
        return "failed, nothing changed".to_owned();
    }
    match undone_by(operation.id, all) {
        Some(id) => format!("taken back by {id}"),
        None => "in effect".to_owned(),
    }
}

fn undone_by(id: u64, all: &[Operation]) -> Option<u64> {
    // A forged record may take itself back.
    let undoes = |other: &&Operation| other.id > id && !other.rolled_back && other.undoes.contains(&id);
    all.iter().rev().filter(undoes).map(|other| other.id).find(|other| undone_by(*other, all).is_none())
}
