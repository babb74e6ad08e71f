//! What people see: help that fits a screen, tables that fit a terminal, colours that can be read, a line while something
//! takes long, and messages that say what to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod help;
#[path = "../promises/lab.rs"]
mod lab;
mod progress;
mod screen;
mod suggestions;
#[path = "../support/mod.rs"]
mod support;
#[path = "../promises/terminal.rs"]
mod terminal;
