//! The files of `/etc/sysconfig/network-scripts`: which are read, and what each says.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::consumer::{Consumer, Readers};
use crate::alias::{host_prefix, netmask_to_prefix, with_prefix};
use crate::backend::{Entry, Role};
use crate::error::{Kind, Refusal, Result};
use crate::root::{Root, RootPath};
use crate::syntax::shell::{Assignment, Dialect, Environment, Value};
use crate::text::Text;

pub(super) const DIR: &str = "/etc/sysconfig/network-scripts";

/// Ends of names that the network scripts pass over, and NetworkManager does.
const IGNORED_BY_SCRIPTS: &[&str] = &["~", ".bak", ".old", ".orig", ".rpmnew", ".rpmorig", ".rpmsave"];
const IGNORED_BY_NETWORK_MANAGER: &[&str] = &["~", ".bak", ".orig", ".rej", ".rpmnew", ".augnew", ".augtmp"];

/// Variables that only come into an alias by copying its parent, and do harm there.
const COPIED: &[&str] = &["HWADDR", "GATEWAY", "UUID", "NAME", "IPV6ADDR", "DNS1", "MACADDR"];

/// What a file is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Base,
    Alias,
    Range,
}

/// One file.
pub(super) struct File {
    /// What stands behind `ifcfg-`.
    pub(super) name: String,
    pub(super) sort: Sort,
    pub(super) path: RootPath,
    pub(super) text: Text,
    pub(super) environment: Environment,
}

impl File {
    fn read(root: &Root, name: &str) -> Result<File> {
        let path = root.resolve(&RootPath::from(DIR).join(format!("ifcfg-{name}")))?;
        let text = Text::new(root.read(&path)?.unwrap_or_default());
        let mut environment = Environment::new(Dialect::Bash);
        environment.source(&text);
        let range = name
            .rsplit_once("-range")
            .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        let sort = match (name.contains(':'), range) {
            (true, _) => Sort::Alias,
            (_, true) => Sort::Range,
            _ => Sort::Base,
        };
        Ok(File { name: name.to_owned(), sort, path, text, environment })
    }

    /// The value of a variable; nothing if it is not set, or empty, or not known.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match &self.environment.get(name)?.value {
            Value::Text(text) => Some(text.text()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    pub(super) fn says(&self, name: &str, words: &[&str]) -> bool {
        self.get(name).is_some_and(|value| words.contains(&value.to_ascii_lowercase().as_str()))
    }

    pub(super) fn assignments(&self, name: &str) -> &[Assignment] {
        self.environment.get(name).map(|variable| variable.assignments.as_slice()).unwrap_or_default()
    }

    pub(super) fn line(&self, name: &str) -> usize {
        self.assignments(name).last().map_or(1, |last| last.line)
    }

    /// The device: `DEVICE`, or the file's name.
    pub(super) fn device(&self) -> String {
        self.get("DEVICE").unwrap_or_else(|| self.name.split("-range").next().unwrap_or(&self.name).to_owned())
    }

    /// The device without the number of an alias.
    pub(super) fn interface(&self) -> String {
        let device = self.device();
        device.split(':').next().unwrap_or(&device).to_owned()
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.says("BOOTPROTO", &["dhcp", "bootp"])
    }

    /// The bridge, bond or team that has the addresses instead.
    pub(super) fn master(&self) -> Option<String> {
        ["BRIDGE", "MASTER", "TEAM_MASTER"].iter().find_map(|name| self.get(name))
    }

    /// Refuses what cannot be told, or would break by an edit.
    pub(super) fn sound(&self) -> Result<()> {
        let refuse = |line: usize, reason: String, hint: &str| -> Result<()> {
            Err(Refusal::new(Kind::Malformed, reason, hint).at(&self.path, line).into())
        };
        if self.text.has_bom() {
            return refuse(
                1,
                "the file begins with a byte order mark, which hides its first variable".into(),
                "take it out",
            );
        }
        let crlf = |line: &crate::text::Line<'_>| {
            self.text.bytes().get(line.range()).is_some_and(|line| line.ends_with(b"\r\n"))
        };
        if let Some(line) = self.text.lines().find(crlf) {
            let hint =
                "convert the file to plain line ends: the shell takes the carriage return for a part of the value";
            return refuse(line.number, "the line ends with a carriage return".into(), hint);
        }
        if let Some(doubt) = self.environment.doubt() {
            let hint = "put the variables into plain assignments, or edit the file by hand";
            return refuse(doubt.line, format!("this cannot be evaluated without running it: {}", doubt.reason), hint);
        }
        for name in self.environment.names().filter(|name| ADDRESSING.iter().any(|start| name.starts_with(start))) {
            if let Some(Value::Unknown { reason, line, .. }) =
                self.environment.get(name).map(|variable| &variable.value)
            {
                let hint = "put it into a plain assignment, or edit the file by hand";
                return refuse(*line, format!("{name} cannot be evaluated without running the file: {reason}"), hint);
            }
        }
        Ok(())
    }
}

/// Names of variables that matter begin so.
const ADDRESSING: &[&str] = &["IPADDR", "PREFIX", "NETMASK", "IPV6ADDR", "DEVICE", "BOOTPROTO"];

/// Every file of the directory that the readers read, and who they are.
pub(super) struct Files {
    pub(super) consumer: Consumer,
    pub(super) files: Vec<File>,
    /// A default device of `/etc/sysconfig/network`.
    pub(super) gateway_device: Option<String>,
}

impl Files {
    pub(super) fn read(root: &Root, consumer: Consumer) -> Result<Files> {
        let dir = RootPath::from(DIR);
        let ignored = |name: &str| {
            let by = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
            let lower = name.to_ascii_lowercase();
            let by_manager = IGNORED_BY_NETWORK_MANAGER.iter().any(|end| lower.ends_with(end)) || name.contains(';');
            match consumer.readers {
                Readers::Scripts => by(IGNORED_BY_SCRIPTS),
                Readers::NetworkManager => by_manager,
                Readers::Both => by(IGNORED_BY_SCRIPTS) && by_manager,
            }
        };
        let mut files = Vec::new();
        for name in root.list(&dir)? {
            let Some(name) = std::str::from_utf8(&name).ok().and_then(|name| name.strip_prefix("ifcfg-")) else {
                continue;
            };
            if name != "lo"
                && !name.starts_with("lo:")
                && !name.is_empty()
                && !ignored(name)
                && root.is_file(&dir.join(format!("ifcfg-{name}")))?
            {
                files.push(File::read(root, name)?);
            }
        }
        let mut global = Environment::new(Dialect::Bash);
        global.source(&Text::new(root.read(&"/etc/sysconfig/network".into()).unwrap_or_default().unwrap_or_default()));
        let gateway_device = global.get("GATEWAYDEV").and_then(|variable| match &variable.value {
            Value::Text(text) => Some(text.text()).filter(|text| !text.is_empty()),
            _ => None,
        });
        Ok(Files { consumer, files, gateway_device })
    }

    /// Who reads this file: `NM_CONTROLLED=no` keeps NetworkManager away.
    pub(super) fn readers(&self, file: &File) -> Readers {
        let only = file.says("NM_CONTROLLED", &["no", "n", "false", "f", "0"]);
        if only && self.consumer.readers == Readers::Both { Readers::Scripts } else { self.consumer.readers }
    }

    pub(super) fn base(&self, interface: &str) -> Option<&File> {
        let mut bases = self.files.iter().filter(|file| file.sort == Sort::Base && file.device() == interface);
        bases.next()
    }

    pub(super) fn bases(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.sort == Sort::Base)
    }

    /// The alias and range files of a device.
    pub(super) fn others<'f>(&'f self, interface: &'f str, sort: Sort) -> impl Iterator<Item = &'f File> {
        self.files.iter().filter(move |file| {
            let device = file.name.split(':').next().unwrap_or_default();
            let device = device.split("-range").next().unwrap_or(device);
            file.sort == sort && device == interface
        })
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        for base in self.bases() {
            let device = base.device();
            let mut own = self.base_entries(base);
            let mut seen: BTreeSet<IpAddr> =
                own.iter().filter(|entry| entry.is_effective()).map(|entry| entry.address.addr()).collect();
            for file in self.others(&device, Sort::Alias) {
                own.extend(self.alias_entry(file, Some(base), &mut seen));
            }
            if self.consumer.readers != Readers::NetworkManager {
                for file in self.others(&device, Sort::Range) {
                    own.extend(range_entries(file, base, &mut seen));
                }
            }
            all.append(&mut own);
        }
        let orphan = |file: &&File| {
            file.sort == Sort::Alias && self.base(file.name.split(':').next().unwrap_or_default()).is_none()
        };
        for file in self.files.iter().filter(orphan) {
            all.extend(self.alias_entry(file, None, &mut BTreeSet::new()));
        }
        all
    }

    fn base_entries(&self, base: &File) -> Vec<Entry> {
        let device = base.device();
        let readers = self.readers(base);
        let idle = base.says("ONBOOT", &["no", "n", "false", "f", "0"]).then(|| "ONBOOT is no".to_owned());
        let mut all: Vec<Entry> = Vec::new();
        for (suffix, address, reached) in indexed(base, self.consumer.release.first_needed()) {
            let first = all.iter().all(|entry| entry.problem.is_some());
            let dhcp = base.is_dynamic() && readers == Readers::Scripts;
            let problem = if !reached {
                Some("an index before it is missing, which ends the search".to_owned())
            } else if dhcp {
                Some("the network scripts pass over addresses beside DHCP".to_owned())
            } else {
                idle.clone()
            };
            let role = if first && reached && !base.is_dynamic() { Role::Primary } else { Role::Additional };
            let name = format!("IPADDR{suffix}");
            all.push(entry(base, &device, address, &name, role, problem));
        }
        let off = base.says("IPV6INIT", &["no", "n", "false", "f", "0"]).then(|| "IPV6INIT is no".to_owned());
        for name in ["IPV6ADDR", "IPV6ADDR_SECONDARIES"] {
            for word in base.get(name).iter().flat_map(|value| value.split_whitespace()) {
                let Some(address) = parse6(word) else { continue };
                let role =
                    if name == "IPV6ADDR" && address.prefix_len() < 128 { Role::Primary } else { Role::Additional };
                all.push(entry(base, &device, address, name, role, off.clone().or_else(|| idle.clone())));
            }
        }
        all
    }

    fn alias_entry(&self, file: &File, base: Option<&File>, seen: &mut BTreeSet<IpAddr>) -> Option<Entry> {
        let ip: Ipv4Addr = file.get("IPADDR").or_else(|| file.get("IPADDR0"))?.parse().ok()?;
        let device = file.device();
        let interface = file.interface();
        let readers = base.map_or(self.consumer.readers, |base| self.readers(base));
        let inherits = readers != Readers::NetworkManager && self.consumer.release.el != Some(5);
        let parent = |name: &str| base.filter(|_| inherits).and_then(|base| base.get(name));
        let prefix = file.get("PREFIX").or_else(|| file.get("PREFIX0")).or_else(|| parent("PREFIX"));
        let mask = file.get("NETMASK").or_else(|| file.get("NETMASK0")).or_else(|| parent("NETMASK"));
        let address = with_prefix(ip.into(), bits(ip, prefix, mask))?;
        let number = file.name.split_once(':').map_or("", |(_, number)| number);
        let odd = !number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let problem = if base.is_none() {
            Some(format!("there is no ifcfg-{interface} that would start it"))
        } else if odd {
            Some("the part behind the colon is not one of letters, digits and underscores".to_owned())
        } else if device.len() > 15 {
            Some("the label is longer than 15 bytes".to_owned())
        } else if file.says("ONPARENT", &["no", "n", "false", "f", "0"]) {
            Some("ONPARENT is no, so it does not start with its interface".to_owned())
        } else if readers == Readers::NetworkManager && self.is_hidden(file, base) {
            Some("NetworkManager reads aliases only where DEVICE and both file names agree".to_owned())
        } else if !seen.insert(ip.into()) {
            Some("the same address stands in another file".to_owned())
        } else {
            base.filter(|base| base.says("ONBOOT", &["no", "n", "false", "f", "0"])).map(|_| "ONBOOT is no".to_owned())
        };
        let line = file.line(if file.get("IPADDR").is_some() { "IPADDR" } else { "IPADDR0" });
        Some(Entry {
            interface,
            address,
            label: Some(device),
            path: file.path.clone(),
            line,
            form: "alias file".to_owned(),
            role: Role::Additional,
            problem,
        })
    }

    fn is_hidden(&self, file: &File, base: Option<&File>) -> bool {
        let stem = file.name.split(':').next().unwrap_or_default();
        base.is_none_or(|base| base.name != stem) || file.get("DEVICE").as_deref() != Some(file.name.as_str())
    }

    /// What deserves a word: files that were copied from their parent, and copies with names that are read.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        for file in &self.files {
            let place = &file.path;
            if file.sort == Sort::Alias {
                let copied: Vec<&str> = COPIED.iter().copied().filter(|name| file.get(name).is_some()).collect();
                if !copied.is_empty() {
                    all.push(format!(
                        "{place} has {}, which do harm in an alias; it looks like a copy",
                        copied.join(", ")
                    ));
                }
            }
            if [".rej", ".save", ".swp", ".tmp"].iter().any(|end| file.name.ends_with(end)) {
                all.push(format!("{place} is read although it looks like a copy; move it away"));
            }
            if file.text.line(0).is_some_and(|line| line.content.starts_with(b"# Created by cloud-init")) {
                all.push(format!("cloud-init wrote {place} and may write it anew"));
            }
        }
        all
    }
}

fn entry(file: &File, device: &str, address: IpNet, name: &str, role: Role, problem: Option<String>) -> Entry {
    Entry {
        interface: device.to_owned(),
        address,
        label: None,
        path: file.path.clone(),
        line: file.line(name),
        form: name.to_owned(),
        role,
        problem,
    }
}

/// The addresses `IPADDR`, `IPADDR0`, `IPADDR1` and so on, in the order of the readers, and whether each is reached: the
/// first index missing from `needed` on ends the search.
pub(super) fn indexed(file: &File, needed: Option<u32>) -> Vec<(String, IpNet, bool)> {
    let mut all = Vec::new();
    let indexes = file.environment.names().filter_map(|name| name.strip_prefix("IPADDR")?.parse::<u32>().ok());
    let mut indexes: Vec<u32> = indexes.filter(|index| *index <= 255).collect();
    indexes.sort_unstable();
    let mut reached = true;
    let mut expected = needed.unwrap_or(0);
    for suffix in std::iter::once(None).chain(indexes.into_iter().map(Some)) {
        let text = suffix.map_or_else(String::new, |index| index.to_string());
        let Some(ip) = file.get(&format!("IPADDR{text}")).and_then(|ip| ip.parse::<Ipv4Addr>().ok()) else { continue };
        if let Some(index) = suffix {
            match needed {
                None => reached = false,
                Some(needed) if index >= needed => {
                    reached &= index == expected;
                    expected = index + 1;
                }
                Some(_) => {}
            }
        }
        let bits = bits(ip, file.get(&format!("PREFIX{text}")), file.get(&format!("NETMASK{text}")));
        if let Some(net) = with_prefix(ip.into(), bits) {
            all.push((text, net, reached));
        }
    }
    all
}

/// The prefix: of `PREFIX`, of `NETMASK`, or by class (ipcalc(1)).
fn bits(ip: Ipv4Addr, prefix: Option<String>, mask: Option<String>) -> u8 {
    let prefix = prefix.and_then(|prefix| prefix.parse().ok());
    let mask = || mask.and_then(|mask| netmask_to_prefix(mask.parse().ok()?));
    prefix.or_else(mask).unwrap_or(match ip.octets() {
        [..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    })
}

fn parse6(word: &str) -> Option<IpNet> {
    let net = word.parse::<IpNet>().ok().or_else(|| {
        let ip: IpAddr = word.parse().ok()?;
        with_prefix(ip, host_prefix(ip))
    });
    net.filter(|net| net.addr().is_ipv6())
}

fn range_entries(file: &File, base: &File, seen: &mut BTreeSet<IpAddr>) -> Vec<Entry> {
    let ip = |name: &str| file.get(name).and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    let (Some(start), Some(end)) = (ip("IPADDR_START"), ip("IPADDR_END")) else { return Vec::new() };
    let device = base.device();
    let same_subnet = start.octets().get(..3) == end.octets().get(..3);
    let first = file.get("CLONENUM_START").and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    let addresses = (u32::from(start)..=u32::from(end)).take(256).map(Ipv4Addr::from).enumerate();
    let own = |name: &str| file.get(name).or_else(|| base.get(name));
    addresses
        .filter_map(|(step, ip)| {
            let address = with_prefix(ip.into(), bits(ip, own("PREFIX"), own("NETMASK")))?;
            let problem = if !same_subnet {
                Some("the range goes beyond one /24".to_owned())
            } else {
                (!seen.insert(ip.into())).then(|| "the same address stands in another file".to_owned())
            };
            Some(Entry {
                label: Some(format!("{device}:{}", first + u32::try_from(step).ok()?)),
                form: "range file".to_owned(),
                line: file.line("IPADDR_START"),
                ..entry(file, &device, address, "IPADDR_START", Role::Additional, problem)
            })
        })
        .collect()
}
