-- +goose Up
-- A segment of the audit log as it stands in the bucket. It waits for its seal and
-- then for a stamp.
CREATE TABLE audit_segment (
  tenant     TEXT NOT NULL REFERENCES tenant(id),
  key        TEXT NOT NULL,
  first_seq  INTEGER NOT NULL,
  last_seq   INTEGER NOT NULL,
  sha256     TEXT NOT NULL,
  seal       TEXT NOT NULL DEFAULT '',
  stamp      TEXT NOT NULL DEFAULT '',
  stored_ms  INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_segment_last ON audit_segment(tenant, last_seq);
CREATE INDEX audit_segment_waiting ON audit_segment(tenant, key) WHERE stamp = '';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('audit_segment', 'audit_segment',         '10000 10000 1'),
  ('audit_segment', 'audit_segment_last',    '10000 10000 1 1'),
  ('audit_segment', 'audit_segment_waiting', '10 10 1');
ANALYZE sqlite_schema;
