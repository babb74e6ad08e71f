//! P20: a change that nobody confirms is gone in time, whatever becomes of the session that made it; a confirmation and the
//! end at the same moment have one winner; what cannot be taken back in time is not begun.
//!
//! In namespaces and a root of its own, as the model (see `model::rig`), here with the program itself as its watchdog.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::model::rig::{self, PROGRAM, Rig};
use crate::model::state::{Ips, configured};
use crate::model::steps::{Random, STORE, configuration, lay_out};
use crate::support;

/// What a process does, and where.
const PART: &str = "IPALIAS_CONFIRM_PART";
const ROOT: &str = "IPALIAS_CONFIRM_ROOT";

/// How the program is called by the watchdog, and by whoever looks for itself.
const OWN: &str = "/usr/bin/ipalias";

const V4: &str = "203.0.113.5";
const V6: &str = "2001:db8:5::5";

/// Carries out `parts` at once, each in a system of its own; what each of them printed.
fn carry_out(parts: &[String]) -> Option<Vec<String>> {
    rig::in_namespaces("")?;
    let dir = support::scratch();
    let base = dir.path().join("base");
    fs::create_dir(&base).unwrap();
    rig::furnish(&base);
    let children: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let root = dir.path().join(index.to_string());
            // Hard links: the program is large.
            assert!(Command::new("cp").arg("-al").arg(&base).arg(&root).status().unwrap().success());
            let mut command = rig::in_namespaces("confirm::works_in_namespaces").unwrap();
            command.env(PART, part).env(ROOT, &root).stderr(std::process::Stdio::piped());
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    let said = |child: std::process::Child| {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        text
    };
    Some(children.into_iter().map(said).collect())
}

/// The numbers that the parts say they counted, by name.
fn counted(said: &[String], name: &str) -> u64 {
    let lines = said.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).sum()
}

#[test]
#[ignore = "started by the tests of p20, in namespaces of its own"]
fn works_in_namespaces() {
    let (Ok(part), Ok(root)) = (std::env::var(PART), std::env::var(ROOT)) else { return };
    let words: Vec<&str> = part.split_whitespace().collect();
    if words[0] == "refusals" {
        let run = Path::new(&root).join("run");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "noexec", "tmpfs"]).arg(run).status().unwrap();
        assert!(mount.success());
    }
    let mut rig = Rig::enter(Path::new(&root));
    let console = rig.console.try_clone().unwrap();
    // The old one is the same file in other roots.
    std::panic::set_hook(Box::new(move |panic| {
        let _ = writeln!(&console, "{panic}");
    }));
    match words.as_slice() {
        ["races", "expire", first, count] => races(&mut rig, "expire", first, count),
        ["races", "rollback", first, count] => races(&mut rig, "rollback", first, count),
        ["timer", which] => timer(&mut rig, which),
        ["refusals"] => refusals(&mut rig),
        _ => panic!("{part}"),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Runs `line` in this process.
fn runs(rig: &Rig, expected: u8, line: &str) -> String {
    let (exit, printed, warned) = rig.run(&words(line));
    assert_eq!(exit, expected, "{line}: {printed}{warned}");
    printed + &warned
}

fn pending() -> Option<serde_json::Value> {
    let bytes = fs::read(Path::new(STORE).join("pending")).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn ips(texts: &[&str]) -> Ips {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A confirmation and the end, started at the same moment.
fn races(rig: &mut Rig, end: &str, first: &str, count: &str) {
    let (first, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
    let (mut kept, mut ended, mut both) = (0, 0, 0);
    for number in first..first + count {
        let mut random = Random::new(number);
        lay_out(number % 3);
        rig::set_live(&Ips::new());
        rig.reboot();
        let before = configuration();
        // Also a change whose files are written first: the address is up already.
        let up = if random.one_in(4) { ips(&[V4]) } else { Ips::new() };
        rig::set_live(&up);
        runs(rig, 0, &format!("add {V4} --confirm 600"));
        let token = pending().unwrap()["token"].as_str().unwrap().to_owned();
        let line = if end == "expire" { format!("expire {token}") } else { "rollback".to_owned() };
        let mut pair = [(true, "confirm".to_owned()), (false, line)];
        if random.one_in(2) {
            pair.reverse();
        }
        let pause = Duration::from_micros(random.below(3000));
        let mut children = Vec::new();
        for (is_confirm, line) in &pair {
            children.push((*is_confirm, rig.command(&words(line)).spawn().unwrap()));
            let began = Instant::now();
            while children.len() == 1 && began.elapsed() < pause {
                std::hint::spin_loop();
            }
        }
        let exits = children.iter_mut().map(|(is, child)| (*is, child.wait().unwrap().code().unwrap()));
        let exits: std::collections::BTreeMap<bool, i32> = exits.collect();
        let (confirm, other) = (exits[&true], exits[&false]);
        let state = (configured(&configuration()), rig::live(), configuration() == before);
        let said = || format!("race {number}: confirm {confirm}, {end} {other}, {state:?}\n{}", rig.said());
        let is_kept = state == (ips(&[V4]), ips(&[V4]), false);
        let is_ended = state == (Ips::new(), Ips::new(), true);
        assert!(pending().is_none(), "{}", said());
        match (confirm, other, end) {
            (0, 0, "expire") | (0, 3, "rollback") if is_kept => kept += 1,
            // First the one, then a rollback of what was confirmed.
            (0, 0, "rollback") if is_ended => both += 1,
            (3 | 4, 0, _) if is_ended => ended += 1,
            _ => panic!("no winner, or two: {}", said()),
        }
        let rests = fs::read_dir(STORE).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(rests.into_iter().all(|name| name != "journal" && !name.to_string_lossy().starts_with(".new")));
    }
    writeln!(rig.console, "kept {kept}\nended {ended}\nboth {both}").unwrap();
}

#[test]
fn p20_confirmation_and_end_at_once() {
    let all: u64 = match (std::env::var_os("IPALIAS_NIGHTLY"), support::tools_required()) {
        (Some(_), _) => 5000,
        (None, true) => 250,
        (None, false) => 20,
    };
    let part = |end: &str, from: u64, count: u64| format!("races {end} {from} {count}");
    let parts = ["expire", "rollback"].map(|end| part(end, 0, all));
    let Some(said) = carry_out(&parts) else { return };
    let [kept, ended, both] = ["kept", "ended", "both"].map(|name| counted(&said, name));
    assert_eq!(kept + ended + both, 2 * all);
    assert!(kept * 10 >= all && ended * 10 >= all, "kept {kept}, ended {ended}: no race");
    let found = format!(
        "{} races of a confirmation with the watchdog or a rejection: {kept} kept, {ended} taken back, {both} confirmed and \
         then rolled back, 0 without one winner",
        2 * all
    );
    println!("{found}");
    support::promise("P20", "races", &found);
}

/// The program itself is what waits.
fn with_own_watchdog() {
    let _ = fs::remove_file(OWN);
    fs::hard_link(PROGRAM, OWN).unwrap();
}

/// A change with the shortest time, made by a session that is killed as soon as it has returned.
fn timer(rig: &mut Rig, which: &str) {
    lay_out(["add", "remove", "files", "rollback"].iter().position(|name| *name == which).unwrap() as u64 % 3);
    rig.reboot();
    let both = format!("{V4} {V6}");
    let line = match which {
        "add" => format!("add {both}"),
        "remove" => {
            runs(rig, 0, &format!("add {both}"));
            format!("remove {both}")
        }
        "files" => {
            rig::set_live(&ips(&[V4]));
            format!("add {V4}")
        }
        _ => {
            runs(rig, 0, &format!("add {both}"));
            "rollback".to_owned()
        }
    };
    // What was up by hand before goes with the file that was to keep it.
    let (files, live) = (configuration(), if which == "files" { Ips::new() } else { rig::live() });
    with_own_watchdog();
    let began = Instant::now();
    let script = format!("{PROGRAM} {line} --confirm 5; echo $? >/tmp/exit; kill -9 0");
    let status = Command::new("/usr/bin/setsid").args(["--wait", "sh", "-c", &script]).env_clear().status().unwrap();
    assert!(!status.success(), "the session was to be killed");
    assert_eq!(fs::read_to_string("/tmp/exit").unwrap(), "0\n", "{line}: {}", rig.said());
    assert!(pending().is_some());
    assert!(which == "files" || rig::live() != live, "{line} changed nothing");
    assert_eq!(configuration() == files, which != "files");
    while pending().is_some() || rig::live() != live {
        assert!(began.elapsed() < Duration::from_secs(10), "{line}: {:?} after 10 s", rig::live());
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4), "{line}: gone after {took:?}");
    assert!(configuration() == files, "{line}: the files are others");
    writeln!(rig.console, "milliseconds {}", took.as_millis()).unwrap();
}

#[test]
fn p20_gone_in_time_although_the_session_was_killed() {
    let parts = ["add", "remove", "files", "rollback"].map(|which| format!("timer {which}"));
    let Some(said) = carry_out(&parts) else { return };
    let longest = said.iter().map(|text| counted(std::slice::from_ref(text), "milliseconds")).max().unwrap();
    assert!(longest > 4000);
    let found = format!(
        "an unconfirmed add, remove and rollback with --confirm 5, addresses first and files first, each session killed at \
         once: taken back after at most {longest} ms"
    );
    println!("{found}");
    support::promise("P20", "timer", &found);
}

/// What cannot be taken back in time is refused, and nothing has changed; and a change whose time is over is over.
fn refusals(rig: &mut Rig) {
    let mut refused = 0;
    let executable = |mode: u32| fs::set_permissions(OWN, fs::Permissions::from_mode(mode)).unwrap();
    lay_out(0);
    rig.reboot();
    let before = configuration();
    let mut refuses = |what: &str, rig: &Rig| {
        let (exit, printed, warned) = rig.run(&words(&format!("add {V4} --confirm 600")));
        assert_eq!(exit, 3, "{what}: {printed}{warned}");
        assert!(warned.contains("nothing here could take the change back in time"), "{what}: {warned}");
        assert!(configuration() == before && rig::live().is_empty() && pending().is_none(), "{what}");
        refused += 1;
    };
    let works = |what: &str, rig: &Rig| {
        let (exit, printed, warned) = rig.run(&words(&format!("add {V4} --confirm 600")));
        assert_eq!(exit, 0, "{what}: {printed}{warned}");
        runs(rig, 75, "add 203.0.113.6 --confirm 600");
        runs(rig, 75, &format!("remove {V4}"));
        assert!(runs(rig, 10, "confirm --dry-run --detailed-exitcode").contains("planned: "), "{what}");
        assert!(pending().is_some() && configuration() == before, "{what}: a dry run has confirmed it");
        runs(rig, 0, "rollback");
        runs(rig, 3, "confirm --dry-run");
        assert!(rig::live().is_empty() && pending().is_none(), "{what}");
    };
    rig::script(Path::new(OWN), "echo ready");
    works("a watchdog that waits", rig);
    rig::script(Path::new(OWN), "exit 0");
    refuses("a watchdog that does not wait", rig);
    executable(0o644);
    refuses("a program that cannot be started", rig);
    rig::script(Path::new(OWN), "echo ready");
    executable(0o775);
    refuses("a program that others can exchange, and no place for its copy that programs are started from", rig);
    fs::remove_file("/proc/self/exe").unwrap();
    refuses("a program that cannot be found", rig);
    std::os::unix::fs::symlink(OWN, "/proc/self/exe").unwrap();
    executable(0o755);

    // The clock, and another boot.
    for over in ["time", "boot"] {
        for next in ["status", "history", "list", "confirm", "add", "rollback", "expire"] {
            lay_out(0);
            rig.reboot();
            runs(rig, 0, &format!("add {V4} {V6} --confirm 600"));
            let mut change = pending().unwrap();
            let token = change["token"].as_str().unwrap().to_owned();
            if over == "time" {
                change["deadline"] = change["since"].clone();
                fs::write(Path::new(STORE).join("pending"), change.to_string()).unwrap();
            } else {
                rig.reboot();
                rig::set_live(&Ips::new());
            }
            let up = rig::live();
            match next {
                "status" | "history" | "list" => {
                    let said = runs(rig, 0, next);
                    assert!(next == "list" || said.contains("will be taken back by the next change"), "{said}");
                    assert!(pending().is_some() && rig::live() == up, "{over} {next}");
                    runs(rig, 0, "rollback");
                }
                "confirm" => drop(runs(rig, 4, "confirm")),
                "add" => drop(runs(rig, 0, "add 203.0.113.6")),
                "rollback" => drop(runs(rig, 0, "rollback")),
                _ => drop(runs(rig, 0, &format!("expire {token}"))),
            }
            let left = if next == "add" { ips(&["203.0.113.6"]) } else { Ips::new() };
            assert!(pending().is_none(), "{over} {next}");
            assert_eq!((rig::live(), configured(&configuration())), (left.clone(), left), "{over} {next}");
            rig::set_live(&Ips::new());
        }
    }
    writeln!(rig.console, "refused {refused}").unwrap();
}

#[test]
fn p20_refused_without_a_watchdog() {
    let Some(said) = carry_out(&["refusals".to_owned()]) else { return };
    let refused = counted(&said, "refused");
    assert_eq!(refused, 4);
    let found = format!(
        "{refused} ways in which no watchdog can start: refused, nothing changed; after its time, or in another boot, a \
         change is taken back by whatever command comes next, and only told of by those that change nothing"
    );
    support::promise("P20", "refusals", &found);
}
