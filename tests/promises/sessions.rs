//! P18 and P19: the terminal is closed, its shell killed, Ctrl-C typed, SIGTERM sent, while the real ifupdown and the real
//! systemd-networkd apply a change; and output that goes nowhere, or that nobody takes.
//!
//! Every point is one change, `add`, `remove` or `rollback`, whichever the state allows. After it the file, the address and
//! the store must all be as after it or all as before it, whatever the exit code says must be so, and nothing may be left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::lab::{self, PROGRAM, sh};
use crate::support;
use crate::terminal::{self, Session, send};

const FLAVOURS: [&str; 2] = ["bookworm:ifupdown", "bookworm:networkd"];

/// How long a change may take to come to an end after the blow.
const LIMIT: Duration = Duration::from_secs(15);

/// What is added and removed.
const FOUR: &str = "198.51.100.77";
const SIX: &str = "2001:db8:1::77";

const JOURNAL: &str = "/var/lib/ipalias/journal";

/// What happens to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// The terminal is closed: SIGHUP.
    Closed,
    /// The shell is killed, as if sshd had been.
    Orphaned,
    /// Ctrl-C, twice.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// Ctrl-\ and Ctrl-Z.
    Suspended,
    /// Ctrl-S: nobody takes what is printed.
    Stopped,
    /// Standard output and error are closed.
    NoOutput,
    /// They are a terminal that is dead.
    DeadTerminal,
    /// They are full.
    FullDevice,
    /// They are a pipe that nobody reads, and full.
    FullPipe,
    /// They are a pipe without a reader.
    BrokenPipe,
}

const SIGNALS: [Blow; 5] = [Blow::Closed, Blow::Orphaned, Blow::Interrupted, Blow::Terminated, Blow::Suspended];
const OUTPUTS: [Blow; 6] =
    [Blow::Stopped, Blow::NoOutput, Blow::DeadTerminal, Blow::FullDevice, Blow::FullPipe, Blow::BrokenPipe];

/// When it happens.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the start.
    Start(Duration),
    /// So long after the journal was there.
    Journal(Duration),
    /// When the file has changed.
    File,
    /// When ipalias has started a program.
    Child,
    /// When the journal is gone.
    Commit,
}

/// Pseudo random numbers (splitmix64), the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn run_all(promise: &str, blows: &'static [Blow], each: usize, workers: usize) {
    let mut totals: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for flavour in FLAVOURS {
            for worker in 0..workers {
                let points = blows.len() * each / workers;
                let settings = [
                    ("POINTS", points.to_string()),
                    ("SEED", (worker + 1).to_string()),
                    ("BLOWS", if blows.len() == SIGNALS.len() { "signals" } else { "outputs" }.to_owned()),
                ];
                let enter = move || {
                    let lay_out = |root: &Path| lab::lay_out(flavour, root);
                    (flavour, lab::enter(flavour, lay_out, "sessions::inside", &settings))
                };
                threads.push(scope.spawn(enter));
            }
        }
        for thread in threads {
            let (flavour, printed) = thread.join().unwrap();
            let figures = totals.entry(flavour).or_default();
            for name in ["points", "finished", "rolled-back", "untouched", "mid-apply", "slowest-ms"] {
                let found = lab::figure(&printed, name);
                let figure = figures.entry(name).or_default();
                *figure = if name == "slowest-ms" { found.max(*figure) } else { found + *figure };
            }
        }
    });
    for (flavour, figures) in totals {
        let text = format!(
            "{} points during add, remove and rollback ({} with the journal open): {} finished, {} rolled back, {} not begun, \
             0 others, 0 panics; slowest end {} ms",
            figures["points"],
            figures["mid-apply"],
            figures["finished"],
            figures["rolled-back"],
            figures["untouched"],
            figures["slowest-ms"]
        );
        println!("{flavour}: {text}");
        assert_eq!(figures["points"] as usize, blows.len() * each / workers * workers);
        // `rollback` of what was taken back at once is the only thing that may be declined.
        assert!(figures["untouched"] <= figures["points"] / 5, "too few changes begin: {text}");
        if blows.len() == SIGNALS.len() {
            assert!(figures["mid-apply"] >= figures["points"] / 3, "the harness does not reach the apply: {text}");
        }
        support::promise(promise, &flavour.replace(':', "-"), &text);
    }
}

fn nightly() -> bool {
    std::env::var_os("IPALIAS_NIGHTLY").is_some()
}

#[test]
fn p18_a_session_that_ends_leaves_no_half_change() {
    if lab::is_possible() {
        run_all("P18", &SIGNALS, if nightly() { 100 } else { 20 }, 4);
    }
}

#[test]
fn p19_an_output_that_goes_nowhere_leaves_no_half_change() {
    if lab::is_possible() {
        run_all("P19", &OUTPUTS, if nightly() { 100 } else { 4 }, 4);
    }
}

#[test]
fn p19_a_pipe_that_nobody_empties_holds_nothing_up() {
    let root = support::scratch();
    lab::write(root.path(), "etc/network/interfaces", lab::INTERFACES);
    let began = Instant::now();
    let mut command = std::process::Command::new(support::program());
    command.arg("--root").arg(root.path()).args(["add", "--block", "10.1.0.0/20"]);
    let piped = std::process::Stdio::piped;
    let mut child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() > LIMIT * 2 => {
                child.kill().unwrap();
                panic!("a diff of 4,096 addresses that nobody reads holds the change up");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let file = fs::read_to_string(root.path().join("etc/network/interfaces")).unwrap();
    assert!(status.success() && file.contains("10.1.15.255"), "{status}");
    let text = format!("4,096 addresses, a diff that nobody reads: done after {:.1} s", began.elapsed().as_secs_f32());
    println!("{text}");
    support::promise("P19", "pipe", &text);
}

#[test]
#[ignore = "runs inside a namespace"]
fn inside() {
    let Some(flavour) = lab::inside() else { return };
    let points: usize = lab::setting("POINTS").parse().unwrap();
    let blows: &[Blow] = if lab::setting("BLOWS") == "signals" { &SIGNALS } else { &OUTPUTS };
    sh("mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts");
    lab::start(&flavour);
    terminal::adopt_orphans();
    let mut bench = Bench::new(&flavour, lab::setting("SEED").parse().unwrap());
    for number in 0..points {
        bench.point(number, blows[number % blows.len()]);
    }
    let Bench { figures, .. } = bench;
    let text: Vec<String> = figures.iter().map(|(name, value)| format!("{name}={value}")).collect();
    println!("\nFIGURES {}", text.join(" "));
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    file: String,
    up: bool,
}

struct Bench {
    dice: Dice,
    file: &'static str,
    /// The state without the addresses, and with them once that was seen.
    old: State,
    new: Option<State>,
    rest: String,
    known: BTreeSet<i32>,
    figures: BTreeMap<&'static str, u64>,
    /// How long a change takes from the journal to its end.
    usual: Duration,
}

impl Bench {
    fn new(flavour: &str, seed: u64) -> Bench {
        let file = if flavour.ends_with("networkd") {
            "/etc/systemd/network/10-eth0.network"
        } else {
            "/etc/network/interfaces"
        };
        let names = ["points", "finished", "rolled-back", "untouched", "mid-apply", "slowest-ms"];
        let mut bench = Bench {
            dice: Dice(seed),
            file,
            old: State { file: fs::read_to_string(file).unwrap(), up: false },
            new: None,
            rest: lab::look(),
            known: BTreeSet::new(),
            figures: names.into_iter().map(|name| (name, 0)).collect(),
            usual: Duration::from_millis(100),
        };
        // One of each undisturbed: what the states are, and how long it takes.
        for arguments in ["add --force", "remove", "rollback", "rollback"] {
            let began = Instant::now();
            let addresses = if arguments == "rollback" { String::new() } else { format!("{FOUR} {SIX}") };
            let said = sh(&format!("{PROGRAM} {arguments} {addresses} 2>&1 || echo FAILED"));
            assert!(!said.contains("FAILED"), "{arguments}: {said}");
            bench.usual = bench.usual.max(began.elapsed());
            let state = bench.state();
            if arguments.starts_with("add") {
                assert!(state.up && state.file != bench.old.file, "{said}");
                bench.new = Some(state);
            } else if arguments == "remove" {
                assert_eq!(state, bench.old, "{said}");
            }
        }
        bench.known = lab::processes(&BTreeSet::new()).into_iter().map(|(id, _)| id).collect();
        bench
    }

    fn state(&self) -> State {
        let up = sh(&format!("ip -o address show dev eth0 | grep -cE ' ({FOUR}|{SIX})/'"));
        let up = match up.trim() {
            "0" => false,
            "2" => true,
            other => panic!("{other} of two addresses are up:\n{}", lab::look()),
        };
        State { file: fs::read_to_string(self.file).unwrap(), up }
    }

    fn point(&mut self, number: usize, blow: Blow) {
        let before = self.state();
        let present = before.up;
        // `rollback` goes back and forth; it is possible where the last operation was not taken back at once.
        let verb = match self.dice.below(3) {
            0 => "rollback".to_owned(),
            _ if present => format!("remove {FOUR} {SIX}"),
            1 if number % 4 == 0 => format!("add {FOUR} {SIX}"), // looks for them on the network first
            _ => format!("add --force {FOUR} {SIX}"),
        };
        let usual = self.usual.as_micros() as u64;
        let moment = match self.dice.below(12) {
            0 => Moment::Start(Duration::from_micros(self.dice.below(usual * 2))),
            1 => Moment::File,
            2 => Moment::Child,
            3 => Moment::Commit,
            4 | 5 => Moment::Journal(Duration::ZERO),
            _ => Moment::Journal(Duration::from_micros(self.dice.below(usual / 2))),
        };
        let at = format!(
            "point {number}: {blow:?} at {moment:?} of `{verb}`, {}",
            if present { "present" } else { "absent" }
        );
        let operations = newest();
        let redirection = match blow {
            Blow::NoOutput => ">&- 2>&-",
            Blow::FullDevice => ">/dev/full 2>&1",
            Blow::BrokenPipe => ">/run/broken 2>&1",
            Blow::FullPipe => ">/run/full 2>&1",
            _ => "",
        };
        let _ = fs::remove_file("/run/rc");
        let prepared = prepare(blow);
        // Whoever writes to a terminal that is dead did not die of its end.
        let deaf = if blow == Blow::DeadTerminal { "trap '' HUP; " } else { "" };
        let line = format!("{deaf}{PROGRAM} -vv {verb} {redirection}; echo $? >/run/rc; exit 0");
        let mut session = Session::start(&line);
        if prepared.broken_reader.is_some() {
            // The shell has to find a reader, and ipalias none.
            while session.job("ipalias").is_none() && !Path::new("/run/rc").exists() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        drop(prepared.broken_reader);
        if blow == Blow::DeadTerminal {
            while session.job("ipalias").is_none() && !Path::new("/run/rc").exists() {
                std::thread::sleep(Duration::from_micros(200));
            }
            session.terminal.close();
        }
        let job = self.await_moment(&mut session, moment, before.file.as_str());
        let mid_apply = Path::new(JOURNAL).exists();
        let struck = Instant::now();
        self.strike(&mut session, job, blow);
        let code = self.await_end(&mut session, job, struck, &at);
        let took = struck.elapsed();
        drop(prepared.full_pipe);
        let after = self.state();
        let said = String::from_utf8_lossy(&session.terminal.printed).into_owned();
        let story = || format!("{at}\nexit {code:?} after {took:?}\n{said}\n{}", lab::look());
        assert!(!said.contains("panicked"), "a panic: {}", story());
        assert_eq!(lab::rests(), "", "something was left: {}", story());
        let both = [Some(&self.old), self.new.as_ref()];
        assert!(both.contains(&Some(&after)), "neither old nor new: {after:?}\n{}", story());
        assert_eq!(lab::without(&lab::look(), &[FOUR, SIX]), self.rest, "others: {}", story());
        let now = newest();
        let committed = now.0 > operations.0 && !now.1;
        let changed = after != before;
        assert_eq!(changed, committed, "the store says {now:?} after {operations:?}: {}", story());
        let fits = match code {
            Ended::Exit(0) => changed,
            Ended::Exit(4 | 130) => !changed,
            // `rollback` of nothing.
            Ended::Exit(3) => !changed && verb == "rollback",
            // Before its signals were caught, nothing has begun.
            Ended::Killed => !changed && now.0 == operations.0,
            Ended::Exit(_) => false,
            Ended::Untold => true,
        };
        assert!(fits, "the exit code does not fit (changed: {changed}): {}", story());
        *self.figures.get_mut("points").unwrap() += 1;
        *self.figures.get_mut("mid-apply").unwrap() += u64::from(mid_apply);
        let name = match (changed, now.0 > operations.0) {
            (true, _) => "finished",
            (false, true) => "rolled-back",
            (false, false) => "untouched",
        };
        *self.figures.get_mut(name).unwrap() += 1;
        let slowest = self.figures.get_mut("slowest-ms").unwrap();
        *slowest = (*slowest).max(took.as_millis() as u64);
    }

    /// Waits for the moment; the process of ipalias, if it was seen.
    fn await_moment(&self, session: &mut Session, moment: Moment, file: &str) -> Option<Pid> {
        let began = Instant::now();
        let mut job = None;
        let mut seen = None;
        while began.elapsed() < LIMIT {
            session.terminal.drain();
            job = job.or_else(|| session.job("ipalias"));
            let journal = Path::new(JOURNAL).exists();
            if journal && seen.is_none() {
                seen = Some(Instant::now());
            }
            let now = match moment {
                Moment::Start(delay) => began.elapsed() >= delay,
                Moment::Journal(delay) => seen.is_some_and(|seen| seen.elapsed() >= delay),
                Moment::File => fs::read_to_string(self.file).is_ok_and(|now| now != file),
                Moment::Child => job.is_some_and(|job| {
                    fs::read_to_string(format!("/proc/{job}/task/{job}/children")).is_ok_and(|all| !all.is_empty())
                }),
                Moment::Commit => seen.is_some() && !journal,
            };
            if now || Path::new("/run/rc").exists() {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        job
    }

    fn strike(&mut self, session: &mut Session, job: Option<Pid>, blow: Blow) {
        let pause = Duration::from_micros(self.dice.below(30_000));
        match blow {
            Blow::Closed => session.terminal.close(),
            Blow::Orphaned => send(session.shell, Signal::SIGKILL),
            Blow::Interrupted => {
                session.terminal.type_keys(b"\x03");
                std::thread::sleep(pause);
                session.terminal.type_keys(b"\x03");
            }
            Blow::Terminated => {
                if let Some(job) = job {
                    send(job, Signal::SIGTERM);
                }
            }
            Blow::Suspended => {
                session.terminal.type_keys(b"\x1c");
                std::thread::sleep(pause);
                session.terminal.type_keys(b"\x1a");
            }
            Blow::Stopped => session.terminal.type_keys(b"\x13"),
            Blow::NoOutput | Blow::DeadTerminal | Blow::FullDevice | Blow::FullPipe | Blow::BrokenPipe => {}
        }
    }

    /// Waits until nothing of the session is left; how ipalias ended.
    fn await_end(&self, session: &mut Session, job: Option<Pid>, since: Instant, at: &str) -> Ended {
        let mut ended = None;
        loop {
            session.terminal.drain();
            while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                match status {
                    WaitStatus::StillAlive => break,
                    WaitStatus::Exited(pid, code) if Some(pid) == job => ended = Some(Ended::Exit(code)),
                    WaitStatus::Signaled(pid, ..) if Some(pid) == job => ended = Some(Ended::Killed),
                    _ => {}
                }
            }
            let left: Vec<(i32, String)> = lab::processes(&self.known)
                .into_iter()
                .filter(|(_, name)| !name.starts_with("systemd-network"))
                .collect();
            if left.is_empty() {
                break;
            }
            assert!(
                since.elapsed() < LIMIT,
                "{at}: still there after {LIMIT:?}: {left:?}\n{}\n{}",
                sh("for p in /proc/[0-9]*; do echo $p $(cat $p/comm $p/wchan) $(grep State $p/status); done"),
                String::from_utf8_lossy(&session.terminal.printed)
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let told = fs::read_to_string("/run/rc").ok().and_then(|code| code.trim().parse().ok());
        match (ended, told) {
            (Some(ended), _) => ended,
            // The shell says 128 and the number of the signal that ended its job; of ipalias 130 means interrupted.
            (None, Some(code)) if code > 128 && code != 130 => Ended::Killed,
            (None, Some(code)) => Ended::Exit(code),
            (None, None) => Ended::Untold,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Exit(i32),
    Killed,
    /// The shell had seen it and was ended before it could tell.
    Untold,
}

/// The newest operation's number, and whether it was taken back at once.
fn newest() -> (u64, bool) {
    let names = fs::read_dir("/var/lib/ipalias").into_iter().flatten().flatten();
    let newest = names.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u64>().ok()).max().unwrap_or(0);
    (newest, Path::new(&format!("/var/lib/ipalias/{newest:06}/rolled-back")).exists())
}

/// What has to be there for as long as a blow's run.
struct Prepared {
    full_pipe: Option<fs::File>,
    broken_reader: Option<fs::File>,
}

fn prepare(blow: Blow) -> Prepared {
    let pipe = |path: &str| {
        let _ = fs::remove_file(path);
        sh(&format!("mkfifo {path}"));
        fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
    };
    match blow {
        Blow::FullPipe => {
            let both = pipe("/run/full");
            sh("timeout 0.3 head -c 1000000 /dev/zero >/run/full 2>/dev/null");
            Prepared { full_pipe: Some(both), broken_reader: None }
        }
        Blow::BrokenPipe => Prepared { full_pipe: None, broken_reader: Some(pipe("/run/broken")) },
        _ => Prepared { full_pipe: None, broken_reader: None },
    }
}
