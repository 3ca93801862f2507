//! Text in JSON's quotes.
//!
//! Nearly all text has nothing to escape, so it is searched eight bytes at a time.

const HEX: &[u8; 16] = b"0123456789abcdef";
/// A word of eight bytes that are all 1.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGHEST: u64 = 0x80 * ONES;

/// Escapes what JSON wants escaped, and nothing else.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = to_escape(rest) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some((byte, after)) = from.split_first() else { break };
        escape(out, *byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte is that must be escaped.
fn to_escape(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = marked(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(8 * at + (found.trailing_zeros() / 8) as usize);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))?;
    Some(8 * words.len() + at)
}

/// The lowest bit set is in the first byte that must be escaped. A borrow can set bits of later bytes, and never of earlier ones.
fn marked(word: u64) -> u64 {
    let is_less = |word: u64, than: u64| word.wrapping_sub(than * ONES) & !word;
    let is = |byte: u8| is_less(word ^ (u64::from(byte) * ONES), 1);
    (is_less(word, 0x20) | is(b'"') | is(b'\\')) & HIGHEST
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend([byte >> 4, byte & 0xf].into_iter().filter_map(|digit| HEX.get(usize::from(digit)).copied()));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = Vec::new();
        quote(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_is_escaped_wherever_it_stands() {
        for byte in 0..0x80 {
            for at in 0..20 {
                let text = format!("{}{}\u{7f}é{}", "x".repeat(at), char::from(byte), "y".repeat(9));
                assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_quoted_as_others_do(text in "(?s)[\\x00-\\x23\\\\\u{7f}-\u{ff}a-c]{0,40}") {
            prop_assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
