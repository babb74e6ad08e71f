//! `packaging/completions/`: what the Tab key offers in each shell, by clap_complete, under the names that the shells look for.
//! `tests/packages` loads them in real shells.

use clap_complete::Shell;

use crate::{current, shown};

fn compare(shell: Shell, name: &str) {
    let mut made = Vec::new();
    clap_complete::generate(shell, &mut shown(), "ipalias", &mut made);
    current(&format!("completions/{name}"), &made);
}

#[test]
fn bash_is_current() {
    compare(Shell::Bash, "ipalias.bash");
}

#[test]
fn zsh_is_current() {
    compare(Shell::Zsh, "_ipalias");
}

#[test]
fn fish_is_current() {
    compare(Shell::Fish, "ipalias.fish");
}

#[test]
fn elvish_is_current() {
    compare(Shell::Elvish, "ipalias.elv");
}

#[test]
fn powershell_is_current() {
    compare(Shell::PowerShell, "_ipalias.ps1");
}
