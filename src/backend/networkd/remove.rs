//! Removing: an `[Address]` section with the blank line before it, or a line of `[Network]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::addresses::{Address, Place, addresses};
use super::claim::{is_cloud_inits, is_netplans};
use super::files::{ETC, Fragment, Network, RUN};
use super::site::DROPIN;
use super::{Survey, if_name};
use crate::alias::Alias;
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Change, Plan, Step};
use crate::root::{Root, RootPath};
use crate::text::Splice;

/// The plan that takes `gone` out of the files and off their interfaces.
pub fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let survey = Survey::of(root)?;
    let mut wanted: Wanted<'_> = BTreeMap::new();
    for entry in gone {
        let place = (&entry.path, entry.line, entry.address.addr());
        wanted.entry(place).or_default().insert(&entry.interface);
    }
    let mut plan = Plan::nothing();
    let mut found = 0;
    for (index, network) in survey.networks.iter().enumerate() {
        let interfaces = survey.interfaces(index);
        let all = addresses(network, survey.release);
        plan.notes.extend(subnet_note(&all, gone));
        for (position, fragment) in network.fragments.iter().enumerate() {
            let leaving = Leaving::from(fragment, all.iter().filter(|address| address.fragment == position), &wanted);
            if !leaving.gone.is_empty() {
                found += leaving.gone.len();
                leaving.plan(root, network, &interfaces, &wanted, &mut plan)?;
            }
        }
    }
    if found < wanted.len() {
        let reason = "an address is not where it was found";
        return Err(Refusal::new(Kind::ChangedSince, reason, "try again").into());
    }
    if plan.leaves_files() {
        return Ok(plan);
    }
    let deletions: Vec<Step> = gone.iter().filter(|entry| entry.is_effective()).filter_map(deletion).collect();
    let reread = survey.release.reread();
    plan.auto.after = reread.into_iter().chain(deletions.iter().cloned()).collect();
    plan.restart = survey.release.restart().map(|restart| {
        let after = restart.into_iter().chain(deletions).collect();
        Apply { before: Vec::new(), after }
    });
    plan.notes.extend(survey.release.rereading_note());
    Ok(plan)
}

/// A word of warning where an address goes whose subnet others are in: the kernel may take those with it (`promote_secondaries`
/// of ip-sysctl.rst).
fn subnet_note(all: &[Address], gone: &[Entry]) -> Option<String> {
    let going: BTreeSet<IpNet> = gone.iter().filter(|entry| entry.is_effective()).map(|entry| entry.address).collect();
    let subnets: BTreeSet<IpNet> =
        going.iter().filter(|net| net.addr().is_ipv4() && net.prefix_len() < 32).map(IpNet::trunc).collect();
    let stays = |address: &&Address| address.problem.is_none() && !going.contains(&address.net);
    let other = all.iter().filter(stays).find(|address| subnets.contains(&address.net.trunc()))?;
    Some(format!("{} is in the same subnet; where promote_secondaries is 0, the kernel takes it, too", other.net))
}

fn deletion(entry: &Entry) -> Option<Step> {
    let alias = Alias { interface: if_name(&entry.interface)?, address: entry.address, label: None, preferred: true };
    Some(Step::new(Action::Delete(alias)))
}

/// The addresses to go, by file, line and address, with the interfaces that they go from.
type Wanted<'a> = BTreeMap<(&'a RootPath, usize, IpAddr), BTreeSet<&'a str>>;

/// What goes from one file.
struct Leaving<'a> {
    fragment: &'a Fragment,
    gone: Vec<&'a Address>,
    /// The address that counts in each `[Address]` section, the last one: its item, and whether it has an effect.
    last: BTreeMap<usize, (usize, bool)>,
}

impl<'a> Leaving<'a> {
    fn from(fragment: &'a Fragment, here: impl Iterator<Item = &'a Address>, wanted: &Wanted<'_>) -> Leaving<'a> {
        let mut leaving = Leaving { fragment, gone: Vec::new(), last: BTreeMap::new() };
        for address in here {
            if let Some(header) = header(address) {
                leaving.last.insert(header, (address.item, address.problem.is_none()));
            }
            if wanted.contains_key(&(&fragment.path, address.line, address.net.addr())) {
                leaving.gone.push(address);
            }
        }
        leaving
    }

    fn plan(
        &self,
        root: &Root,
        network: &Network,
        interfaces: &[&str],
        wanted: &Wanted<'_>,
        plan: &mut Plan,
    ) -> Result<()> {
        let fragment = self.fragment;
        for address in &self.gone {
            let named = wanted.get(&(&fragment.path, address.line, address.net.addr()));
            let keeps = |interface: &&&str| named.is_some_and(|named| !named.contains(**interface));
            if let Some(other) = interfaces.iter().find(keeps) {
                return Err(shared(fragment, address, other).into());
            }
        }
        // Without its malformed line, a file could come into effect as a whole.
        if let Some(refusal) = network.refused.as_ref().filter(|_| fragment.ini.fault().is_some()) {
            return Err(refusal.clone().into());
        }
        if !is_editable(root, fragment)? {
            if self.gone.iter().any(|address| address.problem.is_none() || address.waits) {
                return Err(not_editable(network, fragment).into());
            }
            plan.notes.push(format!("what stands in {} has no effect and stays there", fragment.path));
            return Ok(());
        }
        let change = self.change(plan)?;
        if change.before != change.after {
            plan.changes.push(change);
        }
        if is_cloud_inits(network) && fragment.path == network.path() {
            plan.notes.push(format!("cloud-init wrote {} and may write it again", fragment.path));
        }
        Ok(())
    }

    /// A section goes whole with the address that counts in it: an earlier one would come into effect if it stayed. That
    /// one, in turn, goes alone, unless the section would come into effect without it.
    fn change(&self, plan: &mut Plan) -> Result<Change> {
        let (fragment, mut splices, mut whole) = (self.fragment, Vec::new(), BTreeSet::new());
        for address in &self.gone {
            let header = header(address).map(|header| (header, self.last.get(&header).copied()));
            match header {
                Some((header, Some((item, _)))) if item == address.item => drop(whole.insert(header)),
                Some((_, Some((_, false)))) => plan.notes.push(format!(
                    "{} stays at {}:{}, without effect, because the rest of its section would come into effect without it",
                    address.net.addr(),
                    fragment.path,
                    address.line
                )),
                _ => splices.extend(fragment.ini.items.get(address.item).map(|item| (address, item.range.clone()))),
            }
        }
        // What goes with its whole section does not go once more alone.
        let alone = splices.into_iter().filter(|(address, _)| header(address).is_none_or(|of| !whole.contains(&of)));
        let mut splices: Vec<Splice> = alone.map(|(_, range)| Splice::delete(range)).collect();
        splices.extend(fragment.ini.blocks(&fragment.text, &whole).into_iter().map(Splice::delete));
        let after = fragment.text.apply(splices)?;
        // A drop-in of ipalias that says nothing more has no reason to stay.
        let is_ours = fragment.path.name() == DROPIN.as_bytes() && fragment.path.is_under(&ETC.into());
        let is_empty = after.trim_ascii().is_empty();
        Ok(fragment.becomes(Some(after).filter(|_| !(is_ours && is_empty))))
    }
}

fn header(address: &Address) -> Option<usize> {
    match address.place {
        Place::Section(header, _) => Some(header),
        Place::NetworkLine => None,
    }
}

/// Whether the file is neither generated nor a package's.
fn is_editable(root: &Root, fragment: &Fragment) -> Result<bool> {
    for dir in ["/run", "/usr", "/lib"] {
        if fragment.target.is_under(&root.resolve(&dir.into())?) || fragment.target.is_under(&dir.into()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_editable(network: &Network, fragment: &Fragment) -> Refusal {
    let (what, hint) = if is_netplans(network) {
        ("netplan generates this file", "remove the address from the YAML file in /etc/netplan")
    } else if fragment.path.is_under(&RUN.into()) {
        ("this file is generated at boot", "remove the address where the file comes from")
    } else {
        ("this file belongs to a package", "copy it to /etc/systemd/network under the same name, and edit it there")
    };
    Refusal::new(Kind::ManagedElsewhere, what, hint).at(&fragment.path, 0)
}

fn shared(fragment: &Fragment, address: &Address, other: &str) -> Refusal {
    let reason = format!("this file is for {other}, too, which would lose {} with it", address.net.addr());
    let hint = "write files of their own for the interfaces first";
    Refusal::new(Kind::Ambiguous, reason, hint).at(&fragment.path, address.line)
}
