//! `/etc/hostname.IF` as netstart(8) reads it: packed lines become calls of ifconfig, which the shell evaluates.
//!
//! Follows `parse_hn_line` and `ifstart` of /etc/netstart, from 6.1 to 7.2 as they were run; files named by a hardware
//! address, which 7.3 brought, from hostname.if(5).

use std::collections::BTreeMap;

use crate::backend::ifconfig::{File, Found, Hosts, Line, by_backslash, ifconfig_call, may_be_closed};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::ifconfig::{Deed, Setting, read};
use crate::syntax::shell;
use crate::text::Text;

/// What `ifconfig` said on the running system.
pub(super) const LINKS: &str = crate::host::LINKS;

/// What [`Found::form`] says of an address in a command line.
pub(super) const COMMAND: &str = "command line (!)";

/// One command that a line became.
#[derive(Debug, Clone)]
pub(super) struct Command {
    /// Its line, by index.
    pub(super) line: usize,
    /// The line `dest`, which changed it.
    pub(super) dest: Option<usize>,
    /// Whether it is a command of the administrator's own.
    is_own: bool,
    /// What the shell evaluates.
    text: String,
    form: String,
}

/// A call of ifconfig in a file.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) command: Command,
    /// Whether the command is this call and nothing else.
    pub(super) is_alone: bool,
    pub(super) found: Found,
}

/// A hostname file.
pub(super) struct Hostname {
    /// What stands behind `hostname.`: an interface, or a hardware address.
    pub(super) name: String,
    /// The interface; where that cannot be told, the hardware address as a pattern.
    pub(super) interface: String,
    pub(super) file: File,
    pub(super) calls: Vec<Call>,
    /// The line that the shell cannot read, by index: none behind it is executed.
    pub(super) ended: Option<usize>,
}

impl Hostname {
    /// Whether it is named by a hardware address.
    pub(super) fn is_by_lladdr(&self) -> bool {
        self.name.contains(':')
    }

    /// The last line that is about addresses, and the one behind it that belongs to it.
    pub(super) fn anchor(&self) -> Option<usize> {
        let calls = self.calls.iter().filter(|call| call.found.setting.deed != Deed::Nothing);
        calls.map(|call| call.command.dest.unwrap_or(call.command.line)).max()
    }

    /// What the last line sets, if that is not read and may get its end.
    pub(super) fn open(&self) -> Option<&Setting> {
        may_be_closed(
            &self.file,
            self.calls.iter().map(|one| (one.command.line, one.command.is_own, &one.found.setting)),
        )
    }
}

/// Every hostname file that netstart reads, in the order of names.
pub(super) fn files(root: &Root) -> Result<Vec<Hostname>> {
    let hosts = Hosts::read(root)?;
    let links = Links::read(root)?;
    let by_lladdr = knows_lladdr(root)?;
    let mut all: Vec<Hostname> = Vec::new();
    for name in root.list(&"/etc".into())? {
        let Ok(name) = std::str::from_utf8(&name) else { continue };
        let Some(name) = name.strip_prefix("hostname.") else { continue };
        if !(is_interface(name) || by_lladdr && is_lladdr(name)) {
            continue;
        }
        let path = root.resolve(&RootPath::from("/etc").join(format!("hostname.{name}")))?;
        if !root.is_file(&path)? {
            continue;
        }
        let text = Text::new(root.read(&path)?.unwrap_or_default());
        let file = File { lines: by_backslash(&text), path, text };
        let interface = if is_interface(name) { name.to_owned() } else { links.interface(name) };
        let known = links.knows(&interface);
        all.push(hostname(name, interface, file, &hosts));
        if let (false, Some(last)) = (known, all.last_mut()) {
            shadow(last, &format!("no interface has the hardware address {name}"));
        }
    }
    let by_address: BTreeMap<String, RootPath> =
        all.iter().filter(|one| one.is_by_lladdr()).map(|one| (one.interface.clone(), one.file.path.clone())).collect();
    for one in all.iter_mut().filter(|one| !one.is_by_lladdr()) {
        if let Some(path) = by_address.get(&one.interface) {
            shadow(one, &format!("{path} is for this interface, too, and counts instead"));
        }
    }
    Ok(all)
}

/// Whether the release knows hardware addresses: 7.3 and later. Revision 1.229 of netstart did not yet.
fn knows_lladdr(root: &Root) -> Result<bool> {
    let script = String::from_utf8_lossy(&root.read(&"/etc/netstart".into())?.unwrap_or_default()).into_owned();
    let revision = script.split("netstart,v 1.").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    Ok(revision.is_none_or(|revision| revision > 229))
}

/// No call of the file is run.
fn shadow(hostname: &mut Hostname, why: &str) {
    hostname.calls.iter_mut().for_each(|call| call.found.unread = Some(why.to_owned()));
}

/// Letters and then digits: netstart passes over backups by that.
pub(super) fn is_interface(name: &str) -> bool {
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    !digits.is_empty() && digits.len() < name.len() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_lladdr(name: &str) -> bool {
    let mut parts = name.split(':');
    parts.clone().count() == 6 && parts.all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The hardware addresses of the running system's interfaces; nothing of a disk's.
struct Links(Option<BTreeMap<String, String>>);

impl Links {
    fn read(root: &Root) -> Result<Links> {
        let Some(bytes) = root.read(&LINKS.into())? else { return Ok(Links(None)) };
        let mut all = BTreeMap::new();
        let mut name = String::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if !line.starts_with(['\t', ' ']) {
                name = line.split(':').next().unwrap_or_default().to_owned();
            } else if let Some(address) = line.trim().strip_prefix("lladdr ") {
                all.insert(address.trim().to_ascii_lowercase(), name.clone());
            }
        }
        Ok(Links(Some(all)))
    }

    /// The interface that has the address, or a pattern that stands for it.
    fn interface(&self, lladdr: &str) -> String {
        let known = self.0.as_ref().and_then(|all| all.get(&lladdr.to_ascii_lowercase()));
        known.cloned().unwrap_or_else(|| format!("lladdr={lladdr}"))
    }

    fn knows(&self, interface: &str) -> bool {
        self.0.is_none() || !interface.starts_with("lladdr=")
    }
}

fn hostname(name: &str, interface: String, file: File, hosts: &Hosts) -> Hostname {
    let mut commands: Vec<Command> = Vec::new();
    for (index, line) in file.lines.iter().enumerate() {
        unpack(&interface, index, line, &mut commands);
    }
    let mut all = Vec::new();
    // A line that the shell cannot read ends the script (the lines behind it in the same file, as mksh was measured).
    let mut ended: Option<usize> = None;
    for command in commands {
        let Some(line) = file.lines.get(command.line) else { continue };
        let parsed = command.parsed();
        let because = |at: usize| file.lines.get(at).map(|line| ended_by(line.number));
        let unread = ended.and_then(because).or_else(|| line.unread());
        let Some(parsed) = parsed else {
            if line.is_read {
                ended.get_or_insert(command.line);
            }
            continue;
        };
        let is_alone = parsed.len() == 1 && parsed.iter().all(|call| call.end.is_empty());
        for call in &parsed {
            let Some((target, words)) = ifconfig_call(&call.words) else { continue };
            let mut setting = read(words, &|name, six| hosts.find(name, six));
            let comment = command.text.split(' ').any(|word| word.starts_with('#'));
            if let (Some(fault), true, false) = (&mut setting.fault, comment, command.is_own) {
                *fault = format!("`#` begins no comment behind an address: {fault}");
            }
            let form = command.form.clone();
            let (path, line, unread) = (file.path.clone(), line.number, unread.clone());
            let found = Found { interface: target.to_owned(), path, line, form, setting, unread };
            all.push(Call { command: command.clone(), is_alone, found });
        }
    }
    Hostname { name: name.to_owned(), interface, file, calls: all, ended }
}

/// Why nothing behind a line is executed.
pub(super) fn ended_by(number: usize) -> String {
    format!("the shell cannot read line {number}, and goes no further")
}

impl Command {
    /// The calls that the shell makes of it; nothing if it cannot read it.
    fn parsed(&self) -> Option<Vec<shell::Call>> {
        let parsed = shell::calls(self.text.as_bytes(), &|_| None).ok()?;
        let goes_on = parsed.last().is_some_and(|last| ["&&", "||", "|"].contains(&last.end));
        let is_odd = |call: &shell::Call| call.words.is_empty() || ["(", ")", ";;"].contains(&call.end);
        let is_readable = if self.is_own { is_balanced(&parsed) } else { !parsed.iter().any(is_odd) };
        (is_readable && !goes_on).then_some(parsed)
    }
}

/// Whether parentheses stand where a shell takes them: around commands, or behind the one word that a function is called.
/// Those of a `case` are not looked at.
fn is_balanced(parsed: &[shell::Call]) -> bool {
    let is_first =
        |call: &shell::Call, name: &str| call.words.first().is_some_and(|word| word.as_deref() == Some(name));
    if parsed.iter().any(|call| ["case", "then", "do", "else", "{"].iter().any(|name| is_first(call, name))) {
        return true;
    }
    let mut depth = 0usize;
    for call in parsed {
        match call.end {
            "(" if call.words.len() > 1 => return false,
            "(" => depth += 1,
            ")" if depth == 0 => return false,
            ")" => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// What one line becomes.
fn unpack(interface: &str, index: usize, line: &Line, commands: &mut Vec<Command>) {
    let mut words: Vec<String> =
        line.text.split([' ', '\t', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let Some(first) = words.first().cloned() else { return };
    let second = words.get(1).cloned().unwrap_or_default();
    let mut push = |text: String, is_own: bool, form: &str| {
        commands.push(Command { line: index, dest: None, is_own, text, form: form.to_owned() });
    };
    let alias = second == "alias";
    match first.as_str() {
        first if first.starts_with('#') => {}
        "inet" | "inet6" if second.is_empty() => {}
        "inet" | "inet6" if second == "autoconf" => push(call(interface, &words), false, &first),
        "inet" => {
            let mask = if alias { 3 } else { 2 };
            if let Some(word) = words.get_mut(mask) {
                *word = format!("netmask {word}");
            }
            if let Some(word) = words.get_mut(mask + 1) {
                *word = if word.ends_with("NONE") { String::new() } else { format!("broadcast {word}") };
            }
            push(call(interface, &words), false, if alias { "inet alias" } else { "inet" });
        }
        "inet6" => {
            let prefix = if alias { 3 } else { 2 };
            if let Some(word) = words.get_mut(prefix) {
                *word = format!("prefixlen {word}");
            }
            push(call(interface, &words), false, if alias { "inet6 alias" } else { "inet6" });
        }
        "dest" if !line.is_read => {}
        "dest" => {
            if let (2, Some(last)) = (words.len(), commands.last_mut()) {
                let mut parts: Vec<String> =
                    last.text.split([' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
                let at = if parts.get(3).is_some_and(|word| word == "alias") { 4 } else { 3 };
                match parts.get_mut(at) {
                    Some(word) => word.extend([" ", &second]),
                    None => parts.push(second),
                }
                last.text = parts.join(" ");
                last.dest = Some(index);
            }
        }
        // Before 7.0 it is `rtsol` and `dhcp` that begin a daemon.
        "dhcp" => push(format!("ifconfig {interface} inet autoconf"), false, "dhcp"),
        "rtsol" => push(format!("ifconfig {interface} inet6 autoconf"), false, "rtsol"),
        first if first.starts_with('!') => {
            let text = words.join(" ").replace("$if", interface);
            push(text.strip_prefix('!').unwrap_or(&text).to_owned(), true, COMMAND);
        }
        _ => push(call(interface, &words), false, "ifconfig arguments"),
    }
}

fn call(interface: &str, words: &[String]) -> String {
    format!("ifconfig {interface} {}", words.join(" "))
}
