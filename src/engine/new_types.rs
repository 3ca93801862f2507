//! Types that no receiver takes: each is one incident, which counts the records that were skipped.
//!
//! Counted in memory and written with the progress that covers the records, so that a topic full of them costs no row for each, and
//! nothing is lost that was committed. Bounded: a topic can make up types without end, and of any length.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::failure;
use crate::record::{Partition, Record};

/// As much of a type as is remembered and shown, in bytes.
const LONGEST: usize = 200;

/// The types that one shard has met, and what it skipped of them since that was last taken.
#[derive(Debug, Default)]
pub(super) struct NewTypes {
    met: HashSet<Arc<str>>,
    skipped: Skipped,
}

impl NewTypes {
    const MOST: usize = 1_000;

    /// Counts a skipped record. Of types beyond the bound it counts nothing: progress alone says that records were skipped.
    pub(super) fn skip(&mut self, event_type: &str, record: &Record) {
        let event_type = failure::kept(event_type, LONGEST);
        if let Some(of) = self.skipped.0.get_mut(event_type) {
            of.records += 1;
            return;
        }
        let event_type = match self.met.get(event_type) {
            Some(met) => Arc::clone(met),
            None if self.met.len() < Self::MOST => Arc::from(event_type),
            None => return,
        };
        self.met.insert(Arc::clone(&event_type));
        self.skipped.0.insert(event_type, OfType { records: 1, first: First::of(record) });
    }

    /// What was skipped since it was last asked; `None` when there is nothing to tell.
    pub(super) fn take(&mut self) -> Option<Skipped> {
        (!self.skipped.0.is_empty()).then(|| std::mem::take(&mut self.skipped))
    }
}

/// Skipped records by their type.
#[derive(Debug, Default)]
pub struct Skipped(BTreeMap<Arc<str>, OfType>);

#[derive(Debug)]
struct OfType {
    records: u64,
    first: First,
}

/// Where the first one was.
#[derive(Debug)]
struct First {
    partition: Arc<Partition>,
    /// `TOPIC/PARTITION/OFFSET`
    place: String,
}

impl First {
    fn of(record: &Record) -> Self {
        Self { partition: Arc::clone(record.partition()), place: record.place() }
    }
}

impl Skipped {
    pub(super) fn add(&mut self, more: Self) {
        for (event_type, OfType { records, first }) in more.0 {
            self.0.entry(event_type).or_insert(OfType { records: 0, first }).records += records;
        }
    }

    /// As incidents that count on.
    pub(super) fn take_entries(&mut self) -> impl Iterator<Item = Entry> {
        std::mem::take(&mut self.0).into_iter().map(|(event_type, OfType { records, first })| {
            let First { partition, place } = first;
            let subject = Some(event_type.to_string());
            let key = IncidentKey { subject, ..IncidentKey::at(IncidentKind::NewType, &partition) };
            let message = format!("no receiver takes the type {event_type}: such events are skipped, for example {place}");
            let data = serde_json::json!({ "type": &*event_type });
            Entry::Incident(Incident { count: records, data, ..Incident::new(key, message) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{partition_of, record_at};

    fn record(offset: i64) -> Record {
        record_at(&partition_of("orders"), offset, &[], None)
    }

    fn told(skipped: &mut Skipped) -> Vec<(String, u64)> {
        let told = skipped.take_entries().map(|entry| match entry {
            Entry::Incident(incident) => (incident.message.split("type ").nth(1).unwrap().to_owned(), incident.count),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn records_are_counted_by_type_until_they_are_told() {
        let (mut one, mut two, mut all) = (NewTypes::default(), NewTypes::default(), Skipped::default());
        for at in 0..5 {
            one.skip("new", &record(at));
            two.skip(if at == 3 { "other" } else { "new" }, &record(10 + at));
        }
        [&mut one, &mut two].into_iter().filter_map(NewTypes::take).for_each(|skipped| all.add(skipped));
        let expected = [
            ("new: such events are skipped, for example orders/0/0", 9),
            ("other: such events are skipped, for example orders/0/13", 1),
        ];
        assert_eq!(told(&mut all), expected.map(|(message, records)| (message.to_owned(), records)));
        assert!(one.take().is_none() && told(&mut all).is_empty(), "told once");
    }

    #[test]
    fn made_up_types_are_bounded_in_number_and_length() {
        let mut types = NewTypes::default();
        let long = "é".repeat(1_000_000);
        types.skip(&long, &record(0));
        types.skip(&format!("{long}, only longer"), &record(0));
        let mut first = types.take().unwrap();
        assert!(first.0.keys().all(|kept| kept.len() <= LONGEST));
        assert_eq!(
            told(&mut first).iter().map(|(_, records)| *records).collect::<Vec<_>>(),
            [2],
            "told apart by what is remembered"
        );
        (0..2 * NewTypes::MOST).for_each(|number| types.skip(&number.to_string(), &record(0)));
        assert_eq!(types.take().map(|skipped| skipped.0.len()), Some(NewTypes::MOST - 1));
        types.skip("0", &record(0));
        types.skip("1999", &record(0));
        assert_eq!(types.take().map(|skipped| skipped.0.len()), Some(1), "one that was met counts on");
    }
}
