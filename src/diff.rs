//! A plan's changes as a unified diff, in bytes, such that `patch -p1` in the root turns before into after.
//!
//! No line with a secret is shown as context: there is less of it around a change that stands close to one, and the diff
//! still applies. In lines that are changed themselves the value is hidden, and there it does not.
//!
//! Lines end at `\n` only. What is common at both ends is cut off before anything is compared, and pure insertions and
//! deletions of any size take linear time; the general algorithm (Myers, by `similar`) sees only the rest.

use similar::algorithms::{Capture, Compact, Replace, myers, patience};
use similar::{DiffOp, DiffTag};

use crate::plan::{Backup, Change, Plan};
use crate::root::RootPath;
use crate::secrets;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// From this many lines on, a pure insertion or deletion is found by one pass instead of the general algorithm.
const MANY_LINES: usize = 2_000;

/// The unified diff of all changes of `plan`, empty if no file changes.
pub fn unified(plan: &Plan) -> Vec<u8> {
    let shown = plan.changes.iter().filter(|change| change.backup != Backup::Record || is_record(&change.path));
    shown.flat_map(of_change).collect()
}

/// The same as text: bytes that are not UTF-8 are replaced.
pub fn text(plan: &Plan) -> String {
    String::from_utf8_lossy(&unified(plan)).into_owned()
}

/// Whether the path is one of a record; the system's own files are not shown as if they were edited.
fn is_record(path: &RootPath) -> bool {
    path.is_under(&"/ipalias".into())
}

/// The unified diff of one change, empty if nothing changes.
pub fn of_change(change: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    if change.before == change.after {
        return out;
    }
    let side = |letter: &str, bytes: &Option<Vec<u8>>| match bytes {
        Some(_) => [letter.as_bytes(), change.path.as_bytes()].concat(),
        None => b"/dev/null".to_vec(),
    };
    header(&mut out, b"--- ", &side("a", &change.before));
    header(&mut out, b"+++ ", &side("b", &change.after));
    let old = lines(change.before.as_deref().unwrap_or_default());
    let new = lines(change.after.as_deref().unwrap_or_default());
    let hidden = (secrets::hidden(&old), secrets::hidden(&new));
    let ops = ops(&old, &new);
    for hunk in hunks(&ops, &hidden.0) {
        write_hunk(&mut out, &hunk, &Lines::new(&old, &hidden.0), &Lines::new(&new, &hidden.1));
    }
    out
}

/// Lines, each with what to show instead of it.
struct Lines<'a>(Vec<&'a [u8]>);

impl<'a> Lines<'a> {
    fn new(lines: &[&'a [u8]], hidden: &'a [Option<Vec<u8>>]) -> Lines<'a> {
        Lines(lines.iter().zip(hidden).map(|(line, hidden)| hidden.as_deref().unwrap_or(line)).collect())
    }

    fn get(&self, range: std::ops::Range<usize>) -> &[&'a [u8]] {
        self.0.get(range).unwrap_or_default()
    }
}

/// The hunks with as much context as shows no line of `hidden`, the same above and below: patch(1) takes a shorter context on
/// one side for the end of the file.
fn hunks(ops: &[DiffOp], hidden: &[Option<Vec<u8>>]) -> Vec<Vec<DiffOp>> {
    let shows = |hunks: &[Vec<DiffOp>]| {
        let mut context = hunks.iter().flatten().filter(|op| op.tag() == DiffTag::Equal);
        context.any(|op| hidden.get(op.old_range()).unwrap_or_default().iter().any(Option::is_some))
    };
    let mut context = CONTEXT;
    loop {
        let found = similar::group_diff_ops(ops.to_vec(), context);
        if context == 0 || !shows(&found) {
            return found;
        }
        context -= 1;
    }
}

fn header(out: &mut Vec<u8>, mark: &[u8], name: &[u8]) {
    out.extend_from_slice(mark);
    out.extend_from_slice(name);
    // A name with blanks needs a tab behind it, as diff -u writes one before the date.
    out.extend_from_slice(if name.contains(&b' ') { b"\t\n" } else { b"\n" });
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').collect()
}

fn ops(old: &[&[u8]], new: &[&[u8]]) -> Vec<DiffOp> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.iter().rev().zip(new.iter().rev()).take(old.len().min(new.len()) - head);
    let tail = rest.take_while(|(a, b)| a == b).count();
    let old_middle = old.get(head..old.len() - tail).unwrap_or_default();
    let new_middle = new.get(head..new.len() - tail).unwrap_or_default();
    let is_large = old_middle.len() + new_middle.len() >= MANY_LINES;
    let one_pass = if is_large { subsequence(old_middle, new_middle) } else { None };
    let middle = one_pass.unwrap_or_else(|| general(old_middle, new_middle, is_large));
    let mut ops = vec![DiffOp::Equal { old_index: 0, new_index: 0, len: head }];
    ops.extend(middle.into_iter().map(|op| shifted(op, head)));
    ops.push(DiffOp::Equal { old_index: old.len() - tail, new_index: new.len() - tail, len: tail });
    ops.retain(|op| !op.old_range().is_empty() || !op.new_range().is_empty());
    ops
}

/// The difference of any two sides. Called by their names, the program holds two of the library's algorithms instead of all.
fn general(old: &[&[u8]], new: &[&[u8]], is_large: bool) -> Vec<DiffOp> {
    let mut hook = Compact::new(Replace::new(Capture::new()), old, new);
    let (olds, news) = (0..old.len(), 0..new.len());
    // A hook that only records cannot fail.
    let Ok(()) = match is_large {
        false => myers::diff(&mut hook, old, olds, new, news),
        true => patience::diff(&mut hook, old, olds, new, news),
    };
    hook.into_inner().into_inner().into_ops()
}

/// The difference if one side is the other with lines left out, in one pass.
fn subsequence(old: &[&[u8]], new: &[&[u8]]) -> Option<Vec<DiffOp>> {
    let grows = new.len() >= old.len();
    let (short, long) = if grows { (old, new) } else { (new, old) };
    let mut ops = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while at < long.len() {
        let equal = long.iter().skip(at).zip(short.iter().skip(kept)).take_while(|(a, b)| a == b).count();
        let place = |at: usize, kept: usize| if grows { (kept, at) } else { (at, kept) };
        if equal > 0 {
            let (old_index, new_index) = place(at, kept);
            ops.push(DiffOp::Equal { old_index, new_index, len: equal });
        }
        (at, kept) = (at + equal, kept + equal);
        let next = short.get(kept);
        let extra = long.iter().skip(at).take_while(|line| Some(*line) != next).count();
        let (old_index, new_index) = place(at, kept);
        match extra {
            0 => {}
            len if grows => ops.push(DiffOp::Insert { old_index, new_index, new_len: len }),
            len => ops.push(DiffOp::Delete { old_index, new_index, old_len: len }),
        }
        at += extra;
    }
    (kept == short.len()).then_some(ops)
}

fn shifted(op: DiffOp, by: usize) -> DiffOp {
    match op {
        DiffOp::Equal { old_index, new_index, len } => {
            DiffOp::Equal { old_index: old_index + by, new_index: new_index + by, len }
        }
        DiffOp::Delete { old_index, old_len, new_index } => {
            DiffOp::Delete { old_index: old_index + by, old_len, new_index: new_index + by }
        }
        DiffOp::Insert { old_index, new_index, new_len } => {
            DiffOp::Insert { old_index: old_index + by, new_index: new_index + by, new_len }
        }
        DiffOp::Replace { old_index, old_len, new_index, new_len } => {
            DiffOp::Replace { old_index: old_index + by, old_len, new_index: new_index + by, new_len }
        }
    }
}

fn write_hunk(out: &mut Vec<u8>, hunk: &[DiffOp], old: &Lines<'_>, new: &Lines<'_>) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let span = |start: usize, end: usize| match end - start {
        // An empty side is named by the line before it.
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        len => format!("{},{len}", start + 1),
    };
    let old_span = span(first.old_range().start, last.old_range().end);
    let new_span = span(first.new_range().start, last.new_range().end);
    out.extend_from_slice(format!("@@ -{old_span} +{new_span} @@\n").as_bytes());
    for op in hunk {
        let gone = old.get(op.old_range());
        let come = new.get(op.new_range());
        match op.tag() {
            DiffTag::Equal => write_lines(out, b' ', gone),
            DiffTag::Delete => write_lines(out, b'-', gone),
            DiffTag::Insert => write_lines(out, b'+', come),
            DiffTag::Replace => {
                write_lines(out, b'-', gone);
                write_lines(out, b'+', come);
            }
        }
    }
}

fn write_lines(out: &mut Vec<u8>, mark: u8, lines: &[&[u8]]) {
    for line in lines {
        out.push(mark);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(before: Option<&str>, after: Option<&str>) -> String {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let change = Change {
            path: "/etc/x".into(),
            before: bytes(before),
            after: bytes(after),
            mode: 0o644,
            backup: Backup::Beside,
        };
        String::from_utf8(of_change(&change)).unwrap()
    }

    #[test]
    fn creation_deletion_and_no_final_newline() {
        assert_eq!(diff(None, Some("a\n")), "--- /dev/null\n+++ b/etc/x\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(diff(Some("a\n"), None), "--- a/etc/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
        assert_eq!(
            diff(Some("a"), Some("a\nb\n")),
            "--- a/etc/x\n+++ b/etc/x\n@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n"
        );
        assert_eq!(diff(Some("a\n"), Some("a\n")), "");
    }

    #[test]
    fn large_insertions_and_deletions_are_found_in_one_pass() {
        let base: String = (0..3000).map(|n| format!("line {n}\n\n")).collect();
        let extra = |n: usize| if n % 2 == 0 { format!("line {n}\n\nnew {n}\n\n") } else { format!("line {n}\n\n") };
        let grown: String = (0..3000).map(extra).collect();
        for (before, after, mark) in [(&base, &grown, "+"), (&grown, &base, "-")] {
            let text = diff(Some(before), Some(after));
            let changed: Vec<&str> = text.lines().skip(2).filter(|line| line.starts_with(['+', '-'])).collect();
            assert_eq!(changed.len(), 3000);
            assert!(changed.iter().all(|line| line.starts_with(mark)));
            let kept: Vec<&str> = text.lines().filter(|line| line.starts_with(' ')).map(|line| &line[1..]).collect();
            assert!(kept.iter().all(|line| line.is_empty() || line.starts_with("line ")));
        }
    }
}
