//! The rules of a settings file, for those who are told about receivers: a rule is about receivers that are there.

pub(super) mod keys;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::policy::Rules;
use crate::receiver::Receivers;
use crate::settings::error::SettingsError;
use crate::settings::layers::Layers;
use crate::settings::{did_you_mean, receivers};

/// What `policy` is told: rules, and whom they may be about.
#[derive(Clone, Debug)]
pub struct PolicySettings {
    pub rules: Arc<Rules>,
    /// The names of all receivers that are defined.
    pub receivers: Vec<String>,
    /// `None`: there is no settings file.
    pub file: Option<String>,
}

impl PolicySettings {
    /// Nothing but the name of a receiver is looked at: its secrets need not be there.
    #[must_use]
    pub fn read(layers: &Layers<'_>, brought: &Receivers) -> Self {
        let file = layers.file.as_ref().map(|file| file.path.clone());
        Self { rules: of(layers), receivers: receivers::names(layers, brought), file }
    }

    /// The same of another settings file; flags and environment count as ever.
    ///
    /// # Errors
    /// When it cannot be read, or is no settings file.
    pub fn of_file(layers: &Layers<'_>, path: &Path, brought: &Receivers) -> Result<Self, SettingsError> {
        Ok(Self::read(&layers.with_file(path, "rules")?, brought))
    }

    /// Whether each receiver that a rule names is one of these, or of `others`. Where there is none at all, nobody can say.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self, others: &[String]) -> Result<(), SettingsError> {
        let names: BTreeSet<&str> = self.receivers.iter().chain(others).map(String::as_str).collect();
        if names.is_empty() { Ok(()) } else { check(&self.rules, &names) }
    }
}

/// The rules, checked against these receivers.
pub(super) fn read<'n>(layers: &Layers<'_>, receivers: impl Iterator<Item = &'n str>) -> Result<Arc<Rules>, SettingsError> {
    let rules = of(layers);
    check(&rules, &receivers.collect())?;
    Ok(rules)
}

/// The rules of the settings file, whoever their receivers are.
pub(super) fn of(layers: &Layers<'_>) -> Arc<Rules> {
    layers.file.as_ref().map(|file| Arc::clone(&file.rules)).unwrap_or_default()
}

fn check(rules: &Rules, receivers: &BTreeSet<&str>) -> Result<(), SettingsError> {
    let named = rules.iter().flat_map(|rule| rule.when.receivers.iter().map(move |name| (rule, name)));
    let mut unknown = named.filter(|(_, name)| !receivers.contains(name.as_str()));
    let Some((rule, name)) = unknown.next() else { return Ok(()) };
    let there = || receivers.iter().copied();
    let meant = did_you_mean(name, there());
    let there = if meant.is_empty() { format!(": expected {}", there().collect::<Vec<_>>().join(", ")) } else { meant };
    let message = format!("there is no receiver {name}{there}");
    Err(SettingsError::Rule { place: rule.place(), rule: format!("`{}`", rule.name), message })
}
