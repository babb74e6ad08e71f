//! What must not be replaced, found before anything is written: packages' trees, read-only file systems, immutable files,
//! bind mounts, and files that others than root could exchange under our hands.

use super::metadata::me;
use crate::error::{Kind, Refusal, Result};
use crate::journal::{FileRecord, Operation};
use crate::plan::Change;
use crate::root::{Guard, Root, RootPath};

/// Trees that belong to the system's packages or to the running kernel, never to the administrator. `/usr/local` is
/// the administrator's (hier(7)).
const NOT_OURS: &[&str] = &["/run", "/proc", "/sys", "/dev", "/usr", "/nix/store"];

/// Refuses a change whose file is no longer what the plan was made from.
pub(super) fn unchanged(root: &Root, change: &Change) -> Result<()> {
    let place = root.walk(&change.path, false)?;
    let moved = place.path != change.path || root.link_target(&change.path)?.is_some();
    if moved || root.read(&change.path)? != change.before {
        let refusal = Refusal::new(Kind::ChangedSince, "the file changed while the plan was made", "try again");
        return Err(refusal.at(&change.path, 0).into());
    }
    Ok(())
}

/// Refuses a path below the trees of the packages or of the running kernel.
fn administrators(path: &RootPath) -> Result<()> {
    let local = path.is_under(&"/usr/local".into());
    match NOT_OURS.iter().find(|tree| !local && path.is_under(&(**tree).into())) {
        None => Ok(()),
        Some(tree) => {
            let hint = "configure the address where that file is generated from";
            let reason = format!("files below {tree} are not the administrator's");
            Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(path, 0).into())
        }
    }
}

/// Refuses a record that no run of ipalias has written: below a mounted disk a rescue system often has its own `/dev` and
/// `/run`, and what is put back there would be the rescue system's.
pub(super) fn may_be_own(root: &Root, operation: &Operation) -> Result<()> {
    let files = operation.files.iter().filter(|file| !file.record).map(FileRecord::path);
    for path in files.chain(operation.dirs()) {
        administrators(&path)?;
        if path.name().is_empty() || root.walk(&path, false)?.path != path {
            let hint = "compare the files named in the record with their old bytes beside it, and remove its folder";
            let reason = "the record of an interrupted operation names a file behind a link";
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&path, 0).into());
        }
    }
    Ok(())
}

/// Refuses what cannot or must not be replaced, before anything is written.
pub(super) fn may_replace(root: &Root, change: &Change) -> Result<()> {
    let refuse = |kind, reason: String, hint: &str| -> Result<()> {
        Err(Refusal::new(kind, reason, hint).at(&change.path, 0).into())
    };
    administrators(&change.path)?;
    let place = root.walk(&change.path, false)?;
    if root.is_live() {
        owned_way(root, &change.path)?;
    }
    match place.dir.and_then(|dir| dir.guard(change.path.name())) {
        None => Ok(()),
        Some(Guard::Name) => refuse(
            Kind::Unsupported,
            "Windows cannot have a file of this name".to_owned(),
            "run ipalias on Linux, for example in the hoster's rescue system",
        ),
        Some(Guard::ReadOnly) => {
            refuse(Kind::ManagedElsewhere, "the file system is read-only".to_owned(), "mount it for writing first")
        }
        Some(_) if change.before.is_none() => Ok(()),
        Some(Guard::Immutable) => refuse(
            Kind::ManagedElsewhere,
            "the file is immutable".to_owned(),
            "somebody protected it on purpose (chattr +i, chflags schg); if you may, take that off first",
        ),
        Some(Guard::Mount) => refuse(
            Kind::ManagedElsewhere,
            "the file is a bind mount".to_owned(),
            "the container's host configures it; change it there",
        ),
    }
}

/// Refuses a file that somebody other than root could exchange under our hands (sudoedit's rule).
fn owned_way(root: &Root, path: &RootPath) -> Result<()> {
    let (me, _) = me();
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
