//! Claims against each other, and against what becomes of the entries meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::engine::ledger::{Ledger as _, RunEnd};
use crate::journal::samples::Scene;
use crate::journal::{FailureSelection, Window};

const ENTRIES: i64 = 6;

/// Entries 1 to 6, at offsets of the same numbers.
fn journal() -> Scene {
    let scene = Scene::new();
    let failed: Vec<_> = (1..=ENTRIES).map(|offset| scene.failed(offset, "billing", &["a"])).collect();
    scene.writer().append(&failed).unwrap();
    scene
}

impl Scene {
    fn claims(&self) -> Claims {
        let (writer, _) = self.replayer();
        Claims::open(&self.place(), writer.run().run).unwrap()
    }

    fn by_hand(&self, change: &str) {
        rusqlite::Connection::open(self.place().path).unwrap().execute_batch(change).unwrap();
    }
}

#[test]
fn what_one_replay_holds_no_other_one_gets() {
    let scene = journal();
    let (mut one, mut other) = (scene.claims(), scene.claims());
    assert_eq!(one.take(&[1, 2]).unwrap(), [Claim::Taken, Claim::Taken]);
    assert_eq!(other.take(&[3, 2, 99]).unwrap(), [Claim::Taken, Claim::Held, Claim::Missing]);
    assert_eq!(one.take(&[2, 3]).unwrap(), [Claim::Taken, Claim::Held], "it is taken again by whoever has it");
    let listed = scene.reader().failures(&FailureSelection::default(), Window::default()).unwrap().items;
    let replaying: Vec<_> = listed.iter().filter(|item| item.is_replaying).map(|item| item.id).collect();
    assert_eq!(replaying, [3, 2, 1]);

    other.give_back(&[2, 3]).unwrap();
    assert_eq!(one.take(&[3]).unwrap(), [Claim::Taken]);
    assert_eq!(other.take(&[2]).unwrap(), [Claim::Held], "nobody gives back what is another's");
}

#[test]
fn what_is_not_open_has_no_claims() {
    let scene = journal();
    scene.writer().append(&[scene.delivered(1, "billing")]).unwrap();
    scene.by_hand("UPDATE failure SET state = 'ignored', settled_at_us = 1, settled_by = 'hand' WHERE id = 2");
    assert_eq!(scene.claims().take(&[1, 2, 3]).unwrap(), [Claim::Resolved, Claim::Ignored, Claim::Taken]);
}

#[test]
fn a_claim_is_void_when_its_run_is_over_or_gone() {
    for gone in [
        "UPDATE run SET ended_at_us = alive_at_us WHERE id = 2",
        "UPDATE run SET alive_at_us = alive_at_us - 31000000 WHERE id = 2",
        "UPDATE run SET pid_started_at_us = 1 WHERE id = 2",
    ] {
        let scene = journal();
        let (mut one, mut other) = (scene.claims(), scene.claims());
        one.take(&[1]).unwrap();
        assert_eq!((one.run, other.take(&[1]).unwrap()), (2, vec![Claim::Held]));
        scene.by_hand(gone);
        assert_eq!(other.take(&[1]).unwrap(), [Claim::Taken], "{gone}");
        one.give_back(&[1]).unwrap();
        assert_eq!(scene.claims().take(&[1]).unwrap(), [Claim::Held], "a run that was thought gone takes nothing away: {gone}");
    }
}

#[test]
fn a_lock_is_told_soon_and_nothing_is_taken() {
    let scene = journal();
    let mut claims = scene.claims();
    let other = rusqlite::Connection::open(scene.place().path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun_at = Instant::now();
    assert!(matches!(claims.take(&[1]), Err(LedgerError::Locked { .. })));
    assert!(matches!(claims.give_back(&[1]), Err(LedgerError::Locked { .. })));
    assert!(begun_at.elapsed() < Duration::from_secs(10), "it does not wait as long as opening does");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(scene.claims().take(&[1]).unwrap(), [Claim::Taken]);
}

#[derive(Clone, Debug)]
enum Step {
    Take(usize, Vec<i64>),
    GiveBack(usize, Vec<i64>),
    Delivered(i64),
    Failed(i64),
    Ended(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || prop::collection::vec(1..=ENTRIES, 1..4);
    let step = prop_oneof![
        5 => (0..3usize, ids()).prop_map(|(run, ids)| Step::Take(run, ids)),
        2 => (0..3usize, ids()).prop_map(|(run, ids)| Step::GiveBack(run, ids)),
        2 => (1..=ENTRIES).prop_map(Step::Delivered),
        2 => (1..=ENTRIES).prop_map(Step::Failed),
        1 => (0..3usize).prop_map(Step::Ended),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_claims_of_runs_never_overlap(steps in steps()) {
        let scene = journal();
        let mut live = scene.writer();
        let mut writers: Vec<_> = (0..3).map(|_| scene.replayer().0).collect();
        let mut claims: Vec<_> = writers.iter().map(|writer| Claims::open(&scene.place(), writer.run().run).unwrap()).collect();
        // Who holds what; who has ended; what is resolved.
        let (mut held, mut ended, mut resolved) = (HashMap::<i64, usize>::new(), [false; 3], [false; 7]);
        for step in steps {
            match step {
                Step::Take(run, ids) => {
                    let expected: Vec<_> = ids.iter().map(|id| match held.get(id) {
                        _ if resolved[usize::try_from(*id).unwrap()] => Claim::Resolved,
                        Some(holder) if *holder != run && !ended[*holder] => Claim::Held,
                        _ => {
                            held.insert(*id, run);
                            Claim::Taken
                        }
                    }).collect();
                    prop_assert_eq!(claims[run].take(&ids).unwrap(), expected);
                }
                Step::GiveBack(run, ids) => {
                    claims[run].give_back(&ids).unwrap();
                    held.retain(|id, holder| *holder != run || !ids.contains(id));
                }
                Step::Delivered(id) => {
                    live.append(&[scene.delivered(id, "billing")]).unwrap();
                    held.remove(&id);
                    resolved[usize::try_from(id).unwrap()] = true;
                }
                Step::Failed(id) => {
                    live.append(&[scene.failed(id, "billing", &["b"])]).unwrap();
                    resolved[usize::try_from(id).unwrap()] = false;
                }
                Step::Ended(run) => {
                    writers[run].end(RunEnd::Done, Some(0)).unwrap();
                    ended[run] = true;
                }
            }
        }
    }
}
