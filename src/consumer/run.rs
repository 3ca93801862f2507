//! One run, from its settings to its end: the means of a consumer, or of a dry run, and the engine between them.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::codec::registry::Registry;
use crate::consumer::dry_run::{Preview, Tally};
use crate::consumer::{receivers, schemas, topics};
use crate::engine::ledger::{Ledger, LedgerError, RunEnd, RunId};
use crate::engine::limit::Probation;
use crate::engine::observer::Observer;
use crate::engine::report::StopReason;
use crate::engine::rereading::{NothingAgain, OpenAgain};
use crate::engine::schemas::Schemas;
use crate::engine::source::{Source, SourceError};
use crate::engine::stop::StopToken;
use crate::engine::{self, EngineError, Plan, Summary};
use crate::event::TypePatternError;
use crate::journal::{self, Beginning, OpenError, PreviewLedger, ReadError, Reader, StateCounts, Writer};
use crate::kafka::{
    Cluster, ClusterError, Connection, GroupSource, PatternError, Subscription, TopicChoice, Unjoined, UnjoinedSource,
};
use crate::receiver::in_hand::{self, Hands};
use crate::receiver::{Binding, Mode, OpenReceiverError};
use crate::record::ReceiverSet;
use crate::settings::{ConsumeSettings, Doing, Enabled};
use crate::stage::Router;

/// Until a broker has answered once: 15 s are promised, and giving up takes time, too. Afterwards one that is away is waited for without
/// limit.
pub(crate) const FIRST_ANSWER: Duration = Duration::from_secs(14);
/// How often a run that is not enabled looks whether it is to end.
const LOOK_AROUND: Duration = Duration::from_millis(100);

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
    /// `None`: there is no journal, and a dry run makes none.
    pub journal_uuid: Option<String>,
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
    /// Nothing is wrong: the kill-switch is on, and its wait is over.
    #[error("it is not enabled")]
    NotEnabled,
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
    #[error(transparent)]
    TopicPattern(#[from] PatternError),
    #[error(transparent)]
    Types(#[from] TypePatternError),
    #[error(transparent)]
    Receiver(#[from] OpenReceiverError),
    #[error("the schema registry cannot be asked: {0}")]
    Registry(#[source] io::Error),
    #[error(transparent)]
    Journal(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A consumer that has ended; its run in the journal is still open.
pub struct Ended {
    pub began: Began,
    pub summary: Summary,
    /// Of a dry run.
    pub preview: Option<Preview>,
    ledger: Box<dyn Ledger>,
}

impl Ended {
    /// Writes down how the run ended, and closes the journal. `exit_code`: of a command.
    ///
    /// # Errors
    /// When the journal cannot be written, and nothing else was wrong: else that is the thing to mend.
    pub fn close(mut self, exit_code: Option<u8>) -> Result<(), LedgerError> {
        let reason = &self.summary.reason;
        match self.ledger.end(run_end(reason), exit_code) {
            // Of a lock: all is settled and committed; the next run takes one without an end for one that was killed.
            Err(untold) if !reason.is_well() || matches!(untold, LedgerError::Locked { .. }) => {
                tracing::warn!(error = %untold, "how the run ended could not be written down");
                Ok(())
            }
            closed => closed,
        }
    }
}

/// What a run works with.
struct Means {
    source: Box<dyn Source>,
    ledger: Box<dyn Ledger>,
    run: RunId,
    bindings: Vec<Binding>,
    began: Began,
    /// Of a dry run.
    tally: Option<Tally>,
    schemas: Schemas,
    open_again: Box<dyn OpenAgain>,
    hands: Option<Arc<dyn Hands>>,
    probation: Probation,
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
    let choice = TopicChoice::parse(&settings.topics)?;
    receivers::check(&settings.receivers, &place.journal)?;
    let registry = schemas::registry(settings.registry.as_ref())?;
    if settings.enabled != Enabled::Yes {
        wait(settings.enabled, stop);
        return Err(BeginError::NotEnabled);
    }
    let Some(cluster) = Cluster::connect(&place.connection, FIRST_ANSWER, stop)? else { return Err(BeginError::Stopped) };
    let topics = topics::find(&cluster, &choice)?;
    let subscription = Subscription {
        group: settings.group.clone(),
        topics: choice,
        from: settings.from,
        until_end: settings.conduct.until_end,
        there: topics.iter().map(|topic| topic.name.clone()).collect(),
    };
    let means = match settings.doing {
        Doing::Consume => to_consume(place, &settings, &cluster, subscription, registry)?,
        Doing::DryRun => to_look_on(place, &settings, &cluster, subscription, registry)?,
    };
    drop(cluster);
    let Means { source, ledger, run, bindings, mut began, tally, schemas, open_again, hands, probation } = means;
    began.topics = topics.into_iter().map(|topic| (topic.name, topic.partitions)).collect();
    let observer = watch(&began);
    let observer = tally.as_ref().map_or(Arc::clone(&observer), |tally| tally.watching(observer));
    let plan = Plan { open_again, hands, probation, ..plan(settings, router, bindings, run, schemas) };
    let finished = engine::run(source, ledger, plan, stop, &observer)?;
    let preview = tally.map(|tally| tally.preview());
    Ok(Ended { began, summary: finished.summary, preview, ledger: finished.ledger })
}

/// The kill-switch: idle until the run is asked to stop, or not even that.
fn wait(enabled: Enabled, stop: &StopToken) {
    while enabled == Enabled::No && stop.level().is_none() {
        thread::park_timeout(LOOK_AROUND);
    }
}

fn to_consume(
    place: &Place,
    settings: &ConsumeSettings,
    cluster: &Cluster,
    subscription: Subscription,
    registry: Option<Registry>,
) -> Result<Means, BeginError> {
    let targets = receivers::targets(&settings.receivers, cluster, &subscription.topics)?;
    let bindings = receivers::open(&settings.receivers, &targets, Some(&place.connection), &settings.rules)?;
    let beginning = Beginning {
        command: place.command,
        group: settings.group.clone(),
        client_id: place.connection.client_id().to_owned(),
        receivers: receivers::definitions(&bindings),
        hands: in_hand::wanted(&bindings),
    };
    let writer = Writer::open(&place.journal, &beginning)?;
    let reader = Reader::open(&place.journal)?;
    let failures = reader.counts()?;
    let schemas = schemas::known(registry, |names| reader.schemas(names))?;
    let began = began(place, Some(writer.run().journal_uuid.as_str()), failures);
    let open_again = Box::new(Unjoined {
        connection: place.connection.clone(),
        cluster_id: cluster.id().to_owned(),
        group: settings.group.clone(),
    });
    let source = Box::new(GroupSource::join(&place.connection, cluster, subscription)?);
    let (run, hands, probation) = (writer.run().clone(), writer.hands(), probation(&writer, settings)?);
    Ok(Means { source, run, ledger: Box::new(writer), bindings, began, tally: None, schemas, hands, open_again, probation })
}

/// Asked only where errors are limited: it means something there alone.
fn probation(writer: &Writer, settings: &ConsumeSettings) -> Result<Probation, LedgerError> {
    settings.conduct.max_consecutive_errors.map_or(Ok(Probation::No), |_| writer.probation())
}

fn to_look_on(
    place: &Place,
    settings: &ConsumeSettings,
    cluster: &Cluster,
    subscription: Subscription,
    registry: Option<Registry>,
) -> Result<Means, BeginError> {
    receivers::targets(&settings.receivers, cluster, &subscription.topics)?;
    let ledger = PreviewLedger::open(&place.journal, &settings.group)?;
    let began = began(place, ledger.uuid(), ledger.counts()?);
    let schemas = schemas::known(registry, |names| ledger.schemas(names))?;
    let mut tally = Tally::default();
    let bindings = tally.stand_ins(&settings.receivers);
    let source = Box::new(UnjoinedSource::of_topics(&place.connection, cluster, subscription)?);
    let open_again = Box::new(NothingAgain);
    let run = ledger.run();
    Ok(Means {
        source,
        run,
        ledger: Box::new(ledger),
        bindings,
        began,
        tally: Some(tally),
        schemas,
        hands: None,
        open_again,
        probation: Probation::No,
    })
}

fn began(place: &Place, journal_uuid: Option<&str>, failures: StateCounts) -> Began {
    let journal_path = place.journal.path.display().to_string();
    Began { journal_path, journal_uuid: journal_uuid.map(str::to_owned), topics: Vec::new(), failures }
}

/// What the engine is told of a run, from its settings and from what was made of them.
#[must_use]
pub fn plan(settings: ConsumeSettings, router: Router, bindings: Vec<Binding>, run: RunId, schemas: Schemas) -> Plan {
    Plan {
        group: settings.group,
        run,
        bindings,
        by_name_only: ReceiverSet::NONE,
        router,
        rules: settings.rules,
        format: settings.format,
        schemas,
        open_again: Box::new(NothingAgain),
        mode: Mode::Live,
        guard: settings.guard,
        probation: Probation::No,
        concurrency: settings.concurrency,
        conduct: settings.conduct,
        hands: None,
    }
}

pub(crate) fn run_end(reason: &StopReason) -> RunEnd {
    match reason {
        StopReason::Asked => RunEnd::Signal,
        StopReason::Done => RunEnd::Done,
        StopReason::Guard(_) => RunEnd::Guard,
        StopReason::Limit(_) => RunEnd::Limit,
        StopReason::Halt(_) | StopReason::HaltRule(_) => RunEnd::Halt,
        StopReason::Refused(_)
        | StopReason::Source(_)
        | StopReason::Journal(_)
        | StopReason::NotCommitted(_)
        | StopReason::Defect(_) => RunEnd::Error,
    }
}
