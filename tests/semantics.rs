//! The semantics of consumers that cannot be had here, as executable tables: `tests/semantics/BACKEND.sh` says in a few
//! lines of shell which addresses the consumer configures from a tree (where it sources its files, the shell itself
//! sources them), and `ipalias list` has to say the same, for each tree of `fixtures/BACKEND`, before and after.
//!
//! The script prints `INTERFACE ADDRESS/PREFIX`, a line each; its line `# shells: bash dash` names what it is run with.
//! A case that a table cannot show says why: `not_shown_by = { semantics = "..." }`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use support::cases::Case;
use support::{copy_tree, ipalias};

fn main() {
    let arguments = Arguments::from_args();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut trials = Vec::new();
    for script in entries(&top.join("tests/semantics")) {
        let backend = script.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&script).unwrap();
        let shells = text.lines().find_map(|line| line.strip_prefix("# shells: ")).expect("a line `# shells: ...`");
        for case in entries(&top.join("fixtures").join(&backend)) {
            for tree in ["before", "after"].iter().filter(|tree| case.join(tree).is_dir()) {
                for shell in shells.split_whitespace() {
                    let (script, case, shell) = (script.clone(), case.clone(), shell.to_owned());
                    let name = format!("{backend}::{}::{tree}::{shell}", case.file_name().unwrap().to_string_lossy());
                    trials.push(Trial::test(name, move || compare(&script, &case, tree, &shell)));
                }
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn compare(script: &Path, case_dir: &Path, tree: &str, shell: &str) -> Result<(), Failed> {
    let case = Case::read(case_dir)?;
    if case.is_not_shown_by("semantics")? {
        return Ok(());
    }
    let dir = support::scratch();
    copy_tree(&case_dir.join(tree), dir.path());
    for empty in &case.empty_dirs {
        fs::create_dir_all(dir.path().join(empty))?;
    }
    let Some(listed) = listed(dir.path(), &case.command)? else { return Ok(()) };
    let mut command = Command::new(shell);
    command.arg(script).arg(dir.path()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    let Some(output) = support::tool(&mut command) else { return Ok(()) };
    if !output.status.success() {
        return Err(format!("the table fails: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let shown: BTreeSet<String> = String::from_utf8_lossy(&output.stdout).lines().map(normal).collect();
    if shown == listed {
        return Ok(());
    }
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        these.difference(those).cloned().collect::<Vec<_>>().join(", ")
    };
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("only by the table: {}\nonly listed: {}\n{said}", only(&shown, &listed), only(&listed, &shown)).into())
}

/// `INTERFACE ADDRESS/PREFIX` with the address as Rust writes it.
fn normal(line: &str) -> String {
    let mut words = line.split_whitespace();
    let (interface, address) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (ip, prefix) = address.split_once('/').unwrap_or((address, ""));
    let ip = ip.parse::<std::net::IpAddr>().map_or_else(|_| ip.to_owned(), |ip| ip.to_string());
    format!("{interface} {ip}/{prefix}")
}

/// What `ipalias list` says is effective; nothing where it refuses the tree.
fn listed(root: &Path, command: &[String]) -> Result<Option<BTreeSet<String>>, Failed> {
    let mut options: Vec<&str> = Vec::new();
    if let Some(at) = command.iter().position(|word| word == "--backend") {
        options.extend(["--backend", &command[at + 1]]);
    }
    options.extend(["list", "--json"]);
    let output = ipalias(root, &options);
    if output.status.code() == Some(3) {
        return Ok(None);
    }
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let rows = document["addresses"].as_array().ok_or("no addresses")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &serde_json::Value| normal(&format!("{} {}", text(&row["interface"]), text(&row["address"])));
    Ok(Some(rows.iter().filter(|row| row["problem"].is_null()).map(row).collect()))
}
