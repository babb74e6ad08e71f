//! The guide of systemd-networkd.
//!
//! Follows systemd.network(5); "measured" means with 247, 252 and 257 unless it says otherwise.

use crate::guide::{Guide, Rule};

/// systemd-networkd without netplan.
pub(super) const GUIDE: Guide = Guide {
    title: "systemd-networkd",
    systems: "Debian, Ubuntu Server without netplan, Fedora, Arch: whatever systemd-networkd manages",
    written: "an `[Address]` section in the file that counts, or a drop-in",
    shown: "**real, booted**: Debian 11, 12, 13 (247, 252, 257); the daemon on every case. Older than 247, 248 to 251 and 253 to 256: from documentation",
    files: &[
        "`*.network` of `/etc/systemd/network`, `/run/systemd/network` and `/usr/lib/systemd/network`, sorted by name whatever the directory: the first whose `[Match]` fits the interface counts, and no other (systemd.network(5), DESCRIPTION).",
        "Drop-ins `NAME.network.d/*.conf` are merged behind it.",
        "Where that file is generated, cloud-init's or a package's, ipalias writes `/etc/systemd/network/NAME.network.d/ipalias.conf` instead. `FILE.bak` beside it is not read.",
    ],
    rules: &[
        Rule {
            rule: "The file that counts is edited. A file of one's own for the interface is useless if its name sorts behind, and replaces the primary address if it sorts before.",
            source: "systemd.network(5), DESCRIPTION; measured",
        },
        Rule {
            rule: "One more `[Address]` section at the end, with one `Address=` in it: a second one in the same section would replace the first.",
            source: "systemd.network(5), [ADDRESS] SECTION OPTIONS; measured",
        },
        Rule {
            rule: "The prefix is always written: without it 247 and 252 take that of the address's class, and 257 /32.",
            source: "systemd.network(5), [ADDRESS] SECTION OPTIONS, Address=; measured",
        },
        Rule {
            rule: "IPv6 gets `PreferredLifetime=0`, so that connections keep the primary address; not with 240 to 242, where that keeps the link from being configured.",
            source: "systemd.network(5), [ADDRESS] SECTION OPTIONS, PreferredLifetime=; systemd#13341",
        },
        Rule {
            rule: "Files stay readable for the daemon, which runs as `systemd-network`: one drop-in with the mode 0600 makes it drop the whole file.",
            source: "measured",
        },
    ],
    auto: "The address itself first, then the daemon reads its files by the way that disturbs least: `systemctl restart systemd-networkd` with 240 to 256, `networkctl reload` from 257, nothing before 240; it is left out, and said so, where it would take addresses of others away. With 252 nothing is lost.",
    restart: "`systemctl restart systemd-networkd`: 0 packets lost with 252 (measured). Before 250, and from 257 on, addresses that stand in no file are gone. Refused with 238 and 239, which take their own static addresses away (systemd#10660).",
    boot: "`systemd-networkd.service` reads the files. `networkctl status IF` names the one that counts, and `systemd-analyze cat-config systemd/network/NAME.network` shows it with its drop-ins.",
    pitfalls: &[
        "A comment behind a value: `Label=web # shop` makes the label invalid, and then the whole section is dropped, address and all. ipalias finds such lines and puts them right.",
        "A restart does not take a removed address down with 252: it stays until `ip addr del`. ipalias takes it down itself.",
        "`networkctl reload` of 247 and 252 deletes and sets the primary address again, 4 to 20 ms, and what others have added is gone.",
        "`[Address` without its bracket: the file is refused, and the interface is left alone at the next boot.",
        "Keys and sections are case-sensitive; unknown ones are passed over with a warning in the journal.",
        "An empty `Address=` takes all addresses before it back, from 256 on.",
        "A file with several addresses has a limit: 1,024 in older releases, 8,192 in newer ones (systemd#34815).",
    ],
    only_running: None,
    case: "g1-add",
    example: include_str!("../../guide/examples/networkd.json"),
};
