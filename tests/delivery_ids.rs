//! Delivery ids, by which receivers drop duplicates: they name the topic as Kafka does, so that one that was made again has others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::{Broker, Folder, Sample, unique};

#[test]
fn topics_are_named_as_kafkas_tools_name_them() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("ids"));
    // The client library writes other letters than Kafka's tools, in about every second id.
    let with_other_letters = || {
        let topic = broker.topic("ids", 1);
        let id = broker.witness().topic_id(topic.name());
        id.contains(['-', '_']).then_some((topic, id))
    };
    let (topic, id) = (0..64).find_map(|_| with_other_letters()).expect("an id with - or _");
    topic.produce(&[Sample::event("order.placed", "1", "{}"), Sample::event("order.placed", "2", "no JSON")]);
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "all=file:all.jsonl"];
    folder.consume(&topic, &group, arguments).run().expect_code(0);

    let hex: String = URL_SAFE_NO_PAD.decode(&id).unwrap()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let delivery: Value = serde_json::from_str(&folder.lines("all.jsonl")[0]).unwrap();
    assert_eq!(delivery["deliveryid"], format!("{group}/{}@{hex}/0/0/all", topic.name()));
    let listed = folder.redrive(["errors", "list", "-o", "jsonl"]).run().expect_code(0);
    let failure: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(failure["topic_id"], id);
}
