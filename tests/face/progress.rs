//! A step that takes longer than a second is told on a terminal, in one line that is gone afterwards; nowhere else.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::{self, PROGRAM, sh};
use crate::terminal::Session;

const FLAVOUR: &str = "bookworm:ifupdown";

const ERASE: &str = "\r\x1b[K";

/// The command that brings the alias up takes its time.
const SLOW: &str = "#!/bin/sh\n[ \"$IFACE\" != eth0:0 ] || sleep 2.4\n";

#[test]
fn long_steps_are_told() {
    if lab::is_possible() {
        let lay_out = |root: &Path| {
            lab::lay_out(FLAVOUR, root);
            lab::script(root, "etc/network/if-up.d/slow", SLOW);
        };
        println!("{}", lab::enter(FLAVOUR, lay_out, "progress::inside", &[]));
    }
}

/// What was printed until the shell's line came to its end; `at` is called whenever there is more.
fn run(line: &str, mut at: impl FnMut(&mut Session)) -> String {
    let _ = fs::remove_file("/run/rc");
    let mut session = Session::start_in(&format!("export TERM=xterm; {line}; echo $? >/run/rc"), 80);
    let began = Instant::now();
    while !Path::new("/run/rc").exists() {
        session.terminal.drain();
        at(&mut session);
        assert!(began.elapsed() < Duration::from_secs(30), "{line} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    session.terminal.drain();
    assert_eq!(fs::read_to_string("/run/rc").unwrap().trim(), "0", "{line}: {}", printed(&session));
    printed(&session)
}

fn printed(session: &Session) -> String {
    String::from_utf8_lossy(&session.terminal.printed).into_owned()
}

/// What is on the screen in the end: a line that was erased is not.
fn left(printed: &str) -> String {
    let last = |line: &str| line.rsplit(ERASE).next().unwrap_or_default().trim_end_matches('\r').to_owned();
    printed.split('\n').map(last).collect::<Vec<_>>().join("\n")
}

#[test]
#[ignore = "runs inside a namespace"]
fn inside() {
    if lab::inside().is_none() {
        return;
    }
    sh("mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts");
    lab::start(FLAVOUR);
    let add = format!("{PROGRAM} add --force 198.51.100.77");
    let remove = || drop(sh(&format!("{PROGRAM} --quiet remove 198.51.100.77")));

    let told = run(&add, |_| {});
    for second in [1, 2] {
        let line = format!("{ERASE}running `ifup eth0:0`, {second} s");
        assert_eq!(told.matches(&line).count(), 1, "{told:?}");
    }
    assert!(left(&told).contains("added 198.51.100.77/32 on eth0") && !left(&told).contains("running"), "{told:?}");
    remove();

    // A file, --quiet, --json and a terminal that cannot erase get none.
    for line in
        [format!("{add} 2>/run/errors"), format!("{add} --quiet"), format!("{add} --json"), format!("TERM=dumb {add}")]
    {
        let told = run(&line, |_| {});
        assert!(!told.contains("running `") && !told.contains(ERASE), "{line}: {told:?}");
        remove();
    }
    assert_eq!(fs::read_to_string("/run/errors").unwrap(), "");

    // Ctrl-S as soon as the line is there: nobody takes what is printed, and the change comes to its end.
    let mut stopped = None;
    let began = Instant::now();
    run(&add, |session| {
        if stopped.is_none() && printed(session).contains("running `") {
            session.terminal.type_keys(b"\x13");
            stopped = Some(began.elapsed());
        }
    });
    assert!(stopped.is_some() && began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(sh("ip address show dev eth0").contains("198.51.100.77/32"), "{}", lab::look());
    remove();

    // Duplicate address detection: a probe a second (ip-sysctl, dad_transmits).
    sh("echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad; echo 2 >/proc/sys/net/ipv6/conf/eth0/dad_transmits");
    let told = run(&format!("{PROGRAM} add --force 2001:db8:1::77"), |_| {});
    let line = "waiting for 2001:db8:1::77 to be usable (duplicate address detection), 1 s";
    assert!(told.contains(line) && !left(&told).contains("waiting"), "{told:?}");
}
