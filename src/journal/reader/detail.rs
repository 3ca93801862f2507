//! One failure with all that the journal has of it, and its neighbourhood.

use rusqlite::OptionalExtension as _;

use crate::journal::holders::Holders;
use crate::journal::items::{AttemptItem, Bytes, FailureDetail, FailureItem, Neighbour, ProgressItem};
use crate::journal::reader::{ReadError, Reader, rows};
use crate::journal::sql;
use crate::journal::writer::crc_of;
use crate::record::Headers;

impl Reader {
    /// All that the journal has of one failure; `None` when it has none of this id.
    ///
    /// # Errors
    /// When the journal cannot be read, or the entry's bytes are damaged.
    pub fn failure(&self, id: i64) -> Result<Option<FailureDetail>, ReadError> {
        // One snapshot: what follows must be of the same row.
        let snapshot = self.connection.unchecked_transaction().map_err(|error| self.failed(error))?;
        let holders = Holders::now(&snapshot);
        let columns = self.failure_columns().map_err(|error| self.failed(error))?;
        let text = format!("SELECT {columns} FROM failure f {} WHERE f.id = ?1", sql::FAILURE_TABLES);
        let item = snapshot.query_row(&text, [id], |row| rows::failure(row, &holders)).optional();
        item.map_err(|error| self.failed(error))?.map(|item| self.detail(item)).transpose()
    }

    fn detail(&self, item: FailureItem) -> Result<FailureDetail, ReadError> {
        let id = item.id;
        let stored = self.connection.query_row(sql::RECORD_OF, [id], rows::stored).map_err(|error| self.failed(error))?;
        let damaged = |what: String| ReadError::DamagedEntry { path: self.path.clone(), id, what };
        let key = item.key.as_ref().map(|key| key.0.as_slice());
        if !stored.is_value_gone && stored.crc != crc_of(key, &stored.headers, stored.value.as_deref()) {
            return Err(damaged("its bytes do not have the checksum that they were written with".to_owned()));
        }
        let headers = Headers::parse(&stored.headers).map_err(|error| damaged(error.to_string()))?;
        let headers = headers.iter().map(|header| (Bytes(header.name.to_vec()), header.value.map(|value| Bytes(value.to_vec()))));
        let related = self.related(&item).map_err(|error| self.failed(error))?;
        Ok(FailureDetail {
            headers: headers.collect(),
            detail: stored.detail,
            value: stored.value.map(Bytes),
            value_size: stored.value_size,
            is_value_gone: stored.is_value_gone,
            delivered_to: related.delivered_to,
            history: related.history,
            alike: related.alike,
            alike_since_us: related.alike_since_us,
            receiver_definition: related.receiver_definition,
            item,
        })
    }

    /// The record's other receivers that got it, by name.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn delivered_to(&self, id: i64) -> Result<Vec<String>, ReadError> {
        self.receivers_with_record_of(id).map_err(|error| self.failed(error))
    }

    fn receivers_with_record_of(&self, id: i64) -> rusqlite::Result<Vec<String>> {
        let mut delivered = self.connection.prepare_cached(sql::DELIVERED_TO)?;
        delivered.query_map([id], |row| row.get(0))?.collect()
    }

    fn related(&self, item: &FailureItem) -> rusqlite::Result<Related> {
        let connection = &self.connection;
        let mut attempts = connection.prepare(sql::ATTEMPTS_OF)?;
        let mut history: Vec<AttemptItem> = attempts.query_map([item.id], rows::attempt)?.collect::<Result<_, _>>()?;
        history.sort_by_key(|attempt| attempt.number);
        let (alike, alike_since_us) =
            connection.query_row(sql::KIND_OF, [item.id], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))?;
        let definition: Option<String> = connection
            .query_row(sql::DEFINITION_OF, (&item.group, item.receiver.as_deref().unwrap_or_default()), |row| row.get(0))
            .optional()?;
        Ok(Related {
            delivered_to: self.receivers_with_record_of(item.id)?,
            history,
            alike,
            alike_since_us,
            receiver_definition: definition.and_then(|definition| serde_json::from_str(&definition).ok()),
        })
    }

    /// The entries of the same group and partition around a failure, at most `count` before and after, and the progress ranges they
    /// lie in.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn around(&self, id: i64, count: u32) -> Result<(Vec<Neighbour>, Vec<ProgressItem>), ReadError> {
        self.look_around(id, count).map_err(|error| self.failed(error))
    }

    fn look_around(&self, id: i64, count: u32) -> rusqlite::Result<(Vec<Neighbour>, Vec<ProgressItem>)> {
        let connection = self.connection.unchecked_transaction()?;
        let (topic, partition, offset, group): (i64, i32, i64, String) =
            connection.query_row(sql::PLACE_OF, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let mut before = connection.prepare(sql::BEFORE)?;
        let mut after = connection.prepare(sql::AFTER)?;
        let mut near: Vec<Neighbour> =
            before.query_map((topic, partition, offset, &group, count), rows::neighbour)?.collect::<Result<_, _>>()?;
        near.reverse();
        near.extend(
            after
                .query_map((topic, partition, offset, &group, count.saturating_add(1)), rows::neighbour)?
                .collect::<Result<Vec<_>, _>>()?,
        );
        let first = near.first().map_or(offset, |near| near.offset);
        let last = near.last().map_or(offset, |near| near.offset);
        let mut progress = connection.prepare(sql::PROGRESS_AROUND)?;
        let progress = progress.query_map((&group, topic, partition, first, last), rows::progress)?.collect::<Result<_, _>>()?;
        Ok((near, progress))
    }
}

struct Related {
    delivered_to: Vec<String>,
    history: Vec<AttemptItem>,
    alike: u64,
    alike_since_us: i64,
    receiver_definition: Option<serde_json::Value>,
}
