//! One file: its replacement staged beside it with mode, owner, ACL and labels, then exchanged and compared.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

use super::metadata;
use crate::error::{Kind, Refusal, Result};
use crate::journal::{Metadata, digest};
use crate::mutants;
use crate::root::{self, Dir, Root, RootPath};

/// How often somebody else may be faster, one time after the other.
const MOST_EXCHANGES: usize = 1000;

/// A file with its replacement ready beside it.
pub(super) struct Staged {
    pub(super) path: RootPath,
    pub(super) dir: Arc<Dir>,
    temp: Vec<u8>,
    /// The digest that the file must have at the moment of the exchange; nothing if it must not exist.
    expect: Option<String>,
    /// Whether there is a replacement; otherwise the file is deleted.
    pub(super) replaces: bool,
}

pub(super) fn remove_temp(dir: &Dir, temp: &[u8]) -> Result<()> {
    match dir.remove_file(temp) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("removing a temporary file"),
        _ => Ok(()),
    }
}

/// `.NAME.ipalias-TOKEN`, which no consumer reads: the dot keeps it out of every include pattern. Cut where a name would
/// be too long.
pub(super) fn temp_name(name: &[u8], token: &str) -> Vec<u8> {
    let suffix = format!(".ipalias-{token}");
    let room = 255 - 1 - suffix.len();
    [b".", name.get(..name.len().min(room)).unwrap_or_default(), suffix.as_bytes()].concat()
}

pub(super) fn stage(
    root: &Root,
    path: &RootPath,
    bytes: Option<&[u8]>,
    metadata: &Metadata,
    expect: Option<String>,
    token: &str,
) -> Result<Staged> {
    let place = root.walk(path, false)?;
    let dir =
        place.dir.filter(|_| place.path == *path).with_context(|| format!("the directory of {path} is missing"))?;
    let temp = temp_name(path.name(), token);
    if let Some(bytes) = bytes {
        write_temp(&dir, &temp, bytes, metadata, None)?;
    }
    Ok(Staged { path: path.clone(), dir, temp, expect, replaces: bytes.is_some() })
}

/// Writes a complete, synced file called `temp`. `modified` is when it shall have been changed, if not now.
pub(super) fn write_temp(
    dir: &Dir,
    temp: &[u8],
    bytes: &[u8],
    metadata: &Metadata,
    modified: Option<SystemTime>,
) -> Result<()> {
    let mut file = dir.create_file(temp).context("creating a temporary file")?;
    let written = fill(&mut file, bytes, metadata, modified);
    if written.is_err() {
        let _ = remove_temp(dir, temp);
    }
    written
}

fn fill(file: &mut File, bytes: &[u8], metadata: &Metadata, modified: Option<SystemTime>) -> Result<()> {
    file.write_all(bytes).context("writing a temporary file")?;
    metadata::carry(file, metadata)?;
    if let Some(time) = modified {
        file.set_modified(time).context("carrying the time over")?;
    }
    if mutants::no_file_sync() {
        return Ok(());
    }
    file.sync_all().context("syncing a temporary file")
}

impl Staged {
    /// The replacement `temp` of `path`, complete and beside it, where `expect` stands, or nothing.
    pub(super) fn written(path: RootPath, dir: Arc<Dir>, temp: Vec<u8>, expect: Option<String>) -> Staged {
        Staged { path, dir, temp, expect, replaces: true }
    }

    /// Removes what has the temporary name.
    pub(super) fn remove_temp(&self) -> Result<()> {
        remove_temp(&self.dir, &self.temp)
    }

    /// Makes the names in its directory durable.
    pub(super) fn sync_dir(&self) -> Result<()> {
        self.dir.sync().with_context(|| format!("syncing the directory of {}", self.path))
    }

    /// Changes places with the file and looks at what was displaced: if it is not what the plan was made from, somebody
    /// wrote in between, and it goes back. What was displaced stays under the temporary name, so that an undo needs no room
    /// on the disk.
    pub(super) fn swap(&self) -> Result<()> {
        let (dir, temp, name) = (&self.dir, self.temp.as_slice(), self.path.name());
        let changed = || {
            let hint = "nothing was changed; look at the file and try again";
            anyhow::Error::from(
                Refusal::new(Kind::ChangedSince, "somebody else wrote to the file just now", hint).at(&self.path, 0),
            )
        };
        let replacing = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotFound => changed(),
            _ => anyhow::Error::from(error).context(format!("replacing {}", self.path)),
        };
        match (&self.expect, self.replaces) {
            (None, true) => dir.rename_new(temp, name).map_err(replacing),
            (Some(expect), true) => {
                let ours = self.digest_of(temp)?;
                match dir.exchange(temp, name) {
                    Ok(()) if mutants::no_exchange_check() || self.digest_of(temp)?.as_ref() == Some(expect) => {}
                    Ok(()) => {
                        self.give_back(ours).map_err(replacing)?;
                        return Err(changed());
                    }
                    Err(error) if error.kind() == ErrorKind::Unsupported => {
                        // Without exchange: compare at the last moment; a small window remains.
                        if self.digest_of(name)?.as_ref() != Some(expect) {
                            return Err(changed());
                        }
                        return dir.rename(temp, name).map_err(replacing);
                    }
                    Err(error) => return Err(replacing(error)),
                }
                Ok(())
            }
            (Some(expect), false) => {
                dir.rename(name, temp).map_err(replacing)?;
                if self.digest_of(temp)?.as_ref() == Some(expect) {
                    return Ok(());
                }
                dir.rename_new(temp, name).map_err(replacing)?;
                Err(changed())
            }
            (None, false) => Ok(()),
        }
    }

    /// Puts what was displaced back into its place. If somebody wrote meanwhile, too, that is newer than what is put back, and
    /// gets the place itself; `placed` is what this run has put there, which nobody misses.
    fn give_back(&self, mut placed: Option<String>) -> io::Result<()> {
        let digest = || self.digest_of(&self.temp).map_err(io::Error::other);
        for _ in 0..MOST_EXCHANGES {
            let back = digest()?;
            self.dir.exchange(&self.temp, self.path.name())?;
            if digest()? == placed {
                return Ok(());
            }
            placed = back;
        }
        Err(io::Error::other("somebody else writes to the file all the time"))
    }

    /// Removes what was displaced.
    pub(super) fn settle(&self) -> Result<()> {
        remove_temp(&self.dir, &self.temp)
    }

    /// What stands beside the file under the temporary name, ready to change places with it, if it has this digest: the
    /// displaced file, or a new one that did not get its place. The file must then have the digest `expect`.
    pub(super) fn displaced(
        root: &Root,
        path: &RootPath,
        digest: &str,
        expect: Option<String>,
        token: &str,
    ) -> Result<Option<Staged>> {
        let Some(dir) = root.walk(path, false)?.dir else { return Ok(None) };
        let temp = temp_name(path.name(), token);
        let staged = Staged { path: path.clone(), dir, temp, expect, replaces: true };
        let found = staged.digest_of(&staged.temp)?;
        Ok((found.as_deref() == Some(digest)).then_some(staged))
    }

    /// The digest of the file `name`; nothing if it is none.
    fn digest_of(&self, name: &[u8]) -> Result<Option<String>> {
        match self.dir.look(name).with_context(|| format!("looking at {}", self.path))? {
            Some(node) if node.kind == root::NodeKind::File => {}
            _ => return Ok(None),
        }
        let mut bytes = Vec::new();
        let file = self.dir.open_file(name).map(|file| file.take(root::MOST_FILE_BYTES as u64 + 1));
        let read = file.and_then(|mut file| file.read_to_end(&mut bytes));
        read.with_context(|| format!("reading {}", self.path))?;
        Ok(Some(digest(&bytes)))
    }
}
