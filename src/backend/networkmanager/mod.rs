//! NetworkManager: `address<N>=` lines in the keyfile of the profile that counts for an interface.
//!
//! Follows nm-settings-keyfile(5), NetworkManager.conf(5) and nmcli(1), as nmcli and the daemon of 1.42 and 1.52 were
//! measured. Leaves out profiles in ifcfg files (backend `ifcfg`) and those that netplan generates, and everything that
//! only D-Bus knows. A file is edited, never written by nmcli, which drops comments and sorts the keys.

mod add;
mod addresses;
mod choose;
mod claim;
mod config;
mod files;
mod guide;
mod profile;
mod remove;

use std::sync::Arc;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Entry, Role, Situation, Stance};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Action, Command, Direct, Plan, Step};
use crate::root::{NodeKind, Root};

use addresses::{Address, Family};
use choose::{Choice, RECORDS, Scene};
use files::{Profile, profiles};

/// NetworkManager with keyfiles.
#[derive(Debug, Clone, Copy)]
pub struct NetworkManager;

impl Backend for NetworkManager {
    fn name(&self) -> &'static str {
        "networkmanager"
    }

    fn home(&self) -> &'static str {
        "/etc/NetworkManager"
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        claim::stance(root)
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let survey = Survey::of(root)?;
        Ok(survey.uses.iter().flat_map(|using| survey.entries_of(using)).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::add(root, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::remove(root, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(&as_kept(alias))
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// The alias as a profile keeps it: without label, and with every IPv6 address one that may be a source.
fn as_kept(alias: &Alias) -> Alias {
    Alias { preferred: true, label: None, ..alias.clone() }
}

/// What the files of a root come to.
struct Survey {
    profiles: Vec<Profile>,
    scene: Scene,
    /// The interface of the default route, if the system runs.
    route: Option<String>,
    /// Which profile is for which interface, in the order of the profiles.
    uses: Vec<Use>,
    /// The profiles that hold the primary address, as indices.
    primary: Vec<usize>,
}

/// A profile as far as it concerns one interface.
struct Use {
    profile: usize,
    /// The interface, or what the profile matches, where no name can be told.
    interface: String,
    /// Why the profile does not count for that interface, if it does not.
    problem: Option<String>,
}

impl Survey {
    fn of(root: &Root) -> Result<Arc<Survey>> {
        root.once("networkmanager", || Survey::read(root))
    }

    fn read(root: &Root) -> Result<Survey> {
        let (profiles, scene) = (profiles(root)?, Scene::of(root)?);
        let route = host::default_route_interface(root)?;
        let primary = claim::primary_profiles(route.as_deref(), &profiles, &scene);
        let mut survey = Survey { profiles, scene, route, uses: Vec::new(), primary };
        survey.uses = (0..survey.profiles.len()).flat_map(|index| survey.uses_of(index)).collect();
        Ok(survey)
    }

    fn choose(&self, name: &str) -> Choice {
        self.scene.choose(&self.profiles, name)
    }

    /// The interfaces that the profile at `index` is for.
    fn uses_of(&self, index: usize) -> Vec<Use> {
        // What another file hides is no profile, which `claim` warns of; and some only mirror what others configure.
        let counts = |profile: &&Profile| profile.shadowed.is_none() && !profile.is_external();
        let shown = self.profiles.get(index).filter(counts);
        let Some(profile) = shown else { return Vec::new() };
        let using = |interface: String, problem| Use { profile: index, interface, problem };
        let own = problem(profile);
        if let Some(name) = &profile.connection.interface {
            let problem = own.or_else(|| self.problem_on(index, name));
            return vec![using(name.clone(), problem)];
        }
        let takes = |name: &&str| own.is_none() && self.choose(name) == Choice::One(index);
        let taken: Vec<Use> = self
            .scene
            .links
            .iter()
            .map(|link| link.name.as_str())
            .filter(takes)
            .map(|name| using(name.to_owned(), None))
            .collect();
        if !taken.is_empty() {
            return taken;
        }
        let idle = || (!self.scene.links.is_empty()).then(|| "no interface uses the profile now".to_owned());
        let asleep = || (!profile.connection.autoconnect).then(|| "autoconnect=false".to_owned());
        vec![using(profile.connection.pattern(), own.or_else(asleep).or_else(idle))]
    }

    /// Why the profile at `index`, in itself sound, does not count for the interface `name`.
    fn problem_on(&self, index: usize, name: &str) -> Option<String> {
        match self.choose(name) {
            Choice::One(other) if other == index => None,
            Choice::Several(all) if all.contains(&index) => None,
            Choice::Nothing(_) if self.profiles.get(index).is_some_and(|profile| !profile.connection.autoconnect) => {
                Some("autoconnect=false: NetworkManager does not bring the profile up".to_owned())
            }
            Choice::Nothing(reason) => Some(reason),
            Choice::One(other) => Some(self.instead(other, name)),
            Choice::Several(all) => all.first().map(|other| self.instead(*other, name)),
        }
    }

    fn instead(&self, other: usize, name: &str) -> String {
        let path = self.profiles.get(other).map(|profile| profile.path.to_string()).unwrap_or_default();
        format!("{path} counts for {name} instead")
    }

    fn entries_of<'a>(&'a self, using: &'a Use) -> impl Iterator<Item = Entry> + 'a {
        let profile = self.profiles.get(using.profile);
        let families = profile.map(|profile| [true, false].map(|is_ipv4| Family::of(profile, is_ipv4)));
        let has_primary = using.problem.is_none() && self.primary.contains(&using.profile);
        let mut all: Vec<(usize, Role, Address)> = Vec::new();
        for family in families.into_iter().flatten() {
            let primary = claim::primary_address(&family).filter(|_| has_primary);
            all.extend(family.addresses.into_iter().map(|address| {
                let is_primary = address.problem.is_none() && primary == Some(address.item);
                (address.item, if is_primary { Role::Primary } else { Role::Additional }, address)
            }));
        }
        all.sort_by_key(|(item, ..)| *item);
        all.into_iter().filter_map(move |(_, role, address)| Some(entry(profile?, using, address, role)))
    }
}

fn entry(profile: &Profile, using: &Use, address: Address, role: Role) -> Entry {
    Entry {
        interface: using.interface.clone(),
        address: address.net,
        label: None,
        path: profile.path.clone(),
        line: address.line,
        form: format!("{}=", address.key),
        role,
        problem: using.problem.clone().or(address.problem),
    }
}

/// Why NetworkManager brings `profile` up on no interface.
fn problem(profile: &Profile) -> Option<String> {
    let port = || {
        let controller = profile.connection.controller.as_ref()?;
        Some(format!("the interface is a port of {controller}, which has the addresses"))
    };
    profile.refused.as_ref().map(ToString::to_string).or_else(port)
}

/// An interface name as ipalias may write it, if the text is one.
fn if_name(text: &str) -> Option<IfName> {
    IfName::new(text).ok()
}

/// Makes NetworkManager read the file of `profile`, which changes nothing on the interface. It exits with 0 also where it
/// does not take the file. Nothing where it does not run.
fn load(root: &Root, profile: &Profile) -> Result<Option<Step>> {
    if root.is_live() && root.kind(&RECORDS.into())? != NodeKind::Directory {
        return Ok(None);
    }
    let path = profile.path.to_string();
    let command = Command::new(["nmcli", "connection", "load", path.as_str()]).complaining("Could not load");
    Ok(Some(Step::reread(command)))
}

/// The restart of the guides: addresses of others stay, and so does what a profile no longer has (measured).
fn restart() -> Step {
    Step {
        action: Action::Run(Command::new(["systemctl", "restart", "NetworkManager"])),
        undo: None,
        repeat_after_undo: true,
    }
}
