//! Names that rows refer to: topics, places, fingerprints. Their ids are looked up once per run.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;

use crate::failure::Stage;
use crate::journal::fingerprint::Fingerprint;
use crate::journal::sql;
use crate::journal::writer::Writing;
use crate::record::Topic;

/// A bound: messages of a hostile receiver must not fill the memory with kinds.
const MOST_FINGERPRINTS: usize = 10_000;

#[derive(Default)]
pub(super) struct Names {
    /// By the value's address: the engine has one for each topic, which this keeps alive.
    topics: HashMap<usize, (Arc<Topic>, i64)>,
    places: HashMap<(Stage, String), i64>,
    fingerprints: HashMap<[u8; 16], i64>,
    changes: HashMap<i64, Change>,
}

/// What a transaction changes in a fingerprint's counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Change {
    pub(super) open: i64,
    pub(super) resolved: i64,
    pub(super) ignored: i64,
    pub(super) regressed: i64,
    pub(super) seen_at_us: i64,
}

impl Writing<'_> {
    pub(super) fn topic(&mut self, topic: &Arc<Topic>) -> rusqlite::Result<i64> {
        let address = Arc::as_ptr(topic) as usize;
        if let Some((_, id)) = self.names.topics.get(&address) {
            return Ok(*id);
        }
        let Topic { cluster_id, name, uuid } = &**topic;
        let uuid = uuid.as_deref().unwrap_or_default();
        self.transaction.prepare_cached(sql::NEW_TOPIC)?.execute((cluster_id, name, uuid, self.now_us))?;
        let id = self.transaction.prepare_cached(sql::TOPIC)?.query_row((cluster_id, name, uuid), |row| row.get(0))?;
        self.names.topics.insert(address, (Arc::clone(topic), id));
        Ok(id)
    }

    pub(super) fn place(&mut self, stage: Stage, receiver: &str) -> rusqlite::Result<i64> {
        let key = (stage, receiver.to_owned());
        if let Some(id) = self.names.places.get(&key) {
            return Ok(*id);
        }
        let names = (self.group, stage.as_str(), receiver);
        self.transaction.prepare_cached(sql::NEW_PLACE)?.execute(names)?;
        let id = self.transaction.prepare_cached(sql::PLACE)?.query_row(names, |row| row.get(0))?;
        self.names.places.insert(key, id);
        Ok(id)
    }

    pub(super) fn fingerprint(
        &mut self,
        fingerprint: &Fingerprint,
        place: i64,
        code: &str,
        seen_at_us: i64,
    ) -> rusqlite::Result<i64> {
        if let Some(id) = self.names.fingerprints.get(&fingerprint.hash) {
            return Ok(*id);
        }
        self.transaction.prepare_cached(sql::NEW_FINGERPRINT)?.execute(params![
            fingerprint.hash,
            place,
            code,
            fingerprint.template,
            seen_at_us,
            self.run
        ])?;
        let id = self.transaction.prepare_cached(sql::FINGERPRINT)?.query_row([fingerprint.hash], |row| row.get(0))?;
        if self.names.fingerprints.len() >= MOST_FINGERPRINTS {
            self.names.fingerprints.clear();
        }
        self.names.fingerprints.insert(fingerprint.hash, id);
        Ok(id)
    }

    /// Adds to what the transaction changes in a fingerprint's counts.
    pub(super) fn count(&mut self, fingerprint: i64, change: Change) {
        let sum = self.names.changes.entry(fingerprint).or_default();
        sum.open += change.open;
        sum.resolved += change.resolved;
        sum.ignored += change.ignored;
        sum.regressed += change.regressed;
        sum.seen_at_us = sum.seen_at_us.max(change.seen_at_us);
    }

    pub(super) fn write_counts(&mut self) -> rusqlite::Result<()> {
        let mut update = self.transaction.prepare_cached(sql::FINGERPRINT_COUNTS)?;
        for (id, Change { open, resolved, ignored, regressed, seen_at_us }) in self.names.changes.drain() {
            update.execute((id, open, resolved, ignored, regressed, seen_at_us))?;
        }
        Ok(())
    }
}
