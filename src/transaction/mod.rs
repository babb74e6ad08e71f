//! The only writer: backup, stage, compare, exchange, undo; all files of an operation or none.
//!
//! Order (each line is durable before the next begins): the record and the old bytes in the store; a complete temporary
//! file with mode, owner, ACL and labels beside each file, and `.bak`; the record becomes the journal; each temporary file
//! changes places with its file (`renameat2(2)`, `RENAME_EXCHANGE`) and what was displaced is compared with what the plan
//! was made from; commit. A killed run leaves the journal, and the next run puts the old bytes back.
//! Leaves out: programs and live addresses (see `command::perform`).

mod metadata;
mod preflight;
mod replace;

use std::collections::BTreeMap;
use std::io::ErrorKind;

use anyhow::Context as _;

use crate::error::{Kind, Refusal, Result};
use crate::journal::{FileRecord, Metadata, Operation, digest};
use crate::plan::{Backup, Change, Plan};
use crate::root::{self, Root, RootPath};
use crate::store::{self, Store};
use metadata::{metadata_of, new_file_metadata};
pub(crate) use preflight::written_by_others;
use replace::{Staged, remove_temp, stage, temp_name, write_temp};

/// An operation in flight: written or about to be, not yet committed.
pub struct Transaction<'a> {
    root: &'a Root,
    store: &'a Store,
    operation: Operation,
    staged: Vec<Staged>,
    /// Whether what each of them displaces may stay beside its file for as long as the change is in the balance.
    keeps: Vec<bool>,
    /// How many files were replaced: the others are not ours to put back.
    replaced: usize,
    /// Sentences about backups that the administrator should read.
    pub notes: Vec<String>,
}

/// What an interrupted run left, and what became of it.
#[derive(Debug)]
pub struct Recovered {
    /// Its record.
    pub operation: Operation,
    /// Files that are neither as before nor as after it: left alone.
    pub conflicts: Vec<RootPath>,
}

impl<'a> Transaction<'a> {
    /// Stages every change of `plan` and makes the journal durable. `metadata` is for files that are created again.
    /// Nothing has changed if this fails.
    pub fn begin(
        root: &'a Root,
        store: &'a Store,
        plan: &Plan,
        mut operation: Operation,
        metadata: &BTreeMap<RootPath, Metadata>,
    ) -> Result<Transaction<'a>> {
        root.lift_limits();
        let records = plan.changes.iter().filter(|change| change.backup == Backup::Record);
        let changes: Vec<&Change> = plan.written().collect();
        let mut wanted = Vec::new();
        for change in &changes {
            preflight::may_replace(root, change)?;
            preflight::unchanged(root, change)?;
            let own = metadata_of(root, &change.path)?;
            operation.files.push(FileRecord::new(change, own.clone()));
            for dir in missing_dirs(root, &change.path.parent())? {
                operation.creates_dir(&dir);
            }
            let kept = own.or_else(|| metadata.get(&change.path).cloned());
            wanted.push(match kept {
                Some(kept) => kept,
                None => new_file_metadata(root, change)?,
            });
        }
        let mut images: Vec<Option<&[u8]>> = changes.iter().map(|change| change.before.as_deref()).collect();
        for record in records.clone() {
            operation.files.push(FileRecord::new(record, None));
            images.push(record.before.as_deref());
        }
        store.prepare(&operation, &images)?;
        let mut transaction = Transaction {
            root,
            store,
            operation,
            staged: Vec::new(),
            keeps: Vec::new(),
            replaced: 0,
            notes: Vec::new(),
        };
        let staged = transaction.stage_all(&changes, &wanted);
        let staged = staged.and_then(|()| records.into_iter().try_for_each(|record| transaction.keep(record)));
        match staged.and_then(|()| store.begin(&transaction.operation)) {
            Ok(()) => Ok(transaction),
            Err(error) => {
                // Best effort: whatever stays is removed by the next run, from the record.
                let _ = remove_temps(root, &transaction.operation);
                let _ = store.discard(&Store::fresh_folder(&transaction.operation));
                Err(error)
            }
        }
    }

    fn stage_all(&mut self, changes: &[&Change], wanted: &[Metadata]) -> Result<()> {
        for (change, metadata) in changes.iter().zip(wanted) {
            for dir in store::make_dirs(self.root, &change.path.parent(), 0o755)? {
                tracing::debug!("created {dir}");
            }
            let token = &self.operation.token;
            let expect = change.before.as_deref().map(digest);
            let staged = stage(self.root, &change.path, change.after.as_deref(), metadata, expect, token)?;
            self.staged.push(staged);
            self.keeps.push(change.backup == Backup::Beside);
            self.back_up(change, metadata)?;
        }
        self.sync_dirs()
    }

    /// Makes the names in the directories of all files durable, each directory once.
    fn sync_dirs(&self) -> Result<()> {
        let dirs: BTreeMap<RootPath, &Staged> =
            self.staged.iter().map(|staged| (staged.path.parent(), staged)).collect();
        dirs.values().try_for_each(|staged| staged.sync_dir())
    }

    /// Puts what a record said, and the system's own dump, into `NAME.bak` in the store, for people.
    fn keep(&mut self, record: &Change) -> Result<()> {
        let name = [record.path.name(), b".bak"].concat();
        let dump = self.operation.dump.as_deref().unwrap_or_default();
        let text = [record.before.as_deref().unwrap_or_default(), b"\n", dump.as_bytes()].concat();
        self.store.keep(&name, &text, &self.operation)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        self.notes.push(format!("what the system had before is in {}/{name}", self.store.path()));
        Ok(())
    }

    /// Puts the old bytes into `FILE.bak`, unless somebody else's file has that name.
    fn back_up(&mut self, change: &Change, metadata: &Metadata) -> Result<()> {
        // A file that goes is one that ipalias made; beside nothing, its copy would only keep a directory from going, too.
        let (Some(before), Some(_)) = (&change.before, &change.after) else { return Ok(()) };
        let folder = self.store.path();
        if change.backup != Backup::Beside {
            self.notes.push(format!(
                "the old {} is kept in {folder} (a .bak beside it would be read as configuration)",
                change.path
            ));
            return Ok(());
        }
        let recorded = self.store.operations()?;
        let ours = |bytes: &[u8]| {
            let found = digest(bytes);
            recorded
                .iter()
                .flat_map(|operation| &operation.files)
                .any(|file| file.before.as_deref() == Some(found.as_str()))
        };
        for suffix in [".bak", ".ipalias.bak"] {
            let name = [change.path.name(), suffix.as_bytes()].concat();
            let path = change.path.parent().join(&name);
            if name.len() > 255 {
                break;
            }
            let place = self.root.walk(&path, false)?;
            let dir = place.dir.with_context(|| format!("the directory of {path} is missing"))?;
            let expect = match dir.look(&name).context("looking for a backup")? {
                Some(node) if node.names != 1 => continue,
                Some(_) => match self.root.link_target(&path)?.is_none().then(|| self.root.read(&path)) {
                    Some(Ok(Some(bytes))) if bytes == *before => return Ok(()),
                    Some(Ok(Some(bytes))) if ours(&bytes) => Some(digest(&bytes)),
                    _ => continue,
                },
                None => None,
            };
            let temp = temp_name(&name, &self.operation.token);
            let original = dir.look(change.path.name()).context("looking at the original")?;
            write_temp(&dir, &temp, before, metadata, original.and_then(|node| node.modified))?;
            let staged = Staged::written(path.clone(), dir, temp, expect);
            let swapped = staged.swap();
            staged.remove_temp()?;
            match swapped {
                // Somebody else has put a file there just now.
                Err(error) if error.is::<Refusal>() => continue,
                swapped => swapped?,
            }
            if suffix != ".bak" {
                self.notes.push(format!("the old {0} is in {path}, since {0}.bak is not ours", change.path));
            }
            return Ok(());
        }
        self.notes
            .push(format!("the old {} is kept in {folder} only, since the names for a .bak are taken", change.path));
        Ok(())
    }

    /// The record of the operation.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Replaces every file. On an error nothing is left half-done for long: the caller calls [`Transaction::undo`].
    pub fn write(&mut self) -> Result<()> {
        for (index, (staged, keeps)) in self.staged.iter().zip(&self.keeps).enumerate() {
            self.replaced = index + 1;
            if let Err(error) = staged.swap() {
                // Somebody else was faster, and has the place.
                let refused = error.downcast_ref::<Refusal>().is_some();
                self.replaced -= usize::from(refused);
                return Err(error);
            }
            if !keeps {
                staged.settle()?;
            }
        }
        self.sync_dirs()
    }

    /// Removes what was displaced, once the change holds: the last step before [`Transaction::commit`].
    pub fn settle(&mut self) -> Result<()> {
        self.staged.iter().try_for_each(Staged::settle)?;
        self.sync_dirs()?;
        let deleted = self.staged.iter().filter(|staged| !staged.replaces);
        let parents: Vec<RootPath> = deleted.map(|staged| staged.path.parent()).collect();
        self.remove_own_dirs(&parents)
    }

    /// Removes directories that ipalias once created and that are empty now.
    fn remove_own_dirs(&self, parents: &[RootPath]) -> Result<()> {
        if parents.is_empty() {
            return Ok(());
        }
        let operations = self.store.operations()?;
        let own: Vec<RootPath> = operations.iter().flat_map(Operation::dirs).collect();
        for parent in parents {
            let mut dir = parent.clone();
            while own.contains(&dir) {
                remove_empty_dir(self.root, &dir)?;
                dir = dir.parent();
            }
        }
        Ok(())
    }

    /// Makes the operation final; returns its number. After this only `rollback` takes it back. If it fails, the operation
    /// is still in flight, for [`Transaction::undo`].
    pub fn commit(&self) -> Result<u64> {
        self.store.finish(false)
    }

    /// Puts every file back as it was and closes the operation as rolled back. Returns files that somebody else changed
    /// meanwhile; with those the journal stays.
    pub fn undo(self) -> Result<Vec<RootPath>> {
        put_back(self.root, self.store, &self.operation, self.replaced)
    }
}

/// Refuses a plan that would write where nobody may, before so much as the store is created.
pub fn may_write(root: &Root, plan: &Plan) -> Result<()> {
    plan.written().try_for_each(|change| preflight::may_replace(root, change))
}

/// Takes back what an interrupted run left: restores its files, removes its temporary files. Needs the lock.
pub fn recover(root: &Root, store: &Store) -> Result<Option<Recovered>> {
    let root = &root.unlimited();
    for (folder, operation) in store.abandoned()? {
        if let Some(operation) = operation.filter(|operation| preflight::may_be_own(root, operation).is_ok()) {
            remove_temps(root, &operation)?;
        }
        store.discard(&folder)?;
    }
    let Some(operation) = store.pending()? else { return Ok(None) };
    preflight::may_be_own(root, &operation)?;
    let conflicts = put_back(root, store, &operation, usize::MAX)?;
    Ok(Some(Recovered { operation, conflicts }))
}

/// Puts the first `replaced` files back.
fn put_back(root: &Root, store: &Store, operation: &Operation, replaced: usize) -> Result<Vec<RootPath>> {
    let mut conflicts = Vec::new();
    let files = operation.files.iter().enumerate().take(replaced);
    for (index, file) in files.rev().filter(|(_, file)| !file.record) {
        let path = file.path();
        let now = root.read(&path)?.as_deref().map(digest);
        if now == file.before {
            continue;
        }
        if now != file.after {
            // With the new file still beside it, it never had its place: somebody else was faster, and nothing is to be undone.
            let (after, token) = (file.after.as_deref(), &operation.token);
            let waits = |after| Staged::displaced(root, &path, after, None, token).map(|staged| staged.is_some());
            if !after.map(waits).transpose()?.unwrap_or(false) {
                conflicts.push(path);
            }
            continue;
        }
        let staged = old_file(root, store, operation, index, file)?;
        staged.sync_dir()?;
        staged.swap()?;
        staged.sync_dir()?;
    }
    remove_temp_files(root, operation)?;
    remove_dirs(root, operation)?;
    if conflicts.is_empty() {
        store.finish(true)?;
    }
    Ok(conflicts)
}

/// The old file, ready to take its place again: the file itself where it is still there, otherwise made from the store.
fn old_file(root: &Root, store: &Store, operation: &Operation, index: usize, file: &FileRecord) -> Result<Staged> {
    let (path, token) = (file.path(), &operation.token);
    if let Some(before) = &file.before {
        if let Some(staged) = Staged::displaced(root, &path, before, file.after.clone(), token)? {
            return Ok(staged);
        }
    }
    let image = file.before.is_some().then(|| store.image(None, index)).transpose()?;
    if image.as_deref().map(digest) != file.before {
        let hint = "restore the file by hand";
        return Err(Refusal::new(Kind::Malformed, "the old bytes in the store are damaged", hint).at(&path, 0).into());
    }
    if image.is_some() {
        for dir in store::make_dirs(root, &path.parent(), 0o755)? {
            tracing::debug!("created {dir} again");
        }
    }
    remove_temp_file(root, &path, token)?;
    let metadata = file.metadata.clone().unwrap_or(Metadata { mode: 0o644, uid: 0, gid: 0, xattrs: Vec::new() });
    stage(root, &path, image.as_deref(), &metadata, file.after.clone(), token)
}

fn remove_temps(root: &Root, operation: &Operation) -> Result<()> {
    remove_temp_files(root, operation)?;
    remove_dirs(root, operation)
}

/// Removes the operation's temporary files, for good: its record, which names them, goes only after that.
fn remove_temp_files(root: &Root, operation: &Operation) -> Result<()> {
    let mut dirs = BTreeMap::new();
    for file in &operation.files {
        let path = file.path();
        remove_temp_file(root, &path, &operation.token)?;
        let parent = path.parent();
        if let Some(dir) = root.walk(&path, false)?.dir {
            dirs.insert(parent, dir);
        }
    }
    dirs.iter().try_for_each(|(path, dir)| dir.sync().with_context(|| format!("syncing {path}")))
}

/// Removes the temporary files of the file at `path` and of its backups.
fn remove_temp_file(root: &Root, path: &RootPath, token: &str) -> Result<()> {
    let name = path.name();
    let backups = [".bak", ".ipalias.bak"].map(|suffix| [name, suffix.as_bytes()].concat());
    let Some(dir) = root.walk(path, false)?.dir else { return Ok(()) };
    for name in [name.to_vec()].iter().chain(&backups) {
        remove_temp(&dir, &temp_name(name, token))?;
    }
    Ok(())
}

fn remove_dirs(root: &Root, operation: &Operation) -> Result<()> {
    operation.dirs().rev().try_for_each(|dir| remove_empty_dir(root, &dir))
}

fn remove_empty_dir(root: &Root, path: &RootPath) -> Result<()> {
    let place = root.walk(path, false)?;
    let Some(parent) = place.dir else { return Ok(()) };
    match parent.remove_dir(place.path.name()) {
        Ok(()) => parent.sync().with_context(|| format!("removing {path}")),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory => Ok(()),
            _ => Err(error).with_context(|| format!("removing {path}")),
        },
    }
}

fn missing_dirs(root: &Root, dir: &RootPath) -> Result<Vec<RootPath>> {
    let mut missing = Vec::new();
    let mut at = dir.clone();
    while root.kind(&at)? == root::NodeKind::Absent {
        missing.insert(0, at.clone());
        at = at.parent();
    }
    Ok(missing)
}
