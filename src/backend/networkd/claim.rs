//! Whether networkd is in charge of the primary interface, and which addresses are the primary ones.
//!
//! Evidence, best first: networkd's record of the link, its service with a file that fits, the file alone. Which interface
//! is the primary one is asked of the routing table, else of the files: the one with a gateway.

use std::net::IpAddr;

use super::addresses::Address;
use super::files::{ETC, Network, RUN};
use super::links::Link;
use super::matching::{Choice, Verdict, choose, verdict};
use super::{Survey, if_name, values};
use crate::backend::{Claim, Stance, Strength};
use crate::error::Result;
use crate::host;
use crate::root::{Root, RootPath};

/// The answer to "is this yours?".
pub fn stance(root: &Root) -> Result<Stance> {
    let survey = Survey::of(root)?;
    let no = |reason: String| Ok(Stance::NotInCharge(reason));
    if survey.networks.is_empty() {
        return Ok(Stance::Absent("there is no .network file".to_owned()));
    }
    let route = survey.route.clone();
    let link = match &route {
        Some(name) => Some(survey.link(root, name)?),
        None => None,
    };
    let record = link.as_ref().and_then(|link| link.record.clone());
    if let (Some(name), Some(record)) = (&route, &record) {
        if record.state == "unmanaged" || record.file.is_none() {
            return no(format!("systemd-networkd leaves {name} alone (state {:?})", record.state));
        }
    }
    let (network, doubt) = match &link {
        Some(link) => match choose(&survey.networks, link) {
            Choice::Nothing => return no(format!("no .network file matches {}", link.name)),
            Choice::One(network) => (network, None),
            Choice::Refused(network) => (network, network.refused.as_ref().map(ToString::to_string)),
            Choice::Several(networks) => {
                let Some(first) = networks.first() else { return no("no .network file matches".to_owned()) };
                (*first, Some(format!("files do not tell whether {} counts for {}", names_of(&networks), link.name)))
            }
        },
        None => {
            let first = survey.primary.first().and_then(|index| survey.networks.get(*index));
            match first.or_else(|| survey.networks.iter().find(|network| is_local(network))) {
                Some(network) => (network, None),
                None => return no("the only .network files are the vendor's, for no interface of a server".to_owned()),
            }
        }
    };
    if is_netplans(network) {
        let path = network.path();
        return no(format!("netplan generates its file ({path}); the source is /etc/netplan/*.yaml"));
    }
    let interface = match route {
        Some(name) => Some(name),
        None => only_interface(&survey),
    };
    let running = record.as_ref().is_some_and(|record| matches!(&*record.state, "configured" | "configuring"));
    claim(root, &survey, network, interface.as_deref(), running, doubt).map(Stance::InCharge)
}

fn claim(
    root: &Root,
    survey: &Survey,
    network: &Network,
    interface: Option<&str>,
    running: bool,
    doubt: Option<String>,
) -> Result<Claim> {
    // Offline, files without gateway say little about who brings the server into the network.
    let sure = running || interface.is_some() || !survey.primary.is_empty();
    let enabled = sure && is_enabled(root)?;
    let path = network.path();
    let on = interface.unwrap_or("an interface that the files do not name");
    let mut evidence = Vec::new();
    if running {
        evidence.push(format!("systemd-networkd has configured {on} from {path}"));
    } else {
        evidence.push(format!("{path} is for {on}"));
    }
    if enabled {
        evidence.push("systemd-networkd.service is enabled".to_owned());
    }
    let mut warnings = Vec::from_iter(doubt);
    if is_cloud_inits(network) {
        warnings.push(format!("cloud-init writes {path}; additional addresses go into a drop-in"));
    } else if path.is_under(&RUN.into()) {
        warnings.push(format!("{path} is generated at boot; additional addresses go into a drop-in"));
    }
    Ok(Claim {
        strength: match (running, enabled) {
            (true, _) => Strength::Running,
            (false, true) => Strength::Enabled,
            (false, false) => Strength::Configured,
        },
        interface: interface.and_then(if_name),
        evidence,
        files: network.fragments.iter().map(|fragment| fragment.path.clone()).collect(),
        auto: match survey.release.reread().last() {
            Some(step) => format!("ip addr add, then {}", step.action),
            None => "ip addr add".to_owned(),
        },
        restart: survey.release.restart().map(|_| "systemctl restart systemd-networkd".to_owned()),
        warnings,
    })
}

/// Whether systemd starts networkd at boot.
fn is_enabled(root: &Root) -> Result<bool> {
    let alias = RootPath::from("/etc/systemd/system/dbus-org.freedesktop.network1.service");
    let aliased = root.link_target(&alias)?.is_some_and(|target| target.ends_with(b"/systemd-networkd.service"));
    Ok(aliased || host::unit_enabled(root, "systemd-networkd.service")?)
}

/// The interface of the one primary network, where files leave no choice.
fn only_interface(survey: &Survey) -> Option<String> {
    let [index] = survey.primary.as_slice() else { return None };
    match survey.interfaces(*index).as_slice() {
        [name] if survey.links.iter().any(|link| link.name == *name) => Some((*name).to_owned()),
        _ => None,
    }
}

/// The file names of `networks`, for a sentence.
pub fn names_of(networks: &[&Network]) -> String {
    networks.iter().map(|network| network.path().to_string()).collect::<Vec<_>>().join(" or ")
}

/// Whether netplan wrote the file, which it does anew at every boot.
pub fn is_netplans(network: &Network) -> bool {
    network.name.starts_with(b"10-netplan-") && network.path().is_under(&RUN.into())
}

/// Whether cloud-init wrote the file (its networkd renderer, `10-cloud-init-IF.network`).
pub fn is_cloud_inits(network: &Network) -> bool {
    network.name.windows(10).any(|part| part == b"cloud-init")
}

/// The networks that hold the primary address, as indices: that of the interface with the default route, else those
/// with a static gateway, else those with DHCP.
pub fn primary_networks(route: Option<&str>, networks: &[Network], links: &[Link]) -> Vec<usize> {
    let index_of = |network: &Network| networks.iter().position(|other| other.name == network.name);
    if let Some(name) = route {
        return match links.iter().find(|link| link.name == name).map(|link| choose(networks, link)) {
            Some(Choice::One(network) | Choice::Refused(network)) => index_of(network).into_iter().collect(),
            Some(Choice::Nothing | Choice::Several(_)) | None => Vec::new(),
        };
    }
    let probe = Link { name: "eth0".to_owned(), mac: None, kind: Some("ether".to_owned()), record: None };
    let counts = |network: &Network| {
        // The vendor ships files for containers and tunnels, with DHCP, that are for no interface of a server.
        let beaten = |link: &Link| match choose(networks, link) {
            Choice::One(winner) => winner.name != network.name,
            _ => false,
        };
        let names = network.match_.literal_names();
        let lost = !names.is_empty() && links.iter().filter(|link| names.contains(&link.name)).all(beaten);
        !lost && (is_local(network) || verdict(network, &probe) != Verdict::No)
    };
    let with = |test: &dyn Fn(&Network) -> bool| -> Vec<usize> {
        (0..).zip(networks).filter(|(_, network)| test(network) && counts(network)).map(|(index, _)| index).collect()
    };
    let gateways = with(&|network| gateway(network, true) || gateway(network, false));
    if gateways.is_empty() { with(&|network| dhcp(network, true) || dhcp(network, false)) } else { gateways }
}

/// Whether the file is the administrator's or was generated at boot, not a package's.
fn is_local(network: &Network) -> bool {
    [ETC, RUN].iter().any(|dir| network.path().is_under(&(*dir).into()))
}

/// The primary addresses of a primary network, as indices: for each family with a static gateway the first effective
/// address that may be a source; without one, and without DHCP, the first IPv4 address that is more than a host.
pub fn primary_addresses(network: &Network, addresses: &[Address]) -> Vec<usize> {
    let first = |is_ipv4: bool| {
        let static_gateway = gateway(network, is_ipv4);
        let by_dhcp = dhcp(network, is_ipv4);
        let may_be = |address: &Address| {
            let wide = address.net.prefix_len() < address.net.max_prefix_len();
            address.net.addr().is_ipv4() == is_ipv4
                && address.problem.is_none()
                && address.preferred
                && match (static_gateway, by_dhcp) {
                    (true, false) => true,
                    (true, true) => wide,
                    (false, false) => is_ipv4 && wide,
                    (false, true) => false,
                }
        };
        addresses.iter().position(may_be)
    };
    [first(true), first(false)].into_iter().flatten().collect()
}

/// Whether the file gives a default gateway for the family, in `[Network]` or as a `[Route]` to everywhere.
fn gateway(network: &Network, is_ipv4: bool) -> bool {
    let is_of_family = |value: &[u8]| {
        let ip: Option<IpAddr> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        ip.is_some_and(|ip| ip.is_ipv4() == is_ipv4)
    };
    if network.values(b"Network", b"Gateway").any(is_of_family) {
        return true;
    }
    let routes = network.fragments.iter().flat_map(|fragment| {
        let sections = fragment.ini.sections.iter().filter(|section| section.name == b"Route");
        sections.map(|section| fragment.ini.at(section.items.clone()))
    });
    let mut routes = routes.map(|items| {
        let value = |wanted: &[u8]| items.iter().filter_map(|item| item.assignment()).rfind(|(key, _)| *key == wanted);
        (value(b"Gateway").map(|(_, value)| value), value(b"Destination").map(|(_, value)| value))
    });
    routes.any(|(gateway, destination)| {
        let everywhere = matches!(destination, None | Some(b"" | b"0.0.0.0/0" | b"::/0"));
        everywhere && gateway.is_some_and(is_of_family)
    })
}

/// Whether the file gets addresses of the family by DHCP.
fn dhcp(network: &Network, is_ipv4: bool) -> bool {
    network.values(b"Network", b"DHCP").last().is_some_and(|value| match value {
        b"ipv4" | b"v4" => is_ipv4,
        b"ipv6" | b"v6" => !is_ipv4,
        b"both" => true,
        _ => values::boolean(value) == Some(true),
    })
}
