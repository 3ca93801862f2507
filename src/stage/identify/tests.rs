//! Every code of the stage, and what is made up when a record carries no more than it must.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::record::samples::{partition_of, record_with};

type Headers<'a> = &'a [(&'a str, Option<&'a [u8]>)];

const FULL: Headers<'_> = &[
    ("ce_type", Some(b"order.placed")),
    ("ce_id", Some(b"0f5c")),
    ("ce_source", Some(b"/shop/web")),
    ("ce_time", Some(b"2026-11-23T14:05:01+02:00")),
    ("ce_specversion", Some(b"1.0")),
    ("ce_subject", Some(b"A-1")),
    ("\u{e9}t\u{e9}", None),
];

fn record(headers: Headers<'_>, value: Option<&[u8]>) -> Record {
    record_with(&partition_of("orders"), headers, value)
}

fn code(record: &Record, how: &TypeFrom) -> String {
    match identify(record, how) {
        Ok(event) => format!("ok {} {}", event.event_type(), event.id()),
        Err(refused) => refused.refusal.code.as_str().to_owned(),
    }
}

/// `FULL` with one header replaced, or added when it is not there.
fn with<'a>(name: &'a str, values: &[Option<&'a [u8]>]) -> Vec<(&'a str, Option<&'a [u8]>)> {
    let mut headers: Vec<_> = FULL.iter().copied().filter(|header| header.0 != name).collect();
    headers.extend(values.iter().map(|value| (name, *value)));
    headers
}

#[test]
fn attributes_of_a_whole_event() {
    let event = identify(&record(FULL, Some(b"{}")), &TypeFrom::CloudEvents).unwrap();
    assert_eq!(
        event.facts(),
        EventFacts {
            id: Some("0f5c".into()),
            source: Some("/shop/web".into()),
            event_type: Some("order.placed".into()),
            time: Some("2026-11-23T14:05:01+02:00".into()),
        }
    );
    assert_eq!(event.synthesized().count(), 0);
    assert_eq!(event.extensions(), [("subject".into(), json!("A-1"))]);
}

#[test]
fn codes_of_headers() {
    type Row<'a> = (&'a str, &'a [Option<&'a [u8]>], &'a str);
    let rows: &[Row<'_>] = &[
        ("ce_type", &[], "missing_type"),
        ("ce_type", &[Some(b"a"), Some(b"a")], "multiple_type"),
        ("ce_type", &[None], "invalid_type"),
        ("ce_type", &[Some(b"")], "invalid_type"),
        ("ce_type", &[Some(b"\xff")], "invalid_type"),
        ("ce_id", &[], "missing_id"),
        ("ce_id", &[Some(b"a"), None], "multiple_id"),
        ("ce_id", &[None], "invalid_id"),
        ("ce_id", &[Some(b"")], "invalid_id"),
        ("ce_source", &[], "ok order.placed 0f5c"),
        ("ce_source", &[Some(b"")], "ok order.placed 0f5c"),
        ("ce_source", &[None], "invalid_header"),
        ("ce_source", &[Some(b"\xc3\x28")], "invalid_header"),
        ("ce_source", &[Some(b"a"), Some(b"b")], "multiple_header"),
        ("ce_time", &[Some(b"yesterday")], "invalid_time"),
        ("ce_time", &[Some(b"")], "invalid_time"),
        ("ce_time", &[Some(b"2026-11-23 14:05:01Z")], "ok order.placed 0f5c"),
        ("ce_specversion", &[Some(b"0.3")], "ok order.placed 0f5c"),
        ("ce_specversion", &[Some(b"2.0")], "invalid_header"),
        ("ce_specversion", &[], "ok order.placed 0f5c"),
        ("ce_subject", &[Some(b"a"), Some(b"a")], "multiple_header"),
        ("ce_subject", &[None], "invalid_header"),
        ("ce_subject", &[Some(b"\xff")], "invalid_header"),
        ("other", &[None, Some(b"\xff"), Some(b"")], "ok order.placed 0f5c"),
    ];
    for (name, values, expected) in rows {
        assert_eq!(code(&record(&with(name, values), Some(b"x")), &TypeFrom::CloudEvents), *expected, "{name} {values:?}");
    }
    assert_eq!(code(&record(&[], Some(b"{\"a\":1}")), &TypeFrom::CloudEvents), "missing_type");
    assert_eq!(code(&record(&[], None), &TypeFrom::CloudEvents), "missing_type");
}

#[test]
fn what_was_found_before_a_refusal_is_kept() {
    let refused = identify(&record(&with("ce_id", &[]), None), &TypeFrom::CloudEvents).unwrap_err();
    assert_eq!(refused.facts.event_type.as_deref(), Some("order.placed"));
    assert_eq!(refused.refusal.message, "header ce_id is missing");
}

#[test]
fn structured_events() {
    let body =
        br#"{"specversion":"1.0","type":"order.placed","id":"7","time":"2026-11-23T05:00:00Z","subject":"s","data":{"a":1}}"#;
    let event = identify(&record(&[], Some(body)), &TypeFrom::CloudEvents).unwrap();
    assert_eq!((event.event_type(), event.id(), event.data()), ("order.placed".into(), "7".into(), Some(&br#"{"a":1}"#[..])));
    assert_eq!(event.source(), "kafka:cluster/orders");
    assert_eq!(event.synthesized().collect::<Vec<_>>(), ["source"]);
    assert_eq!(event.extensions(), [("subject".into(), json!("s"))]);

    let base64 = br#"{"specversion":"1.0","type":"t","id":"7","data_base64":"AAEC"}"#;
    let event = identify(&record(&[], Some(base64)), &TypeFrom::CloudEvents).unwrap();
    assert_eq!((event.data(), event.content()), (Some(&[0, 1, 2][..]), Content::Bytes));

    let structured: Headers<'_> = &[("content-type", Some(b"application/cloudevents+json; charset=utf-8"))];
    let rows: &[(&[u8], &str)] = &[
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (br#"{"specversion":"1.0","id":"7"}"#, "missing_type"),
        (br#"{"specversion":"1.0","type":null,"id":"7"}"#, "invalid_type"),
        (br#"{"specversion":"1.0","type":"t"}"#, "missing_id"),
        (br#"{"specversion":"1.0","type":"t","id":""}"#, "invalid_id"),
        (br#"{"specversion":"1.0","type":"t","type":"u","id":"1"}"#, "multiple_type"),
        (br#"{"specversion":"1.0","type":"t","id":"1","id":"1"}"#, "multiple_id"),
        (br#"{"specversion":"1.0","type":"t","id":"1","x":1,"x":2}"#, "multiple_header"),
        (br#"{"specversion":"1.0","type":"t","id":"1","time":"now"}"#, "invalid_time"),
        (br#"{"specversion":"1.0","type":"t","id":"1","source":5}"#, "invalid_header"),
        (br#"{"specversion":"9","type":"t","id":"1"}"#, "invalid_header"),
        (br#"{"type":"t","id":"1"}"#, "invalid_header"),
        (br#"{"specversion":"1.0","type":"t","id":"1","data":1,"data_base64":""}"#, "invalid_json"),
        (br#"{"specversion":"1.0","type":"t","id":"1","data_base64":"?"}"#, "invalid_json"),
    ];
    for (body, expected) in rows {
        assert_eq!(code(&record(structured, Some(body)), &TypeFrom::CloudEvents), *expected, "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(code(&record(structured, None), &TypeFrom::CloudEvents), "missing_type");
}

#[test]
fn a_header_of_the_users_choice() {
    let how = TypeFrom::parse("header:kind").unwrap();
    assert_eq!(code(&record(&[("kind", Some(b"paid")), ("ce_type", None)], None), &how), "ok paid orders/0/0");
    assert_eq!(code(&record(&[], None), &how), "missing_type");
    assert_eq!(code(&record(&[("kind", None)], None), &how), "invalid_type");
    assert_eq!(code(&record(&[("kind", Some(b"a")), ("kind", Some(b"a"))], None), &how), "multiple_type");
}

#[test]
fn a_field_of_the_value() {
    let how = TypeFrom::parse("field:/meta/a~1b/1/kind").unwrap();
    let of = |value: &str| code(&record(&[], Some(value.as_bytes())), &how);
    assert_eq!(of(r#"{"meta":{"a/b":[0,{"kind":"paid","x":[{}]}]},"z":1}"#), "ok paid orders/0/0");
    assert_eq!(of(r#"{"meta":{"a/b":[0]}}"#), "missing_type");
    assert_eq!(of(r#"{"meta":5}"#), "missing_type");
    assert_eq!(of(r#"{"meta":{"a/b":[0,{"kind":5}]}}"#), "invalid_type");
    assert_eq!(of(r#"{"meta":{"a/b":[0,{"kind":{}}]}}"#), "invalid_type");
    assert_eq!(of(r#"{"meta":{"a/b":[0,{"kind":""}]}}"#), "invalid_type");
    assert_eq!(of("{"), "invalid_json");
    assert_eq!(of(""), "invalid_json");
    assert_eq!(code(&record(&[], None), &how), "missing_type");
}

#[test]
fn the_topic_is_the_type() {
    let event = identify(&record(&[], None), &TypeFrom::Topic).unwrap();
    assert_eq!(event.event_type(), "orders");
    assert_eq!(event.synthesized().collect::<Vec<_>>(), ["id", "source", "type", "time"]);
    assert_eq!(event.data(), None);
}

#[test]
fn places_of_the_type() {
    for text in ["cloudevents", "topic", "header:x", "field:/a/b"] {
        assert_eq!(TypeFrom::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "header:", "field:a", "field:", "Topic", "cloudevents:x"] {
        assert!(TypeFrom::parse(text).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_record_panics(name in "ce_(type|id|time|source|x)|content-type|[a-z]", values in prop::collection::vec(any::<Option<Vec<u8>>>(), 0..3),
                        body in any::<Option<Vec<u8>>>()) {
        let mut headers = FULL.to_vec();
        headers.extend(values.iter().map(|value| (name.as_str(), value.as_deref())));
        let record = record(&headers, body.as_deref());
        for how in [TypeFrom::CloudEvents, TypeFrom::Topic, TypeFrom::Header(name.clone()), TypeFrom::Field("/a".into())] {
            if let Ok(event) = identify(&record, &how) {
                prop_assert!(!event.event_type().is_empty() && !event.id().is_empty());
            }
        }
    }
}
