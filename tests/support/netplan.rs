//! netplan's generator reads every tree, before and after: what it generates differs by exactly the addresses by which
//! `ipalias list` differs, and it fails where ipalias says that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Failed, Trial};

use crate::support::cases::{Case, Stage};
use crate::support::{self, copy_tree, ipalias};

/// Which images have netplan: 0.106 and 1.1.2.
const FLAVOURS: &[&str] = &["bookworm:netplan", "trixie:netplan"];

/// What of a tree netplan reads, and where that goes in an image.
const CONFIGURATION: &[(&str, &str)] = &[
    ("etc/netplan", "etc/netplan"),
    ("run/netplan", "run/netplan"),
    ("lib/netplan", "usr/lib/netplan"),
    ("opt", "opt"),
];

/// Shows every file that was generated.
const SCRIPT: &str = "/usr/libexec/netplan/generate; echo RC=$?; cd /run; \
    for file in systemd/network/*.network NetworkManager/system-connections/*; do \
    [ ! -f $file ] || { echo \"FILE=$file\"; cat $file; }; done";

/// One test for each case and flavour; they run only where `work` says so.
pub fn trials(work: bool) -> Vec<Trial> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/netplan");
    let mut cases: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut trials = Vec::new();
    for flavour in FLAVOURS {
        let results = Arc::new(OnceLock::new());
        for case in &cases {
            let (case, cases, results) = (case.clone(), cases.clone(), results.clone());
            let name = format!("{flavour}::{}", case.file_name().unwrap().to_string_lossy());
            let trial = move || {
                let dir: &tempfile::TempDir = results.get_or_init(|| generate(flavour, &cases));
                compare(flavour, &case, dir.path())
            };
            trials.push(Trial::test(name, trial).with_ignored_flag(!work));
        }
    }
    trials
}

/// Lets the generator of `flavour` read all trees of `cases`; the folder with what each printed.
fn generate(flavour: &str, cases: &[PathBuf]) -> tempfile::TempDir {
    let dir = support::scratch();
    let mut trees = Vec::new();
    for case in cases {
        for which in ["before", "after"].iter().filter(|which| case.join(which).is_dir()) {
            let name = format!("{}.{which}", case.file_name().unwrap().to_string_lossy());
            let tree = dir.path().join("trees").join(&name);
            fs::create_dir_all(&tree).unwrap();
            for (from, to) in CONFIGURATION.iter().filter(|(from, _)| case.join(which).join(from).is_dir()) {
                fs::create_dir_all(tree.join(to).parent().unwrap()).unwrap();
                copy_tree(&case.join(which).join(from), &tree.join(to));
            }
            if *which == "after" {
                crate::OURS.fetch_add(Stage::new(case).unwrap().leave_ours(&tree), Relaxed);
            }
            trees.push(tree);
        }
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    let mut command = Command::new(lab);
    command
        .args(["each", flavour])
        .arg(dir.path())
        .args(["-t", "60", "-j", "5"])
        .args(&trees)
        .args(["--", "sh", "-c", SCRIPT]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{flavour}: {}", String::from_utf8_lossy(&output.stderr));
    dir
}

fn compare(flavour: &str, path: &Path, results: &Path) -> Result<(), Failed> {
    let case = Case::read(path)?;
    if case.is_not_shown_by(flavour)? {
        return Ok(());
    }
    let name = path.file_name().unwrap().to_string_lossy();
    let before = Generated::read(results, &format!("{name}.before"))?;
    let listed = |which: &str| listed(&path.join(which));
    let must_fail = says_so(path);
    if must_fail != before.failed {
        return Err(format!("it fails: {}, and we say {must_fail}: {}", before.failed, before.said).into());
    }
    if must_fail {
        return Ok(());
    }
    let lost: BTreeSet<String> = listed("before").difference(&before.addresses).cloned().collect();
    if !lost.is_empty() {
        return Err(format!("listed and not generated: {lost:?}\n{}", before.said).into());
    }
    if case.exit != 0 || !path.join("after").is_dir() {
        return Ok(());
    }
    let after = Generated::read(results, &format!("{name}.after"))?;
    let (more, less) = differences(&before.addresses, &after.addresses);
    let expected = differences(&listed("before"), &listed("after"));
    if after.failed || before.rest != after.rest || (more, less) != expected {
        return Err(format!("expected {expected:?}\nbefore {}\nafter {}", before.said, after.said).into());
    }
    Ok(())
}

/// Whether `ipalias status` has a warning of a failure.
fn says_so(path: &Path) -> bool {
    let dir = support::scratch();
    copy_tree(&path.join("before"), dir.path());
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    let output = ipalias(dir.path(), &["--backend", "netplan", "status"]);
    String::from_utf8_lossy(&output.stderr).contains("netplan fails on this")
}

fn differences(before: &BTreeSet<String>, after: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    (after.difference(before).cloned().collect(), before.difference(after).cloned().collect())
}

/// What the generator made.
struct Generated {
    failed: bool,
    /// Address and label, or how long it is preferred.
    addresses: BTreeSet<String>,
    /// Every other line, and how often it is there.
    rest: BTreeMap<String, usize>,
    said: String,
}

impl Generated {
    fn read(results: &Path, name: &str) -> Result<Generated, Failed> {
        let read = |end: &str| fs::read(results.join(format!("{name}.{end}"))).unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (out, err) = (text(read("out")), text(read("err")));
        let said = format!("{out}\n{err}");
        let (first, files) = out.split_once("RC=").ok_or_else(|| format!("no answer: {said}"))?;
        let mut generated = Generated {
            failed: !files.starts_with("0\n"),
            addresses: BTreeSet::new(),
            rest: BTreeMap::new(),
            said: format!("{first}{said}"),
        };
        for line in files.lines().skip(1) {
            generated.line(line);
        }
        Ok(generated)
    }

    fn line(&mut self, line: &str) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let is_numbered = key.strip_prefix("address").is_some_and(|rest| rest.parse::<u32>().is_ok());
        if key == "Address" || is_numbered {
            self.addresses.insert(normal(value.split(',').next().unwrap()));
        } else if !matches!(key, "[Address]" | "Label" | "PreferredLifetime" | "" | "method") {
            *self.rest.entry(line.to_owned()).or_default() += 1;
        }
    }
}

/// An address as ipalias shows it; a prefix with a zero before it is networkd's octal.
fn normal(text: &str) -> String {
    let (ip, prefix) = text.rsplit_once('/').unwrap();
    let ip: std::net::IpAddr = ip.parse().unwrap();
    let base = if prefix.len() > 1 && prefix.starts_with('0') { 8 } else { 10 };
    format!("{ip}/{}", u8::from_str_radix(prefix, base).unwrap())
}

/// What `ipalias list` says is effectively configured in a tree.
fn listed(tree: &Path) -> BTreeSet<String> {
    let dir = support::scratch();
    copy_tree(tree, dir.path());
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    let output = ipalias(dir.path(), &["--backend", "netplan", "list", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", tree.display(), String::from_utf8_lossy(&output.stderr)));
    let rows = document["addresses"].as_array().unwrap();
    rows.iter().filter(|row| row["problem"].is_null()).map(|row| row["address"].as_str().unwrap().to_owned()).collect()
}
