//! What receivers missed, in memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::engine::doubles::{Record, offer, raw, topic};
use crate::engine::rereading::OpenAgain;
use crate::engine::source::{CommitResult, CommitStarted, Flow, Mark, Polled, Source, SourceError, Start, StartAt};
use crate::record::Slot;

/// A log that can be read again from anywhere.
pub(crate) struct Log(pub(crate) Vec<Vec<Record>>);

struct Reading {
    log: Vec<Vec<Record>>,
    is_offered: bool,
    /// By partition: the next offset.
    at: HashMap<u32, usize>,
}

impl OpenAgain for Log {
    fn open_again(&self, _partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Reading { log: self.0.clone(), is_offered: false, at: HashMap::new() }))
    }
}

impl Source for Reading {
    fn poll(&mut self, _wait: Duration) -> Result<Polled<'_>, SourceError> {
        let slot = |index| Slot { index, epoch: 1 };
        if !std::mem::replace(&mut self.is_offered, true) {
            let offers = (0..)
                .zip(&self.log)
                .map(|(index, records)| offer(slot(index), &topic("orders"), i64::try_from(records.len()).unwrap()));
            return Ok(Polled::Offered(offers.collect()));
        }
        let due = self.at.iter_mut().find(|(index, at)| **at < self.log[**index as usize].len());
        let Some((index, at)) = due else { return Ok(Polled::Idle) };
        let (offset, record) = (*at, &self.log[*index as usize][*at]);
        *at += 1;
        Ok(Polled::Record(raw(slot(*index), i64::try_from(offset).unwrap(), record.0.as_deref(), record.1.as_deref())))
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        for start in starts {
            let StartAt::At(at) = start.at else { continue };
            self.at.insert(start.partition.slot.index, usize::try_from(at.get()).unwrap());
        }
        Ok(())
    }

    fn flow(&mut self, _flow: Flow) -> Result<(), SourceError> {
        Ok(())
    }

    fn flow_of(&mut self, _slots: &[Slot], _flow: Flow) -> Result<(), SourceError> {
        Ok(())
    }

    fn commit(&mut self, _marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, _marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        Ok(Vec::new())
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.at.retain(|index, _| slots.iter().all(|slot| slot.index != *index));
        Ok(())
    }

    fn close(self: Box<Self>, _deadline: Instant) -> Result<(), SourceError> {
        Ok(())
    }
}
