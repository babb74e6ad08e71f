//! wicked of openSUSE and SLES: `IPADDR_N` in `/etc/sysconfig/network/ifcfg-IF`.
//!
//! Follows ifcfg(5) of wicked, as wicked 0.6.80 was measured to read it; the ifup scripts of SLES 11 read the same files.
//! Leaves out `ifroute-*`, DHCP and what NetworkManager makes of these files (nothing).

mod edit;
mod file;
mod guide;
mod reader;

use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Command, Direct, Disturbs, Plan};
use crate::root::{Root, RootPath};

use file::{File, files, strays};
use reader::{Reader, network_service, reader, sysv, wicked_service};

const DIR: &str = "/etc/sysconfig/network";

/// The variables that belong to an address, by what stands in front of its suffix.
const FAMILY: [&str; 8] =
    ["IPADDR", "NETMASK", "PREFIXLEN", "LABEL", "BROADCAST", "REMOTE_IPADDR", "SCOPE", "IP_OPTIONS"];

/// wicked.
#[derive(Debug, Clone, Copy)]
pub struct Wicked;

impl Backend for Wicked {
    fn name(&self) -> &'static str {
        "wicked"
    }

    fn home(&self) -> &'static str {
        DIR
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let reader = reader(root)?;
        let files = files(root, reader)?;
        if files.is_empty() {
            return Ok(Stance::Absent(format!("there is no {DIR}/ifcfg-IF")));
        }
        if network_service(root)?.ends_with("NetworkManager.service") {
            let reason = format!("network.service is NetworkManager here, which does not read {DIR}");
            return Ok(Stance::NotInCharge(reason));
        }
        let evidence = match wicked_service(root)? {
            None if sysv(root)? => Some("the init script network is started, which reads the same files"),
            evidence => evidence,
        };
        if evidence.is_none() && host::unit_enabled(root, "NetworkManager.service")? {
            let reason = format!("wicked is not enabled, but NetworkManager is, which does not read {DIR}");
            return Ok(Stance::NotInCharge(reason));
        }
        let primary = primary(root, &files)?;
        let strength = if evidence.is_some() { Strength::Enabled } else { Strength::Configured };
        let file = primary.map_or_else(|| RootPath::from(DIR), |file| file.path.clone());
        let mut sentences: Vec<String> = evidence.map(str::to_owned).into_iter().collect();
        sentences.push(format!("{file} configures the interface"));
        let auto = match reader {
            Reader::Wicked => "wicked ifup IF",
            Reader::Scripts => "ip addr add ADDRESS dev IF",
        };
        Ok(Stance::InCharge(Claim {
            strength,
            interface: primary.and_then(|file| IfName::new(&file.interface).ok()),
            evidence: sentences,
            files: vec![file],
            auto: auto.to_owned(),
            restart: Ok(restart(reader).argv.join(" ")),
            warnings: warnings(root, primary)?,
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        Ok(files(root, reader(root)?)?.iter().flat_map(File::entries).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        edit::add(root, want)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        edit::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// The full restart: every interface down, then up.
fn restart(reader: Reader) -> Command {
    let argv: &[&str] = match reader {
        Reader::Wicked => &["systemctl", "restart", "network"],
        Reader::Scripts => &["/etc/init.d/network", "restart"],
    };
    Command::new(argv.iter().copied()).disturbing(Disturbs::Interface)
}

/// The interface of the default route: the running one, the one that `routes` or `ifroute-IF` names, or whose subnet has
/// the gateway; else the first that starts by itself, one with DHCP before one with addresses.
fn primary<'f>(root: &Root, files: &'f [File]) -> Result<Option<&'f File>> {
    let named = |name: &str| files.iter().find(|file| file.interface == name);
    if let Some(file) = host::default_route_interface(root)?.as_deref().and_then(named) {
        return Ok(Some(file));
    }
    for file in files {
        if !default_routes(root, &format!("{DIR}/ifroute-{}", file.interface))?.is_empty() {
            return Ok(Some(file));
        }
    }
    for (gateway, device) in default_routes(root, &format!("{DIR}/routes"))? {
        let on_link = |file: &&File| {
            gateway.is_some_and(|gateway| file.entries().iter().any(|entry| entry.address.contains(&gateway)))
        };
        if let Some(file) = device.as_deref().and_then(named).or_else(|| files.iter().find(on_link)) {
            return Ok(Some(file));
        }
    }
    let free = |starts: bool| {
        let free = files.iter().filter(|file| file.master.is_none());
        free.filter(move |file| !starts || file.starts_itself())
    };
    let likely = |starts| {
        let dynamic = free(starts).find(|file| file.is_dynamic());
        dynamic.or_else(|| free(starts).find(|file| file.entries().iter().any(Entry::is_effective)))
    };
    Ok(likely(true).or_else(|| likely(false)).or_else(|| free(true).next()).or_else(|| free(false).next()))
}

/// The gateway and the device of each `default` line (ifroute(5): destination, gateway, netmask, interface).
fn default_routes(root: &Root, path: &str) -> Result<Vec<(Option<IpAddr>, Option<String>)>> {
    let text = String::from_utf8_lossy(&root.read(&path.into())?.unwrap_or_default()).into_owned();
    let route = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| ["default", "0.0.0.0", "0.0.0.0/0", "::/0"].contains(word))?;
        let gateway = words.next().and_then(|word| word.parse().ok());
        let device = words.nth(1).filter(|word| *word != "-").map(str::to_owned);
        Some((gateway, device))
    };
    Ok(text.lines().filter_map(route).collect())
}

fn warnings(root: &Root, primary: Option<&File>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in strays(root)? {
        all.push(format!("{DIR}/{name} is read as an interface of its own; move it away if it is a copy"));
    }
    if primary.is_some_and(|file| file.value("CLOUD_NETCONFIG_MANAGE") == Some("yes")) {
        all.push(
            "cloud-netconfig manages the additional addresses of this interface (CLOUD_NETCONFIG_MANAGE)".to_owned(),
        );
    }
    Ok(all)
}
