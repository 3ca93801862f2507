//! Times of ours for people and for JSON: RFC 3339 in UTC, so that what is read can be typed after `--since`.

use jiff::{SignedDuration, Timestamp};

/// To the second.
pub(super) fn second(us: i64) -> String {
    told(Timestamp::from_microsecond(us), 0)
}

/// To the millisecond.
pub(super) fn millisecond(us: i64) -> String {
    told(Timestamp::from_microsecond(us), 3)
}

/// As JSON has it.
pub(super) fn microsecond(us: i64) -> String {
    told(Timestamp::from_microsecond(us), 6)
}

/// Without the year and the seconds, for narrow screens.
pub(super) fn minute(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| UNKNOWN.to_owned(), |at| at.strftime("%m-%dT%H:%MZ").to_string())
}

/// How long something lasted: `820 ms`, `32 s`, `5 min 10 s`, `3 h 12 min`.
pub(super) fn lasted(of: SignedDuration) -> String {
    match of.as_secs() {
        ..1 => format!("{} ms", of.as_millis().max(0)),
        secs @ 1..60 => format!("{secs} s"),
        secs @ 60..3_600 => format!("{} min {} s", secs / 60, secs % 60),
        secs => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
    }
}

const UNKNOWN: &str = "unknown";

fn told(at: Result<Timestamp, jiff::Error>, digits: usize) -> String {
    at.map_or_else(|_| UNKNOWN.to_owned(), |at| format!("{at:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let us = 1_700_000_000_123_456;
        assert_eq!(second(us), "2023-11-14T22:13:20Z");
        assert_eq!(millisecond(us), "2023-11-14T22:13:20.123Z");
        assert_eq!(microsecond(us), "2023-11-14T22:13:20.123456Z");
        assert_eq!(minute(us), "11-14T22:13Z");
    }

    #[test]
    fn how_long_it_lasted_is_told_in_two_parts_at_most() {
        for (ms, expected) in [(-5, "0 ms"), (820, "820 ms"), (32_900, "32 s"), (310_000, "5 min 10 s"), (11_523_000, "3 h 12 min")]
        {
            assert_eq!(lasted(SignedDuration::from_millis(ms)), expected);
        }
    }

    #[test]
    fn times_that_nobody_could_have_are_told_apart() {
        assert_eq!((second(i64::MAX), minute(i64::MAX)), ("unknown".into(), "unknown".into()));
    }
}
