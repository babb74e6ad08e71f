//! Addresses that functions such as `postup` add: they are there, and not for ipalias to edit.

use std::net::IpAddr;

use ipnet::IpNet;

use super::files::Config;
use crate::backend::{Entry, Role};

/// The addresses that `ip addr add` in the files of conf.d puts on `interface`.
pub(super) fn entries(config: &Config, interface: &str, idle: Option<&str>) -> Vec<Entry> {
    let mut all = Vec::new();
    for (path, text) in config.files.iter().filter(|(path, _)| path.as_bytes().starts_with(b"/etc/conf.d/")) {
        for line in text.lines() {
            let content = String::from_utf8_lossy(line.content);
            for (address, label) in commands(&content).filter_map(|words| added_by_ip(&words, interface)) {
                all.push(Entry {
                    interface: interface.to_owned(),
                    address,
                    label,
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

/// The words of each command of a line, without its comment.
fn commands(line: &str) -> impl Iterator<Item = Vec<&str>> {
    let comment = line.match_indices('#').map(|(at, _)| at);
    let begins =
        |at: &usize| line.get(..*at).is_some_and(|front| front.is_empty() || front.ends_with([' ', '\t', ';']));
    let end = comment.into_iter().find(begins).unwrap_or(line.len());
    let commands = line.get(..end).unwrap_or_default().split([';', '&', '|', '{', '}', '(', ')']);
    commands.map(|command| {
        let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        words.skip_while(|word| ["then", "do", "else", "!", "command", "eval"].contains(word)).collect()
    })
}

/// The address and label of `ip [-4|-6] addr add ADDRESS ...`, unless that names another device.
fn added_by_ip(words: &[&str], interface: &str) -> Option<(IpNet, Option<String>)> {
    let (program, rest) = words.split_first()?;
    if *program != "ip" && !program.ends_with("/ip") {
        return None;
    }
    let rest: Vec<&str> = rest.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let [object, "add" | "a" | "replace", address, options @ ..] = rest.as_slice() else { return None };
    if !"address".starts_with(object) {
        return None;
    }
    let value = |name: &str| {
        let at = options.iter().position(|word| *word == name)?;
        options.get(at + 1).copied()
    };
    if value("dev").is_some_and(|device| device != interface && !device.contains('$') && device != "IFACE") {
        return None;
    }
    let label = value("label").filter(|label| !label.contains('$')).map(str::to_owned);
    let address = address.parse().ok().or_else(|| address.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some((address, label))
}
