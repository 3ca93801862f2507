//! Settings: flags over environment over file over defaults. Nothing else reads the environment.
//!
//! `table` has every setting once; `layers` says which layer wins; `GlobalSettings`, `ConnectionSettings`, `ConsumeSettings` and
//! `ReplaySettings` are what commands are told.

mod checked;
mod consume;
mod delivery;
mod error;
mod file;
mod global;
mod identity;
mod java_properties;
mod layers;
mod nearest;
mod properties;
mod receivers;
#[cfg(test)]
mod reference;
mod registry;
mod replay;
mod rules;
mod screen;
pub mod table;
mod units;

pub use checked::{CheckedSettings, Effective, effective};
pub use consume::{ConsumeSettings, Doing, Enabled};
pub use delivery::{group, maybe_group};
pub use error::SettingsError;
pub use global::{ConnectionSettings, GlobalSettings, Verbosity, screen};
pub use layers::{Environment, Found, Given, Layers, Origin, UnknownVariable, environment, unknown_variables, variables};
pub use nearest::{did_you_mean, nearest};
pub use replay::ReplaySettings;
pub use rules::PolicySettings;
pub use screen::{Color, LogFormat, OutputFormat};

/// Reads one of some words; the error lists them.
fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    match names.split_last() {
        Some((last, before)) => {
            let meant = did_you_mean(text, names.iter().copied());
            Err(format!("{} or {last}{meant}", before.join(", ")))
        }
        None => Err(String::new()),
    }
}

#[cfg(test)]
mod tests;
