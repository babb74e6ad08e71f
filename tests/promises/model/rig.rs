//! A system of its own for the model: a root below a scratch directory, and namespaces whose only interface is `eth0`.
//!
//! The test binary starts itself again in new namespaces, changes its root, and runs the verbs in its own process; only runs
//! that are to be killed are started as programs. The boot's name is a plain file, and the watchdog of `--confirm` a script
//! that says that it waits.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser as _;
use ipalias::cli::Cli;

use crate::support::{self, Node, Tree};

/// The program under test, inside the root.
pub const PROGRAM: &str = "/usr/sbin/ipalias-itself";

/// Where the boot's name stands.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The interface with the primary addresses. The other end of the pair stands for the network; without ARP nobody is asked
/// who has an address, which would take most of the time.
const NETWORK: &str = "ip link add eth0 type veth peer name far && ip link set eth0 arp off && ip link set lo up &&
ip link set far up && ip link set eth0 up && ip addr add 192.0.2.10/24 dev eth0 &&
ip -6 addr add 2001:db8:1::10/64 dev eth0 nodad && ip route add default via 192.0.2.1 &&
ip -6 route add default via 2001:db8:1::1";

/// Puts what every system has into `root`: the program with its libraries, a shell, devices.
pub fn furnish(root: &Path) {
    for dir in ["bin", "dev", "run", "tmp", "var/log", "usr/bin", "usr/sbin", "proc/self", "proc/sys/kernel/random"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let program = root.join(PROGRAM.trim_start_matches('/'));
    let needed = [
        (support::program(), program),
        ("/bin/dash", root.join("bin/sh")),
        ("/usr/bin/setsid", root.join("usr/bin/setsid")),
    ];
    for (from, to) in needed {
        fs::copy(from, to).unwrap();
        let listed = Command::new("ldd").arg(from).output().unwrap();
        for library in String::from_utf8(listed.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/'))
        {
            let copy = root.join(library.trim_start_matches('/'));
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(library, copy).unwrap();
        }
    }
    script(&root.join("usr/bin/ipalias"), "echo ready");
    script(&root.join("usr/bin/systemctl"), "exit 0");
    symlink("/usr/bin/ipalias", root.join("proc/self/exe")).unwrap();
    assert!(Command::new("mknod").arg(root.join("dev/null")).args(["c", "1", "3"]).status().unwrap().success());
}

/// A program of a few words.
pub fn script(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// The command that starts the ignored test `name` of this binary in namespaces of its own; nothing where that cannot be.
pub fn in_namespaces(name: &str) -> Option<Command> {
    support::tool(Command::new("unshare").args(["--net", "--mount", "sh", "-c", NETWORK]))
        .filter(|tried| tried.status.success() || support::tools_required())
        .map(|tried| {
            assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
            let mut command = Command::new("unshare");
            command.args(["--net", "--mount", "sh", "-c", &format!("{NETWORK} && exec \"$0\" \"$@\"")]);
            command.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--ignored", "--nocapture"]);
            command.env_clear();
            command
        })
}

/// The system, from the inside.
pub struct Rig {
    /// Where its standard output goes.
    printed: File,
    /// The same for standard error.
    warned: File,
    /// The real one.
    pub console: File,
    boots: u32,
}

impl Rig {
    /// Changes the root of this process to `root`.
    pub fn enter(root: &Path) -> Rig {
        let console = File::from(nix::unistd::dup(std::io::stderr()).unwrap());
        let (printed, warned) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        nix::unistd::dup2_stdout(&printed).unwrap();
        nix::unistd::dup2_stderr(&warned).unwrap();
        std::os::unix::fs::chroot(root).unwrap();
        std::env::set_current_dir("/").unwrap();
        Rig { printed, warned, console, boots: 0 }
    }

    /// A new boot.
    pub fn reboot(&mut self) {
        self.boots += 1;
        fs::write(BOOT, format!("boot-{}\n", self.boots)).unwrap();
    }

    /// Runs ipalias in this process; its exit code and what it printed on both streams.
    pub fn run(&self, words: &[String]) -> (u8, String, String) {
        for file in [&self.printed, &self.warned] {
            file.set_len(0).unwrap();
            std::io::Seek::rewind(&mut &*file).unwrap();
        }
        let cli = Cli::try_parse_from(std::iter::once("ipalias").chain(words.iter().map(String::as_str)));
        let exit = ipalias::command::run(&cli.unwrap_or_else(|error| panic!("{words:?}: {error}")));
        // A run has a umask of its own; what the model writes is for everybody to read.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        while matches!(
            nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)),
            Ok(status) if status != nix::sys::wait::WaitStatus::StillAlive
        ) {}
        (exit as u8, contents(&self.printed), contents(&self.warned))
    }

    /// What was said last.
    pub fn said(&self) -> String {
        contents(&self.warned)
    }

    /// The same in a process of its own.
    pub fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).env_clear().stdin(std::process::Stdio::null());
        command.stdout(self.printed.try_clone().unwrap()).stderr(self.warned.try_clone().unwrap());
        command
    }
}

fn contents(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What is on `eth0`, but for its own addresses, by the C library.
pub fn live() -> BTreeSet<IpAddr> {
    let own = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets() == [192, 0, 2, 10],
        IpAddr::V6(ip) => ip.segments()[0] == 0xfe80 || ip.segments()[..3] == [0x2001, 0xdb8, 1],
    };
    nix::ifaddrs::getifaddrs()
        .unwrap()
        .filter(|found| found.interface_name == "eth0")
        .filter_map(|found| {
            let address = found.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
        })
        .filter(|ip| !own(ip))
        .collect()
}

/// Makes `wanted` all that is on `eth0` besides its own addresses.
pub fn set_live(wanted: &BTreeSet<IpAddr>) {
    use ipalias::alias::{Alias, IfName};
    let (live, now) = (ipalias::live::Live::open().unwrap(), live());
    live.delete(now.difference(wanted).map(|ip| ("eth0", *ip))).unwrap();
    let alias = |ip: &IpAddr| Alias {
        interface: IfName::new("eth0").unwrap(),
        address: (*ip).into(),
        label: None,
        preferred: false,
    };
    live.add(&wanted.difference(&now).map(alias).collect::<Vec<_>>()).unwrap();
}

/// What stands below `top`, by absolute path.
pub fn read(top: &str) -> Tree {
    if !Path::new(top).exists() {
        return Tree::new();
    }
    support::read_tree(Path::new(top)).into_iter().map(|(path, node)| (Path::new(top).join(path), node)).collect()
}

/// Makes `tree` all that stands below `top`.
pub fn restore(top: &str, tree: &Tree) {
    let _ = fs::remove_dir_all(top);
    if tree.is_empty() {
        return;
    }
    fs::create_dir_all(top).unwrap();
    for (path, node) in tree {
        match node {
            Node::Directory(mode) => {
                fs::create_dir(path).unwrap();
                fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
            }
            Node::File(bytes, mode, uid, gid) => write(path, bytes, *mode, *uid, *gid),
            Node::Link(target) => symlink(target, path).unwrap(),
        }
    }
}

/// Writes a file with all that it has.
pub fn write(path: &PathBuf, bytes: &[u8], mode: u32, uid: u32, gid: u32) {
    fs::write(path, bytes).unwrap();
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
