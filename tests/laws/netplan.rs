//! Laws of the netplan backend on random YAML: plausible files, nasty lines, every line end, block and flow. What they say is
//! asked of a second parser, too, which has nothing in common with the first.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use ipalias::alias::{Alias, IfName, Label, parse_address};
use ipalias::backend::{Backend, Entry, Role, Situation, netplan::Netplan};
use ipalias::plan::Plan;
use ipalias::proof::{Goal, prove};
use ipalias::root::{Root, RootPath};
use ipalias::syntax::yaml::{self, Node, Value};
use ipalias::text::Text;
use proptest::prelude::*;
use saphyr_parser::{Event, Parser};

use crate::support::laws::{check, empty, missing, refused, show};

/// A value, whatever it is written like.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl Tree {
    fn of(node: &Node) -> Tree {
        match &node.value {
            Value::Scalar(text, _) => Tree::Text(text.clone()),
            Value::Sequence { items, .. } => Tree::List(items.iter().map(Tree::of).collect()),
            Value::Mapping { pairs, .. } => {
                Tree::Map(pairs.iter().map(|(key, value)| (Tree::of(key), Tree::of(value))).collect())
            }
        }
    }

    /// How often each address stands in it, wherever.
    fn addresses(&self, found: &mut BTreeMap<String, i64>) {
        match self {
            Tree::Text(text) => {
                if let Some(net) = text.parse::<ipnet::IpNet>().ok().filter(|_| text.contains('/')) {
                    *found.entry(net.to_string()).or_default() += 1;
                }
            }
            Tree::List(items) => items.iter().for_each(|item| item.addresses(found)),
            Tree::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                key.addresses(found);
                value.addresses(found);
            }),
        }
    }
}

/// The first document as ipalias reads it.
fn first(bytes: &[u8]) -> Option<Tree> {
    yaml::parse(&Text::new(bytes)).ok()?.root.as_ref().map(Tree::of)
}

/// The first document as a parser of YAML 1.2 loads it; nothing if it fails, as it does on some that libyaml takes.
/// `Some(None)` is an empty one.
fn second(bytes: &[u8]) -> Option<Option<Tree>> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()?;
    let mut open: Vec<(usize, bool, Vec<Tree>)> = Vec::new();
    let mut anchors: BTreeMap<usize, Tree> = BTreeMap::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (done, anchor) = match event.ok()?.0 {
            Event::StreamEnd | Event::DocumentEnd => return Some(root),
            Event::Scalar(value, _, anchor, _) => (Tree::Text(value.into_owned()), anchor),
            Event::Alias(anchor) => (anchors.get(&anchor)?.clone(), 0),
            Event::SequenceStart(anchor, _) => {
                open.push((anchor, false, Vec::new()));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push((anchor, true, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, is_mapping, items) = open.pop()?;
                let pairs = || items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
                (if is_mapping { Tree::Map(pairs()) } else { Tree::List(items.clone()) }, anchor)
            }
            _ => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, done.clone());
        }
        match open.last_mut() {
            Some((_, _, items)) => items.push(done),
            None => root = Some(done),
        }
    }
    Some(root)
}

const LINES: &[&str] = &[
    "addresses:",
    "addresses: []",
    "addresses: [192.0.2.10/24]",
    "addresses: [192.0.2.11/24, \"2001:db8::11/64\",]",
    "addresses: [203.0.113.5/32, 203.0.113.6/32]  # two",
    "addresses: [",
    "  192.0.2.12/24,  # first",
    "  \"203.0.113.7/32\",",
    "  203.0.113.8/32",
    "]",
    "- 192.0.2.10/24",
    "- 192.0.2.10/24   # main",
    "-   203.0.113.5/32",
    "- \"2001:db8::5/128\"",
    "- '203.0.113.6/32'",
    "- 203.0.113.5/32: {label: \"eth0:1\"}",
    "- \"2001:db8::6/128\": {lifetime: 0}",
    "- 203.0.113.9/32:",
    "    label: eth0:9",
    "- 2001:db8::7/64",
    "- [::7/128]",
    "- ::7/128",
    "- 203.0.113.6",
    "- 203.0.113.6/33",
    "- &x 203.0.113.8/32",
    "- *x",
    "- !!str 203.0.113.8/32",
    "- |",
    "-",
    "- ~",
    "dhcp4: true",
    "dhcp4: no # static",
    "gateway4: 192.0.2.1",
    "routes: [{to: default, via: 192.0.2.1}]",
    "routes:",
    "- to: default",
    "  via: 192.0.2.1",
    "match: {name: eth0}",
    "set-name: eth0",
    "renderer: networkd",
    "renderer: NetworkManager",
    "nameservers: {addresses: [192.0.2.53]}",
    "mtu: 1500",
    "optional: true",
    "<<: *x",
    "unknown: 1",
    "eth1: {dhcp4: true}",
    "eth0: {addresses: [203.0.113.8/32], mtu: 1400}",
    "",
    "",
    " ",
    "\t",
    "# comment",
    "  # comment: x",
    "---",
    "...",
    "%YAML 1.1",
    "key: \"a",
    "b\"",
    "key:\tvalue",
    "? a",
    ": b",
    "{a: b}",
    "\u{e9}t\u{e9}: caf\u{e9}",
    "a: b: c",
    "a:b",
    "{a:b}",
    "[a:b, c: d]",
    "- - a",
    "@a",
    "`a",
    "a: 'it''s'",
    "a: \"\\x41\\u263a\"",
    "a: - b",
    "a: #b",
    "a: b#c",
    "a: >-",
    "  folded",
    "a: {b: [c, {d: e}], f}",
    "a: [b, , c]",
    "\"a\":b",
    "{\"a\":b, 'c':d}",
    "a: \u{2028}b",
    "a: !x b",
    "a: ! b",
    "&a a: *a",
    "*a : b",
    "a: -b",
    "a: ?b",
    "a: :b",
    "[?x, -y, :z]",
    "{? a : b}",
    "a: [\n#c\n]",
    "a: \"x\n\n  y\"",
    "a: x\n  y",
    "a: ]",
    "a: [}",
];

const ENDS: &[&str] = &["\n", "\n", "\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r", " \n", "\u{85}"];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        60 => prop::sample::select(LINES).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        3 => "[-a:,#&*!|>'\"%@{}\\[\\]? \t]{0,8}".prop_map(String::into_bytes),
    ];
    let indent = prop_oneof![6 => Just(6), 2 => Just(8), 1 => 0_usize..12];
    let lines = prop::collection::vec((indent, line, prop::sample::select(ENDS)), 0..12);
    let crlf = prop_oneof![4 => Just(false), 1 => Just(true)];
    const HEADS: &[&str] = &[
        "network:\n  version: 2\n  ethernets:\n    eth0:\n",
        "network:\n  version: 2\n  ethernets:\n    eth0:\n      gateway4: 192.0.2.1\n",
        "network:\n  ethernets:\n    eth1: &x {dhcp4: true}\n    eth0:\n",
        "\u{feff}network:\n  ethernets:\n    eth0:\n",
        "",
        "---\nnetwork:\n  renderer: networkd\n  ethernets:\n    eth0:\n",
    ];
    (prop::sample::select(HEADS), lines, crlf, any::<bool>()).prop_map(|(head, lines, crlf, open)| {
        let end = |end: &'static str| if crlf && end == "\n" { "\r\n" } else { end };
        let mut bytes = head.replace('\n', end("\n")).into_bytes();
        for (indent, line, at) in &lines {
            bytes.extend(std::iter::repeat_n(b' ', if line.starts_with(b"\t") { 0 } else { *indent }));
            bytes.extend(line);
            bytes.extend(end(at).as_bytes());
        }
        if open && !lines.is_empty() {
            while bytes.last().is_some_and(u8::is_ascii_whitespace) {
                bytes.pop();
            }
        }
        bytes
    })
}

/// A file that netplan takes, in one of many styles.
fn tidy() -> impl Strategy<Value = Vec<u8>> {
    const ITEMS: &[&str] = &[
        "192.0.2.10/24",
        "203.0.113.5/32",
        "203.0.113.5/24",
        "'203.0.113.6/32'",
        "\"203.0.113.7/32\"",
        "\"2001:db8::10/64\"",
        "2001:DB8:0::5/128",
        "\"2001:db8::6/128\"",
        "203.0.113.8/32: {label: \"eth0:1\"}",
        "203.0.113.9/32: {label: sixteen-bytes-xxx}",
        "\"2001:db8::7/128\": {lifetime: 0}",
        "203.0.113.12/32: {}",
    ];
    const KEYS: &[&str] =
        &["dhcp4: true", "gateway4: 192.0.2.1", "mtu: 1500", "optional: yes", "nameservers: {search: [a, b]}"];
    const NOISE: &[&str] = &["", "", "", "# comment", "  # - 203.0.113.5/32", "#", " "];
    let items = prop::collection::vec((prop::sample::select(ITEMS), prop::sample::select(NOISE)), 0..5);
    let keys = prop::collection::vec(prop::sample::select(KEYS), 0..3);
    let parts = (items, keys, 0_usize..8, 1_usize..5, 0_usize..4, any::<bool>());
    let after = prop::sample::select(&["", "    eth1: {dhcp4: true}\n", "\n\n# end\n", "  bridges: {}\n"][..]);
    (parts, after, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |((items, keys, style, gap, dash, first), after, crlf, bom, open)| {
            let pad = " ".repeat(gap);
            let mut list = String::new();
            let flow = |item: &str| if item.contains(": {") { format!("{{{item}}}") } else { item.to_owned() };
            if items.is_empty() {
                list.push_str(["addresses: []\n", "addresses: [ ]\n", "addresses: [\n      ]\n", ""][dash]);
            } else if style < 4 {
                list.push_str("addresses:\n");
                for (item, noise) in &items {
                    if !noise.is_empty() {
                        list.push_str(&format!("{noise}\n"));
                    }
                    list.push_str(&format!("{}-{pad}{item}\n", " ".repeat(6 + dash)));
                }
            } else {
                let breaks = style > 5;
                list.push_str("addresses: [");
                for (at, (item, noise)) in items.iter().enumerate() {
                    if breaks {
                        list.push_str(&format!("{}\n        ", if noise.starts_with('#') { " # x" } else { "" }));
                    }
                    let comma = if at + 1 < items.len() || style % 2 == 1 { "," } else { "" };
                    list.push_str(&format!("{}{comma}{}", flow(item), if breaks { "" } else { " " }));
                }
                list.push_str(if breaks && dash > 1 { "\n      ]\n" } else { "]\n" });
            }
            let rest: String = keys.iter().map(|key| format!("      {key}\n")).collect();
            let list = if list.is_empty() { list } else { format!("      {list}") };
            let body = if first { [list, rest].concat() } else { [rest, list].concat() };
            let mut text = if body.is_empty() {
                format!("network:\n  ethernets:\n    eth0: {{}}\n{after}")
            } else {
                format!("network:\n  version: 2\n  ethernets:\n    eth0:\n{body}{after}")
            };
            if open {
                text.truncate(text.trim_end().len());
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            [if bom { "\u{feff}" } else { "" }, &text].concat().into_bytes()
        },
    )
}

fn aliases() -> impl Strategy<Value = Vec<Alias>> {
    const ADDRESSES: &[&str] = &[
        "203.0.113.5",
        "203.0.113.6",
        "203.0.113.20",
        "203.0.113.21/29",
        "2001:db8::5",
        "2001:db8::20",
        "2001:db8::21/64",
    ];
    let label = prop_oneof![3 => Just(None), 1 => Just(Some(Label::new("eth0:7").unwrap()))];
    let one = (prop::sample::select(ADDRESSES), label, any::<bool>()).prop_map(|(address, label, preferred)| {
        let address = parse_address(address).unwrap();
        let label = label.filter(|_| address.addr().is_ipv4());
        Alias { interface: IfName::new("eth0").unwrap(), address, label, preferred }
    });
    prop::collection::vec(one, 1..4).prop_map(|mut aliases| {
        let mut seen = BTreeSet::new();
        aliases.retain(|alias| seen.insert(alias.address.addr()));
        aliases
    })
}

#[derive(Clone)]
struct Case {
    files: Vec<(&'static str, Vec<u8>)>,
    want: Vec<Alias>,
    in_place: bool,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, bytes) in &self.files {
            writeln!(f, "{name} {}\n{}", bytes.escape_ascii(), String::from_utf8_lossy(bytes))?;
        }
        for alias in &self.want {
            writeln!(f, "want {} {:?} {} {}", alias.address, alias.label, alias.preferred, self.in_place)?;
        }
        Ok(())
    }
}

fn case() -> impl Strategy<Value = Case> {
    const NAMES: &[&str] = &[
        "etc/netplan/01-netcfg.yaml",
        "etc/netplan/netplan.yaml",
        "run/netplan/50-x.yaml",
        "etc/netplan/99-ipalias.yaml",
    ];
    let file = prop_oneof![4 => tidy(), 1 => soup()];
    let second = prop_oneof![2 => Just(None), 1 => tidy().prop_map(Some)];
    let all = (prop::sample::select(NAMES), file, prop::sample::select(NAMES), second, aliases(), any::<bool>());
    all.prop_map(|(name, file, other, second, want, in_place)| {
        let mut files = vec![(name, file)];
        files.extend(second.filter(|_| name != other).map(|bytes| (other, bytes)));
        Case { files, want, in_place }
    })
}

fn root(empty: &Root, case: &Case) -> Root {
    let generator = ("/usr/libexec/netplan/generate".into(), Some(b"ELF".to_vec()), 0o755);
    let files = case.files.iter().map(|(name, bytes)| (RootPath::from(*name), Some(bytes.clone()), 0o600));
    empty.with_planned(files.chain([generator]))
}

/// Every scalar stands where its span says, and nothing reaches into its neighbour.
fn spans(text: &Text, node: &Node, within: &std::ops::Range<usize>) {
    // The span of what has an anchor or a tag begins with that.
    if node.aliased || node.anchored || node.tagged {
        return;
    }
    let span = &node.span;
    assert!(within.start <= span.start && span.end <= within.end, "{span:?} of {within:?}: {node:?}");
    let slice = std::str::from_utf8(&text.bytes()[span.clone()]).unwrap();
    match &node.value {
        Value::Scalar(value, yaml::Style::Plain) if !slice.contains('\n') => assert_eq!(value, slice),
        Value::Scalar(_, yaml::Style::Single) => assert!(slice.starts_with('\'') && slice.ends_with('\''), "{slice}"),
        Value::Scalar(_, yaml::Style::Double) => assert!(slice.starts_with('"') && slice.ends_with('"'), "{slice}"),
        Value::Sequence { flow: true, .. } => assert!(slice.starts_with('[') && slice.ends_with(']'), "{slice}"),
        Value::Mapping { flow: true, .. } => assert!(slice.starts_with('{') && slice.ends_with('}'), "{slice}"),
        _ => {}
    }
    let below: Vec<&Node> = match &node.value {
        Value::Scalar(..) => Vec::new(),
        Value::Sequence { items, .. } => items.iter().collect(),
        Value::Mapping { pairs, .. } => pairs.iter().flat_map(|(key, value)| [key, value]).collect(),
    };
    let mut at = if matches!(node.value, Value::Mapping { .. }) { span.start } else { within.start };
    for node in below {
        spans(text, node, &(at..span.end));
        at = node.span.end;
    }
}

#[test]
fn reading_never_fails_and_every_span_is_exact() {
    check(4, prop_oneof![3 => soup(), 1 => tidy()], |bytes: &Vec<u8>| {
        let text = Text::new(bytes.clone());
        let Ok(document) = yaml::parse(&text) else { return false };
        if let Some(root) = &document.root {
            spans(&text, root, &(text.bom_len()..bytes.len()));
        }
        true
    });
}

#[test]
fn another_parser_reads_the_same() {
    check(2, tidy(), |bytes: &Vec<u8>| {
        let document = yaml::parse(&Text::new(bytes.clone())).unwrap();
        let Some(other) = second(bytes) else { return false };
        assert_eq!(document.root.as_ref().map(Tree::of), other, "{}", String::from_utf8_lossy(bytes));
        true
    });
}

fn entries(root: &Root) -> Vec<Entry> {
    Netplan.entries(root).unwrap()
}

/// How often each address stands in the files, by the second parser, if it takes them.
fn seen(root: &Root, case: &Case, plan: &Plan) -> Option<BTreeMap<String, i64>> {
    let mut found = BTreeMap::new();
    let known = case.files.iter().map(|(name, _)| RootPath::from(*name));
    let all: BTreeSet<RootPath> = known.chain(plan.changes.iter().map(|change| change.path.clone())).collect();
    for path in all {
        if let Some(bytes) = root.read(&path).unwrap() {
            second(&bytes)?.iter().for_each(|tree| tree.addresses(&mut found));
        }
    }
    Some(found)
}

/// What of `after` is more (or less) than in `before`.
fn difference(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let count = |of: &BTreeMap<String, i64>, key: &String| of.get(key).copied().unwrap_or_default();
    keys.into_iter()
        .map(|key| (key.clone(), count(after, key) - count(before, key)))
        .filter(|(_, count)| *count != 0)
        .collect()
}

#[test]
fn what_is_added_is_one_item_more_and_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let empty = empty(dir.path());
    check(4, case(), |case: &Case| {
        let root = root(&empty, case);
        Netplan.detect(&root).unwrap();
        let old = entries(&root);
        let want = missing(case.want.clone(), &old);
        let now = Situation { in_place: case.in_place, ..Situation::default() };
        let Some(plan) = refused(Netplan.add(&root, &want, &now)).filter(|_| !want.is_empty()) else { return false };
        prove(&Netplan, &root, &old, &plan, Goal::Present(&want))
            .unwrap_or_else(|error| panic!("{error}\n{}", show(&plan)));
        let over = plan.overlay(&root);
        if let Some(before) = seen(&root, case, &plan) {
            let after = seen(&over, case, &plan).unwrap_or_else(|| panic!("the second parser fails\n{}", show(&plan)));
            let wanted = want.iter().map(|alias| (alias.address.to_string(), 1)).collect();
            assert_eq!(difference(&before, &after), wanted, "{}", show(&plan));
        }
        for change in &plan.changes {
            let Some(before) = &change.before else { continue };
            is_insertion(before, change.after.as_deref().unwrap_or_default());
        }
        let new = entries(&over);
        let is_wanted = |entry: &&Entry| want.iter().any(|alias| alias.address.addr() == entry.address.addr());
        let gone: Vec<Entry> = new.iter().filter(is_wanted).cloned().collect();
        let Some(back) = refused(Netplan.remove(&over, &gone)) else { panic!("not taken back\n{}", show(&plan)) };
        prove(&Netplan, &over, &new, &back, Goal::Gone(&gone)).unwrap();
        let undone = back.overlay(&over);
        for change in &plan.changes {
            let after = undone.read(&change.path).unwrap();
            let had_empty = change.before.as_ref().is_some_and(|bytes| has_empty_list(bytes));
            if after != change.before && !had_empty && !is_own_without_addresses(change) {
                panic!("{}\nback {:?}", show(&plan), after.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        true
    });
}

/// Nothing of `before` is missing in `after`, and the rest stands in at most two places.
fn is_insertion(before: &[u8], after: &[u8]) {
    let mut at = 0;
    let mut gaps = 0;
    let mut gap = false;
    for byte in after {
        if before.get(at) == Some(byte) {
            at += 1;
            gap = false;
        } else {
            gaps += usize::from(!gap);
            gap = true;
        }
    }
    assert_eq!(at, before.len(), "{}\n{}", before.escape_ascii(), after.escape_ascii());
    let _ = gaps;
}

/// Whether a list without items is in it: that goes with its key once it has been filled and emptied again.
fn has_empty_list(bytes: &[u8]) -> bool {
    fn empty(tree: &Tree) -> bool {
        match tree {
            Tree::Text(_) => false,
            Tree::List(items) => items.is_empty() || items.iter().any(empty),
            Tree::Map(pairs) => pairs.iter().any(|(_, value)| empty(value)),
        }
    }
    first(bytes).is_some_and(|tree| empty(&tree))
}

/// Whether an own file had no address: it goes with its last one.
fn is_own_without_addresses(change: &ipalias::plan::Change) -> bool {
    let mut found = BTreeMap::new();
    if let Some(tree) = change.before.as_deref().and_then(first) {
        tree.addresses(&mut found);
    }
    change.path.to_string().ends_with("-ipalias.yaml") && found.is_empty()
}

#[test]
fn every_address_can_be_removed_and_nothing_else_goes() {
    let dir = tempfile::tempdir().unwrap();
    let empty = empty(dir.path());
    check(4, case(), |case: &Case| {
        let root = root(&empty, case);
        let old = entries(&root);
        let primary: BTreeSet<_> =
            old.iter().filter(|entry| entry.role == Role::Primary).map(|entry| entry.address.addr()).collect();
        let addresses: BTreeSet<_> = old.iter().map(|entry| entry.address.addr()).collect();
        let mut told = false;
        for address in addresses.difference(&primary) {
            let gone: Vec<Entry> = old.iter().filter(|entry| entry.address.addr() == *address).cloned().collect();
            let Some(plan) = refused(Netplan.remove(&root, &gone)) else { continue };
            prove(&Netplan, &root, &old, &plan, Goal::Gone(&gone)).unwrap_or_else(|error| {
                panic!("removing {address}: {error}\n{old:#?}\n{}", show(&plan));
            });
            let over = plan.overlay(&root);
            let counts = seen(&root, case, &plan).zip(seen(&over, case, &plan));
            let mut expected: BTreeMap<String, i64> = BTreeMap::new();
            gone.iter().for_each(|entry| *expected.entry(entry.address.to_string()).or_default() += 1);
            if let Some((before, after)) =
                counts.filter(|_| !plan.notes.iter().any(|note| note.contains("stays there")))
            {
                assert_eq!(difference(&after, &before), expected, "removing {address}\n{}", show(&plan));
            }
            for change in plan.changes.iter().filter(|change| !change.after.as_deref().is_some_and(has_empty_list)) {
                is_insertion(change.after.as_deref().unwrap_or_default(), change.before.as_deref().unwrap_or_default());
            }
            told = true;
        }
        told
    });
}
