//! Where an interface's additional addresses belong: the file that counts for it, or a drop-in of that file.
//!
//! The administrator's own file in `/etc/systemd/network` is edited, as the guides do it. What somebody else writes again
//! (netplan, cloud-init, a package) or what is kept elsewhere gets a drop-in, `NAME.network.d/ipalias.conf`.

use std::collections::BTreeSet;

use super::Survey;
use super::addresses::Address;
use super::claim::{is_cloud_inits, is_netplans, names_of, primary_addresses};
use super::files::{ETC, Fragment, Network, RUN};
use super::links::Link;
use super::matching::{Choice, Verdict, choose, verdict};
use super::release::Release;
use crate::alias::IfName;
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root, RootPath};

/// The name of the drop-in.
pub const DROPIN: &str = "ipalias.conf";

/// The network that networkd uses for `interface`, fit for an addition, or the reason why there is none.
pub fn network_for<'a>(root: &Root, survey: &'a Survey, interface: &IfName) -> Result<&'a Network> {
    let network = winner(root, survey, interface)?;
    let refuse = |kind, reason: String, hint: String| -> Result<&Network> {
        Err(Refusal::new(kind, reason, hint).at(&network.path(), 0).into())
    };
    if network.says_yes(b"Link", b"Unmanaged") {
        let reason = format!("systemd-networkd leaves {interface} alone, because this file says Unmanaged=yes");
        return refuse(Kind::ManagedElsewhere, reason, "find out what configures the interface instead".to_owned());
    }
    if let Some(master) = master(root, survey, network, interface)? {
        let link = Link { name: master.clone(), ..Link::default() };
        let file = match choose(&survey.networks, &link) {
            Choice::One(network) => network.path().to_string(),
            _ => "the file of that interface".to_owned(),
        };
        let reason = format!("{interface} is a port of {master}, and its addresses belong into {file}");
        return refuse(Kind::Unacceptable, reason, format!("use -i {master}"));
    }
    let index = survey.networks.iter().position(|other| other.name == network.name);
    let others = index.map(|index| survey.interfaces(index)).unwrap_or_default();
    let mut uses = survey.uses.iter().filter(|using| Some(using.network) == index).peekable();
    if let Some(problem) = uses.peek().and_then(|using| using.problem.clone()).filter(|_| others.is_empty()) {
        let reason = format!("this file may be for {interface}, but counts for nothing: {problem}");
        return refuse(Kind::NotFound, reason, format!("give it a Name={interface} in [Match]"));
    }
    let is_other = |name: &&&str| **name != interface.as_str() && survey.links.iter().any(|link| link.name == **name);
    if let Some(other) = others.iter().find(is_other) {
        let reason = format!("this file is for {interface} and for {other}, and both would get the address");
        let hint = format!("write a file of its own for {interface}, with a name that sorts before this one");
        return refuse(Kind::Ambiguous, reason, hint);
    }
    Ok(network)
}

/// The network that counts for `interface`.
fn winner<'a>(root: &Root, survey: &'a Survey, interface: &IfName) -> Result<&'a Network> {
    match choose(&survey.networks, &survey.link(root, interface.as_str())?) {
        Choice::One(network) => Ok(network),
        Choice::Refused(network) => match &network.refused {
            Some(refusal) => Err(refusal.clone().into()),
            None => Ok(network),
        },
        Choice::Several(networks) => {
            let names = names_of(&networks);
            Err(Refusal::new(
                Kind::Ambiguous,
                format!("files do not tell which one systemd-networkd uses for {interface}: {names}"),
                "give the [Match] of each a Name=, or run ipalias on the running system after networkctl reload",
            )
            .into())
        }
        Choice::Nothing => {
            let mut known = survey.uses.iter().filter(|using| using.problem.is_none()).map(|using| &*using.interface);
            let first = known.next().map(|first| BTreeSet::from_iter(known.chain([first])));
            let known = first.map(|names| format!("; there are files for: {}", Vec::from_iter(names).join(", ")));
            Err(Refusal::new(
                Kind::NotFound,
                format!("no .network file is for {interface}{}", known.unwrap_or_default()),
                "name the interface with -i, or write a .network file for it first",
            )
            .into())
        }
    }
}

/// What the administrator should know before an addition to `network`, which counts for `interface`.
pub fn notes(root: &Root, survey: &Survey, network: &Network, interface: &IfName) -> Result<Vec<String>> {
    let link = survey.link(root, interface.as_str())?;
    let before = survey.networks.iter().take_while(|other| other.name < network.name);
    let dropped = before.filter(|other| other.refused.is_some() && verdict(other, &link) != Verdict::No);
    let mut notes: Vec<String> = dropped
        .filter_map(|other| other.refused.as_ref())
        .map(|refusal| format!("a file that would come first is dropped by networkd: {refusal}"))
        .collect();
    let path = network.path();
    if is_netplans(network) {
        notes.push(format!("netplan generates {path}; if it ever names that file differently, the drop-in is void"));
    } else if path.is_under(&RUN.into()) {
        notes.push(format!("{path} is generated at boot; if it ever has another name, the drop-in is void"));
    }
    Ok(notes)
}

/// The bridge or bond that `interface` is a port of, if it is one.
fn master(root: &Root, survey: &Survey, network: &Network, interface: &IfName) -> Result<Option<String>> {
    for key in [&b"Bridge"[..], b"Bond", b"BatmanAdvanced"] {
        if let Some(name) = network.values(b"Network", key).last().filter(|name| !name.is_empty()) {
            return Ok(Some(String::from_utf8_lossy(name).into_owned()));
        }
    }
    let Some(master) = host::link(root, interface.as_str())?.and_then(|link| link.master) else { return Ok(None) };
    // A VRF is a master, too, but its ports keep their addresses.
    let kind = survey.link(root, &master)?.kind;
    Ok(matches!(kind.as_deref(), Some("bridge" | "bond")).then_some(master))
}

/// The file that takes new sections.
pub enum Site<'a> {
    /// One that is there.
    Fragment(&'a Fragment),
    /// A drop-in that is not.
    New(RootPath),
}

/// The file that takes new sections of `network`, whose addresses are `found`: the administrator's own, or a drop-in. It
/// must not come before a drop-in that takes earlier addresses back or that holds the primary address.
pub fn site<'a>(root: &Root, network: &'a Network, release: Release, found: &[Address]) -> Result<Site<'a>> {
    let etc = root.resolve(&ETC.into())?;
    let is_own = |fragment: &&Fragment| fragment.target.is_under(&etc);
    let resetting = network.fragments.iter().rposition(|fragment| release.resets() && resets(fragment));
    let primary = primary_addresses(network, found).into_iter().filter_map(|index| found.get(index));
    let first = primary.map(|address| address.fragment).chain(resetting).max().unwrap_or_default();
    if let Some(fragment) = network.fragments.get(first).filter(is_own) {
        if first > 0 || !is_cloud_inits(network) {
            return Ok(Site::Fragment(fragment));
        }
    }
    let dropin = dropin(root, network, release)?;
    let name = |fragment: &Fragment| if first == 0 { Vec::new() } else { fragment.path.name().to_vec() };
    match network.fragments.get(first).filter(|fragment| name(fragment).as_slice() >= DROPIN.as_bytes()) {
        None => Ok(dropin),
        Some(before) => {
            let reason = format!("a drop-in called {DROPIN} would come before this one, which must come first");
            let hint = format!("copy it to {ETC} under the same name, or give it a name that sorts before {DROPIN}");
            Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&before.path, 0).into())
        }
    }
}

/// The drop-in of ipalias, there already or not.
fn dropin<'a>(root: &Root, network: &'a Network, release: Release) -> Result<Site<'a>> {
    let main = network.path();
    if !release.has_sound_dropins() {
        let reason = format!(
            "this file is not the administrator's to edit, and systemd {} confuses drop-ins (systemd#5141)",
            release.version()
        );
        let hint = format!("copy it to {ETC} under the same name first");
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&main, 0).into());
    }
    let dir = RootPath::from(ETC).join([network.name.as_slice(), b".d"].concat());
    let path = dir.join(DROPIN);
    if let Some(there) = network.fragments.iter().find(|fragment| fragment.path == path) {
        return Ok(Site::Fragment(there));
    }
    if let Some(masked) = network.fragments.iter().skip(1).find(|fragment| fragment.path.name() == DROPIN.as_bytes()) {
        let reason = format!("a drop-in called {DROPIN} stands here already, and one in {ETC} would hide it");
        let hint = format!("copy it to {dir} under the same name first");
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&masked.path, 0).into());
    }
    let target = root.resolve(&path)?;
    let free = root.link_target(&path)?.is_none() && root.kind(&path)? == NodeKind::Absent;
    if !free || target.parent() != root.resolve(&dir)? {
        let reason = "systemd-networkd does not read this drop-in";
        let hint = format!("make {dir} readable for all (chmod 0755), and {path} a file, not a link");
        return Err(Refusal::new(Kind::Malformed, reason, hint).at(&path, 0).into());
    }
    Ok(Site::New(target))
}

fn resets(fragment: &Fragment) -> bool {
    let network = fragment.ini.sections.iter().filter(|section| section.name == b"Network");
    let mut assignments =
        network.flat_map(|section| fragment.ini.at(section.items.clone())).filter_map(|item| item.assignment());
    assignments.any(|(key, value)| key == b"Address" && value.is_empty())
}
