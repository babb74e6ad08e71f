//! ipalias puts an additional (failover) IP address on a server, persistently.
//!
//! The flow of `add`, which every verb follows:
//! [`cli`] parses → [`alias`] says what may be asked for → [`root`] opens the file system →
//! [`detect`] finds the [`backend`] in charge → its `entries` say what is there → its `add` returns a [`plan`] →
//! [`proof`] checks the plan on an overlay → [`diff`] shows it → [`transaction`] writes it, with [`journal`] and [`store`] →
//! [`runner`] and [`live`] make it effective → [`live`] verifies → commit, or everything is undone.
//!
//! Three modules touch the machine: `transaction` writes, `runner` starts programs, `live` asks the kernel.
//! Everything before them is a function of ([`root::Root`], request).

pub mod alias;
pub mod backend;
pub mod cli;
pub mod command;
pub mod detect;
pub mod diff;
pub mod error;
pub mod guide;
pub mod host;
pub mod journal;
pub mod live;
mod mutants;
pub mod nearest;
pub mod plan;
pub mod proof;
pub mod rewriters;
pub mod root;
pub mod runner;
pub mod secrets;
pub mod store;
pub mod syntax;
pub mod text;
pub mod transaction;
pub mod ui;
pub mod wish_list;
