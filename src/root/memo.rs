//! What readers have made of a root: kept, so that the same files are read once for all who ask.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Overlay;
use crate::error::Result;

/// Answers by their type and by who reads.
#[derive(Default)]
pub(super) struct Memo {
    answers: Mutex<HashMap<Key, Arc<dyn Any + Send + Sync>>>,
    /// The last overlay that was laid over the root, and its own answers: a backend that checks its plan, and then the proof,
    /// read the same.
    laid: Mutex<Option<(Arc<Overlay>, Arc<Memo>)>>,
}

type Key = (TypeId, &'static str);

impl Memo {
    /// The answer of `reader`, by `read` if it has not been asked before. An error is not kept.
    pub(super) fn answer<T: Any + Send + Sync>(
        &self,
        reader: &'static str,
        read: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = (TypeId::of::<T>(), reader);
        let known = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return Ok(known);
        }
        // Unlocked: a reader may ask another.
        let answer = Arc::new(read()?);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer.clone());
        Ok(answer)
    }

    /// The memo of the root with `overlay`.
    pub(super) fn of_overlay(&self, overlay: &Arc<Overlay>) -> Arc<Memo> {
        let mut laid = self.laid.lock().unwrap_or_else(PoisonError::into_inner);
        match laid.as_ref() {
            Some((known, memo)) if known == overlay => memo.clone(),
            _ => laid.insert((overlay.clone(), Arc::default())).1.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Planned;

    #[test]
    fn asks_once() {
        let memo = Memo::default();
        assert!(memo.answer::<u8>("a", || anyhow::bail!("not this time")).is_err());
        assert_eq!(*memo.answer("a", || Ok(1_u8)).unwrap(), 1);
        assert_eq!(*memo.answer("a", || Ok(2_u8)).unwrap(), 1);
        assert_eq!(*memo.answer("b", || Ok(3_u8)).unwrap(), 3);
        assert_eq!(*memo.answer("a", || Ok(4_u16)).unwrap(), 4);
    }

    #[test]
    fn each_overlay_has_its_own() {
        let overlay = |bytes: &[u8]| {
            let planned = Planned { bytes: Some(bytes.to_vec()), mode: 0o644 };
            Arc::new(Overlay::from([("/etc/x".into(), planned)]))
        };
        let memo = Memo::default();
        let read = |bytes: &[u8], answer: u8| *memo.of_overlay(&overlay(bytes)).answer("a", || Ok(answer)).unwrap();
        assert_eq!([read(b"x", 1), read(b"x", 2), read(b"y", 3), read(b"x", 4)], [1, 1, 3, 4]);
    }
}
