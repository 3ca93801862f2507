//! `kafka:` receivers: what only real brokers show.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::support::command::Running;
use crate::support::{Broker, Folder, Record, Sample, Topic, unique, wait};

const SOON: Duration = Duration::from_secs(40);
pub(crate) const OWN: [&str; 2] = ["redrive_timestamp", "redrive_deliveryid"];

/// Partition and offset of the original.
pub(crate) fn origin(copy: &Record) -> (i32, i64) {
    let id = copy.text("redrive_deliveryid");
    let parts: Vec<_> = id.split('/').collect();
    let [_, _, partition, offset, "copy"] = parts[..] else { panic!("no delivery id: {id}") };
    (partition.parse().unwrap(), offset.parse().unwrap())
}

/// Which records are in a topic of copies: partition and offset of the originals.
pub(crate) fn origins(target: &Topic<'_>) -> BTreeSet<(i32, i64)> {
    target.read().iter().map(origin).collect()
}

pub(crate) fn hostile() -> Vec<Sample> {
    let repeated = Sample::value("v").key("k").header("h", "1").header("g", "").header("h", "2").null_header("h");
    let bytes = Sample::value(b"\xff\0\xfe").key(b"\0\xff").header(b"not \xff utf-8", b"\xfe\0");
    let empty = Sample { key: Some(Vec::new()), value: Some(Vec::new()), ..Sample::default() };
    let own = Sample::value("v").header("redrive_deliveryid", "of another copy");
    vec![repeated, bytes, empty, own, Sample::default(), Sample { key: Some(b"tombstone".to_vec()), ..Sample::default() }]
}

#[test]
fn a_copy_is_the_record_byte_for_byte() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("bytes"));
    let (source, target) = (broker.topic("originals", 2), broker.topic("copies", 3));
    let samples: Vec<_> = hostile().into_iter().flat_map(|sample| [0, 1].map(|partition| sample.clone().to(partition))).collect();
    source.produce(&samples);
    let began = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let receiver = format!("copy=kafka:{}", target.name());
    let arguments = ["--from", "earliest", "--until-end", "--event-type-from", "topic", "--format", "raw", "--receiver", &receiver];
    folder.consume(&source, &group, arguments).run().expect_code(0);

    let (originals, copies) = (source.read(), target.read());
    assert_eq!((copies.len(), originals.len()), (samples.len(), samples.len()));
    let mut next = BTreeMap::<i32, i64>::new();
    let originals: BTreeMap<_, _> = originals
        .into_iter()
        .map(|record| {
            let offset = next.entry(record.partition).or_default();
            *offset += 1;
            ((record.partition, *offset - 1), record)
        })
        .collect();
    for copy in &copies {
        let original = &originals[&origin(copy)];
        let (theirs, ours) = copy.headers.split_at(copy.headers.len() - OWN.len());
        assert_eq!((&copy.key, &copy.value, theirs), (&original.key, &original.value, original.headers.as_slice()));
        assert_eq!(ours.iter().map(|(name, _)| name.as_slice()).collect::<Vec<_>>(), OWN.map(str::as_bytes));
        assert_eq!(copy.text("redrive_timestamp"), original.timestamp.unwrap().to_string());
        assert!(copy.timestamp.unwrap() >= began, "its own time, so that retention lets it be: {copy:?}");
    }
    assert_eq!(copies.iter().map(origin).collect::<BTreeSet<_>>().len(), samples.len(), "each once");
}

/// In a topic of more partitions, and in one that takes small batches only.
#[test]
fn copies_keep_the_order_with_and_without_a_key() {
    const COUNT: usize = 20_000;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("order"));
    let (source, target) = (broker.topic("originals", 2), broker.small_topic("copies", 3, 20_000));
    let sample = |at: usize| {
        let sample = Sample::value("x".repeat(100)).to(i32::try_from(at % 2).unwrap());
        if at.is_multiple_of(3) { sample } else { sample.key(format!("k{}", at % 7)) }
    };
    source.produce(&(0..COUNT).map(sample).collect::<Vec<_>>());
    let receiver = format!("copy=kafka:{}", target.name());
    let arguments = ["--from", "earliest", "--until-end", "--event-type-from", "topic", "--format", "raw", "--receiver", &receiver];
    folder.consume(&source, &group, arguments).run().expect_code(0);
    assert_eq!(folder.journal().failures(), []);
    let copies = target.read();
    assert_eq!(copies.len(), COUNT, "each once");
    let mut lanes = BTreeMap::<_, Vec<_>>::new();
    for copy in &copies {
        let (partition, offset) = origin(copy);
        lanes.entry((copy.key.clone(), partition)).or_default().push((copy.partition, offset));
    }
    for (lane, places) in &lanes {
        assert!(places.iter().all(|(partition, _)| *partition == places[0].0), "{lane:?} is in one partition");
        assert!(places.iter().map(|(_, offset)| offset).is_sorted(), "{lane:?} is in order");
    }
}

#[test]
fn a_topic_that_is_read_or_missing_is_refused() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("refused"));
    let source = broker.topic("pre-events", 1);
    let name = source.name();
    let refused = |topics: &[&str], target: &str| {
        let receiver = format!("copy=kafka:{target}");
        let always = ["consume", "-b", &source.bootstrap(), "-g", &group, "--from", "earliest", "--receiver", &receiver];
        let output = folder.redrive(always).args(topics.iter().copied()).run().expect_code(2);
        assert!(!folder.path().join("redrive.db").exists(), "no journal was made");
        output.stderr
    };
    let rest = name.strip_prefix("pre-").unwrap();
    for topics in [&["-t", name][..], &["--topic-prefix", "pre", "-t", rest], &["-t", "^pre-ev"]] {
        let said = refused(topics, name);
        assert!(said.contains(&format!("receiver copy writes to topic {name}, which this consumer reads (")), "{said}");
        assert!(said.contains("hint: name another topic for the copies"), "{said}");
    }
    let other = broker.topic("audit-trail", 1);
    let said = refused(&["-t", name], &other.name().replace("trail", "trial"));
    assert!(
        said.contains(", which is not on this cluster") && said.contains(&format!("did you mean kafka:{}?", other.name())),
        "{said}"
    );
    let said = refused(&["-t", name], "a b");
    assert!(said.contains("`kafka:a b` names no topic"), "{said}");
    let said = refused(&["-t", name, "-X", "acks=1"], other.name());
    assert!(said.contains("the Kafka property acks is redrive's own"), "{said}");
}

#[test]
fn a_topic_that_is_deleted_fails_its_events_until_it_is_there_again() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("deleted"));
    let (source, target) = (broker.topic("originals", 1), broker.topic("copies", 1));
    let event = |id: &str| source.produce(&[Sample::event("t", id, "{}")]);
    event("1");
    let copy = format!("copy=kafka:{}", target.name());
    let options = ["--receiver-option", "copy.timeout=20s", "--receiver-option", "copy.on_outage=journal"];
    let receivers = ["--from", "earliest", "--receiver", &copy, "--receiver", "all=file:all.jsonl"];
    let arguments = receivers.into_iter().chain(options);
    let mut running = folder.consume(&source, &group, arguments).spawn();
    running.until("the first is copied", SOON, |_| (target.read().len() == 1).then_some(()));
    target.delete();
    event("2");
    running.until("the second has failed", SOON, |_| (folder.journal().failures().len() == 1).then_some(()));
    let failed = &folder.journal().failures()[0];
    assert_eq!((failed.class.as_str(), failed.code.as_str(), failed.attempts), ("consumer", "unknown_topic", 1), "{failed:?}");
    assert_eq!(folder.lines("all.jsonl").len(), 2, "the other receiver has both");
    target.make();
    event("3");
    running.until("the third is copied", SOON, |_| (target.read().len() == 1).then_some(()));
    assert_eq!(origin(&target.read()[0]), (0, 2));
    stop(running);
    assert_eq!(folder.journal().failures().len(), 1);
}

fn stop(mut running: Running) {
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
}

/// So many that they are on their way for a while.
fn produce_many(source: &Topic<'_>, count: i32) {
    source.produce(&(0..count).map(|n| Sample::event("t", &n.to_string(), "{}").to(n % 2)).collect::<Vec<_>>());
}

#[test]
fn a_broker_that_is_away_for_a_while_costs_nothing() {
    const COUNT: i32 = 60_000;
    let (broker, folder, group) = (Broker::own(), Folder::new(), unique("away"));
    let (source, target) = (broker.topic("originals", 2), broker.topic("copies", 1));
    produce_many(&source, COUNT);
    let copy = format!("copy=kafka:{}", target.name());
    let arguments = ["--from", "earliest", "--max-in-flight", "200", "--receiver", &copy];
    let mut running = folder.consume(&source, &group, arguments).spawn();
    let settled = || folder.journal().progress().iter().map(|row| row.records).sum::<i64>();
    running.line("partition", SOON);
    running.until("some are copied", SOON, |_| (settled() > 0).then_some(()));
    broker.stop();
    let before = settled();
    wait::for_the_whole(Duration::from_secs(3));
    assert!(before < i64::from(COUNT), "it was away in mid-run");
    broker.start();
    running.until("all are settled", SOON, |_| (settled() == i64::from(COUNT)).then_some(()));
    stop(running);
    assert_eq!(folder.journal().failures(), []);
    let mut highest = BTreeMap::<i32, i64>::new();
    let mut seen = BTreeSet::new();
    for copy in target.read() {
        let (partition, offset) = origin(&copy);
        assert!(seen.insert((partition, offset)), "{partition}/{offset} is there twice");
        let before = highest.insert(partition, offset).unwrap_or(-1);
        assert!(before < offset, "{partition}/{offset} comes behind {before}");
    }
    assert_eq!(seen.len(), usize::try_from(COUNT).unwrap());
}

#[test]
fn what_has_failed_is_not_delivered_later() {
    // As many as are handed to the client at once.
    const COUNT: usize = 200;
    let (broker, folder, group) = (Broker::own(), Folder::new(), unique("late"));
    let (source, target) = (broker.topic("originals", 2), broker.topic("copies", 1));
    let receivers = ["--receiver", &format!("copy=kafka:{}", target.name()), "--receiver", "all=file:all.jsonl"];
    // What is handed to the client stays in its queue for a while: the broker goes away meanwhile.
    let patient = ["--from", "earliest", "-X", "linger.ms=5000", "--receiver-option", "copy.timeout=8s"];
    let journaled = ["--retries", "0", "--receiver-option", "copy.on_outage=journal"];
    let mut running = folder.consume(&source, &group, [&receivers[..], &patient, &journaled].concat()).spawn();
    let settled = || folder.journal().progress().iter().map(|row| row.records).sum::<i64>();
    let all_settled = |waves: usize| (settled() == i64::try_from(waves * COUNT).unwrap()).then_some(());
    let produce = || produce_many(&source, i32::try_from(COUNT).unwrap());
    produce();
    running.until("the first are copied", SOON, |_| all_settled(1));
    produce();
    running.until("the second are in hand", SOON, |_| (folder.lines("all.jsonl").len() == 2 * COUNT).then_some(()));
    running.signal(Signal::STOP);
    broker.stop();
    running.signal(Signal::CONT);
    running.until("they have failed", SOON, |_| all_settled(2));
    broker.start();
    produce();
    running.until("the third are settled", SOON, |_| all_settled(3));
    stop(running);
    let failures = folder.journal().failures();
    assert!(failures.iter().all(|row| (row.class.as_str(), row.code.as_str()) == ("transient", "unreachable")), "{failures:?}");
    let failed: BTreeSet<_> = failures.iter().map(|row| (row.partition, row.offset)).collect();
    let copied = origins(&target);
    assert_eq!(failed.intersection(&copied).count(), 0, "what has failed was not delivered");
    assert_eq!((failed.len(), copied.len()), (COUNT, 2 * COUNT), "and all else was");
}
