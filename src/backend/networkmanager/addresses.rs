//! The addresses of a profile, in file order, why NetworkManager drops some, and what makes it drop the profile.
//!
//! Follows `read_one_ip_address_or_route()` and `verify()` of the IP settings (their source; every form here was given to
//! nmcli 1.42 and 1.52). Leaves out routes, DNS and addresses from DHCP or router advertisements.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use super::files::Profile;
use crate::alias::with_prefix;
use crate::syntax::keyfile::{Assignment, Keyfile, string};

/// `[ipv4]` or `[ipv6]` of a profile.
#[derive(Debug, Clone)]
pub struct Family {
    /// Whether it is `[ipv4]`.
    pub is_ipv4: bool,
    /// Whether the group is there.
    pub exists: bool,
    /// How addresses are got: `auto`, `manual`, ...; what NetworkManager assumes where the group is not there.
    pub method: String,
    /// Every address, in file order.
    pub addresses: Vec<Address>,
    /// The default gateway that counts.
    pub gateway: Option<IpAddr>,
    /// Why NetworkManager finds the profile invalid: line and reason.
    pub fault: Option<(usize, String)>,
}

/// An address in a file.
#[derive(Debug, Clone)]
pub struct Address {
    /// The index of its line among the items.
    pub item: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its key.
    pub key: String,
    /// Its place among the addresses, which follow numbers, not lines; nothing where the key is none of an address.
    pub order: Option<Order>,
    /// The address with the prefix that NetworkManager gives it.
    pub net: IpNet,
    /// The default gateway that its line gives, sound or not.
    pub gateway: Option<String>,
    /// Why NetworkManager does not configure it, if it does not.
    pub problem: Option<String>,
    /// Whether only what stands around the address on its line is wrong.
    pub is_repairable: bool,
}

/// Number (-1 for none), then `address` before `addresses`.
pub type Order = (i64, u8);

/// The group of a family.
pub fn group(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "ipv4" } else { "ipv6" }
}

impl Family {
    /// Reads the group of `profile`.
    pub fn of(profile: &Profile, is_ipv4: bool) -> Family {
        Family::read(&profile.keyfile, is_ipv4, profile.connection.is_off_by_default())
    }

    /// Reads the group of `keyfile`; `is_off`: what is not there is disabled.
    pub fn read(keyfile: &Keyfile, is_ipv4: bool, is_off: bool) -> Family {
        let name = group(is_ipv4).as_bytes();
        let exists = keyfile.has(name);
        let given = keyfile.string(name, b"method");
        let implied = if is_off { "disabled" } else { "auto" };
        let method = given.clone().unwrap_or_else(|| if exists { String::new() } else { implied.to_owned() });
        let mut addresses: Vec<Address> =
            keyfile.assignments(name).flat_map(|found| read_line(&found, is_ipv4)).collect();
        drop_replaced(keyfile, name, &mut addresses);
        let mut family = Family { is_ipv4, exists, method, addresses, gateway: None, fault: None };
        family.judge(keyfile, name);
        family
    }

    /// The effective addresses in the order in which NetworkManager gives them to the interface.
    pub fn effective(&self) -> Vec<&Address> {
        let mut all: Vec<&Address> = self.addresses.iter().filter(|address| address.problem.is_none()).collect();
        all.sort_by_key(|address| address.order);
        all
    }

    /// Whether an address may be added to it.
    pub fn takes_addresses(&self) -> bool {
        matches!(self.method.as_str(), "auto" | "manual") || !self.is_ipv4 && self.method == "dhcp"
    }

    /// Finds the gateway, and what makes the profile invalid.
    fn judge(&mut self, keyfile: &Keyfile, name: &[u8]) {
        let own = keyfile.last(name, b"gateway").and_then(|found| Some((found.line, string(found.value)?)));
        let from_line = self.effective().into_iter().find_map(|address| Some((address.line, address.gateway.clone()?)));
        let given = own.clone().or(from_line);
        let gateway = given.as_ref().map(|(line, text)| (*line, text.parse::<IpAddr>().ok()));
        let right = |ip: &IpAddr| ip.is_ipv4() == self.is_ipv4;
        self.gateway = gateway.and_then(|(_, ip)| ip).filter(|ip| right(ip) && !ip.is_unspecified());
        if !self.exists {
            return;
        }
        let method = keyfile.last(name, b"method").map_or_else(|| header_line(keyfile, name), |found| found.line);
        let known: &[&str] = if self.is_ipv4 {
            &["auto", "link-local", "manual", "shared", "disabled"]
        } else {
            &["ignore", "auto", "dhcp", "link-local", "manual", "shared", "disabled"]
        };
        let first = self.effective().first().map(|address| address.line);
        // A route will do for 1.52, and not for 1.42.
        let is_route = |found: &Assignment<'_>| is_route(found.key) && destination(found.value, self.is_ipv4);
        let has_routes = || keyfile.assignments(name).any(|found| is_route(&found));
        self.fault = match (self.method.as_str(), first) {
            ("", _) => Some((method, format!("[{}] has no method=", group(self.is_ipv4)))),
            (other, _) if !known.contains(&other) => Some((method, format!("method={other:?} is none"))),
            (none @ ("disabled" | "ignore" | "link-local"), Some(line)) => {
                Some((line, format!("an address is not allowed with method={none}")))
            }
            ("manual", None) if !has_routes() => Some((method, "method=manual without a valid address".to_owned())),
            _ => match (gateway, first) {
                (Some((line, ip)), _) if !ip.is_some_and(|ip| right(&ip)) => {
                    Some((line, "the gateway is not an address".to_owned()))
                }
                (Some((line, Some(ip))), None) if !ip.is_unspecified() => {
                    Some((line, "a gateway is not allowed without an address".to_owned()))
                }
                _ => None,
            },
        };
    }
}

fn header_line(keyfile: &Keyfile, name: &[u8]) -> usize {
    let group = keyfile.groups.iter().find(|group| group.name == name);
    group.and_then(|group| keyfile.items.get(group.header)).map_or(0, |item| item.line)
}

fn is_route(key: &[u8]) -> bool {
    key.strip_prefix(b"route")
        .is_some_and(|rest| rest.strip_prefix(b"s").unwrap_or(rest).iter().all(u8::is_ascii_digit))
}

/// Whether a route begins with an address of the family.
fn destination(value: &[u8], is_ipv4: bool) -> bool {
    let end = value.iter().position(|byte| b"/;,".contains(byte)).unwrap_or(value.len());
    let ip = value.get(..end).and_then(|ip| std::str::from_utf8(ip).ok()).and_then(|ip| ip.parse::<IpAddr>().ok());
    ip.is_some_and(|ip| ip.is_ipv4() == is_ipv4)
}

/// Whether `key` is one of an address, and its place among them (`_build_list_match_key_w_name_impl()`): no number, or one
/// without a leading zero.
pub fn order(key: &[u8]) -> Option<Order> {
    let (rest, kind) = match key.strip_prefix(b"addresses") {
        Some(rest) => (rest, 1),
        None => (key.strip_prefix(b"address")?, 0),
    };
    let number = match rest {
        b"" => -1,
        b"0" => 0,
        [b'1'..=b'9', ..] if rest.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(rest).ok()?.parse().ok().filter(|number| *number <= i64::from(i32::MAX))?
        }
        _ => return None,
    };
    Some((number, kind))
}

/// The addresses of a line: one that NetworkManager takes, or those that it drops.
fn read_line(found: &Assignment<'_>, is_ipv4: bool) -> Vec<Address> {
    let looks_like_one = found.key.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"address"));
    if !looks_like_one || found.key.contains(&b'[') {
        return Vec::new();
    }
    let key = String::from_utf8_lossy(found.key).into_owned();
    let order = order(found.key);
    let address = |net, gateway, problem, is_repairable| Address {
        item: found.item,
        line: found.line,
        key: key.clone(),
        order,
        net,
        gateway,
        problem,
        is_repairable,
    };
    let bad_key =
        || format!("{key} is not a key of an address: address or addresses, then a number without zeros before it");
    match value(found.value, is_ipv4) {
        Some((net, gateway)) => vec![address(net, gateway, order.is_none().then(bad_key), false)],
        None => {
            let pieces = pieces(found.value);
            let alone = pieces.len() == 1;
            let reason = || if order.is_none() { bad_key() } else { why(found.value, is_ipv4, &pieces) };
            let family = |net: &IpNet| net.addr().is_ipv4() == is_ipv4;
            let show = |net: &IpNet| address(*net, None, Some(reason()), alone && order.is_some() && family(net));
            pieces.iter().map(show).collect()
        }
    }
}

/// A value as NetworkManager takes it: fields of certain characters, parted by `/`, `;` or `,`.
fn value(value: &[u8], is_ipv4: bool) -> Option<(IpNet, Option<String>)> {
    const ADDRESS: &[u8] = b"0123456789abcdefABCDEF:.%";
    let text = string(value)?;
    let mut rest = Some(text.as_bytes());
    let ip = field(&mut rest, ADDRESS).ok()??;
    // What is no number is taken for the gateway: the netmask of `A/255.255.255.0`.
    let prefix = field(&mut rest, b"0123456789").ok().flatten();
    let gateway = field(&mut rest, ADDRESS).ok()?;
    if rest.is_some_and(|rest| !rest.is_empty()) {
        return None;
    }
    let ip: IpAddr = std::str::from_utf8(ip).ok()?.parse().ok().filter(|ip: &IpAddr| ip.is_ipv4() == is_ipv4)?;
    let (most, assumed) = if is_ipv4 { (32, 24) } else { (128, 64) };
    let number = prefix.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
    let bits = number.filter(|bits| *bits <= most).unwrap_or(assumed);
    let net = with_prefix(ip, u8::try_from(bits).ok()?)?;
    Some((net, gateway.map(|gateway| String::from_utf8_lossy(gateway).into_owned())))
}

/// `read_field()`: the field at the beginning of `rest`, which moves behind the delimiter; nothing at the end. A character
/// that does not belong there is an error and leaves `rest` as it is.
fn field<'a>(rest: &mut Option<&'a [u8]>, characters: &[u8]) -> Result<Option<&'a [u8]>, ()> {
    let Some(text) = rest.filter(|text| !text.is_empty()) else { return Ok(None) };
    let end = text.iter().position(|byte| !characters.contains(byte)).unwrap_or(text.len());
    let (found, behind) = text.split_at_checked(end).unwrap_or_default();
    match behind.split_first() {
        None => *rest = None,
        Some((b'/' | b';' | b',', behind)) => *rest = Some(behind),
        Some(_) => return Err(()),
    }
    Ok(Some(found))
}

/// What somebody meant by a value that NetworkManager drops: every address with a prefix, and a first one without.
fn pieces(value: &[u8]) -> Vec<IpNet> {
    let text = String::from_utf8_lossy(value);
    let before_comment = text.split('#').next().unwrap_or_default();
    let is_between = |one: char| one.is_whitespace() || one.is_control() || ";,\"'\\".contains(one);
    let words = before_comment.split(is_between).filter(|word| !word.is_empty()).enumerate();
    let net = |(at, word): (usize, &str)| match word.split_once('/') {
        Some((ip, bits)) => with_prefix(ip.parse().ok()?, bits.parse().ok()?),
        None if at == 0 => {
            let ip: IpAddr = word.parse().ok()?;
            with_prefix(ip, if ip.is_ipv4() { 24 } else { 64 })
        }
        None => None,
    };
    words.filter_map(net).collect()
}

/// Why NetworkManager drops the line with `value`, in which `pieces` were meant.
fn why(value: &[u8], is_ipv4: bool, pieces: &[IpNet]) -> String {
    let text = String::from_utf8_lossy(value);
    let what = if pieces.len() > 1 {
        "a line holds one address"
    } else if pieces.iter().any(|net| net.addr().is_ipv4() != is_ipv4) {
        "the address belongs to the other family"
    } else if text.contains('#') {
        "a comment cannot follow a value"
    } else if text.trim_end() != text {
        "blanks behind a value belong to it"
    } else if text.starts_with(['"', '\'']) {
        "quotes belong to the value"
    } else {
        "it is not an address"
    };
    format!("NetworkManager drops \"{}\": {what}", text.trim_end_matches('\r'))
}

/// Of several lines with one key the last counts, sound or not.
fn drop_replaced(keyfile: &Keyfile, name: &[u8], addresses: &mut [Address]) {
    let latest = keyfile.latest(name);
    for address in addresses.iter_mut().filter(|address| address.order.is_some()) {
        let last = latest.get(address.key.as_bytes()).filter(|last| last.item != address.item);
        if let Some(last) = last {
            address.problem = Some(format!("another {}= on line {} replaces it", address.key, last.line));
            address.is_repairable = false;
        }
    }
}

/// Where the address of a repairable line stands in the file, with what stands around it.
pub fn place(profile: &Profile, address: &Address) -> Option<Range<usize>> {
    match &profile.keyfile.items.get(address.item)?.body {
        crate::syntax::keyfile::Body::Assignment { at, .. } => Some(at.clone()),
        _ => None,
    }
}

/// Whether the line of `address` gives a netmask where a prefix belongs: NetworkManager takes it for a gateway.
pub fn has_netmask(address: &Address) -> bool {
    let mask = address.gateway.as_deref().and_then(|text| text.parse().ok());
    mask.is_some_and(|mask: std::net::Ipv4Addr| crate::alias::netmask_to_prefix(mask).is_some_and(|bits| bits > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    /// Reads a group and shows the effective addresses and the gateway, as nmcli does.
    fn shown(text: &str, is_ipv4: bool) -> String {
        let keyfile = Keyfile::parse(&Text::new(format!("[{}]\n{text}", group(is_ipv4))));
        let family = Family::read(&keyfile, is_ipv4, false);
        if let Some((line, reason)) = family.fault {
            return format!("{line}: {reason}");
        }
        let nets = family.effective().into_iter().map(|address| address.net.to_string());
        nets.chain(family.gateway.map(|gateway| format!("via {gateway}"))).collect::<Vec<_>>().join(" ")
    }

    /// Each behind a sound first address; nmcli 1.42 and 1.52 print the same.
    #[test]
    fn values() {
        for (value, is) in [
            ("198.51.100.7/32", "198.51.100.7/32"),
            ("198.51.100.7", "198.51.100.7/24"),
            ("198.51.100.7/", "198.51.100.7/24"),
            ("198.51.100.7/33", "198.51.100.7/24"),
            ("198.51.100.7/032", "198.51.100.7/32"),
            ("198.51.100.7/0", "198.51.100.7/0"),
            ("198.51.100.7/99999999999999999999", "198.51.100.7/24"),
            ("198.51.100.7,32", "198.51.100.7/32"),
            ("198.51.100.7;32;", "198.51.100.7/32"),
            ("198.51.100.7;32;0.0.0.0;", "198.51.100.7/32"),
            ("198.51.100.7/32/", "198.51.100.7/32"),
            ("198.51.100.7/32,,", "198.51.100.7/32"),
            ("198.51.100.7/32,1.2.3", "198.51.100.7/32"),
            ("198.51.100.7/32,2001:db8::1", "198.51.100.7/32"),
            ("198.51.100.7/255.255.255.255", "198.51.100.7/24"),
            ("198.51.100.7/32;198.51.100.8;", "198.51.100.7/32"),
            ("0.0.0.0/32", "0.0.0.0/32"),
            ("198.51.100.7/32,,x", ""),
            ("198.51.100.7/32,x", ""),
            ("198.51.100.7/32,1.2.3.4,5", ""),
            ("198.51.100.7/32;198.51.100.8/32;", ""),
            ("198.51.100.7/32 ", ""),
            ("198.51.100.7/32 # x", ""),
            ("198.51.100.7/32\\", ""),
            ("198.51.100.7\\s/32", ""),
            ("\"198.51.100.7/32\"", ""),
            ("198.51.100.07/32", ""),
            ("198.51.100.7%eth0/32", ""),
            ("2001:db8::5/128", ""),
            ("", ""),
            ("/32", ""),
        ] {
            let text = format!("method=auto\naddress1=192.0.2.10/24,192.0.2.1\naddress2={value}\n");
            let all = format!("192.0.2.10/24 {is} via 192.0.2.1").replace("  ", " ");
            assert_eq!(shown(&text, true), all, "{value:?}");
        }
        let six = "method=manual\naddress1=::ffff:1.2.3.4/128\naddress2=2001:DB8:0::5/129\naddress3=::1.2.3.4/64\n\
                   address4=fe80::1/64\naddress5=198.51.100.7/32\naddress6=2001:db8::9\n";
        assert_eq!(
            shown(six, false),
            "::ffff:1.2.3.4/128 2001:db8::5/64 ::1.2.3.4/64 fe80::1/64 2001:db8::9/64"
                .replace("::1.2.3.4", "::102:304")
        );
    }

    #[test]
    fn keys_and_their_order() {
        for (keys, is) in [
            ("address10=1.0.0.1/32\naddress9=1.0.0.2/32\n", "1.0.0.2/32 1.0.0.1/32"),
            ("address1=1.0.0.1/32\naddress=1.0.0.2/32\naddresses=1.0.0.3/32\n", "1.0.0.2/32 1.0.0.3/32 1.0.0.1/32"),
            ("addresses1=1.0.0.1/32\naddress1=1.0.0.2/32\naddresses0=1.0.0.3/32\n", "1.0.0.3/32 1.0.0.2/32 1.0.0.1/32"),
            ("address2147483647=1.0.0.1/32\naddress2147483648=1.0.0.2/32\n", "1.0.0.1/32"),
            ("address01=1.0.0.1/32\naddress_1=1.0.0.2/32\naddress-1=1.0.0.3/32\nADDRESS1=1.0.0.4/32\n", ""),
            ("address00=1.0.0.1/32\naddress1[de]=1.0.0.2/32\n", ""),
            ("address1=1.0.0.1/32\naddress1=1.0.0.2/32\n", "1.0.0.2/32"),
            ("address1=1.0.0.1/32\naddress1=x\n", ""),
            ("address1=1.0.0.1/32\naddress2=1.0.0.1/32\naddress3=1.0.0.1/24\n", "1.0.0.1/32 1.0.0.1/32 1.0.0.1/24"),
        ] {
            assert_eq!(shown(&format!("method=auto\n{keys}"), true), is, "{keys}");
        }
    }

    #[test]
    fn gateways_and_profiles_that_are_invalid() {
        const ONE: &str = "address1=192.0.2.10/24\n";
        for (text, is) in [
            ("", "1: [ipv4] has no method="),
            ("method=auto \n", "2: method=\"auto \" is none"),
            ("method=\n", "2: [ipv4] has no method="),
            ("method=dhcp\n", "2: method=\"dhcp\" is none"),
            ("method=manual\n", "2: method=manual without a valid address"),
            ("method=manual\naddress1=192.0.2.10/24 \n", "2: method=manual without a valid address"),
            ("method=manual\nroute1=192.0.2.0/24\n", ""),
            ("method=disabled\naddress1=1.0.0.1/32\n", "3: an address is not allowed with method=disabled"),
            ("method=link-local\naddress1=1.0.0.1/32\n", "3: an address is not allowed with method=link-local"),
            ("method=auto\ngateway=192.0.2.1\n", "3: a gateway is not allowed without an address"),
            ("method=auto\ngateway=0.0.0.0\n", ""),
            ("method=auto\ngateway=x\naddress1=1.0.0.1/32\n", "3: the gateway is not an address"),
            ("method=auto\ngateway=\naddress1=1.0.0.1/32\n", "3: the gateway is not an address"),
            ("method=auto\naddress1=192.0.2.10/24,,\n", "3: the gateway is not an address"),
            (
                "method=auto\naddress1=192.0.2.10/24,1.2.3\naddress2=192.0.2.11/24,192.0.2.1\n",
                "3: the gateway is not an address",
            ),
            (
                "method=auto\naddress1=192.0.2.10/24,0.0.0.0\naddress2=192.0.2.11/24,192.0.2.1\n",
                "192.0.2.10/24 192.0.2.11/24",
            ),
            ("method=auto\ngateway=192.0.2.1\naddress1=192.0.2.10/24,1.2.3\n", "192.0.2.10/24 via 192.0.2.1"),
            ("method=auto\ngateway=0.0.0.0\naddress1=192.0.2.10/24,192.0.2.1\n", "192.0.2.10/24"),
            ("method=auto\naddress1=192.0.2.10/255.255.255.0\n", "192.0.2.10/24 via 255.255.255.0"),
        ] {
            assert_eq!(shown(text, true), is, "{text}");
        }
        assert_eq!(shown(&format!("{ONE}method=shared\n"), true), "192.0.2.10/24");
        assert_eq!(shown("method=dhcp\naddress1=2001:db8::5/128\n", false), "2001:db8::5/128");
        assert!(shown("method=ignore\naddress1=2001:db8::5/128\n", false).starts_with("3: "));
        assert_eq!(
            shown("method=manual\naddress1=2001:db8::5/64,192.0.2.1\n", false),
            "3: the gateway is not an address"
        );
    }

    #[test]
    fn reasons() {
        let reason = |line: &str| {
            let keyfile = Keyfile::parse(&Text::new(format!("[ipv4]\nmethod=auto\n{line}\n")));
            let found = Family::read(&keyfile, true, false).addresses;
            found.first().map(|one| (found.len(), one.is_repairable, one.problem.clone().unwrap_or_default()))
        };
        for (line, count, repairable, part) in [
            ("address2=198.51.100.7/32 # x", 1, true, "comment"),
            ("address2=198.51.100.7/32 ", 1, true, "blanks"),
            ("address2=\"198.51.100.7/32\"", 1, true, "quotes"),
            ("addresses=198.51.100.7/32;198.51.100.8/32;", 2, false, "one address"),
            ("address2=2001:db8::5/128", 1, false, "other family"),
            ("address02=198.51.100.7/32", 1, false, "not a key"),
        ] {
            let (found, is_repairable, reason) = reason(line).unwrap();
            assert_eq!((found, is_repairable), (count, repairable), "{line}");
            assert!(reason.contains(part), "{line}: {reason}");
        }
        assert_eq!(reason("address2=garbage"), None);
        assert_eq!(reason("addressing=1.0.0.1/32").map(|(.., reason)| reason.contains("not a key")), Some(true));
    }
}
