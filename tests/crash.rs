//! SIGKILL at every system call of a two-file transaction, then recovery: all old or all new, always.
//!
//! strace(1) counts the calls of an undisturbed run, then kills one run at each of them. After each the files must be, byte
//! for byte, before- or after-images; the next command must leave all of them old or all of them new, without temporary
//! files or a journal. Needs strace; `IPALIAS_REQUIRE_TOOLS` makes its absence a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Node, Tree, configuration, read_tree};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ipalias");

/// The main file names the alias on a shared `auto` line, the included file has its stanza: removing it changes both.
fn lay_out(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "etc/network/interfaces",
        "auto lo eth0 eth0:0\niface lo inet loopback\n\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n\nsource interfaces.d/*\n",
    );
    write(
        "etc/network/interfaces.d/extra",
        "# rented 2024\niface eth0:0 inet static\n    address 203.0.113.5\n    netmask 255.255.255.255\n",
    );
}

fn ipalias(root: &Path, arguments: &[&str]) -> std::process::Output {
    support::ipalias(root, arguments)
}

/// How often an undisturbed run makes each system call.
fn count_calls(root: &Path, trace: &Path, arguments: &[&str]) -> BTreeMap<String, usize> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(trace).arg(PROGRAM).arg("--root").arg(root).args(arguments);
    assert!(quiet(&mut command));
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(trace).unwrap().lines() {
        let call = line.split_whitespace().nth(1).unwrap_or_default().split('(').next().unwrap_or_default();
        if call.starts_with(|c: char| c.is_ascii_lowercase()) {
            *counts.entry(call.to_owned()).or_default() += 1;
        }
    }
    // strace itself makes the first execve; exit_group is the end.
    counts.remove("execve");
    counts
}

/// A run that is killed on entry to the `nth` call of `name`.
fn kill_at(root: &Path, arguments: &[&str], name: &str, nth: usize) {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={name}")]);
    command.args(["-e", &format!("inject={name}:signal=SIGKILL:when={nth}")]);
    quiet(command.arg(PROGRAM).arg("--root").arg(root).args(arguments));
}

fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// Configuration files with their bytes.
type Files = Vec<(PathBuf, Vec<u8>)>;

fn files(tree: &Tree) -> Files {
    let file = |(path, node): (&PathBuf, &Node)| match node {
        Node::File(bytes, ..) if !path.to_string_lossy().contains(".ipalias-") => Some((path.clone(), bytes.clone())),
        _ => None,
    };
    configuration(tree).iter().filter_map(file).collect()
}

/// What a point showed.
#[derive(Default)]
struct Figures {
    points: usize,
    untouched: usize,
    repaired: usize,
}

fn every_kill(arguments: &[&str], prepare: &[&[&str]]) {
    if support::tool(Command::new("strace").arg("-V")).is_none() {
        return;
    }
    let dir = support::scratch();
    let fresh = |name: &str| {
        let root = dir.path().join(name);
        let _ = fs::remove_dir_all(&root);
        lay_out(&root);
        for step in prepare {
            assert!(ipalias(&root, step).status.success(), "{step:?}");
        }
        root
    };
    let before = files(&read_tree(&fresh("original")));
    let undisturbed = fresh("undisturbed");
    let counts = count_calls(&undisturbed, &dir.path().join("trace"), arguments);
    let after = files(&read_tree(&undisturbed));
    assert!(before.iter().zip(&after).filter(|(a, b)| a != b).count() >= 2, "it changes two files: {after:?}");

    let places: Vec<(&str, usize)> =
        counts.iter().flat_map(|(name, count)| (1..=*count).map(|nth| (name.as_str(), nth))).collect();
    // All of them in CI; a sample for whoever just runs the tests.
    let places: Vec<(&str, usize)> =
        places.into_iter().step_by(if support::tools_required() { 1 } else { 8 }).collect();
    let workers = 2;
    let figures = std::thread::scope(|scope| {
        let work = |worker: usize| {
            let (places, fresh, before, after) = (&places, &fresh, &before, &after);
            move || {
                let mut figures = Figures::default();
                for (name, nth) in places.iter().skip(worker).step_by(workers) {
                    let root = fresh(&format!("killed-{worker}"));
                    let whole = read_tree(&root);
                    kill_at(&root, arguments, name, *nth);
                    figures.points += 1;
                    if read_tree(&root) == whole {
                        figures.untouched += 1;
                    } else {
                        figures.repaired +=
                            usize::from(recovers(&root, arguments, before, after, &format!("killed at {name}:{nth}")));
                    }
                }
                figures
            }
        };
        let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(work(worker))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(Figures::default(), |a, b| Figures {
            points: a.points + b.points,
            untouched: a.untouched + b.untouched,
            repaired: a.repaired + b.repaired,
        })
    });
    let Figures { points, untouched, repaired } = figures;
    println!(
        "{}: killed at {points} system calls: {untouched} before the first write, {repaired} taken back by the next run, 0 mixtures",
        arguments.join(" ")
    );
    if support::tools_required() {
        assert!(points - untouched >= 140 && repaired >= 20, "the harness does not reach the write");
    }
}

/// No file is torn, and the next command leaves all files old or all new; whether it had to take something back.
fn recovers(root: &Path, arguments: &[&str], before: &Files, after: &Files, at: &str) -> bool {
    for ((path, now), (old, new)) in files(&read_tree(root)).iter().zip(before.iter().zip(after)) {
        assert!(now == &old.1 || now == &new.1, "{at}: {} is torn", path.display());
    }
    // A command that changes nothing itself, but recovers.
    let next = ipalias(root, &["rollback", "--to", "999999"]);
    assert_eq!(next.status.code(), Some(3), "{at}: {}", String::from_utf8_lossy(&next.stderr));
    let tree = read_tree(root);
    let now = files(&tree);
    assert!(now == *before || now == *after, "{at}: a mixture\n{now:?}");
    let rest = |path: &&PathBuf| {
        let text = path.to_string_lossy();
        text.contains(".ipalias-") || text.ends_with("/journal") || text.contains("/.new-")
    };
    let rests: Vec<&PathBuf> = tree.keys().filter(rest).collect();
    assert!(rests.is_empty(), "{at}: {rests:?}");
    // And the operation can be done as if nothing had happened.
    if now == *before {
        assert!(ipalias(root, arguments).status.success(), "{at}: again");
        assert_eq!(files(&read_tree(root)), *after, "{at}: again");
    }
    String::from_utf8_lossy(&next.stderr).contains("taken back")
}

#[test]
fn killed_at_every_call_of_remove() {
    every_kill(&["remove", "203.0.113.5"], &[]);
}

#[test]
fn killed_at_every_call_of_rollback() {
    every_kill(&["rollback"], &[&["remove", "203.0.113.5"]]);
}
