//! Groups as `redrive group` shows them, moves that are taken back, and what a consumer does with a group that was moved.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Broker, Folder, LIMITED, Listener, Output, Sample, SecureBroker, Topic, share_consumer, unique};

const SOON: Duration = Duration::from_secs(30);

fn events(count: i32, partition: i32) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("t", &n.to_string(), "{}").to(partition)).collect()
}

/// A topic of two partitions with 10 and 6 records, a group, and the folder of its consumer.
struct Scene {
    folder: Folder,
    topic: Topic<'static>,
    group: String,
}

impl Scene {
    fn new(name: &str) -> Self {
        let topic = Broker::shared().topic(name, 2);
        topic.produce(&events(10, 0));
        topic.produce(&events(6, 1));
        Self { folder: Folder::new(), topic, group: unique(name) }
    }

    /// `redrive group …` of the group, as it is seen by who typed it.
    #[track_caller]
    fn group(&self, arguments: &[&str]) -> Output {
        let of = ["group", arguments[0], "-b", &self.topic.bootstrap(), "-g", &self.group];
        let output = self.folder.redrive(of).args(arguments[1..].iter().copied()).run();
        println!("$ redrive group {}: {}\n{}{}", arguments.join(" "), output.status, output.stdout, output.stderr);
        output
    }

    #[track_caller]
    fn reset(&self, arguments: &[&str]) -> Output {
        self.group(&[&["reset", "-t", self.topic.name(), "--execute"], arguments].concat())
    }

    /// Reads to the end.
    #[track_caller]
    fn consume(&self, receiver: &str) -> Output {
        let always = ["--receiver", receiver, "--until-end", "--from", "earliest"];
        let output = self.folder.consume(&self.topic, &self.group, always).run();
        println!("$ redrive consume: {}\n{}", output.status, output.stderr);
        output
    }

    fn committed(&self) -> BTreeMap<i32, (i64, String)> {
        self.topic.committed(&self.group)
    }

    fn offsets(&self) -> Vec<(i32, i64)> {
        self.committed().into_iter().map(|(partition, (offset, _))| (partition, offset)).collect()
    }

    #[track_caller]
    fn items(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.group(&[arguments, &["-o", "json"]].concat()).expect_code(0);
        let document: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        document["items"].as_array().unwrap_or_else(|| panic!("{document:#}")).clone()
    }

    #[track_caller]
    fn errors(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.folder.redrive(["errors", "list", "-o", "json"]).args(arguments.iter().copied()).run().expect_code(0);
        let document: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        document["items"].as_array().unwrap_or_else(|| panic!("{document:#}")).clone()
    }

    /// What was delivered since the last look.
    fn delivered(&self) -> Vec<(i32, i64)> {
        let mut delivered = self.folder.delivered("all.jsonl");
        std::fs::remove_file(self.folder.path().join("all.jsonl")).ok();
        delivered.sort_unstable();
        delivered
    }
}

#[test]
fn undo_puts_offsets_metadata_and_nothing_back_and_is_a_move_itself() {
    let scene = Scene::new("undo");
    scene.topic.commit(&scene.group, (0, 7), "another tool's");
    let before = scene.committed();
    scene.reset(&["--to-earliest", "--reason", "a bad night"]).expect_code(0);
    let moved = scene.committed();
    assert_eq!(scene.offsets(), [(0, 0), (1, 0)]);
    scene.group(&["undo", "1"]).expect_code(0);
    assert_eq!(scene.committed(), moved, "a preview changes nothing");
    scene.group(&["undo", "--execute", "--reason", "it was the wrong night"]).expect_code(0);
    assert_eq!(scene.committed(), before, "offset, metadata, and nothing in partition 1");
    scene.group(&["history"]).expect_code(0);
    let history = scene.items(&["history"]);
    assert_eq!(history.len(), 2);
    let reasons: Vec<_> = history.iter().map(|of| of["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"a bad night") && reasons.contains(&"it was the wrong night"), "{reasons:?}");

    // The undo is taken back in its turn, with the text of the first move.
    scene.group(&["undo", "2", "--execute"]).expect_code(0);
    assert_eq!(scene.committed(), moved);
    scene.group(&["undo", "3", "--execute"]).expect_code(0);
    assert_eq!(scene.committed(), before);
}

#[test]
fn undo_is_refused_when_the_group_moved_on_unless_somebody_insists() {
    let scene = Scene::new("on");
    scene.topic.commit(&scene.group, (0, 7), "");
    scene.topic.commit(&scene.group, (1, 3), "");
    scene.reset(&["--to-earliest"]).expect_code(0);
    scene.topic.commit(&scene.group, (1, 2), "");
    let output = scene.group(&["undo", "--execute"]).expect_code(5);
    assert!(output.stderr.contains(&format!("{}/1", scene.topic.name())) && output.stderr.contains("--force"), "{}", output.stderr);
    assert_eq!(scene.offsets(), [(0, 0), (1, 2)]);
    scene.group(&["undo", "--execute", "--force"]).expect_code(0);
    assert_eq!(scene.offsets(), [(0, 7), (1, 3)]);
}

#[test]
fn undo_wants_an_empty_group_and_a_move_that_was_made() {
    let scene = Scene::new("guarded");
    let output = scene.group(&["undo"]).expect_code(2);
    assert!(output.stderr.contains("redrive.db"), "there is no journal: {}", output.stderr);
    scene.topic.commit(&scene.group, (0, 7), "");
    scene.reset(&["--to-earliest"]).expect_code(0);
    scene.group(&["undo", "99", "--execute"]).expect_code(2);
    let elsewhere = Folder::new();
    let mut member = elsewhere.consume(&scene.topic, &scene.group, ["--receiver", "all=discard:"]).spawn();
    member.line("2 partitions assigned", SOON);
    scene.group(&["undo", "--execute"]).expect_code(5);
    member.signal(Signal::TERM);
    member.wait(SOON).expect_code(0);
}

#[test]
fn a_consumer_goes_on_where_a_reset_put_it_and_knows_that_it_was_ours() {
    let scene = Scene::new("goes-on");
    scene.consume("all=file:all.jsonl").expect_code(0);
    assert_eq!(scene.delivered().len(), 16);
    scene.reset(&["--to-offset", "4"]).expect_code(0);
    let output = scene.consume("all=file:all.jsonl").expect_code(0);
    let again: Vec<_> = (4..10).map(|offset| (0, offset)).chain((4..6).map(|offset| (1, offset))).collect();
    assert_eq!(scene.delivered(), again);
    assert_eq!(scene.folder.journal().incidents(), [], "{}", output.stderr);
    assert_eq!(scene.offsets(), [(0, 10), (1, 6)]);

    // Forwards, too: what is left out is left out on purpose.
    scene.topic.produce(&events(4, 0));
    scene.reset(&["--to-latest"]).expect_code(0);
    scene.consume("all=file:all.jsonl").expect_code(0);
    assert_eq!(scene.delivered(), []);
    assert_eq!(scene.folder.journal().incidents(), []);

    // An undo is ours as well.
    scene.group(&["undo", "--force", "--execute"]).expect_code(0);
    scene.consume("all=file:all.jsonl").expect_code(0);
    assert_eq!(scene.delivered(), [(0, 10), (0, 11), (0, 12), (0, 13)]);
    assert_eq!(scene.folder.journal().incidents(), []);
}

#[test]
fn a_reset_to_the_oldest_failure_delivers_it_again_and_its_success_resolves_it() {
    let scene = Scene::new("failure");
    let fails = |code: i32| format!("all=run:/bin/sh -c 'exit {code}'");
    // 65: never again. Two records fail, the others do not.
    let some = "all=run:/bin/sh -c 'case $REDRIVE_RECORD_PARTITION/$REDRIVE_RECORD_OFFSET in 0/3|0/7) exit 65;; esac'";
    scene.consume(some).expect_code(0);
    let open = |state: &str| scene.folder.journal().failures().iter().filter(|row| row.state == state).count();
    assert_eq!((open("open"), open("resolved")), (2, 0));
    scene.group(&["describe"]).expect_code(0);
    let describe = scene.items(&["describe"]);
    assert_eq!(describe[0]["open_errors"], 2, "{describe:#?}");
    scene.reset(&["--to-failure"]).expect_code(0);
    assert_eq!(scene.offsets(), [(0, 3), (1, 6)], "where nothing failed, nothing is moved");

    // It fails again: one more attempt of the same entry.
    scene.consume(some).expect_code(0);
    let failures = scene.folder.journal().failures();
    let told: Vec<_> = failures.iter().map(|row| (row.offset, row.state.as_str(), row.attempts)).collect();
    assert_eq!(told, [(3, "open", 2), (7, "open", 2)]);

    // Now it works.
    scene.reset(&["--to-failure"]).expect_code(0);
    scene.consume(&fails(0)).expect_code(0);
    assert_eq!((open("open"), open("resolved")), (0, 2));
    let listed = scene.errors(&["--state", "open,resolved,ignored"]);
    let resolved_by: Vec<_> = listed.iter().map(|item| item["resolved_by"].as_str()).collect();
    assert_eq!(resolved_by, [Some("live"), Some("live")], "{listed:#?}");

    // And no more: the entry is open again, and says that it was resolved once.
    scene.reset(&["--to-offset", "3"]).expect_code(0);
    scene.consume(some).expect_code(0);
    let listed = scene.errors(&[]);
    let told: Vec<_> = listed.iter().map(|item| (item["regressed"].as_bool(), item["attempts"].as_i64())).collect();
    assert_eq!(told, [(Some(true), Some(4)), (Some(true), Some(4))], "{listed:#?}");
}

#[test]
fn a_reset_to_one_entry_moves_its_partition() {
    let scene = Scene::new("entry");
    scene
        .consume("all=run:/bin/sh -c 'case $REDRIVE_RECORD_PARTITION/$REDRIVE_RECORD_OFFSET in 0/3|0/7|1/1) exit 65;; esac'")
        .expect_code(0);
    let listed = scene.errors(&[]);
    let id = listed.iter().find(|item| item["offset"] == 7).unwrap()["id"].to_string();
    scene.reset(&["--to-failure", &id]).expect_code(0);
    assert_eq!(scene.offsets(), [(0, 7), (1, 6)]);
    scene.reset(&["--to-failure", "12345"]).expect_code(2);
}

#[test]
fn offsets_that_kafkas_tool_deleted_are_mended_from_the_journal() {
    let scene = Scene::new("deleted");
    scene.consume("all=file:all.jsonl").expect_code(0);
    scene.delivered();
    Broker::shared().witness().delete_offsets(&scene.group, scene.topic.name());
    let output = scene.consume("all=file:all.jsonl").expect_code(2);
    assert!(output.stderr.contains("group reset") && output.stderr.contains("--to-progress"), "{}", output.stderr);
    scene.topic.produce(&events(1, 0));
    scene.reset(&["--to-progress"]).expect_code(0);
    assert_eq!(scene.offsets(), [(0, 10), (1, 6)]);
    scene.consume("all=file:all.jsonl").expect_code(0);
    assert_eq!(scene.delivered(), [(0, 10)]);
    assert_eq!(scene.folder.journal().incidents(), []);
}

#[test]
fn groups_are_listed_and_described_as_kafkas_tools_do() {
    let scene = Scene::new("listed");
    scene.topic.commit(&scene.group, (0, 4), "another tool's");
    let (live, shared) = (unique("live"), unique("shared"));
    let arguments = ["--from", "earliest", "--receiver", "all=discard:", "-X", "group.protocol=consumer", "-X", "client.id=shop-1"];
    let mut member = scene.folder.consume(&scene.topic, &live, arguments).spawn();
    member.line("2 partitions assigned", SOON);
    let script = scene.folder.write("share", &share_consumer());
    let bootstrap = scene.topic.bootstrap();
    let share = [script.to_str().unwrap(), "--bootstrap-server", &bootstrap, "--topic", scene.topic.name(), "--group", &shared];
    let mut sharing = scene.folder.program(std::path::Path::new("/bin/sh")).args(share).spawn();
    let witness = Broker::shared().witness();
    sharing.until("the share group is there", SOON, |_| witness.groups().contains_key(&shared).then_some(()));

    let output = scene.folder.redrive(["group", "list", "-b", &bootstrap, "-o", "json"]).run().expect_code(0);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let items = document["items"].as_array().unwrap();
    let table = scene.folder.redrive(["group", "list", "-b", &bootstrap]).run().expect_code(0).stdout;
    assert!([&scene.group, &live, &shared].iter().all(|group| table.contains(group.as_str())), "{table}");
    let ours: BTreeMap<_, _> = items.iter().map(|item| (item["group"].as_str().unwrap(), item)).collect();
    let kinds: BTreeMap<_, _> =
        ours.iter().map(|(group, of)| ((*group).to_owned(), of["protocol"].as_str().unwrap().to_lowercase())).collect();
    let theirs: BTreeMap<_, _> = witness.groups().into_iter().map(|(group, kind)| (group, kind.to_lowercase())).collect();
    // Other tests make groups meanwhile.
    for group in [&scene.group, &live, &shared] {
        assert_eq!(kinds[group], theirs[group], "{:#?}", ours[group.as_str()]);
    }
    let told = |group: &str| (ours[group]["state"].as_str().unwrap(), ours[group]["members"].as_i64(), ours[group]["lag"].as_i64());
    assert_eq!(told(&scene.group), ("Empty", Some(0), Some(6)));
    assert_eq!((told(&live).0, told(&live).1), ("Stable", Some(1)));

    scene.group(&["describe"]).expect_code(0);
    let described = scene.items(&["describe"]);
    let told: Vec<_> = described
        .iter()
        .map(|of| (of["partition"].as_i64(), of["committed"].as_i64(), of["end"].as_i64(), of["lag"].as_i64()))
        .collect();
    let expected =
        witness.group_offsets(&scene.group).into_iter().map(|of| (Some(i64::from(of.partition)), of.committed, of.end, of.lag));
    assert!(expected.into_iter().all(|of| told.contains(&of)), "{told:?}");
    assert_eq!(described[0]["metadata"], "another tool's");
    let output = scene.folder.redrive(["group", "describe", "-b", &bootstrap, "-g", &live, "-o", "json"]).run().expect_code(0);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(document["items"][1]["host"], "127.0.0.1", "{document:#}");
    let nobody = unique("nobody");
    let describe = |group: &str| scene.folder.redrive(["group", "describe", "-b", &bootstrap, "-g", group]).run();
    let output = describe(&nobody).expect_code(2);
    assert!(output.stderr.contains(&format!("no group {nobody}")), "{}", output.stderr);
    let output = describe(&shared).expect_code(5);
    assert!(output.stderr.contains("is a share group"), "{}", output.stderr);
    for mut of in [member, sharing] {
        of.signal(Signal::TERM);
        of.wait(SOON);
    }
}

#[test]
fn who_may_not_look_at_or_move_a_group_is_told_so() {
    let (broker, user, folder, group) = (SecureBroker::shared(), LIMITED[3], Folder::new(), unique("rights"));
    let topic = broker.broker().topic("rights", 1);
    topic.produce(&events(3, 0));
    topic.commit(&group, (0, 3), "");
    let login = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", user.0),
        ("sasl.password", user.1),
    ];
    let login: Vec<_> = login.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let run = |arguments: &[&str]| {
        let of = ["group", arguments[0], "-b", &broker.bootstrap(Listener::Sasl), "-g", &group];
        let login = login.iter().flat_map(|property| ["-X", property.as_str()]);
        let output = folder.redrive(of).args(login).args(arguments[1..].iter().copied()).run();
        println!("$ redrive group {}: {}\n{}{}", arguments.join(" "), output.status, output.stdout, output.stderr);
        output
    };
    let reset = ["reset", "-t", topic.name(), "--to-earliest", "--execute"];
    let forbidden = |output: &Output, what: &str| {
        assert!(output.stderr.contains(what) && output.stderr.contains("authorization failed"), "{}", output.stderr);
    };
    forbidden(&run(&["describe"]).expect_code(1), &group);
    broker.allow(user.0, "Describe", ["--group", &group]);
    broker.allow(user.0, "Describe", ["--topic", topic.name()]);
    run(&["describe"]).expect_code(0);
    run(&reset[..4]).expect_code(0);
    forbidden(&run(&reset).expect_code(1), &group);
    assert_eq!(topic.committed(&group), [(0, (3, String::new()))].into());
    broker.allow(user.0, "Read", ["--group", &group]);
    forbidden(&run(&reset).expect_code(1), topic.name());
    broker.allow(user.0, "Read", ["--topic", topic.name()]);
    run(&reset).expect_code(0);
    assert_eq!(topic.committed(&group)[&0].0, 0);
}
