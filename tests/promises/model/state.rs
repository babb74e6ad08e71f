//! What ipalias should have done: files, addresses, operations and the change that waits, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::support::{Node, Tree};

pub type Ips = BTreeSet<IpAddr>;

/// The addresses that sequences add and remove.
pub const POOL: [&str; 6] =
    ["203.0.113.5", "203.0.113.6", "198.51.100.7", "203.0.113.77", "2001:db8:5::5", "2001:db8:5::6"];

/// How many operations are kept.
const KEPT: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Add(Ips),
    Remove(Ips),
    Rollback { to: Option<u64>, force: bool },
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub id: u64,
    pub undoes: Vec<u64>,
    pub files: Vec<(PathBuf, Option<Node>, Option<Node>)>,
    pub failed: bool,
    /// Whether it made the directory of its file.
    made_dir: bool,
    /// The boot in which it changed addresses, and which; nothing if it changed files alone.
    live: Option<(u32, Ips, Ips)>,
}

#[derive(Debug, Clone)]
pub enum Held {
    Live { added: Ips, removed: Ips, request: Verb },
    Operation(u64),
}

#[derive(Debug, Clone)]
pub struct Waiting {
    pub what: Held,
    boot: u32,
    pub due: bool,
}

#[derive(Debug, Clone)]
pub struct Model {
    /// Files, without directories and backups.
    pub tree: Tree,
    pub live: Ips,
    pub operations: Vec<Operation>,
    pub waiting: Option<Waiting>,
    pub boot: u32,
    /// The file that is in charge.
    pub main: PathBuf,
    /// What stands in its `.bak`.
    pub backup: Option<Vec<u8>>,
    /// Whether its directory is there.
    pub has_dir: bool,
}

/// What a verb would do.
struct Effect {
    writes: bool,
    /// The files, where that is known; those of an edit are what it wrote, if that holds.
    files: Option<BTreeMap<PathBuf, Option<Node>>>,
    undoes: Vec<u64>,
    up: Ips,
    down: Ips,
}

/// Addresses of the pool in lines that are no comments.
pub fn configured(tree: &Tree) -> Ips {
    let mut found = Ips::new();
    for node in tree.values() {
        let Node::File(bytes, ..) = node else { continue };
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words = line.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
            found.extend(words.filter(|word| POOL.contains(word)).map(|word| word.parse::<IpAddr>().unwrap()));
        }
    }
    found
}

fn bytes(node: Option<&Node>) -> Option<&[u8]> {
    match node {
        Some(Node::File(bytes, ..)) => Some(bytes),
        _ => None,
    }
}

impl Model {
    pub fn is_due(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.due || waiting.boot != self.boot)
    }

    fn held(&self) -> Vec<&Operation> {
        self.operations.iter().filter(|operation| !operation.failed).collect()
    }

    pub fn in_effect(&self, id: u64) -> bool {
        let held = self.held();
        held.iter().any(|operation| operation.id == id) && !held.iter().any(|other| other.undoes.contains(&id))
    }

    /// What `history` says of an operation.
    pub fn state(&self, operation: &Operation) -> String {
        if matches!(&self.waiting, Some(Waiting { what: Held::Operation(id), .. }) if *id == operation.id) {
            return "unconfirmed".to_owned();
        }
        if operation.failed {
            return "failed, nothing changed".to_owned();
        }
        self.undone_by(operation.id).map_or("in effect".to_owned(), |id| format!("taken back by {id}"))
    }

    fn undone_by(&self, id: u64) -> Option<u64> {
        let held = self.held();
        let undoes = held.iter().rev().filter(|other| other.undoes.contains(&id));
        undoes.map(|other| other.id).find(|other| self.undone_by(*other).is_none())
    }

    /// An operation that was killed and taken back.
    pub fn fail(&mut self) {
        let id = self.next_id();
        let (undoes, files) = Default::default();
        self.operations.push(Operation { id, undoes, files, failed: true, made_dir: false, live: None });
    }

    fn next_id(&self) -> u64 {
        self.operations.last().map_or(1, |operation| operation.id + 1)
    }

    /// A command; what it finds in the files afterwards is `found`. Returns its exit code.
    pub fn command(&mut self, verb: &Verb, confirm: bool, found: &Tree) -> u8 {
        if self.waiting.is_some() {
            if matches!(verb, Verb::Rollback { to: None, .. }) {
                self.take_back(true);
                return 0;
            }
            if !self.settle() {
                return 75;
            }
        }
        self.carry_out(verb, confirm, true, found)
    }

    /// What every command does first: whether nothing waits then.
    pub fn settle(&mut self) -> bool {
        if self.is_due() {
            self.take_back(true);
        }
        self.waiting.is_none()
    }

    pub fn confirm(&mut self, found: &Tree) -> u8 {
        if self.is_due() {
            self.take_back(true);
            return 4;
        }
        let Some(waiting) = self.waiting.clone() else { return 3 };
        if let Held::Live { request, .. } = &waiting.what {
            if self.carry_out(request, false, true, found) == 3 {
                self.take_back(true);
                return 3;
            }
        }
        self.waiting = None;
        0
    }

    /// The end of a change without confirmation; without `network` there are only files.
    pub fn take_back(&mut self, network: bool) {
        let Some(waiting) = self.waiting.take() else { return };
        match waiting.what {
            Held::Live { added, removed, .. } if waiting.boot == self.boot => {
                self.live.retain(|ip| !added.contains(ip));
                self.live.extend(removed);
            }
            Held::Live { .. } => {}
            Held::Operation(id) if self.in_effect(id) => {
                let verb = Verb::Rollback { to: Some(id), force: true };
                assert_eq!(self.carry_out(&verb, false, network, &Tree::new()), 0);
            }
            Held::Operation(_) => {}
        }
    }

    fn propose(&self, verb: &Verb) -> Result<Option<Effect>, u8> {
        let configured = configured(&self.tree);
        let (files, undoes) = Default::default();
        let effect = match verb {
            Verb::Add(wanted) => {
                let is_idle = |ip: &&IpAddr| configured.contains(ip) && self.live.contains(ip);
                let up: Ips = wanted.iter().filter(|ip| !is_idle(ip)).copied().collect();
                Effect { writes: !up.is_subset(&configured), files, undoes, up, down: Ips::new() }
            }
            Verb::Remove(wanted) => {
                let gone = |ip: &&IpAddr| configured.contains(ip) || self.live.contains(ip);
                let down: Ips = wanted.iter().filter(gone).copied().collect();
                Effect { writes: !down.is_disjoint(&configured), files, undoes, up: Ips::new(), down }
            }
            Verb::Rollback { to, force } => self.rollback(*to, *force)?,
        };
        Ok(Some(effect).filter(|effect| effect.writes || !effect.up.is_empty() || !effect.down.is_empty()))
    }

    fn rollback(&self, to: Option<u64>, force: bool) -> Result<Effect, u8> {
        let held = self.held();
        let mut new = self.tree.clone();
        let undone: &[&Operation] = match to {
            None if held.is_empty() => {
                // No record: back to the one `.bak`.
                let (Some(backup), Some(Node::File(_, mode, uid, gid))) = (&self.backup, self.tree.get(&self.main))
                else {
                    return Err(3);
                };
                new.insert(self.main.clone(), Node::File(backup.clone(), *mode, *uid, *gid));
                if new == self.tree {
                    return Err(3);
                }
                &[]
            }
            Some(id) => {
                let first = held.iter().position(|operation| operation.id == id).ok_or(3)?;
                let all: Vec<u64> =
                    self.operations.iter().map(|operation| operation.id).filter(|other| *other >= id).collect();
                if all.last().unwrap() - id + 1 != all.len() as u64 {
                    return Err(3);
                }
                &held[first..]
            }
            None => &held[held.iter().rposition(|operation| self.has_effect(operation)).ok_or(3)?..],
        };
        let (mut goes, mut comes) = (Ips::new(), Ips::new());
        let mut seen = BTreeSet::new();
        for operation in undone {
            for (path, before, _) in &operation.files {
                if !seen.insert(path) {
                    continue;
                }
                if !force && !self.is_unbroken(undone, path) {
                    return Err(3);
                }
                let meta = self.tree.get(path).or(before.as_ref());
                match (bytes(before.as_ref()), meta) {
                    (Some(old), Some(Node::File(_, mode, uid, gid))) => {
                        new.insert(path.clone(), Node::File(old.to_vec(), *mode, *uid, *gid));
                    }
                    _ => {
                        new.remove(path);
                    }
                }
            }
        }
        for operation in undone.iter().rev() {
            let Some((added, removed)) = self.by_address(operation) else { continue };
            (goes, comes) = (&goes | added, &comes - added);
            (goes, comes) = (&goes - removed, &comes | removed);
        }
        let (old_ips, new_ips) = (configured(&self.tree), configured(&new));
        let (mut down, mut up): (Ips, Ips) =
            (old_ips.difference(&new_ips).copied().collect(), new_ips.difference(&old_ips).copied().collect());
        let changed: Ips = &down | &up;
        down.extend(goes.iter().filter(|ip| self.live.contains(ip) && !changed.contains(ip)));
        up.extend(comes.iter().filter(|ip| !self.live.contains(ip) && !changed.contains(ip)));
        let files: BTreeMap<PathBuf, Option<Node>> = differing(&self.tree, &new);
        let undoes = undone.iter().map(|operation| operation.id).collect();
        Ok(Effect { writes: !files.is_empty(), files: Some(files), undoes, up, down })
    }

    /// What an operation without files did to addresses that are still as it left them.
    fn by_address<'a>(&self, operation: &'a Operation) -> Option<(&'a Ips, &'a Ips)> {
        let (boot, added, removed) = operation.live.as_ref().filter(|_| operation.files.is_empty())?;
        (*boot == self.boot).then_some((added, removed))
    }

    fn has_effect(&self, operation: &Operation) -> bool {
        let still = |(added, removed): (&Ips, &Ips)| !added.is_disjoint(&self.live) || !removed.is_subset(&self.live);
        !operation.files.is_empty() || self.by_address(operation).is_some_and(still)
    }

    fn is_unbroken(&self, undone: &[&Operation], path: &Path) -> bool {
        let mut left: Option<Option<&[u8]>> = None;
        for (_, before, after) in undone.iter().flat_map(|operation| &operation.files).filter(|file| file.0 == path) {
            if left.is_some_and(|left| left != bytes(before.as_ref())) {
                return false;
            }
            left = Some(bytes(after.as_ref()));
        }
        left.is_none_or(|left| left == bytes(self.tree.get(path)))
    }

    fn carry_out(&mut self, verb: &Verb, confirm: bool, network: bool, found: &Tree) -> u8 {
        let effect = match self.propose(verb) {
            Err(exit) => return exit,
            Ok(Some(effect)) if network || effect.writes => effect,
            Ok(_) => return 0,
        };
        let added: Ips = effect.up.difference(&self.live).copied().collect();
        let removed: Ips = effect.down.intersection(&self.live).copied().collect();
        if network {
            self.live = &(&self.live | &effect.up) - &effect.down;
        }
        if confirm && effect.writes && !(added.is_empty() && removed.is_empty()) {
            let what = Held::Live { added, removed, request: verb.clone() };
            self.waiting = Some(Waiting { what, boot: self.boot, due: false });
            return 0;
        }
        let files = match effect.files {
            Some(files) => files,
            None if effect.writes => self.edited(verb, found),
            None => BTreeMap::new(),
        };
        let mut operation = Operation {
            id: self.next_id(),
            undoes: effect.undoes,
            files: Vec::new(),
            failed: false,
            made_dir: false,
            live: network.then_some((self.boot, added, removed)),
        };
        for (path, after) in files {
            let before = match &after {
                Some(node) => self.tree.insert(path.clone(), node.clone()),
                None => self.tree.remove(&path),
            };
            if let (Some(Node::File(old, ..)), Some(_)) = (&before, &after) {
                self.backup = Some(old.clone());
            }
            operation.made_dir |= !self.has_dir;
            self.has_dir = after.is_some() || self.backup.is_some();
            operation.files.push((path, before, after));
        }
        if confirm {
            let what = Held::Operation(operation.id);
            self.waiting = Some(Waiting { what, boot: self.boot, due: false });
        }
        self.operations.push(operation);
        self.prune();
        0
    }

    /// What an edit wrote, which has to be no more than was asked for.
    fn edited(&self, verb: &Verb, found: &Tree) -> BTreeMap<PathBuf, Option<Node>> {
        let old = configured(&self.tree);
        let new = match verb {
            Verb::Add(wanted) => &old | wanted,
            Verb::Remove(wanted) => &old - wanted,
            Verb::Rollback { .. } => unreachable!(),
        };
        assert_eq!(configured(found), new, "addresses in the files after {verb:?}");
        let files = differing(&self.tree, found);
        assert_eq!(files.len(), 1, "files written by {verb:?}: {files:?}");
        for (path, after) in &files {
            match (self.tree.get(path), after) {
                (Some(Node::File(_, mode, uid, gid)), Some(Node::File(_, now, user, group))) => {
                    assert_eq!((mode, uid, gid), (now, user, group), "{}", path.display());
                }
                (None, Some(Node::File(_, mode, uid, gid))) => assert_eq!((*mode, *uid, *gid), (0o644, 0, 0)),
                (Some(_), None) => assert!(new.is_empty(), "{} was deleted", path.display()),
                other => panic!("{}: {other:?}", path.display()),
            }
        }
        files
    }

    fn prune(&mut self) {
        if self.operations.len() <= 2 {
            return;
        }
        let (mut held, mut failed, mut is_open) = (0, 0, true);
        let mut covered = BTreeSet::new();
        let mut kept = Vec::new();
        for operation in self.operations.iter().rev() {
            is_open &= held + failed < 2 || held < KEPT && failed < 100;
            let mut needed = operation.made_dir;
            for (path, before, _) in &operation.files {
                needed |= before.is_some() && covered.insert(path.clone());
            }
            if is_open || needed {
                if operation.failed {
                    failed += 1
                } else {
                    held += 1
                }
                kept.push(operation.id);
            }
        }
        self.operations.retain(|operation| kept.contains(&operation.id));
    }

    /// The system starts anew; its network is what files say at that moment.
    pub fn reboot(&mut self, with_hook: bool) {
        self.boot += 1;
        if with_hook && self.is_due() {
            self.take_back(false);
        }
        self.live = configured(&self.tree);
    }
}

fn differing(old: &Tree, new: &Tree) -> BTreeMap<PathBuf, Option<Node>> {
    let paths: BTreeSet<&PathBuf> = old.keys().chain(new.keys()).collect();
    let differ = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    differ.map(|path| (path.clone(), new.get(path).cloned())).collect()
}
