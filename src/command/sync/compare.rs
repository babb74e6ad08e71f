//! The lists compared with what is configured: what goes, what stays all the same, and what no list can bring about.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Governed, line};
use crate::alias::{IfName, host_prefix};
use crate::backend::{Entry, Role};
use crate::detect::Detection;
use crate::error::{Kind, Refusal, Result};
use crate::ui::AddressLine;
use crate::wish_list::{Wish, WishList};

/// What is configured and not named.
#[derive(Default)]
pub(super) struct Difference {
    /// What has to go for that, in the order of the files.
    pub(super) gone: Vec<Entry>,
    /// What stays all the same, with the reason.
    pub(super) kept: Vec<AddressLine>,
}

/// Compares `old` with the lists. That an empty one takes everything away may be a mistake of whatever wrote it.
pub(super) fn difference(
    list: &WishList,
    governed: &[Governed<'_>],
    old: &[Entry],
    detection: &Detection,
    allow_empty: bool,
) -> Result<Difference> {
    // An address that is a primary one somewhere is no surplus where it stands a second time: it would go off the interface.
    let primaries: BTreeSet<IpAddr> =
        old.iter().filter(|entry| entry.role == Role::Primary).map(|entry| entry.address.addr()).collect();
    let (mut gone, mut kept): (BTreeSet<usize>, Vec<AddressLine>) = Default::default();
    for of in governed {
        let named: BTreeSet<IpAddr> = of.wishes.iter().map(|wish| wish.address.addr()).collect();
        let device = device(&of.interface, old)?;
        let own = own_addresses(&of.interface, device, old, detection);
        let mut unnamed: Vec<(usize, &Entry)> = old.iter().enumerate().collect();
        unnamed.retain(|(_, entry)| {
            let ip = entry.address.addr();
            let is_additional = entry.role == Role::Additional && !primaries.contains(&ip);
            is_additional && entry.interface == device && !named.contains(&ip)
        });
        let effective = unnamed.iter().filter(|(_, entry)| entry.is_effective()).map(|(_, entry)| entry.address.addr());
        let goes: BTreeSet<IpAddr> = effective.filter(|ip| !own.contains(ip)).collect();
        if of.wishes.is_empty() && !goes.is_empty() && !allow_empty {
            return Err(emptied(list, &of.interface, goes.len()).into());
        }
        for (at, entry) in unnamed {
            let (ip, place) = (entry.address.addr(), format!("{}:{}", entry.path, entry.line));
            if goes.contains(&ip) {
                gone.insert(at);
            } else if own.contains(&ip) {
                let note = format!("it is what {} itself is known by, and no list's to remove ({place})", of.interface);
                kept.push(line(entry, "unchanged", Some(note)));
            } else {
                let note = format!("it has no effect, and is left as it is ({place})");
                kept.push(line(entry, "unchanged", Some(note)));
            }
        }
    }
    let gone = gone.into_iter().filter_map(|at| old.get(at).cloned()).collect();
    Ok(Difference { gone, kept })
}

/// What the files call the interface: its name or, on a root that does not run, what a file matches that may be it. Of two such
/// files one may be another interface's, whose addresses are not to go.
fn device<'e>(interface: &'e IfName, old: &'e [Entry]) -> Result<&'e str> {
    let may_be: BTreeSet<&str> =
        old.iter().filter(|entry| entry.may_be_on(interface)).map(|entry| entry.interface.as_str()).collect();
    let mut all = may_be.iter();
    match (all.next(), all.next()) {
        _ if may_be.contains(interface.as_str()) => Ok(interface.as_str()),
        (Some(_), Some(_)) => {
            let all: Vec<&str> = may_be.into_iter().collect();
            let reason = format!("which file is for {interface} cannot be told: {} may be it", all.join(", "));
            let hint = "run it on the running system, or use --merge, which removes nothing";
            Err(Refusal::new(Kind::Ambiguous, reason, hint).into())
        }
        (only, _) => Ok(only.copied().unwrap_or(interface.as_str())),
    }
}

fn emptied(list: &WishList, interface: &IfName, count: usize) -> Refusal {
    let which =
        if count == 1 { "the only additional address".to_owned() } else { format!("all {count} additional addresses") };
    let reason = format!("{}: the list of {interface} is empty, so that {which} would go", list.name);
    Refusal::new(Kind::Unacceptable, reason, "if that is meant, use --allow-empty")
}

/// The addresses that an interface is known by, where its files say of none that it is the primary one: most systems know but
/// one primary interface, and the first address with a subnet of every other one is no additional address either.
fn own_addresses(interface: &IfName, device: &str, old: &[Entry], detection: &Detection) -> BTreeSet<IpAddr> {
    if detection.claim.interface.as_ref() == Some(interface) {
        return BTreeSet::new();
    }
    let first = |is_ipv4: bool| {
        let is_of = |entry: &&Entry| entry.address.addr().is_ipv4() == is_ipv4 && entry.interface == device;
        let mut family = old.iter().filter(is_of).filter(|entry| entry.is_effective());
        if family.clone().any(|entry| entry.role == Role::Primary) {
            return None;
        }
        let found = family.find(|entry| entry.address.prefix_len() < host_prefix(entry.address.addr()))?;
        Some(found.address.addr())
    };
    [true, false].into_iter().filter_map(first).collect()
}

/// Refuses a list that has another label or prefix for an address than that is configured with: it would have to go down
/// first, and what a list names stays up.
pub(super) fn agree(list: &WishList, governed: &[Governed<'_>], old: &[Entry]) -> Result<()> {
    let mut configured: BTreeMap<IpAddr, Vec<&Entry>> = BTreeMap::new();
    for entry in old.iter().filter(|entry| entry.is_effective() && entry.role == Role::Additional) {
        configured.entry(entry.address.addr()).or_default().push(entry);
    }
    for of in governed {
        for wish in of.wishes {
            let all = configured.get(&wish.address.addr()).map(Vec::as_slice).unwrap_or_default();
            let mut here = all.iter().filter(|entry| entry.may_be_on(&of.interface));
            if let (Some(first), false) = (here.clone().next(), here.any(|entry| fits(wish, entry))) {
                return Err(contradiction(list, wish, first).into());
            }
        }
    }
    Ok(())
}

fn fits(wish: &Wish, entry: &Entry) -> bool {
    // Where an address has a name of its own (ipadm), that is what a label asks for.
    let is = |label: &str| entry.label.as_deref() == Some(label) || entry.form.ends_with(&format!("/{label}"));
    wish.label.as_ref().is_none_or(|label| is(label.as_str())) && (!wish.has_prefix || entry.address == wish.address)
}

fn contradiction(list: &WishList, wish: &Wish, entry: &Entry) -> Refusal {
    let (ip, place) = (entry.address.addr(), list.place(wish));
    let (is, wanted) = match &wish.label {
        _ if wish.has_prefix && entry.address != wish.address => {
            (format!("the prefix /{}", entry.address.prefix_len()), format!("/{}", wish.address.prefix_len()))
        }
        wanted => {
            let is = entry.label.as_ref().map_or_else(|| "no label".to_owned(), |label| format!("the label {label}"));
            (is, wanted.as_ref().map(ToString::to_string).unwrap_or_default())
        }
    };
    let reason = format!("{place}: {ip} is configured with {is} ({}:{}), not with {wanted}", entry.path, entry.line);
    let hint = format!("take it away first (ipalias remove {ip}), or name it as it is configured");
    Refusal::new(Kind::Unacceptable, reason, hint)
}

/// Refuses a change by which an address gets an effect that it had not, and that no list names.
pub(super) fn none_woken(governed: &[Governed<'_>], new: &[Entry], old: &[Entry]) -> Result<()> {
    let was: BTreeSet<(&str, IpAddr)> = old
        .iter()
        .filter(|entry| entry.is_effective())
        .map(|entry| (entry.interface.as_str(), entry.address.addr()))
        .collect();
    let named: BTreeSet<IpAddr> = governed.iter().flat_map(|of| of.wishes).map(|wish| wish.address.addr()).collect();
    let woken = new.iter().filter(|entry| entry.is_effective()).find(|entry| {
        let ip = entry.address.addr();
        let is_here = governed.iter().any(|of| entry.may_be_on(&of.interface));
        is_here && !named.contains(&ip) && !was.contains(&(entry.interface.as_str(), ip))
    });
    let Some(entry) = woken else { return Ok(()) };
    let ip = entry.address.addr();
    let reason = format!("{ip} stands there without effect, and would get one by this change");
    let hint = format!("take it away first (ipalias remove {ip}), or name it in the file");
    Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&entry.path, entry.line).into())
}
