//! The checks. Each knows nothing of the kind but what it says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use redrive::Class;
use rustix::process::Signal;

use super::kind::{Check, Kind, Outcome};
use super::scene::{FLOOD, Place, SOON, Scene};
use crate::support::wait;

/// The most that a run may take of memory, whatever its receiver does: the budget of 8 MiB several times over, the client library's
/// queues, and the program itself.
const MEMORY: u64 = 120_000_000;
const CLASSES: [Class; 4] = [Class::Transient, Class::Permanent, Class::Consumer, Class::Unknown];

pub(super) fn run(check: Check, scene: &Scene, kind: &dyn Kind) {
    match check {
        Check::Ok => ok(scene, kind),
        Check::Failures => failures(scene, kind),
        Check::Timeout => timeout(scene, kind),
        Check::Death => death(scene, kind),
        Check::SlowStart => slow_start(scene, kind),
        Check::HugeAnswers => huge_answers(scene, kind),
        Check::Memory => memory(scene, kind),
        Check::Cancellation => cancellation(scene, kind),
        Check::Drain => drain(scene, kind),
        Check::Order => order(scene, kind),
    }
}

/// Delivered are these and no others; where one came twice is not looked at.
#[track_caller]
fn got_exactly(scene: &Scene, kind: &dyn Kind, expected: impl IntoIterator<Item = Place>) {
    let got: BTreeSet<_> = kind.got(scene).into_iter().collect();
    assert_eq!(got, expected.into_iter().collect());
}

/// Type, class, code and number of tries.
type Entry = (String, String, String, i64);

fn entry(event_type: &str, (class, code): (&str, &str), tries: i64) -> Entry {
    (event_type.to_owned(), class.to_owned(), code.to_owned(), tries)
}

/// Every entry of the journal, in order.
fn entries(scene: &Scene) -> Vec<Entry> {
    let rows = scene.folder.journal().failures().into_iter();
    let mut entries: Vec<_> = rows.map(|row| (row.event_type.unwrap_or_default(), row.class, row.code, row.attempts)).collect();
    entries.sort();
    entries
}

fn ok(scene: &Scene, kind: &dyn Kind) {
    let places = scene.produce(kind, &["ok"; 30]);
    scene.run(kind, &[]);
    assert_eq!(kind.got(scene).len(), 30, "each once");
    got_exactly(scene, kind, places);
    assert_eq!(entries(scene), []);
}

fn failures(scene: &Scene, kind: &dyn Kind) {
    let mut types = vec!["ok"];
    let mut expected = Vec::new();
    for class in CLASSES {
        match kind.failure(class) {
            Ok(code) => {
                types.extend([class.as_str(), "ok"]);
                let tries = if class == Class::Transient { 3 } else { 1 };
                expected.push(entry(class.as_str(), (class.as_str(), code), tries));
            }
            Err(why) => assert!(!why.is_empty(), "{class:?} is excused without a reason"),
        }
    }
    assert!(!expected.is_empty(), "a kind that cannot fail excuses the check");
    let places = scene.produce(kind, &types);
    scene.run(kind, &["--retries", "2"]);
    expected.sort();
    assert_eq!(entries(scene), expected);
    got_exactly(scene, kind, places.into_iter().zip(&types).filter(|(_, what)| **what == "ok").map(|(place, _)| place));
}

fn timeout(scene: &Scene, kind: &dyn Kind) {
    let places = scene.produce(kind, &["hang", "ok", "ok", "ok", "ok", "ok"]);
    scene.run(kind, &["--retries", "0", "--receiver-option", "it.timeout=500ms"]);
    assert_eq!(entries(scene), [entry("hang", ("transient", "timeout"), 1)]);
    got_exactly(scene, kind, places.into_iter().skip(1));
    assert_eq!(scene.left_running(), [""; 0]);
}

fn death(scene: &Scene, kind: &dyn Kind) {
    let places = scene.produce(kind, &["die", "ok", "ok", "ok"]);
    scene.run(kind, &["--retries", "0"]);
    let Outcome::Fails(class, code) = kind.death() else { panic!("nobody survives that") };
    assert_eq!(entries(scene), [entry("die", (class.as_str(), code), 1)]);
    got_exactly(scene, kind, places.into_iter().skip(1));
}

fn slow_start(scene: &Scene, kind: &dyn Kind) {
    scene.folder.write("slow-start", "");
    let places = scene.produce(kind, &["ok"; 3]);
    let began = Instant::now();
    scene.run(kind, &[]);
    assert!(began.elapsed() >= Duration::from_secs(1), "it was not slow");
    got_exactly(scene, kind, places);
    assert_eq!(entries(scene), []);
}

fn huge_answers(scene: &Scene, kind: &dyn Kind) {
    const COUNT: usize = 6;
    let places = scene.produce(kind, &["huge"; COUNT]);
    let mut running = scene.start(kind, &[]);
    let settled = || kind.got(scene).len() + entries_if_any(scene);
    running.until("all is settled", SOON, |_| (settled() >= COUNT).then_some(()));
    let peak = running.peak_memory();
    running.signal(Signal::TERM);
    scene.end(running);
    println!("at most {peak} bytes");
    assert!(peak < MEMORY, "{peak} bytes");
    match kind.huge() {
        Outcome::Delivered => got_exactly(scene, kind, places),
        Outcome::Fails(class, code) => {
            assert_eq!(entries(scene), vec![entry("huge", (class.as_str(), code), 1); COUNT]);
            got_exactly(scene, kind, []);
        }
    }
}

/// Entries so far; none where there is no journal yet.
fn entries_if_any(scene: &Scene) -> usize {
    let is_there = scene.folder.path().join("redrive.db").exists();
    if is_there { scene.folder.journal().failures().len() } else { 0 }
}

/// The topic holds more than a run may take; one that hangs lets none of it go.
fn memory(scene: &Scene, kind: &dyn Kind) {
    let mut running = scene.start(kind, &["--drain-timeout", "100ms"]);
    if kind.can_wait() {
        running.until("it hangs", SOON, |_| (!scene.folder.lines("hangs").is_empty()).then_some(()));
        wait::at_most(Duration::from_millis(1_500), || (running.peak_memory() >= MEMORY).then_some(()));
    } else {
        running.until("much of it is committed", SOON, |_| (committed(scene) >= FLOOD / 3).then_some(()));
    }
    let peak = running.peak_memory();
    running.signal(Signal::TERM);
    scene.end(running);
    println!("at most {peak} bytes");
    assert!(peak < MEMORY, "{peak} bytes");
    assert_eq!(entries(scene), []);
}

/// How many records the journal's progress has.
fn committed(scene: &Scene) -> usize {
    if !scene.folder.path().join("redrive.db").exists() {
        return 0;
    }
    let progress = scene.folder.journal().progress();
    usize::try_from(progress.iter().map(|row| row.records).sum::<i64>()).unwrap()
}

fn cancellation(scene: &Scene, kind: &dyn Kind) {
    let places = scene.produce(kind, &["hang"]);
    let mut running = scene.start(kind, &["--drain-timeout", "300ms"]);
    running.until("it hangs", SOON, |_| (!scene.folder.lines("hangs").is_empty()).then_some(()));
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let output = scene.end(running);
    assert!(asked.elapsed() < Duration::from_millis(300) + SOON / 8, "it did not end in time: {}", output.stderr);
    assert_eq!(scene.left_running(), [""; 0]);
    got_exactly(scene, kind, []);
    assert_eq!(entries(scene), [], "what was given up has not failed");
    scene.folder.write("released", "");
    scene.run(kind, &[]);
    got_exactly(scene, kind, places);
}

fn drain(scene: &Scene, kind: &dyn Kind) {
    // One that cannot take its time has another receiver beside it that does, and the events in flight are bounded.
    let pace = ["--receiver", "pace=run:sleep 0.02"];
    let (types, beside) = if kind.can_wait() { (["slow"; 60], &[][..]) } else { (["ok"; 60], &pace[..]) };
    let places = scene.produce(kind, &types);
    let mut running = scene.start(kind, &[&["--max-in-flight", "15", "--drain-timeout", "5s"], beside].concat());
    // What the journal has is behind what was delivered.
    running.until("some are settled", SOON, |_| (committed(scene) > 0).then_some(()));
    running.signal(Signal::TERM);
    scene.end(running);
    let got = kind.got(scene);
    let settled: BTreeMap<_, _> = scene.folder.journal().progress().iter().map(|row| (row.partition, row.to)).collect();
    for at in scene.broker.witness().group_offsets(&scene.group) {
        assert_eq!(at.committed, Some(settled.get(&at.partition).copied().unwrap_or(0)), "committed is what settled: {at:?}");
    }
    let is_settled = |(partition, offset): &Place| *offset < settled.get(partition).copied().unwrap_or(0);
    let missing: Vec<_> = places.iter().filter(|place| is_settled(place) && !got.contains(place)).collect();
    assert!(missing.is_empty(), "settled, and not delivered: {missing:?}");
    assert!(places.iter().any(|place| !is_settled(place)), "it was stopped on the way");
    let unsettled = got.iter().filter(|place| !is_settled(place)).count();
    assert_eq!(unsettled, 0, "what was in flight settled");
    scene.run(kind, &[]);
    let got = kind.got(scene);
    assert_eq!((got.len(), got.into_iter().collect::<BTreeSet<_>>()), (places.len(), places.into_iter().collect()), "each once");
}

fn order(scene: &Scene, kind: &dyn Kind) {
    let types: Vec<_> = (0..90).map(|at| if at % 30 == 10 && kind.can_wait() { "busy_once" } else { "ok" }).collect();
    let places = scene.produce(kind, &types);
    scene.run(kind, &[]);
    let mut by_partition = BTreeMap::<_, Vec<i64>>::new();
    for (partition, offset) in kind.got(scene) {
        by_partition.entry(partition).or_default().push(offset);
    }
    for (partition, offsets) in &by_partition {
        assert!(offsets.is_sorted(), "partition {partition}: {offsets:?}");
    }
    got_exactly(scene, kind, places);
}
