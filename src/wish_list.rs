//! The file of `ipalias sync`: which additional addresses a host is to have, interface by interface, in TOML or JSON.
//!
//! ```toml
//! version = 1
//! addresses = ["203.0.113.5", "203.0.113.8-203.0.113.11", { block = "203.0.113.16/28" }]
//!
//! [interfaces.eth1]
//! addresses = [{ address = "198.51.100.7/24", label = "eth1:web" }, { address = "2001:db8::5", preferred = true }]
//! ```
//!
//! Each interface has one list and nothing beside it, so that a file that was cut off is a broken file or one that says
//! nothing of an interface, never a shorter wish. An empty list has to be written; a missing one means nothing.
//! Leaves out what the host has: see `command::sync`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};

use crate::alias::{self, IfName, Label};
use crate::error::{Kind, Refusal};

/// The version of the format.
pub const VERSION: u64 = 1;

/// How a list looks, for hints.
const EXAMPLE: &str = "for example: version = 1, and below it: addresses = [\"203.0.113.5\", \"2001:db8::5\"]";

/// What a host is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WishList {
    /// The file, as it was named.
    pub name: String,
    /// The lists, each for another interface; that of the default interface comes first.
    pub lists: Vec<List>,
}

/// What one interface is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The interface; nothing for that of `-i`, or of the default route.
    pub interface: Option<IfName>,
    /// The addresses, each once.
    pub wishes: Vec<Wish>,
}

/// One address of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The address; with a host prefix if none was written.
    pub address: IpNet,
    /// Whether the prefix was written: then no other one will do.
    pub has_prefix: bool,
    /// Its label, if it has to have this one.
    pub label: Option<Label>,
    /// Whether an IPv6 address may be the source of outgoing connections.
    pub preferred: bool,
    /// The line it stands in, from 1, where that can be told.
    pub line: Option<usize>,
}

impl WishList {
    /// Reads the `bytes` of the file `name`: JSON or TOML by its extension, else by its first character.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<WishList, Refusal> {
        let source = Source::new(name, bytes)?;
        let file: File<'_> = if source.is_json() { source.json() } else { source.toml() }?;
        let mut lists = Vec::new();
        if let Some(items) = file.addresses {
            lists.push(List { interface: None, wishes: source.wishes(items)? });
        }
        for (name, of) in file.interfaces.0 {
            let interface = IfName::new(&name).map_err(|refusal| source.blame(refusal, None))?;
            lists.push(List { interface: Some(interface), wishes: source.wishes(of.addresses)? });
        }
        if lists.is_empty() {
            let hint = "write addresses = [] if there are to be none";
            return Err(source.refuse(None, "it has no list of addresses", hint));
        }
        if lists.iter().map(|list| list.wishes.len()).sum::<usize>() > alias::MOST_ADDRESSES {
            let reason = format!("it has more than {} addresses", alias::MOST_ADDRESSES);
            return Err(source.refuse(None, &reason, "a host with that many is more than ipalias is made for"));
        }
        let mut list = WishList { name: name.to_owned(), lists };
        list.without_repetitions(&source)?;
        Ok(list)
    }

    /// `FILE:LINE` of a wish, for messages.
    pub fn place(&self, wish: &Wish) -> String {
        place(&self.name, wish.line)
    }

    /// Leaves each address once; refuses one that is named in two ways.
    fn without_repetitions(&mut self, source: &Source<'_>) -> Result<(), Refusal> {
        let mut seen: BTreeMap<IpAddr, (usize, Wish)> = BTreeMap::new();
        for (number, list) in self.lists.iter_mut().enumerate() {
            let mut once = Vec::with_capacity(list.wishes.len());
            for wish in list.wishes.drain(..) {
                let ip = wish.address.addr();
                let Some((other, before)) = seen.get(&ip) else {
                    seen.insert(ip, (number, wish.clone()));
                    once.push(wish);
                    continue;
                };
                let how = match (*other == number, before.address == wish.address) {
                    (false, _) => "for two interfaces",
                    (true, false) => "with two prefixes",
                    (true, true) if (&before.label, before.preferred) != (&wish.label, wish.preferred) => {
                        "with different settings"
                    }
                    (true, true) => continue,
                };
                let earlier = before.line.map(|line| format!(" (before in line {line})")).unwrap_or_default();
                let reason = format!("{ip} stands there twice, {how}{earlier}");
                return Err(source.refuse(wish.line, &reason, "name it once"));
            }
            list.wishes = once;
        }
        Ok(())
    }
}

fn place(name: &str, line: Option<usize>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
}

/// The text of a file, to tell lines by.
struct Source<'s> {
    name: &'s str,
    text: &'s str,
}

impl<'s> Source<'s> {
    fn new(name: &'s str, bytes: &'s [u8]) -> Result<Source<'s>, Refusal> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Source { name, text: text.strip_prefix('\u{feff}').unwrap_or(text) }),
            Err(error) => {
                let lines = bytes.get(..error.valid_up_to()).unwrap_or_default().iter().filter(|b| **b == b'\n');
                let source = Source { name, text: "" };
                Err(source.refuse(Some(lines.count() + 1), "this is not UTF-8", "write the file in UTF-8"))
            }
        }
    }

    fn is_json(&self) -> bool {
        let ends = |end: &str| self.name.len() > end.len() && self.name.to_ascii_lowercase().ends_with(end);
        ends(".json") || !ends(".toml") && self.text.trim_start().starts_with('{')
    }

    fn json(&self) -> Result<File<'s>, Refusal> {
        serde_json::from_str(self.text).map_err(|error| {
            let whole = error.to_string();
            let reason = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(reason, _)| reason);
            self.refuse(Some(error.line()).filter(|line| *line > 0), reason, EXAMPLE)
        })
    }

    fn toml(&self) -> Result<File<'s>, Refusal> {
        toml::from_str(self.text).map_err(|error| {
            let line = error.span().map(|span| self.line(span.start));
            self.refuse(line, &error.message().replace('\n', ", "), EXAMPLE)
        })
    }

    /// The line of the byte at `offset`, from 1.
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
    }

    fn refuse(&self, line: Option<usize>, reason: &str, hint: &str) -> Refusal {
        self.blame(Refusal::new(Kind::Usage, reason, hint), line)
    }

    /// The same refusal, said of this file: it is no file of a root, so that its place is a part of the reason.
    fn blame(&self, refusal: Refusal, line: Option<usize>) -> Refusal {
        Refusal { reason: format!("{}: {}", place(self.name, line), refusal.reason), ..refusal }
    }

    fn wishes(&self, items: Vec<Item<'s>>) -> Result<Vec<Wish>, Refusal> {
        // Items come in the order of the file: each line is counted from the one before.
        let (mut at, mut line) = (0, 1);
        let mut all = Vec::new();
        for item in items {
            let offset = item.text.offset(self.text);
            if let Some(behind) = offset.and_then(|offset| self.text.as_bytes().get(at..offset)) {
                line += behind.iter().filter(|b| **b == b'\n').count();
                at += behind.len();
            }
            let line = offset.map(|_| line);
            let blame = |refusal| self.blame(refusal, line);
            let text = &item.text.0;
            let addresses = if item.is_block { alias::parse_block(text) } else { alias::parse_addresses(text) };
            let addresses = addresses.map_err(blame)?;
            let label = item.label.as_deref().map(Label::new).transpose().map_err(blame)?;
            if label.is_some() && addresses.len() > 1 {
                let hint = "name the addresses one by one, or leave the label out";
                return Err(self.refuse(line, "a label belongs to one address", hint));
            }
            let has_prefix = !item.is_block && text.contains('/');
            let wish = |address| Wish { address, has_prefix, label: label.clone(), preferred: item.preferred, line };
            all.extend(addresses.into_iter().map(wish));
        }
        Ok(all)
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'f> {
    #[serde(rename = "version", deserialize_with = "known_version")]
    _version: (),
    #[serde(borrow, default, deserialize_with = "written")]
    addresses: Option<Vec<Item<'f>>>,
    #[serde(borrow, default)]
    interfaces: Interfaces<'f>,
}

/// What stands below `interfaces.NAME`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfInterface<'f> {
    #[serde(borrow)]
    addresses: Vec<Item<'f>>,
}

fn known_version<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match u64::deserialize(deserializer)? {
        VERSION => Ok(()),
        other => Err(de::Error::custom(format!("version {other} of the format is not known here, only {VERSION}"))),
    }
}

/// A list that is there: `null` is none.
fn written<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Item<'de>>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// The interfaces in the order of the file. JSON lets a name stand twice, which is no wish.
#[derive(Default)]
struct Interfaces<'f>(Vec<(String, OfInterface<'f>)>);

impl<'de: 'f, 'f> Deserialize<'de> for Interfaces<'f> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName<'f>(PhantomData<&'f ()>);
        impl<'de: 'f, 'f> Visitor<'de> for ByName<'f> {
            type Value = Interfaces<'f>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of interfaces")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Interfaces<'f>, A::Error> {
                let mut all: Vec<(String, OfInterface<'f>)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if all.iter().any(|(other, _)| *other == name) {
                        return Err(de::Error::custom(format!("the interface {name} stands there twice")));
                    }
                    all.push((name, map.next_value()?));
                }
                Ok(Interfaces(all))
            }
        }
        deserializer.deserialize_map(ByName(PhantomData))
    }
}

/// An item of a list: an address or range as text, or a table.
struct Item<'f> {
    text: Text<'f>,
    is_block: bool,
    label: Option<String>,
    preferred: bool,
}

/// The table form of an item.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table<'f> {
    #[serde(borrow)]
    address: Option<Text<'f>>,
    #[serde(borrow)]
    block: Option<Text<'f>>,
    label: Option<String>,
    #[serde(default)]
    preferred: bool,
}

impl<'de: 'f, 'f> Deserialize<'de> for Item<'f> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<'f>(PhantomData<&'f ()>);
        impl<'de: 'f, 'f> Visitor<'de> for Either<'f> {
            type Value = Item<'f>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as \"203.0.113.5\", or { address = ..., label = ..., preferred = ... }")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Item<'f>, E> {
                Ok(Item { text: Text(Cow::Borrowed(text)), is_block: false, label: None, preferred: false })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Item<'f>, E> {
                Ok(Item { text: Text(Cow::Owned(text.to_owned())), is_block: false, label: None, preferred: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item<'f>, A::Error> {
                let Table { address, block, label, preferred } = Table::deserialize(MapAccessDeserializer::new(map))?;
                let (text, is_block) = match (address, block) {
                    (Some(address), None) => (address, false),
                    (None, Some(block)) => (block, true),
                    _ => return Err(de::Error::custom("an item names either an `address` or a `block`")),
                };
                Ok(Item { text, is_block, label, preferred })
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// Text that is a part of the file where nothing in it is escaped, which tells its place.
struct Text<'f>(Cow<'f, str>);

impl Text<'_> {
    fn offset(&self, source: &str) -> Option<usize> {
        match &self.0 {
            Cow::Borrowed(text) => text.as_ptr().addr().checked_sub(source.as_ptr().addr()),
            Cow::Owned(_) => None,
        }
    }
}

impl<'de: 'f, 'f> Deserialize<'de> for Text<'f> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing<'f>(PhantomData<&'f ()>);
        impl<'de: 'f, 'f> Visitor<'de> for Borrowing<'f> {
            type Value = Text<'f>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'f>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'f>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, text: &str) -> Result<WishList, Refusal> {
        WishList::parse(name, text.as_bytes())
    }

    const TOML: &str = "# web 7\nversion = 1\naddresses = [\n  \"203.0.113.5\",\n  \"203.0.113.8-203.0.113.9\",\n\n  \
                        { block = \"203.0.113.16/31\" },\n  { address = \"203.0.113.5\" },\n]\n\n[interfaces.eth1]\n\
                        addresses = [{ address = \"198.51.100.7/24\", label = \"eth1:web\" }, { address = \"2001:db8::5\", \
                        preferred = true }]\n\n[interfaces.eth2]\naddresses = []\n";

    const JSON: &str = r#"{
  "version": 1,
  "addresses": [
    "203.0.113.5", "203.0.113.8-203.0.113.9",
    { "block": "203.0.113.16/31" }],
  "interfaces": { "eth1": { "addresses": [
    { "address": "198.51.100.7/24", "label": "eth1:web" },
    { "preferred": true, "address": "2001:db8::5" }] },
    "eth2": { "addresses": [] } }
}"#;

    #[test]
    fn both_formats_say_the_same() {
        let said = |list: WishList| -> Vec<String> {
            let wish = |wish: &Wish| {
                let label = wish.label.as_ref().map(|label| format!(" {label}")).unwrap_or_default();
                let marks = [(wish.has_prefix, "!"), (wish.preferred, "+")];
                let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
                format!("{}{label}{marks}", wish.address)
            };
            let interface = |list: &List| list.interface.as_ref().map_or_else(String::new, |name| format!("{name}:"));
            let line = |list: &List| [vec![interface(list)], list.wishes.iter().map(wish).collect()].concat().join(" ");
            list.lists.iter().map(line).collect()
        };
        let expected = [
            " 203.0.113.5/32 203.0.113.8/32 203.0.113.9/32 203.0.113.16/32 203.0.113.17/32",
            "eth1: 198.51.100.7/24 eth1:web! 2001:db8::5/128+",
            "eth2:",
        ];
        for (name, text) in [("x.toml", TOML), ("x.json", JSON), ("-", TOML), ("-", JSON)] {
            assert_eq!(said(parse(name, text).unwrap()), expected, "{name}");
        }
        assert_eq!(said(parse("-", &format!("\u{feff}{JSON}")).unwrap()), expected, "a byte order mark");
    }

    #[test]
    fn lines_are_told() {
        for (name, text, lines) in [("x.toml", TOML, [4, 5, 5, 7, 7, 12, 12]), ("x.json", JSON, [4, 4, 4, 5, 5, 7, 8])]
        {
            let list = parse(name, text).unwrap();
            let found = list.lists.iter().flat_map(|list| &list.wishes).map(|wish| wish.line);
            assert_eq!(found.collect::<Vec<_>>(), lines.map(Some), "{name}");
        }
        let escaped = parse("x.json", r#"{"version": 1, "addresses": ["203\u002e0.113.5"]}"#).unwrap();
        assert_eq!(escaped.lists[0].wishes[0].line, None, "it is not in the file as it is read");
    }

    #[test]
    fn what_is_refused_has_its_place() {
        for (name, text, reason) in [
            ("x.toml", "", "x.toml:1: missing field `version`"),
            ("x.toml", "version = 1\n", "x.toml: it has no list of addresses"),
            ("x.toml", "version = 1\ninterfaces = {}\n", "x.toml: it has no list of addresses"),
            ("x.toml", "version = 2\naddresses = []\n", "x.toml:1: version 2 of the format is not known"),
            ("x.toml", "version = \"1\"\naddresses = []\n", "x.toml:1: invalid type: string"),
            ("x.toml", "version = 1\naddresses = []\nblocks = []\n", "x.toml:3: unknown field `blocks`"),
            ("x.toml", "version = 1\naddresses = [\n\"203.0.113.5\",\n", "x.toml:"),
            ("x.toml", "version = 1\naddresses = [\n\"203.0.113.5\",\n7]\n", "x.toml:4: invalid type: integer `7`"),
            ("x.toml", "version = 1\naddresses = [\n\"203.0.113\"]\n", "x.toml:3: \"203.0.113\" is not an IPv4"),
            (
                "x.toml",
                "version = 1\naddresses = [\n{ adress = \"203.0.113.5\" }]\n",
                "x.toml:3: unknown field `adress`",
            ),
            ("x.toml", "version = 1\naddresses = [\n{ label = \"x\" }]\n", "x.toml:3: an item names either"),
            (
                "x.toml",
                "version = 1\naddresses = [\n{ block = \"10.0.0.9/24\" }]\n",
                "x.toml:3: 10.0.0.9/24 is an address inside the block",
            ),
            (
                "x.toml",
                "version = 1\naddresses = [{ address = \"203.0.113.5-203.0.113.6\", label = \"a\" }]\n",
                "x.toml:2: a label belongs to one address",
            ),
            (
                "x.toml",
                "version = 1\naddresses = [\n\"10.0.0.9\",\n\"10.0.0.9/24\"]\n",
                "x.toml:4: 10.0.0.9 stands there twice, with two prefixes (before in line 3)",
            ),
            (
                "x.toml",
                "version = 1\naddresses = [\"10.0.0.9\"]\n[interfaces.b]\naddresses = [\"10.0.0.9\"]\n",
                "x.toml:4: 10.0.0.9 stands there twice, for two interfaces",
            ),
            (
                "x.toml",
                "version = 1\naddresses = [\"10.0.0.9\", { address = \"10.0.0.9\", label = \"a\" }]\n",
                "with different settings",
            ),
            ("x.toml", "version = 1\n[interfaces.eth1]\n", "missing field `addresses`"),
            ("x.toml", "version = 1\n[interfaces.\"eth1:0\"]\naddresses = []\n", "cannot be used as an interface name"),
            ("x.toml", "{\"version\": 1, \"addresses\": []}", "x.toml:1:"),
            ("x.json", "version = 1\naddresses = []\n", "x.json:1: expected value"),
            ("x.json", "{\"version\": 1}", "x.json: it has no list of addresses"),
            ("x.json", "{\"version\": 1,\n\"addresses\": null}", "x.json:2: invalid type: null"),
            ("x.json", "{\"version\": 1,\n\"addresses\": [],\n\"x\": 1}", "x.json:3: unknown field `x`"),
            ("x.json", "{\"version\": 1,\n\"addresses\": [\n\"203.0.113.300\"]}", "x.json:3: \"203.0.113.300\""),
            ("x.json", "{\"version\": 1,\n\"addresses\": [", "x.json:2: EOF while parsing"),
            ("x.json", "{\"version\": 1, \"addresses\": []} x", "x.json:1: trailing characters"),
            (
                "x.json",
                "{\"version\": 1, \"interfaces\": {\"a\": {\"addresses\": []},\n\"a\": {\"addresses\": []}}}",
                "x.json:2: the interface a stands there twice",
            ),
            ("-", "  {\"version\": 1}", "-: it has no list of addresses"),
        ] {
            let refusal = parse(name, text).unwrap_err();
            assert!(refusal.reason.contains(reason), "{text:?}: {:?} in {:?}", reason, refusal.reason);
            assert!(!refusal.reason.contains('\n') && !refusal.hint.is_empty(), "{refusal:?}");
        }
        assert_eq!(parse("x", "version = 1\naddresses = [\"224.0.0.1\"]\n").unwrap_err().kind, Kind::Unacceptable);
        let not_text = WishList::parse("x.toml", b"version = 1\n# caf\xe9\n").unwrap_err();
        assert!(not_text.reason.starts_with("x.toml:2: this is not UTF-8"), "{not_text:?}");
        let many = "version = 1\naddresses = [{ block = \"10.0.0.0/16\" }, \"203.0.113.5\"]\n";
        assert!(parse("x", many).unwrap_err().reason.contains("more than 65536"));
    }
}
