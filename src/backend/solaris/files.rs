//! `/etc/hostname.IF`, `/etc/hostname.IF:N` and `/etc/hostname6.IF`: each line is a call of ifconfig(1M).
//!
//! Measured with the routine of net_include.sh: no comments, no quotes; a file of exactly one line gets
//! `netmask + broadcast + up` behind it, one of more lines nothing; a last line without its end is not executed.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use crate::alias::{host_prefix, netmask_to_prefix, with_prefix};
use crate::backend::{Entry, Role};
use crate::error::{Kind, Refusal, Result};
use crate::root::{Root, RootPath};
use crate::text::{Line, Text};

/// One file.
pub(super) struct File {
    /// `IF` or `IF:N`.
    pub(super) name: String,
    pub(super) six: bool,
    pub(super) path: RootPath,
    pub(super) text: Text,
}

/// Why a last line without its end has no effect.
pub(super) const UNREAD: &str = "the last line has no line end, so it is not executed";

/// A word and its place.
type Word = (String, Range<usize>);

/// An address of a file.
pub(super) struct Address {
    pub(super) entry: Entry,
    /// The words it is made of, in the file.
    pub(super) at: Range<usize>,
    /// The line, from 0.
    pub(super) line: usize,
    /// Whether `addif` stands before it.
    pub(super) is_addif: bool,
    /// Whether it is all of its line.
    pub(super) is_alone: bool,
}

impl File {
    pub(super) fn interface(&self) -> &str {
        self.name.split(':').next().unwrap_or(&self.name)
    }

    pub(super) fn number(&self) -> Option<u32> {
        self.name.split_once(':')?.1.parse().ok()
    }

    /// The same file with other bytes.
    pub(super) fn with(&self, bytes: &[u8]) -> File {
        File { name: self.name.clone(), six: self.six, path: self.path.clone(), text: Text::new(bytes) }
    }

    /// Refuses to edit a file that is broken already.
    pub(super) fn sound(&self) -> Result<()> {
        if let Some(line) = self.text.lines().find(Line::ends_with_return) {
            let hint = "convert the file to plain line ends: ifconfig takes the carriage return for a part of the word";
            let refusal = Refusal::new(Kind::Malformed, "the line ends with a carriage return", hint);
            return Err(refusal.at(&self.path, line.number).into());
        }
        // The start scripts' `read` joins them (from memory), so that no line of the file stands for itself.
        if let Some(line) = self.text.lines().find(|line| line.content.ends_with(b"\\")) {
            let hint = "write each call of ifconfig on one line, or edit the file by hand";
            let refusal = Refusal::new(Kind::Malformed, "the line goes on with the next one", hint);
            return Err(refusal.at(&self.path, line.number).into());
        }
        for line in self.text.lines() {
            let words = words(line.content, line.start);
            if let Some((word, _)) = words.iter().find(|(word, _)| has_odd_prefix(word)) {
                let hint = "write a length of at most 32, or 128 for IPv6";
                let refusal = Refusal::new(Kind::Malformed, format!("{word} has no prefix length"), hint);
                return Err(refusal.at(&self.path, line.number).into());
            }
        }
        Ok(())
    }
}

/// The files that the start scripts read, in the order of their names: those that end in a digit and have no further dot.
pub(super) fn files(root: &Root) -> Result<Vec<File>> {
    let mut all = Vec::new();
    for name in root.list(&"/etc".into())? {
        let Ok(name) = std::str::from_utf8(&name) else { continue };
        let (six, rest) = match (name.strip_prefix("hostname6."), name.strip_prefix("hostname.")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => continue,
        };
        // A logical interface has a number, and nothing else, behind the colon.
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u32>().is_ok();
        let is_interface = rest.split_once(':').is_none_or(|(_, number)| is_number(number));
        let is_read = rest.ends_with(|c: char| c.is_ascii_digit()) && !rest.contains('.') && is_interface;
        let path = root.resolve(&RootPath::from("/etc").join(name))?;
        if is_read && root.is_file(&path)? && rest.split(':').next() != Some("lo0") {
            let text = Text::new(root.read(&path)?.unwrap_or_default());
            all.push(File { name: rest.to_owned(), six, path, text });
        }
    }
    Ok(all)
}

/// Names and masks that addresses may be looked up in (hosts(4), ipnodes(4), netmasks(4)).
pub(super) struct Tables {
    hosts: Vec<(IpAddr, Vec<String>)>,
    masks: Vec<(Ipv4Addr, Ipv4Addr)>,
}

impl Tables {
    pub(super) fn read(root: &Root) -> Result<Tables> {
        let mut hosts = Vec::new();
        let lines = |paths: &[&str]| -> Result<Vec<String>> {
            let mut all = Vec::new();
            for path in paths {
                let text = String::from_utf8_lossy(&root.read(&(*path).into())?.unwrap_or_default()).into_owned();
                all.extend(text.lines().map(|line| line.split('#').next().unwrap_or_default().to_owned()));
            }
            Ok(all)
        };
        for line in lines(&["/etc/inet/hosts", "/etc/hosts", "/etc/inet/ipnodes"])? {
            let mut words = line.split_whitespace();
            if let Some(ip) = words.next().and_then(|ip| ip.parse().ok()) {
                hosts.push((ip, words.map(str::to_owned).collect()));
            }
        }
        let mask = |line: String| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        };
        let masks = lines(&["/etc/inet/netmasks", "/etc/netmasks"])?.into_iter().filter_map(mask).collect();
        Ok(Tables { hosts, masks })
    }

    pub(super) fn resolve(&self, name: &str, six: bool) -> Option<IpAddr> {
        let named =
            |(ip, names): &&(IpAddr, Vec<String>)| ip.is_ipv6() == six && names.iter().any(|known| known == name);
        self.hosts.iter().find(named).map(|(ip, _)| *ip)
    }

    /// The prefix that `netmask +` gives; nothing if no network fits, and the mask stays as it is.
    pub(super) fn prefix(&self, ip: Ipv4Addr) -> Option<u8> {
        self.prefixes(ip).max()
    }

    /// The prefixes of all networks that fit: subnets, and networks of a class whose subnets have that mask (from memory).
    pub(super) fn prefixes(&self, ip: Ipv4Addr) -> impl Iterator<Item = u8> {
        let class = u32::MAX << (32 - u32::from(class_bits(ip)));
        let fits = move |(network, mask): &&(Ipv4Addr, Ipv4Addr)| {
            let of_class = u32::from(*mask) & class == class && u32::from(ip) & class == u32::from(*network);
            of_class || u32::from(ip) & u32::from(*mask) == u32::from(*network)
        };
        self.masks.iter().filter(fits).filter_map(|(_, mask)| netmask_to_prefix(*mask))
    }
}

/// The addresses of a file.
pub(super) fn addresses(file: &File, tables: &Tables) -> Vec<Address> {
    let mut all: Vec<Address> = Vec::new();
    let lines: Vec<(usize, Vec<Word>)> = file
        .text
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let whole = file.text.bytes().get(line.range()).unwrap_or_default();
            (index, words(whole.strip_suffix(b"\n").unwrap_or(whole), line.start))
        })
        .collect();
    let implied = !file.six && lines.len() == 1;
    let up_alone =
        lines.iter().any(|(_, words)| words.len() == 1 && words.first().is_some_and(|(word, _)| word == "up"));
    for (index, words) in &lines {
        if words.first().is_none_or(|(word, _)| word.starts_with('#')) {
            continue;
        }
        let mut start = 0;
        while start < words.len() {
            let end = (start + 1..words.len())
                .find(|at| words.get(*at).is_some_and(|(word, _)| word == "addif"))
                .unwrap_or(words.len());
            let group = words.get(start..end).unwrap_or_default();
            let alone = start == 0 && end == words.len();
            all.extend(address(file, tables, group, *index, implied && end == words.len(), up_alone, alone));
            start = end;
        }
    }
    if file.text.ends_open() {
        let last = file.text.line_count().saturating_sub(1);
        all.iter_mut()
            .filter(|address| address.line == last)
            .for_each(|address| address.entry.problem = Some(UNREAD.to_owned()));
    }
    all
}

/// Whether `word` is an address with something behind its slash that is no prefix length.
fn has_odd_prefix(word: &str) -> bool {
    let Some((ip, bits)) = word.split_once('/') else { return false };
    let Ok(ip) = ip.parse::<IpAddr>() else { return false };
    bits.parse::<u8>().ok().is_none_or(|bits| with_prefix(ip, bits).is_none())
}

fn words(line: &[u8], start: usize) -> Vec<Word> {
    let mut all: Vec<Word> = Vec::new();
    let mut from = None;
    for at in 0..=line.len() {
        let blank = line.get(at).is_none_or(|byte| matches!(byte, b' ' | b'\t'));
        match (blank, from) {
            (false, None) => from = Some(at),
            (true, Some(first)) => {
                let word = String::from_utf8_lossy(line.get(first..at).unwrap_or_default()).into_owned();
                all.push((word, start + first..start + at));
                from = None;
            }
            _ => {}
        }
    }
    all
}

fn address(
    file: &File,
    tables: &Tables,
    group: &[Word],
    line: usize,
    implied: bool,
    up_alone: bool,
    is_alone: bool,
) -> Option<Address> {
    let is_addif = group.first()?.0 == "addif";
    let rest = group.get(usize::from(is_addif)..)?;
    let (first, options) = rest.split_first()?;
    let (name, bits) = match first.0.split_once('/') {
        Some((name, bits)) => (name, Some(bits.parse::<u8>().ok()?)),
        None => (first.0.as_str(), None),
    };
    let keyword = ["up", "plumb", "netmask", "broadcast", "dhcp", "mtu", "group", "auto-dhcp"].contains(&name);
    let ip = name
        .parse()
        .ok()
        .or_else(|| tables.resolve(name, file.six))
        .filter(|ip: &IpAddr| ip.is_ipv6() == file.six && !keyword)?;
    let mut bits = bits;
    let mut is_up = implied || up_alone && !is_addif || file.six && !is_addif;
    let mut broken = false;
    let mut looked_up = implied;
    let plain: Vec<&str> = options.iter().map(|(word, _)| word.as_str()).collect();
    for pair in plain.windows(2) {
        if let ["netmask", mask] = pair {
            looked_up |= *mask == "+";
            bits = mask_bits(mask).or(bits);
        }
    }
    for (word, _) in options {
        is_up |= word == "up";
        broken |= word.ends_with('\r');
    }
    if let (true, IpAddr::V4(ip)) = (looked_up, ip) {
        bits = tables.prefix(ip).or(bits);
    }
    let bits = bits.unwrap_or(match ip {
        IpAddr::V4(ip) => class_bits(ip),
        IpAddr::V6(_) => host_prefix(ip),
    });
    let problem = if broken {
        Some("the line ends with a carriage return, which ifconfig refuses".to_owned())
    } else {
        (!is_up).then(|| "nothing says `up`".to_owned())
    };
    let label = file.number().map(|_| file.name.clone());
    let primary = !is_addif && file.number().is_none();
    Some(Address {
        entry: Entry {
            interface: file.interface().to_owned(),
            address: with_prefix(ip, bits)?,
            label,
            path: file.path.clone(),
            line: line + 1,
            form: match (file.number(), is_addif) {
                (Some(_), _) => "hostname file of its own".to_owned(),
                (None, true) => "addif".to_owned(),
                (None, false) => "hostname file".to_owned(),
            },
            role: if primary { Role::Primary } else { Role::Additional },
            problem,
        },
        at: group.first()?.1.start..group.last()?.1.end,
        line,
        is_addif,
        is_alone,
    })
}

fn class_bits(ip: Ipv4Addr) -> u8 {
    match ip.octets() {
        [..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    }
}

fn mask_bits(mask: &str) -> Option<u8> {
    let hex = mask.strip_prefix("0x").or(Some(mask).filter(|mask| mask.len() == 8 && !mask.contains('.')));
    match hex {
        Some(hex) => netmask_to_prefix(u32::from_str_radix(hex, 16).ok()?.into()),
        None => netmask_to_prefix(mask.parse().ok()?),
    }
}
