//! Which `.network` files there are, in which order, with which drop-ins, and what makes networkd drop one.
//!
//! Follows systemd.network(5), "Description", and `network_load_one()`. Leaves out `.netdev` and `.link` files, which
//! carry no addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::matching::Match;
use super::release::Release;
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::plan::{Backup, Change};
use crate::root::{Access, NodeKind, Root, RootPath};
use crate::syntax::ini::{Dialect, Ini};
use crate::text::Text;

/// Where the administrator's files are.
pub const ETC: &str = "/etc/systemd/network";

/// Where files stand that are generated at boot.
pub const RUN: &str = "/run/systemd/network";

/// The directories, in falling precedence; the last is read where `/usr` is split off.
const DIRECTORIES: [&str; 5] =
    [ETC, RUN, "/usr/local/lib/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"];

/// The permissions of a new file: the daemon does not run as root. It reads only `*.network` and `*.conf`, so that a
/// copy `FILE.bak` beside one means nothing to it.
pub const READABLE: u32 = 0o644;

/// The user that the daemon runs as.
const USER: &[u8] = b"systemd-network";

/// One `.network` file with its drop-ins: what networkd reads as one.
#[derive(Debug, Clone)]
pub struct Network {
    /// The file's name, which decides the order.
    pub name: Vec<u8>,
    /// The file itself first, then its drop-ins in the order in which they count.
    pub fragments: Vec<Fragment>,
    /// Which interfaces it is for.
    pub match_: Match,
    /// Why networkd loads nothing of it, if that is so.
    pub refused: Option<Refusal>,
}

/// One file of a [`Network`].
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Where it was found.
    pub path: RootPath,
    /// The same with every symbolic link resolved.
    pub target: RootPath,
    /// Its bytes.
    pub text: Text,
    /// Its lines.
    pub ini: Ini,
}

impl Fragment {
    /// The change that makes `after` of it.
    pub fn becomes(&self, after: Option<Vec<u8>>) -> Change {
        Change {
            path: self.target.clone(),
            before: Some(self.text.bytes().to_vec()),
            after,
            mode: READABLE,
            backup: Backup::Beside,
        }
    }
}

impl Network {
    /// Where the `.network` file itself was found.
    pub fn path(&self) -> RootPath {
        self.fragments.first().map(|main| main.path.clone()).unwrap_or_else(|| RootPath::from(ETC).join(&self.name))
    }

    /// The values of `key` in all sections called `section`, in the order in which they count.
    pub fn values<'a>(&'a self, section: &'a [u8], key: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.assignments(section).filter(move |(found, _)| *found == key).map(|(_, value)| value)
    }

    /// All assignments in sections called `section`, in the order in which they count.
    pub fn assignments<'a>(&'a self, section: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let sections = self
            .fragments
            .iter()
            .flat_map(|fragment| fragment.ini.sections.iter().map(move |section| (&fragment.ini, section)));
        sections
            .filter(move |(_, found)| found.name == section)
            .flat_map(|(ini, found)| ini.at(found.items.clone()))
            .filter_map(|item| item.assignment())
    }

    /// Whether the last assignment of `key` in `[section]` says yes.
    pub fn says_yes(&self, section: &[u8], key: &[u8]) -> bool {
        self.values(section, key).last().and_then(super::values::boolean) == Some(true)
    }
}

/// Every network of `root`, sorted as networkd sorts them: by name, whatever the directory.
pub fn networks(root: &Root, reader: &Reader, directories: &[RootPath], release: Release) -> Result<Vec<Network>> {
    let mut networks = Vec::new();
    for (name, path) in files(root, directories, b".network")? {
        let mut network = Network { name, fragments: Vec::new(), match_: Match::default(), refused: None };
        // A name without content masks the same name in lower directories.
        let masks = match root.kind(&path)? {
            NodeKind::File => reader.load(root, &path, &mut network)? == 0,
            NodeKind::Directory => {
                network.refuse(unreadable(&path, "a directory stands where a file is expected", "remove it"));
                false
            }
            NodeKind::Absent | NodeKind::Other => true,
        };
        if masks {
            continue;
        }
        let dropins = directories.iter().map(|dir| dir.join([network.name.as_slice(), b".d"].concat()));
        let dropins = reader.directories(root, dropins)?;
        for path in files(root, &dropins, b".conf")?.into_values() {
            match root.kind(&path)? {
                NodeKind::File => drop(reader.load(root, &path, &mut network)?),
                NodeKind::Directory => {
                    network.refuse(unreadable(&path, "a directory stands where a file is expected", "remove it"));
                }
                NodeKind::Absent | NodeKind::Other => {}
            }
        }
        network.match_ = Match::of(network.assignments(b"Match"), release);
        networks.push(network);
    }
    Ok(networks)
}

impl Network {
    fn refuse(&mut self, refusal: Refusal) {
        self.refused.get_or_insert(refusal);
    }
}

/// The files of all `directories` that end in `suffix`, by name; the first directory wins.
pub fn files(root: &Root, directories: &[RootPath], suffix: &[u8]) -> Result<BTreeMap<Vec<u8>, RootPath>> {
    let mut found = BTreeMap::new();
    for dir in directories {
        for name in root.list(dir)? {
            if name.ends_with(suffix) && !name.starts_with(b".") {
                found.entry(name.clone()).or_insert_with(|| dir.join(name));
            }
        }
    }
    Ok(found)
}

/// Whom the daemon reads as.
pub struct Reader {
    uid: u32,
    gids: Vec<u32>,
}

impl Reader {
    /// The user systemd-network and its groups, as `root` knows them; nobody in particular if it does not.
    pub fn of(root: &Root) -> Result<Reader> {
        let mut reader = Reader { uid: u32::MAX, gids: Vec::new() };
        let passwd = root.read(&"/etc/passwd".into())?.unwrap_or_default();
        for line in passwd.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            if let [USER, _, uid, gid, ..] = fields.as_slice() {
                reader.uid = number(uid).unwrap_or(reader.uid);
                reader.gids.extend(number(gid));
            }
        }
        let group = root.read(&"/etc/group".into())?.unwrap_or_default();
        for line in group.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            if let [_, _, gid, members, ..] = fields.as_slice() {
                if members.split(|byte| *byte == b',').any(|member| member == USER) {
                    reader.gids.extend(number(gid));
                }
            }
        }
        Ok(reader)
    }

    /// Those of [`DIRECTORIES`] that the daemon reads.
    pub fn search_path(&self, root: &Root) -> Result<Vec<RootPath>> {
        self.directories(root, DIRECTORIES.into_iter().map(RootPath::from))
    }

    /// Those of `paths` that exist, differ, and may be listed; what may not is skipped by the daemon without a word.
    fn directories(&self, root: &Root, paths: impl Iterator<Item = RootPath>) -> Result<Vec<RootPath>> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for path in paths {
            if root.kind(&path)? != NodeKind::Directory {
                continue;
            }
            // A directory that is only planned has no access yet; it will be open to all.
            let listable = |access| self.may_read(access) && self.may_search(access);
            if root.access(&path)?.is_none_or(listable) && seen.insert(root.resolve(&path)?) {
                found.push(path);
            }
        }
        Ok(found)
    }

    fn may_read(&self, access: Access) -> bool {
        host::may_read(access, self.uid, &self.gids)
    }

    fn may_search(&self, access: Access) -> bool {
        // The bit for searching, moved to where the bit for reading is.
        self.may_read(Access { mode: (access.mode & 0o111) << 2, ..access })
    }

    /// Adds the file at `path` to `network` and says how many bytes it has.
    fn load(&self, root: &Root, path: &RootPath, network: &mut Network) -> Result<usize> {
        let text = Text::new(root.read(path)?.unwrap_or_default());
        let ini = Ini::parse(&text, Dialect::SYSTEMD);
        let target = root.resolve(path)?;
        if root.access(path)?.is_some_and(|access| !self.may_read(access)) {
            network.refuse(unreadable(
                path,
                "the user systemd-network cannot read this file, and the whole .network file is dropped for it",
                &format!("chmod 0644 {target}"),
            ));
        }
        if let Some((line, fault)) = ini.fault() {
            let hint = "correct the line; systemd-networkd leaves the interface without any address until then";
            network.refuse(Refusal::new(Kind::Malformed, fault.reason(), hint).at(path, line));
        }
        let length = text.bytes().len();
        network.fragments.push(Fragment { path: path.clone(), target, text, ini });
        Ok(length)
    }
}

fn unreadable(path: &RootPath, reason: &str, hint: &str) -> Refusal {
    Refusal::new(Kind::Malformed, reason, hint).at(path, 0)
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A network of one file that is not on any disk.
#[cfg(test)]
pub fn network_of_text(text: &str, release: Release) -> Network {
    let path = RootPath::from(ETC).join("50-default.network");
    let text = Text::new(text);
    let ini = Ini::parse(&text, Dialect::SYSTEMD);
    let fragments = vec![Fragment { path: path.clone(), target: path.clone(), text, ini }];
    let mut network = Network { name: path.name().to_vec(), fragments, match_: Match::default(), refused: None };
    network.match_ = Match::of(network.assignments(b"Match"), release);
    network
}
