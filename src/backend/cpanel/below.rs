//! The system below the panel: it configures the interface and has the primary address.

use super::Cpanel;
use crate::alias::Alias;
use crate::backend::{ALL, Backend, Claim, Role, Stance};
use crate::error::{Kind, Refusal, Result};
use crate::root::Root;

/// The claims of the systems below the panel, the strongest first.
pub(super) fn claims(root: &Root) -> Result<Vec<(&'static dyn Backend, Claim)>> {
    let mut claims = Vec::new();
    for &backend in ALL.iter().filter(|backend| backend.name() != Cpanel.name()) {
        if let Stance::InCharge(claim) = backend.detect(root)? {
            claims.push((backend, claim));
        }
    }
    claims.sort_by_key(|(_, claim)| std::cmp::Reverse(claim.strength));
    Ok(claims)
}

/// The words that lead past the panel.
pub(super) fn names(root: &Root) -> Result<String> {
    let claims = claims(root)?;
    let names: Vec<&str> = claims.iter().map(|(backend, _)| backend.name()).collect();
    Ok(if names.is_empty() {
        "ipalias status shows the others".to_owned()
    } else {
        format!("here: {}", names.join(", "))
    })
}

/// Refuses addresses that a system below has: they would come up twice.
pub(super) fn only_once(root: &Root, want: &[Alias]) -> Result<()> {
    for (backend, _) in claims(root)? {
        for entry in backend.entries(root)? {
            let ip = entry.address.addr();
            if !want.iter().any(|alias| alias.address.addr() == ip) {
                continue;
            }
            let name = backend.name();
            let refusal = match entry.role {
                Role::Primary => {
                    Refusal::new(Kind::Unacceptable, format!("{ip} is the primary address"), "it needs no adding")
                }
                Role::Additional => Refusal::new(
                    Kind::ManagedElsewhere,
                    format!("{ip} is configured below cPanel already, and would come up twice"),
                    format!("leave it there, or remove it there first: ipalias --backend {name} remove {ip}"),
                ),
            };
            return Err(refusal.at(&entry.path, entry.line).into());
        }
    }
    Ok(())
}
