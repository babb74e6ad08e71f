//! What a file is besides bytes: mode, owner, ACL, security label; read from one file and carried over to its successor.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use anyhow::Context as _;

use crate::error::Result;
use crate::journal::Metadata;
use crate::plan::Change;
use crate::root::{Root, RootPath};

pub(super) use system::{carry, me};

/// Mode, owner and attributes of the file at `path`; nothing if there is none.
pub(super) fn metadata_of(root: &Root, path: &RootPath) -> Result<Option<Metadata>> {
    let Some(dir) = root.walk(path, false)?.dir else { return Ok(None) };
    match dir.open_file(path.name()) {
        Ok(file) => system::read(&file).map(Some).with_context(|| format!("reading the attributes of {path}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("opening {path}")),
    }
}

/// A new file is the caller's own, with the format's mode and the security label of a file beside it.
pub(super) fn new_file_metadata(root: &Root, change: &Change) -> Result<Metadata> {
    let (uid, gid) = me();
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
