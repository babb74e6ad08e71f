//! The direction of dependencies, checked on the source text: who may touch the machine, who may print, who knows whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push(path);
        }
    }
    all
}

/// The code of a file without its tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn none_of(folder: &str, but: &[&str], words: &[&str]) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let top = src.join(folder);
    let files = if top.is_dir() { sources(&top) } else { vec![top.clone()] };
    for file in files.iter().filter(|file| !but.iter().any(|but| file.starts_with(src.join(but)))) {
        let code = code(file);
        for word in words {
            assert!(!code.contains(word), "{} must not use {word}", file.display());
        }
    }
}

#[test]
fn backends_and_dialects_only_read_roots() {
    let effects = [
        "std::fs",
        "fs_err",
        "rustix",
        "std::process",
        "std::env",
        "crate::transaction",
        "crate::runner",
        "crate::live",
        "crate::ui",
        "crate::journal",
        "crate::command",
        "crate::cli",
    ];
    none_of("backend", &[], &effects);
    none_of("syntax", &[], &effects);
    none_of("syntax", &[], &["crate::backend", "crate::root", "crate::plan"]);
    for file in [
        "alias.rs",
        "alias",
        "text.rs",
        "plan.rs",
        "proof.rs",
        "diff.rs",
        "detect.rs",
        "detect",
        "host.rs",
        "nearest.rs",
    ] {
        none_of(file, &[], &effects);
    }
}

#[test]
fn one_module_for_each_effect() {
    none_of("", &["runner"], &["process::Command", "pre_exec"]);
    none_of("", &["live", "lib.rs"], &["RTM_", "sys::socket"]);
    none_of("", &["ui.rs", "ui"], &["stdout()", "stderr()", "println!", "eprintln!"]);
    none_of(
        "",
        &["root/dir", "transaction", "store.rs"],
        &[".create_file(", ".rename(", ".rename_new(", ".exchange(", ".remove_file(", ".remove_dir(", ".make_dir("],
    );
}

#[test]
fn systems_differ_behind_four_walls() {
    let walls = ["root/dir", "transaction/metadata", "runner", "live"];
    none_of("", &walls, &["cfg(unix)", "cfg(windows)", "target_os", "std::os::", "unsafe ", "rustix", "nix::"]);
}

#[test]
fn effects_know_no_backend() {
    let edges = ["crate::command", "crate::cli", "crate::detect"];
    none_of("runner", &[], &[&edges[..], &["crate::backend", "crate::ui"]].concat());
    none_of(
        "transaction",
        &[],
        &[&edges[..], &["crate::backend", "crate::ui", "crate::live", "crate::runner"]].concat(),
    );
    none_of(
        "journal.rs",
        &[],
        &[&edges[..], &["crate::backend", "crate::ui", "crate::live", "crate::runner"]].concat(),
    );
    none_of("live", &[], &[&edges[..], &["crate::ui", "crate::runner", "crate::transaction"]].concat());
    for file in ["ui.rs", "ui"] {
        none_of(file, &[], &[&edges[..], &["crate::backend", "crate::transaction", "crate::live"]].concat());
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{} opens with its purpose", file.display());
    }
}

/// Every crate has its reason in CONTRIBUTING.md.
#[test]
fn dependencies_are_argued_for() {
    let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest["target"].as_table().unwrap().values().filter_map(|target| target.as_table());
    let tables = std::iter::once(&manifest).chain(targets).flat_map(|table| kinds.map(|kind| table.get(kind)));
    let names: Vec<&String> = tables.flatten().flat_map(|table| table.as_table().unwrap().keys()).collect();
    assert!(names.len() > 20, "{names:?}");
    let reasons = read("CONTRIBUTING.md");
    let reasons = reasons.split("## Dependencies").nth(1).unwrap().split("\n## ").next().unwrap();
    for name in names {
        assert!(reasons.contains(&format!("`{name}`")), "{name} is not in CONTRIBUTING.md, section Dependencies");
    }
}
