//! What receivers missed, read from the topics again: one reader for each receiver, beside the source of all that is new.
//!
//! The coordinator says which ranges are read, each under a slot of its own; nothing here knows how far they are settled.

mod reader;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::source::{Source, SourceError};
use crate::record::{NextOffset, Partition, RawRecord, ReceiverIx, ReceiverSet, Slot};

use reader::{Left, Reader};

/// What the source of a reader that is not needed any more may take to close.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);
/// So long a reader that reads nothing is kept: mostly the next range of its partitions follows, and to make a new client takes longer
/// than to read a range.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Opens a source of these partitions, which reads those that are assigned and is a member of no group. It offers each as soon as it can,
/// whatever becomes of the others, and tells of those that are not there ([`Polled::NotThere`](crate::engine::source::Polled)).
pub trait OpenAgain: Send {
    /// # Errors
    /// When the client library refuses.
    fn open_again(&self, partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError>;
}

/// For runs that defer nothing.
#[derive(Debug)]
pub struct NothingAgain;

impl OpenAgain for NothingAgain {
    fn open_again(&self, partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError> {
        let what = format!(
            "{} cannot be read again",
            partitions.iter().map(|(topic, of)| format!("{topic}/{of}")).collect::<Vec<_>>().join(", ")
        );
        Err(SourceError::Request { what, message: "this run has no way to do so: that is a defect of redrive".to_owned() })
    }
}

/// A range that is to be read again.
#[derive(Clone, Debug)]
pub struct Again {
    pub receiver: ReceiverIx,
    /// With a slot of its own.
    pub partition: Arc<Partition>,
    pub from: NextOffset,
}

/// What one look at a reader brought.
#[derive(Debug)]
pub enum Came<'a> {
    Record(RawRecord<'a>),
    /// Of this slot there is nothing before this position that was not brought.
    UpTo(Slot, NextOffset),
    /// Of this slot nothing below this position is in the log any more; all of it, where there is none.
    Gone(Slot, Option<NextOffset>),
    Nothing,
}

/// All readers.
pub(super) struct Rereaders {
    open: Box<dyn OpenAgain>,
    readers: BTreeMap<ReceiverIx, Reader>,
    /// Whose turn it is.
    next: u8,
    /// Threads that close the sources of readers that ended.
    closing: Vec<JoinHandle<()>>,
}

impl Rereaders {
    pub(super) fn new(open: Box<dyn OpenAgain>) -> Self {
        Self { open, readers: BTreeMap::new(), next: 0, closing: Vec::new() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.readers.is_empty()
    }

    /// Reads these ranges. Partitions that their receiver's reader does not have take a new one.
    pub(super) fn read(&mut self, all: &[Again], now: Instant) -> Result<(), SourceError> {
        let receivers: BTreeSet<ReceiverIx> = all.iter().map(|again| again.receiver).collect();
        for receiver in receivers {
            let its: Vec<&Again> = all.iter().filter(|again| again.receiver == receiver).collect();
            let reader = self.readers.remove(&receiver);
            let mut reader = match reader {
                Some(reader) if its.iter().all(|again| reader.has(again)) => reader,
                other => self.widened(other, &its, now)?,
            };
            its.into_iter().for_each(|again| reader.want(again));
            reader.begin()?;
            self.readers.insert(receiver, reader);
        }
        Ok(())
    }

    /// A reader of more partitions than there were. What the old one had in hand is read once more.
    fn widened(&mut self, old: Option<Reader>, more: &[&Again], now: Instant) -> Result<Reader, SourceError> {
        let (source, left) = old.map(Reader::end).unzip();
        source.into_iter().for_each(|source| self.close_source(source, now));
        let left = left.unwrap_or_else(Left::default).with(more);
        let source = self.open.open_again(&left.partitions())?;
        Ok(left.read_from(source))
    }

    /// Reads these slots no more. A reader that reads nothing then is kept for a while, for what follows.
    pub(super) fn leave(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.readers.values_mut().try_for_each(|reader| reader.leave(slots))
    }

    /// Ends the readers that have read nothing for a while. Now and then.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.closing.retain(|closing| !closing.is_finished());
        let is_over = |reader: &mut Reader| reader.idle_since(now).is_some_and(|since| now >= since + KEPT_FOR);
        let over: Vec<Reader> = self.readers.extract_if(.., |_, reader| is_over(reader)).map(|(_, reader)| reader).collect();
        over.into_iter().for_each(|reader| self.close_source(reader.end().0, now));
    }

    /// Looks at the next reader of those that are wanted.
    pub(super) fn poll(&mut self, wanted: ReceiverSet) -> Result<Came<'_>, SourceError> {
        let next = ReceiverIx(self.next);
        let turns = self.readers.range(next..).chain(self.readers.range(..next));
        let turn = turns.map(|(receiver, _)| *receiver).find(|receiver| wanted.contains(*receiver));
        let Some(receiver) = turn else { return Ok(Came::Nothing) };
        self.next = receiver.0.wrapping_add(1);
        self.readers.get_mut(&receiver).map_or(Ok(Came::Nothing), |reader| reader.poll(receiver))
    }

    /// Ends all readers, and waits until all sources are closed, or their time is over: a second in all, because each has a thread.
    pub(super) fn close(mut self, now: Instant) {
        let readers = std::mem::take(&mut self.readers);
        readers.into_values().for_each(|reader| self.close_source(reader.end().0, now));
        for closing in self.closing {
            if closing.join().is_err() {
                tracing::warn!("a thread that closes a reader died; this is a defect of redrive");
            }
        }
    }

    /// On a thread of its own, because to close takes as long as a broker takes to answer, and whoever polls for a group must not wait.
    fn close_source(&mut self, source: Box<dyn Source>, now: Instant) {
        let close = move || {
            if let Err(error) = source.close(now + CLOSES_WITHIN) {
                tracing::debug!(%error, "a reader of what was missed was not closed in time");
            }
        };
        match thread::Builder::new().name("redrive-leave".to_owned()).spawn(close) {
            Ok(closing) => self.closing.push(closing),
            Err(error) => tracing::warn!(%error, "there is no thread to close a reader: it was dropped"),
        }
    }
}
