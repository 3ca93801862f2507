//! What would happen: stand-ins for the receivers that count what they get, and the failures before the receivers, counted by code.
//!
//! Bounded: a topic can make up types without end, and of any length.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::flow::Load;
use crate::engine::ledger::{Entry, IncidentKind};
use crate::engine::observer::Observer;
use crate::engine::report::StopReason;
use crate::engine::source::Start;
use crate::failure::{Code, Stage, kept};
use crate::receiver::{Binding, Delivery, Needs, Receiver, Specification, Step};

/// Types that are counted one by one, of each receiver and of what is skipped.
const MOST: usize = 1_000;
/// As much of a type as is shown, in bytes.
const LONGEST: usize = 200;

/// What a dry run found. Counts are of records, of each receiver those that it would get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    pub deliveries: Vec<WouldDeliver>,
    pub failures: Vec<WouldFail>,
    pub skipped: Vec<WouldSkip>,
}

/// Events of one type that a receiver would get.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WouldDeliver {
    pub receiver: String,
    /// `None`: of further types, beyond the first 1,000.
    pub event_type: Option<String>,
    pub count: u64,
}

/// Records that would fail before any receiver gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WouldFail {
    pub stage: Stage,
    pub code: Code,
    pub count: u64,
}

/// Events of one type that no receiver takes and a rule skips.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WouldSkip {
    /// As in [`WouldDeliver`].
    pub event_type: Option<String>,
    pub count: u64,
}

/// Counts by type, bounded.
#[derive(Default)]
struct ByType {
    counts: BTreeMap<String, u64>,
    beyond: u64,
}

impl ByType {
    fn add(&mut self, event_type: &str, more: u64) {
        let event_type = kept(event_type, LONGEST);
        if let Some(count) = self.counts.get_mut(event_type) {
            *count += more;
        } else if self.counts.len() < MOST {
            self.counts.insert(event_type.to_owned(), more);
        } else {
            self.beyond += more;
        }
    }

    /// Each type with its count, then the others.
    fn all(&self) -> impl Iterator<Item = (Option<String>, u64)> {
        let named = self.counts.iter().map(|(event_type, count)| (Some(event_type.clone()), *count));
        named.chain((self.beyond > 0).then_some((None, self.beyond)))
    }
}

/// What is counted while a dry run goes on. Shards and the journal thread add to it, each in its own part.
#[derive(Default)]
pub(super) struct Tally {
    receivers: Vec<(String, Arc<Mutex<ByType>>)>,
    other: Arc<Mutex<Other>>,
}

#[derive(Default)]
struct Other {
    failures: BTreeMap<(Stage, String), (Code, u64)>,
    skipped: ByType,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    /// Stand-ins for the receivers, none of which is opened, started or called.
    pub(super) fn stand_ins(&mut self, receivers: &[Specification]) -> Vec<Binding> {
        let stand_in = |specification: &Specification| {
            let delivered = Arc::<Mutex<ByType>>::default();
            self.receivers.push((specification.name.clone(), Arc::clone(&delivered)));
            specification.clone().stand_in(Arc::new(StandIn { needs: specification.needs(), delivered }))
        };
        receivers.iter().map(stand_in).collect()
    }

    /// Counts what is told, and hands it on.
    pub(super) fn watching(&self, observer: Arc<dyn Observer>) -> Arc<dyn Observer> {
        Arc::new(Watching { other: Arc::clone(&self.other), observer })
    }

    pub(super) fn preview(&self) -> Preview {
        let mut preview = Preview::default();
        for (receiver, delivered) in &self.receivers {
            let all = lock(delivered);
            let of = all.all().map(|(event_type, count)| WouldDeliver { receiver: receiver.clone(), event_type, count });
            preview.deliveries.extend(of);
        }
        let other = lock(&self.other);
        let failures = other.failures.iter().map(|((stage, _), (code, count))| (*stage, code.clone(), *count));
        preview.failures = failures.map(|(stage, code, count)| WouldFail { stage, code, count }).collect();
        preview.skipped = other.skipped.all().map(|(event_type, count)| WouldSkip { event_type, count }).collect();
        preview
    }
}

/// Takes whatever a receiver would get.
struct StandIn {
    needs: Needs,
    delivered: Arc<Mutex<ByType>>,
}

impl Receiver for StandIn {
    fn deliver(&self, delivery: Delivery) -> Step {
        lock(&self.delivered).add(&delivery.event.event_type(), 1);
        Step::Done(Ok(()))
    }

    fn needs(&self) -> Needs {
        self.needs
    }
}

struct Watching {
    other: Arc<Mutex<Other>>,
    observer: Arc<dyn Observer>,
}

impl Observer for Watching {
    fn assigned(&self, starts: &[Start]) {
        self.observer.assigned(starts);
    }

    fn waiting(&self) {
        self.observer.waiting();
    }

    fn written(&self, entries: &[Entry]) {
        let mut other = lock(&self.other);
        for entry in entries {
            match entry {
                Entry::Failed(failed) => {
                    let code = &failed.failure.code;
                    let of_its_code = other.failures.entry((failed.failure.stage, code.to_string()));
                    of_its_code.or_insert_with(|| (code.clone(), 0)).1 += 1;
                }
                Entry::Incident(incident) if incident.key.kind == IncidentKind::NewType => {
                    other.skipped.add(incident.key.subject.as_deref().unwrap_or_default(), incident.count);
                }
                _ => {}
            }
        }
        drop(other);
        self.observer.written(entries);
    }

    fn stopping(&self, reason: &StopReason, in_flight: Load) {
        self.observer.stopping(reason, in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_bounded_in_number_and_length_and_all_are_counted() {
        let mut types = ByType::default();
        let long = "é".repeat(1_000_000);
        types.add(&long, 2);
        (0..MOST + 5).for_each(|number| types.add(&number.to_string(), 1));
        types.add("0", 1);
        let all: Vec<_> = types.all().collect();
        assert_eq!((all.len(), all.last()), (MOST + 1, Some(&(None, 6))));
        assert_eq!(all.iter().map(|(_, count)| count).sum::<u64>(), 2 + MOST as u64 + 6);
        assert!(all.iter().flat_map(|(of, _)| of).all(|of| of.len() <= LONGEST));
    }
}
