//! An open directory and what can be done with the names in it: the wall between the file systems of Unix and Windows.
//!
//! No operation follows a symbolic link, and none takes more than one component, so that nothing outside the directory can
//! be reached through it. `Root` reads through it, `store` and `transaction` write through it. Errors are those of
//! [`std::io`], told apart by their kind.
//! Leaves out: mode, owner and attributes of files (see `transaction::metadata`).

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Dir, STATE, node_of, random};
#[cfg(windows)]
pub(crate) use windows::{Dir, STATE, node_of, random};

use std::time::SystemTime;

use super::NodeKind;

/// What stands under a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    /// What it is; [`NodeKind::Other`] for a symbolic link.
    pub(crate) kind: NodeKind,
    /// Whether it is a symbolic link.
    pub(crate) is_link: bool,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Bytes.
    pub(crate) size: u64,
    /// Names of the same file.
    pub(crate) names: u64,
    /// File system and number in it; (0, 0) where the system does not tell.
    pub(crate) identity: (u64, u64),
    /// When it was last changed.
    pub(crate) modified: Option<SystemTime>,
}

/// What keeps a file from being replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // not every system tells everything
pub(crate) enum Guard {
    /// Its file system is mounted read-only.
    ReadOnly,
    /// It has a flag of chattr(1) or chflags(1) that keeps it as it is.
    Immutable,
    /// It is the root of a mount.
    Mount,
    /// The system can have no such name.
    Name,
}
