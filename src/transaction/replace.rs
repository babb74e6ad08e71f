//! One file: its replacement staged beside it with mode, owner, ACL and labels, then exchanged and compared.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use anyhow::Context as _;
use rustix::fs::{self as sys, AtFlags, FallocateFlags, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;

use crate::error::{Kind, Refusal, Result};
use crate::journal::{Metadata, digest};
use crate::plan::Change;
use crate::root::{self, Root, RootPath};

/// A file with its replacement ready beside it.
pub(super) struct Staged {
    pub(super) path: RootPath,
    pub(super) dir: OwnedFd,
    temp: Vec<u8>,
    /// The digest that the file must have at the moment of the exchange; nothing if it must not exist.
    expect: Option<String>,
    /// Whether there is a replacement; otherwise the file is deleted.
    pub(super) replaces: bool,
}

pub(super) fn remove_temp(dir: &OwnedFd, temp: &[u8]) -> Result<()> {
    match sys::unlinkat(dir, temp, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context("removing a temporary file"),
    }
}

/// `.NAME.ipalias-TOKEN`, which no consumer reads: the dot keeps it out of every include pattern. Cut where a name would
/// be too long.
pub(super) fn temp_name(name: &[u8], token: &str) -> Vec<u8> {
    let suffix = format!(".ipalias-{token}");
    let room = 255 - 1 - suffix.len();
    [b".", name.get(..name.len().min(room)).unwrap_or_default(), suffix.as_bytes()].concat()
}

/// Mode, owner and attributes of the file at `path`; nothing if there is none.
pub(super) fn metadata_of(root: &Root, path: &RootPath) -> Result<Option<Metadata>> {
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
pub(super) fn new_file_metadata(root: &Root, change: &Change) -> Result<Metadata> {
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

pub(super) fn stage(
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
pub(super) fn write_temp(
    dir: &OwnedFd,
    temp: &[u8],
    bytes: &[u8],
    metadata: &Metadata,
    times: Option<sys::Stat>,
) -> Result<()> {
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
    pub(super) fn swap(&self) -> Result<()> {
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
