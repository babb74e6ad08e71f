//! What NetworkManager leaves alone: its configuration files, and the interfaces of ifupdown.
//!
//! Follows NetworkManager.conf(5) (from documentation, the order of the files from its source). Leaves out udev's
//! `NM_UNMANAGED`, drivers, and what was set at run time; on a running system NetworkManager's own record of the device
//! is asked instead.

use std::collections::{BTreeMap, BTreeSet};

use super::profile::{boolean, hardware, words};
use crate::error::Result;
use crate::host;
use crate::root::{Root, RootPath};
use crate::syntax::glob::glob;
use crate::syntax::keyfile::Keyfile;
use crate::text::Text;

const MAIN: &str = "/etc/NetworkManager/NetworkManager.conf";

/// A device, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: Option<&'a str>,
    /// The type of its profile.
    pub kind: &'a str,
}

/// The configuration of NetworkManager.
#[derive(Debug, Default)]
pub struct Config {
    /// The files in the order in which they are read.
    files: Vec<(RootPath, Keyfile)>,
    /// The interfaces that ifupdown's files configure and NetworkManager leaves to it.
    pub left_to_ifupdown: BTreeSet<String>,
}

impl Config {
    /// Reads the files of `root`.
    pub fn of(root: &Root) -> Result<Config> {
        let dirs = ["/usr/lib/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/etc/NetworkManager/conf.d"];
        // A name in a later directory hides the same name in an earlier one.
        let mut names: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (rank, dir) in dirs.into_iter().enumerate() {
            let found = root.list(&dir.into())?.into_iter().filter(|name| name.ends_with(b".conf"));
            names.extend(found.map(|name| (name, rank)));
        }
        let of = |wanted: usize| {
            let dir = RootPath::from(dirs.get(wanted).copied().unwrap_or_default());
            let here = names.iter().filter(move |(_, rank)| **rank == wanted);
            here.map(|(name, _)| dir.join(name)).collect::<Vec<_>>()
        };
        let mut files = Vec::new();
        for path in [of(0), of(1), vec![MAIN.into()], of(2)].concat() {
            if root.is_file(&path)? {
                let text = Text::new(root.read(&path)?.unwrap_or_default());
                files.push((path, Keyfile::parse(&text)));
            }
        }
        let mut config = Config { files, left_to_ifupdown: BTreeSet::new() };
        if config.asks_ifupdown(root)? {
            config.left_to_ifupdown = interfaces(root)?;
        }
        Ok(config)
    }

    /// The value of `key`, with what later files add (`key+=`) or take away (`key-=`) of the list.
    fn list(&self, group: &[u8], key: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for found in self.files.iter().flat_map(|(_, file)| file.assignments(group)) {
            let value = String::from_utf8_lossy(found.value).into_owned();
            let items: Vec<String> = words(&value).collect();
            match std::str::from_utf8(found.key).ok().and_then(|found| found.strip_prefix(key)) {
                Some("") => all = items,
                Some("+") => all.extend(items),
                Some("-") => all.retain(|item| !items.contains(item)),
                _ => {}
            }
        }
        all
    }

    /// Whether the plugin ifupdown is loaded, as Debian builds it in, and keeps NetworkManager away from its interfaces.
    fn asks_ifupdown(&self, root: &Root) -> Result<bool> {
        let plugins = self.list(b"main", "plugins");
        let built_in = plugins.is_empty() && host::is_like(&host::os_release(root)?, "debian");
        let managed = self.list(b"ifupdown", "managed").last().and_then(|value| boolean(value)) == Some(true);
        Ok((built_in || plugins.iter().any(|plugin| plugin == "ifupdown")) && !managed)
    }

    /// Why NetworkManager leaves `device` alone, if it does.
    pub fn leaves(&self, device: &Device<'_>) -> Option<String> {
        let name = device.name;
        // Of sections that fit, those of later files come first; within a file, the first.
        for (path, file) in self.files.iter().rev() {
            for group in file.groups.iter().filter(|group| group.name.starts_with(b"device")) {
                let last = |key: &[u8]| file.within(group).rfind(|found| found.key == key).map(|found| found.value);
                let spec = last(b"match-device").map(|value| String::from_utf8_lossy(value).into_owned());
                let managed = last(b"managed").and_then(|value| boolean(&String::from_utf8_lossy(value)));
                let fits = spec.is_none_or(|spec| is_listed(&words(&spec).collect::<Vec<_>>(), device));
                match managed.filter(|_| fits) {
                    Some(true) => return None,
                    Some(false) => return Some(format!("{path} has managed=false for {name}")),
                    None => {}
                }
            }
        }
        if is_listed(&self.list(b"keyfile", "unmanaged-devices"), device) {
            return Some(format!("unmanaged-devices= names {name}"));
        }
        self.left_to_ifupdown.contains(name).then(|| format!("{name} stands in /etc/network/interfaces"))
    }
}

/// The version of the NetworkManager of `root`, as its folder of plugins is called (`1.42.4`, `1.48.10-2.el9`).
pub fn version(root: &Root) -> Result<Option<(u32, u32)>> {
    let multiarch = root.list(&"/usr/lib".into())?.into_iter().filter(|name| name.ends_with(b"-linux-gnu"));
    let tops =
        [b"lib".to_vec(), b"lib64".to_vec()].into_iter().chain(multiarch.map(|name| [b"lib/", &name[..]].concat()));
    for top in tops {
        let found = root.list(&RootPath::from("/usr").join(top).join("NetworkManager"))?;
        let number = |name: &Vec<u8>| {
            let text = String::from_utf8_lossy(name).into_owned();
            let mut parts = text.split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        };
        if let Some(version) = found.iter().find_map(number) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Whether a list of devices has `device` ("Device List Format" of NetworkManager.conf(5)).
fn is_listed(list: &[String], device: &Device<'_>) -> bool {
    let fits = |item: &str| {
        let (kind, value) = item.split_once(':').unwrap_or(("", item));
        match kind {
            _ if item == "*" => true,
            "interface-name" => match value.strip_prefix('=') {
                Some(name) => name == device.name,
                None => glob(value.trim_start_matches('~').as_bytes(), device.name.as_bytes()),
            },
            "type" => value == device.kind,
            "mac" => hardware(value).as_deref().is_some_and(|mac| Some(mac) == device.mac),
            "" => item == device.name,
            _ => hardware(item).as_deref().is_some_and(|mac| Some(mac) == device.mac),
        }
    };
    let except = |item: &String| item.strip_prefix("except:").is_some_and(fits);
    // With nothing but exceptions, everything else is meant.
    let only_exceptions = !list.is_empty() && list.iter().all(|item| item.starts_with("except:"));
    let listed = only_exceptions || list.iter().any(|item| !item.starts_with("except:") && fits(item));
    listed && !list.iter().any(except)
}

/// The interfaces with a stanza in `/etc/network/interfaces` and the files beside it.
fn interfaces(root: &Root) -> Result<BTreeSet<String>> {
    let dir = RootPath::from("/etc/network/interfaces.d");
    let below = root.list(&dir)?.into_iter().map(|name| dir.join(name));
    let mut names = BTreeSet::new();
    for path in [RootPath::from("/etc/network/interfaces")].into_iter().chain(below) {
        if !root.is_file(&path)? {
            continue;
        }
        let text = String::from_utf8_lossy(&root.read(&path)?.unwrap_or_default()).into_owned();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["iface", name, ..] = words.as_slice() {
                names.insert((*name).to_owned());
            }
        }
    }
    names.remove("lo");
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_lists() {
        let device = Device { name: "eth0", mac: Some("02:00:00:00:00:01"), kind: "ethernet" };
        for (list, is) in [
            ("", false),
            ("*", true),
            ("eth0", true),
            ("interface-name:eth0", true),
            ("interface-name:e*", true),
            ("interface-name:=e*", false),
            ("interface-name:eth1", false),
            ("mac:02:00:00:00:00:01", true),
            ("02:00:00:00:00:01", true),
            ("mac:02:00:00:00:00:02", false),
            ("type:ethernet", true),
            ("type:wifi", false),
            ("*,except:type:wifi,except:type:gsm,except:type:cdma", true),
            ("*,except:type:ethernet", false),
            ("except:interface-name:eth0", false),
            ("except:interface-name:eth1", true),
            ("driver:veth", false),
        ] {
            let items: Vec<String> = words(list).collect();
            assert_eq!(is_listed(&items, &device), is, "{list}");
        }
    }
}
