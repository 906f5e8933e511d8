-- +goose Up
-- When a record was last read back whole, or when it was stored: that reads it back
-- too.
ALTER TABLE record ADD COLUMN checked_ms INTEGER NOT NULL DEFAULT 0;
UPDATE record SET checked_ms = archived_ms;
CREATE INDEX record_checked ON record(tenant, checked_ms, id);

-- What the last check found wrong and is so still; of the whole bucket where
-- record_id is empty.
CREATE TABLE finding (
  tenant    TEXT NOT NULL REFERENCES tenant(id),
  record_id TEXT NOT NULL,
  subject   TEXT NOT NULL,
  code      TEXT NOT NULL,
  detail    TEXT NOT NULL,
  found_ms  INTEGER NOT NULL,
  seen_ms   INTEGER NOT NULL,
  PRIMARY KEY (tenant, record_id, subject, code)
) STRICT, WITHOUT ROWID;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('record',  'record_checked', '1000000 1000000 2 1'),
  ('finding', 'finding',        '100 100 2 1 1');
ANALYZE sqlite_schema;
