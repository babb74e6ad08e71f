//! The real consumers read every `after/` tree and bring its addresses up: what the kernel has then must be what
//! `ipalias list` says is configured, for ifupdown, ifupdown2, ifupdown-ng, BusyBox, systemd-networkd and NetworkManager of
//! Debian. Every keyfile, those of `before/` too, is also read by nmcli: see `support/nmcli.rs`.
//! Beside each changed file lie our `.bak` and temporary file, which no consumer may read (docs/promises.md, P14).
//! netplan generates from every tree what it should: see `support/netplan.rs`.
//!
//! Each tree is laid into a private copy of an image of `tests/lab` (own network namespace, links with the names that the
//! case uses), and the consumer runs there for real. Needs root and Debian's packages, so it runs only where
//! `IPALIAS_REQUIRE_TOOLS` is set, as CI does; there a missing image is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

#[path = "support/netplan.rs"]
mod netplan;
#[path = "support/nmcli.rs"]
mod nmcli;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libtest_mimic::{Arguments, Failed, Trial};
use support::cases::{Case, Stage};
use support::{copy_tree, ipalias};

/// Which images show what a backend wrote.
const FLAVOURS: &[(&str, &[&str])] = &[
    ("ifupdown", &["bullseye:ifupdown", "bookworm:ifupdown", "trixie:ifupdown"]),
    ("ifupdown2", &["bookworm:ifupdown2", "trixie:ifupdown2"]),
    ("ifupdown-ng", &["bookworm:ifupdown-ng", "trixie:ifupdown-ng"]),
    ("busybox", &["busybox"]),
    ("networkd", &["bullseye:networkd", "bookworm:networkd", "trixie:networkd"]),
    ("networkmanager", &["bullseye:networkmanager", "bookworm:networkmanager", "trixie:networkmanager"]),
];

/// What of a case's tree the consumer reads; the rest (markers of a version, package lists) is only for detection.
const CONFIGURATION: &[&str] = &[
    "etc/network",
    "etc/systemd/network",
    "run/systemd/network",
    "usr/lib/systemd/network",
    "usr/local/lib/systemd/network",
    "lib/systemd/network",
    "etc/NetworkManager/conf.d",
    "etc/NetworkManager/system-connections",
    "run/NetworkManager/system-connections",
    "usr/lib/NetworkManager/system-connections",
    "var/lib/NetworkManager",
];

/// How many files of ours were laid beside those that consumers read.
static OURS: AtomicUsize = AtomicUsize::new(0);

/// An address as the kernel has it: interface, address with prefix, label if it is not the interface's name.
type Up = (String, String, Option<String>);

fn main() {
    let arguments = Arguments::from_args();
    let wanted = support::tools_required();
    let mut trials = Vec::new();
    for (backend, flavours) in FLAVOURS {
        let cases = cases(backend);
        for flavour in *flavours {
            let work = wanted && !arguments.list;
            let results = std::sync::Arc::new(std::sync::OnceLock::new());
            for case in &cases {
                let (case, cases, results) = (case.clone(), cases.clone(), results.clone());
                let name = format!("{flavour}::{}", case.file_name().unwrap().to_string_lossy());
                let trial = move || {
                    let dir: &tempfile::TempDir = results.get_or_init(|| read_all(flavour, &cases));
                    compare(flavour, &case, dir.path())
                };
                trials.push(Trial::test(name, trial).with_ignored_flag(!work));
            }
        }
    }
    trials.extend(netplan::trials(wanted && !arguments.list));
    for flavour in nmcli::FLAVOURS {
        let trial = move || nmcli::read_all(flavour).map_err(Failed::from);
        trials.push(Trial::test(format!("{flavour}::nmcli"), trial).with_ignored_flag(!wanted || arguments.list));
    }
    // The first of a flavour has all of them read; the others wait for it, and would keep other flavours waiting.
    let mut begun = BTreeSet::new();
    trials.sort_by_cached_key(|trial| {
        !begun.insert(trial.name().rsplit_once("::").map(|(flavour, _)| flavour.to_owned()))
    });
    let conclusion = libtest_mimic::run(&arguments, trials);
    if wanted && !conclusion.has_failed() && conclusion.num_filtered_out == 0 {
        let found =
            format!("{} trees, beside their files {} of ours: read by none", conclusion.num_passed, OURS.load(Relaxed));
        support::promise("P14", "consumers", &found);
    }
    conclusion.exit();
}

/// The cases of a backend that have a tree afterwards.
fn cases(backend: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(backend);
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.join("after").is_dir());
    all.sort();
    all
}

fn case(path: &Path) -> Case {
    Case::read(path).unwrap()
}

/// Lets the consumer of `flavour` read the trees of all `cases`; the folder with what each printed.
fn read_all(flavour: &str, cases: &[PathBuf]) -> tempfile::TempDir {
    let dir = support::scratch();
    let mut links = BTreeSet::from(["eth0".to_owned()]);
    let mut trees = Vec::new();
    for path in cases {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let tree = dir.path().join("trees").join(&name);
        configuration(path, &tree);
        let names = expected(path).into_iter().map(|(interface, ..)| interface);
        // NetworkManager makes bonds, bridges and VLANs itself.
        let is_made =
            |name: &str| flavour.ends_with(":networkmanager") && name.trim_start_matches("eth").parse::<u8>().is_err();
        links.extend(names.filter(|name| name != "lo" && is_name(name) && !is_made(name)));
        trees.push(tree);
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    let mut command = Command::new(lab);
    command.args(["each", flavour]).arg(dir.path()).args(["-t", "60", "-j", "5"]);
    for link in &links {
        command.args(["--link", link]);
    }
    let output = command.args(&trees).args(["--", "sh", "-c", &script(flavour)]).output().unwrap();
    assert!(output.status.success(), "{flavour}: {}", String::from_utf8_lossy(&output.stderr));
    dir
}

fn is_name(device: &str) -> bool {
    device.len() <= 15 && device.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

/// Starts what the image starts at boot, then shows the addresses. A DHCP client that gets its lease at once and leaves the
/// addresses alone stands in for the one that the images lack.
fn script(flavour: &str) -> String {
    let start = match flavour.split(':').nth(1) {
        Some("networkd") => "networkd-once",
        Some("networkmanager") => "networkmanager-once",
        Some("ifupdown2") => "mkdir -p /run/network; ifup -a",
        Some("ifupdown-ng") => "ifup -a",
        Some(_) => "ifup -a; ifup -a --allow=hotplug",
        None => "ip address flush dev lo; cd /etc/network; mkdir -p if-pre-up.d if-up.d; ifup -a",
    };
    let client = "for name in dhclient udhcpc; do printf '#!/bin/sh\\n' >/sbin/$name; chmod 755 /sbin/$name; done";
    format!("{client}; {start}; echo ADDRESSES; ip -j address")
}

/// Lays the tree afterwards, and what ipalias leaves beside its files, into `to`.
fn configuration(case_dir: &Path, to: &Path) {
    let after = case_dir.join("after");
    fs::create_dir_all(to).unwrap();
    for part in CONFIGURATION {
        if after.join(part).is_dir() {
            fs::create_dir_all(to.join(part).parent().unwrap()).unwrap();
            copy_tree(&after.join(part), &to.join(part));
        }
    }
    for (path, mode) in case(case_dir).modes {
        if let Ok(meta) = fs::metadata(to.join(&path)) {
            let mut permissions = meta.permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, u32::from_str_radix(&mode, 8).unwrap());
            fs::set_permissions(to.join(&path), permissions).unwrap();
        }
    }
    OURS.fetch_add(Stage::new(case_dir).unwrap().leave_ours(to), Relaxed);
}

/// What `ipalias list` says is effectively configured in the tree afterwards.
fn expected(path: &Path) -> BTreeSet<Up> {
    let command = case(path).command;
    let mut options: Vec<&str> = Vec::new();
    if let Some(at) = command.iter().position(|word| word == "--backend") {
        options.extend(["--backend", &command[at + 1]]);
    }
    options.extend(["list", "--json"]);
    let dir = support::scratch();
    copy_tree(&path.join("after"), dir.path());
    for (file, mode) in case(path).modes {
        if dir.path().join(&file).exists() {
            let mode = u32::from_str_radix(&mode, 8).unwrap();
            fs::set_permissions(dir.path().join(&file), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
    }
    let output = ipalias(dir.path(), &options);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", path.display(), String::from_utf8_lossy(&output.stderr)));
    let rows = document["addresses"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    // A pattern stands for a link that fits: `en*` for en0.
    let device = |row: &serde_json::Value| text(&row["interface"]).unwrap().replace('*', "0");
    let row = |row: &serde_json::Value| (device(row), text(&row["address"]).unwrap(), text(&row["label"]));
    rows.iter().filter(|row| row["problem"].is_null()).map(row).collect()
}

fn compare(flavour: &str, path: &Path, results: &Path) -> Result<(), Failed> {
    let case = case(path);
    if case.is_not_shown_by(flavour)? {
        return Ok(());
    }
    let name = path.file_name().unwrap().to_string_lossy();
    let read = |end: &str| fs::read_to_string(results.join(format!("{name}.{end}"))).unwrap_or_default();
    let (out, err) = (read("out"), read("err"));
    let said = out.split_once("ADDRESSES\n").ok_or_else(|| format!("no answer: rc {} {out}{err}", read("rc")))?;
    let found = up(&serde_json::from_str(said.1)?);
    let expected = expected(path);
    if found == expected {
        return Ok(());
    }
    let only =
        |these: &BTreeSet<Up>, those: &BTreeSet<Up>| format!("{:?}", these.difference(those).collect::<Vec<_>>());
    Err(format!("only up: {}\nonly listed: {}\n{}{err}", only(&found, &expected), only(&expected, &found), said.0)
        .into())
}

/// The kernel's addresses, without what it makes itself (link-local) and the loopback's own.
fn up(links: &serde_json::Value) -> BTreeSet<Up> {
    let mut all = BTreeSet::new();
    for link in links.as_array().unwrap() {
        let interface = link["ifname"].as_str().unwrap();
        for address in link["addr_info"].as_array().unwrap() {
            let local = address["local"].as_str().unwrap();
            if address["scope"] == "link" || local.starts_with("127.") || local == "::1" {
                continue;
            }
            let label = address["label"].as_str().filter(|label| *label != interface).map(str::to_owned);
            all.insert((interface.to_owned(), format!("{local}/{}", address["prefixlen"]), label));
        }
    }
    all
}
