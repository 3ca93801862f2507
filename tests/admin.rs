//! What brokers say of groups and offsets, and how they are changed, against Kafka's own tools.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use redrive::engine::stop::StopToken;
use redrive::kafka::{Connection, Groups};
use redrive::offsets::{GroupAdmin as _, GroupOffset, GroupProtocol, LogBounds, TopicPartition};
use redrive::record::NextOffset;
use rustix::process::Signal;

use crate::support::{Broker, Ending, Folder, ResetTo, Sample, Topic, share_consumer, unique, wait};

const SOON: Duration = Duration::from_secs(30);

fn groups(broker: &Broker) -> Groups {
    let connection = Connection::new(broker.bootstrap(), Vec::new()).unwrap();
    Groups::open(&connection, SOON, &StopToken::default()).unwrap().expect("nobody asked it to stop")
}

fn at(topic: &Topic<'_>, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.name().to_owned(), partition }
}

fn next(offset: i64) -> NextOffset {
    NextOffset::new(offset).unwrap()
}

fn offset(at: TopicPartition, offset: i64, metadata: &str) -> GroupOffset {
    GroupOffset { at, next: next(offset), metadata: metadata.to_owned(), leader_epoch: None }
}

fn events(count: i32, partition: i32) -> Vec<Sample> {
    (0..count).map(|n| Sample::event("t", &n.to_string(), "{}").to(partition)).collect()
}

#[test]
fn logs_begin_and_end_where_kafkas_tool_says() {
    let broker = Broker::shared();
    let (topic, groups) = (broker.topic("bounds", 3), groups(broker));
    topic.produce(&events(10, 0));
    topic.produce(&events(4, 1));
    topic.delete_records_below(0, 6);
    topic.produce_in_transaction(&events(3, 1), Ending::Abort);
    let of: Vec<_> = (0..3).map(|partition| at(&topic, partition)).collect();
    assert_eq!(groups.partitions(topic.name()).unwrap(), Some(vec![0, 1, 2]));
    let (starts, ends) = (broker.witness().starts(topic.name()), broker.witness().ends(topic.name()));
    let expected = |at: &TopicPartition| LogBounds { start: next(starts[&at.partition]), end: next(ends[&at.partition]) };
    let expected: Vec<_> = of.iter().map(|at| (at.clone(), Ok(expected(at)))).collect();
    assert_eq!(groups.bounds(&of).unwrap(), expected);
    assert_eq!(expected[1].1, Ok(LogBounds { start: next(0), end: next(8) }), "what was aborted counts, and its marker");
}

#[test]
fn what_is_not_there_says_nothing_about_the_rest() {
    let broker = Broker::shared();
    let (topic, groups) = (broker.topic("beside", 1), groups(broker));
    topic.produce(&events(2, 0));
    let nowhere = TopicPartition { topic: unique("nowhere"), partition: 0 };
    let of = [nowhere.clone(), at(&topic, 0), at(&topic, 7)];
    let bounds = groups.bounds(&of).unwrap();
    let none = Err("there is no such partition".to_owned());
    assert_eq!(bounds[0], (of[0].clone(), none.clone()));
    assert_eq!(bounds[1], (of[1].clone(), Ok(LogBounds { start: next(0), end: next(2) })));
    assert_eq!(bounds[2], (of[2].clone(), none.clone()));
    assert_eq!(groups.bounds(std::slice::from_ref(&nowhere)).unwrap(), [(nowhere.clone(), none)], "none of them has a leader");
    assert_eq!(groups.partitions(&nowhere.topic).unwrap(), None);
    assert_eq!(groups.identities(&[&nowhere.topic]).unwrap(), [None]);
    let known = groups.identities(&[topic.name(), &nowhere.topic]).unwrap();
    let known = known[0].as_ref().unwrap();
    assert_eq!(known.uuid.as_deref(), Some(broker.witness().topic_id(topic.name()).as_str()));
    assert_eq!((known.name.as_str(), &known.cluster_id), (topic.name(), &groups.cluster_id()));
    let names = groups.topic_names().unwrap();
    assert!(names.iter().any(|name| name == topic.name()) && !names.iter().any(|name| name.starts_with("__")), "{names:?}");
}

#[test]
fn times_are_found_where_kafkas_tool_finds_them() {
    let broker = Broker::shared();
    let (topic, groups) = (broker.topic("times", 3), groups(broker));
    topic.produce(&events(3, 0));
    let between = topic.read()[2].timestamp.unwrap() + 1;
    wait::until("the clock goes on", SOON, || (now_ms() > between).then_some(()));
    topic.produce(&events(2, 0));
    topic.produce(&events(1, 1));
    let of: Vec<_> = (0..3).map(|partition| at(&topic, partition)).collect();
    for ms in [0, between, now_ms() + 3_600_000] {
        let time = jiff::Timestamp::from_millisecond(ms).unwrap();
        let found = groups.at_time(&of, time).unwrap().into_iter();
        let found: BTreeMap<_, _> = found.filter_map(|(at, next)| Some((at.partition, next.unwrap()?.get()))).collect();
        assert_eq!(found, broker.witness().at_time(topic.name(), ms), "{ms}");
    }
    let micros = jiff::Timestamp::from_microsecond((between - 1) * 1_000 + 1).unwrap();
    assert_eq!(groups.at_time(&of[..1], micros).unwrap()[0].1, Ok(Some(next(3))), "a part of a millisecond later is later");
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[test]
fn offsets_are_changed_and_taken_away_with_their_metadata() {
    let (broker, group) = (Broker::shared(), unique("altered"));
    let (topic, groups) = (broker.topic("altered", 3), groups(broker));
    topic.produce(&events(5, 0));
    assert_eq!(groups.committed(&group).unwrap(), []);
    let wanted =
        [GroupOffset { leader_epoch: Some(0), ..offset(at(&topic, 0), 4, "rd1:x:4:m7 ü") }, offset(at(&topic, 2), 9_000, "")];
    assert_eq!(groups.alter(&group, &wanted).unwrap(), [(at(&topic, 0), Ok(())), (at(&topic, 2), Ok(()))]);
    assert_eq!(groups.committed(&group).unwrap(), wanted, "as they were asked for, even past the end");
    let witnessed = |at: i32| broker.witness().group_offsets(&group).iter().find(|of| of.partition == at).unwrap().committed;
    assert_eq!((witnessed(0), witnessed(2)), (Some(4), Some(9_000)));
    let metadata: Vec<_> = broker.witness().commits(&group).into_iter().map(|commit| commit.metadata).collect();
    assert_eq!(metadata, ["rd1:x:4:m7 ü", ""]);

    topic.commit(&group, (1, 3), "not \"ours\"");
    broker.witness().reset_offsets(&group, topic.name(), ResetTo::Earliest);
    topic.commit(&group, (1, 2), "another tool's");
    let committed = groups.committed(&group).unwrap();
    let told: Vec<_> = committed.iter().map(|of| (of.at.partition, of.next.get(), of.metadata.as_str())).collect();
    assert_eq!(told, [(0, 0, ""), (1, 2, "another tool's"), (2, 0, "")]);

    let gone = groups.forget(&group, &[at(&topic, 0), at(&topic, 2)]).unwrap();
    assert_eq!(gone, [(at(&topic, 0), Ok(())), (at(&topic, 2), Ok(()))]);
    assert_eq!(groups.committed(&group).unwrap().iter().map(|of| of.at.partition).collect::<Vec<_>>(), [1]);
    assert_eq!(broker.witness().group_offsets(&group).len(), 1);
    assert_eq!(groups.forget(&group, &[at(&topic, 0)]).unwrap(), [(at(&topic, 0), Ok(()))], "nothing is there to be taken away");
}

#[test]
fn one_partition_that_fails_is_named_and_the_others_are_changed() {
    let (broker, group) = (Broker::shared(), unique("partly"));
    let (topic, groups) = (broker.topic("partly", 1), groups(broker));
    let wanted = [offset(at(&topic, 5), 1, ""), offset(at(&topic, 0), 1, "")];
    let changed = groups.alter(&group, &wanted).unwrap();
    assert_eq!(changed, [(at(&topic, 5), Err("there is no such partition".to_owned())), (at(&topic, 0), Ok(()))]);
    assert_eq!(groups.committed(&group).unwrap().len(), 1);
}

#[test]
fn a_group_is_described_with_its_members_and_refuses_while_it_has_any() {
    for protocol in ["classic", "consumer"] {
        let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("described"));
        let (topic, groups) = (broker.topic("described", 2), groups(broker));
        let dead = groups.describe(&group).unwrap();
        assert_eq!((dead.state.as_str(), dead.members.len()), ("Dead", 0));
        let arguments = ["--from", "earliest", "--receiver", "all=discard:", "-X", "group.instance.id=pod-1"];
        let mut consumer = folder.consume(&topic, &group, arguments).args(["-X", &format!("group.protocol={protocol}")]).spawn();
        consumer.line("2 partitions assigned", SOON);
        let view = wait::until("it is stable", SOON, || Some(groups.describe(&group).unwrap()).filter(|of| of.state == "Stable"));
        let expected = if protocol == "classic" { GroupProtocol::Classic } else { GroupProtocol::Consumer };
        assert_eq!(view.protocol, expected);
        let [member] = view.members.as_slice() else { panic!("{view:?}") };
        assert_eq!((member.client_id.as_str(), member.host.as_str()), ("redrive", "127.0.0.1"));
        assert_eq!((member.static_id.as_deref(), &member.assigned), (Some("pod-1"), &vec![at(&topic, 0), at(&topic, 1)]));
        assert_eq!(broker.witness().group_state(&group).unwrap().members, 1);
        let refused = groups.alter(&group, &[offset(at(&topic, 0), 0, "")]).unwrap();
        let why = refused[0].1.as_ref().unwrap_err();
        assert!(why.starts_with("the group has members"), "{why}");
        let refused = groups.forget(&group, &[at(&topic, 0)]).unwrap();
        let why = refused[0].1.as_ref().unwrap_err();
        assert!(why.contains("subscribed"), "{why}");
        consumer.signal(Signal::TERM);
        consumer.wait(SOON).expect_code(0);
        let listed = groups.groups().unwrap();
        let of = listed.iter().find(|of| of.group == group).unwrap();
        assert_eq!(of.protocol, expected, "{of:?}");
        let witnessed = &broker.witness().groups()[&group];
        assert_eq!(witnessed.to_lowercase(), protocol);
    }
}

#[test]
fn a_share_group_is_told_from_one_that_is_dead() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("shared"));
    let (topic, groups) = (broker.topic("shared", 1), groups(broker));
    let script = folder.write("share", &share_consumer());
    let arguments =
        [script.to_str().unwrap(), "--bootstrap-server", &broker.bootstrap(), "--topic", topic.name(), "--group", &group];
    let mut member = folder.program(Path::new("/bin/sh")).args(arguments).spawn();
    member.until("the share group is there", SOON, |_| broker.witness().groups().get(&group).map(|kind| assert_eq!(kind, "Share")));
    for _ in ["with a member", "without"] {
        let view = groups.describe(&group).unwrap();
        assert_eq!(view.protocol, GroupProtocol::Share);
        let listed = groups.groups().unwrap();
        assert_eq!(listed.iter().find(|of| of.group == group).map(|of| &of.protocol), Some(&GroupProtocol::Share));
        let refused = groups.alter(&group, &[offset(at(&topic, 0), 0, "")]).unwrap();
        assert!(refused[0].1.is_err(), "{refused:?}");
        assert_eq!(groups.committed(&group).unwrap(), []);
        member.signal(Signal::TERM);
    }
    member.wait(SOON);
    assert_eq!(groups.describe(&group).unwrap().protocol, GroupProtocol::Share);
}

#[test]
fn the_first_question_after_a_start_waits_for_the_coordinator() {
    let (broker, group) = (Broker::own(), unique("first"));
    let topic = broker.topic("first", 1);
    let first = groups(&broker);
    assert_eq!(first.committed(&group).unwrap(), []);
    assert_eq!(first.alter(&group, &[offset(at(&topic, 0), 0, "kept")]).unwrap(), [(at(&topic, 0), Ok(()))]);
    broker.stop();
    let refused = first.describe(&group).unwrap_err();
    assert_eq!(refused.what, format!("the group {group} cannot be described"));
    broker.start();
    let committed = wait::until("it is back", SOON, || first.committed(&group).ok());
    assert_eq!(committed[0].metadata, "kept");
    assert_eq!(groups(&broker).committed(&group).unwrap(), committed);
}
