//! Removing: the lines of an address, and a group that says nothing else. Numbers stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use super::addresses::{Address, Family, group};
use super::add::not_editable;
use super::files::Profile;
use super::{Survey, if_name, load, restart};
use crate::alias::Alias;
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::keyfile::{Body, Group, Keyfile};
use crate::text::{Splice, Text};

/// The plan that takes `gone` out of the files and off their interfaces.
pub fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let survey = Survey::of(root)?;
    let mut wanted: BTreeMap<&RootPath, BTreeSet<(usize, IpAddr)>> = BTreeMap::new();
    for entry in gone {
        wanted.entry(&entry.path).or_default().insert((entry.line, entry.address.addr()));
    }
    let mut plan = Plan::nothing();
    let mut loads = Vec::new();
    let (mut found, mut asked) = (0, 0);
    for (index, profile) in survey.profiles.iter().enumerate() {
        let Some(places) = wanted.get(&profile.path) else { continue };
        asked += places.len();
        let leaving = Leaving::from(profile, places);
        found += leaving.count();
        let uses = survey.uses.iter().filter(|using| using.profile == index);
        let is_used = uses.clone().any(|using| using.problem.is_none());
        let keeps = |name: &&str| !gone.iter().any(|entry| entry.path == profile.path && entry.interface == **name);
        if let Some(other) = uses.map(|using| using.interface.as_str()).find(keeps) {
            return Err(shared(profile, other).into());
        }
        if leaving.plan(is_used, &mut plan)? {
            loads.extend(load(root, profile)?);
        }
    }
    if found < asked || asked < wanted.values().map(BTreeSet::len).sum() {
        let reason = "an address is not where it was found";
        return Err(Refusal::new(Kind::ChangedSince, reason, "try again").into());
    }
    if plan.leaves_files() {
        return Ok(plan);
    }
    let deletions: Vec<Step> = gone.iter().filter(|entry| entry.is_effective()).filter_map(deletion).collect();
    plan.auto.after = loads.into_iter().chain(deletions.iter().cloned()).collect();
    plan.restart = Ok(Apply { before: Vec::new(), after: [restart()].into_iter().chain(deletions).collect() });
    Ok(plan)
}

fn deletion(entry: &Entry) -> Option<Step> {
    let alias = Alias { interface: if_name(&entry.interface)?, address: entry.address, label: None, preferred: true };
    Some(Step::new(Action::Delete(alias)))
}

/// What goes from one profile.
struct Leaving<'a> {
    profile: &'a Profile,
    families: [Family; 2],
    places: &'a BTreeSet<(usize, IpAddr)>,
}

impl<'a> Leaving<'a> {
    fn from(profile: &'a Profile, places: &'a BTreeSet<(usize, IpAddr)>) -> Leaving<'a> {
        Leaving { profile, families: [Family::of(profile, true), Family::of(profile, false)], places }
    }

    fn is_gone(&self, address: &Address) -> bool {
        self.places.contains(&(address.line, address.net.addr()))
    }

    /// How many of the places hold what was found there.
    fn count(&self) -> usize {
        let all = self.families.iter().flat_map(|family| &family.addresses).filter(|address| self.is_gone(address));
        all.map(|address| (address.line, address.net.addr())).collect::<BTreeSet<_>>().len()
    }

    /// Adds the change to `plan`; whether there is one.
    fn plan(&self, is_used: bool, plan: &mut Plan) -> Result<bool> {
        let profile = self.profile;
        let path = &profile.path;
        // A copy becomes the one that counts when it is written.
        if profile.shadowed.is_some() || profile.is_copy() && !is_used {
            plan.notes.push(format!("what stands in {path} has no effect and stays there"));
            return Ok(false);
        }
        // Without its bad line, a profile could come into effect as a whole.
        if let Some(refusal) = &profile.refused {
            return Err(refusal.clone().into());
        }
        if let Some(refusal) = not_editable(profile) {
            return Err(refusal.into());
        }
        let after = profile.text.apply(self.splices().into_iter().map(Splice::delete).collect())?;
        self.judge(&after)?;
        plan.changes.push(profile.becomes(after));
        Ok(true)
    }

    /// The bytes that go.
    fn splices(&self) -> Vec<Range<usize>> {
        let (text, keyfile) = (&self.profile.text, &self.profile.keyfile);
        let mut items = BTreeSet::new();
        for family in &self.families {
            let name = group(family.is_ipv4).as_bytes();
            for address in family.addresses.iter().filter(|address| self.is_gone(address)) {
                items.insert(address.item);
                // An earlier line with the key of the one that counts would come into effect.
                let counts = keyfile.last(name, address.key.as_bytes());
                if counts.is_some_and(|counts| counts.item == address.item) {
                    let same = keyfile.assignments(name).filter(|found| found.key == address.key.as_bytes());
                    items.extend(same.map(|found| found.item));
                }
            }
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for group in &keyfile.groups {
            let lines = group.header..group.items.end;
            if !is_ours(keyfile, group, &items) {
                continue;
            }
            items.retain(|item| !lines.contains(item));
            ranges.push(text.delete_block(lines).range);
        }
        ranges.extend(items.iter().filter_map(|item| Some(keyfile.items.get(*item)?.range.clone())));
        ranges
    }

    /// Refuses what would make NetworkManager drop the profile, or choose another default gateway.
    fn judge(&self, after: &[u8]) -> Result<()> {
        let keyfile = Keyfile::parse(&Text::new(after));
        let off = self.profile.connection.is_off_by_default();
        for before in &self.families {
            let now = Family::read(&keyfile, before.is_ipv4, off);
            let name = group(before.is_ipv4);
            let line = before.addresses.iter().find(|address| self.is_gone(address)).map_or(0, |address| address.line);
            let refuse = |reason: String, hint: &str| {
                Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&self.profile.path, line).into())
            };
            if let Some((_, fault)) = now.fault {
                let reason = format!("without it NetworkManager would not load the profile: {fault}");
                return refuse(reason, "take the interface down with nmcli if it shall have no address at all");
            }
            if now.gateway != before.gateway {
                let reason = format!("this line gives the default gateway of [{name}]");
                return refuse(reason, "write it as gateway= of the group first");
            }
        }
        Ok(())
    }
}

/// Whether `group` is one that ipalias appended, and all of its addresses go: a method, addresses, and nothing else. What
/// NetworkManager assumes without it is the same.
fn is_ours(keyfile: &Keyfile, group: &Group, items: &BTreeSet<usize>) -> bool {
    let is_family = matches!(group.name.as_slice(), b"ipv4" | b"ipv6");
    let alone = keyfile.groups.iter().filter(|other| other.name == group.name).count() == 1;
    let mut rest = group.items.clone();
    let method = rest.next().and_then(|first| keyfile.items.get(first)).is_some_and(|item| {
        matches!(&item.body, Body::Assignment { key, value, .. } if key == b"method" && (value == b"auto" || value == b"manual"))
    });
    is_family && alone && method && !rest.is_empty() && rest.into_iter().all(|item| items.contains(&item))
}

fn shared(profile: &Profile, other: &str) -> Refusal {
    let reason = format!("this profile is for {other}, too, which would lose the address with it");
    Refusal::new(Kind::Ambiguous, reason, "write profiles of their own for the interfaces first").at(&profile.path, 0)
}
