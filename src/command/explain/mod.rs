//! `ipalias explain`: the guide of the system in charge, made for this host, or of one that is named.
//!
//! Reads only: the plan is that of `ipalias add`, which is shown and dropped.

mod by_hand;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::Serialize;

use super::{Session, add, situation, wanted_addresses};
use crate::backend::{self, Backend};
use crate::cli::{Add, Addresses, Explain, How};
use crate::diff;
use crate::error::{Exit, Kind, Refusal, Result};
use crate::guide::{Example, Guide, Rule};
use crate::secrets;
use crate::ui::Ui;

/// Documentation addresses (RFC 5737) that stand for the one to be added.
const SAMPLES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(203, 0, 113, 5), Ipv4Addr::new(198, 51, 100, 7), Ipv4Addr::new(192, 0, 2, 77)];

#[derive(Serialize)]
struct Document<'a> {
    command: &'static str,
    backend: &'static str,
    title: &'a str,
    systems: &'a str,
    written: &'a str,
    shown: String,
    interface: Option<String>,
    evidence: Vec<String>,
    read: Vec<String>,
    files: &'a [&'a str],
    rules: &'a [Rule],
    apply_auto: &'a str,
    apply_restart: &'a str,
    boot: &'a str,
    pitfalls: &'a [&'a str],
    only_running: Option<&'a str>,
    example: Option<Example>,
}

/// What is known of this host besides.
#[derive(Default)]
struct Here {
    interface: Option<String>,
    evidence: Vec<String>,
    read: Vec<String>,
}

/// Runs the verb.
pub(super) fn run(session: &Session, arguments: &Explain) -> Result<Exit> {
    if arguments.list {
        list(session.ui);
        return Ok(Exit::Done);
    }
    if let [word] = arguments.words.as_slice() {
        if let Some(named) = backend::by_name(word) {
            print(session.ui, named, Here::default(), named.guide().example());
            return Ok(Exit::Done);
        }
    }
    let given = addresses(&arguments.words)?;
    let detection = session.detect()?;
    let claim = &detection.claim;
    let wanted = if given.is_empty() { vec![sample(session, detection.backend)?] } else { given };
    let interface = session.wanted_interface()?.as_ref().or(claim.interface.as_ref()).map(ToString::to_string);
    let read = claim.files.iter().map(ToString::to_string).collect();
    let mut evidence = claim.evidence.clone();
    evidence.extend(detection.below.map(|below| format!("{} configures the interface below it", below.name())));
    let example = example(session, &wanted)?;
    print(session.ui, detection.backend, Here { interface, evidence, read }, Some(example));
    Ok(Exit::Done)
}

/// The addresses that the words name; a word that is neither an address nor a system is said to be so.
fn addresses(words: &[String]) -> Result<Vec<IpNet>> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(word) = words.iter().find(|word| !word.contains([':', '.'])) {
        let hint = "ipalias explain --list shows the systems; one is explained at a time, without an address";
        return Err(Refusal::new(Kind::Usage, format!("{word:?} is no address to explain"), hint).into());
    }
    wanted_addresses(&named(words.to_vec()))
}

fn named(addresses: Vec<String>) -> Addresses {
    let (block, from, hold, panel_api) = Default::default();
    Addresses { addresses, block, from, hold, panel_api }
}

/// An address for documentation that this host does not have, nor a subnet of it.
fn sample(session: &Session, backend: &dyn Backend) -> Result<IpNet> {
    // What cannot be read is refused by the plan, which says why.
    let entries = backend.entries(&session.root).unwrap_or_default();
    let up = situation(session.snapshot()?.as_ref()).up;
    let known: Vec<IpNet> = entries.iter().map(|entry| entry.address).chain(up.iter().map(|up| up.address)).collect();
    let is_free = |sample: &Ipv4Addr| !known.iter().any(|net| net.contains(&IpAddr::V4(*sample)));
    let [first, ..] = SAMPLES;
    Ok(IpNet::from(IpAddr::V4(SAMPLES.into_iter().find(is_free).unwrap_or(first))))
}

/// What `ipalias add` would do for `wanted`, or why it would refuse.
fn example(session: &Session, wanted: &[IpNet]) -> Result<Example> {
    let addresses: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let arguments = Add { addresses: named(addresses.clone()), label: None, how: How::default(), preferred: false };
    let proposal = match add::propose(session, wanted, None, &arguments) {
        Ok(proposal) => proposal,
        Err(error) => {
            let refusal = error.downcast::<Refusal>()?;
            return Ok(Example { addresses, refused: Some(reason(&refusal)), ..Example::default() });
        }
    };
    let report = proposal.report(session.ui, "explain", "planned");
    let line = |line: &crate::ui::AddressLine| {
        let label = line.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let note = line.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let tense = if line.result == "unchanged" { "" } else { "to be " };
        format!("{tense}{} {} on {}{label}{note}", line.result, line.address, line.interface)
    };
    Ok(Example {
        addresses,
        results: report.addresses.iter().map(line).collect(),
        refused: None,
        diff: diff::text(&proposal.plan),
        auto: report.commands.auto,
        restart: report.commands.restart,
        restart_refused: report.commands.restart_refused,
        by_hand: by_hand::steps(&proposal.plan),
        undo: by_hand::undo(session, &proposal)?,
        notes: report.notes,
    })
}

fn reason(refusal: &Refusal) -> String {
    format!("{refusal}; {}", refusal.hint)
}

fn list(ui: Ui) {
    #[derive(Serialize)]
    struct Row {
        backend: &'static str,
        systems: &'static str,
    }
    #[derive(Serialize)]
    struct Document {
        command: &'static str,
        systems: Vec<Row>,
    }
    let row = |backend: &&'static dyn Backend| Row { backend: backend.name(), systems: backend.guide().systems };
    let systems: Vec<Row> = backend::ALL.iter().map(row).collect();
    if ui.is_json() {
        return ui.json(&Document { command: "explain", systems });
    }
    let cells = |row: &Row| vec![row.backend.to_owned(), row.systems.to_owned()];
    ui.table(&["SYSTEM", "USED BY"], &systems.iter().map(cells).collect::<Vec<_>>());
}

fn print(ui: Ui, backend: &'static dyn Backend, here: Here, example: Option<Example>) {
    let guide = backend.guide();
    if ui.is_json() {
        return ui.json(&document(backend, here, example));
    }
    let name = backend.name();
    let of = here.interface.as_ref().map(|interface| format!(" of {interface}")).unwrap_or_default();
    let charge = if here.evidence.is_empty() { String::new() } else { format!(" is in charge{of} here") };
    ui.paragraph("", &format!("{}{charge} (--backend {name})", guide.title));
    here.evidence.iter().for_each(|evidence| ui.paragraph("  ", evidence));
    ui.heading("Which files count");
    guide.files.iter().for_each(|file| ui.paragraph("- ", file));
    if !here.read.is_empty() {
        ui.paragraph("- ", &format!("Here: {}", here.read.join(", ")));
    }
    if let Some(example) = &example {
        show(ui, guide, example, here.evidence.is_empty());
    }
    ui.heading("Why it is written so");
    guide.rules.iter().for_each(|Rule { rule, source }| ui.paragraph("- ", &format!("{rule} [{source}]")));
    ui.heading("How it takes effect");
    ui.paragraph("--apply auto:    ", guide.auto);
    ui.paragraph("--apply restart: ", guide.restart);
    ui.heading("At boot");
    ui.paragraph("", guide.boot);
    if let Some(reason) = guide.only_running {
        ui.paragraph("", &format!("In rescue mode: {reason}."));
    }
    ui.heading("What to watch out for");
    guide.pitfalls.iter().for_each(|pitfall| ui.paragraph("- ", pitfall));
    ui.heading("How far this was tested");
    ui.paragraph("", &format!("{}.", guide.shown.replace("**", "")));
}

/// What is done for the addresses of the example, by ipalias and by hand.
fn show(ui: Ui, guide: &Guide, example: &Example, elsewhere: bool) {
    let addresses = example.addresses.join(", ");
    let host = if elsewhere { ", on a host of its kind" } else { "" };
    ui.heading("What is written");
    ui.paragraph("- ", &format!("{}.", guide.written));
    if let Some(refused) = &example.refused {
        return ui.paragraph("- ", &format!("{addresses} is refused{host}: {}", secrets::without(refused)));
    }
    ui.paragraph("- ", &format!("`ipalias add {}`{host}:", example.addresses.join(" ")));
    ui.diff(|| &example.diff);
    let results = example.results.iter().chain(&example.notes);
    results.for_each(|text| ui.paragraph("- ", &secrets::without(text)));
    let commands = |commands: &[String]| if commands.is_empty() { "nothing".to_owned() } else { commands.join("; ") };
    ui.paragraph("--apply auto:    ", &commands(&example.auto));
    match &example.restart_refused {
        Some(reason) => ui.paragraph("--apply restart: ", &format!("refused, {reason}")),
        None => ui.paragraph("--apply restart: ", &commands(&example.restart)),
    }
    for (title, steps) in [("The same by hand", &example.by_hand), ("Taken back by hand", &example.undo)] {
        if !steps.is_empty() {
            ui.heading(title);
            // Not wrapped: most are commands, which are copied.
            steps.iter().enumerate().for_each(|(at, step)| ui.line(&format!("{}. {step}", at + 1)));
        }
    }
}

fn document(backend: &'static dyn Backend, here: Here, example: Option<Example>) -> Document<'static> {
    let guide = backend.guide();
    Document {
        command: "explain",
        backend: backend.name(),
        title: guide.title,
        systems: guide.systems,
        written: guide.written,
        shown: guide.shown.replace("**", ""),
        interface: here.interface,
        evidence: here.evidence,
        read: here.read,
        files: guide.files,
        rules: guide.rules,
        apply_auto: guide.auto,
        apply_restart: guide.restart,
        boot: guide.boot,
        pitfalls: guide.pitfalls,
        only_running: guide.only_running,
        example,
    }
}
