//! P24: trees with every kind of trap at every component of every path that is read or written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::{canary, lay_out, text, trace};
use crate::support;

/// A kind of trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trap {
    Absolute,
    Relative,
    ThroughProc,
    TwoSteps,
    Magic,
    Loop,
    Dangling,
    DeviceLink,
    Device,
    BlockDevice,
    HardLink,
    Fifo,
    Socket,
    OtherKind,
}

const TRAPS: &[Trap] = &[
    Trap::Absolute,
    Trap::Relative,
    Trap::ThroughProc,
    Trap::TwoSteps,
    Trap::Magic,
    Trap::Loop,
    Trap::Dangling,
    Trap::DeviceLink,
    Trap::Device,
    Trap::BlockDevice,
    Trap::HardLink,
    Trap::Fifo,
    Trap::Socket,
    Trap::OtherKind,
];

/// What is replaced by a trap. `JOURNAL`: the committed operation is in flight; `TEMP`: the name of its temporary file.
const COMPONENTS: &[&str] = &[
    "etc",
    "etc/network",
    "etc/network/interfaces",
    "etc/network/interfaces.d",
    "etc/network/interfaces.d/extra",
    "etc/network/interfaces.bak",
    "etc/network/interfaces.ipalias.bak",
    "etc/fstab",
    "etc/os-release",
    "var",
    "var/lib",
    "var/lib/ipalias",
    "var/lib/ipalias/lock",
    "var/lib/ipalias/000001",
    "var/lib/ipalias/000001/operation.json",
    "var/lib/ipalias/000001/0.before",
    "var/lib/ipalias/journal",
    "var/lib/ipalias/journal/operation.json",
    "var/lib/ipalias/journal/0.before",
    "var/lib/ipalias/journal/rolled-back",
    "etc/network/TEMP",
];

/// The last two only look: see `untouched`.
const COMMANDS: &[&[&str]] = &[
    &["add", "203.0.113.5"],
    &["-n", "add", "203.0.113.6"],
    &["rollback"],
    &["remove", "203.0.113.1"],
    &["list"],
    &["status"],
];

/// Lays a trap at `place`, whose thing, if there is one, is copied to `outside`, so that a link leads to one that would do.
fn lay(trap: Trap, place: &Path, outside: &Path) -> bool {
    let was_dir = place.is_dir();
    let target = outside.join("target");
    if place.exists() {
        if was_dir {
            support::copy_tree(place, &target)
        } else {
            fs::copy(place, &target).map(drop).unwrap()
        }
        let kept = place.with_file_name("kept-aside");
        fs::rename(place, &kept).unwrap();
    } else {
        fs::write(&target, "canary\n").unwrap();
    }
    let climb = PathBuf::from(format!("../../../../../../../../../../../..{}", target.display()));
    let mode = Mode::from_bits_truncate(0o644);
    match trap {
        Trap::Absolute => symlink(&target, place).unwrap(),
        Trap::Relative => symlink(climb, place).unwrap(),
        Trap::ThroughProc => symlink(format!("/proc/self/root{}", target.display()), place).unwrap(),
        Trap::TwoSteps => {
            symlink(&target, place.with_file_name("step")).unwrap();
            symlink("step", place).unwrap();
        }
        Trap::Magic => symlink("/proc/self/cwd/../../../../../../etc/hostname", place).unwrap(),
        Trap::Loop => symlink(place.file_name().unwrap(), place).unwrap(),
        Trap::Dangling => symlink(outside.join("not-there"), place).unwrap(),
        Trap::DeviceLink => symlink("/dev/zero", place).unwrap(),
        Trap::Device => mknod(place, SFlag::S_IFCHR, mode, makedev(1, 5)).unwrap(),
        Trap::BlockDevice => mknod(place, SFlag::S_IFBLK, mode, makedev(7, 200)).unwrap(),
        Trap::HardLink if was_dir => return false,
        Trap::HardLink => fs::hard_link(&target, place).unwrap(),
        Trap::Fifo => nix::unistd::mkfifo(place, mode).unwrap(),
        Trap::Socket => mknod(place, SFlag::S_IFSOCK, mode, 0).unwrap(),
        Trap::OtherKind if was_dir => fs::write(place, "a file\n").unwrap(),
        Trap::OtherKind => fs::create_dir(place).unwrap(),
    }
    true
}

/// The component's place in `root`, which is prepared for it.
fn place(root: &Path, component: &str) -> PathBuf {
    let store = root.join("var/lib/ipalias");
    if component.contains("journal") || component.contains("TEMP") {
        fs::rename(store.join("000001"), store.join("journal")).unwrap();
    }
    if component.contains("TEMP") {
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(store.join("journal/operation.json")).unwrap()).unwrap();
        return root.join(format!("etc/network/.interfaces.ipalias-{}", record["token"].as_str().unwrap()));
    }
    root.join(component)
}

/// Runs `commands` on `root`; what they did that they must not.
fn faults(dir: &Path, root: &Path, commands: &[&[&str]], what: &str) -> (usize, Vec<String>) {
    let mut faults = Vec::new();
    for command in commands {
        let words = [&[support::program(), "--root", root.to_str().unwrap()], *command].concat();
        let run = trace::traced(&dir.join("trace"), &words);
        let said = text(&run.output.stderr);
        if !matches!(run.output.status.code(), Some(0 | 1 | 3 | 4 | 5)) || said.contains("panicked") {
            faults.push(format!("{what}: {command:?}: {:?} {said}", run.output.status));
        }
        faults.extend(trace::escapes(&run, root).into_iter().map(|call| format!("{what}: {command:?}: {call}")));
        let special = |path: &PathBuf| {
            use std::os::unix::fs::FileTypeExt as _;
            let kind = fs::symlink_metadata(path).map(|meta| meta.file_type());
            kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device() || kind.is_fifo())
        };
        let opened =
            run.calls.iter().filter_map(trace::Call::opened).filter(|path| path.starts_with(root) && special(path));
        faults.extend(opened.map(|path| format!("{what}: {command:?}: opened {}", path.display())));
    }
    (commands.len(), faults)
}

/// Works `jobs` off on two threads; the sum of the runs and all faults.
fn on_two<J: Sync>(jobs: &[J], work: impl Fn(&J) -> (usize, Vec<String>) + Sync) -> (usize, Vec<String>) {
    let found = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (found, work) = (&found, &work);
            scope.spawn(move || {
                for job in jobs.iter().skip(worker).step_by(2) {
                    let (runs, faults) = work(job);
                    let mut found = found.lock().unwrap();
                    found.0 += runs;
                    found.1.extend(faults);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn p24_no_trap_leads_out_of_the_root() {
    if !trace::possible() || !nix::unistd::geteuid().is_root() {
        assert!(!support::tools_required());
        return;
    }
    let jobs: Vec<(Trap, &str)> =
        COMPONENTS.iter().flat_map(|component| TRAPS.iter().map(|trap| (*trap, *component))).collect();
    let trees = std::sync::atomic::AtomicUsize::new(0);
    let (runs, faults) = on_two(&jobs, |(trap, component)| {
        let dir = support::scratch();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        lay_out(&root);
        if !lay(*trap, &place(&root, component), &outside) {
            return (0, Vec::new());
        }
        trees.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let before = canary(&outside);
        let what = format!("{trap:?} at {component}");
        let (runs, mut found) =
            faults(dir.path(), &root, COMMANDS.get(..if super::nightly() { 6 } else { 4 }).unwrap(), &what);
        if canary(&outside) != before {
            found.push(format!("{what}: the canary changed"));
        }
        (runs, found)
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let trees = trees.into_inner();
    assert!(trees >= 40 && runs >= 1000, "{trees} trees, {runs} runs");
    support::promise(
        "P24",
        "trees",
        &format!(
            "{trees} hostile trees, {runs} runs: 0 opens for writing outside, 0 programs, 0 sockets, 0 devices opened"
        ),
    );
}

/// A simple case of `backend` that adds: its folder, the file that it changes.
fn example(backend: &str) -> Option<(PathBuf, String, Vec<String>)> {
    #[derive(serde::Deserialize)]
    struct Case {
        command: Vec<String>,
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(backend);
    let mut cases: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases.into_iter().find_map(|path| {
        let diff = fs::read_to_string(path.join("diff")).ok()?;
        let name = diff.lines().find_map(|line| line.strip_prefix("--- a/"))?.to_owned();
        let case: Case = toml::from_str(&fs::read_to_string(path.join("case.toml")).ok()?).ok()?;
        let simple = case.command.first().is_some_and(|verb| verb == "add") && path.join("after").is_dir();
        (simple && path.join("before").join(&name).is_file()).then_some((path, name, case.command))
    })
}

#[test]
fn p24_no_trap_leads_out_of_the_root_of_any_backend() {
    if !trace::possible() || !nix::unistd::geteuid().is_root() {
        assert!(!support::tools_required());
        return;
    }
    let backends = [
        "netplan",
        "networkmanager",
        "networkd",
        "ifcfg",
        "wicked",
        "netifrc",
        "cpanel",
        "freebsd",
        "openbsd",
        "netbsd",
        "solaris",
    ];
    let traps = [Trap::Absolute, Trap::ThroughProc, Trap::Relative, Trap::Dangling, Trap::HardLink, Trap::Device];
    let traps = if super::nightly() { TRAPS } else { &traps };
    let jobs: Vec<(&str, Trap, usize)> = backends
        .iter()
        .flat_map(|backend| traps.iter().flat_map(move |trap| (0..2).map(move |up| (*backend, *trap, up))))
        .collect();
    let (runs, faults) = on_two(&jobs, |(backend, trap, up)| {
        let (case, file, command) = example(backend).unwrap_or_else(|| panic!("no case of {backend}"));
        let dir = support::scratch();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        support::copy_tree(&case.join("before"), &root);
        let component = Path::new(&file).ancestors().nth(*up).unwrap();
        if component == Path::new("etc") || !lay(*trap, &root.join(component), &outside) {
            return (0, Vec::new());
        }
        let before = canary(&outside);
        let what = format!("{backend}: {trap:?} at {}", component.display());
        let add: Vec<&str> = command.iter().map(String::as_str).collect();
        let (runs, mut found) = faults(dir.path(), &root, &[&add, &["rollback"]], &what);
        if canary(&outside) != before {
            found.push(format!("{what}: the canary changed"));
        }
        (runs, found)
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(runs >= 150, "{runs} runs");
    support::promise(
        "P24",
        "backends",
        &format!("{} backends beside ifupdown, {runs} runs: nothing outside", backends.len()),
    );
}

/// A file system bound over a file or folder of the root: the file is refused, and what is mounted stays as it is.
#[test]
fn p24_what_is_mounted_over_a_file_is_left_alone() {
    if !trace::possible() || !nix::unistd::geteuid().is_root() {
        assert!(!support::tools_required());
        return;
    }
    let dir = support::scratch();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    lay_out(&root);
    fs::create_dir_all(&outside).unwrap();
    for file in ["interfaces", "lock"] {
        fs::write(outside.join(file), super::INTERFACES).unwrap();
    }
    let before = canary(&outside);
    let script = "set -e; mount --make-rprivate /; mkdir -p \"$1/proc\" \"$1/dev\"
        mount --rbind /proc \"$1/proc\"; mount --bind /dev \"$1/dev\"
        mount --bind \"$2/interfaces\" \"$1/etc/network/interfaces\"
        for words in 'add 203.0.113.5' 'rollback'; do
            set +e; \"$3\" --root \"$1\" $words; code=$?; set -e
            [ $code = 3 ] || { echo \"$words: $code\"; exit 1; }
        done
        umount \"$1/etc/network/interfaces\"
        rm \"$1/etc/network/interfaces\"; ln -s /proc/self/root/\"$2/interfaces\" \"$1/etc/network/interfaces\"
        set +e; \"$3\" --root \"$1\" add 203.0.113.5; [ $? = 3 ] || exit 1; set -e
        rm \"$1/etc/network/interfaces\"; ln -s /dev/stdin \"$1/etc/network/interfaces\"
        set +e; \"$3\" --root \"$1\" add 203.0.113.5 <\"$2/interfaces\"; [ $? = 3 ] || exit 1";
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(&root).arg(&outside).arg(support::program());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(canary(&outside) == before);
}

/// The harness sees what it is there to see.
#[test]
fn p24_a_program_that_follows_links_is_seen() {
    if !trace::possible() {
        return;
    }
    let dir = support::scratch();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    symlink(&outside, root.join("etc/network")).unwrap();
    let before = canary(&outside);
    for (script, writes) in [
        ("echo x >$1/etc/network/interfaces", true),
        ("mkdir $1/etc/network/new", true),
        ("exec chmod 0700 $1/etc/network", true),
        ("echo x >$1/etc/hostname", false),
    ] {
        let words = ["sh", "-c", script, "sh", root.to_str().unwrap()];
        let run = trace::traced(&dir.path().join("trace"), &words);
        let found = trace::escapes(&run, &root);
        assert_eq!(found.iter().any(|call| !call.starts_with("execve")), writes, "{script}: {:?}", run.calls);
    }
    assert!(canary(&outside) != before);
}
