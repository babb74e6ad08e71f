//! Messages, held back while a change is in flight.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use super::stream;

/// Messages that wait until a change is done; nothing while none is in flight.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// How much of them is kept, in bytes.
const MOST_HELD: usize = 64 << 10;

/// While it lives no message is written: a terminal at the far end of a connection that the change has cut would block.
pub struct Hold(());

impl Hold {
    /// Messages wait from here on.
    pub fn messages() -> Hold {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        Hold(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let waiting = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream::err(&waiting.unwrap_or_default());
    }
}

/// Standard error as the log writes to it.
pub struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) if held.len() < MOST_HELD => held.extend_from_slice(bytes),
            Some(_) => {}
            None => stream::err(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A message on standard error.
pub(super) fn err(text: &str) {
    let _ = Log.write_all(text.as_bytes());
}
