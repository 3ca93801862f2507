//! Whether a receiver is down: told from how its deliveries end, one after the other.
//!
//! What fails for every event is no event's failure. One refusal to be reached is enough to say so; of answers that only may mean it,
//! several in a row are.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::failure::Code;

/// So many deliveries in a row that end as if nobody could take any.
pub(super) const IN_A_ROW: u32 = 5;
/// What a delivery to a receiver that is down, or overrun, ends in.
pub(super) const SIGNS: [&str; 6] = ["http_429", "http_502", "http_503", "http_504", "timeout", "process_died"];

/// What is known of one receiver, by whoever delivers to it.
#[derive(Debug, Default)]
pub struct Vigil {
    in_a_row: AtomicU32,
    is_down: AtomicBool,
}

impl Vigil {
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.is_down.load(Relaxed)
    }

    /// It is down: true when nobody knew.
    pub fn fall(&self) -> bool {
        !self.is_down.swap(true, Relaxed)
    }

    /// A delivery failed for good; the receiver is down once there were five such in a row.
    pub fn failed(&self, code: &Code) {
        if SIGNS.contains(&code.as_str()) {
            let before = self.in_a_row.fetch_add(1, Relaxed);
            self.is_down.fetch_or(before.saturating_add(1) >= IN_A_ROW, Relaxed);
        } else {
            self.in_a_row.store(0, Relaxed);
        }
    }

    pub fn delivered(&self) {
        self.in_a_row.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Code {
        Code::parse(text).unwrap()
    }

    #[test]
    fn five_in_a_row_that_may_mean_it_do() {
        for sign in SIGNS {
            let vigil = Vigil::default();
            (1..IN_A_ROW).for_each(|_| vigil.failed(&code(sign)));
            assert!(!vigil.is_down(), "{sign}");
            vigil.failed(&code(sign));
            assert!(vigil.is_down(), "{sign}");
        }
    }

    #[test]
    fn anything_else_between_them_is_a_sign_of_life() {
        let vigil = Vigil::default();
        for _ in 0..3 {
            (1..IN_A_ROW).for_each(|_| vigil.failed(&code("timeout")));
            vigil.delivered();
            (1..IN_A_ROW).for_each(|_| vigil.failed(&code("http_503")));
            vigil.failed(&code("http_422"));
        }
        assert!(!vigil.is_down());
    }
}
