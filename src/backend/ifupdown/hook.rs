//! Addresses in hook lines: `up ip addr add ...`, `post-up ifconfig eth0:0 ...` and their counterparts.
//!
//! Follows the `up`, `down` family of interfaces(5), the syntax of ip-address(8) and of ifconfig(8) of net-tools. Shell is
//! read only as far as it takes to find simple commands; what needs a shell to know (variables other than `$IFACE`,
//! loops) gives no address.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::alias;
use crate::syntax::words::Word;

/// What one command of a hook line does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Puts an address on a device.
    Add {
        /// The address with the prefix that it gets.
        address: IpNet,
        /// The device, without a label's colon.
        device: String,
        /// The label, if it gets one.
        label: Option<String>,
    },
    /// Takes an address away.
    Delete(IpAddr),
    /// Takes a label down: `ifconfig eth0:0 down`.
    Down(String),
    /// Brings up other stanzas: `ifup eth0:0`.
    Ifup(Vec<String>),
    /// Something else.
    Other,
}

/// A hook line as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hook {
    /// What its commands do, in order.
    pub(super) deeds: Vec<Deed>,
    /// Whether it is one command (perhaps with `|| true`), so that the line can be removed for it.
    pub(super) single: bool,
}

/// Whether an option is a hook that runs when the interface comes up.
pub(super) fn runs_up(option: &[u8]) -> bool {
    matches!(option, b"up" | b"post-up" | b"pre-up")
}

/// Whether an option is a hook that runs when the interface goes down.
pub(super) fn runs_down(option: &[u8]) -> bool {
    matches!(option, b"down" | b"pre-down" | b"post-down")
}

/// Reads the words behind the keyword of a hook line in the stanza of `device`.
pub(super) fn parse(words: &[Word], device: &str) -> Hook {
    let (commands, joints) = commands(words);
    let mut deeds: Vec<Deed> = commands.iter().map(|command| deed(command, device)).collect();
    let fallback = matches!(commands.last().map(Vec::as_slice), Some([word]) if word == "true" || word == ":");
    if fallback && joints == ["||"] {
        deeds.pop();
    }
    let single = deeds.len() == 1 && (joints.is_empty() || joints == ["||"]);
    Hook { deeds, single }
}

/// The simple commands of a line and what stands between them. Quotes are dropped.
fn commands(words: &[Word]) -> (Vec<Vec<String>>, Vec<String>) {
    let mut commands = vec![Vec::new()];
    let mut joints: Vec<String> = Vec::new();
    for word in words {
        let mut token = String::new();
        let text = word.name();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if !matches!(c, ';' | '&' | '|' | '(' | ')') {
                token.extend(Some(c).filter(|c| !matches!(c, '"' | '\'')));
                continue;
            }
            // `2>&1` joins nothing.
            if c == '&' && token.ends_with('>') {
                token.push(c);
                continue;
            }
            let mut joint = c.to_string();
            while let Some(same) = rest.next_if_eq(&c) {
                joint.push(same);
            }
            push(&mut commands, std::mem::take(&mut token));
            commands.push(Vec::new());
            joints.push(joint);
        }
        push(&mut commands, token);
    }
    commands.retain(|command| !command.is_empty());
    (commands, joints)
}

fn push(commands: &mut [Vec<String>], token: String) {
    let Some(command) = commands.last_mut().filter(|_| !token.is_empty()) else { return };
    // Words of the shell that stand in front of a command.
    if command.is_empty() && matches!(token.as_str(), "then" | "do" | "else" | "!" | "{" | "exec" | "sudo") {
        return;
    }
    command.push(token);
}

fn deed(command: &[String], device: &str) -> Deed {
    let name = command.first().and_then(|word| word.rsplit('/').next());
    let words: Vec<String> = command.iter().skip(1).map(|word| expand(word, device)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).take_while(|word| !word.contains('>')).collect();
    let found = match name {
        Some("ip") => ip(&words),
        Some("ifconfig") => ifconfig(&words),
        Some("ifup") => Some(Deed::Ifup(
            words.iter().filter(|word| !word.starts_with('-')).map(|word| (*word).to_owned()).collect(),
        )),
        _ => None,
    };
    found.unwrap_or(Deed::Other)
}

fn expand(word: &str, device: &str) -> String {
    word.replace("${IFACE}", device).replace("$IFACE", device)
}

/// ip-address(8): `ip [OPTIONS] address { add | replace | del } ...`; objects and verbs may be cut short.
fn ip(words: &[&str]) -> Option<Deed> {
    let mut words = words;
    while let [option, rest @ ..] = words {
        words = match *option {
            "-f" | "-family" | "-n" | "-netns" => rest.get(1..)?,
            option if option.starts_with('-') => rest,
            _ => break,
        };
    }
    let [object, verb, rest @ ..] = words else { return None };
    if !"address".starts_with(*object) && *object != "addr" {
        return None;
    }
    let adds = matches!(*verb, "a" | "ad" | "add" | "append" | "prepend")
        || (verb.len() > 1 && ("replace".starts_with(*verb) || "change".starts_with(*verb)));
    let deletes = "delete".starts_with(*verb);
    if !adds && !deletes {
        return None;
    }
    let (mut address, mut device, mut label) = (None, None, None);
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "dev" => device = rest.next(),
            "label" => label = rest.next(),
            "local" => address = rest.next(),
            "peer" | "remote" | "broadcast" | "brd" | "anycast" | "scope" | "valid_lft" | "preferred_lft"
            | "metric" | "proto" => drop(rest.next()),
            "home" | "nodad" | "mngtmpaddr" | "noprefixroute" | "autojoin" | "optimistic" | "deprecated" => {}
            _ => address = address.or(Some(word)),
        }
    }
    let address = network(address?, None)?;
    if deletes {
        return Some(Deed::Delete(address.addr()));
    }
    // `dev eth0:0` finds eth0, but sets no label.
    let (device, _) = split_label(device?);
    let label = label.map(|label| (*label).to_owned()).filter(|label| label != device);
    Some(Deed::Add { address, device: device.to_owned(), label: label.filter(|_| address.addr().is_ipv4()) })
}

/// ifconfig(8): `ifconfig IF[:N] ADDRESS [netmask M] ...`, `ifconfig IF add ADDRESS/LENGTH`, `ifconfig IF:N down`.
fn ifconfig(words: &[&str]) -> Option<Deed> {
    let mut words = words.iter().skip_while(|word| word.starts_with('-'));
    let interface = words.next()?;
    let (device, label) = split_label(interface);
    let (mut address, mut netmask, mut deletes) = (None, None, false);
    let mut down = false;
    while let Some(word) = words.next() {
        match *word {
            "inet" | "inet6" | "up" | "alias" => {}
            "add" => address = words.next(),
            "del" | "delete" | "-alias" => {
                deletes = true;
                address = words.next();
            }
            "down" => down = true,
            "netmask" => netmask = words.next(),
            "broadcast" | "pointopoint" | "dstaddr" | "metric" | "mtu" | "hw" | "txqueuelen" => drop(words.next()),
            _ => address = address.or(Some(word)),
        }
    }
    match address {
        None if down => Some(Deed::Down((*interface).to_owned())),
        None => None,
        Some(address) if deletes => Some(Deed::Delete(address.split('/').next()?.parse().ok()?)),
        Some(address) => {
            let address = network(address, Some(netmask.copied()))?;
            let label = label.filter(|_| address.addr().is_ipv4());
            Some(Deed::Add { address, device: device.to_owned(), label })
        }
    }
}

fn split_label(interface: &str) -> (&str, Option<String>) {
    match interface.split_once(':') {
        Some((device, _)) => (device, Some(interface.to_owned())),
        None => (interface, None),
    }
}

/// `A`, `A/LENGTH` or `A/NETMASK`. Without a length `ip` takes one host; ifconfig the given mask or the class.
fn network(text: &str, netmask: Option<Option<&str>>) -> Option<IpNet> {
    let (ip, length) = match text.split_once('/') {
        Some((ip, length)) => (ip.parse::<IpAddr>().ok()?, Some(length)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let bits = match (length, netmask) {
        (Some(length), _) | (None, Some(Some(length))) => prefix(length)?,
        (None, Some(None)) => class_prefix(ip),
        (None, None) => alias::host_prefix(ip),
    };
    alias::with_prefix(ip, bits)
}

/// A prefix length as a number of bits or a dotted netmask.
pub(super) fn prefix(text: &str) -> Option<u8> {
    text.parse().ok().or_else(|| alias::netmask_to_prefix(text.parse::<Ipv4Addr>().ok()?))
}

/// The length of the address' class (RFC 791), 128 for IPv6.
pub(super) fn class_prefix(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(v4) => match v4.octets()[0] {
            0..=127 => 8,
            128..=191 => 16,
            192..=223 => 24,
            _ => 32,
        },
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(text: &str) -> Hook {
        let words: Vec<Word> = text.split(' ').map(|w| Word { text: w.as_bytes().into(), at: 0..0 }).collect();
        parse(&words, "eth0")
    }

    fn added(text: &str) -> String {
        match hook(text).deeds.as_slice() {
            [Deed::Add { address, device, label }] => {
                format!("{address} {device}{}", label.as_ref().map(|label| format!(" {label}")).unwrap_or_default())
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_way_to_add_an_address() {
        for (text, expected) in [
            ("ip addr add 203.0.113.5/32 dev eth0", "203.0.113.5/32 eth0"),
            ("/sbin/ip a a 203.0.113.5 dev $IFACE", "203.0.113.5/32 eth0"),
            ("ip -4 address replace 203.0.113.5/255.255.255.0 dev \"${IFACE}\"", "203.0.113.5/24 eth0"),
            ("ip -family inet6 addr add 2001:db8::5/64 dev eth0 preferred_lft 0", "2001:db8::5/64 eth0"),
            ("ip addr add dev eth0 203.0.113.5/32 brd + label eth0:1", "203.0.113.5/32 eth0 eth0:1"),
            ("ip addr add local 203.0.113.5 peer 192.0.2.1 dev eth0 || true", "203.0.113.5/32 eth0"),
            ("ip addr add 203.0.113.5/32 dev eth0 2>/dev/null || :", "203.0.113.5/32 eth0"),
            (
                "ifconfig eth0:0 203.0.113.5 netmask 255.255.255.255 broadcast 203.0.113.5 up",
                "203.0.113.5/32 eth0 eth0:0",
            ),
            ("/sbin/ifconfig $IFACE:7 203.0.113.5 netmask 255.255.255.248", "203.0.113.5/29 eth0 eth0:7"),
            ("ifconfig eth0:0 203.0.113.5", "203.0.113.5/24 eth0 eth0:0"),
            ("ifconfig eth0 inet6 add 2001:db8::5/64", "2001:db8::5/64 eth0"),
        ] {
            assert_eq!(added(text), expected, "{text}");
            assert!(hook(text).single, "{text}");
        }
    }

    #[test]
    fn every_way_to_take_one_away() {
        let ip = "203.0.113.5".parse().unwrap();
        for text in
            ["ip addr del 203.0.113.5/32 dev eth0", "ip a d 203.0.113.5 dev $IFACE", "ifconfig eth0 del 203.0.113.5"]
        {
            assert_eq!(hook(text).deeds, [Deed::Delete(ip)], "{text}");
        }
        assert_eq!(hook("/sbin/ifconfig eth0:0 down").deeds, [Deed::Down("eth0:0".into())]);
    }

    #[test]
    fn lines_of_several_commands_are_not_single() {
        for text in [
            "ip addr add 203.0.113.5/32 dev eth0 && ip addr add 203.0.113.6/32 dev eth0",
            "ip addr add 203.0.113.5/32 dev eth0; ip route flush cache",
            "sysctl -w x=1; ip addr add 203.0.113.5/32 dev eth0",
            "for i in 5 6; do ip addr add 203.0.113.$i/32 dev eth0; done",
        ] {
            assert!(!hook(text).single, "{text}");
        }
        assert_eq!(hook("ip addr add $A dev eth0").deeds, [Deed::Other]);
        assert_eq!(hook("ip route add default via 192.0.2.1").deeds, [Deed::Other]);
        assert_eq!(hook("echo ip addr add 203.0.113.5/32 dev eth0").deeds, [Deed::Other]);
        assert_eq!(hook("ifup eth0:0 eth0:1").deeds, [Deed::Ifup(vec!["eth0:0".into(), "eth0:1".into()])]);
        assert_eq!(hook("").deeds, []);
    }
}
