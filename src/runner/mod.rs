//! The only place that starts programs: from a fixed list of directories, without a shell, with a cleared environment,
//! in a session of their own, for a limited time.
//!
//! A child outlives the caller's terminal (setsid(2)) and cannot be steered by the caller's environment. Its output goes
//! to an unlinked file rather than a pipe, so that a daemon it leaves behind never meets a closed pipe.

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

mod signals;
pub mod watchdog;

use std::io::{Read as _, Seek as _};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::error::Result;
pub use signals::Signals;
pub use system::{is_administrator, leave_folder, may_block, settle, uptime};

/// How much of a program's output is kept, in bytes.
const MOST_OUTPUT: u64 = 64 << 10;

/// How long a program gets to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// The same, if somebody is waiting for that.
const SHORT_GRACE: Duration = Duration::from_secs(3);

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
    system::find(name).is_ok()
}

/// Runs `argv` and waits for at most `limit`. An error means that it could not be started.
pub fn run(argv: &[String], limit: Duration) -> Result<Outcome> {
    wait_for(argv, Stdio::null(), limit, || None)
}

/// The same with something on its standard input.
pub fn run_reading(argv: &[String], input: impl Into<Stdio>, limit: Duration) -> Result<Outcome> {
    wait_for(argv, input, limit, || None)
}

/// The same, ended early for a reason that `stop` gives, which is asked many times a second.
pub fn run_unless(argv: &[String], limit: Duration, stop: impl FnMut() -> Option<&'static str>) -> Result<Outcome> {
    wait_for(argv, Stdio::null(), limit, stop)
}

fn wait_for(
    argv: &[String],
    input: impl Into<Stdio>,
    limit: Duration,
    mut stop: impl FnMut() -> Option<&'static str>,
) -> Result<Outcome> {
    let (name, arguments) = argv.split_first().context("an empty command")?;
    let program = system::find(name)?;
    let mut output = tempfile::tempfile().context("creating a file for the program's output")?;
    let stream = || output.try_clone().map(Stdio::from).context("duplicating a file handle");
    let mut process = Process::new(&program);
    process.args(arguments).env_clear().stdin(input).stdout(stream()?).stderr(stream()?);
    system::prepare(&mut process);
    tracing::debug!("running {}", argv.join(" "));
    let mut child = process.spawn().with_context(|| format!("starting {}", program.display()))?;
    let began = Instant::now();
    let mut asked: Option<(Instant, Duration, Option<&str>)> = None;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for a program")? {
            break Some(status);
        }
        match asked {
            None if began.elapsed() >= limit => {
                system::terminate(&mut child);
                asked = Some((Instant::now(), GRACE, None));
            }
            None => {
                if let Some(reason) = stop() {
                    system::terminate(&mut child);
                    asked = Some((Instant::now(), SHORT_GRACE, Some(reason)));
                }
            }
            Some((since, grace, _)) if since.elapsed() >= grace => {
                system::kill(&mut child);
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
    let ending = match (asked, status) {
        (Some((.., Some(reason))), _) => reason.to_owned(),
        (Some(_), _) => format!("still running after {} s", limit.as_secs()),
        (None, Some(status)) => system::describe(status),
        (None, None) => "unknown end".to_owned(),
    };
    tracing::debug!("{}: {ending}", argv.join(" "));
    Ok(Outcome { success: asked.is_none() && status.is_some_and(|status| status.success()), ending, output: printed })
}

#[cfg(unix)]
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
    #[cfg(target_os = "linux")]
    fn programs_get_no_files_of_ours() {
        use std::os::fd::AsRawFd as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        // As if the caller had left it open.
        rustix::io::fcntl_setfd(file.as_file(), rustix::io::FdFlags::empty()).unwrap();
        let number = file.as_file().as_raw_fd().to_string();
        let open = || String::from_utf8(sh("ls /proc/$$/fd", Duration::from_secs(5)).output).unwrap();
        assert!(open().lines().any(|fd| fd == number), "the test sees it: {}", open());
        settle().unwrap();
        let now = open();
        assert!(now.lines().all(|fd| matches!(fd, "0" | "1" | "2")), "{now}");
    }

    #[test]
    fn standard_input() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "given").unwrap();
        let argv = ["sh".to_owned(), "-c".to_owned(), "cat".to_owned()];
        let outcome = run_reading(&argv, file.reopen().unwrap(), Duration::from_secs(5)).unwrap();
        assert!(outcome.success && outcome.output == b"given");
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
            assert!(system::find(bad).is_err(), "{bad}");
        }
        assert!(exists("sh"));
    }
}
