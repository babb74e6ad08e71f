//! The laws of wicked's files on random ones: nothing panics, twice is once, remove gives every byte back, the proof
//! holds, and `entries` says what the table of wicked's rules says (`tests/semantics/wicked.sh`).
//!
//! Files are soups of plausible and nasty lines. `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use crate::support::laws::{config, refused, show, write};
use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation};
use ipalias::proof::{Goal, prove};
use ipalias::root::Root;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const SUFFIXES: &[&str] = &["", "_0", "_1", "_2", "_FO", "_v6", "2", "_00"];

const VALUES: &[&str] = &[
    "192.0.2.10/24",
    "192.0.2.10",
    "198.51.100.1/32",
    "198.51.100.2",
    "198.51.100.3/030",
    "198.51.100.4/0",
    "198.51.100.5/33",
    "198.51.100.6/0x1d;",
    " 198.51.100.7/32",
    "198.51.100.8/32 198.51.100.9/32",
    "2001:db8::5/64",
    "2001:DB8:0:0::6",
    "0.0.0.0",
    "",
    "dhcp",
];

/// Lines besides those of addresses.
const LINES: &[&[u8]] = &[
    b"",
    b"# a comment",
    b"  # indented",
    b"STARTMODE='auto'",
    b"STARTMODE=auto",
    b"STARTMODE='manual'",
    b"STARTMODE='off'",
    b"BOOTPROTO='static'",
    b"BOOTPROTO=\"dhcp\"",
    b"BOOTPROTO=dhcp+autoip",
    b"BOOTPROTO='none'",
    b"BOOTPROTO=''",
    b"MTU='1500' # bytes",
    b"MTU=1500 IPADDR_3=198.51.100.30",
    b"export IPADDR_1=198.51.100.31/32",
    b"IPADDR_2 = 198.51.100.32/32",
    b"IPADDR-FOO=198.51.100.33/32",
    b"_IPADDR=198.51.100.34/32",
    b"ipaddr_5='198.51.100.35/32'",
    b"IPADDR_6='198.51.100.36/32",
    b"IPADDR_7=$OTHER",
    b"NAME='Stra\xdfe'",
    b"REMOTE_IPADDR=''",
    b"CLOUD_NETCONFIG_MANAGE='yes'",
    b"\x0bIPADDR_8=198.51.100.38/32\x0b",
    b"BRIDGE_PORTS='eth1'",
];

const COMPANIONS: &[(&str, &[&str])] = &[
    ("NETMASK", &["255.255.255.0", "255.255.255.255", "255.0.255.0", "24", ""]),
    ("PREFIXLEN", &["24", "32", "030", "x", "0", ""]),
    ("LABEL", &["0", "eth0:web", "eth0", "much-too-long-for-it", "a b"]),
    ("BROADCAST", &["192.0.2.255", ""]),
    ("SCOPE", &["link"]),
];

const WANTED: &[&str] = &["203.0.113.5", "203.0.113.6/29", "203.0.113.77", "2001:db8::77", "2001:db8:1::5/64"];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let setting = |(name, suffix, value, quote): (&str, &str, &str, &str)| {
        format!("{name}{suffix}={quote}{value}{quote}").into_bytes()
    };
    let quote = || select(vec!["'", "'", "\"", ""]);
    let companion = select(COMPANIONS)
        .prop_flat_map(move |(name, values)| (Just(name), select(SUFFIXES), select(values), quote()).prop_map(setting));
    // A line of about the length that wicked reads at once, with a setting near its end.
    let long = (500..520usize, any::<bool>()).prop_map(|(length, comment)| {
        let mut line = vec![b'x'; length];
        line[..5].copy_from_slice(if comment { b"# abc" } else { b"NAME=" });
        [line.as_slice(), b"IPADDR_9='198.51.100.39/32'"].concat()
    });
    prop_oneof![
        6 => (Just("IPADDR"), select(SUFFIXES), select(VALUES), quote()).prop_map(setting),
        4 => companion,
        6 => select(LINES).prop_map(<[u8]>::to_vec),
        1 => long,
    ]
}

/// A file: lines with one end of line, perhaps without the last one. Every second one begins as a file should.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let start: &[&[u8]] = &[b"STARTMODE='auto'\nBOOTPROTO='static'\nIPADDR='192.0.2.10/24'\n", b""];
    (select(start), prop::collection::vec(line(), 0..10), select(vec!["\n", "\n", "\n", "\r\n"]), any::<bool>())
        .prop_map(|(start, lines, eol, open)| {
            let mut bytes = start.to_vec();
            for line in lines {
                bytes.extend_from_slice(&line);
                bytes.extend_from_slice(eol.as_bytes());
            }
            if open && bytes.ends_with(eol.as_bytes()) {
                bytes.truncate(bytes.len() - eol.len());
            }
            bytes
        })
}

/// The files of two interfaces, and whether scripts in bash read them.
#[derive(Clone)]
struct Host {
    eth0: Vec<u8>,
    eth1: Option<Vec<u8>>,
    scripts: bool,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "read by {}", if self.scripts { "scripts" } else { "wicked" })?;
        for (name, bytes) in [("eth0", Some(&self.eth0)), ("eth1", self.eth1.as_ref())] {
            let text = bytes.map(|bytes| bytes.escape_ascii().to_string().replace("\\n", "\n"));
            writeln!(f, "--- {name}\n{}", text.unwrap_or_default())?;
        }
        Ok(())
    }
}

impl Host {
    /// Lays the files out below `dir`.
    fn lay_out(&self, dir: &Path) -> Root {
        let network = dir.join("etc/sysconfig/network");
        fs::create_dir_all(&network).unwrap();
        fs::write(network.join("ifcfg-eth0"), &self.eth0).unwrap();
        if let Some(bytes) = &self.eth1 {
            fs::write(network.join("ifcfg-eth1"), bytes).unwrap();
        }
        if self.scripts {
            fs::create_dir_all(dir.join("etc/init.d")).unwrap();
            fs::write(dir.join("etc/init.d/network"), "").unwrap();
        }
        Root::open(dir).unwrap()
    }
}

fn host() -> impl Strategy<Value = Host> {
    (file(), prop::option::of(file()), prop::bool::weighted(0.3)).prop_map(|(eth0, eth1, scripts)| Host {
        eth0,
        eth1,
        scripts,
    })
}

fn wicked() -> &'static dyn Backend {
    backend::by_name("wicked").unwrap()
}

fn wishes() -> impl Strategy<Value = Vec<Alias>> {
    (subsequence(WANTED, 1..4), any::<bool>()).prop_map(|(addresses, preferred)| {
        let alias = |text| Alias {
            interface: IfName::new("eth0").unwrap(),
            address: parse_address(text).unwrap(),
            label: None,
            preferred,
        };
        addresses.into_iter().map(alias).collect()
    })
}

/// What the table of wicked's rules says of the tree at `dir`.
fn table(dir: &Path) -> Option<BTreeSet<(String, IpAddr, u8)>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/semantics/wicked.sh");
    let output = crate::support::tool(Command::new("sh").arg(script).arg(dir).env("LC_ALL", "C"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| {
        let (interface, address) = line.split_once(' ').unwrap();
        let (ip, prefix) = address.split_once('/').unwrap();
        (interface.to_owned(), ip.parse().unwrap(), prefix.parse().unwrap())
    };
    Some(String::from_utf8_lossy(&output.stdout).lines().map(row).collect())
}

fn rows(entries: &[Entry]) -> BTreeSet<(String, IpAddr, u8)> {
    let effective = entries.iter().filter(|entry| entry.is_effective());
    effective.map(|entry| (entry.interface.clone(), entry.address.addr(), entry.address.prefix_len())).collect()
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn add_twice_is_once_and_remove_undoes_it(host in host(), wanted in wishes()) {
        let dir = crate::support::scratch();
        let (backend, root) = (wicked(), host.lay_out(dir.path()));
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        drop(backend.detect(&root).unwrap());
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        let new = prove(backend, &root, &old, &plan, Goal::Present(&wanted));
        let new = new.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let after = plan.overlay(&root);
        let ours = |entry: &&Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(ours).cloned().collect();
        prop_assert_eq!(gone.len(), wanted.len());
        // The first address with a subnet, on an interface that had none, is its primary one, and stays.
        if gone.iter().any(|entry| entry.role == Role::Primary) {
            prop_assert!(old.iter().all(|entry| entry.interface == "eth1" || entry.role == Role::Additional));
            return Ok(());
        }
        let undo = backend.remove(&after, &gone);
        let undo = undo.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let proof = prove(backend, &after, &new, &undo, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}", proof.err());
        for change in &plan.changes {
            let before = root.read(&change.path).unwrap().unwrap();
            let back = undo.overlay(&after).read(&change.path).unwrap().unwrap();
            let closed = |eol: &[u8]| [before.as_slice(), eol].concat();
            prop_assert!(
                back == before || back == closed(b"\n") || back == closed(b"\r\n"),
                "{} became {}", before.escape_ascii(), back.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else(host in host(), picks in any::<u64>()) {
        let dir = crate::support::scratch();
        let (backend, root) = (wicked(), host.lay_out(dir.path()));
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let picked = |(at, entry): &(usize, &Entry)| picks >> (at % 64) & 1 == 1 && entry.role == Role::Additional;
        let picked: Vec<&Entry> = old.iter().enumerate().filter(picked).map(|(_, entry)| entry).collect();
        let same = |entry: &&Entry| picked.iter().any(|other| other.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = old.iter().filter(same).cloned().collect();
        if gone.iter().any(|entry| entry.role == Role::Primary) { return Ok(()) }
        let Some(plan) = refused(backend.remove(&root, &gone)) else { return Ok(()) };
        let proof = prove(backend, &root, &old, &plan, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?} removing {:?}\n{}", proof.err(), gone, show(&plan));
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn entries_are_what_wicked_sets(host in host(), wanted in wishes()) {
        let dir = crate::support::scratch();
        let (backend, root) = (wicked(), host.lay_out(dir.path()));
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let Some(found) = table(dir.path()) else { return Ok(()) };
        prop_assert_eq!(rows(&old), found);
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        write(&plan, dir.path());
        let found = table(dir.path()).unwrap();
        prop_assert_eq!(rows(&backend.entries(&root).unwrap()), found.clone());
        for alias in &wanted {
            let row = ("eth0".to_owned(), alias.address.addr(), alias.address.prefix_len());
            prop_assert!(found.contains(&row), "{:?} is not in {:?}", row, found);
        }
    }
}
