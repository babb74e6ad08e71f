//! What a run did to files, programs and the kernel's network, read from a log of strace(1).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The calls that are looked at: whatever opens, makes, renames, removes or changes a file, starts a program or talks to
/// the kernel's network.
const CALLS: &str = "open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,mknod,mknodat,\
                     link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,?fchmodat2,chown,fchown,lchown,fchownat,setxattr,\
                     lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,truncate,ftruncate,fallocate,utime,utimes,\
                     utimensat,futimesat,flock,fsync,execve,execveat,socket,sendto,sendmsg,mount,chroot";

/// One call, as strace writes it.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: String,
    pub arguments: String,
    pub result: String,
}

/// A run with its calls, the first execve(2) left out.
pub struct Run {
    pub output: Output,
    pub calls: Vec<Call>,
}

/// Whether strace is there; a failure if it has to be.
pub fn possible() -> bool {
    crate::support::tool(Command::new("strace").arg("-V")).is_some()
}

/// Runs `words` below strace, with the log at `log`.
pub fn traced(log: &Path, words: &[&str]) -> Run {
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-y",
        "-s",
        "512",
        "-e",
        &format!("trace={CALLS}"),
        "-e",
        "signal=none",
        "-o",
    ]);
    command.arg(log).args(words).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = fs::read_to_string(log).unwrap();
    let mut calls: Vec<Call> = text.lines().filter_map(call).collect();
    assert_eq!(calls.first().map(|call| call.name.as_str()), Some("execve"), "{words:?}: {text}");
    calls.remove(0);
    Run { output, calls }
}

fn call(line: &str) -> Option<Call> {
    let (_, line) = line.split_once(char::is_whitespace)?;
    let line = line.trim_start();
    if line.starts_with("+++") {
        return None;
    }
    assert!(!line.contains("unfinished"), "the program has one thread: {line}");
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(")  = ")).unwrap_or((rest, ""));
    let arguments = arguments.trim_end().trim_end_matches(')');
    Some(Call { name: name.to_owned(), arguments: arguments.to_owned(), result: result.trim().to_owned() })
}

impl Call {
    pub fn failed(&self) -> bool {
        self.result.starts_with('-')
    }

    /// Whether it is of the kind that changes files.
    pub fn writes(&self) -> bool {
        match self.name.as_str() {
            "open" | "openat" | "openat2" => {
                ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| self.arguments.contains(flag))
            }
            "execve" | "execveat" | "socket" | "sendto" | "sendmsg" | "chroot" | "flock" | "fsync" => false,
            _ => true,
        }
    }

    /// Every place that it names: the path of a descriptor, with the name behind it.
    pub fn places(&self) -> Vec<PathBuf> {
        if self.name.starts_with("open") && !self.failed() {
            return descriptor(&self.result).into_iter().map(|(path, _)| path).collect();
        }
        let mut places = Vec::new();
        let mut rest = self.arguments.as_str();
        while !rest.is_empty() {
            if let Some((path, behind)) = descriptor(rest) {
                let name = behind.strip_prefix(", \"").and_then(|name| name.split_once('"'));
                match name.filter(|_| self.name.contains("at")) {
                    Some((name, behind)) => {
                        places.push(joined(&path, name));
                        rest = behind;
                    }
                    None => {
                        places.push(path);
                        rest = behind;
                    }
                }
            } else if let Some(text) = rest.strip_prefix('"') {
                let (name, behind) = text.split_once('"').unwrap_or((text, ""));
                places.push(by_path(name));
                rest = behind;
            }
            rest = rest.split_once(", ").map_or("", |(_, rest)| rest);
            if self.name.contains("xattr") || self.name == "symlink" || self.name == "symlinkat" {
                break;
            }
        }
        places
    }

    /// The place of a successful open, unless it only looks (`O_PATH`).
    pub fn opened(&self) -> Option<PathBuf> {
        let opens = self.name.starts_with("open") && !self.failed() && !self.arguments.contains("O_PATH");
        opens.then(|| descriptor(&self.result).map(|(path, _)| path)).flatten()
    }
}

/// One name below a directory. Several could be led astray, so they are outside of everything.
fn joined(dir: &Path, name: &str) -> PathBuf {
    let climbs = name == ".." || name.contains('/');
    if climbs { by_path(name) } else { dir.join(name) }
}

fn by_path(name: &str) -> PathBuf {
    PathBuf::from(format!("by path: {name}"))
}

/// The path behind `N<` at the beginning of `text`, and what follows.
fn descriptor(text: &str) -> Option<(PathBuf, &str)> {
    let digits = text.trim_start_matches("AT_FDCWD").trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() == text.len() {
        return None;
    }
    let (path, behind) = digits.strip_prefix('<')?.split_once('>')?;
    Some((PathBuf::from(path.trim_end_matches(" (deleted)")), behind))
}

/// What a run below `root` must not have done.
pub fn escapes(run: &Run, root: &Path) -> Vec<String> {
    let outside = |call: &&Call| match call.name.as_str() {
        "execve" | "execveat" | "socket" | "sendto" | "sendmsg" | "mount" | "chroot" => true,
        name if name.starts_with("open") => {
            call.writes() && !call.failed() && !call.places().iter().all(|place| place.starts_with(root))
        }
        _ => call.writes() && !call.places().iter().all(|place| place.starts_with(root)),
    };
    run.calls
        .iter()
        .filter(outside)
        .map(|call| format!("{}({}) = {}", call.name, call.arguments, call.result))
        .collect()
}

/// Every write-class call of a run.
pub fn writes(run: &Run) -> Vec<String> {
    let mine = |call: &&Call| call.writes() || matches!(call.name.as_str(), "execve" | "flock" | "fsync");
    run.calls.iter().filter(mine).map(|call| format!("{}({}) = {}", call.name, call.arguments, call.result)).collect()
}
