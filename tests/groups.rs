//! A group is looked at, moved and moved back, with Kafka's own tools as witnesses.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::command::Command;
use crate::support::{Broker, Folder, Sample, Topic, unique};

const SOON: Duration = Duration::from_secs(30);

fn events(count: i32, partition: i32) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("t", &format!("{partition}-{n}"), "{}").to(partition)).collect()
}

/// What is committed in each partition of the group's only topic, with its metadata, as the brokers have it.
fn committed(broker: &Broker, group: &str) -> Vec<Option<i64>> {
    broker.witness().group_offsets(group).into_iter().map(|of| of.committed).collect()
}

fn group<'a>(folder: &Folder, broker: &Broker, words: impl IntoIterator<Item = &'a str>) -> Command {
    folder.redrive(["group"]).args(words).args(["-b", &broker.bootstrap()])
}

fn items(command: Command) -> Vec<Value> {
    let output = command.args(["-o", "json"]).run().expect_code(0);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    document["items"].as_array().unwrap().clone()
}

fn consumed(folder: &Folder, topic: &Topic<'_>, name: &str) {
    folder.consume(topic, name, ["--from", "earliest", "--until-end", "--receiver", "got=file:got.jsonl"]).run().expect_code(0);
}

#[test]
fn a_group_is_moved_looked_at_and_moved_back() {
    let (broker, folder, name) = (Broker::shared(), Folder::new(), unique("moved"));
    let topic = broker.topic("moved", 2);
    topic.produce(&[events(6, 0), events(4, 1)].concat());
    consumed(&folder, &topic, &name);
    let before = broker.witness().commits(&name);
    let there: Vec<_> = items(group(&folder, broker, ["list"])).into_iter().filter(|item| item["group"] == name).collect();
    assert_eq!((there.len(), &there[0]["state"], &there[0]["lag"]), (1, &"Empty".into(), &0.into()));

    let reset = ["reset", "-g", &name, "-t", topic.name(), "--to-offset", "2"];
    let preview = group(&folder, broker, reset).run().expect_code(0);
    assert!(preview.stdout.ends_with("nothing was changed · to do it: add --execute (undo is kept)\n"), "{}", preview.stdout);
    assert_eq!(broker.witness().commits(&name), before, "a preview commits nothing");

    let moved = items(group(&folder, broker, reset).args(["--execute", "--reason", "look again"]));
    let told: Vec<_> =
        moved.iter().map(|item| [&item["current"], &item["new"], &item["delivered_again"]].map(Value::as_i64)).collect();
    assert_eq!(told, [[Some(6), Some(2), Some(4)], [Some(4), Some(2), Some(2)]]);
    assert_eq!(committed(broker, &name), [Some(2), Some(2)]);
    let described = items(group(&folder, broker, ["describe", "-g", &name]));
    let metadata = described[0]["metadata"].as_str().unwrap();
    assert!(metadata.starts_with("rd1:") && metadata.ends_with(":2:m1"), "{metadata}");

    items(group(&folder, broker, ["undo", "-g", &name, "--execute"]));
    let commits = broker.witness().commits(&name);
    let last = |partition: i32| commits.iter().rfind(|commit| commit.partition == partition).unwrap();
    for commit in [0, 1].map(|partition| before.iter().rfind(|commit| commit.partition == partition).unwrap()) {
        assert_eq!(last(commit.partition), commit, "offset and metadata are as they were");
    }
    let history = items(folder.redrive(["group", "history"]));
    let told: Vec<_> = history.iter().map(|of| (of["state"].as_str(), of["undoes"].as_i64(), of["reason"].as_str())).collect();
    assert_eq!(told, [(Some("done"), Some(1), Some("")), (Some("done"), None, Some("look again"))]);

    group(&folder, broker, ["undo", "2", "--execute"]).run().expect_code(0);
    consumed(&folder, &topic, &name);
    let again = folder.delivered("got.jsonl").split_off(10);
    assert_eq!(again.len(), 6, "what was moved over is delivered again: {again:?}");
    assert_eq!(folder.journal().incidents(), [], "a move of ours is no surprise");
}

#[test]
fn a_group_with_members_is_refused_until_they_are_gone() {
    let (broker, folder, name) = (Broker::shared(), Folder::new(), unique("live"));
    let topic = broker.topic("live", 1);
    topic.produce(&events(3, 0));
    let arguments = ["--from", "earliest", "--receiver", "all=discard:", "-X", "client.id=shop-0"];
    let mut member = folder.consume(&topic, &name, arguments).spawn();
    member.line("1 partition assigned", SOON);
    let reset = || group(&folder, broker, ["reset", "-g", &name, "-t", topic.name(), "--to-earliest", "--create", "--execute"]);
    let refused = reset().run().expect_code(5);
    assert!(refused.stderr.contains("has 1 live member") && refused.stderr.contains("client shop-0"), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("{}/0", topic.name())), "{}", refused.stderr);
    let waits = reset().args(["--wait-empty", "30s"]).spawn();
    member.signal(Signal::TERM);
    member.wait(SOON).expect_code(0);
    waits.wait(SOON).expect_code(0);
    assert_eq!(committed(broker, &name), [Some(0)]);
}

#[test]
fn a_group_whose_offsets_are_gone_goes_on_where_the_journal_saw_it() {
    let (broker, folder, name) = (Broker::shared(), Folder::new(), unique("gone"));
    let topic = broker.topic("gone", 1);
    topic.produce(&events(5, 0));
    consumed(&folder, &topic, &name);
    broker.witness().delete_offsets(&name, topic.name());
    let consume = || folder.consume(&topic, &name, ["--until-end", "--receiver", "got=file:got.jsonl"]);
    let refused = consume().run().expect_code(2);
    let hint = refused
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("hint: to go on there: redrive "))
        .unwrap_or_else(|| panic!("{}", refused.stderr));
    let words = shell_words::split(hint).unwrap();
    folder.redrive(words.iter().map(String::as_str)).run().expect_code(0);
    assert_eq!(committed(broker, &name), [Some(5)]);
    topic.produce(&events(2, 0));
    consume().run().expect_code(0);
    assert_eq!(folder.delivered("got.jsonl").len(), 7, "nothing twice, nothing lost");
}
