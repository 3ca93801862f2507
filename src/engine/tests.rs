//! The engine as a whole, on a source and a ledger in memory.

mod limits;
mod outages;
mod replays;
mod rules;
mod schemas;
mod suspects;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::doubles::{MemoryLedger, MemorySource, next};
use super::*;
use crate::engine::coordinator::Input;
use crate::engine::flow::Budget;
use crate::engine::ledger::{Entry, LedgerError};
use crate::engine::observer::{Observer, Unobserved};
use crate::engine::report::{StopLevel, StopReason};
use crate::engine::schemas::Schemas;
use crate::engine::stop::StopToken;
use crate::failure::Stage;
use crate::receiver::{Delivery, OnOutage, Receiver, ReceiverError, Step};
use crate::record::{Debts, Offset, ReceiverSet};
use crate::stage::TypeFrom;

type Asked = Box<dyn Fn(&Delivery) -> Answered + Send + Sync>;

enum Answered {
    Now(Result<(), ReceiverError>),
    Later(BoxFuture<'static, Result<(), ReceiverError>>),
}

/// A receiver that answers as a closure says, and remembers what it was given.
struct Probe {
    given: Mutex<Vec<(i32, i64)>>,
    ask: Asked,
}

impl Receiver for Arc<Probe> {
    fn deliver(&self, delivery: Delivery) -> Step {
        let record = delivery.event.record();
        self.given.lock().unwrap().push((record.partition().number, record.offset().get()));
        match (self.ask)(&delivery) {
            Answered::Now(answer) => Step::Done(answer),
            Answered::Later(future) => Step::Pending(future),
        }
    }
}

fn probe(ask: impl Fn(&Delivery) -> Answered + Send + Sync + 'static) -> Arc<Probe> {
    Arc::new(Probe { given: Mutex::default(), ask: Box::new(ask) })
}

fn accepting() -> Arc<Probe> {
    probe(|_| Answered::Now(Ok(())))
}

fn offset(delivery: &Delivery) -> i64 {
    delivery.event.record().offset().get()
}

fn binding(name: &str, receiver: &Arc<Probe>) -> Binding {
    doubles::binding(name, Arc::new(Arc::clone(receiver)))
}

fn plan(bindings: Vec<Binding>) -> Plan {
    doubles::plan(bindings, conduct())
}

fn conduct() -> Conduct {
    Conduct {
        budget: Budget { records: 1_000, bytes: 1 << 20 },
        commit_interval: Duration::from_millis(10),
        drain_timeout: Duration::from_millis(500),
        type_from: TypeFrom::Topic,
        ..doubles::conduct()
    }
}

fn records(partitions: usize, each: usize) -> Vec<Vec<doubles::Record>> {
    let record = |at: usize| (Some(format!("key-{}", at % 7).into_bytes()), Some(format!("{{\"n\":{at}}}").into_bytes()));
    (0..partitions).map(|_| (0..each).map(record).collect()).collect()
}

struct Ran {
    summary: Summary,
    ledger: MemoryLedger,
    /// Per partition the highest committed position.
    committed: Vec<Option<i64>>,
}

fn run_all(source: MemorySource, ledger: MemoryLedger, plan: Plan, stop: &StopToken) -> Ran {
    let seen = Arc::clone(&source.seen);
    let observer: Arc<dyn Observer> = Arc::new(Unobserved);
    let finished = run(Box::new(source), Box::new(ledger.clone()), plan, stop, &observer).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.is_closed, "the source is closed at the end");
    let highest = |index| seen.commits.iter().filter(|mark| mark.slot.index == index).map(|mark| mark.next.get()).max();
    Ran { summary: finished.summary, ledger, committed: (0..4).map(highest).collect() }
}

fn run_bounded(partitions: usize, each: usize, plan: Plan) -> Ran {
    run_all(MemorySource::bounded(records(partitions, each)), MemoryLedger::default(), plan, &StopToken::default())
}

#[test]
fn every_receiver_gets_every_record_once_and_in_order() {
    let (one, two) = (accepting(), accepting());
    let ran = run_bounded(3, 500, plan(vec![binding("one", &one), binding("two", &two)]));
    assert_eq!(ran.summary.reason, StopReason::Done);
    assert_eq!(ran.summary.counts.delivered, 1_500);
    assert_eq!(ran.committed, [Some(500), Some(500), Some(500), None]);
    for receiver in [&one, &two] {
        let given = receiver.given.lock().unwrap();
        assert_eq!(given.len(), 1_500);
        for partition in 0..3 {
            let offsets: Vec<_> = given.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect();
            assert_eq!(offsets, (0..500).collect::<Vec<_>>());
        }
    }
    assert_eq!(ran.ledger.failures(), []);
}

#[test]
fn a_failing_a_panicking_and_a_slow_receiver_cost_only_their_own() {
    let fine = accepting();
    let failing = probe(|delivery| {
        Answered::Now(if offset(delivery) % 10 == 3 { Err(ReceiverError::permanent("no_total", "no total")) } else { Ok(()) })
    });
    let panicking = probe(|delivery| {
        assert!(offset(delivery) != 50, "cannot bear the fiftieth");
        Answered::Now(Ok(()))
    });
    let panics_later = probe(|delivery| {
        let offset = offset(delivery);
        Answered::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(offset != 60, "cannot bear the sixtieth");
            Ok(())
        }))
    });
    let bindings = vec![
        binding("fine", &fine),
        binding("failing", &failing),
        binding("panicking", &panicking),
        binding("later", &panics_later),
    ];
    let ran = run_bounded(2, 100, plan(bindings));
    assert_eq!(fine.given.lock().unwrap().len(), 200);
    let mut expected = Vec::new();
    for partition in 0..2 {
        expected.extend((0..100).filter(|offset| offset % 10 == 3).map(|offset| (partition, offset, "failing".to_owned())));
        expected.extend([(partition, 50, "panicking".to_owned()), (partition, 60, "later".to_owned())]);
    }
    expected.sort();
    assert_eq!(ran.ledger.failures(), expected);
    assert_eq!(ran.summary.counts.failed, 24);
    assert_eq!(ran.summary.counts.delivered, 176);
    assert_eq!(ran.committed[..2], [Some(100), Some(100)]);
    // The receivers that did get a failed record are written beside it.
    let delivered = ran.ledger.count(|entry| matches!(entry, Entry::Delivered(_)));
    assert_eq!(delivered, 24 * 3);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("cannot bear to be let go");
    }
}

#[test]
fn a_receiver_that_panics_when_its_delivery_is_dropped_costs_only_its_own() {
    let fine = accepting();
    let held = probe(|delivery| {
        let (held, never) = (PanicsWhenDropped, offset(delivery) == 3);
        Answered::Later(Box::pin(async move {
            let _held = held;
            if never {
                std::future::pending::<()>().await;
            }
            Ok(())
        }))
    });
    let mut dropping = binding("dropping", &held);
    (dropping.timeout, dropping.retries) = (Duration::from_millis(20), 0);
    let ran = run_bounded(1, 10, plan(vec![binding("fine", &fine), dropping]));
    assert_eq!((ran.summary.reason, ran.committed[0]), (StopReason::Done, Some(10)));
    assert_eq!(fine.given.lock().unwrap().len(), 10);
    assert!(ran.ledger.failures().iter().all(|(_, _, receiver)| receiver == "dropping"));
}

#[test]
fn a_transient_failure_is_tried_again_and_holds_only_its_lane() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let flaky = probe(move |delivery| {
        let heals = offset(delivery) != 5 || counted.fetch_add(1, Ordering::Relaxed) >= 2;
        Answered::Now(if heals { Ok(()) } else { Err(ReceiverError::transient("busy", "try later")) })
    });
    let ran = run_bounded(1, 20, plan(vec![binding("flaky", &flaky)]));
    assert_eq!(ran.ledger.failures(), [], "what succeeds on a retry leaves no entry");
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    let given: Vec<_> = flaky.given.lock().unwrap().iter().map(|(_, offset)| *offset).collect();
    let expected: Vec<_> = (0..5).chain([5, 5, 5]).chain(6..20).collect();
    assert_eq!(given, expected, "the lane waits for the retry");
}

#[test]
fn every_try_of_a_delivery_that_fails_is_kept() {
    let busy = probe(|_| Answered::Now(Err(ReceiverError::transient("busy", "try later"))));
    let ran = run_bounded(1, 1, plan(vec![binding("busy", &busy)]));
    let entries = ran.ledger.entries.lock().unwrap();
    let tries = entries.iter().find_map(|entry| match entry {
        Entry::Failed(failed) => Some(failed.failure.tries.len()),
        _ => None,
    });
    assert_eq!(tries, Some(3));
}

#[test]
fn a_receiver_that_never_answers_times_out() {
    let silent = probe(|_| Answered::Later(Box::pin(std::future::pending())));
    let mut silent_binding = binding("silent", &silent);
    silent_binding.timeout = Duration::from_millis(20);
    silent_binding.retries = 0;
    let ran = run_bounded(1, 3, plan(vec![silent_binding]));
    assert_eq!(ran.ledger.failures().len(), 3);
    assert_eq!(ran.committed[0], Some(3));
}

#[test]
fn a_journal_that_fails_stops_the_run_and_nothing_more_is_committed() {
    let failing =
        probe(|delivery| Answered::Now(if offset(delivery) == 500 { Err(ReceiverError::permanent("bad", "bad")) } else { Ok(()) }));
    let ledger = MemoryLedger::default();
    *ledger.left.lock().unwrap() = Some(0);
    let source = MemorySource::bounded(records(1, 1_000));
    let ran = run_all(source, ledger, plan(vec![binding("failing", &failing)]), &StopToken::default());
    assert!(matches!(ran.summary.reason, StopReason::Journal(_)), "{:?}", ran.summary.reason);
    assert_eq!(ran.committed[0], None);
}

/// A ledger that another process has locked; the thread unlocks it in the end, or when it is woken.
fn locked_for(time: Duration) -> (MemoryLedger, std::thread::JoinHandle<()>) {
    let ledger = MemoryLedger::default();
    ledger.is_locked.store(true, Ordering::Relaxed);
    let is_locked = Arc::clone(&ledger.is_locked);
    let unlock = move || {
        std::thread::park_timeout(time);
        is_locked.store(false, Ordering::Relaxed);
    };
    (ledger, std::thread::Builder::new().name("unlocking".into()).spawn(unlock).unwrap())
}

#[test]
fn a_locked_journal_is_waited_for() {
    let failing = probe(|_| Answered::Now(Err(ReceiverError::permanent("bad", "bad"))));
    let (ledger, unlocking) = locked_for(Duration::from_millis(200));
    let mut plan = plan(vec![binding("failing", &failing)]);
    plan.conduct.budget.records = 5;
    let ran = run_all(MemorySource::bounded(records(1, 20)), ledger, plan, &StopToken::default());
    unlocking.join().unwrap();
    assert_eq!((ran.summary.reason, ran.committed[0]), (StopReason::Done, Some(20)));
    assert_eq!(ran.ledger.failures().len(), 20);
}

/// A run once waited for the lock for ever, whatever signals came.
#[test]
fn a_stop_is_obeyed_while_the_journal_is_locked() {
    for level in [StopLevel::Drain, StopLevel::Now] {
        let failing = probe(|_| Answered::Now(Err(ReceiverError::permanent("bad", "bad"))));
        let (ledger, stop) = (MemoryLedger::default(), StopToken::default());
        ledger.is_locked.store(true, Ordering::Relaxed);
        let asked = stop.clone();
        let stopping = std::thread::Builder::new()
            .name("stopping".into())
            .spawn(move || {
                std::thread::park_timeout(Duration::from_millis(100));
                asked.ask(level);
            })
            .unwrap();
        let began = Instant::now();
        let source = MemorySource::bounded(records(1, 20)).endless();
        let ran = run_all(source, ledger, plan(vec![binding("failing", &failing)]), &stop);
        stopping.join().unwrap();
        match level {
            StopLevel::Drain => {
                assert!(matches!(ran.summary.reason, StopReason::Journal(LedgerError::Locked { .. })), "{:?}", ran.summary.reason);
            }
            StopLevel::Now => assert_eq!(ran.summary.reason, StopReason::Asked),
        }
        assert_eq!(ran.committed[0], None);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

/// The time that a stop leaves once began to count when the lock was met, which may be at the very end.
#[test]
fn a_lock_that_is_met_at_the_end_of_a_drain_is_not_waited_for_anew() {
    let (ledger, stop) = (MemoryLedger::default(), StopToken::default());
    ledger.is_locked.store(true, Ordering::Relaxed);
    let asked = stop.clone();
    let hangs = probe(move |delivery| {
        if offset(delivery) < 5 {
            return Answered::Now(Ok(()));
        }
        asked.ask(StopLevel::Drain);
        Answered::Later(Box::pin(std::future::pending()))
    });
    let drain_timeout = Duration::from_secs(2);
    let plan = Plan {
        conduct: Conduct { commit_interval: Duration::from_secs(3_600), drain_timeout, ..conduct() },
        ..plan(vec![binding("hangs", &hangs)])
    };
    let began = Instant::now();
    let ran = run_all(MemorySource::bounded(records(1, 20)).endless(), ledger, plan, &stop);
    assert!(matches!(ran.summary.reason, StopReason::Journal(LedgerError::Locked { .. })), "{:?}", ran.summary.reason);
    assert_eq!(ran.committed[0], None);
    assert!(began.elapsed() < drain_timeout + Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Whoever ends a run by himself leaves nobody behind who waits for the lock without end.
#[test]
fn a_run_that_cannot_go_on_is_not_held_up_by_a_locked_journal() {
    let unasked = accepting();
    let longer = Duration::from_secs(10);
    let (ledger, unlocking) = locked_for(longer);
    let plan = Plan {
        guard: Guarding::On,
        conduct: Conduct { type_from: TypeFrom::CloudEvents, ..conduct() },
        ..plan(vec![binding("unasked", &unasked)])
    };
    let began = Instant::now();
    let ran = run_all(MemorySource::bounded(records(1, 20)).endless(), ledger, plan, &StopToken::default());
    assert!(matches!(ran.summary.reason, StopReason::Guard(_)), "{:?}", ran.summary.reason);
    assert!(began.elapsed() < longer / 2, "{:?}", began.elapsed());
    unlocking.thread().unpark();
    unlocking.join().unwrap();
}

/// The journal thread once missed the end that it had gathered together with what it could not write.
#[test]
fn a_journal_that_fails_in_its_last_transaction_does_not_hold_up_the_end() {
    for _ in 0..20 {
        let failing = probe(|_| Answered::Now(Err(ReceiverError::permanent("bad", "bad"))));
        let (ledger, stop) = (MemoryLedger::default(), StopToken::default());
        *ledger.left.lock().unwrap() = Some(1);
        stop.ask(StopLevel::Now);
        let source = MemorySource::bounded(records(1, 20)).endless();
        run_all(source, ledger, plan(vec![binding("failing", &failing)]), &stop);
    }
}

#[test]
fn a_stop_settles_what_it_can_and_gives_up_the_rest() {
    let stop = StopToken::default();
    let (asked, gate) = (stop.clone(), Arc::new(tokio::sync::Semaphore::new(10)));
    let slow = probe(move |delivery| {
        if offset(delivery) == 10 {
            asked.ask(StopLevel::Drain);
        }
        let gate = Arc::clone(&gate);
        Answered::Later(Box::pin(async move {
            gate.acquire().await.map(tokio::sync::SemaphorePermit::forget).map_err(ReceiverError::unknown)
        }))
    });
    let began = Instant::now();
    let source = MemorySource::bounded(records(1, 1_000)).endless();
    let ran = run_all(source, MemoryLedger::default(), plan(vec![binding("slow", &slow)]), &stop);
    assert_eq!(ran.summary.reason, StopReason::Asked);
    assert_eq!(ran.committed[0], Some(10), "committed is exactly what settled");
    assert!(ran.summary.unsettled > 0, "what was given up is told");
    assert_eq!(ran.ledger.failures(), [], "what was given up is no failure");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_slow_receiver_lets_the_fast_one_run_ahead_up_to_the_budget() {
    let fast = accepting();
    let stop = StopToken::default();
    let (asked, seen) = (stop.clone(), Arc::clone(&fast));
    let stuck = probe(move |_| {
        let (asked, seen) = (asked.clone(), Arc::clone(&seen));
        Answered::Later(Box::pin(async move {
            let deadline = Instant::now() + Duration::from_secs(5);
            while seen.given.lock().unwrap().len() < 100 && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            asked.ask(StopLevel::Drain);
            std::future::pending().await
        }))
    });
    let mut plan = plan(vec![binding("stuck", &stuck), binding("fast", &fast)]);
    plan.conduct.budget.records = 100;
    plan.conduct.drain_timeout = Duration::from_millis(50);
    let source = MemorySource::bounded(records(1, 1_000)).endless();
    let ran = run_all(source, MemoryLedger::default(), plan, &stop);
    assert_eq!(fast.given.lock().unwrap().len(), 100, "the budget bounds how far it runs ahead");
    assert_eq!(stuck.given.lock().unwrap().len(), 1);
    assert_eq!(ran.committed[0], None);
}

#[test]
fn keys_are_served_side_by_side_and_each_in_order() {
    let (out, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (Arc::clone(&out), Arc::clone(&most));
    let slow = probe(move |_| {
        let (out, most) = (Arc::clone(&counted.0), Arc::clone(&counted.1));
        Answered::Later(Box::pin(async move {
            most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            out.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }))
    });
    let mut plan = plan(vec![binding("slow", &slow)]);
    plan.conduct.order = Order::Key;
    let ran = run_bounded(1, 70, plan);
    assert_eq!(ran.summary.counts.delivered, 70);
    assert_eq!(most.load(Ordering::SeqCst), 7, "seven keys, seven lanes");
    let given = slow.given.lock().unwrap();
    for key in 0..7 {
        let offsets: Vec<_> = given.iter().map(|(_, offset)| *offset).filter(|offset| offset % 7 == key).collect();
        assert!(offsets.is_sorted(), "{offsets:?}");
    }
}

#[test]
fn concurrency_bounds_the_deliveries_of_a_receiver() {
    let (out, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (Arc::clone(&out), Arc::clone(&most));
    let slow = probe(move |_| {
        let (out, most) = (Arc::clone(&counted.0), Arc::clone(&counted.1));
        Answered::Later(Box::pin(async move {
            most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
            out.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }))
    });
    let mut plan = plan(vec![binding("slow", &slow)]);
    plan.conduct.order = Order::None;
    plan.concurrency = NonZeroUsize::new(4).unwrap();
    let ran = run_bounded(1, 50, plan);
    assert_eq!(ran.summary.counts.delivered, 50);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[test]
fn success_closes_debts() {
    let ledger = MemoryLedger::default();
    let slot = crate::record::Slot { index: 0, epoch: 1 };
    let known = ledger::Known { debts: Debts::all(vec![Offset::new(3).unwrap()]), highest: next(10), ..doubles::unknown(slot) };
    ledger.known.lock().unwrap().insert(0, known);
    let fine = accepting();
    let ran = run_all(MemorySource::bounded(records(1, 20)), ledger, plan(vec![binding("fine", &fine)]), &StopToken::default());
    let delivered = ran.ledger.count(|entry| matches!(entry, Entry::Delivered(delivered) if delivered.offset.get() == 3));
    let passed = ran.ledger.count(|entry| matches!(entry, Entry::Passed { offset, .. } if offset.get() == 3));
    assert_eq!((delivered, passed), (1, 1));
    assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Delivered(_))), 1, "clean records write nothing");
}

/// It failed to be identified once; now it is, and fails to be routed: that is another failure, and the old one is over.
#[test]
fn a_record_that_fails_at_a_later_stage_has_passed_the_earlier_ones() {
    let ledger = MemoryLedger::default();
    let slot = crate::record::Slot { index: 0, epoch: 1 };
    let known = ledger::Known { debts: Debts::all(vec![Offset::new(3).unwrap()]), ..doubles::unknown(slot) };
    ledger.known.lock().unwrap().insert(0, known);
    let elsewhere = Binding { types: vec!["other".into()], ..binding("elsewhere", &accepting()) };
    let ran = run_all(MemorySource::bounded(records(1, 5)), ledger, plan(vec![elsewhere]), &StopToken::default());
    assert_eq!(ran.ledger.failures().len(), 5);
    let passed = |entry: &Entry| matches!(entry, Entry::Passed { offset, through: Stage::Identify, .. } if offset.get() == 3);
    assert_eq!(ran.ledger.count(passed), 1);
}

#[test]
fn max_records_admits_no_more_and_settles_all() {
    let fine = accepting();
    let mut plan = plan(vec![binding("fine", &fine)]);
    plan.conduct.max_records = Some(7);
    let source = MemorySource::bounded(records(1, 100)).endless();
    let ran = run_all(source, MemoryLedger::default(), plan, &StopToken::default());
    assert_eq!((ran.summary.reason, ran.committed[0]), (StopReason::Done, Some(7)));
    assert_eq!(fine.given.lock().unwrap().len(), 7);
}

/// The last commit was once left out when the one before it had not been answered yet.
#[test]
fn the_last_commit_does_not_wait_for_the_one_before_it() {
    for _ in 0..20 {
        let one = accepting();
        let eager = Plan {
            conduct: Conduct { commit_interval: Duration::from_millis(1), ..conduct() },
            ..plan(vec![binding("one", &one)])
        };
        let ran = run_bounded(3, 500, eager);
        assert_eq!(ran.committed, [Some(500), Some(500), Some(500), None]);
    }
}

/// Regression: records that waited in an open batch held the whole budget, so the consumer stood still for seconds again and again.
#[test]
fn a_full_budget_leaves_nothing_in_an_open_batch() {
    let now = Instant::now();
    let slot = crate::record::Slot { index: 0, epoch: 1 };
    let plan = Plan { conduct: Conduct { budget: Budget { records: 20, bytes: 1 << 20 }, ..conduct() }, ..plan(Vec::new()) };
    let mut coordinator = coordinator::Coordinator::new(plan.coordinator(1), now);
    let mut actions = Vec::new();
    let offers = vec![doubles::offer(slot, &doubles::topic("t"), 100)];
    coordinator.step(Input::Polled(source::Polled::Offered(offers)), now, &mut actions);
    coordinator.step(Input::Report(report::Report::Known(vec![doubles::unknown(slot)])), now, &mut actions);
    actions.clear();
    for at in 0..20 {
        let raw = doubles::raw(slot, at, None, Some(b"{}"));
        coordinator.step(Input::Polled(source::Polled::Record(raw)), now, &mut actions);
    }
    let dispatched = actions.iter().map(|action| match action {
        report::Action::Dispatch(_, report::Dispatch(report::ToShard::Batch(batch))) => batch.len(),
        _ => 0,
    });
    assert_eq!(dispatched.sum::<usize>(), 20);
}
