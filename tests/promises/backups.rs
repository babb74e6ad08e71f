//! P14: what stands beside a file under the name of its backup, and is not ours, stays as it is; and nothing that ipalias
//! itself puts beside a file is configuration.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use ipalias::backend::Entry;
use ipalias::root::Root;

use crate::model::steps::Random;
use crate::support::cases::{self, Stage};
use crate::support::{self, Node, Tree, read_tree};

/// A temporary name of the form that ipalias gives.
const TOKEN: &str = "0123456789abcdef";

/// All that can be told of what stands at a path, without following it.
fn look(path: &Path) -> Option<(u64, u32, u32, i64, i64, Vec<u8>)> {
    let meta = fs::symlink_metadata(path).ok()?;
    let bytes = match meta.file_type() {
        kind if kind.is_symlink() => fs::read_link(path).unwrap().into_os_string().into_encoded_bytes(),
        kind if kind.is_file() => fs::read(path).unwrap(),
        kind if kind.is_dir() => fs::read(path.join("inside")).unwrap(),
        _ => Vec::new(),
    };
    Some((meta.ino(), meta.mode(), meta.uid(), meta.mtime(), meta.mtime_nsec(), bytes))
}

/// Puts something at `path` that ipalias has not made; returns what it is.
fn put(random: &mut Random, path: &Path, victim: &Path, config: &Path) -> &'static str {
    let length = random.below(200);
    let text: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
    let mode = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    match random.below(9) {
        0 => {
            fs::write(path, text).unwrap();
            "a file"
        }
        1 => {
            fs::write(path, text).unwrap();
            mode(0o400);
            "a file that is read-only"
        }
        2 => {
            symlink(victim, path).unwrap();
            "a link"
        }
        3 => {
            symlink("nowhere", path).unwrap();
            "a link to nothing"
        }
        4 => {
            fs::hard_link(victim, path).unwrap();
            "another file's second name"
        }
        5 => {
            fs::hard_link(config, path).unwrap();
            "the file's second name"
        }
        6 => {
            fs::create_dir(path).unwrap();
            fs::write(path.join("inside"), text).unwrap();
            "a directory"
        }
        7 => {
            // What the guide says: a copy, which ipalias need not write again.
            fs::copy(config, path).unwrap();
            mode(0o604);
            "a copy of the file"
        }
        _ => {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
            "a pipe"
        }
    }
}

/// Systems whose file gets a `.bak` beside it.
const SYSTEMS: [(&str, &str); 3] = [
    ("ifupdown/g4-no-final-newline", "etc/network/interfaces"),
    ("netifrc/g1-array", "etc/conf.d/net"),
    ("networkd/g1-add", "etc/systemd/network/50-default.network"),
];

#[test]
fn p14_a_foreign_backup_stays() {
    let runs: u64 = match (std::env::var_os("IPALIAS_NIGHTLY"), support::tools_required()) {
        (Some(_), _) => 5000,
        (None, true) => 500,
        (None, false) => 50,
    };
    let (mut kinds, mut commands) = (BTreeMap::new(), 0);
    let stages: Vec<PathBuf> =
        SYSTEMS.iter().map(|(case, _)| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(case)).collect();
    let dir = support::scratch();
    for number in 0..runs {
        let mut random = Random::new(number);
        let which = number as usize % SYSTEMS.len();
        let root = dir.path().join("root");
        let _ = fs::remove_dir_all(&root);
        support::copy_tree(&stages[which].join("before"), &root);
        let config = root.join(SYSTEMS[which].1);
        let victim = root.join("victim");
        fs::write(&victim, "not to be changed").unwrap();
        let beside = |end: &str| PathBuf::from(format!("{}{end}", config.display()));
        // With or without operations of ours on record: a copy of what one of them found may be ours.
        let recorded = random.below(3) == 0;
        let mut known: Vec<Vec<u8>> = Vec::new();
        let command = |words: &[&str]| {
            let output = support::ipalias(&root, words);
            assert!(output.status.success(), "{number} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        if recorded {
            known.push(fs::read(&config).unwrap());
            command(&["add", "203.0.113.9"]);
            fs::remove_file(beside(".bak")).unwrap();
        }
        let ends: &[&str] = if random.below(2) == 0 { &[".bak"] } else { &[".bak", ".ipalias.bak"] };
        for end in ends {
            *kinds.entry(put(&mut random, &beside(end), &victim, &config)).or_insert(0) += 1;
        }
        let before: Vec<_> = ends.iter().map(|end| look(&beside(end))).collect();
        let all: [&[&str]; 2] =
            [&["add", "203.0.113.5"], &[["rollback", "remove"][random.below(2) as usize], "203.0.113.5"]];
        let steps = all.map(|words| if words[0] == "rollback" { &words[..1] } else { words });
        for words in steps {
            known.push(fs::read(&config).unwrap());
            command(words);
            commands += 1;
            for (end, before) in ends.iter().zip(&before) {
                let now = look(&beside(end));
                // One that is byte for byte what ipalias once found, a plain file with one name, is as good as ours.
                let like_ours = before.as_ref().is_some_and(|before| {
                    let is_file = before.1 & 0o170_000 == 0o100_000;
                    is_file && known.contains(&before.5)
                });
                if like_ours && now != *before {
                    assert!(known.contains(&now.as_ref().unwrap().5), "run {number}: {end}");
                    continue;
                }
                assert_eq!(now, *before, "run {number}: {end} after {words:?}");
            }
            assert_eq!(fs::read(&victim).unwrap(), b"not to be changed");
        }
    }
    assert!(kinds.len() == 9 && kinds.values().all(|count| *count * 30 > runs), "{kinds:?}");
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    let found = format!("{commands} changes beside a foreign .bak ({}): 0 changed", kinds.join(", "));
    println!("{found}");
    support::promise("P14", "foreign", &found);
}

/// The same text with other addresses: read as configuration, it would show.
fn decoy(bytes: &[u8]) -> Vec<u8> {
    let mut text = bytes.to_vec();
    for (from, to) in [("192.0.2.10", "192.0.2.77"), ("203.0.113.5", "203.0.113.7"), ("2001:db8:", "2001:db9:")] {
        let mut at = 0;
        while let Some(found) = text[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
            text.splice(at + found..at + found + from.len(), to.bytes());
            at += found + to.len();
        }
    }
    text
}

/// What the backend finds.
fn entries(root: &Path, backend: &dyn ipalias::backend::Backend) -> Vec<String> {
    let found: Vec<Entry> = backend.entries(&Root::open(root).unwrap()).unwrap();
    found.iter().map(|entry| format!("{:?} {}:{}", entry.identity(), entry.path, entry.line)).collect()
}

/// What one case showed: whether it changed files, how many backups and other files of ours stood beside, and whether the
/// same under any other name would have been seen.
fn beside(source: &Path) -> Option<(usize, usize, bool)> {
    let stage = Stage::new(source).unwrap();
    if stage.case.exit != 0 || stage.case.recorded || !source.join("after").is_dir() {
        return None;
    }
    let root = stage.tree("before", "root");
    let before = read_tree(&root);
    let output = support::ipalias(&root, &stage.command());
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    let after: Tree = read_tree(&root).into_iter().filter(|(path, _)| !path.starts_with("var/lib/ipalias")).collect();
    let command = stage.command();
    let forced = command.iter().position(|word| *word == "--backend").map(|at| command[at + 1]);
    let backend = ipalias::detect::detect(&Root::open(&root).unwrap(), forced).unwrap().backend;
    let with = entries(&root, backend);
    let changed: Vec<(&PathBuf, &Node)> =
        after.iter().filter(|(path, node)| before.get(*path) != Some(*node)).collect();
    let is_backup = |path: &Path| path.extension().is_some_and(|end| end == "bak");
    let (backups, files): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(path, _)| is_backup(path));
    for (path, node) in &backups {
        let Node::File(bytes, ..) = node else { panic!("{}", path.display()) };
        fs::remove_file(root.join(path)).unwrap();
        assert_eq!(entries(&root, backend), with, "{}: {} is read", source.display(), path.display());
        fs::write(root.join(path), decoy(bytes)).unwrap();
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut temps = Vec::new();
    for (path, node) in files.iter().chain(&backups) {
        let Node::File(bytes, mode, ..) = node else { continue };
        let name = path.file_name().unwrap().to_str().unwrap();
        let temp = root.join(path).with_file_name(format!(".{name}.ipalias-{TOKEN}"));
        fs::write(&temp, decoy(bytes)).unwrap();
        fs::set_permissions(&temp, fs::Permissions::from_mode(*mode)).unwrap();
        temps.push((temp, *mode));
    }
    assert_eq!(entries(&root, backend), with, "{}: a file of ours is read", source.display());
    let mut is_seen = false;
    for (temp, mode) in &temps {
        let name = temp.file_name().unwrap().to_str().unwrap();
        let ends = name.trim_start_matches('.').trim_end_matches(&format!(".ipalias-{TOKEN}")).to_owned();
        let plain = temp.with_file_name(match ends.split_once('.') {
            Some((stem, end)) => format!("{stem}0.{end}"),
            None => format!("{ends}0"),
        });
        if !plain.exists() {
            fs::rename(temp, &plain).unwrap();
            fs::set_permissions(&plain, fs::Permissions::from_mode(*mode)).unwrap();
            is_seen |= backend.entries(&Root::open(&root).unwrap()).is_ok() && {
                let found = entries(&root, backend);
                found != with
            };
        }
    }
    Some((backups.len(), temps.len(), is_seen))
}

#[test]
fn p14_no_file_of_ours_is_configuration() {
    let all: Vec<PathBuf> = cases::backends().iter().flat_map(|backend| cases::children(backend)).collect();
    let (mut shown, mut backups, mut temps, mut seen) = (0, 0, 0, 0);
    let mut of_backend = BTreeMap::new();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|worker| {
                let all = &all;
                scope.spawn(move || -> Vec<_> {
                    let mine = all.iter().skip(worker).step_by(2);
                    mine.filter_map(|case| Some((case.clone(), beside(case)?))).collect()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for (case, (copies, others, is_seen)) in results {
        (shown, backups, temps, seen) = (shown + 1, backups + copies, temps + others, seen + usize::from(is_seen));
        *of_backend.entry(cases::file_name(case.parent().unwrap())).or_insert(0) += 1;
    }
    assert!(shown > 300 && backups > 150 && temps > shown && seen > 20, "{shown} {backups} {temps} {seen}");
    assert!(of_backend.len() >= 15, "{of_backend:?}");
    let found = format!(
        "{shown} cases of {} backends: none of {backups} backups and {temps} temporary files is read ({seen} would be under \
         another name)",
        of_backend.len()
    );
    println!("{found}");
    support::promise("P14", "inert", &found);
}
