//! Programs of hosters and control panels that manage addresses themselves. From their documentation and packages.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::lines;
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root, RootPath};

/// A program: files or folders that only it has, units that start it, and what it means for an address.
struct Agent {
    marks: &'static [&'static str],
    units: &'static [&'static str],
    says: &'static str,
}

const AGENTS: &[Agent] = &[
    Agent {
        marks: &[
            "/usr/bin/google_guest_agent",
            "/usr/bin/google_guest_agent_manager",
            "/etc/default/instance_configs.cfg",
            "/etc/systemd/network/20-google-guest-agent-ethernet.network",
        ],
        units: &["google-guest-agent.service", "google-guest-agent-manager.service", "google-network-daemon.service"],
        says: "the Google guest agent is here: it puts alias ranges and forwarded addresses up as local routes and takes \
               those away that the project no longer has; such an address needs no adding",
    },
    Agent {
        marks: &[
            "/usr/bin/setup-policy-routes",
            "/usr/share/amazon-ec2-net-utils",
            "/usr/lib/udev/rules.d/99-vpc-policy-routes.rules",
            "/etc/udev/rules.d/53-ec2-network-interfaces.rules",
            "/etc/sysconfig/network-scripts/ec2net-functions",
        ],
        units: &["policy-routes@.service", "elastic-network-interfaces.service"],
        says: "Amazon's ec2-net-utils is here: it puts every private address of the network interface up by itself; an \
               elastic address is delivered to a private one and needs no adding",
    },
    Agent {
        marks: &["/usr/sbin/one-contextd", "/usr/sbin/one-context", "/etc/one-context.d", "/etc/init.d/vmcontext"],
        units: &["one-context.service", "one-context-local.service"],
        says: "OpenNebula's context is here: it writes the network's files anew at every boot; set the address in the \
               virtual machine's template (ETH0_ALIAS0_IP) or it is gone then",
    },
    Agent {
        marks: &["/usr/local/psa/version", "/opt/psa/version", "/etc/psa/psa.conf"],
        units: &[],
        says: "Plesk is here: let it know of the address afterwards: plesk bin ipmanage --reread",
    },
    Agent {
        marks: &["/usr/local/directadmin/directadmin", "/usr/local/directadmin/conf/directadmin.conf"],
        units: &["startips.service"],
        says: "DirectAdmin is here: its startips service puts its own addresses up; let it know of this one in its IP manager",
    },
    Agent {
        marks: &["/usr/local/hestia/bin", "/usr/local/vesta/bin"],
        units: &[],
        says: "Hestia is here: let it know of the address afterwards: v-update-sys-ip",
    },
    Agent {
        marks: &["/usr/local/ispconfig/server", "/usr/local/interworx", "/usr/local/CyberCP", "/www/server/panel"],
        units: &[],
        says: "a control panel is here (ISPConfig, InterWorx, CyberPanel or aaPanel): let it know of the address afterwards",
    },
    Agent {
        marks: &["/etc/webmin/miniserv.conf"],
        units: &[],
        says: "Webmin is here: its network module writes the interface anew when it is saved there, and may lose what it does \
               not know",
    },
];

/// What the programs of this root mean for an address.
pub(super) fn warnings(root: &Root) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for agent in AGENTS {
        let mut is_here = false;
        for mark in agent.marks {
            is_here = is_here || root.kind(&RootPath::from(*mark))? != NodeKind::Absent;
        }
        for unit in agent.units {
            is_here = is_here || host::unit_enabled(root, unit)?;
        }
        all.extend(is_here.then(|| agent.says.to_owned()));
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
