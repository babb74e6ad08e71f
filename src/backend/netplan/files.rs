//! Which files netplan reads, in which order, and which of them hides another.
//!
//! Follows netplan(5), "description", and `netplan_parser_load_yaml_hierarchy()`: `*.yaml` of three directories, a name in
//! `/run` before the same name in `/etc` before that in `/lib`, then all in the order of their names' bytes.

use std::collections::BTreeMap;

use super::definitions::failing;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Change};
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::yaml::{self, Document, Fault, Node};
use crate::text::Text;

/// Where the administrator's files are.
pub const ETC: &str = "/etc/netplan";

/// The directories, in rising precedence. `/usr/lib/netplan` is the same as `/lib/netplan` wherever that is a link.
const DIRECTORIES: [&str; 3] = ["/lib/netplan", ETC, "/run/netplan"];

/// The permissions of a new file: netplan warns of any that others may read. It reads only `*.yaml`, so that a copy
/// `FILE.bak` beside one means nothing to it.
const PRIVATE: u32 = 0o600;

/// One file.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it was found.
    pub path: RootPath,
    /// The same with every symbolic link resolved.
    pub target: RootPath,
    /// Its bytes.
    pub text: Text,
    /// What it says; nothing if it cannot be read.
    pub document: Option<Document>,
    /// The file of the same name that is read instead, if there is one.
    pub shadowed_by: Option<RootPath>,
}

impl File {
    /// Its name, which decides the order.
    pub fn name(&self) -> &[u8] {
        self.path.name()
    }

    /// Its top mapping.
    pub fn root(&self) -> Option<&Node> {
        self.document.as_ref().and_then(|document| document.root.as_ref())
    }

    /// Whether it is where administrators write.
    pub fn is_etc(&self) -> bool {
        self.path.is_under(&ETC.into())
    }

    /// Whether NetworkManager wrote it, which writes it anew at every change of its profile (`90-NM-UUID.yaml`).
    pub fn is_network_managers(&self) -> bool {
        self.name().starts_with(b"90-NM-")
    }

    /// The change that makes `after` of it.
    pub fn becomes(&self, after: Option<Vec<u8>>) -> Change {
        Change {
            path: self.target.clone(),
            before: Some(self.text.bytes().to_vec()),
            after,
            mode: PRIVATE,
            backup: Backup::Beside,
        }
    }
}

/// The change that creates a file at `path`.
pub fn created(path: RootPath, bytes: Vec<u8>) -> Change {
    Change { path, before: None, after: Some(bytes), mode: PRIVATE, backup: Backup::Beside }
}

/// Every file of `root`, in the order in which netplan reads them, hidden ones beside what hides them; and why netplan
/// fails on one, if it does.
pub fn files(root: &Root) -> Result<(Vec<File>, Vec<Refusal>)> {
    let mut found: BTreeMap<Vec<u8>, Vec<RootPath>> = BTreeMap::new();
    for dir in DIRECTORIES {
        for name in root.list(&dir.into())? {
            if name.ends_with(b".yaml") && !name.starts_with(b".") {
                found.entry(name.clone()).or_default().push(RootPath::from(dir).join(&name));
            }
        }
    }
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for paths in found.into_values() {
        let winner = paths.last().cloned();
        for path in paths {
            let shadowed_by = winner.clone().filter(|winner| *winner != path);
            let (file, fault) = read(root, path, shadowed_by)?;
            let counts = file.as_ref().is_none_or(|file| file.shadowed_by.is_none());
            files.extend(file);
            faults.extend(fault.filter(|_| counts));
        }
    }
    Ok((files, faults))
}

fn read(root: &Root, path: RootPath, shadowed_by: Option<RootPath>) -> Result<(Option<File>, Option<Refusal>)> {
    let fault = |reason: &str| failing(&path, Fault::new(0, reason));
    match root.kind(&path)? {
        NodeKind::File => {}
        _ if shadowed_by.is_some() => return Ok((None, None)),
        NodeKind::Absent => return Ok((None, Some(fault("this link leads nowhere")))),
        NodeKind::Directory => return Ok((None, Some(fault("a directory stands where a file is expected")))),
        NodeKind::Other => return Ok((None, Some(fault("this is not a regular file")))),
    }
    let text = Text::new(root.read(&path)?.unwrap_or_default());
    let (document, fault) = match yaml::parse(&text) {
        Ok(document) => (Some(document), None),
        Err(fault) if fault.is_certain => (None, Some(failing(&path, fault))),
        Err(fault) => {
            let hint = "write it as netplan(5) shows it; netplan may read this, and ipalias does not";
            (None, Some(Refusal::new(Kind::Malformed, fault.reason, hint).at(&path, fault.line)))
        }
    };
    let target = root.resolve(&path)?;
    Ok((Some(File { path, target, text, document, shadowed_by }), fault))
}
