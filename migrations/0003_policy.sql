-- The rule of the settings file that decided the latest failed attempt; NULL: none did, so the built-in ones.
ALTER TABLE failure ADD COLUMN rule TEXT;

-- What a receiver that was down has missed: one row for each partition and range, written with the progress. `events` counts those of its
-- records that were routed to the receiver. Everything below `delivered_to` has settled since; a row whose `delivered_to` is its
-- `to_offset` is history.
CREATE TABLE deferred (
  id INTEGER PRIMARY KEY AUTOINCREMENT, place_id INTEGER NOT NULL REFERENCES place, topic_id INTEGER NOT NULL REFERENCES topic,
  partition INTEGER NOT NULL CHECK (partition >= 0), from_offset INTEGER NOT NULL CHECK (from_offset >= 0),
  to_offset INTEGER NOT NULL, delivered_to INTEGER NOT NULL, events INTEGER NOT NULL CHECK (events >= 0), claimed_by INTEGER REFERENCES run,
  UNIQUE (place_id, topic_id, partition, from_offset), CHECK (from_offset <= delivered_to AND delivered_to <= to_offset)
) STRICT;
CREATE INDEX deferred_open ON deferred (place_id, topic_id, partition, from_offset) WHERE delivered_to < to_offset;

-- Records that code of the program had in hand when a run died, and how often: one that is there for the second time has killed its
-- process. The runs are the first that died so, and the last.
CREATE TABLE suspect (
  topic_id INTEGER NOT NULL REFERENCES topic, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  place_id INTEGER NOT NULL REFERENCES place, count INTEGER NOT NULL CHECK (count >= 1),
  first_run_id INTEGER NOT NULL REFERENCES run, run_id INTEGER NOT NULL REFERENCES run,
  PRIMARY KEY (topic_id, partition, offset, place_id)
) STRICT, WITHOUT ROWID;
-- What it had in hand when it died is counted.
ALTER TABLE run ADD COLUMN hands_counted INTEGER NOT NULL DEFAULT 0 CHECK (hands_counted IN (0, 1));
