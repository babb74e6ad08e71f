//! Who reads the files, and the settings that it sees: wicked, or the shell scripts that came before it.
//!
//! The scripts of the package `sysconfig` (SLES 11, openSUSE up to 13.1) source the same files in bash: quotes, `export`,
//! expansions and an open last line mean there what they mean to a shell (from memory; the scripts could not be run).

use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::shell::{Dialect, Environment, Value, deletion};
use crate::syntax::sysconfig::{Setting, effective, settings};
use crate::text::{Splice, Text};

/// What reads the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// wicked's own line parser.
    Wicked,
    /// bash, for the scripts of `sysconfig`.
    Scripts,
}

/// The reader of `root`: the scripts only where they are and wicked is not.
pub(super) fn reader(root: &Root) -> Result<Reader> {
    let wicked = has_wicked(root)? || wicked_service(root)?.is_some();
    let scripts = root.kind(&"/etc/init.d/network".into())? != NodeKind::Absent || sysv(root)?;
    Ok(if scripts && !wicked { Reader::Scripts } else { Reader::Wicked })
}

fn has_wicked(root: &Root) -> Result<bool> {
    for path in ["/usr/sbin/wicked", "/sbin/wicked"] {
        if root.kind(&path.into())? == NodeKind::File {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What `network.service` is an alias of, if it is one.
pub(super) fn network_service(root: &Root) -> Result<String> {
    let target = root.link_target(&"/etc/systemd/system/network.service".into())?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&target).into_owned())
}

/// The evidence that wicked is started at boot.
pub(super) fn wicked_service(root: &Root) -> Result<Option<&'static str>> {
    if network_service(root)?.ends_with("wicked.service") {
        return Ok(Some("network.service is wicked.service"));
    }
    let enabled = host::unit_enabled(root, "wicked.service")? || host::unit_enabled(root, "wickedd.service")?;
    Ok(enabled.then_some("wicked.service is enabled"))
}

/// Whether a runlevel starts the init script `network`; SLES 11 keeps its runlevels below `/etc/init.d`.
pub(super) fn sysv(root: &Root) -> Result<bool> {
    for level in ["/etc/init.d/rc3.d", "/etc/init.d/rc5.d"] {
        let started = root.list(&level.into())?.iter().any(|name| name.starts_with(b"S") && name.ends_with(b"network"));
        if started {
            return Ok(true);
        }
    }
    host::init_script_enabled(root, "network")
}

/// The settings of a file.
pub(super) struct Settings {
    /// Everything that looks like a setting.
    pub(super) all: Vec<Setting>,
    /// What counts of it, in the order of first occurrence.
    pub(super) effective: Vec<Setting>,
    /// What the shell knows, where that is the reader.
    environment: Option<Environment>,
}

impl Settings {
    /// Reads `text`, the file at `path`. Refuses what only running a shell could tell.
    pub(super) fn read(text: &Text, reader: Reader, path: &RootPath) -> Result<Settings> {
        if reader == Reader::Scripts {
            return Settings::of_shell(text, path);
        }
        let all = settings(text);
        Ok(Settings { effective: effective(&all), all, environment: None })
    }

    fn of_shell(text: &Text, path: &RootPath) -> Result<Settings> {
        let mut environment = Environment::new(Dialect::Bash);
        environment.source(text);
        let refuse = |line: usize, reason: &str| {
            let hint = "put the settings into plain assignments, or edit the file by hand";
            Refusal::new(Kind::Malformed, format!("the ifup scripts read this in bash: {reason}"), hint).at(path, line)
        };
        if let Some(line) =
            text.lines().find(|line| text.bytes().get(line.range()).is_some_and(|all| all.contains(&b'\r')))
        {
            return Err(refuse(line.number, "a carriage return is a part of the value to a shell").into());
        }
        if let Some(doubt) = environment.doubt() {
            return Err(refuse(doubt.line, &doubt.reason).into());
        }
        let mut all: Vec<(usize, Setting)> = Vec::new();
        for name in environment.sorted_names(|_| true) {
            let Some(variable) = environment.get(name) else { continue };
            let value = match &variable.value {
                Value::Text(value) => value.text(),
                Value::Unknown { reason, line, .. } if counts(name) => return Err(refuse(*line, reason).into()),
                Value::Array(_) | Value::Unknown { .. } => continue,
            };
            let (Some(first), Some(last)) = (variable.assignments.first(), variable.assignments.last()) else {
                continue;
            };
            let (quote, line) = (last.quote, last.line - 1);
            let setting = Setting { name: name.to_owned(), value, quote, line, is_read: true, is_in_tail: false };
            all.push((first.at.start, setting));
        }
        all.sort_by_key(|(at, _)| *at);
        let all: Vec<Setting> = all.into_iter().map(|(_, setting)| setting).collect();
        Ok(Settings { effective: all.clone(), all, environment: Some(environment) })
    }

    /// Where the next line begins behind what `setting` stands in.
    pub(super) fn behind(&self, text: &Text, setting: &Setting) -> usize {
        let variable = self.environment.as_ref().and_then(|environment| environment.get(&setting.name));
        let assignment = variable.and_then(|variable| variable.assignments.last());
        assignment
            .map(|assignment| assignment.next.min(text.bytes().len()))
            .or_else(|| text.line(setting.line).map(|line| line.next))
            .unwrap_or(text.bytes().len())
    }

    /// The splices that take out every setting whose name satisfies `goes`: whole lines, for wicked.
    pub(super) fn cut(&self, text: &Text, path: &RootPath, goes: impl Fn(&str) -> bool) -> Result<Vec<Splice>> {
        let crowded = |line: usize, reason: &str| {
            Refusal::new(Kind::Malformed, reason, "take the setting out by hand").at(path, line)
        };
        let mut splices: Vec<Splice> = Vec::new();
        if let Some(environment) = &self.environment {
            let names = environment.sorted_names(goes);
            let variables = names.into_iter().filter_map(|name| environment.get(name));
            let mut lines = Vec::new();
            for assignment in variables.flat_map(|variable| &variable.assignments) {
                if lines.contains(&assignment.next) {
                    return Err(crowded(assignment.line, "several settings of the address stand on this line").into());
                }
                lines.push(assignment.next);
                splices.push(deletion(text, assignment));
            }
            return Ok(splices);
        }
        let mut last = None;
        for setting in self.all.iter().filter(|setting| goes(&setting.name)) {
            let others = self.all.iter().any(|other| other.line == setting.line && !goes(&other.name));
            let alone = self.all.iter().any(|other| other.line == setting.line && !other.is_in_tail);
            if others || !alone {
                let reason = "the line is longer than 511 bytes, and wicked reads its parts as lines of their own";
                return Err(crowded(setting.line + 1, reason).into());
            }
            if last != Some(setting.line) {
                splices.extend(text.line(setting.line).map(|line| Splice::delete(line.range())));
            }
            last = Some(setting.line);
        }
        Ok(splices)
    }
}

/// Whether the value of a variable decides about addresses.
fn counts(name: &str) -> bool {
    ["BOOTPROTO", "STARTMODE"].contains(&name) || super::FAMILY.iter().any(|family| name.starts_with(family))
}
