//! Tables and diffs on terminals of 80 and 200 columns, dark or light: as wide as they are, and in colours for both.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support;
use crate::terminal::Session;

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n\nsource /etc/network/interfaces.d/*\n";

/// A host with long names, long addresses, and a history.
fn host() -> tempfile::TempDir {
    let root = support::scratch();
    let dir = root.path().join("etc/network/interfaces.d");
    fs::create_dir_all(&dir).unwrap();
    fs::write(root.path().join("etc/network/interfaces"), INTERFACES).unwrap();
    let long = "iface eth0 inet6 static\n    address 2001:db8:1111:2222:3333:4444:5555:6666/64\n";
    fs::write(dir.join("60-written-by-the-installer-of-the-hoster.cfg"), long).unwrap();
    for arguments in [&["add", "203.0.113.5"][..], &["add", "--block", "198.51.100.0/28"], &["rollback"]] {
        assert!(support::ipalias(root.path(), arguments).status.success());
    }
    root
}

/// What ipalias prints on a terminal of so many columns, with such an environment.
fn seen(root: &Path, columns: u16, environment: &str, arguments: &str) -> String {
    let done = root.join("done");
    let _ = fs::remove_file(&done);
    let (program, root) = (support::program(), root.display());
    let line =
        format!("env -u NO_COLOR -u COLUMNS {environment} {program} --root {root} {arguments}; : >{}", done.display());
    let mut session = Session::start_in(&line, columns);
    let began = Instant::now();
    while !done.exists() {
        session.terminal.drain();
        assert!(began.elapsed() < Duration::from_secs(30), "{line} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    session.terminal.close();
    String::from_utf8(session.terminal.printed.clone()).unwrap().replace("\r\n", "\n")
}

/// The text without what colours it, and the codes that do.
fn split(printed: &str) -> (String, BTreeSet<String>) {
    let (mut text, mut codes) = (String::new(), BTreeSet::new());
    let mut parts = printed.split("\x1b[");
    text.push_str(parts.next().unwrap());
    for part in parts {
        let (code, rest) = part.split_once('m').unwrap();
        codes.insert(code.to_owned());
        text.push_str(rest);
    }
    (text, codes)
}

const LOOKS: [&str; 4] = ["list", "status", "history", "-v status"];

#[test]
fn tables_are_as_wide_as_the_terminal() {
    let root = host();
    for columns in [60, 80, 200] {
        for look in LOOKS {
            let (text, _) = split(&seen(root.path(), columns, "TERM=xterm-256color", look));
            assert!(text.lines().count() > 3, "{look}: {text}");
            for line in text.lines() {
                assert!(line.chars().count() <= usize::from(columns), "{look} at {columns}: {line:?}\n{text}");
            }
        }
    }
    let place = "/etc/network/interfaces.d/60-written-by-the-installer-of-the-hoster.cfg:2";
    let narrow = seen(root.path(), 80, "TERM=xterm", "list");
    assert!(narrow.lines().any(|line| line.trim_start() == place), "a place is never broken: {narrow}");
    let wide = seen(root.path(), 200, "TERM=xterm", "list");
    let is_row = |line: &&str| line.starts_with("2001:db8:1111:2222:3333:4444:5555:6666/64") && line.ends_with(place);
    assert_eq!(wide.lines().filter(is_row).count(), 1, "one line, if there is room: {wide}");
    // `COLUMNS` counts more than what the terminal says (POSIX), and a pipe has no width.
    assert_eq!(seen(root.path(), 200, "TERM=xterm COLUMNS=80", "list"), narrow);
    let piped = String::from_utf8(support::ipalias(root.path(), &["list"]).stdout).unwrap();
    assert!(piped.lines().all(|line| line.contains("  ")) && piped.lines().count() == 4, "{piped}");
}

#[test]
fn sentences_are_folded_between_words() {
    let root = host();
    let folded = seen(root.path(), 60, "TERM=dumb", "-n add 198.51.100.99/24 | cat");
    let lines: Vec<&str> = folded.lines().skip_while(|line| !line.starts_with("ipalias: ")).collect();
    let piped = support::ipalias(root.path(), &["-n", "add", "198.51.100.99/24"]).stderr;
    let sentence = String::from_utf8(piped).unwrap();
    assert!(sentence.len() > 120 && lines.iter().all(|line| line.chars().count() <= 60), "{folded}");
    let count = sentence.split_whitespace().count();
    let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).take(count).collect();
    assert_eq!(words.join(" "), sentence.trim_end());
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let root = host();
    for environment in ["TERM=dumb", "TERM=xterm NO_COLOR=1", "TERM=xterm CLICOLOR=0", "TERM=dumb CLICOLOR_FORCE=0"] {
        for look in ["list", "-n add 203.0.113.9", "add 1.2.3", "-n add 198.51.100.99/24"] {
            let printed = seen(root.path(), 80, environment, look);
            assert!(!printed.contains('\x1b'), "{environment} {look}: {printed:?}");
        }
    }
    assert!(!seen(root.path(), 80, "TERM=xterm", "--color never -n add 203.0.113.9").contains('\x1b'));
    for (variables, colored) in
        [(&[("CLICOLOR_FORCE", "1")][..], true), (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false)]
    {
        let mut command = Command::new(support::program());
        command.arg("--root").arg(root.path()).args(["-n", "add", "203.0.113.9"]);
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.stdout.contains(&b'\x1b'), colored, "{variables:?}");
    }
}

/// Bright colours, white, black, and faint text vanish on one background or the other.
#[test]
fn colours_can_be_read_on_dark_and_light() {
    let root = host();
    let mut all = BTreeSet::new();
    for look in
        ["list", "history", "-n add 203.0.113.9", "-n remove 203.0.113.5", "add 1.2.3", "-n add 198.51.100.99/24"]
    {
        let printed = seen(root.path(), 80, "TERM=xterm", look);
        for (mark, _) in printed.match_indices("\x1b[33m") {
            assert!(
                printed[mark..].starts_with("\x1b[33mipalias:\x1b[0m"),
                "yellow is for the mark alone: {printed:?}"
            );
        }
        all.extend(split(&printed).1);
    }
    let known = ["0", "1", "31", "32", "33", "36"].map(str::to_owned);
    assert!(all.is_subset(&known.into()) && all.len() == 6, "{all:?}");
}

#[test]
fn a_file_gets_no_colours_of_the_other_stream() {
    let root = host();
    let file = root.path().join("errors");
    let printed = seen(root.path(), 80, "TERM=xterm", &format!("-n add 198.51.100.99/24 2>{}", file.display()));
    assert!(printed.contains("\x1b[32m+"), "{printed}");
    let errors = fs::read_to_string(file).unwrap();
    assert!(errors.starts_with("ipalias: ") && !errors.contains('\x1b'), "{errors:?}");
}
