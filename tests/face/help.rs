//! Every `-h` fits a screen, and every example in it can be typed.

use clap::{Command, CommandFactory as _, Parser as _};
use ipalias::cli::Cli;

/// The lines of a terminal, but for the one of the next prompt.
const SCREEN: usize = 24;

/// The top level has a line for each verb besides.
const TOP: usize = 32;

const COLUMNS: usize = 80;

/// Every command that is shown, the top level first, with its short and its long help.
fn helps() -> Vec<(String, String, String)> {
    let mut top = Cli::command().term_width(COLUMNS);
    top.build();
    let render = |command: &mut Command| {
        let [short, long] = [command.render_help(), command.render_long_help()];
        (command.get_name().to_owned(), short.to_string(), long.to_string())
    };
    let mut all = vec![render(&mut top)];
    all.extend(top.get_subcommands_mut().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help").map(render));
    all
}

#[test]
fn short_help_fits_a_screen() {
    let all = helps();
    assert!(all.len() > 7, "every verb is looked at");
    for (name, short, long) in &all {
        let most = if name == "ipalias" { TOP } else { SCREEN };
        let lines = short.trim_end().lines().count();
        assert!(lines <= most, "{name} -h has {lines} lines:\n{short}");
        for line in short.lines().chain(long.lines()) {
            assert!(line.chars().count() <= COLUMNS, "{name}: {line:?} is wider than {COLUMNS}");
        }
        assert!(long.len() > short.len(), "{name} --help says more");
    }
}

#[test]
fn examples_can_be_typed() {
    for (name, short, long) in helps() {
        let examples: Vec<&str> = short.lines().map(str::trim).filter(|line| line.starts_with("ipalias ")).collect();
        let count = examples.len();
        assert!((2..=5).contains(&count), "{name} has {count} examples:\n{short}");
        for example in examples {
            // What it does stands behind it, some blanks away.
            let words: Vec<&str> = example.split("  ").next().unwrap().split(' ').collect();
            Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{name}: {words:?}: {error}"));
            assert!(long.contains(example), "{name} --help has {example}, too");
        }
    }
}

#[test]
fn the_long_help_has_every_option() {
    let mut top = Cli::command();
    top.build();
    for verb in top.get_subcommands_mut().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let long = verb.render_long_help().to_string();
        for option in verb.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(long.contains(&format!("--{option}")), "{} --help leaves --{option} out", verb.get_name());
        }
    }
}
