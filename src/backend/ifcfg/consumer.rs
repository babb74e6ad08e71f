//! Who reads ifcfg files: the network scripts, NetworkManager, or both; and by which release's rules.

use crate::error::Result;
use crate::host;
use crate::root::{NodeKind, Root, RootPath};

/// The readers of a root's ifcfg files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// The `network` service alone.
    Scripts,
    /// NetworkManager alone.
    NetworkManager,
    /// Both; a file has to suit either.
    Both,
    /// Nobody: the file keeps away the only one that starts.
    Nobody,
}

/// What the release of a root says about its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Release {
    /// The number of the Enterprise Linux generation, Fedora's releases mapped to theirs.
    pub(super) el: Option<u32>,
}

/// The readers, whether something says that they start, and the evidence.
pub(super) struct Consumer {
    pub(super) readers: Readers,
    release: Release,
    pub(super) is_enabled: bool,
    /// Whether NetworkManager runs now.
    pub(super) manager_runs: bool,
    pub(super) evidence: String,
}

impl Consumer {
    /// The first index of `IPADDRn` whose absence ends the search; nothing where there are no indexes (EL 5).
    pub(super) fn first_needed(&self) -> Option<u32> {
        match self.release.el {
            _ if self.readers == Readers::NetworkManager => Some(2),
            Some(..=5) => None,
            Some(6) => Some(3),
            _ => Some(2),
        }
    }

    /// The last index that is looked at.
    pub(super) fn most_index(&self) -> u32 {
        if self.readers == Readers::NetworkManager { u32::MAX } else { 255 }
    }
}

impl Release {
    fn of(root: &Root) -> Result<Release> {
        for path in ["/etc/redhat-release", "/etc/system-release", "/etc/centos-release", "/etc/fedora-release"] {
            if !root.is_file(&path.into())? {
                continue;
            }
            let text = String::from_utf8_lossy(&root.read(&path.into())?.unwrap_or_default()).into_owned();
            if let Some(number) = text.split("release ").nth(1).and_then(number) {
                return Ok(Release { el: generation(&text, number) });
            }
        }
        let os = host::os_release(root)?;
        let family = ["rhel", "centos", "fedora", "almalinux", "rocky", "ol", "amzn", "cloudlinux", "virtuozzo"];
        let known = family.iter().any(|id| host::is_like(&os, id));
        let number = number(&os.version_id).filter(|_| known);
        Ok(Release { el: number.and_then(|number| generation(&os.id, number)) })
    }
}

/// The Enterprise Linux generation of a release, by the name of its maker.
fn generation(maker: &str, number: u32) -> Option<u32> {
    match number {
        _ if maker.to_ascii_lowercase().starts_with("fedora") => Some(of_fedora(number)),
        // Amazon Linux (from memory): 2011.09 to 2018.03, 2, and 2023 with networkd.
        2011..=2018 => Some(6),
        2 if maker.starts_with("Amazon") || maker == "amzn" => Some(7),
        2019.. => Some(10),
        // Other makers count anew.
        0..=2 => None,
        3 | 4 => Some(5),
        _ => Some(number),
    }
}

fn number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The Enterprise Linux release with the rules of a Fedora release.
fn of_fedora(number: u32) -> u32 {
    match number {
        ..=11 => 5,
        12..=18 => 6,
        19..=27 => 7,
        28..=32 => 8,
        33..=38 => 9,
        _ => 10,
    }
}

/// Who reads the files of `root`; nothing if nobody does any more, with the reason.
pub(super) fn consumer(root: &Root) -> Result<Result<Consumer, String>> {
    let release = Release::of(root)?;
    let mut scripts = false;
    for path in ["/etc/init.d/network", "/etc/rc.d/init.d/network"] {
        scripts |= root.kind(&path.into())? != NodeKind::Absent;
    }
    let scripts_on = scripts && scripts_enabled(root)?;
    let plugin = plugin(root)?;
    let manager_on =
        host::unit_enabled(root, "NetworkManager.service")? || host::init_script_enabled(root, "NetworkManager")?;
    let el = release.el;
    let can_manage = plugin || manager_on && matches!(el, Some(6..=9));
    let (readers, evidence) = match (scripts, can_manage && (manager_on || !scripts)) {
        (true, true) if scripts_on || !manager_on => {
            (Readers::Both, "the network service and NetworkManager read ifcfg files here")
        }
        (true, true) => {
            (Readers::NetworkManager, "NetworkManager reads ifcfg files here; the network service is not enabled")
        }
        (true, false) => (Readers::Scripts, "the network service reads ifcfg files here"),
        (false, true) => (Readers::NetworkManager, "NetworkManager reads ifcfg files here"),
        (false, false) => match el {
            Some(..=5) => (Readers::Scripts, "the release reads ifcfg files with the network service"),
            Some(6 | 7) => (Readers::Both, "the release reads ifcfg files with the network service and NetworkManager"),
            Some(8 | 9) => (Readers::NetworkManager, "the release reads ifcfg files with NetworkManager"),
            Some(_) => {
                return Ok(Err("nothing reads ifcfg files on this release: NetworkManager keeps keyfiles".to_owned()));
            }
            None => {
                return Ok(Err(
                    "neither the network service nor NetworkManager's plugin for ifcfg files is here".to_owned()
                ));
            }
        },
    };
    let is_enabled = scripts_on || can_manage && manager_on;
    let manager_runs = root.kind(&"/run/NetworkManager/devices".into())? == NodeKind::Directory;
    Ok(Ok(Consumer { readers, release, is_enabled, manager_runs, evidence: evidence.to_owned() }))
}

fn scripts_enabled(root: &Root) -> Result<bool> {
    for level in ["/etc/rc.d/rc3.d", "/etc/rc3.d", "/etc/rc.d/rc5.d"] {
        if root.list(&level.into())?.iter().any(|name| name.starts_with(b"S") && name.ends_with(b"network")) {
            return Ok(true);
        }
    }
    host::unit_enabled(root, "network.service")
}

/// Whether NetworkManager's plugin for ifcfg files is installed.
fn plugin(root: &Root) -> Result<bool> {
    let name = "libnm-settings-plugin-ifcfg-rh.so";
    for top in ["/usr/lib64/NetworkManager", "/usr/lib/NetworkManager"] {
        let top = RootPath::from(top);
        if root.is_file(&top.join(name))? {
            return Ok(true);
        }
        for version in root.list(&top)? {
            if root.is_file(&top.join(version).join(name))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
