//! What a worker answers: `{"sendid":17,"ok":true}`, or why not.
//!
//! Any bytes are read without a panic, and what is kept of them is bounded whatever they say.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{Class, Code, kept};
use crate::receiver::ReceiverError;

/// The longest line that is read, in bytes.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;
/// As much of a line as an error quotes, in bytes.
const QUOTED: usize = 200;
/// As much of a line as a failure's detail shows, in bytes.
const SHOWN: usize = 4 * 1024;
/// As much of a message or a detail as is kept, in bytes: what the journal would keep.
const LONGEST_TEXT: usize = 64 * 1024;

/// A line, understood as far as it can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An answer to this delivery.
    To(u64, Result<(), ReceiverError>),
    /// No answer to anything that can be told.
    Garbage(ReceiverError),
}

#[derive(Deserialize)]
struct Wire<'line> {
    sendid: u64,
    ok: Option<bool>,
    class: Option<String>,
    code: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    detail: Option<&'line RawValue>,
}

/// Whose answer it is, whatever else is wrong with it.
#[derive(Deserialize)]
struct Whose {
    sendid: u64,
}

pub(super) fn read(line: &[u8]) -> Answer {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Answer::Garbage(bad(format!("the answer is not a JSON object: {}", quote(line))));
    }
    let wire: Wire<'_> = match serde_json::from_slice(line) {
        Ok(wire) => wire,
        Err(error) => {
            let why = format!("the answer is not what was expected, {}", in_words(&error));
            return match serde_json::from_slice::<Whose>(line) {
                Ok(Whose { sendid }) => Answer::To(sendid, Err(bad(why).with_detail(answered(line)))),
                Err(_) => Answer::Garbage(bad(format!("{why}: {}", quote(line)))),
            };
        }
    };
    let result = match wire.ok {
        Some(true) => Ok(()),
        Some(false) => Err(failure(&wire).unwrap_or_else(|why| bad(why).with_detail(answered(line)))),
        None => Err(bad("the answer has no \"ok\"".to_owned()).with_detail(answered(line))),
    };
    Answer::To(wire.sendid, result)
}

/// What the worker says of its failure; or what is wrong with that.
fn failure(wire: &Wire<'_>) -> Result<ReceiverError, String> {
    let class = match wire.class.as_deref() {
        None => Class::Unknown,
        Some("transient") => Class::Transient,
        Some("permanent") => Class::Permanent,
        Some(other) => return Err(format!("the answer's class is \"{}\": expected transient or permanent", kept(other, QUOTED))),
    };
    let code = match wire.code.as_deref() {
        None => const { Code::known("rejected") },
        Some(code) => match Code::parse(code) {
            Some(code) => code,
            None => return Err(format!("the answer's code is \"{}\": expected 1 to 64 of [a-z0-9_]", kept(code, QUOTED))),
        },
    };
    let message = kept(wire.message.as_deref().unwrap_or("the worker said that it failed, not why"), LONGEST_TEXT);
    let detail = wire.detail.map(|raw| {
        // A text as it is; anything else as it was written.
        let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        kept(&text, LONGEST_TEXT).to_owned()
    });
    Ok(ReceiverError::known(class, code, message).with_detail(detail.unwrap_or_default()))
}

pub(super) fn too_long() -> ReceiverError {
    bad(format!("the answer is a line of more than {} MiB", LONGEST / 1024 / 1024))
}

fn bad(message: String) -> ReceiverError {
    ReceiverError::known(Class::Unknown, const { Code::known("bad_reply") }, message)
}

/// What the JSON parser says, of a line and to somebody who does not write Rust.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    text.replace("expected u64", "expected a whole number")
}

/// The detail of an answer that is none: all that the worker said, within reason.
fn answered(line: &[u8]) -> String {
    format!("the worker answered: {}", start(line, SHOWN))
}

fn quote(line: &[u8]) -> String {
    start(line, QUOTED)
}

fn start(line: &[u8], longest: usize) -> String {
    let text = String::from_utf8_lossy(line.get(..longest).unwrap_or(line)).into_owned();
    if line.len() > longest { format!("{text}…") } else { text }
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

    fn error(line: &str) -> ReceiverError {
        match read(line.as_bytes()) {
            Answer::To(_, Err(error)) | Answer::Garbage(error) => error,
            Answer::To(_, Ok(())) => panic!("{line} is no failure"),
        }
    }

    #[test]
    fn answers() {
        assert_eq!(code(r#"{"sendid":7,"ok":true}"#), (Some(7), "ok".into()));
        assert_eq!(code(r#"{"sendid":7,"ok":false}"#), (Some(7), "unknown rejected".into()));
        let whole = r#"{"sendid":7,"ok":false,"class":"transient","code":"busy_1","message":"later","detail":{"a": 1},"x":0}"#;
        assert_eq!(code(whole), (Some(7), "transient busy_1".into()));
        assert_eq!((error(whole).message.as_str(), error(whole).detail.as_str()), ("later", r#"{"a": 1}"#));
    }

    #[test]
    fn an_answer_that_is_wrong_is_the_failure_of_its_delivery() {
        for wrong in [
            r#"{"sendid":7}"#,
            r#"{"sendid":7,"ok":"yes"}"#,
            r#"{"sendid":7,"ok":true,"ok":true}"#,
            r#"{"sendid":7,"ok":false,"class":"bad"}"#,
            r#"{"sendid":7,"ok":false,"class":"consumer"}"#,
            r#"{"sendid":7,"ok":false,"code":"No!"}"#,
        ] {
            assert_eq!(code(wrong), (Some(7), "unknown bad_reply".into()), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_said_to_people_and_the_answer_is_shown() {
        for (wrong, expected) in [
            (
                r#"{"sendid":7,"ok":false,"class":"bad","message":"no total"}"#,
                "the answer's class is \"bad\": expected transient or permanent",
            ),
            (r#"{"sendid":7,"ok":"yes"}"#, "the answer is not what was expected, invalid type: string \"yes\", expected a boolean"),
            (r#"{"sendid":7,"message":"no total"}"#, "the answer has no \"ok\""),
        ] {
            assert_eq!((error(wrong).message.as_str(), error(wrong).detail), (expected, format!("the worker answered: {wrong}")));
        }
        for (garbage, expected) in [
            ("[7,true,null,null,null,null]", "the answer is not a JSON object: [7,true,null,null,null,null]"),
            (
                r#"{"sendid":-1}"#,
                r#"the answer is not what was expected, invalid value: integer `-1`, expected a whole number: {"sendid":-1}"#,
            ),
            (r#"{"sendid":7"#, r#"the answer is not what was expected, EOF while parsing an object: {"sendid":7"#),
        ] {
            assert_eq!(error(garbage).message, expected);
        }
        assert!(error(&format!(r#"{{"sendid":7,"x":"{}"}}"#, "x".repeat(1 << 20))).detail.len() < 5_000);
    }

    #[test]
    fn an_answer_to_nobody_is_garbage() {
        for garbage in [r#"{"ok":true}"#, r#"{"sendid":-1,"ok":true}"#, r#"{"sendid":7,"ok":true} x"#, "[]", "hello", "\u{7}"] {
            assert_eq!(code(garbage), (None, "bad_reply".into()), "{garbage}");
        }
        assert!(error("hello").message.ends_with(": hello"));
    }

    #[test]
    fn a_text_detail_is_kept_as_text_and_a_long_one_is_cut() {
        assert_eq!(error(r#"{"sendid":7,"ok":false,"detail":"a\nb"}"#).detail, "a\nb");
        assert_eq!(error(r#"{"sendid":7,"ok":false,"detail":null}"#).detail, "");
        let long = error(&format!(r#"{{"sendid":7,"ok":false,"message":"{0}","detail":"{0}"}}"#, "é".repeat(LONGEST_TEXT)));
        assert_eq!((long.message.len(), long.detail.len()), (LONGEST_TEXT, LONGEST_TEXT));
        assert!(error(&"x".repeat(10_000)).message.len() < 1_000);
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in any::<Vec<u8>>()) {
            drop(read(&line));
        }
    }
}
