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

/// Calls of a run under strace, as (name, how many).
fn calls(root: &Path, trace: &Path, arguments: &[&str], inject: Option<(&str, usize)>) -> BTreeMap<String, usize> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(trace);
    if let Some((name, nth)) = inject {
        command.arg("-e").arg(format!("inject={name}:signal=SIGKILL:when={nth}"));
    }
    command.arg(env!("CARGO_BIN_EXE_ipalias")).arg("--root").arg(root).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(trace).unwrap_or_default().lines() {
        let call = line.split_whitespace().nth(1).unwrap_or_default().split('(').next().unwrap_or_default();
        if !call.is_empty() && call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            *counts.entry(call.to_owned()).or_default() += 1;
        }
    }
    counts.remove("execve");
    counts
}

fn files(tree: &Tree) -> Vec<(PathBuf, Vec<u8>)> {
    let file = |(path, node): (&PathBuf, &Node)| match node {
        Node::File(bytes, ..) if !path.to_string_lossy().contains(".ipalias-") => Some((path.clone(), bytes.clone())),
        _ => None,
    };
    configuration(tree).iter().filter_map(file).collect()
}

fn every_kill(arguments: &[&str], prepare: &[&[&str]]) {
    if Command::new("strace").arg("-V").output().is_err() {
        assert!(std::env::var_os("IPALIAS_REQUIRE_TOOLS").is_none(), "strace is missing");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let fresh = |name: &str| {
        let root = dir.path().join(name);
        let _ = fs::remove_dir_all(&root);
        lay_out(&root);
        for step in prepare {
            assert!(ipalias(&root, step).status.success(), "{step:?}");
        }
        root
    };
    let original = fresh("original");
    let before = files(&read_tree(&original));
    let undisturbed = fresh("undisturbed");
    let counts = calls(&undisturbed, &trace, arguments, None);
    let after = files(&read_tree(&undisturbed));
    assert_ne!(before, after, "the operation changes something");
    assert!(before.iter().zip(&after).filter(|(a, b)| a != b).count() >= 2, "in two files: {after:?}");

    let (mut points, mut repaired) = (0, 0);
    for (name, count) in &counts {
        for nth in 1..=*count {
            let root = fresh("killed");
            calls(&root, &trace, arguments, Some((name, nth)));
            points += 1;
            let at = format!("killed at {name}:{nth}");
            for ((path, now), (old, new)) in files(&read_tree(&root)).iter().zip(before.iter().zip(&after)) {
                assert!(now == &old.1 || now == &new.1, "{at}: {} is torn", path.display());
            }
            // A command that changes nothing itself, but recovers.
            let next = ipalias(&root, &["rollback", "--to", "999999"]);
            assert_eq!(next.status.code(), Some(3), "{at}: {}", String::from_utf8_lossy(&next.stderr));
            let tree = read_tree(&root);
            let now = files(&tree);
            assert!(now == before || now == after, "{at}: a mixture\n{now:?}");
            repaired += usize::from(String::from_utf8_lossy(&next.stderr).contains("taken back"));
            let rests: Vec<&PathBuf> = tree
                .keys()
                .filter(|path| {
                    path.to_string_lossy().contains(".ipalias-")
                        || path.ends_with("journal")
                        || path.to_string_lossy().contains(".new-")
                })
                .collect();
            assert!(rests.is_empty(), "{at}: {rests:?}");
            // And the operation can be done as if nothing had happened.
            if now == before {
                assert!(ipalias(&root, arguments).status.success(), "{at}: again");
                assert_eq!(files(&read_tree(&root)), after, "{at}: again");
            }
        }
    }
    println!("{}: {points} points, {repaired} of them repaired by the next run, 0 mixtures", arguments.join(" "));
    assert!(
        points >= 140 && repaired >= 10,
        "{points} points, {repaired} repaired: the harness does not reach the write"
    );
}

#[test]
fn killed_at_every_call_of_remove() {
    every_kill(&["remove", "203.0.113.5"], &[]);
}

#[test]
fn killed_at_every_call_of_rollback() {
    every_kill(&["rollback"], &[&["remove", "203.0.113.5"]]);
}
