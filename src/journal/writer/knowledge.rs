//! What the journal knows of partitions that are offered.
//!
//! They wait for it, and so does whatever is to be written: of a partition with millions of entries it reads no more than a page of those
//! that are open.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::engine::ledger::Known;
use crate::engine::missed::KnownDeferred;
use crate::engine::source::Offer;
use crate::journal::reader::Reached;
use crate::journal::reader::known::reached;
use crate::journal::sql;
use crate::journal::writer::deferred::missed_of;
use crate::record::{Debts, NextOffset, Offset, Suspect, Suspects};

/// Debts of a partition that are listed one by one.
pub(super) const MOST_LISTED: u16 = 10_000;

pub(in crate::journal) fn know(connection: &Connection, group: &str, offers: &[Offer]) -> rusqlite::Result<Vec<Known>> {
    offers.iter().map(|offer| know_one(connection, group, offer)).collect()
}

fn know_one(connection: &Connection, group: &str, offer: &Offer) -> rusqlite::Result<Known> {
    let (cluster_id, name) = (&offer.topic.cluster_id, &offer.topic.name);
    let uuid = offer.topic.uuid.as_deref().unwrap_or_default();
    let topic: Option<i64> =
        connection.prepare_cached(sql::TOPIC)?.query_row((cluster_id, name, uuid), |row| row.get(0)).optional()?;
    let last_uuid: Option<String> =
        connection.prepare_cached(sql::LAST_UUID)?.query_row((group, cluster_id, name), |row| row.get(0)).optional()?;
    let other_uuid = last_uuid.is_some_and(|last| !uuid.is_empty() && !last.is_empty() && last != uuid);
    let nothing = Known {
        slot: offer.slot,
        topic_known: false,
        other_uuid,
        progress: None,
        highest: NextOffset::ZERO,
        debts: Debts::default(),
        deferred: Vec::new(),
        suspects: Suspects::default(),
    };
    let Some(topic) = topic else { return Ok(nothing) };
    let topic_known = connection.prepare_cached(sql::TOPIC_HAS_PROGRESS)?.query_row((group, topic), |row| row.get(0))?;
    let Reached { last: progress, highest } = reached(connection, group, (topic, offer.partition))?;
    // What is committed beyond the end says nothing: such a log may be read from its beginning.
    let within = offer.committed.as_ref().filter(|committed| committed.next <= offer.end);
    let start = within.map_or(offer.low, |committed| committed.next);
    let missed = missed_of(connection, group, (topic, offer.partition))?.into_iter().map(|of| of.missed);
    let deferred: Vec<KnownDeferred> = missed.collect();
    let lowest = deferred.iter().map(|deferred| deferred.range.from).fold(start, NextOffset::min);
    let debts = debts(connection, group, (topic, offer.partition, lowest))?;
    let suspects = suspects(connection, group, (topic, offer.partition, lowest))?;
    Ok(Known { topic_known, progress, highest, debts: debts.and(suspects.offsets()), suspects, deferred, ..nothing })
}

/// A few for each run that died.
pub(super) fn suspects(connection: &Connection, group: &str, from: (i64, i32, NextOffset)) -> rusqlite::Result<Suspects> {
    let (topic, partition, lowest) = from;
    let mut select = connection.prepare_cached(sql::SUSPECTS)?;
    let suspect = |row: &Row<'_>| {
        let offset = Offset::new(row.get(0)?).unwrap_or(Offset::ZERO);
        Ok(Suspect { offset, receiver: row.get(1)?, deaths: row.get(2)?, runs: (row.get(3)?, row.get(4)?) })
    };
    let all = select.query_map((topic, partition, lowest.get(), group), suspect)?.collect::<rusqlite::Result<_>>()?;
    Ok(Suspects::new(all))
}

fn debts(connection: &Connection, group: &str, from: (i64, i32, NextOffset)) -> rusqlite::Result<Debts> {
    let (topic, partition, lowest) = from;
    let mut listed = connection.prepare_cached(sql::DEBTS)?;
    let listed = listed.query_map((topic, partition, lowest.get(), group, MOST_LISTED), |row| row.get::<_, i64>(0))?;
    let listed = listed.filter_map(|offset| offset.map(Offset::new).transpose()).collect::<Result<Vec<_>, _>>()?;
    if listed.len() < usize::from(MOST_LISTED) {
        return Ok(Debts::all(listed));
    }
    let highest: i64 =
        connection.prepare_cached(sql::HIGHEST_DEBT)?.query_row((topic, partition, lowest.get(), group), |row| row.get(0))?;
    Ok(Offset::new(highest).map_or_else(Debts::default, |highest| Debts::lowest(listed, highest)))
}
