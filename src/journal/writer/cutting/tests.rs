//! Whatever settles of what was missed, what is left is exactly the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use crate::engine::detached::Range;
use crate::engine::doubles::next;
use crate::engine::ledger::{Entry, Ledger as _, PassedOver, WhyNot};
use crate::engine::missed::{KnownDeferred, Stray};
use crate::journal::Writer;
use crate::journal::samples::Scene;
use crate::offsets::Recall as _;
use crate::record::Suspects;

fn stray(scene: &Scene, receiver: &str, from: i64, to: i64) -> Stray {
    let missed = KnownDeferred { receiver: receiver.into(), range: Range { from: next(from), to: next(to) } };
    Stray { topic: Arc::clone(&scene.partition.topic), partition: scene.partition.number, missed, suspects: Suspects::default() }
}

/// The offsets that a receiver still misses.
fn open(scene: &Scene, receiver: &str) -> BTreeSet<i64> {
    let missed = scene.reader().missed("shop", &scene.partition.topic).unwrap();
    let its = missed.values().flatten().filter(|of| of.receiver == receiver);
    let mut open = BTreeSet::new();
    for offset in its.flat_map(|of| of.from.get()..of.to.get()) {
        assert!(open.insert(offset), "{offset} is missed twice");
    }
    open
}

/// What was missed by a run that has ended.
fn missed(scene: &Scene, ranges: &[(&str, i64, i64)]) {
    let entries: Vec<_> = ranges.iter().map(|(receiver, from, to)| scene.deferred(receiver, (*from, *to), 3)).collect();
    let mut writer = scene.writer();
    writer.append(&entries).unwrap();
    writer.end(crate::engine::ledger::RunEnd::Done, Some(0)).unwrap();
}

fn taken(scene: &Scene, of: &[Stray]) -> (Writer, usize, usize) {
    let (mut writer, _) = scene.replayer();
    let taken = writer.take_missed(of).unwrap();
    (writer, taken.ours.len(), taken.held.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_exactly_what_did_not_settle(
        chunks in prop::collection::vec(prop::collection::vec((0i64..30, 0..4u8), 0..12), 1..5),
    ) {
        let scene = Scene::new();
        missed(&scene, &[("billing", 3, 14), ("billing", 17, 18), ("billing", 20, 28), ("audit", 5, 25)]);
        let (mut writer, ours, held) = taken(&scene, &[stray(&scene, "billing", 0, 100), stray(&scene, "audit", 0, 100)]);
        prop_assert_eq!((ours, held), (4, 0));
        let (mut billing, mut audit) = (open(&scene, "billing"), open(&scene, "audit"));
        prop_assert_eq!((billing.len(), audit.len()), (20, 20));
        for chunk in &chunks {
            let entry = |(offset, what): &(i64, u8)| match what {
                0 => scene.delivered(*offset, "billing"),
                1 => scene.failed(*offset, "billing", &["no"]),
                2 => scene.delivered(*offset, "audit"),
                _ => scene.passed_over(*offset, Some("billing")),
            };
            writer.append(&chunk.iter().map(entry).collect::<Vec<_>>()).unwrap();
            for (offset, what) in chunk {
                match what {
                    0 | 1 => drop(billing.remove(offset)),
                    2 => drop(audit.remove(offset)),
                    // Its receiver was down.
                    _ => {}
                }
            }
            prop_assert_eq!((open(&scene, "billing"), open(&scene, "audit")), (billing.clone(), audit.clone()));
        }
    }
}

#[test]
fn what_another_run_delivers_is_left_to_it() {
    let scene = Scene::new();
    let mut consumer = scene.writer();
    consumer.append(&[scene.deferred("billing", (10, 20), 10)]).unwrap();
    let (mut replayer, ours, held) = taken(&scene, &[stray(&scene, "billing", 12, 15), stray(&scene, "audit", 12, 15)]);
    assert_eq!((ours, held), (0, 1), "its run lives");
    replayer.append(&[scene.delivered(12, "billing")]).unwrap();
    assert_eq!(open(&scene, "billing").len(), 10, "whoever delivers it says how far it came");
    consumer.append(&[scene.caught_up("billing", (10, 20))]).unwrap();
    assert_eq!(open(&scene, "billing"), BTreeSet::new());
}

/// A consumer of the partition comes while a replay, or one that had it before, delivers what lies below.
#[test]
fn how_far_one_run_came_says_nothing_of_what_another_one_took() {
    let scene = Scene::new();
    missed(&scene, &[("billing", 10, 20)]);
    let (_replayer, ours, _) = taken(&scene, &[stray(&scene, "billing", 10, 20)]);
    assert_eq!(ours, 1);
    let mut consumer = scene.writer();
    consumer.append(&[scene.deferred("billing", (20, 30), 10)]).unwrap();
    consumer.append(&[scene.caught_up("billing", (10, 30))]).unwrap();
    assert_eq!(open(&scene, "billing"), (10..20).collect());
}

/// The earlier one was another run's, which died while this one came.
#[test]
fn how_far_one_range_was_delivered_says_nothing_of_another_one_of_the_same_run() {
    let scene = Scene::new();
    let mut consumer = scene.writer();
    consumer.append(&[scene.deferred("billing", (10, 20), 10), scene.deferred("billing", (50, 60), 10)]).unwrap();
    consumer.append(&[scene.caught_up("billing", (50, 55))]).unwrap();
    consumer.append(&[scene.caught_up("billing", (55, 60))]).unwrap();
    assert_eq!(open(&scene, "billing"), (10..20).collect());
    consumer.append(&[scene.caught_up("billing", (10, 60))]).unwrap();
    assert_eq!(open(&scene, "billing"), BTreeSet::new(), "both, when they were read together");
}

#[test]
fn what_is_missed_again_after_a_reset_is_that_alone() {
    let scene = Scene::new();
    let mut consumer = scene.writer();
    consumer.append(&[scene.deferred("billing", (0, 1_000), 10), scene.caught_up("billing", (0, 1_000))]).unwrap();
    consumer.append(&[scene.deferred("billing", (0, 10), 10)]).unwrap();
    assert_eq!(open(&scene, "billing"), (0..10).collect());
    consumer.append(&[scene.deferred("billing", (10, 20), 10)]).unwrap();
    assert_eq!(open(&scene, "billing"), (0..20).collect());
}

#[test]
fn what_a_receiver_is_not_to_have_is_not_missed() {
    let scene = Scene::new();
    missed(&scene, &[("billing", 0, 9), ("audit", 0, 9)]);
    let (mut writer, ..) = taken(&scene, &[stray(&scene, "billing", 0, 9), stray(&scene, "audit", 0, 9)]);
    let passed_over = |offset, receiver: Option<&str>, why| match scene.passed_over(offset, receiver) {
        Entry::PassedOver(passed_over) => Entry::PassedOver(PassedOver { why, ..passed_over }),
        other => other,
    };
    let entries = [
        passed_over(1, Some("billing"), WhyNot::NotRouted),
        passed_over(2, Some("billing"), WhyNot::SkippedByRule),
        passed_over(3, None, WhyNot::Unrecognized),
        passed_over(4, None, WhyNot::SkippedByRule),
        passed_over(5, None, WhyNot::RegistryAway),
        scene.sample(crate::journal::samples::Sample {
            offset: 6,
            receiver: None,
            stage: crate::failure::Stage::Decode,
            messages: vec!["no".into()],
            ..Default::default()
        }),
    ];
    writer.append(&entries).unwrap();
    assert_eq!(open(&scene, "billing"), BTreeSet::from([0, 4, 5, 7, 8]));
    assert_eq!(open(&scene, "audit"), BTreeSet::from([0, 1, 2, 4, 5, 7, 8]));
}
