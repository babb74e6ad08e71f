//! `ipalias confirm`: the change that was made with `--confirm` stays.

use anyhow::Context as _;

use super::perform::require_root;
use super::undo::recover;
use super::{Session, Settling, perform_verb, unconfirmed};
use crate::cli::{Apply, Global, Request};
use crate::error::{Exit, Failure, Kind, Refusal, Result};
use crate::journal::{Held, Unconfirmed};
use crate::runner::watchdog;
use crate::store::Store;

/// Runs the verb.
pub(super) fn run(session: &Session) -> Result<Exit> {
    if session.options.dry_run {
        return preview(session);
    }
    require_root(session)?;
    keep(session, None)
}

/// What a dry run says: which change would be kept.
fn preview(session: &Session) -> Result<Exit> {
    let waiting = session.store()?.map(|store| unconfirmed::waiting(&store)).transpose()?.flatten();
    let Some(change) = waiting.filter(|change| unconfirmed::left(session, change) > 0) else {
        return Err(none().into());
    };
    unconfirmed::tell(session, "confirm", "planned", &change);
    Ok(if session.options.detailed_exitcode { Exit::Pending } else { Exit::Done })
}

fn none() -> Refusal {
    let hint = "it was confirmed or taken back already, as `ipalias history` and `ipalias list` show";
    Refusal::new(Kind::NotFound, "no change waits for confirmation", hint)
}

/// Keeps the change that waits, if it is the one with `token` (nothing: whichever it is).
pub(super) fn keep(session: &Session, token: Option<&str>) -> Result<Exit> {
    let Some(store) = session.store()? else { return Err(none().into()) };
    let _lock = session.lock_patiently(&store)?;
    recover(session, &store)?;
    let found = store.unconfirmed()?.filter(|change| token.is_none_or(|token| token == change.token));
    let Some(change) = found else { return Err(none().into()) };
    if unconfirmed::still_waiting(&store)?.is_none() {
        return what_became_of(session, &store, &change);
    }
    if unconfirmed::left(session, &change) == 0 {
        unconfirmed::take_back(session, &store, &change, Apply::Auto)?;
        return Err(Failure::NotConfirmed.into());
    }
    if let Held::Live { request, .. } = &change.what {
        let persist = || {
            let request: Request = serde_json::from_value(request.clone()).context("reading the request")?;
            let mut again =
                session.settling(Settling { confirms: Some((change.token.clone(), change.argv.clone())) })?;
            again.options = with_words(request.options, &session.options);
            perform_verb(&again, &request.verb)
        };
        if let Err(error) = persist() {
            if unconfirmed::still_waiting(&store)?.is_some() {
                unconfirmed::take_back(session, &store, &change, Apply::Auto)?;
            }
            return Err(error);
        }
    }
    store.release()?;
    watchdog::disarm(&change.token);
    // One document a command: the one of the request is printed already.
    if !(session.ui.is_json() && matches!(change.what, Held::Live { .. })) {
        unconfirmed::tell(session, "confirm", "confirmed", &change);
    }
    Ok(Exit::Done)
}

/// The options of the request, but for how results are shown.
fn with_words(request: Global, now: &Global) -> Global {
    Global { json: now.json, quiet: now.quiet, verbose: now.verbose, color: now.color, ..request }
}

/// What to say of a change that another run has settled.
pub(super) fn what_became_of(session: &Session, store: &Store, change: &Unconfirmed) -> Result<Exit> {
    if !is_in_effect(store, change)? {
        return Err(Failure::NotConfirmed.into());
    }
    unconfirmed::tell(session, "confirm", "confirmed by another run", change);
    Ok(Exit::Done)
}

/// Whether a change that waits no more was kept.
pub(super) fn is_in_effect(store: &Store, change: &Unconfirmed) -> Result<bool> {
    let operations = store.operations()?;
    Ok(match &change.what {
        Held::Live { .. } => unconfirmed::is_kept(&operations, change),
        Held::Operation { token } => unconfirmed::in_effect(&operations, token).is_some(),
    })
}
