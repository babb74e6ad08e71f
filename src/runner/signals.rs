//! Signals that must not stop a change half-way: once caught they are only noted. Handlers, unlike ignored signals, are not
//! inherited by the programs that are run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Failure, Result};

/// What ends a process, and is noted as a wish to stop.
#[cfg(unix)]
const ENDING: &[i32] = &[SIGINT, SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGQUIT];
#[cfg(windows)]
const ENDING: &[i32] = &[SIGINT, SIGTERM];

/// What suspends a process, and is swallowed.
#[cfg(unix)]
const SUSPENDING: &[i32] = &[signal_hook::consts::SIGTSTP];
#[cfg(windows)]
const SUSPENDING: &[i32] = &[];

/// The signals of this process.
pub struct Signals {
    asked: Arc<AtomicBool>,
}

impl Signals {
    /// From here on they stop nothing.
    pub fn catch() -> Result<Signals> {
        let (asked, swallowed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let all =
            ENDING.iter().map(|signal| (signal, &asked)).chain(SUSPENDING.iter().map(|signal| (signal, &swallowed)));
        for (signal, flag) in all {
            signal_hook::flag::register(*signal, Arc::clone(flag)).context("catching signals")?;
        }
        Ok(Signals { asked })
    }

    /// Ends the run if one came: for moments in which nothing has begun.
    pub fn stop_if_asked(&self) -> Result<()> {
        if self.asked.load(Ordering::Relaxed) { Err(Failure::Interrupted.into()) } else { Ok(()) }
    }
}
