//! SIGTERM: what is in flight settles until the drain timeout, what settled is committed, the rest is delivered again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Broker, Folder, Sample, unique};
use crate::workers;

const PARTITIONS: i32 = 4;
const EVENTS: i32 = 400;

#[test]
fn what_settled_is_committed_and_the_rest_comes_again() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("stops"));
    let topic = broker.topic("stops", PARTITIONS);
    let samples: Vec<_> = (0..EVENTS).map(|n| Sample::event("t", &(n * 100).to_string(), "{}").to(n % PARTITIONS)).collect();
    topic.produce(&samples);
    let slow = workers::target(&folder, "slow", 0.05);
    let always = ["--from", "earliest", "--drain-timeout", "1s", "--receiver", &slow, "--receiver", "fast=discard:"];
    let consume = || folder.consume(&topic, &group, always);
    let mut running = consume().spawn();
    running.until("some deliveries", Duration::from_secs(20), |_| (workers::deliveries(&folder).len() >= 10).then_some(()));
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let output = running.wait(Duration::from_secs(20)).expect_code(0);
    assert!(output.stderr.contains(" not finished, delivered again next time"), "{}", output.stderr);
    assert!(asked.elapsed() < Duration::from_secs(1 + 5), "drained and left in time: {}", output.stderr);

    let made = workers::places(&workers::deliveries(&folder), "slow");
    assert!(made.len() < EVENTS as usize, "it was stopped on the way");
    let progress = folder.journal().progress();
    let offsets = broker.witness().group_offsets(&group);
    assert_eq!(offsets.len(), PARTITIONS as usize);
    for at in &offsets {
        let settled = progress.iter().find(|row| row.partition == at.partition).unwrap().to;
        assert_eq!(at.committed, Some(settled), "committed is what settled: {at:?}");
        let delivered: usize = made.iter().filter(|(partition, _)| *partition == at.partition).count();
        // The last one may have been done without its answer being waited for any more.
        let settled = usize::try_from(settled).unwrap();
        assert!((settled..=settled + 1).contains(&delivered), "{delivered} were delivered: {at:?}");
    }
    assert_eq!(broker.witness().group_state(&group).map(|state| state.members), Some(0), "it left the group");
    let [run] = &folder.journal().runs()[..] else { panic!("one run") };
    assert_eq!((run.stop_reason.as_deref(), run.exit_code), (Some("signal"), Some(0)));

    consume().args(["--until-end"]).run().expect_code(0);
    let all: BTreeSet<_> = (0..EVENTS).map(|n| (n % PARTITIONS, i64::from(n / PARTITIONS))).collect();
    let made = workers::deliveries(&folder);
    assert_eq!(workers::places(&made, "slow"), all);
    assert!(made.len() <= EVENTS as usize + PARTITIONS as usize, "only what was not finished came again: {}", made.len());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("stops"));
    let topic = broker.topic("stops", 1);
    topic.produce(&[Sample::event("t", "100", "{}")]);
    let hang = workers::target(&folder, "hang", 1000.0);
    let arguments = ["--from", "earliest", "--receiver", &hang, "--drain-timeout", "5m"];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    running.line("partition assigned", Duration::from_secs(20));
    running.signal(Signal::TERM);
    running.line("stopping", Duration::from_secs(5));
    running.signal(Signal::INT);
    let output = running.wait(Duration::from_secs(10));
    assert_eq!(output.code(), Some(130), "{}", output.stderr);
    assert!(broker.witness().group_offsets(&group).iter().all(|at| at.committed.unwrap_or(0) == 0), "nothing was settled");
}

/// The terminal was closed: what was settled is committed, and the group is left.
#[test]
fn a_hangup_stops_as_a_termination_does() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("stops"));
    let topic = broker.topic("stops", 1);
    topic.produce(&[Sample::event("t", "1", "{}")]);
    let mut running = folder.consume(&topic, &group, ["--from", "earliest", "--receiver", "all=file:all.jsonl"]).spawn();
    running.until("the event is delivered", Duration::from_secs(20), |_| (folder.lines("all.jsonl").len() == 1).then_some(()));
    running.signal(Signal::HUP);
    let output = running.wait(Duration::from_secs(20)).expect_code(0);
    assert!(output.stderr.contains("stopped: 1 delivered"), "{}", output.stderr);
    assert_eq!(broker.witness().lag(&group), 0);
}
