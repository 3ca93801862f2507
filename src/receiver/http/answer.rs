//! What an answer that is no success means: pure, of whatever a server can say.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};

use crate::failure::{Class, Code, kept};
use crate::http::{QUOTED, plain_place, reason, said};
use crate::receiver::ReceiverError;

/// As much of a body as a failure's detail shows, in bytes.
const SHOWN: usize = super::LONGEST;

/// The failure that an answer tells. `body`: what was read of it, without our secrets; `now`: for an answer that names a time and has no date.
pub(super) fn failure(status: StatusCode, headers: &HeaderMap, body: &str, now: Timestamp) -> ReceiverError {
    let number = status.as_u16();
    let class = match number {
        408 | 425 | 429 | 500..=599 => Class::Transient,
        401 | 403 | 407 => Class::Consumer,
        300..=499 => Class::Permanent,
        _ => return bad_reply(format!("the answer's status is {number}: expected 200 to 599")),
    };
    let reason = reason(status);
    let what = match number {
        300..=399 => moved(headers),
        _ => said(body, reason).map_or(Cow::Borrowed(unsaid(number)), Cow::Owned),
    };
    let space = if reason.is_empty() { "" } else { " " };
    let code = Code::parse(&format!("http_{number}")).unwrap_or(const { Code::known("bad_reply") });
    let error = ReceiverError::known(class, code, format!("{number}{space}{reason}: {what}")).with_detail(kept(body, SHOWN));
    match retry_after(headers, now) {
        Some(wait) if class == Class::Transient => {
            let mut error = error.with_retry_after(wait);
            error.causes.push(format!("it asks to be left alone for {wait:?} (Retry-After)"));
            error
        }
        _ => error,
    }
}

/// No answer that can be understood.
pub(super) fn bad_reply(message: String) -> ReceiverError {
    ReceiverError::known(Class::Transient, const { Code::known("bad_reply") }, message)
}

/// Our words where the server has none.
fn unsaid(number: u16) -> &'static str {
    match number {
        401 | 407 => "the credentials are missing or wrong (bearer_token or basic_auth of the receiver)",
        403 => "these credentials may not do that (bearer_token or basic_auth of the receiver)",
        404 => "nothing takes events under this path",
        405 => "no POST is taken under this path",
        _ => "the answer does not say why",
    }
}

fn moved(headers: &HeaderMap) -> Cow<'static, str> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    match location {
        Some(location) => {
            Cow::Owned(format!("it points to {}, and redirects are not followed", kept(&plain_place(location), QUOTED)))
        }
        None => Cow::Borrowed("redirects are not followed"),
    }
}

/// How long the server asks to be left alone: seconds, or a time, which is measured by the server's own clock where it tells it.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = date(text)?;
    let from = said_at(headers, &DATE).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(from)).unwrap_or_default())
}

fn said_at(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    date(headers.get(name)?.to_str().ok()?)
}

fn date(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> ReceiverError {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        failure(StatusCode::from_u16(status).unwrap(), &headers.collect(), body, now())
    }

    fn now() -> Timestamp {
        "2026-11-23T05:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_status_says_the_class() {
        for (status, class) in [
            (300, "permanent"),
            (302, "permanent"),
            (304, "permanent"),
            (400, "permanent"),
            (401, "consumer"),
            (403, "consumer"),
            (404, "permanent"),
            (407, "consumer"),
            (408, "transient"),
            (409, "permanent"),
            (422, "permanent"),
            (425, "transient"),
            (429, "transient"),
            (499, "permanent"),
            (500, "transient"),
            (503, "transient"),
            (599, "transient"),
        ] {
            let error = answer(status, &[], "");
            assert_eq!((error.class.as_str(), error.code.as_str()), (class, format!("http_{status}").as_str()), "{status}");
        }
        let error = answer(999, &[], "");
        assert_eq!((error.class.as_str(), error.code.as_str()), ("transient", "bad_reply"));
        assert_eq!(error.message, "the answer's status is 999: expected 200 to 599");
    }

    #[test]
    fn the_message_is_what_the_server_says_for_people() {
        for (status, body, message) in [
            (422, r#"{"error":"order has no total","order":"A-1301"}"#, "422 Unprocessable Content: order has no total"),
            (422, r#"{"status":422,"error":"Unprocessable Entity","message":"no total"}"#, "422 Unprocessable Content: no total"),
            (500, r#"{"error":{"code":7,"message":"no disk"}}"#, "500 Internal Server Error: no disk"),
            (400, r#"{"title":"Bad Request","detail":"no total\nat all"}"#, "400 Bad Request: no total"),
            (422, r#"{"detail":[{"loc":["body"],"msg":"Field required"}]}"#, "422 Unprocessable Content: Field required"),
            (500, r#""no disk""#, "500 Internal Server Error: no disk"),
            (500, r#"{"error":17}"#, "500 Internal Server Error: the answer does not say why"),
            (503, "\r\n  no disk  \r\nat all", "503 Service Unavailable: no disk"),
            (503, "", "503 Service Unavailable: the answer does not say why"),
            (503, "service unavailable\n", "503 Service Unavailable: the answer does not say why"),
            (502, "<html>\n<title>Bad gateway</title>", "502 Bad Gateway: the answer does not say why"),
            (599, "no", "599: no"),
        ] {
            let error = answer(status, &[], body);
            assert_eq!(error.message, message);
            assert_eq!(error.detail, body);
        }
        assert!(answer(401, &[], "").message.contains("bearer_token"));
        assert_eq!(answer(500, &[], &"é".repeat(100_000)).message.len(), "500 Internal Server Error: ".len() + QUOTED);
    }

    #[test]
    fn a_redirect_says_where_to_and_no_secret() {
        for (location, shown) in [
            ("https://me:s3cret@else:8443/a?token=s3cret#x", "https://***@else:8443/a"),
            ("/login?token=s3cret", "/login"),
            ("//me:s3cret@else/a", "***@else/a"),
        ] {
            let error = answer(302, &[("location", location)], "");
            assert_eq!(error.message, format!("302 Found: it points to {shown}, and redirects are not followed"));
        }
        assert_eq!(answer(301, &[], "").message, "301 Moved Permanently: redirects are not followed");
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let wait = |headers: &[(&'static str, &str)]| answer(503, headers, "").retry_after.map(|wait| wait.as_secs());
        for (text, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Mon, 23 Nov 2026 05:00:09 GMT", Some(9)),
            ("Mon, 23 Nov 2026 04:59:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(&[("retry-after", text)]), seconds, "{text}");
        }
        let by_its_clock = [("date", "Mon, 23 Nov 2026 03:00:00 GMT"), ("retry-after", "Mon, 23 Nov 2026 03:00:05 GMT")];
        assert_eq!(wait(&by_its_clock), Some(5), "its clock may be wrong by hours");
        assert_eq!(answer(422, &[("retry-after", "1")], "").retry_after, None, "another try would not help");
        assert_eq!(answer(429, &[("retry-after", "11")], "").causes, ["it asks to be left alone for 11s (Retry-After)"]);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(
            status in 100u16..1000, body in ".*", location in any::<Vec<u8>>(), after in "\\PC*",
        ) {
            let mut headers = HeaderMap::new();
            for (name, bytes) in [(LOCATION, location.as_slice()), (RETRY_AFTER, after.as_bytes())] {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    headers.insert(name, value);
                }
            }
            let error = failure(StatusCode::from_u16(status).unwrap(), &headers, &body, now());
            prop_assert!(error.message.len() < 2 * QUOTED && error.detail.len() <= SHOWN);
        }
    }
}
