//! Times for people and for JSON: RFC 3339 in UTC, so that what is read can be typed after `--since`.

use jiff::Timestamp;

/// Of ours, to the second.
pub(super) fn second(us: i64) -> String {
    told(Timestamp::from_microsecond(us), 0)
}

/// Of ours, to the millisecond.
pub(super) fn millisecond(us: i64) -> String {
    told(Timestamp::from_microsecond(us), 3)
}

/// Of ours, as JSON has it.
pub(super) fn microsecond(us: i64) -> String {
    told(Timestamp::from_microsecond(us), 6)
}

/// Without the year and the seconds, for narrow screens.
pub(super) fn minute(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| UNKNOWN.to_owned(), |at| at.strftime("%m-%dT%H:%MZ").to_string())
}

/// Of Kafka's, which producers are free to invent: `None` outside of the years that RFC 3339 has.
pub(super) fn of_record(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().filter(|at| at.as_second() >= YEAR_0).map(|at| format!("{at:.3}"))
}

const UNKNOWN: &str = "unknown";
/// 0000-01-01T00:00:00Z
const YEAR_0: i64 = -62_167_219_200;

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
        assert_eq!(of_record(us / 1_000).as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(of_record(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn times_that_nobody_could_have_are_told_apart() {
        assert_eq!((of_record(i64::MAX), of_record(i64::MIN), of_record((YEAR_0 - 1) * 1_000)), (None, None, None));
        assert_eq!((second(i64::MAX), minute(i64::MAX)), ("unknown".into(), "unknown".into()));
    }
}
