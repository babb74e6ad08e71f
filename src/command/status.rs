//! `ipalias status`: what ipalias sees here, and what it would do.

use serde::Serialize;

use super::history::Waiting;
use super::undo::boot_id;
use super::{Session, situation};
use crate::backend::{Role, Strength};
use crate::detect::Detection;
use crate::error::{Exit, Result};
use crate::host;
use crate::journal::{Operation, digest};
use crate::rewriters;
use crate::store::Store;

#[derive(Serialize)]
struct Document {
    command: &'static str,
    system: String,
    backend: &'static str,
    evidence: Vec<String>,
    certainty: &'static str,
    others: Vec<Other>,
    interface: Option<String>,
    primary: Vec<String>,
    additional: usize,
    files: Vec<String>,
    apply_auto: String,
    apply_restart: Option<String>,
    apply_restart_refused: Option<String>,
    interrupted: Option<Interrupted>,
    waiting: Option<Waiting>,
    warnings: Vec<String>,
}

/// An operation that a killed run left behind, and what the next change will do about it.
#[derive(Serialize)]
struct Interrupted {
    command: String,
    files: Vec<FileState>,
    addresses: Vec<String>,
}

#[derive(Serialize)]
struct FileState {
    path: String,
    recovery: &'static str,
}

#[derive(Serialize)]
struct Other {
    backend: &'static str,
    reason: String,
    /// Nothing of it is here.
    #[serde(skip)]
    absent: bool,
}

/// Runs the verb.
pub(super) fn run(session: &Session) -> Result<Exit> {
    let document = gather(session, session.detect()?)?;
    if session.ui.is_json() {
        session.ui.json(&document);
        return Ok(Exit::Done);
    }
    let show = |name: &str, value: &str| session.ui.field(name, value);
    show("system", &document.system);
    show("backend", &format!("{} ({})", document.backend, document.certainty));
    document.evidence.iter().for_each(|evidence| show("", evidence));
    show("interface", document.interface.as_deref().unwrap_or("unknown: name it with -i"));
    show("primary", &if document.primary.is_empty() { "unknown".to_owned() } else { document.primary.join(", ") });
    show("additional", &format!("{} (ipalias list shows them)", document.additional));
    show("files", &document.files.join(", "));
    show("--apply auto", &document.apply_auto);
    match (&document.apply_restart, &document.apply_restart_refused) {
        (Some(restart), _) => show("--apply restart", restart),
        (None, reason) => show("--apply restart", &format!("refused: {}", reason.as_deref().unwrap_or_default())),
    }
    let (absent, here): (Vec<&Other>, Vec<&Other>) =
        document.others.iter().partition(|other| other.absent && session.options.verbose == 0);
    for others in here.chunk_by(|one, next| one.reason == next.reason) {
        let names: Vec<&str> = others.iter().map(|other| other.backend).collect();
        let reason = others.first().map_or("", |other| other.reason.as_str());
        show("not", &format!("{}: {reason}", names.join(", ")));
    }
    if !absent.is_empty() {
        let names: Vec<&str> = absent.iter().map(|other| other.backend).collect();
        show("not here", &format!("{} (-v says what is missing)", names.join(", ")));
    }
    if let Some(interrupted) = &document.interrupted {
        let command = &interrupted.command;
        session.ui.warn(&format!(
            "an operation was interrupted, unless it is still at work; the next change takes it back: {command}"
        ));
        interrupted.files.iter().for_each(|file| session.ui.warn(&format!("  {}: {}", file.path, file.recovery)));
        interrupted.addresses.iter().for_each(|line| session.ui.warn(&format!("  {line}")));
    }
    if let Some(waiting) = &document.waiting {
        session.ui.warn(&waiting.text());
    }
    document.warnings.iter().for_each(|warning| session.ui.warn(warning));
    Ok(Exit::Done)
}

fn others(all: Vec<(&'static str, String)>, absent: bool) -> impl Iterator<Item = Other> {
    all.into_iter().map(move |(backend, reason)| Other { backend, reason, absent })
}

/// What the recovery of `operation` will do.
fn recovery(session: &Session, operation: &Operation) -> Result<Interrupted> {
    let mut files = Vec::new();
    for file in operation.files.iter().filter(|file| !file.record) {
        let now = session.root.read(&file.path())?.as_deref().map(digest);
        let recovery = match now {
            now if now == file.before => "is as it was before",
            now if now == file.after && file.before.is_none() => "will be deleted",
            now if now == file.after => "will be put back",
            _ => "was changed by somebody else since: it will be left alone, and has to be put right by hand",
        };
        files.push(FileState { path: file.path().to_string(), recovery });
    }
    let mut addresses = Vec::new();
    if let Some(live) = operation.live.as_ref().filter(|live| live.boot == boot_id(&session.root)) {
        addresses.extend(live.added.iter().map(|(interface, net, _)| format!("{net} will be taken off {interface}")));
        addresses
            .extend(live.removed.iter().map(|(interface, net, _)| format!("{net} will be put back on {interface}")));
    }
    Ok(Interrupted { command: operation.argv.join(" "), files, addresses })
}

fn gather(session: &Session, detection: Detection) -> Result<Document> {
    let below = detection.entries_below()?;
    let entries = detection.entries()?;
    let Detection { backend, claim, losers, absent, .. } = detection;
    let snapshot = session.snapshot()?;
    let interface = session.wanted_interface()?.or(claim.interface).map(|interface| interface.to_string());
    let on_it = |name: &str| interface.as_deref().is_none_or(|interface| interface == name);
    let mut primary: Vec<String> = entries
        .iter()
        .chain(&below)
        .filter(|entry| entry.role == Role::Primary && on_it(&entry.interface))
        .map(|entry| entry.address.to_string())
        .collect();
    if let Some(snapshot) = &snapshot {
        let up = situation(Some(snapshot))
            .up
            .into_iter()
            .filter(|up| snapshot.is_source(up.address.addr()) && on_it(&up.interface));
        for up in up.map(|up| up.address.to_string()) {
            if !primary.contains(&up) {
                primary.push(up);
            }
        }
    }
    let mut warnings = claim.warnings;
    warnings.extend(rewriters::warnings(&session.root, &claim.files, &[])?);
    warnings.extend(entries.iter().filter_map(|entry| {
        let problem = entry.problem.as_ref()?;
        Some(format!("{}:{}: {} is not effective: {problem}", entry.path, entry.line, entry.address))
    }));
    let store = session.store()?;
    let pending = store.as_ref().map(Store::pending).transpose()?.flatten();
    let interrupted = pending.map(|operation| recovery(session, &operation)).transpose()?;
    let waiting = store.as_ref().map(|store| Waiting::of(session, store)).transpose()?.flatten();
    let (apply_restart, apply_restart_refused) = match claim.restart {
        Ok(restart) => (Some(restart), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok(Document {
        command: "status",
        system: host::system_name(&session.root)?.unwrap_or_else(|| "unknown".to_owned()),
        backend: backend.name(),
        evidence: claim.evidence,
        certainty: match claim.strength {
            Strength::Panel => "it owns the additional addresses",
            Strength::Running => "it configured the running system",
            Strength::Enabled => "it is enabled",
            Strength::Configured => "its files are here",
        },
        others: others(losers, false).chain(others(absent, true)).collect(),
        interface,
        primary,
        additional: entries.iter().filter(|entry| entry.role == Role::Additional).count(),
        files: claim.files.iter().map(ToString::to_string).collect(),
        apply_auto: claim.auto,
        apply_restart,
        apply_restart_refused,
        interrupted,
        waiting,
        warnings,
    })
}
