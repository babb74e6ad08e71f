//! The plan that adds a file `hostname.IF:N` for each IPv4 address, a line of `hostname6.IF` for each IPv6 address.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net};

use super::files::{File, Tables, UNREAD};
use super::{finish, has_ipadm, ifconfig, survey};
use crate::alias::{Alias, lowest_free};
use crate::backend::Situation;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Change, Plan, Step};
use crate::root::{Root, RootPath};
use crate::text::{Splice, Text};

/// Logical interfaces that a driver takes, the physical one among them (from memory).
const MOST_LOGICAL: u32 = 8192;

/// The plan that configures `want`.
pub(super) fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    let own = survey(root)?;
    let tables = Tables::read(root)?;
    let mut plan = Plan::nothing();
    let mut after = Vec::new();
    let mut numbers = Numbers::taken(&own, now);
    let mut sixes: Vec<&Alias> = Vec::new();
    for alias in want {
        let interface = alias.interface.as_str();
        if !own.iter().any(|(file, _)| file.interface() == interface && file.number().is_none()) {
            let hint = match has_ipadm(root)? {
                true => "interfaces without that file are ipadm's: --backend ipadm",
                false => "configure the interface first, or name another one with -i",
            };
            let reason = format!("there is no /etc/hostname.{interface}");
            return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
        }
        let is_up = now.up(alias.address.addr()).is_some_and(|up| up.interface.split(':').next() == Some(interface));
        match alias.address {
            IpNet::V4(net) => {
                let name = match closed(&own, alias) {
                    Some(file) => {
                        plan.changes.push(close(file)?);
                        plan.notes.push(format!("{} had no line end, so that it was not executed", file.path));
                        file.name.clone()
                    }
                    None => {
                        let name = format!("{interface}:{}", numbers.next(alias, now)?);
                        plan.changes.push(new_file(&name, net, &tables));
                        name
                    }
                };
                if !is_up {
                    after.push(Step::with_undo(ifconfig(&[&name, "plumb"]), ifconfig(&[&name, "unplumb"])));
                    after.push(Step::new(ifconfig(&[&name, "inet", &net.to_string(), "up"])));
                }
            }
            IpNet::V6(net) if alias.label.is_some() => {
                let reason = format!("{net}: a label belongs to IPv4 here");
                return Err(Refusal::new(Kind::Unacceptable, reason, "leave --label out").into());
            }
            IpNet::V6(net) => {
                after.extend(plumb_six(&own, alias, &sixes, now));
                sixes.push(alias);
                if !is_up {
                    let undo = ifconfig(&[interface, "inet6", "removeif", &net.addr().to_string()]);
                    after.push(Step::with_undo(ifconfig(&[interface, "inet6", "addif", &net.to_string(), "up"]), undo));
                }
            }
        }
    }
    add_sixes(root, &own, &sixes, &mut plan)?;
    finish(&mut plan, after);
    Ok(plan)
}

type Survey = [(File, Vec<super::Address>)];

/// An interface without a hostname6 file has no IPv6 before the next boot (ifconfig(1M); from memory): the step that gives
/// it some, for the first address.
fn plumb_six(own: &Survey, alias: &Alias, before: &[&Alias], now: &Situation) -> Option<Step> {
    let interface = alias.interface.as_str();
    let has_file = own.iter().any(|(file, _)| file.six && file.interface() == interface);
    let mut up = now.up.iter().filter(|up| up.interface.split(':').next() == Some(interface));
    let is_plumbed = has_file
        || up.any(|up| up.address.addr().is_ipv6())
        || before.iter().any(|other| other.interface == alias.interface);
    let plumb = || ifconfig(&[interface, "inet6", "plumb", "up"]);
    (!is_plumbed).then(|| Step::with_undo(plumb(), ifconfig(&[interface, "inet6", "unplumb"])))
}

/// The logical interfaces that are in use, by interface.
struct Numbers(BTreeMap<String, BTreeSet<u32>>);

impl Numbers {
    /// Those of files, those that are up, and as many from 1 as there are lines `addif`: these take the lowest free ones.
    fn taken(own: &Survey, now: &Situation) -> Numbers {
        let mut all: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let own = || own.iter().filter(|(file, _)| !file.six);
        for (file, _) in own() {
            all.entry(file.interface().to_owned()).or_default().extend(file.number());
        }
        for (file, addresses) in own() {
            let taken = all.entry(file.interface().to_owned()).or_default();
            for _ in addresses.iter().filter(|address| address.is_addif) {
                let free = lowest_free(taken, 1).next();
                taken.extend(free);
            }
        }
        for (name, number) in now.up.iter().filter_map(logical) {
            all.entry(name).or_default().insert(number);
        }
        Numbers(all)
    }

    /// The one for an alias: that of its label, the one that it is up on, or the lowest free one.
    fn next(&mut self, alias: &Alias, now: &Situation) -> Result<u32> {
        let interface = alias.interface.as_str();
        let own = self.0.entry(interface.to_owned()).or_default();
        let here = now.up(alias.address.addr()).and_then(logical).filter(|(name, _)| name == interface);
        let free = lowest_free(own, 1).next().unwrap_or(1);
        let number = match &alias.label {
            None => here.map_or(free, |(_, number)| number),
            Some(label) => {
                let rest = label.as_str().strip_prefix(interface).and_then(|rest| rest.strip_prefix(':'));
                let named = rest.and_then(|number| number.parse::<u32>().ok());
                let is_free = |number: &u32| {
                    *number > 0 && (!own.contains(number) || here.as_ref().is_some_and(|(_, here)| here == number))
                };
                named.filter(is_free).ok_or_else(|| {
                    let hint = format!("write --label {interface}:N with a free number from 1, or leave it out");
                    Refusal::new(Kind::Unacceptable, format!("{label} is not a free logical interface"), hint)
                })?
            }
        };
        if number >= MOST_LOGICAL {
            let reason = format!("{interface} has no room for more than {MOST_LOGICAL} logical interfaces");
            return Err(Refusal::new(Kind::Unacceptable, reason, "use another interface: -i IF").into());
        }
        own.insert(number);
        Ok(number)
    }
}

/// Interface and number of an address that is up on a logical interface.
fn logical(up: &crate::backend::UpAddress) -> Option<(String, u32)> {
    let (name, number) = up.label.as_deref().unwrap_or(&up.interface).split_once(':')?;
    Some((name.to_owned(), number.parse().ok()?))
}

fn new_file(name: &str, net: Ipv4Net, tables: &Tables) -> Change {
    // `netmask +` would put the mask of netmasks(4) in place of this one; behind two lines nothing is put.
    let split = tables.prefixes(net.addr()).any(|bits| bits != net.prefix_len());
    let body = if split { format!("{net}\nup\n") } else { format!("{net} up\n") };
    Change {
        path: RootPath::from(format!("/etc/hostname.{name}").as_str()),
        before: None,
        after: Some(body.into_bytes()),
        mode: 0o644,
        backup: Backup::StoreOnly,
    }
}

/// The file of this address alone that is not executed because its line is open: a line end makes it good.
fn closed<'s>(own: &'s Survey, alias: &Alias) -> Option<&'s File> {
    let is_it = |(file, all): &&(File, Vec<super::Address>)| match all.as_slice() {
        [only] => {
            let entry = &only.entry;
            let same = entry.address == alias.address && entry.interface == alias.interface.as_str();
            let labelled = alias.label.as_ref().is_none_or(|label| label.as_str() == file.name);
            same && labelled && file.number().is_some() && entry.problem.as_deref() == Some(UNREAD)
        }
        _ => false,
    };
    own.iter().find(is_it).map(|(file, _)| file)
}

fn close(file: &File) -> Result<Change> {
    file.sound()?;
    let end = Splice::insert(file.text.bytes().len(), "\n");
    let after = Some(file.text.apply(vec![end])?);
    let before = Some(file.text.bytes().to_vec());
    Ok(Change { path: file.path.clone(), before, after, mode: 0o644, backup: Backup::Beside })
}

/// Adds the lines of IPv6 addresses to `/etc/hostname6.IF`.
fn add_sixes(root: &Root, own: &Survey, aliases: &[&Alias], plan: &mut Plan) -> Result<()> {
    let interfaces: BTreeSet<&str> = aliases.iter().map(|alias| alias.interface.as_str()).collect();
    for interface in interfaces {
        let known = own.iter().find(|(file, _)| file.six && file.name == interface);
        if let Some((file, _)) = known {
            file.sound()?;
        }
        let path = known.map_or_else(
            || RootPath::from(format!("/etc/hostname6.{interface}").as_str()),
            |(file, _)| file.path.clone(),
        );
        let before = root.read(&path)?;
        let text = Text::new(before.clone().unwrap_or_default());
        let mut lines: Vec<String> = Vec::new();
        let asleep = known.iter().flat_map(|(_, all)| all).filter(|one| one.entry.problem.as_deref() == Some(UNREAD));
        let woken: Vec<IpNet> = asleep.map(|one| one.entry.address).collect();
        for alias in aliases.iter().filter(|alias| alias.interface.as_str() == interface) {
            if !woken.contains(&alias.address) {
                lines.push(format!("addif {} up\n", alias.address));
            }
        }
        if text.ends_open() && !text.bytes().is_empty() {
            plan.notes.push(format!("the last line of {path} had no line end, so that it was not executed; it is now"));
            plan.wakes.extend(woken.iter().map(IpNet::addr));
            lines.insert(0, "\n".to_owned());
        }
        let after = Some(text.apply(vec![Splice::insert(text.bytes().len(), lines.concat())])?);
        plan.changes.push(Change { path, before, after, mode: 0o644, backup: Backup::Beside });
    }
    Ok(())
}
