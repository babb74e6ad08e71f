//! Removing: the lines of an address. Numbers stay as they are, and so does a group without addresses, which says what
//! NetworkManager assumes without it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use super::add::{not_editable, shared};
use super::addresses::{Address, Family, group};
use super::files::Profile;
use super::{Survey, if_name, load, restart};
use crate::alias::Alias;
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::keyfile::{Assignment, Body, Group, Keyfile};
use crate::text::{Splice, Text};

/// The plan that takes `gone` out of the files and off their interfaces.
pub fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let survey = Survey::of(root)?;
    let mut wanted: BTreeMap<&RootPath, BTreeSet<(usize, IpAddr)>> = BTreeMap::new();
    for entry in gone {
        wanted.entry(&entry.path).or_default().insert((entry.line, entry.address.addr()));
    }
    let mut plan = Plan::nothing();
    plan.notes.extend(copies(&survey, gone));
    let mut loads = Vec::new();
    let (mut found, mut asked) = (0, 0);
    for (index, profile) in survey.profiles.iter().enumerate() {
        let Some(places) = wanted.get(&profile.path) else { continue };
        asked += places.len();
        let leaving = Leaving::from(profile, places);
        found += leaving.count();
        let uses = survey.uses.iter().filter(|using| using.profile == index);
        let keeps = |name: &&str| !gone.iter().any(|entry| entry.path == profile.path && entry.interface == **name);
        if let Some(other) = uses.map(|using| using.interface.as_str()).find(keeps) {
            return Err(shared(profile, other).into());
        }
        if leaving.plan(&mut plan)? {
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

/// A word where a file that another one hides has an address that goes: writing it would make it the one that counts.
fn copies(survey: &Survey, gone: &[Entry]) -> Vec<String> {
    let ips: BTreeSet<IpAddr> = gone.iter().map(|entry| entry.address.addr()).collect();
    let has = |profile: &&Profile| {
        let families = [true, false].map(|is_ipv4| Family::of(profile, is_ipv4));
        let mut all = families.iter().flat_map(|family| &family.addresses);
        profile.shadowed.is_some() && all.any(|address| ips.contains(&address.net.addr()))
    };
    let word = |profile: &Profile| format!("what stands in {} has no effect and stays there", profile.path);
    survey.profiles.iter().filter(has).map(word).collect()
}

/// Takes an address down; `live` takes the route that NetworkManager made for it along.
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
    fn plan(&self, plan: &mut Plan) -> Result<bool> {
        let profile = self.profile;
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
            let gone: BTreeSet<usize> =
                family.addresses.iter().filter(|address| self.is_gone(address)).map(|address| address.item).collect();
            // An earlier line with the key of the one that counts would come into effect.
            let name = group(family.is_ipv4).as_bytes();
            let latest = keyfile.latest(name);
            let was_earlier =
                |found: &Assignment<'_>| latest.get(found.key).is_some_and(|latest| gone.contains(&latest.item));
            items.extend(keyfile.assignments(name).filter(was_earlier).map(|found| found.item));
            items.extend(gone);
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for group in &keyfile.groups {
            if !self.profile.connection.is_off_by_default() || !goes_whole(keyfile, group, &items) {
                continue;
            }
            let blanks = keyfile.items.get(group.items.clone()).unwrap_or_default().iter().rev();
            let blanks = blanks.take_while(|item| item.body == Body::Blank).count();
            let lines = group.header..group.items.end - blanks;
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

/// Whether `group` says nothing without `items`, and cannot stay: `method=manual` and nothing else, as an addition writes it
/// where a family without a group is switched off.
fn goes_whole(keyfile: &Keyfile, group: &Group, items: &BTreeSet<usize>) -> bool {
    let is_family = matches!(group.name.as_slice(), b"ipv4" | b"ipv6");
    let alone = keyfile.groups.iter().filter(|other| other.name == group.name).count() == 1;
    let rest = |item: &usize| match keyfile.items.get(*item).map(|item| &item.body) {
        Some(Body::Assignment { key, value, .. }) => {
            key != b"addr-gen-mode" && (key != b"method" || value != b"manual")
        }
        Some(Body::Blank) => false,
        _ => true,
    };
    let some = group.items.clone().any(|item| items.contains(&item));
    is_family && alone && some && group.items.clone().filter(rest).all(|item| items.contains(&item))
}
