//! Every refusal has its exit code, and a command that helps.

use clap::Parser;

use super::*;
use crate::cli::replay::ReplayArgs;
use crate::cli::samples::{JOURNAL, missed_by};
use crate::engine::halt::RuleHalt;
use crate::failure::Stage;
use crate::journal::OpenError;
use crate::receiver::Receivers;
use crate::record::{Offset, Slot};
use crate::settings::{Layers, table};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ReplayArgs,
}

fn told(line: &str, error: ReplayError) -> CommandError {
    let words = std::iter::once("replay").chain(line.split(' '));
    let Line { args } = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let layers = Layers::without_file(args.settings(), &|_| None);
    let mut given = args.settings();
    given.add(&table::RECEIVER, "all=discard:".to_owned());
    let settings = ReplaySettings::read(&Layers::without_file(given, &|_| None), &Receivers::new()).unwrap();
    of_error(error, &Typed::new(&args, &layers, &settings, JOURNAL))
}

fn place() -> Extent {
    Extent { topic: "orders".into(), partition: 3, low: 1_000, end: 1_302 }
}

#[test]
fn every_refusal_says_what_helps() {
    let some = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let missing = || OpenError::Missing("./redrive.db".into());
    for (line, error, code, hints) in [
        ("--code x", ReplayError::NothingSelected { missed: Vec::new() }, 2, &["errors list --state open,resolved,ignored"][..]),
        ("42", ReplayError::UnknownEntries { ids: vec![42] }, 2, &["errors list --state open,resolved,ignored"]),
        (
            "42 --to failed",
            ReplayError::NothingLeft { already: 1 },
            2,
            &["redrive replay 42 --to all", "redrive replay 42 --to NAME"],
        ),
        ("--all", ReplayError::SeveralGroups { groups: some(&["a", "b"]) }, 2, &["for a: redrive replay --all -g a", "--all -g b"]),
        ("42 -g a", ReplayError::OtherGroup { asked: "a".into(), groups: some(&["b"]) }, 2, &["redrive replay 42 -g b"]),
        ("--offset a:0:1", ReplayError::GroupUnknown { topic: "a".into() }, 2, &["--offset a:0:1 -g GROUP"]),
        (
            "42",
            ReplayError::UnknownReceiver { name: "biling".into(), known: some(&["billing"]) },
            2,
            &["did you mean --to billing?"],
        ),
        ("42", ReplayError::UnknownReceiver { name: "x".into(), known: some(&["a", "b"]) }, 2, &["there is a, b"]),
        (
            "42",
            ReplayError::MapToNobody { old: "a".into(), new: "biling".into(), known: some(&["billing"]) },
            2,
            &["did you mean --map a=billing?"],
        ),
        ("42", ReplayError::UnknownTopic { name: "ordres".into(), there: some(&["orders"]) }, 2, &["did you mean orders?"]),
        ("42", ReplayError::UnknownPartition { topic: "a".into(), partition: 7, count: 3 }, 2, &[]),
        ("42", ReplayError::PastEnd { place: place(), asked: "2000".into() }, 2, &["--offset orders:3:1000..1302"]),
        ("42", ReplayError::NoRecords { what: "it".into(), extent: None }, 2, &[]),
        ("42", ReplayError::NoRecords { what: "it".into(), extent: Some(place()) }, 2, &["--offset orders:3:1000..1302"]),
        (
            "--offset orders:3:7 --source topic",
            ReplayError::Gone { what: "it".into(), extent: Some(place()), has_journal: false },
            2,
            &["--offset orders:3:1000..1302", "redrive replay --offset orders:3:7 --source auto"],
        ),
        ("42", ReplayError::NoBroker { why: "it".into() }, 2, &["-b localhost:9092", "--include-uncommitted"]),
        ("42", ReplayError::Journal(missing()), 2, &["--journal PATH"]),
        ("42", ReplayError::Stopped, 3, &[]),
        ("42", ReplayError::Unanswered { place: "orders/3".into(), message: "timed out".into() }, 1, &[]),
        ("42", ReplayError::Write(LedgerError::Locked { path: "./redrive.db".into() }), 1, &["redrive replay 42"]),
    ] {
        let message = error.to_string();
        let told = told(line, error);
        assert_eq!((told.kind.exit_code(), told.message.as_str()), (code, message.as_str()));
        for hint in hints {
            assert!(told.hints.iter().any(|told| told.ends_with(hint) || told.contains(hint)), "{message}: {:?}", told.hints);
        }
        assert_eq!(told.hints.is_empty(), hints.is_empty(), "{message}: {:?}", told.hints);
    }
}

/// It has no entries, so no filter finds it.
#[test]
fn where_nothing_is_selected_what_receivers_missed_is_named_with_how_to_deliver_it() {
    let missed = |ranges| ReplayError::NothingSelected { missed: vec![missed_by("billing", ranges, 80)] };
    let all = told("--all --order key", missed(1)).hints;
    let expected = [
        "missed while down: up to 80 events in 1 range by billing of group shop: redrive group describe -g shop",
        "to deliver that: redrive replay --order key --offset orders:3:1220..1300 -g shop",
        "what there is: redrive errors list --state open,resolved,ignored",
    ];
    assert_eq!(all, expected);
    let first = told("--code x", missed(2)).hints;
    assert_eq!(first[1], "to deliver the first of it: redrive replay --offset orders:3:1220..1300 -g shop");
}

fn halt() -> RuleHalt {
    RuleHalt {
        rule: "stop".into(),
        rule_at: "redrive.toml, line 7".into(),
        slot: Slot { index: 0, epoch: 1 },
        topic: "orders".into(),
        partition: 3,
        offset: Offset::new(1_234).unwrap(),
        event_type: None,
        stage: Stage::Receive,
        receiver: Some("billing".into()),
        code: "fatal".into(),
        message: "no".into(),
    }
}

/// It commits nothing, and what halts it does not come again by itself.
#[test]
fn a_replay_that_a_rule_halts_says_what_is_true_of_replays() {
    let Line { args } = Line::try_parse_from(["replay", "42"]).unwrap();
    let mut given = args.settings();
    given.add(&table::RECEIVER, "all=discard:".to_owned());
    let layers = Layers::without_file(given, &|_| None);
    let settings = ReplaySettings::read(&layers, &Receivers::new()).unwrap();
    let told = of_end(&StopReason::HaltRule(Box::new(halt())), &settings, &Typed::new(&args, &layers, &settings, JOURNAL)).unwrap();
    assert_eq!(told.kind.exit_code(), 4);
    assert!(told.message.ends_with("receiver billing: no; it stays as it was, and the replay ended there"), "{}", told.message);
    let hints = [
        "once that is mended, say it again: redrive replay 42 --receiver 'all=discard:'",
        "to go on without it, let the rule do something else: then = \"journal\" in redrive.toml, line 7",
        "its incident: redrive incidents list",
    ];
    assert_eq!(told.hints, hints);
}
