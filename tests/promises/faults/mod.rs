//! Faults in the real program: it is killed at every system call, and every system call fails.
//!
//! In CI: an `add`, a `remove` and a `rollback` of ifupdown, which change one file, and of cPanel, which change two. With
//! `IPALIAS_NIGHTLY` set: a case of every backend, all kills, and more errors.

mod errors;
mod kills;
mod mutants;
mod old_kernel;
mod scene;
mod storm;
mod syncs;
mod tracer;
mod writers;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::cases::{Stage, backends, children, file_name};
use crate::support::{self, read_tree};
use scene::{Scene, Verb};

/// Whether everything is tried that can be, rather than what CI has time for.
fn nightly() -> bool {
    std::env::var_os("IPALIAS_NIGHTLY").is_some()
}

/// The cases that CI takes: one file, two files.
const CASES: &[&str] = &["ifupdown/g1-alias-stanza", "cpanel/g2-open-last-line"];

/// The commands that are disturbed.
fn scenes() -> Vec<Scene> {
    let mut cases: Vec<String> = CASES.iter().map(ToString::to_string).collect();
    if nightly() {
        cases.extend(backends().iter().filter_map(|backend| representative(backend)));
    }
    let verbs = [Verb::Add, Verb::Remove, Verb::Rollback];
    let shipped = scene::shipped();
    let scenes: Vec<Scene> = cases.iter().flat_map(|case| verbs.map(|verb| Scene::of(case, verb, &shipped))).collect();
    assert!(scenes.iter().all(|scene| scene.changes() > 0) && scenes.iter().any(|scene| scene.changes() > 1));
    scenes
}

/// The case of a backend whose `add` changes most files; nothing where there are no files.
fn representative(backend: &Path) -> Option<String> {
    let fits = |case: &PathBuf| {
        let Ok(Stage { case, .. }) = Stage::new(case) else { return false };
        let adds = case.command.iter().any(|word| word == "add") && case.exit == 0 && !case.recorded;
        adds && case.no_inverse.is_none() && case.modified.is_empty()
    };
    let changes = |case: &Path| {
        let [before, after] = ["before", "after"].map(|tree| read_tree(&case.join(tree)));
        before.len().max(after.len()) - before.iter().filter(|(path, node)| after.get(*path) == Some(node)).count()
    };
    let cases = children(backend).into_iter().filter(|case| case.join("after").exists() && fits(case));
    let case = cases.rev().max_by_key(|case| changes(case))?;
    Some(format!("{}/{}", file_name(backend), file_name(&case)))
}

/// Does `work` for every one of `items`, on all processors, each with a directory of its own for its root; fails with
/// everything that failed.
fn on_each<T: Sync, R: Send>(items: &[T], work: impl Fn(&Path, &T) -> R + Sync) -> Vec<R> {
    let dir = support::scratch();
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<Result<R, String>> = std::thread::scope(|scope| {
        let worker = |number: usize| {
            let (root, next, work) = (dir.path().join(format!("root-{number}")), &next, &work);
            move || {
                let mine = std::iter::from_fn(|| items.get(next.fetch_add(1, Ordering::Relaxed)));
                let safely =
                    |item| catch_unwind(AssertUnwindSafe(|| work(&root, item))).map_err(|error| words(&*error));
                mine.map(safely).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..workers).map(|number| scope.spawn(worker(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let failures: Vec<&str> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    let some: Vec<&str> = failures.iter().take(20).copied().collect();
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), items.len(), some.join("\n"));
    results.into_iter().filter_map(Result::ok).collect()
}

/// What a panic said.
fn words(error: &(dyn Any + Send)) -> String {
    let text = error.downcast_ref::<String>().cloned();
    text.or_else(|| error.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
