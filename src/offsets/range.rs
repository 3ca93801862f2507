//! Ranges of offsets: `[TOPIC:[PARTITION|*:]]RANGE`, where RANGE is `N`, `N..M`, `N..`, `@TIME..@TIME` or `@TIME..`.
//!
//! An end is always excluded, as the offset that a group commits is.

use jiff::Timestamp;

use crate::offsets::{GrammarError, time};
use crate::record::{NextOffset, Offset};

/// The longest name that Kafka lets a topic have.
const LONGEST_TOPIC: usize = 249;

/// Offsets of one topic, or of any; of one partition, or of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub bounds: Bounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// `to` is excluded; `None`: without an end.
    Offsets { from: Offset, to: Option<NextOffset> },
    /// Of the records' timestamps; `to` is excluded.
    Times { from: Timestamp, to: Option<Timestamp> },
}

impl OffsetRange {
    /// One that says of which partition it is, or that it is of all.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and when no partition is named.
    pub fn parse_placed(text: &str, now: Timestamp) -> Result<Self, GrammarError> {
        let range = Self::parse(text, now)?;
        let (place, _) = place_and_bounds(text)?;
        let is_placed = place.is_none_or(|place| place.contains(':'));
        if is_placed { Ok(range) } else { Err(GrammarError::NoPartition(text.to_owned())) }
    }

    /// # Errors
    /// When `text` is no range, or one that nothing can lie in.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, GrammarError> {
        let (place, bounds) = place_and_bounds(text)?;
        let (topic, partition) = match place.map(|place| place.split_once(':').map_or((place, None), |(of, at)| (of, Some(at)))) {
            None => (None, None),
            Some((topic, at)) => (Some(topic_name(topic)?), at.map(partition).transpose()?.flatten()),
        };
        let bounds = Bounds::parse(bounds, now).map_err(|error| match error {
            GrammarError::Range(_) => GrammarError::Range(text.to_owned()),
            other => other,
        })?;
        Ok(Self { topic, partition, bounds })
    }
}

impl Bounds {
    /// # Errors
    /// When `text` is no RANGE, or one that nothing can lie in.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, GrammarError> {
        let malformed = || GrammarError::Range(text.to_owned());
        let bounds = match (text.starts_with('@'), text.split_once("..")) {
            (true, Some((from, to))) => {
                let moment = |text: &str| time(text.strip_prefix('@').ok_or_else(malformed)?, now);
                Self::Times { from: moment(from)?, to: some(to).map(moment).transpose()? }
            }
            (true, None) => return Err(malformed()),
            (false, Some((from, to))) => Self::Offsets {
                from: number(from).and_then(Offset::new).ok_or_else(malformed)?,
                to: some(to).map(|to| number(to).and_then(NextOffset::new).ok_or_else(malformed)).transpose()?,
            },
            (false, None) => {
                let only = number(text).and_then(Offset::new).ok_or_else(malformed)?;
                // Behind the highest number there is none that could be its end.
                let to = (only.get() < i64::MAX).then(|| only.next());
                Self::Offsets { from: only, to }
            }
        };
        if bounds.is_empty() { Err(GrammarError::EmptyRange(text.to_owned())) } else { Ok(bounds) }
    }

    fn is_empty(&self) -> bool {
        match *self {
            Self::Offsets { from, to } => to.is_some_and(|to| !to.covers(from)),
            Self::Times { from, to } => to.is_some_and(|to| to <= from),
        }
    }
}

/// A time has colons itself, and no topic has an `@`.
fn place_and_bounds(text: &str) -> Result<(Option<&str>, &str), GrammarError> {
    Ok(match (text.find('@'), text.rfind(':')) {
        (Some(0), _) | (None, None) => (None, text),
        (Some(at), _) => {
            let (place, bounds) = text.split_at(at);
            (Some(place.strip_suffix(':').ok_or_else(|| GrammarError::Range(text.to_owned()))?), bounds)
        }
        (None, Some(colon)) => (text.get(..colon), text.get(colon + 1..).unwrap_or_default()),
    })
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Digits only: the parser of the standard library takes a sign, too.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn topic_name(name: &str) -> Result<String, GrammarError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_topic = (1..=LONGEST_TOPIC).contains(&name.len()) && name.bytes().all(fits) && !matches!(name, "." | "..");
    if is_topic { Ok(name.to_owned()) } else { Err(GrammarError::Topic(name.to_owned())) }
}

/// `None`: all of them.
fn partition(text: &str) -> Result<Option<i32>, GrammarError> {
    if text == "*" {
        return Ok(None);
    }
    let number = number(text).and_then(|number| i32::try_from(number).ok());
    number.map(Some).ok_or_else(|| GrammarError::Partition(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn offsets(from: i64, to: Option<i64>) -> Bounds {
        Bounds::Offsets { from: Offset::new(from).unwrap(), to: to.map(|to| NextOffset::new(to).unwrap()) }
    }

    fn times(from: &str, to: Option<&str>) -> Bounds {
        Bounds::Times { from: from.parse().unwrap(), to: to.map(|to| to.parse().unwrap()) }
    }

    fn range(topic: Option<&str>, partition: Option<i32>, bounds: Bounds) -> OffsetRange {
        OffsetRange { topic: topic.map(str::to_owned), partition, bounds }
    }

    #[test]
    fn ranges() {
        let (five, ten) = ("2026-11-23T05:00:00Z", "2026-11-23T10:00:00Z");
        for (text, expected) in [
            ("7", range(None, None, offsets(7, Some(8)))),
            ("7..9", range(None, None, offsets(7, Some(9)))),
            ("0..", range(None, None, offsets(0, None))),
            ("orders:7", range(Some("orders"), None, offsets(7, Some(8)))),
            ("orders:3:7..9", range(Some("orders"), Some(3), offsets(7, Some(9)))),
            ("orders:*:7..", range(Some("orders"), None, offsets(7, None))),
            ("a..b.c_d-1:0:7", range(Some("a..b.c_d-1"), Some(0), offsets(7, Some(8)))),
            ("@2026-11-23T05:00:00Z..", range(None, None, times(five, None))),
            ("@2026-11-23T05:00:00Z..@2h", range(None, None, times(five, Some(ten)))),
            ("orders:3:@7h..@2026-11-23T12:00:00+02:00", range(Some("orders"), Some(3), times(five, Some(ten)))),
            ("orders:*:@7h..", range(Some("orders"), None, times(five, None))),
            ("orders:@7h..", range(Some("orders"), None, times(five, None))),
            ("9223372036854775807", range(None, None, offsets(i64::MAX, None))),
        ] {
            assert_eq!(OffsetRange::parse(text, now()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn one_that_must_say_its_partition() {
        for text in ["orders:3:7", "orders:*:7..", "orders:3:@7h..", "orders:*:@7h..@2026-11-23T12:00:00+02:00", "7", "@7h.."] {
            assert_eq!(OffsetRange::parse_placed(text, now()), OffsetRange::parse(text, now()), "{text}");
        }
        for text in ["orders:7", "orders:7..9", "orders:@7h..", "orders:@7h..@2026-11-23T12:00:00+02:00"] {
            assert_eq!(OffsetRange::parse_placed(text, now()), Err(GrammarError::NoPartition(text.into())), "{text}");
        }
    }

    #[test]
    fn what_is_no_range() {
        let no_range = |text: &str| GrammarError::Range(text.to_owned());
        let empty = |text: &str| GrammarError::EmptyRange(text.to_owned());
        for (text, expected) in [
            ("", no_range("")),
            ("..", no_range("..")),
            ("..9", no_range("..9")),
            ("-1", no_range("-1")),
            ("+1", no_range("+1")),
            ("1..2..3", no_range("1..2..3")),
            ("99999999999999999999", no_range("99999999999999999999")),
            ("@2h", no_range("@2h")),
            ("@2h..5", no_range("@2h..5")),
            ("5..@2h", no_range("5..@2h")),
            ("orders:", no_range("orders:")),
            ("orders:3:", no_range("orders:3:")),
            ("orders@2h..", no_range("orders@2h..")),
            ("7..7", empty("7..7")),
            ("orders:3:9..7", empty("9..7")),
            ("@2h..@7h", empty("@2h..@7h")),
            (":7", GrammarError::Topic(String::new())),
            ("or ders:7", GrammarError::Topic("or ders".into())),
            ("..:7", GrammarError::Topic("..".into())),
            ("orders:x:7", GrammarError::Partition("x".into())),
            ("orders:-1:7", GrammarError::Partition("-1".into())),
            ("orders:1:2:7", GrammarError::Partition("1:2".into())),
            ("orders:2147483648:7", GrammarError::Partition("2147483648".into())),
            ("@yesterday..", GrammarError::Time("yesterday".into())),
        ] {
            assert_eq!(OffsetRange::parse(text, now()), Err(expected), "{text}");
        }
        assert!(matches!(OffsetRange::parse(&format!("{}:7", "a".repeat(250)), now()), Err(GrammarError::Topic(_))));
    }

    fn text(range: &OffsetRange) -> String {
        let place = match (&range.topic, range.partition) {
            (Some(topic), Some(partition)) => format!("{topic}:{partition}:"),
            (Some(topic), None) => format!("{topic}:*:"),
            (None, _) => String::new(),
        };
        match range.bounds {
            Bounds::Offsets { from, to: None } => format!("{place}{from}.."),
            Bounds::Offsets { from, to: Some(to) } if to == from.next() => format!("{place}{from}"),
            Bounds::Offsets { from, to: Some(to) } => format!("{place}{from}..{to}"),
            Bounds::Times { from, to: None } => format!("{place}@{from}.."),
            Bounds::Times { from, to: Some(to) } => format!("{place}@{from}..@{to}"),
        }
    }

    prop_compose! {
        fn any_bounds()(is_time in any::<bool>(), from in 0i64..1 << 40, len in prop::option::of(1i64..1 << 20)) -> Bounds {
            let at = |ms| Timestamp::from_millisecond(ms).unwrap();
            if is_time { Bounds::Times { from: at(from), to: len.map(|len| at(from + len)) } } else { offsets(from, len.map(|len| from + len)) }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            topic in prop::option::of("[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,30}"), partition in prop::option::of(0i32..), bounds in any_bounds(),
        ) {
            let range = OffsetRange { partition: partition.filter(|_| topic.is_some()), topic, bounds };
            prop_assert_eq!(OffsetRange::parse(&text(&range), now()), Ok(range));
        }

        #[test]
        fn any_text_is_read_without_a_panic(any in "\\PC*|[a-c0-9:@.*TZ-]{0,30}") {
            if let Ok(range) = OffsetRange::parse(&any, now()) {
                prop_assert!(!range.bounds.is_empty());
                prop_assert_eq!(OffsetRange::parse(&text(&range), now()), Ok(range));
            }
        }
    }
}
