//! The settings of `consume`.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::engine::flow::Budget;
use crate::engine::start::{OnGap, OnTruncation, StartFrom};
use crate::engine::{Conduct, Guarding, Order, UntilEnd};
use crate::offsets;
use crate::receiver::{Receivers, Specification};
use crate::record::is_topic_name;
use crate::settings::error::SettingsError;
use crate::settings::layers::Layers;
use crate::settings::table::{
    COMMIT_INTERVAL, CONCURRENCY, DRAIN_TIMEOUT, DRY_RUN, ENABLED, EVENT_TYPE_FROM, FAIL_ON_ERRORS, FORMAT, FROM, GROUP, IDLE_EXIT,
    MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES, MAX_RECORDS, NO_STARTUP_GUARD, ON_GAP, ON_TRUNCATION, ORDER, TOPIC, TOPIC_PREFIX,
    UNRECOGNIZED, UNTIL_END,
};
use crate::settings::{did_you_mean, layers, receivers, units, word};
use crate::stage::{Format, TypeFrom, Unrecognized};

/// What `consume` is told.
#[derive(Clone)]
pub struct ConsumeSettings {
    pub enabled: Enabled,
    /// Prefixed; patterns begin with `^`.
    pub topics: Vec<String>,
    pub group: String,
    pub receivers: Vec<Specification>,
    pub from: Option<StartFrom>,
    pub concurrency: NonZeroUsize,
    pub format: Format,
    pub unrecognized: Unrecognized,
    pub guard: Guarding,
    pub doing: Doing,
    pub conduct: Conduct,
    /// Failures make the exit code 3.
    pub fail_on_errors: bool,
}

/// The kill-switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enabled {
    #[default]
    Yes,
    /// Stay up, idle and in no group, until asked to stop.
    No,
    /// End at once, and well.
    Exit,
}

/// Whether it is done, or only shown what would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    #[default]
    Consume,
    /// Join no group, deliver, commit and write nothing.
    DryRun,
}

impl ConsumeSettings {
    /// # Errors
    /// When something needed is missing, or a value means nothing.
    pub fn read(layers: &Layers<'_>, brought: &Receivers) -> Result<Self, SettingsError> {
        Ok(Self {
            enabled: layers.one(&ENABLED, enabled)?,
            topics: topics(layers)?,
            group: layers.one(&GROUP, |text| filled(text, "the name of a consumer group"))?,
            receivers: receivers::read(layers, brought)?,
            from: layers.maybe(&FROM, start_from)?,
            concurrency: layers.one(&CONCURRENCY, count)?,
            format: layers.one(&FORMAT, |text| word(text, &FORMAT_WORDS))?,
            unrecognized: layers.one(&UNRECOGNIZED, |text| word(text, &UNRECOGNIZED_WORDS))?,
            guard: if layers.is_on(&NO_STARTUP_GUARD)? { Guarding::Off } else { Guarding::On },
            doing: if layers.is_on(&DRY_RUN)? { Doing::DryRun } else { Doing::Consume },
            conduct: conduct(layers)?,
            fail_on_errors: layers.is_on(&FAIL_ON_ERRORS)?,
        })
    }
}

fn conduct(layers: &Layers<'_>) -> Result<Conduct, SettingsError> {
    Ok(Conduct {
        order: layers.one(&ORDER, |text| word(text, &ORDER_WORDS))?,
        budget: Budget {
            records: layers.one(&MAX_IN_FLIGHT, count)?.get(),
            bytes: layers.one(&MAX_IN_FLIGHT_BYTES, |text| {
                units::size(text).filter(|size| *size > 0).ok_or_else(|| "a size like 65536, 512KiB or 8MiB".to_owned())
            })?,
        },
        commit_interval: layers.one(&COMMIT_INTERVAL, duration)?,
        drain_timeout: layers.one(&DRAIN_TIMEOUT, duration)?,
        type_from: layers.one(&EVENT_TYPE_FROM, |text| {
            TypeFrom::parse(text).ok_or_else(|| {
                let word = text.split(':').next().unwrap_or_default();
                let meant = did_you_mean(word, ["cloudevents", "header", "field", "topic"]);
                format!("cloudevents, header:NAME, field:/json/pointer or topic{meant}")
            })
        })?,
        on_gap: layers.one(&ON_GAP, |text| word(text, &ON_GAP_WORDS))?,
        on_truncation: layers.one(&ON_TRUNCATION, |text| word(text, &ON_TRUNCATION_WORDS))?,
        max_records: layers.maybe(&MAX_RECORDS, |text| {
            text.parse().ok().filter(|max| *max > 0).ok_or_else(|| "a whole number from 1".to_owned())
        })?,
        until_end: if layers.is_on(&UNTIL_END)? { UntilEnd::Yes } else { UntilEnd::No },
        idle_exit: layers.maybe(&IDLE_EXIT, |text| {
            duration(text).ok().filter(|time| !time.is_zero()).ok_or_else(|| "a duration above 0, like 500ms, 10s or 5m".to_owned())
        })?,
    })
}

/// A switch with a third position.
fn enabled(text: &str) -> Result<Enabled, String> {
    match text {
        "true" | "1" => Ok(Enabled::Yes),
        "false" | "0" => Ok(Enabled::No),
        "exit" => Ok(Enabled::Exit),
        _ => Err(format!("true, false or exit{}", did_you_mean(text, ["true", "false", "exit"]))),
    }
}

fn topics(layers: &Layers<'_>) -> Result<Vec<String>, SettingsError> {
    let topics = layers.many(&TOPIC, topic)?;
    if topics.is_empty() {
        return Err(layers::missing(&TOPIC));
    }
    let prefix = layers.maybe(&TOPIC_PREFIX, |text| Ok(text.to_owned()))?.filter(|prefix| !prefix.is_empty());
    let Some(prefix) = prefix else { return Ok(topics) };
    let prefixed = |topic: String| match topic.strip_prefix('^') {
        // In a group of its own: the prefix stands before each alternative.
        Some(pattern) => format!("^{}-(?:{pattern})", regex::escape(&prefix)),
        None => format!("{prefix}-{topic}"),
    };
    Ok(topics.into_iter().map(prefixed).collect())
}

fn topic(text: &str) -> Result<String, String> {
    if text.starts_with('^') || is_topic_name(text) {
        return Ok(text.to_owned());
    }
    Err("the name of a topic (A-Z, a-z, 0-9, `.`, `_` and `-`, at most 249), or a pattern that begins with ^".to_owned())
}

fn filled(text: &str, expected: &str) -> Result<String, String> {
    if text.is_empty() { Err(expected.to_owned()) } else { Ok(text.to_owned()) }
}

fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number from 1".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    offsets::duration(text).ok_or_else(|| "a duration like 500ms, 10s, 5m, 2h or 7d".to_owned())
}

fn start_from(text: &str) -> Result<StartFrom, String> {
    match text {
        "earliest" => Ok(StartFrom::Earliest),
        "latest" => Ok(StartFrom::Latest),
        time => time.parse().map(StartFrom::Time).map_err(|_| {
            let meant = did_you_mean(text, ["earliest", "latest"]);
            format!("earliest, latest or a time with its zone, like 2026-11-23T05:00:00Z{meant}")
        }),
    }
}

const ORDER_WORDS: [(&str, Order); 3] = [("partition", Order::Partition), ("key", Order::Key), ("none", Order::None)];
const FORMAT_WORDS: [(&str, Format); 3] = [("auto", Format::Auto), ("json", Format::Json), ("raw", Format::Raw)];
const UNRECOGNIZED_WORDS: [(&str, Unrecognized); 2] = [("journal", Unrecognized::Journal), ("skip", Unrecognized::Skip)];
const ON_GAP_WORDS: [(&str, OnGap); 2] = [("earliest", OnGap::Earliest), ("halt", OnGap::Halt)];
const ON_TRUNCATION_WORDS: [(&str, OnTruncation); 3] =
    [("hold", OnTruncation::Hold), ("earliest", OnTruncation::Earliest), ("latest", OnTruncation::Latest)];
