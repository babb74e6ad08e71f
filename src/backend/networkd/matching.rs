//! Which `.network` file an interface gets: the first one, by name, whose `[Match]` fits.
//!
//! Follows systemd.network(5), "[Match] Section Options", `net_match_config()` and fnmatch(3). What a root cannot tell
//! (drivers, udev properties, conditions on the host) is answered with [`Verdict::Perhaps`], never guessed. On a running
//! system networkd's own record in `/run/systemd/netif/links` says which file it took. Leaves out alternative names of
//! interfaces, which only the kernel knows.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{DIRECTORIES, Network, files};
use super::release::Release;
use crate::error::Result;
use crate::host;
use crate::root::{Root, RootPath};
use crate::syntax::ini::{Dialect, Ini};
use crate::text::Text;

/// How a `[Match]` fits an interface; the least of its keys counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not.
    No,
    /// That cannot be told from files.
    Perhaps,
    /// It does.
    Yes,
}

/// An interface as far as `root` knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its hardware address, if known.
    pub mac: Option<[u8; 6]>,
    /// What `Type=` is compared with, if known.
    pub kind: Option<String>,
    /// What networkd has written down about it, if the system runs.
    pub record: Option<Record>,
}

/// What `/run/systemd/netif/links/<ifindex>` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// `ADMIN_STATE`: configured, configuring, unmanaged, failed...
    pub state: String,
    /// `NETWORK_FILE`, if one is used.
    pub file: Option<RootPath>,
}

/// What networkd does with an interface.
#[derive(Debug, Clone)]
pub enum Choice<'a> {
    /// No file fits.
    Nothing,
    /// This one counts.
    One(&'a Network),
    /// Only files fit that networkd drops.
    Refused(&'a Network),
    /// One of these, but files do not tell which.
    Several(Vec<&'a Network>),
}

/// Picks the file for `link` out of `networks`, which are sorted.
pub fn choose<'a>(networks: &'a [Network], link: &Link, release: Release) -> Choice<'a> {
    let mut candidates = Vec::new();
    let mut refused = None;
    for network in networks {
        let verdict = verdict(network, link, release);
        if verdict == Verdict::No {
            continue;
        }
        if network.refused.is_some() {
            refused = refused.or(Some(network));
            continue;
        }
        candidates.push((network, verdict));
        if verdict == Verdict::Yes {
            break;
        }
    }
    if let Some(recorded) = recorded(networks, link) {
        // networkd matched this file at its last start. A file that surely fits and comes before it has been added
        // since, and will take over at the next one.
        let takes_over = candidates.iter().find(|(network, verdict)| {
            *verdict == Verdict::Yes && (network.name < recorded.name || recorded.refused.is_some())
        });
        return match (takes_over, &recorded.refused) {
            (Some((network, _)), _) => Choice::Several(vec![network, recorded]),
            (None, Some(_)) => Choice::Refused(recorded),
            (None, None) => Choice::One(recorded),
        };
    }
    match (candidates.as_slice(), refused) {
        ([], None) => Choice::Nothing,
        ([], Some(network)) => Choice::Refused(network),
        ([(network, _)], _) => Choice::One(network),
        _ => Choice::Several(candidates.into_iter().map(|(network, _)| network).collect()),
    }
}

/// The network whose file networkd's record names.
fn recorded<'a>(networks: &'a [Network], link: &Link) -> Option<&'a Network> {
    let file = link.record.as_ref()?.file.as_ref()?;
    let is_it = |network: &&Network| {
        network.fragments.first().is_some_and(|main| main.path == *file || main.target == *file)
            || network.path() == *file
    };
    networks.iter().find(is_it)
}

/// Every interface that `root` can name: those of the running system, those that files name literally, and those whose
/// name a `.link` file or udev rule gives to a hardware address.
pub fn links(root: &Root, networks: &[Network]) -> Result<Vec<Link>> {
    let named = named_addresses(root)?;
    let mut names: BTreeSet<String> = host::link_names(root)?.into_iter().collect();
    names.extend(networks.iter().flat_map(literal_names));
    names.extend(named.keys().cloned());
    names.into_iter().map(|name| link(root, &name, &named)).collect()
}

/// What `root` knows of the interface `name`.
pub fn link_named(root: &Root, name: &str) -> Result<Link> {
    link(root, name, &named_addresses(root)?)
}

fn link(root: &Root, name: &str, named: &BTreeMap<String, [u8; 6]>) -> Result<Link> {
    let Some(known) = host::link(root, name)? else {
        let kind = kind_by_name(name).map(str::to_owned);
        return Ok(Link { name: name.to_owned(), mac: named.get(name).copied(), kind, record: None });
    };
    let record = RootPath::from("/run/systemd/netif/links").join(known.index.to_string());
    let record = root.read(&record)?.map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.map(|value| value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
        };
        Record {
            state: value("ADMIN_STATE").unwrap_or_default(),
            file: value("NETWORK_FILE").map(|path| RootPath::from(path.as_str())),
        }
    });
    Ok(Link { name: name.to_owned(), mac: mac(&known.mac), kind: kind_of(root, name)?, record })
}

/// `DEVTYPE` of udev, or the hardware type, as `link_get_type_string()` names it.
fn kind_of(root: &Root, name: &str) -> Result<Option<String>> {
    let dir = RootPath::from("/sys/class/net").join(name);
    let text = |file: &str| -> Result<String> {
        Ok(String::from_utf8_lossy(&root.read(&dir.join(file))?.unwrap_or_default()).into_owned())
    };
    if let Some(kind) = text("uevent")?.lines().find_map(|line| line.strip_prefix("DEVTYPE=")) {
        return Ok(Some(kind.to_owned()));
    }
    // The numbers are of if_arp.h.
    Ok(match text("type")?.trim() {
        "1" => Some("ether".to_owned()),
        "32" => Some("infiniband".to_owned()),
        "772" => Some("loopback".to_owned()),
        _ => None,
    })
}

/// The type that a name stands for (systemd.net-naming-scheme(7)), where the hardware cannot be asked.
fn kind_by_name(name: &str) -> Option<&'static str> {
    let numbered = |prefix| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match name {
        "lo" => Some("loopback"),
        _ if name.starts_with("wl") => Some("wlan"),
        _ if name.starts_with("ww") => Some("wwan"),
        _ if name.starts_with("en") || numbered("eth") => Some("ether"),
        _ => None,
    }
}

/// Names that `.link` files (systemd.link(5)) and old udev rules give to hardware addresses.
fn named_addresses(root: &Root) -> Result<BTreeMap<String, [u8; 6]>> {
    let mut named = BTreeMap::new();
    for path in files(root, &DIRECTORIES.map(RootPath::from), b".link")?.into_values() {
        if !root.is_file(&path)? {
            continue;
        }
        let ini = Ini::parse(&Text::new(root.read(&path)?.unwrap_or_default()), Dialect::SYSTEMD);
        let value = |section: &str, keys: &[&str]| {
            let sections = ini.sections().into_iter().filter(|found| found.name == section.as_bytes());
            let mut items = sections.flat_map(|section| ini.at(section.items)).filter_map(|item| item.assignment());
            let found = items.rfind(|(key, _)| keys.iter().any(|wanted| *key == wanted.as_bytes()));
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let address = value("Match", &["MACAddress", "PermanentMACAddress"]).and_then(|text| mac(&text));
        if let (Some(name), Some(address)) = (value("Link", &["Name"]), address) {
            named.insert(name, address);
        }
    }
    let rules = root.read(&"/etc/udev/rules.d/70-persistent-net.rules".into())?.unwrap_or_default();
    for rule in String::from_utf8_lossy(&rules).lines().filter(|line| !line.trim_start().starts_with('#')) {
        let quoted = |key: &str| Some(rule.split_once(key)?.1.split_once('"')?.0);
        if let (Some(name), Some(address)) = (quoted("NAME=\""), quoted("ATTR{address}==\"").and_then(mac)) {
            named.insert(name.to_owned(), address);
        }
    }
    Ok(named)
}

/// The interface names that the file gives without a wildcard or negation.
pub fn literal_names(network: &Network) -> Vec<String> {
    let match_ = Match::of(network, Release::default());
    let literal = |word: &&String| !word.contains(['*', '?', '[', '\\']) && !word.starts_with('!');
    match_.names.iter().filter(literal).cloned().collect()
}

/// What the file matches, in its own words, for an interface whose name cannot be told.
pub fn pattern(network: &Network) -> String {
    let match_ = Match::of(network, Release::default());
    if !match_.names.is_empty() {
        return match_.names.join(" ");
    }
    let text = |(key, value): (&[u8], &[u8])| [key, b"=", value].concat();
    let first = network.assignments(b"Match").find(|(_, value)| !value.is_empty()).map(text);
    String::from_utf8_lossy(&first.unwrap_or_default()).into_owned()
}

/// How the `[Match]` of `network` fits `link`.
pub fn verdict(network: &Network, link: &Link, release: Release) -> Verdict {
    let match_ = Match::of(network, release);
    if match_.is_empty() {
        return Verdict::No;
    }
    let names = match match_.unsure_names {
        true => Verdict::Perhaps,
        false => words_fit(&match_.names, Some(&link.name)),
    };
    let kinds = match match_.kinds.iter().any(|word| word.contains(['"', '\'', '\\'])) {
        true => Verdict::Perhaps,
        false => words_fit(&match_.kinds, link.kind.as_deref()),
    };
    let unknown = if match_.unknown.is_empty() { Verdict::Yes } else { Verdict::Perhaps };
    let macs = match_.macs.iter().map(|macs| match link.mac {
        None => Verdict::Perhaps,
        Some(mac) if macs.contains(&mac) => Verdict::Yes,
        Some(_) => Verdict::No,
    });
    macs.chain([names, kinds, unknown]).min().unwrap_or(Verdict::No)
}

/// The `[Match]` of a file and its drop-ins. Keys that networkd does not know are skipped, as it does.
#[derive(Debug, Default)]
struct Match {
    names: Vec<String>,
    /// Whether an invalid name makes this release match every interface.
    unsure_names: bool,
    kinds: Vec<String>,
    /// One set for `MACAddress=`, one for `PermanentMACAddress=`.
    macs: Vec<BTreeSet<[u8; 6]>>,
    /// Keys whose answer no file of a root gives.
    unknown: BTreeSet<Vec<u8>>,
}

impl Match {
    fn of(network: &Network, release: Release) -> Match {
        let mut found = Match::default();
        let mut macs: BTreeMap<&[u8], BTreeSet<[u8; 6]>> = BTreeMap::new();
        for (key, value) in network.assignments(b"Match") {
            match key {
                b"Name" => {
                    let count = found.names.len();
                    let words = split_words(&mut found.names, value);
                    found.names.retain(|name| is_name_pattern(name));
                    // systemd#15665: up to 245 such a name matched everything.
                    found.unsure_names |= release.version() < 246 && found.names.len() < count + words;
                }
                b"Type" => drop(split_words(&mut found.kinds, value)),
                b"MACAddress" | b"PermanentMACAddress" => {
                    if value.is_empty() {
                        macs.remove(key);
                        continue;
                    }
                    let words = value.split(u8::is_ascii_whitespace).map(String::from_utf8_lossy);
                    let valid: BTreeSet<[u8; 6]> = words.filter_map(|word| mac(&word)).collect();
                    // Before 252 or so a list without a valid address matched nothing, now it says nothing.
                    if !valid.is_empty() || release.version() < 252 {
                        macs.entry(key).or_default().extend(valid);
                    }
                }
                _ if !is_beyond_files(key) => {}
                _ if value.is_empty() => drop(found.unknown.remove(key)),
                _ => drop(found.unknown.insert(key.to_vec())),
            }
        }
        found.macs = macs.into_values().collect();
        found
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.kinds.is_empty() && self.macs.is_empty() && self.unknown.is_empty()
    }
}

/// Keys that ask the hardware, udev or the host.
fn is_beyond_files(key: &[u8]) -> bool {
    const KEYS: [&[u8]; 16] = [
        b"Path",
        b"Driver",
        b"Kind",
        b"Property",
        b"WLANInterfaceType",
        b"SSID",
        b"BSSID",
        b"Host",
        b"Virtualization",
        b"KernelCommandLine",
        b"KernelVersion",
        b"Version",
        b"Credential",
        b"Architecture",
        b"Firmware",
        b"MachineTag",
    ];
    KEYS.contains(&key)
}

/// Adds the blank-separated words of `value` to `list`, each with the `!` of the whole value, and says how many there
/// were; an empty value empties the list.
fn split_words(list: &mut Vec<String>, value: &[u8]) -> usize {
    if value.is_empty() {
        list.clear();
        return 0;
    }
    let (mark, words) = match value.strip_prefix(b"!") {
        Some(rest) => ("!", rest),
        None => ("", value),
    };
    let words = words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let before = list.len();
    list.extend(words.map(|word| format!("{mark}{}", String::from_utf8_lossy(word))));
    list.len() - before
}

/// `ifname_valid_full()`, which patterns have to pass, too.
fn is_name_pattern(word: &str) -> bool {
    let name = word.strip_prefix('!').unwrap_or(word);
    let allowed = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b':' | b'/' | b'%');
    !name.is_empty()
        && name.len() < 128
        && name.bytes().all(allowed)
        && !matches!(name, "." | ".." | "all" | "default")
        && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// `net_condition_test_strv()`: any negated word that fits forbids; else one of the others must fit, if there are any.
fn words_fit(words: &[String], value: Option<&str>) -> Verdict {
    if words.is_empty() {
        return Verdict::Yes;
    }
    let Some(value) = value else { return Verdict::Perhaps };
    let (negated, positive): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| word.starts_with('!'));
    let fits = |word: &str| glob(word.as_bytes(), value.as_bytes());
    if negated.iter().any(|word| fits(word.trim_start_matches('!'))) {
        return Verdict::No;
    }
    if positive.is_empty() || positive.iter().any(|word| fits(word)) { Verdict::Yes } else { Verdict::No }
}

/// A hardware address of six bytes: pairs with `:` or `-`, or fours with `.`.
fn mac(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let shape: String = text.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
    if !matches!(shape.as_str(), "xx:xx:xx:xx:xx:xx" | "xx-xx-xx-xx-xx-xx" | "xxxx.xxxx.xxxx") {
        return None;
    }
    let mut bytes = [0; 6];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// fnmatch(3) without flags: `*`, `?`, `[...]` with ranges and `!` or `^`, and the backslash. Linear in practice: only
/// the last star is ever tried again.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match token(pattern, at, text.get(from).copied().unwrap_or_default()) {
            Token::Star => {
                star = Some((at + 1, from));
                at += 1;
            }
            Token::Fits(next) => (at, from) = (next, from + 1),
            Token::Fails => match &mut star {
                Some((resume, tried)) => {
                    *tried += 1;
                    (at, from) = (*resume, *tried);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// What one step of a pattern makes of a byte.
enum Token {
    Star,
    /// It takes it, and the next step is here.
    Fits(usize),
    Fails,
}

fn token(pattern: &[u8], at: usize, byte: u8) -> Token {
    let rest = pattern.get(at..).unwrap_or_default();
    let (fits, length) = match rest {
        [b'*', ..] => return Token::Star,
        [b'?', ..] => (true, 1),
        [b'\\', escaped, ..] => (*escaped == byte, 2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((fits, length)) => (fits, length + 1),
            None => (byte == b'[', 1),
        },
        [plain, ..] => (*plain == byte, 1),
        [] => (false, 0),
    };
    if fits { Token::Fits(at + length) } else { Token::Fails }
}

/// A bracket expression behind its `[`: whether it takes `byte`, and its length; nothing if it is not closed.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut fits = false;
    loop {
        let low = *set.get(at)?;
        if low == b']' && at > first {
            return Some((fits != negated, at + 1));
        }
        match (set.get(at + 1), set.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                fits |= (low..=*high).contains(&byte);
                at += 3;
            }
            _ => {
                fits |= low == byte;
                at += 1;
            }
        }
    }
}
