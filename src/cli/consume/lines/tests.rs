//! What is said of what happens, for people and for programs.

use std::sync::mpsc::Receiver;

use serde_json::Value;

use super::*;
use crate::engine::ledger::IncidentKind;
use crate::journal::samples::Scene;
use crate::journal::{StateCounts, samples};
use crate::record::Partition;
use crate::record::samples::partition_of;

/// A run that has begun, on the journal at `path`, and what it says.
fn run(format: LogFormat, path: &str) -> (Said, Receiver<ToWriter>) {
    run_of(Doing::Consume, format, path)
}

fn run_of(doing: Doing, format: LogFormat, path: &str) -> (Said, Receiver<ToWriter>) {
    let (to_writer, lines) = sync_channel(WAITING);
    let said = Said {
        program: "redrive".to_owned(),
        format,
        verbosity: Verbosity::Normal,
        to_writer,
        known: Mutex::default(),
        has_assigned: AtomicBool::new(false),
        journal: OnceLock::new(),
        doing,
        receivers: Vec::new(),
        group: "shop".to_owned(),
        order: "partition",
        is_from_said: false,
        is_until_end: false,
    };
    said.begin(&Began {
        journal_path: path.to_owned(),
        journal_uuid: (doing == Doing::Consume).then(|| "7c1f09aa-0000".to_owned()),
        topics: vec![("orders".to_owned(), 1)],
        failures: StateCounts { open: if doing == Doing::Consume { 2 } else { 0 }, resolved: 0, ignored: 0 },
    });
    (said, lines)
}

/// The lines so far, behind their time.
fn texts(lines: &Receiver<ToWriter>) -> Vec<String> {
    let line = |line| match line {
        ToWriter::Line(text) => text,
        ToWriter::End => panic!("nobody ended it"),
    };
    let behind_time = |text: String| text.split_once("Z  ").map_or(text.clone(), |(_, text)| text.to_owned());
    lines.try_iter().map(line).map(behind_time).collect()
}

fn documents(lines: &Receiver<ToWriter>) -> Vec<Value> {
    texts(lines).iter().map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

fn at(kind: IncidentKind, partition: i32, message: &str) -> Entry {
    let partition = Partition { number: partition, ..Arc::into_inner(partition_of("orders")).unwrap() };
    let key = IncidentKey::at(kind, &Arc::new(partition));
    Entry::Incident(Incident::new(key, message.to_owned()))
}

#[test]
fn the_banner_counts_and_its_hint_names_the_journal() {
    let (_, lines) = run(LogFormat::Text, "/tmp/x.db");
    assert_eq!(
        texts(&lines),
        [
            format!("redrive {} · group shop · orders (1 partition) · journal /tmp/x.db (7c1f09aa)", env!("CARGO_PKG_VERSION")),
            "  order partition · 2 open failures from before: redrive errors list --journal /tmp/x.db".to_owned(),
        ]
    );
}

#[test]
fn an_incident_of_many_partitions_is_one_line_that_says_how_many() {
    let (said, lines) = run(LogFormat::Text, "x.db");
    texts(&lines);
    let moved: Vec<_> = (0..12).map(|partition| at(IncidentKind::Moved, partition, &format!("orders/{partition} moved"))).collect();
    said.written(&moved);
    said.written(&moved);
    said.written(&[at(IncidentKind::Gap, 3, "gone")]);
    assert_eq!(
        texts(&lines),
        [
            "moved: orders/0 moved · and 11 more · redrive incidents list --journal x.db",
            "gap: gone · redrive incidents list --journal x.db",
        ]
    );
    assert_eq!(said.known().open_incidents(), 13);
}

#[test]
fn a_new_type_is_told_once_wherever_it_is_met() {
    let (said, lines) = run(LogFormat::Text, "x.db");
    texts(&lines);
    for partition in 0..2 {
        let mut met = at(IncidentKind::NewType, partition, "no receiver takes the type a");
        if let Entry::Incident(incident) = &mut met {
            incident.key.subject = Some("a".to_owned());
        }
        said.written(&[met]);
    }
    assert_eq!((texts(&lines).len(), said.known().open_incidents()), (1, 1));
}

#[test]
fn an_incident_that_ends_says_how_long_it_lasted_and_may_begin_again() {
    let (said, lines) = run(LogFormat::Text, "x.db");
    texts(&lines);
    let key = IncidentKey::of(IncidentKind::BrokerAway);
    let away = Incident { began_ago: std::time::Duration::from_secs(32), ..Incident::new(key.clone(), "no broker answers".into()) };
    said.written(&[Entry::Incident(away.clone()), Entry::Incident(away), Entry::IncidentEnded(key.clone())]);
    said.written(&[Entry::IncidentEnded(key)]);
    assert_eq!(texts(&lines), ["broker_away: no broker answers", "broker_away is over after 32 s"]);
    assert_eq!(said.known().open_incidents(), 0);
}

#[test]
fn a_failure_is_told_once_for_its_kind_and_is_never_endless() {
    let (scene, (said, lines)) = (Scene::new(), run(LogFormat::Text, "x.db"));
    texts(&lines);
    said.written(&[scene.failed(1, "billing", &["it failed"]), scene.failed(2, "billing", &["again"])]);
    said.written(&[scene.failed(3, "audit", &[&"x".repeat(1 << 20)])]);
    let told = texts(&lines);
    let [first, endless] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(first, "receive  orders/0/1  billing  http_503  it failed  (first of its kind in this run)");
    assert!(endless.len() < 600 && endless.ends_with("xx…"), "{}", endless.len());
}

#[test]
fn nobody_thinks_that_a_dry_run_wrote_anything_down() {
    let (scene, (said, lines)) = (Scene::new(), run_of(Doing::DryRun, LogFormat::Text, "x.db"));
    said.written(&[scene.failed(1, "billing", &["it failed"]), at(IncidentKind::Gap, 3, "gone")]);
    let counts = Counts { delivered: 1_207, failed: 3, skipped: 12, deferred: 0 };
    let summary = Summary { reason: StopReason::Done, counts, missed: Counts::default(), partitions: 1, unsettled: 0 };
    said.looked(&summary, &crate::consumer::samples::preview());
    let told = texts(&lines);
    assert_eq!(
        told[..5],
        [
            format!("redrive {} · dry run · group shop · orders (1 partition) · no journal at x.db", env!("CARGO_PKG_VERSION")),
            "  order partition".to_owned(),
            "would fail  receive  orders/0/1  billing  http_503  it failed  (first of its kind in this run)".to_owned(),
            "gap: gone".to_owned(),
            "dry run ended: 1,207 would be delivered, 3 would fail, 12 would be skipped · nothing was delivered, committed or journaled"
                .to_owned(),
        ]
    );
    assert_eq!(told[5], "  audit would get   1,200  order\\n.placed");

    let (said, lines) = run_of(Doing::DryRun, LogFormat::Json, "x.db");
    said.written(&[scene.failed(1, "billing", &["it failed"])]);
    let whats: Vec<_> = documents(&lines).iter().map(|document| document["what"].clone()).collect();
    assert_eq!(whats, ["began", "would_fail"]);
}

#[test]
fn programs_get_fields_and_each_line_has_the_same_shape() {
    let (scene, (said, lines)) = (Scene::new(), run(LogFormat::Json, "x.db"));
    said.written(&[scene.failed(1, "billing", &["it \u{1b}failed"])]);
    said.written(&[scene.sample(samples::Sample {
        offset: 2,
        receiver: None,
        stage: crate::failure::Stage::Decode,
        ..Default::default()
    })]);
    said.written(&[at(IncidentKind::Moved, 0, "moved"), at(IncidentKind::Moved, 1, "moved")]);
    said.stopping(&StopReason::Asked, Load { records: 3, bytes: 7 });
    let documents = documents(&lines);
    for document in &documents {
        let fields: Vec<_> = document.as_object().unwrap().keys().take(4).collect();
        assert_eq!(fields, ["timestamp", "level", "what", "message"], "{document}");
    }
    let whats: Vec<_> = documents.iter().map(|document| document["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["began", "failed", "failed", "incident", "incident", "stopping"]);
    let failed = serde_json::json!({
        "timestamp": documents[1]["timestamp"], "level": "warn", "what": "failed", "message": "it \u{1b}failed", "topic": "orders",
        "partition": 0, "offset": 1, "stage": "receive", "receiver": "billing", "class": "transient", "code": "http_503",
    });
    assert_eq!(documents[1], failed);
    assert_eq!((&documents[2]["receiver"], &documents[2]["stage"]), (&Value::Null, &"decode".into()));
    let incident = &documents[4];
    assert_eq!((&incident["kind"], &incident["state"]), (&"moved".into(), &"open".into()));
    assert_eq!((&incident["topic"], &incident["partition"], &incident["message"]), (&"orders".into(), &1.into(), &"moved".into()));
    assert_eq!(documents[5]["in_flight"], 3);
}
