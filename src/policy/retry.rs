//! When a delivery is tried again: waits double up to a longest one, jittered by a quarter either way.
//!
//! A receiver that asks for more gets it where that is possible: what cannot be tried again in time holds its lane no longer.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::policy::Situation;

/// Before the second try, where no rule says otherwise.
pub const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Between two tries, where no rule says otherwise.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// No try starts later than this after the first one started, where no rule says otherwise.
pub const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// Whether a delivery that failed at its timeout may be tried again, after so many retries: not when it took too long.
#[must_use]
pub fn may_follow_a_timeout(timeout: Duration, retries: u32) -> bool {
    retries > 0 && timeout < RETRY_WINDOW
}

/// What a rule says of retries. It is bounded by their number, not by a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries after the first one.
    pub times: NonZeroU32,
    /// Before the second try.
    pub first: Duration,
    /// Between two tries.
    pub max: Duration,
}

impl Retry {
    /// How long until the next try; `None`: there is none, because all were made or the receiver asks for too long a time.
    pub(super) fn next(&self, situation: &Situation) -> Option<Duration> {
        if situation.attempts > self.times.get() {
            return None;
        }
        let asked = situation.retry_after.unwrap_or_default();
        if asked > self.max.max(RETRY_WINDOW) {
            return None;
        }
        Some(backoff(self.first, self.max, situation).max(asked))
    }
}

/// How often, and how far apart.
impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, first, max } = *self;
        match times.get() {
            1 => write!(f, "once, after {}", words(first)),
            _ if first == max => write!(f, "{times} times, {} apart", words(max)),
            _ => write!(f, "{times} times, {} to {} apart", words(first), words(max)),
        }
    }
}

/// As a user writes it: what is whole hours or minutes is told in them.
fn words(of: Duration) -> String {
    let seconds = of.as_secs();
    match of.subsec_nanos() {
        0 if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        0 if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{of:?}"),
    }
}

/// As the built-in rule has it.
pub(super) fn in_window(situation: &Situation) -> Option<Duration> {
    if situation.attempts > situation.retries {
        return None;
    }
    let wait = backoff(FIRST_WAIT, LONGEST_WAIT, situation).max(situation.retry_after.unwrap_or_default());
    (situation.elapsed.saturating_add(wait) <= RETRY_WINDOW).then_some(wait)
}

fn backoff(first: Duration, max: Duration, situation: &Situation) -> Duration {
    let doublings = situation.attempts.saturating_sub(1).min(31);
    let wait = first.checked_mul(1 << doublings).unwrap_or(max).min(max);
    wait.mul_f64(0.75 + situation.jitter / 2.0).min(max)
}
