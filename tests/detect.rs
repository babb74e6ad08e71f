//! The table of systems: which backend is in charge of a root, or what the refusal says. One file of `fixtures/detect` is
//! one root: `about`, `[files]` with their contents, `links` with their targets, `dirs`, and what has to come out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use support::{ipalias, read_tree};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct System {
    about: String,
    /// The backend in charge.
    backend: Option<String>,
    /// The primary interface, where that can be told.
    interface: Option<String>,
    /// Words of the warnings.
    #[serde(default)]
    warns: Vec<String>,
    /// Words of the refusal.
    #[serde(default)]
    refused: Vec<String>,
    #[serde(default)]
    dirs: Vec<PathBuf>,
    #[serde(default)]
    links: BTreeMap<PathBuf, PathBuf>,
    #[serde(default)]
    files: BTreeMap<PathBuf, String>,
}

fn main() {
    let arguments = Arguments::from_args();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/detect");
    let mut all: Vec<PathBuf> = fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let trial = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || run(&path))
    };
    libtest_mimic::run(&arguments, all.into_iter().map(trial).collect()).exit();
}

fn run(path: &Path) -> Result<(), Failed> {
    let system: System = toml::from_str(&fs::read_to_string(path)?)?;
    if system.about.is_empty() || system.backend.is_none() && system.refused.is_empty() {
        return Err("a system says what it is, and what has to come out".into());
    }
    let dir = support::scratch();
    let root = dir.path();
    fs::create_dir_all(root.join("etc"))?;
    for made in &system.dirs {
        fs::create_dir_all(root.join(made))?;
    }
    for (name, text) in &system.files {
        fs::create_dir_all(root.join(name).parent().unwrap())?;
        fs::write(root.join(name), text)?;
        if name.parent().is_some_and(|dir| dir.ends_with("system-connections")) {
            // NetworkManager reads no profile that others may read.
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o600))?;
        }
    }
    for (name, target) in &system.links {
        fs::create_dir_all(root.join(name).parent().unwrap())?;
        std::os::unix::fs::symlink(target, root.join(name))?;
    }
    let before = read_tree(root);
    let output = ipalias(root, &["status", "--json"]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let missing = |words: &[String]| words.iter().find(|word| !said.contains(word.as_str())).cloned();
    if read_tree(root) != before {
        return Err("looking must not write".into());
    }
    let Some(backend) = &system.backend else {
        return match (output.status.code(), missing(&system.refused)) {
            (Some(3), None) => Ok(()),
            (code, word) => Err(format!("exit {code:?}, without {word:?}: {said}").into()),
        };
    };
    let document: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {said}"))?;
    if document["backend"] != backend.as_str() {
        return Err(format!("not {backend}: {said}").into());
    }
    if system.interface.is_some() && document["interface"].as_str() != system.interface.as_deref() {
        return Err(format!("not {:?}: {said}", system.interface).into());
    }
    missing(&system.warns).map_or(Ok(()), |word| Err(format!("without {word:?}: {said}").into()))
}
