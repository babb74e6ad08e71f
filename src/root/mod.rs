//! A root file system, read-only: a prefix, every symbolic link resolved inside it, and an overlay of planned bytes.
//!
//! Lookups walk one component at a time from an open directory, never following a link in the kernel: absolute links
//! start again at the prefix, `..` stops there, so neither a link in a mounted disk nor `/proc/self/root` leads out
//! (the semantics of `openat2(2)` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`, on every Unix).
//! Leaves out: writing (see `transaction`), and anything that is not a regular file or directory.

mod budget;
mod dir;
mod held;
mod memo;

use std::any::Any;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

use crate::error::{Kind, Refusal, Result};
use budget::Budget;
pub(crate) use dir::{Dir, Guard, Node, STATE, random};
use held::{Keep, Step};
use memo::Memo;

/// The largest file ipalias reads, in bytes.
pub const MOST_FILE_BYTES: usize = 4 << 20;

/// The longest line that it reads, in bytes: thousands of addresses fit in it, and no parser takes long over it.
const MOST_LINE_BYTES: usize = 1 << 20;

/// The most symbolic links followed in one lookup (`MAXSYMLINKS` of path_resolution(7)).
const MOST_LINKS: usize = 40;

/// An absolute, normalised path inside a [`Root`]: never mixed with a path of the host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootPath(Arc<[u8]>);

impl RootPath {
    /// Normalises `path`: made absolute, without `.`, `..` and doubled slashes.
    pub fn new(path: impl AsRef<[u8]>) -> RootPath {
        let path = path.as_ref();
        let mut bytes = Vec::with_capacity(path.len() + 1);
        for part in path.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => bytes.truncate(bytes.iter().rposition(|b| *b == b'/').unwrap_or(0)),
                _ => {
                    bytes.push(b'/');
                    bytes.extend_from_slice(part);
                }
            }
        }
        RootPath(bytes.into())
    }

    fn of_parts<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> RootPath {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.push(b'/');
            bytes.extend_from_slice(part.as_ref());
        }
        RootPath(bytes.into())
    }

    /// `name` below this directory; an absolute `name` replaces the path, as when a file names another file.
    pub fn join(&self, name: impl AsRef<[u8]>) -> RootPath {
        let name = name.as_ref();
        if name.starts_with(b"/") {
            return RootPath::new(name);
        }
        RootPath::new([&self.0, b"/".as_slice(), name].concat())
    }

    /// The directory it is in; the root for the root.
    pub fn parent(&self) -> RootPath {
        let end = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        RootPath(self.0.get(..end).unwrap_or_default().into())
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// The path as bytes; the root is `/`.
    pub fn as_bytes(&self) -> &[u8] {
        if self.0.is_empty() { b"/" } else { &self.0 }
    }

    /// Whether it is `dir` or somewhere below it.
    pub fn is_under(&self, dir: &RootPath) -> bool {
        self.0.strip_prefix(&*dir.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|part| !part.is_empty())
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl From<&str> for RootPath {
    fn from(path: &str) -> RootPath {
        RootPath::new(path)
    }
}

/// What stands at a path once links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device, socket or FIFO: never opened.
    Other,
}

/// Permission bits and owner of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Permission bits, as chmod(2) takes them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// When a file was last written; later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Modified {
    /// At this time; nothing where the system does not tell.
    At(Option<SystemTime>),
    /// It is going to be.
    Planned,
}

/// A planned file that lies over the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Planned {
    bytes: Option<Vec<u8>>,
    /// Permission bits, for a file that is not on the disk yet.
    mode: u32,
}

type Overlay = BTreeMap<RootPath, Planned>;

/// A root file system: prefix, overlay, read-only.
#[derive(Clone)]
pub struct Root {
    /// The prefix, open. The directories below it (`/etc`, `/usr`) are held open once a walk has come through them.
    top: Arc<Step>,
    prefix: PathBuf,
    overlay: Arc<Overlay>,
    budget: Arc<Budget>,
    /// See [`Root::remembering`].
    memo: Option<Arc<Memo>>,
}

/// Where a lookup ended.
pub(crate) struct Place {
    /// The path with every link resolved.
    pub(crate) path: RootPath,
    /// The open directory that holds it; nothing if that does not exist on disk.
    pub(crate) dir: Option<Arc<Dir>>,
    /// The thing itself; nothing if it does not exist on disk.
    pub(crate) node: Option<Node>,
}

impl Root {
    /// Opens the root file system at `prefix`, a path of the host; `/` is the running system.
    ///
    /// Refuses what is not a directory (usage), has no `etc`, or is the running system under another name.
    pub fn open(prefix: &Path) -> Result<Root> {
        let usage =
            |reason: String| Refusal::new(Kind::Usage, reason, "give --root the top directory of a mounted system");
        let dir = Dir::open(prefix).map_err(|error| usage(format!("--root {}: {error}", prefix.display())))?;
        let (overlay, budget, memo) = Default::default();
        let root = Root { top: Step::top(Arc::new(dir)), prefix: prefix.to_owned(), overlay, budget, memo };
        if root.is_live() {
            return Ok(root);
        }
        let etc = root.walk(&"/etc".into(), true)?.node.filter(|node| node.kind == NodeKind::Directory);
        let others = ["/Windows", "/ipalias"].map(|dir| root.kind(&dir.into()));
        if etc.is_none() && others.into_iter().collect::<Result<Vec<_>>>()?.contains(&NodeKind::Directory) {
            return Ok(root);
        }
        let Some(etc) = etc else {
            return Err(Refusal::new(
                Kind::Unsupported,
                format!("{} is not a root file system: it has no /etc directory", prefix.display()),
                "give --root the top directory of a mounted system, such as /mnt",
            )
            .into());
        };
        let own = Dir::open(Path::new("/etc")).and_then(|dir| dir.node()).map(|node| node.identity).unwrap_or_default();
        if own != (0, 0) && own == etc.identity {
            return Err(usage(format!("{} is the running system itself; leave --root out", prefix.display())).into());
        }
        Ok(root)
    }

    /// Whether this is the running system.
    pub fn is_live(&self) -> bool {
        self.prefix == Path::new("/")
    }

    /// The prefix as the user gave it: for messages, never for opening files.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The same root with `bytes` (nothing: absent) planned at each path. `mode` counts for files that are new.
    pub fn with_planned(&self, planned: impl IntoIterator<Item = (RootPath, Option<Vec<u8>>, u32)>) -> Root {
        let mut overlay = Overlay::clone(&self.overlay);
        overlay.extend(planned.into_iter().map(|(path, bytes, mode)| (path, Planned { bytes, mode })));
        let overlay = Arc::new(overlay);
        let memo = self.memo.as_ref().map(|memo| memo.of_overlay(&overlay));
        Root { overlay, memo, ..self.clone() }
    }

    /// The same root for one look at it, however many ask: what a reader has made of its files ([`Root::once`]), and which
    /// directories there are, is kept for as long as this and its clones are. Whoever looks again, because something may have
    /// been written, takes a new one.
    pub(crate) fn remembering(&self) -> Root {
        Root { top: Step::top(self.top.dir.clone()), memo: Some(Arc::default()), ..self.clone() }
    }

    /// What `read` makes of this root; from memory, if this one remembers and `reader` has read it before.
    pub(crate) fn once<T: Any + Send + Sync>(
        &self,
        reader: &'static str,
        read: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        match &self.memo {
            Some(memo) => memo.answer(reader, read),
            None => read().map(Arc::new),
        }
    }

    /// The same root without limits on what is read: to put back what was read before, or to read it over and over.
    pub fn unlimited(&self) -> Root {
        Root { top: Step::top(self.top.dir.clone()), budget: Arc::new(Budget::unlimited()), memo: None, ..self.clone() }
    }

    /// Whether the limits on what is read have been reached.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.budget.is_exhausted()
    }

    /// Lifts the limits on what is read of this root and its clones: once files are written, reading them must not fail.
    pub(crate) fn lift_limits(&self) {
        self.budget.lift();
    }

    /// The path with every symbolic link on the way and at its end followed; what does not exist stays as it is.
    pub fn resolve(&self, path: &RootPath) -> Result<RootPath> {
        Ok(self.walk(path, true)?.path)
    }

    /// What is at `path`, links followed.
    pub fn kind(&self, path: &RootPath) -> Result<NodeKind> {
        let place = self.walk(path, true)?;
        if let Some(planned) = self.overlay.get(&place.path) {
            return Ok(if planned.bytes.is_some() { NodeKind::File } else { NodeKind::Absent });
        }
        Ok(match &place.node {
            Some(node) => node.kind,
            None if self.overlay_below(&place.path).next().is_some() => NodeKind::Directory,
            None => NodeKind::Absent,
        })
    }

    /// Whether a regular file is at `path`, links followed.
    pub fn is_file(&self, path: &RootPath) -> Result<bool> {
        Ok(self.kind(path)? == NodeKind::File)
    }

    /// The target text of the symbolic link at `path`, if that is one.
    pub fn link_target(&self, path: &RootPath) -> Result<Option<Vec<u8>>> {
        let place = self.walk(path, false)?;
        match (&place.dir, &place.node) {
            (Some(dir), Some(node)) if node.is_link => {
                dir.read_link(place.path.name()).map(Some).with_context(|| format!("reading the link {path}"))
            }
            _ => Ok(None),
        }
    }

    /// Mode and owner of the file or directory at `path`, links followed; nothing if there is none.
    pub fn access(&self, path: &RootPath) -> Result<Option<Access>> {
        let place = self.walk(path, true)?;
        Ok(match (&place.node, self.overlay.get(&place.path)) {
            (_, Some(Planned { bytes: None, .. })) => None,
            (Some(node), _) => Some(Access { mode: node.mode, uid: node.uid, gid: node.gid }),
            (None, Some(planned)) => Some(Access { mode: planned.mode, uid: 0, gid: 0 }),
            (None, None) => None,
        })
    }

    /// When the file at `path` was last written, links followed: a planned one after all others.
    pub fn modified(&self, path: &RootPath) -> Result<Modified> {
        let place = self.walk(path, true)?;
        Ok(match self.overlay.contains_key(&place.path) {
            true => Modified::Planned,
            false => Modified::At(place.node.and_then(|node| node.modified)),
        })
    }

    /// The bytes of the regular file at `path`, links followed; nothing if nothing is there.
    ///
    /// Refuses devices, FIFOs, files over [`MOST_FILE_BYTES`] and lines over 1 MiB, without opening the former.
    pub fn read(&self, path: &RootPath) -> Result<Option<Vec<u8>>> {
        let place = self.walk(path, true)?;
        if let Some(planned) = self.overlay.get(&place.path) {
            // What is planned will have to be read again.
            planned.bytes.iter().try_for_each(|bytes| self.budget.charge(&place.path, bytes.len() as u64))?;
            return Ok(planned.bytes.clone());
        }
        match (&place.dir, &place.node) {
            (Some(dir), Some(node)) => {
                self.budget.charge(&place.path, node.size)?;
                read_node(dir, &place.path, node).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The names in the directory at `path`, sorted by byte; none if there is no such directory.
    pub fn list(&self, path: &RootPath) -> Result<Vec<Vec<u8>>> {
        let place = self.walk(path, true)?;
        let mut names = BTreeSet::new();
        if let (Some(dir), Some(Node { kind: NodeKind::Directory, .. })) = (&place.dir, &place.node) {
            let found = dir.open_dir(place.path.name()).and_then(|open| open.names());
            names.extend(found.with_context(|| format!("listing {path}"))?);
        }
        for (below, planned) in self.overlay_below(&place.path) {
            let first = below.0.get(place.path.0.len() + 1..).and_then(|rest| rest.split(|b| *b == b'/').next());
            let Some(name) = first else { continue };
            match planned.bytes {
                Some(_) => names.insert(name.to_vec()),
                None => names.remove(name),
            };
        }
        Ok(names.into_iter().collect())
    }

    fn overlay_below<'a>(&'a self, dir: &'a RootPath) -> impl Iterator<Item = (&'a RootPath, &'a Planned)> {
        self.overlay.iter().filter(move |(path, _)| path.is_under(dir) && *path != dir)
    }

    /// Walks to `path` inside the prefix; `follow` says whether a link at the end is followed, too.
    pub(crate) fn walk(&self, path: &RootPath, follow: bool) -> Result<Place> {
        let looking = || format!("looking up {path}");
        self.budget.look(path)?;
        let mut todo: VecDeque<Cow<'_, [u8]>> = path.parts().map(Cow::Borrowed).collect();
        let mut way: Vec<(Cow<'_, [u8]>, Arc<Step>)> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            match part.as_ref() {
                b".." => {
                    way.pop();
                    continue;
                }
                // Where a link's text ends with a slash, what it leads to is looked up as a directory.
                b"." => continue,
                _ => {}
            }
            let step = way.last().map_or(&self.top, |(_, step)| step);
            let last = todo.is_empty();
            let keep = match (&self.memo, way.is_empty()) {
                (Some(_), _) => Keep::All,
                (None, true) => Keep::Found,
                (None, false) => Keep::Nothing,
            };
            // Most of what is on the way is a directory: that is tried first, and anything else looked at.
            let node = match if last { None } else { Some(step.enter(&part, keep)) } {
                Some(Ok(next)) => {
                    way.push((part, next));
                    continue;
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
                _ => step.dir.look(&part).with_context(looking)?,
            };
            match node {
                Some(node) if node.is_link && (follow || !last) => {
                    links += 1;
                    if links > MOST_LINKS {
                        let hint = "repair the loop of symbolic links";
                        return Err(Refusal::new(Kind::Malformed, "too many symbolic links", hint).at(path, 0).into());
                    }
                    let target = step.dir.read_link(&part).with_context(|| format!("reading the link in {path}"))?;
                    if target.starts_with(b"/") {
                        way.clear();
                    }
                    if target.ends_with(b"/") {
                        todo.push_front(Cow::Borrowed(b"."));
                    }
                    for part in target.split(|b| *b == b'/').filter(|part| !part.is_empty()).rev() {
                        todo.push_front(Cow::Owned(part.to_vec()));
                    }
                }
                Some(Node { kind: NodeKind::Directory, .. }) if !last => {
                    let next = step.enter(&part, keep).with_context(looking)?;
                    way.push((part, next));
                }
                node => {
                    let path = if links == 0 {
                        path.clone()
                    } else {
                        let parts = way.iter().map(|(name, _)| name).chain([&part]).chain(&todo);
                        RootPath::new(RootPath::of_parts(parts).as_bytes())
                    };
                    // Behind a missing directory, or a file where a directory should be, there is nothing.
                    return Ok(if last {
                        Place { path, dir: Some(self.innermost(&way)), node }
                    } else {
                        Place { path, dir: None, node: None }
                    });
                }
            }
        }
        // The path ends with `..` or is the root: the directory that the way has led to, seen from the one above it.
        let path = RootPath::of_parts(way.iter().map(|(name, _)| name));
        let node = way.last().map_or(&self.top, |(_, step)| step).dir.node().with_context(looking)?;
        way.pop();
        Ok(Place { path, dir: Some(self.innermost(&way)), node: Some(node) })
    }

    /// The directory at the end of a walk; the top for an empty one.
    fn innermost(&self, way: &[(Cow<'_, [u8]>, Arc<Step>)]) -> Arc<Dir> {
        way.last().map_or(&self.top, |(_, step)| step).dir.clone()
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("prefix", &self.prefix).field("overlay", &self.overlay.keys()).finish()
    }
}

/// Reads the regular file at the end of `path` in the open directory `dir`, if it is still the one that `seen` is of.
fn read_node(dir: &Dir, path: &RootPath, seen: &Node) -> Result<Vec<u8>> {
    let refuse =
        |reason: &str, hint: &str| anyhow::Error::from(Refusal::new(Kind::Malformed, reason, hint).at(path, 0));
    if seen.kind != NodeKind::File {
        return Err(refuse("this is not a regular file", "ipalias reads and edits regular files only"));
    }
    let file = dir.open_file(path.name()).with_context(|| format!("opening {path}"))?;
    let node = dir::node_of(&file).with_context(|| format!("looking at {path}"))?;
    if node.identity != seen.identity {
        return Err(Refusal::new(Kind::ChangedSince, "the file was replaced while it was read", "try again")
            .at(path, 0)
            .into());
    }
    if node.size > MOST_FILE_BYTES as u64 {
        return Err(refuse(TOO_LARGE, "ipalias edits no file of that size"));
    }
    // Files of /proc and /sys have size 0, so the limit is kept while reading, too.
    let mut bytes = Vec::with_capacity(node.size as usize + 1);
    io::Read::take(file, MOST_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading {path}"))?;
    match oversize(&bytes) {
        Some(TOO_LARGE) => Err(refuse(TOO_LARGE, "ipalias edits no file of that size")),
        Some(reason) => Err(refuse(reason, "ipalias reads no configuration with such lines")),
        None => Ok(bytes),
    }
}

const TOO_LARGE: &str = "the file is larger than 4 MiB";

/// Why a file with these bytes is not read, if it is for its size.
pub(crate) fn oversize(bytes: &[u8]) -> Option<&'static str> {
    let is_long = |line: &[u8]| line.len() > MOST_LINE_BYTES;
    if bytes.len() > MOST_FILE_BYTES {
        return Some(TOO_LARGE);
    }
    let has_long_line = bytes.len() > MOST_LINE_BYTES && bytes.split(|byte| *byte == b'\n').any(is_long);
    has_long_line.then_some("a line is longer than 1 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        for (path, is) in [
            ("", "/"),
            ("/", "/"),
            ("..", "/"),
            ("etc", "/etc"),
            ("//etc/./network/", "/etc/network"),
            ("/etc/../../usr/lib/..", "/usr"),
            ("/a/b/../../..", "/"),
        ] {
            assert_eq!(RootPath::new(path).as_bytes(), is.as_bytes(), "{path}");
        }
        assert_eq!(RootPath::from("/etc/network").join("../hosts"), "/etc/hosts".into());
        assert_eq!(RootPath::from("/etc/network").join("/usr/../bin"), "/bin".into());
    }
}
