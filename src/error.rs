//! What can go wrong, as types: refusals with their place and hint, failures after the first byte changed, and exit codes.
//!
//! Inside the crate a reason to decline is a [`Refusal`]; everything else travels as [`anyhow::Error`] with
//! "doing what to which file" as context. Exit codes hang on these types, never on message text.

use std::fmt;

use ipnet::IpNet;

use crate::root::RootPath;

/// The crate's result: any error, with a [`Refusal`] or [`Failure`] findable by downcast.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// The kinds of refusal; closed, so that tests and `--json` can hang on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line does not make sense.
    Usage,
    /// The address, label or interface asked for cannot be configured.
    Unacceptable,
    /// No backend of ipalias knows this system.
    Unsupported,
    /// Two systems claim the interface with equal right.
    Ambiguous,
    /// The file is generated or guarded by something else, which would undo an edit.
    ManagedElsewhere,
    /// A file cannot be understood well enough to edit it.
    Malformed,
    /// A file is not what it was when ipalias last looked or wrote.
    ChangedSince,
    /// What was asked to be removed or undone is not there.
    NotFound,
    /// The plan failed its own proof: a defect of ipalias that was stopped before the first write.
    Unproven,
}

impl Kind {
    /// The word used for this kind in `--json`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Unacceptable => "unacceptable",
            Kind::Unsupported => "unsupported",
            Kind::Ambiguous => "ambiguous",
            Kind::ManagedElsewhere => "managed-elsewhere",
            Kind::Malformed => "malformed",
            Kind::ChangedSince => "changed-since",
            Kind::NotFound => "not-found",
            Kind::Unproven => "unproven",
        }
    }
}

/// Why ipalias declines, where, and what to do about it. Nothing has been changed when one is returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of refusal it is.
    pub kind: Kind,
    /// The file, if one is to blame, with a line number from 1 (0: the whole file).
    pub place: Option<(RootPath, usize)>,
    /// What is wrong, in one clause.
    pub reason: String,
    /// What the administrator can do.
    pub hint: String,
}

impl Refusal {
    /// A refusal that no file is to blame for.
    pub fn new(kind: Kind, reason: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { kind, place: None, reason: reason.into(), hint: hint.into() }
    }

    /// The same refusal with the hint's ADDRESS, PREFIX and INTERFACE filled in, as far as they are known.
    pub fn about(mut self, address: Option<IpNet>, interface: Option<&str>) -> Refusal {
        let prefix = address.map(|net| net.prefix_len().to_string());
        let address = address.map(|net| net.addr().to_string());
        for (word, value) in [("ADDRESS", address.as_deref()), ("PREFIX", prefix.as_deref()), ("INTERFACE", interface)]
        {
            if let Some(value) = value {
                self.hint = self.hint.replace(word, value);
            }
        }
        self
    }

    /// The same refusal, blamed on `path` at `line` (from 1; 0 for the whole file).
    pub fn at(mut self, path: &RootPath, line: usize) -> Refusal {
        self.place = Some((path.clone(), line));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((path, 0)) => write!(f, "{path}: ")?,
            Some((path, line)) => write!(f, "{path}:{line}: ")?,
            None => {}
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

/// How a run ended that had already taken the lock or begun to change things.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The change was made, did not hold, and was taken back completely.
    #[error("{cause}; everything was put back as it was")]
    RolledBack {
        /// What failed.
        cause: String,
    },
    /// The change was made, did not hold, and could not be taken back completely.
    #[error("{cause}; and it could not be taken back completely: {rest}")]
    Incomplete {
        /// What failed first.
        cause: String,
        /// What is not as it was.
        rest: String,
        /// Commands to type, in order.
        todo: Vec<String>,
    },
    /// Another run holds the lock.
    #[error("another ipalias is at work: {holder}")]
    Locked {
        /// Who holds it, as it wrote into the lock file.
        holder: String,
    },
    /// A change is up for confirmation.
    #[error("a change ({change}) waits for confirmation, {left} s more (nothing was changed)")]
    Unconfirmed {
        /// Its command line.
        change: String,
        /// Seconds left.
        left: u64,
    },
    /// A change was not confirmed in time, or rejected, and was taken back.
    #[error("the change was not confirmed; everything was put back as it was")]
    NotConfirmed,
    /// The user interrupted before anything was changed.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// Only an administrator may do it; nothing was changed.
    #[error("{what}")]
    NoRights {
        /// What was not allowed.
        what: String,
        /// How to get them.
        how: String,
    },
}

/// What can be done about `error`, if there is anything to say.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return Some(refusal.hint.clone()).filter(|hint| !hint.is_empty());
    }
    match error.downcast_ref::<Failure>()? {
        Failure::RolledBack { .. } => Some("the same with -vv shows every step that was made".to_owned()),
        Failure::Locked { .. } => Some("wait for its end, then try again".to_owned()),
        Failure::Unconfirmed { .. } => {
            Some("`ipalias confirm` keeps that one, `ipalias rollback` takes it back; then try again".to_owned())
        }
        Failure::NotConfirmed => Some("to keep it next time, type `ipalias confirm` within the time".to_owned()),
        Failure::NoRights { how, .. } => Some(how.clone()),
        // Its commands say it.
        Failure::Incomplete { .. } | Failure::Interrupted => None,
    }
}

/// The process's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed; nothing was changed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Refused: unsupported, ambiguous, managed elsewhere, changed since.
    Refused = 3,
    /// Failed and rolled back.
    RolledBack = 4,
    /// Failed, and the rollback is incomplete.
    Incomplete = 5,
    /// With `--dry-run --detailed-exitcode`: changes are pending.
    Pending = 10,
    /// Another run holds the lock, or a change waits for confirmation (`EX_TEMPFAIL` of sysexits.h).
    Locked = 75,
    /// Interrupted before anything was changed.
    Interrupted = 130,
}

impl Exit {
    /// The exit code that says what `error` was.
    pub fn of(error: &anyhow::Error) -> Exit {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return if refusal.kind == Kind::Usage { Exit::Usage } else { Exit::Refused };
        }
        match error.downcast_ref::<Failure>() {
            Some(Failure::RolledBack { .. } | Failure::NotConfirmed) => Exit::RolledBack,
            Some(Failure::Incomplete { .. }) => Exit::Incomplete,
            Some(Failure::Locked { .. } | Failure::Unconfirmed { .. }) => Exit::Locked,
            Some(Failure::Interrupted) => Exit::Interrupted,
            Some(Failure::NoRights { .. }) | None => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn exit_codes_survive_context() {
        let refused = anyhow::Error::new(Refusal::new(Kind::Ambiguous, "two", "choose"));
        assert_eq!(Exit::of(&refused), Exit::Refused);
        assert_eq!(Exit::of(&refused.context("planning")), Exit::Refused);
        let usage: Result<()> = Err(Refusal::new(Kind::Usage, "no", "yes").into());
        assert_eq!(Exit::of(&usage.context("outer").unwrap_err()), Exit::Usage);
        assert_eq!(Exit::of(&anyhow::anyhow!("disk")), Exit::Failed);
        assert_eq!(Exit::of(&Failure::Interrupted.into()), Exit::Interrupted);
    }
}
