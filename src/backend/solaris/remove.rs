//! The plan that takes files `hostname.IF:N` away, and addresses out of files that hold others.

use super::files::{Address, File, Tables, addresses};
use super::{finish, ifconfig, survey};
use crate::backend::Entry;
use crate::error::Result;
use crate::plan::{Backup, Change, Plan, Step};
use crate::root::Root;
use crate::text::{Splice, Text};

/// The plan that takes `gone` out.
pub(super) fn remove(root: &Root, gone: &[Entry]) -> Result<Plan> {
    let tables = Tables::read(root)?;
    let mut plan = Plan::nothing();
    let mut after = Vec::new();
    for (file, all) in survey(root)? {
        let (out, stay): (Vec<&Address>, Vec<&Address>) = all.iter().partition(|one| gone.contains(&one.entry));
        if out.is_empty() {
            continue;
        }
        file.sound()?;
        after.extend(out.iter().map(|address| down(&file, address)));
        let whole = file.number().is_some() && stay.is_empty();
        let new = if whole { None } else { Some(cut(&file, &out, &stay, &tables, &mut plan)?) };
        if new.as_ref().is_some_and(Vec::is_empty) {
            plan.notes.push(format!("{} stays, empty: that the file is there has a meaning of its own", file.path));
        }
        let backup = if whole { Backup::StoreOnly } else { Backup::Beside };
        plan.changes.push(Change { before: root.read(&file.path)?, path: file.path, after: new, mode: 0o644, backup });
    }
    finish(&mut plan, after);
    Ok(plan)
}

/// The file without some of its addresses: whole lines, or the words from `addif` on.
fn cut(file: &File, out: &[&Address], stay: &[&Address], tables: &Tables, plan: &mut Plan) -> Result<Vec<u8>> {
    let splice = |address: &&Address| {
        if address.is_alone {
            return file.text.line(address.line).map(|line| Splice::delete(line.range()));
        }
        let before = file.text.bytes().get(..address.at.start).unwrap_or_default();
        let gap = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(Splice::delete(address.at.start - gap..address.at.end))
    };
    let shorter = file.text.apply(out.iter().filter_map(splice).collect())?;
    if file.six || Text::new(shorter.as_slice()).line_count() != 1 || file.text.line_count() == 1 {
        return Ok(shorter);
    }
    // To the one line that is left the system adds words; a second one keeps it as it is where they would change it.
    let left = addresses(&file.with(&shorter), tables);
    let changed = left.iter().zip(stay).any(|(new, old)| {
        old.entry.is_effective() && (new.entry.address, new.entry.is_effective()) != (old.entry.address, true)
    });
    if changed {
        plan.notes
            .push(format!("a line `up` keeps the system from adding `netmask + broadcast + up` to {}", file.path));
        return Ok([shorter.as_slice(), b"up\n"].concat());
    }
    plan.notes.push(format!("{} has one line left, to which the system adds `netmask + broadcast + up`", file.path));
    Ok(shorter)
}

fn down(file: &File, address: &Address) -> Step {
    let (interface, net) = (file.interface(), address.entry.address);
    let (ip, whole) = (net.addr().to_string(), net.to_string());
    if file.six {
        return Step::with_undo(
            ifconfig(&[interface, "inet6", "removeif", &ip]),
            ifconfig(&[interface, "inet6", "addif", &whole, "up"]),
        );
    }
    let undo = ifconfig(&[interface, "addif", &whole, "up"]);
    match (file.number(), address.is_addif) {
        (Some(_), false) => Step::with_undo(ifconfig(&[&file.name, "unplumb"]), undo),
        _ => Step::with_undo(ifconfig(&[interface, "removeif", &ip]), undo),
    }
}
