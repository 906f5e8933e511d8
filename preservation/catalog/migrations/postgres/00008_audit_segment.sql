-- +goose Up
-- A segment of the audit log as it stands in the bucket. It waits for its seal and
-- then for a stamp.
CREATE TABLE audit_segment (
  tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  key        TEXT COLLATE "C" NOT NULL,
  first_seq  BIGINT NOT NULL,
  last_seq   BIGINT NOT NULL,
  sha256     TEXT COLLATE "C" NOT NULL,
  seal       TEXT COLLATE "C" NOT NULL DEFAULT '',
  stamp      TEXT COLLATE "C" NOT NULL DEFAULT '',
  stored_ms  BIGINT NOT NULL,
  PRIMARY KEY (tenant, key)
);
CREATE INDEX audit_segment_last ON audit_segment(tenant, last_seq);
CREATE INDEX audit_segment_waiting ON audit_segment(tenant, key) WHERE stamp = '';
