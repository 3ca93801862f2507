//! From what a user wrote to a receiver that runs.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::receiver::{Binding, Discard, Exec, ExecOptions, File, Http, Receiver, Run, RunOptions, Stdout, Target};

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

/// Makes the receiver of a topic by its name.
pub type OpenTopic<'o> = dyn Fn(&str, &Specification) -> io::Result<Arc<dyn Receiver>> + 'o;

/// A receiver cannot be had.
#[derive(Debug, Error)]
#[error("receiver {name} ({definition}) cannot be opened: {source}")]
pub struct OpenReceiverError {
    pub name: String,
    pub definition: String,
    pub source: io::Error,
}

impl Specification {
    /// Opens what the target names: files and connections. Processes are started when they are first needed. `kafka` makes the
    /// receiver of a topic: what a cluster is, is not known here.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(self, kafka: &OpenTopic<'_>) -> Result<Binding, OpenReceiverError> {
        let opened = self.receiver(kafka);
        let Self { name, definition, types, timeout, retries, .. } = self;
        match opened {
            Ok(receiver) => Ok(Binding { name, definition, types, timeout, retries, receiver }),
            Err(source) => Err(OpenReceiverError { name, definition, source }),
        }
    }

    fn receiver(&self, kafka: &OpenTopic<'_>) -> io::Result<Arc<dyn Receiver>> {
        let Self { window, processes, timeout, .. } = *self;
        let target = match &self.made_of {
            MadeOf::Function(receiver) => return Ok(Arc::clone(receiver)),
            MadeOf::Target(target) => target,
        };
        Ok(match target {
            Target::Discard => Arc::new(Discard),
            Target::Exec(command) => Arc::new(Exec::new(ExecOptions { command: command.clone(), processes, window, timeout })),
            Target::Run(command) => Arc::new(Run::new(RunOptions { command: command.clone(), processes, timeout })),
            Target::File(path) => Arc::new(File::open(path)?),
            Target::Stdout => Arc::new(Stdout::open()?),
            Target::Kafka(topic) => kafka(topic, self)?,
            Target::Http(endpoint) => Arc::new(Http::open((**endpoint).clone())?),
        })
    }
}
