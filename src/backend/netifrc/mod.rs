//! Gentoo's netifrc under OpenRC: one more entry in `config_IF` of `/etc/conf.d/net`.
//!
//! Follows netifrc's net.example and openrc-run(8), and what netifrc 0.7.14 was measured to do (see `specs`). Leaves out
//! the modules of netifrc besides their names; Funtoo's own scripts and dhcpcd as a service are other systems.

mod cut;
mod edit;
mod files;
mod functions;
mod grow;
mod guide;
mod specs;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Claim, Entry, Role, Situation, Stance, Strength};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Action, Apply, Change, Check, Command, Direct, Disturbs, Plan, Staged, Step};
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

    fn home(&self) -> &'static str {
        "/etc/conf.d/net"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        if host::os_release(root)?.id == "funtoo" {
            let reason = "Funtoo has network scripts of its own, which read /etc/conf.d/netif.IF";
            return Ok(Stance::NotInCharge(reason.to_owned()));
        }
        if root.kind(&"/etc/init.d/net.lo".into())? == NodeKind::Absent {
            return Ok(Stance::Absent("there is no /etc/init.d/net.lo".to_owned()));
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
            restart: match Reading::of(root, primary).ok().and_then(|reading| reading.lock_out()) {
                Some(reason) => Err(reason),
                None => Ok(restart(primary).argv.join(" ")),
            },
            warnings: Vec::new(),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        entries(root)
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        edit::add(root, want)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        edit::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

fn entries(root: &Root) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    for service in services(root)? {
        all.extend(Reading::of(root, &service)?.entries()?);
    }
    Ok(all)
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

    /// Refuses what an interface is started with and only a run of the files would tell.
    fn entries(&self) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        let idle = (!self.service.is_started()).then(|| format!("net.{} is in no runlevel", self.service.interface));
        let specs_of_config = if idle.is_none() { self.specs()? } else { self.specs().unwrap_or_default() };
        if let Some((_, specs)) = specs_of_config {
            let primary = self.primary(&specs).filter(|_| idle.is_none());
            for (index, spec) in specs.iter().enumerate() {
                let role = if primary == Some(index) { Role::Primary } else { Role::Additional };
                self.spec_entries(role, spec, idle.as_deref(), &mut all);
            }
        }
        let fallback = format!("fallback_{}", self.service.suffix());
        let fallback = self.config.environment.get(&fallback).and_then(|variable| specs(&variable.value));
        for spec in fallback.iter().flat_map(|(_, specs)| specs) {
            self.spec_entries(Role::Additional, spec, Some("it is only set where the entry of config fails"), &mut all);
        }
        all.extend(functions::entries(&self.config, &self.service.interface, idle.as_deref()));
        Ok(all)
    }

    fn spec_entries(&self, role: Role, spec: &Spec, idle: Option<&str>, all: &mut Vec<Entry>) {
        let (Some(meaning), Some(origin)) = (spec.meaning(), spec.origin) else { return };
        let entry = |address: IpNet, problem: Option<String>| Entry {
            interface: self.service.interface.clone(),
            address,
            label: None,
            path: self.config.path(origin.source),
            line: self.line(origin.source, origin.at),
            form: format!("entry of {}", self.key),
            role: Role::Additional,
            problem: problem.or_else(|| idle.map(str::to_owned)),
        };
        let label = meaning.label.filter(|label| *label != self.service.interface);
        all.push(Entry { role, label, ..entry(meaning.address, meaning.problem) });
        let lost = "it stands behind another address on its line, which netifrc takes for an option";
        all.extend(meaning.lost.into_iter().map(|address| entry(address, Some(lost.to_owned()))));
    }

    /// Which specification has the address that the host is known by: the first, unless it is of IPv6 and the default route
    /// is not; then the first in whose subnet the gateway is. Behind `dhcp` or `null` every address is additional.
    fn primary(&self, specs: &[Spec]) -> Option<usize> {
        let addresses = specs.iter().map_while(Spec::meaning).map(|meaning| meaning.address).enumerate();
        let mut addresses = addresses.peekable();
        let (_, first) = addresses.peek()?;
        let routes = self.config.environment.get(&format!("routes_{}", self.service.suffix()));
        let default =
            |also: &dyn Fn(&[String]) -> bool| routes.is_some_and(|routes| mentions_default(&routes.value, also));
        let over_ipv6 = |words: &[String]| words.iter().any(|word| word.contains(':') && word != "::/0");
        if first.addr().is_ipv4() || default(&over_ipv6) {
            return Some(0);
        }
        let reaches = |net: &IpNet| {
            default(&|words| words.iter().any(|word| word.parse::<IpAddr>().is_ok_and(|ip| net.contains(&ip))))
        };
        addresses.find(|(_, net)| reaches(net)).map(|(index, _)| index)
    }

    /// Why a restart would leave the interface without its first address, if it would.
    fn lock_out(&self) -> Option<String> {
        let (_, specs) = self.specs().ok()??;
        let meaning = specs.first()?.meaning()?;
        Some(format!("it would leave {} unset: {}", meaning.address, meaning.problem?))
    }

    /// Whether netifrc's ifconfig module sets the addresses: a name with `!` in front switches the other one off.
    fn is_by_ifconfig(&self) -> bool {
        let words = |name: &str| -> Vec<String> {
            let text = match self.config.environment.get(name).map(|variable| &variable.value) {
                Some(Value::Text(text)) => text.text(),
                // `$modules` is the first element of an array.
                Some(Value::Array(all)) => {
                    all.iter().find(|one| one.index == 0).map(|one| one.value.text()).unwrap_or_default()
                }
                _ => String::new(),
            };
            text.split_whitespace().map(str::to_owned).collect()
        };
        let own = words(&format!("modules_{}", self.service.suffix()));
        let modules = if own.is_empty() { words("modules") } else { own };
        modules.iter().any(|word| word == "!iproute2")
    }

    fn line(&self, source: usize, at: usize) -> usize {
        self.config.files.get(source).map_or(1, |(_, text)| text.line_of(at))
    }
}

/// The plan around the changes: addresses go up and down directly, and the full restart is netifrc's.
fn plan(changes: Vec<Change>, steps: Vec<Action>, readings: &[Reading]) -> Plan {
    let steps: Vec<Step> = steps.into_iter().map(Step::new).collect();
    let started = readings.iter().filter(|reading| reading.service.is_started());
    let restarts: Vec<Step> = started.map(|reading| Step::reread(restart(&reading.service))).collect();
    let restart = match readings.iter().find_map(Reading::lock_out) {
        Some(reason) => Err(reason),
        None => Ok(if restarts.is_empty() { steps.clone() } else { restarts }),
    };
    let checks = changes.iter().map(|change| Check {
        staged: Staged::File(change.path.clone()),
        argv: ["sh", "-n", "{}"].map(str::to_owned).to_vec(),
    });
    Plan {
        checks: checks.collect(),
        changes,
        auto: Apply { before: Vec::new(), after: steps },
        restart: restart.map(|after| Apply { before: Vec::new(), after }),
        ..Plan::nothing()
    }
}
