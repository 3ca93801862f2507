//! `ce_time`: RFC 3339 with a zone, with `T` or a space in the middle.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::failure::Refusal;

/// Checks a time attribute.
///
/// # Errors
/// `invalid_time`.
pub(super) fn check(text: &str) -> Result<(), Refusal> {
    if has_form(text.as_bytes()) && (is_ordinary(text.as_bytes()) || in_nanoseconds(text).parse::<Timestamp>().is_ok()) {
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

/// True for what nearly all write, of a text that has the form: a day that every month has, and at most nine digits of a second.
fn is_ordinary(text: &[u8]) -> bool {
    let Some((moment, rest)) = text.split_first_chunk::<19>() else { return false };
    let is = |at: usize, of: RangeInclusive<u8>| two_digits(moment.get(at..at + 2)).is_some_and(|number| of.contains(&number));
    let is_moment =
        is(0, 0..=98) && is(2, 0..=99) && is(5, 1..=12) && is(8, 1..=28) && is(11, 0..=23) && is(14, 0..=59) && is(17, 0..=59);
    let zone = match rest.split_first() {
        Some((b'.', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest.get(digits..).filter(|_| (1..=9).contains(&digits))
        }
        _ => Some(rest),
    };
    let is_zone = match zone {
        Some([b'Z' | b'z']) => true,
        Some([b'+' | b'-', hours @ .., b':', _, _]) => {
            let minutes = zone.and_then(|zone| zone.get(4..));
            two_digits(Some(hours)).is_some_and(|hours| hours < 24) && two_digits(minutes).is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    };
    is_moment && is_zone
}

fn two_digits(text: Option<&[u8]>) -> Option<u8> {
    match text? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(10 * (tens - b'0') + (ones - b'0')),
        _ => None,
    }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_ordinary_is_what_the_parser_reads(
            text in "[0-9]{4}-[0-3][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])",
        ) {
            let (is_read, is_ordinary) = (text.parse::<Timestamp>().is_ok(), is_ordinary(text.as_bytes()));
            prop_assert!(is_read || !is_ordinary, "{}", text);
        }
    }

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
            assert_eq!(is_ordinary(good.as_bytes()), !good.contains("0123"), "{good}");
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
