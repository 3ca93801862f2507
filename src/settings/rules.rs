//! The rules of a settings file, for those who are told about receivers: a rule is about receivers that are there.

pub(super) mod keys;

use std::path::Path;
use std::sync::Arc;

use crate::policy::Rules;
use crate::settings::did_you_mean;
use crate::settings::error::SettingsError;
use crate::settings::file::File;
use crate::settings::layers::{Layers, Origin};

/// The rules, checked against these receivers.
pub(super) fn read<'n>(layers: &Layers<'_>, receivers: impl Iterator<Item = &'n str> + Clone) -> Result<Arc<Rules>, SettingsError> {
    let rules = of(layers);
    check(&rules, receivers)?;
    Ok(rules)
}

/// The rules of the settings file, whoever their receivers are.
pub(super) fn of(layers: &Layers<'_>) -> Arc<Rules> {
    layers.file.as_ref().map(|file| Arc::clone(&file.rules)).unwrap_or_default()
}

/// The rules of another settings file; nothing else in it counts.
///
/// # Errors
/// When it cannot be read, or is no settings file.
pub fn rules_of(path: &Path) -> Result<Arc<Rules>, SettingsError> {
    Ok(File::read(path, &Origin::Flag("rules"))?.rules)
}

/// Whether each receiver that a rule names is one of these.
///
/// # Errors
/// When one is not.
pub fn check<'n>(rules: &Rules, receivers: impl Iterator<Item = &'n str> + Clone) -> Result<(), SettingsError> {
    let named = rules.iter().flat_map(|rule| rule.when.receivers.iter().map(move |name| (rule, name)));
    let mut unknown = named.filter(|(_, name)| receivers.clone().all(|there| there != *name));
    let Some((rule, name)) = unknown.next() else { return Ok(()) };
    let meant = did_you_mean(name, receivers.clone());
    let there = if meant.is_empty() { format!(": expected {}", receivers.collect::<Vec<_>>().join(", ")) } else { meant };
    let message = format!("there is no receiver {name}{there}");
    Err(SettingsError::Rule { place: rule.place(), rule: format!("`{}`", rule.name), message })
}
