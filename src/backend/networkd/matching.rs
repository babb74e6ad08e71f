//! Which `.network` file an interface gets: the first one, by name, whose `[Match]` fits.
//!
//! Follows systemd.network(5), "[Match] Section Options", `net_match_config()` and fnmatch(3). What a root cannot tell
//! (drivers, udev properties, conditions on the host) is answered with [`Verdict::Perhaps`], never guessed. On a running
//! system networkd's own record in `/run/systemd/netif/links` says which file it took.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Network;
use super::links::{Link, mac};
use super::release::Release;
use crate::syntax::glob::glob;

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
pub fn choose<'a>(networks: &'a [Network], link: &Link) -> Choice<'a> {
    let mut candidates = Vec::new();
    let mut refused = None;
    for network in networks {
        let verdict = verdict(network, link);
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
    if link.record.is_some() {
        // networkd knows the interface and found no file for it, so what cannot be told did not fit.
        candidates.retain(|(_, verdict)| *verdict == Verdict::Yes);
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

/// What the file matches, in its own words, for an interface whose name cannot be told.
pub fn pattern(network: &Network) -> String {
    if !network.match_.names.is_empty() {
        return network.match_.names.join(" ");
    }
    let text = |(key, value): (&[u8], &[u8])| [key, b"=", value].concat();
    let first = network.assignments(b"Match").find(|(_, value)| !value.is_empty()).map(text);
    String::from_utf8_lossy(&first.unwrap_or_default()).into_owned()
}

/// How the `[Match]` of `network` fits `link`.
pub fn verdict(network: &Network, link: &Link) -> Verdict {
    let match_ = &network.match_;
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
#[derive(Debug, Clone, Default)]
pub struct Match {
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
    /// Reads the assignments of all `[Match]` sections, as `release` does.
    pub fn of<'a>(assignments: impl Iterator<Item = (&'a [u8], &'a [u8])>, release: Release) -> Match {
        let mut found = Match::default();
        let mut macs: BTreeMap<&'a [u8], BTreeSet<[u8; 6]>> = BTreeMap::new();
        for (key, value) in assignments {
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

    /// The interface names that it gives without a wildcard or negation.
    pub fn literal_names(&self) -> Vec<String> {
        let literal = |word: &&String| !word.contains(['*', '?', '[', '\\']) && !word.starts_with('!');
        self.names.iter().filter(literal).cloned().collect()
    }

    /// Whether no key of it is valid: such a file is ignored (systemd.network(5), "Matching").
    pub fn is_empty(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::super::files::network_of_text;
    use super::*;

    fn network(name: &str, text: &str) -> Network {
        let mut network = network_of_text(text, Release::default());
        for fragment in &mut network.fragments {
            fragment.path = fragment.path.parent().join(name);
            fragment.target = fragment.path.clone();
        }
        network.name = name.into();
        network
    }

    fn eth0() -> Link {
        Link { name: "eth0".into(), mac: mac("02:00:00:aa:bb:cc"), kind: Some("ether".into()), record: None }
    }

    /// Each was asked of the daemon on a veth called eth0 with that hardware address, systemd 252 and 257.
    #[test]
    fn verdicts_of_the_daemon() {
        use Verdict::{No, Perhaps, Yes};
        for (match_, expected) in [
            ("Name=eth0 toolong-name-of-interface-toolong", Yes),
            ("Name=all", No),
            ("Name=*", Yes),
            ("Name=\"eth0\"", No),
            ("Name=eth1\nName=\nName=eth0", Yes),
            ("Name=!eth0 eth1", No),
            ("Name=!eth1\nName=eth0", Yes),
            ("Name=!eth1\nName=eth2", No),
            ("Name=!eth1", Yes),
            ("Name=en* eth[0-9]", Yes),
            ("Name=et[[:alpha:]]0", No),
            ("MACAddress=02:00:00:AA:bb:cc", Yes),
            ("MACAddress=02-00-00-aa-bb-cc 00:11:22:33:44:55", Yes),
            ("MACAddress=00:11:22:33:44:55\nMACAddress=\nMACAddress=02:00:00:aa:bb:cc", Yes),
            ("MACAddress=garbage\nName=eth0", Yes),
            ("MACAddress=garbage", No),
            ("MACAddress=02:00:00:aa:bb:cc\nName=eth1", No),
            ("Type=ether", Yes),
            ("Type=!ether", No),
            ("Name=eth0\nFoo=bar", Yes),
            ("OriginalName=eth0", No),
            ("Foo=bar", No),
            ("", No),
            ("Name=eth0\nDriver=veth", Perhaps),
            ("Name=eth1\nDriver=veth", No),
            ("Host=nowhere", Perhaps),
            ("Name=eth0\nHost=nowhere\nHost=", Yes),
            ("Type=\"ether\"", Perhaps),
        ] {
            let found = verdict(&network("x.network", &format!("[Match]\n{match_}\n")), &eth0());
            assert_eq!(found, expected, "{match_}");
        }
    }

    #[test]
    fn what_is_not_known_of_a_link_is_left_open() {
        let unknown = Link { name: "eth0".into(), ..Link::default() };
        for match_ in ["MACAddress=02:00:00:aa:bb:cc", "Type=ether", "Name=eth0\nType=ether"] {
            let network = network("x.network", &format!("[Match]\n{match_}\n"));
            assert_eq!(verdict(&network, &unknown), Verdict::Perhaps, "{match_}");
        }
    }

    fn named(choice: Choice<'_>) -> String {
        let text = |network: &Network| String::from_utf8_lossy(&network.name).into_owned();
        match choice {
            Choice::Nothing => "nothing".into(),
            Choice::One(network) => text(network),
            Choice::Refused(network) => format!("refused {}", text(network)),
            Choice::Several(networks) => networks.into_iter().map(text).collect::<Vec<_>>().join("|"),
        }
    }

    #[test]
    fn the_first_that_fits_counts_and_doubt_is_kept() {
        let sure = |name| network(name, "[Match]\nName=eth0\n");
        let doubtful = |name| network(name, "[Match]\nDriver=igb\n");
        let choose = |networks: &[Network], link: &Link| named(choose(networks, link));
        assert_eq!(choose(&[sure("10"), sure("20")], &eth0()), "10");
        assert_eq!(choose(&[sure("10"), doubtful("20")], &eth0()), "10");
        assert_eq!(choose(&[doubtful("10"), sure("20"), sure("30")], &eth0()), "10|20");
        assert_eq!(choose(&[doubtful("10")], &eth0()), "10");
        assert_eq!(choose(&[], &eth0()), "nothing");
    }

    #[test]
    fn the_daemons_record_settles_it_unless_a_file_came_before() {
        let sure = |name| network(name, "[Match]\nName=eth0\n");
        let doubtful = |name| network(name, "[Match]\nDriver=igb\n");
        let record = |file: &str| super::super::links::Record { state: "configured".into(), file: Some(file.into()) };
        let link = Link { record: Some(record("/etc/systemd/network/20")), ..eth0() };
        let choose = |networks: &[Network]| named(choose(networks, &link));
        assert_eq!(choose(&[doubtful("10"), sure("20")]), "20");
        assert_eq!(choose(&[doubtful("10"), doubtful("20"), sure("30")]), "20");
        assert_eq!(choose(&[sure("10"), sure("20")]), "10|20", "10 was added since the daemon started");
        assert_eq!(choose(&[sure("10")]), "10", "the recorded file is gone");
        assert_eq!(choose(&[doubtful("10")]), "nothing", "networkd would have taken it");
    }
}
