//! `redrive group reset` against `kafka-consumer-groups.sh --reset-offsets` on a twin of the group; who is not moved, and what is left when
//! something breaks between two steps.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Broker, Folder, GateKind, GatedBroker, Output, Sample, Topic, share_consumer, unique, wait};

const SOON: Duration = Duration::from_secs(30);

fn events(count: i32, partition: i32) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("t", &n.to_string(), "{}").to(partition)).collect()
}

/// `redrive group reset` of a whole topic.
#[track_caller]
fn reset(folder: &Folder, topic: &Topic<'_>, group: &str, arguments: &[&str]) -> Output {
    let of = ["group", "reset", "-b", &topic.bootstrap(), "-g", group, "-t", topic.name()];
    folder.redrive(of).args(arguments.iter().copied()).run()
}

/// The items of a document on stdout.
#[track_caller]
fn items(output: &Output) -> Vec<Value> {
    let document: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    document["items"].as_array().unwrap_or_else(|| panic!("{document:#}")).clone()
}

/// Partition, current, new, delivered again, skipped.
type Row = (i64, Option<i64>, Option<i64>, i64, i64);

#[track_caller]
fn rows(output: &Output) -> Vec<Row> {
    let row = |item: Value| {
        let number = |name: &str| item[name].as_i64().unwrap_or_else(|| panic!("{name}: {item:#}"));
        (number("partition"), item["current"].as_i64(), item["new"].as_i64(), number("delivered_again"), number("skipped"))
    };
    items(output).into_iter().map(row).collect()
}

fn offsets(topic: &Topic<'_>, group: &str) -> BTreeMap<i32, i64> {
    topic.committed(group).into_iter().map(|(partition, (offset, _))| (partition, offset)).collect()
}

/// A topic with all that a target may meet: records that are gone, a partition without records, and one of which the group knows nothing.
/// It is read up to 8, 4, 0 and nothing.
fn scene(name: &str) -> Topic<'static> {
    let topic = Broker::shared().topic(name, 4);
    topic.produce(&events(12, 0));
    topic.produce(&events(10, 1));
    topic.produce(&events(3, 3));
    topic.delete_records_below(0, 5);
    topic
}

fn read(topic: &Topic<'_>, group: &str) {
    for (partition, offset) in [(0, 8), (1, 4), (2, 0)] {
        topic.commit(group, (partition, offset), "");
    }
}

/// The undo files of a folder.
fn undo_files(folder: &Folder) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("redrive-undo-")).collect()
}

#[test]
fn every_target_is_where_kafkas_tool_puts_a_twin() {
    let topic = scene("targets");
    // What is written later has a later timestamp.
    let middle =
        jiff::Timestamp::from_millisecond(topic.read().iter().filter_map(|record| record.timestamp).max().unwrap() + 1).unwrap();
    wait::until("the clock goes on", SOON, || (jiff::Timestamp::now() > middle).then_some(()));
    topic.produce(&events(5, 1));
    let folder = Folder::new();
    let file = folder.write("offsets.csv", &format!("{0},0,7\n{0},1,99\n{0},2,0\n", topic.name()));
    let at = |time: jiff::Timestamp| format!("{time:.3}");
    let (middle, future) = (at(middle), at(jiff::Timestamp::now() + Duration::from_secs(86_400)));
    let three = format!("{}:0,1,2", topic.name());
    let (whole, file) = (topic.name(), file.to_str().unwrap());
    // Scope, target, whether an offset is moved to an end of its log with a warning. Partition 2 has no record of any time.
    let cases: [(&str, &[&str], bool); 16] = [
        (whole, &["--to-earliest"], false),
        (whole, &["--to-latest"], false),
        (whole, &["--to-offset", "6"], true),
        (whole, &["--to-offset", "2"], true),
        (whole, &["--to-offset", "1000"], true),
        (whole, &["--to-datetime", &middle], true),
        (whole, &["--to-datetime", "2026-11-01T00:00:00.000Z"], true),
        (whole, &["--to-datetime", &future], true),
        (whole, &["--by-duration", "PT1H"], true),
        (whole, &["--by-duration", "P0DT0H0M0S"], true),
        (&three, &["--shift-by", "2"], true),
        (&three, &["--shift-by", "-1"], true),
        (&three, &["--shift-by", "-1000"], true),
        (&three, &["--shift-by", "1000"], true),
        (whole, &["--to-current"], false),
        (&three, &["--from-file", file], true),
    ];
    for (scope, target, is_moved_in) in cases {
        let (ours, theirs) = (unique("ours"), unique("theirs"));
        read(&topic, &ours);
        read(&topic, &theirs);
        let before = offsets(&topic, &ours);
        let of = ["group", "reset", "-b", &topic.bootstrap(), "-g", &ours, "-t", scope, "-o", "json"];
        let preview = folder.redrive(of).args(target.iter().copied()).run().expect_code(0);
        assert_eq!(offsets(&topic, &ours), before, "{target:?}: a preview changes nothing");
        let done = folder.redrive(of).args(target.iter().copied()).args(["--execute"]).run().expect_code(0);
        Broker::shared().witness().reset(&theirs, &[&["--topic", scope], target].concat());
        let (ours, theirs) = (offsets(&topic, &ours), offsets(&topic, &theirs));
        assert_eq!(ours, theirs, "{scope} {target:?}: {done:?}");
        let said: BTreeMap<i32, i64> = rows(&done).iter().map(|row| (i32::try_from(row.0).unwrap(), row.2.unwrap())).collect();
        assert_eq!(said, ours, "{scope} {target:?}");
        assert_eq!(rows(&preview), rows(&done), "{scope} {target:?}");
        assert_eq!(done.stderr.contains("warning"), is_moved_in, "{scope} {target:?}: {}", done.stderr);
    }
}

#[test]
fn a_preview_tells_what_comes_again_and_what_is_left_out_and_keeps_nothing() {
    let (topic, folder, group) = (scene("preview"), Folder::new(), unique("preview"));
    read(&topic, &group);
    let output = reset(&folder, &topic, &group, &["--to-offset", "6", "-o", "json"]).expect_code(0);
    let expected =
        [(0, Some(8), Some(6), 2, 0), (1, Some(4), Some(6), 0, 2), (2, Some(0), Some(0), 0, 0), (3, None, Some(3), 0, 3)];
    assert_eq!(rows(&output), expected);
    assert!(
        items(&output).iter().all(|item| item["topic"] == topic.name() && item["open_errors"].is_null()),
        "there is no journal"
    );
    let output = reset(&folder, &topic, &group, &["--to-offset", "6"]).expect_code(0);
    assert!(output.stdout.contains("nothing was changed") && output.stdout.contains("--execute"), "{}", output.stdout);
    assert!(output.stderr.contains("offset 6 is above the log, which ends at 3: 3 is taken"), "{}", output.stderr);
    assert_eq!(offsets(&topic, &group), [(0, 8), (1, 4), (2, 0)].into());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "neither a journal nor an undo file");
}

#[test]
fn what_was_is_saved_before_it_is_changed_and_the_commits_say_who_moved_them() {
    let (topic, folder, group) = (scene("saved"), Folder::new(), unique("saved"));
    read(&topic, &group);
    topic.commit(&group, (1, 4), "another tool's");
    let output = reset(&folder, &topic, &group, &["--to-earliest", "--execute", "--reason", "a bad night"]).expect_code(0);
    assert!(output.stdout.contains("redrive group undo 1"), "{}", output.stdout);
    let committed = topic.committed(&group);
    assert_eq!(offsets(&topic, &group), [(0, 5), (1, 0), (2, 0), (3, 0)].into());
    let metadata = |partition: i32| committed[&partition].1.as_str();
    assert!(metadata(0).starts_with("rd1:") && metadata(0).ends_with(":5:m1"), "{committed:?}");
    let [file] = undo_files(&folder).try_into().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let name = topic.name();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(lines, [format!("{name},0,8"), format!("{name},1,4"), format!("{name},2,0")], "{text}");
}

#[test]
fn offsets_outside_of_the_log_are_refused_when_that_is_asked_for() {
    let (topic, folder, group) = (scene("strict"), Folder::new(), unique("strict"));
    read(&topic, &group);
    let future = (jiff::Timestamp::now() + Duration::from_secs(86_400)).to_string();
    for target in [["--to-offset", "2"], ["--to-offset", "1000"], ["--shift-by", "1000"], ["--to-datetime", &future]] {
        let three = format!("{}:0,1,2", topic.name());
        let of = ["group", "reset", "-b", &topic.bootstrap(), "-g", &group, "-t", &three, "--strict", "--execute"];
        let output = folder.redrive(of).args(target).run().expect_code(5);
        assert!(output.stderr.contains("outside"), "{}", output.stderr);
        assert_eq!(offsets(&topic, &group), [(0, 8), (1, 4), (2, 0)].into());
    }
    assert!(undo_files(&folder).is_empty());
}

#[test]
fn what_cannot_be_meant_is_no_reset() {
    let (topic, folder, group) = (scene("wrong"), Folder::new(), unique("wrong"));
    read(&topic, &group);
    folder.write("bad.csv", "orders,0,5\norders;1;5\n");
    folder.write("twice.csv", &format!("{0},0,5\n{0},0,6\n", topic.name()));
    folder.write("unknown.csv", &format!("{0},0,5\n{0},9,6\n", topic.name()));
    folder.write("empty.csv", "# nothing\n");
    let wrong: [(&[&str], &str); 14] = [
        (&["--shift-by", "2"], "nothing is committed"),
        (&["--to-datetime", "2026-11-23T05:00:00"], "no zone"),
        (&["--to-datetime", "2026-11-23T05:00:00.000"], "no zone"),
        (&["--to-datetime", "yesterday"], "not a time"),
        (&["--by-duration", "P1M"], "months"),
        (&["--shift-by", "many"], "many"),
        (&["--from-file", "bad.csv"], "line 2"),
        (&["--from-file", "twice.csv"], "line 2"),
        (&["--from-file", "unknown.csv"], "9"),
        (&["--from-file", "empty.csv"], "empty.csv names no partition"),
        (&["--by-duration", "-PT5M"], "`-PT5M` has a sign"),
        (&["--from-file", "nowhere.csv"], "nowhere.csv"),
        (&["--to-earliest", "--to-latest"], "--to-latest"),
        (&[], "--to-earliest"),
    ];
    for (target, said) in wrong {
        let output = reset(&folder, &topic, &group, &[target, &["--execute"]].concat()).expect_code(2);
        assert!(output.stderr.contains(said), "{target:?}: {}", output.stderr);
    }
    assert_eq!(offsets(&topic, &group), [(0, 8), (1, 4), (2, 0)].into());
    let nobody = unique("nobody");
    let output = reset(&folder, &topic, &nobody, &["--to-earliest", "--execute"]).expect_code(2);
    assert!(output.stderr.contains(&format!("no group {nobody}")), "{}", output.stderr);
    let nowhere = unique("nowhere");
    let of = ["group", "reset", "-b", &topic.bootstrap(), "-g", &group, "-t", &nowhere, "--to-earliest"];
    let output = folder.redrive(of).run().expect_code(2);
    assert!(output.stderr.contains(&format!("no topic {nowhere}")), "{}", output.stderr);
}

#[test]
fn offsets_come_from_standard_input_too_and_those_below_0_go_to_the_beginning_of_their_log() {
    let (topic, folder, group) = (scene("stdin"), Folder::new(), unique("stdin"));
    read(&topic, &group);
    folder.write("offsets.csv", &format!("topic,partition,offset\n{0},0,-5\n{0},1,7\n", topic.name()));
    let script = "exec \"$@\" --from-file - < offsets.csv";
    let of = [env!("CARGO_BIN_EXE_redrive"), "group", "reset", "-b", &topic.bootstrap(), "-g", &group];
    let shell = || folder.program(std::path::Path::new("/bin/sh")).args(["-c", script, "sh"]).args(of);
    let strict = shell().args(["--execute", "--strict"]).run().expect_code(5);
    assert!(
        strict.stderr.contains("offset -5 is below the log, which begins at 5: without --strict 5 would be taken"),
        "{strict:?}"
    );
    let output = shell().args(["--execute"]).run().expect_code(0);
    assert!(output.stderr.contains("offset -5 is below the log, which begins at 5: 5 is taken"), "{}", output.stderr);
    assert_eq!(offsets(&topic, &group), [(0, 5), (1, 7), (2, 0)].into());
    folder.write("offsets.csv", "orders;0;5\n");
    let wrong = shell().run().expect_code(2);
    assert!(wrong.stderr.contains("--from-file: standard input, line 1: expected topic,partition,offset"), "{}", wrong.stderr);
}

/// Brokers take whole milliseconds. What is asked for between two of them is the same record for a reset and for a replay.
#[test]
fn a_time_between_two_milliseconds_is_behind_the_record_of_the_earlier_one() {
    let (topic, folder, group) = (Broker::shared().topic("between", 1), Folder::new(), unique("between"));
    topic.produce(&events(1, 0));
    let first = jiff::Timestamp::from_millisecond(topic.read()[0].timestamp.unwrap()).unwrap();
    wait::until("the clock goes on", SOON, || (jiff::Timestamp::now() > first + Duration::from_millis(1)).then_some(()));
    topic.produce(&events(2, 0));
    topic.commit(&group, (0, 0), "");
    let between = (first + Duration::from_micros(500)).to_string();
    let preview = reset(&folder, &topic, &group, &["--to-datetime", &between, "-o", "json"]).expect_code(0);
    assert_eq!(rows(&preview), [(0, Some(0), Some(1), 0, 1)]);
    topic.commit(&group, (0, 3), "");
    folder.consume(&topic, &group, ["--until-end", "--receiver", "all=discard:"]).run().expect_code(0);
    let range = format!("{}:0:@{between}..", topic.name());
    let of =
        ["replay", "-b", &topic.bootstrap(), "-g", &group, "--offset", &range, "--to", "all", "--receiver", "all=file:again.jsonl"];
    folder.redrive(of).run().expect_code(0);
    let again: Vec<_> = folder.delivered("again.jsonl").into_iter().map(|(_, offset)| offset).collect();
    assert_eq!(again, [1, 2]);
}

/// Names that a shell, or an eye, takes for something else.
#[test]
fn a_group_may_have_any_name() {
    let (topic, folder) = (scene("names"), Folder::new());
    for name in [" ", "-x", "new\nline", "it's a \\ name"] {
        let (flag, partition) = (format!("--group={name}"), format!("{}:0", topic.name()));
        let reset = ["group", "reset", "-b", &topic.bootstrap(), &flag, "-t", &partition, "--to-earliest", "--create", "--execute"];
        folder.redrive(reset).run().expect_code(0);
        let listed = items(&folder.redrive(["group", "list", "-b", &topic.bootstrap(), "-o", "json"]).run().expect_code(0));
        let found: Vec<_> = listed.iter().filter(|item| item["group"] == name).map(|item| &item["members"]).collect();
        assert_eq!(found, [&Value::from(0)], "{name:?}: {listed:#?}");
        let described = folder.redrive(["group", "describe", "-b", &topic.bootstrap(), &flag]).run().expect_code(0);
        let next = described.stdout.rsplit_once("its moves: redrive ").unwrap().1.trim_end();
        let next = format!("{} {next} -o json", env!("CARGO_BIN_EXE_redrive"));
        let history = folder.program(std::path::Path::new("/bin/bash")).args(["-c", next.as_str()]).run().expect_code(0);
        assert_eq!(items(&history)[0]["group"], name, "{next}");
    }
}

#[test]
fn a_group_without_offsets_is_made_when_that_is_asked_for() {
    let (topic, folder, group) = (scene("create"), Folder::new(), unique("create"));
    reset(&folder, &topic, &group, &["--to-earliest", "--create", "--execute"]).expect_code(0);
    assert_eq!(offsets(&topic, &group), [(0, 5), (1, 0), (2, 0), (3, 0)].into());
    assert_eq!(Broker::shared().witness().group_state(&group).unwrap().state, "Empty");
}

#[test]
fn a_group_with_a_live_member_is_refused_with_its_name_and_waited_for() {
    for protocol in ["classic", "consumer"] {
        let (topic, folder, group) = (scene("live"), Folder::new(), unique("live"));
        read(&topic, &group);
        let arguments = ["--from", "earliest", "--receiver", "all=discard:", "-X", "client.id=shop-0"];
        let mut member = folder.consume(&topic, &group, arguments).args(["-X", &format!("group.protocol={protocol}")]).spawn();
        member.line("4 partitions assigned", SOON);
        let output = reset(&folder, &topic, &group, &["--to-earliest", "--execute"]).expect_code(5);
        for said in ["1 live member", "shop-0", "127.0.0.1", "--wait-empty"] {
            assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
        }
        let preview = reset(&folder, &topic, &group, &["--to-earliest"]).expect_code(5);
        assert_eq!(preview.stdout, "");
        let waits = ["--to-earliest", "--execute", "--wait-empty", "200ms"];
        reset(&folder, &topic, &group, &waits).expect_code(5);
        assert!(undo_files(&folder).is_empty());
        let of = ["group", "reset", "-b", &topic.bootstrap(), "-g", &group, "-t", topic.name(), "--to-earliest", "--execute"];
        let mut waiting = folder.redrive(of).args(["--wait-empty", "30s"]).spawn();
        waiting.line("member", SOON);
        member.signal(Signal::TERM);
        member.wait(SOON).expect_code(0);
        waiting.wait(SOON).expect_code(0);
        assert_eq!(offsets(&topic, &group), [(0, 5), (1, 0), (2, 0), (3, 0)].into());
    }
}

#[test]
fn a_static_member_that_stopped_stays_until_its_session_is_over() {
    let (topic, folder, group) = (scene("static"), Folder::new(), unique("static"));
    let arguments =
        ["--from", "earliest", "--receiver", "all=discard:", "-X", "group.instance.id=pod-7", "-X", "session.timeout.ms=6000"];
    let mut member = folder.consume(&topic, &group, arguments).spawn();
    member.line("4 partitions assigned", SOON);
    member.signal(Signal::TERM);
    member.wait(SOON).expect_code(0);
    let output = reset(&folder, &topic, &group, &["--to-earliest", "--execute"]).expect_code(5);
    assert!(output.stderr.contains("pod-7"), "{}", output.stderr);
    reset(&folder, &topic, &group, &["--to-earliest", "--execute", "--wait-empty", "30s"]).expect_code(0);
    assert_eq!(offsets(&topic, &group), [(0, 5), (1, 0), (2, 0), (3, 0)].into());
}

#[test]
fn a_share_group_is_refused() {
    let (topic, folder, group) = (scene("share"), Folder::new(), unique("share"));
    let script = folder.write("share", &share_consumer());
    let arguments =
        [script.to_str().unwrap(), "--bootstrap-server", &topic.bootstrap(), "--topic", topic.name(), "--group", &group];
    let mut member = folder.program(std::path::Path::new("/bin/sh")).args(arguments).spawn();
    let witness = Broker::shared().witness();
    member.until("the share group is there", SOON, |_| witness.groups().contains_key(&group).then_some(()));
    member.signal(Signal::TERM);
    member.wait(SOON);
    for create in [&[][..], &["--create"]] {
        let output = reset(&folder, &topic, &group, &[&["--to-earliest", "--execute"], create].concat()).expect_code(5);
        assert!(output.stderr.contains("is a share group"), "{}", output.stderr);
    }
}

/// Partition, what was read back, and whether something is wrong.
type Found = (i64, Option<i64>, bool);

/// A move in short: its state, and what was found.
fn told(of: &Value) -> (&str, Vec<Found>) {
    let item = |item: &Value| (item["partition"].as_i64().unwrap(), item["read_back"].as_i64(), !item["error"].is_null());
    (of["state"].as_str().unwrap(), of["items"].as_array().unwrap().iter().map(item).collect())
}

/// Something happens between two steps of a reset.
struct Broken {
    gated: GatedBroker,
    folder: Folder,
    group: String,
}

impl Broken {
    fn new(name: &str) -> Self {
        Self { gated: GatedBroker::start(), folder: Folder::new(), group: unique(name) }
    }

    /// A topic with two partitions of 5 records, of which the group has read 5 and 4.
    fn topic(&self, name: &str) -> Topic<'_> {
        let topic = self.gated.broker().topic(name, 2);
        topic.produce(&events(5, 0));
        topic.produce(&events(5, 1));
        topic.commit(&self.group, (0, 5), "before");
        topic.commit(&self.group, (1, 4), "before");
        topic
    }

    fn command(&self, arguments: &[&str]) -> crate::support::command::Command {
        let of = ["group", arguments[0], "-b", &self.gated.bootstrap(), "-g", &self.group];
        self.folder.redrive(of).args(arguments[1..].iter().copied())
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).run();
        println!("$ redrive group {arguments:?}: {}\n{}{}", output.status, output.stdout, output.stderr);
        output
    }

    #[track_caller]
    fn history(&self) -> Vec<Value> {
        self.run(&["history"]).expect_code(0);
        items(&self.run(&["history", "-o", "json"]).expect_code(0))
    }
}

#[test]
fn a_broker_that_dies_between_the_save_and_the_change_is_told_and_the_history_is_true() {
    let scene = Broken::new("saved");
    let topic = scene.topic("saved");
    let held = scene.gated.hold(GateKind::Commit);
    let command = scene.command(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).spawn();
    held.wait(SOON);
    assert_eq!(undo_files(&scene.folder).len(), 1, "saved before the change is asked for");
    scene.gated.broker().stop();
    held.release();
    command.wait(Duration::from_secs(60)).expect_code(1);
    let [of] = scene.history().try_into().unwrap();
    assert_eq!(told(&of), ("failed", [(0, None, true), (1, None, true)].into()), "{of:#}");
    scene.gated.broker().start();
    assert_eq!(topic.committed(&scene.group), [(0, (5, "before".into())), (1, (4, "before".into()))].into());
    // It never got there, so there is nothing to be taken back, and a second attempt is made as if there had been no first.
    let undo = scene.run(&["undo"]).expect_code(2);
    assert!(undo.stderr.contains("move 1 left nothing to take back"), "{}", undo.stderr);
    scene.run(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).expect_code(0);
    assert_eq!(offsets(&topic, &scene.group), [(0, 0), (1, 0)].into());
    scene.run(&["undo", "--execute"]).expect_code(0);
    assert_eq!(topic.committed(&scene.group), [(0, (5, "before".into())), (1, (4, "before".into()))].into());
    let history = scene.history();
    let moves: Vec<_> = history.iter().map(|of| (told(of), of["undoes"].as_i64())).collect();
    let done = |offsets: [i64; 2]| ("done", vec![(0, Some(offsets[0]), false), (1, Some(offsets[1]), false)]);
    assert_eq!(moves[..2], [(done([5, 4]), Some(2)), (done([0, 0]), None)]);
    assert_eq!((moves.len(), moves[2].0.0), (3, "failed"), "what came later changes nothing of what was");
}

/// A consumer comes and goes while the reset is on its way.
#[test]
fn what_a_consumer_commits_between_the_look_and_the_change_is_not_overwritten() {
    let scene = Broken::new("meanwhile");
    let topic = scene.topic("meanwhile");
    let looks = [scene.gated.hold(GateKind::FetchOffsets), scene.gated.hold(GateKind::FetchOffsets)];
    let command = scene.command(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).spawn();
    let [first, again] = looks;
    first.wait(SOON);
    first.release();
    again.wait(SOON);
    topic.commit(&scene.group, (1, 5), "a consumer's");
    again.release();
    let refused = command.wait(SOON).expect_code(5);
    let said = format!("{}/1: expected offset 4 as it was looked at, and found offset 5", topic.name());
    assert!(
        refused.stderr.contains(&said) && refused.stderr.contains("look again: redrive group describe -g"),
        "{}",
        refused.stderr
    );
    assert_eq!(topic.committed(&scene.group), [(0, (5, "before".into())), (1, (5, "a consumer's".into()))].into());
    let [of] = scene.history().try_into().unwrap();
    assert_eq!(told(&of), ("failed", [(0, None, true), (1, None, true)].into()), "{of:#}");
    scene.run(&["undo", "--execute"]).expect_code(5);
    assert_eq!(offsets(&topic, &scene.group), [(0, 5), (1, 5)].into(), "what the consumer committed is its own");
}

#[test]
fn a_broker_that_dies_between_the_change_and_the_read_back_is_told_and_undo_works() {
    let scene = Broken::new("changed");
    let topic = scene.topic("changed");
    let commit = scene.gated.hold(GateKind::Commit);
    let command = scene.command(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).spawn();
    commit.wait(SOON);
    let read_back = scene.gated.hold(GateKind::FetchOffsets);
    commit.release();
    read_back.wait(SOON);
    scene.gated.broker().stop();
    read_back.release();
    command.wait(Duration::from_secs(60)).expect_code(1);
    let [of] = scene.history().try_into().unwrap();
    assert_eq!(told(&of), ("failed", [(0, None, true), (1, None, true)].into()), "{of:#}");
    assert!(of["items"][0]["error"].as_str().unwrap().starts_with("it could not be read back: "), "{of:#}");
    scene.gated.broker().start();
    assert_eq!(offsets(&topic, &scene.group), [(0, 0), (1, 0)].into(), "it was changed");
    scene.run(&["undo", "--execute"]).expect_code(0);
    assert_eq!(topic.committed(&scene.group), [(0, (5, "before".into())), (1, (4, "before".into()))].into());
    let states: Vec<_> = scene.history().iter().map(|of| told(of).0.to_owned()).collect();
    assert_eq!(states, ["done", "failed"]);
}

#[test]
fn what_is_read_back_must_be_what_was_set() {
    let scene = Broken::new("differs");
    let topic = scene.topic("differs");
    let commit = scene.gated.hold(GateKind::Commit);
    let command = scene.command(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).spawn();
    commit.wait(SOON);
    let read_back = scene.gated.hold(GateKind::FetchOffsets);
    commit.release();
    read_back.wait(SOON);
    topic.commit(&scene.group, (1, 3), "somebody else");
    read_back.release();
    let output = command.wait(SOON).expect_code(1);
    let said = format!("{}/1", topic.name());
    assert!([&output.stdout, &output.stderr].iter().any(|text| text.contains(&said)), "{output:?}");
    let [of] = scene.history().try_into().unwrap();
    assert_eq!(told(&of), ("differs", [(0, Some(0), false), (1, Some(3), true)].into()), "{of:#}");
    assert_eq!(of["items"][1]["error"], "expected offset 0, and read back offset 3");
    scene.run(&["undo", "--execute"]).expect_code(0);
    assert_eq!(topic.committed(&scene.group), [(0, (5, "before".into())), (1, (4, "before".into()))].into());
}

#[test]
fn a_member_that_joins_between_the_check_and_the_change_is_refused_by_the_broker_and_named() {
    let scene = Broken::new("joins");
    let topic = scene.topic("joins");
    let held = scene.gated.hold(GateKind::Commit);
    let command = scene.command(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).spawn();
    held.wait(SOON);
    let elsewhere = Folder::new();
    let mut member = elsewhere.consume(&topic, &scene.group, ["--receiver", "all=discard:", "-X", "client.id=late"]).spawn();
    member.line("2 partitions assigned", SOON);
    held.release();
    let output = command.wait(SOON);
    assert!(output.stderr.contains("late"), "{output:?}");
    member.signal(Signal::TERM);
    member.wait(SOON).expect_code(0);
    output.expect_code(1);
    let [of] = scene.history().try_into().unwrap();
    let refused = |item: &Value| item["error"].as_str().is_some_and(|error| error.starts_with("the group has members"));
    assert!(of["state"] == "failed" && of["items"].as_array().unwrap().iter().all(refused), "{of:#}");
}

#[test]
fn one_partition_of_many_that_fails_is_named_and_the_rest_can_be_taken_back() {
    let scene = Broken::new("partly");
    let (stays, goes) = (scene.topic("stays"), scene.topic("goes"));
    let held = scene.gated.hold(GateKind::Commit);
    let command = scene.command(&["reset", "--all-topics", "--to-earliest", "--execute", "-o", "json"]).spawn();
    held.wait(SOON);
    goes.delete();
    held.release();
    let output = command.wait(SOON).expect_code(1);
    assert!(output.stdout.contains(goes.name()), "{output:?}");
    assert_eq!(offsets(&stays, &scene.group), [(0, 0), (1, 0)].into());
    let history = scene.history();
    let told: Vec<_> =
        history[0]["items"].as_array().unwrap().iter().map(|item| (&item["topic"], item["error"].is_null())).collect();
    let (goes_on, gone) = (Value::from(stays.name()), Value::from(goes.name()));
    assert_eq!(told, [(&gone, false), (&gone, false), (&goes_on, true), (&goes_on, true)]);
    // With the topic its offsets went: nobody can say that this is where the move left them.
    scene.run(&["undo", "--execute"]).expect_code(5);
    scene.run(&["undo", "--execute", "--force"]).expect_code(1);
    assert_eq!(stays.committed(&scene.group), [(0, (5, "before".into())), (1, (4, "before".into()))].into());
}

#[test]
fn an_undo_that_breaks_off_is_gone_on_with() {
    let scene = Broken::new("broken-off");
    let topic = scene.gated.broker().topic("broken-off", 2);
    topic.produce(&events(5, 0));
    topic.commit(&scene.group, (0, 5), "before");
    scene.run(&["reset", "-t", topic.name(), "--to-earliest", "--execute"]).expect_code(0);
    let held = scene.gated.hold(GateKind::DeleteOffsets);
    let command = scene.command(&["undo", "--execute"]).spawn();
    held.wait(SOON);
    assert_eq!(offsets(&topic, &scene.group), [(0, 5), (1, 0)].into(), "one of two is done");
    scene.gated.broker().stop();
    held.release();
    command.wait(Duration::from_secs(60)).expect_code(1);
    scene.gated.broker().start();
    scene.run(&["undo", "1", "--execute"]).expect_code(0);
    assert_eq!(topic.committed(&scene.group), [(0, (5, "before".into()))].into());
    let states: Vec<_> = scene.history().iter().map(|of| of["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states, ["done", "failed", "done"]);
}
