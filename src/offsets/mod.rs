//! Offsets and times as users write them: which records, since when, how long.
//!
//! Pure: the present is passed in, and neither a broker nor a journal is asked.

mod range;
mod when;

use thiserror::Error;

pub use range::{Bounds, OffsetRange};
pub use when::{before, duration, time};

/// What was written means nothing here. Each message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrammarError {
    #[error("`{0}` is not a time: expected RFC 3339 with a zone, like 2026-11-23T05:00:00Z, or how long ago, like 15m, 2h or 7d")]
    Time(String),
    #[error("`{0}` is not a duration: expected a whole number and a unit, like 500ms, 10s, 5m, 2h or 7d")]
    Duration(String),
    #[error("`{0}` reaches back further than times go")]
    TooLongAgo(String),
    #[error(
        "`{0}` is not a range of offsets: expected N, N..M, N.., @TIME..@TIME or @TIME.., after TOPIC: or TOPIC:PARTITION: if it is of one"
    )]
    Range(String),
    #[error("the range `{0}` holds nothing: its end is excluded, so it must lie above its beginning")]
    EmptyRange(String),
    #[error("`{0}` is not the name of a topic: expected letters, digits, `.`, `_` and `-`")]
    Topic(String),
    #[error("`{0}` is not a partition: expected a number from 0, or * for all")]
    Partition(String),
}
