//! The guide of Windows.
//!
//! Follows Microsoft's netsh and New-NetIPAddress references; nothing was run on Windows.

use crate::guide::{Guide, Rule};

/// netsh.
pub(super) const GUIDE: Guide = Guide {
    title: "Windows Server (netsh)",
    systems: "Windows Server",
    written: "`netsh interface ipv4 add address` (no file)",
    shown: "**documentation only**; plans tested on recorded listings; the program **run under wine 8.0**: start-up, arguments, the listing by the real functions, files, commands by a recording stand-in for `netsh.exe`. DHCP, the persistent store and duplicate addresses are what wine cannot show",
    files: &[
        "None: addresses are kept in the registry, and are changed by netsh only. ipalias shows them as a record, and keeps netsh's own dump with it.",
        "Run it in an elevated prompt. An interface is named by its number; `ipalias status` shows which is which.",
    ],
    rules: &[
        Rule {
            rule: "The address with the mask 255.255.255.255, in the persistent store, which acts at once, too; never with a gateway, which would be a second default route.",
            source: "netsh interface ipv4 add address, Microsoft's reference",
        },
        Rule {
            rule: "`skipassource=true`, so that outgoing connections keep the primary address; `--preferred` switches that off.",
            source: "New-NetIPAddress, SkipAsSource",
        },
        Rule {
            rule: "Where DHCP is on, the address stands beside the lease: `dhcpstaticipcoexistence=enabled` comes first (Windows 10 1703, Server 2019 and later).",
            source: "netsh interface ipv4 set interface",
        },
        Rule {
            rule: "The interface by its number: names are translated, and may have blanks. No output of netsh is read, since it is translated as well.",
            source: "netsh interface ipv4, name=",
        },
    ],
    auto: "`netsh interface ipv4 add address`, which puts this address up and keeps it; `delete address` takes it away. Nothing else moves.",
    restart: "The same: there is nothing to restart.",
    boot: "Windows sets up what the persistent store has. `Get-NetIPAddress` shows an address as Preferred, or as Duplicate if another host has it.",
    pitfalls: &[
        "On builds without coexistence a static address switches DHCP off: only the new address would be left, without a gateway. That is refused with the exact commands, and done by `ipalias add --static ADDRESS`, with the values of the lease (one command replaces the configuration: add `--confirm 120`, which has a rollback wait).",
        "`New-NetIPAddress` on an interface with DHCP switches that off without asking.",
        "An exit code of netsh says little: ipalias reads the list of addresses again.",
        "A dump that is run again resets the whole of IPv4: it is the last resort, not the rollback.",
        "With teams and virtual switches the address belongs on the interface that has the default route; those of a failover cluster are the cluster's.",
    ],
    only_running: Some("the addresses lie in the registry of that system; start it and run ipalias there"),
    case: "g1-static",
    example: include_str!("../../guide/examples/netsh.json"),
};
