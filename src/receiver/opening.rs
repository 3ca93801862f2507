//! From what a user wrote to a receiver that runs.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::receiver::{Binding, Discard, Exec, ExecOptions, File, Http, Receiver, Target};

/// A receiver as the settings say it.
#[derive(Clone)]
pub struct Specification {
    pub name: String,
    pub made_of: MadeOf,
    /// The target as it was written, with secrets masked.
    pub definition: String,
    /// Exact, or a prefix followed by `.*`; none: all.
    pub types: Vec<String>,
    pub timeout: Duration,
    /// Tries after the first one.
    pub retries: u32,
    /// Unanswered deliveries per lane and process.
    pub window: NonZeroUsize,
    pub processes: NonZeroUsize,
}

/// What stands behind the name.
#[derive(Clone)]
pub enum MadeOf {
    Target(Target),
    /// The program brings it along.
    Function(Arc<dyn Receiver>),
}

/// A receiver cannot be had.
#[derive(Debug, Error)]
#[error("receiver {name} ({definition}) cannot be opened: {source}")]
pub struct OpenReceiverError {
    pub name: String,
    pub definition: String,
    pub source: io::Error,
}

impl Specification {
    /// Opens what the target names: files, later connections. Processes are started when they are first needed.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(self) -> Result<Binding, OpenReceiverError> {
        let Self { name, made_of, definition, types, timeout, retries, window, processes } = self;
        let receiver: Arc<dyn Receiver> = match made_of {
            MadeOf::Function(receiver) => receiver,
            MadeOf::Target(Target::Discard) => Arc::new(Discard),
            MadeOf::Target(Target::Exec(command)) => Arc::new(Exec::new(ExecOptions { command, processes, window, timeout })),
            MadeOf::Target(Target::File(path)) => match File::open(&path) {
                Ok(file) => Arc::new(file),
                Err(source) => return Err(OpenReceiverError { name, definition, source }),
            },
            MadeOf::Target(Target::Http(endpoint)) => match Http::open(*endpoint) {
                Ok(http) => Arc::new(http),
                Err(source) => return Err(OpenReceiverError { name, definition, source }),
            },
            MadeOf::Target(Target::Run(_) | Target::Stdout | Target::Kafka(_)) => {
                let source = io::Error::new(io::ErrorKind::Unsupported, "this version has no receiver of that kind");
                return Err(OpenReceiverError { name, definition, source });
            }
        };
        Ok(Binding { name, definition, types, timeout, retries, receiver })
    }
}
