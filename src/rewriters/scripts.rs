//! Addresses that a script or a unit puts up at boot, as guides and hosters tell people to: `ip addr add`, `ifconfig`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Claimed, addresses, files_of, lines};
use crate::error::Result;
use crate::root::{Root, RootPath};

/// Scripts that init runs.
const FILES: &[&str] =
    &["/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local", "/etc/conf.d/local.start", "/etc/crontab"];

/// Folders of scripts that init, a network manager, or cron runs.
const FOLDERS: &[&str] = &[
    "/etc/local.d",
    "/etc/network/if-up.d",
    "/etc/network/if-pre-up.d",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/networkd-dispatcher/routable.d",
    "/etc/networkd-dispatcher/configured.d",
    "/etc/systemd/system",
    "/etc/cron.d",
];

/// Which of `wanted` such a script has.
pub(super) fn among(root: &Root, wanted: &BTreeSet<IpAddr>) -> Result<Vec<Claimed>> {
    let mut paths: Vec<RootPath> = FILES.iter().map(|file| RootPath::from(*file)).collect();
    for folder in FOLDERS {
        let is_unit = |path: &RootPath| *folder != "/etc/systemd/system" || path.name().ends_with(b".service");
        paths.extend(files_of(root, folder)?.into_iter().filter(is_unit));
    }
    let hooks = |path: &RootPath| {
        *path == RootPath::from("/etc/network/interfaces") || path.is_under(&"/etc/network/interfaces.d".into())
    };
    paths.push("/etc/network/interfaces".into());
    paths.extend(files_of(root, "/etc/network/interfaces.d")?);
    let mut all = Vec::new();
    for path in paths {
        let is_hook = hooks(&path);
        for (line, text) in lines(root, &path)? {
            if if is_hook { hook_may_put_up(&text) } else { puts_up(&text) } {
                let found = addresses(&text).filter(|ip| wanted.contains(ip));
                all.extend(found.map(|ip| Claimed { ip, by: "this line".to_owned(), path: path.clone(), line }));
            }
        }
    }
    Ok(all)
}

/// Commands of ifupdown hooks that have addresses among their words and put none up.
const HARMLESS: &[&str] = &[
    "ip",
    "route",
    "iptables",
    "ip6tables",
    "iptables-nft",
    "ip6tables-nft",
    "nft",
    "ipset",
    "ping",
    "ping6",
    "arping",
    "arp",
    "tc",
    "ethtool",
    "sysctl",
    "echo",
    "logger",
    "ndppd",
    "bridge",
    "wg",
    "ufw",
];

/// Whether a line of interfaces(5) runs something at ifup that may put addresses up: a command that does, or one that
/// nobody here knows. What ifupdown's own backend understands is an entry of its files, and not asked about.
fn hook_may_put_up(line: &str) -> bool {
    let mut words = line.split_whitespace();
    if !matches!(words.next(), Some("up" | "post-up" | "pre-up")) {
        return false;
    }
    let command =
        words.find(|word| !word.contains('=') && !["sudo", "exec", "test", "["].contains(word)).unwrap_or_default();
    puts_up(line) || !HARMLESS.contains(&command.rsplit('/').next().unwrap_or_default())
}

/// Whether a line runs a command that puts addresses up.
fn puts_up(line: &str) -> bool {
    if line.trim_start().starts_with('#') {
        return false;
    }
    let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "=;&|\"'`()".contains(c)).collect();
    let name = |word: &str| word.rsplit('/').next().map(str::to_owned).unwrap_or_default();
    words.iter().enumerate().any(|(at, word)| match name(word).as_str() {
        "ifconfig" => true,
        "ip" => {
            let mut rest = words.iter().skip(at + 1).filter(|word| !word.is_empty() && !word.starts_with('-'));
            let object = rest.next().copied().unwrap_or_default();
            let verb = rest.next().copied().unwrap_or_default();
            !object.is_empty() && "address".starts_with(object) && ["add", "a", "replace", "change"].contains(&verb)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{hook_may_put_up, puts_up};

    #[test]
    fn hooks_that_may_put_addresses_up() {
        for line in [
            "up /usr/local/sbin/put-up 203.0.113.5",
            "  post-up ip addr add 203.0.113.5/32 dev eth0",
            "up A=1 ifconfig x",
        ] {
            assert!(hook_may_put_up(line), "{line}");
        }
        for line in [
            "up ip route add 203.0.113.5 dev eth0",
            "post-up /sbin/iptables -A INPUT -d 203.0.113.5",
            "down x 203.0.113.5",
            "address 203.0.113.5",
            "# up x",
        ] {
            assert!(!hook_may_put_up(line), "{line}");
        }
    }

    #[test]
    fn commands_that_put_addresses_up() {
        for line in [
            "ip addr add 203.0.113.5/32 dev eth0",
            "ExecStart=/sbin/ip -4 address add 203.0.113.5/32 dev eth0",
            "@reboot root /usr/sbin/ip a a 203.0.113.5/32 dev eth0",
            "[ -x /sbin/ip ] && /sbin/ifconfig eth0:0 203.0.113.5 netmask 255.255.255.255",
        ] {
            assert!(puts_up(line), "{line}");
        }
        for line in [
            "# ip addr add 203.0.113.5/32 dev eth0",
            "ip route add 203.0.113.5 dev eth0",
            "ping 203.0.113.5",
            "ip addr del 203.0.113.5/32 dev eth0",
        ] {
            assert!(!puts_up(line), "{line}");
        }
    }
}
