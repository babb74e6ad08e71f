//! The man page and the completions, made from the command line's definition (`src/cli.rs`) and committed, so that a package can
//! be built without a compiler; here they are made again and compared. `IPALIAS_BLESS=1 cargo test --test generated` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod completions;
mod man;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use ipalias::cli::Cli;

/// A file of `packaging/`.
fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

/// Compares the committed file with what is made now, or writes it.
fn current(name: &str, made: &[u8]) {
    let path = packaged(name);
    if std::env::var_os("IPALIAS_BLESS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let committed = fs::read(&path).unwrap_or_default();
    assert!(
        committed == made,
        "packaging/{name} is not current; IPALIAS_BLESS=1 cargo test --test generated writes it"
    );
}

/// The command line without the verbs that `--help` does not show: those are for the watchdog and the boot hook. What `-h` leaves
/// out is in it: clap_mangen would print no word about such an option that has but one line.
fn shown() -> Command {
    let with_rare = |command: Command| command.mut_args(|option| option.hide_short_help(false));
    let whole = with_rare(Cli::command());
    let shown = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verbs: Vec<Command> = shown.cloned().map(with_rare).collect();
    Command::new("ipalias")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().unwrap().clone())
        .long_about(whole.get_long_about().unwrap().clone())
        .args(whole.get_arguments())
        .subcommands(verbs)
}

#[test]
fn hidden_verbs_stay_hidden() {
    let hidden: Vec<String> = Cli::command()
        .get_subcommands()
        .filter(|verb| verb.is_hide_set())
        .map(|verb| verb.get_name().to_owned())
        .collect();
    assert!(hidden.contains(&"expire".to_owned()), "{hidden:?}");
    let shown: Vec<String> = shown().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    assert!(shown.contains(&"add".to_owned()) && !shown.iter().any(|verb| hidden.contains(verb)), "{shown:?}");
}

#[test]
fn every_option_is_described() {
    let shown = shown();
    let of_verbs = shown.get_subcommands().flat_map(Command::get_arguments);
    for option in shown.get_arguments().chain(of_verbs) {
        assert!(option.get_help().is_some() && !option.is_hide_short_help_set(), "{}", option.get_id());
    }
}
