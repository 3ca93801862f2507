//! Clocks: ours, beside those of whoever wrote records, answered a request, or wrote the journal.
//!
//! Only a time that lies before us shows anything: an old record may simply be old.

use jiff::Timestamp;

use crate::doctor::topics::Partitions;
use crate::doctor::{Finding, Section};
use crate::kafka::Examiner;

const HERE: Section = Section::Clock;
/// More than this is no delay of a network.
const MOST_MS: i64 = 5_000;

/// Times that others told, each beside ours at that moment. In milliseconds since 1970.
pub(super) struct Clocks {
    began_ms: i64,
    /// Who, when by theirs, when by ours.
    answers: Vec<(String, i64, i64)>,
    journal_ms: Option<i64>,
}

impl Clocks {
    pub(super) fn now() -> Self {
        Self { began_ms: now_ms(), answers: Vec::new(), journal_ms: None }
    }

    /// An HTTP receiver's `Date`, to the second.
    pub(super) fn heard(&mut self, who: &str, date_ms: Option<i64>) {
        self.answers.extend(date_ms.map(|date_ms| (who.to_owned(), date_ms, now_ms())));
    }

    /// The newest time in the journal.
    pub(super) fn read(&mut self, newest_us: i64) {
        self.journal_ms = Some(newest_us / 1_000);
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

pub(super) fn check(examiner: Option<&Examiner>, topics: &Partitions, clocks: &Clocks, findings: &mut Vec<Finding>) {
    let began = findings.len();
    let led: Vec<_> = topics.iter().filter(|of| of.leader.is_some()).map(|of| (of.topic.as_str(), of.partition)).collect();
    if let Some(examiner) = examiner.filter(|_| !led.is_empty()) {
        match examiner.newest(&led) {
            Ok(newest) => findings.push(records(&newest, now_ms())),
            Err(why) => findings.push(HERE.skipped("records", format!("the broker does not say how new its records are: {why}"))),
        }
    }
    findings.extend(clocks.answers.iter().map(|(who, theirs, ours)| answer(who, *theirs, *ours)));
    findings.extend(clocks.journal_ms.map(|newest| journal(newest, clocks.began_ms)));
    if findings.len() == began {
        findings.push(HERE.skipped("clock", "there is no other clock to look at").mend("-b HOST:PORT -t TOPIC"));
    }
}

const SET: &str = "set the clock of this machine, or of theirs: timedatectl status";

fn records(newest: &[(String, i32, i64)], now_ms: i64) -> Finding {
    let Some((topic, partition, at_ms)) = newest.iter().max_by_key(|(_, _, at_ms)| *at_ms) else {
        return HERE.ok("records", "there are none yet");
    };
    let ahead = at_ms - now_ms;
    if ahead > MOST_MS {
        let found = format!("the newest, in {topic}/{partition}, is {} s ahead of our clock", ahead / 1_000);
        return HERE.warning("records", found).mend(SET);
    }
    HERE.ok("records", format!("none is of the future; the newest is {} s old", (-ahead).max(0) / 1_000))
}

fn answer(who: &str, theirs_ms: i64, ours_ms: i64) -> Finding {
    let apart = theirs_ms - ours_ms;
    if apart.abs() <= MOST_MS {
        return HERE.ok(who, "its clock and ours agree");
    }
    let (which, by) = if apart > 0 { ("fast", apart) } else { ("slow", -apart) };
    HERE.warning(who, format!("its clock is {} s {which}, by ours", by / 1_000)).mend(SET)
}

fn journal(newest_ms: i64, now_ms: i64) -> Finding {
    let ahead = newest_ms - now_ms;
    if ahead <= MOST_MS {
        return HERE.ok("journal", "its times are not of the future");
    }
    HERE.warning("journal", format!("it was written {} s ahead of our clock", ahead / 1_000)).mend(SET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn more_than_five_seconds_are_a_warning() {
        let newest = |at_ms| records(&[("orders".into(), 0, 1), ("orders".into(), 1, at_ms)], 100_000).verdict;
        assert_eq!((newest(105_000), newest(105_001), newest(0)), (Verdict::Ok, Verdict::Warning, Verdict::Ok));
        let answer = |theirs| answer("billing", theirs, 100_000).verdict;
        assert_eq!((answer(95_000), answer(94_999), answer(105_001)), (Verdict::Ok, Verdict::Warning, Verdict::Warning));
        assert_eq!((journal(105_000, 100_000).verdict, journal(105_001, 100_000).verdict), (Verdict::Ok, Verdict::Warning));
    }
}
