//! The promises of docs/promises.md, each shown by a test named after it (`p01_…`), a module per kind of harness.
//!
//! What a test found goes to `target/tmp/promises` (see `support::promise`), and `tests/show-promises` prints it.
//! Most need root and tools of Debian's; `IPALIAS_REQUIRE_TOOLS` makes their absence a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod backups;
mod concurrency;
mod confirm;
#[cfg(target_os = "linux")]
mod faults;
mod faulty;
mod fuzzed;
mod inverse;
mod lab;
mod limits;
mod metadata;
mod model;
mod power;
mod roots;
mod secrets;
mod sessions;
mod source;
mod strings;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
