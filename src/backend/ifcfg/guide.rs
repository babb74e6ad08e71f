//! The guide of ifcfg files of the RHEL family.
//!
//! Follows sysconfig.txt of initscripts and nm-settings-ifcfg-rh(5); "measured" means by running the scripts of EL 5, 6, 7
//! and the last ones. NetworkManager's reader of these files is known from its source alone.

use crate::guide::{Guide, Rule};

/// `/etc/sysconfig/network-scripts`.
pub(super) const GUIDE: Guide = Guide {
    title: "ifcfg files (CentOS and RHEL 5 to 8)",
    systems: "RHEL, CentOS 5 to 8, Fedora to 25 and later leftovers; read by the network scripts or by NetworkManager",
    written: "a file `ifcfg-eth0:N`, or `IPADDRn=` where that is better; `IPV6ADDR_SECONDARIES=`",
    shown: "**recorded behaviour**: network scripts of EL 6, 7 and the last ones (EL 5 in part), as a table that the real bash feeds; live with stand-ins for `ifup` and `nmcli`. NetworkManager's reader: from its source. No such host was available",
    files: &[
        "`/etc/sysconfig/network-scripts/ifcfg-IF`, and for the scripts `ifcfg-IF:N` and `ifcfg-IF-rangeN`. The device is what `DEVICE=` says.",
        "Which program reads a file (the network scripts, or NetworkManager) is decided for each file: by the service that is enabled, `NM_CONTROLLED=`, and what is installed.",
        "`FILE.bak` lies beside `ifcfg-IF`; copies of alias files in `/var/lib/ipalias` only, since NetworkManager deletes `ifcfg-IF:*` when it writes a profile.",
    ],
    rules: &[
        Rule {
            rule: "A file `ifcfg-eth0:N` of its own where the scripts read it, N the lowest number that no file and no range has: `ifup eth0:N` moves this address alone.",
            source: "sysconfig.txt, `ifcfg-<interface-name>:<alias-name>`; measured",
        },
        Rule {
            rule: "`PREFIX` stands beside `NETMASK`: at boot an alias inherits the `PREFIX` of its interface, which beats its own `NETMASK`, so that it would come up as /24.",
            source: "ifup-aliases of initscripts; measured with EL 6, 7 and the last ones",
        },
        Rule {
            rule: "Where NetworkManager alone reads the file, or the label would not fit: `IPADDRn=` and `PREFIXn=` in `ifcfg-IF`, n the lowest that is free, without a gap: readers stop there.",
            source: "sysconfig.txt, IPADDRn; nm-settings-ifcfg-rh(5); measured",
        },
        Rule {
            rule: "IPv6 addresses are words of `IPV6ADDR_SECONDARIES=`, behind `IPV6ADDR=`; they have no labels.",
            source: "sysconfig.txt, IPV6ADDR_SECONDARIES; measured",
        },
    ],
    auto: "`ifup eth0:N` adds this address alone, after asking the link for about 3 s whether it is in use; `remove` runs `ifdown eth0:N` while the file still stands. With NetworkManager the file is loaded, and the address put up directly.",
    restart: "The same `ifup eth0:N`. With NetworkManager `nmcli device reapply`, which deletes addresses that stand in no file. `service network restart`, which takes every interface down, is never run.",
    boot: "The service `network` runs `ifup` for each interface, and that its aliases; or NetworkManager reads the files.",
    pitfalls: &[
        "A copy of the primary's file (`cp ifcfg-eth0 ifcfg-eth0:0`) brings `HWADDR`, `GATEWAY` or `UUID` along: it is recognised, and warned about.",
        "`ifup eth0:0` fails where `ifup` is NetworkManager's (EL 8 and 9 without network-scripts): an alias file is no profile.",
        "`ifdown eth0:0` after the file was deleted does nothing: the address stays up.",
        "A carriage return at a line's end is part of the value; the file is refused.",
        "`ifcfg-eth0:0.save` and `.rej` are read by the scripts, `.old` and `.rpmsave` by NetworkManager. `.bak` and `~` by neither.",
        "`ONBOOT=no` in an alias does not keep it down; `ONPARENT=no` does.",
        "EL 5 does not know `IPADDRn`; with `BOOTPROTO=dhcp` the scripts pass over it on every release.",
        "Removing one of several `IPADDRn` leaves a gap behind which nothing is read: ipalias moves the last one into it.",
    ],
    only_running: None,
    case: "g1-alias-file",
    example: include_str!("../../guide/examples/ifcfg.json"),
};
