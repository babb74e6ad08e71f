//! wicked of openSUSE and SLES: `IPADDR_N` in `/etc/sysconfig/network/ifcfg-IF`.
//!
//! Follows ifcfg(5) of wicked, as wicked 0.6.80 was measured to read it; the ifup scripts of SLES 11 read the same files.
//! Leaves out `ifroute-*`, DHCP and what NetworkManager makes of these files (nothing).

mod edit;
mod file;

use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::Result;
use crate::host;
use crate::plan::{Command, Disturbs, Plan};
use crate::root::{NodeKind, Root, RootPath};

use file::{File, files, strays};

pub(super) const DIR: &str = "/etc/sysconfig/network";

/// wicked.
#[derive(Debug, Clone, Copy)]
pub struct Wicked;

impl Backend for Wicked {
    fn name(&self) -> &'static str {
        "wicked"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let files = files(root)?;
        if files.is_empty() {
            return Ok(Stance::NotInCharge(format!("there is no {DIR}/ifcfg-IF")));
        }
        let service = root.link_target(&"/etc/systemd/system/network.service".into())?;
        let service = service.map(|target| String::from_utf8_lossy(&target).into_owned()).unwrap_or_default();
        if service.ends_with("NetworkManager.service") {
            let reason = format!("network.service is NetworkManager here, which does not read {DIR}");
            return Ok(Stance::NotInCharge(reason));
        }
        let evidence = if service.ends_with("wicked.service") {
            Some("network.service is wicked.service".to_owned())
        } else if host::unit_enabled(root, "wicked.service")? || host::unit_enabled(root, "wickedd.service")? {
            Some("wicked.service is enabled".to_owned())
        } else if sysv(root)? {
            Some("the init script network is started, which reads the same files".to_owned())
        } else {
            None
        };
        let primary = primary(root, &files)?;
        let strength = if evidence.is_some() { Strength::Enabled } else { Strength::Configured };
        let file = primary.map_or_else(|| RootPath::from(DIR), |file| file.path.clone());
        let mut sentences: Vec<String> = evidence.into_iter().collect();
        sentences.push(format!("{file} configures the interface"));
        Ok(Stance::InCharge(Claim {
            strength,
            interface: primary.and_then(|file| IfName::new(&file.interface).ok()),
            evidence: sentences,
            files: vec![file],
            auto: if has_wicked(root)? { "wicked ifup IF".to_owned() } else { "ip addr add ADDRESS dev IF".to_owned() },
            restart: Ok(restart(root)?.argv.join(" ")),
            warnings: warnings(root, primary)?,
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        Ok(files(root)?.iter().flat_map(File::entries).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        edit::add(root, want)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        edit::remove(root, gone)
    }
}

fn has_wicked(root: &Root) -> Result<bool> {
    for path in ["/usr/sbin/wicked", "/sbin/wicked"] {
        if root.kind(&path.into())? == NodeKind::File {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The full restart; before wicked there was no systemd either, but the init script (from memory).
fn restart(root: &Root) -> Result<Command> {
    let script = "/etc/init.d/network";
    let is_script = !has_wicked(root)? && root.kind(&script.into())? == NodeKind::File;
    let command =
        if is_script { Command::new([script, "restart"]) } else { Command::new(["systemctl", "restart", "network"]) };
    Ok(command.disturbing(Disturbs::Interface))
}

/// SLES 11 keeps its runlevels below `/etc/init.d`.
fn sysv(root: &Root) -> Result<bool> {
    for level in ["/etc/init.d/rc3.d", "/etc/init.d/rc5.d"] {
        let started = root.list(&level.into())?.iter().any(|name| name.starts_with(b"S") && name.ends_with(b"network"));
        if started {
            return Ok(true);
        }
    }
    host::init_script_enabled(root, "network")
}

/// The interface of the default route: the running one, the one that `routes` or `ifroute-IF` names, or whose subnet has
/// the gateway; else the one with DHCP, else the only one that starts by itself.
fn primary<'f>(root: &Root, files: &'f [File]) -> Result<Option<&'f File>> {
    let named = |name: &str| files.iter().find(|file| file.interface == name);
    if let Some(file) = host::default_route_interface(root)?.as_deref().and_then(named) {
        return Ok(Some(file));
    }
    for file in files {
        if default_route(root, &format!("{DIR}/ifroute-{}", file.interface))?.is_some() {
            return Ok(Some(file));
        }
    }
    if let Some((gateway, device)) = default_route(root, &format!("{DIR}/routes"))? {
        let on_link = |file: &&File| {
            gateway.is_some_and(|gateway| file.entries().iter().any(|entry| entry.address.contains(&gateway)))
        };
        if let Some(file) = device.as_deref().and_then(named).or_else(|| files.iter().find(on_link)) {
            return Ok(Some(file));
        }
    }
    let free = || files.iter().filter(|file| file.starts_itself() && file.master.is_none() && file.interface != "lo");
    Ok(free().find(|file| file.is_dynamic()).or_else(|| free().find(|file| !file.entries().is_empty())))
}

/// The gateway and the device of a `default` line (ifroute(5): destination, gateway, netmask, interface).
fn default_route(root: &Root, path: &str) -> Result<Option<(Option<IpAddr>, Option<String>)>> {
    let text = String::from_utf8_lossy(&root.read(&path.into())?.unwrap_or_default()).into_owned();
    Ok(text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| ["default", "0.0.0.0/0", "::/0"].contains(word))?;
        let gateway = words.next().and_then(|word| word.parse().ok());
        let device = words.nth(1).filter(|word| *word != "-").map(str::to_owned);
        Some((gateway, device))
    }))
}

fn warnings(root: &Root, primary: Option<&File>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in strays(root)? {
        all.push(format!("{DIR}/{name} is read as an interface of its own; move it away if it is a copy"));
    }
    if primary.is_some_and(|file| file.value("CLOUD_NETCONFIG_MANAGE").is_some_and(|value| value == "yes")) {
        all.push(
            "cloud-netconfig manages the additional addresses of this interface (CLOUD_NETCONFIG_MANAGE)".to_owned(),
        );
    }
    Ok(all)
}

/// The file of `interface`.
fn file_of(root: &Root, interface: &str) -> Result<Option<File>> {
    Ok(files(root)?.into_iter().find(|file| file.interface == interface))
}
