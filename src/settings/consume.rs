//! The settings of `consume`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::codec::registry::RegistrySettings;
use crate::engine::start::{OnGap, OnTruncation, StartFrom};
use crate::engine::{Conduct, Guarding, UntilEnd};
use crate::policy::Rules;
use crate::receiver::{Receivers, Specification};
use crate::record::is_topic_name;
use crate::settings::delivery::{self, Delivery, above_zero, duration};
use crate::settings::error::SettingsError;
use crate::settings::layers::Layers;
use crate::settings::table::{
    COMMIT_INTERVAL, DRY_RUN, ENABLED, FAIL_ON_ERRORS, FROM, IDLE_EXIT, MAX_CONSECUTIVE_ERRORS, MAX_RECORDS, ON_GAP, ON_TRUNCATION,
    TOPIC, TOPIC_PREFIX, UNTIL_END,
};
use crate::settings::{did_you_mean, layers, word};
use crate::stage::{Format, Unrecognized};

/// What `consume` is told.
#[derive(Clone)]
pub struct ConsumeSettings {
    pub enabled: Enabled,
    /// Prefixed; patterns begin with `^`.
    pub topics: Vec<String>,
    pub group: String,
    pub receivers: Vec<Specification>,
    pub rules: Arc<Rules>,
    pub from: Option<StartFrom>,
    pub concurrency: NonZeroUsize,
    pub format: Format,
    pub registry: Option<RegistrySettings>,
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
        let (enabled, topics) = (layers.one(&ENABLED, enabled)?, topics(layers)?);
        let group = delivery::group(layers)?;
        let Delivery {
            receivers,
            rules,
            concurrency,
            format,
            registry,
            unrecognized,
            guard,
            order,
            budget,
            drain_timeout,
            type_from,
        } = Delivery::read(layers, brought)?;
        let conduct = Conduct {
            order,
            budget,
            commit_interval: layers.one(&COMMIT_INTERVAL, duration)?,
            drain_timeout,
            type_from,
            on_gap: layers.one(&ON_GAP, |text| word(text, &ON_GAP_WORDS))?,
            on_truncation: layers.one(&ON_TRUNCATION, |text| word(text, &ON_TRUNCATION_WORDS))?,
            max_consecutive_errors: layers.maybe(&MAX_CONSECUTIVE_ERRORS, max_errors)?,
            max_records: layers.maybe(&MAX_RECORDS, max_records)?,
            until_end: if layers.is_on(&UNTIL_END)? { UntilEnd::Yes } else { UntilEnd::No },
            idle_exit: layers.maybe(&IDLE_EXIT, idle_exit)?,
        };
        Ok(Self {
            enabled,
            topics,
            group,
            receivers,
            rules,
            from: layers.maybe(&FROM, start_from)?,
            concurrency,
            format,
            registry,
            unrecognized,
            guard,
            doing: if layers.is_on(&DRY_RUN)? { Doing::DryRun } else { Doing::Consume },
            conduct,
            fail_on_errors: layers.is_on(&FAIL_ON_ERRORS)?,
        })
    }
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

fn max_errors(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "a whole number from 1".to_owned())
}

fn max_records(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|max| *max > 0).ok_or_else(|| "a whole number from 1".to_owned())
}

fn idle_exit(text: &str) -> Result<Duration, String> {
    above_zero(text, "500ms, 10s or 5m")
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

const ON_GAP_WORDS: [(&str, OnGap); 2] = [("earliest", OnGap::Earliest), ("halt", OnGap::Halt)];
const ON_TRUNCATION_WORDS: [(&str, OnTruncation); 3] =
    [("hold", OnTruncation::Hold), ("earliest", OnTruncation::Earliest), ("latest", OnTruncation::Latest)];
