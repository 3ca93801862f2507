//! Partitions that are not there, on the client library's mock cluster.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaRespErr;

use super::*;
use crate::engine::source::{Basis, Offer, StartAt};
use crate::record::{NextOffset, Partition};
use std::sync::Arc;

const SOON: Duration = Duration::from_secs(30);
const NOT_THERE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 2, 1).unwrap();
    cluster.create_topic("refunds", 1, 1).unwrap();
    cluster
}

fn reading(cluster: &MockCluster<'_, DefaultProducerContext>, partitions: &[(&str, i32)]) -> UnjoinedSource {
    let properties = vec![("topic.metadata.propagation.max.ms".to_owned(), "700".to_owned())];
    let connection = Connection::new(cluster.bootstrap_servers(), properties).unwrap();
    UnjoinedSource::of_those_there(&connection, "cluster", "shop", partitions).unwrap()
}

/// Polls until there is something to see.
#[track_caller]
fn until<T>(source: &mut UnjoinedSource, what: &str, mut look: impl FnMut(Polled<'_>) -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if let Some(seen) = look(source.poll(Duration::from_millis(20)).unwrap()) {
            return seen;
        }
    }
    panic!("{what}: not within {SOON:?}")
}

#[track_caller]
fn offer(source: &mut UnjoinedSource) -> Offer {
    until(source, "an offer", |polled| match polled {
        Polled::Offered(mut offers) if offers.len() == 1 => offers.pop(),
        Polled::NotThere(topic, partition) => panic!("{topic}/{partition} is not there"),
        _ => None,
    })
}

#[track_caller]
fn not_there(source: &mut UnjoinedSource) -> (String, i32) {
    until(source, "that one is not there", |polled| match polled {
        Polled::NotThere(topic, partition) => Some((topic, partition)),
        _ => None,
    })
}

fn named(offer: &Offer) -> (&str, i32) {
    (&offer.topic.name, offer.partition)
}

fn begin(source: &mut UnjoinedSource, offer: &Offer) {
    let partition = Arc::new(Partition::unknown(offer.slot, Arc::clone(&offer.topic), offer.partition));
    source.assign(&[Start { partition, at: StartAt::At(NextOffset::ZERO), basis: Basis::Choice }]).unwrap();
}

fn close(source: UnjoinedSource) {
    Box::new(source).close(Instant::now() + SOON).unwrap();
}

#[test]
fn what_is_there_is_offered_and_what_is_not_is_told_after_a_while() {
    for nowhere in [("nowhere", 0), ("orders", 2)] {
        let cluster = cluster();
        let mut source = reading(&cluster, &[nowhere, ("refunds", 0)]);
        assert_eq!(named(&offer(&mut source)), ("refunds", 0));
        let (topic, partition) = not_there(&mut source);
        assert_eq!((topic.as_str(), partition), nowhere);
        close(source);
    }
}

#[test]
fn one_without_a_leader_is_waited_for() {
    let cluster = cluster();
    cluster.partition_leader("orders", 0, None).unwrap();
    let mut source = reading(&cluster, &[("orders", 0), ("orders", 1)]);
    assert_eq!(named(&offer(&mut source)), ("orders", 1));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let polled = source.poll(Duration::from_millis(20)).unwrap();
        assert!(!matches!(polled, Polled::NotThere(..) | Polled::Offered(_)), "{polled:?}");
    }
    cluster.partition_leader("orders", 0, Some(1)).unwrap();
    assert_eq!(named(&offer(&mut source)), ("orders", 0));
    close(source);
}

#[test]
fn one_that_goes_while_it_is_read_is_lost_and_offered_again_if_it_comes_back() {
    let cluster = cluster();
    let mut source = reading(&cluster, &[("orders", 0)]);
    let begun = offer(&mut source);
    begin(&mut source, &begun);
    until(&mut source, "its end", |polled| matches!(polled, Polled::AtEnd(slot, _) if slot == begun.slot).then_some(()));
    cluster.topic_error("orders", NOT_THERE).unwrap();
    let lost = until(&mut source, "that it is lost", |polled| if let Polled::Lost(slots) = polled { Some(slots) } else { None });
    assert_eq!(lost, [begun.slot]);
    source.release(&lost).unwrap();
    assert_eq!(not_there(&mut source), ("orders".to_owned(), 0));
    cluster.topic_error("orders", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    let again = offer(&mut source);
    assert_eq!((named(&again), again.slot.index), (("orders", 0), begun.slot.index));
    assert_ne!(again.slot, begun.slot);
    close(source);
}

#[test]
fn one_that_is_away_for_a_moment_is_not_lost() {
    let cluster = cluster();
    let mut source = reading(&cluster, &[("orders", 0)]);
    let begun = offer(&mut source);
    begin(&mut source, &begun);
    source.reading.doubt(vec![begun.slot]);
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(1) {
        let polled = source.poll(Duration::from_millis(20)).unwrap();
        assert!(matches!(polled, Polled::Idle | Polled::AtEnd(..)), "{polled:?}");
    }
    close(source);
}
