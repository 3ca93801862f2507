//! A journal that can grow no more, in mid-run and by the page: the run ends, nothing that it does not hold is committed, and with
//! space again nothing is lost.
//!
//! The consumer is put together by hand, because only the writer can be told where the file must end.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redrive::consumer;
use redrive::engine::ledger::{LedgerError, RunEnd};
use redrive::engine::observer::{Observer, Unobserved};
use redrive::engine::report::StopReason;
use redrive::engine::schemas::Schemas;
use redrive::engine::start::StartFrom;
use redrive::engine::stop::StopToken;
use redrive::engine::{self, Finished, Plan, UntilEnd};
use redrive::journal::{self, Beginning, Safety, Writer};
use redrive::kafka::{Cluster, Connection, GroupSource, Subscription, TopicChoice};
use redrive::receiver::Specification;
use redrive::settings::table;
use redrive::stage::Router;
use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};

use crate::support::library::{self, Consumer};
use crate::support::{Broker, Folder, Sample, Topic, unique};

const EVENTS: i32 = 6_000;
const PARTITIONS: i32 = 3;
/// About 2 MiB: some of the failures fit in.
const PAGES: u32 = 250;
const WITHIN: Duration = Duration::from_secs(60);

type Places = BTreeSet<(i32, i64)>;

fn place(n: i32) -> (i32, i64) {
    (n % PARTITIONS, i64::from(n / PARTITIONS))
}

/// Takes the even events, and notes them; fails for the odd ones.
fn takes_even(got: &Arc<Mutex<Places>>) -> Receivers {
    let got = Arc::clone(got);
    Receivers::new().on("even", ALL_TYPES, move |event: Event| {
        let got = Arc::clone(&got);
        async move {
            let n: i32 = event.id().parse().unwrap();
            if n % 2 == 1 {
                return Err(ReceiverError::permanent("odd", format!("event {n} is odd")));
            }
            got.lock().unwrap().insert(place(n));
            Ok(())
        }
    })
}

/// A run to the end of the topic, or of the journal.
fn run_in_pages(topic: &Topic<'_>, folder: &Folder, group: &str, receivers: &Receivers) -> Finished {
    let connection = Connection::new(topic.bootstrap(), Vec::new()).unwrap();
    let stop = StopToken::default();
    let cluster = Cluster::connect(&connection, WITHIN, &stop).unwrap().unwrap();
    let there = vec![topic.name().to_owned()];
    let subscription = Subscription {
        group: group.to_owned(),
        topics: TopicChoice::parse(&there).unwrap(),
        from: Some(StartFrom::Earliest),
        until_end: UntilEnd::Yes,
        there,
    };
    let source = GroupSource::join(&connection, &cluster, subscription).unwrap();
    let journal = journal::Place { path: folder.path().join("redrive.db"), safety: Safety::Safe };
    let beginning = Beginning {
        command: "consume",
        group: group.to_owned(),
        client_id: connection.client_id().to_owned(),
        receivers: vec![],
        hands: 0,
    };
    let writer = Writer::open(&journal, &beginning).unwrap();
    writer.limit_pages(PAGES).unwrap();
    let plan = plan(topic, group, receivers, &writer);
    let observer: Arc<dyn Observer> = Arc::new(Unobserved);
    engine::run(Box::new(source), Box::new(writer), plan, &stop, &observer).unwrap()
}

/// What `consume` does by default, to the end of the topic.
fn plan(topic: &Topic<'_>, group: &str, receivers: &Receivers, writer: &Writer) -> Plan {
    let settings = library::settings((topic.name(), group), receivers, &[(&table::UNTIL_END, "true")]);
    let types = settings.receivers.iter().map(|receiver| receiver.types.as_slice());
    let router = Router::new(types, settings.unrecognized).unwrap();
    let no_topic = |_: &str, _: &Specification| Err(io::ErrorKind::Unsupported.into());
    let bindings = settings.receivers.iter().cloned().map(|receiver| receiver.open(&no_topic).unwrap()).collect();
    consumer::plan(settings, router, bindings, writer.run().clone(), Schemas::default())
}

#[test]
fn with_space_again_nothing_is_lost_and_nothing_doubled() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("pages"));
    let topic = broker.topic("pages", PARTITIONS);
    let text = format!("\"{}\"", "x".repeat(500));
    let sample = |n: i32| Sample::event("order.placed", &n.to_string(), text.clone()).to(n % PARTITIONS);
    topic.produce(&(0..EVENTS).map(sample).collect::<Vec<_>>());
    let got = Arc::new(Mutex::new(Places::new()));

    let Finished { summary, mut ledger } = run_in_pages(&topic, &folder, &group, &takes_even(&got));
    let StopReason::Journal(LedgerError::Write { message, .. }) = &summary.reason else { panic!("{:?}", summary.reason) };
    assert!(message.contains("full"), "{message}");
    // How the run ended may not fit in any more; nothing hangs on it.
    ledger.end(RunEnd::Error, Some(1)).ok();
    drop(ledger);

    let journaled = || folder.journal().failures().iter().map(|row| (row.partition, row.offset)).collect::<Vec<_>>();
    let before = journaled();
    assert!((1..EVENTS as usize / 2).contains(&before.len()), "it was full on the way: {}", before.len());
    let settled: Places = before.into_iter().chain(got.lock().unwrap().iter().copied()).collect();
    let committed = broker.witness().group_offsets(&group);
    let below = committed.iter().flat_map(|at| (0..at.committed.unwrap_or(0)).map(|offset| (at.partition, offset)));
    assert_eq!(below.filter(|place| !settled.contains(place)).collect::<Vec<_>>(), [], "committed, and nobody has it");

    let again = Consumer::start(broker, &folder, (topic.name(), &group), &takes_even(&got), &[(&table::UNTIL_END, "true")]);
    let ended = again.wait(WITHIN);
    assert_eq!(ended.summary.reason, StopReason::Done);
    ended.close(Some(0)).unwrap();
    let odd: Vec<_> = (0..EVENTS).filter(|n| n % 2 == 1).map(place).collect::<Places>().into_iter().collect();
    assert_eq!(journaled(), odd, "every failure is there, once");
    assert_eq!(*got.lock().unwrap(), (0..EVENTS).filter(|n| n % 2 == 0).map(place).collect());
    assert_eq!(broker.witness().lag(&group), 0);
}
