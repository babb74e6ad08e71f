//! Which interface a definition is for: its ID, or what its `match:` finds.
//!
//! Follows netplan-yaml(5), "Properties for physical device types". Offline, hardware addresses and drivers cannot be asked.

use std::collections::BTreeMap;

use super::definitions::{Definition, Renderer};
use crate::backend::networkd::links::{self, Named, Record};
use crate::error::Result;
use crate::host;
use crate::root::{Root, RootPath};
use crate::syntax::glob::glob;

/// An interface of the running system.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its name.
    pub name: String,
    mac: String,
    driver: Option<String>,
    /// What networkd has written down about it.
    pub record: Option<Record>,
}

/// What a definition is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The interface, or what is matched instead where no name can be told.
    pub interface: String,
    /// Whether that is a name.
    pub is_name: bool,
    /// Why the definition does not count for it, if it does not.
    pub problem: Option<String>,
}

impl Target {
    fn name(interface: &str) -> Target {
        Target { interface: interface.to_owned(), is_name: true, problem: None }
    }
}

/// The interfaces of the running system, without the loopback; none if the root does not run.
pub fn links(root: &Root) -> Result<Vec<Link>> {
    let mut found = Vec::new();
    for name in host::link_names(root)?.into_iter().filter(|name| name != "lo") {
        let Some(known) = host::link(root, &name)? else { continue };
        let driver = root.link_target(&RootPath::from("/sys/class/net").join(&name).join("device/driver"))?;
        let driver = driver.map(|target| String::from_utf8_lossy(RootPath::new(target).name()).into_owned());
        let record = links::link(root, &name, &Named::new())?.record;
        found.push(Link { name, mac: known.mac, driver, record });
    }
    Ok(found)
}

/// What `definition` is for.
fn targets(definition: &Definition, links: &[Link]) -> Vec<Target> {
    if !definition.is_physical() || !definition.has_match {
        return vec![Target::name(&definition.id)];
    }
    if let Some(name) = &definition.set_name {
        return vec![Target::name(name)];
    }
    let is_pattern = |name: &&String| name.contains(['*', '?', '[']);
    if let Some(name) = definition.name.as_ref().filter(|name| !is_pattern(name)) {
        return vec![Target::name(name)];
    }
    let fits = |link: &&Link| {
        definition.name.as_ref().is_none_or(|name| glob(name.as_bytes(), link.name.as_bytes()))
            && definition.mac.as_ref().is_none_or(|mac| *mac == link.mac)
            && (definition.drivers.is_empty()
                || definition
                    .drivers
                    .iter()
                    .any(|driver| link.driver.as_ref().is_some_and(|known| glob(driver.as_bytes(), known.as_bytes()))))
    };
    let found: Vec<Target> = links.iter().filter(fits).map(|link| Target::name(&link.name)).collect();
    if !found.is_empty() {
        return found;
    }
    let interface = match (&definition.name, &definition.mac, definition.drivers.first()) {
        (Some(name), ..) => name.clone(),
        (None, Some(mac), _) => format!("macaddress={mac}"),
        (None, None, Some(driver)) => format!("driver={driver}"),
        (None, None, None) => "*".to_owned(),
    };
    let problem = (!links.is_empty()).then(|| "no interface matches it now".to_owned());
    vec![Target { interface, is_name: false, problem }]
}

/// What each of `definitions` is for, with the rivals of an interface sorted out: networkd uses the first of the generated
/// files that match it, in the order of their names, and its record says which.
pub fn resolve(definitions: &[Definition], renderers: &[Renderer], links: &[Link]) -> Vec<Vec<Target>> {
    let mut all: Vec<Vec<Target>> = definitions.iter().map(|definition| targets(definition, links)).collect();
    let mut rivals: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, targets) in all.iter().enumerate() {
        for target in targets.iter().filter(|target| target.is_name) {
            rivals.entry(target.interface.clone()).or_default().push(index);
        }
    }
    for (interface, mut rivals) in rivals.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
        rivals.sort_by_key(|index| (renderers.get(*index), definitions.get(*index).map(|rival| rival.id.clone())));
        let recorded = links.iter().find(|link| link.name == interface).and_then(recorded_id);
        let id = |index: usize| definitions.get(index).map(|rival| rival.id.as_str()).unwrap_or_default();
        let winner = rivals.iter().copied().find(|index| recorded.as_deref() == Some(id(*index)));
        let Some(winner) = winner.or(rivals.first().copied()) else { continue };
        let problem = format!("the definition {} counts for {interface} instead", id(winner));
        for (index, targets) in
            all.iter_mut().enumerate().filter(|(index, _)| *index != winner && rivals.contains(index))
        {
            let _ = index;
            for target in targets.iter_mut().filter(|target| target.is_name && target.interface == interface) {
                target.problem = Some(problem.clone());
            }
        }
    }
    all
}

/// The ID whose file networkd has used for the link.
pub fn recorded_id(link: &Link) -> Option<String> {
    let file = link.record.as_ref()?.file.as_ref()?;
    let id = file.name().strip_prefix(b"10-netplan-")?.strip_suffix(b".network")?;
    file.is_under(&"/run/systemd/network".into()).then(|| String::from_utf8_lossy(id).into_owned())
}
