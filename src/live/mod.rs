//! The only place that asks the kernel: what is up, what a change did to everything else, and how to put that back.
//!
//! A [`Snapshot`] is taken before a change; afterwards the new one must show the addresses of the plan and nothing else
//! lost. Duplicate address detection takes 1 to 2 s (RFC 4862 5.4), so verification waits.
//! What differs between systems is in `system`: Linux is asked and changed through netlink; the other Unix systems and
//! Windows are only asked, since their own commands, which the plan has, change them.
//! Leaves out: files (`command::perform` reads those again).

#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod system;
#[cfg(all(unix, not(target_os = "linux")))]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

mod mend;
mod snapshot;
#[cfg(not(target_os = "linux"))]
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::alias::Alias;
use crate::error::Result;
use mend::Mend;
use snapshot::{Address, Link, Route, State, Way};
pub use snapshot::{Expectation, Snapshot};

/// How often the kernel is asked while something is awaited.
const POLL: Duration = Duration::from_millis(100);

/// Public addresses to which a route is looked up (no packet is sent): is the way out the same as before?
const ABROAD: [&str; 2] = ["9.9.9.9", "2620:fe::fe"];

/// How many addresses are asked for on the link at once: each is a broadcast to everybody there.
pub const MOST_PROBED: usize = 256;

/// The running system.
pub struct Live {
    kernel: system::Kernel,
}

impl Live {
    /// Gets ready to ask.
    pub fn open() -> Result<Live> {
        Ok(Live { kernel: system::Kernel::open()? })
    }

    /// Everything that verification compares.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let (links, addresses, routes) = self.kernel.look()?;
        let mut targets: BTreeSet<IpAddr> =
            routes.iter().filter(|route| route.to == "default").filter_map(|route| route.gateway).collect();
        // A link-local address is on every link: which way it is taken to be says nothing.
        targets.retain(|target| !matches!(target, IpAddr::V6(ip) if ip.is_unicast_link_local()));
        targets.extend(ABROAD.iter().filter_map(|text| text.parse::<IpAddr>().ok()));
        targets.extend(ssh_session().map(|(peer, _)| peer));
        let ways: BTreeMap<IpAddr, Option<Way>> = targets
            .into_iter()
            .map(|target| Ok((target, self.kernel.way(target, &addresses)?)))
            .collect::<Result<_>>()?;
        Ok(Snapshot { links, addresses, routes, ways })
    }

    /// What the running system has instead of files, as the JSON that `backend::netsh` reads; only Windows has that.
    pub fn record(&self) -> Result<Option<String>> {
        self.kernel.record()
    }

    /// Brings addresses up, all in one go; those that are there already are left as they are.
    pub fn add(&self, aliases: &[Alias]) -> Result<()> {
        if aliases.is_empty() { Ok(()) } else { self.kernel.add(aliases, false) }
    }

    /// Takes the preference off IPv6 addresses that came up preferred although the plan says otherwise, and off those that
    /// had none in `before` and that somebody put up anew meanwhile (wicked does): the primary stays the source of outgoing
    /// packets.
    pub fn deprecate(&self, aliases: &[Alias], before: &Snapshot) -> Result<()> {
        let unwanted = |alias: &&Alias| alias.address.addr().is_ipv6() && !alias.preferred;
        let planned = aliases.iter().filter(unwanted).cloned();
        let chosen: BTreeSet<IpAddr> =
            aliases.iter().filter(|alias| alias.preferred).map(|alias| alias.address.addr()).collect();
        let former = before.idle_sources().filter(|alias| !chosen.contains(&alias.address.addr()));
        let all: Vec<Alias> = planned.chain(former).collect();
        if !system::CHANGES || all.is_empty() {
            return Ok(());
        }
        let now = self.snapshot()?;
        let preferred = now.addresses.iter().filter(|address| !address.state.deprecated);
        let preferred: BTreeSet<(&str, IpNet)> =
            preferred.map(|address| (address.interface.as_str(), address.net)).collect();
        let is_wrong = |alias: &Alias| preferred.contains(&(alias.interface.as_str(), alias.address));
        let wrong: Vec<Alias> = all.into_iter().filter(is_wrong).collect();
        if wrong.is_empty() { Ok(()) } else { self.kernel.add(&wrong, true) }
    }

    /// Takes addresses down, whatever prefix they are up with; those that are not there are no error.
    pub fn delete<'a>(&self, gone: impl IntoIterator<Item = (&'a str, IpAddr)>) -> Result<()> {
        let gone: BTreeSet<(&str, IpAddr)> = gone.into_iter().collect();
        if gone.is_empty() { Ok(()) } else { self.kernel.delete(&gone) }
    }

    /// Which of `aliases` another host on the link has, with its hardware address; at most [`MOST_PROBED`] are asked for.
    /// Takes 0.6 s. Only on Linux: other systems look for duplicates when they put an address up.
    pub fn in_use(&self, aliases: &[Alias]) -> Result<BTreeMap<IpAddr, String>> {
        let mut found = BTreeMap::new();
        let asked = aliases.get(..MOST_PROBED).unwrap_or(aliases);
        for (interface, addresses) in by_interface(asked) {
            found.extend(self.kernel.in_use(interface, &addresses)?);
        }
        Ok(found)
    }

    /// Tells the neighbours on the link that `aliases` are here now, so that they forget where these were before.
    pub fn announce(&self, aliases: &[Alias]) -> Result<()> {
        by_interface(aliases).into_iter().try_for_each(|(interface, all)| self.kernel.announce(interface, &all))
    }

    /// Waits until the expectation holds and nothing else is lost, for at most `limit` and until `stop` says so; what is
    /// wrong then, if anything.
    pub fn verify(
        &self,
        before: &Snapshot,
        expect: &Expectation,
        limit: Duration,
        stop: impl Fn() -> bool,
    ) -> Result<Vec<String>> {
        let began = Instant::now();
        loop {
            let now = self.snapshot()?;
            let (faults, hopeless) = now.faults(before, expect);
            if faults.is_empty() || hopeless || began.elapsed() >= limit || stop() {
                return Ok(faults);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Puts everything back as it was in `before`, and takes off addresses that were not there and that `expect` wanted up,
    /// wherever they are. Other new addresses are left alone, unless outgoing packets have them as their source now: somebody
    /// else may have added them meanwhile. Where only the system's own commands change anything, the plan's undo steps have
    /// done it.
    pub fn restore(&self, before: &Snapshot, expect: &Expectation) -> Result<()> {
        if !system::CHANGES {
            return Ok(());
        }
        let new = expect.up.iter().map(|alias| (alias.interface.as_str(), alias.address.addr()));
        self.delete(new.filter(|(interface, ip)| before.find(interface, *ip).is_none()))?;
        let wanted = expect.up.iter().map(|alias| alias.address.addr()).collect();
        let now = self.snapshot()?;
        self.kernel.mend(&Mend { gone: mend::strays(before, &now, &wanted), ..Mend::default() })?;
        self.put_back(before, |_| true)?;
        // Removing what is new may show that the order is another, too.
        for _ in 0..2 {
            let now = self.snapshot()?;
            self.kernel.mend(&mend::sources(before, &now))?;
        }
        self.put_back(before, |_| true)?;
        self.deprecate(&[], before)
    }

    /// Puts back at once what a command took that it should not have touched. What is to go anyway stays away.
    pub fn rescue(&self, before: &Snapshot, expect: &Expectation) -> Result<()> {
        if !system::CHANGES {
            return Ok(());
        }
        self.put_back(before, |lost| !expect.gone.contains(&(lost.interface.clone(), lost.net.addr())))
    }

    /// Whether something of `before` is lost without which the host may be out of reach: an address, a default route, a link.
    pub fn is_harmed(&self, before: &Snapshot, expect: &Expectation) -> Result<bool> {
        let now = self.snapshot()?;
        let is_down = |name: &str| !now.links.iter().any(|link| link.name == name && link.up);
        Ok(before.lost_addresses(&now, expect).next().is_some()
            || !before.lost_defaults(&now).is_empty()
            || before.links.iter().any(|link| link.up && is_down(&link.name)))
    }

    /// Puts back what a full restart took although no file has it: addresses and routes of others. Returns the addresses.
    /// What `is_configured`, the source of outgoing packets, and default routes the restart has to bring back itself, for
    /// which it gets until `limit`; without that nothing is put back, so that the verification tells.
    pub fn put_back_foreign(
        &self,
        before: &Snapshot,
        expect: &Expectation,
        is_configured: impl Fn(&str, IpAddr) -> bool,
        limit: Duration,
    ) -> Result<Vec<String>> {
        if !system::CHANGES {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let lost = loop {
            let now = self.snapshot()?;
            let lost: Vec<&Address> = before.lost_addresses(&now, expect).collect();
            let own = |lost: &&Address| {
                let ip = lost.net.addr();
                before.is_source(ip) || is_configured(&lost.interface, ip)
            };
            match lost.iter().any(own) || !before.lost_defaults(&now).is_empty() {
                false => break lost,
                true if began.elapsed() >= limit => return Ok(Vec::new()),
                true => std::thread::sleep(POLL),
            }
        };
        self.put_back(before, |lost| !expect.gone.contains(&(lost.interface.clone(), lost.net.addr())))?;
        Ok(lost.iter().map(|lost| lost.net.to_string()).collect())
    }

    fn put_back(&self, before: &Snapshot, wanted: impl Fn(&Address) -> bool) -> Result<()> {
        let now = self.snapshot()?;
        let addresses = mend::addresses(before, &now, wanted);
        self.kernel.mend(&addresses)?;
        let now = self.snapshot()?;
        self.kernel.mend_routes(&mend::routes(before, &now, &addresses.back))
    }
}

fn by_interface(aliases: &[Alias]) -> BTreeMap<&str, BTreeSet<IpAddr>> {
    let mut all: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
    for alias in aliases {
        all.entry(alias.interface.as_str()).or_default().insert(alias.address.addr());
    }
    all
}

/// The peer and the local address of the SSH session that ipalias runs in, if it does. `sudo` drops the variable, so the
/// environments of the ancestors are asked, too, where there is a `/proc` that tells them (proc(5)).
pub fn ssh_session() -> Option<(IpAddr, IpAddr)> {
    let parse = |value: &str| {
        let words: Vec<&str> = value.split_whitespace().collect();
        match words.as_slice() {
            [peer, _, local, _] => Some((peer.parse().ok()?, local.parse().ok()?)),
            _ => None,
        }
    };
    if let Ok(value) = std::env::var("SSH_CONNECTION") {
        return parse(&value);
    }
    let mut process = std::process::id();
    for _ in 0..16 {
        let environment = fs_err::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let variable = environment.split(|b| *b == 0).find_map(|pair| pair.strip_prefix(b"SSH_CONNECTION="));
        if let Some(found) = variable.and_then(|value| parse(&String::from_utf8_lossy(value))) {
            return Some(found);
        }
        let status = fs_err::read_to_string(format!("/proc/{process}/status")).ok()?;
        process = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))?
            .trim()
            .parse()
            .ok()
            .filter(|parent| *parent > 1)?;
    }
    None
}
