//! Admission: when there is room for another record, and how the wait for it keeps the group membership.
//!
//! A full budget first stops the polling, which costs nothing; only after a second is the consumer paused and polled on, because a pause
//! throws the client's prefetch away. What is delivered is settled, and leaves the budget, before the journal has its progress: a journal
//! that does not write is a reason of its own to hold.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::source::Flow;

/// What counts towards the admission budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub records: usize,
    pub bytes: usize,
}

impl Load {
    pub(super) fn add(&mut self, bytes: u32) {
        self.records += 1;
        self.bytes += bytes as usize;
    }

    pub(super) fn take(&mut self, bytes: u32) {
        self.records -= 1;
        self.bytes -= bytes as usize;
    }
}

/// The bounds of what may be in flight, from poll until settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub records: usize,
    pub bytes: usize,
}

impl Budget {
    fn is_exhausted(self, load: Load) -> bool {
        load.records >= self.records || load.bytes >= self.bytes
    }

    fn is_half_free(self, load: Load) -> bool {
        load.records <= self.records / 2 && load.bytes <= self.bytes / 2
    }

    /// True when the newest record, counted in `load` already, may go on to its receivers. One that is larger than the whole budget
    /// goes alone.
    pub(super) fn admits(self, load: Load) -> bool {
        load.records <= 1 || load.bytes <= self.bytes
    }
}

/// Whether the source should be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    Poll,
    /// Full for the moment: wait for reports, at most until then.
    WaitUntil(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    FullSince(Instant),
    /// Paused, and polled on.
    HeldSince(Instant),
    /// The run admits nothing more.
    Closed,
}

/// A journal that keeps something waiting for so long is busy: an incident. What is delivered meanwhile cannot be committed and would be
/// delivered again after a crash, so nothing more is admitted until it writes again.
pub(super) const BUSY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(1);
const SHORTEST_HOLD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Admission {
    budget: Budget,
    state: State,
    /// When progress was sent that the journal has not written yet, oldest first.
    unwritten: VecDeque<Instant>,
}

impl Admission {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, state: State::Open, unwritten: VecDeque::new() }
    }

    pub(super) fn appetite(&self) -> Appetite {
        match self.state {
            State::FullSince(since) => Appetite::WaitUntil(since + PATIENCE),
            State::Open | State::HeldSince(_) | State::Closed => Appetite::Poll,
        }
    }

    /// Progress is on its way to the journal. Counted is that of slots that go on: the last one of a slot is followed by nothing.
    pub(super) fn progress_sent(&mut self, now: Instant) {
        self.unwritten.push_back(now);
    }

    /// The oldest progress that was on its way is on disk.
    pub(super) fn progress_written(&mut self) {
        self.unwritten.pop_front();
    }

    fn is_journal_busy(&self, now: Instant) -> bool {
        self.unwritten.front().is_some_and(|sent| now.duration_since(*sent) >= BUSY)
    }

    /// Looks at the load and at the journal; says when the source must be held or opened.
    pub(super) fn update(&mut self, load: Load, now: Instant) -> Option<Flow> {
        let is_full = self.budget.is_exhausted(load);
        let is_busy = self.is_journal_busy(now);
        match self.state {
            State::Open | State::FullSince(_) if is_busy => {
                self.state = State::HeldSince(now);
                return Some(Flow::Held);
            }
            State::Open if is_full => self.state = State::FullSince(now),
            State::FullSince(_) if !is_full => self.state = State::Open,
            State::FullSince(since) if now.duration_since(since) >= PATIENCE => {
                self.state = State::HeldSince(now);
                return Some(Flow::Held);
            }
            State::HeldSince(since) => {
                if !is_busy && self.budget.is_half_free(load) && now.duration_since(since) >= SHORTEST_HOLD {
                    self.state = State::Open;
                    return Some(Flow::Open);
                }
            }
            State::Open | State::FullSince(_) | State::Closed => {}
        }
        None
    }

    /// Admits nothing more, for good.
    pub(super) fn close(&mut self) -> Option<Flow> {
        let was_flowing = !matches!(self.state, State::HeldSince(_) | State::Closed);
        self.state = State::Closed;
        was_flowing.then_some(Flow::Held)
    }

    /// True while the source is paused, so that it brings no records whatever there are.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::HeldSince(_))
    }

    /// True while nothing more is admitted before enough of what is in flight has settled.
    pub(super) fn is_waiting_for_room(&self, load: Load) -> bool {
        match self.state {
            State::FullSince(_) => self.budget.is_exhausted(load),
            State::HeldSince(_) => !self.budget.is_half_free(load),
            State::Open | State::Closed => false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }
}
