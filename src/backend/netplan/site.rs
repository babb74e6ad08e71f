//! Which definition an interface has, and which file takes an addition to it.
//!
//! The rule is a file of ipalias's own, with the same ID in the same section: netplan joins the lists. Its name sorts behind
//! every file that defines the ID, so that an addition never comes first and thereby becomes the source of connections.

use super::Survey;
use super::claim::primary_addresses;
use super::definitions::{Definition, Part, Renderer};
use super::files::{ETC, File};
use super::interfaces::recorded_id;
use crate::alias::IfName;
use crate::error::{Kind, Refusal, Result};
use crate::root::{NodeKind, Root, RootPath};

/// The names of own files, in the order in which they are tried: the first that sorts late enough and is not in use.
const NAMES: [&str; 4] = ["99-ipalias.yaml", "zz-ipalias.yaml", "zzz-ipalias.yaml", "zzzz-ipalias.yaml"];

/// Whether a file is one of ipalias's own.
pub fn is_own(file: &File) -> bool {
    file.is_etc() && file.path == file.target && NAMES.iter().any(|name| file.name() == name.as_bytes())
}

/// The file that takes an addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// A part of the definition that is there.
    Part(Part),
    /// An own file that is there, without the definition.
    Own(usize),
    /// An own file that is not there.
    New(RootPath),
}

/// The definition of `interface`, as an index, fit for an addition.
pub fn definition_of(survey: &Survey, interface: &IfName) -> Result<usize> {
    let candidates = survey.candidates(interface);
    let index = match candidates.as_slice() {
        [] => return Err(undefined(survey, interface).into()),
        [only] => *only,
        several => {
            let recorded = survey.links.iter().find(|link| link.name == interface.as_str()).and_then(recorded_id);
            let is_recorded = |index: &&usize| {
                let definition = survey.merged.definitions.get(**index);
                definition.is_some_and(|definition| recorded.as_deref() == Some(definition.id.as_str()))
            };
            match several.iter().find(is_recorded) {
                Some(index) => *index,
                None => return Err(rivals(survey, interface, several).into()),
            }
        }
    };
    let Some((definition, _)) = survey.definition(index) else { return Err(undefined(survey, interface).into()) };
    let all = survey.targets.get(index).map(Vec::as_slice).unwrap_or_default();
    if let Some(other) = all.iter().find(|target| target.is_name && target.interface != interface.as_str()) {
        let reason = format!(
            "the definition {} is for {}, too, which would get the address as well",
            definition.id, other.interface
        );
        let hint = format!("write a definition of its own for {interface} first");
        return Err(at_definition(survey, definition, Kind::Ambiguous, reason, hint).into());
    }
    if let Some(reason) = all.iter().filter(|target| !target.is_name).find_map(|target| target.problem.clone()) {
        let reason = format!("the definition {} has a match: of which nothing can be told: {reason}", definition.id);
        let hint = format!("write what {interface} is matched by, for example macaddress:");
        return Err(at_definition(survey, definition, Kind::NotFound, reason, hint).into());
    }
    let owner = survey.merged.definitions.iter().find(|other| other.members.contains(&definition.id));
    if let Some(owner) = owner {
        let reason = format!("{interface} is a port of {}, which has the addresses", owner.id);
        return Err(
            at_definition(survey, definition, Kind::Unacceptable, reason, format!("use -i {}", owner.id)).into()
        );
    }
    let of_manager = |part: &&Part| survey.files.get(part.file).is_some_and(File::is_network_managers);
    if let Some(file) = definition.parts.iter().find(of_manager).and_then(|part| survey.files.get(part.file)) {
        let name = definition.id.strip_prefix("NM-").unwrap_or(&definition.id);
        let reason = "NetworkManager writes this definition from a profile, and writes it again at every change";
        let hint = format!("change the profile: nmcli connection modify {name} +ipv4.addresses ADDRESS/32");
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&file.path, 0).into());
    }
    Ok(index)
}

/// A refusal that names the line where the definition begins.
pub fn at_definition(survey: &Survey, definition: &Definition, kind: Kind, reason: String, hint: String) -> Refusal {
    let part = definition.parts.first();
    let place = part.and_then(|part| Some((survey.files.get(part.file)?, part.pair(&survey.files)?.0.line)));
    let refusal = Refusal::new(kind, reason, hint);
    match place {
        Some((file, line)) => refusal.at(&file.path, line),
        None => refusal,
    }
}

fn undefined(survey: &Survey, interface: &IfName) -> Refusal {
    let known: Vec<&str> = survey.targets.iter().flatten().map(|target| target.interface.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Refusal::new(
        Kind::NotFound,
        format!("no netplan definition is for {interface}; there are: {known}"),
        "name the interface with -i, or define it in /etc/netplan first",
    )
}

fn rivals(survey: &Survey, interface: &IfName, several: &[usize]) -> Refusal {
    let shown: Vec<String> = several
        .iter()
        .filter_map(|index| survey.merged.definitions.get(*index))
        .map(|definition| {
            let file = definition.parts.first().and_then(|part| survey.files.get(part.file));
            format!("{} ({})", definition.id, file.map(|file| file.path.to_string()).unwrap_or_default())
        })
        .collect();
    Refusal::new(
        Kind::Ambiguous,
        format!("{} definitions may be for {interface}, and only one counts: {}", several.len(), shown.join(", ")),
        "join them under one ID first: an ID is not the name of the interface where it has match: and set-name:",
    )
}

/// The file that takes an addition to the definition at `index`.
pub fn site(root: &Root, survey: &Survey, index: usize, in_place: bool) -> Result<Site> {
    let Some((definition, renderer)) = survey.definition(index) else {
        return Err(Refusal::new(Kind::NotFound, "the definition is gone", "try again").into());
    };
    if in_place {
        return Ok(Site::Part(part_in_place(survey, index, definition)?));
    }
    let others = definition.parts.iter().filter_map(|part| survey.files.get(part.file)).filter(|file| !is_own(file));
    let last = others.map(File::name).max().unwrap_or_default().to_vec();
    for name in NAMES.iter().filter(|name| name.as_bytes() > last.as_slice()) {
        let path = RootPath::from(ETC).join(name);
        let same_name = || survey.files.iter().enumerate().filter(|(_, file)| file.name() == name.as_bytes());
        match same_name().collect::<Vec<_>>().as_slice() {
            [(position, file)] if is_own(file) => {
                let part = definition.parts.iter().rfind(|part| part.file == *position);
                return Ok(part.map_or(Site::Own(*position), |part| Site::Part(*part)));
            }
            [] if root.kind(&path)? == NodeKind::Absent && root.link_target(&path)?.is_none() => {
                return Ok(Site::New(root.resolve(&path)?));
            }
            _ => {}
        }
    }
    let reason = format!("no own file of ipalias can sort behind {}", String::from_utf8_lossy(&last));
    let how = if renderer == Renderer::Networkd { "use --in-place, or rename that file" } else { "rename that file" };
    Err(Refusal::new(Kind::Unsupported, reason, how).into())
}

/// The part that is edited in place: the last one with addresses in a file that is not ipalias's own, but none before the one
/// with the primary address.
fn part_in_place(survey: &Survey, index: usize, definition: &Definition) -> Result<Part> {
    let is_base = |part: &Part| survey.files.get(part.file).is_some_and(|file| !is_own(file));
    let has_list =
        |part: &Part| part.mapping(&survey.files).is_some_and(|mapping| mapping.values("addresses").next().is_some());
    let bases = || definition.parts.iter().enumerate().filter(|(_, part)| is_base(part));
    let chosen = bases().rfind(|(_, part)| has_list(part)).or_else(|| bases().next()).map(|(at, _)| at);
    let found = survey.addresses.get(index).map(Vec::as_slice).unwrap_or_default();
    let primary =
        primary_addresses(definition, found).into_iter().filter_map(|at| found.get(at)).map(|first| first.part);
    let part = definition.parts.get(primary.chain(chosen).max().unwrap_or_default());
    let Some((part, file)) = part.and_then(|part| Some((*part, survey.files.get(part.file)?))) else {
        return Err(Refusal::new(Kind::NotFound, "no file defines the interface", "leave --in-place out").into());
    };
    editable(file)?;
    Ok(part)
}

/// Refuses a file that a package or a program writes.
pub fn editable(file: &File) -> Result<()> {
    let refuse = |reason: &str, hint: &str| -> Result<()> {
        Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&file.path, 0).into())
    };
    if file.path.is_under(&"/run".into()) || file.target.is_under(&"/run".into()) {
        return refuse(
            "this file is made anew at boot",
            "change what makes it; it hides files of the same name in /etc/netplan",
        );
    }
    if file.is_etc() && !file.target.is_under(&"/etc".into()) {
        let hint = "edit that file by hand; an addition may go into a file of its own: leave --in-place out";
        return refuse(&format!("this is a link to {}, out of /etc", file.target), hint);
    }
    if !file.is_etc() {
        return refuse(
            "this file belongs to a package",
            "copy it to /etc/netplan under the same name, and edit it there",
        );
    }
    if file.is_network_managers() {
        return refuse(
            "NetworkManager writes this file from a profile",
            "change the profile with nmcli connection modify",
        );
    }
    Ok(())
}
