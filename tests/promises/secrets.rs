//! P27: passwords and keys beside the lines that change: shown nowhere, and in no file that was not theirs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support;

/// The beginning of every marker.
const MARK: &str = "Geheim";

/// A tree: its backend, whether it is netplan's own, files with their mode. `@` stands for a marker with a number.
type Host = (&'static str, &'static [(&'static str, u32, &'static str)]);

const HOSTS: &[Host] = &[
    (
        "ifupdown",
        &[(
            "etc/network/interfaces",
            0o644,
            "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n    wpa-psk @\n    wpa-password @\n    wpa-wep-key0 @\n    wireless-key1 s:@\n    wpa-private-key-passwd @\n",
        )],
    ),
    (
        "networkmanager",
        &[
            (
                "etc/NetworkManager/system-connections/eth0.nmconnection",
                0o600,
                "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n\n[802-1x]\neap=peap;\npassword=@\nprivate-key-password=@\npin=@\n\n[ipv4]\nmethod=manual\naddress1=192.0.2.10/24,192.0.2.1\n\n[vpn-secrets]\nIPSec secret=@\n\n[wifi-security]\npsk=@\nwep-key0=@\n",
            ),
            ("etc/NetworkManager/NetworkManager.conf", 0o644, "[main]\nplugins=keyfile\n"),
            ("usr/lib/NetworkManager/x", 0o644, ""),
        ],
    ),
    (
        "netplan",
        &[
            (
                "etc/netplan/01.yaml",
                0o600,
                "network:\n  version: 2\n  renderer: networkd\n  wifis:\n    wlan0:\n      access-points:\n        home:\n          auth: {key-management: psk, password: \"@\"}\n  ethernets:\n    eth0:\n      auth:\n        key-management: eap\n        password: |\n          @\n        client-key-password: @\n      addresses: [192.0.2.10/24]\n      routes: [{to: default, via: 192.0.2.1}]\n  tunnels:\n    wg0:\n      mode: wireguard\n      keys: {private: @}\n",
            ),
            ("usr/sbin/netplan", 0o755, ""),
            ("lib/netplan/generate", 0o755, ""),
        ],
    ),
    (
        "networkd",
        &[
            (
                "etc/systemd/network/10.network",
                0o644,
                "[Match]\nName=eth0\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n#Password=@\n",
            ),
            (
                "etc/systemd/network/20.netdev",
                0o640,
                "[NetDev]\nName=wg0\nKind=wireguard\n[WireGuard]\nPrivateKey=@\n[WireGuardPeer]\nPresharedKey=@\n",
            ),
        ],
    ),
    (
        "ifcfg",
        &[
            (
                "etc/sysconfig/network-scripts/ifcfg-eth0",
                0o644,
                "DEVICE=eth0\nBOOTPROTO=none\nONBOOT=yes\nKEY1=s:@\nWPA_PSK='@'\nIPADDR=192.0.2.10\nPREFIX=24\nGATEWAY=192.0.2.1\nIPV6INIT=yes\nIEEE_8021X_PASSWORD=\"@\"\n",
            ),
            (
                "etc/sysconfig/network-scripts/ifcfg-eth0:9",
                0o600,
                "DEVICE=eth0:9\nKEY=@\nIPADDR=203.0.113.9\nPREFIX=32\n",
            ),
            ("etc/sysconfig/network-scripts/keys-eth0", 0o600, "KEY=@\n"),
            ("etc/sysconfig/network", 0o644, "NETWORKING=yes\n"),
            ("etc/init.d/network", 0o755, "#!/bin/sh\n"),
            ("etc/redhat-release", 0o644, "CentOS Linux release 7.9.2009 (Core)\n"),
        ],
    ),
    (
        "wicked",
        &[
            (
                "etc/sysconfig/network/ifcfg-eth0",
                0o600,
                "STARTMODE='auto'\nWIRELESS_KEY_0='@'\nBOOTPROTO='static'\nWIRELESS_WPA_PSK='@'\nIPADDR='192.0.2.10/24'\nWIRELESS_WPA_PASSWORD='@'\n",
            ),
            ("etc/sysconfig/network/routes", 0o644, "default 192.0.2.1 - -\n"),
            ("etc/os-release", 0o644, "ID=opensuse-leap\n"),
            ("usr/sbin/wicked", 0o755, ""),
        ],
    ),
    (
        "openbsd",
        &[
            ("etc/hostname.em0", 0o640, "inet 192.0.2.10 255.255.255.0\nwpakey @\nvhid 1 pass @\n"),
            ("etc/mygate", 0o644, "192.0.2.1\n"),
            ("etc/netstart", 0o755, "#!/bin/sh\n"),
            ("etc/rc.d/rc.subr", 0o644, ""),
        ],
    ),
];

/// Lays the tree out, with markers that count on from `first`; how many there are.
fn lay_out(root: &Path, (_, files): &Host, first: usize) -> usize {
    let mut number = first;
    for (path, mode, text) in *files {
        let mut parts = text.split('@');
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            whole.push_str(&format!("{MARK}{number:02}"));
            whole.push_str(part);
            number += 1;
        }
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    number - first
}

/// Files that hold a marker and that others than their owner may read, without those that were so.
fn readable(root: &Path, (_, files): &Host) -> Vec<String> {
    let mut found = Vec::new();
    for (path, node) in support::read_tree(root) {
        let support::Node::File(bytes, mode, ..) = node else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = path.to_string_lossy();
        let original =
            files.iter().find(|(file, ..)| name.trim_end_matches(".bak").trim_end_matches(".ipalias") == *file);
        let allowed = original.map_or(0o600, |(_, mode, _)| *mode);
        if text.contains(MARK) && mode & !allowed & 0o077 != 0 {
            found.push(format!("{name} {mode:o}"));
        }
    }
    found
}

#[test]
fn p27_secrets_are_shown_nowhere() {
    let (mut markers, mut runs, mut shown) = (0, 0, 0);
    for host in HOSTS {
        let dir = support::scratch();
        let root = dir.path().join("root");
        markers += lay_out(&root, host, markers);
        let look = |runs: &mut usize, words: &[&str]| {
            let output = support::ipalias(&root, &[&["--backend", host.0], words].concat());
            let said = [output.stdout.as_slice(), &output.stderr].concat();
            let text = String::from_utf8_lossy(&said).into_owned();
            assert!(!text.contains(MARK), "{}: {words:?}: {text}", host.0);
            let readable = readable(&root, host);
            assert!(readable.is_empty(), "{}: {words:?}: {readable:?}", host.0);
            *runs += 1;
            (output.status.code(), text)
        };
        for words in [
            &["-n", "add", "203.0.113.5", "2001:db8::5"][..],
            &["-n", "--json", "add", "203.0.113.5", "2001:db8::5"],
            &["-vv", "-n", "--color", "always", "add", "203.0.113.5"],
            &["-vv", "add", "203.0.113.5"],
            &["--json", "add", "203.0.113.6", "2001:db8::6"],
            &["list"],
            &["--json", "list"],
            &["status"],
            &["--json", "status"],
            &["explain"],
            &["--json", "explain", "203.0.113.5"],
            &["-n", "remove", "203.0.113.9"],
            &["-vv", "remove", "203.0.113.5"],
            &["rollback", "--list"],
            &["rollback"],
            &["--json", "rollback"],
            &["rollback", "--to", "1"],
        ] {
            let (code, said) = look(&mut runs, words);
            let must = matches!(words, ["-vv", "add", ..] | ["rollback"]);
            assert!(!must || code == Some(0), "{}: {words:?}: {said}", host.0);
        }
        let output =
            support::ipalias(&root, &["--backend", host.0, "--show-secrets", "-n", "--in-place", "add", "203.0.113.7"]);
        let output = if output.status.code() == Some(2) {
            support::ipalias(&root, &["--backend", host.0, "--show-secrets", "-n", "add", "203.0.113.7"])
        } else {
            output
        };
        shown += usize::from(String::from_utf8_lossy(&output.stdout).contains(MARK));
        // A file that is broken where the secret is: the refusal does not quote it.
        for (path, _, text) in host.1.iter().filter(|(_, _, text)| text.contains('@')) {
            let path = root.join(path);
            let old = fs::read(&path).unwrap();
            let lines: Vec<&str> = text.lines().filter(|line| line.contains('@')).collect();
            for (number, line) in lines.iter().enumerate() {
                let line = line.replace('@', &format!("{MARK}{number:02}"));
                for broken in [format!("{line}\n\t {line}: : x\n"), format!("x{line}\n"), format!("  {line} '\n[")] {
                    fs::write(&path, [broken.as_bytes(), &old].concat()).unwrap();
                    look(&mut runs, &["-vv", "add", "203.0.113.8"]);
                    fs::write(&path, [old.as_slice(), broken.as_bytes()].concat()).unwrap();
                    look(&mut runs, &["-vv", "-n", "add", "203.0.113.8"]);
                    look(&mut runs, &["list"]);
                }
            }
            fs::write(&path, old).unwrap();
        }
    }
    assert!(markers >= 20 && runs >= 200 && shown >= 3, "{markers} markers, {runs} runs, {shown} shown when asked for");
    support::promise("P27", "markers", &format!("{markers} secrets, {runs} runs: shown 0 times, 0 readable copies"));
}

/// Where a line with a secret stands close to the change, the diff has less context, and still applies.
#[test]
fn p27_a_diff_without_secrets_applies() {
    let dir = support::scratch();
    let root = dir.path().join("root");
    lay_out(&root, &HOSTS[0], 0);
    let output = support::ipalias(&root, &["-n", "add", "203.0.113.5"]);
    let diff: Vec<u8> = output
        .stdout
        .split(|b| *b == b'\n')
        .take_while(|line| !line.starts_with(b"to be"))
        .collect::<Vec<_>>()
        .join(&b'\n');
    fs::write(dir.path().join("diff"), [diff.as_slice(), b"\n"].concat()).unwrap();
    let mut command = Command::new("patch");
    command.args(["-p1", "-s", "-d"]).arg(&root).arg("-i").arg(dir.path().join("diff"));
    let Some(patched) = support::tool(&mut command) else { return };
    assert!(patched.status.success(), "{}", String::from_utf8_lossy(&patched.stdout));
    let by_patch = fs::read(root.join("etc/network/interfaces")).unwrap();
    lay_out(&root, &HOSTS[0], 0);
    assert!(support::ipalias(&root, &["-q", "add", "203.0.113.5"]).status.success());
    assert_eq!(by_patch, fs::read(root.join("etc/network/interfaces")).unwrap());
}
