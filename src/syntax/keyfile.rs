//! GLib's key files: groups, assignments and comments, each with its place.
//!
//! Follows `GKeyFile` as NetworkManager uses it (measured with nmcli 1.42 and 1.52): one line that is none of these, and the
//! whole file is ignored. A line is a string of C, which a NUL ends; `\r` belongs to the line end only before `\n`.
//! Reading loses nothing: edits are splices of the byte ranges given here. Leaves out lists and translations
//! (`key[de]=`, which are keys of their own here, as nobody asks for them).

use std::collections::BTreeMap;
use std::ops::Range;

use crate::text::Text;

/// A parsed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyfile {
    /// Every line, in order, without gaps.
    pub items: Vec<Item>,
    /// The groups in the order of their headers; one name may stand there several times, and counts as one group.
    pub groups: Vec<Group>,
    /// Whether a byte order mark comes before everything, for which GLib gives up the file.
    has_mark: bool,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its bytes, with the line end.
    pub range: Range<usize>,
    /// Its number, from 1.
    pub line: usize,
    /// What it is.
    pub body: Body,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing but blanks.
    Blank,
    /// A comment.
    Comment,
    /// `[name]`.
    Header(Vec<u8>),
    /// `key=value`: the key without blanks around it, the value without those before it.
    Assignment {
        /// What stands before the first `=`.
        key: Vec<u8>,
        /// What stands behind it, with trailing blanks.
        value: Vec<u8>,
        /// Where the value stands.
        at: Range<usize>,
    },
    /// A line for which GLib gives up the whole file.
    Fatal(Fault),
}

/// Why GLib gives up a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A byte order mark.
    Mark,
    /// A `;` at the beginning, a comment elsewhere.
    Semicolon,
    /// No group, assignment or comment.
    Junk,
    /// An assignment before the first group.
    NoGroup,
    /// A group name that is empty or has brackets in it.
    GroupName,
    /// A key that is none.
    KeyName,
    /// `Encoding=` in the first group, and not UTF-8.
    Encoding,
}

impl Fault {
    /// The fault as a clause.
    pub fn reason(self) -> &'static str {
        match self {
            Fault::Mark => "the file begins with a byte order mark, and NetworkManager ignores all of it for that",
            Fault::Semicolon => {
                "a comment begins with #, never with ;, and NetworkManager ignores the whole file for this line"
            }
            Fault::Junk => "this line is no group, key or comment, and NetworkManager ignores the whole file for it",
            Fault::NoGroup => {
                "this key stands before the first group, and NetworkManager ignores the whole file for it"
            }
            Fault::GroupName => "this is no group name, and NetworkManager ignores the whole file for it",
            Fault::KeyName => "this is no key name, and NetworkManager ignores the whole file for it",
            Fault::Encoding => "this encoding is not known, and NetworkManager ignores the whole file for it",
        }
    }
}

/// A header with what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What stands between the brackets.
    pub name: Vec<u8>,
    /// The index of the header.
    pub header: usize,
    /// The indices of what follows, up to the next header.
    pub items: Range<usize>,
}

/// An assignment and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// The index of its item.
    pub item: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl Keyfile {
    /// Reads `text`; any bytes can be read.
    pub fn parse(text: &Text) -> Keyfile {
        let mut items: Vec<Item> = Vec::with_capacity(text.line_count());
        let mut groups: Vec<Group> = Vec::new();
        for line in text.lines() {
            // Behind a mark the rest is read as it was meant, to tell what the file is about.
            let mark = if line.start == 0 { text.bom_len() } else { 0 };
            let content = line.content.get(mark..).unwrap_or_default();
            let mut body = body(content, line.start + mark, groups.is_empty());
            let first = groups.first().map(|group| group.name.as_slice());
            if let (Body::Assignment { key, value, .. }, Some(group)) = (&body, groups.last()) {
                let is_encoding = key == b"Encoding" && first == Some(&group.name);
                if is_encoding && !value.eq_ignore_ascii_case(b"UTF-8") {
                    body = Body::Fatal(Fault::Encoding);
                }
            }
            match (&body, groups.last_mut()) {
                (Body::Header(name), _) => {
                    let next = items.len() + 1;
                    groups.push(Group { name: name.clone(), header: items.len(), items: next..next });
                }
                (_, Some(group)) => group.items.end = items.len() + 1,
                _ => {}
            }
            items.push(Item { range: line.range(), line: line.number, body });
        }
        Keyfile { items, groups, has_mark: text.has_bom() }
    }

    /// The first line for which GLib gives up the file.
    pub fn fault(&self) -> Option<(usize, Fault)> {
        let mark = self.has_mark.then_some((1, Fault::Mark));
        mark.or_else(|| {
            self.items.iter().find_map(|item| match item.body {
                Body::Fatal(fault) => Some((item.line, fault)),
                _ => None,
            })
        })
    }

    /// Whether there is a group called `name`.
    pub fn has(&self, name: &[u8]) -> bool {
        self.groups.iter().any(|group| group.name == name)
    }

    /// The assignments of all groups called `name`, in file order.
    pub fn assignments<'a>(&'a self, name: &'a [u8]) -> impl DoubleEndedIterator<Item = Assignment<'a>> {
        let groups = self.groups.iter().filter(move |group| group.name == name);
        groups.flat_map(|group| self.within(group))
    }

    /// The assignments of one group.
    pub fn within<'a>(&'a self, group: &Group) -> impl DoubleEndedIterator<Item = Assignment<'a>> + use<'a> {
        let items = self.items.get(group.items.clone()).unwrap_or_default();
        let start = group.items.start;
        items.iter().enumerate().filter_map(move |(index, item)| match &item.body {
            Body::Assignment { key, value, .. } => {
                Some(Assignment { item: start + index, line: item.line, key, value })
            }
            _ => None,
        })
    }

    /// What counts for `key` in the group `name`: its last assignment.
    pub fn last<'a>(&'a self, name: &'a [u8], key: &[u8]) -> Option<Assignment<'a>> {
        self.assignments(name).rfind(|found| found.key == key)
    }

    /// What [`Keyfile::last`] says for every key of the group `name`, in one pass.
    pub fn latest<'a>(&'a self, name: &'a [u8]) -> BTreeMap<&'a [u8], Assignment<'a>> {
        self.assignments(name).map(|found| (found.key, found)).collect()
    }

    /// The value of [`Keyfile::last`] as a string; nothing where the string is not valid.
    pub fn string(&self, name: &[u8], key: &[u8]) -> Option<String> {
        string(self.last(name, key)?.value)
    }
}

/// A value with its escapes `\s \n \t \r \\` resolved; nothing for any other escape and for what is not UTF-8.
pub fn string(value: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = std::str::from_utf8(value).ok()?.chars();
    while let Some(one) = rest.next() {
        text.push(match one {
            '\\' => match rest.next()? {
                's' => ' ',
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            one => one,
        });
    }
    Some(text)
}

/// What the line `content`, which begins at byte `start`, is; `is_first`: no group has begun.
fn body(content: &[u8], start: usize, is_first: bool) -> Body {
    let content = content.split(|byte| *byte == 0).next().unwrap_or_default();
    let line = content.trim_ascii_start();
    let indent = content.len() - line.len();
    match line.first() {
        None => return Body::Blank,
        Some(b'#') => return Body::Comment,
        Some(b'[') => {
            if let Some(name) = header(line) {
                let is_name = !name.is_empty() && !name.iter().any(|byte| *byte == b'[' || byte.is_ascii_control());
                return if is_name { Body::Header(name.to_vec()) } else { Body::Fatal(Fault::GroupName) };
            }
        }
        Some(_) => {}
    }
    let Some(equals) = line.iter().position(|byte| *byte == b'=').filter(|equals| *equals > 0) else {
        return Body::Fatal(if line.first() == Some(&b';') { Fault::Semicolon } else { Fault::Junk });
    };
    if is_first {
        return Body::Fatal(Fault::NoGroup);
    }
    let key = line.get(..equals).unwrap_or_default().trim_ascii_end();
    if !is_key(key) {
        return Body::Fatal(Fault::KeyName);
    }
    let behind = line.get(equals + 1..).unwrap_or_default();
    let value = behind.trim_ascii_start();
    let at = start + indent + line.len() - value.len();
    Body::Assignment { key: key.to_vec(), value: value.to_vec(), at: at..at + value.len() }
}

/// What stands between the brackets of a header line; only spaces and tabs may follow.
fn header(line: &[u8]) -> Option<&[u8]> {
    let inner = line.get(1..)?;
    let end = inner.iter().position(|byte| *byte == b']')?;
    let behind = inner.get(end + 1..)?;
    behind.iter().all(|byte| matches!(byte, b' ' | b'\t')).then_some(inner.get(..end)?)
}

/// `g_key_file_is_key_name()`: anything but brackets, then perhaps a locale in brackets.
fn is_key(key: &[u8]) -> bool {
    let plain = key.iter().position(|byte| matches!(byte, b'[' | b']')).unwrap_or(key.len());
    let (name, locale) = key.split_at_checked(plain).unwrap_or_default();
    if name.is_empty() || name.ends_with(b" ") {
        return false;
    }
    let Some(locale) = locale.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else {
        return locale.is_empty();
    };
    let is_letter = |one: char| one.is_alphanumeric() || "-_.@".contains(one);
    std::str::from_utf8(locale).is_ok_and(|locale| locale.chars().all(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Vec<String> {
        let show = |item: Item| match item.body {
            Body::Blank => "-".to_owned(),
            Body::Comment => "#".to_owned(),
            Body::Header(name) => format!("[{}]", name.escape_ascii()),
            Body::Assignment { key, value, at } => {
                assert_eq!(&bytes[at], value);
                format!("{}={}", key.escape_ascii(), value.escape_ascii())
            }
            Body::Fatal(fault) => format!("{fault:?}"),
        };
        Keyfile::parse(&Text::new(bytes)).items.into_iter().map(show).collect()
    }

    /// Each measured with nmcli 1.52 behind a sound profile.
    #[test]
    fn lines_as_nmcli_reads_them() {
        for (line, is) in [
            (&b"k=v"[..], "k=v"),
            (b" k\t= \t v ", "k=v "),
            (b"k\x0c=v", "k=v"),
            (b"k\x0b=v", "k\\x0b=v"),
            (b"k=\x0bv", "k=\\x0bv"),
            (b"k=v\r", "k=v\\r"),
            (b"k=v\0junk", "k=v"),
            (b"k=v # no comment", "k=v # no comment"),
            (b"a b=c", "a b=c"),
            (b"k[de]=v", "k[de]=v"),
            (b"k[]=v", "k[]=v"),
            (b"k[a.b@c_d-e]=v", "k[a.b@c_d-e]=v"),
            (b"k\xff=1", "k\\xff=1"),
            (b"  # c", "#"),
            (b"# \xff", "#"),
            (b"\x0c\t", "-"),
            (b"\0junk", "-"),
            (b"  [ipv6]\t ", "[ipv6]"),
            (b"[ ipv6 ]", "[ ipv6 ]"),
            (b"[\xff]", "[\\xff]"),
            (b";c", "Semicolon"),
            (b";k=v", ";k=v"),
            (b"junk", "Junk"),
            (b"\x0b", "Junk"),
            (b"=v", "Junk"),
            (b"[ipv6", "Junk"),
            (b"[ipv6]x", "Junk"),
            (b"[ipv6]\x0c", "Junk"),
            (b"[a]b]", "Junk"),
            (b"[]", "GroupName"),
            (b"[a[b]", "GroupName"),
            (b"[a\tb]", "GroupName"),
            (b"[ipv6=", "KeyName"),
            (b"a[b=c", "KeyName"),
            (b"a]=c", "KeyName"),
            (b"a[d e]=c", "KeyName"),
            (b"a[d]x=c", "KeyName"),
            (b"a[\xff]=c", "KeyName"),
        ] {
            assert_eq!(said(&[b"[x]\n", line, b"\r\n"].concat()), ["[x]", is], "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_beginning_of_a_file() {
        assert_eq!(said(b"# c\n\nk=v\n[x]\n"), ["#", "-", "NoGroup", "[x]"]);
        let marked = b"\xef\xbb\xbf[x]\nk=v";
        assert_eq!(said(marked), ["[x]", "k=v"]);
        assert_eq!(Keyfile::parse(&Text::new(marked)).fault(), Some((1, Fault::Mark)));
        assert_eq!(said(b"\0[x]\nk=v"), ["-", "NoGroup"]);
        assert_eq!(said(b"[x]\nEncoding=utf-8\nEncoding=Latin1\n"), ["[x]", "Encoding=utf-8", "Encoding"]);
        assert_eq!(said(b"[x]\n[y]\nEncoding=Latin1\n"), ["[x]", "[y]", "Encoding=Latin1"]);
        assert_eq!(said(b"[x]\nk=v\r"), ["[x]", "k=v\\r"]);
    }

    #[test]
    fn groups_of_one_name_are_one_and_the_last_value_counts() {
        let keyfile = Keyfile::parse(&Text::new("[a]\nk=1\n[b]\nk=2\n[a]\nk=3\n#\nl=\\s\n"));
        assert_eq!(keyfile.string(b"a", b"k").as_deref(), Some("3"));
        assert_eq!(keyfile.string(b"b", b"k").as_deref(), Some("2"));
        assert_eq!(keyfile.string(b"a", b"l").as_deref(), Some(" "));
        assert_eq!(keyfile.assignments(b"a").map(|one| one.line).collect::<Vec<_>>(), [2, 6, 8]);
        assert_eq!(keyfile.groups.iter().map(|group| group.items.clone()).collect::<Vec<_>>(), [1..2, 3..4, 5..8]);
        assert_eq!(string(b"\\q"), None);
        assert_eq!(string(b"x\\"), None);
    }
}
