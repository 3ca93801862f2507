//! What can be wrong with settings: always the user's to mend, so every message says where it came from and what was expected.

use std::io;

use thiserror::Error;

use crate::settings::layers::Origin;

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    #[error("{name} is `{given}` ({origin}): expected {expected}")]
    Invalid { name: String, given: String, origin: Origin, expected: String },
    #[error("{what} ({origin}) cannot be read from {path}: {source}")]
    Unreadable { what: String, origin: Origin, path: String, source: io::Error },
    #[error("{path}, line {line}: {message}")]
    Syntax { path: String, line: usize, message: String },
    /// `meant`: as `did_you_mean` says it.
    #[error("{path}, line {line}: there is no setting `{key}`{meant}")]
    UnknownKey { path: String, line: usize, key: String, meant: String },
    #[error("{name} is needed: give --{name}, set {variable}, or write {key} into the settings file")]
    Missing { name: &'static str, variable: String, key: String },
    #[error("{of} names the environment variable {variable}, which is not set")]
    NoVariable { of: String, variable: String },
    /// What was given is not shown: without its key, it may be a secret alone.
    #[error("Kafka property {number} ({origin}) is not KEY=VALUE, like security.protocol=SASL_SSL")]
    NoProperty { number: usize, origin: Origin },
    #[error("receiver {name}: {message} ({origin})")]
    Receiver { name: String, message: String, origin: Origin },
    /// As above.
    #[error("receiver option {number} ({origin}): {message}")]
    ReceiverOption { number: usize, message: String, origin: Origin },
    /// `place`: file and line. `rule`: its name, or its number where it has none.
    #[error("{place}: rule {rule}: {message}")]
    Rule { place: String, rule: String, message: String },
    #[error("{name} {message} ({origin})")]
    Registry { name: &'static str, message: String, origin: Origin },
    #[error("there is no receiver, so no event would be delivered")]
    NoReceiver,
    #[error("{found} receivers are too many: at most 64")]
    TooManyReceivers { found: usize },
}
