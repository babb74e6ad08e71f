//! The guide of Solaris's hostname files.
//!
//! Follows ifconfig(1M), netmasks(4) and the start scripts; "measured" means by running net_include.sh's routine.

use crate::guide::{Guide, Rule};

/// `/etc/hostname.IF:N`.
pub(super) const GUIDE: Guide = Guide {
    title: "Solaris up to 10 (hostname files)",
    systems: "Solaris up to 10; interfaces of 11 and illumos with a hostname file",
    written: "`/etc/hostname.IF:N`",
    shown: "**recorded behaviour** of the start script's reader, as a table; the rest from sources. Type-checked for Solaris and illumos, not run there",
    files: &[
        "`/etc/hostname.IF` and `/etc/hostname.IF:N`, one for each logical interface; IPv6: `/etc/hostname6.IF`. The name must end in a digit.",
        "On Solaris 11 and illumos an interface with `/etc/hostname.IF` ignores ipadm at boot; the choice is made for each interface.",
        "A copy that ends in `.bak` is not read.",
    ],
    rules: &[
        Rule {
            rule: "A new file `hostname.IF:N` with the one line `A/32 up`, N the lowest from 1 that is free. Numbers may have gaps.",
            source: "ifconfig(1M), Logical Interfaces",
        },
        Rule {
            rule: "To a file of one line the start script adds `netmask + broadcast + up`, to one of several nothing. Where netmasks has a network with the address in it, that would overwrite /32: two lines are written then.",
            source: "net_include.sh; netmasks(4); measured",
        },
        Rule {
            rule: "IPv6 is a line `addif A/128 up` in `hostname6.IF`.",
            source: "ifconfig(1M), addif; net-physical",
        },
    ],
    auto: "`ifconfig IF:N plumb`, then `inet A/32 up`; `unplumb` takes it down. Nothing else moves.",
    restart: "`svcadm restart network/physical` sets up every interface again, and may end your SSH session (not measured).",
    boot: "`svc:/network/physical` reads the files. `svcs -x network/physical` says what it tripped over.",
    pitfalls: &[
        "A comment or an empty line makes a file of one line one of two: netmask and `up` are no longer added.",
        "A file without a line end at its end is not executed: the interface is there, without its address.",
        "`hostname.IF:2.bak1` ends in a digit, and is read; `.bak` is not.",
        "`/etc/hostname.IF` on a host with ipadm takes the primary address away at the next boot: ipalias never makes one there.",
        "Zones with a shared stack have their addresses from the global zone (`zonecfg`): refused while they run.",
    ],
    only_running: None,
    case: "g1-new-file",
    example: include_str!("../../guide/examples/solaris.json"),
};
