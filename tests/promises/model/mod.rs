//! P13: random commands against a model. After each of them files, addresses, history and the exit code are what the model
//! says; after one that was killed, and the next, they are as before it or as after it.

pub mod rig;
pub mod state;
pub mod steps;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::{self, Node, Tree, configuration, differences, read_tree};
use rig::Rig;
use steps::{Step, Walk};

/// Sequences of one process; the handlers of signals that a run installs stay for good.
const BATCH: u64 = 20;

/// Which sequences a process works on, and where.
const RANGE: &str = "IPALIAS_MODEL_RANGE";
const ROOT: &str = "IPALIAS_MODEL_ROOT";

fn seed_and_count() -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let usual = match (std::env::var_os("IPALIAS_NIGHTLY"), support::tools_required()) {
        (Some(_), _) => 10_000,
        (None, true) => 100,
        (None, false) => 40,
    };
    (number("PROPTEST_RNG_SEED").unwrap_or(1), number("IPALIAS_MODEL_CASES").unwrap_or(usual))
}

#[test]
fn p13_random_sequences() {
    if rig::in_namespaces("").is_none() {
        return;
    }
    let (seed, count) = seed_and_count();
    let first = seed << 32;
    let batches: Vec<u64> = (first..first + count).step_by(BATCH as usize).collect();
    let workers = 2;
    let sums = std::thread::scope(|scope| {
        let work = |worker: usize| {
            let batches = &batches;
            move || {
                let dir = support::scratch();
                rig::furnish(dir.path());
                let mine = batches.iter().skip(worker).step_by(workers);
                mine.map(|from| one_batch(dir.path(), *from, (first + count).min(from + BATCH))).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(work(worker))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).fold(BTreeMap::new(), |mut all, one| {
            one.into_iter().for_each(|(name, number)| *all.entry(name).or_insert(0u64) += number);
            all
        })
    });
    let of = |name: &str| sums.get(name).copied().unwrap_or(0);
    let found = format!(
        "{} sequences, {} commands ({} changes, {} of them rollbacks; {} confirmed, {} taken back unconfirmed, {} killed of \
         which {} were taken back by the next command), 0 differences from the model",
        of("sequences"),
        of("steps"),
        of("changes"),
        of("rollbacks"),
        of("confirmed"),
        of("expired"),
        of("killed"),
        of("recovered"),
    );
    println!("{found}");
    support::promise("P13", "model", &found);
    assert_eq!(of("sequences"), count);
    let enough = |name: &str, part: u64| assert!(of(name) * part >= count, "too few: {name} {}", of(name));
    [("changes", 1), ("rollbacks", 2), ("confirmed", 4), ("expired", 4), ("killed", 2), ("recovered", 20)]
        .iter()
        .for_each(|(name, part)| enough(name, *part));
}

/// Runs the sequences `from` to `to` in a process of their own; returns what it counted.
fn one_batch(root: &Path, from: u64, to: u64) -> BTreeMap<String, u64> {
    let mut command = rig::in_namespaces("model::works_in_namespaces").unwrap();
    let output = command.env(RANGE, format!("{from} {to}")).env(ROOT, root).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let counted = said.lines().filter_map(|line| line.strip_prefix("counted "));
    counted
        .filter_map(|line| Some((line.split_once(' ')?.0.to_owned(), line.split_once(' ')?.1.parse().ok()?)))
        .collect()
}

#[test]
#[ignore = "started by p13_random_sequences, in namespaces of its own"]
fn works_in_namespaces() {
    let (Ok(range), Ok(root)) = (std::env::var(RANGE), std::env::var(ROOT)) else { return };
    let (from, to) = range.split_once(' ').unwrap();
    let mut rig = Rig::enter(Path::new(&root));
    // What fails is told in the end, with the shortest sequence that does.
    std::panic::set_hook(Box::new(|_| {}));
    let mut sums = BTreeMap::new();
    for number in from.parse::<u64>().unwrap()..to.parse().unwrap() {
        let sequence = steps::sequence(number);
        if let Err(reason) = run(&mut rig, number, &sequence, &mut sums) {
            let (sequence, shortest) = shorten(&mut rig, number, sequence, reason.clone());
            let mut text = format!("sequence {number}, layout {}: {reason}\nThe shortest that fails:\n", number % 3);
            sequence.iter().for_each(|step| text.push_str(&format!("  {step:?}\n")));
            writeln!(rig.console, "{text}{shortest}").unwrap();
            std::process::exit(1);
        }
    }
    for (name, number) in sums {
        writeln!(rig.console, "counted {name} {number}").unwrap();
    }
}

/// Longer than a run takes here, and than its work on files takes.
const LONGEST: Duration = Duration::from_millis(30);
const AT_WORK: Duration = Duration::from_millis(4);

type Sums = BTreeMap<&'static str, u64>;

fn run(rig: &mut Rig, number: u64, sequence: &[Step], sums: &mut Sums) -> Result<(), String> {
    let mut at = String::new();
    let walked = catch_unwind(AssertUnwindSafe(|| {
        let mut walk = Walk::new(rig, number % 3, sums);
        for (index, step) in sequence.iter().enumerate() {
            at = format!("at step {index}, {step:?}: ");
            walk.step(step);
        }
    }));
    *sums.entry("sequences").or_default() += 1;
    walked.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        format!("{at}{text}\nit said: {}", rig.said())
    })
}

/// Leaves out what the failure does not need, as far as 200 tries find out.
fn shorten(rig: &mut Rig, number: u64, mut sequence: Vec<Step>, mut reason: String) -> (Vec<Step>, String) {
    let (mut at, mut tries) = (0, 0);
    while at < sequence.len() && tries < 200 {
        let mut shorter = sequence.clone();
        shorter.remove(at);
        tries += 1;
        match run(rig, number, &shorter, &mut Sums::new()) {
            Err(other) => (sequence, reason, at) = (shorter, other, 0),
            Ok(()) => at += 1,
        }
    }
    (sequence, reason)
}

/// Kills `child` at a random moment: a third of them at any time, a third once the store says that it is at work, a third
/// while its operation is in flight. It may be faster.
fn kill_within(mut child: Child, permille: u32, is_at_work: impl Fn() -> bool, is_in_flight: impl Fn() -> bool) {
    let began = Instant::now();
    let mut wait = |until: &dyn Fn() -> bool| {
        while began.elapsed() < 4 * LONGEST && !until() && child.try_wait().unwrap().is_none() {}
        began.elapsed()
    };
    let pause = match permille {
        0..=333 => LONGEST * permille / 333,
        334..=666 => wait(&is_at_work) + AT_WORK * (permille - 334) / 333,
        _ => wait(&is_in_flight) + AT_WORK * (permille - 667) / 333 / 4,
    };
    while began.elapsed() < pause {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// One file with an owner and rights of its own.
fn lay_out(root: &Path) {
    let dir = root.join("etc/network");
    std::fs::create_dir_all(&dir).unwrap();
    let text = "auto lo eth0\niface lo inet loopback\n\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n";
    let file = dir.join("interfaces");
    std::fs::write(&file, text).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(1), Some(4)).unwrap();
    }
}

fn succeeds(root: &Path, arguments: &[&str]) {
    let output = support::ipalias(root, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn same(expected: &Tree, root: &Path, what: &str) {
    let differ = differences(expected, &configuration(&read_tree(root)));
    assert!(differ.is_empty(), "{what}: {differ:?}");
}

/// Twenty changes: each of the states before them comes back, and taking the last one back again and again goes to and fro.
#[test]
fn p13_twenty_levels() {
    let dir = support::scratch();
    let root = dir.path().join("root");
    lay_out(&root);
    let mut states = vec![configuration(&read_tree(&root))];
    for number in 1..=20 {
        succeeds(&root, &["add", &format!("203.0.113.{number}")]);
        states.push(configuration(&read_tree(&root)));
    }
    assert!(states.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(matches!(&states[0][Path::new("etc/network/interfaces")], Node::File(_, 0o640, ..)));
    for level in 1..=20 {
        let copy = dir.path().join("copy");
        let status = std::process::Command::new("cp").arg("-a").arg(&root).arg(&copy).status().unwrap();
        assert!(status.success());
        succeeds(&copy, &["rollback", "--to", &level.to_string()]);
        same(&states[level - 1], &copy, &format!("before operation {level}"));
        succeeds(&copy, &["rollback"]);
        same(&states[20], &copy, &format!("the rollback to {level} taken back"));
        std::fs::remove_dir_all(&copy).unwrap();
    }
    for level in 1..=20 {
        succeeds(&root, &["rollback"]);
        same(&states[if level % 2 == 1 { 19 } else { 20 }], &root, &format!("after {level} rollbacks"));
    }
    // The oldest are gone by now, and say so; what is between two states is never put together from both.
    let too_old = support::ipalias(&root, &["rollback", "--to", "1"]);
    assert_eq!(too_old.status.code(), Some(3), "{}", String::from_utf8_lossy(&too_old.stderr));
    same(&states[20], &root, "after a refusal");
    succeeds(&root, &["rollback", "--to", "21"]);
    same(&states[20], &root, "before operation 21");
    support::promise(
        "P13",
        "levels",
        "20 changes: each state comes back byte for byte with its mode and owner; 20 rollbacks of rollbacks go to and fro",
    );
}
