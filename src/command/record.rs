//! Systems that keep addresses in no file that may be edited: what their own listing says lies over the root as a record,
//! which their backend reads, plans on and proves its plan with (ADR 5). Only their commands change what it says.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Session;
use super::perform::Proposal;
use crate::backend::{Entry, ipadm, netsh};
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::live::Live;
use crate::plan::Plan;
use crate::root::Root;
use crate::runner;

/// What systems without `/proc` are asked besides: on which of them (as [`std::env::consts::OS`] calls them), where it is
/// laid, and the command. One that fails says nothing.
const FACTS: &[(&[&str], &str, &[&str])] = &[
    (
        &["freebsd", "dragonfly", "openbsd", "netbsd", "solaris", "illumos"],
        host::ROUTE,
        &["route", "-n", "get", "default"],
    ),
    (&["openbsd"], host::LINKS, &["ifconfig"]),
    (&["freebsd"], host::JAIL, &["sysctl", "-n", "security.jail.jailed", "security.jail.vnet"]),
    (&["solaris", "illumos"], host::ZONE, &["zoneadm", "list", "-p"]),
    (&["solaris", "illumos"], host::PHYSICAL, &["svcs", "-H", "-o", "state,fmri", "network/physical"]),
    (&["solaris"], host::PROFILE, &["netadm", "list", "-p", "ncp"]),
];

/// How long a listing may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How often the listing is asked while something is awaited.
const POLL: Duration = Duration::from_millis(200);

/// The running system's root with its records as they are now.
pub(super) fn lay(root: Root, live: &Live) -> Result<Root> {
    let mut records = Vec::new();
    if let Some(json) = live.record()? {
        records.push((netsh::RECORD, netsh::rendered_listing(&json)?.into_bytes()));
    }
    let system = std::env::consts::OS;
    if matches!(system, "solaris" | "illumos") && runner::exists("ipadm") {
        records.push((ipadm::RECORD, printed(ipadm::LISTING)?));
    }
    for (_, path, words) in FACTS.iter().filter(|(systems, ..)| systems.contains(&system)) {
        match printed(words) {
            Ok(text) => records.push((path, text)),
            Err(error) => tracing::debug!("{error:#}"),
        }
    }
    Ok(root.with_planned(records.into_iter().map(|(path, bytes)| (path.into(), Some(bytes), 0o644))))
}

/// What the system's own dump says before a change, to be kept with the old record.
pub(super) fn dump(plan: &Plan) -> Result<Option<String>> {
    if !plan.is_by_command() || plan.dump.is_empty() {
        return Ok(None);
    }
    let words: Vec<&str> = plan.dump.iter().map(String::as_str).collect();
    Ok(Some(String::from_utf8_lossy(&printed(&words)?).into_owned()))
}

fn printed(words: &[&str]) -> Result<Vec<u8>> {
    let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let outcome = runner::run(&argv, LIMIT).context("asking the system for its addresses")?;
    anyhow::ensure!(outcome.success, "`{}`: {}", argv.join(" "), outcome.ending);
    Ok(outcome.output)
}

/// Waits until the record says what was planned, for as long as `--wait` allows: the exit code of netsh says nothing.
pub(super) fn confirm(session: &Session, live: &Live, proposal: &Proposal) -> Result<()> {
    let identities = |entries: &[Entry]| {
        let mut all: Vec<String> = entries.iter().map(|entry| format!("{:?}", entry.identity())).collect();
        all.sort();
        all
    };
    let wanted = identities(&proposal.entries);
    let began = Instant::now();
    loop {
        let now = lay(session.root.clone(), live)?;
        if identities(&proposal.backend.entries(&now)?) == wanted {
            return Ok(());
        }
        let patient = began.elapsed() < Duration::from_secs(session.options.wait);
        anyhow::ensure!(patient, "the system's own listing does not say what was planned");
        std::thread::sleep(POLL);
    }
}

/// Refuses a plan of commands where no command can be run.
pub(super) fn runnable(session: &Session, plan: &Plan) -> Result<()> {
    let commands: Vec<String> =
        plan.auto.before.iter().chain(&plan.auto.after).map(|step| step.action.to_string()).collect();
    let (reason, hint) = if session.live.is_none() {
        let reason = "this system has no file for it; its addresses change only by its own commands, while it runs";
        (reason, format!("type there: {}", commands.join(" && ")))
    } else if session.apply() == crate::cli::Apply::None {
        let reason = "this system has no file for it, so there is nothing to write without making it effective";
        (reason, "leave --apply none out".to_owned())
    } else {
        return Ok(());
    };
    Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).into())
}
