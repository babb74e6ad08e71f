//! Fuzzing: one program for every target, so that the library is built and linked once; `IPALIAS_FUZZ` names the target.
//!
//! `tests/fuzz/run` builds and runs it. By hand, with one input: `IPALIAS_FUZZ=ifupdown target/fuzz/... FILE`.

#![no_main]

mod arguments;
mod dialect;
mod hosts;
mod input;
mod journal;
mod mutations;
mod seeds;
mod terminal;
mod walker;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What is done with an input.
type Target = Box<dyn Fn(&[u8]) + Send + Sync>;

/// How long a mutation may be, in bytes.
const LONGEST: usize = 4096;

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
            Some(target) => match std::env::var("IPALIAS_FUZZ_MUTATIONS") {
                Ok(count) => mutate(name, &target, count.parse().expect("a number")),
                Err(_) => {
                    let _ = TARGET.set(target);
                    return;
                }
            },
            None => {
                eprintln!("IPALIAS_FUZZ must be one of: names seeds {}", names().join(" "));
                std::process::exit(2);
            }
        },
    }
    std::process::exit(0);
}

/// The mutations of the corpus of `name` and of the inputs in `IPALIAS_FUZZ_SEEDS`.
fn mutate(name: &str, target: &Target, count: usize) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = PathBuf::from(std::env::var_os("IPALIAS_FUZZ_SEEDS").expect("IPALIAS_FUZZ_SEEDS"));
    let found = PathBuf::from(std::env::var_os("IPALIAS_FUZZ_FOUND").expect("IPALIAS_FUZZ_FOUND"));
    let dirs = [here.join("corpus").join(name), seeds.join(name)];
    let words = here.join("dict").join(format!("{name}.dict"));
    let outcome = mutations::run(target, &dirs, &words, count, LONGEST, &found);
    println!("{name}: {} inputs, {} finds", outcome.inputs, outcome.finds);
    std::process::exit(i32::from(outcome.finds > 0));
}

fuzz_target!(init: start(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(data);
    }
});
