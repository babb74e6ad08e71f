//! The two streams that are printed to: printing never fails, and once a change is under way it never waits for long.
//!
//! A closed terminal, a full disk, Ctrl-S and a pipe that nobody reads must not stop a change half-way. What nobody took in
//! time is lost, and all that would follow it.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::runner;

/// How long a change waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for the second reader, when the first one took nothing: they are often the same.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// Bytes given to the reader at once.
const CHUNK: usize = 4096;

/// Whether a change is under way.
static HURRIED: AtomicBool = AtomicBool::new(false);

/// Whether a reader took nothing for too long.
static DISAPPOINTED: AtomicBool = AtomicBool::new(false);

/// Whether a line that is going to be erased stands on standard error.
static OFFERED: AtomicBool = AtomicBool::new(false);

/// To the beginning of the line, and nothing behind it.
const ERASE: &str = "\r\x1b[K";

static OUT: Mutex<Stream> = Mutex::new(Stream::Fresh);
static ERR: Mutex<Stream> = Mutex::new(Stream::Fresh);

/// Where a stream's bytes go.
enum Stream {
    /// To the system, for as long as that takes.
    Fresh,
    /// To a thread that may wait for the reader instead of us.
    Delegated {
        chunks: Sender<Vec<u8>>,
        taken: Receiver<()>,
        /// Whether a chunk was given without waiting for its end.
        owed: bool,
    },
    /// Nowhere any more.
    Lost,
}

/// From here on nobody is waited for: a change is under way.
pub fn hurry() {
    HURRIED.store(true, Ordering::Relaxed);
}

/// Shows a line on standard error in the place of the one before, which an empty one erases; not if that would have to wait
/// for the reader. Only while a change is under way.
pub(super) fn offer(line: &str) {
    if !HURRIED.load(Ordering::Relaxed) || line.is_empty() && !OFFERED.load(Ordering::Relaxed) {
        return;
    }
    let Ok(mut stream) = ERR.try_lock() else { return };
    if stream.offer(format!("{ERASE}{line}").as_bytes(), write_err) {
        OFFERED.store(!line.is_empty(), Ordering::Relaxed);
    }
}

/// Erases the line that was offered, before something else is printed.
fn clear() {
    if OFFERED.swap(false, Ordering::Relaxed) {
        print(&ERR, ERASE.as_bytes(), true, write_err);
    }
}

/// Prints on standard output.
pub(super) fn out(bytes: &[u8]) {
    clear();
    print(&OUT, bytes, runner::may_block(&io::stdout()), |bytes| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    });
}

/// Prints on standard error.
pub(super) fn err(bytes: &[u8]) {
    clear();
    print(&ERR, bytes, runner::may_block(&io::stderr()), write_err);
}

fn write_err(bytes: &[u8]) -> io::Result<()> {
    io::stderr().lock().write_all(bytes)
}

fn print(stream: &Mutex<Stream>, bytes: &[u8], may_block: bool, write: fn(&[u8]) -> io::Result<()>) {
    if !may_block || !HURRIED.load(Ordering::Relaxed) {
        let _ = write(bytes);
        return;
    }
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*stream, Stream::Lost) {
        return;
    }
    for chunk in bytes.chunks(CHUNK) {
        if !stream.give(chunk, write) {
            DISAPPOINTED.store(true, Ordering::Relaxed);
            *stream = Stream::Lost;
            return;
        }
    }
}

impl Stream {
    /// Whether `chunk` was taken in time.
    fn give(&mut self, chunk: &[u8], write: fn(&[u8]) -> io::Result<()>) -> bool {
        if matches!(self, Stream::Fresh) {
            *self = Stream::delegated(write);
        }
        let Stream::Delegated { chunks, taken, owed } = self else { return false };
        let patience = if DISAPPOINTED.load(Ordering::Relaxed) { SHORT_PATIENCE } else { PATIENCE };
        if *owed && taken.recv_timeout(patience).is_err() {
            return false;
        }
        *owed = false;
        chunks.send(chunk.to_vec()).is_ok() && taken.recv_timeout(patience).is_ok()
    }

    /// Whether `chunk` is on its way; not while another one is.
    fn offer(&mut self, chunk: &[u8], write: fn(&[u8]) -> io::Result<()>) -> bool {
        if matches!(self, Stream::Fresh) {
            *self = Stream::delegated(write);
        }
        let Stream::Delegated { chunks, taken, owed } = self else { return false };
        if *owed && taken.try_recv().is_err() {
            return false;
        }
        *owed = chunks.send(chunk.to_vec()).is_ok();
        *owed
    }

    fn delegated(write: fn(&[u8]) -> io::Result<()>) -> Stream {
        let (chunks, ours) = mpsc::channel::<Vec<u8>>();
        let (told, taken) = mpsc::channel();
        let work = move || {
            for chunk in ours {
                let _ = write(&chunk);
                if told.send(()).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("output".to_owned()).spawn(work) {
            Ok(_) => Stream::Delegated { chunks, taken, owed: false },
            Err(_) => Stream::Lost,
        }
    }
}
