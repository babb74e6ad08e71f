//! Which files netifrc reads for an interface, in which order, and which interfaces it starts (openrc-run(8), conf.d).

use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::shell::{Dialect, Environment, Value, Variable};
use crate::text::Text;

const NET: &str = "/etc/conf.d/net";

/// An interface that netifrc knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) interface: String,
    /// The runlevel that starts it.
    pub(super) runlevel: Option<String>,
    /// Whether systemd starts it, which reads fewer files.
    pub(super) systemd: bool,
}

impl Service {
    pub(super) fn is_started(&self) -> bool {
        self.runlevel.is_some() || self.systemd
    }

    /// The part of a variable's name that stands for the interface.
    pub(super) fn suffix(&self) -> String {
        self.interface.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
    }
}

/// Every `net.IF` link of OpenRC and every enabled `net@IF.service`, `lo` left out. Where systemd is the init, runlevels
/// start nothing.
pub(super) fn services(root: &Root) -> Result<Vec<Service>> {
    let systemd = root.kind(&"/run/systemd/system".into())? == NodeKind::Directory
        || root.resolve(&"/sbin/init".into())?.name() == b"systemd";
    let mut all: Vec<Service> = Vec::new();
    for name in root.list(&"/etc/init.d".into())? {
        let Ok(name) = String::from_utf8(name) else { continue };
        let Some(interface) = name.strip_prefix("net.").filter(|interface| *interface != "lo") else { continue };
        let target = root.link_target(&RootPath::from("/etc/init.d").join(&name))?;
        if target.is_some_and(|target| RootPath::new(target).name() == b"net.lo") {
            let runlevel = if systemd { None } else { runlevel(root, &name)? };
            all.push(Service { interface: interface.to_owned(), runlevel, systemd: false });
        }
    }
    for name in root.list(&"/etc/systemd/system/multi-user.target.wants".into())? {
        let Ok(name) = String::from_utf8(name) else { continue };
        let interface = name.strip_prefix("net@").and_then(|rest| rest.strip_suffix(".service"));
        let Some(interface) = interface.filter(|interface| *interface != "lo") else { continue };
        match all.iter_mut().find(|service| service.interface == interface) {
            Some(service) => service.systemd = true,
            None => all.push(Service { interface: interface.to_owned(), runlevel: None, systemd: true }),
        }
    }
    Ok(all)
}

/// The runlevel that starts the service first: `boot` comes before `default`.
fn runlevel(root: &Root, name: &str) -> Result<Option<String>> {
    let rank = |level: &str| ["sysinit", "boot", "default"].iter().position(|known| *known == level).unwrap_or(3);
    let top = RootPath::from("/etc/runlevels");
    let mut found: Option<String> = None;
    for level in root.list(&top)? {
        let link = top.join(&level).join(name);
        if root.link_target(&link)?.is_some() || root.kind(&link)? == NodeKind::File {
            let level = String::from_utf8_lossy(&level).into_owned();
            if found.as_deref().is_none_or(|found| rank(&level) < rank(found)) {
                found = Some(level);
            }
        }
    }
    Ok(found)
}

/// What the shell knows once it has read the files of one interface.
pub(super) struct Config {
    pub(super) environment: Environment,
    pub(super) files: Vec<(RootPath, Text)>,
    /// The file for a variable that none has yet.
    pub(super) main: RootPath,
}

/// Reads the files of `service` as openrc-run does; systemd's wrapper reads `/etc/conf.d/net` alone.
pub(super) fn config(root: &Root, service: &Service) -> Result<Config> {
    let level = service.runlevel.as_deref().unwrap_or("default");
    let or_level = |base: &str| -> Result<RootPath> {
        let special = RootPath::from(format!("{base}.{level}").as_str());
        Ok(if root.is_file(&special)? { special } else { base.into() })
    };
    let mut paths: Vec<RootPath> = Vec::new();
    let mut main: RootPath = NET.into();
    if !service.systemd || service.runlevel.is_some() {
        paths.push("/etc/rc.conf".into());
        let drop_ins = root.list(&"/etc/rc.conf.d".into())?;
        let drop_ins = drop_ins.into_iter().filter(|name| name.ends_with(b".conf") && !name.starts_with(b"."));
        paths.extend(drop_ins.map(|name| RootPath::from("/etc/rc.conf.d").join(name)));
        main = or_level(NET)?;
        paths.push(main.clone());
        paths.push(or_level(&format!("{NET}.{}", service.interface))?);
    } else {
        paths.push(main.clone());
    }
    let mut environment = Environment::new(dialect(root)?);
    let mut files = Vec::new();
    for path in paths {
        let path = root.resolve(&path)?;
        if let Some(bytes) = root.read(&path)? {
            let text = Text::new(bytes);
            environment.source(&text);
            files.push((path, text));
        }
    }
    Ok(Config { environment, files, main: root.resolve(&main)? })
}

/// The shell that `/bin/sh` is: bash on Gentoo, unless a link says otherwise.
fn dialect(root: &Root) -> Result<Dialect> {
    let sh = root.resolve(&"/bin/sh".into())?;
    let name = String::from_utf8_lossy(sh.name()).into_owned();
    Ok(if ["dash", "busybox", "ash", "mksh", "ksh"].contains(&name.as_str()) { Dialect::Sh } else { Dialect::Bash })
}

impl Config {
    /// The path of file number `source`.
    pub(super) fn path(&self, source: usize) -> RootPath {
        self.files.get(source).map_or_else(|| self.main.clone(), |(path, _)| path.clone())
    }

    /// Refuses to go on where something that was read could have set any variable.
    pub(super) fn certain(&self) -> Result<()> {
        let Some(doubt) = self.environment.doubt() else { return Ok(()) };
        let hint = "put the addresses into plain assignments, or edit the file by hand";
        let reason = format!("this cannot be evaluated without running it: {}", doubt.reason);
        Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.path(doubt.source), doubt.line).into())
    }

    /// The variable, which must be one that can be told.
    pub(super) fn known(&self, name: &str) -> Result<Option<&Variable>> {
        let variable = self.environment.get(name);
        if let Some(Value::Unknown { reason, source, line }) = variable.map(|variable| &variable.value) {
            let hint = "put the addresses into a plain assignment, or edit the file by hand";
            let reason = format!("{name} cannot be evaluated without running the file: {reason}");
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.path(*source), *line).into());
        }
        Ok(variable)
    }

    /// The name of the variable that counts: `config_MAC` where the hardware address is known and has one.
    pub(super) fn key(&self, root: &Root, service: &Service) -> Result<String> {
        let by_name = format!("config_{}", service.suffix());
        let is_mac = |name: &str| {
            name.strip_prefix("config_")
                .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let macs: Vec<String> = self.environment.sorted_names(is_mac).into_iter().map(str::to_owned).collect();
        if macs.is_empty() {
            return Ok(by_name);
        }
        let Some(link) = host::link(root, &service.interface)? else {
            let reason = format!(
                "{} may count instead of {by_name}, and the hardware address is not known here",
                macs.join(", ")
            );
            let hint = "run ipalias on the running system, or edit the file by hand";
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.main, 0).into());
        };
        let mac: String = link.mac.chars().filter(char::is_ascii_hexdigit).collect();
        let is_own = |name: &&String| name.strip_prefix("config_").is_some_and(|rest| rest.eq_ignore_ascii_case(&mac));
        let is_empty = |name: &str| matches!(self.environment.get(name).map(|found| &found.value), Some(Value::Text(text)) if text.bytes().is_empty());
        let Some(own) = macs.iter().find(is_own).filter(|own| !is_empty(own)) else { return Ok(by_name) };
        let is_array =
            |name: &str| matches!(self.environment.get(name).map(|found| &found.value), Some(Value::Array(_)));
        // netifrc looks the address up in capitals and copies the value as a string, over whatever config_IF holds.
        if *own != format!("config_{}", mac.to_ascii_uppercase()) || is_array(own) || is_array(&by_name) {
            let reason = format!("{own} may count instead of {by_name}: it is an array, or not in capitals");
            let hint = format!("write config_{} as a string, or edit the file by hand", mac.to_ascii_uppercase());
            return Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.main, 0).into());
        }
        Ok(own.clone())
    }
}
