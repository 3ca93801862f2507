//! What was in hand when the process died, and what is in hand while it lives.

use std::time::Duration;

use super::*;
use crate::engine::ledger::{IncidentKind, Known};
use crate::receiver::Runs;
use crate::receiver::in_hand::Noting;
use crate::receiver::in_hand::samples::{MemoryHands, alone};
use crate::record::{Slot, Suspect, Suspects};

const SOON: Duration = Duration::from_secs(10);

/// A ledger that knows of deaths with the record at this offset of each partition in hand of `one`.
fn dead(partitions: u32, offset: i64, deaths: u32) -> MemoryLedger {
    let ledger = MemoryLedger::default();
    for index in 0..partitions {
        let slot = Slot { index, epoch: 1 };
        let offset = Offset::new(offset).unwrap();
        let suspect = Suspect { offset, receiver: "one".into(), deaths, runs: (11, 12) };
        let (debts, suspects) = (Debts::all(vec![offset]), Suspects::new(vec![suspect]));
        ledger.known.lock().unwrap().insert(index, Known { debts, suspects, ..doubles::unknown(slot) });
    }
    ledger
}

fn run_after(ledger: MemoryLedger, source: MemorySource, plan: Plan) -> Ran {
    run_all(source, ledger, plan, &StopToken::default())
}

fn with_hands(hands: &Arc<MemoryHands>, plan: Plan) -> Plan {
    Plan { hands: Some(Arc::<MemoryHands>::clone(hands)), ..plan }
}

#[test]
fn what_killed_the_process_twice_is_an_entry_and_everything_else_is_delivered() {
    let (one, two) = (accepting(), accepting());
    let source = MemorySource::bounded(records(2, 5));
    let ran = run_after(dead(2, 3, 2), source, plan(vec![binding("one", &one), binding("two", &two)]));
    assert_eq!((ran.summary.counts.delivered, ran.summary.counts.failed), (8, 2));
    assert_eq!(ran.committed[..2], [Some(5), Some(5)]);
    assert_eq!(ran.ledger.failures(), [(0, 3, "one".into()), (1, 3, "one".into())]);
    assert!(one.given.lock().unwrap().iter().all(|(_, offset)| *offset != 3), "it was not called");
    assert_eq!((one.given.lock().unwrap().len(), two.given.lock().unwrap().len()), (8, 10));
    let entries = ran.ledger.entries.lock().unwrap();
    let failed = entries.iter().find_map(|entry| match entry {
        Entry::Failed(failed) => {
            Some((failed.failure.class.as_str(), failed.failure.code.to_string(), failed.failure.message.clone()))
        }
        _ => None,
    });
    let message =
        "the process died twice while receiver one had orders/0/3 in hand, in the runs 11 and 12: it was not called again";
    let (class, code, said) = failed.unwrap();
    assert_eq!((class, code.as_str(), said.replace("/1/", "/0/").as_str()), ("unknown", "process_died", message));
}

#[test]
fn one_that_is_suspected_is_delivered_alone_and_that_is_told() {
    let _alone = alone();
    let (out, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    let one = probe(move |delivery| {
        if offset(delivery) != 0 {
            return Answered::Now(Ok(()));
        }
        let (out, most) = (Arc::clone(&out), Arc::clone(&most));
        Answered::Later(Box::pin(async move {
            most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            out.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }))
    });
    let ran = run_after(dead(4, 0, 1), MemorySource::bounded(records(4, 3)), plan(vec![binding("one", &one)]));
    assert_eq!((ran.summary.counts.delivered, highest.load(Ordering::SeqCst)), (12, 1));
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Delivered(_))), 4, "those four, and no other");
    for partition in 0..4 {
        let given = one.given.lock().unwrap();
        let of: Vec<_> = given.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect();
        assert_eq!(of, [0, 1, 2]);
    }
}

#[test]
fn a_run_that_is_stopped_does_not_wait_for_turns() {
    let _alone = alone();
    let stop = StopToken::default();
    let asks_to_stop = stop.clone();
    let one = probe(move |_| {
        asks_to_stop.ask(StopLevel::Drain);
        Answered::Later(Box::pin(std::future::pending()))
    });
    let ran = run_all(MemorySource::bounded(records(2, 1)).endless(), dead(2, 0, 1), plan(vec![binding("one", &one)]), &stop);
    assert_eq!((ran.summary.reason, ran.summary.unsettled), (StopReason::Asked, 2));
    assert_eq!(one.given.lock().unwrap().len(), 1);
}

#[test]
fn it_is_in_hand_whenever_its_code_runs_and_not_while_it_waits() {
    let hands = MemoryHands::new(8);
    let (first, seen) = (Arc::clone(&hands), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&seen);
    let one = probe(move |_| {
        let (hands, noted) = (Arc::clone(&first), Arc::clone(&noted));
        noted.lock().unwrap().push(hands.held());
        Answered::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            noted.lock().unwrap().push(hands.held());
            let (told, was_told) = tokio::sync::oneshot::channel();
            let waiting = Arc::clone(&hands);
            tokio::spawn(async move { told.send(waiting.held()).unwrap_or_default() });
            let meanwhile = was_told.await.unwrap_or_default();
            noted.lock().unwrap().extend([meanwhile, hands.held()]);
            Ok(())
        }))
    });
    let plan = with_hands(&hands, Plan { concurrency: NonZeroUsize::MIN, ..plan(vec![binding("one", &one)]) });
    let ran = run_after(MemoryLedger::default(), MemorySource::bounded(records(1, 1)), plan);
    assert_eq!(ran.summary.counts.delivered, 1);
    let it = vec!["one orders/0/0".to_owned()];
    assert_eq!(*seen.lock().unwrap(), [it.clone(), it.clone(), Vec::new(), it]);
    assert_eq!(hands.names.lock().unwrap().len(), 1, "named once");
    assert!(hands.held().is_empty());
}

/// A thread that was given up keeps its turn: else the next suspect is in hand as well when the process dies of the first one, and both
/// are condemned. Nobody waits for it, though.
#[test]
fn one_that_times_out_in_its_thread_is_in_hand_alone_until_it_comes_back() {
    let _alone = alone();
    let (hands, seen) = (MemoryHands::new(8), Arc::new(Mutex::new(Vec::new())));
    let (noted, held) = (Arc::clone(&seen), Arc::clone(&hands));
    let function = move |event: &crate::event::Event| {
        let is_first = {
            let mut noted = noted.lock().unwrap();
            noted.push((event.record().partition().number, held.held()));
            noted.len() == 1
        };
        let deadline = Instant::now() + SOON;
        while is_first && noted.lock().unwrap().len() < 3 && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    };
    let receivers = crate::receiver::Receivers::new().on_blocking("one", crate::receiver::ALL_TYPES, function);
    let receiver = Arc::clone(&receivers.iter().next().unwrap().receiver);
    let one = Binding { timeout: Duration::from_millis(20), retries: 0, receiver, ..binding("one", &accepting()) };
    let began = Instant::now();
    let ran = run_after(dead(3, 0, 1), MemorySource::bounded(records(3, 1)), with_hands(&hands, plan(vec![one])));
    assert!(began.elapsed() < SOON, "nobody waits for it");
    assert_eq!((ran.summary.counts.failed, ran.summary.counts.delivered), (1, 2));
    let seen = seen.lock().unwrap();
    let first = format!("one orders/{}/0", seen[0].0);
    assert!(seen.len() == 3 && seen.iter().all(|(_, held)| *held == [first.clone()]), "{seen:?}");
}

/// Notes what its own threads would.
struct Threaded(Mutex<Vec<Option<Noting>>>);

impl Receiver for Threaded {
    fn deliver(&self, delivery: Delivery) -> Step {
        self.0.lock().unwrap().push(delivery.noting);
        Step::Done(Ok(()))
    }

    fn runs(&self) -> Runs {
        Runs::OnThreads
    }
}

#[test]
fn one_with_threads_of_its_own_is_told_what_to_note() {
    let (hands, threaded) = (MemoryHands::new(1), Arc::new(Threaded(Mutex::default())));
    let binding = Binding { receiver: Arc::<Threaded>::clone(&threaded), ..binding("one", &accepting()) };
    let ran = run_after(MemoryLedger::default(), MemorySource::bounded(records(1, 3)), with_hands(&hands, plan(vec![binding])));
    assert_eq!(ran.summary.counts.delivered, 3);
    let noted = threaded.0.lock().unwrap();
    let offsets: Vec<_> = noted.iter().map(|noting| noting.as_ref().unwrap().item.offset.get()).collect();
    assert_eq!((offsets, noted[0].as_ref().unwrap().hands.all().len()), (vec![0, 1, 2], 1));
}

#[test]
fn one_that_blocks_the_loop_is_told_while_it_does() {
    let (hands, ledger) = (MemoryHands::new(8), MemoryLedger::default());
    let told = ledger.clone();
    let blocked = |entry: &Entry| matches!(entry, Entry::Incident(incident) if incident.key.kind == IncidentKind::LoopBlocked);
    let one = probe(move |_| {
        let told = told.clone();
        Answered::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            let deadline = Instant::now() + SOON;
            while told.count(blocked) == 0 && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Ok(())
        }))
    });
    let began = Instant::now();
    let ran = run_after(ledger, MemorySource::bounded(records(1, 1)), with_hands(&hands, plan(vec![binding("one", &one)])));
    assert!(began.elapsed() < SOON, "it was told");
    let entries = ran.ledger.entries.lock().unwrap();
    let incident = entries.iter().find_map(|entry| match entry {
        Entry::Incident(incident) => Some(incident),
        _ => None,
    });
    let incident = incident.unwrap();
    assert_eq!((incident.key.receiver.as_deref(), incident.count), (Some("one"), 1));
    assert!(incident.message.contains("with orders/0/0 in hand: blocking code belongs in on_blocking"), "{}", incident.message);
    let is_end = |entry: &Entry| matches!(entry, Entry::IncidentEnded(key) if key.kind == IncidentKind::LoopBlocked);
    assert_eq!(entries.iter().filter(|entry| is_end(entry)).count(), 1, "and that it went on");
}

/// Whoever asked for that ends the process next, and not what is in hand.
#[test]
fn a_run_that_is_to_end_at_once_disowns_what_is_in_hand() {
    let (hands, stop) = (MemoryHands::new(8), StopToken::default());
    let (asks_to_stop, disowned) = (stop.clone(), Arc::clone(&hands));
    let one = probe(move |_| {
        asks_to_stop.ask(StopLevel::Now);
        let deadline = Instant::now() + SOON;
        while !disowned.is_disowned.load(Ordering::SeqCst) && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Answered::Now(Ok(()))
    });
    let plan = with_hands(&hands, plan(vec![binding("one", &one)]));
    run_all(MemorySource::bounded(records(1, 1)), MemoryLedger::default(), plan, &stop);
    assert!(hands.is_disowned.load(Ordering::SeqCst));
}
