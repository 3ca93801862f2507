//! A consumer as a whole: a group of the cluster as the source, the journal as the ledger, the receivers, and the engine between them.
//!
//! The one place where Kafka, SQLite and the engine meet. Whatever runs a consumer, the command line or a program's own [`Consumer`],
//! comes here.

mod builder;
mod dry_run;
mod error;
#[cfg(test)]
mod outage_seeds;
pub(crate) mod receivers;
mod run;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod schemas;
mod stop;
mod summary;
mod topics;
mod watch;

use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

pub use builder::ConsumerBuilder;
pub use dry_run::{Preview, WouldDeliver, WouldFail, WouldSkip};
pub use error::ConsumerError;
pub use run::{Began, BeginError, Ended, Place, plan, run};
pub(crate) use run::{FIRST_ANSWER, run_end};
pub use stop::StopHandle;
pub use summary::Summary;
pub use watch::{FailureSeen, IncidentSeen, IncidentStage};

use crate::engine::report::{StopLevel, StopReason};
use crate::engine::stop::StopToken;
use crate::settings::ConsumeSettings;
use watch::Watchers;

/// A consumer that a program embeds.
///
/// ```no_run
/// use redrive::{ALL_TYPES, Consumer, Event, ReceiverError, Receivers, StartFrom, StopHandle};
///
/// async fn bill(event: Event) -> Result<(), ReceiverError> {
///     println!("{} {}", event.event_type(), event.id());
///     Ok(())
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let consumer = Consumer::builder()
///     .bootstrap_servers("localhost:9092")
///     .topic("orders")
///     .group("shop")
///     .from(StartFrom::Earliest)
///     .journal("shop.db")
///     .receivers(Receivers::new().on("billing", ALL_TYPES, bill))
///     .setting("retries", "5")
///     .build()?;
/// let stop = StopHandle::new(); // its clones stop it from anywhere: stop.drain()
/// let summary = consumer.run(stop).await?;
/// println!("{} delivered, {} failed", summary.counts.delivered, summary.counts.failed);
/// # Ok(())
/// # }
/// ```
pub struct Consumer {
    place: Place,
    settings: ConsumeSettings,
    watchers: Watchers,
}

impl Consumer {
    pub fn builder() -> ConsumerBuilder {
        ConsumerBuilder::default()
    }

    /// Runs until it is stopped or done. It has threads of its own, and an event loop of its own for the receivers: whoever awaits it may
    /// be in any runtime, or in none.
    ///
    /// It begins when it is first polled. Dropping it before its end stops the run as [`StopHandle::drain`] does, and returns at once:
    /// the run drains, commits and leaves its group in the background. To wait for that, drain and await.
    ///
    /// # Errors
    /// When it cannot begin, or ends by itself before it is done. A run that was stopped, or has done what was asked, has succeeded,
    /// whatever failed in it: its failures are in the journal.
    pub async fn run(self, stop: StopHandle) -> Result<Summary, ConsumerError> {
        let token = stop.of_one_run();
        let (tell, told) = oneshot::channel();
        let (_stops_when_dropped, theirs) = (StopsWhenDropped(token.clone()), token);
        let run = move || {
            if let Err(Err(error)) = tell.send(self.run_here(&theirs)) {
                tracing::error!(%error, "a consumer that nobody awaits any more did not end well");
            }
        };
        thread::Builder::new().name("redrive-consumer".to_owned()).spawn(run).map_err(ConsumerError::Thread)?;
        told.await.unwrap_or(Err(ConsumerError::Defect))
    }

    /// As [`Consumer::run`], for programs without a runtime: blocks until the run is over.
    ///
    /// # Errors
    /// As [`Consumer::run`].
    pub fn run_blocking(self, stop: &StopHandle) -> Result<Summary, ConsumerError> {
        let token = stop.of_one_run();
        // A thread of its own here, too: in a runtime's thread another runtime cannot be made.
        let run = thread::Builder::new().name("redrive-consumer".to_owned()).spawn(move || self.run_here(&token));
        run.map_err(ConsumerError::Thread)?.join().unwrap_or(Err(ConsumerError::Defect))
    }

    fn run_here(self, stop: &StopToken) -> Result<Summary, ConsumerError> {
        let Self { place, settings, watchers } = self;
        let ended = match run(&place, settings, stop, |_| Arc::new(watchers)) {
            Err(BeginError::Stopped) => return Ok(Summary::of_nothing(StopReason::Asked)),
            Err(BeginError::NotEnabled) => {
                let reason = if stop.level().is_some() { StopReason::Asked } else { StopReason::Done };
                return Ok(Summary::of_nothing(reason));
            }
            ended => ended?,
        };
        let summary = Summary::of(&ended);
        let closed = ended.close(None);
        if !summary.reason.is_well() {
            return Err(ConsumerError::Stopped { summary: Box::new(summary) });
        }
        match closed {
            Ok(()) => Ok(summary),
            Err(error) => Err(ConsumerError::Close { error, summary: Box::new(summary) }),
        }
    }
}

/// Stops a run that nobody awaits any more.
struct StopsWhenDropped(StopToken);

impl Drop for StopsWhenDropped {
    fn drop(&mut self) {
        self.0.ask(StopLevel::Drain);
    }
}
