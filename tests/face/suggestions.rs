//! A mistake is answered with what was probably meant, in a form that can be typed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::{self, PROGRAM, sh};
use crate::support::{self, ipalias, scratch};

const FLAVOUR: &str = "bookworm:ifupdown";

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 203.0.113.10/24\n    gateway 203.0.113.1\n";

fn host() -> tempfile::TempDir {
    let root = scratch();
    fs::create_dir_all(root.path().join("etc/network")).unwrap();
    fs::write(root.path().join("etc/network/interfaces"), INTERFACES).unwrap();
    root
}

/// The message and the hint.
fn said(root: &Path, arguments: &[&str], exit: i32) -> String {
    let output = ipalias(root, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
    text
}

#[test]
fn the_nearest_name() {
    let host = host();
    let text = said(host.path(), &["add", "203.0.113.5", "-i", "eht0"], 3);
    assert!(text.contains("hint: did you mean -i eth0? "), "{text}");
    let text = said(host.path(), &["add", "203.0.113.5", "-i", "wlan7"], 3);
    assert!(!text.contains("did you mean"), "{text}");
    for (name, meant) in
        [("ifupdwn", "ifupdown"), ("systemd-networkd", "networkd"), ("NetworkManager", "networkmanager")]
    {
        let text = said(host.path(), &["add", "203.0.113.5", "--backend", name], 2);
        assert!(text.contains(&format!("hint: did you mean --backend {meant}? ")), "{text}");
    }
    let text = said(host.path(), &["add", "203.0.113.5", "--backend", "augeas"], 2);
    assert!(text.contains("hint: the backends are "), "{text}");
}

/// What is proposed in the place of a range or block that contains the primary address is what can be added.
#[test]
fn a_range_around_the_primary_address() {
    for (asked, argument, left) in [
        (&["203.0.113.8-203.0.113.11"][..], "203.0.113.8-203.0.113.11", "203.0.113.8-203.0.113.9 203.0.113.11"),
        (&["203.0.113.10-203.0.113.15"], "203.0.113.10-203.0.113.15", "203.0.113.11-203.0.113.15"),
        (&["--block", "203.0.113.8/29"], "--block 203.0.113.8/29", "203.0.113.8-203.0.113.9 203.0.113.11-203.0.113.15"),
    ] {
        let host = host();
        let text = said(host.path(), &[&["add"], asked].concat(), 3);
        let reason =
            format!("/etc/network/interfaces:6: 203.0.113.10 is the primary address, and {argument} contains it\n");
        assert!(text.contains(&reason), "{text}");
        assert!(text.contains(&format!("hint: leave it out: instead of {argument} write {left}\n")), "{text}");
        let words: Vec<&str> = left.split(' ').collect();
        said(host.path(), &[&["add"], &words[..]].concat(), 0);
        let text = said(host.path(), &[&["remove"], asked].concat(), 3);
        assert!(text.contains(&format!("instead of {argument} write {left}\n")), "{text}");
        said(host.path(), &[&["remove"], &words[..]].concat(), 0);
    }
    let text = said(host().path(), &["add", "203.0.113.10"], 3);
    assert!(text.contains("is the primary address\nhint: it needs no adding"), "a single one has no range: {text}");
}

#[test]
fn a_list_in_the_place_of_an_address() {
    let host = host();
    let list = host.path().join("addresses.txt");
    fs::write(&list, "203.0.113.5\n").unwrap();
    let list = list.to_str().unwrap();
    let text = said(host.path(), &["add", list], 2);
    assert!(text.contains(&format!("hint: have it read: --from {list}\n")), "{text}");
    said(host.path(), &["add", "--from", list], 0);
}

#[test]
fn a_forgotten_verb() {
    let run = |arguments: &[&str]| {
        let output = Command::new(support::program()).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = run(&["22.33.44.55"]);
    assert!(text.starts_with("ipalias: 22.33.44.55 is an address, and the verb is missing\nhint: type "), "{text}");
    assert!(text.ends_with("ipalias add 22.33.44.55\n"), "{text}");
    let text = run(&["--root", "/mnt/a b", "2001:db8::5", "-n"]);
    assert!(text.ends_with("ipalias --root '/mnt/a b' add 2001:db8::5 -n\n"), "{text}");
    // clap knows verbs itself.
    assert!(run(&["ad", "22.33.44.55"]).contains("'add'"));
}

/// Without the rights it says which line to type: this one, with sudo where that is installed.
#[test]
fn not_root() {
    let may_become_nobody = nix::unistd::geteuid().is_root();
    let mut command = Command::new(if may_become_nobody { "setpriv" } else { support::program() });
    if may_become_nobody {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", support::program()]);
    }
    let Some(output) = support::tool(command.args(["confirm", "--quiet"])) else { return };
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("ipalias: changing the network needs the rights of root; nothing was changed\nhint: "),
        "{text}"
    );
    assert!(text.ends_with("/ipalias confirm --quiet\n") && text.contains("type "), "{text}");
}

/// What only a running system knows: its links and its gateways.
#[test]
fn on_a_running_system() {
    if lab::is_possible() {
        lab::enter(FLAVOUR, |root| lab::lay_out(FLAVOUR, root), "suggestions::inside", &[]);
    }
}

#[test]
#[ignore = "runs inside a namespace"]
fn inside() {
    if lab::inside().is_none() {
        return;
    }
    lab::start(FLAVOUR);
    let said = |arguments: &str| sh(&format!("{PROGRAM} {arguments} 2>&1 || echo exit $?"));
    let text = said("add 198.51.100.77 -i eht0");
    assert!(
        text.starts_with("ipalias: there is no interface eht0\nhint: did you mean -i eth0? this system has "),
        "{text}"
    );
    let text = said("add 192.0.2.1-192.0.2.3");
    let reason = "ipalias: 192.0.2.1 is the gateway of this server, and 192.0.2.1-192.0.2.3 contains it\n";
    assert!(text.starts_with(reason) && text.ends_with("write 192.0.2.2-192.0.2.3\nexit 3\n"), "{text}");
    let text = said("add --block 192.0.2.8/30");
    assert!(text.contains("write 192.0.2.8-192.0.2.9 192.0.2.11\nexit 3"), "the primary address: {text}");
    let text = said("add 2001:db8::1");
    assert!(text.contains("2001:db8::1 is the gateway of this server\nhint: it belongs to the router"), "{text}");
    assert!(!sh("ip address show dev eth0").contains("192.0.2.2"), "{}", lab::look());
    // The records are root's, and so is the network.
    sh(&format!("{PROGRAM} --quiet add --force 198.51.100.77"));
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    for verb in ["add 198.51.100.78", "rollback", "confirm", "history"] {
        let text = sh(&format!("{nobody} {PROGRAM} {verb} 2>&1 || echo exit $?"));
        assert!(text.ends_with(&format!(" type {PROGRAM} {verb}\nexit 1\n")), "{text}");
    }
    for verb in ["list", "status", "-n add 198.51.100.78"] {
        let text = sh(&format!("{nobody} {PROGRAM} {verb} 2>&1 || echo exit $?"));
        assert!(!text.contains("exit") && !text.contains("ermission"), "looking is for everybody: {verb}: {text}");
    }
}
