//! One ifcfg file: what it sets, as its reader sees it, and whether it can be trusted.
//!
//! The network scripts source it with bash(1); NetworkManager reads line by line (`shvar.c` of its ifcfg-rh plugin).

use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, Dialect, Environment, Value};
use crate::text::{Line, Text};

pub(super) const DIR: &str = "/etc/sysconfig/network-scripts";

/// Names of variables that matter begin so.
const ADDRESSING: &[&str] = &["IPADDR", "PREFIX", "NETMASK", "IPV6ADDR", "DEVICE", "BOOTPROTO"];

/// Variables that name, or whose set value tells of, what has the addresses of a port instead of it.
const MASTERS: &[&str] = &["BRIDGE", "MASTER", "TEAM_MASTER", "BRIDGE_UUID", "MASTER_UUID", "TEAM_MASTER_UUID"];

/// What a file is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Base,
    Alias,
    Range,
}

/// One file.
pub(super) struct File {
    /// What stands behind `ifcfg-`.
    pub(super) name: String,
    pub(super) sort: Sort,
    pub(super) path: RootPath,
    pub(super) text: Text,
    pub(super) environment: Environment,
    /// The device: `DEVICE`, the one with this `HWADDR`, or the file's name; of an alias with its number.
    pub(super) device: String,
    /// Whether it is read line by line, without a shell.
    pub(super) by_line: bool,
}

impl File {
    pub(super) fn read(root: &Root, name: &str, by_line: bool) -> Result<File> {
        let path = root.resolve(&RootPath::from(DIR).join(format!("ifcfg-{name}")))?;
        let text = Text::new(root.read(&path)?.unwrap_or_default());
        let mut environment = Environment::new(Dialect::Bash);
        environment.source(&text);
        let sort = match (name.contains(':'), name.contains("-range")) {
            (true, _) => Sort::Alias,
            (_, true) => Sort::Range,
            _ => Sort::Base,
        };
        let mut file = File { name: name.to_owned(), sort, path, text, environment, device: String::new(), by_line };
        file.device = file.found_device(root)?;
        Ok(file)
    }

    fn found_device(&self, root: &Root) -> Result<String> {
        if let Some(device) = self.get("DEVICE") {
            return Ok(device);
        }
        if let Some(mac) = self.get("HWADDR").filter(|_| self.sort == Sort::Base) {
            for name in host::link_names(root)? {
                if host::link(root, &name)?.is_some_and(|link| link.mac.eq_ignore_ascii_case(&mac)) {
                    return Ok(name);
                }
            }
        }
        let name = match self.sort {
            // NetworkManager names files by its profiles (from memory): `System eth0`, `Auto eth0`.
            Sort::Base => self.name.strip_prefix("System_").or_else(|| self.name.strip_prefix("Auto_")),
            _ => None,
        };
        Ok(name.unwrap_or(&self.name).to_owned())
    }

    /// The value of a variable; nothing if it is not set, or empty, or not known.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        if self.by_line {
            return self.line_value(name);
        }
        match &self.environment.get(name)?.value {
            // A value that only a carriage return breaks is shown, with that as its problem.
            Value::Text(text) => Some(text.text().trim_end_matches('\r').to_owned()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The value in the last line that begins with the name, a literal.
    fn line_value(&self, name: &str) -> Option<String> {
        let begins = |one: &&Assignment| !one.append && self.front(one).trim_ascii().is_empty();
        let last = self.assignments(name).iter().rev().find(begins).filter(|last| self.is_plain_line(last))?;
        let quotes = usize::from(last.quote.is_some());
        let value = self.text.bytes().get(last.value_at.start + quotes..last.value_at.end - quotes)?;
        let is_plain = last.quote.is_some() || !value.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'\\'));
        let text = String::from_utf8_lossy(value).trim_end_matches('\r').to_owned();
        Some(text).filter(|text| is_plain && !text.is_empty())
    }

    /// Whether the file sets the variable, be it to nothing.
    pub(super) fn sets(&self, name: &str) -> bool {
        !self.assignments(name).is_empty()
    }

    /// Whether the variable says no: the words of both readers.
    pub(super) fn denies(&self, name: &str) -> bool {
        self.says(name, &["no", "n", "false", "f", "0"])
    }

    /// Whether the variable says yes: the words of both readers.
    pub(super) fn affirms(&self, name: &str) -> bool {
        self.says(name, &["yes", "y", "true", "t", "1"])
    }

    fn says(&self, name: &str, words: &[&str]) -> bool {
        self.get(name).is_some_and(|value| words.contains(&value.to_ascii_lowercase().as_str()))
    }

    pub(super) fn assignments(&self, name: &str) -> &[Assignment] {
        self.environment.get(name).map(|variable| variable.assignments.as_slice()).unwrap_or_default()
    }

    pub(super) fn line(&self, name: &str) -> usize {
        self.assignments(name).last().map_or(1, |last| last.line)
    }

    /// What stands before the number of an alias or range in the file's name.
    pub(super) fn stem(&self) -> &str {
        let name = self.name.split(':').next().unwrap_or_default();
        if self.sort == Sort::Range { name.split("-range").next().unwrap_or(name) } else { name }
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.says("BOOTPROTO", &["dhcp", "bootp"])
    }

    /// The bridge, bond or team that has the addresses instead.
    pub(super) fn master(&self) -> Option<String> {
        let named = MASTERS.iter().find_map(|name| self.get(name));
        named.or_else(|| self.affirms("SLAVE").then(|| "a bond".to_owned()))
    }

    /// Refuses what cannot be told, would break by an edit, or is read in two ways.
    pub(super) fn sound(&self, by_manager: bool) -> Result<()> {
        if self.text.has_bom() {
            let reason = "the file begins with a byte order mark, which hides its first variable";
            return self.malformed(1, reason, "take it out");
        }
        if let Some(line) = self.text.lines().find(Line::ends_with_return) {
            let hint =
                "convert the file to plain line ends: the shell takes the carriage return for a part of the value";
            return self.malformed(line.number, "the line ends with a carriage return", hint);
        }
        if let Some(doubt) = self.environment.doubt() {
            let hint = "put the variables into plain assignments, or edit the file by hand";
            let reason = format!("this cannot be evaluated without running it: {}", doubt.reason);
            return self.malformed(doubt.line, &reason, hint);
        }
        let hint = "put it into a plain assignment, or edit the file by hand";
        let matters = |name: &str| ADDRESSING.iter().any(|start| name.starts_with(start));
        for name in self.environment.sorted_names(matters) {
            if let Some(Value::Unknown { reason, line, .. }) =
                self.environment.get(name).map(|variable| &variable.value)
            {
                let reason = format!("{name} cannot be evaluated without running the file: {reason}");
                return self.malformed(*line, &reason, hint);
            }
            for assignment in self.assignments(name) {
                if self.is_computed(assignment) {
                    let reason = format!("{name} is computed, and not every reader of the file does that");
                    return self.malformed(assignment.line, &reason, hint);
                }
                if by_manager && !self.is_plain_line(assignment) {
                    let reason = format!("{name} is not on a line of its own, as NetworkManager needs it");
                    return self.malformed(assignment.line, &reason, "write it as NAME=VALUE on a line of its own");
                }
            }
        }
        Ok(())
    }

    /// Refuses, with a line of this file.
    pub(super) fn malformed<T>(&self, line: usize, reason: &str, hint: &str) -> Result<T> {
        Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.path, line).into())
    }

    /// Whether the value has neither quotes nor anything else that is special to a shell.
    pub(super) fn is_bare(&self, assignment: &Assignment) -> bool {
        let value = self.text.bytes().get(assignment.value_at.clone()).unwrap_or_default();
        value.iter().all(|byte| byte.is_ascii_alphanumeric() || b".:/-_,".contains(byte))
    }

    /// Whether the value is put together by expansions, or goes on in the next line.
    fn is_computed(&self, assignment: &Assignment) -> bool {
        let value = self.text.bytes().get(assignment.value_at.clone()).unwrap_or_default();
        value.iter().any(|byte| matches!(byte, b'$' | b'`')) || value.windows(2).any(|two| two == b"\\\n")
    }

    /// What stands before the assignment on its line.
    fn front(&self, assignment: &Assignment) -> &[u8] {
        let before = self.text.bytes().get(..assignment.at.start).unwrap_or_default();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        before.get(start..).unwrap_or_default()
    }

    /// Whether NetworkManager reads the assignment as the shell does: `NAME=VALUE` alone on its line, a literal.
    fn is_plain_line(&self, assignment: &Assignment) -> bool {
        let bytes = self.text.bytes();
        let value = bytes.get(assignment.value_at.clone()).unwrap_or_default();
        let behind = bytes.get(assignment.at.end..).unwrap_or_default();
        let behind = behind.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let comment = behind.trim_ascii_start();
        let ends = comment.is_empty() || comment.starts_with(b"#") && comment.len() < behind.len();
        self.front(assignment).trim_ascii().is_empty()
            && ends
            && !assignment.append
            && !assignment.array
            && !self.is_computed(assignment)
            && !value.contains(&b'\n')
    }
}
