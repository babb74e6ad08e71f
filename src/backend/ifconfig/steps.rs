//! One address put up or taken down by ifconfig(8).

use ipnet::IpNet;

use crate::alias::{Alias, IfName};
use crate::backend::{Entry, Situation};
use crate::plan::{Action, Command, Direct, Step};

/// In which order a system's manual has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Style {
    /// OpenBSD: `inet alias ADDRESS netmask MASK`, `inet ADDRESS delete`.
    AliasFirst,
    /// NetBSD: `inet ADDRESS netmask MASK alias`, `inet ADDRESS -alias`.
    AliasLast,
}

/// Puts an address up, or down.
pub(in crate::backend) fn direct(style: Style, alias: &Alias) -> Direct {
    of(style, alias.interface.as_str(), alias.address)
}

/// The step that brings an alias up; none for one that is up.
pub(in crate::backend) fn up(style: Style, alias: &Alias, now: &Situation) -> Option<Step> {
    let interface = alias.interface.as_str();
    let is_up = now.up(alias.address.addr()).is_some_and(|up| up.interface == interface);
    (!is_up).then(|| Step::up(direct(style, alias)))
}

/// The step that takes an address down; none where its interface cannot be told.
pub(in crate::backend) fn down(style: Style, entry: &Entry) -> Option<Step> {
    let interface = IfName::new(&entry.interface).ok()?;
    Some(Step::down(of(style, interface.as_str(), entry.address)))
}

fn of(style: Style, interface: &str, net: IpNet) -> Direct {
    let ip = net.addr();
    let set = match net {
        IpNet::V4(net) => ["inet".to_owned(), format!("{ip} netmask {}", net.netmask())],
        IpNet::V6(net) => ["inet6".to_owned(), format!("{ip} prefixlen {}", net.prefix_len())],
    };
    let [family, set] = set;
    let run = |words: String| Action::Run(Command::new(["ifconfig", interface].into_iter().chain(words.split(' '))));
    match style {
        Style::AliasFirst => {
            Direct { up: run(format!("{family} alias {set}")), down: run(format!("{family} {ip} delete")) }
        }
        Style::AliasLast => {
            Direct { up: run(format!("{family} {set} alias")), down: run(format!("{family} {ip} -alias")) }
        }
    }
}
