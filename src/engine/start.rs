//! Where a partition starts: one pure function over what the broker offers and what the journal knows.
//!
//! The client library never chooses. Each row of the table in the contract ("Where a partition starts") is one arm here.

use std::fmt;

use serde_json::{Value, json};
use thiserror::Error;

use crate::engine::ledger::{IncidentKind, Known};
use crate::engine::source::{Committed, Offer};
use crate::engine::stamp::{By, Stamp};
use crate::engine::tracker::Fresh;
use crate::record::NextOffset;

/// What to do when committed records are no longer in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnGap {
    #[default]
    Earliest,
    Halt,
}

/// What to do when the log ends before the committed offset, or the topic is another one of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTruncation {
    #[default]
    Hold,
    Earliest,
    Latest,
}

#[derive(Clone, Debug)]
pub struct StartOptions {
    pub journal_uuid: String,
    pub on_gap: OnGap,
    pub on_truncation: OnTruncation,
    /// The topic appeared after the run began (a pattern is subscribed): it starts at its beginning.
    pub appeared: Appeared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appeared {
    BeforeTheRun,
    DuringTheRun,
}

/// A trouble that was found while deciding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: IncidentKind,
    pub from: Option<NextOffset>,
    pub to: Option<NextOffset>,
    pub message: String,
    pub data: Value,
}

#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartDecision {
    At {
        at: NextOffset,
        fresh: Fresh,
        finding: Option<Finding>,
    },
    /// The partition is held; the others go on.
    Held(Finding),
    /// The run stops: `--on-gap halt`.
    Halt(Finding),
    Refuse(StartRefusal),
}

/// The consumer cannot choose by itself: the user must.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartRefusal {
    #[error("group has no committed offset for {place}, but this journal saw it read up to offset {progress}")]
    OffsetsGone { place: Place, progress: NextOffset },
    #[error("group has no committed offset for {place}, and --from does not say where to begin")]
    NoStart { place: Place, low: NextOffset, end: NextOffset },
}

/// `TOPIC/PARTITION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Decides where an offered partition starts.
pub fn start(offer: &Offer, known: &Known, options: &StartOptions) -> StartDecision {
    match &offer.committed {
        None => without_commit(offer, known, options),
        Some(committed) if known.other_uuid => log_changed(offer, committed, IncidentKind::Recreated, options),
        Some(committed) if committed.next > offer.end => log_changed(offer, committed, IncidentKind::Truncated, options),
        Some(committed) if committed.next < offer.low => lost(offer, committed, options),
        Some(committed) => {
            let finding = who_committed(offer, committed, known, options);
            StartDecision::At { at: committed.next, fresh: Fresh::No, finding }
        }
    }
}

fn place(offer: &Offer) -> Place {
    Place { topic: offer.topic.name.clone(), partition: offer.partition }
}

fn without_commit(offer: &Offer, known: &Known, options: &StartOptions) -> StartDecision {
    let begin = |at| StartDecision::At { at, fresh: Fresh::Yes, finding: None };
    match known.progress {
        Some(progress) if progress.is_empty => begin(progress.to),
        Some(progress) => StartDecision::Refuse(StartRefusal::OffsetsGone { place: place(offer), progress: progress.to }),
        None if known.topic_known || known.other_uuid || offer.topic_known_to_group => begin(offer.low),
        None if options.appeared == Appeared::DuringTheRun => begin(offer.low),
        None => match offer.from {
            Some(from) => begin(from),
            None => StartDecision::Refuse(StartRefusal::NoStart { place: place(offer), low: offer.low, end: offer.end }),
        },
    }
}

/// The committed offset lies within the log: whose is it?
fn who_committed(offer: &Offer, committed: &Committed, known: &Known, options: &StartOptions) -> Option<Finding> {
    let stamp = Stamp::parse(&committed.metadata);
    let is_ours = stamp.as_ref().is_some_and(|stamp| {
        stamp.journal_uuid == options.journal_uuid && (stamp.next == committed.next || matches!(stamp.by, By::Move(_)))
    });
    if is_ours {
        return None;
    }
    let other_journal = stamp.filter(|stamp| stamp.journal_uuid != options.journal_uuid).map(|stamp| stamp.journal_uuid);
    match (known.progress, other_journal) {
        (Some(progress), _) => Some(Finding {
            kind: IncidentKind::Moved,
            from: Some(progress.to),
            to: Some(committed.next),
            message: format!(
                "{} was at offset {} when this journal last saw it; the group's offset is now {}, written by someone else",
                place(offer),
                progress.to,
                committed.next
            ),
            data: json!({ "metadata": committed.metadata }),
        }),
        (None, Some(uuid)) => Some(Finding {
            kind: IncidentKind::JournalMissing,
            from: None,
            to: Some(committed.next),
            message: format!(
                "{} was read with another journal ({uuid}): failures below offset {} are there",
                place(offer),
                committed.next
            ),
            data: json!({ "journal": uuid, "metadata": committed.metadata }),
        }),
        (None, None) => None,
    }
}

/// Committed, but deleted from the log before it was read.
fn lost(offer: &Offer, committed: &Committed, options: &StartOptions) -> StartDecision {
    let finding = gap(&place(offer), committed.next, offer.low);
    match options.on_gap {
        OnGap::Earliest => StartDecision::At { at: offer.low, fresh: Fresh::Yes, finding: Some(finding) },
        OnGap::Halt => StartDecision::Halt(finding),
    }
}

/// The incident of records that were deleted before they were read.
#[must_use]
pub fn gap(place: &Place, from: NextOffset, to: NextOffset) -> Finding {
    Finding {
        kind: IncidentKind::Gap,
        from: Some(from),
        to: Some(to),
        message: format!("{place} lost the offsets {from} to {to} (excluded) before they were read: they are no longer in the log"),
        data: json!({ "lost": to.get() - from.get() }),
    }
}

/// The log is shorter than what was committed, or it is another topic's.
fn log_changed(offer: &Offer, committed: &Committed, kind: IncidentKind, options: &StartOptions) -> StartDecision {
    let what = match kind {
        IncidentKind::Recreated => "is a new topic of the same name",
        _ => "ends before the committed offset",
    };
    let place = place(offer);
    let finding = Finding {
        kind,
        from: Some(committed.next),
        to: Some(offer.end),
        message: format!("{place} {what}: committed {}, the log has {} to {}", committed.next, offer.low, offer.end),
        data: json!({ "low": offer.low.get(), "end": offer.end.get() }),
    };
    let at = match options.on_truncation {
        OnTruncation::Hold => return StartDecision::Held(finding),
        OnTruncation::Earliest => offer.low,
        OnTruncation::Latest => offer.end,
    };
    StartDecision::At { at, fresh: Fresh::Yes, finding: Some(finding) }
}
