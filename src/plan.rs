//! What is going to happen, as data: changes to files, steps that make them effective, how each is taken back.
//!
//! A plan does nothing by itself. `transaction` carries out its changes, `command` its steps; the diff, the backup, the
//! comparison before writing and the rollback are all read off a [`Change`]'s before and after.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::alias::Alias;
use crate::root::{Root, RootPath};

/// Where the copy of the old bytes is put, besides the generation store that always has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// `FILE.bak` beside the file: its consumer provably does not read that.
    Beside,
    /// Only the store: beside the file a copy would be live configuration.
    StoreOnly,
    /// Nowhere: it is no file, but a record of what the running system has, which only its own commands change.
    Record,
}

/// One file, before and after. Creation has no before, deletion no after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file, with every symbolic link resolved.
    pub path: RootPath,
    /// The bytes the plan was made from.
    pub before: Option<Vec<u8>>,
    /// The bytes to be.
    pub after: Option<Vec<u8>>,
    /// Permission bits for a file that is created; an existing file keeps its own.
    pub mode: u32,
    /// Where the old bytes are kept.
    pub backup: Backup,
}

/// What running a command does to what others have put on the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbs {
    /// Nothing but the addresses of the plan.
    Nothing,
    /// Deletes addresses and routes that stand in no file (added by hand, by a VPN, by keepalived).
    Foreign,
    /// Takes the interface down for a moment, and everything on it.
    Interface,
}

/// A program to run: data, not a process. `runner` finds it, clears its environment and limits its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program name and arguments; a path only below the directories that `runner` names.
    pub argv: Vec<String>,
    /// Longest time it may take.
    pub limit: Duration,
    /// What else it touches.
    pub disturbs: Disturbs,
    /// Whether it has to run on the files before the network starts (a generator of other files).
    pub generates: bool,
    /// Words in its output that mean failure, for a program that exits with 0 all the same; empty for others.
    pub complains: &'static str,
}

impl Command {
    /// A command that touches nothing else and gets two minutes.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Command {
        Command {
            argv: argv.into_iter().map(Into::into).collect(),
            limit: Duration::from_secs(120),
            disturbs: Disturbs::Nothing,
            generates: false,
            complains: "",
        }
    }

    /// The same command with another time limit.
    pub fn within(mut self, limit: Duration) -> Command {
        self.limit = limit;
        self
    }

    /// The same command, which failed if it prints `words`, whatever its exit status.
    pub fn complaining(mut self, words: &'static str) -> Command {
        self.complains = words;
        self
    }

    /// The same command, which turns the files into those that the network is started from.
    pub fn generating(mut self) -> Command {
        self.generates = true;
        self
    }

    /// The same command, known to disturb.
    pub fn disturbing(mut self, what: Disturbs) -> Command {
        self.disturbs = what;
        self
    }
}

/// Something done to the running system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run a program of the system.
    Run(Command),
    /// Put the address on its interface directly; nothing happens if it is there.
    Add(Alias),
    /// Take the address off its interface directly; nothing happens if it is not there.
    Delete(Alias),
}

impl Action {
    /// The address that is put up or taken down directly.
    pub fn alias(&self) -> Option<&Alias> {
        match self {
            Action::Run(_) => None,
            Action::Add(alias) | Action::Delete(alias) => Some(alias),
        }
    }
}

impl fmt::Display for Action {
    /// As a command that an administrator could type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Run(command) => f.write_str(&typed(&command.argv)),
            Action::Add(alias) => {
                write!(f, "ip addr add {} dev {}", alias.address, alias.interface)?;
                if let Some(label) = &alias.label {
                    write!(f, " label {label}")?;
                }
                if alias.address.addr().is_ipv6() && !alias.preferred {
                    f.write_str(" preferred_lft 0")?;
                }
                Ok(())
            }
            Action::Delete(alias) => write!(f, "ip addr del {} dev {}", alias.address, alias.interface),
        }
    }
}

/// Words as a line that a shell takes for them: in quotes where it needs them.
pub fn typed(words: &[impl AsRef<str>]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let quoted = |word: &str| match word.chars().all(plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Putting one address up or down right away, files aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// Puts it up.
    pub up: Action,
    /// Takes it down.
    pub down: Action,
}

impl Direct {
    /// By the kernel itself, as on Linux.
    pub fn by_kernel(alias: &Alias) -> Direct {
        Direct { up: Action::Add(alias.clone()), down: Action::Delete(alias.clone()) }
    }
}

/// An action and how it is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What takes it back while the new files still stand (`ifdown` needs the stanza that is about to go).
    pub undo: Option<Action>,
    /// Whether the same action has to be repeated once the old files are back, because it made a daemon read them.
    pub repeat_after_undo: bool,
}

impl Step {
    /// A step that needs nothing special to be taken back: the addresses it made are removed one by one anyway.
    pub fn new(action: Action) -> Step {
        Step { action, undo: None, repeat_after_undo: false }
    }

    /// The step that puts an address up.
    pub fn up(direct: Direct) -> Step {
        Step::with_undo(direct.up, direct.down)
    }

    /// The step that takes an address down.
    pub fn down(direct: Direct) -> Step {
        Step::with_undo(direct.down, direct.up)
    }

    /// A step taken back by `undo`, which runs while the new files still stand.
    pub fn with_undo(action: Action, undo: Action) -> Step {
        Step { action, undo: Some(undo), repeat_after_undo: false }
    }

    /// A step that makes a daemon read its files, so that an undo has to repeat it with the old files.
    pub fn reread(command: Command) -> Step {
        Step { action: Action::Run(command), undo: None, repeat_after_undo: true }
    }
}

/// The steps around the edit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apply {
    /// Steps that must run while the old files still stand.
    pub before: Vec<Step>,
    /// Steps that run once the new files stand.
    pub after: Vec<Step>,
}

impl Apply {
    /// These steps and then `later`'s, for one edit of all files: each keeps its own order, and a daemon that both make read
    /// its files reads them once.
    pub fn then(self, later: Apply) -> Apply {
        Apply { before: in_one(self.before, later.before), after: in_one(self.after, later.after) }
    }
}

/// `earlier`, then `later`; around what is in both, as it is around that in either.
fn in_one(earlier: Vec<Step>, later: Vec<Step>) -> Vec<Step> {
    let mut rest = earlier.as_slice();
    let (mut all, mut waiting) = (Vec::with_capacity(earlier.len() + later.len()), Vec::new());
    for step in later {
        // Only such a step can be in both, and there are few of them: plans may have 65,536 of the others.
        let at = if step.repeat_after_undo { rest.iter().position(|other| *other == step) } else { None };
        let Some((before, behind)) = at.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) else {
            waiting.push(step);
            continue;
        };
        all.extend_from_slice(before);
        all.append(&mut waiting);
        all.push(step);
        rest = behind;
    }
    all.extend_from_slice(rest);
    all.append(&mut waiting);
    all
}

/// What a [`Check`] gives its program to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// A copy of this file.
    File(RootPath),
    /// A copy of this file, on its standard input.
    Stdin(RootPath),
    /// A folder with a copy of each of these files at its path, for a parser that takes a root of its own.
    Tree(Vec<RootPath>),
}

/// A run of the consumer's own parser, before anything is written: `{}` in `argv` stands for what is staged. The plan is
/// refused if the parser fails on the planned bytes and not on the present ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it reads.
    pub staged: Staged,
    /// The parser.
    pub argv: Vec<String>,
}

/// Everything that a verb is going to do. Without changes and steps there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Files, in the order of writing.
    pub changes: Vec<Change>,
    /// `--apply auto`: the smallest steps of the system's own that make the changes effective.
    pub auto: Apply,
    /// `--apply restart`: the full restart, or why it would lock the administrator out.
    pub restart: Result<Apply, String>,
    /// Parsers to ask before writing.
    pub checks: Vec<Check>,
    /// The system's own command that prints what it has, kept with the old record; empty where files are edited.
    pub dump: Vec<String>,
    /// Addresses that stand in a file without effect and get one by this plan; its notes say so.
    pub wakes: Vec<IpAddr>,
    /// What the administrator should know about this plan.
    pub notes: Vec<String>,
}

impl Plan {
    /// The plan that does nothing.
    pub fn nothing() -> Plan {
        Plan {
            changes: Vec::new(),
            auto: Apply::default(),
            restart: Ok(Apply::default()),
            checks: Vec::new(),
            dump: Vec::new(),
            wakes: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether it changes no file.
    pub fn leaves_files(&self) -> bool {
        self.changes.iter().all(|change| change.before == change.after)
    }

    /// Whether only the system's own commands can make its changes.
    pub fn is_by_command(&self) -> bool {
        self.changes.iter().any(|change| change.backup == Backup::Record && change.before != change.after)
    }

    /// The files that are written, in order.
    pub fn written(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.before != change.after && change.backup != Backup::Record)
    }

    /// This plan and `later`, which was made for the root as this one leaves it, as one: a file goes from what it is to what
    /// `later` makes of it.
    pub fn then(mut self, later: Plan) -> Plan {
        for change in later.changes {
            let Some(earlier) = self.changes.iter_mut().find(|earlier| earlier.path == change.path) else {
                self.changes.push(change);
                continue;
            };
            // What was said of the file is no longer so.
            self.notes.retain(|note| !note.starts_with(&format!("{} ", change.path)));
            (earlier.after, earlier.mode) = (change.after, change.mode);
            if change.backup == Backup::StoreOnly {
                earlier.backup = change.backup;
            }
        }
        self.auto = self.auto.then(later.auto);
        self.restart = match (self.restart, later.restart) {
            (Ok(earlier), Ok(later)) => Ok(earlier.then(later)),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
        };
        self.checks.retain(|check| !later.checks.contains(check));
        self.checks.extend(later.checks);
        if self.dump.is_empty() {
            self.dump = later.dump;
        }
        self.wakes.extend(later.wakes);
        self.notes.retain(|note| !later.notes.contains(note));
        self.notes.extend(later.notes);
        self
    }

    /// The root as it will be when the changes are made.
    pub fn overlay(&self, root: &Root) -> Root {
        root.with_planned(self.changes.iter().map(|change| (change.path.clone(), change.after.clone(), change.mode)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, before: Option<&str>, after: Option<&str>) -> Change {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let (before, after) = (bytes(before), bytes(after));
        Change { path: path.into(), before, after, mode: 0o644, backup: Backup::Beside }
    }

    fn words(steps: &[Step]) -> String {
        steps.iter().map(|step| step.action.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn apply(before: &str, after: &str) -> Apply {
        // What is written in capitals makes a daemon read its files.
        let step = |word: &str| match word.chars().all(char::is_uppercase) {
            true => Step::reread(Command::new([word])),
            false => Step::new(Action::Run(Command::new([word]))),
        };
        let steps = |words: &str| words.split_whitespace().map(step).collect();
        Apply { before: steps(before), after: steps(after) }
    }

    #[test]
    fn words_are_quoted_where_needed() {
        let words = ["ipalias", "--root", "/mnt/a b", "add", "203.0.113.5/32", "it's", ""];
        assert_eq!(typed(&words), r"ipalias --root '/mnt/a b' add 203.0.113.5/32 'it'\''s' ''");
    }

    #[test]
    fn a_file_goes_from_its_first_state_to_its_last() {
        let earlier = Plan {
            changes: vec![change("/a", Some("1"), None), change("/b", Some("2"), Some("3"))],
            notes: vec!["/a stays, empty".to_owned(), "a word".to_owned()],
            ..Plan::nothing()
        };
        let mut private = change("/b", Some("3"), Some("4"));
        private.backup = Backup::StoreOnly;
        let later = Plan {
            changes: vec![private, change("/a", None, Some("5")), change("/c", None, Some("6"))],
            notes: vec!["a word".to_owned(), "another".to_owned()],
            ..Plan::nothing()
        };
        let whole = earlier.then(later);
        let mut b = change("/b", Some("2"), Some("4"));
        b.backup = Backup::StoreOnly;
        assert_eq!(whole.changes, [change("/a", Some("1"), Some("5")), b, change("/c", None, Some("6"))]);
        assert_eq!(whole.notes, ["a word", "another"]);
    }

    #[test]
    fn steps_keep_their_order_and_files_are_read_once() {
        for (earlier, later, all) in [
            ("del", "add", "del add"),
            ("R del", "R", "R del"),
            ("R del", "add R", "add R del"),
            ("del R", "R add", "del R add"),
            ("R S del", "S add", "R S del add"),
            ("R", "S R", "S R"),
            ("del", "del", "del del"),
            ("", "R add", "R add"),
        ] {
            let whole = apply("x", earlier).then(apply("y", later));
            assert_eq!((words(&whole.before), words(&whole.after)), ("x y".to_owned(), all.to_owned()));
        }
    }

    #[test]
    fn a_restart_that_one_half_refuses_is_refused() {
        let refused = Plan { restart: Err("it locks out".to_owned()), ..Plan::nothing() };
        assert_eq!(refused.clone().then(Plan::nothing()).restart, refused.restart);
        assert_eq!(Plan::nothing().then(refused.clone()).restart, refused.restart);
    }
}
