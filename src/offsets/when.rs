//! Times and durations. A time without a zone is refused: nobody can tell which one was meant.

use std::time::Duration;

use jiff::Timestamp;

use crate::offsets::GrammarError;

/// A time: RFC 3339 with a zone, or how long before `now`.
///
/// # Errors
/// When `text` is neither, or lies outside the years that a time can have.
pub fn time(text: &str, now: Timestamp) -> Result<Timestamp, GrammarError> {
    if let Some(ago) = duration(text) {
        return now.checked_sub(ago).map_err(|_| GrammarError::TooLongAgo(text.to_owned()));
    }
    text.parse().map_err(|_| GrammarError::Time(text.to_owned()))
}

/// The time that lies a duration before `now`.
///
/// # Errors
/// When `text` is no duration, or reaches back too far.
pub fn before(text: &str, now: Timestamp) -> Result<Timestamp, GrammarError> {
    let ago = duration(text).ok_or_else(|| GrammarError::Duration(text.to_owned()))?;
    now.checked_sub(ago).map_err(|_| GrammarError::TooLongAgo(text.to_owned()))
}

/// `500ms`, `10s`, `5m`, `2h`, `7d`; `None` for anything else.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn durations() {
        let ms = Duration::from_millis;
        let good = [("500ms", ms(500)), ("10s", ms(10_000)), ("5m", ms(300_000)), ("2h", ms(7_200_000)), ("7d", ms(604_800_000))];
        for (text, expected) in good {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 s", "1w", "1h30m", "٣s", "99999999999999999999s", "300000000000000d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("15m", "2026-11-23T11:45:00Z"),
            ("2h", "2026-11-23T10:00:00Z"),
            ("7d", "2026-11-16T12:00:00Z"),
            ("0s", "2026-11-23T12:00:00Z"),
            ("2026-11-23T05:00:00Z", "2026-11-23T05:00:00Z"),
            ("2026-11-23 05:00:00.25+02:00", "2026-11-23T03:00:00.25Z"),
        ] {
            assert_eq!(time(text, now()), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in ["", "now", "2026-11-23", "2026-11-23T05:00:00", "1764000000", "-2h", "2026-13-23T05:00:00Z"] {
            assert_eq!(time(text, now()), Err(GrammarError::Time(text.to_owned())), "{text}");
        }
        assert_eq!(time("99999999d", now()), Err(GrammarError::TooLongAgo("99999999d".into())));
    }

    #[test]
    fn before_takes_durations_only() {
        assert_eq!(before("30s", now()), Ok("2026-11-23T11:59:30Z".parse().unwrap()));
        let time = "2026-11-23T05:00:00Z";
        assert_eq!(before(time, now()), Err(GrammarError::Duration(time.into())));
        assert_eq!(before("99999999d", now()), Err(GrammarError::TooLongAgo("99999999d".into())));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(us in -60_000_000_000_000_000i64..250_000_000_000_000_000) {
            let at = Timestamp::from_microsecond(us).unwrap();
            prop_assert_eq!(time(&at.to_string(), now()), Ok(at));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*|[0-9]{1,30}(ms|[smhd])") {
            let ago = duration(&text);
            prop_assert_eq!(before(&text, now()).is_ok(), ago.is_some_and(|ago| now().checked_sub(ago).is_ok()));
            if ago.is_some() {
                prop_assert_eq!(time(&text, now()), before(&text, now()));
            }
        }
    }
}
