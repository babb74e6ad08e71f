//! `ipalias sync`: what a list may say, what it governs, and that afterwards the host has exactly what the list says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::cases::{Stage, backends, children, file_name, options};
use support::{configuration, differences, ipalias, read_tree, scratch};

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    \
                          gateway 192.0.2.1\n\nauto eth0:0\niface eth0:0 inet static\n    address 203.0.113.4/32\n\nauto \
                          eth0:web\niface eth0:web inet static\n    address 203.0.113.5/32\n\nauto eth1\niface eth1 inet \
                          static\n    address 10.0.0.5/24\n\nauto eth1:0\niface eth1:0 inet static\n    address 10.0.0.6/32\n";

/// A root with two interfaces, of which eth0 has the default route.
fn host() -> tempfile::TempDir {
    let dir = scratch();
    fs::create_dir_all(dir.path().join("etc/network")).unwrap();
    fs::write(dir.path().join("etc/network/interfaces"), INTERFACES).unwrap();
    dir
}

/// A list in a file of its own.
fn list(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let dir = scratch();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    (dir, path.to_string_lossy().into_owned())
}

fn sync(root: &Path, text: &str, arguments: &[&str]) -> Output {
    let (_dir, path) = list("wishes.toml", text);
    ipalias(root, &[&["sync", path.as_str()], arguments].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn synced(root: &Path, list: &str, arguments: &[&str]) -> Output {
    let output = sync(root, list, arguments);
    assert!(output.status.success(), "{list}: {}", text(&output.stderr));
    output
}

/// Additional addresses with effect, as `INTERFACE ADDRESS`.
fn additional(root: &Path, options: &[&str]) -> Option<BTreeSet<String>> {
    let output = ipalias(root, &[options, &["list", "--json"]].concat());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let rows = document["addresses"].as_array()?;
    let is_one = |row: &&serde_json::Value| row["role"] == "additional" && row["problem"].is_null();
    let words = |row: &serde_json::Value| Some(format!("{} {}", row["interface"].as_str()?, row["address"].as_str()?));
    rows.iter().filter(is_one).map(words).collect()
}

fn has(root: &Path, wanted: &[&str]) {
    let found = additional(root, &[]).unwrap();
    assert_eq!(found, wanted.iter().map(ToString::to_string).collect());
}

/// Refused with `exit` and a reason and hint that have `words`, and nothing written.
fn refused(root: &Path, list: &str, arguments: &[&str], exit: i32, words: &[&str]) {
    let before = read_tree(root);
    let output = sync(root, list, arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{list}: {stderr}");
    for word in words.iter().chain(&["hint: "]) {
        assert!(stderr.contains(word), "{list}: {word:?} in {stderr}");
    }
    let differences = differences(&before, &read_tree(root));
    assert!(differences.is_empty(), "{list} writes: {differences:?}");
}

#[test]
fn lists_that_cannot_be() {
    let host = host();
    for (list, exit, words) in [
        ("", 2, ["wishes.toml:1: missing field `version`", "for example"]),
        ("version = 1\n", 2, ["it has no list of addresses", "addresses = []"]),
        ("version = 3\naddresses = []\n", 2, ["wishes.toml:1: version 3", "only 1"]),
        ("version = 1\naddresses = [\n\"203.0.113\"]\n", 2, ["wishes.toml:3: \"203.0.113\"", "203.0.113.5/32"]),
        ("version = 1\naddresses = [\n\"203.0.113.0/24\"]\n", 3, ["wishes.toml:3: ", "network address"]),
        ("version = 1\naddresses = [\"192.0.2.10\"]\n", 3, ["192.0.2.10 is the primary address", "needs no adding"]),
        ("version = 1\naddresses = [\"192.0.2.9/16\"]\n", 3, ["swallow", "leave the prefix out"]),
        ("version = 1\naddresses = []\n", 3, ["all 2 additional addresses would go", "--allow-empty"]),
        (
            "version = 1\naddresses = [\n{ address = \"203.0.113.5\", label = \"eth0:db\" }]\n",
            3,
            ["wishes.toml:3: 203.0.113.5 is configured with the label eth0:web", "remove 203.0.113.5"],
        ),
        (
            "version = 1\naddresses = [\"203.0.113.5/28\"]\n",
            3,
            ["wishes.toml:2: 203.0.113.5 is configured with the prefix /32", "not with /28"],
        ),
        ("version = 1\naddresses = [\"10.0.0.6\"]\n", 3, ["10.0.0.6 is configured on eth1 already", "remove it there"]),
        ("version = 1\naddresses = []\n[interfaces.eth0]\naddresses = []\n", 2, ["eth0 has two lists", "one of them"]),
    ] {
        refused(host.path(), list, &[], exit, &words);
        refused(host.path(), list, &["--dry-run"], exit, &words);
    }
    let other = "version = 1\n[interfaces.eth1]\naddresses = []\n";
    refused(host.path(), other, &["-i", "eth1"], 2, &["there is no list for -i", "leave -i out"]);
    let output = ipalias(host.path(), &["sync", "/nowhere/wishes.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("/nowhere/wishes.toml"), "{}", text(&output.stderr));
    let large = format!("version = 1\naddresses = []\n{}", "#\n".repeat(3 << 20));
    refused(host.path(), &large, &[], 2, &["larger than 4 MiB"]);
}

#[test]
fn both_directions_in_one_operation() {
    let host = host();
    let before = read_tree(host.path());
    let wishes = "version = 1\naddresses = [\"203.0.113.5\", \"203.0.113.8-203.0.113.9\", \"2001:db8::5\"]\n";
    let dry = sync(host.path(), wishes, &["--dry-run", "--json", "--detailed-exitcode"]);
    assert_eq!(dry.status.code(), Some(10), "{}", text(&dry.stderr));
    let document: serde_json::Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!((&document["command"], &document["result"]), (&"sync".into(), &"planned".into()));
    let lines = document["addresses"].as_array().unwrap().iter();
    let lines: Vec<String> =
        lines.map(|line| format!("{} {}", line["result"], line["address"]).replace('"', "")).collect();
    let expected = [
        "removed 203.0.113.4/32",
        "unchanged 203.0.113.5/32",
        "added 203.0.113.8/32",
        "added 203.0.113.9/32",
        "added 2001:db8::5/128",
    ];
    assert_eq!(lines, expected);
    assert_eq!(document["changes"].as_array().unwrap().len(), 1, "one file, once");
    assert!(differences(&before, &read_tree(host.path())).is_empty());

    synced(host.path(), wishes, &[]);
    let all = ["eth0 2001:db8::5/128", "eth0 203.0.113.5/32", "eth0 203.0.113.8/32", "eth0 203.0.113.9/32"];
    has(host.path(), &[&all[..], &["eth1 10.0.0.6/32"]].concat());
    let once = read_tree(host.path());
    let again = synced(host.path(), wishes, &[]);
    assert!(text(&again.stdout).contains("unchanged") && !text(&again.stdout).contains("added"));
    assert!(differences(&once, &read_tree(host.path())).is_empty(), "nothing is written, the lock file included");
    assert_eq!(sync(host.path(), wishes, &["-n", "--detailed-exitcode"]).status.code(), Some(0));

    let history = ipalias(host.path(), &["history", "--json"]);
    let history: serde_json::Value = serde_json::from_slice(&history.stdout).unwrap();
    assert_eq!(history["operations"].as_array().unwrap().len(), 1, "one operation");
    assert!(ipalias(host.path(), &["rollback"]).status.success());
    assert!(differences(&configuration(&before), &configuration(&read_tree(host.path()))).is_empty(), "one rollback");
}

#[test]
fn standard_input_in_either_format() {
    for wishes in
        ["version = 1\naddresses = [\"203.0.113.9\"]\n", "\n {\"version\": 1, \"addresses\": [\"203.0.113.9\"]}"]
    {
        let host = host();
        let mut child = Command::new(support::program())
            .arg("--root")
            .arg(host.path())
            .args(["sync", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(wishes.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{wishes}");
        has(host.path(), &["eth0 203.0.113.9/32", "eth1 10.0.0.6/32"]);
    }
}

#[test]
fn merging_removes_nothing() {
    let host = host();
    synced(host.path(), "version = 1\naddresses = []\n", &["--merge"]);
    synced(host.path(), "version = 1\naddresses = [\"203.0.113.9\", \"203.0.113.4\"]\n", &["--merge"]);
    let all = ["eth0 203.0.113.4/32", "eth0 203.0.113.5/32", "eth0 203.0.113.9/32", "eth1 10.0.0.6/32"];
    has(host.path(), &all);
    let both = sync(host.path(), "version = 1\naddresses = []\n", &["--merge", "--allow-empty"]);
    assert_eq!(both.status.code(), Some(2), "{}", text(&both.stderr));
}

#[test]
fn only_interfaces_with_a_list_are_governed() {
    let host = host();
    synced(host.path(), "version = 1\n[interfaces.eth1]\naddresses = [\"10.0.0.7\"]\n", &[]);
    has(host.path(), &["eth0 203.0.113.4/32", "eth0 203.0.113.5/32", "eth1 10.0.0.7/32"]);
    synced(host.path(), "version = 1\naddresses = [\"10.0.0.8\"]\n", &["-i", "eth1"]);
    has(host.path(), &["eth0 203.0.113.4/32", "eth0 203.0.113.5/32", "eth1 10.0.0.8/32"]);
    synced(host.path(), "version = 1\naddresses = []\n", &["--allow-empty"]);
    has(host.path(), &["eth1 10.0.0.8/32"]);
    synced(host.path(), "version = 1\naddresses = []\n", &[]);
    let file = fs::read_to_string(host.path().join("etc/network/interfaces")).unwrap();
    assert!(file.contains("192.0.2.10/24") && file.contains("10.0.0.5/24"), "the primary addresses: {file}");
}

#[test]
fn an_address_moves_to_another_interface() {
    let host = host();
    let before = read_tree(host.path());
    let wishes =
        "version = 1\naddresses = [\"203.0.113.5\"]\n[interfaces.eth1]\naddresses = [\"10.0.0.6\", \"203.0.113.4\"]\n";
    synced(host.path(), wishes, &[]);
    has(host.path(), &["eth0 203.0.113.5/32", "eth1 10.0.0.6/32", "eth1 203.0.113.4/32"]);
    assert!(ipalias(host.path(), &["rollback"]).status.success());
    assert!(differences(&configuration(&before), &configuration(&read_tree(host.path()))).is_empty());
}

/// systemd-networkd knows but one primary interface.
#[test]
fn what_another_interface_is_known_by_stays() {
    let host = scratch();
    let dir = host.path().join("etc/systemd/network");
    fs::create_dir_all(&dir).unwrap();
    let network = |name: &str, lines: &str| format!("[Match]\nName={name}\n\n[Network]\n{lines}");
    let first = network("eth0", "Address=192.0.2.10/24\nGateway=192.0.2.1\n");
    fs::write(dir.join("10-eth0.network"), first).unwrap();
    let second =
        network("eth1", "Address=10.0.0.9/32\nAddress=10.0.0.5/24\nAddress=10.0.0.6/24\nAddress=2001:db8:1::5/64\n");
    fs::write(dir.join("20-eth1.network"), second).unwrap();
    let wishes = "version = 1\n[interfaces.eth1]\naddresses = [\"10.0.0.7\"]\n";
    let output = synced(host.path(), wishes, &[]);
    assert!(text(&output.stdout).contains("unchanged 10.0.0.5/24 on eth1: it is what eth1 itself is known by"));
    has(host.path(), &["eth1 10.0.0.5/24", "eth1 10.0.0.7/32", "eth1 2001:db8:1::5/64"]);
    assert!(text(&synced(host.path(), wishes, &[]).stdout).contains("unchanged 10.0.0.7/32"));
    // To name it is no mistake.
    synced(host.path(), "version = 1\n[interfaces.eth1]\naddresses = [\"10.0.0.5/24\"]\n", &[]);
    has(host.path(), &["eth1 10.0.0.5/24", "eth1 2001:db8:1::5/64"]);
}

/// On a disk that does not run, a file may be another interface's.
#[test]
fn what_may_be_another_interfaces_stays() {
    let host = scratch();
    let dir = host.path().join("etc/systemd/network");
    fs::create_dir_all(&dir).unwrap();
    let network = |of: &str, lines: &str| format!("[Match]\n{of}\n\n[Network]\n{lines}");
    let first = network("Name=eth0", "Address=192.0.2.10/24\nGateway=192.0.2.1\nAddress=203.0.113.4/32\n");
    fs::write(dir.join("10-eth0.network"), first).unwrap();
    let second = network("MACAddress=02:00:00:00:00:01", "Address=10.0.0.5/24\nAddress=10.0.0.6/32\n");
    fs::write(dir.join("20-other.network"), second).unwrap();
    synced(host.path(), "version = 1\naddresses = [\"203.0.113.9\"]\n", &[]);
    let other = ["MACAddress=02:00:00:00:00:01 10.0.0.5/24", "MACAddress=02:00:00:00:00:01 10.0.0.6/32"];
    has(host.path(), &[&other[..], &["eth0 203.0.113.9/32"]].concat());

    // The interface has no file of its name, and one of its own.
    synced(host.path(), "version = 1\n[interfaces.eth1]\naddresses = [\"10.0.0.7\"]\n", &[]);
    has(host.path(), &[other[0], "MACAddress=02:00:00:00:00:01 10.0.0.7/32", "eth0 203.0.113.9/32"]);
    fs::write(dir.join("30-third.network"), network("Name=en*", "Address=10.1.0.5/24\n")).unwrap();
    let list = "version = 1\n[interfaces.eth1]\naddresses = []\n";
    refused(host.path(), list, &["--allow-empty"], 3, &["which file is for eth1 cannot be told", "--merge"]);
}

#[test]
fn what_has_no_effect_is_left_alone() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    fs::write(&file, INTERFACES.replace("auto eth0:0\n", "")).unwrap();
    let output = synced(host.path(), "version = 1\naddresses = [\"203.0.113.9\"]\n", &[]);
    assert!(text(&output.stdout).contains("unchanged 203.0.113.4/32 on eth0"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("it has no effect, and is left as it is"), "{}", text(&output.stdout));
    let now = fs::read_to_string(&file).unwrap();
    assert!(now.contains("203.0.113.4") && !now.contains("203.0.113.5") && now.contains("203.0.113.9"), "{now}");
}

#[test]
fn the_backend_can_be_named() {
    let host = host();
    fs::create_dir_all(host.path().join("etc/systemd/network")).unwrap();
    let network = "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n";
    fs::write(host.path().join("etc/systemd/network/50-default.network"), network).unwrap();
    let wishes = "version = 1\naddresses = [\"203.0.113.9\"]\n";
    refused(host.path(), wishes, &[], 3, &["equal right"]);
    synced(host.path(), wishes, &["--backend", "networkd"]);
    let panel = sync(host.path(), wishes, &["--backend", "networkd", "--panel-api"]);
    assert_eq!(panel.status.code(), Some(2), "{}", text(&panel.stderr));
    assert!(text(&panel.stderr).contains("--panel-api is for cPanel"));
}

/// Which of `trees` trees are looked at.
fn is_chosen(number: usize) -> bool {
    support::nightly() || number % 16 == 0
}

/// The trees of the fixtures, with wish lists that follow from the tree and its number: a part of what is there, and something
/// new. Then the host has exactly what the list says, a second time changes nothing, and a rollback gives back every byte;
/// what is there already is a list that changes nothing.
#[test]
fn afterwards_a_host_has_what_its_list_says() {
    let (mut held, mut refused, mut broken, mut backends_held) = (0, 0, Vec::new(), BTreeSet::new());
    let cases: Vec<PathBuf> =
        backends().iter().filter(|dir| file_name(dir) != "detect").flat_map(|dir| children(dir)).collect();
    for (number, source) in cases.iter().enumerate().filter(|(number, _)| is_chosen(*number)) {
        let stage = Stage::new(source).unwrap();
        if stage.case.recorded || !source.join("before").is_dir() {
            continue;
        }
        match std::panic::catch_unwind(|| law(&stage, number)) {
            Err(_) => broken.push(source.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned()),
            Ok(None) => refused += 1,
            Ok(Some(())) => {
                held += 1;
                backends_held.insert(file_name(source.parent().unwrap()));
            }
        }
    }
    assert!(broken.is_empty(), "see above: {broken:?}");
    println!("{held} trees hold, {refused} are refused, of {} backends", backends_held.len());
    assert!(held > refused, "{held} hold, {refused} refused");
    assert!(backends_held.len() >= 14, "{backends_held:?}");
}

fn host_part(address: &str) -> &str {
    address.split('/').next().unwrap()
}

/// The same addresses, each with one of its prefixes.
fn one_each(all: &[String]) -> BTreeSet<String> {
    let by_host: BTreeMap<&str, &String> = all.iter().map(|address| (host_part(address), address)).collect();
    by_host.into_values().cloned().collect()
}

/// Nothing if the tree, or the list on it, is refused for a reason that is no defect.
fn law(stage: &Stage, number: usize) -> Option<()> {
    let root = stage.tree("before", "root");
    let before = read_tree(&root);
    let name = stage.source.display();
    let command = stage.command();
    let options = options(&command);
    let status = ipalias(&root, &[options.as_slice(), &["status", "--json"]].concat());
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
    let interface = status["interface"].as_str()?.to_owned();
    // On a disk a file may say by a pattern which interface it is for.
    let name_of = |row: &String| match row.rsplit_once(' ') {
        Some((device, ip)) if device.contains(['*', '?', '[', '=', '!', ' ', '\\']) => format!("{interface} {ip}"),
        _ => row.clone(),
    };
    let now = || Some(additional(&root, &options)?.iter().map(name_of).collect::<BTreeSet<String>>());
    let old = now()?;
    let mine = |row: &String| row.rsplit_once(' ').filter(|(name, _)| *name == interface).map(|(_, ip)| ip.to_owned());
    let here: Vec<String> = old.iter().filter_map(mine).collect();
    let run = |wishes: &BTreeSet<String>| {
        let all: Vec<String> = wishes.iter().map(|ip| format!("{ip:?}")).collect();
        let path = stage.dir.path().join("list.toml");
        fs::write(&path, format!("version = 1\naddresses = [{}]\n", all.join(", "))).unwrap();
        let path = path.to_string_lossy().into_owned();
        let output = ipalias(&root, &[options.as_slice(), &["sync", &path, "--allow-empty"]].concat());
        let said = text(&output.stderr);
        assert!(!said.contains("panicked") && !said.contains("defect of ipalias"), "{name}: {wishes:?}: {said}");
        output
    };
    let is_refused = |output: &Output| {
        assert!([Some(0), Some(3)].contains(&output.status.code()), "{name}: {}", text(&output.stderr));
        output.status.code() == Some(3)
    };
    if is_refused(&run(&one_each(&here))) {
        return None;
    }
    assert!(differences(&before, &read_tree(&root)).is_empty(), "{name}: what is there is changed");

    let kept = one_each(&here).into_iter().enumerate().filter(|(at, _)| (number / 7 + at) % 3 == 0);
    let mut wishes: BTreeSet<String> = kept.map(|(_, ip)| ip).collect();
    if number % 5 != 0 {
        wishes.insert("203.0.113.213/32".to_owned());
    }
    if is_refused(&run(&wishes)) {
        assert!(differences(&before, &read_tree(&root)).is_empty(), "{name}: a refusal writes");
        return None;
    }
    let named: BTreeSet<&str> = wishes.iter().map(|wish| host_part(wish)).collect();
    let stays = |row: &&String| mine(row).is_none_or(|ip| named.contains(host_part(&ip)));
    let mut wanted: BTreeSet<String> = old.iter().filter(stays).cloned().collect();
    wanted.extend(wishes.iter().filter(|wish| !here.contains(wish)).map(|wish| format!("{interface} {wish}")));
    assert_eq!(now().unwrap(), wanted, "{name}");
    let once = read_tree(&root);
    assert!(run(&wishes).status.success());
    let differences_twice = differences(&once, &read_tree(&root));
    assert!(differences_twice.is_empty(), "{name}: twice is not once: {differences_twice:?}");
    if !differences(&configuration(&before), &configuration(&once)).is_empty() {
        let back = ipalias(&root, &["rollback"]);
        assert!(back.status.success(), "{name}: {}", text(&back.stderr));
    }
    let left = differences(&configuration(&before), &configuration(&read_tree(&root)));
    assert!(left.is_empty(), "{name}: a rollback leaves {left:?}");
    Some(())
}
