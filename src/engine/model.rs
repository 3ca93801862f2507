//! The coordinator against a set model: whatever the order of events, nothing is committed that is not settled, and nothing is counted
//! twice or forgotten.
//!
//! The world around the coordinator (broker, journal, shards) is a few sets; proptest makes up what happens in it and shrinks what breaks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU64;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::engine::coordinator::{Coordinator, CoordinatorOptions, Input};
use crate::engine::doubles::{conduct, next, offer, raw, topic};
use crate::engine::flow::{Appetite, Budget};
use crate::engine::ledger::{Entry, Known, KnownProgress, RunId};
use crate::engine::limit::Probation;
use crate::engine::report::{Action, Dispatch, JournalJob, Report, StopLevel, StopReason, ToShard};
use crate::engine::settled::{Settled, SettledRun};
use crate::engine::source::{CommitError, CommitResult, Committed, Mark, Offer, Polled, StartAt};
use crate::engine::tracker::Answer;
use crate::engine::{Conduct, Order};
use crate::event::EventFacts;
use crate::failure::{Refusal, Stage};
use crate::receiver::Mode;
use crate::record::{Debts, Record, Slot, Suspects};

const PARTITIONS: u32 = 3;
const END: i64 = 1_000_000;
const BUDGET: Budget = Budget { records: 20, bytes: 400 };

#[derive(Clone, Debug)]
enum Transition {
    /// One record of a partition, with a value of so many bytes.
    Poll(u32, usize),
    /// Nothing was there.
    Idle,
    /// One of the records that are out ends, well or badly.
    Settle(usize, Settled),
    /// The journal's oldest job is on disk.
    Write,
    /// The broker answers the oldest commit.
    Answer(Answer),
    /// Brokers go away, or come back.
    Away(bool),
    Wait(u64),
    Assign(u32),
    Revoke(u32),
    Lose(u32),
    Crash,
    Stop,
}

/// The reference has nothing to remember: what cannot happen in a state, the world leaves out.
#[derive(Clone, Debug)]
struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self).boxed()
    }

    fn transitions(_state: &Self) -> BoxedStrategy<Transition> {
        let partition = 0..PARTITIONS;
        prop_oneof![
            10 => (partition.clone(), 0usize..600).prop_map(|(of, bytes)| Transition::Poll(of, if bytes < 550 { bytes / 20 } else { bytes })),
            4 => Just(Transition::Idle),
            12 => (any::<usize>(), prop_oneof![2 => Just(Settled::Delivered), 1 => Just(Settled::Failed)])
                .prop_map(|(which, how)| Transition::Settle(which, how)),
            6 => Just(Transition::Write),
            4 => prop_oneof![4 => Just(Answer::Accepted), 1 => Just(Answer::Refused)].prop_map(Transition::Answer),
            1 => any::<bool>().prop_map(Transition::Away),
            4 => (1u64..1_500).prop_map(Transition::Wait),
            4 => partition.clone().prop_map(Transition::Assign),
            1 => partition.clone().prop_map(Transition::Revoke),
            1 => partition.prop_map(Transition::Lose),
            1 => Just(Transition::Crash),
            1 => Just(Transition::Stop),
        ]
        .boxed()
    }

    fn apply(state: Self, _transition: &Transition) -> Self {
        state
    }
}

/// What outlives a crash.
#[derive(Default)]
struct Lasting {
    committed: BTreeMap<u32, Committed>,
    /// Per partition, the ranges that the journal has, in the order they were written.
    progress: BTreeMap<u32, Vec<(i64, i64, u64)>>,
    failures: BTreeSet<(u32, i64)>,
    delivered: BTreeSet<(u32, i64)>,
}

struct World {
    coordinator: Coordinator,
    now: Instant,
    epoch: u32,
    /// Positions of the partitions that flow.
    flowing: BTreeMap<u32, (Slot, i64)>,
    /// The last assignment of each partition.
    assigned: BTreeMap<u32, Slot>,
    is_held: bool,
    /// No broker answers the commits that are waited for.
    is_away: bool,
    /// With the shards.
    out: Vec<Record>,
    /// Counted, and not yet ended as far as the coordinator knows.
    counted: BTreeMap<(Slot, i64), usize>,
    /// Polled, and larger than the room that was left: the coordinator keeps it back.
    parked: Option<(Slot, i64)>,
    journal: VecDeque<JournalJob>,
    commits: VecDeque<Vec<Mark>>,
    released: BTreeSet<Slot>,
    finished: Option<StopReason>,
    lasting: Lasting,
}

impl World {
    fn new(lasting: Lasting, epoch: u32, now: Instant) -> Self {
        let conduct = Conduct { order: Order::Key, budget: BUDGET, drain_timeout: Duration::from_secs(1), ..conduct() };
        let run = RunId { journal_uuid: "j".into(), run: i64::from(epoch) };
        let options = CoordinatorOptions { shards: 2, receivers: Vec::new(), run, probation: Probation::No, conduct };
        Self {
            coordinator: Coordinator::new(options, now),
            now,
            epoch,
            flowing: BTreeMap::new(),
            assigned: BTreeMap::new(),
            is_held: false,
            is_away: false,
            out: Vec::new(),
            counted: BTreeMap::new(),
            parked: None,
            journal: VecDeque::new(),
            commits: VecDeque::new(),
            released: BTreeSet::new(),
            finished: None,
            lasting,
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let mut actions = Vec::new();
        self.coordinator.step(input, self.now, &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(self.finished.is_none(), "an action after the end: {action:?}");
            match action {
                Action::Look(offers) => {
                    let known = offers.iter().map(|offer| self.know(offer)).collect();
                    self.step(Input::Report(Report::Known(known)));
                }
                Action::Assign(starts) => {
                    for start in starts {
                        let StartAt::At(at) = start.at else { panic!("nothing is held here: {start:?}") };
                        self.flowing.insert(start.partition.slot.index, (start.partition.slot, at.get()));
                    }
                }
                Action::Dispatch(_, Dispatch(message)) => self.dispatch(message),
                Action::Journal(job) => self.journal.push_back(job),
                Action::Commit(marks) => {
                    self.check_marks(&marks);
                    self.commits.push_back(marks);
                }
                Action::CommitNow(marks, ticket) => {
                    self.check_marks(&marks);
                    let results = self.answers(marks, if self.is_away { Answer::Refused } else { Answer::Accepted });
                    self.step(Input::Report(Report::CommittedNow { results, ticket }));
                }
                Action::Flow(flow) => self.is_held = flow == crate::engine::source::Flow::Held,
                Action::TakeStrays(_) | Action::CaughtUp(_) => {}
                Action::ReadAgain(_) | Action::LeaveAgain(_) => panic!("no receiver is ever down here"),
                Action::FlowOf(..) => panic!("nothing waits for a schema here"),
                Action::Release(slots) => self.released.extend(slots),
                Action::Draining(_) => {}
                Action::Finish(reason) => self.finished = Some(reason),
            }
        }
    }

    fn dispatch(&mut self, message: ToShard) {
        match message {
            ToShard::Batch(batch) => {
                self.out.extend(batch.freeze());
                let arrived = |(slot, offset): &mut (Slot, i64)| {
                    self.out.iter().any(|record| record.slot() == *slot && record.offset().get() == *offset)
                };
                self.parked.take_if(arrived);
            }
            // Nothing waits for a schema here.
            ToShard::LetGo(_) | ToShard::Schema(_) => {}
            // No receiver is ever down here.
            ToShard::Gate(..) | ToShard::Probe(_) | ToShard::Detach(..) | ToShard::Keep(..) | ToShard::Attach(..) => {}
            // A shard gives up what did not start; here that is everything of the slots.
            ToShard::Abandon(slots) => {
                let (given_up, kept): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut self.out).into_iter().partition(|record| slots.contains(&record.slot()));
                self.out = kept;
                self.give_up(&given_up);
            }
            ToShard::Stop(StopLevel::Now) => {
                let given_up = std::mem::take(&mut self.out);
                self.give_up(&given_up);
            }
            ToShard::Stop(StopLevel::Drain) | ToShard::Passed { .. } => {}
        }
    }

    /// A record that was kept back is given up with its slot.
    fn drop_parked(&mut self, of: impl Fn(Slot) -> bool) {
        if let Some((slot, offset)) = self.parked.take_if(|(slot, _)| of(*slot)) {
            self.uncount(slot, offset);
        }
    }

    fn give_up(&mut self, records: &[Record]) {
        let runs = records.iter().map(|record| run_of(record, Settled::Abandoned)).collect();
        records.iter().for_each(|record| self.uncount(record.slot(), record.offset().get()));
        if self.finished.is_none() {
            self.step(Input::Report(Report::Settled(runs)));
        }
    }

    fn uncount(&mut self, slot: Slot, offset: i64) {
        self.counted.remove(&(slot, offset)).expect("ended once");
    }

    /// Invariant 1, for what is about to be committed; and nothing of a slot that was given back.
    fn check_marks(&self, marks: &[Mark]) {
        for mark in marks {
            assert!(!self.released.contains(&mark.slot), "a commit for a slot that was given back: {mark:?}");
            let told = self.lasting.progress.get(&mark.slot.index).and_then(|ranges| ranges.last()).map(|range| range.1);
            assert_eq!(told, Some(mark.next.get()), "progress is on disk before the commit");
        }
    }

    fn answers(&mut self, marks: Vec<Mark>, answer: Answer) -> Vec<CommitResult> {
        let mut results = Vec::new();
        for mark in marks {
            if answer == Answer::Accepted && !self.released.contains(&mark.slot) {
                let committed = Committed { next: mark.next, metadata: mark.metadata.clone() };
                self.lasting.committed.insert(mark.slot.index, committed);
                results.push((mark, Ok(())));
            } else {
                results.push((mark, Err(CommitError::Unanswered { message: "no".into() })));
            }
        }
        results
    }

    fn know(&self, offer: &Offer) -> Known {
        let ranges = self.lasting.progress.get(&offer.slot.index);
        let last = ranges.and_then(|ranges| ranges.last());
        let highest = ranges.and_then(|ranges| ranges.iter().map(|range| range.1).max()).unwrap_or(0);
        Known {
            deferred: Vec::new(),
            slot: offer.slot,
            topic_known: true,
            other_uuid: false,
            progress: last.map(|(_, to, _)| KnownProgress {
                to: next(*to),
                is_empty: ranges.is_some_and(|ranges| ranges.iter().all(|(from, to, _)| from == to)),
            }),
            highest: next(highest),
            debts: Debts::default(),
            suspects: Suspects::default(),
        }
    }

    fn assign(&mut self, partition: u32) {
        // The group gives a partition to nobody before it was given back.
        if self.assigned.get(&partition).is_some_and(|slot| !self.released.contains(slot)) {
            return;
        }
        self.epoch += 1;
        let slot = Slot { index: partition, epoch: self.epoch };
        self.assigned.insert(partition, slot);
        let mut offer = offer(slot, &topic("orders"), END);
        offer.committed = self.lasting.committed.get(&partition).cloned();
        self.step(Input::Polled(Polled::Offered(vec![offer])));
    }

    fn poll(&mut self, partition: u32, bytes: usize) {
        let may_poll = self.coordinator.appetite() == Appetite::Poll && !self.is_held && self.finished.is_none();
        let Some((slot, position)) = self.flowing.get(&partition).copied().filter(|_| may_poll) else { return };
        let value = vec![b'x'; bytes];
        let key = position.to_be_bytes();
        let record = raw(slot, position, Some(&key), Some(&value));
        self.flowing.insert(partition, (slot, position + 1));
        let load = self.coordinator.load();
        if load.records > 0 && load.bytes + record.size() > BUDGET.bytes {
            self.parked = Some((slot, position));
        }
        self.counted.insert((slot, position), record.size());
        self.step(Input::Polled(Polled::Record(record)));
    }

    fn settle(&mut self, which: usize, how: Settled) {
        if self.out.is_empty() || self.finished.is_some() {
            return;
        }
        let record = self.out.swap_remove(which % self.out.len());
        if how == Settled::Delivered {
            self.lasting.delivered.insert((record.slot().index, record.offset().get()));
            self.uncount(record.slot(), record.offset().get());
            self.step(Input::Report(Report::Settled(vec![run_of(&record, Settled::Delivered)])));
        } else {
            let failure = Refusal::permanent("bad", "bad").into_failure(Stage::Identify, jiff::Timestamp::UNIX_EPOCH);
            let run = run_of(&record, Settled::Failed);
            let failed = crate::engine::ledger::FailedDelivery {
                record,
                event: EventFacts::default(),
                receiver: None,
                failure,
                rule: None,
                mode: Mode::Live,
            };
            self.journal.push_back(JournalJob { entries: vec![Entry::Failed(Box::new(failed))], runs: vec![run], ticket: None });
        }
    }

    fn write(&mut self) {
        let Some(job) = self.journal.pop_front().filter(|_| self.finished.is_none()) else { return };
        let mut told = Vec::new();
        for entry in &job.entries {
            match entry {
                Entry::Failed(failed) => {
                    let at = (failed.record.slot().index, failed.record.offset().get());
                    self.lasting.failures.insert(at);
                    self.uncount(failed.record.slot(), at.1);
                }
                Entry::Progress(progress) => {
                    let slot = progress.partition.slot;
                    self.lasting.progress.entry(slot.index).or_default().push((
                        progress.from.get(),
                        progress.to.get(),
                        progress.counts.records(),
                    ));
                    told.push((slot, progress.to));
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        self.step(Input::Report(Report::Journaled { runs: job.runs, progress: told, ticket: job.ticket }));
    }
}

fn run_of(record: &Record, how: Settled) -> SettledRun {
    SettledRun::of_one(record.slot(), record.seq(), how)
}

struct EngineTest;

impl StateMachineTest for EngineTest {
    type SystemUnderTest = World;
    type Reference = Reference;

    fn init_test(_state: &Reference) -> World {
        World::new(Lasting::default(), 0, Instant::now())
    }

    fn apply(mut world: World, _state: &Reference, transition: Transition) -> World {
        if world.finished.is_some() && !matches!(transition, Transition::Crash) {
            return world;
        }
        match transition {
            Transition::Poll(partition, bytes) => world.poll(partition, bytes),
            Transition::Idle => world.step(Input::Polled(Polled::Idle)),
            Transition::Settle(which, how) => world.settle(which, how),
            Transition::Write => world.write(),
            Transition::Answer(answer) => {
                if let Some(marks) = world.commits.pop_front() {
                    let results = world.answers(marks, answer);
                    world.step(Input::Polled(Polled::Committed(results)));
                }
            }
            Transition::Away(is_away) => world.is_away = is_away,
            Transition::Wait(ms) => {
                world.now += Duration::from_millis(ms);
                world.step(Input::Tick);
            }
            Transition::Assign(partition) => world.assign(partition),
            Transition::Revoke(partition) => {
                if let Some((slot, _)) = world.flowing.remove(&partition) {
                    world.drop_parked(|of| of == slot);
                    world.step(Input::Polled(Polled::Revoking(vec![slot])));
                }
            }
            Transition::Lose(partition) => {
                if let Some((slot, _)) = world.flowing.remove(&partition) {
                    world.drop_parked(|of| of == slot);
                    world.step(Input::Polled(Polled::Lost(vec![slot])));
                }
            }
            Transition::Crash => world = World::new(world.lasting, world.epoch, world.now),
            Transition::Stop => {
                world.drop_parked(|_| true);
                world.step(Input::Stop(StopLevel::Drain));
            }
        }
        world
    }

    fn check_invariants(world: &World, _state: &Reference) {
        let lasting = &world.lasting;
        for (partition, committed) in &lasting.committed {
            let is_settled =
                |offset: i64| lasting.delivered.contains(&(*partition, offset)) || lasting.failures.contains(&(*partition, offset));
            let first_unsettled = (0..).find(|offset| !is_settled(*offset)).unwrap();
            assert!(
                committed.next.get() <= first_unsettled,
                "committed {} of {partition}, {first_unsettled} is unsettled",
                committed.next
            );
        }
        for ranges in lasting.progress.values() {
            for (from, to, records) in ranges {
                assert_eq!(u64::try_from(to - from).unwrap(), *records, "every offset of a range is counted once");
            }
        }
        assert!(!matches!(world.finished, Some(StopReason::Refused(_))), "nobody but us commits: {:?}", world.finished);
        if world.finished.is_none() {
            let load = world.coordinator.load();
            assert_eq!(load.records, world.counted.len(), "the budget counts what is in flight");
            assert_eq!(load.bytes, world.counted.values().sum::<usize>());
            let largest = world.counted.values().max().copied().unwrap_or(0);
            assert!(load.records <= BUDGET.records && load.bytes <= BUDGET.bytes + largest, "{load:?}");
        }
    }
}

/// Cases of one run; the full run is asked for with `REDRIVE_TEST_FULL=1`.
fn config() -> ProptestConfig {
    let cases = NonZeroU64::new(if std::env::var_os("REDRIVE_TEST_FULL").is_some() { 5_000 } else { 300 }).unwrap();
    ProptestConfig { cases: u32::try_from(cases.get()).unwrap(), failure_persistence: None, ..ProptestConfig::default() }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_nothing_unsettled_is_committed(sequential 1..120 => EngineTest);
}

/// The world above would not notice if nothing were ever committed.
#[test]
fn a_quiet_run_commits_everything() {
    let mut world = World::new(Lasting::default(), 0, Instant::now());
    world.assign(0);
    for _ in 0..10 {
        world.poll(0, 5);
    }
    world.step(Input::Polled(Polled::Idle));
    for which in 0..10 {
        world.settle(which, if which % 2 == 0 { Settled::Delivered } else { Settled::Failed });
    }
    for _ in 0..10 {
        world.write();
    }
    world.step(Input::Stop(StopLevel::Drain));
    world.write();
    world.write();
    assert_eq!(world.finished, Some(StopReason::Asked));
    assert_eq!(world.lasting.committed.get(&0).map(|committed| committed.next.get()), Some(10));
}
