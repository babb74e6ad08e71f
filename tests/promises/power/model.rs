//! A file system as POSIX has it: what was not synced may be lost, in any choice and any order.
//!
//! A run is recorded as changes of names in one directory each, and of bytes in one file each. `fsync` of a file makes its
//! bytes durable, `fsync` of a directory its names; of all others any may be missing after a power cut, and bytes may be
//! there in part or as zeros (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use nix::libc;

use super::stops::{self, Call};

/// A file, directory or link, however it is called.
type Id = usize;

/// What may be lost, and what keeps it from that.
#[derive(Debug, Clone)]
enum Event {
    /// Names in a directory, all at once.
    Names(Id, Vec<(Vec<u8>, Option<Id>)>),
    /// Bytes at the end of a file.
    Bytes(Id, Vec<u8>),
    Sync(Id),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    File(Vec<u8>),
    Link(PathBuf),
    Directory,
}

/// Names in directories.
type Names = BTreeMap<(Id, Vec<u8>), Id>;

/// A tree on a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disk(BTreeMap<PathBuf, Node>);

impl Disk {
    fn read(top: &Path) -> Disk {
        let node = |node: crate::support::Node| match node {
            crate::support::Node::File(bytes, ..) => Node::File(bytes),
            crate::support::Node::Link(target) => Node::Link(target),
            crate::support::Node::Directory(_) => Node::Directory,
        };
        Disk(crate::support::read_tree(top).into_iter().map(|(path, found)| (path, node(found))).collect())
    }

    /// Makes the tree `top` equal to it.
    pub fn write(&self, top: &Path) {
        let _ = fs::remove_dir_all(top);
        fs::create_dir_all(top).unwrap();
        for (path, node) in &self.0 {
            let path = top.join(path);
            match node {
                Node::File(bytes) => fs::write(path, bytes).unwrap(),
                Node::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                Node::Directory => fs::create_dir(path).unwrap(),
            }
        }
    }
}

/// A run and what it did to a tree.
pub struct Recording {
    nodes: Vec<Node>,
    names: Names,
    events: Vec<Event>,
}

const TOP: Id = 0;

impl Recording {
    /// Runs `program` with `command` on the tree at `root`.
    pub fn of(root: &Path, program: &Path, command: &[&str], mutant: Option<&str>) -> (Recording, i32) {
        let mut recording = Recording { nodes: vec![Node::Directory], names: Names::new(), events: Vec::new() };
        for (path, node) in Disk::read(root).0 {
            let id = recording.create(node);
            let parent = recording.find(&recording.names, path.parent().unwrap()).unwrap();
            recording.names.insert((parent, path.file_name().unwrap().as_bytes().to_vec()), id);
        }
        let mut now = recording.names.clone();
        let arguments = [&["--root", root.to_str().unwrap()], command].concat();
        let code = stops::run(program, &arguments, mutant, |call| {
            if call.result.is_some_and(|result| result >= 0) && call.changes() {
                recording.record(call, root, &mut now);
            }
        });
        (recording, code)
    }

    fn create(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn find(&self, names: &Names, path: &Path) -> Option<Id> {
        path.components().try_fold(TOP, |dir, part| match part {
            Component::Normal(name) => names.get(&(dir, name.as_bytes().to_vec())).copied(),
            _ => None,
        })
    }

    fn record(&mut self, call: &Call, root: &Path, now: &mut Names) {
        let argument = |at: usize| call.arguments[at];
        let behind = |descriptor: u64| call.path(descriptor).strip_prefix(root).map(Path::to_owned).ok();
        // Standard output and the like are outside.
        let Some(path) = behind(argument(0)) else { return };
        let Some(id) = self.find(now, &path) else { return };
        let name = || call.string(argument(1));
        let event = match call.number {
            libc::SYS_fchmod
            | libc::SYS_fchown
            | libc::SYS_fsetxattr
            | libc::SYS_fremovexattr
            | libc::SYS_utimensat => {
                return;
            }
            // Its contents are for messages only.
            libc::SYS_write | libc::SYS_ftruncate if path.ends_with("lock") => return,
            libc::SYS_write => Event::Bytes(id, call.bytes(argument(1), call.result.unwrap() as usize)),
            libc::SYS_fsync | libc::SYS_fdatasync => Event::Sync(id),
            libc::SYS_openat if now.contains_key(&(id, name())) => return,
            libc::SYS_openat => Event::Names(id, vec![(name(), Some(self.create(Node::File(Vec::new()))))]),
            libc::SYS_mkdirat => Event::Names(id, vec![(name(), Some(self.create(Node::Directory)))]),
            libc::SYS_unlinkat => Event::Names(id, vec![(name(), None)]),
            libc::SYS_renameat | libc::SYS_renameat2 => {
                assert_eq!(behind(argument(2)).as_ref(), Some(&path), "a rename stays in its directory");
                let to = call.string(argument(3));
                let exchange = call.number == libc::SYS_renameat2 && argument(4) == u64::from(libc::RENAME_EXCHANGE);
                let displaced = now.get(&(id, to.clone())).copied().filter(|_| exchange);
                let moved = now.get(&(id, name())).copied();
                Event::Names(id, vec![(name(), displaced), (to, moved)])
            }
            other => panic!("system call {other} on {} is not modelled", path.display()),
        };
        apply(now, &event);
        self.events.push(event);
    }

    /// How many changes and syncs there were.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Every state that a power cut after the first `count` events may leave; a choice of them where there are very many.
    pub fn states(&self, count: usize, found: &mut BTreeSet<Disk>) {
        let events = &self.events[..count];
        let is_synced =
            |at: usize, id: Id| events[at..].iter().any(|event| matches!(event, Event::Sync(synced) if *synced == id));
        let lost = |event: &(usize, &Event)| match event.1 {
            Event::Names(id, _) | Event::Bytes(id, _) => !is_synced(event.0, *id),
            Event::Sync(_) => false,
        };
        let open: Vec<(usize, &Event)> = events.iter().enumerate().filter(lost).collect();
        let names: Vec<usize> =
            open.iter().filter(|(_, event)| matches!(event, Event::Names(..))).map(|(at, _)| *at).collect();
        let files: BTreeSet<Id> = open
            .iter()
            .filter_map(|(_, event)| if let Event::Bytes(id, _) = event { Some(*id) } else { None })
            .collect();
        let open: BTreeSet<usize> = open.into_iter().map(|(at, _)| at).collect();
        for missing in choices(&names) {
            for kept in [Kept::All, Kept::Nothing, Kept::Half, Kept::Zeros] {
                // All files alike, and each alone.
                for alone in std::iter::once(None).chain(files.iter().map(Some)) {
                    if kept != Kept::All || alone.is_none() {
                        found.insert(self.state(events, &missing, &open, |id| {
                            if alone.is_none_or(|alone| *alone == id) { kept } else { Kept::All }
                        }));
                    }
                }
                if files.is_empty() {
                    break;
                }
            }
        }
    }

    fn state(
        &self,
        events: &[Event],
        missing: &BTreeSet<usize>,
        open: &BTreeSet<usize>,
        kept: impl Fn(Id) -> Kept,
    ) -> Disk {
        let (mut names, mut nodes) = (self.names.clone(), self.nodes.clone());
        for (at, event) in events.iter().enumerate().filter(|(at, _)| !missing.contains(at)) {
            apply(&mut names, event);
            let Event::Bytes(id, bytes) = event else { continue };
            let Node::File(file) = &mut nodes[*id] else { panic!("bytes go to files") };
            match if open.contains(&at) { kept(*id) } else { Kept::All } {
                Kept::All => file.extend(bytes),
                Kept::Nothing => {}
                Kept::Half => file.extend(&bytes[..bytes.len() / 2]),
                Kept::Zeros => file.extend(vec![0; bytes.len()]),
            }
        }
        let mut disk = BTreeMap::new();
        let mut todo = vec![(TOP, PathBuf::new())];
        while let Some((dir, path)) = todo.pop() {
            for ((_, name), id) in names.range((dir, Vec::new())..(dir + 1, Vec::new())) {
                let path = path.join(OsStr::from_bytes(name));
                if nodes[*id] == Node::Directory {
                    todo.push((*id, path.clone()));
                }
                disk.insert(path, nodes[*id].clone());
            }
        }
        Disk(disk)
    }
}

/// How much of the bytes of a file that was not synced is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    All,
    Nothing,
    Half,
    Zeros,
}

fn apply(names: &mut Names, event: &Event) {
    let Event::Names(dir, changes) = event else { return };
    for (name, id) in changes {
        match id {
            Some(id) => names.insert((*dir, name.clone()), *id),
            None => names.remove(&(*dir, name.clone())),
        };
    }
}

/// Every subset of `all`; of many only the large and the small ones, and some by chance, the same ones each time.
fn choices(all: &[usize]) -> Vec<BTreeSet<usize>> {
    let subset =
        |bits: u64| all.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, at)| *at).collect();
    assert!(all.len() < 64);
    let every = (1u64 << all.len()) - 1;
    if all.len() <= 6 {
        return (0..=every).map(subset).collect();
    }
    let single = (0..all.len()).map(|bit| 1 << bit);
    // Weyl's sequence: multiples of the golden ratio, by their upper bits.
    let chance = (1..=64u64).map(|nth| nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - all.len()));
    let large = single.clone().map(|bit| every & !bit);
    [0, every].into_iter().chain(single).chain(large).chain(chance).map(subset).collect()
}
