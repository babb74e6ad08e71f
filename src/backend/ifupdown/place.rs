//! Where an address may be written: the file, and how its neighbours are indented.
//!
//! The file with the base stanza comes first; where that is generated or somebody else's, a drop-in that an include line
//! of interfaces(5) really names, or the main file.

use std::sync::Arc;

use crate::error::{Kind, Refusal, Result};
use crate::root::{NodeKind, Root, RootPath};

use super::owner::{elsewhere, is_foreign};
use super::stanza::{Source, Stanza, Tree};

/// Where new stanzas go.
pub(super) enum Target {
    /// A file that is there.
    Existing(Arc<Source>),
    /// A drop-in that is created.
    New(RootPath),
}

const DEFAULT_INDENT: &str = "    ";

/// Why a file cannot be edited, if it cannot.
pub(super) fn obstacle(tree: &Tree, source: &Source) -> Option<Refusal> {
    let fault = tree.faults.iter().find(|fault| fault.path == source.path);
    fault.map(|fault| fault.refusal()).or_else(|| elsewhere(source))
}

/// The file for new stanzas: the one with the base stanza, a drop-in that is really read, or the main file.
pub(super) fn target(root: &Root, tree: &Tree, base: &Stanza) -> Result<Target> {
    let Some(refusal) = obstacle(tree, &base.source) else { return Ok(Target::Existing(Arc::clone(&base.source))) };
    if refusal.kind != Kind::ManagedElsewhere {
        return Err(refusal.into());
    }
    for path in tree.includes.iter().filter_map(|include| include.new_file(tree.flavour)) {
        let path = root.resolve(&path)?;
        if is_foreign(&path) || root.kind(&path.parent())? != NodeKind::Directory {
            continue;
        }
        let there = tree.sources.iter().find(|source| source.path == path && source.unread.is_none());
        match there {
            Some(source) if elsewhere(source).is_none() => {
                return obstacle(tree, source).map_or(Ok(Target::Existing(Arc::clone(source))), |no| Err(no.into()));
            }
            None if root.kind(&path)? == NodeKind::Absent => return Ok(Target::New(path)),
            _ => {}
        }
    }
    let main = tree.sources.first().filter(|main| elsewhere(main).is_none());
    match main {
        Some(main) => obstacle(tree, main).map_or(Ok(Target::Existing(Arc::clone(main))), |no| Err(no.into())),
        None => Err(refusal.into()),
    }
}

/// The indentation of options: that of the base stanza, or of the first option in the file.
pub(super) fn indent(tree: &Tree, base: &Stanza, target: &Target) -> String {
    let Target::Existing(source) = target else { return DEFAULT_INDENT.to_owned() };
    let own = |stanza: &&Stanza| Arc::ptr_eq(&stanza.source, source) && !stanza.options.is_empty();
    let model = Some(base).filter(own).or_else(|| tree.stanzas.iter().find(own));
    model.map_or(DEFAULT_INDENT.to_owned(), indent_of)
}

/// The indentation of a stanza's first option; the default if that is not blanks and tabs.
pub(super) fn indent_of(stanza: &Stanza) -> String {
    let first = stanza.options.iter().find(|option| option.word(0) == b"address").or_else(|| stanza.options.first());
    let Some(line) = first.and_then(|option| stanza.source.text.line(option.lines.start)) else {
        return DEFAULT_INDENT.to_owned();
    };
    let blanks = line.content.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let indent = line.content.get(..blanks).map(|blanks| String::from_utf8_lossy(blanks).into_owned());
    indent.filter(|_| line.content.get(blanks).is_some_and(u8::is_ascii_graphic)).unwrap_or(DEFAULT_INDENT.to_owned())
}
