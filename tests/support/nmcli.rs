//! Every keyfile of every case, read by nmcli: what it prints as the profile must have exactly the addresses that
//! `ipalias list` says are effective, and a file that ipalias takes for invalid must be one that nmcli refuses. Of a file that
//! a case changes, nmcli's profile before and after must differ in the addresses alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{ipalias, scratch};

/// The images with an nmcli that can do without a daemon.
pub const FLAVOURS: &[&str] = &["bookworm:networkmanager", "trixie:networkmanager"];

/// Reads every file in a directory as nmcli does, beside it: `NAME.out`.
const SCRIPT: &str = "cd /mnt; for file in *; do echo \"FILE $file\"; \
                      nmcli --offline connection modify connection.autoconnect yes <\"$file\" 2>/dev/null; done";

/// A keyfile of a case.
struct Keyfile {
    case: String,
    /// `before` or `after`.
    tree: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Lets the nmcli of `flavour` read all keyfiles; an error says what differs.
pub fn read_all(flavour: &str) -> Result<(), String> {
    let files = keyfiles();
    assert!(files.len() > 100, "only {} keyfiles", files.len());
    let dir = scratch();
    for (number, file) in files.iter().enumerate() {
        fs::write(dir.path().join(format!("{number:04}")), &file.bytes).unwrap();
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    let mut command = Command::new(lab);
    command.args(["chroot", flavour, "--ro"]).arg(dir.path()).args(["--", "sh", "-c", SCRIPT]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{flavour}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<&str> = text.split("FILE ").skip(1).map(|part| part.split_once('\n').unwrap().1).collect();
    assert_eq!(answers.len(), files.len());
    let mut faults: Vec<String> = files.iter().zip(&answers).filter_map(|(file, said)| compare(file, said)).collect();
    faults.extend(changes(&files, &answers));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The keyfiles of all cases that nmcli can read without their file names.
fn keyfiles() -> Vec<Keyfile> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/networkmanager");
    let mut all = Vec::new();
    let mut cases: Vec<PathBuf> = fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        for tree in ["before", "after"] {
            for dir in ["etc", "run", "usr/lib"] {
                let dir = Path::new(dir).join("NetworkManager/system-connections");
                let Ok(found) = fs::read_dir(case.join(tree).join(&dir)) else { continue };
                for entry in found {
                    let entry = entry.unwrap();
                    let bytes = fs::read(entry.path()).unwrap_or_default();
                    if bytes.windows(4).any(|part| part == b"\nid=") {
                        all.push(Keyfile { case: name.clone(), tree, path: dir.join(entry.file_name()), bytes });
                    }
                }
            }
        }
    }
    all
}

/// What ipalias says of a file alone, compared with nmcli's profile.
fn compare(file: &Keyfile, said: &str) -> Option<String> {
    let (ours, theirs) = (effective(&file.bytes), addresses(said));
    let place = || format!("{} {} {}", file.case, file.tree, file.path.display());
    (ours != theirs).then(|| format!("{}: ipalias {ours:?}, nmcli {theirs:?}", place()))
}

/// The effective addresses that ipalias lists for a root with this file alone, without what keeps the profile down.
fn effective(bytes: &[u8]) -> Vec<String> {
    let root = scratch();
    let file = root.path().join("etc/NetworkManager/system-connections/x.nmconnection");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"autoconnect="));
    fs::write(&file, lines.collect::<Vec<_>>().concat()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let output = ipalias(root.path(), &["--backend", "networkmanager", "list", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let rows = document["addresses"].as_array().unwrap().iter().filter(|row| row["problem"].is_null());
    let mut all: Vec<String> = rows.map(|row| row["address"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

/// The addresses of a profile as nmcli prints it.
fn addresses(said: &str) -> Vec<String> {
    let mut all: Vec<String> = lines(said).into_iter().filter_map(|(group, line)| address(&group, &line)).collect();
    all.sort();
    all
}

fn address(group: &str, line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let number = key.strip_prefix("address")?;
    let is_one = matches!(group, "ipv4" | "ipv6") && number.parse::<u32>().is_ok();
    is_one.then(|| value.split(',').next().unwrap_or_default().to_owned())
}

/// The lines of a profile with their groups.
fn lines(said: &str) -> Vec<(String, String)> {
    let mut group = String::new();
    let mut all = Vec::new();
    for line in said.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => group = name.to_owned(),
            None => all.push((group.clone(), line.to_owned())),
        }
    }
    all
}

/// For files that are changed: nmcli's profiles differ in addresses alone, but where the case says why not.
fn changes(files: &[Keyfile], answers: &[&str]) -> Vec<String> {
    let rest = |said: &str| -> Vec<(String, String)> {
        lines(said).into_iter().filter(|(group, line)| address(group, line).is_none()).collect()
    };
    let mut before = BTreeMap::new();
    let mut faults = Vec::new();
    for (file, said) in files.iter().zip(answers) {
        match file.tree {
            _ if is_excused(&file.case) => {}
            "before" => drop(before.insert((&file.case, &file.path), *said)),
            _ => match before.get(&(&file.case, &file.path)) {
                Some(old) if rest(old) == rest(said) => {}
                old => faults.push(format!("{} {}: {old:?} becomes {said:?}", file.case, file.path.display())),
            },
        }
    }
    faults
}

fn is_excused(case: &str) -> bool {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/networkmanager");
    let text = fs::read_to_string(top.join(case).join("case.toml")).unwrap();
    let case: toml::Table = toml::from_str(&text).unwrap();
    case.get("not_shown_by").and_then(|reasons| reasons.get("nmcli")).is_some()
}
