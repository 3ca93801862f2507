//! Runs with an end: to the end of the topic, after so many records, when nothing comes; and what they promise about it.

use std::time::{Duration, Instant};

use crate::support::{Broker, Ending, Folder, Sample, unique};
use crate::workers;

const SOON: Duration = Duration::from_secs(30);

fn event(n: i32) -> Sample {
    Sample::event("t", &n.to_string(), "{}")
}

#[test]
fn so_many_records_are_admitted_whatever_the_partitions_and_whatever_fails() {
    const PARTITIONS: i32 = 5;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("max"));
    let topic = broker.topic("max", PARTITIONS);
    let sample = |n: i32| if n % 10 == 3 { Sample::value("no event") } else { event(n) };
    topic.produce(&(0..1_000).map(|n| sample(n).to(n % PARTITIONS)).collect::<Vec<_>>());
    let always = ["--from", "earliest", "--receiver", "all=file:all.jsonl"];
    let consume = |more: &[&'static str]| folder.consume(&topic, &group, always).args(more.iter().copied());
    let mut seen = 0;
    for (max, more) in [("1", "--commit-interval=1ms"), ("7", "--order=none"), ("333", "--order=key"), ("1", "--max-in-flight=1")] {
        consume(&["--max-records", max, more]).run().expect_code(0);
        seen += max.parse::<i64>().unwrap();
        let committed: i64 = broker.witness().group_offsets(&group).iter().map(|at| at.committed.unwrap_or(0)).sum();
        let settled = folder.lines("all.jsonl").len() + folder.journal().failures().len();
        assert_eq!((committed, i64::try_from(settled).unwrap()), (seen, seen), "--max-records {max} {more}");
    }
    let output = consume(&["--max-records", "100000", "--until-end", "--fail-on-errors"]).run().expect_code(3);
    assert!(output.stderr.contains("stopped: "), "{}", output.stderr);
    assert_eq!(broker.witness().lag(&group), 0, "whichever comes first");
    assert_eq!((folder.lines("all.jsonl").len(), folder.journal().failures().len()), (900, 100), "each once");
    consume(&["--until-end", "--fail-on-errors"]).run().expect_code(0);
}

#[test]
fn what_is_produced_behind_the_end_is_left_to_the_next_run() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("behind"));
    let topic = broker.topic("behind", 2);
    topic.produce(&[event(1).to(0), event(2).to(0), event(3).to(1)]);
    let gated = workers::gated(&folder);
    // One record in flight keeps the run going while more are produced to both partitions.
    let arguments = ["--from", "earliest", "--until-end", "--receiver", &gated, "--receiver", "all=file:all.jsonl"];
    let mut running = folder.consume(&topic, &group, arguments).args(["--max-in-flight", "1"]).spawn();
    running.until("a delivery", SOON, |_| folder.path().join("waits").exists().then_some(()));
    topic.produce(&[event(4).to(0), event(5).to(1)]);
    folder.write("open", "");
    running.wait(SOON).expect_code(0);
    let mut delivered = folder.delivered("all.jsonl");
    delivered.sort_unstable();
    assert_eq!(delivered, [(0, 0), (0, 1), (1, 0)]);
    let committed: Vec<_> = broker.witness().group_offsets(&group).iter().map(|at| at.committed).collect();
    assert_eq!(committed, [Some(2), Some(1)]);
    folder.consume(&topic, &group, ["--until-end", "--receiver", "all=file:all.jsonl"]).run().expect_code(0);
    assert_eq!((folder.lines("all.jsonl").len(), broker.witness().lag(&group)), (5, 0));
}

/// Their markers hold no record, and nothing says so but the end of the partition.
#[test]
fn transactions_at_the_end_are_read_over() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("marked"));
    let topic = broker.topic("marked", 3);
    topic.produce(&[event(1).to(0)]);
    topic.produce_in_transaction(&[event(2).to(0)], Ending::Commit);
    topic.produce_in_transaction(&[event(3).to(0), event(4).to(1)], Ending::Abort);
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "all=file:all.jsonl"];
    folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    let mut delivered = folder.delivered("all.jsonl");
    delivered.sort_unstable();
    assert_eq!(delivered, [(0, 0), (0, 1)]);
    assert_eq!(broker.witness().lag(&group), 0, "aborted records and markers are behind us, the empty partition, too");
    // Nothing is left, and that is the end as well.
    folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert_eq!(folder.lines("all.jsonl").len(), 2);
}

#[test]
fn a_topic_without_records_is_at_its_end() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("empty"));
    let topic = broker.topic("empty", 3);
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "all=discard:"];
    let output = folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert!(output.stderr.contains("stopped: 0 delivered"), "{}", output.stderr);
    // Deleted, all of it: the log begins at its end.
    topic.produce(&[event(1), event(2)]);
    topic.delete_records_below(0, 2);
    let group = unique("empty");
    folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert_eq!(
        broker.witness().group_offsets(&group).iter().map(|at| at.committed).collect::<Vec<_>>(),
        [Some(2), Some(0), Some(0)]
    );
}

/// A receiver that hangs is not idleness, and neither is a full budget while more is waiting in the topic.
#[test]
fn an_idle_run_ends_and_one_that_waits_for_a_receiver_does_not() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("idle"));
    let topic = broker.topic("idle", 1);
    topic.produce(&(0..4).map(event).collect::<Vec<_>>());
    let slow = workers::target(&folder, "slow", 1.2);
    let arguments = ["--from", "earliest", "--idle-exit", "600ms", "--max-in-flight", "1", "--receiver", &slow];
    let began = Instant::now();
    folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert_eq!(workers::deliveries(&folder).len(), 4, "each took longer than the run may be idle");
    assert!(began.elapsed() >= Duration::from_millis(4 * 1_200 + 600));
    assert_eq!(broker.witness().lag(&group), 0);
    let output = folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert!(output.stderr.contains("stopped: 0 delivered"), "nothing to do at all is idle, too: {}", output.stderr);
}

#[test]
fn a_run_that_waits_for_topics_is_idle() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("nothing"));
    let pattern = format!("^{group}-.*");
    let arguments = ["consume", "-b", &broker.bootstrap(), "-t", &pattern, "-g", &group, "--receiver", "all=discard:"];
    for more in [&["--idle-exit", "1s"][..], &["--idle-exit", "1s", "--dry-run"]] {
        let output = folder.redrive(arguments).args(more.iter().copied()).within(SOON).run().expect_code(0);
        assert!(output.stderr.contains("no topic yet"), "{}", output.stderr);
    }
}
