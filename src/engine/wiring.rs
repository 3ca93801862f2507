//! All channels and threads of a run are made here, and ended here in order.
//!
//! The channels are unbounded by type and bounded by the admission budget: every message stands for records that were counted when they
//! were polled, so no cycle of full channels can come about.

use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

use crate::engine::coordinator::Coordinator;
use crate::engine::in_hand::Watched;
use crate::engine::journal_thread::{Delay, JournalThread, Patience};
use crate::engine::kafka_thread::{Ended, KafkaThread};
use crate::engine::ledger::{Counts, Ledger};
use crate::engine::observer::Observer;
use crate::engine::report::{Report, StopLevel, StopReason, ToJournal, ToShard};
use crate::engine::rereading::{NothingAgain, Rereaders};
use crate::engine::schemas::{Ask, Away, Desk, Schemas};
use crate::engine::shard::{Errors, Peers, Shard, Walk};
use crate::engine::source::Source;
use crate::engine::stop::StopToken;
use crate::engine::watchdog::{ToWatchdog, Watchdog};
use crate::engine::{EngineError, Plan};
use crate::policy::Vigil;
use crate::receiver::in_hand::Hands;
use crate::receiver::{Address, Mode, Receiver};

const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
const RECEIVERS_DEADLINE: Duration = Duration::from_secs(5);
const RUNTIME_DEADLINE: Duration = Duration::from_secs(1);

/// What a run did.
#[derive(Debug)]
pub struct Summary {
    pub reason: StopReason,
    pub counts: Counts,
    /// Of what receivers missed, in this run or before: each record once for each of them.
    pub missed: Counts,
    pub partitions: usize,
    /// Records that were admitted and not settled: they are delivered again.
    pub unsettled: usize,
}

/// A run that is over. The ledger is still open, so that the caller can write down how it ended.
pub struct Finished {
    pub summary: Summary,
    pub ledger: Box<dyn Ledger>,
}

/// Runs until the source ends, the run is stopped, or it cannot go on.
///
/// # Errors
/// When threads cannot be made; how the run itself ended is in the summary.
pub fn run(
    source: Box<dyn Source>,
    ledger: Box<dyn Ledger>,
    mut plan: Plan,
    stop: &StopToken,
    observer: &Arc<dyn Observer>,
) -> Result<Finished, EngineError> {
    let shard_count = shard_count(&plan);
    let runtime = runtime(shard_count)?;
    // Bounded by the budget: settled runs and failures of admitted records, and one answer per question.
    let (to_kafka, reports) = mpsc::channel::<Report>();
    // Bounded by the budget: failures of admitted records; progress once per commit interval.
    let (to_journal, journal_inbox) = mpsc::channel::<ToJournal>();
    let over = StopToken::default();
    let journal = JournalThread {
        ledger,
        inbox: journal_inbox,
        reports: to_kafka.clone(),
        observer: Arc::clone(observer),
        patience: Patience { stop: stop.clone(), over: over.clone(), drain_timeout: plan.conduct.drain_timeout },
        delay: Delay::default(),
        is_over: false,
    };
    let journal = named("redrive-journal", move || journal.run())?;
    let receivers: Vec<_> = plan.bindings.iter().map(|binding| Arc::clone(&binding.receiver)).collect();
    let coordinator = Coordinator::new(plan.coordinator(shard_count), Instant::now());
    let (mode, hands) = (plan.mode, plan.hands.clone());
    let open_again = std::mem::replace(&mut plan.open_again, Box::new(NothingAgain));
    let (watched, watchdog) = hands.map(|hands| watch(hands, &to_journal, stop)).transpose()?.unzip();
    let (walk, schemas) = walk(plan, shard_count);
    let walk = Arc::new(walk);
    // Bounded by the budget: each question is of a record that was admitted, and of each schema once.
    let (desk, asked) = tokio::sync::mpsc::unbounded_channel::<Ask>();
    let peers = Peers { kafka: to_kafka, journal: to_journal.clone(), desk, watched: watched.clone() };
    let shards = (0..shard_count).map(|_| {
        // Bounded by the budget: batches of admitted records.
        let (to_shard, inbox) = tokio::sync::mpsc::unbounded_channel::<ToShard>();
        runtime.spawn(Shard::new(Arc::clone(&walk), inbox, peers.clone()).run());
        to_shard
    });
    let shards: Vec<_> = shards.collect();
    let weak = shards.iter().map(UnboundedSender::downgrade);
    let desk = Desk { schemas, inbox: asked, shards: weak.collect(), journal: to_journal.clone(), away: away_of(mode) };
    runtime.spawn(desk.run());
    drop(peers);
    let kafka = KafkaThread {
        source,
        rereaders: Rereaders::new(open_again),
        coordinator,
        shards,
        reports,
        journal: to_journal.clone(),
        stop: stop.clone(),
        observer: Arc::clone(observer),
        actions: Vec::new(),
        finished: None,
    };
    let kafka = named("redrive-kafka", move || kafka.run())?;
    let Ended { source, coordinator, reason } = kafka.join().map_err(|_| EngineError::Defect("kafka"))?;
    over.ask(StopLevel::Drain);
    close(source);
    let_go(runtime, &receivers);
    if let (Some(watched), Some(watchdog)) = (watched, watchdog) {
        end_watch(&watched, watchdog)?;
    }
    to_journal.send(ToJournal::End).map_err(|_| EngineError::Defect("journal"))?;
    let ledger = journal.join().map_err(|_| EngineError::Defect("journal"))?;
    let (counts, missed) = (coordinator.totals(), coordinator.totals_again());
    let summary = Summary { reason, counts, missed, partitions: coordinator.partitions(), unsettled: coordinator.unsettled() };
    Ok(Finished { summary, ledger })
}

/// One more thread than there are shards: connections and processes of receivers are tasks of their own, and go on while shards are busy.
fn runtime(shards: usize) -> Result<Runtime, EngineError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(shards.saturating_add(1)).thread_name("redrive-shard").enable_all();
    builder.build().map_err(EngineError::Runtime)
}

/// All is settled and committed, or the run's reason says that it is not: what would be left behind is only a name in the group.
fn close(source: Box<dyn Source>) {
    if let Err(error) = source.close(Instant::now() + CLOSE_DEADLINE) {
        tracing::warn!(%error, "the source was not closed");
    }
}

/// Whoever watches the hands of the loops.
fn watch(
    hands: Arc<dyn Hands>,
    journal: &mpsc::Sender<ToJournal>,
    stop: &StopToken,
) -> Result<(Watched, thread::JoinHandle<()>), EngineError> {
    // Bounded by the partitions there are: each shard has one name for each of each receiver, however often it is assigned or read again.
    let (watchdog, inbox) = mpsc::channel::<ToWatchdog>();
    let of_thread = Watchdog { hands: Arc::clone(&hands), inbox, journal: journal.clone(), stop: stop.clone() };
    let thread = named("redrive-watchdog", move || of_thread.run())?;
    Ok((Watched { hands, watchdog }, thread))
}

fn end_watch(watched: &Watched, watchdog: thread::JoinHandle<()>) -> Result<(), EngineError> {
    let gone = EngineError::Defect("watchdog");
    if watched.watchdog.send(ToWatchdog::End).is_err() || watchdog.join().is_err() { Err(gone) } else { Ok(()) }
}

/// Receivers let go of their processes and files; then the runtime ends, whether or not somebody blocks one of its threads.
fn let_go(runtime: Runtime, receivers: &[Arc<dyn Receiver>]) {
    let stopped = runtime.block_on(async {
        let all = join_all(receivers.iter().map(|receiver| receiver.stop()));
        tokio::time::timeout(RECEIVERS_DEADLINE, all).await
    });
    if stopped.is_err() {
        tracing::warn!("receivers did not stop within {RECEIVERS_DEADLINE:?}");
    }
    runtime.shutdown_timeout(RUNTIME_DEADLINE);
}

fn named<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<thread::JoinHandle<T>, EngineError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(EngineError::Runtime)
}

/// One core is the kafka thread's. No more shards than deliveries that a receiver may have out, so that each shard has its share.
fn shard_count(plan: &Plan) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.saturating_sub(1).clamp(1, plan.concurrency.get())
}

fn away_of(mode: Mode) -> Away {
    match mode {
        Mode::Live => Away::Waits,
        Mode::Replay(_) => Away::GoesOn,
    }
}

/// What shards share, and what is the desk's.
pub(super) fn walk(plan: Plan, shards: usize) -> (Walk, Schemas) {
    let addresses = plan.bindings.iter().map(|binding| {
        let address = Address { group: plan.group.clone(), receiver: binding.name.clone() };
        Arc::new(address)
    });
    let walk = Walk {
        vigils: plan.bindings.iter().map(|_| Vigil::default()).collect(),
        addresses: addresses.collect(),
        router: plan.router,
        rules: plan.rules,
        bindings: plan.bindings,
        by_name_only: plan.by_name_only,
        type_from: plan.conduct.type_from,
        format: plan.format,
        frames: plan.schemas.frames(),
        mode: plan.mode,
        concurrency: plan.concurrency.get().div_euclid(shards),
        is_guarded: plan.guard == Guarding::On,
        errors: if plan.conduct.max_consecutive_errors.is_some() { Errors::Counted } else { Errors::NotCounted },
    };
    (walk, plan.schemas)
}

/// Whether the start-up guard watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarding {
    #[default]
    On,
    Off,
}
