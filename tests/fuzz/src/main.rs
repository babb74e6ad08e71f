//! Fuzzing: one program for every target, so that the library is built and linked once; `IPALIAS_FUZZ` names the target.
//!
//! `tests/fuzz/run` builds and runs it. By hand, with one input: `IPALIAS_FUZZ=ifupdown target/fuzz/... FILE`.

#![no_main]

mod arguments;
mod dialect;
mod hosts;
mod input;
mod journal;
mod seeds;
mod terminal;
mod walker;

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What is done with an input.
type Target = Box<dyn Fn(&[u8]) + Send + Sync>;

/// The target of this run.
static TARGET: OnceLock<Target> = OnceLock::new();

/// The names of all targets.
fn names() -> Vec<&'static str> {
    ["arguments", "journal", "terminal", "walker"]
        .into_iter()
        .chain(hosts::ALL.iter().map(|host| host.backend))
        .collect()
}

fn target(name: &str) -> Option<Target> {
    Some(match name {
        "arguments" => Box::new(arguments::run),
        "journal" => Box::new(journal::run),
        "terminal" => Box::new(terminal::run),
        "walker" => Box::new(walker::target()),
        _ => Box::new(dialect::target(hosts::ALL.iter().find(|host| host.backend == name)?)),
    })
}

/// A folder of this process's own, below `IPALIAS_FUZZ_SCRATCH`, which who set that removes.
fn scratch() -> PathBuf {
    let top = std::env::var_os("IPALIAS_FUZZ_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = top.join(format!("ipalias-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder to work in");
    dir
}

/// Reads the environment; `IPALIAS_FUZZ=names` and `IPALIAS_FUZZ=seeds` are answered at once.
fn start() {
    let name = std::env::var("IPALIAS_FUZZ").unwrap_or_default();
    match name.as_str() {
        "names" => println!("{}", names().join("\n")),
        "seeds" => seeds::write(),
        name => match target(name) {
            Some(target) => {
                let _ = TARGET.set(target);
                return;
            }
            None => {
                eprintln!("IPALIAS_FUZZ must be one of: names seeds {}", names().join(" "));
                std::process::exit(2);
            }
        },
    }
    std::process::exit(0);
}

fuzz_target!(init: start(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(data);
    }
});
