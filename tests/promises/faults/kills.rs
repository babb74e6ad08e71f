//! P1, P2, P5: killed at every system call.

use std::path::Path;
use std::time::Duration;

use super::scene::Scene;
use super::tracer::{Call, Verdict, disturb};
use super::{nightly, on_each, scenes, writers};
use crate::support::{self, configuration, promise, read_tree};

/// What the kills of one scene showed.
#[derive(Default)]
pub struct Figures {
    points: usize,
    touched: usize,
    taken_back: usize,
    longest: Duration,
}

/// Before the first write there is nothing to leave behind, so CI takes one call in this many there.
const EARLY: usize = 16;

/// Kills the command of `scene` at `call`, looks at what is left, and runs the next command; with `redo`, then
/// the same one again.
pub fn kill(scene: &Scene, root: &Path, call: &Call, redo: bool) -> Figures {
    let at = format!("{}: killed at {} (number {})", scene.name, call.text(), call.nth);
    scene.restore(root);
    let ending = disturb(&scene.subject, &scene.command(root), call, || Verdict::Kill);
    assert_eq!(ending.signal, Some(libc::SIGKILL), "{at}: {ending:?}");
    let mut figures = Figures { points: 1, ..Figures::default() };
    let tree = read_tree(root);
    if scene.is_start(&tree) {
        return figures;
    }
    scene.nothing_torn(&tree, &at);
    let (taken_back, took) = scene.recovers(root, &at);
    if redo {
        scene.works_again(root, &at);
    }
    figures.touched = 1;
    figures.taken_back = usize::from(taken_back);
    figures.longest = took;
    figures
}

#[test]
fn p01_p02_p05_killed_at_every_call() {
    let mut all = Figures::default();
    let scenes = scenes();
    for scene in &scenes {
        let first = scene.first_write();
        // What a call finds is what the one before it left: only after one that writes there is another state to go on from.
        let after_write = |index: usize| index > 0 && scene.calls[index - 1].writes();
        let chosen: Vec<(&Call, bool)> = scene
            .calls
            .iter()
            .enumerate()
            .filter(|(index, _)| *index >= first || nightly() || index % EARLY == 0)
            .map(|(index, call)| (call, nightly() || after_write(index)))
            .collect();
        let found = on_each(&chosen, |root, (call, redo)| kill(scene, root, call, *redo));
        let mut figures = Figures::default();
        for one in found {
            figures.points += one.points;
            figures.touched += one.touched;
            figures.taken_back += one.taken_back;
            figures.longest = figures.longest.max(one.longest);
        }
        println!(
            "{}: {} calls, {} files change, killed at {}, {} of them had written, {} were taken back, longest {:?}",
            scene.name,
            scene.calls.len(),
            scene.changes(),
            figures.points,
            figures.touched,
            figures.taken_back,
            figures.longest
        );
        assert!(
            figures.touched >= 140 && figures.taken_back >= 20,
            "{}: the harness does not reach the write",
            scene.name
        );
        all.points += figures.points;
        all.touched += figures.touched;
        all.taken_back += figures.taken_back;
        all.longest = all.longest.max(figures.longest);
    }
    assert!(all.longest < Duration::from_secs(1), "the next command took {:?}", all.longest);
    let what = format!(
        "{} commands killed at {} calls, {} of them after the first write",
        scenes.len(),
        all.points,
        all.touched
    );
    promise("P01", "kills", &format!("{what}: 0 torn files"));
    promise(
        "P02",
        "kills",
        &format!("{what}: 0 mixtures, 0 rests, the next command took at most {} ms", all.longest.as_millis()),
    );
    promise("P05", "kills", &format!("{what}: 0 old images missing"));
}

#[test]
fn p02_killed_while_taking_back() {
    let (mut points, mut commands) = (0, 0);
    for scene in &scenes() {
        let dir = support::scratch();
        // The last exchange: all the files before it are new, or, if it is the only one, its own is in a moment.
        let last = writers::exchanges(scene).pop().unwrap();
        let index = scene.calls.iter().position(|call| (call.key, call.nth) == (last.key, last.nth)).unwrap();
        let interrupted = scene.interrupted(&dir.path().join("root"), &scene.calls[index + 1]);
        let chosen: Vec<&Call> = interrupted.calls.iter().filter(|call| call.writes() || nightly()).collect();
        let taken_back = on_each(&chosen, |root, call| {
            let at = format!("{}: killed at {} (number {})", interrupted.name, call.text(), call.nth);
            interrupted.restore(root);
            disturb(&interrupted.subject, &interrupted.command(root), call, || Verdict::Kill);
            interrupted.nothing_torn(&read_tree(root), &at);
            let taken_back = interrupted.recovers(root, &at).0;
            assert!(configuration(&read_tree(root)) == interrupted.before, "{at}: not taken back");
            taken_back
        });
        let again = taken_back.iter().filter(|taken_back| **taken_back).count();
        println!("{}: killed at {}, {again} taken back after that", interrupted.name, chosen.len());
        assert!(again >= 8, "{}: the harness does not reach the write", interrupted.name);
        points += chosen.len();
        commands += 1;
    }
    promise(
        "P02",
        "recovery",
        &format!("{commands} recoveries killed at {points} calls that write: 0 mixtures, 0 rests"),
    );
}
