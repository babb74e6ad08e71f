//! Directories that walks have come through, held open: nearly every walk begins with the same ones.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Dir;

/// The most directories that are held open.
const MOST_HELD: usize = 64;

/// What is remembered of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing: it may be replaced by another.
    Nothing,
    /// That it is there.
    Found,
    /// Whether it is there: for one look at a root, during which nobody makes any.
    All,
}

/// A directory, and what of it was entered or looked for.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) dir: Arc<Dir>,
    below: Mutex<HashMap<Vec<u8>, Option<Arc<Step>>>>,
    held: Arc<AtomicUsize>,
}

impl Step {
    /// The directory that all walks begin at.
    pub(super) fn top(dir: Arc<Dir>) -> Arc<Step> {
        Step::new(dir, Arc::default())
    }

    fn new(dir: Arc<Dir>, held: Arc<AtomicUsize>) -> Arc<Step> {
        Arc::new(Step { dir, below: Mutex::default(), held })
    }

    /// Opens the directory `name` in it, and remembers what `keep` says.
    pub(super) fn enter(&self, name: &[u8], keep: Keep) -> io::Result<Arc<Step>> {
        if keep == Keep::Nothing {
            return Ok(Step::new(Arc::new(self.dir.open_dir(name)?), self.held.clone()));
        }
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        match below.get(name) {
            Some(Some(known)) => return Ok(known.clone()),
            Some(None) if keep == Keep::All => return Err(io::ErrorKind::NotFound.into()),
            _ => {}
        }
        let opened = self.dir.open_dir(name).map(|dir| Step::new(Arc::new(dir), self.held.clone()));
        match &opened {
            Ok(next) if self.held.fetch_add(1, Ordering::Relaxed) < MOST_HELD => {
                below.insert(name.to_vec(), Some(next.clone()));
            }
            Err(error) if keep == Keep::All && error.kind() == io::ErrorKind::NotFound => {
                below.insert(name.to_vec(), None);
            }
            _ => {}
        }
        opened
    }
}
