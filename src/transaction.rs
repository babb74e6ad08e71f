//! The only writer: backup, stage, compare, exchange, undo; all files of an operation or none.
//!
//! Order (each line is durable before the next begins): the record and the old bytes in the store; a complete temporary
//! file with mode, owner, ACL and labels beside each file, and `.bak`; the record becomes the journal; each temporary file
//! changes places with its file (`renameat2(2)`, `RENAME_EXCHANGE`) and what was displaced is compared with what the plan
//! was made from; commit. A killed run leaves the journal, and the next run puts the old bytes back.
//! Leaves out: programs and live addresses (see `command::perform`).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use anyhow::Context as _;
use rustix::fs::{self as sys, AtFlags, FallocateFlags, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;

use crate::error::{Kind, Refusal, Result};
use crate::journal::{self, FileRecord, Metadata, Operation, Store, digest};
use crate::plan::{Backup, Change, Plan};
use crate::root::{self, Root, RootPath};

/// Trees that belong to the system's packages or to the running kernel, never to the administrator.
const NOT_OURS: &[&str] = &["/run", "/proc", "/sys", "/dev", "/usr", "/nix/store"];

/// An operation in flight: written or about to be, not yet committed.
pub struct Transaction<'a> {
    root: &'a Root,
    store: &'a Store,
    operation: Operation,
    staged: Vec<Staged>,
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

/// A file with its replacement ready beside it.
struct Staged {
    path: RootPath,
    dir: OwnedFd,
    temp: Vec<u8>,
    /// The digest that the file must have at the moment of the exchange; nothing if it must not exist.
    expect: Option<String>,
    /// Whether there is a replacement; otherwise the file is deleted.
    replaces: bool,
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
        let changes: Vec<&Change> = plan.changes.iter().filter(|change| change.before != change.after).collect();
        let mut wanted = Vec::new();
        for change in &changes {
            preflight(root, change)?;
            let own = metadata_of(root, &change.path)?;
            operation.files.push(FileRecord::new(
                &change.path,
                change.before.as_deref(),
                change.after.as_deref(),
                own.clone(),
            ));
            for dir in missing_dirs(root, &change.path.parent())? {
                operation.creates_dir(&dir);
            }
            let kept = own.or_else(|| metadata.get(&change.path).cloned());
            wanted.push(match kept {
                Some(kept) => kept,
                None => new_file_metadata(root, change)?,
            });
        }
        let images: Vec<Option<&[u8]>> = changes.iter().map(|change| change.before.as_deref()).collect();
        store.prepare(&operation, &images)?;
        let mut transaction = Transaction { root, store, operation, staged: Vec::new(), notes: Vec::new() };
        match transaction.stage_all(&changes, &wanted) {
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
            for dir in journal::make_dirs(self.root, &change.path.parent(), 0o755)? {
                tracing::debug!("created {dir}");
            }
            let token = &self.operation.token;
            let expect = change.before.as_deref().map(digest);
            let staged = stage(self.root, &change.path, change.after.as_deref(), metadata, expect, token)?;
            self.staged.push(staged);
            self.back_up(change, metadata)?;
        }
        for staged in &self.staged {
            journal::sync_dir(&staged.dir)?;
        }
        self.store.begin(&self.operation)
    }

    /// Puts the old bytes into `FILE.bak`, unless somebody else's file has that name.
    fn back_up(&mut self, change: &Change, metadata: &Metadata) -> Result<()> {
        let Some(before) = &change.before else { return Ok(()) };
        let folder = self.store.path();
        if change.backup == Backup::StoreOnly {
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
            let present = place
                .dir
                .as_ref()
                .map(|dir| root::look(dir, &name))
                .transpose()
                .context("looking for a backup")?
                .flatten();
            match present {
                Some(stat) if stat.st_nlink != 1 => continue,
                Some(_) => match self.root.link_target(&path)?.is_none().then(|| self.root.read(&path)) {
                    Some(Ok(Some(bytes))) if bytes == *before => return Ok(()),
                    Some(Ok(Some(bytes))) if ours(&bytes) => {}
                    _ => continue,
                },
                None => {}
            }
            let temp = temp_name(&name, &self.operation.token);
            let dir = place.dir.with_context(|| format!("the directory of {path} is missing"))?;
            let times = root::look(&dir, change.path.name()).context("looking at the original")?;
            write_temp(&dir, &temp, before, metadata, times)?;
            sys::renameat(&dir, temp.as_slice(), &dir, name.as_slice()).with_context(|| format!("writing {path}"))?;
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
        for staged in &self.staged {
            staged.swap()?;
        }
        for staged in &self.staged {
            journal::sync_dir(&staged.dir)?;
        }
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
        for parent in parents.iter().filter(|parent| own.contains(parent)) {
            remove_empty_dir(self.root, parent)?;
        }
        Ok(())
    }

    /// Makes the operation final; returns its number. After this only `rollback` takes it back.
    pub fn commit(self) -> Result<u64> {
        self.store.finish(false)
    }

    /// Puts every file back as it was and closes the operation as rolled back. Returns files that somebody else changed
    /// meanwhile; with those the journal stays.
    pub fn undo(self) -> Result<Vec<RootPath>> {
        put_back(self.root, self.store, &self.operation)
    }
}

/// Takes back what an interrupted run left: restores its files, removes its temporary files. Needs the lock.
pub fn recover(root: &Root, store: &Store) -> Result<Option<Recovered>> {
    for (folder, operation) in store.abandoned()? {
        if let Some(operation) = operation {
            remove_temps(root, &operation)?;
        }
        store.discard(&folder)?;
    }
    let Some(operation) = store.pending()? else { return Ok(None) };
    let conflicts = put_back(root, store, &operation)?;
    Ok(Some(Recovered { operation, conflicts }))
}

fn put_back(root: &Root, store: &Store, operation: &Operation) -> Result<Vec<RootPath>> {
    remove_temp_files(root, operation)?;
    let mut conflicts = Vec::new();
    for (index, file) in operation.files.iter().enumerate().rev() {
        let path = file.path();
        let now = root.read(&path)?.as_deref().map(digest);
        if now == file.before {
            continue;
        }
        if now != file.after {
            conflicts.push(path);
            continue;
        }
        let image = file.before.is_some().then(|| store.image(None, index)).transpose()?;
        if image.as_deref().map(digest) != file.before {
            return Err(Refusal::new(
                Kind::Malformed,
                "the old bytes in the store are damaged",
                "restore the file by hand",
            )
            .at(&path, 0)
            .into());
        }
        if image.is_some() {
            for dir in journal::make_dirs(root, &path.parent(), 0o755)? {
                tracing::debug!("created {dir} again");
            }
        }
        let metadata = file.metadata.clone().unwrap_or(Metadata { mode: 0o644, uid: 0, gid: 0, xattrs: Vec::new() });
        let staged = stage(root, &path, image.as_deref(), &metadata, file.after.clone(), &operation.token)?;
        journal::sync_dir(&staged.dir)?;
        staged.swap()?;
        journal::sync_dir(&staged.dir)?;
    }
    remove_dirs(root, operation)?;
    if conflicts.is_empty() {
        store.finish(true)?;
    }
    Ok(conflicts)
}

fn remove_temps(root: &Root, operation: &Operation) -> Result<()> {
    remove_temp_files(root, operation)?;
    remove_dirs(root, operation)
}

fn remove_temp_files(root: &Root, operation: &Operation) -> Result<()> {
    for file in &operation.files {
        let path = file.path();
        let name = path.name();
        let backups = [".bak", ".ipalias.bak"].map(|suffix| [name, suffix.as_bytes()].concat());
        let place = root.walk(&path, false)?;
        let Some(dir) = place.dir else { continue };
        for name in [name.to_vec()].iter().chain(&backups) {
            remove_temp(&dir, &temp_name(name, &operation.token))?;
        }
    }
    Ok(())
}

fn remove_dirs(root: &Root, operation: &Operation) -> Result<()> {
    operation.dirs().rev().try_for_each(|dir| remove_empty_dir(root, &dir))
}

fn remove_empty_dir(root: &Root, path: &RootPath) -> Result<()> {
    let place = root.walk(path, false)?;
    let Some(parent) = place.dir else { return Ok(()) };
    match sys::unlinkat(&parent, place.path.name(), AtFlags::REMOVEDIR) {
        Ok(()) => journal::sync_dir(&parent),
        Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).with_context(|| format!("removing {path}")),
    }
}

fn remove_temp(dir: &OwnedFd, temp: &[u8]) -> Result<()> {
    match sys::unlinkat(dir, temp, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context("removing a temporary file"),
    }
}

/// `.NAME.ipalias-TOKEN`, which no consumer reads: the dot keeps it out of every include pattern. Cut where a name would
/// be too long.
fn temp_name(name: &[u8], token: &str) -> Vec<u8> {
    let suffix = format!(".ipalias-{token}");
    let room = 255 - 1 - suffix.len();
    [b".", name.get(..name.len().min(room)).unwrap_or_default(), suffix.as_bytes()].concat()
}

/// Refuses what cannot or must not be replaced, before anything is written.
fn preflight(root: &Root, change: &Change) -> Result<()> {
    let refuse = |kind, reason: String, hint: &str| -> Result<()> {
        Err(Refusal::new(kind, reason, hint).at(&change.path, 0).into())
    };
    if let Some(tree) = NOT_OURS.iter().find(|tree| change.path.is_under(&(**tree).into())) {
        let hint = "configure the address where that file is generated from";
        return refuse(Kind::ManagedElsewhere, format!("files below {tree} are not the administrator's"), hint);
    }
    let place = root.walk(&change.path, false)?;
    if place.path != change.path || root.link_target(&change.path)?.is_some() {
        return refuse(Kind::ChangedSince, "the path changed while the plan was made".to_owned(), "try again");
    }
    if root.read(&change.path)? != change.before {
        return refuse(Kind::ChangedSince, "the file changed while the plan was made".to_owned(), "try again");
    }
    if root.is_live() {
        owned_way(root, &change.path)?;
    }
    let Some(dir) = place.dir else { return Ok(()) };
    if sys::fstatvfs(&dir).is_ok_and(|stat| stat.f_flag.contains(sys::StatVfsMountFlags::RDONLY)) {
        return refuse(Kind::ManagedElsewhere, "the file system is read-only".to_owned(), "mount it for writing first");
    }
    #[cfg(target_os = "linux")]
    if change.before.is_some() {
        let stat = sys::statx(&dir, change.path.name(), AtFlags::SYMLINK_NOFOLLOW, sys::StatxFlags::BASIC_STATS);
        let has = |bit| stat.as_ref().is_ok_and(|stat| stat.stx_attributes.contains(bit));
        if has(sys::StatxAttributes::IMMUTABLE) || has(sys::StatxAttributes::APPEND) {
            let hint =
                "somebody protected it on purpose (chattr +i or +a); if you may, take that off with chattr -i -a";
            return refuse(Kind::ManagedElsewhere, "the file is immutable".to_owned(), hint);
        }
        if has(sys::StatxAttributes::MOUNT_ROOT) {
            let hint = "the container's host configures it; change it there";
            return refuse(Kind::ManagedElsewhere, "the file is a bind mount".to_owned(), hint);
        }
    }
    Ok(())
}

/// Refuses a file that somebody other than root could exchange under our hands (sudoedit's rule).
fn owned_way(root: &Root, path: &RootPath) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    let mut at = path.parent();
    loop {
        if let Some(access) = root.access(&at)? {
            let foreign = access.uid != 0 && access.uid != me;
            if foreign || (access.mode & 0o022 != 0 && access.mode & 0o1000 == 0) {
                let hint = "its directories must belong to root and be writable by root only";
                return Err(Refusal::new(Kind::ManagedElsewhere, "others than root can exchange this file", hint)
                    .at(&at, 0)
                    .into());
            }
        }
        if at.name().is_empty() {
            return Ok(());
        }
        at = at.parent();
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

/// Mode, owner and attributes of the file at `path`; nothing if there is none.
fn metadata_of(root: &Root, path: &RootPath) -> Result<Option<Metadata>> {
    let place = root.walk(path, false)?;
    let Some(dir) = place.dir else { return Ok(None) };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match sys::openat(&dir, path.name(), flags, Mode::empty()) {
        Ok(file) => read_metadata(&file).map(Some).with_context(|| format!("reading the attributes of {path}")),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(std::io::Error::from(errno)).with_context(|| format!("opening {path}")),
    }
}

fn read_metadata(file: &OwnedFd) -> Result<Metadata> {
    let stat = sys::fstat(file)?;
    let mut names = Vec::with_capacity(1024);
    let list = match sys::flistxattr_query(file) {
        Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => Vec::new(),
        Ok(size) => {
            names.resize(size + 256, 0);
            let used = sys::flistxattr(file, names.as_mut_slice())?;
            names.truncate(used);
            names
        }
        Err(errno) => return Err(std::io::Error::from(errno).into()),
    };
    let mut xattrs = Vec::new();
    for name in list.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_carried(name)) else { continue };
        let mut value = vec![0; sys::fgetxattr_query(file, name)?];
        let used = sys::fgetxattr(file, name, value.as_mut_slice())?;
        value.truncate(used);
        xattrs.push((name.to_owned(), value));
    }
    xattrs.sort();
    Ok(Metadata { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, xattrs })
}

/// Which extended attributes belong to the file rather than to this copy of it.
fn is_carried(name: &str) -> bool {
    let named = ["system.posix_acl_access", "system.nfs4_acl", "security.selinux"].contains(&name);
    let grouped = ["user.", "trusted.", "security.SMACK64"].iter().any(|start| name.starts_with(start));
    named || grouped && !name.starts_with("trusted.overlay.")
}

/// A new file is the caller's own, with the format's mode and the security label of a file beside it.
fn new_file_metadata(root: &Root, change: &Change) -> Result<Metadata> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut metadata = Metadata { mode: change.mode, uid, gid, xattrs: Vec::new() };
    let dir = change.path.parent();
    for name in root.list(&dir)?.into_iter().take(16) {
        let sibling = dir.join(&name);
        if root.link_target(&sibling)?.is_none() && root.is_file(&sibling)? {
            let found = metadata_of(root, &sibling)?.map(|found| found.xattrs).unwrap_or_default();
            metadata.xattrs = found.into_iter().filter(|(name, _)| name == "security.selinux").collect();
            break;
        }
    }
    Ok(metadata)
}

fn stage(
    root: &Root,
    path: &RootPath,
    bytes: Option<&[u8]>,
    metadata: &Metadata,
    expect: Option<String>,
    token: &str,
) -> Result<Staged> {
    let place = root.walk(path, false)?;
    let dir =
        place.dir.filter(|_| place.path == *path).with_context(|| format!("the directory of {path} is missing"))?;
    let temp = temp_name(path.name(), token);
    if let Some(bytes) = bytes {
        write_temp(&dir, &temp, bytes, metadata, None)?;
    }
    Ok(Staged { path: path.clone(), dir, temp, expect, replaces: bytes.is_some() })
}

/// Writes a complete, synced file called `temp`. `times` gives its access and modification time, if not now.
fn write_temp(dir: &OwnedFd, temp: &[u8], bytes: &[u8], metadata: &Metadata, times: Option<sys::Stat>) -> Result<()> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = sys::openat(dir, temp, flags, Mode::from_raw_mode(0o600))
        .map_err(std::io::Error::from)
        .context("creating a temporary file")?;
    let written = fill(&file, bytes, metadata).and_then(|()| {
        if let Some(stat) = times {
            let time = |seconds, nanoseconds| sys::Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
            let times = sys::Timestamps {
                last_access: time(stat.st_atime, stat.st_atime_nsec),
                last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
            };
            sys::futimens(&file, &times).context("carrying the times over")?;
        }
        sys::fsync(&file).map_err(std::io::Error::from).context("syncing a temporary file")
    });
    if written.is_err() {
        let _ = remove_temp(dir, temp);
    }
    written
}

fn fill(file: &OwnedFd, bytes: &[u8], metadata: &Metadata) -> Result<()> {
    if !bytes.is_empty() {
        match sys::fallocate(file, FallocateFlags::empty(), 0, bytes.len() as u64) {
            Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context("reserving room for a temporary file"),
        }
    }
    let mut stream = std::fs::File::from(file.try_clone().context("duplicating a file handle")?);
    stream.write_all(bytes).context("writing a temporary file")?;
    // chown drops set-id bits and capabilities, and a chmod after the ACL would rewrite its mask: hence this order.
    let own = sys::fstat(file)?;
    if (own.st_uid, own.st_gid) != (metadata.uid, metadata.gid) {
        let owner = rustix::fs::Uid::from_raw(metadata.uid);
        let group = rustix::fs::Gid::from_raw(metadata.gid);
        sys::fchown(file, Some(owner), Some(group)).context("carrying the owner over")?;
    }
    sys::fchmod(file, Mode::from_raw_mode(metadata.mode)).context("carrying the mode over")?;
    let present = read_metadata(file)?;
    for (name, _) in present.xattrs.iter().filter(|(name, _)| name == "system.posix_acl_access") {
        if !metadata.xattrs.iter().any(|(wanted, _)| wanted == name) {
            // The directory's default ACL gave the file an entry that the original has not.
            sys::fremovexattr(file, name.as_str()).context("dropping an inherited ACL")?;
            sys::fchmod(file, Mode::from_raw_mode(metadata.mode)).context("carrying the mode over")?;
        }
    }
    for (name, value) in &metadata.xattrs {
        if !present.xattrs.iter().any(|(has, found)| has == name && found == value) {
            sys::fsetxattr(file, name.as_str(), value, XattrFlags::empty())
                .with_context(|| format!("carrying {name} over"))?;
        }
    }
    let now = read_metadata(file)?;
    let lost = metadata.xattrs.iter().find(|wanted| !now.xattrs.contains(wanted));
    anyhow::ensure!(
        (now.mode, now.uid, now.gid) == (metadata.mode, metadata.uid, metadata.gid) && lost.is_none(),
        "the file system does not keep mode, owner or attributes"
    );
    Ok(())
}

impl Staged {
    /// Changes places with the file and looks at what was displaced: if it is not what the plan was made from, somebody
    /// wrote in between, and it goes back.
    fn swap(&self) -> Result<()> {
        let (dir, temp, name) = (&self.dir, self.temp.as_slice(), self.path.name());
        let changed = || {
            let hint = "nothing was changed; look at the file and try again";
            anyhow::Error::from(
                Refusal::new(Kind::ChangedSince, "somebody else wrote to the file just now", hint).at(&self.path, 0),
            )
        };
        let doing = || format!("replacing {}", self.path);
        match (&self.expect, self.replaces) {
            (None, true) => match self.rename(temp, name, RenameFlags::NOREPLACE) {
                Ok(()) => Ok(()),
                Err(Errno::EXIST) => Err(changed()),
                Err(errno) => Err(std::io::Error::from(errno)).with_context(doing),
            },
            (Some(expect), true) => {
                match self.rename(temp, name, RenameFlags::EXCHANGE) {
                    Ok(()) if self.digest_of(temp)?.as_ref() == Some(expect) => {}
                    Ok(()) => {
                        self.rename(temp, name, RenameFlags::EXCHANGE)
                            .map_err(std::io::Error::from)
                            .with_context(doing)?;
                        return Err(changed());
                    }
                    Err(Errno::NOENT) => return Err(changed()),
                    Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                        // A file system without exchange: compare at the last moment; a small window remains.
                        if self.digest_of(name)?.as_ref() != Some(expect) {
                            return Err(changed());
                        }
                        return sys::renameat(dir, temp, dir, name).with_context(doing);
                    }
                    Err(errno) => return Err(std::io::Error::from(errno)).with_context(doing),
                }
                remove_temp(dir, temp)
            }
            (Some(expect), false) => match sys::renameat(dir, name, dir, temp) {
                Ok(()) if self.digest_of(temp)?.as_ref() == Some(expect) => remove_temp(dir, temp),
                Ok(()) => {
                    self.rename(temp, name, RenameFlags::NOREPLACE)
                        .map_err(std::io::Error::from)
                        .with_context(doing)?;
                    Err(changed())
                }
                Err(Errno::NOENT) => Err(changed()),
                Err(errno) => Err(std::io::Error::from(errno)).with_context(doing),
            },
            (None, false) => Ok(()),
        }
    }

    fn rename(&self, from: &[u8], to: &[u8], flags: RenameFlags) -> rustix::io::Result<()> {
        match sys::renameat_with(&self.dir, from, &self.dir, to, flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if flags == RenameFlags::NOREPLACE => {
                sys::linkat(&self.dir, from, &self.dir, to, AtFlags::empty())?;
                sys::unlinkat(&self.dir, from, AtFlags::empty())
            }
            result => result,
        }
    }

    fn digest_of(&self, name: &[u8]) -> Result<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match sys::openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => {
                let mut bytes = Vec::new();
                let mut limited = std::fs::File::from(file).take(root::MOST_FILE_BYTES as u64 + 1);
                limited.read_to_end(&mut bytes).with_context(|| format!("reading {}", self.path))?;
                Ok(Some(digest(&bytes)))
            }
            Err(Errno::NOENT | Errno::LOOP) => Ok(None),
            Err(errno) => Err(std::io::Error::from(errno)).with_context(|| format!("reading {}", self.path)),
        }
    }
}
