//! What the administrator should know about the files before any change.

use std::collections::BTreeMap;

use super::consumer::Readers;
use super::file::{File, Sort};
use super::files::Files;

/// Ends of names that look like copies, and are read.
const STRAY: &[&str] =
    &[".rej", ".save", ".swp", ".tmp", ".old", ".rpmsave", ".rpmorig", ".augnew", ".copy", ".disabled"];

/// Every warning, a sentence each.
pub(super) fn warnings(files: &Files) -> Vec<String> {
    let mut all: Vec<String> = files.files.iter().flat_map(of_file).collect();
    for base in files.bases() {
        all.extend(of_base(files, base));
    }
    if files.consumer.readers != Readers::Scripts {
        all.extend(malformed(files));
    }
    all
}

fn of_file(file: &File) -> Vec<String> {
    let place = &file.path;
    let mut all = Vec::new();
    if file.sort == Sort::Alias {
        let copied = file.environment.sorted_names(|name| is_copied(file, name));
        if !copied.is_empty() {
            let names = copied.join(", ");
            all.push(format!("{place} has {names}, which do harm in an alias; it looks like a copy"));
        }
    }
    if STRAY.iter().any(|end| file.name.ends_with(end)) {
        all.push(format!("{place} is read although it looks like a copy; move it away"));
    }
    let first = file.text.line(0).map(|line| line.content).unwrap_or_default();
    if String::from_utf8_lossy(first).contains("Created by cloud-init") {
        all.push(format!("cloud-init wrote {place} and may write it anew"));
    }
    all
}

/// Variables that only come into an alias by copying its parent, and do harm there.
fn is_copied(file: &File, name: &str) -> bool {
    let numbered =
        |start: &str| name.strip_prefix(start).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let harms = ["HWADDR", "MACADDR", "UUID", "NAME", "GATEWAY", "GATEWAYDEV"].contains(&name)
        || numbered("DNS")
        || name.starts_with("IPV6");
    harms && !(name == "IPV6INIT" && file.denies(name)) && file.get(name).is_some()
}

fn of_base(files: &Files, base: &File) -> Vec<String> {
    let mut all = Vec::new();
    let mut devices: BTreeMap<&str, &File> = BTreeMap::new();
    for alias in files.aliases(base) {
        let inherits = matches!(files.readers(base), Readers::Scripts | Readers::Both) && !alias.sets("PREFIX");
        if let Some(prefix) = base.get("PREFIX").filter(|_| inherits && alias.get("NETMASK").is_some()) {
            let place = &alias.path;
            all.push(format!("{place} has NETMASK without PREFIX, so at boot it gets its parent's prefix, /{prefix}"));
        }
        if let Some(other) = devices.insert(&alias.device, alias) {
            let (first, second, device) = (&other.path, &alias.path, &alias.device);
            all.push(format!("{first} and {second} both have DEVICE={device}; only one of them comes up"));
        }
    }
    if let [first, others @ ..] = files.bases_of(&base.device).as_slice() {
        if first.name == base.name && !others.is_empty() {
            let names: Vec<String> = others.iter().map(|other| other.path.to_string()).collect();
            let (device, place) = (&base.device, &base.path);
            all.push(format!("{} configures {device}, too; {place} is the one that is edited", names.join(", ")));
        }
    }
    all
}

/// A line that is no assignment makes NetworkManager pass over every ifcfg file (as reported).
fn malformed(files: &Files) -> Option<String> {
    let is_odd = |line: &[u8]| {
        let line = line.trim_ascii();
        let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        !(line.is_empty() || line.starts_with(b"#") || is_name && name.len() < line.len())
    };
    let odd = files.global.lines().find(|line| is_odd(line.content))?;
    let place = "/etc/sysconfig/network";
    Some(format!("{place}:{}: this is no assignment; NetworkManager may pass over all ifcfg files for it", odd.number))
}
