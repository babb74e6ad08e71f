//! What a profile says about itself and its device: the groups `[connection]`, `[ethernet]` and `[match]`.
//!
//! Follows nm-settings-keyfile(5) and `nm_connection_verify()` (measured with nmcli 1.42 and 1.52). Leaves out what is
//! about neither a wired device nor an address: nmcli says the rest before anything is written.

use crate::error::{Kind, Refusal};
use crate::root::RootPath;
use crate::syntax::glob::glob;
use crate::syntax::keyfile::Keyfile;

const CONNECTION: &[u8] = b"connection";

/// The groups of a wired device's own settings; the older name counts where both are there.
const WIRED: [&[u8]; 2] = [b"802-3-ethernet", b"ethernet"];

/// The types of profiles, by their newer and older names, as of 1.60.
const KINDS: [&str; 38] = [
    "6lowpan",
    "802-11-olpc-mesh",
    "802-11-wireless",
    "adsl",
    "bluetooth",
    "bond",
    "bridge",
    "cdma",
    "dummy",
    "ethernet",
    "generic",
    "geneve",
    "gsm",
    "hsr",
    "infiniband",
    "ip-tunnel",
    "ipvlan",
    "loopback",
    "macsec",
    "macvlan",
    "ovs-bridge",
    "ovs-interface",
    "ovs-patch",
    "ovs-port",
    "ovs-dpdk",
    "pppoe",
    "team",
    "tun",
    "veth",
    "vlan",
    "vpn",
    "vrf",
    "vxlan",
    "wifi",
    "wifi-p2p",
    "wimax",
    "wireguard",
    "wpan",
];

/// What a profile says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// Its UUID, in lower case, if it has one of its own.
    pub uuid: Option<String>,
    /// Its type, by its newer name.
    pub kind: Option<String>,
    /// The interface that it names.
    pub interface: Option<String>,
    /// Whether NetworkManager brings it up by itself.
    pub autoconnect: bool,
    /// Of several that could be brought up the one with the highest is.
    pub priority: i64,
    /// Whether it may be active on several interfaces at once.
    pub is_for_many: bool,
    /// What it is a port of, if it has no addresses for that.
    pub controller: Option<String>,
    macs: Option<String>,
    excluded: Vec<String>,
    patterns: Vec<String>,
    /// Whether it asks for something that no file of a root tells.
    is_unsure: bool,
}

/// How a profile fits an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It does not.
    No,
    /// That cannot be told from files.
    Perhaps,
    /// It does.
    Yes,
}

impl Connection {
    /// Reads the groups of `keyfile`.
    pub fn of(keyfile: &Keyfile) -> Connection {
        let own = |key: &str| keyfile.string(CONNECTION, key.as_bytes());
        let wired = WIRED.into_iter().find(|name| keyfile.has(name)).unwrap_or(WIRED[1]);
        let kind = own("type").or_else(|| keyfile.has(wired).then(|| "ethernet".to_owned()));
        let kind = kind.map(|kind| if kind == "802-3-ethernet" { "ethernet".to_owned() } else { kind });
        // From a VRF its ports keep their addresses.
        let port = own("port-type").or_else(|| own("slave-type"));
        let controller = own("controller").or_else(|| own("master")).filter(|name| !name.is_empty());
        let list = |group: &[u8], keys: &[&str]| -> Vec<String> {
            let values = keys.iter().filter_map(|key| keyfile.string(group, key.as_bytes()));
            values.flat_map(|value| words(&value).collect::<Vec<_>>()).collect()
        };
        Connection {
            uuid: own("uuid").map(|uuid| uuid.to_ascii_lowercase()),
            kind,
            interface: own("interface-name"),
            autoconnect: own("autoconnect").and_then(|value| boolean(&value)) != Some(false),
            priority: own("autoconnect-priority").and_then(|value| value.trim().parse().ok()).unwrap_or(0),
            is_for_many: own("multi-connect").is_some_and(|value| matches!(value.trim(), "2" | "3")),
            controller: controller.filter(|_| port.as_deref() != Some("vrf")),
            macs: keyfile.string(wired, b"mac-address").and_then(|mac| hardware(&mac)),
            excluded: list(wired, &["mac-address-denylist", "mac-address-blacklist"]),
            patterns: list(b"match", &["interface-name"]),
            is_unsure: ["driver", "path", "kernel-command-line"]
                .iter()
                .any(|key| keyfile.last(b"match", key.as_bytes()).is_some()),
        }
    }

    /// Why NetworkManager finds the profile at `path` invalid, whatever its addresses.
    pub fn fault(&self, keyfile: &Keyfile, path: &RootPath) -> Option<Refusal> {
        let refuse = |key: &str, reason: String| {
            let line = keyfile.last(CONNECTION, key.as_bytes()).map_or(0, |found| found.line);
            let reason = format!("{reason}, and NetworkManager does not load the profile");
            Some(Refusal::new(Kind::Malformed, reason, "correct the line").at(path, line))
        };
        if let Some(uuid) = self.uuid.as_ref().filter(|uuid| !is_uuid(uuid)) {
            return refuse("uuid", format!("{uuid:?} is no UUID"));
        }
        let Some(kind) = &self.kind else { return refuse("type", "the profile has no type=".to_owned()) };
        if !KINDS.contains(&kind.as_str()) {
            return refuse("type", format!("{kind:?} is no type of a profile"));
        }
        match &self.interface {
            Some(name) if !is_interface(name) => refuse("interface-name", format!("{name:?} is no interface name")),
            None if ["bond", "bridge", "team", "dummy", "vrf"].contains(&kind.as_str()) => {
                refuse("type", format!("a {kind} needs an interface-name="))
            }
            _ if keyfile.string(CONNECTION, b"id").is_some_and(|id| id.is_empty()) => {
                refuse("id", "the id= is empty".to_owned())
            }
            _ => None,
        }
    }

    /// Whether NetworkManager could bring it up on the interface `name` with the address `mac`.
    pub fn fits(&self, name: &str, mac: Option<&str>) -> Fit {
        if self.interface.as_ref().is_some_and(|own| own != name) || !self.is_device() {
            return Fit::No;
        }
        if self.interface.is_none() && name == "lo" {
            return Fit::No;
        }
        let by_mac = match (&self.macs, mac) {
            (None, _) => Fit::Yes,
            (Some(_), None) => Fit::Perhaps,
            (Some(wanted), Some(mac)) if *wanted == mac.to_ascii_lowercase() => Fit::Yes,
            // What /sys tells is not the permanent address where it was changed.
            (Some(_), Some(_)) => Fit::No,
        };
        let excluded = |list: &[String]| {
            list.iter().any(|item| hardware(item).is_some_and(|item| mac.is_some_and(|mac| item == mac)))
        };
        let by_exclusion = if excluded(&self.excluded) { Fit::No } else { Fit::Yes };
        let by_pattern = if self.patterns.is_empty() || matches(&self.patterns, name) { Fit::Yes } else { Fit::No };
        let beyond = if self.is_unsure { Fit::Perhaps } else { Fit::Yes };
        [by_mac, by_exclusion, by_pattern, beyond].into_iter().min().unwrap_or(Fit::No)
    }

    /// Whether it is for a device that a server has addresses on, not for a VPN or modem.
    fn is_device(&self) -> bool {
        let others = ["vpn", "gsm", "cdma", "pppoe", "bluetooth", "adsl", "olpc-mesh", "wpan", "6lowpan", "loopback"];
        self.kind.as_ref().is_some_and(|kind| !others.contains(&kind.as_str()))
    }

    /// Whether any wired interface may take it, one or several.
    pub fn is_for_any(&self) -> bool {
        self.interface.is_none() && self.macs.is_none() && self.patterns.is_empty()
    }

    /// What it matches, for an interface whose name cannot be told: never a name.
    pub fn pattern(&self) -> String {
        match (&self.interface, &self.macs) {
            (Some(name), _) => name.clone(),
            (None, Some(mac)) => format!("mac-address={mac}"),
            (None, None) if !self.patterns.is_empty() => format!("[match] interface-name={}", self.patterns.join(";")),
            (None, None) => "*".to_owned(),
        }
    }

    /// Whether a family without a group of its own is switched off, not left to DHCP or router advertisements.
    pub fn is_off_by_default(&self) -> bool {
        matches!(self.kind.as_deref(), Some("dummy" | "wireguard"))
    }
}

/// `[match] interface-name=`: words with `|` or nothing are alternatives, those with `&` are needed, `!` negates.
fn matches(patterns: &[String], name: &str) -> bool {
    let (mut any, mut has_any) = (false, false);
    for pattern in patterns {
        let (needed, rest) = match pattern.strip_prefix('&') {
            Some(rest) => (true, rest),
            None => (pattern.starts_with('!'), pattern.strip_prefix('|').unwrap_or(pattern)),
        };
        let (negated, rest) = rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
        let fits = glob(rest.as_bytes(), name.as_bytes()) != negated;
        if needed && !fits {
            return false;
        }
        if !needed {
            (any, has_any) = (any || fits, true);
        }
    }
    any || !has_any
}

/// The words of a list, which commas and semicolons part.
pub fn words(value: &str) -> impl Iterator<Item = String> {
    value.split([',', ';']).map(|word| word.trim().to_owned()).filter(|word| !word.is_empty())
}

/// `_nm_utils_ascii_str_to_bool()`.
pub fn boolean(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// A hardware address with colons, in lower case.
pub fn hardware(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let is_byte = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (parts.len() >= 6 && parts.iter().all(is_byte))
        .then(|| parts.iter().map(|part| format!("{part:0>2}").to_ascii_lowercase()).collect::<Vec<_>>().join(":"))
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let is_good = |(at, byte): (usize, u8)| match text.len() {
        36 if hyphens.contains(&at) => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    matches!(text.len(), 36 | 40) && text.bytes().enumerate().all(is_good)
}

/// `nm_utils_ifname_valid()` for a device of the kernel.
fn is_interface(name: &str) -> bool {
    let odd = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte == 0x0b;
    (1..=15).contains(&name.len()) && !name.bytes().any(odd) && ![".", "..", "all", "default"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    fn connection(text: &str) -> Connection {
        Connection::of(&Keyfile::parse(&Text::new(text)))
    }

    #[test]
    fn fitting() {
        let mac = Some("02:00:00:00:00:01");
        for (text, name, mac, fit) in [
            ("interface-name=eth0\n", "eth0", None, Fit::Yes),
            ("interface-name=eth0\n", "eth1", None, Fit::No),
            ("", "eth0", None, Fit::Yes),
            ("", "lo", None, Fit::No),
            ("[ethernet]\nmac-address=2:0:0:0:0:1\n", "eth0", mac, Fit::Yes),
            ("[802-3-ethernet]\nmac-address=02-00-00-00-00-02\n", "eth0", mac, Fit::No),
            ("[ethernet]\nmac-address=02:00:00:00:00:01\n", "eth0", None, Fit::Perhaps),
            ("[ethernet]\nmac-address-blacklist=02:00:00:00:00:01;\n", "eth0", mac, Fit::No),
            ("[match]\ninterface-name=en*;eth*;\n", "eth0", None, Fit::Yes),
            ("[match]\ninterface-name=!eth0;\n", "eth0", None, Fit::No),
            ("[match]\ninterface-name=!eth1;\n", "eth0", None, Fit::Yes),
            ("[match]\ninterface-name=eth*;!eth0;\n", "eth0", None, Fit::No),
            ("[match]\ninterface-name=&e*;&!eth1\n", "eth0", None, Fit::Yes),
            ("[match]\ndriver=virtio_net\n", "eth0", None, Fit::Perhaps),
        ] {
            assert_eq!(connection(&format!("[connection]\ntype=ethernet\n{text}")).fits(name, mac), fit, "{text}");
        }
        assert_eq!(connection("[connection]\ntype=vpn\n").fits("eth0", None), Fit::No);
    }

    /// Measured with nmcli 1.52.
    #[test]
    fn profiles_that_are_not_loaded() {
        for (text, is_good) in [
            ("type=ethernet\n", true),
            ("type=802-3-ethernet\n", true),
            ("[ethernet]\nmtu=1500\n", true),
            ("", false),
            ("type=ethernet \n", false),
            ("type=ethernet\nuuid=garbage\n", false),
            ("type=ethernet\nuuid=1DD9a779-d327-56e1-8454-c65e2556c12c\n", true),
            ("type=ethernet\nid=\n", false),
            ("type=ethernet\ninterface-name=\n", false),
            ("type=ethernet\ninterface-name=eth0 \n", false),
            ("type=ethernet\ninterface-name=eth0\\s\n", false),
            ("type=ethernet\ninterface-name=a/b\n", false),
            ("type=bond\n", false),
            ("type=bond\ninterface-name=bond0\n", true),
            ("type=ethernet\nautoconnect=x\nautoconnect-priority=x\n", true),
        ] {
            let keyfile = Keyfile::parse(&Text::new(format!("[connection]\n{text}")));
            let fault = Connection::of(&keyfile).fault(&keyfile, &"/x".into());
            assert_eq!(fault.is_none(), is_good, "{text}");
        }
    }
}
