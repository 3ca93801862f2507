//! Bytes as JSON has them: `{"size":5,"text":"order"}` when they are UTF-8, else `{"size":2,"base64":"/w8="}`. Null is the `None` of
//! whoever has them.
//!
//! One form for all that leaves the program: what receivers are handed, and what commands print.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Bytes that are not null.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum BytesJson<'b> {
    Text { size: usize, text: &'b str },
    Base64 { size: usize, base64: String },
}

/// A header; its name is bytes, too, and is `name_base64` when it is not UTF-8.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum HeaderJson<'b> {
    Text { name: &'b str, value: Option<BytesJson<'b>> },
    Base64 { name_base64: String, value: Option<BytesJson<'b>> },
}

impl<'b> BytesJson<'b> {
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        let size = bytes.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text { size, text },
            Err(_) => Self::Base64 { size, base64: STANDARD.encode(bytes) },
        }
    }
}

impl<'b> HeaderJson<'b> {
    #[must_use]
    pub fn new(name: &'b [u8], value: Option<&'b [u8]>) -> Self {
        let value = value.map(BytesJson::new);
        match std::str::from_utf8(name) {
            Ok(name) => Self::Text { name, value },
            Err(_) => Self::Base64 { name_base64: STANDARD.encode(name), value },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        assert_eq!(json(&BytesJson::new("ré".as_bytes())), r#"{"size":3,"text":"ré"}"#);
        assert_eq!(json(&BytesJson::new(b"")), r#"{"size":0,"text":""}"#);
        assert_eq!(json(&BytesJson::new(b"\xff\x0f")), r#"{"size":2,"base64":"/w8="}"#);
    }

    #[test]
    fn names_and_values_of_headers_may_be_any_bytes() {
        assert_eq!(json(&HeaderJson::new(b"a", None)), r#"{"name":"a","value":null}"#);
        assert_eq!(json(&HeaderJson::new(b"\xff", Some(b"b"))), r#"{"name_base64":"/w==","value":{"size":1,"text":"b"}}"#);
    }
}
