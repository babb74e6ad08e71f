//! The definitions of all files, merged as netplan merges them, and what makes its whole run fail on the way.
//!
//! Follows `handle_network_type()` and `validate_netdef_grammar()` of netplan 1.1.2: files in order, a later scalar wins,
//! lists grow, a definition keeps its type; an ID must be defined by the end of the file that refers to it.

use std::collections::BTreeMap;

use super::files::File;
use super::schema::{self, boolean, is_section};
use crate::error::{Kind, Refusal};
use crate::root::RootPath;
use crate::syntax::yaml::{Fault, Node};

/// Who configures the interface from what netplan generates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renderer {
    /// systemd-networkd.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

/// A definition as far as one file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The file, as an index.
    pub file: usize,
    /// The pair of the file's top mapping, of `network:`, and of the section.
    pub at: [usize; 3],
}

/// What all files say of one ID.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    /// Its ID.
    pub id: String,
    /// Its section: `ethernets`, `bonds`...
    pub section: String,
    /// Where it is written, in the order in which it counts.
    pub parts: Vec<Part>,
    /// Whether it says `match:`.
    pub has_match: bool,
    /// `match: name`.
    pub name: Option<String>,
    /// `match: macaddress`.
    pub mac: Option<String>,
    /// `match: driver`.
    pub drivers: Vec<String>,
    /// `set-name`.
    pub set_name: Option<String>,
    /// Whether IPv4 addresses come by DHCP.
    pub dhcp4: bool,
    /// Whether IPv6 addresses come by DHCP.
    pub dhcp6: bool,
    /// Whether it has a default route for IPv4.
    pub gateway4: bool,
    /// Whether it has a default route for IPv6.
    pub gateway6: bool,
    /// `interfaces` of a bridge or bond.
    pub members: Vec<String>,
    renderer: Option<Renderer>,
    keys: Vec<String>,
}

/// What the files come to.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// In the order in which they are first defined.
    pub definitions: Vec<Definition>,
    /// What netplan fails on; the first is what it says.
    pub faults: Vec<Refusal>,
    global: Option<Renderer>,
}

impl Part {
    /// The key and the mapping of the definition in its file.
    pub fn pair<'a>(&self, files: &'a [File]) -> Option<&'a (Node, Node)> {
        let [top, network, index] = self.at;
        let (_, top) = files.get(self.file)?.root()?.pairs()?.get(top)?;
        let (_, section) = top.pairs()?.get(network)?;
        section.pairs()?.get(index)
    }

    /// The mapping of the definition in its file.
    pub fn mapping<'a>(&self, files: &'a [File]) -> Option<&'a Node> {
        self.pair(files).map(|(_, value)| value)
    }
}

impl Merged {
    /// Merges the files at `which`.
    pub fn of(files: &[File], which: impl Iterator<Item = usize>) -> Merged {
        let mut merged = Merged::default();
        for index in which {
            if let Some(file) = files.get(index) {
                merged.read(file, index);
            }
        }
        merged
    }

    /// Who renders `definition`: what it says, else what its type says, else what all say.
    pub fn renderer(&self, definition: &Definition) -> Renderer {
        definition.renderer.or(self.global).unwrap_or(Renderer::Networkd)
    }

    /// The place of the definition called `id`.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.definitions.iter().position(|definition| definition.id == id)
    }

    fn fault(&mut self, file: &File, fault: Fault) {
        self.faults.push(failing(&file.path, fault));
    }

    fn read(&mut self, file: &File, index: usize) {
        let Some(root) = file.root() else { return };
        if let Err(fault) = schema::check_top(root) {
            self.fault(file, fault);
        }
        let mut references = Vec::new();
        for (top, (key, network)) in root.pairs().unwrap_or_default().iter().enumerate() {
            if key.scalar() != Some("network") {
                continue;
            }
            for (at, (key, value)) in network.pairs().unwrap_or_default().iter().enumerate() {
                match key.scalar() {
                    Some("renderer") => self.global = renderer(value).or(self.global),
                    Some(name) if is_section(name) => {
                        self.read_section(
                            file,
                            name,
                            value,
                            |pair| Part { file: index, at: [top, at, pair] },
                            &mut references,
                        );
                    }
                    _ => {}
                }
            }
        }
        for (owner, id, line) in references {
            let by_manager = self.position(&owner).and_then(|at| self.definitions.get(at)).is_some_and(|definition| {
                let may_lack = matches!(definition.section.as_str(), "vlans" | "virtual-ethernets");
                may_lack && self.renderer(definition) == Renderer::NetworkManager
            });
            if self.position(&id).is_none() && !by_manager {
                self.fault(file, Fault::new(line, format!("{owner} refers to {id}, which no file so far defines")));
            }
        }
    }

    fn read_section(
        &mut self,
        file: &File,
        section: &str,
        value: &Node,
        part: impl Fn(usize) -> Part,
        references: &mut Vec<(String, String, usize)>,
    ) {
        let mut by_type = None;
        for (pair, (key, value)) in value.pairs().unwrap_or_default().iter().enumerate() {
            if let Err(fault) = schema::check_definition(section, key, value) {
                self.fault(file, fault);
            }
            let Some(id) = key.scalar() else { continue };
            if id == "renderer" {
                by_type = renderer(value);
                continue;
            }
            let position = self.position(id).unwrap_or_else(|| {
                let definition = Definition {
                    id: id.to_owned(),
                    section: section.to_owned(),
                    renderer: by_type,
                    ..Definition::default()
                };
                self.definitions.push(definition);
                self.definitions.len() - 1
            });
            let Some(definition) = self.definitions.get_mut(position) else { continue };
            if definition.section != section {
                let reason =
                    format!("{id} is one of {} in another place, and an ID keeps its type", definition.section);
                self.fault(file, Fault::new(key.line, reason));
                continue;
            }
            definition.parts.push(part(pair));
            let found = definition.merge(value);
            references.extend(found.into_iter().map(|(other, line)| (id.to_owned(), other, line)));
            let fault = definition.grammar_fault();
            if let Some(reason) = fault {
                self.fault(file, Fault::new(key.line, reason));
            }
        }
    }
}

impl Definition {
    /// Takes in what one file says; returns the IDs that it refers to, with their lines.
    fn merge(&mut self, value: &Node) -> Vec<(String, usize)> {
        let mut references = Vec::new();
        for (key, value) in value.pairs().unwrap_or_default() {
            let Some(key) = key.scalar() else { continue };
            let text = || value.scalar().map(str::to_owned);
            let says = || value.scalar().and_then(boolean);
            self.keys.push(key.to_owned());
            match key {
                "renderer" => self.renderer = renderer(value).or(self.renderer),
                "set-name" => self.set_name = text(),
                "dhcp4" => self.dhcp4 = says().unwrap_or(self.dhcp4),
                "dhcp6" => self.dhcp6 = says().unwrap_or(self.dhcp6),
                "gateway4" => self.gateway4 = true,
                "gateway6" => self.gateway6 = true,
                "routes" => value.items().unwrap_or_default().iter().for_each(|route| self.route(route)),
                "match" => self.take_match(value),
                "interfaces" => {
                    let members = value.items().unwrap_or_default();
                    let named = members.iter().filter_map(|item| Some((item.scalar()?.to_owned(), item.line)));
                    references.extend(named);
                    if matches!(self.section.as_str(), "bridges" | "bonds") {
                        self.members.extend(members.iter().filter_map(|item| item.scalar().map(str::to_owned)));
                    }
                }
                "link" if matches!(self.section.as_str(), "vlans" | "tunnels" | "ethernets") => {
                    references.extend(text().map(|id| (id, value.line)));
                }
                "peer" => references.extend(text().map(|id| (id, value.line))),
                _ => {}
            }
        }
        references
    }

    fn take_match(&mut self, value: &Node) {
        self.has_match = true;
        for (key, value) in value.pairs().unwrap_or_default() {
            match key.scalar() {
                Some("name") => self.name = value.scalar().map(str::to_owned),
                Some("macaddress") => self.mac = value.scalar().map(str::to_ascii_lowercase),
                Some("driver") => {
                    let several = value.items().unwrap_or_default().iter();
                    let all = value.scalar().into_iter().chain(several.filter_map(Node::scalar));
                    self.drivers = all.map(str::to_owned).collect();
                }
                _ => {}
            }
        }
    }

    fn route(&mut self, route: &Node) {
        let value = |key| route.values(key).last().and_then(Node::scalar);
        let is_v6 = || value("via").is_some_and(|via| via.contains(':'));
        // A route in another table is for those whom a rule sends there.
        if value("table").is_some_and(|table| table != "254") {
            return;
        }
        match value("to") {
            Some("0.0.0.0/0" | "0/0") => self.gateway4 = true,
            Some("::/0" | "0::/0") => self.gateway6 = true,
            Some("default") if is_v6() => self.gateway6 = true,
            Some("default") => self.gateway4 = true,
            _ => {}
        }
    }

    /// What a definition must not lack or say, whatever the other files say later.
    fn grammar_fault(&self) -> Option<String> {
        let has = |key: &str| self.keys.iter().any(|known| known == key);
        let lacks = |keys: &[&str]| keys.iter().find(|key| !has(key)).map(|key| format!("{} lacks {key}:", self.id));
        match self.section.as_str() {
            _ if self.set_name.is_some() && !self.has_match => Some(format!("{}: set-name: needs match:", self.id)),
            "vlans" => lacks(&["link", "id"]),
            "wifis" => lacks(&["access-points"]),
            "virtual-ethernets" => lacks(&["peer"]),
            "vrfs" => lacks(&["table"]),
            "tunnels" => lacks(&["mode"]),
            _ => None,
        }
    }

    /// Whether its interface is one of the hardware, which may have another name than its ID.
    pub fn is_physical(&self) -> bool {
        matches!(self.section.as_str(), "ethernets" | "wifis" | "modems" | "nm-devices")
    }
}

/// What netplan fails on, as a refusal.
pub fn failing(path: &RootPath, fault: Fault) -> Refusal {
    let hint = "correct it first; this shows what netplan says: netplan generate";
    let reason = format!("netplan fails on this and takes in no file at all: {}", fault.reason);
    Refusal::new(Kind::Malformed, reason, hint).at(path, fault.line)
}

fn renderer(value: &Node) -> Option<Renderer> {
    match value.scalar()? {
        "networkd" => Some(Renderer::Networkd),
        "NetworkManager" => Some(Renderer::NetworkManager),
        _ => None,
    }
}

/// The pairs of `mapping` with `key`, by their place.
pub fn places<'a>(mapping: &'a Node, key: &'a str) -> BTreeMap<usize, &'a (Node, Node)> {
    let pairs = mapping.pairs().unwrap_or_default().iter().enumerate();
    pairs.filter(|(_, (found, _))| found.scalar() == Some(key)).collect()
}
