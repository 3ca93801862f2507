//! Settings: flags over environment over file over defaults. Nothing else reads the environment.
//!
//! `table` has every setting once; `layers` says which layer wins; `GlobalSettings`, `ConnectionSettings` and `ConsumeSettings` are what
//! commands are told.

mod consume;
mod error;
mod file;
mod global;
mod layers;
mod properties;
mod receivers;
mod screen;
pub mod table;
mod units;

pub use consume::{ConsumeSettings, StartFrom};
pub use error::SettingsError;
pub use global::{ConnectionSettings, GlobalSettings, Verbosity, screen};
pub use layers::{Environment, Found, Given, Layers, Origin, environment};
pub use screen::{Color, LogFormat, OutputFormat};

/// Reads one of the words of a type; the error says which words there are.
fn word<T: std::str::FromStr<Err = &'static str>>(text: &str) -> Result<T, String> {
    text.parse().map_err(str::to_owned)
}

#[cfg(test)]
mod tests;
