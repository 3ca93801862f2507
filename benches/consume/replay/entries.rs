//! A journal of millions of entries, made with plain SQL: writing it through a consumer would take minutes.
//!
//! Its schema is the journal's own. Values are short, because no selection reads them. Five entries, far from each other, are of a kind
//! that no other is of.

use std::iter;

use redrive::engine::ledger::{Ledger as _, RunEnd};
use redrive::journal::{Beginning, Place, Safety, Writer};
use rusqlite::{Connection, params};

use crate::Result;
use crate::support::Folder;
use crate::topic::PARTITIONS;

pub(super) const GROUP: &str = "shop";
pub(super) const TOPIC: &str = "orders";
/// What the five rare ones failed with, and at whom.
pub(super) const RARE_CODE: &str = "card_expired";
pub(super) const RARE_RECEIVER: &str = "billing";
pub(super) const RARE_FINGERPRINT: &str = "0123456789abcdef0123456789abcdef";
pub(super) const RARE: u64 = 5;
/// Kinds of failures that are frequent; a kind's id is its number.
const KINDS: u64 = 4_000;
/// Codes that these have, each of them many.
const CODES: u64 = 100;
/// When the first one failed, in microseconds since 1970; each next one a millisecond later. That is a flood: a selection by time looks at
/// five minutes more than it was asked for, which here are 300,000 entries.
const BEGAN_US: i64 = 1_790_000_000_000_000;
const STEP_US: i64 = 1_000;

/// Speed is all that counts: nobody needs the file after a crash.
const FOR_SPEED: &str = "
    PRAGMA foreign_keys = OFF;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -2000000;";
const NAMES: &str = "
    INSERT INTO topic (id, cluster_id, name, topic_uuid, first_seen_at_us) VALUES (1, 'cluster', ?1, 'GRqZmxKHTTizvNyrnyHIhA', ?2)";
const PLACES: &str =
    "INSERT INTO place (id, consumer_group, stage, receiver) VALUES (1, ?1, 'receive', ?2), (2, ?1, 'receive', 'audit')";
const FINGERPRINTS: &str = "
    WITH RECURSIVE n(at) AS (VALUES (1) UNION ALL SELECT at + 1 FROM n WHERE at < ?1)
    INSERT INTO fingerprint (id, hash, place_id, code, template, first_seen_at_us, last_seen_at_us, first_run_id)
    SELECT at, randomblob(16), 1 + at % 2, 'code_' || (at % ?2), 'it is of kind ' || at, ?3, ?3, 1 FROM n";
const RARE_KIND: &str = "
    INSERT INTO fingerprint (id, hash, place_id, code, template, first_seen_at_us, last_seen_at_us, first_run_id)
    VALUES (?1, unhex(?2), 1, ?3, 'the card has expired', ?4, ?4, 1)";
const RECORDS: &str = "
    WITH RECURSIVE n(at) AS (VALUES (0) UNION ALL SELECT at + 1 FROM n WHERE at + 1 < ?1)
    INSERT INTO record (topic_id, partition, offset, leader_epoch, timestamp_ms, timestamp_type, fetched_at_us, key, headers, crc,
        value_size, value)
    SELECT 1, at % ?2, at / ?2, 0, (?3 + at * ?4) / 1000, 'create', ?3 + at * ?4, CAST('customer-' || at % 10000 AS BLOB), x'00', 0, 200,
        zeroblob(200) FROM n";
/// `?5`: how far the rare ones are from each other.
const FAILURES: &str = "
    WITH RECURSIVE n(at) AS (VALUES (0) UNION ALL SELECT at + 1 FROM n WHERE at + 1 < ?1),
        f(at, kind) AS (SELECT at, CASE WHEN at % ?5 = ?5 / 2 THEN ?6 + 1 ELSE 1 + at % ?6 END FROM n)
    INSERT INTO failure (id, topic_id, partition, offset, place_id, fingerprint_id, class, code, first_failed_at_us, last_failed_at_us,
        run_id, event_type, event_id, message)
    SELECT f.at + 1, 1, f.at % ?2, f.at / ?2, g.place_id, g.id, 'permanent', g.code, ?3 + f.at * ?4, ?3 + f.at * ?4, 1, 'order.placed',
        'event-' || f.at, 'order ' || f.at || ': ' || g.template FROM f CROSS JOIN fingerprint g ON g.id = f.kind";
const COUNTS: &str = "UPDATE fingerprint SET open = (SELECT count(*) FROM failure f WHERE f.fingerprint_id = fingerprint.id)";
const PROGRESS: &str = "
    INSERT INTO progress (consumer_group, topic_id, partition, run_id, from_offset, to_offset, records, delivered, failed, skipped,
        deferred, updated_at_us)
    SELECT ?1, 1, partition, 1, 0, max(offset) + 1, count(*), 0, count(*), 0, 0, ?2 FROM record GROUP BY partition";

/// The journal, for as long as this lives.
pub(super) struct Entries {
    folder: Folder,
    pub(super) count: u64,
}

impl Entries {
    /// Of about `count`.
    pub(super) fn make(count: u64) -> Result<Self> {
        let entries = Self { folder: Folder::new(), count: count - count % RARE };
        let beginning = Beginning {
            command: "consume",
            group: GROUP.to_owned(),
            client_id: "redrive".to_owned(),
            receivers: Vec::new(),
            hands: 0,
        };
        Writer::open(&entries.place(), &beginning)?.end(RunEnd::Done, Some(0))?;
        let mut connection = Connection::open(entries.place().path)?;
        connection.execute_batch(FOR_SPEED)?;
        let all = connection.transaction()?;
        let (count, apart, partitions) = (entries.count.cast_signed(), entries.apart().cast_signed(), PARTITIONS);
        all.execute(NAMES, params![TOPIC, BEGAN_US])?;
        all.execute(PLACES, params![GROUP, RARE_RECEIVER])?;
        all.execute(FINGERPRINTS, params![KINDS.cast_signed(), CODES.cast_signed(), BEGAN_US])?;
        all.execute(RARE_KIND, params![KINDS.cast_signed() + 1, RARE_FINGERPRINT, RARE_CODE, BEGAN_US])?;
        all.execute(RECORDS, params![count, partitions, BEGAN_US, STEP_US])?;
        all.execute(FAILURES, params![count, partitions, BEGAN_US, STEP_US, apart, KINDS.cast_signed()])?;
        all.execute(COUNTS, [])?;
        all.execute(PROGRESS, params![GROUP, BEGAN_US])?;
        all.commit()?;
        connection.execute_batch("PRAGMA journal_mode = WAL")?;
        Ok(entries)
    }

    pub(super) fn place(&self) -> Place {
        Place { path: self.folder.path().join("redrive.db"), safety: Safety::Safe }
    }

    /// The ids of the rare ones.
    pub(super) fn rare_ids(&self) -> Vec<i64> {
        let first = self.apart() / 2;
        iter::successors(Some(first), |at| Some(at + self.apart())).take(RARE as usize).map(|at| at.cast_signed() + 1).collect()
    }

    /// When the entry failed that has so many after it, in microseconds since 1970.
    pub(super) fn failed_at_us(&self, after_it: u64) -> i64 {
        BEGAN_US + (self.count - 1 - after_it).cast_signed() * STEP_US
    }

    /// In the middle of a partition.
    pub(super) fn middle(&self) -> i64 {
        (self.count / u64::from(PARTITIONS) / 2).cast_signed()
    }

    fn apart(&self) -> u64 {
        self.count / RARE
    }
}
