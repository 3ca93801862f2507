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
        Ok(Self { bootstrap: layers.one(&BOOTSTRAP_SERVER, brokers)?, properties: properties::read(layers)? })
    }
}

/// `HOST:PORT,…`, as the client library takes it: a protocol may stand before a host, a port may be missing, IPv6 stands in brackets.
fn brokers(text: &str) -> Result<String, String> {
    let is_broker = |broker: &str| {
        // Kafka's own tools write the name of a listener there.
        let (listener, host) = broker.split_once("://").map_or(("", broker), |parts| parts);
        let host = host.trim();
        if ["http", "https"].contains(&listener.trim().to_ascii_lowercase().as_str()) {
            return false;
        }
        match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0),
            _ => !host.is_empty(),
        }
    };
    if text.split(',').all(is_broker) { Ok(text.to_owned()) } else { Err("HOST:PORT, several parted by commas".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_brokers() {
        for good in
            ["localhost:9092", "kafka", "a:1,b:65535", "SASL_SSL://kafka-0.shop:9093", "[::1]:9092", "[::1]", "10.0.0.1:9092, b:1"]
        {
            assert!(brokers(good).is_ok(), "{good}");
        }
        for bad in
            ["", "localhost:abc", "localhost:", ":9092", "localhost:0", "localhost:65536", "a:1,,b:1", "a:1,", "http://kafka:9092"]
        {
            assert!(brokers(bad).is_err(), "{bad}");
        }
    }
}
