//! Runs a program under ptrace(2) and changes what becomes of one system call: a kill, an error, or something done before it.
//!
//! A seccomp(2) filter lets the kernel stop the program at the wanted calls only, so a run costs hardly more than without.
//! The program must not start threads or programs; `Recording` asserts that.

#![allow(unsafe_code, reason = "ptrace and seccomp have no safe interface")]

use std::ffi::c_void;
use std::fmt;
use std::io::{self, Read as _, Seek as _};
use std::mem::{size_of, zeroed};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::ptr::null_mut;

/// A run that takes longer than this many seconds hangs.
const MOST_SECONDS: u32 = 60;

/// What tells a call from others before it is made: its number, and what of the arguments is the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The number of the call.
    pub number: u32,
    /// The lower half of the first argument, where that is a file descriptor.
    pub first: Option<u32>,
    /// The same of the third, where that is flags.
    pub third: Option<u32>,
}

impl Key {
    fn of(number: u64, arguments: &[u64; 6]) -> Key {
        let number = number as u32;
        let by_fd = BY_FD.contains(&i64::from(number));
        Key {
            number,
            first: by_fd.then_some(arguments[0] as u32),
            third: (i64::from(number) == libc::SYS_openat).then_some(arguments[2] as u32),
        }
    }
}

/// Calls whose first argument is a file descriptor.
const BY_FD: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fsync,
    libc::SYS_getdents64,
    libc::SYS_flistxattr,
    libc::SYS_fgetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_fremovexattr,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_readlinkat,
    libc::SYS_utimensat,
    libc::SYS_ftruncate,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_flock,
];

/// The program that is run: the one under test, or the one with a fault built in.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The program.
    pub program: PathBuf,
    /// The fault.
    pub mutant: Option<&'static str>,
}

/// Which calls stop the program.
pub enum Stops {
    /// All of them.
    All,
    /// Those of one key.
    Key(Key),
}

/// A stopped program, about to make a call.
pub struct Stop {
    process: libc::pid_t,
    /// Number of the call.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// What becomes of the call.
pub enum Verdict {
    /// It is made.
    Go,
    /// It is not made, and returns this error.
    Fail(i32),
    /// The program is killed before it.
    Kill,
}

/// How a run ended.
#[derive(Default)]
pub struct Ending {
    /// The exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = String::from_utf8_lossy(&self.stdout);
        write!(f, "exit {:?}, signal {:?}\n{said}{}", self.code, self.signal, self.stderr)
    }
}

impl Stop {
    /// Where the file descriptor in argument `index` leads.
    pub fn fd(&self, index: usize) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{}", self.process, self.arguments[index] as i32)).ok()
    }

    /// The flags that the file descriptor in argument `index` was opened with (proc_pid_fdinfo(5)).
    pub fn flags(&self, index: usize) -> i32 {
        let way = format!("/proc/{}/fdinfo/{}", self.process, self.arguments[index] as i32);
        let info = std::fs::read_to_string(way).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        flags.map_or(0, |octal| i32::from_str_radix(octal.trim(), 8).unwrap())
    }

    /// The string in argument `index`.
    pub fn string(&self, index: usize) -> Option<PathBuf> {
        let mut text = Vec::new();
        while text.len() < libc::PATH_MAX as usize {
            let at = self.arguments[index] as usize + text.len();
            // To the end of the page: what is behind it may not be there.
            let mut bytes = vec![0_u8; 4096 - at % 4096];
            let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            let remote = libc::iovec { iov_base: at as *mut c_void, iov_len: bytes.len() };
            // SAFETY: `local` is a live buffer of that length; the kernel checks `remote`.
            let got = unsafe { libc::process_vm_readv(self.process, &raw const local, 1, &raw const remote, 1, 0) };
            bytes.truncate(usize::try_from(got).ok()?);
            if let Some(end) = bytes.iter().position(|b| *b == 0) {
                text.extend_from_slice(&bytes[..end]);
                return Some(PathBuf::from(std::ffi::OsString::from_vec(text)));
            }
            text.append(&mut bytes);
        }
        None
    }
}

/// Runs `subject` with `arguments` and asks `decide` at every stop.
#[allow(clippy::zombie_processes, reason = "`wait` waits for it")]
pub fn run(subject: &Subject, arguments: &[&str], stops: &Stops, mut decide: impl FnMut(&Stop) -> Verdict) -> Ending {
    let mut command = Command::new(&subject.program);
    // Files: for the reader of a pipe, who may be slow, there would be a thread.
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let [stdout, stderr] = [&out, &err].map(|file| Stdio::from(file.try_clone().unwrap()));
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    if let Some(mutant) = subject.mutant {
        command.env("IPALIAS_MUTANT", mutant);
    }
    // SAFETY: only system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::alarm(MOST_SECONDS);
            ptrace(libc::PTRACE_TRACEME, 0, 0, 0)
        });
    }
    confine(&mut command, filter(stops));
    let child = command.spawn().unwrap();
    let process = child.id() as libc::pid_t;
    let options = libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
    let mut status = wait(process);
    assert!(libc::WIFSTOPPED(status), "the program does not start: {status:x}");
    ptrace(libc::PTRACE_SETOPTIONS, process, 0, options as usize).unwrap();
    let mut signal = 0;
    loop {
        // A process that was just killed is gone.
        let _ = ptrace(libc::PTRACE_CONT, process, 0, signal as usize);
        status = wait(process);
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            break;
        }
        assert_ne!(status >> 16, libc::PTRACE_EVENT_EXEC, "ipalias starts a program");
        signal = if status >> 16 == 0 { libc::WSTOPSIG(status) } else { 0 };
        if status >> 16 == libc::PTRACE_EVENT_SECCOMP {
            match decide(&stopped(process)) {
                Verdict::Go => {}
                Verdict::Fail(errno) => skip(process, errno).unwrap(),
                // SAFETY: plain system call; the process is ours and not reaped yet.
                Verdict::Kill => drop(unsafe { libc::kill(process, libc::SIGKILL) }),
            }
        }
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    out.rewind().and_then(|()| out.read_to_end(&mut stdout)).unwrap();
    err.rewind().and_then(|()| err.read_to_end(&mut stderr)).unwrap();
    Ending {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Has `command` begin under `filter`, and what it starts, too.
pub fn confine(command: &mut Command, mut filter: Vec<libc::sock_filter>) {
    // SAFETY: only system calls between fork and exec, and `filter` was allocated before.
    unsafe {
        command.pre_exec(move || {
            let sieve = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
            check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const sieve).into())
        });
    }
}

/// A program for the kernel: stop at what is asked for, let through the rest.
fn filter(stops: &Stops) -> Vec<libc::sock_filter> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    // The start of the program itself comes before anybody listens.
    let mut program = vec![
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_execve as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let mut tests = Vec::new();
    match stops {
        Stops::All => {}
        Stops::Key(key) => {
            tests.push((0, key.number));
            // `struct seccomp_data`: the number, the architecture, an address, six arguments of 8 bytes.
            tests.extend(key.first.map(|first| (16, first)));
            tests.extend(key.third.map(|third| (32, third)));
        }
    }
    for (index, (at, wanted)) in tests.iter().enumerate() {
        let end = 2 * (tests.len() - index) as u8 - 1;
        program.push(op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, *at));
        program.push(op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, end, *wanted));
    }
    program.push(op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_TRACE));
    program.push(op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

fn stopped(process: libc::pid_t) -> Stop {
    // SAFETY: a plain structure for which zeroes are a value, filled by the kernel up to its size.
    let info = unsafe {
        let mut info: libc::ptrace_syscall_info = zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        ptrace(libc::PTRACE_GET_SYSCALL_INFO, process, size, &raw mut info as usize).unwrap();
        assert_eq!(info.op, libc::PTRACE_SYSCALL_INFO_SECCOMP);
        info.u.seccomp
    };
    Stop { process, number: info.nr as i64, arguments: info.args }
}

/// Lets the call that the program is stopped at return `errno` without being made.
fn skip(process: libc::pid_t, errno: i32) -> io::Result<()> {
    // SAFETY: the registers are a plain structure, for which zeroes are a value.
    let mut registers: libc::user_regs_struct = unsafe { zeroed() };
    register_set(libc::PTRACE_GETREGSET, process, libc::NT_PRSTATUS, &mut registers)?;
    let result = i64::from(-errno) as u64;
    #[cfg(target_arch = "x86_64")]
    {
        registers.orig_rax = u64::MAX;
        registers.rax = result;
    }
    #[cfg(target_arch = "aarch64")]
    {
        registers.regs[0] = result;
        // NT_ARM_SYSTEM_CALL of elf(5)'s notes.
        register_set(libc::PTRACE_SETREGSET, process, 0x404, &mut -1_i32)?;
    }
    register_set(libc::PTRACE_SETREGSET, process, libc::NT_PRSTATUS, &mut registers)
}

fn register_set<T>(request: libc::c_uint, process: libc::pid_t, set: i32, value: &mut T) -> io::Result<()> {
    let mut area = libc::iovec { iov_base: (&raw mut *value).cast(), iov_len: size_of::<T>() };
    ptrace(request, process, set as usize, &raw mut area as usize)
}

fn ptrace(request: libc::c_uint, process: libc::pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the callers hand over addresses of live structures of the right size, or numbers.
    let result = unsafe { libc::ptrace(request, process, address as *mut c_void, data as *mut c_void) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wait(process: libc::pid_t) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives; the process is a child of this thread.
        let got = unsafe { libc::wait4(process, &raw mut status, libc::__WALL, null_mut()) };
        if got == process {
            return status;
        }
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
    }
}

fn check(result: i64) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// One call of an undisturbed run.
#[derive(Debug, Clone)]
pub struct Call {
    /// What tells it from others.
    pub key: Key,
    /// Which of the calls with that key it is.
    pub nth: usize,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// Where its first argument leads, if that is a file descriptor.
    pub fd: Option<PathBuf>,
    /// The name that it is given besides.
    pub name: Option<PathBuf>,
    /// The second name, for those that rename.
    pub other: Option<PathBuf>,
}

impl Call {
    /// Its name, for messages and for choosing errors.
    pub fn number(&self) -> i64 {
        self.key.number.into()
    }

    /// The path of the first name.
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.fd.as_ref()?.join(self.name.as_ref()?))
    }

    /// The path of the second name. ipalias renames within a directory only.
    pub fn other_path(&self) -> Option<PathBuf> {
        Some(self.fd.as_ref()?.join(self.other.as_ref()?))
    }

    /// Whether it can change anything on the disk.
    pub fn writes(&self) -> bool {
        let flags = self.arguments[2] as i32;
        let opens_for_writing = flags & (libc::O_CREAT | libc::O_WRONLY | libc::O_RDWR | libc::O_TRUNC) != 0;
        match self.number() {
            libc::SYS_openat => opens_for_writing,
            libc::SYS_write => self.key.first.is_none_or(|fd| fd > 2),
            number => CHANGES.contains(&number),
        }
    }

    /// For messages.
    pub fn text(&self) -> String {
        let name = self.name.as_deref().map(|name| format!(" {}", name.display())).unwrap_or_default();
        format!("{} {}{name}", call_name(self.number()), self.fd.as_deref().unwrap_or(Path::new("")).display())
    }
}

/// Calls that change the disk, or make a change durable.
const CHANGES: &[i64] = &[
    libc::SYS_fsync,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_fsetxattr,
    libc::SYS_fremovexattr,
    libc::SYS_ftruncate,
    libc::SYS_utimensat,
    libc::SYS_flock,
];

/// Calls that would make processes or threads, which a filter by one process's calls does not follow.
const MULTIPLIES: &[i64] = &[libc::SYS_clone, libc::SYS_clone3, libc::SYS_execveat];

/// Calls with a name in their second argument.
const NAMED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_readlinkat,
];

/// Every call of a run, from the opening of `root` on: what is before that is the loader's and the language's own.
pub fn record(subject: &Subject, root: &Path, arguments: &[&str]) -> (Vec<Call>, Ending) {
    let mut calls = Vec::new();
    let mut counts = std::collections::BTreeMap::new();
    let ending = run(subject, arguments, &Stops::All, |stop| {
        let key = Key::of(stop.number as u64, &stop.arguments);
        let nth = counts.entry(key).and_modify(|count| *count += 1).or_insert(1_usize);
        assert!(!MULTIPLIES.contains(&stop.number), "ipalias starts {}", call_name(stop.number));
        let name = match stop.number {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => stop.string(0),
            number => NAMED.contains(&number).then(|| stop.string(1)).flatten(),
        };
        if calls.is_empty() && name.as_deref() != Some(root) {
            return Verdict::Go;
        }
        let renames = [libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_linkat].contains(&stop.number);
        calls.push(Call {
            key,
            nth: *nth,
            arguments: stop.arguments,
            fd: key.first.and_then(|_| stop.fd(0)),
            name,
            other: renames.then(|| stop.string(3)).flatten(),
        });
        Verdict::Go
    });
    (calls, ending)
}

/// A run in which `call` becomes what `verdict` says; asserts that it was reached.
pub fn disturb(subject: &Subject, arguments: &[&str], call: &Call, verdict: impl FnOnce() -> Verdict) -> Ending {
    let (mut seen, mut verdict) = (0, Some(verdict));
    let ending = run(subject, arguments, &Stops::Key(call.key), |_| {
        seen += 1;
        match verdict.take_if(|_| seen == call.nth) {
            Some(verdict) => verdict(),
            None => Verdict::Go,
        }
    });
    assert!(verdict.is_none(), "{} was not reached: {ending:?}", call.text());
    ending
}

/// The name of a call.
pub fn call_name(number: i64) -> String {
    let names = [
        (libc::SYS_openat, "openat"),
        (libc::SYS_newfstatat, "newfstatat"),
        (libc::SYS_fstat, "fstat"),
        (libc::SYS_statx, "statx"),
        (libc::SYS_read, "read"),
        (libc::SYS_write, "write"),
        (libc::SYS_close, "close"),
        (libc::SYS_fcntl, "fcntl"),
        (libc::SYS_fsync, "fsync"),
        (libc::SYS_getdents64, "getdents64"),
        (libc::SYS_flistxattr, "flistxattr"),
        (libc::SYS_fchmod, "fchmod"),
        (libc::SYS_mkdirat, "mkdirat"),
        (libc::SYS_unlinkat, "unlinkat"),
        (libc::SYS_renameat, "renameat"),
        (libc::SYS_renameat2, "renameat2"),
        (libc::SYS_readlinkat, "readlinkat"),
        (libc::SYS_utimensat, "utimensat"),
        (libc::SYS_ftruncate, "ftruncate"),
        (libc::SYS_fstatfs, "fstatfs"),
        (libc::SYS_flock, "flock"),
        (libc::SYS_getrandom, "getrandom"),
    ];
    let known = names.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("call {number}"), |(_, name)| (*name).to_owned())
}
