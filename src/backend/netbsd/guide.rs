//! The guide of NetBSD.
//!
//! Follows ifconfig.if(5), rc.conf(5), ifaliases(5); "measured" means by running rc.d/network of 5.2.

use crate::guide::{Guide, Rule};

/// `/etc/ifconfig.IF` and rc.conf.
pub(super) const GUIDE: Guide = Guide {
    title: "NetBSD",
    systems: "NetBSD",
    written: "a line of `/etc/ifconfig.IF`, or one more item of `ifconfig_IF` in rc.conf, whichever counts",
    shown: "**from documentation, not tested on a real host**; the reading of both as a table that real shells feed (rc.d/network of 5.2 run, that of 8 to 10 read)",
    files: &[
        "`ifconfig_IF` of `/etc/rc.conf` or `/etc/rc.conf.d/network`: if it is not empty, `/etc/ifconfig.IF` is not read at all.",
        "Else `/etc/ifconfig.IF`. Besides, `ifaliases_IF` and `/etc/ifaliases`, which are shown and removed from, and never added to.",
        "`ifconfig.wm0.bak` beside the file is not read; for cloned interfaces (`vlan0`) it would be, so that copies of their files lie in `/var/lib/ipalias` only.",
    ],
    rules: &[
        Rule {
            rule: "In the file a line `inet A netmask 255.255.255.255 alias`, for IPv6 `inet6 A prefixlen 128 alias`.",
            source: "ifconfig.if(5); measured",
        },
        Rule {
            rule: "In the variable one more item, in its own style: behind `;`, or on a line of its own where it has several. Mixed, a `;` would end the command of the shell.",
            source: "ifconfig.if(5); measured",
        },
        Rule {
            rule: "`alias` must be there: without it the line replaces the first address.",
            source: "ifconfig(8), alias",
        },
    ],
    auto: "`ifconfig IF inet A netmask M alias`; `-alias` takes it down. Nothing else moves.",
    restart: "`/etc/rc.d/network restart` takes the interface down and deletes all routes. Refused where no `defaultroute`, `/etc/mygate` or `dhcp` line brings one back.",
    boot: "`/etc/rc.d/network` runs each line as an ifconfig command. `sh -n /etc/rc.conf` finds an open quote.",
    pitfalls: &[
        "`ifconfig_IF` in rc.conf hides `/etc/ifconfig.IF`: an edit of the file then does nothing.",
        "A last line without its line end is not read at boot: it is given one where that only adds what it says, and left alone where it would replace the primary address.",
        "`alias ADDRESS MASK` without `netmask` would be refused by ifconfig: listed as ineffective, with the reason.",
        "Addresses that a `!` line sets are shown, and not edited.",
        "`/etc/ifaliases` knows no comments: a line that begins with `#` is run.",
        "`rc_configured` must be YES, or the boot stops in single-user mode: ipalias warns.",
    ],
    only_running: None,
    case: "g1-file",
    example: include_str!("../../guide/examples/netbsd.json"),
};
