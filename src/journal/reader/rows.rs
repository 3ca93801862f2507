//! From rows to values.

use rusqlite::Row;
use rusqlite::types::Type;

use crate::event::EventFacts;
use crate::failure::{Class, Stage};
use crate::journal::holders::Holders;
use crate::journal::items::{
    AttemptItem, Bytes, FailureItem, FailureState, IncidentItem, IncidentState, Neighbour, ProgressItem, timestamp_kind,
};
use crate::record::Timestamp;

/// A word of ours in a column: the schema's checks allow no other.
pub(in crate::journal) fn word<T>(row: &Row<'_>, at: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    read(text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, format!("unknown word {text}").into()))
}

pub(super) fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The columns of `Reader::failure_columns`.
pub(super) fn failure(row: &Row<'_>, holders: &Holders<'_>) -> rusqlite::Result<FailureItem> {
    let claimed_by: Option<i64> = row.get(2)?;
    let kind: String = row.get(28)?;
    let causes: Option<String> = row.get(32)?;
    Ok(FailureItem {
        id: row.get(0)?,
        state: word(row, 1, FailureState::from_name)?,
        is_replaying: claimed_by.map(|run| holders.hold(run)).transpose()?.unwrap_or_default(),
        is_regressed: row.get(3)?,
        cluster_id: row.get(4)?,
        group: row.get(5)?,
        topic: row.get(6)?,
        topic_uuid: filled(row.get(7)?),
        partition: row.get(8)?,
        offset: row.get(9)?,
        stage: word(row, 10, Stage::from_name)?,
        receiver: filled(row.get(11)?),
        class: word(row, 12, Class::from_name)?,
        code: row.get(13)?,
        message: row.get(14)?,
        fingerprint: row.get(15)?,
        event: EventFacts { id: row.get(16)?, event_type: row.get(17)?, source: row.get(29)?, time: row.get(30)? },
        attempts: row.get(18)?,
        first_failed_at_us: row.get(19)?,
        last_failed_at_us: row.get(20)?,
        settled_at_us: row.get(21)?,
        settled_by: row.get(22)?,
        host: row.get(23)?,
        client_id: row.get(24)?,
        redrive_version: row.get(25)?,
        leader_epoch: row.get(26)?,
        timestamp: Timestamp { ms: row.get(27)?, kind: timestamp_kind(&kind) },
        key: row.get::<_, Option<Vec<u8>>>(31)?.map(Bytes),
        rule: row.get(33)?,
        causes: causes.and_then(|causes| serde_json::from_str(&causes).ok()).unwrap_or_default(),
    })
}

/// A record's bytes as they are kept.
pub(super) struct Stored {
    pub(super) headers: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) value_size: Option<u64>,
    pub(super) is_value_gone: bool,
    pub(super) crc: u32,
    pub(super) detail: String,
}

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        headers: row.get(0)?,
        value: row.get(1)?,
        value_size: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
        is_value_gone: row.get::<_, i64>(3)? >= 2,
        crc: row.get(4)?,
        detail: row.get(5)?,
    })
}

pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptItem> {
    Ok(AttemptItem {
        number: row.get(0)?,
        at_us: row.get(1)?,
        replay_id: row.get(2)?,
        is_delivered: row.get::<_, String>(3)? == "delivered",
        class: row.get(4)?,
        code: row.get(5)?,
        message: row.get(6)?,
        duration_us: row.get(7)?,
    })
}

pub(super) fn neighbour(row: &Row<'_>) -> rusqlite::Result<Neighbour> {
    Ok(Neighbour {
        id: row.get(0)?,
        offset: row.get(1)?,
        stage: row.get(2)?,
        receiver: filled(row.get(3)?),
        code: row.get(4)?,
        state: word(row, 5, FailureState::from_name)?,
        message: row.get(6)?,
    })
}

pub(super) fn progress(row: &Row<'_>) -> rusqlite::Result<ProgressItem> {
    Ok(ProgressItem {
        run: row.get(0)?,
        from: row.get(1)?,
        to: row.get(2)?,
        records: row.get(3)?,
        delivered: row.get(4)?,
        failed: row.get(5)?,
        skipped: row.get(6)?,
        deferred: row.get(7)?,
        updated_at_us: row.get(8)?,
    })
}

/// The columns of `sql::INCIDENT_COLUMNS`.
pub(super) fn incident(row: &Row<'_>) -> rusqlite::Result<IncidentItem> {
    let (ended_at_us, acked_at_us): (Option<i64>, Option<i64>) = (row.get(13)?, row.get(14)?);
    let data: String = row.get(9)?;
    Ok(IncidentItem {
        id: row.get(0)?,
        kind: row.get(1)?,
        state: match (ended_at_us, acked_at_us) {
            (_, Some(_)) => IncidentState::Acked,
            (Some(_), None) => IncidentState::Ended,
            (None, None) => IncidentState::Open,
        },
        group: row.get(2)?,
        topic: row.get(3)?,
        partition: row.get(4)?,
        from_offset: row.get(5)?,
        to_offset: row.get(6)?,
        receiver: row.get(7)?,
        message: row.get(8)?,
        data: serde_json::from_str(&data).unwrap_or_default(),
        count: row.get::<_, i64>(10)?.cast_unsigned(),
        first_at_us: row.get(11)?,
        last_at_us: row.get(12)?,
        ended_at_us,
    })
}
