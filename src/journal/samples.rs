//! Journals for tests, filled as the engine fills them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::detached::Range;
use crate::engine::doubles::next;
use crate::engine::ledger::{
    Counts, Delivered, Entry, FailedDelivery, Incident, IncidentKey, IncidentKind, PassedOver, Progress, WhyNot,
};
use crate::engine::missed::{CaughtUp, Deferred};
use crate::event::EventFacts;
use crate::failure::{Class, Code, Failure, Stage, Try};
use crate::journal::{Beginning, Place, Reader, ReceiverDefinition, Safety, Writer};
use crate::receiver::Mode;
use crate::record::samples::{partition_of, record_at};
use crate::record::{Offset, Partition, Record};

/// When the first try of a sample failed.
pub(crate) const FIRST_TRY_S: i64 = 1_700_000_000;

/// A journal in a folder of its own, and one partition of `orders`.
pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) partition: Arc<Partition>,
}

/// The same, by a replay.
pub(crate) fn by_replay(replay: i64, mut entry: Entry) -> Entry {
    match &mut entry {
        Entry::Failed(failed) => failed.mode = Mode::Replay(replay),
        Entry::Delivered(delivered) => delivered.mode = Mode::Replay(replay),
        Entry::Passed { mode, .. } => *mode = Mode::Replay(replay),
        _ => {}
    }
    entry
}

/// A failure to be journaled; all that a test does not name is of no matter to it.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) offset: i64,
    /// `None`: before the receivers, at `stage`.
    pub(crate) receiver: Option<&'static str>,
    pub(crate) stage: Stage,
    pub(crate) class: Class,
    pub(crate) code: &'static str,
    /// One for each try, a second apart.
    pub(crate) messages: Vec<String>,
    pub(crate) first_try_s: i64,
    pub(crate) event: EventFacts,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            offset: 0,
            receiver: Some("billing"),
            stage: Stage::Receive,
            class: Class::Transient,
            code: "http_503",
            messages: vec!["it failed".into()],
            first_try_s: FIRST_TRY_S,
            event: EventFacts { event_type: Some("order.placed".into()), ..EventFacts::default() },
        }
    }
}

impl Sample {
    pub(crate) fn of(self, record: Record) -> Entry {
        let Self { receiver, stage, class, code, messages, first_try_s, event, .. } = self;
        let tries: Vec<_> = (first_try_s..)
            .zip(messages)
            .map(|(at_s, message)| Try {
                at: Timestamp::from_second(at_s).unwrap(),
                duration: Duration::from_millis(12),
                class,
                code: Code::known(code),
                message,
            })
            .collect();
        let message = tries.last().unwrap().message.clone();
        let failure = Failure {
            stage,
            receiver: None,
            class,
            code: Code::known(code),
            message,
            causes: vec!["the cause".into()],
            detail: "the detail".into(),
            tries,
        };
        let receiver = receiver.map(str::to_owned);
        Entry::Failed(Box::new(FailedDelivery { record, event, receiver, failure, rule: None, mode: Mode::Live }))
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), partition: partition_of("orders") }
    }

    pub(crate) fn place(&self) -> Place {
        Place { path: self.folder.path().join("redrive.db"), safety: Safety::Safe }
    }

    pub(crate) fn writer(&self) -> Writer {
        self.writer_of("shop", Vec::new())
    }

    pub(crate) fn writer_of(&self, group: &str, receivers: Vec<ReceiverDefinition>) -> Writer {
        self.run_of("consume", group, receivers)
    }

    pub(crate) fn run_of(&self, command: &'static str, group: &str, receivers: Vec<ReceiverDefinition>) -> Writer {
        let beginning = Beginning { command, group: group.into(), client_id: "c".into(), receivers, hands: 0 };
        Writer::open(&self.place(), &beginning).unwrap()
    }

    /// A run of the same group that replays, and the number of its replay.
    pub(crate) fn replayer(&self) -> (Writer, i64) {
        let mut writer = self.run_of("replay", "shop", Vec::new());
        let replay = writer.begin_replay(&serde_json::json!({ "ids": [1] })).unwrap();
        (writer, replay)
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.place()).unwrap()
    }

    /// Ranges of which a receiver is still to be delivered something: the partition, where it goes on, its end, and who has it.
    pub(crate) fn undelivered(&self) -> Vec<(i32, i64, i64, Option<i64>)> {
        let connection = rusqlite::Connection::open(self.place().path).unwrap();
        let query = "SELECT partition, delivered_to, to_offset, claimed_by FROM deferred WHERE delivered_to < to_offset";
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn sample(&self, sample: Sample) -> Entry {
        let headers: &[(&str, Option<&[u8]>)] = &[("ce_type", Some(b"order.placed")), ("x", None)];
        let record = record_at(&self.partition, sample.offset, headers, Some(b"{\"a\":1}"));
        sample.of(record)
    }

    pub(crate) fn failed(&self, offset: i64, receiver: &'static str, messages: &[&str]) -> Entry {
        let messages = messages.iter().map(|message| (*message).to_owned()).collect();
        self.sample(Sample { offset, receiver: Some(receiver), messages, ..Sample::default() })
    }

    pub(crate) fn delivered(&self, offset: i64, receiver: &str) -> Entry {
        let offset = Offset::new(offset).unwrap();
        Entry::Delivered(Delivered { partition: Arc::clone(&self.partition), offset, receiver: receiver.into(), mode: Mode::Live })
    }

    pub(crate) fn passed(&self, offset: i64, through: Stage) -> Entry {
        let offset = Offset::new(offset).unwrap();
        Entry::Passed { partition: Arc::clone(&self.partition), offset, through, mode: Mode::Live }
    }

    pub(crate) fn passed_over(&self, offset: i64, receiver: Option<&str>) -> Entry {
        let (partition, offset) = (Arc::clone(&self.partition), Offset::new(offset).unwrap());
        Entry::PassedOver(PassedOver { partition, offset, receiver: receiver.map(str::to_owned), why: WhyNot::ReceiverDown })
    }

    pub(crate) fn progress(&self, from: i64, to: i64) -> Entry {
        let counts = Counts { delivered: u64::try_from(to - from).unwrap(), ..Counts::default() };
        Entry::Progress(Progress { partition: Arc::clone(&self.partition), from: next(from), to: next(to), counts })
    }

    /// So many events of the offsets from the first to the second, which is excluded.
    pub(crate) fn deferred(&self, receiver: &str, (from, to): (i64, i64), events: u64) -> Entry {
        let (partition, receiver) = (Arc::clone(&self.partition), receiver.to_owned());
        Entry::Deferred(Deferred { partition, receiver, from: next(from), to: next(to), events })
    }

    pub(crate) fn caught_up(&self, receiver: &str, (from, to): (i64, i64)) -> Entry {
        let (partition, receiver) = (Arc::clone(&self.partition), receiver.to_owned());
        let ranges = vec![Range { from: next(from), to: next(to) }];
        Entry::CaughtUp(CaughtUp { partition, receiver, ranges, to: next(to) })
    }

    pub(crate) fn incident(&self, kind: IncidentKind, message: &str) -> Entry {
        Entry::Incident(Incident::new(IncidentKey::of(kind), message.into()))
    }
}
