//! The arguments of one call of ifconfig(8) of OpenBSD and NetBSD, behind the interface: which address it sets or takes off.
//!
//! Follows ifconfig(8) of both and the order in which their sources go through the words (from memory, as is the list of
//! options): a word that is no option is the address, the next one the destination, a further one an error, and a call
//! with an error sets no address. Leaves out what options do that are not about addresses.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::alias::{netmask_to_prefix, with_prefix};

/// What a call does about addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    #[default]
    Nothing,
    /// Sets an address in place of the interface's first one.
    Set,
    /// Adds an address.
    Alias,
    /// Takes an address off.
    Delete,
    /// Takes every address of the family off.
    Clear,
    /// Leaves it to a daemon: DHCP, or router advertisements.
    Autoconf,
}

/// A call, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// What it does.
    pub deed: Deed,
    /// Whether it is about IPv6.
    pub six: bool,
    /// The address that it is about.
    pub net: Option<IpNet>,
    /// Why ifconfig refuses it, if it does.
    pub fault: Option<String>,
    /// The first word that is not about the address: taking the line out would lose it.
    pub more: Option<String>,
}

impl Setting {
    /// Whether it gives the interface an address, or was meant to.
    pub fn sets(&self) -> bool {
        matches!(self.deed, Deed::Set | Deed::Alias)
    }
}

/// How many words follow an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    None,
    One,
    Two,
    /// One, unless that is an option itself.
    Perhaps,
}

/// Options that belong to an address and go with it.
const OF_ADDRESS: &[(&str, Takes)] = &[
    ("broadcast", Takes::One),
    ("pltime", Takes::One),
    ("vltime", Takes::One),
    ("preference", Takes::One),
    ("anycast", Takes::None),
    ("tentative", Takes::None),
    ("deprecated", Takes::None),
    ("eui64", Takes::None),
    ("up", Takes::None),
];

/// Options of the interface, by how many words follow them; each may have a `-` in front, and then takes at most as many.
const NONE: &str = "up down arp debug staticarp monitor mpls link0 link1 link2 link3 autoconfprivacy temporary soii wol \
    hwfeatures create destroy tunneldf deletetunnel vlan wpa list joinlist scan blocknonip flush flushall flushrule defer \
    ip4csum tcp4csum udp4csum tcp6csum udp6csum ip4csum-tx ip4csum-rx tcp4csum-tx tcp4csum-rx udp4csum-tx udp4csum-rx \
    tcp6csum-tx tcp6csum-rx udp6csum-tx udp6csum-rx tso4 tso6 tso tcplro lro apbridge hidessid wgpeerall transparent \
    rx-coalesce ipsec roaming unnumbered autoconf zeroes pppoe vlanhwtag vlanhwcsum vlanmtu";
const ONE: &str = "mtu metric nwid ssid join bssid nwkey wpakey wpaakms wpaprotos wpaciphers wpagroupcipher txpower \
    mediaopt mode instance inst group lladdr llprio link description descr priority rtlabel rdomain vnetid parent vlan \
    vlanif vlanprio vnetflowid patch trunkport trunkproto agrport agrproto laggproto laggport lacpmode lacptimeout \
    carpdev carppeer carpnodes balancing vhid advbase advskew pass state syncdev syncpeer maxupd add del addspan delspan \
    addlocal discover learn maxaddr timeout hellotime fwddelay maxage holdcnt spanpriority stp edge autoedge ptp autoptp \
    protected rule rulefile pppoedev pppoesvc pppoeac authproto authname authkey peerproto peername peerkey tunneldomain \
    tunnelttl tunneladdr endpoint keepalive flowsrc flowdst pflowproto wgkey wgport wgpeer wgpsk wgpka wgaip wgrtable \
    mplslabel label pwecword neighbor frag powersavesleep linkstr media apn pin puk chgpin class nwflag rxprio txprio \
    wgdescription wgdescr";
const TWO: &str = "tunnel static ifpriority ifcost wgendpoint";
const PERHAPS: &str = "media chan vlandev powersave";

fn option(word: &str) -> Option<Takes> {
    // No option begins as an address does.
    if word.starts_with(|c: char| c.is_ascii_digit()) || word.contains([':', '.']) {
        return None;
    }
    let known = |list: &str, name: &str| list.split_whitespace().any(|known| known == name);
    let takes = |name: &str| match name {
        _ if known(PERHAPS, name) => Some(Takes::Perhaps),
        _ if known(TWO, name) => Some(Takes::Two),
        // NetBSD takes a number behind it, OpenBSD's older releases, too.
        _ if known(ONE, name) => Some(Takes::One),
        _ if known(NONE, name) => Some(Takes::None),
        _ => None,
    };
    match word.strip_prefix('-') {
        None => takes(word),
        Some(name) => takes(name).map(|takes| match name {
            "group" | "join" | "trunkport" | "agrport" | "laggport" | "mediaopt" | "stp" | "edge" | "autoedge"
            | "ptp" | "autoptp" | "learn" | "discover" | "protected" | "wgpeer" => takes,
            _ => Takes::None,
        }),
    }
}

/// Reads the words of a call behind the interface; nothing for a word that only the shell knows. `host` is what
/// `/etc/hosts` says of a name, the family given by whether it is IPv6.
pub fn read(words: &[Option<String>], host: &dyn Fn(&str, bool) -> Option<IpAddr>) -> Setting {
    let mut reader = Reader { words, at: 0, host, setting: Setting::default(), bits: None, given: 0, alias: false };
    if let Some(family @ ("inet" | "inet6")) = reader.peek() {
        reader.setting.six = family == "inet6";
        reader.at = 1;
    }
    while reader.at < words.len() {
        if let Err(fault) = reader.step() {
            reader.setting.fault.get_or_insert(fault);
        }
    }
    reader.finish()
}

struct Reader<'w> {
    words: &'w [Option<String>],
    at: usize,
    host: &'w dyn Fn(&str, bool) -> Option<IpAddr>,
    setting: Setting,
    /// The prefix by a mask.
    bits: Option<u8>,
    /// How many words that are no options there were.
    given: usize,
    alias: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at)?.as_deref()
    }

    fn argument(&mut self, of: &str) -> Result<String, String> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        match word {
            Some(Some(word)) => Ok(word),
            Some(None) => Err(format!("what stands behind `{of}` cannot be told without running it")),
            None => Err(format!("nothing stands behind `{of}`, so ifconfig refuses it")),
        }
    }

    /// Takes one option with its arguments, or one word that is none.
    fn step(&mut self) -> Result<(), String> {
        let Some(word) = self.words.get(self.at).cloned() else { return Ok(()) };
        self.at += 1;
        let Some(word) = word else {
            return Err("a word cannot be told without running it".to_owned());
        };
        match word.as_str() {
            "alias" => self.alias = true,
            "-alias" | "delete" => self.setting.deed = Deed::Delete,
            "-inet" | "-inet6" => {
                self.setting.six = word == "-inet6";
                self.setting.deed = Deed::Clear;
            }
            "autoconf" => self.setting.deed = Deed::Autoconf,
            "netmask" => {
                let mask = self.argument(&word)?;
                self.bits = Some(mask_bits(&mask).ok_or_else(|| bad(&word, &mask, "a netmask"))?);
            }
            "prefixlen" => {
                let bits = self.argument(&word)?;
                let known = bits.parse::<u8>().ok().filter(|bits| *bits <= if self.setting.six { 128 } else { 32 });
                self.bits = Some(known.ok_or_else(|| bad(&word, &bits, "a prefix length"))?);
            }
            "broadcast" => {
                let address = self.argument(&word)?;
                self.ip(&address).ok_or_else(|| bad(&word, &address, "an address"))?;
            }
            other => return self.other(other),
        }
        Ok(())
    }

    fn other(&mut self, word: &str) -> Result<(), String> {
        let own = OF_ADDRESS.iter().find(|(name, _)| *name == word).map(|(_, takes)| *takes);
        let Some(takes) = own.or_else(|| option(word)) else { return self.given(word) };
        if own.is_none() {
            self.setting.more.get_or_insert(word.to_owned());
        }
        match takes {
            Takes::None => {}
            Takes::One => drop(self.argument(word)?),
            Takes::Two => {
                self.argument(word)?;
                self.argument(word)?;
            }
            Takes::Perhaps => {
                if self.peek().is_some_and(|next| option(next).is_none() && !["inet", "inet6"].contains(&next)) {
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    /// A word that is no option: the address, the destination, or one too many.
    fn given(&mut self, word: &str) -> Result<(), String> {
        self.given += 1;
        match self.given {
            1 => {
                let (address, bits) = match word.rsplit_once('/') {
                    Some((address, bits)) => {
                        let most = if self.setting.six { 128 } else { 32 };
                        let known = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
                        (address, Some(known.ok_or_else(|| unknown(word))?))
                    }
                    None => (word, None),
                };
                let ip = self.ip(address).ok_or_else(|| unknown(word))?;
                self.setting.net = with_prefix(ip, bits.unwrap_or_else(|| usual_bits(ip)));
                Ok(())
            }
            2 => {
                let ip = self.ip(word).ok_or_else(|| unknown(word))?;
                match ip {
                    IpAddr::V4(mask) if mask.octets()[0] == 255 => {
                        Err(format!("{mask} stands where ifconfig takes a destination: `netmask` is missing before it"))
                    }
                    _ => Ok(()),
                }
            }
            _ => Err(unknown(word)),
        }
    }

    fn ip(&self, word: &str) -> Option<IpAddr> {
        let six = self.setting.six;
        let plain = if six { word.split('%').next().unwrap_or(word) } else { word };
        plain.parse().ok().filter(|ip: &IpAddr| ip.is_ipv6() == six).or_else(|| (self.host)(word, six))
    }

    fn finish(mut self) -> Setting {
        if let (Some(net), Some(bits)) = (self.setting.net, self.bits) {
            self.setting.net = with_prefix(net.addr(), bits);
        }
        if self.setting.net.is_some() && matches!(self.setting.deed, Deed::Nothing | Deed::Autoconf) {
            self.setting.deed = if self.alias { Deed::Alias } else { Deed::Set };
        }
        if self.setting.deed == Deed::Delete && self.setting.net.is_none() && self.setting.fault.is_none() {
            // Without an address it is the first one that goes.
            self.setting.deed = Deed::Nothing;
        }
        self.setting
    }
}

fn unknown(word: &str) -> String {
    let shown = word.escape_debug();
    match word {
        _ if word.starts_with('#') => format!("`{shown}` is no comment here, and ifconfig refuses it"),
        _ if word.contains('\r') => "a carriage return is in it, which ifconfig refuses".to_owned(),
        _ if word.contains('\u{feff}') => "a byte order mark is in front of it, which ifconfig refuses".to_owned(),
        _ => format!("ifconfig refuses `{shown}`, which is neither an option nor an address of this family"),
    }
}

fn bad(option: &str, word: &str, what: &str) -> String {
    if word.contains('\r') {
        return unknown(word);
    }
    format!("ifconfig gets `{option} {}`, and that is not {what}", word.escape_debug())
}

/// The prefix that an address gets without one: that of its class (inet(4)), or 64 (inet6(4)).
fn usual_bits(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => class_bits(ip),
        IpAddr::V6(_) => 64,
    }
}

/// The prefix of an address's class.
pub fn class_bits(ip: Ipv4Addr) -> u8 {
    match ip.octets() {
        [..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    }
}

/// A mask as inet_aton(3) reads it: dotted, hexadecimal or decimal.
fn mask_bits(mask: &str) -> Option<u8> {
    let number = match mask.strip_prefix("0x").or_else(|| mask.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?.into(),
        None => mask.parse::<Ipv4Addr>().ok().or_else(|| mask.parse::<u32>().ok().map(Ipv4Addr::from))?,
    };
    netmask_to_prefix(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Setting {
        let words: Vec<Option<String>> = line.split(' ').map(|word| Some(word.to_owned())).collect();
        read(&words, &|name, six| (name == "gw" && !six).then(|| "192.0.2.9".parse().unwrap()))
    }

    fn net(line: &str) -> String {
        let setting = one(line);
        assert_eq!(setting.fault, None, "{line}");
        setting.net.map(|net| format!("{:?} {net}", setting.deed)).unwrap_or_default()
    }

    #[test]
    fn forms_of_addresses() {
        assert_eq!(net("inet 192.0.2.1 netmask 255.255.255.0 broadcast 192.0.2.255 description x"), "Set 192.0.2.1/24");
        assert_eq!(net("inet alias 192.0.2.1 netmask 0xffffffff"), "Alias 192.0.2.1/32");
        assert_eq!(net("inet 192.0.2.1/28 alias"), "Alias 192.0.2.1/28");
        assert_eq!(net("alias 10.0.0.1"), "Alias 10.0.0.1/8");
        assert_eq!(net("172.16.0.1 172.16.0.2 netmask 255.255.255.255"), "Set 172.16.0.1/32");
        assert_eq!(net("inet6 2001:db8::1 prefixlen 128 alias"), "Alias 2001:db8::1/128");
        assert_eq!(net("inet6 alias 2001:db8::1"), "Alias 2001:db8::1/64");
        assert_eq!(net("inet6 fe80::1%em0 prefixlen 64"), "Set fe80::1/64");
        assert_eq!(net("inet gw/24"), "Set 192.0.2.9/24");
        assert_eq!(net("inet 192.0.2.1 delete"), "Delete 192.0.2.1/24");
        assert_eq!(net("media autoselect mediaopt full-duplex up"), "");
        assert_eq!(net("inet 192.0.2.1/24 mtu 9000 -group x"), "Set 192.0.2.1/24");
        assert_eq!(one("inet 192.0.2.1/24 mtu 9000").more.as_deref(), Some("mtu"));
    }

    #[test]
    fn what_ifconfig_refuses() {
        for line in [
            "inet alias 192.0.2.1 netmask netmask broadcast 255.255.255.255",
            "inet6 alias 2001:db8::1 prefixlen prefixlen 128",
            "inet alias 192.0.2.1/32 netmask",
            "inet 192.0.2.1 netmask 255.255.255.0 broadcast alias",
            "alias 192.0.2.1 255.255.255.255",
            "inet 192.0.2.1/24 wat",
            "inet 192.0.2.1 netmask 255.0.255.0",
            "INET ALIAS 192.0.2.1",
            "inet 2001:db8::1",
        ] {
            assert!(one(line).fault.is_some(), "{line}");
        }
    }
}
