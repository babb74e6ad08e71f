//! Tables and fields that fit the terminal: words are never broken as long as a line holds them, so that a path can be copied.

/// Blanks between columns.
const GAP: usize = 2;

/// How far what found no room in its line is indented below it.
const INDENT: usize = 4;

/// The last column of a line is folded only where it keeps this width; below that it begins another line.
const LEAST: usize = 36;

/// The widest that a column gets where nothing limits the line: a cell that is very long is not waited for by the others.
const MOST: usize = 200;

/// The lines of the heading and of each row, in `width` columns if there is a limit. Where that is too narrow, a column in
/// which nothing stands is left out, and the last ones are put below the others.
pub(super) fn lay_out(heading: &[&str], rows: &[Vec<String>], width: Option<usize>) -> Vec<Vec<String>> {
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let natural =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max().unwrap_or(0);
    let mut columns: Vec<Column> = (0..heading.len())
        .map(|number| Column { number, width: natural(number).min(width.map_or(MOST, |_| usize::MAX)) })
        .collect();
    let Some(limit) = width else {
        return all.iter().map(|row| vec![line(columns.iter().map(|column| (column.of(row), column.width)))]).collect();
    };
    if needed(&columns) > limit {
        let says_something = |column: &Column| rows.iter().any(|row| column.of(row) != "-");
        columns.retain(|column| column.number == 0 || says_something(column));
    }
    let groups = groups(columns, limit);
    all.iter().map(|row| groups.iter().flat_map(|group| group.lines(row, limit)).collect()).collect()
}

/// A column of the table and how wide it is.
struct Column {
    number: usize,
    width: usize,
}

impl Column {
    fn of<'a>(&self, row: &'a [String]) -> &'a str {
        row.get(self.number).map(String::as_str).unwrap_or_default()
    }
}

/// Columns that stand beside each other, the last of which may be folded.
struct Group {
    indent: usize,
    columns: Vec<Column>,
    last: Column,
}

/// The columns in groups that fit into `limit`, as many in each as possible.
fn groups(mut rest: Vec<Column>, limit: usize) -> Vec<Group> {
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let indent = if groups.is_empty() { 0 } else { INDENT };
        let fits = |count: &usize| {
            let (before, last) = rest.split_at(count - 1);
            let least = last.first().map_or(0, |last| last.width.min(LEAST));
            indent + before.iter().map(|column| column.width + GAP).sum::<usize>() + least <= limit
        };
        let count = (1..=rest.len()).rev().find(fits).unwrap_or(1);
        let later = rest.split_off(count);
        let mut columns = std::mem::replace(&mut rest, later);
        let Some(last) = columns.pop() else { break };
        groups.push(Group { indent, columns, last });
    }
    groups
}

impl Group {
    fn lines(&self, row: &[String], limit: usize) -> Vec<String> {
        let before: Vec<(&str, usize)> = self.columns.iter().map(|column| (column.of(row), column.width)).collect();
        let used = self.indent + before.iter().map(|(_, width)| width + GAP).sum::<usize>();
        let (last, room) = (self.last.of(row), limit.saturating_sub(used).max(1));
        if self.indent > 0 && before.is_empty() && matches!(last, "" | "-") {
            return Vec::new();
        }
        let indented =
            |cells: Vec<(&str, usize)>| format!("{:indent$}{}", "", line(cells.into_iter()), indent = self.indent);
        if !before.is_empty() && last.split(' ').any(|word| length(word) > room) {
            // One cell that is longer than the others' does not have them all put below.
            let below = fold(last, limit.saturating_sub(INDENT).max(1)).into_iter();
            return std::iter::once(indented(before))
                .chain(below.map(|part| format!("{:INDENT$}{part}", "")))
                .collect();
        }
        let parts = fold(last, room);
        let nothing: Vec<(&str, usize)> = before.iter().map(|(_, width)| ("", *width)).collect();
        let mut lines = Vec::with_capacity(parts.len());
        for (number, part) in parts.iter().enumerate() {
            let mut cells = if number == 0 { before.clone() } else { nothing.clone() };
            cells.push((part.as_str(), 0));
            lines.push(indented(cells));
        }
        lines
    }
}

fn needed(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A sentence in lines of `width` columns, the later ones indented a little.
pub(super) fn paragraph(text: &str, width: usize) -> String {
    text.lines().map(|line| fold(line, width.saturating_sub(2).max(1)).join("\n  ")).collect::<Vec<_>>().join("\n")
}

/// A name in a column of `indent` and what is said of it, folded beside it, or below it where a word is too long for that.
pub(super) fn field(name: &str, value: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![format!("{name:indent$} {value}")] };
    let room = width.saturating_sub(indent + 1).max(1);
    if value.split(' ').any(|word| length(word) > room) {
        let below = fold(value, width.saturating_sub(INDENT).max(1));
        return std::iter::once(name.to_owned())
            .chain(below.iter().map(|part| format!("{:INDENT$}{part}", "")))
            .collect();
    }
    let parts = fold(value, room).into_iter().enumerate();
    parts.map(|(number, part)| format!("{:indent$} {part}", if number == 0 { name } else { "" })).collect()
}

fn line<T: AsRef<str>>(cells: impl Iterator<Item = (T, usize)>) -> String {
    let padded: Vec<String> = cells.map(|(cell, width)| format!("{:<width$}", cell.as_ref())).collect();
    padded.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// `text` in lines of at most `room` characters, broken between words, and inside one only if it is longer than a line.
fn fold(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let begun = used > 0;
        if begun && used + 1 + length > room {
            lines.push(String::new());
            used = 0;
        }
        for (number, c) in word.chars().enumerate() {
            if used >= room {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                if number == 0 && used > 0 {
                    line.push(' ');
                    used += 1;
                }
                line.push(c);
                used += 1;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: [&str; 6] = ["ADDRESS", "INTERFACE", "LABEL", "ROLE", "STATE", "WHERE"];

    fn row(address: &str, label: &str, place: &str) -> Vec<String> {
        [address, "eth0", label, "additional", "configured and up", place].map(str::to_owned).to_vec()
    }

    fn rows() -> Vec<Vec<String>> {
        vec![
            row("192.0.2.10/24", "-", "/etc/network/interfaces:10"),
            row("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128", "-", "/etc/network/interfaces.d/50-cloud-init:120"),
        ]
    }

    fn widest(lines: &[Vec<String>]) -> usize {
        lines.iter().flatten().map(|line| line.chars().count()).max().unwrap()
    }

    #[test]
    fn a_pipe_gets_one_line_a_row() {
        let lines = lay_out(&HEADING, &rows(), None);
        assert!(lines.iter().all(|lines| lines.len() == 1));
        assert_eq!(lines[0][0].find("WHERE"), lines[1][0].find("/etc"));
    }

    #[test]
    fn a_narrow_terminal_gets_places_below() {
        let short = [row("192.0.2.10/24", "-", "/etc/network/interfaces:10"), row("192.0.2.11/24", "-", "-")];
        assert_eq!(
            lay_out(&HEADING, &short, Some(80)).concat(),
            [
                "ADDRESS        INTERFACE  ROLE        STATE",
                "    WHERE",
                "192.0.2.10/24  eth0       additional  configured and up",
                "    /etc/network/interfaces:10",
                "192.0.2.11/24  eth0       additional  configured and up",
            ]
        );
        assert_eq!(
            lay_out(&HEADING, &rows(), Some(80)).concat(),
            [
                "ADDRESS                                     INTERFACE  ROLE",
                "    STATE              WHERE",
                "192.0.2.10/24                               eth0       additional",
                "    configured and up  /etc/network/interfaces:10",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128  eth0       additional",
                "    configured and up  /etc/network/interfaces.d/50-cloud-init:120",
            ]
        );
        let long = format!("/etc/network/interfaces.d/{}:1", "x".repeat(40));
        let lines = lay_out(&HEADING, &[row("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128", "-", &long)], Some(80));
        assert_eq!(lines[1][1..], ["    configured and up".to_owned(), format!("    {long}")], "a path is not broken");
        let named = lay_out(&HEADING, &[row("192.0.2.10/24", "eth0:1", "/etc/x:1")], Some(80));
        assert!(named[0][0].contains("LABEL"), "{named:#?}");
    }

    #[test]
    fn a_wide_terminal_gets_one_line_a_row() {
        assert!(lay_out(&HEADING, &rows(), Some(200)).iter().all(|lines| lines.len() == 1));
    }

    #[test]
    fn every_width_is_kept() {
        let mut all = rows();
        all.push(row("10.0.0.1/32", "eth0:failover", &"/a".repeat(300)));
        all.push(row("10.0.0.2/32", "-", &["word"; 200].join(" ")));
        for width in 20..250 {
            let lines = lay_out(&HEADING, &all, Some(width));
            assert!(widest(&lines) <= width, "{width}: {lines:#?}");
            let text: String = lines.iter().flatten().flat_map(|line| line.chars()).filter(|c| *c != ' ').collect();
            let count = |c: char| text.chars().filter(|other| *other == c).count();
            assert!(count('/') >= 300 && text.contains("word"), "{width}: nothing is lost");
        }
    }

    #[test]
    fn fields_are_folded() {
        let lines =
            field("not", "ifupdown: /etc/network/interfaces configures nothing but lo, and so on and on", 15, Some(50));
        assert!(lines.iter().all(|line| line.chars().count() <= 50), "{lines:?}");
        assert!(
            lines[0].starts_with("not             ifupdown:") && lines[1].starts_with("                configures"),
            "{lines:?}"
        );
        assert_eq!(field("files", "/a, /b", 15, None), ["files           /a, /b"]);
    }
}
