-- +goose Up
-- A stamp is a hash tree with one time-stamp: an evidence batch over versions of
-- records, or a renewal. Its leaves are those versions, or the stamps whose tokens
-- it covers.
CREATE TABLE stamp (
  tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  id         TEXT COLLATE "C" NOT NULL,
  kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('records', 'tokens', 'renewed')),
  digest     TEXT COLLATE "C" NOT NULL,
  state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('filling', 'full', 'stamped')),
  leaves     BIGINT NOT NULL DEFAULT 0,
  nodes      BYTEA NOT NULL,
  imprint    BYTEA NOT NULL,
  algorithms TEXT COLLATE "C" NOT NULL DEFAULT '',
  covered_by TEXT COLLATE "C" NOT NULL DEFAULT '',
  opened_ms  BIGINT NOT NULL,
  since_ms   BIGINT NOT NULL DEFAULT 0,
  stamped_ms BIGINT NOT NULL DEFAULT 0,
  expires_ms BIGINT NOT NULL DEFAULT 0,
  marked     BIGINT NOT NULL DEFAULT 0 CHECK (marked IN (0, 1)),
  PRIMARY KEY (tenant, id)
);
CREATE INDEX stamp_open ON stamp(tenant, id) WHERE state <> 'stamped';
CREATE INDEX stamp_unmarked ON stamp(tenant, id) WHERE state = 'stamped' AND kind = 'records' AND marked = 0;
CREATE INDEX stamp_time ON stamp(tenant, stamped_ms, id);
CREATE INDEX stamp_bare ON stamp(tenant, id) WHERE state = 'stamped' AND covered_by = '';

-- Apart, so that a renewal does not write every token anew.
CREATE TABLE stamp_token (
  tenant TEXT COLLATE "C" NOT NULL,
  stamp  TEXT COLLATE "C" NOT NULL,
  token  BYTEA NOT NULL,
  PRIMARY KEY (tenant, stamp)
);

CREATE TABLE stamp_leaf (
  tenant  TEXT COLLATE "C" NOT NULL,
  stamp   TEXT COLLATE "C" NOT NULL,
  pos     BIGINT NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  digest  BYTEA NOT NULL,
  PRIMARY KEY (tenant, stamp, pos)
);
CREATE UNIQUE INDEX stamp_leaf_subject ON stamp_leaf(tenant, subject, version, stamp);

ALTER TABLE record_object ADD COLUMN stamp TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX record_object_unstamped ON record_object(tenant, record_id, version) WHERE kind = 'package' AND stamp = '';
