//! Lines put into a file of one call a line, and taken out of it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{File, without};
use crate::alias::Alias;
use crate::backend::{Backend, Entry};
use crate::error::{Kind, Refusal, Result};
use crate::plan::{Backup, Change, Plan};
use crate::root::Root;
use crate::syntax::ifconfig::Setting;
use crate::text::Splice;

/// Where lines are put.
pub(in crate::backend) struct Target<'a> {
    pub(in crate::backend) root: &'a Root,
    pub(in crate::backend) backend: &'a dyn Backend,
    /// The entries before.
    pub(in crate::backend) old: &'a [Entry],
    pub(in crate::backend) file: &'a File,
    /// The line to put them behind, by index; the end if there is none.
    pub(in crate::backend) anchor: Option<usize>,
    /// What a last line that is not read sets, if it may be given its end.
    pub(in crate::backend) open: Option<&'a Setting>,
    pub(in crate::backend) mode: u32,
    pub(in crate::backend) backup: Backup,
}

impl Target<'_> {
    fn change(&self, splices: Vec<Splice>) -> Result<Change> {
        let after = Some(self.file.text.apply(splices)?);
        let path = self.file.path.clone();
        Ok(Change { before: self.root.read(&path)?, path, after, mode: self.mode, backup: self.backup })
    }

    /// Adds a line for each of `wanted`, as `write` writes it.
    pub(in crate::backend) fn add(
        &self,
        wanted: &[&Alias],
        write: &dyn Fn(IpNet) -> String,
        plan: &mut Plan,
    ) -> Result<()> {
        let file = self.file;
        let lines = |but: Option<IpNet>| -> Vec<String> {
            let wanted = wanted.iter().filter(|alias| Some(alias.address) != but);
            wanted.map(|alias| format!("{}\n", write(alias.address))).collect()
        };
        if let Some(setting) = self.open.filter(|_| file.is_closable()) {
            let change = self.change(vec![file.closing(&lines(setting.net))])?;
            let mut trial = plan.clone();
            trial.changes.push(change.clone());
            let new = self.backend.entries(&trial.overlay(self.root))?;
            if without(self.old, &new).is_empty() {
                let is_wanted = |entry: &&&Entry| wanted.iter().any(|alias| alias.address == entry.address);
                let woken = without(&new, self.old);
                let woken: Vec<IpAddr> =
                    woken.iter().filter(|entry| !is_wanted(entry)).map(|entry| entry.address.addr()).collect();
                let which: Vec<String> = woken.iter().map(|ip| format!(": {ip} had no effect until now")).collect();
                plan.notes.push(format!(
                    "the last line of {} had no line end, so it was not executed; it is from now on{}",
                    file.path,
                    which.concat()
                ));
                plan.wakes.extend(woken);
                plan.changes.push(change);
                return Ok(());
            }
        }
        let is_empty = |text: &str| text.trim_start().is_empty() || text.trim_start().starts_with('#');
        if file.open().is_some_and(|(_, line)| !is_empty(&line.text)) {
            plan.notes.push(format!(
                "the last line of {} has no line end, so it is not executed; that is left as it is",
                file.path
            ));
        }
        plan.changes.push(self.change(vec![file.insertion(self.anchor, &lines(None))])?);
        Ok(())
    }
}

/// Refuses to edit an address that is set by a command of the file's own.
pub(in crate::backend) fn by_hand(entry: &Entry) -> anyhow::Error {
    let reason = format!("{} is set by a {}, which ipalias does not edit", entry.address.addr(), entry.form);
    let refusal = Refusal::new(Kind::Malformed, reason, "take it out there by hand");
    refusal.at(&entry.path, entry.line).into()
}
