//! The plan that takes lines out, each with the line `dest` that belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{COMMAND, Hostname, files};
use super::{OpenBsd, finish};
use crate::backend::ifconfig::{self, Style, by_hand, crlf_refusal, keeps_others, says_more};
use crate::backend::{Backend as _, Entry};
use crate::error::Result;
use crate::plan::{Backup, Change, Plan};
use crate::root::Root;
use crate::text::Splice;

/// The plan that takes `gone` out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    if let Some(entry) = gone.iter().find(|entry| entry.form == COMMAND) {
        return Err(by_hand(entry));
    }
    let mut plan = Plan::nothing();
    for one in files(root)? {
        let here: Vec<&Entry> = gone.iter().filter(|entry| entry.path == one.file.path).collect();
        if here.is_empty() {
            continue;
        }
        if let Some(refusal) = crlf_refusal(&one.file.path, &one.file.text) {
            return Err(refusal.into());
        }
        let lines = lines(&one, &here)?;
        let range = |index: &usize| one.file.lines.get(*index).map(|line| Splice::delete(line.at.clone()));
        let after = Some(one.file.text.apply(lines.iter().filter_map(range).collect())?);
        let (before, path) = (root.read(&one.file.path)?, one.file.path.clone());
        plan.changes.push(Change { path, before, after, mode: 0o640, backup: Backup::Beside });
    }
    keeps_others(&OpenBsd.entries(root)?, &OpenBsd.entries(&plan.overlay(root))?, gone)?;
    let steps = gone.iter().filter_map(|entry| ifconfig::down(Style::AliasFirst, entry)).collect();
    let interfaces: BTreeSet<&str> = gone.iter().map(|entry| entry.interface.as_str()).collect();
    let named: Vec<&str> = interfaces.into_iter().filter(|name| !name.contains('=')).collect();
    finish(&mut plan, steps, &named, true);
    Ok(plan)
}

/// The lines of these addresses, by index.
fn lines(one: &Hostname, gone: &[&Entry]) -> Result<BTreeSet<usize>> {
    let mut known = BTreeMap::new();
    for call in one.calls.iter().rev() {
        known.insert((call.found.line, call.found.setting.net), call);
    }
    let mut all = BTreeSet::new();
    for entry in gone {
        let Some(call) = known.get(&(entry.line, Some(entry.address))) else { continue };
        let more = call.found.setting.more.as_ref().map(|word| format!("`{word}`"));
        if let Some(what) = more.or_else(|| (!call.is_alone).then(|| "more than one command".to_owned())) {
            return Err(says_more(&one.file.path, entry.line, entry, &what));
        }
        all.insert(call.command.line);
        all.extend(call.command.dest);
    }
    Ok(all)
}
