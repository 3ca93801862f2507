//! Incidents: one row that counts, however often a trouble is reported.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use crate::engine::ledger::{Incident, IncidentKey, IncidentKind};
use crate::journal::host::{Host, Other};
use crate::journal::sql;
use crate::journal::writer::Writing;

type Key = (IncidentKind, Option<(i64, i32)>, String, String);

/// The rows of this run that count on.
#[derive(Default)]
pub(super) struct Incidents(HashMap<Key, i64>);

impl Writing<'_> {
    pub(super) fn incident(&mut self, incident: &Incident) -> rusqlite::Result<()> {
        let Incident { key, from, to, message, data, count, began_ago } = incident;
        let count = count.cast_signed();
        let same = self.same(key)?;
        if let Some(id) = self.incidents.0.get(&same) {
            self.transaction.prepare_cached(sql::INCIDENT_AGAIN)?.execute((id, self.now_us, message, count))?;
            return Ok(());
        }
        let data = if data.is_null() { "{}".to_owned() } else { data.to_string() };
        let (topic, partition) = same.1.unzip();
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
            count,
            self.now_us.saturating_sub(i64::try_from(began_ago.as_micros()).unwrap_or(i64::MAX)),
            self.now_us,
        ])?;
        self.incidents.0.insert(same, self.transaction.last_insert_rowid());
        Ok(())
    }

    pub(super) fn incident_ended(&mut self, key: &IncidentKey) -> rusqlite::Result<()> {
        let same = self.same(key)?;
        if let Some(id) = self.incidents.0.remove(&same) {
            self.transaction.prepare_cached(sql::INCIDENT_ENDED)?.execute((id, self.now_us))?;
        }
        Ok(())
    }

    fn same(&mut self, key: &IncidentKey) -> rusqlite::Result<Key> {
        let partition = match &key.partition {
            Some(partition) => Some((self.topic(&partition.topic)?, partition.number)),
            None => None,
        };
        Ok((key.kind, partition, key.receiver.clone().unwrap_or_default(), key.subject.clone().unwrap_or_default()))
    }
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
