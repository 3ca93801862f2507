//! A consumer as a whole: a group of the cluster as the source, the journal as the ledger, the receivers, and the engine between them.
//!
//! The one place where Kafka, SQLite and the engine meet. Whatever runs a consumer, the command line or a program, calls this.

mod receivers;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use thiserror::Error;

use crate::engine::ledger::{Ledger, LedgerError, RunEnd};
use crate::engine::observer::Observer;
use crate::engine::report::StopReason;
use crate::engine::stop::StopToken;
use crate::engine::{self, EngineError, Plan, Summary};
use crate::journal::{self, Beginning, OpenError, ReadError, Reader, ReceiverDefinition, StateCounts, Writer};
use crate::kafka::{Cluster, ClusterError, Connection, From, GroupSource, Subscription};
use crate::receiver::{Binding, Mode, OpenReceiverError};
use crate::settings::{ConsumeSettings, StartFrom};
use crate::stage::{Router, TypePatternError};

/// Until a broker has answered once: 15 s are promised, and giving up takes time, too. Afterwards one that is away is waited for without
/// limit.
const FIRST_ANSWER: Duration = Duration::from_secs(14);

/// Where a consumer reads and writes.
#[derive(Clone, Debug)]
pub struct Place {
    pub connection: Connection,
    pub journal: journal::Place,
    /// What the run is called in the journal: `consume` or `demo`.
    pub command: &'static str,
}

/// What a consumer found when it began.
#[derive(Clone, Debug)]
pub struct Began {
    pub journal_path: String,
    pub journal_uuid: String,
    /// Name and number of partitions of each topic that is there.
    pub topics: Vec<(String, usize)>,
    /// The failures that the journal holds already.
    pub failures: StateCounts,
}

/// A consumer cannot even begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BeginError {
    #[error("stopped before a broker answered")]
    Stopped,
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// `there`: the topics that this cluster has.
    #[error("there is no topic {name} on this cluster")]
    UnknownTopic { name: String, there: Vec<String> },
    /// `there`: as above.
    #[error("receiver {receiver} writes to topic {topic}, which is not on this cluster")]
    NoTarget { receiver: String, topic: String, there: Vec<String> },
    #[error(
        "receiver {receiver} writes to topic {topic}, which this consumer reads ({read_as}): every event would come back for ever"
    )]
    OwnTarget { receiver: String, topic: String, read_as: String },
    #[error("{pattern} is no pattern of topics")]
    TopicPattern { pattern: String, source: Box<regex::Error> },
    #[error(transparent)]
    Types(#[from] TypePatternError),
    #[error(transparent)]
    Receiver(#[from] OpenReceiverError),
    #[error(transparent)]
    Journal(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Source(#[from] engine::source::SourceError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A consumer that has ended; its run in the journal is still open.
pub struct Ended {
    pub began: Began,
    pub summary: Summary,
    ledger: Box<dyn Ledger>,
}

impl Ended {
    /// Writes down how the run ended, and closes the journal.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn close(mut self, exit_code: u8) -> Result<(), LedgerError> {
        self.ledger.end(run_end(&self.summary.reason), exit_code)
    }
}

/// Runs a consumer until it is stopped, has done what was asked, or cannot go on; `summary.reason` says which.
///
/// # Errors
/// When it cannot begin.
pub fn run(
    place: &Place,
    settings: ConsumeSettings,
    stop: &StopToken,
    watch: impl FnOnce(&Began) -> Arc<dyn Observer>,
) -> Result<Ended, BeginError> {
    let router = Router::new(settings.receivers.iter().map(|receiver| receiver.types.as_slice()), settings.unrecognized)?;
    place.journal.check_name()?;
    let Some(cluster) = Cluster::connect(&place.connection, FIRST_ANSWER, stop)? else { return Err(BeginError::Stopped) };
    let topics = find_topics(&cluster, &settings.topics)?;
    let bindings = receivers::open(place, &cluster, &settings)?;
    let writer = Writer::open(&place.journal, &beginning(place, &settings.group, &bindings))?;
    let reader = Reader::open(&place.journal)?;
    let began = Began {
        journal_path: reader.path().to_owned(),
        journal_uuid: reader.uuid().to_owned(),
        failures: reader.counts()?,
        topics,
    };
    drop(reader);
    let subscription = Subscription {
        group: settings.group.clone(),
        topics: settings.topics.clone(),
        from: settings.from.map(|from| match from {
            StartFrom::Earliest => From::Earliest,
            StartFrom::Latest => From::Latest,
            StartFrom::Time(at) => From::TimeMs(at.as_millisecond()),
        }),
        until_end: settings.until_end,
        there: began.topics.iter().map(|(name, _)| name.clone()).collect::<HashSet<_>>(),
    };
    let source = GroupSource::join(&place.connection, &cluster, subscription)?;
    drop(cluster);
    let observer = watch(&began);
    let plan = plan(settings, router, bindings, &writer);
    let finished = engine::run(Box::new(source), Box::new(writer), plan, stop, &observer)?;
    Ok(Ended { began, summary: finished.summary, ledger: finished.ledger })
}

/// What the engine is told of a run, from its settings and from what was made of them.
#[must_use]
pub fn plan(settings: ConsumeSettings, router: Router, bindings: Vec<Binding>, writer: &Writer) -> Plan {
    Plan {
        group: settings.group,
        run: writer.run().clone(),
        bindings,
        type_from: settings.type_from,
        router,
        format: settings.format,
        mode: Mode::Live,
        guard: settings.guard,
        order: settings.order,
        concurrency: settings.concurrency,
        budget: settings.budget,
        commit_interval: settings.commit_interval,
        drain_timeout: settings.drain_timeout,
        on_gap: settings.on_gap,
        on_truncation: settings.on_truncation,
        max_records: settings.max_records,
        until_end: settings.until_end,
        idle_exit: settings.idle_exit,
    }
}

/// Every name must be there; a pattern may match nothing yet.
fn find_topics(cluster: &Cluster, topics: &[String]) -> Result<Vec<(String, usize)>, BeginError> {
    let patterns = topics.iter().filter(|topic| topic.starts_with('^')).map(|pattern| {
        let invalid = |source| BeginError::TopicPattern { pattern: pattern.clone(), source: Box::new(source) };
        Regex::new(pattern).map_err(invalid)
    });
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    let mut found = if patterns.is_empty() { Vec::new() } else { cluster.topics()? };
    found.retain(|topic| patterns.iter().any(|pattern| pattern.is_match(&topic.name)));
    for name in topics.iter().filter(|topic| !topic.starts_with('^')) {
        match cluster.topic(name)? {
            // A pattern may have found it as well.
            Some(topic) if found.iter().any(|of| of.name == topic.name) => {}
            Some(topic) => found.push(topic),
            None => {
                let there = cluster.topics()?.into_iter().map(|topic| topic.name).collect();
                return Err(BeginError::UnknownTopic { name: name.clone(), there });
            }
        }
    }
    Ok(found.into_iter().map(|topic| (topic.name, topic.partitions)).collect())
}

fn beginning(place: &Place, group: &str, bindings: &[Binding]) -> Beginning {
    let definition = |binding: &Binding| ReceiverDefinition {
        name: binding.name.clone(),
        definition: serde_json::json!({
            "target": binding.definition,
            "types": binding.types,
            "timeout_ms": u64::try_from(binding.timeout.as_millis()).unwrap_or(u64::MAX),
            "retries": binding.retries,
        }),
    };
    Beginning {
        command: place.command,
        group: group.to_owned(),
        client_id: place.connection.client_id().to_owned(),
        receivers: bindings.iter().map(definition).collect(),
    }
}

fn run_end(reason: &StopReason) -> RunEnd {
    match reason {
        StopReason::Asked => RunEnd::Signal,
        StopReason::Done => RunEnd::Done,
        StopReason::Guard(_) => RunEnd::Guard,
        StopReason::Halt(_) => RunEnd::Halt,
        StopReason::Refused(_)
        | StopReason::Source(_)
        | StopReason::Journal(_)
        | StopReason::NotCommitted(_)
        | StopReason::Defect(_) => RunEnd::Error,
    }
}
