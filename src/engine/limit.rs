//! The limit of errors in a row, and the run after one that it stopped: there no failure settles before a record was delivered, so that
//! whoever starts it again and again does not read the topic to its end.

use std::fmt;
use std::num::NonZeroU32;

use serde_json::json;

use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind};
use crate::engine::report::JournalJob;
use crate::engine::settled::Settled;
use crate::record::Slot;

/// Whether the last run of the group that did anything was stopped by the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probation {
    Yes,
    #[default]
    No,
}

/// Why a run ends by its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// As many records as it allows have failed.
    Reached,
    /// Fewer, on probation, and there is nothing more to read.
    NothingMore,
    /// Fewer, on probation, and what they take leaves no room for more.
    NoRoom,
}

/// Too many records in a row failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// So many, and not one that was delivered between them.
    pub count: usize,
    pub most: NonZeroU32,
    pub why: Why,
    pub probation: Probation,
    /// Of the last one: where it is, who failed, and what was said.
    pub place: String,
    pub receiver: Option<String>,
    pub code: String,
    pub message: String,
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, most, why, probation, place, receiver, code, message } = self;
        let what = match probation {
            Probation::No => format!("{count} records in a row failed"),
            Probation::Yes => {
                format!(
                    "the run before was stopped by the limit of errors, and in this one nothing was delivered either: {count} failed"
                )
            }
        };
        let of = receiver.as_ref().map_or_else(String::new, |receiver| format!(" of receiver {receiver}"));
        write!(f, "{what}, the last one at {place}: {code}{of}: {message}")?;
        if *why == Why::NoRoom {
            let rest = "see --max-in-flight and --max-in-flight-bytes";
            write!(f, "; they fill what may be in flight, so that the limit of {most} is not reached: {rest}")?;
        }
        Ok(())
    }
}

impl LimitReached {
    pub(super) fn incident(&self) -> Incident {
        let Self { count, place, receiver, code, message, .. } = self;
        let key = IncidentKey { receiver: receiver.clone(), ..IncidentKey::of(IncidentKind::Limit) };
        let data = json!({ "errors": count, "last": place, "code": code, "said": message });
        Incident { data, ..Incident::new(key, self.to_string()) }
    }
}

/// What becomes of a record that was judged.
pub(super) enum Judged {
    /// Written in this order, and then they settle.
    Write(Vec<JournalJob>),
    Held,
    /// These are the last ones that are written; none, where they were only held.
    Stop(Box<LimitReached>, Vec<JournalJob>),
    /// The limit was reached before.
    Over(JournalJob),
}

#[derive(Debug)]
pub(super) struct Limit {
    most: NonZeroU32,
    in_a_row: usize,
    probation: Probation,
    /// While on probation.
    held: Vec<JournalJob>,
    is_over: bool,
}

impl Limit {
    pub(super) fn new(most: NonZeroU32, probation: Probation) -> Self {
        Self { most, in_a_row: 0, probation, held: Vec::new(), is_over: false }
    }

    /// A record was judged that has something to write.
    pub(super) fn judge(&mut self, job: JournalJob) -> Judged {
        let is = |how: Settled| job.runs.iter().any(|run| run.how == how);
        if self.is_over {
            return Judged::Over(job);
        }
        if !is(Settled::Failed) {
            let mut written = if is(Settled::Delivered) { self.delivered() } else { Vec::new() };
            written.push(job);
            return Judged::Write(written);
        }
        self.in_a_row += 1;
        let is_last = self.in_a_row >= self.most.get() as usize;
        match (self.probation, is_last) {
            (Probation::No, false) => Judged::Write(vec![job]),
            (Probation::No, true) => {
                self.is_over = true;
                Judged::Stop(Box::new(self.reached(&job, Why::Reached)), vec![job])
            }
            (Probation::Yes, false) => {
                self.held.push(job);
                Judged::Held
            }
            (Probation::Yes, true) => {
                self.is_over = true;
                let reached = self.reached(&job, Why::Reached);
                self.held.push(job);
                Judged::Stop(Box::new(reached), Vec::new())
            }
        }
    }

    /// A record was delivered to all: what was held are ordinary failures.
    pub(super) fn delivered(&mut self) -> Vec<JournalJob> {
        self.in_a_row = 0;
        self.probation = Probation::No;
        std::mem::take(&mut self.held)
    }

    /// There is nothing more that could be delivered: as if the limit were reached.
    pub(super) fn give_up(&mut self, why: Why) -> Option<Box<LimitReached>> {
        let last = self.held.last()?;
        let reached = self.reached(last, why);
        self.is_over = true;
        Some(Box::new(reached))
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// How many failures of these slots are held.
    pub(super) fn holds(&self, of: impl Fn(Slot) -> bool) -> usize {
        self.held.iter().filter(|job| job.runs.iter().any(|run| of(run.slot))).count()
    }

    /// What is held of these slots: it is not written.
    pub(super) fn take_of(&mut self, of: impl Fn(Slot) -> bool) -> Vec<JournalJob> {
        let taken: Vec<JournalJob> = self.held.extract_if(.., |job| job.runs.iter().any(|run| of(run.slot))).collect();
        self.in_a_row = self.in_a_row.saturating_sub(taken.len());
        taken
    }

    fn reached(&self, last: &JournalJob, why: Why) -> LimitReached {
        let failed = last.entries.iter().rev().find_map(|entry| match entry {
            Entry::Failed(failed) => Some(failed),
            _ => None,
        });
        LimitReached {
            count: self.in_a_row,
            most: self.most,
            why,
            probation: self.probation,
            place: failed.map_or_else(String::new, |failed| failed.record.place()),
            receiver: failed.and_then(|failed| failed.receiver.clone()),
            code: failed.map_or_else(String::new, |failed| failed.failure.code.to_string()),
            message: failed.map_or_else(String::new, |failed| failed.failure.message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::settled::SettledRun;
    use crate::record::Seq;

    const SLOT: Slot = Slot { index: 0, epoch: 1 };

    fn job(seq: u64, how: Settled) -> JournalJob {
        JournalJob { entries: Vec::new(), runs: vec![SettledRun::of_one(SLOT, Seq(seq), how)], ticket: None }
    }

    fn limit(probation: Probation) -> Limit {
        Limit::new(NonZeroU32::new(3).unwrap(), probation)
    }

    /// `w`: written, `h`: held, `s` with the number of those that still are: stopped, `o`: over.
    fn judged(limit: &mut Limit, how: Settled) -> String {
        match limit.judge(job(0, how)) {
            Judged::Write(jobs) => format!("w{}", jobs.len()),
            Judged::Held => "h".into(),
            Judged::Stop(reached, jobs) => format!("s{} of {}", jobs.len(), reached.count),
            Judged::Over(_) => "o".into(),
        }
    }

    #[test]
    fn what_is_delivered_between_clears_the_row() {
        let mut limit = limit(Probation::No);
        let told = |limit: &mut Limit, hows: &[Settled]| hows.iter().map(|how| judged(limit, *how)).collect::<Vec<_>>();
        use Settled::{Delivered, Failed, Skipped};
        assert_eq!(told(&mut limit, &[Failed, Failed, Delivered, Failed, Skipped]), ["w1"; 5]);
        limit.delivered();
        assert_eq!(told(&mut limit, &[Failed, Skipped, Failed, Failed]), ["w1", "w1", "w1", "s1 of 3"]);
        assert_eq!(told(&mut limit, &[Failed, Delivered]), ["o", "o"], "nothing more settles");
    }

    #[test]
    fn on_probation_nothing_is_written_before_something_was_delivered() {
        let mut limit = limit(Probation::Yes);
        assert_eq!((judged(&mut limit, Settled::Failed), judged(&mut limit, Settled::Failed)), ("h".into(), "h".into()));
        assert_eq!(judged(&mut limit, Settled::Delivered), "w3", "in their order");
        assert_eq!(judged(&mut limit, Settled::Failed), "w1", "and then as always");
        let mut limit = self::limit(Probation::Yes);
        (0..2).for_each(|_| drop(judged(&mut limit, Settled::Failed)));
        assert_eq!(judged(&mut limit, Settled::Failed), "s0 of 3");
        assert_eq!(limit.take_of(|slot| slot == SLOT).len(), 3, "given up, all of them");
    }

    #[test]
    fn at_the_end_what_is_held_is_not_written() {
        let mut limit = limit(Probation::Yes);
        assert!(limit.give_up(Why::NothingMore).is_none());
        judged(&mut limit, Settled::Failed);
        assert_eq!(limit.give_up(Why::NothingMore).unwrap().count, 1);
    }
}
