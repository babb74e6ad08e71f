//! Every tree of `fixtures/`: what an address adds goes with it (P12), and nothing else changes meanwhile (P10).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use crate::support::{self, Node, Tree, configuration, copy_tree, differences, ipalias, read_tree};

/// Addresses that no fixture has: of the networks for benchmarks (RFC 2544) and documentation (RFC 3849).
const ADDRESSES: [&str; 2] = ["198.18.77.77", "2001:db8:77::77"];

/// Trees in which the address does more than come: it wakes what slept, which stays awake without it, since nobody may lose
/// an address that has been up. None other is excused.
const NOT_AS_BEFORE: &[(&str, &str)] = &[
    ("freebsd/gap-strict", "an alias behind the gap wakes, and has its new number"),
    ("freebsd/gap-strict-present", "an alias behind the gap wakes, and has its new number"),
    ("freebsd/gap-strict-remove", "an alias behind the gap wakes, and has its new number"),
    ("freebsd/ipv6-asleep-present", "an alias without the switch for IPv6 wakes"),
    ("freebsd/ipv6-empty-switch", "the switch for IPv6 is in a file of its own, and stays on"),
    ("ifcfg/closed-gap", "an address behind the gap wakes, and has its new number"),
    ("ifcfg/ipv6-without-ipv6init", "an address without IPV6INIT wakes"),
    ("netbsd/g6-open-last-line", "a line without an end is read once it has one"),
    ("netifrc/modules-and-words", "words become lines, for the new one has words of its own"),
    ("openbsd/g4-open-last-line", "a line without an end is read once it has one"),
    ("openbsd/open-wanted", "a line without an end is read once it has one"),
    ("solaris/ipv6-open-last-line", "a line without an end is read once it has one"),
    ("wicked/g2-open-last-line", "a line without an end is read once it has one"),
    ("wicked/open-wanted", "a line without an end is read once it has one"),
];

/// What a `case.toml` says about its tree.
#[derive(Deserialize)]
struct Case {
    command: Vec<String>,
    #[serde(default)]
    empty_dirs: Vec<PathBuf>,
    #[serde(default)]
    modes: BTreeMap<PathBuf, String>,
    #[serde(default)]
    recorded: bool,
}

impl Case {
    /// Options without which the tree has no answer.
    fn options(&self) -> Vec<&str> {
        let mut kept = Vec::new();
        let mut words = self.command.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if ["-i", "--interface", "--backend"].contains(&word) {
                kept.extend([word, words.next().unwrap()]);
            }
        }
        kept
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.is_dir());
    all.sort();
    all
}

/// What a case said to the one address.
enum Told {
    Refused,
    Inverse,
    Wrong(String),
}

fn try_case(source: &Path, case: &Case, address: &str) -> Told {
    let dir = support::scratch();
    let root = dir.path().join("root");
    copy_tree(&source.join("before"), &root);
    for dir in &case.empty_dirs {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for (path, mode) in case.modes.iter().filter(|(path, _)| root.join(path).exists()) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(u32::from_str_radix(mode, 8).unwrap());
        fs::set_permissions(root.join(path), mode).unwrap();
    }
    let before = read_tree(&root);
    let run = |verb| ipalias(&root, &[&case.options()[..], &[verb, address]].concat());
    let added = run("add");
    let tree = read_tree(&root);
    if !added.status.success() {
        let lost = differences(&configuration(&before), &configuration(&tree));
        return match added.status.code() {
            Some(3) if lost.is_empty() => Told::Refused,
            _ => Told::Wrong(format!("a refusal that writes or is none: {}{}", show(&added), lost.join("\n"))),
        };
    }
    if let Some(lost) = lost_bytes(&configuration(&before), &configuration(&tree)) {
        return Told::Wrong(lost);
    }
    let removed = run("remove");
    if !removed.status.success() {
        return Told::Wrong(format!("it cannot be removed again: {}", show(&removed)));
    }
    let left = differences(&configuration(&before), &configuration(&read_tree(&root)));
    if left.is_empty() { Told::Inverse } else { Told::Wrong(format!("remove leaves {}", left.join("\n"))) }
}

/// A file of which `add` did more than insert bytes.
fn lost_bytes(before: &Tree, after: &Tree) -> Option<String> {
    before.iter().find_map(|(path, node)| match (node, after.get(path)) {
        (Node::File(old, ..), Some(Node::File(new, ..))) => {
            let mut rest = new.iter();
            let kept = old.iter().all(|byte| rest.any(|other| other == byte));
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            (!kept).then(|| format!("add takes bytes from {}:\n{}becomes\n{}", path.display(), text(old), text(new)))
        }
        (node, Some(other)) if node == other => None,
        (_, other) => Some(format!("add changes {} to {other:?}", path.display())),
    })
}

fn show(output: &Output) -> String {
    format!("{} {}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn p12_add_and_remove_give_every_fixture_back() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut cases: Vec<(PathBuf, Case)> = Vec::new();
    let mut known = BTreeSet::new();
    for source in children(&fixtures).iter().flat_map(|backend| children(backend)) {
        let case: Case = toml::from_str(&fs::read_to_string(source.join("case.toml")).unwrap()).unwrap();
        let told = format!("{:?} {:?} {:?}", read_tree(&source.join("before")), case.options(), case.modes);
        if !case.recorded && known.insert(told) {
            cases.push((source, case));
        }
    }
    let (next, inverse, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let (wrong, excused) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some((nth, (source, case))) = {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            cases.get(nth).map(|case| (nth, case))
        } {
            for (which, address) in ADDRESSES.iter().enumerate() {
                // Where time is short, every other tree, with one of the two in turn.
                if !support::nightly() && nth % 4 != 2 * which {
                    continue;
                }
                match try_case(source, case, address) {
                    Told::Inverse => drop(inverse.fetch_add(1, Ordering::Relaxed)),
                    Told::Refused => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    Told::Wrong(what) => {
                        let name = source.strip_prefix(&fixtures).unwrap().to_str().unwrap();
                        match NOT_AS_BEFORE.iter().find(|(excused, _)| *excused == name) {
                            Some((name, _)) => drop(excused.lock().unwrap().insert(*name)),
                            None => wrong.lock().unwrap().push(format!("{name}, {address}: {what}")),
                        }
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    let (inverse, refused, wrong) = (inverse.into_inner(), refused.into_inner(), wrong.into_inner().unwrap());
    println!("{} trees: {inverse} inverse, {refused} refused, {} wrong", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let excused = excused.into_inner().unwrap();
    if support::nightly() {
        let stale: Vec<_> = NOT_AS_BEFORE.iter().filter(|(name, _)| !excused.contains(name)).collect();
        assert!(stale.is_empty(), "as before after all: {stale:?}");
    }
    assert!(inverse >= 300, "{inverse} of {}", cases.len());
    let found = format!(
        "{inverse} trees of fixtures are the same bytes after add and remove; {refused} refusals wrote nothing"
    );
    support::promise("P12", "fixtures", &found);
    support::promise("P10", "fixtures", &format!("{inverse} additions only inserted bytes"));
}
