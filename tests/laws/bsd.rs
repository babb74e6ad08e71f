//! The laws of the backends of OpenBSD and NetBSD on random files: `list` says what `tests/semantics` finds, twice is once,
//! remove undoes add, nothing else changes.
//!
//! `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::laws::{config, missing, refused, show, write};
use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation};
use ipalias::plan::{Action, Plan};
use ipalias::proof::{Goal, prove};
use ipalias::root::Root;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const WISHES: &[&str] =
    &["203.0.113.5", "203.0.113.6", "203.0.113.9/29", "198.51.100.5", "198.51.100.6", "2001:db8::5", "2001:db8::77"];

/// A system and the files that it has.
#[derive(Clone)]
struct Host {
    backend: &'static str,
    files: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.backend)?;
        self.files.iter().try_for_each(|(path, text)| writeln!(f, "--- {path}\n{text:?}\n{text}"))
    }
}

impl Host {
    fn lay_out(&self) -> tempfile::TempDir {
        let dir = crate::support::scratch();
        for (path, text) in &self.files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn backend(&self) -> &'static dyn Backend {
        backend::by_name(self.backend).unwrap()
    }

    fn interface(&self) -> &'static str {
        if self.backend == "openbsd" { "em0" } else { "wm0" }
    }
}

fn four() -> impl Strategy<Value = String> {
    (1..20u8).prop_map(|last| format!("198.51.100.{last}"))
}

fn six() -> impl Strategy<Value = String> {
    (1..20u8).prop_map(|last| format!("2001:db8::{last:x}"))
}

/// Arguments of ifconfig as NetBSD takes them, and OpenBSD where a line is not packed.
fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => four().prop_map(|ip| format!("inet {ip} netmask 255.255.255.255 alias")),
        2 => four().prop_map(|ip| format!("inet {ip}/32 alias")),
        1 => four().prop_map(|ip| format!("inet alias {ip}/29")),
        1 => four().prop_map(|ip| format!("alias {ip}/32")),
        1 => four().prop_map(|ip| format!("alias {ip} netmask 0xffffffff")),
        1 => four().prop_map(|ip| format!("{ip}/24")),
        1 => four().prop_map(|ip| format!("inet {ip} netmask 255.255.255.0")),
        1 => four().prop_map(|ip| format!("alias {ip} 255.255.255.255")),
        1 => four().prop_map(|ip| format!("inet '{ip}' netmask \"255.255.255.240\" alias")),
        1 => four().prop_map(|ip| format!("inet {ip}/32 alias mtu 1400")),
        1 => four().prop_map(|ip| format!("{ip} -alias")),
        1 => four().prop_map(|ip| format!("{ip} delete")),
        2 => six().prop_map(|ip| format!("inet6 {ip} prefixlen 128 alias")),
        1 => six().prop_map(|ip| format!("inet6 {ip}/64")),
        1 => six().prop_map(|ip| format!("inet6 alias {ip}")),
        2 => select(vec!["up", "down", "mtu 9000", "media autoselect", "description \"a b\"", "inet alias", "inet",
            "up mtu", "-inet6x", "wat", "inet web/32 alias", "inet6 web", "description \"oops", "a; b", "a | b", "( a"])
            .prop_map(str::to_owned),
    ]
}

/// Lines that OpenBSD packs.
fn packed() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => four().prop_map(|ip| format!("inet alias {ip} 255.255.255.255")),
        1 => four().prop_map(|ip| format!("inet alias {ip} 0xffffffff NONE")),
        1 => four().prop_map(|ip| format!("inet alias {ip} 255.255.255.255 {ip}")),
        1 => four().prop_map(|ip| format!("inet {ip} 255.255.255.0")),
        1 => four().prop_map(|ip| format!("inet {ip} 255.255.255.0 198.51.100.255 description \"x y\"")),
        1 => four().prop_map(|ip| format!("inet alias {ip} 255.255.255.255 NONE mtu 9000")),
        2 => six().prop_map(|ip| format!("inet6 alias {ip} 128")),
        1 => six().prop_map(|ip| format!("inet6 {ip} 64")),
        1 => four().prop_map(|ip| format!("dest {ip}")),
        1 => select(vec!["dhcp", "inet autoconf", "inet6 autoconf", "rtsol", "dest", "inet web 255.255.255.255"])
            .prop_map(str::to_owned),
    ]
}

/// A line with something around it.
fn line(system: &'static str, body: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (body, 0..24u8).prop_map(move |(body, way)| match way {
        0 => format!("# {body}"),
        1 => format!("  {body}"),
        2 => format!("\t{}  ", body.replacen(' ', "\t", 1)),
        3 => body.replacen(' ', " \\\n", 1),
        4 => body.replacen(' ', "\\\n ", 1),
        5 => format!("{body} # why"),
        6 => format!("{body} \\"),
        7 if system == "openbsd" => format!("!ifconfig $if {body}"),
        7 => format!("!ifconfig $int {body}"),
        8 => format!("! /sbin/ifconfig em0 {body}"),
        9 => format!("{body}; up"),
        10 => "!route add 203.0.113.0/24 192.0.2.1".to_owned(),
        11 => String::new(),
        12 => format!("#{body} \\"),
        _ => body,
    })
}

/// Lines as a file, its last end perhaps missing.
fn file(lines: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = String> {
    (lines, prop::bool::weighted(0.2)).prop_map(|(lines, open)| {
        let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if open { whole.trim_end_matches('\n').to_owned() } else { whole }
    })
}

const HOSTS: &str = "127.0.0.1 localhost\n198.51.100.40 web www # x\n2001:db8::40 web\n";

fn openbsd() -> impl Strategy<Value = Host> {
    let lines = || prop::collection::vec(line("openbsd", prop_oneof![packed(), arguments()]), 0..7);
    let first = select(vec!["inet 192.0.2.10 255.255.255.0\n", "inet autoconf\n", "dhcp\n", ""]);
    (first, file(lines()), file(lines()), any::<bool>()).prop_map(|(first, em0, em1, gate)| {
        let mut files = vec![
            ("etc/netstart", "#\t$OpenBSD: netstart,v 1.229 2022/11/05 12:06:05 kn Exp $\n".to_owned()),
            ("etc/hosts", HOSTS.to_owned()),
            ("etc/hostname.em0", format!("{first}{em0}")),
            ("etc/hostname.em1", em1.clone()),
            ("etc/hostname.em0.bak", em1),
        ];
        if gate {
            files.push(("etc/mygate", "192.0.2.1\n".to_owned()));
        }
        Host { backend: "openbsd", files }
    })
}

/// An assignment of a list of items to a variable.
fn variable(interface: &'static str) -> impl Strategy<Value = String> {
    let items = prop::collection::vec(prop_oneof![3 => arguments(), 1 => line("netbsd", arguments())], 1..5);
    (items, 0..8u8, prop::bool::weighted(0.2)).prop_map(move |(items, way, closed)| {
        let plain = |item: &String| item.replace(['"', '\''], "").replace("$int", "x");
        let join =
            |by: &str| items.iter().map(plain).collect::<Vec<_>>().join(by) + if closed { by.trim_end() } else { "" };
        match way {
            0..=2 => format!("ifconfig_{interface}=\"{}\"", join("; ")),
            3 => format!("ifconfig_{interface}='{}'", join(";")),
            4 => format!("ifconfig_{interface}=\"\n\t{}\n\"", join("\n\t")),
            5 => format!("ifconfig_{interface}=\"{}\"", join("\n")),
            6 => format!(
                "ifconfig_{interface}=\"inet 192.0.2.10/24\"\nifconfig_{interface}=\"$ifconfig_{interface}; {}\"",
                join("; ")
            ),
            _ => format!("ifconfig_{interface}=dhcp"),
        }
    })
}

fn netbsd() -> impl Strategy<Value = Host> {
    let lines = || prop::collection::vec(line("netbsd", arguments()), 0..7);
    let first = select(vec!["inet 192.0.2.10 netmask 255.255.255.0\n", "dhcp\n", "create\n", ""]);
    let rest = select(vec![
        "",
        "dhcpcd=YES\n",
        "auto_ifconfig=NO\nnet_interfaces=\"wm0\"\n",
        "net_interfaces=NO\n",
        "ifaliases_wm0=\"198.51.100.5 255.255.255.255 198.51.100.6 -\"\n",
        "ifaliases_wm0='198.51.100.30 - 198.51.100.31'\n",
        "ifaliases_wm1=\"198.51.100.32/32 -\"\nifaliases_lo0=\"198.51.100.33 0xffffffff\"\n",
        "defaultroute=192.0.2.1\n",
        "ifconfig_wm0=\n",
    ]);
    let list = prop::collection::vec(
        select(vec![
            "198.51.100.5 wm0 255.255.255.255",
            "198.51.100.6 wm0",
            "198.51.100.7 wm0 255.255.255.255 # x",
            "# 198.51.100.8 wm0",
            "198.51.100.9 wm1 0xffffffff",
            "",
            "198.51.100.10 wm0 255.255.255.255 broadcast 198.51.100.10",
            "198.51.100.11\\",
        ])
        .prop_map(str::to_owned),
        0..4,
    );
    let own = prop::option::weighted(0.5, variable("wm0"));
    let other = prop::option::weighted(0.3, variable("wm1"));
    let files = (file(lines()), file(lines()), file(list), prop::option::weighted(0.2, variable("wm0")));
    (first, rest, own, other, files, any::<[bool; 3]>()).prop_map(|(first, rest, own, other, texts, there)| {
        let (wm0, wm1, list, late) = texts;
        let text = |value: Option<String>| value.map(|value| format!("{value}\n")).unwrap_or_default();
        let head = "if [ -r /etc/defaults/rc.conf ]; then\n\t. /etc/defaults/rc.conf\nfi\nrc_configured=YES\n";
        let mut files = vec![
            ("etc/rc.d/network", "# $NetBSD: network,v 1.79 Exp $\n".to_owned()),
            ("etc/defaults/rc.conf", "auto_ifconfig=YES\nnet_interfaces=\"\"\n".to_owned()),
            ("etc/hosts", HOSTS.to_owned()),
            ("etc/rc.conf", format!("{head}{}{}{rest}", text(own), text(other))),
        ];
        let more = [("etc/ifconfig.wm0", format!("{first}{wm0}")), ("etc/ifconfig.wm1", wm1), ("etc/ifaliases", list)];
        files.extend(more.into_iter().zip(there).filter(|(_, there)| *there).map(|(file, _)| file));
        if let Some(late) = late {
            files.push(("etc/rc.conf.d/network", format!("{late}\n")));
        }
        Host { backend: "netbsd", files }
    })
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![openbsd(), netbsd()]
}

fn wishes() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(WISHES, 1..4)
}

fn aliases(interface: &str, wishes: &[&str]) -> Vec<Alias> {
    let alias = |text: &&str| Alias {
        interface: IfName::new(interface).unwrap(),
        address: parse_address(text).unwrap(),
        label: None,
        preferred: false,
    };
    wishes.iter().map(alias).collect()
}

/// What the table finds in a tree.
fn table(host: &Host, root: &Path) -> BTreeSet<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/semantics/{}.sh", host.backend));
    let mut command = Command::new("bash");
    command.arg(script).arg(root).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(normal).collect()
}

fn normal(line: &str) -> String {
    let (interface, address) = line.split_once(' ').unwrap();
    let (ip, prefix) = address.split_once('/').unwrap();
    let ip = ip.parse::<std::net::IpAddr>().map_or_else(|_| ip.to_owned(), |ip| ip.to_string());
    format!("{interface} {ip}/{prefix}")
}

fn effective(entries: &[Entry]) -> BTreeSet<String> {
    let entries = entries.iter().filter(|entry| entry.is_effective());
    entries.map(|entry| format!("{} {}", entry.interface, entry.address)).collect()
}

/// Every step is a command of the system's own that can be taken back, or repeats.
fn steps_are_its_own(plan: &Plan) -> bool {
    let restart = plan.restart.iter().flat_map(|apply| &apply.after);
    plan.auto.before.iter().chain(&plan.auto.after).chain(restart).all(|step| {
        let run = |action: &Action| matches!(action, Action::Run(_));
        run(&step.action) && step.undo.as_ref().is_none_or(run) && (step.undo.is_some() || step.repeat_after_undo)
    })
}

/// The entries that `remove` is given: every one of an address, wherever it stands, and never a primary one.
fn all_of(entries: &[Entry], is_picked: impl Fn(&Entry) -> bool) -> Option<Vec<Entry>> {
    let picked: Vec<&Entry> = entries.iter().filter(|entry| is_picked(entry)).collect();
    let same = |entry: &&Entry| picked.iter().any(|other| other.address.addr() == entry.address.addr());
    let gone: Vec<Entry> = entries.iter().filter(same).cloned().collect();
    gone.iter().all(|entry| entry.role != Role::Primary).then_some(gone)
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn add_twice_is_once_and_remove_undoes_it(host in host(), wishes in wishes()) {
        let dir = host.lay_out();
        let root = Root::open(dir.path()).unwrap();
        let backend = host.backend();
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let known = |alias: &Alias| {
            old.iter().any(|entry| entry.is_effective() && entry.address.addr() == alias.address.addr())
        };
        let mut wanted = aliases(host.interface(), &wishes);
        wanted.retain(|alias| !known(alias));
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        prop_assert!(steps_are_its_own(&plan));
        let new = prove(backend, &root, &old, &plan, Goal::Present(&wanted));
        let new = new.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let after = plan.overlay(&root);
        prop_assert!(effective(&old).is_subset(&effective(&new)));
        let ours = |entry: &Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let Some(gone) = all_of(&new, ours) else { return Ok(()) };
        prop_assert!(gone.iter().filter(|entry| entry.is_effective()).count() >= wanted.len());
        let Some(undo) = refused(backend.remove(&after, &gone)) else { return Ok(()) };
        prop_assert!(steps_are_its_own(&undo));
        let proof = prove(backend, &after, &new, &undo, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}\n{}", proof.err(), show(&undo));
        // What was given its end keeps it, what had no effect goes with the rest, and a value keeps the quotes it got.
        let unquoted = host.files.iter().any(|(_, text)| text.contains("=dhcp\n"));
        if !plan.wakes.is_empty() || gone.len() > wanted.len() || unquoted || plan.notes.iter().any(|note| note.contains("from now on")) {
            return Ok(());
        }
        for change in &plan.changes {
            let before = root.read(&change.path).unwrap().unwrap_or_default();
            let back = undo.overlay(&after).read(&change.path).unwrap().unwrap_or_default();
            prop_assert!(back == before, "{}\n{}", show(&plan), show(&undo));
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else(host in host(), picks in any::<u64>()) {
        let dir = host.lay_out();
        let root = Root::open(dir.path()).unwrap();
        let backend = host.backend();
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        let place = |entry: &Entry| old.iter().position(|other| other == entry).unwrap_or_default();
        let Some(gone) = all_of(&old, |entry| picks >> (place(entry) % 64) & 1 == 1) else { return Ok(()) };
        let Some(plan) = refused(backend.remove(&root, &gone)) else { return Ok(()) };
        let proof = prove(backend, &root, &old, &plan, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}\n{}", proof.err(), show(&plan));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(select(b"inet alias198.51.100.7/24 \\\n\n\t#!;'\"$`(){}&|\r=_wm0\xff".to_vec()), 0..120)) {
        for (backend, path) in [("openbsd", "etc/hostname.em0"), ("netbsd", "etc/ifconfig.wm0"), ("netbsd", "etc/rc.conf"), ("netbsd", "etc/ifaliases")] {
            let dir = crate::support::scratch();
            std::fs::create_dir_all(dir.path().join("etc")).unwrap();
            std::fs::write(dir.path().join(path), &bytes).unwrap();
            let root = Root::open(dir.path()).unwrap();
            let backend = backend::by_name(backend).unwrap();
            let Some(old) = refused(backend.entries(&root)) else { continue };
            let interface = if path.ends_with("em0") { "em0" } else { "wm0" };
            let wanted = missing(aliases(interface, &["203.0.113.5", "2001:db8::5"]), &old);
            let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { continue };
            let proof = prove(backend, &root, &old, &plan, Goal::Present(&wanted));
            prop_assert!(proof.is_ok(), "{:?}\n{}", proof.err(), show(&plan));
        }
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn the_table_agrees(host in host(), wishes in wishes()) {
        let dir = host.lay_out();
        let root = Root::open(dir.path()).unwrap();
        let backend = host.backend();
        let Some(old) = refused(backend.entries(&root)) else { return Ok(()) };
        prop_assert_eq!(&effective(&old), &table(&host, dir.path()));
        let wanted = missing(aliases(host.interface(), &wishes), &old);
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        write(&plan, dir.path());
        let found = table(&host, dir.path());
        prop_assert_eq!(&effective(&backend.entries(&root).unwrap()), &found);
        for alias in &wanted {
            prop_assert!(found.contains(&format!("{} {}", host.interface(), alias.address)), "{}", alias.address);
        }
    }
}
