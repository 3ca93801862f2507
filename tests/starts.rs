//! Where a partition starts: each row of the contract's table, with its incident or its refusal, on the real broker.
//!
//! Who moved the group matters here, so offsets are moved and deleted with Kafka's own tool, and only what that tool refuses to do (an
//! offset past the end, metadata of another journal) is committed as any program could.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Broker, Folder, Output, ResetTo, Sample, Topic, unique, wait};
use crate::workers;

const SOON: Duration = Duration::from_secs(20);

/// A group that reads a topic, with its journal and its one receiver's file.
struct Reading {
    topic: Topic<'static>,
    group: String,
    folder: Folder,
}

/// An incident by kind, partition and range, and whether it waits for somebody to acknowledge it.
type Found = (String, Option<i32>, Option<i64>, Option<i64>, bool);

fn found(kind: &str, partition: i32, from: Option<i64>, to: Option<i64>) -> Found {
    (kind.to_owned(), Some(partition), from, to, true)
}

impl Reading {
    /// `count` records in each partition; nobody has read anything yet.
    #[track_caller]
    fn of(name: &str, partitions: i32, count: usize) -> Self {
        let reading = Self { topic: Broker::shared().topic(name, partitions), group: unique("group"), folder: Folder::new() };
        (0..partitions).for_each(|partition| reading.produce(partition, count));
        reading
    }

    /// As [`Reading::of`] one partition, read to its end.
    #[track_caller]
    fn done(name: &str, count: usize) -> Self {
        let reading = Self::of(name, 1, count);
        reading.to_the_end(["--from", "earliest"]).expect_code(0);
        reading
    }

    #[track_caller]
    fn produce(&self, partition: i32, count: usize) {
        let sample = |n: usize| Sample::event("order.placed", &n.to_string(), "{}").to(partition);
        self.topic.produce(&(0..count).map(sample).collect::<Vec<_>>());
    }

    #[track_caller]
    fn to_the_end<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.with_journal("redrive.db", arguments)
    }

    #[track_caller]
    fn with_journal<'a>(&self, journal: &str, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        let always = ["--receiver", "all=file:all.jsonl", "--until-end", "--journal", journal];
        self.folder.consume(&self.topic, &self.group, always).args(arguments).within(SOON).run()
    }

    /// What was delivered, in partitions and offsets, since the last look.
    #[track_caller]
    fn delivered(&self) -> Vec<(i32, i64)> {
        let mut delivered = self.folder.delivered("all.jsonl");
        delivered.sort_unstable();
        std::fs::remove_file(self.folder.path().join("all.jsonl")).expect("the receiver's file");
        delivered
    }

    #[track_caller]
    fn incidents(&self) -> Vec<Found> {
        let all = self.folder.journal().incidents().into_iter();
        all.map(|row| (row.kind, row.partition, row.from, row.to, row.is_open)).collect()
    }

    /// What the group has committed, by partition.
    #[track_caller]
    fn committed(&self) -> Vec<(i32, Option<i64>)> {
        let all = Broker::shared().witness().group_offsets(&self.group).into_iter();
        all.filter(|at| at.topic == self.topic.name()).map(|at| (at.partition, at.committed)).collect()
    }

    #[track_caller]
    fn reset(&self, to: ResetTo) {
        Broker::shared().witness().reset_offsets(&self.group, self.topic.name(), to);
    }
}

/// Offsets of partition 0.
fn offsets(range: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    range.map(|offset| (0, offset)).collect()
}

#[test]
fn goes_on_where_this_journal_committed() {
    let reading = Reading::done("goes-on", 5);
    assert_eq!(reading.delivered(), offsets(0..5));
    reading.produce(0, 3);
    // --from is for topics that the group has never read.
    let output = reading.to_the_end(["--from", "latest"]).expect_code(0);
    assert!(output.stderr.contains("--from is ignored for 1 of them"), "{}", output.stderr);
    assert_eq!(reading.delivered(), offsets(5..8));
    assert_eq!(reading.incidents(), []);
    let uuid = reading.folder.journal().uuid();
    let mut commits = Broker::shared().witness().commits(&reading.group);
    let last = commits.pop().expect("the group has committed");
    assert_eq!((last.offset, last.metadata), (Some(8), format!("rd1:{uuid}:8:r2")));
}

#[test]
fn another_journal_is_missed_and_a_way_made_without_this_one_is_a_move() {
    let reading = Reading::done("other-journal", 5);
    reading.produce(0, 2);
    reading.with_journal("other.db", []).expect_code(0);
    assert_eq!(reading.delivered(), offsets(0..7));
    assert_eq!(reading.incidents(), []);
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.incidents(), [found("moved", 0, Some(5), Some(7))]);
    let other = reading.folder.journal_at("other.db");
    let missing: Vec<_> = other.incidents().into_iter().map(|row| (row.kind, row.from, row.to, row.is_open)).collect();
    assert_eq!(missing, [("journal_missing".to_owned(), None, Some(5), true)]);
}

#[test]
fn a_group_that_a_tool_moved_starts_there_and_says_so() {
    let reading = Reading::done("tool", 5);
    assert_eq!(reading.delivered(), offsets(0..5));
    reading.reset(ResetTo::Offset(2));
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.delivered(), offsets(2..5));
    assert_eq!(reading.incidents(), [found("moved", 0, Some(5), Some(2))]);

    // A copy of our own metadata does not vouch for another offset; a move of ours does.
    let uuid = reading.folder.journal().uuid();
    reading.topic.commit(&reading.group, (0, 1), &format!("rd1:{uuid}:5:r2"));
    reading.to_the_end([]).expect_code(0);
    reading.topic.commit(&reading.group, (0, 3), &format!("rd1:{uuid}:3:m1"));
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.delivered(), [offsets(1..3), vec![(0, 3), (0, 3), (0, 4), (0, 4)]].concat());
    let moves = reading.incidents();
    assert_eq!(moves, [found("moved", 0, Some(5), Some(2)), found("moved", 0, Some(5), Some(1))]);
}

#[test]
fn a_group_that_another_consumer_read_is_taken_over() {
    let reading = Reading::of("taken-over", 1, 5);
    reading.reset(ResetTo::Offset(3));
    reading.to_the_end([]).expect_code(0);
    assert_eq!((reading.delivered(), reading.incidents()), (offsets(3..5), vec![]));
}

#[test]
fn records_that_were_deleted_unread_are_a_gap() {
    let reading = Reading::done("gap", 5);
    assert_eq!(reading.delivered(), offsets(0..5));
    reading.produce(0, 5);
    reading.topic.delete_records_below(0, 7);
    let halted = reading.to_the_end(["--on-gap", "halt"]).expect_code(4);
    let lost = format!("{}/0 lost the offsets 5 to 7 (excluded)", reading.topic.name());
    assert!(halted.stderr.contains(&lost) && halted.stderr.contains("--on-gap earliest"), "{}", halted.stderr);
    assert_eq!(reading.committed(), [(0, Some(5))], "nothing is committed past a gap that halts");

    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.delivered(), offsets(7..10));
    let gap = found("gap", 0, Some(5), Some(7));
    assert_eq!(reading.incidents(), [gap.clone(), gap], "one for each run that met it");
}

/// Each record is a batch of its own, and the client fetches hardly one ahead: what is deleted meanwhile is unread.
#[test]
fn records_that_are_deleted_under_a_running_consumer_are_a_gap() {
    for (on_gap, strategy, code) in [("earliest", "cooperative-sticky", 0), ("earliest", "range", 0), ("halt", "range", 4)] {
        let strategy = format!("partition.assignment.strategy={strategy}");
        let reading = Reading::of("gap-running", 1, 0);
        let large = format!("\"{}\"", "x".repeat(600_000));
        let samples: Vec<_> = (0..20).map(|n| Sample::event("order.placed", &n.to_string(), large.clone())).collect();
        reading.topic.produce(&samples);
        let little = ["-X", "queued.max.messages.kbytes=1", "-X", "queued.min.messages=1", "-X", "fetch.message.max.bytes=1000"];
        let gated = workers::gated(&reading.folder);
        let receivers = ["--receiver", "all=file:all.jsonl", "--receiver", &gated];
        let consume = reading.folder.consume(&reading.topic, &reading.group, receivers).args(little).args(["-X", &strategy]);
        let mut running = consume.args(["--from", "earliest", "--until-end", "--max-in-flight", "2", "--on-gap", on_gap]).spawn();
        running.until("it waits", SOON, |_| reading.folder.path().join("waits").exists().then_some(()));
        reading.topic.delete_records_below(0, 15);
        reading.folder.write("open", "");
        running.wait(SOON).expect_code(code);

        let incidents = reading.incidents();
        let [(kind, Some(0), Some(first), Some(15), true)] = &incidents[..] else { panic!("one gap up to 15: {incidents:?}") };
        assert_eq!(kind, "gap");
        let (rest, committed) = if on_gap == "halt" { (15..15, *first) } else { (15..20, 20) };
        assert_eq!(reading.delivered(), [offsets(0..*first), offsets(rest)].concat());
        assert_eq!(reading.committed(), [(0, Some(committed))]);
    }
}

#[test]
fn a_log_that_ends_before_the_committed_offset_is_held_and_the_others_go_on() {
    let reading = Reading::of("truncated", 2, 5);
    reading.to_the_end(["--from", "earliest"]).expect_code(0);
    reading.delivered();
    reading.topic.commit(&reading.group, (0, 50), "");
    reading.produce(1, 2);
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.delivered(), [(1, 5), (1, 6)]);
    assert_eq!(reading.committed(), [(0, Some(50)), (1, Some(7))], "a partition that is held is not moved");
    let truncated = found("truncated", 0, Some(50), Some(5));
    assert_eq!(reading.incidents(), [found("partition_held", 0, Some(50), Some(5)), truncated]);

    reading.to_the_end(["--on-truncation", "latest"]).expect_code(0);
    assert_eq!(reading.folder.delivered("all.jsonl"), []);
    reading.topic.commit(&reading.group, (0, 50), "");
    reading.to_the_end(["--on-truncation", "earliest"]).expect_code(0);
    assert_eq!(reading.delivered(), offsets(0..5));
    assert_eq!(reading.committed(), [(0, Some(5)), (1, Some(7))]);
}

#[test]
fn a_topic_that_was_made_again_is_another_one() {
    let reading = Reading::done("again", 5);
    reading.topic.recreate();
    reading.produce(0, 3);
    // Kafka forgets a group's offsets with the topic. Somebody commits again:
    reading.reset(ResetTo::Latest);
    reading.delivered();
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.incidents(), [found("partition_held", 0, Some(3), Some(3)), found("recreated", 0, Some(3), Some(3))]);
    assert_eq!(reading.folder.delivered("all.jsonl"), []);

    reading.to_the_end(["--on-truncation", "earliest"]).expect_code(0);
    assert_eq!(reading.delivered(), offsets(0..3));
    let held: Vec<_> = reading.incidents().into_iter().filter(|(kind, ..)| kind == "partition_held").collect();
    let [(.., is_open)] = held[..] else { panic!("held once: {held:?}") };
    assert!(!is_open, "the next run holds it no more");
    reading.produce(0, 1);
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.delivered(), offsets(3..4), "from then on the new topic is the known one");
}

#[test]
fn offsets_that_were_deleted_are_not_made_up() {
    let reading = Reading::done("deleted", 5);
    Broker::shared().witness().delete_offsets(&reading.group, reading.topic.name());
    let refused = reading.to_the_end(["--from", "earliest"]).expect_code(2);
    let what = format!("no committed offset for {}/0, but this journal saw it read up to offset 5", reading.topic.name());
    assert!(refused.stderr.contains(&what) && refused.stderr.contains("--to-progress --execute"), "{}", refused.stderr);
    assert_eq!(reading.delivered(), offsets(0..5), "nothing was delivered again");
}

#[test]
fn a_start_that_was_only_chosen_is_kept() {
    let reading = Reading::of("chosen", 2, 3);
    reading.to_the_end(["--from", "latest"]).expect_code(0);
    assert_eq!(reading.folder.delivered("all.jsonl"), []);
    let chosen: Vec<_> = reading.folder.journal().progress().iter().map(|row| (row.partition, row.from, row.to)).collect();
    assert_eq!(chosen, [(0, 3, 3), (1, 3, 3)]);
    assert_eq!(reading.committed(), [(0, Some(3)), (1, Some(3))]);
    Broker::shared().witness().delete_offsets(&reading.group, &format!("{}:1", reading.topic.name()));
    reading.produce(0, 1);
    reading.produce(1, 1);
    reading.to_the_end([]).expect_code(0);
    assert_eq!((reading.delivered(), reading.incidents()), (vec![(0, 3), (1, 3)], vec![]));
}

#[test]
fn where_a_new_group_starts_must_be_said() {
    let reading = Reading::of("from", 1, 3);
    let refused = reading.to_the_end([]).expect_code(2);
    for part in ["--from earliest", "offsets 0 to 3", "--from latest", "--from 2026-"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    // A millisecond that nothing was written in.
    let start = jiff::Timestamp::now().as_millisecond();
    let between =
        wait::until("a millisecond", SOON, || Some(jiff::Timestamp::now()).filter(|now| now.as_millisecond() > start + 1));
    reading.produce(0, 2);
    let begun = |from: &str| {
        let (group, folder) = (unique("group"), Folder::new());
        let arguments = ["--receiver", "all=file:all.jsonl", "--until-end", "--from", from];
        folder.consume(&reading.topic, &group, arguments).within(SOON).run().expect_code(0);
        folder.delivered("all.jsonl")
    };
    assert_eq!(begun("earliest"), offsets(0..5));
    assert_eq!(begun("latest"), offsets(5..5));
    assert_eq!(begun(&between.to_string()), offsets(3..5));
    assert_eq!(begun("2001-01-01T00:00:00Z"), offsets(0..5));
    assert_eq!(begun("2101-01-01T00:00:00+02:00"), offsets(5..5));
}

#[test]
fn a_partition_that_is_added_later_is_read_from_its_beginning() {
    let reading = Reading::done("grown", 2);
    reading.topic.grow_to(2);
    reading.produce(1, 2);
    reading.to_the_end([]).expect_code(0);
    assert_eq!(reading.delivered(), [(0, 0), (0, 1), (1, 0), (1, 1)]);

    let arguments = ["--receiver", "all=file:all.jsonl", "-X", "topic.metadata.refresh.interval.ms=500"];
    let mut running = reading.folder.consume(&reading.topic, &reading.group, arguments).spawn();
    running.line("2 partitions assigned", SOON);
    reading.topic.grow_to(3);
    reading.produce(2, 2);
    let all = || reading.folder.delivered("all.jsonl") == [(2, 0), (2, 1)];
    running.until("the new partition is read", SOON, |_| all().then_some(()));
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert_eq!(reading.committed(), [(0, Some(2)), (1, Some(2)), (2, Some(2))]);
    assert_eq!(reading.incidents(), []);
}

#[test]
fn a_pattern_waits_for_topics_and_reads_them_from_their_beginning() {
    let (broker, folder, prefix) = (Broker::shared(), Folder::new(), unique("pattern"));
    let pattern = format!("^{prefix}-late-.*");
    let refresh = "topic.metadata.refresh.interval.ms=500";
    let arguments = ["consume", "-b", &broker.bootstrap(), "-t", &pattern, "-g", &prefix, "-X", refresh];
    let mut running = folder.redrive(arguments).args(["--receiver", "all=file:all.jsonl"]).spawn();
    running.line("no topic yet", SOON);
    for (seen, partitions) in [(1, 1), (2, 1)] {
        let topic = broker.topic(&format!("{prefix}-late"), partitions);
        topic.produce(&[Sample::event("order.placed", "1", "{}")]);
        running.until("its records are read", SOON, |_| (folder.lines("all.jsonl").len() == seen).then_some(()));
    }
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert_eq!(folder.journal().incidents(), []);
}
