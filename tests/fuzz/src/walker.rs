//! The walk inside a root against the kernel's own: `openat2(2)` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS` on a random
//! tree of directories, files, FIFOs and links. Both find the same file, or both nothing.

use std::cell::Cell;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ipalias::error::{Kind, Refusal};
use ipalias::root::{NodeKind, Root, RootPath};
use rustix::fs::{self as sys, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The most things that a tree has, and the most paths that are looked up in it.
const MOST: usize = 24;

/// Names in a tree: none is in the `/` of a host, should a link ever be followed there.
const NAMES: &[&str] = &["a", "b", "c", "d-", "etc"];

/// A reader of decisions: nothing is left at the end.
struct Bytes<'a>(Cell<&'a [u8]>);

impl Bytes<'_> {
    fn next(&self) -> Option<u8> {
        let (first, rest) = self.0.get().split_first()?;
        self.0.set(rest);
        Some(*first)
    }

    /// A path of up to four names; with `up` there may be `..`, `.` and `/` where links may have them.
    fn path(&self, up: bool) -> Option<String> {
        let shape = self.next()?;
        let mut path = String::new();
        if up && shape & 1 == 1 {
            path.push('/');
        }
        for at in 0..1 + usize::from(shape >> 1 & 3) {
            if at > 0 {
                path.push('/');
            }
            let pick = usize::from(self.next()?) % if up { NAMES.len() + 4 } else { NAMES.len() };
            path.push_str(NAMES.get(pick).copied().unwrap_or(if pick % 3 == 0 { "." } else { ".." }));
        }
        if up && shape & 0x18 == 0x18 {
            path.push('/');
        }
        Some(path)
    }
}

/// The law; fails at once where the kernel has no `openat2`.
pub fn target() -> impl Fn(&[u8]) + Send + Sync {
    let scratch = crate::scratch();
    let top = scratch.join("1/2/3/4/5/6/7/8");
    fs::create_dir_all(&top).expect("a folder");
    assert!(kernel(&open(&top), Path::new("."), OFlags::PATH).is_ok(), "openat2(2) is needed");
    move |data| law(&top.join("root"), data)
}

fn law(top: &Path, data: &[u8]) {
    let _ = fs::remove_dir_all(top);
    fs::create_dir_all(top.join("etc")).expect("a root");
    let bytes = Bytes(Cell::new(data));
    let dir = open(top);
    for _ in 0..MOST {
        match bytes.next().map(|kind| kind % 8) {
            None | Some(0) => break,
            Some(kind) => drop(plant(&dir, &bytes, kind)),
        }
    }
    let root = Root::open(top).expect("a root");
    for _ in 0..MOST {
        let Some(path) = bytes.path(true) else { break };
        let path = RootPath::new(&path);
        compare(&root, &dir, top, &path);
    }
}

/// Makes one thing, if its folder is there: never behind a link.
fn plant(dir: &OwnedFd, bytes: &Bytes<'_>, kind: u8) -> Option<()> {
    let path = PathBuf::from(bytes.path(false)?);
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = sys::openat2(dir, parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), beneath).ok()?;
    let name = path.file_name()?;
    match kind {
        1 | 2 => sys::mkdirat(&parent, name, Mode::from_raw_mode(0o755)).ok(),
        3 => sys::openat(&parent, name, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY, Mode::from_raw_mode(0o644))
            .ok()
            .and_then(|file| rustix::io::write(file, path.as_os_str().as_encoded_bytes()).ok().map(drop)),
        4 => sys::mknodat(&parent, name, FileType::Fifo, Mode::from_raw_mode(0o644), 0).ok(),
        _ => sys::symlinkat(bytes.path(true)?, &parent, name).ok(),
    }
}

fn compare(root: &Root, dir: &OwnedFd, top: &Path, path: &RootPath) {
    let relative = Path::new(std::str::from_utf8(path.as_bytes()).expect("text"));
    let host = |path: &RootPath| top.join(path.to_string().trim_start_matches('/'));
    let ours = root.kind(path);
    let found = match kernel(dir, relative, OFlags::PATH) {
        Ok(found) => found,
        Err(Errno::LOOP) => {
            let refusal = ours.expect_err("a loop").downcast::<Refusal>().expect("a refusal");
            assert_eq!(refusal.kind, Kind::Malformed, "{path}");
            return;
        }
        Err(Errno::NOENT | Errno::NOTDIR) => {
            assert_eq!(ours.expect("no loop"), NodeKind::Absent, "{path}");
            assert_eq!(root.read(path).expect("no loop"), None, "{path}");
            assert!(root.access(path).expect("no loop").is_none(), "{path}");
            return;
        }
        Err(errno) => panic!("openat2 {path}: {errno}"),
    };
    let stat = sys::fstat(&found).expect("fstat");
    let resolved = root.resolve(path).expect("no loop");
    let own = fs::symlink_metadata(host(&resolved)).unwrap_or_else(|error| panic!("{path} as {resolved}: {error}"));
    assert_eq!((own.dev(), own.ino()), (stat.st_dev, stat.st_ino), "{path} as {resolved}");
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => NodeKind::File,
        FileType::Directory => NodeKind::Directory,
        _ => NodeKind::Other,
    };
    assert_eq!(ours.expect("no loop"), kind, "{path}");
    match kind {
        NodeKind::File => {
            let bytes = root.read(path).expect("a file").expect("a file");
            assert_eq!(bytes, fs::read(host(&resolved)).expect("a file"), "{path}");
        }
        _ => assert!(root.read(path).is_err(), "{path} is no file"),
    }
    let link =
        kernel(dir, relative, OFlags::PATH | OFlags::NOFOLLOW).and_then(|link| sys::readlinkat(&link, "", Vec::new()));
    let target = root.link_target(path).expect("no loop");
    assert_eq!(target, link.ok().map(|target| target.into_bytes()), "{path}");
}

fn kernel(dir: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match sys::openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), inside) {
            // Something was renamed on this machine meanwhile, and the kernel cannot tell whether that mattered.
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
}

fn open(path: &Path) -> OwnedFd {
    sys::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("a folder")
}
