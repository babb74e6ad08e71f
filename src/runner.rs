//! The only place that starts programs: from a fixed list of directories, without a shell, with a cleared environment,
//! in a session of their own, for a limited time.
//!
//! A child outlives the caller's terminal (setsid(2)) and cannot be steered by the caller's environment. Its output goes
//! to an unlinked file rather than a pipe, so that a daemon it leaves behind never meets a closed pipe.

use std::io::{Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::Result;

/// Where programs are looked for, in this order.
const DIRECTORIES: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where a program may be named with its path: init scripts, and the programs of cPanel.
const NAMED: &[&str] = &["/etc/init.d/", "/usr/local/cpanel/bin/"];

/// How much of a program's output is kept, in bytes.
const MOST_OUTPUT: u64 = 64 << 10;

/// How long a program gets to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Whether it exited with 0 in time.
    pub success: bool,
    /// How it ended, in words: `exit status 1`, `killed by signal 9`, `still running after 120 s`.
    pub ending: String,
    /// The beginning of what it printed on both streams.
    pub output: Vec<u8>,
}

/// Whether the program `name` is on the running system.
pub fn exists(name: &str) -> bool {
    find(name).is_ok()
}

/// Runs `argv` and waits for at most `limit`. An error means that it could not be started.
pub fn run(argv: &[String], limit: Duration) -> Result<Outcome> {
    let (name, arguments) = argv.split_first().context("an empty command")?;
    let program = find(name)?;
    let mut output = tempfile::tempfile().context("creating a file for the program's output")?;
    let stream = || output.try_clone().map(Stdio::from).context("duplicating a file handle");
    let mut process = Process::new(&program);
    process.args(arguments).env_clear().current_dir("/").stdin(Stdio::null()).stdout(stream()?).stderr(stream()?);
    process.env("PATH", DIRECTORIES.join(":")).env("LC_ALL", "C").env("TERM", "dumb").env("HOME", "/root");
    detach(&mut process);
    tracing::debug!("running {}", argv.join(" "));
    let mut child = process.spawn().with_context(|| format!("starting {}", program.display()))?;
    let began = Instant::now();
    let mut asked = None;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for a program")? {
            break Some(status);
        }
        let group = Pid::from_raw(child.id() as i32);
        match asked {
            None if began.elapsed() >= limit => {
                let _ = killpg(group, Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            Some(since) if Instant::elapsed(&since) >= GRACE => {
                let _ = killpg(group, Signal::SIGKILL);
                break child.wait().ok();
            }
            _ => {}
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let mut printed = Vec::new();
    output
        .rewind()
        .and_then(|()| output.take(MOST_OUTPUT).read_to_end(&mut printed))
        .context("reading a program's output")?;
    let ending = match (asked, status.and_then(|status| status.code()), status.and_then(|status| status.signal())) {
        (Some(_), ..) => format!("still running after {} s", limit.as_secs()),
        (None, Some(code), _) => format!("exit status {code}"),
        (None, None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None, None) => "unknown end".to_owned(),
    };
    tracing::debug!("{}: {ending}", argv.join(" "));
    Ok(Outcome { success: asked.is_none() && status.is_some_and(|status| status.success()), ending, output: printed })
}

/// The program's path: below one of [`DIRECTORIES`] or exactly `NAME` in one of [`NAMED`], owned by root, writable by no other.
fn find(name: &str) -> Result<PathBuf> {
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

/// Gives the child a session of its own and the umask that init gives (ifup scripts write resolv.conf(5)).
#[allow(unsafe_code)]
fn detach(process: &mut Process) {
    // SAFETY: between fork and exec only setsid(2) and umask(2) are called, both async-signal-safe.
    unsafe {
        process.pre_exec(|| {
            nix::unistd::setsid()?;
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Outcome {
        run(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], limit).unwrap()
    }

    #[test]
    fn output_status_and_environment() {
        let outcome = sh("echo out; echo err >&2; env | sort; pwd; umask; exit 3", Duration::from_secs(5));
        assert!(!outcome.success);
        assert_eq!(outcome.ending, "exit status 3");
        let text = String::from_utf8(outcome.output).unwrap();
        assert!(text.starts_with("out\nerr\n"), "{text}");
        assert!(!text.contains("CARGO"), "{text}");
        assert!(text.ends_with("/\n0022\n"), "{text}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let began = Instant::now();
        let outcome = sh("sleep 60 & wait", Duration::from_millis(200));
        assert!(!outcome.success && outcome.ending.starts_with("still running"));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn only_programs_of_the_system() {
        for bad in ["", "./x", "/tmp/x", "../bin/sh", "/etc/init.d/../../bin/sh", "no-such-program"] {
            assert!(find(bad).is_err(), "{bad}");
        }
        assert!(exists("sh"));
    }
}
