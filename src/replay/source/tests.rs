//! The source of a replay against a journal that is locked, that knows who has a record, and a topic that was made again.

use crate::engine::doubles::{MemorySource, next, topic};
use crate::engine::ledger::Ledger as _;
use crate::failure::Stage;
use crate::journal::samples::{Sample, Scene};
use crate::journal::{Claims, FailureSelection, Selected, SelectedPartition};
use crate::record::{Debts, Offset, ReceiverIx, ReceiverSet, Suspects, Topic};

use super::*;

/// Far more polls than any of these needs.
const MANY: usize = 1_000;

fn itinerary(index: u32, topic: Arc<Topic>, number: i32, to: i64) -> Itinerary {
    let (slot, late_below) = (Slot { index, epoch: 1 }, NextOffset::ZERO);
    let partition = Partition { slot, topic, number, late_below, debts: Debts::unknown(), suspects: Suspects::default() };
    let spans = if to == 0 { Vec::new() } else { vec![Span { from: NextOffset::ZERO, to: next(to) }] };
    Itinerary { partition: Arc::new(partition), spans, missed: MissedHere::default() }
}

/// A topic of these many records in each partition.
fn records(partitions: usize, of_each: i64) -> Box<dyn Source> {
    let of_one = |_| (0..of_each).map(|n| (None, Some(n.to_string().into_bytes()))).collect();
    Box::new(MemorySource::bounded((0..partitions).map(of_one).collect()))
}

/// What is selected of a journal, claimed by a replay of it; its writer keeps the claims.
fn entries(scene: &Scene, rule: Rule, of: impl FnOnce(Vec<SelectedPartition>) -> Vec<Option<SelectedPartition>>) -> Entries {
    let mut selected = Selected::open(&scene.place()).unwrap();
    selected.select(&FailureSelection::default()).unwrap();
    let rows = of(selected.partitions().unwrap());
    let claims = Claims::open(&scene.place(), scene.replayer().0.run().run).unwrap();
    Entries::new(selected, claims, rows, rule, Bytes::OfTheJournal)
}

/// Slot and offset of all that comes, up to the end.
fn drain(source: &mut ReplaySource) -> Vec<(u32, i64)> {
    let mut came = Vec::new();
    for _ in 0..MANY {
        match source.poll(Duration::ZERO).unwrap() {
            Polled::Record(raw) => came.push((raw.slot.index, raw.offset.get())),
            Polled::End => return came,
            _ => {}
        }
    }
    panic!("it does not end: {came:?}")
}

#[test]
fn while_the_journal_is_locked_no_record_overtakes_another_or_is_lost() {
    let scene = Scene::new();
    scene.writer().append(&[scene.failed(3, "billing", &["a"])]).unwrap();
    let rule = Rule::Given(Meant::ALL);
    let entries = entries(&scene, rule, |mut all| vec![all.pop(), None]);
    let orders = topic("orders");
    let itineraries = vec![itinerary(0, Arc::clone(&orders), 0, 5), itinerary(1, orders, 1, 5)];
    let mut source = ReplaySource::new(itineraries, entries, Some(records(2, 5)), Asked::Records, Arc::default());

    let lock = rusqlite::Connection::open(scene.place().path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(source.poll(Duration::ZERO).unwrap(), Polled::Opened(_)));
    for _ in 0..4 {
        assert!(matches!(source.poll(Duration::ZERO).unwrap(), Polled::Idle));
    }
    lock.execute_batch("ROLLBACK").unwrap();
    let mut came = drain(&mut source);
    came.sort_unstable();
    assert_eq!(came, (0..2).flat_map(|slot| (0..5).map(move |offset| (slot, offset))).collect::<Vec<_>>());
}

#[test]
fn of_a_topic_that_was_made_again_the_new_one_is_read() {
    let scene = Scene::new();
    drop(scene.writer());
    let orders = topic("orders");
    let before = Arc::new(Topic { uuid: Some("BBBBBBBBBBBBBBBBBBBBBB".into()), ..(*orders).clone() });
    let itineraries = vec![itinerary(0, before, 0, 0), itinerary(1, orders, 0, 3)];
    let entries = entries(&scene, Rule::Given(Meant::ALL), |_| vec![None, None]);
    let mut source = ReplaySource::new(itineraries, entries, Some(records(1, 3)), Asked::Records, Arc::default());
    assert_eq!(drain(&mut source), [(1, 0), (1, 1), (1, 2)]);
}

#[test]
fn an_entry_from_before_any_receiver_is_for_those_that_do_not_have_it() {
    let scene = Scene::new();
    let undecoded = Sample { offset: 7, receiver: None, stage: Stage::Decode, ..Sample::default() };
    scene.writer().append(&[scene.sample(undecoded), scene.delivered(7, "audit")]).unwrap();
    let receivers = [("billing", 0), ("audit", 1)].map(|(name, at)| (name.to_owned(), ReceiverIx(at)));
    let mut entries = entries(&scene, Rule::Failed(receivers.into()), |mut all| vec![all.pop()]);
    let Ok(page) = entries.page(0) else { panic!("it cannot be read") };
    let audit = ReceiverSet::NONE.with(ReceiverIx(1));
    assert_eq!(page.due, [Due { offset: Offset::new(7).unwrap(), meant: Meant::AllBut(audit), entries: 1 }]);
}
