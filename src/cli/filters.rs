//! Filters: which failures a command is about. They mean the same for every command that has them.

use clap::Args;
use jiff::Timestamp;

use crate::cli::error::CommandError;
use crate::cli::word;
use crate::failure::{Class, Stage};
use crate::journal::{FailureSelection, FailureState};
use crate::offsets::{self, GrammarError, OffsetRange};

/// The state of what is asked for when nobody says so.
const USUAL: FailureState = FailureState::Open;

/// Those that have the same flag everywhere.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Filters (lists take commas, and may be repeated)")]
pub(super) struct PlainFilters {
    /// In these states [default: open]
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    #[arg(value_parser = word::one_of(FailureState::ALL, FailureState::as_str))]
    state: Vec<FailureState>,
    /// Of these topics
    #[arg(short = 't', long, value_name = "TOPIC", value_delimiter = ',')]
    topic: Vec<String>,
    /// Of these partitions of the topics
    #[arg(long, value_name = "N", value_delimiter = ',', requires = "topic", value_parser = word::number::<i32>(0, i64::from(i32::MAX)))]
    partition: Vec<i32>,
    /// That failed at these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',', value_parser = word::one_of(Stage::ALL, Stage::as_str))]
    stage: Vec<Stage>,
    /// Of these classes
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = word::one_of(Class::ALL, Class::as_str))]
    class: Vec<Class>,
    /// With these codes
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    code: Vec<String>,
    /// Of these event types, each in full
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = whole_type)]
    event_type: Vec<String>,
    /// Of these kinds: fingerprints, or at least 6 digits of them
    #[arg(long, value_name = "HEX", value_delimiter = ',')]
    fingerprint: Vec<String>,
    /// Last failed at this time or later: RFC 3339 with a zone, or how long ago: 15m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Last failed before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Last failed longer ago than this: 500ms, 10s, 5m, 2h, 7d
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
}

/// All of them.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Filters (lists take commas, and may be repeated)")]
pub(super) struct Filters {
    #[command(flatten)]
    plain: PlainFilters,
    /// At these offsets, [TOPIC:[PARTITION|*:]]RANGE; a RANGE is N, N..M, N.., @TIME..@TIME or @TIME.., without its end
    #[arg(long, value_name = "RANGE", value_delimiter = ',')]
    offset: Vec<String>,
    /// Of these consumer groups
    #[arg(short = 'g', long, value_name = "GROUP", value_delimiter = ',')]
    group: Vec<String>,
    /// Of these receivers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    receiver: Vec<String>,
}

impl PlainFilters {
    /// What they select, seen from `now`.
    pub(super) fn selection(&self, now: Timestamp) -> Result<FailureSelection, CommandError> {
        let time = |flag, text: &Option<String>| text.as_deref().map(|text| told(flag, offsets::time(text, now))).transpose();
        let until = time("--until", &self.until)?;
        let older = self.older_than.as_deref().map(|text| told("--older-than", offsets::before(text, now))).transpose()?;
        Ok(FailureSelection {
            states: self.states(),
            topics: self.topic.clone(),
            partitions: self.partition.clone(),
            stages: self.stage.clone(),
            classes: self.class.clone(),
            codes: self.code.clone(),
            types: self.event_type.clone(),
            fingerprints: self.fingerprint.clone(),
            since: time("--since", &self.since)?,
            until: [until, older].into_iter().flatten().min(),
            ..FailureSelection::default()
        })
    }

    fn states(&self) -> Vec<FailureState> {
        if self.state.is_empty() { vec![USUAL] } else { self.state.clone() }
    }

    /// The flag of one that was given, if any was.
    pub(super) fn first(&self) -> Option<&'static str> {
        let is_of_state = |flag: &str| flag == "--state" && self.state.is_empty();
        self.given().into_iter().map(|(flag, _)| flag).find(|flag| !is_of_state(flag))
    }

    /// The same filters as arguments.
    pub(super) fn words(&self) -> Vec<String> {
        typed(self.given(), &self.states())
    }

    fn given(&self) -> Vec<(&'static str, String)> {
        let named = |names: Vec<&str>| names.join(",");
        let partitions: Vec<String> = self.partition.iter().map(i32::to_string).collect();
        let single = |text: &Option<String>| text.clone().unwrap_or_default();
        let all = [
            ("--state", named(self.states().iter().map(|state| state.as_str()).collect())),
            ("--topic", self.topic.join(",")),
            ("--partition", partitions.join(",")),
            ("--stage", named(self.stage.iter().map(|stage| stage.as_str()).collect())),
            ("--class", named(self.class.iter().map(|class| class.as_str()).collect())),
            ("--code", self.code.join(",")),
            ("--type", self.event_type.join(",")),
            ("--fingerprint", self.fingerprint.join(",")),
            ("--since", single(&self.since)),
            ("--until", single(&self.until)),
            ("--older-than", single(&self.older_than)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl Filters {
    /// What they select, seen from `now`.
    pub(super) fn selection(&self, now: Timestamp) -> Result<FailureSelection, CommandError> {
        Ok(FailureSelection {
            offsets: self.offset.iter().map(|text| told("--offset", OffsetRange::parse(text, now))).collect::<Result<_, _>>()?,
            groups: self.group.clone(),
            receivers: self.receiver.clone(),
            ..self.plain.selection(now)?
        })
    }

    pub(super) fn states(&self) -> Vec<FailureState> {
        self.plain.states()
    }

    /// Nothing but the state is asked for.
    pub(super) fn are_none(&self) -> bool {
        let state = self.plain.state.clone();
        *self == Self { plain: PlainFilters { state, ..PlainFilters::default() }, ..Self::default() }
    }

    /// The same filters as arguments.
    pub(super) fn words(&self) -> Vec<String> {
        typed(self.given(), &self.states())
    }

    /// What is asked for, each with its flag: the states, and then all others that were given.
    pub(super) fn given(&self) -> Vec<(&'static str, String)> {
        let others =
            [("--offset", self.offset.join(",")), ("--group", self.group.join(",")), ("--receiver", self.receiver.join(","))];
        self.plain.given().into_iter().chain(others.into_iter().filter(|(_, value)| !value.is_empty())).collect()
    }
}

/// As they are typed: the usual state is not.
fn typed(given: Vec<(&'static str, String)>, states: &[FailureState]) -> Vec<String> {
    let given = given.into_iter().filter(|(flag, _)| *flag != "--state" || states != [USUAL]);
    given.flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
}

/// Receivers take patterns, so somebody will try one here.
fn whole_type(text: &str) -> Result<String, String> {
    if text.ends_with(".*") { Err("expected a type in full, not a pattern".to_owned()) } else { Ok(text.to_owned()) }
}

fn told<T>(flag: &str, read: Result<T, GrammarError>) -> Result<T, CommandError> {
    read.map_err(|error| CommandError::usage(format!("{flag}: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filters: Filters,
    }

    fn parse(words: &[&str]) -> Filters {
        Line::try_parse_from(std::iter::once(&"x").chain(words)).unwrap_or_else(|error| panic!("{error}")).filters
    }

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn select(words: &[&str]) -> FailureSelection {
        parse(words).selection(now()).unwrap()
    }

    const ALL: &[&str] = &[
        "--state=open,resolved",
        "-t",
        "orders,payments",
        "--partition=0,3",
        "--offset",
        "orders:3:7..9,@2h..",
        "-g=shop",
        "--receiver",
        "billing",
        "--receiver",
        "audit",
        "--stage=decode",
        "--class=transient,unknown",
        "--code=http_503",
        "--type=order.placed",
        "--fingerprint=9f2c41d0",
        "--since=7d",
        "--until=2026-11-23T11:00:00Z",
        "--older-than=2h",
    ];

    #[test]
    fn every_filter_selects() {
        let selection = select(ALL);
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(selection.states, [FailureState::Open, FailureState::Resolved]);
        assert_eq!((selection.topics, selection.partitions), (vec!["orders".into(), "payments".into()], vec![0, 3]));
        assert_eq!(selection.offsets.len(), 2);
        assert_eq!((selection.groups, selection.receivers), (vec!["shop".to_owned()], vec!["billing".into(), "audit".into()]));
        assert_eq!((selection.stages, selection.classes), (vec![Stage::Decode], vec![Class::Transient, Class::Unknown]));
        assert_eq!((selection.codes, selection.types), (vec!["http_503".to_owned()], vec!["order.placed".into()]));
        assert_eq!(selection.fingerprints, ["9f2c41d0"]);
        assert_eq!(selection.since, at("2026-11-16T12:00:00Z"));
        assert_eq!(selection.until, at("2026-11-23T10:00:00Z"), "the earlier of two ends");
    }

    #[test]
    fn without_filters_it_is_all_that_is_open() {
        let selection = select(&[]);
        assert_eq!(selection.states, [FailureState::Open]);
        assert!(selection.topics.is_empty() && selection.since.is_none() && selection.until.is_none());
        let first = |words: &[&str]| parse(words).plain.first();
        assert_eq!((first(&[]), first(&["--state=open"]), first(&["--code=x"])), (None, Some("--state"), Some("--code")));
        assert!(parse(&[]).are_none() && parse(&["--state=resolved"]).are_none() && !parse(&["--code=x"]).are_none());
    }

    #[test]
    fn filters_can_be_typed_again() {
        let words = parse(ALL).words();
        let again = parse(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(again.words(), words);
        assert_eq!(again, parse(ALL));
        assert!(parse(&[]).words().is_empty());
        assert!(parse(&["--state=open"]).words().is_empty());
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (words, expected) in [
            (&["--since=yesterday"][..], "--since: `yesterday` is not a time"),
            (&["--until=2026-11-23"], "--until: `2026-11-23` is not a time"),
            (&["--older-than=2026-11-23T11:00:00Z"], "--older-than: `2026-11-23T11:00:00Z` is not a duration"),
            (&["--offset=9..7"], "--offset: the range `9..7` holds nothing"),
        ] {
            let error = parse(words).selection(now()).unwrap_err();
            assert!(error.message.starts_with(expected), "{}", error.message);
        }
        for (words, expected) in [
            (["x", "--state=gone"], "[possible values: open, resolved, ignored]"),
            (["x", "--partition=3"], "--topic <TOPIC>"),
            (["x", "--type=order.*"], "expected a type in full, not a pattern"),
            (["x", "--class=x"], "[possible values: transient, permanent, consumer, unknown]"),
        ] {
            let error = Line::try_parse_from(words).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{error}");
        }
    }
}
