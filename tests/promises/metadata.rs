//! What a file is besides bytes (P9): mode, owner, ACL, labels and attributes, in directories that hand down their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};

use crate::power::disk::{Kind, Mounted, may_mount, privately};
use crate::support;

const INTERFACES: &str = "auto lo eth0\niface lo inet loopback\n\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n";
const IFCFG: &str = "DEVICE=eth0\nBOOTPROTO=none\nONBOOT=yes\nIPADDR=192.0.2.10\nPREFIX=24\nGATEWAY=192.0.2.1\n";

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// Mode, owner, group, and every attribute by name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attributes {
    mode: u32,
    owner: (u32, u32),
    named: BTreeMap<String, Vec<u8>>,
}

fn attributes(path: &Path) -> Attributes {
    let meta = fs::symlink_metadata(path).unwrap();
    let mut names = vec![0; 4096];
    let length = listxattr(path, names.as_mut_slice()).unwrap();
    let named = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(|name| {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let mut value = vec![0; 4096];
        let length = getxattr(path, name.as_str(), value.as_mut_slice()).unwrap();
        (name, value[..length].to_vec())
    });
    Attributes { mode: meta.permissions().mode() & 0o7777, owner: (meta.uid(), meta.gid()), named: named.collect() }
}

/// An ACL (acl(5)) as the kernel has it: version 2, then tag, permissions and id of each entry; user 1234 gets `named`.
fn acl(owner: u16, named: u16, others: u16) -> Vec<u8> {
    let entry =
        |tag: u16, bits: u16, id: u32| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat();
    let none = u32::MAX;
    let entries =
        [entry(1, owner, none), entry(2, named, 1234), entry(4, 4, none), entry(16, 6, none), entry(32, others, none)];
    [&2u32.to_le_bytes()[..], &entries.concat()].concat()
}

/// One choice of each.
#[derive(Debug, Clone, Copy)]
struct Combination {
    mode: u32,
    owner: (u32, u32),
    has_acl: bool,
    is_labelled: bool,
    is_setgid: bool,
    hands_down: bool,
}

fn combinations() -> Vec<Combination> {
    let switches = || [false, true].into_iter();
    let mut all = Vec::new();
    for mode in [0o644, 0o600, 0o664] {
        for owner in [(0, 0), (7, 8)] {
            for has_acl in switches() {
                for is_labelled in switches() {
                    for is_setgid in switches() {
                        for hands_down in switches() {
                            all.push(Combination { mode, owner, has_acl, is_labelled, is_setgid, hands_down });
                        }
                    }
                }
            }
        }
    }
    all
}

impl Combination {
    /// Gives the directory what a new file in it would inherit.
    fn prepare(&self, dir: &Path) {
        let mode = if self.is_setgid { 0o2755 } else { 0o755 };
        chown(dir, Some(0), Some(if self.is_setgid { 33 } else { 0 })).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        if self.hands_down {
            setxattr(dir, DEFAULT, &acl(7, 6, 4), XattrFlags::empty()).unwrap();
        }
        let set = attributes(dir);
        assert_eq!((set.mode, set.named.contains_key(DEFAULT)), (mode, self.hands_down), "{self:?}");
    }

    /// Gives the file all that is chosen, and looks whether it has that.
    fn dress(&self, file: &Path) -> Attributes {
        // Without what the directory handed down.
        let _ = rustix::fs::removexattr(file, ACCESS);
        chown(file, Some(self.owner.0), Some(self.owner.1)).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(self.mode)).unwrap();
        let list = acl(6, 4, 0);
        let labels: [(&str, &[u8]); 4] = [
            ("user.origin", b"installer"),
            ("trusted.origin", b"\0\xff"),
            ("security.selinux", b"system_u:object_r:net_conf_t:s0\0"),
            (ACCESS, &list),
        ];
        let chosen = labels.iter().filter(|(name, _)| if *name == ACCESS { self.has_acl } else { self.is_labelled });
        for (name, value) in chosen.clone() {
            setxattr(file, *name, value, XattrFlags::empty()).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let set = attributes(file);
        assert!(chosen.clone().all(|(name, _)| set.named.contains_key(*name)), "{self:?}: {set:?}");
        assert_eq!((set.owner, set.named.len()), (self.owner, chosen.count()), "{self:?}");
        set
    }
}

fn ipalias(root: &Path, arguments: &[&str]) {
    let output = support::ipalias(root, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file that is edited, and its `.bak`.
fn edited(root: &Path, combination: &Combination) {
    let dir = root.join("etc/network");
    fs::create_dir_all(&dir).unwrap();
    combination.prepare(&dir);
    let file = dir.join("interfaces");
    fs::write(&file, INTERFACES).unwrap();
    let (wanted, around) = (combination.dress(&file), attributes(&dir));
    for command in [&["add", "203.0.113.5"][..], &["remove", "203.0.113.5"], &["rollback"], &["rollback"]] {
        ipalias(root, command);
        assert_eq!(attributes(&file), wanted, "{combination:?}: after {command:?}");
        assert_eq!(attributes(&dir.join("interfaces.bak")), wanted, "{combination:?}: the .bak after {command:?}");
        assert_eq!(attributes(&dir), around, "{combination:?}: the directory after {command:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), INTERFACES);
}

/// A file that is made, and one that is removed and comes back.
fn made(root: &Path, combination: &Combination) {
    let dir = root.join("etc/sysconfig/network-scripts");
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(root.join("etc/init.d")).unwrap();
    fs::write(root.join("etc/sysconfig/network"), "NETWORKING=yes\n").unwrap();
    fs::write(root.join("etc/redhat-release"), "CentOS Linux release 7.9.2009 (Core)\n").unwrap();
    fs::write(root.join("etc/os-release"), "ID=\"centos\"\nVERSION_ID=\"7\"\n").unwrap();
    fs::write(root.join("etc/init.d/network"), "#!/bin/bash\n").unwrap();
    combination.prepare(&dir);
    fs::write(dir.join("ifcfg-eth0"), IFCFG).unwrap();
    let sibling = combination.dress(&dir.join("ifcfg-eth0"));
    let file = dir.join("ifcfg-eth0:0");

    ipalias(root, &["add", "203.0.113.5"]);
    let new = attributes(&file);
    let label = |attributes: &Attributes| attributes.named.get("security.selinux").cloned();
    assert_eq!((new.mode, new.owner), (0o644, (0, 0)), "{combination:?}: nothing is inherited from the directory");
    assert_eq!(new.named.len(), usize::from(combination.is_labelled), "{combination:?}: {new:?}");
    assert_eq!(label(&new), label(&sibling), "{combination:?}: the label of a file beside it");

    let wanted = combination.dress(&file);
    ipalias(root, &["remove", "203.0.113.5"]);
    assert!(!file.exists());
    ipalias(root, &["rollback"]);
    assert_eq!(attributes(&file), wanted, "{combination:?}: after remove and rollback");
}

#[test]
fn p09_mode_owner_acl_and_attributes_are_kept() {
    if !may_mount() {
        return;
    }
    let dir = support::scratch();
    let combinations = combinations();
    assert!(combinations.len() >= 64);
    let done = privately(|| {
        let image = dir.path().join("image");
        if !Kind::Ext4.make(&image) {
            return false;
        }
        let disk = Mounted::new(Kind::Ext4, &image, &dir.path().join("disk")).unwrap();
        for combination in &combinations {
            for law in [edited, made] {
                let root = disk.at.join("host");
                law(&root, combination);
                fs::remove_dir_all(&root).unwrap();
            }
        }
        true
    });
    if done {
        let count = combinations.len();
        support::promise(
            "P09",
            "ext4",
            &format!("{count} combinations, on files edited, made and removed: 0 differences"),
        );
    }
}
