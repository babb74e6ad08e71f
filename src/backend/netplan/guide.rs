//! The guide of netplan.
//!
//! Follows netplan(5) and netplan-generate(8); "measured" means with the release named.

use crate::guide::{Guide, Rule};

/// netplan, with either renderer.
pub(super) const GUIDE: Guide = Guide {
    title: "netplan (Ubuntu, Debian's cloud images)",
    systems: "Ubuntu 17.10 and later, Debian 12 and later cloud images",
    written: "`/etc/netplan/99-ipalias.yaml` under the ID of the interface, or with `--in-place` an item in the file that defines it",
    shown: "**real, booted**: Debian 12, 13 (0.106, 1.1.2), the latter also with NetworkManager behind it; their generator on every case. Ubuntu itself: its generators (18.04 to 24.04) were fed with the cases, nothing was booted",
    files: &[
        "Every `*.yaml` of `/etc/netplan`, `/run/netplan` and `/lib/netplan`, sorted by name whatever the directory; of the same name only that of `/run`, else `/etc`. Lists are joined (netplan-generate(8), HANDLING MULTIPLE FILES).",
        "ipalias writes a file of its own, mode 0600, so that cloud-init's `50-cloud-init.yaml` stays as it is.",
        "`FILE.yaml.bak` is not read, so it lies beside the file; `FILE.bak.yaml` would be.",
    ],
    rules: &[
        Rule {
            rule: "The own file repeats the ID and the section of the interface, and nothing else. Under another ID netplan writes a second file for networkd, which uses the first one only: DHCP would be lost at the next boot.",
            source: "netplan(5), Device configuration IDs; measured with 1.1.2",
        },
        Rule {
            rule: "Its name sorts behind every file that defines the ID (`99-`, else `zz-ipalias.yaml`): addresses come up in that order, and the first is the source of connections.",
            source: "netplan-generate(8), HANDLING MULTIPLE FILES; measured with 1.1.2",
        },
        Rule {
            rule: "An address has its prefix; IPv6 is quoted, and gets `lifetime: 0`. A label, like a lifetime, is possible with networkd only.",
            source: "netplan(5), Properties for all device types, addresses",
        },
        Rule {
            rule: "What netplan generates below `/run` is never edited; definitions that NetworkManager writes (`90-NM-*.yaml`) are its own to change, with `nmcli`.",
            source: "netplan(5), DESCRIPTION",
        },
    ],
    auto: "The address itself first, then netplan's generator, which changes nothing that runs, then networkd reads its files (or NetworkManager loads its profile): 0 packets lost.",
    restart: "`netplan apply` goes over every interface: 10 to 30 ms without IPv4, 1.6 to 2 s without IPv6, and addresses that stand in no file are gone (measured with 0.106 on systemd 252). With NetworkManager behind it, that is stopped and started.",
    boot: "systemd runs the generator before the network, which writes `/run/systemd/network/10-netplan-ID.network` or a profile of NetworkManager. `netplan get` shows the joined files; `netplan generate --root-dir COPY` says whether it takes in a copy of them.",
    pitfalls: &[
        "One mistake in any of its files makes netplan take in none of them, and the next boot has no network; ipalias then changes nothing and names the line.",
        "The own file is called `zz-ipalias.yaml` where the other one would be read too early.",
        "Definitions that NetworkManager writes (`90-NM-*.yaml`) are changed with `nmcli`. NetworkManager behind netplan takes neither labels nor lifetimes.",
        "cloud-init writes `50-cloud-init.yaml` anew: at every boot with some datasources. An edit of it is lost then; `--disable-cloud-init-network` switches that off.",
        "`netplan set` writes the file anew, without its comments, and cannot take one address out of a list (measured with 0.106 and 1.1.2).",
        "`netplan try` takes back what runs, but not the file, unless it was given with `--config-file` (from its source).",
        "A list behind an anchor, a merge key, tabs, two documents in one file: `--in-place` refuses them; the own file is added beside them.",
    ],
    only_running: None,
    case: "g1-add-own-file",
    example: include_str!("../../guide/examples/netplan.json"),
};
