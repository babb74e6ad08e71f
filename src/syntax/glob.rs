//! Shell patterns, fnmatch(3) without flags: `*`, `?`, `[...]` with ranges and `!` or `^`, and the backslash.
//!
//! Leaves out character classes such as `[[:digit:]]`: nobody writes them for interfaces and drop-ins, and networkd
//! refuses their `:` in a name.

/// Whether `text` fits `pattern`. Never exponential: only the last star is tried again.
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match token(pattern, at, text.get(from).copied().unwrap_or_default()) {
            Token::Star => {
                star = Some((at + 1, from));
                at += 1;
            }
            Token::Fits(next) => (at, from) = (next, from + 1),
            Token::Fails => match &mut star {
                Some((resume, tried)) => {
                    *tried += 1;
                    (at, from) = (*resume, *tried);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// What one step of a pattern makes of a byte.
enum Token {
    Star,
    /// It takes it, and the next step is here.
    Fits(usize),
    Fails,
}

fn token(pattern: &[u8], at: usize, byte: u8) -> Token {
    let rest = pattern.get(at..).unwrap_or_default();
    let (fits, length) = match rest {
        [b'*', ..] => return Token::Star,
        [b'?', ..] => (true, 1),
        [b'\\', escaped, ..] => (*escaped == byte, 2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((fits, length)) => (fits, length + 1),
            None => (byte == b'[', 1),
        },
        [plain, ..] => (*plain == byte, 1),
        [] => (false, 0),
    };
    if fits { Token::Fits(at + length) } else { Token::Fails }
}

/// A bracket expression behind its `[`: whether it takes `byte`, and its length; nothing if it is not closed.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut fits = false;
    loop {
        let low = *set.get(at)?;
        if low == b']' && at > first {
            return Some((fits != negated, at + 1));
        }
        match (set.get(at + 1), set.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                fits |= (low..=*high).contains(&byte);
                at += 3;
            }
            _ => {
                fits |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth", "eth0", false),
            ("en*", "enp1s0", true),
            ("*", "", true),
            ("*s*0*", "enp129s0f10", true),
            ("*s*1", "enp129s0f10", false),
            ("e?h0", "eth0", true),
            ("e?h0", "eh0", false),
            ("eth[0-9]", "eth7", true),
            ("eth[!0-9]", "eth7", false),
            ("eth[^x]", "eth7", true),
            ("eth[]x]", "eth]", true),
            ("eth[0-]", "eth-", true),
            ("eth[0", "eth[0", true),
            ("eth\\*", "eth*", true),
            ("eth\\*", "eth0", false),
            ("[a-z]*[0-9]", "wlan0", true),
            ("**a**", "bab", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!glob(&b"*a".repeat(2_000), &b"a".repeat(1_999)));
    }
}
