//! How far a record is believed: only files that a backend has are put back by it.
//!
//! On the running system the store is root's alone (see `store`). On a mounted disk anybody may have written it, and a forged
//! record must not become a way to /etc/shadow.

use std::collections::BTreeSet;

use super::Session;
use crate::backend;
use crate::backend::places;
use crate::detect::detect;
use crate::error::{Kind, Refusal, Result};
use crate::journal::Operation;
use crate::root::RootPath;

/// Refuses `operation` if it names a file that is neither where a backend has its own nor read by the one that it names.
pub(super) fn check(session: &Session, operation: &Operation, folder: &str) -> Result<()> {
    let strange = || operation.files.iter().map(|file| file.path()).filter(|path| !places::is_known(path));
    if strange().next().is_none() {
        return Ok(());
    }
    let read = read_now(session, &operation.backend);
    let Some(path) = strange().find(|path| !read.contains(path)) else { return Ok(()) };
    let reason =
        format!("the record in {folder} names this file, which does not belong to the network's configuration");
    let hint = format!("it is not from ipalias; look into {folder}, and remove it");
    Err(Refusal::new(Kind::Malformed, reason, hint).at(&path, 0).into())
}

/// The files that the backend called `name` reads, wherever links and includes have led it.
fn read_now(session: &Session, name: &str) -> BTreeSet<RootPath> {
    let root = &session.root;
    let claimed = detect(root, Some(name)).map(|detection| detection.claim.files).unwrap_or_default();
    let entries = backend::by_name(name).and_then(|backend| backend.entries(root).ok()).unwrap_or_default();
    let all = claimed.into_iter().chain(entries.into_iter().map(|entry| entry.path));
    all.filter_map(|path| root.resolve(&path).ok()).collect()
}
