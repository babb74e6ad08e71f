//! What an interface's files have to be before an address is added.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::consumer::Readers;
use super::entries::not_an_address;
use super::file::{DIR, File};
use super::files::Files;
use crate::alias::Alias;
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::Plan;
use crate::root::{Root, RootPath};

/// The base file of `interface`, if that can have addresses and everything about it can be read.
pub(super) fn usable<'f>(files: &'f Files, interface: &str) -> Result<&'f File> {
    let bases = files.bases_of(interface);
    let Some(base) = bases.first().copied() else {
        let path = RootPath::from(DIR).join(format!("ifcfg-{interface}"));
        let hint = "configure the interface first, or name another one with -i";
        let reason = format!("no file here configures {interface}");
        return Err(Refusal::new(Kind::Unsupported, reason, hint).at(&path, 0).into());
    };
    let refuse = |kind, reason: String, hint: String| -> Result<&File> {
        Err(Refusal::new(kind, reason, hint).at(&base.path, 0).into())
    };
    let readers = files.readers(base);
    let by_manager = matches!(readers, Readers::NetworkManager | Readers::Both);
    base.sound(by_manager)?;
    files.aliases(base).chain(files.ranges(base)).try_for_each(|file| file.sound(by_manager))?;
    if let Some(name) = not_an_address(base) {
        let reason = format!("{name} is no IPv4 address");
        return base.malformed(base.line(&name), &reason, "correct it, or take it out");
    }
    if let Some(master) = base.master() {
        let reason = format!("{interface} is a port of {master}, which has the addresses");
        let known = files.base(&master).is_some();
        let hint = if known { format!("use -i {master}") } else { "name what it is a port of with -i".to_owned() };
        return refuse(Kind::Unacceptable, reason, hint);
    }
    if readers == Readers::Nobody {
        let reason = "NM_CONTROLLED keeps NetworkManager away from this file, and the network service does not start";
        let hint = "take NM_CONTROLLED out, or enable the network service (chkconfig network on)";
        return refuse(Kind::Unsupported, reason.to_owned(), hint.to_owned());
    }
    if base.denies("ONBOOT") {
        let reason = format!("ONBOOT is no, so nothing of {interface} comes up at boot");
        let refusal = Refusal::new(Kind::Unacceptable, reason, "say ONBOOT=yes there first");
        return Err(refusal.at(&base.path, base.line("ONBOOT")).into());
    }
    let started: Vec<&&File> = bases.iter().filter(|base| !base.denies("ONBOOT")).collect();
    if let (Readers::NetworkManager, [_, other, ..]) = (readers, started.as_slice()) {
        let reason = format!("{} configures {interface}, too, and NetworkManager takes one of them", other.path);
        return refuse(Kind::Ambiguous, reason, "move one of the files away, or say ONBOOT=no in it".to_owned());
    }
    Ok(base)
}

/// Refuses an address that a file has which the scripts pass over: they would pass over the new one as the second.
pub(super) fn none_in_the_way(root: &Root, want: &[Alias], plan: &Plan) -> Result<()> {
    let new = super::found(&plan.overlay(root))?;
    let up: BTreeSet<IpAddr> =
        new.iter().filter(|entry| entry.is_effective()).map(|entry| entry.address.addr()).collect();
    for alias in want.iter().filter(|alias| !up.contains(&alias.address.addr())) {
        let is = |entry: &Entry| entry.address.addr() == alias.address.addr();
        if let Some(old) = super::found(root)?.iter().find(|old| is(old)) {
            let ip = old.address.addr();
            let why = old.problem.as_deref().unwrap_or_default();
            let reason = format!("{ip} stands here already without effect ({why}), which keeps a second file from one");
            let hint = format!("take it out first: ipalias remove {ip}");
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&old.path, old.line).into());
        }
    }
    Ok(())
}
