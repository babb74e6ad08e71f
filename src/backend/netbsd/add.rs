//! The plan that adds an item to `ifconfig_IF`, or a line to `/etc/ifconfig.IF`, for each address.

use ipnet::IpNet;

use super::chain::Chain;
use super::sources::{COMMAND, Call, Interface, Listed, Survey, survey};
use super::value::Edits;
use super::{NetBsd, finish, is_cloned};
use crate::alias::Alias;
use crate::backend::ifconfig::{
    self, Style, Target, by_interface, crlf_refusal, lasts, may_be_closed, no_labels, note_idle,
};
use crate::backend::{Backend as _, Entry, Situation};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Change, Plan};
use crate::root::{Root, RootPath};
use crate::syntax::ifconfig::Deed;

/// The plan that configures `want`.
pub(super) fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    no_labels(want)?;
    let chain = Chain::of(root)?;
    let survey = survey(root, &chain)?;
    let old = NetBsd.entries(root)?;
    let mut edits = Edits::new(&chain);
    let mut plan = Plan::nothing();
    for (interface, wanted) in by_interface(want) {
        if let Some(reason) = chain.passed_over(interface) {
            let hint =
                format!("put {interface} into net_interfaces of /etc/rc.conf first, or name another one with -i");
            return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
        }
        no_port(&survey, interface)?;
        let one = survey.interfaces.iter().find(|one| one.name == interface);
        match one.map(|one| (one, &one.variable, &one.file)) {
            Some((_, Some(filled), file)) => {
                let items: Vec<String> = wanted.iter().map(|alias| written(alias.address)).collect();
                edits.append(filled, &items)?;
                if let Some(listed) = file {
                    let (path, name) = (&listed.file.path, &filled.name);
                    plan.notes.push(format!("{path} is not read: {name} in rc.conf counts instead, and was edited"));
                }
            }
            Some((one, None, Some(listed))) => to_file(root, &old, one, listed, &wanted, &mut plan)?,
            _ => {
                let (change, daemon) = new_file(root, &chain, interface, &wanted)?;
                plan.notes.push(format!("{} is new; {daemon} goes on beside it", change.path));
                plan.changes.push(change);
            }
        }
    }
    plan.changes.extend(edits.changes(root)?);
    let new = NetBsd.entries(&plan.overlay(root))?;
    lasts(&new, want)?;
    note_idle(&old, &new, want, &mut plan);
    let steps = want.iter().filter_map(|alias| ifconfig::up(Style::AliasLast, alias, now)).collect();
    finish(root, &mut plan, steps, false)?;
    Ok(plan)
}

fn written(net: IpNet) -> String {
    match net {
        IpNet::V4(net) => format!("inet {} netmask {} alias", net.addr(), net.netmask()),
        IpNet::V6(net) => format!("inet6 {} prefixlen {} alias", net.addr(), net.prefix_len()),
    }
}

/// Where a copy of `/etc/ifconfig.IF` may stand: of a cloner's, every file beside it is taken for one.
pub(super) fn backup(interface: &str) -> Backup {
    if is_cloned(interface) { Backup::StoreOnly } else { Backup::Beside }
}

fn to_file(
    root: &Root,
    old: &[Entry],
    one: &Interface<'_>,
    listed: &Listed,
    wanted: &[&Alias],
    plan: &mut Plan,
) -> Result<()> {
    if let Some(refusal) = crlf_refusal(&listed.file.path, &listed.file.text) {
        return Err(refusal.into());
    }
    let is_own = |call: &Call| call.found.form == COMMAND;
    let calls = listed.calls.iter().map(|call| (call.item, is_own(call), &call.found.setting));
    let about = listed.calls.iter().filter(|call| call.found.setting.deed != Deed::Nothing);
    let target = Target {
        root,
        backend: &NetBsd,
        old,
        file: &listed.file,
        anchor: about.map(|call| call.item).max(),
        open: may_be_closed(&listed.file, calls),
        mode: 0o644,
        backup: backup(&one.name),
    };
    target.add(wanted, &written, plan)
}

/// A file of its own, beside a daemon that configures the interface (that both get along is from memory).
fn new_file(root: &Root, chain: &Chain, interface: &str, wanted: &[&Alias]) -> Result<(Change, &'static str)> {
    let mut daemon = None;
    for name in ["dhcpcd", "dhclient"] {
        daemon = daemon.or(chain.is_on(root, name)?.then_some(name));
    }
    let Some(daemon) = daemon else {
        let reason = format!("neither ifconfig_{interface} in rc.conf nor /etc/ifconfig.{interface} is there");
        let hint = "configure the interface first, or name another one with -i";
        return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
    };
    let lines: Vec<String> = wanted.iter().map(|alias| format!("{}\n", written(alias.address))).collect();
    let change = Change {
        path: RootPath::from(format!("/etc/ifconfig.{interface}").as_str()),
        before: None,
        after: Some(lines.concat().into_bytes()),
        mode: 0o644,
        backup: Backup::StoreOnly,
    };
    Ok((change, daemon))
}

/// Refuses a port of an aggregate: the addresses belong to that.
fn no_port(survey: &Survey<'_>, interface: &str) -> Result<()> {
    for one in &survey.interfaces {
        let items = one.variable.iter().flat_map(|filled| &filled.items);
        let lines = one.file.iter().filter(|_| one.variable.is_none()).flat_map(|listed| &listed.file.lines);
        for line in items.chain(lines).filter(|line| !line.text.starts_with('#')) {
            let words: Vec<&str> = line.text.split_whitespace().collect();
            if words.windows(2).any(|pair| pair == ["agrport", interface] || pair == ["laggport", interface]) {
                let reason = format!("{interface} is a port of {}, which has the addresses", one.name);
                return Err(Refusal::new(Kind::Unacceptable, reason, format!("name that: -i {}", one.name)).into());
            }
        }
    }
    Ok(())
}
