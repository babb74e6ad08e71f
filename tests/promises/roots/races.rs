//! P24: a directory of the path changes places with a link to the outside, again and again, while files are written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use ipalias::journal::Operation;
use ipalias::plan::{Backup, Change, Plan};
use ipalias::root::Root;
use ipalias::store::Store;
use ipalias::transaction::{Transaction, recover};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{INTERFACES, canary, lay_out};
use crate::support;

/// What became of the rounds.
#[derive(Debug, Default)]
struct Outcome {
    written: usize,
    declined: usize,
}

/// One round: read, plan, write, all through the library, since starting the program takes longer than a whole round.
fn round(top: &Path, number: usize) -> ipalias::error::Result<()> {
    let root = Root::open(top)?;
    let store = Store::create(&root)?;
    let _lock = store.lock()?;
    recover(&root, &store)?;
    let path = "/etc/network/interfaces".into();
    let before = root.read(&path)?;
    let mut after = before.clone().unwrap_or_default();
    after.truncate(INTERFACES.len());
    after.extend(format!("# round {number}\n").into_bytes());
    let change = Change { path, before, after: Some(after), mode: 0o644, backup: Backup::Beside };
    let plan = Plan { changes: vec![change], ..Plan::nothing() };
    let operation = Operation::new(vec!["race".to_owned()], "ifupdown")?;
    let mut transaction = Transaction::begin(&root, &store, &plan, operation, &Default::default())?;
    match transaction.write() {
        Ok(()) if number % 2 == 0 => transaction.commit().map(drop),
        Ok(()) => transaction.undo().map(drop),
        Err(error) => {
            transaction.undo()?;
            Err(error)
        }
    }
}

/// Lets `component` and a link to its copy outside change places all the time while `work` runs `rounds` rounds.
fn race(component: &str, rounds: usize, work: impl Fn(&Path, usize) -> bool) -> (Outcome, bool) {
    let dir = support::scratch();
    let (top, outside) = (dir.path().join("root"), dir.path().join("outside"));
    lay_out(&top);
    let place = top.join(component);
    support::copy_tree(&place, &outside);
    // The link stands where its name is no configuration.
    let link = top.join("link-outside");
    symlink(&outside, &link).unwrap();
    let before = canary(&outside);
    let (over, turn, mut outcome) = (AtomicBool::new(false), Mutex::new(()), Outcome::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Pauses of every length, so that a change falls into every part of a round.
            let mut pause = 0;
            while !over.load(Ordering::Relaxed) {
                {
                    let _turn = turn.lock().unwrap();
                    renameat_with(CWD, &place, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
                pause = (pause + 7_919) % 60_000;
                (0..pause).for_each(|_| std::hint::spin_loop());
            }
        });
        for number in 0..rounds {
            // A round that finds the link at its beginning is over at once, and would be most of them.
            while !fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_dir()) {
                std::thread::yield_now();
            }
            if work(&top, number) {
                outcome.written += 1
            } else {
                outcome.declined += 1
            }
            if number % 4 == 0 {
                let _turn = turn.lock().unwrap();
                // Only a path without the link is cleaned: `component` may be any directory above the store, too.
                if fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_dir()) {
                    forget(&top.join("var/lib/ipalias"));
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let after = canary(&outside);
    let changed = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
    let changed: std::collections::BTreeSet<&std::path::PathBuf> = changed.collect();
    if !changed.is_empty() {
        println!("{component}: changed outside: {changed:?}");
    }
    (outcome, changed.is_empty())
}

/// Takes the numbered operations away, which no command prunes here. The swapper waits meanwhile: what follows links here is
/// the harness, whose own escape would count as one of the program's.
fn forget(store: &Path) {
    if !fs::symlink_metadata(store).is_ok_and(|meta| meta.is_dir()) {
        return;
    }
    for entry in fs::read_dir(store).unwrap().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

#[test]
fn p24_no_race_leads_out_of_the_root() {
    let total = if super::nightly() { 10_000 } else { 2_000 };
    let mut sum = Outcome::default();
    let shares = [("etc/network", total * 5 / 10), ("etc", total * 3 / 10), ("var/lib/ipalias", total * 2 / 10)];
    for (component, rounds) in shares {
        let (outcome, same) = race(component, rounds, |top, number| round(top, number).is_ok());
        assert!(same, "{component}: something was written outside");
        println!("{component}: {outcome:?}");
        sum.written += outcome.written;
        sum.declined += outcome.declined;
    }
    let Outcome { written, declined } = sum;
    assert!(written * 10 > total && declined * 100 > total, "no race: {written} wrote, {declined} declined");
    support::promise(
        "P24",
        "races",
        &format!(
            "{} rounds against RENAME_EXCHANGE: {written} wrote inside, {declined} declined, 0 outside",
            written + declined
        ),
    );
}

/// A writer that looks first and then takes the path as it is does get out, so that the race is one.
#[test]
fn p24_a_naive_writer_loses_the_race() {
    let naive = |top: &Path, number: usize| {
        std::thread::sleep(std::time::Duration::from_micros(100));
        fs::write(top.join("etc/network/interfaces"), format!("{INTERFACES}# round {number}\n")).is_ok()
    };
    let (_, same) = race("etc/network", 1_000, naive);
    assert!(!same, "the harness cannot see an escape");
}
