//! What a failure means: the policy is asked, and what it decides becomes the end of a delivery, or of a record.

use std::sync::Arc;

use tokio::time::Instant;

use crate::engine::delivery::{Answer, Done};
use crate::engine::halt::RuleHalt;
use crate::engine::lanes::{Gate, History, LaneId, Queued};
use crate::engine::ledger::{Entry, FailedDelivery, WhyNot};
use crate::engine::report::{JournalJob, Report};
use crate::engine::settled::{Settled, SettledRun};
use crate::engine::shard::ending::{End, Ending};
use crate::engine::shard::outage::{Grounds, Manner};
use crate::engine::shard::{Shard, entries};
use crate::event::{Event, EventFacts};
use crate::failure::{Refusal, Stage, Try};
use crate::policy::{self, Basis, Decision, Facts, Outage, Outages, RuleIx, Situation, Verdict, Vigil, says_down};
use crate::receiver::ReceiverError;
use crate::record::{Meant, ReceiverIx, ReceiverSet, Record};

/// A delivery that was tried once more, in vain.
struct Tried {
    receiver: ReceiverIx,
    manner: Manner,
    /// With that try.
    history: History,
    error: ReceiverError,
}

impl Shard {
    /// A stage before the receivers refused the record: one entry, without a receiver, unless a rule has it otherwise.
    pub(super) fn refuse(&mut self, record: &Record, event: EventFacts, stage: Stage, refusal: Refusal) {
        let rules = Arc::clone(&self.walk);
        let facts = Facts {
            topic: record.topic(),
            event_type: event.event_type.as_deref(),
            receiver: None,
            stage,
            class: refusal.class,
            code: refusal.code.as_str(),
            message: &refusal.message,
        };
        let basis = match policy::decide(&facts, &Situation::before_receivers(), &rules.rules) {
            Decision::Journal(basis) => basis,
            Decision::Skip(_) => return self.skip_refused(record),
            Decision::Halt(rule) => {
                self.halt(record, &facts, rule);
                return self.settle(record, Settled::Abandoned);
            }
            // Nothing is tried again where nobody was asked.
            Decision::RetryAfter(_) | Decision::Outage(..) => Basis::BuiltIn,
        };
        let (rule, mode) = (self.name_of(basis), self.walk.mode);
        let failure = refusal.into_failure(stage, jiff::Timestamp::now());
        let failed = FailedDelivery { record: record.detach(), event, receiver: None, failure, rule, mode };
        let mut written = vec![Entry::Failed(Box::new(failed))];
        if let (true, Some(before)) = (record.has_debt(), stage.before()) {
            written.push(entries::passed(record, before, self.walk.mode));
        }
        if self.walk.is_guarded && !self.passed.has_passed(record.topic(), stage) {
            let run = SettledRun::of_one(record.slot(), record.seq(), Settled::Failed);
            let job = JournalJob { entries: written, runs: vec![run], ticket: None };
            return self.tell(Report::Held { topic: record.topic().to_owned(), stage, job });
        }
        self.job.entries.append(&mut written);
        self.settle_with_job(record, Settled::Failed);
    }

    /// What it owes stays open: it did not pass.
    fn skip_refused(&mut self, record: &Record) {
        if !self.is_replay() {
            return self.settle_skipped(record);
        }
        let these = match record.meant() {
            Meant::These(these) => these,
            Meant::AllBut(_) => ReceiverSet::NONE,
        };
        self.pass_over(record, these, WhyNot::SkippedByRule);
        self.settle_with_job(record, Settled::Skipped);
    }

    /// Decides what an answer means; a failure that is final goes to the journal.
    pub(super) fn judge(&mut self, event: &Event, receiver: ReceiverIx, mut history: History, of: (Instant, Answer)) -> End {
        let (started, answer) = of;
        let error = match answer {
            Ok(()) => {
                self.found_alive(receiver);
                return End::Delivered;
            }
            Err(error) => error,
        };
        let first_started = *history.first_started.get_or_insert(started);
        let manner = self.manner(receiver, event.record());
        let situation = Situation {
            attempts: u32::try_from(history.tries.len()).unwrap_or(u32::MAX).saturating_add(1),
            retries: self.binding(receiver).map_or(0, |binding| binding.retries),
            elapsed: self.now.duration_since(first_started),
            retry_after: error.retry_after,
            jitter: rand::random(),
            outages: if manner == Manner::Journal { Outages::Journaled } else { Outages::Heeded },
        };
        let (walk, event_type) = (Arc::clone(&self.walk), event.event_type());
        let facts = Facts {
            topic: event.record().topic(),
            event_type: Some(&event_type),
            receiver: walk.bindings.get(usize::from(receiver.0)).map(|binding| binding.name.as_str()),
            stage: Stage::Receive,
            class: error.class,
            code: error.code.as_str(),
            message: &error.message,
        };
        let decision = policy::decide(&facts, &situation, &walk.rules);
        if let Decision::Halt(rule) = decision {
            self.halt(event.record(), &facts, rule);
        }
        match self.heed(decision, receiver, manner, &error) {
            Decision::Journal(basis) => {
                history.tries.push(self.try_of(&error, started));
                self.journal(event, Tried { receiver, manner, history, error }, basis)
            }
            Decision::Skip(_) => {
                self.found_alive(receiver);
                End::Skipped
            }
            Decision::Halt(_) => End::Halted,
            Decision::RetryAfter(wait) => {
                history.tries.push(self.try_of(&error, started));
                End::Again(history, self.now + wait)
            }
            Decision::Outage(outage, basis) => {
                history.tries.push(self.try_of(&error, started));
                let quiet = if let Outage::For(quiet) = outage { Some(quiet) } else { None };
                let grounds = Grounds { quiet, rule: self.name_of(basis) };
                self.outage(&Tried { receiver, manner, history, error }, grounds)
            }
        }
    }

    fn try_of(&self, error: &ReceiverError, started: Instant) -> Try {
        Try {
            at: jiff::Timestamp::now(),
            duration: self.now.duration_since(started),
            class: error.class,
            code: error.code.clone(),
            message: error.message.clone(),
        }
    }

    fn journal(&mut self, event: &Event, tried: Tried, basis: Basis) -> End {
        let Tried { receiver, manner, ref error, .. } = tried;
        let verdict = match self.vigil(receiver) {
            Some(vigil) if basis.may_be_a_sign() => vigil.failed(&error.code),
            _ => Verdict::OfTheEvent,
        };
        let is_news = verdict != Verdict::OfTheEvent || (manner == Manner::Journal && says_down(error.class, error.code.as_str()));
        match manner {
            Manner::Hold | Manner::Defer if verdict == Verdict::Down => {
                return self.outage(&tried, Grounds::default());
            }
            Manner::PassOver => {}
            _ if is_news => {
                self.vigil(receiver).map(Vigil::fall);
                self.found_down(receiver, error, Grounds::default());
            }
            // One that may be a sign is none of life.
            _ if basis.may_be_a_sign() && policy::is_sign(&error.code) => {}
            _ => self.found_alive(receiver),
        }
        End::Failed(Box::new(FailedDelivery {
            record: event.record().detach(),
            event: event.facts(),
            receiver: self.binding(receiver).map(|binding| binding.name.clone()),
            failure: entries::failure(receiver, tried.error, tried.history.tries),
            rule: self.name_of(basis),
            mode: self.walk.mode,
        }))
    }

    fn name_of(&self, basis: Basis) -> Option<String> {
        Some(self.walk.rules.get(basis.rule()?)?.name.clone())
    }

    // --- outages

    /// What one that is down says for so long is no news, and no other try is worth its while; but what a rule of the user journals
    /// is journaled.
    fn heed(&self, decision: Decision, receiver: ReceiverIx, manner: Manner, error: &ReceiverError) -> Decision {
        let says_so = policy::is_sign(&error.code) || says_down(error.class, error.code.as_str());
        let is_down = || says_so && self.vigil(receiver).is_some_and(Vigil::is_down);
        match (decision, manner) {
            (Decision::Journal(basis), Manner::Hold | Manner::Defer) if basis.may_be_a_sign() && is_down() => {
                Decision::Outage(Outage::Now, basis)
            }
            (Decision::RetryAfter(_), Manner::Hold | Manner::Defer) if is_down() => Decision::Outage(Outage::Now, Basis::BuiltIn),
            (decision, _) => decision,
        }
    }

    /// The receiver is down, and the event has not failed.
    fn outage(&mut self, tried: &Tried, grounds: Grounds) -> End {
        let Tried { receiver, manner, ref history, ref error } = *tried;
        self.vigil(receiver).map(Vigil::fall);
        match manner {
            Manner::PassOver | Manner::Journal => return End::PassedOver,
            Manner::Hold | Manner::Defer => self.found_down(receiver, error, grounds),
        }
        if manner == Manner::Defer { End::Deferred } else { End::Held(history.of_no_avail()) }
    }

    pub(super) fn vigil(&self, receiver: ReceiverIx) -> Option<&Vigil> {
        self.walk.vigils.get(usize::from(receiver.0))
    }

    // --- what comes of it

    /// One that is to be tried again: at that time, or when its receiver is back.
    pub(super) fn again(&mut self, lane: LaneId, queued: Queued, at: Option<Instant>, event: &Event) {
        let Some(at) = at else { return self.put_back(lane, queued, event) };
        self.lanes.retry(lane, queued, at);
        if self.level.is_some() {
            self.abandon_retries();
        }
    }

    pub(super) fn came_back(&mut self, done: Done) {
        let Done { lane, record, history, started, answer } = done;
        self.now = Instant::now();
        self.lanes.vacate(lane);
        self.conclude(lane, record, history, (started, answer));
    }

    /// What an answer means for a record in the table.
    pub(super) fn conclude(&mut self, lane: LaneId, record: usize, history: History, of: (Instant, Answer)) {
        let Some(event) = self.waiting.get(record).map(|waiting| waiting.event.clone()) else { return };
        let was_asked = self.lanes.gate(lane.receiver) == Gate::Asked(record);
        let end = self.judge(&event, lane.receiver, history, of);
        match &end {
            End::Held(_) | End::Deferred if was_asked => self.probed_down(lane.receiver),
            _ if was_asked => self.probed_alive(lane.receiver),
            _ => {}
        }
        let mut ending = Ending::default();
        match ending.add(lane.receiver, end) {
            Some((history, at)) => self.again(lane, Queued { record, seq: event.record().seq(), history }, at, &event),
            None => self.merge(record, ending),
        }
    }

    // --- halting

    /// The run ends. What lies behind the record in its partition is read again with it: delivering it now would be for nothing.
    fn halt(&mut self, record: &Record, facts: &Facts<'_>, rule: RuleIx) {
        self.halted.push(record.slot());
        let walk = Arc::clone(&self.walk);
        if let Some(rule) = walk.rules.get(rule) {
            self.tell(Report::Halted(Box::new(RuleHalt::new(rule, record, facts))));
        }
    }

    pub(super) fn is_halted(&self, record: &Record) -> bool {
        !self.halted.is_empty() && self.halted.contains(&record.slot())
    }
}
