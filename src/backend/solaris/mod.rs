//! Solaris up to 10, and interfaces of later ones that still have hostname files: `/etc/hostname.IF:N`.
//!
//! Follows ifconfig(1M), netmasks(4) and the start scripts net-physical and net_include.sh, whose reading routine was
//! run; the rest is from their source, untested on a real host. Leaves out DHCP, IPMP groups, and zones with a shared
//! stack, which files cannot tell.

mod add;
mod files;
mod guide;
mod remove;

use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Action, Apply, Command, Direct, Disturbs, Plan, Step};
use crate::root::{NodeKind, Root};

use files::{Address, File, Tables, addresses, files};

const RESTART: [&str; 3] = ["svcadm", "restart", "svc:/network/physical:default"];

/// Hostname files of Solaris.
#[derive(Debug, Clone, Copy)]
pub struct Solaris;

impl Backend for Solaris {
    fn name(&self) -> &'static str {
        "solaris"
    }

    fn home(&self) -> &'static str {
        "/etc/hostname.IF"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let Some(release) = release(root)? else {
            return Ok(Stance::Absent("this is no Solaris: /etc/release does not say so".to_owned()));
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
        add::add(root, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        direct(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
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
    if let Some(name) = host::default_route_interface(root)? {
        let name = name.split(':').next().unwrap_or_default().to_owned();
        return Ok(own.iter().any(|file| file.interface() == name).then_some(name));
    }
    let text = String::from_utf8_lossy(&root.read(&"/etc/defaultrouter".into())?.unwrap_or_default()).into_owned();
    let tables = Tables::read(root)?;
    let of_word = |word: &str| word.parse::<IpAddr>().ok().or_else(|| tables.resolve(word, false));
    let routers: Vec<IpAddr> = text.split_whitespace().filter_map(of_word).collect();
    let reaches = |file: &&File| {
        addresses(file, &tables).iter().any(|one| routers.iter().any(|router| one.entry.address.contains(router)))
    };
    let found = own.iter().find(reaches).or(own.iter().find(|file| file.number().is_none()));
    Ok(found.map(|file| file.interface().to_owned()))
}

/// The next free logical interface, or whichever has the address (ifconfig(1M), `addif` and `removeif`).
pub(super) fn direct(alias: &Alias) -> Direct {
    let (interface, net) = (alias.interface.as_str(), alias.address);
    let (with_prefix, ip) = (net.to_string(), net.addr().to_string());
    let family = if net.addr().is_ipv4() { "inet" } else { "inet6" };
    Direct {
        up: ifconfig(&[interface, family, "addif", &with_prefix, "up"]),
        down: ifconfig(&[interface, family, "removeif", &ip]),
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
