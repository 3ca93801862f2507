//! The journal thread: the one writer, and the group commit.
//!
//! Whatever waits goes into one transaction. When the journal was idle for 20 ms it commits at once; under load at most one transaction
//! starts per 20 ms, unless 1,000 rows wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::engine::flow::BUSY;
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind, Ledger, LedgerError};
use crate::engine::observer::Observer;
use crate::engine::report::{JournalJob, Report, StopLevel, ToJournal};
use crate::engine::stop::StopToken;

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
    pub(super) patience: Patience,
    pub(super) delay: Delay,
    /// The end was gathered together with what had to be written before it.
    pub(super) is_over: bool,
}

/// How long a lock of another process is waited for: without limit, until the run is asked to stop or is over. Then the drain timeout
/// counts from that moment, however late the lock is met.
pub(super) struct Patience {
    pub(super) stop: StopToken,
    /// Asked when the run is over, for whatever reason: nobody polls any more, and what is still to be written does not wait for ever.
    pub(super) over: StopToken,
    pub(super) drain_timeout: Duration,
}

impl Patience {
    fn is_out(&self, now: Instant) -> bool {
        let is_overdue = |asked: &StopToken| asked.asked_at().is_some_and(|at| now.duration_since(at) >= self.drain_timeout);
        self.stop.level() == Some(StopLevel::Now) || is_overdue(&self.stop) || is_overdue(&self.over)
    }
}

/// How long the journal kept the run waiting, because another process had locked it or because its disk was slow.
#[derive(Default)]
pub(super) struct Delay {
    /// While it is locked: from the first try to the last one, and how many there were.
    locked: Option<(Instant, Instant)>,
    refusals: u64,
    /// One that is over and was long enough for an incident: when it began, how long it lasted, and how often the lock was met.
    past: Option<(Instant, Duration, u64)>,
}

impl Delay {
    /// A try that began then ended now.
    fn note<T>(&mut self, began: Instant, result: &Result<T, LedgerError>) {
        let now = Instant::now();
        match result {
            Err(error @ LedgerError::Locked { .. }) => {
                if self.refusals == 0 {
                    tracing::warn!("{error}: waiting for it, and after {BUSY:?} nothing more is read");
                }
                self.refusals += 1;
                self.locked = Some((self.locked.map_or(began, |(first, _)| first), now));
            }
            Err(_) => {}
            Ok(_) => {
                let (first, last) = self.locked.take().unwrap_or((began, now));
                let lasted = last.duration_since(first);
                let refusals = std::mem::take(&mut self.refusals);
                if lasted >= BUSY {
                    self.past = Some((first, lasted, refusals));
                }
            }
        }
    }

    /// The incident, begun and ended.
    fn take_past(&mut self) -> Option<[Entry; 2]> {
        let (began, lasted, refusals) = self.past.take()?;
        let seconds = lasted.as_secs();
        let message = match refusals {
            0 => format!("the journal took {seconds} s to answer"),
            _ => format!("the journal was locked by another process for {seconds} s"),
        };
        let key = IncidentKey::of(IncidentKind::JournalBusy);
        let incident = Incident {
            data: serde_json::json!({ "seconds": seconds }),
            count: refusals.max(1),
            began_ago: Instant::now().duration_since(began),
            ..Incident::new(key.clone(), message)
        };
        Some([Entry::Incident(incident), Entry::IncidentEnded(key)])
    }
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
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Ok(first) => self.serve(first, &mut written_at),
            };
            let is_due = Instant::now() >= beat_at;
            if is_due {
                beat_at = Instant::now() + BEAT;
            }
            let done = if is_due && !has_failed { done.and_then(|()| self.beat()) } else { done };
            let done = if has_failed { done } else { done.and_then(|()| self.tell_delay()) };
            if let Err(error) = done {
                has_failed = true;
                self.tell(Report::JournalFailed(error));
            }
            if self.is_over {
                return self.ledger;
            }
        }
    }

    /// Serves one message and whatever can go with it.
    fn serve(&mut self, first: ToJournal, written_at: &mut Option<Instant>) -> Result<(), LedgerError> {
        let gathered = self.gather(first, *written_at);
        self.is_over |= matches!(gathered.then, Some(ToJournal::End));
        if !gathered.jobs.is_empty() {
            self.write(gathered.jobs)?;
            *written_at = Some(Instant::now());
        }
        match gathered.then {
            Some(ToJournal::Look(offers)) => {
                let known = self.unlocked(|ledger| ledger.know(&offers))?;
                self.tell(Report::Known(known));
            }
            Some(ToJournal::TakeStrays(receivers)) => {
                let strays = self.unlocked(|ledger| ledger.take_strays(&receivers))?;
                self.tell(Report::Strays(strays));
            }
            Some(ToJournal::Job(_) | ToJournal::End) | None => {}
        }
        Ok(())
    }

    /// A lock of another process is waited for, and the kafka thread polls on meanwhile.
    fn unlocked<T>(&mut self, mut work: impl FnMut(&mut dyn Ledger) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        loop {
            let began = Instant::now();
            let done = work(&mut *self.ledger);
            self.delay.note(began, &done);
            match done {
                Err(LedgerError::Locked { .. }) if !self.patience.is_out(Instant::now()) => {}
                other => return other,
            }
        }
    }

    /// One that is missed because of a lock is no failure: the next one comes.
    fn beat(&mut self) -> Result<(), LedgerError> {
        let began = Instant::now();
        let done = self.ledger.beat();
        self.delay.note(began, &done);
        match done {
            Err(LedgerError::Locked { .. }) => Ok(()),
            other => other,
        }
    }

    /// A delay is told as soon as it is over, in a transaction of its own, so that nothing else waits for that.
    fn tell_delay(&mut self) -> Result<(), LedgerError> {
        let Some(entries) = self.delay.take_past() else { return Ok(()) };
        self.unlocked(|ledger| ledger.append(&entries))?;
        self.observer.written(&entries);
        Ok(())
    }

    /// The other side is gone when the run is over; what was sent before that is still written.
    fn tell(&self, report: Report) {
        if self.reports.send(report).is_err() {
            tracing::debug!("the run is over: nobody waits for the journal any more");
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
            let progress = of_job.iter().filter_map(Entry::position).collect();
            reports.push(Report::Journaled { runs, progress, ticket });
            entries.extend(of_job);
        }
        if !entries.is_empty() {
            self.unlocked(|ledger| ledger.append(&entries))?;
            self.observer.written(&entries);
        }
        reports.into_iter().for_each(|report| self.tell(report));
        self.ledger.tidy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(delay: &mut Delay, ago: Duration, result: &Result<(), LedgerError>) -> Option<(String, u64)> {
        delay.note(Instant::now().checked_sub(ago).unwrap(), result);
        delay.take_past().map(|[incident, _]| {
            let Entry::Incident(incident) = incident else { panic!("{incident:?}") };
            assert!(incident.began_ago >= ago);
            (incident.message, incident.count)
        })
    }

    #[test]
    fn a_delay_is_told_when_it_is_over_and_was_long() {
        let (mut delay, moment) = (Delay::default(), Duration::from_millis(500));
        let (fine, locked) = (Ok(()), Err(LedgerError::Locked { path: "memory".into() }));
        assert_eq!(tried(&mut delay, moment, &fine), None);
        assert_eq!(tried(&mut delay, moment, &locked), None);
        assert_eq!(tried(&mut delay, moment, &fine), None, "for a moment only");
        assert_eq!(tried(&mut delay, BUSY, &locked), None);
        assert_eq!(tried(&mut delay, moment, &locked), None, "it lasts");
        let told = Some(("the journal was locked by another process for 5 s".to_owned(), 2));
        assert_eq!(tried(&mut delay, Duration::ZERO, &fine), told);
        assert_eq!(tried(&mut delay, Duration::ZERO, &fine), None, "told once");
        assert_eq!(tried(&mut delay, BUSY, &fine), Some(("the journal took 5 s to answer".to_owned(), 1)));
    }
}
