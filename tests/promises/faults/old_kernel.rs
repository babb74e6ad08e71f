//! The program on a kernel as old as Linux 3.2, which C libraries and Rust's own library ask for: what the kernel learned later is
//! not there. Rescue systems and old releases have such.
//!
//! Shown by system calls that fail as they would; a kernel of that age was not booted.

use std::path::Path;
use std::process::Command;

use super::tracer::{Ending, Stop, Stops, Verdict, confine, run};
use super::{on_each, representative, scene};
use crate::lab::{self, PROGRAM};
use crate::support::cases::{Stage, addresses, backends, options};
use crate::support::{configuration, differences, ipalias, read_tree};

/// The newest call of Linux 3.2: the tables of x86_64 and aarch64 have all later ones behind it.
const NEWEST: i64 = libc::SYS_process_vm_writev;

/// What Linux 3.2 says to a call.
fn answer(stop: &Stop) -> Verdict {
    match stop.number {
        number if number > NEWEST => Verdict::Fail(libc::ENOSYS),
        // Of a descriptor that is only a place (O_PATH) since 3.6, and 3.12 (open(2)).
        libc::SYS_fstat | libc::SYS_fstatfs if stop.flags(0) & libc::O_PATH != 0 => Verdict::Fail(libc::EBADF),
        _ => Verdict::Go,
    }
}

/// Runs `arguments` on `root`, and counts the calls that such a kernel does not have.
fn old(root: &Path, arguments: &[&str]) -> (Ending, usize) {
    let arguments = [&["--root", root.to_str().unwrap()], arguments].concat();
    let mut unknown = 0;
    let ending = run(&scene::shipped(), &arguments, &Stops::All, |stop| {
        let verdict = answer(stop);
        unknown += usize::from(!matches!(verdict, Verdict::Go));
        verdict
    });
    assert_eq!(ending.code, Some(0), "{arguments:?}: {ending:?}");
    (ending, unknown)
}

#[test]
fn linux_3_2_is_enough() {
    let cases: Vec<String> = backends().iter().filter_map(|backend| representative(backend)).collect();
    assert!(cases.len() > 8, "{cases:?}");
    let unknown = on_each(&cases, |_, case| {
        let stage = Stage::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(case)).unwrap();
        let (root, command) = (stage.tree("before", "root"), stage.command());
        let root = root.as_path();
        let remove = [options(&command), vec!["remove"], addresses(&command)].concat();
        let before = configuration(&read_tree(root));
        let mut unknown = old(root, &command).1;
        let after = configuration(&read_tree(root));
        let wanted = configuration(&read_tree(&stage.tree("after", "after")));
        assert_eq!(differences(&wanted, &after), Vec::<String>::new(), "{case}");
        for verb in ["list", "status", "history"] {
            let listing = [options(&command), vec![verb]].concat();
            let today = ipalias(root, &listing);
            assert_eq!(old(root, &listing).0.stdout, today.stdout, "{case}: {verb}");
        }
        unknown += old(root, &remove).1;
        assert_eq!(differences(&before, &configuration(&read_tree(root))), Vec::<String>::new(), "{case}: removed");
        unknown += old(root, &["rollback"]).1;
        assert_eq!(differences(&after, &configuration(&read_tree(root))), Vec::<String>::new(), "{case}: rolled back");
        unknown
    });
    let unknown: usize = unknown.iter().sum();
    println!("{} backends, {unknown} calls that Linux 3.2 does not know", cases.len());
    assert!(unknown > cases.len(), "{unknown} calls: the kernel is not as old as it should be");
}

const FLAVOUR: &str = "bookworm:ifupdown";
const FOUR: &str = "198.51.100.77";
const SIX: &str = "2001:db8:1::77";

/// On a running system, where it starts the system's own commands; these are in the same position.
#[test]
fn linux_3_2_is_enough_for_a_running_system() {
    if lab::is_possible() {
        lab::enter(FLAVOUR, |root| lab::lay_out(FLAVOUR, root), "faults::old_kernel::inside", &[]);
    }
}

#[test]
#[ignore = "runs inside a namespace"]
fn inside() {
    if lab::inside().is_none() {
        return;
    }
    lab::start(FLAVOUR);
    let before = lab::look();
    let is_up = |up: bool| [FOUR, SIX].iter().all(|address| lab::look().contains(address) == up);
    for (arguments, up) in [
        (["add", FOUR, SIX].as_slice(), true),
        (&["list"], true),
        (&["remove", FOUR, SIX], false),
        (&["rollback"], true),
        (&["rollback"], false),
    ] {
        let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
        let filter = vec![
            op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            op(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 0, 1, NEWEST as u32),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let mut command = Command::new(PROGRAM);
        confine(command.args(arguments), filter);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(is_up(up), "{arguments:?}: {output:?}\n{}", lab::look());
    }
    assert_eq!(lab::look(), before);
}
