//! What a shard has to say to the journal.

use std::sync::Arc;

use crate::engine::ledger::Entry;
use crate::failure::{Failure, Stage, Try};
use crate::receiver::{Mode, ReceiverError};
use crate::record::{ReceiverIx, Record};

pub(super) fn passed(record: &Record, through: Stage, mode: Mode) -> Entry {
    Entry::Passed { partition: Arc::clone(record.partition()), offset: record.offset(), through, mode }
}

/// Why a delivery failed for good: as the last of its tries says.
pub(super) fn failure(receiver: ReceiverIx, error: ReceiverError, tries: Vec<Try>) -> Failure {
    let ReceiverError { class, code, message, causes, detail, retry_after: _ } = error;
    Failure { stage: Stage::Receive, receiver: Some(receiver), class, code, message, causes, detail, tries }
}
