//! `packaging/man/ipalias.8`: the frame `ipalias.8.in`, filled in by clap_mangen. That makes a page of its own for each verb; here
//! they are sections of one page, as an administrator reads it.

use std::fs;

use clap::Parser as _;
use clap_mangen::Man;
use ipalias::cli::Cli;

use crate::{current, packaged, shown};

type Section = fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>;

/// A section of a page as clap_mangen writes it.
fn section(man: &Man, section: Section) -> String {
    let mut bytes = Vec::new();
    section(man, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    // One empty line above the possible values, said in one way instead of three.
    text.replace(PREAMBLE, "").replace("\n.br\n\n.br\n", "\n.sp\n").trim_end().to_owned()
}

/// What clap_mangen puts before each section: how apostrophes are written, which once is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// A section without its first heading, and with the others one level below.
fn beneath(text: &str) -> String {
    let text = text.split_once('\n').filter(|_| text.starts_with(".SH")).map_or(text, |(_, rest)| rest);
    text.replace("\n.SH ", "\n.SS ")
}

/// One line for each verb, as clap's own help says how it is used.
fn usage() -> String {
    let usage = |verb: &clap::Command| {
        let mut verb = verb.clone().bin_name(format!("ipalias {}", verb.get_name()));
        verb.render_usage().to_string().trim_start_matches("Usage: ").to_owned()
    };
    shown().get_subcommands().map(usage).collect::<Vec<_>>().join("\n")
}

fn commands() -> String {
    let mut text = String::new();
    for verb in shown().get_subcommands() {
        let aliases: Vec<&str> = verb.get_visible_aliases().collect();
        let name = [vec![verb.get_name()], aliases].concat().join(", ");
        let man = Man::new(verb.clone().disable_help_flag(true));
        let about = beneath(&section(&man, Man::render_description_section));
        text.push_str(&format!(".SS {name}\n{about}\n"));
        let options = beneath(&section(&man, Man::render_options_section)).replace("\n.SS ", "\n.PP\n.I ");
        if !options.is_empty() {
            text.push_str(&format!("{options}\n"));
        }
        if verb.get_after_help().is_some() || verb.get_after_long_help().is_some() {
            let extra = beneath(&section(&man, Man::render_extra_section));
            text.push_str(&format!(".PP\n.nf\n{extra}\n.fi\n"));
        }
    }
    text.trim_end().to_owned()
}

fn page() -> String {
    let man = Man::new(shown().override_usage(usage()).disable_help_subcommand(true));
    let frame = fs::read_to_string(packaged("man/ipalias.8.in")).unwrap();
    let filled = frame
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@SYNOPSIS@", &section(&man, Man::render_synopsis_section))
        .replace("@DESCRIPTION@", &section(&man, Man::render_description_section))
        .replace("@COMMANDS@", &commands())
        .replace("@OPTIONS@", &beneath(&section(&man, Man::render_options_section)));
    let (_, filled) = filled.split_once(".TH ").unwrap();
    format!(
        ".\\\" Made from src/cli.rs and ipalias.8.in: IPALIAS_BLESS=1 cargo test --test generated\n{PREAMBLE}.TH {filled}"
    )
}

#[test]
fn is_current() {
    current("man/ipalias.8", page().as_bytes());
}

#[test]
fn examples_are_commands() {
    let frame = fs::read_to_string(packaged("man/ipalias.8.in")).unwrap();
    let (_, examples) = frame.split_once(".SH EXAMPLES").unwrap();
    let commands: Vec<String> =
        examples.lines().filter(|line| line.starts_with("ipalias ")).map(|line| line.replace('\\', "")).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        if let Err(error) = Cli::try_parse_from(command.split(' ')) {
            panic!("{command}: {error}");
        }
    }
}

#[test]
fn every_exit_code_is_explained() {
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/error.rs")).unwrap();
    let (_, codes) = source.split_once("pub enum Exit {").unwrap();
    let codes =
        codes.lines().take_while(|line| *line != "}").filter_map(|line| line.trim_end_matches(',').split_once(" = "));
    let frame = fs::read_to_string(packaged("man/ipalias.8.in")).unwrap();
    let missing: Vec<&str> =
        codes.map(|(_, code)| code).filter(|code| !frame.contains(&format!(".TP\n.B {code}\n"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
