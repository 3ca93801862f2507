//! What happens after a failure: one pure function, asked once for each failed delivery.
//!
//! The default is to fail fast and move on; only a transient failure is worth another try, and only for a short while, because a
//! retry holds its lane.

use std::time::Duration;

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
/// Waits double from 200 ms up to 5 s and are jittered by a quarter either way.
pub fn decide(class: Class, situation: &Situation) -> Decision {
    if class != Class::Transient || situation.attempts > situation.retries {
        return Decision::Journal;
    }
    let doublings = situation.attempts.saturating_sub(1).min(16);
    let wait = (FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT).mul_f64(0.75 + situation.jitter / 2.0).min(LONGEST_WAIT);
    if situation.elapsed + wait > RETRY_WINDOW {
        return Decision::Journal;
    }
    Decision::RetryAfter(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(attempts: u32, elapsed: Duration) -> Situation {
        Situation { attempts, retries: 2, elapsed, jitter: 0.5 }
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

    proptest! {
        #[test]
        fn no_try_starts_after_the_window(attempts in 1u32..100, elapsed_ms in 0u64..20_000, jitter in 0.0f64..1.0) {
            let situation = Situation { attempts, retries: u32::MAX, elapsed: Duration::from_millis(elapsed_ms), jitter };
            prop_assert!(may_follow_a_timeout(situation.elapsed, 1) || decide(Class::Transient, &situation) == Decision::Journal);
            if let Decision::RetryAfter(wait) = decide(Class::Transient, &situation) {
                prop_assert!(situation.elapsed + wait <= RETRY_WINDOW);
                prop_assert!(wait <= LONGEST_WAIT && wait >= FIRST_WAIT / 2);
            }
        }
    }
}
