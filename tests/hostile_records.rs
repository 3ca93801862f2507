//! Hostile records: each is handled, or a failure with its code, kept byte for byte; the run goes on and commits. And the other places
//! where a type may be.

use crate::support::{Broker, Folder, Sample, unique};

/// A record, and the stage and code that it fails with; `None`: it is delivered.
type Case = (Sample, Option<(&'static str, &'static str)>);

fn event() -> Sample {
    Sample::event("order.placed", "1", "{}")
}

/// An event of which one header is another.
fn with(name: &str, value: Option<&[u8]>) -> Sample {
    let mut sample = event();
    sample.headers.retain(|(of, _)| of != name.as_bytes());
    sample.headers.push((name.into(), value.map(<[u8]>::to_vec)));
    sample
}

fn with_value(value: &[u8]) -> Sample {
    Sample { value: Some(value.to_vec()), ..event() }
}

fn without(name: &str) -> Sample {
    let mut sample = event();
    sample.headers.retain(|(of, _)| of != name.as_bytes());
    sample
}

fn cases() -> Vec<Case> {
    let hundred = (0..100).fold(event(), |sample, n| sample.header(format!("h{n}"), "v"));
    let unnamed = event().header(b"\xff\xfe".as_slice(), b"\xfd".as_slice());
    vec![
        (event(), None),
        (Sample { value: None, ..event() }, None),
        (with_value(b""), None),
        (Sample { key: None, ..event() }, None),
        (event().key(""), None),
        (event().null_header("x"), None),
        (event().header("x", "1").header("x", "2"), None),
        (unnamed.clone(), None),
        (hundred, None),
        (with_value(&[b"\"".as_slice(), &vec![b'x'; 900_000], b"\""].concat()), None),
        (without("ce_source"), None),
        (with("ce_source", Some(b"")), None),
        (with("ce_time", Some(b"2026-11-23 05:00:00+02:00")), None),
        (without("ce_type"), Some(("identify", "missing_type"))),
        (event().header("ce_type", "x"), Some(("identify", "multiple_type"))),
        (with("ce_type", None), Some(("identify", "invalid_type"))),
        (with("ce_type", Some(b"")), Some(("identify", "invalid_type"))),
        (with("ce_type", Some(b"\xff")), Some(("identify", "invalid_type"))),
        (without("ce_id"), Some(("identify", "missing_id"))),
        (event().header("ce_id", "x"), Some(("identify", "multiple_id"))),
        (with("ce_id", None), Some(("identify", "invalid_id"))),
        (with("ce_source", Some(b"\xff")), Some(("identify", "invalid_header"))),
        (with("ce_specversion", Some(b"9")), Some(("identify", "invalid_header"))),
        (event().null_header("ce_subject"), Some(("identify", "invalid_header"))),
        (with("ce_time", Some(b"yesterday")), Some(("identify", "invalid_time"))),
        (event().header("ce_subject", "a").header("ce_subject", "b"), Some(("identify", "multiple_header"))),
        (with_value(b"{\"a\":"), Some(("decode", "invalid_json"))),
        (with_value(b"\xff\x00"), Some(("decode", "invalid_json"))),
        (with_value(&vec![b'['; 100_000]), Some(("decode", "too_large"))),
        (event().header("content-type", "application/x-thing"), Some(("decode", "unsupported_content_type"))),
        // What fails keeps every byte of it.
        (Sample { value: Some(b"\x00\xff".to_vec()), key: Some(b"\xfe".to_vec()), ..unnamed }, Some(("decode", "invalid_json"))),
    ]
}

/// Headers as Kafka has them on the wire: zigzag varints for the count and each length, -1 for null.
pub(crate) fn wire(headers: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    let length = |bytes: &[u8]| i64::try_from(bytes.len()).unwrap();
    let mut out = Vec::new();
    number(&mut out, i64::try_from(headers.len()).unwrap());
    for (name, value) in headers {
        number(&mut out, length(name));
        out.extend(name);
        match value {
            Some(value) => {
                number(&mut out, length(value));
                out.extend(value);
            }
            None => number(&mut out, -1),
        }
    }
    out
}

/// Runs `consume` over the cases to their end, and checks where each went: to the receiver, or into the journal with its code and bytes.
/// Returns the lines that the receiver got.
#[track_caller]
fn consumed(cases: &[Case], arguments: &[&str]) -> Vec<serde_json::Value> {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("hostile"));
    let topic = broker.topic("hostile", 1);
    topic.produce(&cases.iter().map(|(sample, _)| sample.clone()).collect::<Vec<_>>());
    let always = ["--from", "earliest", "--until-end", "--receiver", "all=file:all.jsonl"];
    folder.consume(&topic, &group, always).args(arguments.iter().copied()).run().expect_code(0);

    let journal = folder.journal();
    let failures = journal.failures();
    let lines = folder.lines("all.jsonl");
    let lines: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let delivered: Vec<_> = lines.iter().filter_map(|line| line["record"]["offset"].as_i64()).collect();
    for (offset, (sample, expected)) in (0..).zip(cases) {
        let found = failures.iter().find(|row| row.offset == offset).map(|row| (row.stage.as_str(), row.code.as_str()));
        assert!(found == *expected, "offset {offset} failed with {found:?}, expected {expected:?}: {}", described(sample));
        let times = delivered.iter().filter(|delivered| **delivered == offset).count();
        assert_eq!(times, usize::from(expected.is_none()), "deliveries of offset {offset}: {}", described(sample));
        if expected.is_some() {
            let record = journal.record(topic.name(), 0, offset);
            assert!(record.key == sample.key && record.value == sample.value, "offset {offset} keeps its bytes");
            assert_eq!(record.headers, wire(&sample.headers), "offset {offset}");
        }
    }
    assert_eq!(failures.len() + delivered.len(), cases.len());
    assert_eq!(broker.witness().lag(&group), 0);
    lines
}

/// Values may be megabytes.
fn described(sample: &Sample) -> String {
    let value = sample.value.as_ref().map(|value| value.get(..200).unwrap_or(value).escape_ascii().to_string());
    format!("{:?}", Sample { value: value.map(String::into_bytes), ..sample.clone() })
}

#[test]
fn each_record_is_handled_or_fails_with_its_code_and_keeps_its_bytes() {
    consumed(&cases(), &[]);
}

/// Larger than all that may be in flight together: each goes alone.
#[test]
fn ten_megabytes_are_delivered_or_kept() {
    let large = vec![b'x'; 10_000_000];
    let text = [b"\"".as_slice(), &large, b"\""].concat();
    let cases =
        [(event(), None), (with_value(&text), None), (with_value(&large), Some(("decode", "invalid_json"))), (event(), None)];
    let lines = consumed(&cases, &[]);
    assert_eq!(lines[1]["event"]["data"].as_str().map(str::len), Some(large.len()));
}

#[test]
fn structured_events_are_read_whole_or_not_at_all() {
    let body = |json: &str| Sample::value(json);
    let envelope = |members: &str| body(&format!("{{\"specversion\":\"1.0\",\"source\":\"/s\"{members}}}"));
    let declared = |value: &str| body(value).header("Content-Type", "application/cloudevents+json; charset=utf-8");
    let identified = ",\"type\":\"order.placed\",\"id\":\"1\"";
    let cases = [
        (envelope(&format!("{identified},\"data\":{{\"n\": 1}},\"tenant\":\"a\"")), None),
        (envelope(&format!("{identified},\"data_base64\":\"AP8=\"")), None),
        (envelope(identified), None),
        (envelope(",\"id\":\"1\""), Some(("identify", "missing_type"))),
        (envelope(",\"type\":\"t\""), Some(("identify", "missing_id"))),
        (envelope(",\"type\":7,\"id\":\"1\""), Some(("identify", "invalid_type"))),
        (envelope(",\"type\":\"t\",\"id\":\"\""), Some(("identify", "invalid_id"))),
        (envelope(",\"type\":\"t\",\"id\":\"1\",\"type\":\"u\""), Some(("identify", "multiple_type"))),
        (envelope(&format!("{identified},\"id\":\"2\"")), Some(("identify", "multiple_id"))),
        (envelope(&format!("{identified},\"x\":1,\"x\":1")), Some(("identify", "multiple_header"))),
        (envelope(&format!("{identified},\"time\":\"now\"")), Some(("identify", "invalid_time"))),
        (envelope(&format!("{identified},\"data\":1,\"data_base64\":\"AP8=\"")), Some(("identify", "invalid_json"))),
        (body("{\"specversion\":\"9\",\"type\":\"t\",\"id\":\"1\"}"), Some(("identify", "invalid_header"))),
        (declared("[]"), Some(("identify", "invalid_json"))),
        (declared("{\"specversion\":"), Some(("identify", "invalid_json"))),
        (declared(""), Some(("identify", "invalid_json"))),
    ];
    let lines = consumed(&cases, &[]);
    assert_eq!((&lines[0]["event"]["data"]["n"], &lines[0]["event"]["tenant"]), (&1.into(), &"a".into()));
    assert_eq!(lines[1]["event"]["data_base64"], "AP8=");
    assert_eq!(lines[2]["event"].get("data"), None);
}

#[test]
fn types_in_a_header() {
    let typed = |value: &[u8]| Sample::value("{}").header("kind", value);
    let cases = [
        (typed(b"order.placed"), None),
        // Nobody looks at CloudEvents headers here.
        (typed(b"order.placed").null_header("ce_type").header("ce_id", b"\xff".as_slice()), None),
        (Sample::value("{}"), Some(("identify", "missing_type"))),
        (typed(b"a").header("kind", "b"), Some(("identify", "multiple_type"))),
        (Sample::value("{}").null_header("kind"), Some(("identify", "invalid_type"))),
        (typed(b""), Some(("identify", "invalid_type"))),
        (typed(b"\xff"), Some(("identify", "invalid_type"))),
    ];
    let lines = consumed(&cases, &["--event-type-from", "header:kind"]);
    assert_eq!(lines[0]["event"]["type"], "order.placed");
}

#[test]
fn types_in_a_field() {
    let cases = [
        (Sample::value("{\"meta\":[{\"a/b\":\"order.placed\"}]}"), None),
        (Sample::value("{\"meta\":[]}"), Some(("identify", "missing_type"))),
        (Sample::default(), Some(("identify", "missing_type"))),
        (Sample::value("{\"meta\":[{\"a/b\":1}]}"), Some(("identify", "invalid_type"))),
        (Sample::value("{\"meta\":[{\"a/b\":\"\"}]}"), Some(("identify", "invalid_type"))),
        (Sample::value(""), Some(("identify", "invalid_json"))),
        (Sample::value("{\"meta\":["), Some(("identify", "invalid_json"))),
    ];
    let lines = consumed(&cases, &["--event-type-from", "field:/meta/0/a~1b"]);
    assert_eq!(lines[0]["event"]["type"], "order.placed");
}

#[test]
fn the_topic_as_the_type_and_what_is_made_up_said() {
    let bytes = Sample::value(b"\x00\xff");
    let cases = [(Sample::value("[1,\n2]"), None), (bytes.clone(), Some(("decode", "invalid_json"))), (Sample::default(), None)];
    let lines = consumed(&cases, &["--event-type-from", "topic"]);
    let (record, event) = (&lines[0]["record"], &lines[0]["event"]);
    let topic = record["topic"].as_str().unwrap();
    assert_eq!(event["type"], topic);
    assert_eq!(event["id"], format!("{topic}/0/0"));
    assert_eq!(event["source"], format!("kafka:{}/{topic}", record["cluster_id"].as_str().unwrap()));
    assert_eq!(event["time"], record["timestamp"]);
    assert_eq!(event["data"], serde_json::json!([1, 2]));
    let made_up: std::collections::BTreeSet<_> =
        lines[0]["synthesized"].as_array().unwrap().iter().flat_map(|name| name.as_str()).collect();
    assert!(made_up.is_superset(&["id", "source", "time"].into()), "{made_up:?}");

    let lines = consumed(&[(bytes, None)], &["--event-type-from", "topic", "--format", "raw"]);
    assert_eq!((&lines[0]["event"]["data_base64"], lines[0]["event"].get("data")), (&"AP8=".into(), None));
    let odd = Sample::value("{}").header("content-type", "application/x-thing");
    consumed(&[(odd, None)], &["--event-type-from", "topic", "--format", "json"]);
}

#[test]
fn types_that_nobody_takes_are_journaled_or_skipped_and_said() {
    let (broker, folder) = (Broker::shared(), Folder::new());
    let topic = broker.topic("nobody", 1);
    let types = ["taken", "new", "new", "other", "taken", "new"];
    topic.produce(&types.map(|of| Sample::event(of, "1", "{}")));
    folder.write("redrive.toml", "[[receiver]]\nname = \"all\"\ntarget = \"file:all.jsonl\"\ntypes = [\"taken\"]\n");
    let consume = |group: &str, what: &str| {
        let arguments = ["--from", "earliest", "--until-end", "--unrecognized", what];
        folder.consume(&topic, group, arguments).run().expect_code(0);
        assert_eq!(broker.witness().lag(group), 0);
    };
    consume(&unique("nobody"), "skip");
    let journal = folder.journal();
    assert_eq!(journal.failures(), []);
    let incidents = journal.incidents();
    let of: Vec<_> = incidents.iter().map(|row| (row.kind.as_str(), row.count, row.is_open)).collect();
    assert_eq!(of, [("new_type", 3, true), ("new_type", 1, true)], "one for each type, which counts: {incidents:?}");
    assert!(incidents[0].message.contains("type new:") && incidents[1].message.contains("type other:"), "{incidents:?}");
    let [progress] = &journal.progress()[..] else { panic!("one range: {:?}", journal.progress()) };
    assert_eq!((progress.delivered, progress.skipped, progress.failed), (2, 4, 0));

    consume(&unique("nobody"), "journal");
    let failures = folder.journal().failures();
    let of: Vec<_> = failures.iter().map(|row| (row.offset, row.stage.as_str(), row.code.as_str())).collect();
    assert_eq!(of, [1, 2, 3, 5].map(|offset| (offset, "route", "unrecognized_type")));
}
