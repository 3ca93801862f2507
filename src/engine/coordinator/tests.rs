//! The coordinator step by step: one rule a test, each shown by the order of events that once broke it or easily could.

mod limits;
mod missed;

use super::*;
use crate::engine::conduct::UntilEnd;
use crate::engine::doubles::{conduct, next, offer, options, raw, topic, unknown};
use crate::engine::ledger::{IncidentKind, Known};
use crate::engine::report::Ticket;
use crate::engine::settled::Settled;
use crate::engine::source::{CommitError, Committed, Mark};
use crate::engine::start::{OnGap, OnTruncation};
use crate::failure::Stage;
use crate::record::Seq;

struct Scene {
    coordinator: Coordinator,
    now: Instant,
}

impl Scene {
    fn new(conduct: Conduct) -> Self {
        let now = Instant::now();
        Self { coordinator: Coordinator::new(options(conduct), now), now }
    }

    fn step(&mut self, input: Input<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        self.coordinator.step(input, self.now, &mut actions);
        actions
    }

    fn offered(&mut self, offers: Vec<Offer>) -> Vec<Action> {
        let known = offers.iter().map(|offer| unknown(offer.slot)).collect();
        self.step(Input::Polled(Polled::Offered(offers)));
        self.step(Input::Report(Report::Known(known)))
    }

    /// One partition, and so many records of it.
    fn begin(conduct: Conduct, records: i64) -> Self {
        let mut scene = Self::new(conduct);
        scene.offered(vec![offer(slot(0), &topic("orders"), 1_000)]);
        (0..records).for_each(|offset| drop(scene.poll(offset)));
        scene
    }

    /// As `begin`, of a group that has committed nothing.
    fn fresh(records: i64) -> Self {
        let mut scene = Self::new(conduct());
        scene.offered(vec![Offer { committed: None, ..offer(slot(0), &topic("orders"), 1_000) }]);
        (0..records).for_each(|offset| drop(scene.poll(offset)));
        scene
    }

    fn poll(&mut self, offset: i64) -> Vec<Action> {
        self.step(Input::Polled(Polled::Record(raw(slot(0), offset, None, Some(b"{}")))))
    }

    fn settled(&mut self, seq: u64, len: u32) -> Vec<Action> {
        let run = SettledRun { len, ..SettledRun::of_one(slot(0), Seq(seq), Settled::Delivered) };
        self.step(Input::Report(Report::Settled(vec![run])))
    }

    fn held(&mut self, seq: u64) -> Vec<Action> {
        let run = SettledRun::of_one(slot(0), Seq(seq), Settled::Failed);
        let job = JournalJob { runs: vec![run], ..JournalJob::default() };
        self.step(Input::Report(Report::Held { topic: "orders".into(), stage: Stage::Identify, job }))
    }

    /// The journal has the progress up to here.
    fn journaled(&mut self, to: i64, ticket: Option<Ticket>) -> Vec<Action> {
        self.step(Input::Report(Report::Journaled { runs: Vec::new(), progress: vec![(slot(0), next(to))], ticket }))
    }

    fn tick(&mut self, after: Duration) -> Vec<Action> {
        self.now += after;
        self.step(Input::Tick)
    }
}

fn slot(index: u32) -> Slot {
    Slot { index, epoch: 1 }
}

fn jobs(actions: &[Action]) -> impl Iterator<Item = &JournalJob> {
    actions.iter().filter_map(|action| if let Action::Journal(job) = action { Some(job) } else { None })
}

/// What the progress in these actions covers.
fn ranges(actions: &[Action]) -> Vec<(i64, i64)> {
    let progress = jobs(actions).flat_map(|job| &job.entries).filter_map(|entry| match entry {
        Entry::Progress(progress) => Some((progress.from.get(), progress.to.get())),
        _ => None,
    });
    progress.collect()
}

/// Up to where the progress in these actions reaches.
fn progress(actions: &[Action]) -> Vec<i64> {
    ranges(actions).into_iter().map(|(_, to)| to).collect()
}

/// The commit that is waited for.
fn last_commit(actions: &[Action]) -> Vec<Mark> {
    let [Action::CommitNow(marks, _)] = actions else { panic!("{actions:?}") };
    marks.clone()
}

fn finished(actions: &[Action]) -> Option<&StopReason> {
    actions.iter().find_map(|action| if let Action::Finish(reason) = action { Some(reason) } else { None })
}

/// The end of a partition says that all before it was read: not so when records of it were dropped.
#[test]
fn the_end_of_a_partition_that_admits_no_more_settles_nothing() {
    for stops in [false, true] {
        let mut scene = Scene::begin(conduct(), 2);
        if stops {
            scene.step(Input::Stop(StopLevel::Drain));
        } else {
            scene.step(Input::Polled(Polled::Revoking(vec![slot(0)])));
        }
        scene.poll(2);
        scene.step(Input::Polled(Polled::AtEnd(slot(0), next(3))));
        assert_eq!(progress(&scene.settled(0, 2)), [2], "the third record was dropped, and is delivered again");
    }
}

#[test]
fn held_failures_of_a_partition_that_goes_are_given_up() {
    for is_lost in [false, true] {
        let mut scene = Scene::begin(conduct(), 4);
        scene.held(0);
        scene.held(1);
        let slots = vec![slot(0)];
        scene.step(Input::Polled(if is_lost { Polled::Lost(slots) } else { Polled::Revoking(slots) }));
        assert_eq!(scene.coordinator.load().records, 2, "what was held is free at once");
        scene.held(2);
        scene.held(3);
        assert_eq!(scene.coordinator.load().records, 0, "and so is what comes later");
        let later = scene.tick(Duration::from_secs(11));
        assert!(jobs(&later).all(|job| job.runs.is_empty()), "nothing of it is written: {later:?}");
    }
}

#[test]
fn a_stop_does_not_wait_for_failures_that_are_held_after_it() {
    let mut scene = Scene::begin(conduct(), 1);
    scene.step(Input::Stop(StopLevel::Drain));
    let actions = scene.held(0);
    assert!(jobs(&actions).any(|job| job.ticket == Some(Ticket::Last)), "{actions:?}");
}

/// What is admitted runs ahead of what is known to fail.
#[test]
fn the_guard_watches_a_bounded_run_as_well() {
    let mut scene = Scene::begin(Conduct { max_records: Some(30), ..conduct() }, 30);
    let actions: Vec<_> = (0..20).flat_map(|seq| scene.held(seq)).collect();
    assert!(matches!(finished(&actions), Some(StopReason::Guard(_))), "{actions:?}");

    let mut scene = Scene::begin(Conduct { max_records: Some(10), ..conduct() }, 10);
    let actions: Vec<_> = (0..10).flat_map(|seq| scene.held(seq)).collect();
    assert_eq!(finished(&actions), None);
    let written = jobs(&actions).filter(|job| job.runs.len() == 1).count();
    assert_eq!(written, 10, "fewer than twenty, and the end: ordinary failures");
}

#[test]
fn an_empty_first_assignment_is_not_the_end_of_what_there_is() {
    let mut scene = Scene::new(Conduct { until_end: UntilEnd::Yes, ..conduct() });
    let is_draining = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Draining(_)));
    assert!(!is_draining(&scene.offered(Vec::new())));
    let committed = Some(Committed { next: next(7), metadata: String::new() });
    let at_its_end = Offer { committed, ..offer(slot(0), &topic("orders"), 7) };
    assert!(is_draining(&scene.offered(vec![at_its_end])));
}

#[test]
fn the_end_is_not_reached_while_an_offer_waits_for_the_journals_word() {
    let mut scene = Scene::begin(Conduct { until_end: UntilEnd::Yes, ..conduct() }, 0);
    let is_draining = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Draining(_)));
    scene.step(Input::Polled(Polled::Offered(vec![offer(slot(1), &topic("orders"), 1_000)])));
    let at_end = |index| Input::Polled(Polled::AtEnd(slot(index), next(1_000)));
    assert!(!is_draining(&scene.step(at_end(0))));
    scene.step(Input::Report(Report::Known(vec![unknown(slot(1))])));
    assert!(is_draining(&scene.step(at_end(1))));
}

/// The journal may answer late: a stop that waits for deliveries is neither cut short by a partition nor given another one.
#[test]
fn a_run_that_ends_starts_no_partition_and_is_refused_none() {
    for committed in [None, Some(Committed { next: next(0), metadata: String::new() })] {
        let mut scene = Scene::begin(conduct(), 1);
        let unheard_of = Offer { committed, topic_known_to_group: false, ..offer(slot(1), &topic("orders"), 1_000) };
        scene.step(Input::Polled(Polled::Offered(vec![unheard_of])));
        scene.step(Input::Stop(StopLevel::Drain));
        let known = Known { topic_known: false, ..unknown(slot(1)) };
        let actions = scene.step(Input::Report(Report::Known(vec![known])));
        assert!(actions.is_empty(), "{actions:?}");
        assert_eq!(progress(&scene.settled(0, 1)), [1], "what was out settles and is told");
    }
}

/// A journal that is locked for hours must not be owed more with every interval.
#[test]
fn progress_waits_for_the_progress_before_it() {
    let mut scene = Scene::begin(conduct(), 4);
    scene.settled(0, 1);
    assert_eq!(progress(&scene.tick(Duration::from_millis(200))), [1]);
    scene.settled(1, 2);
    assert!(progress(&scene.tick(Duration::from_millis(200))).is_empty());
    scene.journaled(1, None);
    assert_eq!(progress(&scene.tick(Duration::from_millis(200))), [3]);
    scene.settled(3, 1);
    assert_eq!(progress(&scene.step(Input::Stop(StopLevel::Drain))), [4], "the last one waits for nothing");
}

fn flows(actions: &[Action]) -> Vec<Flow> {
    actions.iter().filter_map(|action| if let Action::Flow(flow) = action { Some(*flow) } else { None }).collect()
}

/// One record of four is delivered, and its progress is kept waiting until nothing more may be admitted.
fn kept_waiting(conduct: Conduct) -> Scene {
    let mut scene = Scene::begin(conduct, 4);
    scene.settled(0, 1);
    assert_eq!(progress(&scene.tick(Duration::from_millis(200))), [1]);
    assert_eq!(flows(&scene.tick(Duration::from_millis(4_900))), []);
    assert_eq!(flows(&scene.tick(Duration::from_millis(200))), [Flow::Held]);
    scene
}

fn written(to: i64, ticket: Option<Ticket>) -> Input<'static> {
    Input::Report(Report::Journaled { runs: Vec::new(), progress: vec![(slot(0), next(to))], ticket })
}

/// What is delivered leaves the budget at once: a journal that was locked for an hour once meant an hour of events delivered again.
#[test]
fn a_journal_that_does_not_write_holds_the_intake_until_it_does() {
    let mut scene = kept_waiting(conduct());
    assert_eq!(scene.coordinator.appetite(), Appetite::Poll, "the group's membership hangs on it");
    assert_eq!(flows(&scene.settled(1, 3)), [], "nothing is in flight, and still nothing is admitted");
    assert_eq!(flows(&scene.tick(Duration::from_secs(3_600))), []);
    assert_eq!(flows(&scene.step(written(1, None))), [Flow::Open]);
    assert_eq!(progress(&scene.tick(Duration::from_millis(200))), [4]);
}

#[test]
fn a_journal_that_does_not_write_holds_up_neither_a_revocation_nor_a_stop() {
    let mut scene = kept_waiting(conduct());
    scene.settled(1, 3);
    let actions = scene.step(Input::Polled(Polled::Revoking(vec![slot(0)])));
    assert!(jobs(&actions).any(|job| job.ticket == Some(Ticket::Revoke(1))), "{actions:?}");
    scene.step(written(1, None));
    let actions = scene.step(written(4, Some(Ticket::Revoke(1))));
    assert!(matches!(actions[..], [Action::CommitNow(_, Ticket::Revoke(1))]), "{actions:?}");
    let actions = scene.step(Input::Report(Report::CommittedNow { results: Vec::new(), ticket: Ticket::Revoke(1) }));
    assert!(actions.iter().any(|action| matches!(action, Action::Release(_))), "{actions:?}");
    assert_eq!(flows(&scene.tick(Duration::from_secs(1))), [Flow::Open]);

    let mut scene = kept_waiting(conduct());
    scene.settled(1, 3);
    let actions = scene.step(Input::Stop(StopLevel::Drain));
    assert!(jobs(&actions).any(|job| job.ticket == Some(Ticket::Last)), "{actions:?}");
}

#[test]
fn a_source_that_is_held_is_not_idle() {
    let idle_exit = Some(Duration::from_secs(60));
    let mut scene = kept_waiting(Conduct { idle_exit, ..conduct() });
    scene.settled(1, 3);
    let is_draining = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Draining(_)));
    assert!(!is_draining(&scene.tick(Duration::from_secs(61))));
    scene.step(written(1, None));
    assert!(!is_draining(&scene.tick(Duration::from_secs(1))));
    scene.step(written(4, None));
    assert!(is_draining(&scene.tick(Duration::from_secs(61))));
}

/// Only what is polled can come: a full budget once ended a run with records still to be read.
#[test]
fn a_run_is_idle_only_after_a_time_with_nothing_in_flight() {
    let idle_exit = Some(Duration::from_secs(60));
    let mut scene = Scene::begin(Conduct { idle_exit, ..conduct() }, 1);
    let is_draining = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Draining(_)));
    assert!(!is_draining(&scene.tick(Duration::from_secs(90))), "its receiver hangs");
    assert!(!is_draining(&scene.settled(0, 1)) && !is_draining(&scene.tick(Duration::from_secs(59))));
    assert!(is_draining(&scene.tick(Duration::from_secs(1))));
}

/// A partition that is written to all the time would be read for as long as the others take.
#[test]
fn what_is_produced_behind_the_end_is_not_read() {
    let mut scene = Scene::new(Conduct { until_end: UntilEnd::Yes, ..conduct() });
    scene.offered(vec![offer(slot(0), &topic("orders"), 3), offer(slot(1), &topic("orders"), 1)]);
    (0..2).for_each(|offset| drop(scene.poll(offset)));
    assert!(scene.poll(5).iter().all(|action| !matches!(action, Action::Draining(_))), "the other one goes on");
    assert_eq!(scene.coordinator.load().records, 2);
    scene.settled(0, 2);
    assert_eq!(progress(&scene.tick(Duration::from_millis(200))), [3], "up to the end, and no further");
    let actions = scene.step(Input::Polled(Polled::AtEnd(slot(1), next(4))));
    assert!(actions.iter().any(|action| matches!(action, Action::Draining(StopReason::Done))), "{actions:?}");
}

#[test]
fn an_older_commit_that_was_refused_does_not_spoil_the_last_one() {
    let mut scene = Scene::begin(conduct(), 2);
    scene.settled(0, 2);
    scene.step(Input::Stop(StopLevel::Drain));
    let marks = last_commit(&scene.journaled(2, Some(Ticket::Last)));
    let older = Mark { next: next(1), ..marks[0].clone() };
    let refused = Err(CommitError::Rebalancing { message: "rebalance in progress".into() });
    let results = vec![(older, refused), (marks[0].clone(), Ok(()))];
    let actions = scene.step(Input::Report(Report::CommittedNow { results, ticket: Ticket::Last }));
    assert_eq!(finished(&actions), Some(&StopReason::Asked));
}

/// Else a first commit that is lost leaves a journal that saw records, and a group that saw none.
#[test]
fn a_fresh_start_is_committed_before_anything_read_from_it_is_told() {
    let mut scene = Scene::fresh(2);
    scene.settled(0, 1);
    assert_eq!(ranges(&scene.tick(Duration::from_millis(200))), [(0, 0)], "the start alone");
    let actions = scene.journaled(0, None);
    let Some(Action::Commit(marks)) = actions.first() else { panic!("{actions:?}") };
    scene.settled(1, 1);
    assert!(ranges(&scene.tick(Duration::from_millis(200))).is_empty(), "its commit was not answered");
    let lost = Err(CommitError::Unanswered { message: "no broker".into() });
    scene.step(Input::Polled(Polled::Committed(vec![(marks[0].clone(), lost)])));
    let actions = scene.tick(Duration::from_millis(200));
    assert!(matches!(&actions[..], [Action::Commit(again)] if again == marks), "tried again, with nothing told: {actions:?}");
    let actions = scene.step(Input::Polled(Polled::Committed(vec![(marks[0].clone(), Ok(()))])));
    assert_eq!(ranges(&actions), [(0, 2)], "and now the rest at once");
}

#[test]
fn the_end_of_a_fresh_start_takes_two_rounds() {
    for is_revoked in [false, true] {
        for is_accepted in [false, true] {
            let mut scene = Scene::fresh(2);
            scene.settled(0, 2);
            let ticket = if is_revoked { Ticket::Revoke(1) } else { Ticket::Last };
            let actions = if is_revoked {
                scene.step(Input::Polled(Polled::Revoking(vec![slot(0)])))
            } else {
                scene.step(Input::Stop(StopLevel::Drain))
            };
            assert_eq!(ranges(&actions), [(0, 0)]);
            let mark = last_commit(&scene.journaled(0, Some(ticket))).remove(0);
            let answer = |mark: Mark, is_accepted| {
                let result = if is_accepted { Ok(()) } else { Err(CommitError::Unanswered { message: "no broker".into() }) };
                Input::Report(Report::CommittedNow { results: vec![(mark, result)], ticket })
            };
            let mut actions = scene.step(answer(mark, is_accepted));
            if is_accepted {
                assert_eq!(ranges(&actions), [(0, 2)]);
                let mark = last_commit(&scene.journaled(2, Some(ticket))).remove(0);
                assert_eq!(mark.next, next(2));
                actions = scene.step(answer(mark, true));
            }
            assert!(ranges(&actions).is_empty(), "nothing that no commit vouches for: {actions:?}");
            let is_over = match ticket {
                Ticket::Revoke(_) => actions.iter().any(|action| matches!(action, Action::Release(_))),
                Ticket::Last if is_accepted => finished(&actions) == Some(&StopReason::Asked),
                Ticket::Last => matches!(finished(&actions), Some(StopReason::NotCommitted(_))),
            };
            assert!(is_over, "{ticket:?} {is_accepted} {actions:?}");
        }
    }
}

/// Two rounds meet: what one of them has sent to the journal is not there yet when the other one looks.
#[test]
fn the_last_commit_waits_for_progress_that_is_on_its_way() {
    let revoking = || Input::Polled(Polled::Revoking(vec![slot(0)]));
    let answer = |mark: &Mark, ticket| Input::Report(Report::CommittedNow { results: vec![(mark.clone(), Ok(()))], ticket });
    let revoke = Ticket::Revoke(1);

    // The commit of a fresh start is answered during the last round of its slot.
    let mut scene = Scene::fresh(2);
    scene.settled(0, 2);
    scene.tick(Duration::from_millis(200));
    let actions = scene.journaled(0, None);
    let Some(Action::Commit(marks)) = actions.first() else { panic!("{actions:?}") };
    scene.step(revoking());
    let actions = scene.step(Input::Polled(Polled::Committed(vec![(marks[0].clone(), Ok(()))])));
    assert_eq!(ranges(&actions), [(0, 2)]);
    let actions = scene.journaled(0, Some(revoke));
    assert!(jobs(&actions).any(|job| job.ticket == Some(revoke)) && actions.len() == 1, "not given back yet: {actions:?}");
    scene.journaled(2, None);
    assert_eq!(last_commit(&scene.journaled(2, Some(revoke)))[0].next, next(2));

    // The run is stopped between the two rounds of a revocation.
    let mut scene = Scene::fresh(2);
    scene.settled(0, 2);
    scene.step(revoking());
    scene.step(Input::Stop(StopLevel::Drain));
    let mark = last_commit(&scene.journaled(0, Some(revoke))).remove(0);
    assert_eq!(ranges(&scene.step(answer(&mark, revoke))), [(0, 2)]);
    let actions = scene.journaled(0, Some(Ticket::Last));
    assert_eq!(finished(&actions), None, "what settled is not committed yet");
    let mark = last_commit(&scene.journaled(2, Some(revoke))).remove(0);
    assert_eq!(mark.next, next(2));
    scene.step(answer(&mark, revoke));
    assert_eq!(finished(&scene.journaled(2, Some(Ticket::Last))), Some(&StopReason::Asked));
}

/// What the broker will not have is an incident until it has it; what passes by itself is none.
#[test]
fn a_commit_that_is_refused_is_an_incident_until_one_is_accepted() {
    let mut scene = Scene::begin(conduct(), 1);
    scene.settled(0, 1);
    scene.tick(Duration::from_millis(200));
    let actions = scene.journaled(1, None);
    let Some(Action::Commit(marks)) = actions.first() else { panic!("{actions:?}") };
    let mut answer = |result| {
        let actions = scene.step(Input::Polled(Polled::Committed(vec![(marks[0].clone(), result)])));
        let told = jobs(&actions).flat_map(|job| &job.entries).filter_map(|entry| match entry {
            Entry::Incident(incident) => Some((incident.key.kind, true)),
            Entry::IncidentEnded(key) => Some((key.kind, false)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(answer(Err(CommitError::Rebalancing { message: "rebalance in progress".into() })), []);
    assert_eq!(answer(Err(CommitError::Unanswered { message: "no broker".into() })), []);
    assert_eq!(answer(Err(CommitError::Refused { message: "not authorized".into() })), [(IncidentKind::CommitRefused, true)]);
    assert_eq!(answer(Ok(())), [(IncidentKind::CommitRefused, false)]);
}

/// Whatever was found out before the run halts is written, because the start that goes with it may be committed.
#[test]
fn a_halt_keeps_what_was_found_before_it() {
    let mut scene = Scene::new(Conduct { on_gap: OnGap::Halt, on_truncation: OnTruncation::Latest, ..conduct() });
    let orders = topic("orders");
    let at = |index: u32, committed: i64, low: i64| Offer {
        committed: Some(Committed { next: next(committed), metadata: String::new() }),
        low: next(low),
        ..offer(slot(index), &orders, 100)
    };
    let actions = scene.offered(vec![at(0, 200, 0), at(1, 5, 10)]);
    let incidents = jobs(&actions).flat_map(|job| &job.entries).filter_map(|entry| match entry {
        Entry::Incident(incident) => Some(incident.key.kind.as_str()),
        _ => None,
    });
    assert_eq!(incidents.collect::<Vec<_>>(), ["truncated", "gap"]);
}
