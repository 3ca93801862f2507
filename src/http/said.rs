//! What an answer that is no success says for people: its status, the server's own words, and where it points. Pure.

use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::failure::kept;

/// As much of the server's own words as a message quotes, in bytes.
pub(crate) const QUOTED: usize = 1000;

/// The names of RFC 9110; the library still has two of an older one.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        other => other.canonical_reason().unwrap_or_default(),
    }
}

/// Where a redirect points, without the parts that may hold a secret.
pub(crate) fn plain_place(location: &str) -> String {
    let plain = location.split(['?', '#']).next().unwrap_or_default();
    let Ok(mut url) = Url::parse(plain) else {
        // A path, or a host without its scheme.
        return match plain.rsplit_once('@') {
            Some((_, rest)) => format!("***@{rest}"),
            None => plain.to_owned(),
        };
    };
    let is_named = !url.username().is_empty() || url.password().is_some();
    if is_named && (url.set_username("***").is_err() || url.set_password(None).is_err()) {
        return "another place".to_owned();
    }
    url.into()
}

/// The first line of what the server says for people: a member of its JSON, or a text. A page is not for this place, and neither is a
/// text that only repeats the status.
pub(crate) fn said(body: &str, reason: &str) -> Option<String> {
    let speaks = |text: &str| {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let is_new = !line.eq_ignore_ascii_case(reason) && !line.eq_ignore_ascii_case("Unprocessable Entity");
        is_new.then(|| kept(line, QUOTED).to_owned())
    };
    match serde_json::from_str::<Value>(body) {
        Ok(value) => member(&value, &speaks),
        Err(_) => speaks(body).filter(|line| !line.starts_with('<')),
    }
}

/// The members that servers put their reasons into, also one level down.
fn member(value: &Value, speaks: &impl Fn(&str) -> Option<String>) -> Option<String> {
    match value {
        Value::String(text) => speaks(text),
        Value::Array(list) => list.iter().find_map(|inner| member(inner, speaks)),
        Value::Object(members) => {
            let named = ["error", "message", "detail", "title", "msg"].into_iter().filter_map(|name| members.get(name));
            named.into_iter().find_map(|inner| member(inner, speaks))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
