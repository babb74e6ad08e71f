//! What `syntax::shell` reads is what the shells see: random files are given to sh, dash and bash, and to ipalias.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;

use crate::support::laws::config;
use ipalias::syntax::shell::{Dialect, Environment, Value, deletion, line_after};
use ipalias::text::Text;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A value, quoted in one of the ways that files quote.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9./:=#_,@%+-]{1,6}",
        2 => "'[ -&(-~\n\täß]{0,8}'",
        2 => "\"[ #%-\\[\\]-_a-~\n\té]{0,8}\"",
        1 => "\"[a-z ]{0,3}\\\\[ -~\n][a-z ]{0,3}\"".prop_map(|text| text.replace("\\!", "!")),
        1 => "\\\\[ -~]",
        1 => Just("\\\n".to_owned()),
        1 => "\"\\$[a-d] \\$\\{[a-d]\\}\"",
        1 => "\\$\\{?[a-d]".prop_map(|text| if text.contains('{') { format!("{text}}}") } else { text }),
        1 => Just("\"$\"".to_owned()),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| settled(&pieces.concat()))
}

/// An escape or a `$` must not take hold of the piece behind it.
fn settled(value: &str) -> String {
    value.replace("\\\"\"", "\\\"x\"").replace("\\'$", "\\'x$")
}

/// What administrators write: plain assignments, alone or several on a line, that add to themselves, exported.
fn ordinary(name: [&'static str; 2]) -> impl Strategy<Value = String> {
    let name = prop::sample::select(name.to_vec());
    let several = proptest::collection::vec((name.clone(), value()), 1..4);
    let several = several.prop_map(|all| all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>());
    let blank = prop::sample::select(vec![" ", "\t", "  ", " \\\n ", "; ", ";"]);
    prop_oneof![
        6 => (several, blank).prop_map(|(all, blank)| all.join(blank)),
        1 => (name.clone(), "[a-z.]{1,4}").prop_map(|(name, more)| format!("{name}=\"${{{name}}} {more}\"")),
        1 => (name.clone(), "[a-z.]{1,4}").prop_map(|(name, more)| format!("{name}=${name}{}{more}", "\" \"")),
        1 => (name.clone(), "[a-z]{0,4}").prop_map(|(name, value)| format!("export {name}={value}")),
        1 => (name.clone(), name.clone()).prop_map(|(name, other)| format!("export {name}=\"x ${{{other}}}\"")),
        1 => (name.clone(), name.clone()).prop_map(|(name, other)| format!("export {name} {other}")),
        1 => (name.clone(), name).prop_map(|(name, other)| format!("{name}='x y'; export {name}; {other}=$a")),
    ]
}

/// Arrays as bash has them, under names that are always arrays.
fn arrays() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["c", "d"]);
    let list = |sign: &'static str| {
        (name(), proptest::collection::vec(element(), 0..5))
            .prop_map(move |(name, words)| format!("{name}{sign}({})", words.concat()))
    };
    prop_oneof![3 => list("="), 1 => list("+="), 1 => (name(), 0..5usize, value()).prop_map(|(name, at, value)| format!("{name}[{at}]={value}"))]
}

/// A file that must be read, not only not misread.
fn plain_file(bash: bool) -> impl Strategy<Value = String> {
    let names = if bash { ["a", "b"] } else { ["a", "c"] };
    let arrays = if bash { arrays().boxed() } else { ordinary(["b", "d"]).boxed() };
    let statement = prop_oneof![3 => ordinary(names), 1 => arrays];
    let indent = prop::sample::select(vec!["", "", "", "  ", "\t"]);
    let end = prop::sample::select(vec!["\n", "\n", "\n", " # x='\n", ";\n", " ;# \"\n", "\n\n# c=9 \\\n", "; "]);
    let line = (indent, statement, end).prop_map(|(indent, statement, end)| format!("{indent}{statement}{end}"));
    (proptest::collection::vec(line, 1..7), any::<bool>()).prop_map(|(lines, open)| {
        let whole = lines.concat();
        let trimmed = whole.trim_end_matches("; ").to_owned();
        match trimmed.strip_suffix('\n') {
            Some(open_end) if open && !open_end.ends_with('\\') => open_end.to_owned(),
            _ => trimmed,
        }
    })
}

/// Whatever else stands in such files.
const OTHERS: &[&str] = &[
    "if false; then a=9; fi",
    "if :; then a=9; else b=9; fi",
    "if [ -n \"$a\" ]; then c=9; fi",
    "[ -n \"${a}\" ] && d=9",
    "false && b=9",
    "a=9 && b=8 &\nwait",
    "a=9 &&\nb=8",
    "a=9 || b=8; c=7",
    "f() { c=9; }",
    "f() { c=9; }; c=1; f",
    "g() { d=9; }; h() { g; }; d=1; h",
    "if :; then f() { a=9; }; fi; a=1; f",
    "case x in y) d=9;; esac",
    "case $a in (x|\"$b\") d=9;; *) ;; esac",
    "case \"$a\" in\n  x) ;;\n  *) b=9 ;;\nesac",
    "for a in 1 2; do b=$a; done",
    "while false; do a=9; done",
    "until :; do a=9; done >/dev/null",
    "(a=9; b=9)",
    "{ a=9; }",
    "a=9 | cat",
    "a=$(echo 9)",
    "a=$(echo \")\")",
    "a=$(echo x # don't\n)",
    "a=$( (echo x) )",
    "a=`echo \"x\\`echo y\\`\"`",
    "a=$((1+(2)))",
    "a=${b:-x}",
    "a=\"${b:-it's}\"; b=\"it's\"",
    "a=${b:-{}; c=}",
    "a=\"${b#'x}'}\"",
    ": ${a:=9}",
    ": \"${b:=$a}\"",
    "unset b",
    "unset a c",
    ": <<X\na=9\nX",
    ": <<'X'\na=9 \\\nX",
    ": <<X\nx \\\nX\na=9\nX",
    "cat <<-X >/dev/null\n\ta=9\n\tX",
    "read a <<X\n9\nX",
    "echo a=9 >/dev/null",
    "/bin/echo a=9 >/dev/null",
    "a=9 /bin/true",
    "a=9 :",
    "a=9 true",
    "test x = y",
    "a.b=9",
    "a-b=9",
    "a =9",
    "a = 9",
    "a= 9",
    "readonly d",
    "if :; then readonly c=1; fi",
    "export a b=2",
    "# a=9",
    "   # don't",
    "\\\n",
    "a\\\n=9",
    "a=\\\n9",
    "a=~",
    "a=$HOME",
    "a=$PWD/x",
    "a=$_",
    "set -- x; a=$1",
    "trap : INT",
    "umask 022",
];

fn statement(bash: bool) -> impl Strategy<Value = String> {
    let name = prop::sample::select(NAMES.to_vec());
    let plain = (name.clone(), value()).prop_map(|(name, value)| format!("{name}={value}"));
    let array = (name.clone(), proptest::collection::vec(element(), 0..4))
        .prop_map(|(name, words)| format!("{name}=({})", words.concat()));
    let append = (name.clone(), value()).prop_map(|(name, value)| format!("{name}+={value}"));
    let place = (name.clone(), 0..5usize, value()).prop_map(|(name, at, value)| format!("{name}[{at}]={value}"));
    let other = prop::sample::select(OTHERS.to_vec()).prop_map(str::to_owned);
    let odd = prop::sample::select(vec![
        "declare -i a",
        "declare -u b=x",
        "a=9 b+=8",
        "printf -v a 9",
        "a[010]=x",
        "export c={1,2}",
        "a=([01]=x y)",
        "let a=9",
        "((a=9))",
        "[[ x == x ]] && a=9",
        "function f { b=9; }",
        "coproc a=9",
        "a+=(x)",
        "mapfile a <<<x",
    ]);
    let odd = odd.prop_map(str::to_owned);
    let export = (name, "[a-z]{0,4}").prop_map(|(name, value)| format!("export {name}={value}"));
    let arrays = if bash { 3 } else { 0 };
    prop_oneof![
        8 => plain, 1 => export, 5 => other, arrays => array, arrays => append, arrays => place, arrays => odd
    ]
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
        // A comment, here-document or joined line goes on to the end of its line.
        let whole = |line: &str| line.trim_start().starts_with('#') || line.contains("<<") || line.ends_with('\n');
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

/// What is read is what the shells see; where it `must` be read, there is no way out.
fn agree(shells: &[&str], dialect: Dialect, text: &str, must: bool) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, text).unwrap();
    let mut environment = Environment::new(dialect);
    environment.source(&Text::new(text));
    if let Some(doubt) = environment.doubt() {
        prop_assert!(!must, "{:?} is not read: {:?}", text, doubt);
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
            match told(&environment, name, *shell == "bash") {
                Some(told) => prop_assert_eq!(told, value, "{} of {:?} in {}", name, text, shell),
                None => prop_assert!(!must, "{} of {:?} is not read: {:?}", name, text, environment.get(name)),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn sh_dash_and_bash_agree(text in file(false)) {
        agree(&["sh", "dash", "bash"], Dialect::Sh, &text, false)?;
    }

    #[test]
    fn ordinary_files_are_read(text in plain_file(false)) {
        agree(&["sh", "dash", "bash"], Dialect::Sh, &text, true)?;
        agree(&["bash"], Dialect::Bash, &text, true)?;
    }

    #[test]
    fn ordinary_arrays_are_read(text in plain_file(true)) {
        agree(&["bash"], Dialect::Bash, &text, true)?;
    }

    #[test]
    fn bash_agrees_on_arrays(text in file(true)) {
        agree(&["bash"], Dialect::Bash, &text, false)?;
    }

    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"a='\"\\$(){}[]`;&|<># \n".to_vec())], 0..60)) {
        for dialect in [Dialect::Sh, Dialect::Bash] {
            let mut environment = Environment::new(dialect);
            environment.source(&Text::new(bytes.clone()));
        }
    }

    /// Every byte of a value is where it says, one assignment comes and goes without touching another, and the shell can
    /// still read the file.
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
            // A file that ends in a backslash is refused.
            let Ok(new_line) = line_after(&whole, assignment, "z='new'") else { continue };
            let longer = whole.apply(vec![new_line]).unwrap();
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
                agree(&["bash"], Dialect::Bash, &String::from_utf8(shorter).unwrap(), false)?;
            }
        }
    }
}
