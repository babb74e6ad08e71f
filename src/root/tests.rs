//! What fuzzing against the kernel's own lookup has shown.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_link_that_ends_with_a_slash_leads_to_directories_only() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(at("etc/d")).unwrap();
    std::fs::write(at("etc/file"), "x").unwrap();
    for (target, name) in [("file/", "one"), ("file/.", "two"), ("d/", "three"), ("d/.", "four"), ("./file", "five")] {
        symlink(target, at("etc").join(name)).unwrap();
    }
    let root = Root::open(dir.path()).unwrap();
    let kind = |name: &str| root.kind(&RootPath::from("/etc").join(name)).unwrap();
    assert_eq!(["one", "two"].map(kind), [NodeKind::Absent; 2]);
    assert_eq!(["three", "four"].map(kind), [NodeKind::Directory; 2]);
    assert_eq!(kind("five"), NodeKind::File);
    assert_eq!(root.resolve(&"/etc/three".into()).unwrap(), "/etc/d".into());
}

#[test]
fn what_no_file_can_be_called_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("etc")).unwrap();
    let root = Root::open(dir.path()).unwrap();
    for name in [b"a\0b".to_vec(), vec![b'x'; 300]] {
        let path = RootPath::from("/etc").join(&name);
        assert_eq!(root.kind(&path).unwrap(), NodeKind::Absent);
        assert_eq!(root.kind(&path.join("below")).unwrap(), NodeKind::Absent);
        assert_eq!(root.read(&path).unwrap(), None);
    }
}
