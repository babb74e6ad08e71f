//! What becomes of a change that was made with `--confirm`: kept, or taken back by its watchdog, by the next command, or
//! before the network starts. Whoever holds the lock and finds the record settles it; for everybody else it is settled.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde::Serialize;

use super::perform::require_root;
use super::undo::{boot_id, recover, recover_files, take_down};
use super::{Session, Settling, confirm, record, rollback};
use crate::cli::{Apply, Expire, Hold, Rollback};
use crate::error::{Exit, Failure, Kind, Refusal, Result};
use crate::journal::{Held, Operation, Unconfirmed};
use crate::live::Live;
use crate::root::{Root, RootPath};
use crate::runner::{self, Signals, watchdog};
use crate::store::Store;
use crate::ui::{Color, Ui};

/// The boot hook of the packages (see `packaging/`) where it is enabled: by systemd, in a runlevel of OpenRC, and on FreeBSD,
/// where a script counts unless rc.conf says otherwise.
const HOOKS: &[&str] = &[
    "/etc/systemd/system/sysinit.target.wants/ipalias-boot.service",
    "/usr/lib/systemd/system/sysinit.target.wants/ipalias-boot.service",
    "/etc/runlevels/boot/ipalias-boot",
    "/etc/runlevels/sysinit/ipalias-boot",
    "/usr/local/etc/rc.d/ipalias_boot",
];

/// How often a countdown looks whether somebody else has answered.
const POLL: Duration = Duration::from_millis(200);

/// Whether a restart of the system takes an unconfirmed change back before the network starts.
pub(super) fn hook_is_enabled(root: &Root) -> Result<bool> {
    for path in HOOKS {
        if root.is_file(&RootPath::from(*path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Seconds that `change` still has; none on a root that does not run, where nothing can be tried.
pub(super) fn left(session: &Session, change: &Unconfirmed) -> u64 {
    if session.live.is_none() {
        return 0;
    }
    change.left(&boot_id(&session.root), runner::uptime().as_secs())
}

/// The change that waits. One that was settled does not, although its record outlived a run that was killed at that moment.
pub(super) fn waiting(store: &Store) -> Result<Option<Unconfirmed>> {
    let Some(change) = store.unconfirmed()? else { return Ok(None) };
    let operations = store.operations()?;
    let is_settled = is_kept(&operations, &change)
        || match &change.what {
            Held::Live { .. } => false,
            Held::Operation { token } => {
                operations.iter().any(|operation| operation.token == *token) && in_effect(&operations, token).is_none()
            }
        };
    Ok((!is_settled).then_some(change))
}

/// The same with the lock, and what a killed run left taken back: an operation that is not there by now never will be. The
/// record of a change that does not wait goes.
pub(super) fn still_waiting(store: &Store) -> Result<Option<Unconfirmed>> {
    let Some(change) = store.unconfirmed()? else { return Ok(None) };
    let operations = store.operations()?;
    let is_gone = match &change.what {
        Held::Live { .. } => false,
        Held::Operation { token } => in_effect(&operations, token).is_none(),
    };
    if is_kept(&operations, &change) || is_gone {
        store.release()?;
        watchdog::disarm(&change.token);
        return Ok(None);
    }
    Ok(Some(change))
}

/// Whether a confirmation has made the addresses of `change` persistent; one that was interrupted has not.
pub(super) fn is_kept(operations: &[Operation], change: &Unconfirmed) -> bool {
    operations.iter().any(|operation| !operation.rolled_back && operation.confirms.as_ref() == Some(&change.token))
}

/// Before another change: one that is due is taken back; one that is not keeps everybody else waiting. Needs the lock.
pub(super) fn settle(session: &Session, store: &Store) -> Result<()> {
    let Some(change) = still_waiting(store)? else { return Ok(()) };
    match left(session, &change) {
        0 => {
            take_back(session, store, &change, Apply::Auto)?;
            session.ui.warn(&format!("an unconfirmed change ({}) was taken back", change.argv.join(" ")));
            Ok(())
        }
        left => Err(Failure::Unconfirmed { change: change.argv.join(" "), left }.into()),
    }
}

/// The end of a change without confirmation. Needs the lock; done again after an interruption, it does the rest. The options
/// of whichever command finds that the time is over are not those of the change.
pub(super) fn take_back(session: &Session, store: &Store, change: &Unconfirmed, apply: Apply) -> Result<()> {
    match &change.what {
        Held::Live { done, .. } => {
            if let Some(live) = session.live.as_ref().filter(|_| done.boot == boot_id(&session.root)) {
                take_down(live, done)?;
                live.add(&done.lost().collect::<Vec<_>>())?;
            }
        }
        Held::Operation { token } => {
            if let Some(id) = in_effect(&store.operations()?, token) {
                let mut again = session.settling(Settling::default())?;
                (again.options.apply, again.options.backend, again.options.interface) = (apply, None, None);
                if again.ui.is_json() {
                    // One document a command.
                    again.ui = Ui::new(Color::Never, true, false);
                }
                let arguments = Rollback { list: false, to: Some(id), force: true, hold: Hold::default() };
                rollback::run(&again, &arguments)?;
            }
        }
    }
    store.release()?;
    watchdog::disarm(&change.token);
    Ok(())
}

/// The number of the operation with this token, unless it was taken back already.
pub(super) fn in_effect(operations: &[Operation], token: &str) -> Option<u64> {
    let found = operations.iter().find(|operation| operation.token == token && !operation.rolled_back)?;
    let undone = |other: &Operation| !other.rolled_back && other.undoes.contains(&found.id);
    (!operations.iter().any(undone)).then_some(found.id)
}

/// Says what became of `change`: a sentence, or a document.
pub(super) fn tell(session: &Session, command: &'static str, result: &'static str, change: &Unconfirmed) {
    #[derive(Serialize)]
    struct Settled {
        command: &'static str,
        result: &'static str,
        change: String,
    }
    let change = change.argv.join(" ");
    if session.ui.is_json() {
        session.ui.json(&Settled { command, result, change });
    } else {
        session.ui.line(&format!("{result}: {change}"));
    }
}

/// `ipalias rollback` while `change` waits: it is taken back now. If somebody confirmed it just before, that is not what was
/// asked for, and taking it back needs to be asked for again.
pub(super) fn reject(session: &Session, store: &Store, change: &Unconfirmed) -> Result<Exit> {
    require_root(session)?;
    let _lock = session.lock_patiently(store)?;
    recover(session, store)?;
    let found = still_waiting(store)?.filter(|found| found.token == change.token);
    if found.is_some() {
        take_back(session, store, change, Apply::Auto)?;
    } else if confirm::is_in_effect(store, change)? {
        let reason = format!("the change was confirmed just now: {}", change.argv.join(" "));
        return Err(Refusal::new(Kind::ChangedSince, reason, "ipalias rollback takes it back all the same").into());
    }
    tell(session, "rollback", "taken back, not confirmed", change);
    Ok(Exit::Done)
}

/// `ipalias expire TOKEN`: what the watchdog runs.
pub(super) fn expire(session: &Session, arguments: &Expire) -> Result<Exit> {
    require_root(session)?;
    let is_meant = |change: &Unconfirmed| change.token == arguments.token;
    let Some(store) = session.store()? else { return Ok(Exit::Done) };
    if arguments.when_due {
        if store.unconfirmed()?.is_some_and(|change| is_meant(&change)) {
            session.ui.line(watchdog::READY);
        }
        while let Some(change) = store.unconfirmed()?.filter(is_meant) {
            match left(session, &change) {
                0 => break,
                _ => std::thread::sleep(Duration::from_secs(1)),
            }
        }
    }
    let _lock = session.lock_patiently(&store)?;
    recover(session, &store)?;
    let Some(change) = still_waiting(&store)?.filter(is_meant) else {
        session.ui.line("nothing to do: the change was confirmed, or taken back already");
        return Ok(Exit::Done);
    };
    take_back(session, &store, &change, Apply::Auto)?;
    session.ui.warn(&format!("not confirmed, so taken back: {}", change.argv.join(" ")));
    Ok(Exit::Done)
}

/// `ipalias boot`: files only, since no network runs yet; generators of other files run once more.
pub(super) fn boot(session: &Session) -> Result<Exit> {
    require_root(session)?;
    let Some(store) = session.store()? else { return Ok(Exit::Done) };
    let _lock = store.lock()?;
    let mut generators = Vec::new();
    let mut note = |operation: Option<&Operation>| {
        generators.extend(operation.and_then(|operation| operation.live.clone()).map(|live| live.generate));
    };
    note(store.pending()?.as_ref());
    recover_files(session, &store)?;
    if let Some(change) = still_waiting(&store)?.filter(|change| left(session, change) == 0) {
        if let Held::Operation { token } = &change.what {
            note(store.operations()?.iter().find(|operation| operation.token == *token));
        }
        take_back(session, &store, &change, Apply::None)?;
        session.ui.warn(&format!("not confirmed, so taken back: {}", change.argv.join(" ")));
    }
    for argv in generators.iter().flatten() {
        let _ = runner::run(argv, Duration::from_secs(60));
    }
    Ok(Exit::Done)
}

/// On a terminal: counts down, and takes Enter for a confirmation and Ctrl-C for a rejection. Elsewhere there is nothing to
/// wait for.
pub(super) fn await_answer(session: &Session, store: &Store, change: &Unconfirmed, signals: &Signals) -> Result<Exit> {
    let ui = session.ui;
    if !ui.is_interactive() {
        return Ok(Exit::Done);
    }
    ui.instead_of_progress("Enter keeps the change, Ctrl-C takes it back");
    let (sender, answers) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // The end of the input is no answer: the terminal may be gone.
        while std::io::stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
            if line.ends_with('\n') && sender.send(()).is_err() {
                return;
            }
            line.clear();
        }
    });
    loop {
        let seconds = left(session, change);
        ui.progress(&format!("Enter keeps the change, Ctrl-C takes it back: {seconds} s "));
        let answer = answers.recv_timeout(POLL);
        if matches!(answer, Err(RecvTimeoutError::Disconnected)) {
            std::thread::sleep(POLL);
        }
        if signals.left_alone() {
            return Ok(Exit::Done);
        }
        if answer.is_ok() && !signals.ask_to_end() {
            ui.progress("");
            return confirm::keep(session, Some(&change.token));
        }
        if signals.ask_to_end() || seconds == 0 {
            ui.progress("");
            let _lock = session.lock_patiently(store)?;
            recover(session, store)?;
            if let Some(found) = still_waiting(store)?.filter(|found| found.token == change.token) {
                take_back(session, store, &found, Apply::Auto)?;
                return Err(Failure::NotConfirmed.into());
            }
        }
        if store.unconfirmed()?.is_none_or(|found| found.token != change.token) {
            ui.progress("");
            return confirm::what_became_of(session, store, change);
        }
    }
}

impl Session {
    /// The same session for a verb that is a part of settling a change: the lock is held already.
    pub(super) fn settling(&self, settling: Settling) -> Result<Session> {
        let live = self.live.as_ref().map(|_| Live::open()).transpose()?;
        let root = match &live {
            Some(live) => record::lay(self.root.clone(), live)?,
            None => self.root.clone(),
        };
        Ok(Session { options: self.options.clone(), root, live, ui: self.ui, settling: Some(settling) })
    }
}
