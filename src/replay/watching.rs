//! What a replay hears from the journal: every outcome once it is on disk. It counts them, and stops at the limit.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::ledger::{Entry, PassedOver, WhyNot};
use crate::engine::observer::Observer;
use crate::engine::report::StopLevel;
use crate::engine::stop::StopToken;
use crate::receiver::Mode;
use crate::replay::missed::TakenMissed;
use crate::replay::plan::SkipReason;
use crate::replay::tally::{Counter, Tally};

/// Told how far a replay is, on the journal's thread: it must be quick.
pub trait Watcher: Send + Sync {
    fn done(&self, so_far: Tally);
}

pub(super) struct Watching {
    tally: Arc<Counter>,
    watcher: Arc<dyn Watcher>,
    max_failures: Option<NonZeroU64>,
    stop: StopToken,
    has_hit_limit: AtomicBool,
    missed: TakenMissed,
}

impl Watching {
    /// `stop` is asked for at the limit.
    pub(super) fn new(tally: Arc<Counter>, watcher: Arc<dyn Watcher>, max_failures: Option<NonZeroU64>, stop: StopToken) -> Self {
        Self { tally, watcher, max_failures, stop, has_hit_limit: AtomicBool::new(false), missed: TakenMissed::default() }
    }

    pub(super) fn of_missed(self, missed: TakenMissed) -> Self {
        Self { missed, ..self }
    }

    fn is_no_news(&self, passed_over: &PassedOver) -> bool {
        let PassedOver { partition, offset, receiver, why } = passed_over;
        let of = (&*partition.topic, partition.number);
        matches!(why, WhyNot::NotRouted | WhyNot::Unrecognized) && self.missed.goes_over(of, *offset, receiver.as_deref())
    }

    pub(super) fn has_hit_limit(&self) -> bool {
        self.has_hit_limit.load(Ordering::Relaxed)
    }

    fn count(&self, entry: &Entry) {
        match entry {
            Entry::Delivered(delivered) if delivered.mode != Mode::Live => self.tally.delivered(),
            Entry::Failed(failed) => self.tally.failed(failed.receiver.as_deref(), failed.failure.code.as_str()),
            Entry::PassedOver(passed_over) if self.is_no_news(passed_over) => {}
            Entry::PassedOver(PassedOver { receiver, why, .. }) => self.tally.skip_of(reason(*why), receiver.clone(), 1),
            _ => {}
        }
    }
}

fn reason(why: WhyNot) -> SkipReason {
    match why {
        WhyNot::NotRouted => SkipReason::NotRouted,
        WhyNot::Unrecognized => SkipReason::Unrecognized,
        WhyNot::ReceiverDown => SkipReason::ReceiverDown,
        WhyNot::RegistryAway => SkipReason::RegistryAway,
        WhyNot::SkippedByRule => SkipReason::SkippedByRule,
    }
}

impl Observer for Watching {
    fn written(&self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.count(entry));
        let counts = self.tally.counts();
        if self.max_failures.is_some_and(|most| counts.failed() >= most.get()) {
            self.has_hit_limit.store(true, Ordering::Relaxed);
            self.stop.ask(StopLevel::Drain);
        }
        self.watcher.done(counts.so_far());
    }
}
