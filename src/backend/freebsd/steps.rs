//! What is run beside the edit: ifconfig(8) for the aliases themselves, the rc scripts for a full restart, `sh -n` as a
//! check of the new text.

use ipnet::IpNet;

use super::files::Generation;
use crate::alias::{Alias, IfName};
use crate::backend::{Entry, Situation};
use crate::plan::{Action, Apply, Change, Check, Command, Direct, Disturbs, Plan, Staged, Step};

/// The restart of everything; the second half brings the default route back.
pub(super) const RESTART: &str = "/etc/rc.d/netif restart && /etc/rc.d/routing restart";

/// Puts the steps and checks around the changes of the plan.
pub(super) fn finish(plan: &mut Plan, steps: Vec<Step>) {
    plan.auto = Apply { before: Vec::new(), after: steps };
    let restart = Command::new(["sh", "-c", RESTART]).disturbing(Disturbs::Interface);
    plan.restart = Ok(Apply { before: Vec::new(), after: vec![Step::reread(restart)] });
    let check = |change: &Change| Check {
        staged: Staged::File(change.path.clone()),
        argv: ["sh", "-n", "{}"].map(str::to_owned).to_vec(),
    };
    plan.checks = plan.changes.iter().map(check).collect();
}

/// The steps that bring an alias up; none for one that is up.
pub(super) fn up(alias: &Alias, generation: Generation, now: &Situation) -> Vec<Step> {
    let interface = alias.interface.as_str();
    if now.up(alias.address.addr()).is_some_and(|up| up.interface == interface) {
        return Vec::new();
    }
    let step = Step::with_undo(set(interface, alias.address), unset(interface, alias.address));
    if alias.address.addr().is_ipv6() && generation != Generation::DragonFly {
        return vec![Step::new(ifconfig(interface, "inet6 -ifdisabled")), step];
    }
    vec![step]
}

/// The step that takes an alias down.
pub(super) fn down(entry: &Entry) -> Option<Step> {
    let interface = IfName::new(&entry.interface).ok()?;
    Some(Step::with_undo(unset(interface.as_str(), entry.address), set(interface.as_str(), entry.address)))
}

/// The same without the plan.
pub(super) fn direct(alias: &Alias) -> Direct {
    let interface = alias.interface.as_str();
    Direct { up: set(interface, alias.address), down: unset(interface, alias.address) }
}

fn ifconfig(interface: &str, words: &str) -> Action {
    Action::Run(Command::new(["ifconfig", interface].into_iter().chain(words.split(' '))))
}

/// What rc itself runs for an alias.
fn set(interface: &str, net: IpNet) -> Action {
    match net {
        IpNet::V4(net) => {
            let words = format!("inet {} netmask {} broadcast {} alias", net.addr(), net.netmask(), net.broadcast());
            ifconfig(interface, &words)
        }
        IpNet::V6(net) => ifconfig(interface, &format!("inet6 {} prefixlen {} alias", net.addr(), net.prefix_len())),
    }
}

fn unset(interface: &str, net: IpNet) -> Action {
    let family = if net.addr().is_ipv4() { "inet" } else { "inet6" };
    ifconfig(interface, &format!("{family} {} -alias", net.addr()))
}
