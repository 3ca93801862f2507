//! Where a group is to go: the targets of `group reset`, with the names and the meaning that `kafka-consumer-groups.sh` gives them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::offsets::{GrammarError, TopicPartition, any_duration, moment};
use crate::record::NextOffset;

/// An offset that somebody asks for: it may lie outside of the log, and below 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted(i64);

/// So many offsets on, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift(i64);

/// A target as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetTarget {
    Earliest,
    Latest,
    Offset(Wanted),
    /// The first record at or after a time.
    Time(Timestamp),
    /// As `Time`, so long ago; beside it what was typed.
    Ago(Duration, String),
    Shift(Shift),
    Current,
    /// The file of this name says it for each partition.
    File(String),
    /// The oldest open entry of each partition, or that entry.
    Failure(Option<i64>),
    /// Where the journal saw the group last.
    Progress,
}

/// A target that needs nothing more than brokers and journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    Earliest,
    Latest,
    Offset(Wanted),
    Time(Timestamp),
    Shift(Shift),
    Current,
    Each(BTreeMap<TopicPartition, Wanted>),
    OldestFailures,
    Failure(i64),
    Progress,
}

impl Wanted {
    /// # Errors
    /// When `text` is no whole number.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        number(digits, text).map(Self).ok_or_else(|| GrammarError::Offset(text.to_owned()))
    }

    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<NextOffset> for Wanted {
    fn from(next: NextOffset) -> Self {
        Self(next.get())
    }
}

impl Shift {
    /// # Errors
    /// When `text` is no whole number.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let signed = text.strip_prefix('+').unwrap_or(text);
        number(digits, signed).map(Self).ok_or_else(|| GrammarError::Shift(text.to_owned()))
    }

    /// Where that leads to from an offset.
    #[must_use]
    pub(super) fn from(self, at: NextOffset) -> Wanted {
        Wanted(at.get().saturating_add(self.0))
    }
}

/// The parser of the standard library takes more signs than we do.
fn number(digits: &str, signed: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| signed.parse().ok()).flatten()
}

impl ResetTarget {
    /// `text` is the value of `--to-offset`.
    ///
    /// # Errors
    /// When it means nothing; so for the others.
    pub fn offset(text: &str) -> Result<Self, GrammarError> {
        Wanted::parse(text).map(Self::Offset)
    }

    /// Of `--to-datetime`.
    ///
    /// # Errors
    /// Also when it has no zone.
    pub fn time(text: &str) -> Result<Self, GrammarError> {
        moment(text).map(Self::Time)
    }

    /// Of `--by-duration`.
    ///
    /// # Errors
    /// Also when it has a sign, or counts in years, months or weeks.
    pub fn ago(text: &str) -> Result<Self, GrammarError> {
        any_duration(text).map(|ago| Self::Ago(ago, text.to_owned()))
    }

    /// Of `--shift-by`.
    ///
    /// # Errors
    /// As `offset`.
    pub fn shift(text: &str) -> Result<Self, GrammarError> {
        Shift::parse(text).map(Self::Shift)
    }

    /// Of `--to-failure`; empty: of each partition the oldest one.
    ///
    /// # Errors
    /// When it is no number of an entry.
    pub fn failure(text: &str) -> Result<Self, GrammarError> {
        if text.is_empty() {
            return Ok(Self::Failure(None));
        }
        let id = number(text, text).filter(|id| *id > 0);
        id.map(|id| Self::Failure(Some(id))).ok_or_else(|| GrammarError::Entry(text.to_owned()))
    }

    /// What it means at `now`, where `read` has what the file of a name says.
    ///
    /// # Errors
    /// When it reaches back too far, and those of `read`.
    pub fn aim<E: From<GrammarError>>(
        &self,
        now: Timestamp,
        read: impl FnOnce(&str) -> Result<BTreeMap<TopicPartition, Wanted>, E>,
    ) -> Result<Aim, E> {
        Ok(match self {
            Self::Earliest => Aim::Earliest,
            Self::Latest => Aim::Latest,
            Self::Offset(to) => Aim::Offset(*to),
            Self::Time(at) => Aim::Time(*at),
            Self::Ago(ago, typed) => Aim::Time(now.checked_sub(*ago).map_err(|_| GrammarError::TooLongAgo(typed.clone()))?),
            Self::Shift(by) => Aim::Shift(*by),
            Self::Current => Aim::Current,
            Self::File(name) => Aim::Each(read(name)?),
            Self::Failure(None) => Aim::OldestFailures,
            Self::Failure(Some(id)) => Aim::Failure(*id),
            Self::Progress => Aim::Progress,
        })
    }

    /// It says itself which partitions it is about.
    #[must_use]
    pub fn names_partitions(&self) -> bool {
        matches!(self, Self::File(_) | Self::Failure(Some(_)))
    }
}

/// The flag, and its value behind a space.
impl fmt::Display for ResetTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("--to-earliest"),
            Self::Latest => f.write_str("--to-latest"),
            Self::Offset(Wanted(to)) => write!(f, "--to-offset {to}"),
            Self::Time(at) => write!(f, "--to-datetime {at}"),
            Self::Ago(_, typed) => write!(f, "--by-duration {typed}"),
            Self::Shift(Shift(by)) => write!(f, "--shift-by {by:+}"),
            Self::Current => f.write_str("--to-current"),
            Self::File(name) => write!(f, "--from-file {name}"),
            Self::Failure(None) => f.write_str("--to-failure"),
            Self::Failure(Some(id)) => write!(f, "--to-failure {id}"),
            Self::Progress => f.write_str("--to-progress"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn offsets_and_shifts() {
        for (text, expected) in
            [("0", 0), ("42", 42), ("-5", -5), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(Wanted::parse(text), Ok(Wanted(expected)), "{text}");
            assert_eq!(Shift::parse(text), Ok(Shift(expected)), "{text}");
        }
        assert_eq!(Shift::parse("+5"), Ok(Shift(5)));
        for text in ["", "-", "--5", "-+5", "5.0", "1e3", "٣", " 5", "9223372036854775808", "latest"] {
            assert_eq!(Wanted::parse(text), Err(GrammarError::Offset(text.into())), "{text}");
            assert_eq!(Shift::parse(text), Err(GrammarError::Shift(text.into())), "{text}");
        }
        assert_eq!(Wanted::parse("+5"), Err(GrammarError::Offset("+5".into())));
        assert_eq!(Shift::parse("++5"), Err(GrammarError::Shift("++5".into())));
    }

    #[test]
    fn entries() {
        assert_eq!(ResetTarget::failure(""), Ok(ResetTarget::Failure(None)));
        assert_eq!(ResetTarget::failure("42"), Ok(ResetTarget::Failure(Some(42))));
        for text in ["0", "-1", "+1", "x", "9223372036854775808"] {
            assert_eq!(ResetTarget::failure(text), Err(GrammarError::Entry(text.into())), "{text}");
        }
    }

    #[test]
    fn a_duration_is_counted_from_now() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let aim = |text: &str| ResetTarget::ago(text)?.aim::<GrammarError>(now, |_| unreachable!());
        assert_eq!(aim("PT2H"), Ok(Aim::Time("2026-11-23T10:00:00Z".parse().unwrap())));
        for text in ["99999999d", "P99999999D"] {
            assert_eq!(aim(text), Err(GrammarError::TooLongAgo(text.into())), "as it was typed");
        }
    }

    /// As the command line reads it.
    fn read(words: &str) -> Result<ResetTarget, GrammarError> {
        match words.split_once(' ').map_or((words, None), |(flag, value)| (flag, Some(value))) {
            ("--to-earliest", None) => Ok(ResetTarget::Earliest),
            ("--to-latest", None) => Ok(ResetTarget::Latest),
            ("--to-current", None) => Ok(ResetTarget::Current),
            ("--to-progress", None) => Ok(ResetTarget::Progress),
            ("--to-failure", id) => ResetTarget::failure(id.unwrap_or_default()),
            ("--to-offset", Some(value)) => ResetTarget::offset(value),
            ("--to-datetime", Some(value)) => ResetTarget::time(value),
            ("--by-duration", Some(value)) => ResetTarget::ago(value),
            ("--shift-by", Some(value)) => ResetTarget::shift(value),
            ("--from-file", Some(value)) => Ok(ResetTarget::File(value.to_owned())),
            other => panic!("{other:?}"),
        }
    }

    fn any_target() -> impl Strategy<Value = ResetTarget> {
        let time = -60_000_000_000_000_000i64..250_000_000_000_000_000;
        prop_oneof![
            Just(ResetTarget::Earliest),
            Just(ResetTarget::Latest),
            Just(ResetTarget::Current),
            Just(ResetTarget::Progress),
            any::<i64>().prop_map(|to| ResetTarget::Offset(Wanted(to))),
            any::<i64>().prop_map(|by| ResetTarget::Shift(Shift(by))),
            time.prop_map(|us| ResetTarget::Time(Timestamp::from_microsecond(us).unwrap())),
            any::<(u64, u32)>().prop_map(|(secs, nanos)| {
                let ago = Duration::new(secs, nanos % 1_000_000_000);
                ResetTarget::Ago(ago, format!("PT{secs}.{:09}S", ago.subsec_nanos()))
            }),
            "[a-z/. ]{1,20}".prop_map(ResetTarget::File),
            prop::option::of(1..i64::MAX).prop_map(ResetTarget::Failure),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(target in any_target()) {
            prop_assert_eq!(read(&target.to_string()), Ok(target));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*|[+-]?[0-9]{1,30}") {
            let read = (Wanted::parse(&text), Shift::parse(&text));
            if let (Ok(wanted), Ok(shift)) = read {
                prop_assert_eq!(wanted.0, shift.0);
            }
        }
    }
}
