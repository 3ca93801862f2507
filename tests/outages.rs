//! Receivers that are down for a while: no flood of entries, nobody else stops, and when they are back they get everything, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::replays::item;
use crate::support::command::Running;
use crate::support::{Broker, Endpoint, Folder, Sample, Topic, repetitions, unique, wait};

/// Seconds that a receiver is down: in CI, and in a full run.
const OUTAGE: (usize, usize) = (10, 60);
const KILLS: (usize, usize) = (5, 20);
const SOON: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;
const A_SECOND: i64 = 1_000;

type Place = (i32, i64);

/// A service that is down when the test says so, and remembers what it took.
struct Service {
    endpoint: Endpoint,
    is_down: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Place>>>,
}

impl Service {
    fn start() -> Self {
        Self::that_answers("503 Service Unavailable")
    }

    /// What it says while it is down.
    fn that_answers(status: &'static str) -> Self {
        let (is_down, took) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (down, taken) = (Arc::clone(&is_down), Arc::clone(&took));
        let endpoint = Endpoint::start(move |request, stream| {
            if down.load(Ordering::SeqCst) {
                return write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            }
            let number = |name| request.header(name).parse::<i64>().expect("a number");
            taken.lock().unwrap().push((i32::try_from(number("ce-kafkapartition")).unwrap(), number("ce-kafkaoffset")));
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        });
        Self { endpoint, is_down, took }
    }

    fn target(&self) -> String {
        format!("http://{}/events", self.endpoint.address())
    }

    fn goes_down(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    fn comes_back(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    fn took(&self) -> Vec<Place> {
        self.took.lock().unwrap().clone()
    }
}

fn samples(from: i64, count: i64) -> Vec<Sample> {
    let place = |n: i64| i32::try_from(n % i64::from(PARTITIONS)).unwrap();
    (from..from + count).map(|n| Sample::event("order.placed", &n.to_string(), format!("{{\"n\":{n}}}")).to(place(n))).collect()
}

/// Produces a thousand events a second until it is told to stop; says how many there were.
fn produce_until(topic: &Topic<'_>, is_over: &AtomicBool, produced: &AtomicI64) {
    while !is_over.load(Ordering::SeqCst) {
        let from = produced.load(Ordering::SeqCst);
        topic.produce(&samples(from, A_SECOND / 10));
        produced.store(from + A_SECOND / 10, Ordering::SeqCst);
        wait::for_the_whole(Duration::from_millis(100));
    }
}

/// Also when the test fails: its threads are waited for.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn all(produced: i64) -> BTreeSet<Place> {
    let partitions = i64::from(PARTITIONS);
    (0..produced).map(|n| (i32::try_from(n % partitions).unwrap(), n / partitions)).collect()
}

/// The offsets of each partition, in the order in which they came.
fn by_partition(places: &[Place]) -> BTreeMap<i32, Vec<i64>> {
    places.iter().fold(BTreeMap::new(), |mut all: BTreeMap<i32, Vec<i64>>, (partition, offset)| {
        all.entry(*partition).or_default().push(*offset);
        all
    })
}

#[track_caller]
fn is_in_order(places: &[Place]) {
    for (partition, offsets) in by_partition(places) {
        let first_wrong = offsets.windows(2).find(|pair| pair[0] >= pair[1]);
        assert_eq!(first_wrong, None, "of partition {partition}");
    }
}

fn failed(folder: &Folder) -> BTreeSet<Place> {
    folder.journal().failures().iter().map(|row| (row.partition, row.offset)).collect()
}

/// Waits until the service has what is no entry, of which there are few, and all of it in order; then ends the run.
#[track_caller]
fn ends_with_everything(mut running: Running, service: &Service, folder: &Folder, expected: &BTreeSet<Place>) {
    running.until("it has everything", SOON, |_| {
        (service.took().len() + folder.journal().failures().len() >= expected.len()).then_some(())
    });
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    let (took, failed) = (service.took(), failed(folder));
    is_in_order(&took);
    assert!(failed.len() <= 5, "{failed:?}");
    assert_eq!(&took.into_iter().chain(failed).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn a_receiver_that_is_down_and_alone_is_waited_for() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("alone"));
    let topic = broker.topic("alone", PARTITIONS);
    topic.produce(&samples(0, 300));
    let (service, produced, is_over) = (Service::start(), AtomicI64::new(300), AtomicBool::new(false));
    let receiver = format!("billing={}", service.target());
    let mut running = folder.consume(&topic, &group, ["--from", "earliest", "--receiver", &receiver]).spawn();
    running.until("it delivers", SOON, |_| (service.took().len() == 300).then_some(()));
    std::thread::scope(|scope| {
        scope.spawn(|| produce_until(&topic, &is_over, &produced));
        let _over = Over(&is_over);
        service.goes_down();
        running.line("receiver billing is down (http_503", SOON);
        wait::for_the_whole(Duration::from_secs(repetitions(OUTAGE) as u64));
        let members = broker.witness().group_offsets(&group);
        assert!(members.iter().all(|at| at.client.is_some()), "it stays a member: {members:?}");
        let settled: BTreeSet<Place> = service.took().into_iter().chain(failed(&folder)).collect();
        for at in members {
            let is_settled = (0..at.committed.unwrap_or(0)).all(|offset| settled.contains(&(at.partition, offset)));
            assert!(is_settled, "nothing is committed past it: {at:?}");
        }
    });
    service.comes_back();
    let expected = all(produced.load(Ordering::SeqCst));
    ends_with_everything(running, &service, &folder, &expected);
    let incidents = folder.journal().incidents();
    let down: Vec<_> = incidents.iter().filter(|row| row.kind == "receiver_down").collect();
    assert!(matches!(&down[..], [one] if !one.is_open), "{incidents:?}");
    assert_eq!(broker.witness().lag(&group), 0);
}

#[test]
fn what_a_receiver_misses_is_deferred_and_the_others_go_on() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("deferred"));
    let topic = broker.topic("deferred", PARTITIONS);
    topic.produce(&samples(0, 300));
    let (service, produced, is_over) = (Service::start(), AtomicI64::new(300), AtomicBool::new(false));
    let receiver = format!("billing={}", service.target());
    let receivers = ["--from", "earliest", "--receiver", &receiver, "--receiver", "audit=file:audit.jsonl"];
    let mut running = folder.consume(&topic, &group, receivers).spawn();
    running.until("it delivers", SOON, |_| (service.took().len() == 300).then_some(()));
    std::thread::scope(|scope| {
        scope.spawn(|| produce_until(&topic, &is_over, &produced));
        let _over = Over(&is_over);
        service.goes_down();
        running.line("receiver billing is down (http_503", SOON);
        let before = folder.size_of_journal();
        wait::for_the_whole(Duration::from_secs(repetitions(OUTAGE) as u64));
        let behind = produced.load(Ordering::SeqCst);
        running.until("the other one misses nothing", SOON, |_| {
            (i64::try_from(folder.lines("audit.jsonl").len()).unwrap() >= behind).then_some(())
        });
        let grown = folder.size_of_journal().saturating_sub(before);
        assert!(grown < 1024 * 1024, "the journal grew by {grown} bytes");
        service.comes_back();
        running.line("receiver_down of billing is over", SOON);
        wait::for_the_whole(Duration::from_secs(2));
    });
    let expected = all(produced.load(Ordering::SeqCst));
    ends_with_everything(running, &service, &folder, &expected);
    let audited = folder.delivered("audit.jsonl");
    is_in_order(&audited);
    assert_eq!(audited.into_iter().collect::<BTreeSet<_>>(), expected);
    let down = folder.journal().incidents().iter().filter(|row| row.kind == "receiver_down").count();
    assert_eq!(down, 1);
    assert_eq!(broker.witness().lag(&group), 0);
}

#[test]
fn what_a_rule_holds_is_an_outage_of_its_receiver_from_the_first_event_on() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("held"));
    let topic = broker.topic("held", PARTITIONS);
    topic.produce(&samples(0, 300));
    let service = Service::that_answers("409 Conflict");
    service.goes_down();
    folder.write(
        "redrive.toml",
        "[[rule]]\nname = \"month end\"\nwhen = { receiver = \"billing\", code = \"http_409\" }\nthen = \"hold\"\n",
    );
    let receiver = format!("billing={}", service.target());
    let receivers = ["--from", "earliest", "--receiver", &receiver, "--receiver", "audit=file:audit.jsonl"];
    let mut running = folder.consume(&topic, &group, receivers).spawn();
    running.line("receiver billing is down (http_409", SOON);
    running.until("the other one misses nothing", SOON, |_| (folder.lines("audit.jsonl").len() == 300).then_some(()));
    assert_eq!(service.took(), []);
    service.comes_back();
    running.line("receiver_down of billing is over", SOON);
    running.line("billing has what it missed", SOON);
    topic.produce(&samples(300, 300));
    running.until("it has everything", SOON, |_| (service.took().len() == 600).then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    is_in_order(&service.took());
    assert_eq!(failed(&folder), BTreeSet::new(), "it is no event's failure");
    assert_eq!(broker.witness().lag(&group), 0);
}

/// Events that are deferred, and the receivers that miss them, with the time that is left.
fn deferred(folder: &Folder, topic: &Topic<'_>, group: &str) -> (u64, Vec<(String, i64, u64)>) {
    let described = folder.redrive(["group", "describe", "-g", group, "-b", &topic.bootstrap(), "-o", "json"]).run().expect_code(0);
    let document: serde_json::Value = serde_json::from_str(&described.stdout).unwrap();
    let items = document["items"].as_array().unwrap();
    let of = |of: &serde_json::Value| {
        let receiver = of["receiver"].as_str().unwrap().to_owned();
        (receiver, of["position"].as_i64().unwrap(), of["retention_ms"].as_u64().expect("the broker keeps records for a while"))
    };
    let receivers = items.iter().flat_map(|item| item["receivers"].as_array().unwrap()).map(of).collect();
    (items.iter().map(|item| item["deferred"].as_u64().unwrap()).sum(), receivers)
}

#[test]
fn what_a_receiver_missed_is_delivered_by_a_replay_of_its_offsets() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("missed"));
    let topic = broker.topic("missed", PARTITIONS);
    topic.produce(&samples(0, 300));
    let service = Service::start();
    let receiver = format!("billing={}", service.target());
    let receivers = ["--receiver", &receiver, "--receiver", "audit=file:audit.jsonl"];
    let mut running = folder.consume(&topic, &group, [&["--from", "earliest"][..], &receivers].concat()).spawn();
    running.until("it delivers", SOON, |_| (service.took().len() == 300).then_some(()));
    service.goes_down();
    topic.produce(&samples(300, 300));
    running.line("receiver billing is down (http_503", SOON);
    running.until("the other one misses nothing", SOON, |_| (folder.lines("audit.jsonl").len() == 600).then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert_eq!(broker.witness().lag(&group), 0);
    let failed = failed(&folder);
    let (before, behind) = deferred(&folder, &topic, &group);
    assert!(failed.len() <= 5 && before + failed.len() as u64 >= 300, "{before} and {failed:?}");
    let a_week = 7 * 24 * 3_600_000;
    let is_fresh = |(name, _, left): &(String, i64, u64)| name == "billing" && *left <= a_week && *left > a_week / 2;
    assert!(behind.len() == 3 && behind.iter().all(is_fresh), "{behind:?}");

    service.comes_back();
    let range = |range: &str| format!("{}:{range}", topic.name());
    let replay = |range: &str| {
        let summary = item(
            &crate::replays::replay(&folder, &topic, &[&["--offset", range, "-g", &group, "-o", "json"], &receivers[..]].concat())
                .expect_code(0),
        );
        assert_eq!((&summary["skipped"], &summary["failed"]), (&serde_json::json!([]), &0.into()), "{summary}");
    };
    replay(&range("1:140..150"));
    assert_eq!(service.took()[300..], (140..150).map(|offset| (1, offset)).collect::<Vec<_>>());
    let (after, behind) = deferred(&folder, &topic, &group);
    assert_eq!((after, behind.len()), (before - 10, 3), "{behind:?}");
    replay(&range("1:130..140"));
    replay(&range("0:100..200"));
    replay(&range("1:100..130"));
    replay(&range("1:150..200"));
    replay(&range("2:100..200"));
    let mut took = service.took();
    took.sort_unstable();
    assert_eq!(took, all(600).into_iter().collect::<Vec<_>>(), "each of them once");
    assert_eq!(deferred(&folder, &topic, &group), (0, Vec::new()));
    assert_eq!(folder.lines("audit.jsonl").len(), 600, "who had it gets nothing");
}

#[test]
fn killed_in_an_outage_or_while_it_catches_up_a_receiver_misses_nothing() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("deferred-kills"));
    let topic = broker.topic("deferred-kills", PARTITIONS);
    let service = Service::start();
    let receiver = format!("billing={}", service.target());
    let receivers = ["--from", "earliest", "--receiver", &receiver, "--receiver", "audit=file:audit.jsonl"];
    let start = || {
        let command = folder.consume(&topic, &group, receivers).args(["--commit-interval", "100ms"]);
        command.args(["-X", "session.timeout.ms=1000", "-X", "heartbeat.interval.ms=300"]).spawn()
    };
    let mut produced = 0;
    for kill in 0..repetitions(KILLS) {
        topic.produce(&samples(produced, 9_000));
        produced += 9_000;
        service.goes_down();
        let mut running = start();
        running.line("3 partitions assigned", SOON);
        wait::for_the_whole(Duration::from_millis(random.random_range(0..1_500)));
        if kill % 2 == 1 {
            service.comes_back();
            wait::for_the_whole(Duration::from_millis(random.random_range(0..3_000)));
        }
        running.signal(Signal::KILL);
        running.wait(SOON);
    }
    service.comes_back();
    let expected = all(produced);
    let mut running = start();
    running.until("both have everything", SOON, |_| {
        let took: BTreeSet<Place> = service.took().into_iter().chain(failed(&folder)).collect();
        let audited: BTreeSet<Place> = folder.delivered("audit.jsonl").into_iter().collect();
        (took == expected && audited == expected).then_some(())
    });
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert_eq!(broker.witness().lag(&group), 0);
    assert_eq!(folder.journal().lines("SELECT id FROM deferred WHERE delivered_to < to_offset"), Vec::<String>::new());
}

#[test]
fn a_topic_that_is_deleted_while_a_receiver_is_down_keeps_nothing_else_from_it() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("deleted"));
    let (kept, deleted) = (broker.topic("kept", 2), broker.topic("deleted", 1));
    // No partition of the one is a partition of the other.
    let produce = |topic: &Topic<'_>, partition: i32, from: i64| {
        let events = (from..from + 50).map(|n| Sample::event("order.placed", &n.to_string(), "{}").to(partition));
        topic.produce(&events.collect::<Vec<_>>());
    };
    let produce_all = |from| (produce(&kept, 1, from), produce(&deleted, 0, from));
    produce_all(0);
    let service = Service::start();
    let receiver = format!("billing={}", service.target());
    let receivers = ["-t", deleted.name(), "--from", "earliest", "--receiver", &receiver, "--receiver", "audit=file:audit.jsonl"];
    let soon = ["topic.metadata.propagation.max.ms=1000", "topic.metadata.refresh.interval.ms=1000"];
    let command = folder.consume(&kept, &group, receivers).args(["-X", soon[0], "-X", soon[1], "--commit-interval", "100ms"]);
    let mut running = command.spawn();
    running.until("it delivers", SOON, |_| (service.took().len() == 100).then_some(()));
    service.goes_down();
    // What it is asked with is of the topic that stays.
    produce(&kept, 1, 50);
    running.line("receiver billing is down (http_503", SOON);
    let deferred = || folder.journal().lines("SELECT to_offset FROM deferred").len();
    running.until("it is read again", SOON, |_| (deferred() > 0).then_some(()));
    produce(&deleted, 0, 50);
    running.until("the other one misses nothing", SOON, |_| (folder.lines("audit.jsonl").len() == 200).then_some(()));
    running.until("all of it is deferred", SOON, |_| (deferred() > 1).then_some(()));
    deleted.delete();
    service.comes_back();
    let gap = running.until("it is told what is lost", SOON, |_| {
        folder.journal().incidents().into_iter().find(|row| row.kind == "gap" && row.receiver == "billing")
    });
    assert_eq!((gap.topic.as_deref(), gap.partition, gap.from, gap.to), (Some(deleted.name()), Some(0), Some(50), Some(100)));
    produce(&kept, 1, 100);
    running.until("it has all of the other topic", SOON, |_| (service.took().len() + failed(&folder).len() == 200).then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    is_in_order(&service.took());
    let expected = (0..150).map(|offset| (1, offset)).chain((0..50).map(|offset| (0, offset)));
    assert_eq!(service.took().into_iter().chain(failed(&folder)).collect::<BTreeSet<_>>(), expected.collect());
    assert_eq!(folder.journal().lines("SELECT id FROM deferred WHERE delivered_to < to_offset"), Vec::<String>::new());
}
