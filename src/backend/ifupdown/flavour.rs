//! The four programs called `ifup`, and what they disagree about.
//!
//! Facts: interfaces(5) of each, their sources (`config.c` of ifupdown 0.8.41, `networkinterfaces.py` of ifupdown2 3.0.0,
//! `interface-file.c` of ifupdown-ng, `networking/ifupdown.c` of BusyBox 1.35), and runs of each on the same files.
//! Leaves out everything that they agree about: see `stanza`.

use crate::error::Result;
use crate::host;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::words::{Dialect, Joins};

/// A reader of `/etc/network/interfaces`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// ifupdown up to 0.6 (Debian 6): no includes, and no second stanza of one name and family.
    Old,
    /// ifupdown 0.7 and later.
    Classic,
    /// ifupdown2 (Proxmox VE, Cumulus); whether it reads `source-directory`, which 3.0.0 does not.
    Two {
        /// Whether it reads `source-directory`.
        directories: bool,
    },
    /// ifupdown-ng (Alpine 3.13 and later); whether `source` takes patterns, which 0.11 does not.
    Ng {
        /// Whether `source` takes patterns.
        patterns: bool,
    },
    /// BusyBox' `ifup` (older Alpine).
    BusyBox,
}

/// The keywords that begin a line; everything else is an option of the stanza above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keyword {
    /// `iface`, and `interface` of ifupdown-ng.
    Iface,
    /// `template` of ifupdown-ng: a stanza for others to inherit from.
    Template,
    /// `auto`.
    Auto,
    /// `allow-CLASS`.
    Allow(String),
    /// `source`.
    Source,
    /// `source-directory`.
    SourceDirectory,
    /// `mapping`.
    Mapping,
    /// `no-auto-down`, `no-scripts`, `rename` and ifupdown2's `vlan`: ends a stanza, gives no address.
    Other,
    /// Anything else.
    Option,
}

impl Flavour {
    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Flavour::Old => "ifupdown 0.6",
            Flavour::Classic => "ifupdown",
            Flavour::Two { .. } => "ifupdown2",
            Flavour::Ng { .. } => "ifupdown-ng",
            Flavour::BusyBox => "BusyBox ifup",
        }
    }

    /// Debian's own ifupdown, of any age.
    pub(super) fn is_debian(self) -> bool {
        matches!(self, Flavour::Old | Flavour::Classic)
    }

    /// ifupdown2.
    pub(super) fn is_two(self) -> bool {
        matches!(self, Flavour::Two { .. })
    }

    /// ifupdown-ng.
    pub(super) fn is_ng(self) -> bool {
        matches!(self, Flavour::Ng { .. })
    }

    /// How it splits a file into lines of words.
    pub(super) fn dialect(self) -> Dialect {
        let (joins, inline_comments, cr_is_blank) = match self {
            Flavour::Old | Flavour::Classic => (Joins::AtEnd { of_comments: false }, false, true),
            Flavour::Two { .. } => (Joins::Anywhere, false, true),
            Flavour::Ng { .. } => (Joins::AtEndTrimmed, true, true),
            Flavour::BusyBox => (Joins::AtEnd { of_comments: true }, false, false),
        };
        Dialect { joins, inline_comments, cr_is_blank }
    }

    /// What the first word of a line is to this reader. All compare exactly, in lower case.
    pub(super) fn keyword(self, word: &[u8]) -> Keyword {
        let debian = self.is_debian();
        match word {
            b"iface" => Keyword::Iface,
            b"interface" if self.is_ng() => Keyword::Iface,
            b"template" if self.is_ng() => Keyword::Template,
            b"auto" => Keyword::Auto,
            b"mapping" if debian || self == Flavour::BusyBox => Keyword::Mapping,
            b"source" if self != Flavour::Old => Keyword::Source,
            b"source-directory" if self.is_ng() || self == (Flavour::Two { directories: true }) => {
                Keyword::SourceDirectory
            }
            // Both compare only the beginning of the word.
            _ if word.starts_with(b"source-dir") && matches!(self, Flavour::Classic | Flavour::BusyBox) => {
                Keyword::SourceDirectory
            }
            b"no-auto-down" | b"no-scripts" | b"rename" if self == Flavour::Classic => Keyword::Other,
            b"vlan" if self.is_two() => Keyword::Other,
            _ => match word.strip_prefix(b"allow-") {
                Some(class) if !class.is_empty() && (debian || self.is_two()) => {
                    Keyword::Allow(String::from_utf8_lossy(class).into_owned())
                }
                _ => Keyword::Option,
            },
        }
    }

    /// Whether it refuses a whole file for one line that it does not understand.
    pub(super) fn is_strict(self) -> bool {
        self.is_debian() || self == Flavour::BusyBox
    }

    /// Whether a stanza `iface IF:N` gives its address the label `IF:N`.
    pub(super) fn labels(self) -> bool {
        self.is_strict()
    }

    /// The file in which it records what is up (`ifup --state-dir`, `state_dir` of ifupdown2.conf).
    pub(super) fn state_file(self) -> &'static str {
        match self {
            Flavour::Old => "/etc/network/run/ifstate",
            Flavour::Classic => "/run/network/ifstate",
            Flavour::Two { .. } => "/var/tmp/network/ifstatenew",
            Flavour::Ng { .. } => "/run/ifstate",
            Flavour::BusyBox => "/var/run/ifstate",
        }
    }
}

/// Which of the four is installed in a root, and how that is known.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    /// The name of its backend.
    pub(super) backend: &'static str,
    /// The evidence, a clause.
    pub(super) evidence: String,
}

/// Finds whose `ifup` a root has: its files, then the package databases, then the name of the system. Never two.
pub(super) fn installed(root: &Root) -> Result<Installed> {
    let found = |backend, evidence: &str| Ok(Installed { backend, evidence: evidence.to_owned() });
    let exists = |path: &str| Ok::<_, anyhow::Error>(root.kind(&path.into())? != NodeKind::Absent);
    let program = |name: &str| Ok::<_, anyhow::Error>(exists(&format!("/sbin/{name}"))? || usr_sbin(root, name)?);
    if exists("/usr/share/ifupdown2")? || program("ifreload")? {
        return found("ifupdown2", "ifupdown2 is installed");
    }
    let ifup = match root.link_target(&"/sbin/ifup".into())? {
        Some(target) => Some(target),
        None => root.link_target(&"/usr/sbin/ifup".into())?,
    };
    let ifup = ifup.map(|target| RootPath::new(target).name().to_vec());
    match ifup.as_deref() {
        Some(b"ifupdown" | b"ifupdown-ng") => return found("ifupdown-ng", "/sbin/ifup is ifupdown-ng's"),
        Some(b"busybox" | b"busybox.static") => return found("busybox", "/sbin/ifup is BusyBox'"),
        // On Debian 13 ifupdown-ng can be installed beside ifupdown, as ifup-ng: then it is not in charge.
        _ if program("ifup")? => return found("ifupdown", "/sbin/ifup is ifupdown's"),
        _ => {}
    }
    if exists("/etc/network/ifupdown2/ifupdown2.conf")? || debian_version(root, "ifupdown2").is_some() {
        return found("ifupdown2", "ifupdown2 is configured");
    }
    if exists("/etc/network/ifupdown-ng.conf")? || exists("/usr/libexec/ifupdown-ng")? || program("ifparse")? {
        return found("ifupdown-ng", "ifupdown-ng is configured");
    }
    if debian_version(root, "ifupdown").is_some() {
        return found("ifupdown", "dpkg has ifupdown installed");
    }
    if exists("/etc/pve")? {
        return found("ifupdown2", "this is Proxmox VE");
    }
    if host::is_like(&host::os_release(root)?, "alpine") {
        return match alpine_release(root)? {
            Some(release) if release < (3, 13) => found("busybox", "this is Alpine before 3.13"),
            _ => found("ifupdown-ng", "this is Alpine"),
        };
    }
    found("ifupdown", "no other ifup is installed")
}

fn usr_sbin(root: &Root, name: &str) -> Result<bool> {
    Ok(root.kind(&RootPath::from("/usr/sbin").join(name))? != NodeKind::Absent)
}

/// The flavour behind the backend called `backend`, with what its version can do in this root.
pub(super) fn flavour(root: &Root, backend: &str) -> Result<Flavour> {
    Ok(match backend {
        "ifupdown2" => {
            let parser = "/usr/share/ifupdown2/ifupdown/networkinterfaces.py".into();
            let source = root.read(&parser)?.unwrap_or_default();
            let directories = source.windows(b"source-directory".len()).any(|bytes| bytes == b"source-directory");
            Flavour::Two { directories }
        }
        "ifupdown-ng" => {
            let version = debian_version(root, "ifupdown-ng").or_else(|| alpine_version(root, "ifupdown-ng"));
            let patterns = version.as_deref().and_then(major_minor).is_none_or(|version| version >= (0, 12));
            Flavour::Ng { patterns }
        }
        "busybox" => Flavour::BusyBox,
        _ if is_old(root)? => Flavour::Old,
        _ => Flavour::Classic,
    })
}

/// Whether Debian's ifupdown is older than 0.7: by its package, else by the release of the system.
fn is_old(root: &Root) -> Result<bool> {
    if let Some(version) = debian_version(root, "ifupdown").as_deref().and_then(major_minor) {
        return Ok(version < (0, 7));
    }
    let release = root.read(&"/etc/debian_version".into())?.unwrap_or_default();
    let release = String::from_utf8_lossy(&release).trim().to_owned();
    Ok(match release.split(['.', '/']).next() {
        Some("lenny" | "squeeze") => true,
        Some(major) => major.parse::<u32>().is_ok_and(|major| major <= 6),
        None => false,
    })
}

/// The version of an installed Debian package, from dpkg's status file (deb-status; `rc` packages do not count).
fn debian_version(root: &Root, package: &str) -> Option<String> {
    // Over the size limit or unreadable is no answer, not an error: there is other evidence.
    let status = root.read(&"/var/lib/dpkg/status".into()).ok().flatten()?;
    let mut ours = false;
    let mut installed = false;
    for line in status.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"Package: ") {
            ours = name == package.as_bytes();
            installed = false;
        } else if ours && line.starts_with(b"Status: ") {
            installed = line.ends_with(b" installed");
        } else if let Some(version) = line.strip_prefix(b"Version: ").filter(|_| ours && installed) {
            return Some(String::from_utf8_lossy(version).into_owned());
        }
    }
    None
}

/// The version of an installed Alpine package, from apk's database (apk-db: `P:` name, `V:` version).
fn alpine_version(root: &Root, package: &str) -> Option<String> {
    let database = root.read(&"/lib/apk/db/installed".into()).ok().flatten()?;
    let mut ours = false;
    for line in database.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"P:") {
            ours = name == package.as_bytes();
        } else if let Some(version) = line.strip_prefix(b"V:").filter(|_| ours) {
            return Some(String::from_utf8_lossy(version).into_owned());
        }
    }
    None
}

fn alpine_release(root: &Root) -> Result<Option<(u32, u32)>> {
    let release = root.read(&"/etc/alpine-release".into())?.unwrap_or_default();
    Ok(major_minor(String::from_utf8_lossy(&release).trim()))
}

/// The first two numbers of a version such as `0.8.41`, `0.7~beta2` or `1:0.6.10`.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = upstream.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(major_minor("0.8.41"), Some((0, 8)));
        assert_eq!(major_minor("0.7~beta2+really0.6.10"), Some((0, 7)));
        assert_eq!(major_minor("0.11.4~rc1-1+b2"), Some((0, 11)));
        assert_eq!(major_minor("1:0.6.10"), Some((0, 6)));
        assert_eq!(major_minor("edge"), None);
    }

    #[test]
    fn keywords_are_each_readers_own() {
        let two = Flavour::Two { directories: false };
        let ng = Flavour::Ng { patterns: true };
        assert_eq!(Flavour::Classic.keyword(b"allow-hotplug"), Keyword::Allow("hotplug".into()));
        assert_eq!(Flavour::BusyBox.keyword(b"allow-hotplug"), Keyword::Option);
        assert_eq!(ng.keyword(b"allow-hotplug"), Keyword::Option);
        assert_eq!(two.keyword(b"source-directory"), Keyword::Option);
        assert_eq!(Flavour::Classic.keyword(b"source-dir"), Keyword::SourceDirectory);
        assert_eq!(Flavour::Old.keyword(b"source"), Keyword::Option);
        assert_eq!(Flavour::Classic.keyword(b"Auto"), Keyword::Option);
    }
}
