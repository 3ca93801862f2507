//! A schema registry and what goes wrong with it: it is away, comes back, does not know a schema yet, or serves what is no use.
//!
//! What only a registry that misbehaves does, an endpoint of the test does; all else is done by a real one.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redrive::settings::table;
use redrive::{ALL_TYPES, Event, ReceiverError, Receivers};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::replays::taken;
use crate::support::command::Running;
use crate::support::{Broker, Endpoint, Folder, Language, Record, Registry, Request, Sample, library, repetitions, unique, wait};
use crate::workers;

const SOON: Duration = Duration::from_secs(40);
/// A schema of `fixtures/openedx/schemas.json`, which is a text; so are the next ones.
const KNOWN: u32 = 3;
const OTHERS: [u32; 3] = [7, 9, 13];
const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"cents","type":"long"}]}"#;
const GUID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// A text of less than 64 bytes in Avro.
fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len() * 2).unwrap()], text.as_bytes()].concat()
}

/// An order of seven cents in Avro.
fn order(id: &str) -> Vec<u8> {
    [text(id), vec![14]].concat()
}

fn in_json(id: &str) -> Value {
    json!({"id": id, "cents": 7})
}

fn schema_id(id: u32) -> Vec<u8> {
    [&[0], id.to_be_bytes().as_slice()].concat()
}

fn guid() -> Vec<u8> {
    [&[1], GUID.as_slice()].concat()
}

fn framed_key(id: u32) -> Vec<u8> {
    [schema_id(id).as_slice(), &text("key")].concat()
}

fn event(value: impl Into<Vec<u8>>) -> Sample {
    Sample::event("order.placed", "1", value).header("content-type", "application/avro")
}

fn framed(id: u32, body: &[u8]) -> Sample {
    event([schema_id(id).as_slice(), body].concat())
}

/// Stops a consumer that has nothing more to do.
#[track_caller]
fn stop(mut running: Running) {
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
}

#[test]
fn a_registry_that_is_away_holds_what_needs_it_and_nothing_else() {
    let (broker, registry, folder, group) = (Broker::shared(), Registry::own(), Folder::new(), unique("away"));
    let topic = broker.topic("away", 2);
    let known = |n: usize| framed(KNOWN, &text(&format!("known {n}")));
    topic.produce(&[known(0)]);
    let url = registry.url();
    let arguments = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "--schema-registry", &url];
    // Whoever waits without polling is thrown out of the group long before the end.
    let impatient = ["-X", "session.timeout.ms=6000", "-X", "max.poll.interval.ms=6000"];
    let mut running = folder.consume(&topic, &group, arguments).args(impatient).spawn();
    let count = |count: usize| (folder.lines("all.jsonl").len() == count).then_some(());
    running.until("the first event is delivered", SOON, |_| count(1));

    registry.stop();
    topic.produce(&OTHERS.map(|id| framed(id, &text("other")).to(1)));
    let is_away = || folder.journal().incidents().iter().any(|row| row.kind == "registry_away" && row.is_open);
    running.until("the registry is found away", SOON, |_| is_away().then_some(()));
    topic.produce(&[known(1)]);
    running.until("what needs no registry is delivered", SOON, |_| count(2));
    wait::for_the_whole(repetitions((Duration::from_secs(10), Duration::from_secs(30))));
    let witness = broker.witness();
    let state = witness.group_state(&group).expect("the broker knows the group");
    assert_eq!((state.state.as_str(), state.members), ("Stable", 1));
    let offsets = witness.group_offsets(&group);
    assert!(offsets.len() == 2 && offsets.iter().all(|at| at.client.is_some()), "it has both partitions: {offsets:?}");
    topic.produce(&[known(2)]);
    running.until("and goes on being delivered", SOON, |_| count(3));
    let listed = folder.redrive(["incidents", "list", "-o", "json"]).run().expect_code(0).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let [incident] = listed["items"].as_array().unwrap().as_slice() else { panic!("one incident: {listed}") };
    assert_eq!((&incident["kind"], &incident["state"]), (&"registry_away".into(), &"open".into()), "{incident}");
    assert!(incident["message"].as_str().unwrap().contains("127.0.0.1"), "{incident}");
    assert_eq!(folder.journal().failures(), []);

    registry.start();
    running.until("all is delivered", SOON, |_| count(3 + OTHERS.len()));
    running.until("the registry is found back", SOON, |_| (!is_away()).then_some(()));
    stop(running);
    let delivered = folder.delivered("all.jsonl");
    let held: Vec<_> = delivered.iter().filter(|(partition, _)| *partition == 1).map(|(_, offset)| *offset).collect();
    assert_eq!(held, [0, 1, 2]);
    assert_eq!((folder.journal().failures(), witness.lag(&group)), (vec![], 0));
}

#[test]
fn a_schema_that_is_registered_late_is_waited_for() {
    const LATE: Duration = Duration::from_secs(5);
    let (broker, registry, folder, group) = (Broker::shared(), Registry::own(), Folder::new(), unique("late"));
    let topic = broker.topic("late", 1);
    let next = registry.register("first", Language::Avro, r#"{"type":"record","name":"First","fields":[]}"#) + 1;
    topic.produce(&[framed(KNOWN, &text("known")), framed(next, &order("late"))]);
    let arguments = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "--schema-registry", &registry.url()];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    let count = |count: usize| (folder.lines("all.jsonl").len() == count).then_some(());
    running.until("the first event is delivered", SOON, |_| count(1));
    wait::for_the_whole(LATE);
    assert_eq!((folder.lines("all.jsonl").len(), folder.journal().failures(), folder.journal().incidents()), (1, vec![], vec![]));
    assert_eq!(registry.register("second", Language::Avro, ORDER), next);
    running.until("the second event is delivered", SOON, |_| count(2));
    stop(running);
    assert_eq!(taken(&folder, "all.jsonl")[1]["event"]["data"], in_json("late"));
    assert_eq!((folder.journal().failures(), folder.journal().incidents()), (vec![], vec![]));
}

/// How a registry answers for schemas 0, 1, 2 and so on, until it is mended.
const OUTAGES: [&[u8]; 8] = [
    b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 429 Slowly\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 20\r\n\r\n<html>sign in</html>",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    // Never the rest of it.
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2000\r\n\r\n{\"schema\"",
];

fn serve(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    let body = json!({"schema": text}).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.schemaregistry.v1+json";
    stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

/// What stands in the path of a request after `/schemas/`.
fn asked(request: &Request) -> &str {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    path.split('?').next().and_then(|path| path.strip_prefix("/schemas/")).unwrap_or_default()
}

#[test]
fn whatever_is_no_answer_of_a_registry_is_an_outage() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("outages"));
    let topic = broker.topic("outages", OUTAGES.len().try_into().unwrap());
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let registry = Endpoint::start(move |request, stream| {
        let id: usize = asked(request).strip_prefix("ids/").and_then(|id| id.parse().ok()).unwrap_or_default();
        if mended.load(Ordering::Relaxed) { serve(stream, ORDER) } else { stream.write_all(OUTAGES[id]) }
    });
    let numbers = 0..u32::try_from(OUTAGES.len()).unwrap();
    topic.produce(&numbers.clone().map(|id| framed(id, &order("held")).to(id.cast_signed())).collect::<Vec<_>>());
    let url = format!("http://{}", registry.address());
    let arguments = ["--from", "earliest", "--receiver", "all=file:all.jsonl", "--schema-registry", &url];
    let mut running = folder.consume(&topic, &group, arguments).args(["--schema-registry-timeout", "500ms"]).spawn();
    // Whoever asks again asks for one of them at a time, ever more rarely.
    running.until("each schema is asked for, and some again", SOON, |_| {
        let requests = registry.requests();
        let is_asked = |id: u32| requests.iter().any(|request| asked(request) == format!("ids/{id}"));
        (numbers.clone().all(is_asked) && requests.len() >= OUTAGES.len() + 3).then_some(())
    });
    let incidents = folder.journal().incidents();
    assert!(incidents.len() == 1 && incidents[0].kind == "registry_away" && incidents[0].is_open, "{incidents:?}");
    assert_eq!((folder.journal().failures(), folder.lines("all.jsonl").len()), (vec![], 0));

    is_mended.store(true, Ordering::Relaxed);
    running.until("all is delivered", SOON, |_| (folder.lines("all.jsonl").len() == OUTAGES.len()).then_some(()));
    stop(running);
    assert!(folder.journal().incidents().iter().all(|row| !row.is_open), "{:?}", folder.journal().incidents());
    assert_eq!((folder.journal().failures(), broker.witness().lag(&group)), (vec![], 0));
}

#[test]
fn schemas_of_each_kind_by_frame_and_by_header() {
    let (broker, registry, folder, group) = (Broker::shared(), Registry::shared(), Folder::new(), unique("kinds"));
    let (topic, copies) = (broker.topic("kinds", 1), broker.topic("copies", 1));
    let (order_subject, subject) = (unique("order"), || unique("kinds"));
    let avro = registry.register(&order_subject, Language::Avro, ORDER);
    let object =
        registry.register(&subject(), Language::Json, r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#);
    let protobuf = registry.register(&subject(), Language::Protobuf, "syntax = \"proto3\"; message Kind { int32 a = 1; }");
    let gift = r#"{"type":"record","name":"Gift","fields":[{"name":"to","type":"string"},{"name":"order","type":"shop.Order"}]}"#;
    let gift = registry.register_with(&subject(), Language::Avro, gift, &[("shop.Order", &order_subject)]);
    let by_header = event(order("c")).header("__value_schema_id", schema_id(avro));
    let cases = [
        (framed(avro, &order("a")).key("plain"), Ok(in_json("a"))),
        (framed(object, b"{\"a\": 1}"), Ok(json!({"a": 1}))),
        (framed(gift, &[text("Ada"), order("b")].concat()), Ok(json!({"to": "Ada", "order": in_json("b")}))),
        (by_header.key(text("key")).header("__key_schema_id", schema_id(KNOWN)), Ok(in_json("c"))),
        (Sample::event("order.placed", "1", "{\"n\": 1}").header("content-type", "application/json"), Ok(json!({"n": 1}))),
        (framed(object, b"{\"a\":"), Err("invalid_json")),
        (framed(protobuf, &[0, 8, 1]), Err("unsupported_schema_type")),
        (event(order("d")).header("__value_schema_id", [0, 0, 1]), Err("bad_frame")),
        (event(order("e")).null_header("__value_schema_id"), Err("bad_frame")),
        (framed(avro, &[order("f"), vec![0]].concat()), Err("trailing_bytes")),
    ];
    let samples: Vec<_> = cases.iter().map(|(sample, _)| sample.clone()).collect();
    topic.produce(&samples);
    let service = Endpoint::start(|_, stream| stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
    let (copy, post) = (format!("copy=kafka:{}", copies.name()), format!("service=http://{}/events", service.address()));
    let receivers = ["--receiver", "all=file:all.jsonl", "--receiver", &copy, "--receiver", &post];
    let arguments = ["--from", "earliest", "--until-end", "--schema-registry", &registry.url()];
    folder.consume(&topic, &group, arguments).args(receivers).run().expect_code(0);

    let (lines, failures) = (taken(&folder, "all.jsonl"), folder.journal().failures());
    for (offset, (_, expected)) in (0..).zip(&cases) {
        let line = lines.iter().find(|line| line["record"]["offset"] == offset);
        let failure = failures.iter().find(|row| row.offset == offset);
        match expected {
            Ok(data) => assert_eq!(line.map(|line| &line["event"]["data"]), Some(data), "offset {offset}: {failure:?}"),
            Err(code) => {
                let found = failure.map(|row| (row.stage.as_str(), row.code.as_str(), row.class.as_str()));
                assert_eq!((found, line), (Some(("decode", *code, "permanent")), None), "offset {offset}: {failure:?}");
            }
        }
    }
    assert_eq!(lines[0]["record"]["key"], json!({"size": 5, "text": "plain"}));
    assert_eq!(lines[3]["record"]["key"], json!({"size": 4, "text": "\u{6}key", "json": "key"}));
    // Whoever needs bytes gets those that came.
    let good: Vec<_> = samples.iter().zip(&cases).filter(|(_, (_, expected))| expected.is_ok()).map(|(sample, _)| sample).collect();
    let copied = copies.read();
    assert_eq!(copied.len(), good.len());
    for (sample, Record { key, value, headers, .. }) in good.iter().zip(&copied) {
        assert_eq!((&sample.key, &sample.value), (key, value));
        assert!(sample.headers.iter().all(|header| headers.contains(header)), "{headers:?}");
    }
    let posted = service.requests();
    let bodies: Vec<Value> = posted.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert_eq!(bodies, cases.iter().filter_map(|(_, expected)| expected.clone().ok()).collect::<Vec<_>>());
    assert!(posted.iter().all(|request| request.header("content-type") == "application/json"), "{posted:?}");
}

/// What is copied is not read: whoever sends bytes on waits for no registry.
#[test]
fn a_copy_needs_no_registry() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("copier"));
    let (topic, copies) = (broker.topic("copied", 1), broker.topic("copies", 1));
    let samples = [framed(1, &order("a")).key(framed_key(2)), framed(3, b"no order"), event([0, 0])];
    topic.produce(&samples);
    let copy = format!("copy=kafka:{}", copies.name());
    let arguments = ["--from", "earliest", "--until-end", "--receiver", &copy, "--schema-registry", "http://127.0.0.1:1"];
    folder.consume(&topic, &group, arguments).within(SOON).run().expect_code(0);
    assert_eq!((folder.journal().failures(), folder.journal().incidents()), (vec![], vec![]));
    let copied: Vec<_> = copies.read().into_iter().map(|record| (record.key, record.value)).collect();
    assert_eq!(copied, samples.map(|sample| (sample.key, sample.value)));
}

#[test]
fn a_topic_in_protobuf_is_stopped_by_the_guard_which_knows_the_flag() {
    let (broker, registry, folder, group) = (Broker::shared(), Registry::shared(), Folder::new(), unique("protobuf"));
    let topic = broker.topic("protobuf", 1);
    let id = registry.register(&unique("protobuf"), Language::Protobuf, "syntax = \"proto3\"; message All { int32 a = 1; }");
    topic.produce(&vec![framed(id, &[0, 8, 1]); 20]);
    let url = registry.url();
    let always = ["--from", "earliest", "--until-end", "--receiver", "all=file:all.jsonl"];
    let output = folder.consume(&topic, &group, always).run().expect_code(4);
    assert!(output.stderr.contains("hint: the values are written for a schema registry: name it with --schema-registry URL"));
    let arguments = [&always[..], &["--schema-registry", &url]].concat();
    let output = folder.consume(&topic, &group, arguments.clone()).run().expect_code(4);
    assert!(output.stderr.contains("--format raw") && output.stderr.contains("PROTOBUF"), "{}", output.stderr);
    let journal = folder.journal();
    assert_eq!((journal.failures(), folder.lines("all.jsonl").len()), (vec![], 0));
    assert!(broker.witness().group_offsets(&group).iter().all(|at| at.committed.is_none()), "nothing is committed");
    folder.consume(&topic, &group, arguments).args(["--format", "raw"]).run().expect_code(0);
    let lines = taken(&folder, "all.jsonl");
    assert!(lines.len() == 20 && lines.iter().all(|line| line["event"]["data_base64"].is_string()), "{lines:?}");
}

/// No registry that checks what it takes serves these.
#[test]
fn schemas_by_guid_and_schemas_that_break_the_rules() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("rules"));
    let topic = broker.topic("rules", 1);
    let registry = Endpoint::start(|request, stream| match asked(request) {
        "guids/00010203-0405-0607-0809-0a0b0c0d0e0f" => serve(stream, ORDER),
        // As edx-enterprise-subsidy has it.
        "ids/1" => serve(stream, &ORDER.replace("shop", "shop.redemption-reversed.v1")),
        "ids/2" => serve(stream, r#"{"type":"record","name":"Order"}"#),
        "ids/3" => serve(stream, "what is this?"),
        _ => stream.write_all(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"),
    });
    let unusable = framed(2, &order("e"));
    topic.produce(&[
        event([guid(), order("a")].concat()),
        event(order("b")).header("__value_schema_id", guid()),
        framed(1, &order("c")),
        unusable.clone(),
        framed(3, &order("f")),
    ]);
    let url = format!("http://{}/", registry.address());
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "all=file:all.jsonl", "--schema-registry", &url];
    folder.consume(&topic, &group, arguments).run().expect_code(0);
    assert_eq!(folder.journal().failures(), []);
    let lines = taken(&folder, "all.jsonl");
    for (line, id) in lines.iter().zip(["a", "b", "c"]) {
        assert_eq!((&line["event"]["data"], line.get("undecoded")), (&in_json(id), None));
    }
    for line in &lines[3..] {
        let why = line["undecoded"].as_str().unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(why.contains("schema 2") || why.contains("schema 3"), "{why}");
        assert_eq!(line["event"].get("data"), None, "{line}");
    }
    let bytes =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, lines[3]["event"]["data_base64"].as_str().unwrap());
    assert_eq!(bytes.ok(), unusable.value);
    let asked_for = |what: &str| registry.requests().iter().filter(|request| asked(request) == what).count();
    assert_eq!(asked_for("ids/1"), 1);
}

/// A list of nothing in few bytes is long in JSON: what is decoded before its turn comes has a bound.
#[test]
fn values_that_swell_do_not_fill_the_memory() {
    const RECORDS: usize = 400;
    const SWELLS: &str = r#"{"type":"record","name":"Swells","fields":[{"name":"padding","type":{"type":"fixed","name":"P","size":8000}},
        {"name":"nothing","type":{"type":"array","items":"null"}}]}"#;
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("swell"));
    let topic = broker.topic("swell", 1);
    let registry = Endpoint::start(|_, stream| serve(stream, SWELLS));
    // 200,000 items.
    let body = [[7; 8_000].as_slice(), &[0x80, 0xb5, 0x18, 0]].concat();
    topic.produce(&vec![framed(1, &body); RECORDS]);
    let (slow, url) = (workers::target(&folder, "slow", 0.01), format!("http://{}", registry.address()));
    let arguments = ["--from", "earliest", "--receiver", &slow, "--receiver", "all=file:all.jsonl", "--schema-registry", &url];
    let mut running = folder.consume(&topic, &group, arguments).spawn();
    running.until("all is delivered", SOON, |_| (workers::deliveries(&folder).len() == RECORDS).then_some(()));
    let peak = running.peak_memory();
    stop(running);
    assert!(peak < 200_000_000, "{peak} bytes");
    let lines = folder.lines("all.jsonl");
    assert!(lines.len() == RECORDS && lines.iter().all(|line| line.len() > 1_000_000));
}

/// As few bytes as that alone are refused before they cost anything: the others of the run do not wait for them.
#[test]
fn a_list_of_nothing_without_end_is_too_large() {
    let (broker, folder, group) = (Broker::shared(), Folder::new(), unique("endless"));
    let topic = broker.topic("endless", 2);
    let registry = Endpoint::start(|_, stream| serve(stream, r#"{"type":"array","items":"null"}"#));
    let endless = framed(1, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    topic.produce(&[vec![endless; 300], vec![Sample::event("order.placed", "1", "{}").to(1); 300]].concat());
    let url = format!("http://{}", registry.address());
    let arguments = ["--from", "earliest", "--until-end", "--receiver", "all=file:all.jsonl", "--schema-registry", &url];
    folder.consume(&topic, &group, arguments).args(["--no-startup-guard"]).within(SOON).run().expect_code(0);
    let failures = folder.journal().failures();
    assert!(failures.len() == 300 && failures.iter().all(|row| row.code == "too_large"), "{:?}", failures.first());
    assert_eq!((folder.lines("all.jsonl").len(), folder.journal().incidents()), (300, vec![]));
}

/// What a program of a user's own sees of an event in Avro.
#[test]
fn a_rust_receiver_gets_the_value_parsed_and_the_bytes_that_came() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Order {
        id: String,
        cents: i64,
    }
    let (broker, registry, folder, group) = (Broker::shared(), Registry::shared(), Folder::new(), unique("rust"));
    let topic = broker.topic("rust", 1);
    let id = registry.register(&unique("rust"), Language::Avro, ORDER);
    let sample = framed(id, &order("a")).key(framed_key(KNOWN));
    topic.produce(std::slice::from_ref(&sample));
    let (seen, events) = std::sync::mpsc::channel();
    let receivers = Receivers::new().on("rust", ALL_TYPES, move |event: Event| {
        let seen = seen.clone();
        async move {
            let parsed: Order = event.json()?;
            let record = event.record();
            let bytes = [record.key(), record.value()].map(|bytes| bytes.map(<[u8]>::to_vec));
            let key = event.key_json::<String>().map_err(|error| ReceiverError::permanent("no_key", error.to_string()))?;
            seen.send((parsed, key, event.schema_id().map(|id| id.to_string()), bytes)).unwrap();
            Ok(())
        }
    });
    let url = registry.url();
    let more = [(&table::SCHEMA_REGISTRY, url.as_str()), (&table::UNTIL_END, "true")];
    library::Consumer::start(broker, &folder, (topic.name(), &group), &receivers, &more).wait(SOON);
    assert_eq!(folder.journal().failures(), []);
    let (parsed, key, schema, bytes) = events.try_recv().expect("an event");
    assert_eq!((parsed, key), (Order { id: "a".to_owned(), cents: 7 }, "key".to_owned()));
    assert_eq!((schema, bytes), (Some(id.to_string()), [sample.key, sample.value]));
}
