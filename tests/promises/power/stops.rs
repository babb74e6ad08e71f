//! A program stopped at each of its system calls (ptrace(2)).

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A system call that a stopped process is about to make or has made.
#[derive(Debug, Clone)]
pub struct Call {
    /// How many it made before this one.
    pub nth: usize,
    pub number: libc::c_long,
    pub arguments: [u64; 6],
    /// What it returned, once it has.
    pub result: Option<i64>,
    process: Pid,
}

impl Call {
    /// The string at an address in the process.
    pub fn string(&self, address: u64) -> Vec<u8> {
        let bytes = self.bytes(address, 4096);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap();
        bytes[..end].to_vec()
    }

    /// Up to `length` bytes at an address in the process, which end where its memory does.
    pub fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let memory = File::open(format!("/proc/{}/mem", self.process)).unwrap();
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            // A page at a time, since the next one may not be there.
            let page = 4096 - (address as usize + read) % 4096;
            let part = page.min(length - read);
            match memory.read_at(&mut bytes[read..read + part], address + read as u64) {
                Ok(0) | Err(_) => break,
                Ok(part) => read += part,
            }
        }
        bytes.truncate(read);
        bytes
    }

    /// What stands behind a file descriptor of the process.
    pub fn path(&self, descriptor: u64) -> PathBuf {
        fs::read_link(format!("/proc/{}/fd/{}", self.process, descriptor as i32)).unwrap()
    }

    /// Whether it may change what is on a disk.
    pub fn changes(&self) -> bool {
        const CHANGING: &[libc::c_long] = &[
            libc::SYS_write,
            libc::SYS_pwrite64,
            libc::SYS_writev,
            libc::SYS_openat,
            libc::SYS_mkdirat,
            libc::SYS_renameat,
            libc::SYS_renameat2,
            libc::SYS_linkat,
            libc::SYS_unlinkat,
            libc::SYS_ftruncate,
            libc::SYS_fallocate,
            libc::SYS_fchmod,
            libc::SYS_fchown,
            libc::SYS_fsetxattr,
            libc::SYS_fremovexattr,
            libc::SYS_utimensat,
            libc::SYS_fsync,
            libc::SYS_fdatasync,
        ];
        let opens = self.number == libc::SYS_openat && self.arguments[2] & libc::O_CREAT as u64 == 0;
        CHANGING.contains(&self.number) && !opens
    }
}

/// Runs `program` and calls `at` before and after each of its system calls; returns its exit code.
pub fn run(program: &Path, arguments: &[&str], mutant: Option<&str>, mut at: impl FnMut(&Call)) -> i32 {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; exec \"$0\" \"$@\""]).arg(program).args(arguments);
    if let Some(mutant) = mutant {
        shell.env("IPALIAS_MUTANT", mutant);
    }
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let process = Pid::from_raw(child.id() as i32);
    ptrace::attach(process).unwrap();
    while wait(process) != WaitStatus::Stopped(process, Signal::SIGSTOP) {
        // The shell has only just begun.
        ptrace::cont(process, None).unwrap();
    }
    ptrace::setoptions(
        process,
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL,
    )
    .unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();

    let (mut started, mut inside, mut nth) = (false, false, 0);
    let mut call: Option<Call> = None;
    let mut signal = None;
    loop {
        ptrace::syscall(process, signal.take()).unwrap();
        match wait(process) {
            WaitStatus::PtraceEvent(_, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                started = fs::read_link(format!("/proc/{process}/exe")).unwrap() == program.canonicalize().unwrap();
                inside = true;
            }
            WaitStatus::PtraceSyscall(_) if !started => {}
            WaitStatus::PtraceSyscall(_) => {
                let registers = ptrace::getregs(process).unwrap();
                inside = !inside;
                if inside {
                    let arguments =
                        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
                    let number = registers.orig_rax as libc::c_long;
                    let made = call.insert(Call { nth, number, arguments, result: None, process });
                    at(made);
                    nth += 1;
                } else if let Some(mut made) = call.take() {
                    made.result = Some(registers.rax as i64);
                    at(&made);
                }
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(_, code) => {
                assert!(started);
                // It is gone already, as has just been seen.
                let _ = child.wait();
                return code;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn wait(process: Pid) -> WaitStatus {
    waitpid(process, Some(WaitPidFlag::__WALL)).unwrap()
}
