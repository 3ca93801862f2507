//! What a shard has to say beside failures.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::failure::Stage;
use crate::record::Record;

pub(super) fn passed(record: &Record, through: Stage) -> Entry {
    Entry::Passed { partition: Arc::clone(record.partition()), offset: record.offset(), through }
}

pub(super) fn blocked(receiver: &str, held: Duration) -> Entry {
    let key = IncidentKey { receiver: Some(receiver.to_owned()), ..IncidentKey::of(IncidentKind::LoopBlocked) };
    let message = format!("receiver {receiver} held the event loop for {held:.1?}: blocking code belongs in on_blocking");
    let data = serde_json::json!({ "held_ms": held.as_millis() as u64 });
    Entry::Incident(Incident { data, ..Incident::new(key, message) })
}
