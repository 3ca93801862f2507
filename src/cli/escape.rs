//! Bytes from outside, made fit for a screen: nothing is left that moves its cursor, changes its colours, reverses its text or hides.
//!
//! What is escaped can still be told: `\n`, `\x1b`, `\u{202e}`; bytes that are not UTF-8 are `\xff`.

use std::borrow::Cow;

/// A tab at the start of a line of a stack trace is worth keeping.
const TAB: &str = "    ";

/// Text as one line.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push(&mut out, c));
    Cow::Owned(out)
}

/// Bytes as one line.
pub(super) fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(&mut out, c));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Text line by line.
pub(super) fn escape_lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| escape(&line.replace('\t', TAB)).into_owned())
}

/// The same JSON, or a part of it, with nothing unfit in its strings: outside of them there is none but line breaks.
pub(super) fn escape_json(json: &str) -> Cow<'_, str> {
    let is_unfit = |c: char| c != '\n' && is_unfit(c);
    if !json.chars().any(is_unfit) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_unfit(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// True for bytes that may go to a screen as they are.
pub(super) fn is_fit(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| !matches!(c, '\n' | '\t') && is_unfit(c)))
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if !is_unfit(c) => out.push(c),
        _ if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

/// Control characters; what reorders text; and what has no form of its own: Unicode's `Default_Ignorable_Code_Point`, its line and
/// paragraph separators, and its annotation marks.
pub(super) fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_hostile_is_spelled_out() {
        for (text, expected) in [
            ("order has no total", "order has no total"),
            ("naïve ☃ 注文 e\u{301}", "naïve ☃ 注文 e\u{301}"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}\u{0}\u{7f}", "\\x1b[2J\\x07\\x00\\x7f"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}fed\u{2066}", "abc\\u{202e}fed\\u{2066}"),
            ("pay\u{200b}pal\u{feff}", "pay\\u{200b}pal\\u{feff}"),
        ] {
            assert_eq!(escape(text), expected);
            assert_eq!(escape_bytes(text.as_bytes()), expected);
        }
        assert_eq!(escape_bytes(b"ok\xff\xc3(\xe2\x82"), "ok\\xff\\xc3(\\xe2\\x82");
        assert_eq!(escape_lines("at a\r\n\tat b\n\n\u{1b}c").collect::<Vec<_>>(), ["at a", "    at b", "", "\\x1bc"]);
    }

    fn has_unfit(text: &str) -> bool {
        // Independent of the table above: a terminal acts on these.
        text.chars().any(|c| {
            c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) || c == '\u{200b}'
        })
    }

    proptest! {
        #[test]
        fn nothing_unfit_is_left(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            prop_assert!(!has_unfit(&escape(&text)));
            prop_assert!(!has_unfit(&escape_bytes(&bytes)));
            prop_assert!(escape_lines(&text).all(|line| !has_unfit(&line)));
            prop_assert_eq!(escape_bytes(text.as_bytes()), escape(&text));
            let once = escape(&text).into_owned();
            prop_assert_eq!(escape(&once), once.as_str(), "what is fit stays as it is");
        }

        #[test]
        fn json_stays_the_same_value(text in any::<String>(), name in any::<String>()) {
            let value = serde_json::json!({ name: [text, "\u{202e}\u{7f}\u{9b}\u{e0001}"] });
            let json = serde_json::to_string_pretty(&value).unwrap();
            let json = escape_json(&json);
            prop_assert!(!has_unfit(&json.replace('\n', "")));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
        }

        #[test]
        fn what_is_fit_needs_no_escape(bytes in any::<Vec<u8>>()) {
            if is_fit(&bytes) {
                let text = String::from_utf8(bytes).unwrap();
                prop_assert!(!has_unfit(&text.replace(['\n', '\t'], "")));
            }
        }
    }
}
