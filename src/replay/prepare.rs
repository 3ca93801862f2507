//! From a request to a plan: what is selected, what of it is left out and why, and where its bytes come from.
//!
//! Nothing is written and nothing is delivered here, and no topic is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::consumer::FIRST_ANSWER;
use crate::engine::stop::StopToken;
use crate::journal::{self, PlaceRange, Selected, SelectedEntries, SelectedPartition, TopicRow};
use crate::kafka::{Connection, Logs, PartitionLog};
use crate::offsets::{Bounds, OffsetRange};
use crate::receiver::{MadeOf, Target};
use crate::record::{NextOffset, Offset, Topic};
use crate::replay::error::{Extent, ReplayError};
use crate::replay::missed::{self, Missed};
use crate::replay::plan::{Plan, PlannedEntries, PlannedRange, SkipReason, Skipped};
use crate::replay::ranges::{self, Spot, Wanted, told};
use crate::replay::request::{Request, SourceChoice, Uncommitted, What};
use crate::replay::roster::Roster;
use crate::replay::run::{Drawn, Prepared};
use crate::replay::selection::{Selection, groups_of, listed, topics_of};
use crate::replay::source::{Bytes, Rule, Span};
use crate::settings::ReplaySettings;

const PAGE: usize = 1_000;

/// Where a replay reads and writes.
#[derive(Clone, Debug)]
pub struct Place {
    /// `None`: no broker is named.
    pub connection: Option<Connection>,
    pub journal: journal::Place,
}

/// Finds out what a replay would do.
///
/// # Errors
/// When the request means nothing here, or nothing is left of it to be done.
pub fn prepare(place: Place, settings: ReplaySettings, request: Request, stop: &StopToken) -> Result<Prepared, ReplayError> {
    let roster = Roster::new(settings.receivers.clone(), &request)?;
    let Selection { selected, group } = Selection::of(&place.journal, &request)?;
    let known = selected.as_ref().map_or(Ok(Vec::new()), |selected| selected.reader().receivers_of(&group))?;
    let whom = roster.whom(&request.to, &known)?;
    roster.check_renamed(&request.map, &known)?;
    let logs = connect(&place, &request, &roster, &group, stop)?;
    let journal_uuid = selected.as_ref().map(|selected| selected.reader().uuid().to_owned());
    let mut draft = Draft {
        request,
        group,
        journal_uuid,
        selected,
        logs,
        reads: BTreeMap::new(),
        missed: Vec::new(),
        skipped: Vec::new(),
        gone: 0,
        is_cut: false,
        extent: None,
    };
    match draft.request.what.clone() {
        What::Records(ranges) => draft.find_records(&ranges)?,
        What::Ids(_) | What::Entries(_) => draft.leave_to_the_consumer()?,
    }
    let rule = draft.narrow(&roster, whom)?;
    draft.read_from_topics()?;
    draft.check_something_is_left()?;
    draft.prepared(place, settings, roster, rule)
}

/// A broker is asked when something about the log or the group must be known.
fn connect(place: &Place, request: &Request, roster: &Roster, group: &str, stop: &StopToken) -> Result<Option<Logs>, ReplayError> {
    let is_records = matches!(request.what, What::Records(_));
    let writes = |receiver: &crate::receiver::Specification| matches!(receiver.made_of, MadeOf::Target(Target::Kafka(_)));
    let why = if request.source == SourceChoice::Topic || (is_records && request.source == SourceChoice::Auto) {
        "it reads from the topic"
    } else if request.uncommitted == Uncommitted::LeftToTheConsumer {
        "what the group has not committed yet is left to the consumer"
    } else if roster.receivers.iter().any(writes) {
        "one of its receivers is a topic"
    } else {
        return Ok(None);
    };
    let connection = place.connection.as_ref().ok_or_else(|| ReplayError::NoBroker { why: why.to_owned() })?;
    Logs::open(connection, group, FIRST_ANSWER, stop)?.map(Some).ok_or(ReplayError::Stopped)
}

/// What of one partition is read from its topic.
pub(super) struct Reads {
    pub(super) topic: Arc<Topic>,
    pub(super) spans: Vec<Span>,
}

/// A plan in the making.
pub(super) struct Draft {
    pub(super) request: Request,
    pub(super) group: String,
    pub(super) journal_uuid: Option<String>,
    pub(super) selected: Option<Selected>,
    pub(super) logs: Option<Logs>,
    pub(super) reads: BTreeMap<Spot, Reads>,
    /// What receivers missed of what is read.
    pub(super) missed: Vec<Missed>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) gone: u64,
    pub(super) is_cut: bool,
    /// Of the first partition that offsets were asked of.
    pub(super) extent: Option<Extent>,
}

impl Draft {
    pub(super) fn skip(&mut self, reason: SkipReason, count: u64) {
        if count > 0 {
            self.skipped.push(Skipped { reason, count, receiver: None, definition: None });
        }
    }

    // --- records, by their offsets

    fn find_records(&mut self, ranges: &[OffsetRange]) -> Result<(), ReplayError> {
        if self.request.source == SourceChoice::Journal {
            self.check_group(ranges, &BTreeMap::new())?;
            ranges.iter().try_for_each(|range| self.find_in_journal(range))?;
            return self.leave_to_the_consumer();
        }
        let Some(logs) = &self.logs else { return Ok(()) };
        let (wanted, unknown) = ranges::resolve(logs, ranges)?;
        self.check_group(ranges, &wanted)?;
        for range in ranges.iter().filter(|range| range.topic.as_ref().is_some_and(|topic| unknown.contains(topic))) {
            if self.request.source == SourceChoice::Topic {
                return Err(self.unknown_topic(range)?);
            }
            match self.find_in_journal(range) {
                Err(ReplayError::Gone { .. }) if !self.is_known(range)? => return Err(self.unknown_topic(range)?),
                found => found?,
            }
        }
        let has_records = |wanted: &&Wanted| wanted.log.low < wanted.log.end;
        let some = wanted.iter().find(|(_, wanted)| has_records(wanted)).or(wanted.first_key_value());
        self.extent = some.map(|(spot, wanted)| ranges::extent(spot, &wanted.log));
        for range in ranges.iter().filter(|range| matches!(range.bounds, Bounds::Times { .. })) {
            self.find_by_time(range, &wanted)?;
        }
        for (spot, wanted) in wanted {
            self.want(spot, wanted)?;
        }
        let is_empty = self.selected.as_ref().map_or(Ok(true), Selected::is_empty)?;
        if is_empty && self.reads.is_empty() && self.skipped.is_empty() {
            let what = ranges.iter().map(told).collect::<Vec<_>>().join(", ");
            return Err(ReplayError::Gone { what, extent: self.extent.clone(), has_journal: true });
        }
        Ok(())
    }

    /// Where the journal knows who reads a topic, a group that is asked for and that neither it nor the cluster has seen there is
    /// mistyped. What failed would be an entry of it.
    fn check_group(&self, ranges: &[OffsetRange], wanted: &BTreeMap<Spot, Wanted>) -> Result<(), ReplayError> {
        let has_committed = wanted.values().any(|wanted| wanted.log.committed.is_some());
        let (Some(group), Some(selected), false) = (&self.request.group, &self.selected, has_committed) else { return Ok(()) };
        let topics = topics_of(ranges);
        let known = groups_of(selected, &topics)?;
        if known.is_empty() || known.contains(group) {
            return Ok(());
        }
        Err(ReplayError::UnknownGroup { group: group.clone(), topics: listed(&topics), known: known.into_iter().collect() })
    }

    /// The journal has seen its topic.
    fn is_known(&self, range: &OffsetRange) -> Result<bool, ReplayError> {
        let name = range.topic.as_deref().unwrap_or_default();
        let topics = self.selected.as_ref().map_or(Ok(Vec::new()), |selected| selected.reader().topics_called(name))?;
        Ok(!topics.is_empty())
    }

    fn unknown_topic(&self, range: &OffsetRange) -> Result<ReplayError, ReplayError> {
        let topics = self.logs.as_ref().map_or(Ok(Vec::new()), |logs| logs.cluster().topics())?;
        let there = topics.into_iter().map(|topic| topic.name).collect();
        Ok(ReplayError::UnknownTopic { name: range.topic.clone().unwrap_or_default(), there })
    }

    /// What the journal has of a range: of the topic as it is now, or as it was when the journal last saw it.
    fn find_in_journal(&mut self, range: &OffsetRange) -> Result<(), ReplayError> {
        let gone = || ReplayError::Gone { what: told(range), extent: None, has_journal: true };
        let selected = self.selected.as_mut().ok_or_else(gone)?;
        let topics = selected.reader().topics_called(range.topic.as_deref().unwrap_or_default())?;
        let topic = topics.first().ok_or_else(gone)?.row;
        let place = PlaceRange { topic, partition: range.partition, bounds: range.bounds };
        selected.select_places(Some(&self.group), &[place])?;
        if selected.has_any_in(Some(&self.group), &place)? { Ok(()) } else { Err(gone()) }
    }

    /// Where a log was cut, a time that lies before its first record has no offset: what the journal has from there on it knows by the
    /// time itself.
    fn find_by_time(&mut self, range: &OffsetRange, wanted: &BTreeMap<Spot, Wanted>) -> Result<(), ReplayError> {
        let mut of_it = wanted.iter().filter(|(spot, _)| ranges::is_of(range, spot));
        let mut is_there = of_it.clone().any(|(_, wanted)| !wanted.spans.is_empty());
        for (spot, wanted) in of_it.clone().filter(|(_, wanted)| wanted.log.low > NextOffset::ZERO) {
            let (_, row) = self.topic_of(spot, wanted)?;
            if let (Some(selected), Some(topic)) = (&mut self.selected, row) {
                let place = PlaceRange { topic, partition: Some(spot.1), bounds: range.bounds };
                selected.select_places(Some(&self.group), &[place])?;
                is_there |= selected.has_any_in(Some(&self.group), &place)?;
            }
        }
        if is_there {
            return Ok(());
        }
        let extent = of_it.next().map(|(spot, wanted)| ranges::extent(spot, &wanted.log));
        Err(ReplayError::NoRecords { what: told(range), extent: self.extent.clone().or(extent) })
    }

    /// The topic as it is now, and its row if the journal has seen it.
    fn topic_of(&self, spot: &Spot, wanted: &Wanted) -> Result<(Arc<Topic>, Option<TopicRow>), ReplayError> {
        let cluster_id = self.logs.as_ref().map(|logs| logs.cluster().id().to_owned()).unwrap_or_default();
        let topic = Arc::new(Topic { cluster_id, name: spot.0.clone(), uuid: wanted.log.uuid.clone() });
        let row = self.selected.as_ref().map_or(Ok(None), |selected| selected.reader().topic(&topic))?;
        Ok((topic, row))
    }

    fn want(&mut self, spot: Spot, mut wanted: Wanted) -> Result<(), ReplayError> {
        let (topic, row) = self.topic_of(&spot, &wanted)?;
        if self.request.uncommitted == Uncommitted::LeftToTheConsumer {
            let limit = self.limit(Some(&wanted.log), row, spot.1)?;
            let left = limit.map_or(0, |limit| wanted.drop_from(limit));
            self.skip(SkipReason::ConsumerWill, left);
            if let (Some(selected), Some(row), Some(limit)) = (&mut self.selected, row, limit) {
                selected.drop_from(row, spot.1, limit)?;
            }
        }
        let parted = wanted.parted();
        if let (Some(selected), Some(topic)) = (&mut self.selected, row) {
            let bounds = |span: &Span| Offset::new(span.from.get()).map(|from| Bounds::Offsets { from, to: Some(span.to) });
            let places = wanted.spans.iter().filter_map(bounds);
            let places: Vec<_> = places.map(|bounds| PlaceRange { topic, partition: Some(spot.1), bounds }).collect();
            selected.select_places(Some(&self.group), &places)?;
        }
        let lost: u64 = parted.before.iter().map(|span| span.len()).sum();
        if lost > 0 {
            self.is_cut = true;
            self.gone += lost.saturating_sub(self.records_below(row, spot.1, wanted.log.low)?);
        }
        if !parted.in_log.is_empty() {
            self.find_missed((&topic, row, spot.1), &parted.in_log)?;
            self.reads.insert(spot, Reads { topic, spans: parted.in_log });
        }
        Ok(())
    }

    /// Of how many selected records the journal has the only copy.
    fn records_below(&self, row: Option<TopicRow>, partition: i32, low: NextOffset) -> Result<u64, ReplayError> {
        let mut records = BTreeSet::new();
        for of in self.partitions()?.iter().filter(|of| Some(of.row) == row && of.number == partition) {
            self.each_row(of, |row| {
                if low.covers(row.offset) {
                    records.insert(row.offset);
                }
            })?;
        }
        Ok(records.len() as u64)
    }

    // --- entries

    fn leave_to_the_consumer(&mut self) -> Result<(), ReplayError> {
        if self.request.uncommitted == Uncommitted::Included {
            return Ok(());
        }
        let partitions = self.partitions()?;
        for (of, log) in partitions.iter().zip(self.logs_of(&partitions)?) {
            let limit = self.limit(log.as_ref(), Some(of.row), of.number)?;
            let (Some(limit), Some(selected)) = (limit, &mut self.selected) else { continue };
            let left = selected.drop_from(of.row, of.number, limit)?;
            self.skip(SkipReason::ConsumerWill, left);
        }
        Ok(())
    }

    /// Up to where the group has come: what it has committed, or else what the journal saw of it.
    fn limit(&self, log: Option<&PartitionLog>, row: Option<TopicRow>, partition: i32) -> Result<Option<NextOffset>, ReplayError> {
        if let Some(committed) = log.and_then(|log| log.committed) {
            return Ok(Some(committed));
        }
        let (Some(selected), Some(row)) = (&self.selected, row) else { return Ok(None) };
        Ok(selected.reader().reached(&self.group, row, partition)?.last.map(|progress| progress.to))
    }

    pub(super) fn partitions(&self) -> Result<Vec<SelectedPartition>, ReplayError> {
        Ok(self.selected.as_ref().map_or(Ok(Vec::new()), Selected::partitions)?)
    }

    pub(super) fn each_row(&self, of: &SelectedPartition, mut each: impl FnMut(&journal::SelectedRow)) -> Result<(), ReplayError> {
        let Some(selected) = &self.selected else { return Ok(()) };
        let mut after = None;
        loop {
            let rows = selected.rows(of, after, PAGE)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.offset);
            rows.iter().for_each(&mut each);
        }
    }

    pub(super) fn offsets(&self) -> u64 {
        self.reads.values().flat_map(|reads| &reads.spans).map(|span| span.len()).sum()
    }

    pub(super) fn entries(&self) -> Result<Vec<SelectedEntries>, ReplayError> {
        Ok(self.selected.as_ref().map_or(Ok(Vec::new()), Selected::entries)?)
    }

    fn check_something_is_left(&self) -> Result<(), ReplayError> {
        let is_empty = self.selected.as_ref().map_or(Ok(true), Selected::is_empty)?;
        let is_over = is_empty && self.reads.is_empty();
        if !is_over || self.skipped.iter().any(|skipped| skipped.reason.leaves_undone()) {
            return Ok(());
        }
        match self.skipped.iter().map(|skipped| skipped.count).sum() {
            0 => Err(ReplayError::nothing_selected(self.selected.as_ref())),
            already => Err(ReplayError::NothingLeft { already }),
        }
    }

    // --- the plan

    fn prepared(self, place: Place, settings: ReplaySettings, roster: Roster, rule: Rule) -> Result<Prepared, ReplayError> {
        let entries = self.entries()?;
        let is_records = matches!(self.request.what, What::Records(_));
        let of_reads = self.reads.iter().filter(|_| is_records && matches!(rule, Rule::Given(_))).flat_map(|(spot, reads)| {
            reads.spans.iter().map(move |span| PlannedRange {
                topic: spot.0.clone(),
                partition: spot.1,
                from_offset: span.from.get(),
                to_offset: span.to.get(),
                at_most: span.len(),
            })
        });
        let plan = Plan {
            group: self.group.clone(),
            ranges: of_reads.collect(),
            missed: missed::planned(&self.missed, &rule),
            entries: entries.into_iter().map(planned).collect(),
            skipped: self.skipped,
            gone: self.gone,
            is_cut: self.is_cut,
            extent: self.extent,
        };
        let bytes = if self.request.source == SourceChoice::Topic { Bytes::OfTheTopic } else { Bytes::OfTheJournal };
        Drawn {
            request: self.request,
            roster,
            rule,
            bytes,
            selected: self.selected,
            journal_uuid: self.journal_uuid,
            reads: self.reads,
            missed: self.missed,
            plan,
        }
        .prepared(place, settings, self.logs.as_ref())
    }
}

fn planned(entries: SelectedEntries) -> PlannedEntries {
    PlannedEntries {
        topic: entries.topic.name.clone(),
        partition: entries.partition,
        stage: entries.stage,
        receiver: entries.receiver,
        code: entries.code,
        count: entries.count,
        from_offset: entries.first.get(),
        to_offset: entries.last.get(),
        from_ms: entries.first_ms,
        to_ms: entries.last_ms,
        late: entries.late,
    }
}
