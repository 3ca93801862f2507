//! Waiting for a condition, with a deadline: the one place of the tests that sleeps.

use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see; fails the test when there is nothing `within` that time.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, look: impl FnMut() -> Option<T>) -> T {
    match at_most(within, look) {
        Some(found) => found,
        // No closure: a closure would hide the line of the test.
        None => panic!("{what}: not within {within:?}"),
    }
}

/// As [`until`], but nothing is an answer too.
pub(crate) fn at_most<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        #[expect(clippy::disallowed_methods, reason = "this is how a condition is waited for")]
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Lets the whole of a time go by: for a fault that lasts, and a moment that was drawn. Nothing else is waited for like that.
pub(crate) fn for_the_whole(time: Duration) {
    at_most(time, || None::<()>);
}
