-- +goose Up
-- What people added to a record after its package was made: another class, a
-- statement of somebody concerned, a restriction, a permission to read. Each is an
-- event object too.
CREATE TABLE annotation (
  id        TEXT PRIMARY KEY,
  tenant    TEXT NOT NULL,
  record_id TEXT NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  kind      TEXT NOT NULL,
  body      TEXT NOT NULL,
  actor     TEXT NOT NULL,
  key       TEXT NOT NULL,
  at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX annotation_record ON annotation(tenant, record_id, kind);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('annotation', 'annotation_record', '10000 10000 2 1');
ANALYZE sqlite_schema;

-- What the sender of a later version says of it, as JSON.
ALTER TABLE submission ADD COLUMN revision TEXT NOT NULL DEFAULT '';
