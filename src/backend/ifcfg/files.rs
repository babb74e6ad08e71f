//! The files of `/etc/sysconfig/network-scripts`: which are read, and by whom.

use std::collections::BTreeSet;

use super::consumer::{Consumer, Readers};
use super::file::{DIR, File, Sort};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Dialect, Environment, Value};
use crate::text::Text;

/// Ends of names that the network scripts pass over, and NetworkManager does.
const IGNORED_BY_SCRIPTS: &[&str] = &["~", ".bak", ".old", ".orig", ".rpmnew", ".rpmorig", ".rpmsave"];
const IGNORED_BY_NETWORK_MANAGER: &[&str] = &["~", ".bak", ".orig", ".rej", ".rpmnew", ".augnew", ".augtmp"];

/// What the host has for all interfaces.
const GLOBAL: &str = "/etc/sysconfig/network";

/// Every file of the directory that the readers read, and who they are.
pub(super) struct Files {
    pub(super) consumer: Consumer,
    pub(super) files: Vec<File>,
    /// The names of the directory behind `ifcfg-`, those that nobody reads included.
    pub(super) names: BTreeSet<String>,
    pub(super) global: Text,
    environment: Environment,
}

impl Files {
    pub(super) fn read(root: &Root, consumer: Consumer) -> Result<Files> {
        let dir = RootPath::from(DIR);
        let names: BTreeSet<String> = root
            .list(&dir)?
            .iter()
            .filter_map(|name| Some(std::str::from_utf8(name).ok()?.strip_prefix("ifcfg-")?.to_owned()))
            .collect();
        let by_line = consumer.readers == Readers::NetworkManager;
        let mut files = Vec::new();
        for name in &names {
            let is_read = !name.is_empty() && !is_ignored(name, consumer.readers);
            if is_read && root.is_file(&dir.join(format!("ifcfg-{name}")))? {
                files.push(File::read(root, name, by_line)?);
            }
        }
        let global = Text::new(root.read(&GLOBAL.into()).unwrap_or_default().unwrap_or_default());
        let mut environment = Environment::new(Dialect::Bash);
        environment.source(&global);
        Ok(Files { consumer, files, names, global, environment })
    }

    /// A variable of `/etc/sysconfig/network`.
    pub(super) fn global(&self, name: &str) -> Option<String> {
        match &self.environment.get(name)?.value {
            Value::Text(text) => Some(text.text()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// Who reads this file: `NM_CONTROLLED=no` keeps NetworkManager away.
    pub(super) fn readers(&self, file: &File) -> Readers {
        match self.consumer.readers {
            Readers::Both if file.denies("NM_CONTROLLED") => Readers::Scripts,
            Readers::NetworkManager if file.denies("NM_CONTROLLED") => Readers::Nobody,
            other => other,
        }
    }

    pub(super) fn bases(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.sort == Sort::Base)
    }

    /// The files that configure a device, the one that counts first: one that starts, of the same name.
    pub(super) fn bases_of(&self, interface: &str) -> Vec<&File> {
        let mut bases: Vec<&File> = self.bases().filter(|base| base.device == interface).collect();
        bases.sort_by_key(|base| (base.denies("ONBOOT"), base.name != interface));
        bases
    }

    pub(super) fn base(&self, interface: &str) -> Option<&File> {
        self.bases_of(interface).first().copied()
    }

    fn is_first(&self, base: &File) -> bool {
        self.base(&base.device).is_some_and(|first| first.name == base.name)
    }

    /// The alias files of a base file: by the name of its device, or of itself, as the readers do.
    pub(super) fn aliases<'f>(&'f self, base: &'f File) -> impl Iterator<Item = &'f File> {
        let (first, manager) = (self.is_first(base), self.readers(base) == Readers::NetworkManager);
        let is_own = move |stem: &str| first && stem == base.device || manager && stem == base.name;
        self.files.iter().filter(move |file| file.sort == Sort::Alias && is_own(file.stem()))
    }

    /// The range files of a base file, which only the network scripts read.
    pub(super) fn ranges<'f>(&'f self, base: &'f File) -> impl Iterator<Item = &'f File> {
        let read = self.is_first(base) && matches!(self.readers(base), Readers::Scripts | Readers::Both);
        self.files.iter().filter(move |file| read && file.sort == Sort::Range && file.stem() == base.device)
    }
}

/// Whether the readers pass over a name. What one of two readers reads is read; of aliases that is never more than what
/// the scripts read, since NetworkManager takes no dot behind the colon.
fn is_ignored(name: &str, readers: Readers) -> bool {
    let lower = name.to_ascii_lowercase();
    // rpm(8) writes a file under its name, `;` and eight digits first.
    let temporary = name
        .rsplit_once(';')
        .is_some_and(|(_, rest)| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let by_scripts = IGNORED_BY_SCRIPTS.iter().any(|end| name.ends_with(end));
    let by_manager = IGNORED_BY_NETWORK_MANAGER.iter().any(|end| lower.ends_with(end)) || temporary;
    match readers {
        Readers::NetworkManager => by_manager,
        Readers::Both if !name.contains(':') && !name.contains("-range") => by_scripts && by_manager,
        _ => by_scripts,
    }
}
