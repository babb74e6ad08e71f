//! One line on the terminal while a step takes longer than a second, erased when it is over.
//!
//! A thread of its own writes it, by way of `stream::offer`, which waits for nobody: the step may be the very one that has cut
//! off the terminal. Before a change is under way there is none.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Ui, escape, stream, terminal};

/// From when on a step is worth a line, and how often that is written anew.
const TICK: Duration = Duration::from_secs(1);

/// A step that is waited for, while this lives.
pub struct Waiting(Option<Arc<Step>>);

struct Step {
    is_over: Mutex<bool>,
    end: Condvar,
}

impl Ui {
    /// Shows from the second second on that `what` is going on, and for how long.
    pub fn waiting(self, what: impl Into<String>) -> Waiting {
        if !self.shows_progress {
            return Waiting(None);
        }
        let step = Arc::new(Step { is_over: Mutex::new(false), end: Condvar::new() });
        let (ours, what) = (Arc::clone(&step), escape::visible(what.into().as_bytes()));
        // Without a thread there is no line.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || ours.tell(&what));
        Waiting(thread.is_ok().then_some(step))
    }
}

impl Step {
    fn tell(&self, what: &str) {
        let began = Instant::now();
        let mut next = TICK;
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_over {
            let left = next.saturating_sub(began.elapsed());
            if left.is_zero() {
                // A line that wraps cannot be erased.
                let room = terminal::error_columns().saturating_sub(1);
                let seconds = format!(", {} s", next.as_secs());
                let what: String =
                    what.chars().filter(|c| !c.is_control()).take(room.saturating_sub(seconds.len())).collect();
                stream::offer(&format!("{what}{seconds}"));
                next += TICK;
            } else {
                is_over = self.end.wait_timeout(is_over, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(step) = &self.0 {
            *step.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
            step.end.notify_all();
            stream::offer("");
        }
    }
}
