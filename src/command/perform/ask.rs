//! Questions before anything is written: do the neighbours have the address, does the consumer take the planned file?

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::Proposal;
use crate::alias::Alias;
use crate::command::Session;
use crate::error::{Kind, Refusal, Result};
use crate::live::MOST_PROBED;
use crate::plan::{Check, Plan, Staged};
use crate::root::{Root, RootPath};
use crate::runner;

/// Asks the neighbours whether one of them has an address that is not in `probed` yet; says so if they cannot be asked.
pub(super) fn the_link(
    session: &Session,
    proposal: &Proposal,
    probed: &mut BTreeSet<IpAddr>,
) -> Result<Option<String>> {
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
pub(super) fn the_consumer(session: &Session, plan: &Plan) -> Result<()> {
    if session.live.is_none() {
        return Ok(());
    }
    let planned = plan.overlay(&session.root);
    for check in &plan.checks {
        if !check.argv.first().is_some_and(|name| runner::exists(name)) {
            continue;
        }
        let _waiting = session.ui.waiting(format!("asking `{}`", check.argv.join(" ")));
        let outcome = try_check(check, &planned)?;
        if !outcome.success && try_check(check, &session.root)?.success {
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
fn try_check(check: &Check, root: &Root) -> Result<runner::Outcome> {
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

/// What a ping of the gateway says, if it was asked for and goes wrong (`--ping-gateway`, `--ping-from-alias`).
pub(super) fn with_ping(session: &Session, proposal: &Proposal) -> Vec<String> {
    let options = &session.options;
    let Some(before) = &proposal.snapshot else { return Vec::new() };
    let aliases: Vec<IpAddr> = proposal.expect.up.iter().map(|alias| alias.address.addr()).collect();
    let mut said = Vec::new();
    for gateway in before.gateways() {
        let _waiting = session.ui.waiting(format!("pinging the gateway {gateway}"));
        if options.ping_gateway && !pings(gateway, None) {
            said.push(format!("the gateway {gateway} does not answer a ping"));
        }
        let of_family = aliases.iter().filter(|ip| ip.is_ipv4() == gateway.is_ipv4());
        for ip in of_family.filter(|_| options.ping_from_alias).take(MOST_PINGED) {
            if !pings(gateway, Some(*ip)) {
                said.push(format!("the gateway {gateway} does not answer a ping from {ip}"));
            }
        }
    }
    said
}

/// How many new addresses are pinged from.
const MOST_PINGED: usize = 16;

/// Whether `target` answers one of two echo requests from `source`. No program for it is no answer.
fn pings(target: IpAddr, source: Option<IpAddr>) -> bool {
    let program = if target.is_ipv6() && runner::exists("ping6") { "ping6" } else { "ping" };
    let system = std::env::consts::OS;
    let mut argv = vec![program.to_owned(), if system == "windows" { "-n" } else { "-c" }.to_owned(), "2".to_owned()];
    if let Some(source) = source {
        let option = if system == "linux" { "-I" } else { "-S" };
        argv.extend([option.to_owned(), source.to_string()]);
    }
    argv.push(target.to_string());
    runner::run(&argv, Duration::from_secs(5)).is_ok_and(|outcome| outcome.success)
}
