//! What waits for a schema, and what goes on meanwhile.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::codec::framing::SchemaId;
use crate::codec::schema::{Lookup, SchemaKind, SchemaText};
use crate::engine::ledger::{IncidentKind, PassedOver, WhyNot};
use crate::engine::schemas::SchemaSource;
use crate::receiver::Needs;
use crate::record::{Meant, ReceiverIx};

/// Of this schema the first question comes too early.
const LATE: u32 = 77;

/// A registry that is away until it is told to come back, and has these schemas, all of them JSON's.
#[derive(Default)]
struct Shelf {
    has: Mutex<HashSet<u32>>,
    is_away: Mutex<bool>,
    asked: Mutex<HashMap<SchemaId, usize>>,
}

impl SchemaSource for Shelf {
    fn name(&self) -> &str {
        "shelf"
    }

    fn look_up(self: Arc<Self>, id: SchemaId) -> BoxFuture<'static, Lookup> {
        let SchemaId::Number(number) = id else { panic!("{id}") };
        let times = *self.asked.lock().unwrap().entry(id).and_modify(|times| *times += 1).or_insert(1);
        let found = if *self.is_away.lock().unwrap() {
            Lookup::Away("it does not answer".into())
        } else if self.has.lock().unwrap().contains(&number) || (number == LATE && times > 1) {
            Lookup::Found(SchemaText { kind: SchemaKind::Json, text: "{}".into(), references: Vec::new() })
        } else {
            Lookup::Unknown("it is not there".into())
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            found
        })
    }
}

/// A value framed with this schema.
fn framed(id: u32, value: &str) -> Option<Vec<u8>> {
    Some([&[0], &id.to_be_bytes()[..], value.as_bytes()].concat())
}

fn with(shelf: &Arc<Shelf>, bindings: Vec<Binding>) -> Plan {
    let schemas = Schemas { source: Some(Arc::clone(shelf) as Arc<dyn SchemaSource>), ..Schemas::default() };
    Plan { schemas, ..plan(bindings) }
}

fn shelf(has: &[u32]) -> Arc<Shelf> {
    Arc::new(Shelf { has: Mutex::new(has.iter().copied().collect()), ..Shelf::default() })
}

fn shelf_away(has: &[u32]) -> Arc<Shelf> {
    let shelf = shelf(has);
    *shelf.is_away.lock().unwrap() = true;
    shelf
}

fn run_aside(of: impl FnOnce() -> Ran + Send + 'static) -> std::thread::JoinHandle<Ran> {
    std::thread::Builder::new().name("run".to_owned()).spawn(of).unwrap()
}

/// Partition 0 names schema 1 in every third record, partition 1 schema 2 in all.
fn two_partitions(each: usize) -> Vec<Vec<doubles::Record>> {
    let plain = |at: usize| Some(format!("{{\"n\":{at}}}").into_bytes());
    let mixed = (0..each).map(|at| (None, if at % 3 == 1 { framed(1, &format!("{{\"n\":{at}}}")) } else { plain(at) }));
    let all = (0..each).map(|at| (None, framed(2, &format!("{{\"n\":{at}}}"))));
    vec![mixed.collect(), all.collect()]
}

/// Waits for something that happens on other threads.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn incidents(ledger: &MemoryLedger) -> (usize, usize) {
    let began = ledger.count(|entry| matches!(entry, Entry::Incident(of) if of.key.kind == IncidentKind::RegistryAway));
    let ended = ledger.count(|entry| matches!(entry, Entry::IncidentEnded(key) if key.kind == IncidentKind::RegistryAway));
    (began, ended)
}

#[test]
fn what_names_a_schema_is_decoded_in_order_and_asked_for_once() {
    let shelf = shelf(&[1, 2]);
    let seen = probe(|delivery| {
        let data: serde_json::Value = delivery.event.json().unwrap();
        assert_eq!(data["n"], offset(delivery), "without its frame");
        Answered::Now(Ok(()))
    });
    let source = MemorySource::bounded(two_partitions(400));
    let ran = run_all(source, MemoryLedger::default(), with(&shelf, vec![binding("one", &seen)]), &StopToken::default());
    assert_eq!((ran.summary.reason, ran.summary.counts.delivered), (StopReason::Done, 800));
    assert_eq!(ran.ledger.failures(), []);
    for partition in 0..2 {
        let given = seen.given.lock().unwrap();
        let offsets: Vec<_> = given.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect();
        assert_eq!(offsets, (0..400).collect::<Vec<_>>());
    }
    assert!(shelf.asked.lock().unwrap().values().all(|times| *times == 1), "{:?}", shelf.asked);
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Schema(of) if of.registry == "shelf")), 2);
    assert_eq!(incidents(&ran.ledger), (0, 0));
}

#[test]
fn a_registry_that_is_away_holds_only_what_needs_it() {
    // Of partition 1 all waits: more than the budget has room for.
    let shelf = shelf_away(&[2]);
    let mut partitions = two_partitions(3_000);
    partitions[0] = records(1, 3_000).remove(0);
    let seen = accepting();
    let (ledger, stop) = (MemoryLedger::default(), StopToken::default());
    let plan = with(&shelf, vec![binding("one", &seen)]);
    let running = {
        let ledger = ledger.clone();
        run_aside(move || run_all(MemorySource::bounded(partitions), ledger, plan, &stop))
    };
    let given = |partition| seen.given.lock().unwrap().iter().filter(|(of, _)| *of == partition).count();
    until("the others go on", || given(0) == 3_000);
    assert_eq!(given(1), 0);
    until("it is told", || incidents(&ledger).0 > 0);
    assert_eq!((ledger.failures(), incidents(&ledger).1), (vec![], 0));
    *shelf.is_away.lock().unwrap() = false;
    let ran = running.join().unwrap();
    assert_eq!((ran.summary.reason, ran.summary.counts.delivered), (StopReason::Done, 6_000));
    let offsets: Vec<_> = seen.given.lock().unwrap().iter().filter(|(of, _)| *of == 1).map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, (0..3_000).collect::<Vec<_>>());
    assert_eq!((ran.ledger.failures(), incidents(&ran.ledger).1), (vec![], 1));
    assert_eq!(ran.committed[..2], [Some(3_000), Some(3_000)]);
}

#[test]
fn a_stop_gives_up_what_waits_for_a_schema() {
    let shelf = shelf_away(&[]);
    let seen = accepting();
    let (ledger, stop) = (MemoryLedger::default(), StopToken::default());
    let mut plan = with(&shelf, vec![binding("one", &seen)]);
    plan.conduct.drain_timeout = Duration::from_secs(60);
    let source = MemorySource::bounded(vec![vec![(None, framed(1, "{}")), (None, Some(b"{}".to_vec()))]]).endless();
    let running = {
        let (ledger, stop) = (ledger.clone(), stop.clone());
        run_aside(move || run_all(source, ledger, plan, &stop))
    };
    until("it is told", || incidents(&ledger).0 > 0);
    stop.ask(StopLevel::Drain);
    let ran = running.join().unwrap();
    assert_eq!((ran.summary.reason, ran.summary.unsettled), (StopReason::Asked, 2));
    assert_eq!((ran.committed[0], ran.ledger.failures(), seen.given.lock().unwrap().len()), (None, vec![], 0));
}

#[test]
fn a_key_that_names_none_says_nothing_of_a_value() {
    let shelf = shelf(&[1]);
    let seen = accepting();
    let source = MemorySource::bounded(vec![vec![(framed(LATE, "{}"), framed(1, "{}")), (None, framed(LATE, "{}"))]]);
    let mut plan = with(&shelf, vec![binding("one", &seen)]);
    // The second is looked at when the first is done.
    plan.conduct.budget.records = 1;
    let ran = run_all(source, MemoryLedger::default(), plan, &StopToken::default());
    assert_eq!((ran.ledger.failures(), seen.given.lock().unwrap().len()), (vec![], 2));
}

#[test]
fn who_needs_only_bytes_asks_for_nothing() {
    struct Raw;
    impl Receiver for Raw {
        fn deliver(&self, delivery: Delivery) -> Step {
            assert_eq!(delivery.event.data().unwrap()[0], 0, "as it came");
            Step::Done(Ok(()))
        }

        fn needs(&self) -> Needs {
            Needs::Bytes
        }
    }
    let shelf = shelf_away(&[]);
    let raw = Binding { receiver: Arc::new(Raw), ..binding("raw", &accepting()) };
    let source = MemorySource::bounded(vec![vec![(None, framed(1, "{}")); 10]]);
    let ran = run_all(source, MemoryLedger::default(), with(&shelf, vec![raw]), &StopToken::default());
    assert_eq!((ran.summary.counts.delivered, shelf.asked.lock().unwrap().len()), (10, 0));
}

#[test]
fn a_replay_does_not_wait_for_a_registry() {
    let shelf = shelf_away(&[]);
    let seen = accepting();
    let mut records = records(1, 50).remove(0);
    records.insert(10, (None, framed(1, "{}")));
    // A key that cannot be read stays bytes.
    records.insert(20, (framed(1, "{}"), framed(9, "{}")));
    let meant = Meant::These(ReceiverSet::NONE.with(ReceiverIx(0)));
    let source = MemorySource::bounded(vec![records]).opened_for(meant);
    let mut plan = Plan { mode: Mode::Replay(7), ..with(&shelf, vec![binding("one", &seen)]) };
    plan.schemas.kept.insert(SchemaId::Number(9), SchemaText { kind: SchemaKind::Json, text: "{}".into(), references: Vec::new() });
    let ran = run_all(source, MemoryLedger::default(), plan, &StopToken::default());
    assert_eq!((ran.summary.reason, seen.given.lock().unwrap().len()), (StopReason::Done, 51));
    let passed = |entry: &Entry| matches!(entry, Entry::PassedOver(PassedOver { why: WhyNot::RegistryAway, .. }));
    assert_eq!((ran.ledger.count(passed), incidents(&ran.ledger)), (1, (0, 0)));
}

#[test]
fn what_the_journal_keeps_needs_no_registry() {
    let kept = SchemaText { kind: SchemaKind::Json, text: "{}".into(), references: Vec::new() };
    let seen = probe(|delivery| {
        let data = delivery.event.data().unwrap();
        let expected: &[u8] = if offset(delivery) == 0 { b"{}" } else { &[0, 0, 0, 0, 2, b'{', b'}'] };
        Answered::Now(if data == expected { Ok(()) } else { Err(ReceiverError::permanent("data", format!("{data:?}"))) })
    });
    let schemas = Schemas { source: None, kept: HashMap::from([(SchemaId::Number(1), kept)]) };
    let source = MemorySource::bounded(vec![vec![(None, framed(1, "{}")), (None, framed(2, "{}"))]]);
    let plan = Plan { schemas, ..plan(vec![binding("one", &seen)]) };
    let ran = run_all(source, MemoryLedger::default(), plan, &StopToken::default());
    assert_eq!(seen.given.lock().unwrap().clone(), [(0, 0), (0, 1)]);
    assert_eq!(ran.ledger.failures(), [], "what names none that is kept only looks like a frame");
}
