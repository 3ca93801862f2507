//! Claims: a replay takes the entries that it is about to deliver, so that no other one delivers them, too.
//!
//! On a connection of its own beside the run's writer. A claim that a power cut loses harms nobody: so it does not wait for the disk.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::engine::detached::Range;
use crate::engine::ledger::LedgerError;
use crate::journal::holders::Holders;
use crate::journal::items::FailureState;
use crate::journal::locks::wait_briefly;
use crate::journal::open::{OpenError, Place};
use crate::journal::plain::not_written;
use crate::journal::reader::TopicRow;
use crate::journal::reader::rows::word;
use crate::journal::sql;
use crate::journal::writer::cutting::Cut;
use crate::record::{NextOffset, Offset};

/// The claims of one run.
pub struct Claims {
    connection: Connection,
    path: PathBuf,
    run: i64,
}

/// What became of the wish to have an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is this run's, now or since an earlier claim.
    Taken,
    /// Whoever it is for has it meanwhile.
    Resolved,
    /// It has no claims: whatever becomes of it, it stays ignored.
    Ignored,
    /// A run that lives holds it.
    Held,
    /// It is not in the journal.
    Missing,
}

impl Claims {
    /// Opens a journal in which a run has begun.
    ///
    /// # Errors
    /// As [`crate::journal::Writer::open`].
    pub fn open(place: &Place, run: i64) -> Result<Self, OpenError> {
        let connection = place.open_to_write()?;
        let settled = connection.execute_batch(sql::CLAIM_SETTINGS).and_then(|()| wait_briefly(&connection));
        settled.map_err(|error| place.failed(error))?;
        Ok(Self { connection, path: place.path.clone(), run })
    }

    /// Takes what can be taken, in one transaction; the answers are in the order of `ids`.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when another process has the lock for half a second, with nothing taken; any other one when the journal
    /// cannot be written.
    pub fn take(&mut self, ids: &[i64]) -> Result<Vec<Claim>, LedgerError> {
        self.transact(|transaction, run| {
            let holders = Holders::now(transaction);
            ids.iter().map(|id| take(transaction, &holders, (*id, run))).collect()
        })
    }

    /// Lets go of those that this run still holds.
    ///
    /// # Errors
    /// As `take`.
    pub fn give_back(&mut self, ids: &[i64]) -> Result<(), LedgerError> {
        self.transact(|transaction, run| {
            let mut give_back = transaction.prepare_cached(sql::GIVEN_BACK)?;
            ids.iter().try_for_each(|id| give_back.execute((id, run)).map(drop))
        })
    }

    /// Of what this run has taken: these offsets have no record in the log any more. What the journal has of them is still to be delivered.
    ///
    /// # Errors
    /// As `take`.
    pub fn missed_is_gone(&mut self, group: &str, place: (TopicRow, i32), gone: &[Range]) -> Result<(), LedgerError> {
        let (TopicRow(topic), partition) = place;
        self.transact(|transaction, run| {
            let cut = Cut { group, run, topic, partition, receiver: None };
            for range in gone {
                let mut select = transaction.prepare_cached(sql::RECORDS_IN)?;
                let kept = select.query_map((topic, partition, range.from.get(), range.to.get()), |row| row.get::<_, i64>(0))?;
                let mut from = range.from;
                for offset in kept.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().filter_map(Offset::new) {
                    let before = Range { from, to: NextOffset::before(offset) };
                    if before.from < before.to {
                        cut.out(transaction, before)?;
                    }
                    from = offset.next();
                }
                if from < range.to {
                    cut.out(transaction, Range { from, to: range.to })?;
                }
            }
            Ok(())
        })
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let run = self.run;
        let written = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction, run)?;
            transaction.commit()?;
            Ok(done)
        };
        let written = written();
        written.map_err(|error: rusqlite::Error| not_written(&self.path, &error))
    }
}

fn take(transaction: &Transaction<'_>, holders: &Holders<'_>, claim: (i64, i64)) -> rusqlite::Result<Claim> {
    let (id, run) = claim;
    let mut select = transaction.prepare_cached(sql::CLAIMED)?;
    let found = select.query_row([id], |row| Ok((word(row, 0, FailureState::from_name)?, row.get::<_, Option<i64>>(1)?)));
    let holder = match found.optional()? {
        None => return Ok(Claim::Missing),
        Some((FailureState::Resolved, _)) => return Ok(Claim::Resolved),
        Some((FailureState::Ignored, _)) => return Ok(Claim::Ignored),
        Some((FailureState::Open, holder)) => holder,
    };
    match holder {
        Some(holder) if holder == run => Ok(Claim::Taken),
        Some(holder) if holders.hold(holder)? => Ok(Claim::Held),
        _ => transaction.prepare_cached(sql::CLAIM)?.execute((id, run)).map(|_| Claim::Taken),
    }
}

#[cfg(test)]
mod tests;
