//! The plan that adds a line `inet alias` or `inet6 alias` for each address.

use ipnet::IpNet;

use super::files::{Hostname, ended_by, files};
use super::{OpenBsd, finish};
use crate::alias::Alias;
use crate::backend::ifconfig::{self, Style, Target, by_interface, crlf_refusal, lasts, no_labels, note_idle};
use crate::backend::{Backend as _, Situation};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Plan};
use crate::root::Root;

/// The plan that configures `want`.
pub(super) fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    no_labels(want)?;
    let own = files(root)?;
    let old = OpenBsd.entries(root)?;
    let mut plan = Plan::nothing();
    let wishes = by_interface(want);
    for (interface, wanted) in &wishes {
        let one = of_interface(&own, interface)?;
        no_port(&own, interface)?;
        if let Some(refusal) = crlf_refusal(&one.file.path, &one.file.text) {
            return Err(refusal.into());
        }
        let behind = |ended: &usize| one.anchor().is_none_or(|anchor| anchor >= *ended);
        if let Some(line) = one.ended.filter(behind).and_then(|ended| one.file.lines.get(ended)) {
            let hint =
                "put that line right first: a quote that is not closed, or a character that the shell takes apart";
            let refusal = Refusal::new(Kind::Malformed, ended_by(line.number), hint);
            return Err(refusal.at(&one.file.path, line.number).into());
        }
        let target = Target {
            root,
            backend: &OpenBsd,
            old: &old,
            file: &one.file,
            anchor: one.anchor(),
            open: one.open(),
            mode: 0o640,
            backup: Backup::Beside,
        };
        target.add(wanted, &written, &mut plan)?;
        warn(root, &own, one, &mut plan)?;
    }
    let new = OpenBsd.entries(&plan.overlay(root))?;
    lasts(&new, want)?;
    note_idle(&old, &new, want, &mut plan);
    let steps = want.iter().filter_map(|alias| ifconfig::up(Style::AliasFirst, alias, now)).collect();
    let interfaces: Vec<&str> = wishes.keys().copied().collect();
    finish(&mut plan, steps, &interfaces, false);
    Ok(plan)
}

/// The form that every release takes.
fn written(net: IpNet) -> String {
    match net {
        IpNet::V4(net) => format!("inet alias {} {}", net.addr(), net.netmask()),
        IpNet::V6(net) => format!("inet6 alias {} {}", net.addr(), net.prefix_len()),
    }
}

/// The file that counts for an interface.
fn of_interface<'h>(own: &'h [Hostname], interface: &str) -> Result<&'h Hostname> {
    let mut here = own.iter().filter(|one| one.interface == interface);
    let by_lladdr = here.clone().find(|one| one.is_by_lladdr());
    if let Some(one) = by_lladdr.or_else(|| here.next()) {
        return Ok(one);
    }
    let reason = format!("there is no /etc/hostname.{interface}");
    let refusal = match own.iter().find(|one| one.is_by_lladdr()) {
        Some(other) => {
            let hint = format!(
                "if {} is the file of {interface}, run ipalias on that system, or edit the file by hand: only there it \
                 can be told which interface has the hardware address",
                other.file.path
            );
            Refusal::new(Kind::Unsupported, reason, hint)
        }
        None => Refusal::new(
            Kind::Unsupported,
            reason,
            "configure the interface with such a file first, or name another one with -i",
        ),
    };
    Err(refusal.into())
}

/// Refuses a port of a trunk or aggregate: the addresses belong to that.
fn no_port(own: &[Hostname], interface: &str) -> Result<()> {
    for one in own {
        for line in &one.file.lines {
            let words: Vec<&str> = line.text.split_whitespace().collect();
            if words.windows(2).any(|pair| pair == ["trunkport", interface]) && !line.text.starts_with('#') {
                let reason = format!("{interface} is a port of {}, which has the addresses", one.interface);
                let hint = format!("name that: -i {}", one.interface);
                return Err(Refusal::new(Kind::Unacceptable, reason, hint).at(&one.file.path, line.number).into());
            }
        }
    }
    Ok(())
}

/// What the administrator should know about the file.
fn warn(root: &Root, own: &[Hostname], one: &Hostname, plan: &mut Plan) -> Result<()> {
    let path = &one.file.path;
    if root.access(path)?.is_some_and(|access| access.mode & 0o7 != 0) {
        plan.notes.push(format!(
            "everybody may read {path}; netstart takes that right away the next time, with a warning (mode 0640 is usual)"
        ));
    }
    let unknown = |other: &&Hostname| other.interface.starts_with("lladdr=") && !one.is_by_lladdr();
    if let Some(other) = own.iter().find(unknown) {
        plan.notes.push(format!(
            "if {} is the file of {}, that counts instead of {path} (OpenBSD 7.3 and later)",
            other.file.path, one.interface
        ));
    }
    Ok(())
}
