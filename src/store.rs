//! The store in `/var/lib/ipalias` of the root being edited: one folder per operation, and the lock.
//!
//! An operation is written as `.new-TOKEN`, becomes `journal` by one rename before the first configuration file changes,
//! and `000042` by one rename when it is committed. A folder called `journal` therefore *is* an operation in flight, and
//! the two renames are its only states; `rolled-back` inside a numbered folder marks one that was taken back.
//! The folder holds `operation.json` (an [`Operation`]) and the old bytes of its files as `0.before`, `1.before`, ...
//! `pending` is the [`Unconfirmed`] change that waits for `ipalias confirm`, if there is one.
//! Leaves out: the configuration files themselves (see `transaction`).

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::error::{Failure, Kind, Refusal, Result};
use crate::journal::{Operation, Unconfirmed, command_line};
use crate::mutants;
use crate::root::{self, Dir, Root, RootPath, STATE};
use crate::transaction::written_by_others;

/// How long a run waits for another one, as shadow(5)'s tools do.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// How long the end of an unconfirmed change waits for it.
const LONG_LOCK_WAIT: Duration = Duration::from_secs(600);

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

/// The change that waits for confirmation.
const PENDING: &str = "pending";

/// How many operations are kept, how many that did not hold among them, and how many bytes of them; the newest
/// [`ALWAYS_KEPT`] are kept in any case.
const MOST_KEPT: usize = 20;
const MOST_FAILED: usize = 100;
const MOST_KEPT_BYTES: u64 = 16 << 20;
const ALWAYS_KEPT: usize = 2;

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
        self.lock_within(LOCK_WAIT)
    }

    /// The same for what must be done in any case: waits until every step of another run may have taken its time.
    pub fn lock_patiently(&self) -> Result<Lock> {
        self.lock_within(LONG_LOCK_WAIT)
    }

    fn lock_within(&self, limit: Duration) -> Result<Lock> {
        let began = Instant::now();
        let mut file = loop {
            match self.dir.lock_file(b"lock") {
                Err(error) if error.raw_os_error().is_none() => {
                    let reason = format!("{}/lock cannot be locked: {error}", self.path);
                    return Err(Refusal::new(Kind::Malformed, reason, "look at it, and remove it").into());
                }
                Err(error) => return Err(error).context("locking"),
                Ok(Some(file)) => break file,
                Ok(None) if began.elapsed() >= limit => {
                    let mut holder = String::new();
                    // Only for the message.
                    let _ = self.dir.open_file(b"lock").and_then(|file| file.take(4096).read_to_string(&mut holder));
                    return Err(Failure::Locked { holder: holder.trim().to_owned() }.into());
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let words = command_line().join(" ");
        let holder = format!("process {}: {}\n", std::process::id(), words.escape_debug());
        // Only for the message above: a failure to write it does not weaken the lock.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        Ok(Lock { _file: file })
    }

    /// Every committed or taken back operation, oldest first, without the oldest where all together would be too large. A
    /// record that makes no sense is left out; one that cannot be read is an error, since without it another operation would
    /// seem to be the newest.
    pub fn operations(&self) -> Result<Vec<Operation>> {
        let mut all = Vec::new();
        let mut room = MOST_RECORDED_BYTES;
        for id in self.numbers()?.into_iter().rev() {
            let Some((mut operation, size)) = self.load_if_sound(&numbered(id))? else { continue };
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
        if mutants::no_journal() {
            return Ok(());
        }
        self.rename(&fresh(&operation.token), JOURNAL)
    }

    /// Ends the operation in flight and returns its number. This rename is the commit point.
    pub(crate) fn finish(&self, rolled_back: bool) -> Result<u64> {
        let names = self.names()?;
        let journal = if mutants::no_journal() { names.iter().find(|name| name.starts_with(FRESH)) } else { None };
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

    /// The change that waits for confirmation.
    pub fn unconfirmed(&self) -> Result<Option<Unconfirmed>> {
        if !has(&self.dir, PENDING)? {
            return Ok(None);
        }
        let load = || -> Result<Unconfirmed> {
            let found: Unconfirmed = serde_json::from_slice(&read_from(&self.dir, PENDING)?)?;
            anyhow::ensure!(found.format == 1, "the record is of a newer version of ipalias");
            anyhow::ensure!(is_token(&found.token), "the record's token is not one of ipalias");
            Ok(found)
        };
        let broken = || {
            let hint = format!("look at it, put right by hand what it did, and remove {}/{PENDING}", self.path);
            Refusal::new(Kind::Malformed, "the record of an unconfirmed change cannot be read", hint)
        };
        Ok(Some(load().map_err(|error| error.context(broken()))?))
    }

    /// Makes it durable that `change` waits for confirmation.
    pub(crate) fn hold(&self, change: &Unconfirmed) -> Result<()> {
        let fresh = fresh(&change.token);
        write_new(&self.dir, &fresh, &serde_json::to_vec(change).context("encoding the change")?)?;
        self.rename(&fresh, PENDING)
    }

    /// No change waits for confirmation any more.
    pub(crate) fn release(&self) -> Result<()> {
        match self.dir.remove_file(PENDING.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.dir.sync(),
        }
        .context("removing the record of an unconfirmed change")
    }

    /// Removes old operations. The newest one with old bytes of a file stays, so that its `.bak` is still known as ours, and
    /// one that created a directory, so that this goes with the last file in it. Best effort: what stays is only older.
    pub(crate) fn prune(&self) -> Result<()> {
        let numbers = self.numbers()?;
        if numbers.len() <= ALWAYS_KEPT {
            return Ok(());
        }
        let (mut held, mut failed, mut bytes, mut is_open) = (0, 0, 0, true);
        let mut covered = BTreeSet::new();
        for id in numbers.into_iter().rev() {
            let folder = numbered(id);
            let size = self.size(&folder).unwrap_or(0);
            let Ok((operation, _)) = self.load(&folder) else { continue };
            // Without a gap, so that whatever is kept can be taken back.
            is_open &= held + failed < ALWAYS_KEPT
                || (held < MOST_KEPT && failed < MOST_FAILED && bytes + size <= MOST_KEPT_BYTES);
            let mut needed = operation.dirs().next().is_some();
            for file in operation.files.iter().filter(|file| file.before.is_some()) {
                needed |= covered.insert(file.path());
            }
            if is_open || needed {
                let count = if operation.rolled_back { &mut failed } else { &mut held };
                (*count, bytes) = (*count + 1, bytes + size);
            } else {
                self.discard(&folder)?;
            }
        }
        Ok(())
    }

    fn size(&self, folder: &str) -> Result<u64> {
        let dir = self.folder(folder)?;
        let names = dir.names().context("listing an operation")?;
        Ok(names.iter().filter_map(|name| dir.look(name).ok().flatten()).map(|node| node.size).sum())
    }

    /// Operations that a killed run prepared but never began, so that their temporary files can be removed.
    pub(crate) fn abandoned(&self) -> Result<Vec<(String, Option<Operation>)>> {
        let names = self.names()?.into_iter().filter(|name| name.starts_with(FRESH));
        names.map(|name| Ok((name.clone(), self.load_if_sound(&name)?.map(|(operation, _)| operation)))).collect()
    }

    /// Removes a folder of the store, or a file, for good.
    pub(crate) fn discard(&self, folder: &str) -> Result<()> {
        let clear = || -> std::io::Result<()> {
            match self.dir.look(folder.as_bytes())? {
                None => return Ok(()),
                Some(node) if node.kind != root::NodeKind::Directory => {
                    self.dir.remove_file(folder.as_bytes())?;
                    return self.dir.sync();
                }
                Some(_) => {}
            }
            if let Ok(dir) = self.dir.open_dir(folder.as_bytes()) {
                dir.names()?.iter().try_for_each(|name| dir.remove_file(name))?;
            }
            self.dir.remove_dir(folder.as_bytes())?;
            self.dir.sync()
        };
        clear().context("clearing the store")
    }

    /// The folder in which [`Store::prepare`] puts `operation`.
    pub(crate) fn fresh_folder(operation: &Operation) -> String {
        fresh(&operation.token)
    }

    /// Renames a folder durably, or not at all.
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let rename = || {
            self.dir.rename(from.as_bytes(), to.as_bytes())?;
            self.dir.sync().inspect_err(|_| {
                // Not durable, so not done; if this fails, too, the caller finds the state that it did not ask for.
                let _ = self.dir.rename(to.as_bytes(), from.as_bytes());
            })
        };
        rename().with_context(|| format!("renaming {from} to {to} in {}", self.path))
    }

    /// The record in `folder`, and how many bytes it has.
    fn load(&self, folder: &str) -> Result<(Operation, usize)> {
        let bytes = self.read(folder, "operation.json")?;
        let mut operation: Operation = serde_json::from_slice(&bytes).context("reading the record")?;
        operation.check_form()?;
        operation.rolled_back = has(&self.folder(folder)?, ROLLED_BACK)?;
        Ok((operation, bytes.len()))
    }

    /// The record in `folder`; nothing if there is none, or it is torn, foreign or of a newer version.
    fn load_if_sound(&self, folder: &str) -> Result<Option<(Operation, usize)>> {
        match self.load(folder) {
            Ok(operation) => Ok(Some(operation)),
            Err(error) if is_unreadable(&error) && self.has_file(folder, "operation.json")? => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn has_file(&self, folder: &str, name: &str) -> Result<bool> {
        let node = self.folder(folder)?.look(name.as_bytes()).context("looking for a record")?;
        Ok(node.is_some_and(|node| node.kind == root::NodeKind::File))
    }

    fn read(&self, folder: &str, name: &str) -> Result<Vec<u8>> {
        read_from(&self.folder(folder)?, name).with_context(|| format!("reading {folder}/{name}"))
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

fn is_token(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn read_from(dir: &Dir, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    dir.open_file(name.as_bytes()).and_then(|file| file.take(MOST_RECORD_BYTES).read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// Whether something is there that the system could not read.
pub(crate) fn is_unreadable(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind.is_some_and(|kind| !matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory))
}

fn has(dir: &Dir, name: &str) -> Result<bool> {
    Ok(dir.look(name.as_bytes()).with_context(|| format!("looking for {name} in the store"))?.is_some())
}

fn write_new(dir: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = dir.create_file(name.as_bytes())?;
        file.write_all(bytes)?;
        if mutants::no_file_sync() { Ok(()) } else { file.sync_all() }
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

    #[test]
    fn the_bytes_of_the_store_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let store = Store::create(&root).unwrap();
        let change = |path: &str| crate::plan::Change {
            path: path.into(),
            before: Some(b"old".to_vec()),
            after: Some(b"new".to_vec()),
            mode: 0o644,
            backup: crate::plan::Backup::Beside,
        };
        for number in 1..=8 {
            let mut operation = Operation::new(Vec::new(), "ifupdown").unwrap();
            // The first is the only one with old bytes of its file.
            let path = if number == 1 { "/etc/network/interfaces.d/once" } else { "/etc/network/interfaces" };
            operation.files.push(crate::journal::FileRecord::new(&change(path), None));
            store.prepare(&operation, &[Some(&vec![b'x'; 5 << 20])]).unwrap();
            store.begin(&operation).unwrap();
            assert_eq!(store.finish(false).unwrap(), number);
            store.prune().unwrap();
        }
        assert_eq!(store.numbers().unwrap(), BTreeSet::from([1, 6, 7, 8]));
    }
}
