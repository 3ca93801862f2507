//! How fast records may go out: `--rate`.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Even steps; what was not used is not saved up.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::replay) struct Pace {
    step: Option<Duration>,
    next: Option<Instant>,
}

/// As much as a late step may be caught up with: a timer is never exact.
const SLACK: Duration = Duration::from_millis(50);

impl Pace {
    /// At most so many in a second; `None`: as fast as they go.
    pub(in crate::replay) fn new(rate: Option<NonZeroU64>) -> Self {
        let step = rate.map(|rate| Duration::from_nanos(1_000_000_000 / rate.get()));
        Self { step, next: None }
    }

    /// How long the next record must wait.
    pub(in crate::replay) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.next?.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// A record goes out now.
    pub(in crate::replay) fn step(&mut self, now: Instant) {
        let Some(step) = self.step else { return };
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        self.next = Some(self.next.map_or(now, |next| next.max(earliest)) + step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many go out in a time, when somebody looks every so often.
    fn count(rate: u64, looks_every: Duration, within: Duration) -> u64 {
        let begin = Instant::now();
        let (mut pace, mut count, mut at) = (Pace::new(NonZeroU64::new(rate)), 0, Duration::ZERO);
        while at < within {
            while pace.wait(begin + at).is_none() {
                pace.step(begin + at);
                count += 1;
            }
            at += looks_every;
        }
        count
    }

    #[test]
    fn the_rate_is_kept_also_by_a_timer_that_is_late() {
        let ten = Duration::from_secs(10);
        assert!((500..=501).contains(&count(50, Duration::from_millis(1), ten)));
        assert!((495..=503).contains(&count(50, Duration::from_millis(7), ten)), "late steps are caught up with");
        assert!(count(1_000, Duration::from_millis(1), ten) <= 10_050);
        let after_a_pause = Instant::now();
        let mut pace = Pace::new(NonZeroU64::new(10));
        pace.step(after_a_pause);
        let later = after_a_pause + Duration::from_secs(60);
        pace.step(later);
        assert!(pace.wait(later).is_some(), "a minute without records is not caught up with");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let (mut pace, now) = (Pace::new(None), Instant::now());
        pace.step(now);
        assert_eq!(pace.wait(now), None);
    }
}
