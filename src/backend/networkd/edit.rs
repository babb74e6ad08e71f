//! Plans: `[Address]` sections appended to the file that counts or to a drop-in of it, taken out again, or put right.
//!
//! The administrator's own file in `/etc/systemd/network` is edited, as the guides do it. What somebody else writes again
//! (netplan, cloud-init, a package) or what is kept elsewhere gets a drop-in, `NAME.network.d/ipalias.conf`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::addresses::{Address, Place, Repair, addresses};
use super::claim::{is_cloud_inits, is_netplans, names_of};
use super::files::{ETC, Fragment, Network, RUN};
use super::matching::{self, Choice, Link, choose};
use super::release::Release;
use super::{Survey, if_name, values};
use crate::alias::{Alias, IfName};
use crate::backend::{Entry, Situation};
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::plan::{Action, Apply, Backup, Change, Disturbs, Plan, Step};
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::ini::Body;
use crate::text::{Splice, Text};

/// The name of the drop-in.
const DROPIN: &str = "ipalias.conf";

/// The plan that configures `want`.
pub fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    let survey = Survey::of(root)?;
    let mut plan = Plan::nothing();
    let mut by_interface: BTreeMap<&IfName, Vec<&Alias>> = BTreeMap::new();
    for alias in want {
        by_interface.entry(&alias.interface).or_default().push(alias);
    }
    let mut added = BTreeSet::new();
    for (interface, aliases) in by_interface {
        let network = network_for(root, &survey, interface)?;
        plan.notes.extend(notes(network));
        let fresh = Addition::to(root, network, survey.release)?.plan(&aliases, &mut plan)?;
        added.extend(fresh.into_iter().map(|ip| (interface, ip)));
    }
    if plan.leaves_files() {
        plan.changes.clear();
        return Ok(plan);
    }
    let up: BTreeSet<(&str, IpAddr)> = now.up.iter().map(|up| (up.interface.as_str(), up.address.addr())).collect();
    let is_down = |alias: &&Alias| {
        let ip = alias.address.addr();
        added.contains(&(&alias.interface, ip)) && !up.contains(&(alias.interface.as_str(), ip))
    };
    plan.auto.after.extend(want.iter().filter(is_down).map(|alias| Step::new(Action::Add(alias.clone()))));
    plan.auto.after.extend(survey.release.reread());
    plan.restart =
        survey.release.restart().map(|command| Apply { before: Vec::new(), after: vec![Step::reread(command)] });
    plan.notes.extend(rereading_note(survey.release));
    Ok(plan)
}

/// The plan that takes `gone` out of the files and off their interfaces.
pub fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let survey = Survey::of(root)?;
    let mut wanted: BTreeMap<(&RootPath, usize, IpAddr), BTreeSet<&str>> = BTreeMap::new();
    for entry in gone {
        let place = (&entry.path, entry.line, entry.address.addr());
        wanted.entry(place).or_default().insert(&entry.interface);
    }
    let mut plan = Plan::nothing();
    let mut found = 0;
    for (index, network) in survey.networks.iter().enumerate() {
        let all = addresses(network, survey.release);
        for (position, fragment) in network.fragments.iter().enumerate() {
            let here = |address: &&Address| address.fragment == position;
            let is_gone = |address: &Address| wanted.contains_key(&(&fragment.path, address.line, address.net.addr()));
            let (leaving, staying): (Vec<&Address>, Vec<&Address>) =
                all.iter().filter(here).partition(|address| is_gone(address));
            if leaving.is_empty() {
                continue;
            }
            found += leaving.len();
            let writer = &survey.interfaces(index);
            let shared = leaving.iter().find_map(|address| {
                let named = wanted.get(&(&fragment.path, address.line, address.net.addr()))?;
                let other = writer.iter().find(|interface| !named.contains(*interface))?;
                Some(shared(fragment, address, other))
            });
            if let Some(refusal) = shared {
                return Err(refusal.into());
            }
            plan.changes.push(removal(root, network, fragment, &leaving, &staying)?);
            if is_cloud_inits(network) && position == 0 {
                plan.notes.push(format!("cloud-init wrote {} and may write it again", fragment.path));
            }
        }
    }
    if found < wanted.len() {
        let reason = "an address is not where it was found";
        return Err(Refusal::new(Kind::ChangedSince, reason, "try again").into());
    }
    let deletions: Vec<Step> = gone.iter().filter(|entry| entry.is_effective()).filter_map(deletion).collect();
    let reread = survey.release.reread();
    plan.auto.after = reread.into_iter().chain(deletions.iter().cloned()).collect();
    plan.restart = survey.release.restart().map(|command| {
        let after = [Step::reread(command)].into_iter().chain(deletions).collect();
        Apply { before: Vec::new(), after }
    });
    plan.notes.extend(rereading_note(survey.release));
    Ok(plan)
}

fn deletion(entry: &Entry) -> Option<Step> {
    let alias = Alias { interface: if_name(&entry.interface)?, address: entry.address, label: None, preferred: true };
    Some(Step::new(Action::Delete(alias)))
}

fn rereading_note(release: Release) -> Option<String> {
    match release.reread() {
        None => Some(format!(
            "systemd {} is not asked to read its files again, because it would take addresses of its own away; \
             it reads them at the next boot",
            release.version()
        )),
        Some(Step { action: Action::Run(command), .. }) if command.disturbs == Disturbs::Foreign => Some(format!(
            "systemd {} takes addresses away that stand in no file when it reads its files again",
            release.version()
        )),
        Some(_) => None,
    }
}

/// The network that networkd uses for `interface`, fit for an addition, or the reason why there is none.
fn network_for<'a>(root: &Root, survey: &'a Survey, interface: &IfName) -> Result<&'a Network> {
    let link = matching::link_named(root, interface.as_str())?;
    let refuse = |kind, reason: String, hint: &str| Err(Refusal::new(kind, reason, hint).into());
    let network = match choose(&survey.networks, &link, survey.release) {
        Choice::One(network) => network,
        Choice::Refused(network) => match &network.refused {
            Some(refusal) => return Err(refusal.clone().into()),
            None => network,
        },
        Choice::Several(networks) => {
            return refuse(
                Kind::Ambiguous,
                format!("files do not tell which one systemd-networkd uses for {interface}: {}", names_of(&networks)),
                "give the [Match] of each a Name=, or run ipalias on the running system after networkctl reload",
            );
        }
        Choice::Nothing => {
            let known: BTreeSet<&str> =
                survey.uses.iter().filter(|using| using.problem.is_none()).map(|using| &*using.interface).collect();
            let known = Vec::from_iter(known).join(", ");
            return refuse(
                Kind::NotFound,
                format!("no .network file is for {interface}; there are files for: {known}"),
                "name the interface with -i, or write a .network file for it first",
            );
        }
    };
    let main = network.path();
    if network.says_yes(b"Link", b"Unmanaged") {
        let reason = format!("systemd-networkd leaves {interface} alone, because this file says Unmanaged=yes");
        let hint = "find out what configures the interface instead";
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&main, 0).into());
    }
    if let Some(master) = master(root, network, interface)? {
        let link = Link { name: master.clone(), ..Link::default() };
        let file = match choose(&survey.networks, &link, survey.release) {
            Choice::One(network) => format!("its addresses belong into {}", network.path()),
            _ => "its addresses belong into the file of that interface".to_owned(),
        };
        let reason = format!("{interface} is a port of {master}; {file}");
        return Err(Refusal::new(Kind::Unacceptable, reason, format!("use -i {master}")).at(&main, 0).into());
    }
    let index = survey.networks.iter().position(|other| other.name == network.name);
    let others = index.map(|index| survey.interfaces(index)).unwrap_or_default();
    if let Some(other) = others.iter().find(|name| **name != interface.as_str()) {
        if survey.links.iter().any(|link| link.name == **other) {
            let reason = format!("this file is for {interface} and for {other}, and both would get the address");
            let hint = format!("write a file of its own for {interface}, with a name that sorts before this one");
            return Err(Refusal::new(Kind::Ambiguous, reason, hint).at(&main, 0).into());
        }
    }
    Ok(network)
}

/// The bridge or bond that `interface` is a port of, if it is one.
fn master(root: &Root, network: &Network, interface: &IfName) -> Result<Option<String>> {
    for key in [&b"Bridge"[..], b"Bond", b"BatmanAdvanced"] {
        if let Some(name) = network.values(b"Network", key).last().filter(|name| !name.is_empty()) {
            return Ok(Some(String::from_utf8_lossy(name).into_owned()));
        }
    }
    let Some(master) = host::link(root, interface.as_str())?.and_then(|link| link.master) else { return Ok(None) };
    // A VRF is a master, too, but its ports keep their addresses.
    let kind = matching::link_named(root, &master)?.kind;
    Ok(matches!(kind.as_deref(), Some("bridge" | "bond")).then_some(master))
}

/// What the administrator should know about `network` before adding to it.
fn notes(network: &Network) -> Option<String> {
    let path = network.path();
    if is_netplans(network) {
        Some(format!("netplan generates {path}; if it ever names that file differently, the drop-in counts no longer"))
    } else if path.is_under(&RUN.into()) {
        Some(format!("{path} is generated at boot; if it ever has another name, the drop-in counts no longer"))
    } else {
        None
    }
}

/// Where an address is added, and what is there already.
struct Addition<'a> {
    network: &'a Network,
    release: Release,
    found: Vec<Address>,
    site: Site<'a>,
}

/// The file that takes new sections.
enum Site<'a> {
    /// One that is there.
    Fragment(&'a Fragment),
    /// A drop-in that is not.
    New(RootPath),
}

impl<'a> Addition<'a> {
    fn to(root: &Root, network: &'a Network, release: Release) -> Result<Addition<'a>> {
        Ok(Addition { network, release, found: addresses(network, release), site: site(root, network, release)? })
    }

    /// Adds to `plan` what makes `aliases` effective, and says which of them were not.
    fn plan(&self, aliases: &[&Alias], plan: &mut Plan) -> Result<Vec<IpAddr>> {
        let mut present: BTreeMap<IpAddr, &Address> = BTreeMap::new();
        for address in self.found.iter().filter(|address| address.problem.is_none()) {
            present.insert(address.net.addr(), address);
        }
        let mut broken: BTreeMap<IpAddr, &Address> = BTreeMap::new();
        for address in self.found.iter().enumerate().filter_map(|(at, address)| self.repairable(at, address)) {
            broken.insert(address.net.addr(), address);
        }
        let mut repairs: BTreeMap<usize, Vec<Splice>> = BTreeMap::new();
        let mut lines: Vec<String> = Vec::new();
        let mut fresh = Vec::new();
        let mut seen = BTreeSet::new();
        for alias in aliases.iter().filter(|alias| seen.insert(alias.address.addr())) {
            let ip = alias.address.addr();
            if let Some(address) = present.get(&ip) {
                plan.notes.extend(self.other_prefix(alias, address));
                continue;
            }
            if ip.is_ipv6() && alias.label.is_some() {
                let reason = format!("{ip} cannot have a label: IPv6 addresses have none");
                return Err(Refusal::new(Kind::Unacceptable, reason, "leave the label out").into());
            }
            fresh.push(ip);
            match broken.get(&ip) {
                Some(address) => {
                    let splices = self.repair(alias, address);
                    plan.notes.push(self.repair_note(alias, address));
                    repairs.entry(address.fragment).or_default().extend(splices);
                }
                None => self.write(alias, &mut lines),
            }
        }
        self.check_room(&fresh, plan)?;
        self.changes(repairs, lines, plan)?;
        Ok(fresh)
    }

    /// `address`, the one at index `at`, if its section can be put right in a file that is the administrator's, without
    /// that making it the first of its family, which could be the primary one.
    fn repairable(&self, at: usize, address: &'a Address) -> Option<&'a Address> {
        if address.repairs.is_empty() {
            return None;
        }
        let is_ipv4 = address.net.addr().is_ipv4();
        let effective = |other: &&Address| other.problem.is_none() && other.net.addr().is_ipv4() == is_ipv4;
        let after_another = self.found.iter().take(at).find(effective).is_some();
        let fragment = self.network.fragments.get(address.fragment);
        let own = fragment.is_some_and(|fragment| fragment.target.is_under(&ETC.into()));
        (own && after_another).then_some(address)
    }

    /// The splices that make networkd take the address: trailing comments go, a label that cannot be saved goes whole.
    fn repair(&self, alias: &Alias, address: &Address) -> Vec<Splice> {
        let Some(fragment) = self.network.fragments.get(address.fragment) else { return Vec::new() };
        let mut splices = Vec::new();
        for repair in &address.repairs {
            let (Repair::Label(index) | Repair::Address(index)) = repair;
            let Some(item) = fragment.ini.items.get(*index) else { continue };
            let Body::Assignment { value, at: Some(at), .. } = &item.body else { continue };
            let kept = before_comment(value);
            let splice = match (repair, &alias.label) {
                (Repair::Label(_), Some(label)) => Splice { range: at.clone(), with: label.as_str().into() },
                (Repair::Label(_), None) if !kept.is_empty() && values::is_label(kept) && kept.len() < value.len() => {
                    Splice::delete(at.start + kept.len()..at.end)
                }
                (Repair::Label(_), None) => Splice::delete(item.range.clone()),
                (Repair::Address(_), _) if values::address(kept, self.release.version()) == Some(alias.address) => {
                    Splice::delete(at.start + kept.len()..at.end)
                }
                (Repair::Address(_), _) => Splice { range: at.clone(), with: alias.address.to_string().into() },
            };
            splices.push(splice);
        }
        splices
    }

    fn repair_note(&self, alias: &Alias, address: &Address) -> String {
        let path = self.network.fragments.get(address.fragment).map(|fragment| fragment.path.to_string());
        format!(
            "{} stands at {}:{} already, but networkd drops it: {}; the line is put right",
            alias.address.addr(),
            path.unwrap_or_default(),
            address.line,
            address.problem.as_deref().unwrap_or_default()
        )
    }

    fn other_prefix(&self, alias: &Alias, address: &Address) -> Option<String> {
        let path = &self.network.fragments.get(address.fragment)?.path;
        (address.net != alias.address).then(|| {
            format!(
                "{} is configured already, with the prefix /{}, at {path}:{}",
                alias.address.addr(),
                address.net.prefix_len(),
                address.line
            )
        })
    }

    /// Appends the lines of one section.
    fn write(&self, alias: &Alias, lines: &mut Vec<String>) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("[Address]".to_owned());
        lines.push(format!("Address={}", alias.address));
        lines.extend(alias.label.as_ref().map(|label| format!("Label={label}")));
        if alias.address.addr().is_ipv6() && !alias.preferred && self.release.can_deprecate() {
            lines.push("PreferredLifetime=0".to_owned());
        }
    }

    fn check_room(&self, fresh: &[IpAddr], plan: &mut Plan) -> Result<()> {
        let (sure, most) = self.release.most_addresses();
        let count = self.found.len() + fresh.len();
        if fresh.is_empty() || count <= sure {
            return Ok(());
        }
        if count > most {
            let reason = format!("systemd-networkd reads {most} addresses of a file, and this would make it {count}");
            return Err(Refusal::new(Kind::Unacceptable, reason, "add fewer addresses")
                .at(&self.network.path(), 0)
                .into());
        }
        plan.notes.push(format!(
            "systemd {} reads at least {sure} addresses of a file, and {most} in its later updates; this makes it {count}",
            self.release.version()
        ));
        Ok(())
    }

    fn changes(&self, mut repairs: BTreeMap<usize, Vec<Splice>>, lines: Vec<String>, plan: &mut Plan) -> Result<()> {
        let mut written = false;
        for (index, fragment) in self.network.fragments.iter().enumerate() {
            let mut splices = repairs.remove(&index).unwrap_or_default();
            if matches!(self.site, Site::Fragment(site) if site.path == fragment.path) && !lines.is_empty() {
                splices.push(fragment.text.append_block(&lines));
                written = true;
            }
            if !splices.is_empty() {
                plan.changes.push(change(fragment, Some(fragment.text.apply(splices)?)));
            }
        }
        if let (Site::New(path), false, false) = (&self.site, written, lines.is_empty()) {
            let text = Text::new("");
            plan.changes.push(Change {
                path: path.clone(),
                before: None,
                after: Some(text.apply(vec![text.append_block(&lines)])?),
                mode: 0o644,
                backup: Backup::Beside,
            });
        }
        Ok(())
    }
}

/// A value up to a `#` or `;` in it, which its writer took for a comment.
fn before_comment(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| matches!(byte, b'#' | b';')).unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_ascii_end()
}

fn change(fragment: &Fragment, after: Option<Vec<u8>>) -> Change {
    Change {
        path: fragment.target.clone(),
        before: Some(fragment.text.bytes().to_vec()),
        after,
        mode: 0o644,
        // networkd reads *.network and *.conf only.
        backup: Backup::Beside,
    }
}

/// The file that takes new sections of `network`.
fn site<'a>(root: &Root, network: &'a Network, release: Release) -> Result<Site<'a>> {
    let etc = root.resolve(&ETC.into())?;
    let is_own = |fragment: &&Fragment| fragment.target.is_under(&etc);
    // Nothing before the last empty Address= counts.
    if let Some(resetting) = network.fragments.iter().skip(1).rfind(|fragment| release.resets() && resets(fragment)) {
        return Some(resetting).filter(is_own).map(Site::Fragment).ok_or_else(|| {
            let reason = "an empty Address= in this drop-in takes back every address before it";
            Refusal::new(Kind::ManagedElsewhere, reason, "remove that line").at(&resetting.path, 0).into()
        });
    }
    if let Some(main) = network.fragments.first().filter(is_own) {
        if !is_cloud_inits(network) {
            return Ok(Site::Fragment(main));
        }
    }
    dropin(root, network, release)
}

fn dropin<'a>(root: &Root, network: &'a Network, release: Release) -> Result<Site<'a>> {
    let main = network.path();
    if !release.has_sound_dropins() {
        let reason = format!(
            "this file is not the administrator's to edit, and systemd {} confuses drop-ins (systemd#5141)",
            release.version()
        );
        let hint = format!("copy it to {ETC} under the same name first");
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&main, 0).into());
    }
    let dir = RootPath::from(ETC).join([network.name.as_slice(), b".d"].concat());
    let path = dir.join(DROPIN);
    if let Some(there) = network.fragments.iter().find(|fragment| fragment.path == path) {
        return Ok(Site::Fragment(there));
    }
    let target = root.resolve(&path)?;
    let free = root.link_target(&path)?.is_none() && root.kind(&path)? == NodeKind::Absent;
    if !free || target.parent() != root.resolve(&dir)? {
        let reason = "systemd-networkd does not read this drop-in";
        let hint = format!("make {dir} readable for all (chmod 0755), and {path} a file, not a link");
        return Err(Refusal::new(Kind::Malformed, reason, hint).at(&path, 0).into());
    }
    Ok(Site::New(target))
}

fn resets(fragment: &Fragment) -> bool {
    let sections = fragment.ini.sections();
    let network = sections.into_iter().filter(|section| section.name == b"Network");
    let mut assignments =
        network.flat_map(|section| fragment.ini.at(section.items)).filter_map(|item| item.assignment());
    assignments.any(|(key, value)| key == b"Address" && value.is_empty())
}

/// The change that takes `leaving` out of `fragment`.
fn removal(
    root: &Root,
    network: &Network,
    fragment: &Fragment,
    leaving: &[&Address],
    staying: &[&Address],
) -> Result<Change> {
    if !is_editable(root, fragment)? {
        let (what, hint) = if is_netplans(network) {
            ("netplan generates this file", "remove the address from the YAML file in /etc/netplan")
        } else if fragment.path.is_under(&RUN.into()) {
            ("this file is generated at boot", "remove the address where the file comes from")
        } else {
            ("this file belongs to a package", "copy it to /etc/systemd/network under the same name, and edit it there")
        };
        return Err(Refusal::new(Kind::ManagedElsewhere, what, hint).at(&fragment.path, 0).into());
    }
    // A section goes whole with the address it holds, unless it holds another one that stays.
    let kept: BTreeSet<usize> = staying.iter().filter_map(|address| header(address)).collect();
    let goes = |header: &usize| !kept.contains(header);
    let whole: BTreeSet<usize> = leaving.iter().filter_map(|address| header(address)).filter(goes).collect();
    let mut splices: Vec<Splice> = (fragment.ini.sections().iter())
        .filter(|section| whole.contains(&section.header))
        .map(|section| Splice::delete(fragment.ini.block(&fragment.text, section)))
        .collect();
    let alone = leaving.iter().filter(|address| header(address).is_none_or(|header| kept.contains(&header)));
    splices
        .extend(alone.filter_map(|address| Some(Splice::delete(fragment.ini.items.get(address.item)?.range.clone()))));
    let after = fragment.text.apply(splices)?;
    // A drop-in of ipalias that says nothing more has no reason to stay.
    let is_ours = fragment.path.name() == DROPIN.as_bytes() && fragment.path.is_under(&ETC.into());
    let is_empty = after.trim_ascii().is_empty();
    Ok(change(fragment, Some(after).filter(|_| !(is_ours && is_empty))))
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

fn shared(fragment: &Fragment, address: &Address, other: &str) -> Refusal {
    let reason = format!("this file is for {other}, too, which would lose {} with it", address.net.addr());
    let hint = "write files of their own for the interfaces first";
    Refusal::new(Kind::Ambiguous, reason, hint).at(&fragment.path, address.line)
}
