//! Operations on two files or more, and what has to hold whenever the power was cut in the middle of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{self, Node, Tree, configuration, copy_tree, read_tree};

/// A command on a tree of its own.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    /// The tree, below `fixtures/`.
    fixture: &'static str,
    /// Commands that come before it.
    prepare: &'static [&'static [&'static str]],
    pub command: &'static [&'static str],
    /// What it has to change at least.
    files: usize,
}

const fn new(
    name: &'static str,
    fixture: &'static str,
    prepare: &'static [&'static [&'static str]],
    command: &'static [&'static str],
) -> Scenario {
    Scenario { name, fixture, prepare, command, files: 2 }
}

/// `add`, `remove` and `rollback`; files that are changed, made and removed, with a `.bak` and without.
pub const SCENARIOS: &[Scenario] = &[
    new("add", "cpanel/above-ifcfg", &[], &["add", "198.51.100.7"]),
    new("remove", "ifupdown/name-across-files", &[], &["remove", "203.0.113.5"]),
    new("rollback", "ifupdown/name-across-files", &[&["remove", "203.0.113.5"]], &["rollback"]),
    new("add-new", "ifcfg/several", &[], &["add", "198.51.100.7", "198.51.100.8"]),
    new("rollback-new", "ifcfg/several", &[&["add", "198.51.100.7", "198.51.100.8"]], &["rollback"]),
];

/// The scenario called `name`.
pub fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap()
}

/// A command that changes nothing itself, but takes back what a run before it left.
pub const RECOVERY: &[&str] = &["rollback", "--to", "999999"];

/// Files with their bytes, by path.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a scenario is before and after an undisturbed run.
pub struct Images {
    before: Files,
    after: Files,
    /// Every `.bak` that may be there, with each of its contents.
    backups: BTreeMap<PathBuf, BTreeSet<Vec<u8>>>,
}

/// What a cut disk showed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Whether some file was as it is after the command.
    pub some_new: bool,
    /// Whether some file was as it is before it.
    pub some_old: bool,
    /// Whether there was anything for the next command to clear away.
    pub rests: bool,
    /// Whether recovery took something back.
    pub repaired: bool,
    /// Whether the change is there in the end.
    pub new: bool,
}

impl Scenario {
    /// Lays its tree out at `root`, as it is before the command.
    pub fn lay_out(&self, root: &Path) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        copy_tree(&fixtures.join(self.fixture).join("before"), root);
        // Where every system has it; the directories of the store are made durable by a first command.
        fs::create_dir_all(root.join("var/lib")).unwrap();
        for step in self.prepare {
            let output = support::ipalias(root, step);
            assert!(output.status.success(), "{step:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Runs it undisturbed in `dir`.
    pub fn images(&self, dir: &Path) -> Images {
        let root = dir.join("undisturbed");
        self.lay_out(&root);
        let old = read_tree(&root);
        let output = support::ipalias(&root, self.command);
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let new = read_tree(&root);
        fs::remove_dir_all(&root).unwrap();
        let (before, after) = (files(&old), files(&new));
        let names: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
        let changed = names.iter().filter(|name| before.get(**name) != after.get(**name)).count();
        assert!(changed >= self.files, "{} changes {changed} files", self.name);
        let mut backups = BTreeMap::<_, BTreeSet<_>>::new();
        for (path, bytes) in backups_of(&old).into_iter().chain(backups_of(&new)) {
            backups.entry(path).or_default().insert(bytes);
        }
        Images { before, after, backups }
    }

    /// Looks at what a power cut left at `root`, then lets the next command repair it. `done` says that the command had
    /// reported success.
    pub fn check(&self, images: &Images, root: &Path, done: bool) -> Result<Shown, String> {
        let cut = read_tree(root);
        let (some_old, some_new) = self.whole(images, &cut)?;
        let mut shown = Shown { some_old, some_new, rests: cut.keys().any(|path| is_rest(path)), ..Shown::default() };
        if done && files(&cut) != images.after {
            return Err("the change is lost, though success was reported".to_owned());
        }
        let output = quiet(Command::new(support::program()).arg("--root").arg(root).args(RECOVERY));
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(3) {
            return Err(format!("the next command fails ({}): {said}", output.status));
        }
        shown.repaired = said.contains("taken back");
        let tree = read_tree(root);
        let now = files(&tree);
        if now != images.before && now != images.after {
            return Err(format!("a mixture after the next command: {}", names(&now, images)));
        }
        self.whole(images, &tree)?;
        let rests: Vec<&PathBuf> = tree.keys().filter(|path| is_rest(path)).collect();
        if !rests.is_empty() {
            return Err(format!("left behind: {rests:?}"));
        }
        shown.new = now == images.after;
        if done && !shown.new {
            return Err("the next command takes back what was done".to_owned());
        }
        Ok(shown)
    }

    /// The operation can be done as if nothing had happened.
    pub fn again(&self, images: &Images, root: &Path) -> Result<(), String> {
        let output = quiet(Command::new(support::program()).arg("--root").arg(root).args(self.command));
        let now = files(&read_tree(root));
        if output.status.success() && now == images.after {
            return Ok(());
        }
        Err(format!("not to be done again: {} {}", String::from_utf8_lossy(&output.stderr), names(&now, images)))
    }

    /// Each file is as it was before or as it is after; whoever is new has its old bytes on the disk. Whether some are old
    /// and whether some are new.
    fn whole(&self, images: &Images, tree: &Tree) -> Result<(bool, bool), String> {
        let now = files(tree);
        let all: BTreeSet<&PathBuf> = now.keys().chain(images.before.keys()).chain(images.after.keys()).collect();
        let (mut old, mut new) = (0, 0);
        for path in all {
            let (found, before, after) = (now.get(path), images.before.get(path), images.after.get(path));
            if found != before && found != after {
                let bytes = found.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                return Err(format!("{} is torn: {bytes:?}", path.display()));
            }
            if before == after {
                continue;
            }
            if found == before {
                old += 1;
                continue;
            }
            new += 1;
            let Some(before) = before else { continue };
            let kept = |(path, node): (&PathBuf, &Node)| {
                path.starts_with("var/lib/ipalias")
                    && path.extension().is_some_and(|end| end == "before")
                    && matches!(node, Node::File(bytes, ..) if bytes == before)
            };
            if !tree.iter().any(kept) {
                return Err(format!("{} is new, and its old bytes are not in the store", path.display()));
            }
            let backup = PathBuf::from(format!("{}.bak", path.display()));
            let wanted = images.backups.get(&backup).is_some_and(|contents| contents.contains(before));
            if wanted && backups_of(tree).get(&backup) != Some(before) {
                return Err(format!("{} is new, and its .bak is not its old bytes", path.display()));
            }
        }
        for (path, bytes) in backups_of(tree) {
            if !images.backups.get(&path).is_some_and(|contents| contents.contains(&bytes)) {
                return Err(format!("{} is torn: {:?}", path.display(), String::from_utf8_lossy(&bytes)));
            }
        }
        Ok((old > 0, new > 0))
    }
}

fn quiet(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// What no command may leave: temporary files, a journal, an operation that never began.
fn is_rest(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains(".ipalias-") || text.ends_with("/journal") || text.contains("/.new-")
}

fn files(tree: &Tree) -> Files {
    let file = |(path, node): (&PathBuf, &Node)| match node {
        Node::File(bytes, ..) if !is_rest(path) => Some((path.clone(), bytes.clone())),
        _ => None,
    };
    configuration(tree).iter().filter_map(file).collect()
}

fn backups_of(tree: &Tree) -> Files {
    let backup = |(path, node): (&PathBuf, &Node)| match node {
        Node::File(bytes, ..)
            if path.extension().is_some_and(|end| end == "bak") && !path.starts_with("var/lib/ipalias") =>
        {
            Some((path.clone(), bytes.clone()))
        }
        _ => None,
    };
    tree.iter().filter_map(backup).collect()
}

fn names(now: &Files, images: &Images) -> String {
    let all: BTreeSet<&PathBuf> = now.keys().chain(images.before.keys()).chain(images.after.keys()).collect();
    let state = |path: &&PathBuf| match now.get(*path) {
        found if images.before.get(*path) == images.after.get(*path) && found == images.before.get(*path) => None,
        found if found == images.before.get(*path) => Some(format!("{} old", path.display())),
        found if found == images.after.get(*path) => Some(format!("{} new", path.display())),
        _ => Some(format!("{} neither", path.display())),
    };
    all.iter().filter_map(state).collect::<Vec<_>>().join(", ")
}
