-- +goose Up
-- What people added to a record after its package was made: another class, a
-- statement of somebody concerned, a restriction, a permission to read. Each is an
-- event object too.
CREATE TABLE annotation (
  id        TEXT COLLATE "C" PRIMARY KEY,
  tenant    TEXT COLLATE "C" NOT NULL,
  record_id TEXT COLLATE "C" NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  kind      TEXT COLLATE "C" NOT NULL,
  body      TEXT COLLATE "C" NOT NULL,
  actor     TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  at_ms     BIGINT NOT NULL
);
CREATE INDEX annotation_record ON annotation(tenant, record_id, kind);

-- What the sender of a later version says of it, as JSON.
ALTER TABLE submission ADD COLUMN revision TEXT COLLATE "C" NOT NULL DEFAULT '';
