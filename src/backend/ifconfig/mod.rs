//! What the backends of OpenBSD and NetBSD share: files of one ifconfig(8) call a line, what the calls of an interface
//! leave behind when they have run in order, and the commands for one address.

mod calls;
mod edit;
mod lines;
mod steps;

pub(super) use calls::{Found, entries};
pub(super) use edit::{Target, by_hand};
pub(super) use lines::{File, Line, by_backslash, by_blanks, crlf_refusal};
pub(super) use steps::{Style, direct, down, up};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::Entry;
use crate::alias::Alias;
use crate::error::{Kind, Refusal, Result};
use crate::plan::Plan;
use crate::root::{Root, RootPath};
use crate::syntax::ifconfig::{Deed, Setting};

/// Names of `/etc/hosts` (hosts(5)), the only ones that can be looked up while the network is not up yet.
pub(super) struct Hosts(Vec<(IpAddr, Vec<String>)>);

impl Hosts {
    pub(super) fn read(root: &Root) -> Result<Hosts> {
        let text = String::from_utf8_lossy(&root.read(&"/etc/hosts".into())?.unwrap_or_default()).into_owned();
        let host = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let ip = words.next()?.parse().ok()?;
            Some((ip, words.map(str::to_owned).collect()))
        };
        Ok(Hosts(text.lines().filter_map(host).collect()))
    }

    pub(super) fn find(&self, name: &str, six: bool) -> Option<IpAddr> {
        let has = |(ip, names): &&(IpAddr, Vec<String>)| ip.is_ipv6() == six && names.iter().any(|known| known == name);
        self.0.iter().find(has).map(|(ip, _)| *ip)
    }
}

/// The first word of each line of a file such as `/etc/mygate` that is an address, or the name of one.
pub(super) fn gates(root: &Root, paths: &[&str], hosts: &Hosts) -> Result<Vec<IpAddr>> {
    let mut all = Vec::new();
    for path in paths {
        let text = String::from_utf8_lossy(&root.read(&(*path).into())?.unwrap_or_default()).into_owned();
        all.extend(text.lines().filter_map(|line| gate(line.split('#').next()?, hosts)));
    }
    Ok(all)
}

/// The address of a router, with or without a scope behind it.
pub(super) fn gate(text: &str, hosts: &Hosts) -> Option<IpAddr> {
    let word = text.split_whitespace().next()?;
    let plain = word.split('%').next()?;
    plain.parse().ok().or_else(|| hosts.find(word, false)).or_else(|| hosts.find(word, true))
}

/// The interface and the words behind it, if this is a call of ifconfig.
pub(super) fn ifconfig_call(words: &[Option<String>]) -> Option<(&str, &[Option<String>])> {
    let passed = ["then", "else", "do", "{", "!", "time", "exec", "command"];
    let is_passed = |word: &&Option<String>| word.as_deref().is_some_and(|word| passed.contains(&word));
    let at = words.iter().take_while(is_passed).count();
    match words.get(at..)? {
        [Some(name), Some(interface), rest @ ..] if name == "ifconfig" || name == "/sbin/ifconfig" => {
            Some((interface, rest))
        }
        _ => None,
    }
}

/// What the last line of a file sets, if that is not read and may get its end: an alias, or the only address of the file.
/// `calls` have the index of their line and whether they are a command of the administrator's own.
pub(super) fn may_be_closed<'c>(
    file: &File,
    calls: impl Iterator<Item = (usize, bool, &'c Setting)> + Clone,
) -> Option<&'c Setting> {
    let (last, _) = file.open()?;
    let mut about = calls.filter(|(_, _, setting)| setting.deed != Deed::Nothing);
    let others = about.clone().any(|(line, ..)| line != last);
    let (_, is_own, setting) = about.find(|(line, ..)| *line == last)?;
    let adds = setting.deed == Deed::Alias || setting.deed == Deed::Set && setting.six;
    let replaces = matches!(setting.deed, Deed::Set | Deed::Autoconf);
    (!is_own && setting.fault.is_none() && (adds || replaces && !others)).then_some(setting)
}

/// Refuses labels, which neither system has.
pub(super) fn no_labels(want: &[Alias]) -> Result<()> {
    match want.iter().find_map(|alias| alias.label.as_ref()) {
        Some(_) => Err(Refusal::new(Kind::Unacceptable, "addresses have no labels on BSD", "leave --label out").into()),
        None => Ok(()),
    }
}

/// The interfaces of `aliases`, each with its wishes.
pub(super) fn by_interface(aliases: &[Alias]) -> BTreeMap<&str, Vec<&Alias>> {
    let mut all: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    aliases.iter().for_each(|alias| all.entry(alias.interface.as_str()).or_default().push(alias));
    all
}

/// The effective entries of `these` that `those` do not have.
pub(super) fn without<'e>(these: &'e [Entry], those: &[Entry]) -> Vec<&'e Entry> {
    let mut left: BTreeMap<_, usize> = BTreeMap::new();
    for entry in those.iter().filter(|entry| entry.is_effective()) {
        *left.entry(entry.identity()).or_default() += 1;
    }
    let mut only = Vec::new();
    for entry in these.iter().filter(|entry| entry.is_effective()) {
        match left.get_mut(&entry.identity()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => only.push(entry),
        }
    }
    only
}

/// Refuses a removal after which other calls of the file do something else than before.
pub(super) fn keeps_others(old: &[Entry], new: &[Entry], gone: &[Entry]) -> Result<()> {
    let place = |entry: &Entry| (entry.interface.clone(), entry.address.addr());
    let goes: BTreeSet<_> = gone.iter().map(place).collect();
    let lost = without(old, new).into_iter().find(|entry| !goes.contains(&place(entry)));
    let came = without(new, old).into_iter().next();
    let (entry, what, hint) = match (lost, came) {
        (Some(lost), _) => {
            let hint =
                "a line without `alias` replaces the interface's first address: put that line right by hand first";
            (lost, "lose its effect or its role", hint)
        }
        (None, Some(came)) => {
            let hint = "what is left would let this line count: take out by hand which of the two is not wanted";
            (came, "be configured, which it is not now", hint)
        }
        (None, None) => return Ok(()),
    };
    let first = gone.first().map(|entry| entry.address.addr().to_string()).unwrap_or_default();
    let reason = format!("with {first} taken out, {} would {what}", entry.address);
    Err(Refusal::new(Kind::Malformed, reason, hint).at(&entry.path, entry.line).into())
}

/// Refuses an addition that a call behind it would undo: one of another file, or of a command line.
pub(super) fn lasts(new: &[Entry], want: &[Alias]) -> Result<()> {
    let mut known: BTreeMap<(&str, IpNet), Vec<&Entry>> = BTreeMap::new();
    for entry in new {
        known.entry((&entry.interface, entry.address)).or_default().push(entry);
    }
    for alias in want {
        let here = known.get(&(alias.interface.as_str(), alias.address)).map(Vec::as_slice).unwrap_or_default();
        if here.iter().any(|entry| entry.is_effective()) {
            continue;
        }
        let why = here.iter().filter_map(|entry| entry.problem.clone()).next_back().unwrap_or_default();
        let reason = format!("{} would not last: {why}", alias.address.addr());
        let hint = "put that line right first, or take it out";
        return Err(Refusal::new(Kind::Malformed, reason, hint).into());
    }
    Ok(())
}

/// Says of addresses that stand in a file already, but without effect, why that is so.
pub(super) fn note_idle(old: &[Entry], new: &[Entry], want: &[Alias], plan: &mut Plan) {
    let ips: BTreeSet<IpAddr> = want.iter().map(|alias| alias.address.addr()).collect();
    let is_idle = |entry: &&Entry| !entry.is_effective() && ips.contains(&entry.address.addr());
    for entry in old.iter().filter(is_idle).filter(|entry| new.contains(entry)) {
        let why = entry.problem.as_deref().unwrap_or_default();
        plan.notes.push(format!("{}:{} has no effect and stays as it is: {why}", entry.path, entry.line));
    }
}

/// The refusal of a line that does more than set the address.
pub(super) fn says_more(path: &RootPath, line: usize, entry: &Entry, what: &str) -> anyhow::Error {
    let reason = format!("the line of {} does more than set it ({what})", entry.address.addr());
    let hint = "put the rest on a line of its own, or take the address out by hand";
    Refusal::new(Kind::Malformed, reason, hint).at(path, line).into()
}
