//! The command line as it was typed: parsed, and written out again where it is to be typed in another way.

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::alias;
use crate::cli::Cli;
use crate::error::{Exit, Failure, Kind, Refusal};
use crate::journal::command_line;
use crate::plan::typed;
use crate::runner;
use crate::ui::{Color, Ui};

/// The command line, or the exit code if there is nothing to do any more: help was printed, or what is wrong with it.
pub fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        match without_verb(&error) {
            Some(refusal) => Ui::new(Color::Auto, false, false).error("", &refusal.into(), Exit::Usage),
            // A closed output is no reason for another exit code.
            None => drop(error.print()),
        }
        if error.exit_code() == 0 { Exit::Done } else { Exit::Usage }
    })
}

/// `ipalias 203.0.113.5`: an address where the verb should be.
fn without_verb(error: &clap::Error) -> Option<Refusal> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    alias::parse_addresses(word).ok()?;
    let mut words = command_line();
    let place = words.iter().position(|other| other == word)?;
    words.insert(place, "add".to_owned());
    Some(Refusal::new(Kind::Usage, format!("{word} is an address, and the verb is missing"), line(&words)))
}

/// The failure of `what`, which only an administrator may do, and how this command gets the rights for it.
pub(super) fn without_rights(what: impl Into<String>) -> Failure {
    let mut words = command_line();
    let how = match ["sudo", "doas"].into_iter().find(|name| runner::exists(name)) {
        _ if cfg!(windows) => format!("open a prompt with \"Run as administrator\" and {}", line(&words)),
        Some(name) => {
            words.insert(0, name.to_owned());
            line(&words)
        }
        None => format!("become root and {}", line(&words)),
    };
    Failure::NoRights { what: what.into(), how }
}

/// What to type to say `words` to a shell.
fn line(words: &[String]) -> String {
    format!("type {}", typed(words))
}
