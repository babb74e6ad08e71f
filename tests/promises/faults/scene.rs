//! A command on a tree: what is there before it, what is there after it, and every system call that it makes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::tracer::{self, Call, Ending, Subject};
use crate::support::cases::{Stage, addresses, options};
use crate::support::{self, Node, Tree, configuration, differences, ipalias, read_tree};

/// The program under test.
pub fn shipped() -> Subject {
    Subject { program: support::program().into(), mutant: None }
}

/// A command that changes nothing itself, but takes back what was interrupted.
pub const RECOVERS: &[&str] = &["rollback", "--to", "999999"];

/// One verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The case's own command.
    Add,
    /// `remove` of what it adds.
    Remove,
    /// `rollback` of the add.
    Rollback,
}

/// A command on a tree.
pub struct Scene {
    /// For messages.
    pub name: String,
    /// The program that is run in it.
    pub subject: Subject,
    /// The root in which it was recorded.
    recorded_at: PathBuf,
    /// Arguments behind `--root ROOT`.
    arguments: Vec<String>,
    /// Everything, the store included.
    start: Tree,
    /// The configuration before.
    pub before: Tree,
    /// The configuration after.
    pub after: Tree,
    /// What an undisturbed run says.
    pub said: Ending,
    /// Every call of it.
    pub calls: Vec<Call>,
}

impl Scene {
    /// The case in `fixtures/CASE`, which adds, with `verb`. A rollback has older operations than the one that it takes
    /// back.
    pub fn of(case: &str, verb: Verb, subject: &Subject) -> Scene {
        let stage = Stage::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(case)).unwrap();
        let command = stage.command();
        let remove = [options(&command), vec!["remove"], addresses(&command)].concat();
        let root = stage.tree("before", "root");
        let does = |arguments: &[&str]| assert!(ipalias(&root, arguments).status.success(), "{case}: {arguments:?}");
        let arguments = match verb {
            Verb::Add => command,
            Verb::Remove => {
                does(&command);
                remove
            }
            Verb::Rollback => {
                does(&command);
                does(&["rollback"]);
                does(&command);
                vec!["rollback"]
            }
        };
        Scene::new(&format!("{case} {}", format!("{verb:?}").to_lowercase()), &root, &arguments, subject)
    }

    /// `arguments` on the tree at `root`.
    pub fn new(name: &str, root: &Path, arguments: &[&str], subject: &Subject) -> Scene {
        let start = read_tree(root);
        let mut scene = Scene {
            name: name.to_owned(),
            subject: subject.clone(),
            recorded_at: root.to_owned(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            before: configuration(&start),
            start,
            after: Tree::new(),
            said: Ending::default(),
            calls: Vec::new(),
        };
        // The names that are as long as later ones, and the order in which the kernel lists them.
        scene.restore(root);
        let (calls, said) = tracer::record(subject, root, &scene.command(root));
        assert_eq!(said.code, Some(0), "{name}: {said:?}");
        let end = read_tree(root);
        assert!(rests(&end).is_empty(), "{name}: {:?}", rests(&end));
        scene.after = configuration(&end);
        scene.calls = calls;
        scene.said = said;
        scene
    }

    /// `path` of the recording, seen from its root.
    pub fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.recorded_at).unwrap().to_owned()
    }

    /// The next command after a run that was killed at `call`, which takes it back.
    pub fn interrupted(&self, root: &Path, call: &Call) -> Scene {
        self.restore(root);
        tracer::disturb(&self.subject, &self.command(root), call, || tracer::Verdict::Kill);
        let mut scene = Scene {
            name: format!("{}, killed, taken back", self.name),
            subject: self.subject.clone(),
            recorded_at: root.to_owned(),
            arguments: RECOVERS.iter().map(ToString::to_string).collect(),
            start: read_tree(root),
            before: self.before.clone(),
            after: self.after.clone(),
            said: Ending::default(),
            calls: Vec::new(),
        };
        scene.restore(root);
        (scene.calls, scene.said) = tracer::record(&scene.subject, root, &scene.command(root));
        assert!(scene.said.stderr.contains("taken back"), "{}: {:?}", scene.name, scene.said);
        scene
    }

    /// Whether CI has it, too.
    pub fn is_in_ci(&self) -> bool {
        super::CASES.iter().any(|case| self.name.starts_with(case))
    }

    /// How many files it changes.
    pub fn changes(&self) -> usize {
        let paths: BTreeSet<&PathBuf> = self.before.keys().chain(self.after.keys()).collect();
        let differs = |path: &&PathBuf| self.before.get(*path) != self.after.get(*path);
        paths
            .into_iter()
            .filter(differs)
            .filter(|path| !is_directory(self.before.get(*path).or(self.after.get(*path))))
            .count()
    }

    /// The call that is the first to change anything.
    pub fn first_write(&self) -> usize {
        self.calls.iter().position(Call::writes).unwrap()
    }

    /// The command line for the tree at `root`.
    pub fn command<'a>(&'a self, root: &'a Path) -> Vec<&'a str> {
        let words = self.arguments.iter().map(String::as_str);
        ["--root", root.to_str().unwrap()].into_iter().chain(words).collect()
    }

    /// Lays the tree before out at `root`, in the same order each time.
    pub fn restore(&self, root: &Path) {
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root).unwrap();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        for (path, node) in &self.start {
            let path = root.join(path);
            match node {
                Node::File(bytes, mode, ..) => {
                    fs::write(&path, bytes).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
                Node::Link(target) => symlink(target, &path).unwrap(),
                Node::Directory(mode) => {
                    fs::create_dir(&path).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
            }
        }
    }

    /// Whether `tree` is as before, the store included.
    pub fn is_start(&self, tree: &Tree) -> bool {
        *tree == self.start
    }

    /// Every file is an old or a new one, and of whichever is new the old bytes are kept.
    pub fn nothing_torn(&self, tree: &Tree, at: &str) {
        let now = without_temps(tree);
        let paths: BTreeSet<&PathBuf> = self.before.keys().chain(self.after.keys()).chain(now.keys()).collect();
        for path in paths {
            let (old, found) = (self.before.get(path), now.get(path));
            let new = self.after.get(path);
            let holds = found == old || found == new || is_directory(found) || is_directory(old) && found.is_none();
            assert!(holds, "{at}: {} is torn:\n{}", path.display(), differences(&self.before, &now).join("\n"));
            if let (Some(Node::File(bytes, ..)), true) = (old, found != old) {
                let kept = |(copy, node): (&PathBuf, &Node)| {
                    let place = copy.to_string_lossy();
                    let is_kept = place.ends_with(".before") || place.ends_with(".bak");
                    is_kept && matches!(node, Node::File(held, ..) if held == bytes)
                };
                assert!(tree.iter().any(kept), "{at}: {} is new, and its old bytes are nowhere", path.display());
            }
        }
    }

    /// The next command leaves all old or all new, and nothing else, soon. Returns whether something had to be taken back,
    /// and how long that took.
    pub fn recovers(&self, root: &Path, at: &str) -> (bool, Duration) {
        let began = Instant::now();
        let next = ipalias(root, RECOVERS);
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&next.stderr);
        assert_eq!(next.status.code(), Some(3), "{at}: {said}");
        let tree = read_tree(root);
        let now = configuration(&tree);

        assert!(
            now == self.before || now == self.after,
            "{at}: a mixture: from before\n{}\nfrom after\n{}",
            differences(&self.before, &now).join("\n"),
            differences(&self.after, &now).join("\n")
        );
        assert!(rests(&tree).is_empty(), "{at}: {:?}", rests(&tree));
        self.nothing_torn(&tree, at);
        (said.contains("taken back"), took)
    }

    /// After all, the command can be given as if nothing had happened.
    pub fn works_again(&self, root: &Path, at: &str) {
        if configuration(&read_tree(root)) == self.after {
            return;
        }
        let again = ipalias(root, &self.arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(again.status.success(), "{at}: again: {}", String::from_utf8_lossy(&again.stderr));
        let now = configuration(&read_tree(root));
        assert!(now == self.after, "{at}: again:\n{}", differences(&self.after, &now).join("\n"));
    }
}

fn is_directory(node: Option<&Node>) -> bool {
    matches!(node, Some(Node::Directory(_)))
}

fn without_temps(tree: &Tree) -> Tree {
    let mut now = configuration(tree);
    now.retain(|path, _| !is_temp(path));
    now
}

fn is_temp(path: &Path) -> bool {
    path.to_string_lossy().contains(".ipalias-")
}

/// What an interrupted operation leaves, and no finished one.
pub fn rests(tree: &Tree) -> Vec<&PathBuf> {
    let rest = |path: &&PathBuf| {
        let text = path.to_string_lossy();
        is_temp(path) || text.ends_with("ipalias/journal") || text.contains("/.new-")
    };
    tree.keys().filter(rest).collect()
}
