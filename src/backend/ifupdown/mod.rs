//! The ifupdown family: `/etc/network/interfaces` as ifupdown, ifupdown2, ifupdown-ng and BusyBox read it.
//!
//! One file format, four readers that disagree about it (interfaces(5) of each), so one type with four rows. `flavour`
//! says who reads and what they disagree about, `include` which files, `reader`, `stanza` and `faults` what is in them,
//! `starts` what is brought up. `address` and `hook` say what that configures, with `single`, `fold` and `merge` for the
//! three ways in which netmasks find their addresses. `primary`, `owner` and `place` say where an address may go, `add`,
//! `remove` and `edit` make the edits, `apply` the commands.
//! Leaves out NetworkManager's and netplan's view of the same file.

mod add;
mod address;
mod apply;
mod detect;
mod edit;
mod faults;
mod flavour;
mod fold;
mod guide;
mod hook;
mod include;
mod merge;
mod owner;
mod place;
mod primary;
mod reader;
mod remove;
mod single;
mod stanza;
mod starts;

use std::sync::Arc;

use crate::alias::Alias;
use crate::backend::{Backend, Entry, Situation, Stance};
use crate::error::{Kind, Refusal, Result};
use crate::guide::Guide;
use crate::plan::{Direct, Plan};
use crate::root::Root;

use address::Found;
use stanza::{INTERFACES, Tree};

/// One of the readers of `/etc/network/interfaces`.
#[derive(Debug)]
pub struct Ifupdown {
    name: &'static str,
    guide: Guide,
}

/// Debian's ifupdown.
pub static IFUPDOWN: Ifupdown = Ifupdown { name: "ifupdown", guide: guide::IFUPDOWN };

/// ifupdown2 of Cumulus and Proxmox VE.
pub static IFUPDOWN2: Ifupdown = Ifupdown { name: "ifupdown2", guide: guide::IFUPDOWN2 };

/// ifupdown-ng of Alpine.
pub static IFUPDOWN_NG: Ifupdown = Ifupdown { name: "ifupdown-ng", guide: guide::IFUPDOWN_NG };

/// The `ifup` of BusyBox.
pub static BUSYBOX: Ifupdown = Ifupdown { name: "busybox", guide: guide::BUSYBOX };

/// The files as one of the four reads them.
struct Reading {
    tree: Tree,
    /// Every address in it.
    found: Vec<Found>,
}

impl Reading {
    /// As the backend called `name` reads them; nothing if there are none.
    fn of(root: &Root, name: &'static str) -> Result<Arc<Option<Reading>>> {
        root.once(name, || {
            let tree = reader::read(root, flavour::flavour(root, name)?)?;
            Ok(tree.map(|tree| Reading { found: address::find(&tree), tree }))
        })
    }
}

impl Backend for Ifupdown {
    fn name(&self) -> &'static str {
        self.name
    }

    fn home(&self) -> &'static str {
        INTERFACES
    }

    fn detect(&self, root: &Root) -> Result<Stance> {
        detect::stance(root, self.name)
    }

    fn entries(&self, root: &Root) -> Result<Vec<Entry>> {
        let reading = Reading::of(root, self.name)?;
        let found = (*reading).as_ref().map(|reading| reading.found.as_slice()).unwrap_or_default();
        Ok(found.iter().map(|found| found.entry.clone()).collect())
    }

    fn add(&self, root: &Root, want: &[Alias], now: &Situation) -> Result<Plan> {
        add::plan(root, some(&*Reading::of(root, self.name)?)?, want, now)
    }

    fn remove(&self, root: &Root, gone: &[Entry]) -> Result<Plan> {
        remove::plan(root, some(&*Reading::of(root, self.name)?)?, gone)
    }

    fn direct(&self, alias: &Alias) -> Direct {
        Direct::by_kernel(alias)
    }

    fn guide(&self) -> &Guide {
        &self.guide
    }
}

/// What was read, if there was anything.
fn some(reading: &Option<Reading>) -> Result<&Reading, Refusal> {
    let hint = "name the system that configures the network with --backend";
    reading.as_ref().ok_or_else(|| Refusal::new(Kind::NotFound, format!("there is no {INTERFACES}"), hint))
}
