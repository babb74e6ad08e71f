//! `/etc/start_if.IF`, a script that runs before the interface is configured: its aliases are shown, and not edited.

use ipnet::IpNet;

use super::address::{Style, items};
use crate::backend::{Entry, Role};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Dialect, Environment, Value};
use crate::text::{Line, Text};

/// What [`Entry::form`] says of such a line.
pub(super) const FORM: &str = "line of start_if";

/// Every command `ifconfig IF inet ADDRESS ... alias` of these scripts.
pub(super) fn entries(root: &Root) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    for name in root.list(&"/etc".into())? {
        let Some(interface) = name.strip_prefix(b"start_if.").and_then(|rest| std::str::from_utf8(rest).ok()) else {
            continue;
        };
        let path = root.resolve(&RootPath::from("/etc").join(&name))?;
        if interface.contains('.') && interface.ends_with("bak") || !root.is_file(&path)? {
            continue;
        }
        let text = Text::new(root.read(&path)?.unwrap_or_default());
        for line in text.lines() {
            all.extend(aliases(&line, interface).into_iter().map(|address| Entry {
                interface: interface.to_owned(),
                address,
                label: None,
                path: path.clone(),
                line: line.number,
                form: FORM.to_owned(),
                role: Role::Additional,
                problem: None,
            }));
        }
    }
    Ok(all)
}

/// The addresses that the commands of a line add to the interface.
fn aliases(line: &Line<'_>, interface: &str) -> Vec<IpNet> {
    let content = String::from_utf8_lossy(line.content).into_owned();
    let code = content.split(" #").next().unwrap_or_default();
    if code.trim_start().starts_with('#') {
        return Vec::new();
    }
    let of_command = |command: &str| {
        let words: Vec<&str> = command.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "ifconfig" || word.ends_with("/ifconfig"))?;
        let (name, rest) = words.get(at + 1..)?.split_first()?;
        let set: Vec<&str> = rest.iter().filter(|word| **word != "alias" && **word != "add").copied().collect();
        (*name == interface && set.len() < rest.len()).then(|| address(&set.join(" ")))?
    };
    code.split([';', '&', '|']).filter_map(of_command).collect()
}

/// The one address of a text such as `inet 192.0.2.1 netmask 255.255.255.255`.
fn address(text: &str) -> Option<IpNet> {
    let mut environment = Environment::new(Dialect::Sh);
    environment.source(&Text::new(format!("x='{}'\n", text.replace('\'', " "))));
    match &environment.get("x")?.value {
        Value::Text(value) => items(value, Style::Groups, 0).items.first()?.nets.first().copied(),
        _ => None,
    }
}
