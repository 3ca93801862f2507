//! A source and a ledger in memory, for tests: what they were asked is there to be looked at.

mod log;

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::engine::batches::Order;
use crate::engine::conduct::{Conduct, UntilEnd};
use crate::engine::coordinator::{CoordinatorOptions, Named};
use crate::engine::flow::Budget;
use crate::engine::ledger::{Entry, Known, Ledger, LedgerError, RunEnd, RunId};
use crate::engine::limit::Probation;
use crate::engine::rereading::NothingAgain;
use crate::engine::schemas::Schemas;
use crate::engine::source::{
    Appeared, CommitResult, CommitStarted, Committed, Flow, Mark, Offer, Polled, Source, SourceError, Start, StartAt,
};
use crate::engine::start::{OnGap, OnTruncation};
use crate::engine::{Guarding, Plan};
use crate::receiver::{Binding, Mode, OnOutage, Receiver};
use crate::record::{
    Debts, Headers, Meant, NextOffset, Offset, Partition, RawRecord, ReceiverSet, Slot, Suspects, Timestamp, TimestampKind, Topic,
};
use crate::stage::{Format, Router, TypeFrom, Unrecognized};

pub(crate) use log::Log;

pub(crate) fn next(value: i64) -> NextOffset {
    NextOffset::new(value).unwrap()
}

pub(crate) fn conduct() -> Conduct {
    Conduct {
        order: Order::Partition,
        budget: Budget { records: 100, bytes: 1 << 20 },
        commit_interval: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(10),
        on_gap: OnGap::Earliest,
        on_truncation: OnTruncation::Hold,
        type_from: TypeFrom::CloudEvents,
        max_consecutive_errors: None,
        max_records: None,
        until_end: UntilEnd::No,
        idle_exit: None,
    }
}

pub(crate) fn options(conduct: Conduct) -> CoordinatorOptions {
    let receivers = vec![Named { name: "billing".into(), on_outage: OnOutage::Wait }];
    CoordinatorOptions { shards: 1, receivers, probation: Probation::No, run: RunId { journal_uuid: "j".into(), run: 1 }, conduct }
}

/// A receiver that gets everything, and whose outages are failures.
pub(crate) fn binding(name: &str, receiver: Arc<dyn Receiver>) -> Binding {
    Binding {
        name: name.into(),
        definition: "test".into(),
        types: Vec::new(),
        timeout: Duration::from_secs(5),
        retries: 2,
        on_outage: OnOutage::Journal,
        receiver,
    }
}

pub(crate) fn plan(bindings: Vec<Binding>, conduct: Conduct) -> Plan {
    let router = Router::new(bindings.iter().map(|binding| binding.types.as_slice()), Unrecognized::Journal).unwrap();
    Plan {
        group: "g".into(),
        run: RunId { journal_uuid: "uuid".into(), run: 1 },
        router,
        rules: Arc::default(),
        bindings,
        by_name_only: ReceiverSet::NONE,
        format: Format::Auto,
        schemas: Schemas::default(),
        open_again: Box::new(NothingAgain),
        mode: Mode::Live,
        guard: Guarding::Off,
        probation: Probation::No,
        concurrency: NonZeroUsize::new(256).unwrap(),
        conduct,
        hands: None,
    }
}

pub(crate) fn topic(name: &str) -> Arc<Topic> {
    Arc::new(Topic { cluster_id: "cluster".into(), name: name.into(), uuid: Some("AAAAAAAAAAAAAAAAAAAAAA".into()) })
}

pub(crate) fn raw<'a>(slot: Slot, offset: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> RawRecord<'a> {
    RawRecord {
        slot,
        offset: Offset::new(offset).unwrap(),
        leader_epoch: None,
        timestamp: Timestamp { ms: Some(1_700_000_000_000), kind: TimestampKind::Create },
        key,
        value,
        headers: Headers::EMPTY,
        meant: Meant::ALL,
    }
}

pub(crate) fn offer(slot: Slot, topic: &Arc<Topic>, end: i64) -> Offer {
    Offer {
        slot,
        topic: Arc::clone(topic),
        partition: i32::try_from(slot.index).unwrap(),
        committed: Some(Committed { next: NextOffset::ZERO, metadata: String::new() }),
        low: NextOffset::ZERO,
        end: next(end),
        topic_known_to_group: true,
        from: None,
        appeared: Appeared::BeforeTheRun,
    }
}

/// What the broker saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) commits: Vec<Mark>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) is_closed: bool,
}

/// Partitions of one topic, each a list of (key, value), read round robin, then the end or silence.
pub(crate) struct MemorySource {
    pub(crate) seen: Arc<Mutex<Seen>>,
    topic: Arc<Topic>,
    partitions: Vec<VecDeque<(i64, Record)>>,
    assigned: HashMap<Slot, i64>,
    is_offered: bool,
    is_held: bool,
    standing: HashSet<Slot>,
    is_bounded: bool,
    /// It knows where it begins, and whom its records are for.
    meant: Option<Meant>,
    turn: usize,
    lent: Record,
}

pub(crate) type Record = (Option<Vec<u8>>, Option<Vec<u8>>);

impl MemorySource {
    pub(crate) fn bounded(partitions: Vec<Vec<Record>>) -> Self {
        let number = |records: Vec<Record>| (0i64..).zip(records).collect();
        Self {
            seen: Arc::default(),
            topic: topic("orders"),
            partitions: partitions.into_iter().map(number).collect(),
            assigned: HashMap::new(),
            is_offered: false,
            is_held: false,
            standing: HashSet::new(),
            is_bounded: true,
            meant: None,
            turn: 0,
            lent: (None, None),
        }
    }

    pub(crate) fn endless(mut self) -> Self {
        self.is_bounded = false;
        self
    }

    /// As a replay's source: nothing is offered, and its records are for these.
    pub(crate) fn opened_for(self, meant: Meant) -> Self {
        Self { meant: Some(meant), ..self }
    }

    /// All partitions, from their beginning.
    fn opened(&mut self) -> Vec<(Arc<Partition>, NextOffset)> {
        let partition = |index: usize| Partition {
            slot: Self::slot(index),
            topic: Arc::clone(&self.topic),
            number: i32::try_from(index).unwrap(),
            late_below: NextOffset::ZERO,
            debts: Debts::unknown(),
            suspects: Suspects::default(),
        };
        let all: Vec<_> = (0..self.partitions.len()).map(|index| (Arc::new(partition(index)), NextOffset::ZERO)).collect();
        self.assigned.extend(all.iter().map(|(partition, _)| (partition.slot, 0)));
        all
    }

    fn slot(index: usize) -> Slot {
        Slot { index: u32::try_from(index).unwrap(), epoch: 1 }
    }
}

impl Source for MemorySource {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        if !self.is_offered {
            self.is_offered = true;
            if self.meant.is_some() {
                return Ok(Polled::Opened(self.opened()));
            }
            let offers = self.partitions.iter().enumerate();
            return Ok(Polled::Offered(
                offers.map(|(at, records)| offer(Self::slot(at), &self.topic, i64::try_from(records.len()).unwrap())).collect(),
            ));
        }
        let waiting = self.is_held || self.assigned.is_empty();
        for _ in 0..if waiting { 0 } else { self.partitions.len() } {
            self.turn = (self.turn + 1) % self.partitions.len();
            let slot = Self::slot(self.turn);
            if self.standing.contains(&slot) {
                continue;
            }
            if let Some((offset, record)) = self.partitions[self.turn].pop_front() {
                self.lent = record;
                let raw = raw(slot, offset, self.lent.0.as_deref(), self.lent.1.as_deref());
                return Ok(Polled::Record(RawRecord { meant: self.meant.unwrap_or(raw.meant), ..raw }));
            }
        }
        if self.is_bounded && !waiting && self.standing.is_empty() && wait.is_zero() {
            return Ok(Polled::End);
        }
        std::thread::park_timeout(wait);
        Ok(Polled::Idle)
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        for start in starts {
            if let StartAt::At(at) = start.at {
                self.assigned.insert(start.partition.slot, at.get());
                self.partitions[start.partition.slot.index as usize].retain(|(offset, _)| *offset >= at.get());
            }
        }
        Ok(())
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.is_held = flow == Flow::Held;
        self.seen.lock().unwrap().flows.push(flow);
        Ok(())
    }

    fn flow_of(&mut self, slots: &[Slot], flow: Flow) -> Result<(), SourceError> {
        for slot in slots {
            match flow {
                Flow::Held => self.standing.insert(*slot),
                Flow::Open => self.standing.remove(slot),
            };
        }
        Ok(())
    }

    fn commit(&mut self, marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        self.seen.lock().unwrap().commits.extend_from_slice(marks);
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        self.commit(marks)?;
        Ok(marks.iter().map(|mark| (mark.clone(), Ok(()))).collect())
    }

    fn release(&mut self, _slots: &[Slot]) -> Result<(), SourceError> {
        Ok(())
    }

    fn close(self: Box<Self>, _deadline: Instant) -> Result<(), SourceError> {
        self.seen.lock().unwrap().is_closed = true;
        Ok(())
    }
}

/// A ledger that keeps everything, and fails when it is told to.
#[derive(Clone, Default)]
pub(crate) struct MemoryLedger {
    pub(crate) entries: Arc<Mutex<Vec<Entry>>>,
    pub(crate) known: Arc<Mutex<HashMap<u32, Known>>>,
    /// Transactions that may still succeed.
    pub(crate) left: Arc<Mutex<Option<usize>>>,
    /// Another process holds the lock.
    pub(crate) is_locked: Arc<AtomicBool>,
}

impl MemoryLedger {
    /// (partition, offset, receiver or stage) of every failure that was written, sorted.
    pub(crate) fn failures(&self) -> Vec<(i32, i64, String)> {
        let entries = self.entries.lock().unwrap();
        let mut failures: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Failed(failed) => Some((
                    failed.record.partition().number,
                    failed.record.offset().get(),
                    failed.receiver.clone().unwrap_or_else(|| failed.failure.stage.as_str().to_owned()),
                )),
                _ => None,
            })
            .collect();
        failures.sort();
        failures
    }

    pub(crate) fn count(&self, matches: impl Fn(&Entry) -> bool) -> usize {
        self.entries.lock().unwrap().iter().filter(|entry| matches(entry)).count()
    }
}

impl Ledger for MemoryLedger {
    fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        if self.is_locked.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(1));
            return Err(LedgerError::Locked { path: "memory".into() });
        }
        if let Some(left) = self.left.lock().unwrap().as_mut() {
            let Some(fewer) = left.checked_sub(1) else {
                return Err(LedgerError::Write { path: "memory".into(), message: "full".into() });
            };
            *left = fewer;
        }
        self.entries.lock().unwrap().extend_from_slice(entries);
        Ok(())
    }

    fn know(&mut self, offers: &[Offer]) -> Result<Vec<Known>, LedgerError> {
        let known = self.known.lock().unwrap();
        Ok(offers.iter().map(|offer| known.get(&offer.slot.index).cloned().unwrap_or_else(|| unknown(offer.slot))).collect())
    }

    fn beat(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn end(&mut self, _end: RunEnd, _exit_code: Option<u8>) -> Result<(), LedgerError> {
        Ok(())
    }
}

pub(crate) fn unknown(slot: Slot) -> Known {
    let (highest, debts, suspects) = (NextOffset::ZERO, Debts::default(), Suspects::default());
    Known { slot, topic_known: true, other_uuid: false, progress: None, highest, debts, suspects, deferred: Vec::new() }
}
