//! Section 7 of the safety rules: what the caller leaves behind changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::{lay_out, text};
use crate::support;

/// The configuration after `add`, in a root that was fresh, by a shell that does something first.
fn after(before: &str, words: &str) -> (support::Tree, std::process::Output) {
    let dir = support::scratch();
    let root = dir.path().join("root");
    lay_out(&root);
    let script = format!("{before}\nexec \"$1\" --root \"$2\" {words}");
    let output = Command::new("bash").args(["-c", &script, "bash", support::program()]).arg(&root).output().unwrap();
    (support::read_tree(&root), output)
}

/// The tree without what differs in every run: the records, and who holds the lock.
fn lasting(tree: &support::Tree) -> support::Tree {
    let mut tree = tree.clone();
    tree.retain(|path, _| !path.ends_with("operation.json") && !path.ends_with("lock"));
    tree
}

#[test]
fn p24_what_is_inherited_changes_nothing() {
    let (plain, output) = after("umask 022", "add 203.0.113.5");
    assert!(output.status.success(), "{}", text(&output.stderr));
    for before in [
        "exec <&-",
        "exec >&-",
        "exec 2>&-",
        "exec <&- >&- 2>&-",
        "umask 000",
        "umask 0777",
        "exec 9>/dev/null 8</etc",
        "export TMPDIR=/nowhere",
        "export HOME=/nowhere PATH=/nowhere LC_ALL=tlh",
        "trap '' PIPE HUP",
        "ulimit -c 0",
        "cd /proc/self",
    ] {
        let (tree, output) = after(before, "add 203.0.113.5");
        assert!(output.status.success(), "{before}: {}", text(&output.stderr));
        let differences = support::differences(&lasting(&plain), &lasting(&tree));
        assert!(differences.is_empty(), "{before}: {differences:?}");
    }
}

/// A limit on the size of files fails a write instead of killing the program.
#[test]
fn p06_a_limit_on_the_size_of_files() {
    let (whole, _) = after("", "list");
    for blocks in 0..3 {
        let (tree, output) = after(&format!("ulimit -f {blocks}"), "add --block 203.0.113.64/27");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{blocks}: {:?} {}", output.status, text(&output.stderr));
        if output.status.code() == Some(1) {
            let (whole, tree) = (support::configuration(&whole), support::configuration(&tree));
            assert!(support::differences(&whole, &tree).is_empty(), "{:?}", support::differences(&whole, &tree));
        }
    }
}

#[test]
fn p24_no_rights_that_the_caller_does_not_have() {
    if !nix::unistd::geteuid().is_root() {
        assert!(!support::tools_required());
        return;
    }
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("ipalias");
    fs::copy(support::program(), &copy).unwrap();
    let root = dir.path().join("root");
    lay_out(&root);
    let run = |program: &Path| {
        Command::new(program).arg("--root").arg(&root).arg("list").uid(65534).gid(65534).output().unwrap()
    };
    for (mode, exit) in [(0o755, 0), (0o4755, 3), (0o2755, 3), (0o6755, 3)] {
        fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).unwrap();
        let output = run(&copy);
        assert_eq!(output.status.code(), Some(exit), "{mode:o}: {}", text(&output.stderr));
    }
}

/// On the running system, a store that others can write to is not read.
#[test]
fn p24_a_store_of_others_is_refused() {
    if !nix::unistd::geteuid().is_root() || support::tool(Command::new("unshare").arg("-V")).is_none() {
        assert!(!support::tools_required());
        return;
    }
    for (prepare, exit) in [
        ("mkdir -m 0700 /var/lib/ipalias", 0),
        ("mkdir -m 0755 /var/lib/ipalias", 0),
        ("mkdir -m 0700 /var/lib/ipalias; chown 1000 /var/lib/ipalias", 3),
        ("mkdir /var/lib/ipalias; chmod 0775 /var/lib/ipalias", 3),
        ("mkdir /var/lib/ipalias; chmod 1777 /var/lib/ipalias", 3),
        ("mkdir -m 0700 /var/lib/ipalias; chmod 0777 /var/lib", 3),
        ("mkdir -m 0700 /var/lib/ipalias; chown 1000 /var/lib", 3),
        ("mkdir -p -m 0700 /var/lib/x/y; chown 1000 /var/lib/x; ln -s x/y /var/lib/ipalias", 3),
    ] {
        let script = format!(
            "set -e; mount --make-rprivate /; mount -t tmpfs -o mode=0755 tmpfs /var/lib; {prepare}; exec \"$1\" rollback --list"
        );
        let output = Command::new("unshare")
            .args(["--mount", "--net", "sh", "-c", &script, "sh", support::program()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(exit), "{prepare}: {}", text(&output.stderr));
        assert!(exit == 0 || text(&output.stderr).contains("others than root"), "{}", text(&output.stderr));
    }
}
