//! What is on the disk when, read off the calls of an undisturbed run: every file is synced before it takes another's name,
//! every directory after a name in it changed, and both before the step that relies on them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::scene::Scene;
use super::scenes;
use super::tracer::Call;
use crate::support::promise;

/// A sync that is missing, a line each.
pub fn missing(calls: &[Call]) -> Vec<String> {
    let mut missing = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let Some(name) = call.path().filter(|_| changes_names(call)) else { continue };
        let dir = call.fd.clone().unwrap_or_default();
        if !calls[at..].iter().any(|later| syncs(later, &dir)) {
            missing.push(format!("{} is not synced after {}", dir.display(), call.text()));
        }
        let Some(new) = call.other_path() else { continue };
        for file in created(&calls[..at], &name) {
            let whole = calls[..at].iter().rposition(|earlier| writes_to(earlier, &file)).unwrap_or(0);
            if !calls[whole..at].iter().any(|earlier| syncs(earlier, &file)) {
                missing.push(format!(
                    "{} is not synced before {} becomes {}",
                    file.display(),
                    name.display(),
                    new.display()
                ));
            }
        }
        // The journal stands before the first file changes, and every file before the journal goes.
        let is_journal = |path: &Path| path.ends_with("ipalias/journal");
        if is_journal(&new) || is_journal(&name) {
            let relied: BTreeSet<PathBuf> = if is_journal(&new) {
                [dir].into()
            } else {
                calls[..at].iter().filter(|call| changes_names(call)).filter_map(|call| call.fd.clone()).collect()
            };
            for dir in relied {
                let (start, end) = if is_journal(&new) { (at + 1, next_rename(calls, at)) } else { (at, at) };
                let last =
                    calls[..start].iter().rposition(|call| changes_names(call) && call.fd.as_ref() == Some(&dir));
                let synced = last.is_some_and(|last| calls[last..end].iter().any(|call| syncs(call, &dir)));
                if !synced {
                    missing.push(format!("{} is not synced around {}", dir.display(), call.text()));
                }
            }
        }
    }
    missing
}

fn next_rename(calls: &[Call], at: usize) -> usize {
    let next = calls.iter().skip(at + 1).position(|call| call.other.is_some());
    next.map_or(calls.len(), |more| at + 1 + more)
}

/// Whether it gives, takes or moves a name.
fn changes_names(call: &Call) -> bool {
    let makes = call.number() == libc::SYS_openat && call.arguments[2] as i32 & libc::O_EXCL != 0;
    let numbers = [libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_unlinkat, libc::SYS_mkdirat, libc::SYS_linkat];
    makes || numbers.contains(&call.number())
}

fn syncs(call: &Call, path: &Path) -> bool {
    call.number() == libc::SYS_fsync && call.fd.as_deref() == Some(path)
}

fn writes_to(call: &Call, path: &Path) -> bool {
    let numbers = [libc::SYS_write, libc::SYS_ftruncate, libc::SYS_fchmod, libc::SYS_fchown, libc::SYS_fsetxattr];
    numbers.contains(&call.number()) && call.fd.as_deref() == Some(path)
}

/// The files at `path` or below it that one of `calls` made.
fn created(calls: &[Call], path: &Path) -> Vec<PathBuf> {
    let made = calls.iter().filter(|call| call.number() == libc::SYS_openat && changes_names(call));
    made.filter_map(Call::path).filter(|file| file.starts_with(path)).collect()
}

#[test]
fn p04_everything_is_synced_in_order() {
    let scenes = scenes();
    let mut syncs = 0;
    for scene in &scenes {
        let missing = missing(&scene.calls);
        assert!(missing.is_empty(), "{}:\n{}", scene.name, missing.join("\n"));
        syncs += count(scene);
    }
    promise("P04", "syncs", &format!("{} commands, {syncs} calls of fsync, 0 missing", scenes.len()));
}

fn count(scene: &Scene) -> usize {
    let count = scene.calls.iter().filter(|call| call.number() == libc::SYS_fsync).count();
    assert!(count >= 8, "{}: {count} calls of fsync", scene.name);
    count
}
