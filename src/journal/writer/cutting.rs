//! What a replay settles of what receivers missed is taken out of their ranges, offset by offset: what is left of them is still to be
//! delivered.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::engine::detached::Range;
use crate::engine::ledger::{Delivered, Entry, FailedDelivery, LedgerError, PassedOver, WhyNot};
use crate::engine::missed::Stray;
use crate::journal::sql;
use crate::journal::writer::deferred::Taken;
use crate::journal::writer::{Writer, Writing};
use crate::record::{NextOffset, Offset, Partition};

/// What settled in one transaction: of a partition and a receiver, or of all that missed it.
pub(super) type SettledOf = BTreeMap<(i64, i32, Option<String>), Vec<Range>>;

impl Writer {
    /// Takes, for the replay that this run makes, what receivers missed. What becomes of it is noted from now on.
    ///
    /// # Errors
    /// As `append`.
    pub fn take_missed(&mut self, wanted: &[Stray]) -> Result<Taken, LedgerError> {
        if wanted.is_empty() {
            return Ok(Taken::default());
        }
        let taken = self.transact(|writing| writing.take_missed(wanted))?;
        self.delivers_missed = !taken.ours.is_empty();
        Ok(taken)
    }
}

impl Writing<'_> {
    /// Notes what an entry settles: a receiver has it, its failure is in the journal, or it is not to have it.
    pub(super) fn note_settled(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        let (partition, offset, receiver) = match entry {
            Entry::Delivered(Delivered { partition, offset, receiver, .. }) => (partition, *offset, Some(receiver)),
            Entry::Failed(failed) => {
                let FailedDelivery { record, receiver, .. } = &**failed;
                (record.partition(), record.offset(), receiver.as_ref())
            }
            Entry::PassedOver(PassedOver { partition, offset, receiver, why }) if is_settled(receiver.as_ref(), *why) => {
                (partition, *offset, receiver.as_ref())
            }
            _ => return Ok(()),
        };
        self.settles(partition, offset, receiver.map(String::as_str))
    }

    fn settles(&mut self, partition: &Partition, offset: Offset, receiver: Option<&str>) -> rusqlite::Result<()> {
        let topic = self.topic(&partition.topic)?;
        let settled = self.settled.entry((topic, partition.number, receiver.map(str::to_owned))).or_default();
        let one = Range { from: NextOffset::before(offset), to: offset.next() };
        match settled.last_mut().filter(|last| last.to == one.from) {
            Some(last) => last.to = one.to,
            None => settled.push(one),
        }
        Ok(())
    }

    pub(super) fn write_settled(&mut self) -> rusqlite::Result<()> {
        for ((topic, partition, receiver), ranges) in std::mem::take(&mut self.settled) {
            let of = Cut { group: self.group, run: self.run, topic, partition, receiver: receiver.as_deref() };
            ranges.into_iter().try_for_each(|range| of.out(self.transaction, range))?;
        }
        Ok(())
    }
}

/// Of a record that is for all there is one thing to say; that a rule skips it may be of one of them.
fn is_settled(receiver: Option<&String>, why: WhyNot) -> bool {
    match why {
        WhyNot::Unrecognized => true,
        WhyNot::NotRouted | WhyNot::SkippedByRule => receiver.is_some(),
        WhyNot::ReceiverDown | WhyNot::RegistryAway => false,
    }
}

/// Which ranges are cut: those that the run has taken.
pub(in crate::journal) struct Cut<'c> {
    pub(in crate::journal) group: &'c str,
    pub(in crate::journal) run: i64,
    pub(in crate::journal) topic: i64,
    pub(in crate::journal) partition: i32,
    /// `None`: of all receivers.
    pub(in crate::journal) receiver: Option<&'c str>,
}

impl Cut<'_> {
    /// Takes what has settled out of them.
    pub(in crate::journal) fn out(&self, connection: &Connection, settled: Range) -> rusqlite::Result<()> {
        let Self { group, run, topic, partition, receiver } = self;
        let mut select = connection.prepare_cached(sql::TAKEN_OF)?;
        let found = select.query_map((group, topic, partition, settled.from.get(), settled.to.get(), run), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
        })?;
        for (id, name, from, to) in found.collect::<rusqlite::Result<Vec<_>>>()? {
            if receiver.is_some_and(|receiver| *receiver != name) {
                continue;
            }
            let (settled_from, settled_to) = (settled.from.get(), settled.to.get());
            if settled_from <= from {
                connection.prepare_cached(sql::MISSED_BEGINS)?.execute((id, settled_to.min(to)))?;
                continue;
            }
            if settled_to < to {
                connection.prepare_cached(sql::MISSED_REST)?.execute((id, settled_to))?;
            }
            connection.prepare_cached(sql::MISSED_ENDS)?.execute((id, settled_from))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
