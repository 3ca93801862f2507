//! What an answer means: it is delivered, tried again, written down, or says that its receiver is down.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::delivery::{Answer, Done};
use crate::engine::lanes::{Gate, History, LaneId, Queued};
use crate::engine::shard::ending::{End, Ends};
use crate::engine::shard::outage::Manner;
use crate::engine::shard::{Shard, entries};
use crate::event::Event;
use crate::failure::{Class, Try};
use crate::policy::{self, Decision, Situation, Verdict, Vigil};
use crate::receiver::ReceiverError;
use crate::record::ReceiverIx;

impl Shard {
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
        history.tries.push(Try {
            at: jiff::Timestamp::now(),
            duration: self.now.duration_since(started),
            class: error.class,
            code: error.code.clone(),
            message: error.message.clone(),
        });
        let situation = Situation {
            attempts: u32::try_from(history.tries.len()).unwrap_or(u32::MAX),
            retries: self.binding(receiver).map_or(0, |binding| binding.retries),
            elapsed: self.now.duration_since(first_started),
            retry_after: error.retry_after,
            jitter: rand::random(),
        };
        let manner = self.manner(receiver, event.record());
        // What one that is down says for so long is no news, and no other try is worth its while.
        let is_known = manner != Manner::PassOver && policy::is_sign(&error.code) && self.vigil(receiver).is_some_and(Vigil::is_down);
        let is_found = error.class == Class::Consumer || error.code.as_str() == "unreachable";
        if manner != Manner::Journal && (is_found || is_known) {
            return self.is_down(receiver, manner, &history, (&error, None));
        }
        match policy::decide(error.class, &situation) {
            Decision::RetryAfter(wait) => End::Again(history, self.now + wait),
            Decision::Journal => self.failed(event, receiver, history, error),
        }
    }

    fn failed(&mut self, event: &Event, receiver: ReceiverIx, history: History, error: ReceiverError) -> End {
        let manner = self.manner(receiver, event.record());
        match self.vigil(receiver).map(|vigil| vigil.failed(&error.code)) {
            Some(Verdict::Down) if matches!(manner, Manner::Hold | Manner::Defer) => {
                return self.is_down(receiver, manner, &history, (&error, None));
            }
            Some(Verdict::FoundDown | Verdict::Down) if manner != Manner::PassOver => self.found_down(receiver, &error, None),
            _ => {}
        }
        let name = self.binding(receiver).map(|binding| binding.name.clone());
        let failed = entries::failed(event, (receiver, name), (error, history.tries), self.walk.mode);
        self.job.entries.push(failed);
        End::Failed
    }

    /// The event has not failed: nobody is there who could take it.
    fn is_down(&mut self, receiver: ReceiverIx, manner: Manner, history: &History, why: (&ReceiverError, Option<Duration>)) -> End {
        let (error, quiet) = why;
        self.vigil(receiver).map(Vigil::fall);
        if manner == Manner::PassOver {
            return End::PassedOver;
        }
        self.found_down(receiver, error, quiet);
        if manner == Manner::Defer { End::Deferred } else { End::Held(history.of_no_avail()) }
    }

    fn vigil(&self, receiver: ReceiverIx) -> Option<&Vigil> {
        self.walk.vigils.get(usize::from(receiver.0))
    }

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
        let mut ends = Ends::NONE;
        match ends.add(lane.receiver, end) {
            Some((history, at)) => self.again(lane, Queued { record, seq: event.record().seq(), history }, at, &event),
            None => self.merge(record, ends),
        }
    }
}
