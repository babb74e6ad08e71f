//! How ifupdown and BusyBox read the address of one stanza.
//!
//! Both take one `address` line in a stanza (interfaces(5), `static`; `compute_v4_mask` of ifupdown's `archcommon.c`,
//! `static_up` of BusyBox). A value goes to the end of its line and is put into a shell command as it is, so that what
//! stands behind an address breaks the command. A second line is put behind the first, with a line end between them.

use std::net::IpAddr;

use crate::alias;
use crate::syntax::words::WordLine;

use super::address::{self, Settled};
use super::flavour::Flavour;
use super::hook;
use super::stanza::{Family, Stanza};

/// The options of static stanzas whose values ifupdown puts into commands (`inet.defn`, `inet6.defn`).
const IN_COMMANDS: [&[u8]; 7] =
    [b"broadcast", b"gateway", b"metric", b"mtu", b"pointopoint", b"preferred-lifetime", b"scope"];

/// The `address` and `netmask` lines of one stanza, those that it inherits first.
pub(super) struct Lines<'o> {
    flavour: Flavour,
    addresses: Vec<&'o WordLine>,
    netmasks: Vec<&'o WordLine>,
    deprecated: bool,
    /// An option that goes into a command and is there twice, which breaks the command.
    doubled: Option<String>,
}

impl<'o> Lines<'o> {
    /// Picks the lines out of the options of a stanza.
    pub(super) fn new(flavour: Flavour, options: &[&'o WordLine]) -> Lines<'o> {
        let of = |name: &[u8]| options.iter().copied().filter(|option| option.word(0) == name).collect();
        let deprecated = options.iter().any(|option| option.word(0) == b"preferred-lifetime" && option.word(1) == b"0");
        let count = |name: &&[u8]| options.iter().filter(|option| option.word(0) == *name).count();
        let doubled = IN_COMMANDS.into_iter().find(|name| count(name) > 1);
        let doubled = doubled.map(|name| String::from_utf8_lossy(name).into_owned());
        Lines { flavour, addresses: of(b"address"), netmasks: of(b"netmask"), deprecated, doubled }
    }

    /// The prefix that the reader gives the address at `nth`, or why it will not set it.
    pub(super) fn settle(&self, stanza: &Stanza, nth: usize, ip: IpAddr, own: Option<u8>, words: usize) -> Settled {
        let given = self.given();
        let settled = Settled { bits: given.or(own), problem: None, fails: false, deprecated: self.deprecated };
        match self.prefix(stanza, nth, ip, own, words) {
            Ok(bits) => Settled { bits: Some(bits), ..settled },
            Err((reason, fails)) => Settled { problem: Some(reason), fails, ..settled },
        }
    }

    fn given(&self) -> Option<u8> {
        hook::prefix(std::str::from_utf8(self.netmasks.first()?.word(1)).ok()?)
    }

    /// The prefix length, or the reason and whether `ifup` fails for it.
    fn prefix(
        &self,
        stanza: &Stanza,
        nth: usize,
        ip: IpAddr,
        own: Option<u8>,
        words: usize,
    ) -> Result<u8, (String, bool)> {
        let name = self.flavour.name();
        let fails = |reason: &str| Err((reason.to_owned(), true));
        if !matches!(stanza.method.as_str(), "static" | "tunnel" | "v4tunnel") {
            return Err((format!("the method {} takes no address line", stanza.method), false));
        }
        if !stanza.family.takes(if ip.is_ipv4() { Family::V4 } else { Family::V6 }) {
            return fails("the address is not of the stanza's family");
        }
        if self.addresses.len() > 1 {
            let first = self.addresses.first().filter(|first| first.words.len() == 2);
            let first = address::read(first.and_then(|first| first.words.get(1)));
            let works = ip.is_ipv4() && self.netmasks.is_empty() && first.is_some_and(|(_, bits)| bits.is_some());
            return match (works, nth, own) {
                (false, ..) => {
                    Err((format!("ifup fails on two address lines, and {} does not come up", stanza.name), true))
                }
                (true, 0, Some(own)) => Ok(own),
                (true, ..) => Err(("ifupdown takes only the first address line of a stanza".to_owned(), false)),
            };
        }
        if words > 2 || self.netmasks.iter().any(|netmask| netmask.words.len() > 2) {
            return fails("the words behind the value are part of it, so that ifup fails");
        }
        if let Some(option) = &self.doubled {
            return fails(&format!("a second {option} line breaks the command, so that ifup fails"));
        }
        let given = self.given();
        let impossible = given.is_none_or(|bits| bits > alias::host_prefix(ip));
        if self.netmasks.len() > 1 || (!self.netmasks.is_empty() && impossible) {
            return fails("the netmask cannot be read, so that ifup fails");
        }
        let in_bits = self.netmasks.first().is_some_and(|netmask| !netmask.word(1).contains(&b'.'));
        match self.flavour {
            Flavour::Classic => Ok(given.or(own).unwrap_or(hook::class_prefix(ip))),
            _ if own.is_some() => Err((format!("{name} takes no prefix behind the address"), true)),
            Flavour::BusyBox if ip.is_ipv4() && in_bits => fails("BusyBox takes only a dotted netmask"),
            _ => given.ok_or_else(|| (format!("{name} needs a netmask"), true)),
        }
    }
}
