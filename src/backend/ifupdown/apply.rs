//! The commands that make an edit effective, and what they disturb.
//!
//! Follows ifup(8), ifdown(8) and the service files of each package. Measured: `ifup eth0:0` of ifupdown touches only that
//! address; `ifdown eth0:0` of ifupdown-ng flushes the whole of eth0, and BusyBox' takes eth0 down, so that neither is
//! ever run; `ifreload -a` of ifupdown2 deletes addresses that stand in no file.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::alias::Alias;
use crate::backend::Situation;
use crate::error::Result;
use crate::plan::{Action, Apply, Command, Disturbs, Step};
use crate::root::{NodeKind, Root, RootPath};

use super::flavour::Flavour;

/// A full restart waits for duplicate address detection in each of what may be hundreds of stanzas.
const RESTART_LIMIT: Duration = Duration::from_secs(900);

/// From here on `ifup` for each alias (31 ms) takes longer than an administrator waits; addresses are set directly.
const MOST_NAMES: usize = 32;

/// An alias as it was written: with the stanza that is its own, if it has one.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// The alias; its label is the one that it really gets.
    pub(super) alias: Alias,
    /// The name of its stanza, where `ifup NAME` brings up just this one.
    pub(super) stanza: Option<String>,
}

/// A single step once the new files stand.
pub(super) fn only_after(step: Step) -> Apply {
    Apply { before: Vec::new(), after: vec![step] }
}

/// The steps after adding: `ifup` for stanzas of Debian's ifupdown, the address itself for everything else.
pub(super) fn added(flavour: Flavour, placed: &[Placed], now: &Situation) -> Apply {
    let up: HashSet<(&str, IpAddr)> = now.up.iter().map(|up| (up.interface.as_str(), up.address.addr())).collect();
    let down = |placed: &&Placed| !up.contains(&(placed.alias.interface.as_str(), placed.alias.address.addr()));
    let down: Vec<&Placed> = placed.iter().filter(down).collect();
    let names: Vec<&str> = down.iter().filter_map(|placed| placed.stanza.as_deref()).collect();
    let by_name = flavour.is_debian() && !names.is_empty() && names.len() <= MOST_NAMES;
    let mut after = Vec::new();
    if by_name {
        let run = |program: &str| Action::Run(Command::new([program].iter().chain(&names).copied()));
        after.push(Step::with_undo(run("ifup"), run("ifdown")));
    }
    let direct = down.iter().filter(|placed| !by_name || placed.stanza.is_none());
    after.extend(direct.map(|placed| Step::new(Action::Add(placed.alias.clone()))));
    Apply { before: Vec::new(), after }
}

/// The steps around removing. `stanzas` are the names of the stanzas that go, unless another of that name stays.
pub(super) fn removed(root: &Root, flavour: Flavour, gone: &[Alias], stanzas: &BTreeSet<String>) -> Result<Apply> {
    let mut before = Vec::new();
    if flavour.is_debian() {
        let up = up_names(root, flavour)?;
        let names: Vec<&str> = stanzas.iter().filter(|name| up.contains(*name)).map(String::as_str).collect();
        if !names.is_empty() && names.len() <= MOST_NAMES {
            let run = |program: &str| Action::Run(Command::new([program].iter().chain(&names).copied()));
            before.push(Step::with_undo(run("ifdown"), run("ifup")));
        }
    }
    // With the new files ifup no longer knows the names, so an undo puts each address back itself.
    let delete = |alias: &Alias| Step::with_undo(Action::Delete(alias.clone()), Action::Add(alias.clone()));
    Ok(Apply { before, after: gone.iter().map(delete).collect() })
}

/// The names that this reader's record of what is up lists; none if there is no record.
pub(super) fn up_names(root: &Root, flavour: Flavour) -> Result<HashSet<String>> {
    let bytes = root.read(&flavour.state_file().into())?.unwrap_or_default();
    if flavour.is_two() {
        // A pickled object: the names stand in it between other bytes.
        let words = bytes.split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')));
        return Ok(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect());
    }
    // `eth0=eth0`, with ifupdown-ng ` 1 explicit` behind it.
    let lines = bytes.split(|byte| *byte == b'\n');
    let names = lines.filter_map(|line| line.split(|byte| *byte == b'=').next()).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// The full restart of this system's networking, or why it would lock the administrator out. `hotplug` names the
/// interface if it is brought up by `allow-hotplug` alone.
pub(super) fn restart(root: &Root, flavour: Flavour, hotplug: Option<&str>) -> Result<Result<Command, String>> {
    if flavour.is_two() {
        return Ok(Ok(Command::new(["ifreload", "-a"]).disturbing(Disturbs::Foreign)));
    }
    let argv: &[&str] = if root.kind(&"/etc/runlevels".into())? == NodeKind::Directory {
        &["rc-service", "networking", "restart"]
    } else if has_systemd(root)? {
        &["systemctl", "restart", "networking"]
    } else {
        &["/etc/init.d/networking", "restart"]
    };
    if let Some(interface) = hotplug.filter(|_| flavour.is_debian()) {
        if !handles_hotplug(root)? {
            return Ok(Err(format!(
                "{interface} is brought up by allow-hotplug, and the networking service of this system takes it down \
                 without bringing it up again"
            )));
        }
    }
    Ok(Ok(Command::new(argv.iter().copied()).disturbing(Disturbs::Interface).within(RESTART_LIMIT)))
}

fn has_systemd(root: &Root) -> Result<bool> {
    for path in ["/lib/systemd/system", "/usr/lib/systemd/system", "/run/systemd/system"] {
        if root.kind(&path.into())? == NodeKind::Directory {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the service brings hotplug interfaces up again: `ifup --allow=hotplug` (ifupdown 0.8.40 and later), or the
/// function `ifup_hotplug` of the init script.
fn handles_hotplug(root: &Root) -> Result<bool> {
    const PLACES: [&str; 4] = [
        "/etc/systemd/system/networking.service",
        "/usr/lib/systemd/system/networking.service",
        "/lib/systemd/system/networking.service",
        "/etc/init.d/networking",
    ];
    for path in PLACES {
        if let Some(text) = root.read(&RootPath::from(path))? {
            let handles = |needle: &[u8]| text.windows(needle.len()).any(|bytes| bytes == needle);
            return Ok(handles(b"allow=hotplug") || handles(b"ifup_hotplug"));
        }
    }
    Ok(false)
}
