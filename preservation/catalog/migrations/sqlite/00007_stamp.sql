-- +goose Up
-- A stamp is a hash tree with one time-stamp: an evidence batch over versions of
-- records, or a renewal. Its leaves are those versions, or the stamps whose tokens
-- it covers.
CREATE TABLE stamp (
  tenant     TEXT NOT NULL REFERENCES tenant(id),
  id         TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('records', 'tokens', 'renewed')),
  digest     TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('filling', 'full', 'stamped')),
  leaves     INTEGER NOT NULL DEFAULT 0,
  nodes      BLOB NOT NULL,
  imprint    BLOB NOT NULL,
  algorithms TEXT NOT NULL DEFAULT '',
  covered_by TEXT NOT NULL DEFAULT '',
  opened_ms  INTEGER NOT NULL,
  since_ms   INTEGER NOT NULL DEFAULT 0,
  stamped_ms INTEGER NOT NULL DEFAULT 0,
  expires_ms INTEGER NOT NULL DEFAULT 0,
  marked     INTEGER NOT NULL DEFAULT 0 CHECK (marked IN (0, 1)),
  PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX stamp_open ON stamp(tenant, id) WHERE state <> 'stamped';
CREATE INDEX stamp_unmarked ON stamp(tenant, id) WHERE state = 'stamped' AND kind = 'records' AND marked = 0;
CREATE INDEX stamp_time ON stamp(tenant, stamped_ms, id);
CREATE INDEX stamp_bare ON stamp(tenant, id) WHERE state = 'stamped' AND covered_by = '';

-- Apart, so that a renewal does not write every token anew.
CREATE TABLE stamp_token (
  tenant TEXT NOT NULL,
  stamp  TEXT NOT NULL,
  token  BLOB NOT NULL,
  PRIMARY KEY (tenant, stamp)
) STRICT, WITHOUT ROWID;

CREATE TABLE stamp_leaf (
  tenant  TEXT NOT NULL,
  stamp   TEXT NOT NULL,
  pos     INTEGER NOT NULL,
  subject TEXT NOT NULL,
  version INTEGER NOT NULL,
  digest  BLOB NOT NULL,
  PRIMARY KEY (tenant, stamp, pos)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX stamp_leaf_subject ON stamp_leaf(tenant, subject, version, stamp);

ALTER TABLE record_object ADD COLUMN stamp TEXT NOT NULL DEFAULT '';
CREATE INDEX record_object_unstamped ON record_object(tenant, record_id, version) WHERE kind = 'package' AND stamp = '';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('stamp',         'stamp_open',              '2 2 1'),
  ('stamp',         'stamp_unmarked',          '2 2 1'),
  ('stamp',         'stamp',                   '400000 400000 1'),
  ('stamp',         'stamp_time',              '400000 400000 1 1'),
  ('stamp',         'stamp_bare',              '10000 10000 1'),
  ('stamp_leaf',    'stamp_leaf_subject',      '1000000 1000000 1 1 1'),
  ('record_object', 'record_object',           '5000000 5000000 5 1'),
  ('record_object', 'record_object_unstamped', '10000 10000 1 1');
ANALYZE sqlite_schema;
