//! P28: files that are too large, that are none, and forests of includes: refused soon, in little memory, without a write.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::support;

const INTERFACES: &str =
    "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\nsource interfaces.d/*\n";

/// The most memory that a run may take: it gets no more, and would not survive that.
const MOST_MIB: u64 = 64;

/// What a run took.
#[derive(Debug)]
struct Run {
    exit: Option<i32>,
    said: String,
    /// Of the processor: other tests run at the same time.
    took: Duration,
}

/// How much slower a program is that was built without optimisation.
fn slower() -> u32 {
    if support::is_optimised() { 1 } else { 3 }
}

/// Runs ipalias on `root` with a limit on its memory (RLIMIT_DATA of getrlimit(2)) and measures it. What wait4(2) tells of the
/// memory would include that of this process, from before the execve(2).
#[allow(unsafe_code)]
fn measured(root: &Path, arguments: &[&str]) -> Run {
    let said = root.with_file_name("said");
    let log = fs::File::create(&said).unwrap();
    let mut command = Command::new(support::program());
    command.arg("--root").arg(root).args(arguments);
    let limit = nix::libc::rlimit { rlim_cur: MOST_MIB << 20, rlim_max: MOST_MIB << 20 };
    // SAFETY: between fork and exec only setrlimit(2) is called.
    unsafe {
        command.pre_exec(move || {
            let set = nix::libc::setrlimit(nix::libc::RLIMIT_DATA, &raw const limit);
            if set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let (status, usage) = wait(&mut child);
    let time = |time: nix::libc::timeval| Duration::from_micros((time.tv_sec * 1_000_000 + time.tv_usec) as u64);
    let took = time(usage.ru_utime) + time(usage.ru_stime);
    let exit = std::os::unix::process::ExitStatusExt::from_raw(status);
    let exit: std::process::ExitStatus = exit;
    Run { exit: exit.code(), said: String::from_utf8_lossy(&fs::read(said).unwrap()).into_owned(), took }
}

/// wait4(2), which tells the processor time, too. What takes a minute is ended.
#[allow(unsafe_code)]
fn wait(child: &mut std::process::Child) -> (i32, nix::libc::rusage) {
    let (mut status, pid, began) = (0, child.id() as i32, Instant::now());
    loop {
        // SAFETY: both pointers are of local variables; zero is a valid value of every field.
        let (found, usage) = unsafe {
            let mut usage: nix::libc::rusage = std::mem::zeroed();
            (nix::libc::wait4(pid, &raw mut status, nix::libc::WNOHANG, &raw mut usage), usage)
        };
        if found == pid {
            return (status, usage);
        }
        if began.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn lay_out(root: &Path) {
    write(&root.join("etc/network/interfaces"), INTERFACES);
    write(&root.join("etc/network/interfaces.d/extra"), "# nothing\n");
    assert!(support::ipalias(root, &["-q", "add", "203.0.113.1"]).status.success());
}

/// Puts something at a place that ipalias reads.
type Put = fn(&Path);

/// What no file of the configuration may be.
const PUTS: &[(&str, Put)] = &[
    ("4 MiB + 1 byte", |path| fs::write(path, vec![b'#'; (4 << 20) + 1]).unwrap()),
    ("sparse", |path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap()),
    ("fifo", |path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap()),
    ("socket", |path| mknod(path, SFlag::S_IFSOCK, Mode::S_IRWXU, 0).unwrap()),
    ("device", |path| mknod(path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).unwrap()),
    ("directory", |path| fs::create_dir(path).unwrap()),
    ("dangling link", |path| symlink("nowhere", path).unwrap()),
    ("looping link", |path| symlink(path.file_name().unwrap(), path).unwrap()),
    ("chain of links", |path| {
        for n in 0..64 {
            symlink(format!(".link-{}", n + 1), path.with_file_name(format!(".link-{n}"))).unwrap();
        }
        symlink(".link-0", path).unwrap();
    }),
    ("device link", |path| symlink("/dev/zero", path).unwrap()),
];

/// Where: whether it has to be refused there, whatever it is; hints and backups are passed over instead.
const PLACES: &[(&str, bool)] = &[
    ("etc/network/interfaces", true),
    ("etc/network/interfaces.d/extra", false),
    ("etc/network/interfaces.bak", false),
    ("etc/os-release", false),
    ("etc/fstab", false),
    ("etc/rc.local", false),
    ("var/lib/dpkg/status", false),
    ("var/lib/ipalias/lock", false),
    ("var/lib/ipalias/journal/operation.json", true),
    ("var/lib/ipalias/journal/0.before", true),
    ("var/lib/ipalias/000001/operation.json", false),
];

#[test]
fn p28_what_is_no_file_of_the_configuration() {
    if !nix::unistd::geteuid().is_root() {
        assert!(!support::tools_required());
        return;
    }
    let (mut runs, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    for (place, always) in PLACES {
        for (what, put) in PUTS {
            let dir = support::scratch();
            let root = dir.path().join("root");
            lay_out(&root);
            let store = root.join("var/lib/ipalias");
            if place.contains("journal") {
                fs::rename(store.join("000001"), store.join("journal")).unwrap();
            }
            let path = root.join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            put(&path);
            let state = || names(&root);
            for arguments in [&["add", "203.0.113.5"][..], &["rollback"], &["list"], &["status"]] {
                let before = state();
                let run = measured(&root, arguments);
                let what = format!("{what} at {place}: {arguments:?}: {run:?}");
                assert!(matches!(run.exit, Some(0 | 1 | 3 | 5)) && !run.said.contains("panicked"), "{what}");
                assert!(run.took < Duration::from_secs(1) * slower(), "{what}");
                let must = *always && !matches!(arguments[0], "list" | "status");
                assert!(!must || run.exit != Some(0), "{what}");
                if run.exit != Some(0) {
                    assert_eq!(before, state(), "{what}");
                    refused += 1;
                }
                runs += 1;
                slowest = slowest.max(run.took);
            }
        }
    }
    assert!(runs >= 400 && refused >= 100, "{runs} runs, {refused} refused");
    support::promise(
        "P28",
        "files",
        &format!(
            "{runs} runs, {refused} refused: at most {} ms of processor time, with {MOST_MIB} MiB of memory and no more; 0 writes",
            slowest.as_millis()
        ),
    );
}

/// Names, sizes and times of all but the store's lock, which is written by whoever holds it.
fn names(root: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut all = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with("var/lib/ipalias/lock") {
            all.push(format!("{} {} {} {}", path.display(), meta.ino(), meta.len(), meta.mtime_nsec()));
        }
    }
    all.sort();
    all
}

/// Files that include others, or folders of them. Well-formed files that are merely large (stanzas, joined lines) are smaller
/// than the 4 MiB that are read: at that size they are taken, and need twice the memory and seconds.
const FORESTS: &[(&str, Put)] = &[
    ("100,000 includes of one file", |root| {
        write(
            &root.join("etc/network/interfaces"),
            INTERFACES.to_owned() + &"source interfaces.d/extra\n".repeat(100_000),
        );
        write(&root.join("etc/network/interfaces.d/extra"), "# nothing\n");
    }),
    ("100,000 includes of nothing", |root| {
        let lines: String = (0..100_000).map(|n| format!("source missing/{n}\n")).collect();
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + &lines);
    }),
    ("100,000 includes of a pattern", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + &"source */*/*\n".repeat(100_000));
        (0..100).for_each(|n| write(&root.join(format!("etc/network/d{}/f{n}", n % 10)), "# nothing\n"));
    }),
    ("an include of itself", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + &"source interfaces\n".repeat(1000));
    }),
    ("a chain of includes", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES);
        for n in 0..2000 {
            write(&root.join(format!("etc/network/c/{n}")), format!("source {}\n", n + 1));
        }
        write(&root.join("etc/network/interfaces.d/extra"), "source /etc/network/c/0\n");
    }),
    ("a tree of includes", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + "source t/0\n");
        for n in 0..16 {
            write(
                &root.join(format!("etc/network/t/{n}")),
                format!("source {0}\nsource ./{0}\nsource ../t/{0}\n", n + 1),
            );
        }
    }),
    ("a tree of includes, ifupdown2", |root| {
        write(&root.join("etc/network/ifupdown2/ifupdown2.conf"), "");
        write(&root.join("usr/share/ifupdown2/ifupdown/networkinterfaces.py"), "");
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + "source t/0\n");
        for n in 0..16 {
            let lines = format!("source /etc/network/t/{0}\nsource /etc/network/./t/{0}\n", n + 1);
            write(&root.join(format!("etc/network/t/{n}")), lines);
        }
    }),
    ("10,000 included files", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES);
        (0..10_000).for_each(|n| write(&root.join(format!("etc/network/interfaces.d/f{n}")), "# nothing\n"));
    }),
    ("4 MiB in one line", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + "#" + &"x ".repeat((2 << 20) - 1000));
    }),
    ("a long line", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + "#" + &"x ".repeat(100_000));
    }),
    ("many stanzas", |root| {
        let stanzas: String =
            (0..5_000).map(|n| format!("iface eth{n} inet static\n    address 10.0.0.1/8\n")).collect();
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + &stanzas);
    }),
    ("continued lines", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES.to_owned() + &"auto\\\n".repeat(100_000));
    }),
    ("40 large files", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES);
        let text = "# nothing at all\n".repeat(200_000);
        (0..40).for_each(|n| write(&root.join(format!("etc/network/interfaces.d/f{n}")), &text));
    }),
    ("10,000 files of netplan", |root| {
        (0..10_000).for_each(|n| write(&root.join(format!("etc/netplan/{n:05}.yaml")), "network: {version: 2}\n"));
    }),
    ("deep YAML (netplan)", |root| {
        write(&root.join("etc/netplan/01.yaml"), format!("network: {}", "[".repeat(200_000)));
    }),
    ("aliases of aliases (netplan)", |root| {
        let mut text = "a0: &a0 [x, x]\n".to_owned();
        (1..40).for_each(|n| text.push_str(&format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)));
        write(
            &root.join("etc/netplan/01.yaml"),
            text + "network: {version: 2, ethernets: {eth0: {addresses: *a39}}}\n",
        );
    }),
    ("10,000 files of networkd", |root| {
        let text = "[Match]\nName=eth9\n[Network]\nAddress=192.0.2.10/24\n";
        (0..5_000).for_each(|n| write(&root.join(format!("etc/systemd/network/{n:05}.network")), text));
        (0..5_000)
            .for_each(|n| write(&root.join(format!("etc/systemd/network/00000.network.d/{n:05}.conf")), "[Network]\n"));
    }),
    ("10,000 profiles", |root| {
        let text = "[connection]\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=manual\naddress1=192.0.2.10/24\n";
        let dir = root.join("etc/NetworkManager/system-connections");
        (0..10_000).for_each(|n| write(&dir.join(format!("{n}.nmconnection")), text));
    }),
    ("10,000 units", |root| {
        write(&root.join("etc/network/interfaces"), INTERFACES);
        (0..10_000).for_each(|n| write(&root.join(format!("etc/systemd/system/{n}.wants/x.service")), ""));
    }),
    ("10,000 files (ifcfg)", |root| {
        let dir = root.join("etc/sysconfig/network-scripts");
        (0..10_000).for_each(|n| {
            write(&dir.join(format!("ifcfg-eth{n}")), format!("DEVICE=eth{n}\nIPADDR=192.0.2.10\nONBOOT=yes\n"))
        });
    }),
    ("a large file of shell (netifrc)", |root| {
        write(
            &root.join("etc/conf.d/net"),
            "config_eth0=\"192.0.2.10/24\"\n".to_owned() + &"x=\"${x}${x}\"\n".repeat(100_000),
        );
        write(&root.join("etc/init.d/net.lo"), "#!/sbin/openrc-run\n");
    }),
    ("10,000 records", |root| {
        lay_out(root);
        let store = root.join("var/lib/ipalias");
        let record = fs::read(store.join("000001/operation.json")).unwrap();
        (2..10_000).for_each(|n| write(&store.join(format!("{n:06}/operation.json")), &record));
    }),
    ("40 large records", |root| {
        lay_out(root);
        let store = root.join("var/lib/ipalias");
        let record = fs::read(store.join("000001/operation.json")).unwrap();
        let text = String::from_utf8(record).unwrap();
        let large = text.replacen("\"dump\":null", &format!("\"dump\":\"{}\"", "x".repeat(4_000_000)), 1);
        assert!(large.len() > 4_000_000);
        (2..42).for_each(|n| write(&store.join(format!("{n:06}/operation.json")), &large));
    }),
];

#[test]
fn p28_forests_of_includes() {
    let (mut runs, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    for (what, plant) in FORESTS {
        let dir = support::scratch();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        plant(&root);
        let commands = [&["-n", "add", "203.0.113.5"][..], &["status"], &["-n", "rollback"]];
        let forced = ["netplan", "ifcfg", "netifrc"].iter().find(|name| what.ends_with(&format!("({name})")));
        let options: Vec<&str> = forced.iter().flat_map(|name| ["--backend", name]).collect();
        for arguments in commands.iter().take(if std::env::var_os("IPALIAS_NIGHTLY").is_some() { 3 } else { 1 }) {
            let run = measured(&root, &[options.as_slice(), arguments].concat());
            let said: String = run.said.chars().take(300).collect();
            let what = format!("{what}: {arguments:?}: {:?} in {:?}: {said}", run.exit, run.took);
            println!("{what}");
            assert!(matches!(run.exit, Some(0 | 1 | 3)) && !run.said.contains("panicked"), "{what}");
            assert!(run.took < Duration::from_secs(5) * slower(), "{what}");
            refused += usize::from(run.exit != Some(0));
            runs += 1;
            slowest = slowest.max(run.took);
        }
    }
    support::promise(
        "P28",
        "forests",
        &format!(
            "{runs} runs over {} forests, {refused} refused: at most {} ms of processor time, with {MOST_MIB} MiB of memory and no more",
            FORESTS.len(),
            slowest.as_millis()
        ),
    );
}
