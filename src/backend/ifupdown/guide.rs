//! The guides of the four readers of `/etc/network/interfaces`, which disagree about what is written there.
//!
//! Follows interfaces(5) and ifup(8) of each; "measured" means by running that release in a namespace.

use crate::guide::{Guide, Rule};

const BACKUP: &str = "`FILE.bak` is kept beside the main file where no include line reads it; other copies lie in `/var/lib/ipalias` only.";

/// ifupdown of Debian.
pub(super) const IFUPDOWN: Guide = Guide {
    title: "ifupdown (Debian, Devuan, old Ubuntu)",
    systems: "Debian 6 to 13, Devuan, old Ubuntu",
    written: "a stanza `eth0:N`; IPv6: a second `inet6` stanza",
    shown: "**real, booted**: Debian 11, 12, 13 (0.8.36, 0.8.41, 0.8.44); their `ifup` on every case. 0.6 (Debian 6) and 0.7 (7, 8): fixtures only",
    files: &[
        "`/etc/network/interfaces`, and every file that its lines `source` and `source-directory` name, also in turn (interfaces(5), INCLUDING OTHER FILES).",
        "The stanza goes into the file that has the primary address; where cloud-init or another program writes that one, into the main file, or into `interfaces.d/60-ipalias` where that is read.",
        BACKUP,
    ],
    rules: &[
        Rule {
            rule: "An additional IPv4 address is a stanza `eth0:N` of its own, N the lowest number that is free: `ifup eth0:N` and `ifdown eth0:N` then move this address and no other.",
            source: "interfaces(5), INTERFACE DEFINITIONS; ifup(8); measured with 0.8.36, 0.8.41 and 0.8.44",
        },
        Rule {
            rule: "It has a line `auto eth0:N` also where the interface is `allow-hotplug`, which does not bring `eth0:N` up with it.",
            source: "interfaces(5), INTERFACE SELECTION; measured",
        },
        Rule {
            rule: "The netmask has a line of its own: 0.6 does not take `address A/32`, and without any netmask 0.8 takes that of the address's class.",
            source: "interfaces(5), INET ADDRESS FAMILY, The static Method; measured with 0.6.10 and 0.8.41",
        },
        Rule {
            rule: "IPv6 is a second stanza `iface eth0 inet6 static`, which takes `preferred-lifetime`. Of `iface eth0:N inet6` 0.8 makes a deprecated address whatever that line says, and 0.6 nothing.",
            source: "interfaces(5), INET6 ADDRESS FAMILY, The static Method; measured",
        },
        Rule {
            rule: "A label has at most 15 characters, the name of the interface included.",
            source: "ip-address(8), label",
        },
    ],
    auto: "One address goes up by `ifup eth0:N`, and nothing else moves. IPv6, and more than 32 addresses at once, are put up directly. `remove` runs `ifdown eth0:N` while the stanza still stands.",
    restart: "Every interface goes down and up: 70 to 120 ms without IPv4, 1.4 to 1.7 s without IPv6, and addresses that stand in no file are gone (measured with 0.8.41). Refused where the interface is `allow-hotplug` and the service does not bring it up again, as in Debian 11 and before.",
    boot: "The service `networking` runs `ifup -a`, for every name of an `auto` line. `ifup --no-act --force -a` shows the commands, and fails on a file that it would refuse.",
    pitfalls: &[
        "Two `address` lines in one stanza: 0.8 sets the first and says nothing, or, with a `netmask` line, leaves the interface down; 0.6 refuses the file.",
        "`ifdown eth0:0` after the stanza was deleted: it no longer knows the name, exits with 0, and the address stays up.",
        "One unknown line makes `ifup` refuse the whole file. The addresses stay up, until the next boot has no network.",
        "A comment behind a value is part of the value.",
        "`source interfaces.d/*` reads `.bak`, `~` and `.dpkg-old` as well: a copy makes the service fail, or brings an address back that was removed.",
        "`ifdown eth0 && ifup eth0` loses every alias, and `ifup eth0:0` then says that it is up already.",
        "A name in an `auto` line without a stanza makes the service fail.",
        "Where `eth0` has DHCP, the client's script flushes what has the label `eth0` when the lease changes; `eth0:N` is left alone (isc-dhcp-client 4.4).",
    ],
    only_running: None,
    case: "g1-alias-stanza",
    example: include_str!("../../guide/examples/ifupdown.json"),
};

/// ifupdown2.
pub(super) const IFUPDOWN2: Guide = Guide {
    title: "ifupdown2 (Proxmox VE, Cumulus)",
    systems: "Proxmox VE, Cumulus",
    written: "an `address` line in the primary's stanza",
    shown: "**real, booted**: Debian 11, 12, 13 (3.0.0); its `ifup` on every case. Proxmox itself: untested",
    files: &[
        "`/etc/network/interfaces`, and the files that its `source` lines name.",
        "The line goes into the stanza of the primary address. On Proxmox VE that is the bridge (`vmbr0`), not its port.",
        BACKUP,
    ],
    rules: &[
        Rule {
            rule: "One more `address` line at the end of the primary's stanza, with its prefix; ifupdown2 takes as many as there are.",
            source: "interfaces(5) of ifupdown2; measured with 3.0.0",
        },
        Rule {
            rule: "Not a stanza `eth0:N`: it is folded into `eth0`, its label is lost, and `ifup eth0:N` says that it cannot find the interface.",
            source: "measured with 3.0.0",
        },
        Rule {
            rule: "No backslash and no percent sign is ever written: the one is taken away wherever it stands, the other goes through a template engine (Mako).",
            source: "the source of ifupdown2 3.0.0",
        },
    ],
    auto: "The address is put up or down directly; ifupdown2 is not asked, since `ifreload` would take addresses of others away.",
    restart: "`ifreload -a` loses no packet, and deletes every address of its interfaces that stands in no file: a VPN's, keepalived's, one put up by hand (measured with 3.0.0). Restarting the service instead is out for half a second.",
    boot: "The service `networking` runs `ifup -a`. `ifquery --check -a` compares the files with what is up.",
    pitfalls: &[
        "A byte that is not UTF-8, a Latin-1 comment for example, makes the whole file unreadable: no address comes up.",
        "A comment behind an address: the line is dropped, and the exit code is 0.",
        "`source-directory` is an error in 3.0.0, and what lies there is not read.",
        "A byte-order mark: the first line is lost, and with it its `auto`.",
        "A class of `allow-hotplug` is not part of `ifup -a`.",
    ],
    only_running: None,
    case: "g6-proxmox",
    example: include_str!("../../guide/examples/ifupdown2.json"),
};

/// ifupdown-ng.
pub(super) const IFUPDOWN_NG: Guide = Guide {
    title: "ifupdown-ng (Alpine)",
    systems: "Alpine",
    written: "a repeated stanza",
    shown: "**real, booted**: Debian 12, 13 (0.11.4, 0.12.1); its `ifup` on every case. Alpine itself and OpenRC: untested",
    files: &[
        "`/etc/network/interfaces`, and what `source` and `source-directory` name.",
        "The stanza goes behind those of the interface; where they have several `address` lines already, it is one more of these.",
        BACKUP,
    ],
    rules: &[
        Rule {
            rule: "The interface's stanza is repeated with the new address, without a second `auto` line; the stanzas are merged.",
            source: "measured with 0.11.4 and 0.12.1",
        },
        Rule {
            rule: "Never `eth0:N`: `ifdown eth0:N` flushes every address of `eth0` and its default route, and exits with 0.",
            source: "measured with 0.11.4 and 0.12.1",
        },
        Rule {
            rule: "A netmask always: without one an address gets /24, or /64.",
            source: "interfaces(5) of ifupdown-ng, SUPPORTED KEYWORDS FOR OBJECT TRIPLES",
        },
    ],
    auto: "The address is put up or down directly. `ifup eth0` does nothing for an interface that is up; `ifup -f eth0` fails with 0.12, and with 0.11 counts it twice, so that the next restart leaves it down.",
    restart: "Every interface goes down and up: 70 to 90 ms without IPv4, 1.2 to 1.9 s without IPv6, and addresses that stand in no file are gone (measured with 0.11.4 under systemd; under OpenRC not).",
    boot: "The service `networking` brings up what `auto` lines name. `ifquery --list` and `ifparse -A` show what was understood of the file.",
    pitfalls: &[
        "`auto a b`: only the first name counts.",
        "One address that fails makes `ifup` fail, and the script of OpenRC then takes the whole interface down.",
        "`source DIR/*`: 0.11 does not understand the pattern, and nothing comes up; 0.12.1 does.",
        "`source-directory` reads every name there, `.bak`, `~` and dot files included.",
        "`allow-hotplug` is not known: the interface is not brought up.",
        "In Debian 13 the package installs `ifup-ng` beside ifupdown: it counts only where `ifup` itself is its own.",
    ],
    only_running: None,
    case: "g5-repeated-stanza",
    example: include_str!("../../guide/examples/ifupdown-ng.json"),
};

/// The `ifup` of BusyBox.
pub(super) const BUSYBOX: Guide = Guide {
    title: "BusyBox (Alpine, small systems)",
    systems: "Alpine, small systems",
    written: "a repeated stanza",
    shown: "**real**: `ifup` of busybox 1.35 on every case, not booted",
    files: &[
        "`/etc/network/interfaces`, and what `source` and `source-directory` name; a pattern is taken as the name of a file.",
        "The stanza goes behind those of the interface.",
        BACKUP,
    ],
    rules: &[
        Rule {
            rule: "The interface's stanza is repeated with the new address, and without a second `auto` line: a name that is there twice makes BusyBox refuse the file.",
            source: "measured with 1.35 and 1.37",
        },
        Rule {
            rule: "The netmask is dotted, in a line of its own: `address A/32` fails, and of `netmask 32` it makes /4294967295. IPv6 takes `netmask 128`.",
            source: "measured with 1.35 and 1.37",
        },
        Rule {
            rule: "`eth0:N` only where the file has such stanzas already: its `ifdown` sets the link down, which with iproute2 is the whole of `eth0`.",
            source: "measured with 1.37",
        },
    ],
    auto: "The address is put up or down directly; `ifup` and `ifdown` are not run.",
    restart: "Every interface goes down and up, and everything on it (how long was not measured).",
    boot: "The service `networking` runs `ifup` for the names of `auto` lines; older scripts of Alpine look for these in the main file only. `busybox ifup -n -f -a` shows the commands, and fails on a file that it would refuse.",
    pitfalls: &[
        "Two `address` lines in one stanza, an unknown word such as `allow-hotplug`, a comment behind a value, or a carriage return: the whole file is refused, and nothing comes up.",
        "A directory below that of `source-directory` is an error that refuses everything; dot files are passed over, `.bak` is read.",
        "A comment that ends in a backslash swallows the next line.",
        "A failing `up` line leaves the interface out of the record of what is up.",
    ],
    only_running: None,
    case: "g5-repeated-stanza",
    example: include_str!("../../guide/examples/busybox.json"),
};
