//! Text that is read rather than looked up: headings, and paragraphs that fit a narrow terminal.

use anstyle::{AnsiColor, Style};

use super::{Ui, stream, terminal, visible};

/// The width of a paragraph in characters, on a terminal that is not narrower.
const WIDTH: usize = 80;

impl Ui {
    /// An empty line and a heading.
    pub fn heading(self, text: &str) {
        if !self.quiet && !self.json {
            let is_plain = self.style(AnsiColor::White).is_plain();
            let style = if is_plain { Style::new() } else { Style::new().bold() };
            stream::out(format!("\n{style}{}{style:#}\n", visible(text.as_bytes())).as_bytes());
        }
    }

    /// A paragraph behind `mark`, its further lines below its first word.
    pub fn paragraph(self, mark: &str, text: &str) {
        let width = terminal::columns().map_or(WIDTH, |columns| columns.min(WIDTH));
        wrapped(mark, text, width).iter().for_each(|line| self.line(line));
    }
}

/// The lines of a paragraph; a word that is too long for a line has one of its own.
fn wrapped(mark: &str, text: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(mark.chars().count());
    let mut lines = Vec::new();
    let (mut line, mut empty) = (mark.to_owned(), true);
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_fit() {
        let text = "one two ".repeat(40) + &"x".repeat(100) + " end";
        let lines = wrapped("  - ", &text, WIDTH);
        assert!(lines.iter().filter(|line| !line.contains("xx")).all(|line| line.chars().count() <= WIDTH));
        assert_eq!(lines.first().map(|line| line.get(..9)), Some(Some("  - one t")));
        assert!(lines.iter().skip(1).all(|line| line.starts_with("    ") && !line.starts_with("     ")));
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).skip(1).collect();
        assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
        assert!(wrapped("- ", "one two", 5).iter().eq(&["- one", "  two"]));
        assert_eq!(wrapped("- ", "", WIDTH), ["- "]);
    }
}
