//! What a stream is connected to: whether that is a terminal, whether it takes colour, and how wide it is.

use std::io::IsTerminal;

use super::Color;

/// The width of a terminal that does not tell its own.
const USUAL_WIDTH: usize = 80;

/// One of the two streams that are printed to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Whether it is a terminal.
    pub(super) is_terminal: bool,
    /// Whether it gets colours.
    pub(super) color: bool,
    /// Whether a line can be erased on it.
    pub(super) moves: bool,
}

impl Screen {
    /// The screen behind `stream`, with colour as `wanted`. `auto` follows <https://no-color.org>, `CLICOLOR` and
    /// `CLICOLOR_FORCE`, as clap does for its help, and leaves out terminals that know no colour.
    pub(super) fn of(stream: &impl IsTerminal, wanted: Color) -> Screen {
        let is_terminal = stream.is_terminal();
        let color = match wanted {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => automatic(is_terminal, |name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        };
        let moves = is_terminal && std::env::var_os("TERM").is_none_or(|name| name != "dumb");
        Screen { is_terminal, color, moves }
    }
}

fn automatic(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| value != "0");
    if variable("NO_COLOR").is_some() {
        return false;
    }
    let capable =
        variable("TERM").is_none_or(|name| name != "dumb") && variable("CLICOLOR").is_none_or(|value| value != "0");
    set("CLICOLOR_FORCE") || is_terminal && capable
}

/// How many columns standard output has: `COLUMNS` (POSIX), or what the terminal says; nothing where it is none.
pub(super) fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    let given = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    stdout.is_terminal().then(|| {
        let asked = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
        given().or_else(asked).unwrap_or(USUAL_WIDTH)
    })
}

/// How many columns standard error has, for a line that must not wrap.
pub(super) fn error_columns() -> usize {
    terminal_size::terminal_size_of(std::io::stderr()).map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::automatic;

    #[test]
    fn colour_by_the_variables() {
        let color = |is_terminal: bool, set: &[(&str, &str)]| {
            automatic(is_terminal, |name| {
                set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(color(true, &[("TERM", "xterm")]) && color(true, &[]) && !color(false, &[]));
        assert!(!color(true, &[("NO_COLOR", "1")]) && !color(true, &[("NO_COLOR", "0")]));
        assert!(!color(true, &[("TERM", "dumb")]) && !color(true, &[("CLICOLOR", "0")]));
        assert!(color(false, &[("CLICOLOR_FORCE", "1")]) && !color(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!color(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }
}
