//! Where the addresses of an interface stand, in the order in which /etc/rc.d/network comes to them: `ifconfig_IF` or else
//! `/etc/ifconfig.IF`, then `ifaliases_IF`, then `/etc/ifaliases`.

use std::collections::BTreeSet;
use std::ops::Range;

use super::chain::Chain;
use crate::backend::ifconfig::{File, Found, Hosts, Line, by_backslash, by_blanks, ifconfig_call};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::ifconfig::{Deed, Setting, read};
use crate::syntax::shell::{Traced, Variable, calls};
use crate::text::Text;

/// What [`Found::form`] says of an address in a command line.
pub(super) const COMMAND: &str = "command line (!)";

/// The old list in a file.
pub(super) const IFALIASES: &str = "/etc/ifaliases";

/// A call, and the line or item that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The line or item, by index; of `ifaliases_IF` the pair.
    pub(super) item: usize,
    /// Whether the item is this call and nothing else.
    pub(super) is_alone: bool,
    pub(super) found: Found,
}

/// A variable with a value.
pub(super) struct Filled<'c> {
    pub(super) name: String,
    pub(super) value: &'c Traced,
    pub(super) variable: &'c Variable,
    /// The items, by their place in the value.
    pub(super) items: Vec<Line>,
    pub(super) calls: Vec<Call>,
}

/// A file of calls.
pub(super) struct Listed {
    pub(super) file: File,
    pub(super) calls: Vec<Call>,
}

/// All about an interface.
pub(super) struct Interface<'c> {
    pub(super) name: String,
    /// `ifconfig_IF`, if that is set.
    pub(super) variable: Option<Filled<'c>>,
    /// `/etc/ifconfig.IF`, which only counts without the variable.
    pub(super) file: Option<Listed>,
    /// `ifaliases_IF`.
    pub(super) old: Option<Filled<'c>>,
}

impl Interface<'_> {
    /// The calls of the source that counts.
    pub(super) fn own(&self) -> &[Call] {
        match (&self.variable, &self.file) {
            (Some(filled), _) => &filled.calls,
            (None, Some(listed)) => &listed.calls,
            (None, None) => &[],
        }
    }

    /// Whether a daemon gets an address of the interface.
    pub(super) fn is_automatic(&self) -> bool {
        self.own().iter().any(|call| call.found.setting.deed == Deed::Autoconf && call.found.unread.is_none())
    }

    fn is_configured(&self) -> bool {
        self.variable.is_some() || self.file.is_some() || self.name == "lo0"
    }
}

/// Every interface that anything is said about, and the old list.
pub(super) struct Survey<'c> {
    pub(super) interfaces: Vec<Interface<'c>>,
    pub(super) ifaliases: Option<Listed>,
}

impl Survey<'_> {
    /// Every call, those of an interface in the order of running.
    pub(super) fn found(&self) -> Vec<Found> {
        let of = |one: &Interface<'_>| {
            let shadowed = one.variable.as_ref().and(one.file.as_ref()).map(|listed| listed.calls.clone());
            let old = one.old.iter().flat_map(|filled| filled.calls.clone());
            shadowed
                .into_iter()
                .flatten()
                .chain(one.own().to_vec())
                .chain(old)
                .map(|call| call.found)
                .collect::<Vec<_>>()
        };
        let list = self.ifaliases.iter().flat_map(|listed| &listed.calls).map(|call| call.found.clone());
        self.interfaces.iter().flat_map(of).chain(list).collect()
    }
}

/// Reads all sources.
pub(super) fn survey<'c>(root: &Root, chain: &'c Chain) -> Result<Survey<'c>> {
    chain.certain()?;
    let hosts = Hosts::read(root)?;
    let mut names: BTreeSet<String> = BTreeSet::new();
    for name in chain.environment.names() {
        let rest = name.strip_prefix("ifconfig_").or_else(|| name.strip_prefix("ifaliases_"));
        names.extend(rest.filter(|rest| is_interface(rest)).map(str::to_owned));
    }
    for name in root.list(&"/etc".into())? {
        let name = String::from_utf8_lossy(&name).into_owned();
        names.extend(name.strip_prefix("ifconfig.").filter(|rest| is_interface(rest)).map(str::to_owned));
    }
    let mut interfaces = Vec::new();
    for name in names {
        let variable = filled(chain, &format!("ifconfig_{name}"))?.filter(|(.., value, _)| !value.bytes().is_empty());
        let path = root.resolve(&RootPath::from("/etc").join(format!("ifconfig.{name}")))?;
        let passed = chain.passed_over(&name);
        let dead =
            variable.as_ref().map(|(variable, ..)| format!("{variable} in rc.conf counts, so this file is not read"));
        let variable = variable.map(|(label, value, variable)| {
            let (items, calls) = items(chain, &name, &label, value, &hosts, passed.clone());
            Filled { name: label, value, variable, items, calls }
        });
        let file =
            if root.is_file(&path)? { Some(listed(root, &name, path, &hosts, dead.or(passed.clone()))?) } else { None };
        let mut one = Interface { name, variable, file, old: None };
        let idle = passed.or_else(|| (!one.is_configured()).then(|| format!("nothing else configures {}", one.name)));
        one.old = filled(chain, &format!("ifaliases_{}", one.name))?
            .filter(|(.., value, _)| !value.bytes().is_empty())
            .map(|(label, value, variable)| pairs(chain, &one.name, label, value, variable, &hosts, idle));
        interfaces.push(one);
    }
    Ok(Survey { interfaces, ifaliases: ifaliases(root, &hosts)? })
}

/// Letters, perhaps digits among them, and a number behind: what a driver may be called, and no other variable's name.
pub(super) fn is_interface(name: &str) -> bool {
    let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.ends_with(|c: char| c.is_ascii_digit())
}

type Named<'c> = (String, &'c Traced, &'c Variable);

fn filled<'c>(chain: &'c Chain, name: &str) -> Result<Option<Named<'c>>> {
    Ok(chain.value(name)?.map(|(value, variable)| (name.to_owned(), value, variable)))
}

/// The items of `ifconfig_IF`: lines if a line end is in it, otherwise what `;` sets apart.
fn items(
    chain: &Chain,
    interface: &str,
    label: &str,
    value: &Traced,
    hosts: &Hosts,
    passed: Option<String>,
) -> (Vec<Line>, Vec<Call>) {
    let mut bytes = value.bytes().to_vec();
    if !bytes.contains(&b'\n') {
        bytes.iter_mut().filter(|byte| **byte == b';').for_each(|byte| *byte = b'\n');
    }
    // A `;` at the end sets nothing apart.
    if !value.bytes().ends_with(b";") || value.bytes().contains(&b'\n') {
        bytes.push(b'\n');
    }
    let items = by_blanks(&Text::new(bytes));
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let front = value.bytes().get(item.at.clone()).unwrap_or_default();
        let blanks = front.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (path, line) = place(chain, value, item.at.start + blanks);
        let unread = passed.clone().or_else(|| item.unread());
        let base = Found {
            interface: interface.to_owned(),
            path,
            line,
            form: label.to_owned(),
            setting: Setting::default(),
            unread,
        };
        all.extend(of_line(index, &item.text, &base, hosts));
    }
    (items, all)
}

/// Where byte `at` of a value stands.
pub(super) fn place(chain: &Chain, value: &Traced, at: usize) -> (RootPath, usize) {
    let last = value.bytes().len().saturating_sub(1);
    let origin = value.origin(at.min(last));
    origin.map_or_else(|| ("/etc/rc.conf".into(), 0), |origin| chain.place(origin.source, origin.at))
}

fn listed(root: &Root, interface: &str, path: RootPath, hosts: &Hosts, dead: Option<String>) -> Result<Listed> {
    let text = Text::new(root.read(&path)?.unwrap_or_default());
    let file = File { lines: by_blanks(&text), path, text };
    let mut all = Vec::new();
    for (index, line) in file.lines.iter().enumerate() {
        let unread = dead.clone().or_else(|| line.unread());
        let (path, form) = (file.path.clone(), "ifconfig file".to_owned());
        let base = Found {
            interface: interface.to_owned(),
            path,
            line: line.number,
            form,
            setting: Setting::default(),
            unread,
        };
        all.extend(of_line(index, &line.text, &base, hosts));
    }
    Ok(Listed { file, calls: all })
}

/// The calls of one line or item.
fn of_line(item: usize, text: &str, base: &Found, hosts: &Hosts) -> Vec<Call> {
    let value = |name: &str| (name == "int").then(|| base.interface.clone());
    let host = |name: &str, six: bool| hosts.find(name, six);
    let with = |setting: Setting, is_alone: bool| Call { item, is_alone, found: Found { setting, ..base.clone() } };
    if text.is_empty() || text.starts_with('#') || text == "create" {
        return Vec::new();
    }
    if text == "dhcp" {
        return vec![with(Setting { deed: Deed::Autoconf, ..Setting::default() }, true)];
    }
    if let Some(command) = text.strip_prefix('!') {
        let parsed = calls(command.as_bytes(), &value).unwrap_or_default();
        let of = |words: &[Option<String>]| {
            let (interface, words) = ifconfig_call(words)?;
            let interface = interface.to_owned();
            let found = Found { interface, form: COMMAND.to_owned(), setting: read(words, &host), ..base.clone() };
            Some(Call { item, is_alone: false, found })
        };
        return parsed.iter().filter_map(|call| of(&call.words)).collect();
    }
    // `eval set -- LINE`, and a call of ifconfig with what that has set.
    let fault = |reason: &str| {
        let mut setting = plain(text, &host);
        setting.fault = Some(reason.to_owned());
        vec![with(setting, true)]
    };
    let parsed = match calls(text.as_bytes(), &value) {
        Ok(parsed) => parsed,
        Err(reason) => return fault(&format!("the shell cannot read the line: {reason}")),
    };
    let is_odd = |call: &crate::syntax::shell::Call| call.words.is_empty() || ["(", ")", ";;"].contains(&call.end);
    let ends_open = parsed.last().is_some_and(|last| ["&&", "||", "|"].contains(&last.end));
    let Some(first) = parsed.first().filter(|_| !parsed.iter().any(is_odd) && !ends_open) else {
        return fault("the shell cannot read the line");
    };
    if ["&", "|"].contains(&first.end) {
        return fault(&format!("the shell runs what stands before `{}` in another process", first.end));
    }
    vec![with(read(&first.words, &host), parsed.len() == 1)]
}

/// The words of a line that no shell can read, as they stand.
fn plain(text: &str, host: &dyn Fn(&str, bool) -> Option<std::net::IpAddr>) -> Setting {
    let words: Vec<Option<String>> = text.split_whitespace().map(|word| Some(word.to_owned())).collect();
    read(&words, host)
}

/// The pairs of address and mask of `ifaliases_IF`; `-` is the mask of the address's class.
fn pairs<'c>(
    chain: &Chain,
    interface: &str,
    name: String,
    value: &'c Traced,
    variable: &'c Variable,
    hosts: &Hosts,
    idle: Option<String>,
) -> Filled<'c> {
    let words = value.words();
    let mut items = Vec::new();
    let mut all = Vec::new();
    for (index, pair) in words.chunks_exact(2).enumerate() {
        let [address, mask] = pair else { continue };
        let text = |word: &crate::syntax::shell::Word| String::from_utf8_lossy(&word.text).into_owned();
        let at: Range<usize> = address.at.start..mask.at.end;
        let mut call = vec!["inet".to_owned(), "alias".to_owned(), text(address)];
        if mask.text != b"-" {
            call.extend(["netmask".to_owned(), text(mask)]);
        }
        let call: Vec<Option<String>> = call.into_iter().map(Some).collect();
        let (path, line) = place(chain, value, at.start);
        let setting = read(&call, &|name, six| hosts.find(name, six));
        let found =
            Found { interface: interface.to_owned(), path, line, form: name.clone(), setting, unread: idle.clone() };
        items.push(Line { at, number: line, text: String::new(), is_read: true });
        all.push(Call { item: index, is_alone: true, found });
    }
    Filled { name, value, variable, items, calls: all }
}

/// `ADDRESS IF [MASK]`, a line each, without comments.
fn ifaliases(root: &Root, hosts: &Hosts) -> Result<Option<Listed>> {
    let path = root.resolve(&IFALIASES.into())?;
    if !root.is_file(&path)? {
        return Ok(None);
    }
    let text = Text::new(root.read(&path)?.unwrap_or_default());
    let file = File { lines: by_backslash(&text), path, text };
    let mut all = Vec::new();
    for (index, line) in file.lines.iter().enumerate() {
        let words: Vec<&str> = line.text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        let [address, interface, mask @ ..] = words.as_slice() else { continue };
        let mut call = vec!["inet", "alias", address];
        if !mask.is_empty() {
            call.push("netmask");
            call.extend(mask);
        }
        let call: Vec<Option<String>> = call.into_iter().map(|word| Some(word.to_owned())).collect();
        let setting = read(&call, &|name, six| hosts.find(name, six));
        let (path, form) = (file.path.clone(), IFALIASES.to_owned());
        let interface = (*interface).to_owned();
        let found = Found { interface, path, line: line.number, form, setting, unread: line.unread() };
        all.push(Call { item: index, is_alone: true, found });
    }
    Ok(Some(Listed { file, calls: all }))
}
