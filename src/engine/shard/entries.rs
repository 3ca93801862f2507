//! What a shard has to say to the journal.

use std::sync::Arc;

use crate::engine::ledger::{Entry, FailedDelivery};
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
