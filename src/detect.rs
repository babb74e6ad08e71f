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
    /// Below a control panel: the system that configures the interface and has the primary address.
    pub below: Option<&'static dyn Backend>,
    /// The others, in the table's order, each with its reason.
    pub losers: Vec<(&'static str, String)>,
}

/// Systems whose network configuration lies in a database or is generated: an edit of a file would be lost. Each with
/// files that only it has, and what to do instead.
const GUARDED: &[(&str, &[&str], &str)] = &[
    ("pfSense or OPNsense", &["/cf/conf/config.xml", "/conf/config.xml"], "add a virtual IP in its web interface"),
    ("TrueNAS", &["/data/freenas-v1.db", "/etc/rc.freenas"], "add the address in its web interface"),
    ("SmartOS", &["/usbkey", "/etc/rc.d/smartdc"], "use vmadm update for a zone, /usbkey/config for the global zone"),
];

/// What to do on NixOS (`networking.interfaces.<name>.ipv4.addresses` of its manual); `add` fills the address in.
pub const NIXOS_HINT: &str = "add to its configuration: networking.interfaces.<name>.ipv4.addresses = \
                              [ { address = \"192.0.2.1\"; prefixLength = 32; } ];";

/// Managers that ipalias recognises but has no backend for.
const STRANGERS: &[Stranger] = &[
    Stranger { name: "connman", sees: |root| unit(root, "connman") },
    Stranger { name: "dhcpcd", sees: |root| unit(root, "dhcpcd") },
];

/// How strong the evidence of a manager is, and what it is; nothing without any.
type Sign = Option<(Strength, String)>;

/// A manager without a backend.
struct Stranger {
    name: &'static str,
    /// Whether it seems to be in charge, and on what evidence.
    sees: fn(&Root) -> Result<Sign>,
}

/// Finds the backend in charge of `root`, or takes the one called `forced`.
///
/// Refuses (unsupported) where none is or an unknown manager is more likely to be, (ambiguous) where two claim it with
/// equal right, and (managed elsewhere) systems whose files are generated.
pub fn detect(root: &Root, forced: Option<&str>) -> Result<Detection> {
    let forced = forced.map(|name| backend::by_name(name).ok_or_else(|| unknown_backend(name))).transpose()?;
    if forced.is_none() {
        guarded(root)?;
    }
    let mut claims = Vec::new();
    let mut losers = Vec::new();
    for &backend in backend::ALL {
        match backend.detect(root)? {
            Stance::InCharge(claim) => claims.push((backend, claim)),
            Stance::NotInCharge(reason) => losers.push((backend.name(), reason)),
        }
    }
    if let Some(forced) = forced {
        return Ok(force(forced, claims, losers));
    }
    let panel = claims.iter().position(|(_, claim)| claim.strength == Strength::Panel);
    if let Some((backend, mut claim)) = panel.map(|at| claims.remove(at)) {
        claims.sort_by_key(|(_, claim)| claim.strength);
        let below = claims.last().map(|(below, _)| *below);
        claim.interface = claim.interface.or_else(|| claims.last().and_then(|(_, below)| below.interface.clone()));
        losers.extend(claims.into_iter().map(|(backend, claim)| (backend.name(), claim.evidence.join("; "))));
        return Ok(Detection { backend, claim, below, losers });
    }
    let best = claims.iter().map(|(_, claim)| claim.strength).max();
    let (winners, weaker): (Vec<_>, Vec<_>) = claims.into_iter().partition(|(_, claim)| Some(claim.strength) == best);
    losers.extend(weaker.into_iter().map(|(backend, claim)| (backend.name(), claim.evidence.join("; "))));
    let strangers = strangers(root)?;
    let stronger: Vec<&(&str, Strength, String)> =
        strangers.iter().filter(|(_, strength, _)| best.is_none_or(|best| *strength > best)).collect();
    if !stronger.is_empty() || winners.is_empty() {
        return Err(unsupported(root, &losers, &winners, &stronger)?.into());
    }
    let equal =
        strangers.iter().filter(|(_, strength, _)| Some(*strength) == best && best > Some(Strength::Configured));
    choose(winners, equal.collect(), losers)
}

/// A backend with its evidence.
type Winner = (&'static dyn Backend, Claim);

fn choose(
    mut winners: Vec<Winner>,
    strangers: Vec<&(&'static str, Strength, String)>,
    losers: Vec<(&'static str, String)>,
) -> Result<Detection> {
    if winners.len() == 1 && strangers.is_empty() {
        if let Some((backend, claim)) = winners.pop() {
            return Ok(Detection { backend, claim, below: None, losers });
        }
    }
    let known = winners.iter().map(|(backend, claim)| format!("{} ({})", backend.name(), claim.evidence.join("; ")));
    let all: Vec<String> =
        known.chain(strangers.iter().map(|(name, _, evidence)| format!("{name} ({evidence})"))).collect();
    let names: Vec<&str> = winners.iter().map(|(backend, _)| backend.name()).collect();
    Err(Refusal::new(
        Kind::Ambiguous,
        format!("two systems claim the network with equal right: {}", all.join(" and ")),
        format!("find out which one configures the interface and name it: --backend {}", names.join(" or --backend ")),
    )
    .into())
}

fn guarded(root: &Root) -> Result<()> {
    for (name, marks, hint) in GUARDED {
        for mark in *marks {
            if root.kind(&(*mark).into())? != NodeKind::Absent {
                let reason =
                    format!("this is {name}, which keeps its network configuration elsewhere and rewrites files");
                return Err(Refusal::new(Kind::ManagedElsewhere, reason, *hint).at(&(*mark).into(), 0).into());
            }
        }
    }
    if let Some((reason, hint)) = host::confinement(root)? {
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).into());
    }
    let registry = "/Windows/System32/config/SYSTEM";
    if !root.is_live() && root.is_file(&registry.into())? && root.kind(&"/ipalias".into())? == NodeKind::Absent {
        let reason = "this is a disk of Windows, which keeps its addresses in the registry";
        let refusal = Refusal::new(Kind::ManagedElsewhere, reason, "start that system and run ipalias there");
        return Err(refusal.at(&registry.into(), 0).into());
    }
    let os = host::os_release(root)?;
    if os.id == "nixos" || root.kind(&"/etc/NIXOS".into())? != NodeKind::Absent {
        let reason = "this is NixOS, which generates its files from /etc/nixos";
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, NIXOS_HINT).into());
    }
    if os.id == "ubuntu-core" {
        let reason = "this is Ubuntu Core, whose network is set through snapd";
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, "use snap set system system.network.netplan").into());
    }
    Ok(())
}

fn strangers(root: &Root) -> Result<Vec<(&'static str, Strength, String)>> {
    let mut found = Vec::new();
    for stranger in STRANGERS {
        if let Some((strength, evidence)) = (stranger.sees)(root)? {
            found.push((stranger.name, strength, evidence));
        }
    }
    Ok(found)
}

fn unit(root: &Root, name: &str) -> Result<Sign> {
    let enabled = host::unit_enabled(root, &format!("{name}.service"))? || host::init_script_enabled(root, name)?;
    Ok(enabled.then(|| (Strength::Configured, "its service is enabled".to_owned())))
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
    Detection { backend: forced, claim, below: None, losers }
}

fn unknown_backend(name: &str) -> Refusal {
    let names: Vec<&str> = backend::ALL.iter().map(|backend| backend.name()).collect();
    Refusal::new(
        Kind::Usage,
        format!("there is no backend called {name:?}"),
        format!("the backends are {}", names.join(", ")),
    )
}

fn unsupported(
    root: &Root,
    losers: &[(&'static str, String)],
    winners: &[Winner],
    strangers: &[&(&'static str, Strength, String)],
) -> Result<Refusal> {
    let name = host::system_name(root)?.unwrap_or_else(|| "this system".to_owned());
    if strangers.is_empty() {
        // What has nothing here at all comes last: the one reason that counts is among the others.
        let (far, near): (Vec<_>, Vec<_>) = losers.iter().partition(|(_, reason)| reason.contains("there is no "));
        let why: Vec<String> =
            near.into_iter().chain(far).map(|(backend, reason)| format!("{backend}: {reason}")).collect();
        let reason = format!("no backend is in charge of the network of {name} ({})", why.join("; "));
        let hint = "if one is all the same, name it with --backend";
        return Ok(Refusal::new(Kind::Unsupported, reason, hint));
    }
    let seen: Vec<String> = strangers.iter().map(|(name, _, evidence)| format!("{name} ({evidence})")).collect();
    let names: Vec<&str> = winners.iter().map(|(backend, _)| backend.name()).collect();
    let hint = if names.is_empty() {
        "this version cannot edit its files; add the address with its own tools".to_owned()
    } else {
        format!("this version cannot edit its files; if it is not in charge, use --backend {}", names.join(" or "))
    };
    let reason = format!("the network of {name} seems to be managed by {}", seen.join(" and "));
    Ok(Refusal::new(Kind::Unsupported, reason, hint))
}
