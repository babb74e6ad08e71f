//! Which backend is in charge: walks the table, weighs the claims, explains itself, refuses ambiguity.
//!
//! Evidence of the running system beats an enabled service, which beats files alone. Two claims of equal weight are
//! refused with both shown: guessing wrong would write to a file that nobody reads.

use crate::backend::{self, Backend, Claim, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root};

/// The winner, and why the others are not.
pub struct Detection {
    /// The backend in charge.
    pub backend: &'static dyn Backend,
    /// Its evidence.
    pub claim: Claim,
    /// The others, in the table's order, each with its reason.
    pub losers: Vec<(&'static str, String)>,
}

/// Managers that ipalias recognises but has no backend for, by a path that only they have.
const STRANGERS: &[(&str, &str)] = &[
    ("/etc/netplan", "netplan"),
    ("/etc/NetworkManager", "NetworkManager"),
    ("/etc/wicked", "wicked"),
    ("/etc/sysconfig/network-scripts", "ifcfg files"),
    ("/etc/sysconfig/network", "ifcfg files"),
    ("/etc/conf.d/net", "netifrc"),
    ("/etc/dhcpcd.conf", "dhcpcd"),
    ("/var/lib/connman", "connman"),
    ("/etc/rc.conf", "rc.conf"),
    ("/etc/nixos", "NixOS"),
];

/// Finds the backend in charge of `root`, or takes the one called `forced`.
pub fn detect(root: &Root, forced: Option<&str>) -> Result<Detection> {
    let forced = forced.map(|name| backend::by_name(name).ok_or_else(|| unknown_backend(name))).transpose()?;
    let mut claims = Vec::new();
    let mut losers = Vec::new();
    for &backend in backend::ALL {
        match backend.detect(root)? {
            Stance::InCharge(claim) => claims.push((backend, claim)),
            Stance::NotInCharge(reason) => losers.push((backend.name(), reason)),
        }
    }
    let best = match forced {
        Some(forced) => return Ok(force(forced, claims, losers)),
        None => claims.iter().map(|(_, claim)| claim.strength).max(),
    };
    let (mut winners, weaker): (Vec<_>, Vec<_>) =
        claims.into_iter().partition(|(_, claim)| Some(claim.strength) == best);
    losers.extend(weaker.into_iter().map(|(backend, claim)| (backend.name(), claim.evidence.join("; "))));
    match (winners.pop(), winners.as_slice()) {
        (None, _) => Err(unsupported(root, &losers)?.into()),
        (Some((backend, claim)), []) => Ok(Detection { backend, claim, losers }),
        (Some(last), others) => {
            let all: Vec<String> = others
                .iter()
                .chain([&last])
                .map(|(backend, claim)| format!("{} ({})", backend.name(), claim.evidence.join("; ")))
                .collect();
            let names: Vec<&str> = others.iter().chain([&last]).map(|(backend, _)| backend.name()).collect();
            Err(Refusal::new(
                Kind::Ambiguous,
                format!("two systems claim the network with equal right: {}", all.join(" and ")),
                format!(
                    "find out which one configures the interface and name it: --backend {}",
                    names.join(" or --backend ")
                ),
            )
            .into())
        }
    }
}

fn force(
    forced: &'static dyn Backend,
    claims: Vec<(&'static dyn Backend, Claim)>,
    mut losers: Vec<(&'static str, String)>,
) -> Detection {
    let mut found = None;
    for (backend, claim) in claims {
        if backend.name() == forced.name() {
            found = Some(claim);
        } else {
            losers.push((backend.name(), claim.evidence.join("; ")));
        }
    }
    let doubt = losers.iter().find(|(name, _)| *name == forced.name()).map(|(_, reason)| reason.clone());
    losers.retain(|(name, _)| *name != forced.name());
    let claim = found.unwrap_or_else(|| Claim {
        strength: Strength::Configured,
        interface: None,
        evidence: vec!["it was named with --backend".to_owned()],
        files: Vec::new(),
        auto: "see --dry-run".to_owned(),
        restart: Ok("see --dry-run".to_owned()),
        warnings: doubt
            .into_iter()
            .map(|reason| format!("{} would not be chosen here: {reason}", forced.name()))
            .collect(),
    });
    Detection { backend: forced, claim, losers }
}

fn unknown_backend(name: &str) -> Refusal {
    let names: Vec<&str> = backend::ALL.iter().map(|backend| backend.name()).collect();
    Refusal::new(
        Kind::Usage,
        format!("there is no backend called {name:?}"),
        format!("the backends are {}", names.join(", ")),
    )
}

fn unsupported(root: &Root, losers: &[(&'static str, String)]) -> Result<Refusal> {
    let os = host::os_release(root)?;
    let mut seen = Vec::new();
    for (path, name) in STRANGERS {
        if root.kind(&(*path).into())? != NodeKind::Absent && !seen.contains(name) {
            seen.push(*name);
        }
    }
    let name = if os.pretty_name.is_empty() { "this system" } else { os.pretty_name.as_str() };
    let why: Vec<String> = losers.iter().map(|(backend, reason)| format!("{backend}: {reason}")).collect();
    let hint = if seen.is_empty() {
        "ipalias status shows what was looked at; --backend NAME overrides".to_owned()
    } else {
        format!("its network seems to be managed by {}, which this version cannot edit", seen.join(", "))
    };
    Ok(Refusal::new(
        Kind::Unsupported,
        format!("no backend is in charge of the network of {name} ({})", why.join("; ")),
        hint,
    ))
}
