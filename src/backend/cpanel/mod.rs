//! cPanel & WHM: additional addresses in `/etc/ips`, which the `ipaliases` service brings up, and in `/etc/ipaddrpool`,
//! from which WHM gives them to accounts.
//!
//! Follows docs.cpanel.net, "Add a New IP Address", and the guides of hosters; from documentation, no cPanel host was
//! available. Leaves out `/etc/reservedips`, which is only looked at, and IPv6, which WHM keeps elsewhere. The primary
//! address belongs to the system below (see `detect`). What the service is called under systemd is from memory.

mod api;
mod below;
mod guide;

pub use api::by_api;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::alias::{Alias, IfName, netmask_to_prefix};
use crate::backend::{Backend, Claim, Entry, Role, Situation, Stance, Strength};
use crate::error::{Kind, Refusal, Result};
use crate::guide::Guide;
use crate::host;
use crate::plan::{Action, Apply, Backup, Change, Command, Direct, Plan, Step};
use crate::root::{NodeKind, Root, RootPath};
use crate::text::{Splice, Text};

const IPS: &str = "/etc/ips";
const POOL: &str = "/etc/ipaddrpool";
const RESERVED: &str = "/etc/reservedips";
const SETUP: &str = "/etc/wwwacct.conf";
const DISABLED: &str = "/etc/ipaliasesdisable";
const SCRIPT: &str = "/etc/init.d/ipaliases";

/// cPanel & WHM.
#[derive(Debug, Clone, Copy)]
pub struct Cpanel;

impl Backend for Cpanel {
    fn name(&self) -> &'static str {
        "cpanel"
    }

    fn home(&self) -> &'static str {
        IPS
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let programs = ["/usr/local/cpanel/version", "/usr/local/cpanel/cpanel"];
        let Some(program) = first_present(root, &programs)? else {
            return Ok(Stance::Absent("there is no /usr/local/cpanel".to_owned()));
        };
        let service = service(root)?;
        let signs = [SETUP, IPS, SCRIPT];
        if service.is_none() && first_present(root, &signs)?.is_none() {
            return Ok(Stance::NotInCharge(format!("{program} is there, but none of {}", signs.join(", "))));
        }
        let restart = restart(root)?.map_or("ip addr add".to_owned(), |command| command.argv.join(" "));
        let mut warnings = unknown_lines(&read(root, &IPS.into())?);
        if is_disabled(root)? {
            warnings.push(format!("{DISABLED} switches the service off that brings {IPS} up"));
        }
        if service.is_none() {
            warnings.push(format!("there is no ipaliases service here, which would bring {IPS} up at boot"));
        }
        Ok(Stance::InCharge(Claim {
            strength: Strength::Panel,
            interface: named_device(root)?,
            evidence: vec![format!("{program} is there: cPanel keeps the additional addresses in {IPS}")],
            files: vec![IPS.into(), POOL.into()],
            auto: restart.clone(),
            restart: Ok(restart),
            warnings,
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let path = root.resolve(&IPS.into())?;
        let text = read(root, &path)?;
        if aliases(&text).next().is_none() {
            return Ok(Vec::new());
        }
        let device = device(root)?;
        let off = is_disabled(root)?.then(|| format!("{DISABLED} switches the service off"));
        let (free, reserved) = (pooled(&read(root, &POOL.into())?), reserved(root)?);
        let form = |ip: Ipv4Addr| match (free.contains(&ip), reserved.contains(&ip)) {
            (true, _) => format!("line of {IPS} and of {POOL}"),
            (_, true) => format!("line of {IPS}, reserved in {RESERVED}"),
            _ => format!("line of {IPS}"),
        };
        let mut seen = BTreeSet::new();
        let entry = |(number, address): (usize, Ipv4Net)| {
            let again = (!seen.insert(address.addr())).then(|| "the same address stands further up".to_owned());
            Entry {
                interface: device.clone(),
                address: address.into(),
                label: None,
                path: path.clone(),
                line: number,
                form: form(address.addr()),
                role: Role::Additional,
                problem: again.or_else(|| off.clone()),
            }
        };
        Ok(aliases(&text).map(entry).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        if is_disabled(root)? {
            let hint =
                format!("delete that file first, or name the system below with --backend; {}", below::names(root)?);
            let reason = format!("{DISABLED} switches the service off that would bring the address up");
            return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&DISABLED.into(), 0).into());
        }
        below::only_once(root, want)?;
        no_main_address(root, want)?;
        let device = device(root)?;
        let wanted = want.iter().map(|alias| acceptable(root, alias, &device)).collect::<Result<Vec<_>>>()?;
        let (ips, pool) = (root.resolve(&IPS.into())?, root.resolve(&POOL.into())?);
        let lines = wanted.iter().map(|net| format!("{}:{}:{}", net.addr(), net.netmask(), broadcast(net)));
        let free = pooled(&read(root, &pool)?);
        let new = wanted.iter().map(Ipv4Net::addr).filter(|ip| !free.contains(ip));
        let changes =
            [appended(root, &ips, lines.collect())?, appended(root, &pool, new.map(|ip| ip.to_string()).collect())?];
        let directly = || want.iter().cloned().map(|alias| Step::new(Action::Add(alias))).collect();
        let after = restart(root)?.map_or_else(directly, |command| vec![Step::reread(command)]);
        let apply = Apply { before: Vec::new(), after };
        let mut notes =
            vec![format!("WHM makes {POOL} anew now and then, from what it knows as assigned and reserved")];
        let reserved = reserved(root)?;
        notes.extend(
            wanted
                .iter()
                .map(Ipv4Net::addr)
                .filter(|ip| reserved.contains(ip))
                .map(|ip| format!("{ip} is reserved in {RESERVED}, so WHM will not give it to an account")),
        );
        Ok(Plan {
            changes: changes.into_iter().flatten().collect(),
            auto: apply.clone(),
            restart: Ok(apply),
            notes,
            ..Plan::nothing()
        })
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        let (ips, pool) = (root.resolve(&IPS.into())?, root.resolve(&POOL.into())?);
        let out: BTreeSet<IpAddr> = gone.iter().map(|entry| entry.address.addr()).collect();
        let is_out = |ip: Option<Ipv4Addr>| ip.is_some_and(|ip| out.contains(&IpAddr::V4(ip)));
        let changes = [
            without(root, &ips, |line| is_out(alias_of(line).map(|net| net.addr())))?,
            without(root, &pool, |line| is_out(address_of(line)))?,
        ];
        // A restart brings up what stands in the file; it does not take down what no longer does.
        let down = |entry: &Entry| {
            let interface = IfName::new(&entry.interface).ok()?;
            let alias = Alias { interface, address: entry.address, label: None, preferred: false };
            Some(Step::with_undo(Action::Delete(alias.clone()), Action::Add(alias)))
        };
        let apply = Apply { before: gone.iter().filter_map(down).collect(), after: Vec::new() };
        Ok(Plan {
            changes: changes.into_iter().flatten().collect(),
            auto: apply.clone(),
            restart: Ok(apply),
            notes: unknown_lines(&read(root, &ips)?),
            ..Plan::nothing()
        })
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

fn read(root: &Root, path: &RootPath) -> Result<Text> {
    Ok(Text::new(root.read(path)?.unwrap_or_default()))
}

fn first_present<'p>(root: &Root, paths: &[&'p str]) -> Result<Option<&'p str>> {
    for path in paths {
        if root.kind(&(*path).into())? != NodeKind::Absent {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_disabled(root: &Root) -> Result<bool> {
    Ok(root.kind(&DISABLED.into())? != NodeKind::Absent)
}

/// What starts the aliases here: the init script, or the unit's path.
fn service(root: &Root) -> Result<Option<&'static str>> {
    let unit = "ipaliases.service";
    let places = [
        SCRIPT,
        "/etc/systemd/system/ipaliases.service",
        "/usr/lib/systemd/system/ipaliases.service",
        "/lib/systemd/system/ipaliases.service",
    ];
    match first_present(root, &places)? {
        None if host::unit_enabled(root, unit)? => Ok(Some(unit)),
        found => Ok(found),
    }
}

/// The restart of the service, whichever way it has here; nothing where there is none.
fn restart(root: &Root) -> Result<Option<Command>> {
    Ok(service(root)?.map(|service| match service {
        SCRIPT => Command::new([SCRIPT, "restart"]),
        _ => Command::new(["systemctl", "restart", "ipaliases"]),
    }))
}

/// A value of `/etc/wwwacct.conf` and its line.
fn setting(root: &Root, key: &str) -> Result<Option<(usize, String)>> {
    let text = read(root, &SETUP.into())?;
    let found = text.lines().find_map(|line| {
        let content = String::from_utf8_lossy(line.content).into_owned();
        let mut words = content.split_whitespace();
        let value = words.next().filter(|word| *word == key).and_then(|_| words.next())?;
        Some((line.number, value.to_owned()))
    });
    Ok(found)
}

/// The device of `ETHDEV`, without the `:0` that it may have.
fn named_device(root: &Root) -> Result<Option<IfName>> {
    let named = setting(root, "ETHDEV")?;
    Ok(named.and_then(|(_, name)| IfName::new(name.split(':').next().unwrap_or_default()).ok()))
}

/// Refuses the main address of the panel: `ADDR` (from memory).
fn no_main_address(root: &Root, want: &[Alias]) -> Result<()> {
    let Some((line, main)) = setting(root, "ADDR")? else { return Ok(()) };
    match main.parse::<IpAddr>() {
        Ok(ip) if want.iter().any(|alias| alias.address.addr() == ip) => {
            let reason = format!("{ip} is the main address of the panel");
            Err(Refusal::new(Kind::Unacceptable, reason, "it needs no adding").at(&SETUP.into(), line).into())
        }
        _ => Ok(()),
    }
}

/// The device that the aliases come up on: `ETHDEV`, or the primary interface.
fn device(root: &Root) -> Result<String> {
    if let Some(named) = named_device(root)? {
        return Ok(named.to_string());
    }
    if let Some(primary) = host::default_route_interface(root)? {
        return Ok(primary);
    }
    let claims = below::claims(root)?;
    let found = claims.into_iter().find_map(|(_, claim)| claim.interface);
    let hint = format!("name it in {SETUP}, for example: ETHDEV eth0");
    let refusal = Refusal::new(Kind::Unsupported, "the interface of the aliases cannot be told", hint);
    found.map(|name| name.to_string()).ok_or_else(|| refusal.at(&SETUP.into(), 0).into())
}

/// The alias in a line of `/etc/ips`: `IP`, `IP:NETMASK` or `IP:NETMASK:BROADCAST`.
fn alias_of(line: &[u8]) -> Option<Ipv4Net> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let mut fields = line.split(':');
    let ip: Ipv4Addr = fields.next()?.trim().parse().ok()?;
    let bits = match fields.next().map(str::trim) {
        None | Some("") => 32,
        Some(mask) => netmask_to_prefix(mask.parse().ok()?)?,
    };
    // The broadcast address, then nothing.
    Ipv4Net::new(ip, bits).ok().filter(|_| fields.count() <= 1)
}

/// Lines that are no alias: they stay as they are.
fn unknown_lines(text: &Text) -> Vec<String> {
    let unknown = text.lines().filter(|line| !line.is_blank() && alias_of(line.content).is_none());
    unknown.map(|line| format!("{IPS}:{}: this is no alias; the line stays as it is", line.number)).collect()
}

fn aliases(text: &Text) -> impl Iterator<Item = (usize, Ipv4Net)> + '_ {
    text.lines().filter_map(|line| Some((line.number, alias_of(line.content)?)))
}

/// The address in a line of `/etc/ipaddrpool`.
fn address_of(line: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

fn pooled(text: &Text) -> BTreeSet<Ipv4Addr> {
    text.lines().filter_map(|line| address_of(line.content)).collect()
}

/// The addresses of `/etc/reservedips`: lines `IP=reason`.
fn reserved(root: &Root) -> Result<BTreeSet<Ipv4Addr>> {
    let text = read(root, &RESERVED.into())?;
    let address = |line: &[u8]| address_of(line.split(|byte| *byte == b'=').next().unwrap_or_default());
    Ok(text.lines().filter_map(|line| address(line.content)).collect())
}

fn broadcast(net: &Ipv4Net) -> Ipv4Addr {
    if net.prefix_len() == 32 { net.addr() } else { net.broadcast() }
}

/// The alias as `/etc/ips` can have it.
fn acceptable(root: &Root, alias: &Alias, device: &str) -> Result<Ipv4Net> {
    let refuse = |reason: String, hint: String| Err(Refusal::new(Kind::Unacceptable, reason, hint).into());
    if alias.label.is_some() {
        let hint = "leave --label out: cPanel labels its aliases itself".to_owned();
        return refuse("cPanel does not take a label".to_owned(), hint);
    }
    if alias.interface.as_str() != device {
        let hint = format!("name the system below with --backend; {}", below::names(root)?);
        return refuse(
            format!("cPanel puts every alias on {device} (ETHDEV in {SETUP}), not on {}", alias.interface),
            hint,
        );
    }
    match alias.address {
        IpNet::V4(net) => Ok(net),
        IpNet::V6(net) => {
            let hint = format!("add it to the system below with --backend; {}", below::names(root)?);
            refuse(format!("{net}: {IPS} takes IPv4 addresses only"), hint)
        }
    }
}

/// The change that appends `lines`; none if there are none.
fn appended(root: &Root, path: &RootPath, lines: Vec<String>) -> Result<Option<Change>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let before = root.read(path)?;
    let text = Text::new(before.clone().unwrap_or_default());
    let eol = text.eol();
    // The panel takes a byte order mark for a part of the first line.
    let is_open = text.bytes().last().is_some_and(|byte| *byte != b'\n');
    let mut with = if is_open { eol.to_owned() } else { String::new() };
    lines.iter().for_each(|line| with.push_str(&format!("{line}{eol}")));
    let after = text.apply(vec![Splice::insert(text.bytes().len(), with)])?;
    Ok(Some(Change { path: path.clone(), before, after: Some(after), mode: 0o644, backup: Backup::Beside }))
}

/// The change that takes out the lines that `goes` says; none if there are none. A file that held nothing else goes, too:
/// it says nothing, and it was not there before its first line.
fn without(root: &Root, path: &RootPath, goes: impl Fn(&[u8]) -> bool) -> Result<Option<Change>> {
    let Some(before) = root.read(path)? else { return Ok(None) };
    let text = Text::new(before.clone());
    let splices: Vec<Splice> =
        text.lines().filter(|line| goes(line.content)).map(|line| Splice::delete(line.range())).collect();
    if splices.is_empty() {
        return Ok(None);
    }
    let after = Some(text.apply(splices)?).filter(|after| !after.is_empty());
    Ok(Some(Change { path: path.clone(), before: Some(before), after, mode: 0o644, backup: Backup::Beside }))
}
