//! What a run has told already, so that a trouble of a thousand records, or of a hundred partitions, is told once.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::engine::ledger::{FailedDelivery, Incident, IncidentKey, IncidentKind};
use crate::failure::Stage;

/// Kinds of failures, and open incidents, that are told apart; beyond that only the journal does.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Known {
    failures: HashSet<(Option<String>, Stage, String)>,
    /// The incidents of this run that are open, and since when.
    incidents: HashMap<Told, Timestamp>,
}

/// What tells one incident from another.
#[derive(PartialEq, Eq, Hash)]
struct Told {
    kind: IncidentKind,
    /// Topic and partition.
    at: Option<(String, i32)>,
    receiver: Option<String>,
    subject: Option<String>,
}

impl Told {
    fn of(key: &IncidentKey) -> Self {
        let place = key.partition.as_ref().filter(|_| key.is_of_its_place());
        let at = place.map(|partition| (partition.topic.name.clone(), partition.number));
        Self { kind: key.kind, at, receiver: key.receiver.clone(), subject: key.subject.clone() }
    }
}

impl Known {
    /// True for the first failure of its receiver, stage and code.
    pub(super) fn is_new(&mut self, failed: &FailedDelivery) -> bool {
        let FailedDelivery { receiver, failure, .. } = failed;
        self.failures.len() < MOST && self.failures.insert((receiver.clone(), failure.stage, failure.code.to_string()))
    }

    /// True when the incident is not open yet.
    pub(super) fn begins(&mut self, incident: &Incident, now: Timestamp) -> bool {
        let told = Told::of(&incident.key);
        if self.incidents.len() >= MOST || self.incidents.contains_key(&told) {
            return false;
        }
        self.incidents.insert(told, now.saturating_sub(incident.began_ago).unwrap_or(now));
        true
    }

    /// How long the incident lasted, when it was open.
    pub(super) fn ends(&mut self, key: &IncidentKey, now: Timestamp) -> Option<SignedDuration> {
        self.incidents.remove(&Told::of(key)).map(|began| now.duration_since(began))
    }

    pub(super) fn open_incidents(&self) -> u64 {
        self.incidents.len() as u64
    }
}
