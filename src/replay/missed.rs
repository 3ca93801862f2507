//! What receivers missed while they were down: within the ranges that a replay reads, it is delivered to them beside what failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::detached::Range;
use crate::engine::ledger::LedgerError;
use crate::engine::missed::{KnownDeferred, Stray};
use crate::journal::{TopicRow, Writer};
use crate::record::{NextOffset, Offset, ReceiverIx, ReceiverSet, Suspects, Topic};
use crate::replay::error::ReplayError;
use crate::replay::plan::{PlannedMissed, SkipReason, Skipped};
use crate::replay::prepare::Draft;
use crate::replay::roster::Roster;
use crate::replay::source::{Rule, Span};
use crate::replay::tally::Counter;

/// Something that a receiver missed, of what is read of one partition.
#[derive(Clone, Debug)]
pub(super) struct Missed {
    pub(super) topic: Arc<Topic>,
    pub(super) partition: i32,
    pub(super) receiver: String,
    pub(super) range: Range,
    /// At most.
    pub(super) events: u64,
    /// A run that lives delivers it.
    pub(super) is_held: bool,
}

/// Who missed what of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct MissedHere {
    pub(super) ours: Vec<(ReceiverIx, Range)>,
    /// Of others, who deliver it.
    pub(super) held: Vec<Range>,
}

impl MissedHere {
    /// Who missed a record, and is to have it from this replay.
    pub(super) fn by(&self, offset: Offset) -> ReceiverSet {
        let has = |(_, range): &&(ReceiverIx, Range)| contains(*range, offset);
        self.ours.iter().filter(has).fold(ReceiverSet::NONE, |set, (receiver, _)| set.with(*receiver))
    }

    pub(super) fn is_held(&self, offset: Offset) -> bool {
        self.held.iter().any(|range| contains(*range, offset))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.held.is_empty()
    }

    /// What of these offsets somebody missed.
    pub(super) fn within(&self, span: Span) -> impl Iterator<Item = Range> {
        let cut = move |(_, range): &(ReceiverIx, Range)| Range { from: range.from.max(span.from), to: range.to.min(span.to) };
        self.ours.iter().map(cut).filter(|range| range.from < range.to)
    }
}

pub(super) fn contains(range: Range, offset: Offset) -> bool {
    range.to.covers(offset) && !range.from.covers(offset)
}

fn len(range: Range) -> u64 {
    range.to.get().saturating_sub(range.from.get()).max(0).unsigned_abs()
}

impl Draft {
    /// Finds what receivers missed of these spans.
    pub(super) fn find_missed(&mut self, of: (&Arc<Topic>, Option<TopicRow>, i32), spans: &[Span]) -> Result<(), ReplayError> {
        let (topic, row, partition) = of;
        let (Some(row), Some(selected)) = (row, &self.selected) else { return Ok(()) };
        for missed in selected.reader().missed_of(&self.group, row, partition)? {
            for span in spans {
                let range = Range { from: missed.range.from.max(span.from), to: missed.range.to.min(span.to) };
                if range.from < range.to {
                    let (topic, receiver) = (Arc::clone(topic), missed.receiver.clone());
                    let events = missed.events.min(len(range));
                    self.missed.push(Missed { topic, partition, receiver, range, events, is_held: missed.is_held });
                }
            }
        }
        Ok(())
    }

    /// Leaves out what this replay cannot deliver to those who missed it.
    pub(super) fn keep_missed(&mut self, roster: &Roster) -> Result<(), ReplayError> {
        let by_name = roster.by_name();
        let (mut held, mut missing): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
        for missed in &self.missed {
            let counts = match (by_name.contains_key(&missed.receiver), missed.is_held) {
                (false, _) => &mut missing,
                (true, true) => &mut held,
                (true, false) => continue,
            };
            *counts.entry(missed.receiver.clone()).or_default() += missed.events;
        }
        self.missed.retain(|missed| by_name.contains_key(&missed.receiver));
        missing.into_iter().try_for_each(|(receiver, count)| self.skip_missing(receiver, count))?;
        let skipped = |(receiver, count)| Skipped {
            reason: SkipReason::AnotherRunDelivers,
            count,
            receiver: Some(receiver),
            definition: None,
        };
        self.skipped.extend(held.into_iter().map(skipped));
        Ok(())
    }
}

/// Who is given a record whatever he has, needs no plan of what he missed.
pub(super) fn planned(missed: &[Missed], rule: &Rule) -> Vec<PlannedMissed> {
    let planned = |missed: &Missed| PlannedMissed {
        topic: missed.topic.name.clone(),
        partition: missed.partition,
        receiver: missed.receiver.clone(),
        from_offset: missed.range.from.get(),
        to_offset: missed.range.to.get(),
        at_most: missed.events,
    };
    match rule {
        Rule::Failed(_) => missed.iter().filter(|missed| !missed.is_held).map(planned).collect(),
        Rule::Given(_) => Vec::new(),
    }
}

/// All that a replay has taken of what was missed.
#[derive(Clone, Debug, Default)]
pub(super) struct TakenMissed {
    ours: Vec<Stray>,
    held: Vec<Stray>,
    rule: Option<Rule>,
}

/// Takes what is free. What somebody took since the plan was made is counted as his.
pub(super) fn take(writer: &mut Writer, missed: &[Missed], rule: &Rule, tally: &Counter) -> Result<TakenMissed, LedgerError> {
    let stray = |missed: &Missed| Stray {
        topic: Arc::clone(&missed.topic),
        partition: missed.partition,
        missed: KnownDeferred { receiver: missed.receiver.clone(), range: missed.range },
        suspects: Suspects::default(),
    };
    let free: Vec<Stray> = missed.iter().filter(|missed| !missed.is_held).map(stray).collect();
    let taken = writer.take_missed(&free)?;
    if matches!(rule, Rule::Failed(_)) {
        for Stray { missed: KnownDeferred { receiver, range }, .. } in &taken.held {
            tally.skip_of(SkipReason::AnotherRunDelivers, Some(receiver.clone()), len(*range));
        }
    }
    let held = taken.held.into_iter().chain(missed.iter().filter(|missed| missed.is_held).map(stray)).collect();
    Ok(TakenMissed { ours: taken.ours, held, rule: Some(rule.clone()) })
}

impl TakenMissed {
    /// Of one partition.
    pub(super) fn here(&self, topic: &Topic, partition: i32) -> MissedHere {
        let is_here = |stray: &&Stray| *stray.topic == *topic && stray.partition == partition;
        let Some(Rule::Failed(by_name)) = &self.rule else { return MissedHere::default() };
        let ours = self.ours.iter().filter(is_here);
        let ours = ours.filter_map(|stray| Some((*by_name.get(&stray.missed.receiver)?, stray.missed.range)));
        MissedHere { ours: ours.collect(), held: self.held.iter().filter(is_here).map(|stray| stray.missed.range).collect() }
    }

    /// Of what a receiver missed nobody knows which records are his: that one is not is no news.
    pub(super) fn goes_over(&self, of: (&Topic, i32), offset: Offset, receiver: Option<&str>) -> bool {
        let (topic, partition) = of;
        let is_it = |stray: &Stray| {
            contains(stray.missed.range, offset)
                && stray.partition == partition
                && receiver.is_none_or(|receiver| stray.missed.receiver == receiver)
                && *stray.topic == *topic
        };
        matches!(self.rule, Some(Rule::Failed(_))) && self.ours.iter().any(is_it)
    }
}

/// Ranges that follow each other are one.
pub(super) fn push(ranges: &mut Vec<Range>, from: NextOffset, to: NextOffset) {
    match ranges.last_mut() {
        Some(last) if last.to == from => last.to = to,
        _ => ranges.push(Range { from, to }),
    }
}
