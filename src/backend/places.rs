//! Where the files are that any backend writes: what a record may name that lies on a disk which somebody else could write to.
//!
//! A file elsewhere is a backend's, too, if the system reads it now, through a link or an include (see `command::trust`).

use crate::root::RootPath;
use crate::syntax::glob;

/// Patterns (glob(7)) of the paths; `/` at the end stands for everything below.
const PLACES: &[&str] = &[
    "/etc/network/interfaces",
    "/etc/network/interfaces.*",
    "/etc/network/interfaces.d/",
    "/etc/netplan/",
    "/etc/NetworkManager/system-connections/",
    "/etc/systemd/network/",
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/sysconfig/network",
    "/etc/sysconfig/network/ifcfg-*",
    "/etc/conf.d/net",
    "/etc/conf.d/net.*",
    "/etc/rc.conf",
    "/etc/rc.conf.local",
    "/etc/rc.conf.d/",
    "/usr/local/etc/rc.conf.d/",
    "/etc/start_if.*",
    "/etc/hostname.*",
    "/etc/hostname6.*",
    "/etc/ifconfig.*",
    "/etc/ifaliases",
    "/etc/hosts",
    "/etc/netmasks",
    "/etc/inet/hosts",
    "/etc/inet/ipnodes",
    "/etc/inet/netmasks",
    "/etc/ips",
    "/etc/ipaddrpool",
    "/etc/cloud/cloud.cfg.d/99-*.cfg",
    // The records of systems without files.
    "/ipalias/",
];

/// Whether a file at `path` is one that some backend writes.
pub fn is_known(path: &RootPath) -> bool {
    PLACES.iter().any(|place| match place.strip_suffix('/') {
        Some(dir) => path.is_under(&dir.into()) && *path != dir.into(),
        None => {
            path.parent() == RootPath::from(*place).parent() && glob::glob(RootPath::from(*place).name(), path.name())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_rights_or_runs_is_no_place() {
        for path in
            ["/etc/shadow", "/etc/cron.d/x", "/etc/network/if-up.d/x", "/etc/netplan", "/etc/init.d/net.eth0", "/x"]
        {
            assert!(!is_known(&path.into()), "{path}");
        }
        for path in ["/etc/network/interfaces", "/etc/network/interfaces.d/a/b", "/etc/sysconfig/network/ifcfg-eth0"] {
            assert!(is_known(&path.into()), "{path}");
        }
    }

    #[test]
    fn every_file_that_a_fixture_changes_is_in_a_place() {
        // Reached by an include or a link.
        let elsewhere = ["/etc/rc.conf.site", "/usr/local/etc/rc.conf.real", "/etc/network/a/two"];
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let below = |path: &std::path::Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let (mut count, mut strange) = (0, Vec::new());
        for case in below(&fixtures).flat_map(|backend| below(&backend)) {
            let Ok(diff) = std::fs::read(case.join("diff")) else { continue };
            for line in String::from_utf8_lossy(&diff).lines() {
                let name = line.strip_prefix("--- a").or_else(|| line.strip_prefix("+++ b"));
                if let Some(name) = name {
                    count += 1;
                    if !is_known(&name.trim_end().into()) && !elsewhere.contains(&name.trim_end()) {
                        strange.push(format!("{}: {name}", case.display()));
                    }
                }
            }
        }
        assert!(count > 500 && strange.is_empty(), "{count} names: {strange:#?}");
    }
}
