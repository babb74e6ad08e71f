//! Which profile counts for an interface.
//!
//! On a running system NetworkManager's record of the device says so (`/run/NetworkManager/devices`, kept up to date by
//! 1.42 and 1.52). From files alone it is the profile with the highest `autoconnect-priority`, then the one that was
//! active last (`nm_settings_connection_cmp_autoconnect_priority()`). What files cannot tell is never guessed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::config::{Config, Device};
use super::files::Profile;
use super::profile::{Connection, Fit};
use crate::error::Result;
use crate::host;
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::keyfile::Keyfile;
use crate::text::Text;

/// What a running NetworkManager says about devices, one file each.
pub const RECORDS: &str = "/run/NetworkManager/devices";

/// When each profile was active last.
const TIMESTAMPS: &str = "/var/lib/NetworkManager/timestamps";

/// What NetworkManager does with an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// No profile counts, for this reason.
    Nothing(String),
    /// The profile with this index.
    One(usize),
    /// One of these, but files do not tell which.
    Several(Vec<usize>),
}

/// NetworkManager's record of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Whether NetworkManager has to do with it.
    pub is_managed: bool,
    /// The UUID of the profile that is active on it.
    pub uuid: Option<String>,
}

/// A link of the running system.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: Option<String>,
    /// NetworkManager's record of it.
    pub record: Option<Record>,
}

/// What a choice depends on.
#[derive(Debug)]
pub struct Scene {
    /// The links of the running system; none if the root does not run.
    pub links: Vec<Link>,
    /// Whether NetworkManager has records, which it does while it runs.
    pub has_records: bool,
    /// What NetworkManager leaves alone.
    pub config: Config,
    times: BTreeMap<String, u64>,
}

impl Scene {
    /// Reads what `root` says.
    pub fn of(root: &Root) -> Result<Scene> {
        let has_records = root.kind(&RECORDS.into())? == NodeKind::Directory;
        let mut links = Vec::new();
        for name in host::link_names(root)? {
            let Some(link) = host::link(root, &name)? else { continue };
            let path = RootPath::from(RECORDS).join(link.index.to_string());
            let record = if root.is_file(&path)? { Some(record(root, &path)?) } else { None };
            links.push(Link { name, mac: Some(link.mac).filter(|mac| !mac.is_empty()), record });
        }
        let times = Keyfile::parse(&Text::new(root.read(&TIMESTAMPS.into())?.unwrap_or_default()));
        let time = |line: crate::syntax::keyfile::Assignment<'_>| {
            let uuid = std::str::from_utf8(line.key).ok()?.to_ascii_lowercase();
            Some((uuid, std::str::from_utf8(line.value).ok()?.trim().parse().ok()?))
        };
        let times = times.assignments(b"timestamps").filter_map(time).collect();
        Ok(Scene { links, has_records, config: Config::of(root)?, times })
    }

    /// The link called `name`.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// NetworkManager's record of the link called `name`.
    pub fn record(&self, name: &str) -> Option<&Record> {
        self.link(name)?.record.as_ref()
    }

    /// The profile that counts for the interface `name`.
    pub fn choose(&self, profiles: &[Profile], name: &str) -> Choice {
        if self.has_records && self.link(name).is_some() && !self.record(name).is_some_and(|record| record.is_managed) {
            return Choice::Nothing(format!("NetworkManager leaves {name} alone"));
        }
        let candidates = self.candidates(profiles, name);
        let Some(uuid) = self.record(name).and_then(|record| record.uuid.as_ref()) else {
            let kind = candidates.first().and_then(|(_, index)| profiles.get(*index)?.connection.kind.clone());
            let mac = self.link(name).and_then(|link| link.mac.as_deref());
            let device = Device { name, mac, kind: kind.as_deref().unwrap_or("ethernet") };
            return match self.config.leaves(&device).filter(|_| !self.has_records) {
                Some(reason) => Choice::Nothing(format!("NetworkManager leaves {name} alone: {reason}")),
                None => by_rank(&candidates, name),
            };
        };
        let Some(active) = active(profiles, uuid, name) else {
            return Choice::Nothing(format!("the profile that is active on {name} ({uuid}) is in no keyfile"));
        };
        // One with a higher priority takes over at the next boot.
        let rank = profiles.get(active).map(|profile| Reverse(profile.connection.priority));
        let takes_over = candidates.iter().find(|(found, _)| found.fit == Fit::Yes && Some(found.priority) < rank);
        match takes_over {
            Some((_, other)) if *other != active => Choice::Several(vec![active, *other]),
            _ => Choice::One(active),
        }
    }

    /// The profiles that could be brought up on the interface `name`, best first, each with what ranks it.
    fn candidates(&self, profiles: &[Profile], name: &str) -> Vec<(Rank, usize)> {
        let mac = self.link(name).and_then(|link| link.mac.as_deref());
        // One that is active elsewhere is not taken for a second interface, unless it says so.
        let elsewhere = |connection: &Connection| {
            let others = self.links.iter().filter(|link| link.name != name);
            let mut active = others.filter_map(|link| link.record.as_ref()?.uuid.as_ref());
            !connection.is_for_many && active.any(|uuid| Some(uuid) == connection.uuid.as_ref())
        };
        let rank = |(index, profile): (usize, &Profile)| {
            let connection = &profile.connection;
            let fit = connection.fits(name, mac);
            let may = profile.is_loaded() && connection.autoconnect && connection.controller.is_none();
            let may = may && !elsewhere(connection);
            let time = connection.uuid.as_ref().and_then(|uuid| self.times.get(uuid)).copied().unwrap_or(0);
            let rank = Rank { priority: Reverse(connection.priority), time: Reverse(time), fit };
            (may && fit != Fit::No && !profile.is_external()).then_some((rank, index))
        };
        let mut all: Vec<(Rank, usize)> = profiles.iter().enumerate().filter_map(rank).collect();
        all.sort_by_key(|(rank, _)| (rank.priority, rank.time));
        all
    }
}

/// What decides between profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rank {
    priority: Reverse<i64>,
    time: Reverse<u64>,
    fit: Fit,
}

/// The best of `candidates`, which are sorted; all from there on that may be as good.
fn by_rank(candidates: &[(Rank, usize)], name: &str) -> Choice {
    // Of those that surely fit, the first one and its equals; before them, all that may fit.
    let sure = candidates.iter().position(|(rank, _)| rank.fit == Fit::Yes).unwrap_or(candidates.len());
    let best = candidates.get(sure).map(|(rank, _)| (rank.priority, rank.time));
    let counts = |(at, (rank, _)): &(usize, &(Rank, usize))| *at <= sure || Some((rank.priority, rank.time)) == best;
    let all: Vec<usize> = candidates.iter().enumerate().filter(counts).map(|(_, (_, index))| *index).collect();
    match all.as_slice() {
        [] => Choice::Nothing(format!("no profile of NetworkManager is for {name}")),
        [one] => Choice::One(*one),
        _ => Choice::Several(all),
    }
}

/// The profile with `uuid`; one without a UUID in its file gets one from its path.
fn active(profiles: &[Profile], uuid: &str, name: &str) -> Option<usize> {
    let has = |profile: &Profile| profile.connection.uuid.as_deref() == Some(uuid) && profile.is_loaded();
    if let Some(index) = profiles.iter().position(has) {
        return Some(index);
    }
    let nameless = |(_, profile): &(usize, &Profile)| {
        profile.connection.uuid.is_none() && profile.is_loaded() && profile.connection.fits(name, None) != Fit::No
    };
    let mut all = profiles.iter().enumerate().filter(nameless);
    match (all.next(), all.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}

fn record(root: &Root, path: &RootPath) -> Result<Record> {
    let keyfile = Keyfile::parse(&Text::new(root.read(path)?.unwrap_or_default()));
    let value = |key: &[u8]| keyfile.string(b"device", key);
    Ok(Record {
        is_managed: value(b"managed").as_deref() != Some("false"),
        uuid: value(b"connection-uuid").map(|uuid| uuid.to_ascii_lowercase()),
    })
}
