//! How much of a root one run reads: a disk that somebody else filled must not keep the machine busy.
//!
//! What is counted is files, bytes and lookups, not time: a slow disk is no attack, and a limit on time could fall due
//! while another run holds the lock. A file counts once, however often it is read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{MOST_FILE_BYTES, RootPath};
use crate::error::{Kind, Refusal};

/// The most files that one run reads.
const MOST_FILES: usize = 4096;

/// The most bytes that these have together.
const MOST_BYTES: u64 = 16 << 20;

/// The most paths that are looked up.
const MOST_LOOKUPS: u64 = 100_000;

/// What a run has read so far, shared by all clones of its root.
#[derive(Debug, Default)]
pub(super) struct Budget {
    files: Mutex<BTreeSet<RootPath>>,
    bytes: AtomicU64,
    lookups: AtomicU64,
    lifted: AtomicBool,
    exhausted: AtomicBool,
}

impl Budget {
    /// One that never ends.
    pub(super) fn unlimited() -> Budget {
        Budget { lifted: AtomicBool::new(true), ..Budget::default() }
    }

    /// Nothing is refused any more.
    pub(super) fn lift(&self) {
        self.lifted.store(true, Ordering::Relaxed);
    }

    /// Whether anything was refused.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// Counts the lookup of `path`.
    pub(super) fn look(&self, path: &RootPath) -> Result<(), Refusal> {
        let over = self.lookups.fetch_add(1, Ordering::Relaxed) >= MOST_LOOKUPS;
        self.refuse_if(over, path, || format!("more than {MOST_LOOKUPS} paths"))
    }

    /// Counts the file at `path` of `size` bytes. The kernel's own files (proc(5), sysfs(5)) are left out: a host may have
    /// thousands of interfaces.
    pub(super) fn charge(&self, path: &RootPath, size: u64) -> Result<(), Refusal> {
        if self.lifted.load(Ordering::Relaxed) || ["/proc", "/sys"].iter().any(|dir| path.is_under(&(*dir).into())) {
            return Ok(());
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.insert(path.clone()) {
            return Ok(());
        }
        let size = size.min(MOST_FILE_BYTES as u64);
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        self.refuse_if(files.len() > MOST_FILES, path, || format!("more than {MOST_FILES} files"))?;
        self.refuse_if(bytes > MOST_BYTES, path, || format!("more than {} MiB of files", MOST_BYTES >> 20))
    }

    fn refuse_if(&self, over: bool, path: &RootPath, what: impl Fn() -> String) -> Result<(), Refusal> {
        if !over || self.lifted.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.exhausted.store(true, Ordering::Relaxed);
        let reason = format!("{} would have to be looked at", what());
        let hint =
            "ipalias reads no configuration of that size; look for includes and copies that are not meant to be there";
        Err(Refusal::new(Kind::Malformed, reason, hint).at(path, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let budget = Budget::default();
        let path = |n: usize| RootPath::new(format!("/etc/{n}"));
        for _ in 0..3 {
            (0..MOST_FILES).for_each(|n| budget.charge(&path(n), 1).unwrap());
        }
        budget.charge(&"/proc/net/route".into(), 0).unwrap();
        assert!(budget.charge(&path(MOST_FILES), 1).unwrap_err().reason.contains("4096 files"));
        budget.lift();
        budget.charge(&path(MOST_FILES + 1), 1).unwrap();
        let budget = Budget::default();
        (0..4).for_each(|n| budget.charge(&path(n), 1 << 40).unwrap());
        assert!(budget.charge(&path(4), 1).unwrap_err().reason.contains("16 MiB"));
        (0..MOST_LOOKUPS).for_each(|_| budget.look(&path(1)).unwrap());
        assert!(budget.look(&path(1)).is_err());
    }
}
