//! Which backend is in charge: walks the table, weighs the claims, explains itself, refuses ambiguity.
//!
//! Evidence of the running system beats an enabled service, which beats files alone. Two claims of equal weight are
//! refused with both shown: guessing wrong would write to a file that nobody reads.

mod elsewhere;

use crate::backend::{self, Backend, Claim, Entry, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::nearest::nearest;
use crate::root::Root;
pub use elsewhere::NIXOS_HINT;
use elsewhere::Sighting;

/// The winner, and why the others are not.
pub struct Detection {
    /// The root as it was looked at: what was read of it for the detection is not read again.
    pub root: Root,
    /// The backend in charge.
    pub backend: &'static dyn Backend,
    /// Its evidence.
    pub claim: Claim,
    /// Below a control panel: the system that configures the interface and has the primary address.
    pub below: Option<&'static dyn Backend>,
    /// The others of which something is here, in the table's order, each with its reason.
    pub losers: Losers,
    /// Those of which nothing is here, with what is missing.
    pub absent: Losers,
}

impl Detection {
    /// Every address in the files of the backend in charge.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        self.backend.entries(&self.root)
    }

    /// The addresses of the system below a control panel, the primary one among them.
    pub fn entries_below(&self) -> Result<Vec<Entry>> {
        self.below.map_or_else(|| Ok(Vec::new()), |below| below.entries(&self.root))
    }
}

/// Backends that are not in charge, and why.
type Losers = Vec<(&'static str, String)>;

/// Finds the backend in charge of `root`, or takes the one called `forced`.
///
/// Refuses (unsupported) where none is or an unknown manager is more likely to be, (ambiguous) where two claim it with
/// equal right, and (managed elsewhere) systems whose files are generated.
pub fn detect(root: &Root, forced: Option<&str>) -> Result<Detection> {
    let forced = forced.map(|name| backend::by_name(name).ok_or_else(|| unknown_backend(name))).transpose()?;
    if forced.is_none() {
        elsewhere::refuse_guarded(root)?;
    }
    let root = &root.remembering();
    let mut claims = Vec::new();
    let (mut losers, mut absent) = (Losers::new(), Losers::new());
    for &backend in backend::ALL {
        match backend.detect(root)? {
            Stance::InCharge(claim) => claims.push((backend, claim)),
            Stance::NotInCharge(reason) => losers.push((backend.name(), reason)),
            Stance::Absent(reason) => absent.push((backend.name(), reason)),
        }
    }
    if let Some(forced) = forced {
        return Ok(force(root, forced, claims, losers, absent));
    }
    let panel = claims.iter().position(|(_, claim)| claim.strength == Strength::Panel);
    if let Some((backend, mut claim)) = panel.map(|at| claims.remove(at)) {
        claims.sort_by_key(|(_, claim)| claim.strength);
        let below = claims.last().map(|(below, _)| *below);
        claim.interface = claim.interface.or_else(|| claims.last().and_then(|(_, below)| below.interface.clone()));
        losers.extend(claims.into_iter().map(|(backend, claim)| (backend.name(), claim.evidence.join("; "))));
        return Ok(Detection { root: root.clone(), backend, claim, below, losers, absent });
    }
    let best = claims.iter().map(|(_, claim)| claim.strength).max();
    let (winners, weaker): (Vec<_>, Vec<_>) = claims.into_iter().partition(|(_, claim)| Some(claim.strength) == best);
    losers.extend(weaker.into_iter().map(|(backend, claim)| (backend.name(), claim.evidence.join("; "))));
    let strangers = elsewhere::strangers(root)?;
    let stronger: Vec<&Sighting> =
        strangers.iter().filter(|stranger| best.is_none_or(|best| stranger.strength > best)).collect();
    if winners.is_empty() && stronger.is_empty() {
        return Err(nobody(root, &losers, &absent)?.into());
    }
    if let Some(first) = stronger.first() {
        return Err(by_strangers(root, first, &stronger, &winners)?.into());
    }
    let equal = strangers
        .iter()
        .filter(|stranger| Some(stranger.strength) == best && best > Some(Strength::Configured))
        .collect();
    choose(root, winners, equal, losers, absent)
}

/// A backend with its evidence.
type Winner = (&'static dyn Backend, Claim);

fn choose(
    root: &Root,
    mut winners: Vec<Winner>,
    strangers: Vec<&Sighting>,
    losers: Losers,
    absent: Losers,
) -> Result<Detection> {
    if winners.len() == 1 && strangers.is_empty() {
        if let Some((backend, claim)) = winners.pop() {
            return Ok(Detection { root: root.clone(), backend, claim, below: None, losers, absent });
        }
    }
    let known = winners.iter().map(|(backend, claim)| format!("{} ({})", backend.name(), claim.evidence.join("; ")));
    let all: Vec<String> = known.chain(strangers.iter().map(|stranger| stranger.to_string())).collect();
    let names: Vec<&str> = winners.iter().map(|(backend, _)| backend.name()).collect();
    Err(Refusal::new(
        Kind::Ambiguous,
        format!("two systems claim the network with equal right: {}", all.join(" and ")),
        format!("find out which one configures the interface and name it: --backend {}", names.join(" or --backend ")),
    )
    .into())
}

fn force(
    root: &Root,
    forced: &'static dyn Backend,
    claims: Vec<(&'static dyn Backend, Claim)>,
    mut losers: Losers,
    mut absent: Losers,
) -> Detection {
    let mut found = None;
    for (backend, claim) in claims {
        if backend.name() == forced.name() {
            found = Some(claim);
        } else {
            losers.push((backend.name(), claim.evidence.join("; ")));
        }
    }
    let is_it = |(name, _): &&(&str, String)| *name == forced.name();
    let doubt = losers.iter().chain(&absent).find(is_it).map(|(_, reason)| reason.clone());
    losers.retain(|loser| !is_it(&loser));
    absent.retain(|loser| !is_it(&loser));
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
    Detection { root: root.clone(), backend: forced, claim, below: None, losers, absent }
}

fn unknown_backend(name: &str) -> Refusal {
    let names: Vec<&str> = backend::ALL.iter().map(|backend| backend.name()).collect();
    let all = format!("the backends are {}", names.join(", "));
    let hint = match nearest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean --backend {meant}? {all}"),
        None => all,
    };
    Refusal::new(Kind::Usage, format!("there is no backend called {name:?}"), hint)
}

/// Nothing that ipalias knows is in charge: what is nearest is told, the rest is for those who ask for more.
fn nobody(root: &Root, losers: &Losers, absent: &Losers) -> Result<Refusal> {
    for (name, reason) in losers.iter().chain(absent) {
        tracing::info!("not {name}: {reason}");
    }
    let name = host::system_name(root)?.unwrap_or_else(|| "this system".to_owned());
    let nearest = match losers.as_slice() {
        [] => "there is no file of any".to_owned(),
        [(name, reason)] => format!("the nearest is {name}: {reason}"),
        many => {
            let all: Vec<String> = many.iter().map(|(name, reason)| format!("{name} ({reason})")).collect();
            format!("the nearest are {}", all.join(" and "))
        }
    };
    let hint = "if one is all the same, name it with --backend; `ipalias -v status` says why each of them is not";
    Ok(Refusal::new(Kind::Unsupported, format!("no backend is in charge of the network of {name}; {nearest}"), hint))
}

/// A manager that ipalias knows by name only is more likely to be in charge than `winners`.
fn by_strangers(root: &Root, first: &Sighting, all: &[&Sighting], winners: &[Winner]) -> Result<Refusal> {
    let name = host::system_name(root)?.unwrap_or_else(|| "this system".to_owned());
    let seen: Vec<String> = all.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = winners.iter().map(|(backend, _)| backend.name()).collect();
    let hint = match names.as_slice() {
        [] => first.instead.to_owned(),
        names => format!("{}; if it is not in charge, use --backend {}", first.instead, names.join(" or ")),
    };
    let reason =
        format!("the network of {name} seems to be managed by {}, which ipalias cannot edit", seen.join(" and "));
    Ok(Refusal::new(Kind::Unsupported, reason, hint))
}
