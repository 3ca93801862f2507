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

/// A time alone: RFC 3339 with a zone, as Kafka's own tools write it, too.
///
/// # Errors
/// When `text` is none, or has no zone.
pub fn moment(text: &str) -> Result<Timestamp, GrammarError> {
    text.parse().map_err(|_| match text.parse::<jiff::civil::DateTime>() {
        Ok(_) => GrammarError::NoZone(text.to_owned()),
        Err(_) => GrammarError::Moment(text.to_owned()),
    })
}

/// The first whole millisecond since 1970 at or after a time: records have whole ones, and none below 0.
#[must_use]
pub fn first_ms(at: Timestamp) -> i64 {
    let ns = at.as_nanosecond();
    let ms = ns.div_euclid(1_000_000) + i128::from(ns.rem_euclid(1_000_000) > 0);
    i64::try_from(ms.max(0)).unwrap_or(i64::MAX)
}

/// A duration in ISO 8601 as Java reads it, `PnDTnHnMn.nS`, or one of ours.
///
/// # Errors
/// When `text` is neither, is below zero, or counts in years, months or weeks.
pub fn any_duration(text: &str) -> Result<Duration, GrammarError> {
    if let Some(duration) = duration(text) {
        return Ok(duration);
    }
    let malformed = || GrammarError::IsoDuration(text.to_owned());
    if text.strip_prefix('-').is_some_and(|unsigned| !unsigned.starts_with('-') && any_duration(unsigned).is_ok()) {
        return Err(GrammarError::Signed(text.to_owned()));
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    let parts = plain.strip_prefix(['P', 'p']).ok_or_else(malformed)?;
    let (days, times) = parts.split_once(['T', 't']).map_or((parts, None), |(days, times)| (days, Some(times)));
    let days = pieces(days).ok_or_else(malformed)?;
    if let Some((_, unit)) = days.iter().find(|(_, unit)| CALENDAR.iter().any(|(of, _)| of == unit)) {
        let word = CALENDAR.iter().find(|(of, _)| of == unit).map_or("", |(_, word)| word);
        return Err(GrammarError::Calendar { text: text.to_owned(), unit: word });
    }
    let times = times.map(|times| pieces(times).filter(|pieces| !pieces.is_empty()).ok_or_else(malformed)).transpose()?;
    let times = times.unwrap_or_default();
    let is_ordered = in_order(&days, "D") && in_order(&times, "HMS");
    if !is_ordered || (days.is_empty() && times.is_empty()) {
        return Err(malformed());
    }
    days.iter().chain(&times).try_fold(Duration::ZERO, |sum, piece| sum.checked_add(long(piece)?)).ok_or_else(malformed)
}

/// Units whose length depends on where in the calendar they lie; a week is left out by Java, too.
const CALENDAR: [(char, &str); 3] = [('Y', "years"), ('M', "months"), ('W', "weeks")];

/// `12H30M` as numbers and their units, in capitals.
fn pieces(text: &str) -> Option<Vec<(&str, char)>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')))?;
        let unit = rest.get(end..)?.chars().next().filter(char::is_ascii_alphabetic)?;
        pieces.push((rest.get(..end)?, unit.to_ascii_uppercase()));
        rest = rest.get(end + 1..)?;
    }
    Some(pieces)
}

/// Each unit at most once, and the larger ones first.
fn in_order(pieces: &[(&str, char)], units: &str) -> bool {
    let mut left = units.chars();
    pieces.iter().all(|(_, unit)| left.any(|of| of == *unit))
}

/// Only seconds have a fraction, of nine digits at most.
fn long((number, unit): &(&str, char)) -> Option<Duration> {
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let seconds = match unit {
        'D' => 24 * 60 * 60,
        'H' => 60 * 60,
        'M' => 60,
        _ => 1,
    };
    let is_whole = !number.contains(['.', ',']);
    if !is_whole && (*unit != 'S' || fraction.len() > 9 || fraction.contains(['.', ','])) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(seconds).map(|seconds| Duration::new(seconds, nanos))
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
    fn a_time_between_two_milliseconds_is_the_later_one() {
        for (time, expected) in [
            ("1970-01-01T00:00:00.001Z", 1),
            ("1970-01-01T00:00:00.001000001Z", 2),
            ("1970-01-01T00:00:00.001999Z", 2),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.9999Z", 0),
            ("1969-01-01T00:00:00.5Z", 0),
        ] {
            assert_eq!(first_ms(time.parse().unwrap()), expected, "{time}");
        }
        assert_eq!((first_ms(Timestamp::MIN), first_ms(Timestamp::MAX)), (0, 253_402_207_200_999 + 1));
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

    #[test]
    fn moments_have_a_zone() {
        for (text, expected) in [
            ("2026-11-23T05:00:00Z", "2026-11-23T05:00:00Z"),
            ("2026-11-23T05:00:00.000Z", "2026-11-23T05:00:00Z"),
            ("2026-11-23T05:00:00.123+02:00", "2026-11-23T03:00:00.123Z"),
            ("2026-11-23T05:00:00.123+02", "2026-11-23T03:00:00.123Z"),
            ("2026-11-23T05:00:00.123+0200", "2026-11-23T03:00:00.123Z"),
        ] {
            assert_eq!(moment(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in ["2026-11-23T05:00:00", "2026-11-23T05:00:00.000", "2026-11-23 05:00"] {
            assert_eq!(moment(text), Err(GrammarError::NoZone(text.into())), "{text}");
        }
        for text in ["", "2h", "now", "05:00Z", "2026-13-23T05:00:00Z"] {
            assert_eq!(moment(text), Err(GrammarError::Moment(text.into())), "{text}");
        }
    }

    #[test]
    fn durations_in_iso_8601() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("PT2H", ms(7_200_000)),
            ("P7D", ms(604_800_000)),
            ("P1DT2H3M4.5S", ms(93_784_500)),
            ("+PT0S", ms(0)),
            ("pt1,25s", ms(1_250)),
            ("PT1.S", ms(1_000)),
            ("PT36H", ms(129_600_000)),
            ("2h", ms(7_200_000)),
        ] {
            assert_eq!(any_duration(text), Ok(expected), "{text}");
        }
        for (text, unit) in [("P1Y", "years"), ("P2M", "months"), ("P1W", "weeks"), ("P1Y2M3DT4H", "years")] {
            assert_eq!(any_duration(text), Err(GrammarError::Calendar { text: text.into(), unit }), "{text}");
        }
        for text in ["-PT5M", "-5m", "-P1D"] {
            assert_eq!(any_duration(text), Err(GrammarError::Signed(text.into())), "{text}");
        }
        let no_durations = [
            "",
            "P",
            "PT",
            "P1DT",
            "-",
            "--PT1H",
            "-P",
            "PT-1H",
            "P1H",
            "PT1D",
            "PT1M1H",
            "PT1H1H",
            "PT1.5H",
            "PT1.2.3S",
            "PT.5S",
            "PTS",
            "2 h",
            "PT1.0123456789S",
            "PT99999999999999999999S",
            "P999999999999999999D",
            "PT1é",
        ];
        for text in no_durations {
            assert_eq!(any_duration(text), Err(GrammarError::IsoDuration(text.into())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(us in -60_000_000_000_000_000i64..250_000_000_000_000_000) {
            let at = Timestamp::from_microsecond(us).unwrap();
            prop_assert_eq!(time(&at.to_string(), now()), Ok(at));
        }

        #[test]
        fn any_text_is_a_moment_or_a_duration_or_neither(text in "\\PC*|[+-]?P?([0-9.,]{0,4}[YMWDHSTé]){0,5}") {
            prop_assert!(moment(&text).is_err() || any_duration(&text).is_err());
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
