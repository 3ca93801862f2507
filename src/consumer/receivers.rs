//! From the receivers of the settings to those of a run: what each needs is checked before any of them is opened, and before there is a
//! journal.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::consumer::BeginError;
use crate::journal::{Place, ReceiverDefinition};
use crate::kafka::{Cluster, Connection, TargetTopic, TopicChoice, TopicProducer};
use crate::policy::{self, Rules};
use crate::receiver::{self, Binding, Http, Kafka, MadeOf, OpenReceiverError, Receiver, Specification, Stdout, Target};
use crate::settings;

/// Copies of one lane that may be on their way at once.
const WINDOW: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Finds out what can be known without opening any, and without a broker.
pub(crate) fn check(receivers: &[Specification], journal: &Place) -> Result<(), OpenReceiverError> {
    for Specification { name, definition, made_of, .. } in receivers {
        let refused = |source| OpenReceiverError { name: name.clone(), definition: definition.clone(), source };
        check_one(made_of, journal).map_err(refused)?;
    }
    Ok(())
}

fn check_one(made_of: &MadeOf, journal: &Place) -> io::Result<()> {
    match made_of {
        MadeOf::Target(Target::File(path)) if journal.owns(path) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is the journal's own file"))
        }
        MadeOf::Target(Target::File(path)) => receiver::probe_file(path).map(drop),
        MadeOf::Target(Target::Http(endpoint)) => Http::check(endpoint),
        MadeOf::Target(Target::Exec(command) | Target::Run(command)) => {
            let search = settings::environment("PATH");
            command.first().map_or(Ok(()), |program| receiver::check_program(program, search.as_deref()))
        }
        MadeOf::Target(Target::Stdout) => Stdout::check(),
        MadeOf::Target(Target::Discard | Target::Kafka(_)) | MadeOf::Function(_) => Ok(()),
    }
}

/// The topics that get copies: each must be there, and must not be read by the same consumer.
pub(crate) fn targets(
    receivers: &[Specification],
    cluster: &Cluster,
    choice: &TopicChoice,
) -> Result<Vec<TargetTopic>, BeginError> {
    let mut targets = Vec::new();
    for Specification { name: receiver, made_of, .. } in receivers {
        let MadeOf::Target(Target::Kafka(topic)) = made_of else { continue };
        let (receiver, topic) = (receiver.clone(), topic.clone());
        if let Some(read_as) = choice.chosen_by(&topic) {
            return Err(BeginError::OwnTarget { receiver, topic, read_as: read_as.to_owned() });
        }
        match cluster.target(&topic)? {
            Some(found) => targets.push(found),
            None => {
                let there = cluster.topics()?.into_iter().map(|topic| topic.name).collect();
                return Err(BeginError::NoTarget { receiver, topic, there });
            }
        }
    }
    Ok(targets)
}

pub(crate) fn open(
    receivers: &[Specification],
    targets: &[TargetTopic],
    connection: Option<&Connection>,
    rules: &Rules,
) -> Result<Vec<Binding>, OpenReceiverError> {
    let kafka = |topic: &str, of: &Specification| -> io::Result<Arc<dyn Receiver>> {
        let found = targets.iter().find(|target| target.name == topic).ok_or(io::ErrorKind::NotFound)?;
        let connection = connection.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(copies(connection, found, of, rules)?))
    };
    receivers.iter().cloned().map(|specification| specification.open(&kafka)).collect()
}

/// Many records of a lane are on their way at once, and the client library keeps their order when it tries again. The engine would not:
/// what it tries again comes after what was on its way by then. Of the failures of a topic it tries only those at the timeout again, and
/// those only where that is short, and what a rule of the user says; there, each record of a lane waits for the one before.
fn copies(connection: &Connection, topic: &TargetTopic, of: &Specification, rules: &Rules) -> io::Result<Kafka> {
    let may_retry = policy::may_follow_a_timeout(of.timeout, of.retries) || rules.may_retry(&of.name);
    let window = if may_retry { NonZeroUsize::MIN } else { WINDOW };
    let producer = TopicProducer::new(connection, topic.clone(), of.timeout)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    producer.start()?;
    Ok(Kafka::new(Arc::new(producer), &topic.name, window))
}

/// What the journal keeps of them, for people.
pub(super) fn definitions(bindings: &[Binding]) -> Vec<ReceiverDefinition> {
    let definition = |binding: &Binding| ReceiverDefinition {
        name: binding.name.clone(),
        definition: serde_json::json!({
            "target": binding.definition,
            "types": binding.types,
            "timeout_ms": u64::try_from(binding.timeout.as_millis()).unwrap_or(u64::MAX),
            "retries": binding.retries,
            "on_outage": binding.on_outage.as_str(),
        }),
    };
    bindings.iter().map(definition).collect()
}
