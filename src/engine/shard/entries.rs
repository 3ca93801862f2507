//! What a shard has to say to the journal.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::ledger::{Entry, FailedDelivery, Incident, IncidentKey, IncidentKind};
use crate::event::Event;
use crate::failure::{Failure, Stage, Try};
use crate::receiver::{Mode, ReceiverError};
use crate::record::{ReceiverIx, Record};

pub(super) fn passed(record: &Record, through: Stage, mode: Mode) -> Entry {
    Entry::Passed { partition: Arc::clone(record.partition()), offset: record.offset(), through, mode }
}

/// A delivery that failed for good, after these tries, and the user's rule that says so.
pub(super) fn failed(
    event: &Event,
    to: (ReceiverIx, Option<String>),
    of: (ReceiverError, Vec<Try>),
    rule: Option<String>,
    mode: Mode,
) -> Entry {
    let ((at, receiver), (error, tries)) = (to, of);
    let ReceiverError { class, code, message, causes, detail, retry_after: _ } = error;
    let failure = Failure { stage: Stage::Receive, receiver: Some(at), class, code, message, causes, detail, tries };
    Entry::Failed(Box::new(FailedDelivery { record: event.record().detach(), event: event.facts(), receiver, failure, rule, mode }))
}

pub(super) fn blocked(receiver: &str, held: Duration) -> Entry {
    let key = IncidentKey { receiver: Some(receiver.to_owned()), ..IncidentKey::of(IncidentKind::LoopBlocked) };
    let message = format!("receiver {receiver} held the event loop for {held:.1?}: blocking code belongs in on_blocking");
    let data = serde_json::json!({ "held_ms": held.as_millis() as u64 });
    Entry::Incident(Incident { data, ..Incident::new(key, message) })
}
