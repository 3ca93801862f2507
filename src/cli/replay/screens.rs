//! The screens, looked at, and the items, which fit their schemas.

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::cli::samples::JOURNAL;
use crate::cli::schemas;
use crate::engine::Order;
use crate::failure::Stage;
use crate::receiver::Receivers;
use crate::replay::{PlannedEntries, PlannedMissed, PlannedRange, SkipReason, Skipped};
use crate::settings::Layers;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: ReplayArgs,
}

const WIDTHS: [(&str, Option<usize>); 4] = [("80", Some(80)), ("100", Some(100)), ("200", Some(200)), ("no", None)];

/// What was asked for, and the same to be typed again.
fn asked(line: &str) -> (Request, Typed<'static>) {
    let words = std::iter::once("replay").chain(line.split(' '));
    let Line { args } = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let mut given = args.settings();
    given.add(&crate::settings::table::RECEIVER, "all=discard:".to_owned());
    let settings = ReplaySettings::read(&Layers::without_file(given, &|_| None), &Receivers::new()).unwrap();
    let layers = Layers::without_file(args.settings(), &|_| None);
    (args.request("2026-11-23T12:00:00Z".parse().unwrap()).unwrap(), Typed::new(&args, &layers, &settings, JOURNAL))
}

fn entries(partition: i32, receiver: Option<&str>, code: &str, count: u64) -> PlannedEntries {
    let stage = if receiver.is_some() { Stage::Receive } else { Stage::Decode };
    PlannedEntries {
        topic: "orders".into(),
        partition,
        stage,
        receiver: receiver.map(str::to_owned),
        code: code.into(),
        count,
        from_offset: 1_017 + i64::from(partition),
        to_offset: 1_301,
        from_ms: Some(1_795_400_047_000),
        to_ms: Some(1_795_442_702_003),
        late: count,
    }
}

fn skipped() -> Vec<Skipped> {
    let of = |reason, count, receiver: Option<&str>, definition: Option<&str>| Skipped {
        reason,
        count,
        receiver: receiver.map(str::to_owned),
        definition: definition.map(str::to_owned),
    };
    vec![
        of(SkipReason::AlreadyDelivered, 1_204, None, None),
        of(SkipReason::NotConfigured, 3, Some("search"), Some(r#"{"target":"https://search.internal.example.com/index/orders"}"#)),
        of(SkipReason::ConsumerWill, 12, None, None),
    ]
}

fn plan() -> Plan {
    Plan {
        group: "shop".into(),
        entries: vec![entries(0, Some("billing"), "http_422", 4_000), entries(3, Some("billing"), "http_422", 5_412)],
        ..Plan::default()
    }
}

fn missed() -> PlannedMissed {
    let (topic, receiver) = ("production.eu-west-1.customer-orders.v2".into(), "warehouse-stock-reservation".into());
    PlannedMissed { topic, partition: 127, receiver, from_offset: 2_000, to_offset: 3_000, at_most: 640 }
}

/// Of records, with names as long as they get, and hostile ones.
fn large_plan() -> Plan {
    let long = PlannedEntries {
        topic: "production.eu-west-1.customer-orders.v2".into(),
        receiver: Some("warehouse-stock-reservation".into()),
        code: "process_died".into(),
        late: 0,
        ..entries(127, Some("x"), "x", 3)
    };
    let hostile = PlannedEntries { from_ms: None, to_ms: None, code: "a\u{1b}[2J".into(), ..entries(1, None, "x", 1) };
    let range =
        PlannedRange { topic: long.topic.clone(), partition: 127, from_offset: 1_000, to_offset: 98_765_432_109, at_most: 12 };
    Plan {
        group: "shop".into(),
        entries: vec![long, hostile],
        ranges: vec![range],
        missed: vec![missed()],
        skipped: skipped(),
        gone: 7,
        is_cut: true,
        extent: None,
    }
}

fn preview(line: &str, plan: &Plan, width: Option<usize>) -> String {
    let (request, typed) = asked(line);
    let (preview, screen) = (Preview { plan, request: &request, order: Order::Partition, typed: &typed }, plain(width));
    preview.lines(screen).into_iter().chain(preview.next(screen)).collect::<Vec<_>>().join("\n")
}

fn plain(width: Option<usize>) -> Screen {
    Screen { width, is_colored: false }
}

fn outcome() -> Outcome {
    Outcome {
        replay_id: 7,
        delivered: 9_400,
        failed: 12,
        failures: vec![(Some("billing".into()), "http_422".into(), 10), (Some("audit".into()), "timeout".into(), 2)],
        skipped: skipped(),
        gone: 3,
        not_reached: 3_211,
        ..Outcome::default()
    }
}

fn summary(outcome: &Outcome, reason: Reason, screen: Screen) -> String {
    let (_, typed) = asked("--fingerprint 9f2c41d0 --rate 50/s");
    Summary { outcome, group: "shop", reason, typed: &typed }.lines(screen).join("\n")
}

#[test]
fn plans() {
    for (name, width) in WIDTHS {
        insta::assert_snapshot!(format!("plan_at_{name}_columns"), preview("--fingerprint 9f2c41d0", &plan(), width));
        let all = "--offset production.eu-west-1.customer-orders.v2:127:1000.. --to all";
        insta::assert_snapshot!(format!("large_plan_at_{name}_columns"), preview(all, &large_plan(), width));
    }
    let nothing = Plan { group: "shop".into(), skipped: skipped(), ..Plan::default() };
    insta::assert_snapshot!("plan_of_nothing", preview("42", &nothing, Some(100)));
}

#[test]
fn summaries() {
    for (name, width) in WIDTHS {
        insta::assert_snapshot!(format!("summary_at_{name}_columns"), summary(&outcome(), Reason::Limit, plain(width)));
    }
    let well = Outcome { replay_id: 8, delivered: 1, ..Outcome::default() };
    insta::assert_snapshot!("summary_of_success", summary(&well, Reason::Done, plain(Some(80))));
    let coloured = summary(&outcome(), Reason::Done, Screen { width: Some(100), is_colored: true });
    assert!(coloured.contains("failed       \u{1b}[31m12\u{1b}[0m"), "{coloured}");
}

#[test]
fn who_gets_it_is_said_in_a_few_words() {
    let sentence = |line: &str, plan: &Plan| {
        let (request, typed) = asked(line);
        Preview { plan, request: &request, order: Order::Key, typed: &typed }.sentence("deliver").join(", ")
    };
    let receivers =
        |names: &[Option<&str>]| Plan { entries: names.iter().map(|name| entries(0, *name, "x", 1)).collect(), ..Plan::default() };
    for (line, plan, expected) in [
        ("42", receivers(&[Some("billing")]), "deliver 1 entry to billing, from the journal, in offset order per key"),
        ("42", receivers(&[Some("b"), Some("a"), None]), "deliver 3 entries to a, b and whoever takes it, from the"),
        ("42", receivers(&["a", "b", "c", "d"].map(Some)), "deliver 4 entries to 4 receivers, from the"),
        ("42 --to all", receivers(&[Some("billing")]), "deliver 1 entry to whoever takes it, from the"),
        ("42 --to b,a", receivers(&[Some("billing")]), "deliver 1 entry to a and b, from the"),
        (
            "--offset orders:3:7",
            large_plan(),
            "deliver at most 652 events to warehouse-stock-reservation and whoever takes it, from the topic,",
        ),
        (
            "42",
            large_plan(),
            "deliver at most 652 events to warehouse-stock-reservation and whoever takes it, from the journal and the topic,",
        ),
        ("42", Plan::default(), "deliver nothing"),
    ] {
        let told = sentence(line, &plan);
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn no_row_of_a_table_is_wider_than_the_screen() {
    let tables = |text: &str| -> Vec<String> {
        let rows = text.split("\n\n").filter(|part| part.chars().take_while(|c| !c.is_whitespace()).all(|c| !c.is_lowercase()));
        rows.flat_map(str::lines).map(str::to_owned).collect()
    };
    for width in 20..220 {
        let shown = preview("--all", &large_plan(), Some(width));
        let summed = summary(&outcome(), Reason::Signal, plain(Some(width)));
        let (rows, others) = (tables(&shown), tables(&summed));
        assert!(rows.len() >= 8 && others.len() >= 3, "{width}:\n{shown}\n{summed}");
        assert!(rows.iter().chain(&others).all(|row| crate::cli::cut::width(row) <= width), "{width}:\n{shown}\n{summed}");
    }
}

#[test]
fn a_long_plan_is_shown_in_part_and_given_whole() {
    let of_topic = |number: i32| PlannedEntries { topic: format!("t-{number:03}"), ..entries(0, Some("billing"), "x", 1) };
    let plan = Plan { entries: (0..100).map(of_topic).collect(), ..plan() };
    let shown = preview("--all", &plan, None);
    assert!(shown.contains("t-039") && !shown.contains("t-040") && shown.contains("… 60 more"), "{shown}");
    let (request, typed) = asked("--all");
    let item = Preview { plan: &plan, request: &request, order: Order::Key, typed: &typed }.item();
    assert_eq!(serde_json::to_value(item).unwrap()["entries"].as_array().map(Vec::len), Some(100));
}

#[test]
fn items_fit_their_schemas() {
    for plan in [plan(), large_plan(), Plan::default()] {
        let (request, typed) = asked("--all");
        let item = Preview { plan: &plan, request: &request, order: Order::Key, typed: &typed }.item();
        schemas::check("replay-plan", &serde_json::to_value(item).unwrap());
    }
    let (_, typed) = asked("--all");
    let all = outcome();
    let item = |outcome, reason| {
        let item = Summary { outcome, group: "shop", reason, typed: &typed }.item();
        let item: Value = serde_json::to_value(item).unwrap();
        schemas::check("replay", &item);
        item
    };
    let limited = item(&all, Reason::Limit);
    assert_eq!((&limited["reason"], &limited["not_reached"], &limited["replay_id"]), (&json!("limit"), &json!(3_211), &json!(7)));
    assert_eq!(limited["failures"][0], json!({ "receiver": "billing", "code": "http_422", "count": 10 }));
    assert_eq!(limited["skipped"][2]["reason"], json!("the consumer will deliver it"));
    assert_eq!(item(&Outcome::default(), Reason::Signal)["reason"], json!("signal"));
}

#[test]
fn the_exit_code_says_whether_anything_is_left() {
    let delivered = Outcome { delivered: 3, gone: 1, ..Outcome::default() };
    let not_reached = Outcome { not_reached: 1, ..Outcome::default() };
    for (reason, outcome, expected) in [
        (Reason::Done, delivered.clone(), 0),
        (Reason::Signal, delivered, 0),
        (Reason::Signal, not_reached, 3),
        (Reason::Done, outcome(), 3),
        (Reason::Limit, outcome(), 4),
    ] {
        assert_eq!(exit_code(reason, &outcome, None), expected);
        let error = CommandError::new(ErrorKind::CannotGoOn, "the disk is full");
        assert_eq!(exit_code(reason, &outcome, Some(&error)), 1);
    }
}
