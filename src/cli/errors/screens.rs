//! The screens, looked at: each at 80, 100 and 200 columns, in colour, and where there is no screen at all.

use clap::Parser as _;

use crate::cli::errors::decoded::{Decoded, Meaning};
use crate::cli::errors::list::{ListArgs, Listing};
use crate::cli::errors::parts::Shown;
use crate::cli::errors::payload::Payload;
use crate::cli::samples::{self, JOURNAL};
use crate::cli::screen::Screen;
use crate::cli::window::Turn;
use crate::cli::window::composed::composed;
use crate::codec::framing::SchemaId;
use crate::journal::{FailureDetail, StateCounts};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: ListArgs,
}

const COUNTS: StateCounts = StateCounts { open: 9_418, resolved: 12, ignored: 3 };
const WIDTHS: [(&str, Option<usize>); 5] =
    [("40", Some(40)), ("80", Some(80)), ("100", Some(100)), ("200", Some(200)), ("no", None)];

fn list(words: &str, screen: Screen) -> String {
    let Line { args } = Line::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{error}"));
    let listing = Listing { args: &args, journal: JOURNAL, screen, counts: COUNTS, open_incidents: 1, missed: Vec::new() };
    composed(&listing, Turn { items: samples::failures(), next: Some(17) }, screen)
}

fn show(failure: &FailureDetail, screen: Screen) -> String {
    let decoded = Decoded::default();
    Shown { failure, decoded: &decoded, around: None, payload: None, journal: JOURNAL }.lines(screen).join("\n")
}

fn plain(width: Option<usize>) -> Screen {
    Screen { width, is_colored: false }
}

#[test]
fn lists() {
    for (name, width) in WIDTHS {
        insta::assert_snapshot!(format!("list_at_{name}_columns"), list("list", plain(width)));
    }
    let all = "list --state open,resolved --receiver billing --since 2h --limit 4";
    insta::assert_snapshot!("list_of_two_states_in_colour", list(all, Screen { width: Some(160), is_colored: true }));
}

/// What was missed is no entry: a list that says nothing of it would say that all is well.
#[test]
fn a_list_of_nothing_tells_what_receivers_missed() {
    let Line { args } = Line::try_parse_from(["list"]).unwrap();
    let (screen, counts, missed) = (plain(None), StateCounts::default(), vec![samples::missed_by("billing", 1, 80)]);
    let listing = Listing { args: &args, journal: JOURNAL, screen, counts, open_incidents: 0, missed };
    let shown = composed(&listing, Turn { items: Vec::new(), next: None }, screen);
    let told = "missed while down: up to 80 events in 1 range by billing of group shop: redrive group describe -g shop";
    assert!(shown.contains("no failure fits: state open") && shown.contains(told), "{shown}");
}

#[test]
fn one_failure() {
    for (name, width) in WIDTHS {
        insta::assert_snapshot!(format!("show_at_{name}_columns"), show(&samples::detail(), plain(width)));
    }
    insta::assert_snapshot!("show_in_colour", show(&samples::detail(), Screen { width: Some(100), is_colored: true }));
}

#[test]
fn a_hostile_failure() {
    insta::assert_snapshot!("show_hostile_at_100_columns", show(&samples::hostile(), plain(Some(100))));
}

#[test]
fn one_failure_and_what_is_around_it() {
    let (failure, around) = (samples::detail(), samples::around());
    let decoded = Decoded::default();
    let shown =
        Shown { failure: &failure, decoded: &decoded, around: Some(&around), payload: Some(Payload::None), journal: JOURNAL };
    insta::assert_snapshot!("show_around_at_100_columns", shown.lines(plain(Some(100))).join("\n"));
}

#[test]
fn a_long_value_is_shown_in_part() {
    let long = FailureDetail { value: Some(crate::journal::Bytes(vec![b'a'; 1 << 20])), ..samples::detail() };
    let shown = show(&long, plain(Some(80)));
    assert!(shown.len() < 20_000 && shown.contains("… the whole value: redrive errors show 9431 --raw > FILE"), "{}", shown.len());
    let whole =
        Shown { failure: &long, decoded: &Decoded::default(), around: None, payload: Some(Payload::Text), journal: JOURNAL }
            .lines(plain(Some(80)));
    assert!(whole.join("\n").len() > 1 << 20);
}

#[test]
fn no_row_is_wider_than_the_screen() {
    for width in 1..220 {
        let shown = list("list --state open,resolved", plain(Some(width)));
        // What stands before the table and behind it is broken only between its parts.
        let rows: Vec<_> =
            shown.lines().skip_while(|line| !["ID", "I…", "…"].contains(&line.get(..2).unwrap_or(line).trim())).take(5).collect();
        assert_eq!(rows.len(), 5, "{width}:\n{shown}");
        assert!(rows.iter().all(|row| crate::cli::cut::width(row) <= width), "{width}:\n{shown}");
    }
}

#[test]
fn what_schemas_make_of_the_bytes() {
    let failure = samples::detail();
    let meaning = |json: Result<&str, &str>| Meaning {
        schema: SchemaId::Number(37),
        kind: "AVRO".into(),
        json: json.map(|json| json.as_bytes().to_vec()).map_err(str::to_owned),
    };
    let shown = |decoded: &Decoded, payload| {
        Shown { failure: &failure, decoded, around: None, payload, journal: JOURNAL }.lines(plain(Some(100))).join("\n")
    };
    let decoded = Decoded { key: Some(meaning(Ok("\"A-1301\""))), value: Some(meaning(Ok("{\"a\":[1,2]}"))) };
    insta::assert_snapshot!("show_decoded", shown(&decoded, None));
    let bytes = shown(&decoded, Some(Payload::Hex));
    assert!(bytes.contains("bytes, hex") && bytes.contains("AVRO by schema 37  \"A-1301\""), "{bytes}");
    let broken = Decoded { key: None, value: Some(meaning(Err("it is not what the schema says: it ends early"))) };
    let said = shown(&broken, None);
    assert!(said.contains("AVRO by schema 37 (it is not what the schema says: it ends early), as JSON"), "{said}");
}
