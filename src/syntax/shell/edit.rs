//! Splices that take an assignment out of a file, or put a line behind one.

use super::Assignment;
use crate::error::{Kind, Refusal};
use crate::text::{Splice, Text};

/// The splice that takes an assignment out of `text`: whole lines where nothing else stands on them (a comment behind it
/// goes with it), otherwise the assignment with the `;` or blank that set it off.
pub fn deletion(text: &Text, assignment: &Assignment) -> Splice {
    let bytes = text.bytes();
    let (start, end) = (assignment.at.start, assignment.at.end);
    let line = line_start(text, start);
    let rest = bytes.get(end..).unwrap_or_default();
    let to_line_end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
    let behind = rest.get(..to_line_end).unwrap_or_default();
    let after = behind.trim_ascii_start();
    let in_front = in_front(bytes.get(line..start).unwrap_or_default());
    let goes_on = ["&&", "||"].iter().any(|sign| after.starts_with(sign.as_bytes()));
    let went_on = ["&&", "||"].iter().any(|sign| in_front.ends_with(sign.as_bytes()));
    let last = after.is_empty() || after.starts_with(b";") || after.starts_with(b"#") && after.len() < behind.len();
    let first = in_front.is_empty() || in_front.ends_with(b";") || went_on;
    if first && goes_on || went_on && last {
        // Its command is a part of a list, which needs one there.
        return Splice { range: start..end, with: b":".to_vec() };
    }
    let mut kept = in_front;
    if last {
        // Without its only argument `export` would print all variables.
        kept = kept.strip_suffix(b"export").map_or(kept, |kept| kept.trim_ascii_end());
    }
    let ends_line = last && (!after.starts_with(b";") || after.trim_ascii() == b";");
    if kept.is_empty() && ends_line {
        return Splice::delete(line..end + to_line_end);
    }
    if !kept.is_empty() && last {
        return Splice::delete(line + kept.len() - usize::from(kept.ends_with(b";"))..end);
    }
    let start = if last { line } else { start };
    let mut gap = behind.len() - after.len();
    if after.starts_with(b";") {
        gap += 1 + after.iter().skip(1).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    }
    Splice::delete(start..end + gap)
}

/// Where the line that `at` is in begins; one that goes on with the next belongs to it.
fn line_start(text: &Text, at: usize) -> usize {
    let before = text.bytes().get(..at).unwrap_or_default();
    let ends =
        |at: &usize| before.get(*at) == Some(&b'\n') && at.checked_sub(1).and_then(|at| before.get(at)) != Some(&b'\\');
    (0..before.len()).rev().find(ends).map_or(text.bom_len().min(at), |at| at + 1)
}

/// What stands in front on the line, without the blanks that set the assignment off.
fn in_front(front: &[u8]) -> &[u8] {
    let kept = front.trim_ascii_end();
    if kept.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
        // That blank is quoted.
        return front.get(..kept.len() + 1).unwrap_or(front);
    }
    kept
}

/// The splice that puts `line` on a line of its own behind the command line of `assignment`.
///
/// # Errors
///
/// As of [`line_at_end`], if nothing comes behind that command line.
pub fn line_after(text: &Text, assignment: &Assignment, line: &str) -> Result<Splice, Refusal> {
    line_at(text, assignment.next.min(text.bytes().len()), line)
}

/// The splice that puts `line` on a line of its own at the end of `text`.
///
/// # Errors
///
/// If the last line ends in a backslash, be it before the line's end: the shell would take both for one.
pub fn line_at_end(text: &Text, line: &str) -> Result<Splice, Refusal> {
    line_at(text, text.bytes().len(), line)
}

fn line_at(text: &Text, at: usize, line: &str) -> Result<Splice, Refusal> {
    if at == text.bytes().len() && goes_on(text) {
        let reason = "the file ends in a backslash, so that the last line would go on with whatever is put behind it";
        return Err(Refusal::new(Kind::Malformed, reason, "take the backslash away, or write the rest of that line"));
    }
    // A byte order mark is a word to the shell.
    let open = at > 0 && text.bytes().get(at - 1) != Some(&b'\n');
    let eol = text.eol();
    Ok(Splice::insert(at, format!("{}{line}{eol}", if open { eol } else { "" })))
}

/// Whether the last line goes on with whatever comes behind it. A comment does not.
fn goes_on(text: &Text) -> bool {
    let bytes = text.bytes();
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let last = line.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let odd = last.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    odd && !last.trim_ascii_start().starts_with(b"#")
}
