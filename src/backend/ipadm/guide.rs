//! The guide of ipadm.
//!
//! Follows ipadm(1M); from documentation and sources.

use crate::guide::{Guide, Rule};

/// Address objects.
pub(super) const GUIDE: Guide = Guide {
    title: "ipadm (Solaris 11, OmniOS, OpenIndiana)",
    systems: "Solaris 11, OmniOS, OpenIndiana",
    written: "`ipadm create-addr` (no file)",
    shown: "**documentation only**; plans tested on recorded listings. Type-checked for Solaris and illumos, not run there",
    files: &[
        "None that may be edited: ipadm keeps its addresses itself, and ipalias shows them as a record. `/etc/ipadm/ipadm.conf` of illumos is no documented interface, and is only read, on a disk.",
        "An interface with `/etc/hostname.IF` ignores ipadm at boot: the backend `solaris` is in charge of it then.",
    ],
    rules: &[
        Rule {
            rule: "A static address object, `-a local=A/32`, with a name that says which address it is (`net0/ipa22x33x44x55`); it acts at once, and at every boot.",
            source: "ipadm(1M), create-addr",
        },
        Rule {
            rule: "IPv6 needs a link-local address first: where there is none, an object `IF/v6` of the type addrconf is created, too.",
            source: "ipadm(1M), create-addr -T addrconf (from memory)",
        },
        Rule {
            rule: "Never `/etc/hostname.IF`: it would take the interface out of ipadm's hands at the next boot.",
            source: "net-physical of illumos",
        },
    ],
    auto: "`ipadm create-addr`, which puts this address up and keeps it; `ipadm delete-addr` takes it away. Nothing else moves.",
    restart: "The same: there is nothing to restart.",
    boot: "`svc:/network/physical` has ipadm enable what it has kept. `ipadm show-addr -o addrobj,type,state,persistent,addr` shows what is kept: `U` in the column PERSISTENT.",
    pitfalls: &[
        "`create-addr -t` lasts until the next boot only: such addresses are listed as ineffective.",
        "Under an automatic network profile (NWAM) ipadm's changes are overwritten: refused while it runs.",
        "Zones with a shared stack have their addresses from the global zone: refused.",
        "SmartOS keeps addresses elsewhere: `vmadm update` for a zone, `/usbkey/config` for the global one.",
    ],
    only_running: Some("ipadm keeps no file that may be edited; start that system and run ipalias there"),
    case: "g5-create",
    example: include_str!("../../guide/examples/ipadm.json"),
};
