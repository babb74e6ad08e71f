//! What a hostile disk has in its store: records and old bytes of operations that never were. Status, list, recovery and
//! rollback end in time without a panic, leave everything outside the root as it is, and inside it touch only what the
//! records name.
//!
//! In a record `#N` stands for the digest of part N of the input, so that digests can match. A path that ends with `@` is a
//! link to the text behind it, one that ends with `&` a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser as _;
use ipalias::cli::Cli;
use ipalias::command;
use ipalias::error::Exit;
use ipalias::journal::{Operation, digest};
use ipalias::root::Root;
use ipalias::store::Store;
use ipalias::transaction;
use rustix::fs::{self as sys, Mode, OFlags, ResolveFlags};

use crate::dialect::within;
use crate::input;

/// The record that an input begins with.
pub const MAIN: &str = "/var/lib/ipalias/journal/operation.json";

/// Rollbacks that one process carries out: each leaves signal handlers behind.
const MOST_ROLLBACKS: usize = 2000;

/// One at a time: the tree is one.
static STAGE: Mutex<()> = Mutex::new(());
static ROLLBACKS: AtomicUsize = AtomicUsize::new(0);

/// The law.
pub fn run(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let _one = STAGE.lock();
    // Deep down, so that a way out would lead to nothing of the host's.
    let top = crate::scratch().join("1/2/3/4/5/6/7/8");
    let _ = fs::remove_dir_all(&top);
    let dir = top.join("root");
    fs::create_dir_all(dir.join("etc")).expect("a root");
    fs::create_dir_all(top.join("outside/etc")).expect("a folder outside");
    fs::write(top.join("outside/canary"), "untouched\n").expect("a canary");
    let named = plant(&dir, data);
    let outside = tree(&top.join("outside"));
    let Ok(root) = Root::open(&dir) else { return };

    let before = tree(&dir);
    for verb in ["status", "list", "history"] {
        within("reading", || command::run(&cli(&dir, &[verb])));
    }
    for more in [&["--dry-run"][..], &["--dry-run", "--force"]] {
        within("a dry run", || command::run(&cli(&dir, &rollback(*choice, more))));
    }
    assert_eq!(before, tree(&dir), "what only reads writes nothing");

    if let Ok(Some(store)) = Store::open(&root) {
        let recovered = within("recovery", || transaction::recover(&root, &store));
        if recovered.is_ok_and(|recovered| recovered.is_none_or(|recovered| recovered.conflicts.is_empty())) {
            assert!(!store.is_unfinished().expect("a store"), "what was recovered is finished");
            let again = within("recovery", || transaction::recover(&root, &store)).expect("nothing to recover");
            assert!(again.is_none(), "once recovered is recovered");
        }
    }
    touches(&before, &tree(&dir), &named);
    if choice & 1 == 1 && ROLLBACKS.fetch_add(1, Ordering::Relaxed) < MOST_ROLLBACKS {
        let before = tree(&dir);
        let force: &[&str] = if choice & 2 == 2 { &["--force"] } else { &[] };
        let exit = within("rollback", || command::run(&cli(&dir, &rollback(*choice, force))));
        if exit == Exit::Usage {
            panic!("the command line is sound");
        }
        touches(&before, &tree(&dir), &named);
    }
    assert_eq!(outside, tree(&top.join("outside")), "nothing outside changes");
    let names: Vec<_> = tree(&top).into_keys().filter(|path| path.components().count() == 1).collect();
    assert_eq!(names, [PathBuf::from("outside"), PathBuf::from("root")], "nothing comes outside");
}

/// A command line: options and a verb.
fn cli(dir: &Path, words: &[&str]) -> Cli {
    let root = dir.to_str().expect("a name of ours");
    let options = ["ipalias", "--root", root, "--apply", "none", "--wait", "0", "--color", "always"];
    Cli::try_parse_from([&options[..], words].concat()).expect("a sound command line")
}

/// `rollback` of the operation that the bits of `choice` name, if they do; with `more` words.
fn rollback(choice: u8, more: &[&'static str]) -> Vec<&'static str> {
    const IDS: [&str; 4] = ["0", "1", "2", "31"];
    let to = IDS.get(usize::from(choice >> 3) % 8).filter(|_| choice & 4 == 4);
    let to = to.map(|id| ["--to", id]);
    ["rollback"].iter().chain(to.iter().flatten()).chain(more).copied().collect()
}

/// Lays the parts out, never through a link; returns the last names of what the records may touch.
fn plant(dir: &Path, data: &[u8]) -> BTreeSet<Vec<u8>> {
    let parts: Vec<_> = input::files(MAIN, data).collect();
    let digests: Vec<String> = parts.iter().map(|(_, bytes)| digest(bytes)).collect();
    let mut named: BTreeSet<Vec<u8>> = [b"ipalias".to_vec(), b".ipalias".to_vec()].into();
    let mut links = Vec::new();
    let top = open(dir);
    for (path, bytes) in &parts {
        let text = path.to_string();
        if let Some(link) = text.strip_suffix('@') {
            links.push((link.to_owned(), bytes));
            continue;
        }
        if let Some(file) = path.name().strip_suffix(b".bak") {
            // Without any record, rollback restores a file from what stands beside it.
            named.insert(file.to_vec());
        }
        if !text.ends_with("operation.json") {
            place(&top, &text, |parent, name| put(parent, name, bytes));
            continue;
        }
        let record = filled(bytes, &digests);
        if let Ok(operation) = serde_json::from_slice::<Operation>(&record) {
            let files = operation.files.iter().map(|file| file.path());
            for path in files.chain(operation.dirs()) {
                let mut at = path;
                while !at.name().is_empty() {
                    named.insert(at.name().to_vec());
                    at = at.parent();
                }
            }
        }
        place(&top, &text, |parent, name| put(parent, name, &record));
    }
    for (link, target) in links {
        if let Some(target) = harmless(target) {
            place(&top, &link, |parent, name| {
                let _ = sys::symlinkat(&target, parent, name);
            });
        }
    }
    named
}

/// `#N` replaced by the digest of part N.
fn filled(record: &[u8], digests: &[String]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(record).into_owned();
    for (number, digest) in digests.iter().enumerate() {
        text = text.replace(&format!("\"#{number}\""), &format!("\"{digest}\""));
    }
    text.into_bytes()
}

/// The target of a link; none that begins where the host has something, should it ever be followed there.
fn harmless(target: &[u8]) -> Option<PathBuf> {
    let path = PathBuf::from(std::str::from_utf8(target).ok()?);
    let first = path.strip_prefix("/").ok().and_then(|rest| rest.components().next());
    let on_host = path.is_absolute() && first.is_none_or(|first| Path::new("/").join(first).exists());
    let fits = !path.as_os_str().is_empty() && path.components().count() < 8 && !target.contains(&0);
    (fits && !on_host).then_some(path)
}

fn place(top: &OwnedFd, path: &str, make: impl FnOnce(&OwnedFd, &str)) {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let Some(last) = names.pop().filter(|_| names.len() < 8) else { return };
    let mut at = PathBuf::from(".");
    let mut parent = sys::openat2(top, &at, OFlags::PATH, Mode::empty(), beneath).expect("the top");
    for name in names {
        let _ = sys::mkdirat(&parent, name, Mode::from_raw_mode(0o755));
        at.push(name);
        match sys::openat2(top, &at, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), beneath) {
            Ok(next) => parent = next,
            Err(_) => return,
        }
    }
    make(&parent, last);
}

fn put(parent: &OwnedFd, name: &str, bytes: &[u8]) {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
    if let Some(name) = name.strip_suffix('&') {
        let _ = sys::mkdirat(parent, name, Mode::from_raw_mode(0o755));
    } else if let Ok(file) = sys::openat(parent, name, flags, Mode::from_raw_mode(0o644)) {
        let _ = rustix::io::write(file, bytes);
    }
}

/// What differs has a name from a record, or is the store's or a temporary file's own.
fn touches(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>, named: &BTreeSet<Vec<u8>>) {
    let all: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    for path in all.into_iter().filter(|path| before.get(*path) != after.get(*path)) {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let own = path.components().any(|part| ["ipalias", ".ipalias"].iter().any(|store| part.as_os_str() == *store));
        let beside = [".bak", ".ipalias.bak"]
            .iter()
            .any(|end| name.strip_suffix(end.as_bytes()).is_some_and(|name| named.contains(name)));
        let temporary = name.starts_with(b".") && String::from_utf8_lossy(name).contains(".ipalias-");
        let for_store = path == Path::new("var") || path == Path::new("var/lib");
        assert!(
            own || beside || temporary || for_store || named.contains(name),
            "{} was touched: {:?} to {:?}",
            path.display(),
            before.get(path),
            after.get(path)
        );
    }
}

/// Everything below `top`, as text.
fn tree(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut todo = vec![top.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).expect("a folder").flatten() {
            let path = entry.path();
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let mode = meta.permissions().mode();
            let node = if meta.is_symlink() {
                format!("-> {:?}", fs::read_link(&path).expect("a link"))
            } else if meta.is_dir() {
                todo.push(path.clone());
                format!("{mode:o}")
            } else {
                format!("{mode:o} {}", fs::read(&path).expect("a file").escape_ascii())
            };
            if let Ok(name) = path.strip_prefix(top) {
                all.insert(name.to_owned(), node);
            }
        }
    }
    all
}

fn open(path: &Path) -> OwnedFd {
    sys::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("a folder")
}
