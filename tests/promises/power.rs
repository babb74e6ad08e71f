//! Power cuts (P3, P4, P5) and what they cost (P30): what is on the disk at any moment of an operation, and what the next command makes of it.
//!
//! `cuts` stops a run at each of its system calls and copies the disk below it, which has what was forced out by then and
//! nothing else; the copy is mounted, which replays the file system's own log, and looked at. That shows what the file
//! systems of this kernel do. `replay` shows what any file system may do: it records the operations of a run and loses
//! every legal choice of those that were not synced; it needs no rights. `cost` counts the syncs.

mod cost;
mod cuts;
pub mod disk;
mod model;
mod replay;
mod scenario;
mod stops;

use crate::support;
use scenario::Shown;

/// What was tried and what was found.
#[derive(Default)]
struct Figures {
    /// Moments at which the power was cut.
    points: usize,
    /// Contents of the disk that differed from those of the moment before.
    states: usize,
    /// States with new files.
    some_new: usize,
    /// States with new and old files.
    mixed: usize,
    /// States in which the next command took the operation back.
    repaired: usize,
    /// States in which the change stays.
    kept: usize,
    violations: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: Figures) {
        self.points += other.points;
        self.states += other.states;
        self.some_new += other.some_new;
        self.mixed += other.mixed;
        self.repaired += other.repaired;
        self.kept += other.kept;
        self.violations.extend(other.violations);
    }

    /// Whether the operation is done once more on this state; where time is short, on one of four.
    fn tries_again(&self) -> bool {
        support::nightly() || self.states % 4 == 0
    }

    /// Counts what a state showed.
    fn note(&mut self, found: Result<Shown, String>, at: impl FnOnce() -> String) -> Option<Shown> {
        match found {
            Ok(shown) => {
                self.some_new += usize::from(shown.some_new);
                self.mixed += usize::from(shown.some_new && shown.some_old);
                self.repaired += usize::from(shown.repaired);
                self.kept += usize::from(shown.new);
                Some(shown)
            }
            Err(reason) => {
                self.violations.push(format!("{}: {reason}", at()));
                None
            }
        }
    }

    fn text(&self) -> String {
        let Figures { points, states, mixed, repaired, kept, .. } = self;
        let violations = self.violations.len();
        format!(
            "{points} cuts, {states} states ({mixed} with new and old files, {repaired} taken back, {kept} kept), {violations} violations"
        )
    }
}
