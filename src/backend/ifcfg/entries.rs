//! The addresses that the files configure, in the order of their readers, and why some have no effect.
//!
//! The network scripts read `IPADDR`, `IPADDR0`, `IPADDR1` and so on of an interface's file (`expand_config`), then its
//! alias files and its ranges, in the order of their names (`ifup-aliases`).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::consumer::Readers;
use super::file::{File, Sort};
use super::files::Files;
use crate::alias::{MOST_NAME_BYTES, host_prefix, netmask_to_prefix, with_prefix};
use crate::backend::{Entry, Role};

/// The forms of entries that are no variables of an interface's own file.
pub(super) const ALIAS_FILE: &str = "alias file";
pub(super) const RANGE_FILE: &str = "range file";

/// The variables that belong to an index.
pub(super) const INDEXED: [&str; 7] = ["IPADDR", "PREFIX", "NETMASK", "BROADCAST", "ARPCHECK", "ARPUPDATE", "GATEWAY"];

/// What the aliases of an interface have taken so far.
#[derive(Default)]
struct Seen {
    addresses: BTreeSet<IpAddr>,
    numbers: BTreeSet<String>,
    /// The last `CLONENUM_START`, which goes on to range files without one.
    first: Option<u32>,
}

/// Every address, file by file.
pub(super) fn entries(files: &Files) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut claimed = BTreeSet::new();
    for base in files.bases() {
        let mut own = own(files, base);
        let at = |entry: &&Entry| entry.is_effective() && entry.interface == base.device;
        let mut nets: BTreeSet<IpNet> = all.iter().filter(at).map(|entry: &Entry| entry.address).collect();
        for entry in own.iter_mut().filter(|entry| entry.is_effective()) {
            if !nets.insert(entry.address) {
                entry.problem = Some("the same address stands further up".to_owned());
            }
        }
        let mut seen = Seen::default();
        for file in files.aliases(base) {
            claimed.insert(file.name.as_str());
            own.extend(alias(files, file, Some(base), &nets, &mut seen));
        }
        for file in files.ranges(base) {
            own.extend(range(files, file, base, &nets, &mut seen));
        }
        all.append(&mut own);
    }
    for file in files.files.iter().filter(|file| file.sort == Sort::Alias && !claimed.contains(file.name.as_str())) {
        all.extend(alias(files, file, None, &BTreeSet::new(), &mut Seen::default()));
    }
    all
}

/// Why nothing of an interface's file has an effect.
fn idle(files: &Files, base: &File) -> Option<String> {
    if files.readers(base) == Readers::Nobody {
        let reason = "NM_CONTROLLED keeps NetworkManager away, and the network service does not start";
        return Some(reason.to_owned());
    }
    if let Some(name) = not_an_address(base).filter(|_| base.by_line) {
        return Some(format!("{name} is no IPv4 address, for which NetworkManager passes over the file"));
    }
    base.denies("ONBOOT").then(|| "ONBOOT is no".to_owned())
}

/// A variable for an IPv4 address that has something else.
pub(super) fn not_an_address(base: &File) -> Option<String> {
    let names = numbers(base, "IPADDR").into_iter().map(|number| format!("IPADDR{number}"));
    let is_odd = |name: &String| base.get(name).is_some_and(|value| indexed_ip(base, &value).is_none());
    std::iter::once("IPADDR".to_owned()).chain(names).find(is_odd)
}

fn own(files: &Files, base: &File) -> Vec<Entry> {
    let idle = idle(files, base);
    let mut all: Vec<Entry> = Vec::new();
    let mut has_primary = base.is_dynamic();
    for indexed in indexed(files, base) {
        let name = format!("IPADDR{}", indexed.suffix);
        let passed_over = base.is_dynamic() && files.readers(base) == Readers::Scripts;
        let problem = if !indexed.is_reached {
            let reason = match files.consumer.first_needed() {
                None => "this release knows no indexes",
                Some(_) => "an index before it is missing, which ends the search",
            };
            Some(reason.to_owned())
        } else if passed_over {
            Some("the network scripts pass over addresses beside DHCP".to_owned())
        } else {
            indexed.problem.or_else(|| idle.clone())
        };
        let role = if indexed.is_reached && !has_primary { Role::Primary } else { Role::Additional };
        has_primary |= role == Role::Primary;
        all.push(entry(base, indexed.address, &name, role, problem));
    }
    let off = if ipv6_starts(files, base) { None } else { Some("IPV6INIT does not say yes".to_owned()) };
    for name in ["IPV6ADDR", "IPV6ADDR_SECONDARIES"] {
        for word in base.get(name).iter().flat_map(|value| value.split_whitespace()) {
            let Some(address) = parse6(word, files.readers(base)) else { continue };
            let is_primary = name == "IPV6ADDR" && (address.prefix_len() < 128 || has_gateway6(files, base));
            let role = if is_primary { Role::Primary } else { Role::Additional };
            all.push(entry(base, address, name, role, off.clone().or_else(|| idle.clone())));
        }
    }
    all.retain(|entry| !entry.address.addr().is_loopback());
    all
}

/// Whether the interface's IPv6 addresses are read. NetworkManager wants a word for it, as EL 5 did (from memory).
pub(super) fn ipv6_starts(files: &Files, base: &File) -> bool {
    match files.readers(base) {
        Readers::NetworkManager => {
            let globally = || files.global("IPV6INIT").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
            let said = if base.sets("IPV6INIT") { base.affirms("IPV6INIT") } else { globally() };
            said && !base.affirms("IPV6_DISABLED")
        }
        _ if files.consumer.first_needed().is_none() => base.get("IPV6INIT").as_deref() == Some("yes"),
        _ => !base.denies("IPV6INIT"),
    }
}

fn has_gateway6(files: &Files, base: &File) -> bool {
    let device = |name: &str| files.global(name).is_some_and(|device| device == base.device);
    base.get("IPV6_DEFAULTGW").is_some() || device("IPV6_DEFAULTDEV")
}

fn entry(file: &File, address: IpNet, name: &str, role: Role, problem: Option<String>) -> Entry {
    Entry {
        interface: file.device.clone(),
        address,
        label: None,
        path: file.path.clone(),
        line: file.line(name),
        form: name.to_owned(),
        role,
        problem,
    }
}

/// An `IPADDRn`.
pub(super) struct Indexed {
    /// The number, or nothing.
    pub(super) suffix: String,
    pub(super) address: IpNet,
    /// Whether the search comes so far.
    pub(super) is_reached: bool,
    problem: Option<String>,
}

/// The addresses `IPADDR`, `IPADDR0`, `IPADDR1` and so on, in the order of the readers: the first index that is missing
/// from a certain one on ends the search.
pub(super) fn indexed(files: &Files, file: &File) -> Vec<Indexed> {
    let mut all = Vec::new();
    let mut reached = true;
    let mut expected = files.consumer.first_needed().unwrap_or(0);
    let most = files.consumer.most_index();
    let numbers = numbers(file, "IPADDR").into_iter().filter(|number| *number <= most).map(Some);
    for number in std::iter::once(None).chain(numbers) {
        let suffix = number.map_or_else(String::new, |number| number.to_string());
        let Some(value) = file.get(&format!("IPADDR{suffix}")) else { continue };
        match (number, files.consumer.first_needed()) {
            (None, _) => {}
            (Some(_), None) => reached = false,
            (Some(number), Some(needed)) if number >= needed => {
                reached &= number == expected;
                expected = number.saturating_add(1);
            }
            (Some(_), Some(_)) => {}
        }
        let Some(ip) = indexed_ip(file, &value) else { continue };
        let names = [format!("IPADDR{suffix}"), format!("PREFIX{suffix}"), format!("NETMASK{suffix}")];
        let bits = bits(ip, file.get(&names[1]), file.get(&names[2]));
        let broken = broken(file, &names).or(bits.as_ref().err().cloned());
        let Some(address) = with_prefix(ip.into(), bits.unwrap_or(32)) else { continue };
        all.push(Indexed { suffix, address, is_reached: reached, problem: broken });
    }
    all
}

/// An address in an `IPADDRn`, where the scripts lose the blanks around it.
fn indexed_ip(file: &File, value: &str) -> Option<Ipv4Addr> {
    if file.by_line { value } else { value.trim() }.parse().ok()
}

/// The numbers behind `start` in names of variables that are set, `01` and the like left out, sorted.
pub(super) fn numbers(file: &File, start: &str) -> BTreeSet<u32> {
    let number = |name: &str| {
        let digits = name.strip_prefix(start)?;
        digits.parse::<u32>().ok().filter(|number| number.to_string() == digits)
    };
    file.environment.names().filter_map(number).collect()
}

/// Why variables do not hold what they seem to: the shell takes a carriage return for a part of the value.
fn broken(file: &File, names: &[String]) -> Option<String> {
    let ends = |name: &String| {
        let at = file.assignments(name).last()?.line.checked_sub(1)?;
        file.text.line(at).filter(|line| !file.by_line && line.ends_with_return())
    };
    let line = names.iter().find_map(ends)?;
    Some(format!("line {} ends with a carriage return, which breaks its value", line.number))
}

/// The prefix: of `PREFIX`, of `NETMASK`, or by class (ipcalc(1)).
fn bits(ip: Ipv4Addr, prefix: Option<String>, mask: Option<String>) -> Result<u8, String> {
    if let Some(prefix) = prefix {
        let bits = prefix.parse().ok().filter(|bits| *bits <= 32);
        return bits.ok_or_else(|| format!("the prefix {prefix:?} is not a number up to 32"));
    }
    if let Some(mask) = mask {
        let bits = mask.parse().ok().and_then(netmask_to_prefix);
        return bits.ok_or_else(|| format!("the netmask {mask:?} is none"));
    }
    Ok(match ip.octets() {
        [..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    })
}

/// An IPv6 address; without a prefix NetworkManager takes 64 bits, ip(8) all.
fn parse6(word: &str, readers: Readers) -> Option<IpNet> {
    let net = word.parse::<IpNet>().ok().or_else(|| {
        let ip: IpAddr = word.parse().ok()?;
        with_prefix(ip, if readers == Readers::NetworkManager { 64 } else { host_prefix(ip) })
    });
    net.filter(|net| net.addr().is_ipv6())
}

/// The values that an alias or range file inherits, and its own.
struct Inheriting<'f> {
    file: &'f File,
    base: Option<&'f File>,
    readers: Readers,
    knows_prefix: bool,
}

impl<'f> Inheriting<'f> {
    fn new(files: &Files, file: &'f File, base: Option<&'f File>) -> Inheriting<'f> {
        let readers = base.map_or(files.consumer.readers, |base| files.readers(base));
        Inheriting { file, base, readers, knows_prefix: files.consumer.first_needed().is_some() }
    }

    /// What the network scripts have for a variable: that of the file, even if empty, or of its parent.
    fn get(&self, name: &str) -> Option<String> {
        let parent = self.base.filter(|_| !self.file.sets(name)).and_then(|base| base.get(name));
        self.file.get(name).or(parent)
    }

    fn bits(&self, files: &Files, ip: Ipv4Addr) -> Result<u8, String> {
        if self.readers != Readers::NetworkManager {
            // EL 5 hands the mask of the parent down, not its prefix (from memory).
            let prefix = if self.knows_prefix { self.get("PREFIX") } else { self.file.get("PREFIX") };
            return bits(ip, prefix, self.get("NETMASK"));
        }
        let (prefix, mask) = (self.file.get("PREFIX"), self.file.get("NETMASK"));
        let parent = self.base.and_then(|base| indexed(files, base).into_iter().find(|one| one.is_reached));
        match parent.filter(|_| prefix.is_none() && mask.is_none()) {
            Some(parent) => Ok(parent.address.prefix_len()),
            None => bits(ip, prefix, mask),
        }
    }
}

fn alias(files: &Files, file: &File, base: Option<&File>, nets: &BTreeSet<IpNet>, seen: &mut Seen) -> Option<Entry> {
    let inheriting = Inheriting::new(files, file, base);
    let name = if file.get("IPADDR").is_some() { "IPADDR" } else { "IPADDR0" };
    let ip = file.get(name).and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    let bits = ip.map(|ip| inheriting.bits(files, ip)).unwrap_or(Ok(32));
    let address = ip.and_then(|ip| with_prefix(ip.into(), bits.clone().unwrap_or(32)));
    let names = ["DEVICE", name, "PREFIX", "NETMASK"].map(str::to_owned);
    let by_manager = inheriting.readers == Readers::NetworkManager;
    let read = Some(()).filter(|()| name == "IPADDR").and(address).map(|address| address.addr());
    let problem = no_start(file, base, by_manager)
        .or_else(|| broken(file, &names))
        .or_else(|| odd_number(file))
        .or_else(|| if by_manager { hidden(file, base?) } else { taken(file, read, seen) })
        .or_else(|| too_long(&file.device))
        .or_else(|| if by_manager { None } else { strange(file, base?) })
        .or_else(|| address.filter(|address| nets.contains(address)).map(|_| "its interface has it already".to_owned()))
        .or_else(|| (name == "IPADDR0").then(|| "alias files have their address in IPADDR".to_owned()))
        .or(bits.err())
        .or_else(|| base.and_then(|base| idle(files, base)));
    let interface = base.map_or_else(|| file.stem().to_owned(), |base| base.device.clone());
    let label = Some(file.device.clone()).filter(|label| *label != interface);
    let form = ALIAS_FILE.to_owned();
    Some(Entry { interface, label, form, ..entry(file, address?, name, Role::Additional, problem) })
}

/// Why nothing brings an alias or a range up.
fn no_start(file: &File, base: Option<&File>, by_manager: bool) -> Option<String> {
    if base.is_none() {
        return Some(format!("there is no ifcfg-{} that would start it", file.stem()));
    }
    let not_with_parent = !by_manager && matches!(file.get("ONPARENT").as_deref(), Some("no" | "NO"));
    not_with_parent.then(|| "ONPARENT is no, so it does not start with its interface".to_owned())
}

/// The number of an alias: what the scripts take it for is that of its `DEVICE`, not of its name.
fn number(device: &str) -> &str {
    device.split_once(':').map_or(device, |(_, number)| number)
}

/// Why the readers do not take a number.
fn odd_number(file: &File) -> Option<String> {
    let is_odd = |number: &str| !number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_odd(number(&file.device)) || file.by_line && is_odd(number(&file.name)))
        .then(|| "the part behind the colon is not one of letters, digits and underscores".to_owned())
}

/// Why the scripts pass over an alias: its address or its number stands in a file before. Both count as taken.
fn taken(file: &File, address: Option<IpAddr>, seen: &mut Seen) -> Option<String> {
    let new_address = address.is_none_or(|address| seen.addresses.insert(address));
    let new_number = seen.numbers.insert(number(&file.device).to_owned());
    match (new_address, new_number) {
        (false, _) => Some("the same address stands in another file".to_owned()),
        (_, false) => Some(format!("another file has the same DEVICE, {}", file.device)),
        _ => None,
    }
}

/// Why ip(8) would not take the name of an alias for a label.
fn strange(file: &File, base: &File) -> Option<String> {
    let is_own = file.device.starts_with(&base.device);
    (!is_own).then(|| format!("its DEVICE is not one of {}", base.device))
}

/// Why NetworkManager does not see an alias.
fn hidden(file: &File, base: &File) -> Option<String> {
    let agrees = base.name == file.stem() && file.get("DEVICE").as_deref() == Some(file.name.as_str());
    (!agrees).then(|| "NetworkManager reads aliases only where DEVICE and both file names agree".to_owned())
}

/// The addresses from `IPADDR_START` to `IPADDR_END`; what is taken ends the range.
fn range(files: &Files, file: &File, base: &File, nets: &BTreeSet<IpNet>, seen: &mut Seen) -> Vec<Entry> {
    let ip = |name: &str| file.get(name).and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    let (Some(start), Some(end)) = (ip("IPADDR_START"), ip("IPADDR_END")) else { return Vec::new() };
    let inheriting = Inheriting::new(files, file, Some(base));
    let mut ended = if start.octets().get(..3) != end.octets().get(..3) {
        Some("the range goes beyond one /24".to_owned())
    } else {
        no_start(file, Some(base), false)
    };
    seen.first = file.get("CLONENUM_START").and_then(|number| number.parse::<u32>().ok()).or(seen.first);
    let first = seen.first;
    let addresses = (u32::from(start)..=u32::from(end)).take(256).map(Ipv4Addr::from).zip(0..);
    let entry = |(ip, step): (Ipv4Addr, u32)| {
        // Nothing is counted on from nothing as if it were 0.
        let number = if step == 0 { first } else { Some(first.unwrap_or(0).saturating_add(step)) };
        let number = number.map_or_else(String::new, |number| number.to_string());
        let bits = inheriting.bits(files, ip);
        let address = with_prefix(ip.into(), bits.clone().unwrap_or(32))?;
        let label = format!("{}:{number}", base.device);
        if ended.is_none() {
            let free = seen.addresses.insert(ip.into()) & seen.numbers.insert(number);
            ended = (!free).then(|| format!("{ip} or {label} stands in another file, which ends the range"));
        }
        let problem = ended
            .clone()
            .or_else(|| too_long(&label))
            .or_else(|| nets.contains(&address).then(|| "its interface has it already".to_owned()))
            .or(bits.err())
            .or_else(|| base.denies("ONBOOT").then(|| "ONBOOT is no".to_owned()));
        Some(Entry {
            interface: base.device.clone(),
            label: Some(label),
            form: RANGE_FILE.to_owned(),
            ..entry(file, address, "IPADDR_START", Role::Additional, problem)
        })
    };
    addresses.filter_map(entry).collect()
}

fn too_long(label: &str) -> Option<String> {
    (label.len() > MOST_NAME_BYTES).then(|| format!("the label is longer than {MOST_NAME_BYTES} bytes"))
}
