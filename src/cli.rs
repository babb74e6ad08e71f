//! The command line, and nothing but: structs for clap, no logic. The source of help, man page and completions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::ui::Color;

/// Put an additional (failover) IP address on this server, persistently.
///
/// ipalias finds the system in charge of the network, shows a diff, keeps a backup, edits the file that is in charge,
/// makes the change effective with the least disturbance, verifies it, and undoes everything if it does not hold.
#[derive(Debug, Parser)]
#[command(name = "ipalias", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  ipalias --dry-run add 203.0.113.5      show what would change
  ipalias add 203.0.113.5 2001:db8::5    add two addresses
  ipalias remove 203.0.113.5             take one away again
  ipalias --root /mnt add 203.0.113.5    on a disk mounted in rescue mode";

const EXIT_CODES: &str = "\
Exit codes: 0 done or nothing to do, 1 failed and nothing changed, 2 usage, 3 refused, 4 failed and rolled back,
5 failed and not completely rolled back, 10 changes pending (--dry-run --detailed-exitcode), 75 locked or a change waits for confirmation, 130 interrupted";

const ADD: &str = "\
Examples:
  ipalias -n add 203.0.113.5               show what would change
  ipalias add 203.0.113.5 2001:db8::5      /32 and /128
  ipalias add 203.0.113.8-203.0.113.11     a range; --block for a whole block
  ipalias add 203.0.113.5 --confirm 120    taken back unless confirmed";

const REMOVE: &str = "\
Examples:
  ipalias -n remove 203.0.113.5            show what would change
  ipalias remove 203.0.113.5 2001:db8::5
  ipalias remove --from addresses.txt      every address of a list";

const LIST: &str = "\
Examples:
  ipalias list                 with file and line, and whether it is up
  ipalias list -i eth1
  ipalias --root /mnt list     of a disk mounted in rescue mode
  ipalias list --json";

const STATUS: &str = "\
Examples:
  ipalias status
  ipalias -v status            also why each other system is not in charge
  ipalias --root /mnt status   of a disk mounted in rescue mode";

const SYNC: &str = "\
Examples:
  ipalias -n sync wishes.toml            what would come, what would go
  ipalias sync wishes.toml
  ipalias sync --merge wishes.json       only add
  ipalias --root /mnt sync -             a list on standard input";

const WISHES: &str = "\
The file, in TOML or JSON:
  version = 1
  # of the interface of the default route, or of -i: an address, a range, or a table
  addresses = [\"203.0.113.5\", \"203.0.113.8-203.0.113.11\", { block = \"203.0.113.16/28\" }]
  # of another interface
  [interfaces.eth1]
  addresses = [{ address = \"198.51.100.7/24\", label = \"eth1:web\" }, { address = \"2001:db8::5\", preferred = true }]";

const EXPLAIN: &str = "\
Examples:
  ipalias explain                  what would be written on this host, and why
  ipalias explain 203.0.113.5      for this address
  ipalias explain netplan          of a system that need not be here
  ipalias explain --list";

const ROLLBACK: &str = "\
Examples:
  ipalias -n rollback          show what would change
  ipalias rollback             take the latest change back; again: redo it
  ipalias rollback --to 3      back to before operation 3 of the history";

const CONFIRM: &str = "\
Examples:
  ipalias add 203.0.113.5 --confirm 120
  ipalias confirm              within these two minutes";

const HISTORY: &str = "\
Examples:
  ipalias history
  ipalias history --json
  ipalias rollback --to 3      back to before operation 3";

/// Options of every command, before or after the verb, in help behind the verb's own. `-h` leaves out the rarer ones.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(next_display_order = 100)]
pub struct Global {
    /// Show what would be done, and do nothing
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,
    /// With --dry-run: exit with 10 if something would change
    #[arg(long, global = true, hide_short_help = true)]
    pub detailed_exitcode: bool,
    /// Work on the system below DIR (a mounted disk)
    ///
    /// Instead of the running one: a mounted disk, an image. Implies --apply none.
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub root: PathBuf,
    /// The interface, if not that of the default route
    #[arg(short, long, global = true, value_name = "IF")]
    pub interface: Option<String>,
    /// The system that manages the network, if detection is wrong
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub backend: Option<String>,
    /// How the change is made effective
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        env = "IPALIAS_APPLY",
        default_value = "auto",
        hide_env_values = true,
        hide_short_help = true
    )]
    pub apply: Apply,
    /// Seconds to wait until the addresses are up
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, hide_short_help = true, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub wait: u64,
    /// Afterwards, ping the gateway; no answer is a warning
    #[arg(long, global = true, hide_short_help = true)]
    pub ping_gateway: bool,
    /// Afterwards, ping the gateway from each new address; no answer is a warning (some providers route it only later)
    #[arg(long, global = true, hide_short_help = true)]
    pub ping_from_alias: bool,
    /// Show the values of keys, passwords and PINs instead of hiding them
    #[arg(long, global = true, hide_short_help = true)]
    pub show_secrets: bool,
    /// Print JSON instead of text
    #[arg(long, global = true, hide_short_help = true)]
    pub json: bool,
    /// Tell more (-vv: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
    /// Print nothing but errors and warnings
    #[arg(short, long, global = true, hide_short_help = true)]
    pub quiet: bool,
    /// Use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_short_help = true)]
    pub color: Color,
}

/// How a change is made effective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Apply {
    /// The smallest step that does it
    Auto,
    /// The full restart that the guides give
    Restart,
    /// Not at all: files only
    None,
}

/// What to do.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub enum Verb {
    /// Add addresses
    #[command(after_help = ADD)]
    Add(Add),
    /// Remove additional addresses
    #[command(visible_aliases = ["rm", "del"], after_help = REMOVE)]
    Remove(Addresses),
    /// Make the additional addresses exactly those of a file
    ///
    /// What is missing is added, what the file does not name is removed, in one change. Governed are the interfaces that have a
    /// list in the file. Primary addresses, and whatever is up but in no file, are not touched.
    #[command(after_help = SYNC)]
    #[command(after_long_help = format!("{WISHES}\n\n{SYNC}"))]
    Sync(Wishes),
    /// List every address, configured or up
    #[command(after_help = LIST)]
    List,
    /// Show what ipalias sees and would do
    #[command(after_help = STATUS)]
    Status,
    /// Explain what would be written here, or on a named system, and why
    ///
    /// With the manual page's section for each rule; for the system in charge here, or for one that is named.
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// Take the latest change back; the same again redoes it
    #[command(after_help = ROLLBACK)]
    Rollback(Rollback),
    /// Keep the change that was made with --confirm
    #[command(after_help = CONFIRM)]
    Confirm,
    /// Show every change, and what became of it
    ///
    /// When it was made, by which command, to which files, and whether it is in effect.
    #[command(after_help = HISTORY)]
    History,
    /// Take the change that was made with --confirm back if it has not been confirmed (what its watchdog runs)
    #[command(hide = true)]
    Expire(Expire),
    /// Put files of an interrupted or unconfirmed change back before the network starts (what the boot hook runs)
    #[command(hide = true)]
    Boot,
}

/// Which addresses.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Addresses {
    /// A, A/PREFIX (default /32 and /128), or a range A-B
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Every address of a block, each as /32 or /128
    #[arg(long, value_name = "CIDR")]
    pub block: Vec<String>,
    /// Read addresses from a file; - is standard input
    ///
    /// One address, range or CIDR address a line; # begins a comment.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// How the change is kept.
    #[command(flatten)]
    pub hold: Hold,
    /// cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files
    #[arg(long, hide_short_help = true)]
    pub panel_api: bool,
}

/// How a change is kept.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Hold {
    /// Take the change back unless `ipalias confirm` keeps it
    ///
    /// After this time, 5 to 3600 seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=3600))]
    pub confirm: Option<u64>,
}

/// Arguments of `expire`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Expire {
    /// Which change
    pub token: String,
    /// Wait until it is due
    #[arg(long)]
    pub when_due: bool,
}

/// What a change was asked for by, so that a confirmation can carry it out later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The options.
    pub options: Global,
    /// The verb.
    pub verb: Verb,
}

/// Arguments of `add`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Add {
    /// Which addresses.
    #[command(flatten)]
    pub addresses: Addresses,
    /// The label of the address, such as eth0:1
    #[arg(long)]
    pub label: Option<String>,
    /// How it is added.
    #[command(flatten)]
    pub how: How,
    /// Let outgoing IPv6 connections use the new address as their source
    #[arg(long, hide_short_help = true)]
    pub preferred: bool,
}

/// How addresses are added.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct How {
    /// Windows: switch an interface from DHCP to static addresses, with the values of its lease
    #[arg(long = "static", hide_short_help = true)]
    pub make_static: bool,
    /// netplan: edit the file that configures the interface, instead of an own file beside it
    #[arg(long, hide_short_help = true)]
    pub in_place: bool,
    /// Even if the address is in use elsewhere
    ///
    /// On the network, by another program that moves or sets it, or in a file of another system; or if more than 8192 would be up.
    #[arg(long)]
    pub force: bool,
    /// Do not tell the neighbours that the address is here now (gratuitous ARP, unsolicited neighbour advertisement)
    #[arg(long, hide_short_help = true)]
    pub no_announce: bool,
    /// Also keep cloud-init from writing the network's files again (99-disable-network-config.cfg)
    #[arg(long, hide_short_help = true)]
    pub disable_cloud_init_network: bool,
}

/// Arguments of `sync`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Wishes {
    /// The file, in TOML or JSON; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What it said: a confirmation carries out what was tried, whatever the file says by then.
    #[arg(skip)]
    pub text: Option<String>,
    /// Only add; remove nothing
    #[arg(long)]
    pub merge: bool,
    /// Even if a list is empty
    ///
    /// Every additional address of its interface goes then.
    #[arg(long, conflicts_with = "merge")]
    pub allow_empty: bool,
    /// How the change is kept.
    #[command(flatten)]
    pub hold: Hold,
    /// cPanel: have WHM do it (whmapi1, one call for each address) instead of editing its files
    #[arg(long, hide_short_help = true)]
    pub panel_api: bool,
    /// How what is missing is added.
    #[command(flatten)]
    pub how: How,
}

/// Arguments of `explain`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Explain {
    /// Addresses to show it for; or the name of a system, which need not be this one
    #[arg(value_name = "ADDRESS|SYSTEM")]
    pub words: Vec<String>,
    /// List the names of the systems
    #[arg(long, conflicts_with = "words")]
    pub list: bool,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Rollback {
    /// The same as `ipalias history`
    #[arg(long, conflicts_with_all = ["to", "force", "confirm"])]
    pub list: bool,
    /// Take back this operation and all after it
    #[arg(long, value_name = "ID")]
    pub to: Option<u64>,
    /// Even if a file was changed since, or the primary address would change
    #[arg(long)]
    pub force: bool,
    /// How the change is kept.
    #[command(flatten)]
    pub hold: Hold,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_argument_is_readable() {
        Cli::command().debug_assert();
        // An argument of a verb with the name of a global option passes the check above, and panics when it is read.
        let global = Global::augment_args(clap::Command::new("ipalias"));
        let names: Vec<&str> = global.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        for verb in Cli::command().get_subcommands() {
            let own = verb.get_arguments().map(|argument| argument.get_id().as_str());
            assert_eq!(own.filter(|own| names.contains(own)).collect::<Vec<_>>(), Vec::<&str>::new(), "{verb}");
        }
    }
}
