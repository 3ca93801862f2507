//! The start-up guard: a wrong flag makes every record fail, and must not flood the journal.

use std::time::Duration;

use crate::support::{Broker, Folder, Sample, unique};

const EVENTS: i32 = 10_000;
const TO_THE_END: [&str; 5] = ["--from", "earliest", "--until-end", "--receiver", "all=discard:"];

#[test]
fn plain_json_under_default_flags_stops_before_anything_is_written() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("guard"));
    let topic = broker.topic("guard", 3);
    topic.produce(&(0..EVENTS).map(|n| Sample::value(format!("{{\"n\":{n}}}")).to(n % 3)).collect::<Vec<_>>());
    let consume = |more: &[&'static str]| folder.consume(&topic, &group, TO_THE_END).args(more.iter().copied());

    let output = consume(&[]).within(Duration::from_secs(15)).run().expect_code(4);
    assert!(output.stderr.contains("--event-type-from"), "{}", output.stderr);
    assert!(broker.witness().group_offsets(&group).iter().all(|at| at.committed.is_none()), "nothing is committed");
    let journal = folder.journal();
    assert_eq!((journal.failures(), journal.progress()), (vec![], vec![]));
    let [incident] = &journal.incidents()[..] else { panic!("one incident: {:?}", journal.incidents()) };
    assert_eq!((incident.kind.as_str(), incident.is_open), ("nothing_works", true));
    assert!(incident.message.contains("--event-type-from") && incident.message.contains(topic.name()), "{}", incident.message);

    consume(&["--event-type-from", "topic"]).run().expect_code(0);
    assert_eq!(broker.witness().lag(&group), 0);
    assert_eq!(folder.journal().failures(), []);
}

#[test]
fn a_few_failures_at_the_beginning_are_ordinary_ones() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("guard"));
    let topic = broker.topic("guard", 1);
    let bad = (0..15).map(|n| Sample::value(n.to_string()));
    topic.produce(&bad.chain([Sample::event("t", "1", "{}")]).collect::<Vec<_>>());
    folder.consume(&topic, &group, TO_THE_END).run().expect_code(0);
    let failures = folder.journal().failures();
    assert_eq!(failures.len(), 15);
    assert!(failures.iter().all(|row| row.stage == "identify" && row.code == "missing_type" && row.receiver.is_none()));
    assert_eq!(broker.witness().lag(&group), 0);
}

#[test]
fn without_the_guard_every_failure_is_journaled() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("guard"));
    let topic = broker.topic("guard", 1);
    topic.produce(&(0..100).map(|n| Sample::value(n.to_string())).collect::<Vec<_>>());
    folder.consume(&topic, &group, TO_THE_END).args(["--no-startup-guard"]).run().expect_code(0);
    let journal = folder.journal();
    assert_eq!((journal.failures().len(), journal.incidents()), (100, vec![]));
    assert_eq!(broker.witness().lag(&group), 0);
}

/// Fewer than twenty, and nothing that ever passed: at the end of a bounded run they are what they are.
#[test]
fn fewer_failures_than_the_guard_minds_are_settled_at_the_end() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("guard"));
    let topic = broker.topic("guard", 1);
    topic.produce(&(0..19).map(|n| Sample::value(n.to_string())).collect::<Vec<_>>());
    folder.consume(&topic, &group, TO_THE_END).run().expect_code(0);
    assert_eq!((folder.journal().failures().len(), broker.witness().lag(&group)), (19, 0));
}
