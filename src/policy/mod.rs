//! What happens after a failure: one pure function, asked once for each failed delivery.
//!
//! The default is to fail fast and move on; only a transient failure is worth another try, and only for a short while, because a
//! retry holds its lane.

mod vigil;

use std::time::Duration;

pub use vigil::{Verdict, Vigil, is_sign};

use crate::failure::Class;

/// What is to be done about a failed delivery.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write it down and go on.
    Journal,
    /// Try again after this long; the lane waits.
    RetryAfter(Duration),
}

/// The circumstances of a failed delivery.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The tries that were made, this one included.
    pub attempts: u32,
    /// Tries allowed after the first one.
    pub retries: u32,
    /// Since the first try started.
    pub elapsed: Duration,
    /// The receiver asked to be left alone for this long.
    pub retry_after: Option<Duration>,
    /// Uniform in `0.0..1.0`; drawn by the caller, so that this stays pure.
    pub jitter: f64,
}

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// No try starts later than this after the first one started.
const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// Whether a delivery that failed at its timeout may be tried again, after so many retries: not when it took too long.
#[must_use]
pub fn may_follow_a_timeout(timeout: Duration, retries: u32) -> bool {
    retries > 0 && timeout < RETRY_WINDOW
}

/// Decides about a failure of `class`.
///
/// Waits double from 200 ms up to 5 s and are jittered by a quarter either way. A receiver that asks for more gets it where that is
/// possible: what cannot be tried again in time is written down at once, and holds its lane no longer.
pub fn decide(class: Class, situation: &Situation) -> Decision {
    if class != Class::Transient || situation.attempts > situation.retries {
        return Decision::Journal;
    }
    let doublings = situation.attempts.saturating_sub(1).min(16);
    let wait = (FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT).mul_f64(0.75 + situation.jitter / 2.0).min(LONGEST_WAIT);
    let wait = wait.max(situation.retry_after.unwrap_or_default());
    if situation.elapsed.saturating_add(wait) > RETRY_WINDOW {
        return Decision::Journal;
    }
    Decision::RetryAfter(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(attempts: u32, elapsed: Duration) -> Situation {
        Situation { attempts, retries: 2, elapsed, retry_after: None, jitter: 0.5 }
    }

    #[test]
    fn a_transient_failure_is_tried_twice_more() {
        let at_once = Duration::ZERO;
        assert_eq!(decide(Class::Transient, &after(1, at_once)), Decision::RetryAfter(Duration::from_millis(200)));
        assert_eq!(decide(Class::Transient, &after(2, at_once)), Decision::RetryAfter(Duration::from_millis(400)));
        assert_eq!(decide(Class::Transient, &after(3, at_once)), Decision::Journal);
    }

    #[test]
    fn other_classes_fail_fast() {
        for class in [Class::Permanent, Class::Consumer, Class::Unknown] {
            assert_eq!(decide(class, &after(1, Duration::ZERO)), Decision::Journal);
        }
    }

    #[test]
    fn no_retries_is_fail_fast() {
        let situation = Situation { retries: 0, ..after(1, Duration::ZERO) };
        assert_eq!(decide(Class::Transient, &situation), Decision::Journal);
    }

    #[test]
    fn what_a_receiver_asks_for_is_given_where_it_fits() {
        let asked = |elapsed_ms, retry_after_ms| {
            let situation = Situation {
                retry_after: Some(Duration::from_millis(retry_after_ms)),
                ..after(1, Duration::from_millis(elapsed_ms))
            };
            decide(Class::Transient, &situation)
        };
        let wait = |ms| Decision::RetryAfter(Duration::from_millis(ms));
        for (elapsed_ms, retry_after_ms, decision) in [
            (0, 0, wait(200)),
            (0, 100, wait(200)),
            (0, 3_000, wait(3_000)),
            (0, 7_000, wait(7_000)),
            (0, 10_000, wait(10_000)),
            (0, 10_001, Decision::Journal),
            (4_000, 6_000, wait(6_000)),
            (4_001, 6_000, Decision::Journal),
            (0, u64::MAX, Decision::Journal),
        ] {
            assert_eq!(asked(elapsed_ms, retry_after_ms), decision, "{elapsed_ms} {retry_after_ms}");
        }
        let permanent = Situation { retry_after: Some(Duration::ZERO), ..after(1, Duration::ZERO) };
        assert_eq!(decide(Class::Permanent, &permanent), Decision::Journal);
    }

    proptest! {
        #[test]
        fn no_try_starts_after_the_window(
            attempts in 1u32..100, elapsed_ms in 0u64..20_000, jitter in 0.0f64..1.0,
            asked in prop::option::of(prop_oneof![(0u64..15_000).prop_map(Duration::from_millis), Just(Duration::MAX)]),
        ) {
            let elapsed = Duration::from_millis(elapsed_ms);
            let situation = Situation { attempts, retries: u32::MAX, elapsed, retry_after: asked, jitter };
            prop_assert!(may_follow_a_timeout(elapsed, 1) || decide(Class::Transient, &situation) == Decision::Journal);
            if let Decision::RetryAfter(wait) = decide(Class::Transient, &situation) {
                prop_assert!(elapsed + wait <= RETRY_WINDOW);
                prop_assert!(wait >= FIRST_WAIT / 2 && wait >= asked.unwrap_or_default());
                prop_assert!(wait <= LONGEST_WAIT || Some(wait) == asked);
            }
        }
    }
}
