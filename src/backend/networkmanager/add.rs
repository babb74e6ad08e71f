//! Adding: an `address<N>=` line behind the last one of its group, a new group, or a line put right that NetworkManager
//! drops.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::addresses::{Address, Family, group, order, place};
use super::choose::Choice;
use super::claim::{names_of, primary_address};
use super::config::version;
use super::files::{ETC, Profile, Site};
use super::{Survey, as_kept, load, restart};
use crate::alias::{Alias, IfName};
use crate::backend::Situation;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Apply, Check, Direct, Plan, Staged, Step};
use crate::root::Root;
use crate::syntax::keyfile::Keyfile;
use crate::text::{Splice, Text};

/// The plan that configures `want`.
pub fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    if let Some(alias) = want.iter().find(|alias| alias.label.is_some()) {
        let reason = format!("a profile of NetworkManager cannot keep a label, here for {}", alias.address.addr());
        return Err(Refusal::new(Kind::Unacceptable, reason, "leave the label out").into());
    }
    let survey = Survey::of(root)?;
    let mut plan = Plan::nothing();
    let mut by_profile: BTreeMap<usize, Vec<&Alias>> = BTreeMap::new();
    for alias in want {
        by_profile.entry(profile_for(&survey, &alias.interface)?).or_default().push(alias);
    }
    let mut added = BTreeSet::new();
    let mut loads = Vec::new();
    for (profile, aliases) in by_profile {
        let Some(profile) = survey.profiles.get(profile) else { continue };
        let fresh = Addition::to(root, profile)?.plan(&aliases, &mut plan)?;
        if !fresh.is_empty() {
            loads.extend(load(root, profile)?);
            plan.checks.push(check(profile));
        }
        added.extend(fresh);
    }
    if plan.leaves_files() {
        plan.changes.clear();
        return Ok(plan);
    }
    let up: BTreeSet<(&str, IpAddr)> = now.up.iter().map(|up| (up.interface.as_str(), up.address.addr())).collect();
    let is_down = |alias: &&Alias| {
        let ip = alias.address.addr();
        added.contains(&ip) && !up.contains(&(alias.interface.as_str(), ip))
    };
    let ups: Vec<Step> =
        want.iter().filter(is_down).map(|alias| Step::up(Direct::by_kernel(&as_kept(alias)))).collect();
    plan.notes.extend(notes(root, want, loads.is_empty()));
    // 1.42 prefers the first IPv6 address of a profile, 1.30 the last one (measured; in between not).
    let old = version(root)?.filter(|version| *version < (1, 42));
    let takes_over = old.filter(|_| want.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred));
    if let Some((major, minor)) = takes_over {
        plan.notes.push(format!(
            "NetworkManager {major}.{minor} may prefer the last IPv6 address of a profile: from the next boot on, outgoing \
             connections may come from the added one"
        ));
    }
    plan.auto.after = ups.iter().cloned().chain(loads).collect();
    // A restart of 1.30 leaves the interface without what its profile has got since; one of 1.42 does not (measured).
    plan.restart = match takes_over {
        None => Ok(Apply { before: Vec::new(), after: ups.into_iter().chain([restart()]).collect() }),
        Some(_) => {
            Err("outgoing connections may come from the added IPv6 address afterwards; --preferred allows it".into())
        }
    };
    Ok(plan)
}

fn notes(root: &Root, want: &[Alias], is_not_told: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if want.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
        notes.push(
            "a profile of NetworkManager cannot keep a preferred lifetime of 0, so that the server may use an added IPv6 \
             address as its source"
                .to_owned(),
        );
    }
    if is_not_told && root.is_live() {
        notes.push("NetworkManager does not run; it reads the profile when it starts".to_owned());
    }
    notes
}

/// What nmcli says of the planned file. It has `--offline` since 1.38.
fn check(profile: &Profile) -> Check {
    let argv = ["nmcli", "--offline", "connection", "modify", "connection.autoconnect", "yes"];
    Check { staged: Staged::Stdin(profile.target.clone()), argv: argv.map(str::to_owned).to_vec() }
}

/// The profile that takes addresses of `interface`, as an index.
fn profile_for(survey: &Survey, interface: &IfName) -> Result<usize> {
    let name = interface.as_str();
    let index = match survey.choose(name) {
        Choice::One(index) => index,
        Choice::Several(all) => {
            let reason = format!("files do not tell which profile counts for {name}: {}", names_of(survey, &all));
            let hint = "give one a higher autoconnect-priority=, or move the other one away, for example to /root";
            return Err(Refusal::new(Kind::Ambiguous, reason, hint).into());
        }
        Choice::Nothing(reason) => return Err(none_for(survey, name, reason).into()),
    };
    let Some(profile) = survey.profiles.get(index) else {
        return Err(Refusal::new(Kind::Unsupported, format!("no profile is for {name}"), "write one first").into());
    };
    if let Some(controller) = &profile.connection.controller {
        let reason = format!("{name} is a port of {controller}, which has the addresses");
        return Err(Refusal::new(Kind::Unacceptable, reason, format!("use -i {controller}"))
            .at(&profile.path, 0)
            .into());
    }
    let others = survey.uses.iter().filter(|using| using.profile == index && using.problem.is_none());
    let is_other = |other: &&str| *other != name && survey.scene.link(other).is_some();
    if let Some(other) = others.map(|using| using.interface.as_str()).find(is_other) {
        return Err(shared(profile, other).into());
    }
    if let Some(refusal) = not_editable(profile) {
        return Err(refusal.into());
    }
    let mut uses = survey.uses.iter().filter(|using| using.profile == index).peekable();
    let problem = uses.peek().and_then(|using| using.problem.clone());
    if let Some(problem) = problem.filter(|_| uses.all(|using| using.problem.is_some())) {
        let reason = format!("the profile may be for {name}, but counts for nothing: {problem}");
        let hint = format!("write interface-name={name} into it, or another profile for {name}");
        return Err(Refusal::new(Kind::NotFound, reason, hint).at(&profile.path, 0).into());
    }
    Ok(index)
}

/// Why the address of one interface is not written into a profile that others use, too.
pub fn shared(profile: &Profile, other: &str) -> Refusal {
    let reason = format!("this profile is for {other}, too, which its addresses would come and go with");
    let hint = "write profiles of their own for the interfaces first, with interface-name=";
    Refusal::new(Kind::Ambiguous, reason, hint).at(&profile.path, 0)
}

/// Why no profile takes addresses of `name`: the fault of the one that would, if there is one.
fn none_for(survey: &Survey, name: &str, reason: String) -> Refusal {
    let own = |profile: &&Profile| profile.connection.interface.as_deref() == Some(name) && !profile.is_copy();
    let mut own = survey.profiles.iter().filter(own);
    if let Some(refusal) = own.clone().find_map(|profile| profile.refused.clone()) {
        return refusal;
    }
    let port = own.clone().find_map(|profile| Some((profile, profile.connection.controller.as_ref()?)));
    if let Some((profile, controller)) = port {
        let reason = format!("{name} is a port of {controller}, which has the addresses");
        return Refusal::new(Kind::Unacceptable, reason, format!("use -i {controller}")).at(&profile.path, 0);
    }
    if let Some(profile) = own.find(|profile| profile.is_loaded() && !profile.connection.autoconnect) {
        let reason = "autoconnect=false: NetworkManager does not bring the profile up at boot";
        return Refusal::new(Kind::Unsupported, reason, "set autoconnect=true in it first").at(&profile.path, 0);
    }
    let hint = "name the interface with -i, or write a profile for it first: nmcli connection add";
    Refusal::new(Kind::Unsupported, reason, hint)
}

/// Why `profile` is not to be edited.
pub fn not_editable(profile: &Profile) -> Option<Refusal> {
    let path = &profile.path;
    let name = String::from_utf8_lossy(path.name()).into_owned();
    let managed = |reason: &str, hint: String| Some(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(path, 0));
    if profile.is_netplans() {
        return managed(
            "netplan generates this profile",
            "edit the YAML file in /etc/netplan, or use --backend netplan".into(),
        );
    }
    match profile.site {
        Site::Run => {
            let uuid = profile.connection.uuid.clone().unwrap_or_else(|| "UUID".to_owned());
            let hint = format!("save it first: nmcli connection modify uuid {uuid} connection.autoconnect yes");
            return managed("this profile is gone at the next boot", hint);
        }
        Site::Lib => {
            let hint = format!("copy it first: install -m 0600 {path} {ETC}/{name}, then nmcli connection reload");
            return managed("this profile belongs to a package", hint);
        }
        Site::Etc => {}
    }
    let end = name.find(".nmconnection").map(|at| at + ".nmconnection".len());
    profile.is_copy().then(|| {
        let original = end.and_then(|end| name.get(..end)).unwrap_or("the profile");
        let reason = "this is a copy of a profile by its name, but the one that NetworkManager takes";
        let hint = format!("keep the right one as {original} and move the other one away: mv {path} /root/");
        Refusal::new(Kind::Ambiguous, reason, hint).at(path, 0)
    })
}

/// Where an address is added, and what is there already.
struct Addition<'a> {
    profile: &'a Profile,
    families: [Family; 2],
    /// How NetworkManager makes IPv6 addresses where nothing is said; a group without a word about it means `eui64`, and
    /// the host would get another address.
    generation: &'static str,
}

impl<'a> Addition<'a> {
    fn to(root: &Root, profile: &'a Profile) -> Result<Addition<'a>> {
        // The word `default` came with 1.40, and meant this before.
        let is_old = version(root)?.is_some_and(|version| version < (1, 40));
        let generation = if is_old { "stable-privacy" } else { "default" };
        Ok(Addition { profile, families: [Family::of(profile, true), Family::of(profile, false)], generation })
    }

    /// Adds to `plan` what makes `aliases` effective, and says which of them were not.
    fn plan(&self, aliases: &[&Alias], plan: &mut Plan) -> Result<Vec<IpAddr>> {
        let mut fresh = Vec::new();
        // At the end of the file, lines of a group that is there come before a new group.
        let (mut splices, mut blocks) = (Vec::new(), Vec::new());
        for family in &self.families {
            let wanted = |alias: &&&Alias| alias.address.addr().is_ipv4() == family.is_ipv4;
            let present: BTreeSet<IpAddr> = family.effective().into_iter().map(|address| address.net.addr()).collect();
            let mut lines = Vec::new();
            let mut seen = present.clone();
            for alias in aliases.iter().filter(wanted).filter(|alias| !present.contains(&alias.address.addr())) {
                let ip = alias.address.addr();
                if !seen.insert(ip) {
                    continue;
                }
                self.acceptable(family)?;
                fresh.push(ip);
                match self.repairable(family, ip) {
                    Some(address) => {
                        splices.extend(self.repair(alias, address));
                        plan.notes.push(self.repair_note(address));
                    }
                    None => lines.push(alias.address.to_string()),
                }
            }
            let insertion = self.insertion(family, &lines)?;
            if family.exists { &mut splices } else { &mut blocks }.extend(insertion);
        }
        let end = self.profile.text.bytes().len();
        for mut block in blocks {
            let closes = |splice: &Splice| splice.range == (end..end);
            if self.profile.text.ends_open() && splices.iter().any(closes) {
                block.with.drain(..closing(&self.profile.text).len());
            }
            splices.push(block);
        }
        if !splices.is_empty() {
            let after = self.profile.text.apply(splices)?;
            self.judge(&after)?;
            plan.changes.push(self.profile.becomes(after));
        }
        Ok(fresh)
    }

    /// Refuses an address whose subnet has the gateway where that of the primary address has not: the kernel would take it
    /// as the source from then on.
    fn judge(&self, after: &[u8]) -> Result<()> {
        let keyfile = Keyfile::parse(&Text::new(after));
        for before in &self.families {
            let now = Family::read(&keyfile, before.is_ipv4, self.profile.connection.is_off_by_default());
            let net = |family: &Family| {
                let item = primary_address(family)?;
                family.addresses.iter().find(|address| address.item == item).map(|address| address.net)
            };
            if let (Some(old), Some(new)) = (net(before), net(&now)) {
                if old != new {
                    let reason =
                        format!("the subnet {new} has the default gateway, and its address would replace {old}");
                    let hint = "additional addresses usually have the prefix /32 or /128; leave the prefix out";
                    return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&self.profile.path, 0).into());
                }
            }
        }
        Ok(())
    }

    /// Refuses a family whose method takes no address of its own.
    fn acceptable(&self, family: &Family) -> Result<()> {
        if family.takes_addresses() || !family.exists {
            return Ok(());
        }
        let name = group(family.is_ipv4);
        let line = self.profile.keyfile.last(name.as_bytes(), b"method").map_or(0, |found| found.line);
        let reason = format!("[{name}] has method={}, which takes no address of ours", family.method);
        let hint = format!("set method=auto or method=manual in [{name}] first, if that is what you want");
        Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&self.profile.path, line).into())
    }

    /// A line with `ip` that can be put right without making it the first address of its family.
    fn repairable<'f>(&self, family: &'f Family, ip: IpAddr) -> Option<&'f Address> {
        let first = family.effective().first().map(|address| address.order);
        let behind = |address: &&Address| first.is_none_or(|first| address.order > first);
        let may = |address: &&Address| address.is_repairable && address.net.addr() == ip;
        family.addresses.iter().filter(may).find(behind)
    }

    fn repair(&self, alias: &Alias, address: &Address) -> Option<Splice> {
        let range = place(self.profile, address)?;
        Some(Splice { range, with: alias.address.to_string().into_bytes() })
    }

    fn repair_note(&self, address: &Address) -> String {
        format!(
            "{} stands at {}:{} already, but {}; the line is put right",
            address.net.addr(),
            self.profile.path,
            address.line,
            address.problem.as_deref().unwrap_or_default()
        )
    }

    /// The splice that puts lines with `addresses` into the group of `family`.
    fn insertion(&self, family: &Family, addresses: &[String]) -> Result<Option<Splice>> {
        if addresses.is_empty() {
            return Ok(None);
        }
        let name = group(family.is_ipv4);
        let keyfile = &self.profile.keyfile;
        let orders = || keyfile.assignments(name.as_bytes()).filter_map(|found| order(found.key));
        let highest = orders().map(|(number, _)| number).max().unwrap_or(0).max(0);
        if highest + i64::try_from(addresses.len()).unwrap_or(i64::MAX) > i64::from(i32::MAX) {
            let reason = format!("the numbers behind address{highest}= are used up");
            let hint = "give the lines of the group lower numbers";
            return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&self.profile.path, 0).into());
        }
        let line = |(number, address): (i64, &String)| format!("address{number}={address}");
        let lines: Vec<String> = (highest + 1..).zip(addresses).map(line).collect();
        let last_address = keyfile.assignments(name.as_bytes()).rfind(|found| order(found.key).is_some());
        let last_group = || {
            let group = keyfile.groups.iter().rfind(|group| group.name == name.as_bytes())?;
            Some(keyfile.within(group).last().map_or(group.header, |found| found.item))
        };
        Ok(match last_address.map(|found| found.item).or_else(last_group) {
            Some(item) => self.behind(item, &lines),
            None => {
                // DHCP or router advertisements stay what they are where they are not written down.
                let method = if self.profile.connection.is_off_by_default() { "manual" } else { "auto" };
                let head = [format!("[{name}]"), format!("method={method}")];
                let generation = (!family.is_ipv4).then(|| format!("addr-gen-mode={}", self.generation));
                Some(append(&self.profile.text, head.into_iter().chain(generation).chain(lines)))
            }
        })
    }

    /// Puts `lines` behind the line of `item`, with its line end.
    fn behind(&self, item: usize, lines: &[String]) -> Option<Splice> {
        let (text, range) = (&self.profile.text, &self.profile.keyfile.items.get(item)?.range);
        let own = text.bytes().get(range.clone()).unwrap_or_default();
        let eol = match own {
            [.., b'\r', b'\n'] => "\r\n",
            [.., b'\n'] => "\n",
            _ => text.eol(),
        };
        let mut with = if own.ends_with(b"\n") { String::new() } else { closing(text).to_owned() };
        for line in lines {
            with.push_str(line);
            with.push_str(eol);
        }
        Some(Splice::insert(range.end, with))
    }
}

/// The end that a last line without one gets. A carriage return there belongs to its value, and must stay there.
fn closing(text: &Text) -> &'static str {
    if text.bytes().ends_with(b"\r") { "\r\n" } else { text.eol() }
}

/// A block of `lines` at the end, as [`Text::append_block`] writes it.
fn append(text: &Text, lines: impl Iterator<Item = String>) -> Splice {
    let mut splice = text.append_block(lines);
    if text.bytes().ends_with(b"\r") {
        let block = splice.with.split_off(text.eol().len());
        splice.with = [closing(text).as_bytes(), &block].concat();
    }
    splice
}
