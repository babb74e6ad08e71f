//! The chain of files, the generation of the scripts that read it, and what it says about each interface.

use std::collections::BTreeSet;

use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::shell::{Dialect, Environment, Traced, Value, Variable};
use crate::text::Text;

/// Which rules the scripts of the system follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// FreeBSD since 10, MidnightBSD: numbers may have gaps.
    Modern,
    /// FreeBSD up to 9: the first number that is not set ends the search.
    Strict,
    /// DragonFly: as strict, and without `_aliases`, `ipv4_addrs_IF` and ranges.
    DragonFly,
}

impl Generation {
    pub(super) fn of(root: &Root) -> Result<(Generation, Option<u32>)> {
        let read = |path: &str| -> Result<String> {
            Ok(String::from_utf8_lossy(&root.read(&path.into())?.unwrap_or_default()).into_owned())
        };
        let script = read("/bin/freebsd-version")?;
        let version = script.lines().find_map(|line| line.trim().strip_prefix("USERLAND_VERSION="));
        let major = version.and_then(|version| version.trim_matches('"').split('.').next()?.parse::<u32>().ok());
        let os = host::os_release(root)?;
        let midnight = os.id == "midnightbsd" || root.kind(&"/bin/midnightbsd-version".into())? != NodeKind::Absent;
        let expands = read("/etc/network.subr")?.contains("ifalias_expand_addr");
        let generation = match major {
            Some(10..) => Generation::Modern,
            _ if midnight => Generation::Modern,
            Some(_) => Generation::Strict,
            None if expands && os.id != "dragonfly" => Generation::Strict,
            None => Generation::DragonFly,
        };
        Ok((generation, major))
    }

    pub(super) fn is_strict(self) -> bool {
        self != Generation::Modern
    }
}

/// What the files of a root say.
pub(super) struct Chain {
    pub(super) generation: Generation,
    pub(super) environment: Environment,
    pub(super) files: Vec<(RootPath, Text)>,
}

impl Chain {
    /// Reads the files in the order of rc.subr: `rc_conf_files`, then `rc.conf.d` for the script that sets addresses.
    pub(super) fn read(root: &Root) -> Result<Chain> {
        let (generation, major) = Generation::of(root)?;
        let mut defaults = Environment::new(Dialect::Sh);
        defaults.source(&Text::new(root.read(&"/etc/defaults/rc.conf".into())?.unwrap_or_default()));
        let words = |name: &str, otherwise: &[&str]| match defaults.get(name).map(|variable| &variable.value) {
            Some(Value::Text(text)) => text.text().split_whitespace().map(str::to_owned).collect(),
            _ => otherwise.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>(),
        };
        let mut paths: Vec<RootPath> = words("rc_conf_files", &["/etc/rc.conf", "/etc/rc.conf.local"])
            .iter()
            .map(|path| path.as_str().into())
            .collect();
        let names: &[&str] = if major.is_some_and(|major| major >= 11) { &["network", "netif"] } else { &["network"] };
        let mut dirs = vec!["/etc".to_owned()];
        dirs.extend(
            words("local_startup", &["/usr/local/etc/rc.d"]).iter().map(|dir| dir.trim_end_matches("/rc.d").to_owned()),
        );
        for name in names {
            for dir in &dirs {
                let path = RootPath::from(dir.as_str()).join("rc.conf.d").join(name);
                match root.kind(&path)? {
                    NodeKind::File => paths.push(path),
                    NodeKind::Directory => {
                        let names = root.list(&path)?.into_iter().filter(|name| !name.starts_with(b"."));
                        paths.extend(names.map(|name| path.join(name)));
                    }
                    _ => {}
                }
            }
        }
        let mut environment = Environment::new(Dialect::Sh);
        let mut files: Vec<(RootPath, Text)> = Vec::new();
        for path in paths {
            let path = root.resolve(&path)?;
            if !root.is_file(&path)? || files.iter().any(|(known, _)| *known == path) {
                continue;
            }
            let text = Text::new(root.read(&path)?.unwrap_or_default());
            environment.source(&text);
            files.push((path, text));
        }
        Ok(Chain { generation, environment, files })
    }

    pub(super) fn path(&self, source: usize) -> RootPath {
        self.files.get(source).map_or_else(|| "/etc/rc.conf".into(), |(path, _)| path.clone())
    }

    pub(super) fn line(&self, source: usize, at: usize) -> usize {
        let bytes = self.files.get(source).map(|(_, text)| text.bytes()).unwrap_or_default();
        bytes.get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Refuses where something could have set any variable.
    pub(super) fn certain(&self) -> Result<()> {
        let Some(doubt) = self.environment.doubt() else { return Ok(()) };
        let hint = "put the network's variables into plain assignments, or edit the file by hand";
        let reason = format!("this cannot be evaluated without running it: {}", doubt.reason);
        Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.path(doubt.source), doubt.line).into())
    }

    /// The value of a variable; refuses one that cannot be told.
    pub(super) fn value(&self, name: &str) -> Result<Option<(&Traced, &Variable)>> {
        let Some(variable) = self.environment.get(name) else { return Ok(None) };
        match &variable.value {
            Value::Text(text) => Ok(Some((text, variable))),
            Value::Array(_) => Ok(None),
            Value::Unknown { reason, source, line } => {
                let hint = "put it into a plain assignment, or edit the file by hand";
                let reason = format!("{name} cannot be evaluated without running the file: {reason}");
                Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.path(*source), *line).into())
            }
        }
    }

    fn is_filled(&self, name: &str) -> Result<bool> {
        Ok(self.value(name)?.is_some_and(|(text, _)| !text.bytes().is_empty()))
    }

    /// Whether IPv6 is on for an interface: without, `inet6` aliases are passed over.
    pub(super) fn has_ipv6(&self, key: &str) -> Result<bool> {
        if self.generation == Generation::DragonFly {
            return Ok(true);
        }
        for name in [format!("ifconfig_{key}_ipv6"), format!("ipv6_prefix_{key}"), format!("ipv6_ifconfig_{key}")] {
            if self.is_filled(&name)? {
                return Ok(true);
            }
        }
        Ok(!self.is_filled(&format!("ifconfig_{key}"))? && self.is_filled("ifconfig_DEFAULT")?)
    }

    /// The keys of all interfaces, sorted: every `ifconfig_KEY` without what is no interface.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = BTreeSet::new();
        for name in self.environment.names() {
            let rest = ["ipv6_ifconfig_", "ifconfig_", "ipv4_addrs_"].iter().find_map(|start| name.strip_prefix(start));
            let Some(rest) = rest else { continue };
            let key = match rest.find("_alias") {
                Some(at) => rest.get(..at).unwrap_or(rest),
                None => rest.strip_suffix("_ipv6").unwrap_or(rest),
            };
            let other = ["_name", "_descr", "_ipx", "_mac"].iter().any(|end| key.ends_with(end));
            if !key.is_empty() && !other && key != "DEFAULT" {
                keys.insert(key.to_owned());
            }
        }
        keys.into_iter().collect()
    }

    /// The numbered aliases of `ifconfig_KEY_alias` (or `ipv6_ifconfig_KEY_alias`) in the order of the scripts: the name,
    /// its number, and why it is not reached, if it is not.
    pub(super) fn aliases(&self, stem: &str) -> Result<Vec<(String, u32, Option<String>)>> {
        let number = |name: &str| {
            let rest = name.strip_prefix(stem)?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number = rest.get(..digits)?.parse::<u32>().ok()?;
            let exact = rest == number.to_string();
            (exact || !self.generation.is_strict()).then_some(number)
        };
        let mut all: Vec<(u32, String)> =
            self.environment.names().filter_map(|name| Some((number(name)?, name.to_owned()))).collect();
        all.sort();
        let mut out = Vec::new();
        let mut stop: Option<String> = None;
        let mut next = 0;
        for (number, name) in all {
            if stop.is_none() && self.generation.is_strict() && number != next {
                stop = Some(format!("{stem}{next} is not set, which ends the search"));
            }
            if stop.is_none() && !self.is_filled(&name)? {
                stop = Some(format!("{name} is empty, which ends the search"));
            }
            next = number + 1;
            out.push((name, number, stop.clone()));
        }
        Ok(out)
    }
}

/// The part of a variable's name that stands for an interface (rc.conf(5)).
pub(super) fn key_of(interface: &str) -> String {
    interface.chars().map(|c| if ".-/+".contains(c) { '_' } else { c }).collect()
}

/// The interface of a key: one that the running system has, or the VLAN `em0.5` for `em0_5`.
pub(super) fn interface_of(root: &Root, key: &str) -> Result<String> {
    if !key.contains('_') {
        return Ok(key.to_owned());
    }
    if let Some(name) = host::link_names(root)?.into_iter().find(|name| key_of(name) == key) {
        return Ok(name);
    }
    Ok(match key.rsplit_once('_') {
        Some((parent, tag)) if tag.bytes().all(|byte| byte.is_ascii_digit()) => format!("{parent}.{tag}"),
        _ => key.to_owned(),
    })
}
