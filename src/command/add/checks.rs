//! What speaks against an address: it would hurt the primary one, be configured twice, or belongs to something else.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, host_prefix};
use crate::backend::{self, Entry, Role, Situation, UpAddress};
use crate::detect::Detection;
use crate::error::{Kind, Refusal, Result};
use crate::live::Snapshot;
use crate::rewriters;
use crate::root::{Root, RootPath};

/// Refuses what would hurt the primary address or configure an address in two places.
pub(super) fn acceptable(
    alias: &Alias,
    primaries: &[&Entry],
    same: &[&Entry],
    live: &[&UpAddress],
    snapshot: Option<&Snapshot>,
) -> Result<()> {
    let ip = alias.address.addr();
    let refuse = |reason: String, hint: &str| Err(Refusal::new(Kind::Unacceptable, reason, hint).into());
    if let Some(primary) = same.iter().find(|entry| entry.role == Role::Primary) {
        return Err(primary_already(ip).at(&primary.path, primary.line).into());
    }
    // An IPv6 address that was put up by hand is the source of new connections, being the newest: what the files call the
    // primary address is that all the same.
    let is_other = |entry: &&&Entry| entry.address.addr().is_ipv6() && entry.may_be_on(&alias.interface);
    let by_hand = ip.is_ipv6()
        && (primaries.iter().any(|entry| is_other(&entry))
            || snapshot.is_some_and(|snapshot| snapshot.has_leased(alias.interface.as_str(), ip)));
    if same.is_empty() && !by_hand && snapshot.is_some_and(|snapshot| snapshot.is_source(ip)) {
        return refuse(format!("{ip} is the primary address of the running system"), "it needs no adding");
    }
    if let Some(other) = same.iter().find(|entry| entry.is_effective() && !entry.may_be_on(&alias.interface)) {
        let reason = format!("{ip} is configured on {} already", other.interface);
        let hint = format!("remove it there first: ipalias remove {ip}");
        return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&other.path, other.line).into());
    }
    if let Some(other) = live.iter().find(|up| up.interface != alias.interface.as_str()) {
        let hint = "take it off there first, or name that interface with -i";
        return refuse(format!("{ip} is up on {} already", other.interface), hint);
    }
    let wider = |entry: &&&Entry| {
        let (new, primary) = (alias.address, entry.address);
        new.prefix_len() < primary.prefix_len() && new.contains(&primary.addr())
    };
    if let Some(primary) = primaries.iter().find(wider) {
        let reason = format!("{} would swallow the subnet of the primary address {}", alias.address, primary.address);
        return refuse(reason, "additional addresses usually have the prefix /32 or /128; leave the prefix out");
    }
    Ok(())
}

/// Refuses the address of a router that this host sends through: it would send to itself instead.
pub(super) fn not_a_gateway(ip: IpAddr, gateways: &BTreeSet<IpAddr>) -> Result<()> {
    if !gateways.contains(&ip) {
        return Ok(());
    }
    let hint = "it belongs to the router; look for the additional address in what your hoster has written";
    Err(Refusal::new(Kind::Unacceptable, format!("{ip} is the gateway of this server"), hint).into())
}

/// The refusal of the address that the host is known by.
fn primary_already(ip: IpAddr) -> Refusal {
    Refusal::new(Kind::Unacceptable, format!("{ip} is the primary address"), "it needs no adding")
}

/// Refuses an address that the system below a control panel configures: it would come up twice.
pub(super) fn only_once(alias: &Alias, below: &[Entry], detection: &Detection) -> Result<()> {
    let ip = alias.address.addr();
    let Some(entry) = below.iter().find(|entry| entry.address.addr() == ip) else { return Ok(()) };
    let name = detection.below.map_or("", |below| below.name());
    let refusal = match entry.role {
        Role::Primary => primary_already(ip),
        Role::Additional => Refusal::new(
            Kind::ManagedElsewhere,
            format!("{ip} is configured below {} already, and would come up twice", detection.backend.name()),
            format!("leave it there, or remove it there first: ipalias --backend {name} remove {ip}"),
        ),
    };
    Err(refusal.at(&entry.path, entry.line).into())
}

/// Refuses an address that a file of another system configures, or that another program moves or puts up: `--force` is for
/// those who know better.
pub(super) fn unclaimed(root: &Root, missing: &[Alias], old: &[Entry], detection: &Detection) -> Result<()> {
    let wanted: BTreeSet<IpAddr> = missing.iter().map(|alias| alias.address.addr()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    if let Some(refusal) = rewriters::objections(root, &wanted)?.into_iter().next() {
        return Err(refusal.into());
    }
    // What the backend in charge reads it has judged itself, and what is below /run is made from other files.
    let judged: BTreeSet<&RootPath> = old.iter().map(|entry| &entry.path).chain(&detection.claim.files).collect();
    let in_charge = [Some(detection.backend), detection.below].map(|backend| backend.map(backend::Backend::home));
    for other in backend::ALL.iter().filter(|other| !in_charge.contains(&Some(other.home()))) {
        let entries = match other.entries(root) {
            Err(error) if error.is::<Refusal>() => continue,
            entries => entries?,
        };
        let twice = |entry: &&Entry| {
            entry.is_effective()
                && wanted.contains(&entry.address.addr())
                && !judged.contains(&entry.path)
                && !entry.path.is_under(&"/run".into())
        };
        if let Some(entry) = entries.iter().find(twice) {
            let ip = entry.address.addr();
            if entry.role == Role::Primary {
                return Err(primary_already(ip).at(&entry.path, entry.line).into());
            }
            let (name, here) = (other.name(), detection.backend.name());
            let reason = format!("{ip} stands in a file of {name} already, and would be configured twice");
            let hint = format!(
                "remove it there first: ipalias --backend {name} remove {ip}; if nobody reads that file because {here} is in \
                 charge, use --force"
            );
            return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&entry.path, entry.line).into());
        }
    }
    Ok(())
}

/// The most addresses that a running system is given without being asked twice: Linux looks through all of them for each
/// new one, so that 8,192 take a second and 65,536 nine minutes (measured).
const MOST_UP: usize = 8192;

/// Refuses more addresses than a kernel takes in bearable time. `new` are brought up beside those of `now`.
pub(super) fn bearable(new: usize, now: &Situation) -> Result<()> {
    let all = now.up.len() + new;
    if new == 0 || all <= MOST_UP {
        return Ok(());
    }
    let reason = format!("{all} addresses would be up, and from {MOST_UP} on the kernel takes minutes over them");
    let hint = "use --apply none to write the files only, or --force if it may take its time";
    Err(Refusal::new(Kind::Unacceptable, reason, hint).into())
}

/// What is wrong with a prefix that makes strangers neighbours: the network is not one that the host is on already.
pub(super) fn too_wide(alias: &Alias, primaries: &[&Entry], now: &Situation) -> Option<String> {
    let net = alias.address;
    let whole = host_prefix(net.addr());
    let same = |other: &IpNet| other.trunc() == net.trunc();
    let known = primaries.iter().map(|entry| &entry.address).chain(now.up.iter().map(|up| &up.address)).any(same);
    (net.prefix_len() < whole && !known).then(|| {
        format!(
            "{net} makes the whole of {} neighbours on the link, which it can no longer reach through the gateway: hosters \
             such as OVHcloud, Scaleway and Hetzner deliver additional addresses as /{whole}, so leave the prefix out unless \
             yours gave you that network",
            net.trunc()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_kernel_bears() {
        let now = Situation::default();
        assert!(bearable(MOST_UP, &now).is_ok() && bearable(0, &now).is_ok());
        assert!(bearable(MOST_UP + 1, &now).unwrap_err().to_string().contains("8193 addresses"));
    }
}
