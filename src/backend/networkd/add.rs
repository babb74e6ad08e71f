//! Adding: `[Address]` sections at the end of the file that [`site`] says, or a section put right that networkd drops.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use super::addresses::{Address, Place, Repair, addresses};
use super::files::{ETC, Network, READABLE};
use super::release::Release;
use super::site::{Site, network_for, notes, site};
use super::{Survey, values};
use crate::alias::{Alias, IfName};
use crate::backend::Situation;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Plan, Step};
use crate::root::Root;
use crate::syntax::ini::Body;
use crate::text::{Splice, Text};

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
        plan.notes.extend(notes(root, &survey, network, interface)?);
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
    // What the file cannot say, the running system does not get either.
    let as_written = |alias: &Alias| {
        let preferred = alias.preferred || !survey.release.can_deprecate();
        Step::new(Action::Add(Alias { preferred, ..alias.clone() }))
    };
    plan.auto.after.extend(want.iter().filter(is_down).map(as_written));
    if !survey.release.can_deprecate() && want.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
        plan.notes.push(format!(
            "systemd {} cannot be given a preferred lifetime of 0 (systemd#13341), so that the server may use an added \
             IPv6 address as its source",
            survey.release.version()
        ));
    }
    plan.auto.after.extend(survey.release.reread());
    plan.restart = survey.release.restart().map(|after| Apply { before: Vec::new(), after });
    plan.notes.extend(survey.release.rereading_note());
    Ok(plan)
}

/// Where an address is added, and what is there already.
struct Addition<'a> {
    network: &'a Network,
    release: Release,
    found: Vec<Address>,
    site: Site<'a>,
}

impl<'a> Addition<'a> {
    fn to(root: &Root, network: &'a Network, release: Release) -> Result<Addition<'a>> {
        let found = addresses(network, release);
        let site = site(root, network, release, &found)?;
        Ok(Addition { network, release, found, site })
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
            match broken.get(&ip).filter(|address| self.can_become(alias, address)) {
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
        let on_one_line = |repair: &Repair| {
            let (Repair::Label(item) | Repair::Address(item)) = repair;
            let body = fragment.and_then(|fragment| fragment.ini.items.get(*item)).map(|item| &item.body);
            matches!(body, Some(Body::Assignment { at: Some(_), .. }))
        };
        (own && after_another && address.repairs.iter().all(on_one_line)).then_some(address)
    }

    /// Whether putting `address` right gives what `alias` asks for: a label has its line, a lifetime has its section.
    fn can_become(&self, alias: &Alias, address: &Address) -> bool {
        let has_label_line = address.repairs.iter().any(|repair| matches!(repair, Repair::Label(_)));
        let label = alias.label.is_none()
            || has_label_line
            || alias.label.as_ref().map(|label| label.as_str()) == address.label.as_deref();
        let prefix = address.net == alias.address || address.peer.is_none() && self.value_of(address).is_some();
        label && prefix && (!self.deprecates(alias) || !address.preferred || address.place != Place::NetworkLine)
    }

    /// Where the value of the `Address=` line of `address` stands, if it is on one line.
    fn value_of(&self, address: &Address) -> Option<Range<usize>> {
        let fragment = self.network.fragments.get(address.fragment)?;
        match &fragment.ini.items.get(address.item)?.body {
            Body::Assignment { at, .. } => at.clone(),
            _ => None,
        }
    }

    /// Whether `alias` is written with a preferred lifetime of 0.
    fn deprecates(&self, alias: &Alias) -> bool {
        alias.address.addr().is_ipv6() && !alias.preferred && self.release.can_deprecate()
    }

    /// The splices that make networkd take the address: trailing comments go, a label that cannot be saved goes whole.
    fn repair(&self, alias: &Alias, address: &Address) -> Vec<Splice> {
        let Some(fragment) = self.network.fragments.get(address.fragment) else { return Vec::new() };
        let mut splices = Vec::new();
        if self.deprecates(alias) && address.preferred {
            if let Some(item) = fragment.ini.items.get(address.item) {
                let (line, eol) = ("PreferredLifetime=0", fragment.text.eol());
                let at_open_end = fragment.text.ends_open() && item.range.end == fragment.text.bytes().len();
                let line = if at_open_end { [eol, line].concat() } else { [line, eol].concat() };
                splices.push(Splice::insert(item.range.end, line));
            }
        }
        let takes_the_line = address.repairs.iter().any(|repair| matches!(repair, Repair::Address(_)));
        if let (true, Some(at)) = (address.net != alias.address && !takes_the_line, self.value_of(address)) {
            splices.push(Splice { range: at, with: alias.address.to_string().into() });
        }
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
        if self.deprecates(alias) {
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
                plan.changes.push(fragment.becomes(Some(fragment.text.apply(splices)?)));
            }
        }
        if let (Site::New(path), false, false) = (&self.site, written, lines.is_empty()) {
            let text = Text::new("");
            plan.changes.push(Change {
                path: path.clone(),
                before: None,
                after: Some(text.apply(vec![text.append_block(&lines)])?),
                mode: READABLE,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alias::parse_address;
    use crate::backend::UpAddress;
    use crate::plan::Disturbs;

    /// The steps of adding `address` under systemd `version`.
    fn plan(version: u32, address: &str, now: &Situation) -> Plan {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let file = b"[Match]\nName=eth0\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n".to_vec();
        let library = format!("/usr/lib/systemd/libsystemd-shared-{version}.so");
        let root = Root::open(dir.path()).unwrap().with_planned([
            ("/etc/systemd/network/50-default.network".into(), Some(file), 0o644),
            (library.as_str().into(), Some(Vec::new()), 0o644),
        ]);
        let address = parse_address(address).unwrap();
        let alias = Alias { interface: IfName::new("eth0").unwrap(), address, label: None, preferred: false };
        add(&root, &[alias], now).unwrap()
    }

    fn steps(plan: &Plan) -> Vec<String> {
        plan.auto.after.iter().map(|step| step.action.to_string()).collect()
    }

    fn disturbs(plan: &Plan) -> Vec<Disturbs> {
        let command = |step: &Step| match &step.action {
            Action::Run(command) => Some(command.disturbs),
            Action::Add(_) | Action::Delete(_) => None,
        };
        plan.auto.after.iter().filter_map(command).collect()
    }

    #[test]
    fn steps_by_release() {
        const ADD: &str = "ip addr add 203.0.113.5/32 dev eth0";
        const RESTART: &[&str] = &["systemctl reset-failed systemd-networkd", "systemctl restart systemd-networkd"];
        for (version, reread, disturbed) in [
            (239, &[][..], &[][..]),
            (247, RESTART, &[Disturbs::Nothing, Disturbs::Foreign]),
            (252, RESTART, &[Disturbs::Nothing, Disturbs::Nothing]),
            (257, &["networkctl reload"], &[Disturbs::Foreign]),
        ] {
            let plan = plan(version, "203.0.113.5", &Situation::default());
            assert_eq!(steps(&plan), [&[ADD], reread].concat(), "{version}");
            assert_eq!(disturbs(&plan), disturbed, "{version}");
            assert_eq!(plan.restart.is_err(), version == 239);
            assert_eq!(plan.notes.is_empty(), version == 252, "{version}: {:?}", plan.notes);
        }
    }

    #[test]
    fn what_is_up_is_not_put_up_again() {
        let up = UpAddress { interface: "eth0".into(), address: parse_address("203.0.113.5").unwrap(), label: None };
        let plan = plan(252, "203.0.113.5", &Situation { up: vec![up], ..Situation::default() });
        assert!(steps(&plan).iter().all(|step| !step.starts_with("ip addr")), "{:?}", steps(&plan));
    }

    #[test]
    fn lifetimes_that_a_release_cannot_write_are_not_put_up_either() {
        assert_eq!(
            steps(&plan(252, "2001:db8::5", &Situation::default()))[0],
            "ip addr add 2001:db8::5/128 dev eth0 preferred_lft 0"
        );
        let plan = plan(241, "2001:db8::5", &Situation::default());
        assert_eq!(steps(&plan)[0], "ip addr add 2001:db8::5/128 dev eth0");
        assert!(plan.notes.iter().any(|note| note.contains("systemd#13341")));
    }
}
