//! One `ifcfg-IF` and the addresses in it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::DIR;
use super::reader::{Reader, Settings};
use crate::alias::{host_prefix, with_prefix};
use crate::backend::{Entry, Role};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::sysconfig::{Setting, number};
use crate::text::Text;

/// Names with these ends are not read (wicked and ifcfg(5)).
const IGNORED: &[&str] = &["~", ".old", ".bak", ".orig", ".scpmbackup", ".rpmnew", ".rpmsave", ".rpmorig"];

/// Names with these ends are copies, most likely, but they are read.
const STRAY: &[&str] = &[".rej", ".save", ".tmp", ".swp", ".ipalias"];

/// Variables that name what an interface is made of (ifcfg-bridge(5), ifcfg-bonding(5), ifcfg-team(5)).
const PORTS: &[&str] = &["BRIDGE_PORTS", "BONDING_SLAVE", "TEAM_PORT_DEVICE", "OVS_BRIDGE_PORT_DEVICE"];

/// A file that configures an interface.
pub(super) struct File {
    pub(super) interface: String,
    pub(super) path: RootPath,
    pub(super) text: Text,
    pub(super) settings: Settings,
    /// The bridge or bond that it is a port of.
    pub(super) master: Option<String>,
}

/// An address of a file.
struct Address {
    /// What stands behind `IPADDR`.
    suffix: String,
    address: IpNet,
    line: usize,
    problem: Option<&'static str>,
}

/// The files of the directory that are read, in the order of their names; `lo` is left out.
pub(super) fn files(root: &Root, reader: Reader) -> Result<Vec<File>> {
    let dir = RootPath::from(DIR);
    let mut all = Vec::new();
    for name in root.list(&dir)? {
        let Some(interface) = name.strip_prefix(b"ifcfg-").and_then(|name| std::str::from_utf8(name).ok()) else {
            continue;
        };
        if is_interface(interface) && root.is_file(&dir.join(&name))? && interface != "lo" {
            all.push(read(root, interface, reader)?);
        }
    }
    let masters: Vec<(String, String)> = all.iter().flat_map(File::ports).collect();
    for file in &mut all {
        let by_master = masters.iter().find(|(port, _)| *port == file.interface).map(|(_, master)| master.clone());
        file.master = by_master.or_else(|| file.value("MASTER_DEVICE").map(str::to_owned));
    }
    Ok(all)
}

/// The names of files that are copies, most likely, and are read as interfaces of their own.
pub(super) fn strays(root: &Root) -> Result<Vec<String>> {
    let names = root.list(&DIR.into())?.into_iter().filter_map(|name| String::from_utf8(name).ok());
    Ok(names.filter(|name| name.starts_with("ifcfg-") && STRAY.iter().any(|end| name.ends_with(end))).collect())
}

fn read(root: &Root, interface: &str, reader: Reader) -> Result<File> {
    let path = root.resolve(&RootPath::from(DIR).join(format!("ifcfg-{interface}")))?;
    let text = Text::new(root.read(&path)?.unwrap_or_default());
    let settings = Settings::read(&text, reader, &path)?;
    Ok(File { interface: interface.to_owned(), path, text, settings, master: None })
}

/// Whether wicked takes the end of a file's name for an interface; `eth0:0` is rejected, for one.
fn is_interface(name: &str) -> bool {
    let fits = (1..16).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    fits && !["all", "default"].contains(&name) && !IGNORED.iter().any(|end| name.ends_with(end))
}

impl File {
    /// The value of a variable; nothing for an empty one.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.settings.effective.iter().find(|one| one.name == name);
        found.map(|one| one.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The interfaces that this one is made of, each with this one.
    fn ports(&self) -> Vec<(String, String)> {
        let named = self.settings.effective.iter().filter(|one| PORTS.iter().any(|start| one.name.starts_with(start)));
        let ports = named.flat_map(|one| one.value.split_whitespace());
        ports.map(|port| (port.to_owned(), self.interface.clone())).collect()
    }

    /// `BOOTPROTO`, in lower case.
    pub(super) fn boot_protocol(&self) -> String {
        self.value("BOOTPROTO").unwrap_or("static").to_ascii_lowercase()
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.boot_protocol().starts_with("dhcp")
    }

    /// Whether it comes up at boot: a file that does not say so is for `ifup` by hand.
    pub(super) fn starts_itself(&self) -> bool {
        let modes = ["auto", "boot", "onboot", "on", "nfsroot", "hotplug", "ifplugd"];
        self.value("STARTMODE").is_some_and(|mode| modes.contains(&mode))
    }

    /// Why no address of the file is set, if none is.
    pub(super) fn idle(&self) -> Option<String> {
        let protocol = self.boot_protocol();
        if let Some(master) = &self.master {
            Some(format!("{} is a port of {master}, which has the addresses", self.interface))
        } else if ["none", "ibft"].contains(&protocol.as_str()) {
            Some(format!("BOOTPROTO is {protocol}, so that no address is set"))
        } else if self.value("STARTMODE") == Some("off") {
            Some("STARTMODE is off".to_owned())
        } else {
            None
        }
    }

    /// Every address in the order of first occurrence, those that are not read included.
    fn addresses(&self) -> Vec<Address> {
        let known: BTreeSet<&str> = self.settings.effective.iter().map(|one| one.name.as_str()).collect();
        let unread = self.settings.all.iter().filter(|one| !one.is_read && !known.contains(one.name.as_str()));
        self.settings.effective.iter().chain(unread).filter_map(|one| self.address(one)).collect()
    }

    fn address(&self, setting: &Setting) -> Option<Address> {
        let suffix = setting.name.strip_prefix("IPADDR")?.to_owned();
        let (ip, bits) = match setting.value.split_once('/') {
            Some((ip, bits)) => (ip, number(bits)),
            None => (setting.value.as_str(), None),
        };
        let (ip, mut problem) = match (ip.parse::<IpAddr>(), ip.split_whitespace().next()) {
            (Ok(ip), _) => (ip, None),
            (Err(_), Some(word)) => (word.parse().ok()?, Some("blanks around it keep wicked from reading it")),
            _ => return None,
        };
        if ip.is_unspecified() {
            return None;
        }
        if !setting.is_read {
            problem = Some("it has no quotes and the file or the 511th byte of the line ends it, so it is not read");
        }
        let address = with_prefix(ip, self.prefix(ip, bits, &suffix))?;
        Some(Address { suffix, address, line: setting.line, problem })
    }

    /// The prefix: the one in the value, else `PREFIXLEN`, else `NETMASK`, else a single host's. A length of 0 or one that
    /// is too long is none; a `PREFIXLEN` that is none keeps `NETMASK` from being asked.
    fn prefix(&self, ip: IpAddr, bits: Option<u32>, suffix: &str) -> u8 {
        let most = host_prefix(ip);
        let sound =
            |bits: Option<u32>| bits.and_then(|bits| u8::try_from(bits).ok()).filter(|b| (1..=most).contains(b));
        let length = || self.value(&format!("PREFIXLEN{suffix}")).map(|length| sound(number(length)));
        let mask = || {
            let mask: Ipv4Addr = self.value(&format!("NETMASK{suffix}")).filter(|_| ip.is_ipv4())?.parse().ok()?;
            Some(u32::from(mask).leading_ones())
        };
        sound(bits).unwrap_or_else(|| length().unwrap_or_else(|| sound(mask())).unwrap_or(most))
    }

    /// The label of an address: `eth0:0`, or `0` for it; one that does not fit is ignored.
    fn label(&self, address: &Address) -> Option<String> {
        let label = self.value(&format!("LABEL{}", address.suffix)).filter(|label| *label != self.interface)?;
        let full = match label.strip_prefix(self.interface.as_str()).and_then(|rest| rest.strip_prefix(':')) {
            Some(_) => label.to_owned(),
            None => format!("{}:{label}", self.interface),
        };
        let sound = full.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        (address.address.addr().is_ipv4() && sound && full.len() < 16).then_some(full)
    }

    /// The suffix of the primary address: none, where there is a bare `IPADDR`; else, without DHCP, the first that brings a
    /// subnet or a peer.
    fn primary<'a>(&self, addresses: &'a [Address]) -> Option<&'a str> {
        let connects = |one: &&Address| {
            let alone = one.address.prefix_len() == host_prefix(one.address.addr());
            !alone || self.value(&format!("REMOTE_IPADDR{}", one.suffix)).is_some()
        };
        let bare = addresses.iter().find(|one| one.suffix.is_empty());
        let first = addresses.iter().filter(|_| !self.is_dynamic()).find(connects);
        bare.or(first).map(|one| one.suffix.as_str())
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let idle = self.idle();
        let addresses = self.addresses();
        let primary = self.primary(&addresses);
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        for one in &addresses {
            let twice = one.problem.is_none() && !seen.insert(one.address.addr());
            let problem = match one.problem {
                Some(problem) => Some(problem.to_owned()),
                None if twice => Some("the same address stands further up".to_owned()),
                None => idle.clone(),
            };
            entries.push(Entry {
                interface: self.interface.clone(),
                address: one.address,
                label: self.label(one),
                path: self.path.clone(),
                line: one.line + 1,
                form: format!("IPADDR{}", one.suffix),
                role: if primary == Some(one.suffix.as_str()) { Role::Primary } else { Role::Additional },
                problem,
            });
        }
        entries
    }
}
