//! What `syntax::shell` reads is what the shells see: random files are given to sh, dash and bash, and to ipalias.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;

use ipalias::syntax::shell::{Dialect, Environment, Value, deletion, line_after};
use ipalias::text::Text;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A value, quoted in one of the ways that files quote.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9./:=#_-]{1,6}",
        2 => "'[a-z \"$`#;\\\\\n]{0,6}'",
        2 => "\"[a-z '#;\n\t]{0,6}\"",
        1 => "\"[a-z ]{0,3}\\\\[a-z$`\"\\\\\n][a-z ]{0,3}\"",
        1 => "\\\\[a-z \"'$#;\n]",
        1 => "\"\\$[a-d] \\$\\{[a-d]\\}\"",
        1 => "\\$\\{?[a-d]".prop_map(|text| if text.contains('{') { format!("{text}}}") } else { text }),
        1 => Just("\"$\"".to_owned()),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn statement(bash: bool) -> impl Strategy<Value = String> {
    let name = prop::sample::select(NAMES.to_vec());
    let plain = (name.clone(), value()).prop_map(|(name, value)| format!("{name}={value}"));
    let array = (name.clone(), proptest::collection::vec(element(), 0..4))
        .prop_map(|(name, words)| format!("{name}=({})", words.concat()));
    let append = (name.clone(), value()).prop_map(|(name, value)| format!("{name}+={value}"));
    let place = (name.clone(), 0..5usize, value()).prop_map(|(name, at, value)| format!("{name}[{at}]={value}"));
    let other = prop_oneof![
        Just("if false; then a=9; fi".to_owned()),
        Just("false && b=9".to_owned()),
        Just("f() { c=9; }".to_owned()),
        Just("case x in y) d=9;; esac".to_owned()),
        Just("a=$(echo 9)".to_owned()),
        Just("unset b".to_owned()),
        Just(": <<X\na=9\nX".to_owned()),
        Just("echo a=9 >/dev/null".to_owned()),
        Just("# a=9".to_owned()),
    ];
    let export = (name, "[a-z]{0,4}").prop_map(|(name, value)| format!("export {name}={value}"));
    let arrays = if bash { 3 } else { 0 };
    prop_oneof![8 => plain, 1 => export, 2 => other, arrays => array, arrays => append, arrays => place]
}

fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        "'[a-z #()\n]{0,5}'[ \n]",
        "\"[a-z #]{0,5}\"[ \t\n]",
        "[a-z0-9./]{1,5} ",
        "\\[[0-6]\\]=[a-z]{1,3} ",
        "# [a-z\"(]{0,4}\n".prop_map(|comment| comment.replace('(', "")),
        "\n",
    ]
}

fn file(bash: bool) -> impl Strategy<Value = String> {
    let end = prop_oneof![5 => Just("\n"), 1 => Just(" # x\n"), 1 => Just("; "), 1 => Just(" ")];
    proptest::collection::vec((statement(bash), end), 1..7).prop_map(|lines| {
        // A comment or here-document goes on to the end of its line.
        let whole = |line: &str| line.starts_with('#') || line.contains("<<");
        let line = |(line, end): (String, &str)| format!("{line}{}", if whole(&line) { "\n" } else { end });
        lines.into_iter().map(line).collect()
    })
}

/// The values of [`NAMES`] after `shell` has read `file`: nothing for an unset one; nothing at all if the shell gave up.
fn asked(shell: &str, file: &std::path::Path) -> Option<Vec<Option<Vec<u8>>>> {
    let show = |name: &str| {
        if shell == "bash" {
            format!(
                "if [ \"${{{name}[*]+x}}\" ]; then printf '=%s|' \"${{!{name}[*]}}\" \"${{{name}[@]}}\"; fi; printf '\\0';"
            )
        } else {
            format!("if [ \"${{{name}+x}}\" ]; then printf '=%s|' \"${name}\"; fi; printf '\\0';")
        }
    };
    let script = format!("unset a b c d; . \"$1\"; {}", NAMES.map(show).concat());
    let output =
        Command::new(shell).args(["-c", &script, shell]).arg(file).env_clear().env("PATH", "/usr/bin:/bin").output();
    let output = output.ok().filter(|output| output.status.success())?;
    let values: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
    (values.len() == NAMES.len() + 1)
        .then(|| values[..NAMES.len()].iter().map(|value| (!value.is_empty()).then(|| value.to_vec())).collect())
}

/// The same in the words of `asked`; an inner nothing for an unset variable, an outer one for an unknown.
fn told(environment: &Environment, name: &str, bash: bool) -> Option<Option<Vec<u8>>> {
    let Some(variable) = environment.get(name) else { return Some(None) };
    let quoted = |parts: &[&[u8]]| parts.iter().flat_map(|part| [b"=", *part, b"|"].concat()).collect::<Vec<u8>>();
    match &variable.value {
        Value::Text(text) if bash => Some(Some(quoted(&[b"0", text.bytes()]))),
        Value::Text(text) => Some(Some(quoted(&[text.bytes()]))),
        Value::Array(all) if all.is_empty() => Some(None),
        Value::Array(all) => {
            let keys: Vec<String> = all.iter().map(|element| element.index.to_string()).collect();
            let keys = keys.join(" ").into_bytes();
            let values = all.iter().map(|element| element.value.bytes());
            Some(Some(quoted(&std::iter::once(keys.as_slice()).chain(values).collect::<Vec<_>>())))
        }
        Value::Unknown { .. } => None,
    }
}

fn agree(shells: &[&str], dialect: Dialect, text: &str) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, text).unwrap();
    let mut environment = Environment::new(dialect);
    environment.source(&Text::new(text));
    if environment.doubt().is_some() {
        return Ok(());
    }
    for shell in shells {
        let Some(values) = asked(shell, &path) else {
            // A shell that is there and gives up: the file was broken, and that has to be seen.
            prop_assert!(
                Command::new(shell).args(["-c", "exit 0"]).output().is_err(),
                "{} gives up on {:?}",
                shell,
                text
            );
            continue;
        };
        for (name, value) in NAMES.iter().zip(values) {
            if let Some(told) = told(&environment, name, *shell == "bash") {
                prop_assert_eq!(told, value, "{} of {:?} in {}", name, text, shell);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn sh_dash_and_bash_agree(text in file(false)) {
        agree(&["sh", "dash", "bash"], Dialect::Sh, &text)?;
    }

    #[test]
    fn bash_agrees_on_arrays(text in file(true)) {
        agree(&["bash"], Dialect::Bash, &text)?;
    }

    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"a='\"\\$(){}[]`;&|<># \n".to_vec())], 0..60)) {
        for dialect in [Dialect::Sh, Dialect::Bash] {
            let mut environment = Environment::new(dialect);
            environment.source(&Text::new(bytes.clone()));
        }
    }

    /// Every byte of a value is where it says, and one assignment comes and goes without touching another.
    #[test]
    fn edits_touch_nothing_else(text in file(true)) {
        let whole = Text::new(text.clone());
        let read = |bytes: &[u8]| {
            let mut environment = Environment::new(Dialect::Bash);
            environment.source(&Text::new(bytes));
            environment
        };
        let before = read(text.as_bytes());
        for variable in before.names().filter_map(|name| before.get(name)) {
            if let Value::Text(value) = &variable.value {
                for (index, byte) in value.bytes().iter().enumerate() {
                    prop_assert_eq!(text.as_bytes()[value.origin(index).unwrap().at], *byte);
                }
            }
            let Some(assignment) = variable.assignments.last() else { continue };
            let longer = whole.apply(vec![line_after(&whole, assignment, "z='new'")]).unwrap();
            let after = read(&longer);
            if before.doubt().is_none() {
                prop_assert!(after.doubt().is_none());
                let new = told(&after, "z", false);
                prop_assert!(new.is_none() || new == Some(Some(b"=new|".to_vec())), "{:?}", String::from_utf8_lossy(&longer));
                for name in NAMES {
                    prop_assert_eq!(told(&after, name, true), told(&before, name, true));
                }
            }
            let shorter = whole.apply(vec![deletion(&whole, assignment)]).unwrap();
            let after = read(&shorter);
            if before.doubt().is_none() && variable.assignments.len() == 1 {
                prop_assert!(after.doubt().is_none(), "{:?} became {:?}", text, String::from_utf8_lossy(&shorter));
                let gone = after.get(&assignment.name).is_none_or(|left| left.assignments.is_empty());
                prop_assert!(gone, "{:?} became {:?}", text, String::from_utf8_lossy(&shorter));
            }
        }
    }
}
