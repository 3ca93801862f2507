//! The limit of errors in a row, where a record has several receivers: what is counted, written and settled is a record with all that
//! became of it.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::engine::limit::{LimitReached, Probation};

fn failing() -> Arc<Probe> {
    probe(|_| Answered::Now(Err(ReceiverError::permanent("no_total", "no total"))))
}

/// Answers once the journal was looked at for a while: whatever could be written early would be there by then.
fn slow() -> Arc<Probe> {
    probe(|_| {
        Answered::Later(Box::pin(async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok(())
        }))
    })
}

fn limited(most: u32, probation: Probation, bindings: Vec<Binding>) -> Plan {
    let conduct = Conduct { max_consecutive_errors: NonZeroU32::new(most), ..conduct() };
    Plan { conduct, probation, ..plan(bindings) }
}

fn reached(ran: &Ran) -> LimitReached {
    let StopReason::Limit(reached) = &ran.summary.reason else { panic!("{:?}", ran.summary.reason) };
    LimitReached::clone(reached)
}

/// A record whose first receiver had failed was written while its second was out: a few more with every start.
#[test]
fn on_probation_nothing_is_written_of_a_record_that_another_receiver_has_still_to_get() {
    for first in [true, false] {
        let (bad, slow) = (binding("bad", &failing()), binding("slow", &slow()));
        let bindings = if first { vec![bad, slow] } else { vec![slow, bad] };
        let source = MemorySource::bounded(records(1, 100)).endless();
        let ran = run_all(source, MemoryLedger::default(), limited(3, Probation::Yes, bindings), &StopToken::default());
        let reached = reached(&ran);
        assert_eq!((reached.count, reached.receiver.as_deref(), reached.code.as_str()), (3, Some("bad"), "no_total"));
        assert_eq!(reached.place, "orders/0/2");
        assert_eq!((ran.ledger.failures(), ran.committed[0]), (Vec::new(), None));
        assert_eq!(ran.ledger.count(|entry| matches!(entry, Entry::Delivered(_))), 0);
    }
}

#[test]
fn what_is_written_at_the_limit_are_whole_records() {
    let bindings = vec![binding("bad", &failing()), binding("slow", &slow()), binding("fine", &accepting())];
    let source = MemorySource::bounded(records(1, 100)).endless();
    let ran = run_all(source, MemoryLedger::default(), limited(3, Probation::No, bindings), &StopToken::default());
    assert_eq!(reached(&ran).place, "orders/0/2");
    assert_eq!(ran.ledger.failures(), [0, 1, 2].map(|offset| (0, offset, "bad".to_owned())));
    assert_eq!((ran.ledger.count(|entry| matches!(entry, Entry::Delivered(_))), ran.committed[0]), (6, Some(3)));
}

/// The failure of one record once went to the journal with another one that happened to end in the same moment.
#[test]
fn a_failure_is_written_with_its_own_record_and_no_other() {
    // Each partition is a lane: the first record of the first one is out at `slow` until all others have ended, which fail there.
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (opens, is_open) = (Arc::clone(&gate), AtomicBool::new(false));
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    let waits = probe(move |delivery| {
        if delivery.event.record().partition().number == 0 {
            let gate = Arc::clone(&gate);
            return Answered::Later(Box::pin(async move { gate.acquire().await.map(drop).map_err(ReceiverError::unknown) }));
        }
        if counted.fetch_add(1, Ordering::SeqCst) == 9 && !is_open.swap(true, Ordering::SeqCst) {
            opens.add_permits(1);
        }
        Answered::Now(Err(ReceiverError::permanent("closed", "it is closed")))
    });
    let source = {
        let mut all = records(2, 10);
        all[0].truncate(1);
        MemorySource::bounded(all)
    };
    let bindings = vec![binding("bad", &failing()), binding("waits", &waits)];
    let ran = run_all(source, MemoryLedger::default(), limited(1_000, Probation::No, bindings), &StopToken::default());
    assert_eq!((ran.summary.counts.failed, ran.committed[..2].to_vec()), (11, vec![Some(1), Some(10)]));
    let entries = ran.ledger.entries.lock().unwrap();
    let of_first =
        entries.iter().position(|entry| matches!(entry, Entry::Failed(of) if of.record.partition().number == 0)).unwrap();
    let before = entries[..of_first].iter().filter(|entry| matches!(entry, Entry::Failed(_))).count();
    assert_eq!(before, 20, "all those of the records that ended before it");
}

/// What one receiver failed of a record that ends unsettled comes again with it.
#[test]
fn a_stop_writes_nothing_of_a_record_that_is_not_settled() {
    let stop = StopToken::default();
    let asks = stop.clone();
    let hangs = probe(move |_| {
        asks.ask(StopLevel::Drain);
        Answered::Later(Box::pin(std::future::pending()))
    });
    let bindings = vec![binding("bad", &failing()), binding("hangs", &hangs)];
    let plan = limited(3, Probation::Yes, bindings);
    let plan = Plan { conduct: Conduct { drain_timeout: Duration::from_millis(50), ..plan.conduct }, ..plan };
    let ran = run_all(MemorySource::bounded(records(1, 5)).endless(), MemoryLedger::default(), plan, &stop);
    assert_eq!((ran.summary.reason, ran.ledger.failures(), ran.committed[0]), (StopReason::Asked, Vec::new(), None));
}

#[test]
fn a_probation_that_fills_the_budget_ends() {
    let mut plan = limited(1_000, Probation::Yes, vec![binding("bad", &failing())]);
    plan.conduct.budget.records = 20;
    let source = MemorySource::bounded(records(1, 100)).endless();
    let ran = run_all(source, MemoryLedger::default(), plan, &StopToken::default());
    assert_eq!((reached(&ran).count, ran.ledger.failures(), ran.committed[0]), (20, Vec::new(), None));
}
