//! redrive with two receivers of which one is down for a while, so that what it missed is read again while the other goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use redrive::engine::observer::Unobserved;
use redrive::engine::report::StopLevel;
use redrive::engine::stop::StopToken;
use redrive::settings::table;
use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};
use serde::{Deserialize, Serialize};

use crate::ours;
use crate::task::Task;
use crate::{Result, ours::parse};

/// Once it has so many of what it missed, what it takes to begin with them is over.
const FIRST: u64 = 1_000;
/// The two are level again when one is no further behind than what may be in flight.
const LEVEL: u64 = 10_000;

/// How it goes with the one that ails; counted in events that the steady one has taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Illness {
    /// Before that nothing is measured.
    pub(crate) measured_from: u64,
    pub(crate) down_from: u64,
    pub(crate) down_until: u64,
    /// So many of what it missed are enough to measure.
    pub(crate) enough: u64,
    /// How long the one that ails takes for each event, as a service does that is far away.
    pub(crate) answers_after: Duration,
}

/// Events per second of each receiver, in the three stretches.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Stretches {
    /// Both are well.
    pub(crate) well: Rates,
    /// One is down, and what it is to have is deferred.
    pub(crate) down: Rates,
    /// It is back, and is delivered what it missed; of the steady one as long as there is something new.
    pub(crate) behind: Rates,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Rates {
    pub(crate) steady: f64,
    pub(crate) ailing: f64,
}

/// What is known while it goes on.
struct Course {
    illness: Illness,
    count: u64,
    steady: AtomicU64,
    ailing: AtomicU64,
    measured: OnceLock<Moment>,
    fell: OnceLock<Moment>,
    /// It is back, and has the first of what it missed.
    back: OnceLock<Moment>,
    /// Taken since.
    caught_up: AtomicU64,
    /// The steady one has all there is, or it is over.
    steady_ended: OnceLock<Moment>,
    /// Both are level, or it is enough.
    over: OnceLock<Moment>,
    stop: StopToken,
}

#[derive(Clone, Copy)]
struct Moment {
    at: Instant,
    steady: u64,
    ailing: u64,
}

/// Reads as many events as the task says, until both are level or it is enough, and tells how fast both were.
pub(crate) fn run(task: &Task) -> Result<Stretches> {
    let illness = task.illness.ok_or("the task has no illness")?;
    let course: &'static Course = Box::leak(Box::new(Course::new(illness, task.count)));
    let receivers = Receivers::new()
        .on("steady", ALL_TYPES, move |event: Event| async move { parse(&event, || course.steady_took()) })
        .on("ailing", ALL_TYPES, move |event: Event| async move { course.ail(&event).await });
    ours::consume(task, &receivers, &[(&table::ORDER, "key")], Arc::new(Unobserved), &course.stop)?.close(None)?;
    course.stretches()
}

impl Course {
    fn new(illness: Illness, count: u64) -> Self {
        let [steady, ailing, caught_up] = [const { AtomicU64::new(0) }; 3];
        let [measured, fell, back, steady_ended, over] = [const { OnceLock::new() }; 5];
        Self { illness, count, steady, ailing, measured, fell, back, caught_up, steady_ended, over, stop: StopToken::default() }
    }

    fn steady_took(&self) {
        let taken = self.steady.fetch_add(1, Ordering::Relaxed) + 1;
        if taken == self.illness.measured_from {
            self.note(&self.measured);
        }
        if taken == self.illness.down_from {
            self.note(&self.fell);
        }
        if taken == self.count {
            self.note(&self.steady_ended);
        }
    }

    async fn ail(&self, event: &Event) -> Result<(), ReceiverError> {
        let is_ill = self.fell.get().is_some();
        if is_ill && self.steady.load(Ordering::Relaxed) < self.illness.down_until {
            return Err(ReceiverError::transient("unreachable", "it is down"));
        }
        if !self.illness.answers_after.is_zero() {
            tokio::time::sleep(self.illness.answers_after).await;
        }
        parse(event, || {
            let taken = self.ailing.fetch_add(1, Ordering::Relaxed) + 1;
            if is_ill {
                let caught_up = self.caught_up.fetch_add(1, Ordering::Relaxed);
                if caught_up >= FIRST {
                    self.note(&self.back);
                }
                if caught_up >= self.illness.enough || taken + LEVEL >= self.steady.load(Ordering::Relaxed) {
                    self.note(&self.steady_ended);
                    self.note(&self.over);
                    self.stop.ask(StopLevel::Now);
                }
            }
        })
    }

    fn note(&self, what: &OnceLock<Moment>) {
        what.get_or_init(|| Moment {
            at: Instant::now(),
            steady: self.steady.load(Ordering::Relaxed),
            ailing: self.ailing.load(Ordering::Relaxed),
        });
    }

    fn stretches(&self) -> Result<Stretches> {
        let moments = [&self.measured, &self.fell, &self.back, &self.steady_ended, &self.over];
        let [Some(measured), Some(fell), Some(back), Some(steady_ended), Some(over)] = moments.map(|moment| moment.get().copied())
        else {
            return Err("there were too few events for one receiver to fall behind and be back".into());
        };
        let behind = Rates { steady: back.to(steady_ended).steady, ailing: back.to(over).ailing };
        Ok(Stretches { well: measured.to(fell), down: fell.to(back), behind })
    }
}

impl Moment {
    fn to(self, later: Self) -> Rates {
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        Rates { steady: rate(self.steady, later.steady), ailing: rate(self.ailing, later.ailing) }
    }
}
