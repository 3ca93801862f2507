//! Receivers that are down: what they are to have is held or deferred, and one delivery at a time finds out whether they are back.
//!
//! Only the coordinator opens a gate. A shard that finds a receiver down closes its own at once, so that nothing overtakes what it keeps
//! back.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::engine::lanes::{Gate, LaneId, Queued};
use crate::engine::missed::Missed;
use crate::engine::report::{self, FoundDown, Report, Signal};
use crate::engine::shard::Shard;
use crate::engine::shard::ending::Ends;
use crate::event::Event;
use crate::policy::Vigil;
use crate::receiver::{Mode, OnOutage, ReceiverError};
use crate::record::{Meant, NextOffset, ReceiverIx, ReceiverSet, Record, Slot};

/// What is kept from receivers, and why.
#[derive(Default)]
pub(super) struct Away {
    /// Those that do not get all that comes: looked into for each delivery.
    receivers: ReceiverSet,
    detached: HashMap<(ReceiverIx, Slot), Detached>,
    /// Slots that are about to be somebody else's.
    leaving: Vec<Slot>,
    /// What the coordinator was not told yet.
    found: BTreeMap<ReceiverIx, FoundDown>,
    /// Who was to be asked, and was not yet.
    to_ask: Vec<ReceiverIx>,
}

/// A receiver that does not go on with the others in a slot.
enum Detached {
    /// What it is to have is deferred.
    Deferring,
    /// It has nearly all that it missed: what comes from that offset on is kept for it, in its order.
    Keeping(NextOffset, Vec<(LaneId, Queued)>),
}

/// Why a receiver is taken for down, beside its answer.
#[derive(Default)]
pub(super) struct Grounds {
    /// It asked to be left alone for so long.
    pub(super) quiet: Option<Duration>,
    /// A rule of the user says so.
    pub(super) rule: Option<String>,
}

/// What is to be done with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Deliver,
    Defer,
    Keep,
}

/// What a delivery becomes that finds its receiver down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Of a replay.
    PassOver,
    Journal,
    Hold,
    Defer,
}

impl Shard {
    pub(super) fn manner(&self, receiver: ReceiverIx, record: &Record) -> Manner {
        let of_receiver = self.binding(receiver).map(|binding| binding.on_outage);
        match (self.walk.mode, of_receiver) {
            (Mode::Replay(_), _) => Manner::PassOver,
            (Mode::Live, None | Some(OnOutage::Journal)) => Manner::Journal,
            (Mode::Live, Some(OnOutage::Wait)) => Manner::Hold,
            (Mode::Live, Some(OnOutage::Defer)) if is_read_again(record) => Manner::Hold,
            (Mode::Live, Some(OnOutage::Defer)) => Manner::Defer,
        }
    }

    pub(super) fn course(&self, receiver: ReceiverIx, record: &Record) -> Course {
        if !self.away.receivers.contains(receiver) {
            return Course::Deliver;
        }
        match self.away.detached.get(&(receiver, record.slot())) {
            Some(Detached::Keeping(from, _)) if !from.covers(record.offset()) => Course::Keep,
            Some(_) => Course::Defer,
            None if self.lanes.gate(receiver) != Gate::Open && self.manner(receiver, record) == Manner::Defer => Course::Defer,
            None => Course::Deliver,
        }
    }

    pub(super) fn keep_for(&mut self, lane: LaneId, slot: Slot, queued: Queued) {
        if let Some(Detached::Keeping(_, kept)) = self.away.detached.get_mut(&(lane.receiver, slot)) {
            kept.push((lane, queued));
        }
    }

    /// Who missed a record whose deliveries ended so.
    pub(super) fn missed(&self, record: &Record, ends: Ends) -> Missed {
        if self.away.receivers.is_empty() && ends.deferred.is_empty() {
            return Missed::BY_NOBODY;
        }
        let deferring = self.away.receivers.iter().filter(|receiver| self.course(*receiver, record) == Course::Defer);
        let deferring = deferring.fold(ReceiverSet::NONE, ReceiverSet::with);
        Missed::by(ends.deferred, deferring.minus(ends.delivered).minus(ends.failed).minus(ends.skipped))
    }

    // --- what deliveries find out

    /// A delivery found its receiver down.
    pub(super) fn found_down(&mut self, receiver: ReceiverIx, error: &ReceiverError, grounds: Grounds) {
        self.close_gate(receiver);
        let found = self.away.found.entry(receiver).or_insert_with(|| FoundDown {
            count: 0,
            code: error.code.clone(),
            message: String::new(),
            quiet: None,
            rule: None,
        });
        found.count += 1;
        found.code.clone_from(&error.code);
        found.message.clone_from(&error.message);
        found.quiet = found.quiet.max(grounds.quiet);
        found.rule = grounds.rule;
    }

    /// The delivery that was to find out whether its receiver is back says that it is not.
    pub(super) fn probed_down(&mut self, receiver: ReceiverIx) {
        self.lanes.set_gate(receiver, Gate::Held);
        if let Some(found) = self.away.found.remove(&receiver) {
            self.tell(Report::Signal(receiver, Signal::StillDown(found)));
        }
    }

    /// The delivery that was to find out whether its receiver is back says that it is.
    pub(super) fn probed_alive(&mut self, receiver: ReceiverIx) {
        self.lanes.set_gate(receiver, Gate::Held);
        self.tell_found();
        self.vigil(receiver).map(Vigil::rise);
        self.tell(Report::Signal(receiver, Signal::Up));
    }

    /// A delivery ended as only a receiver that is there ends it. Where its outages are failures nobody probes: then it is back.
    pub(super) fn found_alive(&mut self, receiver: ReceiverIx) {
        let Some(vigil) = self.vigil(receiver) else { return };
        if !self.is_journaled(receiver) || !vigil.is_down() {
            return vigil.alive();
        }
        if vigil.rise() && !self.is_replay() {
            self.tell_found();
            self.tell(Report::Signal(receiver, Signal::Up));
        }
    }

    pub(super) fn tell_found(&mut self) {
        for (receiver, found) in std::mem::take(&mut self.away.found) {
            self.tell(Report::Signal(receiver, Signal::Down(found)));
            // Another shard may have found it back, and said so before this was heard.
            if self.is_journaled(receiver) && !self.vigil(receiver).is_some_and(Vigil::is_down) {
                self.tell(Report::Signal(receiver, Signal::Up));
            }
        }
    }

    /// Whether its outages are failures.
    fn is_journaled(&self, receiver: ReceiverIx) -> bool {
        self.binding(receiver).is_some_and(|binding| binding.on_outage == OnOutage::Journal)
    }

    /// Whoever was to be asked and is not: nothing of it waits here.
    pub(super) fn tell_unasked(&mut self) {
        for receiver in std::mem::take(&mut self.away.to_ask) {
            if self.lanes.gate(receiver) == Gate::AsksOne {
                self.lanes.set_gate(receiver, Gate::Held);
                self.tell(Report::Signal(receiver, Signal::NobodyToAsk));
            }
        }
    }

    // --- what the coordinator says

    pub(super) fn set_gate(&mut self, receiver: ReceiverIx, gate: report::Gate) {
        match gate {
            report::Gate::Held => self.close_gate(receiver),
            report::Gate::Open => {
                // An answer that came late may have had it down once more.
                if !self.away.found.contains_key(&receiver) {
                    self.vigil(receiver).map(Vigil::rise);
                }
                self.lanes.set_gate(receiver, Gate::Open);
                self.note_away(receiver);
            }
        }
    }

    pub(super) fn probe(&mut self, receiver: ReceiverIx) {
        self.lanes.set_gate(receiver, Gate::AsksOne);
        self.away.to_ask.push(receiver);
    }

    pub(super) fn detach(&mut self, receiver: ReceiverIx, slots: &[Slot]) {
        for slot in slots {
            if let Some(Detached::Keeping(_, kept)) = self.away.detached.insert((receiver, *slot), Detached::Deferring) {
                self.defer(kept);
            }
        }
        self.note_away(receiver);
    }

    pub(super) fn keep_from(&mut self, receiver: ReceiverIx, slot: Slot, from: NextOffset) {
        self.away.detached.insert((receiver, slot), Detached::Keeping(from, Vec::new()));
    }

    pub(super) fn attach(&mut self, receiver: ReceiverIx, slot: Slot) {
        let kept = match self.away.detached.remove(&(receiver, slot)) {
            Some(Detached::Keeping(_, kept)) => kept,
            Some(Detached::Deferring) | None => Vec::new(),
        };
        let on_outage = self.binding(receiver).map(|binding| binding.on_outage);
        // It may have fallen once more, in another slot.
        if self.lanes.gate(receiver) != Gate::Open && on_outage == Some(OnOutage::Defer) {
            self.defer(kept);
        } else {
            kept.into_iter().for_each(|(lane, queued)| self.lanes.queue(lane, queued));
        }
        self.note_away(receiver);
    }

    /// Lets go of what waits for receivers that are down, of these slots: what is held is read again by whoever has them next, and what
    /// was kept is deferred.
    pub(super) fn let_go_of_held(&mut self, slots: &[Slot]) {
        self.away.leaving.retain(|slot| self.waiting.iter().any(|(_, waiting)| waiting.event.record().slot() == *slot));
        self.away.leaving.extend_from_slice(slots);
        self.forget_detached(|slot| slots.contains(&slot));
        let held = self.held();
        let of_slots = |record: usize| self.waiting.get(record).is_some_and(|of| slots.contains(&of.event.record().slot()));
        let given_up: Vec<_> = held.iter().flat_map(|receiver| self.lanes.drain_of(receiver, of_slots)).collect();
        self.abandon(given_up);
    }

    /// As `let_go_of_held`, of all slots: the run ends.
    pub(super) fn let_go_of_all_held(&mut self) {
        self.forget_detached(|_| true);
        let given_up: Vec<_> = self.held().iter().flat_map(|receiver| self.lanes.drain_of(receiver, |_| true)).collect();
        self.abandon(given_up);
    }

    /// Puts back a delivery that found its receiver down, unless nobody will wait for that here.
    pub(super) fn put_back(&mut self, lane: LaneId, queued: Queued, event: &Event) {
        if self.level.is_some() || self.away.leaving.contains(&event.record().slot()) {
            return self.abandon(vec![(lane, queued)]);
        }
        self.lanes.put_back(lane, queued);
    }

    // --- gates

    fn close_gate(&mut self, receiver: ReceiverIx) {
        let on_outage = self.binding(receiver).map(|binding| binding.on_outage);
        if self.lanes.gate(receiver) != Gate::Open || on_outage == Some(OnOutage::Journal) {
            return;
        }
        self.lanes.set_gate(receiver, Gate::Held);
        if on_outage == Some(OnOutage::Defer) {
            self.note_away(receiver);
            let waiting = &self.waiting;
            let is_live = |record: usize| waiting.get(record).is_some_and(|of| !is_read_again(of.event.record()));
            let deferred = self.lanes.drain_of(receiver, is_live);
            self.defer(deferred);
        }
    }

    fn defer(&mut self, queued: Vec<(LaneId, Queued)>) {
        for (lane, queued) in queued {
            self.merge(queued.record, Ends::deferred_by(lane.receiver));
        }
    }

    fn forget_detached(&mut self, of: impl Fn(Slot) -> bool) {
        let gone: Vec<_> = self.away.detached.extract_if(|(_, slot), _| of(*slot)).collect();
        for ((receiver, _), detached) in gone {
            if let Detached::Keeping(_, kept) = detached {
                self.defer(kept);
            }
            self.note_away(receiver);
        }
    }

    fn held(&self) -> ReceiverSet {
        let all = (0..self.walk.bindings.len()).filter_map(|at| u8::try_from(at).ok()).map(ReceiverIx);
        all.filter(|receiver| self.lanes.gate(*receiver) != Gate::Open).fold(ReceiverSet::NONE, ReceiverSet::with)
    }

    /// Whether a receiver gets all that comes.
    fn note_away(&mut self, receiver: ReceiverIx) {
        let is_down = self.lanes.gate(receiver) != Gate::Open;
        let is_away = is_down || self.away.detached.keys().any(|(detached, _)| *detached == receiver);
        let one = ReceiverSet::NONE.with(receiver);
        self.away.receivers = if is_away { self.away.receivers.union(one) } else { self.away.receivers.minus(one) };
    }
}

/// What a receiver missed comes by name.
fn is_read_again(record: &Record) -> bool {
    matches!(record.meant(), Meant::These(_))
}
