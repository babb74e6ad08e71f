//! One more address: a file of its own where every reader reads it, else a pair of variables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::consumer::Readers;
use super::entries::{INDEXED, entries, indexed, ipv6_starts, numbers};
use super::file::{DIR, File, Sort};
use super::files::Files;
use super::{checks, load, reapply, run};
use crate::alias::{Alias, Label, lowest_free};
use crate::backend::{Entry, Situation};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, line_after, line_at_end};
use crate::text::Splice;

/// What stands before a number in names of variables of an IPv4 address, and the names of IPv6 addresses.
const FAMILY4: &[&str] = &["IPADDR", "PREFIX", "NETMASK", "BROADCAST", "GATEWAY", "NETWORK"];
const FAMILY6: &[&str] = &["IPV6ADDR", "IPV6INIT"];

/// The plan that adds `want`.
pub(super) fn add(root: &Root, files: &Files, want: &[Alias], now: &Situation) -> Result<Plan> {
    let mut plan = Plan::nothing();
    let mut by_interface: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    want.iter().for_each(|alias| by_interface.entry(alias.interface.as_str()).or_default().push(alias));
    let mut restart = Vec::new();
    for (interface, aliases) in by_interface {
        let base = checks::usable(files, interface)?;
        let has_primary = base.is_dynamic() || indexed(files, base).iter().any(|one| one.is_reached);
        let (lines4, lines6) = Default::default();
        let mut adding = Adding { files, base, interface, has_primary, plan: &mut plan, lines4, lines6 };
        adding.all(&aliases, now)?;
        adding.edit_base(root)?;
        if files.readers(base) == Readers::NetworkManager {
            restart.extend([load(&base.path), reapply(interface)]);
        }
    }
    plan.restart =
        Ok(if restart.is_empty() { plan.auto.clone() } else { Apply { before: Vec::new(), after: restart } });
    checks::none_in_the_way(root, want, &plan)?;
    Ok(plan)
}

struct Adding<'a> {
    files: &'a Files,
    base: &'a File,
    interface: &'a str,
    /// Whether the interface has an IPv4 address of its own.
    has_primary: bool,
    plan: &'a mut Plan,
    /// New lines for the base file.
    lines4: Vec<String>,
    lines6: Vec<String>,
}

impl Adding<'_> {
    fn all(&mut self, aliases: &[&Alias], now: &Situation) -> Result<()> {
        let (numbers, indexes) = (self.taken_numbers(now), taken_indexes(self.base));
        let (mut numbers, mut indexes) = (lowest_free(&numbers, 0), lowest_free(&indexes, 1));
        for alias in aliases {
            match alias.address {
                IpNet::V6(_) if alias.label.is_some() => {
                    return Err(self.refuse("a label belongs to an IPv4 address", "leave --label out"));
                }
                IpNet::V6(_) => self.directly(alias),
                IpNet::V4(net) => match self.file_label(alias, &mut numbers)? {
                    Some(label) => self.alias_file(alias, net, &label),
                    None => {
                        self.variables(net, indexes.next().unwrap_or(u32::MAX))?;
                        self.directly(alias);
                    }
                },
            }
        }
        self.reached()?;
        self.ipv6(aliases)
    }

    /// The address goes up directly, and NetworkManager is told where it runs.
    fn directly(&mut self, alias: &Alias) {
        self.load();
        self.plan.auto.after.push(Step::new(Action::Add(alias.clone())));
    }

    fn load(&mut self) {
        let readers = self.files.readers(self.base);
        let step = load(&self.base.path);
        let listens =
            readers == Readers::NetworkManager || readers == Readers::Both && self.files.consumer.manager_runs;
        if listens && !self.plan.auto.after.contains(&step) {
            self.plan.auto.after.push(step);
        }
    }

    /// The label of a file of its own; nothing where that would not be read, or not fit.
    fn file_label(&self, alias: &Alias, numbers: &mut impl Iterator<Item = u32>) -> Result<Option<Label>> {
        let readers = self.files.readers(self.base);
        let same_name = self.base.name == self.interface;
        if let Some(label) = &alias.label {
            let number = label.as_str().strip_prefix(self.interface).and_then(|rest| rest.strip_prefix(':'));
            let sound = number.is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
            if !sound {
                let hint = format!("write --label {}:NAME, with letters, digits and underscores", self.interface);
                return Err(self.refuse("the label does not fit an alias file", &hint));
            }
            if self.files.names.contains(label.as_str()) {
                return Err(self.refuse(&format!("ifcfg-{label} is there already"), "choose another label"));
            }
            // The scripts take the number, whatever stands before its colon.
            let is_same = |file: &&File| {
                let own = file.sort == Sort::Alias && file.stem() == self.interface;
                file.device == label.as_str() || own && file.device.split_once(':').map(|(_, rest)| rest) == number
            };
            if let Some(file) = self.files.files.iter().find(is_same) {
                let reason = format!("{} has DEVICE={} already", file.path, file.device);
                return Err(self.refuse(&reason, "choose another label"));
            }
            if readers != Readers::Scripts && !same_name {
                let reason = format!("NetworkManager would not see ifcfg-{label} beside ifcfg-{}", self.base.name);
                return Err(self.refuse(&reason, "leave --label out"));
            }
            return Ok(Some(label.clone()));
        }
        if readers == Readers::NetworkManager || readers == Readers::Both && !same_name {
            return Ok(None);
        }
        let number = numbers.next().unwrap_or_default();
        Ok(Label::new(&format!("{}:{number}", self.interface)).ok())
    }

    /// Numbers of alias files, by their names and by what they say, of ranges, and of labels that are up.
    fn taken_numbers(&self, now: &Situation) -> BTreeSet<u32> {
        let interface = self.interface;
        let number =
            move |label: &str| label.strip_prefix(interface)?.strip_prefix(':').and_then(|number| number.parse().ok());
        let named = self.files.names.iter().filter_map(|name| number(name));
        let aliases = self.files.files.iter().filter(|file| file.sort == Sort::Alias && file.stem() == interface);
        // The scripts take the number, whatever stands before its colon.
        let said = aliases.filter_map(|file| file.device.split_once(':')?.1.parse().ok());
        let up = now.up.iter().filter_map(|up| number(up.label.as_deref()?));
        let mut taken: BTreeSet<u32> = named.chain(said).chain(up).collect();
        for range in self.files.ranges(self.base) {
            let number = |name: &str| range.get(name).and_then(|number| number.parse::<u32>().ok());
            let ip = |name: &str| range.get(name).and_then(|ip| ip.parse::<std::net::Ipv4Addr>().ok()).map(u32::from);
            if let (Some(start), Some(end)) = (ip("IPADDR_START"), ip("IPADDR_END")) {
                let first = number("CLONENUM_START").unwrap_or(0);
                taken.extend(first..=first.saturating_add(end.saturating_sub(start).min(255)));
            }
        }
        taken
    }

    fn alias_file(&mut self, alias: &Alias, net: Ipv4Net, label: &Label) {
        let mut body =
            format!("DEVICE={label}\nBOOTPROTO=none\nONBOOT=yes\nIPADDR={}\nPREFIX={}\n", net.addr(), net.prefix_len());
        if net.prefix_len() == 32 {
            body.push_str(&format!("NETMASK={}\nBROADCAST={}\n", net.netmask(), net.addr()));
        }
        self.plan.changes.push(Change {
            path: RootPath::from(DIR).join(format!("ifcfg-{label}")),
            before: None,
            after: Some(body.into_bytes()),
            mode: 0o644,
            backup: Backup::StoreOnly,
        });
        if self.files.readers(self.base) == Readers::NetworkManager {
            self.load();
            self.plan.auto.after.push(Step::new(Action::Add(Alias { label: Some(label.clone()), ..alias.clone() })));
        } else {
            self.plan.auto.after.push(Step::with_undo(run(["ifup", label.as_str()]), run(["ifdown", label.as_str()])));
        }
    }

    fn variables(&mut self, net: Ipv4Net, index: u32) -> Result<()> {
        let readers = self.files.readers(self.base);
        if self.files.consumer.first_needed().is_none() {
            let reason = "an alias does not fit the interface's name, and this release knows no IPADDRn";
            return Err(self.refuse(reason, "rename the interface, or run ip addr add from rc.local"));
        }
        if self.base.is_dynamic() && readers == Readers::Scripts {
            let reason =
                "an alias does not fit the interface's name, and the network scripts pass over IPADDRn beside DHCP";
            return Err(self.refuse(reason, "rename the interface"));
        }
        let note = "the network scripts pass over IPADDRn beside DHCP; only NetworkManager brings it up".to_owned();
        if self.base.is_dynamic() && readers == Readers::Both && !self.plan.notes.contains(&note) {
            self.plan.notes.push(note);
        }
        if !self.has_primary {
            let reason = "the interface has no IPv4 address of its own, so this one would become its primary address";
            return Err(self.refuse(reason, "give the interface an IPADDR first"));
        }
        if index > self.files.consumer.most_index() {
            return Err(self.refuse("every index of IPADDRn is taken", "remove some addresses first"));
        }
        self.lines4.push(format!("IPADDR{index}={}", net.addr()));
        self.lines4.push(format!("PREFIX{index}={}", net.prefix_len()));
        Ok(())
    }

    /// Addresses behind a gap that the new indexes close come up, too. A gap that is taken by something else than an
    /// address cannot be closed.
    fn reached(&mut self) -> Result<()> {
        let (files, base) = (self.files, self.base);
        let Some(needed) = files.consumer.first_needed().filter(|_| !self.lines4.is_empty()) else { return Ok(()) };
        let number = |line: &String| line.strip_prefix("IPADDR")?.split('=').next()?.parse::<u32>().ok();
        let new: BTreeSet<u32> = self.lines4.iter().filter_map(number).collect();
        let has_value = |number: &u32| base.get(&format!("IPADDR{number}")).is_some();
        let set: BTreeSet<u32> = numbers(base, "IPADDR").into_iter().filter(has_value).chain(new.clone()).collect();
        let gap = (needed..).find(|number| !set.contains(number)).unwrap_or(u32::MAX);
        if new.last().is_some_and(|last| *last > gap) {
            let names = INDEXED.iter().map(|start| format!("{start}{gap}"));
            let name = names.into_iter().find(|name| base.sets(name)).unwrap_or_default();
            let reason = format!("{name} stands there without an address in IPADDR{gap}, which ends the search");
            return base.malformed(base.line(&name), &reason, "take it out first");
        }
        let behind = indexed(files, base).into_iter().filter(|one| !one.is_reached);
        for one in behind.filter(|one| one.suffix.parse::<u32>().is_ok_and(|number| number < gap)) {
            let (suffix, ip, place) = (&one.suffix, one.address.addr(), &base.path);
            let elsewhere = |entry: &Entry| entry.is_effective() && entry.address.addr() == ip;
            if let Some(other) = entries(files).into_iter().find(elsewhere) {
                let name = format!("IPADDR{suffix}");
                let reason = format!("{name}={ip} would come up, too, and stands in {} already", other.path);
                return base.malformed(base.line(&name), &reason, "take it out of one of the files first");
            }
            self.plan.wakes.push(ip);
            self.plan.notes.push(format!(
                "IPADDR{suffix}={ip} of {place} had no effect, since an index before it was missing; it will come up, too"
            ));
        }
        Ok(())
    }

    fn ipv6(&mut self, aliases: &[&Alias]) -> Result<()> {
        let new = || aliases.iter().filter(|alias| alias.address.addr().is_ipv6());
        let mut words: Vec<String> = new().map(|alias| alias.address.to_string()).collect();
        if words.is_empty() {
            return Ok(());
        }
        let starts = ipv6_starts(self.files, self.base);
        for (name, off) in
            [("IPV6INIT", self.base.denies("IPV6INIT")), ("IPV6_DISABLED", self.base.affirms("IPV6_DISABLED"))]
        {
            if off && !starts {
                let hint = format!("set {name}={} there first", if name == "IPV6INIT" { "yes" } else { "no" });
                return Err(self.refuse(&format!("{name} switches IPv6 off on the interface"), &hint));
            }
        }
        if new().any(|alias| !alias.preferred) {
            let note =
                "ifcfg files cannot say that an IPv6 address is not to be a source; it may become one at the next boot";
            self.plan.notes.push(note.to_owned());
        }
        let has_any = ["IPV6ADDR", "IPV6ADDR_SECONDARIES"].iter().any(|name| self.base.get(name).is_some());
        if !starts || !has_any && !self.base.affirms("IPV6INIT") {
            self.lines6.push("IPV6INIT=yes".to_owned());
            if !self.base.denies("IPV6_AUTOCONF") {
                let note = "IPV6INIT=yes turns autoconfiguration on, too, unless IPV6_AUTOCONF says no";
                self.plan.notes.push(note.to_owned());
            }
        } else if self.files.readers(self.base) == Readers::Both && !self.base.affirms("IPV6INIT") {
            let note = format!("{} lacks IPV6INIT=yes, without which NetworkManager reads no IPv6", self.base.path);
            self.plan.notes.push(note);
        }
        if !starts {
            let idle = entries(self.files).into_iter().filter(|entry| entry.interface == self.interface);
            let idle: Vec<IpAddr> = idle.map(|entry| entry.address.addr()).filter(IpAddr::is_ipv6).collect();
            if !idle.is_empty() {
                let note = format!("IPV6INIT=yes brings the other IPv6 addresses of {} up, too", self.base.path);
                self.plan.notes.push(note);
            }
            self.plan.wakes.extend(idle);
        }
        if self.files.global("NETWORKING_IPV6").is_some_and(|value| value.eq_ignore_ascii_case("no")) {
            self.plan.notes.push("NETWORKING_IPV6 is no in /etc/sysconfig/network, which may keep IPv6 off".to_owned());
        }
        if !has_any {
            self.lines6.push(format!("IPV6ADDR={}", words.remove(0)));
        }
        // Where the list is there it is extended by `edit_base`.
        if !words.is_empty() {
            self.lines6.push(format!("IPV6ADDR_SECONDARIES=\"{}\"", words.join(" ")));
        }
        Ok(())
    }

    fn edit_base(&mut self, root: &Root) -> Result<()> {
        let mut splices = Vec::new();
        let list = self.base.assignments("IPV6ADDR_SECONDARIES").last();
        let new = self.lines6.iter().position(|line| line.starts_with("IPV6ADDR_SECONDARIES="));
        if let (Some(list), Some(new)) = (list, new) {
            let line = self.lines6.remove(new);
            let words = line.split('"').nth(1).unwrap_or_default();
            if list.quote.is_none() && !self.base.is_bare(list) {
                let hint = "write the whole list in one pair of quotes";
                return self.base.malformed(list.line, "the list is put together from pieces", hint);
            }
            splices.extend(extended(list, words));
        }
        for (lines, family) in [(&self.lines4, FAMILY4), (&self.lines6, FAMILY6)] {
            if !lines.is_empty() {
                splices.push(self.inserted(lines, family)?);
            }
        }
        if splices.is_empty() {
            return Ok(());
        }
        self.plan.changes.push(Change {
            path: self.base.path.clone(),
            before: root.read(&self.base.path)?,
            after: Some(self.base.text.apply(splices)?),
            mode: 0o644,
            backup: Backup::Beside,
        });
        Ok(())
    }

    /// The lines behind the last variable of their family, or at the end.
    fn inserted(&self, lines: &[String], family: &[&str]) -> Result<Splice, Refusal> {
        let text = &self.base.text;
        let belongs = |name: &&str| {
            family
                .iter()
                .any(|start| name.strip_prefix(start).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())))
        };
        let names = self.base.environment.names().filter(belongs);
        let last = names
            .flat_map(|name| self.base.assignments(name))
            .max_by_key(|assignment| (assignment.next, assignment.at.start));
        let body = lines.join("\n");
        let splice = match last {
            Some(last) => line_after(text, last, &body),
            None => line_at_end(text, &body),
        };
        splice.map_err(|refusal| refusal.at(&self.base.path, text.line_count()))
    }

    fn refuse(&self, reason: &str, hint: &str) -> anyhow::Error {
        Refusal::new(Kind::Unacceptable, reason, hint).at(&self.base.path, 0).into()
    }
}

/// More words in a list: inside its quotes, or with quotes of their own.
fn extended(list: &Assignment, words: &str) -> Vec<Splice> {
    let empty = list.value_at.len() == usize::from(list.quote.is_some()) * 2;
    let gap = if empty { "" } else { " " };
    match list.quote {
        Some(_) => vec![Splice::insert(list.value_at.end - 1, format!("{gap}{words}"))],
        None => vec![
            Splice::insert(list.value_at.start, "\""),
            Splice::insert(list.value_at.end, format!("{gap}{words}\"")),
        ],
    }
}

fn taken_indexes(base: &File) -> BTreeSet<u32> {
    INDEXED.iter().flat_map(|start| numbers(base, start)).collect()
}
