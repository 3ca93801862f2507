//! From offsets and times as they were asked for to what of each partition is read from its log, and what only the journal may have.
//!
//! What reaches past the end of a log is refused, never cut short in silence; what lies before its beginning is asked of the journal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::kafka::{Logs, PartitionLog};
use crate::offsets::{Bounds, OffsetRange};
use crate::record::NextOffset;
use crate::replay::error::{Extent, ReplayError};
use crate::replay::source::Span;

/// A partition, by its topic's name.
pub(super) type Spot = (String, i32);

/// What is asked of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) log: PartitionLog,
    /// Ascending, and apart from each other; none of them reaches past the end.
    pub(super) spans: Vec<Span>,
}

/// What of a partition lies in its log, and what before it.
pub(super) struct Parted {
    pub(super) before: Vec<Span>,
    pub(super) in_log: Vec<Span>,
}

impl Wanted {
    pub(super) fn parted(&self) -> Parted {
        let low = self.log.low;
        let cut = |from: NextOffset, to: NextOffset| {
            let within = |span: &Span| Span { from: span.from.max(from), to: span.to.min(to) };
            self.spans.iter().map(within).filter(|span| span.from < span.to).collect()
        };
        Parted { before: cut(NextOffset::ZERO, low), in_log: cut(low, self.log.end) }
    }

    /// Leaves out what lies at or above a position; says how many offsets that are.
    pub(super) fn drop_from(&mut self, position: NextOffset) -> u64 {
        let before: u64 = self.spans.iter().map(|span| span.len()).sum();
        self.spans.iter_mut().for_each(|span| span.to = span.to.min(position));
        self.spans.retain(|span| span.from < span.to);
        before - self.spans.iter().map(|span| span.len()).sum::<u64>()
    }
}

/// Finds out what the ranges mean on this cluster. Topics that it does not have are given back: the journal may know them.
pub(super) fn resolve(logs: &Logs, ranges: &[OffsetRange]) -> Result<(BTreeMap<Spot, Wanted>, BTreeSet<String>), ReplayError> {
    let (spots, unknown) = spots(logs, ranges)?;
    let of: Vec<(&str, i32)> = spots.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
    let mut wanted = BTreeMap::new();
    for (spot, log) in spots.iter().zip(logs.look(&of)) {
        let place = format!("{}/{}", spot.0, spot.1);
        let log = log.map_err(|message| ReplayError::Unanswered { place, message })?;
        wanted.insert(spot.clone(), Wanted { log, spans: Vec::new() });
    }
    let times = Times::ask(logs, &of, ranges)?;
    for range in ranges {
        for (spot, wanted) in wanted.iter_mut().filter(|(spot, _)| is_of(range, spot)) {
            let span = span(range, spot, &wanted.log, &times)?;
            wanted.spans.extend(span);
        }
    }
    for range in ranges.iter().filter(|range| !range.topic.as_ref().is_some_and(|topic| unknown.contains(topic))) {
        check_has_something(range, &wanted)?;
    }
    wanted.values_mut().for_each(|wanted| wanted.spans = joined(std::mem::take(&mut wanted.spans), 0));
    Ok((wanted, unknown))
}

pub(super) fn is_of(range: &OffsetRange, (topic, partition): &Spot) -> bool {
    range.topic.as_ref() == Some(topic) && range.partition.is_none_or(|of| of == *partition)
}

/// Every partition that some range is of, and the topics that are not there.
fn spots(logs: &Logs, ranges: &[OffsetRange]) -> Result<(BTreeSet<Spot>, BTreeSet<String>), ReplayError> {
    let (mut spots, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for range in ranges {
        let Some(name) = &range.topic else { continue };
        let Some(topic) = logs.cluster().topic(name)? else {
            unknown.insert(name.clone());
            continue;
        };
        let count = topic.partitions;
        let last = i32::try_from(count).unwrap_or(i32::MAX);
        match range.partition {
            Some(partition) if partition >= last => {
                return Err(ReplayError::UnknownPartition { topic: name.clone(), partition, count });
            }
            Some(partition) => drop(spots.insert((name.clone(), partition))),
            None => spots.extend((0..last).map(|partition| (name.clone(), partition))),
        }
    }
    Ok((spots, unknown))
}

/// The offsets of all times that were asked for.
struct Times(BTreeMap<(Timestamp, Spot), Option<NextOffset>>);

impl Times {
    fn ask(logs: &Logs, of: &[(&str, i32)], ranges: &[OffsetRange]) -> Result<Self, ReplayError> {
        let mut times = BTreeSet::new();
        for range in ranges {
            if let Bounds::Times { from, to } = range.bounds {
                times.insert(from);
                times.extend(to);
            }
        }
        let mut all = BTreeMap::new();
        for time in times {
            let offsets = logs.at(of, time)?;
            let spots = of.iter().map(|(topic, partition)| (time, ((*topic).to_owned(), *partition)));
            all.extend(spots.zip(offsets));
        }
        Ok(Self(all))
    }

    /// The first record at or after the time; else the end.
    fn offset(&self, time: Timestamp, spot: &Spot, log: &PartitionLog) -> NextOffset {
        self.0.get(&(time, spot.clone())).copied().flatten().unwrap_or(log.end).min(log.end)
    }
}

/// What one range means in one partition; `None`: nothing.
fn span(range: &OffsetRange, spot: &Spot, log: &PartitionLog, times: &Times) -> Result<Option<Span>, ReplayError> {
    let span = match range.bounds {
        Bounds::Times { from, to } => {
            let to = to.map_or(log.end, |to| times.offset(to, spot, log));
            Span { from: times.offset(from, spot, log), to }
        }
        Bounds::Offsets { from, to } => {
            let from = NextOffset::before(from);
            let is_past = to.is_some_and(|to| to > log.end) || from >= log.end && range.partition.is_some();
            if is_past {
                return Err(ReplayError::PastEnd { place: extent(spot, log), asked: told(range) });
            }
            Span { from, to: to.unwrap_or(log.end) }
        }
    };
    Ok((span.from < span.to).then_some(span))
}

/// A range of offsets in which there is nothing at all, in no partition, is a mistake. Of a time, the journal may know more.
fn check_has_something(range: &OffsetRange, wanted: &BTreeMap<Spot, Wanted>) -> Result<(), ReplayError> {
    let mut of_it = wanted.iter().filter(|(spot, _)| is_of(range, spot));
    let is_of_times = matches!(range.bounds, Bounds::Times { .. });
    if is_of_times || of_it.clone().any(|(_, wanted)| !wanted.spans.is_empty()) {
        return Ok(());
    }
    match of_it.next().map(|(spot, wanted)| extent(spot, &wanted.log)) {
        Some(place) => Err(ReplayError::PastEnd { place, asked: told(range) }),
        None => Ok(()),
    }
}

pub(super) fn extent((topic, partition): &Spot, log: &PartitionLog) -> Extent {
    Extent { topic: topic.clone(), partition: *partition, low: log.low.get(), end: log.end.get() }
}

/// A range as it is written.
pub(super) fn told(range: &OffsetRange) -> String {
    let topic = range.topic.as_deref().unwrap_or("*");
    let partition = range.partition.map_or_else(|| "*".to_owned(), |partition| partition.to_string());
    let bounds = match range.bounds {
        Bounds::Offsets { from, to: None } => format!("{from}.."),
        Bounds::Offsets { from, to: Some(to) } if to == from.next() => from.to_string(),
        Bounds::Offsets { from, to: Some(to) } => format!("{from}..{to}"),
        Bounds::Times { from, to: None } => format!("@{from}.."),
        Bounds::Times { from, to: Some(to) } => format!("@{from}..@{to}"),
    };
    format!("{topic}:{partition}:{bounds}")
}

/// Ascending, and none of them nearer to the next than `gap`.
pub(super) fn joined(mut spans: Vec<Span>, gap: i64) -> Vec<Span> {
    spans.sort_by_key(|span| span.from);
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from.get().saturating_sub(last.to.get()) <= gap => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::next;

    fn log(low: i64, end: i64) -> PartitionLog {
        PartitionLog { low: next(low), end: next(end), committed: None, uuid: None }
    }

    fn spans(of: &[(i64, i64)]) -> Vec<Span> {
        of.iter().map(|(from, to)| Span { from: next(*from), to: next(*to) }).collect()
    }

    fn meant(text: &str, log: &PartitionLog) -> Result<Option<Span>, String> {
        let range = OffsetRange::parse(text, "2026-11-23T12:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(told(&range), text.replacen("orders:7", "orders:*:7", usize::from(range.partition.is_none())));
        span(&range, &("orders".into(), 3), log, &Times(BTreeMap::new())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_range_is_taken_as_it_is_or_refused() {
        let log = log(5, 10);
        let span = |from, to| Ok(Some(Span { from: next(from), to: next(to) }));
        assert_eq!(meant("orders:3:7", &log), span(7, 8));
        assert_eq!(meant("orders:3:7..9", &log), span(7, 9));
        assert_eq!(meant("orders:3:7..", &log), span(7, 10));
        assert_eq!(meant("orders:3:2..7", &log), span(2, 7), "the journal may have what the log lost");
        assert_eq!(meant("orders:3:7..10", &log), span(7, 10));
        assert_eq!(meant("orders:3:7..11", &log), Err("orders/3 ends at offset 10: orders:3:7..11 reaches past it".into()));
        assert!(meant("orders:3:10", &log).is_err() && meant("orders:3:10..", &log).is_err());
        assert_eq!(meant("orders:*:12..", &log), Ok(None), "another partition may be longer");
    }

    #[test]
    fn what_lies_before_the_log_is_the_journals() {
        let mut wanted = Wanted { log: log(5, 10), spans: spans(&[(1, 3), (4, 8)]) };
        let Parted { before, in_log } = wanted.parted();
        assert_eq!((before, in_log), (spans(&[(1, 3), (4, 5)]), spans(&[(5, 8)])));
        assert_eq!((wanted.drop_from(next(6)), wanted.spans.clone()), (2, spans(&[(1, 3), (4, 6)])));
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(joined(spans(&[(7, 9), (1, 3), (3, 5), (8, 12), (20, 21)]), 0), spans(&[(1, 5), (7, 12), (20, 21)]));
        assert_eq!(joined(spans(&[(1, 2), (10, 11), (30, 31)]), 8), spans(&[(1, 11), (30, 31)]));
    }
}
