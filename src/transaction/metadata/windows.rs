//! Windows: a file has the rights that its directory hands down, so there is nothing to carry over.

use std::fs::File;

use crate::error::Result;
use crate::journal::Metadata;

/// There are no numbers for users.
pub(in crate::transaction) fn me() -> (u32, u32) {
    (0, 0)
}

/// Nothing but the default.
pub(super) fn read(_file: &File) -> Result<Metadata> {
    Ok(Metadata { mode: 0o644, uid: 0, gid: 0, xattrs: Vec::new() })
}

/// Nothing to do.
pub(in crate::transaction) fn carry(_file: &File, _wanted: &Metadata) -> Result<()> {
    Ok(())
}
