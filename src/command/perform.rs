//! Carrying out a plan, the same line for every verb: lock, recover, plan, show, check, write, run, verify, commit or undo.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::undo::{boot_id, recover, take_back};
use super::{Session, record};
use crate::alias::Alias;
use crate::backend::{Backend, Entry};
use crate::cli::Apply;
use crate::diff;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::journal::{LiveRecord, Metadata, Operation, command_line};
use crate::live::{Expectation, Live, MOST_PROBED, Snapshot};
use crate::plan::{self, Action, Change, Check, Disturbs, Plan, Staged, Step};
use crate::root::{Root, RootPath};
use crate::runner::{self, Signals};
use crate::store::Store;
use crate::transaction::{self, Transaction};
use crate::ui::{AddressLine, ChangeLine, Commands, Report};

/// Addresses that the neighbours on the link are asked about before a change, and told about afterwards.
#[derive(Debug, Default)]
pub(super) struct OnLink {
    /// None of these may be in use there.
    pub(super) probe: Vec<Alias>,
    /// These are here now.
    pub(super) announce: Vec<Alias>,
}

/// What a verb wants to do: proven, and not begun.
pub(super) struct Proposal {
    pub(super) backend: &'static dyn Backend,
    pub(super) plan: Plan,
    /// What the files will say, by the proof.
    pub(super) entries: Vec<Entry>,
    /// What the running system has to show afterwards.
    pub(super) expect: Expectation,
    /// What is said of each address.
    pub(super) lines: Vec<AddressLine>,
    /// The running system as it is.
    pub(super) snapshot: Option<Snapshot>,
    /// What the neighbours are asked and told.
    pub(super) link: OnLink,
    /// Operations that this one takes back.
    pub(super) undoes: Vec<u64>,
    /// What files that are created again were besides bytes.
    pub(super) metadata: BTreeMap<RootPath, Metadata>,
}

impl Proposal {
    fn is_nothing(&self) -> bool {
        self.plan.leaves_files() && self.plan.auto.before.is_empty() && self.plan.auto.after.is_empty()
    }

    fn report(&self, command: &'static str, result: &'static str) -> Report {
        let text = |steps: &[&[Step]]| -> Vec<String> {
            steps.iter().flat_map(|steps| steps.iter()).map(|step| step.action.to_string()).collect()
        };
        let change = |change: &Change| ChangeLine {
            path: change.path.to_string(),
            result: match (&change.before, &change.after) {
                (None, _) => "created",
                (_, None) => "deleted",
                _ => "changed",
            },
        };
        let plan = &self.plan;
        let restart = plan.restart.as_ref();
        Report {
            command,
            result,
            backend: self.backend.name(),
            operation: None,
            addresses: self.lines.clone(),
            changes: plan.changes.iter().filter(|change| change.before != change.after).map(change).collect(),
            diff: String::from_utf8_lossy(&diff::unified(plan)).into_owned(),
            commands: Commands {
                auto: text(&[&plan.auto.before, &plan.auto.after]),
                restart: restart.map(|apply| text(&[&apply.before, &apply.after])).unwrap_or_default(),
                restart_refused: restart.err().cloned(),
            },
            notes: plan.notes.clone(),
        }
    }
}

/// Plans with `propose` and carries the plan out; prints the report. Without anything to do nothing is written, the lock
/// file included.
pub(super) fn carry_out(session: &Session, verb: &'static str, propose: impl Fn() -> Result<Proposal>) -> Result<Exit> {
    runner::leave_folder();
    let ui = session.ui;
    let store = session.store()?;
    if session.options.dry_run {
        if let Some(operation) = store.as_ref().map(Store::pending).transpose()?.flatten() {
            ui.warn(&format!("an interrupted operation ({}) will be taken back first", operation.argv.join(" ")));
        }
        let proposal = propose()?;
        let nothing = proposal.is_nothing();
        ui.diff(&diff::unified(&proposal.plan));
        ui.report(&proposal.report(verb, if nothing { "unchanged" } else { "planned" }));
        let detailed = session.options.detailed_exitcode && !nothing;
        return Ok(if detailed { Exit::Pending } else { Exit::Done });
    }
    let unfinished = store.as_ref().map(Store::is_unfinished).transpose()?.unwrap_or(false);
    let seen = store.as_ref().map(Store::numbers).transpose()?.unwrap_or_default();
    let early = if unfinished { None } else { undisturbed(propose())? };
    let idle =
        |proposal: &Proposal| proposal.is_nothing() || session.apply() == Apply::None && proposal.plan.leaves_files();
    if let Some(proposal) = early.as_ref().filter(|proposal| idle(proposal)) {
        ui.report(&proposal.report(verb, "unchanged"));
        return Ok(Exit::Done);
    }
    if let Some(proposal) = early.as_ref().filter(|proposal| proposal.plan.is_by_command()) {
        record::runnable(session, &proposal.plan)?;
    }
    require_root(session)?;
    if let Some(proposal) = &early {
        transaction::may_write(&session.root, &proposal.plan)?;
    }
    let mut probed = BTreeSet::new();
    let mut unasked =
        early.iter().map(|proposal| ask_the_link(session, proposal, &mut probed)).collect::<Result<Vec<_>>>()?;
    let signals = Signals::catch()?;
    let store = Store::create(&session.root)?;
    let _lock = store.lock()?;
    recover(session, &store)?;
    // A plan made before the lock holds if no other run committed anything meanwhile.
    let proposal = match early {
        Some(proposal) if store.numbers()? == seen => proposal,
        _ => propose()?,
    };
    if idle(&proposal) {
        ui.report(&proposal.report(verb, "unchanged"));
        return Ok(Exit::Done);
    }
    ui.diff(&diff::unified(&proposal.plan));
    ask_the_consumer(session, &proposal.plan)?;
    unasked.push(ask_the_link(session, &proposal, &mut probed)?);
    signals.stop_if_asked()?;
    let mut report = proposal.report(verb, "changed");
    report.notes.extend(unasked.into_iter().flatten().next());
    report.operation = execute(session, &store, &proposal, &mut report.notes)?;
    ui.report(&report);
    Ok(Exit::Done)
}

/// A plan made without the lock; nothing if another run's files came in between, so that it has to be made again.
fn undisturbed(proposal: Result<Proposal>) -> Result<Option<Proposal>> {
    match proposal {
        Ok(proposal) => Ok(Some(proposal)),
        Err(error) => match error.downcast_ref::<Refusal>().map(|refusal| refusal.kind) {
            Some(Kind::Unproven | Kind::ChangedSince) => Ok(None),
            _ => Err(error),
        },
    }
}

fn require_root(session: &Session) -> Result<()> {
    let allowed = session.live.is_none() || runner::is_administrator();
    let how = if cfg!(windows) { "an elevated prompt (run as administrator)" } else { "root rights; run it with sudo" };
    anyhow::ensure!(allowed, "changing the network needs {how} (nothing was changed)");
    Ok(())
}

/// Asks the neighbours whether one of them has an address that is not in `probed` yet; says so if they cannot be asked.
fn ask_the_link(session: &Session, proposal: &Proposal, probed: &mut BTreeSet<IpAddr>) -> Result<Option<String>> {
    let Some(live) = &session.live else { return Ok(None) };
    let fresh: Vec<Alias> =
        proposal.link.probe.iter().filter(|alias| probed.insert(alias.address.addr())).cloned().collect();
    if fresh.is_empty() {
        return Ok(None);
    }
    match live.in_use(&fresh) {
        Ok(found) => match found.first_key_value() {
            None if fresh.len() > MOST_PROBED => {
                Ok(Some(format!("only the first {MOST_PROBED} addresses were looked for on the network")))
            }
            None => Ok(None),
            Some((ip, mac)) => {
                let hint = "take it off there first: an additional address belongs to one server at a time; if that \
                            answer means nothing (a router that answers for every address), use --force";
                let reason = format!("{ip} is in use on the network: {mac} answers for it");
                Err(Refusal::new(Kind::Unacceptable, reason, hint).into())
            }
        },
        Err(error) => Ok(Some(format!("whether another host has the address could not be asked: {error:#}"))),
    }
}

/// Gives the planned files to the consumer's own parser. What it takes now it must take afterwards.
fn ask_the_consumer(session: &Session, plan: &Plan) -> Result<()> {
    if session.live.is_none() {
        return Ok(());
    }
    let planned = plan.overlay(&session.root);
    for check in &plan.checks {
        if !check.argv.first().is_some_and(|name| runner::exists(name)) {
            continue;
        }
        let outcome = ask(check, &planned)?;
        if !outcome.success && ask(check, &session.root)?.success {
            let said = String::from_utf8_lossy(&outcome.output).trim().to_owned();
            let reason = format!("{} would refuse the planned file ({}): {said}", check.argv.join(" "), outcome.ending);
            let hint = "nothing was written; please report this with the file";
            let refusal = Refusal::new(Kind::Unproven, reason, hint);
            return Err(match &check.staged {
                Staged::File(path) | Staged::Stdin(path) => refusal.at(path, 0),
                Staged::Tree(_) => refusal,
            }
            .into());
        }
    }
    Ok(())
}

/// Runs `check` on copies of the files of `root`, below a folder that only this user can enter.
fn ask(check: &Check, root: &Root) -> Result<runner::Outcome> {
    let dir = tempfile::tempdir().context("creating a folder for a check")?;
    let stage = |path: &RootPath, copy: &Path| -> Result<()> {
        let Some(bytes) = root.read(path)? else { return Ok(()) };
        let folder = copy.parent().context("a file without a folder")?;
        fs_err::create_dir_all(folder).context("creating a folder for a check")?;
        fs_err::write(copy, bytes).context("writing a file for a check")
    };
    let staged = match &check.staged {
        Staged::File(path) | Staged::Stdin(path) => {
            let copy = dir.path().join("staged");
            stage(path, &copy)?;
            copy
        }
        Staged::Tree(paths) => {
            for path in paths {
                stage(path, &dir.path().join(path.to_string().trim_start_matches('/')))?;
            }
            dir.path().to_owned()
        }
    };
    let name = staged.to_string_lossy();
    let argv: Vec<String> =
        check.argv.iter().map(|word| if word == "{}" { name.to_string() } else { word.clone() }).collect();
    let limit = Duration::from_secs(20);
    match &check.staged {
        Staged::Stdin(_) if staged.exists() => {
            runner::run_reading(&argv, fs_err::File::open(&staged)?.into_parts().0, limit)
        }
        _ => runner::run(&argv, limit),
    }
}

/// Writes, runs, verifies; returns the operation's number. Everything is taken back on any failure.
fn execute(session: &Session, store: &Store, proposal: &Proposal, notes: &mut Vec<String>) -> Result<Option<u64>> {
    let plan = &proposal.plan;
    let apply = match (session.apply(), &plan.restart) {
        (Apply::None, _) => plan::Apply::default(),
        (Apply::Auto, _) => plan.auto.clone(),
        (Apply::Restart, Ok(apply)) => apply.clone(),
        (Apply::Restart, Err(reason)) => {
            let hint = "leave --apply restart out; the default makes the change effective without it";
            return Err(Refusal::new(
                Kind::ManagedElsewhere,
                format!("a full restart is refused here: {reason}"),
                hint,
            )
            .into());
        }
    };
    let mut operation = Operation::new(command_line(), proposal.backend.name())?;
    operation.undoes = proposal.undoes.clone();
    operation.dump = record::dump(plan)?;
    if session.apply() != Apply::None {
        operation.live = Some(live_record(session, proposal, &apply));
    }
    let mut transaction = Transaction::begin(&session.root, store, plan, operation, &proposal.metadata)?;
    notes.append(&mut transaction.notes);
    let mut done = Vec::new();
    let result = apply_all(session, proposal, &apply, &mut transaction, &mut done, notes);
    match result {
        Ok(()) => Ok(Some(transaction.commit()?)),
        Err(error) => Err(take_back(session, store, proposal, transaction, &done, &error)),
    }
}

fn live_record(session: &Session, proposal: &Proposal, apply: &plan::Apply) -> LiveRecord {
    let before = |alias: &&Alias| {
        let snapshot = proposal.snapshot.as_ref();
        !snapshot.is_some_and(|snapshot| snapshot.is_up(alias.interface.as_str(), alias.address.addr()))
    };
    let steps = || apply.before.iter().chain(&apply.after);
    LiveRecord {
        boot: boot_id(&session.root),
        added: proposal.expect.up.iter().filter(before).map(LiveRecord::entry).collect(),
        removed: proposal.snapshot.iter().flat_map(|snapshot| snapshot.details(&proposal.expect.gone)).collect(),
        undo: steps().rev().filter_map(|step| argv(step.undo.as_ref()?)).collect(),
        reread: steps().filter(|step| step.repeat_after_undo).filter_map(|step| argv(&step.action)).collect(),
        commands: commands(&proposal.plan, apply),
    }
}

fn argv(action: &Action) -> Option<Vec<String>> {
    match action {
        Action::Run(command) => Some(command.argv.clone()),
        _ => None,
    }
}

/// The commands that make the whole change in files of their own, each with the one that takes it back; none where ipalias
/// writes the files.
fn commands(plan: &Plan, apply: &plan::Apply) -> Vec<(Vec<String>, Vec<String>)> {
    if plan.written().next().is_some() {
        return Vec::new();
    }
    let both = |step: &Step| Some((argv(&step.action)?, argv(step.undo.as_ref()?)?));
    apply.before.iter().chain(&apply.after).filter_map(both).collect()
}

fn apply_all(
    session: &Session,
    proposal: &Proposal,
    apply: &plan::Apply,
    transaction: &mut Transaction<'_>,
    done: &mut Vec<Step>,
    notes: &mut Vec<String>,
) -> Result<()> {
    run_steps(session, proposal, &apply.before, done, notes)?;
    transaction.write()?;
    if proposal.plan.written().next().is_some() {
        let found = proposal.backend.entries(&session.root)?;
        let same = found.iter().map(Entry::identity).eq(proposal.entries.iter().map(Entry::identity));
        anyhow::ensure!(same, "the written files do not say what was planned");
    }
    run_steps(session, proposal, &apply.after, done, notes)?;
    let (Some(live), Some(before)) = (&session.live, &proposal.snapshot) else { return Ok(()) };
    if session.apply() == Apply::None {
        return Ok(());
    }
    let (began, limit) = (Instant::now(), Duration::from_secs(session.options.wait));
    if session.apply() == Apply::Restart {
        let is_configured = |interface: &str, ip: IpAddr| {
            let same = |entry: &&Entry| entry.address.addr() == ip && entry.interface == interface;
            proposal.entries.iter().filter(same).any(Entry::is_effective)
        };
        let back = live.put_back_foreign(before, &proposal.expect, is_configured, limit)?;
        if !back.is_empty() {
            notes.push(format!(
                "the restart dropped {}, which no file configures; put back until the next restart",
                back.join(", ")
            ));
        }
    }
    live.deprecate(&proposal.expect.up, before)?;
    let faults = live.verify(before, &proposal.expect, limit.saturating_sub(began.elapsed()))?;
    anyhow::ensure!(faults.is_empty(), "the change did not hold: {}", faults.join("; "));
    if let Err(error) = live.announce(&proposal.link.announce) {
        notes.push(format!("the neighbours could not be told where the address is: {error:#}"));
    }
    if proposal.plan.is_by_command() {
        return record::confirm(session, live, proposal);
    }
    if commands(&proposal.plan, apply).is_empty() { Ok(()) } else { confirm_files(session, proposal) }
}

/// Whether a panel's commands have changed its files, too: they may say that they failed and exit with 0.
fn confirm_files(session: &Session, proposal: &Proposal) -> Result<()> {
    let found = proposal.backend.entries(&session.root)?;
    let found: BTreeSet<IpAddr> =
        found.iter().filter(|entry| entry.is_effective()).map(|entry| entry.address.addr()).collect();
    for alias in &proposal.expect.up {
        let ip = alias.address.addr();
        anyhow::ensure!(found.contains(&ip), "the change did not hold: {ip} is up, but in no file");
    }
    for (_, ip) in &proposal.expect.gone {
        anyhow::ensure!(!found.contains(ip), "the change did not hold: {ip} is still in a file");
    }
    Ok(())
}

fn run_steps(
    session: &Session,
    proposal: &Proposal,
    steps: &[Step],
    done: &mut Vec<Step>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let Some(live) = &session.live else { return Ok(()) };
    let mut rest = steps;
    while let Some(step) = rest.first() {
        let same = |other: &&Step| std::mem::discriminant(&other.action) == std::mem::discriminant(&step.action);
        let count = if matches!(step.action, Action::Run(_)) { 1 } else { rest.iter().take_while(same).count() };
        let (batch, later) = rest.split_at(count);
        rest = later;
        let aliases: Vec<Alias> = batch.iter().filter_map(|step| step.action.alias().cloned()).collect();
        match &step.action {
            Action::Add(_) => {
                done.extend_from_slice(batch);
                live.add(&aliases)?;
            }
            Action::Delete(_) => {
                done.extend_from_slice(batch);
                live.delete(aliases.iter().map(|alias| (alias.interface.as_str(), alias.address.addr())))?;
            }
            Action::Run(command) => {
                let spared = spared(session, live, proposal, command)?;
                if !spared.is_empty() {
                    notes.push(format!(
                        "`{}` was left out: it would delete {}, which no file configures; the file is read at its next start",
                        command.argv.join(" "),
                        spared.join(", ")
                    ));
                    continue;
                }
                done.push(step.clone());
                let outcome = runner::run(&command.argv, command.limit)?;
                let printed = String::from_utf8_lossy(&outcome.output);
                anyhow::ensure!(
                    outcome.success && (command.complains.is_empty() || !printed.contains(command.complains)),
                    "`{}`: {}{}",
                    command.argv.join(" "),
                    outcome.ending,
                    last_words(&outcome.output)
                );
            }
        }
    }
    Ok(())
}

/// What of others a command would delete, where that is a reason not to run it: only the full restart, which the
/// administrator asked for, may.
fn spared(session: &Session, live: &Live, proposal: &Proposal, command: &plan::Command) -> Result<Vec<String>> {
    if command.disturbs != Disturbs::Foreign || session.apply() == Apply::Restart {
        return Ok(Vec::new());
    }
    let expect = &proposal.expect;
    let known: BTreeSet<IpAddr> = proposal
        .entries
        .iter()
        .map(|entry| entry.address.addr())
        .chain(expect.up.iter().map(|alias| alias.address.addr()))
        .chain(expect.gone.iter().map(|(_, ip)| *ip))
        .collect();
    let interfaces: BTreeSet<&str> = expect
        .up
        .iter()
        .map(|alias| alias.interface.as_str())
        .chain(expect.gone.iter().map(|(interface, _)| interface.as_str()))
        .collect();
    let now = live.snapshot()?;
    Ok(interfaces.into_iter().flat_map(|interface| now.foreign(interface, &known)).collect())
}

fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(3)).copied().collect::<Vec<_>>().join(" / ");
    if last.is_empty() { last } else { format!(" ({last})") }
}
