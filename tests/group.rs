//! Members of one group: partitions move in mid-flight, and a member stays one however slow its receivers are.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::command::Running;
use crate::support::{Broker, Folder, Sample, unique, wait};
use crate::workers;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn partitions_move_between_two_members_and_no_failure_is_lost_or_doubled() {
    const PARTITIONS: i32 = 6;
    const EVENTS: i32 = 6_000;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("members"));
    let topic = broker.topic("members", PARTITIONS);
    topic.produce(&(0..EVENTS).map(|n| Sample::event("t", &n.to_string(), "{}").to(n % PARTITIONS)).collect::<Vec<_>>());
    let worker = workers::target(&folder, "worker", 0.001);
    // One journal for both, as for all processes of a machine.
    let member = |more: &[&'static str]| {
        let always = ["--from", "earliest", "--receiver", &worker];
        folder
            .consume(&topic, &group, always)
            .args(["--max-in-flight", "200", "-X", "heartbeat.interval.ms=300"])
            .args(more.iter().copied())
    };
    let mut first = member(&[]).spawn();
    first.until("some deliveries", SOON, |_| (workers::deliveries(&folder).len() > 500).then_some(()));
    let mut second = member(&["--idle-exit", "5s"]).spawn();
    second.line("3 partitions assigned", SOON);
    let then = workers::deliveries(&folder).len();
    second.until("both deliver", SOON, |_| (workers::deliveries(&folder).len() > then + 500).then_some(()));
    first.signal(Signal::TERM);
    first.wait(SOON).expect_code(0);
    second.wait(Duration::from_secs(90)).expect_code(0);

    let all =
        |fails: bool| (0..EVENTS).filter(move |n| (n % 100 == 7) == fails).map(|n| (n % PARTITIONS, i64::from(n / PARTITIONS)));
    let made = workers::deliveries(&folder);
    assert_eq!(workers::places(&made, "worker"), all(false).collect());
    assert_eq!(made.len(), all(false).count(), "every partition was drained before it moved, so nothing came twice");
    let failures = folder.journal().failures();
    assert_eq!(failures.iter().map(|row| (row.partition, row.offset)).collect::<BTreeSet<_>>(), all(true).collect());
    assert_eq!(failures.len(), all(true).count());
    assert!(failures.iter().all(|row| row.attempts == 1));
    assert_eq!(broker.witness().lag(&group), 0);
    assert_eq!(folder.journal().incidents(), [], "our own commits are no surprise to the other member");
}

/// A member that has joined a group of which another member has just died.
fn behind_a_member_that_died(name: &str, check: impl FnOnce(Running)) {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique(name));
    let topic = broker.topic(name, 1);
    topic.produce(&[Sample::event("t", "1", "{}")]);
    let arguments = ["--from", "earliest", "--receiver", "all=discard:", "-X", "session.timeout.ms=15000"];
    let member = || folder.consume(&topic, &group, arguments).spawn();
    let mut first = member();
    first.line("1 partition assigned", SOON);
    first.signal(Signal::KILL);
    first.wait(SOON);
    let mut second = member();
    second.line("no partitions yet", SOON);
    check(second);
}

#[test]
fn a_member_that_waits_for_one_that_died_says_so() {
    behind_a_member_that_died("died", |mut second| {
        second.line("1 partition assigned", SOON);
        second.signal(Signal::TERM);
        second.wait(SOON).expect_code(0);
    });
}

/// It has nothing to lose by not leaving: that the group does not answer in time is no failure.
#[test]
fn a_member_that_is_stopped_while_it_waits_has_stopped_well() {
    behind_a_member_that_died("waits", |mut second| {
        second.signal(Signal::TERM);
        second.wait(SOON).expect_code(0);
    });
}

#[test]
fn what_other_members_have_is_not_read_to_its_end_and_that_is_said() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("others"));
    let topic = broker.topic("others", 2);
    topic.produce(&[Sample::event("t", "1", "{}").to(0), Sample::event("t", "2", "{}").to(1)]);
    let arguments = ["--from", "earliest", "--receiver", "all=discard:", "-X", "heartbeat.interval.ms=300"];
    let mut first = folder.consume(&topic, &group, arguments).spawn();
    first.line("2 partitions assigned", SOON);
    let output = folder.consume(&topic, &group, arguments).args(["--until-end"]).run().expect_code(0);
    assert!(output.stderr.contains("1 partition not read: other members of the group have them"), "{}", output.stderr);
    first.signal(Signal::TERM);
    let output = first.wait(SOON).expect_code(0);
    assert!(!output.stderr.contains("not read"), "{}", output.stderr);
}

#[test]
fn a_receiver_slower_than_the_poll_interval_costs_no_membership() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("slow"));
    let topic = broker.topic("slow", 1);
    topic.produce(&[Sample::event("t", "1", "{}"), Sample::event("t", "2", "{}")]);
    let slow = workers::target(&folder, "slow", 4.0);
    let limits = ["-X", "max.poll.interval.ms=1500", "-X", "session.timeout.ms=1500", "--max-in-flight", "1", "--until-end"];
    let output = folder.consume(&topic, &group, ["--from", "earliest", "--receiver", &slow]).args(limits).run().expect_code(0);
    assert_eq!(workers::deliveries(&folder).len(), 2, "nothing came twice: {}", output.stderr);
    assert_eq!(output.stderr.matches("partition assigned").count(), 1, "{}", output.stderr);
    assert_eq!(broker.witness().lag(&group), 0);
}

/// The client library remembers a pause for whoever has the partition next: it once stood still for ever when it came back.
#[test]
fn a_partition_that_went_while_it_was_paused_flows_when_it_comes_back() {
    let (broker, group) = (Broker::shared(), unique("paused"));
    let (here, there) = (Folder::new(), Folder::new());
    let topic = broker.topic("paused", 2);
    let ten = |first: i32| (first..first + 10).flat_map(|n| [0, 1].map(|to| Sample::event("t", &n.to_string(), "{}").to(to)));
    topic.produce(&ten(0).collect::<Vec<_>>());
    let member = |folder: &Folder, more: &[&str]| {
        let always = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "-X", "heartbeat.interval.ms=300"];
        folder.consume(&topic, &group, always).args(more.iter().copied()).spawn()
    };
    let gated = workers::gated(&here);
    let mut first = member(&here, &["--receiver", &gated, "--max-in-flight", "2", "--drain-timeout", "1s"]);
    first.until("it is full", SOON, |_| here.path().join("waits").exists().then_some(()));
    // Full for a second, it pauses.
    let full = Instant::now();
    wait::until("it is paused", SOON, || (full.elapsed() > Duration::from_secs(2)).then_some(()));
    let mut second = member(&there, &[]);
    second.until("its partition is read", SOON, |_| there.delivered("all.jsonl").iter().any(|at| at.1 == 9).then_some(()));
    let taken = there.delivered("all.jsonl")[0].0;
    here.write("open", "");
    let has = |partition: i32, offset: i64| here.delivered("all.jsonl").contains(&(partition, offset));
    first.until("it flows again", SOON, |_| has(1 - taken, 9).then_some(()));

    second.signal(Signal::TERM);
    second.wait(SOON).expect_code(0);
    topic.produce(&ten(10).collect::<Vec<_>>());
    first.until("both flow", SOON, |_| (has(0, 19) && has(1, 19)).then_some(()));
    first.signal(Signal::TERM);
    first.wait(SOON).expect_code(0);
    assert_eq!(broker.witness().lag(&group), 0);
}
