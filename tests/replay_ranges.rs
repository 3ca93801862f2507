//! `replay --offset`: exactly what an independent reader of committed records finds there, in its order, and never a neighbour.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::replays::{item, replay, skipped, target};
use crate::support::{Broker, Ending, Folder, OpenTransaction, Output, Record, SEGMENT_LASTS, Sample, Topic, unique, wait};

const SOON: Duration = Duration::from_secs(60);

/// A topic that is replayed into a file, for a group that has never read it.
struct Scene<'b> {
    folder: Folder,
    topic: Topic<'b>,
    group: String,
}

impl<'b> Scene<'b> {
    fn new(topic: Topic<'b>) -> Self {
        Self { folder: Folder::new(), topic, group: unique("ranges") }
    }

    /// A range of the topic, such as `0:3..7`.
    #[track_caller]
    fn replay(&self, range: &str, more: &[&str]) -> Output {
        drop(std::fs::remove_file(self.folder.path().join("all.jsonl")));
        let range = format!("{}:{range}", self.topic.name());
        let always = ["--offset", &range, "-g", &self.group, "--receiver", "all=file:all.jsonl", "-o", "json"];
        replay(&self.folder, &self.topic, &[&always[..], more].concat())
    }

    fn delivered(&self) -> BTreeMap<i32, Vec<i64>> {
        by_partition(self.folder.delivered("all.jsonl"))
    }

    /// All of a range goes out, and nothing else; `gone`: as many offsets have no record.
    #[track_caller]
    fn exactly(&self, range: &str, expected: &BTreeMap<i32, Vec<i64>>, gone: Option<i64>) {
        let output = self.replay(range, &["--to", "all"]).expect_code(0);
        let summary = item(&output);
        assert_eq!(&self.delivered(), expected, "{range}");
        let count: usize = expected.values().map(Vec::len).sum();
        assert_eq!((&summary["delivered"], &summary["failed"]), (&count.into(), &0.into()), "{range}: {summary}");
        assert_eq!((&summary["skipped"], &summary["not_reached"]), (&Value::Array(Vec::new()), &0.into()), "{range}: {summary}");
        gone.into_iter().for_each(|gone| assert_eq!(summary["gone"], gone, "{range}: {summary}"));
    }

    /// Exit code 2, and nothing goes out; what is said.
    #[track_caller]
    fn refused(&self, range: &str) -> String {
        let output = self.replay(range, &["--to", "all"]).expect_code(2);
        assert_eq!(self.delivered(), BTreeMap::new(), "{range}");
        let document: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "usage", "{range}: {document}");
        let said = |name: &str| document["error"][name].to_string();
        format!("{} {}", said("message"), said("hints"))
    }
}

fn by_partition(places: impl IntoIterator<Item = (i32, i64)>) -> BTreeMap<i32, Vec<i64>> {
    let mut of = BTreeMap::<i32, Vec<i64>>::new();
    places.into_iter().for_each(|(partition, offset)| of.entry(partition).or_default().push(offset));
    of
}

/// Of what an independent reader found, where it is.
fn those(there: &[(i64, Record)], fits: impl Fn(i32, i64, i64) -> bool) -> BTreeMap<i32, Vec<i64>> {
    let fit = there.iter().filter(|(offset, record)| fits(record.partition, *offset, record.timestamp.unwrap()));
    by_partition(fit.map(|(offset, record)| (record.partition, *offset)))
}

fn event(n: i32) -> Sample {
    Sample::event("order.placed", &n.to_string(), format!("{{\"n\":{n}}}"))
}

fn at(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// Of the keys that come again only the last record stays.
#[test]
fn holes_of_a_compacted_topic_are_counted_and_never_filled_with_neighbours() {
    const COUNT: i32 = 60;
    let scene = Scene::new(Broker::shared().compacted_topic("compacted", 2));
    let key = |n: i32| if n % 4 == 0 { format!("own {n}") } else { format!("again {}", n % 3) };
    let of = |partition: i32| (0..COUNT).map(move |n| event(n).key(key(n)).to(partition));
    scene.topic.produce(&of(0).chain(of(1)).collect::<Vec<_>>());
    wait::for_the_whole(SEGMENT_LASTS * 2);
    scene.topic.produce(&[event(COUNT).key("last").to(0), event(COUNT).key("last").to(1)]);
    let kept = usize::try_from(2 * (COUNT / 4 + 3 + 1)).unwrap();
    let there = wait::until("the log is cleaned", SOON, || {
        let there = scene.topic.read_committed();
        (there.len() == kept).then_some(there)
    });
    for (from, to) in [(0, 61), (0, 60), (5, 23), (3, 5), (4, 5), (57, 61), (1, 57), (56, 57), (60, 61)] {
        let expected = those(&there, |partition, offset, _| partition == 0 && (from..to).contains(&offset));
        let gone = to - from - i64::try_from(expected[&0].len()).unwrap();
        scene.exactly(&format!("0:{from}..{to}"), &expected, Some(gone));
        if to == 61 {
            scene.exactly(&format!("0:{from}.."), &expected, Some(gone));
        }
        if to == from + 1 {
            scene.exactly(&format!("0:{from}"), &expected, Some(0));
        }
    }
    let expected = those(&there, |_, offset, _| offset >= 5);
    let gone = 2 * 56 - i64::try_from(expected.values().map(Vec::len).sum::<usize>()).unwrap();
    scene.exactly("*:5..", &expected, Some(gone));
    for hole in ["0:1", "0:5..8", "0:1..4", "1:2", "*:1..4"] {
        let said = scene.refused(hole);
        assert!(said.contains("gone"), "{hole}: {said}");
    }
}

/// Records outside of transactions and in one of each kind, each kind a little later than the last; the one at the end stays open, with
/// records behind it.
fn produce_in_transactions(topic: &Topic<'_>) -> OpenTransaction {
    let pause = || wait::for_the_whole(Duration::from_millis(20));
    let many = |count: i32, partition: i32| (0..count).map(move |n| event(n).to(partition));
    topic.produce(&many(3, 0).chain(many(2, 1)).collect::<Vec<_>>());
    pause();
    topic.produce_in_transaction(&many(4, 0).chain(many(3, 1)).collect::<Vec<_>>(), Ending::Commit);
    pause();
    topic.produce_in_transaction(&many(5, 0).collect::<Vec<_>>(), Ending::Abort);
    pause();
    topic.produce(&many(2, 0).chain(many(2, 1)).collect::<Vec<_>>());
    pause();
    let open = topic.begin_transaction(&many(3, 0).collect::<Vec<_>>());
    topic.produce(&many(2, 0).chain(many(1, 1)).collect::<Vec<_>>());
    open
}

#[test]
fn transactions_are_read_as_their_readers_do_and_times_mean_what_was_written_then() {
    let scene = Scene::new(Broker::shared().topic("transactions", 2));
    let topic = &scene.topic;
    let open = produce_in_transactions(topic);

    // 7 and 13 are markers, 8 to 12 were aborted; from 16 on nothing is stable.
    let there = topic.read_committed();
    let all = those(&there, |_, _, _| true);
    assert_eq!(all, BTreeMap::from([(0, vec![0, 1, 2, 3, 4, 5, 6, 14, 15]), (1, vec![0, 1, 2, 3, 4, 6, 7, 8])]));
    let within =
        |of: i32, from: i64, to: i64| those(&there, |partition, offset, _| partition == of && (from..to).contains(&offset));
    scene.exactly("*:0..", &all, Some(8));
    scene.exactly("0:0..", &within(0, 0, 16), Some(7));
    scene.exactly("0:0..16", &within(0, 0, 16), Some(7));
    scene.exactly("0:5..15", &within(0, 5, 15), Some(7));
    scene.exactly("0:13..15", &within(0, 13, 15), Some(1));
    scene.exactly("0:6..14", &within(0, 6, 14), Some(7));
    scene.exactly("1:4..6", &within(1, 4, 6), Some(1));
    scene.exactly("1:8", &within(1, 8, 9), Some(0));
    for gone in ["0:7", "0:10", "0:7..14", "1:5"] {
        let said = scene.refused(gone);
        assert!(said.contains("gone"), "{gone}: {said}");
    }
    let valid = format!("{}:0:0..16", topic.name());
    for unstable in ["0:16", "0:19", "0:16..", "0:15..17", "0:0..21"] {
        let said = scene.refused(unstable);
        assert!(said.contains("ends at offset 16") && said.contains(&valid), "{unstable}: {said}");
    }

    // Of each partition, the first record that was written in each wave; its transaction's time is its own.
    let time = |partition: i32, offset: i64| {
        let found = there.iter().find(|(at, record)| (*at, record.partition) == (offset, partition));
        found.and_then(|(_, record)| record.timestamp).unwrap()
    };
    let [second, fourth] = [time(0, 3).min(time(1, 2)), time(0, 14).min(time(1, 6))];
    let spans =
        [(0, None), (second, None), (fourth, None), (second, Some(fourth)), (0, Some(second)), (second + 1, Some(fourth - 1))];
    for (from, to) in spans {
        let range = format!("@{}..{}", at(from), to.map(|to| format!("@{}", at(to))).unwrap_or_default());
        let fits = |time: i64| time >= from && to.is_none_or(|to| time < to);
        let all = those(&there, |_, _, time| fits(time));
        let of_one: BTreeMap<_, _> = all.clone().into_iter().filter(|(partition, _)| *partition == 1).collect();
        for (range, expected) in [(format!("*:{range}"), all), (format!("1:{range}"), of_one)] {
            if expected.is_empty() {
                scene.refused(&range);
            } else {
                scene.exactly(&range, &expected, None);
            }
        }
    }
    let future = at(jiff::Timestamp::now().as_millisecond() + 3_600_000);
    for nothing in [format!("*:@{future}.."), format!("0:@{future}.."), format!("*:@{}..@{}", at(1), at(2))] {
        let said = scene.refused(&nothing);
        assert!(said.contains("no record"), "{nothing}: {said}");
    }
    drop(open);
}

#[test]
fn what_no_log_can_have_is_refused_with_what_it_has() {
    let scene = Scene::new(Broker::shared().topic("refused", 1));
    let topic = &scene.topic;
    topic.produce(&(0..10).map(event).collect::<Vec<_>>());
    topic.delete_records_below(0, 3);
    let name = topic.name();
    let valid = format!("{name}:0:3..10");
    for (range, parts) in [
        ("0:10", &["ends at offset 10", &valid][..]),
        ("0:10..", &["ends at offset 10", &valid]),
        ("0:11", &["ends at offset 10", &valid]),
        ("0:5..11", &["ends at offset 10", &valid]),
        ("*:99..", &["ends at offset 10", &valid]),
        ("0:9..5", &["9..5"]),
        ("0:5..5", &["5..5"]),
        ("0:-1", &["-1"]),
        ("0:-3..5", &["-3..5"]),
        ("0:0", &["is gone: neither the log nor the journal has it", &valid]),
        ("0:0..3", &["is gone: neither the log nor the journal has it", &valid]),
        ("1:0", &["1 partition", "no partition 1"]),
    ] {
        let said = scene.refused(range);
        for part in parts {
            assert!(said.contains(part), "{range}: no {part:?} in {said}");
        }
    }
    let unknown = format!("{name}x:0:0");
    let arguments = ["--offset", &unknown, "-g", "g", "--to", "all", "--receiver", "all=file:all.jsonl"];
    let output = replay(&scene.folder, topic, &arguments).expect_code(2);
    assert!(output.stderr.contains("no topic") && output.stderr.contains(&format!("did you mean {name}?")), "{}", output.stderr);
    let arguments = ["--offset", &valid, "--to", "all", "--receiver", "all=file:all.jsonl"];
    let output = replay(&scene.folder, topic, &arguments).expect_code(2);
    assert!(output.stderr.contains("knows no consumer group") && output.stderr.contains("-g GROUP"), "{}", output.stderr);
    assert!(!scene.folder.path().join("redrive.db").exists(), "what is refused makes no journal");
    scene.exactly("0:3..10", &[(0, (3..10).collect())].into(), Some(0));
}

/// Every other event fails, and stays in the journal when the log has lost it.
#[test]
fn below_the_start_of_the_log_the_journal_has_what_failed() {
    let scene = Scene::new(Broker::shared().topic("below", 1));
    let topic = &scene.topic;
    let invalid = |n: i32| if n % 2 == 1 { Sample { value: Some(b"{".to_vec()), ..event(n) } } else { event(n) };
    topic.produce(&(0..10).map(invalid).collect::<Vec<_>>());
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "all=file:live.jsonl"];
    scene.folder.consume(topic, &scene.group, arguments).run().expect_code(0);
    topic.delete_records_below(0, 6);

    let raw = ["--format", "raw"];
    let with = |more: &[&'static str]| [&raw[..], more].concat();
    let run = |range: &str, more: &[&'static str], code: i32| {
        let output = scene.replay(range, &with(more)).expect_code(code);
        (scene.delivered().remove(&0).unwrap_or_default(), output)
    };
    let counts = |output: &Output| {
        let summary = item(output);
        (summary["delivered"].as_i64().unwrap(), summary["gone"].as_i64().unwrap(), skipped(&summary))
    };
    let nothing = BTreeMap::new();
    let (delivered, output) = run("0:0..10", &["--to", "all", "--dry-run"], 0);
    assert_eq!((delivered, &item(&output)["gone"]), (vec![], &3.into()), "{}", output.stdout);
    let (delivered, output) = run("0:0..10", &["--to", "all"], 3);
    assert_eq!((delivered, counts(&output)), (vec![1, 3, 5, 6, 7, 8, 9], (7, 3, nothing.clone())), "{}", output.stdout);
    let (delivered, output) = run("0:0..6", &["--to", "all"], 3);
    assert_eq!((delivered, counts(&output)), (vec![1, 3, 5], (3, 3, nothing.clone())), "{}", output.stdout);
    let (delivered, output) = run("0:5..7", &["--to", "all"], 0);
    assert_eq!((delivered, counts(&output)), (vec![5, 6], (2, 0, nothing.clone())), "{}", output.stdout);
    let (delivered, output) = run("0:3", &["--to", "all"], 0);
    assert_eq!((delivered, counts(&output)), (vec![3], (1, 0, nothing.clone())), "{}", output.stdout);
    // A time before the first record has no offset any more: what the journal has is known by the time itself.
    let (delivered, output) = run("0:@7d..", &["--to", "all"], 0);
    assert_eq!((delivered, counts(&output)), (vec![1, 3, 5, 6, 7, 8, 9], (7, 0, nothing)), "{}", output.stdout);
    for gone in ["0:0", "0:2..3"] {
        assert!(scene.refused(gone).contains("is gone: neither the log nor the journal has it"), "{gone}");
    }
    assert!(scene.folder.journal().failures().iter().all(|row| row.state == "resolved"), "{:?}", scene.folder.journal().failures());
    let (delivered, output) = run("0:0..", &["--to", "all", "--source", "topic"], 3);
    assert_eq!((delivered, counts(&output).0), (vec![6, 7, 8, 9], 4), "{}", output.stdout);
    let (delivered, output) = run("0:0..", &["--to", "all", "--source", "journal"], 0);
    assert_eq!((delivered, counts(&output).0), (vec![1, 3, 5, 7, 9], 5), "{}", output.stdout);
    topic.delete_records_below(0, 10);
    let (delivered, output) = run("0:0..", &["--to", "all"], 3);
    assert_eq!((delivered, counts(&output).1), (vec![1, 3, 5, 7, 9], 5), "{}", output.stdout);
}

/// Without `--to`, only those get it that have an unresolved entry.
#[test]
fn of_a_range_only_what_failed_goes_out_by_default() {
    let scene = Scene::new(Broker::shared().topic("failed", 1));
    scene.topic.produce(&(0..10).map(event).collect::<Vec<_>>());
    let (billing, audit) = (target(&scene.folder, "billing"), target(&scene.folder, "audit"));
    scene.folder.write("broken-billing", "");
    let consume = |until: &str| {
        let arguments = ["--from", "earliest", "--max-records", until, "--receiver", &billing, "--receiver", &audit];
        scene.folder.consume(&scene.topic, &scene.group, arguments).run().expect_code(0);
    };
    consume("4");
    std::fs::remove_file(scene.folder.path().join("broken-billing")).unwrap();
    consume("6");
    std::fs::remove_file(scene.folder.path().join("billing")).unwrap();
    let range = format!("{}:0:2..8", scene.topic.name());
    let arguments = ["--offset", &range, "--receiver", &billing, "--receiver", &audit, "-o", "json"];
    let summary = item(&replay(&scene.folder, &scene.topic, &arguments).expect_code(0));
    assert_eq!((&summary["delivered"], skipped(&summary)), (&2.into(), [("already delivered".to_owned(), 4)].into()), "{summary}");
    let states: Vec<_> = scene.folder.journal().failures().into_iter().map(|row| (row.offset, row.state)).collect();
    assert_eq!(states, [(0, "open"), (1, "open"), (2, "resolved"), (3, "resolved")].map(|(at, state)| (at, state.to_owned())));
    assert_eq!((scene.folder.lines("billing").len(), scene.folder.lines("audit").len()), (2, 10));
    let output = replay(&scene.folder, &scene.topic, &arguments).expect_code(2);
    assert!(output.stdout.contains("nothing left to deliver"), "{}", output.stdout);
}

#[test]
fn of_many_records_exactly_the_range_goes_out() {
    const COUNT: i32 = 60_000;
    let scene = Scene::new(Broker::shared().topic("many", 1));
    scene.topic.produce(&(0..COUNT).map(event).collect::<Vec<_>>());
    scene.exactly("0:30000..30100", &[(0, (30_000..30_100).collect())].into(), Some(0));
    scene.exactly("0:59999..", &[(0, vec![59_999])].into(), Some(0));
    // Ranges that overlap and touch are one.
    let more = ["--to", "all", "--offset", &format!("{0}:0:20..30,{0}:0:50000,{0}:0:7", scene.topic.name())];
    scene.replay("0:10..25", &more).expect_code(0);
    assert_eq!(scene.delivered(), [(0, std::iter::once(7).chain(10..30).chain([50_000]).collect())].into());
}
