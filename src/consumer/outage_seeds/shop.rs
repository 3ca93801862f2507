//! A shop with two receivers, `billing`, which is down now and then, and `audit`; and what outlives each of its runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::wandering::Wandering;
use crate::engine::doubles::{self, Log};
use crate::engine::flow::Budget;
use crate::engine::ledger::RunEnd;
use crate::engine::observer::{Observer, Unobserved};
use crate::engine::report::StopLevel;
use crate::engine::source::Committed;
use crate::engine::stop::StopToken;
use crate::engine::{self, Conduct, Plan};
use crate::journal::StateCounts;
use crate::journal::samples::Scene;
use crate::receiver::{Delivery, OnOutage, Receiver, ReceiverError, Step};
use crate::record::Record;
use crate::stage::TypeFrom;

pub(super) const PARTITIONS: usize = 3;
/// Events of each partition; they come one each millisecond.
pub(super) const EACH: i64 = 2_500;
/// An outage is noticed to be over after seconds.
const SOON: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hardship {
    /// Every stop lets what is in flight end, and partitions stay.
    OutagesAndStops,
    /// Partitions are revoked and lost, too, and runs end at once.
    Everything,
}

/// What outlives a run.
pub(super) struct Shop {
    pub(super) seed: u64,
    pub(super) hardship: Hardship,
    pub(super) began: Instant,
    pub(super) log: Vec<Vec<doubles::Record>>,
    pub(super) committed: Mutex<HashMap<u32, Committed>>,
    pub(super) epoch: AtomicU32,
    journal: Scene,
    is_down: Arc<AtomicBool>,
    billing: Arc<Taken>,
    audit: Arc<Taken>,
}

/// The partition and the offset of each event that a receiver took.
#[derive(Default)]
struct Taken(Mutex<Vec<(i32, i64)>>);

struct Taking {
    is_down: Arc<AtomicBool>,
    taken: Arc<Taken>,
}

impl Shop {
    pub(super) fn new(seed: u64, hardship: Hardship) -> Arc<Self> {
        let record = |at: i64| (Some(format!("key-{}", at % 7).into_bytes()), Some(format!("{{\"n\":{at}}}").into_bytes()));
        Arc::new(Self {
            seed,
            hardship,
            began: Instant::now(),
            log: (0..PARTITIONS).map(|_| (0..EACH).map(record).collect()).collect(),
            committed: Mutex::default(),
            epoch: AtomicU32::new(0),
            journal: Scene::new(),
            is_down: Arc::default(),
            billing: Arc::default(),
            audit: Arc::default(),
        })
    }

    /// One run after the other; the last one ends when everybody has everything.
    pub(super) fn live(self: Arc<Self>) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut is_last = false;
        while !is_last {
            is_last = self.began.elapsed().as_millis() > u128::from(EACH.unsigned_abs());
            let (until, stop) = (Instant::now() + Duration::from_millis(random.random_range(300..2_000)), StopToken::default());
            let (shop, asked, seed) = (Arc::clone(&self), stop.clone(), random.random());
            let fate = thread::Builder::new().name("fate".into()).spawn(move || {
                if is_last {
                    shop.is_down.store(false, Ordering::Relaxed);
                    shop.wait_for_everything();
                } else {
                    shop.trouble(seed, until);
                }
                let is_hard = !is_last && shop.hardship == Hardship::Everything && seed % 2 == 0;
                asked.ask(if is_hard { StopLevel::Now } else { StopLevel::Drain });
            });
            self.run(&stop);
            fate.unwrap().join().unwrap();
        }
        self
    }

    fn trouble(&self, seed: u64, until: Instant) {
        let mut random = StdRng::seed_from_u64(seed);
        while Instant::now() < until {
            self.is_down.store(random.random_bool(0.6), Ordering::Relaxed);
            let most = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            thread::park_timeout(most.min(Duration::from_millis(random.random_range(1..900))));
        }
    }

    fn wait_for_everything(&self) {
        let (all, deadline) = (PARTITIONS * usize::try_from(EACH).unwrap(), Instant::now() + SOON);
        let has_all = |taken: &Taken| {
            let mut places = taken.0.lock().unwrap().clone();
            places.sort_unstable();
            places.dedup();
            places.len() == all
        };
        // A partition that is lost between its last event and its last commit is committed when it is there again.
        let is_told = || self.hardship == Hardship::OutagesAndStops || self.is_all_committed();
        let is_done = || has_all(&self.billing) && has_all(&self.audit) && self.journal.undelivered().is_empty() && is_told();
        while !is_done() && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn run(self: &Arc<Self>, stop: &StopToken) {
        let writer = self.journal.writer();
        let (run, observer): (_, Arc<dyn Observer>) = (writer.run().clone(), Arc::new(Unobserved));
        let conduct = Conduct {
            budget: Budget { records: 300, bytes: 1 << 20 },
            commit_interval: Duration::from_millis(30),
            type_from: TypeFrom::Topic,
            ..doubles::conduct()
        };
        let taking =
            |taken: &Arc<Taken>, is_down: &Arc<AtomicBool>| Taking { is_down: Arc::clone(is_down), taken: Arc::clone(taken) };
        let mut billing = doubles::binding("billing", Arc::new(taking(&self.billing, &self.is_down)));
        billing.on_outage = OnOutage::Defer;
        let audit = doubles::binding("audit", Arc::new(taking(&self.audit, &Arc::default())));
        let open_again = Box::new(Log(self.log.clone()));
        let plan = Plan { run, open_again, ..doubles::plan(vec![billing, audit], conduct) };
        let source = Box::new(Wandering::new(Arc::clone(self)));
        let mut finished = engine::run(source, Box::new(writer), plan, stop, &observer).unwrap();
        assert!(finished.summary.reason.is_well(), "seed {}: {:?}", self.seed, finished.summary);
        finished.ledger.end(RunEnd::Signal, Some(0)).unwrap();
    }

    pub(super) fn billing(&self) -> Vec<Vec<i64>> {
        self.billing.by_partition()
    }

    pub(super) fn audit(&self) -> Vec<Vec<i64>> {
        self.audit.by_partition()
    }

    /// Nothing failed, everything is committed, and nobody is to be delivered anything any more.
    pub(super) fn has_nothing_left(&self) {
        assert_eq!(self.journal.reader().counts().unwrap(), StateCounts { open: 0, resolved: 0, ignored: 0 });
        assert!(self.is_all_committed(), "seed {}: {:?}", self.seed, self.committed);
        assert_eq!(self.journal.undelivered(), [], "seed {}", self.seed);
    }

    fn is_all_committed(&self) -> bool {
        let committed = self.committed.lock().unwrap();
        committed.len() == PARTITIONS && committed.values().all(|at| at.next.get() == EACH)
    }
}

impl Taken {
    fn by_partition(&self) -> Vec<Vec<i64>> {
        let places = self.0.lock().unwrap();
        let of =
            |partition: usize| places.iter().filter(|(of, _)| usize::try_from(*of) == Ok(partition)).map(|(_, at)| *at).collect();
        (0..PARTITIONS).map(of).collect()
    }
}

fn take(is_down: &AtomicBool, taken: &Taken, record: &Record) -> Result<(), ReceiverError> {
    if is_down.load(Ordering::Relaxed) {
        return Err(ReceiverError::unreachable("nobody listens"));
    }
    taken.0.lock().unwrap().push((record.partition().number, record.offset().get()));
    Ok(())
}

/// Most are taken at once, some after a while.
impl Receiver for Taking {
    fn deliver(&self, delivery: Delivery) -> Step {
        let record = delivery.event.record();
        if record.offset().get() % 5 != 0 {
            return Step::Done(take(&self.is_down, &self.taken, record));
        }
        let (is_down, taken) = (Arc::clone(&self.is_down), Arc::clone(&self.taken));
        Step::Pending(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            take(&is_down, &taken, delivery.event.record())
        }))
    }
}
