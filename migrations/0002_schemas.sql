-- A schema is called by a number or by a GUID, and may name others, whose texts are kept with it: each stands behind all that it names.
-- Nothing has written the table before.
DROP TABLE schema;
CREATE TABLE schema (
  registry TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  named_texts TEXT NOT NULL CHECK (json_valid(named_texts)), kept_at_us INTEGER NOT NULL, PRIMARY KEY (registry, id)
) STRICT, WITHOUT ROWID;
