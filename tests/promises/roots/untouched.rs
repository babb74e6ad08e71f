//! P29, P11: a dry run, `list`, `status` and a second `add` change nothing: no system call that could.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{canary, text, trace};
use crate::support;

/// Cases of every backend that have a tree, each with its command: one in CI, all at night.
fn cases() -> Vec<(PathBuf, Vec<String>)> {
    #[derive(serde::Deserialize)]
    struct Case {
        command: Vec<String>,
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let below = |path: &Path| -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let mut found = Vec::new();
    for backend in below(&fixtures) {
        let adds = below(&backend).into_iter().filter_map(|case| {
            let read: Case = toml::from_str(&fs::read_to_string(case.join("case.toml")).ok()?).ok()?;
            let adds = read.command.iter().any(|word| word == "add") && case.join("after").is_dir();
            adds.then_some((case, read.command))
        });
        found.extend(adds.take(if super::nightly() { usize::MAX } else { 2 }));
    }
    found
}

#[test]
fn p29_p11_what_only_looks_writes_nothing() {
    if !trace::possible() {
        return;
    }
    let (mut runs, mut again, mut backends) = (0, 0, std::collections::BTreeSet::new());
    for (case, command) in cases() {
        let dir = support::scratch();
        let root = dir.path().join("root");
        support::copy_tree(&case.join("before"), &root);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let only_looks = |runs: &mut usize, words: &[&str]| {
            let before = canary(&root);
            let words = [&[support::program(), "--root", root.to_str().unwrap()], words].concat();
            let run = trace::traced(&dir.path().join("trace"), &words);
            let writes = trace::writes(&run);
            assert!(writes.is_empty(), "{}: {words:?}: {writes:?}", case.display());
            assert!(canary(&root) == before, "{}: {words:?}", case.display());
            *runs += 1;
            run.output
        };
        let looking = |runs: &mut usize| {
            only_looks(runs, &[&["--dry-run"], command.as_slice()].concat());
            only_looks(runs, &["list"]);
            only_looks(runs, &["--json", "status"]);
            only_looks(runs, &["explain"]);
            only_looks(runs, &["-n", "rollback"]);
            only_looks(runs, &["rollback", "--list"]);
        };
        looking(&mut runs);
        let output = support::ipalias(&root, &command);
        if !output.status.success() {
            continue;
        }
        backends.insert(case.parent().unwrap().file_name().unwrap().to_owned());
        let output = only_looks(&mut again, &command);
        assert!(output.status.success(), "{}", text(&output.stderr));
        looking(&mut runs);
        // And with an operation that was interrupted, which they only report.
        let store = root.join("var/lib/ipalias");
        if fs::rename(store.join("000001"), store.join("journal")).is_ok() {
            looking(&mut runs);
        }
    }
    assert!(runs >= 300 && again >= 20 && backends.len() >= 12, "{runs} runs, {again} again, {backends:?}");
    support::promise(
        "P29",
        "roots",
        &format!("{runs} dry runs, lists, statuses, explanations of {} backends: 0 write-class calls", backends.len()),
    );
    support::promise(
        "P11",
        "calls",
        &format!("{again} second adds of {} backends: 0 write-class calls, no lock", backends.len()),
    );
}

/// On a running system, in a network namespace of its own: the kernel's network is asked and not set.
#[test]
fn p29_the_running_system_is_only_asked() {
    let here = nix::unistd::geteuid().is_root() && support::tool(Command::new("ip").arg("-V")).is_some();
    if !here || !trace::possible() {
        assert!(!support::tools_required());
        return;
    }
    let dir = support::scratch();
    let script = dir.path().join("host");
    let text_of = "#!/bin/sh
        set -e; mount --make-rprivate /; mount -t tmpfs -o mode=0755 tmpfs /var/lib
        mkdir -p /run/ipalias-test/up /run/ipalias-test/work; mount -t tmpfs tmpfs /run/ipalias-test
        mkdir -p /run/ipalias-test/up /run/ipalias-test/work
        mount -t overlay -o lowerdir=/etc,upperdir=/run/ipalias-test/up,workdir=/run/ipalias-test/work overlay /etc
        mkdir -p /etc/network; cp \"$1\" /etc/network/interfaces; rm -rf /etc/netplan /etc/systemd/network /etc/NetworkManager
        mount -t sysfs sysfs /sys
        ip link add eth0 type veth peer name peer0; ip link set lo up; ip link set eth0 up; ip link set peer0 up
        ip address add 192.0.2.10/24 dev eth0; ip route add default via 192.0.2.1
        shift; exec \"$@\"";
    fs::write(&script, text_of).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let interfaces = dir.path().join("interfaces");
    fs::write(&interfaces, super::INTERFACES).unwrap();
    let mut asked = 0;
    for words in [
        &["list"][..],
        &["status"],
        &["--backend", "ifupdown", "explain"],
        &["-n", "--backend", "ifupdown", "add", "203.0.113.5"],
        &["rollback", "--list"],
    ] {
        let log = dir.path().join("trace");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net"]).arg(&script).arg(&interfaces).arg("strace");
        command
            .args(["-f", "-qq", "-s", "4096", "-e", "signal=none", "-o"])
            .arg(&log)
            .arg(support::program())
            .args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        let log = fs::read_to_string(&log).unwrap();
        for line in log.lines() {
            let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
            let sets =
                ["RTM_NEW", "RTM_DEL", "RTM_SET"].iter().any(|word| line.contains(&format!("nlmsg_type={word}")));
            assert!(!(call.starts_with("send") && sets), "{words:?}: {line}");
            asked += usize::from(call.starts_with("send") && line.contains("nlmsg_type=RTM_GET"));
            let opens =
                call.starts_with("open") && ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
            let changes = ["rename", "unlink", "mkdir", "chmod", "fchmod", "fsetxattr", "ftruncate", "mount("];
            assert!(!opens && !changes.iter().any(|name| call.starts_with(name)), "{words:?}: {line}");
        }
    }
    assert!(asked >= 4, "the kernel was asked {asked} times");
    support::promise(
        "P29",
        "running",
        &format!("list, status, dry run of a running system: {asked} questions to the kernel, 0 settings, 0 writes"),
    );
}
