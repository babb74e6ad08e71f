//! Reads all files as one of the four readers does.
//!
//! Follows interfaces(5) and the readers' sources named in `flavour`. The walk is the readers' own: top down, includes at
//! their place, one current stanza. Leaves out what an address is: see `address`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::error::Result;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::words::{self, WordLine};
use crate::text::Text;

use super::faults::{self, family, inherits};
use super::flavour::{Flavour, Keyword};
use super::hook;
use super::include::{Include, MOST_FILES};
use super::merge::Merge;
use super::stanza::{Effect, Family, Fault, INTERFACES, Source, Stanza, Start, Tree};

/// How deep files may include each other.
const MOST_DEPTH: usize = 16;

/// Reads the files of `root` as `flavour` does; nothing if there is no `/etc/network/interfaces`.
pub(super) fn read(root: &Root, flavour: Flavour) -> Result<Option<Tree>> {
    let path = RootPath::from(INTERFACES);
    if !root.is_file(&path)? {
        return Ok(None);
    }
    let tree = Tree {
        flavour,
        sources: Vec::new(),
        stanzas: Vec::new(),
        starts: Vec::new(),
        includes: Vec::new(),
        mappings: Vec::new(),
        faults: Vec::new(),
        merged: HashMap::new(),
        left_over: HashSet::new(),
        lists: false,
    };
    let mut reader = Reader {
        root,
        flavour,
        tree,
        named: BTreeSet::new(),
        resolved: BTreeSet::new(),
        under_way: Vec::new(),
        first: HashMap::new(),
        unread: None,
        refused: None,
        behind_faults: Vec::new(),
        merge: Merge::default(),
        options: HashSet::new(),
        started: HashSet::new(),
    };
    reader.file(&path, 0)?;
    reader.behind_faults()?;
    let mut tree = reader.tree;
    tree.merged = reader.merge.finish();
    tree.lists = reads_lists(root)?;
    Ok(Some(tree))
}

/// What an option line would belong to.
#[derive(Debug, Clone, PartialEq)]
enum Current {
    Nothing,
    Stanza(usize),
    Mapping,
    /// ifupdown-ng: an `auto` line names the interface that options belong to.
    Named(String),
    /// ifupdown-ng: behind an include and in an included file, options belong to the interface before.
    Adrift(String),
}

/// The first stanza of a name.
struct First {
    of_any: usize,
    /// By [`Family`].
    of_family: [Option<usize>; 4],
}

struct Reader<'r> {
    root: &'r Root,
    flavour: Flavour,
    tree: Tree,
    /// Files as they were named, since that is how the readers notice that they have read one.
    named: BTreeSet<RootPath>,
    resolved: BTreeSet<RootPath>,
    /// The files that are being read, from the first one down.
    under_way: Vec<RootPath>,
    /// The first stanza of each name, for `inherits` and duplicates.
    first: HashMap<String, First>,
    unread: Option<String>,
    /// Why the reader does not get as far as the current line.
    refused: Option<String>,
    /// Includes that Debian's ifupdown does not come to, and why. What it reads elsewhere, it does read.
    behind_faults: Vec<(Arc<Source>, WordLine, Include, usize, String)>,
    /// ifupdown-ng: which netmask goes to which address.
    merge: Merge,
    /// The options of the current stanza.
    options: HashSet<Vec<u8>>,
    /// Names that were on `auto` lines.
    started: HashSet<String>,
}

const STRICT_HINT: &str = "repair the line first; ifquery --list or ifup -n -a shows whether the file is accepted";

impl Reader<'_> {
    fn file(&mut self, path: &RootPath, depth: usize) -> Result<()> {
        let skips_seen = matches!(self.flavour, Flavour::Classic | Flavour::Ng { .. });
        if !self.named.insert(path.clone()) && skips_seen {
            return Ok(());
        }
        let resolved = self.root.resolve(path)?;
        let again = self.resolved.contains(&resolved);
        let (None, Some(bytes)) = (self.unread.as_ref().filter(|_| again), self.root.read(path)?) else {
            return Ok(());
        };
        let text = Text::new(bytes);
        let split = words::split(&text, &self.flavour.dialect());
        let source = Arc::new(Source {
            path: resolved.clone(),
            directory: path.parent(),
            text,
            open: split.open,
            unread: self.unread.clone(),
        });
        self.tree.sources.push(Arc::clone(&source));
        if again {
            let hint = "include the file once, and keep links to it out of included directories";
            self.fault(
                &source,
                0,
                "this file is read twice, so every address in it fails twice",
                hint,
                Effect::Unclear,
            );
        } else if self.unread.is_none() {
            self.resolved.insert(resolved);
        }
        self.under_way.push(path.clone());
        let refused_outside = self.refused.take();
        self.refused.clone_from(&refused_outside);
        let whole = if depth == 0 { Effect::RefusesAll } else { Effect::RefusesFile };
        for (line, reason, hint, effect) in faults::of_bytes(&source, self.flavour, whole) {
            self.fault(&source, line, &reason, hint, effect);
        }
        let mut current = self.outside();
        for line in split.lines {
            current = self.line(&source, line, current, depth)?;
        }
        if self.flavour.is_ng() {
            let left = self.merge.end_of_file().into_iter().map(|name| (source.path.clone(), name));
            self.tree.left_over.extend(left);
        }
        self.refused = refused_outside;
        self.under_way.pop();
        Ok(())
    }

    /// What options belong to at the beginning of a file and behind an include: to nothing, but ifupdown-ng goes on with
    /// the stanza before.
    fn outside(&self) -> Current {
        let current = self.merge.current().filter(|_| self.flavour.is_ng());
        current.map_or(Current::Nothing, |name| Current::Adrift(name.to_owned()))
    }

    fn fault(&mut self, source: &Source, line: usize, reason: &str, hint: &'static str, effect: Effect) {
        if source.unread.is_some() {
            return;
        }
        if matches!(effect, Effect::RefusesAll | Effect::RefusesFile) {
            // What follows is still read, to be listed, but the first fault is the one to repair.
            if self.refused.is_some() {
                return;
            }
            self.refused = Some(format!("{} stops at {}:{line}: {reason}", self.flavour.name(), source.path));
        }
        let fault = Fault { path: source.path.clone(), line, reason: reason.to_owned(), hint, effect };
        self.tree.faults.push(fault);
    }

    /// Takes in one line and says what the next one would belong to.
    fn line(&mut self, source: &Arc<Source>, line: WordLine, current: Current, depth: usize) -> Result<Current> {
        let number = line.number();
        let before = current.clone();
        let refused =
            if depth == 0 || self.flavour != Flavour::Classic { Effect::RefusesAll } else { Effect::RefusesFile };
        let next = match self.flavour.keyword(line.word(0)) {
            keyword @ (Keyword::Iface | Keyword::Template) => {
                // A refused line still begins a stanza, to be listed.
                if let Some(reason) = self.iface_fault(&line) {
                    self.fault(source, number, &reason, STRICT_HINT, refused);
                }
                Ok(self.iface(source, line, current, keyword == Keyword::Template))
            }
            Keyword::Auto => self.start(source, line, current, "auto".to_owned()),
            Keyword::Allow(class) => self.start(source, line, current, class),
            Keyword::Source | Keyword::SourceDirectory => {
                let directory = self.flavour.keyword(line.word(0)) == Keyword::SourceDirectory;
                self.include(source, &line, directory, depth)?;
                Ok(self.outside())
            }
            Keyword::Mapping => {
                self.tree.mappings.extend(line.words_from(1).iter().map(words::Word::name));
                Ok(Current::Mapping)
            }
            Keyword::Other if line.words.len() == 1 => Ok(current),
            Keyword::Other => Ok(Current::Nothing),
            Keyword::Option => {
                if matches!(current, Current::Adrift(_)) {
                    let reason = "this option belongs to whatever interface the file read before ends with";
                    self.fault(source, number, reason, "put it below its iface line", Effect::UnclearAll);
                }
                self.unread_include(source, &line, depth)?;
                self.option(source, line, current)
            }
        };
        Ok(next.unwrap_or_else(|reason| {
            self.fault(source, number, &reason, STRICT_HINT, refused);
            before
        }))
    }

    fn iface(&mut self, source: &Arc<Source>, line: WordLine, current: Current, template: bool) -> Current {
        let Some(name) = line.words.get(1).map(words::Word::name) else { return current };
        let family = family(line.word(2));
        // ifupdown2 knows no `inherits`.
        let inherits = inherits(&line).filter(|_| !self.flavour.is_two());
        let mut method = String::from_utf8_lossy(line.word(3)).into_owned();
        if inherits.is_some_and(|at| at <= 3) {
            method.clear();
        }
        let family = family.unwrap_or(if self.flavour.is_strict() { Family::Other } else { Family::Any });
        let parent = inherits.and_then(|at| self.parent(&line, at));
        if let (true, Some(parent)) = (method.is_empty(), parent.and_then(|at| self.tree.stanzas.get(at))) {
            method.clone_from(&parent.method);
        }
        let hint = line.words_from(2).iter().find(|word| matches!(word.text.as_slice(), b"dhcp" | b"ppp"));
        if let Some(hint) = hint.filter(|_| self.flavour.is_ng()) {
            method = hint.name();
        }
        if method.is_empty() {
            "static".clone_into(&mut method);
        }
        self.options.clear();
        if self.flavour.is_ng() {
            self.merge.iface(&name);
        }
        self.push(Stanza {
            source: Arc::clone(source),
            head: line,
            name,
            family,
            method,
            inherits: parent,
            template,
            options: Vec::new(),
            refused: self.refused.clone(),
        })
    }

    fn push(&mut self, stanza: Stanza) -> Current {
        let at = self.tree.stanzas.len();
        let first = self.first.entry(stanza.name.clone()).or_insert(First { of_any: at, of_family: [None; 4] });
        if let Some(of_family) = first.of_family.get_mut(stanza.family as usize) {
            of_family.get_or_insert(at);
        }
        self.tree.stanzas.push(stanza);
        Current::Stanza(at)
    }

    /// The stanza that the word behind `at`, which is `inherits`, names: of the same family, if that was given before.
    fn parent(&self, line: &WordLine, at: usize) -> Option<usize> {
        let family = family(line.word(2)).filter(|_| at > 2);
        self.first_of(line.word(at + 1), family)
    }

    /// The first stanza of this name, of `family` if that is given.
    fn first_of(&self, name: &[u8], family: Option<Family>) -> Option<usize> {
        let first = self.first.get(String::from_utf8_lossy(name).as_ref())?;
        family.map_or(Some(first.of_any), |family| *first.of_family.get(family as usize)?)
    }

    /// What the reader finds wrong with an `iface` line, by itself and after those above it.
    fn iface_fault(&self, line: &WordLine) -> Option<String> {
        let alone = faults::of_iface(line, self.flavour);
        if alone.is_some() || !self.flavour.is_strict() {
            return alone;
        }
        if let Some(at) = inherits(line).filter(|at| *at <= 4) {
            let missing = self.parent(line, at).is_none();
            let parent = String::from_utf8_lossy(line.word(at + 1)).into_owned();
            return missing.then(|| format!("there is no stanza {parent:?} above to inherit from"));
        }
        let second = self.flavour == Flavour::Old && self.first_of(line.word(1), family(line.word(2))).is_some();
        let name = || String::from_utf8_lossy(line.word(1));
        second.then(|| format!("a second stanza for {}, which ifupdown 0.6 refuses", name()))
    }

    fn start(
        &mut self,
        source: &Arc<Source>,
        line: WordLine,
        current: Current,
        class: String,
    ) -> Result<Current, String> {
        let line = Arc::new(line);
        if line.words.len() == 1 && self.flavour.is_ng() {
            // ifupdown-ng takes it for an interface with an empty name.
            self.merge.auto("");
            return Ok(Current::Named(String::new()));
        }
        if line.words.len() == 1 {
            let stanza = match &current {
                Current::Stanza(at) if self.flavour == Flavour::Classic => self.tree.stanzas.get(*at),
                _ => None,
            };
            let Some(name) = stanza.map(|stanza| stanza.name.clone()) else { return Ok(Current::Nothing) };
            let source = Arc::clone(source);
            let start = Start {
                position: self.tree.stanzas.len(),
                source,
                line,
                word: None,
                class,
                device: name.clone(),
                logical: name,
                counts: self.refused.is_none(),
            };
            self.tree.starts.push(start);
            return Ok(current);
        }
        for (index, word) in line.words.iter().enumerate().skip(1) {
            let name = word.name();
            if self.flavour == Flavour::BusyBox && !self.started.insert(name.clone()) {
                return Err(format!("{name} is declared auto twice, which BusyBox refuses"));
            }
            let (device, logical) = name.split_once('=').unwrap_or((&name, &name));
            self.tree.starts.push(Start {
                position: self.tree.stanzas.len(),
                source: Arc::clone(source),
                line: Arc::clone(&line),
                word: Some(index),
                class: class.clone(),
                device: device.to_owned(),
                logical: logical.to_owned(),
                counts: self.refused.is_none() && (index == 1 || !self.flavour.is_ng()),
            });
        }
        Ok(match line.words.get(1) {
            Some(word) if self.flavour.is_ng() => {
                self.merge.auto(&word.name());
                Current::Named(word.name())
            }
            _ => Current::Nothing,
        })
    }

    fn option(&mut self, source: &Arc<Source>, line: WordLine, current: Current) -> Result<Current, String> {
        let strict = self.flavour.is_strict();
        let at = match current {
            Current::Stanza(at) => at,
            Current::Named(name) | Current::Adrift(name) => {
                // The options that follow `auto NAME` are its stanza, without an `iface` line.
                let begun = self.push(Stanza {
                    source: Arc::clone(source),
                    head: line.clone(),
                    name,
                    family: Family::Any,
                    method: "static".to_owned(),
                    inherits: None,
                    template: false,
                    options: Vec::new(),
                    refused: self.refused.clone(),
                });
                let Current::Stanza(at) = begun else { return Ok(begun) };
                at
            }
            Current::Mapping if matches!(line.word(0), b"script" | b"map") => return Ok(Current::Mapping),
            _ if strict => return Err("misplaced option: it belongs to no iface stanza".to_owned()),
            other => return Ok(other),
        };
        let fault = self.option_fault(&line);
        let inherits = self.flavour.is_ng() && line.word(0) == b"inherit";
        let inherits = if inherits { self.parent(&line, 0) } else { None };
        if let Some(stanza) = self.tree.stanzas.get_mut(at) {
            if self.flavour.is_ng() && line.word(0) == b"use" && matches!(line.word(1), b"dhcp" | b"ppp") {
                stanza.method = String::from_utf8_lossy(line.word(1)).into_owned();
            }
            stanza.inherits = stanza.inherits.or(inherits);
            let value = std::str::from_utf8(line.word(1)).unwrap_or_default();
            match line.word(0) {
                _ if !self.flavour.is_ng() => {}
                b"address" if !value.contains('/') => self.merge.address(&stanza.name, (at, stanza.options.len())),
                b"netmask" => self.merge.netmask(&stanza.name, hook::prefix(value)),
                _ => {}
            }
            stanza.options.push(line);
        }
        fault.map_or(Ok(Current::Stanza(at)), Err)
    }

    /// What the reader finds wrong with an option inside a stanza.
    fn option_fault(&mut self, line: &WordLine) -> Option<String> {
        if self.flavour.is_strict() && line.words.len() == 1 {
            return Some("an option without a value".to_owned());
        }
        let repeatable = || hook::runs_up(line.word(0)) || hook::runs_down(line.word(0));
        let once = matches!(self.flavour, Flavour::Old | Flavour::BusyBox) && !repeatable();
        let second = once && !self.options.insert(line.word(0).to_vec());
        let option = || String::from_utf8_lossy(line.word(0));
        second.then(|| format!("a second {} in one stanza, which {} refuses", option(), self.flavour.name()))
    }

    /// Follows an include line.
    fn include(&mut self, source: &Arc<Source>, line: &WordLine, directory: bool, depth: usize) -> Result<()> {
        // ifupdown takes the first name relative to the file, all others take every name relative to `/` at boot.
        let beside = if self.flavour.is_debian() { source.directory.clone() } else { RootPath::new("/") };
        let words = line.words_from(1);
        let words = if self.flavour.is_debian() { words } else { words.get(..1).unwrap_or_default() };
        for (index, word) in words.iter().enumerate() {
            let path = if index == 0 { beside.join(&word.text) } else { RootPath::new("/").join(&word.text) };
            if let Some(reason) = self.unclear_pattern(&word.text, directory) {
                let effect = if self.flavour.is_ng() { Effect::RefusesAll } else { Effect::Unclear };
                self.fault(source, line.number(), &reason, "name the included files with absolute paths", effect);
                continue;
            }
            let include = if directory { Include::Directory(path) } else { Include::Files(path) };
            if let Some(reason) = self.refused.clone().filter(|_| self.flavour == Flavour::Classic) {
                self.behind_faults.push((Arc::clone(source), line.clone(), include, depth, reason));
                continue;
            }
            self.follow(source, line, &include, depth)?;
            if self.unread.is_none() {
                self.tree.includes.push(include);
            }
        }
        Ok(())
    }

    /// Why it is not certain what a name on an include line means.
    fn unclear_pattern(&self, word: &[u8], directory: bool) -> Option<String> {
        let has = |bytes: &[u8]| word.iter().any(|byte| bytes.contains(byte));
        match self.flavour {
            Flavour::Classic if has(b"$`\"'\\~") => Some("ipalias does not evaluate shell expressions".to_owned()),
            Flavour::Ng { patterns: false } if !directory && has(b"*?[") => {
                Some("ifupdown-ng before 0.12 takes no pattern and refuses the whole file".to_owned())
            }
            _ => None,
        }
    }

    fn follow(&mut self, source: &Source, line: &WordLine, include: &Include, depth: usize) -> Result<()> {
        let files = include.files(self.root, self.flavour)?;
        let skips_seen = matches!(self.flavour, Flavour::Classic | Flavour::Ng { .. });
        let circle = !skips_seen && files.iter().any(|path| self.under_way.contains(path));
        if circle || depth >= MOST_DEPTH || self.tree.sources.len() >= MOST_FILES {
            let reason = "files include each other without end";
            self.fault(source, line.number(), reason, "remove the include that closes the circle", Effect::RefusesAll);
            return Ok(());
        }
        let missing = match (self.flavour, include) {
            (Flavour::BusyBox, Include::Files(_)) => files.is_empty(),
            (Flavour::BusyBox, Include::Directory(path)) => !self.holds_only_files(path)?,
            (Flavour::Ng { patterns: false }, Include::Files(_)) => files.is_empty(),
            _ => false,
        };
        if missing {
            let reason = format!("{} refuses all files because it cannot read this one", self.flavour.name());
            self.fault(source, line.number(), &reason, "name a file or directory that exists", Effect::RefusesAll);
        }
        for path in files {
            self.file(&path, depth + 1)?;
        }
        Ok(())
    }

    /// Looks at the files that are included behind faults only, to list what is in them.
    fn behind_faults(&mut self) -> Result<()> {
        while let Some((source, line, include, depth, reason)) = self.behind_faults.pop() {
            self.refused = Some(reason);
            self.follow(&source, &line, &include, depth)?;
        }
        Ok(())
    }

    /// Whether a directory exists and holds no other, which BusyBox would try to read.
    fn holds_only_files(&self, directory: &RootPath) -> Result<bool> {
        if self.root.kind(directory)? != NodeKind::Directory {
            return Ok(false);
        }
        for name in self.root.list(directory)? {
            if !name.starts_with(b".") && self.root.kind(&directory.join(&name))? == NodeKind::Directory {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An include line that this reader takes for something else: its files are looked at, but marked as not read.
    fn unread_include(&mut self, source: &Arc<Source>, line: &WordLine, depth: usize) -> Result<()> {
        let unknown = match self.flavour {
            Flavour::Old => matches!(line.word(0), b"source" | b"source-directory"),
            Flavour::Two { directories: false } => line.word(0) == b"source-directory",
            _ => false,
        };
        if !unknown || self.unread.is_some() {
            return Ok(());
        }
        let keyword = String::from_utf8_lossy(line.word(0)).into_owned();
        self.unread = Some(format!("{} does not know {keyword}, so it does not read this file", self.flavour.name()));
        let result = self.include(source, line, line.word(0) == b"source-directory", depth);
        self.unread = None;
        result
    }
}

/// Whether a script that runs with every stanza reads `addresses`, as Hetzner's does (interfaces(5), "IF_OPTION").
fn reads_lists(root: &Root) -> Result<bool> {
    let directory = RootPath::from("/etc/network/if-up.d");
    for name in root.list(&directory)? {
        let path = directory.join(name);
        let script = if root.is_file(&path)? { root.read(&path)?.unwrap_or_default() } else { Vec::new() };
        if script.windows(b"IF_ADDRESSES".len()).any(|bytes| bytes == b"IF_ADDRESSES") {
            return Ok(true);
        }
    }
    Ok(false)
}
