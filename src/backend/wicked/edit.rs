//! Splices into `ifcfg-IF`: one suffix for each address, all its variables with it.

use std::collections::{BTreeMap, BTreeSet};

use super::file::File;
use super::{file_of, has_wicked, restart};
use crate::alias::{Alias, IfName, lowest_free};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Command, Plan, Step};
use crate::root::{Root, RootPath};
use crate::text::Splice;

/// The variables that belong to an address, by what stands in front of its suffix.
const FAMILY: [&str; 8] =
    ["IPADDR", "NETMASK", "PREFIXLEN", "LABEL", "BROADCAST", "REMOTE_IPADDR", "SCOPE", "IP_OPTIONS"];

/// The plan that adds a suffix for each of `want`.
pub(super) fn add(root: &Root, want: &[Alias]) -> Result<Plan> {
    let mut by_interface: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    want.iter().for_each(|alias| by_interface.entry(alias.interface.as_str()).or_default().push(alias));
    let mut plan = Plan::nothing();
    for (interface, aliases) in &by_interface {
        let Some(file) = file_of(root, interface)? else {
            let path = RootPath::from(format!("{}/ifcfg-{interface}", super::DIR).as_str());
            let refusal = Refusal::new(Kind::Unsupported, "there is no such file", "configure the interface first");
            return Err(refusal.at(&path, 0).into());
        };
        acceptable(&file, aliases)?;
        if let Some(note) = file.entries().iter().find(|entry| entry.problem.is_some() && is_last(&file, entry)) {
            plan.notes.push(format!(
                "{}:{}: {} had no effect, for want of a line end; it has now",
                note.path, note.line, note.address
            ));
            plan.wakes.push(note.address.addr());
        }
        plan.changes.push(appended(root, &file, aliases)?);
    }
    if want.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
        plan.notes.push(
            "wicked cannot say that an IPv6 address is not to be a source; it may become one at the next boot"
                .to_owned(),
        );
    }
    let direct = want.iter().map(|alias| Step::new(Action::Add(alias.clone()))).collect();
    finish(root, plan, by_interface.keys().copied(), direct)
}

/// The plan that takes the suffixes of the entries out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let interfaces: BTreeSet<&str> = gone.iter().map(|entry| entry.interface.as_str()).collect();
    let mut plan = Plan::nothing();
    for interface in &interfaces {
        let Some(file) = file_of(root, interface)? else { continue };
        let suffixes: BTreeSet<&str> = gone
            .iter()
            .filter(|entry| entry.interface == *interface)
            .filter_map(|entry| entry.form.strip_prefix("IPADDR"))
            .collect();
        let goes = |name: &str| {
            FAMILY.iter().any(|family| name.strip_prefix(family).is_some_and(|suffix| suffixes.contains(suffix)))
        };
        let lines: BTreeSet<usize> = file.all.iter().filter(|one| goes(&one.name)).map(|one| one.line).collect();
        let splices = lines.iter().filter_map(|line| file.text.line(*line)).map(|line| Splice::delete(line.range()));
        plan.changes.push(change(root, &file, splices.collect())?);
    }
    let down = |entry: &Entry| {
        let interface = IfName::new(&entry.interface).ok()?;
        let alias = Alias { interface, address: entry.address, label: None, preferred: false };
        Some(Step::new(Action::Delete(alias)))
    };
    let direct = gone.iter().filter_map(down).collect();
    finish(root, plan, interfaces.into_iter(), direct)
}

/// The steps: `wicked ifup` applies the difference between the file and what it has put up itself; where there is no wicked,
/// the addresses are changed directly. So are those that go, since wicked leaves alone what came up without it.
fn finish<'i>(
    root: &Root,
    mut plan: Plan,
    interfaces: impl Iterator<Item = &'i str>,
    direct: Vec<Step>,
) -> Result<Plan> {
    let going = direct.iter().filter(|step| matches!(step.action, Action::Delete(_))).cloned();
    let mut restart = vec![Step::reread(restart(root)?)];
    restart.extend(going.clone());
    plan.restart = Ok(Apply { before: Vec::new(), after: restart });
    let after = if has_wicked(root)? {
        let ifup = interfaces.map(|interface| Step::reread(Command::new(["wicked", "ifup", interface])));
        ifup.chain(going).collect()
    } else {
        direct
    };
    plan.auto = Apply { before: Vec::new(), after };
    Ok(plan)
}

fn acceptable(file: &File, aliases: &[&Alias]) -> Result<()> {
    let refuse = |kind, reason: String, hint: String| Err(Refusal::new(kind, reason, hint).at(&file.path, 0).into());
    if let Some(master) = &file.master {
        let reason = format!("{} is a port of {master}, which has the addresses", file.interface);
        return refuse(Kind::Unacceptable, reason, format!("use -i {master}"));
    }
    if file.boot_protocol() == "none" {
        let reason = "BOOTPROTO is none, so wicked sets no address of this file".to_owned();
        return refuse(
            Kind::Unacceptable,
            reason,
            "set BOOTPROTO='static' there, or use the bridge or bond".to_owned(),
        );
    }
    for alias in aliases {
        let Some(label) = &alias.label else { continue };
        if alias.address.addr().is_ipv6() || !label.as_str().starts_with(&format!("{}:", file.interface)) {
            let reason = "a label belongs to an IPv4 address and begins with the interface's name".to_owned();
            return refuse(Kind::Unacceptable, reason, format!("write --label {}:NAME", file.interface));
        }
    }
    Ok(())
}

fn is_last(file: &File, entry: &Entry) -> bool {
    file.text.ends_open() && entry.line == file.text.line_count()
}

/// The file with the new lines behind the last address and what belongs to it.
fn appended(root: &Root, file: &File, aliases: &[&Alias]) -> Result<Change> {
    let numbers = file.all.iter().filter_map(|one| {
        FAMILY.iter().find_map(|family| one.name.strip_prefix(family)?.strip_prefix('_')?.parse::<u32>().ok())
    });
    let taken: BTreeSet<u32> = numbers.collect();
    let named = |one: &&crate::syntax::sysconfig::Setting| one.name.starts_with("IPADDR");
    let quote = file.all.iter().rfind(named).or(file.all.last()).map_or(Some(b'\''), |one| one.quote);
    let quote = quote.map_or_else(String::new, |quote| char::from(quote).to_string());
    let eol = file.text.eol();
    let mut lines = String::new();
    for (alias, number) in aliases.iter().zip(lowest_free(&taken, 0)) {
        lines.push_str(&format!("IPADDR_{number}={quote}{}{quote}{eol}", alias.address));
        if let Some(label) = &alias.label {
            let short = label.as_str().rsplit(':').next().unwrap_or_default();
            lines.push_str(&format!("LABEL_{number}={quote}{short}{quote}{eol}"));
        }
    }
    let belongs = |name: &str| FAMILY.iter().any(|family| name.starts_with(family));
    let last = file.all.iter().rev().find(|one| belongs(&one.name)).or(file.all.last());
    let line = last
        .and_then(|one| file.text.line(one.line))
        .or_else(|| file.text.line(file.text.line_count().checked_sub(1)?));
    let at = line.map_or(file.text.bytes().len(), |line| line.next);
    let open = file.text.ends_open() && at == file.text.bytes().len();
    change(root, file, vec![Splice::insert(at, format!("{}{lines}", if open { eol } else { "" }))])
}

fn change(root: &Root, file: &File, splices: Vec<Splice>) -> Result<Change> {
    Ok(Change {
        path: file.path.clone(),
        before: root.read(&file.path)?,
        after: Some(file.text.apply(splices)?),
        mode: 0o644,
        backup: Backup::Beside,
    })
}
