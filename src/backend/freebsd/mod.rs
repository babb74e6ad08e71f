//! FreeBSD, DragonFly and MidnightBSD: `ifconfig_IF_aliasN` in the chain of rc.conf files.
//!
//! Follows rc.conf(5), rc.subr(8) and network.subr as FreeBSD 10.2's own scripts were measured to read the files; newer
//! releases and DragonFly from their sources. Leaves out CARP (`vhid`), which is refused, jails, and `start_if.IF`, whose
//! lines are only shown.

mod address;
mod edit;
mod files;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Role, Situation, Stance, Strength};
use crate::error::Result;
use crate::host;
use crate::plan::Plan;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::shell::{Traced, Variable};
use crate::text::Text;

use address::{Item, Items, Style, items};
use files::{Chain, Generation, interface_of, key_of};

const RESTART: &str = "/etc/rc.d/netif restart && /etc/rc.d/routing restart";

/// The rc.conf family.
#[derive(Debug, Clone, Copy)]
pub struct FreeBsd;

impl Backend for FreeBsd {
    fn name(&self) -> &'static str {
        "freebsd"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        for mark in ["/etc/defaults/rc.conf", "/etc/network.subr", "/etc/rc.d/netif"] {
            if root.kind(&mark.into())? == NodeKind::Absent {
                return Ok(Stance::NotInCharge(format!("there is no {mark}")));
            }
        }
        let chain = Chain::read(root)?;
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
            strength: Strength::Enabled,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence: vec![system.to_owned()],
            files: chain.files.iter().map(|(path, _)| path.clone()).collect(),
            auto: "ifconfig IF inet ADDRESS netmask MASK alias".to_owned(),
            restart: Ok(RESTART.to_owned()),
            warnings,
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let chain = Chain::read(root)?;
        chain.certain()?;
        let mut all = Vec::new();
        for key in chain.keys() {
            let interface = interface_of(root, &key)?;
            for source in sources(&chain, &key)? {
                all.extend(source.entries(&chain, &interface));
            }
            all.extend(start_entries(root, &interface)?);
        }
        Ok(all)
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        edit::add(root, want)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        edit::remove(root, gone)
    }
}

/// A variable that holds addresses of an interface.
struct Source<'c> {
    name: String,
    value: &'c Traced,
    variable: &'c Variable,
    items: Items,
    /// Whether its first address is the interface's own.
    is_primary: bool,
    /// Why the scripts do not reach it.
    problem: Option<String>,
    /// Why they pass over its IPv6 addresses.
    without_ipv6: Option<String>,
}

/// The variables of an interface in the order in which the scripts use them.
fn sources<'c>(chain: &'c Chain, key: &str) -> Result<Vec<Source<'c>>> {
    let dragonfly = chain.generation == Generation::DragonFly;
    let off = if chain.has_ipv6(key)? {
        None
    } else {
        Some(format!("ifconfig_{key}_ipv6 is not set, so that inet6 is passed over"))
    };
    let mut all = Vec::new();
    let mut push = |name: String, style: Style, is_primary: bool, problem: Option<String>| -> Result<()> {
        if let Some((value, variable)) = chain.value(&name)? {
            let items = items(value, style, !dragonfly);
            all.push(Source { name, value, variable, items, is_primary, problem, without_ipv6: off.clone() });
        }
        Ok(())
    };
    push(format!("ifconfig_{key}"), Style::Groups, true, None)?;
    push(format!("ifconfig_{key}_ipv6"), Style::Groups, true, None)?;
    push(format!("ipv6_ifconfig_{key}"), Style::Single, true, None)?;
    let unknown = dragonfly.then(|| "DragonFly does not know this variable".to_owned());
    push(format!("ifconfig_{key}_aliases"), Style::Groups, false, unknown.clone())?;
    for (name, _, problem) in chain.aliases(&format!("ifconfig_{key}_alias"))? {
        push(name, Style::Groups, false, problem)?;
    }
    push(format!("ipv4_addrs_{key}"), Style::Words, false, unknown)?;
    for (name, _, problem) in chain.aliases(&format!("ipv6_ifconfig_{key}_alias"))? {
        push(name, Style::Single, false, problem)?;
    }
    Ok(all)
}

impl Source<'_> {
    fn entries(&self, chain: &Chain, interface: &str) -> Vec<Entry> {
        let mut all = Vec::new();
        for (index, item) in self.items.items.iter().enumerate() {
            let Some(origin) = item.origin else { continue };
            for (step, address) in item.nets.iter().enumerate() {
                let six = address.addr().is_ipv6();
                let form = match (item.is_carp, item.is_range) {
                    (true, _) => format!("CARP address of {}", self.name),
                    (_, true) => format!("range of {}", self.name),
                    _ => self.name.clone(),
                };
                let role = if self.is_primary && index == 0 && step == 0 && !item.is_carp {
                    Role::Primary
                } else {
                    Role::Additional
                };
                all.push(Entry {
                    interface: interface.to_owned(),
                    address: *address,
                    label: None,
                    path: chain.path(origin.source),
                    line: chain.line(origin.source, origin.at),
                    form,
                    role,
                    problem: self.problem.clone().or_else(|| self.without_ipv6.clone().filter(|_| six)),
                });
            }
        }
        all
    }
}

/// Lines `ifconfig IF inet ADDRESS ... alias` of `/etc/start_if.IF`: present, and not to be edited.
fn start_entries(root: &Root, interface: &str) -> Result<Vec<Entry>> {
    let path = root.resolve(&RootPath::from(format!("/etc/start_if.{interface}").as_str()))?;
    let text = Text::new(root.read(&path)?.unwrap_or_default());
    let entry = |line: crate::text::Line<'_>| {
        let content = String::from_utf8_lossy(line.content).into_owned();
        let words: Vec<&str> = content.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "ifconfig" || word.ends_with("/ifconfig"))?;
        let rest = words.get(at + 1..).filter(|_| !content.trim_start().starts_with('#'))?;
        let traced = Text::new(rest.get(1..)?.join(" ")).bytes().to_vec();
        let address = literal(&traced).filter(|_| rest.first() == Some(&interface) && rest.contains(&"alias"))?;
        Some(Entry {
            interface: interface.to_owned(),
            address,
            label: None,
            path: path.clone(),
            line: line.number,
            form: "line of start_if".to_owned(),
            role: Role::Additional,
            problem: None,
        })
    };
    Ok(text.lines().filter_map(entry).collect())
}

/// The one address of a text such as `inet 192.0.2.1 netmask 255.255.255.255 alias`.
fn literal(text: &[u8]) -> Option<IpNet> {
    let mut environment = crate::syntax::shell::Environment::new(crate::syntax::shell::Dialect::Sh);
    environment.source(&Text::new([b"x='", text, b"'\n"].concat()));
    match &environment.get("x")?.value {
        crate::syntax::shell::Value::Text(value) => {
            items(value, Style::Groups, false).items.first()?.nets.first().copied()
        }
        _ => None,
    }
}

/// The interface of the default route: the running one, the one whose subnet has `defaultrouter`, or the only one.
fn primary(root: &Root, chain: &Chain) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(Some(name));
    }
    let keys: Vec<String> = chain.keys().into_iter().filter(|key| !key.starts_with("lo")).collect();
    let router = |name: &str| -> Option<IpAddr> { chain.value(name).ok()??.0.text().trim().parse().ok() };
    let routers: Vec<IpAddr> = ["defaultrouter", "ipv6_defaultrouter"].iter().filter_map(|name| router(name)).collect();
    for key in &keys {
        for source in sources(chain, key).unwrap_or_default() {
            let mut nets = source.items.items.iter().flat_map(|item: &Item| &item.nets);
            if nets.any(|net| routers.iter().any(|router| net.contains(router))) {
                return interface_of(root, key).map(Some);
            }
        }
    }
    let plain = |key: &&String| !matches!(chain.value(&format!("create_args_{key}")), Ok(Some(_)));
    match keys.iter().filter(plain).collect::<Vec<_>>().as_slice() {
        [only] => interface_of(root, only).map(Some),
        _ => Ok(None),
    }
}

/// The keys of the interfaces of `aliases`, each with its wishes.
fn by_key(aliases: &[Alias]) -> std::collections::BTreeMap<String, Vec<&Alias>> {
    let mut all: std::collections::BTreeMap<String, Vec<&Alias>> = Default::default();
    aliases.iter().for_each(|alias| all.entry(key_of(alias.interface.as_str())).or_default().push(alias));
    all
}
