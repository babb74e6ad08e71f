//! `/etc/rc.conf` with the files that it reads, and `/etc/rc.conf.d/network` (rc.subr(8), `load_rc_config`).

use std::ops::Range;
use std::sync::Arc;

use crate::backend::ifconfig::crlf_refusal;
use crate::error::{Kind, Refusal, Result};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Dialect, Environment, Include, Traced, Value, Variable, includes};
use crate::text::Text;

/// How deep files may read each other.
const MOST_DEEP: usize = 8;

/// A file, or a part of one between two that it reads.
pub(super) struct Part {
    pub(super) path: RootPath,
    pub(super) text: Text,
}

/// What the files say.
pub(super) struct Chain {
    pub(super) environment: Environment,
    /// By the number of the environment's sources.
    pub(super) parts: Vec<Part>,
}

impl Chain {
    pub(super) fn of(root: &Root) -> Result<Arc<Chain>> {
        root.once("netbsd", || Chain::read(root))
    }

    fn read(root: &Root) -> Result<Chain> {
        let mut chain = Chain { environment: Environment::new(Dialect::Sh), parts: Vec::new() };
        for path in ["/etc/rc.conf", "/etc/rc.conf.d/network"] {
            chain.load(root, &path.into(), &mut Vec::new())?;
        }
        Ok(chain)
    }

    /// Reads a file, and the files that it reads, in order.
    fn load(&mut self, root: &Root, path: &RootPath, open: &mut Vec<RootPath>) -> Result<()> {
        let path = root.resolve(path)?;
        if !root.is_file(&path)? || open.contains(&path) || open.len() >= MOST_DEEP {
            return Ok(());
        }
        let text = Text::new(root.read(&path)?.unwrap_or_default());
        let certain = self.environment.doubt().is_none();
        let inside = includes(&text);
        open.push(path.clone());
        let mut start = 0;
        for include in &inside {
            self.part(&path, &text, start..include.at.start, &inside);
            self.load(root, &include.path.as_str().into(), open)?;
            start = include.at.end;
        }
        self.part(&path, &text, start..text.bytes().len(), &inside);
        open.pop();
        if certain && is_default(&path) {
            self.environment.trust();
        }
        Ok(())
    }

    fn part(&mut self, path: &RootPath, text: &Text, range: Range<usize>, inside: &[Include]) {
        self.environment.source_part(text, range, inside);
        self.parts.push(Part { path: path.clone(), text: text.clone() });
    }

    /// The file and line of a place.
    pub(super) fn place(&self, source: usize, at: usize) -> (RootPath, usize) {
        self.parts
            .get(source)
            .map_or_else(|| ("/etc/rc.conf".into(), 0), |part| (part.path.clone(), part.text.line_of(at)))
    }

    /// Refuses where something could have set any variable.
    pub(super) fn certain(&self) -> Result<()> {
        let Some(doubt) = self.environment.doubt() else { return Ok(()) };
        let part = self.parts.get(doubt.source);
        if let Some(refusal) = part.and_then(|part| crlf_refusal(&part.path, &part.text)) {
            return Err(refusal.into());
        }
        let hint = "put the network's variables into plain assignments, or edit the file by hand";
        let reason = format!("this cannot be evaluated without running it: {}", doubt.reason);
        let path = self.place(doubt.source, 0).0;
        Err(Refusal::new(Kind::Malformed, reason, hint).at(&path, doubt.line).into())
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
                Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.place(*source, 0).0, *line).into())
            }
        }
    }

    /// The value as text; nothing for one that is not set, or cannot be told.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        Some(self.value(name).ok()??.0.text())
    }

    /// Whether a switch is on (rc.subr(8), `checkyesno`); nothing if it is not set.
    pub(super) fn is_yes(&self, name: &str) -> Option<bool> {
        let value = self.text(name)?.to_ascii_lowercase();
        Some(["yes", "true", "on", "1"].contains(&value.as_str()))
    }

    /// Whether a daemon is switched on: in these files, or in its own of `/etc/rc.conf.d`, which is read behind them.
    pub(super) fn is_on(&self, root: &Root, daemon: &str) -> Result<bool> {
        let mut with = Chain { environment: self.environment.clone(), parts: Vec::new() };
        let path = RootPath::from("/etc/rc.conf.d").join(daemon);
        if let (true, Some(bytes)) = (root.is_file(&path)?, root.read(&path)?) {
            with.environment.source(&Text::new(bytes));
        }
        Ok(with.is_yes(daemon) == Some(true))
    }

    /// Why the system does not come to an interface at boot, if it does not. Without the switch, which the system's
    /// defaults set, all are walked.
    pub(super) fn passed_over(&self, interface: &str) -> Option<String> {
        let listed = self.text("net_interfaces").unwrap_or_default();
        if listed == "NO" {
            return Some("net_interfaces=NO in rc.conf switches all interfaces off".to_owned());
        }
        let all = self.is_yes("auto_ifconfig").unwrap_or(true);
        let named = listed.split_whitespace().any(|name| name == interface);
        (!all && !named).then(|| format!("auto_ifconfig is off, and net_interfaces does not name {interface}"))
    }
}

/// Whether the file belongs to the system, and is never edited.
pub(super) fn is_default(path: &RootPath) -> bool {
    path.is_under(&"/etc/defaults".into())
}
