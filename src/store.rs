//! The store in `/var/lib/ipalias` of the root being edited: one folder per operation, and the lock.
//!
//! An operation is written as `.new-TOKEN`, becomes `journal` by one rename before the first configuration file changes,
//! and `000042` by one rename when it is committed. A folder called `journal` therefore *is* an operation in flight, and
//! the two renames are its only states; `rolled-back` inside a numbered folder marks one that was taken back.
//! The folder holds `operation.json` (an [`Operation`]) and the old bytes of its files as `0.before`, `1.before`, ...
//! Leaves out: the configuration files themselves (see `transaction`).

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::error::{Failure, Kind, Refusal, Result};
use crate::journal::{Operation, command_line};
use crate::mutants;
use crate::root::{self, Dir, Root, RootPath, STATE};
use crate::transaction::written_by_others;

/// How long a run waits for another one, as shadow(5)'s tools do.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// The largest record or image that is read from a store.
const MOST_RECORD_BYTES: u64 = 2 * root::MOST_FILE_BYTES as u64;

/// The most bytes that all records together have which one run reads, the newest first.
const MOST_RECORDED_BYTES: usize = 32 << 20;

/// The highest number of an operation. A folder with a higher one is none of ours.
const MOST_OPERATIONS: u64 = 999_999_999;

/// The folder of the operation in flight.
const JOURNAL: &str = "journal";

/// What the folder of an operation that has not begun is called, before its token.
const FRESH: &str = ".new-";

/// The mark of an operation that was taken back.
const ROLLED_BACK: &str = "rolled-back";

/// The store of one root.
pub struct Store {
    dir: Dir,
    path: RootPath,
}

/// The right to change the root: held for the whole of an operation, freed by the kernel if the process dies.
pub struct Lock {
    _file: std::fs::File,
}

impl Store {
    /// The store of `root`, if there is one.
    pub fn open(root: &Root) -> Result<Option<Store>> {
        let path = place(root)?;
        let found = root.walk(&path, true)?;
        let Some(parent) = found.dir else { return Ok(None) };
        match parent.open_dir(found.path.name()) {
            Ok(dir) => {
                if root.is_live() {
                    owned(root, &path)?;
                }
                Ok(Some(Store { dir, path }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("opening the store {path}")),
        }
    }

    /// The store of `root`, created if there is none.
    pub fn create(root: &Root) -> Result<Store> {
        let path = place(root)?;
        make_dirs(root, &path.parent(), 0o755)?;
        make_dirs(root, &path, 0o700)?;
        Store::open(root)?.with_context(|| format!("the store {path} vanished"))
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &RootPath {
        &self.path
    }

    /// Takes the lock, waiting for another run for up to 15 seconds. The file is never replaced, only locked.
    pub fn lock(&self) -> Result<Lock> {
        let began = Instant::now();
        let mut file = loop {
            match self.dir.lock_file(b"lock") {
                Err(error) if error.raw_os_error().is_none() => {
                    let reason = format!("{}/lock cannot be locked: {error}", self.path);
                    return Err(Refusal::new(Kind::Malformed, reason, "look at it, and remove it").into());
                }
                Err(error) => return Err(error).context("locking"),
                Ok(Some(file)) => break file,
                Ok(None) if began.elapsed() >= LOCK_WAIT => {
                    let mut holder = String::new();
                    // Only for the message.
                    let _ = self.dir.open_file(b"lock").and_then(|file| file.take(4096).read_to_string(&mut holder));
                    return Err(Failure::Locked { holder: holder.trim().to_owned() }.into());
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let words = command_line().join(" ");
        // Only for the message above: a failure to write it does not weaken the lock.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "process {}: {}", std::process::id(), words.escape_debug());
        Ok(Lock { _file: file })
    }

    /// Every committed or taken back operation, oldest first. A record that cannot be read is left out, and so are the oldest
    /// where all together would be too large.
    pub fn operations(&self) -> Result<Vec<Operation>> {
        let mut all = Vec::new();
        let mut room = MOST_RECORDED_BYTES;
        for id in self.numbers()?.into_iter().rev() {
            let Ok((mut operation, size)) = self.load(&numbered(id)) else { continue };
            let Some(left) = room.checked_sub(size) else { break };
            room = left;
            operation.id = id;
            all.push(operation);
        }
        all.reverse();
        Ok(all)
    }

    /// The operation in flight, which a killed run left behind.
    pub fn pending(&self) -> Result<Option<Operation>> {
        if !has(&self.dir, JOURNAL)? {
            return Ok(None);
        }
        let broken = || {
            Refusal::new(Kind::Malformed, "the journal of an interrupted operation cannot be read", self.broken_hint())
        };
        Ok(Some(self.load(JOURNAL).map_err(|error| error.context(broken()))?.0))
    }

    /// Whether a killed run left anything: an operation in flight, or one that was prepared and never began.
    pub fn is_unfinished(&self) -> Result<bool> {
        Ok(self.names()?.iter().any(|name| name == JOURNAL || name.starts_with(FRESH)))
    }

    fn broken_hint(&self) -> String {
        format!(
            "compare the files named in {0}/journal with their old bytes there, put them right, and remove {0}/journal",
            self.path
        )
    }

    /// The old bytes of file number `index` of operation `id` (nothing: the operation in flight).
    pub fn image(&self, id: Option<u64>, index: usize) -> Result<Vec<u8>> {
        let folder = id.map_or_else(|| JOURNAL.to_owned(), numbered);
        self.read(&folder, &format!("{index}.before"))
    }

    /// Writes the folder of an operation that has not begun, all of it synced.
    pub(crate) fn prepare(&self, operation: &Operation, images: &[Option<&[u8]>]) -> Result<()> {
        let room = self.numbers()?.last().is_none_or(|id| *id < MOST_OPERATIONS);
        anyhow::ensure!(room, "the store {} has no number left for an operation", self.path);
        let folder = fresh(&operation.token);
        self.dir.make_dir(folder.as_bytes(), 0o700).context("creating the operation's folder")?;
        let dir = self.dir.open_dir(folder.as_bytes()).context("opening the operation's folder")?;
        for (index, image) in images.iter().enumerate() {
            if let Some(bytes) = image {
                write_new(&dir, &format!("{index}.before"), bytes)?;
            }
        }
        write_new(&dir, "operation.json", &serde_json::to_vec(operation).context("encoding the operation")?)?;
        dir.sync().context("syncing the operation's folder")?;
        self.dir.sync().context("syncing the store")
    }

    /// Writes a file of the store that people may read, replacing the one of an earlier operation.
    pub(crate) fn keep(&self, name: &[u8], bytes: &[u8], operation: &Operation) -> Result<()> {
        let fresh = format!("{}{}", operation.token, String::from_utf8_lossy(name));
        write_new(&self.dir, &fresh, bytes)?;
        self.dir.rename(fresh.as_bytes(), name).with_context(|| format!("writing a backup in {}", self.path))
    }

    /// Makes the prepared operation the one in flight: from here on the next run takes it back if this one dies.
    pub(crate) fn begin(&self, operation: &Operation) -> Result<()> {
        if mutants::NO_JOURNAL {
            return Ok(());
        }
        self.rename(&fresh(&operation.token), JOURNAL)
    }

    /// Ends the operation in flight and returns its number. This rename is the commit point.
    pub(crate) fn finish(&self, rolled_back: bool) -> Result<u64> {
        let names = self.names()?;
        let journal = if mutants::NO_JOURNAL { names.iter().find(|name| name.starts_with(FRESH)) } else { None };
        let journal = journal.map_or(JOURNAL, String::as_str);
        if rolled_back {
            let dir = self.dir.open_dir(journal.as_bytes()).context("opening the journal")?;
            match write_new(&dir, ROLLED_BACK, b"") {
                Err(error) if !has(&dir, ROLLED_BACK)? => return Err(error),
                _ => dir.sync().context("syncing the journal")?,
            }
        }
        let id = self.numbers()?.into_iter().max().unwrap_or(0) + 1;
        self.rename(journal, &numbered(id))?;
        Ok(id)
    }

    /// Operations that a killed run prepared but never began, so that their temporary files can be removed.
    pub(crate) fn abandoned(&self) -> Result<Vec<(String, Option<Operation>)>> {
        let names = self.names()?.into_iter().filter(|name| name.starts_with(FRESH));
        Ok(names.map(|name| (name.clone(), self.load(&name).ok().map(|(operation, _)| operation))).collect())
    }

    /// Removes a folder of the store.
    pub(crate) fn discard(&self, folder: &str) -> Result<()> {
        let clear = || -> std::io::Result<()> {
            if let Ok(dir) = self.dir.open_dir(folder.as_bytes()) {
                dir.names()?.iter().try_for_each(|name| dir.remove_file(name))?;
            }
            self.dir.remove_dir(folder.as_bytes())
        };
        clear().context("clearing the store")
    }

    /// The folder in which [`Store::prepare`] puts `operation`.
    pub(crate) fn fresh_folder(operation: &Operation) -> String {
        fresh(&operation.token)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let renamed = self.dir.rename(from.as_bytes(), to.as_bytes()).and_then(|()| self.dir.sync());
        renamed.with_context(|| format!("renaming {from} to {to} in {}", self.path))
    }

    /// The record in `folder`, and how many bytes it has.
    fn load(&self, folder: &str) -> Result<(Operation, usize)> {
        let bytes = self.read(folder, "operation.json")?;
        let mut operation: Operation = serde_json::from_slice(&bytes).context("reading the record")?;
        operation.check_form()?;
        operation.rolled_back = has(&self.folder(folder)?, ROLLED_BACK)?;
        Ok((operation, bytes.len()))
    }

    fn read(&self, folder: &str, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.folder(folder)?.open_file(name.as_bytes());
        let read = file.and_then(|file| file.take(MOST_RECORD_BYTES).read_to_end(&mut bytes));
        read.with_context(|| format!("reading {folder}/{name}"))?;
        Ok(bytes)
    }

    fn folder(&self, name: &str) -> Result<Dir> {
        self.dir.open_dir(name.as_bytes()).with_context(|| format!("opening {name} in {}", self.path))
    }

    /// The numbers of all operations, in no order.
    pub fn numbers(&self) -> Result<BTreeSet<u64>> {
        let number = |name: String| name.parse().ok().filter(|id| *id <= MOST_OPERATIONS && numbered(*id) == name);
        Ok(self.names()?.into_iter().filter_map(number).collect())
    }

    fn names(&self) -> Result<Vec<String>> {
        let names = self.dir.names().context("listing the store")?;
        Ok(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }
}

/// `/var/lib/ipalias`, or `/etc/.ipalias` on a mounted disk whose separate `/var` is not mounted: there the record would
/// be hidden under the mount point at the next boot.
fn place(root: &Root) -> Result<RootPath> {
    if root.is_live() {
        return Ok(STATE.into());
    }
    let fstab = root.read(&"/etc/fstab".into())?.unwrap_or_default();
    let separate = String::from_utf8_lossy(&fstab).lines().any(|line| {
        !line.trim_start().starts_with('#') && matches!(line.split_whitespace().nth(1), Some("/var" | "/var/lib"))
    });
    let device =
        |path: &RootPath| -> Result<Option<u64>> { Ok(root.walk(path, true)?.node.map(|node| node.identity.0)) };
    let mounted =
        device(&"/var".into())? != device(&"/etc".into())? || device(&"/var/lib".into())? != device(&"/var".into())?;
    Ok(if separate && !mounted { "/etc/.ipalias".into() } else { "/var/lib/ipalias".into() })
}

/// Refuses a store that somebody other than root could write to: its records say which files are put back and which commands
/// are run.
fn owned(root: &Root, path: &RootPath) -> Result<()> {
    let path = root.resolve(path)?;
    let open = root.access(&path)?.is_some_and(|access| access.mode & 0o022 != 0);
    let Some(at) = written_by_others(root, &path)?.or_else(|| open.then(|| path.clone())) else { return Ok(()) };
    let hint = format!("look at what is in {path}; if it is sound: chown root {at} && chmod go-w {at}");
    let reason = "others than root can write to the records of ipalias";
    Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&at, 0).into())
}

fn numbered(id: u64) -> String {
    format!("{id:06}")
}

fn fresh(token: &str) -> String {
    format!("{FRESH}{token}")
}

/// Creates `path` and what is missing above it with `mode`; returns what was created, outermost first.
pub(crate) fn make_dirs(root: &Root, path: &RootPath, mode: u32) -> Result<Vec<RootPath>> {
    let mut missing = Vec::new();
    let mut at = path.clone();
    while root.kind(&at)? == root::NodeKind::Absent {
        missing.push(at.clone());
        at = at.parent();
    }
    missing.reverse();
    for dir in &missing {
        let place = root.walk(dir, true)?;
        let parent = place.dir.with_context(|| format!("the directory above {dir} is missing"))?;
        match parent.make_dir(place.path.name(), mode) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("creating {dir}"));
            }
            _ => parent.sync().with_context(|| format!("creating {dir}"))?,
        }
    }
    Ok(missing)
}

fn has(dir: &Dir, name: &str) -> Result<bool> {
    Ok(dir.look(name.as_bytes()).with_context(|| format!("looking for {name} in the store"))?.is_some())
}

fn write_new(dir: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = dir.create_file(name.as_bytes())?;
        file.write_all(bytes)?;
        if mutants::NO_FILE_SYNC { Ok(()) } else { file.sync_all() }
    };
    write().with_context(|| format!("writing {name} in the store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_on_an_unmounted_var_would_be_hidden() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        std::fs::create_dir_all(dir.path().join("var/lib")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(place(&root).unwrap(), "/var/lib/ipalias".into());
        std::fs::write(dir.path().join("etc/fstab"), "# /dev/x /var ext4\n/dev/sdb1 /var ext4 defaults 0 2\n").unwrap();
        assert_eq!(place(&root).unwrap(), "/etc/.ipalias".into());
    }
}
