//! What `--json` prints is what `docs/schema` describes, to the last field, and `docs/json.md` says the same in words.
//!
//! The validator is Python's jsonschema (`tests/schema/fits`; Debian: python3-jsonschema). Documents of the running system,
//! such as those of `--confirm`, are looked at in the lab (`tests/lab/scenario`, step o).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ipalias::error::{Exit, Kind};
use serde_json::Value;
use support::cases::Stage;
use support::{ipalias, scratch};

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    \
                          gateway 192.0.2.1\n";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Documents, each in a file of its own.
struct Documents {
    dir: tempfile::TempDir,
    files: Vec<PathBuf>,
    seen: BTreeSet<String>,
}

impl Documents {
    fn new() -> Documents {
        Documents { dir: scratch(), files: Vec::new(), seen: BTreeSet::new() }
    }

    fn keep(&mut self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(format!("{:02} {name}", self.files.len()));
        fs::write(&path, bytes).unwrap();
        self.files.push(path.clone());
        path
    }

    /// Runs a command with `--json`: its one document, which tells the exit code where it is one of an error.
    fn ask(&mut self, root: &Path, exit: i32, arguments: &[&str]) -> Value {
        let Output { status, stdout, stderr } = ipalias(root, &[&["--json"], arguments].concat());
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert_eq!(status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        self.keep(&arguments.join(" ").replace('/', "-"), &stdout);
        let document: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"));
        let word = |name: &str| document[name].as_str().unwrap_or("-").to_owned();
        self.seen.insert(format!("{} {}", word("command"), word("result")));
        self.seen.insert(format!("kind {}", word("kind")));
        if !document["exit"].is_null() {
            assert_eq!(document["exit"], exit, "{said}");
        }
        document
    }

    /// What the validator says about `files`; nothing if they fit. Outside CI it may be missing.
    fn faults(files: &[PathBuf]) -> Option<String> {
        let output = Command::new(top().join("tests/schema/fits")).args(files).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        match output.status.code() {
            Some(0 | 2) => {
                assert!(output.status.success() == said.is_empty() && output.stderr.is_empty(), "{said}");
                Some(said)
            }
            _ => {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(!support::tools_required() && why.contains("is not installed"), "{why}");
                println!("left out: {why}");
                None
            }
        }
    }
}

fn host() -> tempfile::TempDir {
    let dir = scratch();
    fs::create_dir_all(dir.path().join("etc/network")).unwrap();
    fs::write(dir.path().join("etc/network/interfaces"), INTERFACES).unwrap();
    dir
}

/// Every command: done, nothing to do, refused, failed, and not carried out.
fn gather() -> Documents {
    let mut all = Documents::new();
    let host = host();
    let root = host.path();
    let file = root.join("etc/network/interfaces");
    let list = all.dir.path().join("wishes.toml");
    let wish = |text: &str| fs::write(&list, format!("version = 1\naddresses = [{text}]\n")).unwrap();
    let list = list.to_str().unwrap().to_owned();

    all.ask(root, 0, &["history"]);
    all.ask(root, 3, &["rollback"]);
    all.ask(root, 3, &["confirm"]);
    all.ask(root, 0, &["--dry-run", "add", "203.0.113.5", "2001:db8::5"]);
    all.ask(root, 10, &["--dry-run", "--detailed-exitcode", "add", "203.0.113.5", "2001:db8::5"]);
    all.ask(root, 0, &["add", "203.0.113.5", "2001:db8::5"]);
    all.ask(root, 0, &["add", "203.0.113.5", "2001:db8::5"]);
    all.ask(root, 3, &["add", "192.0.2.10"]);
    all.ask(root, 2, &["add", "203.0.113"]);
    all.ask(root, 1, &["add", "--from", "/nowhere"]);
    all.ask(root, 0, &["--dry-run", "remove", "203.0.113.5"]);
    all.ask(root, 0, &["remove", "203.0.113.5"]);
    all.ask(root, 0, &["remove", "203.0.113.5"]);
    all.ask(root, 3, &["remove", "192.0.2.10"]);
    wish("\"203.0.113.7\"");
    all.ask(root, 0, &["--dry-run", "sync", &list]);
    all.ask(root, 0, &["sync", &list]);
    all.ask(root, 0, &["sync", &list]);
    wish("");
    all.ask(root, 3, &["sync", &list]);
    wish("7");
    all.ask(root, 2, &["sync", &list]);
    all.ask(root, 0, &["list"]);
    all.ask(root, 0, &["status"]);
    all.ask(root, 0, &["explain"]);
    all.ask(root, 0, &["explain", "192.0.2.10"]);
    all.ask(root, 0, &["explain", "netsh"]);
    all.ask(root, 0, &["explain", "--list"]);
    all.ask(root, 2, &["explain", "fly"]);
    all.ask(root, 0, &["--dry-run", "rollback"]);
    all.ask(root, 0, &["rollback"]);
    all.ask(root, 0, &["rollback", "--list"]);
    fs::write(&file, fs::read_to_string(&file).unwrap() + "# mine\n").unwrap();
    all.ask(root, 3, &["rollback"]);

    // A run that was killed just before its last rename, and a file that somebody edited since.
    all.ask(root, 0, &["add", "203.0.113.8"]);
    let store = root.join("var/lib/ipalias");
    let newest =
        fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| name.len() == 6).max();
    fs::rename(store.join(newest.unwrap()), store.join("journal")).unwrap();
    assert_eq!(all.ask(root, 0, &["status"])["interrupted"]["files"].as_array().unwrap().len(), 1);
    assert_eq!(
        all.ask(root, 0, &["history"])["operations"].as_array().unwrap().last().unwrap()["state"],
        "interrupted"
    );
    fs::write(&file, fs::read_to_string(&file).unwrap() + "# mine, too\n").unwrap();
    assert!(!all.ask(root, 5, &["add", "203.0.113.9"])["todo"].as_array().unwrap().is_empty());

    fs::remove_dir_all(store.join("journal")).unwrap();

    // An address without effect, two systems in charge, none, a file that cannot be read, and a system without files.
    fs::write(&file, format!("{INTERFACES}iface eth0:0 inet static\n    address 203.0.113.5/32\n")).unwrap();
    all.ask(root, 0, &["list"]);
    fs::create_dir_all(root.join("etc/systemd/network")).unwrap();
    let network = "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n";
    fs::write(root.join("etc/systemd/network/50-default.network"), network).unwrap();
    all.ask(root, 3, &["list"]);
    let bare = scratch();
    all.ask(bare.path(), 3, &["status"]);
    fs::remove_dir_all(root.join("etc/systemd")).unwrap();
    fs::write(&file, format!("{INTERFACES}\nsource interfaces.d/*\nnonsense here\n")).unwrap();
    all.ask(root, 3, &["add", "203.0.113.10"]);
    for case in ["netsh/g4-remove", "ipadm/remove", "cpanel/configured-below", "netbsd/sync-both", "freebsd/gap-strict"]
    {
        let stage = Stage::new(&top().join("fixtures").join(case)).unwrap();
        let root = stage.tree("before", "root");
        all.ask(&root, 0, &["list"]);
        all.ask(&root, 0, &["status"]);
        all.ask(&root, stage.case.exit, &[&["--dry-run"], stage.command().as_slice()].concat());
        if stage.case.recorded {
            all.ask(&root, 3, &stage.command());
        }
    }
    all
}

#[test]
fn every_command_prints_what_the_schema_describes() {
    let mut all = gather();
    let verbs = ["add", "remove", "sync"];
    let results = ["planned", "changed", "unchanged", "refused"];
    let mut expected: BTreeSet<String> =
        verbs.iter().flat_map(|verb| results.map(|result| format!("{verb} {result}"))).collect();
    expected.extend(
        ["list -", "status -", "history -", "list refused", "status refused", "confirm refused", "add failed"]
            .map(str::to_owned),
    );
    expected.extend(["planned", "changed", "refused"].map(|result| format!("rollback {result}")));
    // Only a defect of ipalias is `unproven`.
    expected.extend(kinds().iter().filter(|kind| **kind != Kind::Unproven).map(|kind| format!("kind {}", kind.word())));
    let missing: Vec<_> = expected.difference(&all.seen).collect();
    assert!(missing.is_empty(), "never printed: {missing:?}");
    let Some(faults) = Documents::faults(&all.files) else { return };
    assert!(faults.is_empty(), "{faults}");

    // What is not described is found: a field more, a field less, another type, another word, at any depth.
    let changed = fs::read_to_string(&all.files[5]).unwrap();
    let wrong = [
        ("more", changed.replacen("\"version\": 1,", "\"version\": 1, \"more\": 1,", 1)),
        ("deep", changed.replacen("\"interface\":", "\"more\": 1, \"interface\":", 1)),
        ("less", changed.replacen("\"backend\": \"ifupdown\",", "", 1)),
        ("type", changed.replacen("\"operation\": 1", "\"operation\": \"1\"", 1)),
        ("word", changed.replacen("\"result\": \"added\"", "\"result\": \"put up\"", 1)),
        ("version", changed.replacen("\"version\": 1,", "\"version\": 2,", 1)),
        ("none", String::new()),
        ("two", format!("{changed}{changed}")),
    ];
    let files: Vec<PathBuf> = wrong.iter().map(|(name, text)| all.keep(name, text.as_bytes())).collect();
    assert!(wrong.iter().all(|(_, text)| *text != changed));
    let faults = Documents::faults(&files).unwrap();
    assert_eq!(faults.lines().count(), wrong.len(), "{faults}");
}

/// All of them: the match has to be extended with the type.
fn exits() -> Vec<Exit> {
    use Exit::{Done, Failed, Incomplete, Interrupted, Locked, Pending, Refused, RolledBack, Usage};
    let all = vec![Done, Failed, Usage, Refused, RolledBack, Incomplete, Pending, Locked, Interrupted];
    for exit in &all {
        match exit {
            Done | Failed | Usage | Refused | RolledBack | Incomplete | Pending | Locked | Interrupted => {}
        }
    }
    all
}

/// All of them, likewise.
fn kinds() -> Vec<Kind> {
    use Kind::{
        Ambiguous, ChangedSince, Malformed, ManagedElsewhere, NotFound, Unacceptable, Unproven, Unsupported, Usage,
    };
    let all = vec![
        Usage,
        Unacceptable,
        Unsupported,
        Ambiguous,
        ManagedElsewhere,
        Malformed,
        ChangedSince,
        NotFound,
        Unproven,
    ];
    for kind in &all {
        match kind {
            Usage | Unacceptable | Unsupported | Ambiguous | ManagedElsewhere | Malformed | ChangedSince | NotFound
            | Unproven => {}
        }
    }
    all
}

#[test]
fn tables_have_every_exit_code_and_every_kind_of_refusal() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(top().join("docs/schema/ipalias-1.schema.json")).unwrap()).unwrap();
    let properties = &schema["$defs"]["error"]["properties"];
    let numbers: BTreeSet<u64> =
        properties["exit"]["enum"].as_array().unwrap().iter().map(|exit| exit.as_u64().unwrap()).collect();
    let errors = exits().into_iter().filter(|exit| !matches!(exit, Exit::Done | Exit::Pending));
    assert_eq!(numbers, errors.map(|exit| exit as u64).collect());
    let words: BTreeSet<&str> =
        properties["kind"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(words, kinds().into_iter().map(Kind::word).collect());
    assert_eq!(schema["$defs"]["version"]["const"], ipalias::ui::JSON_VERSION);

    let page = fs::read_to_string(top().join("docs/json.md")).unwrap();
    let cells = |line: &str| line.strip_prefix("| ").and_then(|row| row.split(" | ").next().map(str::to_owned));
    let first: BTreeSet<String> = page.lines().filter_map(cells).collect();
    for word in exits()
        .iter()
        .map(|exit| (*exit as u8).to_string())
        .chain(kinds().iter().map(|kind| format!("`{}`", kind.word())))
    {
        assert!(first.contains(&word), "docs/json.md has no row for {word}: {first:?}");
    }
}
