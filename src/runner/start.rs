//! The process itself, before it does anything: nothing that its caller left behind may change what it writes.
//!
//! That file descriptors 0 to 2 are open and that a closed pipe is an error of a write is seen to by Rust's runtime.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use rustix::io::FdFlags;

use crate::error::{Kind, Refusal, Result};

/// Refuses rights that the caller does not have itself, and drops what is inherited: the umask, a limit on the size of files
/// that kills (SIGXFSZ), open files, which programs that are run would get, and the folder for temporary files.
pub fn settle() -> Result<()> {
    if borrows_rights() {
        let hint = "take the set-id bits or capabilities off the program, and use sudo";
        let reason = "ipalias does not run with rights that its caller does not have";
        return Err(Refusal::new(Kind::Unsupported, reason, hint).into());
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // A handler, since an ignored signal would be inherited by the programs that are run. The write fails instead.
    signal_hook::flag::register(nix::libc::SIGXFSZ, Arc::new(AtomicBool::new(false))).context("catching signals")?;
    keep_from_programs();
    // Where it is set already, this is not the first call.
    let _ = tempfile::env::override_temp_dir(Path::new("/tmp"));
    Ok(())
}

/// Leaves the folder that the caller was in, so that it can be unmounted. No path of the command line is used afterwards.
pub fn leave_folder() {
    let _ = std::env::set_current_dir("/");
}

/// Whether this program is set-id or has capabilities of its own.
#[allow(unsafe_code)]
fn borrows_rights() -> bool {
    let ids = nix::unistd::getuid() != nix::unistd::geteuid() || nix::unistd::getgid() != nix::unistd::getegid();
    #[cfg(target_os = "linux")]
    // SAFETY: getauxval(3) only reads what the kernel has given to this process.
    let secure = unsafe { nix::libc::getauxval(nix::libc::AT_SECURE) } != 0;
    #[cfg(not(target_os = "linux"))]
    let secure = false;
    ids || secure
}

/// Sees to it that no program gets files which the caller left open.
#[allow(unsafe_code)]
fn keep_from_programs() {
    let listed = ["/proc/self/fd", "/dev/fd"].iter().find_map(|dir| fs_err::read_dir(dir).ok());
    let names = listed.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let open: Vec<i32> = names.filter(|fd| *fd > 2).collect();
    for fd in open {
        // SAFETY: the number is of a file that was open a moment ago; one that was closed since is an error and no more.
        let _ = rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, FdFlags::CLOEXEC);
    }
}
