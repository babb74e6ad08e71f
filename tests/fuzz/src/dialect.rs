//! The laws of the backends on any bytes, laid over an empty root: reading never panics and ends in time, a plan is proven,
//! what it inserts is all that changes, a second add finds everything done, remove gives back the bytes.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ipalias::alias::{Alias, IfName, parse_address};
use ipalias::backend::{self, Backend, Entry, Role, Situation, Stance};
use ipalias::error::{Kind, Refusal, Result};
use ipalias::plan::{Change, Plan};
use ipalias::proof::{Goal, prove};
use ipalias::root::{Root, RootPath};
use rustix::time::{ClockId, clock_gettime};

use crate::hosts::Host;
use crate::input;

/// How much processor time one question may take; the instrumentation counts, too.
const MOST_TIME: Duration = Duration::from_secs(1);

/// The law of `host`.
pub fn target(host: &'static Host) -> impl Fn(&[u8]) + Send + Sync {
    let dir = crate::scratch();
    std::fs::create_dir_all(dir.join("etc")).expect("an empty root");
    let backend = backend::by_name(host.backend).expect("a backend");
    let empty = Root::open(&dir).expect("an empty root").unlimited();
    move |data| law(host, backend, &empty, data)
}

fn law(host: &Host, backend: &dyn Backend, empty: &Root, data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let mode = if host.backend == "networkmanager" { 0o600 } else { 0o644 };
    let around = host.around.iter().map(|(path, text)| (RootPath::from(*path), Some(text.as_bytes().to_vec()), 0o755));
    let files = input::files(host.main, data).map(|(path, bytes)| (path, Some(bytes.to_vec()), mode));
    let root = match host.on_disk {
        false => empty.with_planned(around).with_planned(files),
        true => on_disk(empty, around.chain(files)),
    };

    let stance = refused(within("detect", || backend.detect(&root)));
    let Some(old) = refused(within("entries", || backend.entries(&root))) else { return };
    let claimed = match stance {
        Some(Stance::InCharge(claim)) => claim.interface,
        _ => None,
    };
    let interface = claimed.unwrap_or_else(|| IfName::new(host.interface).expect("a name"));
    what_goes_is_gone(backend, &root, &old, *choice);
    let wanted = missing(wishes(&interface, *choice), &old);
    if wanted.is_empty() {
        return;
    }
    let now = Situation { may_switch_to_static: choice & 8 != 0, in_place: choice & 8 != 0, ..Situation::default() };
    let Some(plan) = refused(within("add", || backend.add(&root, &wanted, &now))) else { return };
    let new = match prove(backend, &root, &old, &plan, Goal::Present(&wanted)) {
        Ok(new) => new,
        Err(error) if error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.kind != Kind::Unproven) => return,
        Err(error) => {
            panic!("{error:#}\n{}\nfrom {old:#?}\nto {:#?}", show(&plan), backend.entries(&plan.overlay(&root)).ok())
        }
    };
    for alias in &wanted {
        let is = |entry: &Entry| entry.is_effective() && entry.address.addr() == alias.address.addr();
        assert!(new.iter().any(is), "{} is not listed, so a second add would add it again", alias.address);
    }
    let keeps =
        host.keeps.iter().any(|word| plan.notes.iter().any(|note| note.contains(word))) || !plan.wakes.is_empty();
    if !keeps && !plan.is_by_command() {
        plan.changes.iter().for_each(is_insertion);
    }
    let after = plan.overlay(&root);
    let ours = |entry: &&Entry| wanted.iter().any(|alias| alias.address.addr() == entry.address.addr());
    let gone: Vec<Entry> = new.iter().filter(ours).cloned().collect();
    // The first address of an interface that had none.
    if gone.iter().any(|entry| entry.role == Role::Primary) {
        return;
    }
    let undo = refused(within("remove", || backend.remove(&after, &gone)));
    assert!(undo.is_some() || !host.takes_back, "what was added cannot be removed\n{}", show(&plan));
    let Some(undo) = undo else { return };
    prove(backend, &after, &new, &undo, Goal::Gone(&gone))
        .unwrap_or_else(|error| panic!("{error:#}\n{}\nundone\n{}", show(&plan), show(&undo)));
    if keeps || gone.len() > wanted.len() || is_one_way(host, &plan) {
        return;
    }
    let undone = undo.overlay(&after);
    for change in &plan.changes {
        let back = refused(undone.read(&change.path)).flatten().unwrap_or_default();
        let before = change.before.clone().unwrap_or_default();
        // As the command does: what was supplied behind the old bytes goes, too, if nothing else came since.
        let supplied = || {
            let old = undone.with_planned([(change.path.clone(), change.before.clone(), change.mode)]);
            identities(backend, &old) == identities(backend, &undone)
        };
        let same = unquoted(&back).eq(unquoted(&before));
        let given = same || (back.starts_with(&before) && supplied());
        assert!(given, "not given back\n{}\nundone\n{}", show(&plan), show(&undo));
    }
}

/// The files on the disk of `root`, instead of those of the input before.
fn on_disk(root: &Root, files: impl Iterator<Item = (RootPath, Option<Vec<u8>>, u32)>) -> Root {
    let top = root.prefix();
    let _ = std::fs::remove_dir_all(top);
    std::fs::create_dir_all(top.join("etc")).expect("an empty root");
    for (path, bytes, mode) in files {
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else { continue };
        let path = top.join(name.trim_start_matches('/'));
        // A path that cannot be is left out.
        let _ = path.parent().map(std::fs::create_dir_all);
        if std::fs::write(&path, bytes.unwrap_or_default()).is_ok() {
            let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        }
    }
    Root::open(top).expect("a root")
}

/// Some of the additional addresses that are there, out of the files.
fn what_goes_is_gone(backend: &dyn Backend, root: &Root, old: &[Entry], choice: u8) {
    let picked: Vec<_> = old
        .iter()
        .enumerate()
        .filter(|(at, _)| choice >> (4 + at % 4) & 1 == 1)
        .map(|(_, entry)| entry.address.addr())
        .collect();
    let gone: Vec<Entry> = old.iter().filter(|entry| picked.contains(&entry.address.addr())).cloned().collect();
    if gone.is_empty() || gone.iter().any(|entry| entry.role == Role::Primary) {
        return;
    }
    let Some(plan) = refused(within("remove", || backend.remove(root, &gone))) else { return };
    prove(backend, root, old, &plan, Goal::Gone(&gone))
        .unwrap_or_else(|error| panic!("removing {gone:?}: {error:#}\n{}", show(&plan)));
}

fn wishes(interface: &IfName, choice: u8) -> Vec<Alias> {
    let texts: &[&str] = match choice & 3 {
        0 => &["203.0.113.77", "2001:db8::77"],
        1 => &["203.0.113.77", "203.0.113.78/29"],
        2 => &["2001:db8::77"],
        _ => &["203.0.113.77"],
    };
    let alias = |text: &&str| Alias {
        interface: interface.clone(),
        address: parse_address(text).expect("an address"),
        label: None,
        preferred: choice & 4 != 0,
    };
    texts.iter().map(alias).collect()
}

/// The wishes that stand nowhere, be it without effect.
fn missing(wanted: Vec<Alias>, entries: &[Entry]) -> Vec<Alias> {
    let known = |alias: &Alias| entries.iter().any(|entry| entry.address.addr() == alias.address.addr());
    wanted.into_iter().filter(|alias| !known(alias)).collect()
}

/// Runs `ask`, which must not take long.
pub fn within<T>(what: &str, ask: impl FnOnce() -> T) -> T {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let began = used();
    let answer = ask();
    let took = used().saturating_sub(began);
    assert!(took < MOST_TIME, "{what} took {took:?}");
    answer
}

/// Nothing for a refusal, which says what to do and is no defect.
fn refused<T>(result: Result<T>) -> Option<T> {
    result
        .map_err(|error| {
            let Some(refusal) = error.downcast_ref::<Refusal>() else { panic!("no refusal: {error:#}") };
            assert!(refusal.kind != Kind::Unproven, "{refusal}");
            assert!(!refusal.reason.is_empty() && !refusal.hint.is_empty(), "{refusal:?}");
        })
        .ok()
}

/// Nothing of the old bytes is missing in the new ones, in their order.
fn is_insertion(change: &Change) {
    let (Some(before), Some(after)) = (&change.before, &change.after) else { return };
    let mut rest = after.iter();
    let kept = unquoted(before).all(|byte| rest.any(|other| other == byte));
    assert!(kept, "{} lost bytes: {}\n{}", change.path, before.escape_ascii(), after.escape_ascii());
}

/// All but quotes: a value that had none may need some, and one that had them may close them later.
fn unquoted(bytes: &[u8]) -> impl Iterator<Item = &u8> {
    bytes.iter().filter(|byte| !b"'\"".contains(byte))
}

fn identities(backend: &dyn Backend, root: &Root) -> Option<Vec<String>> {
    let entries = refused(backend.entries(root))?;
    Some(entries.iter().map(|entry| format!("{:?}", entry.identity())).collect())
}

/// Whether a form is written that stays: an empty list or value that has been filled goes with what filled it, an unquoted
/// one keeps its quotes, and so does a switch that the addresses need.
fn is_one_way(host: &Host, plan: &Plan) -> bool {
    let text = |bytes: &Option<Vec<u8>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let grows = |words: &str| {
        plan.changes
            .iter()
            .any(|change| text(&change.before).matches(words).count() < text(&change.after).matches(words).count())
    };
    let had =
        |words: &[&str]| plan.changes.iter().any(|change| words.iter().any(|word| text(&change.before).contains(word)));
    match host.backend {
        "ifcfg" => grows("IPV6INIT=") || grows("\""),
        "freebsd" | "netbsd" => had(&["\"\"", "''", "=\n", "=;", "= "]) || grows("\""),
        "netplan" => {
            had(&["[", "{", "~", "null"])
                || plan.changes.iter().any(|change| change.path.to_string().ends_with("-ipalias.yaml"))
        }
        // A record is made by commands, which take back what they did, one by one.
        "netsh" | "ipadm" => true,
        _ => false,
    }
}

fn show(plan: &Plan) -> String {
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| bytes.escape_ascii().to_string().replace("\\n", "\n"));
    let file = |change: &Change| {
        let none = || "(nothing)".to_owned();
        format!(
            "--- {}\n{}\n+++\n{}",
            change.path,
            text(&change.before).unwrap_or_else(none),
            text(&change.after).unwrap_or_else(none)
        )
    };
    let mut all: Vec<String> = plan.changes.iter().map(file).collect();
    all.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    all.join("\n")
}
