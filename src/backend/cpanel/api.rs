//! `--panel-api`: WHM's own interface instead of its files, so that its records are right at once.
//!
//! Follows api.docs.cpanel.net, `addips`; `delip` is from memory. One call for each address: with several at once WHM
//! takes 255.255.255.0 for the mask, as a hoster warns.

use ipnet::{IpNet, Ipv4Net};

use super::Cpanel;
use crate::alias::Alias;
use crate::backend::{Backend, Entry};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Command, Plan, Step};
use crate::root::Root;

const PROGRAM: &str = "/usr/local/cpanel/bin/whmapi1";

/// The plan that has WHM add `new` and take `gone` away, in place of `plan`, which would do it in the files. `runs` says
/// whether its steps will be carried out, or only shown.
pub fn by_api(
    backend: &dyn Backend,
    root: &Root,
    plan: Plan,
    new: &[Alias],
    gone: &[Entry],
    runs: bool,
) -> Result<Plan> {
    if backend.name() != Cpanel.name() {
        let reason = format!("--panel-api is for cPanel, and {} is in charge here", backend.name());
        return Err(Refusal::new(Kind::Usage, reason, "leave --panel-api out").into());
    }
    if !root.is_file(&PROGRAM.into())? {
        let refusal = Refusal::new(Kind::Unsupported, "WHM's interface is not here", "leave --panel-api out");
        return Err(refusal.at(&PROGRAM.into(), 0).into());
    }
    let added = new.iter().filter_map(|alias| v4(alias.address)).map(|net| Step::with_undo(add(net), delete(net)));
    let removed = gone.iter().filter_map(|entry| v4(entry.address)).map(|net| Step::with_undo(delete(net), add(net)));
    let mut after: Vec<Step> = added.chain(removed).collect();
    if after.is_empty() {
        return Ok(plan);
    }
    if !runs {
        let commands: Vec<String> = after.iter().map(|step| step.action.to_string()).collect();
        let hint = format!("type there: {}", commands.join(" && "));
        let reason = "WHM answers only while its system runs, and commands are carried out";
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).into());
    }
    // What WHM leaves down or up is put right as without it.
    let own = plan.auto.before.into_iter().chain(plan.auto.after);
    after.extend(own.map(|step| Step::new(step.action)).filter(|step| step.action.alias().is_some()));
    let apply = Apply { before: Vec::new(), after };
    Ok(Plan { auto: apply.clone(), restart: Ok(apply), notes: plan.notes, ..Plan::nothing() })
}

fn v4(address: IpNet) -> Option<Ipv4Net> {
    match address {
        IpNet::V4(net) => Some(net),
        IpNet::V6(_) => None,
    }
}

fn add(net: Ipv4Net) -> Action {
    let (ips, mask) = (format!("ips={}", net.addr()), format!("netmask={}", net.netmask()));
    Action::Run(Command::new([PROGRAM, "addips", ips.as_str(), mask.as_str()]))
}

fn delete(net: Ipv4Net) -> Action {
    let ip = format!("ip={}", net.addr());
    Action::Run(Command::new([PROGRAM, "delip", ip.as_str()]))
}
