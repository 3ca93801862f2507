//! Records that code of the program had in hand when its process died: one at a time is delivered, and what has killed the process is
//! delivered no more.

use std::time::Duration;

use crate::engine::in_hand::Leave;
use crate::engine::lanes::{Gate, LaneId, Queued};
use crate::engine::ledger::FailedDelivery;
use crate::engine::shard::ending::{End, Ending};
use crate::engine::shard::{Shard, Walk, entries};
use crate::event::Event;
use crate::failure::{Class, Code, Try};
use crate::receiver::ReceiverError;
use crate::receiver::in_hand::{Turn, Whose};
use crate::record::{ReceiverIx, ReceiverSet, Record, Suspect};

/// How often one that waits for its turn looks whether it has come: there are few of them, and no more than a start has.
const LOOKS_EVERY: Duration = Duration::from_millis(10);

impl Shard {
    /// The failures of those receivers that the record has killed the process in.
    pub(super) fn condemn(&self, event: &Event, to: ReceiverSet) -> Ending {
        let mut ending = Ending::default();
        for suspect in event.record().suspects().iter().filter(|suspect| suspect.is_condemned()) {
            let Some(receiver) = to.iter().find(|receiver| is_of(suspect, &self.walk, *receiver)) else { continue };
            let error = died(event.record(), suspect);
            let (class, code, message) = (error.class, error.code.clone(), error.message.clone());
            let tries = vec![Try { at: jiff::Timestamp::now(), duration: Duration::ZERO, class, code, message }];
            let failed = FailedDelivery {
                record: event.record().detach(),
                event: event.facts(),
                receiver: Some(suspect.receiver.clone()),
                failure: entries::failure(receiver, error, tries),
                rule: None,
                mode: self.walk.mode,
            };
            ending.add(receiver, End::Failed(Box::new(failed)));
        }
        ending
    }

    /// Whether a delivery may be made now. One that is suspected needs its turn, which it then has until it ends.
    pub(super) fn takes_turn(&mut self, record: &Record, receiver: ReceiverIx) -> bool {
        if !is_suspect(record, &self.walk, receiver) {
            return true;
        }
        let leave = match Turn::take() {
            Whose::Ours(turn) => Leave::InTurn(turn),
            Whose::LeftBehind => Leave::Unnoted,
            Whose::Somebodys => return false,
        };
        self.in_hand.set_leave(leave);
        true
    }

    pub(super) fn wait_for_turn(&mut self, lane: LaneId, queued: Queued) {
        self.lanes.vacate(lane);
        // It does not find out yet whether its receiver is back.
        if self.lanes.gate(lane.receiver) == Gate::Asked(queued.record) {
            self.lanes.set_gate(lane.receiver, Gate::AsksOne);
        }
        self.lanes.retry(lane, queued, self.now + LOOKS_EVERY);
        if self.level.is_some() {
            self.abandon_retries();
        }
    }
}

/// True when the record must not be in hand together with another such one.
pub(super) fn is_suspect(record: &Record, walk: &Walk, receiver: ReceiverIx) -> bool {
    record.suspects().iter().any(|suspect| is_of(suspect, walk, receiver))
}

fn is_of(suspect: &Suspect, walk: &Walk, receiver: ReceiverIx) -> bool {
    walk.bindings.get(usize::from(receiver.0)).is_some_and(|binding| binding.name == suspect.receiver)
}

fn died(record: &Record, suspect: &Suspect) -> ReceiverError {
    let Suspect { receiver, deaths, runs: (first, last), .. } = suspect;
    let times = if *deaths == 2 { "twice".to_owned() } else { format!("{deaths} times") };
    let between = if *deaths == 2 { "and" } else { "to" };
    let message = format!(
        "the process died {times} while receiver {receiver} had {} in hand, in the runs {first} {between} {last}: it was not called again",
        record.place()
    );
    ReceiverError::known(Class::Unknown, const { Code::known("process_died") }, message)
}
