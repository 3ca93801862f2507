//! Where a replay's bytes come from: the journal keeps them when the topic has lost them, was deleted, or is another one by now.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::copies;
use crate::replays::{item, mend, replay, skipped, taken, target};
use crate::support::{Broker, Folder, Sample, Topic, unique};

const NOBODY: &str = "127.0.0.1:1";

fn event(n: i32) -> Sample {
    Sample::event("order.placed", &n.to_string(), format!("{{\"n\":{n}}}"))
}

/// A topic of which a receiver `billing` has failed for everything, and is mended.
struct Scene<'b> {
    folder: Folder,
    topic: Topic<'b>,
    group: String,
    billing: String,
}

impl<'b> Scene<'b> {
    #[track_caller]
    fn new(broker: &'b Broker, name: &str, count: i32) -> Self {
        let (folder, topic, group) = (Folder::new(), broker.topic(name, 1), unique(name));
        topic.produce(&(0..count).map(event).collect::<Vec<_>>());
        folder.write("broken-billing", "");
        let billing = target(&folder, "billing");
        let arguments = ["--from", "earliest", "--until-end", "--receiver", &billing];
        folder.consume(&topic, &group, arguments).run().expect_code(0);
        mend(&folder, "billing");
        Self { folder, topic, group, billing }
    }

    /// The summary of a replay that ends with this code.
    #[track_caller]
    fn replay(&self, arguments: &[&str], code: i32) -> Value {
        let always = ["--receiver", &self.billing, "-o", "json"];
        item(&replay(&self.folder, &self.topic, &[arguments, &always].concat()).expect_code(code))
    }

    /// What is said of a replay that ends with this code; it has delivered nothing.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let before = taken(&self.folder, "billing").len();
        let always = ["--receiver", &self.billing];
        let output = replay(&self.folder, &self.topic, &[arguments, &always].concat()).expect_code(code);
        assert_eq!(taken(&self.folder, "billing").len(), before, "{}", output.stdout);
        output.stderr
    }

    /// Offset and state of all entries.
    fn states(&self) -> Vec<(i64, String)> {
        self.folder.journal().failures().into_iter().map(|row| (row.offset, row.state)).collect()
    }

    fn is_all_resolved(&self) -> bool {
        self.states().iter().all(|(_, state)| state == "resolved")
    }

    fn taken(&self) -> Vec<(i64, Value, String)> {
        let of = |delivery: Value| {
            let id = delivery["deliveryid"].as_str().unwrap().to_owned();
            (delivery["record"]["offset"].as_i64().unwrap(), delivery["event"]["data"]["n"].clone(), id)
        };
        taken(&self.folder, "billing").into_iter().map(of).collect()
    }
}

#[test]
fn what_the_topic_has_lost_is_delivered_byte_for_byte_from_the_journal() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("lost"));
    let (topic, copied) = (broker.topic("lost", 1), broker.topic("copies", 1));
    let mut samples = copies::hostile();
    samples.push(Sample::value("").key("k").null_header("null").header("empty", "").header("", "no name"));
    samples.push(Sample::value("so much of the same ".repeat(50_000)));
    samples.push(Sample::value((0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect::<Vec<_>>()));
    topic.produce(&samples);
    let (copy, lines) = (target(&folder, "copy"), target(&folder, "lines"));
    folder.write("broken-copy", "");
    folder.write("broken-lines", "");
    let how = ["--event-type-from", "topic", "--format", "raw"];
    let arguments =
        ["--from", "earliest", "--until-end", "--receiver", &copy, "--receiver", &lines, "--receiver", "live=file:live"];
    folder.consume(&topic, &group, arguments).args(how).run().expect_code(0);
    let originals = topic.read();
    assert_eq!(originals.len(), samples.len());
    topic.delete_records_below(0, samples.len().try_into().unwrap());
    assert_eq!(topic.read().len(), 0);

    let copy = format!("copy=kafka:{}", copied.name());
    let arguments = ["--all", "--receiver", &copy, "--receiver", "lines=file:lines", "-o", "json"];
    let summary = item(&replay(&folder, &topic, &[&arguments[..], &how].concat()).expect_code(0));
    assert_eq!(summary["delivered"], 2 * samples.len(), "{summary}");
    let copied = copied.read();
    assert_eq!(copied.len(), samples.len());
    for (offset, (copy, original)) in copied.iter().zip(&originals).enumerate() {
        let sample = &samples[offset];
        assert_eq!(copies::origin(copy), (0, offset.try_into().unwrap()));
        let theirs = copy.headers.split_at(copy.headers.len() - copies::OWN.len()).0;
        assert!(copy.key == original.key && copy.value == original.value, "{offset}");
        assert_eq!(theirs, original.headers, "{offset}");
        assert!(sample.key == copy.key && sample.value == copy.value && sample.headers == theirs, "{offset}");
        assert_eq!(copy.text("redrive_timestamp"), original.timestamp.unwrap().to_string());
    }
    let (live, again) = (taken(&folder, "live"), taken(&folder, "lines"));
    assert_eq!((live.len(), again.len()), (samples.len(), samples.len()));
    for (live, again) in live.iter().zip(&again) {
        assert_eq!((&live["record"], &live["synthesized"]), (&again["record"], &again["synthesized"]));
        assert!(live["event"] == again["event"], "{}", live["record"]);
        assert_eq!((&again["mode"], &again["late"]), (&"replay".into(), &true.into()));
        assert_eq!(live["deliveryid"].as_str().unwrap().replace("/live", "/lines"), again["deliveryid"].as_str().unwrap());
    }
    assert!(folder.journal().failures().iter().all(|row| row.state == "resolved"));
}

/// What was read of the old one is not of the new one, although their names and offsets are the same.
#[test]
fn a_topic_that_was_made_again_is_another_one() {
    let broker = Broker::shared();
    let scene = Scene::new(broker, "again", 4);
    let name = scene.topic.name();
    let old = broker.witness().topic_id(name);
    scene.topic.recreate();
    let new = broker.witness().topic_id(name);
    assert_ne!(old, new);
    scene.topic.produce(&(100..103).map(event).collect::<Vec<_>>());
    scene.topic.delete_records_below(0, 1);
    let prefix = |id: &str| hex(id);

    let said = scene.refused(&["--all", "--source", "topic"], 2);
    assert!(said.contains("gone"), "{said}");
    // The offset 0 is gone from the new one; that the journal has one of the old one is nothing to it.
    let said = scene.refused(&["--offset", &format!("{name}:0:0"), "--to", "all", "-g", &scene.group], 2);
    assert!(said.contains("gone"), "{said}");
    let summary = scene.replay(&["--offset", &format!("{name}:0:1.."), "--to", "all", "-g", &scene.group], 0);
    assert_eq!((&summary["delivered"], &summary["gone"]), (&2.into(), &0.into()), "{summary}");
    let expected = |of: &[(i64, i32)], id: &str| -> Vec<_> {
        of.iter()
            .map(|(offset, n)| (*offset, (*n).into(), format!("{}/{name}@{}/0/{offset}/billing", scene.group, prefix(id))))
            .collect()
    };
    assert_eq!(scene.taken(), expected(&[(1, 101), (2, 102)], &new));
    assert!(scene.states().iter().all(|(_, state)| state == "open"), "{:?}", scene.states());

    std::fs::remove_file(scene.folder.path().join("billing")).unwrap();
    let summary = scene.replay(&["--all"], 0);
    assert_eq!(summary["delivered"], 4, "{summary}");
    assert_eq!(scene.taken(), expected(&[(0, 0), (1, 1), (2, 2), (3, 3)], &old));
    assert!(scene.is_all_resolved());
}

/// By its offsets, only the one that was there last is meant; by their ids and filters, all of them.
#[test]
fn of_topics_of_one_name_that_are_all_gone_the_last_one_is_meant() {
    let scene = Scene::new(Broker::shared(), "twice", 2);
    scene.topic.recreate();
    scene.topic.produce(&(100..102).map(event).collect::<Vec<_>>());
    scene.folder.write("broken-billing", "");
    let group = unique("twice");
    scene
        .folder
        .consume(&scene.topic, &group, ["--from", "earliest", "--until-end", "--receiver", &scene.billing])
        .run()
        .expect_code(0);
    mend(&scene.folder, "billing");
    scene.topic.delete();
    let range = format!("{}:0:0..2", scene.topic.name());
    let summary = scene.replay(&["--offset", &range, "-g", &group], 0);
    assert_eq!(summary["delivered"], 2, "{summary}");
    let said = scene.refused(&["--offset", &range, "-g", &scene.group], 2);
    assert!(said.contains("gone"), "{said}");
    let summary = scene.replay(&["--all"], 0);
    assert_eq!(summary["delivered"], 2, "{summary}");
    assert_eq!(scene.taken().iter().map(|(_, n, _)| n.as_i64().unwrap()).collect::<Vec<_>>(), [100, 101, 0, 1]);
}

/// The first 8 hex digits of a topic's id, which Kafka prints in base64.
fn hex(id: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(id).unwrap();
    bytes[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn entries_of_a_topic_that_was_deleted_are_delivered() {
    let scene = Scene::new(Broker::shared(), "deleted", 4);
    scene.topic.delete();
    let said = scene.refused(&["--all", "--source", "topic"], 2);
    assert!(said.contains("gone"), "{said}");
    let range = format!("{}:0:1..3", scene.topic.name());
    let summary = scene.replay(&["--offset", &range], 0);
    assert_eq!(summary["delivered"], 2, "{summary}");
    let summary = scene.replay(&["--all"], 0);
    assert_eq!(summary["delivered"], 2, "{summary}");
    assert_eq!(scene.taken().iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [1, 2, 0, 3]);
    assert!(scene.is_all_resolved());
}

#[test]
fn what_the_group_has_not_committed_is_left_to_the_consumer() {
    let scene = Scene::new(Broker::shared(), "uncommitted", 10);
    scene.topic.commit(&scene.group, (0, 6), "");
    let left = |count| [("the consumer will deliver it".to_owned(), count)].into();
    let plan = scene.replay(&["--all", "--dry-run"], 0);
    assert_eq!((&plan["deliveries"], skipped(&plan)), (&6.into(), left(4)), "{plan}");
    let summary = scene.replay(&["--all"], 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&6.into(), left(4)), "{summary}");
    let summary = scene.replay(&["--all"], 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&0.into(), left(4)), "all of it: {summary}");
    let range = format!("{}:0:4..9", scene.topic.name());
    let summary = scene.replay(&["--offset", &range, "--to", "all"], 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&2.into(), left(3)), "{summary}");
    let summary = scene.replay(&["--offset", &range, "--to", "all", "--source", "journal"], 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&2.into(), left(3)), "{summary}");
    assert_eq!(scene.taken().len(), 10);
    let summary = scene.replay(&["--offset", &range, "--to", "all", "--include-uncommitted"], 0);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&5.into(), BTreeMap::new()), "{summary}");
    // What lies at or above the end of the live progress is not late; all of it was settled before.
    assert!(taken(&scene.folder, "billing").iter().all(|delivery| delivery["late"] == true));
}

#[test]
fn entries_need_no_broker_when_nothing_is_left_to_the_consumer() {
    let scene = Scene::new(Broker::shared(), "brokerless", 6);
    scene.topic.commit(&scene.group, (0, 3), "");
    let Scene { folder, billing, .. } = &scene;
    let without =
        |arguments: &[&str]| folder.redrive(["replay", "--receiver", billing, "-o", "json"]).args(arguments.iter().copied()).run();
    let output = without(&["--all"]).expect_code(2);
    assert!(output.stdout.contains("no broker is named") && output.stdout.contains("--include-uncommitted"), "{}", output.stdout);
    let summary = item(&without(&["1,2", "--include-uncommitted"]).expect_code(0));
    assert_eq!(summary["delivered"], 2, "{summary}");
    // With one that is not there, it is the same.
    let summary = item(&without(&["3", "--include-uncommitted", "-b", NOBODY]).expect_code(0));
    assert_eq!(summary["delivered"], 1, "{summary}");
    let range = format!("{}:0:3..5", scene.topic.name());
    let summary = item(&without(&["--offset", &range, "--source", "journal", "--include-uncommitted"]).expect_code(0));
    assert_eq!(summary["delivered"], 2, "{summary}");
    let summary = item(&without(&["--all", "--include-uncommitted"]).expect_code(0));
    assert_eq!(summary["delivered"], 1, "{summary}");
    assert!(scene.is_all_resolved());
    assert_eq!(scene.taken().iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_payload_that_was_purged_comes_from_the_topic_for_as_long_as_that_has_it() {
    let scene = Scene::new(Broker::shared(), "purged", 6);
    let change = |what: &str, of: &str| scene.folder.change_journal(&format!("UPDATE record SET {what} WHERE offset IN ({of})"));
    assert_eq!(change("codec = 2, value = NULL", "1, 2, 4"), 3);
    let said = scene.refused(&["2", "--source", "journal", "--dry-run"], 0);
    assert_eq!(said, "");
    let summary = scene.replay(&["2", "--source", "journal"], 3);
    assert_eq!(skipped(&summary), [("payload purged".to_owned(), 1)].into(), "{summary}");
    let summary = scene.replay(&["2", "3"], 0);
    assert_eq!(summary["delivered"], 2, "{summary}");
    assert_eq!(scene.taken().iter().map(|(offset, n, _)| (*offset, n.as_i64().unwrap())).collect::<Vec<_>>(), [(1, 1), (2, 2)]);

    scene.topic.delete_records_below(0, 6);
    assert_eq!(change("value = CAST('{\"n\":0}!' AS BLOB)", "3"), 1);
    let summary = scene.replay(&["--all"], 3);
    let reasons = [("payload purged".to_owned(), 1), ("payload damaged".to_owned(), 1)];
    assert_eq!((&summary["delivered"], skipped(&summary)), (&2.into(), reasons.into()), "{summary}");
    assert_eq!(scene.taken().iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [1, 2, 0, 5]);
    let open: Vec<_> = scene.states().into_iter().filter(|(_, state)| state == "open").map(|(offset, _)| offset).collect();
    assert_eq!((open, scene.folder.journal().claimed()), (vec![3, 4], 0));
}

/// What is damaged in the journal may be whole in the topic.
#[test]
fn a_damaged_payload_is_said_and_the_topic_has_it() {
    let scene = Scene::new(Broker::shared(), "damaged", 3);
    assert_eq!(scene.folder.change_journal("UPDATE record SET key = X'00' WHERE offset = 1"), 1);
    let summary = scene.replay(&["--all"], 3);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&2.into(), [("payload damaged".to_owned(), 1)].into()), "{summary}");
    let summary = scene.replay(&["--all", "--source", "topic"], 0);
    assert_eq!((&summary["delivered"], skipped(&summary)), (&1.into(), BTreeMap::new()), "{summary}");
    assert_eq!(
        scene.taken().iter().map(|(offset, n, _)| (*offset, n.as_i64().unwrap())).collect::<Vec<_>>(),
        [(0, 0), (2, 2), (1, 1)]
    );
    assert!(scene.is_all_resolved());
}
