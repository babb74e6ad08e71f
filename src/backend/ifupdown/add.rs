//! The plan that adds addresses: which file, which form, which number, and the edits.
//!
//! Three forms are written (interfaces(5); what each reader makes of them was measured): an alias stanza `iface eth0:0`,
//! a repeated stanza `iface eth0`, and one more `address` line in the primary's stanza. Hook lines are recognised but
//! never written.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use crate::alias::{self, Alias, IfName, Label, MOST_NAME_BYTES};
use crate::backend::Situation;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Plan, Step};
use crate::root::{Root, RootPath};

use super::Reading;
use super::address::{self, Found, Origin};
use super::apply::{self, Placed};
use super::edit::{self, Edits};
use super::flavour::Flavour;
use super::fold;
use super::owner::elsewhere;
use super::place::{self, Target};
use super::primary::Devices;
use super::stanza::{Effect, Family, INTERFACES, Stanza, Tree};

/// From here on the files' own cost at boot is worth a note: ifup waits for duplicate address detection in each stanza.
const MANY_STANZAS: usize = 16;

/// Plans `want` for the files of `reading`. What is there already is left out.
pub(super) fn plan(root: &Root, reading: &Reading, want: &[Alias], now: &Situation) -> Result<Plan> {
    let Reading { tree, found } = reading;
    let there: HashSet<(&str, IpAddr)> = found
        .iter()
        .filter(|found| found.entry.is_effective())
        .map(|found| (found.entry.interface.as_str(), found.entry.address.addr()))
        .collect();
    let mut named = HashSet::new();
    let mut missing: Vec<&Alias> = Vec::new();
    for alias in want {
        let key = (alias.interface.as_str(), alias.address.addr());
        if !there.contains(&key) && named.insert(key) {
            missing.push(alias);
        }
    }
    let mut plan = Plan::nothing();
    if missing.is_empty() {
        return Ok(plan);
    }
    let stops = |effect| matches!(effect, Effect::RefusesAll | Effect::UnclearAll);
    if let Some(fault) = tree.faults.iter().find(|fault| stops(fault.effect)) {
        return Err(fault.refusal().into());
    }
    let devices = Devices::new(tree, found);
    let mut planner = Planner {
        root,
        tree,
        found,
        names: taken_names(root, tree, found, want, now)?,
        ports: devices.ports(),
        devices,
        edits: Edits::default(),
        placed: Vec::new(),
        notes: idle(found, &named),
    };
    let mut groups: Vec<(&IfName, Family, Vec<&Alias>)> = Vec::new();
    let mut group_of: HashMap<(&IfName, Family), usize> = HashMap::new();
    for alias in missing {
        let family = if alias.address.addr().is_ipv4() { Family::V4 } else { Family::V6 };
        let at = *group_of.entry((&alias.interface, family)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, _, aliases)) => aliases.push(alias),
            None => groups.push((&alias.interface, family, vec![alias])),
        }
    }
    for (interface, family, aliases) in &groups {
        planner.group(interface, *family, aliases)?;
    }
    let hotplug = groups.iter().find(|(interface, ..)| planner.devices.only_hotplug(interface.as_str()));
    plan.restart = apply::restart(root, tree.flavour, hotplug.map(|(interface, ..)| interface.as_str()))?
        .map(|command| apply::only_after(Step::reread(command)));
    plan.auto = apply::added(tree.flavour, &planner.placed, now);
    plan.notes = planner.notes.into_iter().collect();
    plan.changes = planner.edits.changes(tree)?;
    plan.checks = edit::checks(tree.flavour, &plan.changes);
    if !tree.flavour.is_strict() && !address::others_stay(root, tree, found, &plan, &named)? {
        let reason = format!("with it {} would set other addresses of the interface differently", tree.flavour.name());
        let hint = "write the prefix behind each address of the interface first, as in: address 192.0.2.10/24";
        return Err(Refusal::new(Kind::Malformed, reason, hint).at(&INTERFACES.into(), 0).into());
    }
    Ok(plan)
}

/// How an additional address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `auto eth0:0` and `iface eth0:0 inet static`.
    Alias,
    /// One more `iface eth0 inet static`.
    Repeated,
    /// One more `address A/32` line in the primary's stanza.
    Line,
}

struct Planner<'p> {
    root: &'p Root,
    tree: &'p Tree,
    found: &'p [Found],
    devices: Devices<'p>,
    /// Every name and label that is in use.
    names: HashSet<String>,
    ports: HashMap<String, String>,
    edits: Edits,
    placed: Vec<Placed>,
    notes: BTreeSet<String>,
}

impl<'p> Planner<'p> {
    /// Plans addresses of one family on one interface.
    fn group(&mut self, interface: &IfName, family: Family, aliases: &[&Alias]) -> Result<()> {
        let base = self.base(interface, family)?;
        let form = self.form(interface, family, base);
        let form = if form == Form::Line && self.is_inherited(base) { Form::Repeated } else { form };
        self.check_family(interface, family, aliases)?;
        let in_base = form == Form::Line && elsewhere(&base.source).is_none();
        if in_base {
            if let Some(refusal) = place::obstacle(self.tree, &base.source) {
                return Err(refusal.into());
            }
            return self.lines(base, aliases);
        }
        let form = if form == Form::Line { Form::Repeated } else { form };
        let target = place::target(self.root, self.tree, base)?;
        let indent = place::indent(self.tree, base, &target);
        self.note_lifetime(family, aliases);
        if family == Family::V6 && aliases.len() >= MANY_STANZAS && self.tree.flavour == Flavour::Classic {
            self.notes.insert(
                "ifup waits for duplicate address detection in each IPv6 stanza, so that every one of them takes one or \
                 two seconds when the system boots"
                    .to_owned(),
            );
        }
        let autoconf = self.keeps_autoconf(interface, family)?;
        let taken = self.taken_numbers(interface);
        let mut free = alias::lowest_free(&taken, 0);
        let mut checked = false;
        for alias in aliases {
            let own = self.own_name(alias, form, &mut free)?;
            if own.is_none() && !checked {
                self.check_name(base)?;
                checked = true;
            }
            if own.is_none() && !self.devices.starts.brings_up(base) {
                return Err(self.never_up(base).into());
            }
            if own.is_none() && form == Form::Alias && base.is_dynamic() {
                self.notes.insert(format!(
                    "the DHCP client takes {} away when its lease changes, because no label {interface}:N fits",
                    alias.address
                ));
            }
            self.stanza(alias, own, &target, base, &indent, autoconf);
        }
        Ok(())
    }

    /// The stanza beside which addresses of `interface` are written, if that may be done at all.
    fn base(&self, interface: &IfName, family: Family) -> Result<&'p Stanza> {
        let device = interface.as_str();
        if let Some(master) = self.ports.get(device) {
            let reason = format!("{device} is a port of {master}, which has the addresses");
            return Err(Refusal::new(Kind::Unacceptable, reason, format!("name {master} instead")).into());
        }
        let Some(base) = self.devices.base(device, family) else {
            let known = self.devices.names();
            let known = if known.is_empty() { "none but lo".to_owned() } else { known.join(", ") };
            let reason = format!("{INTERFACES} has no stanza for {device}");
            return Err(Refusal::new(Kind::Unacceptable, reason, format!("it has stanzas for {known}")).into());
        };
        if let Some(reason) = base.source.unread.as_ref().or(base.refused.as_ref()) {
            let hint = format!("move the stanza of {device} to where it is read first");
            let refusal = Refusal::new(Kind::Malformed, reason.clone(), hint);
            return Err(refusal.at(&base.source.path, base.head.number()).into());
        }
        if self.tree.flavour.is_two() {
            self.check_fold(device)?;
        }
        let here = |found: &&Found| {
            let stanza = self.tree.stanzas.get(found.stanza);
            stanza.is_some_and(|stanza| std::ptr::eq(stanza, base)) && matches!(found.origin, Origin::Line(_))
        };
        let mut lines = self.found.iter().filter(here);
        let broken = lines.next().filter(|first| !first.entry.is_effective() && self.devices.starts.brings_up(base));
        match broken {
            Some(first) if lines.all(|found| !found.entry.is_effective()) => {
                let reason = first.entry.problem.clone().unwrap_or_default();
                let hint = format!("repair the stanza of {device} first: it would not come up at the next boot");
                Err(Refusal::new(Kind::Malformed, reason, hint).at(&first.entry.path, first.entry.line).into())
            }
            _ => Ok(base),
        }
    }

    /// ifupdown2: refuses what would keep any address of the interface from being set (see `fold`).
    fn check_fold(&self, device: &str) -> Result<()> {
        let stanzas = self.devices.of(device);
        if let Some(first) = stanzas.first().filter(|first| matches!(first.method.as_str(), "dhcp" | "ppp")) {
            let reason = format!("ifupdown2 takes no other addresses for {device} beside {}", first.method);
            let hint = "configure the interface as static, or add the address with an up line by hand";
            let refusal = Refusal::new(Kind::Unsupported, reason, hint);
            return Err(refusal.at(&first.source.path, first.head.number()).into());
        }
        for stanza in stanzas {
            if let Some(line) = address::unreadable(stanza) {
                let hint = "write nothing behind the address in that line, or take the line out";
                let refusal = Refusal::new(Kind::Malformed, fold::DROPS_ALL, hint);
                return Err(refusal.at(&stanza.source.path, line.number()).into());
            }
        }
        let lines = self.found.iter().filter(|found| matches!(found.origin, Origin::Line(_)));
        let lines = lines.map(|found| &found.entry).filter(|entry| entry.interface == device);
        let up = stanzas.iter().any(|stanza| self.devices.starts.brings_up(stanza));
        for entry in lines.filter(|_| up) {
            if let Some(reason) = &entry.problem {
                let refusal = Refusal::new(
                    Kind::Malformed,
                    reason.clone(),
                    "correct the address in that line, or take the line out",
                );
                return Err(refusal.at(&entry.path, entry.line).into());
            }
        }
        Ok(())
    }

    /// Debian's ifupdown: refuses a further stanza of a name of which another makes `ifup` give up.
    fn check_name(&self, base: &Stanza) -> Result<()> {
        if !self.tree.flavour.is_debian() {
            return Ok(());
        }
        let hint = "repair that stanza first: ifup does not come to the ones behind it";
        let mut same = self.tree.stanzas.iter().filter(|stanza| stanza.name == base.name);
        if let Some(empty) = same.find(|stanza| address::lacks_address(self.tree, stanza)) {
            let reason = format!("the stanza of {} has no address, so that ifup gives up on it", base.name);
            let refusal = Refusal::new(Kind::Malformed, reason, hint);
            return Err(refusal.at(&empty.source.path, empty.head.number()).into());
        }
        let named = |found: &&Found| self.tree.stanzas.get(found.stanza).is_some_and(|stanza| stanza.name == base.name);
        let failing = self.found.iter().filter(|found| found.fails).find(named);
        match failing {
            Some(Found { entry, .. }) => {
                let reason = entry.problem.clone().unwrap_or_default();
                Err(Refusal::new(Kind::Malformed, reason, hint).at(&entry.path, entry.line).into())
            }
            None => Ok(()),
        }
    }

    /// The form: what this reader accepts, and among that what the files use for this interface already.
    fn form(&self, interface: &IfName, family: Family, base: &Stanza) -> Form {
        let stanzas = self.devices.of(interface.as_str());
        let same = || stanzas.iter().filter(|stanza| stanza.family.takes(family));
        let aliases = same().any(|stanza| stanza.is_alias());
        let repeated = same().filter(|stanza| !stanza.is_alias() && stanza.method == "static").count() > 1;
        let addresses = |stanza: &Stanza| stanza.options.iter().filter(|option| option.word(0) == b"address").count();
        let lines = same().any(|stanza| addresses(stanza) > 1);
        let hollow = address::would_lead(base, family);
        match self.tree.flavour {
            Flavour::Old | Flavour::Classic if family == Family::V6 => Form::Repeated,
            // dhclient-script flushes by label: only a label of its own survives a change of the lease.
            Flavour::Classic if repeated && !aliases && !base.is_dynamic() => Form::Repeated,
            Flavour::Old | Flavour::Classic => Form::Alias,
            Flavour::BusyBox if aliases && family == Family::V4 => Form::Alias,
            Flavour::BusyBox => Form::Repeated,
            Flavour::Two { .. } if hollow || (repeated && !lines) => Form::Repeated,
            // A line put in before others could move their netmasks (see `fold`); a stanza at the end cannot.
            Flavour::Two { .. } if stanzas.len() > 1 && stanzas.iter().any(|stanza| has_attributes(stanza)) => {
                Form::Repeated
            }
            Flavour::Two { .. } => Form::Line,
            Flavour::Ng { .. } if lines && !repeated && !hollow => Form::Line,
            Flavour::Ng { .. } => Form::Repeated,
        }
    }

    /// Whether other stanzas take their options from `base`, and would take a new address, too.
    fn is_inherited(&self, base: &Stanza) -> bool {
        let parents = self.tree.stanzas.iter().filter_map(|stanza| self.tree.stanzas.get(stanza.inherits?));
        parents.filter(|parent| parent.name == base.name).count() > 0
    }

    /// ifupdown 0.6 takes one inet6 stanza for an interface and no more.
    fn check_family(&self, interface: &IfName, family: Family, aliases: &[&Alias]) -> Result<()> {
        let has_one = || self.devices.of(interface.as_str()).iter().any(|stanza| stanza.family == Family::V6);
        if self.tree.flavour == Flavour::Old && family == Family::V6 && (aliases.len() > 1 || has_one()) {
            let reason = format!("ifupdown 0.6 takes one IPv6 address for {interface} and no more");
            let hint = "upgrade ifupdown, or add the address with an up line by hand";
            return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
        }
        Ok(())
    }

    /// The numbers N of names `IF:N` in use.
    fn taken_numbers(&self, interface: &IfName) -> BTreeSet<u32> {
        let number = |name: &String| name.strip_prefix(interface.as_str())?.strip_prefix(':')?.parse().ok();
        self.names.iter().filter_map(number).collect()
    }

    /// The name of the stanza of its own that `alias` gets; nothing where it goes into a repeated stanza.
    fn own_name(&mut self, alias: &Alias, form: Form, free: &mut impl Iterator<Item = u32>) -> Result<Option<String>> {
        let interface = &alias.interface;
        let Some(label) = &alias.label else {
            if form != Form::Alias {
                return Ok(None);
            }
            let name = free.next().map(|number| format!("{interface}:{number}"));
            let name = name.filter(|name| name.len() <= MOST_NAME_BYTES);
            return match name {
                None if self.tree.flavour == Flavour::Old => {
                    let reason = format!("no label {interface}:N fits into {MOST_NAME_BYTES} bytes");
                    Err(Refusal::new(Kind::Unacceptable, reason, "rename the interface, or upgrade ifupdown").into())
                }
                name => Ok(name),
            };
        };
        let refuse = |reason: String, hint: &str| Err(Refusal::new(Kind::Unacceptable, reason, hint).into());
        if !self.tree.flavour.labels() || alias.address.addr().is_ipv6() {
            let flavour = self.tree.flavour.name();
            return refuse(format!("{flavour} cannot give {} a label", alias.address), "leave the label out");
        }
        let behind = label.as_str().strip_prefix(interface.as_str()).and_then(|rest| rest.strip_prefix(':'));
        if behind.is_none_or(|behind| behind.is_empty() || behind.contains(':')) {
            let reason = format!("{} takes no label {label} on {interface}", self.tree.flavour.name());
            return refuse(reason, &format!("labels are {interface}:NAME here, such as {interface}:web"));
        }
        if !self.names.insert(label.to_string()) {
            return refuse(format!("the label {label} is in use already"), "choose another label, or none");
        }
        Ok(Some(label.to_string()))
    }

    /// Appends the stanza of one alias.
    fn stanza(
        &mut self,
        alias: &Alias,
        own: Option<String>,
        target: &Target,
        base: &Stanza,
        indent: &str,
        autoconf: bool,
    ) {
        let ip = alias.address.addr();
        let bits = alias.address.prefix_len();
        let mut lines = Vec::new();
        lines.extend(own.as_ref().map(|name| format!("auto {name}")));
        let name = own.as_deref().unwrap_or(&base.name);
        lines.push(format!("iface {name} {} static", if ip.is_ipv4() { "inet" } else { "inet6" }));
        match ip {
            _ if self.netmask_goes_astray(target, name) => lines.push(format!("{indent}address {}", alias.address)),
            IpAddr::V4(_) => {
                lines.push(format!("{indent}address {ip}"));
                lines.push(format!("{indent}netmask {}", alias::prefix_to_netmask(bits)));
            }
            IpAddr::V6(_) => {
                lines.push(format!("{indent}address {ip}"));
                lines.push(format!("{indent}netmask {bits}"));
            }
        }
        if ip.is_ipv6() && !alias.preferred && self.has_lifetimes(&alias.interface) {
            lines.push(format!("{indent}preferred-lifetime 0"));
        }
        if autoconf {
            lines.push(format!("{indent}autoconf 1"));
        }
        match target {
            Target::Existing(source) => self.edits.append(source, lines),
            Target::New(path) => self.edits.create(path, lines),
        }
        let label = own.as_deref().and_then(|name| Label::new(name).ok());
        self.placed.push(Placed { alias: Alias { label, ..alias.clone() }, stanza: own });
    }

    /// Whether a netmask written now could go to another address, so that the prefix is put behind the address: with
    /// ifupdown2 the netmasks of all stanzas are counted together (see `fold`); with ifupdown-ng a netmask or an address of
    /// an earlier stanza may still wait for its counterpart (see `merge`).
    fn netmask_goes_astray(&self, target: &Target, name: &str) -> bool {
        self.tree.flavour.is_two()
            || self.tree.flavour.is_ng()
                && match target {
                    Target::Existing(source) => self.tree.left_over.contains(&(source.path.clone(), name.to_owned())),
                    // Where among the files a new one is read, and what waits there, is not known.
                    Target::New(_) => true,
                }
    }

    /// Puts `address` lines in behind the last option of `base`.
    fn lines(&mut self, base: &Stanza, aliases: &[&Alias]) -> Result<()> {
        if !self.devices.starts.brings_up(base) {
            return Err(self.never_up(base).into());
        }
        self.note_lifetime(
            if aliases.iter().any(|a| a.address.addr().is_ipv6()) { Family::V6 } else { Family::V4 },
            aliases,
        );
        let indent = place::indent_of(base);
        let mut lines = Vec::new();
        for alias in aliases {
            self.own_name(alias, Form::Line, &mut std::iter::empty())?;
            lines.push(format!("{indent}address {}", alias.address));
            if alias.address.addr().is_ipv6() && !alias.preferred && self.has_lifetimes(&alias.interface) {
                // ifupdown2 ties it to the address line above.
                lines.push(format!("{indent}preferred-lifetime 0"));
            }
            self.placed.push(Placed { alias: (*alias).clone(), stanza: None });
        }
        self.edits.insert_lines(&base.source, base.end(), lines);
        Ok(())
    }

    fn never_up(&self, base: &Stanza) -> Refusal {
        let reason = format!("nothing brings {} up: no auto line names it", base.name);
        let hint =
            format!("add a line \"auto {}\", so that {} brings it up at boot", base.name, self.tree.flavour.name());
        Refusal::new(Kind::Malformed, reason, hint).at(&base.source.path, base.head.number())
    }

    /// Whether a lifetime of zero can be written for an address of `interface`. With ifupdown2 one in a second stanza
    /// could go to the primary address (see `fold`).
    fn has_lifetimes(&self, interface: &IfName) -> bool {
        match self.tree.flavour {
            Flavour::Classic => true,
            Flavour::Two { .. } => self.devices.of(interface.as_str()).len() == 1,
            Flavour::Old | Flavour::Ng { .. } | Flavour::BusyBox => false,
        }
    }

    fn note_lifetime(&mut self, family: Family, aliases: &[&Alias]) {
        let marked = aliases.first().is_some_and(|alias| self.has_lifetimes(&alias.interface));
        if family == Family::V6 && !marked && aliases.iter().any(|alias| !alias.preferred) {
            let name = self.tree.flavour.name();
            self.notes.insert(format!(
                "{name} cannot mark an IPv6 address as not preferred here: after the next boot the server may use it as its \
                 source address"
            ));
        }
    }

    /// Whether a static inet6 stanza has to say `autoconf 1`, because ifupdown switches autoconfiguration off in each
    /// that does not (interfaces(5), "inet6", "static"), and the interface has its own address from there.
    fn keeps_autoconf(&self, interface: &IfName, family: Family) -> Result<bool> {
        if family != Family::V6 || self.tree.flavour != Flavour::Classic {
            return Ok(false);
        }
        let stanzas = || self.devices.of(interface.as_str()).iter().filter(|stanza| stanza.family == Family::V6);
        if let Some(last) = stanzas().rfind(|stanza| stanza.method == "static" && !stanza.is_alias()) {
            let set = last.options.iter().find(|option| option.word(0) == b"autoconf");
            return Ok(set.is_some_and(|option| option.word(1) != b"0"));
        }
        let kernel = RootPath::from("/proc/sys/net/ipv6/conf").join(interface.as_str()).join("autoconf");
        let off = self.root.read(&kernel)?.is_some_and(|value| value.trim_ascii() == b"0");
        Ok(!off || stanzas().any(|stanza| stanza.method == "auto"))
    }
}

/// Whether a stanza has lines that belong to the address above them.
fn has_attributes(stanza: &Stanza) -> bool {
    const ATTRIBUTES: [&[u8]; 4] = [b"netmask", b"broadcast", b"scope", b"preferred-lifetime"];
    stanza.options.iter().any(|option| ATTRIBUTES.contains(&option.word(0)))
}

/// Notes about lines that name the addresses in `asked` without effect.
fn idle(found: &[Found], asked: &HashSet<(&str, IpAddr)>) -> BTreeSet<String> {
    let entries = found.iter().map(|found| &found.entry);
    let idle = entries.filter(|entry| asked.contains(&(entry.interface.as_str(), entry.address.addr())));
    idle.filter_map(|entry| {
        let (ip, problem) = (entry.address.addr(), entry.problem.as_ref()?);
        let place = format!("{}:{}", entry.path, entry.line);
        Some(format!("{place} names {ip}, too, but {problem}; it is added anew, without a repair of that line"))
    })
    .collect()
}

/// Every name and label in use: stanzas, `auto` lines, hook lines, the record of what is up, the running system. The label with
/// which an address of `want` is up already is its own.
fn taken_names(root: &Root, tree: &Tree, found: &[Found], want: &[Alias], now: &Situation) -> Result<HashSet<String>> {
    let own: HashSet<IpAddr> = want.iter().map(|alias| alias.address.addr()).collect();
    let mut names = apply::up_names(root, tree.flavour)?;
    names.extend(tree.stanzas.iter().map(|stanza| stanza.name.clone()));
    names.extend(tree.starts.iter().map(|start| start.logical.clone()));
    names.extend(found.iter().filter_map(|found| found.entry.label.clone()));
    let others = now.up.iter().filter(|up| !own.contains(&up.address.addr()));
    names.extend(others.filter_map(|up| up.label.clone()));
    Ok(names)
}
