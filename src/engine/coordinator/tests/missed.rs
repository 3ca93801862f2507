//! What receivers missed, step by step.

use super::*;
use crate::engine::detached::Range;
use crate::engine::missed::{KnownDeferred, LetGo, Missed, Stray};
use crate::engine::report::{FoundDown, Signal, ToShard};
use crate::engine::rereading::{Again, Came};
use crate::failure::Code;
use crate::receiver::OnOutage;
use crate::record::{Meant, NextOffset, RawRecord, ReceiverIx, ReceiverSet, Suspects};

const BILLING: ReceiverIx = ReceiverIx(0);
/// An offset so far on that a receiver that missed all up to there is not nearly there.
const MANY: i64 = 100_000;

fn deferring() -> Scene {
    let now = Instant::now();
    let mut options = options(Conduct { commit_interval: Duration::from_millis(10), ..conduct() });
    options.receivers = vec![Named { name: "billing".into(), on_outage: OnOutage::Defer }];
    Scene { coordinator: Coordinator::new(options, now), now }
}

/// The journal knows that these receivers missed that.
fn known(missed: &[(&str, i64, i64)]) -> Known {
    let deferred = |(receiver, from, to): &(&str, i64, i64)| KnownDeferred {
        receiver: (*receiver).to_owned(),
        range: Range { from: next(*from), to: next(*to) },
    };
    Known { deferred: missed.iter().map(deferred).collect(), ..unknown(slot(0)) }
}

fn at(committed: i64) -> Offer {
    let committed = Some(Committed { next: next(committed), metadata: String::new() });
    Offer { committed, ..offer(slot(0), &topic("orders"), 1_000) }
}

impl Scene {
    fn knows(&mut self, offer: Offer, known: Known) -> Vec<Action> {
        let mut actions = self.step(Input::Polled(Polled::Offered(vec![offer])));
        actions.extend(self.step(Input::Report(Report::Known(vec![known]))));
        actions
    }

    fn a_moment(&mut self) -> Vec<Action> {
        self.now += Duration::from_millis(20);
        self.step(Input::Tick)
    }

    /// The journal has the progress of these slots.
    fn has_on_disk(&mut self, progress: Vec<(Slot, NextOffset)>) -> Vec<Action> {
        self.step(Input::Report(Report::Journaled { runs: Vec::new(), progress, ticket: None }))
    }

    /// Of what is read again, one record comes and is delivered.
    fn delivers_again(&mut self, again: &Again, offset: i64) -> Vec<Action> {
        let slot = again.partition.slot;
        let meant = Meant::These(ReceiverSet::NONE.with(BILLING));
        let seq = u64::try_from(offset - again.from.get()).unwrap();
        self.step(Input::Again(Came::Record(RawRecord { meant, ..raw(slot, offset, None, Some(b"{}")) })));
        self.step(Input::Report(Report::Settled(vec![SettledRun::of_one(slot, Seq(seq), Settled::Delivered)])))
    }
}

fn again(actions: &[Action]) -> Vec<Again> {
    let ranges =
        actions.iter().filter_map(|action| if let Action::ReadAgain(ranges) = action { Some(ranges.clone()) } else { None });
    ranges.flatten().collect()
}

fn written(actions: &[Action]) -> Vec<Entry> {
    let jobs = actions.iter().filter_map(|action| if let Action::Journal(job) = action { Some(job.entries.clone()) } else { None });
    jobs.flatten().collect()
}

fn attaches(action: &Action) -> bool {
    matches!(action, Action::Dispatch(_, Dispatch(ToShard::Attach(BILLING, _))))
}

fn kept_from(actions: &[Action]) -> Vec<NextOffset> {
    let of = |action: &Action| {
        if let Action::Dispatch(_, Dispatch(ToShard::Keep(BILLING, _, from))) = action { Some(*from) } else { None }
    };
    actions.iter().filter_map(of).collect()
}

fn found() -> FoundDown {
    FoundDown { count: 1, code: Code::known("timeout"), message: String::new(), quiet: None, rule: None }
}

fn let_go(actions: &[Action]) -> Vec<Option<String>> {
    let of = |entry| if let Entry::LetGo(LetGo { receiver, .. }) = entry { Some(receiver) } else { None };
    written(actions).into_iter().filter_map(of).collect()
}

/// A run once told what was caught up only after something new had settled; where all that is new was kept for the same receiver, nothing
/// ever did.
#[test]
fn what_is_caught_up_is_told_although_nothing_new_has_settled() {
    let mut scene = deferring();
    let mut actions = scene.knows(at(100), known(&[("billing", 98, 100)]));
    actions.extend(scene.a_moment());
    let [again] = &again(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!(kept_from(&actions), [next(100)], "{actions:?}");
    scene.poll(100);
    let mut told = scene.delivers_again(again, 98);
    told.extend(scene.delivers_again(again, 99));
    told.extend(scene.step(Input::Again(Came::UpTo(again.partition.slot, next(100)))));
    // The rest is told when the journal has the first of it.
    for to in [99, 100] {
        told.extend(scene.a_moment());
        let caught_up =
            |entry: &Entry| matches!(entry, Entry::CaughtUp(of) if of.ranges == [Range { from: next(to - 1), to: next(to) }]);
        assert!(written(&told).iter().any(caught_up), "{told:?}");
        told.extend(scene.has_on_disk(vec![(again.partition.slot, next(to))]));
    }
    told.extend(scene.a_moment());
    assert!(told.iter().any(attaches), "{told:?}");
}

/// Where the log ends behind what no consumer sees, nothing new ever settled, and the receiver was kept from all that is new.
#[test]
fn one_goes_on_with_the_others_behind_what_nobody_sees() {
    let mut scene = deferring();
    let mut actions = scene.knows(Offer { end: next(10 * MANY), ..at(MANY) }, known(&[("billing", 100, MANY)]));
    actions.extend(scene.step(Input::Polled(Polled::AtEnd(slot(0), next(MANY + 3)))));
    actions.extend(scene.a_moment());
    let [again] = &again(&actions)[..] else { panic!("{actions:?}") };
    let mut told = scene.delivers_again(again, 100);
    told.extend(scene.step(Input::Again(Came::UpTo(again.partition.slot, next(MANY)))));
    for _ in 0..4 {
        told.extend(scene.a_moment());
        told.extend(scene.has_on_disk(written(&told).iter().filter_map(Entry::position).collect()));
    }
    assert_eq!(kept_from(&told), [next(MANY + 3)], "{told:?}");
    assert!(told.iter().any(attaches), "{told:?}");
}

/// A reader is at one place of a partition: the second one that it was asked for once kept the first for ever.
#[test]
fn what_another_run_let_go_of_is_read_after_what_is_read_already() {
    let mut scene = deferring();
    let mut actions = scene.knows(at(300), known(&[("billing", 299, 300)]));
    actions.extend(scene.a_moment());
    let [first] = &again(&actions)[..] else { panic!("{actions:?}") };
    let missed = KnownDeferred { receiver: "billing".into(), range: Range { from: next(100), to: next(200) } };
    let stray = Stray { topic: topic("orders"), partition: 0, missed, suspects: Suspects::default() };
    let mut actions = scene.step(Input::Report(Report::Strays(vec![stray])));
    actions.extend(scene.a_moment());
    assert!(again(&actions).is_empty(), "not beside it: {actions:?}");
    scene.delivers_again(first, 299);
    scene.step(Input::Again(Came::UpTo(first.partition.slot, next(300))));
    let mut actions = scene.a_moment();
    actions.extend(scene.has_on_disk(vec![(first.partition.slot, next(300))]));
    actions.extend(scene.a_moment());
    let [second] = &again(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!((second.from, second.partition.number), (next(100), 0));
}

#[test]
fn what_is_no_longer_in_the_log_is_told_by_what_was_missed_and_not_delivered() {
    let mut scene = deferring();
    let mut actions = scene.knows(at(100), known(&[("billing", 90, 95), ("billing", 97, 99)]));
    actions.extend(scene.a_moment());
    let [again] = &again(&actions)[..] else { panic!("{actions:?}") };
    scene.delivers_again(again, 90);
    let told = scene.step(Input::Again(Came::Gone(again.partition.slot, Some(next(98)))));
    let gaps: Vec<_> = written(&told)
        .into_iter()
        .filter_map(|entry| if let Entry::Incident(incident) = entry { incident.from.zip(incident.to) } else { None })
        .collect();
    assert_eq!(gaps, [(next(91), next(95)), (next(97), next(98))]);
}

#[test]
fn a_receiver_goes_on_with_nobody_in_a_partition_that_is_given_back() {
    let mut scene = deferring();
    scene.knows(at(100), known(&[("billing", 98, 100)]));
    scene.step(Input::Report(Report::Signal(BILLING, Signal::Down(found()))));
    scene.poll(100);
    scene.step(Input::Polled(Polled::Revoking(vec![slot(0)])));
    let mut actions = scene.step(Input::Report(Report::Signal(BILLING, Signal::Up)));
    actions.extend(scene.a_moment());
    assert_eq!(kept_from(&actions), []);
}

/// An answer too many gave back what the group was about to give.
#[test]
fn a_revocation_is_over_when_its_partitions_are_lost() {
    let mut scene = deferring();
    let mut actions = scene.knows(at(100), known(&[("billing", 98, 100)]));
    actions.extend(scene.a_moment());
    let [again] = &again(&actions)[..] else { panic!("{actions:?}") };
    let meant = Meant::These(ReceiverSet::NONE.with(BILLING));
    scene.step(Input::Again(Came::Record(RawRecord { meant, ..raw(again.partition.slot, 98, None, Some(b"{}")) })));
    scene.step(Input::Polled(Polled::Revoking(vec![slot(0)])));
    scene.step(Input::Polled(Polled::Lost(vec![slot(0)])));
    assert!(scene.coordinator.revocations.is_empty());
}

/// Claims were once kept by a run that did not deliver, for as long as it lived.
#[test]
fn what_a_run_does_not_deliver_it_lets_go_of() {
    let mut scene = deferring();
    let actions = scene.knows(at(100), known(&[("billing", 50, 60), ("search", 50, 60), ("search", 70, 80)]));
    assert_eq!(let_go(&actions), [Some("search".to_owned())], "of one that it does not have");
    let actions = scene.step(Input::Polled(Polled::Lost(vec![slot(0)])));
    assert_eq!(let_go(&actions), [None], "of a partition that is somebody else's");

    let mut scene = deferring();
    scene.step(Input::Polled(Polled::Offered(vec![at(100)])));
    scene.step(Input::Polled(Polled::Lost(vec![slot(0)])));
    let actions = scene.step(Input::Report(Report::Known(vec![known(&[("billing", 50, 60)])])));
    assert_eq!(let_go(&actions), [None], "of a partition that was lost before it was known");

    let mut scene = deferring();
    let actions = scene.knows(at(2_000), known(&[("billing", 50, 60)]));
    assert_eq!(let_go(&actions), [None], "of a partition that is held");
}

#[test]
fn one_that_is_down_is_asked_with_another_partition_after_some_times() {
    let mut scene = deferring();
    let two = |index: u32| Offer { partition: i32::try_from(index).unwrap(), ..offer(slot(index), &topic("orders"), 1_000) };
    scene.step(Input::Polled(Polled::Offered(vec![two(0), two(1)])));
    scene.step(Input::Report(Report::Known(vec![unknown(slot(0)), unknown(slot(1))])));
    scene.step(Input::Report(Report::Signal(BILLING, Signal::Down(found()))));
    // Both have missed something.
    for index in [0, 1] {
        scene.step(Input::Polled(Polled::Record(raw(slot(index), 0, None, Some(b"{}")))));
        let missed = Missed::by(ReceiverSet::NONE.with(BILLING), ReceiverSet::NONE);
        let run = SettledRun { missed, ..SettledRun::of_one(slot(index), Seq(0), Settled::Deferred) };
        scene.step(Input::Report(Report::Settled(vec![run])));
    }
    scene.a_moment();
    let mut actions = scene.has_on_disk(vec![(slot(0), next(1)), (slot(1), next(1))]);
    actions.extend(scene.a_moment());
    let mut asked = Vec::new();
    for _ in 0..7 {
        asked.extend(again(&actions).iter().map(|again| again.partition.number));
        actions = scene.step(Input::Report(Report::Signal(BILLING, Signal::StillDown(found()))));
        actions.extend(scene.a_moment());
    }
    assert_eq!(asked, [0, 1, 0], "the other one after three times");
}
