//! The commands on real journals.

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::cli::error::ErrorKind;
use crate::cli::output::captured::Captured;
use crate::cli::schemas;
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind, Ledger as _, RunEnd};
use crate::journal::samples::Scene;
use crate::record::NextOffset;
use crate::settings::OutputFormat;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: IncidentsArgs,
}

fn run(scene: &Scene, words: &str, format: OutputFormat) -> (Result<u8, CommandError>, Captured) {
    let (output, captured) = Output::captured(format, Some(100));
    let words = std::iter::once("incidents").chain(words.split_whitespace());
    let Line { args } = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    (args.run(&scene.place(), &output), captured)
}

fn document(scene: &Scene, words: &str) -> Value {
    let (code, captured) = run(scene, words, OutputFormat::Json);
    assert_eq!(code, Ok(0));
    let document = serde_json::from_str(&captured.stdout()).unwrap();
    schemas::check("document", &document);
    document["items"].as_array().unwrap().iter().for_each(|item| schemas::check("incident", item));
    document
}

fn ids(scene: &Scene, words: &str) -> Vec<i64> {
    document(scene, words)["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// A broker that was away and is back (1), a gap of a partition (2), a broker that is away (3) and says hostile things.
fn journal() -> Scene {
    let scene = Scene::new();
    let mut writer = scene.writer();
    writer.append(&[scene.incident(IncidentKind::BrokerAway, "away"), scene.incident(IncidentKind::BrokerAway, "away")]).unwrap();
    writer.end(RunEnd::Done, Some(0)).unwrap();
    let gap = Incident {
        from: NextOffset::new(5),
        to: NextOffset::new(9),
        data: serde_json::json!({ "lost": 4 }),
        ..Incident::new(IncidentKey::at(IncidentKind::Gap, &scene.partition), "4 offsets are gone".into())
    };
    let away = scene.incident(IncidentKind::BrokerAway, "\u{1b}[2Jrefused\u{202e}\nsecond line");
    scene.writer().append(&[Entry::Incident(gap), away]).unwrap();
    scene
}

#[test]
fn a_list_has_what_is_open() {
    let scene = journal();
    assert_eq!(ids(&scene, "list"), [3, 2]);
    assert_eq!(ids(&scene, "list --state open,ended,acked"), [3, 2, 1]);
    assert_eq!(ids(&scene, "list --state ended"), [1]);
    assert_eq!(ids(&scene, "list --kind gap,moved"), [2]);
    assert_eq!(ids(&scene, "list --topic orders"), [2]);
    assert_eq!((ids(&scene, "list -g shop"), ids(&scene, "list -g other")), (vec![3, 2], vec![]));
    assert_eq!(ids(&scene, "list --limit 1 --sort oldest --after 2"), [3]);
    let (_, captured) = run(&scene, "list", OutputFormat::Jsonl);
    assert_eq!(captured.stdout().lines().count(), 2);
}

#[test]
fn an_incident_that_is_shown_has_everything() {
    let item = document(&journal(), "show 2")["items"][0].clone();
    assert_eq!((&item["kind"], &item["state"], &item["group"]), (&"gap".into(), &"open".into(), &"shop".into()));
    assert_eq!((&item["topic"], &item["partition"]), (&"orders".into(), &0.into()));
    assert_eq!((&item["from_offset"], &item["to_offset"], &item["data"]["lost"]), (&5.into(), &9.into(), &4.into()));
    let ended = document(&journal(), "show 1")["items"][0].clone();
    assert_eq!((&ended["count"], &ended["state"], &ended["data"]), (&2.into(), &"ended".into(), &serde_json::json!({})));
    assert!(ended["ended_at"].is_string());
}

#[test]
fn no_format_lets_bytes_of_outside_through() {
    for format in [OutputFormat::Table, OutputFormat::Json, OutputFormat::Jsonl] {
        for words in ["list", "show 3"] {
            let text = run(&journal(), words, format).1.stdout();
            assert!(text.contains("refused"), "{text}");
            assert_eq!(text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}'), None, "{text}");
        }
    }
}

#[test]
fn what_is_not_there_is_a_usage_error() {
    let error = run(&journal(), "show 42", OutputFormat::Table).0.unwrap_err();
    assert!(error.kind == ErrorKind::Usage && error.message.contains("incident 42 is not in the journal"), "{error:?}");
    let error = run(&Scene::new(), "list", OutputFormat::Table).0.unwrap_err();
    assert!(error.kind == ErrorKind::Usage && error.message.contains("there is no journal at"), "{error:?}");
}

#[test]
fn nothing_open_is_said() {
    let scene = Scene::new();
    scene.writer().append(&[]).unwrap();
    let text = run(&scene, "list", OutputFormat::Table).1.stdout();
    assert!(text.ends_with("\nno incident fits: state open\n") && text.contains("0 open incidents"), "{text}");
}

#[test]
fn the_readme_knows_every_kind() {
    let readme = include_str!("../../../README.md").split("\n## Incidents\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for kind in IncidentKind::ALL {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.as_str())));
        let ends = row.map(|row| row.contains("| by itself |"));
        let is_told = readme.contains(&format!("`{}`", kind.as_str()));
        assert!(is_told && ends.is_none_or(|ends| ends == kind.ends_by_itself()), "{kind:?}: {row:?}");
    }
}
