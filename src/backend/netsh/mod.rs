//! Windows Server: `netsh interface ipv4 add address`, by the interface's number.
//!
//! Follows Microsoft's netsh and New-NetIPAddress references; what goes beyond them is from documentation, untested on a
//! real host. Windows has no file for it: the backend reads a record of the system and returns commands (ADR 5).
//! Leaves out failover clusters and teams, whose addresses belong to other tools.

mod guide;
mod record;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, IfName, host_prefix};
use crate::backend::{Backend, Claim, Entry, Role, Situation, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::guide::Guide;
use crate::plan::{Action, Apply, Backup, Change, Command, Direct, Disturbs, Plan, Step};
use crate::root::Root;

use record::{Address, Interface, Record, read, rendered};
pub use record::{RECORD, rendered_listing};

/// From this build on (Windows 10 1703, Server 2019) static addresses may stand beside a lease.
const COEXISTENCE: u32 = 15_063;

/// netsh.
#[derive(Debug, Clone, Copy)]
pub struct Netsh;

impl Backend for Netsh {
    fn name(&self) -> &'static str {
        "netsh"
    }

    fn home(&self) -> &'static str {
        "netsh"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let Some((path, record)) = read(root)? else {
            return Ok(Stance::Absent("this is not Windows".to_owned()));
        };
        let primary = record.interfaces.iter().find(|interface| interface.primary);
        let primary = primary.or(record.interfaces.iter().find(|interface| interface.addresses.iter().any(counts)));
        let mut evidence = vec![format!("this is Windows, build {} ({path} is the record of it)", record.build)];
        evidence
            .extend(primary.map(|interface| format!("interface {} is called {:?}", interface.key(), interface.name)));
        let auto = "netsh interface ipv4 add address name=INDEX address=ADDRESS mask=MASK";
        Ok(Stance::InCharge(Claim {
            strength: Strength::Running,
            interface: primary.and_then(|interface| IfName::new(&interface.key()).ok()),
            evidence,
            files: vec![path],
            auto: auto.to_owned(),
            restart: Ok(auto.to_owned()),
            warnings: if record.wine {
                vec!["this is wine, not Windows: its netsh changes nothing".to_owned()]
            } else {
                Vec::new()
            },
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let Some((_, record)) = read(root)? else { return Ok(Vec::new()) };
        let text = rendered(&record);
        let mut lines =
            text.lines().enumerate().filter(|(_, line)| line.starts_with("  ")).map(|(number, _)| number + 1);
        let mut all = Vec::new();
        for interface in &record.interfaces {
            let primary = primary(interface);
            for (at, address) in interface.addresses.iter().enumerate() {
                let line = lines.next().unwrap_or(1);
                if counts(address) {
                    let role = if primary.contains(&Some(at)) { Role::Primary } else { Role::Additional };
                    all.push(entry(interface, address, line, role));
                }
            }
        }
        Ok(all)
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        let mut record = required(root)?;
        let before = rendered(&record);
        let mut plan = Plan::nothing();
        let mut steps = Vec::new();
        for alias in want {
            if alias.label.is_some() {
                let hint = "leave --label out";
                return Err(Refusal::new(Kind::Unacceptable, "addresses have no labels on Windows", hint).into());
            }
            let build = record.build;
            let interface = interface_of(&mut record, alias)?;
            let index = interface.key();
            let is_manual = |address: &Address| address.origin == "manual" && address.address.addr().is_ipv4();
            if interface.dhcp && alias.address.addr().is_ipv4() {
                // An address that stands beside the lease shows that both may: switching that off again would hurt it.
                if !interface.addresses.iter().any(is_manual) {
                    steps.extend(beside_lease(interface, build, now.may_switch_to_static, alias)?);
                    if !interface.dhcp {
                        let note = "one command replaces the configuration of interface";
                        plan.notes.push(format!("{note} {index}; have the server's console at hand"));
                    }
                } else if now.may_switch_to_static && plan.notes.is_empty() {
                    plan.notes
                        .push(format!("interface {index} stays with DHCP, beside which it has addresses already"));
                }
            }
            let address = Address {
                address: alias.address,
                origin: "manual".to_owned(),
                skip_as_source: !alias.preferred,
                state: "preferred".to_owned(),
            };
            steps.push(Step::with_undo(set(&index, &address), unset(&index, &address)));
            interface.addresses.push(address);
        }
        finish(&mut plan, &before, &record, steps);
        Ok(plan)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        let mut record = required(root)?;
        let before = rendered(&record);
        let mut plan = Plan::nothing();
        let mut steps = Vec::new();
        for entry in gone {
            let Some(interface) = record.interfaces.iter_mut().find(|interface| interface.key() == entry.interface)
            else {
                continue;
            };
            let Some(at) = interface.addresses.iter().position(|address| address.address == entry.address) else {
                continue;
            };
            let address = interface.addresses.remove(at);
            if address.origin != "manual" {
                let hint = "it is the DHCP server's to give and take";
                let reason = format!("{} comes from {}", entry.address, address.origin);
                return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).into());
            }
            steps.push(Step::with_undo(unset(&entry.interface, &address), set(&entry.interface, &address)));
        }
        finish(&mut plan, &before, &record, steps);
        Ok(plan)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        direct(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

fn direct(alias: &Alias) -> Direct {
    let index = alias.interface.as_str();
    let (origin, state) = (String::new(), String::new());
    let address = Address { address: alias.address, origin, skip_as_source: !alias.preferred, state };
    Direct { up: set(index, &address), down: unset(index, &address) }
}

/// Addresses that somebody gave: not those that the system makes itself.
fn counts(address: &Address) -> bool {
    let ip = address.address.addr();
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    ["manual", "dhcp"].contains(&address.origin.as_str()) && !ip.is_loopback() && !link_local
}

/// The places of the primary addresses, IPv4 and IPv6, whatever the order of the listing: what came by DHCP, else what
/// shares a subnet with the gateway, else the first that is no host address; rather one that outgoing packets have.
fn primary(interface: &Interface) -> [Option<usize>; 2] {
    let place = |is_ipv4: bool| {
        let rank = |address: &Address| {
            let net = address.address;
            let reaches = interface.gateway.iter().any(|gateway| net.contains(gateway));
            let wide = net.prefix_len() < host_prefix(net.addr());
            let best = [address.origin == "dhcp", reaches && wide, wide].iter().position(|holds| *holds)?;
            Some((best, address.skip_as_source))
        };
        let own = interface.addresses.iter().enumerate();
        let own = own.filter(|(_, address)| counts(address) && address.address.addr().is_ipv4() == is_ipv4);
        own.filter_map(|(at, address)| Some((rank(address)?, at))).min().map(|(_, at)| at)
    };
    [place(true), place(false)]
}

fn entry(interface: &Interface, address: &Address, line: usize, role: Role) -> Entry {
    let net = address.address;
    let problem = match address.state.as_str() {
        "duplicate" => Some("another host has this address (duplicate address detection)".to_owned()),
        "invalid" => Some("the system calls it invalid".to_owned()),
        _ => None,
    };
    Entry {
        interface: interface.key(),
        address: net,
        label: None,
        path: RECORD.into(),
        line,
        form: format!("{} address of {:?}", address.origin, interface.name),
        role,
        problem,
    }
}

fn required(root: &Root) -> Result<Record> {
    let found = read(root)?;
    let hint = "run ipalias on the running system";
    found
        .map(|(_, record)| record)
        .ok_or_else(|| Refusal::new(Kind::Unsupported, "there is no record of the system", hint).into())
}

fn interface_of<'r>(record: &'r mut Record, alias: &Alias) -> Result<&'r mut Interface> {
    let known: Vec<String> =
        record.interfaces.iter().map(|interface| format!("{} ({})", interface.key(), interface.name)).collect();
    let found = record
        .interfaces
        .iter_mut()
        .find(|interface| interface.index.is_some() && interface.key() == alias.interface.as_str());
    found.ok_or_else(|| {
        let hint = format!("name it by its number with -i: {}", known.join(", "));
        Refusal::new(Kind::Unacceptable, format!("there is no interface {}", alias.interface), hint).into()
    })
}

/// The steps that let a static address stand beside a lease, or put static addresses in its place.
fn beside_lease(interface: &mut Interface, build: u32, may_switch: bool, alias: &Alias) -> Result<Vec<Step>> {
    let index = interface.key();
    let lease =
        interface.addresses.iter_mut().find(|address| address.origin == "dhcp" && address.address.addr().is_ipv4());
    let Some(lease) = lease else {
        let reason = format!("interface {index} uses DHCP and has no lease");
        let hint = "wait until it has an address; without one the command fails, and would switch DHCP off";
        return Err(Refusal::new(Kind::Unacceptable, reason, hint).into());
    };
    let name = format!("name={index}");
    let undo = netsh(&["ipv4", "set", "address", &name, "source=dhcp"]);
    let IpNet::V4(net) = lease.address else { return Ok(Vec::new()) };
    let (ip, mask) = (format!("address={}", net.addr()), format!("mask={}", net.netmask()));
    let gateway =
        interface.gateway.iter().find(|gateway| gateway.is_ipv4()).map(|gateway| format!("gateway={gateway}"));
    let mut words = vec!["ipv4", "set", "address", &name, "source=static", &ip, &mask];
    words.extend(gateway.as_deref());
    let mut fixed = vec![Step::with_undo(disturbing(netsh(&words)), undo)];
    for (number, server) in interface.dns.iter().filter(|server| server.is_ipv4()).enumerate() {
        let address = format!("address={server}");
        let place = format!("index={}", number + 1);
        let action = match number {
            0 => netsh(&["ipv4", "set", "dnsservers", &name, "source=static", &address, "validate=no"]),
            _ => netsh(&["ipv4", "add", "dnsservers", &name, &address, &place, "validate=no"]),
        };
        let back = netsh(&["ipv4", "set", "dnsservers", &name, "source=dhcp"]);
        fixed.push(if number == 0 { Step::with_undo(action, back) } else { Step::new(action) });
    }
    if may_switch {
        lease.origin = "manual".to_owned();
        interface.dhcp = false;
        return Ok(fixed);
    }
    let number = format!("interface={index}");
    if build >= COEXISTENCE {
        let switch =
            |word: &str| netsh(&["ipv4", "set", "interface", &number, &format!("dhcpstaticipcoexistence={word}")]);
        return Ok(vec![Step::with_undo(switch("enabled"), switch("disabled"))]);
    }
    let added = Address {
        address: alias.address,
        origin: String::new(),
        skip_as_source: !alias.preferred,
        state: String::new(),
    };
    let commands: Vec<String> =
        fixed.iter().map(|step| step.action.to_string()).chain([set(&index, &added).to_string()]).collect();
    let reason =
        format!("interface {index} uses DHCP, which this build ({build}) switches off with the first static address");
    let hint = format!("ipalias add --static does that with the values of the lease: {}", commands.join(" && "));
    Err(Refusal::new(Kind::Unacceptable, reason, hint).into())
}

fn disturbing(action: Action) -> Action {
    match action {
        Action::Run(command) => Action::Run(command.disturbing(Disturbs::Interface)),
        other => other,
    }
}

fn netsh(words: &[&str]) -> Action {
    Action::Run(Command::new(["netsh", "interface"].into_iter().chain(words.iter().copied())))
}

fn set(index: &str, address: &Address) -> Action {
    let skip = format!("skipassource={}", address.skip_as_source);
    match address.address {
        IpNet::V4(net) => {
            let (name, ip, mask) =
                (format!("name={index}"), format!("address={}", net.addr()), format!("mask={}", net.netmask()));
            netsh(&["ipv4", "add", "address", &name, &ip, &mask, "store=persistent", &skip])
        }
        IpNet::V6(net) => {
            let (name, ip) = (format!("interface={index}"), format!("address={net}"));
            netsh(&["ipv6", "add", "address", &name, &ip, "store=persistent", &skip])
        }
    }
}

fn unset(index: &str, address: &Address) -> Action {
    let ip = format!("address={}", address.address.addr());
    match address.address {
        IpNet::V4(_) => netsh(&["ipv4", "delete", "address", &format!("name={index}"), &ip]),
        IpNet::V6(_) => netsh(&["ipv6", "delete", "address", &format!("interface={index}"), &ip]),
    }
}

fn finish(plan: &mut Plan, before: &str, record: &Record, steps: Vec<Step>) {
    plan.changes.push(Change {
        path: RECORD.into(),
        before: Some(before.as_bytes().to_vec()),
        after: Some(rendered(record).into_bytes()),
        mode: 0o644,
        backup: Backup::Record,
    });
    plan.dump = ["netsh", "interface", "ipv4", "dump"].map(str::to_owned).to_vec();
    plan.auto = Apply { before: Vec::new(), after: steps };
    plan.restart = Ok(plan.auto.clone());
}
