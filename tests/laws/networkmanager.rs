//! Laws of the networkmanager backend on random keyfiles: plausible lines, nasty lines, every line end.
//!
//! `IPALIAS_SOUPS=DIR` leaves the files there with what ipalias says of each, for a comparison with nmcli in bulk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{Backend, Entry, Role, Situation, networkmanager::NetworkManager};
use ipalias::proof::{Goal, prove};
use ipalias::root::{Root, RootPath};
use ipalias::syntax::keyfile::Keyfile;
use ipalias::text::Text;
use proptest::prelude::*;

use crate::support::laws::{self, empty};

const PATH: &str = "/etc/NetworkManager/system-connections/eth0.nmconnection";

/// Lines that administrators write, and lines that break things.
const LINES: &[&str] = &[
    "[ipv4]",
    "[ipv4] \t",
    "[ipv6]",
    "[ ipv6 ]",
    "[IPv4]",
    "[connection]",
    "[ethernet]",
    "[proxy]",
    "method=auto",
    "method=auto",
    "method=manual",
    "method = manual",
    "address1=192.0.2.10/24,192.0.2.1",
    "address1=192.0.2.10/24",
    "address=192.0.2.10/24",
    "addresses=192.0.2.10/24",
    "gateway=192.0.2.1",
    "gateway=0.0.0.0",
    "address2=203.0.113.5/32",
    "address2=203.0.113.6",
    "address3=203.0.113.5/24",
    "address9=203.0.113.7/32",
    "address10=203.0.113.6/32",
    "address0=203.0.113.7/32",
    "addresses2=203.0.113.6;32;0.0.0.0;",
    "addresses3=203.0.113.5/32;203.0.113.6/32;",
    "addresses4=203.0.113.6/32;203.0.113.7;",
    " \taddress5 \t= \t203.0.113.5/32",
    "address5=203.0.113.5/32 ",
    "address5=203.0.113.6/32 # no",
    "address6=\"203.0.113.7/32\"",
    "address6=203.0.113.7/255.255.255.255",
    "address7=203.0.113.5/33",
    "address7=203.0.113.5/",
    "address8=",
    "address8=garbage",
    "address8=203.0.113.5\\s/32",
    "address05=203.0.113.5/32",
    "address_5=203.0.113.6/32",
    "ADDRESS5=203.0.113.7/32",
    "address5[de]=203.0.113.7/32",
    "address2147483647=203.0.113.8/32",
    "address2147483648=203.0.113.8/32",
    "address1=2001:db8::10/64",
    "address1=2001:db8::10/64,2001:db8::1",
    "address2=2001:db8::5/128",
    "address2=2001:DB8:0::5",
    "address3=2001:db8::6/64 ",
    "dns=192.0.2.53;",
    "dns=\u{e9};",
    "may-fail=false",
    "never-default=true",
    "route1=198.51.100.0/24,192.0.2.1",
    "addr-gen-mode=stable-privacy",
    "x-mine=yes",
    "autoconnect-priority=10",
    "",
    "",
    "",
    " ",
    "\t",
    "\x0c",
    "# comment",
    "\t# comment",
    ";key=value",
    "Encoding=UTF-8",
];

/// Lines for which NetworkManager gives up a file or a profile: rare, so that most files live.
const FATAL: &[&[u8]] = &[
    b"; comment",
    b"junk",
    b"[ipv4",
    b"[]",
    b"=x",
    b"\x0b",
    b"a[b=c",
    b"method=",
    b"method=disabled",
    b"method=ignore",
    b"method=auto ",
    b"gateway=x",
    b"address1=192.0.2.10/24,1.2.3",
    b"Encoding=Latin1",
];

const ENDS: &[&str] = &["\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r\r\n", "\0\n", "\0x\n"];

#[derive(Clone)]
struct Case {
    file: Vec<u8>,
    want: Vec<Alias>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "file {}", self.file.escape_ascii())?;
        for alias in &self.want {
            writeln!(f, "want {} {}", alias.address, alias.preferred)?;
        }
        Ok(())
    }
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        60 => prop::sample::select(LINES).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::sample::select(FATAL).prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| [b"# ", bytes.as_slice()].concat()),
    ];
    let end = prop_oneof![6 => Just("\n"), 1 => prop::sample::select(ENDS)];
    let lines = prop::collection::vec((line, end), 0..20);
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
    let one = (prop::sample::select(ADDRESSES), any::<bool>()).prop_map(|(address, preferred)| {
        let address = parse_address(address).unwrap();
        Alias { interface: IfName::new("eth0").unwrap(), address, label: None, preferred }
    });
    prop::collection::vec(one, 1..4).prop_map(|mut aliases| {
        let mut seen = BTreeSet::new();
        aliases.retain(|alias| seen.insert(alias.address.addr()));
        aliases
    })
}

fn case() -> impl Strategy<Value = Case> {
    const HEAD: &str =
        "[connection]\nid=eth0\nuuid=1dd9a779-d327-56e1-8454-c65e2556c12c\ntype=ethernet\ninterface-name=eth0\n";
    const FOURS: &[&str] = &[
        "[ipv4]\nmethod=auto\n",
        "[ipv4]\nmethod=manual\naddress1=192.0.2.10/24,192.0.2.1\n",
        "\n[ipv4]\r\nmethod=auto\r\n",
        "",
    ];
    const SIXES: &[&str] = &["[ipv6]\nmethod=auto\n", "[ipv6]\nmethod=manual\naddress=2001:db8::10/64\n", "", "", ""];
    const MARKS: &[&str] = &["", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "\u{feff}"];
    let select = prop::sample::select;
    let all = (select(MARKS), select(FOURS), soup(), select(SIXES), soup());
    (all, aliases()).prop_map(|((mark, four, soup, six, more), want)| Case {
        file: [mark.as_bytes(), HEAD.as_bytes(), four.as_bytes(), &soup, b"\n", six.as_bytes(), &more].concat(),
        want,
    })
}

/// The file of `case`, laid over an empty root.
fn root(empty: &Root, case: &Case) -> Root {
    empty.with_planned([(RootPath::from(PATH), Some(case.file.clone()), 0o600)])
}

/// Runs `law` on random cases, see [`laws::check`].
fn check(least: usize, law: impl Fn(&Root, &Case) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let empty = empty(dir.path());
    laws::check(least, case(), |case| law(&root(&empty, case), case));
}

fn entries(root: &Root) -> Vec<Entry> {
    NetworkManager.entries(root).unwrap()
}

fn effective(entries: &[Entry]) -> BTreeSet<std::net::IpAddr> {
    entries.iter().filter(|entry| entry.is_effective()).map(|entry| entry.address.addr()).collect()
}

/// The wishes that are not configured yet.
fn missing(case: &Case, entries: &[Entry]) -> Vec<Alias> {
    let there = effective(entries);
    case.want.iter().filter(|alias| !there.contains(&alias.address.addr())).cloned().collect()
}

#[test]
fn reading_covers_every_byte_and_never_fails() {
    check(3, |root, case| {
        let text = Text::new(case.file.clone());
        let mut at = 0;
        for item in Keyfile::parse(&text).items {
            assert_eq!(item.range.start, at);
            at = item.range.end;
        }
        assert_eq!(at, case.file.len());
        assert_eq!(text.apply(Vec::new()).unwrap(), case.file);
        NetworkManager.detect(root).unwrap();
        !effective(&entries(root)).is_empty()
    });
}

#[test]
fn what_is_added_is_proven_added_once_and_can_be_taken_back() {
    check(5, |root, case| {
        let old = entries(root);
        let want = missing(case, &old);
        let Ok(plan) = NetworkManager.add(root, &want, &Situation::default()) else { return false };
        // The proof plans the same once more, and wants no change then.
        prove(&NetworkManager, root, &old, &plan, Goal::Present(&want)).unwrap();
        let over = plan.overlay(root);
        let again = NetworkManager.add(&over, &want, &Situation::default()).unwrap();
        assert!(again.leaves_files());
        let new = entries(&over);
        let wanted = |entry: &&Entry| want.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(|entry| entry.is_effective()).filter(wanted).cloned().collect();
        let repaired = plan.notes.iter().any(|note| note.contains("put right"));
        let back = NetworkManager.remove(&over, &gone).unwrap();
        prove(&NetworkManager, &over, &new, &back, Goal::Gone(&gone)).unwrap();
        let undone = back.overlay(&over);
        for change in plan.changes.iter().filter(|_| !repaired) {
            let (before, after) = (change.before.clone().unwrap(), undone.read(&change.path).unwrap().unwrap());
            // What may stay is a final newline, and the head of a group that was not there.
            let mut rest = String::from_utf8(after.strip_prefix(before.as_slice()).unwrap().to_vec()).unwrap();
            assert!(rest.is_empty() || !before.ends_with(b"\n") || rest.contains("[ipv"), "{rest:?}");
            for group in ["[ipv4]", "[ipv6]", "method=auto", "addr-gen-mode=default"] {
                rest = rest.replace(group, "");
            }
            assert_eq!(rest.trim(), "");
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
            let Ok(plan) = NetworkManager.remove(root, &gone) else { continue };
            prove(&NetworkManager, root, &old, &plan, Goal::Gone(&gone)).unwrap_or_else(|error| {
                let after = plan.changes.iter().filter_map(|change| change.after.clone()).collect::<Vec<_>>().concat();
                panic!("removing {address}: {error}\n{old:#?}\n{}", String::from_utf8_lossy(&after))
            });
            // What had no effect has none afterwards.
            let (before, after) = (effective(&old), effective(&entries(&plan.overlay(root))));
            assert!(after.is_subset(&before), "{:?}", after.difference(&before));
            told = true;
        }
        told
    });
}
