//! What must happen in order: the lanes of one shard, and who may run now.
//!
//! A lane is one receiver and one order key. It exists here only while something of it is out, queued or waiting for a retry: a delivery
//! that is answered at once never touches the map. Pure bookkeeping: what runs, and when, is the shard's business.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroUsize;

use tokio::time::Instant;

use crate::failure::Try;
use crate::record::{ReceiverIx, Seq};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LaneId {
    pub(super) receiver: ReceiverIx,
    pub(super) key: u64,
}

/// A delivery that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued {
    /// The record, in the shard's table.
    pub(super) record: usize,
    /// Its place in the order of its lane.
    pub(super) seq: Seq,
    pub(super) history: History,
}

/// The tries of one delivery so far.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) first_started: Option<Instant>,
    /// Those that failed, oldest first.
    pub(super) tries: Vec<Try>,
    /// Those before them that found the receiver down: no failures of the event.
    pub(super) in_vain: u32,
}

impl History {
    /// The number of the next try.
    pub(super) fn next_attempt(&self) -> u32 {
        u32::try_from(self.tries.len()).unwrap_or(u32::MAX).saturating_add(self.in_vain).saturating_add(1)
    }

    /// The receiver is down: whatever was tried, it begins anew.
    pub(super) fn of_no_avail(&self) -> Self {
        Self { first_started: None, tries: Vec::new(), in_vain: self.next_attempt() - 1 }
    }
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Queued>,
    out: usize,
    /// Set while the front of the queue waits for another try.
    not_before: Option<Instant>,
    is_listed: bool,
}

/// Whether deliveries of a receiver may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gate {
    #[default]
    Open,
    Held,
    /// Held, but for the one that is to find out whether the receiver is back.
    AsksOne,
    /// That one, by its record in the shard's table.
    Asked(usize),
}

#[derive(Debug)]
struct Allowance {
    gate: Gate,
    /// Deliveries that may still start.
    free: usize,
    window: usize,
    /// Lanes that have something to run.
    ready: VecDeque<LaneId>,
}

impl Allowance {
    /// One that comes new may start at once.
    fn may_start(&self) -> bool {
        self.gate == Gate::Open && self.free > 0
    }

    /// One that waited may start.
    fn may_go_on(&self) -> bool {
        matches!(self.gate, Gate::Open | Gate::AsksOne) && self.free > 0
    }
}

impl Lane {
    /// Puts a delivery in its place. Where several were out, others may have come back before it.
    fn put(&mut self, queued: Queued) {
        let before = self.queue.iter().take_while(|other| other.seq < queued.seq).count();
        self.queue.insert(before, queued);
    }
}

#[derive(Debug)]
pub(super) struct Lanes {
    /// Looked into for each delivery.
    lanes: foldhash::HashMap<LaneId, Lane>,
    receivers: Vec<Allowance>,
    timers: BinaryHeap<Reverse<(Instant, LaneId)>>,
}

impl Lanes {
    /// `limits`: for each receiver how many deliveries may be out at once in this shard, and in one lane.
    pub(super) fn new(limits: impl Iterator<Item = (usize, NonZeroUsize)>) -> Self {
        let receivers =
            limits.map(|(free, window)| Allowance { gate: Gate::Open, free, window: window.get(), ready: VecDeque::new() });
        Self { lanes: foldhash::HashMap::default(), receivers: receivers.collect(), timers: BinaryHeap::new() }
    }

    /// True when a new delivery of this lane may run at once: nothing is before it, and the receiver has room.
    pub(super) fn is_clear(&self, id: LaneId) -> bool {
        let has_room = self.receivers.get(usize::from(id.receiver.0)).is_some_and(Allowance::may_start);
        has_room && (self.lanes.is_empty() || self.lanes.get(&id).is_none_or(|lane| self.lane_is_clear(id, lane)))
    }

    fn lane_is_clear(&self, id: LaneId, lane: &Lane) -> bool {
        let window = self.receivers.get(usize::from(id.receiver.0)).map_or(1, |allowance| allowance.window);
        lane.queue.is_empty() && lane.out < window
    }

    /// A delivery of this lane is out.
    pub(super) fn occupy(&mut self, id: LaneId) {
        if let Some(allowance) = self.receivers.get_mut(usize::from(id.receiver.0)) {
            allowance.free = allowance.free.saturating_sub(1);
        }
        self.lanes.entry(id).or_default().out += 1;
    }

    /// A delivery of this lane came back.
    pub(super) fn vacate(&mut self, id: LaneId) {
        if let Some(allowance) = self.receivers.get_mut(usize::from(id.receiver.0)) {
            allowance.free += 1;
        }
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.out = lane.out.saturating_sub(1);
        }
        self.list(id);
    }

    /// Puts a delivery at the end of its lane.
    pub(super) fn queue(&mut self, id: LaneId, queued: Queued) {
        self.lanes.entry(id).or_default().queue.push_back(queued);
        self.list(id);
    }

    /// Puts a delivery back in its place at the front of its lane, to be tried again at `at`; the lane waits for it.
    pub(super) fn retry(&mut self, id: LaneId, queued: Queued, at: Instant) {
        let lane = self.lanes.entry(id).or_default();
        lane.put(queued);
        lane.not_before = Some(at);
        self.timers.push(Reverse((at, id)));
    }

    /// When the next retry is due.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets the retries run that are due.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            if let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.not_before == Some(at)) {
                lane.not_before = None;
            }
            self.list(id);
        }
    }

    /// The next delivery that may run; it counts as out from here.
    pub(super) fn next(&mut self) -> Option<(LaneId, Queued)> {
        loop {
            let allowance = self.receivers.iter_mut().find(|allowance| allowance.may_go_on() && !allowance.ready.is_empty())?;
            let window = allowance.window;
            let id = allowance.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.is_listed = false;
            // What was true when it was listed may have changed since.
            let may_run = lane.not_before.is_none() && lane.out < window;
            let Some(queued) = may_run.then(|| lane.queue.pop_front()).flatten() else {
                self.list(id);
                continue;
            };
            self.asked(id.receiver, queued.record);
            self.occupy(id);
            self.list(id);
            return Some((id, queued));
        }
    }

    // --- gates

    pub(super) fn gate(&self, receiver: ReceiverIx) -> Gate {
        self.receivers.get(usize::from(receiver.0)).map_or(Gate::Open, |allowance| allowance.gate)
    }

    pub(super) fn set_gate(&mut self, receiver: ReceiverIx, gate: Gate) {
        if let Some(allowance) = self.receivers.get_mut(usize::from(receiver.0)) {
            allowance.gate = gate;
        }
    }

    /// The first delivery behind a gate that asks one is that one.
    fn asked(&mut self, receiver: ReceiverIx, record: usize) {
        if self.gate(receiver) == Gate::AsksOne {
            self.set_gate(receiver, Gate::Asked(record));
        }
    }

    /// Puts a delivery back in its place, to be tried whenever its receiver may be.
    pub(super) fn put_back(&mut self, id: LaneId, queued: Queued) {
        let lane = self.lanes.entry(id).or_default();
        lane.put(queued);
        // Nothing of the lane goes before it, whatever else there waited for.
        lane.not_before = None;
        self.list(id);
    }

    /// Takes out the queued deliveries of a receiver that `matches` names by their record.
    pub(super) fn drain_of(&mut self, receiver: ReceiverIx, matches: impl Fn(usize) -> bool) -> Vec<(LaneId, Queued)> {
        self.drain(|id, _| id.receiver == receiver, |queued| matches(queued.record))
    }

    /// Takes out whatever waits for a retry, with everything behind it in its lane: what is given up must not be overtaken.
    pub(super) fn drain_retrying(&mut self) -> Vec<(LaneId, Queued)> {
        self.timers.clear();
        self.drain(|_, lane| lane.not_before.take().is_some(), |_| true)
    }

    /// Takes out the queued deliveries that `matches` names by their record.
    pub(super) fn drain_matching(&mut self, matches: impl Fn(usize) -> bool) -> Vec<(LaneId, Queued)> {
        self.drain(|_, _| true, |queued| matches(queued.record))
    }

    fn drain(&mut self, mut of: impl FnMut(LaneId, &mut Lane) -> bool, matches: impl Fn(&Queued) -> bool) -> Vec<(LaneId, Queued)> {
        let mut taken = Vec::new();
        for (id, lane) in &mut self.lanes {
            if !of(*id, lane) {
                continue;
            }
            let waits = lane.not_before.and(lane.queue.front().map(|queued| queued.record));
            for queued in std::mem::take(&mut lane.queue) {
                if matches(&queued) {
                    taken.push((*id, queued));
                } else {
                    lane.queue.push_back(queued);
                }
            }
            if lane.queue.front().map(|queued| queued.record) != waits {
                lane.not_before = None;
            }
        }
        let ids: Vec<_> = self.lanes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.list(id));
        taken
    }

    /// Lists a lane as ready when it can run, and forgets it when it is empty.
    fn list(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(allowance) = self.receivers.get_mut(usize::from(id.receiver.0)) else { return };
        if lane.queue.is_empty() {
            if lane.out == 0 && !lane.is_listed {
                self.lanes.remove(&id);
            }
        } else if lane.not_before.is_none() && lane.out < allowance.window && !lane.is_listed {
            lane.is_listed = true;
            allowance.ready.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: deliveries of a window that failed together were tried again in the reverse order.
    #[test]
    fn what_is_tried_again_keeps_its_order() {
        let id = LaneId { receiver: ReceiverIx(0), key: 1 };
        let mut lanes = Lanes::new([(8, NonZeroUsize::new(4).unwrap())].into_iter());
        let queued = |record: usize| Queued { record, seq: Seq(record as u64), history: History::default() };
        (0..4).for_each(|_| lanes.occupy(id));
        lanes.queue(id, queued(4));
        let at = Instant::now();
        for record in [0, 2, 1, 3] {
            lanes.vacate(id);
            lanes.retry(id, queued(record), at);
        }
        lanes.wake(at);
        let order: Vec<_> = std::iter::from_fn(|| {
            let (id, queued) = lanes.next()?;
            lanes.vacate(id);
            Some(queued.record)
        })
        .collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}
