//! P24: records that ipalias never wrote, in the store of a root: nothing but the network's files is put back by them, and
//! nothing is run.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{canary, lay_out, text, trace};
use crate::support;

/// A change of a sound record.
type Forgery = fn(&mut Value, &Path);

fn digest(bytes: &[u8]) -> Value {
    json!(ipalias::journal::digest(bytes))
}

/// Lets the record say that it wrote `path`, which has the bytes of its image now, and had `evil` before.
fn names(record: &mut Value, path: &str, now: Option<&[u8]>) {
    let file = &mut record["files"][0];
    file["path"] = json!(path.as_bytes());
    file["after"] = now.map_or(Value::Null, digest);
    file["before"] = digest(EVIL);
    file["metadata"] = json!({"mode": 0o4755, "uid": 0, "gid": 0, "xattrs": [["security.capability", [1, 0, 0, 2]]]});
    record["dirs"] = json!([]);
}

const EVIL: &[u8] = b"root::0:0:99999:7:::\n";
const SHADOW: &[u8] = b"root:*:19000:0:99999:7:::\n";

const FORGERIES: &[(&str, Forgery)] = &[
    ("shadow", |record, _| names(record, "/etc/shadow", Some(SHADOW))),
    ("cron", |record, _| names(record, "/etc/cron.d/x", None)),
    ("hook", |record, _| names(record, "/etc/network/if-up.d/x", None)),
    ("unit", |record, _| names(record, "/etc/systemd/system/x.service", None)),
    ("climbing", |record, _| names(record, "/etc/network/../shadow", Some(SHADOW))),
    ("climbing out", |record, outside| {
        names(record, &format!("/../../../../../../..{}/target", outside.display()), Some(b"canary\n"));
    }),
    ("by absolute path", |record, outside| names(record, &format!("{}/target", outside.display()), Some(b"canary\n"))),
    ("through a link", |record, _| names(record, "/etc/network/interfaces.d/out/target", Some(b"canary\n"))),
    ("a link", |record, _| names(record, "/etc/network/interfaces.d/link", Some(b"canary\n"))),
    ("relative", |record, _| names(record, "etc/shadow", Some(SHADOW))),
    ("doubled slash", |record, _| names(record, "//etc/shadow", Some(SHADOW))),
    ("nul", |record, _| names(record, "/etc/network/interfaces\0x", None)),
    ("the root itself", |record, _| names(record, "/", None)),
    ("an empty path", |record, _| names(record, "", None)),
    ("a record of commands", |record, _| {
        names(record, "/etc/shadow", Some(SHADOW));
        record["files"][0]["record"] = json!(true);
    }),
    ("a token that climbs", |record, _| record["token"] = json!("/../../../target")),
    ("a long token", |record, _| record["token"] = json!("0".repeat(4096))),
    ("directories", |record, _| record["dirs"] = json!([b"/etc/cron.d".to_vec(), b"/srv".to_vec()])),
    ("a format to come", |record, _| record["format"] = json!(2)),
    ("a huge format", |record, _| record["format"] = json!(18_446_744_073_709_551_615u64)),
    ("a huge time", |record, _| record["time"] = json!(18_446_744_073_709_551_615u64)),
    ("a time beyond", |record, _| record["time"] = serde_json::from_str("1e308").unwrap()),
    ("a huge mode", |record, _| record["files"][0]["metadata"]["mode"] = json!(u32::MAX)),
    ("nobody's owner", |record, _| record["files"][0]["metadata"]["uid"] = json!(u32::MAX)),
    ("damaged", |record, _| record["files"][0]["before"] = digest(b"other bytes")),
    ("no digest", |record, _| record["files"][0]["before"] = json!("x".repeat(1000))),
    ("undoes all", |record, _| record["undoes"] = json!((0..100_000).collect::<Vec<u64>>())),
    ("many files", |record, _| {
        let file = record["files"][0].clone();
        record["files"] = json!(vec![file; 3000]);
    }),
    ("commands", |record, outside| {
        let touch = json!(["touch", outside.join("touched")]);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        record["live"] = json!({
            "boot": boot.trim(), "added": [["lo", "127.9.9.9/32", null]], "removed": [["lo", "127.9.9.8/32", null]],
            "undo": [touch], "reread": [touch], "commands": [[touch, touch]],
        });
    }),
    ("no boot", |record, outside| {
        let touch = json!(["touch", outside.join("touched")]);
        record["live"] = json!({"boot": "", "added": [], "removed": [], "undo": [touch], "reread": [touch], "commands": [[touch, touch]]});
    }),
];

const COMMANDS: &[&[&str]] = &[
    &["rollback", "--list"],
    &["rollback", "--force"],
    &["rollback", "--to", "1", "--force"],
    &["add", "203.0.113.5"],
    &["remove", "203.0.113.1"],
    &["status"],
    &["list"],
    &["-n", "rollback", "--force"],
];

#[test]
fn p24_forged_records_put_nothing_back_elsewhere() {
    if !trace::possible() {
        return;
    }
    let mut runs = 0;
    for (what, forge) in FORGERIES {
        for folder in ["journal", "000001", ".new-0123456789abcdef"] {
            let dir = support::scratch();
            let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
            lay_out(&root);
            super::write(&outside.join("target"), "canary\n");
            super::write(&root.join("etc/shadow"), &text(SHADOW));
            super::write(&root.join("etc/network/if-up.d/mine"), "#!/bin/sh\n");
            fs::create_dir_all(root.join("etc/cron.d")).unwrap();
            fs::create_dir_all(root.join("srv")).unwrap();
            std::os::unix::fs::symlink(&outside, root.join("etc/network/interfaces.d/out")).unwrap();
            std::os::unix::fs::symlink(outside.join("target"), root.join("etc/network/interfaces.d/link")).unwrap();
            let store = root.join("var/lib/ipalias");
            if folder != "000001" {
                fs::rename(store.join("000001"), store.join(folder)).unwrap();
            }
            let file = store.join(folder).join("operation.json");
            let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            forge(&mut record, &outside);
            fs::write(&file, serde_json::to_vec(&record).unwrap()).unwrap();
            if record["files"][0]["before"] == digest(EVIL) {
                fs::write(store.join(folder).join("0.before"), EVIL).unwrap();
            }
            let (canary_before, others) = (canary(&outside), others(&root));
            for command in COMMANDS.iter().take(if super::nightly() { 8 } else { 5 }) {
                let words = [&[support::program(), "--root", root.to_str().unwrap()], *command].concat();
                let run = trace::traced(&dir.path().join("trace"), &words);
                runs += 1;
                let what =
                    format!("{what} in {folder}: {command:?}: {:?} {}", run.output.status, text(&run.output.stderr));
                assert!(matches!(run.output.status.code(), Some(0 | 1 | 3 | 5)), "{what}");
                let escapes = trace::escapes(&run, &root);
                assert!(escapes.is_empty(), "{what}: {escapes:?}");
                assert!(canary(&outside) == canary_before, "{what}");
                let now = self::others(&root);
                assert!(now == others, "{what}: {:?}", support::differences(&others, &now));
            }
        }
    }
    assert!(runs >= 400);
    support::promise(
        "P24",
        "records",
        &format!("{} forged records, {runs} runs: 0 other files, 0 programs", FORGERIES.len()),
    );
}

/// What is no configuration of the network, nor the store.
fn others(root: &Path) -> support::Tree {
    let mut tree = support::read_tree(root);
    tree.retain(|path, _| {
        let own =
            path.starts_with("etc/network/interfaces") || path.to_string_lossy().starts_with("etc/network/interfaces.");
        !own && !path.starts_with("var")
    });
    tree
}

/// Names of folders in a store that no counter can follow.
#[test]
fn p24_numbers_without_end() {
    let dir = support::scratch();
    let root = dir.path().join("root");
    lay_out(&root);
    let store = root.join("var/lib/ipalias");
    for name in ["18446744073709551615", "99999999999999999999999", "0000001", "999999999999"] {
        fs::create_dir(store.join(name)).unwrap();
    }
    let output = support::ipalias(&root, &["add", "203.0.113.5"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(store.join("000002").is_dir());
    fs::create_dir(store.join("999999999")).unwrap();
    let before = support::configuration(&support::read_tree(&root));
    let output = support::ipalias(&root, &["add", "203.0.113.6"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no number left"), "{}", text(&output.stderr));
    assert_eq!(support::configuration(&support::read_tree(&root)), before);
}
