//! The variables of an interface, in the order in which the scripts use them, and the addresses in them.

use std::net::IpAddr;

use super::address::{Items, MOST_IN_RANGE, Style, items};
use super::files::{Chain, Generation};
use crate::alias::host_prefix;
use crate::backend::{Entry, Role};
use crate::error::Result;
use crate::syntax::shell::{Traced, Variable};

/// A variable that holds addresses of an interface.
pub(super) struct Source<'c> {
    pub(super) name: String,
    pub(super) value: &'c Traced,
    pub(super) variable: &'c Variable,
    pub(super) items: Items,
    /// Whether it is not one for aliases, so that its first address is the interface's own.
    pub(super) is_main: bool,
    /// Why the scripts do not reach it.
    pub(super) problem: Option<String>,
    /// Why a number in its name is the reason for that: a missing or empty one before it.
    pub(super) is_behind_gap: bool,
    /// Why they pass over its IPv6 addresses.
    pub(super) without_ipv6: Option<String>,
}

/// The variables of the interface of `key`.
pub(super) fn sources<'c>(chain: &'c Chain, key: &str) -> Result<Vec<Source<'c>>> {
    let dragonfly = chain.generation == Generation::DragonFly;
    let renamed = chain
        .renamed(key)?
        .map(|name| format!("ifconfig_{key}_name renames the interface to {name}, so that this has no effect"));
    let off = (!chain.has_ipv6(key)?).then(|| format!("ifconfig_{key}_ipv6 is not set, so that inet6 is passed over"));
    let limit = chain.value("netif_ipexpand_max")?.and_then(|(text, _)| text.text().trim().parse().ok());
    let limit = if dragonfly { 0 } else { limit.map_or(MOST_IN_RANGE, |most: usize| most.min(65_536)) };
    let mut all = Vec::new();
    let mut push = |name: String, style: Style, is_main: bool, problem: Option<String>, gap: bool| -> Result<()> {
        if let Some((value, variable)) = chain.value(&name)? {
            let items = items(value, style, limit);
            let problem = renamed.clone().or(problem);
            let without_ipv6 = off.clone();
            all.push(Source { name, value, variable, items, is_main, problem, is_behind_gap: gap, without_ipv6 });
        }
        Ok(())
    };
    let unknown = dragonfly.then(|| "DragonFly does not know this variable".to_owned());
    let old_ipv6 = match dragonfly && !chain.is_yes("ipv6_enable")? {
        true => Some("ipv6_enable is not set, so that this is passed over".to_owned()),
        false => None,
    };
    push(format!("ifconfig_{key}"), Style::Groups, true, None, false)?;
    push(format!("ifconfig_{key}_ipv6"), Style::Groups, true, unknown.clone(), false)?;
    push(format!("ipv6_ifconfig_{key}"), Style::Single, true, old_ipv6.clone(), false)?;
    push(format!("ifconfig_{key}_aliases"), Style::Families, false, unknown.clone(), false)?;
    for (name, _, problem) in chain.aliases(&format!("ifconfig_{key}_alias"))? {
        let gap = problem.is_some();
        push(name, Style::Groups, false, problem, gap)?;
    }
    push(format!("ipv4_addrs_{key}"), Style::Words, false, unknown, false)?;
    for (name, _, problem) in chain.aliases(&format!("ipv6_ifconfig_{key}_alias"))? {
        push(name, Style::Single, false, old_ipv6.clone().or(problem), false)?;
    }
    Ok(all)
}

/// The entries of the variables of one interface, called `interface`.
pub(super) fn entries(chain: &Chain, sources: &[Source<'_>], interface: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = sources.iter().flat_map(|source| source.entries(chain, interface)).collect();
    for (is_six, router) in [(false, "defaultrouter"), (true, "ipv6_defaultrouter")] {
        let of_family = |entry: &&mut Entry| entry.address.addr().is_ipv6() == is_six && entry.is_effective();
        let known = |entry: Entry| entry.role == Role::Primary;
        let by_dhcp = !is_six && sources.iter().any(|source| source.is_main && source.items.asks_dhcp);
        if by_dhcp || all.iter_mut().filter(of_family).any(|entry| known(entry.clone())) {
            continue;
        }
        // The interface's own address stands among the aliases: the one that reaches the router, or else the first with a
        // subnet in one of the lists, which hold all addresses where they are used.
        let router: Option<IpAddr> =
            chain.value(router).ok().flatten().and_then(|(text, _)| text.text().trim().parse().ok());
        let reaches = |entry: &&mut Entry| router.is_some_and(|router| entry.address.contains(&router));
        let in_list = |entry: &&mut Entry| {
            let wide = entry.address.prefix_len() < host_prefix(entry.address.addr());
            let form = entry.form.strip_prefix("range of ").unwrap_or(&entry.form);
            wide && !is_six && (form.starts_with("ipv4_addrs_") || form.ends_with("_aliases"))
        };
        let first = match all.iter_mut().filter(of_family).find(reaches) {
            None => all.iter_mut().filter(of_family).find(in_list),
            first => first,
        };
        if let Some(entry) = first.filter(|entry| !entry.form.starts_with("CARP")) {
            entry.role = Role::Primary;
        }
    }
    all
}

impl Source<'_> {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.value.bytes().is_empty()
    }

    fn entries(&self, chain: &Chain, interface: &str) -> Vec<Entry> {
        let mut all = Vec::new();
        for (index, item) in self.items.items.iter().enumerate() {
            let Some(origin) = item.origin else { continue };
            let form = match (item.is_carp, item.is_range) {
                (true, _) => format!("CARP address of {}", self.name),
                (_, true) => format!("range of {}", self.name),
                _ => self.name.clone(),
            };
            for (step, address) in item.nets.iter().enumerate() {
                let is_own = self.is_main && index == 0 && step == 0 && !item.is_carp;
                let off = self.without_ipv6.clone().filter(|_| address.addr().is_ipv6());
                let broken = item.is_broken.then(|| "a carriage return is in it, which ifconfig refuses".to_owned());
                all.push(Entry {
                    interface: interface.to_owned(),
                    address: *address,
                    label: None,
                    path: chain.path(origin.source),
                    line: chain.line(origin.source, origin.at),
                    form: form.clone(),
                    role: if is_own { Role::Primary } else { Role::Additional },
                    problem: self.problem.clone().or(off).or(broken),
                });
            }
        }
        all
    }
}
