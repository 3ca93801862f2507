//! What a process measures itself by: the moment of the first event, and that of the last.
//!
//! Counting an event costs one atomic addition, in the bare loop as in the receiver, so it weighs on neither side of the comparison.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::task::Measured;
use crate::{Result, process};

pub(crate) struct Meter {
    expected: u64,
    seen: AtomicU64,
    first: OnceLock<Moment>,
    last: OnceLock<Moment>,
}

#[derive(Clone, Copy)]
struct Moment {
    at: Instant,
    time_of_day: SystemTime,
    processor: Duration,
}

impl Meter {
    /// Lives for as long as the process, so that a receiver can have it for nothing.
    pub(crate) fn for_ever(expected: u64) -> &'static Self {
        Box::leak(Box::new(Self { expected, seen: AtomicU64::new(0), first: OnceLock::new(), last: OnceLock::new() }))
    }

    /// An event is in hand; the first one counts as the beginning, however much later it is done.
    pub(crate) fn begin(&self) {
        self.first.get_or_init(Moment::now);
    }

    /// One more event is done.
    pub(crate) fn count(&self) {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if seen == 1 {
            self.first.get_or_init(Moment::now);
        }
        if seen == self.expected {
            self.last.get_or_init(Moment::now);
        }
    }

    /// So many events are done in all, said by one thread.
    pub(crate) fn count_to(&self, seen: u64) {
        self.seen.store(seen, Ordering::Relaxed);
        if seen == self.expected {
            self.last.get_or_init(Moment::now);
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.last.get().is_some()
    }

    /// What was measured, once all events are done, and none of them twice.
    pub(crate) fn read(&self) -> Result<Measured> {
        let seen = self.seen.load(Ordering::Relaxed);
        let moments = self.first.get().zip(self.last.get()).filter(|_| seen == self.expected);
        let Some((first, last)) = moments else {
            return Err(format!("{seen} events were done, expected {}", self.expected).into());
        };
        Ok(Measured {
            events: seen,
            seconds: last.at.duration_since(first.at).as_secs_f64(),
            processor_seconds: (last.processor - first.processor).as_secs_f64(),
            first_at: first.time_of_day.duration_since(UNIX_EPOCH)?.as_secs_f64(),
            peak_bytes: process::peak_memory(std::process::id())?,
        })
    }
}

impl Moment {
    fn now() -> Self {
        // The receiver has no way to fail the benchmark from here; `read` does.
        let processor = process::processor_time().unwrap_or_default();
        Self { at: Instant::now(), time_of_day: SystemTime::now(), processor }
    }
}
