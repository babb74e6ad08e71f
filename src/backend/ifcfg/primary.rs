//! Which interface has the default route.

use std::net::Ipv4Addr;

use super::entries::entries;
use super::file::File;
use super::files::Files;
use crate::error::Result;
use crate::host;
use crate::root::Root;

/// The interface of the default route: the running one, `GATEWAYDEV`, one with a gateway, the only one that starts, or the
/// one with DHCP; a port stands for what it is a port of. Nothing where two have equal right.
pub(super) fn primary(root: &Root, files: &Files) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(Some(name));
    }
    if let Some(name) = files.global("GATEWAYDEV") {
        let name = name.split(':').next().unwrap_or_default().to_owned();
        let master = files.base(&name).and_then(File::master).filter(|master| files.base(master).is_some());
        return Ok(Some(master.unwrap_or(name)));
    }
    let free = || files.bases().filter(|base| base.device != "lo" && base.master().is_none());
    let started: Vec<&File> = free().filter(|base| !base.denies("ONBOOT")).collect();
    let global = files.global("GATEWAY").and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    let criteria: [&dyn Fn(&File) -> bool; 3] = [
        &|base| base.get("GATEWAY").is_some() && !base.denies("DEFROUTE"),
        &|base| global.is_some_and(|gateway| reaches(files, &base.device, gateway)),
        &|base| base.affirms("DEFROUTE"),
    ];
    for criterion in criteria {
        let found: Vec<&File> = started.iter().copied().filter(|base| criterion(base)).collect();
        if !found.is_empty() {
            return Ok(only(found.into_iter()));
        }
    }
    let dynamic = || started.iter().copied().filter(|base| base.is_dynamic());
    Ok(only(started.iter().copied()).or_else(|| only(dynamic())).or_else(|| only(free())))
}

/// The device, if all the files are one's.
fn only<'f>(mut bases: impl Iterator<Item = &'f File>) -> Option<String> {
    let device = &bases.next()?.device;
    bases.all(|other| other.device == *device).then(|| device.clone())
}

fn reaches(files: &Files, device: &str, gateway: Ipv4Addr) -> bool {
    entries(files).iter().any(|entry| {
        entry.interface == device && entry.is_effective() && entry.address.contains(&std::net::IpAddr::V4(gateway))
    })
}
