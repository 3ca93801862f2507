//! Whether brokers are away, as it is told: again and again while it lasts, and once that it is over.

use std::mem;
use std::time::{Duration, Instant};

use crate::engine::source::Notice;

/// For so long a partition may stay without an answer, while some broker does answer, before that is told: leaders and coordinators
/// move, and are back after a moment.
const MOMENT: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(in crate::kafka) struct Away {
    /// No broker answers.
    is_silent: bool,
    /// Since when there are partitions that nobody answers for.
    unanswered: Option<Instant>,
    is_told: bool,
    /// Something came since a broker was last found silent.
    is_flowing: bool,
    /// What the client library complained about last.
    complaint: String,
}

impl Away {
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// A connection broke, or could not be made.
    pub(super) fn complained(&mut self, complaint: String) {
        self.complaint = complaint;
    }

    /// A record came.
    pub(super) fn flowed(&mut self) {
        self.is_flowing = true;
    }

    /// No broker answered. While records still come, the answer only waits behind them.
    pub(super) fn silent(&mut self, error: &str) -> Option<Notice> {
        if mem::take(&mut self.is_flowing) && !self.is_silent {
            return None;
        }
        self.is_silent = true;
        self.is_told = true;
        let why = if self.complaint.is_empty() { error } else { &self.complaint };
        Some(Notice::BrokerAway(format!("no broker answers: {why}")))
    }

    /// Nobody is waited for any more.
    pub(in crate::kafka) fn give_up(&mut self) {
        self.is_silent = true;
    }

    /// A broker answered.
    pub(super) fn heard(&mut self) -> Option<Notice> {
        self.is_silent = false;
        self.complaint.clear();
        self.over()
    }

    /// Nobody answers for a partition.
    pub(super) fn unanswered(&mut self, error: &str, now: Instant) -> Option<Notice> {
        let since = *self.unanswered.get_or_insert(now);
        // That no broker answers at all is told already.
        if self.is_silent || now.duration_since(since) < MOMENT {
            return None;
        }
        self.is_told = true;
        Some(Notice::BrokerAway(error.to_owned()))
    }

    /// Every partition has its answer.
    pub(super) fn answered(&mut self) -> Option<Notice> {
        self.unanswered = None;
        self.over()
    }

    fn over(&mut self) -> Option<Notice> {
        let is_over = self.is_told && !self.is_silent && self.unanswered.is_none();
        is_over.then(|| self.is_told = false).map(|()| Notice::BrokerBack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(message: &str) -> Option<Notice> {
        Some(Notice::BrokerAway(message.to_owned()))
    }

    #[test]
    fn silence_is_told_each_time_and_its_end_once() {
        let mut of = Away::default();
        assert_eq!(of.heard(), None, "nothing was wrong");
        assert_eq!(of.silent("timed out"), away("no broker answers: timed out"));
        of.complained("connection refused".to_owned());
        assert_eq!(of.silent("timed out"), away("no broker answers: connection refused"));
        assert_eq!((of.heard(), of.heard()), (Some(Notice::BrokerBack), None));
        assert_eq!(of.silent("timed out"), away("no broker answers: timed out"), "an old complaint is no reason");
    }

    #[test]
    fn an_answer_that_waits_behind_records_is_no_silence() {
        let mut of = Away::default();
        of.flowed();
        assert_eq!(of.silent("timed out"), None);
        assert_eq!(of.silent("timed out"), away("no broker answers: timed out"));
        of.flowed();
        assert_eq!(of.silent("timed out"), away("no broker answers: timed out"), "what was fetched before does not end it");
    }

    #[test]
    fn a_partition_without_an_answer_is_told_after_a_moment_and_keeps_the_trouble_open() {
        let (mut of, now) = (Away::default(), Instant::now());
        assert_eq!(of.unanswered("orders/3 has no leader", now), None);
        assert_eq!(of.unanswered("orders/3 has no leader", now + MOMENT), away("orders/3 has no leader"));
        assert_eq!(of.heard(), None, "it still has none");
        assert_eq!(of.answered(), Some(Notice::BrokerBack));
        assert_eq!(of.unanswered("orders/3 has no leader", now + 2 * MOMENT), None, "counted anew");
        assert_eq!(of.answered(), None);
    }
}
