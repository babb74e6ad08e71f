//! Mode and owner on every Unix; extended attributes on Linux, whose ACLs and security labels are such.
//!
//! Leaves out the ACLs of the other systems.

#![allow(clippy::unnecessary_cast)] // the widths of stat(2)'s fields differ between systems

use std::fs::File;

use anyhow::Context as _;
use rustix::fs::{self as sys, Mode};

use crate::error::Result;
use crate::journal::Metadata;

/// User and group of this process.
pub(in crate::transaction) fn me() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Reads what an open file is.
pub(super) fn read(file: &File) -> Result<Metadata> {
    let stat = sys::fstat(file)?;
    Ok(Metadata {
        mode: (stat.st_mode as u32) & 0o7777,
        uid: stat.st_uid as u32,
        gid: stat.st_gid as u32,
        xattrs: attributes::read(file)?,
    })
}

/// Makes an open, new file what `wanted` says, and looks whether that is so.
pub(in crate::transaction) fn carry(file: &File, wanted: &Metadata) -> Result<()> {
    // chown drops set-id bits and capabilities, and a chmod after the ACL would rewrite its mask: hence this order.
    let own = read(file)?;
    if (own.uid, own.gid) != (wanted.uid, wanted.gid) {
        let (owner, group) = (sys::Uid::from_raw(wanted.uid), sys::Gid::from_raw(wanted.gid));
        sys::fchown(file, Some(owner), Some(group)).context("carrying the owner over")?;
    }
    sys::fchmod(file, Mode::from_raw_mode(wanted.mode as _)).context("carrying the mode over")?;
    if attributes::write(file, &wanted.xattrs)? {
        sys::fchmod(file, Mode::from_raw_mode(wanted.mode as _)).context("carrying the mode over")?;
        attributes::write(file, &wanted.xattrs)?;
    }
    let now = read(file)?;
    let lost = wanted.xattrs.iter().find(|wanted| !now.xattrs.contains(wanted));
    anyhow::ensure!(
        (now.mode, now.uid, now.gid) == (wanted.mode, wanted.uid, wanted.gid) && lost.is_none(),
        "the file system does not keep mode, owner or attributes"
    );
    Ok(())
}

#[cfg(target_os = "linux")]
mod attributes {
    //! Extended attributes (xattr(7)).

    use std::fs::File;

    use anyhow::Context as _;
    use rustix::fs::{self as sys, XattrFlags};
    use rustix::io::Errno;

    use crate::error::Result;

    const ACL: &str = "system.posix_acl_access";

    /// Those that belong to the file rather than to this copy of it, by name.
    pub(super) fn read(file: &File) -> Result<Vec<(String, Vec<u8>)>> {
        let mut names = Vec::with_capacity(1024);
        match sys::flistxattr_query(file) {
            Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => {}
            Ok(size) => {
                names.resize(size + 256, 0);
                let used = sys::flistxattr(file, names.as_mut_slice())?;
                names.truncate(used);
            }
            Err(errno) => return Err(std::io::Error::from(errno).into()),
        }
        let mut xattrs = Vec::new();
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_carried(name)) else { continue };
            let mut value = vec![0; sys::fgetxattr_query(file, name)?];
            let used = sys::fgetxattr(file, name, value.as_mut_slice())?;
            value.truncate(used);
            xattrs.push((name.to_owned(), value));
        }
        xattrs.sort();
        Ok(xattrs)
    }

    fn is_carried(name: &str) -> bool {
        let named = [ACL, "system.nfs4_acl", "security.selinux"].contains(&name);
        let grouped = ["user.", "trusted.", "security.SMACK64"].iter().any(|start| name.starts_with(start));
        named || grouped && !name.starts_with("trusted.overlay.")
    }

    /// Sets those of `wanted` that the file lacks; whether it dropped an ACL, which leaves another mode behind.
    pub(super) fn write(file: &File, wanted: &[(String, Vec<u8>)]) -> Result<bool> {
        let present = read(file)?;
        // The directory's default ACL gave the file an entry that the original has not.
        let inherited = present.iter().any(|(name, _)| name == ACL) && !wanted.iter().any(|(name, _)| name == ACL);
        if inherited {
            sys::fremovexattr(file, ACL).context("dropping an inherited ACL")?;
        }
        // A record on a mounted disk is not trusted with more attributes than are carried over.
        for (name, value) in wanted.iter().filter(|(name, _)| is_carried(name)) {
            if !present.iter().any(|(has, found)| has == name && found == value) {
                sys::fsetxattr(file, name.as_str(), value, XattrFlags::empty())
                    .with_context(|| format!("carrying {name} over"))?;
            }
        }
        Ok(inherited)
    }
}

#[cfg(not(target_os = "linux"))]
mod attributes {
    //! Systems whose ACLs are no extended attributes.

    use std::fs::File;

    use crate::error::Result;

    pub(super) fn read(_file: &File) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(Vec::new())
    }

    pub(super) fn write(_file: &File, _wanted: &[(String, Vec<u8>)]) -> Result<bool> {
        Ok(false)
    }
}
