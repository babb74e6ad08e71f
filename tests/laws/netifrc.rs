//! The laws of netifrc's files on random ones: nothing panics, twice is once, remove gives every byte back, the proof
//! holds, and `entries` says what the real shells say that source the files (`tests/semantics/netifrc.sh`).
//!
//! Files are made of assignments in every style, mixed styles and traps included. `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use crate::support::laws::{config, refused, show, write};
use ipalias::alias::{Alias, IfName, Label, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation};
use ipalias::plan::Plan;
use ipalias::proof::{Goal, prove};
use ipalias::root::Root;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const SPECS: &[&str] = &[
    "192.0.2.10/24",
    "192.0.2.10 netmask 255.255.255.0",
    "192.0.2.10/24 brd 192.0.2.255",
    "198.51.100.1/32",
    "198.51.100.2",
    "198.51.100.3 netmask 0xffffffff brd 198.51.100.3",
    "198.51.100.4/32 label eth0:web",
    "198.51.100.5/32 netmask 255.255.255.255",
    "198.51.100.6/32 198.51.100.7/32",
    "198.51.100.8/28 brd + 198.51.100.9/32",
    "2001:db8::5/64",
    "2001:db8::6",
    "2001:db8::7/64 brd +",
    "2001:db8::8/64 nodad",
    "dhcp",
    "null",
    "# 198.51.100.12/32",
    "  198.51.100.13/32  ",
    "",
];

/// Lines between the assignments.
const LINES: &[&str] = &[
    "",
    "# a comment: config_eth0=( \"198.51.100.20/32\" )",
    "routes_eth0=\"default via 192.0.2.1\"",
    "routes_eth1=( \"default gw 203.0.113.1\" )",
    "mtu_eth0=1400; dns_servers_eth0=\"192.0.2.53\"",
    "modules=\"iproute2 !dhclient\"",
    "modules=\"!iproute2\"",
    "modules_eth0=( \"!iproute2\" )",
    "fallback_eth0=\"198.51.100.21/32\"",
    "EXTRA=198.51.100.22/32",
    "postup() {\n\t# ip addr add 198.51.100.23/32 dev ${IFACE}\n\tip addr add 198.51.100.24/32 dev eth0\n\treturn 0\n}",
    "config_lo=\"127.0.0.1/8\"",
    "config_eth10=\"198.51.100.25/32\"",
    "export LC_ALL=C",
];

const WANTED: &[&str] = &["203.0.113.5", "203.0.113.6/29", "203.0.113.77", "2001:db8::77", "2001:db8:1::5/64"];

fn specs(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(SPECS), 1..=most)
}

/// An assignment to `config_IF`.
fn assignment() -> impl Strategy<Value = String> {
    let key = || select(vec!["config_eth0", "config_eth0", "config_eth0", "config_eth1"]);
    let lines = (key(), specs(4), select(vec!["\"", "'"]), select(vec!["\n", "\n\t", "\n  "]), select(vec!["", "\n"]))
        .prop_map(|(key, specs, quote, gap, end)| format!("{key}={quote}{}{end}{quote}", specs.join(gap)));
    let words = (key(), specs(4), select(vec![" ", "  ", " \\\n ", "\t"]))
        .prop_map(|(key, specs, gap)| format!("{key}=\"{}\" # words", specs.join(gap)));
    let array =
        (key(), specs(4), select(vec![" ", "\n", " # a comment\n\t", "\n\t# \"198.51.100.26/32\"\n\t"]), any::<bool>())
            .prop_map(|(key, specs, gap, more)| {
                let all: Vec<String> = specs.iter().map(|spec| format!("\"{spec}\"")).collect();
                let (plus, end) = if more { ("+", "\n") } else { ("", " ") };
                format!("{key}{plus}=({gap}{}{end})", all.join(gap))
            });
    prop_oneof![
        4 => lines,
        3 => words,
        4 => array,
        1 => (key(), specs(1), 0..7usize).prop_map(|(key, specs, at)| format!("{key}[{at}]=\"{}\"", specs[0])),
        1 => key().prop_map(|key| format!("{key}=\"${{{key}}}\n198.51.100.27/32\"")),
        1 => key().prop_map(|key| format!("{key}=\"192.0.2.10/24\n${{EXTRA}}\"")),
        1 => key().prop_map(|key| format!("{key}=192.0.2.10/24")),
        1 => key().prop_map(|key| format!("{key}=\"192.0.2.10/24\"'\n198.51.100.28/32'")),
        1 => key().prop_map(|key| format!("{key}=")),
        1 => key().prop_map(|key| format!("export {key}='dhcp'")),
        1 => key().prop_map(|key| format!("unset {key}")),
    ]
}

/// A file: the last line perhaps without its end.
fn file(most: usize) -> impl Strategy<Value = String> {
    let line = prop_oneof![2 => assignment(), 3 => select(LINES).prop_map(str::to_owned)];
    (prop::collection::vec(line, 0..most), any::<bool>(), prop::bool::weighted(0.1)).prop_map(|(lines, open, cr)| {
        let mut text = lines.join("\n");
        text.push_str(if open || text.is_empty() { "" } else { "\n" });
        if cr { text.replace('\n', "\r\n") } else { text }
    })
}

/// Files of conf.d, and the shell that reads them.
#[derive(Clone)]
struct Host {
    net: String,
    overlay: Option<String>,
    sh: &'static str,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |text: &str| text.replace('\r', "\\r").replace('\t', "\\t");
        writeln!(f, "sh is {}\n--- net\n{}", self.sh, show(&self.net))?;
        self.overlay.iter().try_for_each(|text| writeln!(f, "--- net.eth0\n{}", show(text)))
    }
}

impl Host {
    /// Lays the files out below `dir`.
    fn lay_out(&self, dir: &Path) -> Root {
        for folder in ["etc/conf.d", "etc/init.d", "etc/runlevels/default", "bin"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
        fs::write(dir.join("etc/init.d/net.lo"), "").unwrap();
        for name in ["net.eth0", "net.eth1"] {
            link("net.lo", &format!("etc/init.d/{name}"));
            link(&format!("/etc/init.d/{name}"), &format!("etc/runlevels/default/{name}"));
        }
        link(self.sh, "bin/sh");
        fs::write(dir.join("etc/conf.d/net"), &self.net).unwrap();
        if let Some(text) = &self.overlay {
            fs::write(dir.join("etc/conf.d/net.eth0"), text).unwrap();
        }
        Root::open(dir).unwrap()
    }
}

fn host() -> impl Strategy<Value = Host> {
    (file(6), prop::option::weighted(0.2, file(3)), select(vec!["bash", "bash", "dash"]))
        .prop_map(|(net, overlay, sh)| Host { net, overlay, sh })
}

fn netifrc() -> &'static dyn Backend {
    backend::by_name("netifrc").unwrap()
}

fn wishes() -> impl Strategy<Value = Vec<Alias>> {
    (subsequence(WANTED, 1..4), any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(addresses, preferred, label)| {
        let alias = |text| {
            let address = parse_address(text).unwrap();
            let label = (label && address.addr().is_ipv4()).then(|| Label::new("eth0:new").unwrap());
            Alias { interface: IfName::new("eth0").unwrap(), address, label, preferred }
        };
        addresses.into_iter().map(alias).collect()
    })
}

type Rows = BTreeSet<(String, IpAddr, u8)>;

/// What the shell and the table of netifrc's rules say of the tree at `dir`.
fn table(dir: &Path, sh: &str) -> Option<Rows> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/semantics/netifrc.sh");
    let output = crate::support::tool(Command::new(sh).arg(script).arg(dir).env("LC_ALL", "C"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| {
        let (interface, address) = line.split_once(' ').unwrap();
        let (ip, prefix) = address.split_once('/').unwrap();
        (interface.to_owned(), ip.parse().unwrap(), prefix.parse().unwrap())
    };
    Some(String::from_utf8_lossy(&output.stdout).lines().map(row).collect())
}

fn rows(entries: &[Entry]) -> Rows {
    let effective = entries.iter().filter(|entry| entry.is_effective());
    effective.map(|entry| (entry.interface.clone(), entry.address.addr(), entry.address.prefix_len())).collect()
}

/// Whether a plan has to write more than the new entries, so that taking these out cannot give the old bytes: `dhcp` where
/// it was understood, lines where there were words, quotes where there were none, a line end where it was missing.
fn writes_more(plan: &Plan) -> bool {
    let grown = |change: &ipalias::plan::Change| {
        let text = |bytes: &Option<Vec<u8>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
        let (before, after) = (text(&change.before), text(&change.after));
        let more = |what: &str| before.matches(what).count() != after.matches(what).count();
        let mut rest = after.bytes();
        let kept = before.bytes().all(|byte| rest.any(|other| other == byte));
        let open = !before.ends_with('\n') && after.ends_with('\n');
        !kept || open || ["dhcp", "=192.0.2.10/24", "'\""].iter().any(|what| more(what))
    };
    plan.changes.iter().any(grown)
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn add_twice_is_once_and_remove_undoes_it(host in host(), wanted in wishes()) {
        let dir = crate::support::scratch();
        let (backend, root) = (netifrc(), host.lay_out(dir.path()));
        drop(backend.detect(&root).unwrap());
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        let new = prove(backend, &root, &old, &plan, Goal::Present(&wanted));
        let new = new.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let after = plan.overlay(&root);
        let ours = |entry: &&Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(ours).cloned().collect();
        prop_assert_eq!(gone.len(), wanted.len(), "{}", show(&plan));
        prop_assert!(gone.iter().all(|entry| entry.role == Role::Additional), "{:?}", gone);
        let undo = backend.remove(&after, &gone);
        let undo = undo.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let proof = prove(backend, &after, &new, &undo, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}\n{}", proof.err().map(|error| error.to_string()), show(&undo));
        for change in plan.changes.iter().filter(|_| !writes_more(&plan)) {
            let before = root.read(&change.path).unwrap().unwrap();
            let back = undo.overlay(&after).read(&change.path).unwrap().unwrap();
            prop_assert!(back == before, "{}\n{}", show(&plan), show(&undo));
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else(host in host(), picks in any::<u64>()) {
        let dir = crate::support::scratch();
        let (backend, root) = (netifrc(), host.lay_out(dir.path()));
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let picked = |(at, entry): &(usize, &Entry)| picks >> (at % 64) & 1 == 1 && entry.role == Role::Additional;
        let picked: Vec<&Entry> = old.iter().enumerate().filter(picked).map(|(_, entry)| entry).collect();
        let same = |entry: &&Entry| picked.iter().any(|other| other.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = old.iter().filter(same).cloned().collect();
        if gone.iter().any(|entry| entry.role == Role::Primary) { return Ok(()) }
        let Some(plan) = refused(backend.remove(&root, &gone)) else { return Ok(()) };
        let proof = prove(backend, &root, &old, &plan, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?} removing {:?}\n{}", proof.err().map(|error| error.to_string()), gone, show(&plan));
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn entries_are_what_the_shell_says(host in host(), wanted in wishes()) {
        let dir = crate::support::scratch();
        let (backend, root) = (netifrc(), host.lay_out(dir.path()));
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let Some(found) = table(dir.path(), host.sh) else { return Ok(()) };
        prop_assert_eq!(rows(&old), found);
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        write(&plan, dir.path());
        let found = table(dir.path(), host.sh).unwrap();
        prop_assert_eq!(rows(&backend.entries(&root).unwrap()), found.clone(), "{}", show(&plan));
        let row = |alias: &Alias| ("eth0".to_owned(), alias.address.addr(), alias.address.prefix_len());
        prop_assert!(wanted.iter().all(|alias| found.contains(&row(alias))), "{:?}\n{}", found, show(&plan));
    }
}
