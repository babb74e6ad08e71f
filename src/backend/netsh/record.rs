//! What a Windows system has, as a record: the JSON that the running program makes of the IP Helper listing, a rendering of
//! it with a line for each address, or the text of `netsh interface ipv4 dump`, whose keywords are not translated.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context as _;
use ipnet::IpNet;
use serde::Deserialize;

use crate::alias::{netmask_to_prefix, with_prefix};
use crate::error::{Kind, Refusal, Result};
use crate::root::{Root, RootPath};

/// The rendering, which plans change.
pub const RECORD: &str = "/ipalias/netsh";
pub(super) const JSON: &str = "/ipalias/netsh.json";
const DUMP: &str = "/ipalias/netsh.dump";

/// Everything about a system that a plan needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    /// The build number of Windows; 0 if it is not known.
    pub(super) build: u32,
    /// Whether it is wine instead.
    pub(super) wine: bool,
    pub(super) interfaces: Vec<Interface>,
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Interface {
    /// Its number; a dump does not tell it.
    pub(super) index: Option<u32>,
    pub(super) name: String,
    pub(super) dhcp: bool,
    /// Whether the default route leaves by it.
    pub(super) primary: bool,
    pub(super) gateway: Vec<IpAddr>,
    pub(super) dns: Vec<IpAddr>,
    pub(super) addresses: Vec<Address>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    pub(super) address: IpNet,
    /// `manual`, `dhcp`, `wellKnown`, `linkLayer`, `routerAdvertisement` or `other`.
    pub(super) origin: String,
    #[serde(default)]
    pub(super) skip_as_source: bool,
    /// `preferred`, `tentative`, `duplicate`, `deprecated` or `invalid`.
    #[serde(default = "preferred")]
    pub(super) state: String,
}

fn preferred() -> String {
    "preferred".to_owned()
}

impl Interface {
    /// How the interface is called here: by its number, so that no name has to be quoted or encoded.
    pub(super) fn key(&self) -> String {
        self.index.map_or_else(|| self.name.clone(), |index| index.to_string())
    }
}

/// The record of `root` and where it was found; nothing if there is none.
pub(super) fn read(root: &Root) -> Result<Option<(RootPath, Record)>> {
    for (path, parse) in [(RECORD, parsed as fn(&str) -> Option<Record>), (JSON, of_json), (DUMP, of_dump)] {
        let path: RootPath = path.into();
        let Some(bytes) = root.read(&path)? else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(record) = parse(text.trim_start_matches('\u{feff}')) else {
            let refusal = Refusal::new(Kind::Malformed, "the record of the system cannot be read", "make it anew");
            return Err(refusal.at(&path, 0).into());
        };
        return Ok(Some((path, record)));
    }
    Ok(None)
}

/// The rendering of a listing that `live` made, in JSON. An error if it is none.
pub fn rendered_listing(json: &str) -> Result<String> {
    let record: Record = serde_json::from_str(json).context("reading the listing of the interfaces")?;
    Ok(rendered(&record))
}

fn of_json(text: &str) -> Option<Record> {
    serde_json::from_str(text).ok().filter(is_known)
}

/// Whether all origins and states are such as `live` writes, and every interface can be told from the others.
fn is_known(record: &Record) -> bool {
    const ORIGINS: [&str; 6] = ["manual", "dhcp", "wellKnown", "linkLayer", "routerAdvertisement", "other"];
    const STATES: [&str; 5] = ["preferred", "tentative", "duplicate", "deprecated", "invalid"];
    let mut keys = BTreeSet::new();
    let mut addresses = record.interfaces.iter().flat_map(|interface| &interface.addresses);
    record.interfaces.iter().all(|interface| !interface.key().is_empty() && keys.insert(interface.key()))
        && addresses.all(|one| ORIGINS.contains(&one.origin.as_str()) && STATES.contains(&one.state.as_str()))
}

/// The record with a line for each address.
pub(super) fn rendered(record: &Record) -> String {
    let mut text = format!("build {}{}\n", record.build, if record.wine { " wine" } else { "" });
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    let all = |ips: &[IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    for interface in &record.interfaces {
        let index = interface.index.map_or_else(|| "-".to_owned(), |index| index.to_string());
        let name: String = interface.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.push_str(&format!(
            "interface {index} dhcp={} primary={} gateway={} dns={} {name}\n",
            yes(interface.dhcp),
            yes(interface.primary),
            all(&interface.gateway),
            all(&interface.dns),
        ));
        for address in &interface.addresses {
            let skip = if address.skip_as_source { " skip-as-source" } else { "" };
            let state = if address.state == "preferred" { String::new() } else { format!(" {}", address.state) };
            text.push_str(&format!("  {} {}{skip}{state}\n", address.address, address.origin));
        }
    }
    text
}

/// The record of a rendering.
pub(super) fn parsed(text: &str) -> Option<Record> {
    let mut record = Record::default();
    for line in text.lines() {
        if let Some(address) = line.strip_prefix("  ") {
            let mut words = address.split(' ');
            let (address, origin) = (words.next()?.parse().ok()?, words.next()?.to_owned());
            let rest: Vec<&str> = words.collect();
            let skip_as_source = rest.contains(&"skip-as-source");
            let state =
                rest.iter().find(|word| **word != "skip-as-source").map_or_else(preferred, |word| (*word).to_owned());
            record.interfaces.last_mut()?.addresses.push(Address { address, origin, skip_as_source, state });
        } else if let Some(rest) = line.strip_prefix("interface ") {
            let mut words = rest.splitn(6, ' ');
            let index = words.next()?.parse().ok();
            let mut value = |key: &str| words.next()?.strip_prefix(key).map(str::to_owned);
            let (dhcp, primary) = (value("dhcp=")? == "yes", value("primary=")? == "yes");
            let ips = |text: String| text.split(',').filter_map(|ip| ip.parse().ok()).collect();
            let (gateway, dns) = (ips(value("gateway=")?), ips(value("dns=")?));
            let name = words.next().unwrap_or_default().to_owned();
            record.interfaces.push(Interface { index, name, dhcp, primary, gateway, dns, addresses: Vec::new() });
        } else if let Some(build) = line.strip_prefix("build ") {
            record.wine = build.ends_with(" wine");
            record.build = build.trim_end_matches(" wine").parse().ok()?;
        }
    }
    Some(record).filter(is_known)
}

/// The record of a dump: `add address name="..." address=A mask=M`, `set address name="..." source=dhcp`.
fn of_dump(text: &str) -> Option<Record> {
    let mut record = Record::default();
    for line in text.lines() {
        let words = dump_words(line);
        let value = |keys: &[&str]| {
            words.iter().find_map(|word| {
                let (key, value) = word.split_once('=')?;
                keys.contains(&key.to_ascii_lowercase().as_str()).then(|| value.to_owned())
            })
        };
        let verb: Vec<String> = words.iter().take(2).map(|word| word.to_ascii_lowercase()).collect();
        let Some(name) = value(&["name", "interface"]) else { continue };
        let at = match record.interfaces.iter().position(|interface| interface.name == name) {
            Some(at) => at,
            None => {
                record.interfaces.push(Interface { name, ..Interface::default() });
                record.interfaces.len() - 1
            }
        };
        let interface = record.interfaces.get_mut(at)?;
        match verb.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["set" | "add", "address"] if value(&["source"]).is_some_and(|source| source == "dhcp") => {
                interface.dhcp = true
            }
            ["set" | "add", "address"] => {
                let ip: Option<Ipv4Addr> =
                    value(&["address", "addr"]).and_then(|ip| ip.split('/').next()?.parse().ok());
                let mask =
                    value(&["mask"]).and_then(|mask| mask.parse().ok()).and_then(netmask_to_prefix).unwrap_or(32);
                let skip_as_source = value(&["skipassource"]).is_some_and(|value| value == "true");
                if let Some(address) = ip.and_then(|ip| with_prefix(ip.into(), mask)) {
                    let (origin, state) = ("manual".to_owned(), preferred());
                    interface.addresses.push(Address { address, origin, skip_as_source, state });
                }
            }
            ["add", "route"] if value(&["prefix"]).is_some_and(|prefix| prefix == "0.0.0.0/0") => {
                interface.primary = true;
                interface.gateway.extend(value(&["nexthop"]).and_then(|ip| ip.parse::<IpAddr>().ok()));
            }
            _ => {}
        }
    }
    Some(record)
}

/// The words of a line, with blanks inside double quotes kept and the quotes taken off.
fn dump_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => words.push(String::new()),
            c => words.iter_mut().last().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendering_says_everything() {
        let json = r#"{"build":17763,"interfaces":[{"index":12,"name":"Örtliche Verbindung 2","dhcp":true,"primary":true,
            "gateway":["192.0.2.1"],"dns":["192.0.2.53","2001:db8::53"],"dump":"x","addresses":[
            {"address":"192.0.2.10/24","origin":"dhcp","state":"preferred"},
            {"address":"198.51.100.7/32","origin":"manual","skipAsSource":true,"state":"duplicate"}]},
            {"index":1,"name":"","addresses":[]}]}"#;
        let record = of_json(json).unwrap();
        assert_eq!(record.interfaces[0].addresses.len(), 2);
        assert_eq!(parsed(&rendered(&record)).unwrap(), record);
    }

    #[test]
    fn a_dump_is_understood() {
        let dump = "# ----\npushd interface ipv4\n\nreset\nset global\nset interface interface=\"Ethernet 2\" forwarding=enabled\n\
            add route prefix=0.0.0.0/0 interface=\"Ethernet 2\" nexthop=192.0.2.1 publish=Yes\n\
            add address name=\"Ethernet 2\" address=192.0.2.10 mask=255.255.255.0\nset address name=\"WLAN\" source=dhcp\npopd\n";
        let record = of_dump(dump).unwrap();
        assert_eq!(record.interfaces.len(), 2);
        assert!(record.interfaces[0].primary && record.interfaces[1].dhcp);
        assert_eq!(record.interfaces[0].addresses[0].address.to_string(), "192.0.2.10/24");
    }
}
