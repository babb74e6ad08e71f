//! P24, P29, P11: what `--root` and a dry run touch, by the system calls they make, over trees that are laid as traps.

mod races;
mod records;
mod start;
mod trace;
mod trees;
mod untouched;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n\nsource interfaces.d/*\n";

/// A canary: bytes, mode, owner, links, times of everything below a directory.
type Canary = BTreeMap<PathBuf, (Vec<u8>, u32, u32, u64, i64, i64)>;

fn canary(top: &Path) -> Canary {
    let mut all = Canary::new();
    let mut todo = vec![top.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        // The time of the inode is not compared: making a trap out of a file is a change of it.
        all.insert(path, (bytes, meta.mode(), meta.uid(), meta.ino(), meta.mtime(), meta.mtime_nsec()));
    }
    all
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A root of ifupdown with an included file, a foreign `.bak`, and one committed operation.
fn lay_out(root: &Path) {
    write(&root.join("etc/network/interfaces"), INTERFACES);
    write(
        &root.join("etc/network/interfaces.d/extra"),
        "auto eth0:7\niface eth0:7 inet static\n    address 198.51.100.7/32\n",
    );
    write(&root.join("etc/fstab"), "/dev/vda1 / ext4 defaults 0 1\n");
    write(&root.join("etc/os-release"), "ID=debian\nPRETTY_NAME=\"Debian\"\n");
    let output = crate::support::ipalias(root, &["-q", "add", "203.0.113.1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn nightly() -> bool {
    std::env::var_os("IPALIAS_NIGHTLY").is_some()
}
