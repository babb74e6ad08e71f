//! P17: eight processes at once on one root, each killed at a random moment, again and again.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::nightly;
use super::scene::{RECOVERS, rests, shipped};
use crate::support::{self, ipalias, promise, read_tree};

const PROCESSES: usize = 8;

/// An alias is named in one file and described in the other, so that removing it changes both.
fn lay_out(root: &Path) {
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root.join("etc/network/interfaces.d")).unwrap();
    let names: String = (0..PROCESSES).map(|number| format!(" eth0:{number}")).collect();
    let main = format!(
        "auto lo eth0{names}\niface lo inet loopback\n\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n\nsource interfaces.d/*\n"
    );
    let stanza = |number| {
        format!("\niface eth0:{number} inet static\n    address 203.0.113.{number}\n    netmask 255.255.255.255\n")
    };
    let extra: String = (0..PROCESSES).map(stanza).collect();
    fs::write(root.join("etc/network/interfaces"), main).unwrap();
    fs::write(root.join("etc/network/interfaces.d/extra"), format!("# rented 2024\n{extra}")).unwrap();
}

/// The aliases that the first file names, and those that the second describes.
fn aliases(root: &Path) -> (Vec<usize>, Vec<usize>) {
    let of = |path: &str, is_line: fn(&&str) -> bool| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        let words = text.lines().filter(is_line).flat_map(str::split_whitespace);
        words.filter_map(|word| word.strip_prefix("eth0:")?.parse().ok()).collect::<Vec<usize>>()
    };
    let named = of("etc/network/interfaces", |line| line.starts_with("auto"));
    (named, of("etc/network/interfaces.d/extra", |line| line.starts_with("iface")))
}

/// A sequence of numbers that look random and are the same each time (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What became of one process.
struct Fate {
    /// Whether it was killed before it ended.
    killed: bool,
    /// Whether it found what another one had left.
    took_back: bool,
}

/// Starts all and kills each at its moment.
fn round(root: &Path, dice: &mut Dice, longest: u64) -> Vec<Fate> {
    let began = Instant::now();
    let start = |number: usize| {
        let mut command = Command::new(shipped().program);
        command.arg("--root").arg(root).args(["remove", &format!("203.0.113.{number}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut processes: Vec<(Child, Duration)> =
        (0..PROCESSES).map(|number| (start(number), Duration::from_micros(dice.below(longest)))).collect();
    let mut order: Vec<usize> = (0..PROCESSES).collect();
    order.sort_by_key(|number| processes[*number].1);
    for number in order {
        let (child, moment) = &mut processes[number];
        std::thread::sleep(moment.saturating_sub(began.elapsed()));
        child.kill().unwrap();
    }
    let end = |(child, _): (Child, Duration)| {
        let output = child.wait_with_output().unwrap();
        let killed = output.status.signal().is_some();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(killed || output.status.success(), "a process that nobody killed failed: {}: {said}", output.status);
        Fate { killed, took_back: said.contains("taken back") }
    };
    processes.into_iter().map(end).collect()
}

#[test]
fn p17_a_storm_of_killed_processes() {
    let rounds = if nightly() { 5_000 } else { 200 };
    let dir = support::scratch();
    let root = dir.path().join("root");
    let mut dice = Dice(17);
    let (mut killed, mut done, mut interrupted) = (0, 0, 0);
    // As long as eight undisturbed processes take here, one after the other, so that some of them get to their end.
    lay_out(&root);
    let began = Instant::now();
    for number in 0..PROCESSES {
        assert!(ipalias(&root, &["remove", &format!("203.0.113.{number}")]).status.success());
    }
    let longest = began.elapsed().as_micros() as u64;
    for turn in 0..rounds {
        lay_out(&root);
        let fates = round(&root, &mut dice, longest);
        let left = !rests(&read_tree(&root)).is_empty();
        interrupted += usize::from(left) + fates.iter().filter(|fate| fate.took_back).count();
        let next = ipalias(&root, RECOVERS);
        assert_eq!(next.status.code(), Some(3), "round {turn}: {}", String::from_utf8_lossy(&next.stderr));
        let tree = read_tree(&root);
        assert!(rests(&tree).is_empty(), "round {turn}: {:?}", rests(&tree));
        let (named, described) = aliases(&root);
        assert_eq!(named, described, "round {turn}: a mixture");
        for (number, fate) in fates.iter().enumerate() {
            assert!(fate.killed || !named.contains(&number), "round {turn}: process {number} succeeded for nothing");
        }
        killed += fates.iter().filter(|fate| fate.killed).count();
        done += fates.iter().filter(|fate| !fate.killed).count();
    }
    let figures = format!(
        "{rounds} rounds of {PROCESSES} processes, {killed} killed, {done} done, {interrupted} times the next one had to clear up"
    );
    println!("{figures}");
    assert!(killed >= rounds && done >= rounds / 4 && interrupted >= 3, "nothing was at stake: {figures}");
    promise("P17", "storm", &format!("{figures}, 0 inconsistent"));
}
