//! `kill -9`, again and again: nothing is lost, no entry is doubled, and no offset is committed above an unsettled record. The process of
//! one receiver dies by itself as well, of some of the events.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::support::{Broker, Folder, Sample, repetitions, unique, wait};
use crate::workers;

/// How many: in CI, and in a full run.
const KILLS: (usize, usize) = (5, 30);
const PARTITIONS: i32 = 12;
/// Produced before each start, so that a kill always has something to interrupt.
const EVENTS_PER_START: i32 = 18_000;
const RECEIVERS: [&str; 3] = ["one", "two", MORTAL];
const MORTAL: &str = "mortal";

/// What the event of this number comes to, when it is not delivered.
fn failure(receiver: &str, n: i32) -> Option<&'static str> {
    match n {
        _ if n % 100 == 7 => Some("unlucky"),
        _ if receiver == MORTAL && n % workers::DIES_EVERY == workers::DIES_OF => Some("process_died"),
        _ => None,
    }
}

fn place(n: i32) -> (i32, i64) {
    (n % PARTITIONS, i64::from(n / PARTITIONS))
}

/// The process that dies holds several deliveries when it does.
fn receivers(folder: &Folder) -> String {
    let targets = [workers::target(folder, "one", 0.0), workers::target(folder, "two", 0.0), workers::mortal(folder, MORTAL)];
    let receiver = |of: &String| {
        let (name, target) = of.split_once('=').unwrap();
        format!("[[receiver]]\nname = \"{name}\"\ntarget = \"{target}\"\nwindow = {}\n", if name == MORTAL { 8 } else { 1 })
    };
    targets.iter().map(receiver).collect()
}

/// What must be true of every (event, receiver) pair below `offset`, and is not: the first offset of each partition that is unsettled.
fn first_unsettled(folder: &Folder, produced: i32) -> Vec<i64> {
    let made = workers::deliveries(folder);
    let failed: BTreeSet<_> =
        folder.journal().failures().into_iter().map(|row| (row.receiver.unwrap_or_default(), row.partition, row.offset)).collect();
    let sets = RECEIVERS.map(|receiver| (receiver, workers::places(&made, receiver)));
    let is_settled = |partition: i32, offset: i64| {
        sets.iter().all(|(receiver, places)| {
            places.contains(&(partition, offset)) || failed.contains(&((*receiver).to_owned(), partition, offset))
        })
    };
    let end = i64::from(produced / PARTITIONS);
    (0..PARTITIONS).map(|partition| (0..end).find(|offset| !is_settled(partition, *offset)).unwrap_or(end)).collect()
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_is_doubled() {
    let kills = repetitions(KILLS);
    let seed = rand::random::<u64>();
    println!("seed {seed}, {kills} kills");
    let mut random = StdRng::seed_from_u64(seed);
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("kills"));
    let topic = broker.topic("kills", PARTITIONS);
    let bootstrap = broker.bootstrap();
    folder.write("redrive.toml", &receivers(&folder));
    let mut produced = 0;
    let start = |produced: &mut i32| {
        let more = *produced..*produced + EVENTS_PER_START;
        topic.produce(&more.map(|n| Sample::event("t", &n.to_string(), "{}").to(n % PARTITIONS)).collect::<Vec<_>>());
        *produced += EVENTS_PER_START;
        let consume =
            ["consume", "-b", &bootstrap, "-t", topic.name(), "-g", &group, "--from", "earliest", "--commit-interval", "100ms"];
        folder.redrive(consume).args(["-X", "session.timeout.ms=1000", "-X", "heartbeat.interval.ms=300"])
    };
    let mut interrupted = 0;
    for kill in 0..kills {
        let mut running = start(&mut produced).spawn();
        running.line("12 partitions assigned", Duration::from_secs(20));
        let moment = Duration::from_millis(random.random_range(0..800));
        wait::for_the_whole(moment);
        running.signal(Signal::KILL);
        running.wait(Duration::from_secs(10));

        let unsettled = first_unsettled(&folder, produced);
        interrupted += usize::from(unsettled.iter().sum::<i64>() < i64::from(produced));
        for at in broker.witness().group_offsets(&group) {
            let first = unsettled[usize::try_from(at.partition).unwrap()];
            assert!(at.committed.unwrap_or(0) <= first, "kill {kill} of seed {seed}: {at:?}, but {first} is not settled");
        }
    }
    assert!(interrupted > 0, "no kill of seed {seed} interrupted anything");
    start(&mut produced).args(["--until-end"]).within(Duration::from_secs(120)).run().expect_code(0);

    let made = workers::deliveries(&folder);
    let failures = folder.journal().failures();
    for receiver in RECEIVERS {
        let delivered = (0..produced).filter(|n| failure(receiver, *n).is_none()).map(place).collect();
        assert_eq!(workers::places(&made, receiver), delivered, "seed {seed}: {receiver} got every event that it takes");
        let mut of: Vec<_> = failures.iter().filter(|row| row.receiver.as_deref() == Some(receiver)).collect();
        of.sort_by_key(|row| (row.offset, row.partition));
        let of: Vec<_> = of.into_iter().map(|row| ((row.partition, row.offset), row.code.as_str())).collect();
        let failed: Vec<_> = (0..produced).filter_map(|n| Some((place(n), failure(receiver, n)?))).collect();
        assert_eq!(of, failed, "seed {seed}: {receiver} has one entry for each event that it fails for");
    }
    assert!(failures.iter().all(|row| row.receiver.is_some() && row.state == "open"), "seed {seed}: nothing else failed");
    assert_eq!(broker.witness().lag(&group), 0);
}
