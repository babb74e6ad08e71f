//! What readers have made of a root: kept, so that the same files are read once for all who ask.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

/// Answers by their type and by who reads.
#[derive(Default)]
pub(super) struct Memo(Mutex<HashMap<Key, Arc<dyn Any + Send + Sync>>>);

type Key = (TypeId, &'static str);

impl Memo {
    /// The answer of `reader`, by `read` if it has not been asked before. An error is not kept.
    pub(super) fn answer<T: Any + Send + Sync>(
        &self,
        reader: &'static str,
        read: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = (TypeId::of::<T>(), reader);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return Ok(known);
        }
        // Unlocked: a reader may ask another.
        let answer = Arc::new(read()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer.clone());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_once() {
        let memo = Memo::default();
        assert!(memo.answer::<u8>("a", || anyhow::bail!("not this time")).is_err());
        assert_eq!(*memo.answer("a", || Ok(1_u8)).unwrap(), 1);
        assert_eq!(*memo.answer("a", || Ok(2_u8)).unwrap(), 1);
        assert_eq!(*memo.answer("b", || Ok(3_u8)).unwrap(), 3);
        assert_eq!(*memo.answer("a", || Ok(4_u16)).unwrap(), 4);
    }
}
