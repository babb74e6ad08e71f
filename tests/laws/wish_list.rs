//! The laws of lists: both formats say the same, a file that was cut off is never a shorter wish, and nothing panics.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipalias::alias::parse_address;
use ipalias::wish_list::{List, WishList};
use proptest::prelude::*;

use crate::support::laws::check;

/// One item: its address, whether the prefix is written, a label, and whether it is preferred.
#[derive(Debug, Clone)]
struct Item {
    address: String,
    label: Option<String>,
    preferred: bool,
}

/// By interface, that of the default interface first if there is one.
type Wanted = Vec<(Option<String>, Vec<Item>)>;

fn item() -> impl Strategy<Value = Item> {
    let v4 = (any::<u32>(), prop::option::of(24..=32u8)).prop_map(|(bits, prefix)| {
        let ip = Ipv4Addr::from(0x0a00_0000 | bits & 0x00ff_ffff);
        prefix.map_or_else(|| ip.to_string(), |prefix| format!("{ip}/{prefix}"))
    });
    let v6 = any::<u64>().prop_map(|bits| Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(bits)).to_string());
    (prop_oneof![3 => v4, 1 => v6], prop::option::weighted(0.2, "[a-z][a-z0-9:]{0,8}"), prop::bool::weighted(0.2))
        .prop_map(|(address, label, preferred)| Item { address, label, preferred })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let items = || prop::collection::vec(item(), 0..6);
    let named = prop::collection::btree_map("[a-z][a-z0-9]{0,5}", items(), 0..3);
    let all = (prop::option::weighted(0.8, items()), named).prop_map(|(default, named)| {
        let default = default.into_iter().map(|items| (None, items));
        default.chain(named.into_iter().map(|(name, items)| (Some(name), items))).collect()
    });
    all.prop_filter("a list at least", |all: &Wanted| !all.is_empty())
}

fn toml(wanted: &Wanted) -> String {
    let item = |item: &Item| match (&item.label, item.preferred) {
        (None, false) => format!("  {:?},\n", item.address),
        (label, preferred) => {
            let label = label.as_ref().map(|label| format!(", label = {label:?}")).unwrap_or_default();
            format!("  {{ address = {:?}{label}, preferred = {preferred} }},\n", item.address)
        }
    };
    let list = |(name, items): &(Option<String>, Vec<Item>)| {
        let heading = name.as_ref().map(|name| format!("\n[interfaces.{name}]\n")).unwrap_or_default();
        format!("{heading}addresses = [\n{}]\n", items.iter().map(item).collect::<String>())
    };
    format!("# list\nversion = 1\n{}", wanted.iter().map(list).collect::<String>())
}

fn json(wanted: &Wanted) -> String {
    let item = |item: &Item| match (&item.label, item.preferred) {
        (None, false) => serde_json::json!(item.address),
        (None, preferred) => serde_json::json!({ "address": item.address, "preferred": preferred }),
        (label, preferred) => serde_json::json!({ "preferred": preferred, "address": item.address, "label": label }),
    };
    let items = |items: &[Item]| serde_json::Value::from(items.iter().map(item).collect::<Vec<_>>());
    let mut document = serde_json::json!({ "version": 1 });
    for (name, list) in wanted {
        match name {
            None => document["addresses"] = items(list),
            Some(name) => document["interfaces"][name.as_str()] = serde_json::json!({ "addresses": items(list) }),
        }
    }
    serde_json::to_string_pretty(&document).unwrap()
}

fn without_lines(mut list: WishList) -> Vec<List> {
    list.lists.iter_mut().flat_map(|list| &mut list.wishes).for_each(|wish| wish.line = None);
    list.lists
}

#[test]
fn both_formats_say_what_is_wanted() {
    check(2, wanted(), |wanted| {
        let found = WishList::parse("x.toml", toml(wanted).as_bytes());
        let again = WishList::parse("x.json", json(wanted).as_bytes());
        let (Ok(found), Ok(again)) = (found.clone(), again.clone()) else {
            assert_eq!(found.is_err(), again.is_err(), "{}", toml(wanted));
            return false;
        };
        let lines = toml(wanted);
        for wish in found.lists.iter().flat_map(|list| &list.wishes) {
            let line = lines.lines().nth(wish.line.unwrap() - 1).unwrap();
            assert!(line.contains(&wish.address.addr().to_string()), "{line:?} has {}", wish.address);
        }
        let found = without_lines(found);
        assert_eq!(found, without_lines(again));
        for ((name, items), list) in wanted.iter().zip(&found) {
            assert_eq!(*name, list.interface.as_ref().map(ToString::to_string));
            assert!(items.iter().all(|item| {
                let net = parse_address(&item.address).unwrap();
                list.wishes.iter().any(|wish| wish.address == net && wish.preferred == item.preferred)
            }));
            assert!(list.wishes.len() <= items.len());
        }
        true
    });
}

/// What writes a list may be killed, and a disk may be full.
#[test]
fn a_list_that_was_cut_off_is_no_shorter_one() {
    check(2, (wanted(), any::<prop::sample::Index>()), |(wanted, at)| {
        for (name, text) in [("x.toml", toml(wanted)), ("x.json", json(wanted))] {
            let Ok(whole) = WishList::parse(name, text.as_bytes()) else { return false };
            let cut = &text.as_bytes()[..at.index(text.len())];
            if let Ok(rest) = WishList::parse(name, cut) {
                let is_whole = |list: &List| whole.lists.contains(list);
                assert!(rest.lists.iter().all(is_whole), "{}", String::from_utf8_lossy(cut));
            }
        }
        true
    });
}

#[test]
fn whatever_stands_there_is_taken_or_refused() {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4);
    check(2, (wanted(), edits, any::<bool>()), |(wanted, edits, is_json)| {
        let mut bytes = if *is_json { json(wanted) } else { toml(wanted) }.into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = *byte,
                1 => bytes.insert(at, *byte),
                _ => drop(bytes.remove(at)),
            }
        }
        match WishList::parse("-", &bytes) {
            Ok(list) => assert!(!list.lists.is_empty()),
            Err(refusal) => {
                assert!(refusal.reason.starts_with("-:") && !refusal.hint.is_empty(), "{refusal:?}");
                assert!(!refusal.reason.contains('\n'), "{refusal:?}");
            }
        }
        true
    });
}
