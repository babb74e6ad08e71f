//! NetBSD: `ifconfig_IF` in rc.conf, or lines of `/etc/ifconfig.IF`; the old `ifaliases_IF` and `/etc/ifaliases` are read,
//! too, and addresses taken out of them.
//!
//! Follows ifconfig.if(5), rc.conf(5), ifaliases(5) and /etc/rc.d/network, whose reading was run (5.2) and read (8 to 10);
//! ifconfig's own reading is from documentation and from memory. Not tested on a real host. Leaves out command lines
//! (`!`), which are only shown.

mod add;
mod chain;
mod guide;
mod remove;
mod sources;
mod value;

use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::ifconfig::{self, Hosts, Style};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Apply, Check, Command, Direct, Disturbs, Plan, Staged, Step};
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::ifconfig::Deed;

use chain::{Chain, is_default};
use sources::{Interface, Survey, survey};

/// Drivers whose interfaces are made by the system (`ifconfig -C`): every `/etc/ifconfig.DRIVER[0-9]*` is taken for one of
/// theirs, backups among them.
const CLONERS: &[&str] = &[
    "agr", "bridge", "canloop", "carp", "faith", "gif", "gre", "ipsecif", "l2tp", "lagg", "lo", "mpls", "npflog",
    "pflog", "pfsync", "ppp", "pppoe", "sl", "stf", "strip", "tap", "tun", "vether", "vlan", "wg",
];

const RESTART: &str = "/etc/rc.d/network restart";

/// rc.conf and ifconfig files of NetBSD.
#[derive(Debug, Clone, Copy)]
pub struct NetBsd;

impl Backend for NetBsd {
    fn name(&self) -> &'static str {
        "netbsd"
    }

    fn home(&self) -> &'static str {
        "/etc/ifconfig.IF"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let script = String::from_utf8_lossy(&root.read(&"/etc/rc.d/network".into())?.unwrap_or_default()).into_owned();
        if script.is_empty() {
            return Ok(Stance::Absent("there is no /etc/rc.d/network".to_owned()));
        }
        let has = |path: &str| -> Result<bool> { Ok(root.kind(&path.into())? != NodeKind::Absent) };
        let marked = script.contains("NetBSD: network,v") || has("/netbsd")? || has("/etc/defaults/rc.conf")?;
        if has("/etc/network.subr")? || !marked {
            return Ok(Stance::NotInCharge("/etc/rc.d/network is not NetBSD's".to_owned()));
        }
        let chain = Chain::of(root)?;
        let survey = survey(root, &chain)?;
        let primary = primary(root, &chain, &survey)?;
        let mut warnings = Vec::new();
        if chain.is_yes("rc_configured") != Some(true) {
            warnings
                .push("rc_configured is not YES in /etc/rc.conf: the next boot stops in single-user mode".to_owned());
        }
        let files = survey.interfaces.iter().filter_map(|one| one.file.as_ref()).map(|listed| listed.file.path.clone());
        let list = survey.ifaliases.iter().map(|listed| listed.file.path.clone());
        let mut read: Vec<RootPath> =
            chain.parts.iter().map(|part| part.path.clone()).filter(|path| !is_default(path)).collect();
        read.dedup();
        Ok(Stance::InCharge(Claim {
            strength: Strength::Enabled,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence: vec!["NetBSD's rc.d/network is here, which reads rc.conf and /etc/ifconfig.IF".to_owned()],
            files: read.into_iter().chain(files).chain(list).collect(),
            auto: "ifconfig IF inet ADDRESS netmask MASK alias".to_owned(),
            restart: restart(root, &chain, &survey).map(|()| RESTART.to_owned()),
            warnings,
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let chain = Chain::of(root)?;
        let found = survey(root, &chain)?.found();
        Ok(ifconfig::entries(&found, &routers(root, &chain)?).into_iter().map(|(_, entry)| entry).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::add(root, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        ifconfig::direct(Style::AliasLast, alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// The default routers: `defaultroute` before `/etc/mygate`, and the same for IPv6.
fn routers(root: &Root, chain: &Chain) -> Result<Vec<IpAddr>> {
    let hosts = Hosts::read(root)?;
    let mut all = Vec::new();
    for (name, path) in [("defaultroute", "/etc/mygate"), ("defaultroute6", "/etc/mygate6")] {
        match chain.text(name).filter(|text| !text.is_empty()) {
            Some(text) => all.extend(ifconfig::gate(&text, &hosts)),
            None => all.extend(ifconfig::gates(root, &[path], &hosts)?),
        }
    }
    Ok(all)
}

/// The interface of the default route: the running one, the one whose subnet has the router, or the only one.
fn primary(root: &Root, chain: &Chain, survey: &Survey<'_>) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(Some(name));
    }
    let routers = routers(root, chain)?;
    let entries = ifconfig::entries(&survey.found(), &routers);
    let mut effective = entries.iter().filter(|(_, entry)| entry.is_effective());
    let reaches = |(_, entry): &&(usize, Entry)| routers.iter().any(|router| entry.address.contains(router));
    if let Some((_, entry)) = effective.find(reaches) {
        return Ok(Some(entry.interface.clone()));
    }
    let about = |one: &&Interface<'_>| one.own().iter().any(|call| call.found.setting.deed != Deed::Nothing);
    let configured: Vec<&Interface<'_>> =
        survey.interfaces.iter().filter(about).filter(|one| driver(&one.name) != "lo").collect();
    let real: Vec<&Interface<'_>> = configured.iter().copied().filter(|one| !is_cloned(&one.name)).collect();
    Ok(match (configured.as_slice(), real.as_slice()) {
        ([only], _) | (_, [only]) => Some(only.name.clone()),
        _ => None,
    })
}

fn driver(interface: &str) -> &str {
    interface.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn is_cloned(interface: &str) -> bool {
    CLONERS.contains(&driver(interface))
}

/// Whether the full restart brings a default route back, or why it would cut the administrator off.
fn restart(root: &Root, chain: &Chain, survey: &Survey<'_>) -> Result<(), String> {
    let routed = routers(root, chain).is_ok_and(|routers| !routers.is_empty());
    let automatic = survey.interfaces.iter().any(Interface::is_automatic);
    if routed || automatic {
        return Ok(());
    }
    Err(format!(
        "`{RESTART}` deletes every route, and nothing that it runs sets the default route again: neither defaultroute nor \
         /etc/mygate is there"
    ))
}

/// Puts the steps and checks around the changes. The restart takes no address of these files off by itself.
fn finish(root: &Root, plan: &mut Plan, steps: Vec<Step>, takes_off: bool) -> Result<()> {
    let after = plan.overlay(root);
    let chain = Chain::of(&after)?;
    let first = if takes_off { steps.clone() } else { Vec::new() };
    let whole = Step::reread(Command::new(["sh", "-c", RESTART]).disturbing(Disturbs::Interface));
    plan.restart = restart(&after, &chain, &survey(&after, &chain)?)
        .map(|()| Apply { before: Vec::new(), after: first.into_iter().chain([whole]).collect() });
    plan.auto = Apply { before: Vec::new(), after: steps };
    let is_script = |path: &RootPath| chain.parts.iter().any(|part| part.path == *path);
    plan.checks = plan
        .changes
        .iter()
        .filter(|change| is_script(&change.path))
        .map(|change| Check {
            staged: Staged::File(change.path.clone()),
            argv: ["sh", "-n", "{}"].map(str::to_owned).to_vec(),
        })
        .collect();
    Ok(())
}
