//! Trees of files: copied, and compared byte for byte in both directions.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test binary uses a part of this")]

pub mod cases;
pub mod laws;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Bytes, permission bits, owner.
    File(Vec<u8>, u32, u32, u32),
    /// Target of a symbolic link.
    Link(PathBuf),
    /// Permission bits.
    Directory(u32),
}

/// Everything below a directory, by relative path.
pub type Tree = BTreeMap<PathBuf, Node>;

/// Reads the tree below `top`.
pub fn read_tree(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![top.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().to_owned();
            let meta = fs::symlink_metadata(&path).unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            let node = if meta.is_symlink() {
                Node::Link(fs::read_link(&path).unwrap())
            } else if meta.is_dir() {
                todo.push(path);
                Node::Directory(mode)
            } else {
                Node::File(fs::read(&path).unwrap(), mode, meta.uid(), meta.gid())
            };
            tree.insert(name, node);
        }
    }
    tree
}

/// The tree without ipalias's own store and `.bak` files.
pub fn configuration(tree: &Tree) -> Tree {
    let own = |path: &Path| {
        path.starts_with("var/lib/ipalias")
            || path.starts_with("etc/.ipalias")
            || path.extension().is_some_and(|end| end == "bak")
    };
    // `var` and `var/lib` are made for the store where a fixture has none.
    let for_store = |path: &Path| path == Path::new("var") || path == Path::new("var/lib");
    tree.iter()
        .filter(|(path, _)| !own(path) && !for_store(path))
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect()
}

/// Copies the tree at `from` to `to`, with plain permissions: 0644, or 0755 for programs and directories. NetworkManager
/// reads no profile that others may read: 0600.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let (path, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name())
        };
        let target = to.join(name);
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), &target).unwrap();
        } else if meta.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::write(&target, fs::read(&path).unwrap()).unwrap();
            let is_private = to.ends_with("NetworkManager/system-connections");
            let mode = if meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
            let mode = if is_private { 0o600 } else { mode };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// What differs between two trees, a line each; empty if nothing does.
pub fn differences(expected: &Tree, found: &Tree) -> Vec<String> {
    let show = |node: Option<&Node>| match node {
        None => "nothing".to_owned(),
        Some(Node::File(bytes, mode, uid, gid)) => {
            format!("a file {mode:o} {uid}:{gid} of {} bytes:\n{}", bytes.len(), String::from_utf8_lossy(bytes))
        }
        Some(other) => format!("{other:?}"),
    };
    let names: std::collections::BTreeSet<&PathBuf> = expected.keys().chain(found.keys()).collect();
    names
        .into_iter()
        .filter(|name| expected.get(*name) != found.get(*name))
        .map(|name| {
            format!("{}: expected {}\nfound {}", name.display(), show(expected.get(name)), show(found.get(name)))
        })
        .collect()
}

/// Whether missing tools are a failure, as in CI, rather than a reason to leave a check out.
pub fn tools_required() -> bool {
    std::env::var_os("IPALIAS_REQUIRE_TOOLS").is_some()
}

/// Whether everything is to be tried, rather than what the time of a change allows.
pub fn nightly() -> bool {
    std::env::var_os("IPALIAS_NIGHTLY").is_some()
}

/// Runs a program of the system; nothing if it is not installed and need not be.
pub fn tool(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !tools_required() => None,
        Err(error) => panic!("{:?}: {error}", command.get_program()),
    }
}

/// A temporary directory, in memory where that is possible: thousands of synced files would keep a disk busy.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The ipalias under test: this build's, or the one that `IPALIAS_PROGRAM` names. One that is optimised takes a third of the
/// time.
pub fn program() -> &'static str {
    static PROGRAM: LazyLock<String> =
        LazyLock::new(|| std::env::var("IPALIAS_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_ipalias").to_owned()));
    &PROGRAM
}

/// Whether [`program`] was built with optimisation.
pub fn is_optimised() -> bool {
    std::env::var_os("IPALIAS_PROGRAM").is_some() || !cfg!(debug_assertions)
}

/// Runs the ipalias under test on the root file system at `root`.
pub fn ipalias(root: &Path, arguments: &[&str]) -> Output {
    Command::new(program()).arg("--root").arg(root).args(arguments).output().unwrap()
}

/// The ipalias with faults built in, one of which `IPALIAS_MUTANT` chooses (src/mutants.rs); nothing if there is none and
/// need not be. `cargo build --features mutants` makes it, and a copy of it is to be named in `IPALIAS_MUTANTS`, since
/// the next build replaces it.
pub fn mutants() -> Option<PathBuf> {
    let program = std::env::var_os("IPALIAS_MUTANTS").map(PathBuf::from);
    assert!(program.is_some() || !tools_required(), "IPALIAS_MUTANTS has to name the program with the mutants");
    program
}

/// Records what a test found for promise `id` (`P07`), a line for each `name`, so that `tests/show-promises` can print it.
pub fn promise(id: &str, name: &str, found: &str) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("promises");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(format!("{id}-{name}")), format!("{found}\n")).unwrap();
}
