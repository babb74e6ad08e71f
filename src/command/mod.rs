//! The verbs: one straight line each, from the command line to the report.

mod add;
mod confirm;
mod explain;
mod history;
mod list;
mod perform;
mod record;
mod remove;
mod rollback;
mod status;
mod suggest;
mod sync;
mod trust;
mod typed;
mod unconfirmed;
mod undo;

use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use ipnet::IpNet;

use crate::alias::{self, IfName};
use crate::backend::{Situation, Strength};
use crate::cli::{Addresses, Apply, Cli, Global, Verb};
use crate::detect::Detection;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::host;
use crate::live::{Live, Snapshot};
use crate::root::Root;
use crate::runner;
use crate::secrets;
use crate::store::{Lock, Store};
use crate::ui::{self, Ui};
pub use typed::parse;

/// The most bytes that a list of addresses may have.
const MOST_LIST_BYTES: u64 = 4 << 20;

/// What is told while another run has the lock.
const WAITING_FOR_LOCK: &str = "waiting for another ipalias to come to its end";

/// What every verb works with.
pub(crate) struct Session {
    options: Global,
    root: Root,
    /// The kernel; nothing for another root.
    live: Option<Live>,
    ui: Ui,
    /// Set while a verb works for the settling of an unconfirmed change.
    settling: Option<Settling>,
}

/// An unconfirmed change is being settled: the lock is held.
#[derive(Default)]
struct Settling {
    /// The token and the command line of the change that is made persistent, if it is.
    confirms: Option<(String, Vec<String>)>,
}

/// Carries out the command line; returns the exit code, having printed everything, errors included.
pub fn run(cli: &Cli) -> Exit {
    let ui = Ui::new(cli.global.color, cli.global.quiet, cli.global.json);
    dispatch(cli, ui).unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        ui.error(cli.verb.name(), &error, exit);
        exit
    })
}

fn dispatch(cli: &Cli, ui: Ui) -> Result<Exit> {
    runner::settle()?;
    secrets::show(cli.global.show_secrets);
    let options = cli.global.clone();
    if options.detailed_exitcode && !options.dry_run {
        return Err(Refusal::new(Kind::Usage, "--detailed-exitcode goes with --dry-run", "add --dry-run").into());
    }
    let root = Root::open(&options.root)?;
    let live = root.is_live().then(Live::open).transpose()?;
    let root = match &live {
        Some(live) => record::lay(root, live)?,
        None => root,
    };
    let session = Session { options, root, live, ui, settling: None };
    perform_verb(&session, &cli.verb).map_err(|error| {
        let may_not = session.live.is_some() && !runner::is_administrator() && is_permission(&error);
        if may_not { typed::without_rights(format!("{error:#}")).into() } else { error }
    })
}

fn perform_verb(session: &Session, verb: &Verb) -> Result<Exit> {
    match verb {
        Verb::Add(add) => add::run(session, add),
        Verb::Remove(addresses) => remove::run(session, addresses),
        Verb::Sync(wishes) => sync::run(session, wishes),
        Verb::List => list::run(session),
        Verb::Status => status::run(session),
        Verb::Explain(explain) => explain::run(session, explain),
        Verb::Rollback(rollback) => rollback::run(session, rollback),
        Verb::Confirm => confirm::run(session),
        Verb::History => history::run(session),
        Verb::Expire(expire) => unconfirmed::expire(session, expire),
        Verb::Boot => unconfirmed::boot(session),
    }
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Verb::Add(_) => "add",
            Verb::Remove(_) => "remove",
            Verb::Sync(_) => "sync",
            Verb::List => "list",
            Verb::Status => "status",
            Verb::Explain(_) => "explain",
            Verb::Rollback(_) => "rollback",
            Verb::Confirm => "confirm",
            Verb::History => "history",
            Verb::Expire(_) => "expire",
            Verb::Boot => "boot",
        }
    }
}

impl Session {
    fn detect(&self) -> Result<Detection> {
        crate::detect::detect(&self.root, self.options.backend.as_deref())
    }

    /// The same for a change of `wanted`: a refusal says what to do with these.
    fn detect_for(&self, wanted: &[IpNet]) -> Result<Detection> {
        self.detect().map_err(|error| suggest::filled_in(error, wanted, self.options.interface.as_deref()))
    }

    /// The token and the command line of the unconfirmed change that is being made persistent.
    fn confirms(&self) -> Option<(String, Vec<String>)> {
        self.settling.as_ref().and_then(|settling| settling.confirms.clone())
    }

    /// How changes are made effective: not at all on a root that does not run.
    fn apply(&self) -> Apply {
        if self.live.is_some() { self.options.apply } else { Apply::None }
    }

    /// Whether steps are carried out, or a dry run shows them.
    fn runs_commands(&self) -> bool {
        self.options.dry_run || self.apply() != Apply::None
    }

    fn snapshot(&self) -> Result<Option<Snapshot>> {
        self.live.as_ref().map(Live::snapshot).transpose()
    }

    /// The interface of `-i`, if that was given.
    fn wanted_interface(&self) -> Result<Option<IfName>> {
        Ok(self.options.interface.as_deref().map(IfName::new).transpose()?)
    }

    /// The interface to work on: `-i`, or the primary one.
    fn interface(&self, detection: &Detection, now: Option<&Snapshot>) -> Result<IfName> {
        let interface = match (self.wanted_interface()?, &detection.claim.interface) {
            (Some(wanted), _) => wanted,
            (None, Some(primary)) => primary.clone(),
            (None, None) => {
                let hint = "name it with -i, for example -i eth0";
                let mut reason = "the primary interface cannot be told from the files".to_owned();
                for warning in &detection.claim.warnings {
                    reason.push_str("; ");
                    reason.push_str(warning);
                }
                return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
            }
        };
        self.admit(&interface, detection, now)?;
        Ok(interface)
    }

    /// Refuses an interface whose addresses are somebody else's.
    fn admit(&self, interface: &IfName, detection: &Detection, now: Option<&Snapshot>) -> Result<()> {
        if interface.as_str().starts_with("venet") && detection.claim.strength != Strength::Panel {
            let reason = format!("{interface} is an OpenVZ container's, whose addresses its host sets and writes anew");
            let hint = "on the host: vzctl set CTID --ipadd ADDRESS --save (Virtuozzo: prlctl set)";
            return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).into());
        }
        if let Some(now) = now {
            self.usable(interface, now)?;
        }
        Ok(())
    }

    /// Refuses an interface that the running system does not have or that cannot have addresses of its own.
    fn usable(&self, interface: &IfName, now: &Snapshot) -> Result<()> {
        let names: Vec<&str> = now.links().collect();
        if !names.contains(&interface.as_str()) {
            let reason = format!("there is no interface {interface}");
            let refusal = Refusal::new(Kind::Unacceptable, reason, format!("this system has {}", names.join(", ")));
            return Err(suggest::interface(refusal, interface, names).into());
        }
        let link = host::link(&self.root, interface.as_str())?.unwrap_or_default();
        if let (Some(master), true) = (link.master, link.is_port) {
            let reason = format!("{interface} is a port of {master}, which has the addresses");
            return Err(Refusal::new(Kind::Unacceptable, reason, format!("use -i {master}")).into());
        }
        Ok(())
    }

    /// The store, if the root has one. For a user without the right to look into it there might as well be none.
    fn store(&self) -> Result<Option<Store>> {
        let opened = Store::open(&self.root);
        if runner::is_administrator() {
            return opened;
        }
        let looked_into = opened.and_then(|store| {
            store.as_ref().map(Store::numbers).transpose()?;
            Ok(store)
        });
        match looked_into {
            Err(error) if is_permission(&error) => Ok(None),
            other => other,
        }
    }

    /// Takes the lock for what must be done in any case.
    fn lock_patiently(&self, store: &Store) -> Result<Lock> {
        ui::hurry();
        let _waiting = self.ui.waiting(WAITING_FOR_LOCK);
        store.lock_patiently()
    }
}

fn is_permission(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::PermissionDenied)
}

fn situation(snapshot: Option<&Snapshot>) -> Situation {
    snapshot.map(Snapshot::situation).unwrap_or_default()
}

/// The same arguments with the addresses that they name, wherever those came from, and without a limit of time.
fn resolved(arguments: &Addresses, wanted: &[IpNet]) -> Addresses {
    let addresses = wanted.iter().map(ToString::to_string).collect();
    let (block, from, hold) = Default::default();
    Addresses { addresses, block, from, hold, panel_api: arguments.panel_api }
}

/// The bytes of a list of addresses; `-` is standard input.
fn read_list(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MOST_LIST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        fs_err::File::open(path).and_then(|file| file.take(MOST_LIST_BYTES + 1).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("reading the list {}", path.display()))?;
    if bytes.len() as u64 > MOST_LIST_BYTES {
        let reason = format!("{}: the list is larger than 4 MiB", path.display());
        let hint = "name ranges and blocks where addresses follow one another";
        return Err(Refusal::new(Kind::Usage, reason, hint).into());
    }
    Ok(bytes)
}

/// Every address that the arguments name, in order, each once.
fn wanted_addresses(arguments: &Addresses) -> Result<Vec<IpNet>> {
    let mut all: Vec<IpNet> = Vec::new();
    for text in &arguments.addresses {
        all.extend(alias::parse_addresses(text).map_err(|refusal| suggest::list(refusal, text))?);
    }
    for text in &arguments.block {
        all.extend(alias::parse_block(text)?);
    }
    if let Some(path) = &arguments.from {
        let bytes = read_list(path)?;
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let text = line.split('#').next().unwrap_or_default().trim();
            if !text.is_empty() {
                let parsed = alias::parse_addresses(text).map_err(|refusal| Refusal {
                    reason: format!("{}:{}: {}", path.display(), number + 1, refusal.reason),
                    ..refusal
                });
                all.extend(parsed?);
            }
        }
    }
    if all.is_empty() {
        let hint = "name addresses, as in 203.0.113.5, or --block CIDR, or --from FILE";
        return Err(Refusal::new(Kind::Usage, "no address was given", hint).into());
    }
    if all.len() > alias::MOST_ADDRESSES {
        let reason = format!("more than {} addresses", alias::MOST_ADDRESSES);
        return Err(Refusal::new(Kind::Usage, reason, "give them in several calls").into());
    }
    let mut seen: std::collections::BTreeMap<IpAddr, IpNet> = Default::default();
    let mut once = Vec::with_capacity(all.len());
    for net in all {
        match seen.insert(net.addr(), net) {
            None => once.push(net),
            Some(before) if before == net => {}
            Some(before) => {
                let reason = format!("{before} and {net} are one address with two prefixes");
                return Err(Refusal::new(Kind::Usage, reason, "name it once").into());
            }
        }
    }
    Ok(once)
}
