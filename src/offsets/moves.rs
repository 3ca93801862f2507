//! Moves of a group's offsets: what is to be done, what was found, and where both are kept.
//!
//! A move is written down before anything is changed, with all that is needed to take it back.

use std::sync::Arc;

use crate::offsets::{GroupOffset, TopicPartition};
use crate::record::{NextOffset, Topic};

/// A move's number in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MoveId(pub i64);

/// How far a move came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// It was begun. When nothing more was written, nobody saw its end.
    Planned,
    /// The group is where it was to go: it was read back.
    Done,
    /// What was read back is something else.
    Differs,
    /// Something was refused, or not answered.
    Failed,
}

impl MoveState {
    pub const ALL: [Self; 4] = [Self::Planned, Self::Done, Self::Differs, Self::Failed];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done => "done",
            Self::Differs => "differs",
            Self::Failed => "failed",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What a partition is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// This offset; the text beside it says which move it was.
    At(NextOffset),
    /// What it had once, to the letter.
    Back(GroupOffset),
    /// No committed offset.
    Nothing,
}

impl Destination {
    /// `None`: none is to be committed.
    #[must_use]
    pub fn next(&self) -> Option<NextOffset> {
        match self {
            Self::At(next) => Some(*next),
            Self::Back(offset) => Some(offset.next),
            Self::Nothing => None,
        }
    }
}

/// What happens to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub topic: Arc<Topic>,
    pub at: TopicPartition,
    /// `None`: nothing is committed.
    pub old: Option<GroupOffset>,
    pub to: Destination,
}

/// A move that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub group: String,
    /// As whoever makes it says; may be empty.
    pub reason: String,
    pub who: String,
    /// The move that this one takes back.
    pub undoes: Option<MoveId>,
    pub steps: Vec<Step>,
}

/// What was found of one partition when all was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub topic: Arc<Topic>,
    pub at: TopicPartition,
    /// `None`: nothing is committed, nobody could read it, or it was left alone.
    pub read_back: Option<NextOffset>,
    /// What is not as it should be.
    pub error: Option<String>,
}

/// Where moves are written down. What a call has returned for is on disk.
pub trait MoveLog {
    type Error;

    /// Keeps what is about to be done, and what there was. Returns its number, and what is to be committed for each step: of
    /// [`Destination::At`], with the text that names the move.
    ///
    /// # Errors
    /// When it cannot be kept: then nothing may be changed.
    fn begin_move(&mut self, intent: &Intent) -> Result<(MoveId, Vec<Option<GroupOffset>>), Self::Error>;

    /// Adds how it ended.
    ///
    /// # Errors
    /// When it cannot be kept: then the move stays [`MoveState::Planned`].
    fn end_move(&mut self, id: MoveId, state: MoveState, found: &[Found]) -> Result<(), Self::Error>;
}

/// A move as a journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMove {
    pub id: MoveId,
    pub group: String,
    pub undoes: Option<MoveId>,
    pub state: MoveState,
    pub reason: String,
    pub who: String,
    pub host: String,
    /// Microseconds since 1970.
    pub at_us: i64,
    /// In the order of topics and partitions.
    pub items: Vec<PastItem>,
}

/// What a move did to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastItem {
    pub topic: Arc<Topic>,
    pub at: TopicPartition,
    /// `None`: nothing was committed.
    pub old: Option<GroupOffset>,
    /// `None`: nothing was to be committed. Its leader epoch is not kept.
    pub new: Option<GroupOffset>,
    pub read_back: Option<NextOffset>,
    pub error: Option<String>,
}
