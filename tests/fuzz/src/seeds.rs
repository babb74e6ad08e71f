//! First inputs: the trees of the fixtures, and a few of each other kind, into `IPALIAS_FUZZ_SEEDS/TARGET/`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hosts::{self, Host};
use crate::input;

/// Files above this are markers of a system, of which only the presence counts.
const MOST_BYTES: usize = 3000;

/// What chooses the wishes: see `dialect::law`.
const CHOICES: &[u8] = b"\x00\xf1\xfa\x07";

/// The record of a change of one file, its digests to be filled in.
const RECORD: &str = r##"{"format":1,"time":1795384562,"argv":["ipalias","add","203.0.113.5"],"version":"0.1.0","backend":"ifupdown","token":"0123456789abcdef","undoes":[],"files":[{"path":PATH,"before":"#1","after":"#2","metadata":{"mode":420,"uid":0,"gid":0,"xattrs":[]},"beside":true,"record":false}],"dirs":[],"live":null,"dump":null}"##;

const OLD: &[u8] = b"auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n";
const NEW: &[u8] =
    b"auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    up ip addr add 203.0.113.5/32 dev eth0\n";

/// Stores: an operation in flight, one that is committed, one that never began; and such as no run leaves.
fn stores() -> Vec<Vec<u8>> {
    let record = |path: &str| RECORD.replace("PATH", &format!("{:?}", path.as_bytes())).into_bytes();
    let own = record("/etc/network/interfaces");
    let store = |folder: &str| format!("/var/lib/ipalias/{folder}");
    let (image, file) = (store("journal/0.before"), "/etc/network/interfaces");
    let all = |choice: u8, main: &[u8], more: &[(&str, &[u8])]| {
        [vec![choice], input::of_files(main, more.iter().copied())].concat()
    };
    let created = String::from_utf8_lossy(&own).replace("\"#1\"", "null").into_bytes();
    let deleted = String::from_utf8_lossy(&own).replace("\"#2\"", "null").into_bytes();
    let with_dirs =
        String::from_utf8_lossy(&created).replace("\"dirs\":[]", "\"dirs\":[[47,101,116,99,47,110]]").into_bytes();
    let committed = [(store("000001/operation.json"), own.clone()), (store("000001/0.before"), OLD.to_vec())];
    let [committed, before] = &committed;
    vec![
        all(1, &own, &[(&image, OLD), (file, NEW)]),
        all(1, &own, &[(&image, OLD), ("/elsewhere", NEW), (file, OLD)]),
        all(1, &created, &[("/x", OLD), (file, NEW)]),
        all(1, &deleted, &[(&image, OLD)]),
        all(1, &with_dirs, &[("/x", OLD), ("/etc/n&", b"")]),
        all(1, &record("/run/x/y"), &[(&image, OLD), ("/run/x/y", NEW)]),
        all(1, &record("/etc/l/y"), &[(&image, OLD), ("/etc/l@", b"../q"), ("/q/y", NEW)]),
        all(1, b"", &[(&before.0, OLD), (file, NEW), (&committed.0, &committed.1)]),
        all(3, b"", &[(&before.0, OLD), (file, OLD), (&committed.0, &committed.1)]),
        all(1, b"", &[("/x", OLD), (file, NEW), ("/etc/network/interfaces.bak", OLD)]),
        all(
            1,
            b"",
            &[
                (&store(".new-0123456789abcdef/0.before"), OLD),
                (file, NEW),
                (&store(".new-0123456789abcdef/operation.json"), &own),
            ],
        ),
        all(1, &own, &[(&image, OLD), (file, NEW), (&store("18446744073709551615&"), b"")]),
        all(1, b"{}", &[(&image, OLD), (file, NEW), ("/var/lib@", b"/q")]),
    ]
}

/// Writes them all.
pub fn write() {
    let top = PathBuf::from(std::env::var_os("IPALIAS_FUZZ_SEEDS").expect("IPALIAS_FUZZ_SEEDS"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let dir = top.join("journal");
    fs::create_dir_all(&dir).expect("a folder");
    for (number, store) in stores().iter().enumerate() {
        fs::write(dir.join(format!("store-{number}")), store).expect("a seed");
    }
    for host in hosts::ALL {
        let dir = top.join(host.backend);
        fs::create_dir_all(&dir).expect("a folder");
        for (number, case) in children(&fixtures.join(host.backend)).iter().enumerate() {
            let choice = CHOICES[number % CHOICES.len()];
            let name = case.file_name().expect("a name");
            fs::write(dir.join(name), seed(host, &case.join("before"), choice)).expect("a seed");
        }
    }
}

fn seed(host: &Host, tree: &Path, choice: u8) -> Vec<u8> {
    let mut all = Vec::new();
    files(tree, tree, &mut all);
    let is_around = |(path, bytes): &(String, Vec<u8>)| {
        host.around.iter().any(|(other, text)| path == other && bytes == text.as_bytes())
    };
    let (main, more): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|file| !is_around(file)).partition(|(path, _)| path == host.main);
    let main = main.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
    let more = more.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
    [vec![choice], input::of_files(&main, more)].concat()
}

fn files(top: &Path, dir: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for path in children(dir) {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files(top, &path, all);
        } else if let Ok(name) = path.strip_prefix(top) {
            let bytes = fs::read(&path).expect("a file");
            let bytes = if bytes.len() > MOST_BYTES { Vec::new() } else { bytes };
            all.push((format!("/{}", name.display()), bytes));
        }
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(dir) else { return Vec::new() };
    let mut all: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.sort();
    all
}
