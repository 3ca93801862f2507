//! What a worker answers: `{"sendid":17,"ok":true}`, or why not.

use serde::Deserialize;

use crate::failure::{Class, Code};
use crate::receiver::ReceiverError;

/// The longest line that is read.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;
/// As much of a line as an error quotes.
const QUOTED: usize = 200;

/// A line, understood as far as it can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An answer to this delivery.
    To(u64, Result<(), ReceiverError>),
    /// No answer to anything that can be told.
    Garbage(ReceiverError),
}

#[derive(Deserialize)]
struct Wire {
    sendid: u64,
    ok: Option<bool>,
    class: Option<String>,
    code: Option<String>,
    message: Option<String>,
    detail: Option<serde_json::Value>,
}

pub(super) fn read(line: &[u8]) -> Answer {
    let wire: Wire = match serde_json::from_slice(line) {
        Ok(wire) => wire,
        Err(error) => {
            let what = format!("the answer is not what was expected ({error}): {}", quote(line));
            let error = bad(what);
            // Whose answer it was may still be told.
            let sendid = serde_json::from_slice::<serde_json::Value>(line).ok().and_then(|value| value.get("sendid")?.as_u64());
            return sendid.map_or(Answer::Garbage(error.clone()), |sendid| Answer::To(sendid, Err(error)));
        }
    };
    let result = match wire.ok {
        Some(true) => Ok(()),
        Some(false) => Err(failure(&wire)),
        None => Err(bad(format!("the answer has no \"ok\": {}", quote(line)))),
    };
    Answer::To(wire.sendid, result)
}

fn failure(wire: &Wire) -> ReceiverError {
    let class = match wire.class.as_deref() {
        None => Class::Unknown,
        Some(name) => match Class::from_name(name) {
            Some(class) => class,
            None => return bad(format!("the answer's class is \"{name}\": expected transient or permanent")),
        },
    };
    let code = match wire.code.as_deref() {
        None => const { Code::known("rejected") },
        Some(code) => match Code::parse(code) {
            Some(code) => code,
            None => return bad(format!("the answer's code is \"{code}\": expected [a-z0-9_], at most 64")),
        },
    };
    let message = wire.message.as_deref().unwrap_or("the worker said that it failed, not why");
    let detail = match &wire.detail {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    ReceiverError::known(class, code, message).with_detail(detail)
}

pub(super) fn too_long() -> ReceiverError {
    bad(format!("the answer is a line of more than {} MiB", LONGEST / 1024 / 1024))
}

fn bad(message: String) -> ReceiverError {
    ReceiverError::known(Class::Unknown, const { Code::known("bad_reply") }, message)
}

fn quote(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.get(..QUOTED).unwrap_or(line)).into_owned();
    if line.len() > QUOTED { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(line: &str) -> (Option<u64>, String) {
        match read(line.as_bytes()) {
            Answer::To(id, Ok(())) => (Some(id), "ok".into()),
            Answer::To(id, Err(error)) => (Some(id), format!("{} {}", error.class.as_str(), error.code)),
            Answer::Garbage(error) => (None, error.code.to_string()),
        }
    }

    #[test]
    fn answers() {
        assert_eq!(code(r#"{"sendid":7,"ok":true}"#), (Some(7), "ok".into()));
        assert_eq!(code(r#"{"sendid":7,"ok":false}"#), (Some(7), "unknown rejected".into()));
        let whole = r#"{"sendid":7,"ok":false,"class":"transient","code":"busy_1","message":"later","detail":{"a":1},"x":0}"#;
        assert_eq!(code(whole), (Some(7), "transient busy_1".into()));
        assert_eq!(code(r#"{"sendid":7}"#), (Some(7), "unknown bad_reply".into()));
        assert_eq!(code(r#"{"sendid":7,"ok":"yes"}"#), (Some(7), "unknown bad_reply".into()));
        assert_eq!(code(r#"{"sendid":7,"ok":false,"class":"bad"}"#), (Some(7), "unknown bad_reply".into()));
        assert_eq!(code(r#"{"sendid":7,"ok":false,"code":"No!"}"#), (Some(7), "unknown bad_reply".into()));
        assert_eq!(code(r#"{"ok":true}"#), (None, "bad_reply".into()));
        assert_eq!(code("hello"), (None, "bad_reply".into()));
        assert_eq!(code(""), (None, "bad_reply".into()));
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in any::<Vec<u8>>()) {
            drop(read(&line));
        }
    }
}
