//! Solaris 11 and illumos: address objects of ipadm(1M).
//!
//! Read from a record (`ipadm show-addr -p -o addrobj,type,state,persistent,addr`) or from `/etc/ipadm/ipadm.conf`, whose
//! format is not documented as an interface and is therefore never written. From documentation and sources, untested on a
//! real host. Leaves out NWAM and zones with a shared stack, which files cannot tell.

mod guide;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::alias::{Alias, IfName, host_prefix, lowest_free, with_prefix};
use crate::backend::{Backend, Claim, Entry, Role, Situation, Stance, Strength, solaris};
use crate::error::{Kind, Refusal, Result};
use crate::guide::Guide;
use crate::host;
use crate::plan::{Action, Apply, Backup, Change, Command, Direct, Plan, Step};
use crate::root::{NodeKind, Root, RootPath};
use crate::text::{Splice, Text};

/// What [`LISTING`] printed.
pub const RECORD: &str = "/ipalias/ipadm";

/// The command that lists every address object.
pub const LISTING: &[&str] = &["ipadm", "show-addr", "-p", "-o", "addrobj,type,state,persistent,addr"];

const CONF: &str = "/etc/ipadm/ipadm.conf";

const LOOPBACK: &str = "lo0";

/// ipadm.
#[derive(Debug, Clone, Copy)]
pub struct Ipadm;

/// An address object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    /// `IF/NAME`.
    name: String,
    /// `static`, `dhcp` or `addrconf`.
    sort: String,
    address: Option<IpNet>,
    /// Why it does not come up at boot.
    problem: Option<String>,
    /// The lines it stands in, from 0.
    lines: Vec<usize>,
}

impl Backend for Ipadm {
    fn name(&self) -> &'static str {
        "ipadm"
    }

    fn home(&self) -> &'static str {
        "ipadm"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        let (path, text) = source(root)?;
        if !solaris::has_ipadm(root)? && root.kind(&path)? == NodeKind::Absent {
            return Ok(Stance::Absent("there is no ipadm".to_owned()));
        }
        let objects = objects(&path, &text);
        let primary = primary(root, &objects)?;
        let shadow = match &primary {
            Some(name) => shadow(root, name)?,
            // Without an object of its own, ipadm is in charge only where no interface has a hostname file.
            None => any_shadow(root)?,
        };
        if let Some(file) = shadow {
            return Ok(Stance::NotInCharge(format!(
                "{file} is there, so that ipadm's configuration of that interface is ignored at boot"
            )));
        }
        Ok(Stance::InCharge(Claim {
            strength: Strength::Enabled,
            interface: primary.and_then(|name| IfName::new(&name).ok()),
            evidence: vec!["ipadm is here, and no hostname file is in its way".to_owned()],
            files: vec![path],
            auto: "ipadm create-addr -T static -a local=ADDRESS IF/NAME".to_owned(),
            restart: Ok("ipadm create-addr -T static -a local=ADDRESS IF/NAME".to_owned()),
            warnings: Vec::new(),
        }))
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let (path, text) = source(root)?;
        let mut first: BTreeSet<String> = BTreeSet::new();
        let entry = |object: &Object| {
            let (interface, _) = object.name.split_once('/')?;
            let address = object.address?;
            let leads = address.addr().is_ipv4() && first.insert(interface.to_owned());
            let wide = address.prefix_len() < host_prefix(address.addr());
            Some(Entry {
                interface: interface.to_owned(),
                address,
                label: None,
                path: path.clone(),
                line: object.lines.first().map_or(1, |line| line + 1),
                form: format!("address object {}", object.name),
                role: if leads && wide { Role::Primary } else { Role::Additional },
                problem: object.problem.clone(),
            })
        };
        Ok(objects(&path, &text).iter().filter_map(entry).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], _now: &Situation) -> Result<Plan> {
        let (path, text) = source(root)?;
        let objects = objects(&path, &text);
        let mut names: BTreeSet<String> = objects.iter().map(|object| object.name.clone()).collect();
        let mut plan = Plan::nothing();
        let (mut lines, mut after) = (String::new(), Vec::new());
        for alias in want {
            let interface = alias.interface.as_str();
            if interface == LOOPBACK {
                let reason = "lo0 is the loopback interface, whose addresses are not looked at here";
                return Err(Refusal::new(Kind::Unacceptable, reason, "name another interface with -i").into());
            }
            if let Some(file) = shadow(root, interface)? {
                let hint = "use --backend solaris";
                let reason =
                    format!("{file} is there, so that ipadm's configuration of {interface} is ignored at boot");
                return Err(Refusal::new(Kind::Ambiguous, reason, hint).into());
            }
            let label =
                alias.label.as_ref().map(|label| label.as_str().rsplit(':').next().unwrap_or_default().to_owned());
            if let Some(word) = label.as_deref().filter(|word| !is_object_name(word)) {
                let reason = format!("{word:?} cannot name an address object");
                let hint = "a name begins with a letter and has letters, digits and underscores";
                return Err(Refusal::new(Kind::Unacceptable, reason, hint).into());
            }
            let name = format!("{interface}/{}", label.unwrap_or_else(|| free_name(alias, &names)));
            if !names.insert(name.clone()) {
                let hint = "choose another label, or leave it out";
                return Err(Refusal::new(
                    Kind::Unacceptable,
                    format!("there is an address object {name} already"),
                    hint,
                )
                .into());
            }
            let link_local = objects
                .iter()
                .any(|object| object.sort == "addrconf" && object.name.starts_with(&format!("{interface}/")));
            if alias.address.addr().is_ipv6() && !link_local && names.insert(format!("{interface}/v6")) {
                let object = format!("{interface}/v6");
                after.push(Step::with_undo(
                    run(&["create-addr", "-T", "addrconf", &object]),
                    run(&["delete-addr", &object]),
                ));
                plan.notes.push(format!("{object} is created, too: IPv6 needs a link-local address first"));
                lines.push_str(&line(&path, &object, "addrconf", None));
            }
            after.push(Step::with_undo(create(&name, alias.address), run(&["delete-addr", &name])));
            lines.push_str(&line(&path, &name, "static", Some(alias.address)));
        }
        let open = if text.ends_open() { "\n" } else { "" };
        let bytes = [text.bytes(), open.as_bytes(), lines.as_bytes()].concat();
        plan.changes.push(change(root, &path, bytes)?);
        plan.auto = Apply { before: Vec::new(), after };
        plan.restart = Ok(plan.auto.clone());
        Ok(plan)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        let (path, text) = source(root)?;
        let mut splices = Vec::new();
        let mut after = Vec::new();
        let objects = objects(&path, &text);
        for object in &objects {
            let form = format!("address object {}", object.name);
            let Some(entry) = gone.iter().find(|entry| entry.form == form) else { continue };
            if objects.iter().filter(|other| other.name == object.name).count() > 1 {
                let reason = format!("there are several objects of the name {}", object.name);
                let hint = "make the record anew: a name stands for one static address";
                return Err(Refusal::new(Kind::Malformed, reason, hint).at(&path, entry.line).into());
            }
            splices.extend(
                object.lines.iter().filter_map(|line| text.line(*line)).map(|line| Splice::delete(line.range())),
            );
            after.push(Step::with_undo(run(&["delete-addr", &object.name]), create(&object.name, entry.address)));
        }
        let mut plan = Plan::nothing();
        plan.changes.push(change(root, &path, text.apply(splices)?)?);
        plan.auto = Apply { before: Vec::new(), after };
        plan.restart = Ok(plan.auto.clone());
        Ok(plan)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        solaris::direct(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// The record, or the file if there is none.
fn source(root: &Root) -> Result<(RootPath, Text)> {
    let record = root.read(&RECORD.into())?;
    let path: RootPath = if record.is_some() { RECORD.into() } else { CONF.into() };
    let bytes = match record {
        Some(bytes) => bytes,
        None => root.read(&path)?.unwrap_or_default(),
    };
    let text = Text::new(bytes);
    if text.has_bom() {
        let reason = "the file begins with a byte order mark, which would be a part of the first name";
        return Err(Refusal::new(Kind::Malformed, reason, "take it out").at(&path, 1).into());
    }
    Ok((path, text))
}

/// The hostname file that makes the start scripts pass over ipadm's configuration of an interface.
fn shadow(root: &Root, interface: &str) -> Result<Option<String>> {
    for start in ["/etc/hostname.", "/etc/hostname6."] {
        let path = format!("{start}{interface}");
        if root.kind(&path.as_str().into())? != NodeKind::Absent {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The first hostname file of an interface other than the loopback.
fn any_shadow(root: &Root) -> Result<Option<String>> {
    let names = root.list(&"/etc".into())?.into_iter().map(|name| String::from_utf8_lossy(&name).into_owned());
    let interface = |name: &String| {
        let rest = name.strip_prefix("hostname.").or(name.strip_prefix("hostname6."));
        rest.is_some_and(|rest| {
            rest != LOOPBACK && !rest.contains(['.', ':']) && rest.ends_with(|c: char| c.is_ascii_digit())
        })
    };
    Ok(names.filter(interface).map(|name| format!("/etc/{name}")).next())
}

fn objects(path: &RootPath, text: &Text) -> Vec<Object> {
    if path.as_bytes() == RECORD.as_bytes() { of_record(text) } else { of_conf(text) }
}

/// Lines `IF/NAME:static:ok:U--:192.0.2.10/24`, with `\:` for a colon inside a field.
fn of_record(text: &Text) -> Vec<Object> {
    let object = |(number, line): (usize, crate::text::Line<'_>)| {
        let line = String::from_utf8_lossy(line.content).replace("\\:", "\u{1}");
        let fields: Vec<String> = line.split(':').map(|field| field.replace('\u{1}', ":")).collect();
        let [name, sort, _, persistent, address] = fields.as_slice() else { return None };
        let temporary = !persistent.contains('U');
        Some(Object {
            name: name.clone(),
            sort: sort.clone(),
            address: address.parse().ok().filter(|_| sort == "static" && !is_of_loopback(name)),
            problem: temporary.then(|| "it is temporary, or of a lease".to_owned()).filter(|_| sort == "static"),
            lines: vec![number],
        })
    };
    text.lines().enumerate().filter_map(object).collect()
}

/// Lines of `name=value;`: an object is spread over several.
fn of_conf(text: &Text) -> Vec<Object> {
    let mut order: Vec<String> = Vec::new();
    let mut all: BTreeMap<String, (BTreeMap<String, String>, Vec<usize>)> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = String::from_utf8_lossy(line.content).into_owned();
        let pairs: BTreeMap<String, String> = line
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let Some(name) = pairs.get("_aobjname").cloned() else { continue };
        if !all.contains_key(&name) {
            order.push(name.clone());
        }
        let known = all.entry(name).or_default();
        known.0.extend(pairs);
        known.1.push(number);
    }
    let object = |name: String| {
        let (pairs, lines) = all.get(&name)?;
        let address = pairs.get("_ipv4addr").or(pairs.get("_ipv6addr"));
        let ip = address.and_then(|value| value.split(',').next()?.parse::<IpAddr>().ok());
        let bits = pairs.get("prefixlen").and_then(|bits| bits.parse::<u8>().ok());
        let sort = if ip.is_some() {
            "static"
        } else if pairs.contains_key("_dhcp") {
            "dhcp"
        } else {
            "addrconf"
        };
        let down = pairs.get("up").is_some_and(|up| up == "no");
        Some(Object {
            sort: sort.to_owned(),
            address: ip.and_then(|ip| with_prefix(ip, bits.unwrap_or_else(|| host_prefix(ip)))),
            problem: down.then(|| "up is no".to_owned()),
            lines: lines.clone(),
            name,
        })
    };
    order.into_iter().filter_map(object).collect()
}

/// What the source says of an object that is created.
fn line(path: &RootPath, name: &str, sort: &str, address: Option<IpNet>) -> String {
    let interface = name.split('/').next().unwrap_or_default();
    if path.as_bytes() == RECORD.as_bytes() {
        let address = address.map_or_else(String::new, |address| address.to_string().replace(':', "\\:"));
        return format!("{name}:{sort}:ok:U--:{address}\n");
    }
    let Some(address) = address else { return format!("_ifname={interface};_aobjname={name};_intfid=;\n") };
    let key = if address.addr().is_ipv4() { "_ipv4addr" } else { "_ipv6addr" };
    format!(
        "_ifname={interface};_aobjname={name};{key}={},;up=yes;\n_ifname={interface};_aobjname={name};prefixlen={};\n",
        address.addr(),
        address.prefix_len()
    )
}

/// Whether an object, or in a listing an interface, is of the loopback.
fn is_of_loopback(name: &str) -> bool {
    name.split('/').next() == Some(LOOPBACK)
}

/// Whether ipadm(1M) takes `word` behind the slash (from memory; it may take more).
fn is_object_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A name that no object has: `ipa22x33x44x55`, or `ipa6x1` and so on.
fn free_name(alias: &Alias, names: &BTreeSet<String>) -> String {
    let ip = alias.address.addr();
    let name = format!("ipa{}", ip.to_string().replace('.', "x"));
    if ip.is_ipv4() && !names.contains(&format!("{}/{name}", alias.interface)) {
        return name;
    }
    let stem = if ip.is_ipv4() { name + "x" } else { "ipa6x".to_owned() };
    let start = format!("{}/{stem}", alias.interface);
    let taken = names.iter().filter_map(|name| name.strip_prefix(&start)?.parse().ok()).collect();
    let number = lowest_free(&taken, 1).next().unwrap_or(1);
    format!("{stem}{number}")
}

/// The interface whose subnet has the default router, or that of the first static or leased address.
fn primary(root: &Root, objects: &[Object]) -> Result<Option<String>> {
    if let Some(name) = host::default_route_interface(root)? {
        return Ok(name.split(':').next().map(str::to_owned));
    }
    let text = String::from_utf8_lossy(&root.read(&"/etc/defaultrouter".into())?.unwrap_or_default()).into_owned();
    let routers: Vec<IpAddr> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let reaches =
        |object: &&Object| object.address.is_some_and(|net| routers.iter().any(|router| net.contains(router)));
    let own = || objects.iter().filter(|object| !is_of_loopback(&object.name) && object.sort != "addrconf");
    let found = own().find(reaches).or_else(|| own().next());
    Ok(found.and_then(|object| object.name.split('/').next().map(str::to_owned)))
}

fn run(words: &[&str]) -> Action {
    Action::Run(Command::new(["ipadm"].into_iter().chain(words.iter().copied())))
}

fn create(name: &str, address: IpNet) -> Action {
    run(&["create-addr", "-T", "static", "-a", &format!("local={address}"), name])
}

fn change(root: &Root, path: &RootPath, after: Vec<u8>) -> Result<Change> {
    let before = root.read(path)?;
    Ok(Change { path: path.clone(), before, after: Some(after), mode: 0o644, backup: Backup::Record })
}
