//! The kafka thread: polls for as long as it lives, and does what the coordinator says.
//!
//! Membership in the group hangs on this loop, so nothing in it waits for a receiver or for the journal.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::engine::coordinator::{Coordinator, Input, WantedAgain};
use crate::engine::flow::Appetite;
use crate::engine::observer::Observer;
use crate::engine::report::{Action, Dispatch, Report, StopReason, ToJournal, ToShard};
use crate::engine::rereading::{Came, Rereaders};
use crate::engine::source::{CommitError, CommitResult, CommitStarted, Mark, Polled, Source, SourceError};
use crate::engine::stop::StopToken;

/// How long one poll waits when nothing is there: long enough not to spin, short enough to look around.
const LOOK_AROUND: Duration = Duration::from_millis(20);
/// As `LOOK_AROUND`, while something is read again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// The clock's work is done at least every so many records.
const RECORDS_PER_TICK: u32 = 64;
/// Joining a group takes a moment; longer than this is worth a word.
const JOINS_WITHIN: Duration = Duration::from_secs(5);
const COMMIT_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct KafkaThread {
    pub(super) source: Box<dyn Source>,
    pub(super) rereaders: Rereaders,
    pub(super) coordinator: Coordinator,
    pub(super) shards: Vec<UnboundedSender<ToShard>>,
    pub(super) reports: Receiver<Report>,
    pub(super) journal: Sender<ToJournal>,
    pub(super) stop: StopToken,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) actions: Vec<Action>,
    pub(super) finished: Option<StopReason>,
}

/// What is left when the loop has ended: the source is still open, so that it can be closed in its turn.
pub(super) struct Ended {
    pub(super) source: Box<dyn Source>,
    pub(super) coordinator: Coordinator,
    pub(super) reason: StopReason,
}

/// What came of looking at what is read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Record,
    /// None, but there may be one at any moment.
    Nothing,
    /// Nobody looked.
    Idle,
}

impl KafkaThread {
    pub(super) fn run(mut self) -> Ended {
        let mut is_idle = false;
        let mut since_tick = 0;
        let mut level = None;
        let mut now = Instant::now();
        let mut waits_until = Some(now + JOINS_WITHIN);
        let reason = loop {
            // While records flow, the clock is not read for each.
            if since_tick == 0 {
                now = Instant::now();
            }
            let asked = self.stop.level();
            if asked > level {
                level = asked;
                asked.into_iter().for_each(|level| self.coordinator.step(Input::Stop(level), now, &mut self.actions));
            }
            while let Ok(report) = self.reports.try_recv() {
                self.coordinator.step(Input::Report(report), now, &mut self.actions);
            }
            // Before the poll, which may take its time.
            if let Some(reason) = self.perform() {
                break reason;
            }
            let came_again = self.read_again(now);
            let most = match came_again {
                Again::Record => Duration::ZERO,
                Again::Nothing => LOOK_AGAIN,
                Again::Idle => LOOK_AROUND,
            };
            let was_record = match self.coordinator.appetite() {
                Appetite::Poll => self.poll(if is_idle { most } else { Duration::ZERO }, now, &mut is_idle),
                Appetite::WaitUntil(until) => self.wait(until.saturating_duration_since(now).min(most)),
            } || came_again == Again::Record;
            since_tick = if was_record { since_tick + 1 } else { RECORDS_PER_TICK };
            if since_tick >= RECORDS_PER_TICK {
                since_tick = 0;
                self.coordinator.step(Input::Tick, Instant::now(), &mut self.actions);
                self.rereaders.sweep(now);
                if waits_until.take_if(|until| now >= *until).is_some() && !self.coordinator.has_started() {
                    self.observer.waiting();
                }
            }
            if let Some(reason) = self.perform() {
                break reason;
            }
        };
        self.rereaders.close(Instant::now());
        Ended { source: self.source, coordinator: self.coordinator, reason }
    }

    /// One look at what is read again, if anything is wanted of it.
    fn read_again(&mut self, now: Instant) -> Again {
        let wanted = match self.coordinator.wants_again() {
            WantedAgain::Of(wanted) if !self.rereaders.is_idle() => wanted,
            WantedAgain::Soon => return Again::Nothing,
            WantedAgain::Of(_) | WantedAgain::Nothing => return Again::Idle,
        };
        match self.rereaders.poll(wanted) {
            Ok(came) => {
                let again = if matches!(came, Came::Record(_)) { Again::Record } else { Again::Nothing };
                self.coordinator.step(Input::Again(came), now, &mut self.actions);
                again
            }
            Err(error) => {
                self.finished.get_or_insert(StopReason::Source(error));
                Again::Nothing
            }
        }
    }

    /// One poll; says whether it brought a record.
    fn poll(&mut self, wait: Duration, now: Instant, is_idle: &mut bool) -> bool {
        match self.source.poll(wait) {
            Ok(polled) => {
                let was_record = matches!(polled, Polled::Record(_));
                *is_idle = matches!(polled, Polled::Idle);
                self.coordinator.step(Input::Polled(polled), now, &mut self.actions);
                was_record
            }
            Err(error) => {
                self.finished.get_or_insert(StopReason::Source(error));
                false
            }
        }
    }

    /// Full: waits for a report instead of polling.
    fn wait(&mut self, wait: Duration) -> bool {
        if let Ok(report) = self.reports.recv_timeout(wait) {
            self.coordinator.step(Input::Report(report), Instant::now(), &mut self.actions);
        }
        false
    }

    /// Does what is to be done; returns why the run is over, if it is.
    fn perform(&mut self) -> Option<StopReason> {
        while !self.actions.is_empty() && self.finished.is_none() {
            for action in std::mem::take(&mut self.actions) {
                if let Err(reason) = self.perform_one(action) {
                    self.finished.get_or_insert(reason);
                }
            }
        }
        self.finished.take()
    }

    fn perform_one(&mut self, action: Action) -> Result<(), StopReason> {
        match action {
            Action::Look(offers) => self.journal.send(ToJournal::Look(offers)).map_err(|_| gone("journal")),
            Action::TakeStrays(receivers) => self.journal.send(ToJournal::TakeStrays(receivers)).map_err(|_| gone("journal")),
            Action::Journal(job) => self.journal.send(ToJournal::Job(job)).map_err(|_| gone("journal")),
            Action::Dispatch(shard, Dispatch(message)) => {
                let shard = self.shards.get(shard).ok_or_else(|| gone("shard"))?;
                shard.send(message).map_err(|_| gone("shard"))
            }
            Action::Assign(starts) => {
                self.source.assign(&starts).map_err(StopReason::Source)?;
                self.observer.assigned(&starts);
                Ok(())
            }
            Action::Commit(marks) => {
                self.commit(marks);
                Ok(())
            }
            Action::CommitNow(marks, ticket) => {
                let answer = self.source.commit_now(&marks, Instant::now() + COMMIT_DEADLINE);
                let results = answer.unwrap_or_else(|error| unanswered(marks, &error));
                let report = Report::CommittedNow { results, ticket };
                self.coordinator.step(Input::Report(report), Instant::now(), &mut self.actions);
                Ok(())
            }
            Action::Flow(flow) => self.source.flow(flow).map_err(StopReason::Source),
            Action::FlowOf(slots, flow) => self.source.flow_of(&slots, flow).map_err(StopReason::Source),
            Action::ReadAgain(ranges) => self.rereaders.read(&ranges, Instant::now()).map_err(StopReason::Source),
            Action::LeaveAgain(slots) => self.rereaders.leave(&slots).map_err(StopReason::Source),
            Action::CaughtUp(receiver) => {
                self.observer.caught_up(&receiver);
                Ok(())
            }
            Action::Release(slots) => self.source.release(&slots).map_err(StopReason::Source),
            Action::Draining(reason) => {
                self.observer.stopping(&reason, self.coordinator.load());
                Ok(())
            }
            Action::Finish(reason) => Err(reason),
        }
    }

    fn commit(&mut self, marks: Vec<Mark>) {
        let results = match self.source.commit(&marks) {
            Ok(CommitStarted::Yes) => return,
            Ok(CommitStarted::NoGroup) => marks.into_iter().map(|mark| (mark, Ok(()))).collect(),
            Err(error) => unanswered(marks, &error),
        };
        self.coordinator.step(Input::Polled(Polled::Committed(results)), Instant::now(), &mut self.actions);
    }
}

fn unanswered(marks: Vec<Mark>, error: &SourceError) -> Vec<CommitResult> {
    marks.into_iter().map(|mark| (mark, Err(CommitError::Unanswered { message: error.to_string() }))).collect()
}

fn gone(what: &str) -> StopReason {
    StopReason::Defect(format!("the engine's {what} thread is gone"))
}
