//! Carrying a plan out: write, run, verify, commit; or everything back.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::Proposal;
use crate::alias::Alias;
use crate::backend::Entry;
use crate::cli::Apply;
use crate::command::undo::{boot_id, take_back};
use crate::command::{Session, record};
use crate::error::{Kind, Refusal, Result};
use crate::journal::{LiveRecord, Operation, command_line};
use crate::live::{Expectation, Live};
use crate::plan::{self, Action, Disturbs, Plan, Step};
use crate::runner::{self, Signals};
use crate::store::Store;
use crate::transaction::Transaction;

/// How long a command may keep the host without something that it had.
const MOST_HARM: Duration = Duration::from_secs(10);

/// A proposal with the steps that were chosen for it, about to be carried out.
pub(super) struct Execution<'a> {
    pub(super) session: &'a Session,
    pub(super) store: &'a Store,
    pub(super) proposal: &'a Proposal,
    pub(super) signals: &'a Signals,
    pub(super) apply: plan::Apply,
}

impl Execution<'_> {
    /// The record of the operation that this is going to be.
    pub(super) fn record(&self) -> Result<Operation> {
        let (confirms, argv) = self.session.confirms().unzip();
        let argv = argv.unwrap_or_else(command_line);
        let mut operation = Operation::new(argv, self.proposal.backend.name())?;
        operation.undoes = self.proposal.undoes.clone();
        operation.dump = record::dump(&self.proposal.plan)?;
        operation.confirms = confirms;
        if self.session.apply() != Apply::None {
            operation.live = Some(live_record(self.session, self.proposal, &self.apply));
        }
        Ok(operation)
    }

    /// Writes, runs, verifies; returns the operation's number. Everything is taken back on any failure, a defect of ipalias
    /// (a panic) included.
    pub(super) fn run(&self, operation: Operation, notes: &mut Vec<String>) -> Result<u64> {
        let Execution { session, store, proposal, .. } = self;
        let mut transaction = Transaction::begin(&session.root, store, &proposal.plan, operation, &proposal.metadata)?;
        notes.append(&mut transaction.notes);
        let mut done = Vec::new();
        let all = AssertUnwindSafe(|| self.all(&mut transaction, &mut done, notes));
        let result = catch_unwind(all).unwrap_or_else(|_| Err(anyhow::anyhow!("a defect of ipalias (see above)")));
        match result.and_then(|()| transaction.commit()) {
            Ok(id) => Ok(id),
            Err(error) => Err(take_back(session, store, proposal, || transaction.undo(), &done, &error)),
        }
    }

    fn all(&self, transaction: &mut Transaction<'_>, done: &mut Vec<Step>, notes: &mut Vec<String>) -> Result<()> {
        let Execution { session, proposal, .. } = self;
        self.steps(&self.apply.before, done, notes)?;
        self.stop_if_asked()?;
        transaction.write()?;
        if proposal.plan.written().next().is_some() {
            let found = proposal.backend.entries(&session.root)?;
            let same = found.iter().map(Entry::identity).eq(proposal.entries.iter().map(Entry::identity));
            anyhow::ensure!(same, "the written files do not say what was planned");
        }
        self.steps(&self.apply.after, done, notes)?;
        self.verify(notes)?;
        if let (Some(live), true) = (&session.live, session.apply() != Apply::None) {
            if proposal.plan.is_by_command() {
                record::confirm(session, live, proposal)?;
            } else if !commands(&proposal.plan, &self.apply).is_empty() {
                confirm_files(session, proposal)?;
            }
        }
        transaction.settle()
    }

    /// Runs `steps`; what has begun is in `done`, also if it fails.
    pub(super) fn steps(&self, steps: &[Step], done: &mut Vec<Step>, notes: &mut Vec<String>) -> Result<()> {
        let Some(live) = &self.session.live else { return Ok(()) };
        let mut rest = steps;
        while let Some(step) = rest.first() {
            self.stop_if_asked()?;
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
                    let spared = spared(self.session, live, self.proposal, command)?;
                    if !spared.is_empty() {
                        notes.push(format!(
                            "`{}` was left out: it would delete {}, which no file configures; the file is read at its next start",
                            command.argv.join(" "),
                            spared.join(", ")
                        ));
                        continue;
                    }
                    done.push(step.clone());
                    let _waiting = self.session.ui.waiting(format!("running `{}`", command.argv.join(" ")));
                    let outcome = runner::run_unless(&command.argv, command.limit, self.reasons_to_stop(live))?;
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

    /// Whether a command has to be ended: somebody asks for it, or it has cut the host off and does not come to an end. Only
    /// the full restart may take longer for that.
    fn reasons_to_stop<'a>(&'a self, live: &'a Live) -> impl FnMut() -> Option<&'static str> + 'a {
        let mut next = Instant::now() + MOST_HARM;
        move || {
            if self.signals.ask_to_end() {
                return Some("ended by the interruption");
            }
            let before = self.proposal.snapshot.as_ref()?;
            if Instant::now() < next || self.session.apply() == Apply::Restart {
                return None;
            }
            next = Instant::now() + Duration::from_secs(1);
            let harmed = live.is_harmed(before, &self.proposal.expect).unwrap_or(false);
            harmed.then_some("ended because it took what it should not touch, and did not come to an end")
        }
    }

    /// Waits until the running system shows what was planned and nothing else lost, then tells the neighbours.
    pub(super) fn verify(&self, notes: &mut Vec<String>) -> Result<()> {
        let Execution { session, proposal, .. } = self;
        let (Some(live), Some(before)) = (&session.live, &proposal.snapshot) else { return Ok(()) };
        if session.apply() == Apply::None {
            return Ok(());
        }
        let waiting = session.ui.waiting(awaited(&proposal.expect));
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
        let left = limit.saturating_sub(began.elapsed());
        let faults = live.verify(before, &proposal.expect, left, || self.signals.ask_to_end())?;
        drop(waiting);
        self.stop_if_asked()?;
        anyhow::ensure!(faults.is_empty(), "the change did not hold: {}", faults.join("; "));
        if let Err(error) = live.announce(&proposal.link.announce) {
            notes.push(format!("the neighbours could not be told where the address is: {error:#}"));
        }
        notes.extend(super::ask::with_ping(session, proposal));
        Ok(())
    }

    /// Once something has begun, a wish to stop is a reason to take it back.
    fn stop_if_asked(&self) -> Result<()> {
        anyhow::ensure!(!self.signals.ask_to_end(), "interrupted");
        Ok(())
    }
}

/// What is waited for until the running system shows what was planned.
fn awaited(expect: &Expectation) -> String {
    let up = match expect.up.as_slice() {
        [] => match expect.gone.as_slice() {
            [(_, ip)] => return format!("waiting for {ip} to be gone"),
            many => return format!("waiting for {} addresses to be gone", many.len()),
        },
        [one] => format!("waiting for {} to be usable", one.address.addr()),
        many => format!("waiting for {} addresses to be usable", many.len()),
    };
    let is_asked_about = expect.up.iter().any(|alias| alias.address.addr().is_ipv6());
    if is_asked_about { format!("{up} (duplicate address detection)") } else { up }
}

/// The steps of `--apply`; refuses a restart that would lock the administrator out.
pub(super) fn chosen_steps(session: &Session, plan: &Plan) -> Result<plan::Apply> {
    match (session.apply(), &plan.restart) {
        (Apply::None, _) => Ok(plan::Apply::default()),
        (Apply::Auto, _) => Ok(plan.auto.clone()),
        (Apply::Restart, Ok(apply)) => Ok(apply.clone()),
        (Apply::Restart, Err(reason)) => {
            let hint = "leave --apply restart out; the default makes the change effective without it";
            let reason = format!("a full restart is refused here: {reason}");
            Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).into())
        }
    }
}

/// What the steps `apply` do to the running system.
pub(super) fn live_record(session: &Session, proposal: &Proposal, apply: &plan::Apply) -> LiveRecord {
    let before = |alias: &&Alias| {
        let snapshot = proposal.snapshot.as_ref();
        !snapshot.is_some_and(|snapshot| snapshot.is_up(alias.interface.as_str(), alias.address.addr()))
    };
    let steps = || apply.before.iter().chain(&apply.after);
    let gone = &proposal.expect.gone;
    LiveRecord {
        boot: boot_id(&session.root),
        added: proposal.expect.up.iter().filter(before).map(LiveRecord::entry).collect(),
        removed: proposal.snapshot.iter().flat_map(|snapshot| snapshot.details(gone)).collect(),
        undo: steps().rev().filter_map(|step| argv(step.undo.as_ref()?)).collect(),
        reread: steps().filter(|step| step.repeat_after_undo).filter_map(|step| argv(&step.action)).collect(),
        commands: commands(&proposal.plan, apply),
        preferred: proposal.snapshot.iter().flat_map(|snapshot| snapshot.preferred(gone)).collect(),
        generate: proposal.plan.auto.after.iter().filter_map(generator).collect(),
    }
}

fn argv(action: &Action) -> Option<Vec<String>> {
    match action {
        Action::Run(command) => Some(command.argv.clone()),
        _ => None,
    }
}

fn generator(step: &Step) -> Option<Vec<String>> {
    match &step.action {
        Action::Run(command) if command.generates => Some(command.argv.clone()),
        _ => None,
    }
}

/// The commands that make the whole change in files of their own, each with the one that takes it back; none where ipalias
/// writes the files.
pub(super) fn commands(plan: &Plan, apply: &plan::Apply) -> Vec<(Vec<String>, Vec<String>)> {
    if plan.written().next().is_some() {
        return Vec::new();
    }
    let both = |step: &Step| Some((argv(&step.action)?, argv(step.undo.as_ref()?)?));
    apply.before.iter().chain(&apply.after).filter_map(both).collect()
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
