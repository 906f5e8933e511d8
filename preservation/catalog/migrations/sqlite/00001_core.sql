-- +goose Up
CREATE TABLE tenant (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  settings   TEXT NOT NULL DEFAULT '{}',
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
  id           TEXT PRIMARY KEY,
  tenant       TEXT NOT NULL REFERENCES tenant(id),
  actor        TEXT NOT NULL,
  label        TEXT NOT NULL,
  roles        TEXT NOT NULL,
  installation INTEGER NOT NULL DEFAULT 0 CHECK (installation IN (0, 1)),
  hash         TEXT NOT NULL UNIQUE,
  created_by   TEXT NOT NULL,
  created_ms   INTEGER NOT NULL,
  expires_ms   INTEGER NOT NULL DEFAULT 0,
  revoked_ms   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE submission (
  id                 TEXT PRIMARY KEY,
  tenant             TEXT NOT NULL REFERENCES tenant(id),
  producer           TEXT NOT NULL,
  producer_record_id TEXT NOT NULL,
  fingerprint        TEXT NOT NULL,
  status             TEXT NOT NULL CHECK (status IN ('received','processing','archived','partial','rejected','quarantined')),
  metadata           TEXT NOT NULL,
  record_id          TEXT NOT NULL,
  record_version     INTEGER NOT NULL DEFAULT 1,
  released           INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
  submitted_by       TEXT NOT NULL,
  frozen             TEXT NOT NULL DEFAULT '',
  problems           TEXT NOT NULL DEFAULT '[]',
  receipt            TEXT NOT NULL DEFAULT '',
  received_ms        INTEGER NOT NULL,
  updated_ms         INTEGER NOT NULL,
  parent             TEXT NOT NULL DEFAULT '',
  package            INTEGER NOT NULL DEFAULT 0 CHECK (package IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX submission_source ON submission(tenant, producer, producer_record_id) WHERE status <> 'rejected' AND producer_record_id <> '';
CREATE INDEX submission_list ON submission(tenant, id);
CREATE INDEX submission_status ON submission(tenant, status, id);
CREATE INDEX submission_producer ON submission(tenant, producer, id);
CREATE INDEX submission_record ON submission(tenant, record_id);

CREATE INDEX submission_parent ON submission(tenant, parent, id) WHERE parent <> '';

CREATE TABLE submission_file (
  submission  TEXT NOT NULL REFERENCES submission(id) ON DELETE CASCADE,
  n           INTEGER NOT NULL,
  name        BLOB NOT NULL,
  title       TEXT NOT NULL,
  document    TEXT NOT NULL,
  size        INTEGER NOT NULL,
  sha256      TEXT NOT NULL,
  sha512      TEXT NOT NULL,
  staging_key TEXT NOT NULL,
  PRIMARY KEY (submission, n)
) STRICT;

CREATE TABLE record (
  id                 TEXT PRIMARY KEY,
  tenant             TEXT NOT NULL REFERENCES tenant(id),
  version            INTEGER NOT NULL,
  submission         TEXT NOT NULL,
  producer           TEXT NOT NULL,
  producer_record_id TEXT NOT NULL,
  kind               TEXT NOT NULL,
  class              TEXT NOT NULL,
  title              TEXT NOT NULL,
  reference          TEXT NOT NULL,
  reference_key      TEXT NOT NULL,
  creator            TEXT NOT NULL,
  opened             TEXT NOT NULL,
  closed             TEXT NOT NULL,
  confidentiality    TEXT NOT NULL,
  personal_data      INTEGER NOT NULL,
  parent             TEXT NOT NULL,
  metadata           TEXT NOT NULL,
  formats            TEXT NOT NULL,
  received_ms        INTEGER NOT NULL,
  archived_ms        INTEGER NOT NULL,
  changed_ms         INTEGER NOT NULL,
  status             TEXT NOT NULL DEFAULT 'live' CHECK (status IN ('live', 'releasing')),
  retention_state    TEXT NOT NULL DEFAULT '',
  retention_rule     TEXT NOT NULL DEFAULT '',
  retention_trigger  TEXT NOT NULL DEFAULT '',
  retention_start    TEXT NOT NULL DEFAULT '',
  retention_end      TEXT NOT NULL DEFAULT '',
  retention_due      TEXT NOT NULL DEFAULT '',
  retention          TEXT NOT NULL DEFAULT '{}',
  evaluated_ms       INTEGER NOT NULL DEFAULT 0,
  stale              INTEGER NOT NULL DEFAULT 1 CHECK (stale IN (0, 1)),
  lock_mode          TEXT NOT NULL DEFAULT '',
  lock_until_ms      INTEGER NOT NULL DEFAULT 0,
  evidence           TEXT NOT NULL DEFAULT 'pending'
) STRICT;
CREATE INDEX record_tenant ON record(tenant, id);
CREATE INDEX record_list ON record(tenant, archived_ms, id);
CREATE INDEX record_class ON record(tenant, class, archived_ms, id);
CREATE INDEX record_reference ON record(tenant, reference_key, id);
CREATE INDEX record_closed ON record(tenant, closed, id);
CREATE INDEX record_producer ON record(tenant, producer, archived_ms, id);
CREATE INDEX record_due ON record(tenant, retention_due, id) WHERE retention_due <> '';
CREATE INDEX record_state ON record(tenant, retention_state, id);
CREATE INDEX record_stale ON record(tenant, id) WHERE stale = 1;
CREATE INDEX record_lock ON record(tenant, lock_until_ms, id);
CREATE INDEX record_releasing ON record(tenant, id) WHERE status <> 'live';
CREATE INDEX record_parent ON record(tenant, parent) WHERE parent <> '';

CREATE TABLE record_object (
  tenant      TEXT NOT NULL,
  record_id   TEXT NOT NULL,
  key         TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('package', 'event')),
  version     INTEGER NOT NULL,
  version_id  TEXT NOT NULL,
  size        INTEGER NOT NULL,
  sha256      TEXT NOT NULL,
  stored_ms   INTEGER NOT NULL,
  PRIMARY KEY (tenant, record_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE file (
  tenant         TEXT NOT NULL,
  record_id      TEXT NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  id             TEXT NOT NULL,
  version        INTEGER NOT NULL,
  representation TEXT NOT NULL,
  name           BLOB NOT NULL,
  title          TEXT NOT NULL,
  document       TEXT NOT NULL,
  size           INTEGER NOT NULL,
  sha256         TEXT NOT NULL,
  sha512         TEXT NOT NULL,
  format         TEXT NOT NULL,
  derived_from   TEXT NOT NULL,
  path           TEXT NOT NULL,
  pos            INTEGER NOT NULL,
  verdict        TEXT NOT NULL,
  flavour        TEXT NOT NULL,
  PRIMARY KEY (record_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_digest ON file(tenant, sha256);
CREATE INDEX file_incomplete ON file(tenant, record_id) WHERE verdict IN ('pending', 'not validated');

CREATE TABLE event (
  id            TEXT PRIMARY KEY,
  tenant        TEXT NOT NULL,
  submission    TEXT NOT NULL,
  record_id     TEXT NOT NULL,
  type          TEXT NOT NULL,
  at_ms         INTEGER NOT NULL,
  outcome       TEXT NOT NULL,
  code          TEXT NOT NULL,
  detail        TEXT NOT NULL,
  agent_type    TEXT NOT NULL,
  agent_name    TEXT NOT NULL,
  agent_version TEXT NOT NULL,
  files         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX event_submission ON event(tenant, submission, id) WHERE submission <> '';
CREATE INDEX event_record ON event(tenant, record_id, id) WHERE record_id <> '';

CREATE TABLE tombstone (
  record_id    TEXT PRIMARY KEY,
  tenant       TEXT NOT NULL,
  class        TEXT NOT NULL,
  destroyed_ms INTEGER NOT NULL,
  body         TEXT NOT NULL
) STRICT;
CREATE INDEX tombstone_list ON tombstone(tenant, destroyed_ms, record_id);

CREATE TABLE trigger_event (
  id        TEXT PRIMARY KEY,
  tenant    TEXT NOT NULL,
  record_id TEXT NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  type      TEXT NOT NULL,
  name      TEXT NOT NULL,
  date      TEXT NOT NULL,
  actor     TEXT NOT NULL,
  key       TEXT NOT NULL,
  at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX trigger_record ON trigger_event(tenant, record_id);

CREATE TABLE disposal (
  record_id TEXT PRIMARY KEY REFERENCES record(id) ON DELETE CASCADE,
  tenant    TEXT NOT NULL,
  id        TEXT NOT NULL,
  phase     TEXT NOT NULL CHECK (phase IN ('intended', 'purging', 'blocked')),
  permit    TEXT NOT NULL,
  key       TEXT NOT NULL,
  body      TEXT NOT NULL,
  try_ms    INTEGER NOT NULL,
  attempts  INTEGER NOT NULL DEFAULT 0,
  problem   TEXT NOT NULL DEFAULT '',
  at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX disposal_try ON disposal(tenant, record_id, try_ms);

CREATE TABLE document (
  tenant  TEXT NOT NULL,
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  key     TEXT NOT NULL,
  body    TEXT NOT NULL,
  actor   TEXT NOT NULL,
  at_ms   INTEGER NOT NULL,
  stored  INTEGER NOT NULL DEFAULT 0 CHECK (stored IN (0, 1)),
  PRIMARY KEY (tenant, kind, name, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_unstored ON document(tenant, key) WHERE stored = 0;

CREATE TABLE cursor (
  tenant TEXT NOT NULL,
  name   TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE change (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant    TEXT NOT NULL,
  record_id TEXT NOT NULL,
  at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX change_tenant ON change(tenant, seq);

CREATE TABLE job (
  id           TEXT PRIMARY KEY,
  tenant       TEXT NOT NULL,
  kind         TEXT NOT NULL,
  key          TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'dead')),
  attempt      INTEGER NOT NULL DEFAULT 0,
  failures     INTEGER NOT NULL DEFAULT 0,
  run_at_ms    INTEGER NOT NULL,
  owner        TEXT NOT NULL DEFAULT '',
  lease_ms     INTEGER NOT NULL DEFAULT 0,
  payload      TEXT NOT NULL DEFAULT '',
  again        INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),
  error        TEXT NOT NULL DEFAULT '',
  created_ms   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX job_key ON job(tenant, kind, key) WHERE state <> 'dead';
CREATE INDEX job_of ON job(tenant, kind, key);
CREATE INDEX job_dead ON job(tenant, id) WHERE state = 'dead';
CREATE INDEX job_ready ON job(state, kind, run_at_ms, id);

CREATE TABLE schedule (
  tenant  TEXT NOT NULL,
  kind    TEXT NOT NULL,
  spec    TEXT NOT NULL,
  next_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL DEFAULT 0,
  paused  INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  tenant TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  at_ms  INTEGER NOT NULL,
  actor  TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL,
  prev   TEXT NOT NULL,
  hash   TEXT NOT NULL,
  PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_object ON audit(tenant, object, seq);
CREATE TABLE audit_head (
  tenant TEXT PRIMARY KEY,
  seq    INTEGER NOT NULL,
  hash   TEXT NOT NULL,
  stored INTEGER NOT NULL DEFAULT 0
) STRICT;

-- SQLite takes a column that it knows nothing about for selective. Here the first
-- column of most indexes is the tenant, which is not. These figures stand for a
-- municipality with a million records; nothing runs ANALYZE, so that plans stay
-- what they are. A row: table, index, rows, then rows with the same first, second,
-- … columns.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('submission', 'submission_source',   '1000000 1000000 100000 1'),
  ('submission', 'submission_list',     '1000000 1000000 1'),
  ('submission', 'submission_status',   '1000000 1000000 200000 1'),
  ('submission', 'submission_producer', '1000000 1000000 100000 1'),
  ('submission', 'submission_record',   '1000000 1000000 1'),
  ('submission', 'submission_parent',   '300000 300000 10 1'),
  ('record',     'record_tenant',       '1000000 1000000 1'),
  ('record',     'record_list',         '1000000 1000000 2 1'),
  ('record',     'record_class',        '1000000 1000000 1000 2 1'),
  ('record',     'record_reference',    '1000000 1000000 2 1'),
  ('record',     'record_closed',       '1000000 1000000 200 1'),
  ('record',     'record_producer',     '1000000 1000000 100000 2 1'),
  ('record',     'record_due',          '900000 900000 200 1'),
  ('record',     'record_state',        '1000000 1000000 100000 1'),
  ('record',     'record_stale',        '1000 1000 1'),
  ('record',     'record_lock',         '1000000 1000000 10000 1'),
  ('record',     'record_releasing',    '100 100 1'),
  ('record',     'record_parent',       '300000 300000 10'),
  ('file',       'file_digest',         '5000000 5000000 2'),
  ('event',      'event_submission',    '20000000 20000000 20 1'),
  ('event',      'event_record',        '20000000 20000000 20 1'),
  ('tombstone',  'tombstone_list',      '100000 100000 2 1'),
  ('change',     'change_tenant',       '3000000 3000000 1'),
  ('job',        'job_key',             '10000 10000 2000 1'),
  ('job',        'job_of',              '10000 10000 2000 1'),
  ('job',        'job_dead',            '100 100 1'),
  ('job',        'job_ready',           '10000 5000 1000 2 1'),
  ('document',   'document',            '5000 5000 1000 5 1'),
  ('document',   'document_unstored',   '10 10 1'),
  ('audit',      'audit',               '10000000 10000000 1'),
  ('audit',      'audit_object',        '10000000 10000000 20 1');
ANALYZE sqlite_schema;

-- +goose Down
SELECT 1;
