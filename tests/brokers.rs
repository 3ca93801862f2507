//! Faults of brokers: one that is away or hangs, a topic that is made again and a log that is cut while they are read.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::command::Running;
use crate::support::{Broker, Folder, Sample, Topic, repetitions, unique, wait};
use crate::workers;

const SOON: Duration = Duration::from_secs(30);
/// How long the broker is away once that was noticed, in seconds: in CI, and in a full run.
const AWAY: (u64, u64) = (10, 60);

fn events(count: i32, partitions: i32) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("t", &(n * 100).to_string(), "{}").to(n % partitions)).collect()
}

/// Offsets of partition 0.
fn offsets(range: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    range.map(|offset| (0, offset)).collect()
}

/// So many partitions, each up to the offset `end`.
fn until_all_are_delivered(running: &mut Running, folder: &Folder, partitions: i32, end: i64) {
    let all: BTreeSet<_> = (0..partitions).flat_map(|partition| (0..end).map(move |offset| (partition, offset))).collect();
    let has_all = || workers::places(&workers::deliveries(folder), "slow") == all;
    running.until("all events", Duration::from_secs(60), |_| has_all().then_some(()));
}

/// A broker goes in mid-run, and comes back after a while.
fn is_one_incident_and_nothing_is_lost(goes: fn(&Broker), comes_back: fn(&Broker)) {
    let away = Duration::from_secs(repetitions(AWAY));
    let (broker, folder, group) = (Broker::own(), Folder::new(), unique("away"));
    let topic = broker.topic("away", 3);
    topic.produce(&events(300, 3));
    // Slow enough that it goes with records in flight and commits to make.
    let slow = workers::target(&folder, "slow", 0.02);
    let arguments = ["--from", "earliest", "--receiver", &slow, "--commit-interval", "100ms"];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    running.until("some events", SOON, |_| (workers::deliveries(&folder).len() >= 30).then_some(()));
    goes(&broker);
    assert!(workers::deliveries(&folder).len() < 300, "it went on the way");
    running.line("broker_away", SOON);
    wait::for_the_whole(away);
    comes_back(&broker);
    topic.produce(&events(300, 3));
    until_all_are_delivered(&mut running, &folder, 3, 200);
    running.line("broker_away is over", SOON);
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    let incidents = folder.journal().incidents();
    let [incident] = &incidents[..] else { panic!("one incident: {incidents:?}") };
    assert_eq!((incident.kind.as_str(), incident.is_open), ("broker_away", false));
    assert!(incident.count > 2, "it counts: {incident:?}");
    assert_eq!(broker.witness().lag(&group), 0);
}

#[test]
fn a_broker_that_is_away_is_one_incident_and_nothing_is_lost() {
    is_one_incident_and_nothing_is_lost(Broker::stop, Broker::start);
}

#[test]
fn a_broker_that_hangs_is_one_incident_and_nothing_is_lost() {
    is_one_incident_and_nothing_is_lost(Broker::pause, Broker::resume);
}

/// The journal once knew of records that the group knew nothing of, and the consumer stopped for a person to decide.
#[test]
fn a_group_whose_first_commit_is_lost_goes_on_by_itself() {
    const AWAY_FOR_A_SESSION: Duration = Duration::from_secs(10);
    let (broker, folder, group) = (Broker::own(), Folder::new(), unique("first"));
    let topic = broker.topic("first", 2);
    topic.produce(&events(200, 2));
    let slow = workers::target(&folder, "slow", 0.02);
    let arguments = ["--from", "earliest", "--receiver", &slow, "--commit-interval", "3s", "-X", "session.timeout.ms=6000"];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    running.until("some events", SOON, |_| (workers::deliveries(&folder).len() >= 10).then_some(()));
    broker.stop();
    wait::for_the_whole(AWAY_FOR_A_SESSION);
    broker.start();
    until_all_are_delivered(&mut running, &folder, 2, 100);
    let is_done = || broker.witness().group_offsets(&group).iter().filter(|at| at.committed == Some(100)).count() == 2;
    running.until("all is committed", SOON, |_| is_done().then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    let commits = broker.witness().commits(&group);
    let first = |partition| commits.iter().find(|commit| commit.partition == partition).and_then(|commit| commit.offset);
    assert_eq!((first(0), first(1)), (Some(0), Some(0)), "where it starts is committed before anything else: {commits:?}");
}

/// Whether it is known that the broker hangs, or not yet.
#[test]
fn a_stop_does_not_wait_for_a_broker_that_hangs() {
    for is_known in [true, false] {
        let (broker, folder, group) = (Broker::own(), Folder::new(), unique("stop-hangs"));
        let topic = broker.topic("stop-hangs", 3);
        topic.produce(&events(300, 3));
        let slow = workers::target(&folder, "slow", 0.2);
        let arguments = ["--from", "earliest", "--receiver", &slow, "--drain-timeout", "1s"];
        let mut running = folder.consume(&topic, &group, arguments).spawn();
        running.until("some events", SOON, |_| (workers::deliveries(&folder).len() >= 10).then_some(()));
        broker.pause();
        if is_known {
            running.line("broker_away", SOON);
        }
        let asked = Instant::now();
        running.signal(Signal::TERM);
        let output = running.wait(SOON);
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1 + 5), "known {is_known}: it took {took:?}: {}", output.stderr);
        let output = output.expect_code(1);
        let said = ["could not be committed", "what was not committed is delivered again"];
        assert!(said.iter().all(|said| output.stderr.contains(said)), "{}", output.stderr);
        broker.resume();
        let delivered = workers::places(&workers::deliveries(&folder), "slow");
        let is_covered = |partition, committed| (0..committed).all(|offset| delivered.contains(&(partition, offset)));
        for at in wait::until("the broker answers", SOON, || broker.answers(SOON).then(|| broker.witness().group_offsets(&group))) {
            assert!(is_covered(at.partition, at.committed.unwrap_or(0)), "committed is what was delivered: {at:?}");
        }
    }
}

/// A consumer that has read and committed the first `count` records of a topic's one partition.
fn reading(topic: &Topic<'_>, group: &str, folder: &Folder, count: usize) -> Running {
    topic.produce(&events(i32::try_from(count).unwrap(), 1));
    let arguments = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "--commit-interval", "100ms"];
    let mut running = folder.consume(topic, group, arguments).spawn();
    running.until("all is read", SOON, |_| (folder.lines("all.jsonl").len() == count).then_some(()));
    let is_done = || Broker::shared().witness().group_offsets(group).iter().all(|at| at.lag == Some(0));
    running.until("all is committed", SOON, |_| is_done().then_some(()));
    running
}

/// Kafka forgets a group's offsets with the topic, so the new one is read from its beginning. But the client library reads on in it at the
/// old one's offset, and what is committed there is taken: seen only after that, by its uuid, the new topic is held.
#[test]
fn a_topic_that_is_made_again_under_the_consumer_is_read_from_its_beginning_or_held() {
    for (count, sleeps) in [(3, false), (12, false), (12, true)] {
        let (folder, group) = (Folder::new(), unique("made-again"));
        let topic = Broker::shared().topic("made-again", 1);
        let mut running = reading(&topic, &group, &folder, 5);
        if sleeps {
            running.signal(Signal::STOP);
        }
        topic.recreate();
        topic.produce(&events(count, 1));
        running.signal(Signal::CONT);
        let delivered = || folder.delivered("all.jsonl").split_off(5);
        let is_read = || offsets(0..i64::from(count)).iter().all(|at| delivered().contains(at));
        let is_held = running.until("the new topic is seen", SOON, |said| {
            let is_held = said.contains("recreated");
            (is_held || is_read()).then_some(is_held)
        });
        topic.produce(&events(3, 1));
        let next = (0, i64::from(count));
        if !is_held {
            running.until("it goes on", SOON, |_| delivered().contains(&next).then_some(()));
        }
        running.signal(Signal::TERM);
        running.wait(SOON).expect_code(0);
        let incidents: Vec<_> = folder.journal().incidents().into_iter().map(|row| (row.kind, row.partition)).collect();
        let held = [("partition_held".to_owned(), Some(0)), ("recreated".to_owned(), Some(0))];
        assert_eq!(incidents, if is_held { &held[..] } else { &[] });
        assert_eq!(delivered().contains(&next), !is_held, "nothing more is read of a topic that is held: {:?}", delivered());
    }
}

#[test]
fn a_log_that_is_cut_under_the_consumer_is_held_and_the_others_go_on() {
    let (broker, folder, group) = (Broker::own(), Folder::new(), unique("cut"));
    let topic = broker.topic("cut", 2);
    topic.produce(&events(20, 2));
    let arguments = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "--commit-interval", "100ms"];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    running.until("all is read", SOON, |_| (folder.lines("all.jsonl").len() == 20).then_some(()));
    let is_done = || broker.witness().group_offsets(&group).iter().all(|at| at.lag == Some(0));
    running.until("all is committed", SOON, |_| is_done().then_some(()));
    broker.stop();
    let log = broker.home().join("data").join(format!("{}-0", topic.name()));
    for file in std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path()) {
        if file.file_name().is_some_and(|name| name != "partition.metadata") {
            std::fs::remove_file(file).unwrap();
        }
    }
    broker.start();
    assert_eq!(broker.witness().ends(topic.name()), [(0, 0), (1, 10)].into());
    topic.produce(&events(4, 2));
    running.line("truncated", Duration::from_secs(60));
    running.until("the other partition goes on", SOON, |_| (folder.lines("all.jsonl").len() >= 22).then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    let delivered = folder.delivered("all.jsonl");
    let of = |partition| delivered.iter().copied().filter(|at| at.0 == partition).collect::<Vec<_>>();
    assert_eq!(of(0), offsets(0..10));
    assert_eq!(of(1), (0..12).map(|offset| (1, offset)).collect::<Vec<_>>());
    let kinds: BTreeSet<_> =
        folder.journal().incidents().into_iter().map(|row| (row.kind, row.partition, row.from, row.to)).collect();
    assert!(kinds.contains(&("truncated".to_owned(), Some(0), Some(10), Some(2))), "{kinds:?}");
}
