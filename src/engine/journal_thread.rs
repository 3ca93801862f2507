//! The journal thread: the one writer, and the group commit.
//!
//! Whatever waits goes into one transaction. When the journal was idle for 20 ms it commits at once; under load at most one transaction
//! starts per 20 ms, unless 1,000 rows wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::engine::ledger::{Entry, Ledger, LedgerError};
use crate::engine::observer::Observer;
use crate::engine::report::{JournalJob, Report, ToJournal};

const BEAT: Duration = Duration::from_secs(5);
const PACE: Duration = Duration::from_millis(20);
/// Rows that are worth a transaction of their own, and the most that one takes.
const ENOUGH: usize = 1_000;
const MOST: usize = 5_000;

pub(super) struct JournalThread {
    pub(super) ledger: Box<dyn Ledger>,
    pub(super) inbox: Receiver<ToJournal>,
    pub(super) reports: Sender<Report>,
    pub(super) observer: Arc<dyn Observer>,
}

/// What was gathered for one transaction.
#[derive(Default)]
struct Gathered {
    jobs: Vec<JournalJob>,
    rows: usize,
    /// What ended the gathering, to be answered after the transaction.
    then: Option<ToJournal>,
}

impl JournalThread {
    /// Runs until it is told to end, and gives the ledger back.
    pub(super) fn run(mut self) -> Box<dyn Ledger> {
        let mut written_at = None;
        let mut beat_at = Instant::now() + BEAT;
        let mut has_failed = false;
        loop {
            let done = match self.inbox.recv_timeout(beat_at.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Disconnected) | Ok(ToJournal::End) => return self.ledger,
                // What comes after a failure settles nothing any more: the coordinator is stopping the run.
                Ok(_) if has_failed => continue,
                Err(RecvTimeoutError::Timeout) => Ok(false),
                Ok(first) => self.serve(first, &mut written_at),
            };
            let is_due = Instant::now() >= beat_at;
            if is_due {
                beat_at = Instant::now() + BEAT;
            }
            let done = if is_due && !has_failed { done.and_then(|is_last| self.ledger.beat().map(|()| is_last)) } else { done };
            match done {
                Ok(true) => return self.ledger,
                Ok(false) => {}
                Err(error) => {
                    has_failed = true;
                    if self.reports.send(Report::JournalFailed(error)).is_err() {
                        return self.ledger;
                    }
                }
            }
        }
    }

    /// Serves one message and whatever can go with it; says whether it was the last.
    fn serve(&mut self, first: ToJournal, written_at: &mut Option<Instant>) -> Result<bool, LedgerError> {
        let gathered = self.gather(first, *written_at);
        if !gathered.jobs.is_empty() {
            self.write(gathered.jobs)?;
            *written_at = Some(Instant::now());
        }
        match gathered.then {
            Some(ToJournal::Look(offers)) => {
                let known = self.ledger.know(&offers)?;
                Ok(self.reports.send(Report::Known(known)).is_err())
            }
            Some(ToJournal::End) => Ok(true),
            Some(ToJournal::Job(_)) | None => Ok(false),
        }
    }

    fn gather(&self, first: ToJournal, written_at: Option<Instant>) -> Gathered {
        let until = written_at.map_or_else(Instant::now, |at| at + PACE);
        let mut gathered = Gathered::default();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                ToJournal::Job(job) => {
                    gathered.rows += job.entries.len();
                    gathered.jobs.push(job);
                }
                other => {
                    gathered.then = Some(other);
                    break;
                }
            }
            next = match gathered.rows {
                MOST.. => None,
                ENOUGH.. => self.inbox.try_recv().ok(),
                _ => self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
            };
        }
        gathered
    }

    fn write(&mut self, jobs: Vec<JournalJob>) -> Result<(), LedgerError> {
        let mut entries = Vec::new();
        let mut reports = Vec::with_capacity(jobs.len());
        for JournalJob { entries: of_job, runs, ticket } in jobs {
            let progress = of_job.iter().filter_map(|entry| match entry {
                Entry::Progress(progress) => Some((progress.partition.slot, progress.to)),
                _ => None,
            });
            reports.push(Report::Journaled { runs, progress: progress.collect(), ticket });
            entries.extend(of_job);
        }
        if !entries.is_empty() {
            self.ledger.append(&entries)?;
            self.observer.written(&entries);
        }
        for report in reports {
            if self.reports.send(report).is_err() {
                break;
            }
        }
        self.ledger.tidy()
    }
}
