//! What a shard has to say beside failures.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::engine::passed::shortened;
use crate::event::Event;
use crate::failure::Stage;
use crate::record::Record;

pub(super) fn passed(record: &Record, through: Stage) -> Entry {
    Entry::Passed { partition: Arc::clone(record.partition()), offset: record.offset(), through }
}

pub(super) fn new_type(event: &Event) -> Entry {
    let event_type = event.event_type();
    let event_type = shortened(&event_type);
    Entry::Incident(Incident {
        key: IncidentKey { subject: Some(event_type.to_owned()), ..IncidentKey::of(IncidentKind::NewType) },
        from: None,
        to: None,
        message: format!(
            "no receiver takes the type {event_type}: such events are skipped (first seen in {})",
            event.record().place()
        ),
        data: serde_json::json!({ "type": event_type }),
    })
}

pub(super) fn blocked(receiver: &str, held: Duration) -> Entry {
    Entry::Incident(Incident {
        key: IncidentKey { receiver: Some(receiver.to_owned()), ..IncidentKey::of(IncidentKind::LoopBlocked) },
        from: None,
        to: None,
        message: format!("receiver {receiver} held the event loop for {held:.1?}: blocking code belongs in on_blocking"),
        data: serde_json::json!({ "held_ms": held.as_millis() as u64 }),
    })
}
