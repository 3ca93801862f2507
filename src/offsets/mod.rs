//! Offsets: as users write them, and where a group is moved to: checked, planned, saved, changed, read back and compared.
//!
//! No I/O and no clock: the present is passed in, and brokers and journal are asked through the traits that stand here
//! ([`GroupAdmin`], [`MoveLog`], [`Recall`]).

mod admin;
mod asked;
mod behind;
mod called;
mod carry_out;
mod csv;
#[cfg(test)]
pub(crate) mod doubles;
mod guard;
mod look;
mod moves;
mod plan;
mod range;
mod recall;
mod reset;
mod scope;
mod target;
mod undo;
mod when;

use thiserror::Error;

pub use admin::{
    AdminError, Answered, GroupAdmin, GroupListing, GroupMember, GroupOffset, GroupProtocol, GroupView, LogBounds, TopicPartition,
};
pub use behind::{Behind, Retention};
pub use called::called;
pub use carry_out::{Ended, LeftAlone, carry_out};
pub use csv::{CsvError, CsvRow, read_csv, write_csv};
pub use guard::{GuardError, wait_empty};
pub use look::{GroupStanding, LookError, Overview, StandingRow, overview, standing};
pub use moves::{Destination, Found, Intent, MoveId, MoveLog, MoveState, PastItem, PastMove, Step};
pub use plan::{Counts, Outside};
pub use range::{Bounds, OffsetRange};
pub use recall::{EntryPlace, MissedRange, OpenErrors, Recall};
pub use reset::{Beyond, Known, PlannedRow, Prepared, ResetError, ResetRequest, prepare};
pub use scope::{Scope, TopicPick};
pub use target::{Aim, ResetTarget, Shift, Wanted};
pub use undo::{Force, UndoError, prepare_undo};
pub use when::{any_duration, before, duration, first_ms, moment, time};

/// What was written means nothing here. Each message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrammarError {
    #[error("`{0}` is not a time: expected RFC 3339 with a zone, like 2026-11-23T05:00:00Z, or how long ago, like 15m, 2h or 7d")]
    Time(String),
    #[error("`{0}` is not a duration: expected a whole number and a unit, like 500ms, 10s, 5m, 2h or 7d")]
    Duration(String),
    #[error("`{0}` is not a time: expected RFC 3339 with a zone, like 2026-11-23T05:00:00Z")]
    Moment(String),
    #[error("`{0}` has no zone: nobody can tell which time is meant; put Z behind it for UTC, or an offset like +02:00")]
    NoZone(String),
    #[error(
        "`{0}` is not a duration: expected ISO 8601, like PT2H30M or P7D, or a whole number and a unit, like 10s, 5m, 2h or 7d"
    )]
    IsoDuration(String),
    #[error(
        "`{text}` counts in {unit}, which ISO 8601 has and Kafka's tools do not take: say it in days, hours, minutes and seconds"
    )]
    Calendar { text: String, unit: &'static str },
    #[error("`{0}` has a sign: how long ago it was is written without one, like {after}", after = .0.trim_start_matches('-'))]
    Signed(String),
    #[error("`{0}` is not an offset: expected a whole number")]
    Offset(String),
    #[error("`{0}` is not the ID of an entry: expected a number from 1")]
    Entry(String),
    #[error("`{0}` is not a shift: expected a whole number of offsets, like -100 or +5")]
    Shift(String),
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
    #[error("`{0}` names no partition: expected TOPIC:PARTITION:RANGE, or TOPIC:*:RANGE for all of them")]
    NoPartition(String),
    #[error("`{0}` is not a partition: expected a number from 0, or * for all")]
    Partition(String),
}
