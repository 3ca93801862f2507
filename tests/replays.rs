//! What failed is delivered again: to those that do not have it, once, from the journal or from the topic, and to nobody else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Broker, Folder, Output, Sample, Topic, unique};

/// Notes every line that it takes in a file of the receiver's name, and refuses all while there is a file `broken-NAME`.
/// Arguments: the receiver, and seconds per delivery.
const WORKER: &str = r#"
import json, os, sys, time
name, pause = sys.argv[1], float(sys.argv[2])
notes = os.open(name, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
for line in sys.stdin:
    delivery = json.loads(line)
    if pause:
        time.sleep(pause)
    if os.path.exists("broken-" + name):
        answer = {"ok": False, "class": "permanent", "code": "broken", "message": "it is broken"}
    else:
        os.write(notes, line.encode())
        answer = {"ok": True}
    print(json.dumps({"sendid": delivery["sendid"], **answer}), flush=True)
"#;

pub(crate) fn target(folder: &Folder, name: &str) -> String {
    slow_target(folder, name, 0.0)
}

pub(crate) fn slow_target(folder: &Folder, name: &str, pause: f64) -> String {
    folder.write("worker.py", WORKER);
    format!("{name}=exec:python3 worker.py {name} {pause}")
}

/// `redrive replay` with a broker.
#[track_caller]
pub(crate) fn replay(folder: &Folder, topic: &Topic<'_>, arguments: &[&str]) -> Output {
    folder.redrive(["replay", "-b", &topic.bootstrap()]).args(arguments.iter().copied()).run()
}

/// The one item that a command prints as JSON.
#[track_caller]
pub(crate) fn item(output: &Output) -> Value {
    let document: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    document["items"][0].clone()
}

/// The deliveries that a receiver took.
pub(crate) fn taken(folder: &Folder, name: &str) -> Vec<Value> {
    folder.lines(name).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was skipped, by reason.
#[track_caller]
pub(crate) fn skipped(summary: &Value) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for skipped in summary["skipped"].as_array().unwrap() {
        *reasons.entry(skipped["reason"].as_str().unwrap().to_owned()).or_default() += skipped["count"].as_u64().unwrap();
    }
    reasons
}

/// The receiver takes everything from now on.
#[track_caller]
pub(crate) fn mend(folder: &Folder, name: &str) {
    std::fs::remove_file(folder.path().join(format!("broken-{name}"))).unwrap();
}

#[test]
fn only_the_receiver_that_failed_gets_it_once_more_and_the_group_stays_where_it_is() {
    const COUNT: i32 = 1_000;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("replays"));
    let topic = broker.topic("replays", 3);
    let sample = |n: i32| Sample::event("order.placed", &n.to_string(), format!("{{\"n\":{n}}}")).to(n % 3).key(format!("k{n}"));
    topic.produce(&(0..COUNT).map(sample).collect::<Vec<_>>());
    folder.write("broken-billing", "");
    let (billing, audit) = (target(&folder, "billing"), target(&folder, "audit"));
    let receivers = ["--receiver", &billing, "--receiver", &audit];
    let consume = folder.consume(&topic, &group, ["--from", "earliest", "--until-end"]).args(receivers);
    consume.run().expect_code(0);
    let offsets = broker.witness().group_offsets(&group);
    let failures = folder.journal().failures();
    assert_eq!((failures.len(), taken(&folder, "audit").len(), taken(&folder, "billing").len()), (1_000, 1_000, 0));

    // Still broken: the attempts are added, and nothing is lost.
    let output = replay(&folder, &topic, &[&["--all", "-o", "json"][..], &receivers].concat()).expect_code(3);
    assert_eq!((&item(&output)["failed"], &item(&output)["delivered"]), (&1_000.into(), &0.into()));
    assert!(folder.journal().failures().iter().all(|row| row.state == "open" && row.attempts == 2));

    mend(&folder, "billing");
    let output = replay(&folder, &topic, &[&["--all", "-o", "json"][..], &receivers].concat()).expect_code(0);
    let summary = item(&output);
    assert_eq!(
        (&summary["delivered"], &summary["failed"], &summary["not_reached"]),
        (&1_000.into(), &0.into(), &0.into()),
        "{summary}"
    );

    let (billing, audit) = (taken(&folder, "billing"), taken(&folder, "audit"));
    assert_eq!((billing.len(), audit.len()), (1_000, 1_000), "each once, and the other one nothing");
    let mut last = BTreeMap::new();
    for delivery in &billing {
        let record = &delivery["record"];
        let (partition, offset) = (record["partition"].as_i64().unwrap(), record["offset"].as_i64().unwrap());
        assert!(last.insert(partition, offset).is_none_or(|before| before < offset), "in the order of offsets");
        assert_eq!((&delivery["mode"], &delivery["late"]), (&"replay".into(), &true.into()));
        assert_eq!(delivery["replayid"], summary["replay_id"]);
        let live =
            audit.iter().find(|live| live["record"]["partition"] == partition && live["record"]["offset"] == offset).unwrap();
        assert_eq!((&live["mode"], &live["replayid"]), (&"live".into(), &Value::Null));
        assert_eq!((&delivery["record"], &delivery["event"]), (&live["record"], &live["event"]), "what went out live");
        let id = delivery["deliveryid"].as_str().unwrap();
        assert_eq!(id.replace("/billing", "/audit"), live["deliveryid"].as_str().unwrap(), "the id of a delivery stays");
    }
    assert!(folder.journal().failures().iter().all(|row| row.state == "resolved" && row.attempts == 2));
    assert_eq!(folder.journal().claimed(), 0);
    assert_eq!(broker.witness().group_offsets(&group), offsets, "no offset moved");

    let output = replay(&folder, &topic, &[&["--state", "resolved"][..], &receivers].concat()).expect_code(2);
    assert!(output.stderr.contains("1000 of what is selected are delivered already"), "{}", output.stderr);
}
