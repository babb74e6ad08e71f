//! Splices into the files of the chain.

use std::collections::BTreeMap;

use super::files::Chain;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Change};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, deletion, line_after, line_at_end};
use crate::text::{Line, Splice, Text};

/// Edits of the files of a chain, collected.
pub(super) struct Edits<'c> {
    pub(super) chain: &'c Chain,
    files: BTreeMap<RootPath, (Text, Vec<Splice>, Backup)>,
}

impl<'c> Edits<'c> {
    pub(super) fn new(chain: &'c Chain) -> Edits<'c> {
        Edits { chain, files: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, source: usize, splice: Splice) -> Result<()> {
        let Some(part) = self.chain.files.get(source) else { return Ok(()) };
        let (path, text) = (&part.path, &part.text);
        if source < self.chain.defaults {
            let hint = "set the variable in /etc/rc.conf, which wins";
            let refusal = Refusal::new(Kind::Malformed, "this is the file of the system's defaults", hint);
            return Err(refusal.at(path, 0).into());
        }
        if let Some((_, splices, _)) = self.files.get_mut(path) {
            splices.push(splice);
            return Ok(());
        }
        if let Some(line) = text.lines().find(Line::ends_with_return) {
            let hint = "convert the file to plain line ends: sh takes the carriage return for a part of the value";
            let refusal = Refusal::new(Kind::Malformed, "the line ends with a carriage return", hint);
            return Err(refusal.at(path, line.number).into());
        }
        // In a directory every file is read, whatever its name.
        let backup = if part.is_in_directory { Backup::StoreOnly } else { Backup::Beside };
        self.files.insert(path.clone(), (text.clone(), vec![splice], backup));
        Ok(())
    }

    /// Gives an assignment of nothing a value.
    pub(super) fn fill(&mut self, empty: &Assignment, value: &str) -> Result<()> {
        let Some(part) = self.chain.files.get(empty.source) else { return Ok(()) };
        let written = part.text.bytes().get(empty.value_at.clone()).unwrap_or_default();
        if !written.iter().all(|byte| matches!(byte, b'"' | b'\'')) {
            let reason = format!("what is written for {} comes to nothing", empty.name);
            let refusal = Refusal::new(Kind::Malformed, reason, "write it as two quotes, or take the line out");
            return Err(refusal.at(&part.path, empty.line).into());
        }
        self.push(empty.source, Splice { range: empty.value_at.clone(), with: format!("\"{value}\"").into() })
    }

    /// Takes an assignment out.
    pub(super) fn delete(&mut self, assignment: &Assignment) -> Result<()> {
        let Some(part) = self.chain.files.get(assignment.source) else { return Ok(()) };
        self.push(assignment.source, deletion(&part.text, assignment))
    }

    /// Puts lines behind the last variable of the interface, in the file that has `ifconfig_IF`.
    pub(super) fn insert(&mut self, key: &str, lines: &[String]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let main = format!("ifconfig_{key}");
        let Some(source) = self.home(&main) else {
            if !self.chain.conf_files().iter().any(|name| name == "/etc/rc.conf") {
                return Err(unread(&"/etc/rc.conf".into()).into());
            }
            let splice = Splice::insert(0, format!("{}\n", lines.join("\n")));
            self.files.insert("/etc/rc.conf".into(), (Text::new(Vec::new()), vec![splice], Backup::Beside));
            return Ok(());
        };
        let Some(part) = self.chain.files.get(source) else { return Ok(()) };
        let environment = &self.chain.environment;
        let belongs = |name: &&str| *name == main || name.starts_with(&format!("{main}_"));
        let last = environment
            .names()
            .filter(belongs)
            .filter_map(|name| environment.get(name))
            .flat_map(|variable| &variable.assignments)
            .filter(|assignment| assignment.source == source)
            .max_by_key(|assignment| (assignment.next, assignment.at.start));
        let body = lines.join(part.text.eol());
        let splice = match last {
            Some(last) => line_after(&part.text, last, &body),
            None => line_at_end(&part.text, &body),
        };
        let splice = splice.map_err(|refusal| refusal.at(&part.path, part.text.line_count()))?;
        self.push(source, splice)
    }

    /// The file for new variables: the one that has the interface's own, else rc.conf, else the first one.
    fn home(&self, main: &str) -> Option<usize> {
        let chain = self.chain;
        let own = chain.environment.get(main).and_then(|variable| variable.assignments.last()).map(|last| last.source);
        let rc_conf = chain.files.iter().position(|part| part.path.as_bytes() == b"/etc/rc.conf");
        let first = Some(chain.defaults).filter(|first| *first < chain.files.len());
        own.filter(|source| *source >= chain.defaults).or(rc_conf).or(first)
    }

    pub(super) fn changes(self, root: &Root) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, (text, splices, backup)) in self.files {
            let before = root.read(&path)?;
            if before.as_deref().unwrap_or_default() != text.bytes() {
                return Err(unread(&path).into());
            }
            let after = Some(text.apply(splices)?);
            changes.push(Change { before, path, after, mode: 0o644, backup });
        }
        Ok(changes)
    }
}

fn unread(path: &RootPath) -> Refusal {
    let reason = "the system does not read this file: rc_conf_files in /etc/defaults/rc.conf leaves it out";
    let hint = "name it there again, or write into one of the files that are named there";
    Refusal::new(Kind::Malformed, reason, hint).at(path, 0)
}
