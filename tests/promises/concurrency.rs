//! P15 and P16: others write at the same time: a hostile program that replaces the file again and again, and many runs of
//! ipalias.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ipalias::error::{Kind, Refusal};
use ipalias::journal::Operation;
use ipalias::plan::{Backup, Change, Plan};
use ipalias::root::{Root, RootPath};
use ipalias::store::Store;
use ipalias::transaction::Transaction;
use rustix::fs::RenameFlags;

use crate::lab::{INTERFACES, NETWORK, write};
use crate::sessions::Dice;
use crate::support;

const FILE: &str = "etc/network/interfaces";

/// What the hostile writer saw in the place of its newest version: that version's number, the number of the version that
/// this was made from, and the mark of the commit that made it.
struct Displaced {
    newest: u64,
    based_on: u64,
    mark: String,
}

/// The number of the hostile version in which a text has its origin.
fn origin(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("# version "));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("torn: {text:?}"))
}

/// Replaces the file until told to stop, each time by exchange, so that it sees what it displaces. `mark` finds in a text
/// the last commit that it has seen.
fn hostile(root: &Path, stop: &AtomicBool, pause: u64, mark: impl Fn(&str) -> String) -> Vec<Displaced> {
    let (file, other) = (root.join(FILE), root.join("hostile"));
    let mut dice = Dice(15);
    let mut seen = Vec::new();
    let mut newest = 0;
    while !stop.load(Ordering::Relaxed) {
        let next = newest + 1;
        fs::write(&other, format!("{INTERFACES}# version {next}\n")).unwrap();
        rustix::fs::renameat_with(rustix::fs::CWD, &other, rustix::fs::CWD, &file, RenameFlags::EXCHANGE).unwrap();
        let text = fs::read_to_string(&other).unwrap();
        if text != format!("{INTERFACES}# version {newest}\n") {
            seen.push(Displaced { newest, based_on: origin(&text), mark: mark(&text) });
        }
        newest = next;
        let until = Instant::now() + Duration::from_micros(dice.below(pause));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }
    let text = fs::read_to_string(&file).unwrap();
    seen.push(Displaced { newest, based_on: origin(&text), mark: mark(&text) });
    seen
}

/// Ends the hostile writer, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The versions that a commit displaced without having read them.
fn lost(seen: &[Displaced], committed: &BTreeSet<String>) -> usize {
    seen.iter().filter(|one| committed.contains(&one.mark) && one.based_on != one.newest).count()
}

fn lay_out(root: &Path) {
    write(root, FILE, &format!("{INTERFACES}# version 0\n"));
}

#[test]
fn p15_no_version_of_another_writer_is_lost() {
    let rounds: u64 = if std::env::var_os("IPALIAS_NIGHTLY").is_some() { 200_000 } else { 10_000 };
    let dir = support::scratch();
    lay_out(dir.path());
    let stop = AtomicBool::new(false);
    let mark =
        |text: &str| text.lines().rev().find_map(|line| line.strip_prefix("# commit ")).unwrap_or_default().to_owned();
    let began = Instant::now();
    let (mut committed, mut refused) = (BTreeSet::new(), 0);
    let seen = std::thread::scope(|scope| {
        let writer = scope.spawn(|| hostile(dir.path(), &stop, 600, mark));
        let guard = Stop(&stop);
        let root = Root::open(dir.path()).unwrap();
        let path: RootPath = format!("/{FILE}").as_str().into();
        let store_path = dir.path().join("var/lib/ipalias");
        for number in 0..rounds {
            if number % 64 == 0 {
                // The store grows, and this is not what is measured.
                let _ = fs::remove_dir_all(&store_path);
            }
            let store = Store::create(&root).unwrap();
            let Ok(before) = root.read(&path) else {
                refused += 1; // replaced while it was read
                continue;
            };
            let before = before.unwrap();
            // Room for the other writer, as planning and asking the consumer take in life.
            let mut after = before.clone();
            after.extend(format!("# commit {number}\n").bytes());
            let change = Change {
                path: path.clone(),
                before: Some(before),
                after: Some(after),
                mode: 0o644,
                backup: Backup::StoreOnly,
            };
            let plan = Plan { changes: vec![change], ..Plan::nothing() };
            match commit(&root, &store, &plan) {
                Ok(()) => drop(committed.insert(number.to_string())),
                Err(error) => {
                    let kind = error.downcast_ref::<Refusal>().map(|refusal| refusal.kind);
                    assert_eq!(kind, Some(Kind::ChangedSince), "{error:#}");
                    refused += 1;
                }
            }
        }
        drop(guard);
        writer.join().unwrap()
    });
    let lost = lost(&seen, &committed);
    let text = format!(
        "{rounds} commits against a hostile writer ({} went through, {refused} refused): {lost} of its versions lost, {:.1} s",
        committed.len(),
        began.elapsed().as_secs_f32()
    );
    println!("{text}");
    assert_eq!(lost, 0, "{text}");
    assert!(committed.len() > 1000 && refused > 1000, "one never meets the other: {text}");
    support::promise("P15", "in-process", &text);
}

fn commit(root: &Root, store: &Store, plan: &Plan) -> ipalias::error::Result<()> {
    let operation = Operation::new(vec!["test".to_owned()], "test")?;
    let mut transaction = Transaction::begin(root, store, plan, operation, &BTreeMap::new())?;
    match transaction.write().and_then(|()| transaction.settle()) {
        Ok(()) => transaction.commit().map(drop),
        Err(error) => {
            assert_eq!(transaction.undo()?, [], "a change that never was is no conflict");
            Err(error)
        }
    }
}

/// Runs the program against the hostile writer, until it has lost a version of it or for so many rounds.
fn by_program(program: &Path, mutant: Option<&str>, rounds: usize) -> (usize, usize) {
    let dir = support::scratch();
    lay_out(dir.path());
    let stop = AtomicBool::new(false);
    let mark = |text: &str| {
        let mut addresses = text.lines().rev().filter_map(|line| line.trim().strip_prefix("address 203.0.113."));
        addresses.next().unwrap_or_default().to_owned()
    };
    let (mut committed, mut found) = (BTreeSet::new(), (0, 0));
    for round in 0..rounds {
        let (path, stop) = (dir.path(), &stop);
        stop.store(false, Ordering::Relaxed);
        committed.clear();
        let seen = std::thread::scope(|scope| {
            // How long the window is depends on the machine.
            let pause = [5_000, 20_000, 80_000][round % 3];
            let writer = scope.spawn(move || hostile(path, stop, pause, mark));
            for number in 1..=4 {
                let mut command = Command::new(program);
                command.arg("--root").arg(dir.path()).args(["-q", "add", &format!("203.0.113.{number}")]);
                command.envs(mutant.map(|mutant| ("IPALIAS_MUTANT", mutant)));
                if command.stderr(Stdio::null()).status().unwrap().success() {
                    committed.insert(number.to_string());
                }
            }
            stop.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
        found.0 += committed.len();
        found.1 += lost(&seen, &committed);
        if found.1 > 0 {
            println!("{mutant:?}: {} lost in round {round}", found.1);
            break;
        }
        lay_out(dir.path());
    }
    found
}

#[test]
fn p15_a_writer_that_does_not_look_is_caught() {
    let Some(mutants) = support::mutants() else { return };
    let (_, lost) = by_program(&mutants, Some("no-exchange-check"), 200);
    assert!(lost > 0, "the harness does not see a program that overwrites blindly");
    let (committed, lost) = by_program(Path::new(support::program()), None, 10);
    assert_eq!(lost, 0, "in {committed} commits of the program");
    support::promise(
        "P08",
        "no-exchange-check",
        "the mutant without the check loses a version of the other writer, and is caught",
    );
}

/// A system whose files many runs change at once.
struct Crowd {
    root: tempfile::TempDir,
    backend: &'static str,
}

impl Crowd {
    fn new(backend: &'static str) -> Crowd {
        let root = support::scratch();
        match backend {
            "ifupdown" => write(root.path(), FILE, INTERFACES),
            "networkd" => write(root.path(), "etc/systemd/network/10-eth0.network", NETWORK),
            _ => {
                let text = "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [192.0.2.10/24]\n      routes:\n      \
                            - to: default\n        via: 192.0.2.1\n";
                write(root.path(), "etc/netplan/50-cloud-init.yaml", text);
            }
        }
        Crowd { root, backend }
    }

    fn spawn(&self, verb: &str, address: &str) -> Child {
        let mut command = Command::new(support::program());
        command.arg("--root").arg(self.root.path()).args([
            "-i",
            "eth0",
            "--backend",
            self.backend,
            "-q",
            verb,
            address,
        ]);
        let said = File::options().create(true).append(true).open(self.root.path().join("stderr")).unwrap();
        command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
    }

    /// Runs all at once; how long that took.
    fn run(&self, all: &[(&str, String)]) -> Duration {
        let began = Instant::now();
        let children: Vec<Child> = all.iter().map(|(verb, address)| self.spawn(verb, address)).collect();
        let codes: Vec<Option<i32>> = children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
        let said = fs::read_to_string(self.root.path().join("stderr")).unwrap();
        let failed = codes.iter().filter(|code| **code != Some(0)).count();
        assert!(
            failed == 0,
            "{}: {failed} failed: {}",
            self.backend,
            said.lines().take(4).collect::<Vec<_>>().join("\n")
        );
        began.elapsed()
    }

    /// How often each address is configured.
    fn addresses(&self) -> BTreeMap<String, usize> {
        let output = support::ipalias(self.root.path(), &["--backend", self.backend, "list", "--json"]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut all = BTreeMap::new();
        for row in document["addresses"].as_array().unwrap().iter().filter(|row| row["problem"].is_null()) {
            *all.entry(row["address"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        all
    }
}

fn many(verb: &'static str, numbers: std::ops::RangeInclusive<usize>) -> impl Iterator<Item = (&'static str, String)> {
    numbers.map(move |number| (verb, format!("203.0.113.{number}")))
}

#[test]
fn p16_fifty_at_once() {
    for backend in ["ifupdown", "networkd", "netplan"] {
        let crowd = Crowd::new(backend);
        let equal = crowd.run(&vec![("add", "198.51.100.1".to_owned()); 50]);
        assert_eq!(crowd.addresses().get("198.51.100.1/32"), Some(&1), "{backend}: {:?}", crowd.addresses());
        let different = crowd.run(&many("add", 1..=50).collect::<Vec<_>>());
        let found = crowd.addresses();
        assert_eq!(
            found.iter().filter(|(ip, count)| ip.starts_with("203.0.113.") && **count == 1).count(),
            50,
            "{backend}: {found:?}"
        );
        assert_eq!(found.values().sum::<usize>(), crowd.primaries() + 51, "{backend}: {found:?}");
        let both: Vec<_> =
            many("remove", 1..=25).zip(many("add", 51..=75)).flat_map(|(one, other)| [one, other]).collect();
        let mixed = crowd.run(&both);
        let found = crowd.addresses();
        let expected: BTreeSet<String> = (26..=75).map(|number| format!("203.0.113.{number}/32")).collect();
        let there: BTreeSet<String> = found.keys().filter(|ip| ip.starts_with("203.0.113.")).cloned().collect();
        assert_eq!(there, expected, "{backend}");
        assert_eq!(found.values().sum::<usize>(), crowd.primaries() + 51, "{backend}: {found:?}");
        let rests: Vec<PathBuf> = support::read_tree(crowd.root.path())
            .into_keys()
            .filter(|path| path.to_string_lossy().contains(".ipalias-"))
            .collect();
        assert!(rests.is_empty(), "{backend}: {rests:?}");
        let limit = Duration::from_secs(15);
        assert!(equal < limit && different < limit && mixed < limit, "{backend}: {equal:?} {different:?} {mixed:?}");
        let text = format!(
            "50 adds of one address: 1 entry, {:.1} s; of 50: 50 entries, {:.1} s; 25 adds beside 25 removes: all, {:.1} s",
            equal.as_secs_f32(),
            different.as_secs_f32(),
            mixed.as_secs_f32()
        );
        println!("{backend}: {text}");
        support::promise("P16", backend, &text);
    }
}

impl Crowd {
    fn primaries(&self) -> usize {
        if self.backend == "netplan" { 1 } else { 2 }
    }
}
