//! Systems whose network is set somewhere else than in a file that ipalias may edit, and what does the job there.
//!
//! In what is to be done ADDRESS, PREFIX and INTERFACE stand for what was asked for; [`Refusal::about`] fills them in. The
//! commands are from the systems' documentation.

use std::fmt;

use crate::backend::Strength;
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root};

/// A system that has its network configuration in a database, or generates its files: an edit would be lost.
struct Keeper {
    name: &'static str,
    /// Where the configuration is.
    keeps: &'static str,
    /// Files that only it has.
    marks: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const KEEPERS: &[Keeper] = &[
    Keeper {
        name: "pfSense",
        keeps: "in config.xml",
        marks: &["/cf/conf/config.xml"],
        instead: "in its web interface: Firewall > Virtual IPs > Add, type IP Alias, address ADDRESS/PREFIX",
    },
    Keeper {
        name: "OPNsense",
        keeps: "in config.xml",
        marks: &["/conf/config.xml"],
        instead: "in its web interface: Interfaces > Virtual IPs > Settings > Add, mode IP Alias, ADDRESS/PREFIX",
    },
    Keeper {
        name: "TrueNAS",
        keeps: "in a database",
        marks: &["/data/freenas-v1.db", "/etc/rc.freenas"],
        instead: "in its web interface: Network > Interfaces > INTERFACE > Edit, add the alias ADDRESS/PREFIX, then test \
                  and save the changes",
    },
    Keeper {
        name: "SmartOS",
        keeps: "with its zones and on its USB key",
        marks: &["/usbkey", "/etc/rc.d/smartdc"],
        instead: "for a zone: vmadm update UUID, with update_nics and all of the NIC's ips, ADDRESS/PREFIX among them; for the \
                  global zone: /usbkey/config, as `sysinfo` shows it",
    },
    Keeper {
        name: "VyOS",
        keeps: "in config.boot",
        marks: &["/config/config.boot", "/opt/vyatta/etc/config/config.boot"],
        instead: "configure; set interfaces ethernet INTERFACE address ADDRESS/PREFIX; commit; save",
    },
    Keeper {
        name: "OpenWrt",
        keeps: "in UCI",
        marks: &["/etc/openwrt_release"],
        instead: "uci add_list network.wan.ipaddr=ADDRESS/PREFIX (with the name of your interface's section for wan); \
                  uci commit network; service network reload",
    },
    Keeper {
        name: "Univention Corporate Server",
        keeps: "in its registry (UCR)",
        marks: &["/etc/univention/base.conf"],
        instead: "ucr set interfaces/INTERFACE_0/type=static interfaces/INTERFACE_0/address=ADDRESS \
                  interfaces/INTERFACE_0/netmask=255.255.255.255; ifup INTERFACE:0",
    },
    Keeper {
        name: "a disk of ESXi",
        keeps: "in its own database",
        marks: &["/etc/vmware/esx.conf"],
        instead: "esxcli network ip interface add, then esxcli network ip interface ipv4 set -i vmkN -t static -I ADDRESS",
    },
];

/// What to do on NixOS (`networking.interfaces.<name>.ipv4.addresses` of its manual); `add` fills all addresses in.
pub const NIXOS_HINT: &str = "add to its configuration: networking.interfaces.<name>.ipv4.addresses = \
                              [ { address = \"192.0.2.1\"; prefixLength = 32; } ]; then: nixos-rebuild switch";

/// Managers that ipalias recognises but has no backend for.
const STRANGERS: &[Stranger] = &[
    Stranger {
        name: "connman",
        sees: |root| unit(root, "connman"),
        instead: "connman has one IPv4 address for each service (connmanctl config SERVICE --ipv4 manual replaces it): run \
                  `ip address add ADDRESS/PREFIX dev INTERFACE` from a unit after connman.service",
    },
    Stranger {
        name: "dhcpcd",
        sees: |root| unit(root, "dhcpcd"),
        instead: "static ip_address= in /etc/dhcpcd.conf would replace the address that is there: run \
                  `ip address add ADDRESS/PREFIX dev INTERFACE` from /etc/dhcpcd.exit-hook (dhcpcd-run-hooks(8))",
    },
    Stranger {
        name: "the engine of a container",
        sees: container,
        instead: "an address inside lasts as long as the container: give it to the host (run ipalias there), and publish the \
                  ports on it: docker run -p ADDRESS:80:80",
    },
];

/// How strong the evidence of a manager is, and what it is; nothing without any.
type Sign = Option<(Strength, String)>;

/// A manager without a backend.
struct Stranger {
    name: &'static str,
    /// Whether it seems to be in charge, and on what evidence.
    sees: fn(&Root) -> Result<Sign>,
    /// What to do instead.
    instead: &'static str,
}

/// A manager without a backend that seems to be in charge.
pub(super) struct Sighting {
    pub(super) name: &'static str,
    pub(super) strength: Strength,
    pub(super) evidence: String,
    pub(super) instead: &'static str,
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.evidence)
    }
}

/// Refuses systems whose network is certainly not set in their files.
pub(super) fn refuse_guarded(root: &Root) -> Result<()> {
    let elsewhere = |reason: String, hint: &str| Refusal::new(Kind::ManagedElsewhere, reason, hint);
    for Keeper { name, keeps, marks, instead } in KEEPERS {
        for mark in *marks {
            if root.kind(&(*mark).into())? != NodeKind::Absent {
                let reason = format!("this is {name}, which keeps its network {keeps} and writes its files anew");
                return Err(elsewhere(reason, instead).at(&(*mark).into(), 0).into());
            }
        }
    }
    if let Some((reason, hint)) = host::confinement(root)? {
        return Err(elsewhere(reason.to_owned(), hint).into());
    }
    let registry = "/Windows/System32/config/SYSTEM";
    if !root.is_live() && root.is_file(&registry.into())? && root.kind(&"/ipalias".into())? == NodeKind::Absent {
        let reason = "this is a disk of Windows, which keeps its addresses in the registry".to_owned();
        return Err(elsewhere(reason, "start that system and run ipalias there").at(&registry.into(), 0).into());
    }
    let os = host::os_release(root)?;
    if os.id == "nixos" || root.kind(&"/etc/NIXOS".into())? != NodeKind::Absent {
        return Err(elsewhere("this is NixOS, which generates its files from /etc/nixos".to_owned(), NIXOS_HINT).into());
    }
    if os.id == "ubuntu-core" {
        let hint = "list all addresses, the new one last: snap set system \
                    system.network.netplan.network.ethernets.INTERFACE.addresses='[\"192.0.2.10/24\", \"ADDRESS/PREFIX\"]'";
        return Err(elsewhere("this is Ubuntu Core, whose network is set through snapd".to_owned(), hint).into());
    }
    Ok(())
}

/// The managers without a backend that seem to be in charge.
pub(super) fn strangers(root: &Root) -> Result<Vec<Sighting>> {
    let mut found = Vec::new();
    for Stranger { name, sees, instead } in STRANGERS {
        if let Some((strength, evidence)) = sees(root)? {
            found.push(Sighting { name, strength, evidence, instead });
        }
    }
    Ok(found)
}

fn unit(root: &Root, name: &str) -> Result<Sign> {
    let enabled = host::unit_enabled(root, &format!("{name}.service"))? || host::init_script_enabled(root, name)?;
    Ok(enabled.then(|| (Strength::Configured, "its service is enabled".to_owned())))
}

/// A container of Docker's or Podman's: their engines leave a mark in its root, and set its addresses from outside.
fn container(root: &Root) -> Result<Sign> {
    for mark in ["/.dockerenv", "/run/.containerenv"] {
        if root.kind(&mark.into())? != NodeKind::Absent {
            return Ok(Some((Strength::Configured, format!("there is {mark}"))));
        }
    }
    Ok(None)
}
