//! The command line: help, usage errors, bad input with its exit code and nothing written, JSON, options on either side.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{ipalias, read_tree, scratch};

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n";

/// A root with one static interface.
fn host() -> tempfile::TempDir {
    let dir = scratch();
    fs::create_dir_all(dir.path().join("etc/network")).unwrap();
    fs::write(dir.path().join("etc/network/interfaces"), INTERFACES).unwrap();
    dir
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipalias")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs on `root`; the exit code, one line of reason containing `reason`, a hint, and nothing written.
fn refused(root: &Path, arguments: &[&str], exit: i32, reason: &str) {
    // The lock file names its latest holder.
    let tree = || {
        let mut tree = read_tree(root);
        tree.remove(Path::new("var/lib/ipalias/lock"));
        tree
    };
    let before = tree();
    let output = ipalias(root, arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {stderr}");
    assert!(stderr.contains(reason), "{arguments:?}: {reason:?} in {stderr}");
    assert!(stderr.contains("hint: ") || exit == 1, "{arguments:?}: a hint in {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let differences = support::differences(&before, &tree());
    assert!(differences.is_empty(), "{arguments:?} writes: {differences:?}");
}

#[test]
fn help_and_version() {
    let help = program(&["--help"]);
    assert!(help.status.success());
    for word in ["add", "remove", "list", "status", "rollback", "--root", "Exit codes"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    assert!(text(&program(&["--version"]).stdout).starts_with("ipalias "));
    for bad in [
        &[][..],
        &["fly"],
        &["add", "--apply", "maybe", "1.2.3.4"],
        &["rollback", "--to", "x"],
        &["--wait", "-1", "list"],
    ] {
        assert_eq!(program(bad).status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn addresses_that_cannot_be() {
    let host = host();
    for (address, exit, reason) in [
        ("1.2.3", 2, "not an IPv4 or IPv6 address"),
        ("1.2.3.4/33", 2, "prefix"),
        ("203.0.113.005", 2, "not an IPv4"),
        ("203.0.113.9-203.0.113.1", 2, "lower to a higher"),
        ("224.0.0.5", 3, "multicast"),
        ("127.0.0.2", 3, "loopback"),
        ("0.0.0.0", 3, "unspecified"),
        ("::ffff:203.0.113.5", 3, "IPv4-mapped"),
        ("203.0.113.0/24", 3, "network address"),
        ("203.0.113.255/24", 3, "broadcast address"),
        ("192.0.2.10", 3, "primary address"),
        ("192.0.2.10/24", 3, "primary address"),
        ("192.0.3.5/16", 3, "swallow"),
    ] {
        refused(host.path(), &["add", address], exit, reason);
        refused(host.path(), &["--dry-run", "add", address], exit, reason);
    }
    refused(host.path(), &["add"], 2, "no address was given");
    refused(host.path(), &["add", "203.0.113.5", "203.0.113.5/24"], 2, "two prefixes");
    refused(host.path(), &["add", "--block", "10.0.0.0/8"], 2, "more than");
    for whole in ["203.0.113.0", "203.0.113.255"] {
        assert!(ipalias(host.path(), &["add", whole]).status.success(), "{whole}: blocks are sold whole");
    }
}

#[test]
fn nixos_gets_the_lines_to_add() {
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(host.path().join("etc")).unwrap();
    std::fs::write(host.path().join("etc/os-release"), "ID=nixos\n").unwrap();
    let lines = "networking.interfaces.<name>.ipv4.addresses = [ { address = \"203.0.113.5\"; prefixLength = 32; } \
                 { address = \"203.0.113.6\"; prefixLength = 28; } ]; networking.interfaces.<name>.ipv6.addresses = \
                 [ { address = \"2001:db8::5\"; prefixLength = 128; } ];";
    refused(host.path(), &["add", "203.0.113.5", "2001:db8::5", "203.0.113.6/28"], 3, lines);
}

#[test]
fn labels_and_interfaces_that_cannot_be() {
    let host = host();
    for (label, exit) in
        [("eth0:failover-address", 2), ("eth0:a b", 2), ("eth0:$(id)", 2), ("", 2), ("eth0:\n", 2), ("web", 3)]
    {
        refused(host.path(), &["add", "203.0.113.5", "--label", label], exit, "label");
    }
    refused(host.path(), &["add", "203.0.113.5", "203.0.113.6", "--label", "eth0:1"], 2, "one address");
    refused(host.path(), &["add", "203.0.113.5", "-i", "eth7"], 3, "eth7");
    refused(host.path(), &["add", "203.0.113.5", "-i", "eth0; reboot"], 3, "interface name");
    refused(host.path(), &["add", "203.0.113.5", "--backend", "ifconfig"], 2, "no backend");
    refused(host.path(), &["--detailed-exitcode", "add", "203.0.113.5"], 2, "--dry-run");
}

#[test]
fn bridge_ports_have_no_addresses() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    fs::write(&file, "auto br0\niface br0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n    bridge-ports eth0\niface eth0 inet manual\n").unwrap();
    refused(host.path(), &["add", "203.0.113.5", "-i", "eth0"], 3, "port of br0");
}

#[test]
fn roots_that_are_none() {
    let dir = scratch();
    refused(dir.path(), &["list"], 3, "no /etc directory");
    let missing = dir.path().join("missing");
    let output = ipalias(&missing, &["list"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    fs::write(&missing, "").unwrap();
    assert_eq!(ipalias(&missing, &["list"]).status.code(), Some(2), "a file");
    fs::create_dir(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("etc/os-release"), "ID=\"\nPRETTY_NAME=\"Plan 9\"\n").unwrap();
    refused(dir.path(), &["add", "203.0.113.5"], 3, "Plan 9");
    refused(dir.path(), &["status"], 3, "no backend is in charge");
    fs::create_dir_all(dir.path().join("etc/netplan")).unwrap();
    refused(dir.path(), &["list"], 3, "no backend is in charge");
    fs::write(dir.path().join("etc/netplan/50-cloud-init.yaml"), "network: {}\n").unwrap();
    assert!(text(&ipalias(dir.path(), &["list"]).stderr).contains("netplan"));
}

#[test]
fn two_claims_of_equal_weight_are_refused() {
    let host = host();
    fs::create_dir_all(host.path().join("etc/systemd/network")).unwrap();
    let network = "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n";
    fs::write(host.path().join("etc/systemd/network/50-default.network"), network).unwrap();
    refused(host.path(), &["add", "203.0.113.5"], 3, "equal right");
    let message = text(&ipalias(host.path(), &["list"]).stderr);
    assert!(message.contains("networkd (") && message.contains("ifupdown ("), "both claims: {message}");
    assert!(ipalias(host.path(), &["-n", "add", "203.0.113.5", "--backend", "ifupdown"]).status.success());
    assert!(ipalias(host.path(), &["-n", "add", "203.0.113.5", "--backend", "networkd"]).status.success());

    // One that is enabled beats one whose files merely lie there.
    let wants = host.path().join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("/lib/systemd/system/systemd-networkd.service", wants.join("systemd-networkd.service")).unwrap();
    let status = ipalias(host.path(), &["status"]);
    assert!(text(&status.stdout).contains("networkd (it is enabled)"), "{}", text(&status.stdout));
    symlink("/lib/systemd/system/networking.service", wants.join("networking.service")).unwrap();
    refused(host.path(), &["add", "203.0.113.5"], 3, "equal right");

    // What the running system says beats both.
    fs::create_dir_all(host.path().join("run/network")).unwrap();
    fs::write(host.path().join("run/network/ifstate"), "lo=lo\neth0=eth0\n").unwrap();
    let status = ipalias(host.path(), &["status"]);
    assert!(text(&status.stdout).contains("ifupdown (it configured the running system)"), "{}", text(&status.stdout));
}

#[test]
fn an_interrupted_operation_is_reported_and_taken_back() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    // As if the run had been killed just before its last rename.
    let store = host.path().join("var/lib/ipalias");
    fs::rename(store.join("000001"), store.join("journal")).unwrap();
    let status = ipalias(host.path(), &["status"]);
    assert!(text(&status.stderr).contains("was interrupted"), "{}", text(&status.stderr));
    assert_ne!(fs::read_to_string(&file).unwrap(), INTERFACES, "status and list only report");
    let output = ipalias(host.path(), &["add", "203.0.113.6"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let now = fs::read_to_string(&file).unwrap();
    assert!(!now.contains("203.0.113.5") && now.contains("203.0.113.6"), "{now}");

    // Somebody edited the file after the crash: it is left alone, and the way out is told.
    fs::rename(store.join("000002"), store.join("journal")).unwrap();
    fs::write(&file, now + "# mine\n").unwrap();
    let output = ipalias(host.path(), &["add", "203.0.113.7"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("type: "), "{}", text(&output.stderr));
    assert!(fs::read_to_string(&file).unwrap().ends_with("# mine\n"));
}

#[test]
fn a_root_is_never_left() {
    let host = host();
    let outside = scratch();
    fs::write(outside.path().join("interfaces"), INTERFACES).unwrap();
    let file = host.path().join("etc/network/interfaces");
    for target in [
        outside.path().join("interfaces"),
        "../../../../../../../../../etc/hostname".into(),
        "/proc/self/root/etc/hostname".into(),
    ] {
        fs::remove_file(&file).unwrap();
        symlink(&target, &file).unwrap();
        let output = ipalias(host.path(), &["add", "203.0.113.5"]);
        assert_eq!(output.status.code(), Some(3), "{target:?}: {}", text(&output.stderr));
    }
    assert_eq!(fs::read_to_string(outside.path().join("interfaces")).unwrap(), INTERFACES);

    // An absolute link inside the root leads to the root's own file, and that is edited.
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(host.path().join("etc/conf")).unwrap();
    fs::write(host.path().join("etc/conf/net"), INTERFACES).unwrap();
    symlink("/etc/conf/net", &file).unwrap();
    let output = ipalias(host.path(), &["add", "203.0.113.5"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read_to_string(host.path().join("etc/conf/net")).unwrap().contains("203.0.113.5"));
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
}

#[test]
fn files_that_cannot_be_read() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    let output = ipalias(host.path(), &["add", "203.0.113.5"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("larger than 4 MiB"));
    fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let output = ipalias(host.path(), &["add", "203.0.113.5"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    fs::remove_file(&file).unwrap();
    symlink("interfaces", &file).unwrap();
    let output = ipalias(host.path(), &["add", "203.0.113.5"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("symbolic links"));
    fs::remove_file(&file).unwrap();
    fs::write(
        &file,
        "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n\nsource interfaces.d/*\nnonsense here\n",
    )
    .unwrap();
    refused(host.path(), &["add", "203.0.113.5"], 3, "/etc/network/interfaces:6");
}

#[test]
fn protected_files_stay_as_they_are() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    let attribute = |flag: &str| {
        Command::new("chattr").arg(flag).arg(&file).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if attribute("+i") {
        refused(host.path(), &["add", "203.0.113.5"], 3, "immutable");
        assert!(attribute("-i"));
    }
    fs::write(host.path().join("etc/network/interfaces.bak"), "kept since 2018\n").unwrap();
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    assert_eq!(fs::read_to_string(host.path().join("etc/network/interfaces.bak")).unwrap(), "kept since 2018\n");
    assert_eq!(fs::read_to_string(host.path().join("etc/network/interfaces.ipalias.bak")).unwrap(), INTERFACES);
}

#[test]
fn mode_and_owner_are_carried_over() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let owned = std::os::unix::fs::chown(&file, Some(7), Some(8)).is_ok();
    let before = read_tree(host.path());
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    for name in ["interfaces", "interfaces.bak"] {
        let meta = fs::metadata(host.path().join("etc/network").join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o600, "{name}");
        if owned {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!((meta.uid(), meta.gid()), (7, 8), "{name}");
        }
    }
    assert!(ipalias(host.path(), &["rollback"]).status.success());
    assert_eq!(support::configuration(&before), support::configuration(&read_tree(host.path())));
}

#[test]
fn attributes_and_acls_are_carried_over() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    // On a disk: file systems in memory keep fewer attributes.
    let host = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir_all(host.path().join("etc/network")).unwrap();
    let file = host.path().join("etc/network/interfaces");
    fs::write(&file, INTERFACES).unwrap();
    // acl(5) as the kernel stores it: version 2, then tag, permissions, id; user 1234 may read.
    let entry =
        |tag: u16, bits: u16, id: u32| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat();
    let none = u32::MAX;
    let entries = [entry(1, 6, none), entry(2, 4, 1234), entry(4, 4, none), entry(16, 4, none), entry(32, 4, none)];
    let acl = [&2u32.to_le_bytes()[..], &entries.concat()].concat();
    let wanted: [(&str, &[u8]); 2] = [("user.origin", b"installer"), ("system.posix_acl_access", &acl)];
    let supported = wanted.map(|(name, value)| setxattr(&file, name, value, XattrFlags::empty()).is_ok());
    assert!(supported.contains(&true) || !support::tools_required(), "the file system keeps no attributes at all");
    let check = |when: &str, name: &str| {
        for ((attribute, value), _) in wanted.iter().zip(supported).filter(|(_, supported)| *supported) {
            let mut found = vec![0; 256];
            let length = getxattr(file.with_file_name(name), *attribute, found.as_mut_slice()).unwrap_or(0);
            assert_eq!(&found[..length], *value, "{when}: {attribute} of {name}");
        }
    };
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    check("after add", "interfaces");
    check("after add", "interfaces.bak");
    assert!(ipalias(host.path(), &["rollback"]).status.success());
    check("after rollback", "interfaces");
}

#[test]
fn colour_and_escapes() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    fs::write(&file, [INTERFACES.as_bytes(), b"# caf\xe9 \x1b[2J\n"].concat()).unwrap();
    let plain = ipalias(host.path(), &["-n", "add", "203.0.113.5"]).stdout;
    assert!(plain.windows(7).any(|bytes| *bytes == b"\xe9 \x1b[2J\n"[..7]), "byte-exact for patch");
    assert!(!text(&plain).contains("\x1b[32m"));
    let colored = ipalias(host.path(), &["-n", "--color", "always", "add", "203.0.113.5"]).stdout;
    assert!(text(&colored).contains("\x1b[32m+auto eth0:0\x1b[0m"), "{}", text(&colored));
    assert!(text(&colored).contains("caf\\xe9 \\x1b[2J"), "{}", text(&colored));
}

#[test]
fn options_stand_on_either_side() {
    let host = host();
    let first = ipalias(host.path(), &["--dry-run", "add", "203.0.113.5"]);
    let second = ipalias(host.path(), &["add", "203.0.113.5", "--dry-run"]);
    assert!(first.status.success());
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(ipalias(host.path(), &["-n", "--detailed-exitcode", "add", "203.0.113.5"]).status.code(), Some(10));
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    assert_eq!(ipalias(host.path(), &["-n", "--detailed-exitcode", "add", "203.0.113.5"]).status.code(), Some(0));
    for verb in ["rm", "del"] {
        assert!(ipalias(host.path(), &["-n", verb, "203.0.113.5"]).status.success(), "{verb}");
    }
}

#[test]
fn lists_of_addresses() {
    let host = host();
    let list = host.path().join("list");
    fs::write(&list, "# rented\n203.0.113.5   # web\n\n203.0.113.8-203.0.113.9\n2001:db8::5/128\n").unwrap();
    let output = ipalias(host.path(), &["add", "--from", list.to_str().unwrap(), "--block", "198.51.100.0/31"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&ipalias(host.path(), &["list", "--json"]).stdout).unwrap();
    assert_eq!(json["addresses"].as_array().unwrap().len(), 1 + 6);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ipalias"))
        .arg("--root")
        .arg(host.path())
        .args(["remove", "--from", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"203.0.113.5\n198.51.100.0\n").unwrap();
    assert!(child.wait().unwrap().success());
    fs::write(&list, "203.0.113.5\nnonsense\n").unwrap();
    refused(host.path(), &["add", "--from", list.to_str().unwrap()], 2, "list:2:");
}

#[test]
fn json_of_every_verb() {
    let host = host();
    let run = |arguments: &[&str]| -> serde_json::Value {
        let output = ipalias(host.path(), &[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stdout)))
    };
    let added = run(&["add", "203.0.113.5"]);
    assert_eq!(
        (added["version"].as_u64(), added["result"].as_str(), added["operation"].as_u64()),
        (Some(1), Some("changed"), Some(1))
    );
    assert_eq!(added["addresses"][0]["label"], "eth0:0");
    assert!(added["diff"].as_str().unwrap().contains("+iface eth0:0 inet static"));
    assert_eq!(added["commands"]["auto"][0], "ifup eth0:0");
    assert_eq!(run(&["add", "203.0.113.5"])["result"], "unchanged");
    assert_eq!(run(&["list"])["addresses"][1]["state"], "configured");
    assert_eq!(run(&["status"])["backend"], "ifupdown");
    let explained = run(&["explain", "203.0.113.6"]);
    assert_eq!((explained["backend"].as_str(), explained["interface"].as_str()), (Some("ifupdown"), Some("eth0")));
    assert_eq!(explained["example"]["by_hand"][2], "`ifup eth0:1`");
    assert_eq!(run(&["explain", "netplan"])["backend"], "netplan");
    assert_eq!(run(&["explain", "--list"])["systems"].as_array().unwrap().len(), 17);
    assert_eq!(run(&["-n", "remove", "203.0.113.5"])["result"], "planned");
    assert_eq!(run(&["rollback"])["result"], "changed");
    assert_eq!(run(&["rollback", "--list"])["operations"].as_array().unwrap().len(), 2);
    let refused = run(&["add", "192.0.2.10"]);
    assert_eq!(
        (refused["result"].as_str(), refused["exit"].as_u64(), refused["kind"].as_str()),
        (Some("refused"), Some(3), Some("unacceptable"))
    );
    assert_eq!((refused["path"].as_str(), refused["line"].as_u64()), (Some("/etc/network/interfaces"), Some(6)));
}

#[test]
fn explain_is_for_this_host_or_for_a_named_system() {
    let host = host();
    let before = read_tree(host.path());
    let explain = |arguments: &[&str]| {
        let output = ipalias(host.path(), &[&["explain"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let here = explain(&[]);
    for word in [
        "ifupdown (Debian",
        "is in charge of eth0 here",
        "has a stanza for eth0",
        "+iface eth0:0 inet static",
        "+    address 203.0.113.5",
        "3. `ifup eth0:0`",
        "1. `ifdown eth0:0`",
        "[interfaces(5), INTERFACE SELECTION;",
        "What to watch out for",
    ] {
        assert!(here.contains(word), "{word:?} in {here}");
    }
    assert!(here.lines().all(|line| line.chars().count() <= 80), "it fits a narrow terminal: {here}");
    assert!(explain(&["2001:db8::5"]).contains("+    address 2001:db8::5"));
    assert!(explain(&["192.0.2.10"]).contains("is refused: /etc/network/interfaces:6: 192.0.2.10 is the primary"));
    let elsewhere = explain(&["netplan"]);
    assert!(elsewhere.contains("+++ b/etc/netplan/99-ipalias.yaml") && !elsewhere.contains("in charge"), "{elsewhere}");
    assert!(explain(&["--list"]).contains("wicked"));
    refused(host.path(), &["explain", "fly"], 2, "no address");
    refused(host.path(), &["explain", "netplan", "203.0.113.5"], 2, "\"netplan\" is no address");
    assert!(support::differences(&before, &read_tree(host.path())).is_empty(), "nothing is written");
    let empty = scratch();
    fs::create_dir(empty.path().join("etc")).unwrap();
    refused(empty.path(), &["explain"], 3, "no backend is in charge");
    assert!(ipalias(empty.path(), &["explain", "openbsd"]).status.success(), "the guide of a system needs no host");
}

#[test]
fn history_tells_what_became_of_each_operation() {
    let host = host();
    let states = || -> Vec<String> {
        let output = ipalias(host.path(), &["history", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json["operations"].as_array().unwrap().iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(), Vec::<String>::new());
    let did = |arguments: &[&str]| assert!(ipalias(host.path(), arguments).status.success(), "{arguments:?}");
    did(&["add", "203.0.113.5"]);
    did(&["rollback"]);
    assert_eq!(states(), ["taken back by 2", "in effect"]);
    did(&["rollback"]);
    assert_eq!(states(), ["in effect", "taken back by 3", "in effect"]);
    let table = text(&ipalias(host.path(), &["history"]).stdout);
    for word in ["ID", "taken back by 3", "add 203.0.113.5", "/etc/network/interfaces", "UTC"] {
        assert!(table.contains(word), "{word} in {table}");
    }
    assert_eq!(text(&ipalias(host.path(), &["rollback", "--list"]).stdout), table);
}

#[test]
fn the_store_is_pruned() {
    let host = host();
    let store = host.path().join("var/lib/ipalias");
    for number in 1..=30 {
        assert!(ipalias(host.path(), &["-q", "add", &format!("203.0.113.{number}")]).status.success());
    }
    let numbers = || -> Vec<u64> {
        let names = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut numbers: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        numbers.sort();
        numbers
    };
    assert_eq!(numbers(), (11..=30).collect::<Vec<_>>());
    refused(host.path(), &["rollback", "--to", "10"], 3, "no operation 10");
    assert!(ipalias(host.path(), &["rollback", "--to", "11"]).status.success());
    assert_eq!(numbers().last(), Some(&31), "numbers are not used again");
    // Another file's old bytes stay, however long ago it was changed: its .bak is known as ours by them.
    let file = host.path().join("etc/network/interfaces");
    fs::write(&file, format!("{INTERFACES}source interfaces.d/*\n")).unwrap();
    fs::create_dir(host.path().join("etc/network/interfaces.d")).unwrap();
    let other = host.path().join("etc/network/interfaces.d/eth1");
    fs::write(&other, "auto eth1\niface eth1 inet static\n    address 198.51.100.10/24\n").unwrap();
    assert!(ipalias(host.path(), &["-q", "-i", "eth1", "add", "198.51.100.5"]).status.success());
    for number in 1..=25 {
        assert!(ipalias(host.path(), &["-q", "add", &format!("203.0.113.{number}")]).status.success());
    }
    assert!(numbers().contains(&32) && numbers().len() == 21, "{:?}", numbers());
}

#[test]
fn confirmations_are_for_the_running_system() {
    let host = host();
    refused(host.path(), &["add", "203.0.113.5", "--confirm", "60"], 2, "running system");
    refused(host.path(), &["remove", "203.0.113.5", "--confirm", "60"], 2, "running system");
    refused(host.path(), &["rollback", "--confirm", "60"], 2, "running system");
    refused(host.path(), &["confirm"], 3, "no change waits");
    for seconds in ["0", "4", "3601", "x"] {
        let output = ipalias(host.path(), &["add", "203.0.113.5", "--confirm", seconds]);
        assert_eq!(output.status.code(), Some(2), "{seconds}");
    }
}

#[test]
fn status_tells_what_recovery_will_do() {
    let host = host();
    let store = host.path().join("var/lib/ipalias");
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    fs::rename(store.join("000001"), store.join("journal")).unwrap();
    let told = || text(&ipalias(host.path(), &["status"]).stderr);
    assert!(told().contains("/etc/network/interfaces: will be put back"), "{}", told());
    let file = host.path().join("etc/network/interfaces");
    let added = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{added}# note\n")).unwrap();
    assert!(told().contains("changed by somebody else"), "{}", told());
    fs::write(&file, INTERFACES).unwrap();
    assert!(told().contains("is as it was before"), "{}", told());
    assert!(text(&ipalias(host.path(), &["history"]).stdout).contains("interrupted"));
}

#[test]
fn rollback_without_a_record() {
    let host = host();
    refused(host.path(), &["rollback"], 3, "nothing to take back");
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    fs::remove_dir_all(host.path().join("var/lib/ipalias")).unwrap();
    let output = ipalias(host.path(), &["rollback"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(host.path().join("etc/network/interfaces")).unwrap(), INTERFACES);
}

#[test]
fn rollback_of_a_file_that_was_edited_since() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    assert!(ipalias(host.path(), &["add", "203.0.113.5"]).status.success());
    fs::write(&file, fs::read_to_string(&file).unwrap() + "# note\n").unwrap();
    refused(host.path(), &["rollback"], 3, "changed since operation 1");
    assert!(ipalias(host.path(), &["rollback", "--force"]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), INTERFACES);
    assert!(ipalias(host.path(), &["rollback"]).status.success(), "the note comes back");
    assert!(fs::read_to_string(&file).unwrap().ends_with("# note\n"));
}

#[test]
fn rollback_to_an_older_operation() {
    let host = host();
    for address in ["203.0.113.5", "203.0.113.6", "203.0.113.7"] {
        assert!(ipalias(host.path(), &["add", address]).status.success());
    }
    refused(host.path(), &["rollback", "--to", "9"], 3, "no operation 9");
    let told = ipalias(host.path(), &["rollback", "--to", "2", "--dry-run"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("taking back operation 2, 3"), "{told:?}");
    let quiet = ipalias(host.path(), &["--quiet", "rollback", "--to", "2"]);
    assert!(quiet.status.success() && quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{quiet:?}");
    let text = fs::read_to_string(host.path().join("etc/network/interfaces")).unwrap();
    assert!(text.contains("203.0.113.5") && !text.contains("203.0.113.6") && !text.contains("203.0.113.7"));
}

#[test]
fn a_closed_output_stops_nothing() {
    let host = host();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_ipalias"))
        .arg("--root")
        .arg(host.path())
        .args(["add", "203.0.113.5"])
        .stdout(full.try_clone().unwrap())
        .stderr(full)
        .status()
        .unwrap();
    assert!(status.success());
    assert!(fs::read_to_string(host.path().join("etc/network/interfaces")).unwrap().contains("203.0.113.5"));
}

#[test]
fn thousands_in_one_call() {
    let host = host();
    let began = std::time::Instant::now();
    assert!(ipalias(host.path(), &["-q", "add", "--block", "10.1.0.0/20"]).status.success());
    assert!(ipalias(host.path(), &["-q", "add", "--block", "10.1.0.0/20"]).status.success());
    assert!(ipalias(host.path(), &["-q", "remove", "--block", "10.1.0.0/20"]).status.success());
    assert_eq!(fs::read_to_string(host.path().join("etc/network/interfaces")).unwrap(), INTERFACES);
    // Not a measurement: only quadratic behaviour would take minutes here.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

/// What could be written, but not be read again: the files would be too large, or too many.
#[test]
fn more_addresses_than_can_be_taken_out_again() {
    refused(host().path(), &["add", "--block", "10.1.0.0/16"], 3, "larger than 4 MiB");
    let one_file_each = tempfile::tempdir().unwrap();
    let scripts = one_file_each.path().join("etc/sysconfig/network-scripts");
    fs::create_dir_all(&scripts).unwrap();
    fs::write(one_file_each.path().join("etc/redhat-release"), "CentOS release 6.10 (Final)\n").unwrap();
    let file = "DEVICE=eth0\nBOOTPROTO=none\nONBOOT=yes\nNM_CONTROLLED=no\nIPADDR=192.0.2.10\nNETMASK=255.255.255.0\n";
    fs::write(scripts.join("ifcfg-eth0"), file).unwrap();
    refused(one_file_each.path(), &["add", "--block", "10.1.0.0/20"], 3, "more than 4096 files");
}

#[test]
fn an_operation_that_was_never_recorded_is_not_taken_back() {
    let host = host();
    let file = host.path().join("etc/network/interfaces");
    fs::write(file.with_extension("bak"), INTERFACES.replace("192.0.2.1\n", "192.0.2.9\n")).unwrap();
    let output = ipalias(host.path(), &["rollback", "--to", "7"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(fs::read_to_string(file).unwrap(), INTERFACES);
}
