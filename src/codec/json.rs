//! JSON as bytes: checked, or folded onto one line, without building a value.
//!
//! Hostile input is input: depth and size are bounded before anything recurses.

use serde::de::IgnoredAny;
use thiserror::Error;

/// The deepest nesting that is accepted.
pub const MAX_DEPTH: usize = 64;
/// The largest document that is accepted.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Why bytes are not one JSON document that we accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonFault {
    /// In the parser's words: what, at which line and column.
    #[error("{0}")]
    Invalid(String),
    #[error("it nests deeper than {max} levels", max = MAX_DEPTH)]
    TooDeep,
    #[error("it has {0} bytes, and at most {max} are read", max = MAX_BYTES)]
    TooLarge(usize),
}

/// Checks that `json` is one document, no deeper than [`MAX_DEPTH`] and no larger than [`MAX_BYTES`].
///
/// # Errors
/// Says what is wrong with it.
pub fn check(json: &[u8]) -> Result<(), JsonFault> {
    if json.len() > MAX_BYTES {
        return Err(JsonFault::TooLarge(json.len()));
    }
    if is_too_deep(json) {
        return Err(JsonFault::TooDeep);
    }
    // Strings are checked to be UTF-8 only when something asks for text.
    std::str::from_utf8(json).map_err(|error| JsonFault::Invalid(error.to_string()))?;
    serde_json::from_slice::<IgnoredAny>(json).map(drop).map_err(|error| JsonFault::Invalid(error.to_string()))
}

/// True when brackets nest deeper than accepted; of bytes that are no JSON it may say either.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut is_string, mut is_escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' if !is_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Appends a valid document to `out` on one line: line breaks between its tokens are left out (inside strings JSON has none).
pub fn compact_into(out: &mut Vec<u8>, json: &[u8]) {
    if json.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend(json.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    } else {
        out.extend_from_slice(json);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_document_and_nothing_else() {
        for json in ["{}", " [1, 2] ", "\"x\"", "null", "1e5", "{\"a\":\"[[[[\"}"] {
            assert_eq!(check(json.as_bytes()), Ok(()), "{json}");
        }
        for json in ["", "{", "{} {}", "nul", "{'a':1}", "\"\n\"", "[1,]", "\u{feff}{}"] {
            assert!(matches!(check(json.as_bytes()), Err(JsonFault::Invalid(_))), "{json}");
        }
        assert!(matches!(check(b"\"\xff\""), Err(JsonFault::Invalid(_))));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert_eq!(check(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(check("[".repeat(1_000_000).as_bytes()), Err(JsonFault::TooDeep));
    }

    proptest! {
        #[test]
        fn any_bytes_are_checked_without_a_panic(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(check(&bytes).is_ok(), serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        }

        #[test]
        fn compacting_keeps_the_value_and_leaves_one_line(text in "\\PC*", number in any::<i32>()) {
            let value = serde_json::json!({ "text": text, "list": [number, { "nested": null }] });
            let mut line = Vec::new();
            compact_into(&mut line, serde_json::to_string_pretty(&value).unwrap().as_bytes());
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&line).unwrap(), value);
        }
    }
}
