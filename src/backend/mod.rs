//! The systems that ipalias knows, one file each.
//!
//! A backend knows where a system keeps its addresses, how they are written there, and which command of the system makes
//! them effective. It reads a [`Root`] and returns plans; it never writes, runs, asks the kernel or prints.
//!
//! To add a system:
//! 1. write `src/backend/NAME.rs` with a unit struct that implements [`Backend`], on top of a dialect of `syntax`, and its
//!    `guide.rs`, which says what an administrator of that system wants to know;
//! 2. add its row to [`ALL`], at its place in the order of precedence;
//! 3. add `fixtures/NAME/`, with at least one case each of add, add again, remove and refused.

pub mod cpanel;
pub mod freebsd;
pub mod ifcfg;
mod ifconfig;
pub mod ifupdown;
pub mod ipadm;
pub mod netbsd;
pub mod netifrc;
pub mod netplan;
pub mod netsh;
pub mod networkd;
pub mod networkmanager;
pub mod openbsd;
pub mod places;
pub mod solaris;
pub mod wicked;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, IfName, Label};
use crate::error::Result;
use crate::guide::Guide;
use crate::plan::{Direct, Plan};
use crate::root::{Root, RootPath};

/// Every backend, in the order of precedence: where two are in charge with equal right and one is a layer above the
/// other, the earlier row wins.
pub const ALL: &[&dyn Backend] = &[
    &cpanel::Cpanel,
    &netplan::Netplan,
    &networkmanager::NetworkManager,
    &networkd::Networkd,
    &wicked::Wicked,
    &ifupdown::IFUPDOWN2,
    &ifupdown::IFUPDOWN_NG,
    &ifupdown::BUSYBOX,
    &ifupdown::IFUPDOWN,
    &ifcfg::Ifcfg,
    &netifrc::Netifrc,
    &freebsd::FreeBsd,
    &openbsd::OpenBsd,
    &netbsd::NetBsd,
    &solaris::Solaris,
    &ipadm::Ipadm,
    &netsh::Netsh,
];

/// The backend called `name`.
pub fn by_name(name: &str) -> Option<&'static dyn Backend> {
    ALL.iter().copied().find(|backend| backend.name() == name)
}

/// What a system can do for ipalias. No method has a default: an unsupported verb must not compile into silence.
pub trait Backend: Sync {
    /// The name that `--backend` takes and `fixtures/` uses.
    fn name(&self) -> &'static str;

    /// Where its configuration begins: a file, a directory, or a command where there are no files. Backends with the same
    /// home read the same files, and a host has one of them.
    fn home(&self) -> &'static str;

    /// Whether this system is in charge of the primary interface of `root`, and on what evidence.
    fn detect(&self, root: &Root) -> Result<Stance>;

    /// Every address that this system's files configure, in file order, the ineffective ones included.
    fn entries(&self, root: &Root) -> Result<Vec<Entry>>;

    /// The plan that configures `want`, none of which is effectively configured yet. `now` is what the running system
    /// has, so that steps for addresses that are up already can be left out.
    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan>;

    /// The plan that takes `gone`, entries of this root, out of the files and off the interface.
    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan>;

    /// What puts an address up or down on this system right away: for one that the files and the running system differ in.
    fn direct(&self, alias: &Alias) -> Direct;

    /// What an administrator wants to know of it: the text of `ipalias explain` and of its page in `docs/systems/`.
    fn guide(&self) -> &Guide;
}

/// A backend's answer to "is this yours?".
#[derive(Debug, Clone)]
pub enum Stance {
    /// It is, and this is why.
    InCharge(Claim),
    /// Something of it is here, but it is not in charge, for this reason (a clause).
    NotInCharge(String),
    /// Nothing of it is here (a clause such as "there is no /etc/network/interfaces").
    Absent(String),
}

/// How good the evidence of a claim is; later is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Its files configure the interface; nothing says whether anybody reads them.
    Configured,
    /// Its files configure the interface and its service is enabled.
    Enabled,
    /// The running system's own records say that it configured the interface.
    Running,
    /// A control panel that owns the additional addresses, whatever configures the interface below it.
    Panel,
}

/// A backend's evidence that it is in charge.
#[derive(Debug, Clone)]
pub struct Claim {
    /// How good the evidence is.
    pub strength: Strength,
    /// The primary interface, where the files or the running system tell.
    pub interface: Option<IfName>,
    /// The evidence, a sentence each.
    pub evidence: Vec<String>,
    /// The files that were read.
    pub files: Vec<RootPath>,
    /// What `--apply auto` runs, in a few words.
    pub auto: String,
    /// What `--apply restart` runs, or why that is refused here.
    pub restart: Result<String, String>,
    /// What the administrator should know before any change.
    pub warnings: Vec<String>,
}

/// What an address is to its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The address the host is known by; never removed.
    Primary,
    /// Any other.
    Additional,
}

/// An address found in configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The device (not the alias name), as the file has it: any bytes, so never trusted as an [`IfName`]. Where a root
    /// does not run and its file names no device, what the file matches instead (`en*`, `MACAddress=...`).
    pub interface: String,
    /// The address with the prefix that the consumer will give it.
    pub address: IpNet,
    /// The label that the consumer will give it, if not the interface's name.
    pub label: Option<String>,
    /// The file.
    pub path: RootPath,
    /// The line of the address, from 1.
    pub line: usize,
    /// How it is written, in the consumer's words: `stanza eth0:0`, `post-up line`, `[Address] section`.
    pub form: String,
    /// Primary or additional.
    pub role: Role,
    /// Why the consumer will not configure it, if it will not.
    pub problem: Option<String>,
}

impl Entry {
    /// What must stay equal when other addresses come and go: all but the place in the file.
    pub fn identity(&self) -> (&str, IpNet, Option<&str>, Role, bool) {
        (&self.interface, self.address, self.label.as_deref(), self.role, self.problem.is_none())
    }

    /// The address as it comes up, if it does.
    pub fn alias(&self) -> Option<Alias> {
        let interface = IfName::new(&self.interface).ok().filter(|_| self.is_effective())?;
        let label = self.label.as_deref().and_then(|label| Label::new(label).ok());
        Some(Alias { interface, address: self.address, label, preferred: false })
    }

    /// Whether it is on `interface`, or on a device that its file does not name and that may be this one.
    pub fn may_be_on(&self, interface: &IfName) -> bool {
        may_be(&self.interface, interface)
    }

    /// Whether the consumer will configure it.
    pub fn is_effective(&self) -> bool {
        self.problem.is_none()
    }
}

/// Whether `device`, an [`Entry::interface`], is `interface` or a pattern: no pattern has the form of a name.
pub(crate) fn may_be(device: &str, interface: &IfName) -> bool {
    device == interface.as_str() || device.contains(['*', '?', '[', '=', '!', ' ', '\\'])
}

/// An address that is up on the running system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpAddress {
    /// The device.
    pub interface: String,
    /// The address with its prefix.
    pub address: IpNet,
    /// The label, if not the interface's name.
    pub label: Option<String>,
}

/// What the running system has; empty for a root that does not run.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// Every address that is up.
    pub up: Vec<UpAddress>,
    /// Whether an interface may be switched from DHCP to the addresses that it has (`--static`).
    pub may_switch_to_static: bool,
    /// Whether the file that configures the interface is edited where an own file is the rule (`--in-place`).
    pub in_place: bool,
}

impl Situation {
    /// The address that is up with this IP, on any interface.
    pub fn up(&self, ip: IpAddr) -> Option<&UpAddress> {
        self.up.iter().find(|up| up.address.addr() == ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_have_fixtures() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut names: Vec<&str> = ALL.iter().map(|backend| backend.name()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        let mut folders: Vec<String> = std::fs::read_dir(&fixtures)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort_unstable();
        folders.retain(|name| name != "detect");
        assert_eq!(names, folders, "one folder of fixtures per backend");
    }
}
