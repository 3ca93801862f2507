//! Offers on the client library's mock cluster, whose partitions lose and find their leaders as a test wants it.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::*;
use crate::engine::UntilEnd;
use crate::engine::source::Notice;
use crate::engine::start::StartFrom;
use crate::engine::stop::StopToken;
use crate::kafka::choice::TopicChoice;
use crate::kafka::native::At;

const SOON: Duration = Duration::from_secs(30);
const PARTITIONS: i32 = 3;

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", PARTITIONS, 1).unwrap();
    cluster
}

fn member(cluster: &MockCluster<'_, DefaultProducerContext>, until_end: UntilEnd) -> GroupSource {
    let connection = Connection::new(cluster.bootstrap_servers(), Vec::new()).unwrap();
    let asked = Cluster::connect(&connection, SOON, &StopToken::default()).unwrap().unwrap();
    let there = vec!["orders".to_owned()];
    let topics = TopicChoice::parse(&there).unwrap();
    let subscription = Subscription { group: "shop".to_owned(), topics, from: Some(StartFrom::Earliest), until_end, there };
    GroupSource::join(&connection, &asked, subscription).unwrap()
}

/// Polls until there is something to see.
#[track_caller]
fn until<T>(source: &mut GroupSource, what: &str, mut look: impl FnMut(Polled<'_>) -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if let Some(seen) = look(source.poll(Duration::from_millis(20)).unwrap()) {
            return seen;
        }
    }
    panic!("{what}: not within {SOON:?}")
}

/// The partitions of the next offer.
#[track_caller]
fn offered(source: &mut GroupSource) -> Vec<i32> {
    until(source, "an offer", |polled| match polled {
        Polled::Offered(offers) => Some(offers.iter().map(|offer| offer.partition).collect()),
        _ => None,
    })
}

fn close(source: GroupSource) {
    Box::new(source).close(Instant::now() + SOON).unwrap();
}

#[test]
fn a_partition_without_a_leader_keeps_nobody_waiting() {
    let cluster = cluster();
    cluster.partition_leader("orders", 1, None).unwrap();
    let mut source = member(&cluster, UntilEnd::No);
    assert_eq!(offered(&mut source), [0, 2]);
    let told = until(&mut source, "that it has none", |polled| match polled {
        Polled::Notice(Notice::BrokerAway(message)) => Some(message),
        _ => None,
    });
    assert_eq!(told, "orders/1 has no leader");
    cluster.partition_leader("orders", 1, Some(1)).unwrap();
    let mut is_over = false;
    let late = until(&mut source, "the rest", |polled| match polled {
        Polled::Offered(offers) => Some(offers.iter().map(|offer| offer.partition).collect::<Vec<_>>()),
        Polled::Notice(Notice::BrokerBack) => {
            is_over = true;
            None
        }
        _ => None,
    });
    assert_eq!((late, is_over), (vec![1], true));
    close(source);
}

#[test]
fn a_partition_without_a_leader_is_no_trouble_of_ours_once_it_is_somebody_elses() {
    let cluster = cluster();
    cluster.partition_leader("orders", 1, None).unwrap();
    let mut source = member(&cluster, UntilEnd::No);
    until(&mut source, "that it has none", |polled| matches!(polled, Polled::Notice(Notice::BrokerAway(_))).then_some(()));
    let revoked = |partition| At { topic: "orders".to_owned(), partition, offset: 0, metadata: String::new(), error: Ok(()) };
    source.reading.revoked(&(0..PARTITIONS).map(revoked).collect::<Vec<_>>());
    until(&mut source, "that it is over", |polled| matches!(polled, Polled::Notice(Notice::BrokerBack)).then_some(()));
    close(source);
}

#[test]
fn whoever_polls_waits_for_no_answer() {
    let cluster = cluster();
    let mut source = member(&cluster, UntilEnd::No);
    let answers_after = Duration::from_millis(400);
    cluster.broker_round_trip_time(1, answers_after).unwrap();
    let (begun, mut longest, mut last) = (Instant::now(), Duration::ZERO, Instant::now());
    until(&mut source, "an offer", |polled| {
        longest = longest.max(last.elapsed());
        last = Instant::now();
        matches!(polled, Polled::Offered(_)).then_some(())
    });
    assert!(begun.elapsed() > answers_after && longest < answers_after, "{longest:?} of {:?}", begun.elapsed());
    close(source);
}

#[test]
fn a_run_to_the_end_is_offered_all_at_once() {
    let cluster = cluster();
    cluster.partition_leader("orders", 1, None).unwrap();
    let mut source = member(&cluster, UntilEnd::Yes);
    until(&mut source, "that one has no leader", |polled| match polled {
        Polled::Offered(offers) => panic!("too early: {offers:?}"),
        polled => matches!(polled, Polled::Notice(Notice::BrokerAway(_))).then_some(()),
    });
    cluster.partition_leader("orders", 1, Some(1)).unwrap();
    assert_eq!(offered(&mut source), [0, 1, 2]);
    close(source);
}
