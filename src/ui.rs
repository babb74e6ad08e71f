//! The only place that prints: sentences, tables, diffs and JSON; escaping; colour.
//!
//! Output never fails: a closed terminal or a full disk must not stop a change half-way (see `stream`). On a terminal, text
//! that came from files is shown with its control characters made visible; otherwise a diff is byte-exact, so that `patch`
//! takes it.

mod escape;
mod hold;
mod progress;
mod prose;
mod stream;
mod table;
mod terminal;

use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::{Exit, Failure, Refusal, hint};
use crate::secrets;
pub use escape::visible;
use hold::err;
pub use hold::{Hold, Log};
pub use progress::Waiting;
pub use stream::hurry;
use stream::out;
use terminal::Screen;

/// Columns for the names of fields.
const FIELD: usize = 15;

/// The version of the JSON documents.
pub const JSON_VERSION: u32 = 1;

/// Where colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, serde::Deserialize)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The printer.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    out: Screen,
    err: Screen,
    quiet: bool,
    json: bool,
    /// Whether a step that takes long is told on standard error.
    shows_progress: bool,
}

/// What happened to one address.
#[derive(Debug, Clone, Serialize)]
pub struct AddressLine {
    /// The address with its prefix.
    pub address: String,
    /// Its interface.
    pub interface: String,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// `added`, `activated`, `removed`, `unchanged`.
    pub result: &'static str,
    /// More about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One changed file.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeLine {
    /// Its path inside the root.
    pub path: String,
    /// `created`, `changed` or `deleted`.
    pub result: &'static str,
}

/// A change that waits for confirmation.
#[derive(Debug, Clone, Serialize)]
pub struct ConfirmLine {
    /// Seconds that are left.
    pub seconds: u64,
    /// The end of them, in UTC.
    pub until: String,
    /// Whether files are as they were, so that a restart of the system takes the change back, too.
    pub files_untouched: bool,
}

/// What would be run, in both modes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Commands {
    /// With `--apply auto`, in order, the edit between `before` and `after`.
    pub auto: Vec<String>,
    /// With `--apply restart`.
    pub restart: Vec<String>,
    /// Why `--apply restart` is refused, if it is.
    pub restart_refused: Option<String>,
}

/// The report of `add`, `remove`, `sync` and `rollback`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The verb.
    pub command: &'static str,
    /// `changed`, `unchanged`, `planned` or `unconfirmed`.
    pub result: &'static str,
    /// The backend.
    pub backend: &'static str,
    /// The number of the operation, if one was written.
    pub operation: Option<u64>,
    /// When it is taken back, if it is not confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<ConfirmLine>,
    /// What happened to each address.
    pub addresses: Vec<AddressLine>,
    /// Files.
    pub changes: Vec<ChangeLine>,
    /// The unified diff of all files; bytes that are not UTF-8 are replaced. Only for JSON.
    pub diff: String,
    /// What is run. Only for JSON, and for what is planned.
    pub commands: Commands,
    /// What the administrator should know.
    pub notes: Vec<String>,
}

impl Ui {
    /// A printer as the command line wants it.
    pub fn new(color: Color, quiet: bool, json: bool) -> Ui {
        let [out, err] = [Screen::of(&std::io::stdout(), color), Screen::of(&std::io::stderr(), color)];
        let shows_progress = err.moves && !quiet && !json;
        Ui { out, err, quiet, json, shows_progress }
    }

    /// Whether JSON was asked for.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// A line on standard output, unless `--quiet` or `--json`.
    pub fn line(self, text: &str) {
        if !self.quiet && !self.json {
            out(format!("{}\n", visible(text.as_bytes())).as_bytes());
        }
    }

    /// Whether someone can be asked: both ends are a terminal, and words are wanted.
    pub fn is_interactive(self) -> bool {
        self.out.is_terminal && std::io::stdin().is_terminal() && !self.quiet && !self.json
    }

    /// A line on the terminal that the next one replaces; an empty one clears it. Nothing where that cannot be.
    pub fn progress(self, text: &str) {
        if self.is_interactive() && self.out.moves {
            out(format!("\r\x1b[K{}", visible(text.as_bytes())).as_bytes());
        }
    }

    /// A line that `progress` says better, for terminals on which nothing can be replaced.
    pub fn instead_of_progress(self, text: &str) {
        if !self.out.moves {
            self.line(text);
        }
    }

    /// A warning on standard error.
    pub fn warn(self, text: &str) {
        if !self.json {
            self.message(AnsiColor::Yellow, &secrets::without(text));
        }
    }

    /// A JSON document on standard output.
    pub fn json<T: Serialize>(self, document: &T) {
        #[derive(Serialize)]
        struct Versioned<'a, T> {
            version: u32,
            #[serde(flatten)]
            document: &'a T,
        }
        if let Ok(text) = serde_json::to_string_pretty(&Versioned { version: JSON_VERSION, document }) {
            out(format!("{}\n", escape::json(&text)).as_bytes());
        }
    }

    /// A unified diff, made if it is shown: coloured and escaped on a terminal, byte-exact otherwise.
    pub fn diff<B: AsRef<[u8]>>(self, diff: impl FnOnce() -> B) {
        if self.quiet || self.json {
            return;
        }
        let diff = diff();
        let diff = diff.as_ref();
        if !self.out.is_terminal && !self.out.color {
            return out(diff);
        }
        for line in diff.split_inclusive(|b| *b == b'\n') {
            let style = match line.first() {
                Some(b'+') => self.style(AnsiColor::Green),
                Some(b'-') => self.style(AnsiColor::Red),
                Some(b'@') => self.style(AnsiColor::Cyan),
                _ => Style::new(),
            };
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            out(format!("{style}{}{style:#}\n", visible(text)).as_bytes());
        }
    }

    /// The report of a change.
    pub fn report(self, report: &Report) {
        if self.json {
            return self.json(report);
        }
        for note in &report.notes {
            self.warn(note);
        }
        let most = 20;
        for line in report.addresses.iter().take(most) {
            let label = line.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
            let note = line.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            let planned = report.result == "planned" && line.result != "unchanged";
            let tense = if planned { "to be " } else { "" };
            self.line(&format!("{tense}{} {} on {}{label}{note}", line.result, line.address, line.interface));
        }
        if report.addresses.len() > most {
            self.line(&format!("... and {} more", report.addresses.len() - most));
        }
        if let Some(confirm) = &report.confirm {
            let kept = if confirm.files_untouched { "; no file is changed before" } else { "" };
            let (seconds, until) = (confirm.seconds, &confirm.until);
            self.line(&format!("`ipalias confirm` within {seconds} s keeps it (until {until}){kept}"));
        }
        if report.result == "planned" {
            let list = |commands: &[String]| match commands {
                [] => "nothing to run".to_owned(),
                some if some.len() > most => format!(
                    "{}, ... ({} in all)",
                    some.iter().take(3).cloned().collect::<Vec<_>>().join("; "),
                    some.len()
                ),
                some => some.join("; "),
            };
            self.line(&format!("--apply auto:    {}", list(&report.commands.auto)));
            match &report.commands.restart_refused {
                Some(reason) => self.line(&format!("--apply restart: refused, {reason}")),
                None => self.line(&format!("--apply restart: {}", list(&report.commands.restart))),
            }
        }
    }

    /// A table with a heading and aligned columns, as wide as the terminal at most.
    pub fn table(self, heading: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| visible(cell.as_bytes())).collect()).collect();
        let lines = table::lay_out(heading, &rows, terminal::columns());
        for (number, line) in
            lines.iter().enumerate().flat_map(|(number, lines)| lines.iter().map(move |line| (number, line)))
        {
            let style = if number == 0 && self.out.color { Style::new().bold() } else { Style::new() };
            if !self.quiet {
                out(format!("{style}{line}{style:#}\n").as_bytes());
            }
        }
    }

    /// A line of a name and what is said of it, folded beside the name on a terminal; unless `--quiet` or `--json`.
    pub fn field(self, name: &str, value: &str) {
        for line in table::field(name, &visible(value.as_bytes()), FIELD, terminal::columns()) {
            self.line(&line);
        }
    }

    /// A failure: the whole chain on one line, then what to do about it.
    pub fn error(self, command: &str, error: &anyhow::Error, exit: Exit) {
        let chain = secrets::without(&chain(error));
        let refusal = error.downcast_ref::<Refusal>();
        let hint = hint(error);
        let todo = match error.downcast_ref::<Failure>() {
            Some(Failure::Incomplete { todo, .. }) => todo.clone(),
            _ => Vec::new(),
        };
        if self.json {
            #[derive(Serialize)]
            struct Broken<'a> {
                command: &'a str,
                result: &'static str,
                exit: u8,
                kind: Option<&'static str>,
                error: String,
                path: Option<String>,
                line: Option<usize>,
                hint: Option<String>,
                todo: Vec<String>,
            }
            let place = refusal.and_then(|refusal| refusal.place.as_ref());
            return self.json(&Broken {
                command,
                result: if refusal.is_some() { "refused" } else { "failed" },
                exit: exit as u8,
                kind: refusal.map(|refusal| refusal.kind.word()),
                error: chain,
                path: place.map(|(path, _)| path.to_string()),
                line: place.map(|(_, line)| *line).filter(|line| *line > 0),
                hint,
                todo,
            });
        }
        self.message(AnsiColor::Red, &chain);
        if let Some(hint) = hint {
            err(&format!("hint: {}\n", visible(hint.as_bytes())));
        }
        for command in todo {
            err(&format!("type: {}\n", visible(command.as_bytes())));
        }
    }

    /// A message on standard error, folded between words on a terminal. Only its mark is coloured: yellow on white is hard to
    /// read.
    fn message(self, color: AnsiColor, text: &str) {
        let style = if self.err.color { color.on_default().bold() } else { Style::new() };
        let text = format!("ipalias: {}", visible(text.as_bytes()));
        let lines = match self.err.is_terminal {
            true => table::paragraph(&text, terminal::error_columns()),
            false => text,
        };
        err(&format!("{style}ipalias:{style:#}{}\n", lines.strip_prefix("ipalias:").unwrap_or(&lines)));
    }

    fn style(self, color: AnsiColor) -> Style {
        if self.out.color { color.on_default() } else { Style::new() }
    }
}

/// The error and its causes on one line, without saying anything twice.
fn chain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in error.chain().map(ToString::to_string) {
        if !parts.iter().any(|known| known.contains(&part)) {
            parts.push(part);
        }
    }
    parts.join(": ")
}
