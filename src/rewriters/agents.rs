//! Programs of hosters and control panels that manage addresses themselves. From their documentation and packages.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::lines;
use crate::error::{Kind, Refusal, Result};
use crate::root::{NodeKind, Root, RootPath};

/// A program: where it is installed, and what it means for an address.
struct Agent {
    marks: &'static [&'static str],
    says: &'static str,
}

const AGENTS: &[Agent] = &[
    Agent {
        marks: &[
            "/usr/bin/google_guest_agent",
            "/usr/bin/google_guest_agent_manager",
            "/etc/default/instance_configs.cfg",
        ],
        says: "the Google guest agent is here: it puts alias ranges and forwarded addresses up as local routes and takes \
               those away that the project no longer has; such an address needs no adding",
    },
    Agent {
        marks: &[
            "/usr/bin/setup-policy-routes",
            "/usr/share/amazon-ec2-net-utils",
            "/etc/sysconfig/network-scripts/ec2net-functions",
        ],
        says: "Amazon's ec2-net-utils is here: it puts every private address of the network interface up by itself; an \
               elastic address is delivered to a private one and needs no adding",
    },
    Agent {
        marks: &["/usr/sbin/one-contextd", "/usr/sbin/one-context", "/etc/one-context.d"],
        says: "OpenNebula's context is here: it writes the network's files anew at every boot; set the address in the \
               virtual machine's template (ETH0_ALIAS0_IP) or it is gone then",
    },
    Agent {
        marks: &["/usr/local/psa/version", "/opt/psa/version"],
        says: "Plesk is here: let it know of the address afterwards: plesk bin ipmanage --reread",
    },
    Agent {
        marks: &["/usr/local/directadmin/directadmin"],
        says: "DirectAdmin is here: its startips service puts its own addresses up; let it know of this one in its IP manager",
    },
    Agent {
        marks: &["/usr/local/hestia/bin", "/usr/local/vesta/bin"],
        says: "Hestia is here: let it know of the address afterwards: v-update-sys-ip",
    },
];

/// What the programs of this root mean for an address.
pub(super) fn warnings(root: &Root) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for agent in AGENTS {
        for mark in agent.marks {
            if root.kind(&RootPath::from(*mark))? != NodeKind::Absent {
                all.push(agent.says.to_owned());
                break;
            }
        }
    }
    Ok(all)
}

/// DigitalOcean delivers a reserved IPv4 address to the droplet's anchor address, and has no other additional ones.
pub(super) fn objection(root: &Root, wanted: &BTreeSet<IpAddr>) -> Result<Option<Refusal>> {
    let path = RootPath::from("/sys/class/dmi/id/sys_vendor");
    let by_vendor = lines(root, &path)?.first().is_some_and(|(_, line)| line.trim() == "DigitalOcean");
    if !by_vendor && super::cloud_init::datasource(root)?.as_deref() != Some("DigitalOcean") {
        return Ok(None);
    }
    let is_public = |ip: &&IpAddr| matches!(ip, IpAddr::V4(v4) if !v4.is_private() && !v4.is_link_local());
    Ok(wanted.iter().find(is_public).map(|ip| {
        let reason = format!(
            "this is a DigitalOcean droplet, where a reserved address such as {ip} is delivered to the anchor address that \
             is there already"
        );
        let hint = "assign it to the droplet in the control panel; nothing has to be configured here; if it is something \
                    else, use --force";
        Refusal::new(Kind::ManagedElsewhere, reason, hint)
    }))
}
