//! cloud-init: whether it writes the network's files, how often, and the file that keeps it from doing so.
//!
//! When it writes is decided by the datasource (`default_update_events` of cloudinit/sources/*.py), unless `updates.network.when`
//! says otherwise; `network: {config: disabled}` in its configuration switches it off (cloud-init, "Network configuration").

use super::{files_of, lines};
use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::plan::{Backup, Change};
use crate::root::{NodeKind, Root, RootPath};
use crate::syntax::yaml::{self, Node, Value};
use crate::text::Text;

/// What there is where cloud-init is installed, by prefix.
const HOMES: &[(&str, &[&str])] = &[
    ("", &["/etc/cloud/cloud.cfg", "/usr/bin/cloud-init", "/var/lib/cloud/instance"]),
    ("/usr/local", &["/usr/local/etc/cloud/cloud.cfg"]),
];

/// The file that switches it off, as its documentation and the hosters' guides name it.
const SWITCH: &str = "99-disable-network-config.cfg";

/// The switch itself.
const OFF: &[u8] = b"network: {config: disabled}\n";

/// Datasources that have the network written at every boot.
const EVERY_BOOT: &[&str] = &["Azure", "GCE", "Hetzner", "RbxCloud", "Scaleway", "SmartOS"];

/// Datasources that may have it written at a boot where the hardware changed.
const SOME_BOOTS: &[&str] = &["Ec2", "VMware"];

/// Files that cloud-init writes: the directory, how the name begins, how it ends.
const WRITTEN: &[(&str, &str, &str)] = &[
    ("/etc/netplan", "50-cloud-init", ".yaml"),
    ("/etc/network/interfaces.d", "50-cloud-init", ""),
    ("/etc/systemd/network", "10-cloud-init-", ".network"),
    ("/etc/NetworkManager/system-connections", "cloud-init-", ".nmconnection"),
];

/// Says which of its files cloud-init writes again and when; nothing where it leaves the network alone.
pub fn warnings(root: &Root, files: &[RootPath]) -> Result<Vec<String>> {
    let Some(home) = home(root)? else { return Ok(Vec::new()) };
    if is_off(root, home)? {
        return Ok(Vec::new());
    }
    let when = when(root, home)?;
    let hint = "--disable-cloud-init-network keeps it from that";
    let mut all = Vec::new();
    for path in files {
        if is_its_file(root, path)? {
            all.push(format!("cloud-init writes {path} anew {when}, and an address in it is gone then; {hint}"));
        }
    }
    if all.is_empty() {
        let mut its = Vec::new();
        for (dir, head, tail) in WRITTEN {
            let fits =
                |path: &RootPath| path.name().starts_with(head.as_bytes()) && path.name().ends_with(tail.as_bytes());
            its.extend(files_of(root, dir)?.into_iter().filter(fits).map(|path| path.to_string()));
        }
        if !its.is_empty() {
            let its = its.join(", ");
            all.push(format!("cloud-init writes {its} anew {when} ({hint}); other files it leaves alone"));
        }
    }
    Ok(all)
}

/// The change that switches it off; nothing if it is off already.
///
/// Refuses where there is no cloud-init, and where the file is there and says something else.
pub fn switch_off(root: &Root) -> Result<Option<Change>> {
    let Some(home) = home(root)? else {
        let hint = "leave --disable-cloud-init-network out";
        return Err(Refusal::new(Kind::NotFound, "there is no cloud-init here", hint).into());
    };
    if is_off(root, home)? {
        return Ok(None);
    }
    let path = root.resolve(&RootPath::from(format!("{home}/etc/cloud/cloud.cfg.d/{SWITCH}").as_str()))?;
    let before = root.read(&path)?;
    let says_else = before.as_ref().is_some_and(|bytes| !settings(bytes).is_empty());
    if says_else {
        let hint = "write network: {config: disabled} into it by hand";
        let reason = "the file is there and does not switch the network off";
        return Err(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&path, 0).into());
    }
    let after = [before.as_deref().unwrap_or_default(), OFF].concat();
    Ok(Some(Change { path, before, after: Some(after), mode: 0o644, backup: Backup::StoreOnly }))
}

/// The datasource, without the word and its stage: `Hetzner`, `OpenStack`, `NoCloud`.
pub fn datasource(root: &Root) -> Result<Option<String>> {
    for (path, mark) in [("/var/lib/cloud/instance/datasource", ""), ("/run/cloud-init/result.json", "\"datasource\"")]
    {
        let found = lines(root, &path.into())?.into_iter().find_map(|(_, line)| {
            let (_, rest) = line.contains(mark).then(|| line.split_once("DataSource"))??;
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            let name = name.trim_end_matches("Local").trim_end_matches("Net").to_owned();
            (!name.is_empty()).then_some(name)
        });
        if found.is_some() {
            return Ok(found);
        }
    }
    // What ds-identify found, or what the image was made for.
    let mut candidates = vec![RootPath::from("/run/cloud-init/cloud.cfg")];
    candidates.extend(files_of(root, "/etc/cloud/cloud.cfg.d")?.into_iter().rev());
    for path in candidates {
        let named: Vec<String> = settings_of(root, &path)?
            .into_iter()
            .filter(|(key, value)| key.as_slice() == ["datasource_list"] && value != "None")
            .map(|(_, value)| value)
            .collect();
        if let [only] = named.as_slice() {
            return Ok(Some(only.clone()));
        }
    }
    Ok(None)
}

/// The prefix below which cloud-init is installed.
fn home(root: &Root) -> Result<Option<&'static str>> {
    for (prefix, marks) in HOMES {
        for mark in *marks {
            if root.kind(&RootPath::from(*mark))? != NodeKind::Absent {
                return Ok(Some(prefix));
            }
        }
    }
    Ok(None)
}

/// Whether it is switched off, whole or for the network. Of its files the last one that has a key counts.
fn is_off(root: &Root, home: &str) -> Result<bool> {
    let whole = RootPath::from(format!("{home}/etc/cloud/cloud-init.disabled").as_str());
    if root.kind(&whole)? != NodeKind::Absent {
        return Ok(true);
    }
    let boot = lines(root, &"/proc/cmdline".into())?;
    if boot.iter().any(|(_, line)| line.split_whitespace().any(|word| word == "cloud-init=disabled")) {
        return Ok(true);
    }
    let mut off = false;
    for path in configuration(root, home)? {
        let mut network = settings_of(root, &path)?;
        network.retain(|(key, _)| key.first().is_some_and(|key| key == "network"));
        if !network.is_empty() {
            off = network.iter().any(|(key, value)| key.as_slice() == ["network", "config"] && value == "disabled");
        }
    }
    Ok(off)
}

/// How often it writes the network's files, in words.
fn when(root: &Root, home: &str) -> Result<String> {
    let mut events = Vec::new();
    for path in configuration(root, home)? {
        let own =
            settings_of(root, &path)?.into_iter().filter(|(key, _)| key.as_slice() == ["updates", "network", "when"]);
        let own: Vec<String> = own.map(|(_, event)| event).collect();
        events = if own.is_empty() { events } else { own };
    }
    let source = datasource(root)?;
    let by = source.as_ref().map(|name| format!(" (datasource {name})")).unwrap_or_default();
    let is = |list: &[&str]| source.as_deref().is_some_and(|name| list.contains(&name));
    Ok(if events.iter().any(|event| event.starts_with("boot")) {
        "at every boot (updates.network.when)".to_owned()
    } else if is(EVERY_BOOT) {
        format!("at every boot{by}")
    } else if is(SOME_BOOTS) {
        format!("for a new instance and at some boots{by}")
    } else if source.is_some() {
        format!("for a new instance only{by}: after a rescue, a clone, or cloud-init clean")
    } else {
        "for a new instance, with some hosters at every boot".to_owned()
    })
}

/// Its configuration, in the order in which later files win.
fn configuration(root: &Root, home: &str) -> Result<Vec<RootPath>> {
    let mut all = vec![RootPath::from(format!("{home}/etc/cloud/cloud.cfg").as_str())];
    let parts = files_of(root, &format!("{home}/etc/cloud/cloud.cfg.d"))?;
    all.extend(parts.into_iter().filter(|path| path.name().ends_with(b".cfg")));
    Ok(all)
}

/// Whether cloud-init writes this file: by its name, or by its first lines.
fn is_its_file(root: &Root, path: &RootPath) -> Result<bool> {
    if WRITTEN
        .iter()
        .any(|(dir, head, _)| path.parent() == RootPath::from(*dir) && path.name().starts_with(head.as_bytes()))
    {
        return Ok(true);
    }
    let says = |line: &str| {
        let text = line.to_lowercase();
        text.contains("by cloud-init") || text.contains("generated from information provided by the datasource")
    };
    Ok(lines(root, path)?.iter().take(6).any(|(_, line)| line.trim_start().starts_with('#') && says(line)))
}

/// Every scalar of a file with the keys above it.
type Settings = Vec<(Vec<String>, String)>;

fn settings_of(root: &Root, path: &RootPath) -> Result<Settings> {
    Ok(settings(&host::lenient(root, path)?.unwrap_or_default()))
}

/// The scalars of the first document, each with the keys of the mappings it stands in; none if it is not YAML.
fn settings(bytes: &[u8]) -> Settings {
    let root = yaml::parse(&Text::new(bytes)).ok().and_then(|document| document.root);
    let mut all = Vec::new();
    let mut open: Vec<(Vec<String>, Node)> = root.into_iter().map(|node| (Vec::new(), node)).collect();
    while let Some((keys, node)) = open.pop() {
        match node.value {
            Value::Scalar(text, _) => all.push((keys, text)),
            Value::Sequence { items, .. } => open.extend(items.into_iter().rev().map(|item| (keys.clone(), item))),
            Value::Mapping { pairs, .. } => open.extend(pairs.into_iter().rev().map(|(key, value)| {
                let own = key.scalar().unwrap_or_default().to_owned();
                ([keys.as_slice(), &[own]].concat(), value)
            })),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    const CLOUD: (&str, &str) = ("/etc/cloud/cloud.cfg", "users:\n - default\n");
    const NETPLAN: (&str, &str) = ("/etc/netplan/50-cloud-init.yaml", "network: {version: 2}\n");

    fn said(more: &[(&str, &str)], file: &str) -> Vec<String> {
        let (_dir, root) = root(&[&[CLOUD, NETPLAN], more].concat());
        warnings(&root, &[file.into()]).unwrap()
    }

    #[test]
    fn when_it_writes_depends_on_the_datasource() {
        for (datasource, words) in [
            ("DataSourceHetzner: DataSourceHetzner", "anew at every boot (datasource Hetzner)"),
            ("DataSourceGCELocal: DataSourceGCELocal", "anew at every boot (datasource GCE)"),
            ("DataSourceEc2Local: DataSourceEc2Local", "at some boots"),
            (
                "DataSourceOpenStackLocal: DataSourceOpenStackLocal [net,ver=2]",
                "new instance only (datasource OpenStack)",
            ),
            ("DataSourceNoCloudNet: DataSourceNoCloudNet", "new instance only (datasource NoCloud)"),
        ] {
            let said = said(&[("/var/lib/cloud/instance/datasource", datasource)], NETPLAN.0);
            assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
        }
        let list = ("/run/cloud-init/cloud.cfg", "datasource_list: [ Scaleway, None ]\n");
        assert!(said(&[list], NETPLAN.0)[0].contains("every boot (datasource Scaleway)"));
        let when = ("/etc/cloud/cloud.cfg.d/90.cfg", "updates:\n  network:\n    when: ['boot-new-instance', 'boot']\n");
        assert!(said(&[when], NETPLAN.0)[0].contains("every boot (updates.network.when)"));
    }

    #[test]
    fn files_that_it_leaves_alone() {
        let said = said(&[], "/etc/netplan/99-ipalias.yaml");
        assert!(said.len() == 1 && said[0].contains("other files it leaves alone"), "{said:?}");
    }

    #[test]
    fn what_switches_it_off() {
        for text in [
            "network: {config: disabled}\n",
            "network:\n  config: disabled\n",
            "{\"network\": {\"config\": \"disabled\"}}",
        ] {
            assert!(said(&[("/etc/cloud/cloud.cfg.d/99-x.cfg", text)], NETPLAN.0).is_empty(), "{text}");
        }
        assert!(said(&[("/etc/cloud/cloud-init.disabled", "")], NETPLAN.0).is_empty());
        let later = ("/etc/cloud/cloud.cfg.d/99-y.cfg", "network: {version: 1}\n");
        let off = ("/etc/cloud/cloud.cfg.d/99-x.cfg", "network: {config: disabled}\n");
        assert_eq!(said(&[off, later], NETPLAN.0).len(), 1, "the last file counts");
        assert_eq!(said(&[("/etc/cloud/cloud.cfg.d/99-x.cfg.bak", off.1)], NETPLAN.0).len(), 1);
        let (_dir, root) = root(&[CLOUD]);
        let change = switch_off(&root).unwrap().unwrap();
        assert_eq!(change.after.as_deref(), Some(OFF));
        assert!(settings(OFF) == [(vec!["network".into(), "config".into()], "disabled".into())]);
    }
}
