//! netplan: lists of addresses in YAML files, which a generator turns into networkd's or NetworkManager's files.
//!
//! Follows netplan(5) and netplan-yaml(5), read as netplan reads them (measured with 0.99 to 1.1.2), and netplan-generate(8).
//! An additional address goes into a file of ipalias's own, because the others are mostly cloud-init's. Leaves out the files
//! that netplan generates, and definitions that NetworkManager writes for its profiles.

mod add;
mod addresses;
mod claim;
mod definitions;
mod files;
mod guide;
mod interfaces;
mod item;
mod program;
mod remove;
mod schema;
mod site;

use std::sync::Arc;

use crate::alias::{Alias, IfName};
use crate::backend::networkd::release::Release;
use crate::backend::{Backend, Entry, Role, Situation, Stance};
use crate::error::{Refusal, Result};
use crate::guide::Guide;
use crate::host;
use crate::plan::{Direct, Plan};
use crate::root::Root;
use crate::syntax::yaml::Fault;

use addresses::{Address, addresses};
use definitions::{Definition, Merged, Renderer, failing};
use files::{File, files};
use interfaces::{Link, Target, links, resolve};
use program::Program;

/// netplan.
#[derive(Debug, Clone, Copy)]
pub struct Netplan;

impl Backend for Netplan {
    fn name(&self) -> &'static str {
        "netplan"
    }

    fn home(&self) -> &'static str {
        "/etc/netplan"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        claim::stance(root)
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        Ok(Survey::of(root)?.entries())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::add(root, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// What the files of a root come to.
struct Survey {
    files: Vec<File>,
    merged: Merged,
    /// What netplan fails on; it then generates nothing.
    faults: Vec<Refusal>,
    /// By definition.
    renderers: Vec<Renderer>,
    addresses: Vec<Vec<Address>>,
    targets: Vec<Vec<Target>>,
    /// Definitions with the primary address, as indices.
    primary: Vec<usize>,
    links: Vec<Link>,
    route: Option<String>,
    program: Program,
    systemd: Release,
}

impl Survey {
    fn of(root: &Root) -> Result<Arc<Survey>> {
        root.once("netplan", || Survey::read(root))
    }

    fn read(root: &Root) -> Result<Survey> {
        let (files, mut faults) = files(root)?;
        let (program, systemd) = (Program::of(root)?, Release::of(root)?);
        let (links, route) = (links(root)?, host::default_route_interface(root)?);
        let counting = files.iter().enumerate().filter(|(_, file)| file.shadowed_by.is_none());
        let merged = Merged::of(&files, counting.map(|(index, _)| index));
        let renderers: Vec<Renderer> =
            merged.definitions.iter().map(|definition| merged.renderer(definition)).collect();
        faults.extend(merged.faults.iter().cloned());
        let mut all = Vec::new();
        for (definition, renderer) in merged.definitions.iter().zip(&renderers) {
            let (found, odd) = addresses(&files, definition, *renderer, systemd.version());
            let odd = odd.into_iter().filter_map(|(file, fault)| Some(failing(&files.get(file)?.path, fault)));
            faults.extend(odd);
            if let Some(options) = found.iter().find(|address| address.has_options && !program.takes_options) {
                let file = definition.parts.get(options.part).and_then(|part| files.get(part.file));
                let reason = "this netplan is older than 0.100 and takes no options of an address";
                faults.extend(file.map(|file| failing(&file.path, Fault::new(options.line, reason))));
            }
            all.push(found);
        }
        let targets = resolve(&merged.definitions, &renderers, &links);
        let primary = claim::primary(&merged.definitions, &targets, route.as_deref());
        Ok(Survey {
            files,
            merged,
            faults,
            renderers,
            addresses: all,
            targets,
            primary,
            links,
            route,
            program,
            systemd,
        })
    }

    /// The definition at `index` with its renderer.
    fn definition(&self, index: usize) -> Option<(&Definition, Renderer)> {
        self.merged.definitions.get(index).zip(self.renderers.get(index).copied())
    }

    fn entries(&self) -> Vec<Entry> {
        let mut all: Vec<(usize, Entry)> = Vec::new();
        for (index, definition) in self.merged.definitions.iter().enumerate() {
            let found = self.addresses.get(index).map(Vec::as_slice).unwrap_or_default();
            let is_primary = self.primary.contains(&index);
            let primary = if is_primary { claim::primary_addresses(definition, found) } else { Vec::new() };
            for target in self.targets.get(index).into_iter().flatten() {
                for (at, address) in found.iter().enumerate() {
                    let role = if primary.contains(&at) { Role::Primary } else { Role::Additional };
                    all.extend(self.entry(definition, target, address, role));
                }
            }
        }
        all.extend(self.hidden());
        all.sort_by_key(|(file, entry)| (*file, entry.line));
        all.into_iter().map(|(_, entry)| entry).collect()
    }

    fn entry(&self, definition: &Definition, target: &Target, address: &Address, role: Role) -> Option<(usize, Entry)> {
        let part = definition.parts.get(address.part)?;
        let problem = self.faults.first().map(ToString::to_string);
        let entry = Entry {
            interface: target.interface.clone(),
            address: address.net,
            label: address.label.clone().filter(|label| *label != target.interface),
            path: self.files.get(part.file)?.path.clone(),
            line: address.line,
            form: if address.has_options { "list item with options" } else { "list item" }.to_owned(),
            role,
            problem: problem.or_else(|| target.problem.clone()).or_else(|| address.problem.clone()),
        };
        Some((part.file, entry))
    }

    /// What stands in files that another of the same name hides.
    fn hidden(&self) -> Vec<(usize, Entry)> {
        let mut all = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            let Some(winner) = &file.shadowed_by else { continue };
            let problem = Some(format!("{winner} is read instead of this file"));
            let alone = Merged::of(&self.files, std::iter::once(index));
            let renderers: Vec<Renderer> =
                alone.definitions.iter().map(|definition| alone.renderer(definition)).collect();
            let targets = resolve(&alone.definitions, &renderers, &self.links);
            for ((definition, renderer), targets) in alone.definitions.iter().zip(renderers).zip(targets) {
                let (found, _) = addresses(&self.files, definition, renderer, self.systemd.version());
                for target in &targets {
                    let shown =
                        found.iter().filter_map(|address| self.entry(definition, target, address, Role::Additional));
                    all.extend(shown.map(|(file, entry)| (file, Entry { problem: problem.clone(), ..entry })));
                }
            }
        }
        all
    }

    /// The definitions that surely are for `interface`, or, where there is none, those that may be.
    fn candidates(&self, interface: &IfName) -> Vec<usize> {
        let with = |test: &dyn Fn(&Target) -> bool| -> Vec<usize> {
            let fits = |(_, targets): &(usize, &Vec<Target>)| targets.iter().any(test);
            self.targets.iter().enumerate().filter(fits).map(|(index, _)| index).collect()
        };
        let sure = with(&|target| target.is_name && target.interface == interface.as_str());
        if !sure.is_empty() {
            return sure;
        }
        with(&|target| !target.is_name && crate::backend::may_be(&target.interface, interface))
    }
}
