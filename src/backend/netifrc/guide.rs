//! The guide of netifrc.
//!
//! Follows net.example of netifrc; "measured" means with 0.7.14.

use crate::guide::{Guide, Rule};

/// `/etc/conf.d/net`.
pub(super) const GUIDE: Guide = Guide {
    title: "netifrc (Gentoo)",
    systems: "Gentoo, OpenRC",
    written: "one more entry of `config_IF`, in the style found",
    shown: "**recorded behaviour**: netifrc 0.7.14, as a table that the real bash and dash feed; live in a namespace",
    files: &[
        "`/etc/conf.d/net`, then `/etc/conf.d/net.IF`, which wins; `/etc/conf.d/net.RUNLEVEL` is read in place of the first, if it is there.",
        "They count only where `/etc/init.d/net.IF` is in a runlevel (or `net@IF.service` is enabled). A key by hardware address or SSID beats `config_IF`.",
        "`net.bak` beside the file is not read.",
    ],
    rules: &[
        Rule {
            rule: "The value has one of three styles, and the new entry follows it: a line in a quoted value, a word on a line of plain addresses, or an element of a bash array.",
            source: "net.example; measured with 0.7.14",
        },
        Rule {
            rule: "Where an entry has words behind its address (`brd`, `netmask`), the next one is a line of its own: on the same line it would be lost without a word.",
            source: "measured",
        },
        Rule {
            rule: "Without `config_IF` the interface has DHCP, and the alias is written behind `dhcp`: alone it would switch that off.",
            source: "net.example, DHCP; measured",
        },
        Rule {
            rule: "The primary address stays the first entry, which is the source of connections.",
            source: "measured",
        },
    ],
    auto: "The address is put up or down directly; the service is not restarted.",
    restart: "`/etc/init.d/net.IF restart` flushes every address of the interface, takes the link down and starts again; services that need `net` are restarted with it. Refused where the file would not bring the primary address back.",
    boot: "OpenRC runs `net.IF`, which sources the files with `/bin/sh`. `sh -n /etc/conf.d/net` finds an open quote.",
    pitfalls: &[
        "`\"192.0.2.10/24 netmask 255.255.255.0\"`: too many netmasks. The primary address is not set, and the service starts all the same.",
        "A blank between addresses on one line, and a second line below: the words of the first are lost.",
        "A forgotten `netmask` (`\"192.0.2.10 255.255.255.0\"`) makes two addresses of it.",
        "Arrays need bash: with another `/bin/sh` they are a syntax error, and the interface does not come up.",
        "A line that begins with `#` within the quotes is no comment, but an address that cannot be set.",
        "Removing an address from the file leaves it up.",
    ],
    only_running: None,
    case: "g1-array",
    example: include_str!("../../guide/examples/netifrc.json"),
};
