//! What a program is told while its consumer runs: failures and incidents, as the journal has them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::ledger::{Entry, FailedDelivery, IncidentKey};
use crate::engine::observer::Observer;
use crate::failure::{Class, Stage};

/// A record that failed, at a stage or at one receiver. It is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureSeen<'e> {
    pub topic: &'e str,
    pub partition: i32,
    pub offset: i64,
    pub stage: Stage,
    /// `None` before the receivers.
    pub receiver: Option<&'e str>,
    pub class: Class,
    pub code: &'e str,
    pub message: &'e str,
}

/// A trouble of the consumer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncidentSeen<'e> {
    /// `broker_away`, `gap`, `moved`, …
    pub kind: &'static str,
    pub state: IncidentStage,
    pub topic: Option<&'e str>,
    pub partition: Option<i32>,
    pub receiver: Option<&'e str>,
    /// Empty when it is over.
    pub message: &'e str,
}

/// Whether an incident begins, or goes on, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentStage {
    Open,
    Over,
}

type OnFailure = dyn Fn(FailureSeen<'_>) + Send + Sync;
type OnIncident = dyn Fn(IncidentSeen<'_>) + Send + Sync;

/// The functions of the program that want to know.
#[derive(Clone, Default)]
pub(super) struct Watchers {
    pub(super) on_failure: Option<Arc<OnFailure>>,
    pub(super) on_incident: Option<Arc<OnIncident>>,
}

impl Watchers {
    fn failed(&self, failed: &FailedDelivery) {
        let FailedDelivery { record, receiver, failure, .. } = failed;
        let seen = FailureSeen {
            topic: record.topic(),
            partition: record.partition().number,
            offset: record.offset().get(),
            stage: failure.stage,
            receiver: receiver.as_deref(),
            class: failure.class,
            code: failure.code.as_str(),
            message: &failure.message,
        };
        if let Some(on_failure) = &self.on_failure {
            safely(|| on_failure(seen));
        }
    }

    fn incident(&self, key: &IncidentKey, state: IncidentStage, message: &str) {
        let partition = key.partition.as_ref();
        let seen = IncidentSeen {
            kind: key.kind.as_str(),
            state,
            topic: partition.map(|partition| partition.topic.name.as_str()),
            partition: partition.map(|partition| partition.number),
            receiver: key.receiver.as_deref(),
            message,
        };
        if let Some(on_incident) = &self.on_incident {
            safely(|| on_incident(seen));
        }
    }
}

/// It runs on the journal's thread, which must not end with it.
fn safely(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!("a function of this program panicked when it was told of a failure or an incident");
    }
}

impl Observer for Watchers {
    fn written(&self, entries: &[Entry]) {
        for entry in entries {
            match entry {
                Entry::Failed(failed) => self.failed(failed),
                Entry::Incident(incident) => self.incident(&incident.key, IncidentStage::Open, &incident.message),
                Entry::IncidentEnded(key) => self.incident(key, IncidentStage::Over, ""),
                Entry::Delivered(_)
                | Entry::Passed { .. }
                | Entry::PassedOver(_)
                | Entry::Progress(_)
                | Entry::Deferred(_)
                | Entry::CaughtUp(_)
                | Entry::NotDeferred(_)
                | Entry::LetGo(_)
                | Entry::Schema(_) => {}
            }
        }
    }
}
