//! P8: the harnesses see the faults that are built into the mutants.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::scene::{Scene, Verb};
use super::tracer::Subject;
use super::{CASES, kills, syncs, words, writers};
use crate::support::{self, promise};

/// The scene that the mutants are run in: two files change.
fn scene(mutant: &'static str) -> Option<Scene> {
    let subject = Subject { program: support::mutants()?, mutant: Some(mutant) };
    Some(Scene::of(CASES[1], Verb::Add, &subject))
}

/// How many of `checks` fail with what is expected.
fn caught(checks: impl Iterator<Item = Box<dyn FnOnce()>>, expected: &str) -> usize {
    let fails = |check: Box<dyn FnOnce()>| match catch_unwind(AssertUnwindSafe(check)) {
        Ok(()) => 0,
        Err(error) => {
            let said = words(&*error);
            usize::from(said.contains(expected))
        }
    };
    checks.map(fails).sum()
}

/// Without a fault chosen, the program with the faults passes what they do not.
#[test]
fn p08_without_a_mutant_nothing_is_caught() {
    let Some(program) = support::mutants() else { return };
    let scene = Scene::of(CASES[1], Verb::Add, &Subject { program, mutant: None });
    assert_eq!(syncs::missing(&scene.calls), Vec::<String>::new());
    let dir = support::scratch();
    let root = dir.path().join("root");
    for call in writers::exchanges(&scene) {
        kills::kill(&scene, &root, call, true);
        writers::intrude(&scene, &root, call, true);
    }
}

#[test]
fn p08_the_mutant_without_a_journal_is_caught() {
    let Some(scene) = scene("no-journal") else { return };
    let scene: &'static Scene = Box::leak(Box::new(scene));
    let dir = support::scratch();
    let points = scene.calls.iter().filter(|call| call.writes());
    let checks = points.map(|call| {
        let root = dir.path().join("root");
        Box::new(move || {
            kills::kill(scene, &root, call, false);
        }) as Box<dyn FnOnce()>
    });
    let caught = caught(checks, "a mixture");
    assert!(caught > 0, "a journal is not needed");
    promise("P08", "no-journal", &format!("caught at {caught} kills"));
}

#[test]
fn p08_the_mutants_without_fsync_are_caught() {
    for (mutant, short) in [("no-file-sync", "before"), ("no-dir-sync", "after")] {
        let Some(scene) = scene(mutant) else { return };
        let missing = syncs::missing(&scene.calls);
        assert!(missing.len() >= 4 && missing.iter().any(|line| line.contains(short)), "{mutant}: {missing:?}");
        promise("P08", mutant, &format!("caught: {} syncs are missing", missing.len()));
    }
}

#[test]
fn p08_the_mutant_without_the_exchange_check_is_caught() {
    let Some(scene) = scene("no-exchange-check") else { return };
    let scene: &'static Scene = Box::leak(Box::new(scene));
    let dir = support::scratch();
    let checks = writers::exchanges(scene).into_iter().map(|call| {
        let root = dir.path().join("root");
        Box::new(move || writers::intrude(scene, &root, call, true)) as Box<dyn FnOnce()>
    });
    let caught = caught(checks, "their version is lost");
    assert_eq!(caught, scene.changes(), "every version is lost");
    promise("P08", "no-exchange-check", &format!("caught at {caught} exchanges"));
}
