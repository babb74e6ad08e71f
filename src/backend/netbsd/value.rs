//! Edits inside the value of a variable: items put behind the last one, and taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::chain::{Chain, is_default};
use super::sources::Filled;
use crate::backend::ifconfig::crlf_refusal;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Change};
use crate::root::{Root, RootPath};
use crate::syntax::shell::Assignment;
use crate::text::{Splice, Text};

/// Edits of the files of a chain, collected.
pub(super) struct Edits<'c> {
    chain: &'c Chain,
    files: BTreeMap<RootPath, (Text, Vec<Splice>)>,
}

impl<'c> Edits<'c> {
    pub(super) fn new(chain: &'c Chain) -> Edits<'c> {
        Edits { chain, files: BTreeMap::new() }
    }

    pub(super) fn changes(self, root: &Root) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, (text, splices)) in self.files {
            let after = Some(text.apply_with(splices, b";")?);
            changes.push(Change { before: root.read(&path)?, path, after, mode: 0o644, backup: Backup::Beside });
        }
        Ok(changes)
    }

    fn push(&mut self, assignment: &Assignment, splice: Splice) -> Result<()> {
        let Some(part) = self.chain.parts.get(assignment.source) else { return Ok(()) };
        if is_default(&part.path) {
            let hint = "set the variable in /etc/rc.conf, which wins";
            let refusal = Refusal::new(Kind::Malformed, "this is the file of the system's defaults", hint);
            return Err(refusal.at(&part.path, assignment.line).into());
        }
        if let Some(refusal) = crlf_refusal(&part.path, &part.text) {
            return Err(refusal.into());
        }
        self.files.entry(part.path.clone()).or_insert_with(|| (part.text.clone(), Vec::new())).1.push(splice);
        Ok(())
    }

    /// Puts items behind the last one, in the style of the value: after a `;`, or on lines of their own.
    pub(super) fn append(&mut self, filled: &Filled<'_>, items: &[String]) -> Result<()> {
        let bytes = filled.value.bytes();
        let content = bytes.trim_ascii_end();
        let assignment = self.assignment(filled)?;
        let is_set_off = |byte: &u8| byte.is_ascii_whitespace() || *byte == b';';
        if content.iter().rev().find(|byte| !is_set_off(byte)) == Some(&b'\\') {
            let hint = "take the backslash at its end out: what is put behind it would be joined to the last line";
            return Err(self.refusal(filled, "the value ends with a line that goes on", hint));
        }
        let added = if bytes.contains(&b'\n') {
            let line = content.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let indent: String =
                line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).map(|byte| char::from(*byte)).collect();
            items.iter().map(|item| format!("\n{indent}{item}")).collect::<String>()
        } else if content.ends_with(b";") {
            items.iter().map(|item| format!(" {item};")).collect()
        } else {
            items.iter().map(|item| format!("; {item}")).collect()
        };
        let Some(quote_end) = assignment.quote.map(|_| assignment.value_at.end.saturating_sub(1)) else {
            let value = [content, added.as_bytes()].concat();
            return self.rewrite(filled, &assignment, value);
        };
        // Lines end with their blanks; an item of a list does not.
        let blanks = bytes.get(content.len()..).unwrap_or_default();
        let kept = if bytes.contains(&b'\n') { blanks.iter().take_while(|byte| **byte != b'\n').count() } else { 0 };
        let own = (content.len() + kept).checked_sub(1).and_then(|last| filled.value.origin(last));
        let own = own.filter(|at| at.source == assignment.source && assignment.value_at.contains(&at.at));
        let at = own.map_or(quote_end, |origin| origin.at + 1);
        self.push(&assignment, Splice::insert(at, added))
    }

    /// Takes the items with these indexes out of `ifconfig_IF`, each with its `;` or line end.
    pub(super) fn cut(&mut self, filled: &Filled<'_>, gone: &BTreeSet<usize>) -> Result<()> {
        let length = filled.value.bytes().len();
        let place = |index: usize| filled.items.get(index).map(|item| item.at.clone()).unwrap_or_default();
        let last = filled.items.len().saturating_sub(1);
        // Items at the end go with what sets them off from the one that stays.
        let mut tail = filled.items.len();
        let is_open = place(last).end > length;
        while is_open && tail > 0 && gone.contains(&(tail - 1)) {
            tail -= 1;
        }
        let mut ranges: Vec<Range<usize>> =
            gone.iter().filter(|index| **index < tail).map(|index| place(*index)).collect();
        if tail < filled.items.len() {
            let kept = filled.value.bytes().len() - filled.value.bytes().trim_ascii_end().len();
            let start = place(tail).start;
            ranges.push(start.saturating_sub(1)..(length - kept).max(start));
        }
        self.cut_ranges(filled, ranges)
    }

    /// Takes pairs out of `ifaliases_IF`, with the blanks in front.
    pub(super) fn cut_pairs(&mut self, filled: &Filled<'_>, gone: &BTreeSet<usize>) -> Result<()> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut before: Option<usize> = None;
        for (index, item) in filled.items.iter().enumerate() {
            if !gone.contains(&index) {
                before = Some(item.at.end);
                continue;
            }
            let next = filled.items.get(index + 1).map(|next| next.at.start);
            let range = match (before, next) {
                (Some(end), _) => end..item.at.end,
                (None, Some(next)) => item.at.start..next,
                (None, None) => item.at.clone(),
            };
            match ranges.last_mut().filter(|last| last.end >= range.start) {
                Some(last) => last.end = range.end,
                None => ranges.push(range),
            }
        }
        self.cut_ranges(filled, ranges)
    }

    fn cut_ranges(&mut self, filled: &Filled<'_>, ranges: Vec<Range<usize>>) -> Result<()> {
        let assignment = self.assignment(filled)?;
        let place = |at: usize| {
            let origin = filled.value.origin(at)?;
            (origin.source == assignment.source && assignment.value_at.contains(&origin.at)).then_some(origin.at)
        };
        if assignment.quote.is_none() {
            let mut value = filled.value.bytes().to_vec();
            for range in ranges.iter().rev() {
                value.drain(range.clone());
            }
            return self.rewrite(filled, &assignment, value);
        }
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            if !range.clone().all(|at| place(at).is_some()) {
                return Err(self.scattered(filled));
            }
            let (Some(start), Some(end)) = (place(range.start), place(range.end - 1)) else { continue };
            self.push(&assignment, Splice::delete(start..end + 1))?;
        }
        Ok(())
    }

    /// Writes a value that is not one quoted string anew, if it is one and has nothing that a shell takes apart.
    fn rewrite(&mut self, filled: &Filled<'_>, assignment: &Assignment, value: Vec<u8>) -> Result<()> {
        let own = |at: usize| {
            let origin = filled.value.origin(at);
            origin.is_some_and(|origin| origin.source == assignment.source && assignment.value_at.contains(&origin.at))
        };
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" \t\n._-:/,;".contains(byte);
        if !(0..filled.value.bytes().len()).all(own) || !value.iter().all(plain) {
            return Err(self.scattered(filled));
        }
        let with = [b"\"", value.as_slice(), b"\""].concat();
        self.push(assignment, Splice { range: assignment.value_at.clone(), with })
    }

    /// The assignment that counts.
    fn assignment(&self, filled: &Filled<'_>) -> Result<Assignment> {
        filled.variable.assignments.last().cloned().ok_or_else(|| self.scattered(filled))
    }

    fn scattered(&self, filled: &Filled<'_>) -> anyhow::Error {
        let hint = "edit the file by hand, or write the value in one piece, in double quotes";
        self.refusal(filled, &format!("the value of {} is put together from several places", filled.name), hint)
    }

    fn refusal(&self, filled: &Filled<'_>, reason: &str, hint: &str) -> anyhow::Error {
        let refusal = Refusal::new(Kind::Malformed, reason, hint);
        match filled.variable.assignments.last() {
            Some(last) => refusal.at(&self.chain.place(last.source, 0).0, last.line).into(),
            None => refusal.into(),
        }
    }
}
