//! Splices into `ifcfg-IF`: one suffix for each address, all its variables with it.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{File, files};
use super::reader::{Reader, reader};
use super::{DIR, FAMILY, restart};
use crate::alias::{Alias, IfName, lowest_free};
use crate::backend::Entry;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Command, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::sysconfig::Setting;
use crate::text::Splice;

/// The plan that adds a suffix for each of `want`.
pub(super) fn add(root: &Root, want: &[Alias]) -> Result<Plan> {
    let mut by_interface: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    want.iter().for_each(|alias| by_interface.entry(alias.interface.as_str()).or_default().push(alias));
    let reader = reader(root)?;
    let files = files(root, reader)?;
    let mut plan = Plan::nothing();
    for (interface, aliases) in &by_interface {
        let Some(file) = files.iter().find(|file| file.interface == *interface) else {
            let path = RootPath::from(format!("{DIR}/ifcfg-{interface}").as_str());
            let refusal = Refusal::new(Kind::Unsupported, "there is no such file", "configure the interface first");
            return Err(refusal.at(&path, 0).into());
        };
        acceptable(file, aliases)?;
        if !file.starts_itself() {
            let (path, name) = (&file.path, "STARTMODE");
            let mode = file.value(name).unwrap_or("not set");
            plan.notes.push(format!("{path}: {name} is {mode}, so that the interface does not come up at boot"));
        }
        append(root, file, aliases, &mut plan)?;
    }
    if want.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred) {
        plan.notes.push(
            "wicked cannot say that an IPv6 address is not to be a source; it may become one at the next boot"
                .to_owned(),
        );
    }
    let direct = want.iter().map(|alias| Step::new(Action::Add(alias.clone()))).collect();
    Ok(finish(reader, plan, by_interface.keys().copied(), direct))
}

/// The plan that takes the suffixes of the entries out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let interfaces: BTreeSet<&str> = gone.iter().map(|entry| entry.interface.as_str()).collect();
    let reader = reader(root)?;
    let files = files(root, reader)?;
    let mut plan = Plan::nothing();
    for interface in &interfaces {
        let Some(file) = files.iter().find(|file| file.interface == *interface) else { continue };
        let suffixes: BTreeSet<&str> = gone
            .iter()
            .filter(|entry| entry.interface == *interface)
            .filter_map(|entry| entry.form.strip_prefix("IPADDR"))
            .collect();
        let goes = |name: &str| {
            FAMILY.iter().any(|family| name.strip_prefix(family).is_some_and(|suffix| suffixes.contains(suffix)))
        };
        let splices = file.settings.cut(&file.text, &file.path, goes)?;
        plan.changes.push(change(root, file, splices)?);
    }
    let down = |entry: &Entry| {
        let interface = IfName::new(&entry.interface).ok()?;
        let alias = Alias { interface, address: entry.address, label: None, preferred: false };
        Some(Step::new(Action::Delete(alias)))
    };
    let direct = gone.iter().filter_map(down).collect();
    Ok(finish(reader, plan, interfaces.into_iter(), direct))
}

/// The steps: `wicked ifup` applies the difference between the file and what it has put up itself; without wicked, the
/// addresses are changed directly. So are those that go, since wicked leaves alone what came up without it.
fn finish<'i>(reader: Reader, mut plan: Plan, interfaces: impl Iterator<Item = &'i str>, direct: Vec<Step>) -> Plan {
    let going: Vec<Step> = direct.iter().filter(|step| matches!(step.action, Action::Delete(_))).cloned().collect();
    let all = std::iter::once(Step::reread(restart(reader))).chain(going.iter().cloned());
    plan.restart = Ok(Apply { before: Vec::new(), after: all.collect() });
    let after = match reader {
        Reader::Wicked => {
            let ifup = interfaces.map(|interface| Step::reread(Command::new(["wicked", "ifup", interface])));
            ifup.chain(going).collect()
        }
        Reader::Scripts => direct,
    };
    plan.auto = Apply { before: Vec::new(), after };
    plan
}

fn acceptable(file: &File, aliases: &[&Alias]) -> Result<()> {
    let line = |name: &str| file.settings.effective.iter().find(|one| one.name == name).map_or(0, |one| one.line + 1);
    if let Some(reason) = file.idle() {
        let (at, hint) = match &file.master {
            Some(master) => (0, format!("use -i {master}")),
            None if reason.starts_with("STARTMODE") => (line("STARTMODE"), "set STARTMODE='auto' there".to_owned()),
            None => (line("BOOTPROTO"), "set BOOTPROTO='static' there, or name the bridge or bond with -i".to_owned()),
        };
        return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&file.path, at).into());
    }
    for alias in aliases {
        let Some(label) = &alias.label else { continue };
        if alias.address.addr().is_ipv6() || own_part(file, label.as_str()).is_none() {
            let reason = "a label belongs to an IPv4 address and begins with the interface's name";
            let hint = format!("write --label {}:NAME", file.interface);
            return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&file.path, 0).into());
        }
    }
    Ok(())
}

/// What stands behind the interface's name in a label: that is how it is written.
fn own_part<'l>(file: &File, label: &'l str) -> Option<&'l str> {
    label.strip_prefix(file.interface.as_str())?.strip_prefix(':').filter(|own| !own.is_empty())
}

/// The change that puts the new lines behind the last address and what belongs to it, and what is to be said about it.
fn append(root: &Root, file: &File, aliases: &[&Alias], plan: &mut Plan) -> Result<()> {
    let eol = file.text.eol();
    let at = place(file);
    let open = file.text.ends_open() && at == file.text.bytes().len();
    let last = file.settings.all.last().filter(|one| one.line + 1 == file.text.line_count());
    let splice = match last.filter(|one| open && !one.is_read) {
        None => Splice::insert(at, format!("{}{}", if open { eol } else { "" }, lines(file, aliases))),
        Some(dead) => beside_dead_line(file, dead, aliases, plan),
    };
    plan.changes.push(change(root, file, vec![splice])?);
    Ok(())
}

/// The splice where the file ends with a setting that is not read, since its line has no end. If that sets an address more,
/// it comes to life with the line end that the new lines need; anything else could change the primary address, so it stays
/// the last line, and dead.
fn beside_dead_line(file: &File, dead: &Setting, aliases: &[&Alias], plan: &mut Plan) -> Splice {
    let (path, line, name) = (&file.path, dead.line + 1, &dead.name);
    let entries = file.entries();
    let entry = entries.iter().find(|entry| entry.line == line && entry.form == *name && entry.problem.is_some());
    let same = |alias: &&Alias, entry: &Entry| alias.address.addr() == entry.address.addr();
    let enough = |alias: &&Alias, entry: &Entry| alias.address == entry.address && alias.label.is_none();
    let wakes = |entry: &&Entry| aliases.iter().all(|alias| !same(alias, entry) || enough(alias, entry));
    let Some(entry) = entry.filter(wakes) else {
        plan.notes.push(format!("{path}:{line}: {name} is not read, for want of a line end; it stays so"));
        let at = file.text.line(dead.line).map_or(0, |line| line.start);
        return Splice::insert(at, lines(file, aliases));
    };
    let ip = entry.address.addr();
    plan.notes.push(format!("{path}:{line}: {ip} had no effect, for want of a line end; it has now"));
    let others: Vec<&Alias> = aliases.iter().copied().filter(|alias| !same(alias, entry)).collect();
    if others.len() == aliases.len() {
        plan.wakes.push(ip);
    }
    Splice::insert(file.text.bytes().len(), format!("{}{}", file.text.eol(), lines(file, &others)))
}

/// Where new lines go: behind the last setting of an address, else the last setting, else the end.
fn place(file: &File) -> usize {
    let belongs = |name: &str| FAMILY.iter().any(|family| name.starts_with(family));
    let all = &file.settings.all;
    let last = all.iter().rfind(|one| belongs(&one.name)).or(all.last());
    last.map_or(file.text.bytes().len(), |one| file.settings.behind(&file.text, one))
}

/// The lines of the new suffixes, in the quotes of the file.
fn lines(file: &File, aliases: &[&Alias]) -> String {
    let all = &file.settings.all;
    let numbers = all.iter().filter_map(|one| {
        FAMILY.iter().find_map(|family| one.name.strip_prefix(family)?.strip_prefix('_')?.parse::<u32>().ok())
    });
    let taken: BTreeSet<u32> = numbers.collect();
    let model = all.iter().rfind(|one| one.name.starts_with("IPADDR")).or(all.last());
    let quote = model.map_or(Some(b'\''), |one| one.quote);
    let quote = quote.map_or_else(String::new, |quote| char::from(quote).to_string());
    let eol = file.text.eol();
    let mut lines = String::new();
    for (alias, number) in aliases.iter().zip(lowest_free(&taken, 0)) {
        lines.push_str(&format!("IPADDR_{number}={quote}{}{quote}{eol}", alias.address));
        if let Some(own) = alias.label.as_ref().and_then(|label| own_part(file, label.as_str())) {
            lines.push_str(&format!("LABEL_{number}={quote}{own}{quote}{eol}"));
        }
    }
    lines
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
