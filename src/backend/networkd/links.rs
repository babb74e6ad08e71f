//! The interfaces of a root, as far as its files and, if it runs, `/sys` and networkd's own records tell.
//!
//! Follows systemd.link(5) for names given by hardware address, and `link_get_type_string()` for types. Leaves out
//! alternative names and everything that only udev or a driver knows.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{Network, files};
use crate::error::Result;
use crate::host;
use crate::root::{Root, RootPath};
use crate::syntax::ini::{Dialect, Ini};
use crate::text::Text;

/// An interface as far as `root` knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its hardware address, if known.
    pub mac: Option<[u8; 6]>,
    /// What `Type=` is compared with, if known.
    pub kind: Option<String>,
    /// What networkd has written down about it, if the system runs.
    pub record: Option<Record>,
}

/// What `/run/systemd/netif/links/<ifindex>` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// `ADMIN_STATE`: configured, configuring, unmanaged, failed...
    pub state: String,
    /// `NETWORK_FILE`, if one is used.
    pub file: Option<RootPath>,
}

/// Names that files give to hardware addresses.
pub type Named = BTreeMap<String, [u8; 6]>;

/// Every interface that `root` can name: those of the running system, those that files name literally, and those `named`
/// by hardware address.
pub fn links(root: &Root, running: &[String], networks: &[Network], named: &Named) -> Result<Vec<Link>> {
    // The loopback interface is for no pattern.
    let mut names: BTreeSet<String> = running.iter().filter(|name| *name != "lo").cloned().collect();
    names.extend(networks.iter().flat_map(|network| network.match_.literal_names()));
    names.extend(named.keys().cloned());
    names.into_iter().map(|name| link(root, &name, named)).collect()
}

/// What `root` knows of the interface `name`.
pub fn link(root: &Root, name: &str, named: &Named) -> Result<Link> {
    let Some(known) = host::link(root, name)? else {
        let kind = kind_by_name(name).map(str::to_owned);
        return Ok(Link { name: name.to_owned(), mac: named.get(name).copied(), kind, record: None });
    };
    let record = RootPath::from("/run/systemd/netif/links").join(known.index.to_string());
    let record = root.read(&record)?.map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.map(|value| value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
        };
        Record {
            state: value("ADMIN_STATE").unwrap_or_default(),
            file: value("NETWORK_FILE").map(|path| RootPath::from(path.as_str())),
        }
    });
    Ok(Link { name: name.to_owned(), mac: mac(&known.mac), kind: kind_of(root, name)?, record })
}

/// `DEVTYPE` of udev, or the hardware type, as `link_get_type_string()` names it.
fn kind_of(root: &Root, name: &str) -> Result<Option<String>> {
    let dir = RootPath::from("/sys/class/net").join(name);
    let text = |file: &str| -> Result<String> {
        Ok(String::from_utf8_lossy(&root.read(&dir.join(file))?.unwrap_or_default()).into_owned())
    };
    if let Some(kind) = text("uevent")?.lines().find_map(|line| line.strip_prefix("DEVTYPE=")) {
        return Ok(Some(kind.to_owned()));
    }
    // The numbers are of if_arp.h.
    Ok(match text("type")?.trim() {
        "1" => Some("ether".to_owned()),
        "32" => Some("infiniband".to_owned()),
        "772" => Some("loopback".to_owned()),
        _ => None,
    })
}

/// The type that a name stands for (systemd.net-naming-scheme(7)), where the hardware cannot be asked.
fn kind_by_name(name: &str) -> Option<&'static str> {
    let numbered = |prefix| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match name {
        "lo" => Some("loopback"),
        _ if name.starts_with("wl") => Some("wlan"),
        _ if name.starts_with("ww") => Some("wwan"),
        _ if name.starts_with("en") || numbered("eth") => Some("ether"),
        _ => None,
    }
}

/// Names that `.link` files in `directories` (systemd.link(5)) and old udev rules give to hardware addresses.
pub fn named_addresses(root: &Root, directories: &[RootPath]) -> Result<Named> {
    let mut named = BTreeMap::new();
    for path in files(root, directories, b".link")?.into_values() {
        if !root.is_file(&path)? {
            continue;
        }
        let ini = Ini::parse(&Text::new(root.read(&path)?.unwrap_or_default()), Dialect::SYSTEMD);
        let value = |section: &str, keys: &[&str]| {
            let sections = ini.sections.iter().filter(|found| found.name == section.as_bytes());
            let mut items =
                sections.flat_map(|section| ini.at(section.items.clone())).filter_map(|item| item.assignment());
            let found = items.rfind(|(key, _)| keys.iter().any(|wanted| *key == wanted.as_bytes()));
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let address = value("Match", &["MACAddress", "PermanentMACAddress"]).and_then(|text| mac(&text));
        if let (Some(name), Some(address)) = (value("Link", &["Name"]), address) {
            named.insert(name, address);
        }
    }
    let rules = root.read(&"/etc/udev/rules.d/70-persistent-net.rules".into())?.unwrap_or_default();
    for rule in String::from_utf8_lossy(&rules).lines().filter(|line| !line.trim_start().starts_with('#')) {
        let quoted = |key: &str| Some(rule.split_once(key)?.1.split_once('"')?.0);
        if let (Some(name), Some(address)) = (quoted("NAME=\""), quoted("ATTR{address}==\"").and_then(mac)) {
            named.insert(name.to_owned(), address);
        }
    }
    Ok(named)
}

/// A hardware address of six bytes: pairs with `:` or `-`, or fours with `.`.
pub fn mac(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let shape: String = text.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
    if !matches!(shape.as_str(), "xx:xx:xx:xx:xx:xx" | "xx-xx-xx-xx-xx-xx" | "xxxx.xxxx.xxxx") {
        return None;
    }
    let mut bytes = [0; 6];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses() {
        let bytes = Some([2, 0, 0, 0xaa, 0xbb, 0xcc]);
        for good in ["02:00:00:AA:bb:cc", "02-00-00-aa-bb-cc", "0200.00aa.bbcc"] {
            assert_eq!(mac(good), bytes, "{good}");
        }
        for bad in ["", "02:00:00:aa:bb", "020000aabbcc", "02:00:00:aa:bb:cg", "02:00-00:aa:bb:cc", "\u{e9}"] {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }

    #[test]
    fn types_that_names_stand_for() {
        for (name, kind) in [
            ("eth0", Some("ether")),
            ("enp1s0", Some("ether")),
            ("wlp2s0", Some("wlan")),
            ("wwan0", Some("wwan")),
            ("lo", Some("loopback")),
            ("br0", None),
            ("ethernet", None),
        ] {
            assert_eq!(kind_by_name(name), kind, "{name}");
        }
    }
}
