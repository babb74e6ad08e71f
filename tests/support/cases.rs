//! The cases of `fixtures/BACKEND/CASE`, as `tests/golden.rs` has them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Node, copy_tree, ipalias, read_tree, scratch};

/// The `case.toml` of a case.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub about: String,
    /// Arguments behind `ipalias --root TREE`; `wishes.toml` and `wishes.json` are files of the case.
    pub command: Vec<String>,
    #[serde(default)]
    pub exit: i32,
    #[serde(default)]
    pub stderr: Vec<String>,
    #[serde(default)]
    pub stdout: Vec<String>,
    #[serde(default)]
    pub empty_dirs: Vec<PathBuf>,
    #[serde(default)]
    pub modes: BTreeMap<PathBuf, String>,
    /// When files were last written, in seconds since 1970, where that counts.
    #[serde(default)]
    pub modified: BTreeMap<PathBuf, u64>,
    /// Whether the root has no file for it, so that only a dry run shows the plan, and the change itself is refused.
    #[serde(default)]
    pub recorded: bool,
    /// Why removing what was added does not give the tree before, where it does not.
    #[serde(default)]
    pub no_inverse: Option<String>,
    /// Consumers that cannot show it, each with the reason: an image of the lab, `semantics`, or `all`.
    #[serde(default)]
    pub not_shown_by: BTreeMap<String, String>,
}

impl Case {
    /// The `case.toml` in `dir`.
    pub fn read(dir: &Path) -> Result<Case, String> {
        let text = fs::read_to_string(dir.join("case.toml")).map_err(|error| error.to_string())?;
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    /// Whether `consumer` cannot show it, for a reason that is given.
    pub fn is_not_shown_by(&self, consumer: &str) -> Result<bool, String> {
        match self.not_shown_by.get(consumer).or_else(|| self.not_shown_by.get("all")) {
            Some(reason) if reason.len() <= 10 => Err("not_shown_by needs a reason".to_owned()),
            reason => Ok(reason.is_some()),
        }
    }
}

/// The folders of the backends.
pub fn backends() -> Vec<PathBuf> {
    children(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"))
}

/// The directories in a directory, sorted.
pub fn children(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// The last component, for messages.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A case laid out in a directory of its own.
pub struct Stage {
    pub dir: tempfile::TempDir,
    pub case: Case,
    pub source: PathBuf,
}

impl Stage {
    /// Reads the case in `source`.
    pub fn new(source: &Path) -> Result<Stage, String> {
        let mut case = Case::read(source)?;
        if case.about.is_empty() {
            return Err("a case says what it shows".to_owned());
        }
        for word in case.command.iter_mut().filter(|word| word.starts_with("wishes.")) {
            *word = source.join(&word).to_string_lossy().into_owned();
        }
        Ok(Stage { dir: scratch(), case, source: source.to_owned() })
    }

    /// A fresh copy of the tree `which` (`before` or `after`).
    pub fn tree(&self, which: &str, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy_tree(&self.source.join(which), &to);
        for dir in &self.case.empty_dirs {
            fs::create_dir_all(to.join(dir)).unwrap();
        }
        for (path, mode) in &self.case.modes {
            let mode = u32::from_str_radix(mode, 8).unwrap();
            if to.join(path).exists() {
                fs::set_permissions(to.join(path), fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        for (path, seconds) in &self.case.modified {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(*seconds);
            fs::File::options().write(true).open(to.join(path)).unwrap().set_modified(time).unwrap();
        }
        to
    }

    /// Lays into `to` what ipalias leaves beside the files that the case changes, where `to` has such a file: its `.bak`, and the
    /// temporary file that stands there while the change is made. How many it laid.
    pub fn leave_ours(&self, to: &Path) -> usize {
        let root = self.tree("before", "ours");
        let before = read_tree(&root);
        ipalias(&root, &self.command());
        let mut count = 0;
        for (backup, node) in read_tree(&root).into_iter().filter(|(path, _)| !before.contains_key(path)) {
            let Node::File(bytes, mode, ..) = node else { continue };
            let file = backup.with_extension("");
            if backup.extension().is_none_or(|end| end != "bak") || !to.join(&file).is_file() {
                continue;
            }
            let temporary = file.with_file_name(format!(".{}.ipalias-0123456789abcdef", file_name(&file)));
            for path in [to.join(&backup), to.join(temporary)] {
                fs::write(&path, &bytes).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                count += 1;
            }
        }
        count
    }

    /// Its command line.
    pub fn command(&self) -> Vec<&str> {
        self.case.command.iter().map(String::as_str).collect()
    }
}

/// The global options of a command that a later one needs, too.
pub fn options<'a>(command: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        if ["-i", "--interface", "--backend"].contains(word) {
            kept.extend([*word, *words.next().unwrap()]);
        }
    }
    kept
}

/// The addresses and blocks of an add.
pub fn addresses<'a>(command: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        match *word {
            "add" | "--preferred" | "--force" | "--no-announce" | "--in-place" | "--disable-cloud-init-network" => {}
            "-i" | "--interface" | "--backend" | "--label" => drop(words.next()),
            "--block" => kept.extend(["--block", *words.next().unwrap()]),
            address => kept.push(address),
        }
    }
    kept
}
