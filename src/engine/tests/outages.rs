//! Receivers that are down for a while, in a whole engine: who waits, who goes on, and what is read again.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::engine::doubles::{Log, next};
use crate::engine::ledger::IncidentKind;
use crate::engine::missed::{CaughtUp, Deferred};

/// It cannot be reached the first `fails` times it is asked; once it has taken `all`, the run is asked to stop.
fn away_at_first(fails: usize, all: usize, stop: &StopToken) -> Arc<Probe> {
    let (asked, stop) = (AtomicUsize::new(0), stop.clone());
    probe(move |_| {
        let times = asked.fetch_add(1, SeqCst);
        if times < fails {
            return Answered::Now(Err(ReceiverError::unreachable("nobody listens")));
        }
        if times + 1 == fails + all {
            stop.ask(StopLevel::Drain);
        }
        Answered::Now(Ok(()))
    })
}

/// What was given after the receiver was back, of one partition.
fn given(receiver: &Arc<Probe>, fails: usize, partition: i32) -> Vec<i64> {
    let given = receiver.given.lock().unwrap();
    given.iter().skip(fails).filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect()
}

fn outages(ran: &Ran) -> (usize, usize) {
    let down = |entry: &Entry| matches!(entry, Entry::Incident(incident) if incident.key.kind == IncidentKind::ReceiverDown);
    let ended = |entry: &Entry| matches!(entry, Entry::IncidentEnded(key) if key.kind == IncidentKind::ReceiverDown);
    (ran.ledger.count(down), ran.ledger.count(ended))
}

#[test]
fn one_that_is_waited_for_gets_everything_in_its_order_and_nothing_is_an_entry() {
    let stop = StopToken::default();
    let billing = away_at_first(1, 600, &stop);
    let plan = plan(vec![Binding { on_outage: OnOutage::Wait, ..binding("billing", &billing) }]);
    let ran = run_all(MemorySource::bounded(records(2, 300)).endless(), MemoryLedger::default(), plan, &stop);
    assert_eq!((ran.summary.counts.delivered, ran.ledger.failures().len()), (600, 0));
    for partition in 0..2 {
        assert_eq!(given(&billing, 1, partition), (0..300).collect::<Vec<_>>());
    }
    assert_eq!(outages(&ran), (1, 1));
    assert_eq!(ran.committed, [Some(300), Some(300), None, None]);
}

#[test]
fn what_one_misses_is_deferred_and_delivered_in_its_order_once_it_is_back() {
    for order in [Order::Partition, Order::Key] {
        let stop = StopToken::default();
        let (billing, audit) = (away_at_first(2, 2_000, &stop), accepting());
        let deferring = Binding { on_outage: OnOutage::Defer, ..binding("billing", &billing) };
        let mut plan = plan(vec![deferring, binding("audit", &audit)]);
        plan.open_again = Box::new(Log(records(2, 1_000)));
        plan.conduct.order = order;
        let ran = run_all(MemorySource::bounded(records(2, 1_000)).endless(), MemoryLedger::default(), plan, &stop);
        for partition in 0..2 {
            let mut offsets = given(&billing, 2, partition);
            if order == Order::Key {
                offsets.sort_unstable();
            }
            assert_eq!(offsets, (0..1_000).collect::<Vec<_>>(), "each once, {order:?}");
            assert_eq!(given(&audit, 0, partition).len(), 1_000);
        }
        assert_eq!((ran.ledger.failures().len(), outages(&ran)), (0, (2, 1)));
        assert_eq!(ran.summary.counts.records(), 2_000, "what is read again counts once");
        assert_eq!(ran.summary.missed.delivered, ran.summary.counts.deferred);
        let entries = ran.ledger.entries.lock().unwrap();
        let deferred = |entry: &Entry| if let Entry::Deferred(Deferred { events, .. }) = entry { *events } else { 0 };
        assert_eq!(entries.iter().map(deferred).sum::<u64>(), ran.summary.counts.deferred);
        let caught_up = |entry: &&Entry| matches!(entry, Entry::CaughtUp(CaughtUp { receiver, .. }) if receiver == "billing");
        assert!(entries.iter().any(|entry| caught_up(&entry)));
    }
}

#[test]
fn the_end_of_what_there_is_waits_for_nobody_who_is_down() {
    let (billing, audit) = (probe(|_| Answered::Now(Err(ReceiverError::unreachable("nobody listens")))), accepting());
    let mut plan = plan(vec![Binding { on_outage: OnOutage::Defer, ..binding("billing", &billing) }, binding("audit", &audit)]);
    plan.open_again = Box::new(Log(records(1, 50)));
    let ran = run_bounded(1, 50, plan);
    assert_eq!((ran.summary.reason, ran.summary.counts.deferred, ran.committed[0]), (StopReason::Done, 50, Some(50)));
    let entries = ran.ledger.entries.lock().unwrap();
    let ranges: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Deferred(Deferred { from, to, .. }) => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!((ranges.first().map(|of| of.0), ranges.last().map(|of| of.1)), (Some(next(0)), Some(next(50))));
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "one goes on where the last one ends: {ranges:?}");
}
