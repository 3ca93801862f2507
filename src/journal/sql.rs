//! Every statement of the journal, each with the index that serves it. A test asks SQLite for the plan of all of them.

mod deferred;
mod incidents;

pub(super) use deferred::{
    CAUGHT_UP, DEFERRED_CUT, DEFERRED_GOES_ON, DEFERRED_GONE, HAS_STRAYS, LET_GO_OF_MISSED, MISSED_BEGINS, MISSED_ENDS, MISSED_OF,
    MISSED_OF_TOPIC, MISSED_REST, NEW_DEFERRED, RECORDS_IN, STRAYS, TAKE_MISSED, TAKEN_OF,
};
pub(super) use incidents::{INCIDENT_AGAIN, INCIDENT_ENDED, NEW_INCIDENT, OPEN_HALT, OPEN_LIMIT, OPEN_NEW_TYPE, OPEN_OF_RUN};

/// Set once, on an empty file: the first two work only before the first table.
pub(super) const FILE_SETTINGS: &str = "
    PRAGMA page_size = 8192;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA application_id = 0x52445256;
    PRAGMA journal_mode = WAL;";

/// FULL is what \"on disk\" hangs on. Checkpoints are made by the writer itself, after what it wrote has settled.
pub(super) const WRITER_SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16000;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA wal_autocheckpoint = 0;";

/// On top of those of the writer: the next transaction that waits for the disk takes the claims with it.
pub(super) const CLAIM_SETTINGS: &str = "PRAGMA synchronous = NORMAL;";

pub(super) const READER_SETTINGS: &str = "
    PRAGMA query_only = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;";

// --- the journal itself (one row)

pub(super) const NEW_JOURNAL: &str = "INSERT INTO journal (id, uuid, created_at_us) VALUES (1, ?1, ?2)";
pub(super) const FORMAT: &str = "SELECT format FROM journal WHERE id = 1";
pub(super) const UUID: &str = "SELECT uuid FROM journal WHERE id = 1";

// --- runs (primary key)

pub(super) const NEW_RUN: &str = "
    INSERT INTO run (command, consumer_group, client_id, host, pid, redrive_version, started_at_us, pid_started_at_us, alive_at_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7)";
pub(super) const RUN_ALIVE: &str = "UPDATE run SET alive_at_us = ?2 WHERE id = ?1";
pub(super) const RUN_ENDED: &str =
    "UPDATE run SET ended_at_us = ?2, alive_at_us = ?2, stop_reason = ?3, exit_code = ?4 WHERE id = ?1";
/// Runs of a group that never said that they ended, and still have an open incident. Index: incident_open.
pub(super) const UNENDED_RUNS: &str = "
    SELECT r.id, r.host, r.pid, r.pid_started_at_us, r.alive_at_us, r.ended_at_us IS NOT NULL
    FROM incident i INDEXED BY incident_open CROSS JOIN run r ON r.id = i.run_id
    WHERE i.ended_at_us IS NULL AND r.consumer_group = ?1 AND r.id <> ?2";
pub(super) const RECEIVER_DEFINED: &str = "
    INSERT INTO receiver (consumer_group, name, definition, run_id) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET definition = excluded.definition, run_id = excluded.run_id";

// --- names that rows refer to (their UNIQUE indexes)

pub(super) const NEW_TOPIC: &str =
    "INSERT INTO topic (cluster_id, name, topic_uuid, first_seen_at_us) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
pub(super) const TOPIC: &str = "SELECT id FROM topic WHERE cluster_id = ?1 AND name = ?2 AND topic_uuid = ?3";
pub(super) const NEW_PLACE: &str = "INSERT INTO place (consumer_group, stage, receiver) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
pub(super) const PLACE: &str = "SELECT id FROM place WHERE consumer_group = ?1 AND stage = ?2 AND receiver = ?3";
pub(super) const NEW_FINGERPRINT: &str = "
    INSERT INTO fingerprint (hash, place_id, code, template, first_seen_at_us, last_seen_at_us, first_run_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6) ON CONFLICT DO NOTHING";
pub(super) const FINGERPRINT: &str = "SELECT id FROM fingerprint WHERE hash = ?1";
/// Once per transaction and fingerprint, with summed counts.
pub(super) const FINGERPRINT_COUNTS: &str = "
    UPDATE fingerprint SET open = open + ?2, resolved = resolved + ?3, ignored = ignored + ?4, regressed = regressed + ?5,
        last_seen_at_us = max(last_seen_at_us, ?6)
    WHERE id = ?1";

// --- failures: a new one is these two statements

pub(super) const NEW_RECORD: &str = "
    INSERT INTO record (topic_id, partition, offset, leader_epoch, timestamp_ms, timestamp_type, fetched_at_us, event_source, event_time,
        key, headers, crc, value_size, value)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING";
pub(super) const NEW_FAILURE: &str = "
    INSERT INTO failure (topic_id, partition, offset, place_id, fingerprint_id, class, code, attempts, first_failed_at_us,
        last_failed_at_us, run_id, replay_id, duration_us, event_type, event_id, message, rule)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING";
/// Index: the UNIQUE one of failure.
pub(super) const FAILURE_AT: &str = "
    SELECT id, fingerprint_id, state, attempts, settled_at_us, settled_by, settled_replay_id
    FROM failure WHERE topic_id = ?1 AND partition = ?2 AND offset = ?3 AND place_id = ?4";
/// The latest try moves aside for a newer one.
pub(super) const KEEP_LATEST_ATTEMPT: &str = "
    INSERT INTO attempt (failure_id, number, outcome, at_us, replay_id, class, code, message, duration_us, run_id)
    SELECT id, attempts, 'failed', last_failed_at_us, replay_id, class, code, message, duration_us, run_id FROM failure WHERE id = ?1
    ON CONFLICT DO NOTHING";
pub(super) const NEW_ATTEMPT: &str = "
    INSERT INTO attempt (failure_id, number, outcome, at_us, replay_id, class, code, message, duration_us, run_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
/// The first 5 attempts and the last 45 are kept.
pub(super) const FORGET_ATTEMPTS: &str = "DELETE FROM attempt WHERE failure_id = ?1 AND number > 5 AND number <= ?2 - 45";
/// A claim ends with a failure of the run that has it. It outlasts one of another run, as of a live consumer that came by after a reset:
/// whoever has the claim still has the entry in hand, and a second replay would deliver it beside the first.
pub(super) const FAILED_AGAIN: &str = "
    UPDATE failure SET fingerprint_id = ?2, state = ?3, regressed = max(regressed, ?4), class = ?5, code = ?6, attempts = ?7,
        last_failed_at_us = max(last_failed_at_us, ?8), run_id = ?9, replay_id = ?10, duration_us = ?11, event_type = ?12, event_id = ?13,
        message = ?14, rule = ?15, settled_at_us = CASE ?3 WHEN 'open' THEN NULL ELSE settled_at_us END,
        settled_by = CASE ?3 WHEN 'open' THEN NULL ELSE settled_by END,
        settled_replay_id = CASE ?3 WHEN 'open' THEN NULL ELSE settled_replay_id END, claimed_by = nullif(claimed_by, ?9)
    WHERE id = ?1";
pub(super) const FAILURE_TEXT: &str = "INSERT OR REPLACE INTO failure_text (failure_id, causes, detail) VALUES (?1, ?2, ?3)";
pub(super) const FORGET_TEXT: &str = "DELETE FROM failure_text WHERE failure_id = ?1";
pub(super) const RESOLVED: &str = "
    UPDATE failure SET state = 'resolved', settled_at_us = ?2, settled_by = ?3, settled_replay_id = ?4, claimed_by = NULL
    WHERE id = ?1 AND state = 'open'";
pub(super) const NEW_DELIVERED: &str = "
    INSERT INTO delivered (topic_id, partition, offset, place_id, at_us) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
/// The lowest offsets that owe a group something. Index: the UNIQUE one of failure.
pub(super) const DEBTS: &str = "
    SELECT DISTINCT f.offset FROM failure f CROSS JOIN place p ON p.id = f.place_id
    WHERE f.topic_id = ?1 AND f.partition = ?2 AND f.offset >= ?3 AND f.state = 'open' AND p.consumer_group = ?4 ORDER BY f.offset LIMIT ?5";
/// As `DEBTS`: the highest one.
pub(super) const HIGHEST_DEBT: &str = "
    SELECT f.offset FROM failure f CROSS JOIN place p ON p.id = f.place_id
    WHERE f.topic_id = ?1 AND f.partition = ?2 AND f.offset >= ?3 AND f.state = 'open' AND p.consumer_group = ?4
    ORDER BY f.offset DESC LIMIT 1";
/// What a group has of a record, in whatever state. Index: the UNIQUE one of failure.
pub(super) const ENTRIES_AT: &str = "
    SELECT f.id, f.place_id, f.fingerprint_id, f.state = 'open', p.stage FROM failure f CROSS JOIN place p ON p.id = f.place_id
    WHERE f.topic_id = ?1 AND f.partition = ?2 AND f.offset = ?3 AND p.consumer_group = ?4";

// --- suspects: what runs that died had in hand (primary keys)

pub(super) const HANDS_COUNTED: &str = "UPDATE run SET hands_counted = 1 WHERE id = ?1 AND hands_counted = 0";
pub(super) const SUSPECTED: &str = "
    INSERT INTO suspect (topic_id, partition, offset, place_id, count, first_run_id, run_id) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)
    ON CONFLICT DO UPDATE SET count = count + 1, run_id = excluded.run_id";
/// Not all of them are read.
pub(super) const ANY_SUSPECT: &str = "SELECT EXISTS (SELECT 1 FROM suspect)";
pub(super) const SUSPECTS: &str = "
    SELECT s.offset, p.receiver, s.count, s.first_run_id, s.run_id FROM suspect s CROSS JOIN place p ON p.id = s.place_id
    WHERE s.topic_id = ?1 AND s.partition = ?2 AND s.offset >= ?3 AND p.consumer_group = ?4";
pub(super) const NO_SUSPECT: &str = "DELETE FROM suspect WHERE topic_id = ?1 AND partition = ?2 AND offset = ?3 AND place_id = ?4";
pub(super) const NO_SUSPECTS: &str = "
    DELETE FROM suspect WHERE topic_id = ?1 AND partition = ?2 AND offset = ?3
        AND place_id IN (SELECT id FROM place WHERE consumer_group = ?4)";

// --- replays and their claims (primary keys)

pub(super) const NEW_REPLAY: &str = "INSERT INTO replay (run_id, selection, started_at_us) VALUES (?1, ?2, ?3)";
pub(super) const REPLAY_COUNTS: &str =
    "UPDATE replay SET delivered = delivered + ?2, failed = failed + ?3, skipped = skipped + ?4 WHERE id = ?1";
pub(super) const REPLAY_ENDED: &str = "UPDATE replay SET ended_at_us = ?2 WHERE id = ?1";
pub(super) const CLAIMED: &str = "SELECT state, claimed_by FROM failure WHERE id = ?1";
pub(super) const CLAIM: &str = "UPDATE failure SET claimed_by = ?2 WHERE id = ?1";
pub(super) const GIVEN_BACK: &str = "UPDATE failure SET claimed_by = NULL WHERE id = ?1 AND claimed_by = ?2";

// --- progress (primary key)

pub(super) const NEW_PROGRESS: &str = "
    INSERT INTO progress (consumer_group, topic_id, partition, run_id, from_offset, to_offset, records, delivered, failed, skipped,
        deferred, updated_at_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT DO UPDATE SET to_offset = max(to_offset, excluded.to_offset), records = records + excluded.records,
        delivered = delivered + excluded.delivered, failed = failed + excluded.failed, skipped = skipped + excluded.skipped,
        deferred = deferred + excluded.deferred, updated_at_us = max(excluded.updated_at_us, updated_at_us + 1)";
/// When any run wrote of a partition last. Rows are put in order by it, so it only rises, whatever the clock does.
pub(super) const PROGRESS_WRITTEN_AT: &str =
    "SELECT max(updated_at_us) FROM progress WHERE consumer_group = ?1 AND topic_id = ?2 AND partition = ?3";
/// A bare column beside max() is that of the highest row: nothing is sorted.
pub(super) const LAST_PROGRESS: &str = "
    SELECT to_offset, max(updated_at_us), (SELECT max(to_offset) FROM progress WHERE consumer_group = ?1 AND topic_id = ?2 AND partition = ?3),
        (SELECT max(to_offset > from_offset) FROM progress WHERE consumer_group = ?1 AND topic_id = ?2 AND partition = ?3)
    FROM progress WHERE consumer_group = ?1 AND topic_id = ?2 AND partition = ?3 HAVING count(*) > 0";
pub(super) const TOPIC_HAS_PROGRESS: &str = "SELECT EXISTS (SELECT 1 FROM progress WHERE consumer_group = ?1 AND topic_id = ?2)";
/// The uuid of the newest topic of this name that the group read: the clock may go back, ids do not. A bare column beside max(), too.
pub(super) const LAST_UUID: &str = "
    SELECT t.topic_uuid, max(t.id) FROM topic t WHERE t.cluster_id = ?2 AND t.name = ?3
        AND EXISTS (SELECT 1 FROM progress p WHERE p.consumer_group = ?1 AND p.topic_id = t.id)
    HAVING count(*) > 0";
pub(super) const PROGRESS_AROUND: &str = "
    SELECT run_id, from_offset, to_offset, records, delivered, failed, skipped, deferred, updated_at_us FROM progress
    WHERE consumer_group = ?1 AND topic_id = ?2 AND partition = ?3 AND to_offset > ?4 AND from_offset <= ?5 ORDER BY run_id, from_offset";

// --- runs, the newest first (primary key)

pub(super) const RUNS_BEFORE: &str = "
    SELECT id, stop_reason FROM run WHERE id < ?2 AND consumer_group = ?1 AND (command = 'consume' OR command = 'demo') ORDER BY id DESC LIMIT 1000";
pub(super) const RUN_HAS_SETTLED: &str =
    "SELECT EXISTS (SELECT 1 FROM progress WHERE consumer_group = ?1 AND run_id = ?2 AND to_offset > from_offset)";

// --- schemas, of which there are few (primary key, or all of them)

/// A registry's schemas do not change; one that is made again does.
pub(super) const KEEP_SCHEMA: &str =
    "INSERT OR REPLACE INTO schema (registry, id, kind, text, named_texts, kept_at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const KEPT_SCHEMAS: &str =
    "SELECT id, kind, text, named_texts FROM schema WHERE ?1 IS NULL OR registry = ?1 ORDER BY registry, id";

// --- moves of groups, of which there are few (primary keys)

pub(super) const NEW_MOVE: &str = "
    INSERT INTO offset_move (run_id, consumer_group, undoes, reason, who, at_us, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'planned')";
pub(super) const NEW_MOVE_ITEM: &str = "
    INSERT INTO offset_move_item (move_id, topic_id, partition, old_offset, old_metadata, old_leader_epoch, new_offset, new_metadata)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const MOVE_ENDED: &str = "UPDATE offset_move SET state = ?2 WHERE id = ?1";
pub(super) const MOVE_ITEM_ENDED: &str =
    "UPDATE offset_move_item SET read_back = ?4, error = ?5 WHERE move_id = ?1 AND topic_id = ?2 AND partition = ?3";
pub(super) const MOVE_COLUMNS: &str = "
    m.id, m.consumer_group, m.undoes, m.reason, m.who, m.at_us, m.state, r.host FROM offset_move m CROSS JOIN run r ON r.id = m.run_id";
pub(super) const MOVE_ITEMS: &str = "
    SELECT t.cluster_id, t.name, t.topic_uuid, i.partition, i.old_offset, i.old_metadata, i.old_leader_epoch, i.new_offset, i.new_metadata,
        i.read_back, i.error
    FROM offset_move_item i CROSS JOIN topic t ON t.id = i.topic_id WHERE i.move_id = ?1";
pub(super) const MOVE_GROUPS: &str = "SELECT consumer_group, max(id) FROM offset_move WHERE id > 0 GROUP BY consumer_group";
/// The open entries of a group in a topic. Index: failure_topic.
pub(super) const OPEN_OF_TOPIC: &str = "
    SELECT f.partition, f.offset FROM failure f INDEXED BY failure_topic CROSS JOIN place p ON p.id = f.place_id
    WHERE f.topic_id = ?1 AND f.state = 'open' AND p.consumer_group = ?2";
pub(super) const ENTRY_PLACE: &str = "
    SELECT p.consumer_group, t.cluster_id, t.name, t.topic_uuid, f.partition, f.offset
    FROM failure f CROSS JOIN place p ON p.id = f.place_id CROSS JOIN topic t ON t.id = f.topic_id WHERE f.id = ?1";

// --- what a replay has selected: a table of the connection's own, beside the journal. Its primary key is the order of places.

/// Millions of entries are no reason to have them in memory. Should anything fail, the table is thrown away: it needs no journal of its own.
pub(super) const SELECTED_SETTINGS: &str = "
    PRAGMA query_only = OFF;
    PRAGMA temp_store = FILE;
    PRAGMA temp.cache_size = -32000;
    PRAGMA temp.journal_mode = OFF;
    CREATE TEMP TABLE selected (
        topic_id INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, place_id INTEGER NOT NULL,
        failure_id INTEGER NOT NULL, fingerprint_id INTEGER NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (topic_id, partition, offset, place_id)
    ) WITHOUT ROWID;";
/// What goes on with the index in which the rows are found, and with conditions.
pub(super) const SELECT_FROM: &str = "
    INSERT OR IGNORE INTO temp.selected (topic_id, partition, offset, place_id, failure_id, fingerprint_id, state)
    SELECT f.topic_id, f.partition, f.offset, f.place_id, f.id, f.fingerprint_id, f.state FROM failure f";
pub(super) const WITH_RECORD: &str =
    "CROSS JOIN record c ON c.topic_id = f.topic_id AND c.partition = f.partition AND c.offset = f.offset";
pub(super) const OF_GROUP: &str = "f.place_id IN (SELECT id FROM place WHERE consumer_group = ?)";
pub(super) const HAS_FAILURE: &str = "SELECT EXISTS (SELECT 1 FROM failure WHERE id = ?1)";
/// Index: the UNIQUE one of failure.
pub(super) const NEXT_PARTITION: &str = "
    SELECT min(partition) FROM failure INDEXED BY sqlite_autoindex_failure_1 WHERE topic_id = ?1 AND partition > ?2";
// Those that have to look at everything that is selected.
pub(super) const SELECTED_PLACES: &str = "
    SELECT p.consumer_group, nullif(p.receiver, '') FROM (SELECT DISTINCT place_id FROM temp.selected) s
    CROSS JOIN place p ON p.id = s.place_id";
pub(super) const NOTHING_SELECTED: &str = "SELECT NOT EXISTS (SELECT 1 FROM temp.selected)";
pub(super) const SELECTED_PARTITIONS: &str = "
    SELECT topic_id, partition, min(offset), max(offset), count(*) FROM temp.selected GROUP BY topic_id, partition";
pub(super) const DROP_RESOLVED: &str = "DELETE FROM temp.selected WHERE state = 'resolved'";
pub(super) const DROP_RECEIVER: &str = "DELETE FROM temp.selected WHERE place_id IN (SELECT id FROM place WHERE receiver = ?1)";
// Those of one partition: the primary key.
pub(super) const DROP_FROM: &str = "DELETE FROM temp.selected WHERE topic_id = ?1 AND partition = ?2 AND offset >= ?3";
pub(super) const SELECTED_KINDS: &str = "
    SELECT s.place_id, g.code, s.count, s.first, s.last, s.late
    FROM (SELECT place_id, fingerprint_id, count(*) count, min(offset) first, max(offset) last, sum(offset < ?4) late
        FROM temp.selected WHERE topic_id = ?1 AND partition = ?2 AND place_id IN (SELECT id FROM place WHERE consumer_group = ?3)
        GROUP BY place_id, fingerprint_id) s CROSS JOIN fingerprint g ON g.id = s.fingerprint_id";
pub(super) const SELECTED_ROWS: &str = "
    SELECT s.failure_id, s.offset, s.place_id, s.state, coalesce(c.codec < 2, 0)
    FROM temp.selected s LEFT JOIN record c ON c.topic_id = s.topic_id AND c.partition = s.partition AND c.offset = s.offset
    WHERE s.topic_id = ?1 AND s.partition = ?2 AND s.offset > ?3 ORDER BY s.offset";
pub(super) const SELECTED_AT: &str =
    "SELECT failure_id FROM temp.selected WHERE topic_id = ?1 AND partition = ?2 AND offset = ?3 LIMIT 1";
/// Primary key. Of a value that is not there any more there is nothing to read.
pub(super) const STORED_AT: &str = "
    SELECT key, headers, value, timestamp_ms, timestamp_type, leader_epoch, crc FROM record
    WHERE topic_id = ?1 AND partition = ?2 AND offset = ?3 AND codec < 2";
pub(super) const TIMESTAMP_AT: &str = "SELECT timestamp_ms FROM record WHERE topic_id = ?1 AND partition = ?2 AND offset = ?3";

// --- listings

pub(super) const STATE_COUNTS: &str =
    "SELECT coalesce(sum(open), 0), coalesce(sum(resolved), 0), coalesce(sum(ignored), 0) FROM fingerprint";
/// Index: incident_open. Kinds that end by themselves leave it when they end; the others when they are acknowledged.
pub(super) const OPEN_INCIDENTS: &str =
    "SELECT count(*) FROM incident INDEXED BY incident_open WHERE ended_at_us IS NULL AND acked_at_us IS NULL";
/// Index: deferred_open, for each of the handful of places. Of a part of a range at most as many events as offsets are left.
pub(super) const ALL_MISSED: &str = "
    SELECT p.consumer_group, p.receiver, t.name, d.partition, d.delivered_to, d.to_offset, min(d.events, d.to_offset - d.delivered_to)
    FROM place p CROSS JOIN deferred d INDEXED BY deferred_open ON d.place_id = p.id CROSS JOIN topic t ON t.id = d.topic_id
    WHERE d.delivered_to < d.to_offset ORDER BY p.id, d.topic_id, d.partition, d.from_offset";
pub(super) const FAILURE_COLUMNS: &str = "
    f.id, f.state, f.claimed_by, f.regressed, t.cluster_id, p.consumer_group, t.name, t.topic_uuid, f.partition, f.offset,
    p.stage, p.receiver, f.class, f.code, f.message, lower(hex(g.hash)), f.event_id, f.event_type, f.attempts,
    f.first_failed_at_us, f.last_failed_at_us, f.settled_at_us, f.settled_by, r.host, r.client_id, r.redrive_version,
    c.leader_epoch, c.timestamp_ms, c.timestamp_type, c.event_source, c.event_time, c.key, x.causes";
/// The last of them, in a journal that has it.
pub(super) const RULE_COLUMN: &str = "f.rule";
pub(super) const FAILURE_TABLES: &str = "
    CROSS JOIN topic t ON t.id = f.topic_id CROSS JOIN place p ON p.id = f.place_id
    CROSS JOIN fingerprint g ON g.id = f.fingerprint_id CROSS JOIN run r ON r.id = f.run_id
    CROSS JOIN record c ON c.topic_id = f.topic_id AND c.partition = f.partition AND c.offset = f.offset
    LEFT JOIN failure_text x ON x.failure_id = f.id";
pub(super) const RECORD_OF: &str = "
    SELECT c.headers, c.value, c.value_size, c.codec, c.crc, coalesce(x.detail, '')
    FROM failure f CROSS JOIN record c ON c.topic_id = f.topic_id AND c.partition = f.partition AND c.offset = f.offset
    LEFT JOIN failure_text x ON x.failure_id = f.id WHERE f.id = ?1";
pub(super) const ATTEMPTS_OF: &str = "
    SELECT number, at_us, replay_id, outcome, class, code, message, duration_us FROM attempt WHERE failure_id = ?1
    UNION ALL SELECT attempts, last_failed_at_us, replay_id, 'failed', class, code, message, duration_us FROM failure WHERE id = ?1
    UNION ALL SELECT attempts + 1, settled_at_us, settled_replay_id, 'delivered', NULL, NULL, NULL, NULL FROM failure
        WHERE id = ?1 AND settled_by <> 'hand'";
/// The record's other receivers: one that failed again had it once, too.
pub(super) const DELIVERED_TO: &str = "
    SELECT p.receiver FROM failure f CROSS JOIN place q ON q.id = f.place_id
    CROSS JOIN delivered d ON d.topic_id = f.topic_id AND d.partition = f.partition AND d.offset = f.offset
    CROSS JOIN place p ON p.id = d.place_id
    WHERE f.id = ?1 AND p.consumer_group = q.consumer_group AND d.place_id <> f.place_id ORDER BY p.receiver";
pub(super) const KIND_OF: &str = "
    SELECT g.open, g.first_seen_at_us FROM failure f CROSS JOIN fingerprint g ON g.id = f.fingerprint_id WHERE f.id = ?1";
pub(super) const DEFINITION_OF: &str = "SELECT definition FROM receiver WHERE consumer_group = ?1 AND name = ?2";
/// Index: the UNIQUE one of failure.
pub(super) const BEFORE: &str = "
    SELECT f.id, f.offset, p.stage, p.receiver, f.code, f.state, f.message FROM failure f CROSS JOIN place p ON p.id = f.place_id
    WHERE f.topic_id = ?1 AND f.partition = ?2 AND f.offset < ?3 AND p.consumer_group = ?4 ORDER BY f.offset DESC LIMIT ?5";
/// As `BEFORE`; with the other entries of the record itself.
pub(super) const AFTER: &str = "
    SELECT f.id, f.offset, p.stage, p.receiver, f.code, f.state, f.message FROM failure f CROSS JOIN place p ON p.id = f.place_id
    WHERE f.topic_id = ?1 AND f.partition = ?2 AND f.offset >= ?3 AND p.consumer_group = ?4 ORDER BY f.offset LIMIT ?5";
pub(super) const PLACE_OF: &str = "
    SELECT f.topic_id, f.partition, f.offset, p.consumer_group FROM failure f CROSS JOIN place p ON p.id = f.place_id WHERE f.id = ?1";
/// Where a time lies among the ids. Both: the rowid.
pub(super) const HIGHEST_ID: &str = "SELECT coalesce(max(id), 0) FROM failure";
pub(super) const FIRST_FAILED_FROM: &str = "SELECT id, first_failed_at_us FROM failure WHERE id >= ?1 ORDER BY id LIMIT 1";
/// The run behind a claim, unless it has ended.
pub(super) const CLAIMING_RUN: &str =
    "SELECT host, pid, pid_started_at_us, alive_at_us FROM run WHERE id = ?1 AND ended_at_us IS NULL";
/// By rowid, from the newest on: of those that were killed, the older ones are long silent.
pub(super) const RUNS_NOT_ENDED: &str = "
    SELECT host, pid, pid_started_at_us, alive_at_us, command, consumer_group FROM run
    WHERE id > (SELECT coalesce(max(id), 0) FROM run) - 1000 AND ended_at_us IS NULL ORDER BY id";
/// The last heartbeat of the newest run, or else when the journal was made.
pub(super) const NEWEST_TIME: &str = "
    SELECT max(j.created_at_us, coalesce((SELECT r.alive_at_us FROM run r ORDER BY r.id DESC LIMIT 1), 0)) FROM journal j LIMIT 1";
pub(super) const TOPICS_NAMED: &str = "SELECT id FROM topic WHERE name = ?1";
/// The clock may go back, ids do not.
pub(super) const TOPICS_CALLED: &str = "SELECT id, cluster_id, name, topic_uuid FROM topic WHERE name = ?1 ORDER BY id DESC";
pub(super) const TOPIC_OF: &str = "SELECT id, cluster_id, name, topic_uuid FROM topic WHERE id = ?1";
/// From group to group through the primary key, past all the rows of each.
pub(super) const NEXT_GROUP: &str = "SELECT min(consumer_group) FROM progress WHERE consumer_group > ?1";
pub(super) const FAILING_GROUPS: &str = "SELECT consumer_group FROM place";
/// Index: the UNIQUE one of failure, all of the topic when there is none.
pub(super) const TOPIC_HAS_FAILURES: &str = "
    SELECT EXISTS (SELECT 1 FROM failure f INDEXED BY sqlite_autoindex_failure_1
        WHERE f.topic_id = ?2 AND f.place_id IN (SELECT id FROM place WHERE consumer_group = ?1))";
pub(super) const RECEIVERS_OF: &str = "
    SELECT receiver FROM place WHERE consumer_group = ?1 AND receiver <> ''
    UNION ALL SELECT name FROM receiver WHERE consumer_group = ?1";
pub(super) const PLACES: &str = "SELECT id, consumer_group, stage, receiver FROM place";
/// Names, for who mistypes one; a few rows each, but for the codes, of which there is one for each kind of failure.
pub(super) const TOPIC_NAMES: &str = "SELECT name FROM topic";
pub(super) const RECEIVER_NAMES: &str = "SELECT receiver FROM place WHERE receiver <> ''";
pub(super) const GROUP_NAMES: &str = "
    SELECT consumer_group FROM place
    UNION ALL SELECT consumer_group FROM run WHERE id > (SELECT coalesce(max(id), 0) FROM run) - 1000 AND consumer_group <> ''";
pub(super) const CODES: &str = "SELECT code FROM fingerprint";
/// One row for each kind of failure: far fewer than failures.
pub(super) const KINDS: &str = "SELECT g.id FROM fingerprint g CROSS JOIN place p ON p.id = g.place_id";
pub(super) const FINGERPRINTS_FROM: &str = "SELECT id, hash FROM fingerprint WHERE hash >= ?1 AND hash <= ?2 ORDER BY hash LIMIT 2";
pub(super) const INCIDENT_COLUMNS: &str = "
    i.id, i.kind, r.consumer_group, t.name, i.partition, i.from_offset, i.to_offset, nullif(i.receiver, ''), i.message, i.data, i.count,
    i.first_at_us, i.last_at_us, i.ended_at_us, i.acked_at_us
    FROM incident i CROSS JOIN run r ON r.id = i.run_id LEFT JOIN topic t ON t.id = i.topic_id";

#[cfg(test)]
mod tests {
    use super::*;

    /// The plan of each statement that reads: no scan of the tables that grow, no sorting of what was found in them.
    #[test]
    fn no_statement_scans_what_grows() {
        let folder = tempfile::tempdir().unwrap();
        let place = crate::journal::Place { path: folder.path().join("plans.db"), safety: crate::journal::Safety::Safe };
        let connection = place.open_to_write().unwrap();
        let all = [
            ("FAILURE_AT", FAILURE_AT),
            ("FAILED_AGAIN", FAILED_AGAIN),
            ("RESOLVED", RESOLVED),
            ("FORGET_ATTEMPTS", FORGET_ATTEMPTS),
            ("FORGET_TEXT", FORGET_TEXT),
            ("RECORD_OF", RECORD_OF),
            ("ATTEMPTS_OF", ATTEMPTS_OF),
            ("DELIVERED_TO", DELIVERED_TO),
            ("KIND_OF", KIND_OF),
            ("PLACE_OF", PLACE_OF),
            ("BEFORE", BEFORE),
            ("AFTER", AFTER),
            ("DEBTS", DEBTS),
            ("HIGHEST_DEBT", HIGHEST_DEBT),
            ("ENTRIES_AT", ENTRIES_AT),
            ("HANDS_COUNTED", HANDS_COUNTED),
            ("SUSPECTS", SUSPECTS),
            ("NO_SUSPECT", NO_SUSPECT),
            ("NO_SUSPECTS", NO_SUSPECTS),
            ("MOVE_ENDED", MOVE_ENDED),
            ("MOVE_ITEM_ENDED", MOVE_ITEM_ENDED),
            ("MOVE_ITEMS", MOVE_ITEMS),
            ("MOVE_GROUPS", MOVE_GROUPS),
            ("OPEN_OF_TOPIC", OPEN_OF_TOPIC),
            ("ENTRY_PLACE", ENTRY_PLACE),
            ("LAST_PROGRESS", LAST_PROGRESS),
            ("LAST_UUID", LAST_UUID),
            ("PROGRESS_WRITTEN_AT", PROGRESS_WRITTEN_AT),
            ("TOPIC", TOPIC),
            ("PLACE", PLACE),
            ("FINGERPRINT", FINGERPRINT),
            ("FINGERPRINTS_FROM", FINGERPRINTS_FROM),
            ("FINGERPRINT_COUNTS", FINGERPRINT_COUNTS),
            ("INCIDENT_AGAIN", INCIDENT_AGAIN),
            ("INCIDENT_ENDED", INCIDENT_ENDED),
            ("OPEN_NEW_TYPE", OPEN_NEW_TYPE),
            ("OPEN_LIMIT", OPEN_LIMIT),
            ("OPEN_HALT", OPEN_HALT),
            ("PROGRESS_AROUND", PROGRESS_AROUND),
            ("HIGHEST_ID", HIGHEST_ID),
            ("FIRST_FAILED_FROM", FIRST_FAILED_FROM),
            ("CLAIMING_RUN", CLAIMING_RUN),
            ("RUNS_NOT_ENDED", RUNS_NOT_ENDED),
            ("TOPIC_HAS_PROGRESS", TOPIC_HAS_PROGRESS),
        ];
        for (name, statement) in all {
            must_search(&connection, name, statement);
        }
    }

    #[test]
    fn no_statement_of_what_was_missed_scans_what_grows() {
        let folder = tempfile::tempdir().unwrap();
        let place = crate::journal::Place { path: folder.path().join("plans.db"), safety: crate::journal::Safety::Safe };
        let connection = place.open_to_write().unwrap();
        for (name, statement) in [
            ("DEFERRED_GOES_ON", DEFERRED_GOES_ON),
            ("CAUGHT_UP", CAUGHT_UP),
            ("DEFERRED_CUT", DEFERRED_CUT),
            ("DEFERRED_GONE", DEFERRED_GONE),
            ("MISSED_OF", MISSED_OF),
            ("MISSED_OF_TOPIC", MISSED_OF_TOPIC),
            ("TAKEN_OF", TAKEN_OF),
            ("MISSED_BEGINS", MISSED_BEGINS),
            ("MISSED_ENDS", MISSED_ENDS),
            ("MISSED_REST", MISSED_REST),
            ("RECORDS_IN", RECORDS_IN),
            ("HAS_STRAYS", HAS_STRAYS),
            ("STRAYS", STRAYS),
            ("LET_GO_OF_MISSED", LET_GO_OF_MISSED),
            ("RUNS_BEFORE", RUNS_BEFORE),
            ("RUN_HAS_SETTLED", RUN_HAS_SETTLED),
        ] {
            must_search(&connection, name, statement);
        }
    }

    #[test]
    fn no_statement_of_a_replay_scans_what_grows() {
        let folder = tempfile::tempdir().unwrap();
        let place = crate::journal::Place { path: folder.path().join("plans.db"), safety: crate::journal::Safety::Safe };
        let connection = place.open_to_write().unwrap();
        connection.execute_batch(SELECTED_SETTINGS).unwrap();
        let by_id = format!("{SELECT_FROM} WHERE f.id = ?1");
        for (name, statement) in [
            ("REPLAY_COUNTS", REPLAY_COUNTS),
            ("REPLAY_ENDED", REPLAY_ENDED),
            ("CLAIMED", CLAIMED),
            ("CLAIM", CLAIM),
            ("GIVEN_BACK", GIVEN_BACK),
            ("TOPIC_OF", TOPIC_OF),
            ("NEXT_GROUP", NEXT_GROUP),
            ("TOPIC_HAS_FAILURES", TOPIC_HAS_FAILURES),
            ("RECEIVERS_OF", RECEIVERS_OF),
            ("SELECT_FROM", &by_id),
            ("HAS_FAILURE", HAS_FAILURE),
            ("NEXT_PARTITION", NEXT_PARTITION),
            ("DROP_FROM", DROP_FROM),
            ("SELECTED_ROWS", SELECTED_ROWS),
            ("SELECTED_AT", SELECTED_AT),
            ("STORED_AT", STORED_AT),
            ("TIMESTAMP_AT", TIMESTAMP_AT),
        ] {
            must_search(&connection, name, statement);
        }
    }

    #[track_caller]
    fn must_search(connection: &rusqlite::Connection, name: &str, statement: &str) {
        let plan = plan(connection, statement);
        assert!(!plan.replace("SCAN CONSTANT ROW", "").contains("SCAN"), "{name}: {plan}");
        // Only the receivers of one record, and the few moves of groups, are ever sorted.
        let may_sort = ["DELIVERED_TO", "MOVE_GROUPS"].contains(&name);
        assert!(may_sort || !plan.contains("TEMP B-TREE"), "{name}: {plan}");
    }

    fn plan(connection: &rusqlite::Connection, statement: &str) -> String {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps = explain.query_map(rusqlite::params_from_iter(unbound), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    /// They may walk through what is selected, once, and through no table of the journal.
    #[test]
    fn statements_on_the_selection_scan_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = crate::journal::Place { path: folder.path().join("plans.db"), safety: crate::journal::Safety::Safe };
        let connection = place.open_to_write().unwrap();
        connection.execute_batch(SELECTED_SETTINGS).unwrap();
        for (name, statement, walks) in [
            ("SELECTED_PLACES", SELECTED_PLACES, &["selected", "s"][..]),
            ("NOTHING_SELECTED", NOTHING_SELECTED, &["CONSTANT ROW", "selected"]),
            ("SELECTED_PARTITIONS", SELECTED_PARTITIONS, &["selected"]),
            ("DROP_RESOLVED", DROP_RESOLVED, &["selected"]),
            // Of the handful of places.
            ("DROP_RECEIVER", DROP_RECEIVER, &["selected", "place"]),
            // Of the kinds that were counted.
            ("SELECTED_KINDS", SELECTED_KINDS, &["s"]),
            ("ALL_MISSED", ALL_MISSED, &["p"]),
        ] {
            let plan = plan(&connection, statement);
            let scans: Vec<_> =
                plan.split("; ").filter_map(|step| step.strip_prefix("SCAN ")).map(|of| of.trim_start_matches("temp.")).collect();
            let is_of = |scan: &str, table: &str| scan == table || scan.starts_with(&format!("{table} USING COVERING INDEX"));
            assert!(scans.iter().all(|scan| walks.iter().any(|table| is_of(scan, table))), "{name}: {plan}");
            let may_sort = matches!(name, "SELECTED_PLACES" | "SELECTED_KINDS");
            assert!(may_sort || !plan.contains("TEMP B-TREE"), "{name}: {plan}");
        }
    }
}
