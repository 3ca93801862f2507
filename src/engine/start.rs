//! Where a partition starts: one pure function over what the broker offers and what the journal knows.
//!
//! The client library never chooses. Each row of the table in the contract ("Where a partition starts") is one arm here.

use std::fmt;

use serde_json::{Value, json};
use thiserror::Error;

use crate::engine::ledger::{IncidentKind, Known};
use crate::engine::source::{Appeared, Committed, Offer};
use crate::engine::stamp::{By, Stamp};
use crate::engine::tracker::Fresh;
use crate::record::NextOffset;

/// Where a topic starts that the group has never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    Earliest,
    Latest,
    /// The first record at or after this time.
    Time(jiff::Timestamp),
}

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

/// The consumer cannot choose by itself: the user must. What is said is what the group has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartRefusal {
    #[error("no committed offset for {place}, but this journal saw it read up to offset {progress}")]
    OffsetsGone { place: Place, progress: NextOffset },
    #[error("no committed offset for {place}, and --from does not say where to begin")]
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
        None => without_commit(offer, known),
        Some(committed) if known.other_uuid => log_changed(offer, committed, Changed::Recreated, options),
        Some(committed) if let Some(at) = chosen_since(committed, known, options) => {
            StartDecision::At { at, fresh: Fresh::Yes, finding: None }
        }
        Some(committed) if committed.next > offer.end => log_changed(offer, committed, Changed::Truncated, options),
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

fn without_commit(offer: &Offer, known: &Known) -> StartDecision {
    let begin = |at| StartDecision::At { at, fresh: Fresh::Yes, finding: None };
    match known.progress {
        Some(progress) if progress.is_empty => begin(progress.to),
        Some(progress) => StartDecision::Refuse(StartRefusal::OffsetsGone { place: place(offer), progress: progress.to }),
        None if known.topic_known || known.other_uuid || offer.topic_known_to_group => begin(offer.low),
        None if offer.appeared == Appeared::DuringTheRun => begin(offer.low),
        None => match offer.from {
            Some(from) => begin(from),
            None => StartDecision::Refuse(StartRefusal::NoStart { place: place(offer), low: offer.low, end: offer.end }),
        },
    }
}

/// The start that was chosen for the new log of a topic that was made again, when a run ended before it could commit it: what is committed
/// is ours, and the journal has seen no record of this log, so it was committed for the log before.
fn chosen_since(committed: &Committed, known: &Known, options: &StartOptions) -> Option<NextOffset> {
    let chosen = known.progress.filter(|progress| progress.is_empty && progress.to != committed.next)?;
    let stamp = Stamp::parse(&committed.metadata)?;
    let is_of_a_run = stamp.journal_uuid == options.journal_uuid && matches!(stamp.by, By::Run(_));
    (is_of_a_run && stamp.next == committed.next).then_some(chosen.to)
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

/// Why a committed offset says nothing about the log that is there.
#[derive(Clone, Copy)]
enum Changed {
    /// It is another topic's.
    Recreated,
    /// It is shorter.
    Truncated,
}

fn log_changed(offer: &Offer, committed: &Committed, changed: Changed, options: &StartOptions) -> StartDecision {
    let (kind, what) = match changed {
        Changed::Recreated => (IncidentKind::Recreated, "is a new topic of the same name"),
        Changed::Truncated => (IncidentKind::Truncated, "ends before the committed offset"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::{next, offer, topic, unknown};
    use crate::engine::ledger::KnownProgress;
    use crate::record::Slot;

    const SLOT: Slot = Slot { index: 3, epoch: 1 };
    const OURS: &str = "rd1:mine:50:r7";

    /// The log holds 10 to 100; the group has committed `committed` with `metadata`.
    fn offered(committed: Option<(i64, &str)>) -> Offer {
        let committed = committed.map(|(at, metadata)| Committed { next: next(at), metadata: metadata.to_owned() });
        Offer { committed, low: next(10), topic_known_to_group: false, ..offer(SLOT, &topic("orders"), 100) }
    }

    fn nothing_known() -> Known {
        Known { topic_known: false, ..unknown(SLOT) }
    }

    fn progress(to: i64) -> Known {
        Known { topic_known: true, progress: Some(KnownProgress { to: next(to), is_empty: false }), ..nothing_known() }
    }

    fn options() -> StartOptions {
        StartOptions { journal_uuid: "mine".into(), on_gap: OnGap::Earliest, on_truncation: OnTruncation::Hold }
    }

    /// The decision in short: where it starts, whether that is fresh, and what was found.
    fn decide(offer: &Offer, known: &Known) -> String {
        match start(offer, known, &options()) {
            StartDecision::At { at, fresh, finding } => {
                let finding = finding.map_or(String::new(), |finding| {
                    let bound = |at: Option<NextOffset>| at.map_or("-".to_owned(), |at| at.to_string());
                    format!(" {} {}..{}", finding.kind.as_str(), bound(finding.from), bound(finding.to))
                });
                format!("{at} {fresh:?}{finding}")
            }
            StartDecision::Held(finding) => format!("held {}", finding.kind.as_str()),
            StartDecision::Halt(finding) => format!("halt {}", finding.kind.as_str()),
            StartDecision::Refuse(refusal) => format!("refused: {refusal}"),
        }
    }

    #[test]
    fn a_committed_offset_within_the_log() {
        let rows = [
            (OURS, nothing_known(), "50 No"),
            (OURS, progress(40), "50 No"),
            ("rd1:mine:7:m3", progress(40), "50 No"),
            ("rd1:other:50:r1", nothing_known(), "50 No journal_missing -..50"),
            ("rd1:other:50:r1", progress(40), "50 No moved 40..50"),
            ("", nothing_known(), "50 No"),
            ("some tool", nothing_known(), "50 No"),
            ("", progress(60), "50 No moved 60..50"),
            ("some tool", progress(40), "50 No moved 40..50"),
            ("rd1:mine:49:r7", progress(40), "50 No moved 40..50"),
        ];
        for (metadata, known, expected) in rows {
            assert_eq!(decide(&offered(Some((50, metadata))), &known), expected, "{metadata:?} {:?}", known.progress);
        }
    }

    #[test]
    fn a_committed_offset_outside_of_the_log() {
        assert_eq!(decide(&offered(Some((5, OURS))), &progress(5)), "10 Yes gap 5..10");
        assert_eq!(decide(&offered(Some((10, ""))), &nothing_known()), "10 No", "the first offset is still there");
        assert_eq!(decide(&offered(Some((100, ""))), &nothing_known()), "100 No", "all was read");
        assert_eq!(decide(&offered(Some((101, OURS))), &progress(101)), "held truncated");
        let recreated = Known { other_uuid: true, ..nothing_known() };
        assert_eq!(decide(&offered(Some((50, OURS))), &recreated), "held recreated");
    }

    #[test]
    fn a_start_in_a_new_log_that_was_never_committed() {
        let chosen = |to| Known { progress: Some(KnownProgress { to: next(to), is_empty: true }), ..progress(to) };
        assert_eq!(decide(&offered(Some((50, OURS))), &chosen(10)), "10 Yes", "50 was committed for the log before");
        assert_eq!(decide(&offered(Some((500, "rd1:mine:500:r7"))), &chosen(10)), "10 Yes", "wherever that was");
        assert_eq!(decide(&offered(Some((50, OURS))), &chosen(50)), "50 No", "it was committed");
        assert_eq!(decide(&offered(Some((50, "rd1:mine:50:m3"))), &chosen(10)), "50 No", "a move of ours");
        assert_eq!(decide(&offered(Some((50, ""))), &chosen(10)), "50 No moved 10..50", "somebody else moved it");
    }

    #[test]
    fn gaps_and_truncations_as_the_options_say() {
        let halt = StartOptions { on_gap: OnGap::Halt, ..options() };
        assert!(matches!(start(&offered(Some((5, OURS))), &progress(5), &halt), StartDecision::Halt(_)));
        for (on_truncation, expected) in [(OnTruncation::Earliest, 10), (OnTruncation::Latest, 100)] {
            let options = StartOptions { on_truncation, ..options() };
            let StartDecision::At { at, fresh: Fresh::Yes, finding: Some(finding) } =
                start(&offered(Some((101, OURS))), &progress(101), &options)
            else {
                panic!("it goes on")
            };
            assert_eq!((at.get(), finding.kind), (expected, IncidentKind::Truncated));
        }
    }

    #[test]
    fn no_committed_offset() {
        assert_eq!(
            decide(&offered(None), &progress(40)),
            "refused: no committed offset for orders/3, but this journal saw it read up to offset 40"
        );
        let empty = Known { progress: Some(KnownProgress { to: next(30), is_empty: true }), ..nothing_known() };
        assert_eq!(decide(&offered(None), &empty), "30 Yes");
        let known_to_journal = Known { topic_known: true, ..nothing_known() };
        assert_eq!(decide(&offered(None), &known_to_journal), "10 Yes", "a new partition");
        let known_to_group = Offer { topic_known_to_group: true, from: Some(next(100)), ..offered(None) };
        assert_eq!(decide(&known_to_group, &nothing_known()), "10 Yes", "a new partition, whatever --from says");
        let from = Offer { from: Some(next(100)), ..offered(None) };
        assert_eq!(decide(&from, &nothing_known()), "100 Yes");
        assert_eq!(
            decide(&offered(None), &nothing_known()),
            "refused: no committed offset for orders/3, and --from does not say where to begin"
        );
    }

    #[test]
    fn a_topic_that_appears_during_the_run_starts_at_its_beginning() {
        let offer = Offer { appeared: Appeared::DuringTheRun, ..offered(None) };
        let decision = start(&offer, &nothing_known(), &options());
        assert_eq!(decision, StartDecision::At { at: next(10), fresh: Fresh::Yes, finding: None });
    }
}
