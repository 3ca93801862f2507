//! The limit of errors in a row, and probation: a run that can neither go on nor reach its limit ends.

use std::num::NonZeroU32;

use super::*;
use crate::engine::flow::Budget;
use crate::engine::limit::Why;

/// On probation, with a limit that is never reached, and so many records of one byte more than their payload.
fn on_probation(conduct: Conduct, records: i64) -> Scene {
    let conduct = Conduct { max_consecutive_errors: NonZeroU32::new(1_000), ..conduct };
    let now = Instant::now();
    let options = CoordinatorOptions { probation: Probation::Yes, ..options(conduct) };
    let mut scene = Scene { coordinator: Coordinator::new(options, now), now };
    scene.offered(vec![offer(slot(0), &topic("orders"), 1_000)]);
    (0..records).for_each(|offset| drop(scene.poll(offset)));
    scene
}

fn judged(scene: &mut Scene, seq: u64, how: Settled) -> Vec<Action> {
    let run = SettledRun::of_one(slot(0), Seq(seq), how);
    scene.step(Input::Report(Report::Judged(JournalJob { runs: vec![run], ..JournalJob::default() })))
}

fn all_fail(scene: &mut Scene, seqs: std::ops::Range<u64>) -> Vec<Action> {
    seqs.flat_map(|seq| judged(scene, seq, Settled::Failed)).collect()
}

/// How many failed, and why no more, if the run ends by its limit.
fn stopped(actions: &[Action]) -> Option<(usize, Why)> {
    let [reached] = actions
        .iter()
        .filter_map(|action| match action {
            Action::Draining(StopReason::Limit(reached)) => Some((reached.count, reached.why)),
            _ => None,
        })
        .collect::<Vec<_>>()[..]
    else {
        return None;
    };
    Some(reached)
}

fn settles_nothing(actions: &[Action]) -> bool {
    jobs(actions).all(|job| job.runs.is_empty())
}

/// Held failures take room: a limit beyond that room was never reached, and nothing more was read, for ever.
#[test]
fn a_probation_that_fills_the_budget_is_given_up() {
    let conduct = Conduct { budget: Budget { records: 10, bytes: 1 << 20 }, ..conduct() };
    let mut scene = on_probation(conduct, 10);
    let actions = all_fail(&mut scene, 0..9);
    assert_eq!(stopped(&actions), None, "one is out, which may be delivered");
    let actions = judged(&mut scene, 9, Settled::Failed);
    assert_eq!(stopped(&actions), Some((10, Why::NoRoom)));
    assert!(settles_nothing(&actions), "{actions:?}");
    let said =
        actions.iter().find_map(|action| if let Action::Draining(reason) = action { Some(reason.to_string()) } else { None });
    assert!(said.unwrap().contains("so that the limit of 1000 is not reached: see --max-in-flight and"));
}

#[test]
fn a_probation_goes_on_when_the_last_of_a_full_budget_is_delivered() {
    let conduct = Conduct { budget: Budget { records: 10, bytes: 1 << 20 }, ..conduct() };
    let mut scene = on_probation(conduct, 10);
    all_fail(&mut scene, 0..9);
    let actions = scene.settled(9, 1);
    assert_eq!((stopped(&actions), jobs(&actions).filter(|job| !job.runs.is_empty()).count()), (None, 9));
}

/// A record that there is no room for waits for those that are held.
#[test]
fn a_probation_that_leaves_no_room_for_the_next_record_is_given_up() {
    // Each has three bytes: the fourth one is more than there may be.
    let conduct = Conduct { budget: Budget { records: 100, bytes: 11 }, ..conduct() };
    let mut scene = on_probation(conduct, 4);
    assert_eq!((scene.coordinator.load().bytes, scene.coordinator.parked.is_some()), (12, true));
    let actions = all_fail(&mut scene, 0..3);
    assert_eq!(stopped(&actions), Some((3, Why::NoRoom)));
    assert!(settles_nothing(&actions), "{actions:?}");
}

/// Once the source is held it is opened again when half of the budget is free, and not before.
#[test]
fn a_probation_that_never_opens_a_held_source_again_is_given_up() {
    let conduct = Conduct { budget: Budget { records: 10, bytes: 1 << 20 }, ..conduct() };
    let mut scene = on_probation(conduct, 10);
    assert_eq!(flows(&scene.tick(Duration::from_secs(2))), [Flow::Held]);
    all_fail(&mut scene, 0..6);
    let run = SettledRun { len: 4, ..SettledRun::of_one(slot(0), Seq(6), Settled::Skipped) };
    let actions = scene.step(Input::Report(Report::Settled(vec![run])));
    assert_eq!(stopped(&actions), Some((6, Why::NoRoom)));
}

/// What was held counted as something that is under way.
#[test]
fn a_probation_with_nothing_more_to_read_is_idle() {
    let mut scene = on_probation(Conduct { idle_exit: Some(Duration::from_secs(60)), ..conduct() }, 3);
    all_fail(&mut scene, 0..2);
    scene.tick(Duration::from_secs(90));
    let actions = judged(&mut scene, 2, Settled::Failed);
    assert!(stopped(&actions).is_none() && stopped(&scene.tick(Duration::from_secs(59))).is_none(), "one was out all the time");
    let actions = scene.tick(Duration::from_secs(2));
    assert_eq!(stopped(&actions), Some((3, Why::NothingMore)));
    assert!(settles_nothing(&actions), "{actions:?}");
}
