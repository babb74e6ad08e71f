//! The laws of ifcfg files on random trees: an interface's file with addresses in random forms and gaps, alias files and
//! ranges, copies and strangers beside them, for the network scripts of EL 5, 6 and 7, for NetworkManager, and for both.
//!
//! Trees are laid over an empty root, so that no case touches the disk; for the comparison with the executable table of
//! the consumers (`tests/semantics/ifcfg.sh`) they are written. `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::laws::{config, missing, refused, show};
use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation};
use ipalias::plan::Plan;
use ipalias::proof::{Goal, prove};
use ipalias::root::{Root, RootPath};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const DIR: &str = "/etc/sysconfig/network-scripts";

/// Who reads the files: what makes it so.
type Readers = (&'static str, &'static [(&'static str, &'static str)]);

const MANAGER: (&str, &str) = ("/usr/lib64/NetworkManager/1.40.16/libnm-settings-plugin-ifcfg-rh.so", "ELF");
const SCRIPTS: (&str, &str) = ("/etc/rc.d/init.d/network", "#!/bin/bash\n");
const READERS: &[Readers] = &[
    ("el5", &[("/etc/redhat-release", "CentOS release 5.11 (Final)\n"), SCRIPTS]),
    ("el6", &[("/etc/redhat-release", "CentOS release 6.10 (Final)\n"), SCRIPTS]),
    ("el7", &[("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n"), SCRIPTS]),
    ("manager", &[("/etc/redhat-release", "CentOS Linux release 8.5.2111\n"), MANAGER]),
    (
        "both",
        &[
            ("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n"),
            SCRIPTS,
            MANAGER,
            ("/etc/rc.d/rc3.d/S10network", "#!/bin/bash\n"),
            ("/etc/systemd/system/multi-user.target.wants/NetworkManager.service", "[Unit]\n"),
        ],
    ),
];

/// Names of files beside the interface's own: aliases, ranges, copies, strangers.
const NAMES: &[&str] = &[
    "eth0:0",
    "eth0:1",
    "eth0:2",
    "eth0:5",
    "eth0:web",
    "eth0:a-b",
    "eth0:00",
    "eth0:longer_label",
    "eth0:0.bak",
    "eth0:1~",
    "eth0:2.rej",
    "eth0:3.save",
    "eth0:4.old",
    "eth0:6.rpmsave",
    "eth0:7.ORIG",
    "eth0-range0",
    "eth0-range1",
    "eth0-range0.save",
    "eth0.save",
    "System_eth0:0",
    "eth1",
    "eth1:0",
    "lo:0",
];

const ADDRESSES: &[&str] = &[
    "198.51.100.1",
    "198.51.100.2",
    "198.51.100.3",
    "198.51.100.4",
    "198.51.100.5",
    "198.51.100.6",
    "10.1.2.3",
    "172.16.5.5",
];
const ADDRESSES6: &[&str] = &["2001:db8::5/128", "2001:db8::6/64", "2001:DB8:0::7", "2001:db8::8/128"];

/// Lines that are found among the variables.
const BESIDE: &[&str] = &[
    "",
    "# a comment",
    "  # IPADDR9=198.51.100.9",
    "TYPE=Ethernet",
    "USERCTL=no",
    "NAME=\"System eth0\"",
    "PEERDNS='no' # said twice",
    "GATEWAY=192.0.2.1",
    "IPV6_AUTOCONF=no",
    "OPTIONS=\"layer2=1 \\\n  more=2\"",
    "ARPCHECK1=no",
    "NM_CONTROLLED=yes",
    "IPADDR01=198.51.100.77",
    "IPADDRESS=198.51.100.78",
    "ZONE=public; MTU=1500",
];

/// How a value is written.
#[derive(Debug, Clone, Copy)]
enum Style {
    Plain,
    Double,
    Single,
    Indented,
    Commented,
    Exported,
    Joined,
}

fn style() -> impl Strategy<Value = Style> {
    use Style::*;
    select(vec![Plain, Plain, Plain, Double, Single, Indented, Commented, Exported, Joined])
}

/// `name=value` lines in their styles; joined ones share a line with the next.
fn written(pairs: &[(String, String, Style)]) -> String {
    let mut text = String::new();
    for (name, value, style) in pairs {
        let quoted = if value.contains(' ') { format!("\"{value}\"") } else { value.clone() };
        text.push_str(&match style {
            Style::Plain => format!("{name}={quoted}\n"),
            Style::Double => format!("{name}=\"{value}\"\n"),
            Style::Single => format!("{name}='{value}'\n"),
            Style::Indented => format!("  {name}={quoted}\n"),
            Style::Commented => format!("{name}={quoted} # as ordered\n"),
            Style::Exported => format!("export {name}={quoted}\n"),
            Style::Joined => format!("{name}={quoted}; "),
        });
    }
    if text.ends_with("; ") {
        text.truncate(text.len() - 2);
        text.push('\n');
    }
    text
}

/// How long an address is: nothing, a prefix, a mask, or both.
fn length() -> impl Strategy<Value = (Option<&'static str>, Option<&'static str>)> {
    select(vec![
        (Some("32"), None),
        (Some("24"), None),
        (None, Some("255.255.255.255")),
        (None, Some("255.255.255.0")),
        (Some("32"), Some("255.255.255.255")),
        (None, None),
    ])
}

type Pairs = Vec<(String, String)>;

fn address(suffix: String, ip: &str, (prefix, mask): (Option<&str>, Option<&str>)) -> Pairs {
    let mut pairs = vec![(format!("IPADDR{suffix}"), ip.to_owned())];
    pairs.extend(prefix.map(|prefix| (format!("PREFIX{suffix}"), prefix.to_owned())));
    pairs.extend(mask.map(|mask| (format!("NETMASK{suffix}"), mask.to_owned())));
    pairs
}

fn in_styles(pairs: Pairs) -> impl Strategy<Value = String> {
    let count = pairs.len();
    (Just(pairs), prop::collection::vec(style(), count), any::<bool>()).prop_map(|(pairs, styles, odd)| {
        let style = |style: Style| if odd { style } else { Style::Plain };
        let all: Vec<_> = pairs.into_iter().zip(styles).map(|((name, value), one)| (name, value, style(one))).collect();
        written(&all)
    })
}

/// Lines beside the variables, each perhaps at the end, too.
fn beside() -> impl Strategy<Value = (String, String)> {
    let lines = || prop::collection::vec(select(BESIDE), 0..3);
    let text = |lines: Vec<&str>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    (lines(), lines()).prop_map(move |(before, behind)| (text(before), text(behind)))
}

/// The interface's own file.
fn base() -> impl Strategy<Value = String> {
    let protocol = select(vec![None, Some("none"), Some("static"), Some("static"), Some("dhcp")]);
    let first = (select(vec!["", "", "", "0", "1"]), length());
    let indexes = subsequence((1..7).collect::<Vec<u32>>(), 0..5);
    let six = (
        select(vec![None, Some("yes"), Some("yes"), Some("no")]),
        prop::option::of(select(ADDRESSES6)),
        subsequence(ADDRESSES6, 0..3),
    );
    let onboot = select(vec![Some("yes"), Some("yes"), Some("yes"), None, Some("no")]);
    (
        protocol,
        first,
        indexes,
        prop::collection::vec(length(), 6),
        subsequence(ADDRESSES, 6).prop_shuffle(),
        six,
        onboot,
    )
        .prop_flat_map(|(protocol, (first, first_length), indexes, lengths, ips, (init, one, more), onboot)| {
            let mut pairs: Pairs = vec![("DEVICE".to_owned(), "eth0".to_owned())];
            pairs.extend(protocol.map(|protocol| ("BOOTPROTO".to_owned(), protocol.to_owned())));
            pairs.extend(onboot.map(|onboot| ("ONBOOT".to_owned(), onboot.to_owned())));
            pairs.extend(address(first.to_owned(), "192.0.2.10", first_length));
            for ((index, length), ip) in indexes.into_iter().zip(lengths).zip(ips) {
                if index.to_string() != first {
                    pairs.extend(address(index.to_string(), ip, length));
                }
            }
            pairs.extend(init.map(|init| ("IPV6INIT".to_owned(), init.to_owned())));
            pairs.extend(one.map(|one| ("IPV6ADDR".to_owned(), one.to_owned())));
            if !more.is_empty() {
                pairs.push(("IPV6ADDR_SECONDARIES".to_owned(), more.join(" ")));
            }
            (in_styles(pairs), beside(), any::<bool>())
        })
        .prop_map(|(text, (before, behind), open)| {
            let mut text = format!("{before}{text}{behind}");
            if open && text.ends_with('\n') {
                text.pop();
            }
            text
        })
}

/// A file beside it.
fn other() -> impl Strategy<Value = (&'static str, String)> {
    let device = select(vec![Some(""), Some(""), Some(""), None, Some("eth0:0"), Some("eth0"), Some("eth1:0")]);
    let more = select(vec!["", "", "", "ONPARENT=no\n", "ONPARENT=No\n", "ONBOOT=no\n", "HWADDR=00:11:22:33:44:55\n"]);
    let range = (select(ADDRESSES), 0..3_u32, prop::option::of(0..6_u32));
    (select(NAMES), device, select(ADDRESSES), length(), more, range).prop_flat_map(
        |(name, device, ip, length, more, (start, count, number))| {
            let mut pairs: Pairs = Vec::new();
            if name.contains("-range") {
                let (net, last) = start.rsplit_once('.').unwrap();
                let end = last.parse::<u32>().unwrap() + count;
                pairs.push(("IPADDR_START".to_owned(), start.to_owned()));
                pairs.push(("IPADDR_END".to_owned(), format!("{net}.{end}")));
                pairs.extend(number.map(|number| ("CLONENUM_START".to_owned(), number.to_string())));
                pairs.extend(length.0.map(|prefix| ("PREFIX".to_owned(), prefix.to_owned())));
            } else {
                let plain = name.split(['.', '~']).next().unwrap();
                let device = device.map(|device| if device.is_empty() || !name.contains(':') { plain } else { device });
                pairs.extend(device.map(|device| ("DEVICE".to_owned(), device.to_owned())));
                pairs.extend(address(String::new(), ip, length));
            }
            (Just(name), in_styles(pairs), Just(more)).prop_map(|(name, text, more)| (name, text + more))
        },
    )
}

/// A tree and who reads it.
#[derive(Clone)]
struct Host {
    readers: Readers,
    files: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.readers.0)?;
        self.files.iter().try_for_each(|(path, bytes)| {
            writeln!(f, "--- {path}\n{}", bytes.escape_ascii().to_string().replace("\\n", "\n"))
        })
    }
}

impl Host {
    fn new(readers: Readers, name: &str, base: String, others: Vec<(&'static str, String)>) -> Host {
        let mut files: Vec<(String, Vec<u8>)> =
            readers.1.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        files.push((format!("{DIR}/ifcfg-{name}"), base.into_bytes()));
        for (name, text) in others {
            let path = format!("{DIR}/ifcfg-{name}");
            if files.iter().all(|(other, _)| *other != path) {
                files.push((path, text.into_bytes()));
            }
        }
        Host { readers, files }
    }

    fn open(&self) -> (&'static dyn Backend, Root) {
        let planned =
            self.files.iter().map(|(path, bytes)| (RootPath::from(path.as_str()), Some(bytes.clone()), 0o644));
        (backend::by_name("ifcfg").unwrap(), empty().with_planned(planned))
    }

    /// Writes the tree, with the changes of a plan.
    fn write(&self, top: &Path, plan: &Plan) {
        let write = |path: &str, bytes: &[u8]| {
            let file = top.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        };
        self.files.iter().for_each(|(path, bytes)| write(path, bytes));
        for change in &plan.changes {
            write(&change.path.to_string(), change.after.as_deref().unwrap());
        }
    }
}

fn host() -> impl Strategy<Value = Host> {
    let name = select(vec!["eth0", "eth0", "eth0", "System_eth0"]);
    (select(READERS), name, base(), prop::collection::vec(other(), 0..5))
        .prop_map(|(readers, name, base, others)| Host::new(readers, name, base, others))
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
    let pool: &[&str] = &["203.0.113.5", "203.0.113.6", "203.0.113.9/29", "198.51.100.4", "2001:db8::8", "2001:db8::9"];
    subsequence(pool, 1..4).prop_map(|addresses| {
        let alias = |text| Alias {
            interface: IfName::new("eth0").unwrap(),
            address: parse_address(text).unwrap(),
            label: None,
            preferred: true,
        };
        addresses.into_iter().map(alias).collect()
    })
}

/// Whether taking the addresses out again cannot give back what was there: `IPV6INIT=yes` stays, as does a quote that a
/// longer list needed, and what came up behind a closed gap is moved there.
fn is_one_way(plan: &Plan) -> bool {
    let count = |bytes: &Option<Vec<u8>>, words: &str| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).matches(words).count()
    };
    let more = |words: &str| {
        let change = |change: &ipalias::plan::Change| count(&change.before, words) < count(&change.after, words);
        plan.changes.iter().any(change)
    };
    let list = "IPV6ADDR_SECONDARIES=";
    let quoted = plan.changes.iter().any(|change| {
        count(&change.before, list) == 1
            && count(&change.before, &format!("{list}\"")) < count(&change.after, &format!("{list}\""))
    });
    !plan.wakes.is_empty() || more("IPV6INIT=") || quoted
}

/// What the executable table says of a tree.
fn table(top: &Path) -> Option<BTreeSet<String>> {
    let mut bash = Command::new("bash");
    bash.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/semantics/ifcfg.sh")).arg(top);
    bash.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    let output = crate::support::tool(&mut bash)?;
    let normal = |line: &str| {
        let (device, address) = line.split_once(' ').unwrap();
        format!("{device} {}", address.parse::<ipnet::IpNet>().unwrap())
    };
    Some(String::from_utf8_lossy(&output.stdout).lines().map(normal).collect())
}

fn effective(entries: &[Entry]) -> BTreeSet<String> {
    let effective = entries.iter().filter(|entry| entry.is_effective());
    effective.map(|entry| format!("{} {}", entry.interface, entry.address)).collect()
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn add_twice_is_once_and_remove_undoes_it(host in host(), wanted in wishes()) {
        let (backend, root) = host.open();
        let old = backend.entries(&root).unwrap();
        let wanted = missing(wanted, &old);
        let Some(plan) = refused(backend.add(&root, &wanted, &Situation::default())) else { return Ok(()) };
        let new = prove(backend, &root, &old, &plan, Goal::Present(&wanted));
        let new = new.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let after = plan.overlay(&root);
        let ours = |entry: &&Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(ours).cloned().collect();
        prop_assert_eq!(gone.len(), wanted.len(), "{}", show(&plan));
        prop_assert!(gone.iter().all(|entry| entry.is_effective() && entry.role == Role::Additional), "{:?}", gone);
        let undo = backend.remove(&after, &gone);
        let undo = undo.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(&plan))))?;
        let proof = prove(backend, &after, &new, &undo, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?}\n{}\nundone\n{}", proof.err(), show(&plan), show(&undo));
        for change in plan.changes.iter().filter(|_| !is_one_way(&plan)) {
            let before = root.read(&change.path).unwrap();
            let back = undo.overlay(&after).read(&change.path).unwrap();
            // The command gives the open last line back, too.
            let closed = before.as_ref().map(|before| [before.as_slice(), b"\n"].concat());
            prop_assert!(
                back == before || back == closed,
                "{:?} became {:?}", before.map(|b| String::from_utf8_lossy(&b).into_owned()),
                back.map(|b| String::from_utf8_lossy(&b).into_owned())
            );
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else(host in host(), picks in any::<u64>()) {
        let (backend, root) = host.open();
        let old = backend.entries(&root).unwrap();
        let picked = |(at, _): &(usize, &Entry)| picks >> (at % 64) & 1 == 1;
        let picked: Vec<&Entry> = old.iter().enumerate().filter(picked).map(|(_, entry)| entry).collect();
        // As the command does: every entry of an address, wherever it stands, and no primary one.
        let same = |entry: &&Entry| picked.iter().any(|other| other.address.addr() == entry.address.addr());
        let is_primary = |entry: &Entry| {
            old.iter().any(|one| one.role == Role::Primary && one.address.addr() == entry.address.addr())
        };
        let gone: Vec<Entry> = old.iter().filter(same).filter(|entry| !is_primary(entry)).cloned().collect();
        let Some(plan) = refused(backend.remove(&root, &gone)) else { return Ok(()) };
        let proof = prove(backend, &root, &old, &plan, Goal::Gone(&gone));
        prop_assert!(proof.is_ok(), "{:?} removing {:?}\n{}", proof.err(), gone, show(&plan));
    }

    #[test]
    fn any_bytes_are_read(
        readers in select(READERS),
        lines in prop::collection::vec(select(vec![
            "IPADDR=", "IPADDR1=198.51.100.1", "PREFIX1=33", "IPADDR2='", "IPADDR2=\"198.51.100.2", "DEVICE=eth0", "\u{feff}",
            "DEVICE=eth0\r", "NETMASK1=255.0.255.0", "IPADDR=$X", "if true; then", "fi", "IPADDR=(1 2)", "IPADDR+=1", "\0", "`",
            "IPV6ADDR=::", "IPV6ADDR_SECONDARIES='a b ' 'c'", "IPADDR_START=9.9.9.9", "IPADDR_END=9.9.9.8", "cat <<E", "\\",
            "IPADDR_END=255.255.255.255", "CLONENUM_START=4294967295", "IPADDR4294967295=1.2.3.4", "ONBOOT", "unset IPADDR1",
        ]), 0..9),
        name in select(vec!["eth0", "eth0:0", "eth0-range0", "", ":", "eth0:", "-range", "lo"]),
        wanted in wishes(),
    ) {
        let host = Host::new(readers, "eth0", "DEVICE=eth0\nIPADDR=192.0.2.10\n".into(), vec![(name, lines.join("\n"))]);
        let (backend, root) = host.open();
        backend.detect(&root).unwrap();
        let old = backend.entries(&root).unwrap();
        refused(backend.add(&root, &missing(wanted, &old), &Situation::default()));
        refused(backend.remove(&root, &old));
    }
}

proptest! {
    // Each case runs a shell.
    #![proptest_config(config(4))]

    #[test]
    fn the_table_of_the_consumers_agrees(host in host(), wanted in wishes()) {
        let (backend, root) = host.open();
        let old = backend.entries(&root).unwrap();
        let dir = crate::support::scratch();
        let plan = refused(backend.add(&root, &missing(wanted, &old), &Situation::default()));
        let (plan, entries) = match plan {
            Some(plan) => (plan.clone(), backend.entries(&plan.overlay(&root)).unwrap()),
            None => (Plan::nothing(), old),
        };
        host.write(dir.path(), &plan);
        if let Some(shown) = table(dir.path()) {
            prop_assert_eq!(effective(&entries), shown, "{}", show(&plan));
        }
    }
}
