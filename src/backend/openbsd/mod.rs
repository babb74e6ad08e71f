//! OpenBSD: lines of `/etc/hostname.IF`, packed arguments of ifconfig.
//!
//! Follows hostname.if(5), mygate(5) and netstart(8), whose reading functions were run (6.1 and 7.2); ifconfig's own
//! reading and files named by a hardware address are from documentation and from memory. Not tested on a real host.
//! Leaves out command lines (`!`), which are only shown.

mod add;
mod files;
mod guide;
mod remove;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::ifconfig::{self, Hosts, Style};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Apply, Command, Direct, Disturbs, Plan, Step};
use crate::root::{NodeKind, Root};
use crate::syntax::ifconfig::Deed;

use files::{Hostname, files};

/// Drivers whose interfaces are made by the system: they are configured behind the others, and have other ones below.
const VIRTUAL: &[&str] = &[
    "aggr", "bpe", "bridge", "carp", "egre", "enc", "eoip", "etherip", "gif", "gre", "lo", "mgre", "mpe", "mpip",
    "mpw", "nvgre", "pair", "pflog", "pflow", "pfsync", "ppp", "pppoe", "rport", "sec", "svlan", "switch", "tap",
    "tpmr", "trunk", "tun", "veb", "vether", "vlan", "vport", "vxlan", "wg",
];

/// Hostname files of OpenBSD.
#[derive(Debug, Clone, Copy)]
pub struct OpenBsd;

impl Backend for OpenBsd {
    fn name(&self) -> &'static str {
        "openbsd"
    }

    fn home(&self) -> &'static str {
        "/etc/hostname.IF"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let script = String::from_utf8_lossy(&root.read(&"/etc/netstart".into())?.unwrap_or_default()).into_owned();
        let subr = root.kind(&"/etc/rc.d/rc.subr".into())? != NodeKind::Absent;
        let kernel = root.kind(&"/bsd".into())? != NodeKind::Absent;
        if script.is_empty() {
            return Ok(Stance::Absent("there is no /etc/netstart".to_owned()));
        }
        if !(subr || kernel || script.contains("OpenBSD: netstart")) {
            return Ok(Stance::NotInCharge("/etc/netstart is not OpenBSD's".to_owned()));
        }
        let own = files(root)?;
        if own.is_empty() {
            return Ok(Stance::NotInCharge("OpenBSD's netstart is here, and no file hostname.IF".to_owned()));
        }
        let primary = primary(root, &own)?;
        Ok(Stance::InCharge(Claim {
            strength: Strength::Enabled,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence: vec!["OpenBSD's netstart is here, which reads /etc/hostname.IF".to_owned()],
            files: own.iter().map(|one| one.file.path.clone()).collect(),
            auto: "ifconfig IF inet alias ADDRESS netmask MASK".to_owned(),
            restart: Ok("sh /etc/netstart IF".to_owned()),
            warnings: Vec::new(),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let own = files(root)?;
        let found: Vec<_> = own.iter().flat_map(|one| &one.calls).map(|call| call.found.clone()).collect();
        Ok(ifconfig::entries(&found, &routers(root)?).into_iter().map(|(_, entry)| entry).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::add(root, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        ifconfig::direct(Style::AliasFirst, alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// The default routers of mygate(5).
fn routers(root: &Root) -> Result<Vec<IpAddr>> {
    ifconfig::gates(root, &["/etc/mygate"], &Hosts::read(root)?)
}

/// The interface of the default route: the running one, the one whose subnet has the router of mygate(5), or the only one.
fn primary(root: &Root, own: &[Hostname]) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(Some(name));
    }
    let routers = routers(root)?;
    let sets = |one: &&Hostname| {
        let nets = one.calls.iter().filter(|call| call.found.setting.sets()).filter_map(|call| call.found.setting.net);
        nets.into_iter().any(|net| routers.iter().any(|router| net.contains(router)))
    };
    if let Some(one) = own.iter().find(sets) {
        return Ok(Some(one.interface.clone()));
    }
    // A file whose hardware address no interface has configures nothing.
    let about = |one: &&Hostname| {
        let mut calls = one.calls.iter().filter(|call| call.found.setting.deed != Deed::Nothing);
        calls.any(|call| call.found.unread.is_none() || !one.interface.contains('='))
    };
    let names: BTreeSet<&str> = own.iter().filter(about).map(|one| one.interface.as_str()).collect();
    let configured: Vec<&str> = names.into_iter().filter(|name| driver(name) != "lo").collect();
    let real: Vec<&str> = configured.iter().copied().filter(|name| !VIRTUAL.contains(&driver(name))).collect();
    Ok(match (configured.as_slice(), real.as_slice()) {
        ([only], _) | (_, [only]) => Some((*only).to_owned()),
        _ => None,
    })
}

/// The name of an interface without its number.
fn driver(interface: &str) -> &str {
    interface.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Puts the steps around the changes. `sh /etc/netstart IF` runs every line of the file again, and takes nothing off.
fn finish(plan: &mut Plan, steps: Vec<Step>, interfaces: &[&str], takes_off: bool) {
    let restart = interfaces.iter().map(|interface| {
        Step::reread(Command::new(["sh", "/etc/netstart", interface]).disturbing(Disturbs::Interface))
    });
    let first = if takes_off { steps.clone() } else { Vec::new() };
    plan.restart = Ok(Apply { before: Vec::new(), after: first.into_iter().chain(restart).collect() });
    plan.auto = Apply { before: Vec::new(), after: steps };
}
