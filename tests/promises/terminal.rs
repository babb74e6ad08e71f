//! A pseudo terminal, and a session on it whose leader is a shell that runs ipalias as its foreground job, as over SSH.

#![allow(unsafe_code, reason = "a controlling terminal is got between fork and exec")]
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The side of the terminal that sshd has.
pub struct Terminal {
    master: Option<File>,
    /// What was printed on it.
    pub printed: Vec<u8>,
}

/// A shell on a terminal.
pub struct Session {
    pub terminal: Terminal,
    /// The shell: the leader.
    pub shell: Pid,
}

/// Children of children become ours when their parents die, so that nobody is lost sight of.
pub fn adopt_orphans() {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }, 0);
}

impl Session {
    /// Starts `line` in a shell with job control that leads a session on a new terminal, which does not tell its size.
    pub fn start(line: &str) -> Session {
        Session::start_in(line, 0)
    }

    /// The same on a terminal of so many columns.
    pub fn start_in(line: &str, columns: u16) -> Session {
        let open = |path: &str| {
            let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
        };
        // The first is that of this very mount, which in a sandbox is not the machine's; only root may open it elsewhere.
        let master = open("/dev/pts/ptmx").or_else(|_| open("/dev/ptmx")).unwrap();
        let size =
            libc::winsize { ws_row: if columns > 0 { 50 } else { 0 }, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut number, unlock): (libc::c_uint, libc::c_int) = (0, 0);
        // SAFETY: the pointers are of local variables that outlive the calls.
        unsafe {
            assert_eq!(libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size), 0);
            assert_eq!(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock), 0);
            assert_eq!(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number), 0);
        }
        let slave =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(format!("/dev/pts/{number}"));
        let slave = slave.unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("set -m; {line}")]).stdin(end()).stdout(end()).stderr(end());
        // SAFETY: only setsid(2) and ioctl(2) are called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let shell = Pid::from_raw(command.spawn().unwrap().id() as i32);
        Session { terminal: Terminal { master: Some(master), printed: Vec::new() }, shell }
    }

    /// The shell's job, once it is the program `name`.
    pub fn job(&self, name: &str) -> Option<Pid> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.shell)).ok()?;
        let is_it = |id: &&str| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|comm| comm.trim() == name);
        children.split_whitespace().find(is_it)?.parse().ok().map(Pid::from_raw)
    }
}

impl Terminal {
    /// Takes what was printed, so that nobody waits for room.
    pub fn drain(&mut self) {
        let Some(master) = &mut self.master else { return };
        let mut buffer = [0; 4096];
        loop {
            match master.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.printed.extend(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return, // EIO: nobody has the other side open
            }
        }
    }

    /// Types control characters.
    pub fn type_keys(&mut self, keys: &[u8]) {
        if let Some(master) = &mut self.master {
            master.write_all(keys).unwrap();
        }
    }

    /// Goes away, as when the connection is lost.
    pub fn close(&mut self) {
        self.drain();
        self.master = None;
    }
}

/// Sends a signal; that the process is gone already is no error.
pub fn send(pid: Pid, signal: Signal) {
    let _ = kill(pid, signal);
}
