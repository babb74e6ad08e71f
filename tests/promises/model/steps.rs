//! What a sequence is made of, and how a step is taken and compared with the model.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::rig::{self, Rig};
use super::state::{Held, Ips, Model, POOL, Verb, configured};
use super::{Sums, kill_within};
use crate::support::{Node, Tree, differences};

/// Where configuration is, and the store.
const PLACES: [&str; 2] = ["/etc", "/usr/lib/systemd"];
pub const STORE: &str = "/var/lib/ipalias";

#[derive(Debug, Clone)]
pub enum Step {
    Change {
        what: What,
        confirm: bool,
    },
    Confirm,
    /// The watchdog's command, or one for a change that is none.
    Expire {
        right: bool,
    },
    /// Time passes.
    Deadline,
    Reboot {
        hook: bool,
    },
    Foreign(u8),
    /// Another step, killed at a moment, and what happens then.
    Kill {
        inner: Box<Step>,
        permille: u32,
        then: Then,
    },
}

#[derive(Debug, Clone)]
pub enum What {
    Add(Ips),
    Remove(Ips),
    Rollback {
        force: bool,
    },
    /// To an operation, counted from the newest.
    RollbackTo {
        back: usize,
        force: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Next,
    Reboot {
        hook: bool,
    },
    /// Somebody edits the file before the next command.
    Edit,
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub fn one_in(&mut self, part: u64) -> bool {
        self.below(part) == 0
    }
}

/// The sequence of this number.
pub fn sequence(number: u64) -> Vec<Step> {
    let mut random = Random::new(number);
    let length = 1 + random.below(30);
    (0..length).map(|_| step(&mut random, true)).collect()
}

fn step(random: &mut Random, whole: bool) -> Step {
    let some = |random: &mut Random| -> Ips {
        let count = 1 + random.below(3);
        (0..count).map(|_| POOL[random.below(POOL.len() as u64) as usize].parse().unwrap()).collect()
    };
    match random.below(if whole { 24 } else { 17 }) {
        0..=4 => Step::Change { what: What::Add(some(random)), confirm: random.one_in(3) },
        5..=8 => Step::Change { what: What::Remove(some(random)), confirm: random.one_in(4) },
        9..=11 => Step::Change { what: What::Rollback { force: random.one_in(4) }, confirm: random.one_in(4) },
        12 => {
            let what = What::RollbackTo { back: random.below(8) as usize, force: random.one_in(3) };
            Step::Change { what, confirm: random.one_in(4) }
        }
        13..=15 => Step::Confirm,
        16 => Step::Expire { right: !random.one_in(4) },
        17 => Step::Deadline,
        18 => Step::Reboot { hook: random.one_in(2) },
        19 | 20 => Step::Foreign(random.below(5) as u8),
        _ => {
            let then = match random.below(8) {
                0 => Then::Reboot { hook: true },
                1 => Then::Reboot { hook: false },
                2 => Then::Edit,
                _ => Then::Next,
            };
            Step::Kill { inner: Box::new(step(random, false)), permille: random.below(1000) as u32, then }
        }
    }
}

/// A sequence on its way.
pub struct Walk<'a> {
    rig: &'a mut Rig,
    model: Model,
    sums: &'a mut Sums,
    edits: u32,
}

/// All of a system that a step can change.
struct Whole {
    trees: Vec<(&'static str, Tree)>,
    live: Ips,
    model: Model,
}

/// Bytes and metadata of configuration files alone: without directories and backups.
pub fn configuration() -> Tree {
    let mut all = Tree::new();
    for place in PLACES {
        let is_plain = |(path, node): &(PathBuf, Node)| {
            !path.to_string_lossy().ends_with(".bak") && matches!(node, Node::File(..))
        };
        all.extend(rig::read(place).into_iter().filter(is_plain));
    }
    all
}

impl<'a> Walk<'a> {
    pub fn new(rig: &'a mut Rig, layout: u64, sums: &'a mut Sums) -> Walk<'a> {
        let main = lay_out(layout);
        rig.reboot();
        rig::set_live(&Ips::new());
        let has_dir = main.parent().unwrap().is_dir();
        let (live, operations, waiting) = Default::default();
        let model = Model { tree: configuration(), live, operations, waiting, boot: 0, main, backup: None, has_dir };
        Walk { rig, model, sums, edits: 0 }
    }

    fn count(&mut self, name: &'static str) {
        *self.sums.entry(name).or_default() += 1;
    }

    pub fn step(&mut self, step: &Step) {
        self.count("steps");
        match step {
            Step::Kill { inner, permille, then } => self.killed(inner, *permille, *then),
            Step::Foreign(kind) => self.foreign(*kind),
            Step::Deadline => self.deadline(),
            Step::Reboot { hook } => {
                self.rig.reboot();
                self.model.reboot(*hook);
                self.start_network(*hook, None);
            }
            command => self.command(command),
        }
        self.check(&self.model, false).unwrap_or_else(|reason| panic!("{reason}"));
        self.no_rests();
        self.model.has_dir = self.model.main.parent().unwrap().is_dir();
    }

    /// The verb of a change, and the command line of a step.
    fn words(&self, step: &Step) -> (Option<(Verb, bool)>, Vec<String>) {
        let token = || -> String {
            let pending = fs::read(Path::new(STORE).join("pending")).unwrap_or_default();
            let pending: serde_json::Value = serde_json::from_slice(&pending).unwrap_or_default();
            pending["token"].as_str().unwrap_or("0123456789abcdef").to_owned()
        };
        let mut words: Vec<String> = Vec::new();
        let verb = match step {
            Step::Change { what, confirm } => {
                let verb = match what {
                    What::Add(ips) => Verb::Add(ips.clone()),
                    What::Remove(ips) => Verb::Remove(ips.clone()),
                    What::Rollback { force } => Verb::Rollback { to: None, force: *force },
                    What::RollbackTo { back, force } => {
                        let id = self.model.operations.iter().rev().nth(*back).map_or(999, |operation| operation.id);
                        Verb::Rollback { to: Some(id), force: *force }
                    }
                };
                match &verb {
                    Verb::Add(ips) | Verb::Remove(ips) => {
                        words.push(if matches!(verb, Verb::Add(_)) { "add" } else { "remove" }.to_owned());
                        words.extend(ips.iter().map(ToString::to_string));
                    }
                    Verb::Rollback { to, force } => {
                        words.push("rollback".to_owned());
                        words.extend(to.iter().flat_map(|id| ["--to".to_owned(), id.to_string()]));
                        words.extend(force.then(|| "--force".to_owned()));
                    }
                }
                if *confirm {
                    words.extend(["--confirm".to_owned(), "3600".to_owned()]);
                }
                Some((verb, *confirm))
            }
            Step::Confirm => {
                words.push("confirm".to_owned());
                None
            }
            Step::Expire { right } => {
                words.extend(["expire".to_owned(), if *right { token() } else { "fedcba9876543210".to_owned() }]);
                None
            }
            other => panic!("no command: {other:?}"),
        };
        (verb, words)
    }

    fn command(&mut self, step: &Step) {
        let (verb, words) = self.words(step);
        let operations = self.model.operations.last().map_or(0, |operation| operation.id);
        let waited = self.model.waiting.is_some();
        let had_record = Path::new(STORE).join("pending").exists();
        let (exit, printed, warned) = self.rig.run(&words);
        let found = configuration();
        let old = self.model.backup.take();
        self.model.backup.clone_from(&old);
        let expected = match (&verb, step) {
            (Some((verb, confirm)), _) => self.model.command(verb, *confirm, &found),
            // What a confirmation that was killed has made persistent, or a rejection taken back, is told of once more.
            (None, Step::Confirm) if self.model.waiting.is_none() && had_record => {
                assert!([0, 4].contains(&exit), "{words:?}: exit {exit}, {warned}");
                exit
            }
            (None, Step::Confirm) => self.model.confirm(&found),
            (None, Step::Expire { right }) => {
                if *right {
                    self.model.take_back(true);
                }
                0
            }
            _ => unreachable!(),
        };
        assert_eq!(exit, expected, "exit code of {words:?}\n{printed}{warned}");
        if self.model.backup != old {
            self.check_backup(&warned);
        }
        if self.model.operations.last().map_or(0, |operation| operation.id) > operations {
            self.count("changes");
            if matches!(verb, Some((Verb::Rollback { .. }, _))) {
                self.count("rollbacks");
            }
        }
        match step {
            Step::Confirm if exit == 0 => self.count("confirmed"),
            _ if waited && self.model.waiting.is_none() => self.count("expired"),
            _ => {}
        }
    }

    /// The old bytes stand beside the file; where both names are taken, by what a killed command left there, in the store.
    fn check_backup(&self, warned: &str) {
        let main = self.model.main.to_string_lossy();
        let copies: Vec<Vec<u8>> =
            [".bak", ".ipalias.bak"].iter().filter_map(|end| fs::read(format!("{main}{end}")).ok()).collect();
        let old = self.model.backup.as_ref().unwrap();
        if copies.len() == 2 && !copies.contains(old) {
            assert!(warned.contains("since the names for a .bak are taken"), "{warned}");
            let store = rig::read(STORE);
            let is_it = |(path, node): (&PathBuf, &Node)| {
                path.extension().is_some_and(|end| end == "before")
                    && matches!(node, Node::File(bytes, ..) if bytes == old)
            };
            assert!(store.iter().any(is_it), "no copy of {main} in the store");
            return;
        }
        assert!(copies.contains(old), "no backup of {main}: {copies:?}");
    }

    /// Files, addresses, history and what waits are what `model` says; `rough` leaves the addresses out.
    fn check(&self, model: &Model, rough: bool) -> Result<(), String> {
        let differ = differences(&model.tree, &configuration());
        if !differ.is_empty() {
            return Err(format!("files: {}", differ.join("\n")));
        }
        let live = rig::live();
        if !rough && live != model.live {
            return Err(format!("addresses: expected {:?}, found {live:?}", model.live));
        }
        let (exit, history, _) = self.rig.run(&["--json".to_owned(), "history".to_owned()]);
        let history: serde_json::Value = serde_json::from_str(&history).map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        for line in history["operations"].as_array().unwrap() {
            let ids: Vec<u64> = line["undoes"].as_array().unwrap().iter().filter_map(|id| id.as_u64()).collect();
            found.push((line["id"].as_u64().unwrap(), line["state"].as_str().unwrap().to_owned(), ids));
        }
        let undoes = |failed: bool, ids: &[u64]| if failed { Vec::new() } else { ids.to_vec() };
        let expected: Vec<(u64, String, Vec<u64>)> =
            model.operations.iter().map(|one| (one.id, model.state(one), undoes(one.failed, &one.undoes))).collect();
        for ((_, state, ids), _) in found.iter_mut().zip(&expected) {
            if state.starts_with("failed") {
                ids.clear();
            }
        }
        if exit != 0 || found != expected {
            return Err(format!("history: expected {expected:?}, found {found:?}"));
        }
        let waits = !history["waiting"].is_null();
        if waits != model.waiting.is_some() {
            return Err(format!("waiting: expected {:?}, found {}", model.waiting, history["waiting"]));
        }
        Ok(())
    }

    fn no_rests(&self) {
        for place in PLACES.iter().chain(&[STORE]) {
            let tree = rig::read(place);
            for (path, node) in &tree {
                let name = path.file_name().unwrap().to_string_lossy();
                let is_rest = name.contains(".ipalias-") || name.starts_with(".new-") || name == "journal";
                assert!(!is_rest, "{} is left", path.display());
                let is_empty = || !tree.keys().any(|other| other.parent() == Some(path));
                let own = matches!(node, Node::Directory(_)) && name.ends_with(".network.d");
                assert!(!own || !is_empty(), "{} is left", path.display());
            }
        }
    }

    fn deadline(&mut self) {
        let path = Path::new(STORE).join("pending");
        let Ok(bytes) = fs::read(&path) else { return };
        let mut pending: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        pending["deadline"] = 0.into();
        fs::write(path, serde_json::to_vec(&pending).unwrap()).unwrap();
        if let Some(waiting) = &mut self.model.waiting {
            waiting.due = true;
        }
    }

    /// The hook of the packages runs, or does not; then the network starts as the files say. What was killed before is taken
    /// back by the next command, at the latest.
    fn start_network(&mut self, hook: bool, killed: Option<()>) {
        rig::set_live(&Ips::new());
        if hook {
            let (exit, _, warned) = self.rig.run(&["boot".to_owned()]);
            assert_eq!(exit, 0, "{warned}");
        }
        // No consumer reads temporary files.
        let mut tree = configuration();
        tree.retain(|path, _| !path.to_string_lossy().contains(".ipalias-"));
        rig::set_live(&configured(&tree));
        if killed.is_some() && !hook {
            self.rig.run(&["rollback".to_owned(), "--to".to_owned(), "999999".to_owned()]);
        }
    }

    fn foreign(&mut self, kind: u8) {
        let main = self.model.main.clone();
        self.edits += 1;
        let pick: IpAddr = POOL[self.edits as usize % POOL.len()].parse().unwrap();
        match (kind, self.model.tree.get(&main).cloned()) {
            (0 | 1, Some(Node::File(mut bytes, mode, uid, gid))) => {
                bytes.extend(format!("# by hand, {}\n", self.edits).bytes());
                rig::write(&main, &bytes, mode, uid, gid);
                self.model.tree.insert(main, Node::File(bytes, mode, uid, gid));
            }
            (2, Some(Node::File(bytes, _, uid, gid))) => {
                let mode = [0o755, 0o604, 0o644][self.edits as usize % 3];
                fs::set_permissions(&main, fs::Permissions::from_mode(mode)).unwrap();
                self.model.tree.insert(main, Node::File(bytes, mode, uid, gid));
            }
            (3, _) => {
                self.model.live.insert(pick);
                rig::set_live(&self.model.live);
            }
            (4, _) => {
                self.model.live.remove(&pick);
                rig::set_live(&self.model.live);
            }
            _ => {}
        }
    }

    fn whole(&self) -> Whole {
        let trees = PLACES.iter().chain(&[STORE]).map(|place| (*place, rig::read(place))).collect();
        Whole { trees, live: rig::live(), model: self.model.clone() }
    }

    /// Takes `inner` once without harm, to know its outcome, goes back, and takes it again with an end in between.
    fn killed(&mut self, inner: &Step, permille: u32, then: Then) {
        self.count("killed");
        let before = self.whole();
        self.step(inner);
        let after = self.whole();
        for (place, tree) in &before.trees {
            rig::restore(place, tree);
        }
        rig::set_live(&before.live);
        self.model = before.model.clone();
        let (_, words) = self.words(inner);
        let names = || -> Vec<_> {
            fs::read_dir(STORE).into_iter().flatten().map(|entry| entry.unwrap().file_name()).collect()
        };
        let at_rest = names();
        let journal = Path::new(STORE).join("journal");
        let run = self.rig.command(&words).spawn().unwrap();
        kill_within(run, permille, || names() != at_rest, || journal.exists());

        let (was_journal, was_torn) = (journal.exists(), configuration());
        // One command may settle what was due, and do its own work.
        let mut settled = before.model.clone();
        settled.settle();
        for (path, node) in &was_torn {
            let known = [&before.model, &settled, &after.model].iter().any(|model| model.tree.get(path) == Some(node));
            let is_temp = path.to_string_lossy().contains(".ipalias-");
            assert!(known || is_temp, "{} is torn", path.display());
        }
        match then {
            Then::Edit if was_journal && self.conflict(&journal) => return,
            Then::Reboot { hook } => {
                self.rig.reboot();
                self.start_network(hook, Some(()));
            }
            _ => {}
        }
        let reboot = match then {
            Then::Reboot { hook } => Some(hook),
            _ => None,
        };
        let (exit, _, warned) = match reboot {
            Some(_) => (0, String::new(), String::new()),
            None => self.rig.run(&["rollback".to_owned(), "--to".to_owned(), "999999".to_owned()]),
        };
        let mut reasons = Vec::new();
        for (name, model, exit_expected, rough) in candidates(&before.model, &after.model, reboot) {
            if reboot.is_none() && exit != exit_expected {
                reasons.push(format!("{name}: exit {exit_expected}"));
                continue;
            }
            let between = |live: &Ips| {
                let low = &(&before.live & &settled.live) & &after.live;
                low.is_subset(live) && live.is_subset(&(&(&before.live | &settled.live) | &after.live))
            };
            match self.check(&model, rough) {
                Ok(()) if !rough || between(&rig::live()) => {
                    let failed = |model: &Model| model.operations.iter().filter(|one| one.failed).count();
                    if failed(&model) > failed(&before.model) {
                        self.count("recovered");
                    }
                    self.model = Model { live: rig::live(), backup: self.backup(), ..model };
                    return;
                }
                Ok(()) => reasons.push(format!("{name}: addresses {:?}", rig::live())),
                Err(reason) => reasons.push(format!("{name}: {reason}")),
            }
        }
        panic!(
            "after {words:?} was killed, neither as before nor as after it; the next command: exit {exit}, {warned}\n{}",
            reasons.join("\n")
        );
    }

    fn backup(&self) -> Option<Vec<u8>> {
        fs::read(format!("{}.bak", self.model.main.display())).ok()
    }

    /// Somebody edits the file of an interrupted operation: it is left alone, and the next command says so. Then it is put
    /// right by hand.
    fn conflict(&mut self, journal: &Path) -> bool {
        let main = self.model.main.clone();
        let Some(Node::File(mut bytes, mode, uid, gid)) = configuration().remove(&main) else { return false };
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(journal.join("operation.json")).unwrap()).unwrap();
        if record["files"].as_array().unwrap().is_empty() {
            return false;
        }
        bytes.extend(b"# by hand, meanwhile\n");
        rig::write(&main, &bytes, mode, uid, gid);
        let next = ["rollback".to_owned(), "--to".to_owned(), "999999".to_owned()];
        let (exit, _, warned) = self.rig.run(&next);
        assert_eq!(fs::read(&main).unwrap(), bytes, "an edit was lost");
        if exit == 5 {
            assert_eq!(self.rig.run(&next).0, 5, "{warned}");
            assert_eq!(fs::read(&main).unwrap(), bytes, "an edit was lost");
            fs::remove_dir_all(journal).unwrap();
        } else {
            // The new file never had its place.
            assert!(!journal.exists(), "{warned}");
            self.model.fail();
        }
        let (exit, ..) = self.rig.run(&next);
        self.model.tree = configuration();
        self.model.live = rig::live();
        self.model.backup = self.backup();
        match exit {
            75 => self.model.waiting.as_ref().map(drop).unwrap_or_else(|| panic!("nothing waits, but exit 75")),
            _ => self.model.waiting = None,
        }
        self.count("conflicts");
        true
    }
}

/// What may be found after a kill and the next command: the state before or after the step, with what that command settles,
/// and perhaps an operation that was taken back. Addresses alone may be on their way while a change waits.
fn candidates(before: &Model, after: &Model, reboot: Option<bool>) -> Vec<(&'static str, Model, u8, bool)> {
    let mut all = Vec::new();
    let mut push = |name, base: &Model, fail_first: bool, fail_last: bool| {
        let mut model = base.clone();
        if fail_first {
            model.fail();
        }
        if let Some(hook) = reboot {
            model.reboot(hook);
        }
        let nothing_waits = model.settle();
        if fail_last {
            model.fail();
        }
        let exit = if nothing_waits { 3 } else { 75 };
        all.push((name, model.clone(), exit, false));
        if reboot.is_none() && model.waiting.as_ref().is_some_and(|waiting| matches!(waiting.what, Held::Live { .. })) {
            all.push((name, model, exit, true));
        }
    };
    push("after", after, false, false);
    push("before", before, false, false);
    push("before, taken back", before, true, false);
    push("settled, taken back", before, false, true);
    all
}

/// Writes the files of a system; returns the one in charge, which may not be there yet.
pub fn lay_out(layout: u64) -> PathBuf {
    for place in PLACES.iter().chain(&[STORE]) {
        let _ = fs::remove_dir_all(place);
    }
    let write = |path: &str, text: &str| {
        fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    let network =
        "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\nAddress=2001:db8:1::10/64\n";
    fs::create_dir_all("/etc/systemd/network").unwrap();
    fs::create_dir_all("/usr/lib/systemd").unwrap();
    match layout {
        0 => {
            write("/usr/lib/systemd/libsystemd-shared-237.so", "");
            write("/etc/systemd/network/10-eth0.network", network);
            "/etc/systemd/network/10-eth0.network".into()
        }
        1 => {
            write("/usr/lib/systemd/libsystemd-shared-252.so", "");
            write("/usr/lib/systemd/network/10-eth0.network", network);
            "/etc/systemd/network/10-eth0.network.d/ipalias.conf".into()
        }
        _ => {
            write("/etc/os-release", "NAME=Gentoo\nID=gentoo\n");
            write("/etc/init.d/net.lo", "#!/sbin/openrc-run\n");
            symlink("net.lo", "/etc/init.d/net.eth0").unwrap();
            fs::create_dir_all("/etc/runlevels/default").unwrap();
            symlink("/etc/init.d/net.eth0", "/etc/runlevels/default/net.eth0").unwrap();
            write(
                "/etc/conf.d/net",
                "config_eth0=( \"192.0.2.10 netmask 255.255.255.0\" )\nroutes_eth0=\"default via 192.0.2.1\"\n",
            );
            "/etc/conf.d/net".into()
        }
    }
}
