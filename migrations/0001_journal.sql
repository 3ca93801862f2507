-- The journal, version 1: what failed, with its bytes; how far each group got; what troubled the consumer.
--
-- Views are the public, stable surface; tables may change between minor versions by ADD COLUMN and new tables only.
-- A failure seen for the first time costs two single-row inserts and eight b-tree entries. DO UPDATE, multi-row VALUES and a CHECK
-- with IN of three or more items would each cost more than an index on that path, so it has none of them.
-- The file's own settings (page size, auto_vacuum, application id, WAL) are set when it is made, before this runs.

CREATE TABLE journal (                       -- one row
  id INTEGER PRIMARY KEY CHECK (id = 1), uuid TEXT NOT NULL,   -- uuid goes into the commit metadata
  format INTEGER NOT NULL DEFAULT 1,           -- major: a reader of format n refuses n+1
  created_at_us INTEGER NOT NULL, searched_through INTEGER NOT NULL DEFAULT 0   -- highest failure.id in the search tables
) STRICT;
CREATE TABLE run (                           -- one per process start; host, client and version once, not per row
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  command TEXT NOT NULL CHECK (command IN ('consume','replay','group','errors','incidents','journal','demo')),
  consumer_group TEXT NOT NULL DEFAULT '', client_id TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
  redrive_version TEXT NOT NULL, started_at_us INTEGER NOT NULL, ended_at_us INTEGER, exit_code INTEGER,
  stop_reason TEXT CHECK (stop_reason IN ('signal','done','limit','guard','halt','error')), pid_started_at_us INTEGER,
  alive_at_us INTEGER NOT NULL               -- heartbeat, 5 s; a claim of a run silent for 30 s is void
) STRICT;
CREATE TABLE topic (                         -- a recreated topic is another topic: its offsets start again
  id INTEGER PRIMARY KEY, cluster_id TEXT NOT NULL, name TEXT NOT NULL, topic_uuid TEXT NOT NULL DEFAULT '', first_seen_at_us INTEGER NOT NULL,
  UNIQUE (cluster_id, name, topic_uuid)
) STRICT;
CREATE TABLE place (                         -- where a record can fail; a handful of rows
  id INTEGER PRIMARY KEY, consumer_group TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('identify','route','decode','receive')), receiver TEXT NOT NULL DEFAULT '',
  UNIQUE (consumer_group, stage, receiver), CHECK ((stage = 'receive') = (receiver <> ''))
) STRICT;
CREATE TABLE record (                        -- the bytes; read by `show`, `export`, `replay`, never by a listing
  topic_id INTEGER NOT NULL REFERENCES topic, partition INTEGER NOT NULL CHECK (partition >= 0),
  offset INTEGER NOT NULL CHECK (offset >= 0), leader_epoch INTEGER,
  timestamp_ms INTEGER, timestamp_type TEXT NOT NULL CHECK (timestamp_type = 'create' OR timestamp_type = 'append' OR timestamp_type = 'none'),
  fetched_at_us INTEGER NOT NULL, event_source TEXT, event_time TEXT,
  key BLOB, headers BLOB NOT NULL,           -- headers: as on Kafka's wire: zigzag varint count, then (length, name, length or -1, value)
  crc INTEGER NOT NULL,                      -- crc32c over key, headers, value
  value_size INTEGER, codec INTEGER NOT NULL DEFAULT 0 CHECK (codec BETWEEN 0 AND 3),   -- size NULL: tombstone; codec 0 raw, 1 zstd, 2 purged, 3 not stored
  value BLOB,                                -- last: earlier columns are read without it
  PRIMARY KEY (topic_id, partition, offset),
  CHECK ((value IS NULL) = (value_size IS NULL OR codec >= 2))
) STRICT;
CREATE TABLE fingerprint (                   -- one row per kind of failure; counts kept in the same transaction
  id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 16),
  place_id INTEGER NOT NULL REFERENCES place, code TEXT NOT NULL, template TEXT NOT NULL,
  first_seen_at_us INTEGER NOT NULL, last_seen_at_us INTEGER NOT NULL,
  open INTEGER NOT NULL DEFAULT 0 CHECK (open >= 0), resolved INTEGER NOT NULL DEFAULT 0 CHECK (resolved >= 0),
  ignored INTEGER NOT NULL DEFAULT 0 CHECK (ignored >= 0), regressed INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1, first_run_id INTEGER NOT NULL REFERENCES run, acked_at_us INTEGER, acked_by TEXT, acked_open INTEGER
) STRICT;
CREATE TABLE failure (                       -- all that a listing or a filter needs; the row is its latest failed attempt
  id INTEGER PRIMARY KEY AUTOINCREMENT,      -- public: a purged id is never given out again
  topic_id INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  place_id INTEGER NOT NULL REFERENCES place, fingerprint_id INTEGER NOT NULL REFERENCES fingerprint,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state = 'open' OR state = 'resolved' OR state = 'ignored'),
  regressed INTEGER NOT NULL DEFAULT 0 CHECK (regressed IN (0, 1)),   -- was resolved, failed again
  class TEXT NOT NULL CHECK (class = 'transient' OR class = 'permanent' OR class = 'consumer' OR class = 'unknown'),
  code TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
  attempts INTEGER NOT NULL DEFAULT 1 CHECK (attempts >= 1),
  first_failed_at_us INTEGER NOT NULL, last_failed_at_us INTEGER NOT NULL CHECK (last_failed_at_us >= first_failed_at_us),
  run_id INTEGER NOT NULL REFERENCES run, replay_id INTEGER REFERENCES replay, claimed_by INTEGER REFERENCES run, duration_us INTEGER,   -- replay_id NULL: live
  settled_at_us INTEGER, settled_by TEXT CHECK (settled_by = 'replay' OR settled_by = 'live' OR settled_by = 'hand'), settled_replay_id INTEGER REFERENCES replay,
  event_type TEXT, event_id TEXT, message TEXT NOT NULL CHECK (length(message) <= 1000),
  UNIQUE (topic_id, partition, offset, place_id),       -- identity; --offset, --to-failure, resolve
  FOREIGN KEY (topic_id, partition, offset) REFERENCES record (topic_id, partition, offset),
  CHECK ((state = 'open') = (settled_at_us IS NULL)), CHECK (claimed_by IS NULL OR state = 'open')
) STRICT;
-- every index ends in the rowid by itself: "newest first, keyset" needs no column for it
CREATE INDEX failure_state       ON failure (state);                  -- errors list
CREATE INDEX failure_topic       ON failure (topic_id, state);        -- errors list --topic; topic alone = one branch per state
CREATE INDEX failure_fingerprint ON failure (fingerprint_id, state);  -- errors groups -> members; state verbs by fingerprint
CREATE INDEX failure_failed_at   ON failure (last_failed_at_us) WHERE attempts > 1;   -- since/until, beside the id bound
CREATE TABLE failure_text (                  -- only when there is something to say
  failure_id INTEGER PRIMARY KEY REFERENCES failure ON DELETE CASCADE,
  causes TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(causes)), detail TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE replay (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run,
  selection TEXT NOT NULL CHECK (json_valid(selection)), started_at_us INTEGER NOT NULL, ended_at_us INTEGER,
  delivered INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE attempt (                       -- attempts before the latest: none for a failure seen once; a regress copies the success here
  failure_id INTEGER NOT NULL REFERENCES failure ON DELETE CASCADE, number INTEGER NOT NULL CHECK (number >= 1),
  outcome TEXT NOT NULL DEFAULT 'failed' CHECK (outcome IN ('failed','delivered')), at_us INTEGER NOT NULL, replay_id INTEGER REFERENCES replay,
  class TEXT, code TEXT, message TEXT, duration_us INTEGER, run_id INTEGER NOT NULL REFERENCES run,
  PRIMARY KEY (failure_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE progress (                      -- ranges settled; the last row is extended, not added to
  consumer_group TEXT NOT NULL, topic_id INTEGER NOT NULL REFERENCES topic, partition INTEGER NOT NULL,
  run_id INTEGER NOT NULL REFERENCES run, from_offset INTEGER NOT NULL, to_offset INTEGER NOT NULL CHECK (to_offset >= from_offset),
  records INTEGER NOT NULL, delivered INTEGER NOT NULL, failed INTEGER NOT NULL, skipped INTEGER NOT NULL, deferred INTEGER NOT NULL,   -- of records; failed: at least one receiver failed
  updated_at_us INTEGER NOT NULL, PRIMARY KEY (consumer_group, topic_id, partition, run_id, from_offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE incident (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run, kind TEXT NOT NULL,
  topic_id INTEGER REFERENCES topic, partition INTEGER, from_offset INTEGER, to_offset INTEGER,
  receiver TEXT NOT NULL DEFAULT '', message TEXT NOT NULL, data TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(data)),
  count INTEGER NOT NULL DEFAULT 1, first_at_us INTEGER NOT NULL, last_at_us INTEGER NOT NULL, ended_at_us INTEGER, acked_at_us INTEGER, acked_by TEXT
) STRICT;
CREATE INDEX incident_open ON incident (kind) WHERE ended_at_us IS NULL;   -- "one incident that counts"
CREATE TABLE action (                        -- what people did by hand; kept after a purge
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run, verb TEXT NOT NULL, who TEXT NOT NULL, at_us INTEGER NOT NULL,
  failure_id INTEGER, selection TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(selection)), affected INTEGER NOT NULL, text TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE action_item (                   -- so that a state change can be taken back
  action_id INTEGER NOT NULL REFERENCES action, failure_id INTEGER NOT NULL, was TEXT NOT NULL, PRIMARY KEY (action_id, failure_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivered (                     -- written when a record that has an entry is complete: which receivers did get it; clean records write nothing
  topic_id INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, place_id INTEGER NOT NULL REFERENCES place, at_us INTEGER NOT NULL,
  PRIMARY KEY (topic_id, partition, offset, place_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE receiver (                      -- last known definition, secrets masked; shown, never executed
  consumer_group TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL CHECK (json_valid(definition)), run_id INTEGER NOT NULL REFERENCES run,
  PRIMARY KEY (consumer_group, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE offset_move (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run, consumer_group TEXT NOT NULL,
  undoes INTEGER REFERENCES offset_move, reason TEXT NOT NULL DEFAULT '', who TEXT NOT NULL, at_us INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planned','done','differs','failed'))
) STRICT;
CREATE TABLE offset_move_item (
  move_id INTEGER NOT NULL REFERENCES offset_move, topic_id INTEGER NOT NULL REFERENCES topic, partition INTEGER NOT NULL,
  old_offset INTEGER, old_metadata TEXT, old_leader_epoch INTEGER, new_offset INTEGER,   -- NULL: none (deleted)
  new_metadata TEXT, read_back INTEGER, error TEXT, PRIMARY KEY (move_id, topic_id, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE schema (registry TEXT NOT NULL, id INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (registry, id)) STRICT, WITHOUT ROWID;
-- filled behind, when no failure waits (5,000 a transaction); a query adds a scan of id > searched_through, so it lags but never lies
CREATE TABLE lookup (kind TEXT NOT NULL CHECK (kind IN ('event_id','key','type')), value BLOB NOT NULL, failure_id INTEGER NOT NULL, PRIMARY KEY (kind, value, failure_id)) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE failure_search USING fts5(message, content='failure', content_rowid='id', tokenize='trigram');
CREATE VIEW failures AS SELECT f.id, f.state, t.cluster_id, p.consumer_group, t.name AS topic, f.partition, f.offset, p.stage,
    nullif(p.receiver, '') AS receiver, f.class, f.code, f.event_type, f.event_id, f.attempts, f.message, lower(hex(g.hash)) AS fingerprint,
    strftime('%Y-%m-%dT%H:%M:%fZ', f.first_failed_at_us / 1e6, 'unixepoch') AS first_failed_at, strftime('%Y-%m-%dT%H:%M:%fZ', f.last_failed_at_us / 1e6, 'unixepoch') AS last_failed_at, r.host, r.client_id, r.redrive_version
  FROM failure f JOIN topic t ON t.id = f.topic_id JOIN place p ON p.id = f.place_id JOIN fingerprint g ON g.id = f.fingerprint_id JOIN run r ON r.id = f.run_id;
CREATE VIEW attempts AS
  SELECT failure_id, number, outcome, at_us, replay_id, class, code, message, duration_us FROM attempt
  UNION ALL SELECT id, attempts, 'failed', last_failed_at_us, replay_id, class, code, message, duration_us FROM failure
  UNION ALL SELECT id, attempts + 1, 'delivered', settled_at_us, settled_replay_id, NULL, NULL, NULL, NULL FROM failure WHERE settled_by <> 'hand';
