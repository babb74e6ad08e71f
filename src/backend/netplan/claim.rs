//! Whether netplan is in charge of the primary interface, and which addresses are the primary ones.
//!
//! Evidence, best first: networkd's record of the link or NetworkManager's profile, both of files that netplan generates;
//! an installed generator, which systemd runs at each boot. Which interface is the primary one is asked of the routing
//! table, else of the files: the one with a default route, else the one with DHCP.

use super::Survey;
use super::addresses::Address;
use super::definitions::{Definition, Renderer};
use super::interfaces::{Target, recorded_id};
use super::program::profile;
use crate::alias::IfName;
use crate::backend::{Claim, Stance, Strength};
use crate::error::Result;
use crate::host;
use crate::root::{Root, RootPath};

/// The answer to "is this yours?".
pub fn stance(root: &Root) -> Result<Stance> {
    let survey = Survey::of(root)?;
    let no = |reason: String| Ok(Stance::NotInCharge(reason));
    if survey.files.is_empty() && survey.faults.is_empty() {
        return Ok(Stance::Absent("there is no netplan file".to_owned()));
    }
    let Some(program) = survey.program.evidence.clone() else {
        return no("there are netplan files, but netplan is not installed".to_owned());
    };
    let index = match (&survey.route, survey.primary.as_slice()) {
        (Some(name), []) if survey.faults.is_empty() => return no(format!("no netplan file defines {name}")),
        (_, [index, ..]) => Some(*index),
        (_, []) if survey.merged.definitions.is_empty() && survey.faults.is_empty() => {
            return no("its files define no interface".to_owned());
        }
        (_, []) => None,
    };
    let interface = survey.route.clone().or_else(|| match (index, survey.primary.len()) {
        (Some(index), 1) => only_interface(survey.targets.get(index)?),
        _ => None,
    });
    if let Some(reason) = taken_by_another(&survey, interface.as_deref()) {
        return no(reason);
    }
    let (strength, mut evidence) = strength(root, &survey, index, interface.as_deref())?;
    evidence.push(format!("{program} is there"));
    let definition = index.and_then(|index| survey.definition(index));
    Ok(Stance::InCharge(Claim {
        strength,
        interface: interface.as_deref().and_then(|name| IfName::new(name).ok()),
        evidence,
        files: survey.files.iter().filter(|file| file.shadowed_by.is_none()).map(|file| file.path.clone()).collect(),
        auto: match definition {
            Some((_, Renderer::NetworkManager)) => "ip addr add, then netplan's generator and nmcli connection load",
            _ => "ip addr add, then netplan's generator, and networkd reads its files",
        }
        .to_owned(),
        restart: Ok("netplan apply".to_owned()),
        warnings: survey.faults.iter().map(ToString::to_string).collect(),
    }))
}

/// Why something else has the interface, by networkd's record of it.
fn taken_by_another(survey: &Survey, interface: Option<&str>) -> Option<String> {
    let link = survey.links.iter().find(|link| Some(link.name.as_str()) == interface)?;
    let file = link.record.as_ref()?.file.as_ref()?;
    recorded_id(link).is_none().then(|| format!("systemd-networkd uses {file} for {}", link.name))
}

fn strength(
    root: &Root,
    survey: &Survey,
    index: Option<usize>,
    interface: Option<&str>,
) -> Result<(Strength, Vec<String>)> {
    let Some((index, (definition, renderer))) = index.and_then(|index| Some((index, survey.definition(index)?))) else {
        return Ok((Strength::Configured, Vec::new()));
    };
    let first = definition.parts.first().and_then(|part| survey.files.get(part.file));
    let path = first.map(|file| file.path.to_string()).unwrap_or_default();
    let on = interface.map(str::to_owned).or_else(|| Some(survey.targets.get(index)?.first()?.interface.clone()));
    let mut evidence = vec![format!("{path} defines {} for {}", definition.id, on.unwrap_or_default())];
    let generated = match renderer {
        Renderer::Networkd => {
            RootPath::from("/run/systemd/network").join(format!("10-netplan-{}.network", definition.id))
        }
        Renderer::NetworkManager => profile(definition),
    };
    let link = survey.links.iter().find(|link| Some(link.name.as_str()) == interface);
    // Where the link is known, a generated file alone says nothing: the generator writes it, whoever configures the link.
    let is_used = match (link, renderer) {
        (Some(link), Renderer::Networkd) => {
            let state = link.record.as_ref().map(|record| record.state.as_str());
            recorded_id(link).as_deref() == Some(definition.id.as_str()) && state != Some("unmanaged")
        }
        _ => root.is_file(&generated)?,
    };
    if is_used {
        evidence.insert(0, format!("{generated} is in use"));
        return Ok((Strength::Running, evidence));
    }
    let enabled = match renderer {
        Renderer::Networkd => true,
        Renderer::NetworkManager => host::unit_enabled(root, "NetworkManager.service")?,
    };
    Ok((if enabled { Strength::Enabled } else { Strength::Configured }, evidence))
}

fn only_interface(targets: &[Target]) -> Option<String> {
    match targets {
        [target] if target.is_name => Some(target.interface.clone()),
        _ => None,
    }
}

/// The definitions that hold the primary address, as indices: that of the interface with the default route, else those
/// with a default route of their own, else those with DHCP, else the only one.
pub fn primary(definitions: &[Definition], targets: &[Vec<Target>], route: Option<&str>) -> Vec<usize> {
    let counts = |index: usize| targets.get(index).is_some_and(|all| all.iter().any(|target| target.problem.is_none()));
    let with = |test: &dyn Fn(usize, &Definition) -> bool| -> Vec<usize> {
        let all = definitions.iter().enumerate();
        all.filter(|(index, definition)| counts(*index) && test(*index, definition)).map(|(index, _)| index).collect()
    };
    if let Some(name) = route {
        let is_for = |target: &Target| target.is_name && target.interface == name && target.problem.is_none();
        return with(&|index, _| targets.get(index).is_some_and(|all| all.iter().any(is_for)));
    }
    let is_member = |id: &str| definitions.iter().any(|other| other.members.iter().any(|member| member == id));
    let steps: [&dyn Fn(&Definition) -> bool; 4] = [
        &|definition| definition.gateway4,
        &|definition| definition.gateway6,
        &|definition| definition.dhcp4,
        &|definition| definition.dhcp6,
    ];
    for step in steps {
        let found = with(&|_, definition| step(definition) && !is_member(&definition.id));
        if !found.is_empty() {
            return found;
        }
    }
    let all = with(&|_, definition| !is_member(&definition.id));
    if all.len() == 1 { all } else { Vec::new() }
}

/// The primary addresses of a primary definition, as indices: for each family with a default route the first that may be a
/// source; without one, and without DHCP, the first IPv4 address that is more than a host. Those with options come later.
pub fn primary_addresses(definition: &Definition, addresses: &[Address]) -> Vec<usize> {
    let order = |with_options: bool| {
        (0..addresses.len())
            .filter(move |index| addresses.get(*index).is_some_and(|address| address.has_options == with_options))
    };
    let first = |is_ipv4: bool| {
        let (gateway, dhcp) =
            if is_ipv4 { (definition.gateway4, definition.dhcp4) } else { (definition.gateway6, definition.dhcp6) };
        let may_be = |address: &Address| {
            let wide = address.net.prefix_len() < address.net.max_prefix_len();
            address.net.addr().is_ipv4() == is_ipv4
                && address.problem.is_none()
                && !address.deprecated
                && match (gateway, dhcp) {
                    (true, false) => true,
                    (true, true) => wide,
                    (false, false) => is_ipv4 && wide,
                    (false, true) => false,
                }
        };
        order(false).chain(order(true)).find(|index| addresses.get(*index).is_some_and(may_be))
    };
    [first(true), first(false)].into_iter().flatten().collect()
}
