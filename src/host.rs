//! Facts of a root that every backend may ask for: its name, its links, its default route, which services start.
//!
//! All are read from files through [`Root`] (os-release(5), `/proc/net/route`, `/sys/class/net`, unit links), so they are
//! the running system's for `/` and the mounted disk's for any other prefix, never the one for the other.

use os_release::OsRelease;

use crate::error::{Refusal, Result};
use crate::root::{Access, NodeKind, Root, RootPath};

/// What `route -n get default` said on a running system without `/proc` (see `command::record`).
pub const ROUTE: &str = "/ipalias/route";

/// What `ifconfig` said of all interfaces, with their hardware addresses.
pub const LINKS: &str = "/ipalias/links";

/// Whether the system is a jail, and whether that has a network stack of its own: two lines of 0 or 1 (jail(8)).
pub const JAIL: &str = "/ipalias/jail";

/// What `zoneadm list -p` said: `ID:NAME:STATE:PATH:UUID:BRAND:IP-TYPE`.
pub const ZONE: &str = "/ipalias/zone";

/// The states of the instances of Solaris's network/physical.
pub const PHYSICAL: &str = "/ipalias/physical";

/// The network profiles of Solaris 11 and their states.
pub const PROFILE: &str = "/ipalias/profile";

/// Why the running system cannot keep an additional address, and what to do instead: a jail or zone that borrows its host's
/// network, or a profile that rewrites it. Nothing for a root that does not run. From documentation.
pub fn confinement(root: &Root) -> Result<Option<(&'static str, &'static str)>> {
    let text = |path: &str| -> Result<String> {
        Ok(String::from_utf8_lossy(&root.read(&path.into())?.unwrap_or_default()).into_owned())
    };
    let jail = text(JAIL)?;
    if jail.split_whitespace().next() == Some("1") && jail.split_whitespace().nth(1) != Some("1") {
        return Ok(Some((
            "this is a jail without a network stack of its own",
            "on its host, in /etc/jail.conf: ip4.addr += ADDRESS/PREFIX (IPv6: ip6.addr); then: service jail restart NAME",
        )));
    }
    let zone = text(ZONE)?;
    // The global zone lists itself; the seventh field is the kind of stack.
    let shared = |line: &str| line.split(':').nth(6) == Some("shared");
    if !zone.lines().any(|line| line.starts_with("0:")) && zone.lines().any(shared) {
        return Ok(Some((
            "this is a zone with a shared network stack",
            "in the global zone: zonecfg -z ZONE 'add net; set physical=INTERFACE; set address=ADDRESS/PREFIX; end'; then: \
             zoneadm -z ZONE reboot",
        )));
    }
    if text(PHYSICAL)?.lines().any(|line| line.starts_with("online") && line.trim_end().ends_with(":nwam")) {
        return Ok(Some((
            "network auto-magic (svc:/network/physical:nwam) manages the network",
            "switch it off first: svcadm disable network/physical:nwam; svcadm enable network/physical:default",
        )));
    }
    let automatic = |line: &str| line.contains("Automatic") && line.contains("online");
    if text(PROFILE)?.lines().any(automatic) {
        return Ok(Some((
            "the network profile Automatic is active, which overwrites what ipadm sets",
            "switch to the fixed profile first, at the console: netadm enable -p ncp DefaultFixed",
        )));
    }
    Ok(None)
}

/// The system's own name for itself; the default if it has none, or none that can be read (os-release(5)).
pub fn os_release(root: &Root) -> Result<OsRelease> {
    let found = match lenient(root, &"/etc/os-release".into())? {
        Some(bytes) => Some(bytes),
        None => lenient(root, &"/usr/lib/os-release".into())?,
    };
    let text = String::from_utf8_lossy(&found.unwrap_or_default()).into_owned();
    // The crate slices `ID="` out of its bounds, so a lone quote must not reach it.
    let sound = |line: &&str| !matches!(line.split_once('=').map(|(_, value)| value.trim()), Some("\"" | "'"));
    Ok(text.lines().filter(sound).map(str::to_owned).collect())
}

/// The file at `path`; nothing if it is none, or one that ipalias does not read: for files that only give hints.
pub fn lenient(root: &Root, path: &RootPath) -> Result<Option<Vec<u8>>> {
    match root.read(path) {
        Err(error) if error.is::<Refusal>() => Ok(None),
        other => other,
    }
}

/// The names in a directory; none if it is not there or cannot be read as one: for files that only give hints.
pub fn names(root: &Root, dir: &str) -> Result<Vec<Vec<u8>>> {
    match root.list(&dir.into()) {
        Err(error) if error.is::<Refusal>() => Ok(Vec::new()),
        other => other,
    }
}

/// What to call the system in messages: os-release(5), or the first line of what older systems have instead.
pub fn system_name(root: &Root) -> Result<Option<String>> {
    let os = os_release(root)?;
    if !os.pretty_name.is_empty() {
        return Ok(Some(os.pretty_name));
    }
    for path in
        ["/etc/redhat-release", "/etc/SuSE-release", "/etc/gentoo-release", "/etc/release", "/etc/debian_version"]
    {
        let text = lenient(root, &path.into())?.unwrap_or_default();
        let first = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned();
        if !first.is_empty() {
            return Ok(Some(if path.ends_with("debian_version") { format!("Debian {first}") } else { first }));
        }
    }
    Ok(Some(os.name).filter(|name| !name.is_empty()))
}

/// Whether the system is `id` or says that it is like it.
pub fn is_like(os: &OsRelease, id: &str) -> bool {
    os.id == id || os.id_like.split_whitespace().any(|like| like == id)
}

/// The interface of the default route, IPv4 before IPv6, the lowest metric first; nothing if the root does not run.
/// From `/proc/net/route`, or from what `route get default` said where there is no such file.
pub fn default_route_interface(root: &Root) -> Result<Option<String>> {
    let table = |path: &str| -> Result<String> {
        Ok(String::from_utf8_lossy(&root.read(&path.into())?.unwrap_or_default()).into_owned())
    };
    // Iface Destination Gateway Flags RefCnt Use Metric Mask (proc_pid_net(5)).
    let v4 = table("/proc/net/route")?;
    let v4 = v4.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, "00000000", _, _, _, _, metric, "00000000", ..] => Some((metric.parse::<u32>().ok()?, *name)),
            _ => None,
        }
    });
    if let Some((_, name)) = v4.min() {
        return Ok(Some(name.to_owned()));
    }
    // Destination, its prefix, source, its prefix, next hop, metric, reference count, use, flags, interface.
    let v6 = table("/proc/net/ipv6_route")?;
    let any = "0".repeat(32);
    let said = table(ROUTE)?;
    if let Some(name) = said.lines().find_map(|line| line.trim().strip_prefix("interface:")) {
        return Ok(Some(name.trim().to_owned()));
    }
    let v6 = v6.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [to, "00", _, _, _, metric, _, _, _, name] if *to == any && *name != "lo" => {
                Some((u32::from_str_radix(metric, 16).ok()?, *name))
            }
            _ => None,
        }
    });
    Ok(v6.min().map(|(_, name)| name.to_owned()))
}

/// What `/sys` says about an interface of the running system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its hardware address, lower case with colons; empty if it has none.
    pub mac: String,
    /// The bridge, bond or VRF that it belongs to.
    pub master: Option<String>,
    /// Whether it is a port of a bridge or bond, which has the addresses instead.
    pub is_port: bool,
}

/// The interface called `name`, if the running system has it. A root without `/sys` has no links.
pub fn link(root: &Root, name: &str) -> Result<Option<Link>> {
    let dir = RootPath::from("/sys/class/net").join(name);
    if name.is_empty() || name.contains('/') || root.kind(&dir)? != NodeKind::Directory {
        return Ok(None);
    }
    let word = |file: &str| -> Result<String> {
        let bytes = root.read(&dir.join(file))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).trim().to_ascii_lowercase())
    };
    let master = root.link_target(&dir.join("master"))?;
    let master = master.map(|target| String::from_utf8_lossy(RootPath::new(target).name()).into_owned());
    let is_port = ["brport", "bonding_slave"].iter().map(|name| root.kind(&dir.join(name)));
    let is_port = is_port.collect::<Result<Vec<_>>>()?.contains(&NodeKind::Directory);
    Ok(Some(Link { index: word("ifindex")?.parse().unwrap_or(0), mac: word("address")?, master, is_port }))
}

/// The names of all links of the running system; none if the root does not run.
pub fn link_names(root: &Root) -> Result<Vec<String>> {
    Ok(root.list(&"/sys/class/net".into())?.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect())
}

/// Whether systemd starts `unit` at boot: a link in some `*.wants` or `*.requires` of `/etc/systemd/system` or the
/// vendor's presets of `/usr/lib/systemd/system`, and no mask (systemctl(1), "enable" and "mask").
pub fn unit_enabled(root: &Root, unit: &str) -> Result<bool> {
    let mask = root.link_target(&RootPath::from("/etc/systemd/system").join(unit))?;
    if mask.is_some_and(|target| target == b"/dev/null") {
        return Ok(false);
    }
    for top in ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"] {
        let top = RootPath::from(top);
        for name in root.list(&top)? {
            if !(name.ends_with(b".wants") || name.ends_with(b".requires")) {
                continue;
            }
            let link = top.join(&name).join(unit);
            if root.link_target(&link)?.is_some() || root.kind(&link)? == NodeKind::File {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether `name` is started by a System V runlevel or an OpenRC runlevel.
pub fn init_script_enabled(root: &Root, name: &str) -> Result<bool> {
    for level in ["rcS.d", "rc2.d", "rc3.d", "rc5.d"] {
        let script = |file: &Vec<u8>| {
            let digits =
                file.strip_prefix(b"S").filter(|rest| rest.len() > 2 && rest.iter().take(2).all(u8::is_ascii_digit));
            digits.and_then(|rest| rest.get(2..)) == Some(name.as_bytes())
        };
        if root.list(&RootPath::from("/etc").join(level))?.iter().any(script) {
            return Ok(true);
        }
    }
    for level in root.list(&"/etc/runlevels".into())? {
        let link = RootPath::from("/etc/runlevels").join(&level).join(name);
        if root.link_target(&link)?.is_some() || root.kind(&link)? == NodeKind::File {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether user `uid` with groups `gids` may read a file with this `access` (path_resolution(7); no ACLs).
pub fn may_read(access: Access, uid: u32, gids: &[u32]) -> bool {
    let bits = if access.uid == uid {
        access.mode >> 6
    } else if gids.contains(&access.gid) {
        access.mode >> 3
    } else {
        access.mode
    };
    uid == 0 || bits & 4 != 0
}
