//! ifcfg files of Red Hat, CentOS and Fedora: an alias file `ifcfg-IF:N`, or `IPADDRn` in the interface's own.
//!
//! Follows sysconfig.txt of initscripts (the scripts of EL 5, 6, 7 and of their last version were run unmodified) and
//! NetworkManager's ifcfg-rh plugin (from its source). Leaves out routes, rules and keyfiles.

mod add;
mod consumer;
mod files;
mod remove;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::plan::{Action, Command, Plan};
use crate::root::Root;

use consumer::{Readers, consumer};
use files::{DIR, File, Files};

/// ifcfg files below `/etc/sysconfig/network-scripts`.
#[derive(Debug, Clone, Copy)]
pub struct Ifcfg;

impl Backend for Ifcfg {
    fn name(&self) -> &'static str {
        "ifcfg"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let names = root.list(&DIR.into())?;
        let is_configuration = |name: &Vec<u8>| name.starts_with(b"ifcfg-") && name != b"ifcfg-lo";
        if !names.iter().any(is_configuration) {
            let readme = names.iter().any(|name| name.starts_with(b"readme-ifcfg-rh"));
            let reason = if readme {
                "there is only the note that NetworkManager keeps keyfiles now"
            } else {
                "there is no ifcfg-IF"
            };
            return Ok(Stance::NotInCharge(format!("{DIR}: {reason}")));
        }
        let found = match consumer(root)? {
            Ok(found) => found,
            Err(reason) => return Ok(Stance::NotInCharge(reason)),
        };
        let (strength, evidence) =
            (if found.is_enabled { Strength::Enabled } else { Strength::Configured }, found.evidence.clone());
        let files = Files::read(root, found)?;
        let primary = primary(root, &files)?;
        let auto = match files.consumer.readers {
            Readers::NetworkManager => "nmcli connection load FILE",
            _ => "ifup IF:N",
        };
        Ok(Stance::InCharge(Claim {
            strength,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence: vec![evidence],
            files: files.bases().map(|base| base.path.clone()).collect(),
            auto: auto.to_owned(),
            restart: Ok(auto.to_owned()),
            warnings: files.warnings(),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        Ok(read(root)?.entries())
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        add::add(root, &read(root)?, want)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, &read(root)?, gone)
    }
}

fn read(root: &Root) -> Result<Files> {
    let found = consumer(root)?
        .map_err(|reason| Refusal::new(Kind::Unsupported, reason, "ipalias status shows which system is in charge"))?;
    Files::read(root, found)
}

/// The interface of the default route: the running one, `GATEWAYDEV`, one with a gateway, the only one that starts, or the
/// one with DHCP; a port stands for what it is a port of.
fn primary(root: &Root, files: &Files) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(Some(name));
    }
    if let Some(name) = &files.gateway_device {
        return Ok(Some(name.clone()));
    }
    let free = || files.bases().filter(|base| base.master().is_none());
    let starts = |base: &&File| !base.says("ONBOOT", &["no", "n", "false"]);
    let gateway = free().find(|base| base.get("GATEWAY").is_some() || base.says("DEFROUTE", &["yes"]));
    let only = || match free().filter(starts).collect::<Vec<_>>().as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    let found = gateway.or_else(only).or_else(|| free().find(|base| base.is_dynamic()));
    Ok(found.map(File::device))
}

fn run<const N: usize>(argv: [&str; N]) -> Action {
    Action::Run(Command::new(argv))
}
