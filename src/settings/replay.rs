//! The settings of `replay`: those of any delivery. What is delivered again is no setting; it is asked for each time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::registry::RegistrySettings;
use crate::engine::start::{OnGap, OnTruncation};
use crate::engine::{Conduct, Guarding, UntilEnd};
use crate::policy::Rules;
use crate::receiver::{Receivers, Specification};
use crate::settings::delivery::{self, Delivery};
use crate::settings::error::SettingsError;
use crate::settings::layers::Layers;
use crate::stage::{Format, Unrecognized};

/// How often what is settled is written down. A replay commits no offsets.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);

/// What `replay` is told, beside what it is asked to deliver.
#[derive(Clone)]
pub struct ReplaySettings {
    /// In whose name it is delivered; `None`: the one that the selection is of.
    pub group: Option<String>,
    pub receivers: Vec<Specification>,
    pub rules: Arc<Rules>,
    pub concurrency: NonZeroUsize,
    pub format: Format,
    pub registry: Option<RegistrySettings>,
    pub unrecognized: Unrecognized,
    pub guard: Guarding,
    pub conduct: Conduct,
}

impl ReplaySettings {
    /// # Errors
    /// When there is no receiver, or a value means nothing.
    pub fn read(layers: &Layers<'_>, brought: &Receivers) -> Result<Self, SettingsError> {
        let group = delivery::maybe_group(layers)?;
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
        // What is delivered is fixed before it begins, and it ends there: where a partition starts and ends is not a question of settings.
        let conduct = Conduct {
            order,
            budget,
            commit_interval: COMMIT_INTERVAL,
            drain_timeout,
            type_from,
            on_gap: OnGap::Earliest,
            on_truncation: OnTruncation::Hold,
            max_consecutive_errors: None,
            max_records: None,
            until_end: UntilEnd::Yes,
            idle_exit: None,
        };
        Ok(Self { group, receivers, rules, concurrency, format, registry, unrecognized, guard, conduct })
    }
}
