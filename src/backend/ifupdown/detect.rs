//! Whether one of the four is in charge of the primary interface, and on what evidence.
//!
//! Follows the package layouts (Debian, Alpine, Proxmox), the state files and the service files of each. Leaves out other
//! systems: `detect` weighs the claims of all.

use crate::alias::IfName;
use crate::backend::{Claim, Stance, Strength};
use crate::error::Result;
use crate::host;
use crate::root::{NodeKind, Root};

use super::Reading;
use super::apply;
use super::flavour::{self, Flavour, Installed};
use super::owner;
use super::primary::Devices;
use super::stanza::{self, Effect, INTERFACES, Tree};

/// The answer of the backend called `name`.
pub(super) fn stance(root: &Root, name: &'static str) -> Result<Stance> {
    let no = |reason: String| Ok(Stance::NotInCharge(reason));
    let absent = || Ok(Stance::Absent(format!("there is no {INTERFACES}")));
    if root.kind(&INTERFACES.into())? == NodeKind::Absent {
        return absent();
    }
    let Installed { backend, evidence } = flavour::installed(root)?;
    if backend != name {
        return Ok(Stance::Absent(format!("{INTERFACES} is {backend}'s: {evidence}")));
    }
    let flavour = flavour::flavour(root, name)?;
    let reading = Reading::of(root, name)?;
    let Some(Reading { tree, found }) = reading.as_ref() else { return absent() };
    let devices = Devices::new(tree, found);
    let routed = host::default_route_interface(root)?;
    let interface = match routed {
        Some(interface) if devices.base(&interface, stanza::Family::V4).is_some() => interface,
        Some(interface) => return no(format!("it has no stanza for {interface}, which has the default route")),
        None => match devices.primary() {
            Some(interface) => interface,
            None => match tree.faults.first() {
                Some(fault) => return no(format!("{}:{}: {}", fault.path, fault.line, fault.reason)),
                None => return no(format!("{INTERFACES} configures nothing but lo")),
            },
        },
    };
    let mut evidence = vec![evidence, format!("{INTERFACES} has a stanza for {interface}")];
    let strength = strength(root, flavour, &interface, &mut evidence)?;
    let hotplug = Some(interface.as_str()).filter(|interface| devices.only_hotplug(interface));
    let restart = apply::restart(root, flavour, hotplug)?.map(|command| command.argv.join(" "));
    Ok(Stance::InCharge(Claim {
        strength,
        auto: if flavour.is_debian() {
            format!("ifup {interface}:N")
        } else {
            format!("ip addr add ... dev {interface}")
        },
        restart,
        files: tree.sources.iter().filter(|source| source.unread.is_none()).map(|source| source.path.clone()).collect(),
        warnings: warnings(tree, &devices, &interface),
        interface: IfName::new(&interface).ok(),
        evidence,
    }))
}

fn strength(root: &Root, flavour: Flavour, interface: &str, evidence: &mut Vec<String>) -> Result<Strength> {
    if apply::up_names(root, flavour)?.contains(interface) {
        evidence.push(format!("{} says that it brought {interface} up", flavour.state_file()));
        return Ok(Strength::Running);
    }
    let defaults = root.read(&"/etc/default/networking".into())?.unwrap_or_default();
    let disabled = defaults.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        let value = line.strip_prefix(b"CONFIGURE_INTERFACES=").map(|value| value.trim_ascii());
        value.is_some_and(|value| matches!(value, b"no" | b"\"no\"" | b"'no'"))
    });
    if disabled {
        evidence.push("CONFIGURE_INTERFACES=no in /etc/default/networking keeps it from starting".to_owned());
    } else if host::unit_enabled(root, "networking.service")? {
        evidence.push("networking.service is enabled".to_owned());
        return Ok(Strength::Enabled);
    } else if host::init_script_enabled(root, "networking")? {
        evidence.push("the init script networking is enabled".to_owned());
        return Ok(Strength::Enabled);
    }
    Ok(Strength::Configured)
}

fn warnings(tree: &Tree, devices: &Devices<'_>, interface: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for fault in &tree.faults {
        let what = match fault.effect {
            Effect::RefusesAll => "refuses all files",
            Effect::RefusesFile => "drops the rest of the file",
            Effect::Unclear => "reads it, but it cannot be edited",
            Effect::UnclearAll => "reads it, but nothing can be added",
        };
        let name = tree.flavour.name();
        warnings.push(format!("{}:{}: {}; {name} {what}", fault.path, fault.line, fault.reason));
    }
    if let Some(base) = devices.base(interface, stanza::Family::V4) {
        if owner::elsewhere(&base.source).is_some() {
            warnings.push(format!("{} is generated, so additional addresses go into another file", base.source.path));
        }
        if !devices.starts.brings_up(base) {
            warnings.push(format!("nothing brings {} up at boot: no auto line names it", base.name));
        }
    }
    warnings
}
