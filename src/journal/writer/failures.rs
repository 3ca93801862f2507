//! Failures: one row for each (record, group, stage, receiver), however often it fails.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};

use crate::engine::ledger::{Delivered, FailedDelivery, PassedOver};
use crate::failure::{self, Failure, Stage, Try};
use crate::journal::fingerprint::Fingerprint;
use crate::journal::reader::rows::word;
use crate::journal::sql;
use crate::journal::writer::Writing;
use crate::journal::writer::names::Change;
use crate::receiver::Mode;
use crate::record::{Offset, Partition, Record};

/// In bytes.
const LONGEST_DETAIL: usize = 64 * 1024;

/// Which row of `failure` it is.
#[derive(Clone, Copy)]
struct Key {
    topic: i64,
    partition: i32,
    offset: i64,
    place: i64,
}

/// Which record.
#[derive(Clone, Copy, PartialEq, Eq)]
struct At {
    topic: i64,
    partition: i32,
    offset: i64,
}

/// The group's entries of one record: whoever gets it or passes it asks for them again and again.
#[derive(Default)]
pub(super) struct EntriesAt {
    at: Option<At>,
    list: Vec<EntryAt>,
}

struct EntryAt {
    id: i64,
    place: i64,
    fingerprint: i64,
    is_open: bool,
    stage: Stage,
}

/// The row that is there already.
struct Present {
    id: i64,
    fingerprint: i64,
    state: String,
    attempts: i64,
    settled_at_us: Option<i64>,
    settled_by: Option<String>,
    settled_replay: Option<i64>,
}

impl Writing<'_> {
    pub(super) fn failed(&mut self, failed: &FailedDelivery) -> rusqlite::Result<()> {
        let FailedDelivery { record, failure, receiver, mode, .. } = failed;
        if *mode != Mode::Live {
            self.redelivered.failed += 1;
        }
        // What it does is not in there.
        self.entries.at = None;
        let receiver = receiver.as_deref();
        let key = Key {
            topic: self.topic(&record.partition().topic)?,
            partition: record.partition().number,
            offset: record.offset().get(),
            place: self.place(failure.stage, receiver.unwrap_or_default())?,
        };
        let code = failure.code.as_str();
        let kind = Fingerprint::of(failure.stage, receiver, code, &failure.message);
        let last_at_us = last(failure).map_or(self.now_us, |last| last.at.as_microsecond());
        let fingerprint = self.fingerprint(&kind, key.place, code, last_at_us)?;
        self.keep_record(key, failed)?;
        let inserted = self.insert(key, fingerprint, failed)?;
        let is_new = inserted.is_some();
        let id = match inserted {
            Some(id) => {
                self.count(fingerprint, Change { open: 1, seen_at_us: last_at_us, ..Change::default() });
                self.earlier_tries(id, 0, failed)?;
                id
            }
            None => self.again(key, fingerprint, failed)?,
        };
        if !failure.causes.is_empty() || !failure.detail.is_empty() {
            let causes = serde_json::to_string(&failure.causes).unwrap_or_else(|_| "[]".to_owned());
            let detail = failure::kept(&failure.detail, LONGEST_DETAIL);
            self.transaction.prepare_cached(sql::FAILURE_TEXT)?.execute((id, causes, detail))?;
        } else if !is_new {
            // What an older try had to say is not what the latest one failed of.
            self.transaction.prepare_cached(sql::FORGET_TEXT)?.execute([id])?;
        }
        Ok(())
    }

    /// The bytes, once for all failures of the record.
    fn keep_record(&mut self, key: Key, failed: &FailedDelivery) -> rusqlite::Result<()> {
        let FailedDelivery { record, event, .. } = failed;
        let timestamp = record.timestamp();
        self.transaction.prepare_cached(sql::NEW_RECORD)?.execute(params![
            key.topic,
            key.partition,
            key.offset,
            record.leader_epoch(),
            timestamp.ms,
            timestamp.kind.as_str(),
            self.now_us,
            event.source.as_deref().map(failure::kept_line),
            event.time.as_deref().map(failure::kept_line),
            record.key(),
            record.headers().as_bytes(),
            i64::from(crc(record)),
            record.value().map(|value| value.len().cast_signed() as i64),
            record.value(),
        ])?;
        Ok(())
    }

    /// The new row's id; `None` when there is one already.
    fn insert(&mut self, key: Key, fingerprint: i64, failed: &FailedDelivery) -> rusqlite::Result<Option<i64>> {
        let FailedDelivery { failure, event, rule, mode, .. } = failed;
        let first_at_us = failure.tries.first().map_or(self.now_us, |first| first.at.as_microsecond());
        let last_at_us = last(failure).map_or(self.now_us, |last| last.at.as_microsecond());
        let changed = self.transaction.prepare_cached(sql::NEW_FAILURE)?.execute(params![
            key.topic,
            key.partition,
            key.offset,
            key.place,
            fingerprint,
            failure.class.as_str(),
            failure.code.as_str(),
            failure.tries.len().max(1).cast_signed() as i64,
            first_at_us,
            last_at_us.max(first_at_us),
            self.run,
            replay(*mode),
            last(failure).map(duration_us),
            event.event_type.as_deref().map(failure::kept_line),
            event.id.as_deref().map(failure::kept_line),
            failure::kept_line(&failure.message),
            rule.as_deref(),
        ])?;
        Ok((changed > 0).then(|| self.transaction.last_insert_rowid()))
    }

    /// It failed before: its older tries move aside, and it is open again unless somebody decided to ignore it.
    fn again(&mut self, key: Key, fingerprint: i64, failed: &FailedDelivery) -> rusqlite::Result<i64> {
        let FailedDelivery { failure, event, rule, mode, .. } = failed;
        let Some(present) = self.present(key)? else { return Err(rusqlite::Error::QueryReturnedNoRows) };
        self.transaction.prepare_cached(sql::KEEP_LATEST_ATTEMPT)?.execute([present.id])?;
        let was_delivered = present.settled_by.as_deref().is_some_and(|by| by != "hand");
        if was_delivered {
            self.transaction.prepare_cached(sql::NEW_ATTEMPT)?.execute(params![
                present.id,
                present.attempts + 1,
                "delivered",
                present.settled_at_us,
                present.settled_replay,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                None::<i64>,
                self.run
            ])?;
        }
        let before = present.attempts + i64::from(was_delivered);
        self.earlier_tries(present.id, before, failed)?;
        let attempts = before + failure.tries.len().max(1).cast_signed() as i64;
        let is_regress = present.state == "resolved";
        let state = if present.state == "ignored" { "ignored" } else { "open" };
        let last_at_us = last(failure).map_or(self.now_us, |last| last.at.as_microsecond());
        self.transaction.prepare_cached(sql::FAILED_AGAIN)?.execute(params![
            present.id,
            fingerprint,
            state,
            is_regress,
            failure.class.as_str(),
            failure.code.as_str(),
            attempts,
            last_at_us,
            self.run,
            replay(*mode),
            last(failure).map(duration_us),
            event.event_type.as_deref().map(failure::kept_line),
            event.id.as_deref().map(failure::kept_line),
            failure::kept_line(&failure.message),
            rule.as_deref(),
        ])?;
        self.transaction.prepare_cached(sql::FORGET_ATTEMPTS)?.execute((present.id, attempts))?;
        self.count(present.fingerprint, only(&present.state, -1));
        let change = Change { regressed: i64::from(is_regress), seen_at_us: last_at_us, ..only(state, 1) };
        self.count(fingerprint, change);
        Ok(present.id)
    }

    /// All tries but the last, which is the row itself. `before` tries are there already.
    fn earlier_tries(&mut self, id: i64, before: i64, failed: &FailedDelivery) -> rusqlite::Result<()> {
        let Some((_, earlier)) = failed.failure.tries.split_last() else { return Ok(()) };
        for (number, of) in (before + 1..).zip(earlier) {
            let Try { at, class, code, message, .. } = of;
            self.transaction.prepare_cached(sql::NEW_ATTEMPT)?.execute(params![
                id,
                number,
                "failed",
                at.as_microsecond(),
                replay(failed.mode),
                class.as_str(),
                code.as_str(),
                failure::kept_line(message),
                duration_us(of),
                self.run
            ])?;
        }
        Ok(())
    }

    fn present(&mut self, key: Key) -> rusqlite::Result<Option<Present>> {
        let mut select = self.transaction.prepare_cached(sql::FAILURE_AT)?;
        select
            .query_row((key.topic, key.partition, key.offset, key.place), |row| {
                Ok(Present {
                    id: row.get(0)?,
                    fingerprint: row.get(1)?,
                    state: row.get(2)?,
                    attempts: row.get(3)?,
                    settled_at_us: row.get(4)?,
                    settled_by: row.get(5)?,
                    settled_replay: row.get(6)?,
                })
            })
            .optional()
    }

    /// A receiver got a record that has an entry, or may have one.
    pub(super) fn delivered(&mut self, delivered: &Delivered) -> rusqlite::Result<()> {
        let Delivered { partition, offset, receiver, mode } = delivered;
        if *mode != Mode::Live {
            self.redelivered.delivered += 1;
        }
        let at = self.look_up(partition, *offset)?;
        if self.entries.list.is_empty() {
            return Ok(());
        }
        let place = self.place(Stage::Receive, receiver)?;
        let now_us = self.now_us;
        self.transaction.prepare_cached(sql::NEW_DELIVERED)?.execute((at.topic, at.partition, at.offset, place, now_us))?;
        self.resolve(*mode, |entry| entry.place == place)
    }

    /// A record passed stages at which it had failed before.
    pub(super) fn passed(&mut self, record: (&Arc<Partition>, Offset), through: Stage, mode: Mode) -> rusqlite::Result<()> {
        self.look_up(record.0, record.1)?;
        self.resolve(mode, |entry| entry.stage <= through && entry.stage != Stage::Receive)
    }

    /// A replay did not deliver what it holds.
    pub(super) fn passed_over(&mut self, passed_over: &PassedOver) -> rusqlite::Result<()> {
        let PassedOver { partition, offset, receiver, why: _ } = passed_over;
        self.redelivered.skipped += 1;
        self.look_up(partition, *offset)?;
        let place = receiver.as_deref().map(|receiver| self.place(Stage::Receive, receiver)).transpose()?;
        let is_meant = |entry: &&EntryAt| place.map_or(entry.stage != Stage::Receive, |place| entry.place == place);
        let mut give_back = self.transaction.prepare_cached(sql::GIVEN_BACK)?;
        for entry in self.entries.list.iter().filter(is_meant) {
            give_back.execute((entry.id, self.run))?;
        }
        Ok(())
    }

    /// Reads the group's entries of a record, unless it is the one that was asked about last.
    fn look_up(&mut self, partition: &Arc<Partition>, offset: Offset) -> rusqlite::Result<At> {
        let at = At { topic: self.topic(&partition.topic)?, partition: partition.number, offset: offset.get() };
        if self.entries.at == Some(at) {
            return Ok(at);
        }
        self.entries.at = None;
        self.entries.list.clear();
        let mut select = self.transaction.prepare_cached(sql::ENTRIES_AT)?;
        let mut rows = select.query((at.topic, at.partition, at.offset, self.group))?;
        while let Some(row) = rows.next()? {
            self.entries.list.push(EntryAt {
                id: row.get(0)?,
                place: row.get(1)?,
                fingerprint: row.get(2)?,
                is_open: row.get(3)?,
                stage: word(row, 4, Stage::from_name)?,
            });
        }
        self.entries.at = Some(at);
        Ok(at)
    }

    /// Those of the looked-up entries that are open, and meant.
    fn resolve(&mut self, mode: Mode, is_meant: impl Fn(&EntryAt) -> bool) -> rusqlite::Result<()> {
        let by = if mode == Mode::Live { "live" } else { "replay" };
        let mut list = std::mem::take(&mut self.entries.list);
        for entry in list.iter_mut().filter(|entry| entry.is_open && is_meant(entry)) {
            self.transaction.prepare_cached(sql::RESOLVED)?.execute((entry.id, self.now_us, by, replay(mode)))?;
            self.count(entry.fingerprint, Change { open: -1, resolved: 1, ..Change::default() });
            entry.is_open = false;
        }
        self.entries.list = list;
        Ok(())
    }
}

fn only(state: &str, by: i64) -> Change {
    match state {
        "open" => Change { open: by, ..Change::default() },
        "resolved" => Change { resolved: by, ..Change::default() },
        _ => Change { ignored: by, ..Change::default() },
    }
}

fn last(failure: &Failure) -> Option<&Try> {
    failure.tries.last()
}

fn duration_us(of: &Try) -> i64 {
    i64::try_from(of.duration.as_micros()).unwrap_or(i64::MAX)
}

fn replay(mode: Mode) -> Option<i64> {
    match mode {
        Mode::Live => None,
        Mode::Replay(id) => Some(id),
    }
}

/// Over key, headers and value, one after the other.
pub(in crate::journal) fn crc(record: &Record) -> u32 {
    crc_of(record.key(), record.headers().as_bytes(), record.value())
}

pub(in crate::journal) fn crc_of(key: Option<&[u8]>, headers: &[u8], value: Option<&[u8]>) -> u32 {
    let sum = crc32c::crc32c(key.unwrap_or_default());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, headers), value.unwrap_or_default())
}
