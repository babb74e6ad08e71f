//! Edits gathered per file, and the changes that come of them.
//!
//! Owns where the copy of the old bytes may stand: interfaces(5) reads whatever an include line names, and `source DIR/*`
//! reads `x.bak`, too. Leaves out what is written: see `add` and `remove`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::plan::{Backup, Change, Check, Staged};
use crate::root::RootPath;
use crate::text::{Splice, Text};

use super::flavour::Flavour;
use super::include::OWN_NAME;
use super::stanza::{INTERFACES, Source, Tree};

/// Permission bits of a drop-in that is created.
const MODE: u32 = 0o644;

/// The edits of one file.
#[derive(Debug, Default)]
struct FileEdit {
    /// The file; nothing for one that is created.
    source: Option<Arc<Source>>,
    splices: Vec<Splice>,
    /// Lines put in, by the index of the line that follows.
    inserted: BTreeMap<usize, Vec<String>>,
    /// Blocks of lines that are appended, each behind a blank line.
    blocks: Vec<Vec<String>>,
    /// Whole lines that go, as indexes; whether they are paragraphs of their own, with the blank line before them.
    gone: BTreeMap<usize, (usize, bool)>,
}

/// The edits of all files.
#[derive(Debug, Default)]
pub(super) struct Edits {
    files: BTreeMap<RootPath, FileEdit>,
}

impl Edits {
    fn file(&mut self, source: &Arc<Source>) -> &mut FileEdit {
        let edit = self.files.entry(source.path.clone()).or_default();
        edit.source.get_or_insert_with(|| Arc::clone(source));
        edit
    }

    /// Appends a block of lines to a file.
    pub(super) fn append(&mut self, source: &Arc<Source>, block: Vec<String>) {
        self.file(source).blocks.push(block);
    }

    /// Appends a block of lines to a file that is created.
    pub(super) fn create(&mut self, path: &RootPath, block: Vec<String>) {
        self.files.entry(path.clone()).or_default().blocks.push(block);
    }

    /// Puts lines in before the line at index `line`.
    pub(super) fn insert_lines(&mut self, source: &Arc<Source>, line: usize, lines: Vec<String>) {
        self.file(source).inserted.entry(line).or_default().extend(lines);
    }

    /// Takes whole lines out.
    pub(super) fn delete_lines(&mut self, source: &Arc<Source>, lines: Range<usize>, paragraph: bool) {
        let gone = self.file(source).gone.entry(lines.start).or_insert((lines.end, paragraph));
        *gone = (gone.0.max(lines.end), gone.1 || paragraph);
    }

    /// Takes bytes out of a line.
    pub(super) fn delete_bytes(&mut self, source: &Arc<Source>, range: Range<usize>) {
        let splices = &mut self.file(source).splices;
        let splice = Splice::delete(range);
        // A file that is read twice asks twice.
        if !splices.contains(&splice) {
            splices.push(splice);
        }
    }

    /// The changes to the files of `tree`.
    pub(super) fn changes(self, tree: &Tree) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, edit) in self.files {
            let backup = backup(tree, &path);
            let empty = Text::new(Vec::new());
            let text = edit.source.as_ref().map_or(&empty, |source| &source.text);
            let mut splices = edit.splices;
            splices.extend(runs(edit.gone).into_iter().map(|(lines, paragraph)| delete(text, lines, paragraph)));
            splices.extend(edit.inserted.iter().map(|(line, lines)| insert(text, *line, lines)));
            if !edit.blocks.is_empty() {
                let mut block = text.append_block(edit.blocks.join(&String::new()));
                // Lines put in at the end have closed the last line already.
                if text.ends_open() && edit.inserted.contains_key(&text.line_count()) {
                    block.with.drain(..text.eol().len());
                }
                splices.push(block);
            }
            let after = text.apply(splices)?;
            let before = edit.source.as_ref().map(|source| source.text.bytes().to_vec());
            let emptied = before.is_some() && is_own(&path) && after.iter().all(u8::is_ascii_whitespace);
            changes.push(Change { path, before, after: Some(after).filter(|_| !emptied), mode: MODE, backup });
        }
        Ok(changes)
    }
}

/// Deleted lines that touch, as one run: its first lines decide about the blank line before it.
fn runs(gone: BTreeMap<usize, (usize, bool)>) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for (start, (end, paragraph)) in gone {
        match runs.last_mut() {
            Some((run, whole)) if run.end >= start => {
                run.end = run.end.max(end);
                *whole |= paragraph;
            }
            _ => runs.push((start..end, paragraph)),
        }
    }
    runs
}

fn insert(text: &Text, line: usize, lines: &[String]) -> Splice {
    let eol = text.eol();
    let at = text.line(line).map_or(text.bytes().len(), |line| line.start);
    let close = if at == text.bytes().len() && text.ends_open() { eol } else { "" };
    let lines: String = lines.iter().flat_map(|line| [line.as_str(), eol]).collect();
    Splice::insert(at, [close, lines.as_str()].concat())
}

fn delete(text: &Text, lines: Range<usize>, paragraph: bool) -> Splice {
    if paragraph {
        return text.delete_block(lines);
    }
    let at = |index: usize| text.line(index).map_or(text.bytes().len(), |line| line.start);
    Splice::delete(at(lines.start)..at(lines.end))
}

/// Whether a file is the drop-in that ipalias makes.
fn is_own(path: &RootPath) -> bool {
    path.name().windows(OWN_NAME.len()).any(|bytes| bytes == OWN_NAME.as_bytes())
}

/// Beside the main file, unless an include line would make the copy live; never in an included directory.
fn backup(tree: &Tree, path: &RootPath) -> Backup {
    let main = tree.sources.first().is_some_and(|source| source.path == *path);
    let copy = path.parent().join([path.name(), b".bak"].concat());
    let named = RootPath::from(INTERFACES).parent().join("interfaces.bak");
    let read = |copy| tree.includes.iter().any(|include| include.covers(copy, tree.flavour));
    if main && !read(&copy) && !read(&named) { Backup::Beside } else { Backup::StoreOnly }
}

/// The reader's own parser for each changed file, where it has one that only reads.
pub(super) fn checks(flavour: Flavour, changes: &[Change]) -> Vec<Check> {
    let argv: &[&str] = match flavour {
        Flavour::Classic => &["ifquery", "--list", "-i", "{}"],
        Flavour::Ng { .. } => &["ifquery", "--list", "-i", "{}"],
        Flavour::BusyBox => &["ifup", "-n", "-m", "-f", "-a", "-i", "{}"],
        // ifupdown 0.6 has no ifquery, and ifupdown2 takes no other file unless its configuration allows it.
        Flavour::Old | Flavour::Two { .. } => return Vec::new(),
    };
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let kept = changes.iter().filter(|change| change.after.is_some());
    kept.map(|change| Check { staged: Staged::File(change.path.clone()), argv: argv.clone() }).collect()
}
