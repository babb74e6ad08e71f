//! A copy of a Debian image with network, mount and process namespaces of its own, and this test program inside it.
//!
//! `tests/lab/lab chroot` makes the copy; the program under test and this one are seen there below `/mnt`. What runs inside
//! is a test that is ignored outside: it finds its settings in the environment, prints its figures, and panics on a fault.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;

/// The program under test, as it is seen inside.
pub const PROGRAM: &str = "/mnt/ipalias";

/// Set inside.
const MARK: &str = "IPALIAS_INSIDE";

/// Whether this machine can do it: root, and Debian's packages.
pub fn is_possible() -> bool {
    let possible = support::tools_required();
    if !possible {
        println!("left out: needs root and the images of tests/lab; IPALIAS_REQUIRE_TOOLS=1 runs it");
    }
    possible
}

/// Runs the ignored test `test` in a copy of `flavour` with the files that `lay_out` makes; what it printed.
pub fn enter(flavour: &str, lay_out: impl Fn(&Path), test: &str, settings: &[(&str, String)]) -> String {
    let tree = support::scratch();
    lay_out(tree.path());
    let own = std::env::current_exe().unwrap();
    let top = Path::new(env!("CARGO_BIN_EXE_ipalias")).parent().unwrap();
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    let mut command = Command::new(lab);
    command.args(["chroot", flavour, "--tree"]).arg(tree.path()).arg("--ro").arg(top).args(["--", "env"]);
    command.arg(format!("{MARK}={flavour}"));
    command.args(settings.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(Path::new("/mnt").join(own.strip_prefix(top).unwrap()));
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{flavour}, {settings:?}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// The flavour, inside; nothing outside.
pub fn inside() -> Option<String> {
    std::env::var(MARK).ok()
}

/// A setting of [`enter`].
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("no {name}"))
}

/// The number behind the last `NAME=` of what was printed inside.
pub fn figure(printed: &str, name: &str) -> u64 {
    let value = printed.split_whitespace().filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')).next_back();
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {printed}"))
}

pub fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// An executable script of root's alone.
pub fn script(root: &Path, path: &str, text: &str) {
    write(root, path, text);
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(root.join(path), permissions).unwrap();
}

/// eth0 of the lab, as Debian's installer writes it.
pub const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    \
                              gateway 192.0.2.1\n\niface eth0 inet6 static\n    address 2001:db8::10/64\n    gateway 2001:db8::1\n";

/// The same for systemd-networkd.
pub const NETWORK: &str = "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n\
                           Address=2001:db8::10/64\nGateway=2001:db8::1\nIPv6AcceptRA=no\n";

/// There is no PID 1 of systemd's inside: this does what it does for `systemctl restart systemd-networkd`.
const SYSTEMCTL: &str = r#"#!/bin/bash
case "$1 ${2:-}" in
  "restart systemd-networkd")
    if [ -e /run/networkd.pid ]; then
      pid=$(</run/networkd.pid)
      kill "$pid" && while [ -d "/proc/$pid" ] && ! grep -q 'State:.Z' "/proc/$pid/status"; do sleep 0.01; done
    fi 2>/dev/null
    SYSTEMD_LOG_TARGET=console setsid /lib/systemd/systemd-networkd </dev/null >>/run/networkd.log 2>&1 9>&- &
    echo $! >/run/networkd.pid
    for i in {1..200}; do networkctl list >/dev/null 2>&1 && exit 0; sleep 0.01; done
    exit 1 ;;
  reset-failed*) exit 0 ;;
  *) exit 1 ;;
esac
"#;

/// The files of a host with `flavour`, whose eth0 has addresses and default routes of both families.
pub fn lay_out(flavour: &str, root: &Path) {
    match flavour.split(':').nth(1) {
        Some("networkd") => {
            write(root, "etc/systemd/network/10-eth0.network", NETWORK);
            script(root, "usr/bin/systemctl", SYSTEMCTL);
        }
        _ => write(root, "etc/network/interfaces", INTERFACES),
    }
}

/// Brings the network up as the host does at boot, and waits until it is there.
pub fn start(flavour: &str) {
    assert!(inside().is_some());
    sh("ip link set lo up");
    match flavour.split(':').nth(1) {
        Some("networkd") => {
            sh("mkdir -p /run/dbus /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp; \
                chown -R systemd-network: /run/systemd/netif; dbus-daemon --system --fork; systemctl restart systemd-networkd");
        }
        _ => {
            sh("ifup -a");
        }
    }
    let began = Instant::now();
    let is_there = || sh("ip -4 route").contains("default") && sh("ip -6 route").contains("default");
    while !is_there() || sh("ip address show dev eth0").contains("tentative") {
        assert!(began.elapsed() < Duration::from_secs(20), "the network does not come up:\n{}", look());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a line of shell; what it printed on standard output.
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Addresses, routes and sources of eth0, a line each, without what passes by itself.
pub fn look() -> String {
    let all = sh(
        "ip -o address show dev eth0; ip -o link show dev eth0 | grep -o 'state [A-Z]*'; ip -4 route; ip -6 route; \
         for a in 192.0.2.1 198.18.0.1 2001:db8::1 2620:fe::fe; do ip -o route get $a 2>/dev/null || echo no way to $a; done",
    );
    let line = |line: &str| {
        let line = line.split(" \\").next().unwrap_or_default();
        let words = line.split_whitespace().filter(|word| !word.ends_with(':') || word.len() > 4);
        words
            .collect::<Vec<_>>()
            .join(" ")
            .replace(" proto kernel_lo", "")
            .replace(" uid 0", "")
            .replace(" cache", "")
            .replace(" nodad", "")
    };
    let lines: BTreeSet<String> = all.lines().map(line).filter(|line| !line.is_empty()).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// What [`look`] shows, without lines that name one of `but`.
pub fn without(look: &str, but: &[&str]) -> String {
    let is_of =
        |line: &str| line.split_whitespace().any(|word| but.iter().any(|ip| word.split('/').next() == Some(*ip)));
    look.lines().filter(|line| !is_of(line)).collect::<Vec<_>>().join("\n")
}

/// Every process but those in `known` and threads of the kernel: id and name.
pub fn processes(known: &BTreeSet<i32>) -> Vec<(i32, String)> {
    let ids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_string_lossy().parse().ok());
    let other = ids.filter(|id: &i32| !known.contains(id));
    other.filter_map(|id| Some((id, fs::read_to_string(format!("/proc/{id}/comm")).ok()?.trim().to_owned()))).collect()
}

/// What of ipalias lies about that only a run in flight may have: temporary files, a journal, a folder not begun.
pub fn rests() -> String {
    sh("find /etc -name '*.ipalias-*' 2>/dev/null; ls -d /var/lib/ipalias/journal /var/lib/ipalias/.new-* 2>/dev/null")
}
