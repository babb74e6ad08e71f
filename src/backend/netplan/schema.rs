//! Which keys netplan knows, and what may stand behind each: one that it does not know makes its whole run fail.
//!
//! Follows the tables of `parse.c` of netplan 1.1.2, the newest that Debian and Ubuntu's long-term releases have; older
//! ones know fewer keys. Leaves out what only few values decide (tunnels, Wi-Fi): there the shape alone is checked.

use crate::syntax::yaml::{Fault, Node, Value};

use Shape::{
    Anything, Boolean, Gateway4, Gateway6, Keys, Mac, Mapping, Name, Names, Number, Renderer, Rules, Sequence, Text,
};

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Any scalar.
    Text,
    /// A scalar that is an ID or a pattern of names.
    Name,
    /// `true`, `yes`, `on`, `y` and their opposites, in any case.
    Boolean,
    /// A number of 32 bits.
    Number,
    /// The name of a renderer.
    Renderer,
    /// An IPv4 address.
    Gateway4,
    /// An IPv6 address.
    Gateway6,
    /// Six or twenty bytes.
    Mac,
    /// A list of anything.
    Sequence,
    /// A list of scalars.
    Names,
    /// A list of mappings with these keys.
    Rules(Table),
    /// A mapping with any keys.
    Mapping,
    /// A mapping with these keys.
    Keys(Table),
    /// Left to netplan.
    Anything,
}

type Table = &'static [(&'static str, Shape)];

/// Sections of `network:` that hold definitions, and what their definitions know besides [`COMMON`].
const SECTIONS: &[(&str, &[Table])] = &[
    ("ethernets", &[PHYSICAL, ETHERNET]),
    ("wifis", &[PHYSICAL, WIFI]),
    ("modems", &[PHYSICAL, MODEM]),
    ("bridges", &[BRIDGE]),
    ("bonds", &[BOND]),
    ("vlans", &[VLAN]),
    ("vrfs", &[VRF]),
    ("tunnels", &[TUNNEL]),
    ("dummy-devices", &[]),
    ("virtual-ethernets", &[VETH]),
    ("nm-devices", &[PHYSICAL, ETHERNET]),
];

const COMMON: Table = &[
    ("accept-ra", Boolean),
    ("activation-mode", Text),
    ("addresses", Sequence),
    ("critical", Boolean),
    ("ignore-carrier", Boolean),
    ("dhcp4", Boolean),
    ("dhcp6", Boolean),
    ("dhcp-identifier", Text),
    ("dhcp4-overrides", Keys(OVERRIDES)),
    ("dhcp6-overrides", Keys(OVERRIDES)),
    ("ra-overrides", Keys(&[("use-dns", Boolean), ("use-domains", Text), ("table", Number)])),
    ("gateway4", Gateway4),
    ("gateway6", Gateway6),
    ("ipv6-address-generation", Text),
    ("ipv6-address-token", Gateway6),
    ("ipv6-mtu", Number),
    ("ipv6-privacy", Boolean),
    ("link-local", Names),
    ("macaddress", Text),
    ("mtu", Number),
    ("nameservers", Keys(&[("search", Names), ("addresses", Names)])),
    ("optional", Boolean),
    ("optional-addresses", Names),
    ("renderer", Renderer),
    ("routes", Rules(ROUTE)),
    ("routing-policy", Rules(RULE)),
    ("hairpin", Boolean),
    ("port-mac-learning", Boolean),
    ("neigh-suppress", Boolean),
    (
        "networkmanager",
        Keys(&[("name", Text), ("uuid", Text), ("stable-id", Text), ("device", Text), ("passthrough", Mapping)]),
    ),
    ("openvswitch", Mapping),
];

const OVERRIDES: Table = &[
    ("hostname", Text),
    ("route-metric", Number),
    ("send-hostname", Boolean),
    ("use-dns", Boolean),
    ("use-domains", Text),
    ("use-hostname", Boolean),
    ("use-mtu", Boolean),
    ("use-ntp", Boolean),
    ("use-routes", Boolean),
];

const ROUTE: Table = &[
    ("from", Text),
    ("on-link", Boolean),
    ("scope", Text),
    ("table", Number),
    ("to", Text),
    ("type", Text),
    ("via", Text),
    ("metric", Number),
    ("mtu", Number),
    ("congestion-window", Number),
    ("advertised-receive-window", Number),
    ("advertised-mss", Number),
];

const RULE: Table = &[
    ("from", Text),
    ("mark", Number),
    ("priority", Number),
    ("table", Number),
    ("to", Text),
    ("type-of-service", Number),
];

const PHYSICAL: Table = &[
    ("match", Keys(&[("driver", Anything), ("macaddress", Mac), ("name", Name)])),
    ("set-name", Text),
    ("wakeonlan", Boolean),
    ("wakeonwlan", Names),
    ("emit-lldp", Boolean),
    ("receive-checksum-offload", Boolean),
    ("transmit-checksum-offload", Boolean),
    ("tcp-segmentation-offload", Boolean),
    ("tcp6-segmentation-offload", Boolean),
    ("generic-segmentation-offload", Boolean),
    ("generic-receive-offload", Boolean),
    ("large-receive-offload", Boolean),
];

const ETHERNET: Table = &[
    ("auth", Mapping),
    ("link", Text),
    ("virtual-function-count", Number),
    ("embedded-switch-mode", Text),
    ("delay-virtual-functions-rebind", Boolean),
    ("infiniband-mode", Text),
];

const WIFI: Table = &[("access-points", Mapping), ("auth", Mapping), ("regulatory-domain", Text)];

const MODEM: Table = &[
    ("apn", Text),
    ("auto-config", Boolean),
    ("device-id", Text),
    ("network-id", Text),
    ("number", Text),
    ("password", Text),
    ("pin", Text),
    ("sim-id", Text),
    ("sim-operator-id", Text),
    ("username", Text),
];

const BRIDGE: Table = &[
    ("interfaces", Names),
    (
        "parameters",
        Keys(&[
            ("ageing-time", Text),
            ("aging-time", Text),
            ("forward-delay", Text),
            ("hello-time", Text),
            ("max-age", Text),
            ("path-cost", Mapping),
            ("port-priority", Mapping),
            ("priority", Number),
            ("stp", Boolean),
        ]),
    ),
];

const BOND: Table = &[
    ("interfaces", Names),
    (
        "parameters",
        Keys(&[
            ("mode", Text),
            ("lacp-rate", Text),
            ("mii-monitor-interval", Text),
            ("min-links", Number),
            ("transmit-hash-policy", Text),
            ("ad-select", Text),
            ("all-slaves-active", Boolean),
            ("all-members-active", Boolean),
            ("arp-interval", Text),
            ("arp-ip-targets", Names),
            ("arp-validate", Text),
            ("arp-all-targets", Text),
            ("up-delay", Text),
            ("down-delay", Text),
            ("fail-over-mac-policy", Text),
            ("gratuitous-arp", Number),
            ("gratuitious-arp", Number),
            ("packets-per-slave", Number),
            ("packets-per-member", Number),
            ("primary-reselect-policy", Text),
            ("resend-igmp", Number),
            ("learn-packet-interval", Text),
            ("primary", Text),
        ]),
    ),
];

/// A VLAN's own renderer may be `sriov`, too.
const VLAN: Table = &[("id", Number), ("link", Text), ("renderer", Text)];

const VRF: Table = &[("interfaces", Names), ("table", Number)];

const VETH: Table = &[("peer", Text)];

const TUNNEL: Table = &[
    ("mode", Text),
    ("local", Text),
    ("remote", Text),
    ("ttl", Number),
    ("key", Anything),
    ("keys", Anything),
    ("mark", Number),
    ("port", Number),
    ("peers", Sequence),
    ("link", Text),
    ("ageing", Number),
    ("aging", Number),
    ("id", Number),
    ("limit", Number),
    ("type-of-service", Number),
    ("flow-label", Number),
    ("do-not-fragment", Boolean),
    ("short-circuit", Boolean),
    ("arp-proxy", Boolean),
    ("mac-learning", Boolean),
    ("notifications", Names),
    ("checksums", Names),
    ("extensions", Names),
    ("port-range", Sequence),
];

/// Whether `key` of `network:` is a section of definitions.
pub fn is_section(key: &str) -> bool {
    SECTIONS.iter().any(|(name, _)| *name == key)
}

/// The first thing in the top mapping `root` that netplan does not take; definitions are for [`check_definition`].
pub fn check_top(root: &Node) -> Result<(), Fault> {
    for (key, network) in mapping(root)? {
        if word(key)? != "network" {
            return Err(unknown(key));
        }
        for (key, value) in mapping(network)? {
            match word(key)? {
                "version" => check_version(value)?,
                "renderer" => check(value, Renderer)?,
                "openvswitch" => check(value, Mapping)?,
                name if is_section(name) => drop(mapping(value)?),
                _ => return Err(unknown(key)),
            }
        }
    }
    Ok(())
}

/// The first thing in a definition of `section` that netplan does not take. Its addresses are read elsewhere.
pub fn check_definition(section: &str, key: &Node, value: &Node) -> Result<(), Fault> {
    let id = word(key)?;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) || id.contains(['*', '?', '[', ']']) {
        return Err(Fault::new(key.line, format!("{id:?} cannot be the ID of a definition")));
    }
    if id == "renderer" {
        return check(value, Renderer);
    }
    let own = SECTIONS.iter().find(|(name, _)| *name == section).map(|(_, tables)| *tables).unwrap_or_default();
    for (key, value) in mapping(value)? {
        let name = word(key)?;
        let known = own.iter().copied().chain([COMMON]).flatten().find(|(known, _)| *known == name);
        check(value, known.ok_or_else(|| unknown(key))?.1)?;
        if name == "renderer" && section == "vlans" && value.scalar() != Some("sriov") {
            check(value, Renderer)?;
        }
    }
    Ok(())
}

/// The renderers, by netplan's names for them.
pub fn is_renderer(name: &str) -> bool {
    matches!(name, "networkd" | "NetworkManager")
}

/// `handle_generic_bool()`.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "on", "yes", "y"]) {
        Some(true)
    } else if is(&["false", "off", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

fn check(node: &Node, shape: Shape) -> Result<(), Fault> {
    let text = || node.scalar().ok_or_else(|| Fault::new(node.line, "netplan expects a single value here"));
    let only = |holds: bool, what: &str| -> Result<(), Fault> {
        let reason = || format!("{:?} is not {what}", node.scalar().unwrap_or_default());
        if holds { Ok(()) } else { Err(Fault::new(node.line, reason())) }
    };
    match shape {
        Anything => Ok(()),
        Text => text().map(drop),
        Name => only(text()?.bytes().all(|byte| byte.is_ascii_graphic()), "a name"),
        Boolean => only(boolean(text()?).is_some(), "true or false"),
        Number => only(text()?.trim_start().parse::<u32>().is_ok() || text()?.is_empty(), "a number"),
        Renderer => only(is_renderer(text()?), "a renderer (networkd or NetworkManager)"),
        Gateway4 => only(text()?.parse::<std::net::Ipv4Addr>().is_ok(), "an IPv4 address"),
        Gateway6 => only(text()?.parse::<std::net::Ipv6Addr>().is_ok(), "an IPv6 address"),
        Mac => only(is_mac(text()?), "a hardware address"),
        Sequence => sequence(node).map(drop),
        Names => {
            let odd = sequence(node)?.iter().find(|item| item.scalar().is_none());
            odd.map_or(Ok(()), |item| Err(Fault::new(item.line, "netplan expects a single value here")))
        }
        Rules(table) => sequence(node)?.iter().try_for_each(|item| check(item, Keys(table))),
        Mapping => mapping(node).map(drop),
        Keys(table) => {
            for (key, value) in mapping(node)? {
                let name = word(key)?;
                let known = table.iter().find(|(known, _)| *known == name);
                check(value, known.ok_or_else(|| unknown(key))?.1)?;
            }
            Ok(())
        }
    }
}

/// `strtol()`: digits, and whatever follows them.
fn check_version(node: &Node) -> Result<(), Fault> {
    check(node, Text)?;
    let text = node.scalar().unwrap_or_default().trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text.get(..end).and_then(|digits| digits.parse::<u32>().ok()) {
        Some(2) => Ok(()),
        _ => Err(Fault::new(node.line, "netplan only knows version 2")),
    }
}

fn is_mac(text: &str) -> bool {
    let pairs: Vec<&str> = text.split(':').collect();
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(pairs.len(), 6 | 20) && pairs.iter().all(is_pair)
}

fn word(key: &Node) -> Result<&str, Fault> {
    key.scalar().ok_or_else(|| Fault::new(key.line, "netplan expects a plain key here"))
}

fn mapping(node: &Node) -> Result<&[(Node, Node)], Fault> {
    node.pairs().ok_or_else(|| Fault::new(node.line, "netplan expects a mapping here (check the indentation)"))
}

fn sequence(node: &Node) -> Result<&[Node], Fault> {
    match &node.value {
        Value::Sequence { items, .. } => Ok(items),
        _ => Err(Fault::new(node.line, "netplan expects a list here")),
    }
}

fn unknown(key: &Node) -> Fault {
    Fault::new(key.line, format!("netplan knows no key {:?} here", key.scalar().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::yaml;

    /// The line of the first fault in a definition of `section`.
    fn fault(section: &str, body: &str) -> Option<usize> {
        let root = yaml::parse(&crate::text::Text::new(body)).unwrap().root.unwrap();
        let (key, value) = &root.pairs().unwrap()[0];
        check_definition(section, key, value).err().map(|fault| fault.line)
    }

    #[test]
    fn definitions() {
        for (section, body, line) in [
            ("ethernets", "e: {}\n", None),
            ("ethernets", "e:\n  dhcp4: Yes\n", None),
            ("ethernets", "e:\n  dhcp4: 1\n", Some(2)),
            ("ethernets", "e:\n  adresses: []\n", Some(2)),
            ("ethernets", "e:\n  addresses:\n", Some(2)),
            ("ethernets", "e: ~\n", Some(1)),
            ("ethernets", "e*: {}\n", Some(1)),
            ("ethernets", "e:\n  match:\n    mac: x\n", Some(3)),
            ("ethernets", "e: {match: {macaddress: '02:00:00:00:00:01'}}\n", None),
            ("ethernets", "e: {match: {macaddress: 02-00-00-00-00-01}}\n", Some(1)),
            ("bridges", "b: {match: {name: e}}\n", Some(1)),
            ("bridges", "b: {interfaces: [e], parameters: {stp: no}}\n", None),
            ("vlans", "v: {id: 1, link: e, renderer: sriov}\n", None),
            ("vlans", "v: {id: 1, link: e, renderer: none}\n", Some(1)),
            ("ethernets", "e: {renderer: sriov}\n", Some(1)),
            ("ethernets", "e:\n  routes:\n  - to: default\n    via: 192.0.2.1\n    onlink: yes\n", Some(5)),
            ("ethernets", "e: {gateway4: 192.0.2.01}\n", Some(1)),
            ("ethernets", "<<: {}\n", None),
            ("ethernets", "e: {<<: {}}\n", Some(1)),
            ("ethernets", "e: {mtu: -1}\n", Some(1)),
            ("ethernets", "renderer: networkd\n", None),
        ] {
            assert_eq!(fault(section, body), line, "{body:?}");
        }
    }
}
