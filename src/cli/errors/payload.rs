//! A record's value on a screen: as text, JSON, a hex dump or base64.
//!
//! JSON is set on lines token by token, never read into numbers and back: what is shown is what was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::escape::{escape, escape_bytes, escape_lines};
use crate::codec::json;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Text,
    Json,
    Hex,
    Base64,
    None,
}

impl Payload {
    pub(super) const ALL: [Self; 5] = [Self::Text, Self::Json, Self::Hex, Self::Base64, Self::None];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::None => "none",
        }
    }
}

/// A value that is fit for a screen.
pub(super) struct Shown {
    /// What it is.
    pub(super) form: String,
    pub(super) lines: Vec<String>,
}

/// Shows a value in the form that was asked for, else in the first that fits: JSON, text, hex.
pub(super) fn show(value: &[u8], asked: Option<Payload>) -> Shown {
    let text = || escape_bytes_by_line(value);
    let (form, lines) = match asked {
        Some(Payload::None) => (String::new(), Vec::new()),
        Some(Payload::Base64) => ("base64".to_owned(), vec![STANDARD.encode(value)]),
        Some(Payload::Hex) => ("hex".to_owned(), hex(value)),
        Some(Payload::Text) => ("text".to_owned(), text()),
        Some(Payload::Json) => match json::check(value) {
            Ok(()) => ("JSON".to_owned(), indent(value)),
            Err(fault) => (format!("not JSON ({})", escape(&fault.to_string())), text()),
        },
        None if json::check(value).is_ok() => ("JSON".to_owned(), indent(value)),
        None if std::str::from_utf8(value).is_ok() => ("text".to_owned(), text()),
        None => ("hex".to_owned(), hex(value)),
    };
    Shown { form, lines }
}

fn escape_bytes_by_line(value: &[u8]) -> Vec<String> {
    match std::str::from_utf8(value) {
        Ok(text) => escape_lines(text).collect(),
        Err(_) => value.split(|byte| *byte == b'\n').map(escape_bytes).collect(),
    }
}

/// Offset, 16 bytes, and what of them is printable.
fn hex(value: &[u8]) -> Vec<String> {
    let line = |(at, bytes): (usize, &[u8])| {
        let codes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        format!("{:08x}  {:47}  {}", at * 16, codes.join(" "), bytes.iter().map(printable).collect::<String>())
    };
    value.chunks(16).enumerate().map(line).collect()
}

/// Valid JSON, a token to its place.
fn indent(json: &[u8]) -> Vec<String> {
    let mut out = Indented::default();
    let text = String::from_utf8_lossy(json);
    let (mut is_string, mut is_escaped) = (false, false);
    for c in text.chars() {
        if is_string {
            out.line.push(c);
            is_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => out.open(c),
            '}' | ']' => out.close(c),
            ',' => out.item(),
            ':' => out.line.push_str(": "),
            _ => {
                is_string = c == '"';
                out.token(c);
            }
        }
    }
    out.end()
}

#[derive(Default)]
struct Indented {
    lines: Vec<String>,
    line: String,
    depth: usize,
    /// Nothing is in the innermost bracket yet, and the line has not been broken behind it.
    is_fresh: bool,
}

impl Indented {
    fn open(&mut self, bracket: char) {
        self.token(bracket);
        self.depth += 1;
        self.is_fresh = true;
    }

    fn close(&mut self, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        // An empty pair stays together.
        if !std::mem::take(&mut self.is_fresh) {
            self.break_line();
        }
        self.line.push(bracket);
    }

    fn item(&mut self) {
        self.line.push(',');
        self.break_line();
    }

    fn token(&mut self, c: char) {
        if std::mem::take(&mut self.is_fresh) {
            self.break_line();
        }
        self.line.push(c);
    }

    fn break_line(&mut self) {
        let next = "  ".repeat(self.depth);
        self.lines.push(escape(&std::mem::replace(&mut self.line, next)).into_owned());
    }

    fn end(mut self) -> Vec<String> {
        self.break_line();
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn lines(value: &[u8], asked: Option<Payload>) -> (String, Vec<String>) {
        let Shown { form, lines } = show(value, asked);
        (form, lines)
    }

    #[test]
    fn a_value_is_shown_in_the_first_form_that_fits() {
        let json = br#"{"n":12345678901234567890.10,"a":[],"o":{ },"l":[1,"x, {y}: \"z\\"]}"#;
        let expected = [
            "{",
            "  \"n\": 12345678901234567890.10,",
            "  \"a\": [],",
            "  \"o\": {},",
            "  \"l\": [",
            "    1,",
            "    \"x, {y}: \\\"z\\\\\"",
            "  ]",
            "}",
        ];
        assert_eq!(lines(json, None), ("JSON".into(), expected.map(str::to_owned).to_vec()));
        assert_eq!(lines(b"not \x1b[2J json\n\tx", None), ("text".into(), vec!["not \\x1b[2J json".into(), "    x".into()]));
        let dump = "00000000  00 ff 41 20 7f                                   ..A .".to_owned();
        assert_eq!(lines(b"\x00\xffA \x7f", None), ("hex".into(), vec![dump]));
        assert_eq!(lines("\"pay\u{202e}\"".as_bytes(), None).1, ["\"pay\\u{202e}\""]);
        assert_eq!(lines(b"", None), ("text".into(), vec![]));
    }

    #[test]
    fn a_value_is_shown_as_asked() {
        let hello = b"{\"a\":\"\xc3\xa9\"}";
        assert_eq!(lines(hello, Some(Payload::Text)), ("text".into(), vec!["{\"a\":\"é\"}".into()]));
        assert_eq!(lines(hello, Some(Payload::Base64)), ("base64".into(), vec!["eyJhIjoiw6kifQ==".into()]));
        assert_eq!(lines(hello, Some(Payload::None)), (String::new(), vec![]));
        assert_eq!(lines(b"a\xff\nb", Some(Payload::Text)).1, ["a\\xff", "b"]);
        assert_eq!(lines(&[7; 33], Some(Payload::Hex)).1.len(), 3);
        let (form, shown) = lines(b"{oops", Some(Payload::Json));
        assert!(form.starts_with("not JSON (key must be a string"), "{form}");
        assert_eq!(shown, ["{oops"]);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]*".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_set_as_everybody_sets_it(value in values()) {
            let (_, lines) = lines(value.to_string().as_bytes(), None);
            prop_assert_eq!(lines.join("\n"), serde_json::to_string_pretty(&value).unwrap());
        }

        #[test]
        fn any_value_is_shown_without_control_characters(value in any::<Vec<u8>>(), asked in prop::option::of(prop::sample::select(Payload::ALL.to_vec()))) {
            prop_assert!(show(&value, asked).lines.iter().all(|line| !line.chars().any(char::is_control)));
        }
    }
}
