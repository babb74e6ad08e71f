//! Laws of the networkd backend on random `.network` files: plausible lines, nasty lines, every line end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use ipalias::alias::{Alias, IfName, Label, parse_address};
use ipalias::backend::{Backend, Entry, Role, Situation, networkd::Networkd};
use ipalias::proof::{Goal, prove};
use ipalias::root::{Root, RootPath};
use ipalias::syntax::ini::{Dialect, Ini};
use ipalias::text::Text;
use proptest::prelude::*;

use crate::support::laws::{self, empty};

/// Lines that administrators write, and lines that break things.
const LINES: &[&str] = &[
    "[Match]",
    "Name=eth0",
    "Name=eth1",
    "Name=e*",
    "MACAddress=02:00:00:00:00:01",
    "Type=ether",
    "[Network]",
    " [Network] ",
    "DHCP=ipv4",
    "DHCP=no",
    "Gateway=192.0.2.1",
    "Gateway=fe80::1",
    "DNS=192.0.2.53",
    "Address=192.0.2.10/24",
    "Address=203.0.113.5/32",
    "Address=203.0.113.5",
    "Address = 203.0.113.6/32",
    "Address=2001:db8::5/128",
    "Address=2001:DB8:0::5/64",
    "Address=",
    "Address=garbage",
    "Address=203.0.113.5/32 # no",
    "Address=203.0.113.7/32;x",
    "Address=0.0.0.0/24",
    "Address=203.0.113.6/33",
    "Peer=192.0.2.1/32",
    "Peer=",
    "[Address]",
    "[Address]",
    "[Address]",
    "[address]",
    "[ Address ]",
    "[Address] ",
    "Label=eth0:1",
    "Label=failover1 # optional",
    "Label=sixteen-bytes-xx",
    "Label=",
    "PreferredLifetime=0",
    "PreferredLifetime=5",
    "Broadcast=203.0.113.255",
    "Scope=link",
    "AddPrefixRoute=no",
    "AddPrefixRoute=maybe",
    "X-Mine=yes",
    "[Route]",
    "Destination=0.0.0.0/0",
    "[Neighbor]",
    "[DHCPServer]",
    "[Link]",
    "Unmanaged=yes",
    "Bridge=br0",
    "",
    "",
    "",
    " ",
    "\t",
    "# comment",
    "; comment",
    "# comment \\",
    "nonsense",
    "=nothing",
    "Key=a \\",
    "Address=\\",
    "\\",
    "\\\\",
    "[Addr\\",
    "Description=\u{e9}t\u{e9}",
];

/// Lines for which networkd gives up a file: rare, so that most files live.
const FATAL: &[&[u8]] = &[b"[Address", b"[", b"Description=caf\xe9"];

const ENDS: &[&str] = &["\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r", "\0", "\n\r"];

const VERSIONS: &[u32] = &[0, 232, 239, 241, 247, 249, 252, 255, 256, 257];

#[derive(Clone)]
struct Case {
    main: Vec<u8>,
    dropin: Option<Vec<u8>>,
    dir: &'static str,
    version: u32,
    want: Vec<Alias>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dropin = self.dropin.as_deref().map(<[u8]>::escape_ascii);
        writeln!(f, "{} {} main {}", self.version, self.dir, self.main.escape_ascii())?;
        writeln!(f, "dropin {}", dropin.map(|text| text.to_string()).unwrap_or_default())?;
        for alias in &self.want {
            writeln!(f, "want {} {:?} {}", alias.address, alias.label, alias.preferred)?;
        }
        Ok(())
    }
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        40 => prop::sample::select(LINES).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::sample::select(FATAL).prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| [b"# ", bytes.as_slice()].concat()),
    ];
    let lines = prop::collection::vec((line, prop::sample::select(ENDS)), 0..24);
    let crlf = prop_oneof![4 => Just(false), 1 => Just(true)];
    (lines, crlf, any::<bool>()).prop_map(|(lines, crlf, open)| {
        let end = |end: &'static str| if crlf && end == "\n" { "\r\n" } else { end };
        let mut bytes: Vec<u8> =
            lines.iter().flat_map(|(line, at)| [line.as_slice(), end(at).as_bytes()].concat()).collect();
        if let (true, Some((_, last))) = (open, lines.last()) {
            bytes.truncate(bytes.len() - end(last).len());
        }
        bytes
    })
}

fn aliases() -> impl Strategy<Value = Vec<Alias>> {
    const ADDRESSES: &[&str] = &[
        "203.0.113.5",
        "203.0.113.6",
        "203.0.113.7",
        "203.0.113.8",
        "203.0.113.5/24",
        "2001:db8::5",
        "2001:db8::6/64",
    ];
    let label = prop_oneof![3 => Just(None), 1 => Just(Some(Label::new("eth0:7").unwrap()))];
    let one = (prop::sample::select(ADDRESSES), label, any::<bool>()).prop_map(|(address, label, preferred)| {
        let address = parse_address(address).unwrap();
        let label = label.filter(|_| address.addr().is_ipv4());
        Alias { interface: IfName::new("eth0").unwrap(), address, label, preferred }
    });
    prop::collection::vec(one, 1..4).prop_map(|mut aliases| {
        let mut seen = BTreeSet::new();
        aliases.retain(|alias| seen.insert(alias.address.addr()));
        aliases
    })
}

fn case() -> impl Strategy<Value = Case> {
    const HEADS: &[&str] = &["[Match]\nName=eth0\n\n", "[Match]\r\nName=eth0\r\n", "\u{feff}[Match]\nName=eth0\n", ""];
    const DIRS: &[&str] = &["/etc/systemd/network", "/etc/systemd/network", "/usr/lib/systemd/network"];
    let dropin = prop_oneof![2 => Just(None), 1 => soup().prop_map(Some)];
    let all = (prop::sample::select(HEADS), soup(), dropin, prop::sample::select(DIRS), prop::sample::select(VERSIONS));
    (all, aliases()).prop_map(|((head, soup, dropin, dir, version), want)| Case {
        main: [head.as_bytes(), &soup].concat(),
        dropin,
        dir,
        version,
        want,
    })
}

/// The files of `case`, laid over an empty root.
fn root(empty: &Root, case: &Case) -> Root {
    let mut files = vec![(RootPath::from(case.dir).join("50-default.network"), Some(case.main.clone()), 0o644)];
    if let Some(bytes) = &case.dropin {
        let dir = RootPath::from("/etc/systemd/network/50-default.network.d");
        files.push((dir.join("zz.conf"), Some(bytes.clone()), 0o644));
    }
    if case.version > 0 {
        let library = format!("/usr/lib/systemd/libsystemd-shared-{}.so", case.version);
        files.push((library.as_str().into(), Some(Vec::new()), 0o644));
    }
    empty.with_planned(files)
}

/// Runs `law` on random cases, see [`laws::check`].
fn check(least: usize, law: impl Fn(&Root, &Case) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let empty = empty(dir.path());
    laws::check(least, case(), |case| law(&root(&empty, case), case));
}

fn entries(root: &Root) -> Vec<Entry> {
    Networkd.entries(root).unwrap()
}

/// The wishes that are not configured yet.
fn missing(case: &Case, entries: &[Entry]) -> Vec<Alias> {
    let there: BTreeSet<_> =
        entries.iter().filter(|entry| entry.is_effective()).map(|entry| entry.address.addr()).collect();
    case.want.iter().filter(|alias| !there.contains(&alias.address.addr())).cloned().collect()
}

#[test]
fn reading_covers_every_byte_and_never_fails() {
    check(8, |root, case| {
        for bytes in [Some(&case.main), case.dropin.as_ref()].into_iter().flatten() {
            let text = Text::new(bytes.clone());
            let mut at = 0;
            for item in Ini::parse(&text, Dialect::SYSTEMD).items {
                assert_eq!(item.range.start, at);
                at = item.range.end;
            }
            assert_eq!(at, bytes.len());
            assert_eq!(text.apply(Vec::new()).unwrap(), *bytes);
        }
        Networkd.detect(root).unwrap();
        !entries(root).is_empty()
    });
}

#[test]
fn what_is_added_is_proven_added_once_and_can_be_taken_back() {
    check(5, |root, case| {
        let old = entries(root);
        let want = missing(case, &old);
        let Ok(plan) = Networkd.add(root, &want, &Situation::default()) else { return false };
        // The proof plans the same once more, and wants no change then.
        prove(&Networkd, root, &old, &plan, Goal::Present(&want)).unwrap();
        let over = plan.overlay(root);
        let new = entries(&over);
        let wanted = |entry: &&Entry| want.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(|entry| entry.is_effective()).filter(wanted).cloned().collect();
        let back = Networkd.remove(&over, &gone).unwrap();
        prove(&Networkd, &over, &new, &back, Goal::Gone(&gone)).unwrap();
        if plan.notes.iter().any(|note| note.contains("put right")) {
            return true;
        }
        let undone = back.overlay(&over);
        for change in &plan.changes {
            let (before, after) = (change.before.clone(), undone.read(&change.path).unwrap());
            if after != before {
                // A missing final newline may have been supplied.
                let closed = |end: &[u8]| before.as_ref().map(|bytes| [bytes.as_slice(), end].concat());
                assert!(!before.as_ref().is_some_and(|bytes| bytes.ends_with(b"\n")), "{before:?}\n{after:?}");
                assert!([closed(b"\n"), closed(b"\r\n")].contains(&after), "{before:?}\n{after:?}");
            }
        }
        !want.is_empty()
    });
}

#[test]
fn every_address_can_be_removed_and_nothing_else_goes() {
    check(8, |root, _| {
        let old = entries(root);
        // The primary addresses are never removed.
        let primary: BTreeSet<_> =
            old.iter().filter(|entry| entry.role == Role::Primary).map(|entry| entry.address.addr()).collect();
        let addresses: BTreeSet<_> = old.iter().map(|entry| entry.address.addr()).collect();
        let mut told = false;
        for address in addresses.difference(&primary) {
            let gone: Vec<Entry> = old.iter().filter(|entry| entry.address.addr() == *address).cloned().collect();
            let Ok(plan) = Networkd.remove(root, &gone) else { continue };
            prove(&Networkd, root, &old, &plan, Goal::Gone(&gone)).unwrap_or_else(|error| {
                let files: Vec<_> = plan
                    .changes
                    .iter()
                    .map(|change| String::from_utf8_lossy(change.after.as_deref().unwrap_or_default()).into_owned())
                    .collect();
                panic!("removing {address}: {error}\n{old:#?}\n{files:#?}")
            });
            told = true;
        }
        told
    });
}
