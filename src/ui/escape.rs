//! Text from files, which may hold anything, without control over the terminal.

/// `bytes` as text without control over the terminal: C0 (but newline and tab), DEL, C1, what turns or hides text and
/// invalid UTF-8 are shown as `\xNN` or `\u{NNNN}`, a carriage return as `^M`.
pub fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => out.push(c),
                '\r' => out.push_str("^M"),
                '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                _ if misleads(c) => out.push_str(&format!("\\u{{{:04x}}}", u32::from(c))),
                _ => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Whether `c` is a C1 control, or turns or hides the text around it (general category Cf, line and paragraph separators).
fn misleads(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text of a JSON document with such characters escaped, which JSON allows everywhere they can stand.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\x7f' || misleads(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible(b"a\tb\n"), "a\tb\n");
        assert_eq!(visible(b"\x1b[2J\x07\x7f\r"), "\\x1b[2J\\x07\\x7f^M");
        assert_eq!(visible("\u{9b}\u{202e}ä\u{2066}".as_bytes()), "\\u{009b}\\u{202e}ä\\u{2066}");
        assert_eq!(visible(b"caf\xe9"), "caf\\xe9");
        assert_eq!(visible("a\u{61c}b\u{e0041}".as_bytes()), "a\\u{061c}b\\u{e0041}");
        let every: Vec<u8> = (0..=255).collect();
        assert!(visible(&every).chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    }
    #[test]
    fn nothing_in_json_steers_the_terminal() {
        let name = "a\u{9b}2J\u{7f}\u{202e}\u{e0041}\x1b ä";
        let text = json(&serde_json::to_string(name).unwrap());
        assert_eq!(text, r#""a\u009b2J\u007f\u202e\udb40\udc41\u001b ä""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }
}
