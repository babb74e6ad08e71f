//! Which release of systemd reads the files, and what that makes of applying and writing them.
//!
//! Measured with 247, 252 and 257; statements about other releases cite the issue they come from.

use crate::error::Result;
use crate::plan::{Command, Disturbs, Step};
use crate::root::{Root, RootPath};

/// What is assumed where no release can be seen: that of Debian 12.
const ASSUMED: u32 = 252;

/// A release of systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Release(Option<u32>);

impl Release {
    /// The release installed in `root`, from the file name of its private library.
    pub fn of(root: &Root) -> Result<Release> {
        let triplets = root.list(&"/usr/lib".into())?.into_iter().filter(|name| contains(name, b"-linux-"));
        let triplets = triplets.map(|name| RootPath::from("/usr/lib").join(name).join("systemd"));
        let fixed = ["/usr/lib/systemd", "/lib/systemd", "/usr/lib64/systemd"].map(RootPath::from);
        let mut newest = None;
        for dir in fixed.into_iter().chain(triplets) {
            newest = newest.max(root.list(&dir)?.iter().filter_map(|name| library_version(name)).max());
        }
        Ok(Release(newest))
    }

    /// Its number, as far as it is known.
    pub fn version(self) -> u32 {
        self.0.unwrap_or(ASSUMED)
    }

    /// The most addresses one `.network` file may hold: those that certainly count, and those that may (the limit was
    /// raised from the one to the other in 257 and in late updates of older releases, systemd#34815).
    pub fn most_addresses(self) -> (usize, usize) {
        match self.version() {
            ..=247 => (1024, 1024),
            248..=256 => (1024, 8192),
            _ => (8192, 8192),
        }
    }

    /// Whether an empty `Address=` in `[Network]` takes back every address before it (systemd#30541). Where the release
    /// is not known, it is read so, because believing in an address that is not there would be worse.
    pub fn resets(self) -> bool {
        self.0.is_none_or(|version| version >= 256)
    }

    /// Whether the later of two equal addresses counts (systemd#20891); before, it was the earlier.
    pub fn prefers_later(self) -> bool {
        self.version() >= 249
    }

    /// Whether drop-ins can be relied on (systemd#5141).
    pub fn has_sound_dropins(self) -> bool {
        self.version() >= 240
    }

    /// Whether a preferred lifetime of 0 can be written: from 240 to 242 such an address kept the link from ever being
    /// configured, without default route (systemd#13341).
    pub fn can_deprecate(self) -> bool {
        !matches!(self.version(), 240..=242)
    }

    /// What makes the daemon read its files again, with what that disturbs; nothing where every way takes addresses of
    /// its own away.
    pub fn reread(self) -> Vec<Step> {
        match self.version() {
            ..=239 => Vec::new(),
            240..=249 => restart(Disturbs::Foreign),
            250..=256 => restart(Disturbs::Nothing),
            _ => vec![Step::reread(Command::new(["networkctl", "reload"]).disturbing(Disturbs::Foreign))],
        }
    }

    /// What [`Release::reread`] means for the host, if there is something to say.
    pub fn rereading_note(self) -> Option<String> {
        let version = self.version();
        match version {
            ..=239 => Some(format!(
                "systemd {version} is not told: it could take addresses of its own away at a restart, and it reads its \
                 files at the next boot"
            )),
            250..=256 => None,
            _ => Some(format!(
                "systemd {version} takes addresses away that stand in no file when it reads its files again"
            )),
        }
    }

    /// The guide's restart, or why it must not be run.
    pub fn restart(self) -> Result<Vec<Step>, String> {
        match self.version() {
            238 | 239 => Err(format!(
                "systemd {} takes the static addresses of its own interfaces away when it restarts (systemd#10660)",
                self.version()
            )),
            250..=256 => Ok(restart(Disturbs::Nothing)),
            _ => Ok(restart(Disturbs::Foreign)),
        }
    }
}

/// The restart. systemd leaves a unit dead that is started more often than `StartLimitBurst=` allows, five times in ten
/// seconds (systemd.unit(5)); `reset-failed` starts that count anew, so that many small changes do no harm.
fn restart(disturbs: Disturbs) -> Vec<Step> {
    let command = |verb| Command::new(["systemctl", verb, "systemd-networkd"]);
    vec![Step::reread(command("reset-failed")), Step::reread(command("restart").disturbing(disturbs))]
}

/// `libsystemd-shared-252.so`, `libsystemd-shared-255.4-1.fc40.so`.
fn library_version(name: &[u8]) -> Option<u32> {
    let rest = name.strip_prefix(b"libsystemd-shared-")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok().filter(|_| contains(rest, b".so"))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
impl Release {
    /// That release.
    pub fn numbered(version: u32) -> Release {
        Release(Some(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names() {
        assert_eq!(library_version(b"libsystemd-shared-252.so"), Some(252));
        assert_eq!(library_version(b"libsystemd-shared-255.4-1.fc40.so"), Some(255));
        assert_eq!(library_version(b"libsystemd-shared-249.11-0ubuntu3.so"), Some(249));
        for other in [&b"libsystemd-core-252.so"[..], b"libsystemd-shared-.so", b"libsystemd-shared-252", b""] {
            assert_eq!(library_version(other), None);
        }
    }

    #[test]
    fn every_release_has_an_answer() {
        for version in 0..300 {
            let release = Release(Some(version));
            assert_eq!(release.reread().is_empty(), version < 240);
            assert_eq!(release.restart().is_err(), matches!(version, 238 | 239));
            let (sure, most) = release.most_addresses();
            assert!(sure <= most);
        }
    }
}
