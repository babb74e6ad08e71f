//! Something that takes a change back when its time is over, whatever becomes of this process, its terminal and its session:
//! a timer of systemd's, or else a process of its own that waits.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context as _;

use super::system;
use crate::error::Result;

/// What `ipalias expire --when-due` prints once it waits.
pub const READY: &str = "ready";

/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets `ipalias expire TOKEN` run in `after`. An error means that nothing would.
pub fn arm(token: &str, after: Duration) -> Result<()> {
    let program = system::own_program().context("finding a copy of ipalias that others cannot exchange")?;
    let program = program.to_string_lossy().into_owned();
    if Path::new("/run/systemd/system").is_dir() {
        let unit = format!("--unit={}", unit(token));
        let on_active = format!("--on-active={}s", after.as_secs());
        // systemd before 236 knows no --collect; without it a unit that failed stays listed.
        for collect in [&["--collect"][..], &[]] {
            let words = ["systemd-run", "--quiet", &unit, &on_active, "--timer-property=AccuracySec=1s"];
            let argv = [&words[..], collect, &["--", &program, "expire", token]].concat();
            let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
            match super::run(&argv, Duration::from_secs(20)) {
                Ok(outcome) if outcome.success => return Ok(()),
                Ok(outcome) => tracing::info!("systemd-run: {}", String::from_utf8_lossy(&outcome.output).trim()),
                Err(error) => tracing::info!("{error:#}"),
            }
        }
    }
    detach(&program, token)
}

/// Lets it not run; if it does all the same, it finds nothing to do.
pub fn disarm(token: &str) {
    if Path::new("/run/systemd/system").is_dir() {
        let argv = ["systemctl", "stop", "--no-block", &format!("{}.timer", unit(token))].map(str::to_owned);
        let _ = super::run(&argv, Duration::from_secs(20));
    }
}

fn unit(token: &str) -> String {
    format!("ipalias-confirm-{token}")
}

/// Starts a process that waits, in a session of its own, and makes sure that it does.
fn detach(program: &str, token: &str) -> Result<()> {
    let mut process = Process::new(program);
    process.args(["expire", "--when-due", token]).env_clear();
    process
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(system::log_file().map_or_else(|_| Stdio::null(), Into::into));
    system::prepare(&mut process);
    let mut child = process.spawn().with_context(|| format!("starting {program}"))?;
    let output = child.stdout.take().context("listening to the watchdog")?;
    let (sender, ready) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let _ = sender.send(read.is_ok() && line.trim() == READY);
    });
    if ready.recv_timeout(PATIENCE) == Ok(true) {
        return Ok(());
    }
    system::kill(&mut child);
    let _ = child.wait();
    anyhow::bail!("{program} does not start in the background")
}
