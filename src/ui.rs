//! The only place that prints: sentences, tables, diffs and JSON; escaping; colour.
//!
//! Output never fails: a closed terminal or a full disk must not stop a change half-way (see `stream`). On a terminal, text
//! that came from files is shown with its control characters made visible; otherwise a diff is byte-exact, so that `patch`
//! takes it.

mod prose;
mod stream;

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::{Exit, Failure, Refusal};
use crate::secrets;
pub use stream::hurry;
use stream::out;

/// The widest a column of a table gets.
const MOST_WIDTH: usize = 200;

/// The version of the JSON documents.
pub const JSON_VERSION: u32 = 1;

/// Where colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, serde::Deserialize)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The printer.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    color: bool,
    terminal: bool,
    quiet: bool,
    json: bool,
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
#[derive(Debug, Clone, Serialize)]
pub struct Commands {
    /// With `--apply auto`, in order, the edit between `before` and `after`.
    pub auto: Vec<String>,
    /// With `--apply restart`.
    pub restart: Vec<String>,
    /// Why `--apply restart` is refused, if it is.
    pub restart_refused: Option<String>,
}

/// The report of `add`, `remove` and `rollback`.
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
    /// The unified diff of all files; bytes that are not UTF-8 are replaced.
    pub diff: String,
    /// What is run.
    pub commands: Commands,
    /// What the administrator should know.
    pub notes: Vec<String>,
}

impl Ui {
    /// A printer as the command line wants it.
    pub fn new(color: Color, quiet: bool, json: bool) -> Ui {
        let terminal = std::io::stdout().is_terminal();
        let wanted = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Ui { color: wanted, terminal, quiet, json }
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
        self.terminal && std::io::stdin().is_terminal() && !self.quiet && !self.json
    }

    /// A line on the terminal that the next one replaces; an empty one clears it.
    pub fn progress(self, text: &str) {
        if self.is_interactive() {
            out(format!("\r\x1b[K{}", visible(text.as_bytes())).as_bytes());
        }
    }

    /// A warning on standard error.
    pub fn warn(self, text: &str) {
        if !self.json {
            let style = self.style(AnsiColor::Yellow);
            err(&format!("{style}ipalias: {}{style:#}\n", visible(secrets::without(text).as_bytes())));
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
            out(format!("{}\n", escaped_json(&text)).as_bytes());
        }
    }

    /// A unified diff: coloured and escaped on a terminal, byte-exact otherwise.
    pub fn diff(self, diff: &[u8]) {
        if self.quiet || self.json {
            return;
        }
        if !self.terminal && !self.color {
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

    /// A table with a heading and aligned columns; a cell that is very long is not waited for by the others.
    pub fn table(self, heading: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| visible(cell.as_bytes())).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heading.get(column).map(|head| head.len())).max().unwrap_or(0).min(MOST_WIDTH)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
        for (number, row) in std::iter::once(&heading).chain(&rows).enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let style = if number == 0 && self.color { Style::new().bold() } else { Style::new() };
            if !self.quiet {
                out(format!("{style}{}{style:#}\n", cells.join("  ").trim_end()).as_bytes());
            }
        }
    }

    /// A failure: the whole chain on one line, then what to do about it.
    pub fn error(self, command: &str, error: &anyhow::Error, exit: Exit) {
        let chain = secrets::without(&chain(error));
        let refusal = error.downcast_ref::<Refusal>();
        let hint = refusal.map(|refusal| refusal.hint.clone()).filter(|hint| !hint.is_empty());
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
        let style = self.style(AnsiColor::Red);
        err(&format!("{style}ipalias: {}{style:#}\n", visible(chain.as_bytes())));
        if let Some(hint) = hint {
            err(&format!("hint: {}\n", visible(hint.as_bytes())));
        }
        for command in todo {
            err(&format!("type: {}\n", visible(command.as_bytes())));
        }
    }

    fn style(self, color: AnsiColor) -> Style {
        if self.color { color.on_default() } else { Style::new() }
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

/// `bytes` as text without control over the terminal: C0 (but newline and tab), DEL, C1, what turns or hides text and
/// invalid UTF-8 are shown as `\xNN` or `\u{NNNN}`, a carriage return as `^M`.
pub fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => out.push(c),
                '\r' => out.push_str("^M"),
                '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                _ if misleads(c) => out.push_str(&format!("\\u{{{:04x}}}", u32::from(c))),
                _ => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Whether `c` is a C1 control, or turns or hides the text around it (general category Cf, line and paragraph separators).
fn misleads(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text of a JSON document with such characters escaped, which JSON allows everywhere they can stand.
fn escaped_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\x7f' || misleads(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Messages that wait until a change is done; nothing while none is in flight.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// How much of them is kept, in bytes.
const MOST_HELD: usize = 64 << 10;

/// While it lives no message is written: a terminal at the far end of a connection that the change has cut would block.
pub struct Hold(());

impl Hold {
    /// Messages wait from here on.
    pub fn messages() -> Hold {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        Hold(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let waiting = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream::err(&waiting.unwrap_or_default());
    }
}

/// Standard error as the log writes to it.
pub struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) if held.len() < MOST_HELD => held.extend_from_slice(bytes),
            Some(_) => {}
            None => stream::err(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn err(text: &str) {
    let _ = Log.write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible(b"a\tb\n"), "a\tb\n");
        assert_eq!(visible(b"\x1b[2J\x07\x7f\r"), "\\x1b[2J\\x07\\x7f^M");
        assert_eq!(visible("\u{9b}\u{202e}ä\u{2066}".as_bytes()), "\\u{009b}\\u{202e}ä\\u{2066}");
        assert_eq!(visible(b"caf\xe9"), "caf\\xe9");
        assert_eq!(visible("a\u{61c}b\u{e0041}".as_bytes()), "a\\u{061c}b\\u{e0041}");
        let every: Vec<u8> = (0..=255).collect();
        assert!(visible(&every).chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    }
    #[test]
    fn nothing_in_json_steers_the_terminal() {
        let name = "a\u{9b}2J\u{7f}\u{202e}\u{e0041}\x1b ä";
        let text = escaped_json(&serde_json::to_string(name).unwrap());
        assert_eq!(text, r#""a\u009b2J\u007f\u202e\udb40\udc41\u001b ä""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }
}
