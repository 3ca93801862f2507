//! `kill -9`, again and again: nothing is lost, no entry is doubled, and no offset is committed above an unsettled record.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::support::{Broker, Folder, Sample, unique, wait};
use crate::workers;

/// The issue wants 30; so many run with `REDRIVE_TEST_FULL=1`.
const KILLS: (usize, usize) = (5, 30);
const PARTITIONS: i32 = 12;
/// Produced before each start, so that a kill always has something to interrupt.
const EVENTS_PER_START: i32 = 18_000;
const RECEIVERS: [&str; 2] = ["one", "two"];

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
    let kills = if std::env::var_os("REDRIVE_TEST_FULL").is_some() { KILLS.1 } else { KILLS.0 };
    let seed = rand::random::<u64>();
    println!("seed {seed}, {kills} kills");
    let mut random = StdRng::seed_from_u64(seed);
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("kills"));
    let topic = broker.topic("kills", PARTITIONS);
    let bootstrap = broker.bootstrap();
    let targets = RECEIVERS.map(|receiver| workers::target(&folder, receiver, 0.0));
    let mut produced = 0;
    let start = |produced: &mut i32| {
        let more = *produced..*produced + EVENTS_PER_START;
        topic.produce(&more.map(|n| Sample::event("t", &n.to_string(), "{}").to(n % PARTITIONS)).collect::<Vec<_>>());
        *produced += EVENTS_PER_START;
        let consume =
            ["consume", "-b", &bootstrap, "-t", topic.name(), "-g", &group, "--from", "earliest", "--commit-interval", "100ms"];
        let receivers = targets.iter().flat_map(|target| ["--receiver", target]);
        folder.redrive(consume).args(receivers).args(["-X", "session.timeout.ms=1000", "-X", "heartbeat.interval.ms=300"])
    };
    let mut interrupted = 0;
    for kill in 0..kills {
        let mut running = start(&mut produced).spawn();
        running.line("12 partitions assigned", Duration::from_secs(20));
        let moment = Duration::from_millis(random.random_range(0..800));
        assert_eq!(wait::at_most(moment, || None::<()>), None);
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
    let all =
        |fails: bool| (0..produced).filter(move |n| (n % 100 == 7) == fails).map(|n| (n % PARTITIONS, i64::from(n / PARTITIONS)));
    let failures = folder.journal().failures();
    for receiver in RECEIVERS {
        assert_eq!(workers::places(&made, receiver), all(false).collect(), "seed {seed}: {receiver} got every event that it takes");
        let of: Vec<_> = failures
            .iter()
            .filter(|row| row.receiver.as_deref() == Some(receiver))
            .map(|row| (row.partition, row.offset))
            .collect();
        assert_eq!(of.iter().copied().collect::<BTreeSet<_>>(), all(true).collect(), "seed {seed}: {receiver}'s failures");
        assert_eq!(of.len(), all(true).count(), "seed {seed}: {receiver}: one entry for each");
    }
    assert_eq!(failures.len(), 2 * all(true).count(), "seed {seed}: nothing else failed");
    assert!(failures.iter().all(|row| row.code == "unlucky" && row.state == "open"), "seed {seed}");
    assert_eq!(broker.witness().lag(&group), 0);
}
