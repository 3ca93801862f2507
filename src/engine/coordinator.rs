//! The coordinator: which records are admitted, what is written, what is committed, and when the run is over.
//!
//! It does no I/O, has no clock and no threads: `step(input, now) → actions`. The kafka thread performs the actions; tests and the
//! simulator drive the same value.

mod assignment;
mod commits;
mod deferral;
mod ending;
mod limiting;
mod outages;
mod records;
mod strays;
#[cfg(test)]
mod tests;
mod troubles;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::engine::batches::Batches;
use crate::engine::conduct::Conduct;
use crate::engine::coordinator::strays::STRAYS_EVERY;
use crate::engine::detached::Detached;
use crate::engine::ends::Ends;
use crate::engine::flow::{Admission, Appetite, Load};
use crate::engine::guard::{Guard, Verdict};
use crate::engine::ledger::{Counts, Entry, RunId};
use crate::engine::limit::{Limit, Probation};
use crate::engine::new_types::Skipped;
use crate::engine::outages::Outages;
use crate::engine::report::{Action, Dispatch, JournalJob, Report, StopLevel, StopReason, ToShard};
use crate::engine::rereading::Came;
use crate::engine::settled::SettledRun;
use crate::engine::source::{Flow, Offer, Polled};
use crate::engine::standing::Standing;
use crate::engine::tracker::Tracker;
use crate::record::Slot;

/// A source that was held takes up to a second to bring records again: that there are none so soon means nothing.
const RESUMES_WITHIN: Duration = Duration::from_secs(2);

pub use deferral::WantedAgain;
pub use outages::Named;

/// What a coordinator is told.
#[derive(Clone, Debug)]
pub struct CoordinatorOptions {
    pub shards: usize,
    /// In the order in which they are numbered.
    pub receivers: Vec<Named>,
    /// Names the journal and the run in commits.
    pub run: RunId,
    pub probation: Probation,
    pub conduct: Conduct,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    Polled(Polled<'a>),
    /// Of what is read again.
    Again(Came<'a>),
    Report(Report),
    /// Time passed.
    Tick,
    Stop(StopLevel),
}

#[derive(Debug)]
enum Phase {
    Running,
    /// Nothing more is admitted; what is in flight settles, until the deadline if there is one.
    Draining {
        reason: StopReason,
        deadline: Option<Instant>,
        is_forced: bool,
    },
    /// The last progress is on its way to the journal, or the last commit to the broker.
    Closing {
        reason: StopReason,
    },
    Finished,
}

#[derive(Debug)]
struct Revocation {
    number: u64,
    slots: Vec<Slot>,
    deadline: Instant,
    /// Its last progress was sent to the journal.
    is_closing: bool,
}

#[derive(Debug)]
pub struct Coordinator {
    options: CoordinatorOptions,
    tracker: Tracker,
    admission: Admission,
    batches: Batches,
    /// A polled record that must wait until there is room for it.
    parked: Option<(SettledRun, Vec<Action>)>,
    guard: Guard,
    limit: Option<Limit>,
    phase: Phase,
    offers: HashMap<Slot, Offer>,
    /// Offers that were taken back before the journal had its word.
    withdrawn: HashMap<Slot, Offer>,
    revocations: Vec<Revocation>,
    revoked: u64,
    next_commit: Instant,
    /// Slots whose last commit the broker refused.
    refused: HashSet<Slot>,
    /// What is told with the next progress.
    skipped: Skipped,
    admitted: u64,
    /// Until when something was in flight, a record came, or the source was held or had not found its way back.
    busy_at: Instant,
    /// Where each slot ends, when it is read to its end.
    ends: Ends,
    standing: Standing,
    outages: Outages,
    detached: Vec<Detached>,
    wanted_again: WantedAgain,
    next_strays: Instant,
    /// How many ranges were read again: their slots are told apart by it.
    reread: u32,
    has_started: bool,
    assigned: BTreeSet<Slot>,
    /// Some partition was assigned, whether or not it still is.
    had_any: bool,
}

impl Coordinator {
    #[must_use]
    pub fn new(options: CoordinatorOptions, now: Instant) -> Self {
        Self {
            tracker: Tracker::default(),
            admission: Admission::new(options.conduct.budget),
            batches: Batches::new(options.conduct.order, options.shards),
            parked: None,
            guard: Guard::default(),
            limit: options.conduct.max_consecutive_errors.map(|most| Limit::new(most, options.probation)),
            phase: Phase::Running,
            offers: HashMap::new(),
            withdrawn: HashMap::new(),
            revocations: Vec::new(),
            revoked: 0,
            next_commit: now + options.conduct.commit_interval,
            refused: HashSet::new(),
            skipped: Skipped::default(),
            admitted: 0,
            busy_at: now,
            ends: Ends::default(),
            standing: Standing::default(),
            outages: Outages::default(),
            detached: Vec::new(),
            wanted_again: WantedAgain::Nothing,
            next_strays: now + STRAYS_EVERY,
            reread: 0,
            has_started: false,
            assigned: BTreeSet::new(),
            had_any: false,
            options,
        }
    }

    /// Takes one thing in and says what is to be done about it.
    pub fn step(&mut self, input: Input<'_>, now: Instant, actions: &mut Vec<Action>) {
        // A record is the common case, and the clock's work can wait for the next tick.
        let is_record = matches!(input, Input::Polled(Polled::Record(_)) | Input::Again(Came::Record(_)));
        match input {
            Input::Polled(polled) => self.polled(polled, now, actions),
            Input::Again(came) => self.reread(&came, actions),
            Input::Report(report) => self.report(report, now, actions),
            Input::Stop(level) => self.stop(level, now, actions),
            Input::Tick => {}
        }
        self.unpark(actions);
        if let Some(flow) = self.admission.update(self.tracker.load(), now) {
            if flow == Flow::Open {
                self.busy_at = now + RESUMES_WITHIN;
            }
            actions.push(Action::Flow(flow));
        }
        actions
            .extend(self.standing.update(self.options.conduct.budget).into_iter().map(|(slots, flow)| Action::FlowOf(slots, flow)));
        if matches!(self.admission.appetite(), Appetite::WaitUntil(_)) {
            // Nothing more comes to fill it up, and what is in an open batch keeps its room for as long as it waits there.
            self.batches.flush(actions);
        }
        if !is_record && !matches!(self.phase, Phase::Finished) {
            self.keep_time(now, actions);
        }
    }

    /// Whether the source should be polled now.
    #[must_use]
    pub fn appetite(&self) -> Appetite {
        self.admission.appetite()
    }

    /// What is in flight.
    #[must_use]
    pub fn load(&self) -> Load {
        self.tracker.load()
    }

    /// Records that were admitted and are delivered again.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.tracker.unsettled()
    }

    /// The records that were settled since the run began.
    #[must_use]
    pub fn totals(&self) -> Counts {
        self.tracker.totals()
    }

    /// Of what receivers missed, the records that were settled since the run began.
    #[must_use]
    pub fn totals_again(&self) -> Counts {
        self.tracker.totals_again()
    }

    /// True once there was an assignment, even an empty one.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.has_started
    }

    /// How many partitions are assigned to this run, held ones among them.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.assigned.len()
    }

    fn polled(&mut self, polled: Polled<'_>, now: Instant, actions: &mut Vec<Action>) {
        match polled {
            Polled::Record(raw) => self.record(&raw, now, actions),
            Polled::Idle | Polled::NotThere(..) => self.batches.flush(actions),
            Polled::Offered(offers) => self.offered(offers, actions),
            Polled::Opened(partitions) => self.opened(&partitions, now),
            Polled::Revoking(slots) => self.revoking(slots, now, actions),
            Polled::Lost(slots) => self.lost(&slots, actions),
            Polled::Committed(results) => drop(self.committed(&results, now, actions)),
            Polled::Notice(notice) => self.notice(notice, now, actions),
            Polled::AtEnd(slot, position) => {
                self.batches.flush(actions);
                // Of a slot that admits no more, the records up to there were dropped: they are not ours to settle.
                if !self.admission.is_closed() && !self.is_revoking(slot) {
                    self.read_up_to(slot, position, actions);
                }
            }
            Polled::End => self.finish_reading(StopReason::Done, actions),
        }
    }

    fn report(&mut self, report: Report, now: Instant, actions: &mut Vec<Action>) {
        match report {
            Report::Settled(runs) => self.settled(runs, actions),
            Report::Judged(job) => self.judged(vec![job], now, actions),
            Report::Skipped(skipped) => self.skipped.add(skipped),
            Report::Held { job, .. } if self.gives_up(&job) => self.abandon(vec![job]),
            Report::Held { topic, stage, job } => match self.guard.hold(&topic, stage, job, now) {
                Verdict::Write(job) => self.judged(vec![job], now, actions),
                Verdict::Held => {}
                Verdict::Stop(found) => self.nothing_works(found, actions),
            },
            Report::Passed { topic, stage } => {
                if let Some(held) = self.guard.pass(&topic, stage) {
                    self.each_shard(actions, || ToShard::Passed { topic: topic.clone(), stage });
                    self.judged(held, now, actions);
                }
            }
            Report::Halted(halt) => self.halted(halt, now, actions),
            Report::Known(known) => self.known(&known, now, actions),
            Report::Strays(strays) => self.strays(strays),
            Report::Signal(receiver, signal) => self.signal(receiver, signal, now, actions),
            Report::Shelved(mut changes) => {
                // What is read again has a bound of its own.
                changes.retain(|(slot, _)| !Self::is_slot_again(*slot));
                self.standing.change(&changes);
            }
            Report::Journaled { runs, progress, ticket } => {
                self.settle(&runs);
                self.journaled(&progress, ticket, now, actions);
            }
            Report::CommittedNow { results, ticket } => self.committed_last(&results, ticket, now, actions),
            Report::JournalFailed(error) => self.give_up(StopReason::Journal(error), actions),
        }
    }

    fn keep_time(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let quiet = self.guard.take_quiet(now);
        self.judged(quiet, now, actions);
        self.ask_receivers(now, actions);
        self.drain_revocations(now, actions);
        if now >= self.next_commit {
            self.next_commit = now + self.options.conduct.commit_interval;
            self.write_progress(now, actions);
        }
        let is_busy = self.admission.is_held() || self.tracker.load().records > 0 || self.is_catching_up();
        if is_busy && !self.is_probation_stuck() {
            self.busy_at = self.busy_at.max(now);
        }
        if let Some(limit) = self.options.conduct.idle_exit {
            let is_idle = self.has_started && now.duration_since(self.busy_at) >= limit;
            if is_idle && matches!(self.phase, Phase::Running) {
                self.finish_reading(StopReason::Done, actions);
            }
        }
        self.look_for_strays(now, actions);
        self.go_on_with_missed(now, actions);
        self.find_wanted_again();
        self.give_up_full_probation(now, actions);
        self.keep_draining(now, actions);
    }

    fn each_shard(&self, actions: &mut Vec<Action>, message: impl Fn() -> ToShard) {
        actions.extend((0..self.options.shards.max(1)).map(|shard| Action::Dispatch(shard, Dispatch(message()))));
    }
}

fn write(entries: Vec<Entry>) -> JournalJob {
    JournalJob { entries, runs: Vec::new(), ticket: None }
}
