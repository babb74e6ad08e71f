//! One test for each case in `fixtures/BACKEND/CASE`, run through the program itself.
//!
//! A case is `case.toml`, the tree `before/`, and, where the command changes files, `after/`, `diff` and `commands`.
//! From each the laws are derived: a dry run writes nothing, the diff fed to patch(1) gives the same tree, twice is once,
//! remove after add and rollback give the tree before, a second rollback the tree after, list loses nothing, and after sync
//! it has what was wished for.
//! `IPALIAS_BLESS=1 cargo test --test golden` writes `diff` and `commands` anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use support::cases::{Case, Stage, addresses, backends, children, file_name, options};
use support::{Node, Tree, configuration, differences, ipalias, read_tree};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for backend in backends() {
        for case in children(&backend) {
            let name = format!("{}::{}", file_name(&backend), file_name(&case));
            trials.push(Trial::test(name, move || run(&case)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(source: &Path) -> Result<(), Failed> {
    let stage = Stage::new(source)?;
    let root = stage.tree("before", "root");
    let before = read_tree(&root);
    if stage.case.recorded {
        return planned_only(&stage, &root, &before);
    }
    let dry = dry_run(&stage, &root, &before)?;
    let output = ipalias(&root, &stage.command());
    expect(&stage.case, &output)?;
    let now = read_tree(&root);
    if !source.join("after").exists() {
        return same("nothing is written, not even a store", &before, &now);
    }
    let after = read_tree(&stage.tree("after", "after"));
    same("the tree afterwards is after/", &configuration(&after), &configuration(&now))?;
    backups(&before, &now)?;
    recorded(&stage, &dry)?;
    patched(&stage, &dry.stdout, &after)?;
    listed(&stage, &root)?;
    twice(&stage, &root, &now)?;
    rolled_back(&root, &before, &after)?;
    if stage.case.command.iter().any(|word| word == "add") {
        removed(&stage, &root, &before)?;
    }
    if stage.case.command.iter().any(|word| word == "sync") {
        emptied(&stage, &root)?;
    }
    Ok(())
}

/// The dry run shows the plan, the run itself is refused with the commands to type.
fn planned_only(stage: &Stage, root: &Path, before: &Tree) -> Result<(), Failed> {
    let dry = ipalias(root, &[&["--dry-run"], stage.command().as_slice()].concat());
    check(dry.status.success(), format!("the dry run succeeds: {}", show(&dry)))?;
    expect(&Case { exit: 0, ..stage.case.clone() }, &dry)?;
    recorded(stage, &dry)?;
    let output = ipalias(root, &stage.command());
    check(output.status.code() == Some(3), format!("the run is refused: {}", show(&output)))?;
    check(
        String::from_utf8_lossy(&output.stderr).contains("type there"),
        format!("it says what to type: {}", show(&output)),
    )?;
    same("nothing is written", before, &read_tree(root))
}

/// The diff and the commands that a dry run prints; the tree must stay as it is.
fn dry_run(stage: &Stage, root: &Path, before: &Tree) -> Result<Output, Failed> {
    let output = ipalias(root, &[&["--dry-run"], stage.command().as_slice()].concat());
    same("a dry run writes nothing", before, &read_tree(root))?;
    check(output.status.code() == Some(stage.case.exit), format!("the dry run exits alike: {}", show(&output)))?;
    Ok(output)
}

fn expect(case: &Case, output: &Output) -> Result<(), Failed> {
    check(output.status.code() == Some(case.exit), format!("exit {}: {}", case.exit, show(output)))?;
    let contains = |stream: &[u8], wanted: &String| String::from_utf8_lossy(stream).contains(wanted.as_str());
    for wanted in &case.stderr {
        check(contains(&output.stderr, wanted), format!("{wanted:?} on stderr: {}", show(output)))?;
    }
    for wanted in &case.stdout {
        check(contains(&output.stdout, wanted), format!("{wanted:?} on stdout: {}", show(output)))?;
    }
    check(!show(output).contains("panicked"), show(output))
}

/// Every `.bak` holds the old bytes with the old mode, and no file that was not changed has one.
fn backups(before: &Tree, now: &Tree) -> Result<(), Failed> {
    for (path, node) in now {
        let Some(original) = path.to_string_lossy().strip_suffix(".bak").map(PathBuf::from) else { continue };
        if before.contains_key(path) || path.starts_with("var/lib/ipalias") {
            continue;
        }
        check(before.get(&original) == Some(node), format!("{} is the file before", path.display()))?;
    }
    Ok(())
}

/// Compares the dry run with the stored `diff` and `commands`, or stores it.
fn recorded(stage: &Stage, dry: &Output) -> Result<(), Failed> {
    let at = dry.stdout.split_inclusive(|b| *b == b'\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let words: [&[u8]; 2] = [b"to be ", b"unchanged "];
    let end = at.filter(|(_, line)| words.iter().any(|word| line.starts_with(word))).map(|(start, _)| start).next();
    let (diff, rest) = dry.stdout.split_at(end.unwrap_or(dry.stdout.len()));
    for (name, found) in [("diff", diff), ("commands", rest)] {
        let path = stage.source.join(name);
        if std::env::var_os("IPALIAS_BLESS").is_some() {
            fs::write(&path, found)?;
        }
        let stored = fs::read(&path).map_err(|error| format!("{name}: {error}; IPALIAS_BLESS=1 writes it"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        check(stored == found, format!("{name}: expected\n{}\nfound\n{}", text(&stored), text(found)))?;
    }
    Ok(())
}

fn patched(stage: &Stage, diff: &[u8], after: &Tree) -> Result<(), Failed> {
    let root = stage.tree("before", "patched");
    let file = stage.dir.path().join("the.diff");
    fs::write(&file, diff)?;
    let mut patch = Command::new("patch");
    patch.args(["-p1", "--binary", "--no-backup-if-mismatch", "-i"]).arg(&file).current_dir(&root);
    let Some(patch) = support::tool(&mut patch) else { return Ok(()) };
    check(patch.status.success(), format!("patch takes the diff: {}", show(&patch)))?;
    let bytes = |tree: &Tree| -> BTreeMap<PathBuf, Vec<u8>> {
        let file = |(path, node): (&PathBuf, &Node)| match node {
            Node::File(bytes, ..) => Some((path.clone(), bytes.clone())),
            _ => None,
        };
        tree.iter().filter_map(file).collect()
    };
    check(bytes(&read_tree(&root)) == bytes(after), "patch turns before into after")
}

/// Everything that was listed before is listed after add, and what was added, too.
fn listed(stage: &Stage, root: &Path) -> Result<(), Failed> {
    if !stage.case.command.iter().any(|word| word == "add") {
        return Ok(());
    }
    let original = stage.tree("before", "listed");
    let options = options(&stage.command());
    let list = |root: &Path| -> Result<Vec<String>, Failed> {
        let output = ipalias(root, &[options.as_slice(), &["list", "--json"]].concat());
        check(output.status.success(), format!("list succeeds: {}", show(&output)))?;
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let rows = document["addresses"].as_array().ok_or("no addresses")?;
        Ok(rows
            .iter()
            .filter(|row| row["problem"].is_null())
            .map(|row| format!("{} {} {} {}", row["address"], row["interface"], row["label"], row["role"]))
            .collect())
    };
    let (mut old, new) = (list(&original)?, list(root)?);
    for row in &new {
        if let Some(at) = old.iter().position(|known| known == row) {
            old.remove(at);
        }
    }
    check(old.is_empty(), format!("no longer listed: {old:?}"))
}

/// An empty list leaves no additional address on the interface, and the same list as before brings back what it names.
fn emptied(stage: &Stage, root: &Path) -> Result<(), Failed> {
    let command = stage.command();
    let options = options(&command);
    let additional = || -> Result<Vec<String>, Failed> {
        let output = ipalias(root, &[options.as_slice(), &["list", "--json"]].concat());
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let rows = document["addresses"].as_array().ok_or("no addresses")?;
        let is_one = |row: &&serde_json::Value| row["role"] == "additional" && row["problem"].is_null();
        let mut all: Vec<String> =
            rows.iter().filter(is_one).map(|row| format!("{} {}", row["address"], row["interface"])).collect();
        all.sort();
        Ok(all)
    };
    let wished = additional()?;
    let list = stage.dir.path().join("nothing.json");
    fs::write(&list, r#"{"version": 1, "addresses": []}"#)?;
    let list = list.to_string_lossy().into_owned();
    let output = ipalias(root, &[options.as_slice(), &["sync", "--allow-empty", &list]].concat());
    check(output.status.success(), format!("an empty list: {}", show(&output)))?;
    check(additional()?.is_empty(), format!("an empty list leaves {:?}", additional()?))?;
    let output = ipalias(root, &command);
    check(output.status.success(), format!("and the list again: {}", show(&output)))?;
    check(additional()? == wished, format!("{wished:?} are back: {:?}", additional()?))
}

fn twice(stage: &Stage, root: &Path, once: &Tree) -> Result<(), Failed> {
    let again = ipalias(root, &stage.command());
    check(again.status.success(), format!("the second run succeeds: {}", show(&again)))?;
    check(
        String::from_utf8_lossy(&again.stdout).contains("unchanged"),
        format!("the second run says so: {}", show(&again)),
    )?;
    same("the second run writes nothing", once, &read_tree(root))
}

fn rolled_back(root: &Path, before: &Tree, after: &Tree) -> Result<(), Failed> {
    for (what, wanted) in [("before", before), ("after", after), ("before", before), ("after", after)] {
        let output = ipalias(root, &["rollback"]);
        check(output.status.success(), format!("rollback succeeds: {}", show(&output)))?;
        same(&format!("rollback gives the tree {what}"), &configuration(wanted), &configuration(&read_tree(root)))?;
    }
    Ok(())
}

fn removed(stage: &Stage, root: &Path, before: &Tree) -> Result<(), Failed> {
    let command = stage.command();
    let addresses = addresses(&command);
    let output = ipalias(root, &[options(&command), vec!["remove"], addresses].concat());
    check(output.status.success(), format!("remove succeeds: {}", show(&output)))?;
    if let Some(reason) = &stage.case.no_inverse {
        return check(reason.len() > 10, "no_inverse needs a reason");
    }
    same("remove after add gives the tree before", &configuration(before), &configuration(&read_tree(root)))
}

fn same(what: &str, expected: &Tree, found: &Tree) -> Result<(), Failed> {
    let differences = differences(expected, found);
    check(differences.is_empty(), format!("{what}:\n{}", differences.join("\n")))
}

fn check(holds: bool, otherwise: impl Into<String>) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into().into()) }
}

fn show(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
