//! The laws of the rc.conf backend on random chains of files for FreeBSD 9, 10 and 14 and DragonFly: `list` says what
//! `tests/semantics/freebsd.sh` finds, twice is once, remove undoes add, nothing else changes.
//!
//! `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::laws::{config, refused, show, write};
use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation};
use ipalias::plan::{Action, Plan};
use ipalias::proof::{Goal, prove};
use ipalias::root::Root;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Systems by what their roots have: the version and the functions of network.subr.
const SYSTEMS: &[(&str, Option<&str>, &str)] = &[
    ("FreeBSD 9", None, "ifalias_expand_addr() {\n}\n"),
    ("FreeBSD 10", Some("10.4-RELEASE"), "ifalias_expand_addr() {\n}\n"),
    ("FreeBSD 14", Some("14.1-RELEASE-p5"), "ifalias_expand_addr() {\n}\n"),
    ("DragonFly", None, "ifalias_up() {\n}\n"),
];

/// Files of the chain besides rc.conf, and some that are not read.
const MORE: &[&str] = &[
    "etc/rc.conf.local",
    "etc/rc.conf.d/network",
    "etc/rc.conf.d/netif",
    "usr/local/etc/rc.conf.d/network/lan",
    "usr/local/etc/rc.conf.d/network/lan.bak",
    "etc/rc.conf.site",
    "etc/rc.conf.old",
];

const WISHES: &[&str] =
    &["203.0.113.5", "203.0.113.6", "203.0.113.9/29", "198.51.100.5", "198.51.100.6", "2001:db8::5", "2001:db8::77"];

/// An address with its options, of any form that the manual has.
fn group() -> impl Strategy<Value = String> {
    let ip = || (1..60u8).prop_map(|last| format!("198.51.100.{last}"));
    let six = || (1..60u8).prop_map(|last| format!("2001:db8::{last:x}"));
    prop_oneof![
        3 => ip().prop_map(|ip| format!("inet {ip}/32")),
        2 => ip().prop_map(|ip| format!("inet {ip} netmask 255.255.255.255 broadcast {ip}")),
        1 => ip().prop_map(|ip| format!("inet {ip} netmask 0xffffffff")),
        1 => ip().prop_map(|ip| format!("inet {ip}/29")),
        1 => (1..60u8, 1..5u8).prop_map(|(low, more)| format!("inet 198.51.100.{low}-{}/32", low + more)),
        1 => (1..60u8, 1..5u8).prop_map(|(low, more)| format!("inet 198.51.100.{low}-{}", low + more)),
        1 => (1..60u8).prop_map(|last| format!("inet 198.51.100-102.{last}/24")),
        1 => six().prop_map(|ip| format!("inet6 {ip}/128")),
        1 => six().prop_map(|ip| format!("inet6 {ip} prefixlen 64")),
        1 => (1..9u8).prop_map(|low| format!("inet6 2001:db8:{low}-c::1/64")),
    ]
}

/// A value in one of the ways to quote it.
fn quoted(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (value, 0..7u8).prop_map(|(value, way)| match way {
        0..=2 => format!("\"{value}\""),
        3 => format!("'{value}'"),
        4 => value.replace(' ', "\\ "),
        5 => format!("\"{}\"", value.replacen(" inet", " \\\n\tinet", 1)),
        _ => value.split_once(' ').map_or_else(|| value.clone(), |(a, b)| format!("\"{a} \"'{b}'")),
    })
}

fn line() -> impl Strategy<Value = String> {
    let key = || select(vec!["em0", "em0", "em0", "em0", "em1", "em0_100"]);
    let groups = || prop::collection::vec(group(), 1..4).prop_map(|all| all.join(" "));
    let words = prop::collection::vec(group().prop_map(|one| one.split(' ').nth(1).unwrap().to_owned()), 1..4);
    let words = words.prop_map(|all| all.join(" "));
    let alias = (key(), 0..6u8, quoted(group())).prop_map(|(key, n, value)| format!("ifconfig_{key}_alias{n}={value}"));
    let several =
        (key(), 0..6u8, quoted(groups())).prop_map(|(key, n, value)| format!("ifconfig_{key}_alias{n}={value}"));
    let list = (key(), quoted(groups())).prop_map(|(key, value)| format!("ifconfig_{key}_aliases={value}"));
    let append = (key(), group())
        .prop_map(|(key, value)| format!("ifconfig_{key}_aliases=\"${{ifconfig_{key}_aliases}} {value}\""));
    let old = (key(), quoted(words)).prop_map(|(key, value)| format!("ipv4_addrs_{key}={value}"));
    let other = select(vec![
        "",
        "# a comment",
        "hostname=\"h\"",
        "sshd_enable=\"YES\"",
        "ifconfig_em0=\"inet 192.0.2.10/24\"",
        "ifconfig_em0=\"DHCP\"",
        "ifconfig_em0=\"up mtu 1400\"",
        "ifconfig_em1=\"192.0.3.10 netmask 255.255.255.0\"",
        "ifconfig_DEFAULT=\"SYNCDHCP\"",
        "ifconfig_em0_ipv6=\"inet6 auto_linklocal\"",
        "ifconfig_em0_ipv6=\"inet6 2001:db8:f::2/64\"",
        "ifconfig_em0_ipv6=",
        "ipv6_ifconfig_em0=\"2001:db8:e::2 prefixlen 64\"",
        "ipv6_ifconfig_em0_alias0=\"2001:db8:e::3 prefixlen 128\"",
        "ipv6_enable=\"YES\"",
        "ifconfig_em0_alias2=\"\"",
        "ifconfig_em0_alias010=\"inet 198.51.100.201/32\"",
        "ifconfig_em0_alias1_web=\"inet 198.51.100.202/32\"",
        "ifconfig_em0_alias_x=\"inet 198.51.100.203/32\"",
        "ifconfig_em0_alias0=\"198.51.100.204/32\"",
        "ifconfig_em0_aliases=\"198.51.100.205/32 inet 198.51.100.206/32\"",
        "a=1; ifconfig_em0_alias3=\"inet 198.51.100.207/32\"",
        "ifconfig_em0_alias4='inet 198.51.100.208/32'; b=2 # why",
        "export ifconfig_em0_alias1=\"inet 198.51.100.209/32\"",
        "ip=198.51.100.210; ifconfig_em0_alias0=\"inet ${ip}/32\"",
        "unset ifconfig_em0_alias0",
        "ifconfig_em0_descr=\"inet 198.51.100.211/32\"",
        "defaultrouter=\"192.0.2.1\"",
        "rc_conf_files=\"/etc/rc.conf /etc/rc.conf.site\"",
        "netif_ipexpand_max=3",
        "cloned_interfaces=\"lo1\"",
        "if [ \"$hostname\" ]; then x=1; fi",
        "ifconfig_em0.100_alias0=\"inet 198.51.100.212/32\"",
    ]);
    prop_oneof![
        4 => alias, 2 => several, 1 => list, 1 => append, 1 => old, 4 => other.prop_map(str::to_owned)
    ]
}

fn file() -> impl Strategy<Value = String> {
    (prop::collection::vec(line(), 0..7), prop::bool::weighted(0.2)).prop_map(|(lines, open)| {
        let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if open { whole.trim_end_matches('\n').to_owned() } else { whole }
    })
}

/// A system and the files that it has.
#[derive(Clone)]
struct Host {
    system: (&'static str, Option<&'static str>, &'static str),
    files: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.system.0)?;
        self.files.iter().try_for_each(|(path, text)| writeln!(f, "--- {path}\n{text}"))
    }
}

impl Host {
    fn lay_out(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/rc.d/netif", "#!/bin/sh\n");
        write("etc/network.subr", self.system.2);
        let lists = "rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\nlocal_startup=\"/usr/local/etc/rc.d\"\n";
        write("etc/defaults/rc.conf", lists);
        if let Some(version) = self.system.1 {
            write("bin/freebsd-version", &format!("#!/bin/sh\nUSERLAND_VERSION=\"{version}\"\n"));
        }
        self.files.iter().for_each(|(path, text)| write(path, text));
        dir
    }
}

fn host() -> impl Strategy<Value = Host> {
    let first = select(vec![
        "ifconfig_em0=\"inet 192.0.2.10/24\"\n",
        "ifconfig_em0='inet 192.0.2.10 netmask 255.255.255.0'\n",
        "",
    ]);
    (select(SYSTEMS), first, file(), subsequence(MORE, 0..3), prop::collection::vec(file(), 3)).prop_map(
        |(system, first, main, more, texts)| {
            let mut files = vec![("etc/rc.conf", format!("{first}{main}"))];
            files.extend(more.into_iter().zip(texts));
            Host { system, files }
        },
    )
}

fn wishes() -> impl Strategy<Value = Vec<Alias>> {
    subsequence(WISHES, 1..4).prop_map(|addresses| {
        let alias = |text| Alias {
            interface: IfName::new("em0").unwrap(),
            address: parse_address(text).unwrap(),
            label: None,
            preferred: false,
        };
        addresses.into_iter().map(alias).collect()
    })
}

fn freebsd() -> &'static dyn Backend {
    backend::by_name("freebsd").unwrap()
}

/// What the table finds in a tree.
fn table(root: &Path) -> Option<BTreeSet<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/semantics/freebsd.sh");
    let mut command = Command::new("sh");
    command.arg(script).arg(root).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    let output = command.output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(normal).collect())
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
        let harmless = step.action.to_string().ends_with("-ifdisabled");
        run(&step.action)
            && step.undo.as_ref().is_none_or(run)
            && (step.undo.is_some() || step.repeat_after_undo || harmless)
    })
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn add_twice_is_once_and_remove_undoes_it(host in host(), wanted in wishes()) {
        let dir = host.lay_out();
        let root = Root::open(dir.path()).unwrap();
        let old = freebsd().entries(&root).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        let is_known = |alias: &Alias| {
            old.iter().any(|entry| entry.is_effective() && entry.address.addr() == alias.address.addr())
        };
        let wanted: Vec<Alias> = wanted.into_iter().filter(|alias| !is_known(alias)).collect();
        let plan = freebsd().add(&root, &wanted, &Situation::default());
        // Only a number that is unset somewhere may be refused.
        if host.files.iter().any(|(_, text)| text.contains("unset")) && plan.is_err() {
            return Ok(());
        }
        let plan = plan.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        prop_assert!(steps_are_its_own(&plan));
        let new = prove(freebsd(), &root, &old, &plan, Goal::Present(&wanted));
        let new = new.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let after = plan.overlay(&root);
        prop_assert!(effective(&old).is_subset(&effective(&new)));
        let ours = |entry: &&Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(ours).cloned().collect();
        prop_assert!(gone.iter().filter(|entry| entry.is_effective()).count() >= wanted.len());
        if gone.iter().any(|entry| entry.role == Role::Primary) {
            return Ok(());
        }
        let Some(undo) = refused(freebsd().remove(&after, &gone)) else { return Ok(()) };
        prop_assert!(steps_are_its_own(&undo));
        let proof = prove(freebsd(), &after, &new, &undo, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}\n{}", proof.err(), show(&undo));
        // What was filled, woken or repaired does not go to sleep again.
        let empty = host.files.iter().any(|(_, text)| text.contains("_alias2=\"\""));
        let repaired = old.iter().any(|entry| wanted.iter().any(|alias| alias.address == entry.address));
        if !plan.notes.is_empty() || gone.len() > wanted.len() || empty || repaired {
            return Ok(());
        }
        for change in &plan.changes {
            let before = root.read(&change.path).unwrap().unwrap_or_default();
            let back = undo.overlay(&after).read(&change.path).unwrap().unwrap_or_default();
            let closed = [before.as_slice(), b"\n"].concat();
            prop_assert!(back == before || back == closed, "{}\n{}", show(&plan), show(&undo));
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else(host in host(), picks in any::<u64>()) {
        let dir = host.lay_out();
        let root = Root::open(dir.path()).unwrap();
        let old = freebsd().entries(&root).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        let is_picked = |(at, _): &(usize, &Entry)| picks >> (at % 64) & 1 == 1;
        let picked: Vec<&Entry> = old.iter().enumerate().filter(is_picked).map(|(_, entry)| entry).collect();
        // As the command does: every entry of an address, wherever it stands, and never a primary one.
        let same = |entry: &&Entry| picked.iter().any(|other| other.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = old.iter().filter(same).cloned().collect();
        if gone.iter().any(|entry| entry.role == Role::Primary) {
            return Ok(());
        }
        let Some(plan) = refused(freebsd().remove(&root, &gone)) else { return Ok(()) };
        let proof = prove(freebsd(), &root, &old, &plan, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}\n{}", proof.err(), show(&plan));
    }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn the_table_agrees(host in host(), wanted in wishes()) {
        let dir = host.lay_out();
        let root = Root::open(dir.path()).unwrap();
        let old = freebsd().entries(&root).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        let Some(found) = table(dir.path()) else { return Ok(()) };
        prop_assert_eq!(&effective(&old), &found);
        let is_known = |alias: &Alias| old.iter().any(|entry| entry.address.addr() == alias.address.addr());
        let wanted: Vec<Alias> = wanted.into_iter().filter(|alias| !is_known(alias)).collect();
        let Some(plan) = refused(freebsd().add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        write(&plan, dir.path());
        let found = table(dir.path()).unwrap();
        prop_assert_eq!(effective(&freebsd().entries(&root).unwrap()), found.clone());
        for alias in &wanted {
            prop_assert!(found.contains(&format!("em0 {}", alias.address)), "{}", alias.address);
        }
    }
}
