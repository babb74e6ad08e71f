//! ifcfg files of Red Hat, CentOS and Fedora: an alias file `ifcfg-IF:N`, or `IPADDRn` in the interface's own.
//!
//! Follows sysconfig.txt of initscripts (the scripts of EL 5, 6, 7 and of their last version were run unmodified) and
//! NetworkManager's ifcfg-rh plugin (from its source). Leaves out routes, rules, keyfiles, and IPv6 addresses in alias
//! files, which only the last scripts read.

mod add;
mod checks;
mod consumer;
mod entries;
mod file;
mod files;
mod guide;
mod primary;
mod remove;
mod warnings;

use std::sync::Arc;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::guide::Guide;
use crate::plan::{Action, Command, Direct, Disturbs, Plan, Step};
use crate::root::{Root, RootPath};

use consumer::{Consumer, Readers, consumer};
use file::DIR;
use files::Files;

/// ifcfg files below `/etc/sysconfig/network-scripts`.
#[derive(Debug, Clone, Copy)]
pub struct Ifcfg;

impl Backend for Ifcfg {
    fn name(&self) -> &'static str {
        "ifcfg"
    }

    fn home(&self) -> &'static str {
        "/etc/sysconfig/network-scripts"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let names = root.list(&DIR.into())?;
        let is_configuration = |name: &Vec<u8>| name.starts_with(b"ifcfg-") && name != b"ifcfg-lo";
        if !names.iter().any(is_configuration) {
            return Ok(if names.iter().any(|name| name.starts_with(b"readme-ifcfg-rh")) {
                Stance::NotInCharge(format!("{DIR}: there is only the note that NetworkManager keeps keyfiles now"))
            } else {
                Stance::Absent(format!("{DIR}: there is no ifcfg-IF"))
            });
        }
        let files = read(root)?;
        let files = match files.as_ref() {
            Ok(files) => files,
            Err(reason) => return Ok(Stance::NotInCharge(reason.clone())),
        };
        let Consumer { is_enabled, evidence, .. } = &files.consumer;
        if files.bases().all(|base| base.device == "lo") {
            return Ok(Stance::NotInCharge(format!("{DIR}: none of the files configures an interface")));
        }
        let (auto, restart) = match files.consumer.readers {
            Readers::NetworkManager => ("nmcli connection load FILE", "nmcli device reapply IF"),
            _ => ("ifup IF:N", "ifup IF:N"),
        };
        Ok(Stance::InCharge(Claim {
            strength: if *is_enabled { Strength::Enabled } else { Strength::Configured },
            interface: primary::primary(root, files)?.and_then(|name| IfName::new(&name).ok()),
            evidence: vec![evidence.clone()],
            files: files.bases().map(|base| base.path.clone()).collect(),
            auto: auto.to_owned(),
            restart: Ok(restart.to_owned()),
            warnings: warnings::warnings(files),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        Ok(found(root)?.to_vec())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::add(root, certain(&*read(root)?)?, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, certain(&*read(root)?)?, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// The files, or why nobody is known to read them.
type Reading = Result<Files, String>;

fn read(root: &Root) -> Result<Arc<Reading>> {
    root.once("ifcfg", || match consumer(root)? {
        Ok(found) => Files::read(root, found).map(Ok),
        Err(reason) => Ok(Err(reason)),
    })
}

/// Every address in them.
fn found(root: &Root) -> Result<Arc<Vec<Entry>>> {
    root.once("ifcfg", || Ok(entries::entries(certain(&*read(root)?)?)))
}

fn certain(reading: &Reading) -> Result<&Files> {
    let hint = "ipalias status shows which system is in charge";
    let refusal = |reason: &String| Refusal::new(Kind::Unsupported, reason.as_str(), hint);
    Ok(reading.as_ref().map_err(refusal)?)
}

fn run<const N: usize>(argv: [&str; N]) -> Action {
    Action::Run(Command::new(argv))
}

/// Makes NetworkManager read a file, which changes nothing on the interface.
fn load(path: &RootPath) -> Step {
    let path = path.to_string();
    Step::reread(Command::new(["nmcli", "connection", "load", path.as_str()]))
}

/// Makes NetworkManager apply what it has read; it takes away what it does not know.
fn reapply(device: &str) -> Step {
    Step::reread(Command::new(["nmcli", "device", "reapply", device]).disturbing(Disturbs::Foreign))
}
