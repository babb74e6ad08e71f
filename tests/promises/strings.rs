//! P25: hostile words in every place that takes one: none of them reaches a file as it is, and nothing is run by the files
//! that come out, read by the shells and by ifquery(8).

mod words;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support;
use words::{HOSTS, Host, words};

/// Where a word is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Address,
    Block,
    Label,
    Interface,
    Backend,
    List,
    Remove,
    Route,
    Root,
}

const PLACES: &[Place] = &[
    Place::Address,
    Place::Block,
    Place::Label,
    Place::Interface,
    Place::Backend,
    Place::List,
    Place::Remove,
    Place::Route,
    Place::Root,
];

fn lay_out(root: &Path, (_, files): &Host) {
    for (path, text) in *files {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
}

/// Runs ipalias with `word` at `place`, in a folder where a canary would be seen.
fn run(dir: &Path, host: &Host, place: Place, word: &[u8]) -> (PathBuf, std::process::Output) {
    let mut root = dir.join("root");
    let word_text = OsString::from_vec(word.to_vec());
    if place == Place::Root {
        let name: Vec<u8> = word.iter().copied().filter(|b| *b != b'/' && *b != 0).take(200).collect();
        if !name.is_empty() && name != b"." && name != b".." {
            root = dir.join(OsString::from_vec(name));
        }
    }
    lay_out(&root, host);
    let mut command = Command::new(support::program());
    command.current_dir(dir).arg("--root").arg(&root).arg("--backend").arg(if place == Place::Backend {
        &*word_text
    } else {
        host.0.as_ref()
    });
    let address = "203.0.113.5";
    match place {
        Place::Address => command.arg("add").arg("--").arg(&word_text),
        Place::Block => command.arg("add").arg("--block").arg(&word_text),
        Place::Label => command.args(["add", address]).arg(format!("--label={}", String::from_utf8_lossy(word))),
        Place::Interface => {
            let mut option = OsString::from("--interface=");
            option.push(&word_text);
            command.args(["add", address]).arg(option)
        }
        Place::Remove => command.arg("remove").arg("--").arg(&word_text),
        Place::List => {
            fs::write(dir.join("list"), [word, b"\n"].concat()).unwrap();
            command.args(["add", "--from"]).arg(dir.join("list"))
        }
        Place::Route => {
            fs::create_dir_all(root.join("proc/net")).unwrap();
            let line = [word, b"\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"].concat();
            fs::write(root.join("proc/net/route"), [b"Iface\tDestination\n".to_vec(), line].concat()).unwrap();
            command.args(["add", address])
        }
        Place::Root | Place::Backend => command.args(["add", address]),
    };
    (root, command.stdin(Stdio::null()).output().unwrap())
}

/// Every line that is in the configuration now and was not.
fn new_lines(host: &Host, root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, node) in support::configuration(&support::read_tree(root)) {
        let support::Node::File(bytes, ..) = node else { continue };
        let known = host.1.iter().find(|(name, _)| Path::new(name) == path).map_or("", |(_, text)| text);
        if path.starts_with("proc") {
            continue;
        }
        let fresh = String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| !known.lines().any(|old| old == *line))
            .map(str::to_owned)
            .collect::<Vec<_>>();
        lines.extend(fresh);
    }
    lines
}

fn is_plain(line: &str) -> bool {
    line.bytes().all(|b| b.is_ascii_alphanumeric() || b" \t.:/_=-\"'".contains(&b))
}

/// Lets the shells read every file that they would read, with traps in the place of all programs; whether any was sprung.
fn sprung(dir: &Path, root: &Path) -> Vec<String> {
    let traps = dir.join("traps");
    fs::create_dir_all(&traps).unwrap();
    for name in ["touch", "id", "reboot", "x", "up", "rm", "ip", "ifconfig", "iface", "auto"] {
        let trap = traps.join(name);
        fs::write(&trap, "#!/bin/sh\n: >canary\n").unwrap();
        fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut found = Vec::new();
    let is_sourced = |path: &Path| {
        let text = path.to_string_lossy();
        ["etc/sysconfig", "etc/conf.d", "etc/rc.conf"].iter().any(|dir| text.starts_with(dir))
            && !text.ends_with("routes")
    };
    for (path, node) in support::read_tree(root) {
        if !matches!(node, support::Node::File(..)) || !is_sourced(&path) {
            continue;
        }
        for shell in ["/usr/bin/dash", "/usr/bin/bash"] {
            let mut command = Command::new(shell);
            command
                .env_clear()
                .env("PATH", &traps)
                .current_dir(dir)
                .args(["-c", ". \"$1\"", shell])
                .arg(root.join(&path));
            let Some(output) = support::tool(&mut command) else { continue };
            SOURCED.fetch_add(1, Ordering::Relaxed);
            if dir.join("canary").exists() {
                found.push(format!("{shell} {}", path.display()));
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if said.contains("not found") {
                found.push(format!("{shell} {}: {said}", path.display()));
            }
        }
    }
    found
}

/// How often a shell has read a file.
static SOURCED: AtomicUsize = AtomicUsize::new(0);

/// The traps are sprung by a file that runs something.
#[test]
fn p25_a_file_that_runs_something_is_seen() {
    for line in ["x=$(touch canary)", "x=`>canary`", ">canary", "reboot", "nonsense"] {
        let dir = support::scratch();
        let path = dir.path().join("root/etc/conf.d/net");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, line).unwrap();
        assert!(!sprung(dir.path(), &dir.path().join("root")).is_empty() || !support::tools_required(), "{line}");
    }
}

#[test]
fn p25_hostile_words_reach_no_file() {
    let words = words();
    let (mut runs, mut changed) = (0, 0);
    for (number, word) in words.iter().enumerate() {
        for (at, place) in PLACES.iter().enumerate() {
            let by_argument = !matches!(place, Place::List | Place::Route | Place::Root);
            if by_argument && word.contains(&0) {
                continue;
            }
            let all = std::env::var_os("IPALIAS_NIGHTLY").is_some();
            for host in HOSTS
                .iter()
                .enumerate()
                .filter(|(host, _)| all || *host == (number + at) % HOSTS.len())
                .map(|(_, host)| host)
            {
                let dir = support::scratch();
                let (root, output) = run(dir.path(), host, *place, word);
                runs += 1;
                let shown = String::from_utf8_lossy(word).escape_debug().to_string();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let what = format!("{shown:.80} as {place:?} of {}: {:?} {said}", host.0, output.status);
                assert!(matches!(output.status.code(), Some(0..=3)) && !said.contains("panicked"), "{what}");
                let raw = said.bytes().any(|b| (b < b' ' && b != b'\n' && b != b'\t') || b == 0x7f);
                assert!(!raw || output.status.code() == Some(2), "{what}");
                assert!(!dir.path().join("canary").exists() && !root.join("canary").exists(), "{what}");
                let lines = new_lines(host, &root);
                if !lines.is_empty() {
                    changed += 1;
                    assert!(lines.iter().all(|line| is_plain(line)), "{what}: {lines:?}");
                    // `null` is a name like any other.
                    let hostile = word.iter().any(|b| !b.is_ascii_alphanumeric());
                    let holds = |line: &String| {
                        hostile
                            && word.len() > 3
                            && line.as_bytes().windows(word.len()).any(|part| part == word.as_slice())
                    };
                    assert!(!lines.iter().any(holds), "{what}: {lines:?}");
                    let sprung = sprung(dir.path(), &root);
                    assert!(sprung.is_empty(), "{what}: {sprung:?}");
                }
                let lock = fs::read(root.join("var/lib/ipalias/lock")).unwrap_or_default();
                let line = lock.strip_suffix(b"\n").unwrap_or(&lock);
                assert!(line.iter().all(|b| *b >= b' ' && *b != 0x7f), "{what}: {}", line.escape_ascii());
            }
        }
    }
    let sourced = SOURCED.load(Ordering::Relaxed);
    assert!(runs >= 500 && changed >= 20, "{runs} runs, {changed} changes");
    assert!(sourced >= 50 || !support::tools_required(), "{sourced} sourced");
    support::promise(
        "P25",
        "words",
        &format!(
            "{} words in {} places, {runs} runs: {changed} added what was asked for, {sourced} files sourced by dash and bash: 0 commands run",
            words.len(),
            PLACES.len()
        ),
    );
}

/// Names of interfaces that the kernel takes, and somebody's script would take for more.
#[test]
fn p25_names_that_the_kernel_takes_are_refused() {
    for name in [
        "-x", "x;reboot", "$(id)", "\u{e4}", "a b", "eth0&", "eth0|x", "eth0'", "`id`", "*", "[a]", "#x", "~", "eth0\\",
    ] {
        for place in [Place::Interface, Place::Route] {
            for host in HOSTS {
                let dir = support::scratch();
                let (root, output) = run(dir.path(), host, place, name.as_bytes());
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let what = format!("{name} as {place:?} of {}: {:?} {said}", host.0, output.status);
                // A blank ends the name in the kernel's table; wicked goes by its own files.
                let passed_over = place == Place::Route && (name == "a b" || host.0 == "wicked");
                assert!(passed_over || output.status.code() == Some(3), "{what}");
                assert!(new_lines(host, &root).iter().all(|line| is_plain(line) && !line.contains(name)), "{what}");
            }
        }
    }
}

/// Files that have such names already: listed, escaped; what is added beside them runs nothing.
#[test]
fn p25_files_that_have_such_names_already() {
    let trees = support::scratch();
    let (mut listed, mut added) = (0, 0);
    let step = if std::env::var_os("IPALIAS_NIGHTLY").is_some() { 1 } else { 3 };
    for (number, word) in words().iter().enumerate().step_by(step) {
        let name = String::from_utf8_lossy(word).replace(['\0', '\n'], "");
        let quoted = name.replace('\'', "");
        let dir = support::scratch();
        for (host, file, extra) in [
            (&HOSTS[0], "etc/network/interfaces", format!("iface {name} inet static\n    address 198.51.100.9/32\n")),
            (
                &HOSTS[0],
                "etc/network/interfaces",
                format!("iface eth0:9 inet static\n    address 198.51.100.9/32\n    label {name}\n"),
            ),
            (
                &HOSTS[1],
                "etc/sysconfig/network-scripts/ifcfg-eth0:9",
                format!("DEVICE='{quoted}'\nIPADDR=198.51.100.9\nNOTE='{quoted}'\n"),
            ),
            (&HOSTS[2], "etc/conf.d/net", format!("note_eth1='{quoted}'\nconfig_eth1='{quoted}'\n")),
            (&HOSTS[3], "etc/rc.conf", format!("ifconfig_em1='{quoted}'\nnote='{quoted}'\n")),
            (
                &HOSTS[4],
                "etc/sysconfig/network/ifcfg-eth1",
                format!("STARTMODE=auto\nBOOTPROTO=static\nIPADDR_9='{quoted}'\n"),
            ),
        ] {
            let root = dir.path().join(format!("root-{}-{listed}", host.0));
            lay_out(&root, host);
            let path = root.join(file);
            let old = fs::read(&path).unwrap_or_default();
            fs::write(&path, [old, extra.clone().into_bytes()].concat()).unwrap();
            let output = support::ipalias(&root, &["--backend", host.0, "list"]);
            let raw = output
                .stdout
                .iter()
                .chain(&output.stderr)
                .any(|b| (*b < b' ' && *b != b'\n' && *b != b'\t') || *b == 0x7f);
            assert!(!raw && matches!(output.status.code(), Some(0 | 3)), "{extra:?}: {:?}", output.status);
            listed += 1;
            let before = fs::read(&path).unwrap();
            let output = support::ipalias(&root, &["-q", "--backend", host.0, "add", "203.0.113.5"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(matches!(output.status.code(), Some(0 | 3)), "{extra:?}: {said}");
            if output.status.success() {
                added += 1;
                let after = fs::read(&path).unwrap();
                let gone = before.len() > after.len();
                assert!(!gone, "{extra:?}");
                let sprung = sprung(dir.path(), &root);
                assert!(sprung.is_empty(), "{extra:?}: {sprung:?}");
                if host.0 == "ifupdown" {
                    support::copy_tree(&root.join("etc"), &trees.path().join(format!("{number}-{listed}/etc")));
                }
            }
        }
    }
    assert!(listed >= 200 && added >= 100, "{listed} listed, {added} added");
    let queried = ifquery(trees.path());
    support::promise(
        "P25",
        "files",
        &format!(
            "{listed} files with such names listed, {added} added to, {queried} of ifupdown's read by its ifquery: 0 commands run"
        ),
    );
}

/// Debian's own ifquery reads every tree, in a sandbox with a canary.
fn ifquery(trees: &Path) -> usize {
    if !support::tools_required() {
        return 0;
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    let script = "cd /tmp; for d in /mnt/*; do ifquery -i $d/etc/network/interfaces --list >/dev/null 2>&1
                  ifquery -i $d/etc/network/interfaces eth0 2>/dev/null | grep -c '^address:'; ls canary 2>/dev/null; done; exit 0";
    let mut command = Command::new(lab);
    command.args(["chroot", "bookworm:ifupdown", "--ro"]).arg(trees).args(["--", "sh", "-c", script]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !said.contains("canary"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let read = said.lines().filter(|line| *line != "0").count();
    assert!(read >= 20, "ifquery took {read} trees: {}", String::from_utf8_lossy(&output.stderr));
    said.lines().count()
}
