//! Gentoo's netifrc under OpenRC: one more entry in `config_IF` of `/etc/conf.d/net`.
//!
//! Follows netifrc's net.example and openrc-run(8), and what netifrc 0.7.14 was measured to do (see `specs`). Leaves out
//! the modules of netifrc besides their names; Funtoo's own scripts and dhcpcd as a service are other systems.

mod edit;
mod files;
mod specs;

use std::net::IpAddr;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Role, Situation, Stance, Strength};
use crate::error::Result;
use crate::host;
use crate::plan::{Action, Apply, Check, Command, Disturbs, Plan, Step};
use crate::root::{NodeKind, Root};
use crate::syntax::shell::Value;

use files::{Config, Service, config, services};
use specs::{Spec, Style, specs};

/// netifrc.
#[derive(Debug, Clone, Copy)]
pub struct Netifrc;

impl Backend for Netifrc {
    fn name(&self) -> &'static str {
        "netifrc"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        if root.kind(&"/etc/init.d/net.lo".into())? == NodeKind::Absent {
            return Ok(Stance::NotInCharge("there is no /etc/init.d/net.lo".to_owned()));
        }
        let started: Vec<Service> = services(root)?.into_iter().filter(Service::is_started).collect();
        let Some(primary) = primary(root, &started)? else {
            let reason = "no /etc/init.d/net.IF is in a runlevel, so nothing reads /etc/conf.d/net";
            return Ok(Stance::NotInCharge(reason.to_owned()));
        };
        let name = &primary.interface;
        let mark = format!("/run/openrc/started/net.{name}");
        let running =
            root.kind(&mark.as_str().into())? != NodeKind::Absent || root.link_target(&mark.as_str().into())?.is_some();
        let mut evidence = vec![match &primary.runlevel {
            Some(level) => format!("/etc/init.d/net.{name} is in the runlevel {level}"),
            None => format!("net@{name}.service is enabled"),
        }];
        if running {
            evidence.insert(0, format!("OpenRC has started net.{name}"));
        }
        let config = config(root, primary)?;
        let mut files: Vec<_> = config.files.iter().map(|(path, _)| path.clone()).collect();
        files.retain(|path| path.as_bytes().starts_with(b"/etc/conf.d/"));
        Ok(Stance::InCharge(Claim {
            strength: if running { Strength::Running } else { Strength::Enabled },
            interface: IfName::new(name).ok(),
            evidence,
            files,
            auto: "ip addr add ADDRESS dev IF".to_owned(),
            restart: Ok(restart(primary).argv.join(" ")),
            warnings: Vec::new(),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for service in services(root)? {
            all.extend(Reading::of(root, &service)?.entries());
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

/// The interface that the default route leaves by: the running one, or the one whose `routes_IF` says so, or the only one.
fn primary<'s>(root: &Root, started: &'s [Service]) -> Result<Option<&'s Service>> {
    if let Some(name) = host::default_route_interface(root)? {
        if let Some(service) = started.iter().find(|service| service.interface == name) {
            return Ok(Some(service));
        }
    }
    for service in started {
        let config = config(root, service)?;
        let routes = config.environment.get(&format!("routes_{}", service.suffix()));
        if routes.is_some_and(|routes| mentions_default(&routes.value, |_| true)) {
            return Ok(Some(service));
        }
    }
    Ok(started.first())
}

/// Whether the routes have a default one whose words satisfy `also`.
fn mentions_default(routes: &Value, also: impl Fn(&[String]) -> bool) -> bool {
    let Some((_, specs)) = specs(routes) else { return false };
    let is_default =
        |spec: &Spec| spec.words.iter().any(|word| ["default", "::/0", "0.0.0.0/0"].contains(&word.as_str()));
    specs.iter().any(|spec| is_default(spec) && also(&spec.words))
}

fn restart(service: &Service) -> Command {
    let name = &service.interface;
    let argv = if service.systemd && service.runlevel.is_none() {
        vec!["systemctl".to_owned(), "restart".to_owned(), format!("net@{name}.service")]
    } else {
        vec![format!("/etc/init.d/net.{name}"), "restart".to_owned()]
    };
    Command::new(argv).disturbing(Disturbs::Interface)
}

/// What netifrc reads for one interface.
struct Reading {
    service: Service,
    config: Config,
    /// The variable that counts.
    key: String,
}

impl Reading {
    fn of(root: &Root, service: &Service) -> Result<Reading> {
        let config = config(root, service)?;
        config.certain()?;
        let key = config.key(root, service)?;
        Ok(Reading { service: service.clone(), config, key })
    }

    /// The specifications of `config_IF`; nothing without that variable.
    fn specs(&self) -> Result<Option<(Style, Vec<Spec>)>> {
        Ok(self.config.known(&self.key)?.and_then(|variable| specs(&variable.value)))
    }

    fn entries(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        let idle = (!self.service.is_started()).then(|| format!("net.{} is in no runlevel", self.service.interface));
        if let Ok(Some((_, specs))) = self.specs() {
            for (index, spec) in specs.iter().enumerate() {
                self.spec_entries(index, spec, idle.as_deref(), &mut all);
            }
        }
        let fallback = format!("fallback_{}", self.service.suffix());
        let fallback = self.config.environment.get(&fallback).and_then(|variable| specs(&variable.value));
        for spec in fallback.iter().flat_map(|(_, specs)| specs) {
            self.spec_entries(1, spec, Some("it is only set where DHCP gives nothing"), &mut all);
        }
        all.extend(self.function_entries(idle.as_deref()));
        all
    }

    fn spec_entries(&self, index: usize, spec: &Spec, idle: Option<&str>, all: &mut Vec<Entry>) {
        let (Some(meaning), Some(origin)) = (spec.meaning(), spec.origin) else { return };
        let entry = |address: ipnet::IpNet, problem: Option<String>| Entry {
            interface: self.service.interface.clone(),
            address,
            label: None,
            path: self.config.path(origin.source),
            line: self.line(origin.source, origin.at),
            form: format!("entry of {}", self.key),
            role: Role::Additional,
            problem: problem.or_else(|| idle.map(str::to_owned)),
        };
        let role = if index == 0 && idle.is_none() && self.is_primary(meaning.address.addr()) {
            Role::Primary
        } else {
            Role::Additional
        };
        let label = meaning.label.filter(|label| *label != self.service.interface);
        all.push(Entry { role, label, ..entry(meaning.address, meaning.problem) });
        let lost = "it stands behind another address on its line, which netifrc takes for an option";
        all.extend(meaning.lost.into_iter().map(|address| entry(address, Some(lost.to_owned()))));
    }

    /// Whether the first address is one that the host is known by: every IPv4 one, and an IPv6 one whose default route
    /// stands here, too.
    fn is_primary(&self, ip: IpAddr) -> bool {
        let routes = self.config.environment.get(&format!("routes_{}", self.service.suffix()));
        ip.is_ipv4()
            || routes.is_some_and(|routes| {
                mentions_default(&routes.value, |words| words.iter().any(|word| word.contains("::") && word != "::/0"))
            })
    }

    /// Addresses that functions such as `postup` add: there, and not to be edited.
    fn function_entries(&self, idle: Option<&str>) -> Vec<Entry> {
        let mut all = Vec::new();
        for (path, text) in self.config.files.iter().filter(|(path, _)| path.as_bytes().starts_with(b"/etc/conf.d/")) {
            for line in text.lines() {
                let content = String::from_utf8_lossy(line.content).into_owned();
                let words: Vec<&str> =
                    content.split_whitespace().map(|word| word.trim_matches(['"', '\'', ';'])).collect();
                let Some(address) = added_by_ip(&words) else { continue };
                let device = words.iter().position(|word| *word == "dev").and_then(|at| words.get(at + 1));
                let own = device.is_none_or(|device| *device == self.service.interface || device.contains('$'));
                if own {
                    all.push(Entry {
                        interface: self.service.interface.clone(),
                        address,
                        label: None,
                        path: path.clone(),
                        line: line.number,
                        form: "line of a function".to_owned(),
                        role: Role::Additional,
                        problem: idle.map(str::to_owned),
                    });
                }
            }
        }
        all
    }

    fn line(&self, source: usize, at: usize) -> usize {
        let bytes = self.config.files.get(source).map(|(_, text)| text.bytes()).unwrap_or_default();
        bytes.get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// The address of `ip [-4|-6] addr add ADDRESS ...`.
fn added_by_ip(words: &[&str]) -> Option<ipnet::IpNet> {
    let at = words.iter().position(|word| *word == "ip" || word.ends_with("/ip"))?;
    let rest: Vec<&str> = words.get(at + 1..)?.iter().copied().filter(|word| !word.starts_with('-')).collect();
    match rest.as_slice() {
        [object, "add" | "a" | "replace", address, ..] if "address".starts_with(object) => {
            let net = address.parse().ok();
            net.or_else(|| address.parse::<IpAddr>().ok().map(ipnet::IpNet::from))
        }
        _ => None,
    }
}

/// The plan around the changes: addresses go up and down directly, and the full restart is netifrc's.
fn plan(changes: Vec<crate::plan::Change>, steps: Vec<Action>, services: &[Service]) -> Plan {
    let steps: Vec<Step> = steps.into_iter().map(Step::new).collect();
    let restart: Vec<Step> = services.iter().map(|service| Step::reread(restart(service))).collect();
    let checks = changes
        .iter()
        .map(|change| Check { path: change.path.clone(), argv: ["sh", "-n", "{}"].map(str::to_owned).to_vec() });
    Plan {
        checks: checks.collect(),
        changes,
        auto: Apply { before: Vec::new(), after: steps.clone() },
        restart: Ok(Apply { before: Vec::new(), after: if restart.is_empty() { steps } else { restart } }),
        ..Plan::nothing()
    }
}
