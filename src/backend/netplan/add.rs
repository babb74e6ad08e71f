//! Adding: items in the definition's list in the own file, which is made where it is not there yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Survey;
use super::addresses::Address;
use super::claim::primary_addresses;
use super::definitions::{Definition, Part, Renderer, places};
use super::files::{File, created};
use super::item::Spelling;
use super::site::{Site, at_definition, definition_of, editable, site};
use crate::alias::{Alias, IfName};
use crate::backend::Situation;
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Action, Apply, Change, Plan, Step};
use crate::root::{Root, RootPath};
use crate::syntax::yaml::{Fault, Node, Pair, append_items, append_pair};
use crate::text::{Splice, Text};

/// The plan that configures `want`.
pub fn add(root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
    let mut by_interface: BTreeMap<&IfName, Vec<&Alias>> = BTreeMap::new();
    for alias in want {
        by_interface.entry(&alias.interface).or_default().push(alias);
    }
    let mut plan = Plan::nothing();
    let mut touched = Vec::new();
    let mut up = Vec::new();
    for (interface, aliases) in by_interface {
        // Two definitions may share the own file.
        let survey = Survey::of(&plan.overlay(root))?;
        if let Some(fault) = survey.faults.first() {
            return Err(fault.clone().into());
        }
        let index = definition_of(&survey, interface)?;
        let addition = Addition::to(&survey, index)?;
        let fresh = addition.fresh(&aliases, interface, &mut plan)?;
        if fresh.is_empty() {
            continue;
        }
        let site = site(&plan.overlay(root), &survey, index, now.in_place)?;
        put(&mut plan, addition.change(&site, &fresh)?);
        let down = |alias: &&&Alias| now.up(alias.address.addr()).is_none_or(|up| up.interface != interface.as_str());
        up.extend(fresh.iter().filter(down).map(|alias| addition.as_written(alias)));
        addition.notes(&site, &fresh, &mut plan);
        touched.push((addition.definition.clone(), addition.renderer));
    }
    if touched.is_empty() {
        return Ok(plan);
    }
    let survey = Survey::of(root)?;
    let program = &survey.program;
    let files = survey.files.iter().map(|file| file.path.clone());
    let planned: BTreeSet<RootPath> = files.chain(plan.changes.iter().map(|change| change.path.clone())).collect();
    plan.checks.push(program.check(planned.into_iter().collect()));
    plan.auto.after.extend(up.into_iter().map(|alias| Step::new(Action::Add(alias))));
    plan.auto
        .after
        .extend(program.reread(survey.systemd, touched.iter().map(|(definition, renderer)| (definition, *renderer))));
    plan.restart = Ok(Apply { before: Vec::new(), after: vec![program.apply()] });
    let by_networkd = touched.iter().any(|(_, renderer)| *renderer == Renderer::Networkd);
    plan.notes.extend(by_networkd.then(|| survey.systemd.rereading_note()).flatten());
    Ok(plan)
}

/// Joins `change` to what is planned for the same file.
fn put(plan: &mut Plan, change: Change) {
    match plan.changes.iter_mut().find(|known| known.path == change.path) {
        Some(known) => known.after = change.after,
        None => plan.changes.push(change),
    }
}

/// The definition that is added to.
struct Addition<'a> {
    survey: &'a Survey,
    index: usize,
    definition: &'a Definition,
    renderer: Renderer,
}

impl<'a> Addition<'a> {
    fn to(survey: &'a Survey, index: usize) -> Result<Addition<'a>> {
        match survey.definition(index) {
            Some((definition, renderer)) => Ok(Addition { survey, index, definition, renderer }),
            None => Err(Refusal::new(Kind::NotFound, "the definition is gone", "try again").into()),
        }
    }

    /// Those of `aliases` that are not there, if they can be written.
    fn fresh<'b>(&self, aliases: &[&'b Alias], interface: &IfName, plan: &mut Plan) -> Result<Vec<&'b Alias>> {
        let found = self.survey.addresses.get(self.index).map(Vec::as_slice).unwrap_or_default();
        let mut present = BTreeMap::new();
        for address in found {
            let known = present.entry(address.net.addr()).or_insert(address);
            if known.problem.is_some() && address.problem.is_none() {
                *known = address;
            }
        }
        let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
        let mut fresh = Vec::new();
        for alias in aliases.iter().filter(|alias| seen.insert(alias.address.addr())) {
            let ip = alias.address.addr();
            match present.get(&ip) {
                Some(there) if there.problem.is_none() => {
                    if there.net != alias.address {
                        plan.notes
                            .push(format!("{ip} is there with the prefix /{}, and stays so", there.net.prefix_len()));
                    }
                    continue;
                }
                Some(there) => {
                    let reason =
                        format!("{ip} stands here without effect: {}", there.problem.as_deref().unwrap_or_default());
                    let hint = format!("correct it, or remove it first: ipalias remove -i {interface} {ip}");
                    let file = self.definition.parts.get(there.part).and_then(|part| self.survey.files.get(part.file));
                    let refusal = Refusal::new(Kind::Malformed, reason, hint);
                    return Err(match file {
                        Some(file) => refusal.at(&file.path, there.line),
                        None => refusal,
                    }
                    .into());
                }
                None => {}
            }
            self.label_fits(alias)?;
            fresh.push(*alias);
        }
        self.room_for(fresh.len(), found.len(), plan)?;
        Ok(fresh)
    }

    fn label_fits(&self, alias: &Alias) -> Result<()> {
        let Some(label) = &alias.label else { return Ok(()) };
        let refuse = |reason: String| Err(Refusal::new(Kind::Unacceptable, reason, "leave the label out").into());
        if alias.address.addr().is_ipv6() {
            return refuse(format!("{} cannot have a label: IPv6 addresses have none", alias.address.addr()));
        }
        if self.renderer == Renderer::NetworkManager {
            return refuse(format!("NetworkManager, which netplan uses here, knows no labels, so not {label} either"));
        }
        if !self.survey.program.takes_options {
            return refuse(format!("this netplan is older than 0.100 and knows no labels, so not {label} either"));
        }
        Ok(())
    }

    fn room_for(&self, fresh: usize, found: usize, plan: &mut Plan) -> Result<()> {
        let (sure, most) = self.survey.systemd.most_addresses();
        let count = found + fresh;
        if self.renderer != Renderer::Networkd || fresh == 0 || count <= sure {
            return Ok(());
        }
        let version = self.survey.systemd.version();
        if count > most {
            let reason = format!("systemd-networkd reads {most} addresses of a file, and this would make it {count}");
            return Err(Refusal::new(Kind::Unacceptable, reason, "add fewer addresses").into());
        }
        plan.notes.push(format!(
            "systemd {version} reads at least {sure} addresses of an interface, and {most} in its later updates; this makes \
             it {count}"
        ));
        Ok(())
    }

    /// Whether `alias` is written with a lifetime of 0.
    fn deprecates(&self, alias: &Alias) -> bool {
        alias.address.addr().is_ipv6()
            && !alias.preferred
            && self.renderer == Renderer::Networkd
            && self.survey.program.takes_options
            && self.survey.systemd.can_deprecate()
    }

    /// The lifetime that is written. netplan puts addresses with options behind all others, so that one without would come
    /// before a primary one with a label.
    fn lifetime(&self, alias: &Alias) -> Option<&'static str> {
        let found = self.survey.addresses.get(self.index).map(Vec::as_slice).unwrap_or_default();
        let primary = primary_addresses(self.definition, found).into_iter().filter_map(|index| found.get(index));
        let mut of_family = primary.filter(|first| first.net.addr().is_ipv4() == alias.address.addr().is_ipv4());
        if self.deprecates(alias) {
            Some("0")
        } else if alias.label.is_none() && of_family.any(|first| first.has_options) {
            Some("forever")
        } else {
            None
        }
    }

    /// What the file cannot say, the running system does not get either.
    fn as_written(&self, alias: &Alias) -> Alias {
        let preferred = alias.address.addr().is_ipv6() && !self.deprecates(alias) || alias.preferred;
        Alias { preferred, ..alias.clone() }
    }

    fn change(&self, site: &Site, fresh: &[&Alias]) -> Result<Change> {
        match site {
            Site::Part(part) => self.grow(part, fresh),
            Site::Own(position) => {
                self.can_be_named()?;
                let Some(file) = self.survey.files.get(*position) else {
                    return Err(Refusal::new(Kind::ChangedSince, "the own file is gone", "try again").into());
                };
                let splices = self.new_definition(file, fresh).map_err(|fault| cannot_edit(file, fault))?;
                Ok(file.becomes(Some(file.text.apply(splices)?)))
            }
            Site::New(path) => {
                self.can_be_named()?;
                let (text, lines) = (Text::new(""), self.whole_file(fresh));
                let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Ok(created(path.clone(), text.apply(vec![Splice::insert(0, whole)])?))
            }
        }
    }

    /// Refuses an ID that ipalias would have to write into its own file, and does not: it writes what is plain in quotes.
    fn can_be_named(&self) -> Result<()> {
        if Spelling::can_be_key(&self.definition.id) {
            return Ok(());
        }
        let reason = "the ID of this definition has characters that ipalias does not write into a file of its own";
        let hint = "give it another ID, or add to this file: --in-place";
        Err(at_definition(self.survey, self.definition, Kind::Unsupported, reason.to_owned(), hint.to_owned()).into())
    }

    /// The change that makes the definition's list in one file longer, or gives it one.
    fn grow(&self, part: &Part, fresh: &[&Alias]) -> Result<Change> {
        let files = &self.survey.files;
        let (Some(file), Some(mapping)) = (files.get(part.file), part.mapping(files)) else {
            return Err(Refusal::new(Kind::ChangedSince, "the definition is gone", "try again").into());
        };
        editable(file)?;
        let splices = one_document(file)
            .and_then(|()| not_entangled(file, part))
            .and_then(|()| self.read_to_the_end(part))
            .and_then(|()| self.longer(file, mapping, fresh, super::site::is_own(file)))
            .map_err(|fault| cannot_edit(file, fault))?;
        Ok(file.becomes(Some(file.text.apply(splices)?)))
    }

    /// Refuses a part with a list that netplan does not read to its end.
    fn read_to_the_end(&self, part: &Part) -> Result<(), Fault> {
        let mut found = self.survey.addresses.get(self.index).into_iter().flatten();
        let here = |address: &&Address| self.definition.parts.get(address.part) == Some(part) && address.ends_list;
        match found.find(here) {
            Some(last) => {
                Err(Fault::new(last.line, format!("netplan reads no further than the repeated {}", last.text)))
            }
            None => Ok(()),
        }
    }

    fn longer(&self, file: &File, mapping: &Node, fresh: &[&Alias], own: bool) -> Result<Vec<Splice>, Fault> {
        let lists = places(mapping, "addresses");
        let mut lists = lists.values();
        match (lists.next(), lists.next()) {
            (_, Some((key, _))) => Err(Fault::new(key.line, "addresses: stands twice in one definition")),
            (Some((_, list)), None) => {
                let spelling = Spelling::of_list(list, mapping);
                append_items(&file.text, list, &self.items(spelling, fresh))
            }
            (None, None) => {
                let spelling = Spelling::of_mapping(mapping);
                let (key, flow) = (spelling.key("addresses"), self.items(spelling.in_brackets(), fresh).join(", "));
                let flow = format!("{key}: [{flow}]");
                let lines = if own || fresh.len() > 1 {
                    let items = self.items(Spelling::BLOCK, fresh);
                    std::iter::once(format!("{key}:")).chain(items.iter().map(|item| format!("  - {item}"))).collect()
                } else {
                    vec![flow.clone()]
                };
                append_pair(&file.text, mapping, &Pair { lines, flow })
            }
        }
    }

    fn items(&self, spelling: Spelling, fresh: &[&Alias]) -> Vec<String> {
        fresh.iter().map(|alias| spelling.item(alias, self.lifetime(alias))).collect()
    }

    /// The splices that give an own file the definition.
    fn new_definition(&self, file: &File, fresh: &[&Alias]) -> Result<Vec<Splice>, Fault> {
        one_document(file)?;
        let Some(root) = file.root() else { return Ok(vec![file.text.append_block(self.whole_file(fresh))]) };
        let network =
            root.values("network").last().ok_or_else(|| Fault::new(root.line, "there is no network: in it"))?;
        let section = network.values(&self.definition.section).last();
        let (mapping, depth) = section.map_or((network, 0), |section| (section, 1));
        if root.aliased || root.anchored || network.aliased || network.anchored {
            return Err(Fault::new(network.line, "an anchor or an alias is in the way"));
        }
        let whole = self.whole_file(fresh);
        let lines = whole.iter().skip(2 + depth).map(|line| line.get(2 + 2 * depth..).unwrap_or_default().to_owned());
        let spelling = Spelling::of_mapping(mapping).in_brackets();
        let list = format!("{}: [{}]", spelling.key("addresses"), self.items(spelling, fresh).join(", "));
        let definition = format!("{}: {{{list}}}", spelling.key(&self.definition.id));
        let flow = match section {
            Some(_) => definition,
            None => format!("{}: {{{definition}}}", spelling.key(&self.definition.section)),
        };
        append_pair(&file.text, mapping, &Pair { lines: lines.collect(), flow })
    }

    /// The lines of an own file.
    fn whole_file(&self, fresh: &[&Alias]) -> Vec<String> {
        let block = Spelling::BLOCK;
        let head = [
            "network:".to_owned(),
            "  version: 2".to_owned(),
            format!("  {}:", self.definition.section),
            format!("    {}:", block.key(&self.definition.id)),
            "      addresses:".to_owned(),
        ];
        head.into_iter().chain(self.items(block, fresh).iter().map(|item| format!("        - {item}"))).collect()
    }

    fn notes(&self, site: &Site, fresh: &[&Alias], plan: &mut Plan) {
        if fresh.iter().any(|alias| alias.address.addr().is_ipv6() && !alias.preferred && !self.deprecates(alias)) {
            let why = match self.renderer {
                Renderer::NetworkManager => "NetworkManager, which netplan uses here,".to_owned(),
                Renderer::Networkd if !self.survey.program.takes_options => "a netplan older than 0.100".to_owned(),
                Renderer::Networkd => format!("systemd {} (systemd#13341)", self.survey.systemd.version()),
            };
            plan.notes.push(format!(
                "{why} cannot be given a lifetime of 0, so that the server may use an added IPv6 address as its source"
            ));
        }
        let own = |part: &&Part| self.survey.files.get(part.file).is_some_and(super::site::is_own);
        let bases = self.definition.parts.iter().filter(|part| !own(part)).count();
        if bases == 0 {
            plan.notes.push(format!(
                "only files of ipalias define {} by now: the file that says how the interface itself is set up is missing",
                self.definition.id
            ));
        }
        let early = self.definition.parts.iter().find(own).and_then(|part| self.survey.files.get(part.file));
        if let (Site::New(path), Some(early)) = (site, early) {
            plan.notes.push(format!(
                "{} sorts before a file that defines the interface, so its addresses come first; the new ones go into {path}",
                early.path
            ));
        }
        let targets = self.survey.targets.get(self.index).into_iter().flatten();
        for target in targets.filter(|target| !target.is_name) {
            plan.notes.push(format!(
                "{} is matched by {}; that it is this interface cannot be told here",
                self.definition.id, target.interface
            ));
        }
    }
}

/// Refuses a file with more than the one document that netplan reads.
pub fn one_document(file: &File) -> Result<(), Fault> {
    match file.document.as_ref().filter(|document| document.has_more) {
        Some(_) => Err(Fault::new(file.text.line_count(), "netplan reads the first of its documents only")),
        None => Ok(()),
    }
}

/// Refuses a definition that an anchor or alias above it ties to another.
pub fn not_entangled(file: &File, part: &Part) -> Result<(), Fault> {
    let tied = |node: &Node| node.anchored || node.aliased || node.tagged;
    let mut node = file.root();
    for index in part.at {
        match node {
            Some(above) if tied(above) => {
                return Err(Fault::new(above.line, "an anchor, an alias or a tag is in the way"));
            }
            _ => node = node.and_then(Node::pairs).and_then(|pairs| pairs.get(index)).map(|(_, value)| value),
        }
    }
    Ok(())
}

/// A file that netplan reads and ipalias does not edit.
pub fn cannot_edit(file: &File, fault: Fault) -> anyhow::Error {
    let hint = if super::site::is_own(file) {
        "write it in lines, as netplan(5) shows it, or remove the file"
    } else {
        "edit it by hand; an addition may go into a file of its own: leave --in-place out"
    };
    let reason = format!("this is not edited: {}", fault.reason);
    Refusal::new(Kind::Malformed, reason, hint).at(&file.path, fault.line).into()
}
