//! The guide of cPanel & WHM.
//!
//! Follows docs.cpanel.net and api.docs.cpanel.net (`addips`); no such host was available.

use crate::guide::{Guide, Rule};

/// `/etc/ips`.
pub(super) const GUIDE: Guide = Guide {
    title: "cPanel & WHM",
    systems: "cPanel & WHM, above any of these",
    written: "a line in `/etc/ips` and in `/etc/ipaddrpool`, or `whmapi1` with `--panel-api`",
    shown: "**documentation only**; live with stand-ins",
    files: &[
        "`/etc/ips`: what the service `ipaliases` brings up after the network, on the device that `ETHDEV` of `/etc/wwwacct.conf` names.",
        "`/etc/ipaddrpool`: the free addresses that WHM offers to accounts; WHM makes it anew now and then. `/etc/reservedips` is only read.",
        "Both are changed in one transaction; `FILE.bak` beside them is not read.",
    ],
    rules: &[
        Rule {
            rule: "A line `ADDRESS:NETMASK:BROADCAST`, for a single address `A:255.255.255.255:A`.",
            source: "docs.cpanel.net, Add a New IP Address",
        },
        Rule {
            rule: "`--panel-api` has WHM do it: `whmapi1 addips`, one call for each address, so that a netmask is not applied to others.",
            source: "api.docs.cpanel.net, addips",
        },
        Rule {
            rule: "IPv4 only, and no labels: the service gives its own (`IF:cpN`). IPv6 belongs to the system below: `--backend`.",
            source: "docs.cpanel.net, Add a New IP Address",
        },
    ],
    auto: "The service `ipaliases` is restarted, which brings up what is missing; `remove` takes the address down itself, since the service does not.",
    restart: "The same.",
    boot: "The service `ipaliases` reads `/etc/ips` after the network has started. `/etc/ipaliasesdisable` switches it off: ipalias then refuses.",
    pitfalls: &[
        "Addresses that the system below configures already are refused: they would come up twice.",
        "A restart of the network drops every alias until `ipaliases` has run again.",
        "`/etc/init.d/ipaliases`, which guides name, is not there on newer systems: ipalias takes the unit then.",
        "The files are the default; only `--panel-api` keeps WHM's own records right as well.",
        "Lines that are no alias stay as they are, and are warned about.",
    ],
    only_running: None,
    case: "g1-no-files",
    example: include_str!("../../guide/examples/cpanel.json"),
};
