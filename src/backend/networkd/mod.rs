//! systemd-networkd: `[Address]` sections in the `.network` file that counts for an interface, or in a drop-in of it.
//!
//! Follows systemd.network(5), read as the daemon reads it (measured with systemd 247, 252 and 257), and networkctl(1).
//! Leaves out `.netdev` files, addresses from DHCP and router advertisements, and files that netplan generates, unless
//! this backend is asked for by name.

mod add;
mod addresses;
mod claim;
mod files;
mod guide;
pub(super) mod links;
mod matching;
pub(super) mod release;
mod remove;
mod site;
pub(super) mod values;

use std::sync::Arc;

use crate::alias::{Alias, IfName};
use crate::backend::{Backend, Entry, Role, Situation, Stance};
use crate::error::Result;
use crate::guide::Guide;
use crate::host;
use crate::plan::{Direct, Plan};
use crate::root::Root;

use addresses::{Address, Place, addresses};
use files::{Network, Reader, networks};
use links::{Link, Named, links, named_addresses};
use matching::{Choice, Verdict, choose, pattern, verdict};
use release::Release;

/// systemd-networkd.
#[derive(Debug, Clone, Copy)]
pub struct Networkd;

impl Backend for Networkd {
    fn name(&self) -> &'static str {
        "networkd"
    }

    fn home(&self) -> &'static str {
        "/etc/systemd/network"
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
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &guide::GUIDE
    }
}

/// What the files of a root come to.
struct Survey {
    release: Release,
    networks: Vec<Network>,
    named: Named,
    links: Vec<Link>,
    /// The interface of the default route, if the system runs.
    route: Option<String>,
    /// Which network is for which interface, in the order of the networks.
    uses: Vec<Use>,
    /// The networks that hold the primary address, as indices.
    primary: Vec<usize>,
}

/// A network as far as it concerns one interface.
struct Use {
    network: usize,
    /// The interface, or what the file matches, where no name can be told.
    interface: String,
    /// Why the file does not count for that interface, if it does not.
    problem: Option<String>,
}

impl Survey {
    fn of(root: &Root) -> Result<Arc<Survey>> {
        root.once("networkd", || Survey::read(root))
    }

    fn read(root: &Root) -> Result<Survey> {
        let (release, reader) = (Release::of(root)?, Reader::of(root)?);
        let directories = reader.search_path(root)?;
        let networks = networks(root, &reader, &directories, release)?;
        let named = named_addresses(root, &directories)?;
        let running = host::link_names(root)?;
        let links = links(root, &running, &networks, &named)?;
        let route = host::default_route_interface(root)?;
        let uses = uses(&networks, &links, !running.is_empty());
        let primary = claim::primary_networks(route.as_deref(), &networks, &links);
        Ok(Survey { release, networks, named, links, route, uses, primary })
    }

    /// What is known of the interface `name`.
    fn link(&self, root: &Root, name: &str) -> Result<Link> {
        match self.links.iter().find(|link| link.name == name) {
            Some(link) => Ok(link.clone()),
            None => links::link(root, name, &self.named),
        }
    }

    fn entries_of<'a>(&'a self, using: &'a Use) -> impl Iterator<Item = Entry> + 'a {
        let network = self.networks.get(using.network);
        let found = network.map(|network| addresses(network, self.release)).unwrap_or_default();
        let primary = match (network, self.primary.contains(&using.network) && using.problem.is_none()) {
            (Some(network), true) => claim::primary_addresses(network, &found),
            _ => Vec::new(),
        };
        found.into_iter().enumerate().filter_map(move |(index, address)| {
            let role = if primary.contains(&index) { Role::Primary } else { Role::Additional };
            Some(entry(network?, using, address, role))
        })
    }

    /// The interfaces that surely get the network at `index`.
    fn interfaces(&self, index: usize) -> Vec<&str> {
        let counts = |using: &&Use| using.network == index && using.problem.is_none();
        self.uses.iter().filter(counts).map(|using| using.interface.as_str()).collect()
    }
}

fn entry(network: &Network, using: &Use, address: Address, role: Role) -> Entry {
    let path = network.fragments.get(address.fragment).map(|fragment| fragment.path.clone());
    Entry {
        interface: using.interface.clone(),
        address: address.net,
        label: address.label.filter(|label| *label != using.interface),
        path: path.unwrap_or_else(|| network.path()),
        line: address.line,
        form: match address.place {
            Place::NetworkLine => "Address= in [Network]".to_owned(),
            Place::Section(..) => "[Address] section".to_owned(),
        },
        role,
        problem: using.problem.clone().or(address.problem),
    }
}

/// Which network is for which interface. One that is for none is still listed, with the reason.
fn uses(networks: &[Network], links: &[Link], runs: bool) -> Vec<Use> {
    let mut uses = Vec::new();
    let mut chosen: Vec<(&Link, Vec<&Network>)> = Vec::new();
    for link in links {
        let networks = match choose(networks, link) {
            Choice::Nothing => continue,
            Choice::One(network) | Choice::Refused(network) => vec![network],
            Choice::Several(networks) => networks,
        };
        chosen.push((link, networks));
    }
    for (index, network) in networks.iter().enumerate() {
        let before = uses.len();
        for (link, candidates) in &chosen {
            let problem = match candidates.iter().find(|candidate| candidate.name == network.name) {
                Some(_) => None,
                None if verdict(network, link) != Verdict::Yes => continue,
                None => {
                    let rival = candidates.first().map(|rival| rival.path().to_string()).unwrap_or_default();
                    Some(format!("{rival} counts for {} instead", link.name))
                }
            };
            // A file that networkd drops says why itself.
            let problem = problem.filter(|_| network.refused.is_none());
            uses.push(Use { network: index, interface: link.name.clone(), problem });
        }
        if uses.len() == before {
            let problem = match &network.match_ {
                match_ if match_.is_empty() => Some("its [Match] has no valid key, so networkd ignores the file"),
                match_ if runs && match_.literal_names().is_empty() => Some("no interface matches it now"),
                _ => None,
            };
            let problem = problem.map(str::to_owned);
            uses.push(Use { network: index, interface: pattern(network), problem });
        }
    }
    uses
}

/// An interface name as ipalias may write it, if the text is one.
fn if_name(text: &str) -> Option<IfName> {
    IfName::new(text).ok()
}
