//! Whether a receiver is down: told from how its deliveries end, one after the other, by all who deliver to it.
//!
//! What fails for every event is no event's failure. One refusal to be reached is enough to say so; of answers that only may mean it,
//! several in a row are.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::failure::Code;

/// So many deliveries in a row that end as if nobody could take any. A delivery fails only once, so they are of as many records.
pub(super) const IN_A_ROW: u32 = 5;
/// What a delivery to a receiver that is down, or overrun, ends in.
pub(super) const SIGNS: [&str; 6] = ["http_429", "http_502", "http_503", "http_504", "timeout", "process_died"];

/// What is known of one receiver, by whoever delivers to it.
#[derive(Debug, Default)]
pub struct Vigil {
    in_a_row: AtomicU32,
    is_down: AtomicBool,
}

/// What a delivery that failed for good says about its receiver.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is about the event, as far as anybody can tell.
    OfTheEvent,
    /// One too many in a row: the receiver is down from here on, and this is the last event that it failed.
    FoundDown,
    /// The receiver is down already, and this event has not failed.
    Down,
}

/// Whether so ended a delivery to a receiver that may be down.
#[must_use]
pub fn is_sign(code: &Code) -> bool {
    SIGNS.contains(&code.as_str())
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

    /// It answers as one that is there: true when it was down.
    pub fn rise(&self) -> bool {
        self.in_a_row.store(0, Relaxed);
        self.is_down.swap(false, Relaxed)
    }

    /// A delivery failed for good.
    pub fn failed(&self, code: &Code) -> Verdict {
        if !is_sign(code) {
            self.alive();
            return Verdict::OfTheEvent;
        }
        // Counted by all shards together: there is one fifth, whoever comes late.
        match self.in_a_row.fetch_add(1, Relaxed).saturating_add(1) {
            IN_A_ROW if self.fall() => Verdict::FoundDown,
            IN_A_ROW.. => Verdict::Down,
            _ if self.is_down() => Verdict::Down,
            _ => Verdict::OfTheEvent,
        }
    }

    /// A delivery ended as only somebody who is there ends it.
    pub fn alive(&self) {
        // Read first: nearly always it is nothing, and a line that is only read is everybody's.
        if self.in_a_row.load(Relaxed) != 0 && !self.is_down() {
            self.in_a_row.store(0, Relaxed);
        }
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
            let verdicts: Vec<_> = (0..7).map(|_| vigil.failed(&code(sign))).collect();
            let told = [&[Verdict::OfTheEvent; 4][..], &[Verdict::FoundDown, Verdict::Down, Verdict::Down]].concat();
            assert_eq!(verdicts, told, "{sign}");
            assert!(vigil.is_down());
        }
    }

    #[test]
    fn anything_else_between_them_is_a_sign_of_life() {
        let vigil = Vigil::default();
        for _ in 0..3 {
            (1..IN_A_ROW).for_each(|_| assert_eq!(vigil.failed(&code("timeout")), Verdict::OfTheEvent));
            vigil.alive();
            (1..IN_A_ROW).for_each(|_| assert_eq!(vigil.failed(&code("http_503")), Verdict::OfTheEvent));
            assert_eq!(vigil.failed(&code("http_422")), Verdict::OfTheEvent);
        }
        assert!(!vigil.is_down());
    }

    #[test]
    fn one_that_is_down_stays_so_until_it_is_said_to_be_back() {
        let vigil = Vigil::default();
        assert!(vigil.fall() && !vigil.fall(), "found once");
        assert_eq!(vigil.failed(&code("http_503")), Verdict::Down, "not counted as a failure of the event");
        vigil.alive();
        assert!(vigil.is_down(), "an answer that comes late is about what was");
        assert!(vigil.rise() && !vigil.rise() && !vigil.is_down());
        assert_eq!(vigil.failed(&code("http_503")), Verdict::OfTheEvent, "counted from the beginning");
    }
}
