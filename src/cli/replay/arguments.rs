//! What `replay` takes: what is delivered again, to whom, and how carefully.
//!
//! Only the command line selects and confirms: nothing here has a variable or a key in the settings file.

use std::num::NonZeroU64;

use clap::Args;
use jiff::Timestamp;

use crate::cli::error::CommandError;
use crate::cli::filters::PlainFilters;
use crate::cli::flags::ReplayFlags;
use crate::cli::word;
use crate::journal::FailureSelection;
use crate::offsets::OffsetRange;
use crate::replay::{Request, SourceChoice, To, Uncommitted, What};
use crate::settings::Given;
use crate::settings::table::RECEIVER;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    pub(super) step: StepArgs,
    #[command(flatten)]
    filters: PlainFilters,
    #[command(flatten)]
    flags: ReplayFlags,
}

#[derive(Args, Clone, Debug)]
struct WhatArgs {
    /// Entries by their IDs, whatever their state
    #[arg(value_name = "ID", value_delimiter = ',', value_parser = word::number::<i64>(1, i64::MAX))]
    ids: Vec<i64>,
    /// Records by their offsets, TOPIC:PARTITION:RANGE; * is every partition; a RANGE is N, N..M, N.., @TIME..@TIME or @TIME.., without
    /// its end (repeatable)
    #[arg(long, value_name = "TOPIC:PARTITION:RANGE", value_delimiter = ',')]
    offset: Vec<String>,
    /// Every open entry
    #[arg(long)]
    all: bool,
}

#[derive(Args, Clone, Debug)]
struct HowArgs {
    /// Who gets it: failed (those that do not have it), all, or receivers by name [default: failed]
    #[arg(long, value_name = "failed|all|NAME,…", value_delimiter = ',')]
    to: Vec<String>,
    /// What failed at the receiver OLD goes to NEW (repeatable)
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    map: Vec<(String, String)>,
    /// Where the bytes come from; auto: entries from the journal, records from their topic, and either from the other where they are gone
    #[arg(long, value_name = "SOURCE", default_value = "auto", value_parser = word::one_of(SourceChoice::ALL, SourceChoice::as_str))]
    source: SourceChoice,
    /// Deliver also what the group has not committed yet, and will get anyway; entries then need no broker
    #[arg(long)]
    include_uncommitted: bool,
    /// At most so many records a second: 50/s
    #[arg(long, value_name = "N/s", value_parser = rate)]
    rate: Option<NonZeroU64>,
    /// Stop after so many failures
    #[arg(long, value_name = "N", value_parser = from_one)]
    max_failures: Option<NonZeroU64>,
}

/// How far it goes.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct StepArgs {
    /// Say what would be delivered, and deliver nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Deliver more than 1,000 without being asked
    #[arg(long)]
    pub(super) yes: bool,
}

impl ReplayArgs {
    /// What is given of settings: a receiver's name alone only selects.
    pub(in crate::cli) fn settings(&self) -> Given {
        self.flags.0.clone().retain(&RECEIVER, |receiver| !is_selection(receiver))
    }

    /// What is asked for, seen from `now`; the group is a setting.
    pub(super) fn request(&self, now: Timestamp) -> Result<Request, CommandError> {
        let how = &self.how;
        Ok(Request {
            what: self.what(now)?,
            words: self.words(),
            group: None,
            to: to(&how.to)?,
            map: renamings(&how.map)?,
            source: how.source,
            uncommitted: if how.include_uncommitted { Uncommitted::Included } else { Uncommitted::LeftToTheConsumer },
            rate: how.rate,
            max_failures: how.max_failures,
        })
    }

    /// The selection and how it is delivered, as arguments: each flag with its value.
    pub(super) fn words(&self) -> Vec<Vec<String>> {
        let (what, how) = (&self.what, &self.how);
        let pair = |flag: &str, value: String| vec![flag.to_owned(), value];
        let mut words: Vec<Vec<String>> = what.ids.iter().map(|id| vec![id.to_string()]).collect();
        words.extend(what.offset.iter().map(|range| pair("--offset", range.clone())));
        words.extend(what.all.then(|| vec!["--all".to_owned()]));
        words.extend(self.filters.words().chunks(2).map(<[String]>::to_vec));
        let receivers = self.receivers();
        words.extend((!receivers.is_empty()).then(|| pair("--receiver", receivers.join(","))));
        words.extend((!how.to.is_empty()).then(|| pair("--to", how.to.join(","))));
        words.extend(how.map.iter().map(|(old, new)| pair("--map", format!("{old}={new}"))));
        let is_usual = how.source == SourceChoice::default();
        words.extend((!is_usual).then(|| pair("--source", how.source.as_str().to_owned())));
        words.extend(how.include_uncommitted.then(|| vec!["--include-uncommitted".to_owned()]));
        words.extend(how.rate.map(|rate| pair("--rate", format!("{rate}/s"))));
        words.extend(how.max_failures.map(|most| pair("--max-failures", most.to_string())));
        words
    }

    fn what(&self, now: Timestamp) -> Result<What, CommandError> {
        match self.ways().as_slice() {
            [] => Err(nothing()),
            [one, other, ..] => Err(self.several(*one, *other)),
            [Way::Ids] => Ok(What::Ids(self.what.ids.clone())),
            [Way::Offset] => self.what.offset.iter().map(|text| range(text, now)).collect::<Result<_, _>>().map(What::Records),
            [Way::All | Way::Filter(_)] => {
                let selection = FailureSelection { receivers: self.receivers(), ..self.filters.selection(now)? };
                Ok(What::Entries(Box::new(selection)))
            }
        }
    }

    /// In how many ways something is selected.
    fn ways(&self) -> Vec<Way> {
        let filter = if self.receivers().is_empty() { self.filters.first() } else { Some("--receiver") };
        let all = [
            (!self.what.ids.is_empty()).then_some(Way::Ids),
            (!self.what.offset.is_empty()).then_some(Way::Offset),
            self.what.all.then_some(Way::All),
            filter.map(Way::Filter),
        ];
        all.into_iter().flatten().collect()
    }

    /// The receivers whose entries are asked for.
    fn receivers(&self) -> Vec<String> {
        let named = self.flags.0.values(&RECEIVER).iter().filter(|receiver| is_selection(receiver));
        named.flat_map(|names| names.split(',')).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn several(&self, one: Way, other: Way) -> CommandError {
        let why = match (one, other) {
            (Way::Ids, Way::Offset) | (Way::Offset, _) => "a replay is of records or of entries",
            (_, Way::All) | (Way::All, _) => "--all is every open entry",
            _ => "an ID is one entry, and needs no filter",
        };
        let (one, other) = (one.as_str(), other.as_str());
        let told = CommandError::usage(format!("{one} and {other} cannot be given together: {why}"));
        match other {
            "--receiver" => {
                let to = self.receivers().join(",");
                told.hint(format!("--receiver {to} selects entries; to choose who gets them: --to {to}"))
            }
            "--topic" if one == "--offset" => told.hint("the topic is part of it: redrive replay --offset orders:3:1200..1300"),
            _ => told.hint("leave one of them away"),
        }
    }
}

/// A way to say what is delivered.
#[derive(Clone, Copy)]
enum Way {
    Ids,
    Offset,
    All,
    /// With its flag.
    Filter(&'static str),
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ids => "IDs",
            Self::Offset => "--offset",
            Self::All => "--all",
            Self::Filter(flag) => flag,
        }
    }
}

fn nothing() -> CommandError {
    CommandError::usage("nothing is selected: name entries by ID, with filters or --all, or records with --offset")
        .hint("for example: redrive replay 42")
        .hint("or: redrive replay --receiver billing --since 2h --dry-run")
        .hint("or: redrive replay --offset orders:3:1200..1300 --to all")
}

/// Of a name nothing else is known: what has more in it than names have says who gets events, or tries to.
fn is_selection(receiver: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b',');
    !receiver.is_empty() && receiver.bytes().all(fits)
}

fn range(text: &str, now: Timestamp) -> Result<OffsetRange, CommandError> {
    let range = OffsetRange::parse_placed(text, now).map_err(|error| CommandError::usage(format!("--offset: {error}")))?;
    if range.topic.is_none() {
        let told = CommandError::usage(format!("--offset: `{text}` names no topic: expected TOPIC:PARTITION:RANGE"));
        return Err(told.hint(format!("for example: redrive replay --offset orders:3:{text}")));
    }
    Ok(range)
}

fn to(words: &[String]) -> Result<To, CommandError> {
    match words {
        [] => return Ok(To::Failed),
        [one] if one == "failed" => return Ok(To::Failed),
        [one] if one == "all" => return Ok(To::All),
        _ => {}
    }
    if let Some(word) = words.iter().find(|word| ["failed", "all", ""].contains(&word.as_str())) {
        let given = words.join(",");
        let told = CommandError::usage(format!("--to is `{given}`: expected failed, all, or names of receivers"));
        return Err(if word.is_empty() { told } else { told.hint(format!("{word} stands alone: --to {word}")) });
    }
    Ok(To::Names(words.to_vec()))
}

fn renamings(given: &[(String, String)]) -> Result<Vec<(String, String)>, CommandError> {
    for (at, (old, new)) in given.iter().enumerate() {
        if let Some((_, other)) = given.iter().take(at).find(|(of, _)| of == old) {
            let message = format!("--map says twice who gets what failed at {old}: {other} and {new}");
            return Err(CommandError::usage(message).hint("leave one of them away"));
        }
    }
    Ok(given.to_vec())
}

fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err("expected OLD=NEW, two names of receivers".to_owned()),
    }
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    text.strip_suffix("/s").unwrap_or(text).parse().map_err(|_| "expected a whole number from 1 a second, like 50/s".to_owned())
}

fn from_one(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "expected a whole number from 1".to_owned())
}

#[cfg(test)]
mod tests;
