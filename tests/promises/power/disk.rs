//! Disks in files: made, mounted where nobody else sees it, and copied at any moment as a power cut would leave them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::support;

/// A file system, as it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    /// Without the heuristic that flushes a file when it is renamed over another one (ext4(5)).
    Ext4NoAutoDaAlloc,
    Xfs,
    Btrfs,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Ext4NoAutoDaAlloc => "ext4-noauto_da_alloc",
            Kind::Xfs => "xfs",
            Kind::Btrfs => "btrfs",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Kind::Ext4 | Kind::Ext4NoAutoDaAlloc => "mkfs.ext4",
            Kind::Xfs => "mkfs.xfs",
            Kind::Btrfs => "mkfs.btrfs",
        }
    }

    fn size(self) -> u64 {
        let mebibytes = match self {
            Kind::Ext4 | Kind::Ext4NoAutoDaAlloc => 32,
            Kind::Xfs => 300,
            Kind::Btrfs => 120,
        };
        mebibytes << 20
    }

    /// What the kernel would write by itself after some seconds has to wait: only what was forced out may survive.
    fn options(self) -> &'static str {
        match self {
            Kind::Ext4 => "loop,commit=300",
            Kind::Ext4NoAutoDaAlloc => "loop,commit=300,noauto_da_alloc",
            Kind::Xfs => "loop,nouuid",
            Kind::Btrfs => "loop,commit=300",
        }
    }

    /// Makes an empty file system in the file `image`; false if it cannot be had here and need not be.
    pub fn make(self, image: &Path) -> bool {
        File::create(image).unwrap().set_len(self.size()).unwrap();
        let mut make = Command::new(self.program());
        if matches!(self, Kind::Ext4 | Kind::Ext4NoAutoDaAlloc) {
            // Otherwise the kernel goes on making it while it is in use.
            make.args(["-E", "lazy_itable_init=0,lazy_journal_init=0"]);
        }
        let Some(made) = support::tool(make.arg("-q").arg(image)) else { return false };
        assert!(made.status.success(), "{}: {}", self.program(), String::from_utf8_lossy(&made.stderr));
        // An empty log need not be copied each time.
        assert!(Command::new("fallocate").arg("--dig-holes").arg(image).status().unwrap().success());
        true
    }
}

/// Whether this process may mount file systems; without that, nothing here can be shown.
pub fn may_mount() -> bool {
    let may = nix::unistd::geteuid().is_root() && Path::new("/dev/loop-control").exists();
    assert!(may || !support::tools_required(), "root and loop devices are needed");
    may
}

/// Runs `work` in a thread whose mounts nobody else sees. They go with the thread, however it ends, and their loop devices
/// with them.
pub fn privately<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none: Option<&Path> = None;
            nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            work()
        });
        match thread.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A disk that is mounted; it is unmounted at the end.
pub struct Mounted {
    pub at: PathBuf,
    image: PathBuf,
    /// Counters of its block device.
    stat: PathBuf,
}

impl Mounted {
    pub fn new(kind: Kind, image: &Path, at: &Path) -> Result<Mounted, String> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-o", kind.options()]).arg(image).arg(at).stdin(Stdio::null());
        let output = mount.output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let line = mounts.lines().rfind(|line| line.split(' ').nth(4).map(OsStr::new) == Some(at.as_os_str())).unwrap();
        let device = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').nth(1)).unwrap();
        let name = device.strip_prefix("/dev/").unwrap();
        Ok(Mounted {
            at: at.to_owned(),
            image: image.to_owned(),
            stat: Path::new("/sys/block").join(name).join("stat"),
        })
    }

    /// How many sectors were written to the disk; nothing while a write is on its way.
    fn written(&self) -> Option<u64> {
        let text = fs::read_to_string(&self.stat).unwrap();
        let fields: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        (fields[8] == 0).then_some(fields[6])
    }

    /// How many sectors were written to the disk, once no write is on its way.
    pub fn settled(&self) -> u64 {
        loop {
            match self.written() {
                Some(written) => return written,
                None => std::thread::yield_now(),
            }
        }
    }

    /// Copies what is on the disk now. Nothing is written meanwhile, or it is copied again.
    pub fn cut(&self, to: &Path) {
        loop {
            let before = self.settled();
            copy_disk(&self.image, to);
            if self.written() == Some(before) {
                return;
            }
        }
    }

    /// Makes everything on it durable.
    pub fn sync(&self) {
        rustix::fs::syncfs(File::open(&self.at).unwrap()).unwrap();
    }

    /// Somebody else's file is written and synced.
    pub fn somebody_syncs(&self) {
        let other = File::options().create(true).append(true).open(self.at.join("other")).unwrap();
        let bytes = other.metadata().unwrap().size();
        other.write_all_at(b"a line in somebody's log\n", bytes).unwrap();
        other.sync_all().unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A process that another thread is about to start has every open file of this one for a moment.
        let began = Instant::now();
        while let Err(error) = nix::mount::umount(&self.at) {
            if error != nix::errno::Errno::EBUSY || began.elapsed() > Duration::from_secs(10) {
                assert!(std::thread::panicking(), "unmounting {}: {error}", self.at.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Copies the disk in the file `from`, holes as holes.
pub fn copy_disk(from: &Path, to: &Path) {
    let (from, size) = (File::open(from).unwrap(), fs::metadata(from).unwrap().len());
    let to = File::create(to).unwrap();
    to.set_len(size).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(&from, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return,
            start => start.unwrap(),
        };
        let end = rustix::fs::seek(&from, SeekFrom::Hole(start)).unwrap();
        at = start;
        while at < end {
            let part = buffer.len().min((end - at) as usize);
            let part = from.read_at(&mut buffer[..part], at).unwrap();
            to.write_all_at(&buffer[..part], at).unwrap();
            at += part as u64;
        }
    }
}
