//! The guide of NetworkManager's keyfiles.
//!
//! Follows nm-settings-keyfile(5) and NetworkManager.conf(5); "measured" means with 1.42 or 1.52.

use crate::guide::{Guide, Rule};

/// Profiles in keyfiles.
pub(super) const GUIDE: Guide = Guide {
    title: "NetworkManager (RHEL 9 and 10, Fedora, Leap 16)",
    systems: "RHEL, Alma, Rocky 9 and 10, Fedora, openSUSE Leap 16, Raspberry Pi OS, Debian with NetworkManager: profiles in keyfiles",
    written: "an `addressN=` line in the profile that counts",
    shown: "**real, booted**: Debian 11, 12, 13 (1.30, 1.42, 1.52); their daemon, and `nmcli` of 12 and 13, on every case. RHEL, Fedora, openSUSE themselves: untested",
    files: &[
        "`/etc/NetworkManager/system-connections`, before `/run` and `/usr/lib`; for one UUID in two files of a directory the newer one counts.",
        "The profile that counts is the one that is active; on a disk, the one with the highest priority, then the one that was active last. Where files do not tell, ipalias refuses and shows both.",
        "Backups lie in `/var/lib/ipalias` only: a copy beside a profile (`eth0.nmconnection.bak`) is a profile, too.",
    ],
    rules: &[
        Rule {
            rule: "One more key `addressN=` behind the last address of `[ipv4]` or `[ipv6]`, N one more than the highest. The first address stays the primary one; numbers may have gaps.",
            source: "nm-settings-keyfile(5), FILE FORMAT; measured with 1.52",
        },
        Rule {
            rule: "The prefix is always written: without one NetworkManager takes /24, and a dotted mask it takes for a gateway.",
            source: "measured with 1.52",
        },
        Rule {
            rule: "No label and no lifetime: a keyfile has no key for them.",
            source: "nm-settings-keyfile(5), FILE FORMAT",
        },
        Rule {
            rule: "The file belongs to root and has the mode 0600; a profile that others may read is passed over.",
            source: "measured with 1.52",
        },
    ],
    auto: "The address itself, and the profile is loaded (`nmcli connection load`): 0 packets lost. It is never reloaded or reapplied, which would take away what others have added.",
    restart: "`systemctl restart NetworkManager`: 0 packets lost, other addresses kept (measured with 1.42). It reads every file, also those that others have broken.",
    boot: "`NetworkManager.service` activates the profile. `nmcli --offline connection modify connection.autoconnect yes < FILE` (1.38 and later) prints it as it is understood: an address that is missing there is dropped.",
    pitfalls: &[
        "A copy beside a profile (`eth0.nmconnection.bak`) is a profile, too: ipalias warns of it, and refuses where NetworkManager takes a copy that is something else.",
        "A comment or a blank behind an address: it is dropped, and the log alone says so. A line with `;` in front, or a byte-order mark, makes the whole profile invalid.",
        "`nmcli connection reload` removes profiles that have become invalid, and takes their interface down.",
        "`nmcli connection load` exits with 0 for a file that it rejects; only its words tell.",
        "`nmcli connection modify` writes the file anew: comments are gone, keys sorted. It does not put the address up.",
        "`nmcli device reapply` deletes what others have added, and with 1.52 sets every IPv6 address again, 1 to 2 s.",
        "1.30 prefers the IPv6 address that was added last (ipalias says so; a full restart is refused).",
        "After `ip link set eth0 down` and `up` by hand the new addresses are missing until `nmcli connection up` or a boot.",
    ],
    only_running: None,
    case: "page-1-manual",
    example: include_str!("../../guide/examples/networkmanager.json"),
};
