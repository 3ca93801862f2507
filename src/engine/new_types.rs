//! Types that no receiver takes: each is one incident, which counts the records that were skipped.
//!
//! Counted in memory and written with the progress that covers the records, so that a topic full of them costs no row for each, and
//! nothing is lost that was committed. Bounded: a topic can make up types without end, and of any length.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};

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
    pub(super) fn skip(&mut self, event_type: &str, place: impl FnOnce() -> String) {
        let event_type = event_type.get(..event_type.floor_char_boundary(LONGEST)).unwrap_or_default();
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
        self.skipped.0.insert(event_type, OfType { records: 1, first: place() });
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
    /// `TOPIC/PARTITION/OFFSET` of the first one.
    first: String,
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
            let key = IncidentKey { subject: Some(event_type.to_string()), ..IncidentKey::of(IncidentKind::NewType) };
            let message = format!("no receiver takes the type {event_type}: such events are skipped, for example {first}");
            let data = serde_json::json!({ "type": &*event_type });
            Entry::Incident(Incident { count: records, data, ..Incident::new(key, message) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            one.skip("new", || format!("orders/0/{at}"));
            two.skip(if at == 3 { "other" } else { "new" }, || format!("orders/1/{at}"));
        }
        [&mut one, &mut two].into_iter().filter_map(NewTypes::take).for_each(|skipped| all.add(skipped));
        let expected = [
            ("new: such events are skipped, for example orders/0/0", 9),
            ("other: such events are skipped, for example orders/1/3", 1),
        ];
        assert_eq!(told(&mut all), expected.map(|(message, records)| (message.to_owned(), records)));
        assert!(one.take().is_none() && told(&mut all).is_empty(), "told once");
    }

    #[test]
    fn made_up_types_are_bounded_in_number_and_length() {
        let mut types = NewTypes::default();
        let long = "é".repeat(1_000_000);
        types.skip(&long, String::new);
        types.skip(&format!("{long}, only longer"), String::new);
        let mut first = types.take().unwrap();
        assert!(first.0.keys().all(|kept| kept.len() <= LONGEST));
        assert_eq!(
            told(&mut first).iter().map(|(_, records)| *records).collect::<Vec<_>>(),
            [2],
            "told apart by what is remembered"
        );
        (0..2 * NewTypes::MOST).for_each(|number| types.skip(&number.to_string(), String::new));
        assert_eq!(types.take().map(|skipped| skipped.0.len()), Some(NewTypes::MOST - 1));
        types.skip("0", String::new);
        types.skip("1999", String::new);
        assert_eq!(types.take().map(|skipped| skipped.0.len()), Some(1), "one that was met counts on");
    }
}
