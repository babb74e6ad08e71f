//! FreeBSD, DragonFly and MidnightBSD: `ifconfig_IF_aliasN` in the chain of rc.conf files.
//!
//! Follows rc.conf(5), rc.subr(8) and network.subr as FreeBSD 10.2's own scripts were measured to read the files; newer
//! releases and DragonFly from their sources. Leaves out CARP (`vhid`), which is refused, jails, and `start_if.IF`, whose
//! lines are only shown.

mod add;
mod address;
mod edits;
mod files;
mod guide;
mod remove;
mod sources;
mod start_if;
mod steps;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Situation, Stance, Strength};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Direct, Plan};
use crate::root::{NodeKind, Root};

use files::{Chain, Generation, interface_of, key_of};
use sources::sources;

/// The rc.conf family.
#[derive(Debug, Clone, Copy)]
pub struct FreeBsd;

impl Backend for FreeBsd {
    fn name(&self) -> &'static str {
        "freebsd"
    }

    fn home(&self) -> &'static str {
        "/etc/rc.conf"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let chain = Chain::of(root)?;
        let mut strength = Strength::Enabled;
        for mark in ["/etc/defaults/rc.conf", "/etc/network.subr", "/etc/rc.d/netif"] {
            if root.kind(&mark.into())? == NodeKind::Absent {
                // The system's name alone will do if rc.conf sets an interface.
                if !is_named(root)? || chain.keys().is_empty() {
                    return Ok(Stance::Absent(format!("there is no {mark}")));
                }
                strength = Strength::Configured;
            }
        }
        let primary = primary(root, &chain)?;
        if primary.is_none() {
            chain.certain()?;
        }
        let system = match chain.generation {
            Generation::Modern => "FreeBSD's rc scripts are here",
            Generation::Strict => "rc scripts of FreeBSD 9 or older are here: numbers must not have gaps",
            Generation::DragonFly => "DragonFly's rc scripts are here: numbers must not have gaps",
        };
        let mut warnings = Vec::new();
        for cloud in ["/usr/local/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg"] {
            if root.kind(&cloud.into())? != NodeKind::Absent {
                warnings.push(format!("cloud-init is here ({cloud}) and may write rc.conf anew"));
            }
        }
        Ok(Stance::InCharge(Claim {
            strength,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence: vec![system.to_owned()],
            files: chain.files.iter().skip(chain.defaults).map(|part| part.path.clone()).collect(),
            auto: "ifconfig IF inet ADDRESS netmask MASK alias".to_owned(),
            restart: Ok(steps::RESTART.to_owned()),
            warnings,
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let chain = Chain::of(root)?;
        chain.certain()?;
        let mut all = Vec::new();
        for key in chain.keys() {
            let interface = interface_of(root, &key)?;
            all.extend(sources::entries(&chain, &sources(&chain, &key)?, &interface));
        }
        all.extend(start_if::entries(root)?);
        Ok(all)
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::add(root, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        steps::direct(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// Whether the system says that it is one of the family.
fn is_named(root: &Root) -> Result<bool> {
    let family = ["freebsd", "dragonfly", "midnightbsd"].contains(&host::os_release(root)?.id.as_str());
    Ok(family || root.kind(&"/bin/freebsd-version".into())? != NodeKind::Absent)
}

/// The interface of the default route: the running one, the one whose subnet has `defaultrouter`, or the only one.
fn primary(root: &Root, chain: &Chain) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(Some(name));
    }
    let cloned = chain.value("cloned_interfaces").ok().flatten().map(|(text, _)| text.text()).unwrap_or_default();
    let is_loopback =
        |key: &String| key.strip_prefix("lo").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let keys: Vec<String> = chain.keys().into_iter().filter(|key| !is_loopback(key)).collect();
    let router = |name: &str| -> Option<IpAddr> { chain.value(name).ok()??.0.text().trim().parse().ok() };
    let routers: Vec<IpAddr> = ["defaultrouter", "ipv6_defaultrouter"].iter().filter_map(|name| router(name)).collect();
    let mut configured = Vec::new();
    for key in &keys {
        let own = sources(chain, key).unwrap_or_default();
        let mut nets = own.iter().filter(|source| source.problem.is_none()).flat_map(|source| &source.items.items);
        if nets.clone().flat_map(|item| &item.nets).any(|net| routers.iter().any(|router| net.contains(router))) {
            return interface_of(root, key).map(Some);
        }
        if nets.next().is_some() || own.iter().any(|source| source.items.asks_dhcp) {
            configured.push(key);
        }
    }
    let is_real = |key: &&&String| {
        let created = matches!(chain.value(&format!("create_args_{key}")), Ok(Some(_)));
        !created && !cloned.split_whitespace().any(|name| key_of(name) == ***key)
    };
    let real: Vec<&String> = keys.iter().filter(|key| is_real(&key)).collect();
    match (configured.as_slice(), real.as_slice()) {
        ([only], _) | (_, [only]) => interface_of(root, only).map(Some),
        _ => Ok(None),
    }
}

/// The keys of the interfaces of `aliases`, each with its wishes.
fn by_key(aliases: &[Alias]) -> BTreeMap<String, Vec<&Alias>> {
    let mut all: BTreeMap<String, Vec<&Alias>> = BTreeMap::new();
    aliases.iter().for_each(|alias| all.entry(key_of(alias.interface.as_str())).or_default().push(alias));
    all
}
