-- Text is ordered by its bytes, as on SQLite, whatever the language of the server is.

-- +goose Up
CREATE TABLE tenant (
  id         TEXT COLLATE "C" PRIMARY KEY,
  name       TEXT COLLATE "C" NOT NULL,
  settings   TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  created_ms BIGINT NOT NULL
);

CREATE TABLE token (
  id           TEXT COLLATE "C" PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  actor        TEXT COLLATE "C" NOT NULL,
  label        TEXT COLLATE "C" NOT NULL,
  roles        TEXT COLLATE "C" NOT NULL,
  installation BIGINT NOT NULL DEFAULT 0 CHECK (installation IN (0, 1)),
  hash         TEXT COLLATE "C" NOT NULL UNIQUE,
  created_by   TEXT COLLATE "C" NOT NULL,
  created_ms   BIGINT NOT NULL,
  expires_ms   BIGINT NOT NULL DEFAULT 0,
  revoked_ms   BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE submission (
  id                 TEXT COLLATE "C" PRIMARY KEY,
  tenant             TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  producer           TEXT COLLATE "C" NOT NULL,
  producer_record_id TEXT COLLATE "C" NOT NULL,
  fingerprint        TEXT COLLATE "C" NOT NULL,
  status             TEXT COLLATE "C" NOT NULL CHECK (status IN ('received','processing','archived','partial','rejected','quarantined')),
  metadata           TEXT COLLATE "C" NOT NULL,
  record_id          TEXT COLLATE "C" NOT NULL,
  record_version     BIGINT NOT NULL DEFAULT 1,
  released           BIGINT NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
  submitted_by       TEXT COLLATE "C" NOT NULL,
  frozen             TEXT COLLATE "C" NOT NULL DEFAULT '',
  problems           TEXT COLLATE "C" NOT NULL DEFAULT '[]',
  receipt            TEXT COLLATE "C" NOT NULL DEFAULT '',
  received_ms        BIGINT NOT NULL,
  updated_ms         BIGINT NOT NULL,
  parent             TEXT COLLATE "C" NOT NULL DEFAULT '',
  package            BIGINT NOT NULL DEFAULT 0 CHECK (package IN (0, 1))
);
CREATE UNIQUE INDEX submission_source ON submission(tenant, producer, producer_record_id) WHERE status <> 'rejected' AND producer_record_id <> '';
CREATE INDEX submission_list ON submission(tenant, id);
CREATE INDEX submission_status ON submission(tenant, status, id);
CREATE INDEX submission_producer ON submission(tenant, producer, id);
CREATE INDEX submission_record ON submission(tenant, record_id);

CREATE INDEX submission_parent ON submission(tenant, parent, id) WHERE parent <> '';

CREATE TABLE submission_file (
  submission  TEXT COLLATE "C" NOT NULL REFERENCES submission(id) ON DELETE CASCADE,
  n           BIGINT NOT NULL,
  name        BYTEA NOT NULL,
  title       TEXT COLLATE "C" NOT NULL,
  document    TEXT COLLATE "C" NOT NULL,
  size        BIGINT NOT NULL,
  sha256      TEXT COLLATE "C" NOT NULL,
  sha512      TEXT COLLATE "C" NOT NULL,
  staging_key TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (submission, n)
);

CREATE TABLE record (
  id                 TEXT COLLATE "C" PRIMARY KEY,
  tenant             TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  version            BIGINT NOT NULL,
  submission         TEXT COLLATE "C" NOT NULL,
  producer           TEXT COLLATE "C" NOT NULL,
  producer_record_id TEXT COLLATE "C" NOT NULL,
  kind               TEXT COLLATE "C" NOT NULL,
  class              TEXT COLLATE "C" NOT NULL,
  title              TEXT COLLATE "C" NOT NULL,
  reference          TEXT COLLATE "C" NOT NULL,
  reference_key      TEXT COLLATE "C" NOT NULL,
  creator            TEXT COLLATE "C" NOT NULL,
  opened             TEXT COLLATE "C" NOT NULL,
  closed             TEXT COLLATE "C" NOT NULL,
  confidentiality    TEXT COLLATE "C" NOT NULL,
  personal_data      BIGINT NOT NULL,
  parent             TEXT COLLATE "C" NOT NULL,
  metadata           TEXT COLLATE "C" NOT NULL,
  formats            TEXT COLLATE "C" NOT NULL,
  received_ms        BIGINT NOT NULL,
  archived_ms        BIGINT NOT NULL,
  changed_ms         BIGINT NOT NULL,
  status             TEXT COLLATE "C" NOT NULL DEFAULT 'live' CHECK (status IN ('live', 'releasing')),
  retention_state    TEXT COLLATE "C" NOT NULL DEFAULT '',
  retention_rule     TEXT COLLATE "C" NOT NULL DEFAULT '',
  retention_trigger  TEXT COLLATE "C" NOT NULL DEFAULT '',
  retention_start    TEXT COLLATE "C" NOT NULL DEFAULT '',
  retention_end      TEXT COLLATE "C" NOT NULL DEFAULT '',
  retention_due      TEXT COLLATE "C" NOT NULL DEFAULT '',
  retention          TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  evaluated_ms       BIGINT NOT NULL DEFAULT 0,
  stale              BIGINT NOT NULL DEFAULT 1 CHECK (stale IN (0, 1)),
  lock_mode          TEXT COLLATE "C" NOT NULL DEFAULT '',
  lock_until_ms      BIGINT NOT NULL DEFAULT 0,
  evidence           TEXT COLLATE "C" NOT NULL DEFAULT 'pending'
);
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
  tenant      TEXT COLLATE "C" NOT NULL,
  record_id   TEXT COLLATE "C" NOT NULL,
  key         TEXT COLLATE "C" NOT NULL,
  kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('package', 'event')),
  version     BIGINT NOT NULL,
  version_id  TEXT COLLATE "C" NOT NULL,
  size        BIGINT NOT NULL,
  sha256      TEXT COLLATE "C" NOT NULL,
  stored_ms   BIGINT NOT NULL,
  PRIMARY KEY (tenant, record_id, key)
);

CREATE TABLE file (
  tenant         TEXT COLLATE "C" NOT NULL,
  record_id      TEXT COLLATE "C" NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  id             TEXT COLLATE "C" NOT NULL,
  version        BIGINT NOT NULL,
  representation TEXT COLLATE "C" NOT NULL,
  name           BYTEA NOT NULL,
  title          TEXT COLLATE "C" NOT NULL,
  document       TEXT COLLATE "C" NOT NULL,
  size           BIGINT NOT NULL,
  sha256         TEXT COLLATE "C" NOT NULL,
  sha512         TEXT COLLATE "C" NOT NULL,
  format         TEXT COLLATE "C" NOT NULL,
  derived_from   TEXT COLLATE "C" NOT NULL,
  path           TEXT COLLATE "C" NOT NULL,
  pos            BIGINT NOT NULL,
  verdict        TEXT COLLATE "C" NOT NULL,
  flavour        TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (record_id, id)
);
CREATE INDEX file_digest ON file(tenant, sha256);
CREATE INDEX file_incomplete ON file(tenant, record_id) WHERE verdict IN ('pending', 'not validated');

CREATE TABLE event (
  id            TEXT COLLATE "C" PRIMARY KEY,
  tenant        TEXT COLLATE "C" NOT NULL,
  submission    TEXT COLLATE "C" NOT NULL,
  record_id     TEXT COLLATE "C" NOT NULL,
  type          TEXT COLLATE "C" NOT NULL,
  at_ms         BIGINT NOT NULL,
  outcome       TEXT COLLATE "C" NOT NULL,
  code          TEXT COLLATE "C" NOT NULL,
  detail        TEXT COLLATE "C" NOT NULL,
  agent_type    TEXT COLLATE "C" NOT NULL,
  agent_name    TEXT COLLATE "C" NOT NULL,
  agent_version TEXT COLLATE "C" NOT NULL,
  files         TEXT COLLATE "C" NOT NULL
);
CREATE INDEX event_submission ON event(tenant, submission, id) WHERE submission <> '';
CREATE INDEX event_record ON event(tenant, record_id, id) WHERE record_id <> '';

CREATE TABLE tombstone (
  record_id    TEXT COLLATE "C" PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL,
  class        TEXT COLLATE "C" NOT NULL,
  destroyed_ms BIGINT NOT NULL,
  body         TEXT COLLATE "C" NOT NULL
);
CREATE INDEX tombstone_list ON tombstone(tenant, destroyed_ms, record_id);

CREATE TABLE trigger_event (
  id        TEXT COLLATE "C" PRIMARY KEY,
  tenant    TEXT COLLATE "C" NOT NULL,
  record_id TEXT COLLATE "C" NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  type      TEXT COLLATE "C" NOT NULL,
  name      TEXT COLLATE "C" NOT NULL,
  date      TEXT COLLATE "C" NOT NULL,
  actor     TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  at_ms     BIGINT NOT NULL
);
CREATE INDEX trigger_record ON trigger_event(tenant, record_id);

CREATE TABLE disposal (
  record_id TEXT COLLATE "C" PRIMARY KEY REFERENCES record(id) ON DELETE CASCADE,
  tenant    TEXT COLLATE "C" NOT NULL,
  id        TEXT COLLATE "C" NOT NULL,
  phase     TEXT COLLATE "C" NOT NULL CHECK (phase IN ('intended', 'purging', 'blocked')),
  permit    TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  body      TEXT COLLATE "C" NOT NULL,
  try_ms    BIGINT NOT NULL,
  attempts  BIGINT NOT NULL DEFAULT 0,
  problem   TEXT COLLATE "C" NOT NULL DEFAULT '',
  at_ms     BIGINT NOT NULL
);
CREATE INDEX disposal_try ON disposal(tenant, record_id, try_ms);

CREATE TABLE document (
  tenant  TEXT COLLATE "C" NOT NULL,
  kind    TEXT COLLATE "C" NOT NULL,
  name    TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  key     TEXT COLLATE "C" NOT NULL,
  body    TEXT COLLATE "C" NOT NULL,
  actor   TEXT COLLATE "C" NOT NULL,
  at_ms   BIGINT NOT NULL,
  stored  BIGINT NOT NULL DEFAULT 0 CHECK (stored IN (0, 1)),
  PRIMARY KEY (tenant, kind, name, version)
);
CREATE INDEX document_unstored ON document(tenant, key) WHERE stored = 0;

CREATE TABLE cursor (
  tenant TEXT COLLATE "C" NOT NULL,
  name   TEXT COLLATE "C" NOT NULL,
  value  TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, name)
);

CREATE TABLE change (
  seq       BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  xid       XID8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant    TEXT COLLATE "C" NOT NULL,
  record_id TEXT COLLATE "C" NOT NULL,
  at_ms     BIGINT NOT NULL
);
CREATE INDEX change_tenant ON change(tenant, xid, seq);

CREATE TABLE job (
  id           TEXT COLLATE "C" PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL,
  kind         TEXT COLLATE "C" NOT NULL,
  key          TEXT COLLATE "C" NOT NULL,
  state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'dead')),
  attempt      BIGINT NOT NULL DEFAULT 0,
  failures     BIGINT NOT NULL DEFAULT 0,
  run_at_ms    BIGINT NOT NULL,
  owner        TEXT COLLATE "C" NOT NULL DEFAULT '',
  lease_ms     BIGINT NOT NULL DEFAULT 0,
  payload      TEXT COLLATE "C" NOT NULL DEFAULT '',
  again        BIGINT NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),
  error        TEXT COLLATE "C" NOT NULL DEFAULT '',
  created_ms   BIGINT NOT NULL
);
CREATE UNIQUE INDEX job_key ON job(tenant, kind, key) WHERE state <> 'dead';
CREATE INDEX job_of ON job(tenant, kind, key);
CREATE INDEX job_dead ON job(tenant, id) WHERE state = 'dead';
CREATE INDEX job_ready ON job(state, kind, run_at_ms, id);

CREATE TABLE schedule (
  tenant  TEXT COLLATE "C" NOT NULL,
  kind    TEXT COLLATE "C" NOT NULL,
  spec    TEXT COLLATE "C" NOT NULL,
  next_ms BIGINT NOT NULL,
  last_ms BIGINT NOT NULL DEFAULT 0,
  paused  BIGINT NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  PRIMARY KEY (tenant, kind)
);

CREATE TABLE audit (
  tenant TEXT COLLATE "C" NOT NULL,
  seq    BIGINT NOT NULL,
  at_ms  BIGINT NOT NULL,
  actor  TEXT COLLATE "C" NOT NULL,
  action TEXT COLLATE "C" NOT NULL,
  object TEXT COLLATE "C" NOT NULL,
  detail TEXT COLLATE "C" NOT NULL,
  prev   TEXT COLLATE "C" NOT NULL,
  hash   TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, seq)
);
CREATE INDEX audit_object ON audit(tenant, object, seq);
CREATE TABLE audit_head (
  tenant TEXT COLLATE "C" PRIMARY KEY,
  seq    BIGINT NOT NULL,
  hash   TEXT COLLATE "C" NOT NULL,
  stored BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
SELECT 1;
