//! The laws of the ifupdown family on random files: nothing panics, twice is once, remove undoes add, the proof holds.
//!
//! Files are soups of plausible and nasty lines, laid over an empty root, so that no case touches the disk. `PROPTEST_CASES`
//! sets how many are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::sync::OnceLock;

use crate::support::laws::{config, missing, refused, show};
use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation, Stance};
use ipalias::proof::{Goal, prove};
use ipalias::root::{Root, RootPath};
use ipalias::syntax::words::{self, Dialect, Joins};
use ipalias::text::Text;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Lines as they are found, and as nobody should write them.
const LINES: &[&[u8]] = &[
    b"",
    b"",
    b"# a comment",
    b"# a comment that goes on \\",
    b"   # indented",
    b"auto lo",
    b"iface lo inet loopback",
    b"auto eth0",
    b"auto eth0 eth0:0 eth1",
    b"auto eth0:1",
    b"auto",
    b"allow-hotplug eth0 eth0:2",
    b"iface eth0 inet static",
    b"iface eth0 inet static",
    b"iface eth0 inet dhcp",
    b"iface eth0 inet manual",
    b"iface eth0 inet6 static",
    b"iface eth0 inet6 auto",
    b"iface eth0",
    b"iface eth0:0 inet static",
    b"iface eth0:1 inet static",
    b"iface eth0:01 inet static",
    b"iface eth0:sixteen-bytes inet static",
    b"iface eth0:2 inet6 static",
    b"iface eth1 inet static",
    b"iface eth1 inet static inherits eth0",
    b"iface br0 inet static",
    b"iface",
    b"iface eth0 inet",
    b"iface eth0 inet \\",
    b"  static",
    b"    address 192.0.2.10/24",
    b"    address 192.0.2.10",
    b"\taddress 203.0.113.5",
    b"    address 203.0.113.5/32",
    b"    address 203.0.113.6 # failover",
    b"    address 203.0.113.7 0",
    b"address 198.51.100.1/29",
    b"    address 2001:db8::2/64",
    b"    address 2001:db8::5",
    b"    address $ADDRESS",
    b"    address",
    b"    netmask 255.255.255.0",
    b"\tnetmask 255.255.255.255",
    b"    netmask 32",
    b"    netmask 64",
    b"    netmask 255.0.255.0",
    b"    gateway 192.0.2.1",
    b"    gateway fe80::1",
    b"    broadcast +",
    b"    preferred-lifetime 0",
    b"    autoconf 1",
    b"    dns-nameservers 192.0.2.53",
    b"    mtu 1400",
    b"    bridge_ports eth1",
    b"    bond-master bond0",
    b"    addresses 203.0.113.8/32 203.0.113.9",
    b"    up ip addr add 203.0.113.5/32 dev eth0",
    b"    up ip addr add 203.0.113.10/32 dev $IFACE label $IFACE:7 || true",
    b"    down ip addr del 203.0.113.5/32 dev eth0",
    b"    post-up /sbin/ifconfig eth0:0 203.0.113.11 netmask 255.255.255.255 broadcast 203.0.113.11",
    b"    pre-down /sbin/ifconfig eth0:0 down",
    b"    up ip addr add 203.0.113.12/32 dev eth0 && ip route flush cache",
    b"    up for i in 5 6; do ip addr add 203.0.113.$i/32 dev eth0; done",
    b"    up ifup eth0:1",
    b"    up",
    b"mapping eth0",
    b"    script /bin/true",
    b"    map work office",
    b"auto eth0=office",
    b"iface office inet static",
    b"auto /eth*",
    b"auto swp[1-4] all",
    b"template base",
    b"inherit base",
    b"use dhcp",
    b"vlan 100",
    b"no-scripts eth0",
    b"source /etc/network/more",
    b"source /etc/network/*",
    b"source more missing",
    b"source $HOME/x",
    b"source-directory /etc/network/interfaces.d",
    b"source-dir interfaces.d",
    b"source",
    b"hello world",
    b"% for i in range(3):",
    b"Auto eth0",
    b"\\",
    b"    \\ ",
    b"a\\b c",
    b"\xef\xbb\xbfauto eth0",
    b"# Stra\xdfe",
    b"nul \0 byte",
    b"lone \r return",
    b"# managed by hand",
    b"\x0b\x0c",
];

/// A reader's name, with what makes it an older one.
const READERS: &[(&str, Option<(&str, &str)>)] = &[
    ("ifupdown", None),
    ("ifupdown", Some(("/etc/debian_version", "6.0.10\n"))),
    ("ifupdown2", None),
    ("ifupdown2", Some(("/usr/share/ifupdown2/ifupdown/networkinterfaces.py", "source-directory"))),
    ("ifupdown-ng", None),
    ("ifupdown-ng", Some(("/lib/apk/db/installed", "P:ifupdown-ng\nV:0.11.3-r0\n"))),
    ("busybox", None),
];

const ADDRESSES: &[&str] = &[
    "203.0.113.5",
    "203.0.113.6",
    "203.0.113.11",
    "198.51.100.1",
    "203.0.113.77",
    "203.0.113.78",
    "2001:db8::5",
    "2001:db8::77",
];

/// A file: lines with one end of line, perhaps without the last one. Every second one begins as a file should.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let start: &[&[u8]] = &[
        b"auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10\n    netmask 255.255.255.0\n",
        b"",
    ];
    (select(start), prop::collection::vec(select(LINES), 0..14), select(vec!["\n", "\n", "\n", "\r\n"]), any::<bool>())
        .prop_map(|(start, lines, eol, open)| {
            let mut bytes = start.to_vec();
            for line in lines {
                bytes.extend_from_slice(line);
                bytes.extend_from_slice(eol.as_bytes());
            }
            if open && bytes.ends_with(eol.as_bytes()) {
                bytes.truncate(bytes.len() - eol.len());
            }
            bytes
        })
}

/// A reader and the files that it finds.
#[derive(Clone)]
struct Host {
    reader: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.reader)?;
        self.files.iter().try_for_each(|(path, bytes)| {
            writeln!(f, "--- {path}\n{}", bytes.escape_ascii().to_string().replace("\\n", "\n"))
        })
    }
}

impl Host {
    fn open(&self) -> (&'static dyn Backend, Root) {
        let planned = self.files.iter().map(|(path, bytes)| (RootPath::from(*path), Some(bytes.clone()), 0o644));
        (backend::by_name(self.reader).unwrap(), empty().with_planned(planned))
    }
}

fn host() -> impl Strategy<Value = Host> {
    (select(READERS), file(), prop::option::of(file()), prop::option::of(file())).prop_map(
        |((reader, older), main, more, dropped)| {
            let mut files = vec![("/etc/network/interfaces", main)];
            files.extend(more.map(|bytes| ("/etc/network/more", bytes)));
            files.extend(dropped.map(|bytes| ("/etc/network/interfaces.d/50-more", bytes)));
            files.extend(older.map(|(path, text)| (path, text.as_bytes().to_vec())));
            Host { reader, files }
        },
    )
}

fn empty() -> Root {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        dir
    });
    Root::open(dir.path()).unwrap()
}

fn wishes() -> impl Strategy<Value = Vec<Alias>> {
    (subsequence(ADDRESSES, 1..4), any::<bool>()).prop_map(|(addresses, preferred)| {
        let interface = || IfName::new("eth0").unwrap();
        let alias =
            |text| Alias { interface: interface(), address: parse_address(text).unwrap(), label: None, preferred };
        addresses.into_iter().map(alias).collect()
    })
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn add_twice_is_once_and_remove_undoes_it(host in host(), wanted in wishes()) {
        let (backend, root) = host.open();
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let wanted = missing(wanted, &old);
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        let new = prove(backend, &root, &old, &plan, Goal::Present(&wanted));
        let new = new.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let after = plan.overlay(&root);
        let again = backend.add(&after, &wanted, &Situation::default()).unwrap();
        prop_assert!(again.changes.is_empty(), "the second plan: {}", show(&again));
        let ours = |entry: &&Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(ours).cloned().collect();
        prop_assert_eq!(gone.len(), wanted.len());
        prop_assert!(gone.iter().all(|entry| entry.role == Role::Additional), "{:?}", gone);
        let undo = backend.remove(&after, &gone);
        let undo = undo.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let proof = prove(backend, &after, &new, &undo, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}", proof.err());
        for change in &plan.changes {
            let before = root.read(&change.path).unwrap();
            let back = undo.overlay(&after).read(&change.path).unwrap();
            let closed = |eol: &[u8]| before.as_ref().map(|before| [before.as_slice(), eol].concat());
            prop_assert!(
                back == before || back == closed(b"\n") || back == closed(b"\r\n"),
                "{:?} became {:?}", before.map(|b| String::from_utf8_lossy(&b).into_owned()),
                back.map(|b| String::from_utf8_lossy(&b).into_owned())
            );
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else(host in host(), picks in any::<u64>()) {
        let (backend, root) = host.open();
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let picked = |(at, entry): &(usize, &Entry)| picks >> (at % 64) & 1 == 1 && entry.role == Role::Additional;
        let picked: Vec<&Entry> = old.iter().enumerate().filter(picked).map(|(_, entry)| entry).collect();
        // As the command does: every entry of an address, wherever it stands.
        let same = |entry: &&Entry| picked.iter().any(|other| other.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = old.iter().filter(same).cloned().collect();
        let Some(plan) = refused(backend.remove(&root, &gone)) else { return Ok(()) };
        let proof = prove(backend, &root, &old, &plan, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?} removing {:?}\n{}", proof.err(), gone, show(&plan));
    }

    #[test]
    fn nothing_panics(host in host()) {
        let (backend, root) = host.open();
        if let Some(Stance::InCharge(claim)) = refused(backend.detect(&root)) {
            prop_assert!(!claim.evidence.is_empty());
        }
    }

    #[test]
    fn words_are_where_they_say(
        bytes in prop::collection::vec(select(b"ab# \t\\\n\r\x00\xff".to_vec()), 0..60),
        joins in select(vec![
            Joins::AtEnd { of_comments: false }, Joins::AtEnd { of_comments: true }, Joins::AtEndTrimmed, Joins::Anywhere,
        ]),
        inline_comments in any::<bool>(),
        cr_is_blank in any::<bool>(),
    ) {
        let text = Text::new(bytes.clone());
        let mut end = 0;
        let mut line_end = 0;
        for line in words::split(&text, &Dialect { joins, inline_comments, cr_is_blank }).lines {
            prop_assert!(line.lines.start >= line_end && line.lines.start < line.lines.end);
            prop_assert!(line.lines.end <= text.line_count());
            line_end = line.lines.end;
            let first = text.line(line.lines.start).unwrap().start;
            let behind = text.line(line.lines.end - 1).unwrap().next;
            prop_assert!(!line.words.is_empty());
            for word in &line.words {
                prop_assert!(word.at.start >= end && word.at.start >= first && word.at.end <= behind);
                end = word.at.end;
                let raw = &text.bytes()[word.at.clone()];
                let mut rest = raw.iter();
                prop_assert!(word.text.iter().all(|byte| rest.any(|other| other == byte)), "{:?} in {:?}", word, raw);
                prop_assert!(raw.len() == word.text.len() || raw.contains(&b'\\'));
            }
        }
        prop_assert_eq!(text.bytes(), &bytes[..]);
    }
}
