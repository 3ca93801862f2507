//! What the engine's threads tell each other.

use std::fmt;
use std::time::Duration;

use crate::engine::guard::NothingWorks;
use crate::engine::halt::RuleHalt;
use crate::engine::ledger::{Entry, Known, LedgerError};
use crate::engine::limit::LimitReached;
use crate::engine::missed::Stray;
use crate::engine::new_types::Skipped;
use crate::engine::rereading::Again;
use crate::engine::schemas::Answer;
use crate::engine::settled::SettledRun;
use crate::engine::source::{CommitResult, Flow, Mark, Offer, SourceError, Start};
use crate::engine::start::{Finding, StartRefusal};
use crate::failure::{Code, Stage};
use crate::record::{Arena, NextOffset, ReceiverIx, Slot};

/// To a shard.
#[derive(Debug)]
pub(super) enum ToShard {
    Batch(Arena),
    /// A record of the topic passed the stage somewhere: its failures are ordinary from now on.
    Passed {
        topic: String,
        stage: Stage,
    },
    /// Drop what of these slots has not started.
    Abandon(Vec<Slot>),
    /// Drop what of these slots waits for a schema or for room: they are about to be somebody else's.
    LetGo(Vec<Slot>),
    Schema(Answer),
    /// Whether deliveries of the receiver may start.
    Gate(ReceiverIx, Gate),
    /// Let one delivery of the receiver, which is down, find out whether it is back; answered by a signal.
    Probe(ReceiverIx),
    /// What the receiver is to have of these slots is deferred from here on, and what of them waits for it as well.
    Detach(ReceiverIx, Vec<Slot>),
    /// What the receiver is to have of the slot is kept from this offset on, until it is attached.
    Keep(ReceiverIx, Slot, NextOffset),
    /// The receiver has all that it missed of the slot: what was kept for it follows.
    Attach(ReceiverIx, Slot),
    Stop(StopLevel),
}

/// Of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Held,
}

/// What deliveries say about their receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    Down(FoundDown),
    /// As the one says that was to find out.
    StillDown(FoundDown),
    /// It answers again.
    Up,
    /// Nothing of it waits where one was to be asked.
    NobodyToAsk,
}

/// A receiver is down, as some deliveries say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDown {
    /// How many of them.
    pub count: u64,
    /// Code and message of the last one.
    pub code: Code,
    pub message: String,
    /// It asked to be left alone for so long.
    pub quiet: Option<Duration>,
    /// The rule of the user that takes it for an outage.
    pub rule: Option<String>,
}

/// How urgently the engine is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Fetch no more, let what is out settle.
    Drain,
    /// Drop what is out.
    Now,
}

/// To the journal thread.
#[derive(Debug)]
pub(super) enum ToJournal {
    Job(JournalJob),
    Look(Vec<Offer>),
    /// Of these receivers.
    TakeStrays(Vec<String>),
    /// The run is over; nothing comes after this.
    End,
}

/// A change of what waits for a schema, or for room, in a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shelved {
    pub records: i64,
    pub bytes: i64,
}

/// Things to write in one transaction, and what they settle once they are on disk.
#[derive(Debug, Default)]
pub struct JournalJob {
    pub entries: Vec<Entry>,
    pub runs: Vec<SettledRun>,
    pub ticket: Option<Ticket>,
}

/// What the coordinator waits for: first the journal has the last progress, then the broker the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// Of the revocation of this number.
    Revoke(u64),
    /// Of the run.
    Last,
}

/// To the coordinator.
#[derive(Debug)]
pub enum Report {
    Settled(Vec<SettledRun>),
    /// Where errors in a row are limited: one record that settles once this is written.
    Judged(JournalJob),
    /// Records of types that no receiver takes; told before they are settled.
    Skipped(Skipped),
    /// A failure of a stage that nothing of the topic has passed yet.
    Held {
        topic: String,
        stage: Stage,
        job: JournalJob,
    },
    Passed {
        topic: String,
        stage: Stage,
    },
    /// A rule ends the run; its record is given up.
    Halted(Box<RuleHalt>),
    Known(Vec<Known>),
    Strays(Vec<Stray>),
    Signal(ReceiverIx, Signal),
    /// So much more, or less, waits for a schema or for room.
    Shelved(Vec<(Slot, Shelved)>),
    /// On disk.
    Journaled {
        runs: Vec<SettledRun>,
        progress: Vec<(Slot, NextOffset)>,
        ticket: Option<Ticket>,
    },
    JournalFailed(LedgerError),
    /// What came of `Action::CommitNow`.
    CommittedNow {
        results: Vec<CommitResult>,
        ticket: Ticket,
    },
}

/// What the kafka thread does for the coordinator.
#[derive(Debug)]
pub enum Action {
    Look(Vec<Offer>),
    TakeStrays(Vec<String>),
    Assign(Vec<Start>),
    Dispatch(usize, Dispatch),
    Journal(JournalJob),
    Commit(Vec<Mark>),
    /// Commit and wait for the answer.
    CommitNow(Vec<Mark>, Ticket),
    Flow(Flow),
    /// As `Flow`, of these slots alone.
    FlowOf(Vec<Slot>, Flow),
    Release(Vec<Slot>),
    /// Read these ranges again, each for one receiver.
    ReadAgain(Vec<Again>),
    LeaveAgain(Vec<Slot>),
    /// This receiver goes on with the others everywhere.
    CaughtUp(String),
    /// The run admits nothing more and waits for what is out.
    Draining(StopReason),
    Finish(StopReason),
}

/// A message for a shard; opaque outside of the engine.
#[derive(Debug)]
pub struct Dispatch(pub(super) ToShard);

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StopReason {
    /// SIGINT, SIGTERM, or whoever embeds it.
    Asked,
    /// `--max-records`, `--until-end`, `--idle-exit`, or the end of a bounded source.
    Done,
    /// The start-up guard.
    Guard(Box<NothingWorks>),
    /// `--on-gap halt`.
    Halt(Box<Finding>),
    /// A `halt` rule.
    HaltRule(Box<RuleHalt>),
    /// `--max-consecutive-errors`.
    Limit(Box<LimitReached>),
    Refused(Box<StartRefusal>),
    Source(SourceError),
    Journal(LedgerError),
    /// All is settled and in the journal, but the broker did not take the last commit.
    NotCommitted(String),
    /// A defect of ours: a thread of the engine is gone.
    Defect(String),
}

impl StopReason {
    /// It was asked to, or has done what it was to do.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Asked | Self::Done)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("it was asked to stop"),
            Self::Done => f.write_str("it is done"),
            Self::Guard(found) => write!(f, "{found}; nothing was committed"),
            Self::Limit(reached) => write!(f, "{reached}"),
            Self::Halt(finding) => f.write_str(&finding.message),
            Self::HaltRule(halt) => write!(f, "{halt}"),
            Self::Refused(refusal) => write!(f, "the group has {refusal}"),
            Self::Source(error) => write!(f, "{error}"),
            Self::Journal(error) => write!(f, "{error}"),
            Self::NotCommitted(why) => write!(f, "the last offsets could not be committed: {why}"),
            Self::Defect(what) => f.write_str(what),
        }
    }
}
