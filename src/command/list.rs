//! `ipalias list`: what the files say and what is up, joined by address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::{Session, situation};
use crate::backend::{Entry, Role, UpAddress, may_be};
use crate::error::{Exit, Result};

/// One address.
#[derive(Serialize)]
struct Row {
    address: String,
    interface: String,
    label: Option<String>,
    role: &'static str,
    state: &'static str,
    path: Option<String>,
    line: Option<usize>,
    form: Option<String>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    command: &'static str,
    backend: &'static str,
    addresses: &'a [Row],
}

/// Runs the verb.
pub(super) fn run(session: &Session) -> Result<Exit> {
    let detection = session.detect()?;
    let mut entries = detection.entries()?;
    entries.extend(detection.entries_below()?);
    let snapshot = session.snapshot()?;
    let now = situation(snapshot.as_ref());
    let only = session.wanted_interface()?;
    let primary = detection.claim.interface.as_ref().map(|interface| interface.as_str());
    let mut rows = rows(&entries, &now.up, snapshot.is_some(), primary);
    rows.retain(|row| only.as_ref().is_none_or(|only| may_be(&row.interface, only)));
    if session.ui.is_json() {
        session.ui.json(&Document { command: "list", backend: detection.backend.name(), addresses: &rows });
        return Ok(Exit::Done);
    }
    let dash = || "-".to_owned();
    let cells = |row: &Row| {
        let place = match (&row.path, row.line) {
            (Some(path), Some(line)) => format!("{path}:{line}"),
            _ => dash(),
        };
        let state = row.state.to_owned() + if row.problem.is_some() { " (ineffective)" } else { "" };
        vec![
            row.address.clone(),
            row.interface.clone(),
            row.label.clone().unwrap_or_else(dash),
            row.role.to_owned(),
            state,
            place,
        ]
    };
    let heading = ["ADDRESS", "INTERFACE", "LABEL", "ROLE", "STATE", "WHERE"];
    session.ui.table(&heading, &rows.iter().map(cells).collect::<Vec<_>>());
    for row in &rows {
        if let (Some(problem), Some(path), Some(line)) = (&row.problem, &row.path, row.line) {
            session.ui.warn(&format!("{path}:{line}: {} is not effective: {problem}", row.address));
        }
    }
    Ok(Exit::Done)
}

fn rows(entries: &[Entry], up: &[UpAddress], running: bool, primary: Option<&str>) -> Vec<Row> {
    let live: BTreeMap<(&str, IpAddr), &UpAddress> =
        up.iter().map(|up| ((up.interface.as_str(), up.address.addr()), up)).collect();
    let mut rows: Vec<Row> = entries
        .iter()
        .map(|entry| {
            let is_up = live.contains_key(&(entry.interface.as_str(), entry.address.addr()));
            Row {
                address: entry.address.to_string(),
                interface: entry.interface.clone(),
                label: entry.label.clone(),
                role: word(entry.role),
                state: match (running, is_up) {
                    (true, true) => "configured and up",
                    (true, false) => "configured only",
                    (false, _) => "configured",
                },
                path: Some(entry.path.to_string()),
                line: Some(entry.line),
                form: Some(entry.form.clone()),
                problem: entry.problem.clone(),
            }
        })
        .collect();
    let configured: BTreeSet<(&str, IpAddr)> =
        entries.iter().map(|entry| (entry.interface.as_str(), entry.address.addr())).collect();
    // An address that DHCP gave is the primary one where no file has another of its family.
    let mut led: BTreeSet<bool> = entries
        .iter()
        .filter(|entry| entry.role == Role::Primary)
        .map(|entry| entry.address.addr().is_ipv4())
        .collect();
    for up in up.iter().filter(|up| !configured.contains(&(up.interface.as_str(), up.address.addr()))) {
        let first = Some(up.interface.as_str()) == primary && led.insert(up.address.addr().is_ipv4());
        rows.push(Row {
            address: up.address.to_string(),
            interface: up.interface.clone(),
            label: up.label.clone(),
            role: word(if first { Role::Primary } else { Role::Additional }),
            state: "up only",
            path: None,
            line: None,
            form: None,
            problem: None,
        });
    }
    rows
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Additional => "additional",
    }
}
