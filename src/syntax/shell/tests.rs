//! Unit tests of the reader and of its edits.

use super::*;

fn read(dialect: Dialect, file: &str) -> Environment {
    let mut environment = Environment::new(dialect);
    environment.source(&Text::new(file));
    environment
}

fn value(environment: &Environment, name: &str) -> String {
    match environment.get(name).map(|variable| &variable.value) {
        None => "unset".to_owned(),
        Some(Value::Text(text)) => text.text(),
        Some(Value::Array(all)) => {
            all.iter().map(|one| format!("[{}]{}", one.index, one.value.text())).collect::<Vec<_>>().join(" ")
        }
        Some(Value::Unknown { reason, line, .. }) => format!("unknown in line {line}: {reason}"),
    }
}

#[test]
fn values_as_the_shell_has_them() {
    let file = "a=1 # x\n b='x y'; c=\"$a-${b}\\\"\"\nexport d=x\\ y\na=\"${a} 2\\\n3\"\n# e=1\nf=\"#x\"y#z\ng=\n";
    let environment = read(Dialect::Sh, file);
    let all = ["a", "b", "c", "d", "e", "f", "g"].map(|name| value(&environment, name));
    assert_eq!(all, ["1 23", "x y", "1-x y\"", "x y", "unset", "#xy#z", ""]);
    assert!(environment.doubt().is_none());
}

#[test]
fn arrays_are_bash_only() {
    let file = "a=( 'x y' # 'no'\n  \"z\"\n)\na+=( w )\na[7]=q\n";
    assert_eq!(value(&read(Dialect::Bash, file), "a"), "[0]x y [1]z [2]w [7]q");
    assert!(read(Dialect::Sh, file).doubt().unwrap().reason.contains("array"));
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    for (file, line) in [
        ("a=1\nif x; then a=2; fi\n", 2),
        ("a=$(date)\n", 1),
        ("a=1\nb=2\ncase $b in (2) a=3;; esac\n", 3),
        ("x && a=1\n", 1),
        ("{ a=1; }\n", 1),
        ("a=1 | cat\n", 1),
        ("f() {\n a=1\n}\n", 1),
        ("a=${b:-1}\n", 1),
        ("read a\n", 1),
    ] {
        let found = value(&read(Dialect::Sh, file), "a");
        assert!(found.starts_with(&format!("unknown in line {line}")), "{file:?}: {found}");
    }
    for file in [
        ". /etc/x\n",
        "eval $x\n",
        "a='\n",
        "if x; then . y; fi\n",
        "$x\n",
        "x || return\n",
        "cat <<E\nx\n",
        "x >",
        "x > # y\n",
        "x >> ; y\n",
        "readonly d d=\"$a\"\n",
    ] {
        assert!(read(Dialect::Sh, file).doubt().is_some(), "{file:?}");
    }
}

#[test]
fn what_is_redirected_takes_one_word() {
    for file in ["x >&-\na=1\n", "x 2>&1; a=1\n", "x <y >z\na=1\n", "a=1 >&-\n", ">y a=1\n"] {
        let environment = read(Dialect::Sh, file);
        assert_eq!(value(&environment, "a"), "1", "{file:?}");
        assert!(environment.doubt().is_none(), "{file:?}");
    }
}

#[test]
fn a_later_plain_assignment_settles_it() {
    assert_eq!(value(&read(Dialect::Sh, "for i in 1; do a=2; done\na=3\nreturn\na=4"), "a"), "3");
    assert_eq!(value(&read(Dialect::Sh, "cat <<E\na=1\nE\nb=1\n"), "a"), "unset");
    assert_eq!(value(&read(Dialect::Sh, "a=1\nf() { echo $a; }\necho \"$a\"\n"), "a"), "1");
}

#[test]
fn bytes_know_their_place() {
    let file = "a='x y'\nb=\"p $a\"\n";
    let environment = read(Dialect::Sh, file);
    let Some(Value::Text(b)) = environment.get("b").map(|b| b.value.clone()) else { panic!() };
    for (index, byte) in b.bytes().iter().enumerate() {
        assert_eq!(file.as_bytes()[b.origin(index).unwrap().at], *byte);
    }
    assert_eq!(b.words().iter().map(|word| word.text.len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn deletions_leave_the_rest() {
    for (file, name, after) in [
        ("a=1\nb=2\n", "b", "a=1\n"),
        ("a='1\n2' # x\nb=2\n", "a", "b=2\n"),
        ("a=1; b=2\n", "b", "a=1\n"),
        ("a=1; b=2\n", "a", "b=2\n"),
        ("a=1 b=2 c=3\n", "b", "a=1 c=3\n"),
        ("export b=2\nc=3", "b", "c=3"),
        ("a=1; b=2; c=3\n", "b", "a=1; c=3\n"),
        ("  b=2;\nc=1\n", "b", "c=1\n"),
    ] {
        let text = Text::new(file);
        let environment = read(Dialect::Sh, file);
        let assignment = environment.get(name).unwrap().assignments.last().unwrap();
        let found = text.apply(vec![deletion(&text, assignment)]).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), after, "{file:?} without {name}");
    }
}

#[test]
fn a_new_line_goes_behind_the_whole_command_line() {
    for (file, after) in
        [("a=1; b='x\ny'\nc=1\n", "a=1; b='x\ny'\nz\nc=1\n"), ("a=1", "a=1\nz\n"), ("a=1\r\n", "a=1\r\nz\r\n")]
    {
        let text = Text::new(file);
        let environment = read(Dialect::Sh, file);
        let assignment = environment.get("a").unwrap().assignments.last().unwrap();
        let found = text.apply(vec![line_after(&text, assignment, "z").unwrap()]).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), after);
    }
}

#[test]
fn nothing_is_put_behind_a_line_that_goes_on() {
    for (file, after) in [
        ("", Some("z\n")),
        ("a=1", Some("a=1\nz\n")),
        ("a=1\\\\\n", Some("a=1\\\\\nz\n")),
        ("# b\\\n", Some("# b\\\nz\n")),
        ("a=1\\\n", None),
        ("a=1\\", None),
    ] {
        let text = Text::new(file);
        let found = line_at_end(&text, "z").ok().map(|splice| text.apply(vec![splice]).unwrap());
        assert_eq!(found.as_deref(), after.map(str::as_bytes), "{file:?}");
    }
}
