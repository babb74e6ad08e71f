//! Programs of Unix: below fixed directories, root's alone, in a session of their own.

#[path = "start.rs"]
mod start;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, IsTerminal as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use rustix::fs::FileType;

use crate::error::Result;
pub use start::{leave_folder, settle};

/// Where programs are looked for, in this order.
const DIRECTORIES: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where a program may be named with its path: init scripts, the programs of cPanel, and netplan's generator.
const NAMED: &[&str] =
    &["/etc/init.d/", "/usr/local/cpanel/bin/", "/usr/libexec/netplan/", "/usr/lib/netplan/", "/lib/netplan/"];

/// Whether this process may change the network.
pub fn is_administrator() -> bool {
    nix::unistd::geteuid().is_root()
}

/// How long the system has been running, suspension included.
pub fn uptime() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::CLOCK_BOOTTIME;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::CLOCK_MONOTONIC;
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// A path of this program that nobody but root can put another one at: its own, or else a copy below /run (or /var/run).
pub(super) fn own_program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("asking for the path of this program")?;
    let is_safe = |path: &Path, mode: u32| {
        let meta = fs_err::metadata(path);
        meta.is_ok_and(|meta| meta.uid() == 0 && (meta.mode() & 0o022 == 0 || meta.mode() & mode != 0))
    };
    if is_safe(&own, 0) && own.ancestors().skip(1).all(|dir| is_safe(dir, 0o1000)) {
        return Ok(own);
    }
    let run = ["/run", "/var/run"].into_iter().map(Path::new).find(|dir| dir.is_dir()).context("there is no /run")?;
    let dir = run.join("ipalias");
    match fs_err::create_dir(&dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => fs_err::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?,
    }
    let (copy, fresh) = (dir.join("ipalias"), dir.join(format!("ipalias-{}", std::process::id())));
    fs_err::copy("/proc/self/exe", &fresh).or_else(|_| fs_err::copy(&own, &fresh))?;
    fs_err::set_permissions(&fresh, std::fs::Permissions::from_mode(0o700))?;
    fs_err::rename(&fresh, &copy)?;
    Ok(copy)
}

/// The file in which processes without a terminal write what they did, for root alone.
pub(super) fn log_file() -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open("/var/log/ipalias.log")
}

/// Whether writing to `stream` may wait for somebody: a terminal, a pipe, a socket.
pub fn may_block(stream: &impl AsFd) -> bool {
    let kind = rustix::fs::fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket)) || stream.as_fd().is_terminal()
}

/// The program's path: below one of [`DIRECTORIES`] or exactly `NAME` in one of [`NAMED`], owned by root, writable by no other.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    let base = NAMED.iter().find_map(|dir| name.strip_prefix(dir)).unwrap_or(name);
    anyhow::ensure!(!base.is_empty() && !base.contains('/'), "{name} is not a program that ipalias runs");
    let places: Vec<PathBuf> = if base == name {
        DIRECTORIES.iter().map(|dir| Path::new(dir).join(name)).collect()
    } else {
        vec![PathBuf::from(name)]
    };
    let found = places
        .iter()
        .find_map(|path| fs_err::metadata(path).ok().filter(|meta| meta.is_file()).map(|meta| (path, meta)));
    let (path, meta) = found.with_context(|| format!("there is no program {name}"))?;
    let safe = meta.uid() == 0 && meta.mode() & 0o022 == 0 && meta.mode() & 0o111 != 0;
    anyhow::ensure!(safe, "{} is not a program of root's alone, so it is not run", path.display());
    Ok(path.clone())
}

/// Gives the child a short environment, and a session of its own and the umask that init gives (ifup scripts write resolv.conf(5)).
#[allow(unsafe_code)]
pub(super) fn prepare(process: &mut Process) {
    process.current_dir("/").env("PATH", DIRECTORIES.join(":"));
    process.env("LC_ALL", "C").env("TERM", "dumb").env("HOME", "/root");
    // SAFETY: between fork and exec only setsid(2) and umask(2) are called, both async-signal-safe.
    unsafe {
        process.pre_exec(|| {
            nix::unistd::setsid()?;
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
            Ok(())
        });
    }
}

/// Asks the child and its children to end.
pub(super) fn terminate(child: &mut Child) {
    let _ = killpg(group(child), Signal::SIGTERM);
}

/// Ends the child and its children.
pub(super) fn kill(child: &mut Child) {
    let _ = killpg(group(child), Signal::SIGKILL);
}

fn group(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// How a program ended, in words.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}
