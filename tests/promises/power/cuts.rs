//! Power cuts on real file systems.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{Kind, Mounted, copy_disk, may_mount, privately};
use super::scenario::{Images, RECOVERY, SCENARIOS, Scenario, Shown, scenario};
use super::{Figures, stops};
use crate::support;

/// A disk as the power cut left it.
struct Cut {
    image: PathBuf,
    /// The system call before which the power was cut.
    at: String,
    /// Whether the command had ended by then.
    ended: bool,
}

/// A run and how it is disturbed besides the cut.
#[derive(Clone, Copy)]
struct Run<'a> {
    program: &'a Path,
    mutant: Option<&'a str>,
    command: &'a [&'a str],
    /// Whether somebody else syncs a file just before the cut.
    other: bool,
}

/// Disks on which `scenario` happens.
struct Stage<'a> {
    kind: Kind,
    scenario: &'a Scenario,
    images: &'a Images,
    dir: &'a Path,
}

impl Stage<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes the disk `base`, with everything as it is before the command; nothing where the file system cannot be had.
    fn base(&self) -> Option<PathBuf> {
        let image = self.path("base");
        if !self.kind.make(&image) {
            return None;
        }
        let disk = Mounted::new(self.kind, &image, &self.path("run")).unwrap();
        self.scenario.lay_out(&disk.at.join("host"));
        Some(image)
    }

    /// Runs the command on a copy of the disk `base` and cuts the power before each system call, and at the end. Somebody
    /// else's sync makes what went before it durable at the later points, too, so that one run serves all of them: the
    /// log of these file systems has one order.
    fn cut_everywhere(&self, base: &Path, run: &Run, figures: &mut Figures) -> Vec<Cut> {
        let image = self.path("image");
        copy_disk(base, &image);
        let disk = Mounted::new(self.kind, &image, &self.path("run")).unwrap();
        let mut cuts: Vec<Cut> = Vec::new();
        let (mut changed, mut seen) = (true, None);
        let mut cut = |at: String, ended: bool| {
            let image = self.path(&format!("cut-{}-{}", base.file_name().unwrap().to_string_lossy(), cuts.len()));
            disk.cut(&image);
            cuts.push(Cut { image, at, ended });
        };
        let root = disk.at.join("host");
        let arguments = [&["--root", root.to_str().unwrap()], run.command].concat();
        let code = stops::run(run.program, &arguments, run.mutant, |call| {
            if call.result.is_some() {
                changed |= call.changes();
                return;
            }
            figures.points += 1;
            if run.other && std::mem::take(&mut changed) {
                disk.somebody_syncs();
            }
            let now = disk.settled();
            if seen.replace(now) != Some(now) {
                cut(format!("call {} (number {})", call.nth, call.number), false);
            }
        });
        assert_eq!(code, if run.command == RECOVERY { 3 } else { 0 }, "{} ends well", self.scenario.name);
        figures.points += 1;
        cut("the end".to_owned(), true);
        cuts
    }

    /// Looks at a copy of a disk after the cut.
    fn check(&self, cut: &Cut, run: &Run, figures: &mut Figures) -> Option<Shown> {
        figures.states += 1;
        let image = self.path("looked-at");
        copy_disk(&cut.image, &image);
        let recovers = run.command == RECOVERY;
        let found = Mounted::new(self.kind, &image, &self.path("cut")).and_then(|disk| {
            let root = disk.at.join("host");
            let shown = self.scenario.check(self.images, &root, cut.ended && !recovers)?;
            if cut.ended && recovers && (shown.new || shown.repaired || shown.rests) {
                return Err("what the next command took back is not durable".to_owned());
            }
            if !shown.new && figures.tries_again() {
                self.scenario.again(self.images, &root)?;
            }
            Ok(shown)
        });
        let at = || format!("{} on {}, power cut before {}", run.command.join(" "), self.kind.name(), cut.at);
        figures.note(found, at)
    }
}

/// Cuts the power everywhere in `scenario` on `kind`; nothing where that cannot be had. With `twice`, also everywhere in
/// the command after a cut that left something to be taken back.
fn everywhere(kind: Kind, scenario: &Scenario, run: Run, twice: bool) -> Option<Figures> {
    let dir = support::scratch();
    let images = scenario.images(dir.path());
    privately(|| {
        let stage = Stage { kind, scenario, images: &images, dir: dir.path() };
        let base = stage.base()?;
        let mut figures = Figures::default();
        for cut in stage.cut_everywhere(&base, &run, &mut figures) {
            let shown = stage.check(&cut, &run, &mut figures);
            let worth = |shown: Shown| shown.rests && (support::nightly() || shown.some_new && shown.some_old);
            if twice && shown.is_some_and(worth) {
                let recovery = Run { command: RECOVERY, ..run };
                for second in stage.cut_everywhere(&cut.image, &recovery, &mut figures) {
                    stage.check(&second, &recovery, &mut figures);
                    fs::remove_file(second.image).unwrap();
                }
            }
            fs::remove_file(cut.image).unwrap();
        }
        Some(figures)
    })
}

fn shipped(command: &'static [&'static str], other: bool) -> Run<'static> {
    Run { program: Path::new(support::program()), mutant: None, command, other }
}

fn all(kind: Kind) {
    if !may_mount() {
        return;
    }
    let mut figures = Figures::default();
    for scenario in SCENARIOS {
        for other in [false, true] {
            let twice = support::nightly() || other && scenario.name == "remove";
            let Some(found) = everywhere(kind, scenario, shipped(scenario.command, other), twice) else { return };
            println!("{} {} other={other}: {}", kind.name(), scenario.name, found.text());
            figures.add(found);
        }
    }
    assert!(figures.violations.is_empty(), "{}", figures.violations.join("\n"));
    assert!(figures.points >= 240 && figures.states >= 240 && figures.mixed >= 4 && figures.repaired >= 20);
    support::promise("P03", kind.name(), &figures.text());
    let new = format!("{} cuts with new files on {}, each with its old bytes", figures.some_new, kind.name());
    support::promise("P05", kind.name(), &new);
}

#[test]
fn p03_power_cut_at_every_call_on_ext4() {
    all(Kind::Ext4);
}

#[test]
fn p03_power_cut_at_every_call_on_ext4_without_auto_da_alloc() {
    all(Kind::Ext4NoAutoDaAlloc);
}

#[test]
fn p03_power_cut_at_every_call_on_xfs() {
    all(Kind::Xfs);
}

#[test]
fn p03_power_cut_at_every_call_on_btrfs() {
    all(Kind::Btrfs);
}

#[test]
fn p04_done_is_durable() {
    if !may_mount() {
        return;
    }
    let rounds = if support::nightly() { 250 } else { 12 };
    let mut cuts = 0;
    for kind in [Kind::Ext4, Kind::Ext4NoAutoDaAlloc, Kind::Xfs, Kind::Btrfs] {
        let dir = support::scratch();
        let made = privately(|| done_is_durable(kind, dir.path(), rounds));
        if !made {
            return;
        }
        cuts += rounds;
    }
    support::promise(
        "P04",
        "cuts",
        &format!("{cuts} power cuts right after success, on four file systems: 0 lost changes"),
    );
}

/// Adds, removes and takes back in turn on one disk, and cuts the power after each.
fn done_is_durable(kind: Kind, dir: &Path, rounds: usize) -> bool {
    let scenario = scenario("add");
    let image = dir.join("image");
    if !kind.make(&image) {
        return false;
    }
    let disk = Mounted::new(kind, &image, &dir.join("run")).unwrap();
    let root = disk.at.join("host");
    scenario.lay_out(&root);
    disk.sync();
    for round in 0..rounds {
        let address = format!("198.51.100.{}", 100 + round / 3 % 100);
        let command: &[&str] = match round % 3 {
            0 => &["add", &address],
            1 => &["remove", &address],
            _ => &["rollback"],
        };
        let output = support::ipalias(&root, command);
        disk.cut(&dir.join("cut"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        let without_lock = |root: &Path| {
            let mut tree = support::read_tree(root);
            tree.remove(Path::new("var/lib/ipalias/lock"));
            tree
        };
        let cut = Mounted::new(kind, &dir.join("cut"), &dir.join("looked-at")).unwrap();
        let lost = support::differences(&without_lock(&root), &without_lock(&cut.at.join("host")));
        assert!(lost.is_empty(), "{} {command:?}: {}", kind.name(), lost.join("\n"));
    }
    true
}

#[test]
fn p08_mutants_without_syncs_lose_something() {
    let Some(program) = support::mutants().filter(|_| may_mount()) else { return };
    for (mutant, kind, other) in [
        ("no-file-sync", Kind::Ext4NoAutoDaAlloc, true),
        ("no-file-sync", Kind::Xfs, true),
        ("no-dir-sync", Kind::Ext4, false),
        ("no-dir-sync", Kind::Btrfs, false),
    ] {
        let scenario = scenario("remove");
        let run = Run { program: &program, mutant: Some(mutant), command: scenario.command, other };
        let Some(figures) = everywhere(kind, scenario, run, false) else { return };
        println!("{mutant} on {}: {}\n{}", kind.name(), figures.text(), figures.violations.join("\n"));
        assert!(!figures.violations.is_empty(), "{mutant} is not seen on {}", kind.name());
        support::promise("P08", &format!("{mutant}-{}", kind.name()), &figures.text());
    }
}
