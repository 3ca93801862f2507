//! From what a user wrote to a receiver that runs.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::receiver::{Binding, Discard, Exec, ExecOptions, File, Needs, Receiver, Target};

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
    /// How far an event must be decoded for it, known without opening it.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match &self.made_of {
            MadeOf::Function(receiver) => receiver.needs(),
            MadeOf::Target(target) => target.needs(),
        }
    }

    /// Opens nothing: another one gets what it would.
    #[must_use]
    pub fn stand_in(self, receiver: Arc<dyn Receiver>) -> Binding {
        let Self { name, definition, types, timeout, retries, .. } = self;
        Binding { name, definition, types, timeout, retries, receiver }
    }

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
            MadeOf::Target(Target::Run(_) | Target::Http(_) | Target::Stdout | Target::Kafka(_)) => {
                let source = io::Error::new(io::ErrorKind::Unsupported, "this version has no receiver of that kind");
                return Err(OpenReceiverError { name, definition, source });
            }
        };
        Ok(Binding { name, definition, types, timeout, retries, receiver })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_needs_is_what_its_receiver_needs() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["exec:true", "discard:", &format!("file:{}", folder.path().join("all.jsonl").display())] {
            let specification = Specification {
                name: "one".to_owned(),
                made_of: MadeOf::Target(Target::parse(text).unwrap()),
                definition: text.to_owned(),
                types: Vec::new(),
                timeout: Duration::from_secs(1),
                retries: 0,
                window: NonZeroUsize::MIN,
                processes: NonZeroUsize::MIN,
            };
            let known = specification.needs();
            assert_eq!(specification.open().unwrap().receiver.needs(), known, "{text}");
        }
    }
}
