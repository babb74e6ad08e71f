//! Trees, their spans, and edits that are taken back.

use std::collections::BTreeSet;

use super::*;

fn show(node: &Node) -> String {
    match &node.value {
        Value::Scalar(text, _) => text.clone(),
        Value::Sequence { items, .. } => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(",")),
        Value::Mapping { pairs, .. } => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}:{}", show(key), show(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
    }
}

fn spans(text: &Text, node: &Node, found: &mut Vec<String>) {
    let piece = |node: &Node| String::from_utf8_lossy(&text.bytes()[node.span.clone()]).into_owned();
    found.push(piece(node));
    for item in node.items().unwrap_or_default() {
        spans(text, item, found);
    }
    for (key, value) in node.pairs().unwrap_or_default() {
        spans(text, key, found);
        spans(text, value, found);
    }
}

#[test]
fn trees() {
    for (bytes, tree) in [
        ("", ""),
        ("# nothing\n", ""),
        ("a: b\n", "{a:b}"),
        ("\u{feff}a: [b, 'c', \"d\"]\r\n", "{a:[b,c,d]}"),
        ("a:\n- b\n- c: {d: e}\n", "{a:[b,{c:{d:e}}]}"),
        ("a: &x [b]\nc: *x\n", "{a:[b],c:[b]}"),
        ("a: 1\na: 2\n", "{a:1,a:2}"),
        ("---\na: 1\n...\n---\nb\n", "{a:1}"),
        ("%YAML 1.1\n---\na: é\nb: c\n", "{a:é,b:c}"),
        ("{\"a\": {\"b\": [\"c\"]}}", "{a:{b:[c]}}"),
        ("a:\nb: ~\n", "{a:,b:~}"),
        ("a:\tb\n", "{a:b}"),
        ("a:\n  b: [\n    c\n  ]\n", "{a:{b:[c]}}"),
        ("a: [b:c]\n", "{a:[b:c]}"),
    ] {
        let document = parse(&Text::new(bytes)).unwrap();
        assert_eq!(document.root.as_ref().map(show).unwrap_or_default(), tree, "{bytes:?}");
        assert_eq!(document.has_more, bytes.contains("...\n---"), "{bytes:?}");
    }
}

#[test]
fn spans_are_exact() {
    let text = Text::new("\u{feff}é: [b, 'c']  # x\r\nf:\r\n- g: {h: i}   # y\r\n-  j\r\n");
    let mut found = Vec::new();
    spans(&text, parse(&text).unwrap().root.as_ref().unwrap(), &mut found);
    let all = "é: [b, 'c']  # x\r\nf:\r\n- g: {h: i}   # y\r\n-  j";
    assert_eq!(
        found,
        [all, "é", "[b, 'c']", "b", "'c'", "f", "- g: {h: i}   # y\r\n-  j", "g: {h: i}", "g", "{h: i}", "h", "i", "j"]
    );
}

#[test]
fn what_is_not_read() {
    for (bytes, line) in [
        ("a:\n\t- b\n", 2),
        ("a: [::7/128]\n", 1),
        ("a: [!x, b]\n", 1),
        ("a: !%c3%a9 b\n", 1),
        ("a: *x\n", 1),
        ("a: b\u{2028}c\n", 1),
        ("a: b\rc: d\n", 1),
        ("a: \u{7}\n", 1),
        ("a: &x b\nc: &x d\n", 2),
        ("%YAML 1.3\n---\na\n", 1),
        ("\u{feff}\u{feff}a\n", 1),
        ("a: [b\n", 1),
        ("a: &x [*x]\n", 1),
        ("\na: \"b\n", 2),
    ] {
        assert_eq!(parse(&Text::new(bytes)).map_err(|fault| fault.line), Err(line), "{bytes:?}");
    }
    assert!(parse(&Text::new(b"a: caf\xe9\n".to_vec())).is_err());
    assert!(parse(&Text::new("[".repeat(100_000))).is_err());
    assert!(parse(&Text::new("# a\tb\na: \"b\tc\"  #\td\n")).is_ok());
}

/// The list under `a`.
fn list(text: &Text) -> Node {
    parse(text).unwrap().root.unwrap().values("a").next().unwrap().clone()
}

#[test]
fn an_item_more_and_gone_again() {
    for (before, after) in [
        ("a:\n- b # x\nc: d\n", "a:\n- b # x\n- N\nc: d\n"),
        ("a:\n  -   b\n\n# y\nc: d\n", "a:\n  -   b\n  -   N\n\n# y\nc: d\n"),
        ("a:\n  - b", "a:\n  - b\n  - N"),
        ("a:\r\n  - b\r\n", "a:\r\n  - b\r\n  - N\r\n"),
        ("a:\n  - b:\n      c: d\n\n", "a:\n  - b:\n      c: d\n  - N\n\n"),
        ("a: [b]  # x\n", "a: [b, N]  # x\n"),
        ("a: [ b, ]\n", "a: [ b, N, ]\n"),
        ("a: [\n  b,  # x\n]\n", "a: [\n  b,  # x\n  N,\n]\n"),
        ("a: [\n  b\n]\n", "a: [\n  b,\n  N\n]\n"),
        ("a: [\n  b   # x\n  ]\n", "a: [\n  b,   # x\n  N\n  ]\n"),
        ("a: [b,\n    c]\n", "a: [b,\n    c, N]\n"),
        ("a: [b,  # x\n    ]\n", "a: [b,  # x\n  N,\n    ]\n"),
        ("{a: [b]}", "{a: [b, N]}"),
        ("{\n \"a\": [\n  \"b\"\n ]\n}\n", "{\n \"a\": [\n  \"b\",\n  N\n ]\n}\n"),
    ] {
        let text = Text::new(before);
        let grown = text.apply(append_items(&text, &list(&text), &["N".to_owned()]).unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&grown), after, "{before:?}");
        let grown = Text::new(grown);
        let items = list(&grown).items().unwrap().len();
        let back = cut_items(&grown, &list(&grown), &BTreeSet::from([items - 1])).unwrap();
        assert_eq!(String::from_utf8_lossy(&grown.apply(back).unwrap()), before, "{after:?}");
    }
}

#[test]
fn items_that_go() {
    for (before, gone, after) in [
        ("a: [b, c, d]\n", &[0][..], "a: [c, d]\n"),
        ("a: [b, c, d]\n", &[1], "a: [b, d]\n"),
        ("a: [b, c, d]\n", &[0, 1], "a: [d]\n"),
        ("a: [b, c, d]\n", &[1, 2], "a: [b]\n"),
        ("a: [b, c, d, e]\n", &[0, 2], "a: [c, e]\n"),
        ("a: [\n  b, # x\n  c, # y\n  d # z\n]\n", &[1], "a: [\n  b, # x\n  d # z\n]\n"),
        ("a: [\n  b, # x\n  c, # y\n  d # z\n]\n", &[1, 2], "a: [\n  b # x\n]\n"),
        ("a: [b,\n  c]\n", &[1], "a: [b]\n"),
        ("a: [b,\n  c]\n", &[0], "a: [\n  c]\n"),
        ("a:\n# w\n- b # x\n# y\n- c:\n    d: e # z\n\n# v\n- f\n", &[1], "a:\n# w\n- b # x\n# y\n\n# v\n- f\n"),
        ("a:\n- b\n- c\n- d", &[1, 2], "a:\n- b"),
    ] {
        let text = Text::new(before);
        let cut = cut_items(&text, &list(&text), &gone.iter().copied().collect()).unwrap();
        assert_eq!(String::from_utf8_lossy(&text.apply(cut).unwrap()), after, "{before:?}");
    }
}

#[test]
fn a_key_more_and_gone_again() {
    let pair = Pair { lines: vec!["N:".to_owned(), "- [P]".to_owned()], flow: "N: [P]".to_owned() };
    for (before, after) in [
        ("a: b\n\n# x\n", "a: b\nN:\n- [P]\n\n# x\n"),
        ("{a: b}\n", "{a: b, N: [P]}\n"),
        ("{\n  \"a\": b\n}", "{\n  \"a\": b,\n  N: [P]\n}"),
        ("a:\n  b:\n    - c # y\n", "a:\n  b:\n    - c # y\nN:\n- [P]\n"),
        ("a:", "a:\nN:\n- [P]"),
        ("  a: # x\n  b: # y\n", "  a: # x\n  b: # y\n  N:\n  - [P]\n"),
    ] {
        let text = Text::new(before);
        let root = |text: &Text| parse(text).unwrap().root.unwrap();
        let grown = text.apply(append_pair(&text, &root(&text), &pair).unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&grown), after, "{before:?}");
        let grown = Text::new(grown);
        let count = root(&grown).pairs().unwrap().len();
        let back = grown.apply(cut_pair(&grown, &root(&grown), count - 1).unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&back), before, "{after:?}");
    }
}

#[test]
fn lists_that_become_empty() {
    for (before, after) in [("a: [b, c]\n", "a: []\n"), ("a: # x\n- b\n# y\n- c\n", "a: [] # x\n# y\n")] {
        let text = Text::new(before);
        let root = parse(&text).unwrap().root.unwrap();
        let splices = empty_list(&text, &root.pairs().unwrap()[0]).unwrap();
        assert_eq!(String::from_utf8_lossy(&text.apply(splices).unwrap()), after, "{before:?}");
    }
}

#[test]
fn what_is_not_edited() {
    for before in
        ["a: &x [b]\nc: *x\n", "c: &x [b]\na: *x\n", "a: [&x b]\n", "a: !!seq [b]\n", "a:\n- |\n  b\n", "a:\n-\n  b\n"]
    {
        let text = Text::new(before);
        assert!(append_items(&text, &list(&text), &["N".to_owned()]).is_err(), "{before:?}");
    }
}
