//! Signals that must not stop a change half-way: once caught they are only noted. Handlers, unlike ignored signals, are not
//! inherited by the programs that are run.
//!
//! What asks for an end (Ctrl-C, SIGTERM at a shutdown) has a change taken back; a terminal that is gone (SIGHUP) does not:
//! the change that cost the connection may be the one that has to be finished, or undone by its own verification.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Failure, Result};

/// What asks a process to end.
#[cfg(unix)]
const ENDING: &[i32] = &[SIGINT, SIGTERM, signal_hook::consts::SIGQUIT];
#[cfg(windows)]
const ENDING: &[i32] = &[SIGINT, SIGTERM];

/// What tells it that its terminal is gone.
#[cfg(unix)]
const LEAVING: &[i32] = &[signal_hook::consts::SIGHUP];
#[cfg(windows)]
const LEAVING: &[i32] = &[];

/// What suspends a process (also one in the background that reads from or writes to its terminal), and is swallowed.
#[cfg(unix)]
const SUSPENDING: &[i32] = &[signal_hook::consts::SIGTSTP, signal_hook::consts::SIGTTIN, signal_hook::consts::SIGTTOU];
#[cfg(windows)]
const SUSPENDING: &[i32] = &[];

/// The signals of this process.
pub struct Signals {
    ending: Arc<AtomicBool>,
    leaving: Arc<AtomicBool>,
}

impl Signals {
    /// From here on they stop nothing.
    pub fn catch() -> Result<Signals> {
        let [ending, leaving, swallowed] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        for (signals, flag) in [(ENDING, &ending), (LEAVING, &leaving), (SUSPENDING, &swallowed)] {
            for signal in signals {
                signal_hook::flag::register(*signal, Arc::clone(flag)).context("catching signals")?;
            }
        }
        Ok(Signals { ending, leaving })
    }

    /// Whether one asked for an end.
    pub fn ask_to_end(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether the terminal is gone.
    pub fn left_alone(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Ends the run if any came: for moments in which nothing has begun.
    pub fn stop_if_asked(&self) -> Result<()> {
        if self.ask_to_end() || self.left_alone() { Err(Failure::Interrupted.into()) } else { Ok(()) }
    }
}
