//! Programs of Windows: those of the system's own directory.

#![allow(unsafe_code)]

use std::os::windows::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command as Process, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation};
use windows_sys::Win32::System::SystemInformation::{GetSystemDirectoryW, GetTickCount64};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess, OpenProcessToken,
};

use crate::error::Result;

/// A process of Windows inherits nothing that would have to be undone.
pub fn settle() -> Result<()> {
    Ok(())
}

/// The folder that it was started in stays its own.
pub fn leave_folder() {}

/// Whether this process has an elevated token: without one netsh fails with a translated text.
pub fn is_administrator() -> bool {
    let mut token: HANDLE = std::ptr::null_mut();
    let mut elevation = TOKEN_ELEVATION { TokenIsElevated: 0 };
    let size = size_of::<TOKEN_ELEVATION>() as u32;
    let mut used = 0;
    // SAFETY: every pointer is of a local variable that outlives its call, the size is that of the structure behind it, and
    // the handle is closed once if it was opened.
    unsafe {
        if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) == 0 {
            return false;
        }
        let told = GetTokenInformation(token, TokenElevation, (&raw mut elevation).cast(), size, &mut used);
        CloseHandle(token);
        told != 0 && elevation.TokenIsElevated != 0
    }
}

/// How long the system has been running.
pub fn uptime() -> Duration {
    // SAFETY: it takes nothing and cannot fail.
    Duration::from_millis(unsafe { GetTickCount64() })
}

/// The path of this program: whoever could exchange it needs no ipalias for that.
pub(super) fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("asking for the path of this program")
}

/// Processes without a window write nothing.
pub(super) fn log_file() -> std::io::Result<std::fs::File> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Whether writing to `stream` may wait for somebody: a console does while text is being selected in it.
pub fn may_block<T>(_stream: &T) -> bool {
    true
}

/// The program's path, in the system's own directory.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    anyhow::ensure!(plain, "{name} is not a program that ipalias runs");
    let path = system_directory().context("asking for the system's directory")?.join(name).with_extension("exe");
    anyhow::ensure!(path.is_file(), "there is no program {name}");
    Ok(path)
}

fn system_directory() -> Option<PathBuf> {
    let mut text = [0u16; 260];
    // SAFETY: the buffer is as long as the call is told.
    let length = unsafe { GetSystemDirectoryW(text.as_mut_ptr(), text.len() as u32) } as usize;
    String::from_utf16(text.get(..length).filter(|text| !text.is_empty())?).ok().map(PathBuf::from)
}

/// Gives the child what Windows programs need of an environment, no window, and no share in the caller's Ctrl-C.
pub(super) fn prepare(process: &mut Process) {
    process.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
    let Some(system) = system_directory() else { return };
    process.env("PATH", &system);
    if let Some(windows) = system.parent() {
        process.env("SystemRoot", windows).current_dir(windows);
    }
}

/// Ends the child; Windows has no gentler way for a program without a window.
pub(super) fn terminate(child: &mut Child) {
    kill(child);
}

/// Ends the child.
pub(super) fn kill(child: &mut Child) {
    let _ = child.kill();
}

/// How a program ended, in words.
pub(super) fn describe(status: ExitStatus) -> String {
    status.code().map_or_else(|| "unknown end".to_owned(), |code| format!("exit status {code}"))
}
