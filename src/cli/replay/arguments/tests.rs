//! What is selected, to whom it goes, and what is refused.

use clap::Parser;

use super::*;
use crate::failure::Stage;
use crate::journal::FailureState;
use crate::offsets::Bounds;
use crate::settings::table;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ReplayArgs,
}

fn parse(line: &str) -> Result<ReplayArgs, String> {
    let words = shell_words::split(&format!("replay {line}")).unwrap();
    Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn request(line: &str) -> Result<Request, CommandError> {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).request(now())
}

fn entries(line: &str) -> FailureSelection {
    match request(line).unwrap().what {
        What::Entries(selection) => *selection,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn entries_are_named_by_ids() {
    for line in ["42 43", "42,43", "42 --to all 43"] {
        assert!(matches!(request(line).unwrap().what, What::Ids(ids) if ids == [42, 43]), "{line}");
    }
}

#[test]
fn entries_are_found_by_filters() {
    let all = entries("--all");
    assert_eq!(all.states, [FailureState::Open]);
    assert!(all.topics.is_empty() && all.receivers.is_empty());
    assert_eq!(entries("--state open,ignored").states, [FailureState::Open, FailureState::Ignored], "a state alone is a filter");
    let selection = entries("-t orders --partition 3 --stage decode --since 2h --receiver billing,audit --receiver search");
    assert_eq!((selection.topics, selection.partitions, selection.stages), (vec!["orders".into()], vec![3], vec![Stage::Decode]));
    assert_eq!(selection.receivers, ["billing", "audit", "search"]);
    assert_eq!((selection.since, selection.states), (Some("2026-11-23T10:00:00Z".parse().unwrap()), vec![FailureState::Open]));
}

#[test]
fn records_are_named_by_their_offsets() {
    let What::Records(ranges) = request("--offset orders:3:7..9,orders:*:@2h.. --offset payments:0:5").unwrap().what else {
        panic!()
    };
    let places: Vec<_> = ranges.iter().map(|range| (range.topic.as_deref().unwrap(), range.partition)).collect();
    assert_eq!(places, [("orders", Some(3)), ("orders", None), ("payments", Some(0))]);
    assert!(matches!(ranges[1].bounds, Bounds::Times { to: None, .. }));
}

#[test]
fn a_receiver_with_a_target_is_a_setting_and_one_without_it_a_filter() {
    let line = "--receiver billing --receiver billing=exec:worker,a,b --receiver audit,search --receiver-option billing.window=2";
    assert_eq!(entries(line).receivers, ["billing", "audit", "search"]);
    let settings = parse(line).unwrap().settings();
    assert_eq!(settings.values(&RECEIVER), ["billing=exec:worker,a,b"]);
    assert_eq!(settings.values(&table::RECEIVER_OPTION), ["billing.window=2"]);
    // What is no name is left to the settings, which say what was expected.
    let strange = parse("--receiver discard: --receiver Billing --receiver ''").unwrap();
    assert_eq!(strange.settings().values(&RECEIVER), ["discard:", "Billing", ""]);
    assert!(strange.request(now()).unwrap_err().message.starts_with("nothing is selected"));
    assert!(parse("--receiver billing").unwrap().settings().values(&RECEIVER).is_empty());
}

#[test]
fn how_it_is_delivered() {
    let usual = request("42").unwrap();
    assert_eq!((&usual.to, usual.source, usual.uncommitted), (&To::Failed, SourceChoice::Auto, Uncommitted::LeftToTheConsumer));
    assert_eq!((usual.group, usual.rate, usual.max_failures, usual.map), (None, None, None, Vec::new()));
    let line =
        "42 --to billing,audit --to search --map a=b --map c=b --source topic --include-uncommitted --rate 50/s --max-failures 1";
    let all = request(line).unwrap();
    assert_eq!(all.to, To::Names(["billing", "audit", "search"].map(str::to_owned).to_vec()));
    assert_eq!(all.map, [("a", "b"), ("c", "b")].map(|(old, new)| (old.to_owned(), new.to_owned())));
    assert_eq!((all.source, all.uncommitted), (SourceChoice::Topic, Uncommitted::Included));
    assert_eq!((all.rate, all.max_failures), (NonZeroU64::new(50), NonZeroU64::new(1)));
    assert_eq!((request("42 --to all").unwrap().to, request("42 --to failed").unwrap().to), (To::All, To::Failed));
    assert_eq!(request("42 --rate 50").unwrap().rate, NonZeroU64::new(50));
    let step = |line| parse(line).unwrap().step;
    assert!(step("42 --dry-run").dry_run && step("42 --yes").yes && !step("42").dry_run && !step("42").yes);
}

#[test]
fn what_is_selected_is_said_once_and_in_one_way() {
    for (line, message, hint) in [
        ("", "nothing is selected: name entries", "redrive replay 42"),
        ("--to all --rate 5/s", "nothing is selected", "redrive replay --offset orders:3:1200..1300"),
        ("-g shop --receiver all=discard:", "nothing is selected", "--receiver billing --since 2h"),
        ("42 --offset orders:3:7", "IDs and --offset cannot be given together: a replay is of records or of entries", "leave one"),
        ("--offset orders:3:7 --all", "--offset and --all cannot be given together: a replay is of", "leave one"),
        ("--offset 3:7 -t orders", "--offset and --topic cannot be given together", "the topic is part of it"),
        ("--offset orders:3:7 --receiver a,b", "--offset and --receiver cannot", "to choose who gets them: --to a,b"),
        ("42 --receiver billing", "IDs and --receiver cannot be given together: an ID is one entry", "--to billing"),
        ("42 --state resolved", "IDs and --state cannot", "leave one"),
        ("42 --state open", "IDs and --state cannot", "leave one"),
        ("42 --all", "IDs and --all cannot be given together: --all is every open entry", "leave one"),
        ("--all --code http_503", "--all and --code cannot be given together: --all is every", "leave one"),
        ("--offset 7..9", "--offset: `7..9` names no topic", "redrive replay --offset orders:3:7..9"),
        ("--offset orders:3:9..7", "--offset: the range `9..7` holds nothing", ""),
        ("42 --to ''", "--to is ``: expected failed, all, or names", ""),
        ("42 --to all,billing", "--to is `all,billing`: expected", "all stands alone: --to all"),
        ("42 --map a=b --map a=c", "--map says twice who gets what failed at a: b and c", "leave one"),
        ("--since yesterday", "--since: `yesterday` is not a time", ""),
    ] {
        let error = request(line).unwrap_err();
        assert_eq!(error.kind.exit_code(), 2);
        assert!(error.message.starts_with(message), "{line}: {}", error.message);
        assert!(hint.is_empty() || error.hints.iter().any(|told| told.contains(hint)), "{line}: {:?}", error.hints);
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for (line, expected) in [
        ("0", "expected a whole number from 1"),
        ("orders", "expected a whole number from 1"),
        ("42 --rate 0/s", "expected a whole number from 1 a second, like 50/s"),
        ("42 --rate 50/m", "expected a whole number from 1 a second, like 50/s"),
        ("42 --rate 0.5", "expected a whole number from 1 a second, like 50/s"),
        ("42 --max-failures 0", "expected a whole number from 1"),
        ("42 --map billing", "expected OLD=NEW, two names of receivers"),
        ("42 --map =billing", "expected OLD=NEW, two names of receivers"),
        ("42 --source kafka", "[possible values: auto, journal, topic]"),
        ("--partition 3", "--topic <TOPIC>"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}
