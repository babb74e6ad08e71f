//! Which files an include line names: `source PATTERN...` and `source-directory DIR` of interfaces(5).
//!
//! ifupdown expands a pattern with wordexp(3), ifupdown2 with Python's glob, ifupdown-ng 0.12 with glob(3); BusyBox takes
//! it as it stands. The names that `source-directory` takes differ, too. Leaves out what needs a shell: `$HOME/x`.

use crate::error::{Kind, Refusal, Result};
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::glob;

use super::flavour::Flavour;

/// The most files that are read; more is a mistake or an attack.
pub(super) const MOST_FILES: usize = 4096;

/// What one include line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Include {
    /// Every file whose path matches.
    Files(RootPath),
    /// Every file in the directory whose name this reader accepts.
    Directory(RootPath),
}

impl Include {
    /// Whether a file at `path` would be read, if there were one.
    pub(super) fn covers(&self, path: &RootPath, flavour: Flavour) -> bool {
        match self {
            Include::Files(pattern) if flavour == Flavour::BusyBox => pattern == path,
            Include::Files(pattern) => {
                let parts = |path: &RootPath| path.as_bytes().split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
                let (pattern, path): (Vec<_>, Vec<_>) = (parts(pattern), parts(path));
                pattern.len() == path.len() && pattern.iter().zip(&path).all(|(pattern, name)| matches(pattern, name))
            }
            Include::Directory(directory) => path.parent() == *directory && accepts(path.name(), flavour),
        }
    }

    /// The files that it names now, in the order in which they are read. Directories among them are left out.
    pub(super) fn files(&self, root: &Root, flavour: Flavour) -> Result<Vec<RootPath>> {
        let candidates = match self {
            Include::Files(pattern) if flavour == Flavour::BusyBox => vec![pattern.clone()],
            Include::Files(pattern) => expand(root, pattern)?,
            Include::Directory(directory) => {
                let names = root.list(directory)?.into_iter().filter(|name| accepts(name, flavour));
                names.map(|name| directory.join(name)).collect()
            }
        };
        let mut files = Vec::new();
        for path in candidates {
            if root.kind(&path)? == NodeKind::File {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// A path that it would read, for a new file of ours; nothing if the name is not ours to choose.
    pub(super) fn new_file(&self, flavour: Flavour) -> Option<RootPath> {
        let path = match self {
            Include::Directory(directory) => directory.join(OWN_NAME),
            Include::Files(pattern) => {
                let name = pattern.name();
                let star = name.iter().position(|byte| *byte == b'*')?;
                let (front, behind) = (name.get(..star)?, name.get(star + 1..)?);
                pattern.parent().join([front, OWN_NAME.as_bytes(), behind].concat())
            }
        };
        (is_literal(path.as_bytes()) && self.covers(&path, flavour)).then_some(path)
    }
}

/// The drop-in that ipalias makes where the primary's own file is not to be edited.
pub(super) const OWN_NAME: &str = "60-ipalias";

/// Whether `source-directory` reads a file of this name.
fn accepts(name: &[u8], flavour: Flavour) -> bool {
    match flavour {
        Flavour::BusyBox => !name.starts_with(b"."),
        Flavour::Ng { .. } | Flavour::Two { .. } => true,
        Flavour::Classic | Flavour::Old => {
            !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        }
    }
}

/// Whether a path has no character of a pattern.
pub(super) fn is_literal(path: &[u8]) -> bool {
    !path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// All paths that match `pattern`, sorted by byte within each directory.
fn expand(root: &Root, pattern: &RootPath) -> Result<Vec<RootPath>> {
    let mut paths = vec![RootPath::new("/")];
    for part in pattern.as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        if is_literal(part) {
            paths = paths.iter().map(|path| path.join(part)).collect();
            continue;
        }
        let mut next = Vec::new();
        for path in &paths {
            let names = root.list(path)?;
            next.extend(names.iter().filter(|name| matches(part, name)).map(|name| path.join(name)));
        }
        paths = next;
        if paths.len() > MOST_FILES {
            let reason = format!("{pattern} matches more than {MOST_FILES} files");
            return Err(Refusal::new(Kind::Malformed, reason, "name the directory of the files more exactly").into());
        }
    }
    Ok(paths)
}

/// Whether `name` matches the shell pattern `pattern` (glob(7): `*`, `?`, `[...]`; a leading dot only explicitly).
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") {
        return false;
    }
    glob::glob(pattern, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "eth0", true),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("*.cfg", "a.cfg", true),
            ("*.cfg", "a.cfg.bak", false),
            ("*.c*g", "a.cc.cfg", true),
            ("?0-*", "50-cloud-init", true),
            ("[0-9]*", "50-cloud-init", true),
            ("[!0-9]*", "50-cloud-init", false),
            ("[!0-9]*", "x", true),
            ("a[]]b", "a]b", true),
            ("a[b", "a[b", true),
            ("", "", true),
            ("a", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_backup_beside_an_included_file_may_be_live() {
        let all = Include::Files("/etc/network/interfaces.d/*".into());
        let cfg = Include::Files("/etc/network/interfaces.d/*.cfg".into());
        let directory = Include::Directory("/etc/network/interfaces.d".into());
        let bak = "/etc/network/interfaces.d/ipalias.bak".into();
        assert!(all.covers(&bak, Flavour::Classic));
        assert!(!cfg.covers(&bak, Flavour::Classic));
        assert!(!directory.covers(&bak, Flavour::Classic));
        assert!(directory.covers(&bak, Flavour::BusyBox));
        assert!(directory.covers(&bak, Flavour::Ng { patterns: true }));
    }

    #[test]
    fn the_name_of_a_new_drop_in() {
        let name = |include: Include, flavour| include.new_file(flavour).map(|path| path.to_string());
        let files = |pattern: &str| Include::Files(pattern.into());
        let directory = Include::Directory("/etc/network/interfaces.d".into());
        let classic = Flavour::Classic;
        assert_eq!(
            name(files("/etc/network/interfaces.d/*"), classic).unwrap(),
            "/etc/network/interfaces.d/60-ipalias"
        );
        assert_eq!(name(files("/etc/x/*.cfg"), classic).unwrap(), "/etc/x/60-ipalias.cfg");
        assert_eq!(name(directory, classic).unwrap(), "/etc/network/interfaces.d/60-ipalias");
        assert_eq!(name(files("/etc/network/interfaces.d/eth0"), classic), None);
        assert_eq!(name(files("/etc/*/x"), classic), None);
        assert_eq!(name(files("/etc/x/*"), Flavour::BusyBox), None);
    }
}
