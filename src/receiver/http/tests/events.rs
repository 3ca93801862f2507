//! Requests: what a server gets of an event, and that no event, whatever its bytes, is anything but one whole request.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NO_CONTENT, at};
use crate::http::doubles::server::{Got, Server};
use crate::receiver::http::request::Form;
use crate::receiver::http::{Encoding, Endpoint, Http};
use crate::receiver::samples::deliver;
use crate::receiver::{Address, Delivery, Mode, Needs, Receiver as _};
use crate::record::samples::{partition_of, record_of, record_with};
use crate::record::{HeadersBuf, Record};
use crate::stage::{Format, TypeFrom, decoded, identify};

type Pairs<'a> = &'a [(&'a str, Option<&'a [u8]>)];

const ORDER: Pairs<'static> = &[
    ("ce_type", Some(b"order.placed")),
    ("ce_id", Some(b"A 1%\"\xc3\xa9")),
    ("ce_source", Some(b"/shop")),
    ("ce_time", Some(b"2026-11-23T05:00:00Z")),
    ("ce_subject", Some(b"x")),
    ("ce_deliveryid", Some(b"forged")),
    ("ce_kafkaoffset", Some(b"forged")),
    ("ce_Id", Some(b"forged")),
    ("ce_no token", Some(b"left out")),
    ("content-type", Some(b"application/json; charset=utf-8")),
    ("traceparent", Some(b"00-4bf9")),
    ("X-Tenant", Some(b"one")),
    ("x-tenant", Some(b"two")),
    ("x-tenant", None),
    ("x-tenant", Some(b"a\r\nhost: else")),
    ("x-tenant", Some(b"\xff")),
    ("authorization", Some(b"mine")),
    ("x-other", Some(b"not passed on")),
];

fn delivery_of(record: &Record, needs: Needs, mode: Mode) -> Delivery {
    let how = if record.headers().named("ce_type").next().is_some() { TypeFrom::CloudEvents } else { TypeFrom::Topic };
    let event = decoded(identify(record, &how).unwrap(), needs, Format::Auto).unwrap();
    Delivery { event, attempt: 2, mode, to: Arc::new(Address { group: "shop".into(), receiver: "billing".into() }), noting: None }
}

async fn posted(encoding: Encoding, record: &Record, mode: Mode) -> Got {
    let server = Server::saying(NO_CONTENT);
    let endpoint = Endpoint { encoding, forward_headers: vec!["X-Tenant".into(), "x-tenant".into()], ..at(&server.url()) };
    let http = Http::open(endpoint).unwrap();
    assert_eq!(deliver(&http, delivery_of(record, http.needs(), mode)).await, Ok(()));
    server.requests().pop().unwrap()
}

fn names(got: &Got) -> Vec<&str> {
    let mut names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn binary_mode() {
    let record = record_with(&partition_of("orders"), ORDER, Some(br#"{"total": 3}"#));
    let got = posted(Encoding::Binary, &record, Mode::Live).await;
    assert_eq!((got.line.as_str(), got.body.as_slice()), ("POST /events HTTP/1.1", &br#"{"total": 3}"#[..]));
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "A%201%25%22%C3%A9"),
        ("ce-source", "/shop"),
        ("ce-type", "order.placed"),
        ("ce-time", "2026-11-23T05:00:00Z"),
        ("ce-subject", "x"),
        ("ce-deliveryid", "shop/orders@1a2bcfc4/0/0/billing"),
        ("ce-deliveryattempt", "2"),
        ("ce-deliverymode", "live"),
        ("ce-deliverylate", "false"),
        ("ce-kafkatopic", "orders"),
        ("ce-kafkapartition", "0"),
        ("ce-kafkaoffset", "0"),
        ("ce-kafkatimestamp", "2023-11-14T22:13:20.000Z"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-length", "12"),
        ("traceparent", "00-4bf9"),
    ] {
        assert_eq!(got.one(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(got.all("x-tenant"), ["one", "two", "\u{fffd}"], "repeats stay; what would split the request is left out");
    let all = [
        "accept",
        "ce-deliveryattempt",
        "ce-deliveryid",
        "ce-deliverylate",
        "ce-deliverymode",
        "ce-id",
        "ce-kafkaoffset",
        "ce-kafkapartition",
        "ce-kafkatimestamp",
        "ce-kafkatopic",
        "ce-source",
        "ce-specversion",
        "ce-subject",
        "ce-time",
        "ce-type",
        "content-length",
        "content-type",
        "host",
        "traceparent",
        "user-agent",
        "x-tenant",
        "x-tenant",
        "x-tenant",
    ];
    assert_eq!(names(&got), all);
}

#[tokio::test]
async fn structured_mode() {
    let record = record_with(&partition_of("orders"), ORDER, Some(b"{\"total\":\n3}"));
    let got = posted(Encoding::Structured, &record, Mode::Replay(7)).await;
    assert_eq!(got.one("content-type").as_deref(), Some("application/cloudevents+json; charset=UTF-8"));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!((&body["id"], &body["type"], &body["data"]), (&json!("A 1%\"é"), &json!("order.placed"), &json!({"total": 3})));
    assert_eq!(got.one("ce-replayid").as_deref(), Some("7"));
    assert_eq!(got.one("ce-deliverymode").as_deref(), Some("replay"));
    assert_eq!(got.one("ce-deliveryid").as_deref(), Some("shop/orders@1a2bcfc4/0/0/billing"));
    assert_eq!(got.all("x-tenant").len(), 3);
    assert_eq!(got.all("ce-id"), [""; 0], "what the body says is not said twice");
}

#[tokio::test]
async fn nothing_and_an_empty_value() {
    let typed: Pairs<'_> = &[("ce_type", Some(b"t")), ("ce_id", Some(b"1")), ("content-type", Some(b"application/json"))];
    let got = posted(Encoding::Binary, &record_with(&partition_of("orders"), typed, None), Mode::Live).await;
    assert_eq!((got.body.len(), got.one("content-length").as_deref(), got.one("content-type")), (0, Some("0"), None));
    let got = posted(Encoding::Binary, &record_with(&partition_of("orders"), typed, Some(b"")), Mode::Live).await;
    assert_eq!(got.body.len(), 0);
    assert_eq!((got.one("content-length").as_deref(), got.one("content-type").as_deref()), (Some("0"), Some("application/json")));
    let got = posted(Encoding::Structured, &record_with(&partition_of("orders"), typed, None), Mode::Live).await;
    assert!(serde_json::from_slice::<Value>(&got.body).unwrap().get("data").is_none());
}

#[tokio::test]
async fn the_content_type_of_a_record_that_says_none() {
    for (value, expected) in [(&br#"{"a":1}"#[..], Some("application/json")), (b"\x00\x01", None)] {
        let record = record_with(&partition_of("orders"), &[], Some(value));
        let got = posted(Encoding::Binary, &record, Mode::Live).await;
        assert_eq!((got.one("content-type").as_deref(), got.body.as_slice()), (expected, value));
    }
}

#[tokio::test]
async fn a_megabyte_is_posted_whole() {
    let value: Vec<u8> = (0..5_000_000u32).map(|at| at.to_le_bytes()[0]).collect();
    let big = "x".repeat(200_000);
    let typed: Pairs<'_> = &[("ce_type", Some(b"t")), ("ce_id", Some(b"1")), ("ce_big", Some(big.as_bytes()))];
    let got = posted(Encoding::Binary, &record_with(&partition_of("orders"), typed, Some(&value)), Mode::Live).await;
    assert!(got.body == value && got.one("ce-big").as_deref() == Some(big.as_str()));
}

#[test]
fn headers_that_are_ours_are_not_passed_on() {
    for name in
        ["Host", "content-length", "Transfer-Encoding", "connection", "authorization", "Content-Type", "CE-id", "ce-x", "te"]
    {
        let said = Form::new(Encoding::Binary, &[name.to_owned()]).err().unwrap().to_string();
        assert_eq!(said, format!("forward_headers: {name:?} cannot be passed on: redrive or the connection writes it"));
    }
    for name in ["", "a b", "a:b", "é", "a\r\nb"] {
        let said = Form::new(Encoding::Binary, &[name.to_owned()]).err().unwrap().to_string();
        assert_eq!(said, format!("forward_headers: {name:?} is no name of an HTTP header"));
    }
}

#[test]
fn more_headers_than_a_request_can_have_are_a_failure() {
    let form = Form::new(Encoding::Binary, &["x".to_owned()]).unwrap();
    let extensions: Vec<String> = (0..40_000).map(|at| format!("ce_x{at}")).collect();
    let attributes = [("ce_type", Some(&b"t"[..])), ("ce_id", Some(b"1"))];
    let many: Vec<_> = attributes.into_iter().chain(extensions.iter().map(|name| (name.as_str(), Some(&b"v"[..])))).collect();
    let repeated = vec![("x", Some(&b"v"[..])); 40_000];
    for headers in [many, repeated] {
        let record = record_with(&partition_of("orders"), &headers, Some(b"1"));
        let error = form.parts(&delivery_of(&record, Needs::Bytes, Mode::Live)).unwrap_err();
        assert_eq!((error.class.as_str(), error.code.as_str()), ("permanent", "too_many_headers"));
    }
}

/// Names that mean something, and any others.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "ce_x",
        "ce_deliveryid",
        "ce_",
        "ce_a:b",
        "ce_\r\nx: y",
        "ce_datacontenttype",
        "content-type",
        "x-tenant",
        "X-TENANT",
        "tracestate",
        "host",
        "content-length",
        "transfer-encoding",
    ]);
    prop_oneof![known.prop_map(|name| name.as_bytes().to_vec()), any::<Vec<u8>>(), "ce_.*".prop_map(String::into_bytes)]
}

fn text() -> impl Strategy<Value = Option<Vec<u8>>> {
    let known = prop::sample::select(vec!["a", "", "a\r\nhost: else", "\0", "100", "chunked", "\r\n\r\nPOST /"]);
    prop_oneof![
        Just(None),
        known.prop_map(|text| Some(text.as_bytes().to_vec())),
        any::<Vec<u8>>().prop_map(Some),
        ".*".prop_map(|text| Some(text.into_bytes())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A server that reads byte for byte gets one request, with the body as it was, whatever the headers are.
    #[test]
    fn no_header_breaks_the_request(headers in prop::collection::vec((name(), text()), 0..12), value in any::<Vec<u8>>()) {
        let mut buf = HeadersBuf::default();
        buf.push(b"ce_type", Some(b"t"));
        buf.push(b"ce_id", Some(b"7"));
        headers.iter().for_each(|(name, value)| buf.push(name, value.as_deref()));
        let record = record_of(&partition_of("orders"), buf.finish(), Some(&value));
        // What an earlier stage refuses comes to no receiver.
        let Ok(event) = identify(&record, &TypeFrom::CloudEvents) else { return Ok(()) };
        let to = Arc::new(Address { group: "shop".into(), receiver: "billing".into() });
        let delivery = Delivery { event, attempt: 1, mode: Mode::Live, to, noting: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Server::saying(NO_CONTENT);
        let endpoint = Endpoint { forward_headers: vec!["x-tenant".into()], ..at(&server.url()) };
        let http = Http::open(endpoint).unwrap();
        prop_assert_eq!(runtime.block_on(async { deliver(&http, delivery.clone()).await }), Ok(()));
        let requests = server.requests();
        prop_assert_eq!(requests.len(), 1);
        let got = &requests[0];
        prop_assert_eq!(&got.body, delivery.event.data().unwrap());
        prop_assert_eq!(got.one("ce-id").unwrap(), "7");
        prop_assert_eq!(got.one("ce-deliveryid").unwrap(), "shop/orders@1a2bcfc4/0/0/billing");
        prop_assert_eq!(got.one("host").unwrap(), format!("127.0.0.1:{}", server.port()));
        prop_assert_eq!(got.one("transfer-encoding"), None);
        prop_assert_eq!(got.one("content-length").unwrap(), got.body.len().to_string());
    }
}
