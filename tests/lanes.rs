//! Lanes: a slow receiver does not hold a fast one, and keys are served side by side while each keeps its order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redrive::settings::table;
use redrive::{ALL_TYPES, Event, Receivers};
use tokio::sync::Barrier;

use crate::support::library::Consumer;
use crate::support::{Broker, Folder, Sample, unique, wait};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_fast_receiver_runs_ahead_of_a_slow_one_up_to_the_budget() {
    const BUDGET: usize = 500;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("lanes"));
    let topic = broker.topic("lanes", 1);
    topic.produce(&(0..2_000).map(|n| Sample::event("t", &n.to_string(), "{}")).collect::<Vec<_>>());
    let (slow, fast) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = |count: &Arc<AtomicUsize>, pause: Duration| {
        let count = Arc::clone(count);
        move |_: Event| {
            let count = Arc::clone(&count);
            async move {
                tokio::time::sleep(pause).await;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
    };
    let receivers = Receivers::new().on("slow", ALL_TYPES, counted(&slow, Duration::from_millis(50))).on(
        "fast",
        ALL_TYPES,
        counted(&fast, Duration::ZERO),
    );
    let more = [(&table::MAX_IN_FLIGHT, "500"), (&table::DRAIN_TIMEOUT, "100ms")];
    let consumer = Consumer::start(broker, &folder, (topic.name(), &group), &receivers, &more);
    let slow_then = wait::until("the fast one fills the budget", SOON, || {
        let (fast, slow) = (fast.load(Ordering::SeqCst), slow.load(Ordering::SeqCst));
        (fast >= BUDGET).then_some(slow)
    });
    assert!(slow_then < BUDGET / 4, "the slow one was only at {slow_then}");
    // Read in this order: the slow one may go on between the two.
    let ahead = fast.load(Ordering::SeqCst).saturating_sub(slow.load(Ordering::SeqCst));
    assert!(ahead <= BUDGET, "{ahead} ahead: never beyond the budget");
    consumer.stop(SOON).close(None).unwrap();
}

#[test]
fn keys_are_served_side_by_side_and_each_keeps_its_order() {
    const KEYS: usize = 64;
    const ROUNDS: usize = 20;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("keys"));
    let topic = broker.topic("keys", 2);
    let samples = (0..KEYS * ROUNDS)
        .map(|n| Sample::event("t", &n.to_string(), "{}").key(format!("k{}", n % KEYS)).to(i32::try_from(n % 2).unwrap()));
    topic.produce(&samples.collect::<Vec<_>>());
    // A delivery waits until one of every key is out: without concurrency nothing ever ends.
    let barrier = Arc::new(Barrier::new(KEYS));
    let seen = Arc::new(Mutex::new(HashMap::<Vec<u8>, Vec<i64>>::new()));
    let receivers = {
        let (barrier, seen) = (Arc::clone(&barrier), Arc::clone(&seen));
        Receivers::new().on("all", ALL_TYPES, move |event: Event| {
            let (barrier, seen) = (Arc::clone(&barrier), Arc::clone(&seen));
            async move {
                barrier.wait().await;
                let record = event.record();
                let key = record.key().unwrap_or_default().to_vec();
                seen.lock().unwrap().entry(key).or_default().push(record.offset().get());
                Ok(())
            }
        })
    };
    let more = [(&table::ORDER, "key"), (&table::UNTIL_END, "true")];
    Consumer::start(broker, &folder, (topic.name(), &group), &receivers, &more).wait(SOON).close(None).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), KEYS);
    for (key, offsets) in seen.iter() {
        assert!(offsets.is_sorted() && offsets.len() == ROUNDS, "{}: {offsets:?}", key.escape_ascii());
    }
    assert_eq!(folder.journal().failures(), []);
}
