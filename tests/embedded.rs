//! `redrive::Consumer`: a consumer that a program embeds, in a runtime and without one, stopped, dropped and failing.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use redrive::consumer::BeginError;
use redrive::{
    ALL_TYPES, Class, Consumer, ConsumerBuilder, ConsumerError, Event, ReceiverError, Receivers, Stage, StartFrom, StopHandle,
    StopReason,
};

use crate::support::{Broker, Folder, Sample, Topic, unique, wait};

const SOON: Duration = Duration::from_secs(30);

fn builder(topic: &Topic<'_>, folder: &Folder, group: &str) -> ConsumerBuilder {
    let builder = Consumer::builder().bootstrap_servers(&topic.bootstrap()).topic(topic.name()).group(group);
    builder.from(StartFrom::Earliest).journal(folder.path().join("shop.db"))
}

/// Counts its calls, and fails for events whose id ends in 7.
fn counting(calls: &Arc<AtomicUsize>) -> Receivers {
    let calls = Arc::clone(calls);
    Receivers::new().on("billing", ALL_TYPES, move |event: Event| {
        let calls = Arc::clone(&calls);
        async move {
            calls.fetch_add(1, Ordering::SeqCst);
            if event.id().ends_with('7') { Err(ReceiverError::permanent("unlucky", "seven")) } else { Ok(()) }
        }
    })
}

fn events(count: i32) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("t", &n.to_string(), "{}").to(n % 2)).collect()
}

#[test]
fn a_run_in_a_runtime_ends_with_a_summary_when_it_is_drained() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("embedded"));
    let topic = broker.topic("embedded", 2);
    topic.produce(&events(20));
    let (calls, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&seen);
    let consumer = builder(&topic, &folder, &group)
        .receivers(counting(&calls))
        .setting("commit-interval", "50ms")
        .on_failure(move |failure| {
            noted.lock().unwrap().push((
                failure.stage,
                failure.receiver.map(str::to_owned),
                failure.class,
                failure.code.to_owned(),
            ));
            panic!("what a program does with it is no business of the journal's");
        })
        .build()
        .unwrap();
    let stop = StopHandle::new();
    let stopper = stop.clone();
    let watched = Arc::clone(&calls);
    let thread = std::thread::Builder::new().name("stopper".to_owned()).spawn(move || {
        wait::until("all is delivered", SOON, || (watched.load(Ordering::SeqCst) == 20).then_some(()));
        stopper.drain();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let summary = runtime.block_on(async { tokio::spawn(consumer.run(stop)).await.unwrap() }).unwrap();
    thread.unwrap().join().unwrap();
    assert_eq!((&summary.reason, summary.partitions, summary.unsettled), (&StopReason::Asked, 2, 0));
    assert_eq!((summary.counts.delivered, summary.counts.failed, summary.preview), (18, 2, None));
    let journal = folder.journal_at("shop.db");
    assert_eq!(summary.journal_path, Some(folder.path().join("shop.db").display().to_string()));
    assert_eq!(summary.journal_id, Some(journal.uuid()));
    let failed = (Stage::Receive, Some("billing".to_owned()), Class::Permanent, "unlucky".to_owned());
    assert_eq!(*seen.lock().unwrap(), [failed.clone(), failed]);
    assert_eq!(journal.failures().len(), 2);
    let [run] = &journal.runs()[..] else { panic!("one run") };
    assert_eq!((run.stop_reason.as_deref(), run.exit_code), (Some("signal"), None));
    assert_eq!(broker.witness().lag(&group), 0);
    assert_eq!(broker.witness().group_state(&group).map(|state| state.members), Some(0));
}

#[test]
fn a_program_without_a_runtime_blocks_and_so_may_one_within() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("blocking"));
    let topic = broker.topic("blocking", 2);
    topic.produce(&events(10));
    let calls = Arc::new(AtomicUsize::new(0));
    let consumer = || builder(&topic, &folder, &group).receivers(counting(&calls)).until_end().build().unwrap();
    let summary = consumer().run_blocking(&StopHandle::new()).unwrap();
    assert_eq!((summary.reason, summary.counts.records()), (StopReason::Done, 10));
    topic.produce(&events(10));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let summary = runtime.block_on(async { consumer().run_blocking(&StopHandle::new()) }).unwrap();
    assert_eq!((summary.counts.records(), calls.load(Ordering::SeqCst)), (10, 20));
    let dry = builder(&topic, &folder, &group).receivers(counting(&calls)).until_end().setting("dry-run", "true").build().unwrap();
    let summary = dry.run_blocking(&StopHandle::new()).unwrap();
    assert_eq!((summary.counts.records(), summary.preview.map(|of| of.deliveries.len())), (0, Some(0)));
    let off = builder(&topic, &folder, &group).receivers(counting(&calls)).setting("enabled", "exit").build().unwrap();
    let summary = off.run_blocking(&StopHandle::new()).unwrap();
    assert_eq!((summary.reason, summary.journal_path), (StopReason::Done, None));
}

/// No runtime polls it: a waker that does nothing, and a future that is let go of.
#[test]
fn a_future_that_is_dropped_stops_its_run_in_an_orderly_way_and_no_other() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("dropped"));
    let topic = broker.topic("dropped", 2);
    topic.produce(&events(20));
    let calls = Arc::new(AtomicUsize::new(0));
    let consumer = builder(&topic, &folder, &group).receivers(counting(&calls)).build().unwrap();
    let stop = StopHandle::new();
    let untouched =
        builder(&topic, &folder, &unique("untouched")).receivers(counting(&Arc::default())).until_end().build().unwrap();
    {
        let mut run = pin!(consumer.run(stop.clone()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(run.as_mut().poll(&mut context), Poll::Pending));
        wait::until("all is delivered", SOON, || (calls.load(Ordering::SeqCst) == 20).then_some(()));
        assert!(matches!(run.as_mut().poll(&mut context), Poll::Pending));
    }
    let ended = || folder.journal_at("shop.db").runs().first().and_then(|run| run.stop_reason.clone());
    assert_eq!(wait::until("its run ends", SOON, ended), "signal");
    assert_eq!(broker.witness().lag(&group), 0);
    assert_eq!(broker.witness().group_state(&group).map(|state| state.members), Some(0));
    let summary = untouched.run_blocking(&stop).unwrap();
    assert_eq!((summary.reason, summary.counts.records()), (StopReason::Done, 20), "the handle itself was not asked");
    stop.now();
    let late = builder(&topic, &folder, &group).receivers(counting(&calls)).build().unwrap().run_blocking(&stop).unwrap();
    assert_eq!((late.reason, late.counts.records()), (StopReason::Asked, 0));
}

#[test]
fn what_ends_a_run_early_is_an_error_with_its_cause_and_its_summary() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("errors"));
    let topic = broker.topic("errors", 1);
    topic.produce(&(0..100).map(|n| Sample::value(n.to_string())).collect::<Vec<_>>());
    let receivers = || counting(&Arc::default());
    let run = |builder: ConsumerBuilder| builder.build().unwrap().run_blocking(&StopHandle::new()).unwrap_err();
    let error = run(builder(&topic, &folder, &group).receivers(receivers()).until_end());
    assert!(error.to_string().contains("fails at identify"), "{error}");
    let ConsumerError::Stopped { summary } = error else { panic!("{error:?}") };
    assert!(matches!(&summary.reason, StopReason::Guard(found) if found.stage == Stage::Identify), "{:?}", summary.reason);
    assert_eq!((summary.counts.records(), summary.journal_id.is_some()), (0, true));
    let error = run(builder(&topic, &folder, &group).receivers(receivers()).topic("no-such-topic"));
    let ConsumerError::Begin(BeginError::UnknownTopic { name, .. }) = error else { panic!("{error:?}") };
    assert_eq!(name, "no-such-topic");
}
