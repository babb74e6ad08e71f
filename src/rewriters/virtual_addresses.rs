//! Addresses that a failover program moves between hosts: configured here as well, they would be up twice.
//!
//! keepalived.conf(5), Pacemaker's IPaddr2 (ocf_heartbeat_IPaddr2(7)), ucarp (its if-up hook), FRR (vrrpd). From documentation.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Claimed, addresses, files_of, lines};
use crate::error::Result;
use crate::root::{Root, RootPath};
use crate::syntax::glob::glob;

/// Which of `wanted` such a program has.
pub(super) fn among(root: &Root, wanted: &BTreeSet<IpAddr>) -> Result<Vec<Claimed>> {
    let mut all = keepalived(root, wanted)?;
    let by_words: [(&str, &str, &[&str]); 3] = [
        ("Pacemaker", "/var/lib/pacemaker/cib/cib.xml", &["name=\"ip\""]),
        ("ucarp", "/etc/network/interfaces", &["ucarp-vip "]),
        ("FRR", "/etc/frr/frr.conf", &["vrrp "]),
    ];
    for (by, path, marks) in by_words {
        let path = RootPath::from(path);
        for (line, text) in lines(root, &path)? {
            if marks.iter().any(|mark| text.contains(mark)) && !text.trim_start().starts_with('#') {
                let found = addresses(&text).filter(|ip| wanted.contains(ip));
                all.extend(found.map(|ip| Claimed { ip, by: by.to_owned(), path: path.clone(), line }));
            }
        }
    }
    Ok(all)
}

/// The blocks `virtual_ipaddress` and `virtual_ipaddress_excluded` of keepalived.conf and of what it includes.
fn keepalived(root: &Root, wanted: &BTreeSet<IpAddr>) -> Result<Vec<Claimed>> {
    let mut paths = vec![RootPath::from("/etc/keepalived/keepalived.conf")];
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        let (mut depth, mut inside) = (0_usize, None);
        for (line, text) in lines(root, &path)? {
            let text = text.split(['#', '!']).next().unwrap_or_default();
            let spaced = text.replace('{', " { ").replace('}', " } ");
            let words: Vec<&str> = spaced.split_whitespace().collect();
            if let ["include" | "includer" | "includew" | "includem" | "includeb", pattern, ..] = words.as_slice() {
                for found in included(root, &path, pattern)? {
                    if !paths.contains(&found) {
                        paths.push(found);
                    }
                }
            }
            for (index, word) in words.iter().enumerate() {
                match *word {
                    "{" => {
                        let before = index.checked_sub(1).and_then(|before| words.get(before)).copied();
                        if before.is_some_and(|name| name.starts_with("virtual_ipaddress")) {
                            inside = inside.or(Some(depth));
                        }
                        depth += 1;
                    }
                    "}" => {
                        depth = depth.saturating_sub(1);
                        inside = inside.filter(|from| *from < depth);
                    }
                    word if inside.is_some() => {
                        let found = addresses(word).filter(|ip| wanted.contains(ip));
                        let by = "keepalived".to_owned();
                        all.extend(found.map(|ip| Claimed { ip, by: by.clone(), path: path.clone(), line }));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(all)
}

/// The files that an `include` names; its last part may be a pattern.
fn included(root: &Root, from: &RootPath, pattern: &str) -> Result<Vec<RootPath>> {
    let path = if pattern.starts_with('/') { RootPath::from(pattern) } else { from.parent().join(pattern) };
    let all = files_of(root, &path.parent().to_string())?;
    Ok(all.into_iter().filter(|file| glob(path.name(), file.name())).collect())
}
