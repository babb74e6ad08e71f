//! Passwords and keys in configuration files: their values are shown as `<hidden>`.
//!
//! Works on lines, for all dialects at once: a word that names a secret, then `=`, `:` or blanks, then the value, which is
//! taken to reach the end of the line. A value that goes on in the next lines (a backslash, an open quote, a block of YAML)
//! is hidden there, too. Rather too much is hidden than too little.

use std::sync::atomic::{AtomicBool, Ordering};

/// What stands for a value.
const HIDDEN: &[u8] = b"<hidden>";

/// Whether `--show-secrets` was given: text with secrets reaches the screen by many ways (diffs, refusals, what parsers say).
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Parts of words that name a secret, lower case, with hyphens for underscores.
const PARTS: &[&str] =
    &["psk", "passw", "passphrase", "secret", "privatekey", "private-key", "presharedkey", "preshared-key"];

/// Words that name a secret as a whole: of keyfiles and netplan (`pin`, `key`, `private`, `shared`), of ifcfg and netifrc
/// (`KEY1`, `key_ESSID`).
const WORDS: &[&str] = &["pin", "puk", "key", "private", "shared", "pass", "pac"];

/// Words that are followed by a secret after a blank: of interfaces(5), hostname.if(5) and ifconfig(8).
const BEFORE_BLANK: &[&str] = &["wpakey", "nwkey", "wgkey", "wgpsk", "authkey", "pass", "passphrase"];

/// What every name of a secret has in it, lower case: lines without any of these are not looked at any closer.
const STEMS: &[&[u8]] = &[b"key", b"psk", b"pass", b"secret", b"pin", b"puk", b"private", b"shared", b"pac"];

/// Whether and how long the lines that follow belong to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    No,
    /// The line ended with a backslash.
    Continued,
    /// This quote is open.
    Quoted(u8),
    /// YAML: as long as lines are indented further than this.
    Block(usize),
}

/// Lets values be seen, or not.
pub fn show(yes: bool) {
    SHOWN.store(yes, Ordering::Relaxed);
}

/// For each line what to show instead of it; nothing for a line without a secret.
pub fn hidden(lines: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    if SHOWN.load(Ordering::Relaxed) {
        return vec![None; lines.len()];
    }
    let mut open = Open::No;
    lines
        .iter()
        .map(|line| {
            let (text, end) = split_end(line);
            if goes_on(&mut open, text) {
                let indent = text.len() - text.trim_ascii_start().len();
                return Some([text.get(..indent).unwrap_or_default(), HIDDEN, end].concat());
            }
            let value = value_at(text, true)?;
            open = opened(text, value);
            Some([text.get(..value).unwrap_or_default(), HIDDEN, end].concat())
        })
        .collect()
}

/// A sentence that may quote a file, with the values in it hidden.
pub fn without(text: &str) -> String {
    if SHOWN.load(Ordering::Relaxed) {
        return text.to_owned();
    }
    let line = |line: &str| {
        let (text, end) = split_end(line.as_bytes());
        let shown = value_at(text, false).and_then(|at| text.get(..at)).map(|head| [head, HIDDEN, end].concat());
        shown.map_or_else(|| line.to_owned(), |shown| String::from_utf8_lossy(&shown).into_owned())
    };
    text.split_inclusive('\n').map(line).collect()
}

fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    let end = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
    line.split_at(line.len() - end)
}

/// Whether this line belongs to the value of one before.
fn goes_on(open: &mut Open, text: &[u8]) -> bool {
    match *open {
        Open::No => false,
        Open::Continued => {
            if !text.ends_with(b"\\") {
                *open = Open::No;
            }
            true
        }
        Open::Quoted(quote) => {
            if text.contains(&quote) {
                *open = Open::No;
            }
            true
        }
        Open::Block(indent) => {
            let inner = text.trim_ascii_start();
            let inside = inner.is_empty() || text.len() - inner.len() > indent;
            if !inside {
                *open = Open::No;
            }
            inside
        }
    }
}

/// What the value at `value` leaves open for the next line.
fn opened(text: &[u8], value: usize) -> Open {
    let (head, value) = text.split_at(value);
    if value.ends_with(b"\\") {
        return Open::Continued;
    }
    if let Some(quote) = value.first().filter(|b| matches!(b, b'"' | b'\'')) {
        let closed = value.iter().skip(1).any(|b| b == quote);
        return if closed { Open::No } else { Open::Quoted(*quote) };
    }
    let colon = head.trim_ascii_end().ends_with(b":");
    if colon { Open::Block(text.len() - text.trim_ascii_start().len()) } else { Open::No }
}

/// Whether a name of a secret may stand in `text`.
fn may_name_one(text: &[u8]) -> bool {
    // How the stems begin: nearly every pair of bytes is none of these.
    let begins = |one: u8, two: u8| match one | 0x20 {
        b'k' => matches!(two | 0x20, b'e'),
        b'p' => matches!(two | 0x20, b'a' | b'i' | b'r' | b's' | b'u'),
        b's' => matches!(two | 0x20, b'e' | b'h'),
        _ => false,
    };
    text.iter().zip(text.iter().skip(1)).enumerate().any(|(at, (one, two))| {
        let starts = |stem: &&[u8]| text.get(at..at + stem.len()).is_some_and(|part| part.eq_ignore_ascii_case(stem));
        begins(*one, *two) && STEMS.iter().any(starts)
    })
}

/// Where the value of the first secret in `text` begins. `blanks`: also behind a blank, as files have it and sentences do not.
fn value_at(text: &[u8], blanks: bool) -> Option<usize> {
    if !may_name_one(text) {
        return None;
    }
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let mut at = 0;
    let mut first = true;
    while at < text.len() {
        let rest = text.get(at..)?;
        let length = rest.iter().take_while(|b| is_word(b)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let name = rest.get(..length)?;
        let behind = rest.get(length..)?;
        let quote = usize::from(matches!(behind.first(), Some(b'"' | b'\'')));
        // The index of an element, `KEY[1]`.
        let index = behind.iter().take(16).position(|b| *b == b']').filter(|_| behind.starts_with(b"["));
        let index = index.map_or(0, |end| end + 1);
        let gap = |from: usize| behind.iter().skip(from).take_while(|b| b.is_ascii_whitespace()).count();
        let mark = quote + index + gap(quote + index);
        let sign = behind.get(mark..).unwrap_or_default();
        let sign = if sign.starts_with(b"+=") { 2 } else { usize::from(matches!(sign.first(), Some(b'=' | b':'))) };
        let value = at + length + mark + sign + gap(mark + sign);
        let by_blank = blanks && sign == 0 && quote == 0 && mark > 0 && value < text.len();
        let lower = || String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
        // Most words are none that could be: they are not so much as copied.
        let maybe = first || name.first().is_some_and(|b| b"wnap".contains(&b.to_ascii_lowercase()));
        let found = match (sign > 0, by_blank && maybe) {
            (true, _) => is_secret(&lower()),
            (false, true) => is_before_blank(&lower(), first),
            (false, false) => false,
        };
        if found {
            return Some(value);
        }
        at += length;
        first = false;
    }
    None
}

/// Whether a word with `=` or `:` behind it names a secret.
fn is_secret(name: &str) -> bool {
    let last = name.rsplit(['.', '-']).next().unwrap_or(name);
    let numbered = |head: &str| name.strip_prefix(head).is_some_and(|end| end.bytes().all(|b| b.is_ascii_digit()));
    let of_network = name.strip_prefix("key-").is_some_and(|rest| !matches!(rest, "mgmt" | "management" | "direction"));
    PARTS.iter().any(|part| name.contains(part))
        || WORDS.contains(&name)
        || matches!(last, "pin" | "puk" | "pass" | "key")
        || numbered("key")
        || of_network
        || name.contains("wep-key")
        || name.contains("wireless-key")
        || BEFORE_BLANK.contains(&name)
}

/// Whether a word with a blank behind it is followed by a secret, as options of interfaces(5) are. `first`: of its line.
fn is_before_blank(name: &str, first: bool) -> bool {
    let option = ["wpa-", "wireless-", "wep-"].iter().any(|head| name.starts_with(head));
    BEFORE_BLANK.contains(&name) || option && is_secret(name) || first && matches!(name, "psk" | "password" | "secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let lines: Vec<&[u8]> = text.as_bytes().split_inclusive(|b| *b == b'\n').collect();
        let hidden = hidden(&lines);
        let shown = lines.iter().zip(hidden).map(|(line, hidden)| hidden.unwrap_or_else(|| line.to_vec()));
        String::from_utf8(shown.flatten().collect()).unwrap()
    }

    #[test]
    fn every_dialect() {
        for (text, expected) in [
            ("\twpa-psk geheim\n", "\twpa-psk <hidden>\n"),
            ("  wireless-key1 s:geheim\n", "  wireless-key1 <hidden>\n"),
            ("  wpa-wep-key0 geheim\r\n", "  wpa-wep-key0 <hidden>\r\n"),
            ("psk=geheim\n", "psk=<hidden>\n"),
            ("psk = geheim", "psk = <hidden>"),
            ("wep-key0=geheim\n", "wep-key0=<hidden>\n"),
            ("IPSec secret=geheim\n", "IPSec secret=<hidden>\n"),
            ("private-key-password=geheim\n", "private-key-password=<hidden>\n"),
            ("PrivateKey=geheim\n", "PrivateKey=<hidden>\n"),
            ("PresharedKey = geheim\n", "PresharedKey = <hidden>\n"),
            ("KEY1=s:geheim\n", "KEY1=<hidden>\n"),
            ("WPA_PSK='geheim'\n", "WPA_PSK=<hidden>\n"),
            ("export WIRELESS_KEY_0=geheim\n", "export WIRELESS_KEY_0=<hidden>\n"),
            ("key_My_Net=\"s:geheim enc open\"\n", "key_My_Net=<hidden>\n"),
            ("gsm.pin=1234\n", "gsm.pin=<hidden>\n"),
            (
                "      auth: {key-management: psk, password: \"geheim\"}\n",
                "      auth: {key-management: psk, password: <hidden>\n",
            ),
            ("  \"password\": geheim\n", "  \"password\": <hidden>\n"),
            ("      keys:\n        private: geheim\n", "      keys:\n        private: <hidden>\n"),
            ("up ifconfig em0 wpakey geheim\n", "up ifconfig em0 wpakey <hidden>\n"),
            ("inet vhid 1 pass geheim carpdev em0\n", "inet vhid 1 pass <hidden>\n"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn no_name_is_passed_over() {
        for name in PARTS.iter().chain(WORDS).chain(BEFORE_BLANK).chain(&["wep-key", "wireless-key"]) {
            assert!(may_name_one(name.to_uppercase().as_bytes()), "{name}");
        }
        assert!(!may_name_one(b"iface eth0 inet static"));
    }

    #[test]
    fn values_of_more_than_one_line() {
        for (text, expected) in [
            ("wpa-psk ge\\\nheim\\\nnis\nup x\n", "wpa-psk <hidden>\n<hidden>\n<hidden>\nup x\n"),
            ("KEY='ge\nheim'\nIPADDR=1\n", "KEY=<hidden>\n<hidden>\nIPADDR=1\n"),
            (
                "  auth:\n    password: |\n      geheim\n\n      nis\n  addresses: []\n",
                "  auth:\n    password: <hidden>\n      <hidden>\n<hidden>\n      <hidden>\n  addresses: []\n",
            ),
            ("password:\n  geheim\nx: 1\n", "password:<hidden>\n  <hidden>\nx: 1\n"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn what_is_no_secret() {
        for text in [
            "address 192.0.2.1\n",
            "key-mgmt=wpa-eap\n",
            "  key-management: eap\n",
            "# the password is in the safe\n",
            "post-up ip route add default via 192.0.2.1\n",
            "      - \"2001:db8::5/128\"\n",
            "Address=2001:db8::5/128\n",
        ] {
            assert_eq!(shown(text), text);
        }
        assert_eq!(without("line 3: bad value: psk=geheim\nhere"), "line 3: bad value: psk=<hidden>\nhere");
        assert_eq!(without("use key x; the pin 4 of it"), "use key x; the pin 4 of it");
    }
}
