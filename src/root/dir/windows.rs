//! Directories of Windows: paths, since there are no calls relative to an open directory.
//!
//! A reparse point is never followed. Names are UTF-8 without the characters that Windows gives a meaning.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Guard, Node};
use crate::root::NodeKind;

/// Where the store is, on a system that runs.
pub(crate) const STATE: &str = "/ProgramData/ipalias";

/// `FILE_SHARE_READ`: others may read what is open here, not write it.
const SHARE_READ: u32 = 1;

/// `FILE_ATTRIBUTE_REPARSE_POINT`.
const REPARSE_POINT: u32 = 0x400;

/// `ERROR_SHARING_VIOLATION`: another process has the file open.
const SHARING_VIOLATION: i32 = 32;

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    /// The directory at `path`, a path of the host; `/` is the system's own disk.
    pub(crate) fn open(path: &Path) -> io::Result<Dir> {
        let path = if path == Path::new("/") {
            // The program itself runs from that disk or another: the variable names the one with Windows on it.
            PathBuf::from(std::env::var_os("SystemDrive").unwrap_or_else(|| "C:".into())).join("\\")
        } else {
            fs::canonicalize(path)?
        };
        if !fs::metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Dir(path))
    }

    /// Opens the directory `name`; the directory itself for an empty name.
    pub(crate) fn open_dir(&self, name: &[u8]) -> io::Result<Dir> {
        match self.look(name)? {
            Some(node) if node.kind == NodeKind::Directory => Ok(Dir(self.path(name)?)),
            Some(_) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory itself.
    pub(crate) fn node(&self) -> io::Result<Node> {
        Ok(node(&fs::symlink_metadata(&self.0)?))
    }

    /// What stands under `name`; nothing if nothing does.
    pub(crate) fn look(&self, name: &[u8]) -> io::Result<Option<Node>> {
        let Ok(path) = self.path(name) else { return Ok(None) };
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(node(&found))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Links are not followed here.
    pub(crate) fn read_link(&self, _name: &[u8]) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Every name in it, in no order; those that are no UTF-8 are left out.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string().ok().map(String::into_bytes));
        }
        Ok(names)
    }

    /// Opens the file `name` for reading.
    pub(crate) fn open_file(&self, name: &[u8]) -> io::Result<File> {
        File::open(self.path(name)?)
    }

    /// Creates the file `name`.
    pub(crate) fn create_file(&self, name: &[u8]) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.path(name)?)
    }

    /// Opens or creates the file `name` so that no other process can write to it; nothing if another has it.
    pub(crate) fn lock_file(&self, name: &[u8]) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).share_mode(SHARE_READ);
        match options.open(self.path(name)?) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the directory `name`, with the rights that its parent hands down.
    pub(crate) fn make_dir(&self, name: &[u8], _mode: u32) -> io::Result<()> {
        fs::create_dir(self.path(name)?)
    }

    /// Renames `from` to `to`, which it replaces.
    pub(crate) fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    /// Renames `from` to `to`, which must not exist ([`io::ErrorKind::AlreadyExists`]).
    pub(crate) fn rename_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        fs::hard_link(self.path(from)?, self.path(to)?)?;
        fs::remove_file(self.path(from)?)
    }

    /// Windows cannot let two files change names.
    pub(crate) fn exchange(&self, _one: &[u8], _other: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes the file `name`.
    pub(crate) fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        fs::remove_file(self.path(name)?)
    }

    /// Removes the empty directory `name`.
    pub(crate) fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        fs::remove_dir(self.path(name)?)
    }

    /// NTFS journals its names itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// What keeps `name`, which need not exist, from being replaced here.
    pub(crate) fn guard(&self, name: &[u8]) -> Option<Guard> {
        let Ok(path) = self.path(name) else { return Some(Guard::Name) };
        let found = fs::symlink_metadata(path).ok()?;
        found.permissions().readonly().then_some(Guard::Immutable)
    }

    fn path(&self, name: &[u8]) -> io::Result<PathBuf> {
        let name =
            std::str::from_utf8(name).ok().filter(|name| !name.contains(['\\', '/', ':', '*', '?', '"', '<', '|']));
        let name = name.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(if name.is_empty() { self.0.clone() } else { self.0.join(name) })
    }
}

/// The node of an open file.
pub(crate) fn node_of(file: &File) -> io::Result<Node> {
    Ok(node(&file.metadata()?))
}

fn node(found: &fs::Metadata) -> Node {
    let kind = if found.file_attributes() & REPARSE_POINT != 0 {
        NodeKind::Other
    } else if found.is_dir() {
        NodeKind::Directory
    } else {
        NodeKind::File
    };
    Node {
        kind,
        is_link: false,
        mode: if found.permissions().readonly() { 0o444 } else { 0o644 },
        uid: 0,
        gid: 0,
        size: found.len(),
        names: 1,
        identity: (0, 0),
        modified: found.modified().ok(),
    }
}

/// Fills `bytes` with random ones: for names that nobody can foresee.
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    Ok(getrandom::fill(bytes)?)
}
