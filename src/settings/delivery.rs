//! The settings of whatever delivers events, `consume` and `replay` alike.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::registry::RegistrySettings;
use crate::engine::flow::Budget;
use crate::engine::{Guarding, Order};
use crate::offsets;
use crate::policy::Rules;
use crate::receiver::{Receivers, Specification};
use crate::settings::error::SettingsError;
use crate::settings::layers::{self, Layers};
use crate::settings::table::{
    CONCURRENCY, DRAIN_TIMEOUT, EVENT_TYPE_FROM, FORMAT, GROUP, MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES, NO_STARTUP_GUARD, ORDER,
    UNRECOGNIZED,
};
use crate::settings::{did_you_mean, receivers, registry, rules, units, word};
use crate::stage::{Format, TypeFrom, Unrecognized};

/// How events are read, and who gets them.
pub(super) struct Delivery {
    pub(super) receivers: Vec<Specification>,
    pub(super) rules: Arc<Rules>,
    pub(super) concurrency: NonZeroUsize,
    pub(super) format: Format,
    pub(super) registry: Option<RegistrySettings>,
    pub(super) unrecognized: Unrecognized,
    pub(super) guard: Guarding,
    pub(super) order: Order,
    pub(super) budget: Budget,
    pub(super) drain_timeout: Duration,
    pub(super) type_from: TypeFrom,
}

impl Delivery {
    pub(super) fn read(layers: &Layers<'_>, brought: &Receivers) -> Result<Self, SettingsError> {
        let receivers = receivers::read(layers, brought)?;
        Ok(Self {
            rules: rules::read(layers, receivers.iter().map(|receiver| receiver.name.as_str()))?,
            receivers,
            concurrency: layers.one(&CONCURRENCY, count)?,
            registry: registry::read(layers)?,
            format: layers.one(&FORMAT, |text| word(text, &FORMAT_WORDS))?,
            unrecognized: layers.one(&UNRECOGNIZED, |text| word(text, &UNRECOGNIZED_WORDS))?,
            guard: if layers.is_on(&NO_STARTUP_GUARD)? { Guarding::Off } else { Guarding::On },
            order: order(layers)?,
            budget: Budget { records: layers.one(&MAX_IN_FLIGHT, count)?.get(), bytes: layers.one(&MAX_IN_FLIGHT_BYTES, size)? },
            drain_timeout: layers.one(&DRAIN_TIMEOUT, duration)?,
            type_from: layers.one(&EVENT_TYPE_FROM, type_from)?,
        })
    }
}

/// What must stay in order.
pub(super) fn order(layers: &Layers<'_>) -> Result<Order, SettingsError> {
    layers.one(&ORDER, |text| word(text, &ORDER_WORDS))
}

/// The consumer group, for commands that cannot do without one.
///
/// # Errors
/// When there is none, or its name is empty.
pub fn group(layers: &Layers<'_>) -> Result<String, SettingsError> {
    maybe_group(layers)?.ok_or_else(|| layers::missing(&GROUP))
}

/// As [`group`]; `None` where no layer has it.
///
/// # Errors
/// When its name is empty.
pub fn maybe_group(layers: &Layers<'_>) -> Result<Option<String>, SettingsError> {
    layers.maybe(&GROUP, |text| match text {
        "" => Err("the name of a consumer group".to_owned()),
        name => Ok(name.to_owned()),
    })
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    offsets::duration(text).ok_or_else(|| "a duration like 500ms, 10s, 5m, 2h or 7d".to_owned())
}

/// `like`: some, for people.
pub(super) fn above_zero(text: &str, like: &str) -> Result<Duration, String> {
    offsets::duration(text).filter(|time| !time.is_zero()).ok_or_else(|| format!("a duration above 0, like {like}"))
}

fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number from 1".to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    units::size(text).filter(|size| *size > 0).ok_or_else(|| "a size like 65536, 512KiB or 8MiB".to_owned())
}

fn type_from(text: &str) -> Result<TypeFrom, String> {
    TypeFrom::parse(text).ok_or_else(|| {
        let word = text.split(':').next().unwrap_or_default();
        let meant = did_you_mean(word, ["cloudevents", "header", "field", "topic"]);
        format!("cloudevents, header:NAME, field:/json/pointer or topic{meant}")
    })
}

const ORDER_WORDS: [(&str, Order); 3] = [("partition", Order::Partition), ("key", Order::Key), ("none", Order::None)];
const FORMAT_WORDS: [(&str, Format); 4] =
    [("auto", Format::Auto), ("json", Format::Json), ("avro", Format::Avro), ("raw", Format::Raw)];
const UNRECOGNIZED_WORDS: [(&str, Unrecognized); 2] = [("journal", Unrecognized::Journal), ("skip", Unrecognized::Skip)];
