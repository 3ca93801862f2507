//! `ce_time`: RFC 3339 with a zone, with `T` or a space in the middle.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::failure::Refusal;

/// Checks a time attribute.
///
/// # Errors
/// `invalid_time`.
pub(super) fn check(text: &str) -> Result<(), Refusal> {
    if has_form(text.as_bytes()) && in_nanoseconds(text).parse::<Timestamp>().is_ok() {
        return Ok(());
    }
    Err(Refusal::permanent(
        "invalid_time",
        format!("the time \"{text}\" is not RFC 3339 with a zone: expected one like 2026-11-23T05:00:00Z"),
    ))
}

/// The parser accepts more forms than RFC 3339 has.
fn has_form(text: &[u8]) -> bool {
    let is = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    let ends = match text.split_last() {
        Some((b'Z' | b'z', _)) => true,
        Some(_) => text.len() >= 25 && is(text.len() - 6, b"+-") && is(text.len() - 3, b":"),
        None => false,
    };
    ends && text.len() >= 20 && is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":") && is(19, b".Zz+-")
}

/// RFC 3339 allows any number of digits after the second, the parser nine.
fn in_nanoseconds(text: &str) -> Cow<'_, str> {
    let Some((seconds, rest)) = text.split_once('.') else { return Cow::Borrowed(text) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = rest.split_at(digits);
    match fraction.split_at_checked(9) {
        Some((nanoseconds, _)) => Cow::Owned(format!("{seconds}.{nanoseconds}{zone}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_with_a_zone() {
        for good in [
            "2026-11-23T05:00:00Z",
            "2026-11-23 05:00:00Z",
            "2026-11-23T05:00:00.123456+02:00",
            "2026-11-23T05:00:00.1234567890123-11:30",
            "2026-11-23t05:00:00z",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "2026-11-23",
            "2026-11-23T05:00:00",
            "2026-11-23T05:00Z",
            "20261123T050000Z",
            "2026-11-23T05:00:00+02",
            "2026-11-23T05:00:00+0200",
            "2026-11-23T05:00:00+02:00[Europe/Berlin]",
            "2026-13-23T05:00:00Z",
            "2026-11-23T05:00:00.Z",
            "1764000000",
        ] {
            assert_eq!(check(bad).map_err(|refusal| refusal.code.as_str().to_owned()), Err("invalid_time".to_owned()), "{bad}");
        }
    }
}
