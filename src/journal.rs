//! The record of an operation: what it changed and how to take that back, as JSON in the store.
//!
//! A record on a mounted disk is not trusted further than it has to be: paths are resolved inside the root again, digests
//! are compared, its form is checked here, and its files have to be such as a backend has (see `command::trust`).

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::alias::{Alias, IfName, Label};
use crate::error::Result;
use crate::plan::{Backup, Change};
use crate::root::{RootPath, random};

/// The SHA-256 of a file's bytes, in hex.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Mode, owner and extended attributes of a file, as they are carried over and restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes by name, the ACL and the SELinux label among them.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// One file of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileRecord {
    /// The file's path inside the root, in bytes.
    path: Vec<u8>,
    /// The digest of its old bytes; nothing if it did not exist.
    pub before: Option<String>,
    /// The digest of its new bytes; nothing if it was deleted.
    pub after: Option<String>,
    /// What it was besides bytes; nothing if it did not exist.
    pub metadata: Option<Metadata>,
    /// Whether a `.bak` may stand beside it; where its reader would take that for configuration, it may not.
    #[serde(default)]
    pub beside: bool,
    /// Whether it is no file, but a record of what the running system had, which only commands change.
    #[serde(default)]
    pub record: bool,
}

impl FileRecord {
    /// The record of `change`, whose file is `metadata` besides bytes.
    pub fn new(change: &Change, metadata: Option<Metadata>) -> FileRecord {
        FileRecord {
            path: change.path.as_bytes().to_vec(),
            before: change.before.as_deref().map(digest),
            after: change.after.as_deref().map(digest),
            metadata,
            beside: change.backup == Backup::Beside,
            record: change.backup == Backup::Record,
        }
    }

    /// The file's path inside the root.
    pub fn path(&self) -> RootPath {
        RootPath::new(&self.path)
    }
}

/// What an operation did to the running system, so that a later run can take it back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LiveRecord {
    /// The boot in which that was (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Addresses that it was to bring up: interface, address, label.
    pub added: Vec<(String, ipnet::IpNet, Option<String>)>,
    /// Addresses that it was to take down.
    pub removed: Vec<(String, ipnet::IpNet, Option<String>)>,
    /// Commands that take its steps back while the new files stand.
    pub undo: Vec<Vec<String>>,
    /// Commands that make daemons read the files again.
    pub reread: Vec<Vec<String>>,
    /// Each command of a change without files, with the one that takes it back.
    #[serde(default)]
    pub commands: Vec<(Vec<String>, Vec<String>)>,
    /// Those of `removed` that new connections could have as their source.
    #[serde(default)]
    pub preferred: Vec<IpAddr>,
    /// Commands that have to run on the files before the network starts (netplan's generator).
    #[serde(default)]
    pub generate: Vec<Vec<String>>,
}

impl LiveRecord {
    /// An alias as it is recorded.
    pub fn entry(alias: &Alias) -> (String, ipnet::IpNet, Option<String>) {
        (alias.interface.to_string(), alias.address, alias.label.as_ref().map(ToString::to_string))
    }

    /// The addresses that it took down, as they were.
    pub fn lost(&self) -> impl Iterator<Item = Alias> + '_ {
        self.removed.iter().filter_map(LiveRecord::alias).map(|alias| {
            let preferred = self.preferred.contains(&alias.address.addr());
            Alias { preferred, ..alias }
        })
    }

    /// The alias of a record, if it still is one.
    pub fn alias((interface, address, label): &(String, ipnet::IpNet, Option<String>)) -> Option<Alias> {
        let label = label.as_deref().and_then(|label| Label::new(label).ok());
        Some(Alias { interface: IfName::new(interface).ok()?, address: *address, label, preferred: false })
    }
}

/// The record of one operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    /// Version of this record's format.
    pub format: u32,
    /// Its number; 0 until it has one.
    #[serde(skip)]
    pub id: u64,
    /// Whether it was taken back right away, because it did not hold.
    #[serde(skip)]
    pub rolled_back: bool,
    /// When it began, in seconds since 1970.
    pub time: u64,
    /// The command line.
    pub argv: Vec<String>,
    /// The version of ipalias.
    pub version: String,
    /// The backend.
    pub backend: String,
    /// The random part of its temporary names.
    pub token: String,
    /// The operations that it takes back.
    pub undoes: Vec<u64>,
    /// Its files, in the order of writing.
    pub files: Vec<FileRecord>,
    /// Directories that it created, outermost first.
    dirs: Vec<Vec<u8>>,
    /// What it did to the running system; nothing for another root.
    pub live: Option<LiveRecord>,
    /// What the system's own dump said before; nothing where files are edited.
    #[serde(default)]
    pub dump: Option<String>,
    /// The token of the unconfirmed change that it makes persistent.
    #[serde(default)]
    pub confirms: Option<String>,
}

/// A change that is taken back unless it is confirmed in time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// Version of this record's format.
    pub format: u32,
    /// The random part of the names of its watchdog.
    pub token: String,
    /// The command line.
    pub argv: Vec<String>,
    /// The boot in which it was made (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// When it was made, in seconds since the system started.
    pub since: u64,
    /// When it is taken back, in the same seconds.
    pub deadline: u64,
    /// The same in seconds since 1970, for people: clocks are set.
    pub until: u64,
    /// What it is.
    pub what: Held,
}

/// What waits for confirmation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Held {
    /// Addresses of the running system alone; confirmation carries out the request, which persists them.
    Live {
        /// What was done.
        done: LiveRecord,
        /// The options of the request and its verb, as the command line says them.
        request: serde_json::Value,
    },
    /// An operation on files, by its token.
    Operation {
        /// The token of its record.
        token: String,
    },
}

impl Unconfirmed {
    /// A change that is made now, to be confirmed within `seconds`. `boot` and `uptime` are the running system's.
    pub fn new(argv: Vec<String>, boot: String, uptime: u64, seconds: u64, what: Held) -> Result<Unconfirmed> {
        let (since, deadline) = (uptime, uptime + seconds);
        Ok(Unconfirmed { format: 1, token: token()?, argv, boot, since, deadline, until: now() + seconds, what })
    }

    /// Seconds until it is taken back; 0 once that is due, because the time is over or the system was started anew.
    pub fn left(&self, boot: &str, uptime: u64) -> u64 {
        if self.boot != boot || uptime < self.since { 0 } else { self.deadline.saturating_sub(uptime) }
    }

    /// Its end, as `2026-11-22 21:56:02 UTC`.
    pub fn until_text(&self) -> String {
        date(self.until)
    }
}

impl Operation {
    /// A new operation that has no files yet.
    pub fn new(argv: Vec<String>, backend: &str) -> Result<Operation> {
        Ok(Operation {
            format: 1,
            id: 0,
            rolled_back: false,
            time: now(),
            argv,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            backend: backend.to_owned(),
            token: token()?,
            undoes: Vec::new(),
            files: Vec::new(),
            dirs: Vec::new(),
            live: None,
            dump: None,
            confirms: None,
        })
    }

    /// Refuses a record that ipalias does not write: of another format, with a token that is none, with paths that lead
    /// elsewhere than they say, or with directories that hold none of its files.
    pub fn check_form(&self) -> Result<()> {
        ensure!(self.format == 1, "the record is of a newer version of ipalias");
        // The token becomes part of file names.
        let sound = self.token.len() == 16 && self.token.bytes().all(|b| b.is_ascii_hexdigit());
        ensure!(sound, "the record's token is not one of ipalias");
        let paths = self.files.iter().map(|file| &file.path);
        let plain = |path: &Vec<u8>| !path.contains(&0) && RootPath::new(path).as_bytes() == path && path != b"/";
        ensure!(paths.chain(&self.dirs).all(plain), "the record's paths are not as ipalias writes them");
        let holds = |dir: RootPath| self.files.iter().any(|file| file.path().is_under(&dir));
        ensure!(self.dirs().all(holds), "the record names directories without a file of its own");
        // An owner of -1 means to chown(2) that there is to be no change.
        let possible = |was: &Metadata| was.mode <= 0o7777 && was.uid != u32::MAX && was.gid != u32::MAX;
        let mut metadata = self.files.iter().filter_map(|file| file.metadata.as_ref());
        ensure!(metadata.all(possible), "the record has a mode or an owner that is none");
        Ok(())
    }

    /// Directories that it created, outermost first.
    pub fn dirs(&self) -> impl DoubleEndedIterator<Item = RootPath> + '_ {
        self.dirs.iter().map(RootPath::new)
    }

    /// Notes that `dir` is created by it.
    pub fn creates_dir(&mut self, dir: &RootPath) {
        self.dirs.push(dir.as_bytes().to_vec());
    }

    /// When it began, as `2026-11-22 21:56:02 UTC`.
    pub fn time_text(&self) -> String {
        date(self.time)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as `2026-11-22 21:56:02 UTC`.
fn date(time: u64) -> String {
    let (days, seconds) = (time / 86_400, time % 86_400);
    // Civil date from a day number, by whole 400-year cycles beginning in March.
    let shifted = days + 719_468;
    let (cycle, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = cycle * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The command line of this process, for records and messages; bytes that are no text are replaced.
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Sixteen random hex digits, for names that nobody can foresee.
fn token() -> Result<String> {
    let mut bytes = [0u8; 8];
    random(&mut bytes).context("asking the system for random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let text = |time| Operation { time, ..Operation::new(Vec::new(), "x").unwrap() }.time_text();
        assert_eq!(text(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(text(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(text(1_795_384_562), "2026-11-22 21:56:02 UTC");
        assert_eq!(text(4_107_542_399), "2100-02-28 23:59:59 UTC");
    }
}
