//! The guide of SUSE's ifcfg files.
//!
//! Follows ifcfg(5) of wicked; "measured" means with 0.6.80.

use crate::guide::{Guide, Rule};

/// `/etc/sysconfig/network`.
pub(super) const GUIDE: Guide = Guide {
    title: "wicked (openSUSE Leap 15, SLES)",
    systems: "openSUSE, SLES",
    written: "`IPADDR_N=`, `LABEL_N=`",
    shown: "**recorded behaviour**: wicked 0.6.80, as a table; live with a stand-in for `wicked`. The scripts of SLES 11 and before: from documentation",
    files: &[
        "`/etc/sysconfig/network/ifcfg-IF`, where IF is the device; there are no included files.",
        "They are dead where `network.service` is NetworkManager's (Leap 16, SLE Micro): ipalias looks first.",
        "`FILE.bak` beside the file is not read.",
    ],
    rules: &[
        Rule {
            rule: "Another address is a variable `IPADDR` with a suffix of its own: the lowest number for which neither it nor `NETMASK_N`, `PREFIXLEN_N`, `LABEL_N` and the like is there.",
            source: "ifcfg(5), Multiple addresses; measured",
        },
        Rule {
            rule: "The prefix stands in the value, where it beats `PREFIXLEN_N` and `NETMASK_N`.",
            source: "ifcfg(5); measured",
        },
        Rule {
            rule: "There are no alias files: `ifcfg-eth0:0` is rejected as a suspect name. A label is `LABEL_N`, for IPv4 only.",
            source: "ifcfg(5), LABEL; measured",
        },
        Rule { rule: "The file is not read by a shell: quotes work, `$` and `export` do not.", source: "measured" },
    ],
    auto: "`wicked ifup IF` applies the difference: IPv4 addresses and routes stay, the interface's IPv6 addresses are set again and tested for about 1 s, and what others added is kept (measured). Under the old scripts the address is put up directly.",
    restart: "Every interface goes down and up (how long was not measured).",
    boot: "`wicked.service`, by its name `network.service`, sets the interfaces up. `wicked show-config IF` prints what it has understood.",
    pitfalls: &[
        "A last line without its line end and without quotes is not read. Who appends to it brings it to life: ipalias says so.",
        "`BOOTPROTO='none'`: every address of the file is passed over. `static`, or nothing, or `dhcp` with addresses besides, work.",
        "`wicked ifreload IF`, which guides give, takes the link down when the file has changed.",
        "`ifcfg-eth0.save`, `.tmp`, `.swp` are read as interfaces of that name.",
        "`CLOUD_NETCONFIG_MANAGE='yes'`: cloud-netconfig sets additional addresses itself, by what the cloud says.",
        "`IPADDR-FOO=`, which the manual suggests, is passed over; `IPADDR_FOO=` works.",
    ],
    only_running: None,
    case: "g1-static",
    example: include_str!("../../guide/examples/wicked.json"),
};
