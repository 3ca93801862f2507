//! The commands on real journals: exit codes, formats, bytes.

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::cli::error::ErrorKind;
use crate::cli::output::captured::Captured;
use crate::cli::schemas;
use crate::engine::ledger::{Entry, Ledger as _};
use crate::failure::{Class, Stage};
use crate::journal::ReceiverDefinition;
use crate::journal::samples::{FIRST_TRY_S, Sample, Scene};
use crate::record::samples::{partition_of, record_at};
use crate::settings::OutputFormat;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: ErrorsArgs,
}

fn run(scene: &Scene, words: &str, format: OutputFormat) -> (Result<u8, CommandError>, Captured) {
    run_on(scene, words, (format, None))
}

fn run_on(scene: &Scene, words: &str, (format, width): (OutputFormat, Option<usize>)) -> (Result<u8, CommandError>, Captured) {
    let (output, captured) = Output::captured(format, width);
    let words = std::iter::once("errors").chain(words.split_whitespace());
    let Line { args } = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    (args.run(&scene.place(), &output), captured)
}

fn document(scene: &Scene, words: &str) -> Value {
    let (code, captured) = run(scene, words, OutputFormat::Json);
    assert_eq!(code, Ok(0));
    serde_json::from_str(&captured.stdout()).unwrap()
}

fn ids(document: &Value) -> Vec<i64> {
    document["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// Five failures: of two receivers, one before the receivers, one resolved, one of hostile bytes.
fn journal() -> Scene {
    let scene = Scene::new();
    let definition = serde_json::json!({ "target": "http://127.0.0.1:8080/events" });
    let mut writer = scene.writer_of("shop", vec![ReceiverDefinition { name: "billing".into(), definition }]);
    let decode = Sample {
        offset: 3,
        receiver: None,
        stage: Stage::Decode,
        class: Class::Permanent,
        code: "invalid_json",
        ..Sample::default()
    };
    let headers: &[(&str, Option<&[u8]>)] =
        &[("ce_type", Some(b"\x1b[31m")), ("ce_type", Some(b"\xff")), ("null", None), ("empty", Some(b""))];
    let hostile = record_at(&scene.partition, 5, headers, Some(b"\x00\xff\x1b[2J"));
    let hostile = Sample { messages: vec!["\u{1b}[2J\u{202e}".into()], ..Sample::default() }.of(hostile);
    let tombstone = Sample { receiver: Some("audit"), ..Sample::default() }.of(record_at(&partition_of("deleted"), 4, &[], None));
    writer
        .append(&[
            scene.failed(1, "billing", &["first try", "second try"]),
            scene.failed(2, "audit", &["failed"]),
            scene.sample(decode),
            tombstone,
            hostile,
            scene.delivered(1, "audit"),
            scene.delivered(2, "audit"),
            scene.progress(0, 6),
        ])
        .unwrap();
    scene
}

#[test]
fn a_list_is_one_document_of_items_that_fit_their_schema() {
    let document = document(&journal(), "list");
    schemas::check("document", &document);
    assert_eq!((&document["command"], &document["next"], &document["version"]), (&"errors list".into(), &Value::Null, &1.into()));
    assert_eq!(ids(&document), [5, 4, 3, 1]);
    for item in document["items"].as_array().unwrap() {
        schemas::check("failure", item);
        for detail in ["value", "headers", "detail", "delivered_to", "history"] {
            assert!(item.get(detail).is_none(), "{detail} is for one that is shown");
        }
    }
    let first = &document["items"][3];
    assert_eq!((&first["message"], &first["attempts"], &first["stage"]), (&"second try".into(), &2.into(), &"receive".into()));
    assert_eq!(
        (&first["replaying"], &first["receiver"], &first["topic_id"]),
        (&false.into(), &"billing".into(), &"GivPxHS0T4Sx-9eBCxOXOQ".into())
    );
    assert_eq!(first["first_failed_at"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(first["timestamp"], "2023-11-14T22:13:20.000Z");
    assert_eq!((&document["items"][2]["receiver"], &document["items"][2]["stage"]), (&Value::Null, &"decode".into()));
}

#[test]
fn the_fields_of_an_item_have_the_order_of_the_contract() {
    let (_, captured) = run(&journal(), "show 1", OutputFormat::Jsonl);
    let order = "id state replaying regressed cluster_id group topic topic_id partition offset leader_epoch timestamp timestamp_type stage receiver \
                 class code message causes detail fingerprint event key value headers attempts first_failed_at last_failed_at resolved_at \
                 resolved_by host client_id redrive_version delivered_to history";
    let mut at = 0;
    for field in order.split_whitespace() {
        let found = captured.stdout()[at..].find(&format!("\"{field}\":"));
        at += found.unwrap_or_else(|| panic!("{field} is missing or out of order"));
    }
}

#[test]
fn an_item_that_is_shown_has_everything() {
    let scene = journal();
    let shown = document(&scene, "show 1 --around 2");
    schemas::check("document", &shown);
    let item = &shown["items"][0];
    schemas::check("failure-detail", item);
    assert_eq!(item["value"], serde_json::json!({ "size": 7, "text": "{\"a\":1}" }));
    assert_eq!(item["headers"][0], serde_json::json!({ "name": "ce_type", "value": { "size": 12, "text": "order.placed" } }));
    assert_eq!(
        (&item["detail"], &item["causes"][0], &item["delivered_to"]),
        (&"the detail".into(), &"the cause".into(), &serde_json::json!(["audit"]))
    );
    let history: Vec<_> = item["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (&attempt["attempt"], &attempt["message"], &attempt["mode"]))
        .collect();
    assert_eq!(history, [(&1.into(), &"first try".into(), &"live".into()), (&2.into(), &"second try".into(), &"live".into())]);
    let near: Vec<_> = item["around"]["failures"].as_array().unwrap().iter().map(|near| near["offset"].as_i64().unwrap()).collect();
    assert_eq!(near, [1, 2, 3]);
    assert_eq!(item["around"]["progress"][0]["to_offset"], 6);

    let hostile = document(&scene, "show 5")["items"][0].clone();
    schemas::check("failure-detail", &hostile);
    assert_eq!(hostile["value"], serde_json::json!({ "size": 6, "base64": "AP8bWzJK" }));
    assert_eq!(hostile["headers"][1]["value"], serde_json::json!({ "size": 1, "base64": "/w==" }));
    assert_eq!((&hostile["headers"][2]["value"], &hostile["headers"][3]["value"]["size"]), (&Value::Null, &0.into()));
    let tombstone = document(&scene, "show 4")["items"][0].clone();
    schemas::check("failure-detail", &tombstone);
    assert_eq!(tombstone["value"], Value::Null);
    let resolved = document(&scene, "show 2")["items"][0].clone();
    schemas::check("failure-detail", &resolved);
    assert_eq!(
        (&resolved["state"], &resolved["resolved_by"], &resolved["history"][1]["outcome"]),
        (&"resolved".into(), &"live".into(), &"delivered".into())
    );
    assert!(resolved["resolved_at"].is_string());
}

#[test]
fn lines_of_json_are_items() {
    let (code, captured) = run(&journal(), "list --limit 2", OutputFormat::Jsonl);
    assert_eq!(code, Ok(0));
    let ids: Vec<Value> =
        captured.stdout().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, [5, 4]);
}

#[test]
fn no_format_lets_bytes_of_outside_through() {
    let scene = journal();
    for format in [OutputFormat::Table, OutputFormat::Json, OutputFormat::Jsonl] {
        for words in ["list --state open,resolved", "show 5", "show 5 --payload text", "show 5 --payload hex", "show 1 --around 9"]
        {
            let (_, captured) = run_on(&scene, words, (format, Some(80)));
            let text = captured.stdout();
            let unfit = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
            assert_eq!(unfit, None, "{words} {format:?}");
            assert!(!text.is_empty());
        }
    }
}

#[test]
fn pages_follow_each_other() {
    let scene = journal();
    let first = document(&scene, "list --limit 2 --state open,resolved");
    assert_eq!((ids(&first), &first["next"]), (vec![5, 4], &"4".into()));
    let second = document(&scene, "list --limit 2 --state open,resolved --after 4");
    assert_eq!((ids(&second), &second["next"]), (vec![3, 2], &"2".into()));
    let last = document(&scene, "list --limit 2 --state open,resolved --after 2");
    assert_eq!((ids(&last), &last["next"]), (vec![1], &Value::Null));
    assert_eq!(ids(&document(&scene, "list --limit 0 --sort oldest")), [1, 3, 4, 5]);
}

#[test]
fn filters_are_those_of_the_journal() {
    let scene = journal();
    for (words, expected) in [
        ("--receiver audit --state open,resolved", &[4, 2][..]),
        ("--stage decode", &[3]),
        ("--class permanent,consumer", &[3]),
        ("--code invalid_json,http_503 --topic orders", &[5, 3, 1]),
        ("--topic orders --partition 0 --offset 2..4", &[3]),
        ("--offset deleted:0:4", &[4]),
        ("--group nobody", &[]),
        ("--type order.placed --until 2023-11-14T22:13:21Z", &[5, 4, 3]),
        ("--since 2023-11-14T22:13:21Z", &[1]),
        ("--older-than 1d", &[5, 4, 3, 1]),
        ("--older-than 36500d", &[]),
        ("--since 1h", &[]),
    ] {
        assert_eq!(ids(&document(&scene, &format!("list {words}"))), expected, "{words}");
    }
    let kind = document(&scene, "show 3")["items"][0]["fingerprint"].as_str().unwrap()[..6].to_owned();
    assert_eq!(ids(&document(&scene, &format!("list --fingerprint {kind}"))), [3]);
    for (kind, expected) in
        [("ffffff", "is not in the journal"), ("ff", "expected 6 to 32 hex digits"), ("zzzzzz", "expected 6 to 32 hex digits")]
    {
        let error = run(&scene, &format!("list --fingerprint {kind}"), OutputFormat::Json).0.unwrap_err();
        assert!(error.kind == ErrorKind::Usage && error.message.contains(expected), "{error:?}");
    }
}

#[test]
fn fail_if_any_is_told_by_the_exit_code_alone() {
    let scene = journal();
    for format in [OutputFormat::Table, OutputFormat::Json, OutputFormat::Jsonl] {
        let (code, captured) = run(&scene, "list --fail-if-any", format);
        assert_eq!((code, captured.stderr().as_str()), (Ok(6), ""));
        assert_eq!(run(&scene, "list --fail-if-any --receiver nobody", format).0, Ok(0));
    }
}

#[test]
fn raw_writes_the_bytes_and_nothing_else() {
    let scene = journal();
    let raw = |words: &str, format, width| {
        let (code, captured) = run_on(&scene, words, (format, width));
        (code.map_err(|error| error.kind), captured.bytes(), captured.stderr())
    };
    assert_eq!(raw("show 5 --raw", OutputFormat::Json, None), (Ok(0), b"\x00\xff\x1b[2J".to_vec(), String::new()));
    assert_eq!(
        raw("show 5 --raw", OutputFormat::Table, Some(80)),
        (Err(ErrorKind::Refused), Vec::new(), String::new()),
        "on a terminal"
    );
    assert_eq!(raw("show 1 --raw", OutputFormat::Table, Some(80)), (Ok(0), b"{\"a\":1}".to_vec(), String::new()));
    assert_eq!(
        raw("show 4 --raw", OutputFormat::Table, None),
        (Ok(0), Vec::new(), "the value of failure 4 is null: a tombstone\n".into())
    );
}

#[test]
fn a_value_that_the_journal_gave_up_is_told() {
    let scene = journal();
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand.execute_batch("UPDATE record SET codec = 2, value = NULL").unwrap();
    let item = document(&scene, "show 1")["items"][0].clone();
    schemas::check("failure-detail", &item);
    assert_eq!(item["value"], serde_json::json!({ "size": 7, "gone": true }));
    assert!(run(&scene, "show 1", OutputFormat::Table).1.stdout().contains("7 bytes, not in the journal any more"));
    assert_eq!(run(&scene, "show 1 --raw", OutputFormat::Table).0.unwrap_err().kind, ErrorKind::Usage);
}

#[test]
fn what_is_not_there_is_a_usage_error_with_the_next_command() {
    let scene = journal();
    let error = run(&scene, "show 42", OutputFormat::Table).0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.message.starts_with("failure 42 is not in the journal "), "{}", error.message);
    assert!(error.hints[0].contains("redrive errors list --state open,resolved,ignored --journal "), "{:?}", error.hints);
    let nowhere = Scene::new();
    for words in ["list", "show 1"] {
        let error = run(&nowhere, words, OutputFormat::Table).0.unwrap_err();
        assert!(error.kind == ErrorKind::Usage && error.message.contains("there is no journal at"), "{error:?}");
    }
    assert!(!nowhere.place().path.exists(), "a reader makes none");
}

#[test]
fn damaged_bytes_are_not_passed_off_as_whole() {
    let scene = journal();
    let by_hand = rusqlite::Connection::open(scene.place().path).unwrap();
    by_hand.execute_batch("UPDATE record SET value = x'00' WHERE offset = 1").unwrap();
    for words in ["show 1", "show 1 --raw"] {
        let error = run(&scene, words, OutputFormat::Table).0.unwrap_err();
        assert!(error.kind == ErrorKind::CannotGoOn && error.message.contains("damaged"), "{error:?}");
    }
    assert_eq!(ids(&document(&scene, "list")), [5, 4, 3, 1]);
}

#[test]
fn the_next_page_is_the_same_listing_of_the_same_journal() {
    let scene = journal();
    let (_, captured) = run(&scene, "list --limit 1 --state open,resolved --class transient --sort oldest", OutputFormat::Table);
    let shown = captured.stdout();
    let (_, next) = shown.lines().last().unwrap().split_once("next: ").unwrap();
    let next = shell_words::split(next.split(" · ").next().unwrap()).unwrap();
    let (journal, words) = (&next[next.len() - 1], &next[2..next.len() - 2]);
    assert_eq!(journal, scene.place().path.to_str().unwrap());
    let (_, captured) = run(&scene, &words.join(" "), OutputFormat::Jsonl);
    let item: Value = serde_json::from_str(captured.stdout().lines().next().unwrap()).unwrap();
    assert_eq!((&item["id"], captured.stdout().lines().count()), (&2.into(), 1));
}

#[test]
fn an_empty_journal_says_what_there_is() {
    let scene = Scene::new();
    scene.writer().append(&[scene.failed(1, "billing", &["failed"]), scene.delivered(1, "billing")]).unwrap();
    let text = run(&scene, "list", OutputFormat::Table).1.stdout();
    assert!(text.contains("· 0 open, 1 resolved, 0 ignored\nno failure fits: state open · 0 open incidents\n"), "{text}");
    let text = run(&scene, "list --code x", OutputFormat::Table).1.stdout();
    assert!(text.contains("\nno failure fits: state open · code x · 0 open incidents\n"), "{text}");
}

/// What `entry` was, later.
fn later(entry: Sample) -> Sample {
    Sample { first_try_s: FIRST_TRY_S + 3_600, ..entry }
}

#[test]
fn a_regressed_failure_shows_every_attempt() {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.failed(1, "billing", &["failed"])]).unwrap();
    writer.append(&[scene.delivered(1, "billing")]).unwrap();
    let again: Entry = scene.sample(later(Sample { offset: 1, ..Sample::default() }));
    writer.append(&[again]).unwrap();
    let item = document(&scene, "show 1")["items"][0].clone();
    schemas::check("failure-detail", &item);
    let outcomes: Vec<_> = item["history"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!((outcomes, &item["regressed"]), (vec!["failed", "delivered", "failed"], &true.into()));
}
