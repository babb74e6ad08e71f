//! P6, P7: every system call fails.

use std::collections::BTreeMap;
use std::path::Path;

use super::scene::{Scene, rests};
use super::tracer::{Call, Ending, Stops, Verdict, disturb, run};
use super::{nightly, on_each, scenes};
use crate::support::{configuration, differences, promise, read_tree};

/// The errors of the promise, with their names.
const ERRORS: [(i32, &str); 9] = [
    (libc::ENOSPC, "ENOSPC"),
    (libc::EIO, "EIO"),
    (libc::EROFS, "EROFS"),
    (libc::EDQUOT, "EDQUOT"),
    (libc::EMFILE, "EMFILE"),
    (libc::EBUSY, "EBUSY"),
    (libc::EPERM, "EPERM"),
    (libc::ENOTSUP, "ENOTSUP"),
    (libc::EINTR, "EINTR"),
];

/// Those that the manual page of a call has, or that a file system is known to return.
fn fitting(call: &Call) -> &'static [i32] {
    match call.number() {
        libc::SYS_openat if call.writes() => {
            &[libc::ENOSPC, libc::EROFS, libc::EDQUOT, libc::EMFILE, libc::EPERM, libc::EIO, libc::EINTR]
        }
        libc::SYS_openat => &[libc::EMFILE, libc::EIO, libc::EPERM],
        libc::SYS_fcntl => &[libc::EMFILE],
        libc::SYS_read => &[libc::EIO, libc::EINTR],
        libc::SYS_flistxattr | libc::SYS_fgetxattr => &[libc::ENOTSUP, libc::EIO],
        libc::SYS_close => &[libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EINTR],
        libc::SYS_write | libc::SYS_ftruncate => &[libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EPERM, libc::EINTR],
        libc::SYS_fsync => &[libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EROFS, libc::EINTR],
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat | libc::SYS_mkdirat | libc::SYS_unlinkat => {
            &[libc::EBUSY, libc::ENOSPC, libc::EDQUOT, libc::EROFS, libc::EPERM, libc::EIO, libc::ENOTSUP]
        }
        libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_utimensat => &[libc::EPERM, libc::EROFS, libc::EIO],
        libc::SYS_fsetxattr | libc::SYS_fremovexattr => &[libc::ENOSPC, libc::EDQUOT, libc::ENOTSUP, libc::EPERM],
        libc::SYS_flock => &[libc::EINTR],
        _ => &[libc::EIO],
    }
}

/// Calls that never fail, as their manual pages say, and the one that does not return.
const INFALLIBLE: &[i64] = &[
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_exit_group,
];

/// How often CI fails the same call with the same name before it takes one in [`REPEATED`] of the rest.
const OFTEN: usize = 4;

/// See [`OFTEN`].
const REPEATED: usize = 4;

/// Every call with the errors that it is made to return. At night that is all of both, and for the
/// backends that CI has not, all errors of what changes the disk. CI takes, for what changes the disk,
/// all errors that fit and one that does not; for the rest one error, which is in turn one that fits and one that does not.
fn points(scene: &Scene) -> Vec<(&Call, i32)> {
    let mut seen: BTreeMap<_, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for (index, call) in scene.calls.iter().enumerate().filter(|(_, call)| !INFALLIBLE.contains(&call.number())) {
        let all = || ERRORS.iter().map(|(errno, _)| *errno);
        let fitting = fitting(call);
        let strange: Vec<i32> = all().filter(|errno| !fitting.contains(errno)).collect();
        let times = seen.entry((call.number(), call.fd.as_deref(), call.name.as_deref())).or_default();
        *times += 1;
        if nightly() && (call.writes() || scene.is_in_ci()) {
            points.extend(all().map(|errno| (call, errno)));
        } else if call.writes() {
            points.extend(fitting.iter().chain(strange.get(index % strange.len().max(1))).map(|errno| (call, *errno)));
        } else if *times <= OFTEN || *times % REPEATED == 0 {
            let pool = if index % 4 == 3 { &strange } else { fitting };
            points.push((call, pool[index / 4 % pool.len()]));
        }
    }
    points
}

/// Calls that a program cannot do without, for memory and waiting: it may abort.
const VITAL: &[i64] =
    &[libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_futex];

/// How the runs ended.
#[derive(Default, Clone, Copy)]
struct Figures {
    points: usize,
    succeeded: usize,
    failed: usize,
    aborted: usize,
    with_rests: usize,
}

fn fail(scene: &Scene, root: &Path, call: &Call, errno: i32) -> Figures {
    let name = ERRORS.iter().find(|(known, _)| *known == errno).unwrap().1;
    let at = format!("{}: {name} from {} (number {})", scene.name, call.text(), call.nth);
    scene.restore(root);
    let ending = disturb(&scene.subject, &scene.command(root), call, || Verdict::Fail(errno));
    let mut figures = Figures { points: 1, ..Figures::default() };
    // Rust's own library panics without random numbers, which a kernel that has started does not refuse.
    let may_panic = call.number() == libc::SYS_getrandom;
    assert!(may_panic || !ending.stderr.contains("panicked"), "{at}: {ending:?}");
    let tree = read_tree(root);
    let now = configuration(&tree);
    let printing = call.number() == libc::SYS_write && call.key.first.is_some_and(|fd| fd <= 2);
    match ending.code {
        Some(0) => {
            let missing = differences(&scene.after, &now);
            assert!(missing.is_empty(), "{at}: success, but not everything is new: {ending:?}\n{}", missing.join("\n"));
            assert!(rests(&tree).is_empty(), "{at}: success, but rests: {:?}", rests(&tree));
            assert!(printing || says_the_same(scene, &ending), "{at}: success, but said: {ending:?}");
            figures.succeeded = 1;
        }
        Some(_) => {
            assert!(printing || !ending.stderr.is_empty(), "{at}: failed without a word");
            assert!(!claims_success(scene, &ending), "{at}: failed, but said: {ending:?}");
            // Its temporary file may be what could not be removed: the next command does that.
            let mut visible = now;
            visible.retain(|path, _| !path.to_string_lossy().contains(".ipalias-"));
            let changed = differences(&scene.before, &visible);
            assert!(changed.is_empty(), "{at}: failed, but not everything is old: {ending:?}\n{}", changed.join("\n"));
            figures.failed = 1;
            if !rests(&tree).is_empty() {
                figures.with_rests = 1;
                scene.recovers(root, &at);
                scene.works_again(root, &at);
            }
        }
        None => {
            assert!(VITAL.contains(&call.number()), "{at}: {ending:?}");
            scene.nothing_torn(&tree, &at);
            scene.recovers(root, &at);
            figures.aborted = 1;
        }
    }
    figures
}

fn says_the_same(scene: &Scene, ending: &Ending) -> bool {
    ending.stdout == scene.said.stdout
}

/// Whether it printed the line that an undisturbed run ends with.
fn claims_success(scene: &Scene, ending: &Ending) -> bool {
    let last = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().last().map(str::to_owned);
    last(&scene.said.stdout).is_some_and(|line| last(&ending.stdout) == Some(line))
}

#[test]
fn p06_every_call_fails() {
    let mut all = Figures::default();
    let scenes = scenes();
    for scene in &scenes {
        let points = points(scene);
        let found = on_each(&points, |root, (call, errno)| fail(scene, root, call, *errno));
        let mut figures = Figures::default();
        for one in found {
            for sum in [&mut figures, &mut all] {
                sum.points += one.points;
                sum.succeeded += one.succeeded;
                sum.failed += one.failed;
                sum.aborted += one.aborted;
                sum.with_rests += one.with_rests;
            }
        }
        let Figures { points, succeeded, failed, aborted, with_rests } = figures;
        println!(
            "{}: {points} failing calls: {succeeded} all new, {failed} all old ({with_rests} with rests for the next run), {aborted} aborted",
            scene.name
        );
        assert!(points >= 260 && succeeded > 0 && failed > 100, "{}: too few points", scene.name);
    }
    let Figures { points, succeeded, failed, aborted, with_rests } = all;
    promise(
        "P06",
        "errors",
        &format!(
            "{} commands, {points} failing calls: {succeeded} all new, {failed} all old ({with_rests} left a temporary file or record to the next run), {aborted} aborts without memory, 0 mixtures",
            scenes.len()
        ),
    );
}

#[test]
fn p07_a_failed_fsync_is_not_tried_again() {
    let scenes = scenes();
    let mut points = 0;
    for scene in &scenes {
        let syncs: Vec<&Call> = scene.calls.iter().filter(|call| call.number() == libc::SYS_fsync).collect();
        assert!(syncs.len() >= 8, "{}: {} calls of fsync", scene.name, syncs.len());
        points += syncs.len() * 2;
        on_each(&syncs, |root, call| {
            for errno in [libc::EIO, libc::ENOSPC] {
                scene.restore(root);
                failed_once(scene, root, call, errno);
            }
        });
    }
    promise("P07", "fsync", &format!("{points} failing calls of fsync, 0 repeated on the same descriptor"));
}

fn failed_once(scene: &Scene, root: &Path, call: &Call, errno: i32) {
    let (mut nth, mut broken) = (0, None);
    let fd = call.arguments[0] as i32;
    let ending = run(&scene.subject, &scene.command(root), &Stops::All, |stop| {
        let same = stop.arguments[0] as i32 == fd;
        match stop.number {
            libc::SYS_fsync | libc::SYS_fdatasync if same => {
                nth += 1;
                assert_ne!(broken, Some(true), "{}: fsync again after an error", scene.name);
                if nth == call.nth {
                    broken = Some(true);
                    return Verdict::Fail(errno);
                }
            }
            libc::SYS_close if same && broken.is_some() => broken = Some(false),
            _ => {}
        }
        Verdict::Go
    });
    assert_eq!(broken, Some(false), "{}: the descriptor stays open", scene.name);
    assert_ne!(ending.code, Some(0), "{}: {} failed, and the command did not: {ending:?}", scene.name, call.text());
}
