//! Incidents: one row that counts, however often a trouble is reported.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use crate::engine::ledger::{Incident, IncidentKey, IncidentKind};
use crate::journal::host::{Host, Other};
use crate::journal::sql;
use crate::journal::writer::Writing;
use crate::record::NextOffset;

/// With where it begins, of kinds that happen once: two that were lost are not one.
type Key = (IncidentKind, Option<(i64, i32)>, String, String, Option<NextOffset>);

/// The types of a group that have an open incident at a time: a topic can make up types without end, from run to run.
const MOST_NEW_TYPES: u64 = 1_000;

/// The rows that count on; `None` for a type beyond the bound, which has none.
#[derive(Default)]
pub(super) struct Incidents(HashMap<Key, Option<i64>>);

impl Writing<'_> {
    pub(super) fn incident(&mut self, incident: &Incident) -> rusqlite::Result<()> {
        let place = self.place_of(&incident.key)?;
        let same = same(&incident.key, place, incident.from);
        if let Some(row) = self.incidents.0.get(&same) {
            return row.map_or(Ok(()), |id| self.incident_again(id, incident));
        }
        let data = data_of(incident);
        let row = match incident.key.kind {
            IncidentKind::NewType => self.new_type(incident, place, &data)?,
            IncidentKind::Limit => Some(self.limit(incident, place, &data)?),
            IncidentKind::Halt => Some(self.halt(incident, place, &data)?),
            _ => Some(self.new_incident(incident, place, &data)?),
        };
        self.incidents.0.insert(same, row);
        Ok(())
    }

    /// One that was told by an earlier run, or by another process of the group, counts on in its row until somebody has seen it.
    fn new_type(&mut self, incident: &Incident, place: Option<(i64, i32)>, data: &str) -> rusqlite::Result<Option<i64>> {
        let (told, open): (Option<i64>, i64) = self
            .transaction
            .prepare_cached(sql::OPEN_NEW_TYPE)?
            .query_row((self.group, data), |row| Ok((row.get(0)?, row.get(1)?)))?;
        match told {
            Some(id) => self.incident_again(id, incident).map(|()| Some(id)),
            None if open.cast_unsigned() < MOST_NEW_TYPES => self.new_incident(incident, place, data).map(Some),
            None => Ok(None),
        }
    }

    /// A run that is started again and again, and stopped each time, is one trouble.
    fn limit(&mut self, incident: &Incident, place: Option<(i64, i32)>, data: &str) -> rusqlite::Result<i64> {
        let receiver = incident.key.receiver.as_deref().unwrap_or_default();
        let mut open = self.transaction.prepare_cached(sql::OPEN_LIMIT)?;
        match open.query_row((self.group, receiver), |row| row.get(0))? {
            Some(id) => self.incident_again(id, incident).map(|()| id),
            None => self.new_incident(incident, place, data),
        }
    }

    /// As `limit`: whatever starts it again halts at the same record, until somebody does something about it.
    fn halt(&mut self, incident: &Incident, place: Option<(i64, i32)>, data: &str) -> rusqlite::Result<i64> {
        let receiver = incident.key.receiver.as_deref().unwrap_or_default();
        let ((topic, partition), from) = (place.unzip(), incident.from.map(|from| from.get()));
        let mut open = self.transaction.prepare_cached(sql::OPEN_HALT)?;
        match open.query_row((self.group, receiver, topic, partition, from, data), |row| row.get(0))? {
            Some(id) => self.incident_again(id, incident).map(|()| id),
            None => self.new_incident(incident, place, data),
        }
    }

    fn incident_again(&self, id: i64, incident: &Incident) -> rusqlite::Result<()> {
        let count = incident.count.cast_signed();
        let of_it = (id, self.now_us, &incident.message, count, data_of(incident));
        self.transaction.prepare_cached(sql::INCIDENT_AGAIN)?.execute(of_it).map(drop)
    }

    fn new_incident(&self, incident: &Incident, place: Option<(i64, i32)>, data: &str) -> rusqlite::Result<i64> {
        let Incident { key, from, to, message, data: _, count, began_ago } = incident;
        let (topic, partition) = place.unzip();
        self.transaction.prepare_cached(sql::NEW_INCIDENT)?.execute(params![
            self.run,
            key.kind.as_str(),
            topic,
            partition,
            from.map(|from| from.get()),
            to.map(|to| to.get()),
            key.receiver.as_deref().unwrap_or_default(),
            message,
            data,
            count.cast_signed(),
            self.now_us.saturating_sub(i64::try_from(began_ago.as_micros()).unwrap_or(i64::MAX)),
            self.now_us,
        ])?;
        Ok(self.transaction.last_insert_rowid())
    }

    pub(super) fn incident_ended(&mut self, key: &IncidentKey) -> rusqlite::Result<()> {
        let place = self.place_of(key)?;
        if let Some(id) = self.incidents.0.remove(&same(key, place, None)).flatten() {
            self.transaction.prepare_cached(sql::INCIDENT_ENDED)?.execute((id, self.now_us))?;
        }
        Ok(())
    }

    fn place_of(&mut self, key: &IncidentKey) -> rusqlite::Result<Option<(i64, i32)>> {
        key.partition.as_ref().map(|partition| Ok((self.topic(&partition.topic)?, partition.number))).transpose()
    }
}

fn same(key: &IncidentKey, place: Option<(i64, i32)>, from: Option<NextOffset>) -> Key {
    let place = place.filter(|_| key.is_of_its_place());
    let from = from.filter(|_| !key.kind.ends_by_itself());
    (key.kind, place, key.receiver.clone().unwrap_or_default(), key.subject.clone().unwrap_or_default(), from)
}

/// Incidents that last, and whose run is over.
fn end_of_run(transaction: &Transaction<'_>, run: i64, now_us: i64) -> rusqlite::Result<()> {
    let mut open = transaction.prepare(sql::OPEN_OF_RUN)?;
    let open =
        open.query_map([run], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?.collect::<Result<Vec<_>, _>>()?;
    let lasting = |kind: &str| IncidentKind::ALL.into_iter().any(|of| of.as_str() == kind && of.ends_by_itself());
    for (id, _) in open.into_iter().filter(|(_, kind)| lasting(kind)) {
        transaction.execute(sql::INCIDENT_ENDED, (id, now_us))?;
    }
    Ok(())
}

/// What lasted when a run stopped, or was killed, ends when the next run of its group starts: that one finds out for itself.
pub(super) fn end_of_gone_runs(transaction: &Transaction<'_>, group: &str, run: i64, here: (&Host, i64)) -> rusqlite::Result<()> {
    let (here, now_us) = here;
    let mut runs = transaction.prepare(sql::UNENDED_RUNS)?;
    let runs = runs
        .query_map((group, run), |row| {
            let other = Other { host: row.get(1)?, pid: row.get(2)?, started_at_us: row.get(3)?, alive_at_us: row.get(4)? };
            Ok((row.get::<_, i64>(0)?, other, row.get::<_, bool>(5)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for (id, _, _) in runs.iter().filter(|(_, other, has_ended)| *has_ended || other.is_gone(here, now_us)) {
        end_of_run(transaction, *id, now_us)?;
    }
    Ok(())
}

fn data_of(incident: &Incident) -> String {
    if incident.data.is_null() { "{}".to_owned() } else { incident.data.to_string() }
}
