//! The guide of OpenBSD.
//!
//! Follows hostname.if(5), netstart(8) and ifconfig(8); "measured" means by running netstart's functions of 7.2.

use crate::guide::{Guide, Rule};

/// `/etc/hostname.IF`.
pub(super) const GUIDE: Guide = Guide {
    title: "OpenBSD",
    systems: "OpenBSD",
    written: "a line `inet alias` in `/etc/hostname.IF`",
    shown: "**from documentation, not tested on a real host**; the reading of hostname files as a table: netstart's own functions (7.2) were run, ifconfig's rules are from its manual and from memory",
    files: &[
        "`/etc/hostname.IF`, or `/etc/hostname.LLADDR`, which comes first (hostname.if(5)).",
        "Names are letters, then digits: `hostname.em0.bak` beside the file is not read.",
        "The mode stays 0640, owned by root: netstart warns of files that others may read.",
    ],
    rules: &[
        Rule {
            rule: "A line `inet alias A 255.255.255.255` behind the last address, for IPv6 `inet6 alias A 128`: every release reads these.",
            source: "hostname.if(5), STATIC ADDRESS CONFIGURATION; measured",
        },
        Rule {
            rule: "`alias` must be there: an `inet` line without it replaces the address before.",
            source: "hostname.if(5); ifconfig(8), alias",
        },
        Rule {
            rule: "No keyword before the mask: of `inet alias A netmask M` netstart makes `netmask netmask`.",
            source: "hostname.if(5); measured",
        },
    ],
    auto: "`ifconfig IF inet alias A netmask M`; `delete` takes it down. Nothing else moves.",
    restart: "`sh /etc/netstart IF` runs every line of the file again, `!` commands included. It deletes nothing, so `remove` takes the address down first.",
    boot: "netstart(8) runs each line as an ifconfig command. `sh /etc/netstart -n IF` prints them.",
    pitfalls: &[
        "A last line without its line end is not read at boot: it is given one where that only adds what it says, and left alone where it would replace the primary address.",
        "A comment behind an address breaks the line. Such lines, and others that ifconfig would refuse, are listed as ineffective, with the reason.",
        "Addresses that a `!` line sets are shown, and not edited.",
        "A carriage return or a byte-order mark becomes part of a word, and ifconfig fails.",
        "`sh /etc/netstart IF` after deleting a line leaves the address up.",
    ],
    only_running: None,
    case: "g1-static",
    example: include_str!("../../guide/examples/openbsd.json"),
};
