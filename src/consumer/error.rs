//! Why a program's consumer could not be built, could not begin, or could not go on.

use thiserror::Error;

use crate::consumer::run::BeginError;
use crate::consumer::summary::Summary;
use crate::engine::ledger::LedgerError;
use crate::kafka::ConnectionError;
use crate::settings::SettingsError;

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConsumerError {
    #[error("{name} is needed: set it on the builder")]
    Missing { name: &'static str },
    #[error("there is no setting {name}{}", nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean {nearest}?")))]
    UnknownSetting { name: String, nearest: Option<String> },
    #[error("the setting {name} is for the command line: {instead}")]
    NotForPrograms { name: &'static str, instead: &'static str },
    #[error(transparent)]
    Settings(SettingsError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The run ended by itself before it was done: `summary.reason` says why. What was not committed is delivered again.
    #[error("{}", summary.reason)]
    Stopped { summary: Box<Summary> },
    /// All is settled and committed, but the journal does not know that the run is over.
    #[error("how the run ended could not be written down: {error}")]
    Close { error: LedgerError, summary: Box<Summary> },
    /// No thread could be had.
    #[error("the consumer's thread could not be started")]
    Thread(#[source] std::io::Error),
    #[error("the consumer's thread died; this is a defect of redrive")]
    Defect,
}

impl From<SettingsError> for ConsumerError {
    fn from(error: SettingsError) -> Self {
        match error {
            // Its text names flags, which a program has none of.
            SettingsError::Missing { name, .. } => Self::Missing { name },
            other => Self::Settings(other),
        }
    }
}
