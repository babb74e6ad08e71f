//! What the terminal is shown of any bytes: nothing that steers it, and nothing of plain text lost.

use ipalias::ui::visible;

/// The law.
pub fn run(data: &[u8]) {
    let shown = visible(data);
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!shown.contains(steers), "{shown:?}");
    assert!(!shown.contains(is_invisible), "{shown:?}");
    assert_eq!(visible(shown.as_bytes()), shown, "shown twice it is the same");
    assert_eq!(lines(data), lines(shown.as_bytes()), "as many lines");
    assert!(shown.len() <= data.len() * 4, "{} bytes of {}", shown.len(), data.len());
    if let Ok(text) = std::str::from_utf8(data) {
        let plain = !text.contains(|c: char| steers(c) || is_invisible(c));
        assert!(!plain || shown == text, "plain text stays as it is");
    }
}

/// Characters without a shape of their own that turn or hide text (general category Cf and the like).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
