//! One `ifcfg-IF` and the addresses in it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::DIR;
use crate::alias::{host_prefix, netmask_to_prefix, with_prefix};
use crate::backend::{Entry, Role};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::sysconfig::{Setting, effective, settings};
use crate::text::Text;

/// Names with these ends are not read (wicked and ifcfg(5)).
const IGNORED: &[&str] = &["~", ".old", ".bak", ".orig", ".scpmbackup", ".rpmnew", ".rpmsave", ".rpmorig"];

/// Names with these ends are copies, most likely, but they are read.
const STRAY: &[&str] = &[".rej", ".save", ".tmp", ".swp"];

/// A file that configures an interface.
pub(super) struct File {
    pub(super) interface: String,
    pub(super) path: RootPath,
    pub(super) text: Text,
    /// Everything that looks like a setting.
    pub(super) all: Vec<Setting>,
    /// What counts of it.
    pub(super) settings: Vec<Setting>,
    /// The bridge or bond that it is a port of.
    pub(super) master: Option<String>,
}

/// An address of a file.
pub(super) struct Address {
    /// What stands behind `IPADDR`.
    pub(super) suffix: String,
    pub(super) address: IpNet,
    pub(super) line: usize,
    pub(super) is_read: bool,
}

/// The files of the directory that wicked reads, in the order of their names; `lo` is left out.
pub(super) fn files(root: &Root) -> Result<Vec<File>> {
    let dir = RootPath::from(DIR);
    let mut all = Vec::new();
    for name in root.list(&dir)? {
        let Some(interface) = name.strip_prefix(b"ifcfg-").and_then(|name| std::str::from_utf8(name).ok()) else {
            continue;
        };
        if is_interface(interface) && root.is_file(&dir.join(&name))? && interface != "lo" {
            all.push(read(root, interface)?);
        }
    }
    let masters: Vec<(String, String)> = all
        .iter()
        .flat_map(|file: &File| {
            let ports =
                file.settings.iter().filter(|one| one.name == "BRIDGE_PORTS" || one.name.starts_with("BONDING_SLAVE"));
            ports.flat_map(|one| one.value.split_whitespace().map(|port| (port.to_owned(), file.interface.clone())))
        })
        .collect();
    for file in &mut all {
        file.master = masters.iter().find(|(port, _)| *port == file.interface).map(|(_, master)| master.clone());
    }
    Ok(all)
}

/// The names of files that are copies, most likely, and are read as interfaces of their own.
pub(super) fn strays(root: &Root) -> Result<Vec<String>> {
    let names = root.list(&DIR.into())?.into_iter().filter_map(|name| String::from_utf8(name).ok());
    Ok(names.filter(|name| name.starts_with("ifcfg-") && STRAY.iter().any(|end| name.ends_with(end))).collect())
}

pub(super) fn read(root: &Root, interface: &str) -> Result<File> {
    let path = root.resolve(&RootPath::from(DIR).join(format!("ifcfg-{interface}")))?;
    let text = Text::new(root.read(&path)?.unwrap_or_default());
    let all = settings(&text);
    let settings = effective(&all);
    Ok(File { interface: interface.to_owned(), path, text, all, settings, master: None })
}

fn is_interface(name: &str) -> bool {
    let fits = (1..16).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    fits && !["all", "default", "template"].contains(&name) && !IGNORED.iter().any(|end| name.ends_with(end))
}

impl File {
    /// The value of a variable, in lower case.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.settings.iter().find(|one| one.name == name).map(|one| one.value.to_ascii_lowercase())
    }

    pub(super) fn boot_protocol(&self) -> String {
        self.value("BOOTPROTO").filter(|value| !value.is_empty()).unwrap_or_else(|| "static".to_owned())
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.boot_protocol().starts_with("dhcp")
    }

    pub(super) fn starts_itself(&self) -> bool {
        !matches!(self.value("STARTMODE").as_deref(), Some("off" | "manual"))
    }

    /// Every address, in the order of first occurrence; a plain one at the very end of the file, which is not read, too.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let unread = self.all.iter().filter(|one| !one.is_read);
        let known: BTreeSet<&str> = self.settings.iter().map(|one| one.name.as_str()).collect();
        let unread = unread.filter(|one| !known.contains(one.name.as_str()));
        self.settings.iter().chain(unread).filter_map(|one| self.address(one)).collect()
    }

    fn address(&self, setting: &Setting) -> Option<Address> {
        let suffix = setting.name.strip_prefix("IPADDR")?.to_owned();
        let word = setting.value.split_whitespace().next()?;
        let (ip, bits) = match word.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.trim_end_matches(';').parse::<u8>().ok()?)),
            None => (word, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        if ip.is_unspecified() {
            return None;
        }
        let other = |name: &str| self.settings.iter().find(|one| one.name == format!("{name}{suffix}"));
        let length = || other("PREFIXLEN").and_then(|one| one.value.parse::<u8>().ok());
        let mask =
            || other("NETMASK").filter(|_| ip.is_ipv4()).and_then(|one| netmask_to_prefix(one.value.parse().ok()?));
        let bits = bits.or_else(length).or_else(mask).unwrap_or_else(|| host_prefix(ip));
        let address = with_prefix(ip, bits)?;
        Some(Address { suffix, address, line: setting.line, is_read: setting.is_read })
    }

    /// The label of an address: `eth0:0`, or `0` for it; one that does not fit is ignored.
    fn label(&self, address: &Address) -> Option<String> {
        let label = &self.settings.iter().find(|one| one.name == format!("LABEL{}", address.suffix))?.value;
        let full = match label.strip_prefix(self.interface.as_str()).and_then(|rest| rest.strip_prefix(':')) {
            Some(_) => label.clone(),
            None => format!("{}:{label}", self.interface),
        };
        let sound = full.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        (address.address.addr().is_ipv4() && sound && full.len() < 16 && !label.is_empty()).then_some(full)
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let idle = if self.boot_protocol() == "none" {
            Some("BOOTPROTO is none, so that no address is set".to_owned())
        } else if self.value("STARTMODE").as_deref() == Some("off") {
            Some("STARTMODE is off".to_owned())
        } else {
            None
        };
        let addresses = self.addresses();
        let bare = addresses.iter().any(|one| one.suffix.is_empty());
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        for (index, one) in addresses.iter().enumerate() {
            let first =
                index == 0 && !bare && !self.is_dynamic() && one.address.prefix_len() < host_prefix(one.address.addr());
            let problem = if !one.is_read {
                Some("it is the last line, without quotes and without a line end: wicked does not read it".to_owned())
            } else if !seen.insert(one.address.addr()) {
                Some("the same address stands further up".to_owned())
            } else {
                idle.clone()
            };
            entries.push(Entry {
                interface: self.interface.clone(),
                address: one.address,
                label: self.label(one),
                path: self.path.clone(),
                line: one.line + 1,
                form: format!("IPADDR{}", one.suffix),
                role: if one.suffix.is_empty() || first { Role::Primary } else { Role::Additional },
                problem,
            });
        }
        entries
    }
}
