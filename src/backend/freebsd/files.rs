//! The chain of files, the generation of the scripts that read it, and what it says about each interface.

use std::collections::BTreeSet;
use std::sync::Arc;

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
        let number = |text: &str| text.trim_matches(['"', '\'']).split(['.', '-']).next()?.parse::<u32>().ok();
        let os = host::os_release(root)?;
        let says = Some(os.version_id.as_str()).filter(|_| os.id == "freebsd");
        let major = version.and_then(number).or_else(|| says.and_then(number));
        let midnight = os.id == "midnightbsd" || root.kind(&"/bin/midnightbsd-version".into())? != NodeKind::Absent;
        let scripts = read("/etc/network.subr")?;
        let expands = scripts.contains("ifalias_expand_addr");
        let generation = match major {
            Some(10..) => Generation::Modern,
            _ if midnight => Generation::Modern,
            Some(_) => Generation::Strict,
            // The numbers are collected and sorted, so that gaps do not matter.
            None if expands && scripts.contains("list_vars") => Generation::Modern,
            None if expands && os.id != "dragonfly" => Generation::Strict,
            None => Generation::DragonFly,
        };
        Ok((generation, major))
    }

    pub(super) fn is_strict(self) -> bool {
        self != Generation::Modern
    }
}

/// A file of the chain.
pub(super) struct Part {
    pub(super) path: RootPath,
    pub(super) text: Text,
    /// Whether every file beside it is read, too.
    pub(super) is_in_directory: bool,
}

/// What the files of a root say.
pub(super) struct Chain {
    pub(super) generation: Generation,
    pub(super) environment: Environment,
    /// In the order of reading. The first ones are the system's defaults, which are never edited.
    pub(super) files: Vec<Part>,
    /// How many of the files are defaults.
    pub(super) defaults: usize,
}

impl Chain {
    pub(super) fn of(root: &Root) -> Result<Arc<Chain>> {
        root.once("freebsd", || Chain::read(root))
    }

    /// Reads the files in the order of rc.subr: the defaults, `rc_conf_files`, and `rc.conf.d` for the script that sets
    /// addresses.
    fn read(root: &Root) -> Result<Chain> {
        let (generation, major) = Generation::of(root)?;
        let environment = Environment::new(Dialect::Sh);
        let mut chain = Chain { generation, environment, files: Vec::new(), defaults: 0 };
        // The other file of defaults is from memory.
        for path in ["/etc/defaults/vendor.conf", "/etc/defaults/rc.conf"] {
            chain.source(root, &path.into(), false)?;
        }
        chain.environment.trust();
        chain.defaults = chain.files.len();
        // The scripts go through the list once more, in case that a file of it has set it anew (from memory).
        for _ in 0..2 {
            for path in chain.conf_files() {
                chain.source(root, &path.as_str().into(), false)?;
            }
        }
        let names: &[&str] = if major.is_some_and(|major| major >= 11) { &["network", "netif"] } else { &["network"] };
        for name in names {
            for dir in [vec!["/etc".to_owned()], chain.words("local_startup", "/usr/local/etc/rc.d")].concat() {
                let dir = dir.strip_suffix("/rc.d").unwrap_or(&dir);
                let path = RootPath::from(dir).join("rc.conf.d").join(name);
                match root.kind(&path)? {
                    NodeKind::File => chain.source(root, &path, false)?,
                    NodeKind::Directory => {
                        for name in root.list(&path)?.into_iter().filter(|name| !name.starts_with(b".")) {
                            chain.source(root, &path.join(name), true)?;
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(chain)
    }

    /// The files of `rc_conf_files` as it is now.
    pub(super) fn conf_files(&self) -> Vec<String> {
        self.words("rc_conf_files", "/etc/rc.conf /etc/rc.conf.local")
    }

    /// The words of a variable as it is now.
    fn words(&self, name: &str, otherwise: &str) -> Vec<String> {
        let text = match self.environment.get(name).map(|variable| &variable.value) {
            Some(Value::Text(text)) => text.text(),
            _ => otherwise.to_owned(),
        };
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Reads a file that was not read yet.
    fn source(&mut self, root: &Root, path: &RootPath, is_in_directory: bool) -> Result<()> {
        let path = root.resolve(path)?;
        if root.is_file(&path)? && self.files.iter().all(|known| known.path != path) {
            let text = Text::new(root.read(&path)?.unwrap_or_default());
            self.environment.source(&text);
            self.files.push(Part { path, text, is_in_directory });
        }
        Ok(())
    }

    pub(super) fn path(&self, source: usize) -> RootPath {
        self.files.get(source).map_or_else(|| "/etc/rc.conf".into(), |part| part.path.clone())
    }

    /// The line that byte `at` is in, from 1.
    pub(super) fn line(&self, source: usize, at: usize) -> usize {
        let Some(part) = self.files.get(source) else { return 1 };
        let (mut low, mut high) = (0, part.text.line_count());
        while low < high {
            let middle = (low + high) / 2;
            if part.text.line(middle).is_some_and(|line| line.start <= at) { low = middle + 1 } else { high = middle }
        }
        low.max(1)
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

    pub(super) fn is_filled(&self, name: &str) -> Result<bool> {
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
        Ok(self.value(&format!("ifconfig_{key}_ipv6"))?.is_none() && self.is_filled("ifconfig_DEFAULT")?)
    }

    /// Whether a switch such as `ipv6_enable` is on (rc.subr(8), "checkyesno").
    pub(super) fn is_yes(&self, name: &str) -> Result<bool> {
        let value = self.value(name)?.map(|(text, _)| text.text().to_ascii_lowercase());
        Ok(value.is_some_and(|value| ["yes", "true", "on", "1"].contains(&value.as_str())))
    }

    /// The name that the interface of a key is given at boot, if it is not its own.
    pub(super) fn renamed(&self, key: &str) -> Result<Option<String>> {
        let name = self.value(&format!("ifconfig_{key}_name"))?.map(|(text, _)| text.text());
        Ok(name.filter(|name| !name.is_empty() && key_of(name) != key))
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
            let digits = rest.get(..digits).filter(|digits| !digits.is_empty())?;
            let number = digits.parse::<u32>().unwrap_or(u32::MAX);
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
            next = number.saturating_add(1);
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
