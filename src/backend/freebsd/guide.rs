//! The guide of FreeBSD and DragonFly.
//!
//! Follows rc.conf(5), rc.subr(8) and ifconfig(8); "measured" means by running the rc scripts of FreeBSD 10.2.

use crate::guide::{Guide, Rule};

/// `rc.conf`.
pub(super) const GUIDE: Guide = Guide {
    title: "FreeBSD (and DragonFly, MidnightBSD)",
    systems: "FreeBSD, DragonFly, MidnightBSD",
    written: "`ifconfig_IF_aliasN=`",
    shown: "**recorded behaviour**: rc scripts of FreeBSD 10.2 (the same functions to 14), as a table that real shells feed. DragonFly, 9 and before: from sources. The program is linked for FreeBSD, and was not run there",
    files: &[
        "`/etc/rc.conf`, then `/etc/rc.conf.local`, then `rc.conf.d/network` and `rc.conf.d/netif` of `/etc` and `/usr/local/etc`: the last assignment of a name counts (rc.conf(5), rc.subr(8)).",
        "The line goes into the file that has `ifconfig_IF`; numbers are counted over all of them.",
        "`rc.conf.bak` is not read. In a directory `rc.conf.d/network/` every name is, so that copies of files there lie in `/var/lib/ipalias` only.",
    ],
    rules: &[
        Rule {
            rule: "A variable `ifconfig_IF_aliasN`, N one more than the highest, with its family: `inet A/32`. The word `alias` is the scripts' own to add.",
            source: "rc.conf(5), `ifconfig_<interface>_alias<n>`; measured",
        },
        Rule {
            rule: "The prefix is /32: further addresses of one subnet must not repeat its mask.",
            source: "ifconfig(8), alias",
        },
        Rule {
            rule: "Numbers may have gaps from 10 on, whatever the manual says; 9 and DragonFly stop at the first gap, so that followers are renumbered when one goes.",
            source: "network.subr, list_vars and ifalias_up; measured with 10.2",
        },
        Rule {
            rule: "An `inet6` alias is passed over unless `ifconfig_IF_ipv6` is set: with the first one, `\"inet6 auto_linklocal\"` is written, too.",
            source: "rc.conf(5), `ifconfig_<interface>_ipv6`; measured",
        },
        Rule {
            rule: "In the name of a variable `.`, `-`, `/` and `+` of an interface are `_`.",
            source: "rc.conf(5); measured",
        },
    ],
    auto: "`ifconfig IF inet A netmask M broadcast B alias`, which is what the scripts run for it; `-alias` takes it down. Nothing else moves.",
    restart: "`netif restart` deletes every address of every interface and sets them again; the default route is gone until `routing restart`. Both run as one command in a session of its own, since the first may end yours.",
    boot: "`/etc/rc.d/netif` sets each interface up. `sh -n /etc/rc.conf` finds an open quote, and `sysrc ifconfig_IF_alias0` prints what counts.",
    pitfalls: &[
        "`service netif restart IF` alone: the default route does not come back.",
        "An alias that is empty (`ifconfig_em0_alias1=\"\"`) ends the search: later numbers have no effect. Delete the line instead.",
        "A quote that is left open stops the boot of many services.",
        "`#` within the quotes of `_aliases` is no comment: what stands behind it is configured all the same.",
        "The same name in `rc.conf` and `rc.conf.local`: only the latter counts.",
        "cloud-init writes one IPv4 address per interface anew, the last of them, for a new instance (canonical/cloud-init#4787).",
        "Addresses of CARP (`vhid`) are refused; lines of `/etc/start_if.IF` are shown, and not edited.",
    ],
    only_running: None,
    case: "g1-first-alias",
    example: include_str!("../../guide/examples/freebsd.json"),
};
