//! The guides of the backends: their examples are what the program does with a case of `fixtures/`, and the pages of
//! `docs/systems/` and the table of the README are made from them. `IPALIAS_BLESS=1 cargo test --test guides` writes all of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ipalias::backend::{self, Backend};
use ipalias::guide::{Example, Rule};
use serde::Deserialize;
use support::cases::{Stage, addresses};
use support::{ipalias, read_tree};

/// The largest guide, in bytes: all of them are part of the program.
const MOST_BYTES: usize = 3_500;

const HEADING: &str = "| backend | systems | what is written | shown by |";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The file is as it should be, or is made so.
fn is(path: &str, wanted: &str) {
    if std::env::var_os("IPALIAS_BLESS").is_some() {
        fs::write(at(path), wanted).unwrap();
    }
    let found = fs::read_to_string(at(path)).unwrap_or_default();
    assert!(found == wanted, "{path} is not current: IPALIAS_BLESS=1 cargo test --test guides\n{wanted}");
}

/// What `explain` says of the case that the guide names, for the addresses of the case.
fn example(backend: &dyn Backend) -> Example {
    let stage = Stage::new(&at(&format!("fixtures/{}/{}", backend.name(), backend.guide().case))).unwrap();
    let example = explained(backend, &addresses(&stage.command()));
    let diff = fs::read_to_string(stage.source.join("diff")).unwrap();
    assert_eq!(example.diff, diff, "{}: the diff of the case", backend.name());
    example
}

fn explained(backend: &dyn Backend, addresses: &[&str]) -> Example {
    #[derive(Deserialize)]
    struct Document {
        backend: String,
        example: Example,
    }
    let stage = Stage::new(&at(&format!("fixtures/{}/{}", backend.name(), backend.guide().case))).unwrap();
    let root = stage.tree("before", "root");
    let before = read_tree(&root);
    let output = ipalias(&root, &[&["--json", "explain"], addresses].concat());
    assert!(output.status.success(), "{}: {}", backend.name(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(before, read_tree(&root), "{}: explain writes nothing", backend.name());
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document.backend, backend.name());
    document.example
}

#[test]
fn examples_are_what_the_program_does() {
    for backend in backend::ALL {
        let example = example(*backend);
        assert!(!example.by_hand.is_empty() && !example.undo.is_empty(), "{}", backend.name());
        is(
            &format!("src/guide/examples/{}.json", backend.name()),
            &(serde_json::to_string_pretty(&example).unwrap() + "\n"),
        );
        if std::env::var_os("IPALIAS_BLESS").is_none() {
            assert_eq!(backend.guide().example(), Some(example), "{}", backend.name());
        }
    }
}

#[test]
fn guides_are_whole_and_small() {
    let mut titles = BTreeSet::new();
    for backend in backend::ALL {
        let (name, guide) = (backend.name(), backend.guide());
        assert!(titles.insert(guide.title), "{name}: a title of its own");
        let rules = guide.rules.iter().flat_map(|Rule { rule, source }| [rule, source]);
        let short =
            [&guide.title, &guide.systems, &guide.written, &guide.shown, &guide.auto, &guide.restart, &guide.boot];
        let texts: Vec<&str> =
            short.into_iter().chain(guide.files).chain(guide.pitfalls).chain(rules).copied().collect();
        for text in &texts {
            assert!(!text.is_empty() && text.trim() == *text, "{name}: {text:?}");
            assert_eq!(text.matches('`').count() % 2, 0, "{name}: an open backtick in {text}");
            let outside: String = text.split('`').step_by(2).collect();
            assert!(
                !outside.replace("**", "").contains(['<', '*', '|']),
                "{name}: Markdown takes a part of {text} away"
            );
        }
        assert!(!guide.files.is_empty() && guide.rules.len() >= 3 && guide.pitfalls.len() >= 3, "{name}");
        for row in [guide.systems, guide.written, guide.shown] {
            assert!(!row.contains('|') && !row.ends_with('.'), "{name}: {row}");
        }
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        assert!(bytes <= MOST_BYTES, "{name}: {bytes} bytes of text");
    }
}

#[test]
fn every_system_has_its_page() {
    let mut pages = BTreeSet::from(["README.md".to_owned()]);
    for backend in backend::ALL {
        let name = format!("{}.md", backend.name());
        is(&format!("docs/systems/{name}"), &page(*backend));
        pages.insert(name);
    }
    is("docs/systems/README.md", &index());
    let found: BTreeSet<String> = fs::read_dir(at("docs/systems"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, pages);
}

#[test]
fn the_table_of_the_readme_is_theirs() {
    let readme = fs::read_to_string(at("README.md")).unwrap();
    let (before, rest) = readme.split_once(HEADING).expect("the table of the systems");
    let end = rest.find("\n\n").unwrap();
    is("README.md", &format!("{before}{}{}", table("docs/systems/"), &rest[end..]));
}

/// The table of the systems, without its last line end; pages are in `dir`.
fn table(dir: &str) -> String {
    let mut table = format!("{HEADING}\n|---|---|---|---|");
    for name in ORDER {
        let guide = backend::by_name(name).unwrap().guide();
        write!(table, "\n| [`{name}`]({dir}{name}.md) | {} | {} | {} |", guide.systems, guide.written, guide.shown)
            .unwrap();
    }
    table
}

/// As people ask: Linux first.
const ORDER: [&str; 17] = [
    "ifupdown",
    "ifupdown2",
    "ifupdown-ng",
    "busybox",
    "netplan",
    "networkd",
    "networkmanager",
    "ifcfg",
    "wicked",
    "netifrc",
    "cpanel",
    "freebsd",
    "openbsd",
    "netbsd",
    "solaris",
    "ipadm",
    "netsh",
];

#[test]
fn the_table_has_every_backend_once() {
    let known: BTreeSet<&str> = backend::ALL.iter().map(|backend| backend.name()).collect();
    assert_eq!(ORDER.len(), known.len());
    assert_eq!(BTreeSet::from(ORDER), known);
}

/// Links within the project, and files that are named as a proof.
#[test]
fn what_the_documents_name_is_there() {
    let mut documents = vec![at("README.md"), at("CONTRIBUTING.md")];
    for dir in ["docs", "docs/systems"] {
        let files = fs::read_dir(at(dir)).unwrap().map(|entry| entry.unwrap().path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let mut named = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
        let links = links.map(|link| document.parent().unwrap().join(link));
        let proofs = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_whitespace().next());
        let proofs = proofs.filter(|word| word.starts_with("fixtures/") || word.starts_with("tests/"));
        let proofs = proofs.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || "/._-".contains(c))).map(at);
        for path in links.chain(proofs) {
            assert!(path.exists(), "{} names {}", document.display(), path.display());
            named += 1;
        }
    }
    assert!(named > 80, "{named} are named");
}

const MADE: &str =
    "<!-- Made from the guides in src/backend by `IPALIAS_BLESS=1 cargo test --test guides`; edit those. -->\n";

fn index() -> String {
    format!(
        "{MADE}\n# An additional IP address, system by system\n\n\
         Each page says which file counts, what is written there and why, how it takes effect, how to do it and take it back by\n\
         hand, and what breaks. `ipalias explain` prints the same for the host it runs on, with the diff for that host;\n\
         `ipalias explain NAME` for a system that is elsewhere.\n\n{}\n\n\
         What the words of the last column mean stands in the [README](../../README.md#systems).\n",
        table("")
    )
}

fn page(backend: &dyn Backend) -> String {
    let (name, guide) = (backend.name(), backend.guide());
    let example = example(backend);
    let bare = |address: &String| address.split('/').next().unwrap().to_owned();
    let address = example.addresses.iter().map(bare).collect::<Vec<_>>().join(" ");
    let mut page = format!("{MADE}\n# {}: an additional IP address\n\n", guide.title);
    let mut line = |text: &str| page.push_str(&format!("{text}\n"));
    line(&format!("- Systems: {}.", guide.systems));
    line(&format!("- Written: {}.", guide.written));
    line(&format!("- Chosen by itself, or with `--backend {name}`."));
    line("\n## With ipalias\n\n```sh");
    for (command, what) in [
        (format!("--dry-run add {address}"), "what would change, and which command would be run"),
        (format!("add {address}"), "written, up, and verified"),
        (format!("remove {address}"), "out of the file, and off the interface"),
        ("rollback".to_owned(), "or: take the last change back, whatever it was"),
        (format!("explain {address}"), "this page, for this host"),
    ] {
        line(&format!("ipalias {command:<30}# {what}"));
    }
    line(&format!("```\n\nWhat changes, on [a host](../../fixtures/{name}/{}/before) of this kind:\n", guide.case));
    line(&format!("```diff\n{}```", example.diff));
    let six = explained(backend, &["2001:db8::5"]);
    match &six.refused {
        Some(reason) => line(&format!("\nIPv6 is refused there: {reason}.")),
        None => line(&format!("\nAnd for IPv6:\n\n```diff\n{}```", six.diff)),
    }
    line("\n## By hand\n");
    example.by_hand.iter().enumerate().for_each(|(at, step)| line(&format!("{}. {step}", at + 1)));
    line("\nAnd to take it back:\n");
    example.undo.iter().enumerate().for_each(|(at, step)| line(&format!("{}. {step}", at + 1)));
    line("\n## Which files count\n");
    guide.files.iter().for_each(|file| line(&format!("- {file}")));
    line("\n## Why it is written so\n");
    guide.rules.iter().for_each(|Rule { rule, source }| line(&format!("- {rule} *({source})*")));
    line("\n## How it takes effect\n");
    let commands = |all: &[String]| all.iter().map(|step| format!("`{step}`")).collect::<Vec<_>>().join(", ");
    line(&format!("- `--apply auto`, the default: {} On the host above: {}.", guide.auto, commands(&example.auto)));
    let restart = match &example.restart_refused {
        Some(reason) => format!("refused, since {reason}"),
        None => commands(&example.restart),
    };
    line(&format!("- `--apply restart`: {} On the host above: {restart}.", guide.restart));
    line(&format!("\n## At boot\n\n{}", guide.boot));
    line("\n## What to watch out for\n");
    example.notes.iter().for_each(|note| line(&format!("- {note}.")));
    guide.pitfalls.iter().for_each(|pitfall| line(&format!("- {pitfall}")));
    line("\n## From rescue mode\n");
    match guide.only_running {
        Some(reason) => line(&format!("Not possible: {reason}.")),
        None => line(&format!(
            "From any system that runs ipalias and can write that disk:\n\n```sh\nmount DEVICE /mnt\n\
             ipalias --root /mnt add {address}\nipalias --root /mnt rollback\n```\n\n\
             Files only; the address comes up at the next boot."
        )),
    }
    line(&format!("\n## How far this was tested\n\n{}.", guide.shown));
    page
}
