//! What the command line and lists name: addresses, ranges, blocks, labels, interfaces. What is taken is written into files and
//! argument lists, so nothing of it may mean anything there.

use std::collections::BTreeSet;

use ipalias::alias::{IfName, Label, MOST_ADDRESSES, MOST_NAME_BYTES, parse_address, parse_addresses, parse_block};
use ipalias::wish_list::WishList;

/// The law.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (parse, of_block) in [(parse_addresses as fn(&str) -> _, false), (parse_block, true)] {
        let Ok(all) = parse(text) else { continue };
        assert!((1..=MOST_ADDRESSES).contains(&all.len()), "{} addresses", all.len());
        assert!(
            all.windows(2).all(|pair| matches!(pair, [one, next] if one.addr() < next.addr())),
            "in order, each once"
        );
        for net in all.iter().take(3).chain(all.last()) {
            assert_eq!(parse_address(&net.to_string()).ok().as_ref(), Some(net), "it is what it is printed as");
            assert!(!of_block || net.prefix_len() == net.max_prefix_len(), "{net} of a block");
            let ip = net.addr();
            assert!(!ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified(), "{net}");
        }
    }
    if let Ok(list) = WishList::parse("-", data) {
        let all: Vec<_> = list.lists.iter().flat_map(|list| &list.wishes).map(|wish| wish.address.addr()).collect();
        assert!(all.len() <= MOST_ADDRESSES && !list.lists.is_empty());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once");
    }
    let harmless = |name: &str, marks: &str| {
        assert!(name == text && name.len() <= MOST_NAME_BYTES && name.starts_with(|c: char| c.is_ascii_alphanumeric()));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c)), "{name:?}");
    };
    if let Ok(name) = IfName::new(text) {
        harmless(name.as_str(), "._-");
    }
    if let Ok(label) = Label::new(text) {
        harmless(label.as_str(), "._:-");
    }
}
