//! Who else writes the files of the network, or puts addresses up, and may take an address away again.
//!
//! Nothing here stops a change by itself: [`warnings`] are said by `status` and `add`, [`objections`] are refusals that
//! `--force` overrides. What a backend knows about its own file (a heading that makes it choose another file) it says itself.

mod agents;
pub mod cloud_init;
mod headings;
mod scripts;
mod virtual_addresses;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::error::{Kind, Refusal, Result};
use crate::host;
use crate::root::{Root, RootPath};

/// What may take an address away again that stands in `files`, a sentence each. `others` are the files that configure the
/// interface besides.
pub fn warnings(root: &Root, files: &[RootPath], others: &[RootPath]) -> Result<Vec<String>> {
    let mut all = cloud_init::warnings(root, files)?;
    for path in files {
        all.extend(headings::warning(root, path, true)?);
    }
    for path in others.iter().filter(|path| !files.contains(path)) {
        all.extend(headings::warning(root, path, false)?);
    }
    all.extend(agents::warnings(root)?);
    Ok(all)
}

/// Reasons why an address of `wanted` should not be configured although it could be.
pub fn objections(root: &Root, wanted: &BTreeSet<IpAddr>) -> Result<Vec<Refusal>> {
    let mut all = Vec::new();
    for claim in virtual_addresses::among(root, wanted)? {
        let Claimed { ip, by, path, line } = claim;
        let reason = format!("{ip} is a virtual address of {by}, which moves it between hosts");
        let hint = format!("leave it to {by}; to configure it here all the same, use --force");
        all.push(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&path, line));
    }
    for claim in scripts::among(root, wanted)? {
        let Claimed { ip, by, path, line } = claim;
        let reason = format!("{by} puts {ip} up already: it would be configured twice");
        let hint = "take that line out first; if nothing runs it, use --force";
        all.push(Refusal::new(Kind::ManagedElsewhere, reason, hint).at(&path, line));
    }
    all.extend(agents::objection(root, wanted)?);
    Ok(all)
}

/// An address that something else has in a file of its own.
struct Claimed {
    ip: IpAddr,
    by: String,
    path: RootPath,
    line: usize,
}

/// The lines of a file from 1; none if it is not there or cannot be read as a file.
fn lines(root: &Root, path: &RootPath) -> Result<Vec<(usize, String)>> {
    let bytes = host::lenient(root, path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned())).collect())
}

/// The addresses among the words of a line; a prefix behind one is left out.
fn addresses(line: &str) -> impl Iterator<Item = IpAddr> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '%'));
    line.split(ends).filter_map(|word| word.split(['/', '%']).next()?.parse().ok())
}

/// The files of `dir`, in order.
fn files_of(root: &Root, dir: &str) -> Result<Vec<RootPath>> {
    let mut names = host::names(root, dir)?;
    names.sort();
    Ok(names.into_iter().map(|name| RootPath::from(dir).join(name)).collect())
}
