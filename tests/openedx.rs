//! Real events of Open edX, through a real Kafka and a real registry: each is decoded as the oracle says, live and from the journal with
//! the registry gone; and of each malformed one it is written down what becomes of it.
//!
//! The records and the oracle are in `fixtures/openedx`; the README there says where they come from.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::hostile_records::wire;
use crate::replays::{item, taken};
use crate::support::{Broker, Folder, Registry, Sample, Topic, unique};

const SOON: Duration = Duration::from_secs(60);
/// Where nobody listens.
const NOBODY: &str = "127.0.0.1:1";
/// How long a schema that a registry does not have is asked for again.
const ASKED_FOR: Duration = Duration::from_secs(10);

/// The lines of one of the fixtures.
pub(crate) fn fixture(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openedx").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A record of the fixtures, byte for byte.
pub(crate) fn sample(record: &Value) -> Sample {
    let header = |header: &Value| {
        let name = header[0].as_str().map_or_else(|| bytes(&header[0]["base64"]).unwrap(), |name| name.as_bytes().to_vec());
        (name, bytes(&header[1]))
    };
    Sample {
        partition: record["partition"].as_i64().map_or(0, |partition| partition.try_into().unwrap()),
        key: bytes(&record["key"]),
        value: record.get("value_fill").map_or_else(|| bytes(&record["value"]), |fill| Some(filled(fill))),
        headers: record["headers"].as_array().unwrap().iter().map(header).collect(),
    }
}

fn bytes(base64: &Value) -> Option<Vec<u8>> {
    Some(STANDARD.decode(base64.as_str()?).unwrap())
}

/// A large value: a byte many times, and what is around it.
fn filled(fill: &Value) -> Vec<u8> {
    let middle =
        vec![u8::try_from(fill["byte"].as_u64().unwrap()).unwrap(); usize::try_from(fill["count"].as_u64().unwrap()).unwrap()];
    let ends = [&fill["prefix"], &fill["suffix"]].map(|end| bytes(end).unwrap());
    [ends[0].as_slice(), &middle, &ends[1]].concat()
}

/// The oracle's words for numbers that JSON does not have, in ours.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => match members.get("$double") {
            Some(double) => double.clone(),
            None => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<serde_json::Map<_, _>>().into(),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Every event in a topic of its own, as Open edX names them: an environment before each name.
struct Bus<'b> {
    environment: String,
    topics: BTreeMap<String, Topic<'b>>,
    /// What is expected of each record, by topic, partition and offset.
    oracle: HashMap<(String, i64, i64), Value>,
}

impl<'b> Bus<'b> {
    fn fill(broker: &'b Broker) -> Self {
        let (environment, events) = (unique("openedx"), fixture("events.jsonl"));
        let named = |event: &Value| format!("{environment}-{}", event["topic"].as_str().unwrap().strip_prefix("dev-").unwrap());
        let mut samples = BTreeMap::<String, Vec<Sample>>::new();
        let mut oracle = HashMap::new();
        let mut ends = HashMap::<_, i64>::new();
        for (event, decoded) in events.iter().zip(fixture("decoded.jsonl")) {
            assert_eq!([&event["topic"], &event["offset"]], [&decoded["topic"], &decoded["offset"]], "one order");
            let (topic, partition) = (named(event), event["partition"].as_i64().unwrap());
            let end = ends.entry((topic.clone(), partition)).or_default();
            oracle.insert((topic.clone(), partition, *end), decoded);
            *end += 1;
            samples.entry(topic).or_default().push(sample(event));
        }
        let filled = samples.into_iter().map(|(name, samples)| {
            let partitions = samples.iter().map(|sample| sample.partition + 1).max().unwrap();
            let topic = broker.topic_named(&name, partitions);
            topic.produce(&samples);
            (name, topic)
        });
        let topics = filled.collect();
        Self { environment, topics, oracle }
    }

    /// The names without the environment, each after `-t`.
    fn arguments(&self) -> Vec<&str> {
        let short = |name: &'_ String| name.len() - name.trim_start_matches(&self.environment).len() + 1;
        self.topics.keys().flat_map(|name| ["-t", &name[short(name)..]]).collect()
    }

    /// Checks that these deliveries are all events, each once and as the oracle says.
    #[track_caller]
    fn compare(&self, deliveries: &[Value]) {
        assert_eq!(deliveries.len(), self.oracle.len());
        let mut left = self.oracle.clone();
        for delivery in deliveries {
            let (record, event) = (&delivery["record"], &delivery["event"]);
            let numbers = [&record["partition"], &record["offset"]].map(|number| number.as_i64().unwrap());
            let place = (record["topic"].as_str().unwrap().to_owned(), numbers[0], numbers[1]);
            let decoded = left.remove(&place).unwrap_or_else(|| panic!("delivered twice: {place:?}"));
            assert_eq!(event["data"], plain(&decoded["value"]), "{place:?}");
            assert_eq!(record["key"]["json"], plain(&decoded["key"]), "{place:?}");
            assert_eq!(event["type"], decoded["ce_type"], "{place:?}");
            assert_eq!(event["datacontenttype"], "application/json", "{place:?}");
        }
    }
}

#[test]
fn every_event_is_decoded_as_the_oracle_says_also_when_the_registry_is_gone() {
    let (broker, registry, folder, group) = (Broker::shared(), Registry::own(), Folder::new(), unique("openedx"));
    let bus = Bus::fill(broker);
    let url = registry.url();
    let always = ["consume", "-b", &broker.bootstrap(), "-g", &group, "--topic-prefix", &bus.environment, "--from", "earliest"];
    let receivers = ["--receiver", "all=file:all.jsonl", "--receiver", "broken=run:false", "--schema-registry", &url];
    folder.redrive(always).args(bus.arguments()).args(receivers).args(["--until-end"]).within(SOON).run().expect_code(0);
    let live = taken(&folder, "all.jsonl");
    bus.compare(&live);
    let failures = folder.journal().failures();
    assert_eq!(failures.len(), live.len());
    assert!(failures.iter().all(|row| (row.stage.as_str(), row.receiver.as_deref()) == ("receive", Some("broken"))));

    // The types of Open edX are its topics: one of each is looked at.
    registry.stop();
    let mut shown = BTreeMap::new();
    let ids = folder.journal().lines("SELECT min(id) FROM failures GROUP BY event_type");
    for id in &ids {
        let output = folder.redrive(["errors", "show", id, "-o", "json"]).run().expect_code(0);
        let item = item(&output);
        let [partition, offset] = [&item["partition"], &item["offset"]].map(|number| number.as_i64().unwrap());
        let decoded = &bus.oracle[&(item["topic"].as_str().unwrap().to_owned(), partition, offset)];
        for (of, id) in [("key", "key_schema_id"), ("value", "value_schema_id")] {
            assert_eq!(item["decoded"][of]["json"], plain(&decoded[of]), "{of} of {item}");
            assert_eq!(item["decoded"][of]["schema_id"], decoded[id].to_string());
        }
        shown.insert(item["event"]["type"].as_str().unwrap().to_owned(), item);
    }
    assert!(shown.len() == ids.len() && shown.len() > 20, "{}", shown.len());
    let enrolled = shown["org.openedx.learning.course.enrollment.created.v1"]["id"].to_string();
    let text = folder.redrive(["errors", "show", &enrolled]).run().expect_code(0).stdout;
    assert!(text.contains("course_key"), "{text}");

    // With a registry that does not answer, and without any.
    for (name, state, more) in [("away.jsonl", "open", vec!["--schema-registry", &url]), ("without.jsonl", "resolved", Vec::new())]
    {
        let to = format!("broken=file:{name}");
        let replay = ["replay", "-b", NOBODY, "--include-uncommitted", "--source", "journal", "--state", state, "--to", "broken"];
        let replay = folder.redrive(replay).args(["-g", &group, "--yes", "-o", "json", "--receiver", &to]).args(more);
        let output = replay.within(SOON).run().expect_code(0);
        assert_eq!(item(&output)["delivered"], live.len(), "{}", output.stderr);
        bus.compare(&taken(&folder, name));
    }
    // Whoever starts meanwhile has what the journal keeps: under any address of the registry, and when none is set.
    for (name, more) in [("other.jsonl", vec!["--schema-registry", &format!("http://{NOBODY},{url}")]), ("none.jsonl", Vec::new())]
    {
        let (group, to) = (unique("openedx"), format!("all=file:{name}"));
        let always = ["consume", "-b", &broker.bootstrap(), "-g", &group, "--topic-prefix", &bus.environment, "--from", "earliest"];
        let consume = folder.redrive(always).args(bus.arguments()).args(["--until-end", "--receiver", &to]).args(more);
        consume.within(SOON).run().expect_code(0);
        bus.compare(&taken(&folder, name));
    }
    assert_eq!(folder.journal().incidents(), []);
}

/// What becomes of a malformed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    /// Stage and code.
    Fails(&'static str, &'static str),
}

/// A case of `bad.jsonl`, what becomes of it, and why that is not what Open edX's own consumer makes of it; empty where it is the same: what
/// it hands to its receivers is delivered, and what it logs, skips and commits fails.
struct Case(&'static str, Fate, &'static str);

use Fate::{Delivered, Fails};

const CASES: [Case; 57] = [
    Case("control", Delivered, ""),
    Case("ce_type_twice_same", Fails("identify", "multiple_type"), ""),
    Case("ce_type_unknown", Fails("route", "unrecognized_type"), ""),
    Case("ce_type_null", Fails("identify", "invalid_type"), ""),
    Case("ce_type_trailing_space", Fails("route", "unrecognized_type"), ""),
    Case("ce_type_v2", Fails("route", "unrecognized_type"), ""),
    Case("ce_id_missing", Fails("identify", "missing_id"), ""),
    Case("ce_id_empty", Fails("identify", "invalid_id"), ""),
    Case("ce_id_twice", Fails("identify", "multiple_id"), ""),
    Case("ce_id_braces", Delivered, ""),
    Case("ce_id_no_hyphens", Delivered, ""),
    Case("ce_time_plus_02_00", Delivered, "CloudEvents' times are RFC 3339, which has other zones than UTC"),
    Case("ce_time_minus_00_00", Delivered, ""),
    Case("ce_time_basic_format", Fails("identify", "invalid_time"), "RFC 3339 has no form without hyphens and colons"),
    Case("ce_time_space_separator", Delivered, ""),
    Case("ce_time_milliseconds", Delivered, ""),
    Case("ce_time_garbage", Fails("identify", "invalid_time"), ""),
    Case("ce_time_week_date", Fails("identify", "invalid_time"), "RFC 3339 has no weeks"),
    Case("ce_time_twice", Fails("identify", "multiple_header"), ""),
    Case("ce_minorversion_negative", Delivered, ""),
    Case("ce_minorversion_underscore", Delivered, ""),
    Case("ce_minorversion_huge", Delivered, ""),
    Case("sourcelib_not_int", Delivered, "only CloudEvents' headers say what an event is: any other is its receivers' to read"),
    Case("sourcelib_empty", Delivered, "as sourcelib_not_int"),
    Case("optional_headers_missing", Delivered, ""),
    Case("ce_source_null", Fails("identify", "invalid_header"), ""),
    Case("sourcehost_empty", Delivered, ""),
    Case("content_type_json", Delivered, ""),
    Case("unknown_header_null", Delivered, ""),
    Case("unknown_header_binary", Delivered, ""),
    Case("header_name_unicode", Delivered, ""),
    Case("header_value_ansi", Delivered, ""),
    Case("tombstone", Delivered, "an event without data; its consumer dies of it, for ever, at the same offset"),
    Case("value_1_bytes", Fails("decode", "bad_frame"), ""),
    Case("value_5_bytes", Fails("decode", "schema_mismatch"), ""),
    Case("magic_1_guid", Fails("decode", "unknown_schema"), ""),
    Case("no_frame_avro", Fails("decode", "bad_frame"), ""),
    Case("json_value_framed", Fails("decode", "schema_mismatch"), ""),
    Case("gzip_value", Fails("decode", "bad_frame"), ""),
    Case("schema_id_zero", Fails("decode", "unknown_schema"), ""),
    Case("schema_id_of_key", Fails("decode", "schema_mismatch"), ""),
    Case(
        "value_of_other_type",
        Delivered,
        "the schema that wrote it is the one that reads it: its type makes no promise of another",
    ),
    Case("schema_namespace_with_hyphen", Fails("decode", "unknown_schema"), ""),
    Case("body_truncated_half", Fails("decode", "schema_mismatch"), ""),
    Case("body_trailing_garbage", Fails("decode", "trailing_bytes"), "bytes that no schema explains are a fault of the producer"),
    Case("body_string_not_utf8", Fails("decode", "schema_mismatch"), ""),
    Case("body_string_length_2_40", Fails("decode", "schema_mismatch"), ""),
    Case("body_union_index_2", Fails("decode", "schema_mismatch"), ""),
    Case("body_varint_11_bytes", Fails("decode", "schema_mismatch"), ""),
    Case("body_course_key_invalid", Delivered, "it fits its schema: what a text means is its receivers' to say"),
    Case("body_datetime_invalid", Delivered, "as body_course_key_invalid"),
    Case("body_datetime_z", Delivered, ""),
    Case("value_2_mb", Delivered, ""),
    Case("key_empty", Delivered, ""),
    Case("key_truncated", Delivered, ""),
    Case("control_again", Delivered, ""),
    Case("control_last", Delivered, ""),
];

#[test]
fn every_malformed_record_is_delivered_or_fails_with_its_code_and_keeps_its_bytes() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("malformed"));
    let topic = broker.topic("malformed", 1);
    let bad = fixture("bad.jsonl");
    let samples: Vec<_> = bad.iter().map(sample).collect();
    topic.produce(&samples);
    // Routes are exact, as those of Open edX: a consumer knows its types.
    folder.write(
        "redrive.toml",
        "[[receiver]]\nname = \"all\"\ntarget = \"file:all.jsonl\"\ntypes = [\"org.openedx.learning.course.enrollment.created.v1\", \
        \"org.openedx.enterprise.subsidy.redemption-reversed.v1\", \"org.openedx.analytics.tracking.event.emitted.v1\"]\n",
    );
    let arguments = ["--from", "earliest", "--until-end", "--no-startup-guard", "--schema-registry", &Registry::shared().url()];
    let began = Instant::now();
    folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert!(began.elapsed() >= ASKED_FOR, "a schema that is not there is asked for again");

    let journal = folder.journal();
    let failures = journal.failures();
    let lines: BTreeMap<_, _> =
        taken(&folder, "all.jsonl").into_iter().map(|line| (line["record"]["offset"].as_u64().unwrap(), line)).collect();
    for (offset, (case, (Case(name, fate, why), sample))) in (0..).zip(bad.iter().zip(CASES.iter().zip(&samples))) {
        assert_eq!(case["case"], *name, "the table has every case, in order");
        let failure = failures.iter().find(|row| u64::try_from(row.offset) == Ok(offset));
        let line = lines.get(&offset);
        match fate {
            Delivered => assert!(failure.is_none() && line.is_some(), "{name}: {failure:?}"),
            Fails(stage, code) => {
                let found = failure.map(|row| (row.stage.as_str(), row.code.as_str()));
                assert_eq!((found, line), (Some((*stage, *code)), None), "{name}: {failure:?}");
                let record = journal.record(topic.name(), 0, offset.cast_signed());
                assert!(record.key == sample.key && record.value == sample.value, "{name} keeps its bytes");
                assert_eq!(record.headers, wire(&sample.headers), "{name}");
            }
        }
        let theirs = case["reference"]["outcome"].as_str().unwrap();
        let is_same = theirs == if *fate == Delivered { "receiver called, committed" } else { "skipped, committed" };
        assert_eq!(why.is_empty(), is_same, "{name}: theirs is {theirs:?}");
    }
    assert_eq!(failures.len() + lines.len(), CASES.len());
    assert_eq!(broker.witness().lag(&group), 0);

    let of = |name: &str| &lines[&(CASES.iter().position(|case| case.0 == name).unwrap() as u64)];
    let control = of("control");
    assert_eq!(control["event"]["data"]["enrollment"]["user"]["pii"]["username"], "learner_328");
    assert_eq!(control["record"]["key"]["json"], "course-v1:MITx+6.00.1x+2026_T1");
    for name in ["optional_headers_missing", "content_type_json", "key_empty", "key_truncated", "control_last"] {
        assert_eq!(of(name)["event"]["data"], control["event"]["data"], "{name}");
    }
    assert_eq!(of("optional_headers_missing")["synthesized"], json!(["source", "time"]));
    assert_eq!(of("tombstone")["event"].get("data"), None);
    // Nobody needs the key to decode the value.
    assert_eq!(of("key_truncated")["record"]["key"], json!({"size": 8, "text": "\0\0\0\0\u{3}<co"}));
    assert_eq!(of("value_2_mb")["event"]["data"]["tracking_log"]["data"].as_str().map(str::len), Some(2_097_152));
    assert!(of("value_of_other_type")["event"]["data"].get("xblock_info").is_some(), "{}", of("value_of_other_type"));
}
