//! The plan that takes addresses out of whichever source has them.

use std::collections::{BTreeMap, BTreeSet};

use super::add::backup;
use super::chain::Chain;
use super::sources::{COMMAND, Call, Listed, survey};
use super::value::Edits;
use super::{NetBsd, finish};
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
    let chain = Chain::of(root)?;
    let survey = survey(root, &chain)?;
    let mut edits = Edits::new(&chain);
    let mut plan = Plan::nothing();
    for one in &survey.interfaces {
        if let Some(filled) = &one.variable {
            let out = items(&filled.calls, gone)?;
            if !out.is_empty() {
                edits.cut(filled, &out)?;
            }
        }
        if let Some(filled) = &one.old {
            let out = items(&filled.calls, gone)?;
            if !out.is_empty() {
                edits.cut_pairs(filled, &out)?;
            }
        }
        if let Some(listed) = &one.file {
            plan.changes.extend(without_lines(root, listed, gone, backup(&one.name))?);
        }
    }
    if let Some(listed) = &survey.ifaliases {
        plan.changes.extend(without_lines(root, listed, gone, Backup::Beside)?);
    }
    plan.changes.extend(edits.changes(root)?);
    keeps_others(&NetBsd.entries(root)?, &NetBsd.entries(&plan.overlay(root))?, gone)?;
    let steps = gone.iter().filter_map(|entry| ifconfig::down(Style::AliasLast, entry)).collect();
    finish(root, &mut plan, steps, true)?;
    Ok(plan)
}

/// The items that these addresses are all of, by index.
fn items(calls: &[Call], gone: &[Entry]) -> Result<BTreeSet<usize>> {
    let place =
        |entry: &'_ Entry| (entry.path.clone(), entry.line, entry.form.clone(), entry.interface.clone(), entry.address);
    let known: BTreeMap<_, &Entry> = gone.iter().map(|entry| (place(entry), entry)).collect();
    let mut all = BTreeSet::new();
    for call in calls.iter().filter(|call| call.found.setting.sets()) {
        let found = &call.found;
        let Some(net) = found.setting.net else { continue };
        let key = (found.path.clone(), found.line, found.form.clone(), found.interface.clone(), net);
        let Some(entry) = known.get(&key) else { continue };
        let more = found.setting.more.as_ref().map(|word| format!("`{word}`"));
        if let Some(what) = more.or_else(|| (!call.is_alone).then(|| "more than one command".to_owned())) {
            return Err(says_more(&found.path, found.line, entry, &what));
        }
        all.insert(call.item);
    }
    Ok(all)
}

fn without_lines(root: &Root, listed: &Listed, gone: &[Entry], backup: Backup) -> Result<Option<Change>> {
    let file = &listed.file;
    let out = items(&listed.calls, gone)?;
    if out.is_empty() {
        return Ok(None);
    }
    if let Some(refusal) = crlf_refusal(&file.path, &file.text) {
        return Err(refusal.into());
    }
    let range = |index: &usize| file.lines.get(*index).map(|line| Splice::delete(line.at.clone()));
    let after = file.text.apply(out.iter().filter_map(range).collect())?;
    // A file of aliases alone was made beside a daemon, which has the interface for itself again without it.
    let after = Some(after).filter(|after| !after.is_empty());
    Ok(Some(Change { before: root.read(&file.path)?, path: file.path.clone(), after, mode: 0o644, backup }))
}
