//! The receivers of a run, opened: what each needs is checked before any of them is, and before there is a journal.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use regex::Regex;

use crate::consumer::{BeginError, Place};
use crate::kafka::{Cluster, Connection, TopicInfo, TopicProducer};
use crate::policy;
use crate::receiver::{self, Binding, Kafka, MadeOf, OpenReceiverError, Receiver, Specification, Target};
use crate::settings::{self, ConsumeSettings};

/// Copies of one lane that may be on their way at once.
const WINDOW: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

pub(super) fn open(place: &Place, cluster: &Cluster, settings: &ConsumeSettings) -> Result<Vec<Binding>, BeginError> {
    let mut targets = Vec::new();
    for specification in &settings.receivers {
        let Specification { name, definition, made_of, .. } = specification;
        let refused = |source| OpenReceiverError { name: name.clone(), definition: definition.clone(), source };
        check(made_of, place).map_err(refused)?;
        if let MadeOf::Target(Target::Kafka(topic)) = made_of {
            targets.push(target(name, topic, cluster, settings)?);
        }
    }
    let kafka = |topic: &str, of: &Specification| -> io::Result<Arc<dyn Receiver>> {
        let found = targets.iter().find(|target| target.name == topic).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(copies(&place.connection, found, of)?))
    };
    let opened = settings.receivers.iter().cloned().map(|specification| specification.open(&kafka));
    Ok(opened.collect::<Result<_, _>>()?)
}

fn check(made_of: &MadeOf, place: &Place) -> io::Result<()> {
    match made_of {
        MadeOf::Target(Target::File(path)) if place.journal.owns(path) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is the journal's own file"))
        }
        MadeOf::Target(Target::Exec(command) | Target::Run(command)) => {
            let search = settings::environment("PATH");
            command.first().map_or(Ok(()), |program| receiver::check_program(program, search.as_deref()))
        }
        MadeOf::Target(_) | MadeOf::Function(_) => Ok(()),
    }
}

/// A topic that gets copies must be there, and must not be read by the same consumer.
fn target(receiver: &str, topic: &str, cluster: &Cluster, settings: &ConsumeSettings) -> Result<TopicInfo, BeginError> {
    for read_as in &settings.topics {
        let is_read = match read_as.strip_prefix('^') {
            // One that is no pattern is refused elsewhere.
            Some(_) => Regex::new(read_as).is_ok_and(|pattern| pattern.is_match(topic)),
            None => read_as == topic,
        };
        if is_read {
            let (receiver, topic, read_as) = (receiver.to_owned(), topic.to_owned(), read_as.clone());
            return Err(BeginError::OwnTarget { receiver, topic, read_as });
        }
    }
    match cluster.topic(topic)? {
        Some(found) => Ok(found),
        None => {
            let there = cluster.topics()?.into_iter().map(|topic| topic.name).collect();
            Err(BeginError::NoTarget { receiver: receiver.to_owned(), topic: topic.to_owned(), there })
        }
    }
}

/// Many records of a lane are on their way at once, and the client library keeps their order when it tries again. The engine would not:
/// what it tries again comes after what was on its way by then. Of the failures of a topic it tries only those at the timeout again, and
/// those only where that is short; there, each record of a lane waits for the one before.
fn copies(connection: &Connection, topic: &TopicInfo, of: &Specification) -> io::Result<Kafka> {
    let window = if policy::may_follow_a_timeout(of.timeout, of.retries) { NonZeroUsize::MIN } else { WINDOW };
    let producer = TopicProducer::new(connection, topic.clone(), of.timeout)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    producer.start()?;
    Ok(Kafka::new(Arc::new(producer), &topic.name, window))
}
