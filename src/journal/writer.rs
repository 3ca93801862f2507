//! The writer: the engine's ledger in SQLite. One connection, one transaction for all that waits, `synchronous = FULL`.

pub(super) mod cutting;
pub(super) mod deferred;
mod failures;
mod incidents;
pub(super) mod knowledge;
mod moves;
mod names;
mod probation;
mod progress;
mod replays;
mod schemas;
mod suspects;

use std::cell::Cell;
use std::io;
use std::os::raw::c_int;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::engine::ledger::{Entry, Known, Ledger, LedgerError, RunEnd, RunId};
use crate::engine::missed::Stray;
use crate::engine::source::Offer;
use crate::journal::host::{Beginning, Host};
use crate::journal::in_hand::{HandsFile, Left, left_behind};
use crate::journal::locks::wait_briefly;
use crate::journal::open::{Identity, OpenError, Place};
use crate::journal::plain::{is_busy, not_written};
use crate::journal::sql;
use crate::journal::writer::cutting::SettledOf;
use crate::journal::writer::failures::EntriesAt;
use crate::journal::writer::incidents::Incidents;
use crate::journal::writer::names::Names;
use crate::journal::writer::progress::Rows;
use crate::journal::writer::replays::Redelivered;
use crate::receiver::in_hand::Hands;

pub use crate::journal::writer::deferred::Taken;
pub(super) use crate::journal::writer::failures::crc_of;

/// How long the end of a run waits for one.
const LAST_TRIES: Duration = Duration::from_secs(1);
/// The write-ahead log is folded back into the file past this many pages; where little is written, past fewer, now and then: a trickle
/// must not make a large file.
const CHECKPOINT_PAGES: c_int = 1_000;
const FEW_PAGES: c_int = 64;
const NOW_AND_THEN: Duration = Duration::from_secs(2);

thread_local! {
    /// Pages in the write-ahead log after the last commit on this thread: SQLite's hook takes no state.
    static WAL_PAGES: Cell<c_int> = const { Cell::new(0) };
}

/// A journal that is open for one run of a group.
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    identity: Identity,
    run: RunId,
    group: String,
    /// The replay that this run makes.
    replay: Option<i64>,
    names: Names,
    progress: Rows,
    incidents: Incidents,
    /// When the write-ahead log was folded back last.
    folded_at: Instant,
    hands: Option<HandsFile>,
    /// Only then is it looked up what was one.
    has_suspects: bool,
    /// A replay that delivers what receivers missed.
    delivers_missed: bool,
}

/// What the statements of one transaction share.
struct Writing<'w> {
    transaction: &'w Transaction<'w>,
    group: &'w str,
    run: i64,
    now_us: i64,
    names: &'w mut Names,
    progress: &'w mut Rows,
    incidents: &'w mut Incidents,
    has_suspects: bool,
    delivers_missed: bool,
    settled: SettledOf,
    /// Of the record that was written about last.
    entries: EntriesAt,
    redelivered: Redelivered,
}

impl Writer {
    /// Opens a journal, makes it when there is none, and begins a run in it.
    ///
    /// # Errors
    /// When it is no journal of ours, cannot be written, or stays locked for 30 s.
    pub fn open(place: &Place, beginning: &Beginning) -> Result<Self, OpenError> {
        let mut connection = place.open_to_write()?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.wal_hook(Some(note_pages));
        let identity =
            Identity::of(&place.path).map_err(|source| OpenError::Denied { path: place.path.display().to_string(), source })?;
        let failed = |error| place.failed(error);
        let journal_uuid: String = connection.query_row(sql::UUID, [], |row| row.get(0)).map_err(failed)?;
        let (run, hands) = begin(&mut connection, (place, &journal_uuid), beginning)?;
        let has_suspects = connection.query_row(sql::ANY_SUSPECT, [], |row| row.get(0)).map_err(failed)?;
        wait_briefly(&connection).map_err(failed)?;
        Ok(Self {
            connection,
            path: place.path.clone(),
            identity,
            run: RunId { journal_uuid, run },
            group: beginning.group.clone(),
            replay: None,
            names: Names::default(),
            progress: Rows::default(),
            incidents: Incidents::default(),
            folded_at: Instant::now(),
            hands,
            has_suspects,
            delivers_missed: false,
        })
    }

    /// How this run names itself in commits.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Where code of this program notes what it has in hand; `None`: it has no such code.
    #[must_use]
    pub fn hands(&self) -> Option<Arc<dyn Hands>> {
        self.hands.as_ref().map(HandsFile::hands)
    }

    /// Lets the file grow to at most this many pages of 8 KiB, as a full disk would.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn limit_pages(&self, pages: u32) -> Result<(), LedgerError> {
        self.connection.pragma_update(None, "max_page_count", pages).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> LedgerError {
        not_written(&self.path, error)
    }

    /// The file that is written must still be the one that readers find.
    fn check_identity(&self) -> Result<(), LedgerError> {
        let what = match Identity::of(&self.path) {
            Ok(identity) if identity == self.identity => return Ok(()),
            Ok(_) => "replaced by another file",
            Err(_) => "moved or deleted",
        };
        Err(LedgerError::Replaced { path: self.path.display().to_string(), what: what.to_owned() })
    }

    /// A partition may come from a process that died after this one began.
    fn count_dead(&mut self) -> Result<(), LedgerError> {
        let read =
            |path: &Path, source: io::Error| LedgerError::Read { path: path.display().to_string(), message: source.to_string() };
        let left = left_behind(&self.path).map_err(|source| read(&self.path, source))?;
        if left.is_empty() {
            return Ok(());
        }
        let journal = self.run.journal_uuid.clone();
        self.transact(|writing| suspects::count(writing.transaction, &left, &journal, writing.now_us))?;
        left.into_iter().try_for_each(Left::remove).map_err(|source| read(&self.path, source))
    }

    /// One transaction.
    fn transact<T>(&mut self, work: impl FnOnce(&mut Writing<'_>) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        self.try_once(work).map_err(|error| self.failed(&error))
    }

    fn try_once<T>(&mut self, work: impl FnOnce(&mut Writing<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing {
            transaction: &transaction,
            group: &self.group,
            run: self.run.run,
            now_us: jiff::Timestamp::now().as_microsecond(),
            names: &mut self.names,
            progress: &mut self.progress,
            incidents: &mut self.incidents,
            has_suspects: self.has_suspects,
            delivers_missed: self.delivers_missed,
            settled: SettledOf::new(),
            entries: EntriesAt::default(),
            redelivered: Redelivered::default(),
        };
        let counted = |writing: &mut Writing<'_>| {
            writing.write_counts()?;
            writing.write_settled()?;
            writing.write_redelivered(self.replay)
        };
        let written = work(&mut writing).and_then(|done| counted(&mut writing).map(|()| done));
        let written = written.and_then(|done| transaction.commit().map(|()| done));
        if written.is_err() {
            // What was remembered of rows may have been rolled back.
            self.names = Names::default();
            self.progress = Rows::default();
            self.incidents = Incidents::default();
        }
        written
    }
}

fn note_pages(_: &Wal, pages: c_int) -> rusqlite::Result<()> {
    WAL_PAGES.set(pages);
    Ok(())
}

/// The run's number, and its hands.
fn begin(
    connection: &mut Connection,
    (place, uuid): (&Place, &str),
    beginning: &Beginning,
) -> Result<(i64, Option<HandsFile>), OpenError> {
    let (failed, denied) = (|error| place.failed(error), |source| place.denied(source));
    let is_to_deliver = Beginning::DELIVERING.contains(&beginning.command);
    let left = if is_to_deliver { left_behind(&place.path).map_err(denied)? } else { Vec::new() };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let (run, now_us) = begin_run(&transaction, beginning).map_err(failed)?;
    suspects::count(&transaction, &left, uuid, now_us).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    left.into_iter().try_for_each(Left::remove).map_err(denied)?;
    let hands = match beginning.hands {
        0 => None,
        hands => Some(HandsFile::create(&place.path, (uuid, run), hands).map_err(denied)?),
    };
    Ok((run, hands))
}

/// The run's number, and when it began.
fn begin_run(transaction: &Transaction<'_>, beginning: &Beginning) -> rusqlite::Result<(i64, i64)> {
    let here = Host::here();
    let now_us = jiff::Timestamp::now().as_microsecond();
    let Beginning { command, group, client_id, receivers, hands: _ } = beginning;
    let version = env!("CARGO_PKG_VERSION");
    transaction.execute(sql::NEW_RUN, (command, group, client_id, &here.name, here.pid, version, now_us, here.started_at_us))?;
    let run = transaction.last_insert_rowid();
    for receiver in receivers {
        transaction.execute(sql::RECEIVER_DEFINED, (group, &receiver.name, receiver.definition.to_string(), run))?;
    }
    // Whether a consumer's trouble is over, only the next consumer finds out.
    if Beginning::CONSUMING.contains(command) {
        incidents::end_of_gone_runs(transaction, group, run, (&here, now_us))?;
    }
    Ok((run, now_us))
}

impl Writing<'_> {
    fn write(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        if self.has_suspects {
            self.clear(entry)?;
        }
        if self.delivers_missed {
            self.note_settled(entry)?;
        }
        match entry {
            Entry::Failed(failed) => self.failed(failed),
            Entry::Delivered(delivered) => self.delivered(delivered),
            Entry::Passed { partition, offset, through, mode } => self.passed((partition, *offset), *through, *mode),
            Entry::PassedOver(passed_over) => self.passed_over(passed_over),
            Entry::Progress(progress) => self.progressed(progress),
            Entry::Deferred(deferred) => self.deferred(deferred),
            Entry::CaughtUp(caught_up) => self.caught_up(caught_up),
            Entry::NotDeferred(not_deferred) => self.not_deferred(not_deferred),
            Entry::LetGo(let_go) => self.let_go(let_go),
            Entry::Incident(incident) => self.incident(incident),
            Entry::IncidentEnded(key) => self.incident_ended(key),
            Entry::Schema(served) => self.served(served),
        }
    }
}

impl Ledger for Writer {
    fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        if entries.iter().any(|entry| matches!(entry, Entry::Progress(_))) {
            self.check_identity()?;
        }
        self.transact(|writing| entries.iter().try_for_each(|entry| writing.write(entry)))
    }

    fn know(&mut self, offers: &[Offer]) -> Result<Vec<Known>, LedgerError> {
        self.count_dead()?;
        let mut known = knowledge::know(&self.connection, &self.group, offers).map_err(|error| self.failed(&error))?;
        if known.iter().any(|known| !known.deferred.is_empty()) {
            self.transact(|writing| {
                let offered = offers.iter().zip(&mut known).filter(|(_, known)| !known.deferred.is_empty());
                for (offer, known) in offered {
                    known.deferred = writing.take_missed_of(offer)?;
                }
                Ok(())
            })?;
        }
        self.has_suspects |= known.iter().any(|known| !known.suspects.is_empty());
        Ok(known)
    }

    fn take_strays(&mut self, receivers: &[String]) -> Result<Vec<Stray>, LedgerError> {
        let has_strays = deferred::has_strays(&self.connection, &self.group, self.run.run);
        if !has_strays.map_err(|error| self.failed(&error))? {
            return Ok(Vec::new());
        }
        self.count_dead()?;
        let strays = self.transact(|writing| writing.take_strays(receivers))?;
        self.has_suspects |= strays.iter().any(|stray| !stray.suspects.is_empty());
        Ok(strays)
    }

    fn beat(&mut self) -> Result<(), LedgerError> {
        self.check_identity()?;
        self.transact(|writing| {
            writing.transaction.prepare_cached(sql::RUN_ALIVE)?.execute((writing.run, writing.now_us)).map(drop)
        })
    }

    fn tidy(&mut self) -> Result<(), LedgerError> {
        let enough = if self.folded_at.elapsed() < NOW_AND_THEN { CHECKPOINT_PAGES } else { FEW_PAGES };
        if WAL_PAGES.get() < enough {
            return Ok(());
        }
        self.folded_at = Instant::now();
        match self.connection.pragma(None, "wal_checkpoint", "PASSIVE", |_| Ok(())) {
            Err(error) if !is_busy(&error) => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    fn end(&mut self, end: RunEnd, exit_code: Option<u8>) -> Result<(), LedgerError> {
        let until = Instant::now() + LAST_TRIES;
        loop {
            // Incidents that last stay open: their cause does not end with the run. The next run of the group will see.
            let replay = self.replay;
            let written = self.transact(|writing| {
                let Writing { transaction, run, now_us, .. } = writing;
                transaction.execute(sql::REPLAY_ENDED, (replay, *now_us))?;
                transaction.execute(sql::RUN_ENDED, (*run, *now_us, end.as_str(), exit_code)).map(drop)
            });
            match written {
                Err(LedgerError::Locked { .. }) if Instant::now() < until => {}
                other => break other?,
            }
        }
        let tidied = self
            .connection
            .execute_batch("PRAGMA optimize")
            .and_then(|()| self.connection.pragma(None, "wal_checkpoint", "TRUNCATE", |_| Ok(())));
        match tidied {
            Err(error) if !is_busy(&error) => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
