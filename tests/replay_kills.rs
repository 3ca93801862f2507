//! `kill -9` in the middle of replays, again and again: every event is delivered in the end, no entry is doubled, and none is left held.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::replays::{replay, target};
use crate::support::{Broker, Folder, Sample, repetitions, unique, wait};

/// How many: in CI, and in a full run.
const KILLS: (usize, usize) = (5, 30);
const PARTITIONS: i32 = 6;
/// More than a replay gets done before it is killed.
const EVENTS_PER_KILL: usize = 4_000;
const SOON: Duration = Duration::from_secs(300);

#[test]
fn a_replay_that_is_killed_is_made_again_until_nothing_is_open() {
    let kills = repetitions(KILLS);
    let seed = rand::random::<u64>();
    println!("seed {seed}, {kills} kills");
    let mut random = StdRng::seed_from_u64(seed);
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("replay-kills"));
    let topic = broker.topic("replay-kills", PARTITIONS);
    let events = i32::try_from(kills * EVENTS_PER_KILL).unwrap();
    topic.produce(&(0..events).map(|n| Sample::event("t", &n.to_string(), "{}").to(n % PARTITIONS)).collect::<Vec<_>>());
    let billing = target(&folder, "billing");
    folder.write("broken-billing", "");
    let consume = folder.consume(&topic, &group, ["--from", "earliest", "--until-end", "--receiver", &billing]);
    consume.within(SOON).run().expect_code(0);
    std::fs::remove_file(folder.path().join("broken-billing")).unwrap();

    let (bootstrap, mut interrupted) = (broker.bootstrap(), 0);
    for kill in 0..kills {
        let had = folder.lines("billing").len();
        let mut running = folder.redrive(["replay", "-b", &bootstrap, "--all", "--yes", "--receiver", &billing]).spawn();
        let mut moment = Duration::from_millis(random.random_range(0..700));
        // Every other one while it delivers, however long it takes to begin.
        if kill % 2 == 1 {
            wait::until("the replay begins", SOON, || (folder.lines("billing").len() > had).then_some(()));
            moment /= 4;
        }
        wait::for_the_whole(moment);
        running.signal(Signal::KILL);
        running.wait(Duration::from_secs(10));

        // What is resolved was delivered before: a receiver notes it before it answers.
        let delivered: BTreeSet<_> = folder.delivered("billing").into_iter().collect();
        let failures = folder.journal().failures();
        let resolved: BTreeSet<_> =
            failures.iter().filter(|row| row.state == "resolved").map(|row| (row.partition, row.offset)).collect();
        assert!(resolved.is_subset(&delivered), "kill {kill} of seed {seed}: resolved, and never delivered");
        interrupted += usize::from(!delivered.is_empty() && resolved.len() < failures.len());
    }
    assert!(interrupted > 0, "no kill of seed {seed} interrupted anything");

    let last = replay(&folder, &topic, &["--all", "--yes", "--receiver", &billing]);
    assert!(last.code() == Some(0) || last.stderr.contains("nothing in the journal fits"), "seed {seed}: {last:?}");
    let delivered: BTreeSet<_> = folder.delivered("billing").into_iter().collect();
    let places: BTreeSet<_> = (0..events).map(|n| (n % PARTITIONS, i64::from(n / PARTITIONS))).collect();
    assert_eq!(delivered, places, "seed {seed}: every event was delivered at least once");
    let failures = folder.journal().failures();
    assert_eq!(failures.len(), places.len(), "seed {seed}: an entry for each, and no more");
    assert!(failures.iter().all(|row| row.state == "resolved" && row.attempts == 1), "seed {seed}: nothing is open");
    assert_eq!(folder.journal().claimed(), 0, "seed {seed}: nothing is left held");
}
