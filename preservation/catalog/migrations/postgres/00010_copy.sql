-- +goose Up
-- Keys whose object was written, locked for longer or held since it was last brought
-- to the second copy. The turn tells what came while that was being done.
CREATE TABLE copy_due (
  tenant   TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  key      TEXT COLLATE "C" NOT NULL,
  turn     BIGINT NOT NULL DEFAULT 0,
  tries    BIGINT NOT NULL DEFAULT 0,
  try_ms   BIGINT NOT NULL DEFAULT 0,
  since_ms BIGINT NOT NULL,
  error    TEXT COLLATE "C" NOT NULL DEFAULT '',
  PRIMARY KEY (tenant, key)
);
CREATE INDEX copy_due_try ON copy_due(tenant, try_ms, since_ms, key);
CREATE INDEX copy_due_since ON copy_due(tenant, since_ms);

-- When an object was seen in the second copy with the right digest; 0: not yet.
ALTER TABLE record_object ADD COLUMN copied_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX record_object_single ON record_object(tenant, record_id, key) WHERE copied_ms = 0;
-- When the second copy of a record was last read back; 0: there is none.
ALTER TABLE record ADD COLUMN copy_checked_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX record_copy_checked ON record(tenant, copy_checked_ms, id) WHERE copy_checked_ms > 0;
