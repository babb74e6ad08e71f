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
    let mut all = Vec::new();
    for path in paths {
        for (line, text) in lines(root, &path)? {
            if puts_up(&text) {
                let found = addresses(&text).filter(|ip| wanted.contains(ip));
                all.extend(found.map(|ip| Claimed { ip, by: "this line".to_owned(), path: path.clone(), line }));
            }
        }
    }
    Ok(all)
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
    use super::puts_up;

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
