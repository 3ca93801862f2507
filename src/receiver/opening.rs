//! From what a user wrote to a receiver that runs.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::receiver::{
    Binding, Discard, Exec, ExecOptions, File, Http, Needs, OnOutage, Receiver, Run, RunOptions, Stdout, Target,
};

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
    pub on_outage: OnOutage,
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
    /// How far an event must be decoded for it, known without opening it.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match &self.made_of {
            MadeOf::Function(receiver) => receiver.needs(),
            MadeOf::Target(target) => target.needs(),
        }
    }

    /// Opens nothing: another receiver gets what it would.
    #[must_use]
    pub fn stand_in(self, receiver: Arc<dyn Receiver>) -> Binding {
        let Self { name, definition, types, timeout, retries, on_outage, .. } = self;
        Binding { name, definition, types, timeout, retries, on_outage, receiver }
    }

    /// Opens what the target names: files and connections. Processes are started when they are first needed. `kafka` makes the
    /// receiver of a topic: what a cluster is, is not known here.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(self, kafka: &OpenTopic<'_>) -> Result<Binding, OpenReceiverError> {
        match self.receiver(kafka) {
            Ok(receiver) => Ok(self.stand_in(receiver)),
            Err(source) => Err(OpenReceiverError { name: self.name, definition: self.definition, source }),
        }
    }

    fn receiver(&self, kafka: &OpenTopic<'_>) -> io::Result<Arc<dyn Receiver>> {
        let Self { window, processes, timeout, retries, .. } = *self;
        let target = match &self.made_of {
            MadeOf::Function(receiver) => return Ok(Arc::clone(receiver)),
            MadeOf::Target(target) => target,
        };
        Ok(match target {
            Target::Discard => Arc::new(Discard),
            Target::Exec(command) => Arc::new(Exec::new(ExecOptions { command: command.clone(), processes, window, timeout })),
            Target::Run(command) => Arc::new(Run::new(RunOptions { command: command.clone(), processes, timeout })),
            Target::File(path) => Arc::new(File::open(path, retries)?),
            Target::Stdout => Arc::new(Stdout::open(retries)?),
            Target::Kafka(topic) => kafka(topic, self)?,
            Target::Http(endpoint) => Arc::new(Http::open((**endpoint).clone())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::{Encoding, Endpoint};

    #[test]
    fn what_a_target_needs_is_what_its_receiver_needs() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("file:{}", folder.path().join("all.jsonl").display());
        let binary =
            ["exec:true", "run:true", &file, "stdout:", "discard:", "http://localhost:9/"].map(|text| Target::parse(text).unwrap());
        let structured = match Target::parse("http://localhost:9/").unwrap() {
            Target::Http(endpoint) => Target::Http(Box::new(Endpoint { encoding: Encoding::Structured, ..*endpoint })),
            other => other,
        };
        for target in binary.into_iter().chain([structured]) {
            let specification = Specification {
                name: "one".to_owned(),
                definition: format!("{target:?}"),
                made_of: MadeOf::Target(target),
                types: Vec::new(),
                timeout: Duration::from_secs(1),
                retries: 0,
                on_outage: OnOutage::Journal,
                window: NonZeroUsize::MIN,
                processes: NonZeroUsize::MIN,
            };
            let (known, name) = (specification.needs(), specification.definition.clone());
            let no_topic = |_: &str, _: &Specification| Err(io::ErrorKind::Unsupported.into());
            assert_eq!(specification.open(&no_topic).unwrap().receiver.needs(), known, "{name}");
        }
    }
}
