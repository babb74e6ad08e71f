//! Directories of Unix: system calls relative to an open directory.

#![allow(clippy::unnecessary_cast)] // the widths of stat(2)'s fields differ between systems

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Guard, Node};
use crate::root::NodeKind;

/// Where the store is, on a system that runs.
pub(crate) const STATE: &str = "/var/lib/ipalias";

/// How a directory is opened to look up names in it: with `O_PATH` that needs no right to read it.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
const LOOK: OFlags = LIST;

/// How a directory is opened to list or sync it.
const LIST: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How a file is opened once it is known to be one: a FIFO put there meanwhile does not block.
const OPEN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// How a file is made.
const MAKE: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

impl Dir {
    /// Opens the directory at `path`, a path of the host, whose links are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Dir> {
        Ok(Dir(sys::open(path, LOOK.difference(OFlags::NOFOLLOW), Mode::empty())?))
    }

    /// Opens the directory `name`; the directory itself for an empty name.
    pub(crate) fn open_dir(&self, name: &[u8]) -> io::Result<Dir> {
        let name = if name.is_empty() { b".".as_slice() } else { name };
        Ok(Dir(sys::openat(&self.0, name, LOOK, Mode::empty())?))
    }

    /// The directory itself.
    pub(crate) fn node(&self) -> io::Result<Node> {
        Ok(node(&stat_of_place(self.0.as_fd())?))
    }

    /// What stands under `name`; nothing if nothing does, or can: a file may name any bytes as a path.
    pub(crate) fn look(&self, name: &[u8]) -> io::Result<Option<Node>> {
        if name.contains(&0) {
            return Ok(None);
        }
        match sys::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(node(&stat))),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The target of the symbolic link `name`.
    pub(crate) fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(sys::readlinkat(&self.0, name, Vec::new())?.into_bytes())
    }

    /// Every name in it but `.` and `..`, in no order.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(sys::openat(&self.0, ".", LIST, Mode::empty())?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// Opens the file `name` for reading; refuses what is no regular file.
    pub(crate) fn open_file(&self, name: &[u8]) -> io::Result<File> {
        self.open_regular(name, OFlags::RDONLY)
    }

    /// Opens the regular file `name`. On Linux anything else is not so much as opened, since that alone may do something
    /// (a tape rewinds, a watchdog starts): the name is looked at with `O_PATH`, and what that found is opened.
    fn open_regular(&self, name: &[u8], access: OFlags) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let seen = sys::openat(&self.0, name, flags, Mode::empty())?;
            let identity = regular(&stat_of_place(seen.as_fd())?)?.identity;
            let way = format!("/proc/self/fd/{}", seen.as_raw_fd());
            match sys::open(way, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) if regular(&sys::fstat(&file)?)?.identity == identity => return Ok(file.into()),
                // Without /proc it is opened by its name.
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let file = sys::openat(&self.0, name, access | OPEN, Mode::empty())?;
        regular(&sys::fstat(&file)?)?;
        Ok(file.into())
    }

    /// Creates the file `name`, for its owner alone.
    pub(crate) fn create_file(&self, name: &[u8]) -> io::Result<File> {
        Ok(sys::openat(&self.0, name, MAKE, Mode::from_raw_mode(0o600))?.into())
    }

    /// Opens or creates the file `name` and locks it; nothing if another process holds it. The kernel frees the lock when
    /// the process ends. The holder writes into it, so it must be a regular file with no second name.
    pub(crate) fn lock_file(&self, name: &[u8]) -> io::Result<Option<File>> {
        let file = match self.open_regular(name, OFlags::RDWR) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.create_file(name) {
                // Another process was faster: the caller tries again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                made => made?,
            },
            found => found?,
        };
        let how = sys::FlockOperation::NonBlockingLockExclusive;
        #[cfg(not(target_os = "solaris"))]
        let locked = sys::flock(&file, how);
        #[cfg(target_os = "solaris")]
        let locked = sys::fcntl_lock(&file, how);
        match locked {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::ACCESS | Errno::INTR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let held = node_of(&file)?;
        if self.look(name)?.is_none_or(|node| node.identity != held.identity) {
            // Somebody replaced it: what is locked here is not what others lock.
            return Ok(None);
        }
        if held.names != 1 {
            return Err(io::Error::other("it is a second name of another file"));
        }
        Ok(Some(file))
    }

    /// Creates the directory `name` with exactly `mode`, whatever the caller's umask.
    pub(crate) fn make_dir(&self, name: &[u8], mode: u32) -> io::Result<()> {
        sys::mkdirat(&self.0, name, Mode::from_raw_mode(0o700))?;
        let made = sys::openat(&self.0, name, LIST, Mode::empty())?;
        Ok(sys::fchmod(&made, Mode::from_raw_mode(mode as _))?)
    }

    /// Renames `from` to `to`, which it replaces.
    pub(crate) fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(sys::renameat(&self.0, from, &self.0, to)?)
    }

    /// Renames `from` to `to`, which must not exist ([`io::ErrorKind::AlreadyExists`]).
    pub(crate) fn rename_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match sys::renameat_with(&self.0, from, &self.0, to, sys::RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return Ok(result?),
        }
        sys::linkat(&self.0, from, &self.0, to, AtFlags::empty())?;
        Ok(sys::unlinkat(&self.0, from, AtFlags::empty())?)
    }

    /// Lets two files change names (renameat2(2)); [`io::ErrorKind::Unsupported`] where system or file system cannot.
    pub(crate) fn exchange(&self, one: &[u8], other: &[u8]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match sys::renameat_with(&self.0, one, &self.0, other, sys::RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return Ok(result?),
        }
        let _ = (one, other);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes the file `name`.
    pub(crate) fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        Ok(sys::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes the empty directory `name`.
    pub(crate) fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        match sys::unlinkat(&self.0, name, AtFlags::REMOVEDIR) {
            // Some systems call a directory that is not empty one that exists.
            Err(Errno::EXIST) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
            result => Ok(result?),
        }
    }

    /// Makes its names durable. File systems without that notion (NFS, vfat) are taken as they are.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if crate::mutants::no_dir_sync() {
            return Ok(());
        }
        match sys::fsync(&sys::openat(&self.0, ".", LIST, Mode::empty())?) {
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What keeps `name`, which need not exist, from being replaced here.
    pub(crate) fn guard(&self, name: &[u8]) -> Option<Guard> {
        if sys::fstatvfs(&self.0).is_ok_and(|stat| stat.f_flag.contains(sys::StatVfsMountFlags::RDONLY)) {
            return Some(Guard::ReadOnly);
        }
        #[cfg(target_os = "linux")]
        {
            let stat = sys::statx(&self.0, name, AtFlags::SYMLINK_NOFOLLOW, sys::StatxFlags::BASIC_STATS);
            let has = |bit| stat.as_ref().is_ok_and(|stat| stat.stx_attributes.contains(bit));
            if has(sys::StatxAttributes::IMMUTABLE) || has(sys::StatxAttributes::APPEND) {
                return Some(Guard::Immutable);
            }
            if has(sys::StatxAttributes::MOUNT_ROOT) {
                return Some(Guard::Mount);
            }
        }
        #[cfg(any(target_os = "freebsd", target_os = "dragonfly", target_os = "openbsd", target_os = "netbsd"))]
        {
            // UF_IMMUTABLE, UF_APPEND, SF_IMMUTABLE, SF_APPEND of chflags(2).
            const FLAGS: u32 = 0x2 | 0x4 | 0x2_0000 | 0x4_0000;
            let stat = sys::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW);
            if stat.is_ok_and(|stat| stat.st_flags as u32 & FLAGS != 0) {
                return Some(Guard::Immutable);
            }
        }
        let _ = name;
        None
    }
}

/// fstat(2) of a descriptor that may be only a place (`O_PATH`), which Linux takes since 3.6 alone; the empty name since 2.6.39.
fn stat_of_place(place: BorrowedFd<'_>) -> rustix::io::Result<sys::Stat> {
    #[cfg(target_os = "linux")]
    return sys::statat(place, "", AtFlags::EMPTY_PATH);
    #[cfg(not(target_os = "linux"))]
    sys::fstat(place)
}

/// The node of an open file.
pub(crate) fn node_of(file: &File) -> io::Result<Node> {
    Ok(node(&sys::fstat(file.as_fd())?))
}

/// The node of an open file, which must be a regular one.
fn regular(stat: &sys::Stat) -> io::Result<Node> {
    Some(node(stat))
        .filter(|node| node.kind == NodeKind::File)
        .ok_or_else(|| io::Error::other("it is not a regular file"))
}

fn node(stat: &sys::Stat) -> Node {
    let (kind, is_link) = match FileType::from_raw_mode(stat.st_mode as _) {
        FileType::RegularFile => (NodeKind::File, false),
        FileType::Directory => (NodeKind::Directory, false),
        FileType::Symlink => (NodeKind::Other, true),
        _ => (NodeKind::Other, false),
    };
    let since = Duration::new(stat.st_mtime.max(0) as u64, stat.st_mtime_nsec as u32);
    Node {
        kind,
        is_link,
        mode: (stat.st_mode as u32) & 0o7777,
        uid: stat.st_uid as u32,
        gid: stat.st_gid as u32,
        size: stat.st_size as u64,
        names: stat.st_nlink as u64,
        identity: (stat.st_dev as u64, stat.st_ino as u64),
        modified: SystemTime::UNIX_EPOCH.checked_add(since),
    }
}

/// Fills `bytes`, at most 256, with random ones: for names that nobody can foresee. On Linux by getrandom(2), and where the kernel
/// is older than that (3.17) from `/dev/urandom`, which a chroot may lack.
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())
        .is_ok_and(|count| count == bytes.len())
    {
        return Ok(());
    }
    Ok(getrandom::fill(bytes)?)
}
