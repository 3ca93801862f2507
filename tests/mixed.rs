//! Receivers of five kinds on one topic, of which each fails in its own way, killed in mid-run: the books balance for each of them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;
use serde_json::Value;

use crate::copies;
use crate::support::command::Running;
use crate::support::{Broker, Endpoint, Folder, Request, Sample, Topic, repetitions, unique};
use crate::workers;

/// How many events: in CI, and in a full run.
const EVENTS: (i32, i32) = (20_000, 100_000);
/// The second comes when the file could not be written for a while.
const KILLS: i32 = 3;
const PARTITIONS: i32 = 12;
const SOON: Duration = Duration::from_secs(60);
const LARGEST_COPY: usize = 20_000;

/// By their names; the copy is the one of `kafka:`.
const RECEIVERS: [&str; 5] = ["exec", "run", "http", "copy", "file"];

const SCRIPT: &str = r#"
if [ $((REDRIVE_EVENT_ID % 800)) -eq 50 ]; then
    echo "no refund for $REDRIVE_EVENT_ID" >&2
    exit 65
fi
echo "$REDRIVE_RECORD_PARTITION $REDRIVE_RECORD_OFFSET" >> refunds
"#;

fn place(n: i32) -> (i32, i64) {
    (n % PARTITIONS, i64::from(n / PARTITIONS))
}

/// A process for each event is slow, so `run:` takes the rare ones only.
fn is_refund(n: i32) -> bool {
    n % 200 == 50
}

/// Class and code of what an event comes to that a receiver does not take. The file fails by the moment and not by the event.
fn failure(receiver: &str, n: i32) -> Option<(&'static str, &'static str)> {
    match receiver {
        "exec" if n % 100 == 7 => Some(("permanent", "unlucky")),
        "exec" if n % workers::DIES_EVERY == workers::DIES_OF => Some(("unknown", "process_died")),
        "run" if n % 800 == 50 => Some(("permanent", "rejected")),
        "http" => refusal(n).map(|status| if status == 503 { ("transient", "http_503") } else { ("permanent", "http_422") }),
        "copy" if n % 250 == 99 => Some(("permanent", "too_large")),
        _ => None,
    }
}

fn refusal(n: i32) -> Option<u16> {
    match n {
        _ if n % 100 == 21 => Some(422),
        _ if n % 1_000 == 33 => Some(503),
        _ => None,
    }
}

fn number(request: &Request) -> i32 {
    request.header("ce-id").parse().unwrap()
}

/// The service: what it refuses it has not processed.
fn service() -> Endpoint {
    Endpoint::start(|request, stream| {
        let status = refusal(number(request)).unwrap_or(204);
        stream.write_all(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n").as_bytes())
    })
}

/// What a kill interrupts, and where it shows what was delivered.
struct Scene<'b> {
    folder: Folder,
    topic: Topic<'b>,
    copies: Topic<'b>,
    service: Endpoint,
    events: i32,
}

impl<'b> Scene<'b> {
    fn new(broker: &'b Broker) -> Self {
        let scene = Self {
            folder: Folder::new(),
            topic: broker.topic("mixed", PARTITIONS),
            copies: broker.small_topic("copies", 3, LARGEST_COPY),
            service: service(),
            events: repetitions(EVENTS),
        };
        let sample = |n: i32| {
            let filler = "x".repeat(if failure("copy", n).is_some() { LARGEST_COPY } else { 10 });
            let of = if is_refund(n) { "order.refunded" } else { "order.placed" };
            Sample::event(of, &n.to_string(), format!("\"{filler}\"")).to(n % PARTITIONS)
        };
        scene.topic.produce(&(0..scene.events).map(sample).collect::<Vec<_>>());
        scene.folder.write("script.sh", SCRIPT);
        scene.folder.write("redrive.toml", &scene.receivers());
        scene
    }

    fn receivers(&self) -> String {
        let worker = workers::mortal(&self.folder, "exec");
        let (_, worker) = worker.split_once('=').unwrap();
        let (service, copies) = (self.service.address(), self.copies.name());
        format!(
            r#"
            [[receiver]]
            name = "exec"
            target = "{worker}"
            window = 8
            [[receiver]]
            name = "run"
            target = "run:/bin/sh script.sh"
            types = ["order.refunded"]
            [[receiver]]
            name = "http"
            target = "http://{service}/orders"
            [[receiver]]
            name = "copy"
            target = "kafka:{copies}"
            [[receiver]]
            name = "file"
            target = "file:audit.jsonl"
            on_outage = "journal"
            retries = 0
            "#
        )
    }

    fn start(&self, group: &str, more: &[&str]) -> Running {
        let arguments = ["--from", "earliest", "--commit-interval", "100ms", "--max-in-flight", "1000"];
        let quick = ["-X", "session.timeout.ms=1000", "-X", "heartbeat.interval.ms=300"];
        let arguments = arguments.iter().chain(&quick).chain(more).copied();
        self.folder.consume(&self.topic, group, arguments).spawn()
    }

    fn settled(&self) -> i64 {
        self.folder.journal().progress().iter().map(|row| row.records).sum()
    }

    /// What a receiver has failed for, as the journal has it: where, class and code.
    fn failed(&self, receiver: &str) -> Vec<((i32, i64), (String, String))> {
        let failures = self.folder.journal().failures().into_iter();
        let of = failures.filter(|row| row.receiver.as_deref() == Some(receiver));
        of.map(|row| ((row.partition, row.offset), (row.class, row.code))).collect()
    }

    /// What a receiver has, by its own account.
    fn delivered(&self, receiver: &str) -> BTreeSet<(i32, i64)> {
        match receiver {
            "exec" => workers::places(&workers::deliveries(&self.folder), receiver),
            "run" => self.folder.lines("refunds").iter().map(|line| pair(line.split_once(' ').unwrap())).collect(),
            "http" => {
                let requests = self.service.requests().into_iter().filter(|request| refusal(number(request)).is_none());
                requests.map(|request| pair((request.header("ce-kafkapartition"), request.header("ce-kafkaoffset")))).collect()
            }
            "copy" => copies::origins(&self.copies),
            "file" => self.audited(),
            _ => panic!("no receiver {receiver}"),
        }
    }

    /// A kill may tear a line; the next start ends it.
    fn audited(&self) -> BTreeSet<(i32, i64)> {
        let lines = self.folder.lines("audit.jsonl");
        let whole: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(lines.len() - whole.len() <= usize::try_from(KILLS).unwrap(), "lines that are torn, and no kill tore them");
        let number = |line: &Value, name: &str| line["record"][name].as_i64().unwrap();
        whole.iter().map(|line| (i32::try_from(number(line, "partition")).unwrap(), number(line, "offset"))).collect()
    }

    /// What this receiver is to get: all that it takes the type of.
    fn routed(&self, receiver: &str) -> impl Iterator<Item = i32> {
        let takes_refunds_only = receiver == "run";
        (0..self.events).filter(move |n| !takes_refunds_only || is_refund(*n))
    }

    /// The first offset of each partition that some receiver has neither got nor failed for.
    fn first_unsettled(&self) -> Vec<i64> {
        let unsettled = RECEIVERS.iter().flat_map(|receiver| {
            let mut settled = self.delivered(receiver);
            settled.extend(self.failed(receiver).into_iter().map(|(place, _)| place));
            self.routed(receiver).map(place).filter(move |place| !settled.contains(place))
        });
        let unsettled: BTreeSet<_> = unsettled.collect();
        let first = |partition| unsettled.range((partition, 0)..(partition + 1, 0)).next().map_or(i64::MAX, |(_, offset)| *offset);
        (0..PARTITIONS).map(first).collect()
    }

    /// Puts a directory where the file was, or the file back. The other one is aside meanwhile.
    fn exchange(&self) {
        let path = |name: &str| self.folder.path().join(name);
        renameat_with(CWD, path("audit.jsonl"), CWD, path("aside"), RenameFlags::EXCHANGE).unwrap();
    }
}

fn pair((partition, offset): (&str, &str)) -> (i32, i64) {
    (partition.parse().unwrap(), offset.parse().unwrap())
}

#[test]
fn each_of_five_kinds_fails_in_its_own_way_and_no_kill_loses_or_doubles_anything() {
    let seed = rand::random::<u64>();
    let (broker, group) = (Broker::shared(), unique("mixed"));
    let mut random = StdRng::seed_from_u64(seed);
    let scene = Scene::new(broker);
    println!("seed {seed}, {} events", scene.events);
    std::fs::create_dir(scene.folder.path().join("aside")).unwrap();
    for kill in 0..KILLS {
        let mut running = scene.start(&group, &[]);
        running.line("12 partitions assigned", SOON);
        let part = scene.events / (KILLS + 1);
        let moment = i64::from(random.random_range(kill * part..(kill + 1) * part));
        running.until("it is at the drawn place", SOON, |_| (scene.settled() > moment).then_some(()));
        if kill == 1 {
            scene.exchange();
            let past = scene.settled() + i64::from(scene.events / 5);
            running.until("it went on for long", SOON, |_| (scene.settled() > past).then_some(()));
        }
        running.signal(Signal::KILL);
        running.wait(SOON);
        if kill == 1 {
            scene.exchange();
        }
        assert!(scene.settled() < i64::from(scene.events), "kill {kill} of seed {seed} interrupted nothing");
        let unsettled = scene.first_unsettled();
        for at in broker.witness().group_offsets(&group) {
            let first = unsettled[usize::try_from(at.partition).unwrap()];
            assert!(at.committed.unwrap_or(0) <= first, "kill {kill} of seed {seed}: {at:?}, but {first} is not settled");
        }
    }
    scene.start(&group, &["--until-end"]).wait(Duration::from_secs(300)).expect_code(0);
    check(&scene, seed);
    check_progress(&scene, seed);
    assert_eq!(broker.witness().lag(&group), 0);
}

/// Every event is with its receivers or in the journal, per receiver.
fn check(scene: &Scene<'_>, seed: u64) {
    for receiver in ["exec", "run", "http", "copy"] {
        let delivered = scene.routed(receiver).filter(|n| failure(receiver, *n).is_none()).map(place).collect();
        assert_eq!(scene.delivered(receiver), delivered, "seed {seed}: {receiver} has every event that it takes");
        let failed: BTreeSet<_> = scene.routed(receiver).filter_map(|n| Some((place(n), failure(receiver, n)?))).collect();
        let entries = scene.failed(receiver);
        println!("{receiver}: {} delivered, {} failed", delivered.len(), entries.len());
        let of: BTreeSet<_> = entries.iter().map(|(place, (class, code))| (*place, (class.as_str(), code.as_str()))).collect();
        assert_eq!(
            (of, entries.len()),
            (failed.clone(), failed.len()),
            "seed {seed}: {receiver} has one entry for each that it fails for"
        );
    }
    let (delivered, entries) = (scene.delivered("file"), scene.failed("file"));
    println!("file: {} delivered, {} failed", delivered.len(), entries.len());
    assert!(entries.iter().all(|(_, (class, code))| (class.as_str(), code.as_str()) == ("transient", "unreachable")));
    let mut either: BTreeSet<_> = entries.iter().map(|(place, _)| *place).collect();
    assert_eq!(either.len(), entries.len(), "seed {seed}: no entry is doubled");
    assert!(
        !either.is_subset(&delivered),
        "seed {seed}: what was committed while the file could not be written is in the journal only"
    );
    either.extend(delivered);
    assert_eq!(either, (0..scene.events).map(place).collect(), "seed {seed}: the file has what did not fail");
}

/// A range that was settled again after a kill is there twice; all of them together leave no offset out.
fn check_progress(scene: &Scene<'_>, seed: u64) {
    let places = |receiver: &&str| scene.failed(receiver).into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    let always: BTreeSet<_> = RECEIVERS.iter().filter(|name| **name != "file").flat_map(places).collect();
    let at_times: BTreeSet<_> = RECEIVERS.iter().flat_map(places).collect();
    let mut accounted = BTreeSet::new();
    for row in scene.folder.journal().progress() {
        let places: Vec<_> = (row.from..row.to).map(|offset| (row.partition, offset)).collect();
        let among =
            |failed: &BTreeSet<(i32, i64)>| i64::try_from(places.iter().filter(|place| failed.contains(*place)).count()).unwrap();
        assert_eq!((row.records, row.skipped), (row.to - row.from, 0), "seed {seed}: {row:?}");
        assert_eq!(row.records, row.delivered + row.failed, "seed {seed}: {row:?}");
        assert!((among(&always)..=among(&at_times)).contains(&row.failed), "seed {seed}: {row:?}");
        accounted.extend(places);
    }
    assert_eq!(accounted, (0..scene.events).map(place).collect(), "seed {seed}: every offset is accounted for");
}
