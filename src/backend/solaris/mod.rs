//! Solaris up to 10, and interfaces of later ones that still have hostname files: `/etc/hostname.IF:N`.
//!
//! Follows ifconfig(1M), netmasks(4) and the start scripts net-physical and net_include.sh, whose reading routine was
//! run; the rest is from their source, untested on a real host. Leaves out DHCP, IPMP groups, and zones with a shared
//! stack, which files cannot tell.

mod files;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, IfName, lowest_free};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Backup, Change, Command, Disturbs, Plan, Step};
use crate::root::{NodeKind, Root, RootPath};
use crate::text::{Splice, Text};

use files::{Address, File, Tables, addresses, files};

const RESTART: [&str; 3] = ["svcadm", "restart", "svc:/network/physical:default"];

/// Hostname files of Solaris.
#[derive(Debug, Clone, Copy)]
pub struct Solaris;

impl Backend for Solaris {
    fn name(&self) -> &'static str {
        "solaris"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let Some(release) = release(root)? else {
            return Ok(Stance::NotInCharge("this is no Solaris: /etc/release does not say so".to_owned()));
        };
        let own = files(root)?;
        let physical: Vec<&File> = own.iter().filter(|file| file.number().is_none()).collect();
        let later = has_ipadm(root)?;
        if physical.is_empty() {
            let why = if later { ", so ipadm counts" } else { "" };
            return Ok(Stance::NotInCharge(format!("there is no /etc/hostname.IF{why}")));
        }
        let primary = primary(root, &own)?;
        let mut evidence = vec![release];
        if later {
            evidence.push(
                "a hostname file is there, so that ipadm's configuration of that interface is ignored at boot"
                    .to_owned(),
            );
        }
        Ok(Stance::InCharge(Claim {
            strength: Strength::Enabled,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence,
            files: physical.iter().map(|file| file.path.clone()).collect(),
            auto: "ifconfig IF:N plumb; ifconfig IF:N inet ADDRESS/PREFIX up".to_owned(),
            restart: Ok(RESTART.join(" ")),
            warnings: Vec::new(),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        Ok(survey(root)?.into_iter().flat_map(|(_, all)| all).map(|address| address.entry).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        let own = files(root)?;
        let tables = Tables::read(root)?;
        let mut plan = Plan::nothing();
        let mut after = Vec::new();
        let mut taken: BTreeSet<(String, u32)> = own
            .iter()
            .filter(|file| !file.six)
            .filter_map(|file| Some((file.interface().to_owned(), file.number()?)))
            .collect();
        let up = now.up.iter().filter_map(|up| up.label.as_deref().unwrap_or(&up.interface).split_once(':'));
        taken.extend(up.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))));
        let mut sixes: Vec<&Alias> = Vec::new();
        for alias in want {
            let interface = alias.interface.as_str();
            if !own.iter().any(|file| file.interface() == interface && file.number().is_none()) {
                let hint = "configure the interface first, or name another one with -i";
                let reason = format!("there is no /etc/hostname.{interface}");
                return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
            }
            match alias.address {
                IpNet::V4(net) => {
                    let number = number(alias, &taken)?;
                    taken.insert((interface.to_owned(), number));
                    let name = format!("{interface}:{number}");
                    // `netmask +` would put the mask of netmasks(4) in place of this one.
                    let split = tables.prefix(net.addr()).is_some_and(|bits| bits != net.prefix_len());
                    let body = if split { format!("{net}\nup\n") } else { format!("{net} up\n") };
                    plan.changes.push(Change {
                        path: RootPath::from(format!("/etc/hostname.{name}").as_str()),
                        before: None,
                        after: Some(body.into_bytes()),
                        mode: 0o644,
                        backup: Backup::StoreOnly,
                    });
                    after.push(Step::with_undo(ifconfig(&[&name, "plumb"]), ifconfig(&[&name, "unplumb"])));
                    after.push(Step::new(ifconfig(&[&name, "inet", &net.to_string(), "up"])));
                }
                IpNet::V6(net) if alias.label.is_some() => {
                    let hint = "leave --label out";
                    return Err(
                        Refusal::new(Kind::Unacceptable, format!("{net}: a label belongs to IPv4 here"), hint).into()
                    );
                }
                IpNet::V6(net) => {
                    sixes.push(alias);
                    let undo = ifconfig(&[interface, "inet6", "removeif", &net.addr().to_string()]);
                    after.push(Step::with_undo(ifconfig(&[interface, "inet6", "addif", &net.to_string(), "up"]), undo));
                }
            }
        }
        plan.changes.extend(six_changes(root, &own, &sixes)?);
        finish(&mut plan, after);
        Ok(plan)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        let mut plan = Plan::nothing();
        let mut after = Vec::new();
        for (file, all) in survey(root)? {
            let is_gone = |address: &&Address| gone.contains(&address.entry);
            let out: Vec<&Address> = all.iter().filter(is_gone).collect();
            if out.is_empty() {
                continue;
            }
            file.sound()?;
            for address in &out {
                after.push(down(&file, address));
            }
            let whole = file.number().is_some() && out.len() == all.len();
            let new = if whole { None } else { Some(cut(&file, &out)?) };
            let left = new.as_deref().map_or(0, |bytes| Text::new(bytes).line_count());
            if left == 1 && file.text.line_count() > 1 && !file.six {
                plan.notes.push(format!(
                    "{} has one line left, to which the system adds `netmask + broadcast + up`",
                    file.path
                ));
            }
            if left == 0 && !whole {
                plan.notes.push(format!("{} stays, empty: that the file is there has a meaning of its own", file.path));
            }
            let backup = if whole { Backup::StoreOnly } else { Backup::Beside };
            plan.changes.push(Change {
                before: root.read(&file.path)?,
                path: file.path,
                after: new,
                mode: 0o644,
                backup,
            });
        }
        finish(&mut plan, after);
        Ok(plan)
    }
}

/// The release that hostname files belong to, or may still count on.
fn release(root: &Root) -> Result<Option<String>> {
    let text = String::from_utf8_lossy(&root.read(&"/etc/release".into())?.unwrap_or_default()).into_owned();
    let first = text.lines().next().unwrap_or_default().trim().to_owned();
    let known = ["Solaris", "OmniOS", "OpenIndiana", "illumos", "SunOS", "Tribblix", "OpenSolaris"];
    Ok(known.iter().any(|name| first.contains(name)).then(|| format!("/etc/release says {first}")))
}

/// Whether ipadm(1M) is there: Solaris 11 and illumos.
pub(super) fn has_ipadm(root: &Root) -> Result<bool> {
    for path in ["/sbin/ipadm", "/usr/sbin/ipadm"] {
        if root.kind(&path.into())? != NodeKind::Absent {
            return Ok(true);
        }
    }
    Ok(false)
}

fn survey(root: &Root) -> Result<Vec<(File, Vec<Address>)>> {
    let tables = Tables::read(root)?;
    Ok(files(root)?.into_iter().map(|file| (addresses(&file, &tables), file)).map(|(all, file)| (file, all)).collect())
}

/// The interface whose subnet has the default router, or the first one.
fn primary(root: &Root, own: &[File]) -> Result<Option<String>> {
    let text = String::from_utf8_lossy(&root.read(&"/etc/defaultrouter".into())?.unwrap_or_default()).into_owned();
    let routers: Vec<IpAddr> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let tables = Tables::read(root)?;
    let reaches = |file: &&File| {
        addresses(file, &tables).iter().any(|one| routers.iter().any(|router| one.entry.address.contains(router)))
    };
    let found = own.iter().find(reaches).or(own.iter().find(|file| file.number().is_none()));
    Ok(found.map(|file| file.interface().to_owned()))
}

/// The logical interface for an alias: the one that its label names, or the lowest free one.
fn number(alias: &Alias, taken: &BTreeSet<(String, u32)>) -> Result<u32> {
    let interface = alias.interface.as_str();
    let own: BTreeSet<u32> = taken.iter().filter(|(name, _)| name == interface).map(|(_, number)| *number).collect();
    let Some(label) = &alias.label else { return Ok(lowest_free(&own, 1).next().unwrap_or(1)) };
    let named = label.as_str().strip_prefix(interface).and_then(|rest| rest.strip_prefix(':')?.parse::<u32>().ok());
    match named.filter(|number| *number > 0 && !own.contains(number)) {
        Some(number) => Ok(number),
        None => {
            let hint = format!("write --label {interface}:N with a free number from 1, or leave it out");
            Err(Refusal::new(Kind::Unacceptable, format!("{label} is not a free logical interface"), hint).into())
        }
    }
}

/// The lines of IPv6 addresses in `/etc/hostname6.IF`.
fn six_changes(root: &Root, own: &[File], aliases: &[&Alias]) -> Result<Vec<Change>> {
    let interfaces: BTreeSet<&str> = aliases.iter().map(|alias| alias.interface.as_str()).collect();
    let mut changes = Vec::new();
    for interface in interfaces {
        let file = own.iter().find(|file| file.six && file.name == interface);
        if let Some(file) = file {
            file.sound()?;
        }
        let path = file
            .map_or_else(|| RootPath::from(format!("/etc/hostname6.{interface}").as_str()), |file| file.path.clone());
        let before = root.read(&path)?;
        let text = Text::new(before.clone().unwrap_or_default());
        let own = aliases.iter().filter(|alias| alias.interface.as_str() == interface);
        let lines: String = own.map(|alias| format!("addif {} up\n", alias.address)).collect();
        let open = if text.ends_open() { "\n" } else { "" };
        let after = Some(text.apply(vec![Splice::insert(text.bytes().len(), format!("{open}{lines}"))])?);
        changes.push(Change { path, before, after, mode: 0o644, backup: Backup::Beside });
    }
    Ok(changes)
}

/// The file without some of its addresses: whole lines, or the words from `addif` on.
fn cut(file: &File, out: &[&Address]) -> Result<Vec<u8>> {
    let splice = |address: &&Address| {
        if address.is_alone {
            return file.text.line(address.line).map(|line| Splice::delete(line.range()));
        }
        let before = file.text.bytes().get(..address.at.start).unwrap_or_default();
        let gap = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(Splice::delete(address.at.start - gap..address.at.end))
    };
    file.text.apply(out.iter().filter_map(splice).collect())
}

fn down(file: &File, address: &Address) -> Step {
    let (interface, net) = (file.interface(), address.entry.address);
    let (ip, whole) = (net.addr().to_string(), net.to_string());
    if file.six {
        return Step::with_undo(
            ifconfig(&[interface, "inet6", "removeif", &ip]),
            ifconfig(&[interface, "inet6", "addif", &whole, "up"]),
        );
    }
    let undo = ifconfig(&[interface, "addif", &whole, "up"]);
    match (file.number(), address.is_addif) {
        (Some(_), false) => Step::with_undo(ifconfig(&[&file.name, "unplumb"]), undo),
        _ => Step::with_undo(ifconfig(&[interface, "removeif", &ip]), undo),
    }
}

fn ifconfig(words: &[&str]) -> Action {
    Action::Run(Command::new(["ifconfig"].into_iter().chain(words.iter().copied())))
}

fn finish(plan: &mut Plan, after: Vec<Step>) {
    plan.auto = Apply { before: Vec::new(), after };
    let restart = Command::new(RESTART).disturbing(Disturbs::Interface);
    plan.restart = Ok(Apply { before: Vec::new(), after: vec![Step::reread(restart)] });
}
