//! Listings: read-only, in short statements, so that no reader holds the write-ahead log back for long.

mod rows;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use thiserror::Error;

use crate::journal::items::{
    AttemptItem, Bytes, FailureDetail, FailureItem, FailureState, IncidentItem, IncidentState, Neighbour, ProgressItem, StateCounts,
};
use crate::journal::open::{OpenError, Place};
use crate::journal::selection::{Bounds, FailureSelection, IncidentSelection, OffsetRange, Sort};
use crate::journal::sql;
use crate::record::Headers;

/// A journal that is open for reading.
pub struct Reader {
    connection: Connection,
    path: String,
    uuid: String,
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
}

/// What to list of a selection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    /// 0: all.
    pub limit: usize,
    /// Behind this id, in the order of the listing.
    pub after: Option<i64>,
    pub sort: Sort,
}

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error("the journal {path} cannot be read: {source}")]
    Sqlite { path: String, source: rusqlite::Error },
    #[error("fingerprint `{0}` is not in the journal")]
    UnknownFingerprint(String),
    #[error("fingerprint `{0}` is not unique: give more of its digits")]
    AmbiguousFingerprint(String),
    #[error("fingerprint `{0}` is not one: expected at least 6 hex digits")]
    MalformedFingerprint(String),
    #[error("entry {id} of the journal {path} is damaged: {what}")]
    Damaged { path: String, id: i64, what: String },
}

impl Reader {
    /// # Errors
    /// When there is no journal, or it is none that this version reads.
    pub fn open(place: &Place) -> Result<Self, OpenError> {
        let connection = place.open_to_read()?;
        let uuid = connection.query_row(sql::UUID, [], |row| row.get(0)).map_err(|error| place.failed(error))?;
        Ok(Self { connection, path: place.path.display().to_string(), uuid })
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    fn failed(&self, source: rusqlite::Error) -> ReadError {
        ReadError::Sqlite { path: self.path.clone(), source }
    }

    /// How many failures there are in each state.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn counts(&self) -> Result<StateCounts, ReadError> {
        let counts = self.connection.query_row(sql::STATE_COUNTS, [], |row| {
            let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(StateCounts { open: count(0)?, resolved: count(1)?, ignored: count(2)? })
        });
        counts.map_err(|error| self.failed(error))
    }

    /// How many incidents are open.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn open_incidents(&self) -> Result<u64, ReadError> {
        let count: i64 =
            self.connection.query_row(sql::OPEN_INCIDENTS, [], |row| row.get(0)).map_err(|error| self.failed(error))?;
        Ok(count.cast_unsigned())
    }

    /// One page of the failures of a selection.
    ///
    /// # Errors
    /// When the journal cannot be read, or a fingerprint names none or several.
    pub fn failures(&self, selection: &FailureSelection, window: Window) -> Result<Page<FailureItem>, ReadError> {
        let Some(terms) = self.terms(selection)? else { return Ok(Page { items: Vec::new(), has_more: false }) };
        let states = if selection.states.is_empty() { FailureState::ALL.to_vec() } else { selection.states.clone() };
        let mut items = Vec::new();
        for state in states {
            items.extend(self.failures_in(state, &terms, window).map_err(|error| self.failed(error))?);
        }
        items.sort_unstable_by_key(|item: &FailureItem| if window.sort == Sort::Newest { -item.id } else { item.id });
        let has_more = window.limit > 0 && items.len() > window.limit;
        if has_more {
            items.truncate(window.limit);
        }
        Ok(Page { items, has_more })
    }

    /// One branch for each state: index failure_state, in the order of ids, without a sort.
    fn failures_in(&self, state: FailureState, terms: &Terms, window: Window) -> rusqlite::Result<Vec<FailureItem>> {
        let (beyond, order) = if window.sort == Sort::Newest { ("<", "DESC") } else { (">", "ASC") };
        let mut text = format!("SELECT {} FROM failure f {} WHERE f.state = ?", sql::FAILURE_COLUMNS, sql::FAILURE_TABLES);
        let mut values: Vec<SqlValue> = vec![state.as_str().to_owned().into()];
        if let Some(after) = window.after {
            text.push_str(&format!(" AND f.id {beyond} ?"));
            values.push(after.into());
        }
        text.push_str(&terms.text);
        values.extend(terms.values.iter().cloned());
        text.push_str(&format!(" ORDER BY f.id {order}"));
        if window.limit > 0 {
            text.push_str(" LIMIT ?");
            values.push(i64::try_from(window.limit + 1).unwrap_or(i64::MAX).into());
        }
        let mut select = self.connection.prepare(&text)?;
        select.query_map(params_from_iter(values), rows::failure)?.collect()
    }

    /// The selection as SQL; `None` when it can match nothing.
    fn terms(&self, selection: &FailureSelection) -> Result<Option<Terms>, ReadError> {
        let mut terms = Terms::default();
        if !selection.topics.is_empty() {
            terms.any("f.topic_id", self.topics(&selection.topics)?);
        }
        if !(selection.groups.is_empty() && selection.receivers.is_empty() && selection.stages.is_empty()) {
            terms.any("f.place_id", self.places(selection)?);
        }
        if !selection.fingerprints.is_empty() {
            terms.any("f.fingerprint_id", self.fingerprints(&selection.fingerprints)?);
        }
        terms.any_if("f.partition", selection.partitions.iter().map(|of| i64::from(*of).into()).collect());
        terms.any_if("f.class", selection.classes.iter().map(|of| of.as_str().to_owned().into()).collect());
        terms.any_if("f.code", selection.codes.iter().map(|of| of.clone().into()).collect());
        terms.any_if("f.event_type", selection.types.iter().map(|of| of.clone().into()).collect());
        terms.bound("f.last_failed_at_us >= ?", selection.since_us);
        terms.bound("f.last_failed_at_us < ?", selection.until_us);
        if !selection.offsets.is_empty() {
            self.offsets(&selection.offsets, &mut terms)?;
        }
        Ok((!terms.is_empty_set).then_some(terms))
    }

    fn offsets(&self, ranges: &[OffsetRange], terms: &mut Terms) -> Result<(), ReadError> {
        let mut any = Vec::new();
        let mut values = Vec::new();
        for OffsetRange { topic, partition, bounds } in ranges {
            let mut each = Terms::default();
            if let Some(topic) = topic {
                each.any("f.topic_id", self.topics(std::slice::from_ref(topic))?);
            }
            each.bound("f.partition = ?", partition.map(i64::from));
            let (column, from, to) = match *bounds {
                Bounds::Offsets { from, to } => ("f.offset", from, to),
                Bounds::TimesMs { from, to } => ("c.timestamp_ms", from, to),
            };
            each.bound(&format!("{column} >= ?"), Some(from));
            each.bound(&format!("{column} < ?"), to);
            if !each.is_empty_set {
                any.push(format!("(1{})", each.text));
                values.extend(each.values);
            }
        }
        terms.is_empty_set |= any.is_empty();
        terms.text.push_str(&format!(" AND ({})", any.join(" OR ")));
        terms.values.extend(values);
        Ok(())
    }

    fn topics(&self, names: &[String]) -> Result<Vec<SqlValue>, ReadError> {
        let ids = || {
            let mut select = self.connection.prepare_cached(sql::TOPICS_NAMED)?;
            let mut ids = Vec::new();
            for name in names {
                ids.extend(select.query_map([name], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?);
            }
            Ok(ids.into_iter().map(SqlValue::from).collect())
        };
        ids().map_err(|error| self.failed(error))
    }

    fn places(&self, selection: &FailureSelection) -> Result<Vec<SqlValue>, ReadError> {
        let fits = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        let ids = || {
            let mut select = self.connection.prepare_cached(sql::PLACES)?;
            let rows = select.query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
            })?;
            let mut ids = Vec::new();
            for row in rows {
                let (id, group, stage, receiver) = row?;
                let fits_stage = selection.stages.is_empty() || selection.stages.iter().any(|of| of.as_str() == stage);
                if fits_stage && fits(&selection.groups, &group) && fits(&selection.receivers, &receiver) {
                    ids.push(SqlValue::from(id));
                }
            }
            Ok(ids)
        };
        ids().map_err(|error| self.failed(error))
    }

    fn fingerprints(&self, prefixes: &[String]) -> Result<Vec<SqlValue>, ReadError> {
        prefixes.iter().map(|prefix| self.fingerprint(prefix).map(SqlValue::from)).collect()
    }

    fn fingerprint(&self, prefix: &str) -> Result<i64, ReadError> {
        let is_hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(6..=32).contains(&prefix.len()) {
            return Err(ReadError::MalformedFingerprint(prefix.to_owned()));
        }
        let bound = |fill: &str| {
            let digits = format!("{prefix}{}", fill.repeat(32 - prefix.len()));
            u128::from_str_radix(&digits, 16).unwrap_or_default().to_be_bytes()
        };
        let found = || {
            let mut select = self.connection.prepare_cached(sql::FINGERPRINTS_FROM)?;
            select.query_map((bound("0"), bound("f")), |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()
        };
        match found().map_err(|error| self.failed(error))?.as_slice() {
            [] => Err(ReadError::UnknownFingerprint(prefix.to_owned())),
            [id] => Ok(*id),
            _ => Err(ReadError::AmbiguousFingerprint(prefix.to_owned())),
        }
    }

    /// All that the journal has of one failure; `None` when it has none of this id.
    ///
    /// # Errors
    /// When the journal cannot be read, or the entry's bytes are damaged.
    pub fn failure(&self, id: i64) -> Result<Option<FailureDetail>, ReadError> {
        let text = format!("SELECT {} FROM failure f {} WHERE f.id = ?1", sql::FAILURE_COLUMNS, sql::FAILURE_TABLES);
        let item = self.connection.query_row(&text, [id], rows::failure).optional().map_err(|error| self.failed(error))?;
        item.map(|item| self.detail(item)).transpose()
    }

    fn detail(&self, item: FailureItem) -> Result<FailureDetail, ReadError> {
        let id = item.id;
        let stored = self.connection.query_row(sql::RECORD_OF, [id], rows::stored).map_err(|error| self.failed(error))?;
        let damaged = |what: String| ReadError::Damaged { path: self.path.clone(), id, what };
        let key = item.key.as_ref().map(|key| key.0.as_slice());
        if !stored.is_value_gone && stored.crc != super::writer::crc_of(key, &stored.headers, stored.value.as_deref()) {
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

    fn related(&self, item: &FailureItem) -> rusqlite::Result<Related> {
        let connection = &self.connection;
        let mut delivered = connection.prepare(sql::DELIVERED_TO)?;
        let mut attempts = connection.prepare(sql::ATTEMPTS_OF)?;
        let mut history: Vec<AttemptItem> = attempts.query_map([item.id], rows::attempt)?.collect::<Result<_, _>>()?;
        history.sort_by_key(|attempt| attempt.number);
        let (alike, alike_since_us) =
            connection.query_row(sql::KIND_OF, [item.id], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))?;
        let definition: Option<String> = connection
            .query_row(sql::DEFINITION_OF, (&item.group, item.receiver.as_deref().unwrap_or_default()), |row| row.get(0))
            .optional()?;
        Ok(Related {
            delivered_to: delivered.query_map([item.id], |row| row.get(0))?.collect::<Result<_, _>>()?,
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
        let connection = &self.connection;
        let (topic, partition, offset, group): (i64, i32, i64, String) =
            connection.query_row(sql::PLACE_OF, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let mut before = connection.prepare(sql::BEFORE)?;
        let mut after = connection.prepare(sql::AFTER)?;
        let mut near: Vec<Neighbour> =
            before.query_map((topic, partition, offset, &group, count), rows::neighbour)?.collect::<Result<_, _>>()?;
        near.reverse();
        near.extend(
            after.query_map((topic, partition, offset, &group, count + 1), rows::neighbour)?.collect::<Result<Vec<_>, _>>()?,
        );
        let first = near.first().map_or(offset, |near| near.offset);
        let last = near.last().map_or(offset, |near| near.offset);
        let mut progress = connection.prepare(sql::PROGRESS_AROUND)?;
        let progress = progress.query_map((&group, topic, partition, first, last), rows::progress)?.collect::<Result<_, _>>()?;
        Ok((near, progress))
    }

    /// One page of the incidents of a selection.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn incidents(&self, selection: &IncidentSelection, window: Window) -> Result<Page<IncidentItem>, ReadError> {
        let mut terms = Terms::default();
        terms.any_if("i.kind", selection.kinds.iter().map(|of| of.clone().into()).collect());
        terms.any_if("r.consumer_group", selection.groups.iter().map(|of| of.clone().into()).collect());
        terms.any_if("t.name", selection.topics.iter().map(|of| of.clone().into()).collect());
        let states: Vec<&str> = selection.states.iter().map(|state| state_term(*state)).collect();
        if !states.is_empty() {
            terms.text.push_str(&format!(" AND ({})", states.join(" OR ")));
        }
        let (beyond, order) = if window.sort == Sort::Newest { ("i.id < ?", "DESC") } else { ("i.id > ?", "ASC") };
        terms.bound(beyond, window.after);
        let limit = if window.limit == 0 { -1 } else { i64::try_from(window.limit + 1).unwrap_or(i64::MAX) };
        let text = format!("SELECT {} WHERE 1{} ORDER BY i.id {order} LIMIT {limit}", sql::INCIDENT_COLUMNS, terms.text);
        let list = || {
            let mut select = self.connection.prepare(&text)?;
            select.query_map(params_from_iter(terms.values.iter().cloned()), rows::incident)?.collect::<Result<Vec<_>, _>>()
        };
        let mut items = list().map_err(|error| self.failed(error))?;
        let has_more = window.limit > 0 && items.len() > window.limit;
        if has_more {
            items.truncate(window.limit);
        }
        Ok(Page { items, has_more })
    }

    /// One incident.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn incident(&self, id: i64) -> Result<Option<IncidentItem>, ReadError> {
        let text = format!("SELECT {} WHERE i.id = ?1", sql::INCIDENT_COLUMNS);
        self.connection.query_row(&text, [id], rows::incident).optional().map_err(|error| self.failed(error))
    }
}

fn state_term(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "(i.ended_at_us IS NULL AND i.acked_at_us IS NULL)",
        IncidentState::Ended => "(i.ended_at_us IS NOT NULL AND i.acked_at_us IS NULL)",
        IncidentState::Acked => "i.acked_at_us IS NOT NULL",
    }
}

struct Related {
    delivered_to: Vec<String>,
    history: Vec<AttemptItem>,
    alike: u64,
    alike_since_us: i64,
    receiver_definition: Option<serde_json::Value>,
}

/// Conditions on a listing, each beginning with ` AND `, and the values that they bind.
#[derive(Default)]
struct Terms {
    text: String,
    values: Vec<SqlValue>,
    /// A condition can never hold.
    is_empty_set: bool,
}

impl Terms {
    fn any(&mut self, column: &str, values: Vec<SqlValue>) {
        self.is_empty_set |= values.is_empty();
        let marks = vec!["?"; values.len()].join(", ");
        self.text.push_str(&format!(" AND {column} IN ({marks})"));
        self.values.extend(values);
    }

    /// No values: no condition.
    fn any_if(&mut self, column: &str, values: Vec<SqlValue>) {
        if !values.is_empty() {
            self.any(column, values);
        }
    }

    fn bound(&mut self, condition: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.text.push_str(&format!(" AND {condition}"));
            self.values.push(value.into());
        }
    }
}
