//! The settings that every command has.

use std::path::PathBuf;

use crate::settings::error::SettingsError;
use crate::settings::layers::Layers;
use crate::settings::screen::{COLOR_WORDS, Color, LOG_FORMAT_WORDS, LogFormat, OUTPUT_WORDS, OutputFormat};
use crate::settings::table::{ALLOW_UNSAFE_JOURNAL, BOOTSTRAP_SERVER, COLOR, JOURNAL, LOG_FORMAT, OUTPUT, QUIET, VERBOSE};
use crate::settings::{properties, word};

/// What every command is told, beside how stdout speaks ([`screen`]).
#[derive(Clone, Debug)]
pub struct GlobalSettings {
    pub journal: PathBuf,
    /// Accept a network file system.
    pub allow_unsafe_journal: bool,
    pub verbosity: Verbosity,
    pub log_format: LogFormat,
}

/// How the cluster is reached. No `Debug`: properties may be secrets.
#[derive(Clone)]
pub struct ConnectionSettings {
    pub bootstrap: String,
    /// The last of a name counts.
    pub properties: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    Quiet,
    #[default]
    Normal,
    Verbose,
    /// With what the Kafka client says.
    VeryVerbose,
}

impl GlobalSettings {
    /// # Errors
    /// When a value means nothing.
    pub fn read(layers: &Layers<'_>) -> Result<Self, SettingsError> {
        let verbose = layers.maybe(&VERBOSE, |text| match text {
            "true" => Ok(1),
            "false" => Ok(0),
            _ => text.parse::<u8>().map_err(|_| "a small whole number".to_owned()),
        })?;
        let verbosity = match (layers.is_on(&QUIET)?, verbose.unwrap_or_default()) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, 1) => Verbosity::Verbose,
            (false, _) => Verbosity::VeryVerbose,
        };
        Ok(Self {
            journal: layers.one(&JOURNAL, |path| Ok(PathBuf::from(path)))?,
            allow_unsafe_journal: layers.is_on(&ALLOW_UNSAFE_JOURNAL)?,
            verbosity,
            log_format: layers.one(&LOG_FORMAT, |text| word(text, &LOG_FORMAT_WORDS))?,
        })
    }
}

/// How stdout speaks: needed before anything else, to say what is wrong with the rest.
///
/// # Errors
/// When a value means nothing.
pub fn screen(layers: &Layers<'_>) -> Result<(OutputFormat, Color), SettingsError> {
    let color = layers.one(&COLOR, |text| word(text, &COLOR_WORDS))?;
    let is_plain = color == Color::Auto && (layers.environment)("NO_COLOR").is_some();
    Ok((layers.one(&OUTPUT, |text| word(text, &OUTPUT_WORDS))?, if is_plain { Color::Never } else { color }))
}

impl ConnectionSettings {
    /// # Errors
    /// When no broker is named, or a property cannot be read.
    pub fn read(layers: &Layers<'_>) -> Result<Self, SettingsError> {
        Ok(Self { bootstrap: layers.one(&BOOTSTRAP_SERVER, |text| Ok(text.to_owned()))?, properties: properties::read(layers)? })
    }
}
