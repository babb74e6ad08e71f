//! P22: the system's own command misbehaves. What was there is there again within 30 s: addresses with their prefixes and
//! order, routes, sources, links; and the files are old.
//!
//! Debian's ifupdown is real; a script in the place of `ifup` does the harm before, after or instead of it. Where ipalias
//! says that it could not take everything back (exit 5), the commands that it prints are typed, and must do it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::{self, PROGRAM, sh};
use crate::support;

const FLAVOUR: &str = "bookworm:ifupdown";
const LIMIT: Duration = Duration::from_secs(30);
const FOUR: &str = "198.51.100.77";
const FILE: &str = "/etc/network/interfaces";

/// How a fault may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Exit 4.
    RolledBack,
    /// Exit 5, and what it says is typed.
    ByHand,
    /// ipalias was killed: the next run takes it back.
    NextRun,
}

/// The faults: name, what `ifup` does, how it may end. `act` is the real thing.
const FAULTS: &[(&str, &str, End)] = &[
    ("fails", "exit 1", End::RolledBack),
    ("fails-late", "act; exit 1", End::RolledBack),
    ("does-nothing", "exit 0", End::RolledBack),
    ("hangs-with-the-addresses", "ip address flush dev eth0; sleep 600", End::RolledBack),
    ("hangs-deaf", "trap '' TERM; ip -4 route del default; while :; do sleep 1; done", End::RolledBack),
    ("flushes", "act; ip address flush dev eth0", End::RolledBack),
    ("flushes-and-fails", "ip -4 address flush dev eth0; ip -6 address flush dev eth0; exit 1", End::RolledBack),
    ("drops-the-default-routes", "act; ip route flush default; ip -6 route flush default", End::RolledBack),
    ("adds-it-twice", "act; ip address add 198.51.100.77/24 dev eth0", End::RolledBack),
    ("adds-it-elsewhere", "ip address add 198.51.100.77/32 dev peer0", End::RolledBack),
    (
        "changes-the-prefix",
        "act; ip address add 192.0.2.10/25 dev eth0; ip address del 192.0.2.10/24 dev eth0; \
         ip address del 2001:db8::10/64 dev eth0; ip address add 2001:db8::10/80 dev eth0 nodad",
        End::RolledBack,
    ),
    ("takes-the-link-down", "act; ip link set eth0 down", End::RolledBack),
    (
        "other-gateway",
        "act; ip route replace default via 192.0.2.254 onlink; ip -6 route replace default via 2001:db8::fe dev eth0 metric 1024",
        End::RolledBack,
    ),
    (
        "route-with-other-source",
        "act; ip route change default via 192.0.2.1 dev eth0 src 198.51.100.77 onlink",
        End::RolledBack,
    ),
    ("deprecates-the-source", "act; ip address change 2001:db8::10/64 dev eth0 preferred_lft 0", End::RolledBack),
    ("adds-a-source", "act; ip address add 2001:db8::99/64 dev eth0 nodad", End::RolledBack),
    ("deletes-the-primary", "act; ip address del 192.0.2.10/24 dev eth0", End::RolledBack),
    ("deletes-one-of-two-in-ipv6", "act; ip address del 2001:db8::10/64 dev eth0", End::RolledBack),
    (
        "deletes-of-others",
        "act; ip address del 203.0.113.200/32 dev eth0; ip route del 203.0.113.224/27",
        End::RolledBack,
    ),
    (
        "breaks-things-later",
        "setsid sh -c 'sleep 1; ip address flush dev eth0; sleep 1; ip address add 198.51.100.77/32 dev eth0' </dev/null >/dev/null 2>&1 & exit 0",
        End::RolledBack,
    ),
    ("kills-ipalias", "act; kill -KILL $PPID", End::NextRun),
    ("rewrites-the-file", "act; echo '# mine' >>/etc/network/interfaces; exit 1", End::ByHand),
    ("fills-the-disk", "act; head -c 100M /dev/zero >/etc/network/full 2>/dev/null; exit 1", End::RolledBack),
    (
        "fills-the-disk-and-flushes",
        "head -c 100M /dev/zero >/etc/network/full 2>/dev/null; ip address flush dev eth0; exit 1",
        End::RolledBack,
    ),
];

/// The same for `ifdown`, at the removal of the address.
const REMOVAL_FAULTS: &[(&str, &str, End)] = &[
    ("removal-fails", "exit 1", End::RolledBack),
    ("removal-flushes", "act; ip address flush dev eth0", End::RolledBack),
    ("removal-drops-the-default-routes", "act; ip route flush default; ip -6 route flush default", End::RolledBack),
    ("removal-takes-the-link-down", "act; ip link set eth0 down", End::RolledBack),
    ("removal-hangs", "ip -6 address flush dev eth0; act; sleep 600", End::RolledBack),
    ("removal-kills-ipalias", "act; kill -KILL $PPID", End::NextRun),
];

/// In the place of `ifup` and `ifdown`.
const STANDIN: &str = r#"#!/bin/bash
act() { (exec -a "${0##*/}" /sbin/ifup.real "$@" </dev/null); }
fault=$(cat "/run/fault-${0##*/}" 2>/dev/null)
rm -f "/run/fault-${0##*/}"
[ -z "$fault" ] || { echo "$fault" >>/run/done; set -- "$@"; act() { (exec -a "${0##*/}" /sbin/ifup.real "${words[@]}"); }; words=("$@"); eval "$fault"; exit; }
act "$@"
"#;

fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, End)> {
    FAULTS.iter().chain(REMOVAL_FAULTS)
}

#[test]
fn p22_what_a_faulty_command_takes_is_put_back() {
    if !lab::is_possible() {
        return;
    }
    let todo = std::sync::Mutex::new(all());
    let found = std::sync::Mutex::new((0, 0, 0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().unwrap().next();
                    let Some((name, ..)) = next else { break };
                    let settings = [("FAULT", (*name).to_owned())];
                    let lay_out = |root: &Path| lab::lay_out(FLAVOUR, root);
                    let run = || lab::enter(FLAVOUR, lay_out, "faulty::inside", &settings);
                    let result = std::panic::catch_unwind(run);
                    let mut found = found.lock().unwrap();
                    match result {
                        Ok(printed) => {
                            found.0 += 1;
                            found.1 += lab::figure(&printed, "by-hand");
                            found.2 = found.2.max(lab::figure(&printed, "back-ms"));
                            println!(
                                "{name}: {}",
                                printed.lines().find(|line| line.starts_with("FIGURES")).unwrap_or_default()
                            );
                        }
                        Err(_) => found.3.push(*name),
                    }
                }
            });
        }
    });
    let (good, by_hand, slowest, bad) = found.into_inner().unwrap();
    assert!(bad.is_empty(), "{} of {} faults stay: {bad:?}", bad.len(), all().count());
    let text = format!(
        "{good} faults of ifup and ifdown: everything back in {slowest} ms at most, {by_hand} of them with the commands that ipalias prints"
    );
    println!("{text}");
    support::promise("P22", "ifupdown", &text);
}

#[test]
#[ignore = "runs inside a namespace"]
fn inside() {
    if lab::inside().is_none() {
        return;
    }
    let name = lab::setting("FAULT");
    let (_, fault, end) = all().find(|(known, ..)| *known == name).unwrap();
    if name.starts_with("fills") {
        sh(
            "cp -a /etc/network /run/network-files; mount -t tmpfs -o size=1M tmpfs /etc/network; cp -a /run/network-files/. /etc/network",
        );
    }
    lab::start(FLAVOUR);
    sh(
        "ip link set peer0 up; ip address add 192.0.2.11/24 dev eth0; ip address add 203.0.113.200/32 dev eth0 label eth0:vpn; \
        ip address add 2001:db8::9/64 dev eth0 nodad; ip address del 2001:db8::10/64 dev eth0; ip address add 2001:db8::10/64 dev eth0 nodad; \
        ip -6 route replace default via 2001:db8::1 dev eth0 metric 1024; \
        ip route add 100.64.0.1 dev eth0; ip route add default via 100.64.0.1 metric 500; ip route add 203.0.113.224/27 via 192.0.2.1; \
        ip -6 route add default via fe80::1 dev eth0 metric 2048; ip -6 route add 2001:db8:2::/48 via 2001:db8::1",
    );
    sh("cp /sbin/ifup /sbin/ifup.real; ln -sf ifup.real /sbin/ifquery");
    for program in ["ifup", "ifdown"] {
        fs::remove_file(format!("/sbin/{program}")).unwrap();
        lab::script(Path::new("/"), &format!("sbin/{program}"), STANDIN);
    }
    let (verb, program) = if name.starts_with("removal") { ("remove", "ifdown") } else { ("add --force", "ifup") };
    if verb == "remove" {
        let said = sh(&format!("{PROGRAM} add --force {FOUR} 2>&1"));
        assert!(lab::look().contains(FOUR), "{said}");
    }
    let (look, file) = (lab::look(), fs::read(FILE).unwrap());
    fs::write(format!("/run/fault-{program}"), fault).unwrap();
    let began = Instant::now();
    let said = sh(&format!("{PROGRAM} -vv {verb} {FOUR} >/run/said 2>&1; echo $? >/run/code; cat /run/said"));
    let mut code: i32 = fs::read_to_string("/run/code").unwrap().trim().parse().unwrap();
    assert!(Path::new("/run/done").exists(), "the fault did not happen: {said}");
    if *end == End::NextRun {
        assert_eq!(code, 137, "{said}");
        let next = sh(&format!("{PROGRAM} rollback --to 999999 2>&1 || :"));
        assert!(next.contains("taken back"), "{next}");
        code = 4;
    }
    let mut by_hand = 0;
    if code == 5 && *end == End::ByHand {
        by_hand = 1;
        for line in said.lines().filter_map(|line| line.strip_prefix("type: ")) {
            sh(&format!("{line} 2>&1"));
        }
        sh(&format!("{PROGRAM} rollback --to 999999 2>&1 || :"));
        code = 4;
    }
    // Duplicate address detection is the kernel's.
    while lab::look() != look && began.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = began.elapsed();
    let now = lab::look();
    let lines = |of: &str, without: &str| -> Vec<String> {
        of.lines().filter(|line| !without.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    assert!(
        now == look && took < LIMIT,
        "{name}: after {took:?}\nlost: {:#?}\nnew: {:#?}\n{said}",
        lines(&look, &now),
        lines(&now, &look)
    );
    assert_eq!(String::from_utf8_lossy(&fs::read(FILE).unwrap()), String::from_utf8_lossy(&file), "{name}: {said}");
    assert_eq!(lab::rests(), "", "{name}: {said}");
    assert!(!said.contains("panicked"), "{name}: {said}");
    assert_eq!(code, 4, "{name}: {said}");
    let elsewhere = sh("ip -o address show");
    assert!(verb == "remove" || !elsewhere.contains(FOUR), "{name}: {elsewhere}");
    println!("\nFIGURES back-ms={} by-hand={by_hand}", took.as_millis());
}
