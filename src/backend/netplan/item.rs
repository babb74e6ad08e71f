//! How an address is written into a list: in the quotes of its neighbours, IPv6 always in quotes (a leading colon is no
//! plain YAML).

use crate::alias::Alias;
use crate::syntax::yaml::{Node, Style, Value};

/// What a list or a mapping is written like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    /// The quotes of its scalars, if all have the same.
    quotes: Option<char>,
    /// Whether it is in brackets.
    flow: bool,
}

impl Spelling {
    /// Lines with dashes, without quotes.
    pub const BLOCK: Spelling = Spelling { quotes: None, flow: false };

    /// Like the items of `list`, or, if it has none, like the keys around it.
    pub fn of_list(list: &Node, mapping: &Node) -> Spelling {
        let Value::Sequence { flow, items } = &list.value else { return Spelling::BLOCK };
        let address =
            |item: &Node| item.pairs().and_then(|pairs| pairs.first()).map_or(item.clone(), |(key, _)| key.clone());
        let all: Vec<Node> = items.iter().map(address).collect();
        // IPv6 is in quotes without that saying anything, but not in JSON.
        let tells = |item: &&Node| *flow || item.scalar().is_some_and(|text| !text.contains(':'));
        let quotes =
            if all.is_empty() { Spelling::of_mapping(mapping).quotes } else { common_quotes(all.iter().filter(tells)) };
        Spelling { quotes, flow: *flow }
    }

    /// Like the keys of `mapping`: double quotes are JSON's.
    pub fn of_mapping(mapping: &Node) -> Spelling {
        let Value::Mapping { flow, pairs } = &mapping.value else { return Spelling::BLOCK };
        let quotes = common_quotes(pairs.iter().map(|(key, _)| key)).filter(|quote| *quote == '"');
        Spelling { quotes: quotes.filter(|_| !pairs.is_empty()), flow: *flow }
    }

    /// The same in brackets.
    pub fn in_brackets(self) -> Spelling {
        Spelling { flow: true, ..self }
    }

    /// Whether `name` can be written as a key, in double quotes if it must be.
    pub fn can_be_key(name: &str) -> bool {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .-_:/,#+='()[]{}".contains(&byte))
    }

    /// A key.
    pub fn key(self, name: &str) -> String {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let quote = self.quotes.or_else(|| (!plain).then_some('"'));
        quote.map_or_else(|| name.to_owned(), |quote| format!("{quote}{name}{quote}"))
    }

    /// The item for `alias`, with a `lifetime` if one is given.
    pub fn item(self, alias: &Alias, lifetime: Option<&str>) -> String {
        let text = alias.address.to_string();
        let quote = self.quotes.or_else(|| alias.address.addr().is_ipv6().then_some('"'));
        let address = quote.map_or_else(|| text.clone(), |quote| format!("{quote}{text}{quote}"));
        let mut options = Vec::new();
        if let Some(label) = &alias.label {
            options.push(format!("{}: \"{label}\"", self.key("label")));
        }
        if let Some(lifetime) = lifetime {
            let quoted = self.quotes.filter(|_| lifetime != "0").map(String::from).unwrap_or_default();
            options.push(format!("{}: {quoted}{lifetime}{quoted}", self.key("lifetime")));
        }
        match (options.is_empty(), self.flow) {
            (true, _) => address,
            (false, false) => format!("{address}: {{{}}}", options.join(", ")),
            (false, true) => format!("{{{address}: {{{}}}}}", options.join(", ")),
        }
    }
}

fn common_quotes<'a>(mut nodes: impl Iterator<Item = &'a Node>) -> Option<char> {
    let style = |node: &Node| match &node.value {
        Value::Scalar(_, Style::Double) => Some('"'),
        Value::Scalar(_, Style::Single) => Some('\''),
        _ => None,
    };
    let first = nodes.next().and_then(style)?;
    nodes.all(|node| style(node) == Some(first)).then_some(first)
}
