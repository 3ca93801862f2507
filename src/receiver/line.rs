//! A delivery as one line of JSON: what `exec:`, `run:`, `file:` and `stdout:` hand over. Its event is what `http:` posts in structured mode.
//!
//! Whatever bytes the record has, it is one line and valid JSON.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::codec::bytes::{BytesJson, HeaderJson};
use crate::codec::json;
use crate::event::{Content, Event};
use crate::receiver::{Delivery, Mode};

/// What stays as it is in a part of a delivery id.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Appends the line of a delivery, with its line break.
pub(super) fn write(out: &mut Vec<u8>, delivery: &Delivery, sendid: u64) {
    let Delivery { event, attempt, mode, .. } = delivery;
    let record = event.record();
    let (mode, replay) = match mode {
        Mode::Live => ("live", None),
        Mode::Replay(id) => ("replay", Some(*id)),
    };
    out.push(b'{');
    member(out, "deliveryid", &delivery_id(delivery));
    more(out, "sendid", &sendid);
    more(out, "attempt", attempt);
    more(out, "mode", mode);
    more(out, "replayid", &replay);
    more(out, "late", &record.is_late());
    more(out, "synthesized", &event.synthesized().collect::<Vec<_>>());
    more(out, "record", &RecordView::new(event));
    if let Some(why) = event.undecoded() {
        more(out, "undecoded", why);
    }
    out.extend_from_slice(b",\"event\":");
    cloud_event(out, event);
    out.extend_from_slice(b"}\n");
}

/// The same in every attempt of the delivery, live or replay: `GROUP/TOPIC@UUID/PARTITION/OFFSET/RECEIVER`.
pub(super) fn delivery_id(delivery: &Delivery) -> String {
    let record = delivery.event.record();
    let topic = &record.partition().topic;
    let plain = |text| utf8_percent_encode(text, PLAIN);
    let uuid = topic.uuid.as_deref().and_then(|uuid| URL_SAFE_NO_PAD.decode(uuid).ok());
    let uuid = uuid.and_then(|bytes| Some(bytes.get(..4)?.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    format!(
        "{}/{}@{}/{}/{}/{}",
        plain(&delivery.to.group),
        plain(&topic.name),
        uuid.as_deref().unwrap_or("-"),
        record.partition().number,
        record.offset(),
        plain(&delivery.to.receiver)
    )
}

/// A key; with what it means, when it names a schema.
#[derive(Serialize)]
struct KeyJson<'r> {
    #[serde(flatten)]
    bytes: BytesJson<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<&'r RawValue>,
}

/// The record's own view, in the order in which it is read.
#[derive(Serialize)]
struct RecordView<'r> {
    cluster_id: &'r str,
    topic: &'r str,
    partition: i32,
    offset: i64,
    timestamp: Option<String>,
    timestamp_type: &'static str,
    key: Option<KeyJson<'r>>,
    headers: Vec<HeaderJson<'r>>,
}

impl<'r> RecordView<'r> {
    fn new(event: &'r Event) -> Self {
        let record = event.record();
        let timestamp = record.timestamp();
        let decoded = event.decoded_key().and_then(|json| serde_json::from_slice(json).ok());
        Self {
            cluster_id: &record.partition().topic.cluster_id,
            topic: record.topic(),
            partition: record.partition().number,
            offset: record.offset().get(),
            timestamp: timestamp.rfc_3339(),
            timestamp_type: timestamp.kind.as_str(),
            key: record.key().map(|key| KeyJson { bytes: BytesJson::new(key), json: decoded }),
            headers: record.headers().iter().map(|header| HeaderJson::new(header.name, header.value)).collect(),
        }
    }
}

/// CloudEvents structured mode. JSON data is spliced in as it is.
pub(super) fn cloud_event(out: &mut Vec<u8>, event: &Event) {
    out.push(b'{');
    member(out, "specversion", &event.specversion());
    more(out, "id", &event.id());
    more(out, "source", &event.source());
    more(out, "type", &event.event_type());
    if let Some(time) = event.time() {
        more(out, "time", &time);
    }
    for (name, value) in event.extensions() {
        if !is_attribute(&name) {
            more(out, &name, &value);
        }
    }
    let content_type = event.content_type();
    match event.data() {
        None => {}
        Some(data) if event.content() == Content::Json || (event.content() == Content::Unchecked && json::check(data).is_ok()) => {
            more(out, "datacontenttype", content_type.as_deref().unwrap_or("application/json"));
            out.extend_from_slice(b",\"data\":");
            json::compact_into(out, data);
        }
        Some(data) => {
            if let Some(content_type) = content_type {
                more(out, "datacontenttype", &content_type);
            }
            more(out, "data_base64", &STANDARD.encode(data));
        }
    }
    out.push(b'}');
}

/// The members that every event has, which no extension may write again.
pub(super) fn is_attribute(name: &str) -> bool {
    matches!(name, "data" | "data_base64" | "datacontenttype" | "specversion" | "id" | "source" | "type" | "time")
}

fn member<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    text(out, name);
    out.push(b':');
    text(out, value);
}

fn more<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    out.push(b',');
    member(out, name, value);
}

/// Texts, numbers and trees of them always have a form in JSON, and memory takes every write.
fn text<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::receiver::{Address, Needs};
    use crate::record::samples::{partition_of, record_of, record_with};
    use crate::record::{HeadersBuf, NextOffset, Topic};
    use crate::stage::{Format, TypeFrom, decoded, identify};

    fn line(headers: &[(&str, Option<&[u8]>)], value: Option<&[u8]>) -> (String, Value) {
        let record = record_with(&partition_of("or/ders"), headers, value);
        let how = if headers.is_empty() { TypeFrom::Topic } else { TypeFrom::CloudEvents };
        let event = decoded(identify(&record, &how).unwrap(), Needs::ValidJson, Format::Auto).unwrap();
        let to = Arc::new(Address { group: "shop".into(), receiver: "billing".into() });
        let mut out = Vec::new();
        write(&mut out, &Delivery { event, attempt: 2, mode: Mode::Live, to, noting: None }, 17);
        let text = String::from_utf8(out).unwrap();
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    #[test]
    fn a_whole_line() {
        let headers: &[(&str, Option<&[u8]>)] = &[
            ("ce_type", Some(b"order.placed")),
            ("ce_id", Some(b"7")),
            ("ce_subject", Some(b"A")),
            ("x", Some(b"\xff")),
            ("y", None),
        ];
        let (text, value) = line(headers, Some(b"{\n  \"a\": \"\\n\"\n}"));
        assert_eq!(text.matches('\n').count(), 1, "one line");
        let expected = json!({
            "deliveryid": "shop/or%2Fders@1a2bcfc4/0/0/billing", "sendid": 17, "attempt": 2, "mode": "live", "replayid": null,
            "late": false, "synthesized": ["source", "time"],
            "record": {
                "cluster_id": "cluster", "topic": "or/ders", "partition": 0, "offset": 0,
                "timestamp": "2023-11-14T22:13:20.000Z", "timestamp_type": "create", "key": {"size": 3, "text": "key"},
                "headers": [
                    {"name": "ce_type", "value": {"size": 12, "text": "order.placed"}}, {"name": "ce_id", "value": {"size": 1, "text": "7"}},
                    {"name": "ce_subject", "value": {"size": 1, "text": "A"}}, {"name": "x", "value": {"size": 1, "base64": "/w=="}},
                    {"name": "y", "value": null}],
            },
            "event": {
                "specversion": "1.0", "id": "7", "source": "kafka:cluster/or/ders", "type": "order.placed",
                "time": "2023-11-14T22:13:20.000Z", "subject": "A", "datacontenttype": "application/json", "data": {"a": "\n"},
            },
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn data_that_is_no_json_and_no_data() {
        let octets: &[(&str, Option<&[u8]>)] =
            &[("ce_type", Some(b"t")), ("ce_id", Some(b"7")), ("content-type", Some(b"application/octet-stream"))];
        let event = line(octets, Some(&[0, 255])).1["event"].clone();
        assert_eq!((&event["data_base64"], &event["datacontenttype"]), (&json!("AP8="), &json!("application/octet-stream")));
        let event = line(&[], None).1["event"].clone();
        assert!(event.get("data").is_none() && event.get("data_base64").is_none());
        assert_eq!(line(&[], Some(b"")).1["event"]["data_base64"], json!(""));
    }

    #[test]
    fn a_replay_of_a_record_that_was_delivered_before() {
        let mut partition = Arc::into_inner(partition_of("orders")).unwrap();
        partition.late_below = NextOffset::new(1).unwrap();
        partition.topic = Arc::new(Topic { uuid: None, ..Topic::clone(&partition.topic) });
        let record = record_with(&Arc::new(partition), &[], Some(b"1"));
        let event = identify(&record, &TypeFrom::Topic).unwrap();
        let to = Arc::new(Address { group: "a b".into(), receiver: "billing".into() });
        let mut out = Vec::new();
        write(&mut out, &Delivery { event, attempt: 1, mode: Mode::Replay(5), to, noting: None }, 1);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["deliveryid"], "a%20b/orders@-/0/0/billing");
        assert_eq!((&value["mode"], &value["replayid"], &value["late"]), (&json!("replay"), &json!(5), &json!(true)));
    }

    proptest! {
        #[test]
        fn any_record_is_one_line_that_keeps_its_bytes(
            name in any::<Vec<u8>>(), header in any::<Option<Vec<u8>>>(), value in any::<Option<Vec<u8>>>(),
        ) {
            let mut buf = HeadersBuf::default();
            buf.push(&name, header.as_deref());
            let record = record_of(&partition_of("orders"), buf.finish(), value.as_deref());
            let event = decoded(identify(&record, &TypeFrom::Topic).unwrap(), Needs::ValidJson, Format::Raw).unwrap();
            let to = Arc::new(Address { group: "shop".into(), receiver: "billing".into() });
            let mut out = Vec::new();
            write(&mut out, &Delivery { event, attempt: 1, mode: Mode::Live, to, noting: None }, 1);
            prop_assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1));
            let line: Value = serde_json::from_slice(&out).unwrap();
            let written = &line["record"]["headers"][0];
            let name_read = written["name"].as_str().map(|text| text.as_bytes().to_vec());
            prop_assert_eq!(name_read.or_else(|| STANDARD.decode(written["name_base64"].as_str()?).ok()), Some(name));
            let header_read = written["value"]["text"].as_str().map(|text| text.as_bytes().to_vec());
            prop_assert_eq!(header_read.or_else(|| STANDARD.decode(written["value"]["base64"].as_str()?).ok()), header);
            let data_read = line["event"]["data_base64"].as_str().and_then(|text| STANDARD.decode(text).ok());
            prop_assert_eq!(data_read, value);
        }
    }
}
