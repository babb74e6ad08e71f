//! One more address: a file of its own where the network scripts read it, else a pair of variables.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net};

use super::consumer::Readers;
use super::files::{DIR, File, Files, Sort};
use super::run;
use crate::alias::{Alias, Label, lowest_free};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Command, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, line_after};
use crate::text::{Splice, Text};

/// The plan that adds `want`.
pub(super) fn add(root: &Root, files: &Files, want: &[Alias]) -> Result<Plan> {
    let mut plan = Plan::nothing();
    let mut by_interface: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    want.iter().for_each(|alias| by_interface.entry(alias.interface.as_str()).or_default().push(alias));
    let mut after = Vec::new();
    for (interface, aliases) in by_interface {
        let base = usable(files, interface)?;
        let mut adding = Adding { files, base, interface, plan: &mut plan, after: &mut after, lines: Vec::new() };
        adding.all(&aliases)?;
        let lines = std::mem::take(&mut adding.lines);
        adding.edit_base(root, lines)?;
    }
    plan.auto = Apply { before: Vec::new(), after };
    plan.restart = Ok(plan.auto.clone());
    Ok(plan)
}

/// The base file of `interface`, if that can have addresses and everything about it can be read.
fn usable<'f>(files: &'f Files, interface: &str) -> Result<&'f File> {
    let Some(base) = files.base(interface) else {
        let path = RootPath::from(DIR).join(format!("ifcfg-{interface}"));
        let hint = "configure the interface first, or name another one with -i";
        let reason = format!("no file here configures {interface}");
        return Err(Refusal::new(Kind::Unsupported, reason, hint).at(&path, 0).into());
    };
    base.sound()?;
    files.others(interface, Sort::Alias).chain(files.others(interface, Sort::Range)).try_for_each(File::sound)?;
    if let Some(master) = base.master() {
        let reason = format!("{interface} is a port of {master}, which has the addresses");
        return Err(Refusal::new(Kind::Unacceptable, reason, format!("use -i {master}")).at(&base.path, 0).into());
    }
    Ok(base)
}

struct Adding<'a> {
    files: &'a Files,
    base: &'a File,
    interface: &'a str,
    plan: &'a mut Plan,
    after: &'a mut Vec<Step>,
    /// New lines for the base file.
    lines: Vec<String>,
}

impl Adding<'_> {
    fn all(&mut self, aliases: &[&Alias]) -> Result<()> {
        let (numbers, indexes) = (taken_numbers(self.files, self.interface), taken_indexes(self.base));
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
                        self.variables(net, indexes.next().unwrap_or(255))?;
                        self.directly(alias);
                    }
                },
            }
        }
        self.ipv6(aliases)
    }

    /// The address goes up directly, and NetworkManager is told.
    fn directly(&mut self, alias: &Alias) {
        self.load();
        self.after.push(Step::new(Action::Add(alias.clone())));
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
            if self.files.files.iter().any(|file| file.name == label.as_str()) {
                return Err(self.refuse(&format!("ifcfg-{label} is there already"), "choose another label"));
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
            self.after.push(Step::new(Action::Add(Alias { label: Some(label.clone()), ..alias.clone() })));
        } else {
            self.after.push(Step::with_undo(run(["ifup", label.as_str()]), run(["ifdown", label.as_str()])));
        }
    }

    fn variables(&mut self, net: Ipv4Net, index: u32) -> Result<()> {
        let readers = self.files.readers(self.base);
        if self.files.consumer.release.first_needed().is_none() {
            let reason = "an alias does not fit the interface's name, and this release knows no IPADDRn";
            return Err(self.refuse(reason, "rename the interface, or run ip addr add from rc.local"));
        }
        if self.base.is_dynamic() && readers == Readers::Scripts {
            let reason =
                "an alias does not fit the interface's name, and the network scripts pass over IPADDRn beside DHCP";
            return Err(self.refuse(reason, "rename the interface"));
        }
        self.lines.push(format!("IPADDR{index}={}", net.addr()));
        self.lines.push(format!("PREFIX{index}={}", net.prefix_len()));
        Ok(())
    }

    /// Makes NetworkManager read the file, which disturbs nothing.
    fn load(&mut self) {
        if self.files.readers(self.base) == Readers::Scripts {
            return;
        }
        let path = self.base.path.to_string();
        let step = Step::reread(Command::new(["nmcli", "connection", "load", path.as_str()]));
        if self.files.readers(self.base) == Readers::NetworkManager && !self.after.contains(&step) {
            self.after.push(step);
        }
    }

    fn ipv6(&mut self, aliases: &[&Alias]) -> Result<()> {
        let mut words: Vec<String> = aliases
            .iter()
            .filter(|alias| alias.address.addr().is_ipv6())
            .map(|alias| alias.address.to_string())
            .collect();
        if words.is_empty() {
            return Ok(());
        }
        if self.base.says("IPV6INIT", &["no", "n", "false", "f", "0"]) {
            let hint = "set IPV6INIT=yes there first";
            return Err(self.refuse("IPV6INIT is no, so the interface has no IPv6", hint));
        }
        if aliases.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
            let note =
                "ifcfg files cannot say that an IPv6 address is not to be a source; it may become one at the next boot";
            self.plan.notes.push(note.to_owned());
        }
        if self.base.get("IPV6ADDR").is_none() {
            if self.base.get("IPV6INIT").is_none() {
                self.lines.push("IPV6INIT=yes".to_owned());
            }
            self.lines.push(format!("IPV6ADDR={}", words.remove(0)));
        }
        // Where the list is there it is extended by `edit_base`.
        if !words.is_empty() {
            self.lines.push(format!("IPV6ADDR_SECONDARIES=\"{}\"", words.join(" ")));
        }
        Ok(())
    }

    fn edit_base(&mut self, root: &Root, mut lines: Vec<String>) -> Result<()> {
        let text = &self.base.text;
        let mut splices = Vec::new();
        let list = self.base.assignments("IPV6ADDR_SECONDARIES").last();
        let new = lines.iter().position(|line| line.starts_with("IPV6ADDR_SECONDARIES="));
        if let (Some(list), Some(new)) = (list, new) {
            let line = lines.remove(new);
            let words = line.split('"').nth(1).unwrap_or_default();
            splices.extend(extended(list, words));
        }
        for (start, family) in [("IPADDR", FAMILY4), ("IPV6", FAMILY6), ("PREFIX", FAMILY4)] {
            let (own, rest): (Vec<String>, Vec<String>) = lines
                .into_iter()
                .partition(|line| line.starts_with(start) || start == "IPADDR" && line.starts_with("PREFIX"));
            lines = rest;
            if !own.is_empty() {
                splices.push(self.inserted(text, &own, family));
            }
        }
        if splices.is_empty() {
            return Ok(());
        }
        self.plan.changes.push(Change {
            path: self.base.path.clone(),
            before: root.read(&self.base.path)?,
            after: Some(text.apply(splices)?),
            mode: 0o644,
            backup: Backup::Beside,
        });
        Ok(())
    }

    /// The lines behind the last variable of their family, or at the end.
    fn inserted(&self, text: &Text, lines: &[String], family: &[&str]) -> Splice {
        let belongs = |name: &&str| {
            family
                .iter()
                .any(|start| name.strip_prefix(start).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())))
        };
        let names = self.base.environment.names().filter(belongs);
        let last = names.flat_map(|name| self.base.assignments(name)).max_by_key(|assignment| assignment.next);
        let body = lines.join("\n");
        match last {
            Some(last) => line_after(text, last, &body),
            None => {
                let open = if text.ends_open() { "\n" } else { "" };
                Splice::insert(text.bytes().len(), format!("{open}{body}\n"))
            }
        }
    }

    fn refuse(&self, reason: &str, hint: &str) -> anyhow::Error {
        Refusal::new(Kind::Unacceptable, reason, hint).at(&self.base.path, 0).into()
    }
}

const FAMILY4: &[&str] = &["IPADDR", "PREFIX", "NETMASK", "BROADCAST", "GATEWAY", "NETWORK"];
const FAMILY6: &[&str] = &["IPV6ADDR", "IPV6INIT"];

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

/// Numbers of alias files and of ranges.
fn taken_numbers(files: &Files, interface: &str) -> BTreeSet<u32> {
    let mut taken: BTreeSet<u32> =
        files.others(interface, Sort::Alias).filter_map(|file| file.name.split_once(':')?.1.parse().ok()).collect();
    for range in files.others(interface, Sort::Range) {
        let number = |name: &str| range.get(name).and_then(|number| number.parse::<u32>().ok());
        let ip = |name: &str| range.get(name).and_then(|ip| ip.parse::<std::net::Ipv4Addr>().ok()).map(u32::from);
        if let (Some(start), Some(end)) = (ip("IPADDR_START"), ip("IPADDR_END")) {
            let first = number("CLONENUM_START").unwrap_or(0);
            taken.extend(first..=first.saturating_add(end.saturating_sub(start).min(255)));
        }
    }
    taken
}

fn taken_indexes(base: &File) -> BTreeSet<u32> {
    let starts = ["IPADDR", "PREFIX", "NETMASK"];
    let index = |name: &str| starts.iter().find_map(|start| name.strip_prefix(start)?.parse().ok());
    base.environment.names().filter_map(index).collect()
}
